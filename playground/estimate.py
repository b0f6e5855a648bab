"""What a run will cost, before it starts: a few real steps on random pictures, timed and weighed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from playground.data.base import DataInfo, ImageStore, PairStore, Side
from playground.knobs import Settings
from playground.methods import find_method, method_settings
from playground.trainer import Trainer

#: torch, its libraries and the app, before any network is built; bytes
BASELINE = 600 * 2**20


@dataclass(frozen=True)
class Estimate:
    """The cost of a run. `memory_bytes` covers weights, optimisers, one step's activations and the decoded pictures."""

    parameters: Mapping[str, int]
    step_seconds: float
    seconds: float
    memory_bytes: int
    device: str

    @property
    def sentence(self) -> str:
        """The estimate in words."""
        parts = " + ".join(
            f"{count / 1e6:.2g} M in {name}" for name, count in sorted(self.parameters.items(), reverse=True)
        )
        return (
            f"About {duration(self.seconds)} ({1 / self.step_seconds:,.3g} steps a second) and "
            f"{self.memory_bytes / 2**30:.1f} GB of memory on this machine; parameters: {parts}."
        )


def duration(seconds: float) -> str:
    """Seconds in words, rounded as estimates are.

    >>> duration(95)
    '1.6 minutes'
    """
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size or (unit == "minutes" and seconds >= size):
            return f"{seconds / size:.2g} {unit}"
    return f"{max(1, round(seconds))} seconds"


def estimate(preset: str, info: DataInfo, overrides: Mapping[str, Any] | None = None, device: str = "cpu") -> Estimate:
    """Estimate a run of `preset` on data like `info` by taking three real steps on random pictures.

    Takes a few steps' time (a second or so on a CPU); answers are remembered. Another training going on at the same
    time makes the estimate longer, as it would the run.

    Raises:
        UsageError: settings that don't go together.
    """
    knobs = method_settings(preset, overrides)
    relevant = {name: value for name, value in knobs.items() if name not in ("seed", "steps")}
    bare = replace(info, name="", notes=(), licence="")
    step_seconds, memory, parameters = _measure(preset, bare, tuple(sorted(relevant.items())), device)
    return Estimate(dict(parameters), step_seconds, step_seconds * knobs.steps, memory, device)


@lru_cache(maxsize=64)
def _measure(
    preset: str, info: DataInfo, items: tuple[tuple[str, Any], ...], device: str
) -> tuple[float, int, tuple[tuple[str, int], ...]]:
    knobs = Settings({**dict(items), "seed": 0, "steps": 4, "adversarial_from": 0.0})  # all players
    find_method(preset)
    count = max(2, 2 * knobs.batch_size)  # of which some may be held out
    generator = torch.Generator().manual_seed(0)
    store = example_store(info, count, generator).to(device)
    trainer = Trainer(preset, knobs, store)
    saved: dict[int, int] = {}

    def weigh(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        trainer.step()  # also warms up
    times = []
    for _ in range(3):
        started = time.perf_counter()
        trainer.step()
        trainer.metrics()  # waits for the device
        times.append(time.perf_counter() - started)
    parameters = {name: sum(p.numel() for p in module.parameters()) for name, module in trainer.players.items()}
    optimiser = {"adam": 2, "rmsprop": 1, "sgd": 0}[knobs.optimiser]
    # weights, gradients and the optimiser's moments of every player; the averages; twice the saved activations
    # (their gradients live beside them); the decoded pictures
    averaged = sum(parameters[name] for name in trainer.family.averaged)
    memory = 4 * sum(parameters.values()) * (2 + optimiser) + 4 * averaged + 2 * sum(saved.values())
    memory += info.count * sum(side.size**2 * side.channels for side in info.sides or (info,))
    return min(times), BASELINE + memory, tuple(sorted(parameters.items()))


def example_info(preset: str, size: int = 32, channels: int = 3, count: int = 1000) -> DataInfo:
    """Facts about made-up pictures that `preset` can learn from: with ten classes, attributes or two sides if need be.

    Raises:
        UsageError: an unknown preset.
    """
    method = find_method(preset)
    info = DataInfo(
        "example",
        channels,
        size,
        count,
        classes=tuple(str(digit) for digit in range(10)) if method.needs_labels else (),
        attributes=tuple(f"attribute {i}" for i in range(10)) if method.needs_attributes else (),
    )
    if not method.sides:
        return info
    labels = ("ground", "sky", "tree") if method.knobs.get("translator") == "spade" else ()
    palette = ((120, 90, 60), (130, 180, 240), (40, 130, 60))[: len(labels)]
    sides = (Side("A", 1 if labels else channels, size, labels, palette), Side("B", channels, size))
    return replace(info, sides=sides, paired=method.sides == "paired")


def example_store(info: DataInfo, count: int, generator: torch.Generator | None = None) -> ImageStore:
    """`count` pictures (pairs, or pictures a side) of random pixels, like those that `info` tells of."""

    def pixels(side: DataInfo | Side) -> torch.Tensor:
        high = len(getattr(side, "labels", ())) or 256
        shape = (count, side.size, side.size, side.channels)
        return torch.randint(0, high, shape, dtype=torch.uint8, generator=generator)

    if info.sides:
        held = count if info.paired else 2 * count
        return PairStore(replace(info, count=held), *map(pixels, info.sides))
    labels = torch.arange(count) % len(info.classes) if info.classes else None
    attributes = torch.rand(count, len(info.attributes), generator=generator) if info.attributes else None
    return ImageStore(replace(info, count=count), pixels(info), labels, attributes)
