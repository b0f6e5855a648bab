"""The Mix tab in a real browser: the grid, two pictures, pictures of one's own, and the way into Explore."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
SECOND = 1000
expect.set_options(timeout=20 * SECOND)

# What a canvas shows, as 12 × 12 × 3 numbers: small enough not to see how it was enlarged.
_LOOK = """canvas => {
  const small = Object.assign(document.createElement("canvas"), { width: 12, height: 12 });
  const context = small.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0, 12, 12);
  return [...context.getImageData(0, 0, 12, 12).data].filter((_, at) => at % 4 < 3);
}"""


def look(canvas: Locator) -> np.ndarray:
    return np.array(canvas.evaluate(_LOOK), dtype=float)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of two looks, in grey values of 256."""
    return float(abs(first - second).mean())


def open_mix(page: Page, url: str) -> None:
    page.goto(url + "#mix")
    drawn(page)


def drawn(page: Page) -> None:
    """Wait until everything that was asked for is on the screen."""
    expect(page.locator(".pg-mix-cell").first).to_be_visible(timeout=60 * SECOND)
    page.wait_for_function(
        "!playground.mix.drawing && !playground.mix.wanted && !document.querySelector('.pg-mix-main .blank')"
    )
    page.wait_for_timeout(150)


def cell(page: Page, row: int, column: int) -> Locator:
    """A cell's canvas; -1 for the margins."""
    return page.locator(f"[data-at='{row},{column}'] canvas")


def press(page: Page, shortcut: str) -> None:
    page.get_by_role("group", name="Which layers the source lends").get_by_role("button", name=shortcut).click()
    drawn(page)


def shares(page: Page) -> list[float]:
    return [float(bar.get_attribute("aria-valuenow")) for bar in page.locator(".pg-share-bar").all()]


def test_the_grid_gives_each_column_the_layers_of_each_row(gallery, visitor) -> None:
    page = visitor()
    open_mix(page, gallery.url)
    offered = page.locator(".pg-mix-bar select option").all_inner_texts()
    assert sorted(offered) == ["calm-faces", "faces-style"]  # the plain one has no styles
    expect(page.locator(".pg-mix-cell")).to_have_count(20)
    assert shares(page) == [1.0] * 4 + [0.0] * 6
    columns, rows = [look(cell(page, -1, at)) for at in range(5)], [look(cell(page, at, -1)) for at in range(4)]
    assert min(apart(a, b) for at, a in enumerate(columns) for b in columns[:at]) > 1

    press(page, "None")
    assert max(apart(look(cell(page, 2, at)), columns[at]) for at in range(5)) < 1
    press(page, "All")
    assert max(apart(look(cell(page, at, 3)), rows[at]) for at in range(4)) < 1
    looks = {}
    for name in ("Coarse", "Middle", "Fine"):
        press(page, name)
        expect(page.locator(".pg-mix-explain")).to_contain_text(re.compile("^The row lends"))
        looks[name] = look(cell(page, 1, 1))
        assert apart(looks[name], rows[1]) > 0.2 and apart(looks[name], columns[1]) > 0.2
    assert apart(looks["Coarse"], looks["Fine"]) > 0.2

    # A bar: switched by a click, set by a drag, painted along with others by a sweep, moved with the keys.
    bars = page.locator(".pg-share-bar")
    press(page, "None")
    bars.nth(5).click()
    assert shares(page) == [0.0] * 5 + [1.0] + [0.0] * 4
    expect(page.locator(".pg-mix-explain")).to_contain_text("of your own")
    box = bars.nth(5).bounding_box()
    page.mouse.move(box["x"] + 9, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + 9, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    assert 0.4 <= shares(page)[5] <= 0.6
    last = bars.nth(9).bounding_box()
    page.mouse.move(last["x"] + 5, last["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 5, box["y"] + 33, steps=8)
    page.mouse.up()
    assert shares(page) == [0.0] * 5 + [1.0] * 5
    bars.nth(0).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageUp")
    assert shares(page)[:2] == [1.0, 0.25]

    # Noise, for all layers and for one.
    noise = page.get_by_role("group", name="Noise in all layers")
    noise.get_by_role("button", name="off").click()
    page.get_by_role("button", name="Noise of 8 px, first: off").click()
    expect(page.get_by_role("button", name="Noise of 8 px, first: on")).to_be_visible()
    page.get_by_role("button", name="Noise of 8 px, first: on").click()
    expect(page.get_by_role("button", name="Draw the resampled noise anew")).to_be_visible()
    states = page.evaluate("playground.mix.recipe().noise")
    assert states[:2] == ["none", "none"] and isinstance(states[2], int) and states[3:] == ["none"] * 7
    drawn(page)
    assert not page.locator(".pg-mix-problem").is_visible()


def test_the_margins_are_edited_and_a_cell_is_enlarged(gallery, visitor, tmp_path) -> None:
    page = visitor()
    open_mix(page, gallery.url)
    before = look(cell(page, -1, 1))
    page.get_by_role("button", name="Destination 2: seed 2").click()
    editor = page.get_by_role("dialog", name="Destination 2")
    editor.get_by_label("Seed", exact=True).fill("4321")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Destination 2: seed 4321")).to_be_visible()
    drawn(page)
    assert apart(look(cell(page, -1, 1)), before) > 1
    page.keyboard.press("Escape")
    expect(editor).to_be_hidden()
    page.get_by_role("button", name="New seed for row 1").click()
    expect(page.get_by_role("button", name="Source 1: seed 101.")).to_have_count(0)

    # From one to eight rows.
    more = page.get_by_role("button", name="Add a source (row)")
    for _ in range(4):
        more.click()
    expect(more).to_be_disabled()
    expect(page.locator(".pg-mix-cell")).to_have_count(40)
    for count in range(8, 1, -1):
        page.locator(f"[data-at='{count - 1},-1']").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.locator(".pg-mix-cell")).to_have_count(5 * (count - 1))
    page.locator("[data-at='0,-1']").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Remove")).to_have_count(0)
    page.keyboard.press("Escape")
    more.click()
    drawn(page)

    # The arrows walk over the grid, and the cell that they reach is shown large.
    large = page.get_by_role("img", name=re.compile("^Destination seed"))
    page.locator("[data-at='0,0']").click()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator("[data-at='1,2']")).to_be_focused()
    expect(page.locator("td[aria-selected=true]")).to_have_count(1)
    expect(large).to_have_attribute("aria-label", re.compile("^Destination seed 3 with"))
    page.wait_for_timeout(500)
    assert apart(look(large), look(cell(page, 1, 2))) < 2

    with page.expect_download() as download:
        page.get_by_label("Enlarged cell").get_by_role("button", name="Download PNG").click()
    download.value.save_as(tmp_path / "cell.png")
    assert Image.open(tmp_path / "cell.png").size == (512, 512)

    # A reload keeps all of it; Explore opens the same picture.
    seeds = page.locator(".pg-mix-caption").all_inner_texts()
    page.reload()
    drawn(page)
    assert page.locator(".pg-mix-caption").all_inner_texts() == seeds
    recipe = page.evaluate("playground.mix.recipe()")
    assert recipe["a"]["seed"] == 3 and recipe["layer_t"] == [1] * 4 + [0] * 6
    with page.expect_request(lambda request: sent(request, recipe)):
        page.get_by_label("Enlarged cell").get_by_role("button", name="Open in Explore").click()
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")


def sent(request, recipe: dict) -> bool:
    """Whether a request asks for the picture of a recipe."""
    if not request.url.endswith("/explore/frame"):
        return False
    asked = request.post_data_json["recipe"]
    return all(asked[key] == recipe[key] for key in ("model", "a", "b", "layer_t", "truncation"))


def test_two_pictures_are_mixed_and_the_newest_wins(gallery, visitor) -> None:
    page = visitor()
    open_mix(page, gallery.url)
    page.get_by_role("button", name="Just these two").click()
    a, b = (page.locator(".pg-mix-slot canvas").nth(at) for at in range(2))
    result = page.get_by_role("img", name="The mixed picture")
    expect(a).to_have_attribute("aria-label", "A: seed 1")
    expect(b).to_have_attribute("aria-label", "B: seed 101")
    amount = page.get_by_role("slider", name="All layers at once")
    amount.fill("0")
    page.wait_for_timeout(800)
    assert apart(look(result), look(a)) < 2
    for value in np.linspace(0, 1, 40):  # faster than the server draws
        amount.evaluate("(range, value) => { range.value = value; range.dispatchEvent(new Event('input')); }", value)
    page.wait_for_timeout(1200)
    assert apart(look(result), look(b)) < 2 and shares(page) == [1.0] * 10
    amount.fill("0.5")
    page.wait_for_timeout(800)
    assert apart(look(result), look(a)) > 0.2 and apart(look(result), look(b)) > 0.2
    page.get_by_role("button", name="Swap A and B").click()
    expect(a).to_have_attribute("aria-label", "A: seed 101")


def test_an_own_picture_becomes_a_source_and_a_bad_one_gets_a_sentence(gallery, visitor, tmp_path) -> None:
    pixels = np.kron(np.random.default_rng(0).integers(0, 256, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "patches.png")
    (tmp_path / "notes.png").write_text("This is text, not a picture.")
    page = visitor()
    open_mix(page, gallery.url)

    def choose(path: Path) -> None:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Your picture").click()
        chooser.value.set_files(path)

    choose(tmp_path / "notes.png")
    expect(page.locator(".pg-toast.error")).to_contain_text("picture")
    expect(page.locator(".pg-mix-cell")).to_have_count(20)
    choose(tmp_path / "patches.png")
    expect(page.locator(".pg-mix-cell")).to_have_count(25)
    expect(page.get_by_role("button", name="Source 5: patches.")).to_be_visible(timeout=150 * SECOND)
    drawn(page)
    point = page.evaluate("playground.mix.state.rows[4]")
    assert point["space"] == "w" and len(point["vector"]) > 100 and point["name"] == "patches"
    press(page, "All")
    assert apart(look(cell(page, 4, 0)), look(cell(page, 4, -1))) < 1


@contextmanager
def without_models(folder: Path, aside: Path) -> Iterator[None]:
    """The shipped models put aside for a while."""
    names = [entry.name for entry in folder.iterdir()]
    for name in names:
        shutil.move(folder / name, aside / name)
    try:
        yield
    finally:
        for name in names:
            shutil.move(aside / name, folder / name)


def test_where_nothing_can_be_mixed_a_training_is_offered(gallery, shipped, visitor, tmp_path) -> None:
    with without_models(shipped, tmp_path):
        page = visitor()
        page.goto(gallery.url + "#mix")
        expect(page.locator(".pg-mix .pg-empty")).to_contain_text("No model here can be mixed", timeout=60 * SECOND)
        page.get_by_role("button", name="Train a style-based generator").click()
        expect(page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_label("Preset", exact=True)).to_have_value(re.compile("^Style", re.IGNORECASE))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_grid_scrolls_in_its_own_frame(gallery, visitor, scheme) -> None:
    page = visitor(390, 844, color_scheme=scheme)
    open_mix(page, gallery.url)
    width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert width <= 390, f"the page is {width} pixels wide"
    frame = page.locator(".pg-mix-frame")
    head, first = page.locator("[data-at='0,-1']"), page.locator("[data-at='0,0']")
    before = head.bounding_box()["x"], first.bounding_box()["x"]
    frame.evaluate("frame => { frame.scrollLeft = 90; }")
    assert abs(head.bounding_box()["x"] - before[0]) < 30  # it gives way by its margin, then stays
    assert first.bounding_box()["x"] < before[1] - 80
    head.click()
    box = page.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844


def test_a_model_that_learned_without_noise_offers_none(gallery, visitor) -> None:
    page = visitor()
    open_mix(page, gallery.url)
    noise = page.get_by_role("group", name="Noise in all layers")
    expect(noise).to_be_visible()
    page.get_by_label("Model", exact=True).select_option(label="calm-faces")
    expect(noise).to_be_hidden()
    drawn(page)
    assert look(cell(page, 0, 0)).std() > 0
