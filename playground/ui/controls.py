"""From a knob to the component that sets it: the knob table is the only place where a setting is described."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import gradio as gr

from playground.errors import UsageError
from playground.knobs import GROUPS, KNOBS, Knob
from playground.methods import METHODS, method_settings

SIZE_LABELS = {0: "auto"}


def element_id(name: str) -> str:
    """The id in the page of a knob's component."""
    return f"knob-{name}"


def component(knob: Knob) -> gr.components.Component:
    """A component with the knob's name, help and default.

    Bounded knobs are sliders; those that span decades are number fields, which no slider reads well. Number fields get
    no limits: the knob itself checks the value and says what is wrong in its own sentence.
    """
    common = {"label": knob.label, "info": knob.help, "elem_id": element_id(knob.name), "interactive": True}
    common["elem_classes"] = ["knob", "knob-live" if knob.live else "knob-fixed"]
    if knob.kind == "bool":
        return gr.Checkbox(value=knob.default, **common)
    if knob.kind == "choice":
        choices = [
            (SIZE_LABELS.get(choice, str(choice)) if knob.name == "size" else str(choice), choice)
            for choice in knob.choices
        ]
        kind = gr.Radio if knob.name == "size" else gr.Dropdown
        extra = {} if kind is gr.Radio else {"filterable": False}
        return kind(choices=choices, value=knob.default, **common, **extra)
    step = slider_step(knob)
    if step is not None:
        return gr.Slider(knob.low, knob.high, value=knob.default, step=step, buttons=[], **common)
    return gr.Number(value=knob.default, step=number_step(knob), precision=0 if knob.kind == "int" else None, **common)


def slider_step(knob: Knob) -> float | None:
    """The step of the knob's slider; None where a number field suits it better."""
    if knob.log or knob.low is None or knob.high is None:
        return None
    if knob.kind == "int":
        return 1 if knob.high - knob.low <= 100 else None
    if knob.high - knob.low > 2 or (knob.high > 0.99 and knob.high < 1) or knob.name == "weight_clip":
        return None  # decays such as 0.999 live in their last digit
    return 0.01


def number_step(knob: Knob) -> float:
    """What an arrow key adds: about a tenth of the default, or of the range's usual values."""
    if knob.kind == "int":
        return 1
    if knob.default:
        return 10.0 ** math.floor(math.log10(abs(knob.default)) - (0 if knob.log else 1))
    return 0.01 if (knob.high or 1) <= 1 else 0.1


def by_group(names: Mapping[str, Knob] = KNOBS) -> dict[str, list[Knob]]:
    """Knobs that are not basic, in the order of `GROUPS`, without empty groups."""
    table = {group: [knob for knob in names.values() if knob.group == group and not knob.basic] for group in GROUPS}
    return {group: knobs for group, knobs in table.items() if knobs}


def preset_values(preset: str) -> list[Any]:
    """The value of every knob in the order of `KNOBS` under a preset."""
    values = method_settings(preset)
    return [values[name] for name in KNOBS]


def overrides(preset: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the form's `values`, those that differ from the preset's, validated.

    Raises:
        UsageError: a value is missing or out of range; the sentence carries the knob's label.
    """
    base = method_settings(preset)
    changed = {}
    for name, value in values.items():
        if value is None or value == "":
            raise UsageError(
                f"{KNOBS[name].label} is empty: enter a value, or choose the preset again to refill the form."
            )
        value = KNOBS[name].validate(value)
        if value != base[name]:
            changed[name] = value
    return changed


def differences(preset: str) -> str:
    """HTML: a list of what a preset sets differently from the defaults; "" where it sets nothing."""
    knobs = {name: value for name, value in METHODS[preset].knobs.items() if value != KNOBS[name].default}
    rows = [
        f"<li><b>{html.escape(KNOBS[name].label)}</b> {html.escape(show(value))}</li>" for name, value in knobs.items()
    ]
    return f"<ul class='pg-sets' aria-label='Settings of this preset'>{''.join(rows)}</ul>" if rows else ""


def show(value: Any) -> str:
    """A knob's value as a person writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
