"""Recipes: all that a picture of a latent space is made from, as JSON; whoever has the model can make it again.

A recipe starts from one point or two (a seed, a vector, or sums of averaged seeds: vector arithmetic, Radford et al.
2015, section 6.3), goes a share t from the first to the second along a line or an arc, adds edits, latent += strength ·
vector, and says how the result is drawn. With one share a layer it is style mixing. It is the unit of undo, of links
and of replay, and comes from outside: nothing of it is believed before it is checked.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.errors import UsageError, unknown
from playground.latent.interpolate import MAX_EDITS, PATHS, between
from playground.latent.space import MAX_PSI, MAX_VALUE, LatentSpace, check_number, check_seed, quoted

FORMAT = 1
MAX_BYTES = 256 * 1024  # of a recipe's JSON
MAX_LINK = MAX_BYTES  # characters of a link
MAX_STRENGTH = 20.0  # in standard deviations
MIN_SHARE, MAX_SHARE = -1.0, 2.0
MAX_GROUPS, MAX_GROUP_SEEDS, MAX_NAME = 16, 64, 200

Noise = str | int | tuple[str | int, ...]
Label = int | tuple[float, ...] | None


# --- Vectors as text -------------------------------------------------------------------------------------------------


def encode_vector(vector: Tensor) -> str:
    """Numbers of any shape -> base64 of little-endian float32, row by row.

    Raises:
        UsageError: a number that is not finite or beyond ±10,000.
    """
    flat = vector.detach().to("cpu", torch.float32).flatten()
    if not bool((flat.abs() <= MAX_VALUE).all()):
        raise UsageError(f"The vector holds a number that is not finite or beyond ±{MAX_VALUE:,.0f}.")
    return base64.b64encode(flat.numpy().astype("<f4").tobytes()).decode("ascii")


def decode_vector(text: str, allowed_lengths: Iterable[int]) -> Tensor:
    """What `encode_vector` undoes: float32 [n], n one of the allowed lengths.

    Raises:
        UsageError: not such text, another length, or a number that is not finite or beyond ±10,000.
    """
    return _decoded(text, tuple(allowed_lengths)).clone()


@lru_cache(512)
def _decoded_text(text: str) -> Tensor:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("A vector is base64 of float32 numbers, and this one can't be decoded.") from None
    if len(raw) % 4 or not raw:
        raise UsageError(f"A vector is base64 of float32 numbers of 4 bytes each, and this one has {len(raw)} bytes.")
    vector = torch.from_numpy(np.frombuffer(raw, "<f4").astype(np.float32))
    if not bool((vector.abs() <= MAX_VALUE).all()):
        raise UsageError(f"A vector holds a number that is not finite or beyond ±{MAX_VALUE:,.0f}.")
    return vector


def _decoded(text: object, allowed: tuple[int, ...]) -> Tensor:
    """The kept tensor itself: not to be written to."""
    if not isinstance(text, str):
        raise UsageError(f"A vector is base64 text, not {type(text).__name__}.")
    longest = 4 * math.ceil(4 * max(allowed) / 3)
    vector = _decoded_text(text) if len(text) <= longest else None
    if vector is None or len(vector) not in allowed:
        have = "more" if vector is None else f"{len(vector):,}"
        lengths = " or ".join(f"{n:,}" for n in sorted(set(allowed)))
        raise UsageError(
            f"A vector here has {lengths} numbers, and this one has {have}: it is for another model or space."
        )
    return vector


# --- Recipes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """Where a recipe starts from or goes to: exactly one of a seed, a vector, or groups of seeds to add and subtract.

    `label` is a class number, class weights [K] or None (class 0); `codes` [d], None: those of the (first) seed.
    """

    seed: int | None = None
    vector: str | None = None
    space: str | None = None
    plus: tuple[tuple[int, ...], ...] = ()
    minus: tuple[tuple[int, ...], ...] = ()
    label: Label = None
    codes: tuple[float, ...] | None = None
    name: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in JSON."""
        if self.seed is not None:
            what: dict[str, Any] = {"seed": self.seed}
        elif self.vector is not None:
            what = {"vector": self.vector, "space": self.space}
        else:
            what = {"arithmetic": {"plus": [list(g) for g in self.plus], "minus": [list(g) for g in self.minus]}}
        what["label"] = list(self.label) if isinstance(self.label, tuple) else self.label
        what["codes"] = None if self.codes is None else list(self.codes)
        return what if self.name is None else {**what, "name": self.name}


@dataclass(frozen=True)
class Edit:
    """latent += strength · vector, in the layers (first, last) inclusive, or all.

    `space` None is that of the recipe; "w" in a recipe of space "z" acts on what the mapping made of it.
    """

    name: str
    vector: str
    strength: float
    layers: tuple[int, int] | None = None
    space: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in JSON."""
        layers = None if self.layers is None else list(self.layers)
        what = {"name": self.name, "vector": self.vector, "strength": self.strength, "layers": layers}
        return what if self.space is None else {**what, "space": self.space}


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; make one with `parse`, change one with `dataclasses.replace` and `parse` again."""

    a: Point
    model: str = ""
    space: str = "z"
    b: Point | None = None
    t: float = 0.0
    path: str = "linear"
    layer_t: tuple[float, ...] | None = None
    edits: tuple[Edit, ...] = ()
    truncation: float | None = None
    truncation_layers: tuple[int, int] | None = None
    noise: Noise = "fixed"

    def to_dict(self) -> dict[str, Any]:
        """As in JSON, with every key."""
        return {
            "format": FORMAT,
            "model": self.model,
            "space": self.space,
            "a": self.a.to_dict(),
            "b": None if self.b is None else self.b.to_dict(),
            "t": self.t,
            "path": self.path,
            "layer_t": None if self.layer_t is None else list(self.layer_t),
            "edits": [edit.to_dict() for edit in self.edits],
            "truncation": self.truncation,
            "truncation_layers": None if self.truncation_layers is None else list(self.truncation_layers),
            "noise": list(self.noise) if isinstance(self.noise, tuple) else self.noise,
        }

    def to_json(self) -> str:
        """Compact JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def to_link(self) -> str:
        """Deflated JSON in the letters of addresses; `from_link` undoes it."""
        return base64.urlsafe_b64encode(zlib.compress(self.to_json().encode(), 9)).decode("ascii").rstrip("=")


def from_link(text: str) -> dict[str, Any]:
    """The dictionary in a link, for `parse`.

    Raises:
        UsageError: not a link that `Recipe.to_link` made.
    """
    broken = UsageError("This link holds no recipe that can be read: it may have been cut short when it was copied.")
    if not isinstance(text, str) or len(text) > MAX_LINK:
        raise broken
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        inflate = zlib.decompressobj()
        raw = inflate.decompress(packed, MAX_BYTES + 1)
        if not inflate.eof or inflate.unused_data or len(raw) > MAX_BYTES:
            raise broken
        values = _loads(raw.decode("utf-8"))
    except (binascii.Error, zlib.error, ValueError) as error:
        raise (error if isinstance(error, UsageError) else broken) from None
    if not isinstance(values, dict):
        raise broken
    return values


def parse(source: str | bytes | Mapping[str, Any] | Recipe, space: LatentSpace) -> Recipe:
    """JSON, its dictionary, or a recipe, checked against the model it is for.

    A key that is absent has its default; only "a" is needed. A vector of w makes the recipe one of space "w".

    Raises:
        UsageError: anything that is wrong, in one sentence.
    """
    values = source.to_dict() if isinstance(source, Recipe) else source
    if isinstance(values, str | bytes | bytearray):
        values = _loads(values)
    values = _mapping(values, "recipe", _RECIPE_KEYS)
    if values.get("format", FORMAT) != FORMAT:
        raise UsageError(f"This version reads recipes of format {FORMAT}, and this one has {quoted(values['format'])}.")
    if values.get("a") is None:
        raise UsageError('A recipe needs a point "a" to start from, such as {"seed": 0}.')
    a = _point(values["a"], "a", space)
    b = None if values.get("b") is None else _point(values["b"], "b", space)
    where = _space(values.get("space") or ("w" if "w" in (a.space, b and b.space) else "z"), "recipe", space)
    if "w" in (a.space, b and b.space):
        where = "w"
    path = "linear" if values.get("path") is None else values["path"]
    if path not in PATHS:
        raise unknown("path", quoted(path).strip("'"), PATHS)
    layer_t = values.get("layer_t")
    if layer_t is not None:
        _styled(space, "layer_t")
        if not _is_list(layer_t) or len(layer_t) != space.layers:
            raise UsageError(f"A recipe's layer_t holds one share for each of the {space.layers} layers of this model.")
        layer_t = tuple(check_number(t, "a share of layer_t", MIN_SHARE, MAX_SHARE) for t in layer_t)
    edits = values.get("edits")
    edits = [] if edits is None else edits
    if not _is_list(edits) or len(edits) > MAX_EDITS:
        raise UsageError(f"The edits of a recipe are a list of at most {MAX_EDITS}.")
    truncation = values.get("truncation")
    if truncation is not None:
        low, high = (-MAX_PSI, MAX_PSI) if space.styled else (0.05, 100)
        truncation = check_number(truncation, "truncation", low, high)
    truncation_layers = values.get("truncation_layers")
    if truncation_layers is not None:
        _styled(space, "truncation_layers")
        truncation_layers = space.check_layers(truncation_layers)
    noise = values.get("noise")
    recipe = Recipe(
        a,
        _text(values.get("model"), "model"),
        where,
        b,
        check_number(0.0 if values.get("t") is None else values["t"], "the share t", MIN_SHARE, MAX_SHARE),
        path,
        layer_t,
        tuple(_edit(edit, where, space) for edit in edits),
        truncation,
        truncation_layers,
        space.check_noise("fixed" if noise is None else noise),
    )
    vectors = [one.vector for one in (a, b, *recipe.edits) if one is not None and one.vector is not None]
    if sum(map(len, vectors)) > MAX_BYTES // 4:  # all else together is less than half of what is allowed
        _check_size(len(recipe.to_json()))
    return recipe


_RECIPE_KEYS = (
    "format", "model", "space", "a", "b", "t", "path", "layer_t", "edits", "truncation", "truncation_layers", "noise",
)  # fmt: skip
_POINT_KEYS = ("seed", "vector", "space", "arithmetic", "label", "codes", "name")
_EDIT_KEYS = ("name", "vector", "strength", "layers", "space")


def _loads(text: str | bytes | bytearray) -> Any:
    _check_size(len(text))
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError("This is not a recipe: it can't be read as JSON.") from None


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise UsageError(f"A recipe has at most {MAX_BYTES // 1024} kB, and this one has {size / 1024:,.1f} kB.")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _mapping(values: object, what: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise UsageError(f"A {what} is a JSON object with names and values, not {type(values).__name__}.")
    for key in values:
        if key not in keys:
            raise unknown(f"key of a {what}", str(key)[:40], keys)
    return values


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise UsageError(f"The {what} is a text of at most {MAX_NAME} characters.")
    return value


def _styled(space: LatentSpace, key: str) -> None:
    if not space.styled:
        raise UsageError(f"Only style-based models have '{key}': leave it out of recipes for this one.")


def _space(value: object, what: str, space: LatentSpace) -> str:
    if value not in ("z", "w"):
        raise UsageError(f'The space of a {what} is "z" or "w", not {quoted(value)}.')
    if value == "w" and not space.styled:
        raise UsageError('Only style-based models have the space "w": use "z" with this one.')
    return value


def _lengths(space: LatentSpace, where: str) -> tuple[int, ...]:
    return (space.z_dim,) if where == "z" else (space.w_dim, space.layers * space.w_dim)


def _point(values: object, what: str, space: LatentSpace) -> Point:
    values = _mapping(values, "point", _POINT_KEYS)
    kinds = [key for key in ("seed", "vector", "arithmetic") if values.get(key) is not None]
    if len(kinds) != 1:
        have = " and ".join(kinds) if kinds else "none"
        raise UsageError(f'The point "{what}" is made from one of seed, vector or arithmetic, and this has {have}.')
    if values.get("space") is not None and kinds != ["vector"]:
        raise UsageError(f'Only a vector states its space: leave "space" out of the point "{what}".')
    label, codes = values.get("label"), values.get("codes")
    if label is not None:
        if isinstance(label, str):
            raise UsageError("A label in a recipe is a class number, or a list with the weight of each class.")
        space.label_weights(label)
        label = tuple(float(x) for x in label) if _is_list(label) else int(label)
    if codes is not None:
        space.code_values(codes)
        codes = tuple(float(x) for x in codes)
    rest = {"label": label, "codes": codes, "name": _text(values.get("name"), "name of a point") or None}
    if kinds == ["seed"]:
        return Point(seed=check_seed(values["seed"]), **rest)
    if kinds == ["vector"]:
        where = _space(values.get("space") or "z", "vector", space)
        _decoded(values["vector"], _lengths(space, where))
        return Point(vector=values["vector"], space=where, **rest)
    groups = _mapping(values["arithmetic"], "sum", ("plus", "minus"))
    plus, minus = (_groups(groups.get(side)) for side in ("plus", "minus"))
    if not plus:
        raise UsageError("Vector arithmetic needs at least one group of seeds to add, such as [[0, 1, 2]].")
    return Point(plus=plus, minus=minus, **rest)


def _groups(values: object) -> tuple[tuple[int, ...], ...]:
    values = [] if values is None else values
    good = _is_list(values) and len(values) <= MAX_GROUPS
    if not good or not all(_is_list(group) and 1 <= len(group) <= MAX_GROUP_SEEDS for group in values):
        raise UsageError(
            f"Vector arithmetic takes at most {MAX_GROUPS} groups of 1 to {MAX_GROUP_SEEDS} seeds, such as [[0, 1, 2]]."
        )
    return tuple(tuple(check_seed(seed) for seed in group) for group in values)


def _edit(values: object, where: str, space: LatentSpace) -> Edit:
    values = _mapping(values, "edit", _EDIT_KEYS)
    own = values.get("space")
    if own is not None and _space(own, "edit", space) == "z" and where == "w":
        raise UsageError('An edit of space "z" comes before the mapping: it does not fit a recipe of space "w".')
    acts = own or where
    layers = values.get("layers")
    if layers is not None:
        if acts == "z":
            raise UsageError('An edit of some layers acts on w: set the space of the recipe or the edit to "w".')
        layers = space.check_layers(layers)
    if values.get("vector") is None:
        raise UsageError("An edit needs a vector, the direction in which it moves the latent.")
    _decoded(values["vector"], _lengths(space, acts))
    strength = check_number(values.get("strength", 1.0), "the strength of an edit", -MAX_STRENGTH, MAX_STRENGTH)
    return Edit(_text(values.get("name"), "name of an edit"), values["vector"], strength, layers, own)


# --- From a recipe to a picture --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resolved:
    """A recipe worked out: what is drawn, with ψ and noise still to come.

    `latent` is z [z_dim] where `space` is "z", else w [w_dim] or [layers, w_dim]; `label` [K] and `codes` [d] as the
    networks take them, or None; `seed` is that of the dropout that some generators keep.
    """

    latent: Tensor
    label: Tensor | None
    codes: Tensor | None
    space: str
    psi: float | None = None
    psi_layers: tuple[int, int] | None = None
    noise: Noise = "fixed"
    seed: int = 0


@torch.no_grad()
def resolve(space: LatentSpace, recipe: Recipe) -> Resolved:
    """The latent of a recipe with its label and codes; truncation is left to the drawing, but that of a plain model."""
    if recipe.space == "w":
        latent, label, codes = _resolve_w(space, recipe)
        where = "w"
    else:
        latent, label, codes, where = _resolve_z(space, recipe)
    psi, seed = (recipe.truncation if space.styled else None), _first_seed(recipe.a)
    return Resolved(latent, label, codes, where, psi, recipe.truncation_layers, recipe.noise, seed)


def _first_seed(point: Point) -> int:
    return point.seed if point.seed is not None else point.plus[0][0] if point.plus else 0


def _given(space: LatentSpace, point: Point) -> tuple[Tensor | None, Tensor | None]:
    """(label [K], codes [d]) of a point."""
    return space.label_weights(point.label), space.code_values(point.codes, _first_seed(point))


def _mean_sum(point: Point, latent: Any) -> Tensor:
    """Σ mean(plus group) − Σ mean(minus group) of what `latent(seed)` gives."""
    total = None
    for sign, groups in ((1.0, point.plus), (-1.0, point.minus)):
        for group in groups:
            mean = sign * torch.stack([latent(seed) for seed in group]).mean(0)
            total = mean if total is None else total + mean
    return total


def _z_of(space: LatentSpace, point: Point, truncation: float | None) -> Tensor:
    if point.seed is not None:
        return space.seed_z(point.seed, truncation)
    if point.vector is not None:
        return _decoded(point.vector, (space.z_dim,)).to(space.device)
    return _mean_sum(point, lambda seed: space.seed_z(seed, truncation))


def _w_of(space: LatentSpace, point: Point) -> Tensor:
    """[w_dim] or [layers, w_dim]."""
    if point.seed is not None:
        return space.seed_w(point.seed, point.label, point.codes)
    if point.vector is None:
        return _mean_sum(point, lambda seed: space.seed_w(seed, point.label, point.codes))
    if point.space == "z":
        label, codes = _given(space, point)
        return space.w(_z_of(space, point, None)[None], label, codes)[0]
    vector = _decoded(point.vector, _lengths(space, "w")).to(space.device)
    return vector if len(vector) == space.w_dim else vector.view(space.layers, space.w_dim)


def _mixed(a: Tensor | None, b: Tensor | None, t: float | Tensor) -> Tensor | None:
    return None if a is None else torch.lerp(a, b, t)


def _resolve_z(space: LatentSpace, recipe: Recipe) -> tuple[Tensor, Tensor | None, Tensor | None, str]:
    """(latent, label, codes, space of the latent): that of w where single layers are spoken of."""
    truncation = None if space.styled else recipe.truncation
    z, (label, codes) = _z_of(space, recipe.a, truncation), _given(space, recipe.a)
    edits = [edit for edit in recipe.edits if edit.space != "w"]
    later = [edit for edit in recipe.edits if edit.space == "w"]
    shift = sum(edit.strength * _decoded(edit.vector, (space.z_dim,)).to(space.device) for edit in edits)
    w = None
    if recipe.b is not None and (recipe.layer_t is not None or recipe.t != 0):
        other, (other_label, other_codes) = _z_of(space, recipe.b, truncation), _given(space, recipe.b)
        if recipe.layer_t is None:
            z = between(recipe.path, z, other, recipe.t)
            label, codes = _mixed(label, other_label, recipe.t), _mixed(codes, other_codes, recipe.t)
        else:
            shares, place = np.unique(recipe.layer_t, return_inverse=True)
            rows = torch.stack([between(recipe.path, z, other, float(t)) for t in shares]) + shift
            column = torch.tensor(shares, dtype=torch.float32, device=space.device)[:, None]
            w = space.w(rows, _mixed(label, other_label, column), _mixed(codes, other_codes, column))
            w = w[torch.from_numpy(place).to(space.device)]
    if w is None:
        z = z + shift if edits else z
        if not later:
            return z, label, codes, "z"
        w = space.w(z[None], label, codes)[0]
    return _edited_w(space, w, later), label, codes, "w"


def _resolve_w(space: LatentSpace, recipe: Recipe) -> tuple[Tensor, Tensor | None, Tensor | None]:
    w, (label, codes) = _w_of(space, recipe.a), _given(space, recipe.a)
    if recipe.b is not None and (recipe.layer_t is not None or recipe.t != 0):
        other, (other_label, other_codes) = _w_of(space, recipe.b), _given(space, recipe.b)
        t: float | Tensor = recipe.t
        if recipe.layer_t is not None:
            t = torch.tensor(recipe.layer_t, device=space.device)[:, None]
            overall = sum(recipe.layer_t) / len(recipe.layer_t)
        else:
            overall = recipe.t
        if w.ndim != other.ndim or recipe.layer_t is not None:
            w, other = (space.per_layer(one) if one.ndim == 1 else one for one in (w, other))
        w = between(recipe.path, w, other, t, space.network.w_mean)
        label, codes = _mixed(label, other_label, overall), _mixed(codes, other_codes, overall)
    return _edited_w(space, w, recipe.edits), label, codes


def _edited_w(space: LatentSpace, w: Tensor, edits: Sequence[Edit]) -> Tensor:
    for edit in edits:
        if edit.strength == 0:
            continue
        vector = _decoded(edit.vector, _lengths(space, "w")).to(space.device)
        if len(vector) != space.w_dim:
            vector = vector.view(space.layers, space.w_dim)
        if edit.layers is None:
            w = (space.per_layer(w) if vector.ndim > w.ndim else w) + edit.strength * vector
            continue
        first, last = edit.layers
        w = (space.per_layer(w) if w.ndim == 1 else w).clone()
        w[first : last + 1] += edit.strength * (vector if vector.ndim == 1 else vector[first : last + 1])
    return w


@torch.no_grad()
def render(space: LatentSpace, recipe: Recipe) -> Tensor:
    """The picture of a recipe: [C, size, size] float32 in [-1, 1], on the CPU; the same bits every time.

    Of {"a": {"seed": s}} it is the picture of `Model.sample(1, seed=s)`, up to rounding.
    """
    with space.lock:
        what = resolve(space, recipe)
        draw = space.draw_z if what.space == "z" else space.draw
        label, codes = (None if one is None else one[None] for one in (what.label, what.codes))
        options = {"psi": what.psi, "psi_layers": what.psi_layers, "noise": what.noise, "seeds": what.seed}
        return draw(what.latent[None], label=label, codes=codes, **options)[0].cpu()


@torch.no_grad()
def render_many(space: LatentSpace, recipes: Sequence[Recipe]) -> Tensor:
    """The pictures of recipes, each as `render` draws it up to rounding: [N, C, size, size], drawn in chunks.

    Raises:
        UsageError: no recipes.
    """
    if not recipes:
        raise UsageError("There are no recipes to draw: give at least one.")
    parts = []
    for start in range(0, len(recipes), space.chunk):
        with space.lock:
            parts.append(_render_chunk(space, [resolve(space, one) for one in recipes[start : start + space.chunk]]))
    return torch.cat(parts)


def _render_chunk(space: LatentSpace, rows: list[Resolved]) -> Tensor:
    seeds = [row.seed for row in rows]
    unmapped = [row for row in rows if row.space == "z"]
    if unmapped:
        z = torch.stack([row.latent for row in unmapped])
        label, codes = (
            None if getattr(unmapped[0], key) is None else torch.stack([getattr(row, key) for row in unmapped])
            for key in ("label", "codes")
        )
        if not space.styled:
            return space.draw_z(z, label=label, codes=codes, seeds=seeds).cpu()
        mapped = iter(space.w(z, label, codes))
    styles = [next(mapped) if row.space == "z" else row.latent for row in rows]
    styles = [
        w if row.psi is None else space.truncate(w[None], row.psi, row.psi_layers)[0]
        for w, row in zip(styles, rows, strict=True)
    ]
    if len({w.ndim for w in styles}) > 1:
        styles = [space.per_layer(w) if w.ndim == 1 else w for w in styles]
    return space.draw_rows(torch.stack(styles), [row.noise for row in rows], seeds).cpu()


def bake(space: LatentSpace, recipe: Recipe) -> Recipe:
    """The same picture from one vector: no b and no edits; label, codes, truncation and noise stay.

    Raises:
        UsageError: the edits lead beyond what a vector may hold.
    """
    what = resolve(space, recipe)
    label = _plain_label(what.label)
    codes = None if what.codes is None else tuple(what.codes.tolist())
    a = Point(vector=encode_vector(what.latent), space=what.space, label=label, codes=codes, name=recipe.a.name)
    return replace(recipe, a=a, b=None, t=0.0, layer_t=None, edits=(), space=what.space)


def flat(space: LatentSpace, recipe: Recipe) -> Recipe:
    """As `bake`, with a styled model's latent in w and the truncation worked into it: only the noise is left."""
    baked = bake(space, recipe)
    if not space.styled:
        return replace(baked, truncation=None)
    what = resolve(space, baked)
    with torch.no_grad():
        w = what.latent
        if what.space == "z":
            label, codes = _given(space, baked.a)
            w = space.w(w[None], label, codes)[0]
        if what.psi is not None:
            w = space.truncate(w[None], what.psi, what.psi_layers)[0]
    a = replace(baked.a, vector=encode_vector(w), space="w")
    return replace(baked, a=a, space="w", truncation=None, truncation_layers=None)


def strengths(edits: Iterable[Edit]) -> dict[Edit, float]:
    """The edits with strength 0, each with the strength it has in sum: two recipes' edits are compared by these."""
    total: dict[Edit, float] = {}
    for edit in edits:
        key = replace(edit, strength=0.0)
        total[key] = total.get(key, 0.0) + edit.strength
    return total


def _plain_label(weights: Tensor | None) -> Label:
    """Class weights as a point keeps them: the class itself where it is one."""
    if weights is None:
        return None
    values = tuple(weights.tolist())
    chosen = [i for i, value in enumerate(values) if value != 0]
    return chosen[0] if len(chosen) == 1 and values[chosen[0]] == 1 else values
