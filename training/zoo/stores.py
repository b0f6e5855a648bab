"""Pictures that recipes put together themselves."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from playground.data import faces
from playground.data.base import Batch, DataInfo, DrawnStore, ImageStore
from playground.data.images import load_images
from playground.data.portrait import FACTORS, scaled
from playground.knobs import Settings

FACE_COUNT = 9_000


def faces_and_emoji(settings: Settings, folder: str | Path) -> ImageStore:
    """`FACE_COUNT` drawn faces with all their factors, and the emoji of `folder` by class.

    Attributes are one column a value of each categorical factor and one, scaled to [0, 1], a continuous factor; of
    emoji all are unknown (NaN). Classes are those of the faces, then those of the emoji ("emoji: animals").

    Raises:
        UsageError, DataError: the folder is not there or not usable.
    """
    emoji = load_images(folder, size=settings.size, grey=False, name="emoji")
    drawn = _faces(FACE_COUNT, settings.size, settings.seed)
    labels = torch.zeros(len(emoji), dtype=torch.int64) if emoji.labels is None else emoji.labels
    kinds = tuple(f"emoji: {name}" for name in emoji.info.classes) or ("emoji",)
    unknown = torch.full((len(emoji), len(drawn.info.attributes)), float("nan"))
    info = DataInfo(
        "faces+emoji",
        3,
        settings.size,
        len(drawn) + len(emoji),
        (*drawn.info.classes, *kinds),
        drawn.info.attributes,
        notes=emoji.info.notes,
    )
    return ImageStore(
        info,
        torch.cat([drawn.pixels, emoji.pixels]),
        torch.cat([drawn.labels, labels + len(drawn.info.classes)]),
        torch.cat([drawn.attributes, unknown]),
    )


def _faces(count: int, size: int, seed: int) -> ImageStore:
    """Drawn faces whose attributes are all factors."""

    def draw(n: int, generator: torch.Generator, device: torch.device) -> Batch:
        factors = faces.sample_factors(n, generator, device)
        return Batch(faces.render(factors, size), faces.class_labels(factors), factor_columns(factors))

    info = DataInfo("faces", 3, size, count, faces.CLASSES, factor_names())
    store = DrawnStore(info, draw, seed)
    for first in range(0, count, store.chunk):
        store.take(torch.tensor([first]))  # each draws its chunk
    return store


def factor_names() -> tuple[str, ...]:
    """The columns of `factor_columns`: "hair: short" of a categorical factor, "age" of a continuous one."""
    names: list[str] = []
    for name, factor in FACTORS.items():
        names += [f"{name}: {value}" for value in factor.values] if factor.categorical else [name]
    return tuple(names)


def factor_columns(factors: dict[str, Tensor]) -> Tensor:
    """All factors [N, columns] in [0, 1]: what a picture was drawn from."""
    columns: list[Tensor] = []
    for name, factor in FACTORS.items():
        if factor.categorical:
            columns += [(factors[name] == i).float() for i in range(len(factor.values))]
        else:
            columns.append(scaled(factors, name))
    return torch.stack(columns, 1)
