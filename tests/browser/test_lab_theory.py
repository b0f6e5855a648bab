"""The minimax game and the divergence explorer in a real browser: dragged by mouse, finger and keys."""

from __future__ import annotations

import math
import re

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
SECOND = 1000
expect.set_options(timeout=20 * SECOND)


def settled(page: Page, view: str) -> None:
    """Wait until the newest request has been answered."""
    page.wait_for_function(
        "view => { const one = playground.theory?.[view]; return one && !one.ask.busy && one.found }", arg=view
    )


def open_view(page: Page, url: str, view: str) -> None:
    page.goto(f"{url}#lab?view={view}")
    expect(page.locator(f".pg-lab-{view}")).to_be_visible(timeout=90 * SECOND)
    settled(page, view)


def drag(page: Page, node: Locator, dx: float, dy: float = 0.0, steps: int = 12) -> None:
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=steps)
    page.mouse.up()


def swipe(page: Page, node: Locator, dx: float, dy: float = 0.0, steps: int = 8) -> None:
    """The same with one finger."""
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    wire = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

    touch("touchStart", (x, y))
    for step in range(1, steps + 1):
        touch("touchMove", (x + dx * step / steps, y + dy * step / steps))
    touch("touchEnd")


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def card(page: Page, method: str) -> Locator:
    return page.locator(f'.pg-th-card[data-method="{method}"]')


def radii(page: Page, method: str) -> tuple[float, float]:
    """What the card says: (played, predicted)."""
    played, foretold = card(page, method).locator("dd b").all_inner_texts()
    return number(played), number(foretold)


def cell(page: Page, measure: str, column: int) -> float:
    """Of the table: 1 is the value, 2 the closed form, 3 the slope for a shift, 4 for a scale."""
    return number(page.locator(f'tr[data-measure="{measure}"] td').nth(column - 1).inner_text())


def slide(page: Page, label: str, keys: str, times: int) -> None:
    field = page.get_by_role("slider", name=label, exact=True)
    field.focus()
    for _ in range(times):
        page.keyboard.press(keys)


def test_the_game_is_played_dragged_and_foretold(served, visitor) -> None:
    page = visitor()
    open_view(page, served.url, "game")
    # It plays by itself at first, up to the end.
    page.wait_for_function("playground.theory.game.state.at === 80 && !playground.theory.game.playing")
    for method, fate in (("simultaneous", "diverges"), ("alternating", "cycles"), ("extragradient", "converges")):
        expect(card(page, method).locator(".pg-th-fate")).to_have_text(fate)
        played, foretold = radii(page, method)
        assert played == pytest.approx(foretold, rel=1e-3)
    start = math.hypot(1.2, 0.6)
    assert radii(page, "simultaneous")[0] == pytest.approx(start * 1.04**40, rel=1e-3)
    assert radii(page, "extragradient")[0] == pytest.approx(start * (0.96**2 + 0.04) ** 40, rel=1e-3)

    # The start is dragged in the plane: a sixth of its width is one unit.
    handle = page.get_by_role("slider", name="Start point")
    unit = page.locator(".pg-th-plane canvas").bounding_box()["width"] / 6
    drag(page, handle, -2 * unit, -unit)
    settled(page, "game")
    x, y = page.evaluate("playground.theory.game.state.start")
    assert (x, y) == (pytest.approx(-0.8, abs=0.05), pytest.approx(1.6, abs=0.05))
    assert radii(page, "simultaneous")[0] == pytest.approx(math.hypot(x, y) * 1.04**40, rel=1e-3)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    settled(page, "game")
    assert page.evaluate("playground.theory.game.state.start") == [pytest.approx(x + 0.1), pytest.approx(y - 0.1)]
    drag(page, handle, 20 * unit)
    assert page.evaluate("playground.theory.game.state.start[0]") == 3, "it stays in the plane"
    canvas = page.locator(".pg-th-plane canvas")
    canvas.click(position={"x": 4 * unit, "y": 2 * unit})
    settled(page, "game")
    assert page.evaluate("playground.theory.game.state.start") == [pytest.approx(1, abs=0.05)] * 2

    # Another step size decides: extra-gradient only converges below 1.
    page.get_by_role("button", name="Too large a step").click()
    settled(page, "game")
    expect(card(page, "extragradient").locator(".pg-th-fate")).to_have_text("diverges")
    expect(card(page, "extragradient")).to_contain_text("beyond this method's limit of 1")
    slide(page, "Step size η", "ArrowLeft", 20)
    settled(page, "game")
    expect(card(page, "extragradient").locator(".pg-th-fate")).to_have_text("converges")

    # Methods come and go; one remains.
    methods = page.get_by_role("group", name="Methods")
    methods.get_by_role("button", name="Consensus").click()
    expect(card(page, "consensus")).to_be_visible()
    expect(page.get_by_role("slider", name="Weight of consensus, γ")).to_be_visible()
    for name in ("Consensus", "Alternating", "Extra-gradient"):
        methods.get_by_role("button", name=name).click()
    expect(page.locator(".pg-th-card")).to_have_count(1)
    expect(page.get_by_role("slider", name="Weight of consensus, γ")).to_be_hidden()

    # Curved costs: the same simultaneous steps converge, and the law of V = xy is no longer claimed.
    page.get_by_role("button", name="Regularised").click()
    settled(page, "game")
    expect(card(page, "simultaneous").locator(".pg-th-fate")).to_have_text("converges")
    expect(card(page, "simultaneous")).not_to_contain_text("law")
    expect(page.locator(".pg-th-equation")).to_contain_text("0.2 x²")


def test_the_game_stands_still_where_it_is_not_seen(served, visitor) -> None:
    page = visitor()
    open_view(page, served.url, "game")
    page.get_by_role("button", name="Small steps").click()
    page.wait_for_function("playground.theory.game.playing && playground.theory.game.state.at > 5")
    page.get_by_role("button", name="Pause").click()
    at = page.evaluate("playground.theory.game.state.at")
    page.get_by_role("slider", name="Step of the orbit").fill("30")
    expect(page.get_by_text("step 30 of 250")).to_be_visible()
    assert radii(page, "simultaneous")[0] == pytest.approx(math.hypot(1.2, 0.6) * 1.0025**15, rel=1e-3)
    assert at != 30
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("playground.theory.game.state.at > 32")
    page.get_by_role("tab", name="Runs").click()
    page.wait_for_function("!playground.theory.game.playing")
    page.get_by_role("tab", name="Lab").click()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_bumps_are_dragged_and_the_divergences_follow(served, visitor) -> None:
    page = visitor()
    open_view(page, served.url, "divergences")
    assert cell(page, "kl", 1) == pytest.approx(1.7**2 / 2, abs=1e-3) == cell(page, "kl", 2)
    assert cell(page, "w1", 1) == pytest.approx(1.7) and cell(page, "w1", 3) == 1
    unit = page.locator(".pg-th-bumps canvas").bounding_box()["width"] / 20

    # Far to the right: JS is at its ceiling without a slope, and the saturating loss is silent.
    mean = page.get_by_role("slider", name="Q 1: mean", exact=True)
    drag(page, mean, 7 * unit)
    settled(page, "divergences")
    moved = page.evaluate("playground.theory.divergences.state.q[0].m")
    assert moved == pytest.approx(8.2, abs=0.05)
    assert cell(page, "js", 1) == 0.693 and abs(cell(page, "js", 3)) < 1e-3
    assert cell(page, "w1", 1) == pytest.approx(moved + 0.5, abs=2e-3) and cell(page, "w1", 3) == 1
    assert cell(page, "kl", 3) == pytest.approx(moved + 0.5, abs=2e-3)
    expect(page.locator('[data-loss="saturating"] .pg-th-share')).to_have_text("all of Q feels nothing")
    expect(page.locator('[data-loss="wasserstein"] .pg-th-share')).to_have_text("felt by all of Q")
    expect(page.locator(".pg-th-note")).to_contain_text("ceiling of log 2")
    page.keyboard.press("Shift+ArrowLeft")
    settled(page, "divergences")
    assert page.evaluate("playground.theory.divergences.state.q[0].m") == pytest.approx(moved - 1)

    # Wider, by the bar at its side; W2 sees it where W1's slope for a shift does not.
    drag(page, page.get_by_role("slider", name="Q 1: sigma", exact=True), unit)
    settled(page, "divergences")
    wide = page.evaluate("playground.theory.divergences.state.q[0].s")
    assert wide == pytest.approx(2, abs=0.06)
    assert cell(page, "w2", 1) == pytest.approx(math.hypot(moved - 0.5, wide - 1), abs=5e-3)
    assert cell(page, "reverse_kl", 1) == pytest.approx(cell(page, "reverse_kl", 2), rel=1e-4)

    # Drag in a chart of the sweep: all of Q moves, and the marked place with it.
    chart = page.get_by_role("slider", name="JS over the place of Q")
    box = chart.bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    settled(page, "divergences")
    assert page.evaluate("playground.theory.divergences.apart()") == pytest.approx(0, abs=0.15)
    assert abs(cell(page, "kl", 3)) < 0.1
    chart.focus()
    page.keyboard.press("Shift+ArrowRight")
    settled(page, "divergences")
    assert page.evaluate("playground.theory.divergences.apart()") == pytest.approx(1, abs=0.15)
    assert float(chart.get_attribute("aria-valuenow")) == pytest.approx(1, abs=0.15)


def test_mixtures_are_made_of_bumps(served, visitor) -> None:
    page = visitor()
    open_view(page, served.url, "divergences")
    page.get_by_role("button", name="One mode of two").click()
    settled(page, "divergences")
    assert cell(page, "kl", 1) > 20 and cell(page, "reverse_kl", 1) == pytest.approx(math.log(2), abs=2e-3)
    assert page.locator('tr[data-measure="w2"] td').first.inner_text() == "–"

    # A second bump for Q, put on the other mode: then nothing is left to learn.
    own = page.get_by_role("region", name="Q, the generator")
    own.get_by_role("button", name="Add a bump").click()
    page.get_by_label("Q 2: mean, as a number").fill("4")
    settled(page, "divergences")
    for measure in ("kl", "reverse_kl", "js", "tv", "w1"):
        assert cell(page, measure, 1) == 0
    expect(page.locator('[data-loss="saturating"] .pg-th-share')).to_have_text("nothing left to learn")

    # Less weight on it: a share of the mode is missing, and total variation is that share.
    weight = page.get_by_label("Q 2: weight")
    weight.fill("0.5")
    settled(page, "divergences")
    assert cell(page, "tv", 1) == pytest.approx(1 / 6, abs=5e-3)
    expect(own.locator("output").last).to_have_text("33 %")
    for _ in range(2):
        own.get_by_role("button", name="Add a bump").click()
    expect(own.get_by_role("button", name="Add a bump")).to_be_disabled()
    expect(page.get_by_role("slider", name=re.compile("^Q . mean$|^Q .: mean$"))).to_have_count(4)
    for at in (4, 3, 2):
        own.get_by_role("button", name=f"Remove bump {at} of Q").click()
    expect(own.get_by_role("button", name="Remove bump 1 of Q")).to_be_disabled()

    # Numbers that make no sense change nothing that is drawn.
    sigma = page.get_by_label("Q 1: sigma, as a number")
    sigma.fill("0")
    settled(page, "divergences")
    sigma.press("Tab")
    expect(sigma).to_have_value("0.15")
    page.get_by_label("Q 1: mean, as a number").fill("")
    assert page.evaluate("playground.theory.divergences.state.q[0].m") == -4


def test_on_a_phone_by_touch_in_the_dark(served, visitor) -> None:
    page = visitor(390, 844, has_touch=True, color_scheme="dark")
    page.goto(f"{served.url}?__theme=dark#lab?view=divergences")
    expect(page.locator(".pg-lab-divergences")).to_be_visible(timeout=90 * SECOND)
    settled(page, "divergences")
    unit = page.locator(".pg-th-bumps canvas").bounding_box()["width"] / 20
    swipe(page, page.get_by_role("slider", name="Q 1: mean", exact=True), 4 * unit)
    settled(page, "divergences")
    assert page.evaluate("playground.theory.divergences.state.q[0].m") == pytest.approx(5.2, abs=0.1)
    swipe(page, page.get_by_role("slider", name="P 1: sigma", exact=True), unit)
    assert page.evaluate("playground.theory.divergences.state.p[0].s") == pytest.approx(2, abs=0.15)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.locator('.pg-lab-nav [data-view="game"]').tap()
    settled(page, "game")
    unit = page.locator(".pg-th-plane canvas").bounding_box()["width"] / 6
    swipe(page, page.get_by_role("slider", name="Start point"), unit, unit)
    settled(page, "game")
    assert page.evaluate("playground.theory.game.state.start") == [
        pytest.approx(2.2, abs=0.1),
        pytest.approx(-0.4, abs=0.1),
    ]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    colour = "getComputedStyle(document.querySelector('.pg-th-plane')).backgroundColor"
    assert max(map(int, re.findall(r"\d+", page.evaluate(colour))[:3])) < 60, "the dark panel"


def test_a_server_that_is_away_is_said_and_outlived(served, visitor) -> None:
    page = visitor()
    open_view(page, served.url, "divergences")
    page.route("**/labs/divergence", lambda route: route.abort())
    page.get_by_role("button", name="Far apart").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be reached")
    page.unroute("**/labs/divergence")
    page.get_by_role("button", name="Too narrow").click()
    settled(page, "divergences")
    assert cell(page, "reverse_kl", 1) == pytest.approx(math.log(5) + 0.04 / 2 - 0.5, abs=1e-3)
    assert cell(page, "w1", 1) == pytest.approx(1.6 * math.sqrt(2 / math.pi), abs=1e-3)
