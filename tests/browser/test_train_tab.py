"""The main path in a real browser: from a dropped zip to a model that Python and the command line open."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
from PIL import Image
from playwright.sync_api import Page, expect

import playground as pg
from playground.runs import list_runs, read_metrics, read_samples

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
SECOND = 1000
TRAINED_LONG_ENOUGH = 40  # steps
expect.set_options(timeout=20 * SECOND)


def open_train(page: Page, url: str) -> None:
    page.goto(url + "#train")
    expect(page.locator(".pg-live .pg-empty, .pg-live .pg-body").first).to_be_attached(timeout=60 * SECOND)


def state(page: Page):
    return page.locator(".pg-live .pg-badge")


def step_of(page: Page) -> int:
    return int(page.locator("[data-stat=step]").inner_text().split("/")[0].replace(",", ""))


def wait_for_step(page: Page, least: int, timeout: float = 60.0) -> int:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if (step := step_of(page)) >= least:
            return step
        page.wait_for_timeout(200)
    raise AssertionError(f"The run did not reach step {least} within {timeout:g} seconds.")


def set_knob(page: Page, name: str, value: str) -> None:
    field = page.locator(f"#knob-{name} input").first
    field.fill(value)
    field.press("Enter")


def live_knobs(page: Page) -> dict:
    key = page.evaluate("window.playground.run.key")
    return page.request.get(f"{page.url.split('#')[0]}live/{key}").json()["live_knobs"]


def start(page: Page) -> str:
    """Press Start; returns the key of the run that this makes."""
    before = page.evaluate("window.playground.run.key")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_function("before => window.playground.run.wire && window.playground.run.key !== before", arg=before)
    return page.evaluate("window.playground.run.key")


def traces(page: Page, slot: int) -> list[int]:
    """The number of points of each curve in a chart."""
    return page.evaluate(
        f"(document.querySelectorAll('.pg-slot .pg-plot')[{slot}].data || []).map(trace => trace.x.length)"
    )


def test_from_a_dropped_zip_to_a_model_in_python(served, visitor, digits, tmp_path) -> None:
    archive, count, classes = digits
    page = visitor()
    open_train(page, served.url)
    expect(page.locator(".pg-live .pg-empty")).to_be_visible()
    expect(page.get_by_label("Preset", exact=True)).to_have_value(re.compile("^DCGAN"))

    # Pictures: what was understood is said, and shown, before training.
    page.set_input_files("#train-upload input[type=file]", archive)
    preview = page.locator("#train-preview .understood")
    expect(preview).to_contain_text(f"{count:,} pictures in {classes} classes")
    expect(preview.locator("img")).to_have_count(25)
    expect(page.get_by_label("Your pictures")).to_be_checked()
    set_knob(page, "batch_size", "16")
    expect(page.locator("#train-estimate")).to_contain_text("memory", timeout=60 * SECOND)

    # Start: curves and samples stream in.
    key = start(page)
    expect(state(page)).to_have_text("Running", timeout=60 * SECOND)
    page.evaluate("window.scrollTo(0, 0)")
    wait_for_step(page, TRAINED_LONG_ENOUGH)
    page.wait_for_function("document.querySelectorAll('.pg-slot .pg-plot')[1].data?.length >= 2")
    points = traces(page, 0)
    assert len(points) >= 2 and min(points) >= 3
    grid = page.locator(".pg-grid-image")
    page.wait_for_function("document.querySelector('.pg-grid-image').naturalWidth >= 200")
    expect(page.locator(".pg-stats")).to_contain_text("Images/s")
    first_address = grid.get_attribute("src")

    # Pause holds; Step takes exactly one.
    page.get_by_role("button", name="Pause").click()
    expect(state(page)).to_have_text("Paused")
    page.wait_for_timeout(800)
    held = step_of(page)
    page.wait_for_timeout(1200)
    assert step_of(page) == held
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.locator("[data-stat=step]")).to_contain_text(f"{held + 1:,} /")
    assert grid.get_attribute("src") != first_address

    # A live knob arrives in the run; an impossible value is refused in a sentence, where it was typed.
    set_knob(page, "learning_rate_g", "0.0001")
    expect(page.locator("#knob-learning_rate_g .pg-knob-note")).to_have_text("now 0.0001")
    assert live_knobs(page)["learning_rate_g"] == pytest.approx(1e-4)
    set_knob(page, "learning_rate_d", "-3")
    expect(page.locator("#knob-learning_rate_d .pg-knob-note")).to_contain_text("must lie between")
    assert live_knobs(page)["learning_rate_d"] == pytest.approx(2e-4)

    # The history scrubber shows a past grid, and goes back to the newest.
    expect(page.get_by_role("slider", name="Past sample grids")).to_be_enabled()
    page.get_by_role("slider", name="Past sample grids").fill("0")
    expect(grid).to_have_attribute("src", re.compile(r"samples/\d+\.png$"))
    page.get_by_role("button", name="live", exact=True).click()
    expect(grid).to_have_attribute("src", re.compile(r"grid\.jpg"))

    # Reload: the same run, the form as it was. Another browser has none of it.
    page.get_by_role("button", name="Resume").click()
    expect(state(page)).to_have_text("Running")
    page.reload()
    expect(state(page)).to_have_text("Running", timeout=60 * SECOND)
    assert page.evaluate("window.playground.run.key") == key
    expect(page.locator("#knob-learning_rate_g input")).to_have_value("0.0001")
    stranger = visitor()
    open_train(stranger, served.url)
    expect(stranger.locator(".pg-live .pg-empty")).to_be_visible()
    assert stranger.request.get(f"{served.url}live/{key}").status == 404
    assert stranger.request.get(f"{served.url}runs/{key}/samples").status == 404
    assert stranger.request.get(f"{served.url}runs").json()["runs"] == []

    # Stop and save, and use the model at once.
    wait_for_step(page, held + 3)
    page.get_by_role("button", name="Stop").click()
    expect(state(page)).to_have_text("Stopped", timeout=60 * SECOND)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".pg-toast")).to_contain_text("model is saved")
    (run,) = list_runs(served.runs)
    assert run.key == key and run.state == "stopped"
    assert len(read_metrics(run.path)["step"]) >= 3 and len(read_samples(run.path)) >= 2
    pictures = pg.load_model(run.path / "model").sample(4, seed=0)
    assert pictures.shape == (4, 1, 32, 32) and float(pictures.abs().max()) <= 1.0 and float(pictures.std()) > 0.01
    sheet = tmp_path / "sheet.png"
    command = [sys.executable, "-m", "training.sample", str(run.path), "--count", "4", "--out", str(sheet)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert Image.open(sheet).size == (70, 70)  # two by two pictures of 32 with gaps of 2

    # Take away: the time-lapse is a GIF, the model a zip that opens.
    with page.expect_download() as download:
        page.get_by_role("link", name="GIF").click()
    assert Path(download.value.path()).read_bytes()[:6] == b"GIF89a"
    with page.expect_download() as download:
        page.get_by_role("link", name="Model").click()
    taken = tmp_path / download.value.suggested_filename
    download.value.save_as(taken)
    assert (pg.load_model(taken).sample(4, seed=0) == pictures).all()


def test_runs_are_listed_renamed_compared_resumed_and_deleted(served, visitor, digits) -> None:
    page = visitor()
    open_train(page, served.url)
    page.set_input_files("#train-upload input[type=file]", digits[0])
    expect(page.locator("#train-preview .understood")).to_be_visible()
    set_knob(page, "batch_size", "8")
    set_knob(page, "steps", "6")
    for _ in range(2):
        start(page)
        expect(state(page)).to_have_text("Finished", timeout=60 * SECOND)
    page.get_by_role("tab", name="Runs").click()
    rows = page.locator(".pg-run")
    expect(rows).to_have_count(2)

    key = rows.first.get_attribute("data-run")
    rows.first.locator(".pg-run-name").click()
    page.get_by_label("New name of the run").fill("first try")
    page.keyboard.press("Enter")
    expect(page.locator(f"[data-run='{key}'] .pg-run-name")).to_have_text("first try")
    assert next(run.name for run in list_runs(served.runs) if run.key == key) == "first try"

    for row in range(2):
        rows.nth(row).get_by_role("checkbox").check()
    page.wait_for_function(
        "(document.querySelector('.pg-compare .pg-plot').data || []).filter(t => t.showlegend !== false).length === 2"
    )
    page.get_by_label("Metric to compare").select_option("loss_d")
    expect(page.locator(".pg-compare .pg-plot")).to_contain_text("Discriminator loss")
    expect(page.locator(".pg-compare figure")).to_have_count(2)

    page.locator(f"[data-run='{key}']").get_by_role("button", name="Train on").click()
    expect(page.locator("[data-stat=step]")).to_have_text("12 / 12", timeout=60 * SECOND)
    expect(state(page)).to_have_text("Finished", timeout=60 * SECOND)

    set_knob(page, "seed", "5")
    page.get_by_role("tab", name="Runs").click()
    page.locator(f"[data-run='{key}']").get_by_role("button", name="Fine-tune").click()
    expect(page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#knob-seed input")).to_have_value("0")  # the run's own
    tuned = start(page)
    expect(state(page)).to_have_text("Finished", timeout=60 * SECOND)
    assert json.loads((served.runs / tuned / "config.json").read_text())["from_model"] == str(served.runs / key)

    page.get_by_role("tab", name="Runs").click()
    expect(rows).to_have_count(3)
    doomed = page.locator(f"[data-run='{tuned}']")
    doomed.get_by_role("button", name="Delete").click()
    assert (served.runs / tuned).is_dir(), "the first click only asks"
    doomed.get_by_role("button", name="Delete for good?").click()
    expect(rows).to_have_count(2)
    assert not (served.runs / tuned).exists()


BAD_FILES = {
    "not-a-picture.png": (b"This is text, not a picture.", "picture"),
    "broken.zip": (b"PK\x03\x04 and then nothing that makes sense", "zip"),
    "notes.txt": (b"Nothing to see.", "picture"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_upload_gets_a_sentence(served, visitor, tmp_path, name) -> None:
    content, word = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    page = visitor()
    open_train(page, served.url)
    page.set_input_files("#train-upload input[type=file]", tmp_path / name)
    problem = page.locator("#train-preview .problem")
    expect(problem).to_be_visible()
    text = problem.inner_text()
    assert word in text.lower() and "Traceback" not in text and str(tmp_path) not in text
    page.get_by_role("button", name="Start training").click()
    toast = page.get_by_test_id("toast-body")
    failed = page.locator(".pg-live .pg-badge.failed")
    expect(toast.or_(failed).first).to_be_visible(timeout=60 * SECOND)


def test_wrong_settings_get_a_sentence(served, visitor) -> None:
    page = visitor()
    open_train(page, served.url)
    page.locator("#knob-batch_size input").fill("-4")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("batch_size must lie between 2 and 4,096")
    page.locator("#knob-batch_size input").fill("")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_test_id("toast-body").filter(has_text="Batch size is empty")).to_be_visible()
    expect(page.locator(".pg-live .pg-empty")).to_be_visible()


def test_a_preset_fills_the_form_and_the_guide_leads_back(served, visitor) -> None:
    page = visitor()
    page.goto(served.url + "#guide")
    expect(page.locator(".pg-formula .katex").first).to_be_visible(timeout=60 * SECOND)
    page.get_by_label("WGAN-GP").check(force=True)
    expect(page.locator(".pg-guide-page h2").first).to_have_text("WGAN-GP")
    expect(page.locator(".pg-sketch svg")).to_have_count(2)
    expect(page.locator(".block.pg-formula")).to_contain_text("points between real and fake")
    page.get_by_role("button", name="Train this").click()
    expect(page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Preset", exact=True)).to_have_value(re.compile("^WGAN-GP"))
    expect(page.get_by_label("number input for D steps per G step")).to_have_value("5")
    expect(page.locator("#knob-critic_steps")).to_have_class(re.compile("pg-preset"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_phone(served, visitor, scheme) -> None:
    page = visitor(390, 844, color_scheme=scheme)
    for tab in ("home", "train", "runs", "guide"):
        page.goto("about:blank")
        page.goto(f"{served.url}#{tab}")
        expect(page.get_by_role("tab", name=tab.capitalize())).to_have_attribute("aria-selected", "true")
        page.wait_for_timeout(1000)
        width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        assert width <= 390, f"the {tab} tab is {width} pixels wide"
