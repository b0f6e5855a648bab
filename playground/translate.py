"""Pictures of any size through a translator, by tiles; the way back, and where it differs.

A translator G is convolutional, so that G of a large picture can be put together from G of overlapping tiles t at x_t,

    y(p) = Σ_t w_t(p) · G(x_t)(p),   Σ_t w_t(p) = 1 at every pixel p,

with weights that rise and fall as raised cosines where tiles overlap. Instance normalisation alone sees more than its
neighbourhood: each tile would be toned by its own mean and variance. They are therefore taken once, over samples from
all over the picture that go through the network together, and used in every tile. (Chen et al. 2022, arXiv 2103.11784,
take them from a thumbnail, in which fine texture is lost: it would then be normalised too strongly.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.data import faces, symbols
from playground.data.registry import drawn
from playground.edges import detect_edges
from playground.errors import PlaygroundError, UsageError

if TYPE_CHECKING:
    from playground.model import Model

Progress = Callable[[int, int], None]

TILE, OVERLAP = 512, 32
MIN_TILE, MAX_TILE = 32, 2048
MAX_PIXELS = 4096 * 4096  # of an output
LEAST = 8  # what a translator needs of either side
_SAMPLES, _LEAST_SAMPLE = 3, 48  # samples of a picture along either side, and their least side in pixels
_EXAMPLE_SEEDS = 900_000  # seeds of examples: far from those of any training set
#: dark to light as the difference grows, at even steps: RGB in [0, 1]
_HEAT = (
    (0.04, 0.05, 0.10), (0.25, 0.08, 0.38), (0.62, 0.16, 0.36), (0.92, 0.41, 0.16), (0.99, 0.78, 0.28), (1.0, 1.0, 0.9),
)  # fmt: skip


class Cancelled(PlaygroundError):
    """The caller asked a translation to end."""

    def __init__(self) -> None:
        super().__init__("The translation was cancelled.")


# ---------------------------------------------------------------------------------------------------------------------
# Tiles


class Window(NamedTuple):
    """A stretch of one axis: where it starts, and the weight of each of its pixels, float32 [length]."""

    start: int
    weights: Tensor


def windows(length: int, tile: int, overlap: int, multiple: int = 1) -> list[Window]:
    """Overlapping windows that cover an axis; where they overlap, the weights sum to one.

    All are equally long, at most `tile`, and start at multiples of `multiple`: there a translator that halves and
    doubles treats them alike. The outer quarter of an overlap carries no weight, since a tile feels its border there.

    Args:
        length: of the axis, a multiple of `multiple`.
        tile: the longest window, a multiple of `multiple`.
        overlap: the least overlap of neighbours, at most `tile` - `multiple`.
    """
    if length <= tile:
        return [Window(0, torch.ones(length))]
    count = 1 + math.ceil((length - tile) / _down(tile - overlap, multiple))
    side = _up((length + (count - 1) * overlap) / count, multiple)
    while _up((length - side) / (count - 1), multiple) > side - overlap:  # at `tile` it fits, as counted
        side += multiple
    units = (length - side) // multiple
    starts = [i * units // (count - 1) * multiple for i in range(count)]
    weights, total = [torch.ones(side) for _ in starts], torch.zeros(length)
    for i in range(count - 1):
        rise = _rise(starts[i] + side - starts[i + 1])
        weights[i][side - len(rise) :] *= rise.flip(0)
        weights[i + 1][: len(rise)] *= rise
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + side] += weight  # one where two meet; more where overlaps are so long that three do
    return [Window(a, w / total[a : a + side]) for a, w in zip(starts, weights, strict=True)]


def _rise(length: int) -> Tensor:
    """0 to 1 over `length` pixels as a raised cosine; r(i) + r(length - 1 - i) = 1. Flat in the outer quarters."""
    place = (torch.arange(length) + 0.5) / length
    return 0.5 - 0.5 * torch.cos(math.pi * ((place - 0.25) * 2).clamp(0, 1))


def _up(value: float, multiple: int) -> int:
    return math.ceil(value / multiple) * multiple


def _down(value: float, multiple: int) -> int:
    return math.floor(value / multiple) * multiple


@torch.no_grad()
def translate_tiled(
    model: Model,
    picture: Tensor,
    direction: str = "AB",
    *,
    seed: int | None = 0,
    style: Sequence[float] | Tensor | None = None,
    tile: int = TILE,
    overlap: int = OVERLAP,
    shared: bool = True,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Translate one picture of any size, in tiles of bounded memory, without visible seams.

    A picture that fits into one tile is what `model.translate` makes of it. Every tile gets the same `seed`. A model
    whose norm is over instances would tone each tile by its own content; `shared` takes its means and variances from
    samples of the whole picture instead, which no tile then departs from. Larger tiles mean larger samples, so that
    small tiles save memory but stray from what one piece would give. No other thread may use this model meanwhile, as
    its layers are made to use those statistics.

    Args:
        model: a translator.
        picture: [1, C, H, W] in [-1, 1], grey or colour; a label map in its colours, or as label / 127.5 - 1.
        direction: one of `model.directions`.
        seed: of dropout or style; None for the deterministic mean.
        style: of models with styles: numbers, or a picture to take them from, as of `model.translate`.
        tile: the longest side of a tile in pixels, 32 to 2,048, raised to a multiple of `model.multiple`.
        overlap: of neighbouring tiles in pixels, 0 to half a tile.
        shared: whether instance norms use one mean and variance for all tiles.
        progress: called with (tiles done, tiles in all).
        cancelled: asked before each tile.

    Returns:
        [1, C', H · model.scale, W · model.scale] float32 in [-1, 1], on the CPU.

    Raises:
        UsageError: not a translator, or a picture, direction, style or size that it can't take.
        Cancelled: `cancelled` said so.
    """
    goal = model.side(direction, output=True)
    _check_picture(picture, model.scale)
    multiple, scale = model.multiple, model.scale
    if not MIN_TILE <= tile <= MAX_TILE or not 0 <= overlap <= tile // 2:
        raise UsageError(f"A tile has {MIN_TILE} to {MAX_TILE:,} pixels a side and overlaps by at most half of them.")
    tile = max(_up(tile, multiple), 2 * multiple)
    if isinstance(style, Tensor) and style.dim() == 4:
        style = model.style_of(style, direction)  # once for all tiles
    height, width = picture.shape[2:]
    picture = model.as_input(picture.detach().to("cpu", torch.float32), direction)
    tell = progress or (lambda done, total: None)
    stop = cancelled or (lambda: False)

    def one(part: Tensor) -> Tensor:
        if stop():
            raise Cancelled
        return model.translate(part, direction, seed, style)

    if max(height, width) <= tile:
        tell(0, 1)
        result = one(_at_least(picture, LEAST, LEAST))[..., : height * scale, : width * scale]
        tell(1, 1)
        return result
    picture = _at_least(picture, _up(max(height, LEAST), multiple), _up(max(width, LEAST), multiple))
    rows, columns = (windows(side, tile, overlap, multiple) for side in picture.shape[2:])
    total, done = len(rows) * len(columns), 0
    tell(0, total)
    norms = _instance_norms(model) if shared else []
    with _kept_statistics(norms, lambda: one(_samples(picture, tile, multiple))):
        result = None
        for top, high in rows:
            for left, wide in columns:
                part = one(picture[..., top : top + len(high), left : left + len(wide)])
                if result is None:
                    result = torch.zeros(1, part.shape[1], picture.shape[2] * scale, picture.shape[3] * scale)
                weights = high.repeat_interleave(scale)[:, None] * wide.repeat_interleave(scale)
                y, x = top * scale, left * scale
                result[..., y : y + part.shape[2], x : x + part.shape[3]] += part * weights
                done += 1
                tell(done, total)
    result = result[..., : height * scale, : width * scale].clamp_(-1, 1)
    return _nearest(result, goal.palette) if goal.labels else result


def _check_picture(picture: Tensor, scale: int) -> None:
    if picture.dim() != 4 or picture.shape[0] != 1 or not picture.numel():
        raise UsageError(f"A picture comes as [1, C, H, W], not as an array of shape {tuple(picture.shape)}.")
    height, width = picture.shape[2:]
    if height * width * scale**2 > MAX_PIXELS:
        raise UsageError(
            f"The picture would become {width * scale:,} × {height * scale:,} pixels, more than the "
            f"{MAX_PIXELS // 10**6} million allowed: make it smaller first."
        )


def _at_least(picture: Tensor, height: int, width: int) -> Tensor:
    """Continued by its last row and column until it is `height` × `width`; from 1 × 1 on, where nothing reflects."""
    down, right = max(0, height - picture.shape[2]), max(0, width - picture.shape[3])
    return F.pad(picture, (0, right, 0, down), mode="replicate") if down or right else picture


def _nearest(picture: Tensor, palette: tuple[tuple[int, int, int], ...]) -> Tensor:
    """Each pixel in the nearest colour of the palette: two tiles may be of different minds where they meet."""
    colours = torch.tensor(palette, dtype=torch.float32).div(127.5).sub(1)
    rows = [colours[torch.cdist(row.T, colours).argmin(1)].T for row in picture[0].unbind(1)]
    return torch.stack(rows, 1)[None]


def _samples(picture: Tensor, tile: int, multiple: int) -> Tensor:
    """Squares from all over a picture, as many pixels as one tile has, or nearly: [n <= 9, C, h, w]."""
    lengths = picture.shape[2:]
    sides = [min(length, _up(max(tile / _SAMPLES, _LEAST_SAMPLE), multiple)) for length in lengths]
    starts = []
    for length, side in zip(lengths, sides, strict=True):
        count = min(_SAMPLES, math.ceil(length / side))
        starts.append([_down(i * (length - side) / max(1, count - 1), multiple) for i in range(count)])
    parts = [picture[..., y : y + sides[0], x : x + sides[1]] for y in starts[0] for x in starts[1]]
    return torch.cat(parts)


# ---------------------------------------------------------------------------------------------------------------------
# One mean and variance for all tiles


def _instance_norms(model: Model) -> list[nn.InstanceNorm2d]:
    translating = [module for name, module in model.modules.items() if not name.startswith("D")]
    found = [part for module in translating for part in module.modules()]
    return [part for part in found if isinstance(part, nn.InstanceNorm2d) and not part.track_running_stats]


@contextmanager
def _kept_statistics(norms: list[nn.InstanceNorm2d], samples: Callable[[], Tensor]) -> Iterator[None]:
    """Within, the norms use the mean and variance over all that came to them while `samples` ran.

    The samples themselves are normalised by it as well, so that every layer sees what it would in the whole picture.
    A norm that is used twice in a pass has two.
    """
    kept: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {norm: [] for norm in norms}
    turns = dict.fromkeys(norms, 0)

    def note(norm: nn.InstanceNorm2d, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3), keepdim=True, correction=0)
        gain = (variance + norm.eps).rsqrt()
        if norm.affine:
            gain = gain * norm.weight[:, None, None]
        shift = -mean * gain + (norm.bias[:, None, None] if norm.affine else 0.0)
        kept[norm].append((gain, shift))
        return torch.addcmul(shift, inputs[0].float(), gain).to(output.dtype)

    def replace(norm: nn.InstanceNorm2d, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if not kept[norm]:  # of the other direction
            return None
        gain, shift = kept[norm][turns[norm] % len(kept[norm])]
        turns[norm] += 1
        return torch.addcmul(shift, inputs[0].float(), gain).to(output.dtype)

    hooks = [norm.register_forward_hook(note) for norm in norms]
    try:
        if norms:
            samples()
        for hook in hooks:
            hook.remove()
        hooks = [norm.register_forward_hook(replace) for norm in norms]
        yield
    finally:
        for hook in hooks:
            hook.remove()


# ---------------------------------------------------------------------------------------------------------------------
# There, back, and what stayed the same


def reverse(direction: str) -> str:
    """ "BA" of "AB", and "AB" of "BA"."""
    return direction[::-1]


def cycle(model: Model, picture: Tensor, direction: str = "AB", **options: object) -> tuple[Tensor, Tensor]:
    """There and back again: (G(x), F(G(x))) of x [1, C, H, W], which a cycle-consistent model brings near x.

    `options` are those of `translate_tiled`; errors too. Zhu et al. 2017 (arXiv 1703.10593), equation 2.
    """
    _check_two_way(model)
    there = translate_tiled(model, picture, direction, **options)
    return there, way_back(model, there, picture, direction, **options)


def way_back(model: Model, there: Tensor, picture: Tensor, direction: str = "AB", **options: object) -> Tensor:
    """What leads back from `there`, which `direction` has made of `picture`: the second half of `cycle`.

    A model with styles goes back with that of the picture (Huang et al. 2018, arXiv 1804.04732, section 5.1).
    """
    return translate_tiled(model, there, reverse(direction), **options | _own_style(model, picture, direction))


def _own_style(model: Model, picture: Tensor, direction: str) -> dict[str, list[float]]:
    """The style of a picture of the side a direction starts from, as an option; {} for a model without styles."""
    if not model.style_dim:
        return {}
    picture = _at_least(model.as_input(picture, direction), LEAST, LEAST)
    return {"style": model.style_of(picture, reverse(direction))}


def identity_output(model: Model, picture: Tensor, direction: str = "AB", **options: object) -> Tensor:
    """What a direction makes of a picture that is already of the side it leads to: best the same [1, C, H, W].

    `options` and errors are those of `translate_tiled`; also a UsageError where the two sides have other channels.
    Zhu et al. 2017, section 5.2, the identity loss. A model with styles is given the picture's own.
    """
    into, out_of = model.side(direction), model.side(direction, output=True)
    if into.channels != out_of.channels or into.labels != out_of.labels or model.scale != 1:
        raise UsageError(f"A picture of {out_of.name} can't be taken for one of {into.name}: they are of another kind.")
    return translate_tiled(model, picture, direction, **options | _own_style(model, picture, reverse(direction)))


def _check_two_way(model: Model) -> None:
    if len(model.directions) == 1:
        raise UsageError("This model translates one way only, so that nothing leads back.")


def difference(a: Tensor, b: Tensor) -> Tensor:
    """|a - b| / 2 over the channels' mean, [N, H, W] in [0, 1] (1: black against white); grey meets colour as grey."""
    if a.shape[0] != b.shape[0] or a.shape[2:] != b.shape[2:]:
        raise UsageError(f"Pictures of shapes {tuple(a.shape)} and {tuple(b.shape)} can't be compared.")
    if a.shape[1] != b.shape[1]:
        a, b = a.mean(1, keepdim=True), b.mean(1, keepdim=True)
    return (a - b).abs().mean(1).div_(2)


def error_map(a: Tensor, b: Tensor, most: float = 0.5) -> Tensor:
    """Where two pictures differ, as heat: dark where they agree, light where they differ by `most` or more.

    Args:
        a, b: [N, C, H, W] in [-1, 1], of the same height and width.
        most: the `difference` that is drawn lightest, above 0 to 1.

    Returns:
        [N, 3, H, W] float32 in [-1, 1].

    Raises:
        UsageError: sizes that differ, or `most` out of range.
    """
    if not 0 < most <= 1:
        raise UsageError(f"The largest difference shown lies above 0 and at most at 1, not at {most}.")
    place = difference(a, b).div_(most).clamp_(0, 1).mul_(len(_HEAT) - 1)
    low = place.long().clamp_(max=len(_HEAT) - 2)
    colours = torch.tensor(_HEAT)
    mixed = torch.lerp(colours[low], colours[low + 1], (place - low)[..., None])
    return mixed.permute(0, 3, 1, 2).mul(2).sub(1).contiguous()


def example(model: Model, direction: str = "AB", number: int = 0) -> Tensor:
    """A picture [1, C, S, S] to try a direction with, drawn by code the way the side shows one.

    A portrait, where the model learned from drawn data or takes label maps; else something on white that is like an
    emoji. The same `number` shows the same person or thing on any side; none of them is in a training set.
    """
    side = model.side(direction)
    grid = 1 << max(4, min(8, math.ceil(math.log2(side.size))))  # what can be drawn: powers of two from 16 to 256
    if not side.labels and not drawn(model.info.name):
        thing = symbols.picture(number, grid)
        return _sized(thing if side.channels == 3 else detect_edges(thing, "drawing"), side.size)
    factors = faces.sample_factors(1, torch.Generator().manual_seed(_EXAMPLE_SEEDS + number))
    if side.labels:
        labels = faces.label_map(factors, grid)[None].float()
        labels = labels if side.labels == faces.LABELS else labels % len(side.labels)
        return _sized(labels.div(127.5).sub(1), side.size, labels=True)
    if side.channels == 1:
        return _sized(faces.edges(factors, grid), side.size)
    return _sized(faces.render(factors, grid, "ink" if "ink" in side.name.lower() else "flat"), side.size)


def _sized(picture: Tensor, height: int, width: int = 0, *, labels: bool = False) -> Tensor:
    size = (height, width or height)
    if labels or picture.shape[2:] == size:
        return F.interpolate(picture, size, mode="nearest")
    return F.interpolate(picture, size, mode="bilinear", antialias=True, align_corners=False)
