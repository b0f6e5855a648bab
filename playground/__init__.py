"""A playground for generative adversarial networks: train, watch, open up, steer and compare them.

The names below are loaded when they are first used; importing the package itself loads no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "train": "playground.api",
    "load_model": "playground.model",
    "Model": "playground.model",
    "list_presets": "playground.api",
    "list_datasets": "playground.api",
    "list_models": "playground.api",
    "open_data": "playground.data.registry",
    "Run": "playground.api",
    "Trainer": "playground.trainer",
    "PlaygroundError": "playground.errors",
    "UsageError": "playground.errors",
    "DataError": "playground.errors",
    "TrainingError": "playground.errors",
}

__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'playground' has no attribute '{name}'")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
