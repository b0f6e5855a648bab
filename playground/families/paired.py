r"""The paired family: one generator from A to B, shown what it should have drawn; a discriminator may judge as well.

    L_G = validity · L_adv(D(x, G(x))) + λ · ‖y − G(x)‖₁ + μ · Σ_i ‖D_i(x, y) − D_i(x, G(x))‖₁ + π · δ(y, G(x))
    L_D = the objective's, on the patches of (x, y) and (x, G(x))

pix2pix (Isola et al. 2016, arXiv 1611.07004), with the feature matching and the scales of pix2pixHD (Wang et al. 2017,
arXiv 1711.11585) as switches; SPADE (Park et al. 2019, arXiv 1903.07291); segmentation, where B is a label map, λ
weighs the cross-entropy and there may be no D; and super-resolution (Ledig et al. 2016, arXiv 1609.04802), where A is B
made smaller and D sees the result alone. δ, off unless π is set, is the distance in features of a network trained
before (equation 5 there; Johnson et al. 2016, arXiv 1603.08155): features-v1, at any size. With `detail`
on, ‖·‖₁ is taken octave by octave (`pixels.laplacian_l1`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground import objectives, terms
from playground.data.base import Batch, DataInfo, Side, label_numbers
from playground.errors import UsageError
from playground.families.base import Family, GridPlan, Phase, Terms, objective_options, smoothed_options
from playground.families.sides import (
    SideTranslator,
    build_judge,
    check_judged_by_patches,
    distance,
    encode,
    mirrored,
    network_channels,
    paint,
    sheet,
    sides_of,
)
from playground.knobs import Settings
from playground.networks import layers
from playground.networks.describe import describe as describe_network
from playground.pixels import laplacian_l1


class Paired(Family):
    """G: A -> B against the truth and, where `validity` is above 0, a discriminator of pairs."""

    kind: ClassVar[str] = "translator"
    directions: ClassVar[tuple[str, ...]] = ("AB",)

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__(settings, info)
        check_together(settings, info)
        self.objective = objectives.OBJECTIVES[settings.objective]
        self.source, self.target = _sides(settings, info)
        self.players = _networks(settings, info)
        self._fake: Tensor | None = None  # with its graph, for G to answer for
        self._scores: dict[str, Tensor] = {}
        self._errors: dict[str, Tensor] = {}

    def held_share(self) -> float:
        return self.settings.held_out

    def phases(self) -> tuple[Phase, ...]:
        generator = Phase("generator", ("G",), self.generator_terms)
        if "D" not in self.players:
            return (generator,)
        return (Phase("discriminator", ("D",), self.discriminator_terms, lambda: self.settings.critic_steps), generator)

    # --- the game

    def discriminator_terms(self, batch: Batch) -> Terms:
        x, y = self._pair(batch)
        fake = self.players["G"](x)
        self._fake, self._seen = fake, (x, y)
        real_says = self.players["D"](self._shown(x, y))
        fake_says = self.players["D"](self._shown(x, fake.detach()))
        self._scores = {"real": real_says.detach().flatten(), "fake": fake_says.detach().flatten()}
        options = smoothed_options(self.objective, self.settings)
        return {"adversarial": self.objective.discriminator(real_says, fake_says, **options)}

    def generator_terms(self, batch: Batch) -> Terms:
        s = self.settings
        if self._fake is None:
            self._seen = self._pair(batch)
            self._fake = self.players["G"](self._seen[0])
        fake, (x, y), self._fake = self._fake, self._seen, None
        result: Terms = {}
        if "D" in self.players:
            judge = self.players["D"]
            if s.feature_matching > 0:
                of_fake = judge.features(self._shown(x, fake))
                with torch.no_grad():
                    of_real = judge.features(self._shown(x, y))
                result["feature_matching"] = s.feature_matching * terms.feature_distance(
                    [m for maps in of_real for m in maps[:-1]], [m for maps in of_fake for m in maps[:-1]]
                )
                says = judge.together([maps[-1] for maps in of_fake])
            else:
                says = judge(self._shown(x, fake))
            real_says = None
            if self.objective.relativistic:
                with torch.no_grad():
                    real_says = judge(self._shown(x, y))
            result["adversarial"] = s.validity * self.objective.generator(
                says, real_says, **objective_options(self.objective, self.settings)
            )
        if s.reconstruction > 0:
            result["reconstruction"] = s.reconstruction * self._distance(fake, y)
        if s.perceptual > 0:
            result["perceptual"] = s.perceptual * self.extractor.distance(fake.float(), y).mean()
        with torch.no_grad():
            self._errors = {"error_taught": _error(fake.detach(), y, self.target)}
        return result

    def _distance(self, fake: Tensor, y: Tensor) -> Tensor:
        """‖y − G(x)‖₁ a value, in [0, 2], or the same by octaves of detail; of label maps the cross-entropy in nats."""
        if self.target.labels:
            return F.cross_entropy(fake.float(), label_numbers(y))
        detail = self.settings.detail
        return laplacian_l1(fake.float(), y, detail).mean() if detail > 0 else distance(fake, y)

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        x, y = _given(self.settings, batch)
        return tuple(mirrored((x, y), self.generator, together=True)) if self.settings.flip else (x, y)

    def _shown(self, x: Tensor, y: Tensor) -> Tensor:
        """What D sees of a pair: both stacked; a super-resolved picture alone."""
        s = self.settings
        y = y.softmax(1) if self.target.labels and y.shape[1] == len(self.target.labels) else encode(y, self.target)
        shown = y if s.translator == "upscaler" else torch.cat([encode(x, self.source).to(y.dtype), y], 1)
        return self.disguised(shown)

    # --- what is seen of it

    def grid_plan(self) -> GridPlan:
        return GridPlan(3, 8 if self.info.size <= 64 else 5, ("input", "output", "target"))

    def grid(self, players: dict[str, nn.Module], seed: int) -> Tensor:
        """Of pictures held out: input, output and target, one row each."""
        x, y = self._held_pairs(self.grid_plan().columns)
        generator = players["G"]
        layers.set_generator(generator, torch.Generator(x.device).manual_seed(seed))
        rows = [paint(x, self.source), paint(generator(x), self.target), paint(y, self.target)]
        return sheet(rows, self.info.size)

    def diversity(self, images: Tensor) -> tuple[Tensor, Tensor]:
        n = self.grid_plan().columns
        return images[n : 2 * n], images[2 * n : 3 * n]

    def observations(self) -> dict[str, Tensor]:
        """Scores, and the error on 16 held-out pairs: L1 a value, or the share of pixels with the wrong label."""
        seen = dict(self._errors)
        network = self.players["G"]
        x, y = self._held_pairs(16, start=16 * self.step)
        training = network.training
        network.eval()
        try:
            with torch.no_grad():
                seen["error_held_out"] = _error(network(x), y, self.target)
        finally:
            network.train(training)
        if self._scores:
            shown = (lambda s: s) if self.objective.critic else torch.sigmoid
            for name, score in self._scores.items():
                seen[f"score_{name}"] = shown(score.float()).mean()
        return seen

    def histograms(self) -> dict[str, Tensor]:
        return dict(self._scores)

    def _held_pairs(self, count: int, start: int = 0) -> tuple[Tensor, Tensor]:
        test = self.tested()
        at = (torch.arange(count) + start) % len(test.images)
        part = Batch(test.images[at], targets=None if test.targets is None else test.targets[at])
        return _given(self.settings, part)

    def singular_values(self) -> dict[str, Tensor]:
        return layers.singular_values(self.players["D"]) if self.settings.spectral_norm and "D" in self.players else {}

    def check_change(self, name: str, value: Any) -> None:
        if name == "validity" and (value > 0) != (self.settings.validity > 0):
            raise UsageError(
                "A discriminator can't be added or taken away while a training runs: start a new run with validity "
                f"{'set' if value > 0 else '0'}."
            )

    @classmethod
    def sampling_networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        check_together(settings, info)
        return _networks(settings, info)

    @classmethod
    def translator(cls, modules: dict[str, nn.Module], direction: str) -> nn.Module:
        """Of a model's networks the one that translates."""
        return modules["G"]

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        check_together(settings, info)
        source, target = _sides(settings, info)
        found = []
        for name, module in _networks(settings, info).items():
            if name == "G":
                x = torch.zeros(2, network_channels(source), source.size, source.size)
                found.append(("Generator", describe_network(module.network, x)))
            else:
                x = torch.zeros(2, _judged_channels(settings, info), target.size, target.size)
                found.append(("Discriminator", describe_network(module.judges[0], x)))
        return found


def _sides(settings: Settings, info: DataInfo) -> tuple[Side, Side]:
    source, target = sides_of(info)
    if settings.translator == "upscaler":
        source = Side(target.name, target.channels, target.size // settings.upscale)
    return source, target


def _judged_channels(settings: Settings, info: DataInfo) -> int:
    source, target = _sides(settings, info)
    alone = settings.translator == "upscaler"
    return network_channels(target) + (0 if alone else network_channels(source))


def _networks(settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
    source, target = _sides(settings, info)
    players: dict[str, nn.Module] = {}
    if settings.validity > 0:
        players["D"] = build_judge(settings, _judged_channels(settings, info), target.size)
    scale = settings.upscale if settings.translator == "upscaler" else 1
    players["G"] = SideTranslator(settings, source, target, scale)
    return players


def _given(settings: Settings, batch: Batch) -> tuple[Tensor, Tensor]:
    """(x, y) of a batch: its two sides; for super-resolution the picture made smaller, and the picture."""
    if settings.translator != "upscaler":
        return batch.images, batch.targets
    y = batch.images if batch.targets is None else batch.targets
    return shrink(y, settings.upscale), y


def shrink(y: Tensor, scale: int) -> Tensor:
    """[N, C, H, W] -> [N, C, H / scale, W / scale] by antialiased bicubic reduction, the usual low resolution."""
    size = (y.shape[2] // scale, y.shape[3] // scale)
    return F.interpolate(y, size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def _error(fake: Tensor, y: Tensor, target: Side) -> Tensor:
    """Mean |y − G(x)| a value in [0, 2], or the share of pixels whose label is wrong."""
    return (fake.argmax(1) != label_numbers(y)).float().mean() if target.labels else distance(fake, y)


def check_together(settings: Settings, info: DataInfo) -> None:
    """Raise UsageError, with one sentence, for data or settings that this family can't work with."""
    s = settings
    if s.translator == "upscaler":
        side = sides_of(info)[1]
        if side.labels:
            raise UsageError(f"'{info.name}' ends in a label map, which can't be enlarged like a picture: use another.")
        if s.size and side.size % s.upscale:
            raise UsageError(
                f"Pictures of {side.size} pixels can't be made {s.upscale} times smaller: set upscale to 2."
            )
    elif not (info.sides and info.paired):
        raise UsageError(
            f"This preset learns from pairs and '{info.name}' has none: use 'faces-edges' or 'faces-labels', pictures "
            "that show both sides next to each other, or two folders A and B with files of the same names."
        )
    if s.translator == "spade" and not sides_of(info)[0].labels:
        raise UsageError(f"SPADE starts from a label map and '{info.name}' has none: use 'faces-labels', or pix2pix.")
    if s.perceptual > 0 and sides_of(info)[1].labels:
        raise UsageError("A label map has no features to compare: set perceptual to 0.")
    if s.validity <= 0 and s.reconstruction <= 0 and s.perceptual <= 0:
        raise UsageError("Nothing is left to learn: set validity, reconstruction or perceptual above 0.")
    check_judged_by_patches(s)
