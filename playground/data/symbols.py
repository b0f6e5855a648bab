"""Little pictures in the manner of emoji, drawn by code: to try a model on whose own pictures are not at hand.

No model learns from them, and there is no chance in them: a number from 0 names a picture, and they come round again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from playground.data.drawing import FlatPainter, Region, box, capsule, check_size, circle, egg, ellipse, rotate, shrunk
from playground.data.drawing import smooth_union as joined
from playground.data.shapes import outline_of
from playground.errors import UsageError

_FINEST = 128  # pixels that a small picture is drawn with before it is averaged


class _Sheet:
    """One picture: shapes are laid on it one over the other, in coordinates from -1 to 1 with y downwards."""

    def __init__(self, grid: int):
        self.painter = FlatPainter(1, grid, "cpu")
        self.whole: Region = self.painter.region()
        x, y = self.painter.at(self.whole)
        self.x, self.y = x.expand(1, grid, grid), y.expand(1, grid, grid)

    def fill(self, distance: Tensor, code: str, below: str = "") -> None:
        """A shape in the colour `code`, going over into `below` from its middle to its foot."""
        colours = self.painter.tone(code)[:, :, None, None]
        if below:
            inside = self.y[distance < 0]
            middle, foot = inside.mean(), inside.max()
            share = ((self.y - middle) / (foot - middle).clamp(min=1e-3)).clamp(0, 1)
            colours = colours.lerp(self.painter.tone(below)[:, :, None, None], share[:, None])
        self.painter.tint(self.whole, self.painter.cover(distance), colours)

    def shine(self, distance: Tensor, strength: float = 0.35, code: str = "#FFFFFF") -> None:
        """A soft light, or a breath of another colour, on a shape that is already there."""
        self.painter.tint(self.whole, strength * self.painter.cover(distance), self.painter.tone(code))

    def outline(self, shape: str, radius: float, y: float = 0.0) -> Tensor:
        """The distance to one of `shapes.SHAPES` around (0, y)."""
        return radius * outline_of(shape)(self.x / radius, (self.y - y) / radius)

    def gable(self, top: float, slope: float, foot: float) -> Tensor:
        """The distance to a triangle on the line y = foot, whose sides go out by `slope` for each unit down."""
        edge = (self.x.abs() - slope * (self.y - top)) / math.hypot(1, slope)
        return torch.maximum(edge, self.y - foot) - 0.03

    def disc(self, x: float, y: float, r: float, code: str, below: str = "") -> None:
        self.fill(circle(self.x, self.y, x, y, r), code, below)

    def line(self, x0: float, y0: float, x1: float, y1: float, half: float, code: str) -> None:
        self.fill(capsule(self.x, self.y, x0, y0, x1, y1, half), code)

    def leaf(self, x: float, y: float, length: float, turn: float, code: str, below: str = "") -> None:
        """Two arcs that meet at (x, y) and `length` away from it, turned clockwise from the right by `turn` degrees."""
        angle = math.radians(turn)
        u, v = rotate(self.x - x, self.y - y, math.cos(angle), math.sin(angle))
        radius = 0.65 * length
        off = math.sqrt(radius**2 - (length / 2) ** 2)
        self.fill(
            torch.maximum(circle(u, v, length / 2, off, radius), circle(u, v, length / 2, -off, radius)), code, below
        )


def _smile(s: _Sheet) -> None:
    s.disc(0, 0, 0.86, "#FFD54A", "#F2A623")
    for side in (-1, 1):
        s.fill(ellipse(s.x, s.y, 0.3 * side, -0.18, 0.1, 0.16), "#5B3A1E")
        s.shine(circle(s.x, s.y, 0.52 * side, 0.16, 0.16), 0.5, "#F47C5A")
    mouth = torch.maximum(circle(s.x, s.y, 0, 0.12, 0.48), 0.18 - s.y)
    s.fill(mouth, "#6B2D1B")
    s.fill(torch.maximum(mouth, circle(s.x, s.y, 0, 0.72, 0.3)), "#F0604D")


def _heart(s: _Sheet) -> None:
    s.fill(s.outline("heart", 0.86, -0.04), "#F4505A", "#C81E3C")
    s.shine(ellipse(*rotate(s.x + 0.4, s.y + 0.36, 0.8, -0.6), 0, 0, 0.2, 0.11))


def _star(s: _Sheet) -> None:
    s.fill(s.outline("star", 0.9, 0.06), "#FFD23F", "#F0981E")
    s.shine(s.outline("star", 0.5, 0.02), 0.25)


def _sun(s: _Sheet) -> None:
    for i in range(12):
        angle = i * math.pi / 6
        s.line(
            0.62 * math.cos(angle), 0.62 * math.sin(angle), 0.86 * math.cos(angle), 0.86 * math.sin(angle), 0.075,
            "#F8A51B",
        )  # fmt: skip
    s.disc(0, 0, 0.5, "#FFD84D", "#FBB62B")


def _moon(s: _Sheet) -> None:
    s.fill(s.outline("crescent", 0.9), "#FFDE6B", "#EBA92F")


def _apple(s: _Sheet) -> None:
    lobes = joined(circle(s.x, s.y, -0.28, 0.1, 0.46), circle(s.x, s.y, 0.28, 0.1, 0.46), 0.1)
    s.fill(joined(lobes, ellipse(s.x, s.y, 0, 0.36, 0.52, 0.5), 0.2), "#EF4B45", "#B71C2C")
    s.line(0, -0.26, 0.08, -0.66, 0.05, "#7A4A26")
    s.leaf(0.08, -0.44, 0.5, -32, "#6CC24A", "#3F9B3A")
    s.shine(ellipse(*rotate(s.x + 0.42, s.y + 0.06, 0.85, -0.53), 0, 0, 0.15, 0.09))


def _fish(s: _Sheet) -> None:
    for turn in (-38, 38):
        s.leaf(0.38, 0.0, 0.56, turn, "#1F7FC4")
    s.leaf(-0.1, -0.36, 0.42, -30, "#1F7FC4")
    s.fill(ellipse(s.x, s.y, -0.18, 0.0, 0.66, 0.44), "#5BB8F0", "#2E86CF")
    s.leaf(-0.12, 0.1, 0.34, 25, "#1F7FC4")
    s.disc(-0.52, -0.1, 0.12, "#FFFFFF")
    s.disc(-0.54, -0.1, 0.065, "#22303C")


def _mushroom(s: _Sheet) -> None:
    s.fill(box(s.x, s.y, 0, 0.46, 0.27, 0.4, 0.2), "#FFF3DC", "#E5CFA6")
    cap = torch.maximum(ellipse(s.x, s.y, 0, 0.12, 0.86, 0.92), s.y - 0.16)
    s.fill(cap, "#EE4A44", "#C2262D")
    for x, y, r in ((-0.1, -0.46, 0.17), (0.4, -0.2, 0.13), (-0.48, -0.12, 0.15), (0.06, -0.06, 0.1)):
        s.fill(torch.maximum(circle(s.x, s.y, x, y, r), cap), "#FFFFFF")


def _flower(s: _Sheet) -> None:
    s.line(0, 0.1, 0, 0.88, 0.06, "#4CA64C")
    s.leaf(0, 0.8, 0.5, -40, "#6CC24A", "#3F9B3A")
    s.leaf(0, 0.8, 0.5, -140, "#6CC24A", "#3F9B3A")
    for i in range(6):
        angle = i * math.pi / 3
        s.disc(0.32 * math.cos(angle), -0.3 + 0.32 * math.sin(angle), 0.25, "#F58CBF", "#E0569A")
    s.disc(0, -0.3, 0.22, "#FFD23F", "#F2A623")


def _tree(s: _Sheet) -> None:
    s.fill(box(s.x, s.y, 0, 0.62, 0.12, 0.28, 0.05), "#8A5A33", "#6B4223")
    for foot, half, top in ((0.5, 0.66, -0.2), (0.14, 0.54, -0.5), (-0.2, 0.42, -0.86)):
        s.fill(s.gable(top, half / (foot - top), foot), "#4FB05A", "#2E8642")


def _house(s: _Sheet) -> None:
    s.fill(box(s.x, s.y, 0, 0.34, 0.56, 0.5, 0.04), "#FBE3B4", "#EBC98A")
    s.fill(box(s.x, s.y, 0.4, -0.5, 0.1, 0.24, 0.02), "#A5583C")
    s.fill(s.gable(-0.82, 1.05, -0.06), "#E0563F", "#BC3A2C")
    s.fill(box(s.x, s.y, -0.24, 0.52, 0.15, 0.32, 0.03), "#8A5A33")
    s.fill(box(s.x, s.y, 0.24, 0.34, 0.17, 0.16, 0.03), "#7CCBF2", "#4FA8DE")


def _balloon(s: _Sheet) -> None:
    s.line(0, 0.42, 0.1, 0.9, 0.025, "#8C96A3")
    s.fill(egg(s.x, s.y, -0.32, 0.22, 0.54, 0.2), "#F0524F", "#C4283A")
    s.leaf(0, 0.36, 0.2, 60, "#C4283A")
    s.leaf(0, 0.36, 0.2, 120, "#C4283A")
    s.shine(ellipse(*rotate(s.x + 0.22, s.y + 0.5, 0.75, -0.66), 0, 0, 0.16, 0.09))


#: what is drawn, by the English name of the nearest emoji
SYMBOLS: dict[str, Callable[[_Sheet], None]] = {
    "grinning face": _smile, "red apple": _apple, "fish": _fish, "house": _house, "mushroom": _mushroom,
    "evergreen tree": _tree, "red heart": _heart, "blossom": _flower, "balloon": _balloon, "sun": _sun,
    "star": _star, "crescent moon": _moon,
}  # fmt: skip


def picture(number: int, size: int) -> Tensor:
    """The picture of a number, on white: float32 [1, 3, S, S] in [-1, 1].

    Args:
        number: 0 is the first of `SYMBOLS`; after the last they begin again.
        size: 16 to 256, a power of two.

    Raises:
        UsageError: a negative number, or a size it can't be drawn at.
    """
    if number < 0:
        raise UsageError(f"Pictures are counted from 0, not from {number}.")
    grid = max(check_size("symbols", size), _FINEST)
    sheet = _Sheet(grid)
    list(SYMBOLS.values())[number % len(SYMBOLS)](sheet)
    return shrunk(sheet.painter.result(), size).clamp(0, 1).mul(2).sub(1)
