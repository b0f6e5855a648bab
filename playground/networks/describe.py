"""What a network is made of: a table of its layers with shapes and parameters, and a sketch of it as SVG.

The module is copied without its numbers onto torch's meta device and run once there: shapes come out, nothing is
computed, and neither running statistics nor random states of the original move. A row is a layer with weights together
with what follows it (normalisation, activation, dropout) or a block that names itself through `block_title` and
`block_detail`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import combinations, pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from playground.networks.layers import (
    Dropout,
    MinibatchDiscrimination,
    MinibatchStddev,
    Random,
    set_generator,
    singular_values,
)
from playground.networks.resnet import GlobalPool


@dataclass(frozen=True)
class LayerRow:
    """One step of a network.

    `name` is its path in the module, `output_shape` leaves out the batch, `parameters` is how many numbers it learns
    (a tensor that several layers share counts at its first), `detail` is a short list of its properties. `beside` says
    that it does not read the row before it, but what an earlier row reads or an input of the network: a second head.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    detail: str = ""
    beside: bool = False


# --- The table -------------------------------------------------------------------------------------------------------


def describe(module: nn.Module, example_input: Tensor | Sequence[Tensor | None]) -> list[LayerRow]:
    """The layers of `module` in the order they run, after a row for the input.

    Args:
        module: any module whose forward runs on the meta device, on whichever device it is; it is left as it was.
        example_input: what to call it with: a tensor, or several. Values do not matter; a batch of 1 or 2 will do.

    Returns:
        Rows whose `parameters` sum to `layers.parameter_count(module)`. Layers that did not run are left out
        unless they learn something: then their row has an empty shape and says so.
    """
    inputs = (example_input,) if isinstance(example_input, Tensor) else tuple(example_input)
    inputs = tuple(x.to("meta") if isinstance(x, Tensor) else x for x in inputs)
    twin = _hollow_copy(module)
    units = dict(_units(twin))
    shapes: dict[str, tuple[int, ...]] = {}  # in the order they first ran
    read: dict[str, Tensor | None] = {}
    hooks = [unit.register_forward_hook(_recorder(name, shapes, read)) for name, unit in units.items()]
    with torch.no_grad():
        twin(*inputs)
    for hook in hooks:
        hook.remove()

    counted: set[int] = set()
    steps = []
    for name in [*shapes, *(name for name in units if name not in shapes)]:
        own = {id(p): p.numel() for p in units[name].parameters() if id(p) not in counted}
        counted |= own.keys()
        step = replace(_row(name, units[name]), output_shape=shapes.get(name, ()), parameters=sum(own.values()))
        if name in shapes:
            steps.append((step, units[name]))
        elif step.parameters:
            steps.append((replace(step, detail=_joined(step.detail, "not used by this input")), units[name]))
    first = next(x for x in inputs if isinstance(x, Tensor))
    rows = [LayerRow("input", "Input", tuple(first.shape[1:]), 0), *_folded(steps)]
    rows = _with_branches(rows, read, inputs)
    loose = sum(p.numel() for p in twin.parameters() if id(p) not in counted)
    if loose:  # numbers of a module that holds others, such as a learned constant
        rows.append(LayerRow("", "Other parameters", (), loose))
    return rows


def _with_branches(
    rows: list[LayerRow], read: dict[str, Tensor | None], inputs: tuple[Tensor | None, ...]
) -> list[LayerRow]:
    """Mark rows that read what an earlier row has read, or an input of the network other than at its start."""
    marked = rows[:1]
    for row in rows[1:]:
        source = read.get(row.name)
        taken = [read.get(earlier.name) for earlier in marked[1:]] + list(inputs[1:] if len(marked) == 1 else inputs)
        marked.append(replace(row, beside=source is not None and any(source is other for other in taken)))
    return marked


def _hollow_copy(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose tensors have shapes but no numbers, which costs no memory."""
    memo: dict[int, object] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    for layer in module.modules():
        if isinstance(layer, Random) and layer.generator is not None:
            memo[id(layer.generator)] = layer.generator  # not copied: it is dropped on the next line but one
    twin = copy.deepcopy(module, memo)
    set_generator(twin, None)
    return twin.to("meta").eval()


def _units(module: nn.Module, path: str = "") -> Iterable[tuple[str, nn.Module]]:
    """The modules that get a row: those that name themselves, and leaves."""
    leaf = not any(True for _ in module.children()) or parametrize.is_parametrized(module)
    if leaf or hasattr(module, "block_title") or isinstance(module, MinibatchDiscrimination):
        yield path, module
        return
    for name, child in module.named_children():
        yield from _units(child, f"{path}.{name}" if path else name)


def _recorder(name: str, shapes: dict[str, tuple[int, ...]], read: dict[str, Tensor | None]):
    def record(module: nn.Module, inputs: tuple, output: object) -> None:
        if isinstance(output, tuple | list):
            output = output[0]
        # What hands its input on does nothing; dropout does here only, as the copy is in eval mode.
        idle = any(output is x for x in inputs) and not isinstance(module, Dropout | nn.Dropout)
        if isinstance(output, Tensor) and name not in shapes and not idle:
            shapes[name] = tuple(output.shape[1:])
            read[name] = next((x for x in inputs if isinstance(x, Tensor)), None)

    return record


_NORM_NAMES = {
    nn.BatchNorm1d: "batch norm",
    nn.BatchNorm2d: "batch norm",
    nn.InstanceNorm2d: "instance norm",
    nn.LayerNorm: "layer norm",
}
_SIMPLE = {nn.ReLU: "ReLU", nn.LeakyReLU: "leaky ReLU", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}


def _row(name: str, unit: nn.Module) -> LayerRow:
    """The words for one module; shape and parameters are filled in by the caller."""
    kind, details = type(unit).__name__.removeprefix("Parametrized"), []
    if hasattr(unit, "block_title"):
        kind, details = unit.block_title, [unit.block_detail]
    elif isinstance(unit, nn.Conv2d | nn.ConvTranspose2d):
        kind = "Convolution" if isinstance(unit, nn.Conv2d) else "Transposed conv"
        details = ["×".join(map(str, unit.kernel_size)), f"stride {unit.stride[0]}" if unit.stride[0] > 1 else ""]
    elif isinstance(unit, nn.Linear):
        kind = "Dense"
    elif isinstance(unit, nn.Embedding):
        kind, details = "Embedding", [f"{unit.num_embeddings} entries"]
    elif isinstance(unit, nn.GroupNorm):
        kind = "layer norm" if unit.num_groups == 1 else "group norm"
    elif isinstance(unit, nn.Upsample):
        kind = f"{unit.mode} ×{unit.scale_factor:g}" if unit.scale_factor else f"{unit.mode} to {unit.size}"
    elif isinstance(unit, nn.AvgPool2d):
        kind = f"average pool ÷{unit.kernel_size}"
    elif isinstance(unit, nn.Dropout | Dropout):
        kind = f"dropout {unit.p:g}"
    elif isinstance(unit, GlobalPool):
        kind = f"Global {unit.kind}"
    elif isinstance(unit, MinibatchDiscrimination):
        kind, details = "Minibatch discrimination", [f"{unit.kernels} kernels of {unit.kernel_dim}"]
    elif isinstance(unit, MinibatchStddev):
        kind, details = "Minibatch std. dev.", [f"groups of {unit.group}"]
    else:
        names = {**_NORM_NAMES, **_SIMPLE}
        kind = next((words for of, words in names.items() if isinstance(unit, of)), kind)
    if singular_values(unit):
        details.append("spectral norm")
    return LayerRow(name, kind, (), 0, _joined(*details))


_CARRIERS = (
    nn.Linear,
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.Embedding,
    GlobalPool,
    MinibatchDiscrimination,
    MinibatchStddev,
)


def _folded(steps: list[tuple[LayerRow, nn.Module]]) -> list[LayerRow]:
    """Join small steps to a layer they belong to.

    What enlarges, and what shares its parent with the next layer alone, goes to that; all else to the layer before.
    """
    rows: list[LayerRow] = []
    waiting: list[LayerRow] = []
    carrying = [isinstance(unit, _CARRIERS) or hasattr(unit, "block_title") for _, unit in steps]
    for i, (step, unit) in enumerate(steps):
        ahead = next((later for (later, _), carries in zip(steps[i:], carrying[i:], strict=True) if carries), None)
        if carrying[i] or not step.output_shape:
            detail = _joined(*(early.kind for early in waiting), step.detail)
            rows.append(replace(step, detail=detail, parameters=step.parameters + sum(w.parameters for w in waiting)))
            waiting = []
        elif isinstance(unit, nn.Flatten):
            continue  # the map says more than the vector it is read as
        elif isinstance(unit, nn.Unflatten):
            if rows and math.prod(step.output_shape[1:]) > 1:
                rows[-1] = replace(rows[-1], output_shape=step.output_shape)
        elif ahead is not None and (
            not rows or isinstance(unit, nn.Upsample) or _parent(step) == _parent(ahead) != _parent(rows[-1])
        ):
            waiting.append(step)
        elif rows:
            rows[-1] = replace(
                rows[-1],
                output_shape=step.output_shape,
                parameters=rows[-1].parameters + step.parameters,
                detail=_joined(rows[-1].detail, step.kind, step.detail),
            )
        else:
            rows.append(step)
    return rows


def _parent(row: LayerRow) -> str:
    return row.name.rpartition(".")[0]


def _joined(*details: str) -> str:
    return " · ".join(detail for detail in details if detail)


# --- The sketch ------------------------------------------------------------------------------------------------------

_CELL = 119.0  # width of one layer's place
_LINE = 15.0
_PER_ROW = 7
_BOX_ROOM = 104.0  # height of the boxes' band
_FILLS = {
    "Input": "#8a8f98",
    "Dense": "#8b5cf6",
    "Convolution": "#0ea5a4",
    "Transposed conv": "#2f7de1",
    "Residual block": "#e07b24",
    "Minibatch discrimination": "#d6457f",
    "Minibatch std. dev.": "#d6457f",
    "Mapping network": "#8b5cf6",
    "Style block": "#2f7de1",
    "Halving block": "#0ea5a4",
    "Label input": "#b45309",
    "Label maps": "#b45309",
}
_OTHER_FILL = "#64748b"


def sketch_svg(rows: Sequence[LayerRow], title: str) -> str:
    """An inline SVG of the network: one box a row, taller for more places and wider for more channels (both by log).

    It scales to the width of its container and writes in `currentColor`, so that it fits a light and a dark page.
    """
    rows = [row for row in rows if row.output_shape]
    lines = [rows[i : i + _per_line(len(rows))] for i in range(0, len(rows), _per_line(len(rows)))]
    width = _CELL * max(4, *(len(line) for line in lines)) + 16
    total = sum(row.parameters for row in rows)
    parts = [
        f'<text x="12" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<text x="{width - 12:g}" y="24" font-size="12" text-anchor="end" opacity="0.75">'
        f"{_count(total)} parameters</text>",
    ]
    y = 40.0
    for i, line in enumerate(lines):
        drawn, height = _draw_line(line, y, continued=i > 0, goes_on=i + 1 < len(lines))
        parts += drawn
        y += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {y + 4:g}" width="100%" '
        f'style="max-width:{width * 1.15:.0f}px;height:auto;display:block" role="img" '
        f'aria-label="{escape(title, quote=True)}" fill="currentColor" '
        'font-family="ui-sans-serif,system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _per_line(count: int) -> int:
    """Boxes a line: all on one up to 9, else lines of like lengths of at most 7."""
    return count if count <= _PER_ROW + 2 else math.ceil(count / math.ceil(count / _PER_ROW))


def _draw_line(line: Sequence[LayerRow], top: float, *, continued: bool, goes_on: bool) -> tuple[list[str], float]:
    """The parts of one line of boxes, and its height."""
    captions = [_wrapped(row.detail, 20) for row in line]
    middle = top + _BOX_ROOM / 2
    parts = []
    edges = []
    for i, row in enumerate(line):
        centre = 8 + _CELL * (i + 0.5)
        box_width, box_height, box_depth = _box(row.output_shape)
        half = (box_width + box_depth) / 2
        edges.append((centre - half, centre + half))
        parts.append(_draw_box(centre - half, middle, box_width, box_height, box_depth, _FILLS.get(row.kind)))
        y = top + _BOX_ROOM + 16
        parts.append(_text(centre, y, _shape(row.output_shape), size=13, weight=600))
        for words in _wrapped(row.kind, 19):
            y += _LINE
            parts.append(_text(centre, y, words, size=12.5))
        for words in captions[i]:
            y += _LINE
            parts.append(_text(centre, y, words, size=11.5, opacity=0.75))
        if row.parameters:
            y += _LINE
            parts.append(_text(centre, y, f"{_count(row.parameters)} parameters", size=11.5, opacity=0.75))
    for ((_, left), (right, _)), row in zip(pairwise(edges), line[1:], strict=True):
        if row.beside:
            parts.append(_text((left + right) / 2, middle + 6, "+", size=18, opacity=0.75))
        else:
            parts.append(_arrow(left + 6, right - 6, middle))
    if continued:
        parts.append(_arrow(2, edges[0][0] - 6, middle))
    if goes_on:
        parts.append(_arrow(edges[-1][1] + 6, 8 + _CELL * len(line) + 4, middle))
    deepest = max(
        len(words) + len(_wrapped(row.kind, 19)) + bool(row.parameters)
        for row, words in zip(line, captions, strict=True)
    )
    return parts, _BOX_ROOM + 16 + _LINE * deepest + 14


def _box(shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Width, height and depth on paper: channels become width, places become height and depth."""
    if len(shape) >= 3:
        side = 7 + 10 * math.log2(max(2, shape[-1]))
        return 4 + 3.4 * math.log2(1 + shape[0]), min(side, 78.0), min(side, 78.0) * 0.3
    return 9.0, min(12 + 7.5 * math.log2(1 + math.prod(shape)), 92.0), 0.0  # a vector: a column


def _draw_box(x: float, middle: float, width: float, height: float, depth: float, fill: str | None) -> str:
    """A box in parallel projection, its front's left edge at x, centred on `middle`; a flat column where depth is 0."""
    fill = fill or _OTHER_FILL
    top = middle - height / 2 + depth * 0.35
    bottom = top + height - depth * 0.7 + depth * 0.35
    lift = depth * 0.7
    front = f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{bottom - top:.1f}" rx="1.5" fill="{fill}"/>'
    if not depth:
        return front
    right = x + width
    lid = (
        f"{x:.1f},{top:.1f} {x + depth:.1f},{top - lift:.1f} {right + depth:.1f},{top - lift:.1f} {right:.1f},{top:.1f}"
    )
    side = (
        f"{right:.1f},{top:.1f} {right + depth:.1f},{top - lift:.1f} "
        f"{right + depth:.1f},{bottom - lift:.1f} {right:.1f},{bottom:.1f}"
    )
    return (
        f'{front}<polygon points="{lid}" fill="{fill}" opacity="0.6"/>'
        f'<polygon points="{side}" fill="{fill}" opacity="0.8"/>'
    )


def _arrow(start: float, end: float, y: float) -> str:
    tip = f"M{end - 6:.1f} {y - 4:.1f}L{end:.1f} {y:.1f}L{end - 6:.1f} {y + 4:.1f}"
    return (
        f'<path d="M{start:.1f} {y:.1f}H{end:.1f}{tip}" fill="none" stroke="currentColor" stroke-width="1.4" '
        'stroke-linecap="round" stroke-linejoin="round" opacity="0.6"/>'
    )


def _text(x: float, y: float, words: str, *, size: float, weight: int = 400, opacity: float = 1.0) -> str:
    shade = f' opacity="{opacity:g}"' if opacity < 1 else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="middle"{bold}{shade}>{escape(words)}</text>'
    )


def _wrapped(words: str, letters: int) -> list[str]:
    """Break at " · " into the fewest lines of at most `letters`, the longest of them as short as can be."""
    pieces: list[str] = []
    for piece in words.split(" · ") if words else []:
        head, _, tail = piece.rpartition(" ") if len(piece) > letters else ("", "", piece)
        pieces += [part for part in (head, tail) if part]
    ways = [
        [" · ".join(pieces[a:b]) for a, b in pairwise((0, *breaks, len(pieces)))]
        for count in range(len(pieces))
        for breaks in combinations(range(1, len(pieces)), count)
    ]
    return min(ways, key=lambda way: (max(0, max(map(len, way)) - letters), len(way), max(map(len, way))), default=[])


def _shape(shape: tuple[int, ...]) -> str:
    return "\u2009×\u2009".join(map(str, shape))  # thin spaces


def _count(number: int) -> str:
    """1234567 -> "1.23 M"."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return str(number)
