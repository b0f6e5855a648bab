"""The Translate tab in a real browser: examples, own pictures, the way back, cancelling, and a phone."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from playground.data.base import DataInfo, Side
from playground.families import family_class, initialising
from playground.methods import METHODS, method_settings
from playground.model import Model

pytestmark = pytest.mark.browser
SECOND = 1000
SIZE = 32
expect.set_options(timeout=30 * SECOND)


def untrained(preset: str, width: int, *sides: Side) -> Model:
    settings = method_settings(preset, {"size": SIZE, "width": width, "blocks": 1, "batch_size": 2})
    info = DataInfo("pairs", 3, SIZE, 100, sides=sides, paired=METHODS[preset].sides == "paired")
    with initialising():
        networks = family_class(METHODS[preset].family).sampling_networks(settings, info)
    for network in networks.values():  # not faint, as they begin
        for parameter in network.parameters():
            parameter.requires_grad_(False).mul_(3)
    return Model(preset, settings, info, networks, {"step": 1})


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serving: Callable[[Path], object]) -> str:
    """An app with translators: both ways, from line drawings, and with styles."""
    folder = tmp_path_factory.mktemp("translators")
    untrained("cyclegan", 8, Side("flat", 3, SIZE), Side("ink", 3, SIZE)).save(folder / "flat-ink")
    untrained("pix2pix", 4, Side("line drawing", 1, SIZE), Side("face", 3, SIZE)).save(folder / "edges-to-faces")
    untrained("munit", 4, Side("flat", 3, SIZE), Side("ink", 3, SIZE)).save(folder / "many-styles")
    return serving(folder).url


def open_translate(page: Page, url: str, model: str = "flat-ink") -> None:
    page.goto(url + "#translate")
    expect(page.locator(".pg-tr-card.done").first).to_be_visible(timeout=90 * SECOND)
    if page.get_by_label("Model", exact=True).input_value() != model:
        page.get_by_label("Model", exact=True).select_option(model)
    settled(page)


def settled(page: Page) -> None:
    page.wait_for_function("playground.translate.facts && !playground.translate.busy", timeout=90 * SECOND)


def size_of(image: Locator) -> list[int]:
    """Pixels of a shown picture, once it has come."""
    return image.evaluate("async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight]; }")


def picture(path: Path, height: int, width: int) -> Path:
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_examples_are_there_and_the_way_back_is_shown(url, visitor) -> None:
    page = visitor()
    open_translate(page, url)
    expect(page.locator(".pg-tr-card.done")).to_have_count(4)
    slider = page.get_by_role("slider", name="How much of the picture is shown as it was before")
    before = page.locator(".pg-tr-before")
    assert size_of(before) == size_of(page.locator(".pg-tr-after")) == [SIZE, SIZE]
    box = page.locator(".pg-tr-compare").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 60, steps=5)
    page.mouse.up()
    assert abs(float(slider.input_value()) - 25) < 3
    slider.press("End")
    assert "inset(0px 0%" in before.evaluate("node => getComputedStyle(node).clipPath")

    # The way back of the picture that is looked at is made by itself, and each of it can be compared with.
    for name, kind in (("There and back", "cycle"), ("Where it differs", "error"), ("Left alone?", "identity")):
        view = page.get_by_role("button", name=re.compile(f"^{re.escape(name)}"))
        expect(view).to_be_enabled()
        view.click()
        expect(view).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".pg-tr-after")).to_have_attribute("src", re.compile(f"/{kind}.png$"))
    expect(page.get_by_role("button", name=re.compile("^Where it differs.*On average"))).to_be_visible()

    # The other direction starts from the other side.
    first = page.locator(".pg-tr-example img").first.get_attribute("src")
    page.get_by_role("button", name="ink → flat").click()
    settled(page)
    expect(page.locator(".pg-tr-tag").first).to_have_text("ink")
    assert page.locator(".pg-tr-example img").first.get_attribute("src") != first
    page.get_by_role("button", name="Example 6").click()
    expect(page.locator(".pg-tr-card.done")).to_have_count(5)
    cards = page.get_by_role("listbox", name="Pictures")
    cards.get_by_role("option", selected=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(cards.get_by_role("option", selected=True)).to_have_attribute("aria-label", "Example 4")


def test_own_pictures_bad_ones_fail_alone_and_all_results_come_as_a_zip(url, visitor, tmp_path) -> None:
    (tmp_path / "notes.png").write_text("This is text, not a picture.")
    (tmp_path / "huge.png").write_bytes(bytes(21 << 20))
    files = [picture(tmp_path / "wide.png", 40, 90), tmp_path / "notes.png", tmp_path / "huge.png",
             picture(tmp_path / "tall.png", 70, 30)]  # fmt: skip
    page = visitor()
    open_translate(page, url)
    page.get_by_label("Pictures to translate").set_input_files(files)
    expect(page.locator(".pg-tr-count")).to_have_text("2 of 4 done · 2 failed")
    expect(page.get_by_role("option", name="notes.png: The picture can't be used (not a picture)")).to_be_visible()
    expect(page.get_by_role("option", name="huge.png: This file is too large")).to_be_visible()
    assert size_of(page.locator(".pg-tr-after")) == [90, 40], "the first of them is looked at"
    page.get_by_role("option", name="notes.png").click()
    expect(page.locator(".pg-tr-note.bad")).to_contain_text("not a picture")
    page.get_by_role("option", name="tall.png").click()
    assert size_of(page.locator(".pg-tr-after")) == [30, 70]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PNG").click()
    assert download.value.suggested_filename == "tall-ink.png"
    download.value.save_as(tmp_path / "got.png")
    assert Image.open(tmp_path / "got.png").size == (30, 70)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == ["tall-ink.png", "wide-ink.png"]

    # The same pictures at the model's own size; then from the beginning.
    page.get_by_role("button", name=f"Crop to {SIZE} px").click()
    settled(page)
    page.get_by_role("option", name="wide.png").click()
    assert size_of(page.locator(".pg-tr-before")) == [SIZE, SIZE]
    page.get_by_role("button", name="Clear").click()
    settled(page)
    expect(page.locator(".pg-tr-card.done")).to_have_count(4)
    expect(page.get_by_role("button", name="Clear")).to_be_hidden()


_BRING = """(node, [kind, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "brought.png", { type: "image/png" }));
  const event = kind === "paste" ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
  node.dispatchEvent(event);
}"""


def test_pictures_are_pasted_dropped_or_taken(url, visitor) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 20), (200, 30, 60)).save(buffer, "PNG")
    page = visitor()
    open_translate(page, url, "edges-to-faces")
    page.locator("body").evaluate(_BRING, ["paste", list(buffer.getvalue())])
    expect(page.locator(".pg-tr-note")).to_contain_text(f"{SIZE} × {SIZE} pixels")  # line drawings: the model's own
    page.get_by_role("button", name="Full size").click()
    expect(page.locator(".pg-tr-note")).to_contain_text("50 × 20 pixels")
    expect(page.locator(".pg-tr-note")).to_contain_text("Its edges were taken first.")
    page.locator(".pg-tr-drop").evaluate(_BRING, ["drop", list(buffer.getvalue())])
    expect(page.get_by_role("option", name="brought.png")).to_have_count(2)
    settled(page)
    page.get_by_label("Photos: take their edges first").uncheck()
    settled(page)
    expect(page.locator(".pg-tr-note")).to_have_text(re.compile(r"50 × 20 pixels in [\d.]+ s\.$"))
    address = page.locator(".pg-tr-after").get_attribute("src")
    page.get_by_role("button", name="Another variant").click()
    settled(page)
    assert page.locator(".pg-tr-after").get_attribute("src") != address
    page.get_by_role("button", name="Camera").click()  # none here
    expect(page.locator(".pg-toast.error")).to_contain_text("camera", ignore_case=True)


_PIXELS = """async image => {
  await image.decode();
  const canvas = document.createElement("canvas"), size = [image.naturalWidth, image.naturalHeight];
  [canvas.width, canvas.height] = size;
  canvas.getContext("2d").drawImage(image, 0, 0);
  return [...canvas.getContext("2d").getImageData(0, 0, ...size).data];
}"""


def test_a_style_is_drawn_by_chance_or_taken_from_a_picture(url, visitor, tmp_path) -> None:
    page = visitor()
    open_translate(page, url)
    expect(page.get_by_role("button", name="Style of a picture")).to_be_hidden()
    open_translate(page, url, "many-styles")
    after, chip = page.locator(".pg-tr-after"), page.locator(".pg-tr-style")
    seen = [after.evaluate(_PIXELS)]
    page.get_by_role("button", name="Another style").click()
    settled(page)
    seen.append(after.evaluate(_PIXELS))
    page.get_by_label("Picture whose style is taken").set_input_files(picture(tmp_path / "fire.png", 40, 40))
    expect(chip).to_contain_text("fire.png")
    settled(page)
    seen.append(after.evaluate(_PIXELS))
    assert len({tuple(pixels) for pixels in seen}) == 3, "each style shows"
    page.get_by_role("button", name="Let go of this style").click()
    expect(chip).to_be_hidden()
    settled(page)
    assert after.evaluate(_PIXELS) == seen[1], "back to the one drawn by chance"
    (tmp_path / "bad.png").write_bytes(b"no picture")
    page.get_by_label("Picture whose style is taken").set_input_files(tmp_path / "bad.png")
    expect(page.locator(".pg-toast")).to_be_visible()
    expect(chip).to_be_hidden()


def test_many_pictures_are_cancelled(url, visitor, tmp_path) -> None:
    page = visitor()
    open_translate(page, url)
    files = [picture(tmp_path / f"{number}.png", 1000 + number, 1200) for number in range(8)]
    page.get_by_label("Pictures to translate").set_input_files(files)
    expect(page.locator(".pg-tr-card.done").first).to_be_visible(timeout=120 * SECOND)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".pg-tr-count")).to_contain_text("cancelled")
    settled(page)
    states = [card.get_attribute("class").split()[-1] for card in page.locator(".pg-tr-card").all()]
    assert states[0] == "done" and states[-1] == "cancelled" and set(states) == {"done", "cancelled"}
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    assert size_of(page.locator(".pg-tr-after")) == [1200, 1000]


def test_without_a_translator_a_training_is_offered(gallery, visitor) -> None:
    page = visitor()
    page.goto(gallery.url + "#translate")
    expect(page.locator(".pg-tr .pg-empty")).to_contain_text("No model here translates", timeout=60 * SECOND)
    page.get_by_role("button", name="Train a translator").click()
    expect(page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Preset", exact=True)).to_have_value(re.compile("^pix2pix", re.IGNORECASE))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_all_of_it_fits(url, visitor, tmp_path, scheme) -> None:
    page = visitor(390, 844, color_scheme=scheme)
    open_translate(page, url)
    page.get_by_label("Pictures to translate").set_input_files([picture(tmp_path / "wide.png", 30, 300)])
    expect(page.locator(".pg-tr-note")).to_contain_text("300 × 30 pixels")
    width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert width <= 390, f"the page is {width} pixels wide"
    for name in ("Choose pictures", "Full size", "flat → ink"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 32
