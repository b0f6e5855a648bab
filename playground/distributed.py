"""Data-parallel training by hand: one flat all-reduce of gradients a phase; everything is a no-op in a single process.

A wrapper module would break on double backward and on several forwards a step, which GANs do all the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def start(device_type: str) -> None:
    """Join the process group that `torchrun` describes in the environment; nothing without one."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ and not dist.is_initialized():
        if device_type == "cuda":
            torch.cuda.set_device(local_rank())
        dist.init_process_group("nccl" if device_type == "cuda" else "gloo")


def stop() -> None:
    """Leave the process group."""
    if active():
        dist.destroy_process_group()


def active() -> bool:
    """True inside a process group."""
    return dist.is_available() and dist.is_initialized()


def local_rank() -> int:
    """This process's place on its own machine, as `torchrun` numbers them: which graphics card is its."""
    return int(os.environ.get("LOCAL_RANK", 0))


def rank() -> int:
    """This process's place, 0 for the one that writes files."""
    return dist.get_rank() if active() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if active() else 1


def mean_(tensors: Sequence[Tensor]) -> None:
    """Replace `tensors` (same dtype and device) by their mean over all processes, in place, with one all-reduce."""
    if world() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    flat /= world()
    offset = 0
    for t in tensors:
        t.copy_(flat[offset : offset + t.numel()].view_as(t))
        offset += t.numel()


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, by rank: as many [n, ...] of each -> [n · world, ...]."""
    if world() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def broadcast_(tensors: Iterable[Tensor]) -> None:
    """Give every process the tensors of rank 0."""
    if world() > 1:
        for t in tensors:
            dist.broadcast(t.detach(), 0)  # the values alone: no part of any graph


def any_rank(flag: bool) -> bool:
    """True everywhere where `flag` is true anywhere: a stop asked of one process stops all."""
    if world() == 1:
        return flag
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    total = torch.tensor([float(flag)], device=device)
    dist.all_reduce(total)
    return bool(total.item() > 0)
