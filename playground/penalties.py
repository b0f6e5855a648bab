r"""Penalties on the discriminator's slope, and the clipping of its weights.

    gradient penalty  E(‖∇D(x̂)‖₂ − 1)²,  x̂ = u·x + (1−u)·G(z)     Gulrajani et al. 2017, arXiv 1704.00028
    DRAGAN            E(‖∇D(x + δ)‖₂ − 1)²,  δ = ½·std(x)·U(0,1)    Kodali et al. 2017, arXiv 1705.07215
    R1, R2            ½·E‖∇D‖² on reals, on fakes                   Mescheder et al. 2018, arXiv 1801.04406

`score_fn` maps samples [N, ...] to scores [N] (a conditional discriminator is wrapped in a closure). Penalties act on
the discriminator: samples are detached, and gradients reach whatever parameters `score_fn` uses. A discriminator with
BatchNorm mixes the samples of a batch, so that "the gradient at x" means little: use no norm or a per-sample one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from playground.errors import UsageError, unknown

ScoreFn = Callable[[Tensor], Tensor]


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """U(0, 1) of the dtype and device of `like`, drawn where the generator lives (None: the device's default one)."""
    device = like.device if generator is None else generator.device
    draw = torch.rand(shape, generator=generator, device=device)
    return draw.to(like.device, like.dtype, non_blocking=True)


def _input_gradient(score_fn: ScoreFn, x: Tensor) -> Tensor:
    """∂ Σ_n D(x_n) / ∂x flattened to [N, D], in float32 at least, with its own graph."""
    x = x.detach().requires_grad_(True)
    with torch.enable_grad():
        score = score_fn(x)
        (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    gradient = gradient.flatten(1)
    return gradient if gradient.dtype in (torch.float32, torch.float64) else gradient.float()


def gradient_norm(score_fn: ScoreFn, x: Tensor) -> Tensor:
    """‖∇_x D(x)‖₂ of each sample over all its dimensions.

    Args:
        score_fn: [N, ...] -> [N].
        x: [N, ...].

    Returns:
        [N], differentiable with respect to the parameters of `score_fn` (subgradient 0 where the norm is 0).
    """
    return torch.linalg.vector_norm(_input_gradient(score_fn, x), dim=1)


def interpolates(real: Tensor, fake: Tensor, *, generator: torch.Generator | None) -> Tensor:
    """x̂ = u·x + (1−u)·G(z), one u from U(0, 1) a sample; shaped as `real`.

    Raises:
        UsageError: `real` and `fake` differ in shape.
    """
    if real.shape != fake.shape:
        raise UsageError(
            "The gradient penalty interpolates between pairs: it needs as many real samples as fakes, of one shape, "
            f"not {tuple(real.shape)} and {tuple(fake.shape)}."
        )
    u = _uniform((real.shape[0],) + (1,) * (real.dim() - 1), real, generator)
    return u * real.detach() + (1 - u) * fake.detach()


def gradient_penalty(
    score_fn: ScoreFn, real: Tensor, fake: Tensor, *, generator: torch.Generator | None, target: float = 1.0
) -> Tensor:
    """E(‖∇D(x̂)‖₂ − target)² between reals and fakes (WGAN-GP, arXiv 1704.00028, equation 3); a scalar.

    Raises:
        UsageError: `real` and `fake` differ in shape.
    """
    return (gradient_norm(score_fn, interpolates(real, fake, generator=generator)) - target).square().mean()


def zero_centred(score_fn: ScoreFn, x: Tensor) -> Tensor:
    """½·E‖∇D(x)‖² (arXiv 1801.04406, equation 9): R1 when `x` is real, R2 when it is fake; a scalar.

    The half is inside, so that a weight γ gives the paper's γ/2.
    """
    return 0.5 * _input_gradient(score_fn, x).square().sum(1).mean()


def dragan(
    score_fn: ScoreFn, real: Tensor, *, generator: torch.Generator | None, scale: float = 0.5, target: float = 1.0
) -> Tensor:
    """E(‖∇D(x + scale·std(x)·u)‖₂ − target)² with u from U(0, 1) for every element (DRAGAN); a scalar.

    std is that of all numbers of the batch, as in the authors' recipe.
    """
    real = real.detach()
    noise = scale * real.std(correction=0) * _uniform(tuple(real.shape), real, generator)
    return (gradient_norm(score_fn, real + noise) - target).square().mean()


@torch.no_grad()
def clip_weights_(parameters: Iterable[nn.Parameter], bound: float) -> None:
    """Clamp every weight to [−bound, bound] in place, after the optimiser's step (WGAN, arXiv 1701.07875, algorithm 1).

    Raises:
        UsageError: `bound` is not positive.
    """
    if not bound > 0:
        raise UsageError(f"Weights are clipped to a positive bound, not {bound}: 0.01 is the original one.")
    weights = list(parameters)
    if weights:
        torch._foreach_clamp_min_(weights, -bound)
        torch._foreach_clamp_max_(weights, bound)


@dataclass(frozen=True)
class Penalty:
    """One row: `function(score_fn, real, fake, generator)` is the penalty before its weight, which the knob holds.

    `sites` says where the slope is measured: "real", "fake", "interpolates" or "around real".
    """

    name: str
    title: str
    formula: str
    reference: str
    knob: str
    sites: str
    function: Callable[[ScoreFn, Tensor, Tensor, torch.Generator | None], Tensor]

    def __call__(self, score_fn: ScoreFn, real: Tensor, fake: Tensor, generator: torch.Generator | None) -> Tensor:
        """The un-weighted penalty, a scalar."""
        return self.function(score_fn, real, fake, generator)


_PENALTIES = (
    Penalty(
        "gradient_penalty", "Gradient penalty",
        r"\lambda\,\mathbb{E}\left(\lVert\nabla D(\hat x)\rVert_2 - 1\right)^2,\quad \hat x = u x + (1-u) G(z)",
        "Gulrajani et al. 2017, arXiv 1704.00028", "gradient_penalty", "interpolates",
        lambda score_fn, real, fake, generator: gradient_penalty(score_fn, real, fake, generator=generator),
    ),
    Penalty(
        "dragan", "DRAGAN",
        r"\lambda\,\mathbb{E}\left(\lVert\nabla D(x+\delta)\rVert_2 - 1\right)^2,\quad "
        r"\delta = \tfrac{1}{2}\,\mathrm{std}(x)\,U(0,1)",
        "Kodali et al. 2017, arXiv 1705.07215", "dragan", "around real",
        lambda score_fn, real, fake, generator: dragan(score_fn, real, generator=generator),
    ),
    Penalty(
        "r1", "R1", r"\tfrac{\gamma}{2}\,\mathbb{E}\lVert\nabla D(x)\rVert^2",
        "Mescheder, Geiger & Nowozin 2018, arXiv 1801.04406", "r1", "real",
        lambda score_fn, real, fake, generator: zero_centred(score_fn, real),
    ),
    Penalty(
        "r2", "R2", r"\tfrac{\gamma}{2}\,\mathbb{E}\lVert\nabla D(G(z))\rVert^2",
        "Mescheder, Geiger & Nowozin 2018, arXiv 1801.04406", "r2", "fake",
        lambda score_fn, real, fake, generator: zero_centred(score_fn, fake),
    ),
)  # fmt: skip

PENALTIES: dict[str, Penalty] = {row.name: row for row in _PENALTIES}


def find_penalty(name: str) -> Penalty:
    """The penalty called `name`; raises UsageError with the nearest name."""
    if name not in PENALTIES:
        raise unknown("penalty", name, PENALTIES)
    return PENALTIES[name]
