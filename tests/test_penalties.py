"""Penalties against closed forms on critics whose slope is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from playground.errors import UsageError
from playground.knobs import KNOBS
from playground.penalties import (
    PENALTIES,
    clip_weights_,
    dragan,
    find_penalty,
    gradient_norm,
    gradient_penalty,
    interpolates,
    zero_centred,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


@pytest.fixture
def linear():
    """D(x) = w·x + b with ‖w‖ = 3: its slope is w everywhere."""
    w = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    return w, b, lambda x: x @ w + b


def test_gradient_norm_of_a_linear_critic_is_the_norm_of_its_weights(linear):
    _, _, critic = linear
    torch.testing.assert_close(gradient_norm(critic, draw(5, 3)), torch.full((5,), 3.0, dtype=torch.float64))


def test_gradient_norm_takes_all_dimensions_of_each_sample():
    x = draw(4, 2, 3, 3)
    norms = gradient_norm(lambda x: 0.5 * x.square().sum((1, 2, 3)), x)  # ∇ = x
    torch.testing.assert_close(norms, x.flatten(1).norm(dim=1))


def test_the_norm_has_a_finite_subgradient_where_the_slope_is_zero():
    w = torch.zeros(3, requires_grad=True)
    loss = (gradient_norm(lambda x: x @ w, torch.randn(4, 3, generator=seeded())) - 1).square().mean()
    assert loss.item() == 1.0
    assert torch.autograd.grad(loss, w)[0].isfinite().all()


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan"])
def test_unit_slope_penalties_on_a_linear_critic(linear, name):
    """(‖w‖ − 1)² = 4, and its gradient 2(‖w‖ − 1)·w/‖w‖ reaches w and not b."""
    w, b, critic = linear
    loss = PENALTIES[name](critic, draw(6, 3), draw(6, 3, seed=1), seeded())
    assert loss.item() == pytest.approx(4.0)
    to_w, to_b = torch.autograd.grad(loss, (w, b), allow_unused=True)
    torch.testing.assert_close(to_w, 2 * 2 * w.detach() / 3)
    assert to_b is None or to_b == 0


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_zero_centred_penalties_on_a_linear_critic(linear, name):
    """½‖w‖² = 4.5 with gradient w, so a weight γ makes γ/2·‖∇D‖²."""
    w, _, critic = linear
    loss = PENALTIES[name](critic, draw(6, 3), draw(6, 3, seed=1), seeded())
    assert loss.item() == pytest.approx(4.5)
    torch.testing.assert_close(torch.autograd.grad(loss, w)[0], w.detach())


def test_zero_centred_on_a_quadratic():
    """D = ½xᵀAx with symmetric A: ∇ = Ax, penalty ½·E xᵀA²x, and its slope in A is the batch mean of (Ax)xᵀ."""
    a = draw(3, 3)
    a = (a + a.T).requires_grad_(True)
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, -1.0]], dtype=torch.float64)
    # written with the symmetric part, so that the slope is Ax for the matrix as a free parameter too
    loss = zero_centred(lambda x: 0.5 * torch.einsum("ni,ij,nj->n", x, (a + a.T) / 2, x), x)
    slope = x @ a.detach()
    torch.testing.assert_close(loss, 0.5 * slope.square().sum(1).mean())
    expected = (slope[:, :, None] * x[:, None, :]).mean(0)
    torch.testing.assert_close(torch.autograd.grad(loss, a)[0], (expected + expected.T) / 2)


def test_r1_looks_at_reals_and_r2_at_fakes():
    def critic(x):
        return 0.5 * x.square().sum(1)

    real, fake = draw(4, 2), 10 * draw(4, 2, seed=1)
    torch.testing.assert_close(PENALTIES["r1"](critic, real, fake, None), 0.5 * real.square().sum(1).mean())
    torch.testing.assert_close(PENALTIES["r2"](critic, real, fake, None), 0.5 * fake.square().sum(1).mean())


def test_every_sample_has_its_own_point_on_its_own_line():
    real, fake = torch.ones(64, 3, 4, 4), torch.zeros(64, 3, 4, 4)
    points = interpolates(real, fake, generator=seeded())
    u = points[:, 0, 0, 0]
    assert (points == u.view(-1, 1, 1, 1)).all()  # one coefficient within a sample
    assert u.unique().numel() == 64  # a different one in each
    assert u.min() >= 0 and u.max() <= 1
    assert u.mean().item() == pytest.approx(0.5, abs=0.15) and u.std().item() == pytest.approx(12**-0.5, abs=0.06)


def test_the_gradient_penalty_is_taken_at_the_interpolates():
    real, fake = draw(8, 2), draw(8, 2, seed=1)
    points = interpolates(real, fake, generator=seeded(5))
    loss = gradient_penalty(lambda x: 0.5 * x.square().sum(1), real, fake, generator=seeded(5), target=0.25)
    torch.testing.assert_close(loss, (points.norm(dim=1) - 0.25).square().mean())


def test_dragan_stays_within_half_a_deviation_above_the_reals():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.square().sum((1, 2, 3))

    real = 3 * draw(32, 1, 4, 4)
    dragan(critic, real, generator=seeded())
    offset = (seen[0] - real) / (0.5 * real.std(correction=0))
    assert offset.min() >= -1e-12 and offset.max() <= 1 + 1e-12
    assert offset.unique().numel() == offset.numel()  # each element has its own draw
    assert offset.mean().item() == pytest.approx(0.5, abs=0.05)
    dragan(critic, real, generator=seeded(), scale=0.0)
    torch.testing.assert_close(seen[1], real)


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 3, padding=1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0),
    )  # fmt: skip


@pytest.mark.parametrize("row", PENALTIES.values(), ids=PENALTIES)
def test_double_backward_reaches_convolutions_and_agrees_with_differences(row):
    network = convolutional().double()
    real, fake = draw(3, 1, 8, 8), draw(3, 1, 8, 8, seed=1)
    loss = row(network, real, fake, seeded(2))
    loss.backward()
    weight = network[0].weight
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in network.named_parameters() if "weight" in n)
    direction = draw(*weight.shape, seed=3)
    epsilon = 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * epsilon * direction
        values.append(row(network, real, fake, seeded(2)).item())
        with torch.no_grad():
            weight -= sign * epsilon * direction
    slope = (values[0] - values[1]) / (2 * epsilon)
    assert slope == pytest.approx((weight.grad * direction).sum().item(), rel=1e-5)


def test_minimising_the_penalty_brings_the_slope_to_one():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1), nn.Flatten(0))
    optimiser, generator = torch.optim.Adam(network.parameters(), 1e-2), seeded()
    real, fake = torch.randn(64, 2, generator=generator), torch.randn(64, 2, generator=generator)
    before = gradient_norm(network, real).mean().item()
    for _ in range(150):
        optimiser.zero_grad()
        gradient_penalty(network, real, fake, generator=generator).backward()
        optimiser.step()
    assert abs(before - 1) > 0.3
    assert gradient_norm(network, real).mean().item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("row", PENALTIES.values(), ids=PENALTIES)
def test_samples_are_left_alone_and_the_generator_decides(row):
    def critic(x):
        return x.pow(3).sum(1)

    real, fake = draw(6, 3).requires_grad_(True), draw(6, 3, seed=1).requires_grad_(True)
    same = [row(critic, real, fake, seeded(4)) for _ in range(2)]
    assert same[0] == same[1]
    other = row(critic, real, fake, seeded(5))
    assert (other == same[0]) == (row.sites in ("real", "fake"))  # those two draw nothing
    same[0].backward()
    assert real.grad is None and fake.grad is None  # the samples are detached: a penalty never moves the generator


@pytest.mark.parametrize("row", PENALTIES.values(), ids=PENALTIES)
def test_penalties_need_no_surrounding_graph_and_no_host(row):
    """They work inside no_grad, and on tensors without data, which can't answer a question on the host."""
    with torch.no_grad():
        assert row(lambda x: x.square().sum(1), torch.ones(2, 3), torch.zeros(2, 3), seeded()).isfinite()
    network = convolutional().to("meta")
    real, fake = (torch.empty(2, 1, 8, 8, device="meta") for _ in "rf")
    row(network, real, fake, seeded()).backward()


def test_half_precision_samples_give_a_float32_penalty():
    x = torch.full((2, 4096), 10.0, dtype=torch.float16)  # ‖∇‖² = 4·409600 overflows float16
    assert zero_centred(lambda x: x.square().sum(1) / 64, x).dtype == torch.float32
    assert gradient_norm(lambda x: (x * 20).sum(1) / 64 * 64, x).tolist() == pytest.approx([20 * 64] * 2)


def test_clipping_clamps_in_place_and_only_what_is_outside():
    network = convolutional()
    before = [p.detach().clone() for p in network.parameters()]
    storage = [p.data_ptr() for p in network.parameters()]
    clip_weights_(network.parameters(), 0.05)
    for old, new, address in zip(before, network.parameters(), storage, strict=True):
        torch.testing.assert_close(new.detach(), old.clamp(-0.05, 0.05), rtol=0, atol=0)
        assert new.data_ptr() == address and new.requires_grad
    assert any((old.abs() > 0.05).any() for old in before)
    clip_weights_([], 0.01)
    for bound in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="positive"):
            clip_weights_(network.parameters(), bound)


def test_the_table_names_its_knobs_and_sites():
    assert set(PENALTIES) == {"gradient_penalty", "dragan", "r1", "r2"}
    for name, row in PENALTIES.items():
        assert row.name == name and row.formula and row.reference and row.title
        assert KNOBS[row.knob].group == "penalties"
    sites = {name: row.sites for name, row in PENALTIES.items()}
    assert sites == {"gradient_penalty": "interpolates", "dragan": "around real", "r1": "real", "r2": "fake"}
    with pytest.raises(UsageError, match="'dragan'"):
        find_penalty("dragon")


def test_pairs_of_different_shape_are_refused():
    with pytest.raises(UsageError, match="as many real"):
        gradient_penalty(lambda x: x.sum(1), torch.zeros(4, 2), torch.zeros(3, 2), generator=None)
