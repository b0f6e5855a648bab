"""Single shapes drawn by code, with known shape, colour, size, place and turn: the quickest pictures to learn.

The factors are independent unless asked otherwise, as in dSprites (Matthey et al., 2017), which makes the set a
measuring stick for disentanglement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from playground.data import drawing
from playground.data.base import Batch, DrawnStore
from playground.data.drawing import (
    STYLES,
    EdgePainter,
    Factor,
    Factors,
    LabelPainter,
    Painter,
    box,
    check_factors,
    check_size,
    circle,
    colour,
    ellipse,
    factor_table,
    rotate,
    shrunk,
    smooth_union,
    smoothstep,
)

COLOURS = {
    "red": "#E5484D",
    "orange": "#F18A3A",
    "yellow": "#F4C437",
    "green": "#3FA36B",
    "teal": "#26A3A6",
    "blue": "#3E7BD8",
    "purple": "#8558C0",
    "pink": "#EC77A4",
}
BACKGROUNDS = {"white": "#FBF9F4", "sky": "#D3E9F6", "sand": "#F0E0C4", "grey": "#A9B1BD", "navy": "#252E4E"}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "crescent")

FACTORS: dict[str, Factor] = factor_table(
    Factor("shape", "categorical", SHAPES, "What is drawn."),
    Factor("colour", "categorical", tuple(COLOURS), "Its colour, around the colour wheel from red."),
    Factor("background", "categorical", tuple(BACKGROUNDS), "What it lies on, light to dark."),
    Factor("size", "continuous", (0.25, 0.5), "Its radius, as a share of half the picture's side."),
    Factor("x", "continuous", (-0.42, 0.42), "Its centre, from left (-1) to right (1)."),
    Factor("y", "continuous", (-0.42, 0.42), "Its centre, from top (-1) to bottom (1)."),
    Factor("rotation", "continuous", (0.0, 360.0), "Its turn in degrees, clockwise (not visible on a circle)."),
)
LABELS = ("background", *SHAPES)
PALETTE: tuple[tuple[int, int, int], ...] = (
    (251, 249, 244), (229, 72, 77), (241, 138, 58), (244, 196, 55), (63, 163, 107), (38, 163, 166), (62, 123, 216),
    (133, 88, 192), (236, 119, 164),
)  # fmt: skip
CLASSES = SHAPES
_SCALED = ("size", "x", "y")
ATTRIBUTES = (*SHAPES, *COLOURS, "dark_background", *_SCALED, "rotation_cos", "rotation_sin")


def sample_factors(
    n: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    correlations: Mapping[tuple[str, str], float] | None = None,
    **fixed: Any,
) -> Factors:
    """Factors of n pictures: a column [n] per name in FACTORS, int64 (index of the value) or float32; independent.

    Args:
        correlations: {(factor, factor): Spearman's rank correlation in [-1, 1]}.
        fixed: factors set to a name or number (or n of them).

    Raises:
        UsageError: unknown factors or values, or correlations that contradict each other.
    """
    return drawing.sample_factors(FACTORS, n, generator, device, correlations, None, fixed)


def render(factors: Factors, size: int, style: str = "flat", device: torch.device | str | None = None) -> Tensor:
    """Pictures [N, 3, S, S] float32 in [-1, 1], in the style "flat" or "ink" (pen and wash).

    Raises:
        UsageError: a bad size, style or factor.
    """
    kind = STYLES[drawing.check_style(style)]
    return _picture(kind, factors, size, device).mul_(2).sub_(1)


def label_map(factors: Factors, size: int) -> Tensor:
    """What is at each pixel: int64 [N, S, S], an index into LABELS (and PALETTE).

    Raises:
        UsageError: a bad size or factor.
    """
    n = check_factors(FACTORS, factors)
    painter = LabelPainter(n, check_size("shapes", size), factors["shape"].device)
    _draw(painter, factors)
    return painter.result()


def edges(factors: Factors, size: int) -> Tensor:
    """The shape's outline [N, 1, S, S] float32 in [-1, 1], dark on white.

    Raises:
        UsageError: a bad size or factor.
    """
    return _picture(EdgePainter, factors, size).mul_(2).sub_(1)


def _picture(kind: type[Painter], factors: Factors, size: int, device: torch.device | str | None = None) -> Tensor:
    n = check_factors(FACTORS, factors)
    if device is not None:
        factors = {name: column.to(device) for name, column in factors.items()}
    grid = max(check_size("shapes", size), 32)
    painter = kind(n, grid, factors["shape"].device, 1 / size)
    _draw(painter, factors)
    return shrunk(painter.result(), size)


def _draw(p: Painter, factors: Factors) -> None:
    device = p.device
    f = {name: column if column.dtype == torch.int64 else column[:, None, None] for name, column in factors.items()}
    backgrounds, colours = (
        torch.tensor([colour(code) for code in table.values()], device=device) for table in (BACKGROUNDS, COLOURS)
    )
    p.background(backgrounds[f["background"]][:, :, None, None].expand(-1, -1, p.grid, p.grid))
    whole = p.region()
    x, y = p.at(whole)
    angle = torch.deg2rad(f["rotation"].to(torch.float32))
    x, y = rotate((x - f["x"]) / f["size"], (y - f["y"]) / f["size"], angle.cos(), angle.sin())
    distance = torch.ones_like(x)
    label = 1 + f["shape"]
    for i, name in enumerate(SHAPES):
        index = (f["shape"] == i).nonzero()[:, 0]
        if len(index):
            distance.index_copy_(0, index, _DISTANCES[name](x[index], y[index]))
    distance = distance * f["size"]
    rgb = colours[f["colour"]]
    if p.shaded:  # a soft shadow below, and a little light from above
        p.tint(whole, 0.16 * (0.5 - (distance - 0.02) / 0.10).clamp(0, 1), rgb * 0.2, shadow=True)
    if isinstance(p, LabelPainter):
        p.layers["label"].copy_(torch.where(distance < 0, label[:, None, None], 0))
        return
    p.fill(whole, distance, rgb, 0)
    if p.shaded:
        upward = smoothstep(0.9, -0.9, (p.rows[None, :, None] - f["y"]) / f["size"])
        p.tint(whole, 0.16 * p.cover(distance + 0.01) * upward, torch.ones_like(rgb))


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(y - 0.5, 0.8660254 * x.abs() - 0.5 * y - 0.5) - 0.02


def _star(x: Tensor, y: Tensor) -> Tensor:
    # Fold the plane onto half a spike, then the distance to the line from its tip to the inner corner.
    sector = torch.atan2(x, -y) / (2 * math.pi / 5)
    folded = ((sector - sector.round()) * (2 * math.pi / 5)).abs()
    radius = (x * x + y * y).sqrt()
    along, across = radius * folded.cos(), radius * folded.sin()
    inner = 0.44
    tip_x, corner_x, corner_y = 1.0, inner * math.cos(math.pi / 5), inner * math.sin(math.pi / 5)
    length = math.hypot(tip_x - corner_x, corner_y)
    return ((along - tip_x) * corner_y + across * (tip_x - corner_x)) / length - 0.02


def _cross(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(box(x, y, 0.0, 0.0, 0.92, 0.30, 0.08), box(x, y, 0.0, 0.0, 0.30, 0.92, 0.08))


def _heart(x: Tensor, y: Tensor) -> Tensor:
    # Two round lobes on a square that stands on its corner; the lobes' circles have its upper sides as diameters.
    half = 0.52
    square = box(*rotate(x, y - 0.10, math.sqrt(0.5), math.sqrt(0.5)), 0.0, 0.0, half, half, 0.06)
    offset = half * math.sqrt(0.5)
    return smooth_union(circle(x.abs(), y, offset, 0.10 - offset, half), square, 0.04)


def _crescent(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(circle(x, y, 0.0, 0.0, 0.90), -circle(x, y, 0.42, -0.12, 0.70))


_DISTANCES = {
    "circle": lambda x, y: circle(x, y, 0.0, 0.0, 0.85),
    "square": lambda x, y: box(x, y, 0.0, 0.0, 0.74, 0.74, 0.10),
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": lambda x, y: ellipse(x, y, 0.0, 0.0, 0.86, 0.62).abs() - 0.15,
    "heart": _heart,
    "crescent": _crescent,
}


def outline_of(shape: str) -> Callable[[Tensor, Tensor], Tensor]:
    """(x, y) -> the distance to one of `SHAPES` of radius about 1 around the origin, negative inside."""
    return _DISTANCES[shape]


def class_labels(factors: Factors) -> Tensor:
    """The shape of each picture, as an index into CLASSES: int64 [N]."""
    check_factors(FACTORS, factors)
    return factors["shape"].clone()


def attributes(factors: Factors) -> Tensor:
    """float32 [N, len(ATTRIBUTES)] in [0, 1]: one-hot shape and colour, then scaled numbers.

    The turn is given as (1 + cos) / 2 and (1 + sin) / 2, which have no jump at a full turn.
    """
    check_factors(FACTORS, factors)
    shape = torch.nn.functional.one_hot(factors["shape"], len(SHAPES))
    hue = torch.nn.functional.one_hot(factors["colour"], len(COLOURS))
    dark = factors["background"] == len(BACKGROUNDS) - 1
    angle = torch.deg2rad(factors["rotation"].to(torch.float32))
    columns = [dark, *(_scaled(factors, name) for name in _SCALED), (1 + angle.cos()) / 2, (1 + angle.sin()) / 2]
    return torch.cat([shape.float(), hue.float(), torch.stack([c.float() for c in columns], 1)], dim=1).clamp(0, 1)


def _scaled(factors: Factors, name: str) -> Tensor:
    low, high = FACTORS[name].values
    return (factors[name] - low) / (high - low)


def captions(factors: Factors) -> list[str]:
    """A sentence on each picture, worded in one of several ways; the same factors give the same words."""
    n = check_factors(FACTORS, factors)
    columns = {name: column.tolist() for name, column in factors.items()}
    lines = []
    for i in range(n):
        row = {name: columns[name][i] for name in FACTORS}
        shape, hue, ground = SHAPES[row["shape"]], list(COLOURS)[row["colour"]], list(BACKGROUNDS)[row["background"]]
        scale = _scaled(factors, "size")[i].item()
        size = "small " if scale < 1 / 3 else "" if scale < 2 / 3 else "big "
        across = "left" if row["x"] < -0.14 else "right" if row["x"] > 0.14 else ""
        down = "top" if row["y"] < -0.14 else "bottom" if row["y"] > 0.14 else ""
        place = " ".join(filter(None, (down, across)))
        where = f"at the {place}" if place else "in the middle"
        choice = round(1000 * (abs(row["x"]) + abs(row["y"]) + row["rotation"])) % 3
        line = (
            f"a {size}{hue} {shape} {where} on a {ground} background",
            f"{where}, a {size}{hue} {shape} on {ground}",
            f"a {size}{shape} in {hue}, {where}, on a {ground} background",
        )[choice]
        lines.append(re.sub(r"\ba (?=[aeiou])", "an ", line))
    return lines


def draw(
    n: int,
    generator: torch.Generator,
    device: torch.device | str,
    size: int = 32,
    style: str = "flat",
    correlations: Mapping[tuple[str, str], float] | None = None,
) -> Batch:
    """n pictures with their class labels and attributes, from the generator alone."""
    factors = sample_factors(n, generator, device, correlations)
    return Batch(render(factors, size, style), class_labels(factors), attributes(factors))


def load(
    size: int = 32,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    count: int = 16384,
    style: str = "flat",
    correlations: Mapping[tuple[str, str], float] | None = None,
) -> DrawnStore:
    """The data set of `count` pictures of `size` pixels (16 to 256, a power of two), drawn as they are needed.

    Raises:
        UsageError: a bad size, style, count or correlation.
    """
    drawing.check_style(style)
    sample_factors(0, None, "cpu", correlations)
    drawn = partial(draw, size=size, style=style, correlations=correlations)
    return drawing.drawn_store("shapes", drawn, size, count, CLASSES, ATTRIBUTES, seed, device)
