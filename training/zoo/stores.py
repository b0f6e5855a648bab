"""Pictures that recipes put together themselves."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from playground.data import faces
from playground.data.base import Batch, DataInfo, DrawnStore, ImageStore, PairStore, Side
from playground.data.drawing import drawn_store
from playground.data.images import load_images
from playground.data.portrait import FACTORS, scaled
from playground.errors import DataError, UsageError
from playground.knobs import Settings
from playground.latent.encoder import load_encoder
from playground.model import load_model

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


def faces_and_redrawn(settings: Settings, folder: str | Path = "") -> DrawnStore:
    """Drawn faces, every second one as the shipped `faces-style` draws what its encoder finds in it.

    Class and attributes are those that the face was drawn from: who reads a generator's pictures must know what a
    smile looks like there. There is no `folder` to name.

    Raises:
        UsageError, DataError: `faces-style` or its encoder is not there.
    """
    model = load_model("faces-style")
    encoder, network = load_encoder(model), model.modules["G"].network
    if encoder is None:
        raise DataError("The model 'faces-style' has no encoder: make it with --encoder first.")
    if settings.size != model.info.size:
        raise UsageError(f"Redrawn faces have {model.info.size} pixels, not {settings.size}.")

    @torch.no_grad()
    def draw(n: int, generator: torch.Generator, device: torch.device) -> Batch:
        batch = faces.draw(n, generator, device, size=settings.size)
        styles = encoder.styles(batch.images[1::2].to(model.device))
        batch.images[1::2] = network.synthesis(styles, "none").clamp(-1, 1).to(device)
        return batch

    known = faces.CLASSES, faces.ATTRIBUTES
    return drawn_store("faces", draw, settings.size, settings.max_images, *known, settings.seed, "cpu")


def emoji_in_two_styles(
    settings: Settings, folder: str | Path, *, held: bool = False, paired: bool = False
) -> PairStore:
    """Noto emoji (A) and FxEmojis (B) out of `folder`, which holds `emoji-noto` and `emoji-fx`.

    Of the emoji that both have, every tenth by name is kept from either side, with all its variants, to measure with:
    `held` gives these as pairs. What is taught is unpaired: of Noto the plain emoji, of which it has more. `paired`
    gives the others that both have as pairs, for a network to compare with.

    Raises:
        UsageError, DataError: the folders are not there or not usable.
    """
    roots = [Path(folder) / name for name in ("emoji-noto", "emoji-fx")]
    noto, fx = ({p.relative_to(root): p for p in sorted(root.glob("*/*.png"))} for root in roots)
    shared = sorted(set(noto) & set(fx))
    kept_back = shared[::10]
    apart = {name.stem.split("_")[1] for name in kept_back}

    def kept(names: dict[Path, Path]) -> list[str]:
        return [
            str(p) for name, p in names.items() if (code := name.stem.split("_"))[1] not in apart and len(code) == 2
        ]

    if held or paired:
        names = kept_back if held else [name for name in shared if name not in kept_back]
        chosen = [[str(side[name]) for name in names] for side in (noto, fx)]
    else:
        chosen = [kept(side) for side in (noto, fx)]
    if min(map(len, chosen)) < 2:
        raise DataError("There must be emoji in the folders 'emoji-noto' and 'emoji-fx', one folder a class.")
    a, b = (load_images(files, size=settings.size, grey=False, name="emoji") for files in chosen)
    sides = (Side("Noto emoji", 3, settings.size), Side("FxEmojis", 3, settings.size))
    together = held or paired
    count = len(a) if together else len(a) + len(b)
    info = DataInfo("emoji-noto-fx", 3, settings.size, count, sides=sides, paired=together)
    return PairStore(info, a.pixels, b.pixels)


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
