"""The routes of the Lab tab: open a lab, tell it what to do, look at it.

A look waits until there is something new (a long poll), so that a page needs one request in flight and no timer. Arrays
travel as text: "f32:" or "u8:" and the base64 of their little-endian bytes.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, Request

from playground.errors import UsageError
from playground.labs.live import Lab
from playground.ui.answers import Refused, integer
from playground.ui.owners import check_owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from playground.ui.context import House

#: a drawing has thousands of points
MAX_ORDER = 2 * 2**20
#: seconds that opening a lab or an order may take
LONGEST = 60.0


def add_lab_routes(app: FastAPI, house: House, route: Callable[..., Any]) -> None:
    """Add the routes; `route` is that of `routes.add_routes`."""
    labs = house.labs

    def find(owner: str, key: Any) -> Lab:
        try:
            return labs.find(str(key), owner)
        except UsageError as error:
            raise Refused(404, str(error)) from None

    @route("POST", "/labs/open", limit=MAX_ORDER)
    async def open_lab(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        check_owner(owner)
        options = {name: value for name, value in body.items() if name not in ("kind", "lab")}
        lab = labs.open(owner, body.get("kind"), options, str(body.get("lab", "")))
        return {"lab": lab.id, "facts": packed(await answered(lab.facts()))}

    @route("POST", "/labs/do", limit=MAX_ORDER)
    async def do(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        lab = find(owner, body.get("lab"))
        arguments = {name: value for name, value in body.items() if name not in ("lab", "do")}
        return {"ok": True, "facts": packed(await answered(lab.do(str(body.get("do", "")), arguments)))}

    @route("GET", "/labs/frame")
    async def frame(owner: str, request: Request) -> dict[str, Any]:
        lab = find(owner, request.query_params.get("lab"))
        layers = frozenset(request.query_params.get("layers", "").split(","))
        return packed(await answered(lab.look(layers, integer(request, "seen", 0))))

    @route("POST", "/labs/close")
    def close(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        find(owner, body.get("lab")).close()
        return {"ok": True}


async def answered(future: Any) -> Any:
    """What a future of a lab holds; raises Refused(503) where it takes too long."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), LONGEST)
    except TimeoutError:
        raise Refused(503, "The lab takes too long to answer: try again, or take smaller networks.") from None
    except TypeError as error:  # an option that the engine does not know
        if "argument" not in str(error):
            raise
        raise UsageError("The lab does not know one of these options.") from None


def packed(value: Any) -> Any:
    """A copy of nested dicts and lists whose arrays are text."""
    if isinstance(value, np.ndarray):
        kind, dtype = ("u8", np.uint8) if value.dtype == np.uint8 else ("f32", "<f4")
        return f"{kind}:{base64.b64encode(np.ascontiguousarray(value, dtype).tobytes()).decode()}"
    if isinstance(value, dict):
        return {key: packed(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [packed(each) for each in value]
    return value
