"""What every data set is to the rest of the core: decoded pictures on the training device, taken by index.

Pictures are kept as uint8 in NHWC order: a quarter of the memory of float32, and a batch taken from it is already in
the channels-last layout that convolutions like best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.errors import DataError


@dataclass(frozen=True)
class Side:
    """What one side of a two-sided data set holds.

    A label map has `labels` (names of label 0, 1, ...) and `palette` (their colours, RGB 0 to 255); it is stored as
    one channel whose pixels are the numbers of the labels.
    """

    name: str
    channels: int
    size: int
    labels: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class World:
    """The space that a set of points lives in.

    `bounds` are the (low, high) of each dimension that are worth showing; `modes` the centres of the Gaussians it is
    made of and `sigma` their deviation, where it is made of such; `centre` and `spread` the mean and the deviation of
    all its coordinates, which networks are fed in units of.
    """

    bounds: tuple[tuple[float, float], ...]
    modes: tuple[tuple[float, ...], ...] = ()
    sigma: float | None = None
    centre: tuple[float, ...] = ()
    spread: float = 1.0


@dataclass(frozen=True)
class DataInfo:
    """Facts about a data set that networks, charts and cards are made from.

    `count` is the number of distinct pictures; `classes` names label 0, 1, ... (empty: no labels);
    `attributes` names the columns of the attribute vectors (empty: none). A set for translation has two `sides`, the
    input A and the output B; `channels` and `size` are then those of B, and `paired` says whether picture i of A
    belongs to picture i of B. A set of points has a `world`: its "pictures" are one pixel whose `channels` are the
    coordinates of a point (`points`).
    """

    name: str
    channels: int
    size: int
    count: int
    classes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    licence: str = ""
    notes: tuple[str, ...] = ()  # sentences on what was understood or left out, shown before training
    sides: tuple[Side, ...] = ()
    paired: bool = False
    world: World | None = None


@dataclass(frozen=True)
class Batch:
    """One mini-batch on the training device.

    `images` [N, C, H, W] float32 in [-1, 1]; `labels` [N] int64 or None; `attributes` [N, A] float32 or None. Of a
    two-sided set `images` are of side A and `targets` [N, C', H', W'] of side B; a label k of a label map is
    k / 127.5 - 1 (`label_numbers`).
    """

    images: Tensor
    labels: Tensor | None = None
    attributes: Tensor | None = None
    targets: Tensor | None = None


def label_numbers(x: Tensor) -> Tensor:
    """The labels that a label map [N, 1, H, W] in [-1, 1] holds: int64 [N, H, W]."""
    return x[:, 0].float().add(1).mul_(127.5).round_().long()


def from_pixels(pixels: Tensor) -> Tensor:
    """uint8 [N, H, W, C] -> float32 [N, C, H, W] in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1.0)


class ImageStore:
    """A data set decoded into memory.

    Args:
        info: the facts; `info.count` must equal the number of pictures.
        pixels: uint8 [N, H, W, C].
        labels: int64 [N] or None.
        attributes: float32 [N, A] or None.

    Raises:
        DataError: shapes that disagree with `info`.
    """

    def __init__(self, info: DataInfo, pixels: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None):
        if tuple(pixels.shape) != (info.count, info.size, info.size, info.channels) or pixels.dtype != torch.uint8:
            raise DataError(f"The pictures of '{info.name}' do not have the shape their description states.")
        for column in (labels, attributes):
            if column is not None and len(column) != info.count:
                raise DataError(f"'{info.name}' has {info.count} pictures but {len(column)} labels.")
        self.info, self.pixels, self.labels, self.attributes = info, pixels, labels, attributes

    def __len__(self) -> int:
        return self.info.count

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def to(self, device: torch.device | str) -> ImageStore:
        """The same data set on another device."""
        moved = [None if t is None else t.to(device) for t in (self.pixels, self.labels, self.attributes)]
        return ImageStore(self.info, *moved)

    def take(self, indices: Tensor) -> Batch:
        """The pictures at `indices` (int64 [N], any order, repeats allowed)."""
        indices = indices.to(self.device)
        images = from_pixels(self.pixels.index_select(0, indices))
        columns = [None if t is None else t.index_select(0, indices) for t in (self.labels, self.attributes)]
        return Batch(images, *columns)

    def preview(self, count: int = 25, seed: int = 0) -> np.ndarray:
        """`count` pictures spread over the set, as uint8 [n, H, W, 3] for showing."""
        chosen = np.random.default_rng(seed).permutation(len(self))[:count]
        return to_uint8(self.take(torch.as_tensor(np.sort(chosen))).images)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory once fully decoded."""
        return self.info.count * self.info.size**2 * self.info.channels


class PairStore(ImageStore):
    """A two-sided data set in memory: `take` gives A as `images` and B as `targets`.

    Paired, index i is pair i. Unpaired, index i is a virtual pair: every picture of the larger side meets
    `MEETINGS` pictures of the other, drawn once from a fixed seed, so that over the epochs A and B come in ever other
    company and each as often as its fellows.

    Args:
        info: the facts, with two `sides`; `info.count` is the number of pairs, or of pictures on both sides together.
        pixels_a, pixels_b: uint8 [N, S, S, C] of the two sides.

    Raises:
        DataError: shapes that disagree with `info`.
    """

    MEETINGS = 64

    def __init__(self, info: DataInfo, pixels_a: Tensor, pixels_b: Tensor):
        for side, pixels in zip(info.sides, (pixels_a, pixels_b), strict=True):
            if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != (side.size, side.size, side.channels):
                raise DataError(f"The pictures of '{info.name}' do not have the shape their description states.")
        count_a, count_b = len(pixels_a), len(pixels_b)
        if info.count != (count_a if info.paired else count_a + count_b) or (info.paired and count_a != count_b):
            raise DataError(f"'{info.name}' states {info.count} pictures but holds {count_a} and {count_b}.")
        self.info, self.pixels, self.other_pixels = info, pixels_a, pixels_b
        self.labels = self.attributes = None
        longer = max(count_a, count_b)
        self._length = count_a if info.paired else longer * self.MEETINGS
        rng = np.random.default_rng(0x5EED)
        self._meetings = None if info.paired else rng.integers(0, 2**31, self.MEETINGS)
        if self._meetings is not None:
            self._meetings[0] = 0  # so that pictures held out at the same places meet each other

    def __len__(self) -> int:
        return self._length

    def to(self, device: torch.device | str) -> ImageStore:
        return PairStore(self.info, self.pixels.to(device), self.other_pixels.to(device))

    def partners(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Which pictures of A and of B the (virtual) pairs `indices` consist of."""
        if self._meetings is None:
            return indices, indices
        count_a, count_b = len(self.pixels), len(self.other_pixels)
        longer = max(count_a, count_b)
        meeting, place = indices // longer, indices % longer
        shift = torch.as_tensor(self._meetings, device=indices.device)[meeting]
        if count_a >= count_b:
            return place, (place + shift) % count_b
        return (place + shift) % count_a, place

    def apart(self, share: float, seed: int) -> tuple[Tensor, Tensor]:
        """(virtual pairs of taught pictures, pairs of pictures held out): `share` of either side, at least two."""
        held = []
        for i, count in enumerate((len(self.pixels), len(self.other_pixels))):
            mark, most = torch.zeros(count, dtype=torch.bool), max(2, round(share * count))
            order = np.random.default_rng([seed, count, i, 0x5EED]).permutation(count)
            if isinstance(self, DrawnStore):  # mixed as they come: with the last ones held, batches stay in chunks
                order = np.arange(count)[::-1].copy()
            mark[torch.from_numpy(order[:most])] = True
            held.append(mark)
        of_a, of_b = self.partners(torch.arange(len(self)))
        of_a, of_b = held[0][of_a.cpu()], held[1][of_b.cpu()]
        taught, test = (~of_a & ~of_b).nonzero()[:, 0], (of_a & of_b).nonzero()[:, 0]
        if not len(taught) or not len(test):
            raise DataError(f"'{self.info.name}' has too few pictures to hold some out: add some to both sides.")
        return taught, test

    def take(self, indices: Tensor) -> Batch:
        of_a, of_b = self.partners(indices.to(self.device))
        images, targets = self.pixels.index_select(0, of_a), self.other_pixels.index_select(0, of_b)
        return Batch(from_pixels(images), targets=from_pixels(targets))

    def preview(self, count: int = 25, seed: int = 0) -> np.ndarray:
        """`count` pairs, A left of B, label maps in their colours: uint8 [n, H, 2 W, 3]."""
        length = len(self) if self._meetings is None else max(len(self.pixels), len(self.other_pixels))
        chosen = np.sort(np.random.default_rng(seed).permutation(length)[:count])
        batch = self.take(torch.as_tensor(chosen))
        both = (batch.images, batch.targets)
        return np.concatenate([_coloured(x, side) for x, side in zip(both, self.info.sides, strict=True)], axis=2)

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes + self.other_pixels.nbytes


def _coloured(x: Tensor, side: Side) -> np.ndarray:
    """Pictures of a side as uint8 [N, H, W, 3]."""
    if side.labels:
        return np.asarray(side.palette, np.uint8)[label_numbers(x).cpu().numpy()]
    pixels = to_uint8(x)
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


class DrawnStore(ImageStore):
    """A data set drawn by code, in chunks, each when it is first needed; picture i is the same in every run.

    Args:
        info: the facts, `info.count` pictures in all.
        draw: `draw(n, generator, device) -> Batch` with images in [-1, 1]; reads randomness from `generator` only.
        seed: another seed is another data set.
    """

    chunk = 256

    def __init__(self, info: DataInfo, draw: Callable[..., Batch], seed: int = 0, device: torch.device | str = "cpu"):
        n = info.count
        super().__init__(
            info,
            torch.zeros(n, info.size, info.size, info.channels, dtype=torch.uint8, device=device),
            torch.zeros(n, dtype=torch.int64, device=device) if info.classes else None,
            torch.zeros(n, len(info.attributes), device=device) if info.attributes else None,
        )
        self.draw, self.seed = draw, seed
        self.drawn = np.zeros(-(-n // self.chunk), dtype=bool)

    def to(self, device: torch.device | str) -> ImageStore:
        return self if torch.device(device) == self.device else DrawnStore(self.info, self.draw, self.seed, device)

    def take(self, indices: Tensor) -> Batch:
        if not self.drawn.all():
            for chunk in np.unique(indices.cpu().numpy() // self.chunk):
                if not self.drawn[chunk]:
                    self._draw_chunk(int(chunk))
        return super().take(indices)

    def _draw_chunk(self, chunk: int) -> None:
        first, last = chunk * self.chunk, min((chunk + 1) * self.chunk, len(self))
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + chunk)
        batch = self.draw(last - first, generator, self.device)
        self.pixels[first:last] = (
            batch.images.permute(0, 2, 3, 1).add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
        )
        for column, values in ((self.labels, batch.labels), (self.attributes, batch.attributes)):
            if column is not None and values is not None:
                column[first:last] = values
        self.drawn[chunk] = True


def split(store: ImageStore, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """(int64 indices to learn from, int64 indices to test on): `share` of the pictures is held out, at least two.

    Of a drawn set, whose pictures come mixed, the last ones are: it then stays in chunks. Of others, which may come
    sorted, a random choice that `seed` fixes. Of unpaired sides the pictures themselves are held out, on both sides: no
    pair to learn from holds one of them, and pairs to test on hold nothing else. A share of 0 holds nothing out.
    """
    count = len(store)
    if isinstance(store, PairStore) and not store.info.paired and share > 0:
        return store.apart(share, seed)
    held = max(2, round(share * count)) if share > 0 else 0
    if isinstance(store, DrawnStore) or not held:
        return torch.arange(count - held), torch.arange(count - held, count)
    order = torch.from_numpy(np.random.default_rng([seed, count, 0x5EED]).permutation(count))
    return order[held:].sort().values, order[:held]


class EpochSampler:
    """Indices of mini-batches: every picture once an epoch, in an order drawn anew for each; resumable.

    The order depends on `seed` and the epoch alone, so a position is two integers.
    """

    def __init__(self, count: int, batch_size: int, seed: int, chunk: int | None = None):
        if batch_size > count:
            raise DataError(
                f"A batch of {batch_size} is larger than the data set of {count} pictures: "
                f"set batch_size to {count} or less."
            )
        self.count, self.batch_size, self.seed, self.chunk = count, batch_size, seed, chunk
        self.epoch, self.position = 0, 0
        self._order: Tensor | None = None

    def next(self) -> Tensor:
        """int64 [batch_size]; a rest smaller than a batch at the end of an epoch is skipped."""
        if self.position + self.batch_size > self.count:
            self.epoch, self.position, self._order = self.epoch + 1, 0, None
        if self._order is None:
            self._order = self._shuffled()
        indices = self._order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return indices

    def _shuffled(self) -> Tensor:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.chunk is None:
            return torch.from_numpy(rng.permutation(self.count))
        # Shuffled within and across chunks of the data: a drawn data set then costs one chunk at a time in its first
        # epoch, not all of itself in the first few steps.
        chunks = [
            rng.permutation(np.arange(a, min(a + self.chunk, self.count))) for a in range(0, self.count, self.chunk)
        ]
        return torch.from_numpy(np.concatenate([chunks[i] for i in rng.permutation(len(chunks))]))

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch, self.position, self._order = int(state["epoch"]), int(state["position"]), None


def to_uint8(images: Tensor) -> np.ndarray:
    """[N, C, H, W] in [-1, 1] (C 1 or 3) to uint8 [N, H, W, 3] for showing and saving."""
    pixels = (
        images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    )
    return np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels
