"""The routes of the Lab tab: a lab is opened, told, looked at and closed by its owner alone; errors are sentences."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest
from fastapi.testclient import TestClient

from playground.session import SessionManager
from playground.ui.build import build_app
from playground.ui.lab_routes import packed

SMALL = {"width": 16, "layers": 2, "batch_size": 64}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labs")
    app = build_app(SessionManager(folder / "runs"), folder / "data")
    yield app


@pytest.fixture
def page(app):
    with TestClient(app, headers={"X-Playground": "1"}) as client:
        client.get("/", headers={"accept": "text/html"})  # brings the cookie
        yield client
    app.state.house.labs.close()  # each test is another browser, and labs are few


def unpacked(text: str) -> np.ndarray:
    kind, _, data = text.partition(":")
    return np.frombuffer(base64.b64decode(data), {"f32": "<f4", "u8": np.uint8}[kind])


def opened(page, **options) -> dict:
    answer = page.post("/labs/open", json={"kind": "arena", "knobs": SMALL, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_lab_is_opened_run_looked_at_and_closed(page):
    lab = opened(page, presets=["vanilla-gan", "wgan-gp"])
    assert len(lab["facts"]["contestants"]) == 2 and lab["facts"]["data"]["name"] == "ring"
    assert unpacked(lab["facts"]["data"]["real"]).size % 2 == 0
    assert page.post("/labs/do", json={"lab": lab["lab"], "do": "run"}).json()["ok"]
    seen, steps = 0, []
    for _ in range(4):
        answer = page.get("/labs/frame", params={"lab": lab["lab"], "seen": seen, "layers": "fake,surface"})
        frame = answer.json()
        assert answer.headers["cache-control"] == "no-store" and frame["tick"] > seen
        seen = frame["tick"]
        first = frame["contestants"][0]
        assert "arrows" not in first and np.isfinite(unpacked(first["fake"])).all()
        assert unpacked(first["surface"]).size == first["surface_size"] ** 2
        steps.append(first["step"])
    assert steps == sorted(steps) and steps[-1] > steps[0]
    assert page.post("/labs/close", json={"lab": lab["lab"]}).json()["ok"]
    gone = page.get("/labs/frame", params={"lab": lab["lab"]})
    assert gone.status_code == 404 and "open it again" in gone.json()["error"]


def test_a_lab_belongs_to_its_owner(app, page):
    lab = opened(page)
    with TestClient(app, headers={"X-Playground": "1"}) as stranger:
        stranger.get("/", headers={"accept": "text/html"})
        answer = stranger.post("/labs/do", json={"lab": lab["lab"], "do": "run"})
    assert answer.status_code == 404
    with TestClient(app, headers={"X-Playground": "1"}) as nobody:
        answer = nobody.post("/labs/open", json={"kind": "arena"})
    assert answer.status_code == 400 and "cookie" in answer.json()["error"]
    assert page.post("/labs/do", json={"lab": lab["lab"], "do": "pause"}).status_code == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "areena"}, "arena"),
        ({"kind": ["arena"]}, "arena"),
        ({"data": "rings"}, "ring"),
        ({"presets": "vanilla-gan"}, "Between one and"),
        ({"presets": ["vanila-gan"]}, "vanilla-gan"),
        ({"colour": "red"}, "does not know one of these options"),
        ({"knobs": {"width": "wide"}}, "width must be a number"),
        ({"data": "drawing", "drawing": [[0, 0], [1, 1]]}, "at least 3 points"),
        ({"data": "drawing", "drawing": [[0, 0]] * 5}, "same place"),
        ({"data": "drawing", "drawing": {"x": 1}}, "list of points"),
    ],
)
def test_what_can_not_be_opened_says_why(page, options, words):
    answer = page.post("/labs/open", json={"kind": "arena", **options})
    assert answer.status_code == 400 and words in answer.json()["error"]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"do": "fly"}, "Unknown command"),
        ({}, "Unknown command"),
        ({"do": "knob", "name": ["width"], "value": 5}, "knob of the lab"),
        ({"do": "step", "phase": {}}, "phase"),
        ({"do": "preset", "contestant": 0, "preset": 7}, "preset for points"),
        ({"do": "data", "data": []}, "point set"),
        ({"do": "speed", "steps_per_second": "fast"}, "Steps a second"),
        ({"do": "run", "fast": True}, "does not take these arguments"),
        ({"do": "knob", "name": "learning_rate_g", "value": 5}, "must lie between"),
        ({"do": "remove", "contestant": 3}, "no contestant 3"),
    ],
)
def test_wrong_orders_are_answered_with_a_sentence_and_the_lab_lives_on(page, order, words):
    lab = opened(page)["lab"]
    answer = page.post("/labs/do", json={"lab": lab, **order})
    assert answer.status_code == 400 and words in answer.json()["error"]
    assert page.post("/labs/do", json={"lab": lab, "do": "step"}).status_code == 200


def test_requests_from_other_sites_are_refused(page):
    assert page.post("/labs/open", json={"kind": "arena"}, headers={"X-Playground": ""}).status_code == 403


def test_arrays_travel_as_text_wherever_they_are():
    told = packed({"a": [np.array([1.5, -2.0])], "b": np.array([[1, 255]], np.uint8), "c": (math.pi, None, "x")})
    assert np.array_equal(unpacked(told["a"][0]), [1.5, -2.0]) and np.array_equal(unpacked(told["b"]), [1, 255])
    assert told["c"] == [math.pi, None, "x"]
