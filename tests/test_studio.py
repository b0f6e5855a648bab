"""The studio: who may open which model, threads that keep their order, models that go with a training, jobs."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from playground.data.base import ImageStore
from playground.errors import DataError, PlaygroundError, UsageError
from playground.export import zip_folder
from playground.methods import method_settings
from playground.model import Model, model_of
from playground.runs import RunWriter
from playground.session import SessionManager
from playground.trainer import Trainer
from playground.ui import studio as studio_module
from playground.ui.context import House
from playground.ui.pictures import Uploads
from playground.ui.studio import Busy, Lane, ModelUploads, Newest, NoSuchModel, Studio, describe, draws, is_digits

Make = Callable[..., Trainer]
SMALL = {"width": 4, "batch_size": 4, "latent_dim": 4, "size": 16, "steps": 100_000}


@pytest.fixture(scope="module")
def generator(store: ImageStore) -> Model:
    """A tiny model of drawn shapes, called `faces` so that the shipped reader is meant for it."""
    trainer = Trainer("dcgan", method_settings("dcgan", SMALL), store)
    trainer.run(1)
    model = model_of(trainer, name="Shapes")
    model.info = replace(model.info, name="faces")
    return model


@pytest.fixture(scope="module")
def classifier(store: ImageStore) -> Model:
    trainer = Trainer("classifier", method_settings("classifier", {**SMALL, "latent_dim": 8}), store)
    trainer.run(1)
    return model_of(trainer, name="Reader")


@pytest.fixture
def shipped(generator: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models with one generator in it."""
    folder = tmp_path / "pretrained"
    generator.save(folder / "tiny-faces")
    monkeypatch.setattr("playground.model.PRETRAINED", folder)
    return folder


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    manager = SessionManager(tmp_path / "runs", tmp_path / "data", "cpu")
    house = House(manager, Uploads(tmp_path / "data/uploads"))
    yield house
    house.studio.close()
    manager.close()


def run_folder(house: House, model: Model | None, key: str, owner: str | None) -> Path:
    """A run that has ended, as a training leaves it."""
    folder = house.manager.runs_dir / key
    writer = RunWriter(folder)
    knobs = dict(model.settings) if model else {"steps": 1}
    writer.write_config({"preset": model.preset if model else "dcgan", "data": "x", "knobs": knobs, "owner": owner})
    writer.write_status("finished", 2)
    if model is not None:
        model.save(folder / "model")
    return folder


def zipped(model: Model, folder: Path) -> bytes:
    return zip_folder(model.save(folder / "whole"), folder / "model.zip").read_bytes()


def until(met: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.02)
    raise AssertionError("this did not come about in time")


# --- threads


def test_a_lane_works_in_order_and_in_one_thread():
    lane, done = Lane("test"), []
    futures = [lane.submit(lambda i=i: done.append((i, threading.get_ident()))) for i in range(20)]
    for future in futures:
        future.result(10)
    assert [i for i, _ in done] == list(range(20)) and len({thread for _, thread in done}) == 1
    assert done[0][1] != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        lane.call(lambda: 1 / 0)
    assert lane.call(lambda: 3) == 3, "a failure is the asker's, the lane goes on"
    lane.close()


def test_a_lane_refuses_what_would_wait_for_ever(monkeypatch):
    monkeypatch.setattr(studio_module, "MAX_WAITING", 3)
    lane, gate = Lane("test"), threading.Event()
    first = [lane.submit(gate.wait, 10) for _ in range(3)]
    with pytest.raises(Busy, match="try again"):
        lane.submit(print)
    gate.set()
    assert all(future.result(10) for future in first)
    assert until(lambda: lane._waiting == 0) and lane.call(lambda: 1) == 1
    lane.close()


def test_a_closed_lane_drops_what_waits():
    lane, gate = Lane("test"), threading.Event()
    running = lane.submit(gate.wait, 10)
    waiting = lane.submit(lambda: 1)
    until(running.running)
    lane.close()
    gate.set()
    assert running.result(10) and waiting.cancelled()


def test_only_the_newest_request_of_a_page_is_fresh():
    newest = Newest()
    first, other, second = newest.arrive("a"), newest.arrive("b"), newest.arrive("a")
    assert newest.stale("a", first) and not newest.stale("a", second) and not newest.stale("b", other)


def test_a_page_may_count_itself():
    newest = Newest()
    assert [newest.arrive("a", n) for n in (5, 7, 6)] == [5, 7, 6], "overtaken on the way"
    assert newest.stale("a", 5) and newest.stale("a", 6) and not newest.stale("a", 7)


def test_pages_are_forgotten_in_time():
    newest = Newest()
    for page in range(5000):
        newest.arrive(str(page))
    assert len(newest._latest) <= 2000 and not newest.stale("4999", newest.arrive("4999"))


# --- what a folder says of itself


@pytest.mark.parametrize(
    ("name", "classes", "answer"),
    [
        ("mnist", (), True), ("mnist10k", tuple("0123456789"), True), ("MNIST", (), True),
        ("my-scans", tuple("0123456789"), True), ("x", tuple(f"{i} - word" for i in range(10)), True),
        ("fashion-mnist", ("Shirt", "Bag"), False), ("stacked-mnist", (), False), ("cifar10", ("cat",), False),
        ("faces", (), False), ("x", tuple("123456789"), False),
    ],
)  # fmt: skip
def test_digits_are_known_by_name_or_classes(name, classes, answer):
    assert is_digits(name, classes) is answer


def test_a_model_folder_is_described_without_being_opened(generator, classifier, tmp_path):
    told = describe(generator.save(tmp_path / "g"))
    assert told.items() >= {"size": 16, "channels": 1, "data": "faces", "styled": False, "step": 1}.items()
    assert draws(told) and not draws(describe(classifier.save(tmp_path / "c")))


DAMAGED = ("", "[]", "{", '{"preset": "x"}', '{"data": 1, "knobs": {}, "preset": "dcgan"}', "[" * 10_000)


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_descriptions_are_empty(generator, tmp_path, text):
    folder = generator.save(tmp_path / "g")
    (folder / "config.json").write_text(text)
    assert describe(folder) == {} and not draws(describe(folder))
    assert describe(tmp_path / "nowhere") == {}


# --- whose models


def test_a_shipped_model_is_everybodys(house, shipped):
    source = house.studio.source("tiny-faces", "")
    assert (source.kind, source.title) == ("shipped", "Shapes")
    assert house.studio.open("tiny-faces", "").front.size == 16


def own_rows(studio, owner):
    """(key, kind) of what an owner sees beside the shipped models."""
    return [(row["key"], row["kind"]) for row in studio.models(owner) if row["kind"] != "shipped"]


def test_a_run_is_its_owners(house, generator):
    run_folder(house, generator, "mine-1", "ann")
    assert house.studio.source("mine-1", "ann").kind == "run"
    house.studio.open("mine-1", "ann")
    for other in ("bob", ""):
        with pytest.raises(NoSuchModel, match="no model 'mine-1'"):
            house.studio.open("mine-1", other)  # although it lies open in memory
    assert own_rows(house.studio, "ann") == [("mine-1", "run")] and own_rows(house.studio, "bob") == []


def test_a_run_of_nobody_is_open_to_all(house, generator):
    run_folder(house, generator, "common-1", None)
    assert house.studio.source("common-1", "ann").kind == house.studio.source("common-1", "").kind == "run"


STRANGE = ("", "nothing", "../runs/a", "a/b", "/etc", "~", "a~b", "x" * 300, None, 5, ["a"], "upload-" + "0" * 24)


@pytest.mark.parametrize("key", STRANGE)
def test_other_keys_name_no_model(house, shipped, key):
    with pytest.raises(NoSuchModel, match="choose one"):
        house.studio.source(key, "ann")


def test_a_run_without_a_model_says_so(house):
    run_folder(house, None, "early-1", "ann")
    with pytest.raises(UsageError, match="no model yet"):
        house.studio.source("early-1", "ann")


def test_the_list_holds_generators_only_and_shipped_ones_first(house, shipped, generator, classifier):
    classifier.save(shipped / "a-reader")
    run_folder(house, generator, "mine-1", "ann")
    run_folder(house, classifier, "reader-1", "ann")
    run_folder(house, None, "early-1", "ann")
    rows = house.studio.models("ann")
    assert [(row["key"], row["kind"]) for row in rows] == [("tiny-faces", "shipped"), ("mine-1", "run")]
    assert rows[0].items() >= {"title": "Shapes", "size": 16, "channels": 1, "styled": False, "step": 1}.items()
    with pytest.raises(UsageError, match="classifier"):
        house.studio.open("a-reader", "ann")


# --- opening


def test_an_open_model_stays_until_its_file_changes_or_others_push_it_out(house, shipped, generator, monkeypatch):
    studio = house.studio
    first = studio.open("tiny-faces", "")
    assert studio.open("tiny-faces", "bob") is first
    os.utime(shipped / "tiny-faces/model.safetensors", ns=(1, 1))
    second = studio.open("tiny-faces", "")
    assert second is not first
    monkeypatch.setattr(studio_module, "MAX_OPEN", 2)
    for name in ("b", "c"):
        shutil.copytree(shipped / "tiny-faces", shipped / name)
        studio.open(name, "")
    assert list(studio._opened) == ["b", "c"] and studio.open("tiny-faces", "") is not second


def test_all_who_wait_for_a_model_get_the_same_one(house, shipped):
    studio, found = house.studio, []
    threads = [threading.Thread(target=lambda: found.append(studio.open("tiny-faces", ""))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4 and len({id(one) for one in found}) == 1


def test_a_model_that_was_opened_since_one_looked_is_not_opened_again(house, shipped):
    studio = house.studio
    source = studio.source("tiny-faces", "")
    first = studio.open("tiny-faces", "")
    assert studio._begin_opening(source).result() is first
    os.utime(shipped / "tiny-faces/model.safetensors", ns=(1, 1))
    assert studio._begin_opening(studio.source("tiny-faces", "")).result() is not first


def test_both_copies_of_a_network_draw_the_same(house, shipped):
    opened = house.studio.open("tiny-faces", "")
    assert opened.back is opened.back and opened.back.network is not opened.front.network
    z = opened.front.z_samples(2)
    with torch.no_grad():
        assert torch.equal(opened.front.draw(z), opened.back.draw(z))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_gets_a_sentence(house, generator, name):
    folder = run_folder(house, generator, "mine-1", "ann")
    (folder / "model" / name).unlink()
    with pytest.raises(PlaygroundError, match="lacks config.json" if name == "config.json" else "no model yet"):
        house.studio.open("mine-1", "ann")


def test_a_training_opens_at_once_and_is_followed(house, pictures, monkeypatch):
    monkeypatch.setattr(studio_module, "REFRESH_SECONDS", 0.0)
    studio, session = house.studio, house.manager.start("dcgan", str(pictures), SMALL, owner="ann")
    try:
        until(lambda: session.snapshot().step >= 2 or session.state == "failed")
        row = next(row for row in studio.models("ann") if row["key"] == session.key)
        assert row["kind"] == "live" and row["size"] == 16 and row["thumb"].startswith(f"live/{session.key}/")
        first = studio.open(session.key, "ann")
        assert first.live and first.step >= 2
        later = until(lambda: (found := studio.open(session.key, "ann")).step > first.step and found)
        assert later is not first and later.front.size == 16
        with pytest.raises(NoSuchModel):
            studio.open(session.key, "bob")
        assert studio.open(f"{session.key}~{session.secret}", "").live, "whoever holds the secret may look"
        session.pause()
        until(lambda: session.state == "paused")
        until(lambda: studio.open(session.key, "ann").step == session.snapshot().step)
        still = studio.open(session.key, "ann")
        time.sleep(0.1)
        assert studio.open(session.key, "ann") is still, "nothing is copied while nothing is learned"
    finally:
        session.stop()
        session.join(60)
    ended = until(lambda: not (found := studio.open(session.key, "ann")).live and found)
    assert ended.step == session.snapshot().step


def test_copies_of_a_training_keep_their_distance(house, pictures, monkeypatch):
    monkeypatch.setattr(studio_module, "REFRESH_SECONDS", 1000.0)
    session = house.manager.start("dcgan", str(pictures), SMALL, owner="ann")
    try:
        until(lambda: session.snapshot().step >= 1 or session.state == "failed")
        first = house.studio.open(session.key, "ann")
        until(lambda: session.snapshot().step > first.step + 3)
        assert house.studio.open(session.key, "ann") is first
    finally:
        session.stop()
        session.join(60)


# --- uploads


def test_an_uploaded_model_is_its_owners(house, generator, tmp_path):
    studio, data = house.studio, zipped(generator, tmp_path)
    key = studio.uploads.keep("ann", data, "My shapes")
    assert studio.uploads.keep("ann", data, "Another name") == key, "the same file is the same upload"
    assert studio.uploads.all("ann") == [(key, "My shapes")] and studio.uploads.all("bob") == []
    opened = studio.open(key, "ann")
    assert (opened.source.kind, opened.source.title) == ("upload", "My shapes")
    z = opened.front.z_samples(1)
    assert torch.equal(opened.front.draw(z), generator.modules["G"](z).clamp(-1, 1))
    for other in ("bob", ""):
        with pytest.raises(NoSuchModel):
            studio.source(key, other)
    assert own_rows(studio, "ann") == [(key, "upload")] and own_rows(studio, "bob") == []


def test_the_oldest_uploads_go(tmp_path, generator, monkeypatch):
    monkeypatch.setattr(studio_module, "UPLOADS_KEPT", 2)
    uploads, keys = ModelUploads(tmp_path / "models"), []
    for number in range(3):
        data = io.BytesIO(zipped(generator, tmp_path / str(number)))
        with zipfile.ZipFile(data, "a") as archive:
            archive.writestr("note.txt", str(number))
        keys.append(uploads.keep("ann", data.getvalue(), "x"))
        os.utime(uploads._folder("ann") / keys[-1].removeprefix("upload-"), (number, number))
    assert [key for key, _ in uploads.all("ann")] == [keys[2], keys[1]]


class Bomb:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def rezipped(parts: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_bad_uploads_get_a_sentence_and_leave_nothing(tmp_path, generator, classifier, monkeypatch):
    monkeypatch.setattr(studio_module, "MAX_UNPACKED", 4 * 2**20)
    uploads, trace = ModelUploads(tmp_path / "models"), tmp_path / "unpickled"
    whole = generator.save(tmp_path / "g")
    config, weights = ((whole / name).read_bytes() for name in ("config.json", "model.safetensors"))
    wider = json.loads(config)
    wider["knobs"]["width"] = 8
    cases = {
        "not a zip": b"this is no zip file",
        "MB": rezipped({"config.json": config, "model.safetensors": bytes(5 * 2**20)}),
        "lacks config.json": rezipped({"model.safetensors": weights}),
        "lacks model.safetensors": rezipped({"config.json": config}),
        "not a safetensors file": rezipped({"config.json": config, "model.safetensors": pickle.dumps(Bomb(trace))}),
        "do not fit": rezipped({"config.json": json.dumps(wider).encode(), "model.safetensors": weights}),
        "can't be understood": rezipped({"config.json": b"{}", "model.safetensors": weights}),
        "classifier": zipped(classifier, tmp_path / "c"),
    }
    for words, data in cases.items():
        with pytest.raises((DataError, UsageError), match=words) as told:
            uploads.keep("ann", data, "x")
        assert str(told.value).endswith(".") and "\n" not in str(told.value)
    assert not trace.exists() and uploads.all("ann") == []
    assert not [path for path in (tmp_path / "models").rglob("*") if path.is_file()]


# --- classifiers


def test_readers_are_the_shipped_one_then_the_owners(house, shipped, generator, classifier):
    studio, opened = house.studio, house.studio.open("tiny-faces", "")
    assert studio.reader(opened, "ann") is None
    classifier.info = replace(classifier.info, name="faces")
    run_folder(house, classifier, "reader-1", "ann")
    assert [one.key for one in studio.readers(opened, "ann")] == ["reader-1"]
    own = studio.reader(opened, "ann")
    assert own.names == classifier.info.classes and studio.reader(opened, "ann") is own
    assert studio.reader(opened, "bob") is None
    classifier.save(shipped / studio_module.FACES_READER)
    assert [one.key for one in studio.readers(opened, "ann")] == [studio_module.FACES_READER, "reader-1"]
    assert studio.reader(opened, "ann") is not own and studio.reader(opened, "ann", "reader-1") is own
    with pytest.raises(UsageError, match="no classifier 'other'"):
        studio.reader(opened, "ann", "other")


# --- jobs


def picture(opened) -> torch.Tensor:
    return torch.zeros(1, opened.front.channels, 16, 16)


def test_a_job_ends_with_a_latent_and_is_its_owners(house, shipped):
    studio, opened = house.studio, house.studio.open("tiny-faces", "")
    job = studio.start_inversion(opened, "ann", "tiny-faces", picture(opened), b"png", 3)
    until(lambda: job.state != "running")
    assert job.state == "done" and job.step == job.total == 3 and job.latent.shape[0] == 1
    assert job.distance <= job.start_distance and job.measure == "pixels"
    assert studio.job(job.id, "ann") is job
    assert studio.job(job.id, "bob") is None and studio.job(job.id, "") is None and studio.job("x", "ann") is None


def test_jobs_are_limited_and_can_be_cancelled(house, shipped, monkeypatch):
    monkeypatch.setattr(studio_module, "MAX_JOBS", 2)
    studio, opened, gate = house.studio, house.studio.open("tiny-faces", ""), threading.Event()
    studio.inversions.submit(gate.wait, 30)  # nothing begins before this
    jobs = [studio.start_inversion(opened, "ann", "tiny-faces", picture(opened), b"", 3) for _ in range(2)]
    with pytest.raises(Busy, match="cancel"):
        studio.start_inversion(opened, "ann", "tiny-faces", picture(opened), b"", 3)
    jobs.append(studio.start_inversion(opened, "bob", "tiny-faces", picture(opened), b"", 3))
    with pytest.raises(UsageError, match="cookie"):
        studio.start_inversion(opened, "", "tiny-faces", picture(opened), b"", 3)
    jobs[0].cancel()
    assert jobs[0].state == "cancelled"
    gate.set()
    until(lambda: all(job.state != "running" for job in jobs))
    assert [job.state for job in jobs] == ["cancelled", "done", "done"] and jobs[0].latent is None


def test_a_job_stopped_on_its_way_keeps_the_best_so_far(house, shipped):
    opened = house.studio.open("tiny-faces", "")
    job = house.studio.start_inversion(opened, "ann", "tiny-faces", picture(opened), b"", 2000)
    until(lambda: job.step >= 2)
    job.cancel()
    until(lambda: job.state != "running")
    assert job.state == "cancelled" and 2 <= job.step < 2000 and job.latent is not None and job.psnr is not None


def test_a_job_that_fails_says_why(house, shipped):
    opened = house.studio.open("tiny-faces", "")
    job = house.studio.start_inversion(opened, "ann", "tiny-faces", torch.zeros(1, 1, 8, 8), b"", 2)
    until(lambda: job.state != "running")
    assert job.state == "failed" and job.message.endswith(".") and "Error" not in job.message


def test_old_jobs_are_forgotten(house, shipped, monkeypatch):
    monkeypatch.setattr(studio_module, "JOBS_KEPT", 2)
    opened, seen = house.studio.open("tiny-faces", ""), []
    for _ in range(4):
        job = house.studio.start_inversion(opened, "ann", "tiny-faces", picture(opened), b"", 0)
        until(lambda job=job: job.state == "done")
        seen.append(job.id)
    assert house.studio.job(seen[0], "ann") is None and house.studio.job(seen[-1], "ann") is not None


def test_closing_ends_what_runs_and_what_waits(house, shipped):
    opened = house.studio.open("tiny-faces", "")
    jobs = [house.studio.start_inversion(opened, "ann", "tiny-faces", picture(opened), b"", 2000) for _ in range(2)]
    until(lambda: jobs[0].step >= 1)
    house.studio.close()
    until(lambda: all(job.state == "cancelled" for job in jobs))
    house.studio.close()


def test_warming_up_needs_no_model(house, shipped):
    house.studio.warm()
    assert list(house.studio._opened) == ["tiny-faces"]
    shutil.rmtree(shipped)
    Studio(house, house.uploads.root.parent).warm()
