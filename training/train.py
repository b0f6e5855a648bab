"""Headless training from the command line: `python -m training.train --preset dcgan --data faces --out runs/a`.

Any setting of a preset is a flag. Under `torchrun` the same command trains data-parallel. Ctrl-C and SIGTERM end it
with a checkpoint; `--resume` goes on from there.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from playground.errors import PlaygroundError, UsageError
from playground.knobs import add_flags, from_flags


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without sixty lines of usage before it."""

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--?[\w-]+)", message)
        if unknown:
            near = difflib.get_close_matches(unknown[1], self._option_string_actions, n=1)
            message = f"there is no flag {unknown[1]}. {f'Did you mean {near[0]}?' if near else 'See --help for all.'}"
        self.exit(2, f"error: {message[0].upper()}{message[1:]}\n")


def parser() -> argparse.ArgumentParser:
    """The command's flags: its own, and one for each knob."""
    result = Parser(prog="python -m training.train", description="Train a GAN and save the model.", allow_abbrev=False)
    result.add_argument("--preset", help="which system; see --list (default: dcgan, or that of the run resumed)")
    result.add_argument(
        "--data",
        help="a data set's name, or a folder or zip of pictures (default: faces, or that of the run resumed)",
    )
    result.add_argument("--out", help="the run folder (default: a new one under runs/)")
    result.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    result.add_argument("--data-dir", help="where downloads are kept (default: ~/.cache/gan-playground)")
    result.add_argument("--resume", action="store_true", help="go on with the run in --out from its newest checkpoint")
    result.add_argument(
        "--from", dest="from_model", metavar="MODEL", help="fine-tune: begin with a saved model's weights"
    )
    result.add_argument("--name", default="", help="a display name for the run")
    result.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own choice)")
    result.add_argument("--list", action="store_true", help="list presets, data sets and models, and leave")
    add_flags(result)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    flags = parser().parse_args(arguments)
    try:
        if flags.list:
            _list()
            return 0
        return _train(flags)
    except PlaygroundError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _list() -> None:
    import playground as pg

    print("Presets")
    for preset in pg.list_presets():
        print(f"  {preset['name']:<20} {preset['reference']}")
    print("Data sets")
    for data in pg.list_datasets():
        print(f"  {data['name']:<20} {data['help']}")
    print("Models")
    for model in pg.list_models() or ["(none shipped)"]:
        print(f"  {model}")


def _train(flags: argparse.Namespace) -> int:
    from playground.data.registry import check_data
    from playground.methods import find_method
    from playground.runs import read_config

    earlier = read_config(flags.out) if flags.resume and flags.out else {}
    preset = flags.preset or earlier.get("preset", "dcgan")
    data = flags.data if flags.data is not None else earlier.get("data", "faces")
    find_method(preset)  # before torch loads: a typing error is answered at once
    check_data(data)
    knobs = from_flags(flags)
    if flags.threads < 0:
        raise UsageError(f"--threads must be 0 or more, not {flags.threads}.")

    import torch

    import playground as pg
    from playground import distributed
    from playground.devices import resolve_device

    if flags.threads:
        torch.set_num_threads(flags.threads)
    device = resolve_device(flags.device)
    distributed.start(device.partition(":")[0])
    if device == "cuda" and distributed.active():
        device = resolve_device(f"cuda:{distributed.local_rank()}")
    first = distributed.rank() == 0
    shown = Progress()
    try:
        with stopping() as asked:
            run = pg.train(
                preset,
                data,
                out=flags.out,
                device=device,
                data_dir=flags.data_dir,
                resume=flags.resume,
                from_model=flags.from_model,
                name=flags.name,
                stop=asked,
                on_start=shown.start,
                on_step=(shown,),
                progress=shown.reading,
                **knobs,
            )
    finally:
        distributed.stop()
    if first:
        shown.end(run)
    return 0


@contextlib.contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """In this block Ctrl-C and SIGTERM only make the yielded question answer True; a second one ends it at once."""
    asked = threading.Event()

    def stop(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SHOWN = ("loss_d", "loss_g", "loss_c", "accuracy", "attribute_accuracy", "attribute_error")


class Progress:
    """Prints a line now and then."""

    def __init__(self) -> None:
        self.recorder = None
        self.next_at = 0.0

    def reading(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\rreading pictures {done:,} of {total:,}", end="\n" if done >= total else "", file=sys.stderr)

    def start(self, trainer, recorder) -> None:  # type: ignore[no-untyped-def]
        self.recorder = recorder
        info, steps = trainer.store.info, trainer.settings.steps
        print(
            f"training {trainer.preset} on {info.name}: {info.count:,} pictures of {info.size} × {info.size}, "
            f"to step {steps:,}"
        )
        for note in info.notes:
            print(f"  {note}")
        print(f"run folder: {recorder.folder}", flush=True)

    def __call__(self, trainer) -> None:  # type: ignore[no-untyped-def]
        now = time.monotonic()
        if self.recorder is None or now < self.next_at:
            return
        self.next_at = now + 5.0
        _, columns = self.recorder.history.since(max(0, self.recorder.history.total - 1))
        losses = "  ".join(
            f"{name} {columns[name][-1]:.3f}" for name in _SHOWN if name in columns and len(columns[name])
        )
        rate = self.recorder.steps_per_second
        pace = ""
        if rate:  # unknown after the first step
            left = (trainer.settings.steps - trainer.step_count) / rate
            pace = f"  {rate:.1f} steps/s  {left:,.0f} s left"
        print(f"step {trainer.step_count:>7,}  {losses}{pace}", flush=True)

    def end(self, run) -> None:  # type: ignore[no-untyped-def]
        print(f"{run.state} at step {run.step:,}; the model is in {run.folder / 'model'}")
        if run.state == "stopped":
            print(f"go on with: python -m training.train --resume --out {run.folder}")


if __name__ == "__main__":
    sys.exit(main())
