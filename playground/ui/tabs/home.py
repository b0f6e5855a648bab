"""The first page: living samples, what this is, and the ways in."""

from __future__ import annotations

import gradio as gr

from playground.data.registry import DATASETS
from playground.methods import METHODS
from playground.ui.context import plain_html
from playground.ui.tabs.train import mount_script

_PAGE = """
<div class="pg-home">
  <div class="pg-hero">
    <div class="pg-hero-words">
      <p class="pg-kicker">Generative adversarial networks, hands on</p>
      <h1>Two networks, one&nbsp;game.<br>Watch them learn to&nbsp;draw.</h1>
      <p class="pg-lead">A generator invents pictures, a discriminator tells them from real ones, and each makes the
      other better: explore what such networks have learned, mix it, and train your own, right here.</p>
    </div>
    <div class="pg-living">
      <div class="pg-mosaic" role="group" aria-label="Faces that a network draws"></div>
      <div class="pg-mosaic-foot"><p class="pg-fine pg-mosaic-note"></p></div>
    </div>
  </div>
  <div class="pg-ways">
    <a class="pg-way" href="#explore" data-open-tab="explore">
      <div class="pg-art pg-art-explore" aria-hidden="true">
        <div class="pg-art-row"><canvas></canvas><canvas class="big"></canvas><canvas></canvas></div>
        <div class="pg-art-track"><i></i></div>
      </div>
      <h2>Explore</h2>
      <p>Walk through the space of all faces: slide between two, add a smile or glasses, bring a picture of yours.</p>
      <span>Open Explore</span>
    </a>
    <a class="pg-way" href="#sketch" data-open-tab="sketch">
      <div class="pg-art pg-art-draw" aria-hidden="true">
        <div class="pg-art-row"><canvas></canvas><b>→</b><canvas></canvas></div>
      </div>
      <h2>Draw</h2>
      <p>Draw a few lines, or paint what is where, and watch a network turn them into a face at every stroke.</p>
      <span>Open Sketch</span>
    </a>
    <a class="pg-way" href="#train" data-open-tab="train">
      <div class="pg-art pg-art-train" aria-hidden="true">
        <div class="pg-art-row"><i></i><i></i><i></i><i></i><i></i></div>
        <div class="pg-art-progress"><i></i></div>
      </div>
      <h2>Train on your pictures</h2>
      <p>Drop a zip, press Start, and watch samples and losses stream in. Pause, step and change settings as you go.</p>
      <span>Open Train</span>
    </a>
  </div>
  <div class="pg-home-foot">
    <p><a href="#guide" data-open-tab="guide">Read the guide</a>: %d methods from the 2014 original to today's baseline,
    with their formulas and networks. <a href="#mix" data-open-tab="mix">Mix styles</a>: the shape of one face and the
    colours of another, layer by layer. <a href="#runs" data-open-tab="runs">Compare your runs</a>: every training is
    kept, to resume, fine-tune or take away.</p>
    <p class="pg-fine">%d data sets are at hand, some of them drawn by code. Nothing you upload leaves this server.</p>
  </div>
</div>
"""


def build() -> gr.HTML:
    """Lay out the page; `static/home.js` brings the samples to life."""
    return plain_html(_PAGE % (len(METHODS), len(DATASETS)), js_on_load=mount_script("Home"))
