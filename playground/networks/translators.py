r"""Networks that turn one picture into another; all but the pad of `spade` are convolutional, so any size goes through.

- U-Net: halvings down to a small map, doublings back up, and at each side a skip connection that carries the map of the
  way down across, [x, up(...)] (Isola et al. 2016, arXiv 1611.07004, section 6.1.1, after Ronneberger et al. 2015).
- Residual translator: two halvings, blocks x ↦ x + F(x) at a quarter of the side, two doublings; reflection padding and
  instance normalisation (Zhu et al. 2017, arXiv 1703.10593, section 7.2, after Johnson et al. 2016).
- SPADE: every normalisation is undone by a scale and a shift that convolutions read from the label map at that place,
  γ(m) · (x − μ)/σ + β(m) (Park et al. 2019, arXiv 1903.07291, equation 1).
- Upscaler: residual blocks at the small size, then PixelShuffle doublings (Ledig et al. 2016, arXiv 1609.04802; the
  shuffle is Shi et al. 2016, arXiv 1609.05158); it adds to the bicubic enlargement.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.errors import UsageError, unknown
from playground.networks.layers import (
    LEAK,
    Dropout,
    activation,
    initialise_dcgan_,
    initialise_he_,
    norm_of_maps,
    stack,
)

TRANSLATORS = ("unet", "resnet", "spade", "upscaler")
_WIDEST = 8  # times `width`


def build_translator(
    kind: str,
    *,
    inputs: int,
    outputs: int,
    size: int,
    width: int,
    norm: str = "default",
    dropout: float = 0.0,
    blocks: int = 6,
    scale: int = 4,
    squash: bool = True,
    latent_dim: int = 0,
) -> nn.Module:
    """A network [N, inputs, h, w] -> [N, outputs, h', w'] with an attribute `multiple`: what h and w are multiples of.

    Args:
        kind: one of `TRANSLATORS`.
        inputs, outputs: channels; a label map comes in as one channel a label.
        size: side of the pictures it is trained on: a U-Net halves it down to 2, SPADE starts from a sixteenth.
        width: channels of the finest map.
        norm: "default" is the network's own: batch for the U-Net, SPADE and the upscaler, instance for "resnet".
        dropout: of the three maps after a U-Net's middle; kept when translating.
        blocks: residual blocks of "resnet" and "upscaler".
        scale: 2 or 4, how much larger the upscaler's pictures become; the others keep the size.
        squash: end in tanh; False for logits.
        latent_dim: length of the noise that "spade" starts from; 0 starts it from the label map itself.

    Raises:
        UsageError: an unknown kind, or a size that can't be halved.
    """
    if kind not in TRANSLATORS:
        raise unknown("translator", kind, TRANSLATORS)
    if kind == "unet":
        return UNet(inputs, outputs, size, width, norm=norm, dropout=dropout, squash=squash)
    if kind == "resnet":
        return ResidualTranslator(inputs, outputs, width, blocks=blocks, norm=norm, squash=squash)
    if kind == "spade":
        return SpadeGenerator(inputs, outputs, width, norm=norm, squash=squash)
    return Upscaler(inputs, outputs, width, blocks=blocks, scale=scale, norm=norm)


# --- U-Net -----------------------------------------------------------------------------------------------------------


class UNet(nn.Module):
    """[N, inputs, h, w] -> [N, outputs, h, w]; h and w multiples of `multiple` = 2^depth.

    4×4 convolutions of stride 2 with LeakyReLU go down. Up, a 3×3 convolution at the smaller side comes before a
    bilinear doubling, where the paper has fractionally-strided ones: those leave a checkerboard in flat areas (Odena et
    al. 2016, distill.pub/2016/deconv-checkerboard). The last two convolutions see the input picture itself, so that
    its lines arrive as sharp as they were drawn. Normalisation everywhere but at the input, the middle and the output.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        width: int,
        *,
        norm: str = "default",
        dropout: float = 0.5,
        squash: bool = True,
    ):
        super().__init__()
        depth = max(2, size.bit_length() - 2)  # down to 2 × 2
        if size & (size - 1) or size < 16:
            raise UsageError(f"A U-Net halves the picture again and again: {size} must be 16, 32, 64, 128 or 256.")
        norm = "batch" if norm == "default" else norm
        plan = [min(width << i, width * _WIDEST) for i in range(depth)]
        self.multiple = 1 << depth
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = inputs
        for i, maps in enumerate(plan):
            kind = "none" if i in (0, depth - 1) else norm
            self.down.append(
                stack(
                    act=None if i == 0 else activation("leaky"),
                    conv=nn.Conv2d(before, maps, 4, 2, 1, bias=kind == "none"),
                    norm=norm_of_maps(kind, maps),
                )
            )
            before = maps
        for i in range(depth - 1, 0, -1):
            maps = plan[i - 1]
            drop = dropout if depth - 1 - i < 3 else 0.0
            self.up.append(
                stack(
                    act=activation("relu"),
                    conv=nn.Conv2d(before, maps, 3, padding=1, bias=norm == "none"),
                    norm=norm_of_maps(norm, maps),
                    dropout=_always(drop),
                    enlarge=_doubled(),
                )
            )
            before = 2 * maps
        self.last = stack(
            act=activation("relu"),
            conv=nn.Conv2d(before, width, 3, padding=1, bias=norm == "none"),
            norm=norm_of_maps(norm, width),
            enlarge=_doubled(),
        )
        self.picture = stack(
            conv=nn.Conv2d(width + inputs, width, 3, padding=1),
            act=activation("leaky"),
            picture=nn.Conv2d(width, outputs, 3, padding=1),
            tanh=nn.Tanh() if squash else None,
        )
        if norm == "none":
            initialise_he_(self, LEAK)
        else:
            initialise_dcgan_(self)

    def forward(self, x: Tensor) -> Tensor:
        kept = [x]
        for block in self.down:
            kept.append(block(kept[-1]))
        x = kept.pop()
        for block in self.up:
            x = torch.cat([block(x), kept.pop()], 1)
        x = self.last(x)
        return self.picture(torch.cat([x, kept.pop().to(x.dtype)], 1))


def _doubled() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


def _always(p: float) -> Dropout | None:
    """Dropout that stays on when translating: the network's only source of variety (arXiv 1611.07004, section 3.1)."""
    return Dropout(p, always=True) if p else None


# --- Residual translator ---------------------------------------------------------------------------------------------


class PaddedBlock(nn.Module):
    """x ↦ x + F(x) with two reflection-padded 3×3 convolutions in F, channels and side unchanged."""

    def __init__(self, channels: int, norm: str, act: str = "relu"):
        super().__init__()
        bias = norm == "none"
        self.residual = stack(
            pad1=nn.ReflectionPad2d(1),
            conv1=nn.Conv2d(channels, channels, 3, bias=bias),
            norm1=norm_of_maps(norm, channels),
            act=activation(act),
            pad2=nn.ReflectionPad2d(1),
            conv2=nn.Conv2d(channels, channels, 3, bias=bias),
            norm2=norm_of_maps(norm, channels),
        )
        self.block_title, self.block_detail = "Residual block", f"2 × conv 3×3, reflected border · {norm} norm"

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


class ResidualTranslator(nn.Module):
    """[N, inputs, h, w] -> [N, outputs, h, w]; h and w multiples of 4.

    Doublings are a convolution and a bilinear enlargement, as in `UNet`: fractionally-strided ones left a checkerboard.
    """

    multiple = 4

    def __init__(
        self, inputs: int, outputs: int, width: int, *, blocks: int = 6, norm: str = "default", squash: bool = True
    ):
        super().__init__()
        norm = "instance" if norm == "default" else norm
        bias = norm == "none"
        layers: dict[str, nn.Module | None] = {
            "pad": nn.ReflectionPad2d(3),
            "conv": nn.Conv2d(inputs, width, 7, bias=bias),
            "norm": norm_of_maps(norm, width),
            "act": activation("relu"),
        }
        for i in (1, 2):
            layers |= {
                f"halve{i}": nn.Conv2d(width * i, width * 2 * i, 3, 2, 1, bias=bias),
                f"halve{i}_norm": norm_of_maps(norm, width * 2 * i),
                f"halve{i}_act": activation("relu"),
            }
        layers |= {f"block{i + 1}": PaddedBlock(4 * width, norm) for i in range(blocks)}
        for i in (2, 1):
            layers |= {
                f"conv{i}": nn.Conv2d(width * 2 * i, width * i, 3, padding=1, bias=bias),
                f"conv{i}_norm": norm_of_maps(norm, width * i),
                f"conv{i}_act": activation("relu"),
                f"double{i}": _doubled(),
            }
        layers |= {
            "last_pad": nn.ReflectionPad2d(3),
            "picture": nn.Conv2d(width, outputs, 7),
            "tanh": nn.Tanh() if squash else None,
        }
        self.net = stack(**layers)
        initialise_dcgan_(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


# --- SPADE -----------------------------------------------------------------------------------------------------------


class Spade(nn.Module):
    """γ(m) · x̂ + β(m): x [N, C, s, s] and the label map m [N, L, S, S] -> [N, C, s, s]; x̂ is x normalised."""

    def __init__(self, channels: int, labels: int, hidden: int, norm: str):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False) if norm == "batch" else nn.InstanceNorm2d(channels)
        self.shared = stack(conv=nn.Conv2d(labels, hidden, 3, padding=1), act=activation("relu"))
        self.scale_and_shift = nn.Conv2d(hidden, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        m = F.interpolate(m, size=x.shape[2:], mode="nearest")
        scale, shift = self.scale_and_shift(self.shared(m)).chunk(2, dim=1)
        return torch.addcmul(shift, self.norm(x).to(scale.dtype), 1 + scale)


class SpadeBlock(nn.Module):
    """Residual block whose normalisations are `Spade`s; a 1×1 shortcut where channels change."""

    def __init__(self, before: int, after: int, labels: int, hidden: int, norm: str):
        super().__init__()
        middle = min(before, after)
        self.first, self.second = Spade(before, labels, hidden, norm), Spade(middle, labels, hidden, norm)
        self.conv1 = nn.Conv2d(before, middle, 3, padding=1)
        self.conv2 = nn.Conv2d(middle, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1, bias=False) if before != after else None
        self.block_title, self.block_detail = "SPADE block", "2 × (norm by the label map · conv 3×3)"

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        kept = x if self.shortcut is None else self.shortcut(x)
        x = self.conv1(F.leaky_relu(self.first(x, m), LEAK))
        return kept + self.conv2(F.leaky_relu(self.second(x, m), LEAK))


class SpadeGenerator(nn.Module):
    """Label map [N, L, h, w], one channel a label -> [N, outputs, h, w]; h and w multiples of 16.

    It starts from the label map shrunk to a sixteenth of the side and doubles four times; the paper starts from noise
    or from an encoded picture, which this variant leaves out: the map says it all.
    """

    multiple = 16

    def __init__(self, labels: int, outputs: int, width: int, *, norm: str = "default", squash: bool = True):
        super().__init__()
        norm = "batch" if norm == "default" else norm
        hidden = max(16, width)
        plan = [width * 8, width * 8, width * 4, width * 2, width]
        self.start = nn.Conv2d(labels, plan[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            SpadeBlock(before, after, labels, hidden, norm)
            for before, after in zip([plan[0], *plan], plan, strict=False)
        )
        self.picture = stack(
            act=activation("leaky"), conv=nn.Conv2d(width, outputs, 3, padding=1), tanh=nn.Tanh() if squash else None
        )
        initialise_he_(self, LEAK)
        for block in self.blocks:
            for spade in (block.first, block.second):  # at first every place is normalised alike
                nn.init.normal_(spade.scale_and_shift.weight, 0.0, 0.02)

    def forward(self, m: Tensor) -> Tensor:
        x = self.start(F.interpolate(m, scale_factor=1 / 16, mode="area"))
        for i, block in enumerate(self.blocks):
            x = block(x, m)
            if i < 4:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.picture(x)


# --- Super-resolution ------------------------------------------------------------------------------------------------


class Upscaler(nn.Module):
    """[N, C, h, w] -> [N, outputs, scale · h, scale · w]: bicubic enlargement plus what residual blocks add to it."""

    multiple = 1

    def __init__(
        self, inputs: int, outputs: int, width: int, *, blocks: int = 6, scale: int = 4, norm: str = "default"
    ):
        super().__init__()
        if scale not in (2, 4):
            raise UsageError(f"Pictures are made 2 or 4 times as large, not {scale} times.")
        norm = "batch" if norm == "default" else norm
        self.scale = scale
        self.first = stack(conv=nn.Conv2d(inputs, width, 5, padding=2), act=activation("leaky"))
        self.body = stack(
            **{f"block{i + 1}": PaddedBlock(width, norm, "leaky") for i in range(blocks)},
            conv=nn.Conv2d(width, width, 3, padding=1),
        )
        doublings = {}
        for i in range(scale // 2):
            doublings |= {
                f"conv{i + 1}": nn.Conv2d(width, 4 * width, 3, padding=1),
                f"shuffle{i + 1}": nn.PixelShuffle(2),
                f"act{i + 1}": activation("leaky"),
            }
        self.enlarge = stack(**doublings)
        self.picture = nn.Conv2d(width, outputs, 5, padding=2)
        initialise_he_(self, LEAK)
        nn.init.normal_(self.picture.weight, 0.0, 0.001)  # begins as the bicubic enlargement

    def forward(self, x: Tensor) -> Tensor:
        maps = self.first(x)
        maps = maps + self.body(maps)
        detail = self.picture(self.enlarge(maps))
        plain = F.interpolate(x.float(), scale_factor=self.scale, mode="bicubic", align_corners=False)
        return (plain + detail.float()).clamp(-1, 1) if not self.training else plain + detail.float()


# --- Patch discriminators --------------------------------------------------------------------------------------------

RECEPTIVE_FIELDS = {16: 1, 34: 2, 70: 3}  # pixels a score depends on: halvings


class PatchDiscriminator(nn.Module):
    """[N, C, h, w] -> the score of each overlapping patch, [N, 1, h', w'] (30 × 30 for patches of 70 at 256 pixels).

    4×4 convolutions: `RECEPTIVE_FIELDS[patch]` of stride 2, then two of stride 1 (arXiv 1611.07004, section 6.1.2).
    On pictures of `size` below 64 patches are at most half as wide a side. `features(x)` gives the maps of all layers,
    the score last.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        *,
        patch: int = 70,
        norm: str = "default",
        spectral_norm: Callable[[nn.Module], nn.Module] | None = None,
    ):
        super().__init__()
        if patch not in RECEPTIVE_FIELDS:
            raise UsageError(f"Patches are 16, 34 or 70 pixels wide, not {patch}.")
        norm = "batch" if norm == "default" else norm
        halvings = max(1, min(RECEPTIVE_FIELDS[patch], size.bit_length() - 4))  # the last two maps need room
        self.layers = nn.ModuleList()
        before = channels
        for i in range(halvings + 1):
            maps = width * min(2**i, _WIDEST)
            kind = "none" if i == 0 else norm
            stride = 2 if i < halvings else 1
            self.layers.append(
                stack(
                    conv=nn.Conv2d(before, maps, 4, stride, 1, bias=kind == "none"),
                    norm=norm_of_maps(kind, maps),
                    act=activation("leaky"),
                )
            )
            before = maps
        self.layers.append(nn.Conv2d(before, 1, 4, 1, 1))
        if norm == "none":
            initialise_he_(self, LEAK)
            nn.init.normal_(self.layers[-1].weight, 0.0, 0.02)
        else:
            initialise_dcgan_(self)
        if spectral_norm is not None:
            spectral_norm(self)

    def features(self, x: Tensor) -> list[Tensor]:
        found = []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]


class MultiScale(nn.Module):
    """`scales` patch discriminators, each on pictures half the size of the one before (arXiv 1711.11585)."""

    def __init__(self, scales: int, channels: int, size: int, width: int, **options):
        super().__init__()
        scales = min(scales, max(1, size.bit_length() - 4))  # down to 16 pixels
        self.judges = nn.ModuleList(PatchDiscriminator(channels, size >> i, width, **options) for i in range(scales))

    def features(self, x: Tensor) -> list[list[Tensor]]:
        """The maps of each discriminator, the score last."""
        found = []
        for i, judge in enumerate(self.judges):
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if i else x
            found.append(judge.features(x))
        return found

    @staticmethod
    def together(scores: list[Tensor]) -> Tensor:
        """Score maps [N, 1, h', w'] of several scales -> [N, P], each scale weighing the same: coarse ones repeat."""
        size = scores[0].shape[2:]
        same = [s if s.shape[2:] == size else F.interpolate(s, size=size, mode="nearest") for s in scores]
        return torch.cat([s.flatten(1) for s in same], 1)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of all patches at all scales: [N, P]."""
        return self.together([maps[-1] for maps in self.features(x)])
