"""Latent maps: seeds as points, neighbours of the latent space as neighbours of the plane."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from playground.errors import UsageError
from playground.latent.mapping import latent_map
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace

Spaces = Callable[..., LatentSpace]


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("where", ["z", "w"])
def test_points_belong_to_seeds(styled: LatentSpace, method: str, where: str):
    found = latent_map(styled, 30, method, where, seed=5)
    assert found.points.shape == (30, 2) and found.points.dtype == torch.float32
    assert found.seeds.tolist() == list(range(5, 35)) and found.where == where and found.labels is None
    spread = found.points.amax(dim=0) - found.points.amin(dim=0)
    assert found.points.abs().max() == pytest.approx(1.0, abs=1e-5) and spread.max() == pytest.approx(2.0, abs=1e-4)
    assert found.colour_name == "distance from the middle"
    assert found.colour.min() == 0 and found.colour.max() == 1
    for i in (0, 7):
        latent = styled.seed_z(5 + i) if where == "z" else styled.seed_w(5 + i)
        torch.testing.assert_close(found.latents[i], latent, atol=1e-5, rtol=1e-4)
    again = latent_map(styled, 30, method, where, seed=5)
    assert torch.equal(found.points, again.points)


def test_pca_is_the_widest_plane(styled: LatentSpace):
    found = latent_map(styled, 50, "pca", "w")
    centred = found.latents.double() - found.latents.double().mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    for column in range(2):
        both = torch.stack([plane[:, column], found.points[:, column].double()])
        assert abs(float(torch.corrcoef(both)[0, 1])) == pytest.approx(1.0, abs=1e-4)


def test_tsne_keeps_neighbours(styled: LatentSpace):
    found = latent_map(styled, 80, "tsne", "w")
    near = [torch.cdist(x, x).fill_diagonal_(torch.inf).argsort(dim=1)[:, :8] for x in (found.latents, found.points)]
    kept = (near[0][:, :, None] == near[1][:, None, :]).any(dim=2).float().mean()
    assert kept > 0.35  # by chance 0.1


def test_colour_by_what_is_read(panels: Spaces, guide: Reader):
    space = panels()
    found = latent_map(space, 40, reader=guide, attribute="left", seed=3)
    pictures = torch.cat([space.draw(space.seed_z(3 + i)[None]) for i in range(40)])
    torch.testing.assert_close(found.colour, guide(pictures)[:, 0], atol=1e-4, rtol=1e-3)
    assert found.colour_name == "left" and found.where == "z"


@pytest.mark.parametrize("preset", ["cgan", "infogan"])
def test_conditional_models(make_space: Spaces, guide: Reader, preset: str):
    space = make_space(preset)
    found = latent_map(space, 7)
    if space.classes:
        assert found.labels.tolist() == [0, 1, 2, 0, 1, 2, 0] and found.colour_name == "class"
        assert found.colour.tolist() == [0, 0.5, 1, 0, 0.5, 1, 0]
    read = latent_map(space, 7, reader=guide, attribute="level")
    picture = space.model.sample(1, seed=4, labels=int(found.labels[4]) if space.classes else None)
    assert float(read.colour[4]) == pytest.approx(float(guide(picture)[0, 2]), abs=2e-3)


def test_small_maps(plain: LatentSpace):
    for count in (3, 4, 5):
        assert torch.isfinite(latent_map(plain, count, "tsne").points).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "umap"}, "Unknown way to draw a map 'umap'"),
        ({"count": 2}, "from 3 to 5,000 points"),
        ({"count": 5001}, "from 3 to 5,000 points"),
        ({"where": "w"}, "no styles"),
        ({"attribute": "left"}, "give a reader and the attribute"),
        ({"seed": -1}, "A seed is"),
    ],
    ids=str,
)
def test_what_cannot_be(plain: LatentSpace, options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        latent_map(plain, **{"count": 10, **options})
