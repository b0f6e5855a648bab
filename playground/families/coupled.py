r"""The coupled family: two generators with shared first layers and two discriminators with shared last ones.

    L_D = Σ over the sides s of  L_D(D_s(x_s), D_s(G_s(z))),   L_G = Σ over s of  L_G(D_s(G_s(z))),   one z for both

CoGAN (Liu & Tuzel 2016, arXiv 1606.07536, equation 2 and section 3): what a picture means is decided by the layers that
both generators share, how it looks by their last two. Pictures of one z therefore come to correspond, although no
corresponding pair is ever shown: the sides are learned from their marginals alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from playground import objectives
from playground.data.base import Batch, DataInfo
from playground.errors import UsageError
from playground.families.base import Family, GridPlan, Phase, Terms, objective_options, smoothed_options
from playground.families.players import draw_latents, seeded_latents
from playground.families.sides import (
    check_two_sided,
    mirrored,
    sheet,
    sides_of,
)
from playground.knobs import Settings
from playground.networks import build_generator, build_trunk, layers
from playground.networks.describe import describe as describe_network

OWN = 2  # layers of a generator, and at most of a discriminator, that are a side's own
# What the adversarial family has and this one does not, by knob: its value here.
_WITHOUT = {
    "condition": "none", "auxiliary": 0.0, "code_categories": 0, "code_continuous": 0, "dropout_g": 0.0, "grow": False,
    "gradient_penalty": 0.0, "dragan": 0.0, "r1": 0.0, "r2": 0.0, "weight_clip": 0.0, "unroll_steps": 0, "packing": 1,
    "replay_buffer": 0, "feature_matching": 0.0, "pulling_away": 0.0, "noisy_labels": False, "label_flip": 0.0,
    "reconstruction": 0.0, "adversarial_from": 0.0, "frozen": 0,
}  # fmt: skip


class CoupledGenerator(nn.Module):
    """z [N, latent_dim] -> pictures of A and of B, [N, C, S, S] in [-1, 1], by the same layers but for the last two."""

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__()
        whole = [
            build_generator(
                settings.architecture,
                input_dim=settings.latent_dim,
                channels=info.channels,
                size=info.size,
                width=settings.width,
                norm=settings.norm_g,
            )
            for _ in "AB"
        ]
        parts = [list(network.named_children()) for network in whole]
        self.shared = layers.stack(**dict(parts[0][:-OWN]))
        self.last_a, self.last_b = (layers.stack(**dict(each[-OWN:])) for each in parts)

    @property
    def network(self) -> nn.Sequential:
        """The generator of A alone."""
        return nn.Sequential(self.shared, self.last_a)

    def pair(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(pictures of A, pictures of B) of the same z."""
        common = self.shared(z)
        return self.last_a(common), self.last_b(common)

    def forward(self, z: Tensor, label: None = None, codes: None = None, psi: None = None) -> Tensor:
        """Pictures of A; it is asked like any other generator, and takes z alone."""
        return self.last_a(self.shared(z))


class CoupledDiscriminator(nn.Module):
    """Scores [N] of pictures [N, C, S, S] of side "A" or "B"; the first layers are a side's own, the others shared."""

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__()
        trunks = [
            build_trunk(
                settings.architecture,
                channels=info.channels,
                size=info.size,
                width=settings.width,
                norm=settings.norm_d,
                spectral_norm=settings.spectral_norm,
                minibatch=settings.minibatch,
            )
            for _ in "AB"
        ]
        parts = [list(trunk.body.named_children()) for trunk in trunks]
        own = min(OWN, len(parts[0]) - 2)  # the last child only flattens; one layer at least is shared
        self.first_a, self.first_b = (layers.stack(**dict(each[:own])) for each in parts)
        score = layers.initialise_dcgan_(nn.Linear(trunks[0].feature_dim, 1))
        self.shared = layers.stack(
            **dict(parts[0][own:]),
            minibatch=trunks[0].minibatch,
            score=layers.apply_spectral_norm(score) if settings.spectral_norm else score,
        )

    def forward(self, x: Tensor, side: str = "A") -> Tensor:
        return self.shared((self.first_a if side == "A" else self.first_b)(x)).squeeze(1)


class Coupled(Family):
    """G, which holds both generators, against D, which holds both discriminators."""

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__(settings, info)
        check_together(settings, info)
        self.objective = objectives.OBJECTIVES[settings.objective]
        self.players = _networks(settings, info)
        self._made: tuple[Tensor, Tensor] | None = None
        self._scores: dict[str, Tensor] = {}
        self._real: Tensor | None = None

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase("discriminator", ("D",), self.discriminator_terms, lambda: self.settings.critic_steps),
            Phase("generator", ("G",), self.generator_terms),
        )

    # --- the game

    def discriminator_terms(self, batch: Batch) -> Terms:
        real, judge, result = self._reals(batch), self.players["D"], {}
        self._made, self._real = self._make(len(real[0])), real[0]
        options = smoothed_options(self.objective, self.settings)
        scores: dict[str, list[Tensor]] = {"real": [], "fake": []}
        for side, x, fake in zip("AB", real, self._made, strict=True):
            says = judge(self.disguised(x), side), judge(self.disguised(fake.detach()), side)
            result[f"adversarial_{side.lower()}"] = self.objective.discriminator(*says, **options)
            for name, score in zip(scores, says, strict=True):
                scores[name].append(score.detach())
        self._scores = {name: torch.cat(both) for name, both in scores.items()}
        return result

    def generator_terms(self, batch: Batch) -> Terms:
        made = self._made if self._made is not None else self._make(len(batch.images))
        self._made, judge, result = None, self.players["D"], {}
        real = self._reals(batch) if self.objective.relativistic else (None, None)
        for side, x, fake in zip("AB", real, made, strict=True):
            real_says = None
            if x is not None:
                with torch.no_grad():
                    real_says = judge(self.disguised(x), side)
            says = judge(self.disguised(fake), side)
            result[f"adversarial_{side.lower()}"] = self.objective.generator(
                says, real_says, **objective_options(self.objective, self.settings)
            )
        return result

    def _make(self, count: int) -> tuple[Tensor, Tensor]:
        device = next(self.players["G"].parameters()).device
        return self.players["G"].pair(draw_latents(self.settings, count, self.generator, device))

    def _reals(self, batch: Batch) -> list[Tensor]:
        both = [batch.images, batch.targets]
        return mirrored(both, self.generator, together=False) if self.settings.flip else both

    # --- what is seen of it

    def grid_plan(self) -> GridPlan:
        side = {16: 8, 32: 8, 64: 6}.get(self.info.size, 4)
        return GridPlan(side, side, ("A", "B") * (side // 2))

    def grid(self, players: dict[str, nn.Module], seed: int) -> Tensor:
        """Rows of A and of B in turn: what stands below each other comes from one z."""
        plan = self.grid_plan()
        count = plan.rows // 2 * plan.columns
        device = next(players["G"].parameters()).device
        both = players["G"].pair(torch.from_numpy(seeded_latents(self.settings, count, seed)).to(device))
        rows = [x for row in zip(*(side.split(plan.columns) for side in both), strict=True) for x in row]
        return sheet(rows, self.info.size)

    def diversity(self, images: Tensor) -> tuple[Tensor, Tensor] | None:
        """Of A, whose variety says as much of B: the layers that vary are shared."""
        if self._real is None:  # nothing was seen yet
            return None
        n = self.grid_plan().columns
        drawn = torch.cat(images.split(n)[::2])
        return drawn, self._real[: len(drawn)]

    def observations(self) -> dict[str, Tensor]:
        real, fake = self._scores["real"].float(), self._scores["fake"].float()
        shown = (lambda s: s) if self.objective.critic else torch.sigmoid
        wins = [(r[:, None] > f[None, :]).float().mean() for r, f in zip(real.chunk(2), fake.chunk(2), strict=True)]
        return {"score_real": shown(real).mean(), "score_fake": shown(fake).mean(), "accuracy_d": sum(wins) / 2}

    def histograms(self) -> dict[str, Tensor]:
        return dict(self._scores)

    def singular_values(self) -> dict[str, Tensor]:
        return layers.singular_values(self.players["D"]) if self.settings.spectral_norm else {}

    def check_change(self, name: str, value: Any) -> None:
        changed = Settings(self.settings)
        changed[name] = value
        check_together(changed, self.info)

    @classmethod
    def sampling_networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        check_together(settings, info)
        return {"G": CoupledGenerator(settings, info)}

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        check_together(settings, info)
        players = _networks(settings, info)
        x = torch.zeros(2, info.channels, info.size, info.size)
        return [
            ("Generator", describe_network(players["G"].network, torch.zeros(2, settings.latent_dim))),
            ("Discriminator", describe_network(nn.Sequential(players["D"].first_a, players["D"].shared), x)),
        ]


def _networks(settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
    return {"D": CoupledDiscriminator(settings, info), "G": CoupledGenerator(settings, info)}


def check_together(settings: Settings, info: DataInfo) -> None:
    """Raise UsageError, with one sentence, for data or settings that this family can't work with."""
    s = settings
    check_two_sided(info)
    a, b = sides_of(info)
    if a.labels or b.labels:
        raise UsageError(f"'{info.name}' holds label maps, which coupled generators can't draw: use 'faces-styles'.")
    if (a.channels, a.size) != (b.channels, b.size):
        raise UsageError(
            f"Coupled generators draw pictures of one kind, and the sides of '{info.name}' differ in size or colour: "
            "bring both to the same."
        )
    if not s.architecture.startswith("dcgan"):
        raise UsageError(
            f"Coupled generators share the first layers of a dcgan, not of '{s.architecture}': set architecture to "
            "dcgan or dcgan-upsample."
        )
    if objectives.OBJECTIVES[s.objective].energy:
        raise UsageError("Coupled discriminators give scores, not energies: choose another objective than energy.")
    wrong = next((name for name, value in _WITHOUT.items() if s[name] != value), None)
    if wrong is not None:
        raise UsageError(f"Coupled networks don't know {wrong}: set it to {_WITHOUT[wrong]}.")
