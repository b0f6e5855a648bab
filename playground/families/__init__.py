"""Families: the wirings of players, by name; a family says who feeds whom and nothing about loops or files."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from playground.errors import unknown
from playground.lookup import named

if TYPE_CHECKING:
    from playground.data.base import DataInfo
    from playground.families.base import Family
    from playground.knobs import Settings

FAMILIES: dict[str, str] = {
    "adversarial": "playground.families.adversarial:Adversarial",
    "paired": "playground.families.paired:Paired",
    "unpaired": "playground.families.unpaired:Unpaired",
    "styled": "playground.families.styled:Styled",
    "shared": "playground.families.styled:SharedLatent",
    "coupled": "playground.families.coupled:Coupled",
    "supervised": "playground.families.supervised:Supervised",
}

# Weights are initialised from torch's global generator, which threads share: one build at a time.
_build_lock = threading.Lock()


@contextlib.contextmanager
def initialising(seed: int = 0) -> Iterator[None]:
    """Networks built in this block get the weights of `seed`, whatever other threads build or draw meanwhile.

    Every construction of networks belongs in such a block. torch's global generator is left as it was.
    """
    import torch

    with _build_lock, torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        yield


def family_class(name: str) -> type[Family]:
    """The class behind a family's name; raises UsageError for an unknown one."""
    if name not in FAMILIES:
        raise unknown("family", name, FAMILIES)
    return named(FAMILIES[name])


def build_family(name: str, settings: Settings, info: DataInfo) -> Family:
    """Fresh networks of family `name` for a data set; raises UsageError for settings that don't go together."""
    return family_class(name)(settings, info)


def describe(name: str, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
    """[(title, layer rows)] of each player's network, for `playground.networks.describe.sketch_svg`."""
    with initialising():
        return family_class(name).describe(settings, info)
