"""Simple shapes: each factor does what its name says; labels, lines, captions and numbers agree with the picture."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import spearmanr
from torch.nn.functional import max_pool2d

from playground.data import drawing, shapes
from playground.errors import UsageError

OPEN = {
    "shape": "star", "colour": "red", "background": "white", "size": 0.4, "x": 0.0, "y": 0.0, "rotation": 20.0,
}  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(n: int = 1, **changes) -> drawing.Factors:
    return shapes.sample_factors(n, seeded(), **{**OPEN, **changes})


@pytest.fixture(scope="module")
def many() -> drawing.Factors:
    return shapes.sample_factors(120, seeded(1))


@pytest.mark.parametrize("style", list(drawing.STYLES))
@pytest.mark.parametrize("name", list(shapes.FACTORS))
def test_each_factor_alone_changes_the_picture(name, style):
    factor = shapes.FACTORS[name]
    values = {"rotation": [0.0, 36.0]}.get(
        name, list(range(len(factor.values)) if factor.categorical else factor.values)
    )
    pictures = shapes.render(scene(len(values), **{name: values}), 64, style)
    for i in range(len(values)):
        for j in range(i):
            assert ((pictures[i] - pictures[j]).abs().amax(0) > 0.08).sum() > 20, (name, values[i], values[j])


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_size_place_and_turn_are_where_they_say(shape):
    factors = scene(
        5, shape=shape, size=[0.25, 0.5, 0.3, 0.3, 0.3], x=[0.0, 0.0, -0.42, 0.42, 0.0], y=[0.0, 0.0, 0.0, 0.0, 0.42]
    )
    maps = shapes.label_map(factors, 128) > 0
    area = maps.flatten(1).sum(1).float()
    assert area[1] / area[0] == pytest.approx(4, rel=0.1)
    centres = torch.stack([m.nonzero().float().mean(0) for m in maps])  # (row, column)
    assert (centres[3] - centres[2])[1] == pytest.approx(0.84 * 64, abs=1.5)
    small = shapes.label_map(scene(shape=shape, size=0.3), 128)[0] > 0
    assert (centres[4] - small.nonzero().float().mean(0))[0] == pytest.approx(0.42 * 64, abs=1.5)
    # A quarter turn clockwise is the picture turned clockwise.
    turned = shapes.label_map(scene(2, shape=shape, rotation=[10.0, 100.0]), 128) > 0
    assert (turned[0].rot90(-1) == turned[1]).float().mean() > 0.995


def test_the_picture_has_the_colours_that_are_named():
    hues = torch.tensor([drawing.colour(code) for code in shapes.COLOURS.values()])
    grounds = torch.tensor([drawing.colour(code) for code in shapes.BACKGROUNDS.values()])
    n = len(hues)
    factors = scene(n, colour=list(range(n)), background=[i % len(grounds) for i in range(n)])
    pictures, maps = (shapes.render(factors, 64) + 1) / 2, shapes.label_map(factors, 64)
    for i in range(n):
        inside, outside = (pictures[i][:, mask].median(1).values for mask in (maps[i] > 0, maps[i] == 0))
        assert (hues - inside).square().sum(1).argmin() == i
        assert (grounds - outside).square().sum(1).argmin() == i % len(grounds)


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_shapes_types_and_ranges(size, many):
    for style in drawing.STYLES:
        pictures = shapes.render(many, size, style)
        assert pictures.shape == (120, 3, size, size)
        assert pictures.dtype == torch.float32
        assert -1 <= pictures.min() < pictures.max() <= 1
    maps, lines = shapes.label_map(many, size), shapes.edges(many, size)
    assert maps.shape == (120, size, size)
    assert maps.dtype == torch.int64
    assert lines.shape == (120, 1, size, size)
    assert lines.dtype == torch.float32
    assert -1 <= lines.min() < -0.7
    assert lines.max() == 1
    # Every picture holds its own shape, all of it inside the frame.
    for one, shape in zip(maps, many["shape"], strict=True):
        assert one.unique().tolist() == [0, shape + 1]
    assert (maps[:, 0] == 0).all()
    assert (maps[:, :, -1] == 0).all()


def test_lines_run_along_the_border(many):
    maps, lines = shapes.label_map(many, 128), shapes.edges(many, 128)[:, 0] < 0
    border = torch.zeros_like(maps, dtype=torch.bool)
    border[:, 1:] |= maps[:, 1:] != maps[:, :-1]
    border[:, :, 1:] |= maps[:, :, 1:] != maps[:, :, :-1]

    def grown(mask: torch.Tensor, by: int) -> torch.Tensor:
        return max_pool2d(mask[:, None].float(), 2 * by + 1, 1, by)[:, 0] > 0

    assert grown(lines, 1)[border].float().mean() > 0.995
    assert grown(border, 3)[lines].all()


def test_the_same_seed_gives_the_same_pictures():
    a, b, c = (shapes.draw(6, seeded(s), "cpu") for s in (3, 3, 4))
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.attributes, b.attributes)
    assert not torch.equal(a.images, c.images)


def test_factors_are_independent_unless_asked():
    factors = shapes.sample_factors(5000, seeded())
    measured = spearmanr(torch.stack([c.double() for c in factors.values()], 1).numpy()).statistic
    assert abs(measured - torch.eye(len(factors)).numpy()).max() < 0.05
    for asked in (-0.8, 0.5):
        factors = shapes.sample_factors(5000, seeded(), correlations={("size", "x"): asked, ("colour", "shape"): asked})
        assert spearmanr(factors["size"], factors["x"]).statistic == pytest.approx(asked, abs=0.04)
        assert spearmanr(factors["shape"], factors["colour"]).statistic == pytest.approx(asked, abs=0.06)


def test_captions_say_what_is_there(many):
    for i, caption in enumerate(shapes.captions(many)):
        assert shapes.SHAPES[many["shape"][i]] in caption
        assert list(shapes.COLOURS)[many["colour"][i]] in caption
        assert list(shapes.BACKGROUNDS)[many["background"][i]] in caption
        assert ("left" in caption) == (many["x"][i] < -0.14)
        assert ("bottom" in caption) == (many["y"][i] > 0.14)
        assert ("big" in caption) == (many["size"][i] >= 0.25 + 0.25 * 2 / 3)
        assert " a o" not in caption
    assert len({caption.split()[0] for caption in shapes.captions(many)}) >= 3


def test_attributes_and_classes_agree_with_the_factors(many):
    table = shapes.attributes(many)
    assert table.shape == (120, len(shapes.ATTRIBUTES))
    assert table.dtype == torch.float32
    assert 0 <= table.min() <= table.max() <= 1
    assert torch.equal(table[:, :8].argmax(1), many["shape"])
    assert torch.equal(table[:, 8:16].argmax(1), many["colour"])
    column = dict(zip(shapes.ATTRIBUTES, table.unbind(1), strict=True))
    assert torch.allclose(column["x"], (many["x"] + 0.42) / 0.84)
    assert torch.allclose(
        (2 * column["rotation_cos"] - 1) ** 2 + (2 * column["rotation_sin"] - 1) ** 2, torch.ones(120)
    )
    assert [shapes.CLASSES[i] for i in shapes.class_labels(many)] == [shapes.SHAPES[i] for i in many["shape"]]


def test_the_data_set_is_the_same_in_any_order_of_taking():
    first, second = (shapes.load(16, seed=5, count=600) for _ in range(2))
    assert (first.info.name, first.info.classes, first.info.size, len(first)) == ("shapes", shapes.SHAPES, 16, 600)
    second.take(torch.tensor([590, 10]))
    a, b = (store.take(torch.tensor([3, 300, 599])) for store in (first, second))
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.labels, b.labels)


BAD = [
    (lambda: shapes.sample_factors(2, shape="hart"), "Did you mean 'heart'"),
    (lambda: shapes.sample_factors(2, form="heart"), "Unknown factor 'form'"),
    (lambda: shapes.sample_factors(2, size=0.9), "between 0.25 and 0.5"),
    (
        lambda: shapes.sample_factors(2, correlations={("x", "y"): 1.0, ("x", "size"): 1.0, ("y", "size"): 0.0}),
        "contradict each other",
    ),
    (lambda: shapes.render(scene(), 24), "16, 32, 64, 128 or 256"),
    (lambda: shapes.render(scene(), 32, "flta"), "Did you mean 'flat'"),
    (lambda: shapes.load(24), "16, 32, 64, 128 or 256"),
    (lambda: shapes.load(32, count=-1), "at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_mistakes_are_explained(call, message):
    with pytest.raises(UsageError, match=message):
        call()
