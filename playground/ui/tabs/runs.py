"""The Runs tab: everything this browser (or user) has trained, to compare, resume, fine-tune and take away."""

from __future__ import annotations

import gradio as gr

from playground.ui.context import House, plain_html, spoken
from playground.ui.tabs.train import TrainTab, fine_tune, mount_script


def build(house: House) -> gr.HTML:
    """Lay out the tab; its list is drawn by `static/runs.js`."""
    plain_html(
        "<header class='pg-page-head'><h2>Runs</h2>"
        "<p>Every training leaves a folder with its curves, samples, checkpoints and model.</p></header>"
    )
    return plain_html("<div class='pg-runs'></div>", js_on_load=mount_script("Runs", "finetune"))


def wire(house: House, runs: gr.HTML, train: TrainTab, tabs: gr.Tabs) -> None:
    """Fine-tune: fill the form of the Train tab and show it."""

    def prepare(event: gr.EventData, request: gr.Request) -> list:
        return [gr.Tabs(selected="train"), *fine_tune(house, str(event._data.get("key", "")), house.owner(request))]

    outputs = [tabs, train.start_from, train.preset, *train.form]
    runs.finetune(spoken(prepare), None, outputs, show_progress="hidden", api_visibility="private").success(
        None,
        None,
        None,
        js="() => window.playground.toast('The form holds the run\\'s settings: choose pictures, then press Start.')",
    )
