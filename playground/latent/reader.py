"""What a classifier reads in pictures: the guide of every steering, and the judge of what came of it.

A reader gives one logit s a name; the probability, or the value of a scaled attribute, is σ(s) = 1 / (1 + e^−s).
Of classes, which exclude each other, the logit is the log-odds of one against all others,

    s_k = l_k − log Σ_{j≠k} e^{l_j},    so that σ(s_k) = softmax(l)_k,

and classes and attributes can be steered by the same rules.
"""

from __future__ import annotations

import importlib
from functools import lru_cache

import torch
from torch import Tensor

from playground.data.base import DataInfo
from playground.errors import UsageError, unknown
from playground.model import Model, fitted

#: data sets drawn by code, whose attributes are functions of known factors
_DRAWN = ("faces", "shapes")

_WORDS = {
    "brows": "raised brows", "eye_open": "wide-open eyes", "gaze_x": "looking right", "gaze_y": "looking down",
    "tilt": "leaning right", "turn": "turned right", "age": "age", "smile": "smile", "mouth_open": "open mouth",
    "face_width": "wide face", "tied_hair": "tied-up hair", "dyed_hair": "dyed hair", "bald": "bald",
    "x": "further right", "y": "further down", "rotation_cos": "turned upright", "rotation_sin": "turned sideways",
    "size": "larger",
}  # fmt: skip


def words(name: str) -> str:
    """What a person calls an attribute: `words("mouth_open")` is "open mouth"; unknown names lose their underscores."""
    return _WORDS.get(name, name.replace("_", " "))


class Reader:
    """Reads attributes (classes, if it was not taught any) of pictures with a trained classifier.

    Args:
        model: a `Model` of kind "classifier".

    Attributes:
        names: what is read, in the order of all columns.
        binary: for each name, whether it is there or not (True) or a matter of degree (False).
        exclusive: True where the names are classes, of which exactly one holds.

    Raises:
        UsageError: a generator.
    """

    def __init__(self, model: Model):
        if getattr(model, "kind", "generator") != "classifier":
            raise UsageError("Only a classifier can read pictures: choose a model such as 'faces-attributes'.")
        self.model, self.network = model, model.modules["C"]
        self.exclusive = self.network.attribute_head is None
        self.names: tuple[str, ...] = tuple(model.info.classes if self.exclusive else model.info.attributes)
        scaled, self._related = (frozenset(), {}) if self.exclusive else _structure(model.info)
        stated = model.facts.get("binary")  # found from the data when the classifier was trained
        if isinstance(stated, list) and not self.exclusive:
            scaled = frozenset(self.names) - frozenset(stated)
        self.binary = tuple(name not in scaled for name in self.names)

    def __repr__(self) -> str:
        return f"Reader({self.model!r}, {len(self.names)} names)"

    @property
    def device(self) -> torch.device:
        return self.model.device

    def index(self, name: str) -> int:
        """The column of `name`; raises UsageError for an unknown one, with the nearest."""
        if name not in self.names:
            raise unknown("class" if self.exclusive else "attribute", str(name), self.names)
        return self.names.index(name)

    def related(self, name: str) -> frozenset[str]:
        """Names that can't all stay while `name` changes, because one cause moves them: a bald head has no curls.

        Of the data sets drawn by code these are the attributes that share a factor; of classes, all others; elsewhere
        none are known.
        """
        self.index(name)
        if self.exclusive:
            return frozenset(self.names) - {name}
        return frozenset(self._related.get(name, ())) & frozenset(self.names)

    def prepare(self, images: Tensor) -> Tensor:
        """[N, C, h, w] in [-1, 1] of any size, grey or colour -> as the classifier takes them; differentiable."""
        return fitted(images, self.model.info)

    def logits(self, images: Tensor) -> Tensor:
        """Pictures [N, C, h, w] in [-1, 1] -> log-odds [N, A], differentiable."""
        reading = self.network(self.prepare(images.to(self.device)))
        if not self.exclusive:
            return reading.attribute_logits.float()
        logits = reading.class_logits.float()
        # log(1 − p_k) through the others: exact where p_k is nearly 1
        everything = logits[:, None, :].expand(-1, logits.shape[1], -1)
        own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
        return logits - everything.masked_fill(own, -torch.inf).logsumexp(dim=2)

    @torch.no_grad()
    def __call__(self, images: Tensor, batch: int = 256) -> Tensor:
        """Pictures [N, C, h, w] in [-1, 1] -> probabilities or values in [0, 1], float32 [N, A] on the CPU."""
        parts = [torch.sigmoid(self.logits(images[i : i + batch])).cpu() for i in range(0, len(images), batch)]
        return torch.cat(parts) if parts else torch.zeros(0, len(self.names))


@lru_cache(maxsize=16)
def _structure(info: DataInfo) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """(names that are matters of degree, {name: names that share a cause with it}) for attributes of a data set.

    Found by experiment, one factor at a time: an attribute that ever moves when a factor is redrawn depends on it.
    """
    if info.name not in _DRAWN or not info.attributes:
        return frozenset(), {}
    data = importlib.import_module(f"playground.data.{info.name}")
    if tuple(info.attributes) != tuple(data.ATTRIBUTES):
        return frozenset(), {}
    first, second = (data.sample_factors(512, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    before = data.attributes(first)
    scaled = ((before > 0) & (before < 1)).any(dim=0).tolist()
    related: dict[str, set[str]] = {name: set() for name in info.attributes}
    for factor in data.FACTORS:
        moved = (data.attributes({**first, factor: second[factor]}) != before).any(dim=0).tolist()
        together = {name for name, hit in zip(info.attributes, moved, strict=True) if hit}
        for name in together:
            related[name] |= together - {name}
    return (
        frozenset(name for name, hit in zip(info.attributes, scaled, strict=True) if hit),
        {name: frozenset(others) for name, others in related.items()},
    )
