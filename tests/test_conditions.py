"""Labels and codes change what they should, by the formulas they claim."""

from __future__ import annotations

import pytest
import torch

from playground.conditions import (
    KINDS,
    Codes,
    LabelInput,
    LabelMaps,
    Projection,
    embed,
    onehot,
    require_classes,
    row_labels,
    sample_labels,
)
from playground.errors import UsageError

CLASSES = 5


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(("kind", "extra"), [("none", 0), ("onehot", CLASSES), ("embedding", 7)])
def test_label_input_appends_to_the_latent(kind, extra):
    module = LabelInput(kind, CLASSES, dim=7)
    z, label = torch.randn(3, 4), torch.tensor([0, 2, 2])
    out = module(z, label)
    assert module.extra_dim == extra and out.shape == (3, 4 + extra)
    assert torch.equal(out[:, :4], z)
    if extra:
        assert torch.equal(out[1, 4:], out[2, 4:]) and not torch.equal(out[0, 4:], out[1, 4:])
    if kind == "onehot":
        assert torch.equal(out[:, 4:], torch.eye(CLASSES)[label])


@pytest.mark.parametrize(("kind", "extra"), [("none", 0), ("onehot", CLASSES), ("embedding", 1)])
def test_label_maps_append_to_the_picture(kind, extra):
    module = LabelMaps(kind, CLASSES, size=6)
    x, label = torch.randn(3, 2, 6, 6), torch.tensor([1, 4, 4])
    out = module(x, label)
    assert module.extra_channels == extra and out.shape == (3, 2 + extra, 6, 6)
    assert torch.equal(out[:, :2], x)
    if extra:
        assert torch.equal(out[1, 2:], out[2, 2:]) and not torch.equal(out[0, 2:], out[1, 2:])
    if kind == "onehot":
        assert torch.equal(out[:, 2:], torch.eye(CLASSES)[label][:, :, None, None].expand(-1, -1, 6, 6))


def test_label_maps_keep_channels_last():
    x = torch.randn(3, 2, 6, 6).to(memory_format=torch.channels_last)
    for kind in KINDS:
        out = LabelMaps(kind, CLASSES, size=6)(x, torch.tensor([0, 1, 2]))
        assert out.is_contiguous(memory_format=torch.channels_last), kind


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_projection_is_the_inner_product(spectral_norm):
    module = Projection(CLASSES, 6, spectral_norm=spectral_norm).eval()
    features, label = torch.randn(4, 6), torch.tensor([0, 3, 3, 1])
    expected = torch.einsum("nf,nf->n", module.table.weight[label], features)
    torch.testing.assert_close(module(features, label), expected)
    assert not torch.allclose(module(features, label), module(features, label.flip(0)))
    torch.testing.assert_close(module(2 * features, label), 2 * expected)


def test_spectral_projection_is_bounded():
    module = Projection(CLASSES, 6, spectral_norm=True)
    for _ in range(50):
        module(torch.randn(2, 6), torch.tensor([0, 1]))
    assert torch.linalg.svdvals(module.eval().table.weight.detach())[0] == pytest.approx(1, abs=1e-3)


def test_learned_labels_learn_only_the_classes_seen():
    for module, x in (
        (LabelInput("embedding", CLASSES, 3), torch.randn(2, 4)),
        (Projection(CLASSES, 4), torch.randn(2, 4)),
    ):
        module(x, torch.tensor([1, 3])).sum().backward()
        moved = module.table.weight.grad.abs().sum(dim=1) > 0
        assert moved.tolist() == [False, True, False, True, False]


def test_class_weights_lie_between_classes():
    weights = torch.tensor([[0.25, 0.75, 0, 0, 0]])
    pure = torch.tensor([0, 1])
    z = torch.randn(1, 4)
    for kind in ("onehot", "embedding"):
        for module, x in ((LabelInput(kind, CLASSES, 3), z), (LabelMaps(kind, CLASSES, 6), torch.randn(1, 2, 6, 6))):
            first, second = module(x.expand(2, *x.shape[1:]), pure)
            torch.testing.assert_close(module(x, weights)[0], 0.25 * first + 0.75 * second)
    projection = Projection(CLASSES, 4)
    ends = projection(z.expand(2, 4), pure)
    torch.testing.assert_close(projection(z, weights)[0], 0.25 * ends[0] + 0.75 * ends[1])
    sharp = torch.eye(CLASSES)[[2]]
    torch.testing.assert_close(embed(projection.table, sharp), projection.table(torch.tensor([2])))


def test_onehot_of_a_number_out_of_range_is_empty():
    assert onehot(torch.tensor([-1, 0, 3]), 3).tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    "build",
    [
        lambda: LabelInput("onehot", 0),
        lambda: LabelInput("embedding"),
        lambda: LabelMaps("onehot", 0),
        lambda: Projection(0, 8),
        lambda: sample_labels(3, 0),
        lambda: row_labels(0, 3),
        lambda: require_classes(0, "cgan"),
    ],
)
def test_conditions_need_labelled_pictures(build):
    with pytest.raises(UsageError, match="one folder a class"):
        build()


def test_wrong_conditions_are_told():
    with pytest.raises(UsageError, match="'embedding'"):
        LabelInput("embeding", CLASSES)
    with pytest.raises(UsageError, match="'onehot'"):
        LabelMaps("one-hot", CLASSES)
    with pytest.raises(UsageError, match="embedding size"):
        LabelInput("embedding", CLASSES, dim=0)
    for module, x in ((LabelInput("onehot", 2), torch.zeros(1, 3)), (LabelMaps("onehot", 2), torch.zeros(1, 1, 4, 4))):
        with pytest.raises(UsageError, match="give a label"):
            module(x)


def test_sampled_labels_are_even_and_seeded():
    labels = sample_labels(5000, CLASSES, torch.Generator().manual_seed(0))
    assert labels.dtype == torch.int64 and labels.shape == (5000,)
    shares = torch.bincount(labels, minlength=CLASSES) / 5000
    assert len(shares) == CLASSES and (shares - 0.2).abs().max() < 0.03
    assert torch.equal(labels, sample_labels(5000, CLASSES, torch.Generator().manual_seed(0)))


def test_row_labels_give_one_row_a_class():
    assert row_labels(3, 2).tolist() == [0, 0, 1, 1, 2, 2]
    assert row_labels(2, 3, rows=3).tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert row_labels(9, 2, rows=2).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("codes", [Codes((10,), 2), Codes((3, 4), 0), Codes((), 3), Codes([2], 1)], ids=str)
def test_codes_are_onehots_then_uniform_numbers(codes):
    drawn = codes.sample(2000, torch.Generator().manual_seed(0))
    assert drawn.shape == (2000, codes.dim) and drawn.dtype == torch.float32
    assert codes.output_dim == sum(codes.categorical) + codes.continuous
    assert torch.equal(drawn, codes.sample(2000, torch.Generator().manual_seed(0)))
    start = 0
    for values in codes.categorical:
        block = drawn[:, start : start + values]
        assert set(block.unique().tolist()) == {0.0, 1.0} and torch.equal(block.sum(dim=1), torch.ones(2000))
        assert (block.mean(dim=0) - 1 / values).abs().max() < 0.05
        start += values
    numbers = drawn[:, start:]
    assert numbers.abs().max() <= 1 if codes.continuous else numbers.numel() == 0
    if codes.continuous:
        assert numbers.mean().abs() < 0.05 and numbers.var() == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize("codes", [Codes((10,), 2), Codes((3, 4), 0), Codes((), 3)], ids=str)
def test_codes_come_apart_and_together(codes):
    drawn = codes.sample(50)
    categories, continuous = codes.split(drawn)
    assert len(categories) == len(codes.categorical) and continuous.shape == (50, codes.continuous)
    assert all(chosen.dtype == torch.int64 for chosen in categories)
    assert torch.equal(codes.join(categories, continuous), drawn)
    logits, means = codes.split_prediction(torch.randn(50, codes.output_dim))
    assert [block.shape for block in logits] == [(50, values) for values in codes.categorical]
    assert means.shape == (50, codes.continuous)


@pytest.mark.parametrize(("categorical", "continuous"), [((), 0), ((1,), 2), ((10,), -1)])
def test_impossible_codes_are_told(categorical, continuous):
    with pytest.raises(UsageError, match="code"):
        Codes(categorical, continuous)
