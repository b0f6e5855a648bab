"""Style mixing: each layer's style comes from whom it should, and a grid is what its cells are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from playground.errors import UsageError
from playground.latent.mixing import grid, groups, layer_range, mix
from playground.latent.recipe import Point, encode_vector, parse, render
from playground.latent.space import LatentSpace

Make = Callable[..., LatentSpace]


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-4) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() < tolerance)


# --- groups of layers


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (16, {"coarse": (0, 3), "middle": (4, 5)}),
        (32, {"coarse": (0, 3), "middle": (4, 7)}),
        (64, {"coarse": (0, 3), "middle": (4, 7), "fine": (8, 9)}),
        (128, {"coarse": (0, 3), "middle": (4, 7), "fine": (8, 11)}),
    ],
)
def test_the_groups_go_by_resolution(make_space: Make, size: int, wanted: dict[str, tuple[int, int]]):
    space = make_space("stylegan", size=size)
    assert groups(space) == wanted
    for name, (first, last) in wanted.items():
        assert layer_range(space, name) == (first, last)
    assert layer_range(space, "all") == (0, space.layers - 1)
    covered = [layer for first, last in wanted.values() for layer in range(first, last + 1)]
    assert covered == list(range(space.layers))


def test_what_is_no_group_is_told(styled: LatentSpace, plain: LatentSpace):
    with pytest.raises(UsageError, match="no fine layers"):
        layer_range(styled, "fine")
    with pytest.raises(UsageError, match="Did you mean 'coarse'"):
        layer_range(styled, "corse")
    with pytest.raises(UsageError, match="style"):
        groups(plain)


# --- mixing


@pytest.mark.parametrize(
    ("layers", "chosen"), [("coarse", range(4)), ("middle", (4, 5)), ((1, 2), (1, 2)), ([3, 3], (3,))]
)
def test_the_source_reaches_its_layers_only(styled: LatentSpace, layers: Any, chosen: Any):
    a, b = styled.w_samples(2).split(1)
    mixed = mix(styled, a, b, layers)
    assert mixed.shape == (1, 6, 8)
    for layer in range(6):
        assert torch.equal(mixed[0, layer], b[0] if layer in chosen else a[0])


def test_all_of_the_source_is_the_source(styled: LatentSpace):
    a, b = styled.w_samples(2).split(1)
    assert torch.equal(styled.draw(mix(styled, a, b, "all")), styled.draw(b))
    assert torch.equal(styled.draw(mix(styled, a, b, "all", share=0.0)), styled.draw(a))
    assert torch.allclose(mix(styled, a, b, "coarse", share=0.25)[0, 0], torch.lerp(a[0], b[0], 0.25))


def test_shapes_go_together(styled: LatentSpace):
    w = styled.w_samples(6)
    pairs = mix(styled, w[:3], w[3:], "coarse")
    for i in range(3):
        assert torch.equal(pairs[i], mix(styled, w[i], w[3 + i], "coarse")[0])
    assert torch.equal(mix(styled, w[:3], w[3], "middle")[2], mix(styled, w[2], w[3], "middle")[0])
    twice = mix(styled, pairs, w[0], (5, 5))
    assert torch.equal(twice[:, :5], pairs[:, :5]) and torch.equal(twice[:, 5], w[:1].expand(3, -1))
    w = w.clone().requires_grad_()
    mix(styled, w[:1], w[1:2], "coarse").sum().backward()
    assert w.grad[0, 0] == 2 and w.grad[1, 0] == 4


def test_every_layers_style_tells_in_the_picture(styled: LatentSpace):
    a, b = styled.w_samples(2, seed=4).split(1)
    drawn = [styled.draw(mix(styled, a, b, (k, k))) for k in range(6)]
    assert all(not torch.equal(one, styled.draw(a)) for one in drawn)
    assert len(torch.unique(torch.cat(drawn).flatten(1), dim=0)) == 6


BAD_MIXES = [
    lambda s, w: mix(s, w, w, "fine"),
    lambda s, w: mix(s, w, w, "top"),
    lambda s, w: mix(s, w, w, (0, 6)),
    lambda s, w: mix(s, w, w, (1, 2, 3)),
    lambda s, w: mix(s, w, w, (2, 1)),
    lambda s, w: mix(s, w, w, "coarse", share=3),
    lambda s, w: mix(s, w, w, "coarse", share=float("nan")),
    lambda s, w: mix(s, w[:2], w[:3], "coarse"),
    lambda s, w: mix(s, w[:, :7], w, "coarse"),
    lambda s, w: mix(s, s.per_layer(w)[:, :5], w, "coarse"),
]


@pytest.mark.parametrize("case", range(len(BAD_MIXES)))
def test_bad_mixes(styled: LatentSpace, case: int):
    with pytest.raises(UsageError):
        BAD_MIXES[case](styled, styled.w_samples(4))


# --- grids


SHARES = [1, 1, 0.5, 0, 0, 0]


def test_a_grid_is_what_its_recipes_draw(styled: LatentSpace):
    mine = encode_vector(styled.per_layer(styled.seed_w(9)) * 0.8)
    sources: list[Any] = [{"seed": 1}, Point(seed=2), {"vector": mine, "space": "w"}]
    destinations: list[Any] = [{"seed": 5}, {"arithmetic": {"plus": [[6, 7]]}}]
    look = {"noise": ["fixed", 3, "none", "fixed", 3, 3], "truncation": 0.8, "truncation_layers": [0, 3]}
    drawn = grid(styled, sources, destinations, SHARES, look["noise"], 0.8, (0, 3))
    assert drawn.shape == (6, 1, 16, 16)
    for s, source in enumerate(sources):
        for d, destination in enumerate(destinations):
            b = source.to_dict() if isinstance(source, Point) else source
            recipe = parse({"a": destination, "b": b, "layer_t": SHARES, "space": "w", **look}, styled)
            assert close(drawn[s * 2 + d], render(styled, recipe))


def test_a_large_grid_is_whole(styled: LatentSpace):
    seeds = [{"seed": i} for i in range(9)]
    drawn = grid(styled, seeds, seeds[:5], [0] * 6)
    assert drawn.shape[0] == 45
    for d in range(5):
        own = render(styled, parse({"a": seeds[d]}, styled))
        assert all(close(drawn[s * 5 + d], own) for s in range(9)), "without the source it is the destination"


def test_the_labels_of_both_count(make_space: Make):
    space = make_space("stylegan", condition="onehot")
    drawn = grid(space, [{"seed": 1, "label": k} for k in range(3)], [{"seed": 2}], [1] * 6)
    for k in range(3):
        assert close(drawn[k], space.draw(space.seed_w(1, k)[None])[0])


@pytest.mark.parametrize(
    "change",
    [
        {"sources": []}, {"destinations": []}, {"layer_t": [0] * 5}, {"layer_t": None}, {"layer_t": [9] * 6},
        {"layer_t": ["1"] * 6}, {"noise": "loud"}, {"psi": float("nan")}, {"sources": [{"sed": 1}]}, {"sources": [3]},
        {"sources": [{"seed": 1}] * 1025}, {"psi": 0.5, "psi_layers": (5, 6)},
    ],
    ids=lambda change: str(change)[:40],
)  # fmt: skip
def test_bad_grids(styled: LatentSpace, change: dict[str, Any]):
    options = {"sources": [{"seed": 1}], "destinations": [{"seed": 2}], "layer_t": SHARES, **change}
    with pytest.raises(UsageError):
        grid(styled, **options)


def test_plain_models_don_t_mix(plain: LatentSpace):
    with pytest.raises(UsageError, match="style"):
        grid(plain, [{"seed": 1}], [{"seed": 2}], [])
