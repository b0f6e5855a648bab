"""Disentanglement: full marks for what is apart, fewer for what is mixed, none for noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from playground.data.base import DataInfo
from playground.errors import UsageError
from playground.families import family_class, initialising
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace
from playground.methods import METHODS, method_settings
from playground.metrics import scores
from playground.metrics.disentanglement import Disentanglement, principal_coordinates, score_readings
from playground.model import Model, model_of
from playground.trainer import Trainer

N, D, A = 1200, 8, 4
NAMES = tuple("abcd")


def latents(seed: int = 0) -> torch.Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(seed))


def score(z: torch.Tensor, logits: torch.Tensor, binary: bool = True) -> Disentanglement:
    return score_readings(z, logits, NAMES[: logits.shape[1]], [binary] * logits.shape[1])


def test_a_coordinate_a_factor_is_perfect():
    z = latents()
    found = score(z, 3 * z[:, :A])
    assert found.disentanglement > 0.97 and found.completeness > 0.97 and found.informativeness > 0.95
    assert 1 <= found.separability < 1.3
    assert found.importance.shape == (D, A) and found.importance[:A].argmax(dim=0).tolist() == [0, 1, 2, 3]
    assert found.names == NAMES and found.count == N and set(found.entropies) == set(NAMES)


def test_factors_that_share_coordinates_are_less_disentangled():
    z = latents()
    mixing = torch.linalg.qr(torch.randn(A, A, generator=torch.Generator().manual_seed(1)))[0]
    apart, mixed = score(z, 3 * z[:, :A]), score(z, 3 * z[:, :A] @ mixing)
    assert mixed.disentanglement < apart.disentanglement - 0.3 and mixed.completeness < apart.completeness - 0.2
    assert mixed.informativeness > 0.9  # mixed, but all there


def test_one_factor_over_many_coordinates_is_disentangled_but_not_complete():
    z = latents()
    spread = torch.stack([z[:, :4].sum(dim=1) / 2, z[:, 4:].sum(dim=1) / 2], 1)
    found = score(z, 3 * spread)
    assert found.disentanglement > 0.95 and found.completeness < 0.6


def test_one_coordinate_behind_many_factors_is_complete_but_not_disentangled():
    z = latents()
    found = score(z, 3 * z[:, :1].expand(-1, 3) * torch.tensor([1.0, -1.0, 0.7]))
    assert found.completeness > 0.95 and found.disentanglement < 0.1


def test_noise_tells_nothing():
    found = score(latents(), 3 * latents(1)[:, :A])
    assert found.informativeness < 0.05 and found.separability > 1.5
    assert all(0 < entropy <= 0.7 for entropy in found.entropies.values())


def test_separability_sees_whether_a_plane_will_do():
    z = latents()
    plane, curved = 4 * z[:, :1], 4 * z[:, :1] * z[:, 1:2]  # the second needs two planes
    assert score(z, plane).separability < 1.1 < score(z, curved).separability
    # as long as the classifier's answers are nearly even, H(Y|X) of a useless plane is ln 2
    assert score(z, curved).entropies["a"] == pytest.approx(0.69, abs=0.04)


def test_what_does_not_vary_is_left_out():
    z = latents()
    logits = torch.stack([3 * z[:, 0], torch.full((N,), -9.0), 3 * z[:, 1], z[:, 2] - 30], 1)
    found = score(z, logits)
    assert found.names == ("a", "c") and found.importance.shape == (D, 2) and found.informative.shape == (2,)
    with pytest.raises(UsageError, match="Nothing that this classifier reads varies"):
        score(z, logits[:, [1, 3]])
    scaled = score_readings(z, logits[:, [0, 1]], ("a", "b"), [False, False])
    assert scaled.names == ("a",) and scaled.separability != scaled.separability  # no binary factor: NaN


def test_principal_coordinates_are_round_and_sorted():
    x = latents() * torch.tensor([5.0, 1, 3, 0.5, 2, 1, 1, 0]) + 7
    u = principal_coordinates(x)
    assert u.mean(dim=0).abs().max() < 1e-3
    torch.testing.assert_close((u.T @ u / (N - 1))[:7, :7], torch.eye(7), atol=1e-3, rtol=0)
    assert float(torch.corrcoef(torch.stack([u[:, 0], x[:, 0]]))[0, 1].abs()) > 0.98
    assert u[:, 7].abs().max() < 1e-2  # nothing is made of rounding noise


@pytest.fixture(scope="module")
def reader(make_trainer: Callable[..., Trainer]) -> Reader:
    """A classifier that was hardly taught: it reads something, and that is enough here."""
    trainer = make_trainer("attribute-classifier")
    trainer.run(2)
    return Reader(model_of(trainer))


def test_of_a_model_in_z_and_in_w(reader: Reader):
    chosen = method_settings("stylegan", {"width": 4, "size": 16, "latent_dim": 8})
    with initialising(3):
        modules = family_class(METHODS["stylegan"].family).sampling_networks(chosen, DataInfo("tiny", 1, 16, 48))
    space = LatentSpace(Model("stylegan", chosen, DataInfo("tiny", 1, 16, 48), modules, {}))
    attribute = ["brightness"]  # a matter of degree: it always varies
    found = {where: scores(space, reader, where, 240, attributes=attribute) for where in ("z", "w")}
    z, w = space.z_samples(240, 3), space.w(space.z_samples(240, 3))
    logits = reader.logits(space.draw(w))[:, [reader.index("brightness")]].detach()
    for where, x in (("z", z), ("w", w)):
        expected = score_readings(principal_coordinates(x), logits, attribute, [False], where)
        assert found[where].where == where and found[where].count == 240
        torch.testing.assert_close(found[where].importance, expected.importance, atol=1e-2, rtol=0.05)
        assert found[where].informativeness == pytest.approx(expected.informativeness, abs=0.02)
    assert scores(space, reader, count=240, attributes=attribute).where == "w"
    with pytest.raises(UsageError, match="200 to 200,000"):
        scores(space, reader, count=100)
    with pytest.raises(UsageError, match="Unknown attribute"):
        scores(space, reader, count=240, attributes=["nose"])
    with pytest.raises(UsageError, match="stopped"):
        scores(space, reader, count=240, stop=lambda: True)
