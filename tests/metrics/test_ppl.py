"""Perceptual path length: against the arithmetic, for a generator and a distance whose answer is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from playground.data.base import DataInfo
from playground.errors import UsageError
from playground.families import family_class, initialising
from playground.latent.space import LatentSpace
from playground.methods import METHODS, method_settings
from playground.metrics import path_length
from playground.metrics.ppl import path_lengths, trimmed
from playground.model import Model


class Pixels:
    """The mean squared difference of pixels: the simplest distance that is a square."""

    def distance(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a.double() - b.double()).square().flatten(1).mean(dim=1)


def make(preset: str = "dcgan", **knobs: Any) -> LatentSpace:
    chosen = method_settings(preset, {"width": 4, "size": 16, "latent_dim": 6, **knobs})
    info = DataInfo("tiny", 1, 16, 48, ("a", "b", "c"))
    with initialising(3):
        modules = family_class(METHODS[preset].family).sampling_networks(chosen, info)
    return LatentSpace(Model(preset, chosen, info, modules, {}))


def linear(**knobs: Any) -> LatentSpace:
    """G(z) = tanh(z · 0.01 · P) with orthonormal pictures P: linear for all that matters."""
    space = make(architecture="mlp", **knobs)
    both = torch.cat([torch.eye(6), -torch.eye(6)])
    back = torch.cat([torch.eye(6), -torch.eye(6)], 1) / 1.2  # undoes LeakyReLU of a number and its opposite
    *hidden, last = [m for m in space.network.modules() if isinstance(m, torch.nn.Linear)]
    for i, layer in enumerate((*hidden, last)):
        layer.weight.zero_()
        layer.bias.zero_()
        if layer is last:
            layer.weight[:, :12] = 0.01 * torch.eye(256, 6) @ back
        elif i == 0:
            layer.weight[:12, :6] = both
        else:
            layer.weight[:12, :12] = both @ back
    return space


@pytest.fixture(scope="module")
def styled() -> LatentSpace:
    return make("stylegan")


def test_along_the_great_circle_speed_is_the_angle():
    """d/ε² = |dz/dt|² · 0.01² / 256; on the circle of radius √D the speed is √D times the angle between the ends."""
    space = linear()
    found = path_lengths(space, count=12, extractor=Pixels(), seed=3)
    a, b = space.z_samples(12, 6), space.z_samples(12, 7)
    angle = torch.acos(torch.nn.functional.cosine_similarity(a, b, dim=1))
    torch.testing.assert_close(found, 6 * angle.square() * 0.01**2 / 256, rtol=0.02, atol=0)


def test_along_a_line_speed_is_the_distance():
    space = linear(latent="uniform")
    found = path_lengths(space, count=12, extractor=Pixels(), seed=3)
    a, b = space.z_samples(12, 6), space.z_samples(12, 7)
    torch.testing.assert_close(found, (a - b).square().sum(dim=1) * 0.01**2 / 256, rtol=0.02, atol=0)


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_in_w_it_is_the_derivative_along_the_line(styled: LatentSpace, sampling: str):
    found = path_lengths(styled, "w", count=6, extractor=Pixels(), seed=2, sampling=sampling)
    a, b = (styled.w(styled.z_samples(6, seed)) for seed in (4, 5))
    t = torch.rand(6, generator=torch.Generator().manual_seed(2))[:, None] if sampling == "full" else torch.zeros(6, 1)
    step = 1e-2
    ends = [styled.draw(torch.lerp(a, b, t + sign * step / 2)).double() for sign in (-1, 1)]
    expected = ((ends[1] - ends[0]) / step).square().flatten(1).mean(dim=1).float()
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0)


@pytest.mark.parametrize("where", ["z", "w"])
def test_the_step_hardly_matters(styled: LatentSpace, where: str):
    lengths = [path_length(styled, where, 40, epsilon, Pixels()) for epsilon in (1e-2, 1e-3, 3e-4)]
    assert max(lengths) < 1.15 * min(lengths) and min(lengths) > 0


def test_a_longer_detour_is_longer(styled: LatentSpace):
    """Pictures that change twice as fast have four times the length."""
    space = linear()
    before = path_length(space, count=20, extractor=Pixels())
    *_, last = [m for m in space.network.modules() if isinstance(m, torch.nn.Linear)]
    last.weight.mul_(2)
    assert path_length(space, count=20, extractor=Pixels()) == pytest.approx(4 * before, rel=0.02)


def test_same_seed_same_number_and_more_of_them_begin_alike(styled: LatentSpace):
    first = path_lengths(styled, count=40, extractor=Pixels())
    assert torch.equal(first, path_lengths(styled, count=40, extractor=Pixels()))
    torch.testing.assert_close(first[:10], path_lengths(styled, count=10, extractor=Pixels()), rtol=0.05, atol=1e-6)
    assert not torch.allclose(first, path_lengths(styled, count=40, extractor=Pixels(), seed=1))
    assert (first >= 0).all() and first.dtype == torch.float32


@pytest.mark.parametrize("preset", ["cgan", "infogan"])
def test_both_ends_have_the_same_label_and_codes(preset: str):
    """Were they others, a step of ε → 0 would not bring the pictures together and the number would explode."""
    space = make(preset)
    coarse, fine = (path_length(space, count=12, epsilon=e, extractor=Pixels()) for e in (1e-2, 1e-3))
    assert 0 < fine < 2 * coarse


def test_extremes_are_left_out():
    lengths = torch.cat([torch.full((992,), 2.0), torch.zeros(4), torch.full((4,), 1e9)])
    assert trimmed(lengths).tolist() == [2.0] * 992
    spread = torch.arange(1000.0)
    assert (trimmed(spread).min(), trimmed(spread).max()) == (9, 990)
    assert trimmed(torch.tensor([5.0])).tolist() == [5.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": "w"}, "no styles"),
        ({"where": "x"}, "z or w"),
        ({"count": 0}, "number of paths"),
        ({"epsilon": 0.0}, "step along a path"),
        ({"epsilon": math.nan}, "step along a path"),
        ({"sampling": "middle"}, '"full" or at the "end"'),
        ({"stop": lambda: True}, "stopped"),
    ],
    ids=str,
)
def test_what_cannot_be(options: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        path_length(make(), **{"count": 4, "extractor": Pixels(), **options})
