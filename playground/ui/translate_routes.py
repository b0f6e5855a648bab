"""The routes of the Translate tab: a batch is begun, its pictures follow one by one, and the page asks how it goes.

A batch belongs to the browser that began it. A picture that can't be used fails by itself, with its sentence; one that
is too large is refused while it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse

from playground.errors import UsageError
from playground.ui.answers import Refused, integer, made, read_upload
from playground.ui.explore_routes import MAX_PICTURE, guarding, model_key, picture
from playground.ui.translate_jobs import EXAMPLES, KINDS, Batch, Item, facts, jpeg_of, results_zip, style_of_file

if TYPE_CHECKING:
    from playground.ui.context import House

_KINDS = {".png": "image/png", ".jpg": "image/jpeg"}


def add_translate_routes(app: FastAPI, house: House, route: Callable[..., Any]) -> None:
    """Add the routes; `route` is that of `routes.add_routes`."""
    studio, translations = house.studio, house.translations
    guarded = guarding(route)

    def batch_of(owner: str, request: Request) -> Batch:
        found = translations.find(request.path_params["number"], owner)
        if found is None:
            raise Refused(404, "These translations are no longer kept: start them again.")
        return found

    def item_of(batch: Batch, number: object) -> Item:
        text = str(number)
        if not (text.isdecimal() and len(text) < 4 and int(text) < len(batch.items)):
            raise Refused(404, "There is no such picture among these translations.")
        return batch.items[int(text)]

    @guarded("GET", "/translate/models")
    async def models(owner: str, request: Request) -> dict[str, Any]:
        return {"models": await asyncio.to_thread(studio.models, owner, "translator")}

    @guarded("POST", "/translate/open")
    async def open_model(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        key = model_key(body)
        return facts(await studio.opened(key, owner), key)

    @guarded("GET", "/translate/example.jpg")
    async def example(owner: str, request: Request) -> Response:
        number = integer(request, "number", 0, 0, EXAMPLES - 1)
        direction = request.query_params.get("direction", "AB")
        opened = await studio.opened(request.query_params.get("model", ""), owner)

        def draw() -> bytes:
            from playground.families.sides import paint
            from playground.translate import example as drawn

            return jpeg_of(paint(drawn(opened.model, direction, number), opened.model.side(direction)))

        at = (opened.key, opened.source.version, "/translate/example", direction, number)
        data = await studio.sheets.run(studio.kept, at, draw)
        return picture(data, opened, "image/jpeg", **{"Cache-Control": "private, max-age=3600"})

    @guarded("POST", "/translate/jobs")
    async def begin(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        opened = await studio.opened(model_key(body), owner)
        seed = body.get("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
            raise UsageError("The seed is a whole number from 0 to 2,147,483,647.")
        old = translations.find(body.get("replaces"), owner)
        if old is not None:
            await asyncio.to_thread(translations.discard, old)
        batch = translations.begin(
            owner, opened, direction=body.get("direction", "AB"), size=body.get("size", "full"), seed=seed,
            edges=body.get("edges") is True, style=body.get("style"),
        )  # fmt: skip
        return {"id": batch.id}

    @guarded("POST", "/translate/style", limit=None)
    async def style(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        opened = await studio.opened(request.query_params.get("model", ""), owner)
        data, _ = await read_upload(request, MAX_PICTURE, "a picture")
        direction = request.query_params.get("direction", "AB")
        return {"style": await studio.strokes.run(style_of_file, opened.model, data, direction)}

    @guarded("POST", "/translate/jobs/{number}/add", limit=None)
    async def add(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        batch = batch_of(owner, request)
        data, name = await read_upload(request, MAX_PICTURE, "a picture")
        name = request.query_params.get("name", "") or name
        return {"number": (await asyncio.to_thread(translations.add, batch, data, name)).number}

    @guarded("POST", "/translate/jobs/{number}/example")
    async def add_example(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        number = body.get("number", 0)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < EXAMPLES:
            raise UsageError(f"Examples have the numbers 0 to {EXAMPLES - 1}.")
        return {"number": translations.add(batch_of(owner, request), None, f"example-{number + 1}.png", number).number}

    @guarded("POST", "/translate/jobs/{number}/checks")
    async def checks(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        batch = batch_of(owner, request)
        item = item_of(batch, body.get("item"))
        translations.check(batch, item)
        return {"checks": item.checks}

    @guarded("GET", "/translate/jobs/{number}")
    async def job(owner: str, request: Request) -> dict[str, Any]:
        return batch_of(owner, request).wire()

    @guarded("POST", "/translate/jobs/{number}/cancel")
    async def cancel(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        batch = batch_of(owner, request)
        batch.cancel()
        return batch.wire()

    @guarded("GET", "/translate/jobs/{number}/results.zip")
    async def results(owner: str, request: Request) -> Response:
        name, write = results_zip(batch_of(owner, request))
        return await asyncio.to_thread(made, write, name)

    @guarded("GET", "/translate/jobs/{number}/{item}/{kind}")
    async def one(owner: str, request: Request) -> Response:
        batch = batch_of(owner, request)
        item = item_of(batch, request.path_params["item"])
        kind, dot, suffix = request.path_params["kind"].partition(".")
        suffix = dot + suffix
        path = batch.path(item, kind, suffix) if kind in KINDS and suffix in _KINDS else None
        if path is None or kind not in item.shapes or not path.is_file():
            raise Refused(404, "This picture is not made yet.")
        return FileResponse(path, media_type=_KINDS[suffix], headers={"Cache-Control": "private, max-age=3600"})
