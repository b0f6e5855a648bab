"""The command line and `pg.train`: one sentence for every mistake, and an interrupted run ends as if it never was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import playground as pg
from playground.checkpoint import checkpoints, read_checkpoint
from playground.errors import TrainingError, UsageError
from playground.runs import read_metrics, read_samples
from training.sample import main as draw
from training.train import main

ROOT = Path(__file__).parents[1]
TINY = [
    "--width",
    "4",
    "--size",
    "16",
    "--batch-size",
    "8",
    "--latent-dim",
    "8",
    "--code-dim",
    "8",
    "--device",
    "cpu",
    "--threads",
    "1",
]

Run = Callable[..., int]


@pytest.fixture
def command(pictures: Path, tmp_path: Path) -> Run:
    """`command("--preset", ...)`: the command in this process, on the small pictures, writing to tmp_path / "run"."""

    def run(*arguments: str) -> int:
        given = list(arguments)
        for flag, value in (("--data", str(pictures)), ("--out", str(tmp_path / "run"))):
            if flag not in given and not any(a.startswith(flag + "=") for a in given):
                given += [flag, value]
        return main([*TINY, *given])

    return run


def process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "training.train", *TINY, *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = read_checkpoint(run)
    return {f"{p}.{k}": v for part in ("players", "averages") for p, s in state[part].items() for k, v in s.items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# --- the main road


def test_a_run_from_the_command_line(command: Run, tmp_path: Path, capsys):
    assert command("--preset", "cgan", "--steps", "3", "--name", "Tiny") == 0
    out, err = capsys.readouterr()
    assert err == "" and "training cgan on shapes16: 48 pictures of 16 × 16, to step 3" in out
    assert "finished at step 3; the model is in" in out
    run = tmp_path / "run"
    config = json.loads((run / "config.json").read_text())
    assert config["preset"] == "cgan" and config["knobs"]["width"] == 4 and config["name"] == "Tiny"
    model = pg.load_model(run)
    assert model.sample(2, labels="discs").shape == (2, 1, 16, 16) and model.facts["name"] == "Tiny"
    assert read_metrics(run)["step"].tolist()[0] == 1 and read_samples(run)[-1][0] == 3


def test_lists(capsys):
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("wgan-gp", "faces", "Models"))
    assert {"dcgan", "infogan"} <= {p["name"] for p in pg.list_presets()}
    assert {"faces", "mnist"} <= {d["name"] for d in pg.list_datasets()}
    assert isinstance(pg.list_models(), list)


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0 and "--learning-rate-g" in capsys.readouterr().out


def test_the_same_command_twice_gives_the_same_model(command: Run, tmp_path: Path):
    for name in ("a", "b"):
        assert command("--preset", "wgan-gp", "--steps", "3", "--seed", "4", "--out", str(tmp_path / name)) == 0
    assert command("--preset", "wgan-gp", "--steps", "3", "--seed", "5", "--out", str(tmp_path / "c")) == 0
    a, b, c = (pg.load_model(tmp_path / name).sample(4) for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


# --- going on


@pytest.mark.parametrize("preset", ["dcgan", "wgan-gp", "infogan"])
def test_more_steps_later_are_as_good_as_at_once(command: Run, tmp_path: Path, preset: str):
    extra = ("--preset", preset, "--replay-buffer", "16") if preset == "dcgan" else ("--preset", preset)
    assert command(*extra, "--steps", "3") == 0
    assert command(*extra, "--steps", "6", "--resume") == 0
    assert command(*extra, "--steps", "6", "--out", str(tmp_path / "whole")) == 0
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))
    a, b = pg.load_model(tmp_path / "run").sample(5), pg.load_model(tmp_path / "whole").sample(5)
    assert a.numpy().tobytes() == b.numpy().tobytes()


def test_resuming_needs_the_folder_alone(command: Run, tmp_path: Path, capsys):
    command("--preset", "lsgan", "--steps", "2")
    assert main(["--resume", "--out", str(tmp_path / "run"), "--steps", "4", "--device", "cpu"]) == 0
    assert "training lsgan on shapes16" in capsys.readouterr().out
    assert read_checkpoint(tmp_path / "run")["step"] == 4
    assert main(["--resume", "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0  # already done: no harm
    assert read_checkpoint(tmp_path / "run")["step"] == 4


def test_a_live_knob_may_change_on_resuming_and_is_recorded(command: Run, tmp_path: Path):
    command("--steps", "2")
    assert command("--steps", "3", "--resume", "--learning-rate-d", "0.1") == 0
    state = read_checkpoint(tmp_path / "run")
    assert {c["name"]: (c["step"], c["value"]) for c in state["changes"]} == {
        "steps": (2, 3),
        "learning_rate_d": (2, 0.1),
    }


def test_fine_tuning(command: Run, tmp_path: Path):
    command("--steps", "2")
    assert (
        command(
            "--steps", "1", "--from", str(tmp_path / "run"), "--out", str(tmp_path / "b"), "--learning-rate-g", "1e-6"
        )
        == 0
    )
    a, b = pg.load_model(tmp_path / "run"), pg.load_model(tmp_path / "b")
    for x, y in zip(a.modules["G"].parameters(), b.modules["G"].parameters(), strict=True):
        torch.testing.assert_close(x, y, atol=1e-4, rtol=0)


def test_sigterm_checkpoints_and_the_resumed_run_ends_as_if_never_stopped(command: Run, pictures: Path, tmp_path: Path):
    run = tmp_path / "run"
    arguments = ["--preset", "acgan", "--augment", "translation", "--data", str(pictures), "--out", str(run)]
    with process(*arguments, "--steps", "1000000") as running:
        try:
            end = time.monotonic() + 60
            while not read_samples(run) and time.monotonic() < end:
                time.sleep(0.05)
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 0 and err == "", err
    assert "stopped at step" in out and f"--resume --out {run}" in out
    step = read_checkpoint(run)["step"]
    assert step >= 1 and json.loads((run / "status.json").read_text())["state"] == "stopped"
    assert pg.load_model(run).facts["step"] == step
    goal = str(step + 5)
    assert command(*arguments, "--steps", goal, "--resume") == 0
    assert command(*arguments[:-2], "--steps", goal, "--out", str(tmp_path / "whole")) == 0
    assert same(weights(run), weights(tmp_path / "whole"))
    a, b = pg.load_model(run).sample(9), pg.load_model(tmp_path / "whole").sample(9)
    assert a.numpy().tobytes() == b.numpy().tobytes()


def test_ctrl_c_within_this_process(command: Run, tmp_path: Path):
    def interrupt(trainer: Any) -> None:
        if trainer.step_count == 3:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    original = pg.train
    try:
        pg.train = lambda *a, on_step=(), **k: original(*a, on_step=(*on_step, interrupt), **k)
        assert command("--steps", "1000000") == 0
    finally:
        pg.train = original
    assert read_checkpoint(tmp_path / "run")["step"] in (3, 4)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


# --- mistakes: exit code 2, one line, nothing made


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--preset wgan-pg", "Unknown preset 'wgan-pg'. Did you mean 'wgan-gp'?"),
        ("--data fces", "Did you mean 'faces'?"),
        ("--data /nowhere/at/all", "/nowhere/at/all"),
        ("--data=", "No data given"),
        ("--data ~no-such-user/x", "no-such-user"),
        ("--steps 0", "steps must lie between 1 and"),
        ("--steps 1.5", "whole number"),
        ("--learning-rate-g nan", "finite"),
        ("--learning-rate-g inf", "finite"),
        ("--learning-rate-g much", "must be a number"),
        ("--objective hing", "Did you mean 'hinge'?"),
        ("--flip perhaps", "true or false"),
        ("--device tpu", "Unknown device 'tpu'"),
        ("--device cuda:99", "There is no device 'cuda:99'"),
        ("--batch-size 64", "batch of 64 is larger than the data set of 48"),
        ("--threads -1", "--threads must be 0 or more"),
        ("--threads many", "--threads"),
        ("--learning-rate 1", "There is no flag --learning-rate. Did you mean --learning-rate-"),
        ("--zzzzzz=3", "There is no flag --zzzzzz. See --help"),
        ("--steps", "expected one argument"),
        ("faces", "faces"),
        ("--label-smoothing 0.1 --objective hinge", "need targets"),
        ("--preset acgan --condition none", "class loss needs a condition"),
        ("--size 128 --max-images 1", ""),
        ("--from /nowhere", "There is no model '/nowhere'"),
        ("--resume", "config.json of the run 'run' is missing"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(command: Run, tmp_path: Path, capsys, arguments: str, words: str):
    try:
        code = command(*arguments.split())
    except SystemExit as left:  # argparse leaves by itself
        code = left.code
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
    assert words in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["empty folder", "text as png", "broken zip", "one picture"])
def test_data_that_can_not_be_used(command: Run, pictures: Path, tmp_path: Path, capsys, kind: str):
    data = tmp_path / "data"
    data.mkdir()
    if kind == "text as png":
        (data / "a.png").write_text("no picture")
    elif kind == "one picture":
        (data / "a.png").write_bytes(next(pictures.rglob("*.png")).read_bytes())
    elif kind == "broken zip":
        data = tmp_path / "data.zip"
        data.write_bytes(b"PK\x03\x04 broken")
    assert command("--data", str(data)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1


def test_a_folder_that_holds_a_run_or_is_a_file(command: Run, tmp_path: Path, capsys):
    command("--steps", "1")
    capsys.readouterr()
    assert command("--steps", "2") == 2
    assert "already holds a run: resume it, or choose another folder." in capsys.readouterr().err
    assert read_checkpoint(tmp_path / "run")["step"] == 1
    (tmp_path / "file").write_text("x")
    assert command("--out", str(tmp_path / "file")) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--preset lsgan", "trains 'dcgan', not 'lsgan'"),
        ("--data faces", "not 'faces'"),
        ("--width 8", "width can't be changed in a run that goes on"),
    ],
)
def test_going_on_with_something_else_is_refused(command: Run, tmp_path: Path, capsys, arguments: str, words: str):
    command("--steps", "1")
    before = checkpoints(tmp_path / "run")[0].read_bytes()
    capsys.readouterr()
    given = [a for a in TINY if a not in ("--width", "4")] if "width" in arguments else TINY
    extra = (
        [] if "--data" in arguments else ["--data", json.loads((tmp_path / "run" / "config.json").read_text())["data"]]
    )
    assert main([*given, *arguments.split(), *extra, "--steps", "3", "--resume", "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert checkpoints(tmp_path / "run")[0].read_bytes() == before


def test_a_mistake_seen_from_outside():
    """In a process of its own: the same code and the same single line."""
    with process("--preset", "nope") as running:
        out, err = running.communicate(timeout=60)
    assert running.returncode == 2 and out == "" and err.count("\n") == 1 and err.startswith("error: Unknown preset")


# --- failures while it trains: exit code 1


def test_divergence(command: Run, tmp_path: Path, capsys):
    wild = [
        "--objective",
        "wasserstein",
        "--optimiser",
        "sgd",
        "--norm-d",
        "none",
        "--learning-rate-d",
        "1",
        "--learning-rate-g",
        "1",
    ]
    assert command(*wild, "--steps", "100000") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: Training diverged at step") and err.count("\n") == 1 and "kept" not in err
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "failed" and "diverged" in status["message"]
    assert not checkpoints(tmp_path / "run")


def test_divergence_after_a_checkpoint_names_it(command: Run, tmp_path: Path, capsys):
    steady = [
        "--objective",
        "wasserstein",
        "--optimiser",
        "sgd",
        "--norm-d",
        "none",
        "--learning-rate-d",
        "1e-6",
        "--learning-rate-g",
        "1e-6",
    ]
    assert command(*steady, "--steps", "2") == 0
    before = checkpoints(tmp_path / "run")[0].read_bytes()
    capsys.readouterr()
    code = main(
        [
            *TINY,
            "--resume",
            "--out",
            str(tmp_path / "run"),
            "--steps",
            "100000",
            "--learning-rate-d",
            "1",
            "--learning-rate-g",
            "1",
        ]
    )
    assert code == 1 and "The checkpoint of step 2 is kept: resume the run" in capsys.readouterr().err
    assert checkpoints(tmp_path / "run")[0].read_bytes() == before


def test_a_full_disk(command: Run, tmp_path: Path, capsys, monkeypatch):
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("playground.runs.os.fsync", full)
    assert command("--steps", "2") == 1
    assert "is full: free some space" in capsys.readouterr().err


# --- the Python side of it


def test_train_from_python(pictures: Path, tmp_path: Path, tiny: dict[str, Any]):
    seen: list[int] = []
    run = pg.train(
        "cgan", data=pictures, out=tmp_path / "a", device="cpu", on_step=[lambda t: seen.append(t.step_count)], **tiny
    )
    assert (run.state, run.step, run.folder) == ("finished", 4, tmp_path / "a") and seen == [1, 2, 3, 4]
    assert run.model().sample(2).shape == (2, 1, 16, 16)
    assert run.metrics()["step"][-1] == 4 and run.samples()[-1][0] == 4
    stopped = pg.train("cgan", data=str(pictures), out=tmp_path / "b", device="cpu", stop=lambda: True, **tiny)
    assert (stopped.state, stopped.step) == ("stopped", 0)
    again = pg.train("cgan", data=str(pictures), out=tmp_path / "b", device="cpu", resume=True)
    assert torch.equal(again.model().sample(3), run.model().sample(3))


def test_a_list_of_files_is_data_too(pictures: Path, tmp_path: Path, tiny: dict[str, Any]):
    files = [str(p) for p in sorted(pictures.rglob("*.png"))[:20]]
    assert pg.train("dcgan", data=files, out=tmp_path / "a", device="cpu", **tiny).step == 4


def test_runs_get_a_folder_of_their_own(pictures: Path, tmp_path: Path, tiny: dict[str, Any], monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [pg.train("dcgan", str(pictures), device="cpu", **{**tiny, "steps": 1}).folder for _ in range(2)]
    assert [str(f) for f in folders] == ["runs/dcgan-shapes16-1", "runs/dcgan-shapes16-2"]


def test_python_mistakes(pictures: Path, tmp_path: Path):
    for call, words in (
        (lambda: pg.train("dcgan", str(pictures), stepz=3), "Did you mean 'steps'"),
        (lambda: pg.train("dcgan", str(pictures), resume=True), "name the run's folder"),
        (lambda: pg.train("dcgan", str(pictures), resume=True, out=tmp_path), "missing or damaged"),
    ):
        with pytest.raises(UsageError, match=words):
            call()


def test_too_little_memory_is_a_sentence(pictures: Path, tmp_path: Path, tiny: dict[str, Any]):
    def exhausted(trainer: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 TiB")

    with pytest.raises(TrainingError, match="not enough memory for this: take a smaller batch"):
        pg.train("dcgan", str(pictures), out=tmp_path / "a", device="cpu", on_step=[exhausted], **tiny)
    assert json.loads((tmp_path / "a" / "status.json").read_text())["state"] == "failed"


# --- several processes

PROBE = """
import hashlib, sys, torch
import playground as pg
from playground import distributed
from training import train

def fingerprint(trainer):
    if trainer.step_count == trainer.settings.steps:
        digest = hashlib.sha256()
        for part in (*trainer.players.values(), *trainer.averages.values()):
            for tensor in part.state_dict().values():
                digest.update(tensor.contiguous().numpy().tobytes())
        state = trainer.generator.get_state()
        draw = torch.rand(1, generator=trainer.generator).item()
        trainer.generator.set_state(state)
        with open(f"{sys.argv[1]}.{trainer.step_count}.{distributed.rank()}", "w") as file:
            print(digest.hexdigest(), draw, trainer._batch.images.sum().item(), trainer.images_seen, sep="|", file=file)

original = pg.train
pg.train = lambda *a, on_step=(), **k: original(*a, on_step=(*on_step, fingerprint), **k)
stop, distributed.stop = distributed.stop, lambda: None  # one process group for both commands: starting it is slow
assert train.main([*sys.argv[2:], "--steps", "3"]) == 0
torch.distributed.barrier()  # rank 0 has written its files
distributed.stop = stop
sys.exit(train.main([*sys.argv[2:], "--steps", "5", "--resume"]))
"""


@pytest.mark.parametrize(
    "settings",
    [
        ("--preset", "dcgan", "--spectral-norm", "true"),
        ("--preset", "stylegan", "--grow", "false", "--reconstruction", "1", "--encode-to", "w"),
    ],
    ids=("spectral norm", "codes in w"),
)
def test_two_processes_train_one_model(pictures: Path, tmp_path: Path, settings: tuple[str, ...]):
    probe, run = tmp_path / "probe.py", tmp_path / "run"
    probe.write_text(PROBE)
    arguments = [*TINY, "--data", str(pictures), "--out", str(run), *settings]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(probe)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*launcher, str(tmp_path / "rank"), *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished at step") == 2, "one process reports"
    assert "autograd" not in done.stderr  # where weights are sent, no gradient flows
    for step in (3, 5):
        ranks = [(tmp_path / f"rank.{step}.{rank}").read_text().strip().split("|") for rank in (0, 1)]
        assert ranks[0][0] == ranks[1][0], "the processes hold different networks"
        assert ranks[0][1] != ranks[1][1], "both draw the same noise"
        assert ranks[0][2] != ranks[1][2], "both see the same pictures"
        assert ranks[0][3] == ranks[1][3] == str(8 * 2 * step)
    assert pg.load_model(run).facts["step"] == 5
    assert np.isfinite(read_metrics(run)["loss_d"]).all()


# --- drawing from a saved model


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    out = tmp_path / "run"
    few = ["--data", "shapes", "--max-images", "256", "--steps", "2"]
    assert main([*TINY, "--preset", "cgan", *few, "--out", str(out)]) == 0
    return out


def test_samples_are_drawn_as_a_sheet_or_one_by_one(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    sheet, folder = tmp_path / "deep" / "sheet.png", tmp_path / "single"
    assert draw([str(model_folder), "--count", "6", "--columns", "3", "--seed", "4", "--out", str(sheet)]) == 0
    assert draw([str(model_folder / "model"), "--count", "6", "--seed", "4", "--out", str(folder)]) == 0
    with Image.open(sheet) as picture:
        tiles = np.asarray(picture)
    singles = [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]
    assert len(singles) == 6 and tiles.shape == (2 * 18 + 2, 3 * 18 + 2, 3)
    assert np.array_equal(tiles[2:18, 2:18], singles[0]) and np.array_equal(tiles[20:36, 38:54], singles[5])
    assert "6 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", [["--count", "0"], ["--label", "nose"], ["--label", "99"], ["--truncation", "-1"], ["--out", "x.jpg"]]
)
def test_wrong_wishes_get_a_sentence(model_folder: Path, wrong: list[str], capsys: pytest.CaptureFixture):
    assert draw([str(model_folder), *wrong]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
