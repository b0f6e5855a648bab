"""Draw from a saved model: `python -m training.sample MODEL --count 64 --seed 0 --out sheet.png`.

With `--out FOLDER/` every picture is written by itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from playground.errors import PlaygroundError, UsageError


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    result = argparse.ArgumentParser(prog="python -m training.sample", description="Draw pictures from a saved model.")
    result.add_argument("model", help="a model folder, a run folder, an exported zip, or the name of a shipped model")
    result.add_argument("--count", type=int, default=64, help="how many (default: 64)")
    result.add_argument("--seed", type=int, default=0, help="the same seed gives the same pictures (default: 0)")
    result.add_argument("--label", help="a class, by name or number (default: all in turn)")
    result.add_argument("--truncation", type=float, help="smaller is safer and more alike (default: off)")
    result.add_argument("--columns", type=int, help="columns of the sheet (default: about as many as rows)")
    result.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    result.add_argument(
        "--out", default="samples.png", help="a .png sheet, or a folder for single pictures (default: samples.png)"
    )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    flags = parser().parse_args(arguments)
    try:
        _sample(flags)
    except PlaygroundError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _sample(flags: argparse.Namespace) -> None:
    from PIL import Image

    import playground as pg
    from playground.data.base import to_uint8
    from playground.data.points import paint
    from playground.devices import resolve_device
    from playground.export import grid
    from playground.runs import atomic_target, disk_errors

    out = Path(flags.out)
    if out.suffix and out.suffix.lower() != ".png":
        raise UsageError(f"--out is a .png file or a folder, not '{out.name}'.")
    model = pg.load_model(flags.model, resolve_device(flags.device))
    label = (
        int(flags.label)
        if flags.label and flags.label.isdigit() and flags.label not in model.info.classes
        else flags.label
    )
    drawn = model.sample(flags.count, seed=flags.seed, labels=label, truncation=flags.truncation)
    world = model.info.world  # points make one picture together
    pictures = to_uint8(drawn) if world is None else paint(drawn.flatten(1).numpy(), world)[None]
    if out.suffix:
        with disk_errors(out.parent):
            out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_target(out) as part:
            Image.fromarray(grid(pictures, columns=flags.columns)).save(part, "PNG")
        print(f"{len(pictures)} pictures in {out}")
        return
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(out / f"{flags.seed}-{i:05d}.png")
    print(f"{len(pictures)} pictures in {out}/")


if __name__ == "__main__":
    sys.exit(main())
