"""What the Explore and Style mixing tabs ask for, worked out: pictures, sheets, directions, paths, files.

Every function takes an open model and plain JSON values, and gives bytes or JSON back. This module loads torch: import
it where something is drawn.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from playground.data.base import to_uint8
from playground.errors import PlaygroundError, UsageError, unknown
from playground.export import grid, write_animation
from playground.latent import directions as ways
from playground.latent.bias import correlation as correlate
from playground.latent.encoder import prepare_picture
from playground.latent.interpolate import ease, walk
from playground.latent.interpolate import frames as frames_between
from playground.latent.invert import Inversion, invert
from playground.latent.mapping import METHODS as MAPS
from playground.latent.mapping import latent_map
from playground.latent.mixing import groups
from playground.latent.reader import Reader, words
from playground.latent.recipe import (
    Point,
    Recipe,
    Resolved,
    bake,
    encode_vector,
    from_link,
    parse,
    render,
    render_many,
    resolve,
)
from playground.latent.space import LatentSpace
from playground.latent.steer import THOROUGH
from playground.latent.steer import steer as steer_latent
from playground.metrics.disentanglement import scores
from playground.metrics.features import DEFAULT, default_extractor
from playground.model import list_shipped
from playground.runs import atomic_write, kebab

if TYPE_CHECKING:
    from playground.ui.studio import Job, Opened

METHODS = ("gradient", "boundary", "pca", "closed-form")
MAX_RECIPES = 64
MAX_CELLS = 100  # of a mixing grid
MAX_POINTS = 1000  # of a latent map
SCORED = 1000  # pictures that disentanglement is measured on
MAX_PIXELS = 64 * 2**20  # of all frames of an animation
LEAKS_SHOWN = 6
LEAKED = 32  # latents that a direction's leakage is measured on
BOUNDED = 600  # latents that linear boundaries are fitted to
PATH_SHOWN = 64  # latents of a path that are sent
BATCH = 16  # frames of an animation drawn at once: what a processor's cache holds


# ---------------------------------------------------------------------------------------------------------------------
# Checking what comes in


def number(values: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A finite number of a request, `default` where it is absent; raises UsageError for anything else."""
    value = values.get(name)
    value = default if value is None else value
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{name} must be a number from {low:g} to {high:g}, not {str(value)[:40]}.")
    return float(value)


def whole(values: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """As `number`, a whole one."""
    value = number(values, name, default, low, high)
    if value != int(value):
        raise UsageError(f"{name} must be a whole number from {low} to {high}, not {value:g}.")
    return int(value)


def listed(values: Mapping[str, Any], name: str, most: int, least: int = 1) -> list[Any]:
    """A list of a request; raises UsageError for anything else, and for one of another length."""
    value = values.get(name)
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise UsageError(f"{name} must be a list of {least} to {most} entries.")
    return value


def chosen(values: Mapping[str, Any], name: str, options: Sequence[str], default: str) -> str:
    """One of some words; raises UsageError with the nearest for any other."""
    value = values.get(name)
    value = default if value is None else value
    if value not in options:
        raise unknown(name, str(value)[:40], options)
    return value


def named(values: Mapping[str, Any], name: str) -> str:
    """A name of a request; raises UsageError for anything else."""
    value = values.get(name)
    if not isinstance(value, str) or not value or len(value) > 200:
        raise UsageError(f"{name} must be a name, not {str(value)[:40]}.")
    return value


def where_of(space: LatentSpace, values: Mapping[str, Any]) -> str:
    """The space that a request is about: its own choice, else w where there is one."""
    return ways.home(space, values.get("space"))


# ---------------------------------------------------------------------------------------------------------------------
# Pictures


def pixels(picture: Tensor) -> np.ndarray:
    """[C, H, W] in [-1, 1] -> uint8 [H, W, 1 or 3]."""
    return to_uint8(picture[None])[0]


def image(picture: Tensor, size: int | None = None) -> Image.Image:
    """A picture for Pillow, enlarged or reduced smoothly to `size`."""
    values = pixels(picture)
    made = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    return made if size in (None, made.width) else made.resize((size, size), Image.Resampling.LANCZOS)


def encoded(picture: Image.Image, kind: str = "png") -> bytes:
    """PNG as fast as it goes, or JPEG for large sheets."""
    buffer = io.BytesIO()
    if kind == "png":
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.convert("RGB").save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def sheet(pictures: Tensor, columns: int, kind: str = "png", size: int | None = None) -> bytes:
    """[N, C, H, W] -> one picture of rows of `columns`, without gaps."""
    cells = to_uint8(pictures)
    if size is not None and size != cells.shape[1]:
        cells = np.stack([np.asarray(image(picture, size)).reshape(size, size, -1) for picture in pictures])
    return encoded(Image.fromarray(grid(cells, columns=columns, padding=0)), kind)


def frame(opened: Opened, recipe: Any) -> bytes:
    """The picture of a recipe."""
    return encoded(image(render(opened.front, parse(recipe, opened.front))))


def strip(opened: Opened, body: Mapping[str, Any]) -> bytes:
    """The pictures of many recipes as a sheet."""
    values = listed(body, "recipes", MAX_RECIPES)
    columns = whole(body, "columns", min(8, len(values)), 1, MAX_RECIPES)
    return sheet(_drawn(opened.back, values), columns)


def _drawn(space: LatentSpace, values: Sequence[Any]) -> Tensor:
    return render_many(space, [parse(value, space) for value in values])


def default_recipe(opened: Opened, key: str, seed: int | None = None) -> dict[str, Any]:
    """What a model is first seen with: a seed (None: the one that its card calls its first), pulled a little towards
    the mean where that is possible."""
    space = opened.front
    if seed is None:
        first = space.model.facts.get("first_seed", 0)
        seed = first if isinstance(first, int) and 0 <= first < 2**31 else 0
    point = {"seed": seed, "label": 0 if space.classes else None}
    where, psi = ("w", 0.8) if space.styled else ("z", None)
    return parse({"model": key, "space": where, "a": point, "truncation": psi}, space).to_dict()


def facts(opened: Opened, key: str, readers: Sequence[Any], reader: Reader | None) -> dict[str, Any]:
    """What a page has to know of an open model."""
    space, codes = opened.front, opened.front.codes
    names = [] if reader is None else zip(reader.names, reader.binary, strict=True)
    return {
        "key": key, "title": opened.source.title, "kind": opened.source.kind, "size": space.size,
        "channels": space.channels, "data": space.info.name, "styled": space.styled, "noisy": space.noisy,
        "layers": space.layers, "layer_names": space.layer_names, "layer_resolutions": space.layer_resolutions,
        "groups": groups(space) if space.styled else {},
        "classes": space.classes,
        "codes": None if codes is None else {"categorical": list(codes.categorical), "continuous": codes.continuous},
        "z_dim": space.z_dim, "w_dim": space.w_dim,
        "attributes": [{"name": name, "label": words(name), "binary": binary} for name, binary in names],
        "readers": [{"key": one.key, "title": one.title} for one in readers], "encoder": opened.has_encoder,
        "live": opened.live, "step": opened.step, "recipe": default_recipe(opened, key),
    }  # fmt: skip


def read(opened: Opened, recipe: Any, reader: Reader) -> dict[str, Any]:
    """What a classifier reads in the picture of a recipe."""
    values = reader(render(opened.back, parse(recipe, opened.back))[None])[0]
    return {"attributes": dict(zip(reader.names, values.tolist(), strict=True)), "exclusive": reader.exclusive}


# ---------------------------------------------------------------------------------------------------------------------
# Directions and what moves along them


def direction_json(found: ways.Direction, leaks: Mapping[str, float] | None) -> dict[str, Any]:
    """A direction as the page keeps it."""
    largest = sorted((leaks or {}).items(), key=lambda item: -abs(item[1]))[:LEAKS_SHOWN]
    return {
        "name": found.name, "label": found.label, "method": found.method, "space": found.space,
        "vector": encode_vector(found.vector), "layers": found.layers, "attribute": found.attribute,
        "share": found.share, "leakage": None if leaks is None else {name: round(v, 4) for name, v in largest},
    }  # fmt: skip


def directions(
    opened: Opened, body: Mapping[str, Any], reader: Reader | None, cache: Path | None = None
) -> dict[str, Any]:
    """All directions of a kind, each with what it changes besides; kept with the open model, and in the folder `cache`.

    Raises:
        UsageError: an unknown method or space, or a method that needs a reader where there is none.
    """
    space = opened.back
    method, where = chosen(body, "method", METHODS, "closed-form"), where_of(opened.back, body)
    if method in ("gradient", "boundary") and reader is None:
        raise UsageError(f"The directions '{method}' need a classifier that reads this model's pictures.")
    if method in ("pca", "closed-form") and space.styled and where == "z":
        raise UsageError("Directions of this kind live in w for a style-based model: choose w, or another kind.")
    key = ("directions", method, where, None if reader is None else id(reader.model))
    if key not in opened.results:
        kept = None if cache is None else _Kept(cache, opened, reader, f"{method}-{where}")
        rows = None if kept is None else kept.read()
        if rows is None:
            found = _found_directions(opened, method, where, reader)
            leaks = leakages(opened, found, where, reader)
            rows = [direction_json(one, leak) for one, leak in zip(found, leaks, strict=True)]
            if kept is not None:
                kept.write(rows)
        opened.keep(key, (reader, {"directions": rows}))  # the reader stays, so that its id is not given again
    return opened.results[key][1]


def _found_directions(opened: Opened, method: str, where: str, reader: Reader | None) -> list[ways.Direction]:
    space, stop = opened.back, opened.stopped
    if method == "gradient":
        return ways.gradient_directions(space, reader, where, stop=stop)
    if method == "boundary":
        return ways.boundary_directions(space, reader, where, count=BOUNDED, stop=stop)
    return ways.pca_directions(space) if method == "pca" else ways.closed_form_directions(space)


@torch.no_grad()
def leakages(
    opened: Opened, found: Sequence[ways.Direction], where: str, reader: Reader | None
) -> list[dict[str, float] | None]:
    """`directions.leakage` of many directions at strength 2, the pictures they start from being read once."""
    if reader is None:
        return [None] * len(found)
    space = opened.back
    sampled = ways.sample(space, LEAKED, 7, where)
    before = torch.sigmoid(ways.read(space, where, sampled, reader))
    rows = []
    for one in found:
        if opened.stopped():
            raise UsageError("The search for directions was stopped: the playground is closing.")
        after = torch.sigmoid(ways.read(space, where, ways.moved(space, sampled, one, 2.0), reader))
        rows.append(dict(zip(reader.names, (after - before).mean(dim=0).tolist(), strict=True)))
    return rows


class _Kept:
    """Directions of a shipped model on the disk, so that only the first start of the app computes them.

    The file's name tells the weights of the model and of its reader: other weights have another file.
    """

    _FORMAT = 1

    def __init__(self, folder: Path, opened: Opened, reader: Reader | None, name: str) -> None:
        total = hashlib.sha256(str(self._FORMAT).encode())
        for model in (opened.model, *(() if reader is None else (reader.model,))):
            total.update((model.folder / "model.safetensors").read_bytes() if model.folder else model.preset.encode())
        self._path = folder / f"{opened.key}-{name}-{total.hexdigest()[:16]}.json"

    def read(self) -> list[dict[str, Any]] | None:
        try:
            rows = json.loads(self._path.read_bytes())
            return rows if isinstance(rows, list) and all("vector" in row for row in rows) else None
        except (OSError, ValueError, TypeError):
            return None

    def write(self, rows: list[dict[str, Any]]) -> None:
        with contextlib.suppress(OSError, PlaygroundError):  # a full disk only means to compute them again
            self._path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self._path, json.dumps(rows).encode())


def teach(opened: Opened, body: Mapping[str, Any], reader: Reader | None) -> dict[str, Any]:
    """The direction from what a person dislikes to what they like."""
    space, context = opened.back, _mapping(body.get("recipe"), "recipe")
    where = ways.home(space, parse(context, space).space)
    name = body.get("name") or "my direction"
    if not isinstance(name, str) or len(name) > 60:
        raise UsageError("The name of a direction is a text of at most 60 characters.")
    plain = {"model": context.get("model"), "space": where}
    groups = []
    for side in ("up", "down"):
        points = listed(body, side, 200, least=0)
        groups.append([_latent(space, parse({**plain, "a": point}, space), where) for point in points])
    found = ways.taught_direction(space, *groups, name=name, where=where)
    return {"direction": direction_json(found, leakages(opened, [found], where, reader)[0])}


def _latent(space: LatentSpace, recipe: Recipe, where: str) -> Tensor:
    """The latent of a recipe in `where`."""
    what = resolve(space, recipe)
    if what.space == where:
        return what.latent
    if where == "w":
        label, codes = (None if one is None else one[None] for one in (what.label, what.codes))
        with torch.no_grad():
            return space.w(what.latent[None], label, codes)[0]
    raise UsageError("A picture that was found in w has no z: set the space to w.")


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"The request lacks its {what}.")
    return value


def steer(opened: Opened, body: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """Walk a recipe's latent until the reader finds the targets."""
    space = opened.back
    recipe = parse(_mapping(body.get("recipe"), "recipe"), space)
    what = resolve(space, recipe)
    targets = _mapping(body.get("targets"), "targets")
    if not targets or len(targets) > len(reader.names):
        raise UsageError("Choose at least one attribute to change.")
    hold, layers = body.get("hold", "others"), body.get("layers")
    if layers is None and what.space == "w":
        layers = (0, space.layers - 1)  # a vector each: a target is reached more often, and what is held moves less
    if hold not in (None, "others") and not (isinstance(hold, list) and all(isinstance(name, str) for name in hold)):
        raise UsageError('hold is a list of names, "others", or nothing.')
    asked = {
        "hold_weight": number(body, "hold_weight", THOROUGH["hold_weight"], 0, 100),
        "picture_weight": number(body, "picture_weight", THOROUGH["picture_weight"], 0, 100),
        "step_size": number(body, "step_size", THOROUGH["step_size"], 0.001, 5),
        "steps": whole(body, "steps", THOROUGH["steps"], 1, 200),
    }
    path = steer_latent(
        space, what.latent[None], reader, {name: number(targets, name, 0.5, 0, 1) for name in targets},
        hold=hold, label=_row(what.label), codes=_row(what.codes), stop=opened.stopped,
        layers=None if layers is None else space.check_layers(layers), **_look(what),
        **{**THOROUGH, **asked},
    )  # fmt: skip
    shown = np.unique(np.linspace(0, len(path.latents) - 1, min(PATH_SHOWN, len(path.latents))).round().astype(int))
    return {
        "recipe": _with_vector(space, recipe, what, path.latents[-1]).to_dict(),
        "path": [encode_vector(path.latents[at]) for at in shown],
        "readings": {name: path.readings[:, i].tolist() for i, name in enumerate(path.names)},
        "names": path.names, "reached": bool(path.reached),
    }  # fmt: skip


def _row(value: Tensor | None) -> Tensor | None:
    return None if value is None else value[None]


def _look(what: Resolved) -> dict[str, Any]:
    return {"where": what.space, "psi": what.psi, "psi_layers": what.psi_layers, "noise": what.noise}


def _with_vector(space: LatentSpace, recipe: Recipe, what: Resolved, latent: Tensor) -> Recipe:
    """The baked recipe with another latent."""
    baked = bake(space, recipe)
    return replace(baked, a=replace(baked.a, vector=encode_vector(latent), space=what.space), space=what.space)


def baked(opened: Opened, recipe: Any) -> dict[str, Any]:
    """The same picture from one vector."""
    return {"recipe": bake(opened.front, parse(recipe, opened.front)).to_dict()}


def link(opened: Opened, recipe: Any) -> dict[str, Any]:
    """A recipe in the letters of an address."""
    return {"link": "#explore?r=" + parse(recipe, opened.front).to_link()}


def unlinked(text: Any) -> dict[str, Any]:
    """The recipe in a link, or in its last part; not yet checked against its model."""
    if not isinstance(text, str):
        raise UsageError("A link is a text.")
    return {"recipe": from_link(text.rpartition("r=")[2].partition("&")[0])}


# ---------------------------------------------------------------------------------------------------------------------
# What goes together, and where


def correlation(opened: Opened, body: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """What else changes when one reading is changed; kept with the open model."""
    target = named(body, "target")
    key = ("correlation", target, where_of(opened.back, body), id(reader.model))
    if key not in opened.results:
        found = correlate(opened.back, reader, target, where=key[2])
        told = {
            "target": found.target, "names": found.names, "labels": [words(name) for name in found.names],
            "change": found.change.tolist(), "natural": found.natural.tolist(),
            "points": found.points.round(decimals=4).tolist(), "strengths": found.strengths.tolist(),
        }  # fmt: skip
        opened.keep(key, (reader, told))
    return opened.results[key][1]


def disentanglement(opened: Opened, reader: Reader) -> dict[str, Any]:
    """How well each space keeps factors apart: {"spaces": [{"space", scores}, ...]}; kept with the open model."""
    space = opened.back
    key = ("disentanglement", id(reader.model))
    if key not in opened.results:
        rows = []
        for where in ("z", "w") if space.styled else ("z",):
            found = scores(space, reader, where, count=SCORED, stop=opened.stopped)
            rows.append({
                "space": where, "disentanglement": found.disentanglement, "completeness": found.completeness,
                "informativeness": found.informativeness, "separability": found.separability,
                "factors": dict(zip(found.names, found.informative.tolist(), strict=True)), "count": found.count,
            })  # fmt: skip
        opened.keep(key, (reader, {"spaces": rows}))
    return opened.results[key][1]


def mapped(opened: Opened, body: Mapping[str, Any], reader: Reader | None) -> dict[str, Any]:
    """Seeds as points of a plane; kept with the open model."""
    space = opened.back
    method, where = chosen(body, "method", MAPS, "pca"), where_of(space, body)
    count, seed = whole(body, "count", 400, 3, MAX_POINTS), whole(body, "seed", 0, 0, 2**31 - MAX_POINTS)
    attribute = None if body.get("attribute") is None else named(body, "attribute")
    reader = reader if attribute is not None else None
    key = ("map", method, where, count, seed, attribute, None if reader is None else id(reader.model))
    if key not in opened.results:
        found = latent_map(space, count, method, where, seed, reader=reader, attribute=attribute)
        x, y = found.points.T.tolist()
        told = {
            "x": x, "y": y, "seeds": found.seeds.tolist(), "colour": found.colour.tolist(),
            "colour_name": found.colour_name, "labels": None if found.labels is None else found.labels.tolist(),
            "space": where,
        }  # fmt: skip
        opened.keep(key, (reader, told))
    return opened.results[key][1]


# ---------------------------------------------------------------------------------------------------------------------
# Grids, walks and files


def mixing_grid(opened: Opened, body: Mapping[str, Any]) -> bytes:
    """Rows of sources, columns of destinations: each cell is the column with the row's styles where `layer_t` says.

    The first row shows the columns' own pictures and the first column the rows'; the corner is grey.
    """
    space = opened.back
    rows, columns = listed(body, "rows", MAX_CELLS), listed(body, "columns", MAX_CELLS)
    if len(rows) * len(columns) > MAX_CELLS:
        raise UsageError(f"A grid has at most {MAX_CELLS} cells: take fewer rows or columns.")
    look = {"model": body.get("model"), "space": "w", "truncation": body.get("truncation"), "noise": body.get("noise")}
    shares = listed(body, "layer_t", space.layers, space.layers) if space.styled else None
    if shares is None:
        raise UsageError("Only style-based models mix styles: choose one, such as a model of the preset 'stylegan'.")
    recipes = [{**look, "a": column} for column in columns]
    for row in rows:
        recipes += [{**look, "a": row}, *({**look, "a": column, "b": row, "layer_t": shares} for column in columns)]
    drawn = _drawn(space, recipes)
    corner = torch.zeros_like(drawn[:1])
    return sheet(torch.cat([corner, drawn]), len(columns) + 1)


def walk_recipes(opened: Opened, key: str, count: int, stops: int) -> list[Recipe]:
    """`count` recipes of a slow closed walk over the seeds from 0 to `stops` − 1, which show the classes in turn.

    Picture i lies on the arc from seed k = ⌊i · stops / count⌋ to the next one, at 3t² − 2t³ of what is left of
    i · stops / count, so that a page can make the recipe of each as well.
    """
    space = opened.back
    start = {**default_recipe(opened, key), "space": "z", "path": "spherical"}
    points = [{"seed": k, "label": k % len(space.classes) if space.classes else None} for k in range(stops)]
    pairs = zip(points, points[1:] + points[:1], strict=True)
    legs = [parse({**start, "a": a, "b": b}, space) for a, b in pairs]
    places = [divmod(i * stops, count) for i in range(count)]
    return [replace(legs[k], t=ease(rest / count)) for k, rest in places]


def walk_sheet(opened: Opened, key: str, count: int, stops: int, size: int | None, kind: str) -> bytes:
    """The pictures of a walk, eight a row."""
    return sheet(render_many(opened.back, walk_recipes(opened, key, count, stops)), 8, kind, size)


def thumbnail(opened: Opened, key: str) -> bytes:
    """Four pictures of a model."""
    space = opened.back
    start = default_recipe(opened, key)
    labels = [i % len(space.classes) if space.classes else None for i in range(4)]
    return sheet(_drawn(space, [{**start, "a": {"seed": i, "label": label}} for i, label in enumerate(labels)]), 2)


def sequence(opened: Opened, body: Mapping[str, Any]) -> list[Recipe]:
    """The recipes of an animation: a walk over seeds, or the way from one recipe to another."""
    space = opened.back
    recipe = parse(_mapping(body.get("recipe"), "recipe"), space)
    count = whole(body, "frames", 48, 2, 480)
    seeds = body.get("walk")
    if seeds is not None:
        seeds = listed(body, "walk", 64, 2)
        look = {"model": recipe.model, "label": recipe.a.label, "truncation": recipe.truncation, "where": recipe.space}
        recipes = walk(space, seeds, max(1, count // len(seeds)), recipe.path, **look)
        return [replace(one, noise=recipe.noise, truncation_layers=recipe.truncation_layers) for one in recipes]
    if body.get("to") is not None:
        other = parse(_mapping(body["to"], "second recipe"), space)
        if other.model != recipe.model:
            raise UsageError("An animation stays with one model: open both pictures with the same one.")
        recipes = frames_between(recipe, other, count, space=space)
    elif recipe.b is not None:
        recipes = [replace(recipe, t=i / (count - 1)) for i in range(count)]
    else:
        raise UsageError("An animation needs a second picture: choose one to go to, or a walk over seeds.")
    return recipes + recipes[-2:0:-1] if body.get("boomerang") else recipes


def _animated(space: LatentSpace, recipes: Sequence[Recipe], size: int) -> Iterator[np.ndarray]:
    for at in range(0, len(recipes), BATCH):
        for picture in render_many(space, recipes[at : at + BATCH]):
            yield np.asarray(image(picture, size).convert("RGB"))


EXPORTS = ("png", "gif", "mp4", "webp", "npy", "json")


def exported(opened: Opened, body: Mapping[str, Any]) -> tuple[str, Callable[[Path], Any]]:
    """(file name, what writes it): a picture, an animation, the latent, or the recipe. Checked before it is written."""
    space = opened.back
    kind = chosen(body, "kind", EXPORTS, "png")
    recipe = parse(_mapping(body.get("recipe"), "recipe"), space)
    size = whole(body, "size", 256, 16, 1024)
    seed = f"-{recipe.a.seed}" if recipe.a.seed is not None else ""
    name = f"{kebab(opened.source.title) or 'picture'}{seed}.{kind}"
    if kind == "png":
        return name, lambda path: image(render(space, recipe), size).save(path)
    if kind == "npy":
        return name, lambda path: np.save(path, resolve(space, recipe).latent.cpu().numpy())
    if kind == "json":
        return name, lambda path: atomic_write(path, (json.dumps(recipe.to_dict(), indent=2) + "\n").encode())
    recipes = sequence(opened, body)
    fps = number(body, "fps", 24, 1, 60)
    if len(recipes) * size * size > MAX_PIXELS:
        raise UsageError(
            f"{len(recipes)} frames of {size} pixels are too much for one file: take fewer frames, or at most "
            f"{math.isqrt(MAX_PIXELS // len(recipes))} pixels."
        )
    rest = 0.0 if body.get("boomerang") or body.get("walk") else 1.0
    return name, lambda path: write_animation(_animated(space, recipes, size), path, fps, rest=rest, steady=True)


# ---------------------------------------------------------------------------------------------------------------------
# Inversion


def prepared(data: bytes | Path, opened: Opened) -> tuple[Tensor, bytes]:
    """An uploaded picture as the model takes it [1, C, S, S], and as PNG.

    Raises:
        DataError: not a picture, a damaged one, or one that is huge.
    """
    picture = prepare_picture(data, opened.front.size, opened.front.channels)
    return picture, encoded(image(picture[0]))


def find_latent(opened: Opened, picture: Tensor, steps: int, **options: Any) -> Inversion:
    """The latent that draws a picture; options as of `latent.invert.invert`."""
    extractor = default_extractor() if DEFAULT in list_shipped() else None
    return invert(opened.back, picture, encoder=opened.encoder(), extractor=extractor, steps=steps, **options)


def found_recipe(space: LatentSpace, model: str, latent: Tensor, label: int | None, codes: Tensor | None) -> Recipe:
    """The recipe of an inversion's latent [1, ...]."""
    label = None if space.styled else label  # a style has it in its w
    plain = None if codes is None or space.styled else tuple(codes.flatten().tolist())
    where = "w" if space.styled else "z"
    point = Point(vector=encode_vector(latent), space=where, label=label, codes=plain, name="my picture")
    return Recipe(point, model, where)


def job_json(job: Job) -> dict[str, Any]:
    """How far a job has come, with the recipe of the best so far."""
    recipe, latent, space = None, job.latent, job.opened.front
    # of a search over classes or codes, these are known at its end only
    known = space.styled or job.state != "running" or not (space.classes or space.codes)
    if latent is not None and known:
        recipe = found_recipe(space, job.model, latent, job.label, job.codes).to_dict()
    return {
        "id": job.id, "model": job.model, "state": job.state, "step": job.step, "total": job.total, "loss": job.loss,
        "distance": job.distance, "psnr": job.psnr, "start_distance": job.start_distance,
        "start_psnr": job.start_psnr, "measure": job.measure, "recipe": recipe, "message": job.message,
    }  # fmt: skip
