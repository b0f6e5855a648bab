"""The first page: what this is, and the ways in."""

from __future__ import annotations

import gradio as gr

from playground.data.registry import DATASETS
from playground.methods import METHODS
from playground.ui.context import plain_html

_PAGE = """
<div class="pg-home">
  <div class="pg-hero">
    <p class="pg-kicker">Generative adversarial networks</p>
    <h1>Two networks, one game.<br>Watch them learn to draw.</h1>
    <p class="pg-lead">A generator invents pictures, a discriminator tells them from real ones, and each makes the
    other better. Train one here in your browser, on pictures of your own, and steer it while it learns.</p>
  </div>
  <img class="pg-strip" src="data/faces/preview.jpg?size=64&amp;shape=strip" width="1152" height="192"
    alt="Cartoon portraits, drawn by code">
  <div class="pg-ways">
    <a class="pg-way primary" href="#train" data-open-tab="train">
      <h2>Train on your pictures</h2>
      <p>Drop a zip, press Start. Losses, scores and samples stream in; pause, step and change settings as you go.</p>
      <span>Open the Train tab</span>
    </a>
    <a class="pg-way" href="#guide" data-open-tab="guide">
      <h2>Read the guide</h2>
      <p>%d methods from the 2014 original to today's baseline: the formula, the networks, and what to look for.</p>
      <span>Open the guide</span>
    </a>
    <a class="pg-way" href="#runs" data-open-tab="runs">
      <h2>Compare your runs</h2>
      <p>Every training is kept: overlay the curves, resume, fine-tune, or take away a time-lapse and the model.</p>
      <span>Open the list</span>
    </a>
  </div>
  <p class="pg-fine">%d data sets are at hand, two of them drawn by code. Nothing you upload leaves this server.</p>
</div>
"""


def build() -> gr.HTML:
    """Lay out the page."""
    return plain_html(_PAGE % (len(METHODS), len(DATASETS)))
