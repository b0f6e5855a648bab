"""Home in a real browser: faces that live, the ways in, and the hand-offs from a training to the Explore tab."""

from __future__ import annotations

import re
import shutil

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
SECOND = 1000
expect.set_options(timeout=20 * SECOND)

# How far the picture of a recipe is from what a canvas shows: mean difference in grey values of 256.
_DISTANCE = """async ([canvas, recipe]) => {
  const answer = await playground.fetchFile("explore/frame", { recipe });
  const bitmap = await createImageBitmap(await answer.blob());
  const pixels = (draw) => {
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    draw(context);
    return context.getImageData(0, 0, copy.width, copy.height).data;
  };
  const shown = pixels((context) => context.drawImage(canvas, 0, 0));
  const asked = pixels((context) => context.drawImage(bitmap, 0, 0, canvas.width, canvas.height));
  return shown.reduce((sum, value, at) => sum + Math.abs(value - asked[at]), 0) / shown.length;
}"""


def open_home(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".pg-home.alive")).to_be_visible(timeout=60 * SECOND)
    expect(page.locator(".pg-tile canvas.drawn")).to_have_count(12)


def faces(page: Page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('.pg-tile canvas')].map((canvas) => canvas.toDataURL())")


def test_the_faces_live_and_a_click_opens_the_very_face(gallery, visitor) -> None:
    page = visitor()
    open_home(page, gallery.url)
    before = faces(page)
    assert len(set(before)) == 12
    page.wait_for_function("old => document.querySelectorAll('.pg-tile canvas')[3].toDataURL() !== old", arg=before[3])

    # The one that is pointed at waits, and the others go on.
    tile = page.locator(".pg-tile").nth(6)
    tile.hover()
    page.wait_for_timeout(300)
    held = faces(page)
    page.wait_for_timeout(1500)
    now = faces(page)
    assert now[6] == held[6] and sum(a != b for a, b in zip(now, held, strict=True)) >= 8

    # They stop when they are told to, and walk on when they are let.
    page.get_by_role("button", name="Hold the faces still").click()
    page.mouse.move(5, 300)
    page.wait_for_timeout(200)
    held = faces(page)
    page.wait_for_timeout(900)
    assert faces(page) == held
    page.get_by_role("button", name="Let the faces move").click()
    page.wait_for_function("old => document.querySelectorAll('.pg-tile canvas')[3].toDataURL() !== old", arg=held[3])

    # One tab stop; the arrows walk from face to face, and Enter opens the one that they reach.
    page.locator(".pg-tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    focused = page.locator(".pg-tile").nth(5)
    expect(focused).to_be_focused()
    assert page.locator(".pg-tile[tabindex='0']").count() == 1
    page.wait_for_timeout(200)
    canvas = focused.locator("canvas").element_handle()
    with page.expect_request("**/explore/frame") as asked:
        page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    recipe = asked.value.post_data_json["recipe"]
    assert recipe["model"] == "faces-style" and recipe["truncation"] == pytest.approx(0.8)
    assert page.evaluate(_DISTANCE, [canvas, recipe]) < 1.0
    other = {**recipe, "a": {"seed": 999}, "b": None}
    assert page.evaluate(_DISTANCE, [canvas, other]) > 1.0, "any face would have passed"


def test_who_asks_for_less_motion_gets_none(gallery, visitor) -> None:
    page = visitor(reduced_motion="reduce")
    open_home(page, gallery.url)
    expect(page.get_by_role("button", name="Hold the faces still")).to_be_hidden()
    page.wait_for_timeout(600)
    before = faces(page)
    page.wait_for_timeout(1200)
    assert faces(page) == before


def test_without_a_model_the_data_stands_in(gallery, shipped, visitor, tmp_path) -> None:
    shutil.move(shipped / "faces-style", tmp_path / "aside")
    try:
        page = visitor()
        page.goto(gallery.url)
        expect(page.locator(".pg-mosaic-note")).to_contain_text("drawn by code", ignore_case=True, timeout=60 * SECOND)
        expect(page.locator(".pg-tile canvas.drawn")).to_have_count(12)
        assert len(set(faces(page))) == 12
        expect(page.locator(".pg-tile:enabled")).to_have_count(0)
        expect(page.locator(".pg-home.alive")).to_have_count(0)
    finally:
        shutil.move(tmp_path / "aside", shipped / "faces-style")


def test_each_way_in_opens_its_tab(gallery, visitor) -> None:
    page = visitor(390, 844)
    open_home(page, gallery.url)
    width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert width <= 390, f"the page is {width} pixels wide"
    for way in ("Explore", "Sketch", "Train"):
        page.get_by_text(f"Open {way}", exact=True).click()
        expect(page.get_by_role("tab", name=way)).to_have_attribute("aria-selected", "true")
        assert page.url.endswith(f"#{way.lower()}")
        page.get_by_role("tab", name="Home").click()


def test_on_a_phone_all_tabs_are_in_one_row_that_follows(gallery, visitor) -> None:
    page = visitor(390, 844)
    open_home(page, gallery.url)
    row = page.get_by_role("tablist").first
    names = [tab.inner_text() for tab in row.get_by_role("tab").all()]
    assert names[0] == "Home" and len(names) == 9
    expect(row).to_have_class(re.compile(r"\bmore\b"))
    page.evaluate("playground.openTab('guide')")
    guide = row.get_by_role("tab", name="Guide")
    expect(guide).to_have_attribute("aria-selected", "true")
    expect(guide).to_be_in_viewport(ratio=0.9)
    expect(row).not_to_have_class(re.compile(r"\bmore\b"))
    row.get_by_role("tab", name="Runs").click()
    expect(page).to_have_url(re.compile("#runs$"))
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_training_opens_in_explore_from_its_view_and_from_the_list(gallery, visitor) -> None:
    page = visitor()
    page.goto(gallery.url + "#train")
    expect(page.locator(".pg-live .pg-empty")).to_be_visible(timeout=60 * SECOND)
    for knob, value in (("batch_size", "4"), ("steps", "4")):
        field = page.locator(f"#knob-{knob} input").first
        field.fill(value)
        field.press("Enter")
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".pg-live .pg-badge")).to_have_text("Finished", timeout=90 * SECOND)
    key = page.evaluate("window.playground.run.key")
    with page.expect_request(lambda request: about(request, key)):
        page.locator(".pg-live").get_by_role("button", name="Open in Explore").click()
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Runs").click()
    page.evaluate("playground.explore.open({ model: 'faces-style' })")
    page.get_by_role("tab", name="Runs").click()
    with page.expect_request(lambda request: about(request, key)):
        page.locator(f"[data-run='{key}']").get_by_role("button", name="Explore", exact=True).click()
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")


def about(request, key: str) -> bool:
    """Whether a request asks for a picture of a model."""
    return bool(re.search(r"/explore/frame$", request.url)) and request.post_data_json["recipe"]["model"] == key


def test_every_tab_says_what_to_try_first(gallery, visitor) -> None:
    page = visitor()
    open_home(page, gallery.url)
    for name in ("Explore", "Mix", "Sketch", "Translate", "Lab", "Train", "Runs", "Guide"):
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.get_by_text("Try first:").locator("visible=true").first).to_be_visible()
