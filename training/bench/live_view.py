"""What it costs a training to be watched: live curves over the app's own HTTP routes, and the sample grid.

The app runs in a process of its own and trains; a viewer in this process asks for the live view four times a second
and fetches every new grid, as a browser does, in every second window of time.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

from playground.devices import resolve_device
from playground.errors import TrainingError
from training.bench.common import Options, Rounds, Row, in_turns, ratios, threads
from training.bench.serving import Server, app_arguments, free_port

HERTZ = 4.0
CURVES_TARGET, GRID_TARGET = 3.0, 2.0


def run(options: Options) -> list[Row]:
    """Two rows: curves by turns with and without a viewer, the grid by its share of the training's time."""
    rows = []
    for name, measure in (("live curves", _curves), ("sample grid", _grid)):
        try:
            rows.append(measure(options))
        except TrainingError as error:
            rows.append(Row("live-view", name, None, note=str(error)))
    return rows


class Watched:
    """A training in the app, seen through its live route."""

    def __init__(self, server: Server, key: str):
        self.server, self.path = server, f"/live/{quote(key)}"
        self.connection = server.connect()

    def state(self) -> dict:
        """The live view without rows."""
        return self.server.json(f"{self.path}?after=999999999", self.connection)

    def until_running(self, steps: int, limit: float = 300.0) -> None:
        """Wait until the training has taken some steps; raises TrainingError where it ends instead."""
        until = time.monotonic() + limit
        while (now := self.state())["step"] < steps:
            if now["state"] not in ("waiting", "starting", "running") or time.monotonic() > until:
                why = now["message"] or "it took too long."
                raise TrainingError(f"The training in the app is {now['state']}: {why}")
            time.sleep(0.2)

    def edge(self) -> tuple[float, int]:
        """(time, step) of a fresh snapshot: the number of steps is then exact, the time to some 10 ms."""
        before = self.state()["version"]
        while True:
            time.sleep(0.01)
            now = self.state()
            if now["version"] != before:
                return time.perf_counter(), now["step"]

    def rate(self, seconds: float) -> float:
        """Steps a second over about `seconds`."""
        start, first = self.edge()
        time.sleep(max(0.0, seconds))
        end, last = self.edge()
        if last == first:
            raise TrainingError("The training in the app took no step within a window of the benchmark.")
        return (last - first) / (end - start)


class Viewer:
    """Asks for the live view as a browser does, while the context lasts."""

    def __init__(self, watched: Watched):
        self.watched = watched
        self.updates, self.grids, self.after, self.grid = 0, 0, 0, None
        self.latency: list[float] = []
        self._leave = threading.Event()
        self._failure: Exception | None = None

    def __enter__(self) -> Viewer:
        self._leave.clear()
        self._thread = threading.Thread(target=self._watch, name="viewer", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._leave.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _watch(self) -> None:
        server, connection = self.watched.server, self.watched.server.connect()
        due = time.perf_counter()
        try:
            while not self._leave.wait(max(0.0, due - time.perf_counter())):
                due += 1 / HERTZ
                asked = time.perf_counter()
                wire = server.json(f"{self.watched.path}?after={self.after}", connection)
                self.latency.append(time.perf_counter() - asked)
                self.updates, self.after = self.updates + 1, wire["rows"]["end"]
                if wire["grid"] and wire["grid"]["revision"] != self.grid:
                    self.grid, self.grids = wire["grid"]["revision"], self.grids + 1
                    server.get(f"{self.watched.path}/grid.jpg?revision={self.grid}", connection)
        except (OSError, TrainingError) as failure:
            self._failure = failure
        finally:
            connection.close()


def _curves(options: Options) -> Row:
    window, rounds = (2.0, 2) if options.quick else (5.0, 14)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        port = free_port()
        with Server(app_arguments(port, folder, options.device), port, options.threads) as server:
            server.first_page()
            watched = Watched(server, _start(server, options))
            watched.until_running(20)
            viewer = Viewer(watched)
            viewer.after = watched.state()["rows"]["end"]

            def with_viewer() -> float:
                with viewer:
                    return watched.rate(window)

            options.say(f"live-view: {rounds} rounds with and without a viewer")
            rates = in_turns({"viewer": with_viewer, "nobody": lambda: watched.rate(window)}, rounds)
            device = watched.state()["device"]
    costs = [100 * (1 - kept) for kept in ratios(rates["viewer"], rates["nobody"])]
    watched_rate, alone_rate = (statistics.median(rates[name]) for name in ("viewer", "nobody"))
    answer = statistics.median(viewer.latency)
    note = (
        f"{device}: {watched_rate:.3g} steps/s with a viewer, {alone_rate:.3g} without; windows of {window:.0f} s "
        f"in turns, {rounds} rounds; {viewer.updates} updates, {viewer.grids} grids; an answer takes "
        f"{1000 * answer:.1f} ms (median), so {HERTZ:.0f} a second at most {100 * HERTZ * answer:.1f} % of a core."
    )
    return Row(
        "live-view", f"live curves, {HERTZ:.0f} updates a second", unit="%", target=CURVES_TARGET, at_most=True,
        note=note, details={"steps_a_second": rates, "latency": viewer.latency}, **Rounds.of(costs)._asdict(),
    )  # fmt: skip


def _start(server: Server, options: Options) -> str:
    """Start preset dcgan over the app's HTTP interface; returns the run's key."""
    from gradio_client import Client, handle_file

    client = Client(f"http://127.0.0.1:{server.port}/", verbose=False)
    data = handle_file(str(options.data)) if options.data else "faces"
    knobs = {"size": 32} | ({} if options.data else {"max_images": 2048})
    return client.predict(
        preset="dcgan", data=data, steps=1_000_000, batch_size=64, seed=0, knobs=knobs, api_name="/train_start"
    )


def _grid(options: Options) -> Row:
    """The time that the recorder spends on sample grids, as a share of the training beside it."""
    from playground.data.registry import open_data
    from playground.devices import describe_device
    from playground.methods import method_settings
    from playground.recorder import Recorder
    from playground.trainer import Trainer

    device = resolve_device(options.device)
    seconds = 6.0 if options.quick else 60.0
    store = open_data(str(options.data) if options.data else "faces", size=32, device=device, max_images=2048)
    trainer = Trainer("dcgan", method_settings("dcgan", {"size": 32, "steps": 1_000_000}), store)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, threads(options.threads):
        place = describe_device(device)
        recorder = Recorder(trainer, Path(folder))
        costs: list[float] = []
        ends: list[float] = []
        take = recorder._take_grid

        def timed() -> float:
            began = time.perf_counter()
            diversity = take()
            ends.append(time.perf_counter())
            costs.append(ends[-1] - began)
            return diversity

        recorder._take_grid = timed  # type: ignore[method-assign]
        trainer.run(5, (recorder,))  # the first steps and the first grid do what is done only once
        costs.clear()
        ends.clear()
        options.say(f"live-view: {seconds:.0f} s of training with the sample grid")
        began, first = time.perf_counter(), trainer.step_count
        trainer.run(lambda _: time.perf_counter() - began > seconds, (recorder,))
        elapsed, steps = time.perf_counter() - began, trainer.step_count - first
    if len(costs) < 2:
        raise TrainingError(f"Fewer than two sample grids were due within {seconds:.0f} s: the machine is too busy.")
    spent = sum(costs[1:])  # from the end of the first grid to the end of the last one: whole intervals
    share = 100 * spent / (ends[-1] - ends[0] - spent)
    each = 1000 * statistics.median(costs)
    note = (
        f"{place}: {len(costs)} grids of {each:.0f} ms in {elapsed:.0f} s and {steps:,} steps, as the recorder "
        "schedules them; time in grids over time outside them."
    )
    details = {"grid_seconds": costs}
    return Row("live-view", "sample grid", share, "%", GRID_TARGET, at_most=True, note=note, details=details)
