"""Pixel distances: known values, the published formula computed another way, and what they must never do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from playground.errors import UsageError
from playground.pixels import l1, laplacian_l1, psnr, pyramid_l1, ssim

MEASURES = (l1, pyramid_l1, laplacian_l1, psnr, ssim)
DISTANCES = (l1, pyramid_l1, laplacian_l1)


def pictures(n: int = 3, channels: int = 3, side: int = 32, seed: int = 0) -> Tensor:
    """Smooth random pictures in [-1, 1]."""
    rough = torch.rand(n, channels, 5, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(rough, size=(side, side), mode="bilinear", align_corners=True)


def noisy(x: Tensor, amount: float, seed: int = 1) -> Tensor:
    return (x + amount * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))).clamp(-1, 1)


def ssim_by_scipy(a: np.ndarray, b: np.ndarray) -> float:
    """One channel, in [0, 1], by another library's filter, which pads: its borders are cut off."""

    def smooth(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]  # 5 pixels to each side

    a, b = (a.astype(np.float64) + 1) / 2, (b.astype(np.float64) + 1) / 2
    ma, mb = smooth(a), smooth(b)
    va, vb, cov = smooth(a * a) - ma**2, smooth(b * b) - mb**2, smooth(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    return float((((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


@pytest.mark.parametrize(
    ("difference", "expected_l1", "expected_psnr"),
    [(2.0, 2.0, 0.0), (1.0, 1.0, 20 * math.log10(2)), (0.2, 0.2, 20.0), (0.02, 0.02, 40.0), (0.0, 0.0, math.inf)],
)
def test_a_constant_difference(difference: float, expected_l1: float, expected_psnr: float):
    a = torch.full((2, 3, 8, 8), -1.0, dtype=torch.float64)
    assert l1(a, a + difference).tolist() == pytest.approx([expected_l1] * 2)
    assert psnr(a, a + difference).tolist() == pytest.approx([expected_psnr] * 2)


@pytest.mark.parametrize("amount", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("side", [11, 16, 33])
def test_ssim_is_the_published_formula(amount: float, side: int):
    a = pictures(2, 3, side)
    b = noisy(a, amount)
    expected = [np.mean([ssim_by_scipy(a[i, c].numpy(), b[i, c].numpy()) for c in range(3)]) for i in range(2)]
    assert ssim(a, b).tolist() == pytest.approx(expected, abs=2e-5)


def test_the_pyramid_is_the_mean_over_halved_pictures():
    a, b = pictures(2, 3, 16, seed=1), pictures(2, 3, 16, seed=2)

    def halved(x: Tensor, times: int) -> Tensor:
        return x.unflatten(3, (-1, 2**times)).unflatten(2, (-1, 2**times)).mean((3, 5))

    expected = sum(l1(halved(a, k), halved(b, k)) for k in range(3)) / 3  # 16, 8 and 4 pixels
    assert torch.allclose(pyramid_l1(a, b), expected, atol=1e-6)
    assert torch.equal(pyramid_l1(a[..., :7, :7], b[..., :7, :7]), l1(a[..., :7, :7], b[..., :7, :7]))


def test_the_pyramid_tells_how_far_a_thing_is_off():
    """`l1` does not: two dots of the same size that don't overlap are as far apart as they ever get."""
    a, near, far = (torch.zeros(1, 1, 32, 32) for _ in range(3))
    a[..., 2:4, 2:4], near[..., 2:4, 4:6], far[..., 2:4, 28:30] = 1, 1, 1
    assert l1(a, near) == l1(a, far)
    assert pyramid_l1(a, near) < 0.8 * pyramid_l1(a, far)


def test_ssim_of_flat_pictures_is_its_brightness_term():
    """Without structure σ is 0, so only (2 μ_a μ_b + C₁) / (μ_a² + μ_b² + C₁) is left, black being 0."""
    a, b = torch.full((1, 1, 16, 16), 0.5), torch.full((1, 1, 16, 16), -0.8)
    expected = (2 * 0.75 * 0.1 + 1e-4) / (0.75**2 + 0.1**2 + 1e-4)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-4)


def test_ssim_sees_structure_where_psnr_does_not():
    """The paper's point: a change of brightness and noise of the same mean square are not the same to the eye."""
    a = pictures(4) * 0.5
    brighter = a + 0.15
    grainy = a + 0.15 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0)).sign()
    assert torch.allclose(psnr(a, brighter), psnr(a, grainy), atol=0.01)
    assert (ssim(a, brighter) > ssim(a, grainy) + 0.2).all()
    inverted = ssim(a - a.mean((2, 3), keepdim=True), a.mean((2, 3), keepdim=True) - a)
    assert (inverted < 0).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_every_picture_is_measured_by_itself_and_both_ways(measure):
    a = pictures(4)
    b = torch.cat([noisy(a[:1], 0.02), noisy(a[1:2], 0.1), noisy(a[2:3], 0.5), a[3:]])
    values = measure(a, b)
    assert values.shape == (4,)
    assert torch.allclose(values, measure(b, a))
    for i in range(4):
        assert torch.allclose(measure(a[i : i + 1], b[i : i + 1]), values[i : i + 1], atol=1e-6)
    ordered = -values if measure in DISTANCES else values
    assert ordered[0] > ordered[1] > ordered[2] and ordered[3] > ordered[0], "noisier is farther, itself is nearest"


@pytest.mark.parametrize("side", [1, 2, 3, 10])
def test_pictures_smaller_than_the_window(side: int):
    a = pictures(2, 1, 32)[:, :, :side, :side]
    assert torch.allclose(ssim(a, a), torch.ones(2), atol=1e-5)
    assert (ssim(a, 0.2 * a - 0.7) < 0.9).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_all_of_them_lead_downhill(measure):
    """Each can be followed by a gradient, as inversion does."""
    a, b = pictures(1), noisy(pictures(1), 0.2).requires_grad_()
    sign = 1 if measure in DISTANCES else -1
    (slope,) = torch.autograd.grad(sign * measure(a, b).sum(), b)
    moved = (b - 0.05 * slope / slope.abs().max()).detach()
    assert sign * measure(a, moved) < sign * measure(a, b)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (1, 3, 8, 8), (2, 1, 8, 8), (3, 8, 8), (0, 3, 8, 8)])
def test_shapes_that_do_not_belong_together(measure, shape: tuple[int, ...]):
    with pytest.raises(UsageError, match="one shape"):
        measure(torch.zeros(2, 3, 8, 8) if shape[0] else torch.zeros(shape), torch.zeros(shape))


def test_laplacian_pyramid_weighs_every_octave_alike():
    flat = torch.zeros(1, 3, 32, 32)
    assert laplacian_l1(flat, flat + 0.3).item() == pytest.approx(0.3), "a level stands in what remains alone"
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")

    def board(side: int) -> torch.Tensor:
        return (((x // side + y // side) % 2) * 2.0 - 1).expand(1, 3, 32, 32)

    fine, coarse = (laplacian_l1(flat, 0.1 * board(side)).item() for side in (1, 4))
    assert fine == pytest.approx(0.1), "a board of single pixels stands in the finest octave alone"
    assert pyramid_l1(flat, 0.1 * board(1)).item() < 0.3 * fine, "where the plain pyramid hardly sees it"
    assert 0.1 < coarse < 0.25
    assert pyramid_l1(flat, flat + 0.3).item() == pytest.approx(0.3)


def test_detail_counts_more_where_the_second_picture_has_it():
    """A speck that is left out costs more, one that is added does not; a picture without detail is as before."""
    flat, speck = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    speck[:, :, 10:13, 20:23] = 1.0
    left_out, added = (
        [laplacian_l1(a, b, detail).item() for detail in (0.0, 4.0)] for a, b in ((flat, speck), (speck, flat))
    )
    assert left_out[1] > 2 * left_out[0]
    assert added[1] == pytest.approx(added[0])
    assert laplacian_l1(speck, speck, 4.0).item() == 0


def test_weights_of_detail_are_one_on_average():
    """An error that is everywhere alike costs the same with and without them."""
    row, column = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    board = ((row + column) % 2 * 2.0 - 1).expand(2, 3, 32, 32)
    plain, weighed = (laplacian_l1(pictures(2) + 0.1 * board, pictures(2), detail) for detail in (0.0, 3.0))
    torch.testing.assert_close(plain, weighed, rtol=0.02, atol=0)
