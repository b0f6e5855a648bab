"""A web app in a process of its own: started, waited for, spoken to over HTTP, and ended again."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from playground.errors import TrainingError
from training.bench.common import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """`python ARGUMENTS...` serving on `port`, with `threads` CPU threads if given; a context that ends the process.

    `started` is the moment before the process was made; the first page is waited for with `first_page`.
    """

    def __init__(self, arguments: Sequence[str], port: int, threads: int = 0):
        self.port = port
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1"}
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=self._said,
            stderr=subprocess.STDOUT,
        )  # fmt: skip

    def first_page(self, limit: float = 120.0) -> float:
        """Seconds from the start of the process until the whole first page was received.

        Raises:
            TrainingError: the process ended, or no page came within `limit` seconds.
        """
        while time.perf_counter() - self.started < limit:
            try:
                status, body = self.get("/", headers={"Accept": "text/html"})
                if status == 200 and b"</html>" in body:
                    return time.perf_counter() - self.started
            except OSError:
                pass  # not listening yet
            if self.process.poll() is not None:
                raise TrainingError(f"The server ended before its first page: {self._last_words()}")
            time.sleep(0.01)
        raise TrainingError(f"The server gave no page within {limit:.0f} seconds: {self._last_words()}")

    def get(
        self, path: str, connection: http.client.HTTPConnection | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """(status, body) of one GET, over `connection` if one is kept open."""
        own = connection or self.connect()
        try:
            try:
                return _asked(own, path, headers or {})
            except ConnectionError:  # a server ends connections that were idle for some seconds
                if connection is None:
                    raise
                own.close()  # the next request opens it again
                return _asked(own, path, headers or {})
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            if connection is None:
                own.close()

    def json(self, path: str, connection: http.client.HTTPConnection | None = None) -> Any:
        """The JSON of one GET.

        Raises:
            TrainingError: another status than 200.
        """
        status, body = self.get(path, connection)
        if status != 200:
            raise TrainingError(f"The server answered {path} with {status}: {body[:200].decode(errors='replace')}")
        return json.loads(body)

    def post_bytes(self, path: str, value: Any, connection: http.client.HTTPConnection | None = None) -> bytes:
        """The body that answers a JSON object, or bytes sent as they are, over `connection` if one is kept open.

        Raises:
            TrainingError: another status than 200.
        """
        own = connection or self.connect()
        raw = isinstance(value, bytes)
        kind = "application/octet-stream" if raw else "application/json"
        sent = value if raw else json.dumps(value)
        own.request("POST", path, sent, {"Content-Type": kind, "X-Playground": "1"})
        answer = own.getresponse()
        body = answer.read()
        if connection is None:
            own.close()
        if answer.status != 200:
            raise TrainingError(
                f"The server answered {path} with {answer.status}: {body[:200].decode(errors='replace')}"
            )
        return body

    def post(self, path: str, value: Any) -> Any:
        """The JSON that answers a JSON object; raises TrainingError for another status than 200."""
        return json.loads(self.post_bytes(path, value))

    def connect(self) -> http.client.HTTPConnection:
        """A connection that may be kept open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def _last_words(self) -> str:
        self._said.seek(0)
        return (self._said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._said.close()


@contextlib.contextmanager
def browser(server: Server, tab: str) -> Iterator[Any]:
    """A page with `tab` open in headless Chromium; None where Playwright or a Chromium is missing."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None or importlib.util.find_spec("playwright") is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=list(FLAGS))
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"http://127.0.0.1:{server.port}/#{tab}")
        yield page
        chromium.close()


def _asked(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def app_arguments(port: int, folder: str, device: str = "auto") -> list[str]:
    """How the app itself is started, its data and runs below `folder`."""
    places = ["--runs-dir", f"{folder}/runs", "--data-dir", f"{folder}/data"]
    return ["app.py", "--port", str(port), "--device", device, *places]
