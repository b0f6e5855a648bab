"""The routes of Explore and Style mixing: pictures and numbers that mean what they say, and refusals in a sentence."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from playground.data.base import ImageStore, to_uint8
from playground.errors import UsageError
from playground.export import zip_folder
from playground.latent.recipe import decode_vector, encode_vector
from playground.methods import method_settings
from playground.model import Model, load_model, model_of
from playground.session import SessionManager
from playground.trainer import Trainer
from playground.ui import api
from playground.ui.build import build_app
from playground.ui.owners import COOKIE, owner_of_browser
from playground.ui.routes import SCRIPT, STATIC, STYLE
from playground.ui.studio import FACES_READER

PAGE = {"accept": "text/html"}
TOLD = {"x-playground": "1"}
TINY = {"width": 4, "batch_size": 4, "latent_dim": 6, "size": 16, "steps": 100_000}
STYLED, PLAIN = "tiny-style", "tiny-classes"


def made(store: ImageStore, preset: str, data: str, **knobs: Any) -> Model:
    trainer = Trainer(preset, method_settings(preset, {**TINY, **knobs}), store)
    trainer.run(150 if preset == "attribute-classifier" else 2)
    model = model_of(trainer, name=preset)
    model.info = replace(model.info, name=data)
    if preset == "stylegan":  # as grown as it would be in the end, with styles that tell samples apart
        network = model.modules["G"].network
        network.set_growth(len(network.resolutions) - 1, 1.0)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
            z = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
            network.w_mean.copy_(network.mapping(z).mean(dim=0))
    return model


@pytest.fixture(scope="module")
def shipped(store: ImageStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A style-based model, a conditional one with InfoGAN codes, and what reads the former's pictures."""
    folder = tmp_path_factory.mktemp("pretrained")
    made(store, "stylegan", "faces").save(folder / STYLED)
    made(store, "cgan", "letters", code_categories=3, code_continuous=1).save(folder / PLAIN)
    made(store, "attribute-classifier", "faces").save(folder / FACES_READER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playground.model.PRETRAINED", folder)
        yield folder


def serving(folder: Path, auth: list[tuple[str, str]] | None = None) -> tuple[SessionManager, Any]:
    manager = SessionManager(folder / "runs", folder / "data", "cpu")
    return manager, build_app(manager, folder / "data", auth)


@pytest.fixture(scope="module")
def app(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    manager, app = serving(tmp_path_factory.mktemp("app"))
    yield app
    app.state.house.studio.close()
    manager.close()


def visit(client: TestClient) -> TestClient:
    assert client.get("/", headers=PAGE).status_code == 200
    return client


@pytest.fixture(scope="module")
def client(app: Any) -> TestClient:
    """A browser that has loaded the first page."""
    return visit(TestClient(app))


def post(client: TestClient, path: str, status: int = 200, **body: Any) -> Any:
    """The JSON of an answer, or a picture as uint8 [H, W, 3]."""
    answer = client.post(f"/explore/{path}", headers=TOLD, json=body)
    assert answer.status_code == status, answer.text[:300]
    return answer.json() if answer.headers["content-type"] == "application/json" else shown(answer.content)


def refused(client: TestClient, path: str, status: int = 400, **body: Any) -> str:
    said = post(client, path, status, **body)["error"]
    assert said.endswith((".", "?")) and "\n" not in said and "Traceback" not in said and len(said) < 400
    return said


def shown(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def recipe(model: str = STYLED, seed: int = 0, **more: Any) -> dict[str, Any]:
    return {"format": 1, "model": model, "space": "w" if model == STYLED else "z", "a": {"seed": seed}, **more}


def until(met: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.02)
    raise AssertionError("this did not come about in time")


# --- models


def test_the_list_names_generators(client):
    rows = {row["key"]: row for row in client.get("/explore/models").json()["models"]}
    assert set(rows) == {STYLED, PLAIN}
    assert rows[STYLED]["styled"] and not rows[PLAIN]["styled"] and rows[PLAIN]["data"] == "letters"
    thumb = client.get("/" + rows[STYLED]["thumb"])
    assert shown(thumb.content).shape == (32, 32, 3) and "immutable" in thumb.headers["cache-control"]


def test_what_is_told_of_a_style_based_model(client):
    told = post(client, "open", model=STYLED)
    assert told["styled"] and told["layers"] == len(told["layer_names"]) == len(told["layer_resolutions"]) == 6
    assert told["groups"] == {"coarse": [0, 3], "middle": [4, 5]}, "a small model has no fine layers"
    assert (told["size"], told["channels"], told["classes"], told["codes"]) == (16, 1, [], None)
    assert {one["name"]: one["binary"] for one in told["attributes"]} == {"round": True, "brightness": False}
    assert [one["key"] for one in told["readers"]] == [FACES_READER] and not told["encoder"] and not told["live"]
    assert post(client, "frame", recipe=told["recipe"]).shape == (16, 16, 3)


def test_what_is_told_of_a_model_with_classes_and_codes(client):
    told = post(client, "open", model=PLAIN)
    assert not told["styled"] and told["layers"] == 0 and told["groups"] == {} and told["w_dim"] is None
    assert told["classes"] == ["discs", "squares", "stripes"] and told["attributes"] == []
    assert told["codes"] == {"categorical": [3], "continuous": 1}
    assert told["recipe"]["a"]["label"] == 0 and told["recipe"]["space"] == "z"


# --- pictures


def test_a_frame_is_the_models_own_picture(client, shipped):
    drawn = post(client, "frame", recipe=recipe(seed=4))
    own = to_uint8(load_model(shipped / STYLED).sample(1, seed=4))[0]
    assert np.abs(drawn.astype(int) - own).max() <= 1
    again = client.post("/explore/frame", headers=TOLD, json={"recipe": recipe(seed=4)})
    assert again.headers["x-step"] == "2" and again.headers["cache-control"] == "no-store"
    assert np.array_equal(shown(again.content), drawn), "the same recipe, the same bits"


def test_a_strip_is_its_frames_side_by_side(client):
    recipes = [recipe(seed=i) for i in range(5)]
    sheet = post(client, "strip", recipes=recipes, columns=3)
    assert sheet.shape == (32, 48, 3)
    for at, one in enumerate(recipes):
        top, left = 16 * (at // 3), 16 * (at % 3)
        cell = sheet[top : top + 16, left : left + 16].astype(int)
        assert np.abs(cell - post(client, "frame", recipe=one)).max() <= 1


def test_labels_codes_and_edits_reach_the_picture(client):
    plain = post(client, "frame", recipe=recipe(PLAIN, a={"seed": 1, "label": 0}))
    other = post(client, "frame", recipe=recipe(PLAIN, a={"seed": 1, "label": 2}))
    coded = post(client, "frame", recipe=recipe(PLAIN, a={"seed": 1, "label": 0, "codes": [0, 0, 1, 1.0]}))
    moved = {"name": "x", "vector": encode_vector(torch.ones(6)), "strength": 3.0}
    edited = post(client, "frame", recipe=recipe(PLAIN, a={"seed": 1, "label": 0}, edits=[moved]))
    assert all(not np.array_equal(plain, one) for one in (other, coded, edited))


def test_a_mixing_grid_has_both_parents_on_its_borders(client):
    layers = [1.0] * 4 + [0.0] * 2
    body = {"model": STYLED, "rows": [{"seed": 1}, {"seed": 2}], "columns": [{"seed": 3}, {"seed": 4}, {"seed": 5}]}
    grid = post(client, "mixgrid", **body, layer_t=layers, noise="none", truncation=0.7)
    cells = grid.reshape(3, 16, 4, 16, 3).swapaxes(1, 2).astype(int)
    look = {"noise": "none", "truncation": 0.7}
    assert len(np.unique(cells[0, 0])) == 1, "the corner is empty"
    for at, seed in enumerate((3, 4, 5), 1):
        assert np.abs(cells[0, at] - post(client, "frame", recipe=recipe(seed=seed, **look))).max() <= 1
    for at, seed in enumerate((1, 2), 1):
        assert np.abs(cells[at, 0] - post(client, "frame", recipe=recipe(seed=seed, **look))).max() <= 1
    mixed = recipe(seed=4, b={"seed": 2}, layer_t=layers, **look)
    assert np.abs(cells[2, 2] - post(client, "frame", recipe=mixed)).max() <= 1
    both = [post(client, "mixgrid", **body, layer_t=[share] * 6) for share in (0.0, 1.0)]
    assert np.array_equal(both[0][16:32, 16:], both[0][:16, 16:]), "no layer from the rows: the columns themselves"
    assert np.array_equal(both[1][16:32, 16:32], both[1][16:32, :16]), "all of them: the rows themselves"


def test_a_walk_is_closed_and_a_page_can_make_its_recipes(client):
    answer = client.get(f"/explore/walk.png?model={STYLED}&frames=12&stops=3&v=1")
    sheet = shown(answer.content)
    assert sheet.shape == (32, 128, 3) and "public" in answer.headers["cache-control"]
    truncation = post(client, "open", model=STYLED)["recipe"]["truncation"]
    for frame in (0, 1, 6, 11):  # four frames from seed to seed
        stop, share = frame // 4, frame % 4 / 4
        way = {"b": {"seed": (stop + 1) % 3}, "t": share**2 * (3 - 2 * share), "path": "spherical"} if share else {}
        wanted = post(client, "frame", recipe=recipe(seed=stop, space="z", truncation=truncation, **way))
        top, left = 16 * (frame // 8), 16 * (frame % 8)
        assert np.abs(sheet[top : top + 16, left : left + 16].astype(int) - wanted).max() <= 1
    larger = client.get(f"/explore/walk.jpg?model={PLAIN}&frames=8&stops=2&size=32")
    assert larger.headers["content-type"] == "image/jpeg" and shown(larger.content).shape == (32, 256, 3)
    for query in ("frames=1", "stops=1", "size=9999", "frames=x", "frames=5000"):
        assert client.get(f"/explore/walk.png?model={STYLED}&{query}").status_code == 400


def test_of_one_pages_waiting_requests_only_the_newest_is_drawn(app):
    studio, gate = app.state.house.studio, threading.Event()
    studio.frames.submit(gate.wait, 30)  # the thread is busy with something else
    client, answers = visit(TestClient(app)), {}

    def ask(name: str, page: str, sequence: int) -> None:
        headers = {**TOLD, "x-page": page, "x-sequence": str(sequence)}
        answers[name] = client.post("/explore/frame", headers=headers, json={"recipe": recipe()}).status_code

    threads = []
    for name, page, sequence in (("old", "p", 1), ("older", "p", 2), ("new", "p", 3), ("other", "q", 1)):
        threads.append(threading.Thread(target=ask, args=(name, page, sequence)))
        threads[-1].start()
        until(lambda: studio.frames._waiting == len(threads) + 1)
    gate.set()
    for thread in threads:
        thread.join(30)
    assert answers == {"old": 204, "older": 204, "new": 200, "other": 200}


def test_frames_do_not_wait_for_sheets_and_computations(app, client):
    studio, gate = app.state.house.studio, threading.Event()
    for lane in (studio.sheets, studio.heavy, studio.inversions):
        lane.submit(gate.wait, 30)
    assert post(client, "frame", recipe=recipe()).shape == (16, 16, 3)
    gate.set()


def test_files_and_computations_do_not_wait_for_each_other(app, client):
    studio, gate = app.state.house.studio, threading.Event()
    try:
        studio.heavy.submit(gate.wait, 30)
        answer = client.post("/explore/export", headers=TOLD, json={"kind": "png", "recipe": recipe()})
        assert answer.status_code == 200 and answer.content[:4] == b"\x89PNG"
    finally:
        gate.set()


# --- numbers and directions


def test_what_is_read_is_a_share(client):
    told = post(client, "read", recipe=recipe())
    assert set(told["attributes"]) == {"round", "brightness"} and not told["exclusive"]
    assert all(0 <= value <= 1 for value in told["attributes"].values())
    assert "train one" in refused(client, "read", recipe=recipe(PLAIN))


@pytest.mark.parametrize("method", ["gradient", "boundary", "pca", "closed-form"])
def test_directions_move_the_picture_and_state_what_they_change(client, app, method):
    found = post(client, "directions", model=STYLED, method=method, space="w")["directions"]
    assert found
    for one in found:
        assert one["method"] == method and one["space"] == "w" and one["label"]
        assert float(decode_vector(one["vector"], [8]).norm()) > 0
        assert set(one["leakage"]) == {"round", "brightness"} and all(-1 <= v <= 1 for v in one["leakage"].values())
    edit = {"name": "it", "vector": found[0]["vector"], "strength": 4.0}
    assert not np.array_equal(
        post(client, "frame", recipe=recipe(edits=[edit])), post(client, "frame", recipe=recipe())
    )
    kept = list(app.state.house.studio.cache.glob(f"{STYLED}-{method}-w-*.json"))
    assert len(kept) == 1 and json.loads(kept[0].read_text()) == found


def test_kept_directions_are_used_and_damaged_ones_found_anew(client, app):
    studio = app.state.house.studio
    found = post(client, "directions", model=STYLED, method="pca", space="w")
    (file,) = studio.cache.glob(f"{STYLED}-pca-w-*.json")
    opened = studio.open(STYLED, "")
    changed = [{**found["directions"][0], "label": "from the disk"}]
    for text, wanted in ((json.dumps(changed), changed), ("{", found["directions"]), ("[1]", found["directions"])):
        opened.results.clear()
        file.write_text(text)
        assert post(client, "directions", model=STYLED, method="pca", space="w")["directions"] == wanted


def test_a_model_without_a_reader_has_directions_too(client):
    for method in ("pca", "closed-form"):
        found = post(client, "directions", model=PLAIN, method=method)["directions"]
        assert found and found[0]["space"] == "z" and found[0]["leakage"] is None
    assert "classifier" in refused(client, "directions", model=PLAIN, method="gradient")
    assert "w" in refused(client, "directions", model=STYLED, method="pca", space="z")
    assert "Did you mean 'gradient'" in refused(client, "directions", model=STYLED, method="gradiant")


def test_a_direction_can_be_taught(client):
    up, down = [{"seed": i} for i in range(3)], [{"seed": i} for i in range(3, 7)]
    told = post(client, "teach", recipe=recipe(), up=up, down=down, name="nice")["direction"]
    assert (told["name"], told["method"], told["space"]) == ("nice", "taught", "w")
    opposite = post(client, "teach", recipe=recipe(), up=down, down=up)["direction"]
    vectors = [decode_vector(one["vector"], [8]) for one in (told, opposite)]
    assert torch.allclose(vectors[0], -vectors[1], atol=1e-5)
    assert "at least 3" in refused(client, "teach", recipe=recipe(), up=up[:2], down=down)
    assert "60 characters" in refused(client, "teach", recipe=recipe(), up=up, down=down, name="x" * 61)


def test_steering_walks_towards_its_target(client):
    body = {"recipe": recipe(seed=2, truncation=0.9), "steps": 12, "step_size": 0.5, "hold": None}
    before = post(client, "read", recipe=body["recipe"])["attributes"]
    for target in (0.0, 1.0):
        told = post(client, "steer", **body, targets={"round": target})
        way = told["readings"]["round"]
        assert len(way) == len(told["path"]) <= 13 and way[0] == pytest.approx(before["round"], abs=1e-3)
        assert (way[-1] - way[0]) * (target - 0.5) > 0, "it moves the right way"
        after = post(client, "read", recipe=told["recipe"])["attributes"]["round"]
        assert after == pytest.approx(way[-1], abs=1e-3), "the recipe draws what the path says"
        assert told["recipe"]["truncation"] == 0.9 and told["recipe"]["b"] is None and not told["recipe"]["edits"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": {}}, "at least one"), ({"targets": None}, "targets"), ({"targets": {"rond": 1}}, "round"),
        ({"targets": {"round": 2}}, "from 0 to 1"), ({"targets": {"round": "much"}}, "number"),
        ({"steps": 0}, "steps"), ({"steps": 1.5}, "whole"), ({"steps": 1e9}, "steps"), ({"step_size": -1}, "step_size"),
        ({"hold": ["nothing"]}, "nothing"), ({"hold": 5}, "hold"), ({"hold_weight": True}, "hold_weight"),
        ({"layers": "x"}, "layers"), ({"layers": [4, 9]}, "layers"), ({"reader": "x"}, "no classifier 'x'"),
    ],
)  # fmt: skip
def test_wrong_wishes_for_steering_get_a_sentence(client, change, words):
    assert words in refused(client, "steer", **{"recipe": recipe(), "targets": {"round": 1}, **change})


def test_what_goes_together_is_measured(client):
    told = post(client, "correlation", model=STYLED, target="brightness")
    assert told["target"] == "brightness" and told["names"] == ["round", "brightness"]
    assert told["change"][1] == pytest.approx(1, abs=1e-3) and told["natural"][1] == pytest.approx(1, abs=1e-3)
    assert len(told["points"]) == len(told["strengths"]) >= 48
    assert "brightness" in refused(client, "correlation", model=STYLED, target="brightnes")
    for wrong in (None, 5, ["round"], ""):
        assert "target" in refused(client, "correlation", model=STYLED, target=wrong)


def test_both_spaces_are_scored(client):
    spaces = post(client, "disentanglement", model=STYLED)["spaces"]
    assert [one["space"] for one in spaces] == ["z", "w"]
    for one in spaces:
        assert one["count"] == 1000 and "brightness" in one["factors"]
        shares = [one[name] for name in ("disentanglement", "completeness", "informativeness")]
        assert all(-1e-5 <= share <= 1 + 1e-5 for share in shares), shares


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_places_every_seed(client, method):
    told = post(client, "map", model=STYLED, method=method, space="w", count=40, seed=7)
    assert told["seeds"] == list(range(7, 47)) and len(told["x"]) == len(told["y"]) == len(told["colour"]) == 40
    assert max(map(abs, told["x"] + told["y"])) == pytest.approx(1, abs=1e-5) and told["labels"] is None
    read = post(client, "map", model=STYLED, method=method, space="w", count=40, attribute="round")
    assert read["colour_name"] == "round" and read["colour"][5] == pytest.approx(
        post(client, "read", recipe=recipe(seed=5))["attributes"]["round"], abs=1e-3
    )
    for wrong in ({"method": "umap"}, {"count": 2}, {"count": 10**6}, {"space": "x"}, {"attribute": "x"}):
        refused(client, "map", **{"model": STYLED, "method": method, "count": 40, **wrong})


# --- recipes


def test_a_baked_recipe_draws_the_same_picture(client):
    mixed = recipe(seed=1, b={"seed": 2}, t=0.3, truncation=0.8)
    baked = post(client, "bake", recipe=mixed)["recipe"]
    assert baked["b"] is None and "vector" in baked["a"] and baked["model"] == STYLED
    assert np.abs(post(client, "frame", recipe=baked).astype(int) - post(client, "frame", recipe=mixed)).max() <= 1


def test_a_link_replays_the_recipe(client):
    whole = post(client, "bake", recipe=recipe(seed=9))["recipe"]
    link = post(client, "link", recipe=whole)["link"]
    assert link.startswith("#explore?r=")
    for text in (link, link.partition("r=")[2]):
        assert post(client, "unlink", r=text)["recipe"] == whole
    for text in ("", "#explore?r=", "nonsense", None, 5, link[:-20]):
        refused(client, "unlink", r=text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sede": 1}, "sede"), ({"a": None}, "point"), ({"a": {"seed": -1}}, "seed"), ({"a": {"seed": 1, "x": 2}}, "x"),
        ({"a": {"vector": "!!"}}, "base64"), ({"a": {"vector": encode_vector(torch.ones(5))}}, "another model"),
        ({"t": 9}, "t"), ({"space": "v"}, "space"), ({"noise": "loud"}, "noise"), ({"truncation": "x"}, "runcation"),
        ({"edits": [{"name": "x"}]}, "vector"), ({"layer_t": [1]}, "layer_t"), ({"format": 99}, "format"),
    ],
)  # fmt: skip
def test_wrong_recipes_get_a_sentence(client, change, words):
    assert words in refused(client, "frame", recipe={**recipe(), **change})
    assert words in refused(client, "link", recipe={**recipe(), **change})


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, {"model": STYLED}, {"model": 5, "a": {"seed": 1}}])
def test_what_is_no_recipe_gets_a_sentence(client, wrong):
    answer = client.post("/explore/frame", headers=TOLD, json={"recipe": wrong})
    assert answer.status_code in (400, 404) and answer.json()["error"].endswith(".")


def test_long_requests_are_refused(client):
    answer = client.post("/explore/frame", headers=TOLD, content=b" " * 2**20)
    assert answer.status_code == 413
    many = [recipe(seed=i) for i in range(65)]
    assert "64" in refused(client, "strip", recipes=many)
    assert "cells" in refused(client, "mixgrid", model=STYLED, rows=[{"seed": 1}] * 30, columns=[{"seed": 1}] * 30)
    assert "Only style-based" in refused(client, "mixgrid", model=PLAIN, rows=[{"seed": 1}], columns=[{"seed": 1}])


# --- files


def exported(client: TestClient, kind: str, **body: Any) -> bytes:
    answer = client.post("/explore/export", headers=TOLD, json={"kind": kind, "recipe": recipe(seed=6), **body})
    assert answer.status_code == 200, answer.text
    assert f'.{kind}"' in answer.headers["content-disposition"]
    return answer.content


def test_a_picture_a_latent_and_a_recipe_can_be_taken_away(client, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    picture = shown(exported(client, "png", size=64))
    assert picture.shape == (64, 64, 3)
    small = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BOX)).astype(int)
    same, other = (np.abs(small - post(client, "frame", recipe=recipe(seed=seed))).mean() for seed in (6, 7))
    assert same < 0.5 * other, "enlarged, the same picture"
    latent = np.load(io.BytesIO(exported(client, "npy")), allow_pickle=False)
    assert latent.shape == (8,) and latent.dtype == np.float32
    replayed = recipe(a={"vector": encode_vector(torch.from_numpy(latent)), "space": "w"})
    assert np.array_equal(post(client, "frame", recipe=replayed), post(client, "frame", recipe=recipe(seed=6)))
    saved = json.loads(exported(client, "json"))
    assert np.array_equal(post(client, "frame", recipe=saved), post(client, "frame", recipe=recipe(seed=6)))
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize("kind", ["gif", "mp4", "webp"])
def test_animations_go_from_one_picture_to_another(client, kind):
    body = {"to": recipe(seed=7), "frames": 6, "fps": 10}
    frames = read_all(exported(client, kind, size=33, **body), kind)
    assert len(frames) == 6 and frames.shape[1:3] == ((34, 34) if kind == "mp4" else (33, 33)), "even sides in a video"
    there_and_back = read_all(exported(client, kind, size=32, boomerang=True, **body), kind)
    assert len(there_and_back) == 10
    walked = read_all(exported(client, kind, size=32, frames=9, walk=[1, 2, 3]), kind)
    assert len(walked) == 9


def read_all(content: bytes, kind: str) -> np.ndarray:
    if kind == "mp4":
        return iio.imread(content, extension=".mp4")
    with Image.open(io.BytesIO(content)) as file:
        frames = []
        for at in range(file.n_frames):
            file.seek(at)
            frames.append(np.asarray(file.convert("RGB")))
    return np.stack(frames)


def test_a_blend_moves_by_itself(client):
    blend = recipe(seed=1, b={"seed": 2}, t=0.5)
    frames = read_all(exported(client, "webp", recipe=blend, frames=4, size=16), "webp")
    ends = [post(client, "frame", recipe={**blend, "t": t}) for t in (0.0, 1.0)]
    assert all(np.abs(frames[at].astype(int) - end).mean() < 20 for at, end in ((0, ends[0]), (3, ends[1])))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "exe"}, "kind"), ({"kind": "gif"}, "second picture"), ({"kind": "png", "size": 5000}, "size"),
        ({"kind": "gif", "to": recipe(), "frames": 100_000}, "frames"), ({"kind": "mp4", "walk": [1]}, "walk"),
        ({"kind": "gif", "to": recipe(), "frames": 480, "size": 1024}, "at most 373"),
        ({"kind": "gif", "to": recipe(), "fps": 1000}, "fps"), ({"kind": "mp4", "walk": [1, -2]}, "seed"),
        ({"kind": "gif", "to": recipe(PLAIN)}, "one model"), ({"kind": "gif", "to": {"sede": 1}}, "sede"),
    ],
)  # fmt: skip
def test_wrong_exports_get_a_sentence(client, body, words):
    assert words in refused(client, "export", **{"recipe": recipe(), **body})


# --- a picture of one's own


def png(size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(buffer, options.pop("kind", "PNG"), **options)
    return buffer.getvalue()


def upload(client: TestClient, data: bytes, query: str = f"model={STYLED}&steps=3", form: bool = False) -> Any:
    if form:
        return client.post(f"/explore/invert?{query}", headers=TOLD, files={"file": ("me.png", data)})
    return client.post(f"/explore/invert?{query}", headers=TOLD, content=data)


@pytest.mark.parametrize("form", [False, True])
def test_a_picture_of_ones_own_is_found_in_the_model(client, form):
    number = upload(client, png(), form=form).json()["job"]
    address = f"/explore/jobs/{number}"
    told = until(lambda: (one := client.get(address).json())["state"] != "running" and one)
    assert told["state"] == "done" and told["step"] == told["total"] == 3 and told["model"] == STYLED
    assert told["distance"] <= told["start_distance"] and told["measure"] == "pixels"
    assert post(client, "frame", recipe=told["recipe"]).shape == (16, 16, 3)
    assert shown(client.get(f"{address}/original.png").content).shape == (16, 16, 3)
    assert len(decode_vector(told["recipe"]["a"]["vector"], [48])) == 48, "one style a layer"
    stranger = visit(TestClient(client.app))
    for path in (address, f"{address}/original.png", "/explore/jobs/x"):
        assert stranger.get(path).status_code == 404
    assert stranger.post(f"{address}/cancel", headers=TOLD, json={}).status_code == 404


def test_one_style_for_all_layers_and_a_class(client):
    number = upload(client, png(), f"model={STYLED}&steps=2&per_layer=0").json()["job"]
    told = until(lambda: (one := client.get(f"/explore/jobs/{number}").json())["state"] == "done" and one)
    assert len(decode_vector(told["recipe"]["a"]["vector"], [8])) == 8
    number = upload(client, png(), f"model={PLAIN}&steps=2&label=1").json()["job"]
    told = until(lambda: (one := client.get(f"/explore/jobs/{number}").json())["state"] == "done" and one)
    assert told["recipe"]["a"]["label"] == 1 and len(told["recipe"]["a"]["codes"]) == 4


def test_a_search_can_be_cancelled(client):
    number = upload(client, png(), f"model={STYLED}&steps=2000").json()["job"]
    address = f"/explore/jobs/{number}"
    until(lambda: client.get(address).json()["step"] >= 1)
    assert client.get(address).json()["recipe"], "the best so far can be looked at"
    client.post(f"{address}/cancel", headers=TOLD, json={})
    told = until(lambda: (one := client.get(address).json())["state"] != "running" and one)
    assert told["state"] == "cancelled" and told["recipe"] and told["step"] < 2000


def test_an_animated_gif_gives_its_first_frame(client):
    frames = [Image.new("L", (20, 20), level) for level in (255, 0)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    number = upload(client, buffer.getvalue()).json()["job"]
    assert shown(client.get(f"/explore/jobs/{number}/original.png").content).min() == 255


@pytest.mark.parametrize("form", [False, True])
def test_what_is_no_picture_gets_a_sentence(client, form):
    cases = {b"": 400, b"no picture": 400, png()[:200]: 400, b"GIF89a": 400, bytes(21 * 2**20): 413}
    for data, status in cases.items():
        answer = upload(client, data, form=form)
        assert answer.status_code == status and answer.json()["error"].endswith("."), data[:20]
        assert "/tmp" not in answer.text and "Traceback" not in answer.text


def test_a_huge_picture_in_a_small_file_is_refused(client):
    buffer = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 2**20
    answer = upload(client, buffer.getvalue())
    assert answer.status_code == 400 and "million" in answer.json()["error"]


@pytest.mark.parametrize("query", ["", "model=nothing", f"model={STYLED}&steps=x", f"model={STYLED}&steps=99999"])
def test_wrong_searches_get_a_sentence(client, query):
    answer = upload(client, png(), query)
    assert answer.status_code in (400, 404) and answer.json()["error"].endswith(".")


def test_forms_that_can_not_be_read_get_a_sentence(client):
    for kind, body in (("multipart/form-data", b"x"), ("multipart/form-data; boundary=b", b"--c\r\n\r\n--c--")):
        headers = {**TOLD, "content-type": kind}
        answer = client.post(f"/explore/invert?model={STYLED}", headers=headers, content=body)
        assert answer.status_code == 400 and answer.json()["error"].endswith(".")


def test_nobody_without_a_cookie_can_leave_anything(app):
    nobody = TestClient(app)
    for path in (f"invert?model={STYLED}", "upload_model"):
        answer = nobody.post(f"/explore/{path}", headers=TOLD, content=png())
        assert answer.status_code == 400 and "cookie" in answer.json()["error"]
    assert nobody.post("/explore/frame", headers=TOLD, json={"recipe": recipe()}).status_code == 200


# --- an uploaded model


def test_an_uploaded_model_is_explored_by_its_owner(app, shipped, tmp_path):
    client, stranger = visit(TestClient(app)), visit(TestClient(app))
    data = zip_folder(shipped / STYLED, tmp_path / "model.zip").read_bytes()
    file = {"file": ("My faces.zip", data)}
    key = client.post("/explore/upload_model", headers=TOLD, files=file).json()["key"]
    row = next(row for row in client.get("/explore/models").json()["models"] if row["key"] == key)
    assert row["title"] == "My faces" and row["kind"] == "upload"
    drawn = post(client, "frame", recipe={**recipe(seed=2), "model": key})
    assert np.array_equal(drawn, post(client, "frame", recipe=recipe(seed=2)))
    assert "private" in client.get("/" + row["thumb"]).headers["cache-control"]
    assert key not in stranger.get("/explore/models").text
    assert "no model" in refused(stranger, "frame", 404, recipe={**recipe(), "model": key})


def test_a_bad_model_gets_a_sentence(client, shipped, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(shipped / STYLED / "config.json", "config.json")
    for data, words in ((b"x", "not a zip"), (buffer.getvalue(), "lacks model.safetensors")):
        answer = client.post("/explore/upload_model", headers=TOLD, content=data)
        assert answer.status_code == 400 and words in answer.json()["error"]
    reader = zip_folder(shipped / FACES_READER, tmp_path / "reader.zip").read_bytes()
    answer = client.post("/explore/upload_model", headers=TOLD, content=reader)
    assert answer.status_code == 400 and "classifier" in answer.json()["error"]


# --- whose pictures


POSTS = (
    "open", "frame", "strip", "read", "directions", "teach", "steer", "correlation", "disentanglement", "map", "bake",
    "link", "unlink", "export", "mixgrid", "upload_model", "invert", "jobs/{number}/cancel",
)  # fmt: skip
GETS = ("models", "walk.png", "walk.jpg", "thumb.png", "jobs/{number}", "jobs/{number}/original.png")
#: those that speak of a model
OF_MODELS = tuple(path for path in POSTS if path not in ("unlink", "upload_model", "jobs/{number}/cancel", "invert"))


def test_the_lists_of_routes_above_are_complete(app):
    ours = {(route.path.removeprefix("/explore/"), *route.methods) for route in app.routes if hasattr(route, "methods")}
    ours = {one for one in ours if not one[0].startswith("/")}
    assert ours == {(path, "POST") for path in POSTS} | {(path, "GET") for path in GETS}


@pytest.fixture(scope="module")
def training(app: Any, pictures: Path) -> Iterator[tuple[TestClient, Any]]:
    """(client, session) of a training that goes on and belongs to the client's browser."""
    client = visit(TestClient(app))
    owner = owner_of_browser(client.cookies[COOKIE])
    session = app.state.house.manager.start("dcgan", str(pictures), TINY, owner=owner)
    until(lambda: session.snapshot().step >= 2 or session.state == "failed")
    yield client, session
    session.stop()
    session.join(60)


def test_a_model_in_training_opens_and_is_followed(training):
    client, session = training
    told = post(client, "open", model=session.key)
    assert told["live"] and told["kind"] == "live" and told["step"] >= 2
    row = next(row for row in client.get("/explore/models").json()["models"] if row["key"] == session.key)
    assert row["kind"] == "live"

    def step() -> int:
        body = {"recipe": told["recipe"]}
        return int(client.post("/explore/frame", headers=TOLD, json=body).headers["x-step"])

    first = step()
    assert until(lambda: step() > first), "its pictures follow what it learns"


@pytest.mark.parametrize("path", OF_MODELS)
def test_a_run_is_hidden_from_other_browsers(training, path):
    _, session = training
    stranger, nobody = visit(TestClient(training[0].app)), TestClient(training[0].app)
    for other in (stranger, nobody):
        for key in (session.key, f"{session.key}~guess", "no-such-run", "../runs"):
            one = {**recipe(), "model": key}
            body = {"model": key, "recipe": one, "recipes": [one], "target": "x", "targets": {"x": 1}}
            assert "no model" in refused(other, path, 404, **body)
    for path in ("walk.png", "thumb.png"):
        assert stranger.get(f"/explore/{path}?model={session.key}").status_code == 404
    assert upload(stranger, png(), f"model={session.key}").status_code == 404


@pytest.mark.parametrize("path", POSTS)
def test_another_site_can_ask_for_nothing(client, path):
    answer = client.post(f"/explore/{path.format(number='x')}", json={"recipe": recipe(), "model": STYLED})
    assert answer.status_code == 403 and "header" in answer.json()["error"]


def test_strangers_are_sent_away_where_people_sign_in(shipped, tmp_path):
    manager, app = serving(tmp_path, [("ann", "word")])
    try:
        client = visit(TestClient(app))
        for path in GETS:
            answer = client.get(f"/explore/{path.format(number='x')}?model={STYLED}")
            assert answer.status_code == 401 and "sign in" in answer.json()["error"]
        for path in POSTS:
            body = {"recipe": recipe(), "model": STYLED}
            answer = client.post(f"/explore/{path.format(number='x')}", headers=TOLD, json=body)
            assert answer.status_code == 401
        assert client.post("/login", data={"username": "ann", "password": "word"}).status_code == 200
        assert post(client, "frame", recipe=recipe()).shape == (16, 16, 3)
        assert "private" in client.get(f"/explore/thumb.png?model={STYLED}&v=1").headers["cache-control"]
    finally:
        app.state.house.studio.close()
        manager.close()


def test_every_part_of_script_and_style_is_served(client):
    home = client.get("/", headers=PAGE).text
    for served, suffix in ((SCRIPT, ".js"), (STYLE, ".css")):
        text = client.get(f"/ui/{served}").text
        assert f"ui/{served}?v=" in home
        for part in (file for file in STATIC.iterdir() if file.suffix == suffix):
            assert part.read_text() in text, f"{part.name} is missing from {served}"


# --- the same for programs


@pytest.fixture
def endpoints(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[..., Any]]:
    monkeypatch.setattr(api, "get_upload_folder", lambda: str(tmp_path))
    return {name: function for name, (function, _) in api._exploring(app.state.house).items()}


def opened_file(row: dict[str, Any]) -> np.ndarray:
    assert row["meta"] == {"_type": "gradio.FileData"}
    return np.asarray(Image.open(row["path"]).convert("RGB"))


def test_the_endpoint_interpolate(endpoints, client):
    drawn = [opened_file(row) for row in endpoints["interpolate"](STYLED, 3, json.dumps(recipe(seed=4)), count=5)]
    assert len(drawn) == 5 and len({one.tobytes() for one in drawn}) == 5
    assert np.abs(drawn[-1].astype(int) - post(client, "frame", recipe=recipe(seed=4))).max() <= 1
    for wrong in ({"count": 1}, {"count": 65}, {"path": "x"}, {"recipe_from": -1}, {"recipe_to": "{"}, {"model": "x"}):
        with pytest.raises(UsageError):
            endpoints["interpolate"](**{"model": STYLED, **wrong})


def test_the_endpoint_steer(endpoints):
    told = endpoints["steer"](STYLED, '{"round": 1}', recipe=3, steps=4, hold=None)
    assert set(told) == {"before", "after", "recipe", "readings", "names", "reached"}
    assert not np.array_equal(opened_file(told["before"]), opened_file(told["after"]))
    assert told["readings"]["round"][-1] > told["readings"]["round"][0]
    for wrong in ({"targets": "{"}, {"targets": {"x": 1}}, {"model": PLAIN}, {"reader": "x"}, {"steps": -1}):
        with pytest.raises(UsageError):
            endpoints["steer"](**{"model": STYLED, "targets": {"round": 1}, **wrong})


def test_the_endpoint_mix(endpoints, client):
    drawn = [opened_file(row) for row in endpoints["mix"](STYLED, [1, 2], [3, 4, 5], layers="coarse")]
    assert len(drawn) == 6
    wanted = post(client, "frame", recipe=recipe(seed=4, b={"seed": 2}, layer_t=[1.0] * 4 + [0.0] * 2))
    assert np.abs(drawn[4].astype(int) - wanted).max() <= 1, "row by row"
    for wrong in ({"layers": "fine"}, {"layers": [5, 9]}, {"sources": []}, {"sources": 3}, {"sources": [1] * 65}):
        with pytest.raises(UsageError):
            endpoints["mix"](**{"model": STYLED, "sources": [1], "destinations": [2], **wrong})


def test_the_endpoint_invert(endpoints, client, tmp_path):
    (tmp_path / "me.png").write_bytes(png())
    file = {"path": str(tmp_path / "me.png"), "meta": {"_type": "gradio.FileData"}}
    told = endpoints["invert"](STYLED, file, steps=2)
    assert opened_file(told["original"]).shape == (16, 16, 3) and told["psnr"] >= told["start_psnr"] - 1e-6
    drawn = post(client, "frame", recipe=json.loads(told["recipe"]))
    assert np.abs(opened_file(told["picture"]).astype(int) - drawn).max() <= 1
    for wrong in ({"steps": -1}, {"steps": 10**6}, {"picture": "me.png"}, {"picture": {"path": "/etc/passwd"}}):
        with pytest.raises(UsageError):
            endpoints["invert"](**{"model": STYLED, "picture": file, **wrong})


def test_programs_may_bring_a_model(endpoints, shipped, tmp_path):
    path = zip_folder(shipped / STYLED, tmp_path / "model.zip")
    upload = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    own, theirs = (endpoints["interpolate"](model, 0, 1, count=2) for model in (upload, STYLED))
    assert np.array_equal(opened_file(own[0]), opened_file(theirs[0]))


def test_the_endpoints_have_their_stable_names(app):
    with ThreadPoolExecutor(1) as fresh:  # browser tests leave an event loop running in the main thread
        names = {endpoint["api_name"] for endpoint in fresh.submit(lambda: asyncio.run(described(app))).result()}
    assert {"interpolate", "steer", "mix", "invert", "generate", "models"} <= names


async def described(app: Any) -> list[dict[str, Any]]:
    blocks = next(route.app for route in app.routes if hasattr(getattr(route, "app", None), "get_blocks")).get_blocks()
    return [dict(dependency) for dependency in blocks.config["dependencies"] if dependency["api_name"]]
