"""The rules of Radford et al. 2015, section 3 and 4, and the residual networks' own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from playground.networks import build_generator, build_trunk
from playground.networks.dcgan import channel_plan
from playground.networks.layers import FlattenChannelsLast, initialise_he_
from playground.networks.resnet import GlobalPool, ResidualBlock


def of(net: nn.Module, *kinds: type) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, kinds)]


def leaves(net: nn.Module) -> list[type]:
    return [type(m) for m in net.modules() if not list(m.children())]


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return build_generator("dcgan", input_dim=100, channels=3, size=64), build_trunk("dcgan", channels=3, size=64)


def test_generator_follows_the_rules(pair):
    generator, _ = pair
    block = [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU]
    assert leaves(generator) == [nn.Unflatten, *block * 4, nn.ConvTranspose2d, nn.Tanh]
    convolutions = of(generator, nn.ConvTranspose2d)
    assert [c.out_channels for c in convolutions] == [512, 256, 128, 64, 3]
    assert all((c.kernel_size, c.stride, c.padding) == ((4, 4), (2, 2), (1, 1)) for c in convolutions[1:])
    assert not of(generator, nn.Linear, nn.MaxPool2d, nn.AvgPool2d)


def test_discriminator_follows_the_rules(pair):
    _, trunk = pair
    first, block = [nn.Conv2d, nn.LeakyReLU], [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    assert leaves(trunk) == [*first, *block * 3, FlattenChannelsLast]
    convolutions = of(trunk, nn.Conv2d)
    assert [c.out_channels for c in convolutions] == [64, 128, 256, 512]
    assert all((c.kernel_size, c.stride, c.padding) == ((4, 4), (2, 2), (1, 1)) for c in convolutions)
    assert all(m.negative_slope == 0.2 for m in of(trunk, nn.LeakyReLU))
    assert not of(trunk, nn.Linear, nn.MaxPool2d, nn.AvgPool2d)
    assert trunk.feature_dim == 512 * 4 * 4


def test_weights_start_as_the_paper_says(pair):
    for net in pair:
        for layer in of(net, nn.Conv2d, nn.ConvTranspose2d):
            n = layer.weight.numel()
            assert abs(layer.weight.detach().mean()) < 5 * 0.02 / math.sqrt(n)
            assert layer.weight.detach().std() == pytest.approx(0.02, rel=5 / math.sqrt(2 * n))
        scales = torch.cat([m.weight.detach() for m in of(net, nn.BatchNorm2d)])
        assert scales.mean() == pytest.approx(1.0, abs=0.005)
        assert scales.std() == pytest.approx(0.02, rel=0.15)
        for layer in net.modules():
            if getattr(layer, "bias", None) is not None:
                assert not layer.bias.any()


@pytest.mark.parametrize(("size", "plan"), [(16, [8, 16]), (32, [8, 16, 32]), (128, [8, 16, 32, 64, 64])])
def test_channels_double_with_every_halving_up_to_eight(size, plan):
    assert channel_plan(size, 8, None) == (4, plan)
    assert [c.out_channels for c in of(build_trunk("dcgan", channels=1, size=size, width=8), nn.Conv2d)] == plan


def test_dense_head_is_the_last_4x4_convolution(pair):
    _, trunk = pair
    head = nn.Linear(trunk.feature_dim, 1)
    x = torch.rand(3, 3, 64, 64)
    features = trunk.eval()(x)
    maps = features.view(3, 4, 4, 512).permute(0, 3, 1, 2)
    convolved = F.conv2d(maps, head.weight.view(1, 4, 4, 512).permute(0, 3, 1, 2), head.bias)
    torch.testing.assert_close(head(features), convolved.flatten(1))


def test_upsampling_twin_enlarges_by_nearest_neighbour_and_sees_evenly_many_taps():
    torch.manual_seed(0)
    generator = build_generator("dcgan-upsample", input_dim=8, channels=1, size=32, width=4)
    assert len(of(generator, nn.Upsample)) == 3 and all(m.mode == "nearest" for m in of(generator, nn.Upsample))
    assert len(of(generator, nn.ConvTranspose2d)) == 1  # only the vector's own start
    assert of(generator, nn.BatchNorm2d) and isinstance(generator.picture[-1], nn.Tanh)
    # With constant maps and kernels the inner places of an enlarged, convolved map are all alike.
    block = generator.to_8x8
    nn.init.ones_(block.conv.weight)
    inner = block.conv(block.enlarge(torch.ones(1, 16, 4, 4)))[..., 1:-1, 1:-1]
    assert inner.std() == 0


def test_without_normalisation_weights_keep_the_size_of_the_signal():
    torch.manual_seed(0)
    trunk = build_trunk("dcgan", channels=3, size=64, width=8, norm="none")
    assert not of(trunk, nn.BatchNorm2d)
    features = trunk(torch.randn(8, 3, 64, 64))
    assert 0.2 < features.square().mean().sqrt() < 2
    generator = build_generator("dcgan", input_dim=64, channels=3, size=64, width=8, norm="none")
    assert 0.1 < generator(torch.randn(8, 64)).std() < 0.7


def test_he_initialisation_counts_the_taps_that_reach_a_place():
    torch.manual_seed(0)
    strided = initialise_he_(nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1))
    out = strided(torch.randn(4, 64, 16, 16).relu()).detach()[..., 2:-2, 2:-2]
    # E[relu(x)²] = 1/2 of the variance, which the factor 2 restores.
    assert out.var() == pytest.approx(1.0, rel=0.1)


def test_residual_generator_normalises_and_its_discriminator_does_not():
    generator = build_generator("resnet", input_dim=8, channels=3, size=32, width=4)
    trunk = build_trunk("resnet", channels=3, size=32, width=4)
    assert [m.resize for m in of(generator, ResidualBlock)] == ["up"] * 3
    assert [m.resize for m in of(trunk, ResidualBlock)] == ["down"] * 3 + ["none"]
    assert of(generator, nn.BatchNorm2d) and not of(trunk, nn.BatchNorm2d, nn.GroupNorm)
    assert of(trunk, GlobalPool)[0].kind == "mean"
    spectral = build_trunk("resnet", channels=3, size=32, width=4, spectral_norm=True)
    assert of(spectral, GlobalPool)[0].kind == "sum"


@pytest.mark.parametrize("resize", ["up", "down", "none"])
@pytest.mark.parametrize("after", [6, 8])
def test_residual_block_adds_to_its_resized_input(resize, after):
    """With the residual branch at 0 the block is its shortcut, convolved before or after the resizing alike."""
    torch.manual_seed(0)
    block = ResidualBlock(6, after, resize=resize)
    nn.init.zeros_(block.residual.conv2.weight)
    x = torch.randn(2, 6, 8, 8)
    resized = {
        "up": lambda t: F.interpolate(t, scale_factor=2, mode="nearest"),
        "down": lambda t: F.avg_pool2d(t, 2),
        "none": lambda t: t,
    }[resize](x)
    straight = resized if block.shortcut is None else block.shortcut(resized)
    assert (block.shortcut is None) == (resize == "none" and after == 6)
    torch.testing.assert_close(block(x), straight)
    nn.init.normal_(block.residual.conv2.weight)
    torch.testing.assert_close(block(x) - straight, block.residual(x))
