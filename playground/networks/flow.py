"""A mapping network that is a flow: noise is carried to codes along an ordinary differential equation.

    dx/dt = v(x, t),    x(0) = z ~ N(0, 1),    x(1) distributed as codes,

by Heun's method in few steps. v learns by flow matching (Lipman et al. 2022, arXiv 2210.02747; Liu et al. 2022, arXiv
2209.03003, equation 1): between noise z and a code c lies x_t = (1 − t) z + t c, and

    min  E ‖v(x_t, t) − (c − z)‖²

has its minimum where v is the mean direction of all that pass through x_t. Codes of pictures lie in many islands (hats
here, bald heads there): a network of a few dense layers carries noise between islands as well, where pictures are
neither, while many small steps part it sharply.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEPS = 4  # of Heun's method, of two evaluations each but for the last
FREQUENCIES = 8  # by which v is told the time


class FlowMapping(nn.Module):
    """f: z [N, dim] -> w [N, dim], at least in float32.

    Args:
        dim: numbers of a latent and of a style alike.
        width, depth: of the residual dense layers of v; width 0 is four times `dim`.
        steps: of the integration.
    """

    def __init__(self, dim: int, width: int = 0, depth: int = 3, steps: int = STEPS):
        super().__init__()
        self.steps, width = steps, width or 4 * dim
        self.enter, self.leave = nn.Linear(dim, width), nn.Linear(width, dim)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.times = nn.ModuleList(nn.Linear(2 * FREQUENCIES, width) for _ in range(depth + 1))
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("frequencies", math.pi / 2 * 2.0 ** torch.arange(FREQUENCIES), persistent=False)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(()))
        self.block_title, self.block_detail = "Mapping network", f"flow · {steps} steps · {depth + 2} dense layers"

    def forward(self, vector: Tensor) -> Tensor:
        with torch.autocast(vector.device.type, enabled=False):
            x = vector.float()
            for k in range(self.steps):
                first = self.velocity(x, x.new_full((len(x),), k / self.steps))
                ahead = x + first / self.steps
                if k + 1 < self.steps:
                    second = self.velocity(ahead, x.new_full((len(x),), (k + 1) / self.steps))
                    ahead = x + (first + second) / (2 * self.steps)
                x = ahead
            return x * self.deviation + self.mean

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v at places [N, dim], in units of the codes' deviation, and times [N] in [0, 1]: [N, dim]."""
        phase = t[:, None] * self.frequencies
        told = torch.cat([phase.sin(), phase.cos()], dim=1)
        h = self.enter(x)
        for layer, time in zip(self.layers, self.times, strict=False):
            h = h + layer(F.silu(h + time(told)))
        return self.leave(F.silu(h + self.times[-1](told)))

    def matching_loss(self, z: Tensor, codes: Tensor, t: Tensor) -> Tensor:
        """The mean square of what v misses, between noise [N, dim] and codes [N, dim] at times [N]."""
        with torch.autocast(z.device.type, enabled=False):
            c = (codes.float() - self.mean) / self.deviation
            between = torch.lerp(z, c, t[:, None])
            return (self.velocity(between, t) - (c - z)).square().mean()

    @torch.no_grad()
    def settle(self, mean: Tensor, deviation: Tensor) -> None:
        """Take the mean [dim] and the deviation [], of all numbers together, of codes as its units."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
