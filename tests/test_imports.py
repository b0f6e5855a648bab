"""The house's one rule of building: imports point left, so that every room can be read and tested without the next."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "playground"

#: from left to right; a room may import from the groups before its own, and from itself
GROUPS = (
    ("errors", "lookup"),
    ("knobs", "distributed", "devices", "edges"),
    ("runs",),  # the run folder on disk; exports read it
    (
        "data",
        "networks",
        "objectives",
        "penalties",
        "stabilisers",
        "conditions",
        "terms",
        "pixels",
        "schedules",
        "alarms",
        "export",
    ),
    ("families",),
    ("methods",),
    ("trainer",),
    ("checkpoint", "model", "estimate"),
    ("translate",),
    ("recorder",),
    ("metrics",),
    ("labs",),
    ("latent",),  # inversion measures what it finds
    ("session",),
    ("api",),
    ("__init__",),  # the facade
    ("ui",),
)
PLACE = {room: i for i, group in enumerate(GROUPS) for room in group}
TORCH_FREE = ("errors", "knobs", "runs", "alarms", "export", "methods")
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file: Path) -> set[str]:
    """Every module that `file` imports, at its top or inside functions, by its full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return names


def rooms_imported(file: Path) -> set[str]:
    parts = [name.split(".") for name in imported(file)]
    rooms = {p[1] for p in parts if p[0] == "playground" and len(p) > 1}
    return {room if room in PLACE else "__init__" for room in rooms}


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_every_room_has_its_place():
    assert {room_of(file) for file in FILES} == set(PLACE)


@pytest.mark.parametrize("file", FILES, ids=name)
def test_imports_point_left(file: Path):
    room = room_of(file)
    for other in rooms_imported(file) - {room}:
        assert PLACE[other] < PLACE[room], f"{name(file)} must not import from '{other}'"


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) in ("metrics", "latent")], ids=name)
def test_metrics_and_latent_never_see_the_trainer(file: Path):
    """They are handed networks and arrays, so they serve any model."""
    assert not rooms_imported(file) & {"trainer", "checkpoint", "recorder"}


@pytest.mark.parametrize("file", FILES, ids=name)
def test_lower_rooms_know_no_browser_and_never_print(file: Path):
    if room_of(file) == "ui":
        return
    roots = {module.split(".")[0] for module in imported(file)}
    assert not roots & {"gradio", "gradio_client", "plotly", "matplotlib", "training", "app"}
    calls = [node.func for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("print", "input")]


@pytest.mark.parametrize("room", TORCH_FREE)
def test_plain_rooms_never_import_torch(room: str):
    assert "torch" not in {module.split(".")[0] for module in imported(PACKAGE / f"{room}.py")}


@pytest.mark.parametrize("file", FILES, ids=name)
def test_no_failure_is_swallowed(file: Path):
    """A bare `except:` hides Ctrl-C and every defect."""
    handlers = [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.ExceptHandler)]
    assert all(handler.type is not None for handler in handlers)


def test_light_modules_load_neither_torch_nor_gradio():
    """The page and the command line answer at once: heavy libraries come when a training or a model is asked for."""
    light = ("playground", "playground.methods", "playground.session", "playground.data.registry", "training.train")
    code = (
        "import importlib, sys\n"
        f"for module in {light!r}:\n"
        "    importlib.import_module(module)\n"
        "    heavy = {'torch', 'torchvision', 'gradio', 'plotly'} & set(sys.modules)\n"
        "    assert not heavy, f'{module} loads {heavy}'\n"
        "import playground as pg\n"
        "assert 'train' in dir(pg) and not hasattr(pg, 'nonsense')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
