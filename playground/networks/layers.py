"""Layers and initialisations that the architectures share.

Spectral normalisation (Miyato et al. 2018, arXiv 1802.05957) divides a weight matrix by its largest singular value,
W̄ = W / σ(W), with σ followed by one power iteration a forward pass. Minibatch discrimination (Salimans et al. 2016,
arXiv 1606.03498) and the minibatch standard deviation (Karras et al. 2017, arXiv 1710.10196) let a discriminator see
how alike the samples of a batch are, which is what a collapsed generator gives away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from playground.errors import unknown

LEAK = 0.2  # slope of LeakyReLU, Radford et al. 2015
_WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)


# --- Small pieces ----------------------------------------------------------------------------------------------------


def parameter_count(module: nn.Module) -> int:
    """How many numbers the module learns; a shared tensor counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def activation(name: str) -> nn.Module:
    """A hidden activation: "relu", or "leaky" with slope 0.2.

    Not in place: feature matching and the sketch of a network read the values before it.
    """
    if name == "relu":
        return nn.ReLU()
    if name == "leaky":
        return nn.LeakyReLU(LEAK)
    raise unknown("activation", name, ("relu", "leaky"))


@torch.no_grad()
def scale_dense_(module: nn.Module, gain: float) -> None:
    """Multiply weights and biases of every dense layer in `module` by `gain`, in place.

    torch draws them with a deviation of 1/√(3·fan-in), so that signals shrink from layer to layer; 2.4 makes that He
    et al.'s √(2 / 1.04·fan-in) for LeakyReLU 0.2 (arXiv 1502.01852).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            for parameter in layer.parameters():
                parameter.mul_(gain)


def norm_of_maps(name: str, channels: int) -> nn.Module | None:
    """The normalisation of a map [N, channels, H, W], or None for "none".

    "layer" is over all channels and places of one sample: `GroupNorm` with one group. "instance" is over the places of
    one channel of one sample.
    """
    if name == "none":
        return None
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "layer":
        return nn.GroupNorm(1, channels)
    if name == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    raise unknown("normalisation", name, ("batch", "none", "layer", "instance"))


def norm_of_vectors(name: str, features: int) -> nn.Module | None:
    """The normalisation of a vector [N, features], or None for "none"."""
    if name == "none":
        return None
    if name == "batch":
        return nn.BatchNorm1d(features)
    if name == "layer":
        return nn.LayerNorm(features)
    raise unknown("normalisation", name, ("batch", "none", "layer"))


class FlattenChannelsLast(nn.Flatten):
    """[N, C, H, W] -> [N, H·W·C] with the channels running fastest: no copy, forward or back, of channels-last maps."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Random(nn.Module):
    """A layer whose randomness comes from an explicit random generator, so that a seed fixes it; see `set_generator`.

    `generator` None draws from torch's global one. What is drawn depends on the shape and the seed alone, not on
    memory layout or precision.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator: torch.Generator | None = None

    def rand(self, shape: Sequence[int], device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """float32 from U[0, 1) on `device`; `generator` goes before the layer's own."""
        return self._drawn(torch.rand, shape, device, generator)

    def randn(self, shape: Sequence[int], device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """float32 from N(0, 1) on `device`; `generator` goes before the layer's own."""
        return self._drawn(torch.randn, shape, device, generator)

    def _drawn(
        self,
        draw: Callable[..., Tensor],
        shape: Sequence[int],
        device: torch.device,
        generator: torch.Generator | None,
    ) -> Tensor:
        source = self.generator if generator is None else generator
        # A generator lives on one device: where it is not that of the data, the numbers travel.
        home = device if source is None else source.device
        return draw(tuple(shape), generator=source, device=home).to(device, non_blocking=True)


class Dropout(Random):
    """Dropout whose mask comes from an explicit random generator, so that a seed fixes what is dropped.

    Each value is zeroed with probability `p`, the others are multiplied by 1 / (1 - p). `always` keeps it on in eval
    mode too, where it is a generator's source of variety (pix2pix, arXiv 1611.07004).
    """

    def __init__(self, p: float, *, always: bool = False):
        super().__init__()
        self.p, self.always = p, always

    def forward(self, x: Tensor) -> Tensor:
        if self.p == 0 or not (self.training or self.always):
            return x
        noise = self.rand(x.shape, x.device)
        return x * ((noise >= self.p).to(x.dtype) / (1 - self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}" + (", always" if self.always else "")


def set_generator(module: nn.Module, generator: torch.Generator | None) -> int:
    """Let every `Random` layer in `module` (dropout, noise, mixing) draw from `generator`; returns how many there are.

    A deep copy of the module gets its own copy of the generator, at the same state.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, Random)]
    for layer in layers:
        layer.generator = generator
    return len(layers)


# --- Initialisation --------------------------------------------------------------------------------------------------


@torch.no_grad()
def initialise_dcgan_(module: nn.Module) -> nn.Module:
    """Weights N(0, 0.02), scales of normalisations N(1, 0.02), every bias 0, in place (Radford et al. 2015, section 4).

    Fit for a head too. Returns the module.
    """
    for layer in module.modules():
        if isinstance(layer, _WEIGHTED):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, _NORMS) and layer.weight is not None:
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return module


@torch.no_grad()
def initialise_he_(module: nn.Module, slope: float = 0.0) -> nn.Module:
    """Weights N(0, 2 / ((1 + slope²) fan-in)), which keep the size of a signal through (leaky) ReLUs; biases 0.

    He et al. 2015, arXiv 1502.01852. `slope` 1 is the gain of a layer with no activation before it. A strided
    transposed convolution's fan-in is what reaches one output value: kernel² / stride² × input channels. Returns the
    module.
    """
    for layer in module.modules():
        if not isinstance(layer, _WEIGHTED):
            continue
        if isinstance(layer, nn.Linear):
            fan_in = layer.in_features
        else:
            fan_in = layer.in_channels * math.prod(layer.kernel_size) / layer.groups
            if isinstance(layer, nn.ConvTranspose2d):
                fan_in /= math.prod(layer.stride)
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / ((1 + slope**2) * fan_in)))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return module


# --- Spectral normalisation ------------------------------------------------------------------------------------------


def apply_spectral_norm(module: nn.Module) -> nn.Module:
    """Spectral normalisation of every dense and convolution layer in `module`, in place; returns it.

    torch's own parametrisation: a convolution's kernel is taken as the matrix [out, in × k × k], one power iteration is
    made on each forward pass in training mode and none in eval mode. The singular vectors are buffers, so that a
    resumed run goes on from the same estimate. Call it after the initialisation: the first estimate is made from the
    weights as they are then.
    """
    for layer in list(module.modules()):
        if isinstance(layer, _WEIGHTED) and not parametrize.is_parametrized(layer, "weight"):
            parametrizations.spectral_norm(layer)
    return module


@torch.no_grad()
def singular_values(module: nn.Module) -> dict[str, Tensor]:
    """The present estimate uᵀWv of the largest singular value of each spectrally normalised layer, before the division.

    Name of the layer -> 0-d tensor on the layer's device. Makes no power iteration and does not wait for the device;
    empty where nothing is normalised.
    """
    values = {}
    for name, layer in module.named_modules():
        if not parametrize.is_parametrized(layer, "weight"):
            continue
        chain = layer.parametrizations.weight
        for step in chain:
            if not (hasattr(step, "_u") and hasattr(step, "_v")):
                continue  # another parametrisation
            weight = chain.original.detach()
            if step.dim:  # transposed convolutions keep their outputs in dimension 1
                weight = weight.transpose(0, step.dim)
            values[name] = torch.dot(step._u, weight.flatten(1) @ step._v)
    return values


# --- Layers across the samples of a batch ----------------------------------------------------------------------------


class MinibatchDiscrimination(nn.Module):
    """Appends to each sample's features how close the other samples of its batch are (Salimans et al. 2016).

    M_i = T f(x_i) is a matrix of `kernels` rows and `kernel_dim` columns, and
    o(x_i)_b = Σ_j exp(-‖M_i,b - M_j,b‖₁), j = i included: 1 for a sample far from all others, N in a batch of N equal
    samples. [N, in_features] -> [N, in_features + kernels]. Memory grows with N² × kernels × kernel_dim.
    """

    def __init__(self, in_features: int, kernels: int = 50, kernel_dim: int = 5):
        super().__init__()
        self.kernels, self.kernel_dim = kernels, kernel_dim
        self.out_features = in_features + kernels
        self.project = nn.Linear(in_features, kernels * kernel_dim, bias=False)
        # Features of unit variance then lie about 1 apart, where exp(-distance) still has a slope.
        nn.init.normal_(self.project.weight, 0.0, 1 / (kernel_dim * math.sqrt(in_features)))

    def forward(self, features: Tensor) -> Tensor:
        m = self.project(features).unflatten(1, (self.kernels, self.kernel_dim))  # [N, B, C]
        distance = (m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(dim=3)  # [N, N, B]
        closeness = torch.exp(-distance).sum(dim=1)  # [N, B]
        return torch.cat([features, closeness.to(features.dtype)], dim=1)

    def extra_repr(self) -> str:
        return f"kernels={self.kernels}, kernel_dim={self.kernel_dim}"


def minibatch_stddev(x: Tensor, group: int = 4) -> Tensor:
    """Appends one feature (or constant map): the standard deviation over a group of samples, averaged over all places.

    Karras et al. 2017, section 3. [N, F] -> [N, F + 1], or [N, C, H, W] -> [N, C + 1, H, W]. The batch is dealt into
    max(1, N // group) groups, sample i to group i mod that number: where `group` does not divide N some groups are
    larger, and none is smaller unless N is. A batch of one has a deviation of 0.
    """
    n = len(x)
    groups = max(1, n // group)
    if n % groups == 0:
        spread = _spread(x.unflatten(0, (n // groups, groups)))  # [groups]
    else:
        spread = torch.cat([_spread(x[first::groups].unsqueeze(1)) for first in range(groups)])
    per_sample = spread.repeat(math.ceil(n / groups))[:n].to(x.dtype)  # sample i has that of group i mod groups
    column = per_sample.view(n, *[1] * (x.ndim - 1)).expand(n, 1, *x.shape[2:])
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.cat([x, column], dim=1).contiguous(
        memory_format=torch.channels_last if last else torch.contiguous_format
    )


def _spread(dealt: Tensor) -> Tensor:
    """[members, groups, ...] -> [groups]: the mean over all places of the standard deviation over the members."""
    deviation = dealt.float() - dealt.float().mean(dim=0)
    # The root has no slope at 0, where a collapsed batch sits: the small number keeps the gradient finite there.
    return torch.sqrt(deviation.square().mean(dim=0) + 1e-8).flatten(1).mean(dim=1)


class MinibatchStddev(nn.Module):
    """`minibatch_stddev` as a layer on features: [N, in_features] -> [N, in_features + 1]."""

    def __init__(self, in_features: int, group: int = 4):
        super().__init__()
        self.group = group
        self.out_features = in_features + 1

    def forward(self, features: Tensor) -> Tensor:
        return minibatch_stddev(features, self.group)

    def extra_repr(self) -> str:
        return f"group={self.group}"


# --- What every discriminator shares ---------------------------------------------------------------------------------


class Trunk(nn.Module):
    """A discriminator without its head: `body`, then the layer that compares samples, if any.

    Args:
        body: [N, C, S, S] -> [N, feature_dim].
        feature_dim: the length of what `body` returns; the attribute of this name includes what `minibatch` appends.
        minibatch: "none", "discrimination" or "stddev".
        spectral_norm: normalise all weight matrices, those of `minibatch` included.
    """

    def __init__(self, body: nn.Module, feature_dim: int, *, minibatch: str = "none", spectral_norm: bool = False):
        super().__init__()
        self.body = body
        self.minibatch: nn.Module | None = None
        if minibatch == "discrimination":
            self.minibatch = MinibatchDiscrimination(feature_dim)
        elif minibatch == "stddev":
            self.minibatch = MinibatchStddev(feature_dim)
        elif minibatch != "none":
            raise unknown("minibatch layer", minibatch, ("none", "discrimination", "stddev"))
        self.feature_dim: int = feature_dim if self.minibatch is None else self.minibatch.out_features
        if spectral_norm:
            apply_spectral_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        return features if self.minibatch is None else self.minibatch(features)


def stack(**layers: nn.Module | None) -> nn.Sequential:
    """A sequence of named layers; those that are None are left out."""
    sequence = nn.Sequential()
    for name, layer in layers.items():
        if layer is not None:
            sequence.add_module(name, layer)
    return sequence


def dropout_or_none(p: float) -> Dropout | None:
    """A dropout layer, or None where nothing is dropped."""
    return Dropout(p) if p else None
