"""Modes, their quality and balance, and divergences, each on cases whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from playground.data import points
from playground.data.base import World
from playground.errors import UsageError
from playground.metrics.points import cell_masses, js_divergence, mode_report, perfect_high_quality, true_masses

NAMES = ("ring", "grid")


def world_of(name: str) -> World:
    return points.load(name, count=4).info.world


@pytest.mark.parametrize("name", [*NAMES, "gaussians", "blobs"])
def test_a_perfect_sampler_is_told_as_one(name: str):
    world = world_of(name)
    report = mode_report(points.load(name, count=50_000, seed=9).pixels.numpy(), world)
    assert report.modes == report.total == len(world.modes)
    if name in NAMES:  # the others' modes touch
        assert report.high_quality == pytest.approx(0.98889, abs=0.003)
        assert report.sigma_ratio == pytest.approx(1.0, abs=0.02)
    assert 0 <= report.reverse_kl < 0.001
    assert perfect_high_quality(2) == pytest.approx(1 - math.exp(-4.5))  # χ² of two degrees in closed form
    assert perfect_high_quality(1) == pytest.approx(math.erf(3 / math.sqrt(2)))


@pytest.mark.parametrize("factor", [0.3, 0.8, 1.2])
def test_width_inside_the_modes_is_measured(factor: float):
    world = world_of("grid")
    rng = np.random.default_rng(0)
    centres = np.asarray(world.modes)[rng.integers(0, 25, 40_000)]
    drawn = centres + factor * world.sigma * rng.standard_normal((40_000, 2))
    report = mode_report(drawn, world)
    # what is wider than the truth is cut at the same 3 σ, which takes more of it: an exact integral tells how much
    cut = 3 / factor
    inside = 1 - math.exp(-(cut**2) / 2)
    second = 2 - cut**2 * math.exp(-(cut**2) / 2) / inside  # E[r²; r < cut] of two standard normals
    whole = 2 - 9 * math.exp(-4.5) / (1 - math.exp(-4.5))
    assert report.high_quality == pytest.approx(inside, abs=0.003)
    assert report.sigma_ratio == pytest.approx(factor * math.sqrt(second / whole), rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_one_mode_alone_is_log_k_away_from_all_of_them(name: str):
    world = world_of(name)
    rng = np.random.default_rng(0)
    report = mode_report(np.asarray(world.modes[3]) + 0.5 * world.sigma * rng.standard_normal((500, 2)), world)
    assert report.modes == 1 and report.high_quality == 1.0
    assert report.reverse_kl == pytest.approx(math.log(len(world.modes)))


def test_uneven_modes_have_the_divergence_of_their_shares():
    world = world_of("blobs")
    drawn = np.asarray([world.modes[0]] * 9 + [world.modes[1]])
    wanted = 0.9 * math.log(2 * 0.9) + 0.1 * math.log(2 * 0.1)
    assert mode_report(drawn, world).reverse_kl == pytest.approx(wanted)


def test_points_between_the_modes_are_of_no_quality_but_belong_to_the_nearest():
    world = world_of("grid")
    drawn = np.add(world.modes, (0.9, 0.0))
    report = mode_report(drawn, world)
    assert (report.modes, report.high_quality) == (0, 0.0) and math.isnan(report.sigma_ratio)
    assert report.reverse_kl == pytest.approx(0.0, abs=1e-9)


def test_one_good_sample_captures_a_mode():
    world = world_of("ring")
    drawn = np.full((100, 2), 50.0)
    drawn[7] = np.add(world.modes[2], (2.9 * world.sigma, 0))
    drawn[8] = np.add(world.modes[5], (3.1 * world.sigma, 0))
    report = mode_report(drawn, world)
    assert (report.modes, report.high_quality) == (1, 0.01)


def test_points_that_are_no_numbers_are_bad_points():
    world = world_of("ring")
    good = np.tile(np.asarray(world.modes), (10, 1))
    bad = np.array([[math.nan, 0.0], [math.inf, 1.0], [-math.inf, math.nan], [0.0, math.nan]] * 20)
    report = mode_report(np.concatenate([good, bad]), world)
    assert report.modes == 8 and report.high_quality == 0.5 and math.isfinite(report.reverse_kl)
    assert report.sigma_ratio == pytest.approx(0.0, abs=1e-9)
    assert mode_report(bad, world).modes == 0


def test_nothing_to_compare_is_said():
    with pytest.raises(UsageError, match="no points"):
        mode_report(np.zeros((0, 2)), world_of("ring"))
    with pytest.raises(UsageError, match="no modes"):
        mode_report(np.zeros((5, 2)), world_of("spiral"))
    with pytest.raises(UsageError, match="equal Gaussians"):
        true_masses(world_of("spiral"))


# --- divergences


def test_js_divergence_is_nought_between_equals_and_log_two_between_strangers():
    p, q = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.1, 0.9])
    assert js_divergence(p, p) == 0.0
    assert js_divergence(p, q) == pytest.approx(math.log(2))
    half = np.array([0.25, 0.25, 0.25, 0.25])
    # KL(p‖m) and KL(half‖m) with m = (0.375, 0.375, 0.125, 0.125), by hand
    wanted = 0.5 * math.log(0.5 / 0.375) + 0.25 * (math.log(0.25 / 0.375) + math.log(0.25 / 0.125))
    assert js_divergence(p, half) == pytest.approx(wanted) == pytest.approx(js_divergence(half, p))


@pytest.mark.parametrize("wrong", [[0.5, 0.5, 0.0], [0.5, 0.4], [1.5, -0.5]])
def test_js_divergence_refuses_what_are_no_distributions(wrong):
    with pytest.raises(UsageError):
        js_divergence(np.array([0.5, 0.5]), np.array(wrong))


@pytest.mark.parametrize("name", [*NAMES, "gaussians"])
def test_true_masses_are_those_of_a_large_sample(name: str):
    store = points.load(name, count=400_000, seed=5)
    truth, seen = true_masses(store.info.world), cell_masses(store.pixels.numpy(), store.info.world)
    assert truth.shape == seen.shape == (24 * 24 + 1,) and truth.sum() == pytest.approx(1.0) == seen.sum()
    error = 5 * np.sqrt(truth * (1 - truth) / 400_000) + 2e-5
    assert (np.abs(truth - seen) < error).all()
    assert js_divergence(truth, seen) < 0.001


def test_what_lies_outside_is_counted_there():
    world = World(((0.0, 1.0), (0.0, 1.0)))
    drawn = np.array([[0.1, 0.1], [0.9, 0.1], [1.0, 0.5], [-3.0, 0.5], [math.nan, 0.5]])
    masses = cell_masses(drawn, world, cells=2)
    assert masses == pytest.approx([0.2, 0.0, 0.2, 0.0, 0.6])  # x changes slowest
