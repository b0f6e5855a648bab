"""Extra loss terms: their values by hand, against torch's distributions, and what they push towards."""

from __future__ import annotations

import math

import pytest
import torch

from playground.errors import UsageError
from playground.terms import (
    LOG_VARIANCE_LIMIT,
    categorical_information,
    class_cross_entropy,
    continuous_information,
    feature_matching,
    pulling_away,
)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_feature_matching_is_the_squared_distance_of_means():
    real = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # mean (2, 3)
    fake = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])  # mean (0, 1)
    assert feature_matching(real, fake).item() == pytest.approx((4 + 4) / 2)
    assert feature_matching([real, real], [fake, real[:1] * 0 + real.mean(0)]).item() == pytest.approx((4 + 0) / 2)


def test_feature_matching_ignores_which_sample_is_which_but_not_the_mean():
    real = draw(8, 3, 4, 4)
    assert feature_matching(real, real.flip(0)).item() == pytest.approx(0.0, abs=1e-20)
    assert feature_matching(real, real + 0.5).item() == pytest.approx(0.25)


def test_feature_matching_moves_the_fakes_only_towards_the_reals():
    real, fake = draw(4, 5).requires_grad_(True), (draw(4, 5, seed=1) + 3).requires_grad_(True)
    feature_matching(real, fake).backward()
    assert real.grad is None
    torch.testing.assert_close(fake.grad, (2 * (fake - real).mean(0) / 5 / 4).expand(4, 5).detach())


def test_feature_matching_refuses_layers_that_do_not_match():
    for real, fake in (([draw(2, 3)], [draw(2, 3)] * 2), (draw(2, 3), draw(2, 4)), ([], [])):
        with pytest.raises(UsageError, match="layers"):
            feature_matching(real, fake)


def test_pulling_away_extremes_and_scale():
    same = torch.ones(4, 3, dtype=torch.float64) * torch.tensor([[1.0], [2.0], [-3.0], [0.1]], dtype=torch.float64)
    assert pulling_away(same).item() == pytest.approx(1.0)
    assert pulling_away(torch.eye(5)).item() == pytest.approx(0.0)
    features = draw(6, 4)
    torch.testing.assert_close(pulling_away(features * 100), pulling_away(features))
    assert pulling_away(draw(1, 4)).item() == 0.0


def test_pulling_away_is_the_mean_over_ordered_pairs():
    features = draw(5, 2, 3)
    flat = features.flatten(1)
    total = sum(
        torch.nn.functional.cosine_similarity(flat[i], flat[j], dim=0) ** 2
        for i in range(5)
        for j in range(5)
        if i != j
    )
    torch.testing.assert_close(pulling_away(features), total / 20)
    assert torch.autograd.gradcheck(pulling_away, (features.requires_grad_(True),))


def test_pulling_away_has_finite_gradients_at_zero_features():
    features = torch.zeros(3, 4)
    features[0] = 1.0
    features.requires_grad_(True)
    pulling_away(features).backward()
    assert features.grad.isfinite().all()


def test_descending_pulling_away_spreads_a_collapsed_batch():
    features = (torch.ones(4, 8) + 0.01 * draw(4, 8).float()).requires_grad_(True)
    for _ in range(200):
        (slope,) = torch.autograd.grad(pulling_away(features), features)
        features = (features - 2 * slope).detach().requires_grad_(True)
    assert pulling_away(features).item() < 0.01


@pytest.mark.parametrize("function", [class_cross_entropy, categorical_information])
def test_cross_entropies(function):
    logits = draw(6, 4)
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    expected = -(logits.exp() / logits.exp().sum(1, keepdim=True))[torch.arange(6), labels].log().mean()
    torch.testing.assert_close(function(logits, labels), expected)
    torch.testing.assert_close(function(logits, torch.eye(4, dtype=torch.float64)[labels]), expected)
    # an answer that knows nothing costs the code's whole entropy: the bound on the information is 0
    assert function(torch.zeros(6, 4), labels).item() == pytest.approx(math.log(4))
    assert function(100 * torch.eye(4)[labels], labels).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("learned", [False, True])
def test_continuous_information_is_the_gaussian_likelihood(learned):
    mean, codes = draw(7, 3), draw(7, 3, seed=1).clamp(-1, 1)
    log_variance = draw(7, 3, seed=2) if learned else None
    sigma = (0.5 * log_variance).exp() if learned else torch.ones_like(mean)
    expected = -torch.distributions.Normal(mean, sigma).log_prob(codes).sum(1).mean()
    torch.testing.assert_close(continuous_information(mean, codes, log_variance), expected)


def test_the_best_variance_is_the_squared_error():
    mean, codes = torch.zeros(2, 1, dtype=torch.float64), torch.full((2, 1), 0.3, dtype=torch.float64)
    log_variance = torch.full((2, 1), math.log(0.09), dtype=torch.float64, requires_grad=True)
    continuous_information(mean, codes, log_variance).backward()
    torch.testing.assert_close(log_variance.grad, torch.zeros(2, 1, dtype=torch.float64))


@pytest.mark.parametrize("level", [-50.0, 50.0])
def test_extreme_variances_stay_finite_and_can_come_back(level):
    mean, codes = torch.zeros(2, 1), torch.ones(2, 1)
    log_variance = torch.full((2, 1), level, requires_grad=True)
    loss = continuous_information(mean, codes, log_variance)
    loss.backward()
    assert loss.isfinite() and loss < 2 * math.exp(LOG_VARIANCE_LIMIT)
    assert (log_variance.grad * level > 0).all()  # descent leads back inside


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="read back"):
        continuous_information(torch.zeros(4, 2), torch.zeros(4, 3))


def test_half_precision_is_widened_and_nothing_is_read_on_the_host():
    """Tensors without data can't answer `.item()` or an `if`."""
    for dtype in (torch.bfloat16, torch.float32):
        x = torch.empty(4, 3, device="meta", dtype=dtype, requires_grad=True)
        codes = torch.empty(4, 3, device="meta")
        labels = torch.empty(4, dtype=torch.long, device="meta")
        for term in (
            feature_matching(x, x),
            pulling_away(x),
            class_cross_entropy(x, labels),
            continuous_information(x, codes, x),
        ):
            assert term.dtype == torch.float32 and term.shape == ()
            term.backward()
