"""Are digits recognisable after a few minutes on two CPU cores? Preset dcgan against the clock, scored by a judge."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.devices import describe_device
from training.bench.common import Options, Row, threads

if TYPE_CHECKING:
    from playground.model import Model
    from training.bench.scoring import Judge, Score

SECONDS = 180.0
SAMPLES = 1000
MARKS = (15.0, 30.0, 60.0, 120.0)  # seconds after which some samples are scored on the way
TARGET = 50.0  # per cent of the samples: most are read as a digit, where an untrained generator has none


def run(options: Options) -> list[Row]:
    """Train through `playground.train` for the given time, then score, with an untrained generator beside it."""
    import torch

    from playground.data.registry import open_data
    from training.bench.scoring import SIZE, Judge, save_sheet

    data = options.digits()
    device = options.device if options.device.startswith("cuda") else "cpu"
    seconds = options.seconds or (10.0 if options.quick else SECONDS)
    cores = options.threads or min(2, torch.get_num_threads())
    with threads(cores):
        store = open_data(str(data), size=SIZE)
        options.say("digits: teaching the judge")
        judge = Judge(store, epochs=1 if options.quick else 6)
        options.say(f"digits: {judge.sentence()}")
        options.say(f"digits: training dcgan for {seconds:.0f} s")
        model, facts = train_against_clock("dcgan", data, seconds, judge, device)
    samples = model.sample(SAMPLES, seed=1)
    score = judge.score(samples)
    sheet = save_sheet(samples[:128], options.out / "digits.png")
    where = f"CPU, {cores} threads" if device == "cpu" else describe_device(device)
    way = "; ".join(f"{mark:.0f} s: {value['read']:.0%}" for mark, value in facts["timeline"].items())
    note = (
        f"{where}, {facts['steps']:,} steps ({facts['cores_used']:.1f} cores' time got): of {score.count:,} samples "
        f"{score.read:.1%} are read as a digit with more than 0.9, mean confidence {score.confidence:.2f}; "
        f"{score.seen} of 10 digits, as spread as {score.spread:.1f} equal ones; untrained generator "
        f"{facts['untrained']['read']:.1%}{'; on the way ' + way if way else ''}. {judge.sentence()}. Sheet: {sheet}."
    )
    details = {"score": score.plain(), "judge": judge.facts(), **facts}
    name = f"digits read after {seconds:.0f} s"
    return [Row("digits", name, 100 * score.read, "%", TARGET, note=note, details=details)]


def train_against_clock(
    preset: str, data: Path, seconds: float, judge: Judge, device: str
) -> tuple[Model, dict[str, Any]]:
    """(model, facts) of a run of `preset` stopped `seconds` after it was asked for; the data is read within them."""
    import playground as pg
    from playground.model import model_of
    from training.bench.scoring import SIZE

    timeline: dict[float, Any] = {}
    start: dict[str, Any] = {}
    marks = [mark for mark in MARKS if mark < seconds]
    began, worked = time.monotonic(), time.process_time()

    def on_start(trainer: Any, recorder: Any) -> None:
        start["score"] = judge.score(model_of(trainer).sample(SAMPLES, seed=1))

    def look(trainer: Any) -> None:
        passed = time.monotonic() - began
        if marks and passed >= marks[0]:
            score: Score = judge.score(model_of(trainer).sample(256, seed=1))
            timeline[marks.pop(0)] = {"step": trainer.step_count, "seconds": passed, **score.plain()}

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = pg.train(
            preset, str(data), out=Path(folder) / "run", device=device, size=SIZE, steps=10_000_000, on_start=on_start,
            on_step=(look,), stop=lambda: time.monotonic() - began > seconds,
        )  # fmt: skip
        passed, worked = time.monotonic() - began, time.process_time() - worked
        model = run.model()
    facts = {
        "seconds": passed, "steps": run.step, "cores_used": worked / passed, "timeline": timeline,
        "untrained": start["score"].plain(),
    }  # fmt: skip
    return model, facts
