"""The Sketch tab in a real browser: pictures that follow the pen, labels, undo, examples, own pictures, and phones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
SECOND = 1000
SIZE = 32
expect.set_options(timeout=20 * SECOND)


@pytest.fixture(scope="module")
def translators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of shipped translators as small as they may be: of line drawings, label maps and two styles."""
    from playground.data.registry import open_data
    from playground.methods import method_settings
    from playground.model import model_of
    from playground.trainer import Trainer

    folder = tmp_path_factory.mktemp("translators")
    for name, preset, data in (
        ("edges-to-faces", "pix2pix", "faces-edges"),
        ("labels-to-faces", "spade", "faces-labels"),
        ("two-styles", "cyclegan", "faces-styles"),
    ):
        settings = method_settings(preset, {"width": 8, "size": SIZE, "batch_size": 2, "precision": "float32"})
        trainer = Trainer(preset, settings, open_data(data, size=SIZE, max_images=8))
        trainer.run(4)
        model_of(trainer, name=name).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def studio(serving, translators):
    """An app with these translators."""
    return serving(translators)


def settled(page: Page) -> None:
    """Wait until what is drawn has been translated."""
    page.wait_for_function(
        "(({ facts, opening, busy, wanted }) => facts && !opening && !busy && !wanted)(playground.sketch || {})",
        timeout=90 * SECOND,
    )


def open_sketch(page: Page, url: str) -> None:
    page.goto(url + "#sketch")
    expect(page.locator(".pg-sk-canvas")).to_be_visible(timeout=90 * SECOND)
    settled(page)


def drawing(page: Page) -> np.ndarray:
    """What would be sent."""
    return np.array(page.evaluate("[...playground.sketch.board.raw()]"), np.uint8)


def sent(page: Page) -> np.ndarray:
    """What the picture that is shown was made from."""
    return np.array(page.evaluate("[...playground.sketch.result.raw]"), np.uint8)


def result(page: Page) -> list[int]:
    """The bytes of the picture that is shown."""
    return page.evaluate("[...playground.sketch.result.bytes]")


def stroke(page: Page, points: list[tuple[float, float]], steps: int = 8) -> None:
    """Draw through places given as shares of the canvas."""
    box = page.locator(".pg-sk-canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def model(page: Page, name: str) -> None:
    page.get_by_role("group", name="Model").get_by_role("button", name=name).click()
    expect(page.get_by_role("group", name="Model").get_by_role("button", name=name)).to_have_attribute(
        "aria-pressed", "true"
    )
    settled(page)


def test_the_picture_follows_the_pen_and_the_keys_work(studio, visitor) -> None:
    page = visitor()
    open_sketch(page, studio.url)
    assert drawing(page).min() < 100 and np.array_equal(sent(page), drawing(page)), "an example is there and translated"
    expect(page.locator(".pg-sk-output.drawn")).to_be_visible()
    start, first = drawing(page), result(page)

    # While the pen is still down.
    box = page.locator(".pg-sk-canvas").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 60, steps=10)
    page.wait_for_function("old => playground.sketch.result.bytes.join() !== old.join()", arg=first)
    for turn in range(40):  # faster than it is translated
        page.mouse.move(box["x"] + 300 - 5 * turn, box["y"] + 60 + 4 * turn)
    page.mouse.up()
    settled(page)
    drawn = drawing(page)
    assert np.array_equal(sent(page), drawn) and (drawn != start).sum() > 30 and (drawn <= start).all()

    page.keyboard.press("Control+z")
    settled(page)
    assert np.array_equal(drawing(page), start) and result(page) == first
    page.keyboard.press("Control+Shift+Z")
    settled(page)
    assert np.array_equal(drawing(page), drawn)

    # The eraser, and its size.
    page.keyboard.press("e")
    expect(page.get_by_role("button", name="Eraser")).to_have_attribute("aria-pressed", "true")
    size = page.get_by_label("Brush size")
    before = float(size.input_value())
    for _ in range(3):
        page.keyboard.press("]")
    assert float(size.input_value()) == before + 3
    page.keyboard.press("[")
    stroke(page, [(0.1, 0.1), (0.9, 0.1), (0.9, 0.4), (0.1, 0.4)])
    settled(page)
    assert (drawing(page) >= drawn).all() and (drawing(page) != drawn).any()

    # Nothing is asked about an empty canvas.
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "sketch/stroke" in request.url else None)
    page.keyboard.press("x")
    expect(page.get_by_text("Draw something", exact=True)).to_be_visible()
    assert (drawing(page) == 255).all() and not asked
    expect(page.get_by_role("button", name="Another variant")).to_be_disabled()
    page.keyboard.press("b")
    stroke(page, [(0.3, 0.3), (0.7, 0.7)])
    settled(page)
    expect(page.get_by_text("Draw something", exact=True)).to_be_hidden()
    assert asked

    # What was drawn outlives another tab and a reload.
    mine = drawing(page)
    page.get_by_role("tab", name="Home").click()
    page.get_by_role("tab", name="Sketch").click()
    assert np.array_equal(drawing(page), mine)
    page.reload()
    expect(page.locator(".pg-sk-canvas")).to_be_visible(timeout=90 * SECOND)
    settled(page)
    assert np.array_equal(drawing(page), mine) and np.array_equal(sent(page), mine)

    # An empty canvas is nothing to come back to: there is an example again.
    page.get_by_role("button", name="Clear").click()
    page.reload()
    expect(page.locator(".pg-sk-canvas")).to_be_visible(timeout=90 * SECOND)
    settled(page)
    assert (drawing(page) < 255).any()
    expect(page.get_by_text("Draw something", exact=True)).to_be_hidden()


def test_variants_what_looks_real_and_files(studio, visitor, tmp_path) -> None:
    page = visitor()
    open_sketch(page, studio.url)
    first, start = result(page), drawing(page)
    page.get_by_role("button", name="Another variant").click()
    settled(page)
    assert result(page) != first and np.array_equal(drawing(page), start)
    page.get_by_role("button", name="What looks real").click()
    settled(page)
    expect(page.locator(".pg-sk-overlay")).to_be_visible()
    expect(page.locator(".pg-sk-legend")).to_contain_text(re.compile(r"\d+ % on average"))
    page.get_by_role("button", name="What looks real").click()
    expect(page.locator(".pg-sk-overlay")).to_be_hidden()

    page.get_by_role("button", name="Random example").click()
    page.wait_for_function("old => playground.sketch.board.raw().join() !== old.join()", arg=start.tolist())
    settled(page)
    stroke(page, [(0.2, 0.2), (0.8, 0.3)])
    settled(page)

    for name, size in (("Drawing", (SIZE, SIZE)), ("Result", (SIZE, SIZE)), ("Side by side", (1024, 512))):
        with page.expect_download() as download:
            page.get_by_role("group", name="Save as PNG").get_by_role("button", name=name, exact=True).click()
        download.value.save_as(tmp_path / "one.png")
        with Image.open(tmp_path / "one.png") as picture:
            assert picture.size == size
            if name == "Drawing":
                assert np.array_equal(np.asarray(picture.convert("L")).ravel(), drawing(page))
    with page.expect_download() as download:
        page.get_by_role("group", name="Time-lapse").get_by_role("button", name="GIF").click()
    download.value.save_as(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.size == (512, 256) and film.n_frames >= 2

    # A picture of one's own: its edges; to trace, it stays here.
    pixels = np.full((60, 60, 3), 230, np.uint8)
    pixels[20:40, 15:45] = (30, 60, 160)
    Image.fromarray(pixels).save(tmp_path / "box.png")
    (tmp_path / "notes.png").write_text("This is text, not a picture.")

    def choose(button: str, path: Path) -> None:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=button).click()
        chooser.value.set_files(path)

    before = drawing(page)
    choose("Load a picture", tmp_path / "notes.png")
    expect(page.locator(".pg-toast.error").last).to_contain_text("picture")
    assert np.array_equal(drawing(page), before)
    with page.expect_response(lambda answer: "sketch/picture" in answer.url):
        choose("Load a picture", tmp_path / "box.png")
    page.wait_for_function("old => playground.sketch.board.raw().join() !== old.join()", arg=before.tolist())
    settled(page)
    lines = drawing(page).reshape(SIZE, SIZE)
    assert lines[16, 16] > 200 and lines[0, 0] > 200 and lines[8:14].min() < 120
    with page.expect_response(lambda answer: "detector=canny" in answer.url):
        page.get_by_label("How edges are found").select_option("canny")
    settled(page)
    assert set(drawing(page)) == {0, 255}

    posted = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    choose("Trace", tmp_path / "box.png")
    expect(page.locator(".pg-sk-under")).to_be_visible()
    page.get_by_role("button", name="Stop tracing").click()
    expect(page.locator(".pg-sk-under")).to_be_hidden()
    choose("Trace", tmp_path / "notes.png")
    expect(page.locator(".pg-toast.error").last).to_contain_text("can't be shown")
    assert not posted, "a picture to trace is not sent"


def test_labels_are_painted_and_filled(studio, visitor) -> None:
    page = visitor()
    open_sketch(page, studio.url)
    expect(page.get_by_role("group", name="Label")).to_be_hidden()
    expect(page.get_by_role("button", name="Fill an area")).to_be_hidden()
    model(page, "labels-to-faces")
    labels = page.get_by_role("group", name="Label")
    names = labels.get_by_role("button").all_inner_texts()
    assert names[:4] == ["background", "skin", "neck", "hair"] and len(names) == 13
    start = drawing(page)
    assert len(set(start)) > 3 and start.max() < 13, "an example is there"
    expect(page.get_by_role("button", name="Another variant")).to_be_hidden()

    hat, mouth = names.index("hat"), names.index("mouth")
    labels.get_by_role("button", name="hat", exact=True).click()
    stroke(page, [(0.1, 0.1), (0.9, 0.1)])
    settled(page)
    drawn = drawing(page).reshape(SIZE, SIZE)
    assert (drawn[3, 4:28] == hat).all() and set(drawn.ravel()) <= set(range(13)), "no colours in between"
    assert np.array_equal(sent(page), drawn.ravel())
    page.keyboard.press("f")
    labels.get_by_role("button", name="mouth", exact=True).click()
    stroke(page, [(0.5, 0.1)])
    settled(page)
    filled = drawing(page).reshape(SIZE, SIZE)
    assert (filled[drawn != filled] == mouth).all() and (filled[3, 4:28] == mouth).all() and hat not in filled[3]
    page.keyboard.press("e")
    stroke(page, [(0.1, 0.1), (0.9, 0.1)])
    settled(page)
    assert (drawing(page).reshape(SIZE, SIZE)[3, 4:28] == 0).all()
    for _ in range(3):
        page.keyboard.press("Control+z")
    settled(page)
    assert np.array_equal(drawing(page), start)

    # Colours for a translator of pictures, in both directions.
    model(page, "two-styles")
    page.get_by_role("button", name="Colour #c8421b").click()
    page.keyboard.press("]")
    stroke(page, [(0.5, 0.5), (0.6, 0.5)])
    settled(page)
    painted = drawing(page).reshape(SIZE, SIZE, 3)[16, 17].astype(int)
    assert abs(painted - [0xC8, 0x42, 0x1B]).max() < 24
    there = result(page)
    page.get_by_role("group", name="Direction").get_by_role("button", name="ink → flat").click()
    page.wait_for_function("old => playground.sketch.result?.bytes.join() !== old.join()", arg=there)
    expect(page.locator(".pg-mix-problem:visible")).to_have_count(0)


_PEN = """([x, y, pressure]) => {
  const canvas = document.querySelector(".pg-sk-canvas"), box = canvas.getBoundingClientRect();
  const pen = { bubbles: true, pointerId: 7, pointerType: "pen", isPrimary: true, button: 0, buttons: 1, pressure };
  const at = (share) => ({ ...pen,
    clientX: box.left + (x + share) * box.width, clientY: box.top + y * box.height });
  canvas.dispatchEvent(new PointerEvent("pointerdown", at(0)));
  canvas.dispatchEvent(new PointerEvent("pointermove", at(0.4)));
  canvas.dispatchEvent(new PointerEvent("pointerup", at(0.4)));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_fingers_and_pens_draw(studio, visitor, scheme) -> None:
    page = visitor(390, 844, color_scheme=scheme, has_touch=True)
    open_sketch(page, studio.url)
    width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert width <= 390, f"the page is {width} pixels wide"
    canvas = page.locator(".pg-sk-canvas")
    above, below = canvas.bounding_box(), page.locator(".pg-sk-stage").bounding_box()
    assert below["y"] > above["y"] + above["height"] and below["y"] + below["height"] - above["y"] < 844
    for tool in page.locator(".pg-sk-tool:visible").all():
        box = tool.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Draw something", exact=True)).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    settled(page)
    assert drawing(page).reshape(SIZE, SIZE)[16, 16] < 240
    page.evaluate("playground.sketch.board.sizes.pen = 4")
    for y, pressure in ((0.2, 0.2), (0.8, 1.0)):
        page.evaluate(_PEN, [0.3, y, pressure])
    settled(page)
    ink = (drawing(page).reshape(SIZE, SIZE) < 128).sum(0)
    assert ink[16] > 4
    rows = drawing(page).reshape(SIZE, SIZE)[:, 16] < 128
    assert rows[:12].sum() < rows[20:].sum(), "more pressure draws a wider line"


def test_where_there_is_no_translator_a_training_is_offered(gallery, visitor) -> None:
    page = visitor()
    page.goto(gallery.url + "#sketch")
    expect(page.locator(".pg-draw .pg-empty")).to_contain_text("No model here can turn a drawing", timeout=90 * SECOND)
    page.get_by_role("button", name="Train a translator").click()
    expect(page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Preset", exact=True)).to_have_value(re.compile("pix2pix", re.IGNORECASE))
    expect(page.locator("#train-data label").first).to_have_text("Faces from line drawings")
