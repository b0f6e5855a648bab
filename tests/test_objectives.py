"""Objectives against formulas written independently in NumPy, their gradients, and the games they define."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

from playground.errors import UsageError
from playground.knobs import KNOBS
from playground.objectives import (
    DIVERGENCES,
    OBJECTIVES,
    density_ratios,
    find_divergence,
    find_objective,
    optimal_score,
)


def log_sigmoid(x):
    return -np.log1p(np.exp(-x))


# v ↦ g_f(v) and t ↦ f*(t) of the catalogue's table, composed by the tests and not by hand
ACTIVATION = {
    "kl": lambda v: v,
    "reverse-kl": lambda v: -np.exp(-v),
    "jensen-shannon": lambda v: np.log(2) - np.log1p(np.exp(-v)),
    "gan": lambda v: -np.log1p(np.exp(-v)),
    "pearson": lambda v: v,
    "hellinger": lambda v: 1 - np.exp(-v),
    "total-variation": lambda v: 0.5 * np.tanh(v),
}
CONJUGATE = {
    "kl": lambda t: np.exp(t - 1),
    "reverse-kl": lambda t: -1 - np.log(-t),
    "jensen-shannon": lambda t: -np.log(2 - np.exp(t)),
    "gan": lambda t: -np.log(1 - np.exp(t)),
    "pearson": lambda t: t**2 / 4 + t,
    "hellinger": lambda t: t / (1 - t),
    "total-variation": lambda t: t,
}


def ratios(fake):
    return np.exp(fake) / np.exp(fake).mean()


def f_gan_d(divergence):
    g, conjugate = ACTIVATION[divergence], CONJUGATE[divergence]
    return lambda r, f: -(g(r).mean() - conjugate(g(f)).mean())


def f_gan_g(divergence, form):
    g, conjugate = ACTIVATION[divergence], CONJUGATE[divergence]
    return lambda r, f: -conjugate(g(f)).mean() if form == "conjugate" else -g(f).mean()


def kl_wgan_d(form):
    if form == "hinge":
        return lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + ratios(f) * f).mean()
    return lambda r, f: (ratios(f) * f).mean() - r.mean()


def game_d(r, f):
    return -log_sigmoid(r).mean() - np.log(1 - 1 / (1 + np.exp(-f))).mean()


# (objective, options, D's loss, G's loss), each a function of (real, fake)
CASES = [
    ("minimax", {}, game_d, lambda r, f: np.log(1 - 1 / (1 + np.exp(-f))).mean()),
    ("non-saturating", {}, game_d, lambda r, f: -log_sigmoid(f).mean()),
    (
        "least-squares",
        {},
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
    ),
    ("wasserstein", {}, lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    (
        "hinge",
        {},
        lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
        lambda r, f: -f.mean(),
    ),
    *(
        ("f-gan", {"divergence": name, "generator_form": form}, f_gan_d(name), f_gan_g(name, form))
        for name in DIVERGENCES
        for form in ("conjugate", "direct")
    ),
    *(
        (
            "kl-wgan",
            {"form": form, "detach_ratio": detach},
            kl_wgan_d(form),
            lambda r, f: -(ratios(f) * f).mean(),
        )
        for form in ("hinge", "wasserstein")
        for detach in (False, True)
    ),
    (
        "relativistic",
        {},
        lambda r, f: -log_sigmoid(r - f).mean(),
        lambda r, f: -log_sigmoid(f - r).mean(),
    ),
    (
        "energy",
        {"margin": 0.7},
        lambda r, f: (-r).mean() + np.maximum(0, 0.7 + f).mean(),
        lambda r, f: (-f).mean(),
    ),
]
IDS = [f"{name}-{'-'.join(map(str, options.values()))}".rstrip("-") for name, options, _, _ in CASES]
every_case = pytest.mark.parametrize(("name", "options", "numpy_d", "numpy_g"), CASES, ids=IDS)


def scores(spread=1.0, n=12, seed=0, dtype=torch.float64):
    random = np.random.default_rng(seed)
    return tuple(torch.tensor(spread * random.normal(size=n), dtype=dtype, requires_grad=True) for _ in "rf")


def test_the_table_is_covered_and_consistent():
    assert {name for name, *_ in CASES} == set(OBJECTIVES)
    assert set(OBJECTIVES) == set(KNOBS["objective"].choices)
    assert set(DIVERGENCES) == set(KNOBS["divergence"].choices)
    for name, row in OBJECTIVES.items():
        assert row.name == name
        for text in (row.title, row.reference, row.formula_d, row.formula_g):
            assert text.strip()


@pytest.mark.parametrize("row", OBJECTIVES.values(), ids=OBJECTIVES)
def test_functions_accept_exactly_the_declared_options_with_the_knobs_defaults(row):
    knob_of = {"form": "kl_form"}
    soft = {"real_target", "fake_target"} if row.soft_targets else set()
    for function, extra in ((row.discriminator, soft), (row.generator, set())):
        keywords = {p.name: p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
        assert set(keywords) == set(row.options) | extra
        for option in row.options:
            assert keywords[option].default == KNOBS[knob_of.get(option, option)].default


@every_case
@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
def test_losses_equal_the_formulas(name, options, numpy_d, numpy_g, spread):
    real, fake = scores(spread)
    r, f = real.detach().numpy(), fake.detach().numpy()
    row = OBJECTIVES[name]
    d, g = row.discriminator(real, fake, **options), row.generator(fake, real, **options)
    assert d.shape == g.shape == ()
    assert d.item() == pytest.approx(numpy_d(r, f), rel=1e-10, abs=1e-12)
    assert g.item() == pytest.approx(numpy_g(r, f), rel=1e-10, abs=1e-12)


@every_case
def test_gradients_agree_with_finite_differences(name, options, numpy_d, numpy_g):
    row = OBJECTIVES[name]
    real, fake = scores()
    if options.get("detach_ratio"):
        options = {**options, "detach_ratio": False}  # a detached ratio is not the slope of the value, on purpose
    assert torch.autograd.gradcheck(lambda r, f: row.discriminator(r, f, **options), (real, fake))
    assert torch.autograd.gradcheck(lambda f: row.generator(f, real.detach(), **options), (fake,))


@every_case
def test_second_derivatives_exist_for_the_unrolled_game(name, options, numpy_d, numpy_g):
    row = OBJECTIVES[name]
    real, fake = scores(n=4)
    if options.get("detach_ratio"):
        options = {**options, "detach_ratio": False}
    # squared, so that the linear losses too have a second derivative
    assert torch.autograd.gradgradcheck(lambda r, f: row.discriminator(r, f, **options).square(), (real, fake))


@every_case
def test_undecided_d_raises_real_and_lowers_fake_and_g_raises_fake(name, options, numpy_d, numpy_g):
    """Near 0, where every discriminator starts; least squares is undecided halfway between its targets 0 and 1."""
    row = OBJECTIVES[name]
    undecided = 0.5 if name == "least-squares" else 0.0
    real, fake = (undecided + score for score in scores(0.05))
    to_real, to_fake = torch.autograd.grad(row.discriminator(real, fake, **options), (real, fake))
    assert (to_real < 0).all() and (to_fake > 0).all()
    (to_fake,) = torch.autograd.grad(row.generator(fake, real, **options), (fake,))
    assert (to_fake < 0).all()


@every_case
@pytest.mark.parametrize("level", [50.0, -50.0, 200.0, -200.0])
def test_float32_stays_finite_at_extreme_scores(name, options, numpy_d, numpy_g, level):
    row = OBJECTIVES[name]
    for mixed in (False, True):
        real = torch.full((8,), level, requires_grad=True)
        fake = torch.full((8,), -level if mixed else level, requires_grad=True)
        for loss in (row.discriminator(real, fake, **options), row.generator(fake, real, **options)):
            assert loss.dtype == torch.float32 and loss.isfinite()
            gradients = torch.autograd.grad(loss, (real, fake), allow_unused=True)
            assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


@every_case
def test_float32_is_accurate_at_scores_of_fifty(name, options, numpy_d, numpy_g):
    """The composed forms may not lose what the definition says: compare with float64 where that can be evaluated."""
    row = OBJECTIVES[name]
    levels = torch.tensor([-50.0, -20.0, -1.0, 1.0, 20.0, 50.0])
    for function in (row.discriminator, lambda a, b, **o: row.generator(b, a, **o)):
        narrow = function(levels, levels.flip(0), **options)
        wide = function(levels.double(), levels.flip(0).double(), **options)
        assert narrow.item() == pytest.approx(wide.item(), rel=1e-5)


@every_case
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtypes_are_kept_and_half_precision_is_widened(name, options, numpy_d, numpy_g, dtype):
    row = OBJECTIVES[name]
    real, fake = scores(dtype=dtype)
    expected = dtype if dtype in (torch.float32, torch.float64) else torch.float32
    assert row.discriminator(real, fake, **options).dtype == expected
    assert row.generator(fake, real, **options).dtype == expected


@every_case
def test_no_value_is_read_on_the_host(name, options, numpy_d, numpy_g):
    """Tensors without data can't answer `.item()` or an `if`: what runs on them never waits for a device."""
    row = OBJECTIVES[name]
    real, fake = (torch.empty(6, device="meta", requires_grad=True) for _ in "rf")
    row.discriminator(real, fake, **options).backward()
    row.generator(fake, real, **options).backward()


def test_scores_may_be_the_map_of_a_patch_discriminator():
    real, fake = (torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    for row in OBJECTIVES.values():
        torch.testing.assert_close(row.discriminator(real, fake), row.discriminator(real.flatten(), fake.flatten()))
        torch.testing.assert_close(row.generator(fake, real), row.generator(fake.flatten(), real.flatten()))


# --- what each objective is for


def test_minimax_saturates_where_the_non_saturating_loss_pulls():
    fake = torch.full((1,), -10.0, dtype=torch.float64, requires_grad=True)
    saturated = torch.autograd.grad(OBJECTIVES["minimax"].generator(fake), fake)[0].item()
    pulling = torch.autograd.grad(OBJECTIVES["non-saturating"].generator(fake), fake)[0].item()
    assert saturated == pytest.approx(-1 / (1 + math.exp(10)))  # −σ(−10) ≈ −4.5e-5
    assert pulling == pytest.approx(-1 / (1 + math.exp(-10)))  # −σ(10) ≈ −1
    # the two agree where D can't tell
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    slopes = [torch.autograd.grad(OBJECTIVES[n].generator(zero), zero)[0] for n in ("minimax", "non-saturating")]
    torch.testing.assert_close(*slopes)


def test_minimax_is_one_game_with_one_value():
    """D's loss is minus the value, and G minimises the only part of the value that it can reach."""
    real, fake = scores()
    row = OBJECTIVES["minimax"]
    reals_part = torch.nn.functional.logsigmoid(real).mean()
    torch.testing.assert_close(row.discriminator(real, fake), -(reals_part + row.generator(fake)))


@pytest.mark.parametrize("name", [name for name, row in OBJECTIVES.items() if row.soft_targets])
@pytest.mark.parametrize("real_target", [0.9, 1.2, "tensor"])
def test_soft_targets(name, real_target):
    real, fake = scores()
    r, f = real.detach().numpy(), fake.detach().numpy()
    random = np.random.default_rng(3)
    to_real = random.uniform(0.7, 1.2, 12) if real_target == "tensor" else np.full(12, real_target)
    to_fake = random.uniform(0.0, 0.3, 12)
    if name == "least-squares":
        expected = ((r - to_real) ** 2).mean() / 2 + ((f - to_fake) ** 2).mean() / 2
    else:

        def entropy(x, t):
            return -(t * log_sigmoid(x) + (1 - t) * log_sigmoid(-x)).mean()

        expected = entropy(r, to_real) + entropy(f, to_fake)
    given = torch.tensor(to_real) if real_target == "tensor" else real_target
    loss = OBJECTIVES[name].discriminator(real, fake, real_target=given, fake_target=torch.tensor(to_fake))
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def test_smoothing_gives_the_discriminator_a_finite_optimum():
    """With target 0.9 the score that minimises the reals' loss is log 9, not infinity."""
    real = torch.tensor([math.log(9.0)], dtype=torch.float64, requires_grad=True)
    loss = OBJECTIVES["non-saturating"].discriminator(real, torch.zeros(1, dtype=torch.float64), real_target=0.9)
    assert torch.autograd.grad(loss, real)[0].item() == pytest.approx(0.0, abs=1e-12)


def test_hinge_ignores_samples_beyond_the_margin():
    real = torch.tensor([0.9, 1.1], requires_grad=True)
    fake = torch.tensor([-0.9, -1.1], requires_grad=True)
    to_real, to_fake = torch.autograd.grad(OBJECTIVES["hinge"].discriminator(real, fake), (real, fake))
    assert to_real.tolist() == [-0.5, 0.0] and to_fake.tolist() == [0.5, 0.0]


def test_energy_ignores_fakes_beyond_the_margin():
    energy = torch.tensor([0.5, 1.5, 2.5])
    score = (-energy).requires_grad_(True)
    row = OBJECTIVES["energy"]
    loss = row.discriminator(torch.zeros(3), score, margin=2.0)
    assert loss.item() == pytest.approx((1.5 + 0.5 + 0.0) / 3)
    assert torch.autograd.grad(loss, score)[0].tolist() == pytest.approx([1 / 3, 1 / 3, 0.0])
    assert row.generator(score).item() == pytest.approx(energy.mean().item())


def test_density_ratios_are_positive_weights_of_mean_one():
    for level in (0.0, 1.0, 50.0):
        fake = level * torch.randn(64, generator=torch.Generator().manual_seed(0))
        weights = density_ratios(fake)
        assert (weights >= 0).all()
        assert weights.mean().item() == pytest.approx(1.0, rel=1e-5)
    torch.testing.assert_close(density_ratios(torch.tensor([0.0, math.log(3.0)])), torch.tensor([0.5, 1.5]))


def test_detached_ratios_give_the_slope_of_the_donsker_varadhan_bound():
    """With r held fixed, the Wasserstein form has the gradient of log E exp D(G) − E D(x), whose optimum is KL."""
    real, fake = scores()
    bound = fake.exp().mean().log() - real.mean()
    expected = torch.autograd.grad(bound, (real, fake))
    row = OBJECTIVES["kl-wgan"]
    loss = row.discriminator(real, fake, form="wasserstein", detach_ratio=True)
    for ours, theirs in zip(torch.autograd.grad(loss, (real, fake)), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    attached = row.discriminator(real, fake, form="wasserstein", detach_ratio=False)
    assert not torch.allclose(torch.autograd.grad(attached, fake)[0], expected[1])


def test_relativistic_losses_see_differences_only():
    real, fake = scores()
    row = OBJECTIVES["relativistic"]
    torch.testing.assert_close(row.discriminator(real + 7, fake + 7), row.discriminator(real, fake))
    (to_real,) = torch.autograd.grad(row.generator(fake, real), real)
    assert (to_real > 0).all()  # G gains by making reals look less real, too
    with pytest.raises(UsageError, match="real scores"):
        row.generator(fake)
    with pytest.raises(UsageError, match="as many real scores"):
        row.discriminator(real, fake[:5])


# --- optima on two known distributions

P = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
Q = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
U = P / Q
DIRECT = {
    "kl": (P * (P / Q).log()).sum(),
    "reverse-kl": (Q * (Q / P).log()).sum(),
    "jensen-shannon": (P * (2 * P / (P + Q)).log()).sum() + (Q * (2 * Q / (P + Q)).log()).sum(),
    "gan": (P * (P / (P + Q)).log()).sum() + (Q * (Q / (P + Q)).log()).sum(),
    "pearson": ((P - Q) ** 2 / Q).sum(),
    "hellinger": ((P.sqrt() - Q.sqrt()) ** 2).sum(),
    "total-variation": 0.5 * (P - Q).abs().sum(),
}


def expected_d_loss(name, score, **options):
    """D's loss under P and Q exactly: state i is drawn P_i (Q_i) of the time, here as often among 100 samples."""
    real = score.repeat_interleave((100 * P).round().long())
    fake = score.repeat_interleave((100 * Q).round().long())
    return OBJECTIVES[name].discriminator(real, fake, **options)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_f_gan_bound_is_attained_and_equals_the_divergence(divergence):
    score = optimal_score("f-gan", U.log(), divergence=divergence)
    value = -expected_d_loss("f-gan", score, divergence=divergence)
    torch.testing.assert_close(value, DIRECT[divergence], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close((Q * DIVERGENCES[divergence].f(U)).sum(), DIRECT[divergence])


OPTIMA = [
    ("minimax", {}),
    ("non-saturating", {}),
    ("least-squares", {}),
    ("hinge", {}),
    ("energy", {"margin": 1.5}),
    *(("f-gan", {"divergence": name}) for name in DIVERGENCES),
]


@pytest.mark.parametrize(
    ("name", "options"), OPTIMA, ids=lambda v: v if isinstance(v, str) else "".join(map(str, v.values()))
)
def test_the_optimal_score_minimises_d(name, options):
    score = optimal_score(name, U.log(), **options)
    best = expected_d_loss(name, score, **options).item()
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 0.1, 1.0):
        for _ in range(20):
            moved = score + size * torch.randn(4, dtype=torch.float64, generator=generator)
            if name == "energy":
                moved = moved.clamp(max=0)  # an energy is never negative
            assert expected_d_loss(name, moved, **options).item() >= best - 1e-12
    # and a numerical search from elsewhere ends there
    if name in ("minimax", "non-saturating", "least-squares") or options.get("divergence") in ("kl", "pearson", "gan"):
        free = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        search = torch.optim.LBFGS([free], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

        def closure():
            search.zero_grad()
            loss = expected_d_loss(name, free, **options)
            loss.backward()
            return loss

        search.step(closure)
        torch.testing.assert_close(free.detach(), score, rtol=1e-4, atol=1e-5)


def test_the_relativistic_optimum_is_the_log_ratio():
    """Over all pairs of a real and a fake state; a constant added to every score changes nothing."""

    def loss(score):
        real, fake = torch.meshgrid(score, score, indexing="ij")
        per_pair = torch.stack(
            [
                OBJECTIVES["relativistic"].discriminator(r, f)
                for r, f in zip(real.reshape(-1, 1), fake.reshape(-1, 1), strict=True)
            ]
        )
        return (torch.outer(P, Q).flatten() * per_pair).sum()

    score = optimal_score("relativistic", U.log()).requires_grad_(True)
    (slope,) = torch.autograd.grad(loss(score), score)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)
    torch.testing.assert_close(loss(score + 3), loss(score))


def test_optimal_scores_name_the_probability():
    log_ratio = torch.tensor([-2.0, 0.0, 1.0])
    probability = 1 / (1 + (-log_ratio).exp())  # p/(p+q)
    torch.testing.assert_close(optimal_score("minimax", log_ratio).sigmoid(), probability)
    torch.testing.assert_close(optimal_score("least-squares", log_ratio), probability)
    assert optimal_score("hinge", log_ratio).tolist() == [-1.0, 0.0, 1.0]


def test_what_is_unknown_or_impossible_is_said():
    for name in ("wasserstein", "kl-wgan"):
        with pytest.raises(UsageError, match="no optimum"):
            optimal_score(name, torch.zeros(1))
    with pytest.raises(UsageError, match="option"):
        optimal_score("hinge", torch.zeros(1), margin=1.0)
    with pytest.raises(UsageError, match="'hinge'"):
        find_objective("hinje")
    with pytest.raises(UsageError, match="'pearson'"):
        find_divergence("pierson")
    with pytest.raises(UsageError, match="divergence"):
        OBJECTIVES["f-gan"].generator(torch.zeros(2), divergence="chi")
    with pytest.raises(UsageError, match="form"):
        OBJECTIVES["kl-wgan"].discriminator(torch.zeros(2), torch.zeros(2), form="hing")
    with pytest.raises(UsageError, match="form"):
        OBJECTIVES["f-gan"].generator(torch.zeros(2), generator_form="conjugat")
