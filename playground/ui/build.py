"""The app as a whole: tabs, routes, cookies and the server."""

from __future__ import annotations

import contextlib
import importlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI

from playground.runs import list_runs
from playground.session import SessionManager
from playground.ui import api, routes
from playground.ui.context import House, plain_html
from playground.ui.owners import OwnerCookie
from playground.ui.pictures import Uploads, built_in_preview
from playground.ui.tabs import explore, home, labs, mixing, presets, runs, sketch, train, translate
from playground.ui.theme import theme

TITLE = "GAN playground"
MAX_UPLOAD = "2gb"
_HEADER = f"""
<div class="pg-header">
  <a class="pg-brand" href="#home" data-open-tab="home" aria-label="{TITLE}: home">
    <img src="ui/{routes.ICON}" alt="" width="26" height="26"><strong>{TITLE}</strong>
  </a>
  <button type="button" class="pg-pill" hidden><span></span></button>
</div>
"""


def head_html() -> str:
    """What goes into the page's head: icon, style sheet, script, and the facts about knobs."""
    icon, style, script = map(routes.static_url, (routes.ICON, routes.STYLE, routes.SCRIPT))
    return (
        f'<link rel="icon" href="{icon}"><link rel="stylesheet" href="{style}">'
        f'<script>{train.knob_facts()}</script><script src="{script}"></script>'
    )


def sign_in_html() -> str:
    """The words on the sign-in page, which has none of the head: they bring the style sheet along."""
    return (
        f'<link rel="stylesheet" href="{routes.static_url(routes.STYLE)}"><div class="pg-sign-in">'
        f'<img src="{routes.static_url(routes.ICON)}" alt="" width="34" height="34"><h1>{TITLE}</h1>'
        "<p>Sign in to train and to see your runs.</p></div>"
    )


def build_blocks(house: House) -> gr.Blocks:
    """The tabs and their events. Imports no torch."""
    with gr.Blocks(title=TITLE, delete_cache=(60, 600), fill_width=True, analytics_enabled=False) as demo:
        plain_html(_HEADER, js_on_load=train.mount_script("Pill"))
        with gr.Tabs(elem_classes="pg-tabs", selected="home", overflow_behavior="wrap") as tabs:
            with gr.Tab("Home", id="home"):
                home.build()
            with gr.Tab("Explore", id="explore"):
                explore.build()
            with gr.Tab("Mix", id="mix"):
                mix_html = mixing.build()
            with gr.Tab("Sketch", id="sketch"):
                sketch_html = sketch.build()
            with gr.Tab("Translate", id="translate"):
                translate_html = translate.build()
            with gr.Tab("Lab", id="lab"):
                labs.build()
            with gr.Tab("Train", id="train") as shown:
                train_tab = train.build(house, shown)
            with gr.Tab("Runs", id="runs"):
                runs_html = runs.build(house)
            with gr.Tab("Guide", id="guide") as guide:
                presets.build(train_tab, tabs, guide)
        mixing.wire(mix_html, train_tab, tabs)
        sketch.wire(sketch_html, train_tab, tabs)
        translate.wire(translate_html, train_tab, tabs)
        runs.wire(house, runs_html, train_tab, tabs)
        api.add_api(house)

        def load(request: gr.Request) -> list:
            return train.restore(house, house.owner(request))

        outputs = [train_tab.start_from, train_tab.data, train_tab.preview, train_tab.preset, *train_tab.form]
        demo.load(load, None, outputs, show_progress="hidden", api_visibility="private")
    demo.queue(default_concurrency_limit=2, max_size=40)
    return demo


def build_app(manager: SessionManager, data_dir: Path, auth: Sequence[tuple[str, str]] | None = None) -> FastAPI:
    """The whole app, ready for a server. `auth`: (user, password) pairs; None lets everybody in."""
    house = House(manager, Uploads(data_dir / "uploads"), signed_in=bool(auth))
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = house
    app.add_middleware(OwnerCookie)
    routes.add_routes(app, house)
    demo = build_blocks(house)
    mounted = gr.mount_gradio_app(
        app, demo, path="/", run_history=False, ssr_mode=False, show_error=True, auth=list(auth) if auth else None,
        auth_message=sign_in_html(), max_file_size=MAX_UPLOAD, theme=theme(), head=head_html(), footer_links=["api"],
    )  # fmt: skip
    demo._queue.sleep_when_free = 0.005  # the queue otherwise wakes each millisecond
    return mounted


def serve(app: FastAPI, manager: SessionManager, host: str, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM; every training is then checkpointed before this returns."""

    def ended(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, ended)  # uvicorn hands the signal on when it has closed its sockets
    sys.setswitchinterval(5e-4)  # a training thread otherwise makes every click wait
    threading.Thread(target=_warm_up, args=(app.state.house,), name="warm-up", daemon=True).start()
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=1, access_log=False
    )
    shown = "localhost" if host in ("0.0.0.0", "::") else host
    print(f"The playground is at http://{shown}:{port} (Ctrl-C ends it; trainings are saved).", flush=True)
    try:
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            uvicorn.Server(config).run()
    finally:
        active = [session.key for session in manager.sessions() if session.active]
        app.state.house.studio.close()
        app.state.house.labs.close()
        manager.close()
        if active:
            plural = "s" if len(active) > 1 else ""
            print(f"Saved {len(active)} training{plural}: {', '.join(active)}. Resume from the Runs tab.", flush=True)


def _warm_up(house: House) -> None:
    """Load torch while the first visitor reads the first page, and tidy old uploads."""
    time.sleep(2.0)  # not while the first page is being sent
    try:
        importlib.import_module("playground.trainer")
        built_in_preview("faces", 64, 24, 12)
        in_use = [run.data for run in list_runs(house.manager.runs_dir)]
        house.uploads.forget_old(in_use)
        house.studio.warm()
    except Exception:
        logging.getLogger("playground").exception("Warming up failed; the app goes on")
