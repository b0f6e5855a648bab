"""What a generator has learned to go together: how every reading changes when one is changed.

Latents x are moved along a direction v that raises the target t, x(λ) = x + λ v, and every reading a is measured. The
changes Δ_a = a(x(λ)) − a(x) give the change of a for a full change of the target, the slope

    b_a = Σ Δ_t Δ_a / Σ Δ_t²    (least squares through the origin; b_t = 1),

beside which stands, of untouched pictures, the correlation of a and t. What follows the target further than the data's
own correlation is a bias of the generator (the experiment is that of Balakrishnan et al. 2020, arXiv 2007.06570).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.errors import UsageError
from playground.latent.directions import Direction, boundary_directions, moved, read, sample
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace

STRENGTHS = (-3.0, -1.5, 1.5, 3.0)


@dataclass(frozen=True)
class Correlation:
    """How readings follow a target.

    Attributes:
        target: the attribute that was moved.
        names: of all columns.
        change: each reading's change for a full change of the target, [A]; 1 for the target itself.
        natural: correlation of each reading with the target's over untouched pictures, [A], in [−1, 1].
        points: the single changes [M, A], in [−1, 1]: column `target` against any other is the scatter plot.
        strengths: in sigmas, what each row of `points` was moved by, [M].
    """

    target: str
    names: tuple[str, ...]
    change: Tensor
    natural: Tensor
    points: Tensor
    strengths: Tensor

    def ranked(self) -> list[tuple[str, float]]:
        """The other names with their change, the largest first."""
        pairs = [(name, float(c)) for name, c in zip(self.names, self.change, strict=True) if name != self.target]
        return sorted(pairs, key=lambda pair: -abs(pair[1]))


@torch.no_grad()
def correlation(
    space: LatentSpace,
    reader: Reader,
    target: str,
    *,
    direction: Direction | None = None,
    where: str | None = None,
    strengths: Sequence[float] = STRENGTHS,
    count: int = 48,
    seed: int = 11,
) -> Correlation:
    """Move `count` latents along a direction of `target` and see what else moves.

    Args:
        direction: how the target is moved; None finds a linear boundary, which leaves in it all that goes with the
            target in this generator. A direction that was separated from other attributes would hide just that.
        strengths: in sigmas.

    Raises:
        UsageError: an unknown target, one that hardly varies in this generator's pictures, or no strengths.
    """
    column = reader.index(target)
    if not strengths:
        raise UsageError("Give at least one strength, in sigmas.")
    if direction is None:
        with torch.enable_grad():
            found = boundary_directions(space, reader, where, [target])
        if not found:
            raise UsageError(
                f"'{target}' hardly varies in this model's pictures, so there is nothing to compare it with."
            )
        direction = found[0]
    sampled = sample(space, count, seed, direction.space)
    before = torch.sigmoid(read(space, direction.space, sampled, reader))
    rows = [
        torch.sigmoid(read(space, direction.space, moved(space, sampled, direction, strength), reader)) - before
        for strength in strengths
    ]
    points = torch.cat(rows)
    own = points[:, column]
    change = (points * own[:, None]).sum(dim=0) / own.square().sum().clamp(min=1e-8)
    return Correlation(
        target,
        reader.names,
        change,
        correlations(before, column),
        points,
        torch.tensor(strengths, dtype=torch.float32).repeat_interleave(count),
    )


def correlations(readings: Tensor, column: int) -> Tensor:
    """Pearson's correlation of every column of [N, A] with one of them, [A]; 0 for a column that does not vary."""
    centred = readings - readings.mean(dim=0)
    lengths = centred.norm(dim=0)
    products = centred.T @ centred[:, column]
    return products / (lengths * lengths[column]).clamp(min=1e-8)
