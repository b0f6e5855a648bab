"""Directions: in a generator whose numbers have known effects, every way of looking finds what is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from playground.errors import UsageError
from playground.latent.directions import (
    Direction,
    boundary_directions,
    closed_form_directions,
    cloud,
    draw,
    gradient_directions,
    leakage,
    moved,
    pca_directions,
    read,
    sample,
    slopes,
    taught_direction,
    with_layers,
)
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace

Spaces = Callable[..., LatentSpace]

#: a generator in which the right panel follows z 0 as much as z 1
TANGLED = torch.eye(6)
TANGLED[1, 0] = 0.8


def axis(i: int) -> torch.Tensor:
    return torch.eye(6)[i]


def alike(direction: Direction, other: torch.Tensor) -> float:
    return float(F.cosine_similarity(direction.vector, other, dim=0))


# --- where latents lie


@pytest.mark.parametrize("preset", ["stylegan", "dcgan", "cgan", "infogan"])
def test_samples_are_the_models_own(make_space: Spaces, preset: str):
    space = make_space(preset)
    sampled = sample(space, 5, seed=4)
    where = "w" if space.styled else "z"
    assert sampled.latents.shape == (5, space.w_dim if space.styled else space.z_dim)
    torch.testing.assert_close(draw(space, where, sampled).cpu(), space.model.sample(5, seed=4), atol=1e-4, rtol=1e-4)
    assert torch.equal(draw(space, where, sampled.part(2, 4)), draw(space, where, sampled.part(2, 4)))


def test_z_and_w_are_two_views_of_one_picture(styled: LatentSpace):
    pictures = [draw(styled, where, sample(styled, 3, 1, where)) for where in ("z", "w")]
    torch.testing.assert_close(*pictures)


def test_the_cloud_of_w_is_round_in_its_own_coordinates(styled: LatentSpace):
    spread, w = cloud(styled, "w"), styled.w_samples()
    u = spread.to_round(w)
    torch.testing.assert_close(u.mean(dim=0), torch.zeros(styled.w_dim), atol=1e-3, rtol=0)
    torch.testing.assert_close(u.T @ u / (len(u) - 1), torch.eye(styled.w_dim), atol=0.02, rtol=0)
    torch.testing.assert_close(spread.mean + spread.step(u), w, atol=1e-4, rtol=1e-3)
    vector = torch.randn(styled.w_dim, generator=torch.Generator().manual_seed(0))
    assert spread.sigma(vector) == pytest.approx(float((w @ (vector / vector.norm())).std()), rel=1e-3)
    assert float(spread.one_sigma(vector).norm()) == pytest.approx(spread.sigma(vector), rel=1e-4)


@pytest.mark.parametrize(("latent", "sigma"), [("normal", 1.0), ("uniform", 3**-0.5)])
def test_the_cloud_of_z_is_known(panels: Spaces, latent: str, sigma: float):
    space = panels(latent=latent)
    assert cloud(space).sigma(axis(2)) == pytest.approx(sigma)
    assert float(space.z_samples(4000).std()) == pytest.approx(sigma, rel=0.03)


# --- with a reader


@pytest.mark.parametrize("find", [gradient_directions, boundary_directions])
@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_each_attributes_axis_is_found(panels: Spaces, guide: Reader, find: Callable, latent: str):
    space = panels(latent=latent)
    found = find(space, guide, count=300 if find is boundary_directions else 24)
    assert [d.name for d in found] == ["left", "right", "level"]
    for i, direction in enumerate(found):
        assert direction.attribute == direction.name == direction.label and direction.space == "z"
        assert alike(direction, axis(i)) > 0.9
        assert float(direction.vector.norm()) == pytest.approx(cloud(space).sigma(direction.vector), rel=1e-4)
        changes = leakage(space, direction, guide, strength=1.0, count=32)
        assert changes[direction.name] > 0.15
        assert all(
            abs(change) < changes[direction.name] / 2 for name, change in changes.items() if name != direction.name
        )
        back = leakage(space, direction, guide, strength=-1.0, count=32)
        assert back[direction.name] < -0.15


def test_slopes_are_derivatives(panels: Spaces, guide: Reader):
    space = panels()
    found = slopes(space, guide, count=3, seed=5)
    z, step = space.z_samples(3, 5), 1e-2
    for i in range(6):
        ends = [guide.logits(space.draw(z + sign * step * axis(i))) for sign in (1, -1)]
        torch.testing.assert_close(found[:, :, i], (ends[0] - ends[1]) / (2 * step), atol=0.15, rtol=0.15)


def test_separation_takes_out_what_would_follow(panels: Spaces, guide: Reader):
    """The right panel is M z = 0.8 z₀ + z₁; to move the left one alone, z₁ has to go back as z₀ goes on."""
    space = panels(TANGLED)
    (plain,) = gradient_directions(space, guide, attributes=["left"], separation=0.0)
    (apart,) = gradient_directions(space, guide, attributes=["left"])
    leaks = [leakage(space, d, guide, count=64) for d in (plain, apart)]
    assert leaks[0]["right"] > 0.15 and abs(leaks[1]["right"]) < leaks[0]["right"] / 2
    assert apart.vector[1] < -0.3 and leaks[1]["left"] > 0.2


def test_accuracy_of_a_boundary_and_what_is_too_rare_for_one(panels: Spaces, guide: Reader):
    found = boundary_directions(panels(), guide, count=300)
    assert all(0.8 < d.share <= 1 for d in found)
    dark = panels()
    *_, output = [m for m in dark.network.modules() if isinstance(m, torch.nn.Linear)]
    output.bias.view(16, 16)[:8, :8] = -5.0  # its left panel is never bright
    assert [d.name for d in boundary_directions(dark, guide, count=200)] == ["right", "level"]


def test_readings_can_be_handed_on(panels: Spaces, guide: Reader):
    space = panels()
    sampled = sample(space, 300, 0)
    readings = sampled, read(space, "z", sampled, guide)
    for a, b in zip(
        boundary_directions(space, guide, count=300), boundary_directions(space, guide, readings=readings), strict=True
    ):
        assert torch.equal(a.vector, b.vector) and a.share == b.share


@pytest.mark.parametrize("preset", ["stylegan", "cgan", "infogan"])
@pytest.mark.parametrize("find", [gradient_directions, boundary_directions])
def test_all_kinds_of_models_have_them(make_space: Spaces, guide: Reader, preset: str, find: Callable):
    space = make_space(preset)
    found = find(space, guide, count=60 if find is boundary_directions else 4)
    dim = space.w_dim if space.styled else space.z_dim
    assert all(d.vector.shape == (dim,) and torch.isfinite(d.vector).all() for d in found)
    if find is gradient_directions:
        assert len(found) == 3 and all(-1 <= d.share <= 1 for d in found)


def test_a_search_can_be_stopped(panels: Spaces, guide: Reader):
    for find in (gradient_directions, boundary_directions):
        with pytest.raises(UsageError, match="stopped"):
            find(panels(), guide, count=100, stop=lambda: True)


# --- without one


def test_principal_components_of_w(styled: LatentSpace):
    found = pca_directions(styled, 4)
    w = styled.w_samples()
    _, values, axes = torch.linalg.svd(w - w.mean(dim=0), full_matrices=False)
    assert [d.name for d in found] == ["PCA 1", "PCA 2", "PCA 3", "PCA 4"]
    for i, direction in enumerate(found):
        assert abs(alike(direction, axes[i])) > 0.99
        assert float(direction.vector.norm()) == pytest.approx(float(values[i]) / (len(w) - 1) ** 0.5, rel=1e-3)
        assert direction.share == pytest.approx(float(values[i] ** 2 / values.square().sum()), rel=1e-3)
        assert direction.vector[direction.vector.abs().argmax()] > 0
    assert len(pca_directions(styled, 1000)) == styled.w_dim


@pytest.mark.parametrize("find", [pca_directions, closed_form_directions])
def test_plain_models_show_what_their_first_layer_reads_most(panels: Spaces, find: Callable):
    space = panels(torch.diag(torch.tensor([1.0, 4.0, 2.0, 0.1, 0.1, 0.1])))
    found = find(space, 3)
    for direction, i in zip(found, (1, 2, 0), strict=True):
        assert alike(direction, axis(i)) > 0.95 and direction.space == "z"
        assert float(direction.vector.norm()) == pytest.approx(1.0, abs=1e-3)
    shares = [d.share for d in found]
    assert shares == sorted(shares, reverse=True) and 0.5 < shares[0] < 0.9 and sum(shares) <= 1.0001


@pytest.mark.parametrize("preset", ["dcgan", "cgan", "infogan"])
def test_of_convolutional_and_conditional_models_too(make_space: Spaces, preset: str):
    space = make_space(preset)
    for found in (pca_directions(space, 3, samples=50), closed_form_directions(space, 3)):
        assert len(found) == 3 and all(d.vector.shape == (space.z_dim,) for d in found)
    # the first factor is what the first layer's weights enlarge most
    (weight,) = [m.weight for m in space.network.modules() if isinstance(m, torch.nn.ConvTranspose2d)][:1]
    columns = weight.flatten(1)[: space.z_dim]
    gains = [float((d.vector / d.vector.norm() @ columns).norm()) for d in closed_form_directions(space, space.z_dim)]
    assert gains == sorted(gains, reverse=True)


def test_factors_of_styles(styled: LatentSpace):
    found = closed_form_directions(styled, styled.w_dim)
    assert [d.name for d in found[:2]] == ["Factor 1", "Factor 2"] and sum(d.share for d in found) == pytest.approx(
        1, abs=1e-3
    )
    matrix = torch.stack([d.vector / d.vector.norm() for d in found])
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(styled.w_dim), atol=1e-3, rtol=0)
    network = styled.network

    def gain(direction: Direction, layers: range) -> float:
        """How far the styles of some layers move, each layer scaled to its own size."""
        unit, total = direction.vector / direction.vector.norm(), 0.0
        for k in layers:
            block = network.blocks[k // 2]
            weight = (block.second if k % 2 else block.first).affine.weight
            total += float((weight @ unit).square().sum() / weight.square().sum())
        return total

    gains = [gain(d, range(styled.layers)) for d in found]
    assert gains == sorted(gains, reverse=True) and gains[0] > 1.5 * gains[-1]
    fine = closed_form_directions(styled, 3, layers=(4, 5))
    assert all(d.layers == (4, 5) for d in fine) and gain(fine[0], range(4, 6)) >= gain(found[0], range(4, 6))


@pytest.mark.parametrize("layers", [(0, 6), (-1, 2), (3, 2)])
def test_layers_that_do_not_exist(styled: LatentSpace, plain: LatentSpace, layers: tuple[int, int]):
    with pytest.raises(UsageError, match="0 to 5"):
        closed_form_directions(styled, layers=layers)
    with pytest.raises(UsageError, match="no style layers"):
        closed_form_directions(plain, layers=(0, 1))


# --- from a person


def test_taste_is_found_from_ten_each(panels: Spaces):
    space = panels()
    z = space.z_samples(60, seed=8)
    up, down = [row for row in z if row[1] > 0.3][:10], [row[None] for row in z if row[1] < -0.3][:10]
    direction = taught_direction(space, up, down, name="bright right")
    assert alike(direction, axis(1)) > 0.75 and direction.label == "bright right" and direction.method == "taught"
    assert float(direction.vector.norm()) == pytest.approx(1.0, abs=1e-4)


def test_taste_in_w_and_by_layer(styled: LatentSpace):
    w = styled.w_samples(12)
    one = taught_direction(styled, list(w[:6]), list(w[6:]))
    rows = [styled.per_layer(row[None, None]) for row in w]
    many = taught_direction(styled, rows[:6], rows[6:])
    torch.testing.assert_close(one.vector, many.vector)
    assert one.space == "w"
    assert float(one.vector @ (w[:6].mean(dim=0) - w[6:].mean(dim=0))) > 0


def test_taste_that_says_nothing(panels: Spaces):
    space = panels()
    z = list(space.z_samples(6))
    for up, down, message in (
        (z[:2], z[2:], "at least 3"),
        (z[:3], z[3:5], "so far there are 3 and 2"),
        (z[:3], z[:3], "the same on average"),
        ([torch.zeros(5)] * 3, z[:3], "6 numbers, not 5"),
        ([torch.full((6,), torch.nan)] * 3, z[:3], "the same on average"),
    ):
        with pytest.raises(UsageError, match=message):
            taught_direction(space, up, down)


# --- using them


def test_moving_some_layers_leaves_the_others(styled: LatentSpace):
    sampled = sample(styled, 3)
    (direction,) = with_layers(pca_directions(styled, 1), (2, 3))
    after = moved(styled, sampled, direction, 2.0).latents
    assert after.shape == (3, 6, styled.w_dim)
    for k in range(6):
        expected = sampled.latents + (2 * direction.vector if k in (2, 3) else 0)
        torch.testing.assert_close(after[:, k], expected)


def test_each_latent_its_own_strength(panels: Spaces):
    space = panels()
    sampled = sample(space, 3)
    direction = Direction("d", "taught", "z", axis(0))
    after = moved(space, sampled, direction, torch.tensor([0.0, 1.0, -2.0])).latents - sampled.latents
    torch.testing.assert_close(after[:, 0], torch.tensor([0.0, 1.0, -2.0]))


def test_leakage_lies_between_minus_one_and_one_and_is_nothing_at_rest(panels: Spaces, guide: Reader):
    direction = Direction("d", "taught", "z", axis(0))
    assert all(change == 0 for change in leakage(panels(), direction, guide, strength=0.0, count=8).values())
    assert all(-1 <= change <= 1 for change in leakage(panels(), direction, guide, strength=50.0, count=8).values())
    nothing = leakage(panels(), Direction("d", "taught", "z", axis(4)), guide, strength=9.0, count=8)
    assert all(abs(change) < 1e-6 for change in nothing.values())


def test_what_cannot_be(panels: Spaces, guide: Reader):
    with pytest.raises(UsageError, match="no styles"):
        gradient_directions(panels(), guide, where="w")
    with pytest.raises(UsageError, match="not in 'y'"):
        boundary_directions(panels(), guide, where="y")
    with pytest.raises(UsageError, match=r"Did you mean 'left'\?"):
        gradient_directions(panels(), guide, attributes=["lefty"])
