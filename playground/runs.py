"""The run folder on disk: what a training leaves behind, written so that a crash at any moment leaves it readable.

    RUN/config.json   everything needed to repeat the run, its display name and its owner
    RUN/metrics.csv   step, seconds, images, then one column a metric (an empty cell where a tick did not measure it)
    RUN/samples/      STEP.png, eight digits, the fixed-seed grid at that step
    RUN/status.json   state, step, message, and when it was last heard of (the heartbeat)
    RUN/checkpoints/  RUN/model/  written by other modules

Small files are replaced whole (temporary file beside the target, then `os.replace`), the history grows by whole
lines, and readers skip what a crash tore. This module knows no tensors: names, numbers and pictures only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import json
import math
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from playground.errors import TrainingError, UsageError, unknown

FIXED_COLUMNS = ("step", "seconds", "images")
ACTIVE_STATES = ("starting", "running", "paused", "stopping")
HEARTBEAT_SECONDS = 120.0  # an active run not heard of for longer is taken for crashed

_PART = ".part-"  # prefix of temporary files; a leading dot hides them from every listing here
_TRASH = ".deleted-"
_SAMPLE = re.compile(r"(\d{8,12})\.png")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_GONE = {errno.ENOENT, errno.ENOTDIR}


# ---------------------------------------------------------------------------------------------------------------------
# Writing safely


def disk_error(error: OSError, folder: str | os.PathLike[str]) -> TrainingError:
    """`error`, met while reading or writing in `folder`, as one sentence with what to do about it."""
    if error.errno in _FULL:
        return TrainingError(
            f"The disk that holds '{folder}' is full: free some space (old runs can be deleted), then resume."
        )
    if error.errno in _FORBIDDEN:
        return TrainingError(
            f"The folder '{folder}' can't be used without permission: choose another folder or change its permissions."
        )
    if error.errno in _GONE:
        return TrainingError(f"The folder '{folder}' or a file in it was moved or deleted: put it back or start again.")
    reason = error.strerror or type(error).__name__
    return TrainingError(f"The disk refused '{folder}' ({reason}): check the disk or choose another folder.")


@contextlib.contextmanager
def disk_errors(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Turns any OSError of the block into the TrainingError of `disk_error`."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, folder) from error


@contextlib.contextmanager
def atomic_target(path: str | os.PathLike[str], durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path`, of the same suffix; it replaces `path` if the block ends well.

    `durable` forces the bytes to the disk before the replacement, so that not even a power cut can leave a torn file:
    for what can't be made again. Raises TrainingError when the disk refuses.
    """
    path = Path(path)
    part = path.parent / f"{_PART}{secrets.token_hex(4)}-{path.name[-100:]}"
    try:
        with disk_errors(path.parent):
            yield part
            if durable:
                _flush_to_disk(part)
            os.replace(part, path)
            if durable:
                _flush_to_disk(path.parent)
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to report
            part.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows can't open a folder, and needs no flush of it
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def atomic_write(path: str | os.PathLike[str], data: bytes, durable: bool = False) -> None:
    """Replaces the file `path` by `data` in one move: a reader sees the old bytes or the new ones, never a mixture.

    The folder must exist. Raises TrainingError (full disk, no permission, folder gone); the old file then stays.
    """
    with atomic_target(path, durable) as part, open(part, "xb") as file:
        file.write(data)


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise UsageError(f"A run's settings must be plain names and finite numbers, but: {error}.") from error
    return (text + "\n").encode("utf-8")


def _plain(value: Any) -> Any:
    """JSON forms of the few richer types that settings hold."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None where it is absent, torn or not an object."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class RunWriter:
    """Writes one run folder. One writer a folder; every method leaves the folder readable, whatever happens during it.

    Opening an existing folder continues it: a line that a crash tore off the history and forgotten temporary files are
    removed. Every method raises TrainingError when the disk refuses (full, no permission, folder gone).
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        with disk_errors(self.folder):
            for part in (self.folder, self.folder / "samples", self.folder / "checkpoints"):
                part.mkdir(parents=True, exist_ok=True)
                for forgotten in part.glob(f"{_PART}*"):
                    forgotten.unlink(missing_ok=True)
        self._columns: list[str] = []
        self._open_history()

    @property
    def metrics_path(self) -> Path:
        return self.folder / "metrics.csv"

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Writes `config.json`. Display name, owner and creation time of an earlier config are kept unless given."""
        earlier = _read_json(self.folder / "config.json") or {}
        kept = {key: earlier[key] for key in ("name", "owner", "created") if key in earlier}
        atomic_write(self.folder / "config.json", _json_bytes({"created": time.time(), **kept, **config}))

    def write_status(self, state: str, step: int, message: str = "") -> None:
        """Writes `status.json`; called at least every `HEARTBEAT_SECONDS` while training, it is the heartbeat."""
        status = {"state": state, "step": int(step), "message": message, "updated": time.time()}
        atomic_write(self.folder / "status.json", _json_bytes(status))

    def append_metrics(self, step: int, seconds: float, images: int, values: Mapping[str, float | None]) -> None:
        """Adds one line to the history: `seconds` of training and `images` seen so far, and what this tick measured.

        A metric never seen before adds a column (the file is rewritten once); None is an empty cell. Raises UsageError
        for a name that no column can bear.
        """
        new = [name for name in values if name not in self._columns]
        for name in values:
            if name in FIXED_COLUMNS or not name or not name.isprintable() or "," in name or '"' in name:
                raise UsageError(f"A metric can't be called {name!r}: use letters, digits and underscores.")
        if new or not self._columns:
            columns = [*(self._columns or FIXED_COLUMNS), *new]
            self._rewrite(columns, self._lines())
            self._columns = columns
        cells = {"step": str(int(step)), "seconds": _cell(seconds), "images": str(int(images))}
        cells |= {name: _cell(value) for name, value in values.items()}
        self._append(",".join(cells.get(name, "") for name in self._columns) + "\n")

    def save_grid(self, step: int, picture: np.ndarray) -> Path:
        """Saves the sample grid of `step`, uint8 [H, W, 3], as `samples/STEP.png`; returns the file."""
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise UsageError(f"A sample grid is uint8 [H, W, 3], not {picture.dtype} {list(picture.shape)}.")
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG")
        path = self.folder / "samples" / f"{int(step):08d}.png"
        atomic_write(path, buffer.getvalue())
        return path

    def truncate_after(self, step: int) -> None:
        """Forgets the history and the samples beyond `step`: a run resumed from a checkpoint writes them anew.

        `step=-1` forgets all of them.
        """
        if self._columns:
            kept = [line for line in self._lines() if _step_of(line) <= step]
            self._rewrite(self._columns, kept)
        with disk_errors(self.folder):
            for sample_step, path in read_samples(self.folder):
                if sample_step > step:
                    path.unlink(missing_ok=True)

    # The history is a list of whole lines; everything below keeps it so.

    def _open_history(self) -> None:
        with disk_errors(self.folder):
            if not self.metrics_path.exists():
                return
            data = self.metrics_path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:  # torn inside the header: nothing was recorded yet
            with disk_errors(self.folder):
                self.metrics_path.unlink()
            return
        columns = whole.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
        if tuple(columns[:3]) != FIXED_COLUMNS:
            raise TrainingError(
                f"'{self.metrics_path}' is not a history of this playground: move it away or choose another folder."
            )
        self._columns = columns
        if len(whole) < len(data):
            atomic_write(self.metrics_path, whole)

    def _lines(self) -> list[str]:
        """The data lines that are whole: as many cells as the header."""
        if not self._columns:
            return []
        with disk_errors(self.folder):
            lines = self.metrics_path.read_bytes().decode("utf-8", "replace").splitlines()[1:]
        return [line for line in lines if line.count(",") == len(self._columns) - 1]

    def _rewrite(self, columns: list[str], lines: Iterable[str]) -> None:
        fill = "," * (len(columns) - len(self._columns or columns))
        text = "".join(f"{line}\n" for line in (",".join(columns), *(line + fill for line in lines)))
        atomic_write(self.metrics_path, text.encode("utf-8"))

    def _append(self, line: str) -> None:
        with disk_errors(self.folder):
            handle = os.open(self.metrics_path, os.O_RDWR | os.O_APPEND)
            size = os.fstat(handle).st_size
            rest = line.encode("utf-8")
            try:
                while rest:
                    rest = rest[os.write(handle, rest) :]
            except OSError:
                os.ftruncate(handle, size)  # a disk that filled up in mid-line must not join it to the next one
                raise
            finally:
                os.close(handle)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{float(value):.7g}"


def _step_of(line: str) -> float:
    try:
        return float(line.split(",", 1)[0])
    except ValueError:
        return math.inf


# ---------------------------------------------------------------------------------------------------------------------
# Names and lists of runs


@dataclass(frozen=True)
class RunInfo:
    """What a list of runs shows. `key` is the folder's name, `name` the one a user gave it.

    `state` is the one written by the training, or "interrupted" (active, but not heard of for `HEARTBEAT_SECONDS`),
    or "unreadable" (no usable `config.json`). `seconds` is time spent training, `created` and `updated` are Unix times;
    `steps` is the goal, 0 where the config names none.
    """

    key: str
    name: str
    path: Path
    preset: str = ""
    data: str = ""
    state: str = "unreadable"
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    created: float = 0.0
    updated: float = 0.0
    owner: str | None = None
    has_checkpoint: bool = False
    has_model: bool = False
    latest_sample: Path | None = None
    message: str = ""

    @property
    def active(self) -> bool:
        """True while a training writes here."""
        return self.state in ACTIVE_STATES


def kebab(text: str, limit: int = 40) -> str:
    """`text` as lower-case ASCII words joined by dashes, at most `limit` characters; "" if nothing is left.

    >>> kebab("Étude No. 3")
    'etude-no-3'
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:limit].strip("-")


def new_run_folder(root: str | os.PathLike[str], preset: str, data: str) -> Path:
    """Creates and returns an empty folder for a run, such as `dcgan-mnist10k-3`: never an existing one, even in a race.

    `data` may be a path: only its last part, without the suffix of an archive, enters the name.
    """
    root = Path(root)
    last = re.split(r"[/\\]", str(data).rstrip("/\\"))[-1]
    last = re.sub(r"\.(zip|tar|tgz|gz)$", "", last, flags=re.IGNORECASE)
    stem = f"{kebab(str(preset)) or 'run'}-{kebab(last) or 'data'}"
    numbered = re.compile(re.escape(stem) + r"-(\d{1,9})")
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        taken = [int(match[1]) for name in os.listdir(root) if (match := numbered.fullmatch(name))]
        number = max(taken, default=0)
        while True:
            number += 1
            folder = root / f"{stem}-{number}"
            try:
                folder.mkdir(exist_ok=False)
            except FileExistsError:  # someone else was quicker: the next number
                continue
            return folder


def list_runs(root: str | os.PathLike[str], owner: str | None = None) -> list[RunInfo]:
    """The runs under `root`, newest first; [] where there is no such folder.

    With an `owner`, only theirs and those that belong to nobody (made from the command line); None sees all. A folder
    whose config can't be read is listed by its name only, with state "unreadable". Folders that hold no trace of a run,
    hidden ones and links are left out.
    """
    root = Path(root)
    if not root.is_dir():
        return []
    with disk_errors(root):
        keys = sorted(entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
    infos = [_read_info(root / key) for key in keys if _usable_key(key)]
    seen = [info for info in infos if info is not None and _visible(info, owner)]
    return sorted(seen, key=lambda info: (-info.created, info.key))


def open_run(root: str | os.PathLike[str], key: str, owner: str | None = None) -> RunInfo:
    """The run `key` directly under `root` (its folder is `.path`).

    Raises UsageError for a key that names no run there, that leads out of `root`, or, with an `owner`, whose run
    belongs to someone else or can't be read: the three read alike, so that a key tells nothing about other people's
    runs.
    """
    root = Path(root)
    info = None
    if _usable_key(key):
        folder = root / key
        # A link is refused even when it stays inside: one run has one key.
        if folder.is_dir() and folder.resolve() == root.resolve() / key:
            info = _read_info(folder)
    hidden = info is not None and owner is not None and (info.state == "unreadable" or not _visible(info, owner))
    if info is None or hidden:
        raise UsageError(f"There is no run '{str(key)[:80]}': choose one from the list of runs.")
    return info


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The run's `config.json`.

    Raises:
        UsageError: it is absent or damaged.
    """
    config = _read_json(Path(folder) / "config.json")
    if config is None or not isinstance(config.get("knobs"), dict) or "preset" not in config:
        raise UsageError(f"The config.json of the run '{Path(folder).name}' is missing or damaged: start a new run.")
    return config


def rename_run(root: str | os.PathLike[str], key: str, new_name: str, owner: str | None = None) -> RunInfo:
    """Gives the run a new display name, 1 to 80 printable characters; key and folder stay. Returns the new info.

    Raises UsageError for a bad name, an unknown run or one without a readable config.
    """
    info = open_run(root, key, owner)
    name = new_name.strip() if isinstance(new_name, str) else ""
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise UsageError("A run's name is 1 to 80 printable characters: choose another name.")
    config = _read_json(info.path / "config.json")
    if config is None:
        raise UsageError(
            f"The run '{key}' has no readable config.json, so it can't be renamed: delete it or mend the file."
        )
    atomic_write(info.path / "config.json", _json_bytes({**config, "name": name}))
    return dataclasses.replace(info, name=name)


def delete_run(root: str | os.PathLike[str], key: str, force: bool = False, owner: str | None = None) -> None:
    """Removes the run for good: it leaves the list in one move, then its files go.

    Raises UsageError for an unknown run and, without `force`, for one that is training now.
    """
    info = open_run(root, key, owner)
    if info.active and not force:
        raise UsageError(f"The run '{info.name}' is {info.state}: stop it before deleting it.")
    root = Path(root)
    with disk_errors(root):
        aside = root / f"{_TRASH}{secrets.token_hex(4)}"
        os.rename(info.path, aside)
        shutil.rmtree(aside)
    for forgotten in root.glob(f"{_TRASH}*"):  # left by a deletion that was cut short
        shutil.rmtree(forgotten, ignore_errors=True)


def _usable_key(key: Any) -> bool:
    return (
        isinstance(key, str)
        and key.isprintable()  # no NUL, no lone surrogate: what the file system would choke on
        and 0 < len(key.encode("utf-8")) <= 255
        and not key.startswith(".")
        and not set(key) & set("/\\:")
    )


def _visible(info: RunInfo, owner: str | None) -> bool:
    return owner is None or info.owner is None or info.owner == owner


def _read_info(folder: Path) -> RunInfo | None:
    """The info of one folder, whatever is broken in it; None for a folder that holds no trace of a run."""
    config = _read_json(folder / "config.json")
    status = _read_json(folder / "status.json") or {}
    try:
        if not any((folder / name).exists() for name in ("config.json", "status.json", "metrics.csv")):
            return None
        changed = folder.stat().st_mtime
        if config is None:
            return RunInfo(
                folder.name, folder.name, folder, created=changed, updated=_number(status, "updated", changed)
            )
        step, seconds = _last_progress(folder / "metrics.csv")
        checkpoints = folder / "checkpoints"
        has_checkpoint = checkpoints.is_dir() and any(not name.startswith(".") for name in os.listdir(checkpoints))
        has_model = (folder / "model" / "model.safetensors").is_file()
        samples = read_samples(folder)
    except OSError:  # no permission, or deleted while we look
        return RunInfo(folder.name, folder.name, folder)
    created = _number(config, "created", changed)
    updated = _number(status, "updated", created)
    state = _text(status, "state") or "unknown"
    if state in ACTIVE_STATES and time.time() - updated > HEARTBEAT_SECONDS:
        state = "interrupted"
    return RunInfo(
        key=folder.name,
        name=_text(config, "name") or folder.name,
        path=folder,
        preset=_text(config, "preset"),
        data=_text(config, "data"),
        state=state,
        step=int(_number(status, "step", step)),
        steps=int(_number(config["knobs"] if isinstance(config.get("knobs"), dict) else {}, "steps", 0)),
        seconds=seconds,
        created=created,
        updated=updated,
        owner=_text(config, "owner") or None,
        has_checkpoint=has_checkpoint,
        has_model=has_model,
        latest_sample=samples[-1][1] if samples else None,
        message=_text(status, "message"),
    )


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _number(values: Mapping[str, Any], key: str, default: float) -> float:
    value = values.get(key)
    usable = isinstance(value, int | float) and abs(value) < 1e15  # false for NaN too
    return value if usable else default


def _last_progress(path: Path) -> tuple[int, float]:
    """(step, seconds) of the last whole line of the history; zeros where there is none."""
    if not path.is_file():
        return 0, 0.0
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 16384))
        lines = file.read().split(b"\n")[:-1]
    for line in reversed(lines):
        try:
            step, seconds = (float(cell) for cell in line.split(b",", 2)[:2])
            return int(step), seconds
        except (ValueError, OverflowError):  # the header, or a torn line
            continue
    return 0, 0.0


# ---------------------------------------------------------------------------------------------------------------------
# Reading the history


def read_metrics(
    folder: str | os.PathLike[str], columns: Sequence[str] | None = None, max_points: int | None = 2000
) -> dict[str, np.ndarray]:
    """The history as float32 arrays [T], one a column, NaN where a tick did not measure it.

    Always holds "step", "seconds" and "images"; of `columns` (None: all) those that the run has recorded. A run
    without history gives empty arrays; torn lines are skipped. Beyond `max_points` lines the history is thinned so
    that no peak and no rare value is lost: it is cut into max_points/2 stretches, and of each stretch every column
    keeps its smallest and its largest value in their order in time. Within a stretch, values of different columns may
    then come from neighbouring ticks; None reads all lines exactly.
    """
    if max_points is not None and max_points < 2:
        raise UsageError(f"A history can't be shown with {max_points} points: ask for at least 2.")
    path = Path(folder) / "metrics.csv"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise disk_error(error, folder) from error
    lines = data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()
    header = lines[0].split(",") if lines else []
    if tuple(header[:3]) != FIXED_COLUMNS:
        header, lines = list(FIXED_COLUMNS), []
    wanted = {name: at for at, name in enumerate(header) if columns is None or name in columns or name in FIXED_COLUMNS}
    rows = []
    for line in lines[1:]:
        cells = line.split(",")
        if len(cells) != len(header) or not cells[0]:
            continue
        try:
            rows.append([float(cells[at] or "nan") for at in wanted.values()])
        except ValueError:
            continue
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))
    if max_points is not None and len(table) > max_points:
        table = _thin(table, max_points)
    with np.errstate(over="ignore"):
        table = table.astype(np.float32)
    return {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(wanted)}


def _thin(table: np.ndarray, max_points: int) -> np.ndarray:
    """[T, C] -> [at most max_points, C]: per stretch and column the smallest and largest value, in their order."""
    size = math.ceil(len(table) / (max_points // 2))
    stretches = math.ceil(len(table) / size)
    padded = np.full((stretches * size, table.shape[1]), np.nan)
    padded[: len(table)] = table
    cube = padded.reshape(stretches, size, -1)
    missing = np.isnan(cube)
    extreme = np.finfo(np.float64).max  # infinities stay values: only what is missing sorts beyond them
    low = np.where(missing, np.inf, np.minimum(cube, extreme)).argmin(axis=1)
    high = np.where(missing, -np.inf, np.maximum(cube, -extreme)).argmax(axis=1)
    first, second = np.minimum(low, high), np.maximum(low, high)
    pair = np.take_along_axis(cube, np.stack([first, second], axis=1), axis=1)  # [stretches, 2, C]
    alone = (~missing).sum(axis=1) == 1
    pair[:, 1][alone] = np.nan  # one measurement stays one point
    return pair.reshape(stretches * 2, -1)


def read_samples(folder: str | os.PathLike[str]) -> list[tuple[int, Path]]:
    """The sample grids of a run as (step, file), oldest first; [] where there are none."""
    samples = Path(folder) / "samples"
    try:
        names = os.listdir(samples)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [(int(match[1]), samples / name) for name in names if (match := _SAMPLE.fullmatch(name))]
    return sorted(found)


def thin_samples(folder: str | os.PathLike[str], keep: int = 600) -> int:
    """Deletes sample grids until `keep` are left, spread evenly over the steps; returns how many went.

    The first and the last always stay. Each time the one goes whose neighbours are closest to each other, so calling
    this after every new sample keeps the whole history evenly covered.
    """
    if keep < 2:
        raise UsageError(f"At least 2 samples are kept, not {keep}.")
    samples = read_samples(folder)
    steps = np.array([step for step, _ in samples], dtype=np.float64)
    left = np.arange(len(samples))
    while len(left) > keep:
        gaps = steps[left[2:]] - steps[left[:-2]]
        left = np.delete(left, 1 + int(gaps.argmin()))
    gone = sorted(set(range(len(samples))) - set(left.tolist()))
    with disk_errors(folder):
        for at in gone:
            samples[at][1].unlink(missing_ok=True)
    return len(gone)


def smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """Exponential moving average of `values` [T], `weight` in [0, 1), 0 leaves them as they are.

    s_t = w·s_{t-1} + (1-w)·v_t, divided by 1 - w^t so that the start is not pulled to zero (Kingma and Ba 2015, section
    3). Non-finite values are passed through and do not enter the average.
    """
    if not 0.0 <= weight < 1.0:
        raise UsageError(f"The smoothing weight is at least 0 and below 1, not {weight:g}.")
    result = np.array(values, dtype=np.float32)
    mean, mass = 0.0, 0.0
    for at in np.flatnonzero(np.isfinite(result)):
        mean = weight * mean + (1.0 - weight) * float(result[at])
        mass = weight * mass + (1.0 - weight)
        result[at] = mean / mass
    return result


def compare(
    folders: Iterable[str | os.PathLike[str]],
    metric: str,
    x: str = "step",
    smoothing: float = 0.0,
    max_points: int = 2000,
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """One curve a run: (label, x, y), float32 arrays of the ticks that measured `metric`, `x` being a fixed column.

    Runs that never recorded the metric are left out. The label is the run's display name, with its key where two share
    one. Raises UsageError for an unknown `x`, and for a metric that none of the runs has
    though they have others.
    """
    if x not in FIXED_COLUMNS:
        raise unknown("axis", x, FIXED_COLUMNS)
    folders = [Path(folder) for folder in folders]
    curves, labels = [], []
    for folder in folders:
        history = read_metrics(folder, columns=[metric], max_points=max_points)
        if metric not in history or metric in FIXED_COLUMNS:
            continue
        measured = ~np.isnan(history[metric])
        label = _text(_read_json(folder / "config.json") or {}, "name") or folder.name
        labels.append((label, folder.name))
        curves.append((history[x][measured], smooth(history[metric][measured], smoothing)))
    if not curves:
        known = {name for folder in folders for name in read_metrics(folder)} - set(FIXED_COLUMNS)
        if known:  # else nothing was recorded yet, and any name may be right
            raise unknown("metric", metric, known)
    names = [name for name, _ in labels]
    unique = [name if names.count(name) == 1 or name == key else f"{name} ({key})" for name, key in labels]
    return [(label, across, up) for label, (across, up) in zip(unique, curves, strict=True)]
