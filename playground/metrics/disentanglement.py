"""How well a latent space keeps apart what can vary on its own, where a classifier can name what varies.

DCI (Eastwood and Williams 2018, openreview By-7dz-AZ): a lasso predicts every factor from every latent coordinate, and
R_ij, the size of its coefficient, says how much coordinate i matters for factor j. With P_ij = R_ij / Σ_j R_ij and
ρ_i = Σ_j R_ij / Σ_ij R_ij,

    disentanglement = Σ_i ρ_i (1 − H_A(P_i·)),    completeness = mean_j (1 − H_D(R_·j / Σ_i R_ij)),

(entropies to the base of the number of factors A or coordinates D), and informativeness is how much of the factors'
variance is predicted on latents not fitted to. All three lie in [0, 1], more is better. Coordinates are the space's
principal axes: w is free to be turned, and its own axes mean nothing.

Separability (Karras et al. 2018, section 4.2): exp(Σ_a H(Y_a | X_a)), where Y_a is the classifier's answer on the surer
half of the pictures and X_a the side of a linear boundary the latent lies on. At least 1, less is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from playground.errors import UsageError
from playground.metrics.ppl import Space, chosen_space

_BATCH = 32
_CLIP = 6.0  # log-odds beyond which a classifier is merely sure
_FEW = 20  # pictures of the rarer answer that a boundary is fitted to, at least


class Names(Protocol):
    """A classifier that gives log-odds of named factors; `playground.latent.reader.Reader` is one."""

    names: tuple[str, ...]
    binary: tuple[bool, ...]

    def index(self, name: str) -> int: ...

    def logits(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, A]."""


@dataclass(frozen=True)
class Disentanglement:
    """Scores of one space.

    Attributes:
        where: "w" or "z".
        names: the factors, as the reader names them, that vary in this generator's pictures.
        disentanglement, completeness, informativeness: in [0, 1].
        separability: at least 1; NaN where no binary factor has both answers.
        informative: share of each factor's variance that is predicted, [A].
        entropies: H(Y|X) in nats by name, of the factors that separability counts.
        importance: R [D, A], coordinates in the order of their variance.
        count: how many pictures were read.
    """

    where: str
    names: tuple[str, ...]
    disentanglement: float
    completeness: float
    informativeness: float
    separability: float
    informative: Tensor
    entropies: dict[str, float]
    importance: Tensor
    count: int


@torch.no_grad()
def scores(
    space: Space,
    reader: Names,
    where: str | None = None,
    count: int = 2000,
    seed: int = 3,
    *,
    attributes: Sequence[str] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Disentanglement:
    """Draw `count` pictures, read them, and score the space they were drawn from.

    Both spaces of a styled model see the same pictures for the same seed, so that their scores compare.

    Args:
        count: at least 200; the numbers settle at a few thousand.
        attributes: the factors; None is all that the reader names. Those that hardly vary are left out.

    Raises:
        UsageError: an unknown attribute, too few pictures, or pictures in which nothing varies.
    """
    where = chosen_space(space, where)
    if not isinstance(count, int) or not 200 <= count <= 200_000:
        raise UsageError(f"Disentanglement is measured on 200 to 200,000 pictures, not {count}.")
    names = list(reader.names if attributes is None else attributes)
    columns = [reader.index(name) for name in names]
    z, (label, codes) = space.z_samples(count, seed), space.sample_conditions(count, seed)
    latents = z if where == "z" else space.w(z, label, codes)
    draw = space.draw if where == "w" or not space.styled else space.draw_z
    parts = []
    for i in range(0, count, _BATCH):
        if stop is not None and stop():
            raise UsageError("The measurement of disentanglement was stopped.")
        rows = slice(i, i + _BATCH)
        given = {"label": None if label is None else label[rows], "codes": None if codes is None else codes[rows]}
        parts.append(reader.logits(draw(latents[rows], **given)).float().cpu()[:, columns])
    binary = [reader.binary[c] for c in columns]
    return score_readings(principal_coordinates(latents.cpu()), torch.cat(parts), names, binary, where, stop=stop)


def principal_coordinates(latents: Tensor) -> Tensor:
    """Latents [N, D] along their principal axes, each to mean 0 and variance 1, the widest axis first.

    Axes along which they hardly vary (a thousandth of the widest) are scaled up no further than that.
    """
    centred = (latents - latents.mean(dim=0)).double()
    variances, axes = torch.linalg.eigh(centred.T @ centred / max(1, len(latents) - 1))
    deviations = variances.clamp(min=0).sqrt()
    rounded = centred @ axes / deviations.clamp(min=float(deviations.max()) * 1e-3 + 1e-12)
    return rounded.flip(1).float()


def score_readings(
    latents: Tensor,
    logits: Tensor,
    names: Sequence[str],
    binary: Sequence[bool],
    where: str = "z",
    *,
    stop: Callable[[], bool] | None = None,
) -> Disentanglement:
    """The scores of latents [N, D] (of mean 0 and variance 1) whose pictures were read as log-odds [N, A]."""
    clipped = logits.clamp(-_CLIP, _CLIP)
    varied = [j for j in range(len(names)) if _varies(clipped[:, j], binary[j])]
    if not varied:
        raise UsageError("Nothing that this classifier reads varies in the model's pictures, so nothing can be scored.")
    clipped, kept = clipped[:, varied], [names[j] for j in varied]
    importance, informative = _lasso(latents, clipped, stop)
    total = importance.sum().clamp(min=1e-12)
    by_row, by_column = importance.sum(dim=1), importance.sum(dim=0)
    disentangled = (by_row / total * (1 - _entropy(importance, by_row, dim=1))).sum()
    complete = (1 - _entropy(importance, by_column, dim=0))[by_column > 0]
    entropies = {
        name: _conditional_entropy(latents, logits[:, j])
        for name, j in zip(kept, varied, strict=True)
        if binary[j] and (stop is None or not stop())
    }
    entropies = {name: value for name, value in entropies.items() if value is not None}
    return Disentanglement(
        where,
        tuple(kept),
        float(disentangled),
        float(complete.mean()) if len(complete) else 0.0,
        float(informative.clamp(0, 1).mean()),
        float(np.exp(sum(entropies.values()))) if entropies else float("nan"),
        informative,
        entropies,
        importance,
        len(latents),
    )


def _varies(column: Tensor, binary: bool) -> bool:
    few = max(2, round(0.01 * len(column)))
    both = min(int((column > 0).sum()), int((column <= 0).sum())) >= few if binary else True
    return both and float(column.std()) > 1e-3


def _lasso(latents: Tensor, factors: Tensor, stop: Callable[[], bool] | None) -> tuple[Tensor, Tensor]:
    """(R [D, A], share of variance predicted on a quarter that was not fitted [A])."""
    from sklearn.linear_model import Lasso

    fitted = len(latents) * 3 // 4
    rows, answers = latents.double().numpy(), factors.double().numpy()
    mean, deviation = answers[:fitted].mean(axis=0), answers[:fitted].std(axis=0).clip(1e-9)
    answers = (answers - mean) / deviation
    importance, informative = [], []
    # what a coefficient of no meaning reaches by chance: σ √(2 log D / N)
    alpha = float(np.sqrt(2 * np.log(max(2, rows.shape[1])) / fitted)) / 2
    for j in range(answers.shape[1]):
        if stop is not None and stop():
            raise UsageError("The measurement of disentanglement was stopped.")
        machine = Lasso(alpha=alpha, max_iter=2000).fit(rows[:fitted], answers[:fitted, j])
        rest = answers[fitted:, j]
        error = ((machine.predict(rows[fitted:]) - rest) ** 2).mean() / max(rest.var(), 1e-9)
        importance.append(np.abs(machine.coef_))
        informative.append(1 - error)
    return torch.from_numpy(np.stack(importance, axis=1)).float(), torch.tensor(informative).float()


def _entropy(matrix: Tensor, sums: Tensor, dim: int) -> Tensor:
    """Entropy of each row (dim 1) or column (dim 0) as shares, to the base of its length; 1 where it is empty."""
    share = matrix / sums.clamp(min=1e-12).unsqueeze(dim)
    entropy = -(share * share.clamp(min=1e-12).log()).sum(dim=dim) / np.log(max(2, matrix.shape[dim]))
    return torch.where(sums > 0, entropy, torch.ones_like(entropy))


def _conditional_entropy(latents: Tensor, logits: Tensor) -> float | None:
    """H(Y|X) in nats on the surer half of the pictures; None where the rarer answer is too rare to fit."""
    from sklearn.svm import LinearSVC

    sure = logits.abs().argsort(descending=True)[: len(logits) // 2]
    answers, rows = (logits[sure] > 0).numpy(), latents[sure].double().numpy()
    if min(answers.sum(), (~answers).sum()) < _FEW:
        return None
    sides = LinearSVC(C=0.01, dual=False, max_iter=500).fit(rows, answers).predict(rows)
    entropy = 0.0
    for x in (False, True):
        weight = float((sides == x).mean())
        if weight:
            p = float(answers[sides == x].mean())
            entropy -= weight * sum(q * np.log(q) for q in (p, 1 - p) if q > 0)
    return entropy
