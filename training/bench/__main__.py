"""Run benchmarks, print one table, write one JSON file."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playground.devices import resolve_device
from playground.errors import PlaygroundError, UsageError
from training.bench import BENCHMARKS, find_benchmark
from training.bench.common import ARCHIVES, DIGITS, Options, Row, machine, not_run, table, write_json


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    names = "\n".join(f"  {b.name:<12} {b.help}" for b in BENCHMARKS.values())
    result = argparse.ArgumentParser(
        prog="python -m training.bench",
        description=f"Measure the playground.\n\nbenchmarks:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    standard = ", ".join(b.name for b in BENCHMARKS.values() if b.standard)

    def flag(name: str, text: str, **more: Any) -> None:
        result.add_argument(name, help=text, **more)

    flag("names", f"which to run (default: {standard})", nargs="*", metavar="NAME")
    flag("--json", "where the figures go (default: bench.json)", default="bench.json", metavar="FILE")
    flag("--data", "a zip of digits, or the folder of the example archives (default: ../shared/data)", metavar="PATH")
    flag("--device", "auto, cpu, cuda or cuda:N; auto measures throughput on both (default: auto)", default="auto")
    flag("--threads", "CPU threads of live-view, digits and presets (default: torch's choice; digits: 2)", metavar="N")
    flag("--seconds", "training time of digits (180), of each of presets (120) and of collapse (60)", metavar="N")
    flag("--seeds", "how often collapse runs each preset (default: 3), and translation learns facades (1)", metavar="N")
    flag("--only", "what to cut down to: presets and sets of collapse, parts of translation (a,b)", metavar="NAMES")
    flag("--out", "where sample sheets go (default: runs/bench)", default="runs/bench", metavar="DIR")
    flag("--quick", "short rounds: to see that it works, not to quote", action="store_true")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 all run (whatever the verdicts), 1 some could not, 2 wrong usage."""
    flags = parser().parse_args(arguments)
    try:
        return _run(flags)
    except PlaygroundError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def options_of(flags: argparse.Namespace) -> Options:
    """The checked options; raises UsageError."""
    data = Path(flags.data).expanduser() if flags.data else ARCHIVES
    if flags.data and not data.exists():
        raise UsageError(f"There is no zip or folder '{flags.data}': check the path given with --data.")
    archives, digits = (data, data / DIGITS) if data.is_dir() else (ARCHIVES, data)
    seconds = None if flags.seconds is None else _number("--seconds", flags.seconds, 1, 86400)
    threads = 0 if flags.threads is None else _number("--threads", flags.threads, 1, 1024)
    if threads != round(threads):
        raise UsageError(f"--threads must be a whole number, not {flags.threads}.")
    seeds = 0 if flags.seeds is None else _number("--seeds", flags.seeds, 1, 1000)
    if seeds != round(seeds):
        raise UsageError(f"--seeds must be a whole number, not {flags.seeds}.")
    only = tuple(name.strip() for name in (flags.only or "").split(",") if name.strip())
    resolve_device(flags.device)
    return Options(
        data=digits if digits.is_file() else None, archives=archives, device=flags.device, threads=round(threads),
        seconds=seconds, seeds=round(seeds), only=only, quick=flags.quick, out=Path(flags.out),
        say=lambda text: print(f"… {text}", file=sys.stderr, flush=True),
    )  # fmt: skip


def _number(flag: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UsageError(f"{flag} must be a number from {low:,} to {high:,}, not {text}.")
    return value


def _run(flags: argparse.Namespace) -> int:
    chosen = [find_benchmark(name) for name in dict.fromkeys(flags.names)]
    chosen = chosen or [b for b in BENCHMARKS.values() if b.standard]
    options = options_of(flags)
    facts, rows, failed = machine(), [], False
    target = Path(flags.json)
    for benchmark in chosen:
        options.say(f"{benchmark.name}: {benchmark.help}")
        try:
            found: list[Row] = benchmark.load()(options)
        except PlaygroundError as error:
            found = [not_run(benchmark.name, str(error))]
        rows += found
        failed |= any(row.measured is None for row in found)
        # after each, so that an interrupted run keeps what it has
        data = options.data.name if options.data else None
        write_json(target, rows, facts, quick=flags.quick, seconds=options.seconds, threads=options.threads, data=data)
    print(table(rows))
    print(f"\nWritten to {target}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
