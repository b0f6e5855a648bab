"""The routes of the two labs whose answers are known: the minimax game, and the divergences of two 1-D mixtures."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, Request

from playground.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from playground.ui.context import House

CURVE_POINTS = 401  # of the curves over x
SWEEP_POINTS = 41
MAX_SPAN = 60.0  # of a sweep, to either side
_GAME = frozenset({"methods", "start", "rate", "steps", "a", "b", "gamma"})
_DIVERGENCE = frozenset({"p", "q", "sweep", "window"})
_MIXTURE = frozenset({"means", "sigmas", "weights"})


def lab(name: str) -> ModuleType:
    """A room of `playground.labs`, loaded when it is first needed."""
    return importlib.import_module(f"playground.labs.{name}")


def add_theory_routes(app: FastAPI, house: House, route: Callable[..., Any]) -> None:
    """Add the routes; `route` is that of `routes.add_routes`."""

    @route("POST", "/labs/game", heavy=True)
    def game(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        return game_answer(body)

    @route("POST", "/labs/divergence", heavy=True)
    def divergence(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        return divergence_answer(body)


def game_answer(body: dict[str, Any]) -> dict[str, Any]:
    """The orbits that a page asks for.

    Args:
        body: "methods" (names of `labs.game.WAYS`; all where left out), "start" [x, y], "rate", "steps", and the
            curvatures "a" and "b" and the consensus weight "gamma" where they are not 0, 0 and 1.

    Returns:
        "methods": what `labs.game.study` says of each, in the order asked for; points beyond the plane are null.

    Raises:
        UsageError: an unknown key or method, a missing or wrong number.
    """
    rooms = lab("game")
    known(body, _GAME, "a game")
    names = body.get("methods", list(rooms.WAYS))
    if not isinstance(names, list) or not 1 <= len(names) <= len(rooms.WAYS):
        raise UsageError(f"Give the methods as a list of 1 to {len(rooms.WAYS)} names.")
    for name in ("start", "rate", "steps"):
        if name not in body:
            raise UsageError(f'The request lacks "{name}": a game needs its start, its rate and its steps.')
    played = rooms.Game(body.get("a", 0.0), body.get("b", 0.0))
    call = (body["start"], body["rate"], body["steps"], played, body.get("gamma", 1.0))
    return {"methods": [_single(rooms.study(name, *call)) for name in names]}


def divergence_answer(body: dict[str, Any]) -> dict[str, Any]:
    """All that is said of two mixtures.

    Args:
        body: "p" and "q", each {"means", "sigmas", "weights"}; "window" [from, to] of the curves (that of
            `labs.divergences.window` where left out); "sweep" [from, to], shifts of Q, where that is wanted.

    Returns:
        "value", "shift", "scale" and "closed" of `labs.divergences.compare`; "x" and over it "p", "q",
        "discriminator" and "gradients" (dL/dx by loss); "vanishing" of `labs.divergences.vanishing`; and where asked
        for "sweep": {"shift", and each divergence over it}.

    Raises:
        UsageError: an unknown key, a wrong mixture or a wrong interval.
    """
    room = lab("divergences")
    known(body, _DIVERGENCE, "a comparison")
    p, q = (_mixture(room, body.get(name), name.upper()) for name in ("p", "q"))
    low, high = _interval(body["window"], "window", 1e3) if "window" in body else room.window(p, q)
    x = np.linspace(low, high, CURVE_POINTS)
    found = room.compare(p, q)
    answer = {
        "value": found.value,
        "shift": found.shift,
        "scale": found.scale,
        "closed": found.closed,
        "x": x,
        "p": np.exp(p.log_pdf(x)),
        "q": np.exp(q.log_pdf(x)),
        "discriminator": room.discriminator(p, q, x),
        "gradients": room.sample_gradients(p, q, x),
        "vanishing": room.vanishing(p, q),
    }
    if body.get("sweep") is not None:
        shifts = np.linspace(*_interval(body["sweep"], "sweep", MAX_SPAN), SWEEP_POINTS)
        answer["sweep"] = {"shift": shifts, **room.sweep(p, q, shifts)}
    return _single(answer)


def known(body: dict[str, Any], names: frozenset[str], what: str) -> None:
    """Raise UsageError for a key that nothing reads: it is a slip that would go unnoticed."""
    for name in body:
        if name not in names:
            raise UsageError(f"There is no '{name[:40]}' in {what}: it has {', '.join(sorted(names))}.")


def _mixture(room: ModuleType, given: Any, name: str) -> Any:
    if not isinstance(given, dict):
        raise UsageError(f'Give {name} as {{"means": […], "sigmas": […], "weights": […]}}.')
    known(given, _MIXTURE, name)
    return room.Mixture(given.get("means"), given.get("sigmas"), given.get("weights"), name)


def _interval(given: Any, what: str, most: float) -> tuple[float, float]:
    check = lab("game").check
    if not isinstance(given, list) or len(given) != 2:
        raise UsageError(f"Give the {what} as two numbers, from and to.")
    low, high = (check(value, f"An end of the {what}", -most, most) for value in given)
    if high - low < 1e-6:
        raise UsageError(f"The {what} must end above its beginning.")
    return low, high


def _single(value: Any) -> Any:
    """The same with arrays as float32: half as many digits to send."""
    if isinstance(value, dict):
        return {name: _single(one) for name, one in value.items()}
    return np.ascontiguousarray(value, np.float32) if isinstance(value, np.ndarray) else value
