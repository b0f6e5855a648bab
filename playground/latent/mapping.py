"""A map of a latent space: many seeds as points of a plane, near where their latents are near.

Either the plane of largest variance (PCA), or t-SNE (van der Maaten and Hinton 2008, JMLR 9), which keeps neighbours
together and pays for it with distances: islands are groups, the gaps between them mean little.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from playground.errors import UsageError, unknown
from playground.latent.directions import cloud, home
from playground.latent.reader import Reader, words
from playground.latent.space import LatentSpace

METHODS = ("pca", "tsne")
MAX_POINTS = 5000
_BATCH = 32


class LatentMap(NamedTuple):
    """Points of a map.

    Attributes:
        points: float32 [n, 2], centred, the wider side from −1 to 1.
        seeds: int64 [n]: a point's picture is that of its seed (`Model.sample(1, seed)`, with its label).
        colour: float32 [n] in [0, 1].
        colour_name: what the colour says, in a person's words.
        labels: int64 [n], the class of each point, dealt out in turn; None for a model without classes.
        latents: [n, D], in `where`.
        where: "w" or "z".
    """

    points: Tensor
    seeds: Tensor
    colour: Tensor
    colour_name: str
    labels: Tensor | None
    latents: Tensor
    where: str


@torch.no_grad()
def latent_map(
    space: LatentSpace,
    count: int = 400,
    method: str = "pca",
    where: str | None = None,
    seed: int = 0,
    *,
    reader: Reader | None = None,
    attribute: str | None = None,
) -> LatentMap:
    """`count` seeds from `seed` on, laid out in a plane. The same arguments give the same map.

    Args:
        method: "pca" or "tsne" (of the leading 30 components; some seconds for 400).
        reader, attribute: colour by what is read in the pictures. None colours by class where there are classes,
            else by how far a latent is from the middle, among these.

    Raises:
        UsageError: an unknown method or attribute, or a count out of range.
    """
    where = home(space, where)
    if method not in METHODS:
        raise unknown("way to draw a map", str(method), METHODS)
    if not isinstance(count, int) or not 3 <= count <= MAX_POINTS:
        raise UsageError(f"A map has from 3 to {MAX_POINTS:,} points, not {count}.")
    if (reader is None) != (attribute is None):
        raise UsageError("To colour a map by an attribute, give a reader and the attribute's name.")
    seeds = torch.arange(seed, seed + count)
    z = torch.stack([space.seed_z(int(s)) for s in seeds])
    labels = torch.arange(count) % len(space.classes) if space.classes else None
    codes = None if space.codes is None else torch.stack([space.seed_codes(int(s)) for s in seeds])
    latents = z if where == "z" else space.w(z, labels, codes)
    flat = cloud(space, where).to_round(latents.cpu()) if where == "z" else latents.cpu()
    points = _plane(flat.double(), method, seed)
    points = points - (points.amax(dim=0) + points.amin(dim=0)) / 2
    points = points / points.abs().max().clamp(min=1e-12)
    if reader is not None:
        column, parts = reader.index(attribute), []
        for i in range(0, count, _BATCH):
            rows = slice(i, i + _BATCH)
            picture = space.draw_z(
                z[rows], label=None if labels is None else labels[rows], codes=None if codes is None else codes[rows]
            )
            parts.append(reader(picture)[:, column])
        colour, name = torch.cat(parts), words(attribute)
    elif labels is not None:
        colour, name = labels / max(1, len(space.classes) - 1), "class"
    else:
        away = (flat - flat.mean(dim=0)).norm(dim=1)
        colour = (away - away.min()) / (away.max() - away.min()).clamp(min=1e-12)
        name = "distance from the middle"
    return LatentMap(points.float(), seeds, colour.float(), name, labels, latents.cpu(), where)


def _plane(latents: Tensor, method: str, seed: int) -> Tensor:
    """[n, D] -> [n, 2]."""
    centred = latents - latents.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes * torch.sign(axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)))  # their sign is arbitrary
    if method == "pca" or len(latents) < 5:
        plane = centred @ axes[:2].T
        return torch.nn.functional.pad(plane, (0, 2 - plane.shape[1]))
    from sklearn.manifold import TSNE

    leading = (centred @ axes[:30].T).numpy()
    perplexity = min(30.0, (len(leading) - 1) / 3)
    machine = TSNE(2, perplexity=perplexity, init="pca", random_state=seed % 2**31, max_iter=500, n_jobs=1)
    return torch.from_numpy(machine.fit_transform(leading)).double()
