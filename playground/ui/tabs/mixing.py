"""The Mix tab: style mixing (Karras et al. 2018, section 3.1), in a grid or with two pictures; `static/mixing.js`."""

from __future__ import annotations

import gradio as gr

from playground.ui.context import plain_html, spoken
from playground.ui.tabs.train import TrainTab, fill_preset, mount_script

_HEAD = """
<header class='pg-page-head pg-wide'><h2>Style mixing</h2>
<p>A style-based generator draws in layers, coarse to fine, and each layer may take its style from another picture.
<b>Try first:</b> press Coarse, then Fine, and watch what the faces in the grid give each other.</p></header>
"""


def build() -> gr.HTML:
    """Lay out the tab; all of it is drawn by `static/mixing.js`."""
    plain_html(_HEAD)
    return plain_html("<div class='pg-mix'></div>", js_on_load=mount_script("Mix", "train"))


def wire(mix: gr.HTML, train: TrainTab, tabs: gr.Tabs) -> None:
    """Where no model can be mixed: fill the form of the Train tab with the style-based preset, and show it."""

    def prepare() -> list:
        return [gr.Tabs(selected="train"), "stylegan", *fill_preset("stylegan")]

    outputs = [tabs, train.preset, *train.form]
    mix.train(spoken(prepare), None, outputs, show_progress="hidden", api_visibility="private")
