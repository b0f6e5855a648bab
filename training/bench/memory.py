"""Memory that 60,000 pictures of 28 × 28 take from a zip and from a folder, above a process that has opened none."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import resource
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from playground.errors import TrainingError
from training.bench.common import ROOT, Options, Row

TARGET = 300.0
COUNT, SIDE = 60_000, 28


def run(options: Options) -> list[Row]:
    """One row for a zip and one for a folder; each is opened in a fresh process."""
    count = 2_000 if options.quick else COUNT
    pictures = _encoded(options.data)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        archive, folder = Path(place) / "many.zip", Path(place) / "many"
        with zipfile.ZipFile(archive, "w") as opened:
            for i in range(count):
                opened.writestr(f"many/{i % 10}/{i:05}.png", pictures[i % len(pictures)])
        for label in range(10):
            (folder / str(label)).mkdir(parents=True)
        for i in range(count):
            (folder / str(i % 10) / f"{i:05}.png").write_bytes(pictures[i % len(pictures)])
        for kind, path in (("zip", archive), ("folder", folder)):
            options.say(f"memory: opening a {kind} of {count:,} pictures")
            rows.append(_row(kind, _measured(path), count))
    return rows


def _row(kind: str, facts: dict[str, float], count: int) -> Row:
    note = (
        f"Peak while a {kind} of {count:,} pictures of {SIDE}² is opened, above the {facts['baseline']:.0f} MB of the "
        f"same process before; {facts['steady']:.0f} MB stay, {facts['pixels']:.0f} MB of them the pictures at "
        f"{facts['size']:.0f}²; {facts['seconds']:.1f} s."
    )
    return Row("memory", f"memory, {kind}", facts["peak"], "MB", TARGET, at_most=True, note=note, details=facts)


def _measured(path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "training.bench.memory", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TrainingError(f"The process that measures memory failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _encoded(archive: Path | None, most: int = 8_000) -> list[bytes]:
    """PNG files of 28 × 28, real digits where there are some, else noise in a frame."""
    if archive is not None:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if name.endswith(".png")][:most]
            return [opened.read(name) for name in names]
    import numpy as np
    from PIL import Image

    rng, files = np.random.default_rng(0), []
    for _ in range(500):
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        pixels[6:22, 6:22] = rng.integers(0, 256, (16, 16))
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    return files


# --- inside the process that opens them


def resident() -> float:
    """Resident memory of this process in MB; its peak where the system tells no more."""
    return _status("VmRSS") or _peak_ever()


def peak() -> float:
    """The highest resident memory since `forget_peak`, in MB."""
    return _status("VmHWM") or _peak_ever()


def forget_peak() -> None:
    """Let `peak` begin anew, where the system can."""
    with contextlib.suppress(OSError):  # then the peak of the imports stays in, which can only make the figure worse
        Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> float:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # not Linux
    return 0.0


def _peak_ever() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


def _open(path: str) -> None:
    import time

    import torch

    import playground.data.images
    import playground.trainer  # noqa: F401 - what a training has loaded before it opens its data
    from playground.data.registry import open_data

    torch.zeros(8).add(1)
    gc.collect()
    baseline = resident()
    forget_peak()
    began = time.perf_counter()
    store = open_data(path)
    store.take(torch.arange(64))
    seconds = time.perf_counter() - began
    highest = peak() - baseline
    gc.collect()
    facts = {
        "baseline": baseline, "peak": highest, "steady": resident() - baseline, "pixels": store.nbytes / 2**20,
        "size": store.info.size, "count": len(store), "seconds": seconds,
    }  # fmt: skip
    print(json.dumps(facts))


if __name__ == "__main__":
    _open(sys.argv[1])
