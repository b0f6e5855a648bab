"""Ways between latents: the line (1 − t) a + t b, the arc of Shoemake 1985, and walks of many pictures along them.

Normal vectors of many dimensions lie near a sphere, whose inside a line crosses; the arc stays on it (White 2016, arXiv
1609.04468),

    slerp(a, b, t) = sin((1 − t) Ω) / sin Ω · a + sin(t Ω) / sin Ω · b,    Ω the angle between a and b.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.errors import UsageError, unknown
from playground.latent.space import LatentSpace, check_count

if TYPE_CHECKING:
    from playground.latent.recipe import Point, Recipe

PATHS = ("linear", "spherical")
MAX_FRAMES = 2000
MAX_EDITS = 32  # of a recipe


def linear(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """(1 − t) a + t b; t may lie outside [0, 1], or be a tensor that spreads over a and b."""
    return torch.lerp(a, b, t if isinstance(t, Tensor) else float(t))


def spherical(a: Tensor, b: Tensor, t: float | Tensor, centre: Tensor | None = None) -> Tensor:
    """The arc from a to b about `centre` (None: the origin), angles measured along the last dimension.

    Where a and b point the same way or opposite ways, or one is the centre, there is no one arc: it is the line then.

    Args:
        a, b: [..., dim].
        t: a number, or a tensor that spreads over [..., dim]; beyond [0, 1] it goes on along the arc.
        centre: [dim].
    """
    if centre is not None:
        return centre + spherical(a - centre, b - centre, t)
    sizes = a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True)
    cosine = (a * b).sum(-1, keepdim=True) / sizes.clamp(min=1e-12)
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    straight = (sine < 1e-4) | (sizes < 1e-12)
    safe = torch.where(straight, torch.ones_like(sine), sine)
    share = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    arc = ((1 - share) * angle).sin() / safe * a + (share * angle).sin() / safe * b
    return torch.where(straight, linear(a, b, share), arc)


def between(path: str, a: Tensor, b: Tensor, t: float | Tensor, centre: Tensor | None = None) -> Tensor:
    """`linear` or `spherical` by name; `centre` is for the latter.

    Raises:
        UsageError: an unknown path.
    """
    if path not in PATHS:
        raise unknown("path", str(path)[:40], PATHS)
    return linear(a, b, t) if path == "linear" else spherical(a, b, t, centre)


def ease(t: float) -> float:
    """3t² − 2t³ on [0, 1] (smoothstep): starts and ends at rest."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


# --- Many pictures ---------------------------------------------------------------------------------------------------


def frames(
    recipe_from: Recipe,
    recipe_to: Recipe,
    count: int,
    space: LatentSpace,
    *,
    path: str | None = None,
    easing: bool = True,
) -> list[Recipe]:
    """`count` recipes from one to the other, both included as they are, through everything in which they differ.

    Shares, strengths of edits and ψ go along a line. Points stay what they are where that says it all; else both ends
    become vectors. Noise can't be between two draws: it changes halfway.

    Args:
        recipe_from, recipe_to: recipes of `space`.
        count: 2 to 2000.
        path: of the latents, "linear" or "spherical"; None is that of `recipe_to`.
        easing: start and end at rest (`ease`) instead of at an even pace.

    Raises:
        UsageError: a count or path out of range.
    """
    check_count(count, "frames", 2, MAX_FRAMES)
    path = recipe_to.path if path is None else path
    if path not in PATHS:
        raise unknown("path", str(path)[:40], PATHS)
    shares = [i / (count - 1) for i in range(count)]
    inner = [ease(t) if easing else t for t in shares[1:-1]]
    make = _in_between(recipe_from, recipe_to, space, path)
    return [recipe_from, *(make(t) for t in inner), recipe_to]


def walk(
    space: LatentSpace,
    seeds: Sequence[int],
    frames_per: int,
    path: str = "spherical",
    closed: bool = True,
    *,
    where: str = "z",
    easing: bool = True,
    model: str = "",
    label: int | None = None,
    truncation: float | None = None,
) -> list[Recipe]:
    """A slow latent walk: from seed to seed, `frames_per` recipes from each to the next.

    Args:
        seeds: two or more.
        frames_per: 1 to 2000, and at most 2000 in all.
        closed: go back to the first seed, so that the recipes can be shown in a loop; else end on the last seed.
        where: space of the recipes, "z" or "w".
        easing: rest at each seed instead of passing at an even pace.
        model, label, truncation: of every recipe.

    Raises:
        UsageError: fewer than two seeds, too many frames, or what does not fit the model.
    """
    from playground.latent.recipe import parse

    check_count(frames_per, "frames from seed to seed", 1, MAX_FRAMES)
    if not isinstance(seeds, Sequence) or len(seeds) < 2 or len(seeds) * frames_per > MAX_FRAMES:
        raise UsageError(f"A walk takes two seeds or more and at most {MAX_FRAMES:,} frames in all.")
    common = {"model": model, "space": where, "path": path, "truncation": truncation}
    stops = [parse({**common, "a": {"seed": seed, "label": label}}, space) for seed in seeds]
    ends = [*stops[1:], stops[0]] if closed else stops[1:]
    shares = [ease(i / frames_per) if easing else i / frames_per for i in range(frames_per)]
    steps = [
        replace(start, b=end.a, t=t) if t else start for start, end in zip(stops, ends, strict=False) for t in shares
    ]
    return steps if closed else [*steps, stops[-1]]


def _in_between(start: Recipe, end: Recipe, space: LatentSpace, path: str) -> Callable[[float], Recipe]:
    """t in (0, 1) -> the recipe between the two."""
    from playground.latent import recipe as recipes  # which needs the paths of this module

    if not _alike(start, end, space):
        start, end = (recipes.flat(space, one) for one in (start, end))
    ranges = start.truncation_layers if start.truncation is not None else end.truncation_layers
    from_edits, to_edits = (recipes.strengths(one.edits) for one in (start, end))
    points = _points_between(start, end, space, path)

    def make(t: float) -> Recipe:
        psi = None
        if start.truncation is not None or end.truncation is not None:
            ends = [1.0 if one.truncation is None else one.truncation for one in (start, end)]
            psi = ends[0] + t * (ends[1] - ends[0])
        mixed = tuple(
            replace(edit, strength=(1 - t) * from_edits.get(edit, 0.0) + t * to_edits.get(edit, 0.0))
            for edit in from_edits | to_edits
        )
        noise = start.noise if t < 0.5 else end.noise
        return replace(
            end, **points(t), edits=mixed, truncation=psi, truncation_layers=ranges, noise=noise, space=start.space
        )

    return make


def _alike(start: Recipe, end: Recipe, space: LatentSpace) -> bool:
    """Whether what lies between two recipes is a recipe too, without turning both into finished vectors first."""
    if len({replace(edit, strength=0.0) for edit in (*start.edits, *end.edits)}) > MAX_EDITS:
        return False
    if not space.styled:  # there truncation is a way of drawing z, with nothing in between
        return start.truncation == end.truncation
    if start.space != end.space:
        return False
    if start.space == "z" and (start.layer_t or end.layer_t) and (start.a, start.b) != (end.a, end.b):
        return False  # single layers have no z
    return start.truncation_layers == end.truncation_layers or None in (start.truncation, end.truncation)


def _points_between(start: Recipe, end: Recipe, space: LatentSpace, path: str) -> Callable[[float], dict[str, Any]]:
    """t -> the fields of a recipe that say where its latent is."""
    from playground.latent.recipe import bake

    if (start.a, start.b) == (end.a, end.b) and (end.b is None or start.path == end.path):
        if start.layer_t is None and end.layer_t is None:
            return lambda t: {"t": start.t + t * (end.t - start.t), "path": end.path}
        ends = [one.layer_t or (one.t,) * space.layers for one in (start, end)]
        return lambda t: {"layer_t": tuple(x + t * (y - x) for x, y in zip(*ends, strict=True)), "path": end.path}
    points = [_only_point(one) for one in (start, end)]
    if None in points:
        points = [bake(space, replace(one, edits=())).a for one in (start, end)]
    return lambda t: {"a": points[0], "b": points[1], "t": t, "layer_t": None, "path": path}


def _only_point(recipe: Recipe) -> Point | None:
    """The point at which a recipe is, if it is at one."""
    if recipe.b is None or (recipe.layer_t is None and recipe.t == 0):
        return recipe.a
    return recipe.b if recipe.layer_t is None and recipe.t == 1 else None
