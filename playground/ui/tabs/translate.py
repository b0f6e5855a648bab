"""The Translate tab: pictures of one's own through a translator, there and back; drawn by `static/translate*.js`."""

from __future__ import annotations

import gradio as gr

from playground.ui.context import plain_html, spoken
from playground.ui.tabs.train import TrainTab, fill_preset, mount_script

_HEAD = """
<header class='pg-page-head pg-wide'><h2>Translate pictures</h2>
<p>A translator turns pictures of one kind into another.
<b>Try first:</b> drag the line across the example, then drop a picture of yours.</p></header>
"""


def build() -> gr.HTML:
    """Lay out the tab; all of it is drawn by `static/translate.js`."""
    plain_html(_HEAD)
    return plain_html("<div class='pg-tr'></div>", js_on_load=mount_script("Translate", "train"))


def wire(translate: gr.HTML, train: TrainTab, tabs: gr.Tabs) -> None:
    """Where no model translates: fill the form of the Train tab with pix2pix, and show it."""

    def prepare() -> list:
        return [gr.Tabs(selected="train"), "pix2pix", *fill_preset("pix2pix")]

    outputs = [tabs, train.preset, *train.form]
    translate.train(spoken(prepare), None, outputs, show_progress="hidden", api_visibility="private")
