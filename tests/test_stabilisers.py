"""Stabilisers: what each does to the numbers D sees, and that a seed decides all of it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from playground.errors import TrainingError, UsageError
from playground.knobs import KNOBS
from playground.stabilisers import (
    AUGMENTATIONS,
    MovingAverage,
    ReplayBuffer,
    augment,
    ema_decay_at,
    fake_targets,
    instance_noise,
    pack,
    real_targets,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- targets


def test_hard_and_smoothed_targets():
    assert real_targets(3).tolist() == [1, 1, 1] and fake_targets(3).tolist() == [0, 0, 0]
    assert real_targets(2, smoothing=0.1).tolist() == pytest.approx([0.9, 0.9])
    assert fake_targets(2, smoothing=0.1).tolist() == [0, 0]  # one-sided


@pytest.mark.parametrize(("make", "low", "high"), [(real_targets, 0.7, 1.2), (fake_targets, 0.0, 0.3)])
def test_noisy_targets_fill_their_range(make, low, high):
    targets = make(4000, noisy=True, generator=seeded())
    assert low <= targets.min() < low + 0.01 and high - 0.01 < targets.max() <= high
    assert targets.mean().item() == pytest.approx((low + high) / 2, abs=0.02)


@pytest.mark.parametrize("noisy", [False, True])
def test_flipped_targets_are_those_of_the_other_side(noisy):
    settings = {"smoothing": 0.1, "noisy": noisy, "flip": 0.25, "generator": seeded()}
    real, fake = real_targets(4000, **settings), fake_targets(4000, **settings)
    assert (real < 0.5).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert (fake > 0.5).float().mean().item() == pytest.approx(0.25, abs=0.03)
    if not noisy:
        assert real.unique().tolist() == fake.unique().tolist() == pytest.approx([0.0, 0.9])
    assert (real_targets(50, flip=1.0, generator=seeded()) == 0).all()


def test_targets_out_of_range_are_refused():
    for wrong in ({"smoothing": 1.0}, {"smoothing": -0.1}, {"flip": 1.1}, {"flip": -0.1}):
        with pytest.raises(UsageError, match="smoothing"):
            real_targets(2, **wrong)


# --- instance noise, packing


def test_instance_noise_has_the_asked_deviation():
    x = torch.full((64, 3, 8, 8), 0.5)
    noisy = instance_noise(x, 0.2, seeded())
    assert noisy.std().item() == pytest.approx(0.2, rel=0.03) and noisy.mean().item() == pytest.approx(0.5, abs=0.01)
    assert instance_noise(x, 0.0, seeded()) is x
    torch.testing.assert_close(instance_noise(x, torch.tensor(0.2), seeded()), noisy)
    assert instance_noise(x.bfloat16(), 0.2, seeded()).dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(12, 2), (12, 3, 4, 5)])
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_packing_joins_neighbours_and_can_be_undone(shape, m):
    x = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).view(shape)
    packed = pack(x, m)
    assert packed.shape == (12 // m, m * shape[1], *shape[2:])
    for i in range(12 // m):
        torch.testing.assert_close(packed[i], torch.cat([x[m * i + j] for j in range(m)]))
    torch.testing.assert_close(packed.reshape(shape), x)


def test_packing_needs_whole_packs():
    for m in (5, 0, -2):
        with pytest.raises(UsageError, match="multiple"):
            pack(torch.zeros(12, 2), m)


# --- replay buffer


def numbered(start, n):
    """Samples that carry their own number, so that their age can be read."""
    return torch.arange(start, start + n, dtype=torch.float32).view(n, 1, 1, 1).expand(n, 1, 2, 2).clone()


def test_the_buffer_passes_all_through_until_it_is_full():
    buffer = ReplayBuffer(50)
    for i in range(5):
        batch = numbered(10 * i, 10)
        torch.testing.assert_close(buffer.query(batch, seeded()), batch)
        assert len(buffer) == 10 * (i + 1)


@pytest.mark.parametrize("batch", [8, 50, 70])
def test_a_full_buffer_gives_back_half_old_samples(batch):
    buffer, generator = ReplayBuffer(50), seeded()
    buffer.query(numbered(0, 50), generator)
    old, total, everything = 0, 0, set(range(50))
    for i in range(1, 60):
        start = 1000 * i
        out = buffer.query(numbered(start, batch), generator)
        everything |= set(range(start, start + batch))
        numbers = out[:, 0, 0, 0]
        assert (out == numbers.view(-1, 1, 1, 1)).all()  # whole samples, not mixtures
        position = torch.arange(start, start + batch)
        kept = numbers == position
        assert numbers.unique().numel() == batch  # nothing handed out twice
        old += (~kept).sum().item()
        total += batch
        assert set(numbers.int().tolist()) <= everything
    assert old / total == pytest.approx(0.5, abs=0.06)
    assert len(buffer) == 50


def test_nothing_is_lost_or_doubled_by_swapping():
    """What went in is either out again or still stored, each exactly once."""
    buffer, generator = ReplayBuffer(20), seeded()
    out = torch.cat([buffer.query(numbered(7 * i, 7), generator)[:, 0, 0, 0] for i in range(30)])
    stored = buffer.state_dict()["pool"][0][:, 0, 0, 0]
    assert out[:20].tolist() == list(range(20))  # while it fills, samples are stored and passed on
    assert sorted(torch.cat([out[20:], stored]).tolist()) == list(range(210))
    ages = 210 - stored
    assert ages.max() > 40 and ages.min() < 40  # a mixture of ages


def test_the_buffer_keeps_rows_together_and_detaches():
    buffer, generator = ReplayBuffer(8), seeded()
    for i in range(10):
        images = numbered(8 * i, 8).requires_grad_(True)
        out, labels = buffer.query((images, torch.arange(8 * i, 8 * i + 8)), generator)
        assert torch.equal(out[:, 0, 0, 0].long(), labels) and not out.requires_grad


def test_the_buffer_resumes_where_it_was():
    buffer, generator = ReplayBuffer(12), seeded()
    for i in range(6):
        buffer.query(numbered(5 * i, 5), generator)
    twin = ReplayBuffer(12)
    twin.load_state_dict(copy.deepcopy(buffer.state_dict()))
    for i in range(6, 9):
        one = buffer.query(numbered(5 * i, 5), seeded(i))
        two = twin.query(numbered(5 * i, 5), seeded(i))
        assert torch.equal(one, two)
    half = ReplayBuffer(12)
    half.query(numbered(0, 5), generator)
    twin.load_state_dict(half.state_dict())
    assert len(twin) == 5 and torch.equal(twin.query(numbered(5, 9), seeded(1)), half.query(numbered(5, 9), seeded(1)))
    empty = ReplayBuffer(12)
    twin.load_state_dict(empty.state_dict())
    assert len(twin) == 0
    with pytest.raises(TrainingError, match="replay buffer"):
        ReplayBuffer(5).load_state_dict(buffer.state_dict())


def test_a_snapshot_of_the_buffer_does_not_change_later():
    buffer = ReplayBuffer(4)
    buffer.query(numbered(0, 4), seeded())
    state = buffer.state_dict()
    buffer.query(numbered(100, 4), seeded())
    assert state["pool"][0][:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_the_buffer_starts_anew_when_pictures_grow():
    buffer = ReplayBuffer(10)
    buffer.query(torch.zeros(10, 1, 2, 2), seeded())
    larger = torch.ones(4, 1, 4, 4)
    assert torch.equal(buffer.query(larger, seeded()), larger) and len(buffer) == 4


def test_no_buffer_and_no_negative_one():
    x = numbered(0, 3)
    assert torch.equal(ReplayBuffer(0).query(x, seeded()), x)
    with pytest.raises(UsageError, match="0 or more"):
        ReplayBuffer(-1)


# --- augmentation

POLICIES = ["colour", "translation", "cutout", "colour,translation", "colour,translation,cutout"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_augmentation_keeps_the_form_and_lets_gradients_through(policy, channels, layout):
    x = (torch.rand(6, channels, 16, 12, generator=seeded()) * 2 - 1).to(memory_format=layout).requires_grad_(True)
    out = augment(x, policy, seeded(1))
    assert out.shape == x.shape and out.dtype == x.dtype
    assert out.is_contiguous(memory_format=layout)
    torch.testing.assert_close(out, augment(x.detach().contiguous(), policy, seeded(1)))  # whatever the layout
    assert not torch.equal(out, augment(x, policy, seeded(2)))
    out.square().sum().backward()
    assert (x.grad.flatten(1).abs().sum(1) > 0).all() and x.grad.isfinite().all()
    assert augment(x.detach().bfloat16(), policy, seeded()).dtype == torch.bfloat16


@pytest.mark.parametrize("policy", POLICIES)
def test_augmentation_is_differentiable_twice_and_correctly(policy):
    x = torch.rand(2, 3, 8, 8, generator=seeded(), dtype=torch.float64).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: augment(x, policy, seeded(3)), (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, policy, seeded(3)).square(), (x,), fast_mode=True)


def test_every_sample_is_changed_on_its_own():
    x = (torch.rand(1, 3, 16, 16, generator=seeded()) * 2 - 1).expand(16, -1, -1, -1)
    for policy in AUGMENTATIONS:
        out = augment(x, policy, seeded())
        assert len({tuple(sample.flatten().tolist()) for sample in out}) > 8


def test_translation_moves_by_whole_pixels_up_to_an_eighth():
    """A single lit pixel shows where it went; over many draws every shift of the square occurs."""
    n, side, at = 2000, 16, 8
    x = torch.zeros(n, 1, side, side)
    x[:, :, at, at] = 1.0
    out = augment(x, "translation", seeded())
    assert set(out.unique().tolist()) == {0.0, 1.0}
    sample, _, row, column = out.nonzero(as_tuple=True)
    assert torch.equal(sample, torch.arange(n))  # in the middle it never falls off
    shifts = set(zip((row - at).tolist(), (column - at).tolist(), strict=True))
    assert shifts == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_translation_fills_with_zeros_and_does_not_wrap():
    x = torch.ones(500, 3, 16, 8)
    out = augment(x, "translation", seeded())
    lit_rows, lit_columns = out[:, 0].amax(2).sum(1), out[:, 0].amax(1).sum(1)  # how many rows and columns remain
    assert set(lit_rows.tolist()) == {14.0, 15.0, 16.0} and set(lit_columns.tolist()) == {7.0, 8.0}
    torch.testing.assert_close(out.sum((1, 2, 3)), 3 * lit_rows * lit_columns)  # one full rectangle
    # a shift is undone by the opposite one, apart from what fell off the edge
    corner = torch.zeros(500, 1, 16, 16)
    corner[:, :, 0, 0] = 1.0
    moved = augment(corner, "translation", seeded())
    assert 0.2 < (moved.sum((1, 2, 3)) == 0).float().mean() < 0.9
    assert moved[:, :, 8:].sum() == 0 and moved[:, :, :, 8:].sum() == 0


def test_cutout_removes_a_square_of_half_the_side():
    out = augment(torch.ones(2000, 3, 16, 16), "cutout", seeded())
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(out[:, 0], out[:, 1]) and torch.equal(out[:, 0], out[:, 2])
    hole = 1 - out[:, 0]
    height, width = hole.amax(2).sum(1), hole.amax(1).sum(1)
    torch.testing.assert_close(hole.sum((1, 2)), height * width)  # a rectangle
    assert height.max() == width.max() == 8 and height.min() >= 4 and width.min() >= 4  # smaller only at the border
    share = hole.mean(0)
    assert (share > 0.05).all()  # every pixel is hit now and then, and no side is preferred
    torch.testing.assert_close(share, share.flip(0), atol=0.06, rtol=0)
    torch.testing.assert_close(share, share.flip(1), atol=0.06, rtol=0)


def test_colour_changes_stay_within_the_papers_ranges():
    """A grey picture has no colour and no contrast: what is left is the brightness, U(−½, ½)."""
    out = augment(torch.zeros(2000, 3, 4, 4), "colour", seeded())
    shift = out[:, 0, 0, 0]
    torch.testing.assert_close(out, shift.view(-1, 1, 1, 1).expand_as(out))
    assert -0.5 <= shift.min() < -0.49 and 0.49 < shift.max() <= 0.5
    # contrast: the deviation of a grey pattern is multiplied by U(½, 3/2)
    grey = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).expand(2000, 3, 2, 2)
    contrast = augment(grey, "colour", seeded())[:, 0].flatten(1).std(1, correction=0)
    assert contrast.min() >= 0.5 - 1e-6 and contrast.min() < 0.51 and 1.49 < contrast.max() <= 1.5 + 1e-6
    # saturation: the spread of the channels is multiplied by U(0, 2), and then by the contrast
    coloured = torch.tensor([-0.5, 0.0, 0.5]).view(1, 3, 1, 1).expand(2000, 3, 2, 2)
    spread = augment(coloured, "colour", seeded())[:, :, 0, 0]
    factor = spread[:, 2] - spread[:, 0]
    assert 0 <= factor.min() < 0.01 and 2.5 < factor.max() <= 3.0


def test_policies_have_the_knobs_names():
    x = torch.rand(2, 1, 8, 8, generator=seeded())
    for policy in KNOBS["augment"].choices:
        out = augment(x, policy, seeded())
        assert (out is x) == (policy == "none")
    assert augment(x, "", seeded()) is x
    torch.testing.assert_close(augment(x, "color, cutout", seeded()), augment(x, "colour,cutout", seeded()))
    with pytest.raises(UsageError, match="'cutout'"):
        augment(x, "colour,cutuot", seeded())
    with pytest.raises(UsageError, match="pictures"):
        augment(torch.zeros(4, 2), "cutout", seeded())


# --- moving average


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.utils.parametrizations.spectral_norm(nn.Linear(4, 2)))


def test_the_average_equals_its_closed_form():
    """After k updates towards θ_1 … θ_k: β^k·θ_0 + (1−β)·Σ β^(k−i)·θ_i."""
    model, decay, k = network().double(), 0.8, 7
    average = copy.deepcopy(model)
    start, seen = model[0].weight.detach().clone(), []
    means, mean_start = [], model[1].running_mean.clone()
    generator = seeded()
    for _ in range(k):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
        model(torch.randn(8, 3, generator=generator, dtype=torch.float64))  # moves the running statistics
        seen.append(model[0].weight.detach().clone())
        means.append(model[1].running_mean.clone())
        MovingAverage(average, model).update_(decay)
    for first, values, result in (
        (start, seen, average[0].weight.detach()),
        (mean_start, means, average[1].running_mean),
    ):
        expected = decay**k * first + sum((1 - decay) * decay ** (k - 1 - i) * v for i, v in enumerate(values))
        torch.testing.assert_close(result, expected)
    assert average[1].num_batches_tracked == model[1].num_batches_tracked == k
    assert average[0].weight.requires_grad and not average[0].weight.grad_fn


def test_the_vectors_of_spectral_normalisation_stay_unit_vectors():
    model = network()
    average = copy.deepcopy(model)
    for seed in range(5):
        with torch.no_grad():
            model[2].parametrizations.weight.original.copy_(torch.randn(2, 4, generator=seeded(seed)))
        model(torch.randn(8, 3, generator=seeded(seed)))
        MovingAverage(average, model).update_(0.9)
        u = average[2].parametrizations.weight[0]._u
        assert u.norm().item() == pytest.approx(1.0, abs=1e-5)
        assert torch.equal(u, model[2].parametrizations.weight[0]._u)


def test_extreme_decays_and_refusals():
    model = network()
    average = copy.deepcopy(model)
    with torch.no_grad():
        model[0].weight.add_(1.0)
    before = average[0].weight.detach().clone()
    MovingAverage(average, model).update_(1.0)
    assert torch.equal(average[0].weight, before)
    MovingAverage(average, model).update_(0.0)
    assert torch.equal(average[0].weight, model[0].weight)
    with pytest.raises(UsageError, match="decay"):
        MovingAverage(average, model).update_(1.5)
    with pytest.raises(UsageError, match="differ"):
        MovingAverage(nn.Linear(3, 4), model).update_(0.9)
    MovingAverage(nn.ReLU(), nn.ReLU()).update_(0.9)


def test_the_decay_warms_up_to_its_value():
    decays = [ema_decay_at(step, 0.99) for step in range(2000)]
    assert decays[0] == 0.1 and decays == sorted(decays) and decays[-1] == 0.99
    assert decays[90] == pytest.approx(91 / 100)
    assert ema_decay_at(0, 0.99, warmup=False) == 0.99
    assert ema_decay_at(500, 0.0) == 0.0


# --- all of them


def test_no_value_is_read_on_the_host():
    """Tensors without data can't answer `.item()` or an `if`: what runs on them never waits for a device."""
    x = torch.empty(4, 3, 8, 8, device="meta", requires_grad=True)
    generator = seeded()
    out = pack(instance_noise(augment(x, "colour,translation,cutout", generator), 0.1, generator), 2)
    out.sum().backward()
    buffer = ReplayBuffer(6)
    for _ in range(4):
        assert buffer.query(x, generator).shape == x.shape
    for make in (real_targets, fake_targets):
        assert make(4, 0.1, True, 0.1, generator, "meta").device.type == "meta"
    model = network().to("meta")
    MovingAverage(copy.deepcopy(model), model).update_(0.9)


def test_a_seed_decides_everything():
    x = torch.rand(8, 3, 8, 8, generator=seeded())

    def run(seed):
        generator = seeded(seed)
        buffer = ReplayBuffer(8)
        buffer.query(x, generator)
        return [
            real_targets(8, noisy=True, flip=0.3, generator=generator),
            fake_targets(8, noisy=True, flip=0.3, generator=generator),
            instance_noise(x, 0.1, generator),
            buffer.query(x + 1, generator),
            augment(x, "colour,translation,cutout", generator),
        ]

    torch.manual_seed(1)
    one = run(0)
    torch.manual_seed(2)
    two, other = run(0), run(9)
    for a, b, c in zip(one, two, other, strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
    noise = instance_noise(x, 0.1)  # without a generator: the device's default one
    assert noise.shape == x.shape and not torch.equal(noise, x)
