"""Two-sided data for translation: drawn sets whose sides are known to belong together, and pairs from pictures.

Every drawn set is made of the same factors as `faces`: side A and side B are two renderings of one program
(`portrait.draw_portrait`) by two painters, so that what belongs together does so to the pixel. A person's own pictures
are two folders, pictures side by side in one file, or a single set whose inputs are its own edges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np
import torch
from torch import Tensor

from playground.data import drawing, faces
from playground.data.base import Batch, DataInfo, DrawnStore, ImageStore, PairStore, Side, from_pixels
from playground.data.images import (
    _SPLITS,
    COLOUR_SAMPLE,
    SAMPLE,
    PathLike,
    Progress,
    Understood,
    _check_options,
    _clean,
    _count,
    _default_size,
    _Entry,
    _evenly,
    _header,
    _joined,
    _listing,
    _looks_grey,
    _one_split,
    _quote,
    _scan,
    _Source,
    _survey,
    _UnreadableError,
    allocate,
    decode_all,
    decode_halves,
    each_readable,
    inspect_images,
    load_images,
    side_by_side,
)
from playground.edges import DETECTORS, detect_edges
from playground.errors import DataError, UsageError, unknown

DrawPair = Callable[[int, torch.Generator, torch.device], Batch]

COUNT = 16_384


class DrawnPairStore(PairStore, DrawnStore):
    """A two-sided data set drawn by code, in chunks, each when it is first needed; the same in every run.

    Args:
        info: the facts, with two `sides`; paired, `info.count` pairs, else half of it on either side.
        draw: `draw(n, generator, device) -> Batch` of n pictures of A as images and n of B as targets, in [-1, 1];
            reads randomness from `generator` only.
        seed: another seed is another data set.
    """

    def __init__(self, info: DataInfo, draw: DrawPair, seed: int = 0, device: torch.device | str = "cpu"):
        each = info.count if info.paired else info.count // 2
        blank = [
            torch.zeros(each, side.size, side.size, side.channels, dtype=torch.uint8, device=device)
            for side in info.sides
        ]
        PairStore.__init__(self, info, *blank)
        self.draw, self.seed = draw, seed
        self.drawn = np.zeros(-(-each // self.chunk), dtype=bool)

    def to(self, device: torch.device | str) -> ImageStore:
        return self if torch.device(device) == self.device else DrawnPairStore(self.info, self.draw, self.seed, device)

    def take(self, indices: Tensor) -> Batch:
        if not self.drawn.all():
            needed = torch.cat(self.partners(indices)).cpu().numpy() // self.chunk
            for chunk in np.unique(needed):
                if not self.drawn[chunk]:
                    self._draw_chunk(int(chunk))
        return PairStore.take(self, indices)

    def _draw_chunk(self, chunk: int) -> None:
        first, last = chunk * self.chunk, min((chunk + 1) * self.chunk, len(self.pixels))
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + chunk)
        batch = self.draw(last - first, generator, self.device)
        for pixels, images in ((self.pixels, batch.images), (self.other_pixels, batch.targets)):
            pixels[first:last] = images.permute(0, 2, 3, 1).add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
        self.drawn[chunk] = True


# ------------------------------------------------------------------------------------------------------- drawn sets


@dataclass(frozen=True)
class _Recipe:
    """How a drawn set is made: `paint(factors_a, factors_b, size)` gives A and B in [-1, 1]."""

    sides: tuple[str, str]
    paint: Callable[[drawing.Factors, drawing.Factors, int], tuple[Tensor, Tensor]]
    labelled: tuple[bool, bool] = (False, False)
    channels: tuple[int, int] = (3, 3)
    paired: bool = True


def _map(factors: drawing.Factors, size: int) -> Tensor:
    """The label map [N, 1, S, S] as numbers k / 127.5 - 1."""
    return faces.label_map(factors, size)[:, None].to(torch.float32).div_(127.5).sub_(1)


_RECIPES: dict[str, _Recipe] = {
    "faces-edges": _Recipe(
        ("line drawing", "face"), lambda f, _, size: (faces.edges(f, size), faces.render(f, size)), channels=(1, 3)
    ),
    "faces-labels": _Recipe(
        ("label map", "face"), lambda f, _, size: (_map(f, size), faces.render(f, size)), (True, False), (1, 3)
    ),
    "faces-segmentation": _Recipe(
        ("face", "label map"), lambda f, _, size: (faces.render(f, size), _map(f, size)), (False, True), (3, 1)
    ),
    "faces-styles": _Recipe(
        ("flat", "ink"),
        lambda f, g, size: (faces.render(f, size, "flat"), faces.render(g, size, "ink")),
        paired=False,
    ),
}


def load(
    name: str,
    size: int = 64,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    count: int = COUNT,
    paired: bool | None = None,
) -> DrawnPairStore:
    """A drawn two-sided set of `count` pictures a side, of `size` pixels (16 to 256, a power of two).

    Picture i of `faces-edges`, `faces-labels` and `faces-segmentation` shows the portrait i of `faces` of that seed;
    the sides of `faces-styles` show different people.

    Args:
        name: "faces-edges", "faces-labels", "faces-segmentation" or "faces-styles".
        paired: False forgets who belongs to whom.

    Raises:
        UsageError: an unknown name, a bad size or count.
    """
    if name not in _RECIPES:
        raise unknown("two-sided data set", name, _RECIPES)
    recipe = _RECIPES[name]
    drawing.check_size(name, size)
    count = drawing.check_count(name, count)
    together = recipe.paired and paired is not False
    sides = tuple(
        Side(title, channels, size, *((faces.LABELS, faces.PALETTE) if labelled else ()))
        for title, channels, labelled in zip(recipe.sides, recipe.channels, recipe.labelled, strict=True)
    )
    info = DataInfo(
        name,
        sides[1].channels,
        size,
        count if together else 2 * count,
        licence=drawing.LICENCE,
        sides=sides,
        paired=together,
    )

    def draw(n: int, generator: torch.Generator, device: torch.device) -> Batch:
        factors = faces.sample_factors(n, generator, device)
        others = factors if recipe.paired else faces.sample_factors(n, generator, device)
        images, targets = recipe.paint(factors, others, size)
        return Batch(images, targets=targets)

    return DrawnPairStore(info, draw, seed, device)


# ---------------------------------------------------------------------------------------------- pairs out of pictures


def edge_pairs(store: ImageStore, detector: str = "drawing") -> PairStore:
    """Pairs out of any set of pictures: A is the drawing that `edges.detect_edges` makes of a picture, B the picture.

    A set drawn by code stays lazy; of others all edges are found at once.

    Raises:
        UsageError: an unknown detector, or a set that has two sides already.
    """
    if detector not in DETECTORS:
        raise unknown("edge detector", detector, DETECTORS)
    plain = store.info
    if plain.sides:
        raise UsageError(f"'{plain.name}' has two sides already: its pairs need no edge detector.")
    title = DETECTORS[detector].title
    info = replace(
        plain,
        classes=(),
        attributes=(),
        notes=(*plain.notes, f"Every picture is the output of a pair whose input are its own edges ({title.lower()})."),
        sides=(Side("edges", 1, plain.size), Side("picture", plain.channels, plain.size)),
        paired=True,
    )
    if isinstance(store, DrawnStore):
        pictures = store.draw

        def draw(n: int, generator: torch.Generator, device: torch.device) -> Batch:
            images = pictures(n, generator, device).images
            return Batch(detect_edges(images, detector), targets=images)

        return DrawnPairStore(info, draw, store.seed, store.device)
    lines = torch.empty(*store.pixels.shape[:3], 1, dtype=torch.uint8, device=store.device)
    step = max(1, 2**20 // plain.size**2)
    for a in range(0, plain.count, step):
        drawn = detect_edges(from_pixels(store.pixels[a : a + step]), detector)
        lines[a : a + step] = drawn.permute(0, 2, 3, 1).add(1).mul(127.5).round().to(torch.uint8)
    return PairStore(info, lines, store.pixels)


# --------------------------------------------------------------------------------------------- a person's own pictures

WANTED = ("paired", "unpaired")
HALVES = ("left", "right")

# Folders known for an input and an output, in this order, whatever their files are called.
_KNOWN = (
    ("a", "b"), ("traina", "trainb"), ("train_a", "train_b"), ("input", "target"), ("input", "output"),
    ("inputs", "targets"), ("inputs", "outputs"), ("source", "target"), ("before", "after"), ("x", "y"),
)  # fmt: skip
_NEARLY_ALL = 0.9  # of the pictures must be twice as wide as high to be taken for two side by side
_LAYOUT_HELP = "put them in two folders called A and B inside one folder or zip"


@dataclass(frozen=True)
class UnderstoodPairs:
    """What was made of a folder or zip of two-sided data, before any training.

    `layout` is "folders", "side by side" or "edges"; `counts` is how many pictures A and B have; `info` describes what
    `load_pairs` would give (`info.notes` are the sentences); `thumbnails` is uint8 [n <= 12, 2, 96, 96, 3], A and B.
    """

    layout: str
    counts: tuple[int, int]
    info: DataInfo
    thumbnails: np.ndarray = field(repr=False, compare=False)

    def sentences(self) -> tuple[str, ...]:
        """The same in words, for a person to agree with."""
        return self.info.notes


@dataclass
class _Found:
    """Two-sided data found on disk: side by side both `sides` list the same files, else each its own."""

    layout: str
    paired: bool
    sides: tuple[_Source, _Source]
    names: tuple[str, str]
    notes: list[str]
    turned: bool  # A is the right half

    def thin(self, most: int | None) -> None:
        lengths = [len(side.entries) for side in self.sides]
        if most is None or max(lengths) <= most:
            return
        what = _pairs(lengths[0]) if self.paired else f"{lengths[0]:,} and {lengths[1]:,} pictures"
        on = "" if self.paired else " on each side"
        self.notes.append(f"Only {most:,} of the {what} are used{on}, as max_images asks.")
        for side in {id(s): s for s in self.sides}.values():
            side.entries = [side.entries[i] for i in _evenly(len(side.entries), most)]

    def survey(self) -> tuple[list[tuple[int, int]], tuple[int, int]]:
        """Sizes of the pictures that will be learned from, and the channels of each side."""
        if self.layout != "side by side":
            found = [_survey(side, None) for side in self.sides]
            return [size for survey in found for size in survey.sizes], (found[0].channels, found[1].channels)
        source = self.sides[0]
        sizes, grey = [], [True, True]
        for i in _evenly(len(source.entries), SAMPLE):
            try:
                width, height = _header(source, i)[0]
                sizes.append((width // 2, height))
            except _UnreadableError:
                continue  # told when it is decoded
        for i in _evenly(len(source.entries), COLOUR_SAMPLE):
            try:
                halves = decode_halves(source.read(i), 64, (3, 3), "stretch")
            except _UnreadableError:
                continue
            grey = [so_far and _looks_grey(half) for so_far, half in zip(grey, halves, strict=True)]
            if not any(grey):
                break
        channels = tuple(1 if one else 3 for one in grey)
        return sizes or [(32, 32)], channels[::-1] if self.turned else channels

    def decode(
        self,
        chosen: tuple[list[int], list[int]],
        pixels: tuple[np.ndarray, np.ndarray],
        fit: str,
        progress: Progress | None = None,
    ) -> tuple[dict[int, str], dict[int, str]]:
        """Fill `pixels` with the pictures `chosen` of either side; what can't be, as position to reason."""
        size = pixels[0].shape[1]
        if self.layout == "side by side":
            first, second = pixels[::-1] if self.turned else pixels
            channels = (first.shape[3], second.shape[3])

            def cut(k: int) -> None:
                first[k], second[k] = decode_halves(self.sides[0].read(chosen[0][k]), size, channels, fit)

            bad = each_readable(cut, len(first), progress)
            return bad, bad
        count_a, total = len(chosen[0]), len(chosen[0]) + len(chosen[1])

        def later(done: int, _: int) -> None:
            if progress is not None:
                progress(count_a + done, total)

        def sooner(done: int, _: int) -> None:
            if progress is not None:
                progress(done, total)

        bad_a = decode_all(lambda k: self.sides[0].read(chosen[0][k]), pixels[0], fit, sooner)
        bad_b = decode_all(lambda k: self.sides[1].read(chosen[1][k]), pixels[1], fit, later)
        return bad_a, bad_b


def load_pairs(
    path: PathLike | Sequence[PathLike],
    sides: str = "paired",
    *,
    size: int | None = None,
    fit: str = "crop",
    max_images: int | None = None,
    pair_input: str = "left",
    edges: str = "drawing",
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    name: str | None = None,
) -> PairStore:
    """Decode two-sided data from a folder, a zip or a list of files.

    Tried in this order: two folders of which every layout of names in common use is known (A and B, trainA and trainB,
    input and target, ...), or any two; files of two pictures side by side (width twice the height, nearly all of them);
    and, where pairs are wanted of a single set, its pictures with their own edges as input. Pictures in two folders
    belong together by the name of their file without its ending. Files are understood as in `images.load_images`.

    Args:
        path: as in `load_images`.
        sides: "paired" or "unpaired".
        size: side in pixels of both sides; None chooses as `load_images` does.
        fit: "crop", "pad" or "stretch", for each half or picture by itself.
        max_images: at most this many pairs, or pictures on each side where unpaired.
        pair_input: which is the input: "left" (left half, or the first folder) or "right".
        edges: a name in `edges.DETECTORS`, for the last case.

    Raises:
        UsageError: missing path, an option out of range, or one set where two are needed.
        DataError: nothing usable, or two folders in which nothing belongs together.
    """
    _check(sides, size, fit, max_images, pair_input, edges)
    with _scan(path, name) as source:
        found = _recognised(source, sides, pair_input)
        if found is None:
            return _with_note(
                edge_pairs(
                    load_images(
                        path, size=size, fit=fit, max_images=max_images, device=device, progress=progress, name=name
                    ),
                    edges,
                ),
                _why_edges(source),
            )
        found.thin(max_images)
        sizes, channels = found.survey()
        side = size or _default_size(sizes)
        indices = tuple(list(range(len(part.entries))) for part in found.sides)
        pixels = tuple(allocate(source.name, len(chosen), side, c) for chosen, c in zip(indices, channels, strict=True))
        bad = found.decode(indices, pixels, fit, progress)
    info, kept = _described(source, found, side, channels, bad)
    stores = [torch.from_numpy(p if len(k) == len(p) else p[k]).to(device) for p, k in zip(pixels, kept, strict=True)]
    return PairStore(info, *stores)


def inspect_pairs(
    path: PathLike | Sequence[PathLike],
    sides: str = "paired",
    *,
    size: int | None = None,
    fit: str = "crop",
    max_images: int | None = None,
    pair_input: str = "left",
    edges: str = "drawing",
    name: str | None = None,
) -> UnderstoodPairs:
    """Look before loading: what `load_pairs` with the same arguments would make of it, from headers and few pictures.

    Raises:
        UsageError, DataError: as `load_pairs` would, except for what only decoding everything shows.
    """
    _check(sides, size, fit, max_images, pair_input, edges)
    with _scan(path, name) as source:
        found = _recognised(source, sides, pair_input)
        if found is None:
            seen = inspect_images(path, size=size, fit=fit, max_images=max_images, name=name)
            return _edges_understood(seen, edges, _why_edges(source))
        found.thin(max_images)
        sizes, channels = found.survey()
        side = size or _default_size(sizes)
        lengths = [len(part.entries) for part in found.sides]
        shown = [_evenly(min(lengths) if found.paired else n, 12) for n in lengths]
        shown = [chosen[: min(map(len, shown))] for chosen in shown]
        pixels = tuple(np.empty((len(shown[0]), 96, 96, c), np.uint8) for c in channels)
        bad_here = found.decode((shown[0], shown[1]), pixels, fit)
    bad = tuple({shown[k][i]: why for i, why in bad_here[k].items()} for k in (0, 1))
    info, kept = _described(source, found, side, channels, bad)
    fine = [i for i in range(len(shown[0])) if i not in bad_here[0] and i not in bad_here[1]]
    tiles = np.stack([np.broadcast_to(p[fine], (len(fine), 96, 96, 3)) for p in pixels], axis=1)
    return UnderstoodPairs(found.layout, (len(kept[0]), len(kept[1])), info, tiles)


def _check(sides: str, size: int | None, fit: str, max_images: int | None, pair_input: str, edges: str) -> None:
    _check_options(size, fit, max_images)
    for label, value, known in (
        ("sides", sides, WANTED),
        ("pair_input", pair_input, HALVES),
        ("edges", edges, DETECTORS),
    ):
        if value not in known:
            raise unknown(label, value, known)


def _edges_understood(seen: Understood, detector: str, why: str) -> UnderstoodPairs:
    pictures = torch.from_numpy(np.ascontiguousarray(seen.thumbnails[:12]))
    lines = detect_edges(from_pixels(pictures), detector).permute(0, 2, 3, 1).add(1).mul(127.5).round().to(torch.uint8)
    tiles = np.stack([lines.expand(-1, -1, -1, 3).numpy(), pictures.numpy()], axis=1)
    title = DETECTORS[detector].title.lower()
    notes = (*seen.sentences(), f"Every picture is the output of a pair whose input are its own edges ({title}).")
    info = DataInfo(
        seen.name, seen.channels, seen.size, seen.count, notes=(*notes, why) if why else notes,
        sides=(Side("edges", 1, seen.size), Side("picture", seen.channels, seen.size)), paired=True,
    )  # fmt: skip
    return UnderstoodPairs("edges", (seen.count, seen.count), info, tiles)


def _with_note(store: PairStore, note: str) -> PairStore:
    if note:
        store.info = replace(store.info, notes=(*store.info.notes, note))
    return store


def _pairs(n: int) -> str:
    return f"{n:,} pair{'' if n == 1 else 's'}"


# What belongs together


def _recognised(source: _Source, wanted: str, pair_input: str) -> _Found | None:
    """The two sides of what was scanned; None for a single set of pictures where pairs are wanted.

    Raises:
        UsageError: a single set where two are needed.
        DataError: two folders without anything in common where pairs are wanted.
    """
    notes: list[str] = []
    folders = _folders(source, notes) if source.found else {}
    chosen, known = _two_of(folders)
    if chosen:
        if pair_input == "right":
            chosen = chosen[::-1]
        sides = tuple(_part(source, folders[folder], folder) for folder in chosen)
        if wanted == "unpaired":
            notes += _beside(source, folders, chosen)
            return _Found("folders", False, sides, _titles(chosen), notes, False)
        alone = _match(*sides)
        if sides[0].entries or known:
            notes += _beside(source, folders, chosen)
            notes += _partners(sides, alone, chosen)
            return _Found("folders", True, sides, _titles(chosen), notes, False)
    share = _wide_share(source)
    if share >= _NEARLY_ALL:
        turned = pair_input == "right"
        names = ("right half", "left half") if turned else ("left half", "right half")
        notes = [note for note in source.notes if note not in source.planned] + notes
        entries = _part(source, [(e.name, e.where, e.size) for e in source.entries], "")
        return _Found("side by side", wanted == "paired", (entries, entries), names, notes, turned)
    if wanted == "paired":
        return None
    raise UsageError(
        f"{source.shown[:1].upper()}{source.shown[1:]} is one set of pictures, but this method learns between two that "
        f"need not belong together: {_LAYOUT_HELP}, or choose a data set with two sides, such as 'faces-styles'."
    )


def _folders(source: _Source, notes: list[str]) -> dict[str, list]:
    """The pictures by their topmost folder, "" for those beside folders; of several splits only the training one."""
    paths = _one_split([name for name, _, _ in source.found], notes)
    groups: dict[str, list] = {}
    for i, parts in paths.items():
        top = parts[0] if len(parts) > 1 else ""
        groups.setdefault(top, []).append(("/".join(parts[1:] if top else parts), *source.found[i][1:]))
    return groups


def _two_of(folders: dict[str, list]) -> tuple[tuple[str, str] | None, bool]:
    """(input folder, output folder), or None, and whether their names say so."""
    lower = {folder.lower(): folder for folder in sorted(folders, reverse=True) if folder}
    for a, b in _KNOWN:
        if a in lower and b in lower:
            others = [folder for folder in lower if folder not in (a, b)]
            if len(a) == 1 and any(not folder.startswith(("test", "val")) for folder in others):
                continue  # two letters of an alphabet
            return (lower[a], lower[b]), True
    named = sorted(folder for folder in folders if folder)
    if len(named) == 2 and "" not in folders and not {n.lower() for n in named} & _SPLITS:
        return (named[0], named[1]), False
    return None, False


def _titles(folders: tuple[str, str]) -> tuple[str, str]:
    return _clean(folders[0]), _clean(folders[1])


def _part(source: _Source, files: list, folder: str) -> _Source:
    """One side as a source of its own, its pictures in order of name; the archive stays that of `source`."""
    part = _Source(folder or source.name, _quote(folder) if folder else source.shown, source.archive)
    part.entries = sorted((_Entry(name, None, where, size) for name, where, size in files), key=lambda e: e.name)
    return part


def _match(a: _Source, b: _Source) -> list[tuple[str, str]]:
    """Keep in both, in the same order, what has a partner of the same name; returns (folder/name, "") of the rest."""
    tables: list[dict[str, _Entry]] = []
    alone: list[tuple[str, str]] = []
    for part in (a, b):
        table: dict[str, _Entry] = {}
        for entry in part.entries:
            stem = str(PurePosixPath(entry.name).with_suffix("")).casefold()
            if stem in table:
                alone.append((f"{part.name}/{entry.name}", "its name is there twice"))
            table.setdefault(stem, entry)
        tables.append(table)
    both = [stem for stem in tables[0] if stem in tables[1]]
    for part, table in zip((a, b), tables, strict=True):
        alone += [(f"{part.name}/{entry.name}", "") for stem, entry in table.items() if stem not in set(both)]
        part.entries = [table[stem] for stem in both]
    return alone


def _partners(sides: tuple[_Source, _Source], alone: list[tuple[str, str]], folders: tuple[str, str]) -> list[str]:
    """What to say of pictures without a partner; DataError where hardly any has one."""
    listed = _listing(alone)
    if len(sides[0].entries) >= 2:
        return [f"Left out: {_count(len(alone))} without a partner: {listed}."] if alone else []
    a, b = map(_quote, folders)
    few = "Only one picture" if sides[0].entries else "No picture"
    raise DataError(
        f"{few} in the folder {a} has a partner of the same name in {b} (without one: {listed or 'none'}): call the "
        "two pictures of a pair the same, such as A/1.png and B/1.jpg."
    )


def _beside(source: _Source, folders: dict[str, list], chosen: tuple[str, str]) -> list[str]:
    """What lies beside the two folders and was left out."""
    notes = [note for note in source.notes if note not in source.planned]
    others = sorted(folder for folder in folders if folder and folder not in chosen)
    if others:
        listed = _joined([_quote(folder) for folder in others[:5]])
        notes.append(f"Of the folders only {_quote(chosen[0])} and {_quote(chosen[1])} are used, not {listed}.")
    if "" in folders:
        listed = _listing([(name, "") for name, *_ in folders[""]])
        notes.append(f"Left out, since in neither of the two folders: {listed}.")
    return notes


def _wide_share(source: _Source) -> float:
    """Which share of up to SAMPLE readable pictures is twice as wide as high."""
    wide = seen = 0
    for i in _evenly(len(source.entries), SAMPLE):
        try:
            wide += side_by_side(_header(source, i)[0])
            seen += 1
        except _UnreadableError:
            continue  # told when it is decoded
    return wide / seen if seen else 0.0


def _why_edges(source: _Source) -> str:
    """Why files that look a little like pairs were not taken for them."""
    share = _wide_share(source)
    if share < 0.5:
        return ""
    return (
        f"Only {share:.0%} of the pictures are twice as wide as high, so they were not taken for two side by side; "
        "leave out the others if they should be."
    )


def _described(
    source: _Source,
    found: _Found,
    size: int,
    channels: tuple[int, int],
    bad: tuple[dict[int, str], dict[int, str]],
) -> tuple[DataInfo, tuple[list[int], list[int]]]:
    """The facts in sentences, and which pictures of either side remain; DataError where fewer than two do."""
    gone = (bad[0] | bad[1],) * 2 if found.paired else bad
    kept = tuple(
        [i for i in range(len(part.entries)) if i not in lost] for part, lost in zip(found.sides, gone, strict=True)
    )
    counts = (len(kept[0]), len(kept[1]))
    halves = found.layout == "side by side"
    spoiled = []
    for part, lost in list(zip(found.sides, bad, strict=True))[: 1 if halves else 2]:
        folder = "" if halves else f"{part.name}/"
        spoiled += [(folder + part.entries[i].name, why) for i, why in lost.items()]
    if min(counts) < 2:
        less = counts.index(min(counts))
        pairs = found.paired or halves
        what = _pairs(counts[less]) if pairs else _count(counts[less])
        where = source.shown if pairs else f"the folder {found.sides[less].shown}"
        besides = f" ({_count(len(spoiled))} can't be used: {_listing(spoiled)})" if spoiled else ""
        raise DataError(
            f"There {'is' if counts[less] == 1 else 'are'} only {what} in {where}{besides}, but a translator learns "
            "from many: give at least 2, and better 100 or more."
        )
    count_a, count_b = counts
    a, b = found.names
    if halves and found.paired:
        understood = f"{_pairs(count_a)}, side by side: the {a} is the input."
    elif halves:
        understood = f"{count_a:,} files of two pictures side by side, not used as pairs: the {a} is side A."
    elif found.paired:
        understood = f"{_pairs(count_a)} by the names of their files: {_quote(a)} is the input, {_quote(b)} the output."
    else:
        understood = f"{_count(count_a)} in {_quote(a)} and {count_b:,} in {_quote(b)}, which need not belong together."
    notes = [understood, *found.notes]
    if spoiled:
        were = "was" if len(spoiled) == 1 else "were"
        with_partner = ", with the partner," if found.paired and not halves else ""
        notes.append(f"{_count(len(spoiled))} can't be used and {were}{with_partner} left out: {_listing(spoiled)}.")
    notes += source.skip_notes({})
    sides = (Side(a, channels[0], size), Side(b, channels[1], size))
    info = DataInfo(
        source.name,
        channels[1],
        size,
        count_a if found.paired else count_a + count_b,
        notes=tuple(notes),
        sides=sides,
        paired=found.paired,
    )
    return info, kept
