"""Checkpoints: everything the next step reads, written atomically, checked before it replaces a good one.

`checkpoints/STEP.pt`; the last two are kept, so that a torn or spoilt newest file costs a little progress, not the run.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from playground.errors import TrainingError
from playground.runs import atomic_write, disk_errors
from playground.trainer import Trainer

KEPT = 2
_NAME = re.compile(r"\d{8,}\.pt")
_PARTS = {"players", "averages", "optimisers", "generator", "sampler", "family", "settings", "step"}
# what torch raises on files that are torn, or that are no checkpoints at all
_DAMAGE = (
    OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError,
    pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip


def save_checkpoint(trainer: Trainer, folder: str | Path) -> Path:
    """Write `trainer`'s state to `folder`/checkpoints and drop all but the newest two.

    Raises:
        TrainingError: weights that are not finite (nothing is written), or no room on the disk.
    """
    state = trainer.state_dict()
    spoilt = _not_finite({key: state[key] for key in ("players", "averages", "optimisers", "family")})
    if spoilt:
        raise TrainingError(
            f"The numbers at step {trainer.step_count:,} are no longer finite ({spoilt}), so no checkpoint was written."
        )
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path = Path(folder) / "checkpoints" / f"{trainer.step_count:08d}.pt"
    with disk_errors(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, buffer.getvalue(), durable=True)
    found = checkpoints(folder)
    # beyond the step just saved lie only files that could not be read when the run went on from an earlier one
    beyond = found.index(path)
    with disk_errors(folder):
        for old in found[:beyond] + found[beyond + KEPT :]:
            old.unlink(missing_ok=True)
    return path


def checkpoints(folder: str | Path) -> list[Path]:
    """The run's checkpoints, newest first."""
    return sorted(p for p in (Path(folder) / "checkpoints").glob("*.pt") if _NAME.fullmatch(p.name))[::-1]


def kept(folder: str | Path) -> str:
    """A closing sentence (with a space before it) on the newest checkpoint; "" where there is none."""
    found = checkpoints(folder)
    if not found:
        return ""
    return f" The checkpoint of step {int(found[0].stem):,} is kept: resume the run to go on from there."


def read_checkpoint(folder: str | Path) -> dict[str, Any]:
    """The newest readable checkpoint of a run, tensors on the CPU; an unreadable one falls back to the one before.

    Nothing is unpickled beyond tensors and plain containers.

    Raises:
        TrainingError: none there, or none readable.
    """
    found = checkpoints(folder)
    if not found:
        raise TrainingError(f"'{Path(folder).name}' has no checkpoint to go on from.")
    for path in found:
        try:
            with zipfile.ZipFile(path) as archive:  # torch.load checks no sums: a flipped bit would go unnoticed
                whole = archive.testzip() is None
            state = torch.load(path, map_location="cpu", weights_only=True) if whole else None
        except _DAMAGE:
            continue  # torn by a crash: the one before is still good
        if isinstance(state, dict) and state.keys() >= _PARTS:
            return state
    raise TrainingError(f"No checkpoint of '{Path(folder).name}' can be read: the files are damaged.")


def _not_finite(tree: Any, where: str = "") -> str:
    """The path of the first tensor with a non-finite number; "" when all is well."""
    if isinstance(tree, Tensor):
        return where if tree.is_floating_point() and not bool(torch.isfinite(tree).all()) else ""
    if isinstance(tree, (dict, list)):
        for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            found = _not_finite(value, f"{where}.{name}".strip("."))
            if found:
                return found
    return ""
