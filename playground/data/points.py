r"""Point sets: distributions of one or two dimensions in which the whole game can be seen.

A point is a picture of a single pixel whose channels are its coordinates, [N, d, 1, 1]; so the same families, losses
and stabilisers play with points. `ring` and `grid` are those of the literature on mode collapse (Metz et al. 2016,
arXiv 1611.02163; Srivastava et al. 2017, arXiv 1705.07761; Lin et al. 2018, arXiv 1712.04086, section 4.1): eight
Gaussians on the unit circle with σ 0.01, and 25 Gaussians at {-4, -2, 0, 2, 4}² with σ 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from playground.data.base import Batch, DataInfo, ImageStore, World
from playground.errors import DataError, UsageError, unknown

#: points that a set holds; so many that a network sees hardly any of them often
COUNT = 2**16
Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class PointSet:
    """One row of the table: `draw(n, rng)` gives points float [n, d] and the mode each belongs to (int [n], all 0 where
    there are none); `modes` are their centres and `sigma` their deviation, where the set is made of such."""

    name: str
    draw: Draw
    bounds: tuple[tuple[float, float], ...]
    modes: tuple[tuple[float, ...], ...] = ()
    sigma: float | None = None


def _mixture(modes: Sequence[Sequence[float]], sigma: float, weights: Sequence[float] | None = None) -> Draw:
    centres = np.asarray(modes, float)

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        which = rng.choice(len(centres), n, p=weights)
        return centres[which] + sigma * rng.standard_normal((n, centres.shape[1])), which

    return draw


def _gaussians(name: str, modes: Sequence[Sequence[float]], sigma: float, reach: float) -> PointSet:
    centres = tuple(tuple(float(x) for x in mode) for mode in modes)
    square = ((-reach, reach),) * len(centres[0])
    return PointSet(name, _mixture(centres, sigma), square, centres, sigma)


def _curve(place: Callable[[np.ndarray], np.ndarray], noise: float) -> Draw:
    """Points along `place(t)`, t uniform in [0, 1], with noise across it."""

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return place(rng.random(n)) + noise * rng.standard_normal((n, 2)), np.zeros(n, int)

    return draw


def _spiral(t: np.ndarray) -> np.ndarray:
    """Two arms, wound once and a half; the root makes equal lengths equally likely."""
    arm = np.where(t < 0.5, 0.0, np.pi)
    t = np.sqrt(2 * np.where(t < 0.5, t, t - 0.5))
    angle = 3 * np.pi * t + arm
    return np.stack([t * np.cos(angle), t * np.sin(angle)], 1)


def _swiss_roll(t: np.ndarray) -> np.ndarray:
    """The classic roll seen from its end: radius and angle grow together from 1.5 π to 4.5 π."""
    angle = 1.5 * np.pi * (1 + 2 * t)
    return np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1) / (4.5 * np.pi)


_RING = [(math.cos(2 * math.pi * k / 8), math.sin(2 * math.pi * k / 8)) for k in range(8)]
_GRID = [(x, y) for x in (-4.0, -2.0, 0.0, 2.0, 4.0) for y in (-4.0, -2.0, 0.0, 2.0, 4.0)]
_SQUARE = ((-1.4, 1.4), (-1.4, 1.4))

POINT_SETS: dict[str, PointSet] = {
    row.name: row
    for row in (
        _gaussians("ring", _RING, 0.01, 1.5),
        _gaussians("grid", _GRID, 0.05, 5.2),
        PointSet("line", _curve(lambda t: np.stack([2 * t - 1, 0.6 * (2 * t - 1)], 1), 0.02), _SQUARE),
        _gaussians("gaussians", [(-0.6, -0.5), (0.7, -0.3), (0.0, 0.75)], 0.12, 1.4),
        PointSet("spiral", _curve(_spiral, 0.015), _SQUARE),
        PointSet("swiss-roll", _curve(_swiss_roll, 0.02), _SQUARE),
        _gaussians("blobs", [(-0.9, 0.0), (0.9, 0.0)], 0.1, 1.4),
    )
}


class PointStore(ImageStore):
    """Points in memory: `take` gives them as `images` [N, d, 1, 1] in their own coordinates.

    Args:
        info: the facts, with a `world`; `info.count` is the number of points.
        points: float32 [N, d].
        labels: int64 [N], the mode each belongs to, or None.

    Raises:
        DataError: shapes that disagree with `info`.
    """

    def __init__(self, info: DataInfo, points: Tensor, labels: Tensor | None = None):
        if tuple(points.shape) != (info.count, info.channels) or info.size != 1 or info.world is None:
            raise DataError(f"The points of '{info.name}' do not have the shape their description states.")
        self.info, self.pixels, self.labels, self.attributes = info, points, labels, None

    def to(self, device: torch.device | str) -> ImageStore:
        return PointStore(self.info, self.pixels.to(device), None if self.labels is None else self.labels.to(device))

    def take(self, indices: Tensor) -> Batch:
        indices = indices.to(self.device)
        labels = None if self.labels is None else self.labels.index_select(0, indices)
        return Batch(self.pixels.index_select(0, indices)[:, :, None, None], labels)

    def preview(self, count: int = 25, seed: int = 0) -> np.ndarray:
        """The set as one picture, uint8 [1, 256, 256, 3]: it is looked at as a whole, whatever `count`."""
        return paint(self.pixels[:4000].cpu().numpy(), self.info.world)[None]

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes


def load(name: str, *, count: int = COUNT, seed: int = 0, device: torch.device | str = "cpu") -> PointStore:
    """`count` points of the set `name`; the same ones for the same seed.

    Raises:
        UsageError: an unknown name, or fewer than 2 points.
    """
    if name not in POINT_SETS:
        raise unknown("point set", name, POINT_SETS)
    if count < 2:
        raise UsageError(f"A set of {count} points is no distribution: take 2 or more.")
    row = POINT_SETS[name]
    points, which = row.draw(count, np.random.default_rng([seed, 0xD07]))
    return _store(name, points, which, row.bounds, row.modes, row.sigma, device)


def from_mixture(
    means: Sequence[float], sigmas: Sequence[float], weights: Sequence[float] | None = None, *, name: str = "mixture",
    count: int = COUNT, seed: int = 0,
) -> PointStore:  # fmt: skip
    """Points on a line, drawn from a mixture of Gaussians: `means`, `sigmas` > 0 and `weights` (equal where None).

    Raises:
        UsageError: lists of other lengths, or deviations and weights that are not positive numbers.
    """
    shares = np.ones(len(means)) if weights is None else np.asarray(weights, float)
    if not len(means) or len(means) != len(sigmas) or len(shares) != len(means):
        raise UsageError("A mixture needs as many deviations and weights as means, and one at least.")
    numbers = np.array([*means, *sigmas, *shares], float)
    if not np.isfinite(numbers).all() or min(*sigmas, *shares) <= 0:
        raise UsageError("Means must be finite numbers, deviations and weights positive ones.")
    rng = np.random.default_rng([seed, 0xD07])
    which = rng.choice(len(means), count, p=shares / shares.sum())
    points = np.asarray(means, float)[which] + np.asarray(sigmas, float)[which] * rng.standard_normal(count)
    low = min(m - 4 * s for m, s in zip(means, sigmas, strict=True))
    high = max(m + 4 * s for m, s in zip(means, sigmas, strict=True))
    modes = tuple((float(m),) for m in means) if len(means) > 1 else ()
    return _store(name, points[:, None], which, ((low, high),), modes)


def from_drawing(
    drawing: Sequence[Sequence[float]], *, bounds: tuple[tuple[float, float], ...] = _SQUARE, blur: float = 0.02,
    count: int = COUNT, seed: int = 0,
) -> PointStore:  # fmt: skip
    """A distribution that the user drew: a kernel density of the points, of deviation `blur` in their coordinates.

    Args:
        drawing: [n, 2], at least 3 points, not all alike; those outside `bounds` are left out.

    Raises:
        DataError: too few points, all of them equal, or something that is no list of points.
    """
    try:
        points = np.asarray(drawing, float).reshape(len(drawing), 2)
    except (TypeError, ValueError):
        raise DataError("A drawing is a list of points, each with an x and a y.") from None
    (x0, x1), (y0, y1) = bounds
    inside = np.isfinite(points).all(1) & (points >= [x0, y0]).all(1) & (points <= [x1, y1]).all(1)
    points = points[inside]
    if len(points) < 3:
        raise DataError(f"Draw at least 3 points: {len(points) or 'none'} {'is' if len(points) < 2 else 'are'} there.")
    if np.ptp(points, axis=0).max() < 1e-6:
        raise DataError("All points lie in the same place: draw some elsewhere, or there is nothing to learn.")
    rng = np.random.default_rng([seed, 0xD07])
    drawn = points[rng.integers(0, len(points), count)] + blur * rng.standard_normal((count, 2))
    return _store("drawing", drawn, None, bounds)


def _store(
    name: str, points: np.ndarray, which: np.ndarray | None, bounds: tuple[tuple[float, float], ...],
    modes: tuple[tuple[float, ...], ...] = (), sigma: float | None = None, device: torch.device | str = "cpu",
) -> PointStore:  # fmt: skip
    classes = tuple(f"mode {k + 1}" for k in range(len(modes)))
    world = World(bounds, modes, sigma, tuple(map(float, points.mean(0))), float(points.std()))
    info = DataInfo(name, points.shape[1], 1, len(points), classes, licence="CC0", world=world)
    labels = torch.from_numpy(which.astype(np.int64)).to(device) if classes and which is not None else None
    return PointStore(info, torch.from_numpy(points.astype(np.float32)).to(device), labels)


def paint(points: np.ndarray, world: World, size: int = 256, over: np.ndarray | None = None) -> np.ndarray:
    """Points [n, 2] (or [n, 1], as a histogram) as a picture, uint8 [size, size, 3]: blue dots on white.

    `over` are orange dots drawn on top (what is real below, what is generated above). Points that are not finite or
    outside the world are left out.
    """
    picture = Image.new("RGB", (2 * size, 2 * size), "white")
    canvas = ImageDraw.Draw(picture)
    for some, colour in ((points, (86, 119, 214)), (over, (233, 120, 40))):
        if some is None or not len(some):
            continue
        if len(world.bounds) == 1:
            _paint_bars(canvas, some[:, 0], world.bounds[0], 2 * size, colour, hollow=some is over)
            continue
        (x0, x1), (y0, y1) = world.bounds
        at = (some - [x0, y0]) / [x1 - x0, y1 - y0]
        at = at[np.isfinite(at).all(1) & (at >= 0).all(1) & (at <= 1).all(1)]
        for x, y in np.stack([at[:, 0], 1 - at[:, 1]], 1) * (2 * size - 1):
            canvas.ellipse((x - 2.2, y - 2.2, x + 2.2, y + 2.2), fill=colour)
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def _paint_bars(
    canvas: ImageDraw.ImageDraw, values: np.ndarray, bounds: tuple[float, float], size: int,
    colour: tuple[int, int, int], hollow: bool,
) -> None:  # fmt: skip
    heights, _ = np.histogram(values[np.isfinite(values)], 64, bounds, density=True)
    top = heights.max() or 1.0
    width = size / len(heights)
    for i, height in enumerate(heights):
        box = (i * width, size - 0.9 * size * height / top, (i + 1) * width - 1, size)
        if height > 0:
            canvas.rectangle(box, outline=colour, fill=None if hollow else colour, width=3)
