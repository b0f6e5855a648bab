"""Checkpoints: whole or not at all, sound before they replace a sound one, and never code."""

from __future__ import annotations

import errno
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from playground.checkpoint import checkpoints, kept, read_checkpoint, save_checkpoint
from playground.errors import TrainingError
from playground.trainer import Trainer

Make = Callable[..., Trainer]


def names(folder: Path) -> list[str]:
    return [path.name for path in checkpoints(folder)]


def saved(trainer: Trainer, folder: Path, *steps: int) -> Trainer:
    """Train on, with a checkpoint at each of `steps`."""
    for step in steps:
        trainer.run(step)
        save_checkpoint(trainer, folder)
    return trainer


def test_the_last_two_are_kept_newest_first(make_trainer: Make, tmp_path: Path):
    saved(make_trainer(), tmp_path, 1, 2, 3)
    assert names(tmp_path) == ["00000003.pt", "00000002.pt"]
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["00000002.pt", "00000003.pt"]
    assert read_checkpoint(tmp_path)["step"] == 3
    assert kept(tmp_path) == " The checkpoint of step 3 is kept: resume the run to go on from there."


def test_saving_the_same_step_again_replaces_it(make_trainer: Make, tmp_path: Path):
    trainer = saved(make_trainer(), tmp_path, 1, 2)
    trainer.change("learning_rate_g", 0.5)
    save_checkpoint(trainer, tmp_path)
    assert names(tmp_path) == ["00000002.pt", "00000001.pt"]
    assert read_checkpoint(tmp_path)["settings"]["learning_rate_g"] == 0.5


def test_none_there(tmp_path: Path):
    assert checkpoints(tmp_path) == [] and kept(tmp_path) == ""
    with pytest.raises(TrainingError, match="has no checkpoint to go on from"):
        read_checkpoint(tmp_path)


def test_other_files_in_the_folder_are_left_alone_and_left_out(make_trainer: Make, tmp_path: Path):
    saved(make_trainer(), tmp_path, 1)
    for name in ("notes.pt", ".part-0a1b2c3d-00000009.pt", "00000009.pt.bak"):
        (tmp_path / "checkpoints" / name).write_bytes(b"mine")
    saved(make_trainer(), tmp_path, 1, 2, 3)
    assert names(tmp_path) == ["00000003.pt", "00000002.pt"]
    assert (tmp_path / "checkpoints" / "notes.pt").read_bytes() == b"mine"


# --- damage


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_torn_newest_falls_back_to_the_one_before(make_trainer: Make, tmp_path: Path, share: float):
    trainer = saved(make_trainer(), tmp_path, 1, 2)
    newest = checkpoints(tmp_path)[0]
    data = newest.read_bytes()
    newest.write_bytes(data[: int(share * len(data))])
    state = read_checkpoint(tmp_path)
    assert state["step"] == 1
    trainer.load_state_dict(state)
    trainer.run(4)


def _inside_the_largest_record(archive: Path) -> int:
    """The place of a byte that a checksum covers; between two records there is padding, which nobody reads."""
    with zipfile.ZipFile(archive) as opened:
        record = max(opened.infolist(), key=lambda info: info.file_size)
    data = archive.read_bytes()
    name, extra = struct.unpack_from("<HH", data, record.header_offset + 26)
    return record.header_offset + 30 + name + extra + record.file_size // 2


@pytest.mark.parametrize("damage", ["zeros", "noise", "text", "flipped bytes", "another torch file", "a folder"])
def test_other_damage_falls_back_too(make_trainer: Make, tmp_path: Path, damage: str):
    saved(make_trainer(), tmp_path, 1, 2)
    newest = checkpoints(tmp_path)[0]
    data = bytearray(newest.read_bytes())
    if damage == "another torch file":
        torch.save({"weights": torch.zeros(3)}, newest)
    elif damage == "a folder":
        newest.unlink()
        newest.mkdir()
    else:
        rng = torch.Generator().manual_seed(0)
        noise = bytes(torch.randint(256, (len(data),), generator=rng, dtype=torch.uint8).tolist())
        data[_inside_the_largest_record(newest)] ^= 0xFF
        flipped = bytes(data)
        newest.write_bytes(
            {"zeros": bytes(len(data)), "noise": noise, "text": b"hello " * 99, "flipped bytes": flipped}[damage]
        )
    assert read_checkpoint(tmp_path)["step"] == 1


def test_after_a_fallback_new_checkpoints_take_the_place_of_the_torn_one(make_trainer: Make, tmp_path: Path):
    saved(make_trainer(), tmp_path, 4, 5)
    torn = checkpoints(tmp_path)[0]
    torn.write_bytes(b"torn")
    trainer = make_trainer()
    saved(trainer, tmp_path, 2)  # went on from an earlier state
    assert names(tmp_path) == ["00000002.pt"] and not torn.exists()
    saved(trainer, tmp_path, 3)
    assert names(tmp_path) == ["00000003.pt", "00000002.pt"]


def test_nothing_readable_is_said_in_a_sentence(make_trainer: Make, tmp_path: Path):
    saved(make_trainer(), tmp_path, 1, 2)
    for path in checkpoints(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(TrainingError, match=r"No checkpoint of '.*' can be read"):
        read_checkpoint(tmp_path)


class _Bomb:
    """Unpickling it would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("wrapping", ["pickle", "torch.save"])
def test_code_in_a_checkpoint_is_never_run(make_trainer: Make, tmp_path: Path, wrapping: str):
    saved(make_trainer(), tmp_path, 1)
    trap = tmp_path / "trap"
    state = {**read_checkpoint(tmp_path), "changes": _Bomb(trap)}
    newest = tmp_path / "checkpoints" / "00000009.pt"
    newest.write_bytes(pickle.dumps(state)) if wrapping == "pickle" else torch.save(state, newest)
    assert read_checkpoint(tmp_path)["step"] == 1  # refused, and the sound one taken
    assert not trap.exists()
    pickle.loads(pickle.dumps(_Bomb(trap)))
    assert trap.exists()  # the trap was a real one


# --- what must not replace a sound one


@pytest.mark.parametrize("where", ["players", "averages", "buffers", "optimisers"])
def test_numbers_that_are_not_finite_are_not_saved(make_trainer: Make, tmp_path: Path, where: str):
    trainer = saved(make_trainer(), tmp_path, 1, 2)
    trainer.step()
    target = {
        "players": lambda: next(trainer.players["D"].parameters()).data,
        "averages": lambda: next(trainer.averages["G"].parameters()).data,
        "buffers": lambda: next(b for b in trainer.players["G"].buffers() if b.is_floating_point()),
        "optimisers": lambda: next(iter(trainer.optimisers["G"].state.values()))["exp_avg"],
    }[where]()
    target[0] = float("inf")
    before = {path: path.read_bytes() for path in checkpoints(tmp_path)}
    with pytest.raises(TrainingError, match="step 3 are no longer finite"):
        save_checkpoint(trainer, tmp_path)
    assert {path: path.read_bytes() for path in checkpoints(tmp_path)} == before


def test_a_poisoned_replay_buffer_is_not_saved(make_trainer: Make, tmp_path: Path):
    trainer = make_trainer(replay_buffer=4)
    trainer.run(1)
    trainer.family.buffer._pool[0][0] = float("nan")
    with pytest.raises(TrainingError, match="finite"):
        save_checkpoint(trainer, tmp_path)


def test_a_full_disk_is_a_sentence_and_keeps_the_old_file(make_trainer: Make, tmp_path: Path, monkeypatch):
    trainer = saved(make_trainer(), tmp_path, 1, 2)
    trainer.step()

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"playground.runs.os.{call}", full)
            with pytest.raises(TrainingError, match="is full: free some space"):
                save_checkpoint(trainer, tmp_path)
        assert os.listdir(tmp_path / "checkpoints") and names(tmp_path) == ["00000002.pt", "00000001.pt"]
        assert not [name for name in os.listdir(tmp_path / "checkpoints") if name.startswith(".")]
    assert read_checkpoint(tmp_path)["step"] == 2
    save_checkpoint(trainer, tmp_path)  # with room again, all is well
    assert read_checkpoint(tmp_path)["step"] == 3


def test_a_really_full_disk(make_trainer: Make, tmp_path: Path):
    """/dev/full refuses every byte, as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    from playground.runs import atomic_target

    with pytest.raises(TrainingError, match="is full"), atomic_target(tmp_path / "x") as part:
        part.symlink_to("/dev/full")
        with open(part, "wb", buffering=0) as file:
            file.write(b"checkpoint")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_can_not_be_made(make_trainer: Make, tmp_path: Path):
    (tmp_path / "checkpoints").write_text("a file in the way")
    with pytest.raises(TrainingError, match=r"disk refused|moved or deleted"):
        save_checkpoint(make_trainer(), tmp_path)


def test_it_is_one_zip_of_plain_tensors(make_trainer: Make, tmp_path: Path):
    trainer = saved(make_trainer(replay_buffer=8), tmp_path, 2)
    assert zipfile.is_zipfile(checkpoints(tmp_path)[0])
    state = read_checkpoint(tmp_path)
    assert state["settings"] == dict(trainer.settings) and state["images"] == 16
    assert {"players", "averages", "optimisers", "generator", "sampler", "family", "changes"} <= state.keys()
