"""How long a slider waits: from its move to the encoded picture, to the picture on the screen, and beside a training.

The app runs in a process of its own. Requests go one after the other over one kept connection, as the page sends them;
what is measured is the whole answer, handler and transport, so that the handler alone is faster.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from playground.errors import TrainingError
from playground.model import list_shipped
from training.bench.common import Options, Row, latencies, not_run
from training.bench.serving import Server, app_arguments, browser, free_port

MODEL = "faces-style"
ANSWERS = ((50.0, 25.0), (95.0, 50.0))  # (percentile, milliseconds) of a frame's answer
SCREEN = ((50.0, 80.0), (95.0, 150.0))  # of a frame on the screen
TRAINING = ((95.0, 300.0),)  # of a frame on the screen, or else of its answer, while a training runs
MIXING = 400.0


def run(options: Options) -> list[Row]:
    """Frames, a 5 × 5 mixing grid, and frames in a browser; then the same beside a training."""
    if MODEL not in list_shipped():
        return [not_run("explore", f"The model '{MODEL}' is not in pretrained/.")]
    count = 30 if options.quick else 300
    rows: list[Row] = []
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Server(app_arguments(port, folder), port, 1) as server:
        server.first_page()
        opened = server.post("/explore/open", {"model": MODEL})
        options.say("explore: frames")
        frames(server, opened["recipe"], 20)  # warm
        rows += latencies("explore", "a frame's answer", frames(server, opened["recipe"], count), ANSWERS)
        grids = [mixing_grid(server, opened, seed) for seed in range(4 if options.quick else 24)]
        rows += latencies("explore", "5 × 5 mixing grid", grids[2:], ((50.0, MIXING),))
        with browser(server, "explore") as page:
            if page:
                page.wait_for_function("window.playground?.frames?.shown > 0", timeout=60_000)
            options.say("explore: the browser")
            rows += _screen(page, "a frame on the screen", count // 3, SCREEN)
            options.say("explore: beside a training")
            with training(server):
                beside = frames(server, opened["recipe"], count // 3)
                rows += latencies("explore", "a frame's answer beside a training", beside, () if page else TRAINING)
                rows += _screen(page, "a frame on the screen beside a training", count // 3, TRAINING)
    return rows


def frames(server: Server, recipe: dict[str, Any], count: int) -> list[float]:
    """Milliseconds of `count` answers while the blend between two seeds is moved."""
    connection, times = server.connect(), []
    for i in range(count):
        moved = {**recipe, "a": {"seed": 1}, "b": {"seed": 2}, "t": (i % 60) / 60, "truncation": 0.7 + 0.005 * (i % 7)}
        began = time.perf_counter()
        body = server.post_bytes("/explore/frame", {"recipe": moved}, connection)
        times.append(1000 * (time.perf_counter() - began))
        if not body.startswith(b"\x89PNG"):
            raise TrainingError("The server answered a frame with something else than a PNG.")
    connection.close()
    return times


def mixing_grid(server: Server, opened: dict[str, Any], seed: int) -> float:
    """Milliseconds until five sources crossed with five destinations have come, headers included."""
    half = opened["layers"] // 2
    points = [[{"seed": 10 * seed + i + offset} for i in range(5)] for offset in (0, 5)]
    asked = {"model": MODEL, "rows": points[0], "columns": points[1], "noise": "fixed", "truncation": None}
    began = time.perf_counter()
    server.post_bytes("/explore/mixgrid", {**asked, "layer_t": [1.0] * half + [0.0] * (opened["layers"] - half)})
    return 1000 * (time.perf_counter() - began)


@contextlib.contextmanager
def training(server: Server) -> Iterator[None]:
    """A DCGAN training on 32 px faces in the same app, for as long as the block lasts."""
    from gradio_client import Client

    client = Client(f"http://127.0.0.1:{server.port}/", verbose=False)
    knobs = json.dumps({"size": 32})
    key = client.predict(preset="dcgan", data="faces", steps=100_000, knobs=knobs, api_name="/train_start")
    try:
        for _ in range(240):
            if client.predict(key, api_name="/train_status")["step"] > 5:
                break
            time.sleep(0.5)
        else:
            raise TrainingError("The training beside the frames did not begin within two minutes.")
        yield
    finally:
        client.predict(key, api_name="/train_stop")


def _screen(page: Any, name: str, count: int, targets: Sequence[tuple[float, float]]) -> list[Row]:
    """Rows of frames on the screen: a slider is moved in steps, as a hand would."""
    if page is None:
        return [Row("explore", name, None, note="needs Playwright and Chromium: pip install playwright")]
    page.evaluate("window.playground.frames.times.length = 0")
    slider = page.get_by_label("Variety (truncation)", exact=True)
    for i in range(count):
        slider.evaluate(
            "(e, t) => { e.value = String(Number(e.min) + t * (Number(e.max) - Number(e.min)));"
            "e.dispatchEvent(new Event('input', {bubbles: true})); }",
            0.3 + 0.4 * (i % 20) / 20,
        )
        page.wait_for_timeout(60)
    times = page.evaluate("window.playground.frames.times")
    if len(times) < count // 3:
        return [Row("explore", name, None, note=f"only {len(times)} of {count} moves were drawn")]
    return latencies("explore", name, times, targets)
