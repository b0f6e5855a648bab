"""The divergences: closed forms, what every divergence owes, derivatives, and where BCE's gradient vanishes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, wasserstein_distance

from playground.errors import UsageError
from playground.labs.divergences import (
    LOG2,
    LOSSES,
    MAX_SWEEP,
    NAMES,
    Mixture,
    closed_forms,
    compare,
    discriminator,
    sample_gradients,
    sweep,
    vanishing,
    window,
)


def gaussian(mean: float, sigma: float = 1.0) -> Mixture:
    return Mixture((mean,), (sigma,))


TWO = Mixture((-2.0, 2.0), (0.5, 0.5))
THREE = Mixture((-3.0, 0.5, 4.0), (0.7, 1.5, 0.3), (0.2, 0.5, 0.3))
FOUR = Mixture((-4, -1, 1, 4), (0.2, 0.6, 0.6, 2.0), (1, 2, 3, 4))
PAIRS = {
    "near": (gaussian(0), gaussian(0.7, 1.4)),
    "equal sigmas": (gaussian(-1, 0.8), gaussian(1.5, 0.8)),
    "far": (gaussian(-4, 0.5), gaussian(4, 0.5)),
    "narrow": (gaussian(0, 2), gaussian(0.3, 0.06)),
    "one of two": (TWO, gaussian(-2, 0.5)),
    "bridge": (TWO, gaussian(0, 2)),
    "mixtures": (THREE, FOUR),
    "kinked": (gaussian(0), Mixture((-9, 9), (0.5, 0.5))),
    "no weight": (Mixture((0, 5), (1, 1), (1, 0)), THREE),
}
SINGLE = [name for name, pair in PAIRS.items() if all(one.single for one in pair)]


def near(found: float, wanted: float, relative: float = 1e-6) -> bool:
    return found == pytest.approx(wanted, rel=relative, abs=1e-9)


@pytest.mark.parametrize("name", SINGLE)
def test_single_gaussians_have_their_closed_forms(name: str):
    p, q = PAIRS[name]
    found = compare(p, q)
    assert {"kl", "reverse_kl", "w1", "w2"} <= set(found.closed)
    for kind, value in found.closed.items():
        assert near(found.value[kind], value, 1e-9), kind


def test_the_closed_forms_are_the_known_ones():
    found = closed_forms(gaussian(1, 2), gaussian(4, 3))
    assert found["kl"] == pytest.approx(math.log(3 / 2) + (4 + 9) / 18 - 0.5)
    assert found["reverse_kl"] == pytest.approx(math.log(2 / 3) + (9 + 9) / 8 - 0.5)
    assert found["w2"] == pytest.approx(math.sqrt(9 + 1)) and "tv" not in found
    moved = closed_forms(gaussian(0, 0.5), gaussian(1, 0.5))
    assert moved["w1"] == 1 and moved["tv"] == pytest.approx(norm.cdf(1) - norm.cdf(-1))
    assert closed_forms(TWO, gaussian(0)) == {} and compare(TWO, gaussian(0)).value["w2"] is None


@pytest.mark.parametrize("name", PAIRS)
def test_values_are_those_of_an_independent_integration(name: str):
    """Sums over half a million points, of the densities of scipy."""
    p, q = PAIRS[name]
    low, high = window(p, q)
    x, step = np.linspace(1.5 * low - 0.5 * high, 1.5 * high - 0.5 * low, 500_000, retstep=True)

    def logs(one: Mixture) -> np.ndarray:
        rows = [
            np.log(w) + norm.logpdf(x, m, s) for m, s, w in zip(one.means, one.sigmas, one.weights, strict=True) if w
        ]
        return np.logaddexp.reduce(rows)

    lp, lq = logs(p), logs(q)
    a, b, middle = np.exp(lp), np.exp(lq), np.logaddexp(lp, lq) - LOG2
    found = compare(p, q).value
    assert near(found["kl"], step * (a @ (lp - lq)))
    assert near(found["reverse_kl"], step * (b @ (lq - lp)))
    assert near(found["js"], 0.5 * step * (a @ (lp - middle) + b @ (lq - middle)))
    assert near(found["tv"], 0.5 * step * np.abs(a - b).sum())
    assert near(found["w1"], step * np.abs(np.cumsum(a - b) * step - 0.5 * step * (a - b)).sum())


@pytest.mark.parametrize("name", PAIRS)
def test_symmetries_bounds_and_inequalities(name: str):
    p, q = PAIRS[name]
    there, back = compare(p, q).value, compare(q, p).value
    for kind in ("js", "tv", "w1"):
        assert near(there[kind], back[kind], 1e-9), f"{kind} is symmetric"
    assert near(there["kl"], back["reverse_kl"]) and near(there["reverse_kl"], back["kl"])
    assert 0 <= there["js"] <= LOG2 and 0 <= there["tv"] <= 1
    assert there["tv"] <= math.sqrt(there["kl"] / 2) + 1e-9, "Pinsker"
    assert there["tv"] ** 2 / 2 <= there["js"] + 1e-9 and there["js"] <= there["tv"] * LOG2 + 1e-9
    assert there["w1"] >= abs(p.mean - q.mean) - 1e-9, "Jensen"


@pytest.mark.parametrize("name", PAIRS)
def test_moving_and_scaling_both_changes_only_what_has_a_unit(name: str):
    p, q = PAIRS[name]

    def larger(one: Mixture) -> Mixture:
        return Mixture(tuple(1.5 * m + 3 for m in one.means), tuple(1.5 * s for s in one.sigmas), one.weights)

    before, after = compare(p, q).value, compare(larger(p), larger(q)).value
    for kind in ("kl", "reverse_kl", "js", "tv"):
        assert near(before[kind], after[kind]), kind
    assert near(1.5 * before["w1"], after["w1"])


@pytest.mark.parametrize("one", [gaussian(0), TWO, THREE, FOUR], ids=["one", "two", "three", "four"])
def test_nothing_is_apart_from_itself_and_copies_are_a_shift_apart(one: Mixture):
    found = compare(one, one)
    assert all(abs(value) < 1e-12 for value in found.value.values() if value is not None)
    assert found.shift["kl"] == pytest.approx(0, abs=1e-12) and found.shift["w1"] is found.scale["tv"] is None
    for shift in (-6.0, 0.01, 2.5):
        moved = compare(one, one.moved(shift))
        assert moved.value["w1"] == pytest.approx(abs(shift)) and moved.shift["w1"] == pytest.approx(np.sign(shift))
    split = Mixture((*one.means[:3], one.means[0]), (*one.sigmas[:3], one.sigmas[0]), (*one.weights[:3], 1e-300))
    assert compare(Mixture(one.means[:3], one.sigmas[:3], one.weights[:3]), split).value["js"] < 1e-12


@pytest.mark.parametrize("name", PAIRS)
def test_derivatives_are_those_of_the_values(name: str):
    p, q = PAIRS[name]
    found, step = compare(p, q), 1e-4
    for kind, slope, ends in (
        ("shift", found.shift, [compare(p, q.moved(shift=by)).value for by in (-step, step)]),
        ("scale", found.scale, [compare(p, q.moved(scale=1 + by)).value for by in (-step, step)]),
    ):
        for name in NAMES:
            if found.value[name] is None:
                assert slope[name] is None
                continue
            wanted = (ends[1][name] - ends[0][name]) / (2 * step)
            assert slope[name] == pytest.approx(wanted, rel=2e-4, abs=2e-6), f"{kind} of {name}"


def test_the_derivatives_of_two_gaussians_have_closed_forms():
    p, q = gaussian(-1, 0.7), gaussian(2, 1.3)
    found = compare(p, q)
    assert found.shift["kl"] == pytest.approx(3 / 1.3**2) and found.shift["reverse_kl"] == pytest.approx(3 / 0.7**2)
    assert found.scale["kl"] == pytest.approx(1 - (0.7**2 + 9) / 1.3**2)
    assert found.scale["reverse_kl"] == pytest.approx(1.3**2 / 0.7**2 - 1)
    assert found.shift["w2"] == pytest.approx(3 / math.hypot(3, 0.6))


def test_w1_is_that_of_samples():
    u = (np.arange(20_000) + 0.5) / 20_000
    x, y = norm.ppf(u, 0, 1), np.where(u < 0.5, norm.ppf(np.minimum(2 * u, 1 - 1e-9), -2, 0.5), 0)
    y = np.where(u < 0.5, y, norm.ppf(np.maximum(2 * u - 1, 1e-9), 2, 0.5))
    assert compare(gaussian(0), TWO).value["w1"] == pytest.approx(wasserstein_distance(x, y), rel=2e-3)


def test_supports_that_hardly_touch_give_large_but_finite_numbers():
    """Both densities underflow to 0 between them; logarithms don't."""
    p, q = gaussian(-20, 0.05), gaussian(20, 0.05)
    assert math.exp(-0.5 * 800**2) == 0.0
    found = compare(p, q)
    assert found.value["kl"] == pytest.approx(0.5 * 800**2) and found.shift["kl"] == pytest.approx(40 / 0.05**2)
    assert found.value["js"] == pytest.approx(LOG2) and abs(found.shift["js"]) < 1e-12
    assert found.value["tv"] == pytest.approx(1) and found.value["w1"] == pytest.approx(40)
    assert found.shift["w1"] == pytest.approx(1)
    x = np.linspace(-20, 20, 81)
    for gradient in sample_gradients(p, q, x).values():
        assert np.isfinite(gradient).all()
    seen = discriminator(p, q, x)
    assert seen[0] == 1 and seen[-1] == 0 and seen[40] == pytest.approx(0.5) and np.isfinite(seen).all()
    lost = vanishing(p, q)
    assert lost["saturating"]["share"] == pytest.approx(1) and lost["wasserstein"]["share"] == 0


def test_js_saturates_kl_grows_as_the_square_and_w1_with_the_distance():
    t = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0])
    found = sweep(gaussian(0), gaussian(0), t)
    assert np.allclose(found["kl"], t**2 / 2, rtol=1e-3) and np.allclose(found["reverse_kl"], t**2 / 2, rtol=1e-3)
    assert np.allclose(found["w1"], t) and np.allclose(found["w2"], t)
    assert found["js"][-1] == pytest.approx(LOG2) and (np.diff(found["js"]) > 0).all()
    assert found["js"][4] > 0.999 * LOG2 and np.allclose(found["tv"], 2 * norm.cdf(t / 2) - 1, atol=2e-3)


@pytest.mark.parametrize("name", PAIRS)
def test_a_sweep_passes_through_the_exact_values(name: str):
    p, q = PAIRS[name]
    shifts = [-5.0, -0.4, 0.0, 1.3, 6.0]
    found = sweep(p, q, shifts)
    assert ("w2" in found) == (name in SINGLE)
    for row, shift in enumerate(shifts):
        exact = compare(p, q.moved(shift)).value
        for kind, values in found.items():
            assert values[row] == pytest.approx(exact[kind], rel=0.01, abs=0.003), (kind, shift)


# --- the discriminator and what it gives to the samples


def test_the_optimal_discriminator_weighs_the_densities():
    p, q = gaussian(-1), gaussian(1, 2)
    x = np.linspace(-5, 5, 21)
    a, b = norm.pdf(x, -1, 1), norm.pdf(x, 1, 2)
    assert np.allclose(discriminator(p, q, x), a / (a + b))
    # its value of the game is 2 JS - 2 log 2 (Goodfellow et al. 2014, theorem 1)
    grid = np.linspace(-30, 30, 60_001)
    seen = np.clip(discriminator(p, q, grid), 1e-300, 1 - 1e-16)
    a, b = norm.pdf(grid, -1, 1), norm.pdf(grid, 1, 2)
    value = np.trapezoid(a * np.log(seen) + b * np.log1p(-seen), grid)
    assert value == pytest.approx(2 * compare(p, q).value["js"] - 2 * LOG2, abs=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_sample_gradients_are_the_slopes_of_the_losses(name: str):
    p, q = PAIRS[name]
    x, step = np.linspace(*window(p, q), 40)[1:-1], 1e-5

    def loss(at: np.ndarray) -> dict[str, np.ndarray]:
        gap = p.log_pdf(at) - q.log_pdf(at)
        return {"saturating": -np.logaddexp(0, gap), "non_saturating": np.logaddexp(0, -gap)}

    found, above, below = sample_gradients(p, q, x), loss(x + step), loss(x - step)
    for kind in ("saturating", "non_saturating"):
        assert np.allclose(found[kind], (above[kind] - below[kind]) / (2 * step), rtol=1e-3, atol=1e-3), kind
    assert set(np.unique(found["wasserstein"])) <= {-1.0, 1.0}


@pytest.mark.parametrize("name", PAIRS)
def test_the_mean_pull_is_the_gradient_of_what_the_loss_minimises(name: str):
    """log(1 - D*) descends 2 JS, -log D* descends KL(Q|P) - 2 JS (Arjovsky & Bottou, theorem 2.5), the critic W1."""
    p, q = PAIRS[name]
    found, pulls = compare(p, q).shift, vanishing(p, q, 8001)
    for kind, wanted in (
        ("saturating", 2 * found["js"]),
        ("non_saturating", found["reverse_kl"] - 2 * found["js"]),
        ("wasserstein", found["w1"]),
    ):
        assert pulls[kind]["pull"] == pytest.approx(wanted, rel=2e-3, abs=5e-3), kind


def test_bce_saturates_where_the_bumps_are_apart_and_wasserstein_never():
    shares = [vanishing(gaussian(0), gaussian(t))["saturating"]["share"] for t in (0.5, 2, 4, 6, 9)]
    assert shares[0] < 0.2 and all(np.diff(shares[1:]) > 0) and shares[-1] > 0.99
    far = vanishing(gaussian(0), gaussian(9))
    assert far["non_saturating"]["share"] < 0.01 and far["wasserstein"]["share"] == 0
    assert far["wasserstein"]["regions"] == [] and far["wasserstein"]["mean"] == pytest.approx(1)
    assert any(a < 9 < b for a, b in far["saturating"]["regions"]), "where the generator is"
    assert far["saturating"]["mean"] < 1e-3 * far["saturating"]["largest"]


def test_where_nothing_is_left_to_learn_nothing_has_vanished():
    for kind, found in vanishing(TWO, TWO).items():
        assert found["share"] is None and found["regions"] == [] and found["largest"] == 0, kind
    assert set(vanishing(TWO, THREE)) == set(LOSSES)


def test_where_two_are_even_the_critic_still_has_a_slope():
    for kind, found in vanishing(Mixture((-3, 3), (0.7, 0.7)), gaussian(0, 3.1)).items():
        assert found["pull"] == pytest.approx(0, abs=1e-9)
        assert (found["share"] == 0) == (kind == "wasserstein"), "0 between the two, by symmetry"
    turned = Mixture((4.0, 0.5, -3.0), (0.3, 1.5, 0.7), (0.3, 0.5, 0.2))
    assert all(found["share"] is None for found in vanishing(THREE, turned).values()), "the same, in another order"


# --- wrong input


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (((), ()), "list of 1 to 4"),
        (((1, 2, 3, 4, 5), (1,) * 5), "list of 1 to 4"),
        (((0,), (1, 2)), "as many means as sigmas"),
        (((0,), (1,), (1, 1)), "as many means as sigmas"),
        (((math.nan,), (1,)), "means of the mixture must be finite"),
        ((("0",), (1,)), "finite numbers"),
        (((True,), (1,)), "finite numbers"),
        (((21,), (1,)), "between -20 and 20, not 21"),
        (((0,), (0,)), "between 0.05 and 10"),
        (((0,), (-1,)), "sigmas of the mixture"),
        (((0,), (1,), (-1,)), "weights of the mixture"),
        (((0, 1), (1, 1), (0, 0)), "above 0"),
        ((3, (1,)), "as a list"),
    ],
)
def test_wrong_mixtures_are_refused_in_a_sentence(call: tuple, says: str):
    with pytest.raises(UsageError, match=says) as caught:
        Mixture(*call)
    assert str(caught.value).endswith(".") and str(caught.value)[0].isupper()


def test_wrong_sweeps_are_refused_in_a_sentence():
    for shifts in ([], [0.0] * (MAX_SWEEP + 1), [math.inf]):
        with pytest.raises(UsageError, match="shifts"):
            sweep(TWO, TWO, shifts)


def test_weights_are_shares():
    assert Mixture((0, 1), (1, 1), (3, 1)).weights == (0.75, 0.25)
    x = np.linspace(-5, 6, 12)
    assert np.allclose(np.exp(THREE.log_pdf(x)), sum(
        w * norm.pdf(x, m, s) for m, s, w in zip(THREE.means, THREE.sigmas, THREE.weights, strict=True)))  # fmt: skip
    assert np.allclose(THREE.cdf(x) + THREE.tail(x), 1)
