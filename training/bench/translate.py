"""A picture of 1024 × 1024 pixels through a translator, by tiles: seconds, memory, and whether the seams show.

Each is measured in a fresh process. How long a network takes does not depend on what it has learned: where no
translator is shipped, untrained ones of the presets stand in.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from playground.errors import TrainingError
from playground.model import list_shipped
from training.bench.common import ROOT, Options, Row
from training.bench.memory import forget_peak, peak, resident

if TYPE_CHECKING:
    from torch import Tensor

    from playground.model import Model

SIDE = 1024
SECONDS, MEMORY = 20.0, 1500.0
PRESETS = ("pix2pix", "cyclegan")  # where none is shipped
MOST = 3  # shipped ones
BANDS = 8


def run(options: Options) -> list[Row]:
    """Seconds, peak memory of the process and visibility of seams for up to three shipped translators."""
    shipped = list_shipped("translator")[:MOST]
    side = SIDE // 2 if options.quick else SIDE
    rows = []
    for name in shipped or PRESETS:
        options.say(f"translate: {name}")
        facts = _measured(name, side, options.threads or 2)
        what = name if shipped else f"{name}, untrained"
        work = f"{facts['threads']:.0f} threads, {facts['cpu']:.1f} s of processor time"
        note = f"{side} × {side} pixels in {facts['tiles']:.0f} tiles, {work}"
        more = f"{facts['peak'] - facts['before']:.0f} MB above the {facts['before']:.0f} MB before"
        seam = "Change from column to column where tiles meet, over that elsewhere; 1 is no seam"
        rows += [
            Row("translate", f"{what}: time", facts["seconds"], "s", SECONDS, at_most=True, note=note, details=facts),
            Row("translate", f"{what}: memory", facts["peak"], "MB", MEMORY, at_most=True, note=more),
            Row("translate", f"{what}: seams", facts["seam"], "×", note=seam),
        ]
    return rows


def _measured(name: str, side: int, threads: int) -> dict[str, float]:
    command = [sys.executable, "-m", "training.bench.translate", name, str(side), str(threads)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TrainingError(f"The process that translates failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


# --- inside the process that translates


def _untrained(preset: str) -> Model:
    from playground.data.registry import open_data
    from playground.families import family_class, initialising
    from playground.methods import METHODS, method_settings
    from playground.model import Model

    settings = method_settings(preset, {"size": 128})
    info = open_data("faces-edges" if METHODS[preset].sides == "paired" else "faces-styles", size=128).info
    with initialising():
        return Model(preset, settings, info, family_class(METHODS[preset].family).sampling_networks(settings, info), {})


def _picture(model: Model, side: int) -> Tensor:
    """Bands of portraits as the model's input shows them, [1, C, side, side]; each is shifted along at random, so that
    no column has more borders than another by itself."""
    import torch
    from torch.nn.functional import interpolate

    from playground.translate import example

    band = side // BANDS
    drawn = [interpolate(example(model, "AB", number), (band, band), mode="nearest") for number in range(BANDS)]
    shifts = torch.randint(side, (BANDS,), generator=torch.Generator().manual_seed(0)).tolist()
    return torch.cat([torch.cat(drawn, 3).roll(shift, 3) for shift in shifts], 2)


def seam(made: Tensor, tiles: list) -> float:
    """Change from column to column where tiles of [1, C, H, W] meet, over that elsewhere."""
    import torch

    side = len(tiles[0].weights)
    change = made.diff(dim=3).abs().mean((0, 1, 2))
    there = torch.zeros(len(change), dtype=torch.bool)
    for a, b in itertools.pairwise(tiles):
        middle = (a.start + side + b.start) // 2
        there[middle - 8 : middle + 8] = True
    return float(change[there].mean() / change[~there].mean()) if there.any() else 1.0


def _translate(name: str, side: int, threads: int) -> None:
    import time

    import torch

    from playground.model import load_model
    from playground.translate import OVERLAP, TILE, translate_tiled, windows

    torch.set_num_threads(threads)
    model = _untrained(name) if name in PRESETS else load_model(name)
    side //= model.scale
    picture = _picture(model, side)
    before = resident()
    forget_peak()
    began, worked, told = time.perf_counter(), time.process_time(), []
    made = translate_tiled(model, picture, progress=lambda done, total: told.append(total))
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    tiles = windows(side, max(TILE, 2 * model.multiple), OVERLAP, model.multiple)
    facts = {
        "seconds": seconds, "cpu": cpu, "before": before, "peak": peak(), "tiles": told[-1],
        "threads": torch.get_num_threads(), "seam": seam(made, tiles) if model.scale == 1 else 1.0,
    }  # fmt: skip
    print(json.dumps(facts))


if __name__ == "__main__":
    _translate(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
