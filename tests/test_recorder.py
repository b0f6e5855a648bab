"""The recorder: the charts in memory and the run folder on disk tell one story, also across a restart."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from playground import recorder as recorder_module
from playground.checkpoint import read_checkpoint
from playground.errors import TrainingError
from playground.knobs import settings
from playground.model import load_model
from playground.recorder import History, Recorder, explain
from playground.runs import open_run, read_metrics, read_samples
from playground.trainer import Trainer

Make = Callable[..., Trainer]


class Clock:
    """A clock that moves only when it is told to, so that schedules can be seen."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(recorder_module, "time", clock)
    return clock


def recorded(trainer: Trainer, folder: Path, steps: int, **options: Any) -> Recorder:
    recorder = Recorder(trainer, folder, **options)
    if not options.get("resumed"):
        recorder.writer.write_config({"preset": trainer.preset, "data": "shapes16", "knobs": dict(trainer.settings)})
    trainer.run(steps, (recorder,))
    return recorder


# --- the charts in memory


def test_rows_are_numbered_and_read_from_any_number_on():
    history = History()
    assert history.since() == (0, {}) and len(history) == 0
    for i in range(5):
        history.append({"step": i, "loss": i / 2})
    total, columns = history.since(3)
    assert total == 5 and columns["step"].tolist() == [3, 4] and columns["loss"].dtype == np.float32
    assert history.since(5)[1]["step"].tolist() == [] and history.since(99)[0] == 5


def test_a_measure_that_comes_late_is_missing_before():
    history = History()
    history.append({"step": 1})
    history.append({"step": 2, "diversity": 0.5})
    history.append({"step": 3})
    diversity = history.since()[1]["diversity"]
    assert np.isnan(diversity[[0, 2]]).all() and diversity[1] == 0.5


def test_many_rows_are_thinned_the_old_ones_first_and_keep_their_numbers():
    history = History()
    history.limit = 100
    viewer: list[float] = []  # one who always asks for what is new
    seen = 0
    for i in range(1000):
        history.append({"step": i})
        if i % 7 == 0:
            seen, columns = history.since(seen)
            viewer += columns["step"].tolist()
    total, columns = history.since()
    steps = columns["step"]
    assert total == 1000 and len(steps) == len(history) <= 100
    assert steps[0] == 0 and steps[-1] == 999 and (np.diff(steps) > 0).all()
    gaps = np.diff(steps)
    assert gaps[-40:].max() == 1 and gaps.max() < 3 * 1000 / 25  # fine where it is new, no hole where it is old
    assert history._numbers == steps.astype(int).tolist()  # a number stays with its row
    assert viewer == list(range(995))  # nobody who watches misses a row
    assert history.since(990)[1]["step"].tolist() == list(range(990, 1000))


# --- the run folder


def test_the_folder_is_laid_out_as_promised(make_trainer: Make, tmp_path: Path):
    trainer = make_trainer("cgan")
    recorder = recorded(trainer, tmp_path, 3, facts={"name": "Mine"}, tick_seconds=0)
    recorder.finish("finished", "Done.")
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoints",
        "config.json",
        "metrics.csv",
        "model",
        "samples",
        "status.json",
    ]
    assert os.listdir(tmp_path / "checkpoints") == ["00000003.pt"]
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["step", "seconds", "images"]
    always = "loss_d loss_g score_real score_fake accuracy_d grad_norm_d grad_norm_g diversity images_per_second"
    assert set(always.split()) <= rows[0].keys()
    assert [int(row["step"]) for row in rows] == [1, 2, 3] and int(rows[-1]["images"]) == 24
    assert [step for step, _ in read_samples(tmp_path)] == [1, 3]
    with Image.open(tmp_path / "samples" / "00000003.png") as picture:
        plan = trainer.family.grid_plan()
        assert picture.width >= plan.columns * 16 and picture.height >= plan.rows * 16
        assert np.array_equal(np.asarray(picture), recorder.grid)
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["state"], status["step"], status["message"]) == ("finished", 3, "Done.")
    assert load_model(tmp_path).facts["name"] == "Mine"
    info = open_run(tmp_path.parent, tmp_path.name)
    assert info.has_checkpoint and info.has_model and info.step == 3


def test_memory_and_disk_tell_the_same(make_trainer: Make, tmp_path: Path):
    recorder = recorded(make_trainer(), tmp_path, 5, tick_seconds=0)
    total, shown = recorder.history.since()
    stored = read_metrics(tmp_path)
    assert total == 5 and shown.keys() == stored.keys()
    for name, column in shown.items():
        np.testing.assert_allclose(stored[name], column, rtol=1e-5, err_msg=name)


# --- schedules


def test_numbers_and_checkpoints_come_on_time(make_trainer: Make, tmp_path: Path, clock: Clock):
    trainer = make_trainer()
    recorder = Recorder(trainer, tmp_path, tick_seconds=1.0, checkpoint_seconds=10.0)
    trainer.seconds = 1e6  # so long that samples are rare
    for _ in range(100):
        trainer.step()
        recorder(trainer)
        clock.now += 0.25
    assert 24 <= recorder.history.total <= 27  # the first step, then every second
    assert recorder.history.since()[1]["step"][0] == 1
    assert read_checkpoint(tmp_path)["step"] in range(80, 86)  # at ten and at twenty seconds
    assert recorder.images_per_second == pytest.approx(8 * 4, rel=0.2)


def test_samples_come_often_at_first_and_never_take_more_than_their_share(
    make_trainer: Make, tmp_path: Path, clock: Clock
):
    trainer = make_trainer()
    recorder = Recorder(trainer, tmp_path)
    draw, cost = trainer.sample_grid, 0.0

    def slow_draw() -> tuple[np.ndarray, float]:
        clock.now += cost
        return draw()

    trainer.sample_grid = slow_draw
    found = []
    for seconds in (0.0, 0.1):
        cost = seconds
        before, start = recorder.grids, clock.now
        while clock.now < start + 20:
            trainer.step()
            recorder(trainer)
            clock.now += 0.2
        found.append(recorder.grids - before)
    assert 30 <= found[0] <= 41  # every half second, as near as steps of a fifth allow
    assert 3 <= found[1] <= 5  # a tenth of a second each: 2 % of twenty seconds are four
    trainer.seconds = 3000.0  # an old run
    recorder.grids, start = 0, clock.now
    while clock.now < start + 100:
        recorder(trainer)
        clock.now += 1
    assert recorder.grids <= 4


def test_a_run_is_heard_of_while_it_goes_on(make_trainer: Make, tmp_path: Path, clock: Clock):
    """A list of runs takes one that is silent for two minutes for dead."""
    trainer = make_trainer()
    recorder = Recorder(trainer, tmp_path)
    heard = set()
    for _ in range(30):
        trainer.step()
        recorder(trainer)
        clock.now += 5
        if (tmp_path / "status.json").exists():
            status = json.loads((tmp_path / "status.json").read_text())
            assert status["state"] == "running"
            heard.add(status["step"])
    assert len(heard) >= 12 and max(heard) >= 27


def test_a_pause_does_not_count_as_slow(make_trainer: Make, tmp_path: Path, clock: Clock):
    trainer = make_trainer()
    recorder = Recorder(trainer, tmp_path, tick_seconds=0)

    def go(steps: int) -> None:
        for _ in range(steps):
            clock.now += 0.5
            trainer.step()
            recorder(trainer)

    go(6)
    before = recorder.steps_per_second
    clock.now += 1000
    recorder.pause()
    go(2)
    assert before == pytest.approx(2) and recorder.steps_per_second == pytest.approx(2)


# --- going on


def test_the_record_of_a_resumed_run_continues_the_earlier_one(make_trainer: Make, tmp_path: Path):
    first = make_trainer(steps=6)
    recorder = recorded(first, tmp_path, 2, tick_seconds=0)
    recorder.checkpoint()
    first.run(4, (recorder,))  # and then it crashed
    recorder.tick(with_grid=True)
    assert read_metrics(tmp_path)["step"].tolist() == [1, 2, 3, 4, 4]
    assert [step for step, _ in read_samples(tmp_path)] == [1, 4]

    state = read_checkpoint(tmp_path)
    second = Trainer("dcgan", settings(state["settings"]), first.store)
    second.load_state_dict(state)
    resumed = Recorder(second, tmp_path, resumed=True, tick_seconds=0)
    assert resumed.history.since()[1]["step"].tolist() == [1, 2]  # what lies beyond is forgotten
    assert [step for step, _ in read_samples(tmp_path)] == [1] and resumed.grid_step == 1
    assert np.array_equal(resumed.grid, np.asarray(Image.open(read_samples(tmp_path)[0][1])))
    second.run(6, (resumed,))
    resumed.finish("finished")
    history, stored = resumed.history.since()[1], read_metrics(tmp_path)
    assert stored["step"].tolist()[:6] == [1, 2, 3, 4, 5, 6] == history["step"].tolist()[:6]
    assert (np.diff(stored["images"]) >= 0).all() and (np.diff(stored["seconds"]) >= 0).all()
    assert stored["images"].max() == 48

    whole = make_trainer(steps=6)
    uninterrupted = recorded(whole, tmp_path / "whole", 6, tick_seconds=0).history.since()[1]
    np.testing.assert_allclose(history["loss_d"][:6], uninterrupted["loss_d"], rtol=1e-6)  # as the file's digits go


def test_a_resumed_run_whose_newest_sample_is_torn(make_trainer: Make, tmp_path: Path):
    trainer = make_trainer()
    recorded(trainer, tmp_path, 2).save()
    (tmp_path / "samples" / "00000001.png").write_bytes(b"torn")
    resumed = Recorder(trainer, tmp_path, resumed=True)
    assert resumed.grid is None
    trainer.run(3, (resumed,))
    assert resumed.grid is not None


def test_the_last_step_has_one_row_that_holds_its_losses(make_trainer: Make, tmp_path: Path):
    recorder = recorded(make_trainer(), tmp_path / "run", 3)
    if recorder.ticked_step != 3:
        recorder.tick(with_grid=False)
    recorder.grid_step = 2  # as if the samples were older than the row
    recorder.finish("finished")
    columns = read_metrics(tmp_path / "run")
    assert columns["step"].tolist().count(3) == 1 and np.isfinite(columns["loss_g"][-1])
    assert recorder.grid_step == 3 and (tmp_path / "run" / "samples" / "00000003.png").is_file()


def test_finishing_twice_or_before_the_first_step_does_no_harm(make_trainer: Make, tmp_path: Path):
    trainer = make_trainer()
    recorder = recorded(trainer, tmp_path, 0)
    recorder.finish("stopped")
    assert read_checkpoint(tmp_path)["step"] == 0 and load_model(tmp_path).sample(1).shape == (1, 1, 16, 16)
    assert read_metrics(tmp_path)["step"].tolist() == []
    trainer.run(2, (recorder,))
    recorder.finish("finished")
    recorder.finish("finished")
    assert read_metrics(tmp_path)["step"].tolist() == [1, 2]


# --- trouble


def test_trouble_on_the_disk_is_a_sentence(make_trainer: Make, tmp_path: Path, monkeypatch):
    trainer = make_trainer()
    recorder = recorded(trainer, tmp_path, 1, tick_seconds=0)

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("playground.runs.os.write", full)
    trainer.step()
    with pytest.raises(TrainingError, match="is full"):
        recorder(trainer)
    assert read_metrics(tmp_path)["step"].tolist() == [1]  # the record is whole


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TrainingError("It diverged."), "It diverged."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "not enough memory",
        ),
        (ZeroDivisionError("x"), "unexpected fault stopped the training (ZeroDivisionError)"),
    ],
)
def test_every_failure_is_one_sentence(error: BaseException, words: str):
    said = explain(error)
    assert words in said and said.endswith(".") and "\n" not in said
