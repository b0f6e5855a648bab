"""The data sets by name, and the one door through which every picture comes in: `open_data`."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import UsageError, suggestion, unknown

if TYPE_CHECKING:
    from playground.data.base import ImageStore


@dataclass(frozen=True)
class DataSpec:
    """What the app says of a data set before opening it. `kind`: "drawn" by code, "points" (drawn by code too, but not
    pictures) or "download" on first use.

    A set for translation names its two `sides`; `paired` says whether their pictures belong together one by one.
    """

    name: str
    title: str
    kind: str
    help: str
    licence: str
    sizes: tuple[int, ...]
    default_size: int
    labelled: bool = True
    module: str = ""
    sides: tuple[str, ...] = ()  # what A and B show, of a two-sided set
    paired: bool = False


_SIZES = (16, 32, 64, 128)
_FACES = (32, 64, 128)

DATASETS: dict[str, DataSpec] = {
    spec.name: spec
    for spec in (
        DataSpec("faces", "Cartoon faces", "drawn", "Portraits drawn by code, with known factors: hair, glasses, hat, smile, age and more. Always at hand.", "CC0", (32, 64, 128), 32, module="faces"),
        DataSpec("shapes", "Simple shapes", "drawn", "Circles, stars and squares with known colour, place and turn. The quickest to learn.", "CC0", _SIZES, 32, module="shapes"),
        DataSpec("mnist", "MNIST digits", "download", "60,000 handwritten digits, downloaded on first use (12 MB).", "CC BY-SA 3.0", _SIZES, 32),
        DataSpec("stacked-mnist", "Stacked digits", "download", "Three MNIST digits at once, as red, green and blue: 1,000 combinations, of which a collapsed generator shows few. Downloads MNIST on first use (12 MB).", "CC BY-SA 3.0", _SIZES, 32, module="stacked"),
        DataSpec("fashion-mnist", "Fashion-MNIST", "download", "60,000 small pictures of clothes, downloaded on first use (30 MB).", "MIT", _SIZES, 32),
        DataSpec("cifar10", "CIFAR-10", "download", "50,000 colour photos in ten classes, downloaded on first use (170 MB).", "research use", _SIZES, 32),
        DataSpec("celeba", "CelebA", "download", "200,000 photos of celebrities, downloaded on first use (1.4 GB).", "research use", (32, 64, 128), 64, labelled=False),
        DataSpec("faces-edges", "Faces from line drawings", "drawn", "A line drawing and the cartoon face it belongs to.", "CC0", _FACES, 64, False, "pairs", ("line drawing", "face"), True),
        DataSpec("faces-labels", "Faces from label maps", "drawn", "A map that says what is where (skin, hair, eyes, ...) and the cartoon face it belongs to.", "CC0", _FACES, 64, False, "pairs", ("label map", "face"), True),
        DataSpec("faces-segmentation", "Label maps of faces", "drawn", "A cartoon face and the map that says what is where in it.", "CC0", _FACES, 64, False, "pairs", ("face", "label map"), True),
        DataSpec("faces-styles", "Faces in two styles", "drawn", "Cartoon faces in flat colours, and other people in pen and wash: no two belong together.", "CC0", _FACES, 64, False, "pairs", ("flat", "ink")),
        DataSpec("ring", "Ring", "points", "Eight small Gaussians on a circle: the classic test of mode collapse.", "CC0", (1,), 1, True, "points"),
        DataSpec("grid", "Grid", "points", "25 small Gaussians in a square grid.", "CC0", (1,), 1, True, "points"),
        DataSpec("line", "Line", "points", "A line across the plane: a distribution of one dimension in a space of two.", "CC0", (1,), 1, False, "points"),
        DataSpec("gaussians", "Three Gaussians", "points", "Three round clouds of points: easy, with room to see what happens.", "CC0", (1,), 1, True, "points"),
        DataSpec("spiral", "Spiral", "points", "Two arms that wind around each other.", "CC0", (1,), 1, False, "points"),
        DataSpec("swiss-roll", "Swiss roll", "points", "A rolled-up sheet, seen from its end.", "CC0", (1,), 1, False, "points"),
        DataSpec("blobs", "Two blobs", "points", "Two clouds that do not touch: what lies between them must be jumped over.", "CC0", (1,), 1, True, "points"),
    )
}  # fmt: skip


def known(data: str) -> bool:
    """True for the name of a registered data set, False for a path."""
    return data in DATASETS


def of_points(data: str | Sequence[str]) -> bool:
    """True for the name of a set of points: presets take other networks and rates for these."""
    return isinstance(data, str) and known(data) and DATASETS[data].kind == "points"


def drawn(data: str) -> bool:
    """True for the name of a set that is drawn by code, of which fresh pictures can be had."""
    return known(data) and DATASETS[data].kind == "drawn"


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
    sides: str | None = None,
    pair_input: str = "left",
    edges: str = "drawing",
) -> ImageStore:
    """Decode a data set into memory.

    Args:
        data: a name in `DATASETS`, the path of a folder or zip, or a list of picture files.
        size: side in pixels; None or 0 takes the data set's own default.
        seed: which endless data set is drawn; pictures on disk don't depend on it.
        fit: "crop", "pad" or "stretch": how a picture that is not square becomes square.
        max_images: at most this many pictures (of a two-sided set: pairs, or pictures a side); 0 takes all.
        data_dir: where downloads are kept; default `~/.cache/gan-playground`.
        progress: called now and then with (done, total).
        sides: what the method learns from: None takes the data as it is, "paired" and "unpaired" make a `PairStore` of
            it (`pairs.load_pairs`); where "paired" finds a single set, the input of every picture is its own edges.
        pair_input: "left" or "right": which half of pairs side by side, or which of two folders, is the input.
        edges: the detector that makes inputs of single pictures, a name in `edges.DETECTORS`.

    Raises:
        UsageError: unknown name or missing path, a size that a drawn data set doesn't have, or a data set without the
            sides that are asked for.
        DataError: nothing usable in it, or it can't be downloaded.
    """
    check_data(data)
    size = size or None
    if sides is not None:
        return _two_sided(data, sides, size, seed, fit, max_images, data_dir, device, progress, pair_input, edges)
    if isinstance(data, str) and known(data):
        spec = DATASETS[data]
        if spec.kind == "points":
            from playground.data import points

            return points.load(data, count=max_images or points.COUNT, seed=seed, device=device)
        if spec.kind == "drawn":
            module = importlib.import_module(f"playground.data.{spec.module}")
            extra: dict[str, Any] = {"count": max_images} if max_images else {}
            if spec.sides:
                return module.load(data, size or spec.default_size, seed=seed, device=device, **extra)
            return module.load(size or spec.default_size, seed=seed, device=device, **extra)
        from playground.data.downloads import load_torchvision

        folder = Path(data_dir or Path.home() / ".cache" / "gan-playground").expanduser()
        if spec.module == "stacked":
            from playground.data import stacked

            return stacked.load(
                size, data_dir=folder, seed=seed, count=max_images or stacked.COUNT, device=device, progress=progress
            )
        return load_torchvision(
            data, size=size, data_dir=folder, device=device, progress=progress, max_images=max_images or None
        )
    from playground.data.images import load_images

    return load_images(data, size=size, fit=fit, max_images=max_images or None, device=device, progress=progress)


def _two_sided(
    data: str | Sequence[str],
    sides: str,
    size: int | None,
    seed: int,
    fit: str,
    max_images: int,
    data_dir: str | Path | None,
    device: str,
    progress: Callable[[int, int], None] | None,
    pair_input: str,
    edges: str,
) -> ImageStore:
    """The `PairStore` that `sides` asks for, out of any data."""
    from playground.data import pairs

    if sides not in pairs.WANTED:
        raise unknown("sides", sides, pairs.WANTED)
    if not (isinstance(data, str) and known(data)):
        return pairs.load_pairs(
            data, sides, size=size, fit=fit, max_images=max_images or None, pair_input=pair_input, edges=edges,
            device=device, progress=progress,
        )  # fmt: skip
    spec = DATASETS[data]
    if spec.kind == "points":
        raise UsageError(f"'{data}' is a set of points, which can't be translated: choose pictures.")
    if spec.sides and (spec.paired or sides == "unpaired"):
        extra: dict[str, Any] = {"count": max_images} if max_images else {}
        together = sides == "paired"
        return pairs.load(data, size or spec.default_size, seed=seed, device=device, paired=together, **extra)
    if sides == "unpaired" or spec.sides:
        fitting = [name for name, s in DATASETS.items() if s.sides and (s.paired or sides == "unpaired")]
        wanted = "pairs of pictures that belong together" if sides == "paired" else "two sets of pictures"
        has = "two sets whose pictures don't belong together" if spec.sides else "one set of pictures"
        raise UsageError(
            f"This method learns from {wanted}, but '{data}' is {has}: choose {', '.join(fitting[:-1])} or "
            f"{fitting[-1]}, or give two folders called A and B inside one folder or zip."
        )
    if edges not in pairs.DETECTORS:  # before anything is downloaded
        raise unknown("edge detector", edges, pairs.DETECTORS)
    store = open_data(
        data, size=size, seed=seed, fit=fit, max_images=max_images, data_dir=data_dir, device=device, progress=progress
    )
    return pairs.edge_pairs(store, edges)
