"""The latent space of a trained generator: its vectors z and w, and pictures drawn from them.

A plain generator draws G(z, y, c) from noise z, a label y and codes c. A style-based one (Karras et al. 2018, arXiv
1812.04948) maps them first, w = f(z, y, c), and draws from one w, or from another w at each layer ("w+"; Abdal et al.
2019, arXiv 1904.03189): style mixing, edits of some layers, and noise that is fixed, absent or drawn anew are then
possible. Truncation is w̄ + ψ (w − w̄). Everything is a function of its arguments, and differentiable in the latent.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from numbers import Integral, Real

import torch
from torch import Tensor

from playground.conditions import Codes, onehot
from playground.data.base import DataInfo
from playground.errors import UsageError, unknown
from playground.families.players import code_layout, seeded_latents
from playground.knobs import Settings
from playground.model import Model
from playground.networks import layers
from playground.networks.style import StyleGenerator, enlarge

MAX_SEED = 2**31 - 1
MAX_VALUE = 1e4  # of an entry of a latent: beyond it float32 pictures say nothing
MAX_PSI = 10.0
CODE_STRIDE = 100_003  # as in `Model.sample`
MAX_COUNT = 100_000  # of vectors drawn at once

Noise = str | int | Sequence[str | int]
Label = int | str | Sequence[float] | Tensor | None
Values = Sequence[float] | Tensor | None

_masking = threading.RLock()  # for all spaces: two may share a model


class LatentSpace:
    """A generator's latents and what it takes to draw them.

    Args:
        model: a trained generator; its networks are shared, not copied.

    Attributes:
        styled: whether there are w, layers, noise and ψ.
        noisy: whether noise in the layers changes anything; some style-based models leave it out.
        z_dim, w_dim: lengths of the two vectors; w_dim is None where not styled.
        layers: how many style layers there are, 0 where not styled; with `layer_names` and `layer_resolutions`.
        classes: names of the classes that can be asked for; () where the model takes no label.
        codes: the layout of InfoGAN codes, or None.
        lock: hold it while drawing from several threads.

    Raises:
        UsageError: the model is not a generator.
    """

    #: pictures drawn at once by `recipe.render_many`: what of their maps fits a processor's cache
    chunk = 16

    def __init__(self, model: Model):
        if getattr(model, "kind", "generator") != "generator" or "G" not in model.modules:
            raise UsageError("A classifier reads pictures and draws none: choose a generator to explore.")
        if model.info.world is not None:
            raise UsageError("This model draws points, not pictures: look at its like in the Lab.")
        self.model = model
        self.settings: Settings = model.settings
        self.info: DataInfo = model.info
        self.size, self.channels = model.info.size, model.info.channels
        self.generator = model.modules["G"]
        self.network = self.generator.network
        self.styled = isinstance(self.network, StyleGenerator)
        self.noisy = self.styled and self.network.noisy
        self.z_dim: int = model.settings.latent_dim
        self.w_dim: int | None = self.network.w_dim if self.styled else None
        self.layers: int = self.network.layer_count if self.styled else 0
        self.layer_names: tuple[str, ...] = self.network.layer_names if self.styled else ()
        self.layer_resolutions: tuple[int, ...] = self.network.layer_resolutions if self.styled else ()
        labelled = model.settings.condition != "none" or model.settings.auxiliary > 0
        self.classes: tuple[str, ...] = tuple(model.info.classes) if labelled else ()
        self.codes: Codes | None = code_layout(model.settings)
        self.lock = threading.RLock()
        self._dropouts = [layer for layer in self.network.modules() if isinstance(layer, layers.Dropout)]
        # bound to this space, not to the class: they go when it goes
        self._seed_z = lru_cache(1024)(self._make_z)
        self._seed_w = lru_cache(1024)(self._make_w)
        self._seed_codes = lru_cache(1024)(self._make_codes)
        self._seed_noise = lru_cache(256)(self._make_noise)
        self._w_samples = lru_cache(2)(self._make_w_samples)

    def __repr__(self) -> str:
        return f"LatentSpace({self.model!r}, {'w' if self.styled else 'z'})"

    @property
    def device(self) -> torch.device:
        """Where the networks are; all vectors given back are there too."""
        return self.model.device

    # --- vectors

    def seed_z(self, seed: int, truncation: float | None = None) -> Tensor:
        """[z_dim]: the z of `Model.sample(1, seed)`, with entries beyond ±`truncation` redrawn if that is given.

        Raises:
            UsageError: a seed outside 0 to 2³¹ - 1.
        """
        return self._seed_z(check_seed(seed), truncation).clone()

    def seed_w(self, seed: int, label: Label = None, codes: Values = None) -> Tensor:
        """[w_dim]: where the mapping takes the z of a seed; kept for the next time where label and codes are plain.

        Codes that are None are those that `Model.sample` draws from the seed.
        """
        self._need_style("w")
        seed = check_seed(seed)
        if isinstance(label, Tensor) or isinstance(codes, Tensor):
            return self._make_w(seed, label, codes)
        label = label if label is None or isinstance(label, str | Integral) else tuple(label)
        return self._seed_w(seed, label, None if codes is None else tuple(codes)).clone()

    def seed_codes(self, seed: int) -> Tensor | None:
        """[d]: the codes that `Model.sample(1, seed)` draws; None for a model without."""
        return None if self.codes is None else self._seed_codes(check_seed(seed)).clone()

    def z_samples(self, count: int, seed: int = 0) -> Tensor:
        """[count, z_dim]: the z of `Model.sample(count, seed)`."""
        z = seeded_latents(self.settings, check_count(count), check_seed(seed))
        return torch.from_numpy(z).to(self.device)

    def sample_conditions(self, count: int, seed: int = 0) -> tuple[Tensor | None, Tensor | None]:
        """(label [count, K], codes [count, d]) as `Model.sample(count, seed)` deals them out; None where none are."""
        count, seed = check_count(count), check_seed(seed)
        label = chosen = None
        if self.classes:
            label = onehot(torch.arange(count) % len(self.classes), len(self.classes)).to(self.device)
        if self.codes is not None:
            drawn = [self._draw_codes(seed, row) for row in range(count)]
            chosen = torch.stack(drawn).to(self.device)
        return label, chosen

    def w(self, z: Tensor, label: Label = None, codes: Values = None) -> Tensor:
        """z [N, z_dim] -> w [N, w_dim], differentiable in z. Label and codes as in `condition`.

        Raises:
            UsageError: the model is not style-based, or a vector does not fit.
        """
        self._need_style("w")
        return self.network.mapping(self._vector(self._checked(z, "z"), label, codes))

    def w_samples(self, count: int = 2000, seed: int = 0) -> Tensor:
        """[count, w_dim]: the w of `z_samples`, classes and codes dealt out. Kept: don't change it in place."""
        self._need_style("w")
        return self._w_samples(check_count(count), check_seed(seed))

    @property
    def w_mean(self) -> Tensor:
        """[w_dim]: the running mean of w from training, which ψ pulls towards."""
        self._need_style("w")
        return self.network.w_mean.detach().clone()

    @property
    def w_scale(self) -> float:
        """√(mean of (w − w̄)²) over samples and entries: the average standard deviation along a unit direction of w."""
        return (self.w_samples() - self.w_mean).square().mean().sqrt().item()

    # --- labels and codes

    def label_weights(self, label: int | str | Sequence[float] | None) -> Tensor | None:
        """A class (number or name) or its weights [K] -> [K] float32; None is class 0, as in `Model.sample(1)`.

        Returns None for a model without labels.

        Raises:
            UsageError: no such class, a wrong number of weights, or a label for a model without.
        """
        if not self.classes:
            if label is not None:
                raise UsageError("This model was trained without labels, so no class can be chosen.")
            return None
        count = len(self.classes)
        if isinstance(label, str):
            if label not in self.classes:
                raise unknown("class", label, self.classes)
            label = self.classes.index(label)
        if label is None or (isinstance(label, Integral) and not isinstance(label, bool)):
            number = 0 if label is None else int(label)
            if not 0 <= number < count:
                raise UsageError(f"Class {number} does not exist: this model knows 0 to {count - 1}.")
            return torch.eye(count, device=self.device)[number]
        return self._numbers(label, count, 100.0, f"a class from 0 to {count - 1}, or {count} class weights")

    def code_values(self, codes: Values, seed: int = 0) -> Tensor | None:
        """Codes [d] -> float32 [d]; None: those of `seed`. Returns None for a model without codes.

        Raises:
            UsageError: a wrong number of codes, or codes for a model without.
        """
        if self.codes is None:
            if codes is not None:
                raise UsageError("This model has no codes: it was not trained as an InfoGAN.")
            return None
        if codes is None:
            return self.seed_codes(seed)
        return self._numbers(codes, self.codes.dim, 100.0, f"{self.codes.dim} finite numbers as codes")

    def condition(
        self, label: Label = None, codes: Values = None, count: int = 1
    ) -> tuple[Tensor | None, Tensor | None]:
        """What the networks take beside z: (label weights [count, K], codes [count, d]), None where there are none.

        Args:
            label: one class (number or name) or class weights [K] for all; a tensor int64 [count] or float [count, K]
                is one a picture. None is class 0.
            codes: [d] for all, or [count, d]; None is the codes of seed 0.
            count: how many pictures.

        Raises:
            UsageError: what does not fit this model.
        """
        if isinstance(label, Tensor) and label.ndim and not (label.is_floating_point() and label.ndim == 1):
            classes = len(self.classes)
            if not classes:
                self.label_weights(0)  # raises
            if label.is_floating_point():
                rows = self._rows(label, classes, count, "class weights")
            else:
                if label.shape != (count,) or not ((label >= 0) & (label < classes)).all():
                    raise UsageError(
                        f"Labels are {count} class numbers from 0 to {classes - 1}, or rows of {classes} weights."
                    )
                rows = onehot(label.to(self.device), classes)
        else:
            one = self.label_weights(label if not isinstance(label, Tensor) or label.ndim else label.item())
            rows = None if one is None else one.expand(count, -1)
        if isinstance(codes, Tensor) and codes.ndim == 2 and self.codes is not None:
            return rows, self._rows(codes, self.codes.dim, count, "codes")
        one = self.code_values(codes)
        return rows, None if one is None else one.expand(count, -1)

    # --- drawing

    def draw(
        self,
        latent: Tensor,
        *,
        label: Label = None,
        codes: Values = None,
        psi: float | Tensor | None = None,
        psi_layers: Sequence[int] | None = None,
        noise: Noise = "fixed",
        clamp: bool = True,
        seeds: int | Sequence[int] = 0,
    ) -> Tensor:
        """Pictures [N, C, size, size] float32 in [-1, 1], differentiable in the latent.

        Args:
            latent: z [N, z_dim] of a plain model; w [N, w_dim] or [N, layers, w_dim] of a styled one.
            label, codes: as in `condition`; a styled model has them in its w already and reads neither here.
            psi: pulls w towards its mean: 1 is off, 0 the mean. A plain model is truncated where its z is drawn
                (`seed_z`), so it doesn't read ψ.
            psi_layers: (first, last) of the layers that ψ acts on, inclusive; None is all.
            noise: "fixed" (saved with the model), "none", or the seed of another draw; or a list with one of these a
                layer. A plain model knows "fixed" only.
            clamp: False leaves a styled model's pictures as they are, beyond ±1 too.
            seeds: of the dropout that some generators keep, one for all or one a picture.

        Raises:
            UsageError: anything that does not fit this model.
        """
        if not self.styled:
            return self.draw_z(latent, label=label, codes=codes, noise=noise, clamp=clamp, seeds=seeds)
        w = self._checked(latent, "w")
        if psi is not None:
            w = self.truncate(w, psi, psi_layers)
        return self._synthesis(w, self._noise_inputs(self.check_noise(noise)), clamp, seeds)

    def draw_z(
        self,
        z: Tensor,
        *,
        label: Label = None,
        codes: Values = None,
        psi: float | Tensor | None = None,
        psi_layers: Sequence[int] | None = None,
        noise: Noise = "fixed",
        clamp: bool = True,
        seeds: int | Sequence[int] = 0,
    ) -> Tensor:
        """As `draw`, from z [N, z_dim]: a styled model maps it first."""
        if self.styled:
            w = self.w(z, label, codes)
            return self.draw(w, psi=psi, psi_layers=psi_layers, noise=noise, clamp=clamp, seeds=seeds)
        self.check_noise(noise)
        z = self._checked(z, "z")
        label, codes = self.condition(label, codes, len(z))
        with self.lock, self._masks(seeds, len(z)):
            picture = self.generator(z, label, codes)
        picture = enlarge(picture.float(), self.size)
        return picture.clamp(-1, 1) if clamp else picture

    def draw_rows(self, w: Tensor, noises: Sequence[Noise], seeds: int | Sequence[int] = 0) -> Tensor:
        """w [N, w_dim] or [N, layers, w_dim], each with its own noise -> [N, C, size, size]; styled models only."""
        self._need_style("noise")
        w, checked = self._checked(w, "w"), [self.check_noise(noise) for noise in noises]
        if all(noise == checked[0] for noise in checked):
            return self._synthesis(w, self._noise_inputs(checked[0]), True, seeds)
        each = [self._noise_inputs(noise) for noise in checked]
        rows = [torch.cat([self._noise_tensor(one[k], k) for one in each]) for k in range(self.layers)]
        return self._synthesis(w, rows, True, seeds)

    def truncate(self, w: Tensor, psi: float | Tensor, layers: Sequence[int] | None = None) -> Tensor:
        """w̄ + ψ (w − w̄) in the layers (first, last): the shape of w, [N, layers, w_dim] if they are given."""
        self._need_style("a truncation ψ of w")
        if isinstance(psi, Tensor):
            if psi.shape not in ((), (len(w),)) or not (psi.abs() <= MAX_PSI).all():
                raise UsageError(
                    f"Truncation ψ is a number from {-MAX_PSI:g} to {MAX_PSI:g}, or one of these a picture."
                )
        else:
            psi = check_number(psi, "truncation ψ", -MAX_PSI, MAX_PSI)
        if layers is None:
            return self.network.truncate(w, psi)
        first, last = self.check_layers(layers)
        return self.network.truncate(w, psi, range(first, last + 1))

    def per_layer(self, w: Tensor) -> Tensor:
        """w [w_dim] -> [layers, w_dim]; [N, w_dim] or [N, layers, w_dim] -> [N, layers, w_dim], one for each.

        A single picture's vectors, [layers, w_dim], need a dimension before them: a batch looks the same.
        """
        self._need_style("w")
        return w if w.ndim == 3 else w.unsqueeze(-2).expand(*w.shape[:-1], self.layers, self.w_dim)

    # --- checks that recipes use too

    def check_noise(self, noise: Noise) -> str | int | tuple[str | int, ...]:
        """A noise mode, the seed of a draw, or one of these a layer, as it is kept in a recipe.

        Raises:
            UsageError: anything else; on a plain model, anything but "fixed".
        """
        if not self.styled:
            if noise != "fixed":
                raise UsageError(
                    'This model has no noise inputs: leave noise at "fixed", or choose a style-based model.'
                )
            return "fixed"
        if isinstance(noise, str | Integral):
            return _check_one_noise(noise)
        if not isinstance(noise, Sequence) or len(noise) != self.layers:
            raise UsageError(
                f'Noise is "fixed", "none", a seed, or a list with one of these for each of {self.layers} layers.'
            )
        return tuple(_check_one_noise(one) for one in noise)

    def check_layers(self, layers: Sequence[int]) -> tuple[int, int]:
        """(first, last) of a range of style layers, inclusive; raises UsageError for anything else."""
        self._need_style("layers")
        good = isinstance(layers, Sequence) and not isinstance(layers, str) and len(layers) == 2
        good = good and all(isinstance(one, Integral) and not isinstance(one, bool) for one in layers)
        if not good or not 0 <= layers[0] <= layers[1] < self.layers:
            raise UsageError(f"A range of layers is [first, last] with 0 ≤ first ≤ last ≤ {self.layers - 1}.")
        return int(layers[0]), int(layers[1])

    # --- its parts

    def _need_style(self, what: str) -> None:
        if not self.styled:
            raise UsageError(
                f"Only style-based models have {what}: choose one, such as a model of the preset 'stylegan'."
            )

    def _checked(self, latent: Tensor, space: str) -> Tensor:
        """The latent on the device, float32, once its shape and numbers are in order."""
        if not isinstance(latent, Tensor):
            raise UsageError(f"A latent is a tensor, not {type(latent).__name__}.")
        if space == "z":
            if latent.ndim != 2 or latent.shape[1] != self.z_dim or not len(latent):
                raise UsageError(f"Latents z of this model have the shape [N, {self.z_dim}], not {list(latent.shape)}.")
        elif latent.shape[1:] not in ((self.w_dim,), (self.layers, self.w_dim)) or not len(latent):
            shapes = f"[N, {self.w_dim}] or [N, {self.layers}, {self.w_dim}]"
            raise UsageError(f"Latents w of this model have the shape {shapes}, not {list(latent.shape)}.")
        if not bool((latent.detach().abs() <= MAX_VALUE).all()):  # false for NaN as well
            raise UsageError(f"A latent holds a number that is not finite or beyond ±{MAX_VALUE:,.0f}.")
        return latent.to(self.device, torch.float32)

    def _numbers(self, values: Sequence[float] | Tensor, length: int, most: float, what: str) -> Tensor:
        numbers = values.tolist() if isinstance(values, Tensor) else values
        listed = isinstance(numbers, Sequence) and not isinstance(numbers, str) and len(numbers) == length
        if not listed or not all(
            isinstance(x, Real) and not isinstance(x, bool) and -most <= x <= most for x in numbers
        ):
            raise UsageError(f"This model takes {what} (each between ±{most:g}), not {quoted(values)}.")
        return torch.tensor([float(x) for x in numbers], device=self.device)

    def _rows(self, values: Tensor, length: int, count: int, what: str) -> Tensor:
        if values.shape not in ((count, length), (1, length)) or not bool(values.detach().isfinite().all()):
            raise UsageError(f"For {count} pictures {what} are finite, [{count}, {length}], not {list(values.shape)}.")
        return values.to(self.device, torch.float32).expand(count, -1)

    def _vector(self, z: Tensor, label: Label, codes: Values) -> Tensor:
        label, codes = self.condition(label, codes, len(z))
        vector = self.generator.label_input(z, label)
        return vector if codes is None else torch.cat([vector, codes], 1)

    def _synthesis(self, w: Tensor, noise: list[str | Tensor], clamp: bool, seeds: int | Sequence[int]) -> Tensor:
        with self.lock, self._masks(seeds, len(w)):
            picture = self.network.synthesis(w, noise)
        picture = enlarge(picture.float(), self.size)
        return picture.clamp(-1, 1) if clamp else picture

    def _noise_inputs(self, noise: str | int | tuple[str | int, ...]) -> list[str | Tensor]:
        """Checked noise -> one entry a layer that the network takes."""
        each = noise if isinstance(noise, tuple) else (noise,) * self.layers
        return [one if isinstance(one, str) else self._seed_noise(one, layer) for layer, one in enumerate(each)]

    def _noise_tensor(self, noise: str | Tensor, layer: int) -> Tensor:
        if isinstance(noise, Tensor):
            return noise
        block = self.network.blocks[layer // 2]
        fixed = (block.second if layer % 2 else block.first).noise.fixed
        return fixed if noise == "fixed" else torch.zeros_like(fixed)

    @contextlib.contextmanager
    def _masks(self, seeds: int | Sequence[int], count: int) -> Iterator[None]:
        """In this block dropout draws each picture's mask from its own seed, as `Model.sample(1, seed)` does.

        There a mask is the first row of a full chunk, so a whole chunk has to be drawn for it.
        """
        if not self._dropouts:
            yield
            return
        each = [check_seed(seed) for seed in ([seeds] * count if isinstance(seeds, Integral) else seeds)]
        if len(each) != count:
            raise UsageError(f"Give one dropout seed for all or one a picture: {len(each)} for {count} pictures.")
        sources = {seed: torch.Generator().manual_seed(seed) for seed in each}

        def rand(shape: Sequence[int], device: torch.device, _generator: torch.Generator | None = None) -> Tensor:
            first = {
                seed: torch.rand((Model.chunk, *shape[1:]), generator=source)[0] for seed, source in sources.items()
            }
            return torch.stack([first[seed] for seed in each]).to(device)

        with _masking:
            try:
                for layer in self._dropouts:
                    layer.rand = rand
                yield
            finally:
                for layer in self._dropouts:
                    del layer.rand

    def _make_z(self, seed: int, truncation: float | None) -> Tensor:
        return torch.from_numpy(seeded_latents(self.settings, 1, seed, truncation)[0]).to(self.device)

    @torch.no_grad()
    def _make_w(self, seed: int, label: Label, codes: Values) -> Tensor:
        values = self.code_values(codes, seed)
        return self.w(self._seed_z(seed, None)[None], label, values)[0]

    def _make_codes(self, seed: int) -> Tensor:
        return self._draw_codes(seed, 0).to(self.device)

    def _draw_codes(self, seed: int, row: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed * CODE_STRIDE + row)
        return self.codes.sample(1, generator, torch.device("cpu"))[0]

    def _make_noise(self, seed: int, layer: int) -> Tensor:
        """One draw of a layer's noise [1, 1, side, side], the same whichever other layers are drawn."""
        side = self.layer_resolutions[layer]
        generator = torch.Generator().manual_seed(seed * CODE_STRIDE + layer)
        return torch.randn((1, 1, side, side), generator=generator).to(self.device)

    @torch.no_grad()
    def _make_w_samples(self, count: int, seed: int) -> Tensor:
        z, (label, codes) = self.z_samples(count, seed), self.sample_conditions(count, seed)
        return self.w(z, label, codes)


def check_seed(seed: object) -> int:
    """A seed as an int; raises UsageError unless it is a whole number from 0 to 2³¹ - 1."""
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise UsageError(f"A seed is a whole number from 0 to {MAX_SEED:,}, not {quoted(seed)}.")
    return int(seed)


def check_number(value: object, name: str, low: float, high: float) -> float:
    """A finite number between the bounds as a float; raises UsageError for anything else, NaN included."""
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{name[:1].upper() + name[1:]} is a number from {low:g} to {high:g}, not {quoted(value)}.")
    return float(value)


def check_count(count: object, what: str = "latents", least: int = 1, most: int = MAX_COUNT) -> int:
    """A count as an int; raises UsageError unless it is a whole number between the bounds."""
    if not isinstance(count, Integral) or isinstance(count, bool) or not least <= count <= most:
        raise UsageError(f"The number of {what} is a whole number from {least} to {most:,}, not {quoted(count)}.")
    return int(count)


def _check_one_noise(noise: object) -> str | int:
    if isinstance(noise, str):
        if noise not in ("fixed", "none"):
            raise unknown("noise", noise[:40], ("fixed", "none"))
        return noise
    return check_seed(noise)


def quoted(value: object) -> str:
    """A value as a sentence quotes it: of a bounded length, whatever it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "…"
