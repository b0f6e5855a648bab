"""The Lab tab: small worlds in which the game between the two networks can be seen; `static/labs.js` and its views."""

from __future__ import annotations

import gradio as gr

from playground.ui.context import plain_html
from playground.ui.tabs.train import mount_script


def build() -> gr.HTML:
    """Lay out the tab; all of it is drawn by `static/labs.js` and the views that register with it."""
    return plain_html("<div class='pg-labs'></div>", js_on_load=mount_script("Lab"))
