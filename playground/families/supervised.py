r"""The supervised family: one classifier C that learns what is in a picture from pictures whose answer is known.

Classes by cross-entropy, L = −E log softmax(C(x))_y; attributes a ∈ [0, 1] by the cross-entropy of as many independent
Bernoulli variables, L = −E mean_i [a_i log σ(C_i(x)) + (1 − a_i) log(1 − σ(C_i(x)))], over those that are known (an
unknown one is NaN). Networks: `playground.networks.classifier`.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground import stabilisers, terms
from playground.data.base import Batch, DataInfo
from playground.errors import UsageError
from playground.families.base import Family, GridPlan, Phase, Terms, check_one_sided
from playground.knobs import Settings
from playground.networks.classifier import ClassifierBody
from playground.networks.describe import describe as describe_network

_ROWS = 10  # of the sample grid, at most


class Reading(NamedTuple):
    """What a classifier says of pictures: features [N, F]; logits of classes [N, K] and attributes [N, A], None where
    it has no such head."""

    features: Tensor
    class_logits: Tensor | None
    attribute_logits: Tensor | None


class Classifier(nn.Module):
    """C(x): pictures [N, C, S, S] in [-1, 1] to a `Reading`."""

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__()
        self.body = ClassifierBody(
            settings.architecture,
            channels=info.channels,
            size=info.size,
            width=settings.width,
            norm=settings.norm_d,
            feature_dim=settings.feature_dim,
        )
        width = self.body.feature_dim
        names_classes = settings.auxiliary > 0 and len(info.classes) > 1
        self.class_head = nn.Linear(width, len(info.classes)) if names_classes else None
        names_attributes = settings.attribute_loss > 0 and info.attributes
        self.attribute_head = nn.Linear(width, len(info.attributes)) if names_attributes else None

    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps [N, C_i, H_i, W_i], fine to coarse, for a perceptual distance."""
        return self.body.maps(x)

    def forward(self, x: Tensor) -> Reading:
        features = self.body(x)
        return self.head(features)

    def head(self, features: Tensor) -> Reading:
        """The reading that goes with features [N, F]."""
        return Reading(
            features,
            None if self.class_head is None else self.class_head(features),
            None if self.attribute_head is None else self.attribute_head(features),
        )


class Supervised(Family):
    """One classifier against the truth. It goes by the discriminator's settings, where a setting is of a player."""

    averaged: ClassVar[tuple[str, ...]] = ("C",)
    learning_rates: ClassVar[dict[str, str]] = {"C": "learning_rate_d"}
    kind: ClassVar[str] = "classifier"
    robust: ClassVar[bool] = True

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__(settings, info)
        check_together(settings, info)
        self.players = {"C": Classifier(settings, info)}
        self._correct: dict[str, Tensor] = {}

    # --- learning

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("classifier", ("C",), self.classifier_terms),)

    def held_share(self) -> float:
        return self.settings.held_out

    def classifier_terms(self, batch: Batch) -> Terms:
        """C's loss on a batch, changed at random as `augment`, `instance_noise` and `flip` say."""
        s = self.settings
        reading = self.players["C"](self._view(batch.images))
        result: Terms = {}
        if reading.class_logits is not None:
            result["class"] = s.auxiliary * terms.class_cross_entropy(reading.class_logits, batch.labels)
        if reading.attribute_logits is not None:
            result["attributes"] = s.attribute_loss * terms.attribute_cross_entropy(
                reading.attribute_logits, batch.attributes
            )
        with torch.no_grad():
            self._correct = {f"{name}_taught": share for name, share in scores(reading, batch).items()}
        return result

    def _view(self, images: Tensor) -> Tensor:
        """The pictures a little changed: what a good reader does not mind."""
        s = self.settings
        if s.flip:
            turned = torch.rand(len(images), 1, 1, 1, device=images.device, generator=self.generator) < 0.5
            images = torch.where(turned, images.flip(3), images)
        for part in s.augment.split(","):
            if part in _CHANGES:
                images = _CHANGES[part](images, self.generator)
        if s.instance_noise > 0:
            images = stabilisers.instance_noise(images, self._uniform(images) * s.instance_noise, self.generator)
        return images

    def _uniform(self, images: Tensor) -> Tensor:
        return torch.rand(len(images), 1, 1, 1, device=images.device, generator=self.generator)

    # --- what is seen of it

    def grid_plan(self) -> GridPlan:
        """A row a class or, without classes, an attribute."""
        names = self.info.classes if self.players["C"].class_head is not None else self.info.attributes
        rows = names[:_ROWS]
        return GridPlan(len(rows), 8 if self.info.size <= 64 else 4, tuple(name.replace("_", " ") for name in rows))

    def grid(self, players: dict[str, nn.Module], seed: int) -> Tensor:
        """Of the pictures held out, each row those that C is surest of, the surest first."""
        plan, test = self.grid_plan(), self.tested()
        images = test.images
        reading = players["C"](images)
        logits = reading.class_logits if reading.class_logits is not None else reading.attribute_logits
        sure = logits.float().log_softmax(1) if reading.class_logits is not None else logits.float()
        best = sure[:, : plan.rows].argsort(0, descending=True)[: plan.columns].T  # [rows, at most columns]
        short = plan.columns - best.shape[1]
        if short > 0:  # fewer pictures than places
            best = torch.cat([best, best[:, -1:].expand(-1, short)], 1)
        return images[best.flatten()]

    def observations(self) -> dict[str, Tensor]:
        """Accuracy and error on pictures held out (64 of them, in turn) and on the batch just learned from."""
        test, network = self.tested(), self.players["C"]
        count = len(test.images)
        at = (torch.arange(min(64, count)) + 64 * self.step) % count
        batch = Batch(*(None if t is None else t[at] for t in (test.images, test.labels, test.attributes)))
        training = network.training
        network.eval()
        try:
            with torch.no_grad():
                reading = network(batch.images)
        finally:
            network.train(training)
        return scores(reading, batch) | self._correct

    def facts(self) -> dict[str, Any]:
        """`binary`: which attributes are either there or not, by the truth of the pictures held out."""
        test = self.tested()
        if test.attributes is None:
            return {}
        columns = zip(self.info.attributes, binary_columns(test.attributes).tolist(), strict=True)
        return {"binary": [name for name, binary in columns if binary]}

    def check_change(self, name: str, value: Any) -> None:
        if name in ("auxiliary", "attribute_loss") and (value > 0) != (self.settings[name] > 0):
            raise UsageError(
                f"A head can't be added or taken away while a training runs: start a new run with {name} "
                f"{'set' if value > 0 else '0'}."
            )

    @classmethod
    def sampling_networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        check_together(settings, info)
        return {"C": Classifier(settings, info)}

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        check_together(settings, info)
        network = _Shown(Classifier(settings, info))
        return [("Classifier", describe_network(network, torch.zeros(2, info.channels, info.size, info.size)))]


class _Shown(nn.Module):
    """A classifier whose output is one tensor, for the table of its layers."""

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.body, self.class_head, self.attribute_head = (
            classifier.body,
            classifier.class_head,
            classifier.attribute_head,
        )

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        heads = [head(features) for head in (self.class_head, self.attribute_head) if head is not None]
        return torch.cat(heads, 1)


# --- losses and scores


def binary_columns(targets: Tensor) -> Tensor:
    """bool [A]: which attributes [N, A] are 0 or 1 wherever they are known, and known somewhere."""
    known = torch.isfinite(targets)
    return ((targets == 0) | (targets == 1) | ~known).all(0) & known.any(0)


def scores(reading: Reading, batch: Batch) -> dict[str, Tensor]:
    """How right a reading is: `accuracy` of the named class; `attribute_accuracy` (share of the known attributes on
    the right side of a half) and `attribute_error` (mean distance from the truth, in [0, 1]). Scalars."""
    found = {}
    if reading.class_logits is not None:
        found["accuracy"] = (reading.class_logits.argmax(1) == batch.labels).float().mean()
    if reading.attribute_logits is not None:
        known = torch.isfinite(batch.attributes)
        count, truth = known.sum().clamp(min=1), batch.attributes.nan_to_num(0.0)
        said = reading.attribute_logits.float().sigmoid()
        found["attribute_accuracy"] = (((said > 0.5) == (truth > 0.5)) & known).sum() / count
        found["attribute_error"] = ((said - truth).abs() * known).sum() / count
    return found


# --- changes of pictures that leave the answer as it is: milder than those that both players of a game may see


def _jittered(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Brightness ± 0.1, contrast 0.85 to 1.15 about mid-grey and some blur, a draw a picture.

    The blur mixes in up to a half of the next pixel to the right and below: an eighth of the time of a 3×3 mean.
    """
    blur, contrast, brightness = torch.rand(3, len(x), 1, 1, 1, device=x.device, generator=generator)
    wide = F.pad(x, (0, 1, 0, 1), mode="replicate")
    for axis in (2, 3):
        length = wide.shape[axis] - 1
        wide = torch.lerp(wide.narrow(axis, 0, length), wide.narrow(axis, 1, length), 0.5 * blur)
    return (wide * (0.85 + 0.3 * contrast)).add_(0.2 * (brightness - 0.5)).clamp_(-1, 1)


def _shifted(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Moved by up to two pixels each way (of large pictures a thirty-second of the side), the border repeated."""
    n, channels, height, width = x.shape
    reach = max(2, height // 32)
    by = torch.randint(-reach, reach + 1, (2, n, 1), device=x.device, generator=generator)
    rows = (torch.arange(height, device=x.device) + by[0]).clamp(0, height - 1)  # [N, H]
    columns = (torch.arange(width, device=x.device) + by[1]).clamp(0, width - 1)
    index = rows[:, :, None] * width + columns[:, None, :]
    return x.flatten(2).gather(2, index.view(n, 1, -1).expand(n, channels, -1)).view(x.shape)


_CHANGES = {
    "colour": _jittered,
    "translation": _shifted,
    "cutout": lambda x, generator: stabilisers.augment(x, "cutout", generator),
}


def check_together(settings: Settings, info: DataInfo) -> None:
    """Raise UsageError, with one sentence, where there is nothing to learn or nothing to test on."""
    check_one_sided(info)
    if settings.attribute_loss > 0 and not info.attributes:
        raise UsageError(
            f"This preset needs pictures with known attributes and '{info.name}' has none: use 'faces' or 'shapes', or "
            "the preset classifier."
        )
    if settings.attribute_loss <= 0 and len(info.classes) < 2:
        raise UsageError(
            f"This preset needs labelled pictures and '{info.name}' has none: sort them into one folder a class, "
            "or use 'faces' or 'shapes'."
        )
    if settings.attribute_loss <= 0 and settings.auxiliary <= 0:
        raise UsageError("A classifier needs something to learn: set auxiliary or attribute_loss above 0.")
    if settings.held_out <= 0:
        raise UsageError("A classifier is tested on pictures held out: set held_out above 0.")
