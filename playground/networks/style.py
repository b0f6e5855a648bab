"""The style-based generator, and a discriminator that grows with it (Karras et al. 2018, arXiv 1812.04948).

A latent z is mapped to w by a small dense network, and w sets the statistics of every layer's maps,

    AdaIN(x, y) = y_s · (x − μ(x)) / σ(x) + y_b,    y = A w    (equation 1; μ, σ over the places of one channel),

while noise added at each layer provides what varies without meaning. Both networks start on small pictures and grow
(Karras et al. 2017, arXiv 1710.10196): a new resolution is faded in by a share α that goes from 0 to 1. Weights are
drawn from N(0, 1) and multiplied by He's constant at run time, so that Adam, whose steps have one size, moves all
layers at one relative speed ("equalised learning rate", section 4.1 there).

Three choices are for speed on a CPU. A resolution's first convolution runs before the bilinear enlargement, in D after
the pooling: enlarging first would equal it with a kernel spread over every other place, at four times the cost.
Channels fall faster than in the paper (`channels_at`). AdaIN has a backward pass written by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.errors import UsageError, unknown
from playground.networks.flow import FlowMapping
from playground.networks.layers import (
    LEAK,
    MinibatchDiscrimination,
    MinibatchStddev,
    Random,
    activation,
    apply_spectral_norm,
    dropout_or_none,
)

GAIN = math.sqrt(2 / (1 + LEAK**2))  # keeps the mean square of a signal through LeakyReLU (He et al. 2015)
MAPPING_RATE = 0.01  # of the mapping network's learning rate to the others' (section 2 of the 2018 paper)
W_MEAN_DECAY = 0.995
NOISE_MODES = ("random", "fixed", "none")
#: What the first maps are: the learned constant of the paper, or that with a dense layer of the first style added. From
#: a constant alone, where things are must come out of the sizes of whole maps.
STARTS = ("constant", "styles")
Noise = str | bool | Tensor


def channels_at(side: int, width: int) -> int:
    """Channels of the maps of `side` × `side` places; independent of the size of the picture.

    At width 32: 128 at 4×4, 96 at 8×8, 64 at 16×16, 32 at 32×32 and 64×64, and 16 from 128×128 on. Coarse maps hold
    most of the parameters and cost little. Multiples of 16 at width 32 and its multiples: a CPU's vectors are that
    long, and 24 channels take longer than 32.
    """
    share = {4: 4.0, 8: 3.0, 16: 2.0, 32: 1.0, 64: 1.0}.get(side, 0.5 if side > 64 else 4.0)
    return max(4, round(width * share))


# --- Equalised learning rate -----------------------------------------------------------------------------------------


class EqualLinear(nn.Linear):
    """A dense layer whose weights are drawn from N(0, 1) / m and multiplied at run time by m · gain / √fan-in.

    m is `lr_multiplier`: with Adam the layer moves m times as fast as others. The bias is multiplied by m as well.
    `gain` is √2 or so before a ReLU and 1 before nothing.
    """

    def __init__(self, in_features: int, out_features: int, *, gain: float = GAIN, lr_multiplier: float = 1.0):
        super().__init__(in_features, out_features)
        self.scale, self.lr_multiplier = gain / math.sqrt(in_features) * lr_multiplier, lr_multiplier
        nn.init.normal_(self.weight, 0.0, 1 / lr_multiplier)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        x, weight = _scaled(x, self.weight, self.scale)
        return F.linear(x, weight, self.bias if self.lr_multiplier == 1 else self.bias * self.lr_multiplier)


class EqualConv2d(nn.Conv2d):
    """A convolution of stride 1 that keeps the side, with weights scaled at run time as in `EqualLinear`."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, gain: float = GAIN, lr_multiplier: float = 1.0
    ):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        fan_in = in_channels * kernel_size**2
        self.scale, self.lr_multiplier = gain / math.sqrt(fan_in) * lr_multiplier, lr_multiplier
        nn.init.normal_(self.weight, 0.0, 1 / lr_multiplier)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        x, weight = _scaled(x, self.weight, self.scale)
        bias = self.bias if self.lr_multiplier == 1 else self.bias * self.lr_multiplier
        return F.conv2d(x, weight, bias, padding=self.padding)


def _scaled(x: Tensor, weight: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """`scale` on whichever of the two is smaller: for one picture the weights are ten times its coarse maps."""
    if scale == 1:
        return x, weight
    return (x * scale, weight) if x.numel() < weight.numel() else (x, weight * scale)


# --- What a layer is made of -----------------------------------------------------------------------------------------


def pixel_norm(x: Tensor) -> Tensor:
    """x / √(mean of x² over dimension 1): every vector gets the length √dim (Karras et al. 2017, section 4.2)."""
    return x * (x.float().square().mean(dim=1, keepdim=True) + 1e-8).rsqrt().to(x.dtype)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """μ and 1/σ of [N, C, H, W] over its places, each [N, C, 1, 1]."""
    mean = x.mean((2, 3), keepdim=True)
    return mean, ((x - mean).square().mean((2, 3), keepdim=True) + 1e-6).rsqrt()


class _AdaIN(torch.autograd.Function):
    """`adain` with its backward pass by hand: autograd's own makes layouts meet that are slow together, five-fold."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        mean, rate = _statistics(x)
        ctx.save_for_backward(x, scale, mean, rate)
        slope = scale * rate
        return torch.addcmul(shift - mean * slope, x, slope)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, scale, mean, rate = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: the statistics depend on x
            mean, rate = _statistics(x)
        to_shift = gradient.sum((2, 3), keepdim=True)
        to_scale = ((gradient * x).sum((2, 3), keepdim=True) - mean * to_shift) * rate
        # ∂/∂x = y_s/σ · (g − mean(g) − x̂ · mean(g·x̂))
        places = x.shape[2] * x.shape[3]
        slope = scale * rate
        curve = -slope * rate * to_scale / places
        level = -slope * to_shift / places - curve * mean
        return torch.addcmul(torch.addcmul(level, x, curve), gradient, slope), to_scale, to_shift


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """scale · (x − μ(x)) / σ(x) + shift, at least in float32: x [N, C, H, W], scale and shift [N, C, 1, 1]."""
    exact = torch.promote_types(x.dtype, torch.float32)
    return _AdaIN.apply(x.to(exact), scale.to(exact), shift.to(exact)).to(x.dtype)


class NoiseInput(Random):
    """x + strength · noise: one picture of N(0, 1) noise a sample, with a learned strength a channel that starts at 0.

    `fixed` is the noise of the mode "fixed": drawn when the layer is built, the same for all samples, saved with it.
    """

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))
        self.register_buffer("fixed", torch.randn(1, 1, side, side))

    def forward(self, x: Tensor, noise: Noise, generator: torch.Generator | None = None) -> Tensor:
        """x [N, C, S, S]; `noise` a mode, True for "fixed", False for "none", or a tensor [1 or N, 1, S, S]."""
        noise = {True: "fixed", False: "none"}[noise] if isinstance(noise, bool) else noise
        if isinstance(noise, Tensor):
            side = x.shape[2]
            if noise.shape[1:] != (1, side, side) or noise.shape[0] not in (1, len(x)):
                shape = f"[1 or {len(x)}, 1, {side}, {side}]"
                raise UsageError(f"The noise of this layer has the shape {shape}, not {list(noise.shape)}.")
            drawn = noise.to(x)
        elif noise == "none":
            return x
        elif noise == "fixed":
            drawn = self.fixed.to(x.dtype)
        elif noise == "random":
            drawn = self.randn((len(x), 1, *x.shape[2:]), x.device, generator).to(x.dtype)
        else:
            raise unknown("noise mode", str(noise), NOISE_MODES)
        return torch.addcmul(x, drawn, self.strength.to(x.dtype).view(1, -1, 1, 1))

    def extra_repr(self) -> str:
        return f"{len(self.strength)}, side={self.fixed.shape[2]}"


class StyleLayer(nn.Module):
    """(Convolution, enlargement,) noise, AdaIN, activation: one place where a style comes in.

    The paper activates before AdaIN. After it, a style can switch a channel off instead of only scaling it: on small
    pictures and short runs the samples came nearer to the data in the same time (19 against 27, the Fréchet distance
    of 64 principal components after 670 steps at 16×16).
    `in_channels` None: no convolution, the learned constant is what the style acts on.
    """

    def __init__(
        self,
        in_channels: int | None,
        channels: int,
        side: int,
        w_dim: int,
        *,
        enlarge: bool,
        norm: bool,
        act: str,
        dropout: float,
    ):
        super().__init__()
        self.channels, self.enlarge, self.norm = channels, enlarge, norm
        self.conv = None if in_channels is None else EqualConv2d(in_channels, channels, 3)
        self.noise = NoiseInput(channels, side)
        self.act = activation(act)
        self.affine = EqualLinear(w_dim, 2 * channels, gain=1.0)
        nn.init.ones_(self.affine.bias[:channels])  # y_s starts at 1, y_b at 0
        self.dropout = dropout_or_none(dropout)

    def forward(self, x: Tensor, w: Tensor, noise: Noise, generator: torch.Generator | None = None) -> Tensor:
        """x [N, C, S, S] (S/2 where it enlarges), w [N, w_dim] -> [N, channels, S, S]."""
        if self.conv is not None:
            x = self.conv(x)  # with its bias, which neither enlarging nor adding noise minds
        if self.enlarge:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.noise(x, noise, generator)
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        x = adain(x, scale, shift) if self.norm else torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype))
        x = self.act(x)
        return x if self.dropout is None else self.dropout(x)


class StyleBlock(nn.Module):
    """One resolution: two style layers. The first block holds the learned constant and has one convolution only.

    `drawn_start`: a dense layer of the first style is added to the constant (see `STARTS`).
    """

    def __init__(
        self, in_channels: int | None, channels: int, side: int, w_dim: int, *, drawn_start: bool = False, **options
    ):
        super().__init__()
        self.const = nn.Parameter(torch.randn(1, channels, side, side)) if in_channels is None else None
        self.start = EqualLinear(w_dim, channels * side**2) if in_channels is None and drawn_start else None
        self.first = StyleLayer(in_channels, channels, side, w_dim, enlarge=in_channels is not None, **options)
        self.second = StyleLayer(channels, channels, side, w_dim, enlarge=False, **options)
        self.block_title = "Style block"
        constant = "constant" if self.start is None else "constant + dense"
        start = f"{constant} · conv 3×3" if in_channels is None else "2 × conv 3×3 · bilinear ×2"
        self.block_detail = f"{start} · noise" + (" · AdaIN" if options["norm"] else " · style")

    def forward(
        self, x: Tensor | None, w: Sequence[Tensor], noise: Sequence[Noise], generator: torch.Generator | None = None
    ) -> Tensor:
        """x [N, C, S/2, S/2] (None at the first block); two styles [N, w_dim] and two noises -> [N, channels, S, S]."""
        if self.const is not None:
            x = self.const.expand(len(w[0]), -1, -1, -1)
            if self.start is not None:
                x = x + self.start(w[0]).view_as(x)
            x = x.contiguous(memory_format=torch.channels_last)
        return self.second(self.first(x, w[0], noise[0], generator), w[1], noise[1], generator)


class Mapping(nn.Module):
    """f: z -> w, a pixel norm and `depth` dense layers with LeakyReLU, which learn at `rate` times the others' rate.

    A `fitted` one ends with an affine map that is not learned but set, by `fit`.
    """

    def __init__(self, input_dim: int, w_dim: int, depth: int, rate: float = MAPPING_RATE, fitted: bool = False):
        super().__init__()
        self.fitted = fitted
        if fitted:
            self.register_buffer("mix", torch.eye(w_dim))
            self.register_buffer("shift", torch.zeros(w_dim))
        self.layers = nn.ModuleList(
            EqualLinear(input_dim if i == 0 else w_dim, w_dim, lr_multiplier=rate) for i in range(depth)
        )
        self.block_title, self.block_detail = "Mapping network", f"pixel norm · {depth} dense layers"

    def forward(self, vector: Tensor) -> Tensor:
        x = self._learned(vector)
        return x.float() @ self.mix + self.shift if self.fitted else x

    def _learned(self, vector: Tensor) -> Tensor:
        if not self.fitted:
            return self._through(pixel_norm(vector))
        with torch.autocast(vector.device.type, enabled=False):  # it is held to a distribution of codes, to the end
            return self._through(pixel_norm(vector.float()))

    def _through(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.leaky_relu(layer(x), LEAK)
        return x

    @torch.no_grad()
    def fit(self, vectors: Tensor, mean: Tensor, covariance: Tensor) -> None:
        """Set the last map so that w of `vectors` [n, input_dim] have a mean [w_dim] and a covariance [w_dim, w_dim].

        Of all maps that do, the one that moves w least, the optimal transport between Gaussians (Olkin & Pukelsheim
        1982): w' = m + T (w − w̄), T = S^(−½) (S^½ C S^½)^½ S^(−½), S being the covariance before.
        """
        w = self._learned(vectors).double()
        centre, wanted = w.mean(0), covariance.double()
        own = torch.cov(w.T)
        own = own + 1e-6 * own.diagonal().mean().clamp_min(1e-12) * torch.eye(len(own)).to(own)
        root = _root(own)
        inverse = torch.linalg.inv(root)
        mix = inverse @ _root(root @ wanted @ root) @ inverse
        self.mix.copy_(mix)
        self.shift.copy_(mean.double() - centre @ mix)


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


class StyleMixing(Random):
    """Style mixing: of a share of the samples, the layers from a random one on take the style of a second latent.

    Section 3.1 of the 2018 paper. The crossover is even over the borders between two layers.
    """

    def forward(self, first: Tensor, second: Tensor, layers: int, probability: float) -> Tensor:
        """Two w [N, w_dim] -> [N, layers, w_dim]."""
        n, device = len(first), first.device
        crossover = 1 + (self.rand((n, 1), device) * (layers - 1)).long()  # the first layer of the second latent
        mixed = self.rand((n, 1), device) < probability
        place = torch.arange(layers, device=device)
        from_second = (place >= crossover) & mixed  # [N, layers]
        return torch.where(from_second[:, :, None], second[:, None], first[:, None])


class _PerResolution(nn.Module):
    """The 1×1 convolutions from maps to colours (or back), one a resolution, of which one or two are at work."""

    def __init__(self, convs: Iterable[nn.Module], title: str):
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self.block_title = title
        self.block_detail = "1×1" if len(self.convs) == 1 else f"1×1 · one each of {len(self.convs)} resolutions"

    def forward(self, x: Tensor, stage: int) -> Tensor:
        return self.convs[stage](x)


# --- Growing ---------------------------------------------------------------------------------------------------------


class Growing(nn.Module):
    """A network for pictures of `resolutions[stage]` pixels, the newest resolution faded in by `alpha`.

    Stage i is a side of base · 2^i; a fresh network is fully grown. Stage and share are Python numbers, so that nothing
    waits for a device, and are saved in the whole-number buffer `growth`, so that a state dict tells how far a network
    had grown.
    """

    def __init__(self, size: int, base: int):
        super().__init__()
        count = (size // base).bit_length()
        if base < 2 or base << (count - 1) != size:
            raise UsageError(f"A growing network doubles its side: {size} is not {base} times a power of two.")
        self.resolutions: tuple[int, ...] = tuple(base << i for i in range(count))
        self.stage, self.alpha = count - 1, 1.0
        self.register_buffer("growth", torch.tensor([count - 1, _ALPHA_UNIT]))
        self.register_load_state_dict_post_hook(_read_growth)

    @property
    def resolution(self) -> int:
        """The side of the pictures at the present stage, in pixels."""
        return self.resolutions[self.stage]

    def set_growth(self, stage: int, alpha: float = 1.0) -> None:
        """Work at `resolutions[stage]`; `alpha` in [0, 1] is the share of that resolution's own path.

        Raises:
            UsageError: no such stage, or a share out of range.
        """
        if not 0 <= stage < len(self.resolutions):
            raise UsageError(f"This network has the stages 0 to {len(self.resolutions) - 1}, not {stage}.")
        if not 0 <= alpha <= 1:
            raise UsageError(f"A fade-in share lies in [0, 1], not {alpha}.")
        if (stage, alpha) != (self.stage, self.alpha):
            self.stage, self.alpha = stage, float(alpha)
            self.growth[0].fill_(stage)
            self.growth[1].fill_(round(alpha * _ALPHA_UNIT))

    @property
    def fading(self) -> bool:
        """Whether the path of the resolution before is at work too."""
        return self.stage > 0 and self.alpha < 1


_ALPHA_UNIT = 1 << 20  # the share is saved as a whole number, which a moving average copies


def _read_growth(module: nn.Module, _keys: object) -> None:
    if isinstance(module, Growing) and module.growth.device.type != "meta":
        stage, share = module.growth.tolist()
        module.stage, module.alpha = stage, share / _ALPHA_UNIT


def enlarge(images: Tensor, size: int) -> Tensor:
    """[N, C, s, s] -> [N, C, size, size] by nearest neighbour: what a network that still grows makes, for showing."""
    return images if images.shape[-1] == size else F.interpolate(images, size=(size, size), mode="nearest")


def fade_real(x: Tensor, resolution: int, alpha: float = 1.0) -> Tensor:
    """Real pictures as a growing discriminator sees them: [N, C, S, S] -> [N, C, resolution, resolution].

    Average-pooled to the resolution, then mixed with their own version of half that resolution, α being the share of
    the finer one: reals must not have more detail than fakes can (Karras et al. 2017, figure 2).

    Raises:
        UsageError: the side of the pictures is no multiple of `resolution`.
    """
    factor, rest = divmod(x.shape[-1], resolution)
    if rest or not factor:
        raise UsageError(f"Pictures of {x.shape[-1]} pixels can't be pooled to {resolution}: take a divisor of it.")
    x = F.avg_pool2d(x, factor) if factor > 1 else x
    if alpha >= 1:
        return x
    return torch.lerp(F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="nearest"), x, alpha)


# --- The generator ---------------------------------------------------------------------------------------------------


class StyleGenerator(Growing):
    """[N, input_dim] -> [N, channels, s, s] at the side s of the present stage.

    The picture is linear in the last maps, not squashed: training mode and `synthesis` return it as it is, so that a
    pixel can be pure white with a gradient; in eval mode `forward` clamps it to [-1, 1].

    In training mode `forward` follows the mean of w, draws noise, and mixes styles with probability `mixing`; in eval
    mode it uses the noise mode `noise` ("fixed": a picture is a function of its vector). Everything random comes from
    the generator that `layers.set_generator` sets.

    Args:
        input_dim: length of the input vector.
        channels: colour channels of the picture.
        size: side of the fully grown picture: `base` times a power of two.
        width: the unit of width, see `channels_at`; also sets `w_dim`, twice the width, unless that is given.
        mapping_layers: dense layers of the mapping network; the paper has 8.
        mapping_rate: of its learning rate to the others'.
        fitted: whether the mapping network ends with an affine map that is set (`Mapping.fit`).
        flow: whether the mapping network is a flow instead, from as many numbers as a style has.
        base: side of the learned constant.
        start: one of `STARTS`.
        norm: False leaves the normalisation out of AdaIN: the style scales and shifts each map as it is.
        act: hidden activation, "leaky" or "relu".
        dropout: probability of dropping a hidden unit.
        mixing: probability of style mixing, 0.9 in the paper; a live attribute.

    The attribute `noisy` = False leaves noise out of everything, whatever mode is asked for. In training mode the
    `frozen` coarsest blocks get no gradient, nor do styles, and the mean of w stays: the finer blocks learn alone.
    """

    def __init__(
        self,
        input_dim: int,
        channels: int,
        size: int,
        *,
        width: int = 64,
        w_dim: int | None = None,
        mapping_layers: int = 4,
        mapping_rate: float = MAPPING_RATE,
        fitted: bool = False,
        flow: bool = False,
        base: int = 4,
        start: str = "constant",
        norm: bool = True,
        act: str = "leaky",
        dropout: float = 0.0,
        mixing: float = 0.0,
    ):
        super().__init__(size, base)
        if start not in STARTS:
            raise unknown("start", start, STARTS)
        self.input_dim, self.w_dim, self.mixing = input_dim, w_dim or 2 * width, mixing
        self.mixed_dim = input_dim  # leading numbers of the vector that a second latent replaces: not those of a label
        self.noise, self.noisy, self.frozen = "fixed", True, 0
        plan = [channels_at(side, width) for side in self.resolutions]
        options = {"norm": norm, "act": act, "dropout": dropout, "drawn_start": start == "styles"}
        if flow and input_dim != self.w_dim:
            raise UsageError(f"A flow carries {self.w_dim} numbers to a style of {self.w_dim}, not {input_dim}.")
        self.mapping = (
            FlowMapping(self.w_dim) if flow else Mapping(input_dim, self.w_dim, mapping_layers, mapping_rate, fitted)
        )
        self.style_mixing = StyleMixing()
        self.blocks = nn.ModuleList(
            StyleBlock(before, after, side, self.w_dim, **options)
            for before, after, side in zip([None, *plan], plan, self.resolutions, strict=False)
        )
        self.to_picture = _PerResolution((EqualConv2d(maps, channels, 1, gain=1.0) for maps in plan), "To colours")
        self.register_buffer("w_mean", torch.zeros(self.w_dim))

    @property
    def layer_count(self) -> int:
        """Style inputs of the fully grown network: two a resolution."""
        return 2 * len(self.resolutions)

    @property
    def layer_resolutions(self) -> tuple[int, ...]:
        """The side of each style layer's maps, coarse to fine."""
        return tuple(side for side in self.resolutions for _ in range(2))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What each style layer is called, coarse to fine: "4 px, first", "4 px, second", "8 px, first", ..."""
        return tuple(f"{side} px, {place}" for side in self.resolutions for place in ("first", "second"))

    def forward(self, vector: Tensor, second: Tensor | None = None) -> Tensor:
        """[N, input_dim] -> [N, C, s, s]; in [-1, 1] in eval mode.

        `second` [N, input_dim] is what styles are mixed with in training mode. None: the first `mixed_dim` numbers of
        `vector` are replaced by draws from N(0, 1).
        """
        w = self.styles(vector)
        if not self.training:
            return self.synthesis(w, self.noise).clamp(-1, 1)
        if self.mixing > 0:
            if second is None:
                drawn = self.style_mixing.randn((len(vector), self.mixed_dim), vector.device).to(vector.dtype)
                second = torch.cat([drawn, vector[:, self.mixed_dim :]], dim=1)
            w = self.style_mixing(w, self.mapping(second), 2 * (self.stage + 1), self.mixing)
        return self.synthesis(w, "random")

    def styles(self, vector: Tensor) -> Tensor:
        """[N, input_dim] -> w [N, w_dim]; in training mode the mean of w follows."""
        w = self.mapping(vector)
        if self.training and not self.frozen:
            with torch.no_grad():
                self.w_mean.lerp_(w.detach().mean(dim=0).to(self.w_mean.dtype), 1 - W_MEAN_DECAY)
        return w

    def synthesis(
        self, w: Tensor, noise: Noise | Sequence[Noise] = "random", generator: torch.Generator | None = None
    ) -> Tensor:
        """w [N, w_dim], or one a layer [N, L, w_dim] -> [N, C, s, s], not clamped.

        Args:
            w: L is `layer_count`, or at least the layers of the present stage.
            noise: for all layers, or a list with one entry a layer: "random", "fixed" (also True), "none" (also
                False), or the noise itself [1 or N, 1, side, side].
            generator: source of random noise; None is that of `layers.set_generator`.

        Raises:
            UsageError: shapes that don't fit, or an unknown noise mode.
        """
        needed = 2 * (self.stage + 1)
        if w.shape[-1] != self.w_dim or w.ndim not in (2, 3) or (w.ndim == 3 and w.shape[1] < needed):
            shapes = f"[N, {self.w_dim}] or [N, {self.layer_count}, {self.w_dim}]"
            raise UsageError(f"Styles have the shape {shapes}, not {list(w.shape)}.")
        frozen = self.frozen if self.training else 0
        w = w.detach() if frozen else w
        styles = [w] * needed if w.ndim == 2 else list(w.unbind(dim=1))
        if not self.noisy:
            noise = "none"
        each = [noise] * needed if isinstance(noise, str | bool | Tensor) else list(noise)
        if len(each) < needed:
            raise UsageError(
                f"Noise is given for {len(each)} layers of {needed}: give one entry a layer, or one for all."
            )
        x = before = None
        for stage in range(self.stage + 1):
            k = 2 * stage
            with torch.set_grad_enabled(torch.is_grad_enabled() and stage >= frozen):
                before, x = x, self.blocks[stage](x, styles[k : k + 2], each[k : k + 2], generator)
        picture = self.to_picture(x, self.stage)
        if not self.fading:
            return picture
        coarse = F.interpolate(self.to_picture(before, self.stage - 1), scale_factor=2, mode="nearest")
        return torch.lerp(coarse, picture, self.alpha)

    def truncate(self, w: Tensor, psi: float | Tensor, layers: Iterable[int] | None = None) -> Tensor:
        """w_mean + ψ (w − w_mean): ψ 1 leaves w as it is, 0 gives the mean (appendix B of the 2018 paper).

        Args:
            w: [N, w_dim] or [N, L, w_dim].
            psi: a number, or a tensor [N].
            layers: which layers are truncated; None is all.

        Returns:
            The shape of `w`; [N, layer_count, w_dim] where `layers` tells them apart.
        """
        if isinstance(psi, Tensor):
            psi = psi.to(w).view(-1, *[1] * (w.ndim - 1))
        pulled = self.w_mean.to(w.dtype) + psi * (w - self.w_mean.to(w.dtype))
        if layers is None:
            return pulled
        if w.ndim == 2:
            w, pulled = (t[:, None].expand(-1, self.layer_count, -1) for t in (w, pulled))
        chosen = torch.zeros(w.shape[1], dtype=torch.bool)
        for layer in layers:
            if not 0 <= layer < w.shape[1]:
                raise UsageError(f"There are the style layers 0 to {w.shape[1] - 1}, not {layer}.")
            chosen[layer] = True
        return torch.where(chosen.to(w.device)[:, None], pulled, w)


# --- The discriminator -----------------------------------------------------------------------------------------------


class TrunkBlock(nn.Module):
    """One halving: convolution, average pool, convolution that widens: the mirror of a style block."""

    def __init__(self, channels: int, wider: int, *, dropout: float):
        super().__init__()
        self.first = EqualConv2d(channels, channels, 3)
        self.second = EqualConv2d(channels, wider, 3)
        self.dropout = dropout_or_none(dropout)
        self.block_title, self.block_detail = "Halving block", "2 × conv 3×3 · average pool ÷2 · leaky ReLU"

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(F.leaky_relu(self.first(x), LEAK), 2)
        x = F.leaky_relu(self.second(x), LEAK)
        return x if self.dropout is None else self.dropout(x)


class StyleTrunk(Growing):
    """A growing discriminator without its head: [N, channels, s, s] at the side s of the stage -> [N, feature_dim].

    Args:
        channels, size, width, base: as in `StyleGenerator`, of which it is the mirror.
        minibatch: "stddev" appends the deviation over groups of samples as one map to the last ones (the paper's),
            "discrimination" appends features at the end, "none" neither.
        spectral_norm: normalise every weight matrix instead of the scaling at run time.
        dropout: probability of dropping a hidden unit.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        *,
        width: int = 64,
        base: int = 4,
        minibatch: str = "stddev",
        spectral_norm: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__(size, base)
        plan = [channels_at(side, width) for side in self.resolutions]
        self.from_picture = _PerResolution((EqualConv2d(channels, maps, 1) for maps in plan), "From colours")
        self.blocks = nn.ModuleList(TrunkBlock(fine, coarse, dropout=dropout) for coarse, fine in pairwise(plan))
        self.stddev = MinibatchStddev(plan[0]) if minibatch == "stddev" else None
        self.last = EqualConv2d(plan[0] + (self.stddev is not None), plan[0], 3)
        self.dense = EqualLinear(plan[0] * base**2, plan[0])
        self.dropout = dropout_or_none(dropout)
        self.discrimination = MinibatchDiscrimination(plan[0]) if minibatch == "discrimination" else None
        if minibatch not in ("none", "stddev", "discrimination"):
            raise unknown("minibatch layer", minibatch, ("none", "discrimination", "stddev"))
        self.feature_dim: int = plan[0] if self.discrimination is None else self.discrimination.out_features
        if spectral_norm:
            for layer in self.modules():
                if isinstance(layer, EqualLinear | EqualConv2d):
                    layer.scale = GAIN  # the division by the largest singular value sets the size of the weights
            apply_spectral_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [N, channels, s, s], s = `resolution` -> features [N, feature_dim].

        Raises:
            UsageError: pictures of another side.
        """
        if x.shape[-1] != self.resolution:
            raise UsageError(f"At this stage the pictures are {self.resolution} pixels wide, not {x.shape[-1]}.")
        maps = F.leaky_relu(self.from_picture(x, self.stage), LEAK)
        for stage in range(self.stage, 0, -1):
            maps = self.blocks[stage - 1](maps)
            if stage == self.stage and self.fading:
                coarse = F.leaky_relu(self.from_picture(F.avg_pool2d(x, 2), stage - 1), LEAK)
                maps = torch.lerp(coarse, maps, self.alpha)
        if self.stddev is not None:
            maps = self.stddev(maps)
        features = F.leaky_relu(self.dense(F.leaky_relu(self.last(maps), LEAK).flatten(1)), LEAK)
        if self.dropout is not None:
            features = self.dropout(features)
        return features if self.discrimination is None else self.discrimination(features)


# --- The registry's contract -----------------------------------------------------------------------------------------


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
    w_dim: int = 0,
    start: str = "constant",
    mapping_rate: float = MAPPING_RATE,
    fitted: bool = False,
    flow: bool = False,
) -> StyleGenerator:
    """[N, input_dim] -> [N, channels, size, size]. Options as in `build_generator`.

    norm "default" is AdaIN, "none" leaves its normalisation out. `depth` doublings start from a larger constant.
    `w_dim` 0 is twice the width. `start`, `mapping_rate`, `fitted` and `flow` as in
    `StyleGenerator`.
    """
    return StyleGenerator(
        input_dim,
        channels,
        size,
        width=width,
        w_dim=w_dim or None,
        base=4 if depth is None else size >> depth,
        start=start,
        mapping_rate=mapping_rate,
        fitted=fitted,
        flow=flow,
        norm=norm != "none",
        act="leaky" if activation == "default" else activation,
        dropout=dropout,
    )


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
) -> StyleTrunk:
    """[N, channels, size, size] -> [N, feature_dim]. Options as in `build_trunk`; there is no normalisation in it."""
    return StyleTrunk(
        channels,
        size,
        width=width,
        base=4 if depth is None else size >> depth,
        minibatch=minibatch,
        spectral_norm=spectral_norm,
        dropout=dropout,
    )
