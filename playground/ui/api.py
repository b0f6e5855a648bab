"""The HTTP interface: gradio endpoints with stable names, for `gradio_client` and other programs.

A run's key is "run~secret": whoever holds it may watch and steer the run, without a cookie. Data and models are
registered names or uploads, never paths of the server.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder, is_in_or_equal

from playground.data.registry import DATASETS
from playground.errors import DataError, UsageError, unknown
from playground.methods import find_method
from playground.ui.context import House, spoken

MAX_GENERATED = 64
_NO_ROWS = 1 << 40


def uploaded_path(value: Any) -> Path | None:
    """The file behind an upload as gradio's clients send it, None for anything else.

    Raises:
        UsageError: it names a file that was not uploaded.
    """
    if not isinstance(value, dict) or "path" not in value:
        return None
    path = Path(str(value["path"])).resolve()
    if not is_in_or_equal(path, Path(get_upload_folder()).resolve()):
        raise UsageError("Only uploaded files can be used: send the file itself, not a path of the server.")
    if not path.is_file():
        raise DataError("The uploaded file is no longer there: send it again.")
    return path


def add_api(house: House) -> None:
    """Register the endpoints in the Blocks that is being built."""

    def train_start(
        preset: str,
        data: str | dict = "faces",
        steps: int | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
        knobs: str | dict = "{}",
        request: gr.Request = None,
    ) -> str:
        owner = house.starter(request)
        find_method(preset)
        named = {"steps": steps, "batch_size": batch_size, "seed": seed}
        changes = {name: value for name, value in named.items() if value is not None} | _knobs(knobs)
        upload = uploaded_path(data)
        if upload is not None:
            kept = house.uploads.keep(owner, [upload])
            source, title = str(kept.path), kept.title
        elif data in DATASETS:
            source, title = data, DATASETS[data].title
        else:
            raise unknown("data set", str(data), DATASETS)
        session = house.manager.start(preset, source, changes, owner=owner, data_title=title)
        return f"{session.key}~{session.secret}"

    def train_status(key: str, request: gr.Request = None) -> dict:
        session = house.session(key, house.owner(request))
        session.touch()
        wire = session.wire(after=_NO_ROWS)
        for heavy in ("rows", "histogram", "version"):
            wire.pop(heavy)
        return wire

    def steering(name: str, told: str) -> Any:
        def steer(key: str, request: gr.Request = None) -> str:
            session = house.session(key, house.owner(request))
            session.touch()
            getattr(session, name)()
            return told

        return steer

    def models() -> list:
        from playground.model import list_shipped

        return list_shipped()

    def generate(
        model: str | dict,
        count: int = 16,
        seed: int = 0,
        labels: str | int | list | None = None,
        truncation: float | None = None,
        request: gr.Request = None,
    ) -> list:
        from gradio.processing_utils import save_img_array_to_cache

        from playground.data.base import to_uint8

        if not isinstance(count, int) or not 1 <= count <= MAX_GENERATED:
            raise UsageError(f"count must be a whole number from 1 to {MAX_GENERATED}, not {count}.")
        drawn = _model(house, model, house.owner(request)).sample(
            count, seed=seed, labels=labels, truncation=truncation
        )
        folder = get_upload_folder()
        paths = [save_img_array_to_cache(picture, folder, format="png") for picture in to_uint8(drawn)]
        return [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]

    endpoints = {
        "train_start": (train_start, "Start a training; returns the run's key."),
        "train_status": (train_status, "The state of a run: step, message, rates, time left, alarms."),
        "train_pause": (steering("pause", "pausing"), "Pause a run."),
        "train_resume": (steering("resume", "resuming"), "Go on after a pause."),
        "train_stop": (steering("stop", "stopping"), "Stop a run; it is checkpointed and its model saved first."),
        "models": (models, "Names of the shipped models."),
        "generate": (
            generate,
            "Pictures from a model: a shipped one by name, a run by its key, or an uploaded model zip.",
        ),
    }
    for name, (function, description) in endpoints.items():
        gr.api(spoken(function), api_name=name, api_description=description, concurrency_limit=2)


def _knobs(text: str | dict) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}") if isinstance(text, str) else text
    except ValueError:
        raise UsageError('knobs must be a JSON object such as {"learning_rate_g": 0.0001}.') from None
    if not isinstance(value, dict):
        raise UsageError('knobs must be a JSON object such as {"learning_rate_g": 0.0001}.')
    return value


def _model(house: House, model: Any, owner: str) -> Any:
    from playground.model import list_shipped, load_model

    upload = uploaded_path(model)
    if upload is not None:
        if upload.suffix != ".zip":
            raise DataError("An uploaded model is the zip that the app exports.")
        return load_model(upload)
    if model in list_shipped():
        return _shipped(model)
    try:
        session = house.session(str(model), owner)
    except UsageError:
        raise UsageError(
            f"There is no model '{str(model)[:80]}': name one from /models, or give the key of a run."
        ) from None
    return session.model()


@lru_cache(maxsize=4)
def _shipped(name: str) -> Any:
    from playground.model import load_model

    return load_model(name)
