"""How live the Lab tab is: views drawn a second in a browser while presets train on points, and their steps.

The page asks for a frame, draws it, and asks for the next; training fills the time between. All layers are on.
"""

from __future__ import annotations

import tempfile
from typing import Any

from training.bench.common import Options, Row, not_run
from training.bench.serving import Server, app_arguments, browser, free_port

UPDATES = 10.0  # a second, for one contestant
VIEWS = (("arena", "2-D lab, vanilla-gan", UPDATES), ("race", "race of three", None))
WARM, TAKEN = 3.0, 10.0  # seconds


def run(options: Options) -> list[Row]:
    """Updates and steps a second of the 2-D lab and of the race."""
    rows: list[Row] = []
    seconds = 3.0 if options.quick else TAKEN
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Server(app_arguments(port, folder), port) as server:
        server.first_page()
        with browser(server, "lab") as page:
            if page is None:
                return [not_run("lab", "needs Playwright and Chromium: pip install playwright")]
            for view, title, target in VIEWS:
                options.say(f"lab: {title}")
                rows += _rows(page, view, title, target, seconds)
    return rows


def _rows(page: Any, view: str, title: str, target: float | None, seconds: float) -> list[Row]:
    page.goto(page.url.split("#")[0] + f"#lab?view={view}")
    page.reload()
    page.wait_for_function(f"window.playground?.{view}?.facts", timeout=120_000)
    for layer in ("Manifold", "Arrows"):
        button = page.get_by_role("button", name=layer, exact=True).first
        if button.get_attribute("aria-pressed") != "true":
            button.click()
    page.get_by_role("button", name="Run", exact=True).first.click()
    page.wait_for_timeout(1000 * WARM)
    before = page.evaluate(_STATE, view)
    page.wait_for_timeout(1000 * seconds)
    after = page.evaluate(_STATE, view)
    page.get_by_role("button", name="Pause", exact=True).first.click()
    passed = (after["now"] - before["now"]) / 1000
    drawn = sum(before["now"] < time <= after["now"] for time in after["times"])
    gaps = sorted(b - a for a, b in zip(after["times"], after["times"][1:], strict=False) if a > before["now"])
    note = f"half of the gaps are below {gaps[len(gaps) // 2]:.0f} ms, the longest is {gaps[-1]:.0f} ms" if gaps else ""
    return [
        Row("lab", f"{title}: updates", drawn / passed, "1/s", target, note=note),
        Row("lab", f"{title}: steps", (after["step"] - before["step"]) / passed, "1/s"),
    ]


_STATE = """(view) => {
  const lab = window.playground[view];
  const steps = [...document.querySelectorAll(".pg-lab-step")].filter((node) => node.offsetParent);
  return { now: performance.now(), times: lab.times, step: Number(steps[0].textContent.replace(/[^0-9]/g, "")) };
}"""
