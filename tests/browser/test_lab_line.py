"""The 1-D lab and the view of saturation in a real browser: driven by mouse, touch and keyboard, and read off."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
SECOND = 1000
expect.set_options(timeout=30 * SECOND)

FRAME = "playground.line?.frame"
SHOWN = "playground.saturation"
_BLANK = """canvas => {
  const picture = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return !picture.data.some((one) => one > 0);
}"""


def open_line(page: Page, url: str) -> None:
    page.goto(url + "#lab?view=line")
    expect(page.locator(".pg-ln")).to_be_visible(timeout=90 * SECOND)
    page.wait_for_function(f"{FRAME}?.q", timeout=60 * SECOND)


def row(page: Page, name: str) -> tuple[float, float]:
    """(now, known) of a row of the table, once it is filled: on a busy machine the picture is there first."""
    cells = page.locator(f".pg-ln-table tr[data-row={name}] td")
    expect(cells.first).not_to_have_text("")
    return tuple(float(text.replace("−", "-")) for text in cells.all_inner_texts())  # type: ignore[return-value]


def painted(page: Page, selector: str) -> int:
    """Pixels of a canvas that are not empty."""
    return page.locator(selector).evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
        ".filter((value, at) => at % 4 === 3 && value > 0).length"
    )


def test_g_learns_and_d_meets_the_best_d(served, visitor) -> None:
    page = visitor()
    open_line(page, served.url)
    assert painted(page, ".pg-ln-stage canvas") > 5000
    start, goal = row(page, "mean")
    assert goal == 2 and abs(start - goal) > 1.5
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function(f"{FRAME}.step > 250", timeout=120 * SECOND)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function(f"!{FRAME}.running")
    assert abs(row(page, "mean")[0] - goal) < 0.6 * abs(start - goal)
    # the target far away: D alone tells the two apart, and comes close to the best D and its loss
    page.get_by_role("slider", name="Mean of the data").focus()
    for _ in range(9):
        page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_function(f"Math.abs({FRAME}.metrics.target_mean + 2.5) < 0.01")
    before, step = row(page, "gap")[0], page.evaluate(f"{FRAME}.step")
    page.get_by_role("button", name="Train D to its best").click()
    page.wait_for_function(f"{FRAME}.turned > 0")
    expect(page.locator(".pg-ln-note")).to_contain_text("G waits")
    expect(page.get_by_role("button", name="Train D to its best")).to_be_visible(timeout=120 * SECOND)
    page.wait_for_timeout(500)
    assert row(page, "gap")[0] < 0.5 * before
    now, least = row(page, "loss")
    assert least - 0.02 < now < least + 0.25
    assert page.evaluate(f"{FRAME}.step") == step  # G has not moved


def test_the_target_is_dragged_and_can_be_a_mixture(served, visitor) -> None:
    page = visitor()
    open_line(page, served.url)
    handle = page.get_by_role("slider", name="Mean of the data")
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=3)
    page.mouse.move(x - 150, y, steps=3)
    page.mouse.up()
    moved = float(handle.get_attribute("aria-valuenow"))
    assert moved < 0.5
    page.wait_for_function(f"Math.abs({FRAME}.metrics.target_mean - {moved}) < 0.02")
    side = page.get_by_role("slider", name="Deviation of the data")
    side.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Math.abs({FRAME}.metrics.target_sigma - 0.8) < 0.02")
    assert row(page, "sigma")[1] == pytest.approx(0.8, abs=0.011)
    expect(page.locator(".pg-ln-target label", has_text="Deviation")).to_contain_text("0.80")
    # two Gaussians: two pairs of handles, and a weight
    page.get_by_role("button", name="two", exact=True).click()
    expect(page.locator(".pg-ln-handle:visible")).to_have_count(4)
    page.wait_for_function(f"Math.abs({FRAME}.metrics.target_mean) < 0.01")
    page.get_by_role("slider", name="Weight").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{FRAME}.metrics.target_mean < -0.3")
    # where the mouse is, the numbers are read
    page.locator(".pg-ln-stage canvas").hover(position={"x": 200, "y": 300})
    expect(page.locator(".pg-ln-foot .pg-lab-read")).to_contain_text(re.compile("p data.*D\\*"))


def test_everything_else_can_be_changed_while_it_runs(served, visitor) -> None:
    page = visitor()
    open_line(page, served.url)
    page.locator(".pg-ln-stage").click(position={"x": 20, "y": 300})
    page.keyboard.press("Space")
    page.wait_for_function(f"{FRAME}.running && {FRAME}.step > 5", timeout=60 * SECOND)
    page.get_by_label("Latent size").select_option("2")
    page.wait_for_function(f"{FRAME}.x === null && {FRAME}.exact === false")
    expect(page.locator(".pg-ln-note")).to_contain_text("latent of one number")
    page.get_by_label("Preset").select_option("wgan-gp")
    page.wait_for_function("playground.line.facts.contestant.preset === 'wgan-gp'")
    expect(page.locator(".pg-ln-formula")).to_contain_text("W₁")
    page.wait_for_function(f"{FRAME}.best && {FRAME}.x")
    page.locator("summary", has_text="Penalties").click()
    page.get_by_role("slider", name="Instance noise").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("playground.line.facts.contestant.knobs.instance_noise > 0")
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_label("Preset").select_option("kl-wgan")
    page.wait_for_function(f"{FRAME}.best === null")
    expect(page.locator(".pg-ln-formula")).to_contain_text("no closed form")


def test_nothing_is_asked_while_the_view_is_not_seen(served, visitor) -> None:
    page = visitor()
    open_line(page, served.url)
    asked: list[str] = []
    page.get_by_role("button", name="Minimax game").click()
    page.wait_for_timeout(2500)  # the last long poll comes home
    page.on("request", lambda request: asked.append(request.url) if "labs/frame" in request.url else None)
    page.wait_for_timeout(1500)
    assert not asked
    page.get_by_role("button", name="1-D lab").click()
    page.wait_for_timeout(1500)
    assert asked


def test_both_views_fit_a_phone_and_can_be_touched(served, visitor) -> None:
    page = visitor(390, 844, has_touch=True)
    open_line(page, served.url)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Step both").tap()
    page.wait_for_function(f"{FRAME}.step === 1")
    handle = page.get_by_role("slider", name="Mean of the data")
    box = handle.bounding_box()
    assert min(box["width"], box["height"]) >= 34
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", x), ("touchMove", x - 40), ("touchMove", x - 90)):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert float(handle.get_attribute("aria-valuenow")) < 0.5
    page.wait_for_function(f"{FRAME}.metrics.target_mean < 0.5")
    page.wait_for_timeout(400)  # else the next tap counts as the second of a double one
    page.get_by_role("button", name="Saturation").tap()
    expect(page.locator(".pg-sat")).to_be_visible(timeout=90 * SECOND)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_with_d_alone_the_push_of_minimax_fades_and_a_critics_does_not(served, visitor) -> None:
    page = visitor()
    page.goto(served.url + "#lab?view=saturation")
    expect(page.locator(".pg-sat-one")).to_have_count(3, timeout=90 * SECOND)
    expect(page.locator(".pg-sat-says")).to_contain_text("Train D alone")
    page.get_by_role("button", name="Train D alone").click()
    page.wait_for_function(f"{SHOWN}.columns.at(-1)?.step > 60", timeout=180 * SECOND)
    page.get_by_role("button", name="Stop D").click()
    page.wait_for_function("!playground.saturation.running")
    left = [float(text.rstrip(" %")) for text in page.locator(".pg-sat-one dl > div:last-child dd").all_inner_texts()]
    assert left[0] < 35 and min(left[1:]) > 40
    told = re.compile(r"frozen for \d+ rounds.*\(minimax\).*weaker than at round")
    expect(page.locator(".pg-sat-says")).to_contain_text(told)
    for strip in page.locator(".pg-sat-strip canvas").all():
        assert not strip.evaluate(_BLANK)
    # both learn again, from there
    step = page.evaluate(f"{SHOWN}.columns.at(-1).step")
    page.get_by_role("button", name="Run both").click()
    page.wait_for_function(f"{SHOWN}.columns.at(-1).step > {step + 2} && !{SHOWN}.frozen", timeout=60 * SECOND)
    expect(page.locator(".pg-sat-says")).to_contain_text("Both learn")
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_role("button", name="Ring").click()
    page.wait_for_function(f"{SHOWN}.facts.data.name === 'ring'")
    page.get_by_label("Preset 3").select_option("hinge-gan")
    page.wait_for_function(f"{SHOWN}.facts.contestants[2].preset === 'hinge-gan'")
