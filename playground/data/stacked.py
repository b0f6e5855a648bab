"""Three digits drawn at random and laid over each other as red, green and blue: 1,000 modes that can be counted.

Metz et al. 2016 (Unrolled GAN, arXiv 1611.02163, section 3.3.1), as Lin et al. 2018 (PacGAN, arXiv 1712.04086, section
4.2) use it: 128,000 pictures, each channel a digit of MNIST chosen independently.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from playground.data.base import Batch, DataInfo, ImageStore, from_pixels
from playground.errors import DataError, UsageError

NAME = "stacked-mnist"
COUNT = 128_000
CLASSES = tuple(f"{number:03d}" for number in range(1000))


class StackedStore(ImageStore):
    """Triples of grey pictures, put together when they are taken: three places a picture instead of three pictures.

    Args:
        info: the facts; `info.count` pictures of three channels.
        digits: uint8 [M, S, S, 1].
        values: int64 [M], the digit that each shows, 0 to 9.
        triples: int64 [info.count, 3], the rows of `digits` that a picture's channels show; its label is the number
            that these digits spell.

    Raises:
        DataError: shapes that disagree with `info`, or values that are no digits.
    """

    def __init__(self, info: DataInfo, digits: Tensor, values: Tensor, triples: Tensor):
        if tuple(digits.shape[1:]) != (info.size, info.size, 1) or tuple(triples.shape) != (info.count, 3):
            raise DataError(f"The pictures of '{info.name}' do not have the shape their description states.")
        if len(values) != len(digits) or not 0 <= int(values.min()) <= int(values.max()) <= 9:
            raise DataError("Only digits from 0 to 9 can be stacked: each picture needs the digit it shows.")
        self.info, self.pixels, self.values, self.triples, self.attributes = info, digits, values, triples, None
        self.labels = (values[triples] * torch.tensor([100, 10, 1], device=values.device)).sum(1)

    def to(self, device: torch.device | str) -> ImageStore:
        return StackedStore(self.info, *(t.to(device) for t in (self.pixels, self.values, self.triples)))

    def take(self, indices: Tensor) -> Batch:
        indices = indices.to(self.device)
        rows = self.triples.index_select(0, indices)
        channels = [self.pixels.index_select(0, rows[:, channel]) for channel in range(3)]
        return Batch(from_pixels(torch.cat(channels, 3)), self.labels.index_select(0, indices))

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes + self.triples.nbytes


def stack(
    digits: ImageStore | str | Sequence[str], *, size: int | None = None, seed: int = 0, count: int = COUNT,
    device: torch.device | str = "cpu",
) -> StackedStore:  # fmt: skip
    """`count` pictures of three digits each, one a channel; the same for the same seed.

    Args:
        digits: a set of grey pictures with ten classes in the order of the digits, or the folder or zip that holds it.
        size: side in pixels of pictures that are read from a folder or zip; None is 32.

    Raises:
        UsageError: fewer than 2 pictures asked for, or a missing path.
        DataError: what is given is not a set of digits in ten classes.
    """
    if count < 2:
        raise UsageError(f"A data set of {count} pictures is none: take 2 or more.")
    if not isinstance(digits, ImageStore):
        from playground.data.images import load_images

        digits = load_images(digits, size=size or 32, grey=True)
    info = digits.info
    if digits.labels is None or len(info.classes) != 10 or info.channels != 1:
        raise DataError(
            f"Stacking needs grey digits in ten classes, 0 to 9, and '{info.name}' has {info.channels} "
            f"channel{'s' if info.channels > 1 else ''} and {len(info.classes) or 'no'} classes: give 'mnist', or a "
            "folder or zip with one folder a digit."
        )
    triples = np.random.default_rng([seed, 0x57AC]).integers(0, len(digits), (count, 3))
    note = f"Every picture is three of the {len(digits):,} digits of '{info.name}', as red, green and blue."
    told = replace(info, name=NAME, channels=3, count=count, classes=CLASSES, notes=(*info.notes, note))
    columns = (digits.pixels, digits.labels, torch.from_numpy(triples))
    return StackedStore(told, *(column.to(device) for column in columns))


def load(
    size: int | None = None, *, data_dir: str | os.PathLike[str], seed: int = 0, count: int = COUNT,
    device: torch.device | str = "cpu", progress: Callable[[int, int], None] | None = None,
) -> StackedStore:  # fmt: skip
    """The same of the 60,000 digits of MNIST, which are downloaded into `data_dir` unless they are there.

    Raises:
        UsageError, DataError: as `downloads.load_torchvision` and `stack`.
    """
    from playground.data.downloads import load_torchvision

    digits = load_torchvision("mnist", size=size, data_dir=Path(data_dir), progress=progress)
    return stack(digits, seed=seed, count=count, device=device)
