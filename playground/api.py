"""What `import playground as pg` hands out: train, and lists of what there is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import distributed
from playground.checkpoint import kept, read_checkpoint
from playground.data.registry import DATASETS, check_data, of_points, open_data, title
from playground.devices import describe_device, resolve_device
from playground.errors import PlaygroundError, TrainingError, UsageError
from playground.knobs import find, settings
from playground.methods import METHODS, data_options, find_method, method_settings
from playground.model import Model, list_shipped, load_model
from playground.recorder import Recorder, explain, out_of_memory
from playground.runs import new_run_folder, read_config, read_metrics, read_samples
from playground.trainer import Trainer

if TYPE_CHECKING:
    import numpy as np

    from playground.data.base import ImageStore


@dataclass(frozen=True)
class Run:
    """A training that has ended. `state` is "finished", "stopped" or "going on" (another process writes the record)."""

    folder: Path
    state: str
    step: int

    def model(self, device: str = "cpu") -> Model:
        """The trained model."""
        return load_model(self.folder / "model", device)

    def metrics(self) -> dict[str, np.ndarray]:
        """The run's charts: {column: float32 [rows]}, among them step, seconds and images."""
        return read_metrics(self.folder)

    def samples(self) -> list[tuple[int, Path]]:
        """[(step, picture file)] of the fixed-seed sample grid."""
        return read_samples(self.folder)


def list_presets() -> list[dict[str, Any]]:
    """The presets: name, title, family, reference, url, summary, whether labels are needed."""
    fields = ("name", "title", "family", "reference", "url", "summary", "needs_labels")
    return [{field: getattr(method, field) for field in fields} for method in METHODS.values()]


def list_datasets() -> list[dict[str, Any]]:
    """The data sets known by name: name, title, kind ("drawn" or "download"), help, licence, sizes."""
    fields = ("name", "title", "kind", "help", "licence", "sizes", "default_size", "labelled")
    return [{field: getattr(spec, field) for field in fields} for spec in DATASETS.values()]


def list_models() -> list[str]:
    """Names of the shipped models, for `load_model`."""
    return list_shipped()


def train(
    preset: str,
    data: str | os.PathLike[str] | Sequence[str] = "faces",
    *,
    out: str | Path | None = None,
    device: str = "auto",
    data_dir: str | Path | None = None,
    resume: bool = False,
    from_model: str | Path | None = None,
    name: str = "",
    store: ImageStore | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_start: Callable[[Trainer, Recorder], None] = lambda trainer, recorder: None,
    on_step: Iterable[Callable[[Trainer], None]] = (),
    progress: Callable[[int, int], None] | None = None,
    **knobs: Any,
) -> Run:
    """Train a preset to its last step and save the model; blocks until then.

    Args:
        preset: a name from `list_presets()`.
        data: a name from `list_datasets()`, the path of a folder or zip of pictures, or a list of picture files.
        out: the run folder; default a new one under `runs/`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        data_dir: where downloads are kept.
        resume: go on with the run in `out` from its newest checkpoint; exact to the bit on the CPU at the same number
            of threads. Only live knobs (say `steps`) may differ from its settings.
        from_model: begin with the weights of this model (fine-tuning).
        name: a display name.
        store: pictures already decoded, on the device; `data` is then only what the record calls them.
        stop: asked after each step; True ends the run, checkpointed.
        on_start, on_step: called with the trainer (and recorder) before the first and after each step.
        progress: called with (done, total) while pictures are read.
        **knobs: any setting by name, say `steps=2000, batch_size=32`.

    Returns:
        The ended run; `.model()` opens what it learned.

    Raises:
        UsageError: unknown names, bad values, or a folder that already holds a run and `resume` is False.
        DataError: pictures that can't be used.
        TrainingError: numbers that are no longer finite, or a full disk. The last good checkpoint is kept.
    """
    find_method(preset)
    data = os.fspath(data) if isinstance(data, os.PathLike) else data
    if store is None:
        check_data(data)
    device = resolve_device(device)
    changed = {key: find(key).validate(value) for key, value in knobs.items()}
    state = None
    if resume:
        if out is None:
            raise UsageError("To resume, name the run's folder with out.")
        folder = Path(out)
        config = read_config(folder)
        if config["preset"] != preset:
            raise UsageError(f"The run in '{folder}' trains '{config['preset']}', not '{preset}'.")
        earlier = config.get("data")
        if earlier != data and (earlier in DATASETS or data in DATASETS):  # pictures may have moved to another path
            raise UsageError(f"The run in '{folder}' trains on '{earlier}', not '{data}'.")
        state = read_checkpoint(folder)
        chosen = settings(state["settings"])
        changed = {key: value for key, value in changed.items() if value != chosen[key]}
        for key in changed:
            if not find(key).live:
                raise UsageError(f"{key} can't be changed in a run that goes on: start a new run with it.")
    else:
        chosen = method_settings(preset, changed, points=of_points(data))
        if out is not None:
            folder = Path(out)
        elif distributed.rank() == 0:
            folder = new_run_folder("runs", preset, data if isinstance(data, str) else "pictures")
        else:  # rank 0 keeps the record
            folder = Path("runs")
        if (folder / "config.json").exists():
            raise UsageError(f"'{folder}' already holds a run: resume it, or choose another folder.")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"'{folder}' is a file: choose a folder for the run.")
    if store is None:
        store = open_data(
            data,
            **data_options(preset, chosen),
            data_dir=data_dir,
            device=device,
            progress=progress,
        )
    try:
        trainer = Trainer(preset, chosen, store)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise TrainingError(explain(error)) from error
    if state is not None:
        trainer.load_state_dict(state)
        for key, value in changed.items():
            trainer.change(key, value)
    elif from_model is not None:
        trainer.start_from({part: module.state_dict() for part, module in load_model(from_model).modules.items()})

    def done(trainer: Trainer) -> bool:
        return trainer.step_count >= trainer.settings.steps or stop()

    if distributed.rank() > 0:  # rank 0 keeps the record
        trainer.run(done, on_step)
        return Run(folder, "going on", trainer.step_count)
    recorder = Recorder(
        trainer,
        folder,
        resumed=resume,
        facts={"name": name, "device": f"{describe_device(device)}, {trainer.precision}"},
    )
    if not resume:
        recorder.writer.write_config(
            {
                "format": 1,
                "preset": preset,
                "data": data if isinstance(data, str) else [str(item) for item in data],
                "data_title": title(data),
                "knobs": dict(chosen),
                "name": name or folder.name,
                "owner": None,
                "from_model": None if from_model is None else str(from_model),
            }
        )
    recorder.heartbeat("running")
    on_start(trainer, recorder)
    try:
        trainer.run(done, (recorder, *on_step))
        state_name = "finished" if trainer.step_count >= trainer.settings.steps else "stopped"
        recorder.finish(state_name)
    except Exception as error:
        sentence = f"{explain(error)}{kept(folder)}"
        with contextlib.suppress(PlaygroundError):  # a full disk may be the very reason
            recorder.writer.write_status("failed", trainer.step_count, sentence)
        if isinstance(error, TrainingError) or out_of_memory(error):
            raise TrainingError(sentence) from error
        raise
    return Run(folder, state_name, trainer.step_count)
