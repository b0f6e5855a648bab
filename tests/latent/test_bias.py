"""The bias view: what a generator moves along with a target, against what merely occurs together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from playground.errors import UsageError
from playground.latent.bias import Correlation, correlation, correlations
from playground.latent.directions import Direction
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace

Spaces = Callable[..., LatentSpace]


def along(i: int, sign: float = 1.0) -> Direction:
    return Direction("d", "taught", "z", sign * torch.eye(6)[i])


def entangled(share: float) -> torch.Tensor:
    """The right panel follows z 0 by `share`."""
    mixing = torch.eye(6)
    mixing[1, 0] = share
    return mixing


def by_name(found: Correlation, column: str) -> dict[str, float]:
    return dict(zip(found.names, getattr(found, column).tolist(), strict=True))


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_what_follows_the_target_and_what_does_not(panels: Spaces, guide: Reader, share: float):
    found = correlation(panels(entangled(share)), guide, "left", count=64)
    change, natural = by_name(found, "change"), by_name(found, "natural")
    assert found.target == "left" and change["left"] == pytest.approx(1.0) and natural["left"] == pytest.approx(1.0)
    assert abs(change["level"]) < 0.15 and abs(natural["level"]) < 0.3
    if share:
        assert change["right"] * share > 0.4 and natural["right"] * share > 0.3
        assert found.ranked()[0][0] == "right"
    else:
        assert abs(change["right"]) < 0.15
    assert [name for name, _ in found.ranked()] in (["right", "level"], ["level", "right"])


def test_points_are_the_changes_of_single_pictures(panels: Spaces, guide: Reader):
    space = panels()
    found = correlation(space, guide, "left", direction=along(0), strengths=[-1.0, 2.0], count=5)
    assert found.points.shape == (10, 3) and found.strengths.tolist() == [-1.0] * 5 + [2.0] * 5
    assert found.points.abs().max() <= 1
    assert (found.points[:5, 0] <= 0).all() and (found.points[5:, 0] >= 0).all()
    z = space.z_samples(5, 11)
    expected = guide(space.draw(z + torch.tensor([2.0, 0, 0, 0, 0, 0]))) - guide(space.draw(z))
    torch.testing.assert_close(found.points[5:], expected, atol=1e-5, rtol=1e-4)


def test_a_direction_of_ones_own(panels: Spaces, guide: Reader):
    """Pushed along the right panel's own number, the left one stays and the slope against it has nothing to go by."""
    for sign in (1.0, -1.0):
        found = correlation(panels(), guide, "right", direction=along(1, sign), count=24)
        assert abs(by_name(found, "change")["left"]) < 0.1
    still = correlation(panels(), guide, "right", direction=along(5), count=8)
    assert torch.isfinite(still.change).all()


def test_in_w_too(styled: LatentSpace, guide: Reader):
    direction = Direction("d", "pca", "w", styled.w_samples(2)[0] - styled.w_samples(2)[1])
    found = correlation(styled, guide, "left", direction=direction, count=6)
    assert torch.isfinite(found.points).all() and found.points.shape == (24, 3)


def test_correlation_is_pearsons():
    readings = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    readings[:, 2] = 1 - readings[:, 0]
    readings[:, 3] = 0.7
    found = correlations(readings, 0)
    expected = torch.corrcoef(readings[:, :3].T)[0]
    torch.testing.assert_close(found[:3], expected)
    assert found[2] == pytest.approx(-1.0, abs=1e-5) and found[3] == pytest.approx(0.0, abs=1e-3)


def test_what_cannot_be(panels: Spaces, guide: Reader):
    with pytest.raises(UsageError, match="Unknown attribute 'nose'"):
        correlation(panels(), guide, "nose")
    with pytest.raises(UsageError, match="at least one strength"):
        correlation(panels(), guide, "left", strengths=[])
    dark = panels()
    *_, output = [m for m in dark.network.modules() if isinstance(m, torch.nn.Linear)]
    output.bias.view(16, 16)[:8, :8] = -5.0
    with pytest.raises(UsageError, match="'left' hardly varies"):
        correlation(dark, guide, "left")
