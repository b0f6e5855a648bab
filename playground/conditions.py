"""How labels and codes enter a generator and a discriminator.

A condition is never an architecture: a label becomes numbers appended to the generator's vector (`LabelInput`), maps
appended to the discriminator's picture (`LabelMaps`; Mirza and Osindero 2014, arXiv 1411.1784), or a term of its score,
s(x, y) = ψ(φ(x)) + ⟨V_y, φ(x)⟩ (`Projection`; Miyato and Koyama 2018, arXiv 1802.05637). `Codes` are the labels that
InfoGAN finds by itself (Chen et al. 2016, arXiv 1606.03657).

Wherever a label goes in, int64 class numbers [N] may be replaced by float weights [N, classes], rows summing to 1: what
lies between two classes can then be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from playground.errors import UsageError, unknown

KINDS = ("none", "onehot", "embedding")


# --- Labels ----------------------------------------------------------------------------------------------------------


def require_classes(classes: int, what: str) -> None:
    """Raises a UsageError unless there are labels that `what` (a preset or a condition) can be conditioned on."""
    if classes < 1:
        raise UsageError(
            f"'{what}' needs labelled pictures: sort them into one folder a class, or use a preset without labels, "
            "such as 'dcgan'."
        )


def onehot(label: Tensor, classes: int) -> Tensor:
    """Class numbers [N] -> float32 [N, classes]; class weights [N, classes] pass through.

    Compared on the device: `torch.nn.functional.one_hot` would wait for it to check the range. A number out of range
    gives a row of zeros.
    """
    if label.is_floating_point():
        return label
    return (label.unsqueeze(1) == torch.arange(classes, device=label.device)).float()


def embed(table: nn.Embedding, label: Tensor) -> Tensor:
    """Class numbers [N], or the mean under class weights [N, classes], of a table of embeddings: [N, dim]."""
    return label @ table.weight if label.is_floating_point() else table(label)


def sample_labels(
    n: int, classes: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """n class numbers drawn evenly: int64 [n] on `device`. The draw is made where `generator` lives.

    Raises:
        UsageError: no classes.
    """
    require_classes(classes, "a draw of labels")
    return torch.randint(classes, (n,), generator=generator, device=_home(generator, device)).to(device)


def row_labels(classes: int, columns: int, rows: int | None = None, device: torch.device | str = "cpu") -> Tensor:
    """Labels for a grid read row by row, one row a class: int64 [rows × columns].

    `rows` None is one for each class; beyond the last class they begin again at class 0.
    """
    require_classes(classes, "a grid of classes")
    rows = classes if rows is None else rows
    return (torch.arange(rows, device=device) % classes).repeat_interleave(columns)


def _home(generator: torch.Generator | None, device: torch.device | str) -> torch.device | str:
    return device if generator is None else generator.device


def _need(label: Tensor | None) -> Tensor:
    if label is None:
        raise UsageError("This model is conditional: give a label for each picture.")
    return label


class LabelInput(nn.Module):
    """Appends a label to the generator's latent: `forward(z [N, Z], label) -> [N, Z + extra_dim]`.

    Args:
        kind: "none" passes z through, "onehot" appends `classes` numbers, "embedding" appends `dim` learned ones.
        classes: how many classes there are.
        dim: length of the embedding; the other kinds do not read it.

    Raises:
        UsageError: an unknown kind, or a kind that needs classes where there are none.
    """

    def __init__(self, kind: str, classes: int = 0, dim: int = 32):
        super().__init__()
        if kind not in KINDS:
            raise unknown("condition", kind, KINDS)
        if kind != "none":
            require_classes(classes, kind)
        if kind == "embedding" and dim < 1:
            raise UsageError(f"An embedding of {dim} numbers holds nothing: set an embedding size of 1 or more.")
        self.kind, self.classes = kind, classes
        self.extra_dim: int = {"none": 0, "onehot": classes, "embedding": dim}[kind]
        self.table = nn.Embedding(classes, dim) if kind == "embedding" else None
        if kind != "none":
            self.block_title, self.block_detail = "Label input", f"{kind} · {classes} classes"  # for network sketches

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.kind == "none":
            return z
        label = _need(label)
        extra = onehot(label, self.classes) if self.table is None else embed(self.table, label)
        return torch.cat([z, extra.to(z.dtype)], dim=1)

    def extra_repr(self) -> str:
        return f"{self.kind}, classes={self.classes}"


class LabelMaps(nn.Module):
    """Appends a label to a picture: `forward(x [N, C, S, S], label) -> [N, C + extra_channels, S, S]`.

    "onehot" appends one constant map a class, which is all 1 for the label's class and else 0; fully connected trunks
    flatten it with the picture. "embedding" appends one learned map of S × S, the better choice for many classes.

    Raises:
        UsageError: an unknown kind, or a kind that needs classes where there are none.
    """

    def __init__(self, kind: str, classes: int = 0, size: int = 32):
        super().__init__()
        if kind not in KINDS:
            raise unknown("condition", kind, KINDS)
        if kind != "none":
            require_classes(classes, kind)
        self.kind, self.classes, self.size = kind, classes, size
        self.extra_channels: int = {"none": 0, "onehot": classes, "embedding": 1}[kind]
        self.table = nn.Embedding(classes, size * size) if kind == "embedding" else None
        if kind != "none":
            self.block_title, self.block_detail = "Label maps", f"{kind} · {classes} classes"  # for network sketches

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        if self.kind == "none":
            return x
        label = _need(label)
        if self.table is None:
            maps = onehot(label, self.classes)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        else:
            maps = embed(self.table, label).view(-1, 1, self.size, self.size)
        # Without this, maps spread over x would turn a channels-last picture back into channels-first.
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        layout = torch.channels_last if last else torch.contiguous_format
        return torch.cat([x, maps.to(x.dtype)], dim=1).contiguous(memory_format=layout)

    def extra_repr(self) -> str:
        return f"{self.kind}, classes={self.classes}"


class Projection(nn.Module):
    """The label's term of a discriminator's score, ⟨V_y, φ(x)⟩: `forward(features [N, F], label) -> [N]`.

    Add it to the score of an ordinary head. Miyato and Koyama 2018, equation 3; V starts from Glorot's uniform.

    Args:
        classes: how many rows V has.
        feature_dim: F, the trunk's `feature_dim`.
        spectral_norm: divide V by its largest singular value, as SNGAN's projection discriminator does.

    Raises:
        UsageError: no classes.
    """

    def __init__(self, classes: int, feature_dim: int, *, spectral_norm: bool = False):
        super().__init__()
        require_classes(classes, "projection")
        self.table = nn.Embedding(classes, feature_dim)
        nn.init.xavier_uniform_(self.table.weight)
        if spectral_norm:
            parametrizations.spectral_norm(self.table)

    def forward(self, features: Tensor, label: Tensor) -> Tensor:
        return (embed(self.table, _need(label)) * features).sum(dim=1)


# --- Codes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Codes:
    """The codes of InfoGAN: one-hots of the `categorical` ones, then `continuous` numbers of U(-1, 1).

    A Q head of `output_dim` numbers gives logits for each categorical code and a mean for each continuous one. The
    posterior of a continuous code is a normal of fixed variance 1, so that its log-likelihood is -½ (c - mean)² and a
    constant: with a learned variance the bound can grow without the codes being told apart any better.

    Raises:
        UsageError: a category with fewer than two values, or no codes at all.
    """

    categorical: tuple[int, ...] = ()
    continuous: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "categorical", tuple(self.categorical))
        if any(values < 2 for values in self.categorical) or self.continuous < 0 or self.dim < 1:
            raise UsageError(
                "Codes need at least one categorical code of 2 or more values, such as 10, or one continuous code."
            )

    @property
    def dim(self) -> int:
        """How many numbers the codes append to z."""
        return sum(self.categorical) + self.continuous

    @property
    def output_dim(self) -> int:
        """How many numbers the Q head gives: as many, logits in place of one-hots and means in place of values."""
        return self.dim

    def sample(self, n: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu") -> Tensor:
        """n draws: float32 [n, dim] on `device`, each category evenly. The draw is made where `generator` lives."""
        home = _home(generator, device)
        chosen = [torch.randint(values, (n,), generator=generator, device=home) for values in self.categorical]
        numbers = torch.rand(n, self.continuous, generator=generator, device=home) * 2 - 1
        return self.join(chosen, numbers).to(device)

    def join(self, categories: Sequence[Tensor], continuous: Tensor | None = None) -> Tensor:
        """Category numbers (int64 [n] each) and values [n, continuous] -> codes [n, dim]; what `split` undoes."""
        parts = [onehot(chosen, values) for chosen, values in zip(categories, self.categorical, strict=True)]
        if self.continuous:
            parts.append(continuous.float())
        return torch.cat(parts, dim=1)

    def split(self, codes: Tensor) -> tuple[list[Tensor], Tensor]:
        """Codes [n, dim] -> (category numbers, int64 [n] each; values [n, continuous])."""
        logits, continuous = self.split_prediction(codes)
        return [block.argmax(dim=1) for block in logits], continuous

    def split_prediction(self, prediction: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the Q head gave, [n, output_dim] -> (logits [n, values] of each category; means [n, continuous])."""
        *logits, means = prediction.split([*self.categorical, self.continuous], dim=1)
        return logits, means
