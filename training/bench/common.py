"""What the benchmarks share: their options, the rows they return, measuring in turns, the table and the JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import statistics
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from playground.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
ARCHIVES = ROOT.parent / "shared" / "data"
DIGITS = "mnist10k.zip"  # of the archives
NOT_RUN = "not run"


@dataclass(frozen=True)
class Options:
    """How to run.

    `data` is a zip of digits in class folders, or None where there is none; `archives` is the folder of the example
    archives (facades.zip, emoji-noto.zip, ...), packed or unpacked; `device` is "auto", "cpu", "cuda" or
    "cuda:N"; `threads` are the CPU threads of what trains for long (0: its own choice); `seconds` is the training time
    of `digits`, `presets`, `collapse` and `translation` (None: their own); `seeds` is how many `collapse`, and the
    facades of `translation`, run each with (0: their own number) and `only` the presets and sets it, or the parts
    `translation`, is cut down to (empty: all); `quick` asks for short rounds, which check that all works and measure
    badly; `out` takes sample sheets and other files.
    """

    data: Path | None = None
    archives: Path = ARCHIVES
    device: str = "auto"
    threads: int = 0
    seconds: float | None = None
    seeds: int = 0
    only: tuple[str, ...] = ()
    quick: bool = False
    out: Path = Path("runs/bench")
    say: Callable[[str], None] = lambda text: None

    def digits(self) -> Path:
        """The zip of digits; raises DataError where there is none."""
        if self.data is None:
            raise DataError("This needs a zip of digits in ten class folders: name one with --data.")
        return self.data


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `measured` in `unit` (None: could not be measured, the note says why); `spread` the lowest and highest round;
    `uncertainty` how far the median may be off; `target` None where the figure is only stated; `at_most` says whether
    the target is a ceiling or a floor.
    """

    benchmark: str
    name: str
    measured: float | None
    unit: str = ""
    target: float | None = None
    at_most: bool = False
    spread: tuple[float, float] | None = None
    uncertainty: float | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """ "reached" or "short" of the target, "unclear" too near to it to tell, "stated" without one, "not run"."""
        if self.measured is None:
            return NOT_RUN
        if self.target is None:
            return "stated"
        if self.uncertainty is not None and abs(self.measured - self.target) < self.uncertainty:
            return "unclear"
        reached = self.measured <= self.target if self.at_most else self.measured >= self.target
        return "reached" if reached else "short"

    def cells(self) -> tuple[str, str, str, str, str]:
        """(name, measured, target, verdict, note) in words."""
        measured = "-" if self.measured is None else _number(self.measured, self.unit)
        if self.uncertainty is not None:
            measured += f" ± {_number(self.uncertainty)}"
        if self.spread is not None:
            measured += f" ({_number(self.spread[0])} to {_number(self.spread[1])})"
        target = "-" if self.target is None else f"{'≤' if self.at_most else '≥'} {_number(self.target, self.unit)}"
        return self.name, measured, target, self.verdict, self.note


def not_run(benchmark: str, reason: str) -> Row:
    """The row of a benchmark that could not be run."""
    return Row(benchmark, benchmark, None, note=reason)


def _number(value: float, unit: str = "") -> str:
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return f"{text} {unit}" if unit and unit not in "×%" else f"{text}{unit}"


# --- measuring


def in_turns(variants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure every variant once a round; every second round goes backwards, so that a drift favours none."""
    results: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants)
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(variants[name]())
    return results


class Rounds(NamedTuple):
    """What several rounds amount to. `uncertainty` is the half-width of the 95 % interval of the median after McGill,
    Tukey & Larsen 1978 (The American Statistician 32, 12-16): 1.57 × interquartile range / √rounds."""

    measured: float
    spread: tuple[float, float]
    uncertainty: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Rounds:
        """Median, extremes and uncertainty of one value a round."""
        lower, _, upper = statistics.quantiles(values, method="inclusive") if len(values) > 1 else (values[0],) * 3
        width = 1.57 * (upper - lower) / math.sqrt(len(values))
        return cls(statistics.median(values), (min(values), max(values)), width)


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """over/under, round by round."""
    return [a / b for a, b in zip(over, under, strict=True)]


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute with `count` CPU threads meanwhile; 0 leaves its own choice."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def unpack(archive: Path, folder: Path) -> Path:
    """The pictures of a zip as files below `folder`, for a loader that knows no zips; returns the classes' parent."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)  # zipfile itself keeps members inside the folder
    place = folder
    while True:
        inside = [p for p in place.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))]
        if len(inside) != 1:
            return place
        place = inside[0]


# --- telling


HEADINGS = ("name", "measured", "target", "verdict", "note")


def table(rows: Iterable[Row], width: int | None = None) -> str:
    """All rows as text, the notes folded to fit `width` (default: the terminal's, at least 100)."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(4)]
    room = max(30, (width or max(100, shutil.get_terminal_size((140, 40)).columns)) - sum(widths) - 8)
    lines = []
    for number, line in enumerate(cells):
        notes = textwrap.wrap(line[4], room) or [""]
        for i, note in enumerate(notes):
            left = "  ".join((cell if i == 0 else "").ljust(w) for cell, w in zip(line[:4], widths, strict=True))
            lines.append(f"{left}  {note}".rstrip())
        if number == 0:
            lines.append("  ".join("-" * w for w in [*widths, min(room, 40)]))
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return ""

    facts = {
        "system": platform.platform(), "processor": _processor(), "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(), "python": sys.version.split()[0],
        **{name: installed(name) for name in ("torch", "torchvision", "gradio")},
    }  # fmt: skip
    if hasattr(os, "getloadavg"):
        facts["load_average"] = [round(x, 2) for x in os.getloadavg()]
    if torch.cuda.is_available():
        facts["cuda"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def write_json(path: Path, rows: Iterable[Row], facts: Mapping[str, Any], **settings: Any) -> None:
    """Write {"format", "when", "machine", "settings", "rows": [...]}; a row has the fields of `Row` and its verdict."""
    document = {
        "format": 1,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(facts),
        "settings": settings,
        "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def latencies(
    benchmark: str, name: str, times: Sequence[float], targets: Sequence[tuple[float, float | None]]
) -> list[Row]:
    """A row for each (percentile, target in ms) of times in ms; p50 and p95 without targets."""
    rows = []
    for percentile, target in targets or ((50.0, None), (95.0, None)):
        value = statistics.quantiles(times, n=100, method="inclusive")[round(percentile) - 1]
        note = f"{len(times)} times, {min(times):.1f} to {max(times):.0f} ms"
        rows.append(Row(benchmark, f"{name}, p{percentile:.0f}", value, "ms", target, at_most=True, note=note))
    return rows
