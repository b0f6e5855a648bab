"""Live sessions: each training in a thread of its own, steered by commands, seen through frozen snapshots.

Importing this module is cheap: torch and the trainer are first loaded inside a session's thread.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import queue
import secrets
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.data.registry import check_data, of_points, title
from playground.devices import describe_device, resolve_device
from playground.errors import PlaygroundError, UsageError
from playground.knobs import KNOBS, Settings, find, settings
from playground.methods import METHODS, data_options, find_method, method_settings
from playground.runs import RunWriter, delete_run, new_run_folder, open_run, read_config

if TYPE_CHECKING:
    from playground.model import Model

ACTIVE = ("waiting", "starting", "running", "paused")
ENDED = ("finished", "stopped", "failed")


@dataclass(frozen=True)
class Snapshot:
    """A session as it was at one moment; everything a viewer shows except the rows of the charts. Holds no tensors."""

    state: str = "waiting"
    message: str = ""
    details: str = ""
    step: int = 0
    steps: int = 0
    images: int = 0
    seconds: float = 0.0
    steps_per_second: float = 0.0
    images_per_second: float = 0.0
    device: str = ""
    classes: tuple[str, ...] = ()
    critic: bool = False
    knobs: Mapping[str, Any] = field(default_factory=dict)
    grid: np.ndarray | None = None  # uint8 [H, W, 3]
    grid_step: int = 0
    grid_revision: int = 0
    grid_shape: tuple[int, int] = (0, 0)  # rows, columns
    row_names: tuple[str, ...] = ()
    histogram: Mapping[str, Any] | None = None
    sigma: Mapping[str, float] | None = None
    alarms: tuple[Any, ...] = ()

    @property
    def time_left(self) -> float | None:
        """Seconds to the last step at the present rate; None while the rate is unknown."""
        if self.state in ENDED or not self.steps_per_second:
            return None
        return max(0, self.steps - self.step) / self.steps_per_second


class _Stop(Exception):  # a signal, not an error
    """Ends the loop of a session; raised by its own commands."""


class Session:
    """One training, live. All methods may be called from any thread; commands take effect between two steps."""

    #: least seconds between two snapshots of a running training
    publish_seconds = 0.2

    def __init__(self, manager: SessionManager, folder: Path, config: Mapping[str, Any], data: str | Sequence[str]):
        self.manager, self.folder, self.config, self.data = manager, folder, dict(config), data
        self.key, self.secret, self.owner = folder.name, secrets.token_urlsafe(12), config.get("owner") or ""
        self.preset = config["preset"]
        self.created, self.seen = time.monotonic(), time.monotonic()
        self.version = 0
        self.history: Any = None
        self._snapshot = Snapshot(
            steps=config["knobs"]["steps"], knobs=_live(config["knobs"]), message="Waiting for a free place."
        )
        self._commands: queue.Queue[tuple[Callable[[], Any], Future | None]] = queue.Queue()
        self._over = threading.Event()  # set once nobody carries out commands any more
        self._trainer: Any = None
        self._recorder: Any = None
        self._paused = False
        self._cancelled = threading.Event()
        self._published_at = self._beat_at = 0.0
        self._jpeg: tuple[int, bytes] | None = None
        self._thread = threading.Thread(target=self._main, name=f"training {self.key}", daemon=True)

    # --- what viewers see

    @property
    def state(self) -> str:
        return self._snapshot.state

    @property
    def active(self) -> bool:
        """True until the training has ended for good or been stopped."""
        return self._snapshot.state in ACTIVE

    def snapshot(self) -> Snapshot:
        """The newest frozen snapshot."""
        return self._snapshot

    def touch(self) -> None:
        """Somebody is watching: the session is kept alive."""
        self.seen = time.monotonic()

    def wire(self, after: int = 0) -> dict[str, Any]:
        """The snapshot and the chart rows numbered `after` and up, as plain JSON types."""
        s, total, columns = self._snapshot, 0, {}
        if self.history is not None:
            total, columns = self.history.since(after)
        plain = {
            name: [None if v != v else round(float(v), 6) for v in column.tolist()] for name, column in columns.items()
        }
        grid = None
        if s.grid is not None:
            grid = {
                "step": s.grid_step,
                "revision": s.grid_revision,
                "height": s.grid.shape[0],
                "width": s.grid.shape[1],
                "rows": s.grid_shape[0],
                "columns": s.grid_shape[1],
                "names": list(s.row_names),
            }
        return {
            "key": self.key,
            "name": self.config.get("name") or self.key,
            "preset": self.preset,
            "title": METHODS[self.preset].title,
            "data": self.config["data_title"],
            "state": s.state,
            "message": s.message,
            "details": s.details,
            "place": self.manager.place(self),
            "device": s.device,
            "step": s.step,
            "steps": s.steps,
            "images": s.images,
            "seconds": round(s.seconds, 2),
            "steps_per_second": round(s.steps_per_second, 3),
            "images_per_second": round(s.images_per_second, 1),
            "time_left": s.time_left,
            "classes": list(s.classes),
            "live_knobs": dict(s.knobs),
            "critic": s.critic,
            "rows": {"start": after, "end": total, "columns": plain},
            "grid": grid,
            "histogram": s.histogram,
            "sigma": s.sigma,
            "alarms": [_alarm(a) for a in s.alarms],
            "samples": s.grid_revision,
            "version": self.version,
        }

    def grid_jpeg(self) -> bytes | None:
        """The newest sample grid, at least 512 px wide, as JPEG; None before the first."""
        s = self._snapshot
        if s.grid is None:
            return None
        if self._jpeg is None or self._jpeg[0] != s.grid_revision:
            from PIL import Image

            picture = Image.fromarray(s.grid)
            factor = max(1, -(-512 // picture.width))
            if factor > 1:
                picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=90)
            self._jpeg = (s.grid_revision, buffer.getvalue())
        return self._jpeg[1]

    # --- commands

    def pause(self) -> None:
        """Hold after the present step."""
        self._post(self._pause)

    def resume(self) -> None:
        """Go on after a pause."""
        self._post(self._resume)

    def step(self) -> None:
        """While paused (or pausing), take one step."""
        self._post(self._single_step)

    def stop(self, message: str = "Stopped. It can be resumed from here.") -> None:
        """End the training; a checkpoint and the model are saved first. A waiting session just leaves the queue."""
        self._cancelled.set()
        if self.active:
            self._commands.put((lambda: self._end("stopped", message), None))

    def save(self, timeout: float = 120.0) -> str:
        """Write a checkpoint and the model; returns a sentence that says where.

        Raises:
            PlaygroundError: the training has not begun, or the disk refused.
        """
        if self._trainer is None and self.state in ENDED and (self.folder / "model").is_dir():
            return f"The model is saved in {self.folder / 'model'}."
        self.ask(lambda: self._recorder.save(), timeout)
        return f"The model is saved in {self.folder / 'model'}."

    def set_knob(self, name: str, value: Any) -> Any:
        """Turn a live knob; returns the validated value.

        Raises:
            UsageError: unknown, not live, out of range, or impossible with these networks.
        """
        trainer = self._trainer
        if trainer is None:
            raise UsageError("No training is running whose settings could be changed.")
        checked = Settings(trainer.settings).change(name, value)
        trainer.family.check_change(name, checked)
        self._post(lambda: self._change(name, checked))
        return checked

    def model(self, timeout: float = 60.0) -> Model:
        """The averaged generator as it is now, as a model of its own; from the disk once the training has ended.

        Raises:
            UsageError: there is none yet.
        """
        from playground.model import load_model, model_of

        if self._trainer is not None and self.active:
            return self.ask(lambda: model_of(self._trainer, name=self.config.get("name") or self.key), timeout)
        if (self.folder / "model").is_dir():
            return load_model(self.folder / "model")
        raise UsageError("This run has no model yet: let it train first.")

    def ask(self, question: Callable[[], Any], timeout: float = 60.0) -> Any:
        """Run `question` in the training thread between two steps and return what it returns."""
        if self._trainer is None or not self.active:
            raise UsageError("The training has not begun or is over.")
        future: Future = Future()
        self._commands.put((question, future))
        if self._over.is_set():
            future.cancel()
        try:
            return future.result(timeout)
        except FutureTimeout:
            future.cancel()
            raise UsageError("The training is busy with a long step: try again in a moment.") from None
        except CancelledError:
            raise UsageError("The training has not begun or is over.") from None

    def _post(self, command: Callable[[], Any]) -> None:
        if not self.active:
            raise UsageError(f"This run is {self.state}: resume it from the list of runs first.")
        self._commands.put((command, None))

    # --- inside the thread

    def beat(self) -> None:
        """While waiting: keep the run's status fresh, so that the list of runs does not take it for dead."""
        if time.monotonic() - self._beat_at > 30:
            self._beat_at = time.monotonic()
            with contextlib.suppress(PlaygroundError):  # a disk that refuses will say so when the training begins
                RunWriter(self.folder).write_status("starting", self._snapshot.step, "Waiting for a free place.")

    def start(self) -> None:
        """Begin; called once by the manager."""
        if not self.manager.place(self):
            self._publish(state="starting", message="Getting ready.")
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def _main(self) -> None:
        try:
            self.manager.wait_for_place(self, self._cancelled)
            if self._cancelled.is_set():
                self._leave("Left the queue before it began.")
                return
            self._publish(state="starting", message="Getting ready.")
            self._prepare()
            self._loop()
        except _Stop:
            pass
        except PlaygroundError as error:
            if self._cancelled.is_set() and self._trainer is None:
                self._leave("Stopped before the first step.")
            else:
                self._fail(str(error), "")
        except Exception as error:
            from playground.recorder import explain

            self._fail(explain(error), traceback.format_exc())
        finally:
            self._over.set()
            self._trainer = self._recorder = None
            with contextlib.suppress(queue.Empty):
                while True:  # nobody waits for an answer that won't come
                    _, future = self._commands.get_nowait()
                    if future is not None:
                        future.cancel()
            self.manager.leave(self)

    def _prepare(self) -> None:
        import torch

        if torch.get_num_threads() == 1:
            # The interface goes first. Not with a team of threads, though: the whole team waits for its slowest member,
            # and one that must step back for a busy browser made training ten times slower.
            with contextlib.suppress(OSError, AttributeError):  # only Linux has this
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        from playground.checkpoint import checkpoints, read_checkpoint
        from playground.data.registry import open_data
        from playground.recorder import Recorder
        from playground.trainer import Trainer

        config, device = self.config, self.manager.device
        knobs = settings(config["knobs"])

        def progress(done: int, total: int) -> None:
            if self._cancelled.is_set():
                raise UsageError("Stopped while the pictures were read.")
            if time.monotonic() - self._published_at > self.publish_seconds:
                self._publish(message=f"Reading pictures: {done:,} of {total:,}.")

        store = open_data(
            self.data,
            **data_options(self.preset, knobs),
            data_dir=self.manager.data_dir,
            device=device,
            progress=progress,
        )
        self._publish(message="Building the networks.", classes=store.info.classes, device=describe_device(device))
        resume = config.get("resume", False)
        # a run that ended before its first checkpoint begins anew
        state = read_checkpoint(self.folder) if resume and checkpoints(self.folder) else None
        if state is not None:
            knobs = settings(state["settings"])
        trainer = Trainer(self.preset, knobs, store)
        if state is not None:
            trainer.load_state_dict(state)
            for name, value in config["changes"].items():
                if value != trainer.settings[name]:
                    trainer.change(name, value)
        elif config.get("from_model"):
            from playground.model import load_model

            source = load_model(config["from_model"])
            trainer.start_from({name: module.state_dict() for name, module in source.modules.items()})
        self._publish(device=f"{describe_device(device)}, {trainer.precision}")
        facts = {"name": config.get("name") or "", "device": self._snapshot.device}
        self._recorder = Recorder(trainer, self.folder, resumed=resume, facts=facts)
        if not resume:
            self._recorder.writer.write_config({**config, "knobs": dict(knobs)})
        self.history = self._recorder.history
        plan = trainer.family.grid_plan()
        self._publish(
            grid_shape=(plan.rows, plan.columns),
            row_names=plan.row_names,
            critic=self._recorder.critic,
            steps=trainer.settings.steps,
        )
        self._trainer = trainer

    def _loop(self) -> None:
        trainer, recorder = self._trainer, self._recorder
        self._publish(state="running", message="")
        recorder.heartbeat("running")
        while True:
            self._obey()
            if trainer.step_count >= trainer.settings.steps:
                self._end("finished", "Done. Raise the number of steps and resume to go on.")
            trainer.step()
            recorder(trainer)
            now = time.monotonic()
            if now - self._published_at > self.publish_seconds:
                self._publish()

    def _obey(self) -> None:
        """Carry out waiting commands; stays here while paused."""
        while True:
            try:
                command, future = self._commands.get(timeout=5.0) if self._paused else self._commands.get_nowait()
            except queue.Empty:
                if not self._paused:
                    return
                self._recorder.heartbeat("paused")
                continue
            if future is not None:  # a question: its failure is the asker's, not the training's
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(command())
                    except Exception as error:
                        future.set_exception(error)
                continue
            try:
                command()
            except UsageError as error:
                self._publish(message=str(error))

    def _pause(self) -> None:
        self._paused = True
        self._recorder.tick(with_grid=True)
        self._recorder.pause()
        self._publish(state="paused", message="Paused.")
        self._recorder.heartbeat("paused")

    def _resume(self) -> None:
        self._paused = False
        self._recorder.pause()
        self._publish(state="running", message="")

    def _single_step(self) -> None:
        self._paused = True
        self._trainer.step()
        self._recorder.tick(with_grid=True)
        self._recorder.pause()
        self._publish(state="paused", message=f"Took step {self._trainer.step_count:,}.")

    def _change(self, name: str, value: Any) -> None:
        self._trainer.change(name, value)
        self._publish()

    def _end(self, state: str, message: str) -> None:
        self._recorder.finish(state, message)
        self._publish(state=state, message=message)
        raise _Stop

    def _fail(self, sentence: str, details: str) -> None:
        if self._trainer is not None:
            from playground.checkpoint import kept

            sentence += kept(self.folder)
        step = self._trainer.step_count if self._trainer is not None else self._snapshot.step
        with contextlib.suppress(PlaygroundError):  # a full disk may be the very reason
            if self._trainer is None and not self.config.get("resume"):  # nothing was ever learned here
                delete_run(self.manager.runs_dir, self.key, force=True)
            else:
                RunWriter(self.folder).write_status("failed", step, sentence)
        self._publish(state="failed", message=sentence, details=details)

    def _leave(self, message: str) -> None:
        """Ended before it began: what an earlier training of this run left stays as it is."""
        with contextlib.suppress(PlaygroundError):
            RunWriter(self.folder).write_status("stopped", self._snapshot.step, message)
        self._publish(state="stopped", message=message)

    def _publish(self, **changes: Any) -> None:
        trainer, recorder = self._trainer, self._recorder
        if trainer is not None and recorder is not None:
            changes = {
                "step": trainer.step_count,
                "steps": trainer.settings.steps,
                "images": trainer.images_seen,
                "seconds": trainer.seconds,
                "steps_per_second": recorder.steps_per_second,
                "images_per_second": recorder.images_per_second,
                "knobs": _live(trainer.settings),
                "grid": recorder.grid,
                "grid_step": recorder.grid_step,
                "grid_revision": recorder.grids,
                "alarms": recorder.alarms,
                "sigma": _sigma(trainer),
                **changes,
            }
            changes["histogram"] = (
                _histogram(trainer.family.histograms(), trainer.step_count) or self._snapshot.histogram
            )
        self._snapshot = replace(self._snapshot, **changes)
        self.version += 1
        self._published_at = time.monotonic()


def _live(knobs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in knobs.items() if name in KNOBS and KNOBS[name].live}


def _alarm(alarm: Any) -> dict[str, Any]:
    row = asdict(alarm)
    row["cures"] = [{**asdict(cure), "changes": dict(cure.changes)} for cure in alarm.cures]
    return row


def _sigma(trainer: Any) -> dict[str, float] | None:
    values = trainer.family.singular_values()
    return {name: round(float(value), 4) for name, value in values.items()} or None


def _histogram(scores: Mapping[str, Any], step: int, bins: int = 40) -> dict[str, Any] | None:
    if not scores:
        return None
    vectors = {name: vector.float().cpu().numpy() for name, vector in scores.items()}
    everything = np.concatenate(list(vectors.values()))
    if not np.isfinite(everything).all():
        return None
    low, high = float(everything.min()), float(everything.max())
    edges = np.linspace(low - 1e-3, max(high, low + 1e-3) + 1e-3, bins + 1)
    counts = {name: np.histogram(vector, edges)[0].tolist() for name, vector in vectors.items()}
    return {"edges": [round(float(e), 4) for e in edges], "step": step, **counts}


class SessionManager:
    """All sessions of one server: who may train now, who waits, who sees what, and what is freed when.

    Args:
        runs_dir: where run folders are made.
        data_dir: where downloads are kept.
        device: "auto", "cpu", "cuda" or "cuda:N"; resolved when first needed, so that torch stays unloaded until then.
        max_trainings: how many run at once; the others wait in order.
        grace: seconds without a viewer after which a training is checkpointed and stopped, and an ended one let go.
        waiting_room: how many may wait at most.
    """

    waiting_room = 20

    def __init__(
        self,
        runs_dir: str | Path = "runs",
        data_dir: str | Path | None = None,
        device: str = "auto",
        max_trainings: int = 1,
        grace: float = 600.0,
    ):
        if max_trainings < 1:
            raise UsageError(f"At least one training must be allowed to run, not {max_trainings}.")
        self.runs_dir = Path(runs_dir).expanduser()
        self.data_dir = data_dir
        self.max_trainings, self.grace = max_trainings, grace
        self._device_wish, self._device = device, ""
        self._sessions: dict[str, Session] = {}
        self._running: list[Session] = []
        self._waiting: list[Session] = []
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)
        self._closed = threading.Event()
        # A training must have ended before the interpreter tears torch down; the reference must not keep us alive.
        self_reference = weakref.ref(self)
        atexit.register(lambda: (manager := self_reference()) and manager.close())
        threading.Thread(target=_reap, args=(self_reference, self._closed), name="session reaper", daemon=True).start()

    @property
    def device(self) -> str:
        if not self._device:
            self._device = resolve_device(self._device_wish)
        return self._device

    def start(
        self,
        preset: str,
        data: str | Sequence[str] = "",
        overrides: Mapping[str, Any] | None = None,
        *,
        owner: str = "",
        name: str = "",
        resume: str | None = None,
        from_model: str | None = None,
        data_title: str = "",
    ) -> Session:
        """Begin a training, or go on with the run whose key is `resume` (then the other arguments but `owner` and
        `overrides` are taken from its own config).

        Raises:
            UsageError: an unknown name or bad value, too many waiting, or a run that is already going on.
        """
        if resume is not None:
            return self._go_on(resume, owner, overrides or {})
        find_method(preset)
        check_data(data)
        knobs = method_settings(preset, overrides, points=of_points(data))
        with self._lock:
            self._check_room(owner)
            folder = new_run_folder(self.runs_dir, preset, data if isinstance(data, str) else "pictures")
            config = {
                "format": 1,
                "preset": preset,
                "data": data if isinstance(data, str) else list(data),
                "data_title": data_title or title(data),
                "knobs": dict(knobs),
                "name": name or folder.name,
                "owner": owner or None,
                "from_model": from_model,
            }
            writer = RunWriter(folder)
            writer.write_config(config)
            writer.write_status("starting", 0)
            return self._launch(Session(self, folder, config, data))

    def _go_on(self, key: str, owner: str, overrides: Mapping[str, Any]) -> Session:
        info = open_run(self.runs_dir, key, owner)
        with self._lock:
            earlier = self._sessions.get(key)
            if earlier is not None and earlier.active:
                raise UsageError(f"'{info.name}' is already {earlier.state}.")
            self._check_room(owner)
            config = read_config(info.path)
            data = config.get("data") or ""
            find_method(config["preset"])
            check_data(data)
            changes = {}
            for knob, value in overrides.items():
                if not find(knob).live:
                    raise UsageError(f"{knob} can't be changed in a run that goes on: start a new run with it.")
                changes[knob] = find(knob).validate(value)
            config = {
                "data_title": title(data),
                **config,
                "knobs": dict(settings(config["knobs"], changes)),
                "resume": True,
                "changes": changes,
                "owner": owner or config.get("owner"),
            }
            session = Session(self, info.path, config, data)
            session._snapshot = replace(session._snapshot, step=info.step, seconds=info.seconds)
            return self._launch(session)

    def _check_room(self, owner: str) -> None:
        if self._closed.is_set():
            raise UsageError("The playground is shutting down.")
        mine = [s for s in self._sessions.values() if s.active and s.owner == owner]
        if owner and mine:
            raise UsageError("A training of yours is already going on: stop it first, or watch it here.")
        if len(self._waiting) >= self.waiting_room:
            raise UsageError("Too many trainings are waiting: try again later.")

    def _launch(self, session: Session) -> Session:
        self._sessions[session.key] = session
        self._waiting.append(session)
        session.start()
        return session

    # --- places

    def place(self, session: Session) -> int:
        """0 for a session that has its turn, else its place in the queue, from 1."""
        with self._lock:
            if session not in self._waiting:
                return 0
            position = self._waiting.index(session)
            free = self.max_trainings - len(self._running)
            return max(0, position + 1 - free)

    def wait_for_place(self, session: Session, cancelled: threading.Event) -> None:
        """Block until it is this session's turn, or it was cancelled."""
        with self._moved:
            while not cancelled.is_set() and not (
                self._waiting[0] is session and len(self._running) < self.max_trainings
            ):
                self._moved.wait(0.2)
                session.beat()
            self._waiting.remove(session)
            if not cancelled.is_set():
                self._running.append(session)
            self._moved.notify_all()

    def leave(self, session: Session) -> None:
        """A session's thread has ended: its place is free."""
        with self._moved:
            for places in (self._running, self._waiting):
                if session in places:
                    places.remove(session)
            self._moved.notify_all()

    # --- finding

    def find(self, key: str, owner: str = "") -> Session:
        """The session whose run is `key`, for its owner or whoever holds its secret (`key` is then "run~secret").

        Raises:
            UsageError: no such session, or not yours.
        """
        name, _, secret = str(key).partition("~")
        with self._lock:
            session = self._sessions.get(name)
        if session is None or not (
            (secret and secrets.compare_digest(secret.encode("utf-8", "replace"), session.secret.encode()))
            or (not secret and session.owner == owner)
        ):
            raise UsageError(
                "There is no such training: it may have ended and left the memory; look in the list of runs."
            )
        return session

    def current(self, owner: str) -> Session | None:
        """The newest session of `owner` that is still in memory."""
        with self._lock:
            mine = [s for s in self._sessions.values() if s.owner == owner]
        return max(mine, key=lambda s: (s.active, s.created), default=None)

    def sessions(self) -> list[Session]:
        """All sessions in memory, oldest first."""
        with self._lock:
            return sorted(self._sessions.values(), key=lambda s: s.created)

    def forget(self, key: str) -> None:
        """Drop an ended session from memory (its run folder stays, or is about to be deleted).

        Raises:
            UsageError: it is still going on.
        """
        with self._lock:
            session = self._sessions.get(key)
            if session is not None and session.active:
                raise UsageError("This training is still going on: stop it first.")
            self._sessions.pop(key, None)

    def reap(self) -> None:
        """Stop what nobody has watched for `grace` seconds (after a checkpoint), and let ended sessions go."""
        now = time.monotonic()
        for session in self.sessions():
            if now - session.seen < self.grace:
                continue
            if session.active:
                session.stop("Checkpointed and stopped because nobody was watching. It can be resumed from here.")
            else:
                with self._lock:
                    self._sessions.pop(session.key, None)

    def close(self, timeout: float = 60.0) -> None:
        """Checkpoint and stop everything; waits for the threads to end."""
        self._closed.set()
        sessions = self.sessions()
        for session in sessions:
            session.stop("The playground was closed. The run can be resumed from here.")
        until = time.monotonic() + timeout
        for session in sessions:
            session.join(max(0.1, until - time.monotonic()))


def _reap(reference: Any, closed: threading.Event) -> None:
    """Call `reap` of the referenced manager now and then, until it is closed or gone."""
    pause = 0.2
    while not closed.wait(pause):
        manager = reference()
        if manager is None:
            return
        manager.reap()
        pause = min(10.0, max(0.2, manager.grace / 5))
        del manager
