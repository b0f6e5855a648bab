"""Pictures, animations and archives to take away: time-lapses of a run's samples, grids of pictures, zipped models.

Animations are made from frames, an iterable of uint8 [H, W, 3] pictures or of (step, picture); the step is then written
under the picture. Every file appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from playground.errors import DataError, UsageError
from playground.runs import atomic_target, disk_errors, read_samples

Frame = np.ndarray | tuple[int, np.ndarray]

LAST_FRAME_SECONDS = 1.5  # an animation that loops rests on its result
_SMALLEST_SIDE = 256  # pixels; smaller pictures are enlarged, pixel by pixel
_STRIP = 24  # height of the caption in pixels
_INK, _PAPER = (235, 235, 235), (24, 24, 27)


def frames_from_samples(
    folder: str | Path, max_frames: int = 200, max_side: int = 720
) -> Iterator[tuple[int, np.ndarray]]:
    """The sample grids of a run as (step, uint8 [H, W, 3]), all of one size, at most `max_frames` chosen evenly.

    The size is that of the last readable grid (earlier, smaller ones of a growing network are enlarged to it), times
    the whole number that makes its longer side at least 256 pixels, and never above `max_side`. Unreadable files are
    skipped. Raises UsageError at once when there is nothing to show.
    """
    if max_frames < 1 or max_side < 16:
        raise UsageError("A time-lapse needs at least 1 frame of at least 16 pixels.")
    with disk_errors(folder):
        samples = read_samples(folder)
    if not samples:
        raise UsageError(f"The run in '{folder}' has no sample pictures yet: train it for a moment, then try again.")
    last = None
    while samples and (last := _open_picture(samples[-1][1])) is None:
        samples.pop()
    if last is None:
        raise DataError(f"None of the sample pictures in '{folder}' can be read: train further to make new ones.")
    chosen = np.unique(np.linspace(len(samples) - 1, 0, min(max_frames, len(samples))).round().astype(int))
    size = _viewable(last.size, max_side)

    def frames() -> Iterator[tuple[int, np.ndarray]]:
        for at in chosen:
            step, path = samples[at]
            picture = _open_picture(path)
            if picture is not None:
                yield step, _fit(picture, size)

    return frames()


def _open_picture(path: Path) -> Image.Image | None:
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError):  # gone, or torn: Pillow says each of the three
        return None


def _viewable(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    longest = max(size)
    if longest > max_side:
        return tuple(max(1, round(side * max_side / longest)) for side in size)
    factor = max(1, min(math.ceil(_SMALLEST_SIDE / longest), max_side // longest))
    return size[0] * factor, size[1] * factor


def _fit(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Scales into `size` (width, height) with the proportions kept, centred on black: [H, W, 3]."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    inner = tuple(min(side, max(1, round(old * scale))) for side, old in zip(size, picture.size, strict=True))
    if inner != picture.size:  # enlarged pixels stay squares, that is what was drawn
        picture = picture.resize(inner, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)
    if inner != size:
        canvas = Image.new("RGB", size)
        canvas.paste(picture, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
        picture = canvas
    return np.asarray(picture)


def _pictures(frames: Iterable[Frame], fps: float, caption: bool) -> Iterator[Image.Image]:
    """Checks the frames, adds the captions. Raises UsageError (nothing there, wrong form, sizes that differ)."""
    if not 0.1 <= fps <= 60:
        raise UsageError(f"An animation shows 0.1 to 60 frames a second, not {fps:g}.")
    size = None
    for frame in frames:
        step, pixels = frame if isinstance(frame, tuple) else (None, frame)
        pixels = np.asarray(pixels)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise UsageError(f"A frame is uint8 [H, W, 3], not {pixels.dtype} {list(pixels.shape)}.")
        size = size or pixels.shape
        if pixels.shape != size:
            raise UsageError("The frames of an animation all have one size: resize them first.")
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        yield _captioned(picture, f"step {step:,}") if caption and step is not None else picture
    if size is None:
        raise UsageError("An animation needs at least one frame.")


def _captioned(picture: Image.Image, text: str) -> Image.Image:
    """`picture` with a dark strip below that bears `text`."""
    canvas = Image.new("RGB", (picture.width, picture.height + _STRIP), _PAPER)
    canvas.paste(picture, (0, 0))
    font = ImageFont.load_default(size=14)
    ImageDraw.Draw(canvas).text((6, picture.height + _STRIP // 2), text, fill=_INK, font=font, anchor="lm")
    return canvas


def write_gif(
    frames: Iterable[Frame],
    path: str | Path,
    fps: float = 12,
    caption: bool = True,
    rest: float = LAST_FRAME_SECONDS,
    steady: bool = False,
) -> Path:
    """Writes a looping GIF, up to 256 colours a frame; the last frame stays for `rest` seconds. Returns the file.

    GIF counts hundredths of a second, so 12 frames a second play as 12.5; equal neighbours become one longer frame.
    `steady` gives all frames one palette: for frames that differ little, which else flicker, and much faster.
    Raises UsageError for frames of a wrong form, TrainingError when the disk refuses.
    """
    pictures = list(_pictures(frames, fps, caption))
    palette = _common_palette(pictures) if steady else None
    indexed = [
        picture.quantize(256, method=Image.Quantize.MEDIANCUT, palette=palette, dither=Image.Dither.NONE)
        for picture in pictures  # dithering would flicker
    ]
    return _save(indexed, _durations(len(indexed), fps, rest), Path(path), "GIF", disposal=1)


def _common_palette(pictures: list[Image.Image]) -> Image.Image:
    """256 colours that suit all pictures, found on a dozen small ones: time grows with the number of pixels."""
    chosen = pictures[:: max(1, len(pictures) // 12)]
    montage = Image.new("RGB", (48 * len(chosen), 48))
    for at, picture in enumerate(chosen):
        montage.paste(picture.resize((48, 48), Image.Resampling.BILINEAR), (48 * at, 0))
    return montage.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)


def write_webp(
    frames: Iterable[Frame], path: str | Path, fps: float = 12, caption: bool = True, rest: float = LAST_FRAME_SECONDS
) -> Path:
    """As `write_gif`, an animated WebP: smaller and in full colour."""
    pictures = list(_pictures(frames, fps, caption))
    return _save(pictures, _durations(len(pictures), fps, rest), Path(path), "WEBP", quality=85, method=2)


def _durations(count: int, fps: float, rest: float) -> list[int]:
    each = max(20, round(1000 / fps))  # ms; browsers slow down what claims to be faster
    return [each] * (count - 1) + [max(each, round(1000 * rest))]


def _save(pictures: list[Image.Image], durations: list[int], path: Path, kind: str, **options: object) -> Path:
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_target(path) as part:
        rest = pictures[1:]
        pictures[0].save(part, kind, save_all=True, append_images=rest, duration=durations, loop=0, **options)
    return path


def write_mp4(frames: Iterable[Frame], path: str | Path, fps: float = 12, caption: bool = True) -> Path:
    """Writes an MP4 that browsers play (H.264, yuv420p, index in front), one video frame a frame. Returns the file.

    Odd sides grow by one row or column, since yuv420p halves both. Frames are encoded as they come, so a long walk
    needs no memory. Raises UsageError for frames of a wrong form or a missing ffmpeg, TrainingError when the disk
    refuses.
    """
    path = Path(path)
    try:
        import imageio_ffmpeg

        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise UsageError("MP4 needs ffmpeg: install imageio-ffmpeg, or choose a .gif instead.") from error
    pictures = _pictures(frames, fps, caption)
    first = next(pictures)
    width, height = first.width + first.width % 2, first.height + first.height % 2
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
    coding = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", "-preset", "veryfast", "-threads", "2"]
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_target(path) as part:
        command = [ffmpeg, "-v", "error", *source, "-an", *coding, "-movflags", "+faststart", "-f", "mp4", str(part)]
        _encode(command, (_even(picture) for picture in chain([first], pictures)))
    return path


def _even(picture: Image.Image) -> bytes:
    pixels = np.asarray(picture)
    return np.pad(pixels, ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)), mode="edge").tobytes()


def _encode(command: list[str], frames: Iterator[bytes]) -> None:
    """Feeds raw frames to ffmpeg; raises OSError with its own words when it fails."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            for frame in frames:
                process.stdin.write(frame)
            process.stdin.close()
        except BrokenPipeError:  # it left early: its exit code and its words say why
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            log.seek(0)
            words = log.read().decode("utf-8", "replace").strip()
            full = os.strerror(errno.ENOSPC) in words
            raise OSError(errno.ENOSPC if full else errno.EIO, words.splitlines()[-1] if words else "ffmpeg failed")


_WRITERS: dict[str, Callable[..., Path]] = {".gif": write_gif, ".mp4": write_mp4, ".webp": write_webp}


def write_animation(
    frames: Iterable[Frame],
    path: str | Path,
    fps: float = 12,
    caption: bool = True,
    rest: float = LAST_FRAME_SECONDS,
    steady: bool = False,
) -> Path:
    """Writes a .gif, .mp4 or .webp, as the suffix of `path` says; raises UsageError for any other.

    The last frame of the two that loop stays for `rest` seconds: 0 for a loop that closes. `steady` is for GIF.
    """
    write = _writer(path)
    options = {write_gif: {"rest": rest, "steady": steady}, write_webp: {"rest": rest}}.get(write, {})
    return write(frames, path, fps=fps, caption=caption, **options)


def _writer(path: str | Path) -> Callable[..., Path]:
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(f"An animation can't be written as '{Path(path).name}': end its name in .gif, .mp4 or .webp.")
    return _WRITERS[suffix]


def timelapse(folder: str | Path, path: str | Path, fps: float = 12, max_frames: int = 200) -> Path:
    """Writes the sample grids of the run in `folder` as an animation, .gif, .mp4 or .webp; returns the file.

    Raises UsageError for another suffix and for a run that has no samples yet.
    """
    writer = _writer(path)
    return writer(frames_from_samples(folder, max_frames=max_frames), path, fps=fps)


def grid(
    images: np.ndarray, columns: int | None = None, padding: int = 2, background: int | tuple[int, int, int] = 128
) -> np.ndarray:
    """Pictures side by side, row by row: uint8 [N, H, W, 1 or 3] -> uint8 [H', W', 3].

    `columns` defaults to the side of the smallest square that holds them; `padding` pixels of `background` lie
    between and around them; cells that stay empty are background.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise UsageError(f"A grid is made of uint8 [N, H, W, 1 or 3], not {images.dtype} {list(images.shape)}.")
    if padding < 0 or (columns is not None and columns < 1):
        raise UsageError("A grid has at least one column and no negative padding.")
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    result = np.empty((padding + rows * (height + padding), padding + columns * (width + padding), 3), np.uint8)
    result[:] = background
    for at, image in enumerate(images):
        top = padding + (at // columns) * (height + padding)
        left = padding + (at % columns) * (width + padding)
        result[top : top + height, left : left + width] = image  # one channel spreads over three
    return result


def zip_folder(folder: str | Path, path: str | Path) -> Path:
    """Packs the files of `folder` (hidden ones and links left out) into the archive `path`, names relative to it.

    The same files give the same bytes: entries are sorted and undated. Raises UsageError when there is nothing to pack,
    TrainingError when the disk refuses.
    """
    folder, path = Path(folder), Path(path)
    with disk_errors(folder):
        files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if _packed(file, folder, path)}
    if not files:
        raise UsageError(f"There is nothing in '{folder}' to export: save the model first.")
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_target(path) as part, zipfile.ZipFile(part, "x") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)  # dated 1980 by itself
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with open(files[name], "rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while block := source.read(1 << 20):
                    target.write(block)
    return path


def _packed(file: Path, folder: Path, path: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.is_file() and not file.is_symlink() and not hidden and file.resolve() != path.resolve()
