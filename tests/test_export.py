"""Exports decode back to what went in: sizes, counts, durations, pixels; nothing half-written is ever left."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from playground import export, runs
from playground.errors import DataError, TrainingError, UsageError


def picture(step: int, height: int = 40, width: int = 60) -> np.ndarray:
    """A bright bar that moves with the step on a coloured ground: every frame differs from the others."""
    result = np.full((height, width, 3), (200, 60, 30), np.uint8)
    result[:, step * 5 % width : step * 5 % width + 5] = (20, 220, 240)
    return result


@pytest.fixture
def run(tmp_path: Path) -> Path:
    writer = runs.RunWriter(tmp_path / "run")
    for step in range(10):
        writer.save_grid(step * 100, picture(step))
    return writer.folder


# Frames


def test_frames_are_all_samples_enlarged_by_a_whole_number(run: Path) -> None:
    frames = list(export.frames_from_samples(run))
    assert [step for step, _ in frames] == [step * 100 for step in range(10)]
    for at, (_, frame) in enumerate(frames):
        assert frame.shape == (200, 300, 3)  # 60 x 5 is the first above 256
        assert np.array_equal(frame[::5, ::5], picture(at))
        assert np.array_equal(frame[4::5, 4::5], picture(at))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 50])
def test_frames_are_chosen_evenly_and_end_with_the_last(run: Path, count: int) -> None:
    steps = [step for step, _ in export.frames_from_samples(run, max_frames=count)]
    assert len(steps) == min(count, 10)
    assert steps[-1] == 900
    assert count == 1 or steps[0] == 0
    assert len(steps) < 3 or np.ptp(np.diff(steps)) <= 100


def test_large_grids_are_reduced(tmp_path: Path) -> None:
    runs.RunWriter(tmp_path).save_grid(1, picture(1, 500, 1000))
    [(_, frame)] = export.frames_from_samples(tmp_path, max_side=720)
    assert frame.shape == (360, 720, 3)
    [(_, frame)] = export.frames_from_samples(tmp_path, max_side=100)
    assert frame.shape == (50, 100, 3)


def test_growing_grids_take_the_size_of_the_last(tmp_path: Path) -> None:
    writer = runs.RunWriter(tmp_path)
    writer.save_grid(1, picture(1, 64, 64))
    writer.save_grid(2, np.full((64, 128, 3), 99, np.uint8))
    writer.save_grid(3, picture(3, 256, 256))
    frames = [frame for _, frame in export.frames_from_samples(tmp_path)]
    assert {frame.shape for frame in frames} == {(256, 256, 3)}
    assert np.array_equal(frames[0][::4, ::4], picture(1, 64, 64))
    assert frames[1][128, 128].tolist() == [99] * 3  # its proportions kept, black above and below
    assert frames[1][10, 128].tolist() == [0] * 3
    assert np.array_equal(frames[2], picture(3, 256, 256))


def test_torn_samples_are_skipped(run: Path) -> None:
    for step in (300, 900):
        path = run / "samples" / f"{step:08d}.png"
        path.write_bytes(path.read_bytes()[:60])
    (run / "samples" / "00000500.png").write_bytes(b"")
    steps = [step for step, _ in export.frames_from_samples(run)]
    assert steps == [0, 100, 200, 400, 600, 700, 800]


def test_a_run_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sample pictures yet"):
        export.timelapse(tmp_path, tmp_path / "a.gif")
    runs.RunWriter(tmp_path).save_grid(1, picture(1))
    (tmp_path / "samples" / "00000001.png").write_bytes(b"rubbish")
    with pytest.raises(DataError, match="can be read"):
        export.timelapse(tmp_path, tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


# Animations


def test_gif_has_the_frames_the_captions_and_a_long_last_frame(run: Path, tmp_path: Path) -> None:
    path = export.timelapse(run, tmp_path / "new" / "a.gif", fps=10)
    with Image.open(path) as gif:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(gif)]
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
        assert gif.info["loop"] == 0
    assert durations == [100] * 9 + [1500]
    for at, frame in enumerate(frames):
        pixels = np.asarray(frame).astype(int)
        assert pixels.shape == (224, 300, 3)
        assert np.abs(pixels[2:200:5, 2::5] - picture(at)).max() <= 8
    strips = [np.asarray(frame)[200:].tobytes() for frame in frames]
    assert len(set(strips)) == 10, "each frame names its own step"


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webp"])
def test_captions_can_be_left_out_and_frames_need_no_step(tmp_path: Path, suffix: str) -> None:
    plain = [picture(step) for step in range(4)]
    for frames, caption in ((plain, True), (list(enumerate(plain)), False)):
        path = export.write_animation(iter(frames), tmp_path / f"a{suffix}", caption=caption)
        assert iio.imread(path, index=0 if suffix == ".mp4" else ...).shape[-3:-1] == (40, 60)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_loop_that_closes_does_not_rest(tmp_path: Path, suffix: str) -> None:
    frames = [picture(step) for step in range(4)]
    for rest, last in ((0.0, 100), (0.7, 700)):
        path = export.write_animation(frames, tmp_path / f"a{suffix}", fps=10, rest=rest, steady=True)
        with Image.open(path) as file:
            durations = []
            for at in range(file.n_frames):
                file.seek(at)
                file.load()  # a WebP tells it only then
                durations.append(file.info["duration"])
        assert durations == [100, 100, 100, last]


def test_a_steady_gif_has_one_palette(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64]
    frames = [np.stack([x * 3 + 5 * at, y * 3 + 9, (x + y) + 20 * at], 2).astype(np.uint8) for at in range(6)]
    sizes = []
    for steady in (True, False):
        path = export.write_gif(frames, tmp_path / "a.gif", steady=steady)
        sizes.append(path.stat().st_size)
        with Image.open(path) as gif:
            shown = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(gif)]
        for was, now in zip(frames, shown, strict=True):
            assert np.abs(was.astype(int) - now).mean() < 12
    assert sizes[1] - sizes[0] > 4 * 700, "each further palette takes 768 bytes"


@pytest.mark.parametrize(("height", "width"), [(40, 60), (41, 61), (257, 256)])
def test_mp4_decodes_to_every_frame(tmp_path: Path, height: int, width: int) -> None:
    frames = [picture(step, height, width) for step in range(11)]
    path = export.write_mp4(frames, tmp_path / "a.mp4", fps=8)
    decoded = iio.imread(path)
    assert decoded.shape == (11, height + height % 2, width + width % 2, 3)
    for was, now in zip(frames, decoded[:, :height, :width], strict=True):
        assert np.abs(was.astype(int) - now).mean() < 12  # colours at half resolution, else the same picture
    about = iio.immeta(path)
    assert (about["codec"], about["fps"], about["pix_fmt"].split("(")[0]) == ("h264", 8, "yuv420p")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "plays before it has arrived whole"


def test_mp4_of_a_run_carries_the_caption(run: Path, tmp_path: Path) -> None:
    decoded = iio.imread(export.timelapse(run, tmp_path / "a.mp4"))
    assert decoded.shape == (10, 224, 300, 3)
    assert decoded[0, 200:].max() > 150  # light letters
    assert np.median(decoded[0, 202:]) < 60  # on a dark strip


def test_webp_decodes_to_every_frame(run: Path, tmp_path: Path) -> None:
    with Image.open(export.timelapse(run, tmp_path / "a.webp")) as webp:
        assert (webp.n_frames, webp.size) == (10, (300, 224))


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webp"])
def test_one_frame_is_enough_and_none_is_not(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(UsageError, match="at least one frame"):
        export.write_animation([], path)
    wrong = [
        [picture(1).astype(float)],
        [picture(1)[..., 0]],
        [picture(1), picture(1, 20, 20)],
    ]
    for frames in wrong:
        with pytest.raises(UsageError, match="frame"):
            export.write_animation(frames, path)
    for fps in (0, -1, 1000, float("nan")):
        with pytest.raises(UsageError, match="frames a second"):
            export.write_animation([picture(1)], path, fps=fps)
    assert os.listdir(tmp_path) == []
    assert export.write_animation([picture(1)], path).stat().st_size > 0


@pytest.mark.parametrize("name", ["a.avi", "a", "a.png", "gif"])
def test_other_suffixes_are_refused(run: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.gif"):
        export.timelapse(run, tmp_path / name)


@pytest.mark.parametrize(("words", "advice"), [("av_write: No space left on device", "full"), ("bad codec", "refused")])
def test_an_ffmpeg_that_fails_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, advice: str
) -> None:
    failing = tmp_path / "bin" / "ffmpeg"
    failing.parent.mkdir()
    failing.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 3\n")
    failing.chmod(failing.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(failing))
    frames = (picture(step, 400, 400) for step in range(50))  # more than a pipe holds
    with pytest.raises(TrainingError, match=advice):
        export.write_mp4(frames, tmp_path / "out" / "a.mp4")
    assert os.listdir(tmp_path / "out") == []


def test_without_ffmpeg_a_gif_is_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    with pytest.raises(UsageError, match=r"\.gif"):
        export.write_mp4([picture(1)], tmp_path / "a.mp4")


# Grids


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("count", "columns", "shape"), [(5, None, (2, 3)), (9, None, (3, 3)), (4, 4, (1, 4)), (3, 9, (1, 9))]
)
def test_grid_puts_every_picture_in_its_cell(channels: int, count: int, columns: int | None, shape: tuple) -> None:
    images = np.random.default_rng(0).integers(0, 200, (count, 4, 6, channels), dtype=np.uint8)
    result = export.grid(images, columns=columns, padding=1, background=(255, 0, 255))
    rows, across = shape
    assert result.shape == (1 + rows * 5, 1 + across * 7, 3)
    ground = np.ones(result.shape[:2], bool)
    for at, image in enumerate(images):
        top, left = 1 + at // across * 5, 1 + at % across * 7
        assert np.array_equal(result[top : top + 4, left : left + 6], np.broadcast_to(image, (4, 6, 3)))
        ground[top : top + 4, left : left + 6] = False
    assert (result[ground] == (255, 0, 255)).all()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 4, 3)),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((2, 3, 4, 4), np.uint8),
        np.zeros((0, 4, 4, 3), np.uint8),
    ],
)
def test_grid_refuses_other_arrays(images: np.ndarray) -> None:
    with pytest.raises(UsageError):
        export.grid(images)


def test_grid_refuses_impossible_layouts() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    for options in ({"columns": 0}, {"padding": -1}):
        with pytest.raises(UsageError):
            export.grid(images, **options)


# Archives


def test_zip_holds_the_files_and_is_the_same_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    contents = {"model.safetensors": bytes(100_000), "config.json": b"{}", "sub/README.md": "größe".encode()}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / ".part-x").write_bytes(b"half")
    (tmp_path / "secret").write_bytes(b"elsewhere")
    (folder / "link").symlink_to(tmp_path / "secret")
    first = export.zip_folder(folder, tmp_path / "out" / "a.zip").read_bytes()
    for name in contents:
        os.utime(folder / name, (1e9, 1e9))
    inside = export.zip_folder(folder, folder / "b.zip")
    assert inside.read_bytes() == first
    assert export.zip_folder(folder, inside).read_bytes() == first, "an archive does not pack itself"
    with zipfile.ZipFile(inside) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents
    assert len(first) < 10_000


def test_nothing_to_zip_says_so(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="nothing"):
            export.zip_folder(folder, tmp_path / "a.zip")
    assert os.listdir(tmp_path) == []


def test_a_place_that_can_not_be_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (
        lambda: export.timelapse(run, tmp_path / "file" / "a.gif"),
        lambda: export.timelapse(run, tmp_path / "file" / "a.mp4"),
        lambda: export.zip_folder(run, tmp_path / "file" / "a.zip"),
    ):
        with pytest.raises(TrainingError):
            write()
