"""The networks of the adversarial family: G, D, the encoder beside them, and the noise that G draws from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from playground.conditions import Codes, LabelInput, LabelMaps, Projection
from playground.data.base import DataInfo, World
from playground.knobs import Settings
from playground.networks import build_generator, build_trunk, layers
from playground.networks.autoencoder import build_autoencoder
from playground.networks.posterior import Posterior
from playground.networks.style import EqualLinear, Growing


class Judgement(NamedTuple):
    """What a discriminator says of a batch: `score` [N]; the rest None where it has no such head."""

    score: Tensor
    features: Tensor | None = None
    class_logits: Tensor | None = None
    codes: Tensor | None = None


class Frame(nn.Module):
    """Between a world's coordinates and those that networks like, of mean 0 and deviation 1 (of all axes together, so
    that shapes keep their proportions). `packing` points lie side by side in the channels of what D sees."""

    def __init__(self, world: World, packing: int = 1):
        super().__init__()
        self.register_buffer("centre", torch.tensor(world.centre).repeat(packing)[:, None, None], persistent=False)
        self.spread = world.spread

    def into(self, x: Tensor) -> Tensor:
        """Coordinates [N, d, 1, 1] as networks take them."""
        return (x - self.centre) / self.spread

    def out(self, x: Tensor) -> Tensor:
        """What a network made [N, d, 1, 1], as coordinates."""
        return x * self.spread + self.centre


def hidden_layers(settings: Settings) -> int | None:
    """How many hidden layers the settings ask of fully connected networks; None for the architecture's own number."""
    return (settings.layers or None) if settings.architecture in ("mlp", "points") else None


def _as_it_is(module: nn.Module) -> nn.Module:
    return module


class Generator(nn.Module):
    """G(z, label, codes): noise [N, latent_dim], labels int64 [N] and codes [N, d] to pictures in [-1, 1]."""

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__()
        self.codes = code_layout(settings)
        # in G a projection has no counterpart: the label comes in as an embedding
        kind = "embedding" if settings.condition == "projection" else settings.condition
        own = {}
        if settings.architecture == "style":
            own = {"w_dim": settings.w_dim, "start": settings.style_start, "mapping_rate": settings.mapping_rate}
            own |= {"fitted": settings.encode_to == "w", "flow": settings.mapping == "flow"}
        self.label_input = LabelInput(kind, len(info.classes), min(settings.latent_dim, 50))
        self.network = build_generator(
            settings.architecture,
            input_dim=settings.latent_dim + self.label_input.extra_dim + (self.codes.dim if self.codes else 0),
            channels=info.channels,
            size=info.size,
            width=settings.width,
            depth=hidden_layers(settings),
            norm=settings.norm_g,
            dropout=settings.dropout_g,
            **own,
        )
        if isinstance(self.network, Growing):
            self.network.noisy = settings.style_noise
        if settings.initial_gain != 1 and settings.architecture in ("mlp", "points"):
            for name, layer in self.network.named_children():
                if name != "output":
                    layers.scale_dense_(layer, settings.initial_gain)
        self.frame = Frame(info.world) if info.world else None
        for layer in self.network.modules():
            if isinstance(layer, layers.Dropout):
                layer.always = True  # a source of variety like z: at sampling too (pix2pix, arXiv 1611.07004)

    def forward(
        self, z: Tensor, label: Tensor | None = None, codes: Tensor | None = None, psi: float | None = None
    ) -> Tensor:
        """`psi` pulls the styles of a style-based network towards their mean; None leaves them."""
        vector = self.label_input(z, label)
        vector = vector if codes is None else torch.cat([vector, codes], 1)
        if psi is None:
            drawn = self.network(vector)
            return drawn if self.frame is None else self.frame.out(drawn)
        w = self.network.truncate(self.network.mapping(vector), psi)
        return self.network.synthesis(w, self.network.noise).clamp(-1, 1)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """The picture of codes [N, latent_dim], and of nothing else: no styles are mixed and no noise is drawn anew.
        Of a style-based network it is not clamped."""
        vector = self.label_input(z, label)
        if not isinstance(self.network, Growing):
            return self.network(vector)
        return self.decode_styles(self.network.styles(vector))

    def decode_styles(self, w: Tensor) -> Tensor:
        """The same of codes that are styles [N, w_dim], for a style-based network."""
        return self.network.synthesis(w, "none")


class Discriminator(nn.Module):
    """D(x, label): one trunk and its heads; returns a `Judgement`.

    With an auxiliary class head (ACGAN) D is not told the label: telling it is its task. A projection may stand beside
    it, since that looks at the label only after the features that the class is told from.
    """

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__()
        classes = len(info.classes)
        told = settings.condition
        if settings.auxiliary > 0 and told != "projection":
            told = "none"
        self.maps = LabelMaps("none" if told == "projection" else told, classes, info.size)
        self.trunk = build_trunk(
            settings.architecture,
            channels=info.channels * settings.packing + self.maps.extra_channels,
            size=info.size,
            width=settings.width,
            depth=hidden_layers(settings),
            norm=settings.norm_d,
            spectral_norm=settings.spectral_norm,
            minibatch=settings.minibatch,
        )
        # under spectral normalisation the weights have a norm of their own
        if settings.initial_gain != 1 and settings.architecture in ("mlp", "points") and not settings.spectral_norm:
            layers.scale_dense_(self.trunk.body, settings.initial_gain)
        self.frame = Frame(info.world, settings.packing) if info.world else None
        head = layers.apply_spectral_norm if settings.spectral_norm else _as_it_is
        features = self.trunk.feature_dim
        growing = settings.architecture == "style" and not settings.spectral_norm
        # with the rates of a growing network, a head at full speed runs ahead of what it stands on
        self.score_head = EqualLinear(features, 1, gain=1.0) if growing else head(nn.Linear(features, 1))
        self.projection = None
        if told == "projection":
            self.projection = Projection(classes, features, spectral_norm=settings.spectral_norm)
        self.class_head = head(nn.Linear(features, classes)) if settings.auxiliary > 0 else None
        codes = code_layout(settings)
        self.code_head = nn.Linear(features, codes.output_dim) if codes else None
        if settings.architecture.startswith("dcgan") and not settings.spectral_norm:
            layers.initialise_dcgan_(self.score_head)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Judgement:
        x = x if self.frame is None else self.frame.into(x)
        features = self.trunk(self.maps(x, label))
        score = self.score_head(features).squeeze(1)
        if self.projection is not None:
            score = score + self.projection(features, label)
        return Judgement(
            score,
            features,
            None if self.class_head is None else self.class_head(features),
            None if self.code_head is None else self.code_head(features),
        )


class EnergyDiscriminator(nn.Module):
    """EBGAN's D: an auto-encoder whose reconstruction error is the energy E; score = -E, features = the code."""

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__()
        self.autoencoder = build_autoencoder(
            settings.architecture,
            channels=info.channels * settings.packing,
            size=info.size,
            width=settings.width,
            depth=hidden_layers(settings),
            code_dim=settings.code_dim,
            norm=settings.norm_d,
        )
        self.frame = Frame(info.world, settings.packing) if info.world else None

    def forward(self, x: Tensor, label: Tensor | None = None) -> Judgement:
        x = x if self.frame is None else self.frame.into(x)
        energy, code = self.autoencoder.energy_and_code(x)
        return Judgement(-energy, code)


def code_layout(settings: Settings) -> Codes | None:
    """The InfoGAN codes that the settings ask for; None where there are none."""
    categorical = (settings.code_categories,) if settings.code_categories else ()
    return Codes(categorical, settings.code_continuous) if categorical or settings.code_continuous else None


def w_dim_of(settings: Settings) -> int:
    """How many numbers a style of a style-based generator has."""
    return settings.w_dim or 2 * settings.width


def encoder_of(settings: Settings, info: DataInfo) -> Posterior:
    """The encoder that learns beside the generator of these settings."""
    code_dim = w_dim_of(settings) if settings.encode_to == "w" else settings.latent_dim
    attributes = len(info.attributes) if settings.attribute_loss > 0 else 0
    return Posterior(settings.architecture, info.channels, info.size, settings.width, code_dim, attributes)


def draw_latents(settings: Settings, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """z [count, latent_dim] float32 on `device`: standard normal, or uniform in [-1, 1]."""
    if settings.latent == "uniform":
        return torch.rand(count, settings.latent_dim, device=device, generator=generator).mul_(2).sub_(1)
    return torch.randn(count, settings.latent_dim, device=device, generator=generator)


def seeded_latents(settings: Settings, count: int, seed: int, threshold: float | None = None) -> np.ndarray:
    """z [count, latent_dim] float32 of the seed and the row alone: the same on every device and for any count.

    With `threshold`, entries beyond ±threshold are redrawn (the truncation trick of BigGAN, Brock et al. 2018).
    """
    uniform = settings.latent == "uniform"
    z = np.empty((count, settings.latent_dim), np.float32)
    for row in range(count):
        rng = np.random.default_rng([seed, row])
        draw = (lambda n, rng=rng: rng.uniform(-1, 1, n)) if uniform else (lambda n, rng=rng: rng.standard_normal(n))
        z[row] = draw(settings.latent_dim)
        while threshold is not None and (outside := np.abs(z[row]) > threshold).any():
            z[row, outside] = draw(int(outside.sum()))
    return z
