"""The studio behind the tabs that draw: which models a person may open, the threads that draw, and long jobs.

Pictures that follow a slider are drawn in one thread of their own, kept warm, and never wait for anything else: sheets
of thumbnails have a second thread, computations of seconds a third, files to keep a fourth, inversions a fifth; the
last four share a second copy of each network. Pictures that follow a pen have a thread of their own as well. Importing
this module loads no torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import importlib
import io
import itertools
import json
import logging
import os
import re
import secrets
import shutil
import sys
import threading
import time
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import DataError, PlaygroundError, UsageError
from playground.methods import METHODS
from playground.runs import atomic_write, disk_errors, list_runs
from playground.session import Session
from playground.ui.owners import check_owner

if TYPE_CHECKING:
    from torch import Tensor

    from playground.latent.encoder import Encoder
    from playground.latent.reader import Reader
    from playground.latent.space import LatentSpace
    from playground.model import Model
    from playground.ui.context import House

log = logging.getLogger("playground")

MAX_OPEN = 6  # models kept in memory
MAX_READERS = 3
MAX_WAITING = 64  # pieces of work that wait for one thread
MAX_JOBS = 6  # that wait or run, of one owner
MAX_UPLOADED = 60 * 2**20  # bytes of a model's zip
MAX_UNPACKED = 256 * 2**20
UPLOADS_KEPT = 10  # models of one owner
JOBS_KEPT = 40
MAX_RESULTS = 64  # of one model
MAX_PICTURES = 48  # thumbnails and walks kept drawn
REFRESH_SECONDS = 2.0  # between two copies of a model in training
#: what reads the pictures of `faces`, and of digits
FACES_READER, DIGITS_READER = "faces-attributes", "digits-judge"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_UPLOAD = re.compile(r"upload-([0-9a-f]{24})")


class NoSuchModel(UsageError):
    """No model of that key, or not yours: the two read alike."""

    def __init__(self, key: object) -> None:
        super().__init__(f"There is no model '{str(key)[:80]}': choose one from the list of models.")


class Busy(UsageError):
    """Too much waits already."""


# ---------------------------------------------------------------------------------------------------------------------
# Threads


class Lane:
    """One thread that takes pieces of work in order.

    Args:
        name: of the thread.
        niceness: how far it steps back for others, where the system knows that and torch has no teams of threads.
    """

    def __init__(self, name: str, niceness: int = 0) -> None:
        self.name, self._niceness = name, niceness
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=self._begin)
        self._waiting = 0
        self._lock = threading.Lock()

    def _begin(self) -> None:
        import torch

        if self._niceness and torch.get_num_threads() == 1:  # a whole team would wait for the member that steps back
            with contextlib.suppress(OSError, AttributeError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)

    def submit(self, work: Callable[..., Any], *args: Any) -> Future:
        """Queue `work`; raises Busy when too much waits."""
        with self._lock:
            if self._waiting >= MAX_WAITING:
                raise Busy("The server is busy drawing for others: try again in a moment.")
            self._waiting += 1
        future = self._pool.submit(work, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: Future) -> None:
        with self._lock:
            self._waiting -= 1

    def call(self, work: Callable[..., Any], *args: Any) -> Any:
        """Queue `work` and wait for what it returns."""
        return self.submit(work, *args).result()

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """As `call`, for coroutines."""
        return await asyncio.wrap_future(self.submit(work, *args))

    def close(self) -> None:
        """Take no more work; what has begun goes on."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Newest:
    """Which of the requests of one page is the newest, so that older ones that still wait can be let go."""

    _PAGES = 2000

    def __init__(self) -> None:
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._count = itertools.count(1)
        self._lock = threading.Lock()

    def arrive(self, page: str, sequence: int | None = None) -> int:
        """The number of a request that has just come: `sequence` as the page counts, else the order of arrival."""
        with self._lock:
            number = next(self._count) if sequence is None else sequence
            self._latest[page] = max(number, self._latest.get(page, number))
            self._latest.move_to_end(page)
            while len(self._latest) > self._PAGES:
                self._latest.popitem(last=False)
            return number

    def stale(self, page: str, number: int) -> bool:
        """Whether a newer request of the page has come meanwhile."""
        return self._latest.get(page, number) > number


# ---------------------------------------------------------------------------------------------------------------------
# Models


@dataclass(frozen=True)
class Source:
    """Where a model is found at this moment. `version` changes when it should be opened anew."""

    key: str
    kind: str  # "shipped", "run", "live" or "upload"
    title: str
    version: object
    folder: Path | None = None
    session: Session | None = None

    def load(self) -> Model:
        """Open the model, on the CPU."""
        from playground.model import load_model

        if self.session is not None:
            return self.session.model().to("cpu")
        return load_model(self.folder)


class Opened:
    """An open model and what was computed of it.

    A generator has its latent space once for frames (`front`) and once for all else (`back`). A translator has none:
    `model` itself is for the thread of strokes. `stopped` is asked by long computations; True ends them.
    """

    def __init__(self, source: Source, model: Model, stopped: Callable[[], bool] = lambda: False) -> None:
        from playground.latent.space import LatentSpace

        self.source, self.model, self.key, self.stopped = source, model, source.key, stopped
        self.step = int(model.facts.get("step") or 0)
        self.taken = time.monotonic()
        self.results: OrderedDict[Any, Any] = OrderedDict()  # directions and scores; for the thread of computations
        self._front: LatentSpace | None = None if model.kind == "translator" else LatentSpace(model)
        self._lock = threading.Lock()

    def keep(self, key: Any, result: Any) -> None:
        """Remember what was computed; the oldest of too many results goes."""
        self.results[key] = result
        while len(self.results) > MAX_RESULTS:
            self.results.popitem(last=False)

    @property
    def front(self) -> LatentSpace:
        """A generator's space; raises UsageError for a translator."""
        if self._front is None:
            raise UsageError("This model translates pictures and draws none of its own: use it in Sketch or Translate.")
        return self._front

    @cached_property
    def _copy(self) -> LatentSpace:
        from playground.latent.space import LatentSpace

        with self.front.lock:
            return LatentSpace(copy.deepcopy(self.model))

    @property
    def back(self) -> LatentSpace:
        """The same space on a copy of the network, for whatever takes long."""
        with self._lock:
            return self._copy

    @property
    def live(self) -> bool:
        return self.source.session is not None and self.source.session.active

    @cached_property
    def _encoder(self) -> Encoder | None:
        from playground.latent.encoder import load_encoder

        return load_encoder(self.model)

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder lies beside the model."""
        return self.model.folder is not None and (self.model.folder / "encoder.safetensors").is_file()

    def encoder(self) -> Encoder | None:
        """The encoder that comes with the model; None where there is none."""
        with self._lock:
            return self._encoder


def _stated(config: bytes) -> dict[str, Any]:
    """What the text of a config.json states; {} where it can't be read."""
    try:
        config = json.loads(config)
        data, knobs, facts = config["data"], config["knobs"], config.get("facts") or {}
        method = METHODS[config["preset"]]
        return {
            "kind": method.kind, "method": method.title, "data": str(data["name"]), "size": int(data["size"]),
            "channels": int(data["channels"]), "styled": knobs.get("architecture") == "style",
            "step": int(facts.get("step") or 0), "name": str(facts.get("name") or ""),
            "classes": tuple(map(str, data.get("classes") or ())), "attributes": len(data.get("attributes") or ()),
            "sides": tuple(map(dict, data.get("sides") or ())), "paired": bool(data.get("paired")),
            "scale": _scale(knobs),
        }  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _scale(knobs: Mapping[str, Any]) -> int:
    """How many times larger a model makes pictures, by its knobs."""
    return int(knobs["upscale"]) if knobs.get("translator") == "upscaler" else 1


@lru_cache(maxsize=256)
def _described(folder: Path, version: int) -> dict[str, Any]:
    """What a model folder's config.json states, {} where it can't be read. `version` only makes changes seen."""
    try:
        return _stated((folder / "config.json").read_bytes())
    except OSError:
        return {}


@lru_cache(maxsize=64)
def _described_zip(path: Path, version: int) -> dict[str, Any]:
    """As `_described`, of the zip of a model."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if Path(name).name == "config.json")
            return _stated(archive.read(name))
    except (OSError, ValueError, StopIteration, RuntimeError, zipfile.BadZipFile, zlib.error):
        return {}


def _version(folder: Path) -> int:
    """When the weights in a model folder were last written; 0 where there are none."""
    with contextlib.suppress(OSError):
        return (folder / "model.safetensors").stat().st_mtime_ns
    return 0


def describe(folder: Path) -> dict[str, Any]:
    """What a model folder states of itself, without opening it; {} where it is unfinished or unreadable."""
    version = _version(folder)
    return _described(folder, version) if version else {}


def draws(description: Mapping[str, Any], kind: str = "generator") -> bool:
    """Whether a described model is of `kind`: by default one that draws pictures from noise; classifiers only read, and
    what draws points (pictures of one pixel) is for the Lab."""
    return bool(description) and description["kind"] == kind and description.get("size") != 1


def is_digits(name: str, classes: tuple[str, ...]) -> bool:
    """Whether a data set looks like MNIST: ten classes that are the digits, or the name of one of its kin."""
    plain = name.lower()
    return tuple(c.strip()[:1] for c in classes) == tuple("0123456789") or (
        "mnist" in plain and "fashion" not in plain and "stacked" not in plain
    )


class ModelUploads:
    """Model zips that people brought, in `root/OWNER/DIGEST/model.zip`; the same file again is the same upload."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()

    def keep(self, owner: str, data: bytes, title: str) -> str:
        """Store a zip whose model opens; returns its key. The oldest beyond `UPLOADS_KEPT` go.

        Raises:
            UsageError: a classifier, which makes no pictures.
            DataError: not a zip, too large, or not a model of this playground.
            TrainingError: the disk refused.
        """
        from playground.latent.space import LatentSpace
        from playground.model import load_model

        digest = hashlib.sha256(data).hexdigest()[:24]
        place = self._folder(owner) / digest
        with self._lock:
            if not (place / "model.zip").is_file():
                self._check_size(data)
                part = place.with_name(f".part-{digest}")
                with disk_errors(self.root):
                    shutil.rmtree(part, ignore_errors=True)
                    part.mkdir(parents=True)
                try:
                    atomic_write(part / "model.zip", data)
                    model = load_model(part / "model.zip")
                    if model.kind != "translator":
                        LatentSpace(model)
                    atomic_write(part / "title", (title or "Uploaded model").encode())
                    with disk_errors(self.root):
                        shutil.rmtree(place, ignore_errors=True)
                        os.replace(part, place)
                finally:
                    shutil.rmtree(part, ignore_errors=True)
            with disk_errors(self.root):
                os.utime(place)
            for old, _ in self.all(owner)[UPLOADS_KEPT:]:
                shutil.rmtree(self._folder(owner) / old.removeprefix("upload-"), ignore_errors=True)
        return f"upload-{digest}"

    @staticmethod
    def _check_size(data: bytes) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                total = sum(entry.file_size for entry in archive.infolist())
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            raise DataError("The upload is not a zip file: choose the model zip that the app exports.") from None
        if total > MAX_UNPACKED:
            raise DataError(
                f"The model would unpack to {total // 2**20:,} MB: at most {MAX_UNPACKED // 2**20} MB are opened here."
            )

    def find(self, owner: str, key: str) -> tuple[Path, str] | None:
        """(the zip, its title) of an owner's upload; None where there is none."""
        match = _UPLOAD.fullmatch(key)
        if not match or not owner:
            return None
        place = self._folder(owner) / match[1]
        try:
            return place / "model.zip", (place / "title").read_text(encoding="utf-8")
        except OSError:
            return None

    def describe(self, owner: str, key: str) -> dict[str, Any]:
        """What the model of an owner's upload states of itself; {} where there is none."""
        found = self.find(owner, key)
        try:
            return _described_zip(found[0], found[0].stat().st_mtime_ns) if found else {}
        except OSError:
            return {}

    def all(self, owner: str) -> list[tuple[str, str]]:
        """[(key, title)] of an owner's uploads, newest first."""
        try:
            places = [p for p in self._folder(owner).iterdir() if (p / "title").is_file()] if owner else []
            places.sort(key=lambda p: p.stat().st_mtime, reverse=True)
            return [(f"upload-{p.name}", (p / "title").read_text(encoding="utf-8")) for p in places]
        except OSError:
            return []

    def _folder(self, owner: str) -> Path:
        return self.root / hashlib.sha256(owner.encode()).hexdigest()[:32]


# ---------------------------------------------------------------------------------------------------------------------
# Jobs


@dataclass
class Job:
    """Work of many seconds that a page watches: the inversion of an uploaded picture. `latent` is the best so far."""

    owner: str
    model: str  # its key
    opened: Opened
    total: int
    original: bytes  # PNG of the picture as the model's size shows it
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: str = "running"  # or done, failed, cancelled
    step: int = 0
    loss: float | None = None
    distance: float | None = None
    psnr: float | None = None
    start_distance: float | None = None
    start_psnr: float | None = None
    message: str = "Waiting for its turn."
    latent: Tensor | None = None
    label: int | None = None
    codes: Tensor | None = None
    measure: str | None = None
    begun: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask it to end; what was found so far stays."""
        self.cancelled.set()
        if self.state == "running" and not self.begun:
            self.state, self.message = "cancelled", "Cancelled."

    def note(self, step: int, total: int, loss: float, latent: Tensor) -> None:
        """How far it has come."""
        self.step, self.total, self.loss = step, total, float(loss)
        self.latent = latent.detach().cpu().clone()
        self.message = "Comparing and correcting."


# ---------------------------------------------------------------------------------------------------------------------
# The studio


class Studio:
    """Everything that the Explore and Style mixing tabs draw with.

    Args:
        house: the app, which knows whose runs are whose.
        root: the folder below which uploaded models ("models") and what is computed once ("cache") are kept.
    """

    def __init__(self, house: House, root: Path) -> None:
        self.house = house
        self.uploads = ModelUploads(root / "models")
        self.cache = root / "cache"
        self.frames = Lane("frames")
        self.strokes = Lane("strokes")
        self.sheets = Lane("sheets")
        self.heavy = Lane("studio", niceness=5)
        self.exports = Lane("exports", niceness=10)
        self.inversions = Lane("inversions", niceness=10)
        self.newest = Newest()
        self.closing: list[Callable[[], None]] = []  # called when it closes
        self._openers = ThreadPoolExecutor(4, thread_name_prefix="models")
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._readers: OrderedDict[str, tuple[object, Reader]] = OrderedDict()
        self._opening: dict[str, Future] = {}
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._pictures: OrderedDict[Any, bytes] = OrderedDict()
        self._lock = threading.RLock()
        self._closed = False

    # --- finding

    def source(self, key: object, owner: str) -> Source:
        """Where the model `key` is, if this owner may have it: a shipped one by name, a run, or an own upload.

        Raises:
            NoSuchModel: nothing of that key, or someone else's.
            UsageError: a run without a model as yet.
        """
        if not isinstance(key, str) or not key or len(key) > 200:
            raise NoSuchModel(key)
        shipped = self._shipped(key)
        if shipped is not None:
            return shipped
        upload = self.uploads.find(owner, key)
        if upload is not None:
            return Source(key, "upload", upload[1], 0, folder=upload[0])
        try:
            session = self.house.session(key, owner)
        except UsageError:
            pass
        else:
            session.touch()
            kind = "live" if session.active else "run"
            title = session.config.get("name") or session.key
            return Source(session.key, kind, title, session.snapshot().step, session.folder, session)
        try:
            folder = self.house.folder(key, owner)
        except UsageError:
            raise NoSuchModel(key) from None
        version = _version(folder / "model")
        if not version:
            raise UsageError("This run has no model yet: let it train first.")
        return Source(folder.name, "run", folder.name, version, folder)

    @staticmethod
    def _shipped(key: str) -> Source | None:
        if not _NAME.fullmatch(key):
            return None
        from playground.model import PRETRAINED

        folder = PRETRAINED / key
        version = _version(folder)
        if not version:
            return None
        title = describe(folder).get("name") or key
        return Source(key, "shipped", title, version, folder)

    def models(self, owner: str, kind: str = "generator") -> list[dict[str, Any]]:
        """The models of a kind: shipped ones, own trainings that go on, own runs and own uploads.

        Of the shipped ones those come first that have the most to play with: style-based, of known attributes.

        A row has "key", "title", "kind" (where it comes from, as `Source.kind`), "size", "channels", "styled", "data",
        "step" and "thumb"; that of a "translator" also "method", "paired", "scale" (how many times larger pictures
        become) and "sides", each as the fields of `Side`; () for a training that has stated nothing as yet.
        """
        from playground.model import list_shipped

        shipped: list[tuple[tuple[bool, int], dict[str, Any]]] = []
        for name in list_shipped():
            source = self._shipped(name)
            facts = describe(source.folder) if source is not None else {}
            if draws(facts, kind):
                thumb = _thumb(facts, f"model={name}&v={source.version:x}")
                row = _row(name, source.title, "shipped", facts, thumb) | {"version": f"{source.version:x}"}
                shipped.append(((not facts["styled"], -facts["attributes"]), row))
        rows = [row for _, row in sorted(shipped, key=lambda one: one[0])]
        live = {one.key: one for one in self.house.manager.sessions() if owner and one.owner == owner and one.active}
        infos = list_runs(self.house.manager.runs_dir, owner) if owner else []
        for info in infos:
            session, facts = live.get(info.key), describe(info.path / "model")
            if session is not None and session.state in ("running", "paused"):
                step, knobs = session.snapshot().step, session.config["knobs"]
                known = {
                    "kind": METHODS[session.preset].kind, "data": session.config["data_title"], "step": step,
                    "size": knobs["size"], "channels": None, "styled": knobs["architecture"] == "style",
                    "method": METHODS[session.preset].title, "scale": _scale(knobs),
                }  # fmt: skip
                if draws(known, kind):
                    row = {**known, **{k: v for k, v in facts.items() if k in ("channels", "sides", "paired")}}
                    rows.append(_row(info.key, info.name, "live", row, f"live/{info.key}/grid.jpg?step={step}"))
            elif draws(facts, kind):
                last = info.latest_sample
                thumb = f"runs/{info.key}/samples/{int(last.stem)}.png" if last else None
                rows.append(_row(info.key, info.name, "run", facts, thumb))
        for key, title in self.uploads.all(owner):
            facts = self.uploads.describe(owner, key)
            if draws(facts, kind):
                rows.append(_row(key, title, "upload", facts, _thumb(facts, f"model={key}")))
        order = {"live": 1, "run": 2, "upload": 3}
        return sorted(rows, key=lambda row: order.get(row["kind"], 0))

    # --- opening

    def cached(self, key: object, owner: str) -> Opened | None:
        """The open model `key`, after checking that this owner may have it; None where it has to be opened first.

        A model in training whose copy is older than `REFRESH_SECONDS` is copied anew in the background meanwhile.
        """
        source = self.source(key, owner)
        with self._lock:
            found = self._opened.get(source.key)
            if found is None:
                return None
            if found.source.version != source.version:
                if source.session is None:
                    return None
                if time.monotonic() - found.taken >= REFRESH_SECONDS and source.key not in self._opening:
                    self._begin_opening(source)
            self._opened.move_to_end(source.key)
            return found

    def _begin_opening(self, source: Source) -> Future:
        """Open a model in the background, once for all who wait for it."""
        with self._lock:
            future = self._opening.get(source.key)
            if future is None:
                found = self._opened.get(source.key)
                if found is not None and found.source.version == source.version:  # since the caller looked
                    future = Future()
                    future.set_result(found)
                else:
                    future = self._opening[source.key] = self._openers.submit(self._open, source)
            return future

    def _open(self, source: Source) -> Opened:
        try:
            opened = Opened(source, source.load(), lambda: self._closed)
            with self._lock:
                self._opened[source.key] = opened
                self._opened.move_to_end(source.key)
                while len(self._opened) > MAX_OPEN:
                    self._opened.popitem(last=False)
            return opened
        except Exception as error:
            if not isinstance(error, PlaygroundError):  # nobody may be waiting to hear of it
                log.exception("The model %s could not be opened", source.key)
            with self._lock:  # a training that has no time for a copy is asked again later
                found = self._opened.get(source.key)
                if found is not None:
                    found.taken = time.monotonic()
            raise
        finally:
            with self._lock:
                self._opening.pop(source.key, None)

    async def opened(self, key: object, owner: str) -> Opened:
        """The open model `key`, opened now if need be.

        Raises:
            NoSuchModel: nothing of that key, or someone else's.
            PlaygroundError: it can't be opened.
        """
        if "playground.model" not in sys.modules:  # loads torch
            await asyncio.to_thread(importlib.import_module, "playground.ui.drawing")
        found = self.cached(key, owner)  # reads a few small files at most
        if found is None:
            found = await asyncio.wrap_future(self._begin_opening(self.source(key, owner)))
        return found

    def open(self, key: object, owner: str) -> Opened:
        """As `opened`, for threads that may wait."""
        return self.cached(key, owner) or self._begin_opening(self.source(key, owner)).result()

    def kept(self, key: Any, draw: Callable[[], bytes]) -> bytes:
        """A picture that never changes, drawn once."""
        with self._lock:
            found = self._pictures.get(key)
        if found is None:
            found = draw()
        with self._lock:
            self._pictures[key] = found
            self._pictures.move_to_end(key)
            while len(self._pictures) > MAX_PICTURES:
                self._pictures.popitem(last=False)
        return found

    # --- classifiers

    def readers(self, opened: Opened, owner: str) -> Iterator[Source]:
        """Classifiers that can read this model's pictures, the best first: shipped ones, then the owner's own runs."""
        info = opened.model.info
        shipped = FACES_READER if info.name == "faces" else DIGITS_READER if is_digits(info.name, info.classes) else ""
        source = self._shipped(shipped)
        if source is not None:
            yield source
        for run in list_runs(self.house.manager.runs_dir, owner) if owner else []:
            facts = describe(run.path / "model")
            if facts and not draws(facts) and facts["data"] == info.name:
                yield Source(run.key, "run", run.name, _version(run.path / "model"), run.path)

    def reader(self, opened: Opened, owner: str, wish: object = None) -> Reader | None:
        """The classifier that reads this model's pictures, `wish` where one is named; None where there is none.

        Raises:
            UsageError: `wish` is none of those at hand.
            DataError: its folder is damaged.
        """
        from playground.latent.reader import Reader

        source = next((one for one in self.readers(opened, owner) if wish in (None, one.key)), None)
        if source is None:
            if wish is not None:
                raise UsageError(f"There is no classifier '{str(wish)[:80]}' that reads this model's pictures.")
            return None
        with self._lock:
            known = self._readers.get(source.key)
        if known is None or known[0] != source.version:
            known = (source.version, Reader(source.load()))
        with self._lock:
            self._readers[source.key] = known
            self._readers.move_to_end(source.key)
            while len(self._readers) > MAX_READERS:
                self._readers.popitem(last=False)
        return known[1]

    # --- jobs

    def start_inversion(
        self, opened: Opened, owner: str, model: str, picture: Tensor, original: bytes, steps: int, **options: Any
    ) -> Job:
        """Queue the inversion of a prepared picture [1, C, S, S]; `options` as of `drawing.find_latent`.

        Raises:
            UsageError: nobody to keep it for, or too many wait.
        """
        check_owner(owner)
        with self._lock:
            waiting = [job for job in self._jobs.values() if job.owner == owner and job.state == "running"]
            if len(waiting) >= MAX_JOBS:
                raise Busy(f"{MAX_JOBS} pictures of yours are already being found: wait for one, or cancel it.")
            job = Job(owner, model, opened, steps, original)
            self._jobs[job.id] = job
            ended = [job.id for job in self._jobs.values() if job.state != "running"]
            for old in ended[: max(0, len(self._jobs) - JOBS_KEPT)]:
                del self._jobs[old]
        try:
            self.inversions.submit(self._invert, job, opened, picture, options)
        except Busy:
            with self._lock:
                self._jobs.pop(job.id, None)
            raise
        return job

    def _invert(self, job: Job, opened: Opened, picture: Tensor, options: dict[str, Any]) -> None:
        from playground.ui.drawing import find_latent

        if job.cancelled.is_set():
            return
        job.begun, job.label, job.message = True, options.get("label"), "Looking for a start."
        try:
            found = find_latent(opened, picture, job.total, on_step=job.note, stop=job.cancelled.is_set, **options)
            job.latent, job.label, job.codes = found.latent.detach().cpu(), found.label, found.codes
            job.measure = found.measure
            job.distance, job.psnr = found.distance, found.psnr
            job.start_distance, job.start_psnr = found.start_distance, found.start_psnr
            stopped = job.cancelled.is_set()
            job.message = "Stopped; this is the nearest so far." if stopped else "Found."
            job.state = "cancelled" if stopped else "done"
        except PlaygroundError as error:
            job.message, job.state = str(error), "failed"
        except Exception:
            log.exception("An inversion failed")
            job.message = "Something unexpected went wrong; the server's log says more. Please try again."
            job.state = "failed"

    def job(self, number: str, owner: str) -> Job | None:
        """A job of this owner's; None for any other."""
        with self._lock:
            job = self._jobs.get(number)
        return job if job is not None and owner and job.owner == owner else None

    # --- from beginning to end

    def warm(self) -> None:
        """Load torch in the threads that draw frames and strokes, and let them use the first shipped models once."""
        row = next((row for row in self.models("") if row["kind"] == "shipped"), None)
        if row is not None:
            opened = self.open(row["key"], "")
            self.frames.call(_draw_first, opened)
        row = next((row for row in self.models("", "translator") if row["kind"] == "shipped"), None)
        if row is not None:
            opened = self.open(row["key"], "")
            self.strokes.call(_translate_first, opened)

    def close(self) -> None:
        """End all jobs and threads; what computes at the moment ends by itself."""
        if self._closed:
            return
        self._closed = True
        with self._lock:
            for job in self._jobs.values():
                job.cancel()
        for lane in (self.frames, self.strokes, self.sheets, self.heavy, self.exports, self.inversions):
            lane.close()
        for close in self.closing:
            close()
        self._openers.shutdown(wait=False, cancel_futures=True)


def _draw_first(opened: Opened) -> None:
    from playground.ui import drawing

    drawing.frame(opened, drawing.default_recipe(opened, opened.key))


def _translate_first(opened: Opened) -> None:
    from playground.ui import sketching

    sketching.facts(opened, opened.key)


def _thumb(facts: Mapping[str, Any], query: str) -> str | None:
    """The address of a model's own thumbnail; super-resolution has none: it is not drawn for."""
    if facts["kind"] != "translator":
        return f"explore/thumb.png?{query}"
    return f"sketch/thumb.png?{query}" if facts["scale"] == 1 else None


def _row(key: str, title: str, kind: str, facts: Mapping[str, Any], thumb: str | None) -> dict[str, Any]:
    known = {name: facts.get(name) for name in ("size", "channels", "styled", "data", "step")}
    row = {"key": key, "title": title, "kind": kind, **known, "thumb": thumb}
    if facts.get("kind") == "translator":
        row |= {"method": facts["method"], "sides": facts.get("sides") or (), "paired": bool(facts.get("paired"))}
        row["scale"] = facts["scale"]
    return row
