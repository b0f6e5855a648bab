"""What all routes are made of: reading a request within limits, and the forms of an answer."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask
from starlette.formparsers import MultiPartException, MultiPartParser

MAX_BODY = 65_536  # bytes of a POST
_DRAINED = 4  # times the limit: what is read, and thrown away, so that the refusal of a large upload arrives


class Refused(Exception):
    """An answer other than 200: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def json_response(value: Any, status: int = 200) -> Response:
    """JSON that is never cached; NaN becomes null."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


def made(make: Callable[[Path], Any], name: str) -> Response:
    """A file made in a temporary folder and sent as an attachment; the folder goes when it is sent."""
    place = tempfile.TemporaryDirectory(prefix="gan-playground-")
    try:
        path = Path(place.name) / name
        make(path)
    except BaseException:
        place.cleanup()
        raise
    return FileResponse(
        path, filename=name, headers={"Cache-Control": "no-store"}, background=BackgroundTask(place.cleanup)
    )


async def read_json(request: Request, limit: int = MAX_BODY) -> dict[str, Any]:
    """The JSON object of a POST, at most `limit` bytes long; {} for an empty one."""
    data = bytearray()
    async for block in request.stream():
        data += block
        if len(data) > limit:
            raise Refused(413, "The request is too long.")
    if not data:
        return {}
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Refused(400, "The request is not JSON.") from None
    if not isinstance(value, dict):
        raise Refused(400, "The request is not a JSON object.")
    return value


async def read_upload(request: Request, limit: int, what: str) -> tuple[bytes, str]:
    """One uploaded file, as the whole body or as the first file of a form: (its bytes, its name or "").

    Raises:
        Refused: longer than `limit` bytes, empty, or a form that can't be read. `what` names the file in sentences.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        blocks = _counted(request, limit + MAX_BODY, what)  # a form has a few lines of its own
        try:
            async with _form(request, blocks) as form:
                file = next((value for value in form.values() if hasattr(value, "filename")), None)
                data, name = (await file.read(), file.filename or "") if file is not None else (b"", "")
        except (MultiPartException, KeyError):  # a form without a boundary raises the latter
            raise Refused(400, f"The upload of {what} can't be read: send it again.") from None
    else:
        data, name = b"".join([block async for block in _counted(request, limit, what)]), ""
    if not data:
        raise Refused(400, f"Nothing was uploaded: choose {what} first.")
    return data, Path(name).name


class _form:
    """A parsed form as a context, so that its temporary files are closed."""

    def __init__(self, request: Request, blocks: AsyncIterator[bytes]) -> None:
        self._parser = MultiPartParser(request.headers, blocks, max_files=4, max_fields=20)

    async def __aenter__(self) -> Any:
        self._form = await self._parser.parse()
        return self._form

    async def __aexit__(self, *failure: object) -> None:
        await self._form.close()


async def _counted(request: Request, limit: int, what: str) -> AsyncIterator[bytes]:
    """The blocks of a body; one that is too long is read on without being kept, then refused."""
    total = 0
    async for block in request.stream():
        total += len(block)
        if total <= limit:
            yield block
        elif total > _DRAINED * limit:
            break
    if total > limit:
        raise Refused(413, f"The upload is too large: {what} has at most {limit // 2**20} MB.")


def integer(request: Request, name: str, default: int = 0, low: int = -(10**18), high: int = 10**18) -> int:
    """A whole number of the query; raises Refused(400) for anything else."""
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Refused(400, f"{name} must be a whole number.")
    if not low <= int(text) <= high:
        raise Refused(400, f"{name} must lie between {low} and {high}, not {int(text)}.")
    return int(text)
