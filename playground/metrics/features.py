r"""Pictures as a trained classifier sees them: features to compare sets by, and a distance to compare two pictures by.

The distance is that of LPIPS without its learned weights (Zhang et al. 2018, The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric, arXiv 1801.03924, eq. 1):

    d(a, b) = 1/L · Σ_l  1/(H_l W_l) · Σ_{h,w} ‖ŷ_l(a)_{hw} − ŷ_l(b)_{hw}‖²

where ŷ_l are the maps of stage l, scaled to unit length over the channels at each place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from playground.errors import UsageError
from playground.model import Model, fitted, list_shipped, load_model, shipped_folder

#: the shipped classifier of drawn faces and emoji whose eyes are used where no other is asked for
DEFAULT = "features-v1"
_EPSILON = 1e-10
_CHUNK = 256


class Extractor:
    """A classifier as a measuring instrument. Gradients flow back to the pictures wherever they are asked for.

    Raises:
        UsageError: the model is a generator.
    """

    def __init__(self, model: Model):
        if model.kind != "classifier":
            raise UsageError("Features are read by a classifier: choose one, not a generator.")
        self.model, self.network = model, model.modules["C"]

    @property
    def name(self) -> str:
        """The model's name, which scores state beside their value: features of another extractor don't compare."""
        return self.model.folder.name if self.model.folder else self.model.facts.get("name") or self.model.preset

    @property
    def dim(self) -> int:
        """Length of the feature vectors."""
        return self.network.body.feature_dim

    def features(self, images: Tensor) -> Tensor:
        """The pooled features [N, F] of pictures [N, C, h, w] in [-1, 1] of any size, on the model's device.

        Raises:
            UsageError: not a batch of pictures.
        """
        parts = [self.network.body(self._fitted(part)) for part in images.split(_CHUNK)]
        return torch.cat(parts) if len(parts) != 1 else parts[0]

    def signature(self, images: Tensor) -> list[Tensor]:
        """The maps ŷ_l [N, C_l, H_l, W_l] of each stage, of unit length at each place: half of a distance, to keep."""
        return [_unit(maps) for maps in self.network.maps(self._fitted(images))]

    def distance(self, a: Tensor | Sequence[Tensor], b: Tensor | Sequence[Tensor]) -> Tensor:
        """d [N] ≥ 0 between pictures [N, C, h, w], or their signatures; either may be a single one. 0 for the same.

        Raises:
            UsageError: not pictures, or two batches of different lengths.
        """
        left, right = (self.signature(x) if isinstance(x, Tensor) else list(x) for x in (a, b))
        counts = {len(left[0]), len(right[0])} - {1}
        if len(counts) > 1:
            raise UsageError(
                f"Distances are between as many pictures on both sides, not {len(left[0])} and {len(right[0])}."
            )
        stages = [(x - y).square().sum(1).mean((1, 2)) for x, y in zip(left, right, strict=True)]
        return torch.stack(stages).mean(0)

    def _fitted(self, images: Tensor) -> Tensor:
        return fitted(images.to(self.model.device, torch.float32), self.model.info)


def _unit(maps: Tensor) -> Tensor:
    # inside the root: where a place is silent in all channels, the root's own slope would be infinite
    return maps / (maps.square().sum(1, keepdim=True) + _EPSILON).sqrt()


def default_extractor(device: str = "cpu") -> Extractor:
    """The shipped extractor `features-v1`; opened once.

    Raises:
        UsageError: it is not there, or there is no such device.
    """
    return shipped_extractor(DEFAULT, device)


def shipped_extractor(name: str, device: str = "cpu") -> Extractor:
    """The same of another shipped classifier, by name."""
    if name not in list_shipped():
        raise UsageError(
            f"The shipped model '{name}' is missing: train it with `python -m training.zoo {name}`, or make an "
            "Extractor of a classifier of your own."
        )
    folder = shipped_folder(name)
    return _opened(str(folder), device, (folder / "model.safetensors").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(folder: str, device: str, changed: int) -> Extractor:
    return Extractor(load_model(folder, device))
