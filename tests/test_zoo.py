"""The shipped models' table and command: recipes are whole, a run becomes a model with its card and manifest row."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from PIL import Image

import playground as pg
from playground.data import faces
from playground.data.base import ImageStore, label_numbers
from playground.data.images import load_images
from playground.data.portrait import FACTORS
from playground.errors import UsageError
from playground.knobs import KNOBS
from playground.latent.encoder import FILE, load_encoder
from playground.methods import find_method, method_settings
from playground.model import list_shipped, load_model
from playground.pixels import psnr
from training.zoo import stores
from training.zoo.__main__ import main
from training.zoo.install import changed_knobs, install, manifest
from training.zoo.measure import mean_iou, measure, measure_translator, unseen, unseen_pairs
from training.zoo.recipes import EMOJI, FACES, FACES_AND_EMOJI, FACES_REDRAWN, MNIST, RECIPES, Recipe, find_recipe

PROMISED = {
    "faces-style", "digits-cgan", "emoji-style", "faces-attributes", "faces-attributes-judge", "digits-judge",
    "features-v1", "edges-to-faces", "labels-to-faces", "faces-segmentation", "faces-upscale", "emoji-noto-fx",
    "edges-to-emoji",
}  # fmt: skip
TINY = {"width": 4, "size": 16, "steps": 3, "batch_size": 4, "precision": "float32"}


def tiny(recipe: Recipe, **knobs: Any) -> Recipe:
    """The same recipe, done in a moment."""
    return replace(recipe, knobs=MappingProxyType({**recipe.knobs, **TINY, **knobs}))


@pytest.fixture
def one(monkeypatch) -> Recipe:
    """The table with one recipe in it: a small classifier of small digits."""
    recipe = tiny(RECIPES["digits-judge"], held_out=0.2)
    monkeypatch.setattr("training.zoo.__main__.RECIPES", {recipe.name: recipe})
    monkeypatch.setattr("training.zoo.recipes.RECIPES", {recipe.name: recipe})
    return recipe


def command(tmp_path: Path, pictures: Path, *more: str) -> list[str]:
    shared = ["--out", str(tmp_path / "runs"), "--shelf", str(tmp_path / "shelf"), "--device", "cpu"]
    return ["digits-judge", "--mnist", str(pictures), *shared, *more]


# --- the table


def test_all_promised_models_have_a_recipe():
    assert set(RECIPES) == PROMISED


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_a_recipe_says_what_it_is(recipe: Recipe):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", recipe.name) and recipe.title and recipe.about.endswith(".")
    assert recipe.source.licence and recipe.source.title
    assert set(recipe.first) <= set(KNOBS) and (not recipe.first or recipe.first["steps"] > 0)
    assert {"size", "steps", "batch_size", "seed"} <= set(recipe.knobs), "what a run costs and repeats by is stated"
    assert recipe.settings.items() >= recipe.knobs.items() and set(recipe.settings) == set(KNOBS)
    assert recipe.kind == find_method(recipe.preset).kind
    assert recipe.source.registered or recipe.source.flag
    if recipe.serves:
        assert recipe.kind == "classifier"


def test_the_judges_share_neither_pictures_nor_build_with_whom_they_judge():
    guide, judge = RECIPES["faces-attributes"], RECIPES["faces-attributes-judge"]
    assert guide.settings.seed != judge.settings.seed and guide.settings.width != judge.settings.width
    seeds = [r.settings.seed for r in RECIPES.values() if r.source in (FACES, FACES_REDRAWN)]
    assert len(set(seeds)) == len(seeds)
    assert "Apache" in EMOJI.licence and "Google" in EMOJI.licence and "Apache" in FACES_AND_EMOJI.licence
    assert RECIPES["digits-judge"].source is MNIST and RECIPES["digits-judge"].settings.held_out == 0.2


def test_names_that_are_not_there():
    with pytest.raises(UsageError, match="Did you mean 'digits-judge'"):
        find_recipe("digit-judge")


# --- pictures put together by a recipe


def test_faces_and_emoji_are_one_data_set(pictures: Path, monkeypatch):
    monkeypatch.setattr(stores, "FACE_COUNT", 20)
    knobs = method_settings("attribute-classifier", {"size": 32, "seed": 5})
    store = stores.faces_and_emoji(knobs, pictures)
    assert len(store) == 20 + 48 and store.info.size == 32 and store.info.channels == 3
    assert store.info.classes == (*faces.CLASSES, "emoji: discs", "emoji: squares", "emoji: stripes")
    assert store.labels[:20].max() < 10 and torch.equal(store.labels[20:].unique(), torch.tensor([10, 11, 12]))
    assert torch.isfinite(store.attributes[:20]).all() and torch.isnan(store.attributes[20:]).all()
    again = stores.faces_and_emoji(knobs, pictures)
    assert torch.equal(store.pixels, again.pixels)
    other = stores.faces_and_emoji(method_settings("attribute-classifier", {"size": 32, "seed": 6}), pictures)
    assert not torch.equal(store.pixels[:20], other.pixels[:20]) and torch.equal(store.pixels[20:], other.pixels[20:])


def test_every_second_face_is_redrawn_and_keeps_its_answer():
    knobs = method_settings("attribute-classifier", {"size": 64, "seed": 5, "max_images": 32})
    store = stores.faces_and_redrawn(knobs)
    assert store.info.name == "faces" and len(store) == 32 and store.info.attributes == faces.ATTRIBUTES
    batch, plain = (s.take(torch.arange(32)) for s in (store, faces.load(64, seed=5, count=32)))
    assert torch.equal(batch.labels, plain.labels) and torch.equal(batch.attributes, plain.attributes)
    apart = psnr(batch.images, plain.images)
    assert torch.isinf(apart[::2]).all(), "these are the data set's own"
    assert 15 < apart[1::2].mean() < 35, "and these a generator's, of the same faces"
    other = psnr(batch.images[1::2], plain.images[1::2].roll(1, 0))
    assert (apart[1::2] > other).all()
    with pytest.raises(UsageError, match="64 pixels, not 32"):
        stores.faces_and_redrawn(method_settings("attribute-classifier", {"size": 32, "max_images": 32}))


def test_factor_columns_hold_every_factor():
    factors = faces.sample_factors(50, torch.Generator().manual_seed(0))
    columns, names = stores.factor_columns(factors), stores.factor_names()
    assert columns.shape == (50, len(names)) and columns.min() >= 0 and columns.max() <= 1
    for name, factor in FACTORS.items():
        at = [i for i, column in enumerate(names) if column == name or column.startswith(f"{name}: ")]
        if factor.categorical:
            assert torch.equal(columns[:, at].argmax(1), factors[name]) and torch.equal(
                columns[:, at].sum(1), torch.ones(50)
            )
        else:
            low, high = factor.values
            torch.testing.assert_close(columns[:, at[0]] * (high - low) + low, factors[name].float())


@pytest.fixture(scope="module")
def emoji_styles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hands' emoji: thirty names that both have, twenty more and variants of all in the first."""
    root = tmp_path_factory.mktemp("styles")
    for folder, count in (("emoji-noto", 50), ("emoji-fx", 30)):
        for i in range(count):
            place = root / folder / ("animals" if i % 2 else "objects")
            place.mkdir(parents=True, exist_ok=True)
            level = 5 * i + (100 if folder == "emoji-fx" else 0)
            for suffix in ("", "_1f3fd") if folder == "emoji-noto" else ("",):
                Image.new("RGB", (24, 24), (level, 255 - level, 30)).save(place / f"emoji_u{i:04x}{suffix}.png")
    return root


def test_emoji_kept_to_measure_with_are_in_neither_taught_side(emoji_styles: Path):
    knobs = method_settings("cyclegan", {"size": 16})
    held = stores.emoji_in_two_styles(knobs, emoji_styles, held=True)
    taught = stores.emoji_in_two_styles(knobs, emoji_styles)
    paired = stores.emoji_in_two_styles(knobs, emoji_styles, paired=True)
    assert (len(held), len(taught.pixels), len(taught.other_pixels), len(paired)) == (3, 47, 27, 27)
    assert held.info.paired and paired.info.paired and not taught.info.paired

    def levels(pixels: torch.Tensor) -> set[int]:
        return set(pixels[:, 8, 8, 0].tolist())

    assert not levels(held.pixels) & levels(taught.pixels) and not levels(held.other_pixels) & levels(
        taught.other_pixels
    )
    assert (held.other_pixels[:, 8, 8, 0].int() - held.pixels[:, 8, 8, 0].int()).tolist() == [100] * 3, "partners"


def test_a_translator_is_trained_measured_and_shipped_in_half_the_room(emoji_styles: Path, tmp_path: Path, monkeypatch):
    recipe = tiny(RECIPES["emoji-noto-fx"], size=32, batch_size=2)
    monkeypatch.setattr("training.zoo.__main__.find_recipe", lambda name: recipe)
    folders = ["--out", str(tmp_path / "runs"), "--shelf", str(tmp_path / "shelf")]
    assert main(["emoji-noto-fx", "--emoji-styles", str(emoji_styles), "--device", "cpu", *folders]) == 0
    shipped = load_model(tmp_path / "shelf" / "emoji-noto-fx")
    whole = load_model(tmp_path / "runs" / "emoji-noto-fx")
    assert shipped.directions == ("AB", "BA") and shipped.kind == "translator"
    sizes = [(p / "model.safetensors").stat().st_size for p in (shipped.folder, whole.folder)]
    assert sizes[0] < 0.65 * sizes[1]
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert (shipped.translate(x) - whole.translate(x)).abs().max() < 0.02
    found = shipped.facts["metrics"]
    held = stores.emoji_in_two_styles(recipe.settings, emoji_styles, held=True).take(torch.arange(3))
    assert found["L1 of the input as it is"] == pytest.approx(
        float((held.images - held.targets).abs().mean() / 2), abs=1e-3
    )
    assert {"L1", "PSNR, dB", "SSIM", "distance, features-v1", "distance of the input as it is, features-v1"} <= set(
        found
    )
    assert "Mozilla" in shipped.card() and "--emoji-styles" in shipped.card()


# --- measuring


def test_intersection_over_union_of_known_maps():
    truth = torch.tensor([[[0, 0, 1, 1]]])
    said = torch.tensor([[[0, 1, 1, 1]]])
    assert mean_iou(said, truth, 3) == {"mean IoU": pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-4), "pixels right": 0.75}
    assert mean_iou(truth, truth, 3)["mean IoU"] == 1.0


def test_a_translator_of_pictures_and_their_edges_is_measured_on_what_it_was_not_taught(pictures: Path, tmp_path: Path):
    recipe = tiny(RECIPES["edges-to-emoji"], size=32, held_out=0.25)
    run = pg.train(recipe.preset, str(pictures), out=tmp_path / "run", device="cpu", **recipe.knobs)
    batch = unseen_pairs(recipe, run.model(), str(pictures))
    assert len(batch.images) == 12 and batch.images.shape[1] == 1
    found = measure_translator(run.model(), batch)
    assert found["pictures"] == 12 and 0 < found["L1"] < 1


def test_a_segmentation_is_measured_by_its_labels(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("training.zoo.measure.UNSEEN", 32)
    recipe = tiny(RECIPES["faces-segmentation"], size=32, max_images=20, held_out=0.2)
    run = pg.train(recipe.preset, "faces-segmentation", out=tmp_path / "run", device="cpu", **recipe.knobs)
    model = run.model()
    batch = unseen_pairs(recipe, model, "")
    assert len(batch.images) == 4
    found = measure_translator(model, batch)
    right = (model.segment(batch.images) == label_numbers(batch.targets)).float().mean()
    assert found["pixels right"] == pytest.approx(float(right), abs=1e-4) and 0 <= found["mean IoU"] <= 1


def test_super_resolution_is_measured_on_pictures_made_smaller(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("training.zoo.measure.UNSEEN", 32)
    recipe = tiny(RECIPES["faces-upscale"], size=32, max_images=20, held_out=0.2)
    model = pg.train(recipe.preset, "faces", out=tmp_path / "run", device="cpu", **recipe.knobs).model()
    found = measure_translator(model, unseen_pairs(recipe, model, ""))
    assert found["pictures"] == 4 and found["PSNR, dB"] > 10 and "L1 of the input as it is" not in found


def test_measures_are_of_pictures_not_taught(pictures: Path, tmp_path: Path):
    run = pg.train("classifier", str(pictures), out=tmp_path / "run", device="cpu", held_out=0.25, **TINY)
    from playground.data.registry import open_data

    store, model = open_data(str(pictures), size=16), run.model()
    batch = unseen("mnist", store, model)
    assert len(batch.images) == 12
    found = measure(model, batch)
    right = (model.read(batch.images).class_logits.argmax(1) == batch.labels).float().mean()
    assert found == {"pictures": 12.0, "accuracy": pytest.approx(float(right), abs=1e-4)}


def test_faces_are_measured_on_faces_of_another_seed(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("training.zoo.measure.UNSEEN", 40)
    knobs = {**TINY, "size": 32, "max_images": 30, "held_out": 0.2}
    model = pg.train("attribute-classifier", "faces", out=tmp_path / "run", device="cpu", **knobs).model()
    batch = unseen("faces", None, model)
    assert batch.images.shape == (40, 3, 32, 32)
    found = measure(model, batch)
    rates = [value for name, value in found.items() if name.endswith("(right)")]
    assert len(rates) == 17 and sum("(mean error)" in name for name in found) == 10
    assert found["binary attributes, worst"] == min(rates)
    assert found["binary attributes, mean"] == pytest.approx(sum(rates) / 17, abs=1e-4)
    said, truth = model.read(batch.images).attribute_logits > 0, batch.attributes > 0.5
    hat = model.info.attributes.index("hat")
    assert found["hat (right)"] == pytest.approx(float((said[:, hat] == truth[:, hat]).float().mean()), abs=1e-4)


# --- the command


def test_a_recipe_is_trained_measured_and_installed(one: Recipe, pictures: Path, tmp_path: Path, capsys, monkeypatch):
    metrics = tmp_path / "metrics.json"
    metrics.write_text('{"agreement": 0.5, "by": "another judge"}')
    assert main(command(tmp_path, pictures, "--metrics", str(metrics))) == 0
    shelf = tmp_path / "shelf"
    row = manifest(shelf)["models"]["digits-judge"]
    weights = (shelf / "digits-judge" / "model.safetensors").read_bytes()
    assert (row["bytes"], row["sha256"]) == (len(weights), hashlib.sha256(weights).hexdigest())
    assert row["recipe"] == dict(one.knobs) and row["data"]["pictures"] == 48 and row["trained"]["step"] == 3
    assert row["metrics"].keys() == {"pictures", "accuracy", "agreement", "by"} and row["metrics"]["pictures"] == 10
    monkeypatch.setattr("playground.model.PRETRAINED", shelf)
    assert list_shipped() == ["digits-judge"] == list_shipped("classifier") and list_shipped("generator") == []
    model = load_model("digits-judge")
    assert (model.kind, model.info.name, model.folder) == ("classifier", "mnist", shelf / "digits-judge")
    assert model.facts["serves"] == ["mnist"] and model.facts["metrics"] == row["metrics"]
    card = (shelf / "digits-judge" / "README.md").read_text(encoding="utf-8")
    for words in (one.title, one.about, "CC BY-SA", "another judge", "python -m training.zoo digits-judge --mnist",
                  "model.read", f"| accuracy | {row['metrics']['accuracy']:.4g} |"):  # fmt: skip
        assert words in card
    assert "accuracy" in capsys.readouterr().out

    before = model.read(torch.zeros(1, 1, 16, 16)).class_logits
    assert main(command(tmp_path, pictures)) == 0  # trained already: installed again
    assert torch.equal(load_model("digits-judge").read(torch.zeros(1, 1, 16, 16)).class_logits, before)
    assert "by" not in manifest(shelf)["models"]["digits-judge"]["metrics"]


def test_a_recipe_with_pictures_of_its_own_making(pictures: Path, tmp_path: Path, monkeypatch):
    """Also where a run goes on: the pictures are put together anew, and are the same."""
    recipe = tiny(RECIPES["features-v1"], size=32)
    monkeypatch.setattr("training.zoo.__main__.find_recipe", lambda name: recipe)
    monkeypatch.setattr(stores, "FACE_COUNT", 30)
    run = tmp_path / "runs" / "features-v1"
    store = stores.faces_and_emoji(recipe.settings, pictures)
    pg.train(recipe.preset, "faces+emoji-noto", out=run, device="cpu", store=store, stop=lambda: True, **recipe.knobs)
    folders = ["--out", str(run.parent), "--shelf", str(tmp_path / "shelf")]
    assert main(["features-v1", "--emoji", str(pictures), "--resume", "--device", "cpu", *folders]) == 0
    model = load_model(tmp_path / "shelf" / "features-v1")
    assert model.facts["step"] == 3 and model.info.count == 30 + 48
    reading = model.read(torch.zeros(2, 3, 32, 32))
    assert reading.class_logits.shape == (2, 13) and reading.attribute_logits.shape == (2, len(stores.factor_names()))
    assert {"accuracy", "binary attributes, mean"} <= set(model.facts["metrics"])


def test_a_stopped_recipe_goes_on(one: Recipe, pictures: Path, tmp_path: Path, capsys):
    run = tmp_path / "runs" / "digits-judge"
    pg.train(one.preset, str(pictures), out=run, device="cpu", stop=lambda: True, **one.knobs)
    assert main(command(tmp_path, pictures)) == 2 and "resume" in capsys.readouterr().err
    assert main(command(tmp_path, pictures, "--resume")) == 0
    assert load_model(tmp_path / "shelf" / "digits-judge").facts["step"] == 3


def test_a_recipe_with_a_first_run_goes_on_from_its_model(one: Recipe, pictures: Path, tmp_path: Path, monkeypatch):
    recipe = replace(one, first=MappingProxyType({"steps": 2, "learning_rate_d": 1e-3}))
    recipe = replace(recipe, knobs=MappingProxyType({**recipe.knobs, "learning_rate_d": 1e-6}))  # stays where it is
    assert recipe.last_step == 3 + 2
    monkeypatch.setattr("training.zoo.__main__.find_recipe", lambda name: recipe)
    assert main(command(tmp_path, pictures)) == 0
    begun, ended = (load_model(tmp_path / "runs" / name) for name in ("digits-judge-first", "digits-judge"))
    assert (begun.facts["step"], ended.facts["step"]) == (2, 3)
    assert (begun.settings.learning_rate_d, ended.settings.learning_rate_d) == (1e-3, 1e-6)
    for name, weight in begun.modules["C"].named_parameters():
        torch.testing.assert_close(ended.modules["C"].get_parameter(name), weight, rtol=0, atol=1e-5)
    row = manifest(tmp_path / "shelf")["models"]["digits-judge"]
    assert row["first"] == dict(recipe.first) and row["trained"]["step"] == 3


def test_a_first_run_may_learn_from_other_pictures(one: Recipe, pictures: Path, tmp_path: Path, monkeypatch):
    twice = replace(one.source, flag="", builder="tests.test_zoo:twice_the_pictures")
    monkeypatch.setattr("tests.test_zoo.twice_the_pictures", lambda settings, place: _doubled(pictures), raising=False)
    recipe = replace(one, source=twice, first=MappingProxyType({"steps": 2}), first_source=one.source)
    monkeypatch.setattr("training.zoo.__main__.find_recipe", lambda name: recipe)
    monkeypatch.setattr("training.zoo.__main__._measured", lambda *rest: {})
    assert main(command(tmp_path, pictures)) == 0
    begun, ended = (load_model(tmp_path / "runs" / name) for name in ("digits-judge-first", "digits-judge"))
    assert ended.info.count == 2 * begun.info.count == 2 * 48


def _doubled(folder: Path) -> ImageStore:
    store = load_images(folder, size=16, grey=True, name="digits")
    info = replace(store.info, count=2 * len(store))
    return ImageStore(info, store.pixels.repeat(2, 1, 1, 1), store.labels.repeat(2))


def test_all_asks_for_every_folder_before_it_trains(tmp_path: Path, capsys):
    assert main(["all", "--out", str(tmp_path)]) == 2
    assert "--emoji" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a model"),
        (["digits-jugde"], "Did you mean 'digits-judge'"),
        (["emoji-style"], "name its folder or zip with --emoji"),
        (["digits-judge", "--mnist", "/nowhere"], "check --mnist"),
        (["all", "--install", "x"], "name its model"),
        (["digits-judge", "--threads", "-1"], "0 or more"),
        (["digits-cgan", "--encoder"], "names an encoder"),
        (["faces-style", "--encoder", "--install", "x"], "names an encoder"),
        (["digits-judge", "--metrics", "/nowhere.json"], "can't be read as JSON"),
        (["faces-attributes", "--install", "/nowhere"], "There is no model"),
    ],
)
def test_wrong_usage_gets_a_sentence(arguments: list[str], words: str, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said and said.startswith("error: ") and said.count("\n") == 1


def test_the_list_names_all_and_what_is_there(tmp_path: Path, capsys):
    (tmp_path / "digits-cgan").mkdir()
    (tmp_path / "digits-cgan" / "model.safetensors").write_bytes(b"")
    assert main(["--list", "--shelf", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert [line.split()[0] for line in lines if line.endswith("installed")] == ["digits-cgan"]


# --- installing a run trained before


@pytest.fixture
def generator_run(pictures: Path, tmp_path: Path) -> tuple[Recipe, Path]:
    recipe = tiny(RECIPES["digits-cgan"], learning_rate_g=3e-4)
    return recipe, pg.train(recipe.preset, str(pictures), out=tmp_path / "run", device="cpu", **recipe.knobs).folder


def test_a_run_of_the_same_recipe_is_installed(generator_run, tmp_path: Path):
    recipe, run = generator_run
    model = install(recipe, run, tmp_path / "shelf", {"read": 0.9})
    shipped = load_model(tmp_path / "shelf" / recipe.name).sample(3)
    apart = (shipped - model.sample(3)).abs().max()
    assert 0 < apart < 1 / 255, "kept in 16-bit numbers, which the eye does not see"
    assert manifest(tmp_path / "shelf")["models"][recipe.name]["metrics"] == {"read": 0.9}
    install(tiny(RECIPES["digits-judge"]), _judge(run.parent, run), tmp_path / "shelf")
    assert list(manifest(tmp_path / "shelf")["models"]) == ["digits-cgan", "digits-judge"]


def _judge(folder: Path, like: Path) -> Path:
    recipe = tiny(RECIPES["digits-judge"])
    data = json.loads((like / "config.json").read_text())["data"]
    return pg.train(recipe.preset, data, out=folder / "judge", device="cpu", **recipe.knobs).folder


def test_knobs_turned_while_it_trained_are_stated_and_others_refused(generator_run, tmp_path: Path):
    recipe, run = generator_run
    turned = tiny(RECIPES["digits-cgan"], learning_rate_g=0.01)
    model = install(turned, run, tmp_path / "shelf")
    assert manifest(tmp_path / "shelf")["models"][recipe.name]["changed_while_training"] == {"learning_rate_g": 3e-4}
    assert "`learning_rate_g` 0.0003" in model.card()
    with pytest.raises(UsageError, match=r"its width is 4, the recipe's 8"):
        install(tiny(RECIPES["digits-cgan"], width=8), run, tmp_path / "shelf")
    assert changed_knobs(recipe, model.settings) == {}


def test_runs_of_something_else_are_refused(generator_run, tmp_path: Path):
    _, run = generator_run
    with pytest.raises(UsageError, match="trains 'cgan'"):
        install(tiny(RECIPES["faces-style"]), run, tmp_path / "shelf")
    config = json.loads((run / "model" / "config.json").read_text())
    config["facts"]["step"] = 2
    (run / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"has taken 2 of its 3 steps: go on with --resume"):
        install(tiny(RECIPES["digits-cgan"]), run, tmp_path / "shelf")
    shutil.rmtree(run / "model")
    with pytest.raises(pg.PlaygroundError):
        install(tiny(RECIPES["digits-cgan"]), run, tmp_path / "shelf")
    assert not (tmp_path / "shelf" / "manifest.json").exists()


def test_weights_that_are_too_heavy_are_not_shipped(generator_run, tmp_path: Path, monkeypatch):
    recipe, run = generator_run
    monkeypatch.setattr("training.zoo.install.MAX_BYTES", 1000)
    with pytest.raises(pg.PlaygroundError, match="smaller width"):
        install(recipe, run, tmp_path / "shelf")
    assert not list((tmp_path / "shelf").rglob("*.safetensors"))


def test_a_damaged_manifest_is_not_written_over(generator_run, tmp_path: Path):
    recipe, run = generator_run
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "manifest.json").write_text("{")
    with pytest.raises(pg.PlaygroundError, match="damaged"):
        install(recipe, run, tmp_path / "shelf")


# --- the encoder of a style-based generator


def test_an_encoder_is_taught_measured_and_goes_with_its_model(tmp_path: Path, monkeypatch, capsys):
    recipe = replace(
        RECIPES["faces-style"],
        knobs=MappingProxyType({**TINY, "width": 4, "latent_dim": 8, "max_images": 40}),
        encoder=MappingProxyType({"steps": 4, "batch": 2, "width": 2}),
    )
    monkeypatch.setattr("training.zoo.__main__.find_recipe", lambda name: recipe)
    monkeypatch.setattr("training.zoo.encode.COUNT", 1)
    shelf = tmp_path / "shelf"
    folders = ["--out", str(tmp_path / "runs"), "--shelf", str(shelf), "--device", "cpu"]
    assert main(["faces-style", "--encoder", *folders]) == 2 and "not installed" in capsys.readouterr().err
    assert main(["faces-style", *folders]) == 0
    said, row = capsys.readouterr().out, manifest(shelf)["models"]["faces-style"]
    assert row["encoder"]["recipe"] == dict(recipe.encoder) and row["metrics"] == {}
    for name, value in row["encoder"]["metrics"].items():
        assert f"{name}: {value}" in said
    assert sum(name.endswith("without it") for name in row["encoder"]["metrics"]) == 2
    folder = shelf / "faces-style"
    encoder = load_encoder(load_model(folder))
    assert encoder.shape["width"] == 2 and row["encoder"]["bytes"] == (folder / FILE).stat().st_size
    assert main(["faces-style", "--encoder", *folders]) == 0, "again, for the same model"
    assert manifest(shelf)["models"]["faces-style"]["encoder"]["sha256"] == row["encoder"]["sha256"]

    install(recipe, tmp_path / "runs" / "faces-style", shelf)  # a model put in its place has none yet
    assert "encoder" not in manifest(shelf)["models"]["faces-style"] and not (folder / FILE).exists()
    monkeypatch.setattr("training.zoo.install.MAX_BYTES", 1000)
    assert main(["faces-style", "--encoder", *folders]) == 2 and "may" in capsys.readouterr().err
    assert not (folder / FILE).exists() and load_encoder(load_model(folder)) is None


@pytest.mark.parametrize("name", sorted(manifest(Path(pg.__file__).parents[1] / "pretrained")["models"]))
def test_what_is_shipped_is_what_the_manifest_says(name: str):
    shelf = Path(pg.__file__).parents[1] / "pretrained"
    row, model = manifest(shelf)["models"][name], load_model(name)
    weights = (shelf / name / "model.safetensors").read_bytes()
    assert (len(weights), hashlib.sha256(weights).hexdigest()) == (row["bytes"], row["sha256"])
    assert ("encoder" in row) == (load_encoder(model) is not None) == (shelf / name / FILE).exists()
    if "encoder" in row:
        assert row["encoder"]["sha256"] == hashlib.sha256((shelf / name / FILE).read_bytes()).hexdigest()
    assert model.kind == row["kind"] and model.preset == row["preset"] and model.info.name == row["data"]["name"]
    assert (shelf / name / "README.md").read_text(encoding="utf-8") == model.card()
