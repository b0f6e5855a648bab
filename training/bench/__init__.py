"""The project's own benchmarks: `python -m training.bench [NAME ...]`.

Every timing is a ratio of two things measured in turns within one run, since machines differ and are shared; a row
gives the median over the rounds and the lowest and highest round beside it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from playground.errors import unknown
from training.bench.common import Options, Row


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: `module` holds `run(options) -> list[Row]`; `standard` ones run when none is named."""

    name: str
    help: str
    module: str
    standard: bool = True

    def load(self) -> Callable[[Options], list[Row]]:
        """Its `run`."""
        return importlib.import_module(f"training.bench.{self.module}").run


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("throughput", "training steps a second against a textbook loop on the same networks", "throughput"),
        Benchmark("live-view", "what live curves and the sample grid cost a training", "live_view"),
        Benchmark("first-page", "time from start to first page against an empty gradio app", "first_page"),
        Benchmark("memory", "memory that 60,000 small pictures take", "memory"),
        Benchmark("digits", "how recognisable digits are after a few minutes on two CPU cores", "digits"),
        Benchmark("explore", "how long a slider of the Explore tab waits for its picture", "explore"),
        Benchmark("sketch", "how long a stroke of the Sketch tab waits for its picture", "sketch"),
        Benchmark("lab", "how often a second the Lab tab is drawn anew while it trains", "lab"),
        Benchmark("translate", "how long a large picture takes through a translator, and how much memory", "translate"),
        Benchmark("quality", "what the shipped models are worth: digits, steering, paths, inversion", "quality"),
        Benchmark("translation", "what translators are worth: facades, emoji, segmentation, upscaling", "translation"),
        Benchmark("collapse", "modes that every preset finds: points, digits (long, resumable)", "collapse", False),
        Benchmark("presets", "every preset on digits, scored alike (long, resumable)", "presets", standard=False),
    )
}


def find_benchmark(name: str) -> Benchmark:
    """The benchmark called `name`; raises UsageError with the nearest name."""
    if name not in BENCHMARKS:
        raise unknown("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
