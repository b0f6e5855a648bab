"""The Train tab: the form on the left, the live view on the right (on a phone: above and below)."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.data.registry import DATASETS
from playground.errors import PlaygroundError, UsageError
from playground.knobs import GROUPS, KNOBS
from playground.methods import METHODS, Method, find_method, method_settings
from playground.runs import list_runs, read_config
from playground.session import Session
from playground.ui import controls
from playground.ui.context import House, log, plain_html, spoken
from playground.ui.pictures import (
    describe_built_in,
    describe_pairs,
    describe_problem,
    describe_upload,
    facts_of,
    understand,
    understand_pairs,
)

OWN = "own pictures"
FRESH = ""
_ESTIMATED_BY = ("size", "batch_size", "steps", "critic_steps", "architecture", "width", "precision")
_LIVE_PANEL = "<div class='pg-live'></div>"
_MOUNT = """
(function mount() {
  if (!window.playground?.mount%s) { setTimeout(mount, 40); return; }
  window.playground.mount%s(element, (name, data) => %s);
})();
"""


def mount_script(part: str, *events: str) -> str:
    """The `js_on_load` that hands an HTML component to `static/*.js`; `events` are those it may trigger."""
    # gradio learns which events there are from the quoted names in this text
    pick = " ".join(f"name === '{event}' ? trigger('{event}', data) :" for event in events)
    return _MOUNT % (part, part, f"({pick} null)")


@dataclass
class TrainTab:
    """The components that other tabs and the page's load event set."""

    preset: gr.Dropdown
    about: gr.HTML
    data: gr.Radio
    files: gr.File
    preview: gr.HTML
    start_from: gr.Dropdown
    knobs: dict[str, gr.components.Component]
    live: gr.HTML
    read_more: gr.Button
    estimate: gr.HTML

    @property
    def form(self) -> list[gr.components.Component]:
        """What a preset fills: its description and all knobs."""
        return [self.about, *self.knobs.values()]


# ---------------------------------------------------------------------------------------------------------------------
# What a preset says


def section_of(method: Method) -> str:
    """The heading under which a preset is listed, from what it sets."""
    knobs = method.knobs
    if method.kind == "classifier":
        return "Readers of pictures"
    if method.sides or method.kind == "translator":
        return "From picture to picture"
    if method.needs_labels or knobs.get("code_categories"):
        return "Told what to draw"
    if any(
        knobs.get(name)
        for name in ("spectral_norm", "gradient_penalty", "dragan", "r1", "r2", "weight_clip", "unroll_steps")
    ):
        return "Keeping D in check"
    if knobs.get("objective", "non-saturating") not in ("minimax", "non-saturating"):
        return "Other objectives"
    return "The originals"


def preset_choices() -> list[tuple[str, str]]:
    """(label, name) of all presets, those of one section together."""
    sections: dict[str, list[Method]] = {}
    for method in METHODS.values():
        sections.setdefault(section_of(method), []).append(method)
    return [(f"{method.title}  ·  {section}", method.name) for section, group in sections.items() for method in group]


def needed(method: Method) -> str:
    """What a preset asks of its pictures; "" for nothing."""
    if method.sides == "paired":
        return (
            "pairs: pictures that show both sides next to each other, or two folders A and B with files of the same "
            "names; other pictures are paired with their own edges"
        )
    if method.sides == "unpaired":
        return "two sets of pictures: a folder or zip with the folders A and B (or trainA and trainB)"
    if method.needs_attributes:
        return "pictures with known attributes: the data sets drawn by code"
    return "pictures in class folders, or a data set with classes" if method.needs_labels else ""


def fitting_data(preset: str) -> list[tuple[str, str]]:
    """(title, name) of the data sets that a preset can learn from, the most fitting first, and one's own pictures."""
    method = find_method(preset)
    pictures = [spec for spec in DATASETS.values() if spec.kind != "points"]  # points are played with in the Lab
    fitting = [
        spec
        for spec in pictures
        if (not spec.sides if method.sides != "unpaired" else spec.sides) or (method.sides == "paired" and spec.paired)
    ]
    if method.sides == "paired":
        wanted = {"spade": "label map", "unet": "line drawing"}.get(method.knobs.get("translator", ""), "")
        wanted = "face" if not method.knobs.get("validity", 1.0) else wanted  # a segmentation
        fitting.sort(key=lambda spec: (not spec.paired, not spec.sides or spec.sides[0] != wanted))
        if wanted == "label map":
            fitting = [spec for spec in fitting if spec.sides and spec.sides[0] == wanted]
    if method.sides == "unpaired":
        fitting.sort(key=lambda spec: spec.paired)
    return [*((spec.title, spec.name) for spec in fitting), ("Your pictures", OWN)]


def about_preset(name: str) -> str:
    """HTML: summary, and what the preset sets differently from the defaults."""
    method = find_method(name)
    needs = needed(method) and f"<p class='pg-fine'>Needs {needed(method)}.</p>"
    return (
        f"<div class='pg-about' data-pg-preset='{html.escape(name)}'><p>{html.escape(method.summary)}</p>"
        f"{needs}{controls.differences(name)}</div>"
    )


def knob_facts() -> str:
    """JavaScript that tells the page the defaults and presets, for the marks beside the knobs."""
    facts = {
        "defaults": {name: knob.default for name, knob in KNOBS.items()},
        "presets": {name: dict(method.knobs) for name, method in METHODS.items()},
    }
    return f"window.playgroundKnobs = {json.dumps(facts)};".replace("</", "<\\/")


# ---------------------------------------------------------------------------------------------------------------------
# The tab


def build(house: House, shown: gr.Tab) -> TrainTab:
    """Lay out the tab `shown` and wire its events."""
    with gr.Row(elem_classes="pg-train", equal_height=False):
        with gr.Column(elem_classes="pg-form", scale=0, min_width=320):
            with _section("Method"):
                preset = gr.Dropdown(
                    preset_choices(), value="dcgan", label="Preset", elem_id="train-preset", filterable=True
                )
                about = plain_html(about_preset("dcgan"))
                read_more = gr.Button("Read more in the guide", size="sm", variant="secondary", elem_classes="pg-quiet")
            with _section("Pictures"):
                data = gr.Radio(
                    fitting_data("dcgan"),
                    value="faces",
                    label="Data set",
                    elem_id="train-data",
                    elem_classes="pg-tiles-choice",
                )
                files = gr.File(
                    label="Your own: drop a zip, or several pictures",
                    file_count="multiple",
                    elem_id="train-upload",
                    height=124,
                )
                preview = plain_html(describe_built_in("faces"), elem_id="train-preview")
            with _section("Settings"):
                knobs = _knobs()
            with gr.Accordion("Name and starting point", open=False, elem_classes="pg-fold"):
                name = gr.Textbox(
                    label="Name of the run",
                    placeholder="made from preset and data",
                    max_length=80,
                    elem_id="train-name",
                )
                start_from = gr.Dropdown(
                    [("Fresh networks", FRESH)],
                    value=FRESH,
                    label="Start from",
                    elem_id="train-from",
                    filterable=False,
                    info="Fine-tuning begins with the weights of an earlier run of the same shape.",
                )
            with gr.Column(elem_classes="pg-start"):
                estimate = plain_html("<p class='pg-estimate'>&nbsp;</p>", elem_id="train-estimate")
                start = gr.Button("Start training", variant="primary", size="lg", elem_id="train-start")
        with gr.Column(elem_classes="pg-stage", scale=1, min_width=320):
            live = plain_html(_LIVE_PANEL, js_on_load=mount_script("Live", "apply"))
    tab = TrainTab(preset, about, data, files, preview, start_from, knobs, live, read_more, estimate)
    _wire(house, tab, name, start, shown)
    return tab


@contextmanager
def _section(title: str) -> Iterator[None]:
    with gr.Column(elem_classes="pg-section"):
        plain_html(f"<h3 class='pg-section-title'>{html.escape(title)}</h3>")
        yield


def _knobs() -> dict[str, gr.components.Component]:
    """All knobs: basic ones open, the rest folded by group; in the order of the table."""
    made = {}
    with gr.Column(elem_classes="pg-basic"):
        for knob in KNOBS.values():
            if knob.basic:
                made[knob.name] = controls.component(knob)
    for group, knobs in controls.by_group().items():
        with gr.Accordion(GROUPS[group], open=False, elem_classes="pg-fold"):
            for knob in knobs:
                made[knob.name] = controls.component(knob)
    return {name: made[name] for name in KNOBS}


def _wire(house: House, tab: TrainTab, name: gr.Textbox, start: gr.Button, shown: gr.Tab) -> None:
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    tab.preset.input(spoken(fill_preset), tab.preset, tab.form, queue=False, **quiet)
    _wire_marks(tab.knobs)

    def choose_data(data: str, size: int, preset: str, request: gr.Request) -> str:
        return preview_of(house, data, size, house.owner(request), preset)

    def offer_data(preset: str, data: str, size: int, request: gr.Request) -> tuple[Any, str]:
        choices = fitting_data(preset)
        kept = data if data in [name for _, name in choices] else choices[0][1]
        if find_method(preset).sides and kept != OWN and not DATASETS[kept].sides:
            kept = choices[0][1]  # one-sided pictures would do, paired with their edges; drawn pairs are better
        return gr.Radio(choices=choices, value=kept), preview_of(house, kept, size, house.owner(request), preset)

    # by whatever way the preset changed: the list, the guide, a cure or an earlier run
    tab.preset.change(
        spoken(offer_data), [tab.preset, tab.data, tab.knobs["size"]], [tab.data, tab.preview], queue=False, **quiet
    )
    choice = [tab.data, tab.knobs["size"], tab.preset]
    gr.on([component.input for component in choice[:2]], spoken(choose_data), choice, tab.preview, **quiet)

    def receive(files: list[str] | None, size: int, preset: str, request: gr.Request) -> tuple[Any, Any]:
        if not files:
            return gr.skip(), gr.skip()
        try:
            house.uploads.keep(house.visitor(request), files)
        except PlaygroundError as error:
            return OWN, describe_problem(str(error))
        return OWN, preview_of(house, OWN, size, house.owner(request), preset)

    tab.files.upload(
        spoken(receive),
        [tab.files, tab.knobs["size"], tab.preset],
        [tab.data, tab.preview],
        show_progress="minimal",
        show_progress_on=tab.preview,
        api_visibility="private",
    )

    def guess(preset: str, data: str, request: gr.Request, *values: Any) -> str:
        return estimated(house, preset, data, dict(zip(KNOBS, values, strict=True)), house.owner(request))

    changed = [tab.preset, tab.data, tab.preview, *(tab.knobs[knob] for knob in _ESTIMATED_BY)]
    gr.on(
        [shown.select, *(component.change for component in changed)],
        spoken(guess),
        [tab.preset, tab.data, *tab.knobs.values()],
        tab.estimate,
        trigger_mode="always_last",
        concurrency_limit=1,
        concurrency_id="estimate",
        **quiet,
    )

    def begin(preset: str, data: str, run_name: str, origin: str, request: gr.Request, *values: Any) -> None:
        start_training(
            house, preset, data, dict(zip(KNOBS, values, strict=True)), house.visitor(request), run_name, origin
        )

    inputs = [tab.preset, tab.data, name, tab.start_from, *tab.knobs.values()]
    start.click(spoken(begin), inputs, None, concurrency_limit=4, **quiet).success(
        None, None, None, js="() => { window.playground.attach(); window.playground.showLive(); }"
    )

    def apply(event: gr.EventData, request: gr.Request) -> list[Any]:
        return apply_cure(house, event._data, house.owner(request))

    tab.live.apply(spoken(apply), None, [tab.preset, *tab.form], **quiet)


def _wire_marks(knobs: dict[str, gr.components.Component]) -> None:
    """Events that stay in the browser: marks beside changed knobs, and live knobs sent to the running training."""
    for name, component in knobs.items():
        live = json.dumps(KNOBS[name].live)
        component.change(
            None, component, None, js=f"(v) => window.playground?.markKnob('{name}', v)", api_visibility="private"
        )
        commit = f"(v) => window.playground?.commitKnob('{name}', v, {live}, %d)"
        if isinstance(component, gr.Number):  # not while it is being typed: 0.0001 begins with 0
            gr.on([component.submit, component.blur], None, component, None, js=commit % 0, api_visibility="private")
        else:
            component.input(None, component, None, js=commit % 300, api_visibility="private")


# ---------------------------------------------------------------------------------------------------------------------
# What the events do


def fill_preset(preset: str) -> list[Any]:
    """The values of `TrainTab.form` for a preset."""
    return [about_preset(preset), *controls.preset_values(preset)]


def apply_changes(changes: Mapping[str, Any], preset: str | None = None) -> list[Any]:
    """Updates of (preset, *form) for changed knobs: on top of a whole preset where one is named, else alone."""
    changes = {knob: KNOBS[knob].validate(value) for knob, value in changes.items() if knob in KNOBS}
    if preset is None:
        return [gr.skip(), gr.skip(), *(changes.get(knob, gr.skip()) for knob in KNOBS)]
    values = method_settings(preset, changes)
    return [preset, about_preset(preset), *(values[knob] for knob in KNOBS)]


def apply_cure(house: House, cure: dict[str, Any], owner: str) -> list[Any]:
    """Updates of (preset, *form) for a cure: its changes alone, or, for a new run, on top of the settings of the run
    that it names.
    """
    changes = cure.get("changes", {})
    if "key" not in cure:
        return apply_changes(changes)
    session = house.session(str(cure["key"]), owner)
    return apply_changes({**settings_of(session), **changes}, session.preset)


def settings_of(session: Session) -> dict[str, Any]:
    """All knobs of a run as they are now."""
    return {**session.config["knobs"], **session.snapshot().knobs}


def source_of(house: House, data: str, owner: str) -> tuple[str, str]:
    """(what `open_data` takes, how it is called) for a choice of the form; raises UsageError without pictures."""
    if data != OWN:
        if data not in DATASETS:
            raise UsageError("Choose one of the data sets, or upload pictures of your own.")
        return data, DATASETS[data].title
    upload = house.uploads.latest(owner)
    if upload is None:
        raise UsageError("There are no pictures of yours yet: drop a zip or several pictures onto the box first.")
    return str(upload.path), upload.title


def preview_of(house: House, data: str, size: int, owner: str, preset: str = "dcgan") -> str:
    """HTML of what was understood of a choice, before any training; problems are said in it."""
    if data != OWN:
        return describe_built_in(data, size or 0)
    try:
        path, title = source_of(house, data, owner)
        sides = find_method(preset).sides
        if sides:
            return describe_pairs(title, understand_pairs(path, sides, size or 0))
        return describe_upload(title, understand(path, size or 0))
    except PlaygroundError as error:
        return describe_problem(str(error))


def estimated(house: House, preset: str, data: str, values: dict[str, Any], owner: str) -> str:
    """HTML: one sentence on time and memory; empty where nothing sensible can be said yet."""
    if any(one.active for one in house.manager.sessions()):
        return "<p class='pg-estimate'>No estimate while another training runs.</p>"
    from playground.estimate import estimate

    try:
        source, _ = source_of(house, data, owner)
        sides = find_method(preset).sides
        facts = facts_of(source, values.get("size") or 0, sides, values.get("pair_input") or "left")
        sentence = estimate(preset, facts, controls.overrides(preset, values), house.manager.device).sentence
    except PlaygroundError as error:
        return f"<p class='pg-estimate problem'>{html.escape(str(error))}</p>"
    except (RuntimeError, MemoryError) as error:  # an estimate is a courtesy: what went wrong will be said at Start
        log.warning("No estimate: %s", error)
        return "<p class='pg-estimate'>No estimate for these settings on this machine.</p>"
    return f"<p class='pg-estimate'>{html.escape(sentence)}</p>"


def start_training(
    house: House, preset: str, data: str, values: dict[str, Any], owner: str, name: str = "", origin: str = FRESH
) -> Session:
    """Begin a run from the form's values."""
    find_method(preset)
    changed = controls.overrides(preset, values)
    source, title = source_of(house, data, owner)
    from_model = None
    if origin:
        place = house.folder(origin, owner)
        if not (place / "model").is_dir():
            raise UsageError("The run to start from has no model: save it first, or choose fresh networks.")
        from_model = str(place)
    session = house.manager.start(
        preset, source, changed, owner=owner, name=(name or "").strip()[:80], from_model=from_model, data_title=title
    )
    session.touch()
    return session


def origins(house: House, owner: str) -> list[tuple[str, str]]:
    """Choices of "Start from": fresh networks, and every run of the owner that has a model."""
    runs = list_runs(house.manager.runs_dir, owner) if owner else []
    return [
        ("Fresh networks", FRESH),
        *((f"{run.name} ({run.key})" if run.name != run.key else run.name, run.key) for run in runs if run.has_model),
    ]


def fine_tune(house: House, key: str, owner: str) -> list[Any]:
    """Updates of (start_from, preset, *form) that prepare fine-tuning of a run."""
    config = read_config(house.folder(key, owner))
    chosen = gr.Dropdown(choices=origins(house, owner), value=key)
    return [chosen, *apply_changes(config["knobs"], config["preset"])]


def restore(house: House, owner: str) -> list[Any]:
    """Updates of (start_from, data, preview, preset, *form) when a page is loaded: the form shows the owner's run."""
    session = house.manager.current(owner) if owner else None
    start_from = gr.Dropdown(choices=origins(house, owner), value=FRESH)
    if session is None:
        return [start_from, *[gr.skip()] * (4 + len(KNOBS))]
    data = session.data if isinstance(session.data, str) and session.data in DATASETS else OWN
    knobs = settings_of(session)
    return [
        start_from,
        data,
        preview_of(house, data, knobs.get("size", 0), owner, session.preset),
        *apply_changes(knobs, session.preset),
    ]
