"""The routes of the Explore and Style mixing tabs: recipes in, pictures and numbers out.

A recipe names its model, and every request is asked first whether its owner may have that model. Requests of one page
that carry the headers X-Page and X-Sequence are answered 204 where a newer one has come before their turn.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response

from playground.errors import UsageError
from playground.ui.answers import Refused, integer, made, read_upload
from playground.ui.owners import check_owner
from playground.ui.studio import MAX_UPLOADED, Busy, Job, Lane, NoSuchModel, Opened, Studio

if TYPE_CHECKING:
    from playground.latent.reader import Reader
    from playground.ui.context import House

MAX_RECIPE = 512 * 1024  # bytes of a request with one or two recipes
MAX_SHEET = 8 * 2**20  # with many
MAX_PICTURE = 20 * 2**20
MAX_FRAMES = 240  # of a walk's sheet
MAX_INVERSION = 2000  # steps
NO_READER = (
    "No classifier is at hand that reads this model's pictures: train one on the same data with the preset "
    "'classifier' or 'attribute-classifier', then try again."
)
_PNG = "image/png"
_PAGE = re.compile(r"[\w.:-]{1,64}")
_SEQUENCE = re.compile(r"[0-9]{1,15}")


def drawing() -> ModuleType:
    """The module that draws, loaded with torch when it is first needed."""
    return importlib.import_module("playground.ui.drawing")


def picture(data: bytes, opened: Opened, kind: str = _PNG, **headers: str) -> Response:
    """A picture that is never cached unless `headers` say so, with the step of the model that drew it."""
    return Response(data, 200, {"Cache-Control": "no-store", "X-Step": str(opened.step), **headers}, kind)


def model_key(body: dict[str, Any]) -> Any:
    """The model that a request is about: its own word, or that of its recipe or first recipe."""
    recipes = body.get("recipes")
    for place in (body, body.get("recipe"), recipes[0] if isinstance(recipes, list) and recipes else None):
        if isinstance(place, dict) and place.get("model"):
            return place["model"]
    raise UsageError('The request names no model: give its key as "model", or in the recipe.')


def guarding(route: Callable[..., Any]) -> Callable[..., Any]:
    """As `route`, for handlers that open models: 404 for one that is not there, 503 where too much waits."""

    def guarded(method: str, path: str, **options: Any) -> Callable[[Callable[..., Awaitable]], None]:
        def register(handler: Callable[..., Awaitable]) -> None:
            async def answer(*call: Any) -> Any:
                try:
                    return await handler(*call)
                except NoSuchModel as error:
                    raise Refused(404, str(error)) from None
                except Busy as error:
                    raise Refused(503, str(error)) from None

            route(method, path, **options)(answer)

        return register

    return guarded


def overtaken(studio: Studio, owner: str, request: Request) -> Callable[[], bool]:
    """Note that a request has come; what tells later whether its page has sent a newer one since."""
    page, sequence = request.headers.get("x-page", ""), request.headers.get("x-sequence", "")
    if not _PAGE.fullmatch(page):
        return lambda: False
    page = f"{owner} {page}"
    turn = studio.newest.arrive(page, int(sequence) if _SEQUENCE.fullmatch(sequence) else None)
    return lambda: studio.newest.stale(page, turn)


def add_explore_routes(app: FastAPI, house: House, route: Callable[..., Any]) -> None:
    """Add the routes; `route` is that of `routes.add_routes`."""
    studio: Studio = house.studio

    guarded = guarding(route)

    def drawn(
        path: str, lane: Lane, *, limit: int = MAX_RECIPE, reader: str | None = None
    ) -> Callable[[Callable[..., Any]], None]:
        """A POST about one model. The handler runs in `lane` with (opened, body), and with the model's reader where
        `reader` is "needed", or "wanted": then it is None for a model that none reads."""

        def register(handler: Callable[..., Any]) -> None:
            def work(opened: Opened, owner: str, body: dict[str, Any]) -> Any:
                if reader is None:
                    return handler(opened, body)
                return handler(opened, body, reader_of(opened, owner, body, needed=reader == "needed"))

            @guarded("POST", path, limit=limit)
            async def answer(owner: str, request: Request, body: dict[str, Any]) -> Any:
                opened = await studio.opened(model_key(body), owner)
                found = await lane.run(work, opened, owner, body)
                return picture(found, opened) if isinstance(found, bytes) else found

        return register

    def reader_of(opened: Opened, owner: str, body: dict[str, Any], needed: bool) -> Reader | None:
        found = studio.reader(opened, owner, body.get("reader"))
        if found is None and needed:
            raise UsageError(NO_READER)
        return found

    # --- models

    @guarded("GET", "/explore/models")
    async def models(owner: str, request: Request) -> dict[str, Any]:
        return {"models": await asyncio.to_thread(studio.models, owner)}

    @guarded("POST", "/explore/open")
    async def open_model(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        key = model_key(body)
        opened = await studio.opened(key, owner)

        def facts() -> dict[str, Any]:
            reader = studio.reader(opened, owner, body.get("reader"))
            return drawing().facts(opened, key, list(studio.readers(opened, owner)), reader)

        return await asyncio.to_thread(facts)

    @guarded("POST", "/explore/upload_model", limit=None)
    async def upload(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        check_owner(owner)
        data, name = await read_upload(request, MAX_UPLOADED, "a model zip")
        title = re.sub(r"\.zip$", "", name, flags=re.IGNORECASE)[:80].strip()
        return {"key": await asyncio.to_thread(studio.uploads.keep, owner, data, title)}

    # --- pictures

    @guarded("POST", "/explore/frame", limit=MAX_RECIPE)
    async def frame(owner: str, request: Request, body: dict[str, Any]) -> Response:
        old = overtaken(studio, owner, request)
        opened = await studio.opened(model_key(body), owner)

        def draw() -> bytes | None:
            if old():
                return None
            return drawing().frame(opened, body.get("recipe"))

        data = await studio.frames.run(draw)
        return Response(status_code=204) if data is None else picture(data, opened)

    @drawn("/explore/strip", studio.sheets, limit=MAX_SHEET)
    def strip(opened: Opened, body: dict[str, Any]) -> bytes:
        return drawing().strip(opened, body)

    @drawn("/explore/mixgrid", studio.sheets, limit=MAX_SHEET)
    def mixgrid(opened: Opened, body: dict[str, Any]) -> bytes:
        return drawing().mixing_grid(opened, body)

    def kept_sheet(kind: str, draw: Callable[[Request, Opened, str], bytes]) -> Callable[..., Awaitable[Response]]:
        """A GET of a sheet that is drawn once for each state of a model and each address."""

        async def answer(owner: str, request: Request) -> Response:
            key = request.query_params.get("model", "")
            opened = await studio.opened(key, owner)
            shipped = opened.source.kind == "shipped"
            at = (opened.key, opened.source.version, opened.step, request.url.path, str(request.query_params))
            data = await studio.sheets.run(studio.kept, at, lambda: draw(request, opened, key))
            age = "max-age=31536000, immutable" if "v" in request.query_params else "max-age=3600"
            headers = {"Cache-Control": f"public, {age}" if shipped and not house.signed_in else "private, max-age=60"}
            return picture(data, opened, f"image/{kind}", **headers)

        return answer

    def walk(kind: str) -> Callable[[Request, Opened, str], bytes]:
        def draw(request: Request, opened: Opened, key: str) -> bytes:
            stops = integer(request, "stops", 6, 2, 64)
            count = integer(request, "frames", 48, stops, MAX_FRAMES)
            size = integer(request, "size", opened.front.size, 16, 256)
            return drawing().walk_sheet(opened, key, count, stops, size, kind)

        return draw

    guarded("GET", "/explore/walk.png")(kept_sheet("png", walk("png")))
    guarded("GET", "/explore/walk.jpg")(kept_sheet("jpeg", walk("jpeg")))
    guarded("GET", "/explore/thumb.png")(kept_sheet("png", lambda _, opened, key: drawing().thumbnail(opened, key)))

    # --- numbers and directions

    @drawn("/explore/read", studio.sheets, reader="needed")
    def read(opened: Opened, body: dict[str, Any], reader: Reader) -> dict[str, Any]:
        return drawing().read(opened, body.get("recipe"), reader)

    @drawn("/explore/directions", studio.heavy, reader="wanted")
    def directions(opened: Opened, body: dict[str, Any], reader: Reader | None) -> dict[str, Any]:
        cache = studio.cache if opened.source.kind == "shipped" else None
        return drawing().directions(opened, body, reader, cache)

    @drawn("/explore/teach", studio.heavy, limit=MAX_SHEET, reader="wanted")
    def teach(opened: Opened, body: dict[str, Any], reader: Reader | None) -> dict[str, Any]:
        return drawing().teach(opened, body, reader)

    @drawn("/explore/steer", studio.heavy, reader="needed")
    def steer(opened: Opened, body: dict[str, Any], reader: Reader) -> dict[str, Any]:
        return drawing().steer(opened, body, reader)

    @drawn("/explore/correlation", studio.heavy, reader="needed")
    def correlation(opened: Opened, body: dict[str, Any], reader: Reader) -> dict[str, Any]:
        return drawing().correlation(opened, body, reader)

    @drawn("/explore/disentanglement", studio.heavy, reader="needed")
    def disentanglement(opened: Opened, body: dict[str, Any], reader: Reader) -> dict[str, Any]:
        return drawing().disentanglement(opened, reader)

    @drawn("/explore/map", studio.heavy, reader="wanted")
    def latent_map(opened: Opened, body: dict[str, Any], reader: Reader | None) -> dict[str, Any]:
        return drawing().mapped(opened, body, reader)

    # --- recipes

    @drawn("/explore/bake", studio.sheets)
    def bake(opened: Opened, body: dict[str, Any]) -> dict[str, Any]:
        return drawing().baked(opened, body.get("recipe"))

    @drawn("/explore/link", studio.sheets)
    def link(opened: Opened, body: dict[str, Any]) -> dict[str, Any]:
        return drawing().link(opened, body.get("recipe"))

    @guarded("POST", "/explore/unlink", limit=MAX_RECIPE)
    async def unlink(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        return await studio.sheets.run(lambda: drawing().unlinked(body.get("r")))

    @guarded("POST", "/explore/export", limit=MAX_RECIPE)
    async def export(owner: str, request: Request, body: dict[str, Any]) -> Response:
        opened = await studio.opened(model_key(body), owner)

        def make() -> Response:
            name, write = drawing().exported(opened, body)
            return made(write, name)

        return await studio.exports.run(make)

    # --- a picture of one's own

    def job_of(owner: str, request: Request) -> Job:
        found = studio.job(request.path_params["number"], owner)
        if found is None:
            raise Refused(404, "There is no such search: it may be over for long; start it again.")
        return found

    @guarded("POST", "/explore/invert", limit=None)
    async def invert(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        check_owner(owner)
        key = request.query_params.get("model", "")
        steps = integer(request, "steps", 200, 0, MAX_INVERSION)
        options = {"per_layer": bool(integer(request, "per_layer", 1, 0, 1))}
        if "label" in request.query_params:
            options["label"] = integer(request, "label", 0, 0, 10**6)
        data, _ = await read_upload(request, MAX_PICTURE, "a picture")
        opened = await studio.opened(key, owner)
        prepared, original = await asyncio.to_thread(lambda: drawing().prepared(data, opened))
        return {"job": studio.start_inversion(opened, owner, key, prepared, original, steps, **options).id}

    @guarded("GET", "/explore/jobs/{number}")
    async def job(owner: str, request: Request) -> dict[str, Any]:
        return drawing().job_json(job_of(owner, request))

    @guarded("POST", "/explore/jobs/{number}/cancel")
    async def cancel(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        found = job_of(owner, request)
        found.cancel()
        return {"state": found.state}

    @guarded("GET", "/explore/jobs/{number}/original.png")
    async def original(owner: str, request: Request) -> Response:
        return Response(job_of(owner, request).original, 200, {"Cache-Control": "private, max-age=3600"}, _PNG)
