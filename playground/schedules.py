"""Schedules: numbers that change with the step, s(t) = s₀ + (s₁ − s₀)·(t − t₀)/(t₁ − t₀) and its kin; plain Python."""

from __future__ import annotations

import math

from playground.errors import UsageError, unknown

LEARNING_RATE_KINDS = ("constant", "linear", "cosine")


def linear_decay(step: float, start: float, end: float, initial: float, final: float) -> float:
    """`initial` up to step `start`, `final` from step `end`, a straight line between; a jump where they coincide.

    Raises:
        UsageError: `end` lies before `start`.
    """
    if end < start:
        raise UsageError(f"A schedule can't end before it starts: end is {end}, start is {start}.")
    if step >= end:
        return float(final)
    if step <= start:
        return float(initial)
    share = (step - start) / (end - start)
    return initial + (final - initial) * share


def noise_sigma(step: float, sigma0: float, decay_steps: float) -> float:
    """Standard deviation of the instance noise: `sigma0` falling in a straight line to 0 at `decay_steps`.

    Sønderby et al. 2016 (arXiv 1610.04490) and Arjovsky & Bottou 2017 (arXiv 1701.04862). 0 decay steps keep `sigma0`.

    Raises:
        UsageError: `decay_steps` or `sigma0` is negative.
    """
    if decay_steps < 0 or sigma0 < 0:
        raise UsageError(f"Instance noise needs sigma and decay steps of at least 0, not {sigma0} and {decay_steps}.")
    if decay_steps == 0:
        return float(sigma0)
    return linear_decay(step, 0, decay_steps, sigma0, 0.0)


def learning_rate_factor(
    step: int, total_steps: int, kind: str = "constant", warmup: int = 0, hold: float = 0.0
) -> float:
    """What the learning rate is multiplied by at `step` (counted from 0), in [0, 1].

    Over the first `warmup` steps it rises in a straight line, (step + 1) / warmup. Then it stays 1 ("constant"), or
    falls to 0 at `total_steps` in a straight line ("linear") or half a cosine ("cosine", arXiv 1608.03983), after
    staying 1 for the share `hold` of the run (0.5 is CycleGAN's: half the run, then down).

    Raises:
        UsageError: unknown kind, a `hold` outside [0, 1), a negative warm-up, or no steps to fall over.
    """
    if kind not in LEARNING_RATE_KINDS:
        raise unknown("learning-rate schedule", kind, LEARNING_RATE_KINDS)
    if not 0 <= hold < 1:
        raise UsageError(f"hold is a share of the run, at least 0 and below 1, not {hold}.")
    if warmup < 0:
        raise UsageError(f"The warm-up takes 0 or more steps, not {warmup}.")
    if step < warmup:
        return (step + 1) / warmup
    if kind == "constant":
        return 1.0
    if total_steps <= 0:
        raise UsageError(f"A {kind} schedule needs to know how many steps the run takes; {total_steps} is none.")
    factor = linear_decay(step, min(max(warmup, hold * total_steps), total_steps), total_steps, 1.0, 0.0)
    return factor if kind == "linear" else 0.5 * (1 - math.cos(math.pi * factor))
