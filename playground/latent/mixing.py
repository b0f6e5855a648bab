"""Style mixing: one picture's styles in some layers, another's in the rest (Karras et al. 2018, section 3.1).

Coarse styles (4 to 8 pixels) set pose and shape, middle ones (16 to 32) features, fine ones (64 on) colour and detail.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from playground.errors import UsageError, unknown
from playground.latent.recipe import MAX_SHARE, MIN_SHARE, Point, parse, resolve
from playground.latent.space import LatentSpace, Noise, check_number

GROUPS = ("coarse", "middle", "fine")
BORDERS = (8, 32)  # the last resolution of the coarse and of the middle layers, in pixels
MAX_CELLS = 1024
BATCH = 32  # pictures drawn at once


def groups(space: LatentSpace) -> dict[str, tuple[int, int]]:
    """{"coarse": (first, last), ...}, inclusive; groups that a small model has no layer of are left out.

    Raises:
        UsageError: the model is not style-based.
    """
    if not space.styled:
        raise UsageError("Only style-based models mix styles: choose one, such as a model of the preset 'stylegan'.")
    found: dict[str, tuple[int, int]] = {}
    for layer, side in enumerate(space.layer_resolutions):
        name = GROUPS[sum(side > border for border in BORDERS)]
        found[name] = (found.get(name, (layer, layer))[0], layer)
    return found


def layer_range(space: LatentSpace, name: str) -> tuple[int, int]:
    """(first, last) of the layers called "coarse", "middle", "fine" or "all", inclusive.

    Raises:
        UsageError: an unknown name, or a group that this model is too small to have.
    """
    found = groups(space)
    if name == "all":
        return 0, space.layers - 1
    if name not in GROUPS:
        raise unknown("group of layers", str(name)[:40], (*GROUPS, "all"))
    if name not in found:
        raise UsageError(f"This model has no {name} layers: its pictures have {space.size} pixels.")
    return found[name]


def mix(
    space: LatentSpace,
    w_destination: Tensor,
    w_source: Tensor,
    layers: str | Sequence[int],
    share: float = 1.0,
) -> Tensor:
    """Destinations with the source's styles in `layers`: [N, layers, w_dim].

    Args:
        w_destination, w_source: [N, w_dim] or [N, layers, w_dim]; either may have N = 1, or be one vector [w_dim].
        layers: the name of a group, or (first, last), inclusive.
        share: of the source in these layers; 1 replaces them.

    Raises:
        UsageError: layers, shapes or a share that don't fit.
    """
    first, last = layer_range(space, layers) if isinstance(layers, str) else space.check_layers(layers)
    shares = torch.zeros(space.layers, device=space.device)
    shares[first : last + 1] = check_number(share, "the share", MIN_SHARE, MAX_SHARE)
    pair = [_rows(space, w) for w in (w_destination, w_source)]
    if len({len(w) for w in pair} - {1}) > 1:
        raise UsageError(f"{len(pair[0])} destinations don't go with {len(pair[1])} sources: give as many, or one.")
    return _blend(*pair, shares)


def grid(
    space: LatentSpace,
    sources: Sequence[Point | dict],
    destinations: Sequence[Point | dict],
    layer_t: Sequence[float],
    noise: Noise = "fixed",
    psi: float | None = None,
    psi_layers: Sequence[int] | None = None,
) -> Tensor:
    """Every source's styles in every destination: [S · D, C, size, size] on the CPU, source by source.

    Drawn as one batch of up to 32: beyond that, maps no longer fit a processor's cache, and a picture takes longer.

    Args:
        sources, destinations: points of recipes; at most 1024 pictures in all.
        layer_t: the source's share in each layer.
        noise, psi, psi_layers: of all pictures, as in `LatentSpace.draw`.

    Raises:
        UsageError: anything that does not fit this model.
    """
    groups(space)  # raises for a plain model
    if not isinstance(layer_t, Sequence) or isinstance(layer_t, str) or len(layer_t) != space.layers:
        raise UsageError(f"The list layer_t holds one share for each of the {space.layers} layers of this model.")
    shares = [check_number(t, "a share of layer_t", MIN_SHARE, MAX_SHARE) for t in layer_t]
    if not sources or not destinations or len(sources) * len(destinations) > MAX_CELLS:
        raise UsageError(f"A grid needs a source and a destination, and has at most {MAX_CELLS:,} pictures.")
    with torch.no_grad(), space.lock:
        source, destination = (torch.stack([_styles(space, one) for one in side]) for side in (sources, destinations))
        mixed = _blend(destination[None], source[:, None], torch.tensor(shares, device=space.device))
        options = {"psi": psi, "psi_layers": psi_layers, "noise": noise}
        return torch.cat([space.draw(part, **options).cpu() for part in mixed.flatten(0, 1).split(BATCH)])


def _styles(space: LatentSpace, point: Point | dict) -> Tensor:
    """[layers, w_dim] of a point."""
    values = point.to_dict() if isinstance(point, Point) else point
    latent = resolve(space, parse({"space": "w", "a": values}, space)).latent
    return space.per_layer(latent) if latent.ndim == 1 else latent


def _rows(space: LatentSpace, w: Tensor) -> Tensor:
    w = w[None] if w.ndim == 1 else w
    if w.ndim not in (2, 3) or w.shape[1:] not in ((space.w_dim,), (space.layers, space.w_dim)):
        shapes = f"[N, {space.w_dim}] or [N, {space.layers}, {space.w_dim}]"
        raise UsageError(f"Latents w of this model have the shape {shapes}, not {list(w.shape)}.")
    return space.per_layer(w)


def _blend(destination: Tensor, source: Tensor, shares: Tensor) -> Tensor:
    """Both [..., layers, w_dim], shares [layers]; layers with share 0 or 1 are one of the two to the bit."""
    return torch.lerp(destination, source, shares[:, None])
