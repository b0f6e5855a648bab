"""What the Sketch tab asks for, worked out: drawings translated, examples, pictures made into drawings, time-lapses.

A drawing travels as raw bytes, row by row, one byte a pixel and channel: the number of the label on a label map, 0
(black) to 255 elsewhere. A picture file is understood as well. This module loads torch: import it where something is
drawn.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from playground.data.base import Side, from_pixels
from playground.data.images import read_picture
from playground.data.registry import drawn, open_data
from playground.edges import DETECTORS, detect_edges
from playground.errors import UsageError, unknown
from playground.export import write_animation
from playground.translate import example as something
from playground.ui.drawing import encoded, image

if TYPE_CHECKING:
    from playground.model import Model
    from playground.ui.studio import Opened

HELD_OUT = 900_001  # seeds of examples begin here: no training draws its data from them
MAX_TAPE = 160  # frames of a time-lapse
_SHOWN = 256  # least side of a time-lapse's halves
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")


@dataclass(frozen=True)
class Way:
    """One direction of a translator: what is drawn on, and what comes out."""

    name: str
    source: Side
    target: Side

    @property
    def size(self) -> int:
        """The canvas's side in pixels."""
        return self.source.size

    @property
    def kind(self) -> str:
        """What is drawn: "labels", a line "drawing" of one channel, or a "picture" in colours."""
        return "labels" if self.source.labels else "drawing" if self.source.channels == 1 else "picture"

    @property
    def bytes(self) -> int:
        """The length of a drawing."""
        return self.size**2 * self.source.channels


def translator(opened: Opened) -> Model:
    """The model as a translator; raises UsageError for any other."""
    if opened.model.kind != "translator":
        raise UsageError("This model draws from noise and takes no drawing: choose a translator, or use it in Explore.")
    return opened.model


def ways(model: Model) -> dict[str, Way]:
    """The directions of a translator by name."""
    return {name: Way(name, model.side(name), model.side(name, output=True)) for name in model.directions}


def way_of(model: Model, name: Any) -> Way:
    """The direction of that name, the first where there is none; raises UsageError for any other."""
    found = ways(model)
    if name is not None and name not in found:
        raise unknown("direction", str(name)[:40], found)
    return found[name or next(iter(found))]


def facts(opened: Opened, key: str) -> dict[str, Any]:
    """What the page needs to know of an open translator."""
    model = translator(opened)
    found = [
        {
            "name": way.name, "kind": way.kind, "size": way.size, "bytes": way.bytes,
            "source": asdict(way.source), "target": asdict(way.target),
            "realism": has_realism(opened, way),
        }
        for way in ways(model).values()
    ]  # fmt: skip
    return {
        "key": key, "title": opened.source.title, "kind": opened.source.kind, "live": opened.live,
        "step": opened.step, "ways": found, "dropout": model.has_dropout,
        "detectors": [{"name": d.name, "title": d.title, "help": d.help} for d in DETECTORS.values()],
    }  # fmt: skip


def has_realism(opened: Opened, way: Way) -> bool:
    """Whether the discriminator of a direction was saved with the model; tried once, on an empty drawing."""
    key = ("realism", way.name)
    if key not in opened.results:
        model, x = translator(opened), drawn_in(bytes(way.bytes), way)
        opened.keep(key, model.realism(x, model.translate(x, way.name), way.name) is not None)
    return opened.results[key]


# ---------------------------------------------------------------------------------------------------------------------
# Drawings


def pixels_of(data: bytes, way: Way) -> np.ndarray:
    """A drawing that was sent, as uint8 [S, S, C]: raw bytes, or a picture file of the same size.

    Raises:
        UsageError: of another size, or with labels that the model does not know.
        DataError: a picture file that is damaged.
    """
    size, channels = way.size, way.source.channels
    if len(data) == way.bytes:
        values = np.frombuffer(data, np.uint8).reshape(size, size, channels)
    elif data.startswith(_SIGNATURES):
        values = _from_file(data, way)
    else:
        raise UsageError(
            f"A drawing for this model has {size} × {size} pixels of {channels} byte{'s' * (channels > 1)} each, "
            f"{way.bytes:,} bytes in all, not {len(data):,}; a PNG of that size is understood as well."
        )
    if way.source.labels and values.max() >= len(way.source.labels):
        last = len(way.source.labels) - 1
        raise UsageError(f"Label {values.max()} does not exist: this model knows the labels 0 to {last}.")
    return values


def _from_file(data: bytes, way: Way) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            (width, height), mode = picture.size, picture.mode
            numbers = np.asarray(picture)[..., None] if mode == "L" and width * height <= way.size**2 else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UsageError("The drawing is not a picture that can be read: send a PNG, or raw bytes.") from None
    if (width, height) != (way.size, way.size):
        raise UsageError(
            f"The drawing has {width} × {height} pixels, but this model draws on {way.size} × {way.size}: resize it."
        )
    if way.source.labels:
        if numbers is not None:  # of the labels, as the data sets store them
            return numbers
        return nearest_labels(read_picture(data, way.size, 3), way.source)
    return read_picture(data, way.size, way.source.channels)


def nearest_labels(values: np.ndarray, side: Side) -> np.ndarray:
    """uint8 [S, S, 3] -> [S, S, 1]: at each pixel the label whose colour is nearest."""
    palette = np.asarray(side.palette, np.int32)
    apart = np.square(values[:, :, None].astype(np.int32) - palette).sum(-1)
    return apart.argmin(-1).astype(np.uint8)[..., None]


def drawn_in(data: bytes, way: Way) -> Tensor:
    """A drawing as a translator takes it: float32 [1, C, S, S] in [-1, 1], a label map int64 [1, S, S]."""
    values = torch.from_numpy(pixels_of(data, way).copy())
    return values[..., 0].long()[None] if way.source.labels else from_pixels(values[None])


def raw(x: Tensor) -> bytes:
    """The first of [N, C, S, S] in [-1, 1] as a drawing that is sent; a label map as in `Batch`."""
    return x[0].permute(1, 2, 0).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).numpy().tobytes()


def coloured(values: np.ndarray, side: Side) -> np.ndarray:
    """A drawing uint8 [S, S, C] to look at: [S, S, 3], labels in their colours."""
    if side.labels:
        return np.asarray(side.palette, np.uint8)[values[..., 0]]
    return values if values.shape[2] == 3 else values.repeat(3, axis=2)


def translated(opened: Opened, data: bytes, direction: Any, seed: int | None, realism: bool = False) -> bytes:
    """PNG of the picture that a drawing becomes; with `realism` the discriminator's map of it, in greys, beside it.

    White is what the discriminator takes for real, black what it takes for made.

    Raises:
        UsageError: an unknown direction, a bad drawing, or no discriminator to ask.
    """
    model = translator(opened)
    way = way_of(model, direction)
    x = drawn_in(data, way)
    y = model.translate(x, direction=way.name, seed=seed)
    picture = image(y[0])
    if not realism:
        return encoded(picture)
    judged = model.realism(x, y, way.name)
    if judged is None:
        raise UsageError("No discriminator was saved with this model, so it can't be asked what looks real.")
    both = Image.new("RGB", (2 * picture.width, picture.height))
    both.paste(picture)
    grey = judged.reshape(judged.shape[-2:]).clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    both.paste(Image.fromarray(grey).resize(picture.size, Image.Resampling.BILINEAR), (picture.width, 0))
    return encoded(both)


# ---------------------------------------------------------------------------------------------------------------------
# Drawings that nobody drew


def example(opened: Opened, direction: Any, seed: int) -> bytes:
    """A drawing that the model was not trained on: from fresh factors, where its data are drawn by code; raw bytes."""
    model = translator(opened)
    way = way_of(model, direction)
    if not drawn(model.info.name):
        return raw(something(model, way.name, seed))
    batch = open_data(model.info.name, size=way.size, seed=HELD_OUT + seed, max_images=2).take(torch.tensor([0]))
    return raw(batch.targets if way.name == "BA" else batch.images)


def sketched(opened: Opened, data: bytes, direction: Any, seed: int, detector: str | None) -> tuple[Tensor, Tensor]:
    """(what the model makes of a drawing [C, H, W], the drawing as it saw it [3, S, S]), both in [-1, 1].

    `data` is a drawing as of `pixels_of`, or a picture file of any size; with a `detector` its edges are the drawing.

    Raises:
        UsageError, DataError: as of `pixels_of` and `from_picture`.
    """
    model = translator(opened)
    way = way_of(model, direction)
    if detector is not None and way.kind == "drawing":
        data = from_picture(opened, data, way.name, detector)
    elif data.startswith(_SIGNATURES) and not _fits(data, way):
        grey = way.kind == "drawing"
        data = read_picture(data, way.size, 1).tobytes() if grey else from_picture(opened, data, way.name, None)
    drawing = torch.from_numpy(coloured(pixels_of(data, way), way.source).copy())
    return model.translate(drawn_in(data, way), way.name, seed)[0], from_pixels(drawing[None])[0]


def _fits(data: bytes, way: Way) -> bool:
    """Whether a picture file has the size of the canvas."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size == (way.size, way.size)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def from_picture(opened: Opened, data: bytes, direction: Any, detector: str | None) -> bytes:
    """Somebody's picture as a drawing for this model, raw bytes: its edges, its nearest labels, or itself.

    Raises:
        UsageError: an unknown direction or detector.
        DataError: not a picture, damaged, or huge.
    """
    way = way_of(translator(opened), direction)
    if way.kind == "picture":
        return read_picture(data, way.size, 3).tobytes()
    values = read_picture(data, way.size, 3)
    if way.kind == "labels":
        return nearest_labels(values, way.source).tobytes()
    lines = detect_edges(from_pixels(torch.from_numpy(values.copy())[None]), detector or "drawing")
    return raw(lines)


def thumbnail(opened: Opened) -> bytes:
    """PNG of a held-out drawing and what the model makes of it, side by side."""
    model = translator(opened)
    way = way_of(model, None)
    data = example(opened, None, 3)
    y = model.translate(drawn_in(data, way))
    left = Image.fromarray(coloured(pixels_of(data, way), way.source)).resize((way.size, way.size))
    right = image(y[0], way.size)
    both = Image.new("RGB", (2 * way.size, way.size))
    both.paste(left)
    both.paste(right.convert("RGB"), (way.size, 0))
    return encoded(both)


# ---------------------------------------------------------------------------------------------------------------------
# Time-lapse


def tape(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """(header, parts) of a recording: the header's length as a little-endian uint32, the header as JSON with "lengths",
    then the parts.

    Raises:
        UsageError: not of that form.
    """
    wrong = UsageError("The recording can't be read: draw a little more and try again.")
    try:
        (length,) = struct.unpack_from("<I", data)
        header = json.loads(data[4 : 4 + length])
        lengths = header["lengths"]
    except (struct.error, ValueError, KeyError, TypeError, RecursionError):
        raise wrong from None
    whole = isinstance(lengths, list) and all(type(one) is int and one >= 0 for one in lengths)
    if not whole or 4 + length + sum(lengths) != len(data):
        raise wrong
    parts, at = [], 4 + length
    for one in lengths:
        parts.append(data[at : at + one])
        at += one
    return header, parts


def timelapse(opened: Opened, data: bytes) -> tuple[str, Callable[[Path], object]]:
    """(file name, what writes the file) of a drawing's time-lapse; `data` as of `tape`, its parts drawing, PNG of the
    result, drawing, PNG, and so on; its header also names the "direction" and the "format" ("gif" or "mp4").

    Raises:
        UsageError: nothing recorded, too many frames, or a bad one.
    """
    model = translator(opened)
    header, parts = tape(data)
    kind = header.get("format", "gif")
    if kind not in ("gif", "mp4"):
        raise unknown("format", str(kind)[:40], ("gif", "mp4"))
    if not parts or len(parts) % 2 or len(parts) > 2 * MAX_TAPE:
        raise UsageError(f"A time-lapse has 1 to {MAX_TAPE} frames, each a drawing and its result.")
    way = way_of(model, header.get("direction"))
    pairs = zip(parts[::2], parts[1::2], strict=True)
    frames = [_frame(drawing, result, way, model.scale) for drawing, result in pairs]
    seconds = min(12.0, max(3.0, len(frames) / 10))
    fps = max(2.0, min(25.0, len(frames) / seconds))
    return f"sketch.{kind}", lambda path: write_animation(frames, path, fps=fps, caption=False, steady=True)


def _frame(drawing: bytes, result: bytes, way: Way, scale: int) -> np.ndarray:
    side = way.size * scale
    try:
        with Image.open(io.BytesIO(result), formats=("PNG",)) as picture:
            fits = picture.size in ((side, side), (2 * side, side))  # the latter with the map of what looks real
            right = picture.convert("RGB").crop((0, 0, side, side)) if fits else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UsageError("A result in the recording is not a PNG: draw it again.") from None
    if right is None:
        raise UsageError(f"A result of this model has {side} × {side} pixels: draw it again.")
    left = Image.fromarray(coloured(pixels_of(drawing, way), way.source))
    shown = max(_SHOWN, side)
    method = Image.Resampling.NEAREST if way.source.labels else Image.Resampling.BICUBIC
    halves = [left.resize((shown, shown), method), right.resize((shown, shown), Image.Resampling.BICUBIC)]
    return np.concatenate([np.asarray(half) for half in halves], axis=1)
