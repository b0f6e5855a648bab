"""The Lab tab in a real browser: the 2-D lab, its steps and layers, drawings, and the race."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)")
import numpy as np
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
SECOND = 1000
expect.set_options(timeout=60 * SECOND)

# What a canvas shows, as 16 × 16 × 3 numbers.
_LOOK = """canvas => {
  const small = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
  const context = small.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high"; // else it would miss the points
  context.drawImage(canvas, 0, 0, 16, 16);
  return [...context.getImageData(0, 0, 16, 16).data].filter((_, at) => at % 4 < 3);
}"""


# Notes which stage is lit, and what is said of it, whenever that changes.
_NOTE_STAGES = """() => {
  window.named = [];
  const strip = document.querySelector(".pg-lab-arena .pg-lab-stages"), title = strip.querySelector("p");
  new MutationObserver(() => {
    const item = strip.querySelector("[aria-current]");
    if (item && named.at(-1)?.[0] !== item.dataset.stage) named.push([item.dataset.stage, title.textContent]);
  }).observe(strip, { subtree: true, childList: true, attributes: true, characterData: true });
}"""
# The contestant of the race with the smallest median of its last five divergences.
_BEST = """() => {
  const score = (panel) => panel.history.columns.js.slice(-5).sort((a, b) => a - b).at(2);
  return playground.race.panels.toSorted((a, b) => score(a) - score(b))[0].title;
}"""


def look(canvas: Locator) -> np.ndarray:
    """What a canvas shows once everything asked for has been painted."""
    canvas.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return np.array(canvas.evaluate(_LOOK), dtype=float)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of two looks, in grey values of 256."""
    return float(abs(first - second).mean())


def open_lab(page: Page, url: str, view: str = "arena") -> Locator:
    """The view, once it has its first frame."""
    page.goto(f"{url}#lab?view={view}")
    page.wait_for_function(f"window.playground?.{view}?.panels?.[0]?.scene.frame", timeout=120 * SECOND)
    return page.locator(f".pg-lab-{view}")


def plane(view: Locator, at: int = 0) -> Locator:
    return view.locator(".pg-lab-stage > canvas").nth(at)


def steps(page: Page, view: str = "arena") -> list[int]:
    return page.evaluate(f"playground.{view}.panels.map(panel => panel.step)")


def frame(page: Page, name: str) -> np.ndarray:
    return np.array(page.evaluate(f"[...playground.arena.panels[0].scene.frame.{name}]"), dtype=float)


def wait_steps(page: Page, least: int, view: str = "arena") -> None:
    page.wait_for_function(
        "([view, least]) => playground[view].panels.every(panel => panel.step >= least)",
        arg=[view, least], timeout=120 * SECOND,
    )  # fmt: skip


def wait_tick(page: Page, action, view: str = "arena") -> None:
    """Do something, and wait for the frame that follows it."""
    before = page.evaluate(f"playground.{view}.link.seen")
    action()
    page.wait_for_function(f"before => playground.{view}.link.seen > before", arg=before, timeout=60 * SECOND)


def press(page: Page, view: Locator, name: str) -> None:
    view.get_by_role("button", name=name, exact=True).click()


def test_the_game_runs_pauses_and_goes_step_by_step(served, visitor) -> None:
    page = visitor()
    page.goto(served.url)
    page.get_by_role("tab", name="Lab").click()
    page.wait_for_function("window.playground?.arena?.panels?.[0]?.scene.frame", timeout=120 * SECOND)
    view = page.locator(".pg-lab-arena")
    expect(page.locator(".pg-lab-hint")).to_contain_text("Try first: press Run")
    expect(page.get_by_role("navigation", name="Labs").get_by_role("button", name="2-D lab")).to_have_attribute(
        "aria-current", "page"
    )
    assert steps(page) == [0]
    first = look(plane(view))
    press(page, view, "Run")
    wait_steps(page, 30)
    second = look(plane(view))
    assert apart(first, second) > 1
    assert view.locator(".pg-lab-step").inner_text() != "step 0"
    expect(view.locator("figure", has_text="JS divergence").locator("b")).to_have_text(re.compile(r"^0\.\d\d$"))
    expect(view.locator("figure", has_text="Losses").locator("b")).to_have_count(2)
    press(page, view, "Pause")
    expect(view.get_by_role("button", name="Run", exact=True)).to_be_visible()
    page.wait_for_function(
        "async () => { const at = playground.arena.panels[0].step; await new Promise(done => setTimeout(done, 700));"
        " return playground.arena.panels[0].step === at && !playground.arena.running; }"
    )

    # D alone: the fakes stay, its surface changes. G alone: the other way round.
    at, fakes, surface = steps(page)[0], frame(page, "fake"), frame(page, "surface")
    wait_tick(page, lambda: press(page, view, "Step D"))
    assert steps(page) == [at]
    assert np.array_equal(frame(page, "fake"), fakes) and not np.array_equal(frame(page, "surface"), surface)
    surface = frame(page, "surface")
    wait_tick(page, lambda: press(page, view, "Step G"))
    assert steps(page) == [at + 1]
    assert not np.array_equal(frame(page, "fake"), fakes) and np.array_equal(frame(page, "surface"), surface)
    wait_tick(page, lambda: press(page, view, "Step both"))
    assert steps(page) == [at + 2]
    plane(view).focus()
    wait_tick(page, lambda: page.keyboard.press("b"))
    assert steps(page) == [at + 3]
    page.keyboard.press(" ")
    wait_steps(page, at + 6)
    page.keyboard.press(" ")

    # Reset goes back to the same beginning; another seed to another one.
    press(page, view, "Reset")
    page.wait_for_function("playground.arena.panels[0].step === 0 && playground.arena.panels[0].scene.frame")
    begun = frame(page, "fake")
    press(page, view, "New seed")
    page.wait_for_function(
        "first => playground.arena.panels[0].scene.frame && playground.arena.panels[0].scene.frame.fake[0] !== first",
        arg=float(begun[0]),
    )


def test_slow_motion_names_each_stage_in_order(served, visitor) -> None:
    page = visitor()
    view = open_lab(page, served.url)
    page.keyboard.press("s")
    expect(view.get_by_role("button", name="Slow motion")).to_have_attribute("aria-pressed", "true")
    pace = view.get_by_role("slider", name="Per stage")
    pace.focus()
    page.keyboard.press("Home")
    stages = view.get_by_role("list", name="Stages of a step").get_by_role("listitem")
    expect(stages).to_have_count(7)
    page.evaluate(_NOTE_STAGES)
    press(page, view, "Run")
    page.wait_for_function("named.length >= 16", timeout=120 * SECOND)
    press(page, view, "Pause")
    order = [stage["id"] for stage in page.evaluate("playground.arena.facts.stages")]
    named = [name for name, _ in page.evaluate("named")]
    followed = sum(order[(order.index(a) + 1) % 7] == b for a, b in pairwise(named))
    assert set(named) == set(order) and followed >= len(named) - 3, named
    expect(view.locator(".pg-lab-stages p")).to_have_text(re.compile("D|G|fakes|points"))
    press(page, view, "Slow motion")
    expect(stages.first).to_be_hidden()


def test_layers_probe_and_settings_work_while_it_runs(served, visitor) -> None:
    page = visitor()
    view = open_lab(page, served.url)
    press(page, view, "Run")
    wait_steps(page, 25)  # the fakes have spread
    press(page, view, "Pause")
    page.wait_for_timeout(1000)
    layers = view.get_by_role("group", name="Layers")
    for name in ("Real", "Fakes", "D's opinion", "Manifold", "Arrows"):  # each is seen in the picture
        chip = layers.get_by_role("button", name=name)
        before, pressed = look(plane(view)), chip.get_attribute("aria-pressed")
        chip.click()
        expect(chip).to_have_attribute("aria-pressed", "false" if pressed == "true" else "true")
        page.wait_for_timeout(700)
        assert apart(before, look(plane(view))) > 0.05, name
        chip.click()
        page.wait_for_timeout(300)
    layers.get_by_role("button", name="Manifold").click()

    # What D says at a place, by mouse and by keys.
    box = plane(view).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(view.locator(".pg-lab-read")).to_have_text(re.compile(r"x -?0\.0\d\s+y -?0\.0\d\s+D 0\.\d{3}"))
    plane(view).focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(view.locator(".pg-lab-read")).to_have_text(re.compile(r"x 0\.2\d"))

    # Everything changes while it runs, and a reload keeps it.
    press(page, view, "Run")
    wait_steps(page, 5)
    for name in ("spiral", "grid", "blobs", "gaussians"):
        view.locator(f".pg-lab-set[data-name={name}]").click()
        page.wait_for_function("name => playground.arena.facts.data.name === name", arg=name)
        page.wait_for_function("playground.arena.panels[0].step > 0 && playground.arena.running", timeout=60 * SECOND)
        expect(view.locator("figure", has_text="Modes covered")).to_be_visible(visible=name != "spiral")
    settings = view.get_by_role("region", name="Settings")
    settings.get_by_label("Latent size").select_option("1")
    page.wait_for_function("playground.arena.panels[0].scene.frame?.manifold_shape?.[1] === 1")
    at = steps(page)[0]
    settings.get_by_label("Optimiser").select_option("rmsprop")
    settings.get_by_label("Latent distribution").select_option("uniform")
    for name in ("Hidden layers", "Width", "D steps per G step", "Batch size"):
        slider = settings.get_by_role("slider", name=name)
        slider.focus()
        for _ in range(3):
            page.keyboard.press("ArrowLeft" if name == "Width" else "ArrowRight")
    settings.get_by_text("Penalties and stabilisers").click()
    settings.get_by_role("slider", name="R1 γ").focus()
    page.keyboard.press("End")
    settings.get_by_label("Spectral normalisation").check()
    page.wait_for_function(
        "() => { const k = playground.arena.facts.contestants[0].knobs;"
        " return k.optimiser === 'rmsprop' && k.latent === 'uniform' && k.layers >= 4 && k.width < 128"
        " && k.critic_steps === 4 && k.batch_size > 256 && k.r1 === 100 && k.spectral_norm && k.latent_dim === 1; }"
    )
    wait_steps(page, at + 3)
    knobs = page.evaluate("playground.arena.facts.contestants[0].knobs")
    view.get_by_label("Preset").select_option("lsgan")
    expect(view.get_by_label("Preset")).to_have_value("lsgan")
    page.wait_for_function("playground.arena.facts.contestants[0].knobs.optimiser !== 'rmsprop'")
    settings.get_by_label("Optimiser").select_option("sgd")
    page.wait_for_function("playground.arena.facts.contestants[0].knobs.optimiser === 'sgd'")
    page.reload()
    page.wait_for_function("window.playground?.arena?.panels?.[0]?.scene.frame", timeout=120 * SECOND)
    facts = page.evaluate("playground.arena.facts")
    mine = facts["contestants"][0]
    assert facts["data"]["name"] == "gaussians" and mine["preset"] == "lsgan" and mine["knobs"]["optimiser"] == "sgd"
    assert mine["knobs"]["layers"] != knobs["layers"]  # those were of the other preset
    expect(layers.get_by_role("button", name="Manifold")).to_have_attribute("aria-pressed", "true")


def test_a_drawing_becomes_the_data_and_a_bad_one_gets_a_sentence(served, visitor) -> None:
    page = visitor()
    view = open_lab(page, served.url)
    press(page, view, "Draw your own")
    sheet = page.get_by_role("dialog", name="Draw your own distribution")
    use = sheet.get_by_role("button", name="Use this drawing")
    use.click()
    expect(sheet.get_by_role("alert")).to_contain_text("at least 3 points")
    assert page.evaluate("playground.arena.facts.data.name") == "gaussians"
    canvas = sheet.locator("canvas")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 200, steps=12)
    page.mouse.up()
    drawn = int(sheet.locator("output.pg-lab-count").inner_text().split()[0])
    assert drawn > 20
    sheet.get_by_role("button", name="Undo").click()
    expect(sheet.locator("output.pg-lab-count")).to_have_text("0 points")
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", " ", "Shift+ArrowUp", "Shift+ArrowUp", " "):
        page.keyboard.press(key)
    expect(sheet.locator("output.pg-lab-count")).not_to_have_text("0 points")
    sheet.get_by_role("button", name="Erase").click()
    page.keyboard.press(" ")  # the second heap goes
    sheet.get_by_role("button", name="Spray").click()
    page.mouse.move(box["x"] + 60, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 300, steps=12)
    page.mouse.up()
    use.click()
    expect(sheet).to_be_hidden()
    page.wait_for_function("playground.arena.facts.data.name === 'drawing'")
    expect(view.locator(".pg-lab-set[data-name=drawing]")).to_have_attribute("aria-pressed", "true")
    real = np.array(page.evaluate("[...playground.arena.real]")).reshape(-1, 2)
    drawn = np.array(page.evaluate("playground.arena.state.drawing"))
    assert len(real) > 100 and abs(real.mean(0) - drawn.mean(0)).max() < 0.1
    press(page, view, "Run")
    wait_steps(page, 10)
    page.reload()  # the drawing is still there
    page.wait_for_function("window.playground?.arena?.panels?.[0]?.scene.frame", timeout=120 * SECOND)
    assert page.evaluate("playground.arena.facts.data.name") == "drawing"


def test_a_divergence_is_said_and_mended(served, visitor) -> None:
    page = visitor()
    view = open_lab(page, served.url)
    settings = view.get_by_role("region", name="Settings")
    rates = [settings.get_by_role("slider", name=f"{who} learning rate") for who in ("Generator", "Discriminator")]
    for rate in rates:
        rate.focus()
        page.keyboard.press("End")
    expect(rates[0]).to_have_attribute("aria-valuetext", "1")
    press(page, view, "Run")
    problem = view.get_by_role("alert").filter(has_text="Diverged")
    expect(problem).to_be_visible(timeout=120 * SECOND)
    expect(problem).to_contain_text("learning rate")
    for rate in rates:
        rate.focus()
        page.keyboard.press("Home")
    problem.get_by_role("button", name="Reset").click()
    expect(problem).to_be_hidden()
    wait_tick(page, lambda: press(page, view, "Step both"))
    assert page.evaluate("playground.arena.panels[0].state") == "ok"


def test_a_race_is_run_together(served, visitor) -> None:
    page = visitor()
    view = open_lab(page, served.url, "race")
    expect(view.locator(".pg-lab-panel")).to_have_count(3)
    rows = view.locator(".pg-lab-ranking tbody tr")
    press(page, view, "Remove WGAN-GP")
    expect(view.locator(".pg-lab-panel")).to_have_count(2)
    expect(view.get_by_role("button", name="Remove Vanilla GAN")).to_be_disabled()
    looks = [look(plane(view, at)) for at in range(2)]
    press(page, view, "Run")
    wait_steps(page, 15, "race")
    press(page, view, "Pause")
    page.wait_for_timeout(1500)
    first, second = steps(page, "race")
    assert first == second >= 15
    assert all(apart(before, look(plane(view, at))) > 0.5 for at, before in enumerate(looks))
    expect(rows).to_have_count(2)
    expect(view.locator(".pg-lab-ranking em")).to_have_text("ahead")
    expect(rows.first).to_contain_text(page.evaluate(_BEST))
    expect(view.locator("figure", has_text="JS divergence").locator("b")).to_have_count(2)  # a line each

    # One contestant's setting, then everybody's.
    settings = view.get_by_role("region", name="Settings")
    settings.get_by_label("Settings of").select_option("1")
    settings.get_by_label("Latent size").select_option("8")
    page.wait_for_function("playground.race.facts.contestants[1].latent_dim === 8")
    assert page.evaluate("playground.race.facts.contestants[0].latent_dim") == 2
    settings.get_by_label("Settings of").select_option("all")
    settings.get_by_label("Latent size").select_option("4")
    page.wait_for_function("playground.race.facts.contestants.every(one => one.latent_dim === 4)")

    # Up to four; a new one makes all begin again.
    add = view.get_by_role("button", name="Add a contestant")
    for count in (3, 4):
        add.click()
        expect(view.locator(".pg-lab-panel")).to_have_count(count)
    expect(add).to_be_disabled()
    page.wait_for_function("playground.race.panels.every(panel => panel.step === 0 && panel.scene.frame)")
    wait_tick(page, lambda: press(page, view, "Step both"), "race")
    assert steps(page, "race") == [1] * 4
    view.get_by_label("Preset of contestant 2").select_option("hinge-gan")
    page.wait_for_function("playground.race.facts.contestants[1].preset === 'hinge-gan'")


def test_nothing_is_asked_while_the_lab_is_not_seen(served, visitor) -> None:
    page = visitor()
    view = open_lab(page, served.url)
    press(page, view, "Run")
    wait_steps(page, 5)
    asked: list[str] = []
    page.get_by_role("tab", name="Guide").click()
    page.wait_for_timeout(1500)
    page.on("request", lambda request: asked.append(request.url) if "labs/" in request.url else None)
    page.wait_for_timeout(2500)
    assert not asked
    page.get_by_role("tab", name="Lab").click()
    at = steps(page)[0]
    wait_steps(page, at + 5)
    assert any("labs/frame" in url for url in asked)

    # One that the server has closed meanwhile is opened again, with the same settings.
    view.get_by_label("Preset").select_option("hinge-gan")
    page.wait_for_function("playground.arena.facts.contestants[0].preset === 'hinge-gan'")
    lab = page.evaluate("playground.api('labs/close', { lab: playground.arena.link.lab }), playground.arena.link.lab")
    page.wait_for_function("lab => playground.arena.link.lab && playground.arena.link.lab !== lab", arg=lab)
    page.wait_for_function("playground.arena.panels[0].scene.frame")
    assert page.evaluate("playground.arena.facts.contestants[0].preset") == "hinge-gan"
    wait_tick(page, lambda: press(page, view, "Step both"))
    assert steps(page) == [1]
    expect(view.locator(".pg-lab-problem").first).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_all_of_it_fits(served, visitor, scheme) -> None:
    page = visitor(390, 844, color_scheme=scheme, has_touch=True)
    view = open_lab(page, served.url)
    view.get_by_role("button", name="Run", exact=True).tap()
    wait_steps(page, 5)
    assert page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)") <= 390
    view.get_by_role("button", name="Draw your own").tap()
    sheet = page.get_by_role("dialog", name="Draw your own distribution")
    box = sheet.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844
    for x, y in ((60, 60), (90, 120), (150, 90)):
        sheet.locator("canvas").tap(position={"x": x, "y": y})
    sheet.get_by_role("button", name="Use this drawing").tap()
    expect(sheet).to_be_hidden()
    page.wait_for_function("playground.arena.facts.data.name === 'drawing'")
    page.get_by_role("button", name="Race").tap()
    race = page.locator(".pg-lab-race")
    expect(race.locator(".pg-lab-panel")).to_have_count(3)
    race.get_by_role("button", name="Run", exact=True).tap()
    wait_steps(page, 2, "race")
    assert page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)") <= 390
