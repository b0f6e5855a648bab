"""An auto-encoder as a discriminator: its reconstruction error is the energy of a picture.

E(x) = mean((x - Dec(Enc(x)))²) over channels and places (Zhao et al. 2016, arXiv 1609.03126): low on the data, high
away from it. It is made of the parts that the other discriminators and the generators are made of.
"""

from __future__ import annotations

from torch import Tensor, nn

from playground.errors import UsageError
from playground.networks import build_generator, build_trunk


class Autoencoder(nn.Module):
    """`encoder` [N, C, S, S] -> features, `to_code` -> [N, code_dim], `decoder` -> [N, C, S, S] in [-1, 1]."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, code_dim: int):
        super().__init__()
        self.encoder = encoder
        self.to_code = nn.Linear(encoder.feature_dim, code_dim)
        self.decoder = decoder
        self.code_dim = code_dim

    def encode(self, x: Tensor) -> Tensor:
        """x [N, C, S, S] in [-1, 1] -> code [N, code_dim]."""
        return self.to_code(self.encoder(x))

    def decode(self, code: Tensor) -> Tensor:
        """code [N, code_dim] -> [N, C, S, S] in [-1, 1]."""
        return self.decoder(code)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [N, C, S, S] -> (reconstruction [N, C, S, S] in [-1, 1], code [N, code_dim])."""
        code = self.encode(x)
        return self.decode(code), code

    def energy(self, x: Tensor) -> Tensor:
        """x [N, C, S, S] -> the mean squared error of its reconstruction, [N], at least 0."""
        return self.energy_and_code(x)[0]

    def energy_and_code(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [N, C, S, S] -> (energy [N], code [N, code_dim]) in one pass; the pulling-away term reads the code."""
        reconstruction, code = self(x)
        return (reconstruction - x).square().flatten(1).mean(dim=1), code


def build_autoencoder(
    architecture: str,
    *,
    channels: int,
    size: int,
    width: int = 64,
    code_dim: int = 64,
    depth: int | None = None,
    norm: str = "default",
    dropout: float = 0.0,
) -> Autoencoder:
    """An auto-encoder whose encoder is the trunk and whose decoder is the generator of `architecture`.

    Options as in `build_generator`; `code_dim` is the length of the code between the two.

    Raises:
        UsageError: an unknown name or a value out of range.
    """
    if code_dim < 1:
        raise UsageError(f"A code of {code_dim} numbers holds nothing: set a code size of 1 or more.")
    options = {"channels": channels, "size": size, "width": width, "depth": depth, "norm": norm, "dropout": dropout}
    encoder = build_trunk(architecture, **options)
    return Autoencoder(encoder, build_generator(architecture, input_dim=code_dim, **options), code_dim)
