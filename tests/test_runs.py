"""A run folder survives crashes, full disks, races and strange names, and reads back what was written."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from playground import runs
from playground.errors import TrainingError, UsageError

GRID = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond `limit` bytes: writes come short, then fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def make_run(root: Path, key: str = "a", state: str = "finished", **config: object) -> runs.RunWriter:
    writer = runs.RunWriter(root / key)
    writer.write_config({"preset": "dcgan", "data": "shapes", "knobs": {"steps": 100}, **config})
    writer.write_status(state, 10)
    return writer


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


# Writing


def test_atomic_write_replaces_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    for durable, data in ((False, b"one"), (True, b"two")):
        runs.atomic_write(target, data, durable=durable)
        assert target.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    writer = make_run(tmp_path, state="running")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(runs.os, "replace", refuse)
    for write in (lambda: writer.write_status("finished", 99), lambda: writer.save_grid(1, GRID)):
        with pytest.raises(TrainingError, match=r"full: free some space") as caught:
            write()
        assert str(writer.folder) in str(caught.value)
        assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert json.loads((writer.folder / "status.json").read_bytes())["state"] == "running"
    assert leftovers(tmp_path) == []


def test_a_write_that_fails_in_the_middle_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "weights.bin"
    runs.atomic_write(target, b"good")
    with file_size_limit(1000), pytest.raises(TrainingError):
        runs.atomic_write(target, bytes(5000))
    assert target.read_bytes() == b"good"
    assert os.listdir(tmp_path) == ["weights.bin"]


def test_a_history_line_cut_by_a_full_disk_is_taken_back(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    writer.append_metrics(1, 0.5, 64, {"loss_d": 1.25})
    size = writer.metrics_path.stat().st_size
    with file_size_limit(size + 5), pytest.raises(TrainingError):  # room for half a line
        writer.append_metrics(2, 1.0, 128, {"loss_d": 1.5})
    writer.append_metrics(3, 1.5, 192, {"loss_d": 1.75})
    history = runs.read_metrics(writer.folder)
    assert history["step"].tolist() == [1, 3]
    assert history["loss_d"].tolist() == [1.25, 1.75]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "permission"),
        (errno.EROFS, "permission"),
        (errno.ENOENT, "moved or deleted"),
        (errno.EIO, "check"),
    ],
)
def test_every_refusal_of_the_disk_says_what_to_do(number: int, advice: str) -> None:
    message = str(runs.disk_error(OSError(number, os.strerror(number)), "/runs/a"))
    assert advice in message
    assert "/runs/a" in message
    assert message.endswith(".")


def test_a_deleted_folder_is_a_training_error(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    writer.append_metrics(1, 1, 1, {"loss": 1})
    runs.delete_run(tmp_path, "a")
    for write in (
        lambda: writer.append_metrics(2, 1, 1, {"loss": 1}),
        lambda: writer.write_status("running", 2),
        lambda: writer.save_grid(2, GRID),
    ):
        with pytest.raises(TrainingError, match="moved or deleted"):
            write()


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(TrainingError):
        runs.RunWriter(tmp_path / "a")


def test_config_takes_paths_and_numpy_and_refuses_nan(tmp_path: Path) -> None:
    writer = runs.RunWriter(tmp_path / "a")
    writer.write_config({"data": Path("x/y"), "rate": np.float32(0.5), "size": np.int64(3), "betas": (0.5, 0.9)})
    config = json.loads((tmp_path / "a/config.json").read_bytes())
    assert {key: config[key] for key in ("data", "rate", "size", "betas")} == {
        "data": os.path.join("x", "y"),
        "rate": 0.5,
        "size": 3,
        "betas": [0.5, 0.9],
    }
    with pytest.raises(UsageError):
        writer.write_config({"rate": float("nan")})


def test_config_rewritten_on_resume_keeps_name_owner_and_birth(tmp_path: Path) -> None:
    writer = make_run(tmp_path, owner="ada", created=12.0)
    runs.rename_run(tmp_path, "a", "My best faces")
    writer.write_config({"preset": "dcgan", "knobs": {"steps": 500}})
    info = runs.open_run(tmp_path, "a")
    assert (info.name, info.owner, info.created, info.steps) == ("My best faces", "ada", 12.0, 500)


@pytest.mark.parametrize("torn", ["{", "[]", '{"knobs": {}}', '{"preset": "dcgan", "knobs": 3}', None])
def test_read_config_gives_the_settings_or_says_why_not(tmp_path: Path, torn: str | None) -> None:
    make_run(tmp_path, knobs={"r1": 0.5})
    assert runs.read_config(tmp_path / "a")["knobs"] == {"r1": 0.5}
    if torn is None:
        (tmp_path / "a" / "config.json").unlink()
    else:
        (tmp_path / "a" / "config.json").write_text(torn)
    with pytest.raises(UsageError, match="missing or damaged"):
        runs.read_config(tmp_path / "a")


def test_sample_grids_read_back(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    for step in (200, 5, 1_000_000):
        writer.save_grid(step, GRID)
    samples = runs.read_samples(writer.folder)
    assert [step for step, _ in samples] == [5, 200, 1_000_000]
    assert samples[0][1].name == "00000005.png"
    assert np.array_equal(np.asarray(Image.open(samples[0][1])), GRID)
    assert runs.open_run(tmp_path, "a").latest_sample == samples[-1][1]
    for wrong in (GRID.astype(np.float32), GRID[..., 0], np.zeros((3, 8, 8), np.uint8)):
        with pytest.raises(UsageError):
            writer.save_grid(1, wrong)


# The history


def test_history_reads_back_with_columns_that_come_late(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    writer.append_metrics(1, 0.5, 64, {"loss_d": 1.5})
    writer.append_metrics(2, 1.0, 128, {"loss_d": 1.25, "fid": 80})
    writer.append_metrics(3, 1.5, 192, {"fid": None, "loss_g": float("inf")})
    writer.append_metrics(4, 2.0, 256, {})
    history = runs.read_metrics(writer.folder)
    assert list(history) == ["step", "seconds", "images", "loss_d", "fid", "loss_g"]
    assert all(values.dtype == np.float32 for values in history.values())
    np.testing.assert_array_equal(history["step"], [1, 2, 3, 4])
    np.testing.assert_array_equal(history["images"], [64, 128, 192, 256])
    np.testing.assert_array_equal(history["loss_d"], [1.5, 1.25, np.nan, np.nan])
    np.testing.assert_array_equal(history["fid"], [np.nan, 80, np.nan, np.nan])
    np.testing.assert_array_equal(history["loss_g"], [np.nan, np.nan, np.inf, np.nan])
    text = writer.metrics_path.read_text()
    assert text.startswith("step,seconds,images,loss_d,fid,loss_g\n")
    assert {line.count(",") for line in text.splitlines()} == {5}, "a table any spreadsheet opens"
    assert list(runs.read_metrics(writer.folder, columns=["fid", "kid"])) == ["step", "seconds", "images", "fid"]


def test_values_keep_the_precision_of_float32(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    values = np.random.default_rng(0).lognormal(0, 8, 200).astype(np.float32)
    for step, value in enumerate(values):
        writer.append_metrics(step, 0, 0, {"loss": value})
    np.testing.assert_allclose(runs.read_metrics(writer.folder)["loss"], values, rtol=1e-6)


def test_a_torn_last_line_is_skipped_and_healed(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    for step in (1, 2):
        writer.append_metrics(step, step / 2, step * 64, {"loss_d": 1.25, "loss_g": 2.5})
    whole = writer.metrics_path.read_bytes()
    line = b"3,1.5,192,1.125,2.25"
    for cut in range(1, len(line) + 1):  # torn anywhere, even where it still looks complete
        writer.metrics_path.write_bytes(whole + line[:cut])
        assert runs.read_metrics(writer.folder)["step"].tolist() == [1, 2]
        assert runs.open_run(tmp_path, "a").seconds == 1.0
        again = runs.RunWriter(writer.folder)
        again.append_metrics(4, 2, 256, {"loss_g": 1})
        history = runs.read_metrics(writer.folder)
        np.testing.assert_array_equal(history["step"], [1, 2, 4])
        np.testing.assert_array_equal(history["loss_d"], np.float32([1.25, 1.25, np.nan]))


def test_rubbish_in_the_middle_of_the_history_is_skipped(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    writer.append_metrics(1, 1, 1, {"loss": 1})
    with open(writer.metrics_path, "ab") as file:
        file.write(b"\x00\x00\xff\n2,2,2\nx,y,z,w\n,,,\n")
    again = runs.RunWriter(writer.folder)
    again.append_metrics(3, 3, 3, {"loss": 3, "new": 5})
    assert runs.read_metrics(writer.folder)["step"].tolist() == [1, 3]


@pytest.mark.parametrize("content", [b"", b"step,sec"])
def test_a_history_torn_in_its_header_starts_anew(tmp_path: Path, content: bytes) -> None:
    writer = make_run(tmp_path)
    writer.metrics_path.write_bytes(content)
    assert len(runs.read_metrics(writer.folder)["step"]) == 0
    runs.RunWriter(writer.folder).append_metrics(1, 1, 1, {"loss": 1})
    assert runs.read_metrics(writer.folder)["loss"].tolist() == [1]


def test_a_foreign_csv_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("name,price\nbread,3\n")
    with pytest.raises(TrainingError, match="move it away"):
        runs.RunWriter(tmp_path)
    assert "bread" in (tmp_path / "metrics.csv").read_text()


@pytest.mark.parametrize("name", ["", "step", "images", "a,b", "a\nb", 'a"b'])
def test_names_that_no_column_can_bear(tmp_path: Path, name: str) -> None:
    writer = make_run(tmp_path)
    writer.append_metrics(1, 1, 1, {"loss": 1})
    with pytest.raises(UsageError):
        writer.append_metrics(2, 1, 1, {name: 1.0})
    assert runs.read_metrics(writer.folder)["step"].tolist() == [1]


def test_resume_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    for step in range(10, 60, 10):
        writer.append_metrics(step, step / 10, step, {"loss": step})
        writer.save_grid(step, GRID)
    resumed = runs.RunWriter(writer.folder)
    resumed.truncate_after(30)
    assert runs.read_metrics(writer.folder)["step"].tolist() == [10, 20, 30]
    assert [step for step, _ in runs.read_samples(writer.folder)] == [10, 20, 30]
    resumed.append_metrics(40, 4, 40, {"loss": 1, "fid": 2})
    assert runs.read_metrics(writer.folder)["step"].tolist() == [10, 20, 30, 40]
    resumed.truncate_after(-1)
    assert len(runs.read_metrics(writer.folder)["step"]) == 0
    assert runs.read_samples(writer.folder) == []


def test_thinned_history_keeps_peaks_rare_values_and_order(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    rng = np.random.default_rng(0)
    total, rare = 5000, [17, 2500, 4999]
    loss = rng.normal(0, 1, total)
    loss[3333], loss[1234] = 50, -50
    writer.append_metrics(0, 0, 0, {"loss": loss[0], "rate": 0.5, "fid": None})
    rows = (
        f"{step},{step / 10},{step},{loss[step]:.7g},0.5,{step if step in rare else ''}" for step in range(1, total)
    )
    with open(writer.metrics_path, "a") as file:
        file.writelines(f"{row}\n" for row in rows)
    full, thin = runs.read_metrics(writer.folder, max_points=None), runs.read_metrics(writer.folder, max_points=200)
    assert len(full["step"]) == total
    assert len(thin["step"]) <= 200
    assert (thin["loss"].max(), thin["loss"].min()) == (50, -50)
    assert thin["fid"][~np.isnan(thin["fid"])].tolist() == rare
    assert np.all(np.diff(thin["step"]) >= 0)
    assert (thin["step"][0], thin["step"][-1]) == (0, total - 1)
    assert not np.isnan(thin["rate"]).any(), "a constant has no gaps"
    assert np.isin(thin["loss"], full["loss"]).all(), "no value is made up"
    with pytest.raises(UsageError):
        runs.read_metrics(writer.folder, max_points=1)


def test_thin_samples_covers_the_run_evenly_however_often_it_is_called(tmp_path: Path) -> None:
    samples = make_run(tmp_path).folder / "samples"
    for step in range(300):
        (samples / f"{step:08d}.png").touch()
        runs.thin_samples(tmp_path / "a", keep=20)
    steps = np.array([step for step, _ in runs.read_samples(tmp_path / "a")])
    gaps = np.diff(steps)
    assert len(steps) == 20
    assert (steps[0], steps[-1]) == (0, 299)
    assert gaps[:-1].max() <= 3 * gaps[:-1].min()
    assert runs.thin_samples(tmp_path / "a", keep=20) == 0
    assert runs.thin_samples(tmp_path / "a", keep=5) == 15


# Names and lists


@pytest.mark.parametrize(
    ("data", "stem"),
    [
        ("mnist10k", "dcgan-mnist10k-1"),
        ("/home/ada/My Photos.zip", "dcgan-my-photos-1"),
        ("../../etc/passwd", "dcgan-passwd-1"),
        ("C:\\pictures\\Katzen\\", "dcgan-katzen-1"),
        ("..", "dcgan-data-1"),
        ("写真", "dcgan-data-1"),
        ("a" * 500, "dcgan-" + "a" * 40 + "-1"),
    ],
)
def test_new_folders_have_tame_names(tmp_path: Path, data: str, stem: str) -> None:
    folder = runs.new_run_folder(tmp_path / "runs", "dcgan", data)
    assert folder == tmp_path / "runs" / stem
    assert folder.is_dir()
    assert runs.new_run_folder(tmp_path / "runs", "dcgan", data).name == stem[:-1] + "2"


def test_new_folders_never_collide(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: runs.new_run_folder(tmp_path, "wgan-gp", "faces"), range(64)))
    assert len(set(made)) == 64
    assert {path.name for path in made} == {f"wgan-gp-faces-{number}" for number in range(1, 65)}


def test_a_number_taken_after_the_look_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = runs.new_run_folder(tmp_path, "wgan-gp", "faces")
    monkeypatch.setattr(runs.os, "listdir", lambda _: [])  # what someone saw who looked before it was made
    assert runs.new_run_folder(tmp_path, "wgan-gp", "faces").name == "wgan-gp-faces-2"
    assert first.name == "wgan-gp-faces-1"


def test_list_is_newest_first_and_complete(tmp_path: Path) -> None:
    make_run(tmp_path, "old", created=100.0)
    writer = make_run(tmp_path, "new", created=200.0, name="Newest")
    writer.append_metrics(10, 4.5, 640, {"loss": 1})
    (writer.folder / "checkpoints" / "00000010").mkdir()
    (writer.folder / "model").mkdir()
    (writer.folder / "model" / "model.safetensors").touch()
    new, old = runs.list_runs(tmp_path)
    assert (new.key, new.name, new.preset, new.data) == ("new", "Newest", "dcgan", "shapes")
    assert (new.state, new.step, new.steps, new.seconds) == ("finished", 10, 100, 4.5)
    assert (new.has_checkpoint, new.has_model) == (True, True)
    assert (old.key, old.name, old.has_checkpoint, old.has_model, old.latest_sample) == (
        "old",
        "old",
        False,
        False,
        None,
    )
    assert runs.list_runs(tmp_path / "nowhere") == []


BROKEN = {
    "empty": b"",
    "torn": b'{"preset": "dcg',
    "list": b"[1, 2]",
    "binary": bytes(range(256)),
    "deep": b"[" * 100_000,
}


def test_broken_folders_are_shown_and_break_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, "fine")
    for key, content in BROKEN.items():
        make_run(tmp_path, key)
        (tmp_path / key / "config.json").write_bytes(content)
    make_run(tmp_path, "statusless").folder.joinpath("status.json").write_bytes(b"{")
    odd = make_run(tmp_path, "odd", name=["x"], knobs={"steps": "many"}, created="yesterday", owner=3, preset=None)
    odd.folder.joinpath("status.json").write_text('{"state": 5, "step": NaN, "updated": 1e999}')
    (tmp_path / "file.txt").write_text("not a run")
    (tmp_path / "unrelated").mkdir()
    (tmp_path / ".hidden").mkdir()
    found = {info.key: info for info in runs.list_runs(tmp_path)}
    assert set(found) == {"fine", "statusless", "odd", *BROKEN}
    assert {key for key, info in found.items() if info.state == "unreadable"} == set(BROKEN)
    assert (found["odd"].name, found["odd"].steps, found["odd"].step, found["odd"].owner) == ("odd", 0, 0, None)


def test_owners_see_their_own_and_nobodys(tmp_path: Path) -> None:
    for key, owner in (("a1", "ada"), ("b1", "bob"), ("cli", None)):
        make_run(tmp_path, key, **({"owner": owner} if owner else {}))
    assert {info.key for info in runs.list_runs(tmp_path, owner="ada")} == {"a1", "cli"}
    assert {info.key for info in runs.list_runs(tmp_path)} == {"a1", "b1", "cli"}
    assert runs.open_run(tmp_path, "cli", owner="ada").key == "cli"
    for act in (
        lambda: runs.open_run(tmp_path, "b1", owner="ada"),
        lambda: runs.rename_run(tmp_path, "b1", "mine", owner="ada"),
        lambda: runs.delete_run(tmp_path, "b1", owner="ada"),
    ):
        with pytest.raises(UsageError, match="There is no run 'b1'"):
            act()
    (tmp_path / "b1" / "config.json").write_text("torn")
    with pytest.raises(UsageError):  # whose it is can't be known any more
        runs.open_run(tmp_path, "b1", owner="ada")
    assert runs.open_run(tmp_path, "b1").state == "unreadable"


@pytest.mark.parametrize(
    "key",
    [
        *("", ".", "..", "../outside", "a/..", "a/samples", "..\\outside", "/etc", "C:", "a\0", "a\n", "\ud800"),
        *("x" * 300, ".hidden", "link-out", "link-in", "file", "missing", None, 7),
    ],
)
def test_keys_that_name_no_run_are_refused(tmp_path: Path, key: object) -> None:
    root = tmp_path / "runs"
    make_run(root, "a")
    make_run(root, ".hidden")
    make_run(tmp_path, "outside")
    (root / "link-out").symlink_to(tmp_path / "outside")
    (root / "link-in").symlink_to(root / "a")
    (root / "file").write_text("")
    for act in (runs.open_run, runs.delete_run, lambda root, key: runs.rename_run(root, key, "x")):
        with pytest.raises(UsageError, match="There is no run"):
            act(root, key)
    assert (tmp_path / "outside" / "config.json").exists()
    assert [info.key for info in runs.list_runs(root)] == ["a"]


def test_runs_root_may_itself_be_a_link(tmp_path: Path) -> None:
    make_run(tmp_path / "disk2", "a")
    (tmp_path / "runs").symlink_to(tmp_path / "disk2")
    assert runs.open_run(tmp_path / "runs", "a").key == "a"


def test_rename_changes_the_shown_name_only(tmp_path: Path) -> None:
    make_run(tmp_path, note="kept")
    info = runs.rename_run(tmp_path, "a", "  Faces, größer  ")
    assert info == runs.open_run(tmp_path, "a")
    assert (info.name, info.key) == ("Faces, größer", "a")
    assert json.loads((tmp_path / "a/config.json").read_bytes())["note"] == "kept"
    for wrong in ("", "   ", "x" * 81, "a\nb", "a\0b", None):
        with pytest.raises(UsageError):
            runs.rename_run(tmp_path, "a", wrong)
    (tmp_path / "a/config.json").write_text("torn")
    with pytest.raises(UsageError, match="renamed"):
        runs.rename_run(tmp_path, "a", "x")


@pytest.mark.parametrize("state", runs.ACTIVE_STATES)
def test_a_run_in_training_is_not_deleted_unless_it_crashed_or_by_force(tmp_path: Path, state: str) -> None:
    for key in ("alive", "crashed", "forced"):
        make_run(tmp_path, key, state=state)
    long_ago = {"state": state, "step": 3, "updated": time.time() - 10 * runs.HEARTBEAT_SECONDS}
    (tmp_path / "crashed/status.json").write_text(json.dumps(long_ago))
    assert runs.open_run(tmp_path, "crashed").state == "interrupted"
    with pytest.raises(UsageError, match="stop it before"):
        runs.delete_run(tmp_path, "alive")
    runs.delete_run(tmp_path, "crashed")
    runs.delete_run(tmp_path, "forced", force=True)
    assert os.listdir(tmp_path) == ["alive"]


def test_deletion_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    make_run(tmp_path, "b")
    os.rename(tmp_path / "b", tmp_path / ".deleted-0123")
    assert [info.key for info in runs.list_runs(tmp_path)] == ["a"]
    runs.delete_run(tmp_path, "a")
    assert os.listdir(tmp_path) == []


def test_forgotten_temporary_files_go_when_the_run_is_opened_again(tmp_path: Path) -> None:
    writer = make_run(tmp_path)
    for place in (writer.folder, writer.folder / "samples", writer.folder / "checkpoints"):
        (place / ".part-12345678-x.png").write_bytes(b"half")
    assert not runs.open_run(tmp_path, "a").has_checkpoint
    assert runs.read_samples(writer.folder) == []
    runs.RunWriter(writer.folder)
    assert leftovers(tmp_path) == []


# Curves


def test_smoothing_is_unbiased_and_skips_what_is_missing() -> None:
    constant = np.full(50, 3.0, np.float32)
    np.testing.assert_allclose(runs.smooth(constant, 0.95), constant, rtol=1e-6)
    holes = np.array([np.nan, 3, np.nan, 3, np.inf, 3], np.float32)
    np.testing.assert_allclose(runs.smooth(holes, 0.9), holes, rtol=1e-6)
    noise = np.random.default_rng(0).normal(0, 1, 500).astype(np.float32)
    np.testing.assert_array_equal(runs.smooth(noise, 0), noise)
    assert runs.smooth(noise, 0.9).std() < 0.4
    # By hand: w = 1/2 on (1, 3): (1·¼ + 3·½) / ¾
    np.testing.assert_allclose(runs.smooth(np.array([1.0, 3.0]), 0.5), [1, 7 / 3], rtol=1e-6)
    for weight in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError):
            runs.smooth(noise, weight)


def test_compare_gives_one_curve_a_run(tmp_path: Path) -> None:
    for key, name, offset in (("a", "same", 0), ("b", "same", 10), ("c", "other", 20)):
        writer = make_run(tmp_path, key, name=name)
        for step in range(4):
            writer.append_metrics(
                step, step * 2, step * 64, {"loss": step + offset, "fid": step if step == 2 else None}
            )
    make_run(tmp_path, "young")
    folders = [tmp_path / key for key in ("a", "b", "c", "young")]
    curves = runs.compare(folders, "loss", x="seconds")
    assert [label for label, _, _ in curves] == ["same (a)", "same (b)", "other"]
    assert curves[1][1].tolist() == [0, 2, 4, 6]
    assert curves[1][2].tolist() == [10, 11, 12, 13]
    assert [(x.tolist(), y.tolist()) for _, x, y in runs.compare(folders, "fid", x="images")] == [([128], [2])] * 3
    assert runs.compare(folders[:1], "loss", smoothing=0.9)[0][2][-1] < 3
    with pytest.raises(UsageError, match="Did you mean 'loss'"):
        runs.compare(folders, "los")
    with pytest.raises(UsageError, match="axis"):
        runs.compare(folders, "loss", x="fid")
    assert runs.compare([tmp_path / "young"], "loss") == []
