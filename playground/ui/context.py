"""What every tab and route works with, and the one way in which failures are said to the person at the browser."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError, UsageError
from playground.labs.live import Labs
from playground.runs import open_run
from playground.session import Session, SessionManager
from playground.ui.owners import COOKIE, fresh_owner, owner_of_browser, owner_of_user
from playground.ui.pictures import Uploads
from playground.ui.studio import Studio
from playground.ui.translate_jobs import Translations

log = logging.getLogger("playground")
UNEXPECTED = "Something unexpected went wrong; the server's log says more. Nothing was lost: please try again."


@dataclass
class House:
    """The running app: its sessions, its uploads, and whether people sign in."""

    manager: SessionManager
    uploads: Uploads
    signed_in: bool = False

    @functools.cached_property
    def studio(self) -> Studio:
        """What the tabs that draw draw with."""
        return Studio(self, self.uploads.root.parent)

    @functools.cached_property
    def labs(self) -> Labs:
        """The labs that are open."""
        return Labs()

    @functools.cached_property
    def translations(self) -> Translations:
        """The batches of the Translate tab."""
        return Translations(self.studio)

    def owner(self, request: gr.Request | None) -> str:
        """Who sent an event: the signed-in user, else the browser that the cookie names; "" for neither."""
        if request is None:
            return ""
        if self.signed_in:
            return owner_of_user(request.username) if request.username else ""
        cookies = getattr(request, "cookies", None) or {}
        value = cookies.get(COOKIE) if isinstance(cookies, dict) else getattr(cookies, COOKIE, None)
        return owner_of_browser(value)

    def visitor(self, request: gr.Request | None) -> str:
        """The owner behind a page; raises UsageError for a browser that keeps no cookies."""
        owner = self.owner(request)
        if not owner:
            raise UsageError(
                "Your browser sent no cookie, so a run could not be told to be yours: allow cookies here and reload."
            )
        return owner

    def starter(self, request: gr.Request | None) -> str:
        """The owner of a run that a program starts; never "", so that no run belongs to everybody."""
        return self.owner(request) or fresh_owner()

    def session(self, key: str, owner: str) -> Session:
        """The session in memory whose key (or "key~secret") this is; raises UsageError where it is not the owner's."""
        if not owner and "~" not in key:
            raise UsageError(
                "There is no such training: it may have ended and left the memory; look in the list of runs."
            )
        return self.manager.find(key, owner)

    def folder(self, key: str, owner: str) -> Path:
        """The folder of a run that this owner, or whoever holds its secret, may see; raises UsageError otherwise."""
        if "~" in key:
            return self.manager.find(key, owner).folder
        if not owner:  # no owner at all would otherwise mean: may see everything
            owner = fresh_owner()
        return open_run(self.manager.runs_dir, key, owner).path


def plain_html(value: str = "", **options: Any) -> gr.HTML:
    """An HTML component that brings no style of its own: all of it is in `static/app.css`."""
    return gr.HTML(value, apply_default_css=False, **options)


def spoken(handler: Callable[..., Any]) -> Callable[..., Any]:
    """An event handler whose failures become one sentence in a toast; what was not expected also goes to the log."""

    @functools.wraps(handler)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False, title="That didn't work") from error
        except Exception as error:
            log.exception("A handler of the app failed")
            raise gr.Error(UNEXPECTED, print_exception=False, title="That didn't work") from error

    return guarded
