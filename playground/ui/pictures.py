"""Pictures that people upload, and the preview of any data set: what was understood, with thumbnails, before training.

Uploads are kept (hard-linked where the disk allows) below the data folder, since the browser's own copies are deleted
after minutes, and a run may be resumed after weeks.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import io
import os
import re
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from playground.data.registry import DATASETS, DataSpec
from playground.errors import DataError, UsageError
from playground.runs import disk_errors

if TYPE_CHECKING:
    from playground.data.base import DataInfo
    from playground.data.images import Understood
    from playground.data.pairs import UnderstoodPairs

THUMBNAILS = 25
_UNUSED_DAYS = 30
_PART = ".part-"
_SEVERAL = "uploaded pictures"  # the folder of pictures that came one by one; its name appears in sentences


@dataclass(frozen=True)
class Upload:
    """One upload: the zip, the picture, or the folder of several, and what a person calls it."""

    path: Path
    title: str


class Uploads:
    """The uploads of all owners, in `root/OWNER/DIGEST/`; the same files again are the same upload."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._lock = threading.Lock()

    def keep(self, owner: str, files: Sequence[str | Path]) -> Upload:
        """Take over files that the browser sent.

        Raises:
            DataError: no file, or one that is gone.
            TrainingError: the disk refused.
        """
        paths = [Path(file) for file in files]
        if not paths:
            raise DataError("Nothing was uploaded: drop a zip or several pictures onto the box.")
        gone = next((path for path in paths if not path.is_file()), None)
        if gone is not None:
            raise DataError(f"The upload of '{gone.name}' is no longer there: drop the file again.")
        place = self._folder(owner) / _digest(paths)
        with self._lock, disk_errors(self.root):
            if not place.is_dir():
                part = place.parent / f"{_PART}{place.name}"
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                inner = part if len(paths) == 1 else part / _SEVERAL
                inner.mkdir(exist_ok=True)
                for number, path in enumerate(paths):
                    _link(path, inner / _unique(inner, path.name, number))
                os.replace(part, place)
            os.utime(place)
        return _read(place)

    def latest(self, owner: str) -> Upload | None:
        """The newest upload of an owner."""
        if not owner:
            return None
        try:
            places = [entry for entry in self._folder(owner).iterdir() if not entry.name.startswith(_PART)]
            newest = max(places, key=lambda place: place.stat().st_mtime, default=None)
            return None if newest is None else _read(newest)
        except (OSError, DataError):
            return None

    def forget_old(self, in_use: Sequence[str]) -> None:
        """Delete uploads that no run (`in_use`: the data paths of all runs) needs and nobody touched for a month."""
        limit = time.time() - _UNUSED_DAYS * 24 * 3600
        with contextlib.suppress(OSError):
            for place in self.root.glob("*/*"):
                if place.stat().st_mtime < limit and not any(str(place) in path for path in in_use):
                    shutil.rmtree(place, ignore_errors=True)

    def _folder(self, owner: str) -> Path:
        return self.root / hashlib.sha256(owner.encode()).hexdigest()[:32]


def _digest(paths: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with disk_errors(path.parent), open(path, "rb") as file:
            total.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:24]


def _unique(folder: Path, name: str, number: int) -> str:
    name = name.lstrip(".") or f"picture-{number}"
    return name if not (folder / name).exists() else f"{number}-{name}"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)


def _read(place: Path) -> Upload:
    kept = next(iter(sorted(place.iterdir())), None)
    if kept is None:
        raise DataError("The upload is empty: drop a zip or several pictures onto the box.")
    return Upload(kept, kept.name)


# ---------------------------------------------------------------------------------------------------------------------
# Previews


def spec_of(name: str) -> DataSpec:
    """The description of a registered data set; raises UsageError for an unknown one."""
    if name not in DATASETS:
        raise UsageError("Choose one of the data sets, or upload pictures of your own.")
    return DATASETS[name]


@lru_cache(maxsize=64)
def built_in_preview(name: str, size: int, count: int = THUMBNAILS, columns: int = 5) -> bytes:
    """A drawn data set as one JPEG of `count` thumbnails.

    Raises:
        UsageError: unknown, or one that has to be downloaded first.
    """
    import torch

    from playground.data.registry import open_data
    from playground.export import grid

    spec = spec_of(name)
    if spec.kind != "drawn":
        raise UsageError(f"{spec.title} is downloaded when a training with it starts; it can be seen then.")
    size = size if size in spec.sizes else max(spec.default_size, 64)
    with torch.no_grad():
        pictures = open_data(name, size=size, max_images=max(count, 2)).preview(count)
    if spec.sides:  # A beside B: fewer, and as many columns as make the sheet square
        count, columns = 18, 3
        pictures = pictures[:count]
    scale = max(1, 96 // size)
    pictures = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
    return _jpeg(grid(pictures, columns=columns, padding=0))


def _jpeg(pixels: object, quality: int = 88) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@lru_cache(maxsize=32)
def understand(path: str, size: int = 0) -> Understood:
    """`inspect_images` of an upload, remembered: uploads never change."""
    from playground.data.images import inspect_images

    return inspect_images(path, size=size or None)


@lru_cache(maxsize=32)
def understand_pairs(path: str, sides: str, size: int = 0, pair_input: str = "left") -> UnderstoodPairs:
    """`inspect_pairs` of an upload, remembered."""
    from playground.data.pairs import inspect_pairs

    return inspect_pairs(path, sides, size=size or None, pair_input=pair_input)


def facts_of(data: str, size: int = 0, sides: str = "", pair_input: str = "left") -> DataInfo:
    """What an estimate needs to know of a data set's name or an upload's path, without decoding it; `sides` is what
    the method learns from ("paired", "unpaired" or "").

    Raises:
        UsageError, DataError: as `open_data` would.
    """
    from playground.data.base import DataInfo

    if data not in DATASETS and sides:
        return understand_pairs(data, sides, size, pair_input).info
    if data not in DATASETS:
        found = understand(data, size)
        return DataInfo(name="", channels=found.channels, size=found.size, count=found.count, classes=found.classes)
    spec = DATASETS[data]
    if spec.kind == "drawn":
        from playground.data.registry import open_data

        return open_data(data, size=size or None, sides=sides or None).info
    # Not here yet: what matters to time is known from its name, and its count only roughly matters to memory.
    classes = tuple(map(str, range(10))) if spec.labelled else ()
    return DataInfo(
        name="", channels=1 if "mnist" in data else 3, size=size or spec.default_size, count=60_000, classes=classes
    )


def describe_built_in(name: str, size: int = 0) -> str:
    """HTML: what a registered data set is, and thumbnails where it can be drawn at once."""
    spec = spec_of(name)
    classes = "with classes" if spec.labelled else "without classes"
    if spec.sides:
        classes = f"{spec.sides[0]} → {spec.sides[1]}, {'pairs' if spec.paired else 'no pairs'}"
    sizes = ", ".join(map(str, spec.sizes))
    words = (
        f"<p>{html.escape(spec.help)}</p><p class='pg-fine'>{sizes} px · {classes} · {html.escape(spec.licence)}</p>"
    )
    if spec.kind != "drawn":
        return f"<div class='pg-preview'>{words}</div>"
    picture = (
        f"<div class='pg-sheet'><img src='data/{spec.name}/preview.jpg?size={int(size)}' width='480' height='480' "
        f"alt='Pictures of {html.escape(spec.title)}' loading='lazy'></div>"
    )
    return f"<div class='pg-preview'>{words}{picture}</div>"


def describe_upload(title: str, understood: Understood) -> str:
    """HTML: what was understood of an upload, in sentences and thumbnails."""
    first, *rest = understood.sentences()
    skipped = [f"Left out: {name} ({reason})." for name, reason in understood.skipped[:3]]
    tiles = "".join(
        f"<img src='data:image/jpeg;base64,{base64.b64encode(_jpeg(tile)).decode()}' alt=''>"
        for tile in understood.thumbnails[:THUMBNAILS]
    )
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in [*rest, *([] if understood.notes else skipped)])
    head = f"<p><strong>{html.escape(title)}</strong>: {html.escape(first)}</p>"
    label = f"{len(understood.thumbnails)} of the uploaded pictures"
    sheet = f"<div class='pg-tiles' role='img' aria-label='{label}'>{tiles}</div>"
    return f"<div class='pg-preview understood'>{head}{lines}{sheet}</div>"


def describe_pairs(title: str, understood: UnderstoodPairs) -> str:
    """HTML: what was understood of two-sided pictures, in sentences and thumbnails, A beside B."""
    tiles = "".join(
        f"<img src='data:image/jpeg;base64,{base64.b64encode(_jpeg(side)).decode()}' alt=''>"
        for pair in understood.thumbnails[:6]
        for side in pair
    )
    first, *rest = understood.sentences() or ("",)
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in rest)
    head = f"<p><strong>{html.escape(title)}</strong>: {html.escape(first)}</p>"
    sheet = f"<div class='pg-tiles pairs' role='img' aria-label='Uploaded pictures, input beside target'>{tiles}</div>"
    return f"<div class='pg-preview understood'>{head}{lines}{sheet}</div>"


def describe_problem(sentence: str) -> str:
    """HTML: why pictures can't be used."""
    return f"<div class='pg-preview problem' role='alert'><p>{html.escape(_no_paths(sentence))}</p></div>"


def _no_paths(sentence: str) -> str:
    """Server paths in quotes cut down to the file's own name: the person at the browser knows only that."""
    return re.sub(r"'/[^']*/([^'/]+)'", r"'\1'", sentence)
