"""A trained model: saved as safetensors with its settings and a card, opened again without running any code from it."""

from __future__ import annotations

import json
import math
import operator
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.data.base import DataInfo, Side, World
from playground.devices import resolve_device
from playground.errors import DataError, UsageError, suggestion, unknown
from playground.families import family_class, initialising
from playground.knobs import KNOBS, Settings, settings
from playground.methods import METHODS, find_method
from playground.networks import layers
from playground.networks.style import enlarge
from playground.runs import atomic_write, disk_errors

if TYPE_CHECKING:
    from playground.families.supervised import Reading

FORMAT = 1
FILES = ("config.json", "model.safetensors", "README.md")
PRETRAINED = Path(__file__).resolve().parent.parent / "pretrained"
MAX_MODEL_BYTES = 2 * 1024**3
_NO_STYLES = "This model has no styles: leave style out."


class Model:
    """A trained model and what it takes to use it.

    `kind` is "generator" (it has `sample`), "classifier" (`read`) or "translator" (`translate`); `folder` is where it
    was loaded from, None for one that was not loaded from a folder.

    Args:
        preset: the name of the preset that trained it.
        knobs: all settings it was trained with.
        info: the data set it was trained on.
        modules: its networks by name.
        facts: whatever else the card and the app show (step, images, seconds, name).
    """

    #: pictures drawn at once; fixed, so that a picture doesn't depend on how many are asked for
    chunk = 64

    def __init__(
        self, preset: str, knobs: Settings, info: DataInfo, modules: dict[str, nn.Module], facts: dict[str, Any]
    ):
        self.preset, self.settings, self.info, self.modules, self.facts = preset, knobs, info, modules, facts
        self.kind: str = METHODS[preset].kind
        self.folder: Path | None = None
        for module in modules.values():
            module.eval().requires_grad_(False)

    def __repr__(self) -> str:
        return f"Model({self.preset!r}, data={self.info.name!r}, size={self.info.size}, step={self.facts.get('step')})"

    @property
    def device(self) -> torch.device:
        return next(next(iter(self.modules.values())).parameters()).device

    def to(self, device: str | torch.device) -> Model:
        """Move the networks; returns the model itself."""
        for module in self.modules.values():
            module.to(device)
        return self

    @torch.no_grad()
    def sample(
        self,
        n: int = 16,
        seed: int = 0,
        labels: int | str | Sequence[int | str] | None = None,
        truncation: float | None = None,
        codes: Sequence[float] | None = None,
    ) -> Tensor:
        """Draw pictures.

        Args:
            n: how many, at least 1.
            seed: the same seed gives the same pictures; picture i doesn't depend on `n`.
            labels: one class (name or number) for all, or one a picture; None deals the classes out in turn.
            truncation: smaller is safer and more alike; None is off. A style-based model is pulled towards its mean
                style by this ψ (1 is off); in others, entries of z beyond ± this are redrawn.
            codes: InfoGAN codes for all pictures, [d]; None draws them from the seed.

        Returns:
            (n, C, H, W) float32 in [-1, 1], on the CPU; of a model of points (n, d, 1, 1), their coordinates.

        Raises:
            UsageError: a count, label or truncation out of range, labels for a model that has none, or a classifier.
        """
        from playground.families.players import code_layout, seeded_latents

        if self.kind != "generator":
            raise UsageError("This model reads pictures and draws none: choose a generator to sample from.")
        n, seed = _asked(n, seed)
        if truncation is not None and not (isinstance(truncation, Real) and 0.05 <= truncation <= 100):
            raise UsageError(f"Truncation must be a number between 0.05 and 100, not {truncation}.")
        in_w = self.settings.architecture == "style"
        z = torch.from_numpy(seeded_latents(self.settings, n, seed, None if in_w else truncation))
        label = self._labels(labels, n)
        layout = code_layout(self.settings)
        chosen = None
        if layout is not None:
            # picture by picture, so that picture i is the same whatever n is
            drawn = [
                layout.sample(1, torch.Generator().manual_seed(seed * 100_003 + i), torch.device("cpu"))
                for i in range(n)
            ]
            chosen = torch.cat(drawn)
            if codes is not None:
                if len(codes) != layout.dim or not all(isinstance(c, Real) and math.isfinite(c) for c in codes):
                    raise UsageError(f"This model takes {layout.dim} finite numbers as codes, not {list(codes)}.")
                chosen = torch.tensor([float(c) for c in codes]).expand(n, layout.dim)
        elif codes is not None:
            raise UsageError("This model has no codes: it was not trained as an InfoGAN.")
        generator = self.modules["G"]
        layers.set_generator(generator, torch.Generator().manual_seed(seed))  # on the CPU: for all devices the same
        parts = []
        for a in range(0, n, self.chunk):
            inputs = [
                None if t is None else _padded(t[a : a + self.chunk], self.chunk).to(self.device)
                for t in (z, label, chosen)
            ]
            drawn = enlarge(
                generator(*inputs, psi=truncation if in_w else None), self.info.size
            )  # saved while growing, it draws smaller pictures
            parts.append(drawn[: min(self.chunk, n - a)].float().cpu())
        return torch.cat(parts)

    @torch.no_grad()
    def sample_pair(self, n: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw corresponding pictures of the two sides of a coupled generator, of which `sample` draws A alone.

        Args:
            n: how many pairs, at least 1.
            seed: as for `sample`, whose pictures are the A of these pairs.

        Returns:
            (A, B), both (n, C, H, W) float32 in [-1, 1], on the CPU.

        Raises:
            UsageError: a model with one side, or a count or seed out of range.
        """
        from playground.families.players import seeded_latents

        generator = self.modules.get("G")
        if self.kind != "generator" or not hasattr(generator, "pair"):
            raise UsageError("This model has no two sides to draw pairs of: choose one that CoGAN has trained.")
        n, seed = _asked(n, seed)
        z = torch.from_numpy(seeded_latents(self.settings, n, seed))
        pairs = []
        for part in z.split(self.chunk):
            both = generator.pair(_padded(part, self.chunk).to(self.device))
            pairs.append([side[: len(part)].float().cpu() for side in both])
        a, b = (torch.cat(side) for side in zip(*pairs, strict=True))
        return a, b

    @torch.no_grad()
    def read(self, images: Tensor) -> Reading:
        """Tell what is in pictures.

        Args:
            images: [N, C, h, w] float in [-1, 1], of any size, grey or colour; brought to the model's own.

        Returns:
            Features [N, F], class logits [N, K] and attribute logits [N, A] on the CPU (None where it has no such
            head); the columns are `info.classes` and `info.attributes`. Softmax and sigmoid make probabilities.

        Raises:
            UsageError: a generator, or something other than pictures.
        """
        from playground.families.supervised import Reading

        if self.kind != "classifier":
            raise UsageError("This model draws pictures and reads none: choose a classifier to read with.")
        parts = [
            self.modules["C"](fitted(part.to(self.device, torch.float32), self.info)) for part in images.split(256)
        ]
        columns = zip(*parts, strict=True)
        return Reading(*(None if column[0] is None else torch.cat(column).float().cpu() for column in columns))

    # --- translation

    @property
    def directions(self) -> tuple[str, ...]:
        """What a translator can turn into what: ("AB",) or ("AB", "BA"); () for other models."""
        return family_class(METHODS[self.preset].family).directions if self.kind == "translator" else ()

    def _translator(self, direction: str) -> nn.Module:
        """From pictures of a side to pictures of the other; it has `source`, `target`, `scale` and `multiple`."""
        if self.kind != "translator":
            raise UsageError("This model does not translate pictures: choose a translator.")
        if direction not in self.directions:
            raise unknown("direction", str(direction), self.directions)
        return family_class(METHODS[self.preset].family).translator(self.modules, direction)

    def side(self, direction: str = "AB", *, output: bool = False) -> Side:
        """What goes into a translation (or comes out of it).

        Raises:
            UsageError: no translator, or no such direction.
        """
        network = self._translator(direction)
        return network.target if output else network.source

    @property
    def multiple(self) -> int:
        """Sides of pictures that a translator takes without padding are multiples of this."""
        return self._translator("AB").multiple

    @property
    def scale(self) -> int:
        """How many times larger its pictures become: 1, or 2 or 4 for super-resolution."""
        return self._translator("AB").scale

    @property
    def has_dropout(self) -> bool:
        """Whether a translation depends on its seed: by what is dropped, or by the style that is drawn."""
        parts = (part for network in self._drawing() for part in network.modules())
        return self.style_dim > 0 or any(isinstance(m, layers.Dropout) and m.always and m.p > 0 for m in parts)

    @property
    def style_dim(self) -> int:
        """How many numbers a style has, of which every input has many translations; 0 for models without styles."""
        return getattr(self._translator("AB"), "style_dim", 0) if self.kind == "translator" else 0

    def _drawing(self) -> list[nn.Module]:
        return [self._translator(direction) for direction in self.directions]

    def as_input(self, x: Tensor, direction: str = "AB") -> Tensor:
        """Pictures brought to the channels that a direction starts from: [N, c, h, w] -> [N, C, h, w] in [-1, 1].

        Grey becomes colour and colour grey; for a label map, int64 [N, h, w] numbers or [N, 1, h, w] as in `Batch`, and
        colours are taken for the label of the nearest colour.

        Raises:
            UsageError: something other than pictures, or labels that do not exist.
        """
        side = self.side(direction)
        if side.labels and x.dim() == 3 and not x.is_floating_point():
            if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < len(side.labels):
                raise UsageError(f"Labels are the numbers 0 to {len(side.labels) - 1}.")
            return x[:, None].to(torch.float32) / 127.5 - 1
        if x.dim() != 4 or x.shape[1] not in (1, 3) or not x.numel() or not x.is_floating_point():
            raise UsageError(
                f"Pictures come as [N, C, h, w] with 1 or 3 channels, not as an array of shape {tuple(x.shape)}."
            )
        if side.labels and x.shape[1] == 3:
            palette = torch.tensor(side.palette, dtype=torch.float32) / 127.5 - 1  # [L, 3]
            flat = x.float().cpu().permute(0, 2, 3, 1).reshape(-1, 3)
            nearest = torch.cat([torch.cdist(part, palette).argmin(1) for part in flat.split(1 << 16)])
            return nearest.view(len(x), 1, *x.shape[2:]).to(torch.float32) / 127.5 - 1
        if x.shape[1] == side.channels:
            return x.float()
        return x.float().mean(1, keepdim=True) if side.channels == 1 else x.float().expand(-1, side.channels, -1, -1)

    @torch.no_grad()
    def translate(self, x: Tensor, direction: str = "AB", seed: int | None = 0, style: Any = None) -> Tensor:
        """Turn pictures of one side into pictures of the other.

        Args:
            x: [N, c, h, w] float in [-1, 1] of any size from 8, or labels (see `as_input`). Sides that the network
                can't take are padded by reflection and the result is cut.
            direction: "AB", or "BA" where `directions` has it.
            seed: fixes what dropout drops; None drops nothing. It draws the style too where none is given, the same for
                all pictures; None is the mean style, 0.
            style: for models with styles: `style_dim` numbers, of which N(0, 1) is usual, or a picture [1, c, h, w] of
                the output side whose style is taken; others take None.

        Returns:
            [N, C, h, w] float32 in [-1, 1] on the CPU, `scale` times larger; labels come as colours (see `segment`).

        Raises:
            UsageError: no translator, no such direction, something other than pictures, or a style that is none.
        """
        from playground.families.sides import paint

        output = self._translated(x, direction, seed, style)
        side = self.side(direction, output=True)
        return paint(output, side) if side.labels else output.clamp(-1, 1)

    @torch.no_grad()
    def segment(self, x: Tensor) -> Tensor:
        """The label of each pixel: [N, c, h, w] in [-1, 1] -> int64 [N, h, w].

        Raises:
            UsageError: a model that does not end in a label map.
        """
        if not self.side("AB", output=True).labels:
            raise UsageError("This model draws pictures, not label maps: choose a segmentation.")
        return self._translated(x, "AB", 0, None).argmax(1)

    def _translated(self, x: Tensor, direction: str, seed: int | None, style: Any) -> Tensor:
        network = self._translator(direction)
        if seed is not None and not (isinstance(seed, Integral) and 0 <= seed < 2**31):
            raise UsageError(f"The seed must be a whole number from 0 to {2**31 - 1:,}, not {seed}.")
        x, style = self.as_input(x, direction), self._style(style, direction, seed)
        styles = () if style is None else (style.to(self.device),)
        height, width = x.shape[2:]
        if min(height, width) < 8:
            raise UsageError(f"Pictures of {width} × {height} pixels are too small to translate: 8 × 8 is the least.")
        down, right = -height % self.multiple, -width % self.multiple
        if down or right:
            x = _reflected(x, down, right)
        dropping = [m for m in network.modules() if isinstance(m, layers.Dropout) and m.always]
        layers.set_generator(network, None if seed is None else torch.Generator().manual_seed(int(seed)))
        for layer in dropping:
            layer.always = seed is not None
        try:
            parts = [network(part.to(self.device), *styles).float().cpu() for part in x.split(16)]
        finally:
            for layer in dropping:
                layer.always = True
        return torch.cat(parts)[:, :, : height * network.scale, : width * network.scale]

    @torch.no_grad()
    def style_of(self, style: Tensor | Sequence[float], direction: str = "AB") -> list[float]:
        """A style as the numbers that `translate` takes: of a picture [1, c, h, w] of the side that the direction ends
        in, or of numbers, which are checked.

        Raises:
            UsageError: a model without styles, or what is no style.
        """
        if not self.style_dim:
            raise UsageError(_NO_STYLES)
        return self._style(style, direction, None)[0].tolist()

    def _style(self, style: Any, direction: str, seed: int | None) -> Tensor | None:
        """The style [1, style_dim] that pictures are translated to; None for a model without styles."""
        count = self.style_dim
        if not count:
            if style is not None:
                raise UsageError(_NO_STYLES)
            return None
        if style is None:
            return torch.zeros(1, count) if seed is None else _normal(count, int(seed))
        if isinstance(style, Tensor) and style.dim() == 4:
            if len(style) != 1:
                raise UsageError(f"A style is taken from one picture, not from {len(style)}.")
            example = self.as_input(style, direction[::-1])
            if min(example.shape[2:]) < 8:
                raise UsageError("The picture that a style is taken from needs 8 × 8 pixels at least.")
            return self._translator(direction).style_of(example.to(self.device))
        numbers = style.tolist() if isinstance(style, Tensor) else style
        if (
            not isinstance(numbers, Sequence)
            or len(numbers) != count
            or not all(isinstance(x, Real) and abs(x) <= 100 for x in numbers)
        ):
            raise UsageError(f"A style of this model is {count} numbers between ±100, or a picture [1, C, h, w].")
        return torch.tensor([[float(x) for x in numbers]])

    @torch.no_grad()
    def realism(self, x: Tensor | None, y: Tensor, direction: str = "AB") -> Tensor | None:
        """How real each patch of `y` looks to the discriminator it was trained against: [N, h', w'] in [0, 1].

        Args:
            x: what `y` was made from, as for `translate`; not needed where D judges pictures alone.
            y: [N, C, h, w] in [-1, 1], of the output side.

        Returns:
            None where no discriminator was kept, or where it would need labels.
        """
        from playground.families.sides import encode

        network = self._translator(direction)
        judge = self.modules.get(f"D_{direction[1]}", self.modules.get("D"))
        if judge is None or network.target.labels:
            return None
        shown = y.to(self.device, torch.float32)
        if judge.judges[0].layers[0][0].in_channels != network.target.channels:
            given = encode(self.as_input(x, direction).to(self.device), network.source)
            shown = torch.cat([given, shown], 1)
        score = judge.judges[0](shown)[:, 0].float().cpu()
        least_squares = self.settings.objective == "least-squares"
        return score.clamp(0, 1) if least_squares else torch.sigmoid(score)

    def _labels(self, labels: int | str | Sequence[int | str] | None, n: int) -> Tensor | None:
        classes = self.info.classes
        labelled = self.settings.condition != "none" or self.settings.auxiliary > 0
        if not labelled:
            if labels is not None:
                raise UsageError("This model was trained without labels, so no class can be chosen.")
            return None
        if labels is None:
            return torch.arange(n) % len(classes)
        each = [labels] * n if isinstance(labels, (Real, str)) else list(labels)
        if len(each) != n:
            raise UsageError(f"Give one label for all or one a picture: {len(each)} labels for {n} pictures.")
        return torch.tensor([self._label(label) for label in each])

    def _label(self, label: int | str) -> int:
        classes = self.info.classes
        if isinstance(label, str):
            if label not in classes:
                raise unknown("class", label, classes)
            return classes.index(label)
        try:
            number = operator.index(label)
        except TypeError:
            raise UsageError(f"A class is chosen by its name or whole number, not by {label!r}.") from None
        if not 0 <= number < len(classes):
            raise UsageError(f"Class {number} does not exist: this model knows 0 to {len(classes) - 1}.")
        return number

    def save(self, folder: str | Path, *, half: bool = False) -> Path:
        """Write model.safetensors, config.json and README.md to `folder`; `half` writes kernels and matrices as 16-bit
        numbers, at half the size.

        Raises:
            TrainingError: no room on the disk, or no permission.
        """
        folder = Path(folder)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{name}.{key}": _small(value, half).detach().cpu().contiguous()
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }
        atomic_write(folder / "model.safetensors", safetensors.torch.save(tensors))
        config = {
            "format": FORMAT,
            "preset": self.preset,
            "knobs": dict(self.settings),
            "data": asdict(self.info),
            "facts": self.facts,
        }
        atomic_write(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())
        atomic_write(folder / "README.md", self.card().encode())
        return folder

    def card(self) -> str:
        """The model card, in Markdown."""
        method = METHODS[self.preset]
        info, facts = self.info, self.facts
        draws, things = self.kind != "classifier", "points" if info.world else "pictures"
        changed = {k: v for k, v in self.settings.items() if v != KNOBS[k].default}
        lines = [
            f"# {facts.get('name') or method.title + ' on ' + info.name}",
            "",
            f"Made by the preset **{method.title}** ({method.reference}, {method.url}), trained on *{info.name}*.",
            "",
            *_told(facts.get("about")),
            f"- Points of {info.channels} coordinates"
            if info.world
            else f"- Pictures: {info.size} × {info.size}, {'colour' if info.channels == 3 else 'greyscale'}",
            f"- Trained for {facts.get('step', 0):,} steps on {facts.get('images', 0):,} {things} shown, "
            f"in {facts.get('seconds', 0):,.0f} s on {facts.get('device', 'an unknown device')}",
            f"- Data: {info.count:,} {things}" + (f", classes: {', '.join(info.classes)}" if info.classes else ""),
            f"- Licence of the data: {info.licence or 'not stated; ask whoever owns the pictures'}",
            f"- Weights: moving average of the {'generator' if draws else 'classifier'}, decay {decay}"
            if (decay := self.settings.ema_decay) > 0
            else "- Weights: as they were at the last step",
            "",
            "## Use",
            "",
            "```python",
            "import playground as pg",
            'model = pg.load_model("path/to/this/folder")',
            *_USES[self.kind],
            "```",
            "",
            *_measured(facts.get("metrics")),
            *_told(facts.get("recipe"), "## How it was made"),
            "## Settings that differ from the defaults",
            "",
            *(f"- `{name}`: {value}" for name, value in sorted(changed.items())),
        ]
        return "\n".join(lines) + "\n"


def _small(value: Tensor, half: bool) -> Tensor:
    return value.half() if half and value.dim() > 1 and value.dtype == torch.float32 else value


def _normal(count: int, seed: int) -> Tensor:
    """[1, count] from N(0, 1)."""
    return torch.randn(1, count, generator=torch.Generator().manual_seed(seed))


def _reflected(x: Tensor, down: int, right: int) -> Tensor:
    """Pad below and to the right by reflection, again and again where a picture is smaller than its padding."""
    while down or right:
        a, b = min(down, x.shape[2] - 1), min(right, x.shape[3] - 1)
        x, down, right = F.pad(x, (0, b, 0, a), mode="reflect"), down - a, right - b
    return x


def _asked(n: Any, seed: Any) -> tuple[int, int]:
    """How many samples and of which seed; raises UsageError for what is out of range."""
    if not isinstance(n, Integral) or not 1 <= n <= 100_000:
        raise UsageError(f"The number of samples must be a whole number from 1 to 100,000, not {n}.")
    if not isinstance(seed, Integral) or not 0 <= seed < 2**31:
        raise UsageError(f"The seed must be a whole number from 0 to {2**31 - 1:,}, not {seed}.")
    return int(n), int(seed)


def _padded(rows: Tensor, count: int) -> Tensor:
    """`rows` filled up to `count` with copies of the first: kernels may round differently for another batch size."""
    if len(rows) == count:
        return rows
    return torch.cat([rows, rows[:1].expand(count - len(rows), *rows.shape[1:])])


def fitted(images: Tensor, info: DataInfo) -> Tensor:
    """Pictures [N, c, h, w] in [-1, 1] as networks trained on `info` read them: its size and channels; differentiable.

    Raises:
        UsageError: not a batch of pictures with 1 or as many channels as `info` has, or 3.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3, info.channels) or not images.numel():
        raise UsageError(
            f"Pictures come as [N, C, h, w] with 1 or 3 channels, not as an array of shape {tuple(images.shape)}."
        )
    if images.shape[1] != info.channels:
        if info.channels == 1:
            images = images.mean(1, keepdim=True)
        else:
            images = images.mean(1, keepdim=True).expand(-1, info.channels, -1, -1)
    if images.shape[2:] != (info.size, info.size):
        images = F.interpolate(images, (info.size, info.size), mode="bilinear", antialias=True, align_corners=False)
    return images


def _told(text: Any, title: str = "") -> list[str]:
    """A paragraph of a card, under its title; nothing where a config holds no text."""
    if not isinstance(text, str) or not text.strip():
        return []
    return [*([title, ""] if title else []), text.strip(), ""]


def _measured(metrics: Any) -> list[str]:
    """The numbers of a card as a table."""
    if not isinstance(metrics, Mapping) or not metrics:
        return []
    shown = [(name, f"{v:.4g}" if isinstance(v, Real) else str(v)) for name, v in metrics.items()]
    return ["## Measured", "", "| what | value |", "| --- | --- |", *(f"| {n} | {v} |" for n, v in shown), ""]


_USES = {  # by kind: what the card shows of a model's use
    "generator": ("pictures = model.sample(16, seed=0)  # (16, C, H, W) float32 in [-1, 1]",),
    "classifier": (
        "reading = model.read(pictures)  # (N, C, H, W) float32 in [-1, 1], of any size",
        "reading.class_logits, reading.attribute_logits  # None where it does not tell the one or the other",
    ),
    "translator": (
        "there = model.translate(pictures)  # (N, C, H, W) float32 in [-1, 1], of any size",
        "model.directions  # what it can turn into what",
    ),
}


def list_shipped(kind: str | None = None) -> list[str]:
    """Names of the models that come with the project: all, or those of a kind ("generator" or "classifier")."""
    names = sorted(p.parent.name for p in PRETRAINED.glob("*/model.safetensors"))
    return names if kind is None else [name for name in names if _kind_of(PRETRAINED / name) == kind]


def shipped_folder(name: str) -> Path:
    """Where the shipped model `name` lies, or would lie."""
    return PRETRAINED / name


def _kind_of(folder: Path) -> str:
    """The kind of the model in `folder` by its config; "" where that can't be read."""
    try:
        preset = json.loads((folder / "config.json").read_text(encoding="utf-8"))["preset"]
        return METHODS[preset].kind
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def load_model(model: str | Path, device: str = "cpu") -> Model:
    """Open a saved model.

    Args:
        model: a model folder, a run folder that holds one, an exported .zip, or the name of a shipped model.
        device: where to put it: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: nothing of that name, or no such device.
        DataError: a file is missing, damaged, not safetensors, or of another shape. Nothing is ever unpickled.
    """
    device, shipped = resolve_device(device), list_shipped()
    path = Path(os.path.expanduser(model))
    if str(model) in shipped:
        path = PRETRAINED / str(model)
    if os.path.isfile(path) and path.suffix.lower() == ".zip":
        return _load_zip(path, device)
    if not os.path.isdir(path):
        hint = suggestion(str(model), shipped) if shipped else "Give the path of a model folder."
        raise UsageError(f"There is no model '{model}'. {hint}")
    if (path / "model").is_dir():  # a run folder
        path = path / "model"
    parts = {}
    for name in FILES[:2]:
        if not (path / name).is_file():
            raise DataError(
                f"The model folder '{path.name}' lacks {name}: save the model again, or copy the whole folder."
            )
        try:
            parts[name] = (path / name).read_bytes()
        except OSError as error:
            raise DataError(f"{name} of the model '{path.name}' can't be read ({error.strerror}).") from error
    model = _assemble(parts["config.json"], parts["model.safetensors"], path.name, device)
    model.folder = path
    return model


def _load_zip(path: Path, device: str) -> Model:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {}
            for member in archive.infolist():
                name = Path(member.filename).name
                if name in FILES[:2] and name not in parts:
                    if member.file_size > MAX_MODEL_BYTES:
                        raise DataError(
                            f"'{path.name}' holds a file of {member.file_size:,} bytes, too large for a model."
                        )
                    parts[name] = archive.read(member)
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"'{path.name}' is not a readable zip file.") from error
    for name in FILES[:2]:
        if name not in parts:
            raise DataError(f"'{path.name}' lacks {name}: export the model again.")
    return _assemble(parts["config.json"], parts["model.safetensors"], path.name, device)


def _assemble(config_bytes: bytes, weights: bytes, name: str, device: str) -> Model:
    def puzzled(why: object) -> DataError:
        return DataError(f"The config.json of the model '{name}' can't be understood: {str(why).rstrip('.')}.")

    try:
        config = json.loads(config_bytes)
    except (ValueError, RecursionError) as error:
        raise puzzled(error) from error
    if not isinstance(config, dict) or not isinstance(config.get("format"), int):
        raise puzzled("it does not state its format")
    if config["format"] > FORMAT:
        raise DataError(f"The model '{name}' was saved by a newer version: update the playground to open it.")
    missing = [key for key in ("knobs", "data") if not isinstance(config.get(key), dict)]
    if missing or not isinstance(config.get("preset"), str):
        raise puzzled(f"its {(missing or ['preset'])[0]} is missing")
    try:
        info, method = _data_info(config["data"]), find_method(config["preset"])
        knobs = settings({k: v for k, v in config["knobs"].items() if k in KNOBS})
    except UsageError as error:
        raise puzzled(error) from error
    try:
        tensors = safetensors.torch.load(weights)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise DataError(
            f"The weights of the model '{name}' are not a safetensors file; nothing of it was run."
        ) from error
    try:
        with initialising():
            modules = family_class(method.family).sampling_networks(knobs, info)
    except UsageError as error:
        raise puzzled(error) from error
    for part, module in modules.items():
        state = {k.removeprefix(part + "."): v for k, v in tensors.items() if k.startswith(part + ".")}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise DataError(
                f"The weights of the model '{name}' do not fit the networks that its config.json describes."
            ) from error
    facts = config["facts"] if isinstance(config.get("facts"), dict) else {}
    facts = {k: v for k, v in facts.items() if k not in ("step", "images", "seconds") or isinstance(v, Real)}
    return Model(method.name, knobs, info, modules, facts).to(device)


def _data_info(values: Mapping[str, Any]) -> DataInfo:
    """The facts about the data that a saved config states; raises UsageError where they can't be."""
    known = {f.name for f in fields(DataInfo)}
    facts = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
    for key, low, high in (("channels", 1, 16), ("size", 1, 1024), ("count", 0, 10**12)):
        number = facts.get(key)
        if not isinstance(number, int) or not low <= number <= high:
            raise UsageError(f"its data states {number!r} as {key}")
    for key in ("classes", "attributes", "notes"):
        names = facts.setdefault(key, ())
        if not isinstance(names, tuple) or not all(isinstance(each, str) for each in names):
            raise UsageError(f"its data states no list of names as {key}")
    for key in ("name", "licence"):
        facts[key] = str(facts.get(key, ""))
    facts["sides"] = tuple(_side(each) for each in facts.get("sides", ()))
    if len(facts["sides"]) not in (0, 2):
        raise UsageError("its data states other than two sides")
    facts["paired"] = facts.get("paired") is True
    facts["world"] = _world(facts.get("world"), facts["channels"])
    if (facts["world"] is not None) != (facts["size"] == 1):
        raise UsageError("its data states neither pictures nor points")
    return DataInfo(**facts)


def _world(values: Any, dimensions: int) -> World | None:
    if values is None:
        return None
    try:
        bounds = tuple((float(low), float(high)) for low, high in values["bounds"])
        modes = tuple(tuple(float(x) for x in mode) for mode in values["modes"])
        centre, spread = tuple(float(x) for x in values["centre"]), float(values["spread"])
        sigma = None if values["sigma"] is None else float(values["sigma"])
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError("its data states points without saying where they lie") from error
    numbers = [*sum(bounds, ()), *sum(modes, ()), *centre, spread, sigma or 1.0]
    lengths = {len(bounds), len(centre), *map(len, modes)}
    if lengths != {dimensions} or not all(map(math.isfinite, numbers)) or spread <= 0 or (sigma or 1.0) <= 0:
        raise UsageError("its data states points in a space that is none")
    return World(bounds, modes, sigma, centre, spread)


def _side(values: Any) -> Side:
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise UsageError("its data states a side without a name")
    numbers = {}
    for key, high in (("channels", 16), ("size", 1024)):
        numbers[key] = values.get(key)
        if not isinstance(numbers[key], int) or not 1 <= numbers[key] <= high:
            raise UsageError(f"a side of its data states {numbers[key]!r} as {key}")
    labels, palette = values.get("labels") or (), values.get("palette") or ()
    if not all(isinstance(label, str) for label in labels) or len(palette) != len(labels):
        raise UsageError("a side of its data has labels without names or colours")
    try:
        colours = tuple(tuple(min(255, max(0, int(c))) for c in colour) for colour in palette)
        if any(len(colour) != 3 for colour in colours):
            raise ValueError
    except (TypeError, ValueError):
        raise UsageError("a side of its data has colours that are none") from None
    return Side(values["name"], labels=tuple(labels), palette=colours, **numbers)


def model_of(trainer: Any, **facts: Any) -> Model:
    """The averaged networks of a `Trainer` as a model of their own (copied: training may go on)."""
    knobs, info = Settings(trainer.settings), trainer.store.info
    with initialising():
        modules = family_class(METHODS[trainer.preset].family).sampling_networks(knobs, info)
    players = trainer.drawing_players  # those that have no average, a kept discriminator, are taken as they are
    for name, module in modules.items():
        module.load_state_dict(players[name].state_dict())
    facts = {
        "step": trainer.step_count,
        "images": trainer.images_seen,
        "seconds": round(trainer.seconds, 1),
        **trainer.family.facts(),
        **facts,
    }
    return Model(trainer.preset, knobs, info, modules, facts).to(trainer.device)
