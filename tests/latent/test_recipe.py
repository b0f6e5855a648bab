"""Recipes: the same picture every time, through JSON and links, and one sentence for whatever is wrong."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from playground.errors import UsageError
from playground.latent.recipe import (
    MAX_BYTES,
    Point,
    Recipe,
    bake,
    decode_vector,
    encode_vector,
    flat,
    from_link,
    parse,
    render,
    render_many,
    resolve,
)
from playground.latent.space import LatentSpace

Make = Callable[..., LatentSpace]
SHARES = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def vector(length: int, seed: int = 0, size: float = 1.0) -> str:
    return encode_vector(size * torch.randn(length, generator=torch.Generator().manual_seed(seed)))


#: a table of recipes for a styled model with z_dim = w_dim = 8 and six layers
STYLED: dict[str, dict[str, Any]] = {
    "seed": {"a": {"seed": 3}},
    "seed in w": {"space": "w", "a": {"seed": 3}},
    "line in z": {"a": {"seed": 3}, "b": {"seed": 4}, "t": 0.3},
    "arc in z": {"a": {"seed": 3}, "b": {"seed": 4}, "t": 0.3, "path": "spherical"},
    "beyond": {"a": {"seed": 3}, "b": {"seed": 4}, "t": 1.7, "space": "w"},
    "arc in w": {"a": {"seed": 3}, "b": {"seed": 4}, "t": 0.6, "path": "spherical", "space": "w"},
    "mixed in z": {"a": {"seed": 3}, "b": {"seed": 4}, "layer_t": SHARES},
    "mixed in w": {"a": {"seed": 3}, "b": {"seed": 4}, "layer_t": SHARES, "space": "w"},
    "arc a layer": {"a": {"seed": 3}, "b": {"seed": 4}, "layer_t": SHARES, "space": "w", "path": "spherical"},
    "vector of z": {"a": {"vector": vector(8), "space": "z", "name": "mine"}},
    "vector of w": {"a": {"vector": vector(8), "space": "w"}},
    "vectors of w": {"a": {"vector": vector(48), "space": "w"}, "b": {"seed": 1}, "t": 0.5},
    "z with w": {"a": {"vector": vector(8), "space": "z"}, "b": {"vector": vector(8, 1), "space": "w"}, "t": 0.5},
    "arithmetic": {"a": {"arithmetic": {"plus": [[1, 2, 3], [4]], "minus": [[5, 6]]}}},
    "arithmetic in w": {"a": {"arithmetic": {"plus": [[1, 2], [4]], "minus": [[5, 6]]}}, "space": "w"},
    "edit of z": {"a": {"seed": 3}, "edits": [{"name": "x", "vector": vector(8), "strength": 2.5}]},
    "edit of w": {"a": {"seed": 3}, "edits": [{"name": "x", "vector": vector(8), "strength": 0.5}], "space": "w"},
    "edit of a layer": {
        "a": {"seed": 3}, "space": "w",
        "edits": [{"name": "x", "vector": vector(8), "strength": 1, "layers": [2, 3]},
                  {"name": "y", "vector": vector(48, 2), "strength": -1, "layers": [3, 5]},
                  {"name": "z", "vector": vector(48, 3), "strength": 0.5}],
    },
    "edits of both": {
        "a": {"seed": 3},
        "edits": [{"vector": vector(8, 4), "strength": 1}, {"vector": vector(8, 5), "space": "w", "layers": [0, 1]}],
    },
    "mixed and edited": {
        "a": {"seed": 3}, "b": {"seed": 5}, "layer_t": SHARES, "edits": [{"vector": vector(8, 4), "strength": 1}],
    },
    "truncated": {"a": {"seed": 3}, "truncation": 0.5},
    "truncated layers": {"a": {"seed": 3}, "truncation": -0.5, "truncation_layers": [1, 2]},
    "no noise": {"a": {"seed": 3}, "noise": "none"},
    "other noise": {"a": {"seed": 3}, "noise": 7},
    "noises": {"a": {"seed": 3}, "noise": ["fixed", 7, "none", 8, "fixed", 7]},
}  # fmt: skip
PLAIN: dict[str, dict[str, Any]] = {
    **{name: STYLED[name] for name in ("seed", "line in z", "arc in z", "vector of z", "arithmetic", "edit of z")},
    "truncated": {"a": {"seed": 3}, "b": {"seed": 4}, "t": 0.5, "truncation": 0.4},
}
LABELLED: dict[str, dict[str, Any]] = {
    "label": {"a": {"seed": 3, "label": 1}},
    "weights": {"a": {"seed": 3, "label": [0.2, 0.3, 0.5]}},
    "between labels": {"a": {"seed": 3, "label": 1}, "b": {"seed": 4, "label": 2}, "t": 0.25},
    "codes": {"a": {"seed": 3, "codes": [0, 1, 0, 0.5, -0.5]}, "b": {"seed": 4}, "t": 0.5},
    "sum": {"a": {"arithmetic": {"plus": [[7, 8]]}, "label": 2}},
}
CODED = {"preset": "cgan", "code_categories": 3, "code_continuous": 2}
TABLE = [
    *(("styled", recipe) for recipe in STYLED.values()),
    *(("plain", recipe) for recipe in PLAIN.values()),
    *(("labelled", recipe) for recipe in LABELLED.values()),
]
IDS = [*(f"styled {n}" for n in STYLED), *(f"plain {n}" for n in PLAIN), *(f"labelled {n}" for n in LABELLED)]


@pytest.fixture(scope="module")
def spaces(styled: LatentSpace, plain: LatentSpace, make_space: Make) -> dict[str, LatentSpace]:
    return {"styled": styled, "plain": plain, "labelled": make_space(**CODED)}


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-4) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() < tolerance)


def sentence(error: pytest.ExceptionInfo[UsageError]) -> bool:
    text = str(error.value)
    return text[0].isupper() and text[-1] in ".?" and "\n" not in text and len(text) < 250


# --- vectors as text


@pytest.mark.parametrize("length", [1, 2, 3, 8, 48, 1280])
def test_a_vector_survives_as_text(length: int):
    values = torch.randn(length) * 100
    text = encode_vector(values)
    assert torch.equal(decode_vector(text, [length, 7777]), values)
    assert base64.b64decode(text) == struct.pack(f"<{length}f", *values.tolist())


def test_rows_are_flattened_and_what_is_decoded_may_be_written_to():
    values = torch.arange(6.0).view(2, 3).requires_grad_()
    text = encode_vector(values)
    decode_vector(text, [6]).zero_()
    assert torch.equal(decode_vector(text, [6]), torch.arange(6.0))


BAD_VECTORS = [
    "", "A", "====", "ABC", "no text!", "AAAAA", "é" * 8, encode_vector(torch.zeros(7)), encode_vector(torch.zeros(49)),
    "A" * 10**6, base64.b64encode(np.float32([np.nan] * 8)).decode(), base64.b64encode(np.float32([2e4] * 8)).decode(),
    base64.b64encode(np.float32([-np.inf] * 8)).decode(), base64.b64encode(b"12345").decode(), 5, None, ["AAAA"],
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_VECTORS, ids=lambda text: repr(text)[:20])
def test_bad_vectors(text: Any):
    with pytest.raises(UsageError) as error:
        decode_vector(text, [8, 48])
    assert sentence(error)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.1e4])
def test_such_vectors_are_not_written_either(value: float):
    with pytest.raises(UsageError, match="10,000"):
        encode_vector(torch.tensor([0.0, value]))


# --- there and back


@pytest.mark.parametrize(("name", "values"), TABLE, ids=IDS)
def test_a_recipe_replays_the_exact_picture(spaces: dict[str, LatentSpace], name: str, values: dict[str, Any]):
    space = spaces[name]
    recipe = parse(values, space)
    picture = render(space, recipe)
    assert picture.shape == (1, 16, 16) and picture.dtype == torch.float32 and picture.abs().max() <= 1
    ways = (recipe.to_dict(), recipe.to_json(), recipe.to_json().encode(), from_link(recipe.to_link()), recipe)
    fresh = LatentSpace(space.model)
    for way in ways:
        again = parse(way, space)
        assert again == recipe and hash(again) == hash(recipe)
        assert torch.equal(render(fresh, again), picture)
    assert json.loads(recipe.to_json()) == recipe.to_dict()
    assert set(recipe.to_link()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(("name", "values"), TABLE, ids=IDS)
def test_a_baked_recipe_is_the_same_picture(spaces: dict[str, LatentSpace], name: str, values: dict[str, Any]):
    space = spaces[name]
    recipe = parse(values, space)
    baked = bake(space, recipe)
    assert parse(baked.to_json(), space) == baked
    assert (baked.b, baked.edits, baked.layer_t, baked.noise) == (None, (), None, recipe.noise)
    assert baked.a.vector is not None and baked.truncation == recipe.truncation
    assert close(render(space, baked), render(space, recipe))
    finished = parse(flat(space, recipe).to_dict(), space)
    assert finished.truncation is None and close(render(space, finished), render(space, recipe))


@pytest.mark.parametrize("name", ["styled", "plain", "labelled"])
def test_many_at_once_are_the_same_pictures(spaces: dict[str, LatentSpace], name: str):
    """More than a chunk, with every kind of recipe among them."""
    space = spaces[name]
    recipes = [parse(values, space) for which, values in TABLE if which == name]
    recipes = (recipes * 4)[: max(17, len(recipes))]
    drawn = render_many(space, recipes)
    assert drawn.shape == (len(recipes), 1, 16, 16)
    for picture, recipe in zip(drawn, recipes, strict=True):
        assert close(picture, render(space, recipe))
    assert len(torch.unique(drawn.flatten(1), dim=0)) > 4


def test_many_with_dropout_have_each_their_own_mask(make_space: Make):
    space = make_space("dcgan", dropout_g=0.5)
    drawn = render_many(space, [parse({"a": {"seed": seed}}, space) for seed in (2, 5)])
    for picture, seed in zip(drawn, (2, 5), strict=True):
        assert close(picture, space.model.sample(1, seed=seed)[0])


# --- what a recipe means


@pytest.mark.parametrize("knobs", [{"preset": "stylegan"}, {"preset": "dcgan"}, {"preset": "acgan"}, CODED], ids=str)
@pytest.mark.parametrize("seed", [0, 11])
def test_a_seed_is_the_picture_of_the_model(make_space: Make, knobs: dict[str, Any], seed: int):
    space = make_space(**knobs)
    assert close(render(space, parse({"a": {"seed": seed}}, space)), space.model.sample(1, seed=seed)[0])
    assert close(
        render(space, parse({"a": {"seed": seed}, "truncation": 0.6}, space)),
        space.model.sample(1, seed=seed, truncation=0.6)[0],
    )


@pytest.mark.parametrize("path", ["linear", "spherical"])
@pytest.mark.parametrize("where", ["z", "w"])
def test_the_ends_of_the_way_are_the_points(styled: LatentSpace, path: str, where: str):
    a, b = ({"a": {"seed": seed}, "space": where} for seed in (3, 4))
    way = {**a, "b": b["a"], "path": path}
    ends = [render(styled, parse({**way, "t": t}, styled)) for t in (0, 1)]
    assert torch.equal(ends[0], render(styled, parse(a, styled))) and close(ends[1], render(styled, parse(b, styled)))
    even = render(styled, parse({**way, "t": 0.4}, styled))
    assert close(render(styled, parse({**way, "layer_t": [0.4] * 6}, styled)), even)
    assert not close(even, ends[0], 0.01) and not close(even, ends[1], 0.01)


@pytest.mark.parametrize("where", ["z", "w"])
def test_shares_a_layer_are_style_mixing(styled: LatentSpace, where: str):
    recipe = parse({"a": {"seed": 3}, "b": {"seed": 4}, "layer_t": [0, 0, 1, 1, 0, 1], "space": where}, styled)
    what = resolve(styled, recipe)
    a, b = styled.seed_w(3), styled.seed_w(4)
    assert what.space == "w" and close(what.latent, torch.stack([a, a, b, b, a, b]), 1e-5)


def test_a_line_a_layer_goes_through_z_or_w_as_told(styled: LatentSpace):
    values = {"a": {"seed": 3}, "b": {"seed": 4}, "layer_t": SHARES}
    in_z, in_w = (resolve(styled, parse({**values, "space": where}, styled)).latent for where in ("z", "w"))
    z, w = ([get(seed) for seed in (3, 4)] for get in (styled.seed_z, styled.seed_w))
    for layer, t in enumerate(SHARES):
        assert close(in_z[layer], styled.w(torch.lerp(*z, t)[None])[0], 1e-5)
        assert close(in_w[layer], torch.lerp(*w, t), 1e-5)
    assert not close(in_z, in_w, 1e-4)


@pytest.mark.parametrize("where", ["z", "w"])
def test_arithmetic_sums_means_of_groups(styled: LatentSpace, where: str):
    recipe = parse({"a": {"arithmetic": {"plus": [[1, 2], [4]], "minus": [[5, 6]]}}, "space": where}, styled)
    of = styled.seed_z if where == "z" else styled.seed_w
    wanted = (of(1) + of(2)) / 2 + of(4) - (of(5) + of(6)) / 2
    assert close(resolve(styled, recipe).latent, wanted, 1e-5)


@pytest.mark.parametrize("where", ["z", "w"])
def test_edits_add_their_vectors(styled: LatentSpace, where: str):
    one, two = vector(8, 1), vector(8, 2)
    edits = [{"vector": one, "strength": 2}, {"vector": two, "strength": -0.5}]
    moved = resolve(styled, parse({"a": {"seed": 3}, "space": where, "edits": edits}, styled)).latent
    start = (styled.seed_z if where == "z" else styled.seed_w)(3)
    assert close(moved, start + 2 * decode_vector(one, [8]) - 0.5 * decode_vector(two, [8]), 1e-5)


def test_edits_of_layers_leave_the_others(styled: LatentSpace):
    edits = [{"vector": vector(8), "strength": 1, "layers": [2, 3]}, {"vector": vector(48), "layers": [5, 5]}]
    moved = resolve(styled, parse({"a": {"seed": 3}, "space": "w", "edits": edits}, styled)).latent
    change = (moved - styled.seed_w(3)).abs().amax(-1) > 0
    assert change.tolist() == [False, False, True, True, False, True]
    assert close(moved[5] - styled.seed_w(3), decode_vector(vector(48), [48])[40:], 1e-5)


def test_an_edit_of_w_in_a_recipe_of_z_comes_after_the_mapping(styled: LatentSpace):
    edits = [{"vector": vector(8, 1), "strength": 1}, {"vector": vector(8, 2), "strength": 1, "space": "w"}]
    moved = resolve(styled, parse({"a": {"seed": 3}, "edits": edits}, styled)).latent
    z = styled.seed_z(3) + decode_vector(vector(8, 1), [8])
    assert close(moved, styled.w(z[None])[0] + decode_vector(vector(8, 2), [8]), 1e-5)


def test_a_vector_of_w_makes_a_recipe_of_w(styled: LatentSpace):
    for key in ("a", "b"):
        values = {"a": {"seed": 1}, "b": {"seed": 2}, "space": "z", key: {"vector": vector(8), "space": "w"}}
        assert parse(values, styled).space == "w"


def test_labels_and_codes_go_along_the_way(spaces: dict[str, LatentSpace]):
    space = spaces["labelled"]
    what = resolve(space, parse(LABELLED["between labels"], space))
    assert torch.allclose(what.label, torch.tensor([0.0, 0.75, 0.25]))
    assert torch.allclose(what.codes, torch.lerp(space.seed_codes(3), space.seed_codes(4), 0.25))
    assert bake(space, parse(LABELLED["label"], space)).a.label == 1
    assert bake(space, parse(LABELLED["between labels"], space)).a.label == (0.0, 0.75, 0.25)
    pictures = [render(space, parse({"a": {"seed": 3, "label": k}}, space)) for k in range(3)]
    assert not close(pictures[0], pictures[1], 0.01)
    assert torch.equal(render(space, parse({"a": {"seed": 3}}, space)), pictures[0])


def test_labels_are_mixed_a_layer_too(make_space: Make):
    space = make_space("stylegan", condition="onehot")
    values = {"a": {"seed": 3, "label": 0}, "b": {"seed": 3, "label": 2}, "layer_t": [0, 0, 0.5, 0.5, 1, 1]}
    for where in ("z", "w"):
        latent = resolve(space, parse({**values, "space": where}, space)).latent
        assert close(latent[0], space.seed_w(3, 0), 1e-5) and close(latent[5], space.seed_w(3, 2), 1e-5)
    half = space.w(space.seed_z(3)[None], [0.5, 0.0, 0.5])[0]
    assert close(resolve(space, parse(values, space)).latent[2], half, 1e-5)


def test_seeds_of_a_truncated_plain_recipe_stay_within(plain: LatentSpace):
    recipe = parse({"a": {"seed": 3}, "truncation": 0.4}, plain)
    assert resolve(plain, recipe).latent.abs().max() <= 0.4 and resolve(plain, recipe).psi is None
    given = parse({"a": {"vector": vector(8, size=3)}, "truncation": 0.4}, plain)
    assert torch.equal(resolve(plain, given).latent, decode_vector(vector(8, size=3), [8]))


def test_what_is_left_out_has_its_default(styled: LatentSpace):
    recipe = parse({"a": {"seed": 1}}, styled)
    assert recipe == Recipe(Point(seed=1))
    nothing = {key: None for key in recipe.to_dict() if key not in ("a", "format")}
    assert parse({"a": {"seed": 1, "label": None, "codes": None, "vector": None}, **nothing}, styled) == recipe


# --- bad input


V8 = vector(8)
BAD: list[tuple[str, Any]] = [
    ("styled", ""), ("styled", "{"), ("styled", "[]"), ("styled", "null"), ("styled", "[" * 100_000),
    ("styled", b"\xff\xfe"),
    ("styled", "9" * 5000), ("styled", " " * (MAX_BYTES + 1)), ("styled", 5), ("styled", None), ("styled", []),
    ("styled", {}), ("styled", {"a": None}), ("styled", {"a": 3}), ("styled", {"a": {}}),
    ("styled", '{"a": {"seed": NaN}}'), ("styled", '{"a": {"seed": 1}, "t": NaN}'),
    ("styled", '{"a": {"seed": 1}, "t": Infinity}'), ("styled", '{"a": {"seed": 1}, "t": 1' + "0" * 400 + "}"),
    *(("styled", {"a": {"seed": 1}, **extra}) for extra in (
        {"format": 2}, {"format": "x" * 1000}, {"format": 10**400}, {"model": 5}, {"model": "m" * 201}, {"space": "q"},
        {"space": 1}, {"path": "curved"}, {"path": []}, {"path": 10**30}, {"t": 2.1}, {"t": "1"}, {"t": True},
        {"t": -1.01}, {"t": [0]}, {"layer_t": [0] * 5}, {"layer_t": 1}, {"layer_t": [0, 0, 0, 0, 0, 3]},
        {"layer_t": "000000"}, {"layer_t": [0, 0, 0, 0, 0, float("nan")]}, {"edits": {}}, {"edits": [3]},
        {"edits": "abc"}, {"edits": [{}]}, {"edits": [{"vector": V8}] * 33},
        {"edits": [{"vector": V8, "strength": 21}]},
        {"edits": [{"vector": V8, "strength": float("nan")}]}, {"edits": [{"vector": vector(7)}]},
        {"edits": [{"vector": vector(48)}]}, {"edits": [{"vector": V8, "layers": [0, 1]}]},
        {"edits": [{"vector": V8, "name": "n" * 201}]}, {"edits": [{"vector": V8, "strenght": 1}]},
        {"edits": [{"vector": V8, "space": "q"}]}, {"space": "w", "edits": [{"vector": V8, "space": "z"}]},
        {"space": "w", "edits": [{"vector": V8, "layers": [0, 6]}]},
        {"space": "w", "edits": [{"vector": V8, "layers": 3}]},
        {"space": "w", "edits": [{"vector": V8, "layers": [2, 1]}]},
        {"space": "w", "edits": [{"vector": V8, "layers": [0.5, 1]}]},
        {"truncation": "0.5"}, {"truncation": 11}, {"truncation": float("nan")}, {"truncation_layers": [0, 6]},
        {"truncation_layers": "all"}, {"noise": "loud"}, {"noise": -1}, {"noise": 2**31}, {"noise": 1.5},
        {"noise": ["fixed"] * 7}, {"noise": [None] * 6}, {"noise": {}}, {"noise": True}, {"b": 4}, {"b": {"sede": 4}},
        {"truncations": 0.5}, {"x" * 10_000: 1}, {3: 4},
    )),
    *(("styled", {"a": point}) for point in (
        {"seed": -1}, {"seed": 2**31}, {"seed": 1.0}, {"seed": "1"}, {"seed": True}, {"seed": 10**30}, {"seed": []},
        {"seed": 1, "vector": V8}, {"seed": 1, "space": "w"}, {"vector": 3}, {"vector": "?"}, {"vector": vector(48)},
        {"vector": vector(9), "space": "w"}, {"vector": V8, "space": "p"}, {"seed": 1, "label": 0},
        {"seed": 1, "codes": [0.0]}, {"seed": 1, "name": 4}, {"arithmetic": []}, {"arithmetic": {}},
        {"arithmetic": {"plus": []}}, {"arithmetic": {"plus": [1, 2]}}, {"arithmetic": {"plus": [[]]}},
        {"arithmetic": {"plus": [["1"]]}}, {"arithmetic": {"plus": [[1]] * 17}}, {"arithmetic": {"plus": [[1] * 65]}},
        {"arithmetic": {"plus": [[1]], "times": [[2]]}}, {"arithmetic": {"plus": [[-1]]}},
        {"arithmetic": {"minus": [[1]]}},
    )),
    *(("plain", {"a": {"seed": 1}, **extra}) for extra in (
        {"space": "w"}, {"layer_t": [0.5]}, {"truncation": 0}, {"truncation": -1}, {"truncation": 1000},
        {"truncation_layers": [0, 1]}, {"noise": "none"}, {"noise": 3}, {"noise": ["fixed"]},
        {"edits": [{"vector": V8, "layers": [0, 1]}]}, {"edits": [{"vector": V8, "space": "w"}]},
    )),
    ("plain", {"a": {"vector": V8, "space": "w"}}), ("plain", {"a": {"seed": 1, "label": 1}}),
    *(("labelled", {"a": {"seed": 1, **extra}}) for extra in (
        {"label": 3}, {"label": -1}, {"label": "discs"}, {"label": 1.0}, {"label": True}, {"label": [1.0]},
        {"label": [1, 2, "3"]}, {"label": [0, 0, 1e9]}, {"codes": [0.0] * 4}, {"codes": 3}, {"codes": [None] * 5},
        {"codes": [float("nan")] * 5}, {"codes": "abcde"}, {"codes": [1e9] * 5}, {"label": {"a": 1}},
    )),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values"), BAD, ids=lambda value: repr(value)[:70])
def test_bad_recipes(spaces: dict[str, LatentSpace], name: str, values: Any):
    with pytest.raises(UsageError) as error:
        parse(values, spaces[name])
    assert sentence(error), str(error.value)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"a": {"seed": 1}, "truncaton": 0.5}, "truncation"),
        ({"a": {"sede": 1}}, "seed"),
        ({"a": {"seed": 1}, "edits": [{"vector": V8, "strenght": 1}]}, "strength"),
        ({"a": {"seed": 1}, "path": "sphericl"}, "spherical"),
        ({"a": {"seed": 1}, "noise": "fixd"}, "fixed"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(styled: LatentSpace, values: dict[str, Any], hint: str):
    with pytest.raises(UsageError, match=f"Did you mean '{hint}'"):
        parse(values, styled)


def test_edits_that_lead_too_far_are_told(styled: LatentSpace):
    far = {"vector": vector(8, size=1000), "strength": 20}
    recipe = parse({"a": {"seed": 1}, "edits": [far] * 4}, styled)
    for make in (render, bake):
        with pytest.raises(UsageError, match="10,000"):
            make(styled, recipe)


def test_there_must_be_something_to_draw(styled: LatentSpace):
    with pytest.raises(UsageError, match="no recipes"):
        render_many(styled, [])


def link_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(raw)).decode().rstrip("=")


GOOD_LINK = link_of(b'{"a":{"seed":1}}')


@pytest.mark.parametrize(
    "link",
    ["", "A", "####", GOOD_LINK[:-6], GOOD_LINK + "AAAA====", link_of(b"[1]"), link_of(b"{"), link_of(b"\xff"),
     link_of(b" " * (MAX_BYTES + 1)), link_of(b" " * 50_000_000), "A" * (MAX_BYTES + 1), "é", 5, None],
    ids=lambda link: repr(link)[:20],
)  # fmt: skip
def test_bad_links(link: Any):
    assert from_link(GOOD_LINK) == {"a": {"seed": 1}}
    with pytest.raises(UsageError) as error:
        from_link(link)
    assert sentence(error)


def test_the_largest_recipe_fits(styled: LatentSpace):
    edits = [{"vector": vector(48, i), "space": "w", "name": "n" * 200, "strength": 1e-9} for i in range(32)]
    sums = {"arithmetic": {"plus": [[2**31 - 1] * 64] * 16, "minus": [[2**31 - 1] * 64] * 16}}
    values = {"a": sums, "b": sums, "edits": edits, "layer_t": [1 / 3] * 6, "noise": [2**31 - 1] * 6}
    recipe = parse(values, styled)
    assert len(recipe.to_json()) <= MAX_BYTES
    assert parse(from_link(recipe.to_link()), styled) == recipe


def test_a_recipe_too_large_for_a_link_is_told_before_it_is_drawn(make_space: Make):
    space = make_space("stylegan", width=256, size=16)
    edit = {"vector": encode_vector(torch.ones(space.layers * space.w_dim)), "space": "w", "strength": 0.1}
    values = {"a": {"seed": 1}, "edits": [edit] * 12}
    assert from_link(parse(values, space).to_link())["edits"][11]["strength"] == 0.1
    with pytest.raises(UsageError, match="256 kB"):
        parse({**values, "edits": [edit] * 17}, space)


def test_a_changed_recipe_is_another_one(styled: LatentSpace):
    recipe = parse({"a": {"seed": 1}}, styled)
    assert replace(recipe, t=0.5) != recipe and recipe.t == 0
