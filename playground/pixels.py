"""How far two pictures are apart, pixel by pixel: mean absolute difference, PSNR and SSIM.

    PSNR(a, b) = 10 log₁₀(L² / mean (a − b)²)    in decibels, L the range of the values: 2 for pictures in [-1, 1]
    SSIM(a, b) = mean of (2 μ_a μ_b + C₁)(2 σ_ab + C₂) / ((μ_a² + μ_b² + C₁)(σ_a² + σ_b² + C₂))

Wang, Bovik, Sheikh and Simoncelli 2004, "Image quality assessment: from error visibility to structural similarity",
equation 13, with its Gaussian window; brightness counts from black, so pictures in [-1, 1] are moved to [0, 2] first.
All of them know nothing of what is in a picture: one moved by a pixel is far.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from playground.errors import UsageError

RANGE = 2.0  # of pictures in [-1, 1]
WINDOW, SIGMA = 11, 1.5  # side and standard deviation of SSIM's window, in pixels
K1, K2 = 0.01, 0.03  # C₁ = (K₁ L)², C₂ = (K₂ L)²: what keeps SSIM's fraction finite in flat parts


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of two batches of pictures: [N, C, H, W] each -> [N], from 0 to 2 in [-1, 1].

    Raises:
        UsageError: shapes that differ, here and below.
    """
    _check(a, b)
    return (a - b).abs().flatten(1).mean(1)


def pyramid_l1(a: Tensor, b: Tensor) -> Tensor:
    """`l1` averaged over the pictures and their halves, quarters, ... down to 4 pixels: [N, C, H, W] each -> [N].

    The small versions count as much as the full one, so that a gradient moves what is large and in the wrong place,
    which `l1` alone only fades. Halves are means over 2 × 2 pixels; an odd row or column at the end is left out.
    """
    levels = [l1(a, b)]
    while min(a.shape[2:]) >= 8:
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        levels.append(l1(a, b))
    return torch.stack(levels).mean(0)


def laplacian_l1(a: Tensor, b: Tensor, detail: float = 0.0) -> Tensor:
    """Distance of Laplacian pyramids: [N, C, H, W] each -> [N], from 0 up.

    The mean absolute difference of each octave of detail and of what remains at 4 to 7 pixels, summed (the Lap₁ loss of
    Bojanowski et al. 2017, arXiv 1707.05776, with octaves weighed alike). In `pyramid_l1` what is large counts at every
    size and what is small only at the finest: a network then leaves out eyes for long. Halves are means over 2 × 2
    pixels, enlarged again between their centres.

    Args:
        detail: how much more a place counts where `b` has detail in that octave, over places where it has none: a place
            of b's mean detail gets 1 + `detail` times the weight of a flat one, and weights are 1 on average. What a
            network is not sure of it leaves out, the median of an eye here and an eye there being no eye; that costs
            more then.
    """
    _check(a, b)
    rest, target, total = a - b, b.detach(), a.new_zeros(len(a))
    while min(rest.shape[2:]) >= 8:
        rest, octave = _halved(rest)
        missed = octave.abs()
        if detail:
            target, there = _halved(target)
            missed = missed * _detail_weights(there, detail)
        total = total + missed.flatten(1).mean(1)
    return total + rest.abs().flatten(1).mean(1)


def _halved(x: Tensor) -> tuple[Tensor, Tensor]:
    """(x at half its sides, the octave that is lost by it, at x's own)."""
    coarse = F.avg_pool2d(x, 2)
    return coarse, x - F.interpolate(coarse, size=x.shape[2:], mode="bilinear", align_corners=False)


def _detail_weights(octave: Tensor, detail: float) -> Tensor:
    """Weights of places [N, 1, H, W], 1 on average over each picture, from an octave of it [N, C, H, W]."""
    there = F.avg_pool2d(octave.abs().mean(1, keepdim=True), 3, stride=1, padding=1)
    usual = there.mean((2, 3), keepdim=True)
    return (usual + detail * there + 1e-4) / ((1 + detail) * usual + 1e-4)  # 1 where there is none at all


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels: [N, C, H, W] in [-1, 1] each -> [N].

    0 dB is black against white; infinite where the two are equal. Around 20 a likeness, above 30 hard to tell apart.
    """
    _check(a, b)
    return 10 * torch.log10(RANGE**2 / (a - b).square().flatten(1).mean(1))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity: [N, C, H, W] in [-1, 1] each -> [N], from -1 to 1, which is reached by equal pictures.

    Taken channel by channel where the window lies wholly inside, then averaged. Pictures smaller than the window of 11
    pixels get one as large as fits (an odd side).
    """
    _check(a, b)
    n, channels, height, width = a.shape
    exact = torch.promote_types(a.dtype, torch.float32)
    window = _gaussian(min(height, width)).to(a.device, exact)
    a, b = a.to(exact) + 1, b.to(exact) + 1
    stacked = torch.stack([a, b, a * a, b * b, a * b]).reshape(-1, 1, height, width)
    # a Gaussian over the square is one along the rows, then one along the columns
    smooth = F.conv2d(F.conv2d(stacked, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))
    mean_a, mean_b, square_a, square_b, product = smooth.view(5, n, channels, *smooth.shape[2:])
    var_a, var_b, covariance = square_a - mean_a**2, square_b - mean_b**2, product - mean_a * mean_b
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    brightness = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return (brightness * structure).flatten(1).mean(1)


def _gaussian(side: int) -> Tensor:
    """The window's profile, summing to 1: as long as WINDOW, or the longest odd length that `side` holds."""
    length = min(WINDOW, side - 1 + side % 2)
    place = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    profile = torch.exp(-place.square() / (2 * SIGMA**2))
    return profile / profile.sum()


def _check(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim != 4 or 0 in a.shape:
        raise UsageError(
            f"Pictures are compared in pairs of one shape [N, C, H, W], not {list(a.shape)} with {list(b.shape)}."
        )
