"""The data sets by name, and the one door through which every picture comes in: `open_data`."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playground.errors import UsageError, suggestion

if TYPE_CHECKING:
    from playground.data.base import ImageStore


@dataclass(frozen=True)
class DataSpec:
    """What the app says of a data set before opening it. `kind`: "drawn" by code or "download" on first use."""

    name: str
    title: str
    kind: str
    help: str
    licence: str
    sizes: tuple[int, ...]
    default_size: int
    labelled: bool = True
    module: str = ""


_SIZES = (16, 32, 64, 128)

DATASETS: dict[str, DataSpec] = {
    spec.name: spec
    for spec in (
        DataSpec("faces", "Cartoon faces", "drawn", "Portraits drawn by code, with known factors: hair, glasses, hat, smile, age and more. Always at hand.", "CC0", (32, 64, 128), 32, module="faces"),
        DataSpec("shapes", "Simple shapes", "drawn", "Circles, stars and squares with known colour, place and turn. The quickest to learn.", "CC0", _SIZES, 32, module="shapes"),
        DataSpec("mnist", "MNIST digits", "download", "60,000 handwritten digits, downloaded on first use (12 MB).", "CC BY-SA 3.0", _SIZES, 32),
        DataSpec("fashion-mnist", "Fashion-MNIST", "download", "60,000 small pictures of clothes, downloaded on first use (30 MB).", "MIT", _SIZES, 32),
        DataSpec("cifar10", "CIFAR-10", "download", "50,000 colour photos in ten classes, downloaded on first use (170 MB).", "research use", _SIZES, 32),
        DataSpec("celeba", "CelebA", "download", "200,000 photos of celebrities, downloaded on first use (1.4 GB).", "research use", (32, 64, 128), 64, labelled=False),
    )
}  # fmt: skip


def known(data: str) -> bool:
    """True for the name of a registered data set, False for a path."""
    return data in DATASETS


def title(data: str | Sequence[str]) -> str:
    """A short readable name for a data set or path."""
    if isinstance(data, str):
        return DATASETS[data].title if known(data) else Path(data).name
    return f"{len(data)} pictures"


def check_data(data: str | Sequence[str]) -> None:
    """Raise UsageError, with the nearest name, where `data` is neither registered nor an existing path."""
    for item in [data] if isinstance(data, str) else data or [""]:
        if not item:
            raise UsageError(f"No data given: name one of {', '.join(DATASETS)}, or a folder or zip of pictures.")
        path = os.path.expanduser(item)
        if not known(item) and not os.path.exists(path):  # not pathlib's, which raises for what no file can be called
            near = difflib.get_close_matches(item, _beside(Path(path)), n=1)
            hint = f"Did you mean '{near[0]}'?" if near else suggestion(item, DATASETS)
            raise UsageError(f"No data set, folder or zip is called '{item}'. {hint}")


def _beside(path: Path) -> list[str]:
    """Paths of the folders and zips next to where `path` would be, for a suggestion."""
    try:
        return [str(p) for p in sorted(path.parent.iterdir())[:500] if p.is_dir() or p.suffix.lower() == ".zip"]
    except (OSError, ValueError):
        return []


def open_data(
    data: str | Sequence[str],
    *,
    size: int | None = None,
    seed: int = 0,
    fit: str = "crop",
    max_images: int = 0,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> ImageStore:
    """Decode a data set into memory.

    Args:
        data: a name in `DATASETS`, the path of a folder or zip, or a list of picture files.
        size: side in pixels; None or 0 takes the data set's own default.
        seed: which endless data set is drawn; pictures on disk don't depend on it.
        fit: "crop", "pad" or "stretch": how a picture that is not square becomes square.
        max_images: at most this many pictures; 0 takes all.
        data_dir: where downloads are kept; default `~/.cache/gan-playground`.
        progress: called now and then with (done, total).

    Raises:
        UsageError: unknown name or missing path, or a size that a drawn data set doesn't have.
        DataError: nothing usable in it, or it can't be downloaded.
    """
    check_data(data)
    size = size or None
    if isinstance(data, str) and known(data):
        spec = DATASETS[data]
        if spec.kind == "drawn":
            module = importlib.import_module(f"playground.data.{spec.module}")
            extra = {"count": max_images} if max_images else {}
            return module.load(size or spec.default_size, seed=seed, device=device, **extra)
        from playground.data.downloads import load_torchvision

        folder = Path(data_dir or Path.home() / ".cache" / "gan-playground").expanduser()
        return load_torchvision(
            data, size=size, data_dir=folder, device=device, progress=progress, max_images=max_images or None
        )
    from playground.data.images import load_images

    return load_images(data, size=size, fit=fit, max_images=max_images or None, device=device, progress=progress)
