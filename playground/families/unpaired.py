r"""The unpaired family: two generators, A to B and B to A, learn from two sets of pictures that do not belong together.

    L_G = Σ over both directions of  L_adv(D_B(G_AB(a))) + λ · ‖G_BA(G_AB(a)) − a‖₁ + μ · ‖G_AB(b) − b‖₁

CycleGAN (Zhu et al. 2017, arXiv 1703.10593, equation 3 and section 5.2): the cycle term keeps what a picture shows, the
identity term its colours. Each discriminator sees fakes from a buffer of past ones.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playground import objectives, stabilisers
from playground.data.base import Batch, DataInfo
from playground.errors import UsageError
from playground.families.base import Family, GridPlan, Phase, Terms, objective_options, smoothed_options
from playground.families.sides import (
    SideTranslator,
    build_judge,
    check_judged_by_patches,
    check_two_sided,
    distance,
    mirrored,
    network_channels,
    paint,
    sheet,
    sides_of,
)
from playground.knobs import Settings
from playground.networks import layers
from playground.networks.describe import describe as describe_network


class Unpaired(Family):
    """G_AB and G_BA against D_B and D_A."""

    averaged: ClassVar[tuple[str, ...]] = ("G_AB", "G_BA")
    learning_rates: ClassVar[dict[str, str]] = {"D_A": "learning_rate_d", "D_B": "learning_rate_d"}
    kind: ClassVar[str] = "translator"
    directions: ClassVar[tuple[str, ...]] = ("AB", "BA")

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__(settings, info)
        check_together(settings, info)
        self.objective = objectives.OBJECTIVES[settings.objective]
        self.a, self.b = sides_of(info)
        self.players = self.networks(settings, info)
        self.buffers = {
            name: stabilisers.ReplayBuffer(settings.replay_buffer) if settings.replay_buffer else None
            for name in ("D_A", "D_B")
        }
        self._made: tuple[Tensor, ...] | None = None
        self._scores: dict[str, Tensor] = {}

    def held_share(self) -> float:
        return self.settings.held_out

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase("discriminators", ("D_A", "D_B"), self.discriminator_terms, lambda: self.settings.critic_steps),
            Phase("generators", self.averaged, self.generator_terms),
        )

    # --- the game

    def discriminator_terms(self, batch: Batch) -> Terms:
        a, b = batch.images, batch.targets
        if self.settings.flip:
            a, b = mirrored((a, b), self.generator, together=False)
        fake_a, fake_b = self.fakes(a, b)
        self._made = (a, b, fake_a, fake_b)  # with their graphs, for the generators to answer for
        options = smoothed_options(self.objective, self.settings)
        result: Terms = {}
        for name, real, fake in (("D_A", a, fake_a), ("D_B", b, fake_b)):
            judge, fake = self.players[name], fake.detach()
            if self.buffers[name] is not None:
                fake = self.buffers[name].query(fake, self.generator)
            real_says, fake_says = judge(self.disguised(real)), judge(self.disguised(fake))
            self._scores |= {
                f"real_{name[-1].lower()}": real_says.detach().flatten(),
                f"fake_{name[-1].lower()}": fake_says.detach().flatten(),
            }
            # halved, as D learns at half the generators' speed there (section 4)
            result[f"adversarial_{name[-1].lower()}"] = 0.5 * self.objective.discriminator(
                real_says, fake_says, **options
            )
        return result

    def fakes(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """(pictures of A made from `b`, pictures of B made from `a`), with their graphs."""
        fake_b = self.players["G_AB"](a)
        return self.players["G_BA"](b), fake_b

    def generator_terms(self, batch: Batch) -> Terms:
        s, (a, b, fake_a, fake_b), self._made = self.settings, self._made, None
        there, back = self.players["G_AB"], self.players["G_BA"]
        result = self.adversarial_terms(a, b, fake_a, fake_b)
        if s.cycle > 0:
            result["cycle_a"] = s.cycle * distance(back(fake_b), a)
            result["cycle_b"] = s.cycle * distance(there(fake_a), b)
        if s.identity > 0 and network_channels(self.a) == network_channels(self.b):
            result["identity_a"] = s.identity * distance(back(a), a)
            result["identity_b"] = s.identity * distance(there(b), b)
        return result

    def adversarial_terms(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> Terms:
        """What the generators lose to the discriminators of both sides."""
        result: Terms = {}
        for name, real, fake in (("D_A", a, fake_a), ("D_B", b, fake_b)):
            judge, real_says = self.players[name], None
            if self.objective.relativistic:
                with torch.no_grad():
                    real_says = judge(self.disguised(real))
            result[f"adversarial_{name[-1].lower()}"] = self.settings.validity * self.objective.generator(
                judge(self.disguised(fake)), real_says, **objective_options(self.objective, self.settings)
            )
        return result

    # --- what is seen of it

    def grid_plan(self) -> GridPlan:
        return GridPlan(6, 8 if self.info.size <= 64 else 5, ("A", "A → B", "A → B → A", "B", "B → A", "B → A → B"))

    def grid(self, players: dict[str, nn.Module], seed: int) -> Tensor:
        """Of pictures held out: each side, translated, and brought back."""
        a, b = self.held_pictures()
        there, back = (self.translator(players, direction) for direction in self.directions)
        for network in (there, back):
            layers.set_generator(network, torch.Generator(a.device).manual_seed(seed))
        fake_b, fake_a = there(a), back(b)
        rows = [
            paint(a, self.a), paint(fake_b, self.b), paint(back(fake_b), self.a),
            paint(b, self.b), paint(fake_a, self.a), paint(there(fake_a), self.b),
        ]  # fmt: skip
        return sheet(rows, self.info.size)

    def held_pictures(self) -> tuple[Tensor, Tensor]:
        """Pictures of either side that are never trained on, one a column of the grid."""
        test = self.tested()
        at = torch.arange(self.grid_plan().columns) % len(test.images)
        return test.images[at], test.targets[at]

    def diversity(self, images: Tensor) -> tuple[Tensor, Tensor]:
        n = self.grid_plan().columns
        return images[n : 2 * n], images[3 * n : 4 * n]

    def observations(self) -> dict[str, Tensor]:
        shown = (lambda s: s) if self.objective.critic or self.objective.name == "least-squares" else torch.sigmoid
        return {f"score_{name}": shown(score.float()).mean() for name, score in self._scores.items()}

    def histograms(self) -> dict[str, Tensor]:
        return dict(self._scores)

    def singular_values(self) -> dict[str, Tensor]:
        if not self.settings.spectral_norm:
            return {}
        return {
            f"{name}.{layer}": value
            for name in ("D_A", "D_B")
            for layer, value in layers.singular_values(self.players[name]).items()
        }

    def state_dict(self) -> dict[str, Any]:
        return {name: buffer.state_dict() for name, buffer in self.buffers.items() if buffer is not None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, buffer in self.buffers.items():
            if buffer is not None and name in state:
                buffer.load_state_dict(state[name])

    @classmethod
    def sampling_networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        check_together(settings, info)
        return cls.networks(settings, info)

    @classmethod
    def networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        """Fresh players by name."""
        a, b = sides_of(info)
        return {
            **judges(settings, info),
            "G_AB": SideTranslator(settings, a, b),
            "G_BA": SideTranslator(settings, b, a),
        }

    @classmethod
    def translator(cls, modules: dict[str, nn.Module], direction: str) -> nn.Module:
        """Of a model's networks the one that translates that way."""
        return modules[f"G_{direction}"]

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        check_together(settings, info)
        a, b = sides_of(info)
        networks, found = cls.networks(settings, info), []
        for name, title, side in (
            ("G_AB", "Generator A → B", a),
            ("G_BA", "Generator B → A", b),
            ("D_A", "Discriminator of A", a),
            ("D_B", "Discriminator of B", b),
        ):
            module = networks[name].network if name[0] == "G" else networks[name].judges[0]
            found.append((title, describe_network(module, torch.zeros(2, side.channels, side.size, side.size))))
        return found


def judges(settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
    """D_A and D_B."""
    return {
        f"D_{name}": build_judge(settings, s.channels, s.size) for name, s in zip("AB", sides_of(info), strict=True)
    }


def check_together(settings: Settings, info: DataInfo) -> None:
    """Raise UsageError, with one sentence, for data or settings that this family can't work with."""
    s = settings
    check_two_sided(info)
    if any(side.labels for side in info.sides):
        raise UsageError(f"'{info.name}' holds label maps, which unpaired presets can't draw: use pix2pix or spade.")
    if s.translator not in ("resnet", "unet"):
        raise UsageError(f"Unpaired translation goes with the translator resnet or unet, not with {s.translator}.")
    if s.validity <= 0:
        raise UsageError("Without its adversarial loss nothing makes A look like B: set validity above 0.")
    check_judged_by_patches(s)
