r"""Stabilisers: softened targets, instance noise, replay, packing, augmentation and averaging of the generator.

    soft targets       D regresses to 0.9, or to noise, instead of 1    Salimans et al. 2016, arXiv 1606.03498
    instance noise     D sees x + σ·ε                                   Sønderby et al. 2016, arXiv 1610.04490
    replay             D sees fakes of the past too                     Shrivastava et al. 2017, arXiv 1612.07828
    packing            D judges m samples at once                       Lin et al. 2018, arXiv 1712.04086
    augmentation       D sees T(x) and T(G(z)), T differentiable        Zhao et al. 2020, arXiv 2006.10738
    moving average     θ̄ ← β·θ̄ + (1−β)·θ                                Yazıcı et al. 2019, arXiv 1806.04498

All randomness comes from the generator that is passed (None: the device's default one). Numbers are drawn where the
generator lives and sent to the data without waiting, so a CPU generator serves any device and gives it the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from playground.errors import TrainingError, UsageError, unknown

REAL_NOISY = (0.7, 1.2)
FAKE_NOISY = (0.0, 0.3)


def _uniform(shape: Sequence[int], device: torch.device | str | None, generator: torch.Generator | None) -> Tensor:
    """float32 from U[0, 1) on `device`, drawn on the generator's own device."""
    source = device if generator is None else generator.device
    return torch.rand(tuple(shape), generator=generator, device=source).to(device or source, non_blocking=True)


# --- targets


def _targets(
    n: int, real: bool, smoothing: float, noisy: bool, flip: float, generator: torch.Generator | None, device: Any
) -> Tensor:
    if not (0 <= smoothing < 1 and 0 <= flip <= 1):
        raise UsageError(
            f"Label smoothing lies in [0, 1) and the share of flipped labels in [0, 1], not {smoothing} and {flip}."
        )
    device = device if device is not None or generator is None else generator.device

    def side(is_real: bool) -> Tensor:
        if noisy:
            low, high = REAL_NOISY if is_real else FAKE_NOISY
            return low + (high - low) * _uniform((n,), device, generator)
        return torch.full((n,), 1.0 - smoothing if is_real else 0.0, device=device)

    if flip == 0:
        return side(real)
    return torch.where(_uniform((n,), device, generator) < flip, side(not real), side(real))


def real_targets(
    n: int,
    smoothing: float = 0.0,
    noisy: bool = False,
    flip: float = 0.0,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """What D should answer to `n` real samples: 1 − smoothing, or U(0.7, 1.2) when `noisy` (which then overrides it).

    Each label is flipped with probability `flip`: it gets the target of a fake instead.

    Returns:
        [n] float32 on `device` (None: the generator's).

    Raises:
        UsageError: smoothing outside [0, 1) or flip outside [0, 1].
    """
    return _targets(n, True, smoothing, noisy, flip, generator, device)


def fake_targets(
    n: int,
    smoothing: float = 0.0,
    noisy: bool = False,
    flip: float = 0.0,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """What D should answer to `n` fakes: 0, or U(0, 0.3) when `noisy`; flipped ones get the target of a real sample.

    Smoothing is one-sided (Salimans et al. 2016, section 3.4): it shows here in flipped labels only.

    Returns:
        [n] float32 on `device` (None: the generator's).

    Raises:
        UsageError: smoothing outside [0, 1) or flip outside [0, 1].
    """
    return _targets(n, False, smoothing, noisy, flip, generator, device)


# --- what D sees


def instance_noise(x: Tensor, sigma: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
    """x + σ·ε with ε from N(0, 1), shaped as `x`; `x` itself when `sigma` is the number 0."""
    if isinstance(sigma, (int, float)) and sigma == 0:
        return x
    source = x.device if generator is None else generator.device
    noise = torch.randn(x.shape, generator=generator, device=source).to(x.device, x.dtype, non_blocking=True)
    return x + sigma * noise


class ReplayBuffer:
    """A pool of past fakes: half of what D sees comes from it, so that G can't profit from what D has just forgotten.

    Until `size` fakes have been seen, all are stored and passed through. Then each new one is, with probability ½,
    swapped for a stored one, and otherwise passed through (CycleGAN, arXiv 1703.10593, section 4: size 50). Within a
    batch no stored fake is handed out twice. Stored on the device of the first query; decisions are tensors.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise UsageError(f"A replay buffer holds 0 or more samples, not {size}.")
        self.size = size
        self._count = 0
        self._pool: list[Tensor] = []

    def __len__(self) -> int:
        """How many fakes are stored."""
        return self._count

    def query(self, images: Tensor | tuple[Tensor, ...], generator: torch.Generator | None = None) -> Any:
        """What D should see in place of `images`.

        Args:
            images: [N, ...], or a tuple of tensors of N rows that belong together (samples and their labels).
            generator: source of the decisions.

        Returns:
            The same structure and shapes, detached. A change of shape or dtype (a growing generator) empties the pool.
        """
        single = isinstance(images, Tensor)
        rows = [t.detach() for t in ((images,) if single else images)]
        if self.size == 0:
            return rows[0] if single else tuple(rows)
        self._prepare(rows)
        n = rows[0].shape[0]
        stored = min(self.size - self._count, n)
        for pool, new in zip(self._pool, rows, strict=True):
            pool[self._count : self._count + stored].copy_(new[:stored])
        self._count += stored
        pieces = [[new[:stored] for new in rows]]
        pieces += [self._swap([new[i : i + self.size] for new in rows], generator) for i in range(stored, n, self.size)]
        out = [torch.cat(column) for column in zip(*pieces, strict=True)]
        return out[0] if single else tuple(out)

    def _prepare(self, rows: list[Tensor]) -> None:
        fits = len(rows) == len(self._pool) and all(
            new.shape[1:] == pool.shape[1:] and new.dtype == pool.dtype
            for new, pool in zip(rows, self._pool, strict=True)
        )
        if not fits:
            self._count = 0
            self._pool = [new.new_zeros((self.size, *new.shape[1:])) for new in rows]
        self._pool = [pool.to(new.device) for new, pool in zip(rows, self._pool, strict=True)]

    def _swap(self, rows: list[Tensor], generator: torch.Generator | None) -> list[Tensor]:
        """At most `size` rows against a full pool."""
        n, device = rows[0].shape[0], rows[0].device
        # the order of random numbers is a permutation, made without the host
        index = _uniform((self.size,), device, generator).argsort()[:n]
        swap = _uniform((n,), device, generator) < 0.5
        out = []
        for pool, new in zip(self._pool, rows, strict=True):
            old = pool.index_select(0, index)
            take = swap.view(n, *(1,) * (new.dim() - 1))
            pool.index_copy_(0, index, torch.where(take, new, old))
            out.append(torch.where(take, old, new))
        return out

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the next query reads."""
        return {"size": self.size, "pool": [pool[: self._count].clone() for pool in self._pool]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            TrainingError: the state is of a buffer of another size.
        """
        if state["size"] != self.size:
            raise TrainingError(
                f"The checkpoint's replay buffer holds {state['size']} samples and this one {self.size}: "
                "resume with the size it was trained with."
            )
        pool = list(state["pool"])
        self._count = pool[0].shape[0] if pool else 0
        self._pool = [torch.cat([kept, kept.new_zeros((self.size - self._count, *kept.shape[1:]))]) for kept in pool]


def pack(x: Tensor, m: int) -> Tensor:
    """Groups of `m` consecutive samples joined along dimension 1: [N, C, ...] -> [N/m, m·C, ...] (PacGAN).

    Raises:
        UsageError: `m` is below 1 or does not divide N.
    """
    if m < 1 or x.shape[0] % m:
        raise UsageError(f"Packing needs a batch that is a multiple of the {m} samples in a pack, not {x.shape[0]}.")
    return x if m == 1 else x.reshape(x.shape[0] // m, m * x.shape[1], *x.shape[2:])


# --- differentiable augmentation


def _per_sample(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """[N, 1, 1, 1] from U(0, 1), in the dtype of `x`."""
    return _uniform((x.shape[0], 1, 1, 1), x.device, generator).to(x.dtype)


def _whole(x: Tensor, low: int, high: int, generator: torch.Generator | None) -> Tensor:
    """[N, 1] whole numbers in [low, high]."""
    source = x.device if generator is None else generator.device
    draw = torch.randint(low, high + 1, (x.shape[0], 1), generator=generator, device=source)
    return draw.to(x.device, non_blocking=True)


def _colour(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Brightness + U(−½, ½); saturation × U(0, 2) about each pixel's grey; contrast × U(½, 3/2) about the mean."""
    x = x + (_per_sample(x, generator) - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (2 * _per_sample(x, generator))
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.5 + _per_sample(x, generator))


def _translation(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side each way, filling with zeros."""
    n, channels, height, width = x.shape
    reach_y, reach_x = round(height / 8), round(width / 8)
    row = torch.arange(height, device=x.device) - _whole(x, -reach_y, reach_y, generator)  # [N, H] source rows
    column = torch.arange(width, device=x.device) - _whole(x, -reach_x, reach_x, generator)  # [N, W]
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    index = row.clamp(0, height - 1)[:, :, None] * width + column.clamp(0, width - 1)[:, None, :]  # [N, H, W]
    moved = x.flatten(2).gather(2, index.view(n, 1, -1).expand(n, channels, -1)).view(x.shape)
    return moved * inside[:, None].to(x.dtype)


def _cutout(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """A rectangle of half the height and width set to zero, its centre anywhere in the picture or on its border."""
    _, _, height, width = x.shape
    cut_height, cut_width = round(height / 2), round(width / 2)
    top = _whole(x, -(cut_height // 2), height - cut_height + cut_height // 2, generator)
    left = _whole(x, -(cut_width // 2), width - cut_width + cut_width // 2, generator)
    row = torch.arange(height, device=x.device) - top  # [N, H]
    column = torch.arange(width, device=x.device) - left  # [N, W]
    cut_y = (row >= 0) & (row < cut_height)
    cut_x = (column >= 0) & (column < cut_width)
    return x * (~(cut_y[:, None, :, None] & cut_x[:, None, None, :])).to(x.dtype)


AUGMENTATIONS: dict[str, Callable[[Tensor, torch.Generator | None], Tensor]] = {
    "colour": _colour,
    "translation": _translation,
    "cutout": _cutout,
}


@lru_cache(maxsize=64)
def _parts(policy: str) -> tuple[str, ...]:
    names = [part.strip().lower().replace("color", "colour") for part in policy.split(",") if part.strip()]
    names = [name for name in names if name != "none"]
    for name in names:
        if name not in AUGMENTATIONS:
            raise unknown("augmentation", name, AUGMENTATIONS)
    return tuple(names)


def augment(x: Tensor, policy: str, generator: torch.Generator | None = None) -> Tensor:
    """Random changes, one draw a sample, through which gradients flow back to `x` (Zhao et al. 2020, section 3).

    Applied with one policy to reals and to fakes before D, so that D never sees what is not augmented and G is not
    taught to draw the augmentation. Zeros that move in are mid-grey.

    Args:
        x: [N, C, H, W] in [-1, 1], any memory format; colour may leave the range.
        policy: names out of "colour", "translation", "cutout", with commas between; "" or "none" changes nothing.
        generator: source of the draws.

    Returns:
        Shape, dtype and memory format of `x`.

    Raises:
        UsageError: an unknown name, or samples that are not pictures.
    """
    parts = _parts(policy)
    if not parts:
        return x
    if x.dim() != 4:
        raise UsageError(
            f"Augmentation changes pictures [N, C, H, W]; for samples of shape {tuple(x.shape)} switch it off."
        )
    channels_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    for part in parts:
        x = AUGMENTATIONS[part](x, generator)
    return x.contiguous(memory_format=torch.channels_last) if channels_last else x


# --- exponential moving average

POWER_ITERATION_BUFFERS = frozenset({"u", "v", "_u", "_v", "weight_u", "weight_v"})
"""Unit vectors that spectral normalisation keeps: an average of unit vectors is shorter, so they are copied."""


_Slot = tuple[dict[str, Tensor | None], str]


class MovingAverage:
    """θ̄ ← decay·θ̄ + (1 − decay)·θ in place, for parameters and floating buffers; whole-number buffers are copied.

    The singular vectors of spectral normalisation (POWER_ITERATION_BUFFERS) are copied too. Where the tensors of both
    networks are is looked up once: of small networks, looking takes longer than averaging.

    Args:
        ema_model: the average, a deep copy of `model` at the start.
        model: the network in training; neither exchanges modules afterwards.

    Raises:
        UsageError: the networks have different parameters or buffers.
    """

    def __init__(self, ema_model: nn.Module, model: nn.Module) -> None:
        average, live = _slots(ema_model), _slots(model)
        if average.keys() != live.keys():
            raise UsageError(
                "The moving average and the network differ in their parameters: build both from one setting."
            )
        self._lerped: list[tuple[_Slot, _Slot]] = []
        self._copied: list[tuple[_Slot, _Slot]] = []
        for name, (tensors, key) in average.items():
            copied = key in POWER_ITERATION_BUFFERS or not tensors[key].is_floating_point()
            (self._copied if copied else self._lerped).append(((tensors, key), live[name]))

    @torch.no_grad()
    def update_(self, decay: float) -> None:
        """One step, `decay` in [0, 1]; 0 makes a copy. Raises UsageError for any other."""
        if not 0 <= decay <= 1:
            raise UsageError(f"The decay of a moving average lies in [0, 1], not {decay}.")
        if self._lerped:
            torch._foreach_lerp_(*_now(self._lerped), 1.0 - decay)
        if self._copied:
            torch._foreach_copy_(*_now(self._copied))


def _now(pairs: Sequence[tuple[_Slot, _Slot]]) -> tuple[list[Tensor], ...]:
    """The tensors that lie in the slots of either side at present."""
    return tuple([tensors[key] for tensors, key in side] for side in zip(*pairs, strict=True))


def _slots(model: nn.Module) -> dict[str, _Slot]:
    """Where each parameter and buffer of a network is kept, by its name: some modules put a new tensor there."""
    found: dict[str, _Slot] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for tensors in (module._parameters, module._buffers):
            for key, tensor in tensors.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    found[f"{prefix}.{key}" if prefix else key] = (tensors, key)
    return found


def ema_decay_at(step: int, decay: float, warmup: bool = True) -> float:
    """The decay at `step` (from 0): min(decay, (1 + step) / (10 + step)) while warming up, to forget the start soon."""
    return min(decay, (1 + step) / (10 + step)) if warmup else decay
