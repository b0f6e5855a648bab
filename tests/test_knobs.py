"""Knobs: every one refuses what it can't be, in a sentence, and its flag, its value and its slider are one thing."""

from __future__ import annotations

import argparse
import math

import pytest

from playground.errors import UsageError
from playground.knobs import GROUPS, KNOBS, Knob, Settings, add_flags, find, from_flags, settings

ALL = list(KNOBS.values())
NUMBERS = [k for k in ALL if k.kind in ("int", "float")]
CHOICES = [k for k in ALL if k.kind == "choice"]
BOOLS = [k for k in ALL if k.kind == "bool"]


def refusal(knob: Knob, value: object) -> str:
    """The sentence with which `knob` refuses `value`."""
    with pytest.raises(UsageError) as caught:
        knob.validate(value)
    said = str(caught.value)
    assert said.startswith(knob.name) and said.endswith((".", "?")) and "\n" not in said
    return said


def beyond(knob: Knob) -> tuple[float, float]:
    """Just below and just above what `knob` takes."""
    if knob.kind == "int":
        return knob.low - 1, knob.high + 1
    return knob.low - 1e-9, math.nextafter(knob.high, math.inf)


def name(knob: Knob) -> str:
    return knob.name


@pytest.mark.parametrize("knob", ALL, ids=name)
def test_every_knob_is_fully_described(knob: Knob):
    assert knob.label and len(knob.help) > 20 and knob.help[-1] in ".?" and knob.group in GROUPS
    assert knob.kind in ("int", "float", "bool", "choice")
    assert knob.flag == "--" + knob.name.replace("_", "-")
    assert knob.validate(knob.default) == knob.default
    assert (knob.kind == "choice") == bool(knob.choices)
    if knob.log:
        assert knob.low > 0  # a logarithmic slider has no zero


@pytest.mark.parametrize("knob", NUMBERS, ids=name)
def test_numbers_are_taken_within_their_limits_only(knob: Knob):
    for value in (knob.low, knob.high, knob.default, str(knob.default)):
        result = knob.validate(value)
        assert result == float(value) and isinstance(result, int if knob.kind == "int" else float)
    for value in beyond(knob):
        assert "between" in refusal(knob, value)


@pytest.mark.parametrize("knob", NUMBERS, ids=name)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "-inf", "1e999", 10**400, True])
def test_numbers_must_be_finite(knob: Knob, value: object):
    assert "finite" in refusal(knob, value)


@pytest.mark.parametrize("knob", NUMBERS, ids=name)
@pytest.mark.parametrize("value", ["", "many", "1,5", None, [], {}, object()])
def test_numbers_must_be_numbers(knob: Knob, value: object):
    assert "number" in refusal(knob, value)


@pytest.mark.parametrize("knob", [k for k in NUMBERS if k.kind == "int"], ids=name)
def test_whole_numbers_are_not_rounded(knob: Knob):
    assert "whole" in refusal(knob, knob.low + 0.5)
    assert knob.validate(float(knob.high)) == knob.high


@pytest.mark.parametrize("knob", CHOICES, ids=name)
def test_choices(knob: Knob):
    for choice in knob.choices:
        assert knob.validate(choice) == choice == knob.validate(str(choice))
    for value in ("nonsense", "", None, 3.5, ["a"]):
        assert "can't be" in refusal(knob, value)


def test_a_misspelt_choice_is_put_right():
    assert "Did you mean 'hinge'?" in refusal(KNOBS["objective"], "hing")
    assert "wasserstein" in refusal(KNOBS["objective"], "zzz")  # nothing near: all are listed


@pytest.mark.parametrize("knob", BOOLS, ids=name)
def test_switches(knob: Knob):
    for value in (True, 1, "true", "True", "yes", "on", "1"):
        assert knob.validate(value) is True
    for value in (False, 0, "false", "no", "OFF", "0"):
        assert knob.validate(value) is False
    for value in ("", "maybe", 2, None, math.nan):
        assert "true or false" in refusal(knob, value)


def test_settings_are_layered_defaults_first():
    values = settings({"steps": "10", "width": 8}, {"steps": 20})
    assert (values.steps, values.width, values["seed"]) == (20, 8, KNOBS["seed"].default)
    assert set(values) == set(KNOBS)
    with pytest.raises(AttributeError):
        _ = values.stepz


def test_an_unknown_setting_is_named_with_the_nearest():
    for attempt in (lambda: settings({"learning_rate": 1}), lambda: find("learning_rate")):
        with pytest.raises(UsageError, match=r"Unknown setting 'learning_rate'\. Did you mean 'learning_rate_"):
            attempt()


@pytest.mark.parametrize("knob", ALL, ids=name)
def test_only_live_knobs_turn_while_a_training_runs(knob: Knob):
    values = Settings(settings())
    other = {"bool": not knob.default, "choice": knob.choices[-1] if knob.choices else None}.get(knob.kind, knob.high)
    if knob.live:
        assert values.change(knob.name, str(other)) == other == values[knob.name]
        with pytest.raises(UsageError):
            values.change(knob.name, "nonsense")
        assert values[knob.name] == other  # a refused value changes nothing
    else:
        with pytest.raises(UsageError, match="start a new run"):
            values.change(knob.name, other)
        assert values[knob.name] == knob.default


def parsed(*arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    return from_flags(parser.parse_args(arguments))


def test_flags_not_given_leave_no_trace():
    assert parsed() == {}


@pytest.mark.parametrize("knob", ALL, ids=name)
def test_a_value_survives_the_way_through_its_flag(knob: Knob):
    values = {"bool": (True, False), "choice": knob.choices}.get(knob.kind, (knob.low, knob.high, knob.default))
    for value in values:
        assert parsed(knob.flag, str(value)) == {knob.name: value}


def test_flags_refuse_like_the_knobs():
    with pytest.raises(UsageError, match="steps must lie between 1 and 10,000,000, not -3"):
        parsed("--steps", "-3")


def test_the_help_of_all_flags_can_be_printed(capsys):
    parser = argparse.ArgumentParser()
    add_flags(parser)
    parser.print_help()
    shown = capsys.readouterr().out
    assert all(knob.flag in shown for knob in ALL) and all(title in shown for title in GROUPS.values())
