"""Fully connected networks: the generator widens 256-512-1024, the discriminator mirrors it.

Goodfellow et al. 2014 (arXiv 1406.2661), with the LeakyReLU of slope 0.2 that later practice settled on. A width of 64
gives those sizes; another width scales them. Weights keep torch's own initialisation of dense layers. For points there
is a plainer pair: layers of one width, and an output without bounds.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from playground.networks.layers import Trunk, activation, dropout_or_none, norm_of_vectors, stack


def hidden_sizes(width: int, depth: int | None) -> list[int]:
    """Units of the generator's hidden layers, first to last: 4, 8, 16, ... times `width`; 3 layers by default."""
    return [4 * width * 2**i for i in range(3 if depth is None else depth)]


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
    """[N, input_dim] -> [N, channels, size, size] in [-1, 1]. norm "default" is none; activation "default" is leaky."""
    units = hidden_sizes(width, depth)
    net = _hidden(input_dim, units, norm, activation, dropout)
    net.add_module("output", stack(dense=nn.Linear(units[-1], channels * size * size), tanh=nn.Tanh()))
    net.add_module("picture", nn.Unflatten(1, (channels, size, size)))
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
    """[N, channels, size, size] -> [N, feature_dim]: dense layers of 1024-512-256 with LeakyReLU 0.2.

    norm "default" is none.
    """
    units = hidden_sizes(width, depth)[::-1]
    hidden = _hidden(channels * size * size, units, norm, "leaky", dropout)
    return Trunk(_of_vectors(hidden), units[-1], minibatch=minibatch, spectral_norm=spectral_norm)


def point_generator(
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
    """[N, input_dim] -> points [N, channels, 1, 1] of any magnitude: `depth` layers (3 by default) of `width` units.

    norm "default" is none; activation "default" is ReLU, with which the latent plane is folded piece by piece.
    """
    activation = "relu" if activation == "default" else activation
    net = _hidden(input_dim, _even_sizes(width, depth), norm, activation, dropout)
    net.add_module("output", nn.Linear(width, channels * size * size))
    net.add_module("point", nn.Unflatten(1, (channels, size, size)))
    return net


def point_trunk(
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
    """Points [N, channels, 1, 1] -> [N, width]: `depth` layers (3 by default) of `width` units, LeakyReLU 0.2."""
    hidden = _hidden(channels * size * size, _even_sizes(width, depth), norm, "leaky", dropout)
    return Trunk(_of_vectors(hidden), width, minibatch=minibatch, spectral_norm=spectral_norm)


def _even_sizes(width: int, depth: int | None) -> list[int]:
    """Units of hidden layers of the same width; 3 layers by default."""
    return [width] * (3 if depth is None else depth)


def _hidden(fan_in: int, units: list[int], norm: str, act: str, dropout: float) -> nn.Sequential:
    """Layers of so many `units`, called hidden1, hidden2, ..."""
    norm = "none" if norm == "default" else norm
    net = nn.Sequential()
    for i, (before, after) in enumerate(pairwise([fan_in, *units]), start=1):
        net.add_module(f"hidden{i}", _dense(before, after, norm, act, dropout))
    return net


def _of_vectors(hidden: nn.Sequential) -> nn.Sequential:
    """`hidden` for pictures and points, which it reads as one vector each."""
    return stack(vector=nn.Flatten(), **dict(hidden.named_children()))


def _dense(fan_in: int, fan_out: int, norm: str, act: str, dropout: float) -> nn.Sequential:
    act = "leaky" if act == "default" else act
    return stack(
        dense=nn.Linear(fan_in, fan_out, bias=norm == "none"),  # a normalisation brings its own shift
        norm=norm_of_vectors(norm, fan_out),
        act=activation(act),
        dropout=dropout_or_none(dropout),
    )
