"""The app without a browser: pages, routes, who may see what, and what is said of wrong input."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from playground.errors import DataError, PlaygroundError, UsageError
from playground.knobs import KNOBS
from playground.methods import METHODS, method_settings
from playground.runs import RunWriter
from playground.session import SessionManager
from playground.ui import controls
from playground.ui.api import uploaded_path
from playground.ui.build import build_app
from playground.ui.owners import COOKIE, owner_of_browser, owner_of_user
from playground.ui.pictures import Uploads, describe_problem
from playground.ui.tabs.presets import formulas, page, sketches
from playground.ui.tabs.train import OWN, about_preset, apply_cure, fill_preset, section_of

ROOT = Path(__file__).parents[1]
PAGE = {"accept": "text/html"}
TOLD = {"x-playground": "1"}
SMALL = {"width": 4, "batch_size": 4, "latent_dim": 4, "size": 16, "steps": 100_000}


def load_script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def serving(folder: Path, auth=None):
    manager = SessionManager(folder / "runs", folder / "data", "cpu")
    return manager, build_app(manager, folder / "data", auth)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    manager, app = serving(tmp_path_factory.mktemp("app"))
    yield manager, app
    manager.close()


@pytest.fixture
def browser(app):
    """Makes clients that have loaded the first page, each with its own cookie."""
    return lambda: visit(TestClient(app[1]))


def visit(client: TestClient) -> TestClient:
    assert client.get("/", headers=PAGE).status_code == 200
    return client


def until(met, seconds: float = 60.0):
    """Wait until `met()` is true; returns what it returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.05)
    raise AssertionError("this did not come about in time")


@pytest.fixture(scope="module")
def training(app, pictures):
    """(client, manager, key) of a paused training that belongs to the client's browser, at least three steps old."""
    manager, served = app
    client = visit(TestClient(served))
    owner = owner_of_browser(client.cookies[COOKIE])
    session = manager.start("dcgan", str(pictures), SMALL, owner=owner)
    until(lambda: session.snapshot().step >= 3 or session.state == "failed")
    session.pause()
    until(lambda: session.state == "paused")
    yield client, manager, session.key
    session.stop()


# --- pages and static files


def test_the_first_page_needs_no_torch(tmp_path) -> None:
    code = """
import sys, pathlib
from playground.session import SessionManager
from playground.ui.build import build_app
here = pathlib.Path(sys.argv[1])
build_app(SessionManager(here / "runs", here / "data", "cpu"), here / "data")
assert "torch" not in sys.modules and "plotly" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True, timeout=120)


def test_each_browser_gets_one_secret_cookie(app) -> None:
    first, second = TestClient(app[1]), TestClient(app[1])
    answer = first.get("/", headers=PAGE)
    header = answer.headers["set-cookie"]
    assert re.search(rf"{COOKIE}=[0-9a-f]{{32}};", header) and "HttpOnly" in header and "SameSite=Lax" in header
    assert "set-cookie" not in first.get("/", headers=PAGE).headers, "a browser keeps its cookie"
    visit(second)
    assert first.cookies[COOKIE] != second.cookies[COOKIE]
    assert owner_of_browser(first.cookies[COOKIE]) != owner_of_browser(second.cookies[COOKIE])
    assert first.cookies[COOKIE] not in owner_of_browser(first.cookies[COOKIE]), (
        "what is stored is not the secret itself"
    )
    forged = TestClient(app[1], cookies={COOKIE: "me"})
    assert COOKIE in forged.get("/", headers=PAGE).headers["set-cookie"], "what is no cookie of ours is replaced"


@pytest.mark.parametrize("value", ["", None, "x", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "\n"])
def test_only_our_own_cookies_name_an_owner(value) -> None:
    assert owner_of_browser(value) == ""


def test_static_files_come_packed_and_stay_cached(app) -> None:
    client = TestClient(app[1])
    home = client.get("/", headers=PAGE).text
    for name in set(re.findall(r"ui/[\w.]+\?v=[0-9a-f]+", home)) | {"ui/plotly.min.js"}:
        answer = client.get("/" + name)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"], name
        assert answer.headers["content-encoding"] == "gzip" and len(answer.text) > 100
    plain = client.get("/ui/playground.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.text.startswith("//")
    for name in ("nothing.js", "app.py", "..%2Fbuild.py", "%2Fetc%2Fpasswd"):
        assert client.get(f"/ui/{name}").status_code == 404


def test_the_page_asks_nothing_of_other_sites(app) -> None:
    """In what this project adds; the browser tests watch every request."""
    static = ROOT / "playground/ui/static"
    for file in static.iterdir():
        addresses = set(re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}", file.read_text())) - {"http://www.w3.org"}
        assert not addresses, f"{file.name} names {addresses}"


@pytest.mark.parametrize("name", ["faces", "shapes"])
def test_drawn_data_sets_have_a_preview(app, name) -> None:
    client = TestClient(app[1])
    answer = client.get(f"/data/{name}/preview.jpg?size=32")
    assert answer.headers["content-type"] == "image/jpeg"
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.width == picture.height >= 480
    assert len(set(picture.resize((25, 25)).convert("L").tobytes())) > 50, "a preview shows something"


@pytest.mark.parametrize(
    ("address", "status"),
    [("/data/nothing/preview.jpg", 404), ("/data/mnist/preview.jpg", 400), ("/data/faces/preview.jpg?size=big", 400)],
)
def test_other_previews_are_refused_in_a_sentence(app, address, status) -> None:
    answer = TestClient(app[1]).get(address)
    assert answer.status_code == status and answer.json()["error"].endswith(".")


# --- the live view


def test_the_live_view_tells_a_run_in_json(training) -> None:
    client, _, key = training
    assert client.get("/live/current").json() == {"key": key}
    wire = client.get(f"/live/{key}?after=0").json()
    assert wire["state"] == "paused" and wire["step"] >= 3
    steps = wire["rows"]["columns"]["step"]
    assert steps == sorted(steps) and len(steps) == wire["rows"]["end"]
    assert all(len(column) == len(steps) for column in wire["rows"]["columns"].values())
    assert wire["live_knobs"].keys() == {name for name, knob in KNOBS.items() if knob.live}
    rest = client.get(f"/live/{key}?after={wire['rows']['end']}").json()
    assert not rest["rows"]["columns"].get("step"), "what was sent is not sent again"
    picture = Image.open(io.BytesIO(client.get(f"/live/{key}/grid.jpg").content))
    assert picture.width >= 512 and wire["grid"]["rows"] * wire["grid"]["columns"] >= 16


def test_commands_steer_the_run(training) -> None:
    client, manager, key = training
    before = manager.find(key, owner_of_browser(client.cookies[COOKIE])).snapshot().step
    assert client.post(f"/live/{key}/step", headers=TOLD).status_code == 200
    session = manager.sessions()[-1]
    until(lambda: session.snapshot().step == before + 1)
    assert (
        client.post(f"/live/{key}/knob", headers=TOLD, json={"name": "learning_rate_g", "value": "1e-4"}).json()[
            "value"
        ]
        == 1e-4
    )
    until(lambda: client.get(f"/live/{key}").json()["live_knobs"]["learning_rate_g"] == 1e-4)
    assert "saved" in client.post(f"/live/{key}/save", headers=TOLD).json()["message"]
    assert client.get(f"/runs/{key}/model.zip").headers["content-disposition"].endswith(f'"{key}.zip"')


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "learning_rate_g", "value": -1}, "between"),
        ({"name": "learning_rate_g", "value": "fast"}, "number"),
        ({"name": "learning_rate_g", "value": None}, "number"),
        ({"name": "width", "value": 8}, "new run"),
        ({"name": "learning_rat_g", "value": 1}, "learning_rate_g"),
        ({"name": "learning_rate_g"}, "value"),
        ({}, "name"),
    ],
)
def test_wrong_changes_are_refused_in_a_sentence(training, change, word) -> None:
    client, _, key = training
    answer = client.post(f"/live/{key}/knob", headers=TOLD, json=change)
    assert answer.status_code == 400 and word in answer.json()["error"]


def test_bodies_that_are_not_json_objects_are_refused(training) -> None:
    client, _, key = training
    for body in (b"{", b"[1]", b"\xff", b"1"):
        answer = client.post(f"/live/{key}/knob", headers=TOLD, content=body)
        assert answer.status_code == 400 and answer.json()["error"].endswith(".")
    assert client.post(f"/live/{key}/knob", headers=TOLD, content=b" " * 70_000).status_code == 413


def test_numbers_in_the_address_are_checked(training) -> None:
    client, _, key = training
    for text in ("x", "1.5", "--1", "9" * 30, "-"):
        assert client.get(f"/live/{key}?after={text}").status_code == 400
    for step in ("x", "-1", "99999999", "1" * 40, "²"):
        assert client.get(f"/runs/{key}/samples/{step}.png").status_code == 404


READS = (
    "live/{key}",
    "live/{key}/grid.jpg",
    "runs/{key}/metrics",
    "runs/{key}/samples",
    "runs/{key}/timelapse.gif",
    "runs/{key}/model.zip",
)
WRITES = (
    "live/{key}/pause", "live/{key}/resume", "live/{key}/step", "live/{key}/stop", "live/{key}/save", "live/{key}/knob",
    "runs/{key}/rename", "runs/{key}/delete", "runs/{key}/reopen",
)  # fmt: skip


def test_the_list_of_routes_above_is_complete(app) -> None:
    ours = {
        route.path.lstrip("/")
        for route in app[1].routes
        if getattr(route, "path", "").startswith(("/live/{key}", "/runs/{key}"))
    }
    tested = set(READS) | set(WRITES)
    assert {path.replace("timelapse.{kind}", "timelapse.gif") for path in ours} - tested == {
        "runs/{key}/samples/{step}.png"
    }


@pytest.mark.parametrize("path", READS + WRITES)
def test_a_run_is_hidden_from_other_browsers(training, browser, path) -> None:
    client, manager, key = training
    folder = manager.runs_dir / key
    stranger, nobody = browser(), TestClient(client.app)
    for other in (stranger, nobody):
        for wrong in (key, f"{key}~", f"{key}~guess", "no-such-run", "%2e%2e%2f", ".deleted-1"):
            address = "/" + path.format(key=wrong)
            answer = (
                other.post(address, headers=TOLD, json={"name": "x", "value": 1})
                if path in WRITES
                else other.get(address)
            )
            assert answer.status_code == 404, (wrong, answer.text)
    assert folder.is_dir() and manager.sessions()[-1].state == "paused"
    assert stranger.get("/runs").json() == {"runs": []} and nobody.get("/runs").json() == {"runs": []}
    assert stranger.get("/live/current").json() == nobody.get("/live/current").json() == {"key": None}


def test_the_secret_opens_a_run_without_a_cookie(training) -> None:
    client, manager, key = training
    session = manager.sessions()[-1]
    nobody = TestClient(client.app)
    assert nobody.get(f"/live/{key}~{session.secret}").json()["key"] == key
    assert nobody.get(f"/runs/{key}~{session.secret}/samples").json()["steps"]


@pytest.mark.parametrize("path", WRITES)
def test_another_site_can_not_press_the_buttons(training, path) -> None:
    client, manager, key = training
    answer = client.post("/" + path.format(key=key), json={})
    assert answer.status_code == 403 and "header" in answer.json()["error"]
    assert client.get("/" + path.format(key=key)).status_code in (404, 405), "what changes something is never a GET"
    assert manager.sessions()[-1].state == "paused"


# --- run folders


def test_runs_are_listed_renamed_and_deleted(training) -> None:
    client, manager, key = training
    owner = owner_of_browser(client.cookies[COOKIE])
    spare = manager.runs_dir / "old-1"
    writer = RunWriter(spare)
    writer.write_config(
        {
            "preset": "wgan-gp",
            "data": "/somewhere/private/cats.zip",
            "data_title": "cats.zip",
            "knobs": dict(method_settings("wgan-gp")),
            "owner": owner,
        }
    )
    writer.write_status("finished", 7)
    rows = {row["key"]: row for row in client.get("/runs").json()["runs"]}
    assert rows[key]["active"] and rows[key]["open"] and rows[key]["state"] == "paused"
    assert rows["old-1"]["title"] == "WGAN-GP" and rows["old-1"]["data"] == "cats.zip" and not rows["old-1"]["active"]
    assert "/somewhere" not in client.get("/runs").text, "no path of the server is told"
    assert client.post("/runs/old-1/rename", headers=TOLD, json={"name": "Cats <b>"}).json() == {"name": "Cats <b>"}
    for name in ("", " ", "x" * 81, "a\nb", None, 5):
        assert client.post("/runs/old-1/rename", headers=TOLD, json={"name": name}).status_code == 400
    assert client.post(f"/runs/{key}/delete", headers=TOLD).status_code == 400, "what is training is not deleted"
    assert client.post("/runs/old-1/delete", headers=TOLD).status_code == 200
    assert not spare.exists() and (manager.runs_dir / key).is_dir()


def test_samples_are_asked_for_again_and_come_again_only_when_they_changed(training) -> None:
    client, _, key = training
    step = client.get(f"/runs/{key}/samples").json()["steps"][0]
    first = client.get(f"/runs/{key}/samples/{step}.png")
    assert Image.open(io.BytesIO(first.content)).width >= 16 and "no-cache" in first.headers["cache-control"]
    second = client.get(f"/runs/{key}/samples/{step}.png", headers={"if-none-match": first.headers["etag"]})
    assert second.status_code == 304 and not second.content


def test_a_time_lapse_is_made_and_leaves_nothing_behind(training, tmp_path, monkeypatch) -> None:
    client, _, key = training
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = client.get(f"/runs/{key}/timelapse.gif")
    assert answer.content[:6] == b"GIF89a"
    assert client.get(f"/runs/{key}/timelapse.exe").status_code == 404
    assert not list(tmp_path.iterdir())


def test_the_model_zip_opens(training, tmp_path) -> None:
    import playground as pg

    client, _, key = training
    (tmp_path / "model.zip").write_bytes(client.get(f"/runs/{key}/model.zip").content)
    assert {"model.safetensors", "config.json", "README.md"} <= set(zipfile.ZipFile(tmp_path / "model.zip").namelist())
    assert pg.load_model(tmp_path / "model.zip").sample(2).shape == (2, 1, 16, 16)


# --- signing in


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    manager, app = serving(tmp_path_factory.mktemp("guarded"), [("ann", "secret:with:colons"), ("bob", "word")])
    yield manager, app
    manager.close()


def test_strangers_are_sent_away_where_people_sign_in(guarded) -> None:
    client = visit(TestClient(guarded[1]))
    for path in ("live/current", "runs", *READS):
        answer = client.get("/" + path.format(key="a-1"))
        assert answer.status_code == 401 and "sign in" in answer.json()["error"], path
    for path in WRITES:
        assert client.post("/" + path.format(key="a-1"), headers=TOLD, json={}).status_code == 401
    assert client.post("/login", data={"username": "ann", "password": "word"}).status_code == 400
    assert client.get("/live/current").status_code == 401


def test_a_run_belongs_to_a_user_on_all_their_browsers(guarded, pictures) -> None:
    manager, app = guarded
    home, office, bob = (visit(TestClient(app)) for _ in range(3))
    for client, user, password in (
        (home, "ann", "secret:with:colons"),
        (office, "ann", "secret:with:colons"),
        (bob, "bob", "word"),
    ):
        assert client.post("/login", data={"username": user, "password": password}).status_code == 200
    session = manager.start("dcgan", str(pictures), SMALL, owner=owner_of_user("ann"))
    try:
        assert home.get("/live/current").json() == office.get("/live/current").json() == {"key": session.key}
        assert bob.get("/live/current").json() == {"key": None}
        assert bob.get(f"/live/{session.key}").status_code == 404
        assert bob.post(f"/runs/{session.key}/delete", headers=TOLD, json={}).status_code == 404
    finally:
        session.stop()
        session.join(30)


# --- uploads


def test_uploads_are_kept_and_found_again(tmp_path, pictures) -> None:
    uploads = Uploads(tmp_path / "uploads")
    files = sorted(pictures.glob("discs/*.png"))[:3]
    several = uploads.keep("ann", files)
    assert several.path.is_dir() and len(list(several.path.iterdir())) == 3
    assert uploads.keep("ann", files) == several == uploads.latest("ann")
    one = uploads.keep("bob", files[:1])
    assert one.path.is_file() and one.title == files[0].name
    assert uploads.latest("") is None and uploads.latest("eve") is None
    assert not set(one.path.parts) & {part for part in several.path.parts if len(part) == 32}, "owners are apart"
    with pytest.raises(DataError, match="drop"):
        uploads.keep("ann", [])
    with pytest.raises(DataError, match="no longer there"):
        uploads.keep("ann", [tmp_path / "gone.zip"])


def test_old_uploads_go_unless_a_run_needs_them(tmp_path, pictures) -> None:
    import os

    uploads = Uploads(tmp_path / "uploads")
    files = sorted(pictures.glob("*/*.png"))
    needed, old, fresh = (uploads.keep("ann", files[at : at + 1]) for at in range(3))
    for upload in (needed, old):
        os.utime(upload.path.parent, (0, 0))
    uploads.forget_old([str(needed.path)])
    assert needed.path.exists() and fresh.path.exists() and not old.path.exists()


def test_programs_can_not_name_files_of_the_server(tmp_path) -> None:
    (tmp_path / "private.zip").write_bytes(b"PK")
    for path in (tmp_path / "private.zip", "/etc/passwd", "../../etc/passwd"):
        with pytest.raises(UsageError, match="uploaded"):
            uploaded_path({"path": str(path), "meta": {"_type": "gradio.FileData"}})
    assert uploaded_path("faces") is None


def test_problems_are_told_without_html_or_paths() -> None:
    text = describe_problem("'/srv/data/uploads/ab12/<b>cats.zip' can't be opened.")
    assert "&#x27;&lt;b&gt;cats.zip&#x27; can&#x27;t be opened." in text and "/srv" not in text


# --- the form


@pytest.mark.parametrize("name", METHODS)
def test_every_preset_has_its_page_and_fills_the_form(name) -> None:
    settings = method_settings(name)
    _, *values = fill_preset(name)
    assert dict(zip(KNOBS, values, strict=True)) == dict(settings)
    assert controls.overrides(name, dict(zip(KNOBS, values, strict=True))) == {}, "an untouched form changes nothing"
    top, formula, networks, below = page(name)
    method = METHODS[name]
    players = {"generator": "DG", "classifier": "C", "translator": "DG" if settings.validity else "G"}[method.kind]
    assert method.url in top and all(f"L_{player}" in formula for player in players) and formula.count("$") % 2 == 0
    assert "{value}" not in formula and formula.count("{") == formula.count("}")
    assert networks.count("<svg") >= len(players) and method.look_for[:20].split("'")[0] in below
    assert f"data-pg-preset='{name}'" in about_preset(name) and section_of(method)
    for knob in ("gradient_penalty", "r1", "weight_clip", "critic_steps"):
        if settings[knob] not in (0, 1):
            assert controls.show(settings[knob]) in formula, f"the formula of {name} does not show its {knob}"


def test_the_sketch_is_drawn_once() -> None:
    assert sketches("dcgan") is sketches("dcgan")


@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_has_a_component_that_can_hold_its_values(name) -> None:
    knob = KNOBS[name]
    made = controls.component(knob)
    assert made.label == knob.label and made.info == knob.help and made.value == knob.default
    for method in METHODS.values():
        value = method_settings(method.name)[name]
        if hasattr(made, "choices"):
            assert value in [choice for _, choice in made.choices]
        elif hasattr(made, "maximum") and made.maximum is not None:
            assert made.minimum <= value <= made.maximum
            steps = (value - made.minimum) / made.step
            assert abs(steps - round(steps)) < 1e-6, (
                f"the slider of {name} can't stand at {value}, as {method.name} wants"
            )


def test_wrong_values_of_the_form_get_a_sentence() -> None:
    form = dict(method_settings("dcgan"))
    for name, value in (
        ("batch_size", None),
        ("batch_size", 1),
        ("learning_rate_g", float("nan")),
        ("beta1", float("inf")),
        ("steps", 1.5),
    ):
        with pytest.raises(UsageError, match=KNOBS[name].label if value is None else name):
            controls.overrides("dcgan", {**form, name: value})
    assert controls.overrides("dcgan", {**form, "r1": 2, "optimiser": "sgd"}) == {"r1": 2.0, "optimiser": "sgd"}


def test_a_cure_alone_touches_nothing_else() -> None:
    preset, _, *values = apply_cure(None, {"changes": {"learning_rate_d": "1e-4"}}, "")
    skipped = [value for value in (preset, *values) if isinstance(value, dict)]
    assert len(skipped) == len(KNOBS) and values[list(KNOBS).index("learning_rate_d")] == 1e-4


def test_a_cure_for_a_new_run_keeps_the_settings_of_the_old_one(training) -> None:
    client, _, key = training
    house, owner = client.app.state.house, owner_of_browser(client.cookies[COOKIE])
    cure = {"changes": {"spectral_norm": True, "norm_d": "none"}, "key": key}
    preset, about, *values = apply_cure(house, cure, owner)
    form = dict(zip(KNOBS, values, strict=True))
    assert preset == "dcgan" and "data-pg-preset" in about
    assert form["spectral_norm"] is True and form["norm_d"] == "none" and form["width"] == SMALL["width"]
    with pytest.raises(UsageError):
        apply_cure(house, cure, "someone else")
    with pytest.raises(PlaygroundError):
        apply_cure(house, {"changes": {"learning_rate_d": -1}, "key": key}, owner)


def test_formulas_follow_the_settings() -> None:
    plain = formulas(method_settings("dcgan"))
    penalised = formulas(method_settings("dcgan", {"r1": 3.0, "auxiliary": 0.5, "critic_steps": 4}))
    assert "R1" not in plain and "R1" in penalised and r"\tfrac{3}{2}" in penalised and "takes 4 steps" in penalised
    pearson = formulas(method_settings("kl-gan", {"divergence": "pearson"}))
    assert "Pearson" in pearson
    told = [formulas(method_settings("acgan", {"condition": kind})) for kind in ("onehot", "projection")]
    assert "G is told the class" in told[0] and "Both networks are told the class" in told[1]
    free = formulas(method_settings("stylegan", {"reconstruction": 1.0, "encode_to": "w"}))
    assert "critic $P$ of codes" in free and "critic $P$" not in formulas(method_settings("stylegan"))
    knobs = {"reconstruction": 1.0, "encode_to": "w", "mapping": "flow", "attribute_loss": 2.0}
    carried = formulas(method_settings("stylegan", knobs))
    assert "as a flow" in carried and "critic $P$" not in carried and "known attributes" in carried


# --- the script


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--device", "gpu"], "auto, cpu or cuda"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--port", "0"], "65535"),
        (["--max-trainings", "0"], "at least 1"),
        (["--grace", "nan"], "grace"),
        (["--auth", "no-such-file"], "no-such-file"),
        (["--runs-dir", "app.py"], "app.py"),
    ],
)
def test_wrong_options_get_a_sentence_and_exit_code_2(arguments, word, capsys, tmp_path) -> None:
    code = load_script("app").main(["--runs-dir", str(tmp_path / "r"), "--data-dir", str(tmp_path / "d"), *arguments])
    said = capsys.readouterr().err.strip()
    assert code == 2 and word in said and said.count("\n") == 0 and "Traceback" not in said


@pytest.mark.parametrize("option", ["--prot", "--port=x"])
def test_unknown_options_leave_with_exit_code_2(option, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        load_script("app").main([option])
    assert left.value.code == 2


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ann", "Line 1"),
        ("\n:x", "Line 2"),
        ("ann:", "Line 1"),
        ("a:b\na:c", "second"),
        ("# nobody\n", "nobody"),
        (b"\xff\xfe:\x00", "read"),
    ],
)
def test_ill_formed_auth_files_are_refused(tmp_path, text, word) -> None:
    path = tmp_path / "people"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=word):
        load_script("app").read_auth(path)


def test_auth_files_are_read(tmp_path) -> None:
    path = tmp_path / "people"
    path.write_text("# people\nann:a:b c\n\n bob :é\n")
    assert load_script("app").read_auth(path) == [("ann", "a:b c"), ("bob", "é")]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_the_server_saves_trainings(tmp_path, pictures, ending) -> None:
    code = f"""
import sys, pathlib
from playground.session import SessionManager
from playground.ui.build import build_app, serve
here = pathlib.Path(sys.argv[1])
manager = SessionManager(here / "runs", here / "data", "cpu")
app = build_app(manager, here / "data")
manager.start("dcgan", sys.argv[2], {SMALL}, owner="ann")
serve(app, manager, "127.0.0.1", 0)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(pictures)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = tmp_path / "runs/dcgan-shapes16-1"
    try:
        until(lambda: (run / "samples").is_dir() and any((run / "samples").glob("*.png")))
        time.sleep(1.0)  # the server's own signal handlers stand by now
        process.send_signal(ending)
        out, problems = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, problems
    assert "Saved 1 training: dcgan-shapes16-1" in out and "Traceback" not in problems
    assert json.loads((run / "status.json").read_text())["state"] == "stopped"
    assert (run / "model/model.safetensors").is_file() and any((run / "checkpoints").iterdir())


def test_own_pictures_are_asked_for_before_a_run_is_made(app, browser) -> None:
    from playground.ui.tabs.train import start_training

    manager, served = app
    before = set(manager.runs_dir.iterdir()) if manager.runs_dir.is_dir() else set()
    with pytest.raises(UsageError, match="drop a zip"):
        start_training(served.state.house, "dcgan", OWN, dict(method_settings("dcgan")), "someone")
    with pytest.raises(UsageError, match="Choose one of the data sets"):
        start_training(served.state.house, "dcgan", "/etc", dict(method_settings("dcgan")), "someone")
    assert (set(manager.runs_dir.iterdir()) if manager.runs_dir.is_dir() else set()) == before
