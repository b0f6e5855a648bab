r"""Encoders and decoders of translators that take a picture apart: into content and style, or into one shared code.

- MUNIT (Huang et al. 2018, arXiv 1804.04732, section 3 and appendix B): a content map of a quarter of the side, and a
  style vector. The decoder gives the content that style by adaptive instance normalisation,
  AdaIN(x, γ, β) = γ · (x − μ)/σ + β, whose γ and β a small dense network reads from the style.
- UNIT (Liu et al. 2017, arXiv 1703.00848, section 3): x is coded as a map z whose last encoding and first decoding
  layers both sides share, so that a pair of pictures that correspond has one z.

Halvings are 4×4 convolutions of stride 2; doublings are nearest-neighbour enlargements and 3×3 convolutions (5×5 in
MUNIT: a matter of speed) with the layer normalisation that keeps what AdaIN set.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.networks.layers import activation, initialise_he_, norm_of_maps, stack
from playground.networks.resnet import GlobalPool
from playground.networks.translators import PaddedBlock

HALVINGS = 2  # of the content: a place of it stands for 4 × 4 pixels


def content_encoder(inputs: int, width: int, *, blocks: int, norm: str) -> nn.Sequential:
    """[N, inputs, h, w] -> [N, 4 · width, h/4, w/4]; h and w multiples of 4."""
    bias = norm == "none"
    parts: dict[str, nn.Module | None] = {
        "pad": nn.ReflectionPad2d(3),
        "conv": nn.Conv2d(inputs, width, 7, bias=bias),
        "norm": norm_of_maps(norm, width),
        "act": activation("relu"),
    }
    for i in range(HALVINGS):
        parts |= {
            f"halve{i + 1}": nn.Conv2d(width << i, width << (i + 1), 4, 2, 1, bias=bias),
            f"halve{i + 1}_norm": norm_of_maps(norm, width << (i + 1)),
            f"halve{i + 1}_act": activation("relu"),
        }
    parts |= {f"block{i + 1}": PaddedBlock(width << HALVINGS, norm) for i in range(blocks)}
    net = stack(**parts)
    initialise_he_(net)
    return net


def style_encoder(inputs: int, size: int, width: int, style_dim: int) -> nn.Sequential:
    """[N, inputs, h, w] -> [N, style_dim]: halvings to 4 × 4 at `size` (four at most), the mean over all places, dense.

    There is no normalisation: it would take away the very mean and variance that carry the style. h and w are `size`
    or more.
    """
    parts: dict[str, nn.Module | None] = {
        "pad": nn.ReflectionPad2d(3),
        "conv": nn.Conv2d(inputs, width, 7),
        "act": activation("relu"),
    }
    before = width
    for i in range(max(1, min(4, size.bit_length() - 3))):
        maps = width * min(4, 2 << i)
        parts |= {f"halve{i + 1}": nn.Conv2d(before, maps, 4, 2, 1), f"halve{i + 1}_act": activation("relu")}
        before = maps
    net = stack(**parts, mean=GlobalPool("mean"))
    initialise_he_(net)
    net.add_module("style", initialise_he_(nn.Linear(before, style_dim), slope=1.0))
    return net


class AdaptiveNorm(nn.Module):
    """(1 + γ) · x̂ + β: x [N, C, h, w] and (γ, β) [N, 2 C] -> [N, C, h, w]; x̂ is x less the maps' μ, over σ."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = style[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, self.norm(x).to(style.dtype), 1 + scale)


class AdaptiveBlock(nn.Module):
    """x ↦ x + F(x) with two reflection-padded 3×3 convolutions in F, each followed by `AdaptiveNorm`."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, bias=False) for _ in range(2))
        self.norm1, self.norm2 = AdaptiveNorm(channels), AdaptiveNorm(channels)
        self.block_title, self.block_detail = "Residual block", "2 × conv 3×3, reflected border · AdaIN"

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        first, second = style.chunk(2, dim=1)
        inner = F.relu(self.norm1(self.conv1(F.pad(x, (1, 1, 1, 1), mode="reflect")), first))
        return x + self.norm2(self.conv2(F.pad(inner, (1, 1, 1, 1), mode="reflect")), second)


def _painter(outputs: int, width: int, norm: str) -> nn.Sequential:
    """[N, 4 · width, h, w] -> [N, outputs, 4 h, 4 w] in [-1, 1]: doublings, and a 7×7 convolution."""
    kind = "none" if norm == "none" else "layer"
    parts: dict[str, nn.Module | None] = {}
    for i in range(HALVINGS, 0, -1):
        maps = width << (i - 1)
        parts |= {
            f"double{i}": nn.Upsample(scale_factor=2, mode="nearest"),
            f"double{i}_pad": nn.ReflectionPad2d(1),
            f"double{i}_conv": nn.Conv2d(2 * maps, maps, 3, bias=kind == "none"),
            f"double{i}_norm": norm_of_maps(kind, maps),
            f"double{i}_act": activation("relu"),
        }
    parts |= {"pad": nn.ReflectionPad2d(3), "picture": nn.Conv2d(width, outputs, 7), "tanh": nn.Tanh()}
    net = stack(**parts)
    initialise_he_(net)
    initialise_he_(net.picture, slope=1.0)
    return net


class StyleDecoder(nn.Module):
    """Content [N, 4 · width, h, w] and style [N, style_dim] -> pictures [N, outputs, 4 h, 4 w] in [-1, 1]."""

    def __init__(self, outputs: int, width: int, *, blocks: int, norm: str, style_dim: int):
        super().__init__()
        channels = width << HALVINGS
        self.read_style = stack(
            dense1=nn.Linear(style_dim, channels),
            act1=activation("relu"),
            dense2=nn.Linear(channels, channels),
            act2=activation("relu"),
        )
        initialise_he_(self.read_style)
        self.scales = initialise_he_(nn.Linear(channels, blocks * 4 * channels), slope=1.0)
        self.blocks = nn.ModuleList(AdaptiveBlock(channels) for _ in range(blocks))
        initialise_he_(self.blocks)
        self.painter = _painter(outputs, width, norm)

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        each = self.scales(self.read_style(style)).chunk(len(self.blocks), dim=1)
        for block, numbers in zip(self.blocks, each, strict=True):
            content = block(content, numbers)
        return self.painter(content)


class StyleCoder(nn.Module):
    """One side's auto-encoder of MUNIT: x [N, channels, h, w] -> content, style -> x; or other content in a style."""

    multiple = 1 << HALVINGS

    def __init__(self, channels: int, size: int, width: int, *, blocks: int, norm: str = "default", style_dim: int = 8):
        super().__init__()
        norm = "instance" if norm == "default" else norm
        self.style_dim = style_dim
        self.content = content_encoder(channels, width, blocks=blocks, norm=norm)
        self.style = style_encoder(channels, size, max(4, width // 2), style_dim)
        self.decoder = StyleDecoder(channels, width, blocks=blocks, norm=norm, style_dim=style_dim)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> (content [N, 4 · width, h/4, w/4], style [N, style_dim])."""
        return self.content(x), self.style(x)

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        return self.decoder(content, style)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(*self.encode(x))


class SharedCoder(nn.Module):
    """The encoders and decoders of UNIT for the sides "A" and "B", with one code between them.

    Of `blocks` residual blocks, an encoder's last and a decoder's first are one and the same for both sides: they are
    held once, by `shared_encoder` and `shared_decoder`. The posterior is N(mean, 1).
    """

    multiple = 1 << HALVINGS

    def __init__(self, channels: dict[str, int], width: int, *, blocks: int, norm: str = "default"):
        super().__init__()
        norm = "instance" if norm == "default" else norm
        maps = width << HALVINGS
        self.encoders = nn.ModuleDict(
            {side: content_encoder(count, width, blocks=blocks - 1, norm=norm) for side, count in channels.items()}
        )
        self.shared_encoder, self.shared_decoder = PaddedBlock(maps, norm), PaddedBlock(maps, norm)
        self.decoders = nn.ModuleDict()
        for side, count in channels.items():
            own = {f"block{i + 2}": PaddedBlock(maps, norm) for i in range(blocks - 1)}
            self.decoders[side] = stack(**own, painter=_painter(count, width, norm))
        for part in self.modules():
            if isinstance(part, PaddedBlock):
                initialise_he_(part)
        for part in (self.shared_encoder, self.shared_decoder):
            part.block_detail += " · shared by A and B"

    def mean(self, x: Tensor, side: Literal["A", "B"]) -> Tensor:
        """The mean [N, 4 · width, h/4, w/4] of the code of pictures of a side."""
        return self.shared_encoder(self.encoders[side](x))

    def decode(self, z: Tensor, side: Literal["A", "B"]) -> Tensor:
        """A code as a picture [N, channels, h, w] in [-1, 1] of a side."""
        return self.decoders[side](self.shared_decoder(z))


def reference_size(height: int, width: int, size: int) -> tuple[int, int]:
    """The size to bring a picture to before its style is read: its shorter side `size`, as in training.

    >>> reference_size(100, 200, 64)
    (64, 128)
    """
    factor = size / min(height, width)
    return max(size, math.floor(height * factor + 0.5)), max(size, math.floor(width * factor + 0.5))
