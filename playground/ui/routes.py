"""The routes beside gradio's own: the live view, run folders, previews and static files.

They enforce what the rest of the app does: signing in where that is asked for, and that a run is its owner's. What
changes something is a POST that carries a header which no foreign page can send without asking first.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import importlib.util
import inspect
import logging
import math
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from starlette.routing import Mount

from playground.data.registry import DATASETS
from playground.errors import PlaygroundError, UsageError
from playground.methods import METHODS
from playground.runs import delete_run, list_runs, read_config, read_metrics, read_samples, rename_run
from playground.session import Session
from playground.ui.answers import MAX_BODY, Refused, integer, json_response, made, read_json
from playground.ui.context import UNEXPECTED, House
from playground.ui.explore_routes import add_explore_routes
from playground.ui.lab_routes import add_lab_routes
from playground.ui.owners import COOKIE, owner_of_browser, owner_of_user
from playground.ui.pictures import built_in_preview
from playground.ui.sketch_routes import add_sketch_routes
from playground.ui.theory_routes import add_theory_routes
from playground.ui.translate_routes import add_translate_routes

log = logging.getLogger("playground")

STATIC = Path(__file__).parent / "static"
SCRIPT, STYLE = "playground.js", "app.css"
_PARTS = {  # served as one file each, so that their order is certain
    SCRIPT: (
        "core.js",
        "charts.js",
        "live.js",
        "runs.js",
        "frames.js",
        "explore-state.js",
        "explore-parts.js",
        "explore-stage.js",
        "explore-panels.js",
        "explore-tools.js",
        "explore-map.js",
        "explore.js",
        "mixing-parts.js",
        "mixing-grid.js",
        "mixing.js",
        "sketch-board.js",
        "sketch.js",
        "translate-parts.js",
        "translate.js",
        "labs.js",
        "lab-link.js",
        "lab-chart.js",
        "lab-draw.js",
        "lab-scene.js",
        "lab-panel.js",
        "lab-arena.js",
        "lab-line.js",
        "lab-theory.js",
        "lab-game.js",
        "lab-divergences.js",
        "lab-saturation.js",
        "home.js",
    ),
    STYLE: (
        "app.css",
        "explore.css",
        "mixing.css",
        "sketch.css",
        "translate.css",
        "labs.css",
        "lab-line.css",
        "lab-theory.css",
        "home.css",
    ),
}
ICON = "icon.svg"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"
HEADER = "x-playground"


# ---------------------------------------------------------------------------------------------------------------------
# Static files


@lru_cache(maxsize=16)
def static_file(name: str) -> tuple[bytes, str] | None:
    """(gzipped bytes, media type) of a static file; None where there is none of that name."""
    if name == "plotly.min.js":
        spec = importlib.util.find_spec("plotly")  # found, not imported: that would cost a second
        content = (Path(spec.origin).parent / "package_data" / name).read_bytes()
    elif name in (SCRIPT, STYLE, ICON):
        content = _content(name)
    else:
        return None
    return gzip.compress(content, 6), _TYPES[Path(name).suffix]


def static_url(name: str) -> str:
    """The address of a static file, with a mark of its contents, so that it may be cached for ever."""
    return f"ui/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


def _content(name: str) -> bytes:
    return b"\n".join((STATIC / part).read_bytes() for part in _PARTS.get(name, (name,)))


# ---------------------------------------------------------------------------------------------------------------------
# Who asks


def signed_in_user(app: FastAPI, request: Request) -> str | None:
    """The user of gradio's own login, read as gradio reads it; None for nobody."""
    inner = next(route.app for route in app.routes if isinstance(route, Mount) and hasattr(route.app, "cookie_id"))
    names = (f"access-token-{inner.cookie_id}", f"access-token-unsecure-{inner.cookie_id}")
    token = next((request.cookies[name] for name in names if request.cookies.get(name)), None)
    return inner.tokens.get(token) if token else None


def owner_of(app: FastAPI, house: House, request: Request) -> str:
    """The owner behind a request; raises Refused(401) for a stranger where people sign in."""
    if not house.signed_in:
        return owner_of_browser(request.cookies.get(COOKIE))
    user = signed_in_user(app, request)
    if user is None:
        raise Refused(401, "Please sign in first: reload the page.")
    return owner_of_user(user)


def check_same_site(request: Request) -> None:
    """Raise Refused(403) unless the request comes from a page of this app, or from a program.

    A browser sends a header of its own making to another site only after asking that site, and this one never agrees.
    """
    if not request.headers.get(HEADER):
        raise Refused(403, f"This request lacks the header {HEADER}: send it from the app's own page.")


# ---------------------------------------------------------------------------------------------------------------------
# The routes


def add_routes(app: FastAPI, house: House) -> None:
    """Add all routes to `app`; call it before gradio is mounted at "/"."""

    def route(
        method: str, path: str, *, heavy: bool = False, limit: int | None = MAX_BODY
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A route whose handler gets (owner, request), a POST also its JSON body, and may raise.

        `heavy` ones run in a thread of their own; a coroutine runs as it is. A body has at most `limit` bytes; None
        leaves the reading to the handler, which then gets {}.
        """

        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            async def answer(request: Request) -> Response:
                try:
                    if method == "POST":
                        check_same_site(request)
                    owner = owner_of(app, house, request)
                    body = await read_json(request, limit) if method == "POST" and limit is not None else {}
                    call = (owner, request, body) if method == "POST" else (owner, request)
                    result = await asyncio.to_thread(handler, *call) if heavy else handler(*call)
                    if inspect.isawaitable(result):
                        result = await result
                    return result if isinstance(result, Response) else json_response(result)
                except Refused as refusal:
                    return json_response({"error": str(refusal)}, refusal.status)
                except PlaygroundError as error:
                    return json_response({"error": str(error)}, 400)
                except Exception:
                    log.exception("The route %s failed", path)
                    return json_response({"error": UNEXPECTED}, 500)

            app.add_api_route(path, answer, methods=[method], include_in_schema=False)
            return handler

        return register

    def session(request: Request, owner: str) -> Session:
        try:
            return house.session(request.path_params["key"], owner)
        except UsageError as error:
            raise Refused(404, str(error)) from None

    def folder(request: Request, owner: str) -> Path:
        try:
            return house.folder(request.path_params["key"], owner)
        except UsageError as error:
            raise Refused(404, str(error)) from None

    # --- static files and previews

    @app.get("/ui/{name}", include_in_schema=False)
    async def static(name: str, request: Request) -> Response:
        found = await asyncio.to_thread(static_file, name)
        if found is None:
            return json_response({"error": f"There is no file '{name}'."}, 404)
        packed, kind = found
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, 200, {**headers, "Content-Encoding": "gzip"}, kind)
        return Response(gzip.decompress(packed), 200, headers, kind)

    @route("GET", "/data/{name}/preview.jpg", heavy=True)
    def preview(owner: str, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in DATASETS:
            raise Refused(404, f"There is no data set '{name[:60]}'.")
        count, columns = (24, 12) if request.query_params.get("shape") == "strip" else (25, 5)
        picture = built_in_preview(name, integer(request, "size"), count, columns)
        return Response(picture, 200, {"Cache-Control": "public, max-age=86400"}, "image/jpeg")

    # --- the live view: asked for four times a second, so it answers from frozen snapshots at once

    @route("GET", "/live/current")
    def current(owner: str, request: Request) -> dict[str, Any]:
        found = house.manager.current(owner) if owner else None
        return {"key": found.key if found else None}

    @route("GET", "/live/{key}")
    def wire(owner: str, request: Request) -> dict[str, Any]:
        found = session(request, owner)
        found.touch()
        return found.wire(max(0, integer(request, "after")))

    @route("GET", "/live/{key}/grid.jpg", heavy=True)
    def grid(owner: str, request: Request) -> Response:
        picture = session(request, owner).grid_jpeg()
        if picture is None:
            raise Refused(404, "There are no samples yet.")
        return Response(picture, 200, {"Cache-Control": "no-store"}, "image/jpeg")

    for name in ("pause", "resume", "step", "stop"):

        def steer(owner: str, request: Request, body: dict[str, Any], name: str = name) -> dict[str, Any]:
            found = session(request, owner)
            getattr(found, name)()
            return {"state": found.state}

        route("POST", f"/live/{{key}}/{name}")(steer)

    @route("POST", "/live/{key}/save", heavy=True)
    def save(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        return {"message": session(request, owner).save()}

    @route("POST", "/live/{key}/knob")
    def knob(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        name = body.get("name")
        if not isinstance(name, str) or "value" not in body:
            raise Refused(400, "A change of a setting needs its name and its value.")
        return {"name": name, "value": session(request, owner).set_knob(name, body["value"])}

    # --- run folders

    @route("GET", "/runs", heavy=True)
    def runs(owner: str, request: Request) -> dict[str, Any]:
        found = list_runs(house.manager.runs_dir, owner) if owner else []
        live = {one.key: one for one in house.manager.sessions() if one.owner == owner}
        return {"runs": [run_row(info, live.get(info.key)) for info in found]}

    @route("POST", "/runs/{key}/rename", heavy=True)
    def rename(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        key = folder(request, owner).name
        info = rename_run(house.manager.runs_dir, key, body.get("name"), owner or None)
        return {"name": info.name}

    @route("POST", "/runs/{key}/delete", heavy=True)
    def delete(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        key = folder(request, owner).name
        house.manager.forget(key)
        delete_run(house.manager.runs_dir, key, owner=owner or None)
        return {"deleted": key}

    @route("POST", "/runs/{key}/reopen", heavy=True)
    def reopen(owner: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        key = folder(request, owner).name
        changes = {"steps": body["steps"]} if "steps" in body else {}
        return {"key": house.manager.start("", "", changes, owner=owner, resume=key).key}

    @route("GET", "/runs/{key}/metrics", heavy=True)
    def metrics(owner: str, request: Request) -> dict[str, Any]:
        columns = read_metrics(folder(request, owner))
        return {"columns": {name: [_plain(value) for value in column.tolist()] for name, column in columns.items()}}

    @route("GET", "/runs/{key}/samples", heavy=True)
    def samples(owner: str, request: Request) -> dict[str, Any]:
        return {"steps": [step for step, _ in read_samples(folder(request, owner))]}

    @route("GET", "/runs/{key}/samples/{step}.png", heavy=True)
    def sample(owner: str, request: Request) -> Response:
        wanted = request.path_params["step"]
        found = dict(read_samples(folder(request, owner)))
        path = found.get(int(wanted)) if re.fullmatch("[0-9]{1,12}", wanted) else None
        if path is None:
            raise Refused(404, f"This run has no samples of step {wanted[:20]}.")
        # Asked again each time, since a deleted run's key may come back; unchanged pictures cost an empty answer.
        facts = path.stat()
        headers = {"Cache-Control": "private, no-cache", "ETag": f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return FileResponse(path, media_type="image/png", headers=headers)

    @route("GET", "/runs/{key}/timelapse.{kind}", heavy=True)
    def timelapse(owner: str, request: Request) -> Response:
        from playground.export import timelapse as write

        place, kind = folder(request, owner), request.path_params["kind"]
        if kind not in ("gif", "mp4", "webp"):
            raise Refused(404, "A time-lapse is a gif, mp4 or webp.")
        return made(lambda path: write(place, path), f"{place.name}.{kind}")

    @route("GET", "/runs/{key}/model.zip", heavy=True)
    def model(owner: str, request: Request) -> Response:
        from playground.export import zip_folder

        place = folder(request, owner)
        with contextlib.suppress(UsageError):  # not in memory, or over: what was last saved is taken
            found = house.session(request.path_params["key"], owner)
            if found.state in ("running", "paused"):
                found.save()
        if not (place / "model" / "model.safetensors").is_file():
            raise Refused(404, "This run has no model yet: save it first.")
        return made(lambda path: zip_folder(place / "model", path), f"{place.name}.zip")

    add_explore_routes(app, house, route)
    add_sketch_routes(app, house, route)
    add_lab_routes(app, house, route)
    add_theory_routes(app, house, route)
    add_translate_routes(app, house, route)


def run_row(info: Any, live: Session | None) -> dict[str, Any]:
    """What the list shows of a run; no path of the server is among it."""
    config: dict[str, Any] = {}
    with contextlib.suppress(PlaygroundError):
        config = read_config(info.path)
    knobs = config.get("knobs") or {}
    state = live.state if live is not None and (live.active or info.active) else info.state
    return {
        "key": info.key, "name": info.name, "preset": info.preset,
        "title": METHODS[info.preset].title if info.preset in METHODS else info.preset,
        "data": config.get("data_title") or Path(info.data).name, "state": state, "step": info.step,
        "steps": live.snapshot().steps if live is not None else max(info.step, info.steps, knobs.get("steps") or 0),
        "seconds": info.seconds, "created": info.created,
        "updated": info.updated, "message": info.message, "active": live.active if live is not None else info.active,
        "open": live is not None, "has_checkpoint": info.has_checkpoint, "has_model": info.has_model,
        "sample": int(info.latest_sample.stem) if info.latest_sample else None,
    }  # fmt: skip


def _plain(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
