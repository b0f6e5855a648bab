"""A served app in a process of its own, and headless Chromium to look at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "../shared/data"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SYSTEM_CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


@dataclass
class Served:
    """A running app."""

    url: str
    runs: Path
    process: subprocess.Popen
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


#: the app as `app.py` starts it, with the shipped models of another folder
SHIPPED_ELSEWHERE = """
import sys
from pathlib import Path
import playground.model
playground.model.PRETRAINED = Path({folder!r})
import app
sys.exit(app.main())
"""


def start_app(folder: Path, *options: str, shipped: Path | None = None) -> Served:
    """Serve the app with its folders below `folder`, and the shipped models of `shipped`; returns when it answers."""
    port, runs, log = free_port(), folder / "runs", folder / "server.log"
    program = ["app.py"] if shipped is None else ["-c", SHIPPED_ELSEWHERE.format(folder=str(shipped))]
    command = [
        sys.executable, *program, "--port", str(port), "--device", "cpu",
        "--runs-dir", str(runs), "--data-dir", str(folder / "data"), *options,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GRADIO_TEMP_DIR": str(folder / "gradio")}
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)
    url = f"http://127.0.0.1:{port}/"
    for _ in range(600):
        if process.poll() is not None:
            pytest.fail(f"The app ended at once:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return Served(url, runs, process, log)
        except OSError:
            time.sleep(0.1)
    process.kill()
    pytest.fail(f"The app did not answer within a minute:\n{log.read_text()}")


def stop_app(served: Served) -> int:
    """End the app as Ctrl-C does; returns its exit code."""
    if served.process.poll() is None:
        served.process.send_signal(signal.SIGINT)
        try:
            served.process.wait(60)
        except subprocess.TimeoutExpired:
            served.process.kill()
            served.process.wait()
    return served.process.returncode


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    app = start_app(tmp_path_factory.mktemp("app"))
    yield app
    stop_app(app)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Served]]:
    """`serving(folder)`: an app with the shipped models of a folder; it ends with the module."""
    apps = []

    def serve(folder: Path) -> Served:
        apps.append(start_app(tmp_path_factory.mktemp("app"), shipped=folder))
        return apps[-1]

    yield serve
    for app in apps:
        stop_app(app)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of shipped models as small as they may be: a style-based one of faces, and a plain one."""
    from playground.data.registry import open_data
    from playground.methods import method_settings
    from playground.model import model_of
    from playground.trainer import Trainer

    folder = tmp_path_factory.mktemp("shipped")
    small = {"width": 8, "latent_dim": 16, "batch_size": 4, "precision": "float32"}
    for name, preset, knobs in (
        ("faces-style", "stylegan", {"size": 64, "grow": False}),
        ("plain-faces", "dcgan", {"size": 32}),
        ("calm-faces", "stylegan", {"size": 32, "grow": False, "style_noise": False}),
    ):
        settings = method_settings(preset, {**small, **knobs})
        trainer = Trainer(preset, settings, open_data("faces", size=settings.size, max_images=16))
        trainer.run(2)
        model_of(trainer, name=name).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory, shipped: Path) -> Iterator[Served]:
    """An app with the models of `shipped`."""
    app = start_app(tmp_path_factory.mktemp("gallery"), shipped=shipped)
    yield app
    stop_app(app)


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed (pip install -r requirements-dev.txt)"
    )
    with sync_api.sync_playwright() as play:
        found = next((path for path in SYSTEM_CHROMIUM if shutil.which(path)), None)
        try:
            chromium = play.chromium.launch(executable_path=found, args=ARGUMENTS)
        except sync_api.Error as error:
            pytest.skip(f"No Chromium to drive: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()


@pytest.fixture
def visitor(browser):
    """Makes pages of new visitors; their errors in the console fail the test."""
    contexts, problems = [], []

    def new(width: int = 1400, height: int = 900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **options)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on(
            "request",
            lambda request: outside(request.url) and problems.append(f"request to the outside: {request.url}"),
        )
        contexts.append(context)
        return page

    def outside(url: str) -> bool:
        return not re.match(r"(https?://127\.0\.0\.1[:/]|data:|blob:|about:)", url)

    yield new
    for context in contexts:
        context.close()
    assert not problems, problems


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """(zip, number of pictures, number of classes): real digits, or drawn ones where the real ones are absent."""
    real = SHARED / "mnist10k.zip"
    if real.is_file():
        return real, 8000, 10
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "digits.zip", "w") as archive:
        for number in range(300):
            picture = Image.new("L", (28, 28))
            x, y = rng.integers(2, 12, 2)
            ImageDraw.Draw(picture).text((x, y), str(number % 3), fill=255)
            path = folder / f"{number}.png"
            picture.save(path)
            archive.write(path, f"digits/{number % 3}/{number}.png")
    return folder / "digits.zip", 300, 3
