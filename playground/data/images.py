"""A person's own pictures: a folder, a zip or a handful of files, understood first and then decoded into memory.

What is taken for granted of a file is nothing: its header is read before its pixels, its size in the archive before its
bytes, and a picture that can't be used is left out and named rather than stopping the rest.
"""

from __future__ import annotations

import difflib
import io
import lzma
import os
import re
import stat
import struct
import threading
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from playground.data.base import DataInfo, ImageStore
from playground.errors import DataError, UsageError, unknown

Progress = Callable[[int, int], None]
PathLike = str | os.PathLike[str]

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
FITS = ("crop", "pad", "stretch")
SIZES = (16, 32, 64)  # what `size=None` chooses from

MAX_PIXELS = 64_000_000  # of one picture, read from its header
MAX_FILE_BYTES = 256 << 20  # of one picture file, unpacked
MAX_GIVEN_BYTES = 20 << 20  # of one picture file given by itself
MAX_TOTAL_BYTES = 8 << 30  # of all pictures of a zip, unpacked
MAX_RATIO = 200  # unpacked over packed bytes of a zip; photos are near 1, drawings stay below 100
RATIO_MATTERS = 256 << 20  # a small zip may be packed as tightly as it likes
MAX_FILES = 500_000  # members of a zip, or files below a folder
MAX_STORE_BYTES = 8 << 30  # of decoded pictures in memory
MAX_CLASSES = 1_000
MIN_SIDE, MAX_SIDE = 4, 1024

SAMPLE = 2_000  # headers read to learn the sizes
COLOUR_SAMPLE = 100  # pictures decoded to tell grey from colour
_HEADER_BYTES = 256 << 10
_BIG_PIXELS = 8_000_000  # pictures above this are decoded one at a time, which bounds the memory in use
_SLOW_SECONDS = 1e-3  # a picture that takes longer gains from threads; below it they only wait for each other
_THREADS = max(2, min(4, os.cpu_count() or 2))
_NO_PICTURE = "not a picture file"
_NAMED = 20  # how many skipped files are kept by name

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
_DEEP_MODES = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
_GREY_MODES = {"1", "L", "LA"} | _DEEP_MODES
_COLOUR_MODES = {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"}
_GIVE = "give a folder or a zip of pictures (png, jpg, webp, bmp, gif, tiff, ppm or pgm)"

# What Pillow and zipfile raise on damaged files (Pillow's own `open` counts IndexError, TypeError and struct.error
# among them); anything else is a defect of ours and keeps its traceback.
_DAMAGE = (
    OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError, OverflowError, MemoryError, RuntimeError,
    UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning, struct.error, zlib.error,
    lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip


class _UnreadableError(Exception):
    """One file that can't be used; the text is a short phrase, for instance "not a picture"."""


@dataclass(frozen=True)
class Sizes:
    """Widths and heights in pixels, upright, as the headers state them. `sampled` is how many headers were read."""

    smallest: tuple[int, int]
    median: tuple[int, int]  # of widths and of heights, each by itself
    largest: tuple[int, int]
    commonest: tuple[int, int]
    commonest_share: float
    sampled: int


@dataclass(frozen=True)
class Understood:
    """What was made of a folder, zip or list of files, before any training.

    `layout` is "flat", "class folders" or "files"; `class_counts` goes with `classes` (both empty: no labels);
    `channels` and `size` are what `load_images` would choose; `skipped` holds (name, reason) of the first few of
    `skipped_total` files; `thumbnails` is uint8 [n <= 25, 96, 96, 3], spread over the classes.
    """

    name: str
    layout: str
    count: int
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    sizes: Sizes
    channels: int
    size: int
    skipped: tuple[tuple[str, str], ...]
    skipped_total: int
    notes: tuple[str, ...]
    thumbnails: np.ndarray = field(repr=False, compare=False)

    def sentences(self) -> tuple[str, ...]:
        """The same in words, for a person to agree with."""
        sizes, colour = self.sizes, "greyscale" if self.channels == 1 else "colour"
        same = sizes.smallest == sizes.largest
        classes = f" in {len(self.classes)} classes ({_names_of(self.classes)})" if self.classes else ""
        shape = f"{_by(sizes.commonest)}" if same else f"{_by(sizes.smallest)} to {_by(sizes.largest)}"
        said = [f"{self.count:,} pictures{classes}, {shape}, {colour}."]
        if not same:
            share = f", most often {_by(sizes.commonest)}" if sizes.commonest_share >= 0.1 else ""
            said.append(f"The median size is {_by(sizes.median)}{share}.")
        if (self.size, self.size) != sizes.commonest or not same:
            said.append(f"They will be brought to {_by((self.size, self.size))}.")
        if sizes.sampled < self.count:
            said.append(f"Sizes were judged from {sizes.sampled:,} of them, the colour from up to {COLOUR_SAMPLE}.")
        if self.class_counts and max(self.class_counts) > 1.5 * min(self.class_counts):
            least, most = int(np.argmin(self.class_counts)), int(np.argmax(self.class_counts))
            said.append(
                f"The smallest class is {self.classes[least]} with {_count(self.class_counts[least])}, "
                f"the largest {self.classes[most]} with {self.class_counts[most]:,}."
            )
        return (*said, *self.notes)


def inspect_images(
    path: PathLike | Sequence[PathLike],
    *,
    size: int | None = None,
    fit: str = "crop",
    grey: bool | None = None,
    max_images: int | None = None,
    name: str | None = None,
) -> Understood:
    """Look before loading: at most 2,000 headers, 100 pictures for their colour and 25 for thumbnails are read.

    The arguments are those of `load_images`, which would make the same choices.

    Raises:
        UsageError: missing path, or an option out of range.
        DataError: nothing usable; the sentence says why.
    """
    _check_options(size, fit, max_images)
    with _scan(path, name) as source:
        source.thin(max_images)
        survey = _survey(source, grey)
        bad = survey.bad
        good = [i for i in range(len(source.entries)) if i not in bad]
        source.need_two(len(good), bad)
        side = size or _default_size(survey.sizes)
        tally = Counter(source.entries[i].label for i in good)
        labels = sorted(k for k in tally if k is not None)
        if len(labels) < 2:
            labels = []
        shown = _spread_over_classes([source.entries[i].label or 0 for i in good], 25)
        pixels = np.empty((len(shown), 96, 96, survey.channels), np.uint8)
        failed = decode_all(lambda i: source.read(good[shown[i]]), pixels, fit)
        thumbnails = np.delete(pixels, list(failed), axis=0)
        bad = bad | {good[shown[i]]: reason for i, reason in failed.items()}
        skipped = [(source.entries[i].name, reason) for i, reason in sorted(bad.items())] + source.others
        return Understood(
            name=source.name,
            layout=source.layout,
            count=len(source.entries) - len(bad),
            classes=tuple(source.classes[k] for k in labels),
            class_counts=tuple(tally[k] for k in labels),
            sizes=_summary(survey.sizes),
            channels=survey.channels,
            size=side,
            skipped=tuple((_clean(n), reason) for n, reason in skipped[:_NAMED]),
            skipped_total=len(skipped),
            notes=(*source.notes, *source.skip_notes(bad)),
            thumbnails=np.repeat(thumbnails, 3, axis=3) if survey.channels == 1 else thumbnails,
        )


def load_images(
    path: PathLike | Sequence[PathLike],
    *,
    size: int | None = None,
    fit: str = "crop",
    grey: bool | None = None,
    flip: bool = False,
    max_images: int | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    name: str | None = None,
) -> ImageStore:
    """Decode a folder, a zip or a list of picture files into uint8 [N, size, size, C].

    A folder or zip may be flat or hold one folder a class (labels follow the sorted folder names); a folder that
    wraps everything is looked through, and of `train`, `val` and `test` only `train` is taken. Pictures are turned
    upright by their EXIF orientation, laid over white where transparent, and of an animation the first frame is used;
    16-bit pictures are scaled by 255/65535. Order: by class, then by name.

    Args:
        path: a folder, a .zip (read in place, never unpacked to disk), or a sequence of picture files.
        size: side in pixels, 4 to 1024. None: of 16, 32 and 64 the nearest, by ratio, to the median of the shorter
            sides (28 becomes 32, 40 becomes 32, 100 becomes 64).
        fit: "crop" covers the square and cuts what stands out, "pad" keeps all of the picture and fills the rest with
            the colour of its border, "stretch" distorts it.
        grey: True for one channel, False for three. None: one channel if all of up to 100 sampled pictures are grey.
        flip: also take the mirror image of every picture, which doubles the count.
        max_images: at most this many pictures (before mirroring), spread evenly over all of them.
        progress: called now and then with (pictures done, pictures in all); an exception it raises stops the loading
            and is passed on.
        name: what to call the data set; default the name of the folder or zip.

    Raises:
        UsageError: missing path, or an option out of range.
        DataError: a zip that is damaged or unsafe, or fewer than two usable pictures.
    """
    _check_options(size, fit, max_images)
    with _scan(path, name) as source:
        source.thin(max_images)
        if size is None or grey is None:
            survey = _survey(source, grey)
            side, channels = size or _default_size(survey.sizes), survey.channels
        else:
            side, channels = size, 1 if grey else 3
        n = len(source.entries)
        pixels = allocate(source.name, (2 if flip else 1) * n, side, channels)
        bad = decode_all(source.read, pixels[:n], fit, progress)
        source.need_two(n - len(bad), bad)
        notes = (*source.notes, *source.skip_notes(bad))
        kept = [i for i in range(n) if i not in bad]
        labels, classes = source.labels_of(kept)

    n = _close_gaps(pixels, kept)
    if flip:
        pixels[n : 2 * n] = pixels[:n, :, ::-1]
        labels, n = labels * 2, 2 * n
    pixels = pixels[:n] if n > 0.9 * len(pixels) else pixels[:n].copy()
    info = DataInfo(source.name, channels, side, n, classes=classes, notes=notes)
    column = torch.tensor(labels, dtype=torch.int64, device=device) if classes else None
    return ImageStore(info, torch.from_numpy(pixels).to(device), column)


# ---------------------------------------------------------------------------------------------------------- decoding


def decode(data: bytes, size: int, channels: int, fit: str = "crop") -> np.ndarray:
    """One picture file as uint8 [size, size, channels]; raises a private error with a short reason if it can't be."""
    with _reading():
        image = _opened(data)
        if image.format in ("JPEG", "MPO"):
            # The decoder itself can halve, quarter, ...; twice the size leaves enough for a good last reduction.
            image.draft(None, (2 * size, 2 * size))
    return _decoded(image, size, channels, fit)


def _decoded(image: Image.Image, size: int, channels: int, fit: str) -> np.ndarray:
    with _one_big if image.width * image.height > _BIG_PIXELS else nullcontext():
        with _reading():
            image.load()
            turn = _orientation(image)
            image = _simple(image, channels)
        return _squared(image, size, fit, _TURNS.get(turn, np.asarray))


def decode_halves(
    data: bytes, size: int, channels: tuple[int, int], fit: str = "crop"
) -> tuple[np.ndarray, np.ndarray]:
    """The left and the right half of one picture file, cut once it is upright, each as in `decode`.

    Of an odd width the column in the middle belongs to neither. Raises a private error with a short reason where the
    picture can't be read or is not about twice as wide as high.
    """
    with _reading():
        image = _opened(data)
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (4 * size, 4 * size))
    with _one_big if image.width * image.height > _BIG_PIXELS else nullcontext():
        with _reading():
            image.load()
            turn = _orientation(image)
            wide = {c: _simple(image, c) for c in set(channels)}
            if turn in _UPRIGHT:
                wide = {c: whole.transpose(_UPRIGHT[turn]) for c, whole in wide.items()}
        width, height = wide[channels[0]].size
        if not side_by_side((width, height)):
            raise _UnreadableError(f"{_by((width, height))} pixels, not twice as wide as high")
        half = width // 2
        left = wide[channels[0]].crop((0, 0, half, height))
        right = wide[channels[1]].crop((width - half, 0, width, height))
        return _squared(left, size, fit, np.asarray), _squared(right, size, fit, np.asarray)


def side_by_side(size: tuple[int, int]) -> bool:
    """True for a width of twice the height, give or take 2 % or a pixel: two square pictures beside each other."""
    width, height = size
    return width >= 2 and abs(width - 2 * height) <= max(1, 0.04 * height)


def read_picture(picture: bytes | PathLike | Image.Image, size: int, channels: int, fit: str = "crop") -> np.ndarray:
    """One picture that a person gives by itself, as uint8 [size, size, channels]; understood as in `load_images`.

    Args:
        picture: the bytes of a file, a path, or a picture already opened.
        size: side in pixels, 4 to 1024.
        channels: 1 or 3.
        fit: "crop", "pad" or "stretch".

    Raises:
        UsageError: no such file, something that is no picture at all, or an option out of range.
        DataError: a file that is empty, damaged, no picture, above 20 MB or above 64 million pixels.
    """
    _check_options(size, fit, None)
    if channels not in (1, 3):
        raise UsageError(f"A picture is read as 1 channel (grey) or 3 (colour), not {channels}.")
    what = "The picture"
    try:
        if isinstance(picture, Image.Image):
            _check_pixels(*picture.size)
            return _decoded(picture, size, channels, fit)
        if isinstance(picture, (bytes, bytearray, memoryview)):
            data = bytes(picture)
        elif isinstance(picture, (str, os.PathLike)):
            place = _existing(picture)
            what = f"The picture {_quote(place.name)}"
            if not place.is_file():
                raise _UnreadableError("not a file")
            with _reading(), open(place, "rb") as file:
                data = file.read(MAX_GIVEN_BYTES + 1)
        else:
            raise UsageError(f"A picture is given as bytes, a path or a Pillow image, not as {type(picture).__name__}.")
        if len(data) > MAX_GIVEN_BYTES:
            raise _UnreadableError(f"larger than {MAX_GIVEN_BYTES >> 20} MB")
        return decode(data, size, channels, fit)
    except _UnreadableError as error:
        raise DataError(
            f"{what} can't be used ({error}): give a whole PNG, JPEG, WebP, GIF, BMP or TIFF of up to "
            f"{MAX_GIVEN_BYTES >> 20} MB and {MAX_PIXELS // 1_000_000} million pixels."
        ) from error


def open_picture(data: bytes, channels: int, max_side: int = 2048) -> tuple[np.ndarray, tuple[int, int]]:
    """One picture file in its own proportions: (uint8 [H, W, channels], (width, height) of the file, upright).

    Understood as in `load_images`; the longer side is scaled down to `max_side` where it is longer.

    Raises:
        UsageError: other channels than 1 or 3, or a side below 1.
        DataError: a file that is empty, damaged, no picture, above 20 MB or above 64 million pixels.
    """
    if channels not in (1, 3) or max_side < 1:
        raise UsageError(f"A picture is opened as 1 channel (grey) or 3 (colour), {max_side} pixels or less a side.")
    try:
        if len(data) > MAX_GIVEN_BYTES:
            raise _UnreadableError(f"larger than {MAX_GIVEN_BYTES >> 20} MB")
        with _reading():
            image = _opened(data)
            size = image.size
            if image.format in ("JPEG", "MPO"):
                image.draft(None, (2 * max_side, 2 * max_side))
        with _one_big if image.width * image.height > _BIG_PIXELS else nullcontext(), _reading():
            image.load()
            turn = _orientation(image)
            plain = _simple(image, channels)
            share = min(1.0, max_side / max(plain.size))
            to = (max(1, round(plain.width * share)), max(1, round(plain.height * share)))
            pixels = _TURNS.get(turn, np.asarray)(_scaled(plain, to, (0, 0, *plain.size)))
        return np.ascontiguousarray(pixels), size[::-1] if turn in (5, 6, 7, 8) else size
    except _UnreadableError as error:
        raise DataError(
            f"The picture can't be used ({error}): give a whole PNG, JPEG, WebP, GIF, BMP or TIFF of up to "
            f"{MAX_GIVEN_BYTES >> 20} MB and {MAX_PIXELS // 1_000_000} million pixels."
        ) from error


def decode_all(
    read: Callable[[int], bytes], pixels: np.ndarray, fit: str = "crop", progress: Progress | None = None
) -> dict[int, str]:
    """Decode picture `i`, whose bytes are `read(i)`, into `pixels[i]`; uint8 [N, S, S, C] is filled in place.

    Returns:
        Why each picture that could not be decoded was not: index to short reason.
    """
    size, channels = pixels.shape[1], pixels.shape[3]

    def one(i: int) -> None:
        pixels[i] = decode(read(i), size, channels, fit)

    return each_readable(one, len(pixels), progress)


def each_readable(work: Callable[[int], None], count: int, progress: Progress | None = None) -> dict[int, str]:
    """Do `work(i)`, which decodes picture i, for every i below `count`.

    Small pictures are decoded in this thread and larger ones, where Pillow spends its time outside the interpreter's
    lock, in a few.

    Returns:
        Why each picture that could not be decoded was not: index to short reason.
    """
    bad: dict[int, str] = {}
    stop = threading.Event()
    tell = throttled(progress)

    def block(first: int, last: int) -> int:
        for i in range(first, last):
            if stop.is_set():
                break
            try:
                work(i)
            except _UnreadableError as error:
                bad[i] = str(error)
        return last - first

    done, began = 0, time.perf_counter()
    while done < count:
        done += block(done, min(done + 32, count))
        tell(done, count)
        if (time.perf_counter() - began) / done > _SLOW_SECONDS and done < count:
            break
    if done < count:
        step = max(1, min(16, (count - done) // (4 * _THREADS)))
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="decode") as pool:
            waiting = [pool.submit(block, a, min(a + step, count)) for a in range(done, count, step)]
            try:
                for ready in as_completed(waiting):
                    done += ready.result()
                    tell(done, count)
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return dict(sorted(bad.items()))


def throttled(progress: Progress | None, seconds: float = 0.1) -> Progress:
    """`progress` called at most every `seconds`, and always at the first call and when done equals total."""
    last = -seconds

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if progress is not None and (done >= total or now - last >= seconds):
            last = now
            progress(done, total)

    return tell


def allocate(name: str, count: int, size: int, channels: int) -> np.ndarray:
    """Room for the pictures, uint8 [count, size, size, channels]; DataError where that is beyond reason."""
    wanted = count * size * size * channels
    if wanted > MAX_STORE_BYTES:
        raise DataError(
            f"The {count:,} pictures of {_quote(name)} would need {wanted / 2**30:.0f} GB of memory at "
            f"{_by((size, size))}: choose a smaller size, or fewer pictures with max_images."
        )
    try:
        return np.empty((count, size, size, channels), np.uint8)
    except MemoryError as error:
        raise DataError(
            f"There is no room in memory for the {count:,} pictures of {_quote(name)} at {_by((size, size))}: "
            "choose a smaller size, or fewer pictures with max_images."
        ) from error


_one_big = threading.Lock()

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # EXIF orientation -> what makes it upright
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}
_UPRIGHT: dict[int, Image.Transpose] = {  # the same for a whole picture
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@contextmanager
def _reading() -> Iterator[None]:
    """Turns the many exceptions of damaged files into one with a reason."""
    try:
        yield
    except _DAMAGE as error:
        raise _UnreadableError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than the {MAX_PIXELS // 1_000_000} million pixels allowed"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "no longer there"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if isinstance(error, zipfile.BadZipFile | zlib.error | lzma.LZMAError):
        return "damaged in the zip"
    if isinstance(error, NotImplementedError):
        return "packed in a way that is not supported"
    return "cut short or damaged"


def _opened(data: bytes) -> Image.Image:
    """The picture with only its header read, and found to be of a size that may be decoded."""
    if not data:
        raise _UnreadableError("an empty file")
    image = Image.open(io.BytesIO(data), formats=_FORMATS)
    _check_pixels(*image.size)
    return image


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _UnreadableError(f"{width:,} × {height:,} pixels, above the limit of {MAX_PIXELS // 1_000_000} million")
    if width < 1 or height < 1:
        raise _UnreadableError("a picture without pixels")


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8 of a loaded picture; 1 where there is none or it can't be read."""
    try:
        value = image.getexif().get(0x0112, 1)
    except _DAMAGE:
        return 1  # a damaged note beside a good picture
    return value if isinstance(value, int) else 1


def _simple(image: Image.Image, channels: int) -> Image.Image:
    """The picture in mode L or RGB, or, where it is transparent, with premultiplied alpha in La or RGBa."""
    wanted = "L" if channels == 1 else "RGB"
    if image.mode in _DEEP_MODES:
        return _from_deep(image).convert(wanted)
    if image.mode not in _GREY_MODES | _COLOUR_MODES:
        raise _UnreadableError(f"colour mode {image.mode} is not supported")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return image.convert("LA").convert("La") if channels == 1 else image.convert("RGBa")
    if image.mode in ("CMYK", "YCbCr", "HSV", "RGBX"):
        image = image.convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)


def _from_deep(image: Image.Image) -> Image.Image:
    """More than 8 bits a pixel to 8: unsigned 16-bit by its full range, others by the range they seem to have."""
    values = np.asarray(image).astype(np.float32)
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16") or image.format in ("PNG", "PPM"):
        low, high = 0.0, 65535.0
    elif low >= 0 and image.mode == "F" and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    values = (values - low) * (255.0 / max(high - low, 1e-12))
    return Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))


def _squared(image: Image.Image, size: int, fit: str, turn: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """uint8 [size, size, C] of a picture in mode L, RGB, La or RGBa, made upright by `turn`.

    Centred crops and scaling commute with turning, and a small picture turns fastest; only padding comes after it.
    """
    width, height = image.size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return turn(_scaled(image, (size, size), (left, top, left + side, top + side)))
    if fit == "stretch" or width == height:
        return turn(_scaled(image, (size, size), (0, 0, width, height)))
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = turn(_scaled(image, inner, (0, 0, width, height)))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    out = np.empty((size, size, pixels.shape[2]), np.uint8)
    out[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = (size - pixels.shape[0]) // 2, (size - pixels.shape[1]) // 2
    out[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return out


def _scaled(image: Image.Image, to: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """The part `box` of the picture at size `to`, over white: uint8 [h, w, C].

    Lanczos where it shrinks; bicubic where it only grows, which rings less.
    """
    if (image.size, box) != (to, (0, 0, *to)):
        shrinks = box[2] - box[0] > to[0] or box[3] - box[1] > to[1]
        method = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
        image = image.resize(to, method, box=box, reducing_gap=3.0 if shrinks else None)
    pixels = np.asarray(image)
    if image.mode in ("La", "RGBa"):
        # Premultiplied colour over white is colour + (1 - alpha) · 255.
        over = pixels[..., :-1].astype(np.int16) + (255 - pixels[..., -1:].astype(np.int16))
        return over.clip(0, 255).astype(np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


# ----------------------------------------------------------------------------------------------- what the pictures are


@dataclass(frozen=True)
class _Survey:
    sizes: list[tuple[int, int]]
    channels: int
    bad: dict[int, str]


def _survey(source: _Source, grey: bool | None) -> _Survey:
    """Sizes from a sample of headers, and whether one channel is enough."""
    sizes, bad, coloured = [], {}, []
    for i in _evenly(len(source.entries), SAMPLE):
        try:
            size, mode = _header(source, i)
        except _UnreadableError as error:
            bad[i] = str(error)
            continue
        sizes.append(size)
        if mode not in _GREY_MODES:
            coloured.append(i)
    if not sizes:
        source.need_two(0, bad)
    if grey is None:
        grey = True
        for k in _evenly(len(coloured), COLOUR_SAMPLE):
            try:
                grey = _looks_grey(decode(source.read(coloured[k]), 64, 3, "stretch"))
            except _UnreadableError as error:
                bad[coloured[k]] = str(error)
            if not grey:
                break
    return _Survey(sizes, 1 if grey else 3, bad)


def _header(source: _Source, i: int) -> tuple[tuple[int, int], str]:
    """(width, height) upright and Pillow's mode, from the first bytes of a file where they are enough."""
    start = source.read(i, _HEADER_BYTES)
    try:
        with _reading():
            image = _opened(start)
    except _UnreadableError:
        if len(start) < _HEADER_BYTES:
            raise
        with _reading():
            image = _opened(source.read(i))
    sideways = image.format in ("JPEG", "MPO") and _orientation(image) >= 5
    return image.size[::-1] if sideways else image.size, image.mode


def _looks_grey(pixels: np.ndarray) -> bool:
    """True if at most one pixel in a thousand has channels further apart than compression makes them."""
    apart = pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)
    return float((apart > 12).mean()) <= 0.001


def _default_size(sizes: list[tuple[int, int]]) -> int:
    short = float(np.median([min(size) for size in sizes]))
    return min(SIZES, key=lambda side: abs(np.log2(side) - np.log2(short)))


def _summary(sizes: list[tuple[int, int]]) -> Sizes:
    common, times = Counter(sizes).most_common(1)[0]
    middle = np.median(np.array(sizes), axis=0)
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return Sizes(
        by_area[0], (int(middle[0]), int(middle[1])), by_area[-1], common, times / len(sizes), sampled=len(sizes)
    )


def _evenly(count: int, most: int) -> list[int]:
    """Up to `most` of the indices 0 .. count-1, evenly spaced."""
    return list(range(count)) if count <= most else np.linspace(0, count - 1, most).astype(int).tolist()


def _spread_over_classes(labels: list[int], most: int) -> list[int]:
    """Up to `most` positions in `labels`, as many of each class as there is room for, in order of class."""
    groups: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        groups.setdefault(label, []).append(i)
    chosen_groups = [list(groups.values())[k] for k in _evenly(len(groups), most)]
    share, extra = divmod(most, len(chosen_groups))
    picked = [g[j] for k, g in enumerate(chosen_groups) for j in _evenly(len(g), share + (k < extra))]
    return sorted(picked)


# ------------------------------------------------------------------------------------------------- where they come from


class _Entry(NamedTuple):
    name: str  # with "/" between folders, below the folder or inside the zip
    label: int | None
    where: Path | zipfile.ZipInfo
    size: int  # bytes once unpacked; -1 where not yet known


class _Source:
    """Picture files in order of class and name, and how to read them."""

    def __init__(self, name: str, shown: str, archive: zipfile.ZipFile | None = None):
        self.name, self.shown, self.archive = _clean(name), shown, archive
        self.layout = "flat"
        self.entries: list[_Entry] = []
        self.classes: tuple[str, ...] = ()
        self.others: list[tuple[str, str]] = []  # files that are no pictures by their name
        self.notes: list[str] = []
        self.found: list[tuple[str, Path | zipfile.ZipInfo, int]] = []  # all pictures, before any plan
        self.planned: list[str] = []  # what the plan for one set has to say, among the notes

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        if self.archive is not None:
            self.archive.close()

    def read(self, i: int, most: int = MAX_FILE_BYTES + 1) -> bytes:
        """The first `most` bytes of picture `i`."""
        entry = self.entries[i]
        if entry.size > MAX_FILE_BYTES:
            raise _UnreadableError(f"larger than {MAX_FILE_BYTES >> 20} MB")
        with _reading():
            if isinstance(entry.where, zipfile.ZipInfo):
                # zipfile stops at the stated size and then compares the checksum, so the size can be relied on.
                with self.archive.open(entry.where) as file:
                    return file.read(min(most, entry.size))
            with open(entry.where, "rb") as file:
                data = file.read(most)
        if len(data) > MAX_FILE_BYTES:
            raise _UnreadableError(f"larger than {MAX_FILE_BYTES >> 20} MB")
        return data

    def arrange(self, found: list[tuple[str, Path | zipfile.ZipInfo, int]]) -> None:
        """Decide on classes from the folders that the pictures lie in."""
        plan = _plan([name for name, _, _ in found])
        self.found, self.planned = found, plan.notes
        self.layout, self.classes = ("class folders" if plan.classes else "flat"), tuple(map(_clean, plan.classes))
        self.notes += plan.notes
        chosen = [_Entry(found[i][0], label, found[i][1], found[i][2]) for i, label in plan.labels.items()]
        self.entries = sorted(chosen, key=lambda e: (-1 if e.label is None else e.label, e.name))

    def thin(self, most: int | None) -> None:
        """Keep at most `most` pictures, evenly spaced, which keeps the proportions of the classes."""
        if most is not None and len(self.entries) > most:
            self.notes.append(f"Only {most:,} of the {len(self.entries):,} pictures are used, as max_images asks.")
            self.entries = [self.entries[i] for i in _evenly(len(self.entries), most)]

    def need_two(self, good: int, bad: Mapping[int, str]) -> None:
        """DataError unless there are two pictures to learn from."""
        if good >= 2:
            return
        listed = _listing([(self.entries[i].name, reason) for i, reason in bad.items()])
        if good == 0:
            what = f"None of the {len(bad):,} pictures" if len(bad) > 1 else "The only picture"
            raise DataError(f"{what} in {self.shown} can be read: {listed}.")
        besides = f" ({_count(len(bad), 'other')} can't be read: {listed})" if bad else ""
        raise DataError(
            f"There is only one picture in {self.shown}{besides}, but a GAN learns from many: give at least 2, "
            "and better 100 or more."
        )

    def skip_notes(self, bad: Mapping[int, str]) -> list[str]:
        """Sentences on what was left out."""
        notes = []
        if bad:
            listed = _listing([(self.entries[i].name, reason) for i, reason in bad.items()])
            were = "was" if len(bad) == 1 else "were"
            notes.append(f"{_count(len(bad), 'picture')} can't be used and {were} left out: {listed}.")
        if self.others:
            are = "is not a picture and was" if len(self.others) == 1 else "are not pictures and were"
            listed = _listing([(name, "" if reason == _NO_PICTURE else reason) for name, reason in self.others])
            notes.append(f"{_count(len(self.others), 'file')} {are} left out: {listed}.")
        return notes

    def labels_of(self, kept: list[int]) -> tuple[list[int], tuple[str, ...]]:
        """Labels of the pictures `kept` and the names of the classes among them; none if fewer than two classes."""
        labels = [self.entries[i].label for i in kept]
        used = sorted({label for label in labels if label is not None})
        if len(used) < 2:
            return [], ()
        renumbered = {label: k for k, label in enumerate(used)}
        return [renumbered[label] for label in labels], tuple(self.classes[label] for label in used)


def _scan(path: PathLike | Sequence[PathLike], name: str | None) -> _Source:
    """Find the pictures; nothing of them is read yet."""
    Image.init()  # registers Pillow's formats once, before threads ask for them
    if isinstance(path, (str, os.PathLike)):
        place = _existing(path)
    elif isinstance(path, Sequence) and len(path) == 1:
        place = _existing(path[0])
    elif isinstance(path, Sequence) and path and all(isinstance(p, (str, os.PathLike)) for p in path):
        return _scan_files([_existing(p) for p in path], name)
    else:
        raise UsageError(f"No pictures were given: {_GIVE}.")
    if place.is_dir():
        return _scan_folder(place, name)
    if place.suffix.lower() in EXTENSIONS:
        return _scan_files([place], name)
    return _scan_zip(place, name)


def _existing(path: PathLike) -> Path:
    if not os.fspath(path):
        raise UsageError(f"No pictures were given: {_GIVE}.")
    try:
        place = Path(path).expanduser()
        place.stat()
        return place
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(_missing(place)) from error
    except PermissionError as error:
        raise DataError(_forbidden(str(path))) from error
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null character, no home folder
        raise UsageError(f"{_quote(str(path))} can't be the path of a folder or zip: {_GIVE}.") from error


def _forbidden(path: str) -> str:
    return f"There is no permission to read {_quote(path, 120)}: change its permissions or give a copy."


def _missing(place: Path) -> str:
    said = f"There is no folder, zip or picture {_quote(str(place), 120)}"
    parent = place.absolute().parent
    try:
        names = [n for n in os.listdir(parent) if not n.startswith(".")]
    except OSError:
        return f"{said}, nor the folder it would be in: check the path."
    near = difflib.get_close_matches(place.name, names, n=1, cutoff=0.5)
    return f"{said}; the nearest name there is {_quote(near[0])}." if near else f"{said}: check the path."


def _scan_files(paths: list[Path], name: str | None) -> _Source:
    for p in paths:
        if p.is_dir() or p.suffix.lower() == ".zip":
            raise UsageError(
                f"{_quote(p.name)} can't be loaded together with other files: give one folder, one zip, or pictures."
            )
    shown = _quote(paths[0].name) if len(paths) == 1 else f"the {len(paths)} files given"
    source = _Source(name or (paths[0].stem if len(paths) == 1 else "pictures"), shown)
    source.layout = "files"
    seen = dict.fromkeys(paths)
    source.entries = [_Entry(p.name, None, p, -1) for p in seen if p.suffix.lower() in EXTENSIONS]
    source.others = [(p.name, _NO_PICTURE) for p in seen if p.suffix.lower() not in EXTENSIONS]
    if not source.entries:
        raise DataError(_nothing(source))
    return source


def _scan_folder(root: Path, name: str | None) -> _Source:
    source = _Source(name or root.resolve().name or "pictures", _quote(root.name or str(root)))
    inside = root.resolve()
    found: list[tuple[str, Path, int]] = []
    closed: list[str] = []
    files, folders = 0, [(root, "")]
    while folders:
        folder, prefix = folders.pop()
        try:
            items = list(os.scandir(folder))
        except PermissionError as error:
            if folder == root:
                raise DataError(_forbidden(str(root))) from error
            closed.append(prefix.rstrip("/"))
            continue
        except OSError:
            closed.append(prefix.rstrip("/"))  # removed meanwhile, or a broken disk
            continue
        for item in items:
            if _is_junk(item.name):
                continue
            files += 1
            if files > MAX_FILES:
                raise DataError(
                    f"{source.shown} holds more than {MAX_FILES:,} files: give a folder with the pictures alone."
                )
            if item.is_dir(follow_symlinks=False):
                folders.append((Path(item.path), f"{prefix}{item.name}/"))
            elif not _is_inside(item, inside):
                continue
            elif PurePosixPath(item.name).suffix.lower() in EXTENSIONS:
                found.append((prefix + item.name, Path(item.path), -1))
            else:
                source.others.append((prefix + item.name, _why_not(item.name)))
    source.others.sort()
    if closed:
        listed = _listing([(folder, "") for folder in sorted(closed)])
        source.notes.append(f"{_count(len(closed), 'folder')} can't be opened: {listed}.")
    if not found:
        raise DataError(_nothing(source))
    source.arrange(found)
    return source


def _is_inside(item: os.DirEntry[str], root: Path) -> bool:
    """True for a regular file, or a link to one that does not lead out of the folder."""
    if not item.is_symlink():
        return item.is_file(follow_symlinks=False)
    try:
        target = Path(item.path).resolve(strict=True)
    except (OSError, RuntimeError):  # dangling, or links in a circle
        return False
    return target.is_relative_to(root) and target.is_file()


def _scan_zip(path: Path, name: str | None) -> _Source:
    shown = _quote(path.name)
    if not path.is_file():
        raise DataError(f"{shown} is neither a folder nor a file: {_GIVE}.")
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        archive = zipfile.ZipFile(path)
    except PermissionError as error:
        raise DataError(_forbidden(str(path))) from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, OverflowError) as error:
        if path.suffix.lower() != ".zip":
            raise DataError(f"{shown} is neither a zip nor a picture: {_GIVE}.") from error
        why = "it is cut short or damaged" if start[:2] == b"PK" else "it is not a zip" if start else "it is empty"
        raise DataError(f"{shown} can't be opened as a zip, since {why}: make or download it again.") from error
    source = _Source(name or path.stem, shown, archive)
    try:
        found = _members(source, archive.infolist())
        if not found:
            raise DataError(_nothing(source))
        source.arrange(found)
    except DataError:
        archive.close()
        raise
    return source


def _members(source: _Source, members: list[zipfile.ZipInfo]) -> list[tuple[str, zipfile.ZipInfo, int]]:
    """The pictures of a zip, after the checks that concern the whole of it."""
    if len(members) > MAX_FILES:
        raise DataError(f"{source.shown} holds {len(members):,} files, more than the {MAX_FILES:,} allowed: split it.")
    found, total, packed = [], 0, 0
    for member in members:
        inner = member.orig_filename.replace("\\", "/")
        parts = inner.split("/")
        if inner.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", inner):
            raise DataError(
                f"{source.shown} is refused because its member {_quote(inner)} would lie outside the archive: zip the "
                "pictures again from inside their folder."
            )
        linked = stat.S_ISLNK(member.external_attr >> 16)
        if inner.endswith("/") or linked or any(_is_junk(part) for part in parts if part):
            continue
        suffix = PurePosixPath(inner).suffix.lower()
        if suffix not in EXTENSIONS:
            source.others.append((inner, _why_not(inner)))
            continue
        if member.flag_bits & 0x1:
            raise DataError(f"{source.shown} is protected with a password: zip the pictures again without one.")
        found.append((inner, member, member.file_size))
        if member.file_size <= MAX_FILE_BYTES:  # others are never unpacked
            total, packed = total + member.file_size, packed + member.compress_size
    if total > MAX_TOTAL_BYTES:
        raise DataError(
            f"{source.shown} would unpack to {total / 2**30:,.0f} GB, more than the {MAX_TOTAL_BYTES >> 30} GB "
            "allowed: give fewer or smaller pictures, or unpack it and give the folder."
        )
    if total > RATIO_MATTERS and total > MAX_RATIO * max(packed, 1):
        raise DataError(
            f"{source.shown} is refused because it would unpack to {total / max(packed, 1):,.0f} times its size, as no "
            "pictures do: unpack it and give the folder if you trust it."
        )
    return found


def _is_junk(name: str) -> bool:
    """What operating systems leave beside pictures."""
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db", "@eadir")


def _why_not(name: str) -> str:
    return "a zip inside is not opened" if name.lower().endswith(".zip") else _NO_PICTURE


def _nothing(source: _Source) -> str:
    found = f" (found {_listing(source.others)})" if source.others else ""
    if not source.others and source.layout != "files":
        return f"{source.shown} is empty: {_GIVE}."
    return f"There are no pictures in {source.shown}{found}: {_GIVE}."


class _Plan(NamedTuple):
    labels: dict[int, int | None]  # which of the names are used, and the class of each
    classes: tuple[str, ...]
    notes: list[str]


def _plan(names: list[str]) -> _Plan:
    """Classes from paths: wrappers stripped, one of several splits chosen, folders taken for classes."""
    notes: list[str] = []
    paths = _one_split(names, notes)
    loose = [i for i, path in paths.items() if len(path) == 1]
    classes = tuple(sorted({path[0] for path in paths.values() if len(path) > 1}))
    if classes and len(classes) > MAX_CLASSES:
        notes.append(f"The pictures lie in {len(classes):,} folders, too many to be classes, and are taken as one set.")
        classes = ()
    elif len(classes) > 1 and loose and len(loose) < 0.1 * len(paths):
        beside = _listing([(names[i], "") for i in loose])
        notes.append(f"Left out, since not in any of the class folders: {beside}.")
        paths = {i: path for i, path in paths.items() if len(path) > 1}
    elif classes and loose:
        notes.append("Pictures lie both in folders and beside them, so they are taken as one set without classes.")
        classes = ()
    if len(classes) < 2:
        return _Plan(dict.fromkeys(paths), (), notes)
    number = {name: k for k, name in enumerate(classes)}
    return _Plan({i: number[path[0]] for i, path in paths.items()}, classes, notes)


def _one_split(names: list[str], notes: list[str]) -> dict[int, tuple[str, ...]]:
    """The parts of each path without wrappers; of several splits only those in `train`, which `notes` then says."""
    paths = {i: tuple(part for part in name.split("/") if part not in ("", ".")) for i, name in enumerate(names)}
    paths = _unwrapped(paths)
    tops = {path[0] for path in paths.values()}
    train = sorted(top for top in tops if top.lower() in ("train", "training"))
    nested = all(len(path) > 1 for path in paths.values())
    if not (nested and len(tops) > 1 and len(train) == 1 and {top.lower() for top in tops} <= _SPLITS):
        return paths
    chosen = {i: path for i, path in paths.items() if path[0] == train[0]}
    notes.append(
        f"Of the splits {_joined(sorted(map(_clean, tops)))} only '{train[0]}' is used "
        f"({len(chosen):,} of {len(paths):,} pictures)."
    )
    return _unwrapped(chosen)


def _unwrapped(paths: dict[int, tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
    """The paths without the folders that all of them share."""
    folders = [path[:-1] for path in paths.values()]
    first, last = min(folders), max(folders)  # what these two share in front, all in between share too
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return {i: path[shared:] for i, path in paths.items()}


def _close_gaps(pixels: np.ndarray, kept: list[int]) -> int:
    """Move the pictures `kept` (rising) to the front, in place and in pieces, so that no second copy is needed."""
    if kept != list(range(len(kept))):
        for a in range(0, len(kept), 1024):
            chosen = kept[a : a + 1024]
            pixels[a : a + len(chosen)] = pixels[chosen]
    return len(kept)


# --------------------------------------------------------------------------------------------------------------- words


def _check_options(size: int | None, fit: str, max_images: int | None) -> None:
    if fit not in FITS:
        raise unknown("fit", fit, FITS)
    for label, value, low, high in (("size", size, MIN_SIDE, MAX_SIDE), ("max_images", max_images, 2, 10**9)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            limits = f"from {low} to {high}" if high < 10**9 else f"of {low} or more"
            raise UsageError(f"{label} is {value!r}, but must be a whole number {limits}.")


def _clean(text: str) -> str:
    """Fit to print on one line: no control characters, no halves of characters."""
    return "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else "?" for c in text)


def _quote(text: str, most: int = 60) -> str:
    text = _clean(text)
    return f"'{text}'" if len(text) <= most else f"'…{text[1 - most :]}'"


def _listing(pairs: Sequence[tuple[str, str]], most: int = 3) -> str:
    shown = [_quote(name) + (f" ({reason})" if reason else "") for name, reason in pairs[:most]]
    return _joined(shown) if len(pairs) <= most else f"{', '.join(shown)} and {len(pairs) - most:,} more"


def _joined(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _count(n: int, noun: str = "picture") -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _names_of(classes: tuple[str, ...]) -> str:
    if len(classes) > 2 and all(c.isascii() and c.isdigit() for c in classes):
        numbers = sorted(int(c) for c in classes)
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            return f"{numbers[0]} to {numbers[-1]}"
    return _joined(classes) if len(classes) <= 6 else f"{', '.join(classes[:5])} and {len(classes) - 5} more"
