"""DCGAN: all-convolutional networks without pooling or hidden dense layers (Radford et al. 2015, arXiv 1511.06434).

The rules of its section 3: 4×4 convolutions of stride 2 (fractionally strided in the generator) do all the resizing;
batch normalisation everywhere except at the generator's output and the discriminator's input; ReLU in the generator
with tanh at its end, LeakyReLU of slope 0.2 in the discriminator; weights N(0, 0.02), scales of batch normalisation
N(1, 0.02). Channels are `width` in the finest hidden map, double with every halving, and stop at 8 × `width`.

`dcgan-upsample` replaces each fractionally-strided convolution by nearest-neighbour enlargement and a 3×3 convolution:
every output place then sees equally many kernel taps, which removes the checkerboard (Odena et al. 2016).
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from playground.networks.layers import (
    LEAK,
    FlattenChannelsLast,
    Trunk,
    activation,
    dropout_or_none,
    initialise_dcgan_,
    initialise_he_,
    norm_of_maps,
    stack,
)

_WIDEST = 8  # times `width`


def channel_plan(size: int, width: int, depth: int | None) -> tuple[int, list[int]]:
    """The base map's side, and the channels of the hidden maps from the finest (side size/2) to that base.

    >>> channel_plan(64, 64, None)
    (4, [64, 128, 256, 512])
    """
    halvings = (size // 4).bit_length() - 1 if depth is None else depth
    return size >> halvings, [width * min(2**i, _WIDEST) for i in range(halvings)]


def generator(**options) -> nn.Module:
    """[N, input_dim] -> [N, channels, size, size] in [-1, 1] by fractionally-strided convolutions.

    The first one turns the vector, taken as a 1×1 map, into the base map. Options as in `build_generator`.
    """
    return _generator(_fractionally_strided, **options)


def upsample_generator(**options) -> nn.Module:
    """[N, input_dim] -> [N, channels, size, size] in [-1, 1] by nearest-neighbour enlargement and 3×3 convolutions."""
    return _generator(_upsample, **options)


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
    """[N, channels, size, size] -> [N, feature_dim], the last map (4×4 unless `depth` says otherwise) as a vector.

    With the head `Linear(feature_dim, 1)` this is DCGAN's discriminator exactly: its last layer is a 4×4 convolution
    without padding on a 4×4 map, which is one dot product with the flattened map,
    `head.weight.view(1, 4, 4, C).permute(0, 3, 1, 2)` being its kernel. norm "default" is batch.
    """
    norm = "batch" if norm == "default" else norm
    base, plan = channel_plan(size, width, depth)
    body = nn.Sequential()
    side, before = size, channels
    for i, maps in enumerate(plan):
        side //= 2
        kind = "none" if i == 0 else norm  # no normalisation at the input: it would hide the pictures' own statistics
        body.add_module(
            f"to_{side}x{side}",
            stack(
                conv=nn.Conv2d(before, maps, 4, stride=2, padding=1, bias=kind == "none"),
                norm=norm_of_maps(kind, maps),
                act=activation("leaky"),
                dropout=dropout_or_none(dropout),
            ),
        )
        before = maps
    body.add_module("vector", FlattenChannelsLast())
    _initialise(body, norm, LEAK)
    return Trunk(body, plan[-1] * base * base, minibatch=minibatch, spectral_norm=spectral_norm)


def _generator(
    enlarge,
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
    norm = "batch" if norm == "default" else norm
    act = "relu" if activation == "default" else activation
    base, plan = channel_plan(size, width, depth)
    plan = plan[::-1]  # from the base map up
    bias = norm == "none"  # a normalisation brings its own shift
    net = nn.Sequential()
    net.add_module("vector", nn.Unflatten(1, (input_dim, 1, 1)))
    start = nn.ConvTranspose2d(input_dim, plan[0], base, bias=bias)
    net.add_module(f"to_{base}x{base}", _block({"conv": start}, plan[0], norm, act, dropout))
    side = base
    for before, maps in pairwise(plan):
        side *= 2
        net.add_module(f"to_{side}x{side}", _block(enlarge(before, maps, bias), maps, norm, act, dropout))
    net.add_module("picture", stack(**enlarge(plan[-1], channels, True), tanh=nn.Tanh()))
    _initialise(net, norm, LEAK if act == "leaky" else 0.0)
    return net


def _block(enlarge: dict[str, nn.Module], maps: int, norm: str, act: str, dropout: float) -> nn.Sequential:
    return stack(**enlarge, norm=norm_of_maps(norm, maps), act=activation(act), dropout=dropout_or_none(dropout))


def _fractionally_strided(before: int, maps: int, bias: bool) -> dict[str, nn.Module]:
    return {"conv": nn.ConvTranspose2d(before, maps, 4, stride=2, padding=1, bias=bias)}


def _upsample(before: int, maps: int, bias: bool) -> dict[str, nn.Module]:
    return {
        "enlarge": nn.Upsample(scale_factor=2, mode="nearest"),
        "conv": nn.Conv2d(before, maps, 3, padding=1, bias=bias),
    }


def _initialise(net: nn.Module, norm: str, slope: float) -> None:
    """The paper's N(0, 0.02), which counts on a normalisation after it; He's without one.

    A deviation of 0.02 is He's own at a fan-in of about 5000, that of the middle layers at width 64. In narrower
    networks it shrinks the signal layer by layer, which nothing would undo.
    """
    if norm == "none":
        initialise_he_(net, slope)
    else:
        initialise_dcgan_(net)
