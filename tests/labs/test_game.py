"""The minimax game: every orbit, walked by gradient steps, is the one that its closed form predicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from playground.errors import UsageError
from playground.labs.game import (
    MAX_RATE,
    MAX_STEPS,
    WAYS,
    Game,
    ellipse,
    orbit,
    predicted,
    predicted_radii,
    spectral_radius,
    study,
    verdict,
)

START = (1.5, -0.5)
RADIUS = math.hypot(*START)
GAMES = [Game(), Game(0.3, 0.3), Game(1.0, 0.2), Game(2.0, 0.0), Game(0.0, 0.6)]
RATES = (0.05, 0.3, 0.5, 0.7, 1.0, 1.3, 2.0)


@pytest.mark.parametrize("game", GAMES, ids=str)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("method", WAYS)
def test_the_walk_is_the_power_of_the_matrix(method: str, rate: float, game: Game):
    walked, foretold = orbit(method, START, rate, 60, game, 0.7), predicted(method, START, rate, 60, game, 0.7)
    assert walked.shape == foretold.shape == (61, 2) and tuple(walked[0]) == START
    radii = predicted_radii(method, START, rate, 60, game, 0.7)
    kept = np.isfinite(walked + foretold + radii[:, None]).all(1)
    assert kept.sum() >= np.isfinite(walked).all(1).sum() - 1, "both are cut where they leave the plane"
    size = np.maximum(np.hypot(*walked[kept].T), RADIUS)
    assert np.allclose(walked[kept] / size[:, None], foretold[kept] / size[:, None], atol=1e-8)
    assert np.allclose(radii[kept], np.hypot(*walked[kept].T), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rate", RATES)
def test_simultaneous_steps_spiral_out_by_the_same_factor(rate: float):
    radii = np.hypot(*orbit("simultaneous", START, rate, 50).T)
    assert np.allclose(radii, RADIUS * (1 + rate**2) ** (np.arange(51) / 2))
    assert verdict("simultaneous", rate) == "diverges" and (np.diff(radii) > 0).all()


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate < 2])
def test_alternating_steps_stay_on_an_ellipse(rate: float):
    x, y = orbit("alternating", START, rate, 400).T
    level = x**2 + y**2 - rate * x * y
    assert np.allclose(level, level[0]), "the quadratic is conserved"
    wrong = x**2 + y**2 + rate * x * y
    assert np.ptp(wrong) > 0.1 * wrong[0], "with the other sign it is not"
    long, short = ellipse(START, rate)
    radii = np.hypot(x, y)
    assert radii.max() <= long + 1e-9 and radii.min() >= short - 1e-9
    assert np.allclose(((x + y) / math.sqrt(2) / long) ** 2 + ((x - y) / math.sqrt(2) / short) ** 2, 1)
    assert verdict("alternating", rate) == "cycles"


def test_alternating_steps_escape_from_a_rate_of_two():
    assert ellipse(START, 2.0) is None and verdict("alternating", 2.0) == "diverges"
    radii = np.hypot(*orbit("alternating", START, 2.0, 400).T)
    assert radii[400] / radii[200] == pytest.approx(2, rel=0.02), "as n, not as a power"
    assert verdict("alternating", 2.1) == "diverges" and spectral_radius("alternating", 2.1) > 1.5


@pytest.mark.parametrize(("rate", "fate"), [(0.1, "converges"), (0.9, "converges"), (1.0, "cycles"), (1.1, "diverges")])
def test_extra_gradient_converges_below_a_rate_of_one(rate: float, fate: str):
    radii = np.hypot(*orbit("extragradient", START, rate, 50).T)
    factor = math.sqrt((1 - rate**2) ** 2 + rate**2)
    assert np.allclose(radii, RADIUS * factor ** np.arange(51.0))
    assert verdict("extragradient", rate) == fate and spectral_radius("extragradient", rate) == pytest.approx(factor)


@pytest.mark.parametrize("method", ["alternating", "extragradient", "optimistic", "consensus", "averaged"])
@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_stated_limit_is_where_growth_begins(method: str, gamma: float):
    limit = WAYS[method].limit(gamma)
    assert verdict(method, 0.999 * limit, gamma=gamma) != "diverges"
    assert verdict(method, 1.001 * limit, gamma=gamma) == "diverges"


def test_the_best_step_of_extra_gradient():
    """1 - η² + η⁴ is least at η = 1/sqrt 2."""
    rates = np.linspace(0.05, 0.95, 91)
    best = rates[np.argmin([spectral_radius("extragradient", rate) for rate in rates])]
    assert best == pytest.approx(1 / math.sqrt(2), abs=0.006)
    assert spectral_radius("extragradient", 1 / math.sqrt(2)) == pytest.approx(math.sqrt(3) / 2)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.49])
def test_optimistic_steps_shrink_by_their_formula(rate: float):
    factor = math.sqrt((1 + math.sqrt(1 - 4 * rate**2)) / 2)
    assert spectral_radius("optimistic", rate) == pytest.approx(factor)
    radii = np.hypot(*orbit("optimistic", START, rate, 1000).T)
    assert (radii[800] / radii[700]) ** 0.01 == pytest.approx(factor, rel=1e-3)


def test_the_average_tends_to_the_middle_as_one_over_n():
    radii = np.hypot(*orbit("averaged", START, 0.3, 1000).T) * np.arange(1, 1002)
    long = ellipse(START, 0.3)[0]
    assert radii.max() < 2 * long / 0.3 + long, "the sum of what goes round stays bounded"
    assert radii[500:].max() > 0.5 * radii.max(), "and no faster than 1/n"
    assert verdict("averaged", 0.3) == "converges"


@pytest.mark.parametrize("game", GAMES, ids=str)
def test_continuous_time_solves_the_differential_equation(game: Game):
    points = orbit("continuous", START, 0.2, 50, game)
    solved = solve_ivp(
        lambda t, w: [-game.gradient(*w)[0], game.gradient(*w)[1]], (0, 10), START,
        t_eval=np.arange(51) * 0.2, rtol=1e-10, atol=1e-12,
    )  # fmt: skip
    assert np.allclose(points, solved.y.T, atol=1e-7)
    assert np.allclose(WAYS["continuous"].matrix(game.jacobian, 0.7, 1), expm(-0.7 * game.jacobian))
    if game.plain:
        assert np.allclose(np.hypot(*points.T), RADIUS) and verdict("continuous", 0.2) == "cycles"


@pytest.mark.parametrize("method", WAYS)
def test_small_steps_approach_continuous_time(method: str):
    if method in ("averaged", "consensus"):  # they follow another equation
        return
    rate = 1e-3
    assert np.allclose(orbit(method, START, rate, 1000)[-1], orbit("continuous", START, 1.0, 1)[-1], atol=3e-3)


def test_the_gradient_is_that_of_the_value():
    for game in GAMES:
        for x, y in ((0.3, -1.2), (2.0, 0.5)):
            step = 1e-6
            slope_x = (game.value(x + step, y) - game.value(x - step, y)) / (2 * step)
            slope_y = (game.value(x, y + step) - game.value(x, y - step)) / (2 * step)
            assert game.gradient(x, y) == pytest.approx((slope_x, slope_y), abs=1e-6)
            assert game.jacobian @ [x, y] == pytest.approx([slope_x, -slope_y], abs=1e-6)


def test_curvature_makes_simultaneous_steps_converge_for_small_rates():
    game = Game(0.5, 0.5)
    assert verdict("simultaneous", 0.3, game) == "converges" and verdict("simultaneous", 1.5, game) == "diverges"
    assert verdict("simultaneous", 0.8, game) == "cycles", "|1 - η(0.5 + i)| = 1 at η = 0.8"


def test_a_study_holds_what_belongs_together():
    for method in WAYS:
        found = study(method, START, 0.4, 30)
        assert np.allclose(found["radii"], found["predicted"], rtol=1e-7) and found["verdict"] == verdict(method, 0.4)
        assert found["spectral_radius"] == pytest.approx(max(math.hypot(*value) for value in found["eigenvalues"]))
        assert found["why"].endswith(".") and found["why"].count(". ") == 0 and found["formula"] and found["rule"]
        assert (found["ellipse"] is not None) == (method == "alternating")
        curved = study(method, START, 0.4, 30, Game(0.5, 0.5))
        assert curved["formula"] is curved["limit"] is None and "quadratic" in curved["why"]
    assert "beyond" in study("extragradient", START, 1.5, 30)["why"]


def test_what_leaves_the_plane_is_cut_and_not_infinite():
    points = orbit("simultaneous", START, MAX_RATE, MAX_STEPS)
    foretold = predicted_radii("simultaneous", START, MAX_RATE, MAX_STEPS)
    kept = np.isfinite(points).all(1)
    assert 10 < kept.sum() < 200 and not np.isinf(points).any() and (np.diff(kept.astype(int)) <= 0).all()
    assert abs(int(np.isfinite(foretold).sum()) - int(kept.sum())) <= 1


def test_the_middle_is_a_fixed_point():
    for method in WAYS:
        assert not orbit(method, (0, 0), 0.5, 20).any() and not predicted(method, (0, 0), 0.5, 20).any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "alternatin"}, "alternating"),
        ({"method": None}, "Unknown method"),
        ({"rate": 0}, "rate must be above 0"),
        ({"rate": -0.1}, "rate must be above 0"),
        ({"rate": math.nan}, "rate must be a finite number"),
        ({"rate": "fast"}, "rate must be a finite number"),
        ({"rate": MAX_RATE + 1}, "at most 3"),
        ({"steps": MAX_STEPS + 1}, "between 1 and 1000"),
        ({"steps": 0}, "between 1 and 1000"),
        ({"steps": 2.5}, "whole number"),
        ({"steps": True}, "whole number"),
        ({"start": (math.inf, 0)}, "x must be a finite number"),
        ({"start": (0, 1e9)}, "y must be between"),
        ({"start": (1, 2, 3)}, "two numbers"),
        ({"start": 3}, "two numbers"),
        ({"gamma": -1}, "γ must be between"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(change: dict, says: str):
    call = {"method": "alternating", "start": START, "rate": 0.1, "steps": 10} | change
    with pytest.raises(UsageError, match=says) as caught:
        orbit(**call)
    assert str(caught.value).endswith((".", "?"))
    with pytest.raises(UsageError):
        study(**call)


def test_curvature_is_checked():
    for wrong in (-0.1, 2.1, math.nan, "1"):
        with pytest.raises(UsageError, match="curvature a"):
            Game(a=wrong)
