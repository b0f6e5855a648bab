"""Schedules at the steps where their shape is decided."""

from __future__ import annotations

from itertools import pairwise

import pytest

from playground.errors import UsageError
from playground.knobs import KNOBS
from playground.schedules import LEARNING_RATE_KINDS, growth, learning_rate_factor, linear_decay, noise_sigma


@pytest.mark.parametrize(
    ("step", "value"), [(0, 3.0), (10, 3.0), (15, 2.0), (20, 1.0), (1000, 1.0), (12.5, 2.5)]
)  # fmt: skip
def test_linear_decay(step, value):
    assert linear_decay(step, 10, 20, 3.0, 1.0) == pytest.approx(value)


def test_linear_decay_can_rise_and_jump_but_not_run_backwards():
    assert linear_decay(15, 10, 20, 0.0, 1.0) == pytest.approx(0.5)
    assert linear_decay(4, 5, 5, 1.0, 0.0) == 1.0 and linear_decay(5, 5, 5, 1.0, 0.0) == 0.0
    with pytest.raises(UsageError, match="before it starts"):
        linear_decay(0, 5, 4, 1.0, 0.0)


def test_instance_noise_falls_to_zero_and_stays_there():
    values = [noise_sigma(step, 0.4, 100) for step in range(0, 201, 25)]
    assert values == pytest.approx([0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0])
    assert noise_sigma(10**6, 0.4, 0) == 0.4  # the knob's "0 keeps it"
    with pytest.raises(UsageError):
        noise_sigma(0, 0.1, -1)
    with pytest.raises(UsageError):
        noise_sigma(0, -0.1, 10)


def test_learning_rate_kinds_are_those_of_the_knob():
    assert set(LEARNING_RATE_KINDS) == set(KNOBS["rate_decay"].choices)


@pytest.mark.parametrize("kind", LEARNING_RATE_KINDS)
@pytest.mark.parametrize("warmup", [0, 20])
@pytest.mark.parametrize("hold", [0.0, 0.5])
def test_learning_rate_factor_rises_once_and_never_after(kind, warmup, hold):
    factors = [learning_rate_factor(step, 100, kind, warmup, hold) for step in range(130)]
    assert all(0 <= f <= 1 for f in factors)
    rising, after = factors[:warmup], factors[warmup:]
    assert rising == sorted(rising) and (not rising or (rising[0] == 1 / warmup and rising[-1] == 1))
    assert after == sorted(after, reverse=True) and after[0] == 1.0
    assert factors[99] > 0  # the last step of the run still learns
    assert all(f == (1.0 if kind == "constant" else 0.0) for f in factors[100:])
    if hold:
        assert all(f == 1.0 for f in factors[warmup:51])


def test_learning_rate_values():
    assert learning_rate_factor(25, 100, "linear") == pytest.approx(0.75)
    assert learning_rate_factor(50, 100, "cosine") == pytest.approx(0.5)
    assert learning_rate_factor(25, 100, "cosine") == pytest.approx((1 + 2**-0.5) / 2)
    assert learning_rate_factor(75, 100, "linear", hold=0.5) == pytest.approx(0.5)
    assert learning_rate_factor(4, 100, "constant", warmup=10) == pytest.approx(0.5)
    assert learning_rate_factor(60, 100, "linear", warmup=20) == pytest.approx(0.5)
    assert learning_rate_factor(10, 0, "constant") == 1.0  # a run without an end
    assert learning_rate_factor(70, 50, "cosine", warmup=60) == 0.0  # a warm-up longer than the run


@pytest.mark.parametrize(
    "arguments", [(0, 100, "lineer"), (0, 0, "linear"), (0, 100, "linear", -1), (0, 100, "linear", 0, 1.0)]
)  # fmt: skip
def test_impossible_schedules_are_refused(arguments):
    with pytest.raises(UsageError):
        learning_rate_factor(*arguments)


@pytest.mark.parametrize("fade", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("start", [4, 8, 16])
@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("total", [100, 1234])
def test_growth_passes_every_resolution_and_fades_each_in(total, size, start, fade):
    run = [growth(step, total, size, start, fade) for step in range(total)]
    stages = [stage for stage, _ in run]
    assert stages == sorted(stages) and {4 << stage for stage in stages} == {
        side for side in (4, 8, 16, 32, 64, 128) if start <= side <= size
    }
    for stage in set(stages):
        shares = [alpha for at, alpha in run if at == stage]
        assert shares == sorted(shares) and shares[-1] == 1.0 and all(0 < alpha <= 1 for alpha in shares)
        fading = sum(alpha < 1 for alpha in shares)
        if 4 << stage == start:
            assert fading == 0
        else:
            assert fading == pytest.approx(fade * len(shares), abs=1.5)
            steps = {round(b - a, 6) for a, b in pairwise(shares[:fading])}
            assert len(steps) <= 1  # a straight line
    assert growth(total, total, size, start, fade) == growth(10 * total, total, size, start, fade) == (stages[-1], 1.0)


@pytest.mark.parametrize(("size", "share"), [(8, 1.0), (16, 0.5), (32, 0.45), (64, 0.45), (128, 0.45)])
def test_growth_gives_the_last_resolution_the_largest_share(size, share):
    stages = [growth(step, 10_000, size)[0] for step in range(10_000)]
    counts = [stages.count(stage) for stage in sorted(set(stages))]
    assert counts[-1] == pytest.approx(share * 10_000, abs=2) and counts[-1] == max(counts)
    assert all(count == pytest.approx(counts[0] * (i + 1), abs=3) for i, count in enumerate(counts[:-1]))


def test_growth_values():
    assert growth(0, 1000, 64) == (1, 1.0)  # 8 pixels
    assert growth(0, 1000, 64, start=4) == (0, 1.0)
    assert growth(0, 1000, 64, start=64) == (4, 1.0)
    assert growth(0, 1000, 16, start=16, base=16) == (0, 1.0)
    stage, alpha = growth(550 + 112, 1000, 64)  # the last 450 steps are at 64 pixels, the first 225 of them fade
    assert stage == 4 and alpha == pytest.approx(0.5, abs=0.005)
    assert growth(550 + 225, 1000, 64) == (4, 1.0)
    assert [growth(step, 2, 64)[0] for step in range(3)][-1] == 4  # shorter than its stages: it still ends at the size


@pytest.mark.parametrize(
    "arguments",
    [
        {"size": 48}, {"start": 6}, {"size": 8, "start": 16}, {"start": 2}, {"fade": 1.5}, {"last": 0.0},
        {"total_steps": 0}, {"step": -1}, {"base": 0},
    ],
)  # fmt: skip
def test_impossible_growth_is_refused(arguments):
    with pytest.raises(UsageError, match=r"\.$"):
        growth(**{"step": 0, "total_steps": 100, "size": 64, **arguments})
