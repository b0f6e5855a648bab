"""The recorder watches a trainer step and keeps the record: charts, sample grids, checkpoints, in memory and on disk.

The command line and the live session use the same one, so a run looks the same however it was started. Everything it
does is scheduled by what it costs, so that watching stays a small share of the time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from playground.alarms import Alarm, check
from playground.checkpoint import save_checkpoint
from playground.errors import TrainingError
from playground.export import grid as tiled
from playground.model import model_of
from playground.runs import RunWriter, read_metrics, read_samples, thin_samples
from playground.trainer import Trainer


class History:
    """The rows of the charts, in memory: numbered for ever, thinned when many; safe to read while they grow."""

    limit = 6000

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: list[int] = []
        self._columns: dict[str, list[float]] = {}
        self.total = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def append(self, row: Mapping[str, float]) -> None:
        """Add one row; a name it lacks is NaN there."""
        with self._lock:
            for name in row:
                if name not in self._columns:
                    self._columns[name] = [np.nan] * len(self._numbers)
            for name, column in self._columns.items():
                column.append(float(row.get(name, np.nan)))
            self._numbers.append(self.total)
            self.total += 1
            if len(self._numbers) > self.limit:
                self._thin()

    def _thin(self) -> None:
        """Halve the older half, leaving it evenly spread: to drop every second row would wear the oldest away."""
        half = len(self._numbers) // 2
        older = np.array(self._numbers[:half])
        kept = np.unique(np.searchsorted(older, np.linspace(older[0], older[-1], half // 2))).tolist()
        for name, column in self._columns.items():
            self._columns[name] = [column[i] for i in kept] + column[half:]
        self._numbers = [self._numbers[i] for i in kept] + self._numbers[half:]

    def since(self, number: int = 0) -> tuple[int, dict[str, np.ndarray]]:
        """(rows ever added, {column: float32 values of the rows numbered `number` and up})."""
        with self._lock:
            first = int(np.searchsorted(self._numbers, number))
            return self.total, {name: np.array(column[first:], np.float32) for name, column in self._columns.items()}


class Recorder:
    """Writes `folder` while `trainer` runs; hand it to `Trainer.run` as one of `on_step`.

    Args:
        trainer: the one to watch.
        folder: its run folder.
        resumed: True to go on with the record in `folder`, forgetting what lies beyond the trainer's step.
        facts: shown on the model's card (name, device).
        tick_seconds: how often the numbers for the charts are taken.
        checkpoint_seconds: the longest that a crash may cost.
    """

    #: shares of the training time that sample grids and checkpoints may take
    grid_share = 0.02
    checkpoint_share = 0.05
    kept_samples = 600

    def __init__(
        self,
        trainer: Trainer,
        folder: str | Path,
        *,
        resumed: bool = False,
        facts: Mapping[str, Any] | None = None,
        tick_seconds: float = 0.25,
        checkpoint_seconds: float = 60.0,
    ):
        self.trainer, self.folder, self.facts = trainer, Path(folder), dict(facts or {})
        self.tick_seconds, self.checkpoint_seconds = tick_seconds, checkpoint_seconds
        self.writer, self.history = RunWriter(folder), History()
        self.alarms: tuple[Alarm, ...] = ()
        self.grid: np.ndarray | None = None  # uint8 [H, W, 3], the newest samples
        self.grid_step, self.grids = 0, 0
        self.saved_step = self.ticked_step = -1
        self._tick_at = self._grid_at = self._checkpoint_at = self._alarms_at = self._heartbeat_at = time.monotonic()
        self._grid_cost, self._checkpoint_cost = 0.0, 0.0
        self._rate_from = (trainer.step_count, trainer.images_seen, time.monotonic())
        self.steps_per_second = self.images_per_second = 0.0
        if resumed:
            self.writer.truncate_after(trainer.step_count)
            self._recall()

    def __call__(self, trainer: Trainer) -> None:
        """After a step: record what is due."""
        now = time.monotonic()
        first = trainer.step_count == 1
        grid_due = first or now >= self._grid_at
        if first or grid_due or now >= self._tick_at:
            self.tick(with_grid=grid_due)
        if now >= self._checkpoint_at + max(self.checkpoint_seconds, self._checkpoint_cost / self.checkpoint_share):
            self.checkpoint()
        if now >= self._heartbeat_at + 10.0:
            self.heartbeat("running")

    def heartbeat(self, state: str) -> None:
        """Write the run's status: whoever lists it knows that it is alive."""
        self.writer.write_status(state, self.trainer.step_count)
        self._heartbeat_at = time.monotonic()

    def tick(self, with_grid: bool = False) -> None:
        """Take the numbers for one row of the charts, with new samples if wanted.

        Raises:
            TrainingError: something is not finite, or the disk is full.
        """
        trainer = self.trainer
        self._measure_rate()
        self.ticked_step = trainer.step_count
        row = trainer.metrics()
        if with_grid:
            diversity = self._take_grid()
            if trainer.family.kind == "generator":
                row["diversity"] = diversity
        row["images_per_second"] = self.images_per_second
        self.writer.append_metrics(trainer.step_count, trainer.seconds, trainer.images_seen, row)
        self.history.append(
            {"step": trainer.step_count, "seconds": trainer.seconds, "images": trainer.images_seen, **row}
        )
        now = time.monotonic()
        if now - self._alarms_at > 2.0:
            _, columns = self.history.since(max(0, self.history.total - 2000))
            self.alarms = check(columns, self.trainer.settings, critic=self.critic)
            self._alarms_at = now
        self._tick_at = now + self.tick_seconds

    @property
    def critic(self) -> bool:
        objective = getattr(self.trainer.family, "objective", None)
        return bool(objective is not None and (objective.critic or objective.energy))

    def _take_grid(self) -> float:
        started = time.monotonic()
        pictures, diversity = self.trainer.sample_grid()
        plan = self.trainer.family.grid_plan()
        self.grid = tiled(pictures, columns=plan.columns)
        self.grid_step, self.grids = self.trainer.step_count, self.grids + 1
        self.writer.save_grid(self.grid_step, self.grid)
        if self.grids % 200 == 0:
            thin_samples(self.folder, keep=self.kept_samples)
        now = time.monotonic()
        self._grid_cost = now - started
        # often while everything changes, more rarely as the run ages, and never more than its share of the time
        self._grid_at = now + max(0.5, self._grid_cost / self.grid_share, self.trainer.seconds / 100)
        return diversity

    def _measure_rate(self) -> None:
        step, images, since = self._rate_from
        elapsed = time.monotonic() - since
        if elapsed > 0.2 and self.trainer.step_count > step:
            fresh = (self.trainer.step_count - step) / elapsed, (self.trainer.images_seen - images) / elapsed
            keep = 0.8 if self.steps_per_second else 0.0  # a smoothed rate: single ticks jump about
            self.steps_per_second = keep * self.steps_per_second + (1 - keep) * fresh[0]
            self.images_per_second = keep * self.images_per_second + (1 - keep) * fresh[1]
            self._rate_from = (self.trainer.step_count, self.trainer.images_seen, time.monotonic())

    def pause(self) -> None:
        """Forget the time that passes until the next step when rates are measured."""
        self._rate_from = (self.trainer.step_count, self.trainer.images_seen, time.monotonic())

    def checkpoint(self) -> None:
        """Write a checkpoint now.

        Raises:
            TrainingError: weights that are not finite, or a full disk; the last good checkpoint stays.
        """
        started = time.monotonic()
        if self.trainer.step_count != self.saved_step:
            save_checkpoint(self.trainer, self.folder)
            self.saved_step = self.trainer.step_count
        self._checkpoint_at = time.monotonic()
        self._checkpoint_cost = self._checkpoint_at - started

    def save(self) -> Path:
        """Write a checkpoint and the model as it is now; returns the model's folder.

        Raises:
            TrainingError: as `checkpoint`.
        """
        self.checkpoint()
        return model_of(self.trainer, **self.facts).save(self.folder / "model")

    def finish(self, state: str, message: str = "") -> None:
        """Take a last row and sample, save everything, and write the closing status."""
        step = self.trainer.step_count
        if step and self.ticked_step == step and self.grid_step != step:
            self._take_grid()  # the row of this step is written; a second one would hold no losses
        elif step and (self.grid is None or self.grid_step != step):
            self.tick(with_grid=True)
        self.save()
        self.writer.write_status(state, self.trainer.step_count, message)

    def _recall(self) -> None:
        """Fill the charts from the run's file and show its newest samples."""
        columns = read_metrics(self.folder)
        count = len(columns.get("step", ()))
        for i in range(count):
            self.history.append({name: column[i] for name, column in columns.items()})
        samples = read_samples(self.folder)
        if samples:
            self.grid_step, path = samples[-1]
            try:
                with Image.open(path) as picture:
                    self.grid, self.grids = np.asarray(picture.convert("RGB")), len(samples)
            except OSError:
                self.grid = None  # the next tick draws a new one


def out_of_memory(error: BaseException) -> bool:
    """True where `error` says that the machine's or the graphics card's memory did not suffice."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        phrase in said for phrase in ("out of memory", "not enough memory", "can't allocate memory")
    )


def explain(error: BaseException) -> str:
    """One sentence for any failure of a training."""
    if isinstance(error, TrainingError):
        return str(error)
    if out_of_memory(error):
        return "There is not enough memory for this: take a smaller batch, picture size or width."
    return f"An unexpected fault stopped the training ({type(error).__name__})."
