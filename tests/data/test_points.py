"""Sets of points: they lie where they say, have the modes they name, and repeat with their seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from playground.data import points
from playground.data.points import POINT_SETS
from playground.data.registry import DATASETS, of_points, open_data
from playground.errors import DataError, UsageError
from playground.labs.arena import PRESETS
from playground.methods import METHODS, method_settings
from playground.trainer import Trainer

MIXTURES = [name for name, row in POINT_SETS.items() if row.modes]
SQUARE = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]


@pytest.mark.parametrize("name", POINT_SETS)
def test_points_lie_within_the_bounds_that_are_shown(name: str):
    store = points.load(name, count=5000)
    x, world = store.pixels.numpy(), store.info.world
    low, high = np.asarray(world.bounds).T
    assert x.shape == (5000, 2) and np.isfinite(x).all()
    assert ((x >= low) & (x <= high)).all(1).mean() >= 0.99
    assert (np.ptp(x, axis=0) / (high - low)).max() > 0.6  # and fill the view
    assert world.centre == pytest.approx(x.mean(0), abs=1e-5) and world.spread == pytest.approx(x.std(), rel=1e-4)
    assert of_points(name) and DATASETS[name].labelled == bool(world.modes) == bool(store.info.classes)


@pytest.mark.parametrize("name", MIXTURES)
def test_modes_lie_where_they_should_with_the_width_they_state(name: str):
    store = points.load(name, count=40_000)
    x, world = store.pixels.double(), store.info.world
    for k, mode in enumerate(world.modes):
        own = x[store.labels == k]
        error = world.sigma / math.sqrt(len(own))
        assert abs(len(own) - 40_000 / len(world.modes)) < 5 * math.sqrt(40_000 / len(world.modes))
        assert (own.mean(0) - torch.tensor(mode)).abs().max() < 5 * error
        assert own.std(0).numpy() == pytest.approx(world.sigma, rel=0.1)


def test_ring_and_grid_are_those_of_the_literature():
    ring, grid = (points.load(name, count=10).info.world for name in ("ring", "grid"))
    assert (len(ring.modes), ring.sigma, len(grid.modes), grid.sigma) == (8, 0.01, 25, 0.05)
    assert np.hypot(*np.asarray(ring.modes).T) == pytest.approx(1.0)
    turns = np.sort(np.arctan2(*np.asarray(ring.modes).T) % (2 * np.pi))
    assert np.diff(turns) == pytest.approx(np.pi / 4)
    assert set(grid.modes) == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}


@pytest.mark.parametrize("name", POINT_SETS)
def test_seed_alone_decides_the_points(name: str):
    one, same, other = (points.load(name, count=50, seed=seed).pixels for seed in (3, 3, 4))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_batches_are_pictures_of_one_pixel():
    store = open_data("grid", max_images=100)
    batch = store.take(torch.tensor([5, 99, 5]))
    assert batch.images.shape == (3, 2, 1, 1) and torch.equal(batch.images[:, :, 0, 0], store.pixels[[5, 99, 5]])
    assert torch.equal(batch.labels, store.labels[[5, 99, 5]])
    assert len(open_data("ring")) == points.COUNT and store.to("cpu").take(torch.arange(2)).images.shape[0] == 2
    assert store.preview().shape == (1, 256, 256, 3) and store.nbytes == 800
    with pytest.raises(UsageError, match="points"):
        open_data("ring", sides="paired")


def test_wrong_names_and_counts_are_refused():
    with pytest.raises(UsageError, match="ring"):
        points.load("rings")
    with pytest.raises(UsageError, match="2 or more"):
        points.load("ring", count=1)
    info = points.load("ring", count=3).info
    with pytest.raises(DataError, match="shape"):
        points.PointStore(info, torch.zeros(3, 1))


# --- drawn by the user


def test_a_drawing_becomes_a_cloud_around_its_points():
    store = points.from_drawing(SQUARE, blur=0.01, count=4000)
    near = torch.cdist(store.pixels, torch.tensor(SQUARE)).min(1)
    assert near.values.max() < 0.07 and 0.01 < near.values.mean() < 0.016  # σ √(π/2) of a Rayleigh distribution
    shares = torch.bincount(near.indices, minlength=4) / 4000
    assert shares.min() > 0.2 and store.labels is None and store.info.world.modes == ()
    again = points.from_drawing(SQUARE, blur=0.01, count=4000)
    assert torch.equal(store.pixels, again.pixels)


@pytest.mark.parametrize(
    ("drawing", "said"),
    [
        ([], "none"),
        ([[0, 0]], "1 is"),
        ([[0, 0], [1, 1]], "2 are"),
        ([[0, 0], [0.1, 0.1], [9, 9], [math.nan, 0], [math.inf, 0]], "2 are"),
        ([[0.3, 0.3]] * 50, "same place"),
        ([[0, 0, 0]] * 3, "list of points"),
        ([["a", "b"]] * 3, "list of points"),
        (7, "list of points"),
    ],
)
def test_a_drawing_that_is_no_distribution_is_refused(drawing, said: str):
    with pytest.raises(DataError, match=said):
        points.from_drawing(drawing)


# --- on a line


def test_a_mixture_on_a_line_has_its_means_deviations_and_weights():
    store = points.from_mixture([-2.0, 3.0], [0.5, 1.0], [1.0, 3.0], count=20_000)
    x = store.pixels[:, 0]
    assert store.info.channels == 1 and len(store.info.world.bounds) == 1
    for k, (mean, sigma, share) in enumerate(((-2.0, 0.5, 0.25), (3.0, 1.0, 0.75))):
        own = x[store.labels == k]
        assert float(own.mean()) == pytest.approx(mean, abs=0.05) and float(own.std()) == pytest.approx(sigma, rel=0.05)
        assert len(own) / 20_000 == pytest.approx(share, abs=0.02)
    assert points.from_mixture([1.0], [0.1]).info.classes == ()


@pytest.mark.parametrize(
    ("means", "sigmas", "weights"),
    [
        ([], [], None),
        ([0.0], [1.0, 1.0], None),
        ([0.0], [0.0], None),
        ([0.0], [1.0], [-1.0]),
        ([math.nan], [1.0], None),
    ],
)
def test_a_mixture_that_is_none_is_refused(means, sigmas, weights):
    with pytest.raises(UsageError):
        points.from_mixture(means, sigmas, weights)


# --- painted


def test_points_are_painted_where_they_lie():
    world = points.load("blobs", count=10).info.world
    picture = points.paint(np.array([[-1.0, 1.0], [math.nan, 0.0], [50.0, 0.0]]), world, 100).astype(int)
    dark = np.argwhere(picture.sum(2) < 700)
    assert 1 <= len(dark) <= 40
    (x0, x1), (y0, y1) = world.bounds
    row, column = dark.mean(0)
    assert column == pytest.approx(100 * (-1 - x0) / (x1 - x0), abs=2)
    assert row == pytest.approx(100 * (y1 - 1) / (y1 - y0), abs=2)  # y grows upwards
    both = points.paint(np.array([[0.5, 0.5]]), world, 100, over=np.array([[-0.5, -0.5]])).astype(int)
    assert (both[:, :, 2] - both[:, :, 0]).max() > 50 < (both[:, :, 0] - both[:, :, 2]).max()


# --- learned from


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_plays_with_points(preset: str):
    torch.set_num_threads(1)
    store = points.load("ring", count=256)
    knobs = method_settings(preset, {"width": 16, "batch_size": 16, "steps": 4}, points=True)
    trainer = Trainer(preset, knobs, store)
    before = {n: [p.clone() for p in player.parameters()] for n, player in trainer.players.items()}
    trainer.run(2)
    numbers = trainer.metrics()
    assert {"loss_d", "loss_g"} <= numbers.keys() and all(map(math.isfinite, numbers.values()))
    for name, player in trainer.players.items():
        assert any(not torch.equal(a, b) for a, b in zip(before[name], player.parameters(), strict=True))
    drawn = trainer.family.sample_points(trainer.players["G"], 24, torch.Generator().manual_seed(0))
    assert drawn.shape == (24, 2, 1, 1) and drawn.isfinite().all()
    picture, diversity = trainer.sample_grid()
    assert picture.shape == (1, 256, 256, 3) and diversity > 0


def test_presets_for_pictures_alone_say_so():
    assert set(METHODS) - set(PRESETS) >= {"stylegan", "cyclegan", "classifier"}
    for preset in set(METHODS) - set(PRESETS):
        with pytest.raises(UsageError, match="for pictures"):
            method_settings(preset, points=True)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def test_initial_gain_makes_hidden_layers_of_both_sides_steeper_and_nothing_else():
    store = points.load("ring", count=64)
    small = {"width": 8, "batch_size": 16}
    plain, steep = (
        Trainer("vanilla-gan", method_settings("vanilla-gan", {**small, "initial_gain": gain}, points=True), store)
        for gain in (1.0, 2.5)
    )
    for name, hidden in (("G", "network.hidden"), ("D", "trunk.")):
        before, after = weights(plain.players[name]), weights(steep.players[name])
        grown = {key for key in before if not torch.equal(before[key], after[key])}
        assert grown == {key for key in before if key.startswith(hidden)} and len(grown) == 6
        assert all(torch.allclose(2.5 * before[key], after[key]) for key in grown)
