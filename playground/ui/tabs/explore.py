"""The Explore tab: a large picture, and everything that changes it; drawn by `static/explore*.js` from recipes."""

from __future__ import annotations

import gradio as gr

from playground.ui.context import plain_html
from playground.ui.tabs.train import mount_script

_PAGE = """
<p class="pgx-first"><b>Try first:</b> click a picture in the gallery, drag a slider under “Change something”,
then press Play.</p>
<div class="pg-explore" aria-label="Explore a model"></div>
"""


def build() -> gr.HTML:
    """Lay out the tab; all of it talks to the routes of `explore_routes`."""
    return plain_html(_PAGE, js_on_load=mount_script("Explore"), elem_classes="pgx")
