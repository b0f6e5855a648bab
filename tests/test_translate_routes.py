"""The routes of the Translate tab: what comes back is what it says, bad files fail alone, owners are kept apart."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from playground.data.base import DataInfo, Side, to_uint8
from playground.errors import DataError, UsageError
from playground.families import family_class, initialising
from playground.families.sides import paint
from playground.methods import METHODS, method_settings
from playground.model import Model, load_model
from playground.session import SessionManager
from playground.translate import example, translate_tiled
from playground.ui import api, translate_jobs
from playground.ui.build import build_app

PAGE = {"accept": "text/html"}
TOLD = {"x-playground": "1"}
BOTH, LINES, STYLED = "flat-ink", "edges-to-faces", "many-styles"
SIZE = 32


def untrained(preset: str, *sides: Side) -> Model:
    settings = method_settings(preset, {"size": SIZE, "width": 4, "blocks": 1, "batch_size": 2})
    info = DataInfo("pairs", 3, SIZE, 100, sides=sides, paired=METHODS[preset].sides == "paired")
    with initialising():
        networks = family_class(METHODS[preset].family).sampling_networks(settings, info)
    for network in networks.values():  # not faint, as they begin
        for parameter in network.parameters():
            parameter.requires_grad_(False).mul_(3)
    return Model(preset, settings, info, networks, {"step": 1})


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Translators: both ways, from line drawings, and with styles."""
    folder = tmp_path_factory.mktemp("pretrained")
    untrained("cyclegan", Side("flat", 3, SIZE), Side("ink", 3, SIZE)).save(folder / BOTH)
    untrained("pix2pix", Side("line drawing", 1, SIZE), Side("face", 3, SIZE)).save(folder / LINES)
    untrained("munit", Side("flat", 3, SIZE), Side("ink", 3, SIZE)).save(folder / STYLED)
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


def browser(app: Any) -> TestClient:
    """A new browser that has loaded the first page."""
    client = TestClient(app)
    assert client.get("/", headers=PAGE).status_code == 200
    return client


@pytest.fixture(scope="module")
def client(app: Any) -> TestClient:
    return browser(app)


def post(client: TestClient, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(f"/translate/{path}", headers=TOLD, json=body)
    assert answer.status_code == status, answer.text[:300]
    return answer.json()


def begin(client: TestClient, model: str = BOTH, **body: Any) -> str:
    return post(client, "jobs", model=model, **body)["id"]


def add(client: TestClient, job: str, data: bytes, name: str = "picture.png", status: int = 200) -> Any:
    answer = client.post(f"/translate/jobs/{job}/add", params={"name": name}, headers=TOLD, content=data)
    assert answer.status_code == status, answer.text[:300]
    return answer.json()


def sentence(text: str) -> str:
    assert text.endswith(".") and "\n" not in text and "Traceback" not in text and 20 < len(text) < 300
    return text


def until(met: Callable[[], Any], seconds: float = 90.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.02)
    raise AssertionError("this did not come about in time")


def over(client: TestClient, job: str) -> list[dict[str, Any]]:
    """The items of a batch when it is over."""

    def told() -> Any:
        answer = client.get(f"/translate/jobs/{job}").json()
        return None if answer["running"] else answer["items"]

    return until(told)


def picture(client: TestClient, job: str, item: int, kind: str) -> np.ndarray:
    answer = client.get(f"/translate/jobs/{job}/{item}/{kind}.png")
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def colours(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


# --- models


def test_translators_are_listed_and_told_of(client):
    rows = {row["key"]: row for row in client.get("/translate/models").json()["models"]}
    assert set(rows) == {BOTH, LINES, STYLED}
    told = post(client, "open", model=BOTH)
    assert told["directions"] == ["AB", "BA"] and [s["name"] for s in told["sides"]] == ["flat", "ink"]
    assert told["scale"] == 1 and not told["varied"] and told["lines"] == []
    told = post(client, "open", model=LINES)
    assert told["directions"] == ["AB"] and told["lines"] == ["AB"] and told["varied"]
    assert told["sides"][0] == {"name": "line drawing", "channels": 1, "size": SIZE, "labels": 0}
    sentence(post(client, "open", 404, model="nothing")["error"])


def test_examples_show_the_side_that_a_direction_starts_from(client):
    for model, direction in ((BOTH, "AB"), (BOTH, "BA"), (LINES, "AB")):
        answer = client.get("/translate/example.jpg", params={"model": model, "direction": direction, "number": 1})
        shown = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)
        opened = load_model(model)
        drawn = to_uint8(paint(example(opened, direction, 1), opened.side(direction)))[0].astype(int)
        assert abs(shown - drawn).mean() < 8
    assert client.get("/translate/example.jpg", params={"model": BOTH, "number": 99}).status_code == 400
    assert client.get("/translate/example.jpg", params={"model": BOTH, "direction": "BB"}).status_code == 400


# --- a batch


def test_a_picture_is_translated_at_its_full_size(client):
    job = begin(client, direction="BA")
    pixels = colours(70, 600)
    assert add(client, job, encoded(pixels), "wide one.png") == {"number": 0}
    [item] = over(client, job)
    assert item["state"] == "done" and item["name"] == "wide one.png" and item["share"] == 1
    assert item["shapes"] == {"input": [600, 70], "output": [600, 70]} and item["notes"] == []
    assert np.array_equal(picture(client, job, 0, "input"), pixels)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    expected = to_uint8(translate_tiled(load_model(BOTH), x, "BA"))[0].astype(int)
    assert abs(picture(client, job, 0, "output") - expected).max() <= 1
    small = client.get(f"/translate/jobs/{job}/0/output.jpg")
    assert Image.open(io.BytesIO(small.content)).size == (360, 42)


@pytest.mark.parametrize("size", ["crop", "pad"])
def test_the_models_own_size_is_a_square(client, size):
    job = begin(client, size=size)
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :20] = 255
    add(client, job, encoded(pixels))
    [item] = over(client, job)
    assert item["shapes"]["output"] == [SIZE, SIZE]
    left = picture(client, job, 0, "input")[SIZE // 2, 0].mean()
    assert left < 20 if size == "crop" else left > 235


def test_there_and_back_on_request(client):
    job = begin(client)
    post(client, f"jobs/{job}/example", number=2)
    assert over(client, job)[0]["checks"] == ""
    assert post(client, f"jobs/{job}/checks", item=0)["checks"] in ("waiting", "running", "done")
    [item] = over(client, job)
    assert item["checks"] == "done" and set(item["shapes"]) == {"input", "output", "cycle", "error", "identity"}
    model = load_model(BOTH)
    x = example(model, "AB", 2)
    there = translate_tiled(model, x, "AB")
    for kind, expected in (
        ("output", there),
        ("cycle", translate_tiled(model, there, "BA")),
        ("identity", translate_tiled(model, x, "BA")),
    ):
        seen = picture(client, job, 0, kind).astype(int)
        assert abs(seen - to_uint8(expected)[0]).mean() < 2, kind
    before, back = (picture(client, job, 0, kind).astype(float) for kind in ("input", "cycle"))
    assert abs(item["error"] - abs(before - back).mean() / 255) < 0.01
    lines = begin(client, LINES)
    post(client, f"jobs/{lines}/example", number=0)
    over(client, lines)
    assert "one way" in sentence(post(client, f"jobs/{lines}/checks", 400, item=0)["error"])
    assert client.get(f"/translate/jobs/{lines}/0/cycle.png").status_code == 404


def test_bad_files_fail_alone_each_with_its_sentence(client, monkeypatch):
    monkeypatch.setattr(translate_jobs, "MAX_SIDE", 256)
    grey = np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1))
    alpha = np.dstack([colours(30, 40), np.full((30, 40), 128, np.uint8)])
    frames = [Image.fromarray(np.full((30, 40), level, np.uint8)) for level in (10, 240)]
    good = {
        "grey.png": (encoded(grey), [40, 30]),
        "alpha.png": (encoded(alpha), [40, 30]),
        "cmyk.jpg": (encoded(Image.fromarray(colours(30, 40)).convert("CMYK"), "JPEG"), [40, 30]),
        "deep.png": (encoded(grey.astype(np.uint16) * 257), [40, 30]),
        "moving.gif": (encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), [40, 30]),
        "dot.png": (encoded(colours(1, 1)), [1, 1]),
        "thread.png": (encoded(colours(3, 8000)), [256, 1]),
    }
    bad = {
        "cut.png": (encoded(colours(64, 64))[:200], "cut short"),
        "notes.txt": (b"These are words, no picture.", "not a picture"),
        "bomb.png": (encoded(Image.new("L", (9000, 9000))), "million"),
    }
    job = begin(client)
    for name, (data, _) in {**bad, **good}.items():
        add(client, job, data, name)
    items = {item["name"]: item for item in over(client, job)}
    for name, (_, words) in bad.items():
        assert items[name]["state"] == "failed" and words in sentence(items[name]["message"])
    for name, (_, shape) in good.items():
        assert (items[name]["state"], items[name]["shapes"]["output"]) == ("done", shape), (name, items[name])
    assert "from 8,000 × 3 to 256 × 1 pixels" in sentence(items["thread.png"]["notes"][0])
    first = picture(client, job, items["moving.gif"]["number"], "input")
    assert first.mean() < 20

    # All results in one zip; what failed is not in it.
    answer = client.get(f"/translate/jobs/{job}/results.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert set(archive.namelist()) == {f"{Path(name).stem}-ink.png" for name in good}
        output = picture(client, job, items["grey.png"]["number"], "output")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(archive.read("grey-ink.png")))), output)


def test_a_huge_upload_is_refused_while_it_comes(client):
    job = begin(client)
    assert "20 MB" in sentence(add(client, job, bytes(60 << 20), status=413)["error"])
    assert "Nothing" in sentence(add(client, job, b"", status=400)["error"])
    assert client.get(f"/translate/jobs/{job}").json()["items"] == []
    assert "no results" in sentence(client.get(f"/translate/jobs/{job}/results.zip").json()["error"])


def test_photos_become_line_drawings_where_the_model_starts_from_such(client):
    photo = np.full((64, 64, 3), (200, 120, 60), np.uint8)
    photo[16:48, 16:48] = (30, 60, 160)
    drawing = np.full((64, 64), 255, np.uint8)
    drawing[30:32, 8:56] = 0
    job = begin(client, LINES, edges=True)
    for data in (photo, drawing):
        add(client, job, encoded(data))
    items = over(client, job)
    assert items[0]["notes"] == ["Its edges were taken first."] and items[1]["notes"] == []
    lines = picture(client, job, 0, "input")
    assert lines.mean() > 200 and lines[32, 14:18].min() < 160 and lines[32, 24:40].min() > 200
    assert np.array_equal(picture(client, job, 1, "input")[..., 0], drawing)
    job = begin(client, LINES, edges=False)
    add(client, job, encoded(photo))
    assert over(client, job)[0]["notes"] == []
    assert picture(client, job, 0, "input")[32, 32].max() < 100


def test_the_seed_draws_another_variant(client):
    outputs = []
    for seed in (1, 1, 2):
        job = begin(client, LINES, seed=seed)
        post(client, f"jobs/{job}/example", number=0)
        over(client, job)
        outputs.append(picture(client, job, 0, "output"))
    assert np.array_equal(outputs[0], outputs[1]) and not np.array_equal(outputs[0], outputs[2])


# --- cancelling, limits, owners


def test_cancelling_keeps_what_is_done(client, app, monkeypatch):
    """The thread is held up, so that one picture is done, one on its way and one waiting."""
    gate, arrived, translated = threading.Event(), threading.Event(), translate_tiled
    calls: list[int] = []

    def held(model: Any, picture: Any, *rest: Any, cancelled: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            arrived.set()
            assert gate.wait(60)
        return translated(model, picture, *rest, cancelled=cancelled, **options)

    monkeypatch.setattr("playground.translate.translate_tiled", held)
    job = begin(client)
    for number in range(3):
        post(client, f"jobs/{job}/example", number=number)
    assert arrived.wait(60)
    told = post(client, f"jobs/{job}/cancel")
    assert told["cancelled"] and [item["state"] for item in told["items"]] == ["done", "running", "cancelled"]
    gate.set()
    assert [item["state"] for item in over(client, job)] == ["done", "cancelled", "cancelled"]
    assert picture(client, job, 0, "output").shape == (SIZE, SIZE, 3)
    assert "cancelled" in sentence(add(client, job, encoded(colours(9, 9)), status=400)["error"])
    post(client, f"jobs/{job}/checks", item=0)
    assert over(client, job)[0]["checks"] == "done", "what is done can still be sent back"
    other = begin(client)
    post(client, f"jobs/{other}/example", number=0)
    assert over(client, other)[0]["state"] == "done", "the thread goes on with other batches"


def test_limits_and_wrong_requests_have_their_sentences(client, monkeypatch):
    monkeypatch.setattr(translate_jobs, "MAX_ITEMS", 2)
    job = begin(client)
    for number in range(2):
        post(client, f"jobs/{job}/example", number=number)
    assert "At most 2" in sentence(add(client, job, encoded(colours(9, 9)), status=400)["error"])
    for body in (
        {"model": BOTH, "direction": "BB"}, {"model": LINES, "direction": "BA"}, {"model": BOTH, "size": "huge"},
        {"model": BOTH, "seed": -1}, {"model": BOTH, "seed": "x"}, {"model": BOTH, "direction": 3}, {},
    ):  # fmt: skip
        sentence(post(client, "jobs", 400, **body)["error"])
    sentence(post(client, "jobs", 404, model="nothing")["error"])
    sentence(post(client, f"jobs/{job}/example", 400, number=99)["error"])
    sentence(post(client, f"jobs/{job}/checks", 404, item=7)["error"])
    for place in ("0/cycle.png", "0/output.gif", "0/file.", "9/output.png", "x/output.png", "0/..%2Fx.png"):
        assert client.get(f"/translate/jobs/{job}/{place}").status_code == 404, place
    assert client.post(f"/translate/jobs/{job}/cancel", json={}).status_code == 403, "not from another site"


def test_a_batch_is_its_owners_and_the_oldest_go(app, client):
    other, stranger = browser(app), TestClient(app)
    job = begin(other)
    post(other, f"jobs/{job}/example", number=0)
    over(other, job)
    for someone in (client, stranger):
        for path in (f"/translate/jobs/{job}", f"/translate/jobs/{job}/0/output.png"):
            assert someone.get(path).status_code == 404
        sentence(post(someone, f"jobs/{job}/cancel", 404)["error"])
    assert "cookie" in sentence(post(stranger, "jobs", 400, model=BOTH)["error"])
    batch = app.state.house.translations._batches[job]
    made = batch.path(batch.items[0], "output")
    assert made.is_file()
    later = [begin(other) for _ in range(translate_jobs.OWN_BATCHES)]
    assert other.get(f"/translate/jobs/{job}").status_code == 404
    assert [other.get(f"/translate/jobs/{one}").status_code for one in later] == [200] * len(later)
    assert not made.exists()
    begin(other, replaces=later[-1])
    assert other.get(f"/translate/jobs/{later[-1]}").status_code == 404
    assert other.get(f"/translate/jobs/{later[0]}").status_code == 200, "only the replaced one went"


# --- styles


def style_of(client: TestClient, data: bytes, status: int = 200, model: str = STYLED, direction: str = "AB") -> Any:
    query = {"model": model, "direction": direction}
    answer = client.post("/translate/style", params=query, headers=TOLD, content=data)
    assert answer.status_code == status, answer.text[:300]
    return answer.json()


def test_a_style_is_taken_from_a_picture(client):
    model = load_model(STYLED)
    pixels = colours(50, 40)
    found = style_of(client, encoded(pixels))["style"]
    assert found == pytest.approx(model.style_of(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1), abs=1e-4)
    assert style_of(client, encoded(pixels), direction="BA")["style"] != found
    plain, styled = begin(client, STYLED), begin(client, STYLED, style=found)
    for job in (plain, styled):
        add(client, job, encoded(colours(32, 32)))
        assert over(client, job)[0]["state"] == "done"
    x = torch.from_numpy(colours(32, 32)).permute(2, 0, 1)[None] / 127.5 - 1
    expected = to_uint8(model.translate(x, style=found))[0].astype(int)
    assert abs(picture(client, styled, 0, "output") - expected).max() <= 1
    assert abs(picture(client, plain, 0, "output") - expected).mean() > 1
    opened = post(client, "open", model=STYLED)
    assert opened["styled"] and not post(client, "open", model=BOTH)["styled"]


def test_what_is_no_style_gets_a_sentence(client):
    sentence(style_of(client, b"no picture", 400)["error"])
    assert "no styles" in sentence(style_of(client, encoded(colours(8, 8)), 400, BOTH)["error"])
    sentence(style_of(client, encoded(colours(8, 8)), 400, direction="AC")["error"])
    for style in ([], [1.0], "red", {"a": 1}, [None] * 8):
        assert "style" in sentence(post(client, "jobs", 400, model=STYLED, style=style)["error"])
    assert "no styles" in sentence(post(client, "jobs", 400, model=BOTH, style=[0.0] * 8)["error"])


# --- the same for programs


def test_the_endpoint_translate(app, client, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "get_upload_folder", lambda: str(tmp_path))
    translate, _ = api._translating(app.state.house)["translate"]
    pixels = colours(40, 50)
    (tmp_path / "one.png").write_bytes(encoded(pixels))
    file = {"path": str(tmp_path / "one.png"), "meta": {"_type": "gradio.FileData"}}
    told = translate(BOTH, file, direction="BA")
    made = np.asarray(Image.open(told["picture"]["path"])).astype(int)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    assert abs(made - to_uint8(translate_tiled(load_model(BOTH), x, "BA"))[0]).max() <= 1 and told["notes"] == []
    told = translate(LINES, file, size="crop", edges=True, seed=None)
    assert Image.open(told["picture"]["path"]).size == (SIZE, SIZE) and told["notes"] == ["Its edges were taken first."]
    told = translate(STYLED, file, style=file)
    expected = load_model(STYLED).translate(x, style=x)
    assert abs(np.asarray(Image.open(told["picture"]["path"])).astype(int) - to_uint8(expected)[0]).max() <= 1
    for wrong in (
        {"model": "x"},
        {"picture": {}},
        {"style": {}},
        {"style": file},
        {"picture": {"path": "/etc/passwd"}},
        {"direction": "AA"},
        {"size": 3},
    ):
        with pytest.raises(UsageError):
            translate(**{"model": BOTH, "picture": file, **wrong})
    (tmp_path / "one.png").write_bytes(b"no picture")
    with pytest.raises(DataError):
        translate(BOTH, file)
