r"""Extra loss terms beside the objective, each a scalar batch mean: features, information, classes and attributes.

    feature matching  ‖E φ(x) − E φ(G(z))‖²                  Salimans et al. 2016, arXiv 1606.03498
    the same, a pair  E |φ(y) − φ(G(x))|                     Wang et al. 2017, arXiv 1711.11585
    pulling away      mean over pairs of cos²(s_i, s_j)      Zhao et al. 2016, arXiv 1609.03126
    information       −E log Q(c | G(z, c))                  Chen et al. 2016, arXiv 1606.03657
    classes           −E log P(y | x)                        Odena et al. 2017, arXiv 1610.09585
    attributes        the same of each, there or not         Liu et al. 2014, arXiv 1411.7766
    codes             KL(N(μ, σ²) ‖ N(0, 1))                 Kingma & Welling 2013, arXiv 1312.6114

Logarithms are natural; features and answers come from the discriminator and its heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from playground.errors import UsageError

LOG_VARIANCE_LIMIT = 10.0
"""A predicted log σ² counts within ± this: a head that becomes sure of a code (σ → 0) must not blow up the loss."""


def _wide(x: Tensor) -> Tensor:
    """16-bit numbers raised to float32: batch means need the room."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def feature_matching(real_features: Tensor | Sequence[Tensor], fake_features: Tensor | Sequence[Tensor]) -> Tensor:
    """Squared distance between the batch means of discriminator features of reals and of fakes.

    Salimans et al. 2016, section 3.1, divided by the number of features so that a weight means the same for any width.
    Several layers are averaged. The reals are detached: the term is the generator's.

    Args:
        real_features: [N, ...], or one such tensor a layer.
        fake_features: the same for fakes; batch sizes may differ.

    Raises:
        UsageError: no features, or numbers of layers or feature shapes that differ.
    """
    reals = [real_features] if isinstance(real_features, Tensor) else list(real_features)
    fakes = [fake_features] if isinstance(fake_features, Tensor) else list(fake_features)
    if not reals or [real.shape[1:] for real in reals] != [fake.shape[1:] for fake in fakes]:
        raise UsageError("Feature matching needs the same layers of features, at least one, for reals and for fakes.")
    distances = [
        (_wide(real).detach().mean(0) - _wide(fake).mean(0)).square().mean()
        for real, fake in zip(reals, fakes, strict=True)
    ]
    return torch.stack(distances).mean()


def feature_distance(real_features: Sequence[Tensor], fake_features: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of discriminator features of a true picture and of the one drawn in its place.

    pix2pixHD's feature matching (Wang et al. 2017, arXiv 1711.11585, equation 4), picture by picture; the layers are
    averaged and the true ones detached.

    Args:
        real_features, fake_features: one [N, ...] a layer, of the same shapes.

    Raises:
        UsageError: no features, or shapes that differ.
    """
    reals, fakes = list(real_features), list(fake_features)
    if not reals or [real.shape for real in reals] != [fake.shape for fake in fakes]:
        raise UsageError("Feature matching needs the same layers of features, at least one, for reals and for fakes.")
    distances = [
        (_wide(real).detach() - _wide(fake)).abs().mean() for real, fake in zip(reals, fakes, strict=True)
    ]
    return torch.stack(distances).mean()


def pulling_away(features: Tensor) -> Tensor:
    """Mean squared cosine between different samples' features: 1 when all point one way, 0 when all are orthogonal.

    Zhao et al. 2016, equation 4, on the codes of EBGAN's auto-encoder. A batch of one sample has no pairs and gives 0.

    Args:
        features: [N, ...], flattened to [N, F].
    """
    unit = F.normalize(_wide(features).flatten(1), dim=1)
    n = unit.shape[0]
    cosine = unit @ unit.T
    pairs = cosine.square().masked_fill(torch.eye(n, dtype=torch.bool, device=cosine.device), 0.0)
    return pairs.sum() / max(n * (n - 1), 1)


def class_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """−E log softmax(logits)[y], in nats: ACGAN's second task of D, and of G on its own samples.

    Args:
        logits: [N, K].
        labels: [N] whole numbers in [0, K), or [N, K] probabilities.
    """
    return F.cross_entropy(_wide(logits), labels)


def attribute_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy in nats over the known attributes: logits [N, A], targets [N, A] in [0, 1] or NaN."""
    known = torch.isfinite(targets)
    each = F.binary_cross_entropy_with_logits(logits.float(), targets.nan_to_num(0.0), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def categorical_information(logits: Tensor, codes: Tensor) -> Tensor:
    """−E log Q(c | x) for a categorical code, in nats; H(c) minus it bounds the mutual information from below.

    Chen et al. 2016, equation 5. Codes drawn evenly from K values have H(c) = log K.

    Args:
        logits: [N, K], the Q head's answer to the generated samples.
        codes: [N] whole numbers in [0, K), or [N, K] one-hot.
    """
    return class_cross_entropy(logits, codes)


def continuous_information(mean: Tensor, codes: Tensor, log_variance: Tensor | None = None) -> Tensor:
    """−E log N(c; μ, σ²) summed over the continuous codes, in nats, with σ = 1 fixed or σ² predicted.

    Chen et al. 2016, section 6. A predicted log σ² enters the loss within ±LOG_VARIANCE_LIMIT, but its gradient is
    passed on as if it were inside, so that a head beyond the limit can come back.

    Args:
        mean: [N, K], the Q head's answer.
        codes: [N, K], the codes that were drawn.
        log_variance: [N, K], or None for a fixed unit variance.

    Raises:
        UsageError: `mean` and `codes` differ in shape.
    """
    if mean.shape != codes.shape:
        raise UsageError(
            f"Codes of shape {tuple(codes.shape)} can't be read back from an answer of {tuple(mean.shape)}."
        )
    squared = (_wide(mean) - codes).square()
    if log_variance is None:
        nll = 0.5 * squared
    else:
        raw = _wide(log_variance)
        bounded = raw + (raw.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT) - raw).detach()
        nll = 0.5 * (bounded + squared * (-bounded).exp())
    return (nll + 0.5 * math.log(2 * math.pi)).flatten(1).sum(1).mean()


def normal_divergence(mean: Tensor, log_variance: Tensor | None = None) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² − 1 − log σ²) in nats, the mean over batch and code numbers.

    Kingma & Welling 2013, appendix B, divided by the length of the code so that a weight means the same for any.

    Args:
        mean: [N, ...].
        log_variance: of the same shape; None is σ = 1, which leaves μ²/2.
    """
    mean = _wide(mean)
    if log_variance is None:
        return mean.square().mean() / 2
    log_variance = _wide(log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
