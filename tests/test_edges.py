"""Edge detectors: lines where the colours change and nowhere else, for pictures of every shape."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import max_pool2d

from playground.data import faces
from playground.edges import DETECTORS, detect_edges
from playground.errors import UsageError

EVERY = sorted(DETECTORS)


def disc(size: int = 64, radius: float = 20, inside=(-0.8, 0.2, 0.6), outside=(0.7, 0.7, -0.2)) -> torch.Tensor:
    """[1, 3, S, S]: a disc, its rim smoothed over a pixel."""
    y, x = torch.meshgrid(*[torch.arange(size) - size / 2 + 0.5] * 2, indexing="ij")
    cover = (radius - (x.square() + y.square()).sqrt() + 0.5).clamp(0, 1)
    return torch.stack([o + (i - o) * cover for i, o in zip(inside, outside, strict=True)])[None]


def distance_from_rim(size: int = 64, radius: float = 20) -> torch.Tensor:
    y, x = torch.meshgrid(*[torch.arange(size) - size / 2 + 0.5] * 2, indexing="ij")
    return ((x.square() + y.square()).sqrt() - radius).abs()


@pytest.mark.parametrize("detector", EVERY)
def test_lines_are_where_the_colours_meet_and_white_is_elsewhere(detector: str):
    lines = detect_edges(disc(), detector)[0, 0]
    away = distance_from_rim()
    assert lines[away > 6].min() > 0.5, "flat areas stay light"
    assert (lines[away < 2] < 0).float().mean() > 0.25, "the rim is dark, on one side of it at least"
    assert lines.min() >= -1 and lines.max() <= 1


@pytest.mark.parametrize("detector", EVERY)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 8000), (2, 5), (17, 31), (64, 48)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_shape_gives_finite_lines_of_that_shape(detector: str, shape: tuple[int, int], channels: int):
    noise = torch.rand(2, channels, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    lines = detect_edges(noise, detector)
    assert lines.shape == (2, 1, *shape) and lines.dtype == torch.float32
    assert torch.isfinite(lines).all() and lines.abs().max() <= 1


@pytest.mark.parametrize("detector", EVERY)
@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
def test_an_even_picture_has_no_lines(detector: str, level: float):
    lines = detect_edges(torch.full((1, 3, 32, 32), level), detector)
    assert lines.max() - lines.min() < 1e-4
    if detector != "dog" or level == 1:  # a pencil shades dark areas
        assert lines.min() > 0.99


@pytest.mark.parametrize("detector", EVERY)
def test_a_picture_does_not_depend_on_its_batch_and_stays_as_it_is(detector: str):
    batch = torch.cat([disc(radius=r) for r in (8, 14, 20)])
    before = batch.clone()
    together = detect_edges(batch, detector)
    assert torch.equal(batch, before)
    for i in range(3):
        assert torch.allclose(together[i : i + 1], detect_edges(batch[i : i + 1], detector), atol=1e-5)


@pytest.mark.parametrize("detector", ["drawing", "canny", "sobel"])
def test_colours_of_the_same_brightness_are_told_apart(detector: str):
    """Red and green of equal luminance: the gradient of the brightness is nearly zero between them."""
    red, green = torch.tensor([0.6, 0.0, 0.2]), torch.tensor([0.0, 0.6 * 0.299 / 0.587, 0.2])
    picture = torch.empty(1, 3, 32, 32)
    picture[..., :16], picture[..., 16:] = red.view(1, 3, 1, 1), green.view(1, 3, 1, 1)
    lines = detect_edges(picture * 2 - 1, detector)[0, 0]
    assert lines[8:24, 14:18].amin(1).max() < 0.2 < lines[8:24, :10].min()


def test_a_drawing_looks_like_the_line_drawings_of_the_faces():
    """Of portraits on a plain ground most drawn lines are found, and most found lines are drawn ones."""
    factors = faces.sample_factors(12, torch.Generator().manual_seed(3), background="plain")
    found = detect_edges(faces.render(factors, 128), "drawing")
    ink, drawn = (1 - found) / 2, (1 - faces.edges(factors, 128)) / 2
    precision = (ink * max_pool2d(drawn, 3, 1, 1)).sum() / ink.sum()
    recall = (drawn * max_pool2d(ink, 3, 1, 1)).sum() / drawn.sum()
    assert precision > 0.85 and recall > 0.75, (precision, recall)
    assert 0.5 < ink.mean() / drawn.mean() < 1.3, "a pen of about the same width"


@pytest.mark.parametrize("weight", [1.0, 2.0, 4.0])
def test_the_pen_is_as_wide_as_asked(weight: float):
    step = torch.full((1, 1, 40, 40), -1.0)
    step[..., 20:] = 1
    ink = (1 - detect_edges(step, "drawing", weight=weight)) / 2
    assert ink[0, 0, 10:30].sum(1).mean().item() == pytest.approx(weight, abs=0.05)
    centre = (ink[0, 0, 20] * torch.arange(40)).sum() / ink[0, 0, 20].sum()
    assert centre.item() == pytest.approx(19.5, abs=0.05), "on the border, between two pixels"


def test_weak_lines_stay_where_they_hang_together_with_strong_ones():
    picture = torch.full((2, 1, 32, 64), -1.0)
    picture[:, :, 16:] = torch.linspace(-0.85, 0.9, 64)  # a border that grows from weak to strong
    picture[1] = picture[1, :, :, :1]  # weak all along
    lines = detect_edges(picture, "canny", low=0.05, high=0.3)
    assert (lines[0, 0, 15:17, 8:] < 0).any(0).all()
    assert (lines[1] > 0).all()


def test_options_change_the_drawing_and_wrong_ones_are_told():
    picture = disc()
    for name, detector in DETECTORS.items():
        assert detector.options and detector.title and detector.help
        assert torch.equal(detect_edges(picture, name), detect_edges(picture, name, **detector.options))
    assert (detect_edges(picture, "sobel", gain=5.0) <= detect_edges(picture, "sobel", gain=1.0)).all()
    with pytest.raises(UsageError, match="Did you mean 'canny'"):
        detect_edges(picture, "cany")
    with pytest.raises(UsageError, match="sigma"):
        detect_edges(picture, "sobel", sgima=1.0)
    for bad in (0.0, -1.0, float("nan"), float("inf"), "2"):
        with pytest.raises(UsageError, match="above 0"):
            detect_edges(picture, "dog", sigma=bad)
    with pytest.raises(UsageError, match="must not be above"):
        detect_edges(picture, "canny", low=0.5, high=0.1)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(1, 2, 8, 8),
        torch.zeros(1, 3, 0, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
    ],
    ids=lambda t: f"{t.dtype} {list(t.shape)}",
)
def test_what_is_no_batch_of_pictures_is_told(images: torch.Tensor):
    with pytest.raises(UsageError, match="Edges are found in"):
        detect_edges(images)


def test_an_empty_batch_gives_an_empty_batch():
    assert detect_edges(torch.zeros(0, 3, 8, 9)).shape == (0, 1, 8, 9)
