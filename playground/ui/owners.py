"""Whose run is whose: a random cookie names a browser, or the user name does where people sign in.

The cookie itself is a secret; what is written to disk as a run's owner is its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any

from playground.errors import UsageError

COOKIE = "gan_playground"
_YEAR = 365 * 24 * 3600
_VALID = re.compile(r"[0-9a-f]{32}")


def owner_of_browser(cookie: str | None) -> str:
    """The owner that a cookie stands for, "" where there is none or it is not one of ours."""
    if not cookie or not _VALID.fullmatch(cookie):
        return ""
    return "browser-" + hashlib.sha256(cookie.encode()).hexdigest()[:32]


def owner_of_user(name: str) -> str:
    """The owner that a signed-in user stands for."""
    return f"user-{name}"


def fresh_owner() -> str:
    """An owner that nobody else can be: for runs started by a program, which are found by their secret."""
    return "program-" + secrets.token_hex(16)


def check_owner(owner: str) -> None:
    """Raise UsageError for nobody: what nobody leaves would be everybody's."""
    if not owner:
        raise UsageError("Your browser sent no cookie, so nothing could be kept for you: allow cookies and reload.")


class OwnerCookie:
    """ASGI middleware that gives a browser its cookie when it loads a page without one.

    The new cookie is also put into the request itself, so that the page's own handlers see the same owner.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or not _wants_page(scope)
            or _VALID.fullmatch(_cookie(scope))
        ):
            await self.app(scope, receive, send)
            return
        value = secrets.token_hex(16)
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        header = f"{COOKIE}={value}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax{secure}"

        async def send_with_cookie(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"set-cookie", header.encode())]}
            await send(message)

        request_headers = [*scope["headers"], (b"cookie", f"{COOKIE}={value}".encode())]
        await self.app({**scope, "headers": request_headers}, receive, send_with_cookie)


def _wants_page(scope: dict[str, Any]) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _cookie(scope: dict[str, Any]) -> str:
    text = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    try:
        morsel = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
