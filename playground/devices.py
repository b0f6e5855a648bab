"""Which device trains: "auto" takes a graphics card where there is one."""

from __future__ import annotations

import importlib.util
import re

from playground.errors import UsageError


def resolve_device(name: str = "auto") -> str:
    """ "cpu", "cuda" or "cuda:N" for a wish; raises UsageError for an unknown device or one that is not there."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UsageError(f"Unknown device '{name}': use auto, cpu or cuda.")
    if name == "cpu" or importlib.util.find_spec("torch") is None:
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    index = int(name.partition(":")[2] or 0)
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise UsageError(f"There is no device '{name}' on this machine: use auto or cpu.")
    return name


def describe_device(name: str) -> str:
    """A short readable name, such as "CPU, 2 threads" or the graphics card's own."""
    import torch

    if name.startswith("cuda"):
        return torch.cuda.get_device_name(name)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads != 1 else ''}"
