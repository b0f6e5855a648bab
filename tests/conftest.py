"""What many tests share: small pictures made on the spot, and trainings small enough to be done in milliseconds."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from playground.data.base import Batch, DataInfo, DrawnStore, ImageStore, PairStore, Side
from playground.methods import find_method, method_settings
from playground.trainer import Trainer

torch.set_num_threads(1)  # exact repetition is promised at one thread count; and the machine is shared


@pytest.fixture(autouse=True)
def _same_weights_every_time() -> None:
    """What a test draws without naming a seed, first weights above all, is the same in every run."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


CLASSES = ("discs", "squares", "stripes")
ATTRIBUTES = ("round", "brightness")
EACH = 16
SIZE = 16


def _picture(kind: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 [16, 16]: a disc, a square or stripes of random place, size and brightness."""
    y, x = np.mgrid[:SIZE, :SIZE]
    cx, cy, r = [*rng.uniform(5, 11, 2).tolist(), rng.uniform(2, 5)]
    inside = [
        (x - cx) ** 2 + (y - cy) ** 2 < r * r,
        np.maximum(abs(x - cx), abs(y - cy)) < r,
        (x + int(cx)) % 4 < 2,
    ][kind]
    return np.where(inside, rng.integers(150, 256), rng.integers(0, 60)).astype(np.uint8)


def _pixels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(CLASSES)), EACH)
    return np.stack([_picture(k, rng) for k in labels])[..., None], labels


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 48 greyscale pictures of 16 × 16 pixels in three class folders."""
    root = tmp_path_factory.mktemp("data") / "shapes16"
    for i, (pixels, label) in enumerate(zip(*_pixels(), strict=True)):
        (root / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(root / CLASSES[label] / f"{i:03d}.png")
    return root


@pytest.fixture(scope="session")
def store() -> ImageStore:
    """The same pictures, decoded, with what they show as attributes; they are never written to."""
    pixels, labels = _pixels()
    info = DataInfo("shapes16", 1, SIZE, len(pixels), CLASSES, ATTRIBUTES)
    columns = np.stack([labels == 0, pixels.mean((1, 2, 3)) / 255], 1).astype(np.float32)
    return ImageStore(info, torch.from_numpy(pixels), torch.from_numpy(labels), torch.from_numpy(columns))


@pytest.fixture
def drawn_store() -> Callable[[], DrawnStore]:
    """Makes data sets drawn by code, of which nothing has been drawn yet."""

    def draw(n: int, generator: torch.Generator, device: torch.device) -> Batch:
        level = torch.rand(n, 1, 1, 1, generator=generator) * 2 - 1
        return Batch(level.expand(n, 1, SIZE, SIZE).clone(), torch.randint(3, (n,), generator=generator))

    return lambda: DrawnStore(DataInfo("levels", 1, SIZE, 600, CLASSES), draw)


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Settings with which a step of any preset takes milliseconds."""
    return {"width": 4, "size": SIZE, "batch_size": 8, "latent_dim": 8, "code_dim": 8, "steps": 4}


@pytest.fixture(scope="session")
def store_for(store: ImageStore) -> Callable[[str], ImageStore]:
    """`store_for(preset)`: pictures that it can learn from: `store`, or pairs of it where it translates."""

    def make(preset: str) -> ImageStore:
        method = find_method(preset)
        if not method.sides:
            return store
        labels = ("dark", "light") if method.knobs.get("translator") == "spade" else ()
        palette = ((0, 0, 0), (255, 255, 255))[: len(labels)]
        a = (store.pixels > 100).to(torch.uint8) if labels else 255 - store.pixels  # what belongs to a picture
        info = DataInfo(
            "pairs16",
            1,
            SIZE,
            len(store) * (1 if method.sides == "paired" else 2),
            sides=(Side("maps" if labels else "negatives", 1, SIZE, labels, palette), Side("pictures", 1, SIZE)),
            paired=method.sides == "paired",
        )
        return PairStore(info, a, store.pixels)

    return make


@pytest.fixture(scope="session")
def make_trainer(store_for: Callable[[str], ImageStore], tiny: dict[str, Any]) -> Callable[..., Trainer]:
    """`make_trainer(preset, on=store, **knobs)`: a tiny trainer of a preset."""

    def make(preset: str = "dcgan", on: ImageStore | None = None, **knobs: Any) -> Trainer:
        chosen = {"precision": "float32", **tiny, **knobs}  # not "auto": the same on every processor
        return Trainer(preset, method_settings(preset, chosen), on or store_for(preset))

    return make
