"""An encoder into the space that a generator draws from: of a picture x the normal distribution q(z | x) of its code.

Kingma & Welling 2013 (arXiv 1312.6114). Larsen et al. 2015 (arXiv 1512.09300) let a GAN's generator be its decoder.
Kumar et al. 2017 (arXiv 1711.00848) match the moments of all codes together to those of the prior. Where codes are free
instead, a small network learns to make such codes of noise, against a critic of codes (Achlioptas et al. 2018, arXiv
1707.02392, section 3; in a StyleGAN: Pidhorskyi et al. 2020, arXiv 2004.04467), or as a flow (`networks.flow`).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from playground.networks import build_trunk
from playground.networks.layers import LEAK

#: log σ² lies within these; it starts at the one below, so that a code says something before it must say little
LOG_VARIANCES = (-10.0, 3.0)
FIRST_LOG_VARIANCE = -2.0
MOMENTS_DECAY = 0.98  # of the running moments of codes, a batch
BANK = 4096  # codes that a critic of codes remembers


class CodeReader(nn.Module):
    """A trunk and two dense layers that read `count` numbers from pictures; the first answers lie close to 0.

    Args:
        trunk: pictures -> features [N, trunk.feature_dim].
        hidden: width of the first dense layer.
        rank: of that layer, as the product of two matrices; 0 is one whole matrix, which holds most of all numbers.
    """

    def __init__(self, trunk: nn.Module, hidden: int, count: int, rank: int = 0):
        super().__init__()
        self.trunk = trunk
        if rank:
            self.dense = nn.Sequential(nn.Linear(trunk.feature_dim, rank, bias=False), nn.Linear(rank, hidden))
        else:
            self.dense = nn.Linear(trunk.feature_dim, hidden)
        self.head = nn.Linear(hidden, count)
        nn.init.normal_(self.head.weight, 0.0, 0.1 * hidden**-0.5)
        nn.init.zeros_(self.head.bias)

    def read(self, pictures: Tensor) -> Tensor:
        """[N, C, S, S] -> [N, count] float32."""
        return self.head(F.leaky_relu(self.dense(self.trunk(pictures)), LEAK)).float()


class Posterior(CodeReader):
    """[N, channels, size, size] in [-1, 1] -> (μ, log σ²), each [N, code_dim] float32.

    Args:
        architecture: of its trunk, a name in `ARCHITECTURES`; "style" takes that of "dcgan", whose strided convolutions
            cost a small part of the style discriminator's.
        channels, size: of the pictures.
        width: of the trunk, as in `build_trunk`.
        code_dim: numbers that a code has.
        attributes: known properties of pictures that are read in their codes, by one dense layer.
    """

    def __init__(self, architecture: str, channels: int, size: int, width: int, code_dim: int, attributes: int = 0):
        architecture = "dcgan" if architecture == "style" else architecture
        trunk = build_trunk(architecture, channels=channels, size=size, width=width)
        super().__init__(trunk, max(128, 3 * code_dim), 2 * code_dim)
        nn.init.constant_(self.head.bias[code_dim:], FIRST_LOG_VARIANCE)
        self.attributes = nn.Linear(code_dim, attributes) if attributes else None
        self.register_buffer("code_mean", torch.zeros(code_dim))
        self.register_buffer("code_covariance", torch.eye(code_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.read(x).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

    def read_attributes(self, x: Tensor) -> Tensor:
        """What is read of pictures [N, C, S, S], as logits [N, attributes], by this network as it stands: a gradient
        reaches the pictures alone, and running statistics stay."""
        state = {name: parameter.detach() for name, parameter in self.named_parameters()}
        state |= {name: buffer.clone() for name, buffer in self.named_buffers()}
        mean, _ = functional_call(self, state, (x,))
        return F.linear(mean, state["attributes.weight"], state["attributes.bias"])

    def draw(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(z ~ q(z | x), μ, log σ²), each [N, code_dim]; the gradient reaches μ and σ (reparameterised)."""
        mean, log_variance = self(x)
        noise = torch.randn(mean.shape, device=mean.device, generator=generator)
        return mean + (log_variance / 2).exp() * noise, mean, log_variance

    def moments_loss(self, mean: Tensor) -> Tensor:
        """(‖m‖² + ‖C − I‖²_F) / d of the running mean m and covariance C of μ, which `mean` [N, d] is taken into.

        The gradient is that of the running values as if the batch were all codes: by itself a batch smaller than d has
        no covariance to speak of (DIP-VAE-I, Kumar et al. 2017, equation 6, with the mean as well). Of μ and not of z,
        whose covariance a network would rather fill with noise.
        """
        with torch.autocast(mean.device.type, enabled=False):  # differences from I are what counts
            with torch.no_grad():
                self.code_mean.lerp_(mean.mean(0), 1 - MOMENTS_DECAY)
                apart = mean - self.code_mean
                self.code_covariance.lerp_(apart.T @ apart / len(mean), 1 - MOMENTS_DECAY)
                excess = self.code_covariance - torch.eye(mean.shape[1], device=mean.device)
                value = self.code_mean.square().sum() + excess.square().sum()
            apart = mean - self.code_mean
            slope = 2 * (mean @ self.code_mean) + 2 * ((apart @ excess) * apart).sum(1)
            return (value + (slope - slope.detach()).mean()) / mean.shape[1]


class CodeBank(nn.Module):
    """The newest codes of pictures, [BANK, code_dim], with their mean and the deviation of all numbers together."""

    def __init__(self, code_dim: int):
        super().__init__()
        self.register_buffer("bank", torch.zeros(BANK, code_dim))
        self.register_buffer("kept", torch.zeros((), dtype=torch.int64))  # codes kept so far
        self.register_buffer("mean", torch.zeros(code_dim))
        self.register_buffer("deviation", torch.ones(()))

    @torch.no_grad()
    def keep(self, codes: Tensor) -> None:
        """Put codes [N, code_dim] into the bank, in place of the oldest."""
        place = (self.kept + torch.arange(len(codes), device=codes.device)) % BANK
        self.bank[place] = codes.to(self.bank.dtype)
        self.kept += len(codes)
        filled = torch.arange(BANK, device=codes.device) < self.kept
        share = filled.float()[:, None] / filled.sum()
        self.mean.copy_((self.bank * share).sum(0))
        spread = ((self.bank - self.mean).square() * share).sum(0).mean()
        self.deviation.copy_(spread.sqrt().clamp_min(1e-4))

    def draw(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """`count` codes of the bank, at random: [count, code_dim]."""
        share = torch.rand(count, device=self.bank.device, generator=generator)
        return self.bank[(share * self.kept.clamp(max=BANK)).long()]


class CodeCritic(CodeBank):
    """D of codes: [N, code_dim] -> scores [N], and the bank of codes that it compares with.

    Codes are seen relative to the bank's mean and in units of its deviation.

    Args:
        code_dim: numbers that a code has.
        width, layers: of its dense hidden layers.
    """

    def __init__(self, code_dim: int, width: int = 256, layers: int = 3):
        super().__init__(code_dim)
        sizes = [code_dim, *[width] * layers]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.score = nn.Linear(width, 1)

    def forward(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, enabled=False):  # small networks, and small differences are what counts
            x = (codes.float() - self.mean) / self.deviation
            for layer in self.hidden:
                x = F.leaky_relu(layer(x), LEAK)
            return self.score(x).squeeze(1)
