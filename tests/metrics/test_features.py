"""Features and the perceptual distance: zero for the same, larger for what looks less alike, and differentiable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from playground.data.base import ImageStore
from playground.errors import UsageError
from playground.methods import method_settings
from playground.metrics.features import Extractor, default_extractor
from playground.model import list_shipped, model_of
from playground.trainer import Trainer


@pytest.fixture(scope="module")
def extractor(store: ImageStore, tiny: dict[str, Any]) -> Extractor:
    knobs = {**tiny, "width": 8, "batch_size": 16, "steps": 60, "precision": "float32"}
    trainer = Trainer("classifier", method_settings("classifier", knobs), store)
    trainer.run(60)
    return Extractor(model_of(trainer, name="eyes"))


@pytest.fixture
def images(store: ImageStore) -> torch.Tensor:
    return store.take(torch.arange(0, 48, 4)).images


def test_the_same_picture_is_at_distance_zero_and_distance_is_symmetric(extractor: Extractor, images: torch.Tensor):
    other = images.roll(1, 0)
    assert torch.equal(extractor.distance(images, images), torch.zeros(12))
    there, back = extractor.distance(images, other), extractor.distance(other, images)
    torch.testing.assert_close(there, back)
    assert there.shape == (12,) and (there > 0).all() and (there <= 4).all()


@pytest.mark.parametrize("spoil", ["noise", "blur", "shade"])
def test_the_more_a_picture_is_spoilt_the_further_it_is(extractor: Extractor, images: torch.Tensor, spoil: str):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    means = []
    for strength in (0.1, 0.3, 0.6):
        if spoil == "noise":
            spoilt = images + strength * noise
        elif spoil == "blur":
            spoilt = torch.lerp(images, F.avg_pool2d(images, 5, 1, 2), strength * 1.6)
        else:
            spoilt = images * (1 - strength)
        means.append(extractor.distance(images, spoilt.clamp(-1, 1)).mean().item())
    assert means == sorted(means) and means[0] > 0


def test_it_sees_kinds_rather_than_pixels(extractor: Extractor, store: ImageStore):
    """Pictures of one kind are nearer to each other than to those of other kinds."""
    by_kind = store.take(torch.arange(48)).images.view(3, 16, 1, 16, 16)
    features = extractor.features(by_kind.flatten(0, 1)).view(3, 16, -1)
    within = torch.stack([torch.pdist(f).mean() for f in features]).mean()
    centres = features.mean(1)
    assert torch.pdist(centres).mean() > 0.5 * within
    own = extractor.distance(by_kind[2, :8], by_kind[2, 8:]).mean()
    assert own < extractor.distance(by_kind[2, :8], by_kind[0, 8:]).mean()


def test_it_is_the_equation(extractor: Extractor, images: torch.Tensor):
    a, b = images[:2], images[2:4]
    expected = torch.zeros(2)
    maps_a, maps_b = extractor.network.maps(a), extractor.network.maps(b)
    for x, y in zip(maps_a, maps_b, strict=True):
        gap = F.normalize(x, dim=1) - F.normalize(y, dim=1)
        expected += gap.square().sum(1).mean((1, 2)) / len(maps_a)
    torch.testing.assert_close(extractor.distance(a, b), expected, rtol=1e-3, atol=1e-4)


def test_one_against_many_and_signatures_kept(extractor: Extractor, images: torch.Tensor):
    kept = extractor.signature(images[:1])
    assert all(torch.allclose(m.norm(dim=1).clamp(0, 1), m.norm(dim=1), atol=1e-4) for m in kept)
    torch.testing.assert_close(
        extractor.distance(kept, images), extractor.distance(images[:1].expand_as(images), images)
    )
    with pytest.raises(UsageError, match="not 2 and 3"):
        extractor.distance(images[:2], images[:3])


@pytest.mark.parametrize("start", ["near", "grey"])
def test_gradients_lead_back_to_the_picture(extractor: Extractor, images: torch.Tensor, start: str):
    target = images[:1]
    x = (target + 0.1 if start == "near" else torch.zeros_like(target)).requires_grad_()
    before = extractor.distance(x, target)
    (gradient,) = torch.autograd.grad(before.sum(), x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    step = 1e-3 * gradient / gradient.norm()
    assert extractor.distance((x - step).detach(), target) < before
    (gradient,) = torch.autograd.grad(extractor.features(x).sum(), x)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("shape", [(3, 1, 16, 16), (3, 3, 40, 40), (300, 1, 16, 16), (2, 1, 9, 13)])
def test_features_of_any_size_and_count(extractor: Extractor, shape: tuple[int, ...]):
    pictures = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = extractor.features(pictures)
    assert found.shape == (shape[0], extractor.dim)
    torch.testing.assert_close(found[-1:], extractor.features(pictures[-1:]), rtol=1e-4, atol=1e-4)


def test_generators_have_no_eyes(make_trainer: Callable[..., Trainer]):
    with pytest.raises(UsageError, match="classifier"):
        Extractor(model_of(make_trainer("dcgan")))


def test_the_default_extractor_is_the_shipped_one(extractor: Extractor, tmp_path, monkeypatch):
    monkeypatch.setattr("playground.model.PRETRAINED", tmp_path)
    with pytest.raises(UsageError, match=r"features-v1.*is missing"):
        default_extractor()
    extractor.model.save(tmp_path / "features-v1")
    found = default_extractor()
    assert found.name == "features-v1" and default_extractor() is found
    assert extractor.name == "eyes"


@pytest.mark.skipif("features-v1" not in list_shipped(), reason="features-v1 is not shipped yet")
def test_the_shipped_extractor_puts_like_faces_nearer():
    from playground.data import faces

    generator = torch.Generator().manual_seed(4)
    factors = faces.sample_factors(16, generator)
    changed = {**factors, "smile": -factors["smile"]}
    strangers = faces.sample_factors(16, generator)
    a, b, c = (faces.render(f, 64) for f in (factors, changed, strangers))
    eyes = default_extractor()
    assert (eyes.distance(a, b) < eyes.distance(a, c)).float().mean() > 0.9
