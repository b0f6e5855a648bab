"""How recognisable drawn digits are, in the eyes of a small classifier trained here on real ones.

The classifier knows eleven classes, the ten digits and "no digit": a network that knows only digits is sure of
anything, noise too. Its eleventh class is shown noise, blots, digits cut into tiles and shuffled, digits bent beyond
recognition, and two digits on top of each other. A picture counts as read when one digit gets more than 0.9 of the
probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from playground.data.base import ImageStore, to_uint8
from playground.errors import DataError
from playground.export import grid

SIZE = 32
NO_DIGIT = 10
SURE = 0.9


@dataclass(frozen=True)
class Score:
    """`confidence`: mean of the highest probability of a digit; `read`: share above 0.9; `histogram`: of the read ones,
    by digit; `spread`: exp of that histogram's entropy, the effective number of digits (10: all equally often);
    `agreement`: share of the read ones that show the digit asked for, None where none was asked for."""

    count: int
    confidence: float
    read: float
    histogram: tuple[int, ...]
    spread: float
    agreement: float | None = None

    @property
    def seen(self) -> int:
        """How many of the ten digits occur in at least 1 % of the read pictures."""
        return sum(n > 0 and n >= 0.01 * sum(self.histogram) for n in self.histogram)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "seen": self.seen}


class Judge:
    """The classifier, trained on a random three quarters of `store`; the rest is held out to test it.

    Raises:
        DataError: not ten classes of pictures.
    """

    def __init__(self, store: ImageStore, epochs: int = 6, seed: int = 0):
        if store.labels is None or len(store.info.classes) != 10 or len(store) < 1000:
            raise DataError("Scoring digits needs at least 1,000 pictures in ten class folders, one a digit.")
        order = torch.randperm(len(store), generator=torch.Generator().manual_seed(seed))
        first = 3 * len(store) // 4
        self.taught, self.held_out = order[:first], order[first:]
        images, labels = _grey(store.take(self.taught).images), store.labels[self.taught]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = _network()
            self._teach(images, labels, epochs)
            test = _grey(store.take(self.held_out).images)
            self.real = self.score(test, store.labels[self.held_out])
            junk = no_digits(test)
            probabilities = self._probabilities(test)
            guesses = probabilities.argmax(1)
            #: share of the held-out real digits that are named rightly
            self.accuracy = float((guesses == store.labels[self.held_out]).float().mean())
            self.junk = self.score(junk)
            self.noise = self.score(torch.randn(len(test), 1, SIZE, SIZE).clamp(-1, 1))

    def _teach(self, images: Tensor, labels: Tensor, epochs: int) -> None:
        batch = 128
        steps = epochs * (len(images) // batch)
        optimiser = torch.optim.Adam(self.network.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
        self.network.train()
        for _ in range(epochs):
            order = torch.randperm(len(images))
            for a in range(0, len(images) - batch + 1, batch):
                chosen = order[a : a + batch]
                real = _moved(images[chosen])
                junk = no_digits(images[chosen[: batch // 2]])
                target = torch.cat([labels[chosen], torch.full((len(junk),), NO_DIGIT)])
                loss = F.cross_entropy(self.network(torch.cat([real, junk])), target)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
        self.network.eval()

    @torch.no_grad()
    def _probabilities(self, images: Tensor) -> Tensor:
        """[N, 11]"""
        return torch.cat([self.network(part).softmax(1) for part in images.split(256)])

    def score(self, images: Tensor, labels: Tensor | None = None) -> Score:
        """Score pictures [N, C, 32, 32] in [-1, 1]; `labels` [N] are the digits that were asked for."""
        best, digit = self._probabilities(_grey(images.float().cpu()))[:, :NO_DIGIT].max(1)
        read = best > SURE
        histogram = torch.bincount(digit[read], minlength=10)
        shares = histogram[histogram > 0] / histogram.sum().clamp(min=1)
        spread = math.exp(float(-(shares * shares.log()).sum())) if len(shares) else 0.0
        agreement = None
        if labels is not None and read.any():
            agreement = float((digit[read] == labels[read]).float().mean())
        share = float(read.float().mean())
        return Score(len(images), float(best.mean()), share, tuple(histogram.tolist()), spread, agreement)

    def facts(self) -> dict[str, Any]:
        """What the scores have to be compared with."""
        return {
            "taught": len(self.taught), "held_out": len(self.held_out), "accuracy": self.accuracy,
            "real": self.real.plain(), "no_digits": self.junk.plain(), "noise": self.noise.plain(),
        }  # fmt: skip

    def sentence(self) -> str:
        """The same in words."""
        return (
            f"Judge: {self.accuracy:.1%} right on {len(self.held_out):,} held-out real digits; reads "
            f"{self.real.read:.1%} of them, {self.noise.read:.1%} of noise and {self.junk.read:.1%} of spoilt digits"
        )


def _network() -> nn.Module:
    """[N, 1, 32, 32] -> [N, 11] logits; about 150,000 weights."""

    def block(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *block(1, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 16, 96), nn.ReLU(),
        nn.Linear(96, NO_DIGIT + 1),
    )  # fmt: skip


def _grey(images: Tensor) -> Tensor:
    return images.mean(1, keepdim=True)


def _moved(images: Tensor) -> Tensor:
    """Each picture moved by up to two pixels, black moving in."""
    return _bent(images, torch.randint(-2, 3, (len(images), 2, 1, 1)).float().expand(-1, -1, 4, 4))


def _bent(images: Tensor, field: Tensor) -> Tensor:
    """`images` displaced by `field` [N, 2, h, w] in pixels, enlarged to the pictures' size."""
    n, _, height, width = images.shape
    shift = F.interpolate(field, (height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1) * 2 / height
    place = F.affine_grid(torch.eye(2, 3).expand(n, 2, 3), [n, 1, height, width], align_corners=False)
    return F.grid_sample(images + 1, place + shift, align_corners=False) - 1


# --- the eleventh class


def _noise(images: Tensor) -> Tensor:
    return (torch.randn_like(images) * torch.rand(len(images), 1, 1, 1)).clamp(-1, 1)


def _blots(images: Tensor) -> Tensor:
    """Smooth noise made black and white: blots and strokes."""
    n, side = len(images), int(torch.randint(4, 10, ()))
    smooth = F.interpolate(torch.randn(n, 1, side, side), images.shape[2:], mode="bicubic")
    centred = smooth * 4 - torch.rand(n, 1, 1, 1) * 4
    return torch.tanh(centred)


def _shuffled(images: Tensor) -> Tensor:
    """Tiles of 8 pixels in random order."""
    tiles = F.unfold(images, 8, stride=8)
    return F.fold(tiles[:, :, torch.randperm(tiles.shape[2])], images.shape[2:], 8, stride=8)


def _crumpled(images: Tensor) -> Tensor:
    """Bent beyond recognition: 3 to 5 waves across, each by some 8 pixels."""
    side = int(torch.randint(5, 8, ()))
    return _bent(images, 8 * torch.randn(len(images), 2, side, side))


def _doubled(images: Tensor) -> Tensor:
    """Two digits in nearly one place: exactly there, two of one kind would still be that digit."""
    down, right = (int(torch.randint(4, 8, ())) * (1 if torch.rand(()) < 0.5 else -1) for _ in range(2))
    return torch.maximum(images, images.roll((1, down, right), (0, 2, 3)))


JUNK: tuple[Callable[[Tensor], Tensor], ...] = (_noise, _blots, _shuffled, _crumpled, _doubled)


def no_digits(images: Tensor) -> Tensor:
    """As many pictures that show no digit, made from `images` [N, 1, 32, 32]; torch's global generator decides."""
    parts = [part for part in images[torch.randperm(len(images))].chunk(len(JUNK)) if len(part)]
    return torch.cat([spoil(part) for spoil, part in zip(JUNK, parts, strict=False)])


# --- what is shown


def save_sheet(images: Tensor, path: Path, columns: int = 16, scale: int = 2) -> Path:
    """Write pictures [N, C, H, W], as they come, in rows to a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.fromarray(grid(to_uint8(images), columns=columns))
    sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST).save(path)
    return path
