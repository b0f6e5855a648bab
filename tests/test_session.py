"""Live sessions: started, held, stepped, turned, failed, queued, owned, resumed, and never losing a checkpoint."""

from __future__ import annotations

import gc
import io
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from playground.checkpoint import checkpoints, read_checkpoint
from playground.data.registry import open_data
from playground.errors import PlaygroundError, UsageError
from playground.methods import method_settings
from playground.runs import list_runs, read_metrics, read_samples
from playground.session import ENDED, Session, SessionManager
from playground.trainer import Trainer

ENDLESS = 1_000_000


def until(condition: Callable[[], bool], what: str = "it", seconds: float = 240.0) -> None:
    """Wait until `condition` holds; long, since trainings give way to whatever else the machine does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)


def reaches(session: Session, *states: str) -> str:
    until(lambda: session.state in (*states, *ENDED), str(states))
    assert session.state in states, session.snapshot().message
    return session.snapshot().message


Start = Callable[..., Session]


@pytest.fixture
def managers(tmp_path: Path) -> Iterator[Callable[..., SessionManager]]:
    """Makes managers over one folder of runs, as one after a restart; closes them in the end."""
    made: list[SessionManager] = []

    def make(**options: Any) -> SessionManager:
        made.append(SessionManager(tmp_path / "runs", device="cpu", **options))
        return made[-1]

    yield make
    for manager in made:
        manager.close(timeout=20)


@pytest.fixture
def manager(managers: Callable[..., SessionManager]) -> SessionManager:
    return managers()


@pytest.fixture
def start(manager: SessionManager, pictures: Path, tiny: dict[str, Any]) -> Start:
    """`start(preset, by=manager, owner=..., **knobs)`: a tiny training that doesn't end by itself."""

    def begin(
        preset: str = "dcgan",
        by: SessionManager | None = None,
        *,
        owner: str = "",
        from_model: Any = None,
        **knobs: Any,
    ) -> Session:
        overrides = {**tiny, "steps": ENDLESS, **knobs}
        return (by or manager).start(preset, str(pictures), overrides, owner=owner, from_model=from_model)

    return begin


def running(session: Session, steps: int = 2) -> Session:
    until(lambda: session.snapshot().step >= steps, f"step {steps} of a {session.state} run")
    return session


def paused(session: Session) -> Session:
    session.pause()
    reaches(session, "paused")
    return session


def stopped(session: Session) -> Session:
    session.stop()
    reaches(session, "stopped")
    session.join(20)
    return session


def status(session: Session) -> dict[str, Any]:
    return json.loads((session.folder / "status.json").read_text())


# --- from start to end


def test_a_classifier_is_trained_watched_and_opened_like_any_other(start: Start):
    session = running(start("classifier"), 3)
    paused(session)
    wire = session.wire()
    assert {"loss_c", "accuracy", "accuracy_taught", "grad_norm_c"} <= set(wire["rows"]["columns"])
    assert not {"loss_g", "loss_d", "diversity"} & set(wire["rows"]["columns"])
    assert wire["grid"]["names"] == ["discs", "squares", "stripes"] and wire["grid"]["rows"] == 3
    assert (wire["alarms"], wire["histogram"], wire["critic"]) == ([], None, False)
    assert session.set_knob("learning_rate_d", 0.01) == 0.01
    step = session.snapshot().step
    again = session.manager.start("", resume=stopped(session).key)
    running(again, step + 2)
    reading = stopped(again).model().read(torch.zeros(2, 1, 16, 16))
    assert reading.class_logits.shape == (2, 3) and reading.attribute_logits is None


def test_a_run_ends_by_itself_with_everything_saved(start: Start):
    session = start("cgan", steps=5)
    assert session.active
    message = reaches(session, "finished", "failed")
    assert session.state == "finished" and message.startswith("Done.")
    shot = session.snapshot()
    assert (shot.step, shot.steps, shot.images) == (5, 5, 40) and shot.classes == ("discs", "squares", "stripes")
    assert shot.grid.dtype == np.uint8 and shot.grid_step == 5 and shot.grid_shape[0] == 3
    assert shot.time_left is None and not session.active
    assert status(session)["state"] == "finished" and status(session)["step"] == 5
    assert read_checkpoint(session.folder)["step"] == 5
    assert session.model().sample(2).shape == (2, 1, 16, 16)
    assert read_metrics(session.folder)["step"][-1] == 5


def test_it_is_the_same_run_as_without_a_session(start: Start, pictures: Path, tiny: dict[str, Any]):
    session = start("acgan", steps=6, seed=3)
    reaches(session, "finished")
    trainer = Trainer("acgan", method_settings("acgan", {**tiny, "seed": 3}), open_data(str(pictures), size=16))
    trainer.run(6)
    state = read_checkpoint(session.folder)["players"]
    for name, player in trainer.players.items():
        assert all(torch.equal(state[name][key], value) for key, value in player.state_dict().items())


def test_what_a_viewer_is_sent_is_plain_json(start: Start):
    session = running(start("sngan", condition="projection"))
    until(lambda: session.snapshot().histogram is not None and session.wire()["rows"]["end"] >= 2, "rows")
    paused(session)
    sent = json.loads(json.dumps(session.wire(), allow_nan=False))
    assert sent["state"] == "paused" and sent["preset"] == "sngan" and sent["data"] == "shapes16" and sent["place"] == 0
    assert sent["live_knobs"]["learning_rate_g"] == 2e-4 and "width" not in sent["live_knobs"] and sent["critic"]
    columns, end = sent["rows"]["columns"], sent["rows"]["end"]
    assert {"step", "loss_d", "loss_g", "diversity"} <= columns.keys()
    assert {len(column) for column in columns.values()} == {end}
    assert session.wire(after=end)["rows"]["columns"]["step"] == []
    edges, counts = sent["histogram"]["edges"], sent["histogram"]["real"]
    assert len(edges) == len(counts) + 1 and sum(counts) == 8
    assert all(value > 0 for value in sent["sigma"].values())
    with Image.open(io.BytesIO(session.grid_jpeg())) as picture:
        assert picture.format == "JPEG" and picture.width >= 512


def test_before_the_first_grid_there_is_no_picture(start: Start, managers):
    by = managers()
    by.max_trainings = 1
    first, second = start(by=by), start(by=by)
    assert second.grid_jpeg() is None and second.wire()["grid"] is None and second.wire()["rows"]["end"] == 0
    stopped(second), stopped(first)


# --- commands


def test_pause_step_resume_stop(start: Start):
    session = paused(running(start()))
    at = session.snapshot().step
    time.sleep(0.3)
    assert session.snapshot().step == at == session.ask(lambda: session._trainer.step_count)
    for more in (1, 2):
        session.step()
        until(lambda more=more: session.snapshot().step == at + more, "one step")
        assert session.snapshot().grid_step == at + more and session.state == "paused"
    session.resume()
    running(session, at + 5)
    assert session.state == "running" and session.snapshot().steps_per_second >= 0
    stopped(session)
    last = session.snapshot().step
    assert read_checkpoint(session.folder)["step"] == last >= at + 5
    assert status(session)["state"] == "stopped"
    for command in (session.pause, session.resume, session.step, lambda: session.set_knob("learning_rate_g", 0.1)):
        with pytest.raises(UsageError):
            command()
    session.stop()  # harmless
    assert session.save().startswith("The model is saved")


def test_a_pause_asked_for_at_once_holds_before_the_first_step(start: Start):
    session = start()
    session.pause()
    reaches(session, "paused")
    assert session.snapshot().step == 0 and session.snapshot().grid is not None
    session.step()
    until(lambda: session.snapshot().step == 1)


def test_live_knobs(start: Start):
    session = paused(running(start()))
    assert session.set_knob("learning_rate_g", "0.01") == 0.01
    until(lambda: session.snapshot().knobs["learning_rate_g"] == 0.01, "the change")
    for name, value, words in (
        ("learning_rate_g", "nan", "finite"), ("learning_rate_g", 7, "between"), ("width", 8, "start a new run"),
        ("learning_rate", 1, "Did you mean"), ("information", 1.0, "needs codes"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            session.set_knob(name, value)
    at = session.snapshot().step
    assert session.set_knob("steps", at + 3) == at + 3
    session.resume()
    reaches(session, "finished")
    assert session.snapshot().step == at + 3
    changes = read_checkpoint(session.folder)["changes"]
    assert [(c["name"], c["step"]) for c in changes] == [("learning_rate_g", at), ("steps", at)]


def test_saving_while_it_runs(start: Start):
    session = running(start())
    said = session.save()
    assert str(session.folder / "model") in said and session.state == "running"
    assert checkpoints(session.folder) and (session.folder / "model" / "README.md").exists()


def test_the_model_is_at_hand_while_it_trains(start: Start):
    session = running(start(learning_rate_g=0.02))
    first = session.model()
    before = first.sample(3)
    running(session, session.snapshot().step + 5)
    assert torch.equal(first.sample(3), before) and not torch.equal(session.model().sample(3), before)
    assert first.facts["step"] >= 2


def test_a_failing_question_is_the_askers_trouble_only(start: Start):
    session = running(start())
    with pytest.raises(ZeroDivisionError):
        session.ask(lambda: 1 / 0)
    running(session, session.snapshot().step + 3)
    assert session.state == "running"


def test_a_question_to_a_busy_or_ended_training_gets_a_sentence(start: Start):
    session = running(start())
    release = threading.Event()
    session._post(release.wait)  # stands for a long step
    with pytest.raises(UsageError, match="busy with a long step"):
        session.ask(lambda: 1, timeout=0.1)
    session.stop()
    answers: list[BaseException] = []

    def ask() -> None:
        try:
            session.ask(lambda: 1, timeout=30)
        except PlaygroundError as error:
            answers.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    until(lambda: session._commands.qsize() >= 3 or not asker.is_alive(), "the question")
    release.set()
    asker.join(20)
    assert not asker.is_alive() and "is over" in str(answers[0])  # not left waiting
    with pytest.raises(UsageError, match="is over"):
        session.ask(lambda: 1)


# --- failing


def test_divergence_is_a_state_with_a_sentence_and_the_last_good_checkpoint_stays(start: Start):
    session = start(objective="wasserstein", optimiser="sgd", norm_d="none", learning_rate_d=1e-6, learning_rate_g=1e-6)
    paused(running(session))
    session.save()
    good = session.snapshot().step
    before = checkpoints(session.folder)[0].read_bytes()
    session.set_knob("learning_rate_d", 1.0)
    session.set_knob("learning_rate_g", 1.0)
    session.resume()
    message = reaches(session, "failed")
    assert "Training diverged at step" in message and "Lower the learning rates" in message
    assert f"The checkpoint of step {good:,} is kept: resume the run" in message and session.snapshot().details == ""
    assert checkpoints(session.folder)[0].read_bytes() == before
    assert status(session)["state"] == "failed" and status(session)["message"] == message
    assert json.dumps(session.wire(), allow_nan=False)


def test_divergence_before_any_checkpoint_promises_none(start: Start):
    session = start(objective="wasserstein", optimiser="sgd", norm_d="none", learning_rate_d=1, learning_rate_g=1)
    message = reaches(session, "failed")
    assert "diverged" in message and "checkpoint" not in message


@pytest.mark.parametrize("command", ["pause", "step", "stop"])
def test_divergence_found_by_a_command(start: Start, command: str):
    session = running(start())
    session._recorder.tick_seconds = 1e9  # nothing is looked at unless it is asked for

    def poison() -> None:
        session._recorder._tick_at = session._recorder._grid_at = 1e18
        next(session._trainer.players["G"].parameters()).data.fill_(float("nan"))
        session._trainer.step()

    session.ask(poison)
    getattr(session, command)()
    assert "diverged" in reaches(session, "failed")
    session.join(20)
    assert not session._thread.is_alive()


def test_a_full_disk_at_the_end_is_said_and_ends_the_session(start: Start, monkeypatch):
    session = running(start())
    session.save()
    kept = checkpoints(session.folder)[0]

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("playground.runs.os.replace", full)
        session.stop()
        message = reaches(session, "failed")
        session.join(20)
    assert "is full: free some space" in message and "is kept" in message
    assert kept.exists()


def test_a_defect_keeps_its_traceback_out_of_the_sentence(start: Start):
    session = running(start())

    def broken() -> None:
        raise ZeroDivisionError("a defect")

    session._trainer.step = broken
    message = reaches(session, "failed")
    assert message.startswith("An unexpected fault stopped the training (ZeroDivisionError).")
    assert "Traceback" in session.snapshot().details and "a defect" in session.snapshot().details


def test_settings_that_do_not_suit_the_data_fail_in_a_sentence(start: Start):
    session = start(batch_size=64)
    assert "batch of 64 is larger than the data set of 48" in reaches(session, "failed")
    assert "checkpoint" not in session.snapshot().message and session.snapshot().details == ""


def test_wrong_requests_are_refused_before_anything_is_made(manager: SessionManager, pictures: Path, tmp_path: Path):
    data = str(pictures)
    for arguments, words in (
        (("wgan-pg", data), "Did you mean 'wgan-gp'"), (("dcgan", "fces"), "Did you mean 'faces'"),
        (("dcgan", data, {"steps": "inf"}), "finite"), (("dcgan", data, {"stps": 3}), "Did you mean 'steps'"),
        (("dcgan", "/nowhere"), "is called '/nowhere'"), (("dcgan", ""), "No data given"),
        (("dcgan", []), "No data given"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            manager.start(*arguments)
    assert list_runs(tmp_path / "runs") == [] and manager.sessions() == []
    with pytest.raises(UsageError, match="At least one training"):
        SessionManager(tmp_path, max_trainings=0)


# --- the queue


def test_the_second_waits_with_its_place_shown_and_starts_when_the_first_stops(start: Start, manager: SessionManager):
    first = running(start())
    second, third = start(), start()
    assert [manager.place(s) for s in (first, second, third)] == [0, 1, 2]
    assert second.state == "waiting" and "Waiting" in second.snapshot().message
    assert second.wire()["place"] == 1
    assert second.snapshot().step == 0
    stopped(first)
    running(second)
    assert manager.place(third) == 1 and third.state == "waiting"
    stopped(second)
    running(third)


def test_leaving_the_queue(start: Start, manager: SessionManager):
    first = running(start())
    second, third = start(), start()
    second.stop()
    assert reaches(second, "stopped") == "Left the queue before it began."
    until(lambda: manager.place(third) == 1, "moving up")
    assert status(second)["state"] == "stopped"
    assert first.state == "running"
    stopped(first)
    running(third)


def test_as_many_run_at_once_as_are_allowed(start: Start, managers):
    by = managers(max_trainings=2)
    sessions = [start(by=by) for _ in range(3)]
    running(sessions[0]), running(sessions[1])
    assert sessions[2].state == "waiting" and by.place(sessions[2]) == 1


def test_one_that_fails_gives_its_place_to_the_next(start: Start):
    first, second = start(batch_size=64), start()
    reaches(first, "failed")
    running(second)


def test_the_waiting_room_is_limited(start: Start, manager: SessionManager):
    manager.waiting_room = 2
    running(start())
    start(), start()
    with pytest.raises(UsageError, match="Too many trainings are waiting"):
        start()


# --- who may see what


def test_a_session_is_its_owners_and_of_those_who_hold_its_secret(start: Start, manager: SessionManager):
    session = running(start(owner="anna"))
    assert manager.find(session.key, "anna") is session
    assert manager.find(f"{session.key}~{session.secret}", "bert") is session
    for key, owner in (
        (session.key, "bert"), (session.key, ""), (f"{session.key}~wrong", "anna"), (f"{session.key}~wröng", "bert"),
        (f"{session.key}~", "bert"), ("nothing", "anna"), ("", ""),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="There is no such training"):
            manager.find(key, owner)
    assert manager.current("anna") is session and manager.current("bert") is None
    session.stop()
    session.join(60)
    for owner in ("bert", ""):
        with pytest.raises(UsageError, match="There is no run"):
            manager.start("", resume=session.key, owner=owner)


def test_an_owner_has_one_training_at_a_time(start: Start):
    first = start(owner="anna")
    with pytest.raises(UsageError, match="already going on"):
        start(owner="anna")
    running(first)
    stopped(first)
    running(start(owner="anna"))


def test_another_owner_can_not_resume(start: Start, manager: SessionManager, tiny: dict[str, Any]):
    session = stopped(running(start(owner="anna")))
    with pytest.raises(UsageError, match="There is no run"):
        manager.start("", resume=session.key, owner="bert")
    running(manager.start("", resume=session.key, owner="anna"))


def test_a_run_of_the_command_line_is_its_resumers(start: Start, managers):
    session = stopped(running(start()))  # belongs to nobody
    by = managers()
    again = by.start("", resume=session.key, owner="anna")
    assert by.find(session.key, "anna") is again and by.current("anna") is again


# --- nobody watches


def test_what_nobody_watches_is_checkpointed_stopped_and_let_go(start: Start, managers):
    by = managers(grace=1000.0)
    session, waiting = running(start(by=by)), start(by=by)
    for one in (session, waiting):
        one.seen -= 2000
        one.touch()
    by.reap()
    assert (session.state, waiting.state) == ("running", "waiting")
    for one in (session, waiting):
        one.seen -= 2000
    by.reap()
    assert "nobody was watching" in reaches(session, "stopped")
    reaches(waiting, "stopped")
    step = session.snapshot().step
    assert read_checkpoint(session.folder)["step"] == step
    by.reap()
    assert by.sessions() == [] and by.current("") is None
    running(by.start("", resume=session.key), step + 1)


def test_the_reaper_comes_by_itself(start: Start, managers):
    by = managers(grace=0.3)
    session = start(by=by)
    assert "nobody was watching" in reaches(session, "stopped") or session.snapshot().step == 0
    until(lambda: by.sessions() == [], "forgetting it")


def test_the_memory_of_an_ended_training_is_freed(start: Start):
    session = running(start())
    trainer = weakref.ref(session._trainer)
    stopped(session)
    gc.collect()
    assert trainer() is None and session.history is not None


def test_only_ended_sessions_are_forgotten(start: Start, manager: SessionManager):
    session = running(start())
    with pytest.raises(UsageError, match="still going on"):
        manager.forget(session.key)
    stopped(session)
    manager.forget(session.key)
    manager.forget(session.key)
    assert manager.sessions() == []


# --- going on


def test_a_run_goes_on_after_a_restart_exactly_where_it_was(
    start: Start, managers, pictures: Path, tiny: dict[str, Any]
):
    first_manager = managers()
    session = running(start("wgan-gp", by=first_manager, replay_buffer=16), 3)
    first_manager.close()
    assert session.state == "stopped" and "closed" in session.snapshot().message
    step = session.snapshot().step
    by = managers()
    again = by.start("", resume=session.key, overrides={"steps": step + 4})
    reaches(again, "finished")
    assert again.snapshot().step == step + 4 and again.snapshot().images > session.snapshot().images
    stored = read_metrics(session.folder)
    assert (np.diff(stored["step"]) >= 0).all() and stored["step"][0] == 1
    assert again.history.since()[1]["step"][0] == 1  # the charts show the whole run

    whole = Trainer(
        "wgan-gp", method_settings("wgan-gp", {**tiny, "replay_buffer": 16}), open_data(str(pictures), size=16)
    )
    whole.run(step + 4)
    state = read_checkpoint(session.folder)["players"]["G"]
    assert all(torch.equal(state[key], value) for key, value in whole.players["G"].state_dict().items())


def test_going_on_takes_live_knobs_only_and_records_them(start: Start, manager: SessionManager):
    session = stopped(running(start()))
    step = session.snapshot().step
    for overrides, words in (
        ({"width": 8}, "start a new run"),
        ({"steps": -1}, "between"),
        ({"stps": 1}, "Did you mean"),
    ):
        with pytest.raises(UsageError, match=words):
            manager.start("", resume=session.key, overrides=overrides)
    again = manager.start("", resume=session.key, overrides={"steps": step + 2, "learning_rate_g": 0.05})
    reaches(again, "finished")
    state = read_checkpoint(session.folder)
    assert state["settings"]["learning_rate_g"] == 0.05 and state["settings"]["steps"] == step + 2 == state["step"]
    assert {c["name"]: c["step"] for c in state["changes"]} == {"steps": step, "learning_rate_g": step}
    assert state["settings"]["batch_size"] == 8


def test_a_run_that_goes_on_can_not_go_on_twice(start: Start, manager: SessionManager):
    session = running(start())
    with pytest.raises(UsageError, match="already running"):
        manager.start("", resume=session.key)
    with pytest.raises(UsageError, match="There is no run"):
        manager.start("", resume="nothing-here")


def test_a_run_without_a_checkpoint_begins_anew(start: Start, managers):
    by = managers()
    first, second = running(start(by=by)), start(by=by)
    second.stop()  # never began
    reaches(second, "stopped")
    stopped(first)
    again = by.start("", resume=second.key, overrides={"steps": 3})
    reaches(again, "finished", "failed")
    assert again.state == "finished" and again.snapshot().step == 3


def test_a_damaged_config_or_checkpoint_is_said(start: Start, manager: SessionManager):
    session = stopped(running(start()))
    for path in checkpoints(session.folder):
        path.write_bytes(b"torn")
    again = manager.start("", resume=session.key)
    assert "can be read: the files are damaged" in reaches(again, "failed")
    (session.folder / "config.json").write_text("{")
    with pytest.raises(UsageError, match="There is no run"):  # whose it was can't be read either
        manager.start("", resume=session.key)


def test_fine_tuning_begins_where_a_model_ended(start: Start):
    source = stopped(running(start(seed=1)))
    tuned = start(seed=2, from_model=str(source.folder / "model"))
    tuned.pause()
    reaches(tuned, "paused")
    assert tuned.snapshot().step == 0
    assert torch.equal(tuned.model().sample(3), source.model().sample(3))
    stopped(tuned)
    for wrong, words in ((source.folder / "nothing", "There is no model"), (source.folder / "model", "another shape")):
        session = start(width=8, from_model=str(wrong))
        assert words in reaches(session, "failed")


# --- the end of it all


def test_closing_checkpoints_what_runs_and_empties_the_queue(start: Start, managers):
    by = managers()
    first, second = running(start(by=by)), start(by=by)
    by.close()
    assert (first.state, second.state) == ("stopped", "stopped")
    assert read_checkpoint(first.folder)["step"] == first.snapshot().step
    assert not first._thread.is_alive() and not second._thread.is_alive()
    with pytest.raises(UsageError, match="shutting down"):
        start(by=by)
    by.close()


def test_stopping_while_pictures_are_read(start: Start, managers, monkeypatch, pictures: Path, tmp_path: Path):
    by, reading = managers(), threading.Event()

    def slow(data: str, *, progress: Callable[[int, int], None], **options: Any) -> Any:
        for done in range(10_000):
            progress(done, 10_000)
            reading.set()
            time.sleep(0.005)
        raise AssertionError("it was not stopped")

    monkeypatch.setattr("playground.data.registry.open_data", slow)
    session = start(by=by)
    assert reading.wait(20)
    until(lambda: "Reading pictures: " in session.snapshot().message, "progress")
    assert session.state == "starting"
    session.stop()
    assert reaches(session, "stopped") == "Stopped before the first step."
    assert status(session)["state"] == "stopped" and not checkpoints(session.folder)
    monkeypatch.undo()
    running(start(by=by))


def test_samples_of_the_past_are_kept(start: Start):
    session = running(start())
    paused(session)
    session.step()
    until(lambda: len(read_samples(session.folder)) >= 2, "samples")
    steps = [step for step, _ in read_samples(session.folder)]
    assert steps == sorted(set(steps))
