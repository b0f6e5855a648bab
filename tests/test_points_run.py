"""Points through the whole house: a run, its record, its resumption, its model and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import playground as pg
from playground.data.registry import DATASETS, of_points, open_data
from playground.errors import DataError, UsageError
from playground.methods import METHODS, method_settings
from playground.trainer import Trainer
from training.sample import main as sample

SETS = [name for name in DATASETS if of_points(name)]
TINY = {"width": 16, "layers": 2, "batch_size": 32, "max_images": 512, "device": "cpu"}


def test_the_table_of_data_holds_the_seven_sets_of_the_plane():
    assert set(SETS) == {"ring", "grid", "line", "gaussians", "spiral", "swiss-roll", "blobs"}
    assert not of_points("faces") and not of_points("/no/such/place") and not of_points(["a.png"])


@pytest.mark.parametrize("name", SETS)
def test_a_run_on_points_leaves_a_model_that_draws_in_their_coordinates(name, tmp_path):
    run = pg.train("vanilla-gan", name, out=tmp_path / "run", steps=3, **TINY)
    assert run.state == "finished"
    with Image.open(run.samples()[-1][1]) as picture:
        assert picture.size == (260, 260)  # one sheet of 256 pixels with its frame
    model = run.model()
    drawn, again = model.sample(9, seed=4), model.sample(5, seed=4)
    assert drawn.shape == (9, 2, 1, 1) and torch.equal(drawn[:5], again)
    assert model.info.world == open_data(name, max_images=512).info.world
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "Points of 2 coordinates" in card and "pictures shown" not in card
    assert sample([str(tmp_path / "run"), "--count", "64", "--out", str(tmp_path / "points.png")]) == 0
    with Image.open(tmp_path / "points.png") as picture:
        assert np.asarray(picture).std() > 0


def test_a_run_on_points_goes_on_exactly(tmp_path):
    whole = pg.train("wgan-gp", "ring", out=tmp_path / "whole", steps=6, **TINY)
    pg.train("wgan-gp", "ring", out=tmp_path / "parts", steps=6, stop=_after(3), **TINY)
    parts = pg.train("wgan-gp", "ring", out=tmp_path / "parts", steps=6, resume=True, **TINY)
    assert torch.equal(whole.model().sample(8), parts.model().sample(8))


def _after(steps: int):
    taken = iter([False] * steps)
    return lambda: next(taken, True)


@pytest.mark.parametrize("name", METHODS)
def test_presets_suit_points_or_say_that_they_do_not(name):
    method = METHODS[name]
    if method.family == "adversarial" and name != "stylegan":
        chosen = method_settings(name, {"width": 16}, points=True)
        assert chosen.architecture == "points" and chosen.width == 16
        for knob, value in method.on_points.items():
            assert knob == "width" or chosen[knob] == value
    else:
        with pytest.raises(UsageError, match="is for pictures"):
            method_settings(name, points=True)


@pytest.mark.parametrize(
    ("preset", "data", "knobs", "words"),
    [
        ("vanilla-gan", "ring", {"architecture": "dcgan"}, "for points take 'points'"),
        ("vanilla-gan", "shapes", {"architecture": "points"}, "for points, not for pictures"),
        ("vanilla-gan", "ring", {"flip": True}, "for pictures"),
        ("vanilla-gan", "ring", {"augment": "colour"}, "for pictures"),
        ("cgan", "spiral", {}, "needs classes"),
        ("cyclegan", "ring", {}, "is for pictures"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(preset, data, knobs, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        pg.train(preset, data, out=tmp_path / "run", steps=1, max_images=64, batch_size=8, device="cpu", **knobs)


@pytest.mark.parametrize(
    "change",
    [
        {"world": None},
        {"world": {"bounds": "wide"}},
        {"world": {"bounds": [[-1, 1]], "modes": [], "sigma": None, "centre": [0, 0], "spread": 1}},
        {"world": {"bounds": [[-1, 1]] * 2, "modes": [], "sigma": None, "centre": [0, 0], "spread": 0}},
        {"size": 16},
    ],
)
def test_a_model_whose_world_makes_no_sense_is_not_opened(change, tmp_path):
    folder = Path(pg.train("vanilla-gan", "ring", out=tmp_path / "run", steps=1, **TINY).folder) / "model"
    config = json.loads((folder / "config.json").read_text())
    config["data"] |= change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises((DataError, UsageError)):
        pg.load_model(folder)


def test_a_trainer_inherits_what_fits_and_counts_on():
    store = open_data("ring", max_images=256)
    small = Trainer("vanilla-gan", method_settings("vanilla-gan", {"width": 8, "batch_size": 16}, points=True), store)
    small.run(3)
    large = Trainer("vanilla-gan", method_settings("vanilla-gan", {"width": 12, "batch_size": 16}, points=True), store)
    fresh = {key: value.clone() for key, value in large.players["G"].state_dict().items()}
    large.inherit(small)
    assert large.step_count == 3
    for key, value in large.players["G"].state_dict().items():
        theirs = small.players["G"].state_dict()[key]
        corner = tuple(slice(0, n) for n in theirs.shape)
        assert torch.equal(value[corner], theirs)
        beyond = torch.ones_like(value, dtype=torch.bool)
        beyond[corner] = False
        assert torch.equal(value[beyond], fresh[key][beyond])
    same = Trainer("vanilla-gan", small.settings, store)
    same.inherit(small)
    moments = {k: v["exp_avg"] for k, v in enumerate(small.optimisers["G"].state.values())}
    assert all(torch.equal(v["exp_avg"], moments[k]) for k, v in enumerate(same.optimisers["G"].state.values()))
