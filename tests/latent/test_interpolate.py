"""Ways between latents: ends, lengths and angles; frames and walks that start and end where they should."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from playground.errors import UsageError
from playground.latent.interpolate import between, ease, frames, linear, spherical, walk
from playground.latent.recipe import encode_vector, parse, render, render_many
from playground.latent.space import LatentSpace

Make = Callable[..., LatentSpace]


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator), torch.randn(*shape, generator=generator)


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-4) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() < tolerance)


# --- lines and arcs


@pytest.mark.parametrize("path", ["linear", "spherical"])
@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 6, 8)])
def test_the_ends_are_the_two(path: str, shape: tuple[int, ...]):
    a, b = pair(*shape)
    assert torch.allclose(between(path, a, b, 0.0), a, atol=1e-6)
    assert torch.allclose(between(path, a, b, 1.0), b, atol=1e-6)


@pytest.mark.parametrize("t", [-1.0, 0.3, 2.0])
def test_a_line(t: float):
    a, b = pair(8)
    assert torch.allclose(linear(a, b, t), (1 - t) * a + t * b, atol=1e-5)


@pytest.mark.parametrize("t", [-0.5, 0.0, 0.1, 0.5, 0.9, 1.0, 1.5])
@pytest.mark.parametrize("centred", [False, True])
def test_an_arc_keeps_the_distance_and_divides_the_angle(t: float, centred: bool):
    a, b = (x / x.norm() * 3 for x in pair(64))
    centre = torch.full((64,), 0.7) if centred else torch.zeros(64)
    met = spherical(a + centre, b + centre, t, centre if centred else None) - centre
    assert met.norm().item() == pytest.approx(3, rel=1e-4)
    whole = math.acos((a @ b / 9).item())
    assert math.acos(min((a @ met / 9).item(), 1.0)) == pytest.approx(abs(t) * whole, abs=2e-3)


def test_an_arc_between_vectors_of_two_lengths_has_lengths_between():
    a, b = pair(64)
    a, b = a / a.norm(), 4 * b / b.norm()
    lengths = [spherical(a, b, t / 10).norm().item() for t in range(11)]
    assert lengths[0] == pytest.approx(1, rel=1e-4) and lengths[-1] == pytest.approx(4, rel=1e-4)
    assert linear(a, b, 0.3).norm() < lengths[3] < 4


@pytest.mark.parametrize("case", ["same", "opposite", "zero", "longer"])
def test_where_there_is_no_arc_it_is_the_line(case: str):
    a = pair(8)[0]
    b = {"same": a, "opposite": -a, "zero": torch.zeros(8), "longer": 3 * a}[case]
    assert torch.allclose(spherical(a, b, 0.3), linear(a, b, 0.3), atol=1e-5)


def test_rows_are_independent_and_may_have_a_share_each():
    a, b = pair(5, 8)
    t = torch.linspace(-1, 2, 5)[:, None]
    for path in ("linear", "spherical"):
        together = between(path, a, b, t)
        for i in range(5):
            assert torch.allclose(together[i], between(path, a[i], b[i], t[i].item()), atol=1e-5)


def test_an_arc_is_differentiable_even_at_its_ends():
    a, b = (x.requires_grad_() for x in pair(8))
    for end in (b, a):
        total = spherical(a, end, 0.4).square().sum()
        assert all(g is None or g.isfinite().all() for g in torch.autograd.grad(total, [a, b], allow_unused=True))


def test_ease_rests_at_both_ends():
    values = [ease(i / 100) for i in range(101)]
    assert values[0] == 0 and values[-1] == 1 and values[50] == 0.5 and values == sorted(values)
    assert values[1] < 0.001 and values[99] > 0.999 and ease(-3) == 0 and ease(7) == 1


def test_an_unknown_path_is_told():
    with pytest.raises(UsageError, match="Did you mean 'spherical'"):
        between("spheric", *pair(8), 0.5)


# --- frames


def vector(length: int, seed: int) -> str:
    return encode_vector(torch.randn(length, generator=torch.Generator().manual_seed(seed)))


A: dict[str, Any] = {"a": {"seed": 1}}
ENDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "seeds": (A, {"a": {"seed": 2}}),
    "seeds in w": ({**A, "space": "w"}, {"a": {"seed": 2}, "space": "w"}),
    "shares": ({**A, "b": {"seed": 2}, "t": -0.5}, {**A, "b": {"seed": 2}, "t": 1}),
    "shares a layer": (
        {**A, "b": {"seed": 2}, "t": 0.2}, {**A, "b": {"seed": 2}, "layer_t": [0, 0, 1, 1, 0.5, 0.5]},
    ),
    "other ways": ({**A, "b": {"seed": 2}, "t": 0.5}, {**A, "b": {"seed": 3}, "t": 0.5}),
    "other paths": (
        {**A, "b": {"seed": 2}, "t": 0.5, "space": "w"},
        {**A, "b": {"seed": 2}, "t": 0.5, "path": "spherical", "space": "w"},
    ),
    "mixed": ({**A, "b": {"seed": 2}, "layer_t": [0, 0, 1, 1, 0, 0]}, {"a": {"seed": 5}}),
    "mixed in w": (
        {**A, "b": {"seed": 2}, "layer_t": [0, 0, 1, 1, 0, 0], "space": "w"}, {"a": {"seed": 5}, "space": "w"},
    ),
    "edits": (
        {**A, "edits": [{"vector": vector(8, 1), "strength": 1}, {"vector": vector(8, 2), "strength": 1}]},
        {"a": {"seed": 2}, "edits": [{"vector": vector(8, 2), "strength": -1}, {"vector": vector(8, 3)}]},
    ),
    "too many edits": (
        {**A, "edits": [{"vector": vector(8, i), "strength": 0.1} for i in range(20)]},
        {**A, "edits": [{"vector": vector(8, i), "strength": 0.1} for i in range(20, 40)]},
    ),
    "spaces": ({**A, "edits": [{"vector": vector(8, 1)}]}, {"a": {"vector": vector(8, 4), "space": "w"}}),
    "truncation": ({**A, "truncation": 0.3}, A),
    "truncation of layers": (
        {**A, "truncation": 0.3, "truncation_layers": [0, 2]},
        {**A, "truncation": 0.5, "truncation_layers": [3, 5]},
    ),
    "truncation of layers and none": ({**A, "truncation": 0.3, "truncation_layers": [0, 2]}, {"a": {"seed": 2}}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_frames_go_smoothly_from_one_to_the_other(styled: LatentSpace, name: str):
    """Steps shrink with their number, so nothing jumps, and the first and last are the recipes themselves."""
    first, last = (parse(values, styled) for values in ENDS[name])
    coarse, fine = (frames(first, last, count, styled, easing=False) for count in (9, 65))
    assert len(coarse) == 9 and coarse[0] == first and coarse[-1] == last
    for one in coarse:
        assert parse(one.to_json(), styled) == one
    steps = []
    for way in (coarse, fine):
        pictures = render_many(styled, way)
        assert close(pictures[0], render(styled, first)) and close(pictures[-1], render(styled, last))
        steps.append((pictures[1:] - pictures[:-1]).square().mean((1, 2, 3)).sqrt().max().item())
    assert steps[0] > 1e-4 and steps[1] < 0.3 * steps[0]


@pytest.mark.parametrize("knobs", [{"preset": "dcgan"}, {"preset": "cgan"}, {"preset": "infogan"}], ids=str)
def test_so_do_those_of_plain_models(make_space: Make, knobs: dict[str, Any]):
    space = make_space(**knobs)
    label = {"label": 2} if space.classes else {}
    ways = [
        ({"a": {"seed": 1}}, {"a": {"seed": 2, **label}}),
        ({"a": {"seed": 1}, "truncation": 0.5}, {"a": {"seed": 1, **label}, "truncation": 2.0}),
        ({"a": {"seed": 1}, "b": {"seed": 2}, "t": 0.5}, {"a": {"seed": 3, **label}}),
    ]
    for ends in ways:
        way = frames(*(parse(values, space) for values in ends), 33, space, easing=False)
        pictures = render_many(space, way)
        steps = (pictures[1:] - pictures[:-1]).square().mean((1, 2, 3)).sqrt()
        whole = (pictures[-1] - pictures[0]).square().mean().sqrt()
        assert 0 < steps.max() < 0.3 * whole


def test_frames_ease_unless_told(styled: LatentSpace):
    ends = [parse({**A, "b": {"seed": 2}, "t": t}, styled) for t in (0, 1)]
    assert [one.t for one in frames(*ends, 5, styled, easing=False)] == [0, 0.25, 0.5, 0.75, 1]
    assert [one.t for one in frames(*ends, 5, styled)] == [0, ease(0.25), 0.5, ease(0.75), 1]


def test_noise_changes_halfway(styled: LatentSpace):
    ends = [parse({**A, "noise": noise}, styled) for noise in (4, "none")]
    assert [one.noise for one in frames(*ends, 6, styled)] == [4, 4, 4, "none", "none", "none"]


def test_the_path_may_be_chosen(styled: LatentSpace):
    ends = [parse({"a": {"seed": seed}}, styled) for seed in (1, 2)]
    way = frames(*ends, 3, styled, path="spherical")
    assert way[1].path == "spherical" and frames(*ends, 3, styled)[1].path == "linear"
    for bad in ({"path": "round"}, {"count": 1}, {"count": 10**6}, {"count": 2.5}):
        with pytest.raises(UsageError):
            frames(*ends, **{"count": 3, "space": styled, **bad})


# --- walks


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("where", ["z", "w"])
def test_a_walk_passes_every_seed(styled: LatentSpace, closed: bool, where: str):
    way = walk(styled, [3, 5, 8], 4, closed=closed, where=where, model="mine", truncation=0.7)
    assert len(way) == (12 if closed else 9)
    assert [way[i].a.seed for i in (0, 4, 8)] == [3, 5, 8] and [way[i].t for i in (0, 4, 8)] == [0, 0, 0]
    for one in way:
        assert parse(one.to_json(), styled) == one
        assert (one.space, one.model, one.truncation, one.path) == (where, "mine", 0.7, "spherical")
    pictures = render_many(styled, way)
    steps = (pictures[1:] - pictures[:-1]).abs().amax((1, 2, 3))
    assert steps.min() > 0
    if closed:
        assert close(render(styled, replace(way[-1], t=1.0)), pictures[0])


def test_a_walk_of_a_class_stays_in_it(make_space: Make):
    space = make_space("cgan")
    assert {one.a.label for one in walk(space, (1, 2), 3, label=2)} == {2}
    paces = [one.t for one in walk(space, (1, 2), 4, easing=False)]
    assert paces == [0, 0.25, 0.5, 0.75] * 2


@pytest.mark.parametrize(
    "options",
    [
        {"seeds": [1]}, {"seeds": []}, {"seeds": 5}, {"seeds": [1, -2]}, {"seeds": [1, "a"]}, {"frames_per": 0},
        {"frames_per": 10**6}, {"frames_per": 1.5}, {"path": "curly"}, {"where": "v"}, {"label": 1},
        {"truncation": float("nan")}, {"seeds": list(range(1001)), "frames_per": 2},
    ],
    ids=str,
)  # fmt: skip
def test_bad_walks(styled: LatentSpace, options: dict[str, Any]):
    with pytest.raises(UsageError):
        walk(styled, **{"seeds": [1, 2], "frames_per": 3, **options})
