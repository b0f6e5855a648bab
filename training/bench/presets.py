"""Every preset on the same digits for the same time, scored by the same judge; goes on where it was left.

Results are kept in `presets.json` beside a sheet of samples a preset; remove a preset's entry to train it again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError
from playground.methods import METHODS
from training.bench.common import Options, Row, threads

GENERATORS = [name for name, method in METHODS.items() if method.kind == "generator" and not method.sides]
SECONDS = 120.0
SAMPLES = 1000


def run(options: Options) -> list[Row]:
    """One row a preset, without a target."""
    data = options.digits()
    seconds = options.seconds or (5.0 if options.quick else SECONDS)
    folder = options.out / "presets"
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "presets.json"
    earlier = _earlier(record)
    results = {name: earlier[name] for name in GENERATORS if earlier.get(name, {}).get("asked_seconds") == seconds}
    missing = [name for name in GENERATORS if name not in results]
    if missing:
        import torch

        from playground.data.registry import open_data
        from training.bench.scoring import SIZE, Judge

        judge = Judge(open_data(str(data), size=SIZE), epochs=1 if options.quick else 6)
        options.say(f"presets: {judge.sentence()}")
        for number, name in enumerate(missing, 1):
            options.say(f"presets: {name} for {seconds:.0f} s ({number} of {len(missing)})")
            with threads(options.threads or min(2, torch.get_num_threads())):
                results[name] = {"asked_seconds": seconds, **_one(name, data, seconds, judge, folder, options)}
            record.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return [_row(name, results[name], folder) for name in GENERATORS]


def _earlier(record: Path) -> dict[str, Any]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # none yet, or torn by an interruption
    return found if isinstance(found, dict) else {}


def _one(name: str, data: Path, seconds: float, judge: Any, folder: Path, options: Options) -> dict[str, Any]:
    import torch

    from training.bench.digits import train_against_clock
    from training.bench.scoring import save_sheet

    device = options.device if options.device.startswith("cuda") else "cpu"
    try:
        model, facts = train_against_clock(name, data, seconds, judge, device)
    except PlaygroundError as error:
        return {"failure": str(error)}
    samples = model.sample(SAMPLES, seed=1)
    labelled = model.settings.condition != "none" or model.settings.auxiliary > 0
    asked = torch.arange(SAMPLES) % 10 if labelled else None
    save_sheet(samples[:120], folder / f"{name}.png", columns=20 if labelled else 15)
    return {"score": judge.score(samples, asked).plain(), "judge": judge.facts(), **facts}


def _row(name: str, found: dict[str, Any], folder: Path) -> Row:
    if "failure" in found:
        return Row("presets", name, None, note=found["failure"], details=found)
    score = found["score"]
    note = (
        f"{found['seconds']:.0f} s, {found['steps']:,} steps; mean confidence {score['confidence']:.2f}; "
        f"{score['seen']} of 10 digits, as spread as {score['spread']:.1f} equal ones"
    )
    if score["agreement"] is not None:
        note += f"; {score['agreement']:.0%} show the digit asked for"
    note += f". Sheet: {folder / (name + '.png')}."
    return Row("presets", name, 100 * score["read"], "%", note=note, details=found)
