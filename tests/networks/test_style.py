"""The style-based networks by what they mean: statistics, which layer a style reaches, growing, and what is random."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from playground.errors import UsageError
from playground.networks import build_generator, build_trunk
from playground.networks.describe import describe, sketch_svg
from playground.networks.layers import Dropout, Random, parameter_count, set_generator
from playground.networks.style import (
    GAIN,
    STARTS,
    W_MEAN_DECAY,
    EqualConv2d,
    EqualLinear,
    StyleGenerator,
    StyleMixing,
    StyleTrunk,
    adain,
    channels_at,
    enlarge,
    fade_real,
    pixel_norm,
)
from playground.stabilisers import MovingAverage

SIZE, STAGES = 16, 3


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def generator(**options) -> StyleGenerator:
    return StyleGenerator(6, 3, SIZE, width=4, **options)


def noisy(net: StyleGenerator) -> StyleGenerator:
    """With noise that shows: its strengths start at 0."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("noise.strength"):
                parameter.fill_(0.7)
    return net


def seed(value: int) -> torch.Generator:
    return torch.Generator().manual_seed(value)


# --- Equalised learning rate ---


def equalised(kind: str, lr_multiplier: float) -> tuple[nn.Module, torch.Tensor]:
    if kind == "dense":
        return EqualLinear(300, 400, lr_multiplier=lr_multiplier), torch.randn(200, 300)
    return EqualConv2d(40, 50, 3, lr_multiplier=lr_multiplier), torch.randn(8, 40, 12, 12)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_equalised_layers_keep_the_size_of_a_signal(kind, lr_multiplier):
    layer, x = equalised(kind, lr_multiplier)
    assert layer.weight.std().item() == pytest.approx(1 / lr_multiplier, rel=0.03)
    y = layer(x)
    y = y[:, :, 1:-1, 1:-1] if y.ndim == 4 else y  # without the border, where zeros come in
    assert y.square().mean().item() == pytest.approx(GAIN**2, rel=0.1)
    assert F.leaky_relu(y, 0.2).square().mean().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
@pytest.mark.parametrize(("kind", "batch"), [("dense", 1), ("dense", 5000), ("conv", 1), ("conv", 40)])
def test_equalised_layers_are_plain_ones_with_scaled_weights(kind, batch, lr_multiplier):
    """Whether the weights or the smaller input are scaled changes nothing."""
    layer, x = equalised(kind, lr_multiplier)
    layer, x = layer.double(), x[:1].repeat(batch, *[1] * (x.ndim - 1)).double()
    nn.init.normal_(layer.bias)
    fan_in = layer.weight[0].numel()
    weight = layer.weight * GAIN / math.sqrt(fan_in) * lr_multiplier
    plain = F.linear if kind == "dense" else (lambda *a: F.conv2d(*a, padding=1))
    torch.testing.assert_close(layer(x), plain(x, weight, layer.bias * lr_multiplier))


def test_a_layer_with_a_multiplier_moves_that_much_slower_under_adam():
    x, moved = torch.randn(64, 30), []
    for lr_multiplier in (1.0, 0.01):
        torch.manual_seed(1)
        layer = EqualLinear(30, 20, lr_multiplier=lr_multiplier)
        before = layer(x).detach()
        optimiser = torch.optim.Adam(layer.parameters(), 1e-3)
        layer(x).square().sum().backward()
        optimiser.step()
        moved.append((layer(x) - before).norm().item())
    assert moved[1] == pytest.approx(0.01 * moved[0], rel=0.01)


# --- Pieces ---


def test_pixel_norm_gives_every_vector_the_same_length():
    x = torch.randn(5, 9) * torch.tensor([0.01, 1, 3, 50, 1e3])[:, None]
    y = pixel_norm(x)
    torch.testing.assert_close(y.norm(dim=1), torch.full((5,), 3.0), rtol=1e-3, atol=0)
    torch.testing.assert_close(F.cosine_similarity(x, y), torch.ones(5))


def test_adain_sets_mean_and_deviation_of_every_map():
    x = torch.randn(3, 5, 8, 8) * 4 + 30
    scale, shift = torch.randn(3, 5, 1, 1), torch.randn(3, 5, 1, 1)
    y = adain(x, scale, shift)
    torch.testing.assert_close(y.mean((2, 3)), shift[:, :, 0, 0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(y.std((2, 3), unbiased=False), scale.abs()[:, :, 0, 0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(adain(x * 7 - 100, scale, shift), y, atol=1e-3, rtol=1e-3)
    flat = adain(torch.full((1, 2, 4, 4), 3.0), torch.ones(1, 2, 1, 1), torch.full((1, 2, 1, 1), 0.5))
    torch.testing.assert_close(flat, torch.full((1, 2, 4, 4), 0.5), atol=1e-3, rtol=0)  # nothing to scale


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_adain_differentiates_twice(layout):
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    scale, shift = (torch.randn(2, 3, 1, 1, dtype=torch.float64).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(adain, (x, scale, shift))
    assert torch.autograd.gradgradcheck(adain, (x, scale, shift))


def test_a_style_layer_ends_in_the_statistics_that_w_asks_for():
    net = noisy(generator())
    layer = net.blocks[1].second
    layer.act = torch.nn.Identity()  # which comes after the style
    w = torch.randn(4, net.w_dim)
    y = layer(torch.randn(4, layer.channels, 8, 8), w, "random")
    scale, shift = layer.affine(w).chunk(2, dim=1)
    torch.testing.assert_close(y.mean((2, 3)), shift, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(y.std((2, 3), unbiased=False), scale.abs(), atol=1e-4, rtol=1e-3)
    assert scale.mean().item() == pytest.approx(1, abs=0.3) and shift.mean().item() == pytest.approx(0, abs=0.3)


def test_without_the_normalisation_a_style_scales_what_is_there():
    net = build_generator("style", input_dim=6, channels=3, size=16, width=4, norm="none")
    layer = net.blocks[1].second
    layer.act = torch.nn.Identity()
    x, w = torch.randn(2, layer.channels, 8, 8), torch.randn(2, net.w_dim)
    torch.testing.assert_close(  # twice the deviation before the style is twice that after it
        layer(2 * x, w, "none").std((2, 3)), 2 * layer(x, w, "none").std((2, 3)), atol=1e-4, rtol=1e-3
    )


def test_bilinear_enlarging_after_a_convolution_is_a_spread_kernel_after_enlarging():
    """Away from the border: the identity that the order of the two rests on."""
    x, kernel = torch.randn(1, 2, 12, 12, dtype=torch.float64), torch.randn(3, 2, 3, 3, dtype=torch.float64)
    up = {"scale_factor": 2, "mode": "bilinear", "align_corners": False}
    cheap = F.interpolate(F.conv2d(x, kernel, padding=1), **up)
    dear = F.conv2d(F.interpolate(x, **up), kernel, padding=2, dilation=2)
    torch.testing.assert_close(cheap[:, :, 4:-4, 4:-4], dear[:, :, 4:-4, 4:-4])


def test_channels_do_not_depend_on_the_size_and_the_default_has_about_two_million_parameters():
    small, large = (StyleGenerator(8, 3, size, width=16) for size in (32, 64))
    for key, value in small.blocks.state_dict().items():
        assert large.blocks.state_dict()[key].shape == value.shape
    assert [channels_at(2**i, 64) for i in range(2, 8)] == sorted(channels_at(2**i, 64) for i in range(2, 8))[::-1]
    assert 1.5e6 < parameter_count(StyleGenerator(128, 3, 64)) < 2.5e6


def test_the_first_maps_are_a_constant_or_follow_the_first_style():
    plain, drawn = (
        build_generator("style", input_dim=6, channels=3, size=16, width=4, start=start, w_dim=12) for start in STARTS
    )
    assert plain.w_dim == drawn.w_dim == 12 != build_generator("style", input_dim=6, channels=3, size=16, width=4).w_dim

    def first_maps(net: StyleGenerator) -> torch.Tensor:
        seen = []
        hook = net.blocks[0].first.noise.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        w = torch.randn(3, 1, net.w_dim).repeat(1, net.layer_count, 1)
        w[2, 0] = w[1, 0]  # another picture with the same first style
        net.synthesis(w, "none")
        hook.remove()
        return seen[0].expand(3, -1, -1, -1)

    one, other, same = first_maps(plain)
    assert torch.equal(one, other) and torch.equal(other, same)
    one, other, same = first_maps(drawn)
    assert not torch.allclose(one, other, atol=0.1) and torch.equal(other, same)
    with torch.no_grad():
        drawn.blocks[0].start.weight.zero_()
    torch.testing.assert_close(first_maps(drawn), drawn.blocks[0].const.expand(3, -1, -1, -1))
    with pytest.raises(UsageError, match="constant"):
        build_generator("style", input_dim=6, channels=3, size=16, width=4, start="noise")


# --- Styles and noise ---


def test_layers_are_named_by_resolution():
    net = generator()
    assert net.layer_count == len(net.layer_names) == len(set(net.layer_names)) == 6
    assert net.layer_resolutions == (4, 4, 8, 8, 16, 16)
    assert net.layer_names[0] == "4 px, first" and net.layer_names[-1] == "16 px, second"


@pytest.mark.parametrize("k", range(2 * STAGES))
def test_the_style_of_a_layer_acts_from_that_layer_on(k):
    net = generator().eval()
    outputs = []
    for stage in net.blocks:
        for layer in (stage.first, stage.second):
            layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    w = net.mapping(torch.randn(2, 6))[:, None].repeat(1, net.layer_count, 1)
    net.synthesis(w, "fixed")
    w[:, k] = net.mapping(torch.randn(2, 6))
    net.synthesis(w, "fixed")
    before, after = outputs[: net.layer_count], outputs[net.layer_count :]
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [i < k for i in range(net.layer_count)]


def test_one_style_for_all_layers_is_that_style_at_each():
    net = noisy(generator())
    w = net.mapping(torch.randn(3, 6))
    each = w[:, None].repeat(1, net.layer_count, 1)
    assert torch.equal(net.synthesis(w, "fixed"), net.synthesis(each, ["fixed"] * net.layer_count))


def test_noise_of_strength_zero_changes_nothing_and_learns():
    net = generator()
    w = net.mapping(torch.randn(2, 6))
    picture = net.synthesis(w, "random")
    assert torch.equal(picture, net.synthesis(w, "none"))
    picture.square().sum().backward()
    assert all(block.first.noise.strength.grad.abs().max() > 0 for block in net.blocks)


def test_noise_modes():
    net = noisy(generator())
    w = net.mapping(torch.randn(2, 6))
    none, fixed = net.synthesis(w, "none"), net.synthesis(w, "fixed")
    assert torch.equal(none, net.synthesis(w, "none")) and torch.equal(fixed, net.synthesis(w, True))
    assert torch.equal(none, net.synthesis(w, [False] * 6))
    assert not torch.equal(none, fixed)
    assert not torch.equal(net.synthesis(w, "random"), net.synthesis(w, "random"))
    drawn = [net.synthesis(w, "random", seed(s)) for s in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    given = [torch.randn(2, 1, side, side) for side in net.layer_resolutions]
    assert torch.equal(net.synthesis(w, given), net.synthesis(w, given))
    own = [layer.noise.fixed for block in net.blocks for layer in (block.first, block.second)]
    assert torch.equal(net.synthesis(w, own), fixed)
    mixed = net.synthesis(w, ["none"] * 5 + ["fixed"])
    assert not torch.equal(mixed, none) and not torch.equal(mixed, fixed)


def test_random_noise_differs_between_samples_and_fixed_noise_does_not():
    net = noisy(generator())
    same = net.mapping(torch.randn(1, 6)).repeat(2, 1)
    random, fixed = net.synthesis(same, "random"), net.synthesis(same, "fixed")
    assert not torch.allclose(random[0], random[1], atol=1e-2)
    torch.testing.assert_close(fixed[0], fixed[1])


def test_wrong_styles_and_noise_are_told():
    net = generator()
    w = torch.randn(2, net.w_dim)
    for call, says in (
        (lambda: net.synthesis(w[:, :-1]), "shape"),
        (lambda: net.synthesis(w[:, None].repeat(1, 5, 1)), "shape"),
        (lambda: net.synthesis(w, "fix"), "'fixed'"),
        (lambda: net.synthesis(w, ["none"] * 5), "5 layers of 6"),
        (lambda: net.synthesis(w, torch.randn(2, 1, 8, 8)), "4, 4"),
        (lambda: net.truncate(w, 0.5, [6]), "0 to 5"),
    ):
        with pytest.raises(UsageError, match=r"[.?]$") as failure:
            call()
        assert says in str(failure.value)


# --- w: its mean, truncation, mixing ---


def test_the_mean_of_w_is_followed_in_training_only():
    net = generator()
    vectors = torch.randn(500, 6)
    net.eval()(vectors)
    assert torch.equal(net.w_mean, torch.zeros_like(net.w_mean))
    net.train()
    net.set_growth(0)
    expected = net.mapping(vectors).mean(0)
    net(vectors)
    torch.testing.assert_close(net.w_mean, (1 - W_MEAN_DECAY) * expected)
    with torch.no_grad():
        for _ in range(1500):
            net(vectors[:2])
    torch.testing.assert_close(net.w_mean, net.mapping(vectors[:2]).mean(0).detach(), atol=5e-3, rtol=5e-3)


def test_truncation_pulls_towards_the_mean():
    net = generator()
    net.w_mean.normal_()
    w = net.mapping(torch.randn(4, 6)).detach()
    torch.testing.assert_close(net.truncate(w, 1.0), w)
    torch.testing.assert_close(net.truncate(w, 0.0), net.w_mean.expand(4, -1))
    torch.testing.assert_close(net.truncate(w, 0.5), (w + net.w_mean) / 2)
    torch.testing.assert_close(net.truncate(w, -1.0), 2 * net.w_mean - w)  # the opposite face
    each = net.truncate(w, torch.tensor([0.0, 1.0, 0.5, 1.0]))
    torch.testing.assert_close(each[:2], torch.stack([net.w_mean, w[1]]))
    coarse = net.truncate(w, 0.0, range(2))
    assert coarse.shape == (4, 6, net.w_dim)
    torch.testing.assert_close(coarse[:, :2], net.w_mean.expand(4, 2, -1))
    torch.testing.assert_close(coarse[:, 2:], w[:, None].expand(4, 4, -1))
    torch.testing.assert_close(net.truncate(coarse, 0.5), (coarse + net.w_mean) / 2)


def test_mixing_takes_the_coarse_layers_from_one_and_the_fine_from_another():
    mixing = StyleMixing()
    mixing.generator = seed(3)
    n, layers = 4000, 6
    mixed = mixing(torch.zeros(n, 2), torch.ones(n, 2), layers, 0.9)
    assert mixed.shape == (n, layers, 2) and torch.equal(mixed[..., 0], mixed[..., 1])
    taken = mixed[..., 0]
    assert torch.equal(taken, taken.sort(dim=1).values)  # once the second, the second to the end
    assert (taken[:, 0] == 0).all()
    share = (taken[:, -1] == 1).float().mean().item()
    assert share == pytest.approx(0.9, abs=0.02)
    crossovers = torch.bincount((taken == 0).sum(1)[taken[:, -1] == 1], minlength=layers)[1:] / (n * share)
    torch.testing.assert_close(crossovers, torch.full((layers - 1,), 0.2), atol=0.03, rtol=0)
    assert not mixing(torch.zeros(50, 2), torch.ones(50, 2), layers, 0.0).any()


def test_training_mixes_styles_with_the_vector_given_and_evaluation_never():
    net = generator(mixing=1.0)
    first, second = torch.randn(2, 8, 6)
    seen = []
    net.blocks[0].first.affine.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    net.blocks[-1].second.affine.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    net(first, second)
    torch.testing.assert_close(seen[0], net.mapping(first))
    torch.testing.assert_close(seen[1], net.mapping(second))
    net.eval()(first, second)
    torch.testing.assert_close(seen[3], net.mapping(first))


def test_a_drawn_second_latent_leaves_the_label_as_it_is():
    net = generator(mixing=1.0)
    net.mixed_dim = 4
    vector = torch.randn(16, 6)
    seen = []
    net.mapping.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    net(vector)
    assert torch.equal(seen[0], vector)
    assert torch.equal(seen[1][:, 4:], vector[:, 4:]) and not (seen[1][:, :4] == vector[:, :4]).any()


# --- Growing ---


def test_a_fresh_network_is_fully_grown_and_each_stage_has_its_side():
    net, trunk = generator(), StyleTrunk(3, SIZE, width=4)
    assert net(torch.randn(2, 6)).shape == (2, 3, 16, 16)
    for stage, side in enumerate((4, 8, 16)):
        for alpha in (0.3, 1.0):
            net.set_growth(stage, alpha)
            trunk.set_growth(stage, alpha)
            picture = net(torch.randn(4, 6))
            assert picture.shape == (4, 3, side, side) and net.resolution == trunk.resolution == side
            assert trunk(picture).shape == (4, trunk.feature_dim)


@pytest.mark.parametrize("stage", [1, 2])
def test_fade_in_of_the_generator(stage):
    net = noisy(generator())
    w = net.mapping(torch.randn(3, 6))

    def at(*growth: float) -> torch.Tensor:
        net.set_growth(*growth)
        return net.synthesis(w, "fixed")

    old, new = at(stage - 1, 1.0), at(stage, 1.0)
    torch.testing.assert_close(at(stage, 0.0), old.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(at(stage, 1 - 1e-7), new)
    torch.testing.assert_close(at(stage, 0.25), 0.75 * at(stage, 0.0) + 0.25 * new)


@pytest.mark.parametrize("stage", [1, 2])
def test_fade_in_of_the_discriminator(stage):
    trunk = StyleTrunk(3, SIZE, width=4)
    x = torch.randn(4, 3, 4 << stage, 4 << stage)
    trunk.set_growth(stage - 1)
    old = trunk(F.avg_pool2d(x, 2))
    trunk.set_growth(stage, 0.0)
    torch.testing.assert_close(trunk(x), old)
    trunk.set_growth(stage)
    new = trunk(x)
    assert not torch.allclose(new, old)
    trunk.set_growth(stage, 1 - 1e-7)
    torch.testing.assert_close(trunk(x), new)


def test_over_all_stages_everything_learns_and_no_stage_touches_what_lies_beyond():
    net, trunk = noisy(generator()), StyleTrunk(3, SIZE, width=4)
    learnt: set[str] = set()
    for stage in range(STAGES):
        net.set_growth(stage, 0.5)
        trunk.set_growth(stage, 0.5)
        for module in (net, trunk):
            module.zero_grad(set_to_none=True)
        trunk(net(torch.randn(4, 6))).square().sum().backward()
        for module in (net, trunk):
            moved = {
                f"{type(module).__name__}.{name}"
                for name, p in module.named_parameters()
                if p.grad is not None and p.grad.abs().max() > 0
            }
            learnt |= moved
        assert not any(f"convs.{later}." in name for name in learnt for later in range(stage + 1, STAGES))
    assert learnt == {f"{type(m).__name__}.{name}" for m in (net, trunk) for name, _ in m.named_parameters()}


@pytest.mark.parametrize("resolution", [4, 8, 16])
def test_reals_are_faded_like_fakes(resolution):
    x = torch.randn(2, 3, 16, 16)
    pooled = F.adaptive_avg_pool2d(x, resolution)
    torch.testing.assert_close(fade_real(x, resolution), pooled)
    blurred = F.adaptive_avg_pool2d(x, resolution // 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(fade_real(x, resolution, 0.0), blurred)
    torch.testing.assert_close(fade_real(x, resolution, 0.25), 0.75 * blurred + 0.25 * pooled)


def test_enlarging_for_showing_repeats_pixels():
    x = torch.randn(1, 3, 4, 4)
    torch.testing.assert_close(F.avg_pool2d(enlarge(x, 16), 4), x)
    assert enlarge(x, 4) is x


def test_impossible_growth_is_refused():
    net = generator()
    for call in (
        lambda: net.set_growth(3),
        lambda: net.set_growth(-1),
        lambda: net.set_growth(1, 1.5),
        lambda: StyleTrunk(3, 24),
        lambda: StyleTrunk(3, 16)(torch.zeros(2, 3, 8, 8)),
        lambda: fade_real(torch.zeros(1, 3, 16, 16), 12),
        lambda: fade_real(torch.zeros(1, 3, 16, 16), 32),
    ):
        with pytest.raises(UsageError, match=r"\.$"):
            call()


def test_growth_travels_with_the_state_dict_and_its_moving_average():
    net = generator()
    average = copy.deepcopy(net)
    net.set_growth(1, 0.25)
    MovingAverage(average, net).update_(0.9)
    for state in (net.state_dict(), average.state_dict()):
        fresh = generator()
        fresh.load_state_dict(state)
        assert (fresh.stage, fresh.alpha) == (1, 0.25)
        assert fresh(torch.randn(2, 6)).shape == (2, 3, 8, 8)
    assert (copy.deepcopy(net).stage, copy.deepcopy(net).alpha) == (1, 0.25)


# --- With the rest of the house ---


def test_in_evaluation_a_picture_is_a_function_of_its_vector_within_the_range():
    net = noisy(generator(mixing=0.9))
    with torch.no_grad():
        net.to_picture.convs[-1].bias.fill_(0.9)
    vector = torch.randn(4, 6)
    assert net(vector).max() > 1  # linear in training mode
    net.eval()
    picture = net(vector)
    assert torch.equal(picture, net(vector)) and picture.max() == 1 and picture.min() >= -1
    net.noise = "random"
    assert not torch.equal(net(vector), net(vector))


def test_a_seed_fixes_training_bit_by_bit():
    net = noisy(generator(mixing=0.9, dropout=0.1))
    layers = [layer for layer in net.modules() if isinstance(layer, Random)]
    assert set_generator(net, seed(5)) == len(layers) == 1 + 6 + sum(isinstance(x, Dropout) for x in layers)
    vector = torch.randn(4, 6)
    first = net(vector)
    state = torch.random.get_rng_state()
    set_generator(net, seed(5))
    twin = copy.deepcopy(net)
    again = net(vector)
    assert torch.equal(first, again) and torch.equal(twin(vector), again)
    assert torch.equal(torch.random.get_rng_state(), state)  # nothing came from the global source
    set_generator(net, seed(6))
    assert not torch.equal(net(vector), again)


@pytest.mark.parametrize("minibatch", ["none", "stddev", "discrimination"])
@pytest.mark.parametrize(("stage", "alpha"), [(0, 1.0), (1, 0.5), (2, 0.3), (2, 1.0)])
def test_r1_differentiates_twice_at_every_stage(stage, alpha, minibatch):
    trunk = build_trunk("style", channels=3, size=SIZE, width=4, minibatch=minibatch)
    critic = nn.Sequential(trunk, EqualLinear(trunk.feature_dim, 1, gain=1.0))
    trunk.set_growth(stage, alpha)
    x = torch.randn(4, 3, trunk.resolution, trunk.resolution, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    slope.square().sum((1, 2, 3)).mean().backward()
    gradients = [p.grad for p in critic.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in gradients)
    assert trunk.from_picture.convs[stage].weight.grad.abs().max() > 0
    assert trunk.dense.weight.grad.abs().max() > 0


def test_path_length_differentiates_twice_through_the_generator():
    net = noisy(generator())
    w = net.mapping(torch.randn(2, 6))
    (slope,) = torch.autograd.grad((net.synthesis(w, "fixed") * torch.randn(2, 3, 16, 16)).sum(), w, create_graph=True)
    slope.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    assert net.blocks[1].second.conv.weight.grad.abs().max() > 0


def test_minibatch_stddev_tells_a_collapsed_batch():
    trunk = build_trunk("style", channels=3, size=SIZE, width=4, minibatch="stddev").double()
    one = torch.randn(1, 3, SIZE, SIZE, dtype=torch.float64)
    varied = torch.cat([one, torch.randn(3, 3, SIZE, SIZE, dtype=torch.float64)])
    assert not torch.allclose(trunk(varied)[0], trunk(one.repeat(4, 1, 1, 1))[0])
    blind = build_trunk("style", channels=3, size=SIZE, width=4, minibatch="none").double()
    torch.testing.assert_close(blind(varied)[0], blind(one.repeat(4, 1, 1, 1))[0])


def test_functional_call_leaves_the_network_alone():
    net = generator()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    weights = {key: p.detach() * 1.1 for key, p in net.named_parameters()}
    buffers = {key: b.clone() for key, b in net.named_buffers()}
    vector = torch.randn(2, 6)
    outside = functional_call(net, (weights, buffers), (vector,))
    assert not torch.equal(outside, net.synthesis(net.mapping(vector), "none"))
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert not torch.equal(buffers["w_mean"], state["w_mean"])


def test_channels_last_changes_nothing_but_the_layout():
    net, trunk = noisy(generator()).double(), StyleTrunk(3, SIZE, width=4).double()
    w = net.mapping(torch.randn(4, 6, dtype=torch.float64))
    picture = net.synthesis(w, "fixed")
    features = trunk(picture)
    net, trunk = (copy.deepcopy(m).to(memory_format=torch.channels_last) for m in (net, trunk))
    again = net.synthesis(w, "fixed")
    assert again.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(again, picture)
    torch.testing.assert_close(trunk(again), features)


def test_bfloat16_autocast_runs_both_ways():
    net, trunk = generator(mixing=0.9), StyleTrunk(3, SIZE, width=4)
    with torch.autocast("cpu", torch.bfloat16):
        picture = net(torch.randn(4, 6))
        loss = trunk(picture).float().square().mean()
    loss.backward()
    assert torch.isfinite(picture).all() and net.w_mean.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_it_reads_as_blocks_of_a_resolution():
    net = StyleGenerator(128, 3, 64)
    rows = describe(net, torch.zeros(2, 128))
    kinds = [row.kind for row in rows]
    assert kinds == ["Input", "Mapping network", *["Style block"] * 5, "To colours"]
    assert [row.output_shape[-1] for row in rows[2:]] == [4, 8, 16, 32, 64, 64]
    assert sum(row.parameters for row in rows) == parameter_count(net)
    assert "AdaIN" in rows[3].detail and "noise" in sketch_svg(rows, "G")
    trunk = StyleTrunk(3, 64)
    rows = describe(trunk, torch.zeros(2, 3, 64, 64))
    assert [row.kind for row in rows] == [
        "Input", "From colours", *["Halving block"] * 4, "Minibatch std. dev.", "Convolution", "Dense",
    ]  # fmt: skip
    assert sum(row.parameters for row in rows) == parameter_count(trunk)


def test_both_sides_learn_a_blob():
    """A few steps of the game at 4 pixels: fakes take on the reals' bright middle."""
    net, trunk = StyleGenerator(4, 1, 8, width=4), StyleTrunk(1, 8, width=4)
    score = nn.Sequential(trunk, EqualLinear(trunk.feature_dim, 1, gain=1.0))
    for module in (net, trunk):
        module.set_growth(0)
    set_generator(net, seed(0))
    optimisers = {module: torch.optim.Adam(module.parameters(), 4e-3, betas=(0.0, 0.99)) for module in (score, net)}
    real = torch.full((16, 1, 4, 4), -0.8)
    real[:, :, 1:3, 1:3] = 0.8

    def distance() -> float:
        with torch.no_grad():
            fake = net.synthesis(net.mapping(torch.randn(16, 4, generator=seed(1))), "none")
            return (fake - real).abs().mean().item()

    def move(module: nn.Module, loss: torch.Tensor) -> None:
        parameters = list(module.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True
        ):
            parameter.grad = gradient
        optimisers[module].step()

    before = distance()
    for _ in range(150):
        fake = net(torch.randn(16, 4))
        shown = (real + 0.05 * torch.randn_like(real)).requires_grad_()
        on_real = score(shown)
        (slope,) = torch.autograd.grad(on_real.sum(), shown, create_graph=True)
        r1 = slope.square().sum((1, 2, 3)).mean()
        move(score, F.softplus(-on_real).mean() + F.softplus(score(fake.detach())).mean() + 0.05 * r1)
        move(net, F.softplus(-score(fake)).mean())
    assert distance() < 0.5 * before


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_the_mapping_network_learns_at_its_rate_and_begins_alike(rate: float):
    from playground.networks.style import Mapping

    mapping = Mapping(32, 64, 3, rate)
    z = torch.randn(500, 32)
    w = mapping(z)
    assert w.square().mean().sqrt().item() == pytest.approx(1.0, rel=0.3), "whatever the rate"
    optimiser = torch.optim.Adam(mapping.parameters(), 1e-3)
    (mapping(z) - 1).square().mean().backward()
    optimiser.step()
    change = (mapping(z) - w).square().mean().sqrt().item()
    assert 0.005 * rate < change < 0.2 * rate, f"{change:.5f} at a rate of {rate}"


def test_a_fitted_mapping_network_has_the_moments_it_is_given():
    from playground.networks.style import Mapping

    plain, mapping = Mapping(16, 6, 3), Mapping(16, 6, 3, fitted=True)
    mapping.load_state_dict({**mapping.state_dict(), **plain.state_dict()})
    z = torch.randn(4000, 16)
    torch.testing.assert_close(mapping(z), plain(z)), "until it is fitted it is a plain one"
    factor = torch.randn(6, 6)
    covariance, mean = factor @ factor.T, torch.arange(6.0)
    mapping.fit(z, mean, covariance)
    w = mapping(z)
    torch.testing.assert_close(w.mean(0), mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(w.T), covariance, atol=2e-2, rtol=1e-2)
    mapping.fit(z, plain(z).mean(0), torch.cov(plain(z).T))
    torch.testing.assert_close(mapping(z), plain(z), atol=1e-3, rtol=1e-3), "what has them already is left alone"
    assert "mapping.mix" not in StyleGenerator(8, 1, 16, width=4).state_dict(), "others carry no such map"
