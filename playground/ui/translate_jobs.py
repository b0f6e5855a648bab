"""Batches of the Translate tab: pictures that are translated one after the other while a page watches.

All batches share one thread, which steps back for others and takes a picture of each in turn; what a batch makes lies
in a temporary folder of its own and goes with it. Importing this module loads no torch.
"""

from __future__ import annotations

import copy
import io
import logging
import re
import secrets
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError, UsageError
from playground.runs import disk_errors
from playground.ui.owners import check_owner
from playground.ui.studio import Busy, Lane, Opened, Studio

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from playground.data.base import Side
    from playground.model import Model

log = logging.getLogger("playground")

MAX_ITEMS = 50  # pictures of a batch
MAX_SIDE = 2048  # of a picture; longer ones are scaled down
OWN_BATCHES = 5  # kept of one owner
ALL_BATCHES = 24
COPIES = 2  # of models, kept for this thread
THUMB = 360  # pixels of a small picture's longer side
SIZES = ("crop", "pad", "full")
KINDS = ("input", "output", "cycle", "identity", "error")
EXAMPLES = 6
_UNEXPECTED = "Something unexpected went wrong with this picture; the server's log says more."
_DRAWN = 0.55  # share of paper from which a picture counts as a line drawing


@dataclass
class Item:
    """One picture of a batch. `state`: "waiting", "running", "done", "failed" or "cancelled"; `checks`: the same of the
    way back, "" before it is asked for; `error`: how far it strays, 0 to 1."""

    number: int
    name: str
    data: bytes | None  # of an example: none, it is drawn
    example: int = 0
    state: str = "waiting"
    checks: str = ""
    share: float = 0.0
    message: str = ""
    notes: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[int, int]] = field(default_factory=dict)  # kind: (width, height)
    seconds: float = 0.0
    error: float | None = None


class Batch:
    """Pictures on their way through one model in one direction.

    Args:
        owner: whose it is.
        opened: the model.
        direction: one of its directions.
        size: "crop" or "pad" to the model's own size, or "full".
        seed: of dropout, or of the style where none is given.
        edges: whether photos become line drawings first, where the model starts from such.
        style: numbers, of a model with styles.
    """

    def __init__(
        self, owner: str, opened: Opened, direction: str, size: str, seed: int, edges: bool,
        style: list[float] | None = None,
    ) -> None:  # fmt: skip
        self.owner, self.opened, self.direction, self.size, self.seed = owner, opened, direction, size, seed
        self.edges, self.style = edges, style
        self.id = secrets.token_urlsafe(12)
        self.items: list[Item] = []
        self.cancelled = threading.Event()
        self.cancels = 0
        self.queued = self.discarded = False
        self._folder = tempfile.TemporaryDirectory(prefix="gan-playground-", ignore_cleanup_errors=True)

    @property
    def running(self) -> bool:
        return any("waiting" in (i.state, i.checks) or "running" in (i.state, i.checks) for i in list(self.items))

    def path(self, item: Item, kind: str, suffix: str = ".png") -> Path:
        """Where a picture of an item lies, once it is made."""
        return Path(self._folder.name) / f"{item.number}-{kind}{suffix}"

    def cancel(self) -> None:
        """End it: what waits is not begun, what runs ends after its tile; what is done stays, and can still be sent
        back."""
        self.cancels += 1
        self.cancelled.set()
        for item in self.items:
            if item.state == "waiting":
                item.state = "cancelled"
            if item.checks == "waiting":
                item.checks = ""

    def discard(self) -> None:
        """Cancel it and delete what it made."""
        self.discarded = True
        self.cancel()
        self._folder.cleanup()

    def wire(self) -> dict[str, Any]:
        """What a page is told of it."""
        items = [
            {
                "number": i.number, "name": i.name, "state": i.state, "checks": i.checks, "share": round(i.share, 3),
                "message": i.message, "notes": i.notes, "shapes": i.shapes, "seconds": round(i.seconds, 2),
                "error": i.error,
            }
            for i in list(self.items)
        ]  # fmt: skip
        return {"running": self.running, "cancelled": self.cancelled.is_set(), "items": items}


class Translations:
    """All batches of the app.

    Args:
        studio: where models come from; batches end with it.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.lane = Lane("translations", niceness=10)
        self._batches: OrderedDict[str, Batch] = OrderedDict()
        self._copies: list[tuple[Opened, Model]] = []
        self._lock = threading.RLock()
        self._closed = False
        studio.closing.append(self.close)

    # --- batches

    def begin(self, owner: str, opened: Opened, **options: Any) -> Batch:
        """An empty batch; `options` as of `Batch`. The owner's oldest beyond `OWN_BATCHES` go.

        Raises:
            UsageError: nobody to keep it for, not a translator, or an option out of range.
            Busy: too many batches of others run.
        """
        check_owner(owner)
        _check_options(opened.model, options["direction"], options["size"], options.get("style"))
        with self._lock:
            own = [one for one in self._batches.values() if one.owner == owner]
            for old in own[: max(0, len(own) + 1 - OWN_BATCHES)]:
                self._drop(old)
            idle = [one for one in self._batches.values() if not one.running]
            for old in idle[: max(0, len(self._batches) + 1 - ALL_BATCHES)]:
                self._drop(old)
            if len(self._batches) >= ALL_BATCHES:
                raise Busy("The server is busy translating for others: try again in a moment.")
            batch = Batch(owner, opened, **options)
            self._batches[batch.id] = batch
        return batch

    def find(self, number: object, owner: str) -> Batch | None:
        """A batch of this owner's; None for any other."""
        with self._lock:
            batch = self._batches.get(str(number))
        return batch if batch is not None and owner and batch.owner == owner else None

    def _drop(self, batch: Batch) -> None:
        self._batches.pop(batch.id, None)
        batch.discard()

    def discard(self, batch: Batch) -> None:
        """Forget a batch."""
        with self._lock:
            self._drop(batch)

    def add(self, batch: Batch, data: bytes | None, name: str, example: int = 0) -> Item:
        """One more picture, as a file or (`data` None) as an example; it is taken up at once.

        Raises:
            UsageError: the batch is full or was cancelled.
            TrainingError: the disk refused.
        """
        with self._lock:
            if batch.cancelled.is_set():
                raise UsageError("These translations were cancelled: start them again.")
            if len(batch.items) >= MAX_ITEMS:
                raise UsageError(f"At most {MAX_ITEMS} pictures are translated at a time: send the rest afterwards.")
            item = Item(len(batch.items), _clean(name), None, example)
            if data is not None:
                item.data = b""  # the file holds it
                with disk_errors(Path(tempfile.gettempdir())):
                    batch.path(item, "file", "").write_bytes(data)
            batch.items.append(item)
        self._queue(batch)
        return item

    def check(self, batch: Batch, item: Item) -> None:
        """Ask for the way back of a picture that is done; it goes before what waits."""
        with self._lock:
            if len(batch.opened.model.directions) < 2:
                raise UsageError("This model translates one way only, so that nothing leads back.")
            if item.state == "done" and item.checks == "":
                item.checks = "waiting"
        self._queue(batch)

    def close(self) -> None:
        """End all batches and the thread."""
        with self._lock:
            self._closed = True
            for batch in list(self._batches.values()):
                self._drop(batch)
        self.lane.close()

    # --- in the thread

    def _queue(self, batch: Batch) -> None:
        with self._lock:
            if batch.queued or self._closed:
                return
            batch.queued = True
            self.lane.submit(self._turn, batch)

    def _turn(self, batch: Batch) -> None:
        """One picture of a batch, then back to the end of the queue: batches take turns."""
        with self._lock:
            batch.queued = False
            items, cancels = [] if batch.discarded else batch.items, batch.cancels
            checked = next((item for item in items if item.checks == "waiting"), None)
            item = checked or next((item for item in items if item.state == "waiting"), None)
            if item is None:
                return
            attribute = "state" if checked is None else "checks"
            setattr(item, attribute, "running")
        state, message, began = "done", "", time.monotonic()
        try:
            (self._translate if checked is None else self._check)(batch, item, lambda: batch.cancels > cancels)
        except PlaygroundError as error:
            state, message = "failed", str(error)
        except Exception:
            if not batch.discarded:
                log.exception("A translation failed")
            state, message = "failed", _UNEXPECTED
        if state == "failed" and batch.cancels > cancels:
            state, message = "cancelled" if checked is None else "", ""
        item.message = message or item.message
        if checked is None:
            item.seconds = time.monotonic() - began
        setattr(item, attribute, state)
        self._queue(batch)

    def model(self, opened: Opened) -> Model:
        """A copy of an open model for this thread alone: translating by tiles sets its layers for a while."""
        with self._lock:
            found = next((model for one, model in self._copies if one is opened), None)
        if found is None:
            found = self.studio.strokes.call(copy.deepcopy, opened.model)  # not while a stroke uses it
            with self._lock:
                self._copies = [*self._copies[1 - COPIES :], (opened, found)]
        return found

    def _translate(self, batch: Batch, item: Item, cancelled: Callable[[], bool]) -> None:
        from playground.families.sides import paint
        from playground.translate import translate_tiled

        model = self.model(batch.opened)
        picture, item.notes = self._input(model, batch, item)
        side = model.side(batch.direction)
        self._save(batch, item, "input", paint(picture, side))

        def progress(done: int, total: int) -> None:
            item.share = done / total

        options = {"seed": batch.seed, "style": batch.style, "progress": progress, "cancelled": cancelled}
        made = translate_tiled(model, picture, batch.direction, **options)
        self._save(batch, item, "output", made)
        item.share = 1.0

    def _check(self, batch: Batch, item: Item, cancelled: Callable[[], bool]) -> None:
        from playground.translate import difference, error_map, identity_output, reverse, way_back

        model = self.model(batch.opened)
        picture, _ = self._input(model, batch, item)
        options = {"seed": batch.seed, "cancelled": cancelled}
        back = way_back(model, self._read(batch, item, "output"), picture, batch.direction, **options)
        self._save(batch, item, "cycle", back)
        item.error = float(difference(picture, back).mean())
        self._save(batch, item, "error", error_map(picture, back))
        self._save(batch, item, "identity", identity_output(model, picture, reverse(batch.direction), **options))

    def _input(self, model: Model, batch: Batch, item: Item) -> tuple[Tensor, list[str]]:
        if item.data is None:
            from playground.translate import example

            return example(model, batch.direction, item.example), []
        data = batch.path(item, "file", "").read_bytes()
        return prepared(model, data, batch.direction, batch.size, batch.edges)

    def _save(self, batch: Batch, item: Item, kind: str, picture: Tensor) -> None:
        from PIL import Image

        from playground.data.base import to_uint8

        image = Image.fromarray(to_uint8(picture)[0])
        image.save(batch.path(item, kind), "PNG", compress_level=1)
        if kind in ("input", "output"):
            small = image.copy()
            small.thumbnail((THUMB, THUMB))
            small.save(batch.path(item, kind, ".jpg"), "JPEG", quality=88)
        item.shapes = {**item.shapes, kind: image.size}

    def _read(self, batch: Batch, item: Item, kind: str) -> Tensor:
        import numpy as np
        import torch
        from PIL import Image

        from playground.data.base import from_pixels

        with Image.open(batch.path(item, kind)) as image:
            return from_pixels(torch.from_numpy(np.array(image))[None])


def _check_options(model: Model, direction: object, size: object, style: object = None) -> None:
    if model.kind != "translator":
        raise UsageError("This model doesn't translate pictures: choose a translator.")
    if direction not in model.directions:
        raise UsageError(f"This model translates only {' and '.join(model.directions)}.")
    if size not in SIZES:
        raise UsageError(f"The size is one of {', '.join(SIZES)}.")
    if style is not None:
        model.style_of(style, direction)


def translated(
    model: Model, data: bytes, direction: str, size: str, edges: bool, seed: int | None, example: bytes | None = None
) -> tuple[Tensor, list[str]]:
    """One picture file from beginning to end: ([1, C, H, W] in [-1, 1], sentences on what was done to it).

    `example` is the file of a picture whose style is taken, for models with styles.

    Raises:
        UsageError: not a translator, or a direction, size or seed out of range, or a style for a model without.
        DataError: not a picture, a damaged one, or one that is huge.
    """
    from playground.translate import translate_tiled

    _check_options(model, direction, size)
    style = None if example is None else style_of_file(model, example, direction)
    picture, notes = prepared(model, data, direction, size, edges)
    return translate_tiled(model, picture, direction, seed=seed, style=style), notes


def style_of_file(model: Model, data: bytes, direction: str) -> list[float]:
    """The style of a picture file of the side that a direction ends in.

    Raises:
        UsageError: a model without styles, or no such direction.
        DataError: not a picture, a damaged one, or one that is huge.
    """
    from playground.data.images import open_picture

    side = model.side(direction, output=True)
    pixels, _ = open_picture(data, 3 if side.labels else side.channels, MAX_SIDE)
    return model.style_of(_floating(pixels), direction)


def prepared(model: Model, data: bytes, direction: str, size: str, edges: bool = False) -> tuple[Tensor, list[str]]:
    """A picture file as a direction takes it: ([1, C, H, W] in [-1, 1], sentences on what was done to it).

    Args:
        size: "crop" covers the model's own square, "pad" fits into it, "full" keeps the proportions, with the longer
            side scaled down to 2,048 pixels of output.
        edges: take the edges of what is no line drawing, where the direction starts from one.

    Raises:
        DataError: not a picture, a damaged one, or one that is huge.
    """
    from playground.data.images import open_picture, read_picture
    from playground.edges import detect_edges

    side, notes = model.side(direction), []
    drawing = edges and starts_from_lines(side)
    channels = 3 if side.labels or drawing else side.channels
    if size == "full":
        pixels, given = open_picture(data, channels, MAX_SIDE // model.scale)
        height, width = pixels.shape[:2]
        if given != (width, height):
            notes.append(f"Scaled down from {given[0]:,} × {given[1]:,} to {width:,} × {height:,} pixels.")
    else:
        pixels = read_picture(data, side.size, channels, size)
    picture = _floating(pixels)
    if drawing and not looks_drawn(picture):
        picture = detect_edges(picture, "drawing")
        notes.append("Its edges were taken first.")
    return model.as_input(picture, direction), notes


def _floating(pixels: np.ndarray) -> Tensor:
    import torch

    from playground.data.base import from_pixels

    return from_pixels(torch.from_numpy(pixels.copy())[None])


def starts_from_lines(side: Side) -> bool:
    """Whether a side shows line drawings: one channel, and no label map."""
    return side.channels == 1 and not side.labels


def looks_drawn(picture: Tensor) -> bool:
    """Whether [1, 3, H, W] in [-1, 1] may already be a line drawing: grey, and mostly paper."""
    coloured = (picture.amax(1) - picture.amin(1)).mean()
    return bool(coloured < 0.05) and bool((picture.mean(1) > 0.7).float().mean() > _DRAWN)


def facts(opened: Opened, key: object) -> dict[str, Any]:
    """What the page is told of an open translator."""
    model = opened.model
    if model.kind != "translator":
        raise UsageError("This model doesn't translate pictures: choose a translator.")
    sides = [model.side("AB", output=end) for end in (False, True)]
    return {
        "key": opened.key, "asked": key, "title": opened.source.title, "kind": opened.source.kind, "live": opened.live,
        "step": opened.step, "directions": model.directions, "scale": model.scale, "varied": model.has_dropout,
        "styled": model.style_dim > 0,
        "sides": [{"name": s.name, "channels": s.channels, "size": s.size, "labels": len(s.labels)} for s in sides],
        "lines": [d for d in model.directions if starts_from_lines(model.side(d))],
        "examples": EXAMPLES, "max_files": MAX_ITEMS, "max_side": MAX_SIDE,
    }  # fmt: skip


def results_zip(batch: Batch) -> tuple[str, Callable[[Path], None]]:
    """(a file name, what writes the zip of all results there); raises UsageError where there are none."""
    done = [item for item in batch.items if item.state == "done"]
    if not done:
        raise UsageError("There are no results yet: wait for the first one.")
    side = batch.opened.model.side(batch.direction, output=True).name
    suffix = re.sub(r"\W+", "-", side).strip("-") or "result"

    def write(path: Path) -> None:
        taken: set[str] = set()
        with zipfile.ZipFile(path, "w") as archive:
            for item in done:
                stem = name = f"{Path(item.name).stem[:80] or 'picture'}-{suffix}"
                while name in taken:
                    name = f"{stem}-{item.number + 1}"
                taken.add(name)
                archive.writestr(f"{name}.png", batch.path(item, "output").read_bytes())

    return f"{batch.opened.key}-{suffix}.zip", write


def jpeg_of(picture: Tensor) -> bytes:
    """A picture [1, C, H, W] as a JPEG for the page."""
    from PIL import Image

    from playground.data.base import to_uint8

    buffer = io.BytesIO()
    Image.fromarray(to_uint8(picture)[0]).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _clean(name: str) -> str:
    """A file's name fit to show and to write: its last part, printable, without what a disk refuses."""
    last = re.split(r"[\\/]", name)[-1]
    return re.sub(r'[<>:"|?*]', "-", "".join(c for c in last if c.isprintable()))[:120].strip(" .") or "picture"
