"""What the trainer knows of a family: players, phases, and a grid to look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playground import stabilisers
from playground.data.base import Batch, DataInfo
from playground.errors import UsageError
from playground.knobs import Settings
from playground.lookup import named
from playground.objectives import Objective
from playground.schedules import noise_sigma

Terms = dict[str, Tensor]


def _once() -> int:
    return 1


@dataclass(frozen=True)
class Phase:
    """One turn of a step: `players` move against the sum of the terms that `loss(batch)` returns.

    `repeats` is asked anew each step, so it can be a live knob; `after` runs once the optimiser has moved
    (weight clipping).
    """

    name: str
    players: tuple[str, ...]
    loss: Callable[[Batch], Terms]
    repeats: Callable[[], int] = _once
    after: Callable[[], None] | None = None


@dataclass(frozen=True)
class GridPlan:
    """The fixed-seed sample grid: how many rows and columns, and what each row is called ("" for none)."""

    rows: int
    columns: int
    row_names: tuple[str, ...] = ()


class Family(ABC):
    """Networks and their wiring. Randomness comes from `self.generator` alone, which the trainer sets and saves."""

    #: players whose moving average is kept and sampled from
    averaged: ClassVar[tuple[str, ...]] = ("G",)
    #: the knob that holds a player's learning rate, where it is not the generator's
    learning_rates: ClassVar[dict[str, str]] = {"D": "learning_rate_d"}
    #: what a trained model of it is: "generator", "classifier" or "translator"
    kind: ClassVar[str] = "generator"
    #: whether the rows of its grid are classes
    labelled: bool = False
    #: whether its generator may learn several times a step (`generator_steps`)
    repeats_generator: ClassVar[bool] = False
    #: whether its networks are known to learn as well with bfloat16 inside
    robust: ClassVar[bool] = False

    def __init__(self, settings: Settings, info: DataInfo):
        self.settings, self.info = settings, info
        self.players: dict[str, nn.Module] = {}
        self.generator: torch.Generator | None = None
        self.held: Callable[[], Batch] | None = None  # pictures that are never trained on; set by the trainer
        self._test: Batch | None = None
        self.check_repeats(settings.generator_steps)
        self.step = 0
        self.total_steps = settings.steps

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The turns of one step, in order."""

    @abstractmethod
    def grid_plan(self) -> GridPlan:
        """How the sample grid is laid out."""

    @abstractmethod
    def grid(self, players: dict[str, nn.Module], seed: int) -> Tensor:
        """The fixed-seed samples [rows*columns, C, H, W] in [-1, 1], drawn by `players` (the averaged ones)."""

    @abstractmethod
    def observations(self) -> dict[str, Tensor]:
        """Scalars of the last step for the charts, still on the device."""

    def held_share(self) -> float:
        """The share of the pictures that is kept from training to test on; 0 for games, which are won on new fakes."""
        return 0.0

    def diversity(self, images: Tensor) -> tuple[Tensor, Tensor] | None:
        """Of the grid's pictures, (drawn ones, real ones to compare their variety with); None: real ones at random."""
        return None

    def tested(self) -> Batch:
        """The pictures held out; raises UsageError where none are."""
        if self._test is None:
            if self.held is None:
                raise UsageError(f"A {self.kind} is tested on pictures held out: set held_out above 0.")
            self._test = self.held()
        return self._test

    def facts(self) -> dict[str, Any]:
        """What a saved model states beyond its settings and data; plain JSON types."""
        return {}

    def histograms(self) -> dict[str, Tensor]:
        """Vectors whose distribution is worth seeing ("real", "fake" scores); empty where there are none."""
        return {}

    def singular_values(self) -> dict[str, Tensor]:
        """Largest singular value of each spectrally normalised layer; empty where there are none."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What the next step reads besides networks, optimisers and generators (buffers of past samples)."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - nothing to restore by default
        """Restore `state_dict`."""

    def disguised(self, images: Tensor) -> Tensor:
        """`images` [N, C, H, W] as a discriminator is shown them: augmented and under instance noise, where these are
        on; the noise falls as its schedule says."""
        s = self.settings
        if s.augment != "none":
            images = stabilisers.augment(images, s.augment, self.generator)
        sigma = noise_sigma(self.step, s.instance_noise, s.instance_noise_steps) if s.instance_noise > 0 else 0.0
        return stabilisers.instance_noise(images, sigma, self.generator) if sigma > 0 else images

    @cached_property
    def extractor(self) -> Any:
        """The shipped classifier `perceptual_by`, whose features tell how alike pictures are (of
        `playground.metrics.features`, by name as families are, since it is a trained model, and models are made of
        families). Opened at the first step that sees with it, and kept: looking for it means reading the shelf.

        Raises:
            UsageError: it is missing.
        """
        device = next(next(iter(self.players.values())).parameters()).device
        return named("playground.metrics.features:shipped_extractor")(self.settings.perceptual_by, str(device))

    def check_repeats(self, generator_steps: int) -> None:
        """Raise UsageError where G can't learn more than once a step: it answers for the very fakes that D has seen."""
        if generator_steps > 1 and not self.repeats_generator:
            raise UsageError("Here G learns once a step, from fakes that D has just seen: set generator_steps to 1.")

    def check_change(self, name: str, value: Any) -> None:  # noqa: B027 - every live knob may move by default
        """Raise UsageError where a live knob can't take `value` with the networks as they were built."""

    @classmethod
    @abstractmethod
    def sampling_networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        """Fresh copies of the networks that a saved model holds: those in `averaged`, by name."""

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        """[(title, layer rows)] of the networks these settings build."""
        raise NotImplementedError


#: the knob behind each objective's option, where the two are not called the same
_OPTION_KNOBS = {"form": "kl_form"}


def objective_options(objective: Objective, settings: Settings) -> dict[str, Any]:
    """The options of an objective's losses, from the knobs behind them."""
    return {name: settings[_OPTION_KNOBS.get(name, name)] for name in objective.options}


def smoothed_options(objective: Objective, settings: Settings) -> dict[str, Any]:
    """The same for a discriminator's loss, whose target for real pictures may be smoothed."""
    options = objective_options(objective, settings)
    if objective.soft_targets and settings.label_smoothing:
        options["real_target"] = 1 - settings.label_smoothing
    return options


def check_one_sided(info: DataInfo) -> None:
    """Raise UsageError for a two-sided data set, of which a method that does not translate would know one side only."""
    if info.sides:
        raise UsageError(
            f"'{info.name}' has two sides, for translation from one to the other: choose pix2pix or cyclegan, or a "
            "data set such as 'faces'."
        )
