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


def growth(
    step: int,
    total_steps: int,
    size: int,
    start: int = 8,
    fade: float = 0.5,
    last: float = 0.45,
    base: int = 4,
) -> tuple[int, float]:
    """The stage of progressive growing and the fade-in share α at `step` (counted from 0).

    Karras et al. 2017 (arXiv 1710.10196): the run begins with pictures of `start` pixels and doubles the side up to
    `size`. The last resolution gets the share `last` of the steps (or an even share, where that is more), those before
    it share the rest as 1 : 2 : 3 and so on: the smaller, the sooner learned. Each resolution but the first rises from
    α just above 0 to 1 over the first `fade` of its steps and then stays, the last one to the end of the
    run and beyond.

    Returns:
        (stage, α): stage i is a side of base · 2^i pixels, α in (0, 1].

    Raises:
        UsageError: sides that are no doublings of `base`, or shares or steps out of range.
    """
    stages = [(side // base).bit_length() - 1 if base > 0 and side >= base else -1 for side in (start, size)]
    if any(stage < 0 or base << stage != side for stage, side in zip(stages, (start, size), strict=True)):
        raise UsageError(f"Growing doubles the side from {base} pixels: {start} to {size} can't be reached like that.")
    first, final = stages
    if first > final:
        raise UsageError(f"Growing can't start at {start} pixels and end at {size}: start at {size} or less.")
    if not (0 <= fade <= 1 and 0 < last <= 1):
        raise UsageError(f"The shares of growing lie between 0 and 1: fade is {fade}, last is {last}.")
    if total_steps < 1 or step < 0:
        raise UsageError(f"Growing is spread over 1 or more steps, counted from 0, not step {step} of {total_steps}.")
    before = final - first  # resolutions before the last
    unit = total_steps * (1 - max(last, 1 / (before + 1))) / (before * (before + 1) / 2) if before else 0.0
    starts = [round(unit * i * (i + 1) / 2) for i in range(before + 1)]
    place = max(i for i in range(before + 1) if step >= starts[i])
    if place == 0:
        return first, 1.0
    ends = starts[place + 1] if place < before else total_steps
    fading = max(1.0, fade * (ends - starts[place]))
    return first + place, min(1.0, (step - starts[place] + 1) / fading)
