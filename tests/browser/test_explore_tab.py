"""The Explore tab in a real browser: what a person clicks and drags is what the model draws, and can be undone."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from playground.data.base import ImageStore, to_uint8
from playground.export import zip_folder
from playground.latent.recipe import parse, render, resolve
from playground.latent.space import LatentSpace
from playground.methods import method_settings
from playground.model import Model, load_model, model_of
from playground.trainer import Trainer

pytestmark = pytest.mark.browser
SECOND = 1000
TINY = {"width": 4, "batch_size": 4, "latent_dim": 6, "size": 16, "steps": 100}
STYLED, CODED, READER = "tiny-style", "tiny-codes", "faces-attributes"
APP = "window.playground.explore.app"
expect.set_options(timeout=20 * SECOND)


def tiny_model(store: ImageStore, preset: str, data: str, **knobs: Any) -> Model:
    """A model after two steps; a style-based one as grown as in the end, with styles that tell its samples apart."""
    trainer = Trainer(preset, method_settings(preset, {**TINY, **knobs}), store)
    trainer.run(2)
    model = model_of(trainer, name=preset)
    model.info = replace(model.info, name=data)
    if preset == "stylegan":
        network = model.modules["G"].network
        network.set_growth(len(network.resolutions) - 1, 1.0)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
            z = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
            network.w_mean.copy_(network.mapping(z).mean(0))
    return model


@pytest.fixture(scope="module")
def models(store: ImageStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is shipped here: a style-based model, one with classes and codes, and a classifier that reads the first."""
    folder = tmp_path_factory.mktemp("pretrained")
    tiny_model(store, "stylegan", "faces").save(folder / STYLED)
    tiny_model(store, "cgan", "letters", code_categories=3, code_continuous=1).save(folder / CODED)
    tiny_model(store, "attribute-classifier", "faces").save(folder / READER)
    return folder


@pytest.fixture(scope="module")
def explored(models: Path, serving: Callable[[Path], Any]) -> Any:
    """An app with these models."""
    return serving(models)


def open_explore(page: Page, url: str, address: str = "#explore") -> None:
    page.goto("about:blank")
    page.goto(url + address)
    expect(page.locator(".pgx-picture.drawn")).to_be_visible(timeout=60 * SECOND)


def recipe(page: Page) -> dict[str, Any]:
    return page.evaluate(f"{APP}.recipe")


def settled(page: Page) -> str:
    """The large picture as the canvas shows it, once none is on its way."""
    page.wait_for_function("window.playground.frames.pending === 0")
    return page.evaluate("document.querySelector('.pgx-picture').toDataURL()")


def panel(page: Page, name: str) -> Locator:
    """A panel, opened."""
    node = page.locator(f"[data-panel={name}]")
    if node.get_attribute("open") is None:
        node.locator("> summary").click()
    return node


def changed(page: Page, before: str) -> str:
    """The large picture when it has become another one."""
    page.wait_for_function("old => document.querySelector('.pgx-picture').toDataURL() !== old", arg=before)
    return settled(page)


def export(page: Page, kind: str) -> bytes:
    page.locator(".pgx-export").evaluate("node => { node.open = true; }")
    with page.expect_download() as download:
        page.locator(f".pgx-export [data-kind={kind}]").click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    return Path(download.value.path()).read_bytes()


def test_seeds_are_blended_undone_kept_and_linked_and_python_draws_the_same(explored, visitor, models) -> None:
    page = visitor()
    open_explore(page, explored.url)
    expect(page.locator(f"[data-model='{STYLED}']")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f"[data-model='{READER}']")).to_have_count(0)
    first = settled(page)

    # A click in the gallery sets A, Shift-click sets B, the slider goes between them.
    page.get_by_role("button", name="Seed 3", exact=True).click()
    second = changed(page, first)
    page.get_by_role("button", name="Seed 9", exact=True).click(modifiers=["Shift"])
    assert (recipe(page)["a"]["seed"], recipe(page)["b"]["seed"]) == (3, 9)
    blend = page.get_by_role("slider", name="Blend")
    expect(blend).to_be_enabled()
    blend.fill("0.25")
    expect(page.locator(".pgx-caption")).to_have_text("Seed 3 to seed 9, 25 %")
    blended = changed(page, second)

    # Undo leads back to the beginning, redo forward again, each to the same pixels.
    page.locator("body").press("Control+z")
    expect(page.locator(".pgx-caption")).not_to_contain_text("25 %")
    for _ in range(2):
        page.get_by_role("button", name="Undo (Ctrl+Z)").click()
    expect(page.get_by_role("button", name="Undo (Ctrl+Z)")).to_be_disabled()
    expect(page.locator(".pgx-caption")).to_have_text("Seed 0")
    assert changed(page, blended) == first
    for _ in range(3):
        page.locator("body").press("Control+Shift+z")
    expect(page.locator(".pgx-caption")).to_have_text("Seed 3 to seed 9, 25 %")
    assert changed(page, first) == blended

    # A drag is one step back, however long it is.
    depth = page.evaluate(f"{APP}.history.past.length")
    box = blend.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in np.linspace(0.3, 0.8, 12):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert recipe(page)["t"] == pytest.approx(0.8, abs=0.03)
    assert page.evaluate(f"{APP}.history.past.length") == depth + 1
    page.locator("body").press("Control+z")
    assert recipe(page)["t"] == 0.25
    page.wait_for_function("old => document.querySelector('.pgx-picture').toDataURL() === old", arg=blended)

    # What is exported is what Python draws of the recipe.
    page.locator(".pgx-export").evaluate("node => { node.open = true; }")
    page.get_by_label("Size of the exported picture").select_option("0")
    page.get_by_label("Length of the animation").select_option("2")
    space = LatentSpace(load_model(models / STYLED))
    wanted = parse(json.loads(export(page, "json")), space)
    assert (wanted.a.seed, wanted.b.seed, wanted.t) == (3, 9, 0.25)
    shown = np.asarray(Image.open(io.BytesIO(export(page, "png"))))
    np.testing.assert_array_equal(shown, to_uint8(render(space, wanted)[None])[0].squeeze())
    latent = np.load(io.BytesIO(export(page, "npy")))
    np.testing.assert_allclose(latent, resolve(space, wanted).latent.numpy(), atol=1e-6)
    assert export(page, "gif")[:6] == b"GIF89a"

    # Both a reload and a link draw it again.
    page.locator(".pgx-export [data-kind=link]").click()
    expect(page.locator(".pgx-link")).to_have_value(re.compile("#explore\\?r="))
    link = page.locator(".pgx-link").input_value()
    page.reload()
    expect(page.locator(".pgx-caption")).to_have_text("Seed 3 to seed 9, 25 %", timeout=60 * SECOND)
    assert settled(page) == blended
    page.get_by_role("button", name="Undo (Ctrl+Z)").click()
    expect(page.locator(".pgx-caption")).not_to_contain_text("25 %")
    stranger = visitor()
    open_explore(stranger, explored.url, "#" + link.split("#")[1])
    expect(stranger.locator(".pgx-caption")).to_have_text("Seed 3 to seed 9, 25 %")
    assert settled(stranger) == blended
    assert stranger.url.endswith("#explore")


def test_sliders_steering_and_teaching_change_the_picture(explored, visitor) -> None:
    page = visitor()
    open_explore(page, explored.url)
    change = panel(page, "change")
    start = settled(page)

    # A direction of the classifier, then one found without it; what it changes besides is said.
    row = change.locator("[data-direction='brightness']")
    row.get_by_label("Brightness, strength").fill("4")
    moved = changed(page, start)
    expect(row.locator(".pgx-leaks")).to_be_visible()
    row.get_by_role("button", name="Layers of Brightness").click()
    row.get_by_role("button", name="coarse").click()
    assert recipe(page)["edits"][0]["layers"] == [0, 3]
    changed(page, moved)
    change.get_by_role("button", name="strongest").click()
    change.get_by_label("PCA 1, strength").fill("-3")
    expect(change.get_by_role("heading", name="Also in effect")).to_be_visible()  # the first slider stays at hand
    assert [edit["strength"] for edit in recipe(page)["edits"]] == [4, -3]

    # Held down, the button shows the picture before; let go, the changes are back.
    with_changes = settled(page)
    compare = page.get_by_role("button", name="Hold to see it before your changes")
    compare.hover()
    page.mouse.down()
    expect(page.locator(".pgx-badge")).to_have_text("before")
    assert changed(page, with_changes) == start
    page.mouse.up()
    assert changed(page, start) == with_changes
    change.get_by_role("button", name="All to zero").click()
    assert changed(page, with_changes) == start

    # Steering: a path with its readings, which can be walked back to where it began.
    steer = panel(page, "steer")
    steer.get_by_role("button", name="Brightness: left alone").first.click()
    expect(steer.get_by_role("button", name="Brightness: wanted")).to_be_visible()
    steer.get_by_role("button", name="Steer", exact=True).click()
    way = steer.get_by_role("slider", name="Along the way")
    expect(way).to_be_visible()
    expect(page.locator(".pgx-caption")).to_have_text("Steered: + brightness")
    steered = changed(page, start)
    way.fill("0")
    assert changed(page, steered) == start

    # Teaching: thumbs make a slider.
    teach = panel(page, "teach")
    expect(teach.get_by_role("button", name="Make the slider")).to_be_disabled()
    teach.get_by_role("button", name="Show me 20").click()
    for at in range(1, 4):
        teach.get_by_role("button", name=f"Has it, sample {at}", exact=True).click()
        teach.get_by_role("button", name=f"Has it not, sample {at + 5}", exact=True).click()
    expect(teach.get_by_text("3 up, 3 down")).to_be_visible()
    teach.get_by_label("Name of the direction").fill("charm")
    teach.get_by_role("button", name="Make the slider").click()
    change.get_by_label("Charm, strength").fill("5")
    changed(page, start)
    assert recipe(page)["edits"][0]["name"].endswith("charm")


def test_classes_codes_and_the_map(explored, visitor) -> None:
    page = visitor()
    open_explore(page, explored.url)
    page.locator(f"[data-model='{CODED}']").click()
    classes = page.get_by_role("group", name="Class of A")
    before = settled(page)
    classes.get_by_role("button", name="stripes").click()
    assert recipe(page)["a"]["label"] == 2
    before = changed(page, before)
    page.get_by_text("Codes of A").click()
    page.get_by_role("slider", name="Code 1").fill("1.5")
    codes = recipe(page)["a"]["codes"]
    assert len(codes) == 4 and codes[3] == 1.5 and sum(codes[:3]) == 1
    changed(page, before)
    expect(page.get_by_role("group", name="Noise")).to_have_count(0)  # for style-based models

    board = panel(page, "map")
    canvas = board.locator(".pgx-map")
    page.wait_for_function("document.querySelectorAll('[data-panel=map] .pgx-legend span').length === 3")
    canvas.focus()
    canvas.press("ArrowRight")
    canvas.press("ArrowRight")
    expect(board.get_by_role("status")).to_contain_text("Seed")
    canvas.press("Enter")
    seed = recipe(page)["a"]["seed"]
    expect(board.get_by_role("status")).to_have_text(f"Seed {seed} is A.")
    page.locator("body").press("Control+z")
    assert recipe(page)["a"]["codes"] == codes


def test_a_picture_of_ones_own_is_found(explored, visitor, models, tmp_path) -> None:
    picture = load_model(models / STYLED).sample(1, seed=5)
    Image.fromarray(to_uint8(picture)[0].squeeze()).resize((64, 64)).save(tmp_path / "mine.png")
    (tmp_path / "not-a-picture.png").write_text("This is text.")
    page = visitor()
    open_explore(page, explored.url)
    mine = panel(page, "picture")
    mine.get_by_label("Your picture").set_input_files(tmp_path / "not-a-picture.png")
    expect(mine.get_by_role("alert")).to_contain_text("picture")

    before = settled(page)
    mine.get_by_role("button", name="quick").click()
    mine.get_by_label("Your picture").set_input_files(tmp_path / "mine.png")
    expect(mine.locator(".pgx-numbers")).to_contain_text("Found", timeout=60 * SECOND)
    expect(mine.get_by_role("alert")).to_have_count(0)
    near = float(re.search(r"PSNR ([\d.]+) dB", mine.locator(".pgx-numbers").inner_text())[1])
    assert near > 15, "a picture that the model drew itself is found again, nearly"
    mine.get_by_role("button", name="Use as A").click()
    expect(page.locator(".pgx-caption")).to_have_text("Your picture")
    changed(page, before)
    assert recipe(page)["a"]["space"] == "w"
    expect(page.get_by_role("button", name="z", exact=True)).to_be_disabled()  # a found style has no noise z


def test_with_nothing_shipped_a_model_file_opens_and_a_training_is_followed(
    serving, visitor, models, digits, tmp_path
) -> None:
    (tmp_path / "nothing").mkdir()
    app = serving(tmp_path / "nothing")
    page = visitor()
    page.goto(app.url + "#explore")
    expect(page.get_by_role("heading", name="There is no model to explore yet")).to_be_visible(timeout=60 * SECOND)
    zip_folder(models / STYLED, tmp_path / "taken.zip")
    page.get_by_label("Model file").set_input_files(tmp_path / "taken.zip")
    expect(page.locator(".pgx-picture.drawn")).to_be_visible()
    expect(page.locator(".pgx-model")).to_contain_text("taken")

    # A training opens while it learns, and its picture follows it.
    page.get_by_role("tab", name="Train").click()
    page.set_input_files("#train-upload input[type=file]", digits[0])
    expect(page.locator("#train-preview .understood")).to_be_visible()
    field = page.locator("#knob-batch_size input").first
    field.fill("8")
    field.press("Enter")
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".pg-live .pg-badge")).to_have_text("Running", timeout=60 * SECOND)
    key = page.evaluate("window.playground.run.key")
    page.wait_for_function("window.playground.run.wire.step > 4")
    page.evaluate("key => window.playground.explore.open({ model: key })", key)
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    expect(page.locator(f"[data-model='{key}'] .pgx-live")).to_contain_text("learning now, step")
    page.wait_for_function(f"{APP}.recipe.model === '{key}' && {APP}.step > 0")
    step, shown = page.evaluate(f"{APP}.step"), page.evaluate("document.querySelector('.pgx-picture').toDataURL()")
    page.wait_for_function(f"step => {APP}.step > step", arg=step)
    page.wait_for_function("old => document.querySelector('.pgx-picture').toDataURL() !== old", arg=shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_picture_stays_in_sight(explored, visitor, scheme) -> None:
    page = visitor(390, 844, color_scheme=scheme)
    open_explore(page, explored.url)
    slider = page.get_by_label("Brightness, strength")
    expect(slider).to_be_attached()
    slider.scroll_into_view_if_needed()
    box = page.locator(".pgx-frame").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] < 400
    assert slider.bounding_box()["y"] > box["y"] + box["height"], "the picture must not lie over the slider"
    assert page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)") <= 390
    ink, paper = page.locator(".pgx-caption").evaluate(
        "node => [node, document.body].map((one, at) => getComputedStyle(one)[at ? 'backgroundColor' : 'color'])"
    )
    assert contrast(ink, paper) >= 4.5


def contrast(one: str, other: str) -> float:
    """The contrast of two CSS colours (WCAG 2)."""

    def luminance(colour: str) -> float:
        red, green, blue = (int(number) / 255 for number in re.findall(r"\d+", colour)[:3])
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_buttons_under_the_picture_keep_to_its_width(explored, visitor) -> None:
    page = visitor(1400, 900)
    open_explore(page, explored.url)
    for width, height in ((1400, 900), (1920, 1080), (1280, 700), (1000, 800), (820, 1100)):
        page.set_viewport_size({"width": width, "height": height})
        frame = page.locator(".pgx-frame").bounding_box()
        for button in page.locator(".pgx-toolbar button:visible, .pgx-toolbar summary:visible").all():
            box = button.bounding_box()
            assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1, f"{width} × {height}"
