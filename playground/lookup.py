"""Things by name: what is loaded when it is first asked for, so that a table of names costs nothing."""

from __future__ import annotations

import importlib
from typing import Any


def named(path: str) -> Any:
    """What "module:attribute" names; the module is imported."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
