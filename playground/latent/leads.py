"""Leads: how pictures with an attribute lie apart from those without, all else equal, as a first step for steering.

Gradients know the way from a smile to a broader one. From hair to none there is no slope to follow: half a head of
hair looks like no bald head. But samples of both kinds are there, so the mean change of the latent is found by
regression,

    min_B Σ_i ‖u_i − b₀ − b_t x_it − Σ_{j held} b_j c_ij‖² + ridge ‖B‖²,

u_i being the latents in round coordinates (`directions.Cloud`), x_it whether the reader sees the target in picture i,
and c_ij = tanh(s_ij / 4) how it reads what is to stay. b_t is then the change that goes with the target alone (a
partial regression; without the held ones it would be the difference of two means, which takes along what correlates).
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from playground.latent.directions import Sampled, cloud, read, sample
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace

LEAST = 8  # pictures of either kind, below which there is nothing to learn from
RIDGE = 1.0

_readings: WeakKeyDictionary[LatentSpace, WeakKeyDictionary] = WeakKeyDictionary()


def readings(space: LatentSpace, reader: Reader, where: str, count: int, seed: int = 0) -> tuple[Sampled, Tensor]:
    """`count` latents and what `reader` reads in their pictures, log-odds [count, A]; drawn once and kept.

    About 10 ms a picture for a 64-pixel style model.
    """
    kept = _readings.setdefault(space, WeakKeyDictionary()).setdefault(reader.network, {})
    key = (where, count, seed)
    if key not in kept:
        sampled = sample(space, count, seed, where)
        kept[key] = sampled, read(space, where, sampled, reader)
    return kept[key]


def mean_changes(
    space: LatentSpace,
    reader: Reader,
    where: str,
    targets: Sequence[str],
    held: Sequence[str],
    count: int = 600,
    seed: int = 0,
) -> Tensor:
    """The change of the latent that goes with each target, from not there to there: [targets, D], round coordinates.

    Zeros where fewer than 8 of the `count` samples have the target, or lack it.

    Args:
        held: names whose readings are to stay.
    """
    sampled, logits = readings(space, reader, where, count, seed)
    place = cloud(space, where).to_round(sampled.latents.cpu()).double()
    place = place - place.mean(dim=0)
    logits = logits.double()
    stay = torch.tanh(logits[:, [reader.index(name) for name in held]] / 4)
    found = torch.zeros(len(targets), place.shape[1])
    for row, name in enumerate(targets):
        there = (logits[:, reader.index(name)] > 0).double()
        if not LEAST <= int(there.sum()) <= len(there) - LEAST:
            continue
        matrix = torch.cat([there[:, None], stay], dim=1)
        matrix = matrix - matrix.mean(dim=0)
        inner = matrix.T @ matrix + RIDGE * torch.eye(matrix.shape[1], dtype=torch.float64)
        found[row] = torch.linalg.solve(inner, matrix.T @ place)[0].float()
    return found
