"""Residual networks for adversarial training, after WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, appendix F) and
SNGAN (Miyato et al. 2018, arXiv 1802.05957, appendix B).

A block adds two 3×3 convolutions, each after (normalisation and) ReLU, to its resized input: x ↦ S(x) + F(x). The
generator's blocks enlarge by nearest neighbour and use batch normalisation, the discriminator's average-pool and use
none. Channels are `width` at full resolution, double with every halving, and stop at 8 × `width`.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from playground.networks.layers import (
    LEAK,
    Trunk,
    activation,
    dropout_or_none,
    initialise_he_,
    norm_of_maps,
    stack,
)

_WIDEST = 8  # times `width`


class ResidualBlock(nn.Module):
    """x [N, before, H, W] -> [N, after, H', W'], with H' = 2H for resize "up", H/2 for "down" and H for "none".

    The shortcut is a 1×1 convolution where shapes differ, else the identity. It runs at the coarser of the two
    resolutions: a 1×1 convolution commutes with nearest-neighbour enlargement and with average pooling, and there it
    costs a quarter.

    Args:
        first: the block meets the picture itself, whose raw values no ReLU must cut: F opens with a convolution.
    """

    def __init__(
        self,
        before: int,
        after: int,
        *,
        resize: str = "none",
        norm: str = "none",
        act: str = "relu",
        dropout: float = 0.0,
        first: bool = False,
    ):
        super().__init__()
        bias = norm == "none"
        middle = after if resize == "up" or first else before
        conv1 = nn.Conv2d(before, middle, 3, padding=1, bias=bias)
        conv2 = nn.Conv2d(middle, after, 3, padding=1)
        self.resize = resize
        self.residual = stack(
            norm1=None if first else norm_of_maps(norm, before),
            act1=None if first else activation(act),
            enlarge=nn.Upsample(scale_factor=2, mode="nearest") if resize == "up" else None,
            conv1=conv1,
            norm2=norm_of_maps(norm, middle),
            act2=activation(act),
            dropout=dropout_or_none(dropout),
            conv2=conv2,
            pool=nn.AvgPool2d(2) if resize == "down" else None,
        )
        self.shortcut = nn.Conv2d(before, after, 1) if before != after or resize != "none" else None
        slope = LEAK if act == "leaky" else 0.0
        initialise_he_(conv1, 1.0 if first else slope)
        initialise_he_(conv2, slope)
        if self.shortcut is not None:
            # Gain 1, as nothing is cut: 2 / (1 + slope²) = 1.
            initialise_he_(self.shortcut, 1.0)
        arrow = {"up": "enlarges ×2", "down": "average pool ÷2", "none": ""}[resize]
        pieces = ["2 conv 3×3", "" if norm == "none" else f"{norm} norm", "leaky ReLU" if slope else "ReLU", arrow]
        self.block_title = "Residual block"
        self.block_detail = " · ".join(piece for piece in pieces if piece)

    def forward(self, x: Tensor) -> Tensor:
        straight = F.avg_pool2d(x, 2) if self.resize == "down" else x
        if self.shortcut is not None:
            straight = self.shortcut(straight)
        if self.resize == "up":
            straight = F.interpolate(straight, scale_factor=2, mode="nearest")
        return straight + self.residual(x)


class GlobalPool(nn.Module):
    """[N, C, H, W] -> [N, C]: the "sum" (SNGAN) or the "mean" (WGAN-GP) over all places."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=(2, 3)) if self.kind == "sum" else x.mean(dim=(2, 3))

    def extra_repr(self) -> str:
        return self.kind


def channel_plan(size: int, width: int, depth: int | None) -> tuple[int, list[int]]:
    """The base map's side, and the channels of the maps from full resolution down to that base.

    >>> channel_plan(32, 64, None)
    (4, [64, 128, 256, 512])
    """
    halvings = (size // 4).bit_length() - 1 if depth is None else depth
    return size >> halvings, [width * min(2**i, _WIDEST) for i in range(halvings + 1)]


def generator(
    *,
    input_dim: int,
    channels: int,
    size: int,
    width: int,
    depth: int | None,
    norm: str,
    dropout: float,
    activation: str,
) -> nn.Module:
    """[N, input_dim] -> [N, channels, size, size] in [-1, 1]: dense to the base map, a block a doubling, 3×3 to colour.

    norm "default" is batch.
    """
    norm = "batch" if norm == "default" else norm
    act = "relu" if activation == "default" else activation
    base, plan = channel_plan(size, width, depth)
    plan = plan[::-1]
    net = nn.Sequential()
    net.add_module("start", nn.Linear(input_dim, plan[0] * base * base))
    net.add_module("map", nn.Unflatten(1, (plan[0], base, base)))
    side = base
    for before, after in pairwise(plan):
        side *= 2
        net.add_module(
            f"to_{side}x{side}", ResidualBlock(before, after, resize="up", norm=norm, act=act, dropout=dropout)
        )
    net.add_module("picture", _to_picture(plan[-1], channels, norm, act))
    initialise_he_(net.start, 1.0)
    initialise_he_(net.picture, 1.0)  # the gain of a tanh at small inputs
    return net


def trunk(
    *,
    channels: int,
    size: int,
    width: int,
    depth: int | None,
    norm: str,
    spectral_norm: bool,
    dropout: float,
    minibatch: str,
) -> Trunk:
    """[N, channels, size, size] -> [N, feature_dim]: one block a halving, one more at the base map, ReLU, global pool.

    The pooling is a sum under spectral normalisation, as in SNGAN, whose bounded layers need the larger scale, and else
    a mean, as a sum would start the scores far from 0. norm "default" is none.
    """
    norm = "none" if norm == "default" else norm
    _, plan = channel_plan(size, width, depth)
    plan = plan[:-1]  # the first halving already gives `width` channels
    body = nn.Sequential()
    side, before = size, channels
    for i, after in enumerate(plan):
        side //= 2
        body.add_module(
            f"to_{side}x{side}",
            ResidualBlock(before, after, resize="down", norm=norm, dropout=dropout, first=i == 0),
        )
        before = after
    body.add_module("last", ResidualBlock(before, before, norm=norm, dropout=dropout))
    # Instance normalisation here would make each channel's mean, all that the pooling keeps, nearly a constant.
    last_norm = None if norm == "instance" else norm_of_maps(norm, before)
    pool = GlobalPool("sum" if spectral_norm else "mean")
    body.add_module("features", stack(norm=last_norm, act=nn.ReLU(), pool=pool))
    return Trunk(body, before, minibatch=minibatch, spectral_norm=spectral_norm)


def _to_picture(before: int, channels: int, norm: str, act: str) -> nn.Sequential:
    return stack(
        norm=norm_of_maps(norm, before),
        act=activation(act),
        conv=nn.Conv2d(before, channels, 3, padding=1),
        tanh=nn.Tanh(),
    )
