"""Convolutional bodies of classifiers: a picture becomes feature maps, fine to coarse, and one vector.

The vector is the mean of the coarsest map over all places (Lin et al. 2013, arXiv 1312.4400), which does not mind where
things are; or a dense layer reads that map as a whole, which suits pictures that are aligned, faces say.

A stem brings the picture to at most 32 × 32 places, then each stage halves the side down to 4. With "resnet" a stage is
a residual block, x ↦ ReLU(S(x) + F(x)) with two 3×3 convolutions in F; with "dcgan" it is one 4×4 convolution of stride
2, as in DCGAN's discriminator (He et al. 2015, arXiv 1512.03385; Radford et al. 2015, arXiv 1511.06434).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from playground.errors import UsageError
from playground.networks.layers import activation, initialise_he_, norm_of_maps, norm_of_vectors, stack
from playground.networks.resnet import GlobalPool

BODIES = ("resnet", "dcgan")
SIZES = (16, 32, 64, 128, 256)
_WIDER = (1, 2, 4, 6)  # channels after the stem and each halving, times `width`
_LARGEST = 32  # side after the stem
_SMALLEST = 4  # side of the last map


class HalvingBlock(nn.Module):
    """x [N, before, H, W] -> [N, after, H/2, W/2]: ReLU of the pooled input plus two convolutions of it.

    The shortcut pools before its 1×1 convolution, so that no place is left unread (He et al. 2018, arXiv 1812.01187).
    """

    def __init__(self, before: int, after: int, norm: str):
        super().__init__()
        bias = norm == "none"
        self.residual = stack(
            conv1=nn.Conv2d(before, after, 3, stride=2, padding=1, bias=bias),
            norm1=norm_of_maps(norm, after),
            act1=activation("relu"),
            conv2=nn.Conv2d(after, after, 3, padding=1, bias=bias),
            norm2=norm_of_maps(norm, after),
        )
        self.shortcut = nn.Conv2d(before, after, 1)
        initialise_he_(self.residual, 0.0)
        initialise_he_(self.shortcut, 1.0)
        self.block_title = "Residual block"
        self.block_detail = " · ".join(["2 conv 3×3", *([] if bias else [f"{norm} norm"]), "ReLU", "stride 2"])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(F.avg_pool2d(x, 2)) + self.residual(x))


class ClassifierBody(nn.Module):
    """x [N, C, S, S] -> its features [N, feature_dim]; `maps(x)` are the feature maps behind them, fine to coarse.

    Args:
        architecture: one of `BODIES`.
        channels, size: of the pictures; size one of `SIZES`.
        width: channels of the finest map.
        norm: "default" (batch), "batch", "layer", "instance" or "none".
        feature_dim: length of the vector; 0 takes the mean over the places of the last map.

    Raises:
        UsageError: an architecture or size it does not come in.
    """

    def __init__(
        self, architecture: str, *, channels: int, size: int, width: int, norm: str = "default", feature_dim: int = 0
    ):
        super().__init__()
        kind = architecture.removesuffix("-upsample")  # a matter of generators only
        if kind not in BODIES:
            raise UsageError(f"A classifier comes as resnet or dcgan, not as {architecture}: set architecture to one.")
        if size not in SIZES:
            raise UsageError(
                f"A classifier reads pictures of {', '.join(map(str, SIZES))} pixels, not {size}: set one of these "
                "sizes."
            )
        norm = "batch" if norm == "default" else norm
        stride = max(1, size // _LARGEST)
        side = size // stride
        stages = (side // _SMALLEST).bit_length()
        plan = [width * times for times in _WIDER[:stages]]
        kernel = 3 if stride == 1 else 2 * (stride - stride // 2) + 3
        act = "relu" if kind == "resnet" else "leaky"
        self.stages = nn.Sequential()
        self.stages.add_module(
            f"to_{side}x{side}",
            stack(
                conv=nn.Conv2d(channels, plan[0], kernel, stride, kernel // 2, bias=norm == "none"),
                norm=norm_of_maps(norm, plan[0]),
                act=activation(act),
            ),
        )
        initialise_he_(self.stages[0], 0.0)
        for before, after in pairwise(plan):
            side //= 2
            self.stages.add_module(
                f"to_{side}x{side}",
                HalvingBlock(before, after, norm) if kind == "resnet" else _plain(before, after, norm),
            )
        self.feature_dim = feature_dim or plan[-1]
        self.vector = GlobalPool("mean")
        if feature_dim:
            # over the one vector of a picture there is no place to take an instance's statistics from
            of_vectors = None if norm == "instance" else norm_of_vectors(norm, feature_dim)
            self.vector = stack(
                flatten=nn.Flatten(),
                dense=nn.Linear(plan[-1] * side * side, feature_dim, bias=of_vectors is None),
                norm=of_vectors,
                act=activation("relu"),
            )
            initialise_he_(self.vector, 0.0)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The maps after the stem and after each stage: [N, C_i, H_i, W_i], fine to coarse."""
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.vector(self.stages(x))


def _plain(before: int, after: int, norm: str) -> nn.Sequential:
    block = stack(
        conv=nn.Conv2d(before, after, 4, stride=2, padding=1, bias=norm == "none"),
        norm=norm_of_maps(norm, after),
        act=activation("leaky"),
    )
    initialise_he_(block, 0.2)
    return block
