"""The Sketch tab: a drawing becomes a picture while it is drawn (Isola et al. 2016, section 4); `static/sketch.js`."""

from __future__ import annotations

import gradio as gr

from playground.ui.context import plain_html, spoken
from playground.ui.tabs.train import TrainTab, fill_preset, mount_script

_HEAD = """
<header class='pg-page-head pg-wide'><h2>Sketch</h2>
<p>A translator turns drawings into pictures while you draw.
<b>Try first:</b> rub a part out with the eraser, draw another, and watch the picture follow.</p></header>
"""
_PRESET = "pix2pix"  # of pictures without drawings it learns from their edges


def build() -> gr.HTML:
    """Lay out the tab; all of it is drawn by `static/sketch.js`."""
    plain_html(_HEAD)
    return plain_html("<div class='pg-draw'></div>", js_on_load=mount_script("Sketch", "train"))


def wire(sketch: gr.HTML, train: TrainTab, tabs: gr.Tabs) -> None:
    """Where there is no translator: fill the form of the Train tab with one, and show it."""

    def prepare() -> list:
        return [gr.Tabs(selected="train"), _PRESET, *fill_preset(_PRESET)]

    outputs = [tabs, train.preset, *train.form]
    sketch.train(spoken(prepare), None, outputs, show_progress="hidden", api_visibility="private")
