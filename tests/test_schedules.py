"""Schedules at the steps where their shape is decided."""

from __future__ import annotations

import pytest

from playground.errors import UsageError
from playground.knobs import KNOBS
from playground.schedules import LEARNING_RATE_KINDS, learning_rate_factor, linear_decay, noise_sigma


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
