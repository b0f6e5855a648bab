"""The classic data sets that torchvision knows, fetched on first use into the places where torchvision looks for them.

The addresses, file names and checksums are torchvision's own; the fetching is done here, so that it shows its progress,
gives up quickly without a connection, and never leaves half a file under a whole file's name.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import os
import pickle
import shutil
import socket
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from playground.data.base import DataInfo, ImageStore
from playground.data.images import MAX_SIDE, MIN_SIDE, Progress, allocate, decode_all, throttled
from playground.errors import DataError, UsageError, unknown

CONNECT_SECONDS = 10.0
_CHUNK = 1 << 18
_DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"
# What torchvision raises on files that are there but not what they should be.
_DAMAGE = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AssertionError, EOFError, pickle.UnpicklingError)


@dataclass(frozen=True)
class Download:
    """Facts about a downloadable data set. `size` is the default side in pixels, `megabytes` what is fetched."""

    title: str
    torchvision: str  # name of the class in torchvision.datasets
    count: int  # training pictures
    channels: int
    size: int
    megabytes: int
    licence: str
    source: str
    classes: tuple[str, ...] = ()
    attributes: int = 0
    splits: tuple[str, ...] = ("train", "test")


_CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FACES = ("train", "valid", "test", "all")

DOWNLOADS: dict[str, Download] = {
    "mnist": Download(
        "MNIST digits", "MNIST", 60_000, 1, 32, 12, "CC BY-SA 3.0",
        "Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits", tuple("0123456789"),
    ),
    "fashion-mnist": Download(
        "Fashion-MNIST", "FashionMNIST", 60_000, 1, 32, 31, "MIT",
        "H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv 1708.07747", _CLOTHES,
    ),
    "cifar10": Download(
        "CIFAR-10", "CIFAR10", 50_000, 3, 32, 170, "none stated, the author asks to be cited: treat as research use",
        "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009", _CIFAR,
    ),
    "celeba": Download(
        "CelebA faces", "CelebA", 162_770, 3, 64, 1_490, "non-commercial research only",
        "Z. Liu, P. Luo, X. Wang and X. Tang, Deep Learning Face Attributes in the Wild, ICCV 2015",
        attributes=40, splits=_FACES,
    ),
}  # fmt: skip


def load_torchvision(
    name: str,
    *,
    size: int | None = None,
    data_dir: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    split: str = "train",
    max_images: int | None = None,
) -> ImageStore:
    """One of `DOWNLOADS`, fetched if its files are not in `data_dir` yet, as uint8 [N, size, size, C].

    Digits, clothes and CIFAR-10 are scaled with an antialiased bicubic filter; CelebA's 178 × 218 pictures are cut to
    their central square. CelebA has 40 attributes (0 or 1) and no labels, the others have ten classes.

    Args:
        size: side in pixels, 4 to 1024; None takes the data set's own (32; CelebA 64).
        data_dir: where files are kept, in torchvision's layout; files already there are used without a network.
        progress: called now and then with (done, total): bytes while fetching, then pictures. An exception that it
            raises stops the loading and is passed on.
        split: "train" or "test"; CelebA also "valid" and "all".
        max_images: at most this many, evenly spaced.

    Raises:
        UsageError: unknown name, split or size.
        DataError: no connection, a download refused or damaged, or a `data_dir` that can't be written.
    """
    if name not in DOWNLOADS:
        raise unknown("data set", name, DOWNLOADS)
    spec = DOWNLOADS[name]
    if split not in spec.splits:
        raise unknown(f"split of {name}", split, spec.splits)
    side = spec.size if size is None else size
    if isinstance(side, bool) or not isinstance(side, int) or not MIN_SIDE <= side <= MAX_SIDE:
        raise UsageError(f"size is {size!r}, but must be a whole number from {MIN_SIDE} to {MAX_SIDE}.")
    if max_images is not None and max_images < 2:
        raise UsageError(f"max_images is {max_images!r}, but must be a whole number of 2 or more.")

    from torchvision import datasets  # slow to import, and needed by few

    kind: Any = getattr(datasets, spec.torchvision)
    root = Path(data_dir).expanduser()
    with _in_folder(name, root):
        if name == "celeba":
            _fetch_celeba(kind, root, progress)
        elif name == "cifar10":
            _fetch_cifar(kind, root, progress)
        else:
            _fetch_mnist(name, kind, root, progress)
        if name == "celeba":
            data = _opened(name, root / kind.base_folder, lambda: kind(str(root), split=split, target_type="attr"))
        else:
            folder = root / (kind.base_folder if name == "cifar10" else kind.__name__)
            data = _opened(name, folder, lambda: kind(str(root), train=split == "train", download=name == "cifar10"))
    if name == "celeba":
        return _celeba(data, side, device, progress, split, max_images)
    pixels, labels = torch.as_tensor(data.data), torch.as_tensor(data.targets, dtype=torch.int64)
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    if not 0 < len(labels) == len(pixels) or not 0 <= int(labels.min()) <= int(labels.max()) < len(spec.classes):
        raise DataError(_damaged(name, folder))
    del data
    if max_images is not None and max_images < len(pixels):
        chosen = torch.from_numpy(np.linspace(0, len(pixels) - 1, max_images).astype(np.int64))
        pixels, labels = pixels[chosen], labels[chosen]
    pixels = _resized(name, pixels, side, progress)
    info = DataInfo(
        name, spec.channels, side, len(pixels), spec.classes, licence=spec.licence, notes=_notes(spec, split)
    )
    return ImageStore(info, pixels.to(device), labels.to(device))


def _notes(spec: Download, split: str) -> tuple[str, ...]:
    source = f"{spec.title}: {spec.source}."
    return (source,) if split == "train" else (source, f"This is the {split} split.")


def _resized(name: str, pixels: Tensor, size: int, progress: Progress | None) -> Tensor:
    """uint8 [N, H, W, C] (any strides) to contiguous [N, size, size, C], a thousand pictures at a time."""
    n, tell = len(pixels), throttled(progress)
    out = torch.from_numpy(allocate(name, n, size, pixels.shape[3]))
    for a in range(0, n, 1000):
        piece = pixels[a : a + 1000]
        if piece.shape[1] != size:
            floats = piece.permute(0, 3, 1, 2).float()
            floats = interpolate(floats, (size, size), mode="bicubic", antialias=True, align_corners=False)
            piece = floats.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        out[a : a + 1000] = piece
        tell(min(a + 1000, n), n)
    return out


# ------------------------------------------------------------------------------------------------------ each data set


def _fetch_mnist(name: str, kind: Any, root: Path, progress: Progress | None) -> None:
    """The four files, unpacked; torchvision takes an unpacked file for whole if only it exists."""
    folder = root / kind.__name__ / "raw"
    missing = [(file, md5) for file, md5 in kind.resources if not (folder / Path(file).stem).is_file()]
    packed = [(file, md5) for file, md5 in missing if not _is_whole(folder / file, md5)]
    meter = _Meter(progress, DOWNLOADS[name].megabytes * len(packed) / len(kind.resources))
    for file, md5 in packed:
        _fetch(name, [mirror + file for mirror in kind.mirrors], folder / file, md5, meter)
    for file, _ in missing:
        try:
            with gzip.open(folder / file, "rb") as source, _whole_file(folder / Path(file).stem) as target:
                shutil.copyfileobj(source, target, _CHUNK)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            (folder / file).unlink(missing_ok=True)
            raise DataError(
                f"The file '{folder / file}' of '{name}' is damaged and was removed: load it again."
            ) from error


def _fetch_cifar(kind: Any, root: Path, progress: Progress | None) -> None:
    """The archive, which torchvision then unpacks; it checks every unpacked file itself."""
    files = [*kind.train_list, *kind.test_list, [kind.meta["filename"], kind.meta["md5"]]]
    if all(_is_whole(root / kind.base_folder / file, md5) for file, md5 in files):
        return
    if not _is_whole(root / kind.filename, kind.tgz_md5):
        meter = _Meter(progress, DOWNLOADS["cifar10"].megabytes)
        _fetch("cifar10", [kind.url], root / kind.filename, kind.tgz_md5, meter)


def _fetch_celeba(kind: Any, root: Path, progress: Progress | None) -> None:
    """Five tables and the zip of pictures from Google Drive, which often refuses: files put there by hand will do."""
    folder = root / kind.base_folder
    pictures = folder / "img_align_celeba"
    wanted = [
        (drive, md5, file)
        for drive, md5, file in kind.file_list
        if not (file.endswith(".zip") and pictures.is_dir()) and not _is_whole(folder / file, md5)
    ]
    by_hand = (
        f"download {_joined([file for _, _, file in wanted])} by hand from "
        f"https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html into '{folder}', or use the built-in 'faces'"
    )
    meter = _Meter(progress, DOWNLOADS["celeba"].megabytes if any(f.endswith(".zip") for _, _, f in wanted) else 60)
    for drive, md5, file in wanted:
        _fetch("celeba", [_DRIVE.format(drive)], folder / file, md5, meter, by_hand)
    if not pictures.is_dir():
        _unpack(folder / "img_align_celeba.zip", pictures)


def _unpack(archive: Path, target: Path) -> None:
    """Unpack the folder `target.name` of a zip, under another name until it is whole."""
    with tempfile.TemporaryDirectory(prefix="unpacking-", dir=target.parent) as scratch:
        try:
            with zipfile.ZipFile(archive) as members:
                members.extractall(scratch)
            os.replace(Path(scratch) / target.name, target)
        except (zipfile.BadZipFile, zlib.error, EOFError, FileNotFoundError) as error:
            raise DataError(f"'{archive}' is damaged: delete it and load 'celeba' again.") from error


def _celeba(
    data: Any,
    size: int,
    device: torch.device | str,
    progress: Progress | None,
    split: str,
    max_images: int | None,
) -> ImageStore:
    spec = DOWNLOADS["celeba"]
    folder = Path(data.root) / data.base_folder / "img_align_celeba"
    names = tuple(header for header in data.attr_names if header)  # its header line ends in a space
    chosen = list(range(len(data.filename)))
    if max_images is not None and max_images < len(chosen):
        chosen = np.linspace(0, len(chosen) - 1, max_images).astype(int).tolist()
    pixels = allocate("celeba", len(chosen), size, spec.channels)

    def read(i: int) -> bytes:
        path = folder / data.filename[chosen[i]]
        return path.read_bytes() if path.is_file() else b""

    bad = decode_all(read, pixels, "crop", progress)
    if bad:
        raise DataError(
            f"{len(bad):,} of the {len(chosen):,} pictures of 'celeba' are damaged or missing, "
            f"'{data.filename[chosen[min(bad)]]}' the first: delete '{folder}' and load it again."
        )
    info = DataInfo(
        "celeba", spec.channels, size, len(chosen), attributes=names, licence=spec.licence, notes=_notes(spec, split)
    )
    attributes = data.attr[chosen].float()[:, : len(names)]
    return ImageStore(info, torch.from_numpy(pixels).to(device), None, attributes.to(device))


def _opened(name: str, folder: Path, build: Callable[[], Any]) -> Any:
    """The torchvision data set that `build` makes of the files in `folder`."""
    try:
        return build()
    except _DAMAGE as error:
        raise DataError(_damaged(name, folder)) from error


def _damaged(name: str, folder: Path) -> str:
    return f"The files of '{name}' in '{folder}' are damaged: delete that folder and load it again."


# ----------------------------------------------------------------------------------------------------------- fetching


class _RefusedError(Exception):
    """A server that can't be reached or does not give the file; the text is a short phrase."""


class _Meter:
    """Adds up the bytes of several files for one progress bar; the total grows if the guess was too low."""

    def __init__(self, progress: Progress | None, megabytes: float):
        self.tell, self.done, self.total = throttled(progress), 0, int(megabytes * 1e6)

    def add(self, count: int) -> None:
        self.done += count
        self.total = max(self.total, self.done + 1)
        self.tell(self.done, self.total)


def _fetch(name: str, urls: Sequence[str], target: Path, md5: str, meter: _Meter, instead: str = "") -> None:
    """Stream the first of `urls` that works into `target`, which appears only when whole and of the right checksum."""
    reasons = []
    for url in urls:
        before = meter.done
        try:
            with _whole_file(target) as file:
                digest = hashlib.md5(usedforsecurity=False)
                for chunk in _stream(url):
                    file.write(chunk)
                    digest.update(chunk)
                    meter.add(len(chunk))
                if digest.hexdigest() != md5:
                    raise _RefusedError(f"a damaged or different file from {urllib.parse.urlsplit(url).hostname}")
            return
        except _RefusedError as error:
            reasons.append(str(error))
            meter.done = before
    why = " and ".join(dict.fromkeys(reasons))
    instead = (
        instead or "use the built-in 'faces' or 'shapes', or give a folder or zip of your own pictures with --data PATH"
    )
    raise DataError(f"Could not download '{name}' ({why}): {instead}.")


def _stream(url: str) -> Iterator[bytes]:
    """The body of an address in pieces; all that goes wrong on the way becomes `_RefusedError`."""
    host = urllib.parse.urlsplit(url).hostname
    try:
        _reach(url)
        request = urllib.request.Request(url, headers={"User-Agent": "gan-playground"})
        with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as answer:
            if answer.headers.get_content_type() == "text/html":
                raise _RefusedError(
                    f"{host} answered with a page instead of the file, as it does when its quota is used up"
                )
            expected, got = answer.headers.get("Content-Length"), 0
            while chunk := answer.read(_CHUNK):
                got += len(chunk)
                yield chunk
            if expected is not None and expected.isdigit() and got < int(expected):
                raise _RefusedError(f"the connection to {host} broke off")
    except urllib.error.HTTPError as error:
        raise _RefusedError(f"{host} answered with error {error.code}") from error
    except (OSError, http.client.HTTPException) as error:  # URLError, TimeoutError and failures of TLS are OSErrors
        raise _RefusedError(f"no connection to {host}") from error


def _reach(url: str) -> None:
    """OSError unless the host accepts a connection within `CONNECT_SECONDS`, over all of its addresses together.

    `urlopen` alone waits that long for each address, and large hosts have many. Where a proxy stands between, only
    the proxy can tell.
    """
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return
    deadline = time.monotonic() + CONNECT_SECONDS
    failure: OSError = TimeoutError("no time left")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.settimeout(min(left, CONNECT_SECONDS / 2))
                probe.connect(address)
                return
        except OSError as error:
            failure = error
    raise failure


def _is_whole(path: Path, md5: str) -> bool:
    """True for a file that is there with the right checksum."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == md5


@contextmanager
def _whole_file(target: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the name `target` only if the block ends well; else nothing stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(part, 0o644)  # mkstemp makes it private, but a data folder may be shared
        os.replace(part, target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


@contextmanager
def _in_folder(name: str, root: Path) -> Iterator[None]:
    """Turns failures of the disk into one sentence."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else (error.strerror or "it failed").lower()
        what = f"'{error.filename or root}'"
        raise DataError(
            f"The files of '{name}' can't be kept in {what} ({why}): choose another folder with --data-dir PATH."
        ) from error


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
