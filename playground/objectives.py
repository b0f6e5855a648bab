r"""Objectives: what the discriminator and the generator each minimise, as pure functions of scores.

D(x) is the score of a sample: a logit where D is a probability after a sigmoid, any number where D is a critic. Every
loss is a batch mean over real scores plus a batch mean over fake scores, as in the game of Goodfellow et al. 2014:

    \min_G \max_D  E_x[log σ(D(x))] + E_z[log(1 − σ(D(G(z))))]

Scores of any shape will do ([N], or the map [N, 1, H, W] of a patch discriminator): each element counts as one sample.
Losses are computed in float32 at least, in float64 when the scores are; they hold no state, wait for no device and can
be differentiated twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from playground.errors import UsageError, unknown

EXPONENT_LIMIT = 50.0
"""Beyond this exponent exp is continued by its tangent: e^50 ≈ 5e21 leaves float32 room, and the slope stays."""


@dataclass(frozen=True)
class Objective:
    """One row of the table.

    `discriminator(real, fake, **options)` and `generator(fake, real=None, **options)` return scalars to minimise; both
    accept exactly the keywords named in `options`, and the discriminator also `real_target` and `fake_target` (floats
    or tensors shaped like the scores) where `soft_targets` is set.
    """

    name: str
    title: str
    reference: str
    discriminator: Callable[..., Tensor]
    generator: Callable[..., Tensor]
    formula_d: str
    formula_g: str
    soft_targets: bool = False
    critic: bool = False
    relativistic: bool = False
    energy: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Divergence:
    """One f-divergence D_f(P‖Q) = E_q[f(p/q)] and its variational form E_p[g(v)] − E_q[f*(g(v))], v = D(x).

    `conjugate` is the composition f*(g(v)), simplified by hand so that it neither overflows early nor cancels;
    `optimal` maps log p/q to the v = g⁻¹(f'(p/q)) that attains the bound.
    """

    name: str
    title: str
    f: Callable[[Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]
    optimal: Callable[[Tensor], Tensor]
    formula_f: str
    formula_activation: str
    formula_conjugate: str


# --- building blocks


def _wide(score: Tensor) -> Tensor:
    """Scores in float32 or float64: batch means of 16-bit numbers lose the small gradients."""
    return score if score.dtype in (torch.float32, torch.float64) else score.float()


def _softplus(score: Tensor) -> Tensor:
    """log(1 + e^x). Unlike `F.softplus`, which turns linear at 20, exact everywhere; so are its derivatives."""
    return -F.logsigmoid(-score)


def _exp(exponent: Tensor) -> Tensor:
    """e^x up to EXPONENT_LIMIT and its tangent above: finite, and a runaway score is still pulled back."""
    return exponent.clamp(max=EXPONENT_LIMIT).exp() * (1 + F.relu(exponent - EXPONENT_LIMIT))


# --- B1, B2: the original game


def _cross_entropy_d(
    real: Tensor, fake: Tensor, *, real_target: Tensor | float = 1.0, fake_target: Tensor | float = 0.0
) -> Tensor:
    real, fake = _wide(real), _wide(fake)
    # −t·log σ(x) − (1−t)·log(1−σ(x)), in each of two equal forms the one that cancels nothing at the hard target
    loss_real = _softplus(-real) + (1 - real_target) * real
    loss_fake = _softplus(fake) - fake_target * fake
    return loss_real.mean() + loss_fake.mean()


def _minimax_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    return -_softplus(_wide(fake)).mean()


def _non_saturating_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    return _softplus(-_wide(fake)).mean()


# --- B3: least squares


def _least_squares_d(
    real: Tensor, fake: Tensor, *, real_target: Tensor | float = 1.0, fake_target: Tensor | float = 0.0
) -> Tensor:
    return 0.5 * (_wide(real) - real_target).square().mean() + 0.5 * (_wide(fake) - fake_target).square().mean()


def _least_squares_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    return 0.5 * (_wide(fake) - 1).square().mean()


# --- B4, B5: critics


def _wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    return _wide(fake).mean() - _wide(real).mean()


def _hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - _wide(real)).mean() + F.relu(1 + _wide(fake)).mean()


def _raise_score_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    return -_wide(fake).mean()


# --- B6: f-GAN

_LOG2 = math.log(2.0)

_DIVERGENCES = (
    Divergence(
        "kl", "Kullback-Leibler",
        f=lambda u: torch.xlogy(u, u),
        activation=lambda v: v,
        conjugate=lambda v: _exp(v - 1),
        optimal=lambda log_ratio: 1 + log_ratio,
        formula_f=r"u \log u", formula_activation=r"v", formula_conjugate=r"e^{t-1}",
    ),
    Divergence(
        "reverse-kl", "reverse Kullback-Leibler",
        f=lambda u: -u.log(),
        activation=lambda v: -_exp(-v),
        conjugate=lambda v: v - 1,
        optimal=lambda log_ratio: log_ratio,
        formula_f=r"-\log u", formula_activation=r"-e^{-v}", formula_conjugate=r"-1-\log(-t)",
    ),
    Divergence(
        "jensen-shannon", "Jensen-Shannon (twice)",
        f=lambda u: torch.xlogy(u, u) - (1 + u) * ((1 + u) / 2).log(),
        activation=lambda v: _LOG2 - _softplus(-v),
        conjugate=lambda v: _softplus(v) - _LOG2,
        optimal=lambda log_ratio: log_ratio,
        formula_f=r"u \log u - (1+u)\log\tfrac{1+u}{2}",
        formula_activation=r"\log 2 - \log(1+e^{-v})", formula_conjugate=r"-\log(2-e^t)",
    ),
    Divergence(
        "gan", "GAN (twice Jensen-Shannon − log 4)",
        f=lambda u: torch.xlogy(u, u) - (1 + u) * u.log1p(),
        activation=lambda v: -_softplus(-v),
        conjugate=_softplus,
        optimal=lambda log_ratio: log_ratio,
        formula_f=r"u \log u - (1+u)\log(1+u)",
        formula_activation=r"-\log(1+e^{-v})", formula_conjugate=r"-\log(1-e^t)",
    ),
    Divergence(
        "pearson", "Pearson χ²",
        f=lambda u: (u - 1).square(),
        activation=lambda v: v,
        conjugate=lambda v: 0.25 * v.square() + v,
        optimal=lambda log_ratio: 2 * (_exp(log_ratio) - 1),
        formula_f=r"(u-1)^2", formula_activation=r"v", formula_conjugate=r"\tfrac{1}{4}t^2+t",
    ),
    Divergence(
        "hellinger", "squared Hellinger",
        f=lambda u: (u.sqrt() - 1).square(),
        activation=lambda v: 1 - _exp(-v),
        conjugate=lambda v: _exp(v) - 1,
        optimal=lambda log_ratio: 0.5 * log_ratio,
        formula_f=r"(\sqrt u-1)^2", formula_activation=r"1-e^{-v}", formula_conjugate=r"\tfrac{t}{1-t}",
    ),
    Divergence(
        "total-variation", "total variation",
        f=lambda u: 0.5 * (u - 1).abs(),
        activation=lambda v: 0.5 * v.tanh(),
        conjugate=lambda v: 0.5 * v.tanh(),
        # the bound is attained at ±∞ only; tanh 20 is 1 to double precision
        optimal=lambda log_ratio: 20 * log_ratio.sign(),
        formula_f=r"\tfrac{1}{2}|u-1|", formula_activation=r"\tfrac{1}{2}\tanh v", formula_conjugate=r"t",
    ),
)  # fmt: skip

DIVERGENCES: dict[str, Divergence] = {row.name: row for row in _DIVERGENCES}

GENERATOR_FORMS = ("conjugate", "direct")
KL_FORMS = ("hinge", "wasserstein")


def find_divergence(name: str) -> Divergence:
    """The f-divergence called `name`; raises UsageError with the nearest name."""
    if name not in DIVERGENCES:
        raise unknown("divergence", name, DIVERGENCES)
    return DIVERGENCES[name]


def _check_form(kind: str, form: str, forms: tuple[str, ...]) -> None:
    if form not in forms:
        raise unknown(kind, form, forms)


def _f_gan_d(real: Tensor, fake: Tensor, *, divergence: str = "kl", generator_form: str = "direct") -> Tensor:
    _check_form("generator form", generator_form, GENERATOR_FORMS)
    row = find_divergence(divergence)
    return row.conjugate(_wide(fake)).mean() - row.activation(_wide(real)).mean()


def _f_gan_g(
    fake: Tensor, real: Tensor | None = None, *, divergence: str = "kl", generator_form: str = "direct"
) -> Tensor:
    _check_form("generator form", generator_form, GENERATOR_FORMS)
    row = find_divergence(divergence)
    return -(row.conjugate if generator_form == "conjugate" else row.activation)(_wide(fake)).mean()


# --- B7: KL-WGAN


def density_ratios(fake: Tensor, detach: bool = False) -> Tensor:
    """r_i = exp(D(G_i)) / mean_j exp(D(G_j)), the estimated p/q at each fake: positive, with mean 1; shaped as `fake`.

    Song & Ermon 2020 (arXiv 1910.09779). A softmax times the number of fakes, so no exponential overflows.
    """
    fake = _wide(fake)
    ratios = fake.numel() * fake.flatten().softmax(0).view(fake.shape)
    return ratios.detach() if detach else ratios


def _kl_wgan_d(real: Tensor, fake: Tensor, *, form: str = "hinge", detach_ratio: bool = False) -> Tensor:
    _check_form("KL-WGAN form", form, KL_FORMS)
    real, fake = _wide(real), _wide(fake)
    weighted = density_ratios(fake, detach_ratio) * fake
    if form == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + weighted).mean()
    return weighted.mean() - real.mean()


def _kl_wgan_g(fake: Tensor, real: Tensor | None = None, *, form: str = "hinge", detach_ratio: bool = False) -> Tensor:
    _check_form("KL-WGAN form", form, KL_FORMS)
    fake = _wide(fake)
    return -(density_ratios(fake, detach_ratio) * fake).mean()


# --- B8: relativistic pairing


def _paired(real: Tensor | None, fake: Tensor) -> tuple[Tensor, Tensor]:
    if real is None:
        raise UsageError("The relativistic objective compares pairs: give the generator's loss the real scores too.")
    if real.shape != fake.shape:
        raise UsageError(
            "The relativistic objective compares pairs: it needs as many real scores as fake ones, "
            f"not {tuple(real.shape)} and {tuple(fake.shape)}."
        )
    return _wide(real), _wide(fake)


def _relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    real, fake = _paired(real, fake)
    return _softplus(fake - real).mean()


def _relativistic_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    real, fake = _paired(real, fake)
    return _softplus(real - fake).mean()


# --- B9: energy-based


def _energy_d(real: Tensor, fake: Tensor, *, margin: float = 1.0) -> Tensor:
    return F.relu(margin + _wide(fake)).mean() - _wide(real).mean()


def _energy_g(fake: Tensor, real: Tensor | None = None, *, margin: float = 1.0) -> Tensor:
    return -_wide(fake).mean()


_CROSS_ENTROPY = r"\mathbb{E}\,\mathrm{sp}(-D(x)) + \mathbb{E}\,\mathrm{sp}(D(G(z)))"
_RAISE_SCORE = r"-\mathbb{E}\,D(G(z))"

_OBJECTIVES = (
    Objective(
        "minimax", "Minimax (saturating)", "Goodfellow et al. 2014, arXiv 1406.2661",
        _cross_entropy_d, _minimax_g,
        _CROSS_ENTROPY, r"-\mathbb{E}\,\mathrm{sp}(D(G(z))) = \mathbb{E}\log(1-\sigma(D(G(z))))",
        soft_targets=True,
    ),
    Objective(
        "non-saturating", "Non-saturating", "Goodfellow et al. 2014, section 3, arXiv 1406.2661",
        _cross_entropy_d, _non_saturating_g,
        _CROSS_ENTROPY, r"\mathbb{E}\,\mathrm{sp}(-D(G(z))) = -\mathbb{E}\log\sigma(D(G(z)))",
        soft_targets=True,
    ),
    Objective(
        "least-squares", "Least squares", "Mao et al. 2017, arXiv 1611.04076",
        _least_squares_d, _least_squares_g,
        r"\tfrac{1}{2}\mathbb{E}(D(x)-1)^2 + \tfrac{1}{2}\mathbb{E}\,D(G(z))^2",
        r"\tfrac{1}{2}\mathbb{E}(D(G(z))-1)^2",
        soft_targets=True, critic=True,
    ),
    Objective(
        "wasserstein", "Wasserstein", "Arjovsky, Chintala & Bottou 2017, arXiv 1701.07875",
        _wasserstein_d, _raise_score_g,
        r"\mathbb{E}\,D(G(z)) - \mathbb{E}\,D(x)", _RAISE_SCORE,
        critic=True,
    ),
    Objective(
        "hinge", "Hinge", "Lim & Ye 2017, arXiv 1705.02894",
        _hinge_d, _raise_score_g,
        r"\mathbb{E}\max(0, 1-D(x)) + \mathbb{E}\max(0, 1+D(G(z)))", _RAISE_SCORE,
        critic=True,
    ),
    Objective(
        "f-gan", "f-GAN", "Nowozin, Cseke & Tomioka 2016, arXiv 1606.00709",
        _f_gan_d, _f_gan_g,
        r"-\left[\mathbb{E}\,g_f(D(x)) - \mathbb{E}\,f^*(g_f(D(G(z))))\right]",
        r"-\mathbb{E}\,f^*(g_f(D(G(z)))) \;\text{ or }\; -\mathbb{E}\,g_f(D(G(z)))",
        critic=True, options=("divergence", "generator_form"),
    ),
    Objective(
        "kl-wgan", "KL-WGAN", "Song & Ermon 2020, arXiv 1910.09779",
        _kl_wgan_d, _kl_wgan_g,
        r"\mathbb{E}\max(0, 1-D(x)) + \mathbb{E}\max(0, 1+r_i D(G(z_i))) \;\text{ or }\; "
        r"\mathbb{E}\,r_i D(G(z_i)) - \mathbb{E}\,D(x), \quad "
        r"r_i = e^{D(G(z_i))} \Big/ \tfrac{1}{N}\textstyle\sum_j e^{D(G(z_j))}",
        r"-\mathbb{E}\,r_i D(G(z_i))",
        critic=True, options=("form", "detach_ratio"),
    ),
    Objective(
        "relativistic", "Relativistic pairing", "Jolicoeur-Martineau 2018, arXiv 1807.00734",
        _relativistic_d, _relativistic_g,
        r"\mathbb{E}\,\mathrm{sp}(-(D(x)-D(G(z))))", r"\mathbb{E}\,\mathrm{sp}(-(D(G(z))-D(x)))",
        critic=True, relativistic=True,
    ),
    Objective(
        "energy", "Energy-based", "Zhao, Mathieu & LeCun 2016, arXiv 1609.03126",
        _energy_d, _energy_g,
        r"\mathbb{E}\,E(x) + \mathbb{E}\max(0, m-E(G(z))), \quad D = -E", r"\mathbb{E}\,E(G(z))",
        critic=True, energy=True, options=("margin",),
    ),
)  # fmt: skip

OBJECTIVES: dict[str, Objective] = {row.name: row for row in _OBJECTIVES}


def find_objective(name: str) -> Objective:
    """The objective called `name`; raises UsageError with the nearest name."""
    if name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES)
    return OBJECTIVES[name]


def optimal_score(name: str, log_ratio: Tensor, **options: Any) -> Tensor:
    """The score of the unrestricted discriminator that minimises its loss, where log p(x)/q(x) is known; same shape.

    For `relativistic` it is fixed up to a constant, taken as 0. Where p = q, and the loss is flat between two values,
    `hinge` gets 0 and `energy` 0 (the energy of the data). `f-gan` with total variation attains its bound only at
    ±∞ and gets ±20, where tanh is 1 to double precision.

    Args:
        name: an objective of the table.
        log_ratio: log p/q, any shape.
        options: what the objective reads; only `divergence` and `margin` matter here.

    Raises:
        UsageError: unknown objective or option, or an objective whose optimum is not a function of p/q at x alone
            (a Wasserstein critic is bound by its slope, KL-WGAN by its own weights).
    """
    row = find_objective(name)
    for option in options:
        if option not in row.options:
            raise unknown(f"option of the objective {name}", option, row.options or ("none",))
    log_ratio = _wide(log_ratio)
    if name in ("minimax", "non-saturating", "relativistic"):
        return log_ratio
    if name == "least-squares":
        return log_ratio.sigmoid()
    if name == "hinge":
        return log_ratio.sign()
    if name == "energy":
        return -float(options.get("margin", 1.0)) * (log_ratio < 0).to(log_ratio.dtype)
    if name == "f-gan":
        return find_divergence(options.get("divergence", "kl")).optimal(log_ratio)
    raise UsageError(
        f"The {row.title} critic has no optimum that follows from the density ratio; choose another objective."
    )
