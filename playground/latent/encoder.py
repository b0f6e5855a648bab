"""An encoder: from a picture straight to the w that a style-based generator would draw it from.

E(x) = (w̄ + B v₀(x)) + B v_l(x) at layer l: a shared style and a small offset a layer ("w+"; Richardson et al. 2020,
arXiv 2008.00951; the offsets as in Tov et al. 2021, arXiv 2102.02766), in coordinates v in which the w of samples have
unit variance: B Bᵀ is their covariance. The generator G makes its own lessons. From styles w, mixed and truncated, it
draws x = G(w), and E learns

    min  ‖E(x̃) − w‖² / σ²  +  d(G(E(x̃)), x) / d̄,

x̃ being x with a little noise, blur and another contrast, so that pictures from elsewhere are read as well; d a distance
of pictures and d̄ its mean between two samples. Real pictures, where given, have no w and take part in the second term.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from playground.data.base import ImageStore
from playground.data.images import read_picture
from playground.devices import fast_bfloat16
from playground.errors import DataError, TrainingError, UsageError
from playground.families import initialising
from playground.latent.space import LatentSpace
from playground.model import Model
from playground.networks import build_trunk
from playground.networks.posterior import CodeReader, Posterior
from playground.pixels import pyramid_l1
from playground.runs import atomic_write, disk_errors

if TYPE_CHECKING:
    from playground.metrics.features import Extractor

FILE = "encoder.safetensors"
KEY = "encoder"  # in the model's config.json
FORMAT = 1
MAX_BYTES = 256 << 20
POOL = 8192  # latents that training mixes and truncates
OFFSETS, PRIOR = 0.02, 0.002  # weights of ‖v_l‖² and ‖v₀‖²: what keeps w near those of samples
EVERY = 50  # steps between two reports
LIMITS = {
    "size": (16, 1024), "channels": (1, 16), "w_dim": (1, 4096), "layers": (1, 32), "width": (1, 256), "rank": (0, 4096)
}  # fmt: skip


class Encoder(CodeReader):
    """[N, channels, size, size] in [-1, 1] -> w [N, w_dim]; `styles` gives w+ [N, layers, w_dim].

    Args:
        size, channels: of the pictures.
        w_dim, layers: of the generator's styles.
        width: channels of the finest maps; they double with every halving, down to maps of 4 × 4.
        rank: of the first dense layer, see `CodeReader`.
    """

    def __init__(self, size: int, channels: int, w_dim: int, layers: int, width: int = 32, rank: int = 0):
        trunk = build_trunk("dcgan", channels=channels, size=size, width=width)
        super().__init__(trunk, 16 * width, (1 + layers) * w_dim, rank)  # it starts close to the mean
        self.shape = {
            "size": size, "channels": channels, "w_dim": w_dim, "layers": layers, "width": width, "rank": rank
        }  # fmt: skip
        self.register_buffer("mean", torch.zeros(w_dim))
        self.register_buffer("basis", torch.eye(w_dim))

    def coordinates(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """v₀ [N, w_dim] and the layers' v_l [N, layers, w_dim] of pictures [N, channels, size, size]."""
        out = self.read(pictures).unflatten(1, (-1, len(self.mean)))
        return out[:, 0], out[:, 1:]

    def forward(self, pictures: Tensor) -> Tensor:
        """One w for all layers: [N, w_dim]."""
        return self.mean + self.coordinates(pictures)[0] @ self.basis.T

    def styles(self, pictures: Tensor) -> Tensor:
        """A w for each layer: [N, layers, w_dim]."""
        shared, own = self.coordinates(pictures)
        return self.mean + (shared[:, None] + own) @ self.basis.T


def whitening(w: Tensor, floor: float = 0.0) -> tuple[Tensor, Tensor]:
    """Mean μ and basis B of samples w [n, w_dim], so that w = μ + B v with v of mean 0 and unit variance.

    The columns of B [w_dim, w_dim] are the principal directions, each as long as the standard deviation along it, but
    at least `floor` times the longest: directions in which samples hardly vary are then not out of reach.
    """
    mean = w.mean(0)
    # in double precision: the smallest variances are a millionth of the largest
    values, vectors = torch.linalg.eigh(torch.cov((w - mean).double().T).cpu())
    deviation = values.clamp_min(0).sqrt()
    deviation = deviation.clamp_min(max(floor, 1e-4) * float(deviation.max().clamp_min(1e-8)))
    signs = torch.where(vectors.sum(0) < 0, -1.0, 1.0)  # an eigenvector's sign is arbitrary: fix it
    return mean, (vectors * (signs * deviation)).to(w)


def from_posterior(space: LatentSpace, posterior: Posterior) -> Encoder:
    """The encoder that says as one w for all layers what that says which learned beside the generator (`encode_to` w).

    Its trunk and first dense layer are taken as they are, and the mean code is written in the coordinates v.

    Raises:
        UsageError: a plain generator, or codes that are no styles of its.
    """
    if not space.styled or len(posterior.code_mean) != space.w_dim:
        raise UsageError("Codes make an encoder of a model whose styles they are: one trained with encode_to w.")
    width = next(posterior.trunk.parameters()).shape[0]
    with initialising():
        encoder = Encoder(space.size, space.channels, space.w_dim, space.layers, width)
    spare = encoder.dense.out_features - posterior.dense.out_features
    if spare < 0:
        raise UsageError(f"{space.w_dim} numbers in w are too many for an encoder of width {width}.")
    with torch.no_grad():
        mean, basis = whitening(space.w_samples(POOL), floor=0.02)
        encoder.mean.copy_(mean)
        encoder.basis.copy_(basis)
        encoder.trunk.load_state_dict(posterior.trunk.state_dict())
        encoder.dense.weight.copy_(F.pad(posterior.dense.weight, (0, 0, 0, spare)))
        encoder.dense.bias.copy_(F.pad(posterior.dense.bias, (0, spare)))
        into = torch.linalg.inv(basis.double())  # w = mean + v Bᵀ
        codes = slice(space.w_dim)  # a posterior's mean; its deviations come after
        weight = into @ F.pad(posterior.head.weight[codes], (0, spare)).double()
        for parameter in encoder.head.parameters():
            parameter.zero_()
        encoder.head.weight[codes] = weight.float()
        encoder.head.bias[codes] = (into @ (posterior.head.bias[codes] - mean).double()).float()
    return encoder.to(space.device).eval().requires_grad_(False)


@torch.no_grad()
def narrowed(encoder: Encoder, rank: int, pictures: Tensor) -> Encoder:
    """A copy whose first dense layer is the product of two matrices, with fewer numbers to keep.

    What that layer says of `pictures` [N, channels, size, size] is kept as far as `rank` principal components hold it.

    Raises:
        UsageError: a rank that is not from 1 to the number of pictures, or of what the layer says.
    """
    most = min(len(pictures), encoder.dense.out_features)
    if not 1 <= rank <= most:
        raise UsageError(f"The rank of an encoder's dense layer is a number from 1 to {most} here, not {rank}.")
    with initialising():
        small = Encoder(**{**encoder.shape, "rank": rank})
    kept = {name: value for name, value in encoder.state_dict().items() if not name.startswith("dense.")}
    small.load_state_dict(kept, strict=False)
    says = torch.cat([encoder.dense(encoder.trunk(part)) for part in pictures.split(64)]).double()
    mean = says.mean(0)
    _, axes = torch.linalg.eigh(torch.cov(says.T))
    axes = axes[:, -rank:]  # of largest variance
    into, out = small.dense
    into.weight.copy_(axes.T @ encoder.dense.weight.double())
    out.weight.copy_(axes)
    # W x + b near m + A Aᵀ (W x + b − m)
    out.bias.copy_(mean + axes @ (axes.T @ (encoder.dense.bias.double() - mean)))
    return small.to(pictures.device).eval().requires_grad_(False)


# --- Training --------------------------------------------------------------------------------------------------------


def train_encoder(
    space: LatentSpace,
    steps: int = 4000,
    batch: int = 16,
    lr: float = 1e-3,
    seed: int = 0,
    on_step: Callable[[int, int, dict[str, float]], None] | None = None,
    *,
    store: ImageStore | None = None,
    extractor: Extractor | None = None,
    width: int = 32,
    start: Encoder | None = None,
) -> Encoder:
    """Train an encoder for a style-based generator, whose networks stay as they are.

    In the first quarter of the steps it learns from the w of samples alone, which is fast, and then from pictures
    drawn anew as well. The same arguments give the same encoder on one machine and number of threads.

    Args:
        space: the generator.
        steps: updates, 1 or more.
        batch: samples of the generator a step; `store` adds half as many real pictures.
        lr: Adam's learning rate, which falls to 0 along a cosine.
        seed: of the first weights and of all that is drawn.
        on_step: called after every 50th step and the last with (steps done, steps, mean losses since the last call).
        store: real pictures of the same size and channels, for instance those that the generator was trained on.
        extractor: adds its distance to that of the pixels; slower, and closer to what an eye sees.
        width: of the network, see `Encoder`.
        start: go on from this one, which is left as it is; pictures are then drawn anew from the first step.

    Returns:
        The encoder, in eval mode, on the generator's device.

    Raises:
        UsageError: a plain generator, a number out of range, or pictures that don't fit.
    """
    _check_training(space, steps, batch, lr, store)
    device = space.device
    generator = torch.Generator().manual_seed(seed)
    with initialising(seed), torch.no_grad():
        pool = space.w_samples(POOL, seed)
        mean, basis = whitening(pool)
        if start is None:
            encoder = Encoder(space.size, space.channels, space.w_dim, space.layers, width)
            encoder.mean.copy_(mean)
            encoder.basis.copy_(basis)
        else:
            encoder = copy.deepcopy(start).requires_grad_(True)
    encoder.to(device).train()
    with torch.no_grad():
        scale = (pool - mean).square().mean()
        sheet = torch.cat([space.draw(pool[a : a + 16]) for a in range(0, 64, 16)])
        usual = pyramid_l1(sheet, sheet.flip(0)).mean()
        usual_feature = None if extractor is None else extractor.distance(sheet, sheet.flip(0)).mean()
    optimiser = torch.optim.Adam(encoder.parameters(), lr, betas=(0.9, 0.99))
    precision = torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(str(device)))
    begin = steps // 4 if start is None else 0
    since: list[dict[str, Tensor]] = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * warm_cosine(step, steps)
        with torch.no_grad():
            w = _lesson(space, pool, mean, batch, generator)
            seen = space.draw(w)
            if store is not None and step >= begin:
                chosen = torch.randint(len(store), (max(1, batch // 2),), generator=generator)
                seen = torch.cat([seen, store.take(chosen).images.to(device)])
            disturbed = _disturbed(seen, generator)
        with precision:
            shared, own = encoder.coordinates(disturbed)
        guess = encoder.mean + (shared[:, None] + own) @ encoder.basis.T
        losses = {"w": (guess[:batch] - w).square().mean() / scale, "offsets": own.square().mean()}
        loss = losses["w"] + OFFSETS * losses["offsets"]
        if step >= begin:
            # drawing anew is what takes the time: where real pictures are at hand, half of the samples will do
            first = 0 if store is None else batch // 2
            with precision:
                drawn = space.draw(guess[first:], clamp=False)
            drawn, wanted = held(drawn), seen[first:]
            losses["pixels"] = pyramid_l1(drawn, wanted).mean() / usual
            loss = loss + losses["pixels"] + PRIOR * shared.square().mean()
            if extractor is not None:
                losses["features"] = extractor.distance(drawn, wanted).mean() / usual_feature
                loss = loss + losses["features"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
        optimiser.step()
        since.append({name: value.detach() for name, value in losses.items()})
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            means = {name: float(torch.stack([each[name] for each in since if name in each]).mean()) for name in losses}
            since = []
            if not all(math.isfinite(value) for value in means.values()):
                raise TrainingError(
                    f"The encoder's loss at step {step + 1:,} is no longer a finite number: lower its learning rate."
                )
            if on_step is not None:
                on_step(step + 1, steps, means)
    return encoder.eval().requires_grad_(False)


def warm_cosine(step: int, steps: int, warm: float = 0.05) -> float:
    """The share of the learning rate at `step`: a linear rise over the share `warm`, then a cosine to 0."""
    place = (step + 1) / steps
    return min(1.0, place / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))


def held(pictures: Tensor, leak: float = 0.1) -> Tensor:
    """Pictures clamped to [-1, 1] but for a tenth of what goes beyond, so that a gradient leads back inside."""
    clamped = pictures.clamp(-1, 1)
    return clamped + leak * (pictures - clamped)


def _lesson(space: LatentSpace, pool: Tensor, mean: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Styles [batch, layers, w_dim] of samples: half of them mixed, all truncated by a ψ between 0.5 and 1."""
    first, second = (pool[torch.randint(len(pool), (batch,), generator=generator)] for _ in range(2))
    crossover = torch.randint(1, space.layers, (batch, 1), generator=generator)
    mixed = torch.rand(batch, 1, generator=generator) < 0.5
    psi = 0.5 + 0.5 * torch.rand(batch, 1, 1, generator=generator)
    from_second = ((torch.arange(space.layers) >= crossover) & mixed)[:, :, None].to(pool.device)
    return mean + psi.to(pool) * (torch.where(from_second, second[:, None], first[:, None]) - mean)


def _disturbed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures as another camera would have taken them: contrast, brightness, blur and noise, each a little."""

    def rand(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(len(pictures), 1, 1, 1, generator=generator)).to(pictures)

    x = pictures * rand(0.85, 1.1) + rand(-0.1, 0.1)
    size = pictures.shape[2:]
    soft = F.interpolate(F.avg_pool2d(x, 2), size=size, mode="bilinear", align_corners=False)
    x = torch.lerp(x, soft, rand(-1, 1).clamp_min(0))
    noise = torch.randn(x.shape, generator=generator).to(x)
    return (x + rand(-0.05, 0.05).clamp_min(0) * noise).clamp(-1, 1)


def _check_training(space: LatentSpace, steps: int, batch: int, lr: float, store: ImageStore | None) -> None:
    if not space.styled:
        raise UsageError("An encoder finds the w of a style-based model: plain models are inverted without one.")
    for what, value, most in (("steps", steps, 10**7), ("samples a batch", batch, 1024)):
        if not isinstance(value, Integral) or isinstance(value, bool) or not 1 <= value <= most:
            raise UsageError(f"The number of {what} is a whole number from 1 to {most:,}, not {value}.")
    if not 0 < lr <= 1:
        raise UsageError(f"The learning rate of an encoder lies above 0 and up to 1, not at {lr}.")
    if store is not None and (store.info.size, store.info.channels) != (space.size, space.channels):
        raise UsageError(
            f"The pictures of '{store.info.name}' are {store.info.size} pixels wide with {store.info.channels} "
            f"channels, but the model draws {space.size} with {space.channels}: load them at that size."
        )


# --- Files -----------------------------------------------------------------------------------------------------------


def save_encoder(folder: str | os.PathLike[str], encoder: Encoder) -> Path:
    """Write encoder.safetensors beside a saved model, and what it is into the model's config.json.

    Large tensors are kept in half precision. The note names the weights of the generator by their checksum: saving
    another model over this one takes its encoder out of use.

    Returns:
        The path of the weights.

    Raises:
        DataError: the folder holds no model that can be read.
        TrainingError: no room on the disk, or no permission.
    """
    folder = Path(folder)
    config = _config(folder)
    if config is None:
        raise DataError(f"'{folder.name}' holds no saved model for the encoder to go with: save the model first.")
    tensors = {
        name: value.detach().cpu().to(torch.float16 if value.is_floating_point() and value.ndim > 1 else value.dtype)
        for name, value in encoder.state_dict().items()
    }
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    # first the weights, which mean nothing without the note; a crash in between leaves a model without encoder
    atomic_write(folder / FILE, safetensors.torch.save(tensors))
    note = {"format": FORMAT, **encoder.shape, "generator": _checksum(folder)}
    atomic_write(folder / "config.json", (json.dumps({**config, KEY: note}, indent=2) + "\n").encode())
    return folder / FILE


def load_encoder(model: Model | str | os.PathLike[str]) -> Encoder | None:
    """The encoder that was saved with a model; None where there is none, or where it belongs to other weights.

    Nothing is ever unpickled.

    Args:
        model: an opened model, or its folder.

    Raises:
        DataError: an encoder that is damaged, not safetensors, from a newer version, or of another shape.
    """
    opened = model if isinstance(model, Model) else None
    folder = getattr(opened, "folder", None) if opened is not None else Path(model)
    if folder is None or not (folder / FILE).is_file():
        return None
    config = _config(folder) or {}
    if KEY not in config:
        return None
    note, name = config[KEY], folder.name
    if not isinstance(note, dict) or not isinstance(note.get("format"), int):
        raise DataError(f"What the config.json of '{name}' says of its encoder can't be understood: train it again.")
    if note["format"] > FORMAT:
        raise DataError(f"The encoder of '{name}' was saved by a newer version: update the playground to use it.")
    shape = {key: note.get(key, 0 if key == "rank" else None) for key in LIMITS}
    for key, (low, high) in LIMITS.items():
        value = shape[key]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise DataError(f"The config.json of '{name}' states {str(value)[:40]!r} as its encoder's {key}.")
    if opened is not None:
        network = opened.modules["G"].network if "G" in opened.modules else None
        wanted = (
            opened.info.size,
            opened.info.channels,
            getattr(network, "w_dim", 0),
            getattr(network, "layer_count", 0),
        )
        if (shape["size"], shape["channels"], shape["w_dim"], shape["layers"]) != wanted:
            raise DataError(f"The encoder of '{name}' does not fit its generator: train it again.")
    if note.get("generator") != _checksum(folder):
        return None
    try:
        if (folder / FILE).stat().st_size > MAX_BYTES:
            raise DataError(f"The encoder of '{name}' is too large a file: train it again.")
        tensors = safetensors.torch.load((folder / FILE).read_bytes())
    except OSError as error:
        raise DataError(f"{FILE} of the model '{name}' can't be read ({error.strerror}).") from error
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"The encoder of '{name}' is not a safetensors file; nothing of it was run.") from error
    try:
        with initialising():
            encoder = Encoder(**shape)
        encoder.load_state_dict(tensors)
    except (RuntimeError, UsageError) as error:
        raise DataError(
            f"The weights of the encoder of '{name}' do not fit its description: train it again."
        ) from error
    if not all(bool(value.isfinite().all()) for value in encoder.state_dict().values()):
        raise DataError(f"The encoder of '{name}' holds numbers that are not finite: train it again.")
    encoder.eval().requires_grad_(False)
    return encoder if opened is None else encoder.to(opened.device)


def _config(folder: Path) -> dict[str, Any] | None:
    """The model's config.json; None where it is missing or no JSON object."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def _checksum(folder: Path) -> str:
    """SHA-256 of the generator's weights, 16 characters of it; "" where they are missing."""
    with disk_errors(folder):
        path = folder / "model.safetensors"
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""


# --- Pictures to encode ----------------------------------------------------------------------------------------------


def prepare_picture(
    picture: bytes | str | os.PathLike[str] | Image.Image, size: int, channels: int, fit: str = "crop"
) -> Tensor:
    """A person's picture as a generator's own: float32 [1, channels, size, size] in [-1, 1].

    Turned upright by its EXIF note, laid over white where transparent, the first frame of an animation; 16-bit, CMYK
    and palette pictures are understood.

    Args:
        picture: the bytes of a file, a path, or an opened picture.
        size: side in pixels, 4 to 1024.
        channels: 1 (grey) or 3.
        fit: "crop" takes the square in the middle, "pad" keeps all and fills up with the colour of the border,
            "stretch" distorts.

    Raises:
        UsageError: a path that does not exist, or an option out of range.
        DataError: empty, damaged, no picture, above 20 MB or above 64 million pixels.
    """
    pixels = read_picture(picture, size, channels, fit)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float().div(127.5).sub(1).contiguous()
