r"""Unpaired translation by codes: pictures of both sides are coded, and decoded as pictures of the other side.

`Styled` is MUNIT (Huang et al. 2018, arXiv 1804.04732, equations 1 to 5): a picture is content, which both sides have,
and style, which is its side's own and of which every draw from N(0, 1) gives another translation.

    L_G = L_adv + λ_x ‖G(c, s) − x‖₁ + λ_c ‖E_c(G(c, s')) − c‖₁ + λ_s ‖E_s(G(c, s')) − s'‖₁,   s' ~ N(0, 1)

`SharedLatent` is UNIT (Liu et al. 2017, arXiv 1703.00848, equations 3 to 6): two variational auto-encoders with one
code z = μ(x) + ε, ε ~ N(0, 1), and the cycle that must bring z back.

    L_G = L_adv + λ_x ‖G_A(z) − a‖₁ + λ_z KL + λ_c ‖G_A(z') − a‖₁ + λ_z KL',   z' the code of G_B(z)
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playground.data.base import Batch, DataInfo, Side
from playground.families.base import GridPlan, Terms
from playground.families.sides import distance, paint, sheet, sides_of
from playground.families.unpaired import Unpaired, check_together, judges
from playground.knobs import Settings
from playground.networks.describe import describe as describe_network
from playground.networks.styles import SharedCoder, StyleCoder, reference_size
from playground.terms import normal_divergence

STYLES = 4  # a picture of the grid is shown in so many


class SideCoder(StyleCoder):
    """The auto-encoder of a side, which knows which side that is."""

    def __init__(self, settings: Settings, side: Side):
        super().__init__(
            side.channels,
            side.size,
            settings.width,
            blocks=settings.blocks,
            norm=settings.norm_g,
            style_dim=settings.style_dim,
        )
        self.side = side


class StyledTranslator(nn.Module):
    """Pictures of one side -> pictures of the other, of the same content and a style [N or 1, style_dim]; None is 0."""

    scale = 1

    def __init__(self, before: SideCoder, after: SideCoder):
        super().__init__()
        self.source, self.target = before.side, after.side
        self.multiple, self.style_dim = before.multiple, after.style_dim
        self.content, self.coder = before.content, after

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        style = x.new_zeros(1, self.style_dim) if style is None else style
        return self.coder.decode(self.content(x), style.expand(len(x), -1))

    def style_of(self, y: Tensor) -> Tensor:
        """The styles [N, style_dim] of pictures [N, C, h, w] of the output side, of any size."""
        size = reference_size(*y.shape[2:], self.target.size)
        if y.shape[2:] != size:
            y = nn.functional.interpolate(y, size, mode="bilinear", antialias=True, align_corners=False)
        return self.coder.style(y)


class Styled(Unpaired):
    """MUNIT: an auto-encoder of content and style a side, G_A and G_B, against D_A and D_B."""

    averaged: ClassVar[tuple[str, ...]] = ("G_A", "G_B")

    def fakes(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        coders, found = [self.players["G_A"], self.players["G_B"]], []
        codes = [coder.encode(x) for coder, x in zip(coders, (a, b), strict=True)]
        drawn = [torch.randn(style.shape, device=a.device, generator=self.generator) for _, style in codes]
        for i in (0, 1):  # a picture of this side with the other's content
            found.append(coders[i].decode(codes[1 - i][0], drawn[i]))
        self._codes, self._drawn = codes, drawn
        return found[0], found[1]

    def generator_terms(self, batch: Batch) -> Terms:
        s, (a, b, fake_a, fake_b), self._made = self.settings, self._made, None
        result = self.adversarial_terms(a, b, fake_a, fake_b)
        coders, codes = (self.players["G_A"], self.players["G_B"]), self._codes
        again = [coder.encode(fake) for coder, fake in zip(coders, (fake_a, fake_b), strict=True)]
        for i, (name, x) in enumerate((("a", a), ("b", b))):
            content, style = codes[i]
            if s.reconstruction > 0:
                result[f"image_{name}"] = s.reconstruction * distance(coders[i].decode(content, style), x)
            if s.content_loss > 0:  # of this side's pictures, read back from what the other side made of them
                result[f"content_{name}"] = s.content_loss * distance(again[1 - i][0], content)
            if s.style_loss > 0:
                result[f"style_{name}"] = s.style_loss * distance(again[i][1], self._drawn[i])
            if s.cycle > 0:
                result[f"cycle_{name}"] = s.cycle * distance(coders[i].decode(again[1 - i][0], style), x)
        return result

    def grid_plan(self) -> GridPlan:
        there = tuple(f"style {i + 1}" for i in range(STYLES))
        return GridPlan(
            2 * (STYLES + 2),
            8 if self.info.size <= 64 else 5,
            ("A", *(f"A → B, {name}" for name in there), "A → A", "B", *(f"B → A, {name}" for name in there), "B → B"),
        )

    def grid(self, players: dict[str, nn.Module], seed: int) -> Tensor:
        """Of pictures held out: each side, in four styles of the other that `seed` fixes, and decoded again."""
        rows: list[Tensor] = []
        drawn = torch.randn(2, STYLES, self.settings.style_dim, generator=torch.Generator().manual_seed(seed))
        for x, direction, styles in zip(self.held_pictures(), self.directions, drawn, strict=True):
            translate, side = self.translator(players, direction), sides_of(self.info)["AB".index(direction[0])]
            rows += [paint(x, side)]
            rows += [paint(translate(x, style[None].to(x.device)), translate.target) for style in styles]
            rows += [paint(players[f"G_{direction[0]}"](x), side)]
        return sheet(rows, self.info.size)

    def diversity(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """A's pictures as pictures of B, in all four styles, and pictures of B."""
        n = self.grid_plan().columns
        return images[n : (STYLES + 1) * n], images[(STYLES + 2) * n : (STYLES + 3) * n]

    @classmethod
    def networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        a, b = sides_of(info)
        return {**judges(settings, info), "G_A": SideCoder(settings, a), "G_B": SideCoder(settings, b)}

    @classmethod
    def translator(cls, modules: dict[str, nn.Module], direction: str) -> nn.Module:
        return StyledTranslator(modules[f"G_{direction[0]}"], modules[f"G_{direction[1]}"])

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        check_together(settings, info)
        networks, found = cls.networks(settings, info), []
        for name, side in zip("AB", sides_of(info), strict=True):
            x = torch.zeros(2, side.channels, side.size, side.size)
            found.append((f"Generator of {name}", describe_network(networks[f"G_{name}"], x)))
            found.append((f"Discriminator of {name}", describe_network(networks[f"D_{name}"].judges[0], x)))
        return found


class SideCoders(SharedCoder):
    """The auto-encoders of both sides, which know which sides these are."""

    def __init__(self, settings: Settings, info: DataInfo):
        sides = dict(zip("AB", sides_of(info), strict=True))
        super().__init__(
            {name: side.channels for name, side in sides.items()},
            settings.width,
            blocks=settings.blocks,
            norm=settings.norm_g,
        )
        self.sides = sides


class CodedTranslator(nn.Module):
    """Pictures of one side -> the mean of their code -> pictures of the other."""

    scale = 1

    def __init__(self, coders: SideCoders, direction: str):
        super().__init__()
        self.source, self.target = (coders.sides[name] for name in direction)
        self.multiple = coders.multiple
        self.encoder, self.shared_encoder = coders.encoders[direction[0]], coders.shared_encoder
        self.shared_decoder, self.decoder = coders.shared_decoder, coders.decoders[direction[1]]

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.shared_decoder(self.shared_encoder(self.encoder(x))))


class SharedLatent(Unpaired):
    """UNIT: two variational auto-encoders with shared inner layers, G, against D_A and D_B."""

    averaged: ClassVar[tuple[str, ...]] = ("G",)

    def fakes(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        coders = self.players["G"]
        self._means = {"A": coders.mean(a, "A"), "B": coders.mean(b, "B")}
        self._codes = {name: self._noisy(mean) for name, mean in self._means.items()}
        return coders.decode(self._codes["B"], "A"), coders.decode(self._codes["A"], "B")

    def _noisy(self, mean: Tensor) -> Tensor:
        """A draw from the posterior N(mean, 1)."""
        noise = torch.randn(mean.shape, device=mean.device, generator=self.generator)
        return mean + noise.to(mean.dtype)

    def generator_terms(self, batch: Batch) -> Terms:
        s, (a, b, fake_a, fake_b), self._made = self.settings, self._made, None
        result = self.adversarial_terms(a, b, fake_a, fake_b)
        coders = self.players["G"]
        for here, there, x, fake in (("A", "B", a, fake_b), ("B", "A", b, fake_a)):
            name = here.lower()
            if s.reconstruction > 0:
                result[f"image_{name}"] = s.reconstruction * distance(coders.decode(self._codes[here], here), x)
            if s.kl > 0:
                result[f"kl_{name}"] = s.kl * normal_divergence(self._means[here])
            if s.cycle > 0:
                mean = coders.mean(fake, there)
                result[f"cycle_{name}"] = s.cycle * distance(coders.decode(self._noisy(mean), here), x)
                if s.kl > 0:
                    result[f"cycle_kl_{name}"] = s.kl * normal_divergence(mean)
        return result

    @classmethod
    def networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        return {**judges(settings, info), "G": SideCoders(settings, info)}

    @classmethod
    def translator(cls, modules: dict[str, nn.Module], direction: str) -> nn.Module:
        return CodedTranslator(modules["G"], direction)

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        check_together(settings, info)
        networks = cls.networks(settings, info)
        a, b = (torch.zeros(2, side.channels, side.size, side.size) for side in sides_of(info))
        return [
            ("Generator", describe_network(cls.translator(networks, "AB"), a)),
            ("Discriminator of A", describe_network(networks["D_A"].judges[0], a)),
            ("Discriminator of B", describe_network(networks["D_B"].judges[0], b)),
        ]
