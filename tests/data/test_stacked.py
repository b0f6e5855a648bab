"""Stacked digits: three of them a picture, labelled by the number that they spell, out of any set of digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from playground.data import downloads, stacked
from playground.data.base import DataInfo, ImageStore, from_pixels
from playground.data.registry import DATASETS, open_data
from playground.errors import DataError, UsageError

N = 40


def digits(count: int = N, size: int = 16, classes: tuple[str, ...] = tuple("0123456789")) -> ImageStore:
    """Picture i shows the digit i mod 10, and tells which picture it is by its grey: 6 i everywhere."""
    greys = torch.arange(count, dtype=torch.uint8)[:, None, None, None] * 6
    labels = torch.arange(count) % len(classes) if classes else None
    info = DataInfo("marks", 1, size, count, classes, licence="CC0")
    return ImageStore(info, greys.expand(count, size, size, 1).contiguous(), labels)


def test_every_channel_is_a_digit_and_the_label_is_the_number_they_spell():
    store = stacked.stack(digits(), count=500)
    batch = store.take(torch.tensor([3, 499, 3, 0]))
    assert batch.images.shape == (4, 3, 16, 16) and torch.equal(batch.images[0], batch.images[2])
    flat = batch.images.flatten(2)
    assert torch.equal(flat.amin(2), flat.amax(2))  # each channel is one whole picture
    shown = (flat[:, :, 0].add(1) * 127.5 / 6).round().long()  # which of the pictures
    assert torch.equal(from_pixels(digits().pixels)[shown.flatten(), 0, 0, 0], flat[:, :, 0].flatten())
    assert torch.equal((shown % 10 * torch.tensor([100, 10, 1])).sum(1), batch.labels)
    info = store.info
    assert (info.name, info.channels, info.size, info.count, len(store)) == ("stacked-mnist", 3, 16, 500, 500)
    assert len(info.classes) == 1000 and info.classes[7] == "007" and "marks" in info.notes[-1]


def test_modes_are_all_there_equally_often_and_channels_independent():
    store = stacked.stack(digits(), count=100_000)
    counts = torch.bincount(store.labels, minlength=1000).double()
    assert len(counts) == 1000 and counts.min() > 0
    statistic = float(((counts - 100) ** 2 / 100).sum())
    assert 999 - 5 * 45 < statistic < 999 + 5 * 45  # chi-squared of 999 degrees: deviation √(2·999) = 45
    values = store.values[store.triples].double().T
    assert torch.corrcoef(values).fill_diagonal_(0).abs().max() < 0.02


def test_seed_alone_decides_what_is_stacked():
    one, same, other = (stacked.stack(digits(), seed=seed, count=200) for seed in (1, 1, 2))
    assert torch.equal(one.triples, same.triples) and not torch.equal(one.triples, other.triples)
    few = stacked.stack(digits(), seed=1, count=20)
    assert len(few) == 20 and few.to("cpu").take(torch.arange(20)).images.shape == (20, 3, 16, 16)


def test_it_is_small_in_memory_and_shows_itself():
    store = stacked.stack(digits(), count=128_000)
    assert store.nbytes < 4e6  # as pictures it would be 98 MB
    assert store.preview(9).shape == (9, 16, 16, 3)


def test_digits_may_come_from_a_folder(tmp_path: Path):
    for k in range(10):
        for i in range(2):
            place = tmp_path / "digits" / str(k)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((28, 28), 20 * k, np.uint8)).save(place / f"{i}.png")
    store = stacked.stack(str(tmp_path / "digits"), count=50)
    assert store.info.size == 32
    batch = store.take(torch.arange(50))
    shown = (batch.images[:, :, 16, 16].add(1) * 127.5 / 20).round().long()
    assert torch.equal((shown * torch.tensor([100, 10, 1])).sum(1), batch.labels)


def test_registered_set_stacks_what_mnist_gives(monkeypatch, tmp_path: Path):
    asked = []

    def given(name, *, size, data_dir, progress):
        asked.append((name, size, Path(data_dir)))
        return digits(size=size)

    monkeypatch.setattr(downloads, "load_torchvision", given)
    spec = DATASETS["stacked-mnist"]
    assert spec.labelled and spec.default_size == 32 in spec.sizes
    store = open_data("stacked-mnist", size=16, seed=4, max_images=70, data_dir=tmp_path)
    assert asked == [("mnist", 16, tmp_path)] and len(store) == 70
    assert torch.equal(store.triples, stacked.stack(digits(), seed=4, count=70).triples)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: digits(classes=()), "no classes"),
        (lambda: digits(classes=tuple("abc")), "3 classes"),
        (lambda: open_data("faces", size=32, max_images=4), "3 channels"),
    ],
)
def test_what_is_no_set_of_digits_is_refused(given, said: str):
    with pytest.raises(DataError, match=said):
        stacked.stack(given())


def test_other_wrongs_are_refused():
    with pytest.raises(UsageError, match="2 or more"):
        stacked.stack(digits(), count=1)
    with pytest.raises(UsageError, match="nowhere"):
        stacked.stack("/nowhere/digits")
    store = stacked.stack(digits(), count=9)
    with pytest.raises(DataError, match="shape"):
        stacked.StackedStore(store.info, store.pixels, store.values, store.triples[:, :2])
    with pytest.raises(DataError, match="0 to 9"):
        stacked.StackedStore(store.info, store.pixels, store.values + 1, store.triples)
