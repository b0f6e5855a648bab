"""The routes of the Sketch tab: drawings in, pictures out.

A drawing is the body of a POST, as raw bytes or a picture file (`sketching`); what it is for stands in the address.
Strokes are translated in a thread of their own. Requests of one page that carry the headers X-Page and X-Sequence are
answered 204 where a newer one has come before their turn.
"""

from __future__ import annotations

import asyncio
import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response

from playground.ui.answers import integer, made, read_upload
from playground.ui.explore_routes import MAX_PICTURE, guarding, model_key, overtaken, picture
from playground.ui.studio import Opened, Studio

if TYPE_CHECKING:
    from collections.abc import Callable

    from playground.ui.context import House

MAX_DRAWING = 4 * 2**20
MAX_RECORDING = 48 * 2**20
_RAW = "application/octet-stream"
_MOST = 2**31 - 1


def sketching() -> ModuleType:
    """The module that translates, loaded with torch when it is first needed."""
    return importlib.import_module("playground.ui.sketching")


def add_sketch_routes(app: FastAPI, house: House, route: Callable[..., Any]) -> None:
    """Add the routes; `route` is that of `routes.add_routes`."""
    studio: Studio = house.studio
    guarded = guarding(route)

    async def opened_of(request: Request, owner: str) -> Opened:
        """The model that the address names."""
        return await studio.opened(request.query_params.get("model", ""), owner)

    @guarded("GET", "/sketch/models")
    async def models(owner: str, request: Request) -> dict[str, Any]:
        rows = await asyncio.to_thread(studio.models, owner, "translator")
        return {"models": [row for row in rows if row["scale"] == 1]}  # super-resolution is for photos

    @guarded("POST", "/sketch/open")
    async def open_model(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        key = model_key(body)
        opened = await studio.opened(key, owner)
        return await studio.strokes.run(lambda: sketching().facts(opened, key))

    @guarded("POST", "/sketch/stroke", limit=None)
    async def stroke(owner: str, request: Request, body: dict[str, Any]) -> Response:
        old = overtaken(studio, owner, request)
        seed, realism = integer(request, "seed", 0, 0, _MOST), bool(integer(request, "realism", 0, 0, 1))
        data, _ = await read_upload(request, MAX_DRAWING, "a drawing")
        opened = await opened_of(request, owner)

        def draw() -> bytes | None:
            if old():
                return None
            return sketching().translated(opened, data, request.query_params.get("direction"), seed, realism)

        drawn = await studio.strokes.run(draw)
        return Response(status_code=204) if drawn is None else picture(drawn, opened)

    @guarded("GET", "/sketch/example")
    async def example(owner: str, request: Request) -> Response:
        seed = integer(request, "seed", 0, 0, 10**6)
        opened = await opened_of(request, owner)
        direction = request.query_params.get("direction")
        return picture(await studio.sheets.run(sketching().example, opened, direction, seed), opened, _RAW)

    @guarded("POST", "/sketch/picture", limit=None)
    async def from_picture(owner: str, request: Request, body: dict[str, Any]) -> Response:
        data, _ = await read_upload(request, MAX_PICTURE, "a picture")
        opened = await opened_of(request, owner)
        asked = request.query_params
        call = (opened, data, asked.get("direction"), asked.get("detector"))
        return picture(await studio.sheets.run(sketching().from_picture, *call), opened, _RAW)

    @guarded("POST", "/sketch/timelapse", limit=None)
    async def timelapse(owner: str, request: Request, body: dict[str, Any]) -> Response:
        data, _ = await read_upload(request, MAX_RECORDING, "a recording")
        opened = await opened_of(request, owner)

        def make() -> Response:
            name, write = sketching().timelapse(opened, data)
            return made(write, name)

        return await studio.exports.run(make)

    @guarded("GET", "/sketch/thumb.png")
    async def thumb(owner: str, request: Request) -> Response:
        opened = await opened_of(request, owner)
        at = (opened.key, opened.source.version, opened.step, "/sketch/thumb.png")
        data = await studio.strokes.run(studio.kept, at, lambda: sketching().thumbnail(opened))
        shipped = opened.source.kind == "shipped" and not house.signed_in
        age = "max-age=31536000, immutable" if "v" in request.query_params else "max-age=3600"
        return picture(data, opened, **{"Cache-Control": f"public, {age}" if shipped else "private, max-age=60"})
