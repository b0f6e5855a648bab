"""Which device trains: "auto" takes a graphics card where there is one."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from functools import lru_cache

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


def fast_bfloat16(device: str) -> bool:
    """Whether `device` multiplies bfloat16 clearly faster than float32: recent graphics cards, some server processors.

    A processor is tried, once: of two that both have the instructions, one took half of float32's time for a
    convolution and the other half as long again.
    """
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= (8, 0)
    return _processor_gains()


@lru_cache(maxsize=1)
def _processor_gains() -> bool:
    """Whether a convolution in bfloat16 takes at most 0.8 of what it takes in float32; some 50 ms, once a process."""
    import torch
    from torch.nn import functional as F

    if not torch.cpu._is_avx512_bf16_supported():  # false as well where torch can't tell
        return False
    best = {}
    with torch.no_grad():
        for kind in (torch.float32, torch.bfloat16):
            x = torch.zeros(8, 64, 16, 16, dtype=kind).contiguous(memory_format=torch.channels_last)
            weight = torch.zeros(64, 64, 3, 3, dtype=kind)
            times = []
            for _ in range(7):
                start = time.perf_counter()
                F.conv2d(x, weight, padding=1)
                times.append(time.perf_counter() - start)
            best[kind] = min(times)  # the others were disturbed, or the first
    return best[torch.bfloat16] <= 0.8 * best[torch.float32]


def calm_threads(spare: int = 0) -> None:
    """Keep torch's CPU threads from getting in the way, and in their own; call it before torch is loaded.

    `spare` cores are left to others. A team of threads meets some hundred times in a training step, and each time waits
    for a member whose core another process holds: on two cores, a busy browser made two threads slower than one.
    Waiting threads also sleep after about 70 µs, where they would spin for a millisecond. What the environment already
    says about either stays.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    if spare:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores - spare)))


def describe_device(name: str) -> str:
    """A short readable name, such as "CPU, 2 threads" or the graphics card's own."""
    import torch

    if name.startswith("cuda"):
        return torch.cuda.get_device_name(name)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads != 1 else ''}"
