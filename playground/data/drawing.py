"""Pictures drawn by code: named factors, signed distances and layers composited back to front, a whole batch at once.

A shape is its signed distance d(x, y) (negative inside; after Quílez, "2D distance functions"). Its coverage of a pixel
of side p is clamp(½ - d/p, 0, 1), the area under a straight edge, so pictures are antialiased at any size. The same
drawing program serves four painters: flat colours, pen and wash, label map and line drawing.

Coordinates: x to the right and y down, both from -1 to 1 over the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from playground.data.base import Batch, DataInfo, DrawnStore
from playground.errors import UsageError, unknown

LICENCE = "CC0 (drawn by this project's code)"
WHOLE = (-1.0, -1.0, 2.0)  # the view of a painter: left, top, side
Factors = dict[str, Tensor]  # name -> [N]: int64 for categorical factors, float32 for continuous ones


# ---------------------------------------------------------------------------------------------------------- factors


@dataclass(frozen=True)
class Factor:
    """One named cause of variation.

    `values`: the names of a categorical factor in their documented order, or (low, high) of a continuous one.
    `weights`: relative frequencies of the categories (empty: equal).
    `skew`: a continuous value is low + (high - low) * u**skew for a uniform u; 1 is uniform, above 1 leans to low.
    """

    name: str
    kind: str
    values: tuple
    help: str
    weights: tuple[float, ...] = ()
    skew: float = 1.0

    @property
    def categorical(self) -> bool:
        return self.kind == "categorical"

    def value(self, uniform: Tensor) -> Tensor:
        """Factor values [N] of uniforms [N] in (0, 1); both kinds rise with the uniform."""
        if self.categorical:
            weights = torch.tensor(self.weights or (1.0,) * len(self.values), dtype=torch.float64)
            edges = (weights.cumsum(0) / weights.sum())[:-1].to(uniform)
            return torch.bucketize(uniform.contiguous(), edges, right=True)
        low, high = self.values
        return low + (high - low) * uniform**self.skew

    def pinned(self, value: Any, n: int, device: torch.device | str) -> Tensor:
        """`value` (a name, a number, or n of either) as a column [n].

        Raises:
            UsageError: an unknown name, or a number out of range.
        """
        dtype = torch.int64 if self.categorical else torch.float32
        if isinstance(value, list | tuple) or (isinstance(value, Tensor) and value.ndim):
            if len(value) != n:
                raise UsageError(f"Factor '{self.name}' got {len(value)} values for {n} pictures: give one or {n}.")
            if not isinstance(value, Tensor):
                return torch.cat([self.pinned(v, 1, device) for v in value]) if n else torch.empty(0, dtype=dtype)
        elif self.categorical and isinstance(value, str):
            if value not in self.values:
                raise unknown(f"value of factor '{self.name}'", value, self.values)
            value = self.values.index(value)
        elif isinstance(value, str) or not isinstance(value, int | float | Tensor):
            raise UsageError(f"Factor '{self.name}' is a number {self._range()}, not {value!r}.")
        column = torch.as_tensor(value, device=device).expand(n).clone()
        low, high = (0, len(self.values) - 1) if self.categorical else self.values
        whole = not self.categorical or not column.is_floating_point() or bool((column == column.round()).all())
        if not whole or not bool(((column >= low) & (column <= high)).all()):
            raise UsageError(f"Factor '{self.name}' must be {self._range()}, and {value} is not.")
        return column.to(dtype)

    def _range(self) -> str:
        if self.categorical:
            return f"one of {', '.join(self.values)} (or a whole number from 0 to {len(self.values) - 1})"
        return f"between {self.values[0]:g} and {self.values[1]:g}"


def factor_table(*factors: Factor) -> dict[str, Factor]:
    """Factors by name, in order."""
    return {factor.name: factor for factor in factors}


def sample_factors(
    table: Mapping[str, Factor],
    n: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    correlations: Mapping[tuple[str, str], float] | None = None,
    defaults: Mapping[tuple[str, str], float] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Factors:
    """Draws n pictures' factors from a Gaussian copula (Nelsen, "An Introduction to Copulas", 2006).

    Normals with correlation matrix R become uniforms u = Φ(z), which become factor values. A correlation asked for
    is Spearman's rank correlation r of the two factors: R = 2 sin(π r / 6) gives a pair of continuous factors exactly
    that (ties weaken it a little where a factor is categorical). `defaults` apply to pairs that `correlations` does
    not name, and give way (shrink to 0) where they would contradict it. `fixed` factors are set from outside: the
    others keep the distribution they have without it.

    Args:
        correlations: {(factor, factor): r in [-1, 1]}, in either order.

    Returns:
        A column [n] per factor of `table`.

    Raises:
        UsageError: unknown factors or values, a correlation out of range, or correlations that no set of variables
            can have together.
    """
    root = _square_root(table, correlations or {}, defaults or {})
    source = generator.device if generator is not None else torch.device(device)
    normals = torch.randn(n, len(table), generator=generator, device=source)
    uniforms = torch.special.ndtr(normals @ root.to(normals)).clamp(1e-6, 1 - 1e-6).to(device)
    columns = {name: factor.value(uniforms[:, i]) for i, (name, factor) in enumerate(table.items())}
    for name, value in (fixed or {}).items():
        if name not in table:
            raise unknown("factor", name, table)
        columns[name] = table[name].pinned(value, n, device)
    return columns


def _square_root(table: Mapping[str, Factor], asked: Mapping, defaults: Mapping) -> Tensor:
    """The symmetric square root [F, F] of the normals' correlation matrix.

    The symmetric root, of all roots, changes the normals least: the same seed gives similar pictures at any setting.
    """
    names = list(table)
    pairs: dict[frozenset, float] = {}
    for pair, r in asked.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise UsageError(f"A correlation is set for a pair of factors such as ('age', 'smile'), not for {pair!r}.")
        for name in pair:
            if name not in table:
                raise unknown("factor", name, table)
        if pair[0] == pair[1]:
            raise UsageError(f"Factor '{pair[0]}' can't be correlated with itself: name two different factors.")
        if not -1 <= r <= 1:
            raise UsageError(f"The correlation of '{pair[0]}' and '{pair[1]}' must lie in [-1, 1], and {r} does not.")
        if pairs.setdefault(frozenset(pair), r) != r:
            raise UsageError(
                f"The correlation of '{pair[0]}' and '{pair[1]}' is set twice: keep one of the two values."
            )
    for share in (1.0, 0.75, 0.5, 0.25, 0.0):
        matrix = torch.eye(len(names), dtype=torch.float64)
        for pair, r in ({frozenset(p): r * share for p, r in defaults.items()} | pairs).items():
            i, j = (names.index(name) for name in pair)
            matrix[i, j] = matrix[j, i] = 2 * math.sin(math.pi * r / 6)
        values, vectors = torch.linalg.eigh(matrix)
        if values[0] > -1e-6:
            return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    chosen = ", ".join(f"{a}–{b} {asked[a, b]:+g}" for a, b in asked)
    raise UsageError(
        f"These correlations contradict each other ({chosen}): two factors that both follow a third must also follow "
        "each other, so weaken one of them or change its sign."
    )


def check_factors(table: Mapping[str, Factor], factors: Mapping[str, Tensor]) -> int:
    """The number of pictures that `factors` describes.

    Raises:
        UsageError: a factor that is unknown, missing, of another length than the first, or out of range.
    """
    for name in factors:
        if name not in table:
            raise unknown("factor", name, table)
    missing = [name for name in table if name not in factors]
    if missing:
        raise UsageError(
            f"These factors are missing: {', '.join(missing)}; sample_factors(n, name=value) fills them in."
        )
    lengths = {len(factors[name]) for name in table}
    if len(lengths) > 1:
        raise UsageError(f"All factors must have the same length, but there are lengths {sorted(lengths)}.")
    n = lengths.pop()
    if n:
        stacked = torch.stack([factors[name].to(torch.float32) for name in table], dim=1)
        limits = torch.tensor([(0, len(f.values) - 1) if f.categorical else f.values for f in table.values()])
        low, high = limits.to(stacked).unbind(1)
        bad = ~((stacked >= low - 1e-4) & (stacked <= high + 1e-4)).all(0)
        if bool(bad.any()):
            name = list(table)[int(bad.nonzero()[0, 0])]
            raise UsageError(f"Factor '{name}' must be {table[name]._range()}.")
    return n


def check_size(name: str, size: int, low: int = 16, high: int = 256) -> int:
    """`size` if it is a power of two from `low` to `high`; UsageError otherwise."""
    if isinstance(size, bool) or not isinstance(size, int) or not low <= size <= high or size & (size - 1):
        sizes = [str(2**k) for k in range(1, 12) if low <= 2**k <= high]
        raise UsageError(f"'{name}' can be drawn at {', '.join(sizes[:-1])} or {sizes[-1]} pixels, not {size}.")
    return size


def check_count(name: str, count: int) -> int:
    """`count` if it is at least 1; UsageError otherwise."""
    if count < 1:
        raise UsageError(f"'{name}' needs a count of at least 1 picture, not {count}.")
    return count


def drawn_store(
    name: str,
    draw: Callable[..., Batch],
    size: int,
    count: int,
    classes: tuple[str, ...],
    attributes: tuple[str, ...],
    seed: int,
    device: torch.device | str,
) -> DrawnStore:
    """The data set `name` of `count` pictures of `size` pixels that `draw(n, generator, device)` makes as needed.

    Raises:
        UsageError: a bad size or count.
    """
    check_size(name, size)
    info = DataInfo(name, 3, size, check_count(name, count), classes, attributes, LICENCE)
    return DrawnStore(info, draw, seed, device)


# ---------------------------------------------------------------------------------- signed distances, negative inside


def circle(x: Tensor, y: Tensor, cx, cy, r) -> Tensor:
    """Distance to a circle of radius r."""
    return ((x - cx).square() + (y - cy).square()).sqrt() - r


def ellipse(x: Tensor, y: Tensor, cx, cy, a, b) -> Tensor:
    """Distance to an axis-parallel ellipse, to first order: (q - 1) / |∇q| with q = (x/a)² + (y/b)²."""
    u, v = (x - cx) / a, (y - cy) / b
    q = u.square() + v.square()
    return (q - 1) * 0.5 / ((u / a).square() + (v / b).square()).sqrt().clamp(min=0.1)


def box(x: Tensor, y: Tensor, cx, cy, half_width, half_height, r=0.0) -> Tensor:
    """Distance to a rectangle with corners of radius r; half_width and half_height include the rounding."""
    dx, dy = (x - cx).abs() - (half_width - r), (y - cy).abs() - (half_height - r)
    outside = (dx.clamp(min=0).square() + dy.clamp(min=0).square()).sqrt()
    return outside + torch.maximum(dx, dy).clamp(max=0) - r


def capsule(x: Tensor, y: Tensor, x0, y0, x1, y1, r0, r1=None) -> Tensor:
    """Distance to a line from (x0, y0) to (x1, y1) with round ends, its radius going from r0 to r1."""
    dx, dy = x1 - x0, y1 - y0
    px, py = x - x0, y - y0
    t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0, 1)
    radius = r0 if r1 is None else r0 + (r1 - r0) * t
    return ((px - t * dx).square() + (py - t * dy).square()).sqrt() - radius


def egg(x: Tensor, y: Tensor, top, bottom, r_top, r_bottom) -> Tensor:
    """Distance to the convex hull of two circles on x = 0 with centres at y = top and y = bottom (top < bottom)."""
    height = bottom - top
    slope = (r_top - r_bottom) / height
    cosine = (1 - slope * slope) ** 0.5
    x, y = x.abs(), y - top
    along = y * cosine - x * slope
    flank = x * cosine + y * slope - r_top
    upper = (x.square() + y.square()).sqrt() - r_top
    lower = (x.square() + (y - height).square()).sqrt() - r_bottom
    return torch.where(along < 0, upper, torch.where(along > cosine * height, lower, flank))


def smooth_union(a: Tensor, b: Tensor, k: float) -> Tensor:
    """The union of two shapes with its inner corners rounded over about k."""
    h = (k - (a - b).abs()).clamp(min=0)
    return torch.minimum(a, b) - h * h * (0.25 / k)


def smooth_intersection(a: Tensor, b: Tensor, k: float) -> Tensor:
    """The intersection of two shapes with its outer corners rounded over about k."""
    h = (k - (a - b).abs()).clamp(min=0)
    return torch.maximum(a, b) + h * h * (0.25 / k)


def smoothstep(low: float, high: float, x: Tensor) -> Tensor:
    """0 below `low`, 1 above `high`, 3t² - 2t³ between (low > high falls instead of rising)."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def rotate(x: Tensor, y: Tensor, cosine, sine) -> tuple[Tensor, Tensor]:
    """Coordinates in a frame turned by the angle (clockwise on screen, as y points down)."""
    return x * cosine + y * sine, y * cosine - x * sine


# ---------------------------------------------------------------------------------------------------------- colours


def colour(code: str) -> tuple[float, float, float]:
    """'#RRGGBB' as three numbers in [0, 1]."""
    return tuple(int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))


def mix(a: Tensor, b: Tensor | tuple, amount) -> Tensor:
    """Colours [N, 3] between a (amount 0) and b (amount 1)."""
    return a + (torch.as_tensor(b, dtype=a.dtype, device=a.device) - a) * amount


# --------------------------------------------------------------------------------------------------------- painters


@dataclass(frozen=True)
class Region:
    """A rectangle of pixels: all of a layer that lies outside it is known to be empty."""

    rows: slice
    columns: slice


class Painter:
    """A stack of layers on N pictures; subclasses say what a layer leaves behind.

    Args:
        n: pictures.
        grid: pixels along a side of the pictures that are worked on.
        device: of all tensors.
        fine: side of the smallest detail worth drawing, as a share of the picture's side (by default one pixel).
        view: the (left, top, side) of the square that the picture shows.
    """

    shaded = True  # whether tint() shows: a drawing program may skip computing shading otherwise

    def __init__(self, n: int, grid: int, device: torch.device | str, fine: float | None = None, view=WHOLE):
        self.n, self.grid, self.device = n, grid, torch.device(device)
        self.left, self.top, side = view
        self.pixel = side / grid
        self.fine = self.pixel if fine is None else fine * side
        steps = (torch.arange(grid, device=device, dtype=torch.float32) + 0.5) * self.pixel
        self.columns, self.rows = self.left + steps, self.top + steps
        self.layers: dict[str, Tensor] = {}

    def region(self, left: float = -1, top: float = -1, right: float = 1, bottom: float = 1) -> Region:
        """The pixels that a rectangle touches, with one to spare."""

        def pixels(start: float, low: float, high: float) -> slice:
            first, last = math.floor((low - start) / self.pixel) - 1, math.ceil((high - start) / self.pixel) + 1
            return slice(max(0, first), min(self.grid, last))

        return Region(pixels(self.top, top, bottom), pixels(self.left, left, right))

    def at(self, region: Region) -> tuple[Tensor, Tensor]:
        """The x [1, 1, w] and y [1, h, 1] of a region's pixel centres."""
        return self.columns[None, None, region.columns], self.rows[None, region.rows, None]

    @staticmethod
    def within(region: Region, part: Region, field: Tensor) -> Tensor:
        """The view of `field` [n, h, w] over `region` on a smaller region inside it."""
        top, left = region.rows.start, region.columns.start
        rows = slice(part.rows.start - top, part.rows.stop - top)
        return field[:, rows, part.columns.start - left : part.columns.stop - left]

    def cover(self, distance: Tensor) -> Tensor:
        """The share of each pixel that a shape covers."""
        return (0.5 - distance / self.pixel).clamp(0, 1)

    def tone(self, code: str) -> Tensor:
        """The colour '#RRGGBB' on every picture: [n, 3]."""
        return torch.tensor(colour(code), device=self.device).expand(self.n, 3)

    def thick(self, half_width):
        """`half_width`, or what still shows at this size."""
        least = 0.55 * self.fine
        return half_width.clamp(min=least) if isinstance(half_width, Tensor) else max(half_width, least)

    def only(self, mask: Tensor, geometry: SimpleNamespace) -> Iterator[tuple[Painter, SimpleNamespace]]:
        """Runs the loop's body once on the pictures where `mask` [N] holds, or not at all if there are none.

        Yields a painter of those pictures, whose work is put back afterwards, and their part of `geometry` (all
        tensors in it start with dimension N).
        """
        index = mask.nonzero()[:, 0]
        if len(index) == len(mask):
            yield self, geometry
        elif len(index):
            part = object.__new__(type(self))
            part.__dict__.update(self.__dict__)
            part.n = len(index)
            part.layers = {name: layer[index] for name, layer in self.layers.items()}
            yield part, SimpleNamespace(**{name: value[index] for name, value in vars(geometry).items()})
            for name, layer in self.layers.items():
                layer.index_copy_(0, index, part.layers[name])

    def background(self, colours: Tensor) -> None:
        """Starts the pictures with `colours` [n, 3, S, S] in [0, 1]."""
        raise NotImplementedError

    def fill(self, region: Region, distance: Tensor, colours: Tensor, label: int, outline: bool = True) -> None:
        """Adds an opaque shape: `distance` [n, h, w] over the region, `colours` [n, 3] or [n, 3, h, w] in [0, 1].

        `outline`: whether its border is a line of the drawing.
        """
        raise NotImplementedError

    def stroke(self, region: Region, distance: Tensor, colours: Tensor, label: int | None = None, alpha=None) -> None:
        """Adds a line, given as the thin shape that it covers; without a label the one beneath stays.

        `alpha` [n, 1, 1]: how strong the line is where it is painted in colour (it is drawn if above ½).
        """
        raise NotImplementedError

    def tint(self, region: Region, alpha: Tensor, colours: Tensor, shadow: bool = False) -> None:
        """Mixes a colour [n, 3] into what is there, by `alpha` [n, h, w]; labels and lines are unchanged."""


def _per_pixel(colours: Tensor) -> Tensor:
    return colours[:, :, None, None] if colours.ndim == 2 else colours


class FlatPainter(Painter):
    """Plain colours with soft shading."""

    def __init__(self, n: int, grid: int, device: torch.device | str, fine: float | None = None, view=WHOLE):
        super().__init__(n, grid, device, fine, view)
        self.layers["colour"] = torch.ones(n, 3, grid, grid, device=self.device)

    def background(self, colours: Tensor) -> None:
        self.layers["colour"].copy_(colours)

    def fill(self, region: Region, distance: Tensor, colours: Tensor, label: int, outline: bool = True) -> None:
        self.tint(region, self.cover(distance), colours)

    def stroke(self, region: Region, distance: Tensor, colours: Tensor, label: int | None = None, alpha=None) -> None:
        cover = self.cover(distance)
        self.tint(region, cover if alpha is None else cover * alpha, colours)

    def tint(self, region: Region, alpha: Tensor, colours: Tensor, shadow: bool = False) -> None:
        view = self.layers["colour"][:, :, region.rows, region.columns]
        view.lerp_(_per_pixel(colours), alpha[:, None])

    def result(self) -> Tensor:
        """[N, 3, S, S] in [0, 1]."""
        return self.layers["colour"]


class LabelPainter(Painter):
    """The label of the topmost shape at each pixel's centre."""

    shaded = False

    def __init__(self, n: int, grid: int, device: torch.device | str, fine: float | None = None, view=WHOLE):
        super().__init__(n, grid, device, fine, view)
        self.layers["label"] = torch.zeros(n, grid, grid, dtype=torch.int64, device=self.device)

    def background(self, colours: Tensor) -> None:
        pass

    def fill(self, region: Region, distance: Tensor, colours: Tensor, label: int, outline: bool = True) -> None:
        self.layers["label"][:, region.rows, region.columns].masked_fill_(distance < 0, label)

    def stroke(self, region: Region, distance: Tensor, colours: Tensor, label: int | None = None, alpha=None) -> None:
        if label is not None:
            self.fill(region, distance, colours, label)

    def result(self) -> Tensor:
        """[N, S, S] int64."""
        return self.layers["label"]


class EdgePainter(Painter):
    """A clean line drawing: the visible borders of shapes, and the lines among them."""

    shaded = False
    weight = 0.009  # half the width of a line

    def __init__(self, n: int, grid: int, device: torch.device | str, fine: float | None = None, view=WHOLE):
        super().__init__(n, grid, device, fine, view)
        self.layers["line"] = torch.zeros(n, grid, grid, device=self.device)
        self.half_width = self.thick(self.weight)

    def background(self, colours: Tensor) -> None:
        pass

    def fill(self, region: Region, distance: Tensor, colours: Tensor, label: int, outline: bool = True) -> None:
        view = self.layers["line"][:, region.rows, region.columns]
        view.mul_(1 - self.cover(distance))
        if outline:
            torch.maximum(view, self.cover(distance.abs() - self.half_width), out=view)

    def stroke(self, region: Region, distance: Tensor, colours: Tensor, label: int | None = None, alpha=None) -> None:
        view = self.layers["line"][:, region.rows, region.columns]
        cover = self.cover(distance)
        torch.maximum(view, cover if alpha is None else cover * (alpha > 0.5), out=view)

    def result(self) -> Tensor:
        """[N, 1, S, S] in [0, 1], 0 on lines."""
        return 1 - self.layers["line"][:, None]


class InkPainter(Painter):
    """Pen and wash: a wavering ink line of varying weight over watercolour that pools at its borders.

    The paper (its waver, grain and hatching) is the same for all pictures, so a picture depends on its factors alone.
    """

    paper = colour("#FBF5E6")
    ink = colour("#2A2547")
    weight = 0.0105

    def __init__(self, n: int, grid: int, device: torch.device | str, fine: float | None = None, view=WHOLE):
        super().__init__(n, grid, device, fine, view)
        y, x = self.rows[:, None], self.columns[None, :]
        wave = torch.sin
        # Incommensurable waves in several directions: no visible period, no random numbers, no dependence on the size.
        self.waver = 0.005 * (
            wave(9.1 * x + 4.7 * y + 0.5) + wave(11.9 * y - 6.3 * x + 2.1) + 0.6 * wave(23 * x + 17 * y)
        )
        blot = wave(5.3 * x + 7.1 * y + 1.0) * wave(8.7 * x - 4.1 * y) + 0.6 * wave(17 * x + 3 * y) * wave(
            13 * y - 5 * x
        )
        self.strength = (0.86 + 0.12 * blot).clamp(0, 1)
        self.grain = 1 + 0.012 * wave(151 * x + 89 * y) * wave(71 * x - 163 * y)
        pressure = 0.95 + 0.4 * wave(6.1 * x - 8.3 * y + 0.7) * wave(4.9 * x + 5.7 * y)
        self.half_width = (self.weight * pressure).clamp(min=0.5 * self.fine)
        period = max(0.052, 2.6 * self.fine)
        phase = ((x + 0.72 * y) / period + 0.25 * wave(7 * y - 3 * x)).frac().abs()
        self.hatch = ((0.2 - (phase - 0.5).abs()) * period / self.pixel + 0.5).clamp(0, 1)
        self.layers["colour"] = torch.tensor(self.paper, device=self.device)[:, None, None].repeat(n, 1, grid, grid)
        self.layers["line"] = torch.zeros(n, grid, grid, device=self.device)

    def background(self, colours: Tensor) -> None:
        y, x = self.rows[:, None], self.columns[None, :]
        x, y = (x - x.mean()) * 2 / (self.pixel * self.grid), (y - y.mean()) * 2 / (self.pixel * self.grid)
        blob = circle(x, y, 0.0, 0.02, 0.92) + 0.035 * torch.sin(2.9 * x + 4.1 * y) * torch.sin(3.7 * x - 2.3 * y + 1)
        blob = blob + 0.016 * torch.sin(9.7 * x + 3.1 * y) + 0.012 * torch.sin(17 * y - 5 * x) + self.waver
        pool = 0.10 * (1 - (blob + 0.02).abs() / 0.03).clamp(min=0)
        alpha = self.cover(blob * 0.7) * (0.62 * self.strength)
        self.layers["colour"].lerp_(colours, alpha.expand(len(colours), 1, -1, -1))
        self.layers["colour"].mul_(1 - pool)

    def fill(self, region: Region, distance: Tensor, colours: Tensor, label: int, outline: bool = True) -> None:
        if outline:  # small parts keep their place
            distance = distance + self.waver[region.rows, region.columns]
        cover = self.cover(distance)
        paper = torch.tensor(self.paper, device=self.device)[:, None, None]
        wash = torch.lerp(paper, _per_pixel(colours), self.strength[region.rows, region.columns])
        view = self.layers["colour"][:, :, region.rows, region.columns]
        view.lerp_(wash, cover[:, None])
        line = self.layers["line"][:, region.rows, region.columns]
        line.mul_(1 - cover)
        if outline:
            pool = (1 - (distance + 0.028).abs() / 0.03).clamp(min=0) * 0.13
            view.mul_((1 - pool)[:, None])
            width = self.half_width[region.rows, region.columns]
            torch.maximum(line, self.cover(distance.abs() - width), out=line)

    def stroke(self, region: Region, distance: Tensor, colours: Tensor, label: int | None = None, alpha=None) -> None:
        cover = self.cover(distance + 0.3 * self.waver[region.rows, region.columns])
        cover = cover if alpha is None else cover * alpha
        line = self.layers["line"][:, region.rows, region.columns]
        torch.maximum(line, cover, out=line)

    def tint(self, region: Region, alpha: Tensor, colours: Tensor, shadow: bool = False) -> None:
        view = self.layers["colour"][:, :, region.rows, region.columns]
        view.lerp_(_per_pixel(colours), alpha[:, None])
        if shadow:
            line = self.layers["line"][:, region.rows, region.columns]
            hatch = self.hatch[region.rows, region.columns] * smoothstep(0.12, 0.5, alpha)
            torch.maximum(line, 0.55 * hatch, out=line)

    def result(self) -> Tensor:
        """[N, 3, S, S] in [0, 1]."""
        ink = torch.tensor(self.ink, device=self.device)[None, :, None, None]
        return (self.layers["colour"] * self.grain).lerp_(ink, self.layers["line"][:, None]).clamp_(0, 1)


STYLES: dict[str, type[Painter]] = {"flat": FlatPainter, "ink": InkPainter}


def shrunk(pictures: Tensor, size: int) -> Tensor:
    """Pictures [N, C, S, S] of `size` pixels a side, averaged where they were drawn on a finer grid (S a multiple)."""
    finer = pictures.shape[-1] // size
    return avg_pool2d(pictures, finer) if finer > 1 else pictures


def check_style(style: str) -> str:
    """`style` if it is one of STYLES; UsageError otherwise."""
    if style not in STYLES:
        raise unknown("style", style, STYLES)
    return style
