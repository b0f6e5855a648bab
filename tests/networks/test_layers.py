"""Layers by what they mean: singular values against the SVD, minibatch layers against their formulas, seeded masks."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from playground.networks import ARCHITECTURES, build_trunk
from playground.networks.layers import (
    Dropout,
    MinibatchDiscrimination,
    MinibatchStddev,
    apply_spectral_norm,
    initialise_dcgan_,
    minibatch_stddev,
    parameter_count,
    set_generator,
    singular_values,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- Spectral normalisation ---


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_spectral_norm_bounds_every_weight_matrix_by_one(name):
    size = 1 if ARCHITECTURES[name].points else 16
    options = {"channels": 1, "size": size, "width": 4, "norm": "none"}
    trunk = build_trunk(name, spectral_norm=True, minibatch="discrimination", **options)
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.mul_(3)  # the estimate must follow the weights
        for _ in range(60):
            trunk(torch.rand(2, 1, size, size))
    trunk.eval()
    values = singular_values(trunk)
    weighted = {n: m for n, m in trunk.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    assert values.keys() == weighted.keys() and len(values) >= 3
    for path, layer in weighted.items():
        original = layer.parametrizations.weight.original.detach().flatten(1)
        exact = torch.linalg.svdvals(original)[0]
        assert values[path].ndim == 0
        assert values[path] == pytest.approx(exact.item(), rel=0.02), path
        assert values[path] <= exact * 1.0001  # a Rayleigh quotient never overshoots
        assert torch.linalg.svdvals(layer.weight.detach().flatten(1))[0] <= 1.02, path


def test_singular_values_make_no_step_and_are_empty_without_the_norm():
    trunk = build_trunk("dcgan", channels=1, size=16, width=4, spectral_norm=True)
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    first, second = singular_values(trunk), singular_values(trunk)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert all(torch.equal(value, before[key]) for key, value in trunk.state_dict().items())
    assert singular_values(build_trunk("dcgan", channels=1, size=16, width=4)) == {}


def test_singular_value_of_a_transposed_convolution():
    layer = apply_spectral_norm(nn.ConvTranspose2d(3, 5, 4))
    for _ in range(100):
        layer(torch.zeros(1, 3, 2, 2))
    exact = torch.linalg.svdvals(layer.parametrizations.weight.original.detach().transpose(0, 1).flatten(1))[0]
    assert singular_values(layer)[""] == pytest.approx(exact.item(), rel=1e-3)


def test_spectral_norm_goes_on_from_a_saved_state_and_copies():
    options = {"channels": 1, "size": 16, "width": 4, "spectral_norm": True}
    trunk = build_trunk("resnet", **options)
    x = torch.rand(2, 1, 16, 16)
    trunk(x)
    resumed, copied = build_trunk("resnet", **options), copy.deepcopy(trunk)
    resumed.load_state_dict(trunk.state_dict())
    for _ in range(3):
        expected = trunk(x)
        assert torch.equal(resumed(x), expected)
        assert torch.equal(copied(x), expected)
    with torch.no_grad():
        next(copied.parameters()).add_(1)
    assert not torch.equal(trunk.eval()(x), copied.eval()(x))  # nothing is shared


def test_spectral_norm_is_applied_once():
    layer = apply_spectral_norm(apply_spectral_norm(nn.Linear(4, 4)))
    assert len(layer.parametrizations.weight) == 1


# --- Across the batch ---


def test_minibatch_discrimination_of_equal_samples_counts_them():
    layer = MinibatchDiscrimination(6, kernels=4, kernel_dim=3)
    features = torch.randn(1, 6).expand(5, 6)
    out = layer(features)
    assert out.shape == (5, layer.out_features) == (5, 10)
    assert torch.equal(out[:, :6], features)
    torch.testing.assert_close(out[:, 6:], torch.full((5, 4), 5.0))


def test_minibatch_discrimination_follows_its_formula():
    layer = MinibatchDiscrimination(3, kernels=2, kernel_dim=2)
    features = torch.randn(4, 3)
    m = (features @ layer.project.weight.T).view(4, 2, 2)
    for i in range(4):
        for b in range(2):
            expected = sum(math.exp(-(m[i, b] - m[j, b]).abs().sum().item()) for j in range(4))
            assert layer(features)[i, 3 + b].item() == pytest.approx(expected, rel=1e-5)
    assert layer(features * 1e6)[:, 3:].max() == 1  # far apart, each sample sees only itself


def test_minibatch_discrimination_starts_where_it_can_learn():
    out = MinibatchDiscrimination(512)(torch.randn(16, 512))[:, 512:]
    closeness = (out - 1) / 15  # of two different samples
    assert 0.1 < closeness.mean() < 0.7


def test_minibatch_stddev_closed_form():
    x = torch.tensor([[1.0, 0.0], [3.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    out = minibatch_stddev(x)
    assert torch.equal(out[:, :2], x)
    torch.testing.assert_close(out[:, 2], torch.full((4,), 0.5), atol=1e-3, rtol=0)  # deviations 1 and 0, their mean
    assert minibatch_stddev(torch.ones(4, 3))[:, 3].max() < 1e-3  # a collapsed batch


def test_minibatch_stddev_deals_samples_into_groups():
    x = torch.zeros(8, 1)
    x[[0, 2]], x[[4, 6]] = 1.0, -1.0  # the even samples are one group, the odd ones another
    spread = minibatch_stddev(x, group=4)[:, 1]
    torch.testing.assert_close(spread[0::2], torch.ones(4), atol=1e-3, rtol=0)
    assert spread[1::2].max() < 1e-3


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 7, 9, 10, 11, 13])
def test_minibatch_stddev_of_any_batch(n):
    x = torch.randn(n, 6)
    groups = max(1, n // 4)
    out = minibatch_stddev(x)
    for i in range(n):
        mates = x[i % groups :: groups]
        assert len(mates) >= min(n, 4)
        expected = mates.std(dim=0, correction=0).mean().item()
        assert out[i, 6].item() == pytest.approx(expected, abs=2e-4)


def test_minibatch_stddev_of_maps_is_a_constant_map():
    x = torch.randn(4, 3, 5, 5)
    out = minibatch_stddev(x)
    assert out.shape == (4, 4, 5, 5)
    expected = x.std(dim=0, correction=0).mean().expand(4, 5, 5)
    torch.testing.assert_close(out[:, 3], expected, atol=1e-4, rtol=1e-4)
    last = minibatch_stddev(x.to(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, out)


def test_minibatch_layers_have_finite_slopes_on_a_collapsed_batch():
    for layer in (MinibatchDiscrimination(3), MinibatchStddev(3)):
        x = torch.ones(4, 3, requires_grad=True)
        (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
        slope.square().sum().backward()
        assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(("minibatch", "extra"), [("none", 0), ("stddev", 1), ("discrimination", 50)])
def test_minibatch_layers_extend_the_features(minibatch, extra):
    plain = build_trunk("mlp", channels=1, size=8, width=2)
    trunk = build_trunk("mlp", channels=1, size=8, width=2, minibatch=minibatch)
    assert trunk.feature_dim == plain.feature_dim + extra
    trunk.body.load_state_dict(plain.body.state_dict())
    x = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(trunk(x)[:, : plain.feature_dim], plain(x))
    assert trunk(x).shape == (4, trunk.feature_dim)


# --- Dropout ---


def test_dropout_is_fixed_by_its_generator():
    net = nn.Sequential(nn.Linear(8, 8), Dropout(0.5), nn.Linear(8, 8), Dropout(0.5))
    x = torch.randn(4, 8)
    assert set_generator(net, torch.Generator().manual_seed(7)) == 2
    first, second = net(x), net(x)
    assert not torch.equal(first, second)
    torch.manual_seed(99)  # the global generator plays no part
    set_generator(net, torch.Generator().manual_seed(7))
    assert torch.equal(net(x), first) and torch.equal(net(x), second)
    before = torch.random.get_rng_state()
    net(x)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_copies_of_dropout_draw_alike_and_apart():
    net = Dropout(0.5)
    set_generator(net, torch.Generator().manual_seed(7))
    twin = copy.deepcopy(net)
    x = torch.ones(64)
    first = net(x)
    assert torch.equal(twin(x), first)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(p):
    out = Dropout(p)(torch.ones(200_000))
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
    assert (out == 0).float().mean() == pytest.approx(p, abs=0.01)
    assert out.mean() == pytest.approx(1, abs=0.02)


def test_dropout_at_test_time():
    x = torch.ones(64)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert not torch.equal(Dropout(0.5, always=True).eval()(x), x)
    assert Dropout(0.0, always=True)(x) is x


def test_dropout_mask_does_not_depend_on_layout():
    x = torch.randn(2, 3, 4, 4)
    layer = Dropout(0.5)
    set_generator(layer, torch.Generator().manual_seed(1))
    plain = layer(x)
    set_generator(layer, torch.Generator().manual_seed(1))
    last = layer(x.to(memory_format=torch.channels_last))
    assert torch.equal(plain, last) and last.is_contiguous(memory_format=torch.channels_last)


# --- The rest ---


def test_parameter_count_counts_a_shared_tensor_once():
    a, b = nn.Linear(3, 4), nn.Linear(3, 4)
    assert parameter_count(nn.Sequential(a, b)) == 32
    b.weight = a.weight
    assert parameter_count(nn.ModuleList([a, b])) == 20


def test_dcgan_initialisation_of_a_head():
    head = initialise_dcgan_(nn.Linear(2000, 10))
    assert head.weight.detach().std() == pytest.approx(0.02, rel=0.05) and not head.bias.any()
