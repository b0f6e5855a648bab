"""The routes of the minimax game and the divergence explorer: right numbers out, sentences for what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from playground.labs.game import MAX_STEPS, WAYS
from playground.session import SessionManager
from playground.ui.build import build_app

TOLD = {"x-playground": "1"}
GAME = {"methods": ["alternating", "simultaneous"], "start": [1.0, 0.5], "rate": 0.2, "steps": 40}
PAIR = {"p": {"means": [0], "sigmas": [1], "weights": [1]}, "q": {"means": [3], "sigmas": [1], "weights": [1]}}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("app")
    manager = SessionManager(folder / "runs", folder / "data", "cpu")
    app = build_app(manager, folder / "data")
    client = TestClient(app)
    assert client.get("/", headers={"accept": "text/html"}).status_code == 200
    yield client
    app.state.house.studio.close()
    manager.close()


def ask(client: TestClient, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    answer = client.post(f"/labs/{path}", json=body, headers=TOLD)
    assert answer.status_code == status, answer.text[:300]
    return answer.json()


def test_a_game_comes_with_its_closed_form(client):
    found = ask(client, "game", GAME)["methods"]
    assert [one["name"] for one in found] == GAME["methods"]
    alternating, simultaneous = found
    x, y = np.array(alternating["points"]).T
    assert len(x) == 41 and np.allclose(x**2 + y**2 - 0.2 * x * y, 1.25 - 0.1, atol=1e-5)
    assert alternating["verdict"] == "cycles" and len(alternating["ellipse"]) == 2
    assert np.allclose(simultaneous["predicted"], math.hypot(1, 0.5) * 1.04 ** (np.arange(41) / 2))
    assert np.allclose(simultaneous["radii"], simultaneous["predicted"], rtol=1e-5)
    assert simultaneous["verdict"] == "diverges" and simultaneous["spectral_radius"] == pytest.approx(1.04**0.5)
    assert simultaneous["matrix"] == [[1.0, pytest.approx(-0.2)], [pytest.approx(0.2), 1.0]]
    assert np.allclose(sorted(simultaneous["eigenvalues"]), [[1, -0.2], [1, 0.2]])


def test_all_methods_are_played_where_none_is_named(client):
    body = {"start": [0, 2], "rate": 3, "steps": MAX_STEPS, "a": 0.5, "b": 0.25, "gamma": 2}
    found = ask(client, "game", body)["methods"]
    assert [one["name"] for one in found] == list(WAYS)
    lost = next(one for one in found if one["name"] == "simultaneous")
    assert lost["points"][-1] == [None, None] and lost["radii"][-1] is None and lost["points"][1] != [None, None]


def test_two_gaussians_are_compared(client):
    found = ask(client, "divergence", PAIR | {"sweep": [-8, 8], "window": [-5, 8]})
    assert found["value"]["kl"] == pytest.approx(4.5) == found["closed"]["kl"]
    assert found["value"]["w1"] == pytest.approx(3) and found["shift"]["w1"] == pytest.approx(1)
    assert found["shift"]["kl"] == pytest.approx(3) and found["scale"]["kl"] == pytest.approx(1 - 10)
    x = np.array(found["x"])
    assert x[0] == -5 and x[-1] == 8 and x.shape == (401,)
    p, q = np.array(found["p"]), np.array(found["q"])
    assert np.allclose(found["discriminator"], p / (p + q), atol=1e-5)
    assert set(found["gradients"]) == set(found["vanishing"]) == {"saturating", "non_saturating", "wasserstein"}
    assert set(found["gradients"]["wasserstein"]) == {1.0}, "all of Q is right of P"
    sweep = found["sweep"]
    assert sweep["shift"][0] == -8 and len(sweep["shift"]) == len(sweep["js"]) == 41
    assert np.allclose(sweep["w1"], np.abs(np.array(sweep["shift"]) + 3), atol=1e-5)


def test_a_comparison_needs_no_more_than_the_two(client):
    pair = {"p": {"means": [-2, 2], "sigmas": [0.5, 0.5]}, "q": PAIR["q"]}
    found = ask(client, "divergence", pair)
    assert "sweep" not in found and found["value"]["w2"] is found["shift"]["w2"] is None and found["closed"] == {}
    assert found["x"][0] == -4.5 and found["x"][-1] == 8
    same = ask(client, "divergence", {"p": pair["p"], "q": pair["p"]})
    assert same["vanishing"]["saturating"]["share"] is None and same["shift"]["w1"] is None


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("game", {}, 'lacks "start"'),
        ("game", GAME | {"methods": []}, "1 to 7 names"),
        ("game", GAME | {"methods": "alternating"}, "list"),
        ("game", GAME | {"methods": ["extra-gradient"]}, "Did you mean 'extragradient'?"),
        ("game", GAME | {"methods": [["x"]]}, "Unknown method"),
        ("game", GAME | {"rate": 0}, "above 0"),
        ("game", GAME | {"rate": None}, "finite number"),
        ("game", GAME | {"steps": MAX_STEPS + 1}, "between 1 and 1000"),
        ("game", GAME | {"steps": 1e400}, "whole number"),
        ("game", GAME | {"start": [1]}, "two numbers"),
        ("game", GAME | {"start": ["1", 0]}, "finite number"),
        ("game", GAME | {"a": -1}, "curvature a"),
        ("game", GAME | {"speed": 1}, "no 'speed'"),
        ("divergence", {}, "Give P as"),
        ("divergence", {"p": PAIR["p"]}, "Give Q as"),
        ("divergence", PAIR | {"q": {"means": [0]}}, "sigmas of Q"),
        ("divergence", PAIR | {"q": {"means": [0] * 5, "sigmas": [1] * 5}}, "means of Q"),
        ("divergence", PAIR | {"p": {"means": [0], "sigmas": [0]}}, "sigmas of P"),
        ("divergence", PAIR | {"p": {"means": [0], "sigmas": [1], "mode": 1}}, "no 'mode' in P"),
        ("divergence", PAIR | {"sweep": [1]}, "two numbers"),
        ("divergence", PAIR | {"sweep": [5, -5]}, "end above"),
        ("divergence", PAIR | {"sweep": [-500, 5]}, "between -60 and 60"),
        ("divergence", PAIR | {"window": [0, "x"]}, "finite number"),
        ("divergence", PAIR | {"r": 1}, "no 'r'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(client, path: str, body: dict, says: str):
    body = {name: value if value != math.inf else "inf" for name, value in body.items()}
    said = ask(client, path, body, 400)["error"]
    assert says in said and said.endswith((".", "?")) and "Traceback" not in said and len(said) < 300


def test_only_the_apps_own_page_may_ask(client):
    for path in ("game", "divergence"):
        assert client.post(f"/labs/{path}", json={}).status_code == 403
        assert client.post(f"/labs/{path}", content=b"{", headers=TOLD).status_code == 400
        assert client.post(f"/labs/{path}", json=[1], headers=TOLD).status_code == 400
        assert client.post(f"/labs/{path}", content=b" " * 70_000, headers=TOLD).status_code == 413


def test_the_rooms_may_be_asked_from_python_too():
    from playground.ui.theory_routes import divergence_answer, game_answer

    assert game_answer(GAME)["methods"][0]["points"].shape == (41, 2)
    assert divergence_answer(PAIR)["discriminator"].shape == (401,)


def test_the_parts_of_the_page_are_served(client):
    script = client.get("/ui/playground.js").text
    assert 'id: "game"' in script and 'id: "divergences"' in script
    assert ".pg-th-plane" in client.get("/ui/app.css").text
