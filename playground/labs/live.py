"""Living labs: an engine in a thread of its own, which does what it is told between two pieces of work.

Everything that touches the engine runs in its thread, so that engines know of no threads, and torch makes one team of
helpers for each lab. A lab that nobody looks at stops computing after a while, and is closed after a longer one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Protocol

from playground.errors import UsageError, unknown
from playground.lookup import named

#: kinds of labs: "module:class" of the engine
ENGINES = {"arena": "playground.labs.arena:Arena", "line": "playground.labs.line:Line"}
MOST_LABS = 24
MOST_LABS_OF_ONE = 8
#: seconds that an engine works before it looks for orders
SLICE = 0.025
#: seconds without a viewer after which a lab stops computing, and after which it is closed
IDLE_SECONDS, CLOSE_SECONDS = 15.0, 600.0
#: seconds that a request for a frame waits for something new
PATIENCE = 1.0
_GONE = "This lab was closed: open it again."


class Engine(Protocol):
    """What a lab computes. `tick` grows whenever `frame` would differ; `running` says whether `advance` has work."""

    tick: int
    running: bool

    def facts(self) -> dict[str, Any]:
        """What changes seldom: data, players, knobs. JSON types and arrays."""

    def do(self, command: str, **arguments: Any) -> None:
        """Obey; raises UsageError or DataError with one sentence."""

    def advance(self, seconds: float) -> bool:
        """Work for about so long; False where there is nothing to do just now (a slow motion between its stages)."""

    def frame(self, layers: frozenset[str], seen: int) -> dict[str, Any]:
        """What is to be shown: arrays of the layers that are wanted, and the rows of charts newer than tick `seen`."""


class Lab:
    """One engine and its thread. All methods may be called from any thread; they return futures of what comes of it."""

    def __init__(self, owner: str, kind: str, build: Callable[[], Engine]):
        self.id, self.owner, self.kind = secrets.token_urlsafe(9), owner, kind
        self.seen = time.monotonic()
        self._orders: queue.Queue[tuple[Callable[[Engine, Future], None], Future]] = queue.Queue()
        self._looks: list[tuple[frozenset[str], int, float, Future]] = []
        self._closed = threading.Event()
        self._gone: Exception = UsageError(_GONE)
        self._thread = threading.Thread(target=self._main, args=(build,), name=f"lab {self.id}", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def facts(self) -> Future:
        """The engine's facts, once it is built; the future raises what building it raised."""
        return self._order(lambda engine, future: _settle(future, engine.facts()))

    def do(self, command: str, arguments: dict[str, Any]) -> Future:
        """Have the engine obey; the future holds its facts afterwards."""

        def obey(engine: Engine, future: Future) -> None:
            engine.do(command, **arguments)
            _settle(future, engine.facts())

        return self._order(obey)

    def look(self, layers: frozenset[str], seen: int) -> Future:
        """A frame newer than tick `seen`, or {"tick": seen} where there is none for `PATIENCE` seconds."""

        def note(engine: Engine, future: Future) -> None:
            self._looks.append((layers, seen, time.monotonic() + PATIENCE, future))

        return self._order(note)

    def close(self, wait: float = 0.0) -> None:
        """End the thread, and wait for it so many seconds at most; what it had still to answer gets a sentence."""
        self._closed.set()
        if wait:
            self._thread.join(wait)

    def _order(self, call: Callable[[Engine, Future], None]) -> Future:
        """Have `call` settle the future that is returned, in the lab's thread."""
        future: Future = Future()
        self.seen = time.monotonic()
        if self.closed:
            _settle(future, self._gone)
        else:
            self._orders.put((call, future))
        return future

    # --- in the thread

    def _main(self, build: Callable[[], Engine]) -> None:
        with contextlib.suppress(OSError, AttributeError):  # so that a click is served before a lab goes on
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
        try:
            engine = build()
        except Exception as error:
            self._gone = error
            self._closed.set()
            self._refuse()
            return
        while not self.closed:
            idle = time.monotonic() - self.seen
            if idle > CLOSE_SECONDS:
                break
            working = engine.running and idle < IDLE_SECONDS
            busy = engine.advance(SLICE) if working else False
            self._answer(engine, wait=0.0 if busy else 0.01 if working or self._looks else 0.25)
        self._closed.set()
        self._refuse()

    def _answer(self, engine: Engine, wait: float) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                call, future = self._orders.get(timeout=wait) if wait else self._orders.get_nowait()
                wait = 0.0
                try:
                    call(engine, future)
                except Exception as error:
                    _settle(future, error)
        kept = []
        for layers, seen, until, future in self._looks:
            if engine.tick == seen and time.monotonic() < until:
                kept.append((layers, seen, until, future))
                continue
            try:
                _settle(future, {"tick": seen} if engine.tick == seen else engine.frame(layers, seen))
            except Exception as error:
                _settle(future, error)
        self._looks = kept

    def _refuse(self) -> None:
        """Answer all that still waits, and what comes at this very moment."""
        for *_, future in self._looks:
            _settle(future, self._gone)
        self._looks = []
        with contextlib.suppress(queue.Empty):
            while True:
                _settle(self._orders.get(timeout=0.2)[1], self._gone)


def _settle(future: Future, outcome: Any) -> None:
    """Answer a future, unless whoever asked has gone away."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


class Labs:
    """All labs that are open."""

    def __init__(self) -> None:
        self._labs: dict[str, Lab] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)  # a thread inside torch may not outlive the interpreter

    def open(self, owner: str, kind: str, options: dict[str, Any], instead_of: str = "") -> Lab:
        """A new lab of `kind`, in place of the one called `instead_of`. The longest unseen one of an owner who has
        too many gives way.

        Raises:
            UsageError: an unknown kind, or too many labs of others.
        """
        if not isinstance(kind, str) or kind not in ENGINES:
            raise unknown("lab", str(kind), ENGINES)
        with self._lock:
            self._labs = {key: lab for key, lab in self._labs.items() if not lab.closed}
            old = self._labs.get(instead_of)
            if old is not None and old.owner == owner:
                self._labs.pop(old.id).close()
            own = sorted((lab for lab in self._labs.values() if lab.owner == owner), key=lambda lab: lab.seen)
            for lab in own[: max(0, len(own) - MOST_LABS_OF_ONE + 1)]:
                self._labs.pop(lab.id).close()
            if len(self._labs) >= MOST_LABS:
                longest = min(self._labs.values(), key=lambda lab: lab.seen)
                if time.monotonic() - longest.seen < IDLE_SECONDS:
                    raise UsageError(f"{MOST_LABS} labs are open already: try again in a few minutes.")
                self._labs.pop(longest.id).close()
            lab = Lab(owner, kind, lambda: named(ENGINES[kind])(**options))
            self._labs[lab.id] = lab
            return lab

    def find(self, key: str, owner: str) -> Lab:
        """The lab `key` of this owner.

        Raises:
            UsageError: there is none, or no longer.
        """
        lab = self._labs.get(key)
        if lab is None or lab.owner != owner or lab.closed:
            raise UsageError(_GONE)
        return lab

    def close(self) -> None:
        """Close all."""
        with self._lock:
            for lab in self._labs.values():
                lab.close(wait=2.0)
            self._labs = {}
