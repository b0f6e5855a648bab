"""The HTTP interface: gradio endpoints with stable names, for `gradio_client` and other programs.

A run's key is "run~secret": whoever holds it may watch and steer the run, without a cookie. Data and models are
registered names or uploads, never paths of the server. Recipes are sent and taken as JSON text: gradio's clients take
any object with a "path", as recipes have one, for a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.utils import get_upload_folder, is_in_or_equal

from playground.data.registry import DATASETS
from playground.errors import DataError, UsageError, unknown
from playground.methods import find_method
from playground.ui.context import House, spoken
from playground.ui.explore_routes import MAX_INVERSION, NO_READER
from playground.ui.studio import Opened, Source
from playground.ui.translate_jobs import translated

if TYPE_CHECKING:
    from torch import Tensor

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


def check_count(count: Any, least: int) -> None:
    """Raise UsageError unless `count` pictures may be drawn at once."""
    if not isinstance(count, int) or isinstance(count, bool) or not least <= count <= MAX_GENERATED:
        raise UsageError(f"count must be a whole number from {least} to {MAX_GENERATED}, not {str(count)[:40]}.")


def files(pictures: Iterable[Tensor]) -> list[dict[str, Any]]:
    """Pictures [C, H, W] in [-1, 1] as PNG files that gradio's clients fetch."""
    from gradio.processing_utils import save_img_array_to_cache

    from playground.data.base import to_uint8

    folder = get_upload_folder()
    paths = [save_img_array_to_cache(to_uint8(one[None])[0], folder, format="png") for one in pictures]
    return [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]


def json_object(text: str | dict, what: str, example: str) -> dict[str, Any]:
    """The JSON object in a text; raises UsageError for anything else."""
    try:
        value = json.loads(text or "{}") if isinstance(text, str) else text
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{what} must be a JSON object such as {example}.")
    return value


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
        changes = {name: value for name, value in named.items() if value is not None}
        changes |= json_object(knobs, "knobs", '{"learning_rate_g": 0.0001}')
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

        return list_shipped("generator")

    def generate(
        model: str | dict,
        count: int = 16,
        seed: int = 0,
        labels: str | int | list | None = None,
        truncation: float | None = None,
        request: gr.Request = None,
    ) -> list:
        check_count(count, 1)
        opened = _model(house, model, house.owner(request))
        if opened.info.world is not None:
            raise UsageError("This model draws points, not pictures: sample it with the command line.")
        return files(opened.sample(count, seed=seed, labels=labels, truncation=truncation))

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
        **_exploring(house),
        **_sketching(house),
        **_translating(house),
    }
    for name, (function, description) in endpoints.items():
        gr.api(spoken(function), api_name=name, api_description=description, concurrency_limit=2)


def _exploring(house: House) -> dict[str, tuple[Callable[..., Any], str]]:
    """The endpoints that work in a model's latent space."""

    def opened(model: Any, owner: str) -> Opened:
        return _opened(house, model, owner)

    def recipe_of(model: Opened, value: Any) -> dict:
        """A seed, a recipe, or its JSON."""
        if isinstance(value, str):
            value = json_object(value, "A recipe", '{"a": {"seed": 0}}')
        if isinstance(value, dict):
            return value
        from playground.ui.drawing import default_recipe

        start = default_recipe(model, model.key)
        return {**start, "a": {**start["a"], "seed": value}}

    def interpolate(
        model: str | dict,
        recipe_from: int | str | dict = 0,
        recipe_to: int | str | dict = 1,
        count: int = 8,
        path: str | None = None,
        easing: bool = False,
        request: gr.Request = None,
    ) -> list:
        from playground.latent.interpolate import frames
        from playground.latent.recipe import parse, render_many

        found = opened(model, house.owner(request))
        check_count(count, 2)

        def work() -> Any:
            ends = [parse(recipe_of(found, value), found.back) for value in (recipe_from, recipe_to)]
            return render_many(found.back, frames(*ends, count, space=found.back, path=path, easing=easing))

        return files(house.studio.heavy.call(work))

    def steer(
        model: str | dict,
        targets: str | dict,
        recipe: int | str | dict = 0,
        hold: str | list | None = "others",
        hold_weight: float | None = None,
        step_size: float | None = None,
        steps: int | None = None,
        reader: str | None = None,
        picture_weight: float | None = None,
        request: gr.Request = None,
    ) -> dict:
        from playground.latent.recipe import parse, render_many
        from playground.ui import drawing

        owner = house.owner(request)
        found = opened(model, owner)
        goals = json_object(targets, "targets", '{"smile": 1}') if isinstance(targets, str) else targets
        guide = house.studio.reader(found, owner, reader)
        if guide is None:
            raise UsageError(NO_READER)

        def work() -> Any:
            begin = recipe_of(found, recipe)
            body = {
                "recipe": begin, "targets": goals, "hold": hold, "hold_weight": hold_weight, "step_size": step_size,
                "steps": steps, "picture_weight": picture_weight,
            }  # fmt: skip
            told = drawing.steer(found, body, guide)
            return told, render_many(found.back, [parse(one, found.back) for one in (begin, told["recipe"])])

        told, pair = house.studio.heavy.call(work)
        before, after = files(pair)
        kept = {name: told[name] for name in ("readings", "names", "reached")}
        return {"before": before, "after": after, "recipe": json.dumps(told["recipe"]), **kept}

    def mix(
        model: str | dict,
        sources: list,
        destinations: list,
        layers: str | list = "coarse",
        truncation: float | None = None,
        noise: str | int | list = "fixed",
        request: gr.Request = None,
    ) -> list:
        from playground.latent.mixing import grid, layer_range

        found = opened(model, house.owner(request))
        for name, points in (("sources", sources), ("destinations", destinations)):
            if not isinstance(points, list) or not points:
                raise UsageError(f"{name} is a list of seeds or points, such as [0, 1, 2].")
        check_count(len(sources) * len(destinations), 1)

        def work() -> Any:
            space = found.back
            first, last = layer_range(space, layers) if isinstance(layers, str) else space.check_layers(layers)
            shares = [float(first <= layer <= last) for layer in range(space.layers)]
            rows, columns = (
                [one if isinstance(one, dict) else {"seed": one} for one in side] for side in (sources, destinations)
            )
            return grid(space, rows, columns, shares, noise, truncation)

        return files(house.studio.heavy.call(work))

    def invert(
        model: str | dict,
        picture: dict,
        steps: int = 200,
        per_layer: bool = True,
        label: int | None = None,
        request: gr.Request = None,
    ) -> dict:
        from playground.latent.recipe import parse, render
        from playground.ui import drawing

        found, path = opened(model, house.owner(request)), uploaded_path(picture)
        if path is None:
            raise UsageError("Send the picture itself, as an uploaded file.")
        if not isinstance(steps, int) or not 0 <= steps <= MAX_INVERSION:
            raise UsageError(f"steps must be a whole number from 0 to {MAX_INVERSION}, not {str(steps)[:40]}.")
        prepared, _ = drawing.prepared(path, found)

        def work() -> Any:
            told = drawing.find_latent(found, prepared, steps, per_layer=per_layer, label=label)
            recipe = drawing.found_recipe(found.back, found.key, told.latent, told.label, told.codes).to_dict()
            return told, recipe, render(found.back, parse(recipe, found.back))

        told, recipe, drawn = house.studio.inversions.call(work)
        numbers = ("distance", "psnr", "start_distance", "start_psnr", "measure")
        shown, original = files([drawn, prepared[0]])
        return {
            "picture": shown, "original": original, "recipe": json.dumps(recipe),
            **{name: getattr(told, name) for name in numbers},
        }  # fmt: skip

    return {
        "interpolate": (interpolate, "Pictures on the way between two seeds or recipes."),
        "steer": (steer, "Change what a classifier reads in a picture, the rest held: before, after and the way."),
        "mix": (mix, "Style mixing: every source's styles in every destination, source by source."),
        "invert": (invert, "The recipe that draws an uploaded picture as nearly as the model can."),
    }


def _sketching(house: House) -> dict[str, tuple[Callable[..., Any], str]]:
    """The endpoint that translates a drawing."""

    def sketch(
        model: str | dict,
        drawing: dict,
        direction: str | None = None,
        seed: int = 0,
        detector: str | None = None,
        request: gr.Request = None,
    ) -> dict:
        found, path = _opened(house, model, house.owner(request)), uploaded_path(drawing)
        if path is None:
            raise UsageError("Send the drawing itself, as an uploaded file.")

        def work() -> Any:
            from playground.ui.sketching import sketched

            return sketched(found, path.read_bytes(), direction, seed, detector)

        picture, seen = files(house.studio.strokes.call(work))
        return {"picture": picture, "drawing": seen}

    return {"sketch": (sketch, "The picture that a translator makes of a drawing, or of a picture's edges.")}


def _translating(house: House) -> dict[str, tuple[Callable[..., Any], str]]:
    """The endpoint that translates a picture of any size."""

    def translate(
        model: str | dict,
        picture: dict,
        direction: str = "AB",
        size: str = "full",
        seed: int | None = 0,
        edges: bool = False,
        style: dict | None = None,
        request: gr.Request = None,
    ) -> dict:
        found, path = _opened(house, model, house.owner(request)), uploaded_path(picture)
        if path is None:
            raise UsageError("Send the picture itself, as an uploaded file.")
        example = uploaded_path(style)
        if style is not None and example is None:
            raise UsageError("Send the picture whose style is wanted itself, as an uploaded file.")

        def work() -> Any:
            own, wanted = house.translations.model(found), example.read_bytes() if example else None
            return translated(own, path.read_bytes(), direction, size, edges, seed, wanted)

        made, notes = house.translations.lane.call(work)
        return {"picture": files(made)[0], "notes": notes}

    told = 'A picture through a translator: "full" size by tiles, or "crop" or "pad" to the model\'s own.'
    return {"translate": (translate, told)}


def _opened(house: House, model: Any, owner: str) -> Opened:
    """The open model of a name, a key, or an uploaded zip."""
    upload = uploaded_path(model)
    if upload is None:
        return house.studio.open(model, owner)
    if upload.suffix != ".zip":
        raise DataError("An uploaded model is the zip that the app exports.")
    return Opened(Source("", "upload", upload.stem, 0, folder=upload), _model(house, model, owner))


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
