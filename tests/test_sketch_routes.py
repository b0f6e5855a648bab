"""The routes of the Sketch tab: a drawing becomes what the model makes of it, and refusals are sentences."""

from __future__ import annotations

import io
import json
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from playground.data.base import ImageStore, from_pixels, to_uint8
from playground.data.faces import LABELS, PALETTE
from playground.data.registry import open_data
from playground.edges import DETECTORS, detect_edges
from playground.errors import UsageError
from playground.export import zip_folder
from playground.methods import method_settings
from playground.model import Model, load_model, model_of
from playground.runs import atomic_write
from playground.session import SessionManager
from playground.trainer import Trainer
from playground.ui import sketching, studio
from playground.ui.build import build_app
from playground.ui.owners import COOKIE, owner_of_browser

PAGE, TOLD = {"accept": "text/html"}, {"x-playground": "1"}
LINES, MAPS, STYLES, OWN, GENERATOR = "tiny-edges", "tiny-labels", "tiny-styles", "tiny-own", "tiny-generator"
LARGER = "tiny-upscaler"
SIZE = 32
KNOBS = {"width": 4, "size": SIZE, "batch_size": 2, "precision": "float32", "steps": 4}


def trained(preset: str, data: ImageStore, **knobs: Any) -> Model:
    trainer = Trainer(preset, method_settings(preset, {**KNOBS, **knobs}), data)
    trainer.run(1)
    model = model_of(trainer, name=preset)
    for module in model.modules.values():  # unlike what a first step leaves, it gives each input another output
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    return model


@pytest.fixture(scope="module")
def shipped(store: ImageStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Translators of line drawings, label maps and two styles, one that enlarges, one whose data are gone, and a
    generator."""
    folder = tmp_path_factory.mktemp("pretrained")
    for name, preset, data in (
        (LINES, "pix2pix", "faces-edges"), (MAPS, "spade", "faces-labels"), (STYLES, "cyclegan", "faces-styles"),
        (LARGER, "srgan", "faces"),
    ):  # fmt: skip
        trained(preset, open_data(data, size=SIZE, max_images=4)).save(folder / name)
    config = json.loads((folder / LINES / "config.json").read_text())
    config["data"]["name"] = "my-drawings"
    (folder / OWN).mkdir()
    atomic_write(folder / OWN / "config.json", json.dumps(config).encode())
    tensors = (folder / LINES / "model.safetensors").read_bytes()
    atomic_write(folder / OWN / "model.safetensors", tensors)
    trained("dcgan", store, size=16).save(folder / GENERATOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playground.model.PRETRAINED", folder)
        yield folder


@pytest.fixture(scope="module")
def app(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("app")
    manager = SessionManager(folder / "runs", folder / "data", "cpu")
    app = build_app(manager, folder / "data")
    yield app
    app.state.house.studio.close()
    manager.close()


@pytest.fixture(scope="module")
def client(app: Any) -> TestClient:
    client = TestClient(app)
    assert client.get("/", headers=PAGE).status_code == 200
    return client


def send(client: TestClient, path: str, data: bytes, status: int = 200, headers: dict | None = None, **query: Any):
    answer = client.post(f"/sketch/{path}", params=query, content=data, headers=TOLD | (headers or {}))
    assert answer.status_code == status, answer.text[:300]
    return answer


def refused(client: TestClient, path: str, data: bytes, status: int = 400, **query: Any) -> str:
    said = send(client, path, data, status, **query).json()["error"]
    assert said.endswith((".", "?")) and "\n" not in said and "Traceback" not in said and len(said) < 400
    return said


def shown(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def example(client: TestClient, model: str, seed: int = 1, **query: Any) -> bytes:
    answer = client.get("/sketch/example", params={"model": model, "seed": seed, **query})
    assert answer.status_code == 200, answer.text[:300]
    return answer.content


def lines(seed: int = 0) -> np.ndarray:
    """uint8 [32, 32, 1]: a few dark lines on white."""
    rng = np.random.default_rng(seed)
    pixels = np.full((SIZE, SIZE, 1), 255, np.uint8)
    pixels[rng.integers(0, SIZE, 2)] = 0
    pixels[:, rng.integers(0, SIZE, 2)] = 60
    return pixels


# --- models


def test_the_list_names_translators_with_their_sides(client):
    rows = {row["key"]: row for row in client.get("/sketch/models").json()["models"]}
    assert set(rows) == {LINES, MAPS, STYLES, OWN}
    assert [side["channels"] for side in rows[LINES]["sides"]] == [1, 3]
    assert rows[MAPS]["sides"][0]["labels"] == list(LABELS) and rows[MAPS]["paired"] and not rows[STYLES]["paired"]
    assert rows[OWN]["thumb"].startswith("sketch/thumb.png")
    thumb = client.get("/" + rows[MAPS]["thumb"])
    assert shown(thumb.content).shape == (SIZE, 2 * SIZE, 3) and "immutable" in thumb.headers["cache-control"]
    left = shown(thumb.content)[:, :SIZE].reshape(-1, 3)
    assert {tuple(pixel) for pixel in left.tolist()} <= set(PALETTE)


def test_explore_and_sketch_keep_their_models_apart(client):
    keys = [row["key"] for row in client.get("/explore/models").json()["models"]]
    assert keys == [GENERATOR]
    answer = client.post("/explore/frame", json={"recipe": {"model": LINES, "a": {"seed": 0}}}, headers=TOLD)
    assert answer.status_code == 400 and "Sketch" in answer.json()["error"]
    answer = client.post("/sketch/open", json={"model": GENERATOR}, headers=TOLD)
    assert answer.status_code == 400 and "Explore" in answer.json()["error"]
    assert "Explore" in refused(client, "stroke", bytes(256), model=GENERATOR)


@pytest.mark.parametrize(
    ("model", "kinds", "chance"),
    [(LINES, ["drawing"], True), (MAPS, ["labels"], False), (STYLES, ["picture"] * 2, False)],
)
def test_what_is_told_of_a_translator(client, model, kinds, chance):
    told = client.post("/sketch/open", json={"model": model}, headers=TOLD).json()
    assert [way["kind"] for way in told["ways"]] == kinds and told["dropout"] is chance
    for way in told["ways"]:
        assert way["size"] == SIZE and way["bytes"] == SIZE * SIZE * way["source"]["channels"]
        assert way["realism"]
    assert [one["name"] for one in told["detectors"]] == list(DETECTORS)


# --- strokes


def test_a_stroke_gives_the_models_own_picture(client, shipped):
    model, pixels = load_model(shipped / LINES), lines()
    answer = send(client, "stroke", pixels.tobytes(), model=LINES, seed=5)
    own = to_uint8(model.translate(from_pixels(torch.from_numpy(pixels[None])), seed=5))[0]
    assert np.array_equal(shown(answer.content), own) and answer.headers["x-step"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    for file in (png(pixels[..., 0]), png(pixels.repeat(3, 2))):
        assert send(client, "stroke", file, model=LINES, seed=5).content == answer.content
    assert send(client, "stroke", lines(1).tobytes(), model=LINES, seed=5).content != answer.content


def test_dropout_follows_the_seed_where_there_is_dropout(client):
    drawn = example(client, LINES)
    one, same, other = (send(client, "stroke", drawn, model=LINES, seed=seed).content for seed in (1, 1, 2))
    assert one == same != other
    drawn = example(client, MAPS)
    assert len({send(client, "stroke", drawn, model=MAPS, seed=seed).content for seed in (1, 2)}) == 1


def test_labels_come_as_numbers_or_in_their_colours(client, shipped):
    drawn = example(client, MAPS)
    numbers = np.frombuffer(drawn, np.uint8).reshape(SIZE, SIZE)
    want = to_uint8(load_model(shipped / MAPS).translate(torch.from_numpy(numbers.copy()).long()[None]))[0]
    coloured = np.asarray(PALETTE, np.uint8)[numbers]
    for body in (drawn, png(numbers), png(coloured)):
        assert np.array_equal(shown(send(client, "stroke", body, model=MAPS).content), want)


def test_an_unpaired_translator_draws_both_ways(client):
    drawn = example(client, STYLES)
    there, back = (send(client, "stroke", drawn, model=STYLES, direction=way).content for way in ("AB", "BA"))
    assert shown(there).shape == shown(back).shape == (SIZE, SIZE, 3) and there != back
    assert "AB" in refused(client, "stroke", drawn, model=STYLES, direction="AC")
    assert "AB" in refused(client, "stroke", example(client, LINES), model=LINES, direction="BA")


def test_what_looks_real_lies_beside_the_picture(client, shipped):
    pixels, model = lines(), load_model(shipped / LINES)
    plain = shown(send(client, "stroke", pixels.tobytes(), model=LINES).content)
    both = shown(send(client, "stroke", pixels.tobytes(), model=LINES, realism=1).content)
    assert both.shape == (SIZE, 2 * SIZE, 3) and np.array_equal(both[:, :SIZE], plain)
    x = from_pixels(torch.from_numpy(pixels[None]))
    mean = float(model.realism(x, model.translate(x, seed=0)).mean())
    assert abs(both[:, SIZE:].mean() / 255 - mean) < 0.03 and np.ptp(both[:, SIZE:], axis=2).max() == 0


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        (LINES, bytes(100), "1,024 bytes in all, not 100"),
        (LINES, bytes(SIZE * SIZE * 3), "1,024 bytes in all, not 3,072"),  # a channel count of another model
        (MAPS, bytes(SIZE * SIZE * 13), "1,024 bytes"),
        (MAPS, bytes([13]) * (SIZE * SIZE), "Label 13 does not exist"),
        (MAPS, png(np.full((SIZE, SIZE), 200, np.uint8)), "Label 200 does not exist"),
        (LINES, png(np.zeros((64, 32), np.uint8)), "32 × 64 pixels"),
        (LINES, b"\x89PNG\r\n\x1a\n" + bytes(40), "picture"),
        (LINES, png(lines()[..., 0])[:70], "picture"),
        (LINES, b"This is text, not a drawing.", "a PNG of that size"),
        (LINES, b"", "Nothing was uploaded"),
    ],
)
def test_bad_drawings_get_a_sentence(client, model, data, words):
    assert words in refused(client, "stroke", data, model=model)


def test_bad_addresses_get_a_sentence(client):
    drawn = lines().tobytes()
    assert "seed" in refused(client, "stroke", drawn, model=LINES, seed=-1)
    assert "seed" in refused(client, "stroke", drawn, model=LINES, seed="x")
    assert "no model" in refused(client, "stroke", drawn, 404, model="nothing")
    assert "no model" in refused(client, "stroke", drawn, 404)
    assert client.get("/sketch/example", params={"model": "../" + LINES}).status_code == 404
    assert client.post("/sketch/stroke", params={"model": LINES}, content=drawn).status_code == 403, "a foreign page"


def test_a_huge_body_is_refused(client):
    assert "too large" in refused(client, "stroke", bytes(5 * 2**20), 413, model=LINES)
    assert "too large" in refused(client, "picture", bytes(21 * 2**20), 413, model=LINES)


def test_of_many_strokes_of_a_page_the_newest_is_drawn(client, app):
    lane, gate, begun = app.state.house.studio.strokes, threading.Event(), threading.Event()
    lane.submit(lambda: (begun.set(), gate.wait(30)))
    begun.wait(30)
    with ThreadPoolExecutor(4) as pool:
        asked = []
        for sequence in (1, 2, 3):
            headers = {"x-page": "p1", "x-sequence": str(sequence)}
            status = 204 if sequence < 3 else 200
            asked.append(pool.submit(send, client, "stroke", lines().tobytes(), status, headers, model=LINES))
            time.sleep(0.2)  # in this order
        other = pool.submit(
            send, client, "stroke", lines().tobytes(), 200, {"x-page": "p2", "x-sequence": "1"}, model=LINES
        )
        time.sleep(0.2)
        gate.set()
        contents = [one.result(30).content for one in asked]
        assert contents[:2] == [b"", b""] and contents[2] == other.result(30).content


def test_strokes_wait_for_no_long_computation(client, app):
    gate, begun = threading.Event(), threading.Event()
    for lane in (app.state.house.studio.heavy, app.state.house.studio.sheets, app.state.house.studio.frames):
        lane.submit(lambda: (begun.set(), gate.wait(60)))
    try:
        begun.wait(30)
        assert send(client, "stroke", lines().tobytes(), model=LINES).status_code == 200
    finally:
        gate.set()


# --- whose models


def test_a_run_and_an_upload_are_their_owners(client, app, shipped, tmp_path):
    house, owner = app.state.house, owner_of_browser(client.cookies[COOKIE])
    folder = zip_folder(shipped / MAPS, tmp_path / "model.zip")
    answer = client.post("/explore/upload_model", files={"file": ("My maps.zip", folder.read_bytes())}, headers=TOLD)
    key = answer.json()["key"]
    rows = {row["key"]: row for row in client.get("/sketch/models").json()["models"]}
    assert rows[key]["title"] == "My maps" and rows[key]["kind"] == "upload" and len(rows[key]["sides"]) == 2
    assert key not in {row["key"] for row in client.get("/explore/models").json()["models"]}
    assert send(client, "stroke", bytes(SIZE * SIZE), model=key).status_code == 200
    stranger = TestClient(app)
    assert stranger.get("/", headers=PAGE).status_code == 200
    assert "no model" in refused(stranger, "stroke", bytes(SIZE * SIZE), 404, model=key)
    assert house.studio.models(owner_of_browser(stranger.cookies[COOKIE]), "translator") == house.studio.models(
        "", "translator"
    )
    assert key in {row["key"] for row in house.studio.models(owner, "translator")}


def test_a_translator_has_no_space_of_latents(app):
    opened = app.state.house.studio.open(LINES, "")
    with pytest.raises(UsageError, match="Sketch or Translate"):
        assert opened.back


def test_a_damaged_zip_is_described_by_nothing(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    assert studio._described_zip(tmp_path / "a.zip", 1) == {} == studio._described_zip(tmp_path / "none.zip", 1)


def test_what_enlarges_photos_is_not_drawn_for(client):
    rows = {row["key"]: row for row in client.get("/translate/models").json()["models"]}
    assert rows[LARGER]["scale"] == 4 and rows[LINES]["scale"] == 1
    assert LARGER not in {row["key"] for row in client.get("/sketch/models").json()["models"]}
    assert rows[LARGER]["thumb"] is None


# --- drawings that nobody drew


@pytest.mark.parametrize(("model", "size"), [(LINES, SIZE * SIZE), (MAPS, SIZE * SIZE), (STYLES, 3 * SIZE * SIZE)])
def test_examples_are_held_out_drawings(client, model, size):
    one, same, other = example(client, model), example(client, model), example(client, model, 2)
    assert len(one) == size and one == same != other
    if model == LINES:
        pixels = np.frombuffer(one, np.uint8)
        assert pixels.min() < 60 and np.median(pixels) == 255, "dark lines on white"
        seen = open_data("faces-edges", size=SIZE, max_images=64).take(torch.arange(64)).images
        assert not any(sketching.raw(x[None]) == one for x in seen)
    if model == MAPS:
        assert max(one) < len(LABELS) and len(set(one)) > 3


def test_a_model_of_own_pictures_is_tried_with_drawn_things(client):
    one, other = example(client, OWN), example(client, OWN, 2)
    assert one != other
    drawn = sketching.drawn_in(one, sketching.way_of(load_model(OWN), None))
    assert sketching.raw(drawn) == one and drawn.std() > 0.1, "something is there"
    assert client.get("/sketch/thumb.png", params={"model": OWN}).status_code == 200


def photo() -> np.ndarray:
    pixels = np.full((90, 120, 3), (214, 234, 248), np.uint8)  # the colour of the background
    pixels[30:60, 40:80] = (92, 60, 46)  # that of hair
    return pixels


@pytest.mark.parametrize("detector", [*DETECTORS])
def test_a_picture_becomes_its_edges(client, detector):
    drawn = send(client, "picture", png(photo()), model=LINES, detector=detector).content
    square = np.asarray(Image.fromarray(photo()).crop((15, 0, 105, 90)).resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    lines = np.frombuffer(drawn, np.uint8).reshape(SIZE, SIZE).astype(int)
    want = to_uint8(detect_edges(from_pixels(torch.from_numpy(square.copy())[None]), detector))[0, ..., 0]
    assert abs(lines - want).mean() < 12 and lines.min() < 120 and lines[0, 0] > 200
    assert send(client, "stroke", drawn, model=LINES).status_code == 200


def test_a_picture_becomes_labels_by_the_nearest_colour_or_stays_itself(client):
    labels = np.frombuffer(send(client, "picture", png(photo()), model=MAPS).content, np.uint8).reshape(SIZE, SIZE)
    assert labels[0, 0] == 0 and LABELS[labels[SIZE // 2, SIZE // 2]] == "hair"
    colours = np.frombuffer(send(client, "picture", png(photo(), "JPEG"), model=STYLES).content, np.uint8)
    assert abs(colours.reshape(SIZE, SIZE, 3)[0, 0].astype(int) - (214, 234, 248)).max() < 12


@pytest.mark.parametrize(
    ("data", "query", "words"),
    [
        (b"no picture", {}, "picture"),
        (png(photo())[:150], {}, "picture"),
        (png(photo()), {"detector": "x"}, "detector"),
    ],
)
def test_bad_pictures_get_a_sentence(client, data, query, words):
    assert words in refused(client, "picture", data, model=LINES, **query)


# --- time-lapse


def recording(parts: list[bytes], **header: Any) -> bytes:
    head = json.dumps({"lengths": [len(part) for part in parts], **header}).encode()
    return struct.pack("<I", len(head)) + head + b"".join(parts)


def frames(client: TestClient, count: int, realism: int = 0) -> list[bytes]:
    drawn = [lines(seed).tobytes() for seed in range(count)]
    return [part for one in drawn for part in (one, send(client, "stroke", one, model=LINES, realism=realism).content)]


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_a_time_lapse_shows_drawing_and_result(client, kind):
    parts = frames(client, 4)
    answer = send(client, "timelapse", recording(parts, format=kind, direction="AB"), model=LINES)
    film = iio.imread(answer.content, index=None, extension=f".{kind}")
    assert film.shape == (4, 256, 512, 3)
    for at, frame in enumerate(film):
        want = lines(at)[..., 0].repeat(8, 0).repeat(8, 1)
        assert abs(frame[:, :256].mean(-1) - want).mean() < 40
        own = shown(parts[2 * at + 1]).repeat(8, 0).repeat(8, 1)
        assert abs(frame[:, 256:].astype(int) - own).mean() < 30


def test_a_time_lapse_leaves_out_what_looks_real(client):
    film = [
        iio.imread(send(client, "timelapse", recording(frames(client, 2, realism)), model=LINES).content, index=None)
        for realism in (0, 1)
    ]
    assert np.array_equal(*film)


def test_bad_recordings_get_a_sentence(client):
    drawn, result = frames(client, 1)
    for data, words in (
        (b"x", "can't be read"),
        (struct.pack("<I", 10**6) + b"{}", "can't be read"),
        (recording([drawn, result])[:-1], "can't be read"),
        (struct.pack("<I", 20) + b'{"lengths": [-1, 1]}', "can't be read"),
        (recording([]), "1 to 160 frames"),
        (recording([drawn]), "1 to 160 frames"),
        (recording([b"", b""] * 161), "1 to 160 frames"),
        (recording([drawn, b"no PNG"]), "not a PNG"),
        (recording([drawn, png(np.zeros((8, 8), np.uint8))]), "32 × 32"),
        (recording([drawn, png(np.zeros((32, 32), np.uint8), "JPEG")]), "not a PNG"),
        (recording([drawn[:-1], result]), "1,024 bytes"),
        (recording([drawn, result], format="avi"), "format"),
        (recording([drawn, result], direction="BA"), "direction"),
    ):
        assert words in refused(client, "timelapse", data, model=LINES), data[:60]


# --- the endpoint for programs


def test_programs_send_a_drawing_or_a_picture_of_any_size(app):
    opened = app.state.house.studio.open(LINES, "")
    same, seen = sketching.sketched(opened, png(lines()[..., 0]), None, 5, None)
    x = from_pixels(torch.from_numpy(lines()[None]))
    assert torch.allclose(seen, x[0].expand(3, -1, -1))
    assert torch.allclose(same, opened.model.translate(x, seed=5)[0], atol=1e-4)
    large = lines()[..., 0].repeat(2, 0).repeat(2, 1)
    assert (sketching.sketched(opened, png(large), None, 5, None)[1] - seen).abs().mean() < 0.2
    edges = sketching.sketched(opened, png(photo()), None, 5, "canny")[1]
    assert set(edges.unique().tolist()) == {-1.0, 1.0}
    labels = app.state.house.studio.open(MAPS, "")
    shown = sketching.sketched(labels, png(photo()), None, 0, None)[1]
    assert {tuple(p) for p in to_uint8(shown[None])[0].reshape(-1, 3).tolist()} <= set(PALETTE)
    with pytest.raises(UsageError, match="detector"):
        sketching.sketched(opened, png(photo()), None, 0, "x")
