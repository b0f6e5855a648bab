"""Seconds from the start of the process to the first page, beyond those of an empty gradio app started the same way."""

from __future__ import annotations

import statistics
import tempfile

from training.bench.common import Options, Rounds, Row, in_turns
from training.bench.serving import Server, app_arguments, free_port

TARGET = 2.0
EMPTY = """
import sys
import gradio as gr
with gr.Blocks() as demo:
    gr.Markdown("# An empty app")
demo.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), ssr_mode=False, quiet=True)
"""


def run(options: Options) -> list[Row]:
    """Fresh processes of both in turns; the first start of each, which fills caches, is not counted."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:

        def app() -> float:
            port = free_port()
            with Server(app_arguments(port, folder), port) as server:
                return server.first_page()

        def empty() -> float:
            port = free_port()
            with Server(["-c", EMPTY, str(port)], port) as server:
                return server.first_page()

        variants = {"the app": app, "an empty app": empty}
        if not options.quick:
            in_turns(variants, 1)
        seconds = in_turns(variants, 1 if options.quick else 5)
    differences = [a - b for a, b in zip(seconds["the app"], seconds["an empty app"], strict=True)]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    note = ", ".join(f"{name} {value:.2f} s" for name, value in medians.items())
    return [
        Row(
            "first-page", "first page after an empty app's", unit="s", target=TARGET, at_most=True,
            note=f"From the start of the process: {note}.", details={"seconds": seconds},
            **Rounds.of(differences)._asdict(),
        )
    ]  # fmt: skip
