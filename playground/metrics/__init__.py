"""How good, how alike and how well ordered pictures are, in numbers; each is loaded when it is first used."""

from __future__ import annotations

import importlib
from typing import Any

_LAZY = {
    "psnr": "playground.pixels",
    "ssim": "playground.pixels",
    "l1": "playground.pixels",
    "Extractor": "playground.metrics.features",
    "default_extractor": "playground.metrics.features",
    "path_length": "playground.metrics.ppl",
    "path_lengths": "playground.metrics.ppl",
    "scores": "playground.metrics.disentanglement",
}

__all__ = list(_LAZY)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'playground.metrics' has no attribute '{name}'")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
