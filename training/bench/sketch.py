"""How long a stroke waits: from the drawing sent to the picture back, and from the pen to the picture on the screen.

The app runs in a process of its own. What is drawn is an example of the model's with a line that grows, so that no two
drawings are the same.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

from playground.errors import TrainingError
from playground.model import list_shipped
from training.bench.common import Options, Row, latencies, not_run
from training.bench.serving import Server, app_arguments, browser, free_port

MODEL = "edges-to-faces"
ANSWERS = ((50.0, 100.0), (95.0, None))  # (percentile, milliseconds) of a drawing's answer
SCREEN = ((50.0, 200.0), (95.0, None))  # from the pen's event to the picture


def run(options: Options) -> list[Row]:
    """Drawings sent one after the other, then a pen in a browser."""
    if MODEL not in list_shipped():
        return [not_run("sketch", f"The model '{MODEL}' is not in pretrained/.")]
    count = 20 if options.quick else 200
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Server(app_arguments(port, folder), port, 1) as server:
        server.first_page()
        way = server.post("/sketch/open", {"model": MODEL})["ways"][0]
        options.say("sketch: drawings")
        answers(server, way, 10)  # warm
        size = f"{way['size']} × {way['size']}"
        rows = latencies("sketch", f"a drawing's answer, {size}", answers(server, way, count), ANSWERS)
        with browser(server, "sketch") as page:
            if page is None:
                return [*rows, not_run("sketch", "The screen needs Playwright and Chromium: pip install playwright")]
            options.say("sketch: the browser")
            rows += latencies("sketch", "a stroke on the screen", strokes(page, count // 20), SCREEN)
    return rows


def answers(server: Server, way: dict[str, Any], count: int) -> list[float]:
    """Milliseconds of `count` answers to a drawing that a line crosses, pixel by pixel."""
    side, channels = way["size"], way["source"]["channels"]
    status, example = server.get(f"/sketch/example?model={MODEL}&seed=1", headers={"X-Playground": "1"})
    if status != 200 or len(example) != way["bytes"]:
        raise TrainingError(f"The server gave no example to draw on (status {status}).")
    drawn, times = bytearray(example), []
    connection = server.connect()
    for i in range(count):
        place = (i * (side + 1)) % (side * side) * channels
        drawn[place : place + channels] = bytes(channels)
        began = time.perf_counter()
        body = server.post_bytes(f"/sketch/stroke?model={MODEL}", bytes(drawn), connection)
        times.append(1000 * (time.perf_counter() - began))
        if len(body) < 100:
            raise TrainingError("The server answered a drawing with no picture.")
    connection.close()
    return times


def strokes(page: Any, count: int) -> list[float]:
    """Milliseconds from the pen's event to its picture, of all pictures that `count` strokes brought."""
    ready = "(({ facts, busy, wanted, result }) => facts && result && !busy && !wanted)"
    ready += "(window.playground?.sketch || {})"
    page.wait_for_function(ready, timeout=90_000)
    page.evaluate("playground.sketch.times.length = 0")
    box = page.locator(".pg-sk-canvas").bounding_box()
    for i in range(count):
        y = box["y"] + box["height"] * (0.1 + 0.8 * (i + 0.5) / count)
        page.mouse.move(box["x"] + 0.1 * box["width"], y)
        page.mouse.down()
        for k in range(20):
            page.mouse.move(box["x"] + (0.1 + 0.04 * k) * box["width"], y + 3 * (k % 3))
            page.wait_for_timeout(16)  # as often as a screen tells where the pen is
        page.mouse.up()
        page.wait_for_function(ready, timeout=30_000)
    times = page.evaluate("playground.sketch.times")
    if len(times) < 2:
        raise TrainingError("The strokes brought no pictures.")
    return times
