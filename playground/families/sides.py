"""What families of translators share: sides of a two-sided set as network input, output and picture to look at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.data.base import DataInfo, Side, label_numbers
from playground.errors import UsageError
from playground.knobs import Settings
from playground.networks import layers
from playground.networks.translators import MultiScale, build_translator
from playground.objectives import OBJECTIVES


def sides_of(info: DataInfo) -> tuple[Side, Side]:
    """(A, B) of a data set; of a one-sided one both are what it holds."""
    if info.sides:
        return info.sides[0], info.sides[1]
    only = Side(info.name, info.channels, info.size)
    return only, only


def network_channels(side: Side) -> int:
    """Channels of a side as a network sees it: one a label, else its own."""
    return len(side.labels) or side.channels


def encode(x: Tensor, side: Side) -> Tensor:
    """Side pictures [N, C, H, W] in [-1, 1] as network input: label maps one-hot in {0, 1}, others as they are.

    A label map may also come as probabilities [N, L, H, W], which pass.
    """
    if not side.labels or x.shape[1] == len(side.labels):
        return x
    numbers = label_numbers(x).clamp(0, len(side.labels) - 1)
    return F.one_hot(numbers, len(side.labels)).permute(0, 3, 1, 2).to(torch.float32)


def paint(x: Tensor, side: Side) -> Tensor:
    """Pictures, label maps or logits [N, L, H, W] of a side -> [N, 3, H, W] in [-1, 1] to look at."""
    if side.labels:
        numbers = x.argmax(1) if x.shape[1] == len(side.labels) else label_numbers(x).clamp(0, len(side.labels) - 1)
        colours = torch.tensor(side.palette, dtype=torch.float32, device=x.device) / 127.5 - 1
        return colours[numbers].permute(0, 3, 1, 2)
    return x.clamp(-1, 1).expand(-1, 3, -1, -1) if x.shape[1] == 1 else x.clamp(-1, 1)


def sheet(rows: Sequence[Tensor], size: int) -> Tensor:
    """Rows of pictures [n, 3, h, w] -> [rows · n, 3, size, size]; smaller ones are shown with their own pixels."""
    same = [row if row.shape[-1] == size else F.interpolate(row, (size, size), mode="nearest") for row in rows]
    return torch.cat([row.float() for row in same])


class SideTranslator(nn.Module):
    """Pictures of one side -> pictures of the other (logits [N, L, H, W] where that is a label map)."""

    def __init__(self, settings: Settings, source: Side, target: Side, scale: int = 1):
        super().__init__()
        self.source, self.target, self.scale = source, target, scale
        self.network = build_translator(
            settings.translator,
            inputs=network_channels(source),
            outputs=network_channels(target),
            size=source.size,
            width=settings.width,
            norm=settings.norm_g,
            dropout=settings.dropout_g,
            blocks=settings.blocks,
            scale=scale,
            squash=not target.labels,
        )
        self.multiple: int = self.network.multiple

    def forward(self, x: Tensor) -> Tensor:
        return self.network(encode(x, self.source))


def build_judge(settings: Settings, channels: int, size: int) -> MultiScale:
    """Patch discriminators of pictures (or stacked pairs) of so many channels, `size` pixels wide."""
    return MultiScale(
        settings.scales,
        channels,
        size,
        settings.width_d or settings.width,
        patch=settings.patch,
        norm=settings.norm_d,
        spectral_norm=layers.apply_spectral_norm if settings.spectral_norm else None,
    )


def distance(x: Tensor, y: Tensor) -> Tensor:
    """The mean |x − y| of a value."""
    return (x.float() - y.float()).abs().mean()


def check_two_sided(info: DataInfo) -> None:
    """Raise UsageError for one set of pictures where two are learned from."""
    if not info.sides:
        raise UsageError(
            f"This preset learns from two sets of pictures and '{info.name}' is one: use 'faces-styles', or a folder "
            "with two folders A and B (or trainA and trainB)."
        )


def check_judged_by_patches(settings: Settings) -> None:
    """Raise UsageError for settings that a translator and its patch discriminators don't know."""
    s = settings
    if s.held_out <= 0:
        raise UsageError("A translator is looked at on pictures held out: set held_out above 0.")
    if OBJECTIVES[s.objective].energy:
        raise UsageError("A patch discriminator gives scores, not energies: choose another objective than energy.")
    if s.gradient_penalty or s.dragan or s.r1 or s.r2 or s.weight_clip or s.unroll_steps:
        raise UsageError("Translators know no gradient penalties, clipping or unrolling: set them to 0.")


def mirrored(batch: Sequence[Tensor], generator: torch.Generator | None, together: bool) -> list[Tensor]:
    """Half of the pictures mirrored; with `together` row i of all tensors alike, else each for itself."""
    turn, found = None, []
    for x in batch:
        if turn is None or not together:
            turn = torch.rand(len(x), 1, 1, 1, device=x.device, generator=generator) < 0.5
        found.append(torch.where(turn, x.flip(3), x))
    return found
