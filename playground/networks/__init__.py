"""The table of architectures: a name, and how to build its generator and its discriminator's trunk.

A trunk is a discriminator without its head: what ends a discriminator (one score, classes, codes, a projection) depends
on the method, so a head is put on `trunk.feature_dim` features by whoever composes the method. Importing this module
loads no torch: a row names its builders as "module:function" and they are imported when something is built, so that a
list of architectures is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.errors import UsageError, unknown
from playground.lookup import named

if TYPE_CHECKING:
    from torch import nn

NORMS = ("default", "batch", "none", "layer", "instance")
MINIBATCH = ("none", "discrimination", "stddev")
ACTIVATIONS = ("default", "relu", "leaky")


@dataclass(frozen=True)
class Architecture:
    """One row: what it is called, what it can make, and the "module:function" that builds each half.

    `sizes` are the picture sizes it makes, in pixels; empty means any size from `min_size` up. `halving` says that it
    works by halvings of the picture down to a base map, so that `depth` counts them; `grows`, that both halves have
    `set_growth`, and in training mode pictures that may leave [-1, 1] (see `style`).
    """

    name: str
    title: str
    help: str
    reference: str
    min_size: int
    sizes: tuple[int, ...]
    generator: str
    trunk: str
    norms: tuple[str, ...] = NORMS
    halving: bool = True
    grows: bool = False

    @property
    def points(self) -> bool:
        """Whether it is for points, whose coordinates have no bounds, and not for pictures."""
        return self.sizes == (1,)

    def accepts(self, size: int) -> bool:
        """Whether it makes pictures of `size` × `size` pixels."""
        return size >= self.min_size and (not self.sizes or size in self.sizes)


_ROWS = (
    Architecture(
        name="mlp",
        title="Fully connected",
        help="Dense layers only: the first generative adversarial network. Fast on a CPU, any size, blurry beyond 32.",
        reference="Goodfellow et al. 2014, arXiv 1406.2661",
        min_size=2,
        sizes=(),
        generator="playground.networks.mlp:generator",
        trunk="playground.networks.mlp:trunk",
        norms=("default", "batch", "none", "layer"),
        halving=False,
    ),
    Architecture(
        name="points",
        title="Fully connected, for points",
        help="Dense layers of one width, and an output without bounds: for points on a line or in the plane.",
        reference="Goodfellow et al. 2014, arXiv 1406.2661",
        min_size=1,
        sizes=(1,),
        generator="playground.networks.mlp:point_generator",
        trunk="playground.networks.mlp:point_trunk",
        norms=("default", "batch", "none", "layer"),
        halving=False,
    ),
    Architecture(
        name="dcgan",
        title="DCGAN",
        help="Strided and fractionally-strided convolutions with batch normalisation: the classic convolutional pair.",
        reference="Radford et al. 2015, arXiv 1511.06434",
        min_size=16,
        sizes=(16, 32, 64, 128),
        generator="playground.networks.dcgan:generator",
        trunk="playground.networks.dcgan:trunk",
    ),
    Architecture(
        name="dcgan-upsample",
        title="DCGAN, upsample + convolution",
        help="DCGAN whose generator enlarges by nearest neighbour before each convolution: no checkerboard pattern.",
        reference="Odena et al. 2016, distill.pub/2016/deconv-checkerboard",
        min_size=16,
        sizes=(16, 32, 64, 128),
        generator="playground.networks.dcgan:upsample_generator",
        trunk="playground.networks.dcgan:trunk",
    ),
    Architecture(
        name="resnet",
        title="Residual network",
        help="Residual blocks on both sides: slower a step than DCGAN, steadier, and better on varied pictures.",
        reference="Gulrajani et al. 2017, arXiv 1704.00028; Miyato et al. 2018, arXiv 1802.05957",
        min_size=16,
        sizes=(16, 32, 64, 128, 256),
        generator="playground.networks.resnet:generator",
        trunk="playground.networks.resnet:trunk",
    ),
    Architecture(
        name="style",
        title="Style-based, growing",
        help="A mapping network sets the style of every layer, and both sides grow from small pictures to large ones.",
        reference="Karras et al. 2018, arXiv 1812.04948; Karras et al. 2017, arXiv 1710.10196",
        min_size=16,
        sizes=(16, 32, 64, 128),
        generator="playground.networks.style:generator",
        trunk="playground.networks.style:trunk",
        norms=("default", "none"),
        grows=True,
    ),
)

ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in _ROWS}
if len(ARCHITECTURES) != len(_ROWS):
    raise RuntimeError("Two architectures share a name.")


def architecture(name: str) -> Architecture:
    """The row of `name`.

    Raises:
        UsageError: an unknown name, with the nearest one.
    """
    if name not in ARCHITECTURES:
        raise unknown("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def build_generator(
    architecture: str,
    *,
    input_dim: int,
    channels: int,
    size: int,
    width: int = 64,
    depth: int | None = None,
    norm: str = "default",
    dropout: float = 0.0,
    activation: str = "default",
    **own: Any,
) -> nn.Module:
    """A generator: `forward(vector [N, input_dim]) -> [N, channels, size, size]` in [-1, 1].

    Args:
        architecture: a name in `ARCHITECTURES`.
        input_dim: length of the input vector: the latent, with whatever a condition appends to it.
        channels: colour channels of the picture, 1 or 3 (any number from 1 works).
        size: side of the square picture in pixels.
        width: the unit of width: channels of the finest hidden map (a quarter of the first hidden layer in `mlp`).
        depth: hidden layers (`mlp`), or doublings of resolution; None is the architecture's own (from a 4×4 map).
        norm: one of `NORMS`; "default" is the architecture's own.
        dropout: probability of dropping a hidden unit, in [0, 1).
        activation: hidden activation; "default" is the architecture's own, "leaky" is LeakyReLU of slope 0.2.
        own: what this architecture alone knows ("style": `w_dim` and `start`, see `style.generator`).

    Raises:
        UsageError: an unknown name or a value out of range.
    """
    row = _check(architecture, channels=channels, size=size, width=width, depth=depth, norm=norm, dropout=dropout)
    if input_dim < 1:
        raise UsageError("A generator needs an input of at least one number: set a latent size of 1 or more.")
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    build = named(row.generator)
    return build(
        input_dim=input_dim,
        channels=channels,
        size=size,
        width=width,
        depth=depth,
        norm=norm,
        dropout=dropout,
        activation=activation,
        **own,
    )


def build_trunk(
    architecture: str,
    *,
    channels: int,
    size: int,
    width: int = 64,
    depth: int | None = None,
    norm: str = "default",
    spectral_norm: bool = False,
    dropout: float = 0.0,
    minibatch: str = "none",
) -> nn.Module:
    """A discriminator without its head: `forward(x [N, channels, size, size]) -> [N, trunk.feature_dim]`.

    Args:
        architecture, size, width, depth, norm, dropout: as in `build_generator`. A critic under a gradient penalty
            wants norm="none" or "layer": batch normalisation ties the samples that the penalty treats one by one.
        channels: channels of the input: those of the picture, with the maps that a condition appends.
        spectral_norm: divide every weight matrix by its largest singular value (`layers.apply_spectral_norm`).
        minibatch: "discrimination" or "stddev" appends features that compare the samples of the batch.

    Raises:
        UsageError: an unknown name or a value out of range.
    """
    row = _check(architecture, channels=channels, size=size, width=width, depth=depth, norm=norm, dropout=dropout)
    if minibatch not in MINIBATCH:
        raise unknown("minibatch layer", minibatch, MINIBATCH)
    build = named(row.trunk)
    return build(
        channels=channels,
        size=size,
        width=width,
        depth=depth,
        norm=norm,
        spectral_norm=spectral_norm,
        dropout=dropout,
        minibatch=minibatch,
    )


def _check(
    name: str, *, channels: int, size: int, width: int, depth: int | None, norm: str, dropout: float
) -> Architecture:
    row = architecture(name)
    if not row.accepts(size):
        if row.points:
            raise UsageError("The architecture 'points' is for points, not for pictures: take 'mlp' or 'dcgan'.")
        if size == 1:
            raise UsageError(f"The architecture '{name}' makes pictures; for points take 'points'.")
        offered = f"{', '.join(map(str, row.sizes))} pixels" if row.sizes else f"{row.min_size} pixels or more"
        way_out = "set one of these sizes" + ("" if name == "mlp" else ", or take 'mlp', which makes any size")
        raise UsageError(f"The architecture '{name}' makes pictures of {offered}, not {size}: {way_out}.")
    if channels < 1:
        raise UsageError(f"Pictures need at least 1 channel, not {channels}: use 1 for grey or 3 for colour.")
    if width < 1:
        raise UsageError(f"A width of {width} leaves no units: set a width of 1 or more (64 is usual).")
    if not 0 <= dropout < 1:
        raise UsageError(f"A dropout of {dropout} is out of range: set a probability from 0 up to, but below, 1.")
    if norm not in NORMS:
        raise unknown("normalisation", norm, NORMS)
    if norm not in row.norms:
        usable = ", ".join(f"'{n}'" for n in row.norms)
        raise UsageError(f"'{name}' does not come with '{norm}' normalisation: choose one of {usable}.")
    if depth is not None:
        most = (size // 4).bit_length() - 1 if row.halving else 8
        if not 1 <= depth <= most:
            raise UsageError(
                f"A depth of {depth} does not fit '{name}' at {size} pixels: set 1 to {most}, or leave it open."
            )
    return row
