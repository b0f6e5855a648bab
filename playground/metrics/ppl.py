"""Perceptual path length: how much pictures change along a short way between two latents (Karras et al. 2018, 4.1).

    l = E d(G(p(t)), G(p(t + ε))) / ε²,    t ~ U(0, 1) ("full") or t = 0 ("end"),

p being the great circle between two z (normalised; a straight line for uniform z), or the straight line between two w,
and d a perceptual distance, which is a square (hence ε²). A space in which things change evenly has short paths.
Numbers compare only where the extractor is the same; noise inputs are the fixed ones, so that they do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from playground.errors import UsageError

_BATCH = 32
_TRIMMED = 0.01  # of the paths, left out at either end, as the authors' code does


class Space(Protocol):
    """What is asked of a latent space here; `playground.latent.space.LatentSpace` has it."""

    styled: bool
    settings: Any

    def z_samples(self, count: int, seed: int = 0) -> Tensor: ...

    def sample_conditions(self, count: int, seed: int = 0) -> tuple[Tensor | None, Tensor | None]: ...

    def w(self, z: Tensor, label: Any = None, codes: Any = None) -> Tensor: ...

    def draw(self, latent: Tensor, *, label: Any = None, codes: Any = None) -> Tensor: ...

    def draw_z(self, z: Tensor, *, label: Any = None, codes: Any = None) -> Tensor: ...


class Distance(Protocol):
    """A perceptual distance; `playground.metrics.features.Extractor` is one."""

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """[N, C, H, W] twice -> [N], at least 0."""


def chosen_space(space: Space, where: str | None) -> str:
    """The space "w" or "z" that is meant; None is w for styled models. Raises UsageError for one there isn't."""
    where = ("w" if space.styled else "z") if where is None else where
    if where not in ("z", "w"):
        raise UsageError(f"A latent space is z or w, not '{where}'.")
    if where == "w" and not space.styled:
        raise UsageError("This model has no styles: measure its latent z.")
    return where


def path_length(
    space: Space,
    where: str | None = None,
    count: int = 1000,
    epsilon: float = 1e-3,
    extractor: Distance | None = None,
    seed: int = 0,
    *,
    sampling: str = "full",
    stop: Callable[[], bool] | None = None,
) -> float:
    """The mean of `path_lengths` without the 1 % at either end. Name the extractor wherever you state it."""
    lengths = path_lengths(space, where, count, epsilon, extractor, seed, sampling=sampling, stop=stop)
    return float(trimmed(lengths).mean())


def trimmed(lengths: Tensor) -> Tensor:
    """Those [N] that lie between the 1st and the 99th percentile."""
    low, high = (torch.quantile(lengths, share, interpolation=near) for share, near in _ENDS)
    return lengths[(lengths >= low) & (lengths <= high)]


_ENDS = ((_TRIMMED, "lower"), (1 - _TRIMMED, "higher"))


@torch.no_grad()
def path_lengths(
    space: Space,
    where: str | None = None,
    count: int = 1000,
    epsilon: float = 1e-3,
    extractor: Distance | None = None,
    seed: int = 0,
    *,
    sampling: str = "full",
    stop: Callable[[], bool] | None = None,
) -> Tensor:
    """d/ε² of `count` random pairs of latents: float32 [count], at least 0.

    The pairs, and the places t, are the same for z and w. Both ends of a pair have the same label and codes.

    Args:
        where: "z" or "w"; None is w for a styled model.
        epsilon: step along the path; 1e-4 in the paper. Pictures are float32, so that much shorter ones drown.
        extractor: gives the distance d; None is `default_extractor()`.
        sampling: "full" or "end".

    Raises:
        UsageError: "w" of a model without styles, a count or step out of range, or no extractor at hand.
    """
    where = chosen_space(space, where)
    if not isinstance(count, int) or not 1 <= count <= 1_000_000:
        raise UsageError(f"The number of paths is a whole number from 1 to 1,000,000, not {count}.")
    if not 1e-5 <= epsilon <= 0.5:
        raise UsageError(f"The step along a path is a number from 0.00001 to 0.5, not {epsilon}.")
    if sampling not in ("full", "end"):
        raise UsageError(f'Paths are sampled "full" or at the "end", not "{sampling}".')
    if extractor is None:
        from playground.metrics.features import default_extractor

        extractor = default_extractor()
    label, codes = space.sample_conditions(count, seed)
    first, second = (space.z_samples(count, s) for s in (2 * seed, 2 * seed + 1))
    if where == "w":
        first, second = (space.w(z, label, codes) for z in (first, second))
    places = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    places = (places if sampling == "full" else torch.zeros(count))[:, None].to(first)
    round_path = where == "z" and space.settings.latent != "uniform"
    between = _great_circle if round_path else torch.lerp
    draw = space.draw if where == "w" or not space.styled else space.draw_z
    lengths = []
    for i in range(0, count, _BATCH):
        if stop is not None and stop():
            raise UsageError("The measurement of path lengths was stopped.")
        rows, t = slice(i, i + _BATCH), places[i : i + _BATCH]
        given = {"label": None if label is None else label[rows], "codes": None if codes is None else codes[rows]}
        pictures = [draw(between(first[rows], second[rows], at), **given) for at in (t, t + epsilon)]
        lengths.append(extractor.distance(*pictures).float().cpu() / epsilon**2)
    return torch.cat(lengths)


def _great_circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a to b [N, D] at t [N, 1], both scaled to length 1 and the result to √D, where latents of N(0, 1) lie."""
    a, b = (x / x.norm(dim=1, keepdim=True).clamp(min=1e-12) for x in (a.double(), b.double()))
    across = b - (a * b).sum(dim=1, keepdim=True) * a
    across = across / across.norm(dim=1, keepdim=True).clamp(min=1e-12)
    angle = torch.acos((a * b).sum(dim=1, keepdim=True).clamp(-1, 1)) * t
    return ((a * angle.cos() + across * angle.sin()) * a.shape[1] ** 0.5).float()
