"""Labs in their threads: orders and looks are answered, labs nobody looks at rest, and owners are kept apart."""

from __future__ import annotations

import time

import pytest

from playground.errors import UsageError
from playground.labs import live


class Counter:
    """An engine that counts its slices."""

    def __init__(self, fails: bool = False):
        if fails:
            raise UsageError("It can't be built.")
        self.tick, self.running, self.count = 1, False, 0

    def facts(self):
        return {"count": self.count}

    def do(self, command):
        if command == "crash":
            raise UsageError("No.")
        self.running = command == "run"
        self.tick += 1

    def advance(self, seconds):
        time.sleep(0.001)
        self.count += 1
        self.tick += 1
        return True

    def frame(self, layers, seen):
        return {"tick": self.tick, "layers": sorted(layers), "count": self.count}


@pytest.fixture
def labs(monkeypatch):
    monkeypatch.setitem(live.ENGINES, "counter", f"{__name__}:Counter")
    monkeypatch.setattr(live, "named", lambda path: globals()[path.partition(":")[2]])
    labs = live.Labs()
    yield labs
    labs.close()


def test_orders_and_looks_are_answered(labs):
    lab = labs.open("me", "counter", {})
    assert lab.facts().result(5) == {"count": 0}
    assert lab.look(frozenset(["a"]), 0).result(5) == {"tick": 1, "layers": ["a"], "count": 0}
    lab.do("run", {}).result(5)
    first = lab.look(frozenset(), 2).result(5)
    second = lab.look(frozenset(), first["tick"]).result(5)
    assert second["count"] > first["count"]
    with pytest.raises(UsageError, match="No"):
        lab.do("crash", {}).result(5)
    assert lab.do("pause", {}).result(5)["count"] >= second["count"]  # it lives on


def test_a_look_waits_for_something_new_but_not_for_ever(labs, monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.05)
    lab = labs.open("me", "counter", {})
    assert lab.look(frozenset(), 1).result(5) == {"tick": 1}


def test_a_lab_without_viewers_rests_and_is_closed_in_the_end(labs, monkeypatch):
    lab = labs.open("me", "counter", {})
    lab.do("run", {}).result(5)
    monkeypatch.setattr(live, "IDLE_SECONDS", 0.0)
    time.sleep(0.3)
    first = lab.facts().result(5)["count"]
    time.sleep(0.3)
    assert lab.facts().result(5)["count"] - first <= 2
    monkeypatch.setattr(live, "CLOSE_SECONDS", 0.0)
    deadline = time.monotonic() + 5
    while not lab.closed and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lab.closed
    with pytest.raises(UsageError, match="closed"):
        lab.do("run", {}).result(5)
    with pytest.raises(UsageError, match="closed"):
        labs.find(lab.id, "me")


def test_an_engine_that_can_not_be_built_says_why(labs):
    with pytest.raises(UsageError, match="can't be built"):
        labs.open("me", "counter", {"fails": True}).facts().result(5)
    with pytest.raises(UsageError, match="counter"):
        labs.open("me", "countr", {})


def test_owners_are_kept_apart_and_labs_are_few(labs):
    mine = [labs.open("me", "counter", {}) for _ in range(live.MOST_LABS_OF_ONE)]
    with pytest.raises(UsageError):
        labs.find(mine[0].id, "you")
    fourth = labs.open("me", "counter", {})  # the one that was longest unseen makes way
    assert mine[0].closed and labs.find(fourth.id, "me") is fourth
    instead = labs.open("me", "counter", {}, instead_of=fourth.id)
    assert fourth.closed and not instead.closed
    for i in range(live.MOST_LABS - live.MOST_LABS_OF_ONE):
        labs.open(f"other {i}", "counter", {})
    with pytest.raises(UsageError, match="open already"):
        labs.open("late", "counter", {})
