"""THE table of shipped models: a name, the preset and settings that make it, its pictures, and what its card says.

The table is plain data: reading it imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from playground.errors import unknown
from playground.knobs import Settings
from playground.methods import find_method, method_settings

MAX_BYTES = 25_000_000  # of a model's weights


@dataclass(frozen=True)
class Source:
    """Where a recipe's pictures come from.

    `name` is what the model's config calls them. A `registered` one is opened by that name; of one with a `flag`, that
    flag names a folder or zip instead (the only way, where it is not registered); a `builder` ("module:function",
    called with the settings and the folder of the flag) puts the pictures together.
    """

    name: str
    title: str
    licence: str
    registered: bool = False
    flag: str = ""
    builder: str = ""


FACES = Source("faces", "cartoon faces drawn by this project's code", "CC0 (drawn by this project's code)", True)
FACES_EDGES = Source("faces-edges", "cartoon faces and line drawings by this project's code", FACES.licence, True)
FACES_LABELS = Source("faces-labels", "cartoon faces and label maps by this project's code", FACES.licence, True)
FACES_SEGMENTATION = Source("faces-segmentation", FACES_LABELS.title, FACES.licence, True)
FACES_REDRAWN = Source(
    "faces",
    f"{FACES.title}, every second one as its own faces-style draws it",
    FACES.licence,
    True,
    builder="training.zoo.stores:faces_and_redrawn",
)
MNIST = Source("mnist", "MNIST digits (LeCun, Cortes & Burges)", "CC BY-SA 3.0", True, "mnist")
_NOTO = "Apache License 2.0: Noto Emoji, copyright Google LLC (github.com/googlefonts/noto-emoji), laid over white"
EMOJI = Source("emoji-noto", "Noto Emoji by Google, laid over white", _NOTO, flag="emoji")
_FX = "CC BY 4.0: FxEmojis, copyright Mozilla Foundation (github.com/mozilla/fxemoji), drawn over white"
EMOJI_STYLES = Source(
    "emoji-noto-fx",
    "Noto Emoji by Google and FxEmojis by Mozilla, over white",
    f"{_NOTO}; {_FX}",
    flag="emoji-styles",
    builder="training.zoo.stores:emoji_in_two_styles",
)
FACES_AND_EMOJI = Source(
    "faces+emoji-noto",
    "cartoon faces drawn by this project's code, and Noto Emoji by Google",
    f"faces: CC0; emoji: {_NOTO}",
    flag="emoji",
    builder="training.zoo.stores:faces_and_emoji",
)


@dataclass(frozen=True)
class Recipe:
    """One shipped model. `knobs` are what differs from the preset; `serves` names the data sets whose pictures, or
    whose generators' pictures, a classifier is meant to read. `first` are the knobs, over these, of an earlier run,
    from whose model this one's begins; `first_source` are that run's pictures, where they are others."""

    name: str
    title: str
    preset: str
    source: Source
    about: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    serves: tuple[str, ...] = ()
    taken_at: int = 0  # the step of the schedule at which the weights are taken; 0: its last
    first_seed: int = 0  # of the picture that it is first seen with
    # options of `train_encoder`, and the `rank` that one is brought to which learned beside; none: it gets no encoder
    encoder: Mapping[str, Any] = field(default_factory=dict)
    first: Mapping[str, Any] = field(default_factory=dict)
    first_source: Source | None = None

    @property
    def last_step(self) -> int:
        """How many steps it takes, those of its first run included."""
        return (self.taken_at or self.settings.steps) + self.first.get("steps", 0)

    @property
    def kind(self) -> str:
        """What it is: "generator" or "classifier"."""
        return find_method(self.preset).kind

    @property
    def settings(self) -> Settings:
        """All knobs it is trained with."""
        return method_settings(self.preset, self.knobs)


#: what style-based generators that learn from reconstructions have in common
_RECONSTRUCTED = dict(
    size=64, batch_size=16, precision="bfloat16", grow=True, grow_from=32, style_start="styles", encode_to="w",
    mapping="flow", beta1=0.5, learning_rate_g=0.003, learning_rate_d=0.002, reconstruction=2.4, r1=1.0,
    penalty_every=8, style_noise=False, ema_decay=0.995, rate_decay="linear", seed=1,
)  # fmt: skip
#: and those who read faces; their first run is on faces as they are
_READER = dict(
    size=64, steps=1_000, batch_size=64, learning_rate_d=0.003, rate_decay="linear", decay_from=0.2, max_images=32_000
)
_READER_FIRST = {"steps": 7_000, "rate_decay": "cosine", "decay_from": 0.0}

RECIPES: dict[str, Recipe] = {}


def _add(name: str, title: str, preset: str, source: Source, about: str, *, serves: tuple[str, ...] = (), taken_at: int = 0, first_seed: int = 0, encoder: Mapping[str, Any] = MappingProxyType({}), first: Mapping[str, Any] = MappingProxyType({}), first_source: Source | None = None, **knobs: Any) -> None:  # fmt: skip  # noqa: E501
    if name in RECIPES:
        raise ValueError(f"recipe '{name}' is registered twice")
    knobs = MappingProxyType(knobs)
    RECIPES[name] = Recipe(
        name, title, preset, source, about, knobs, serves, taken_at, first_seed, encoder, first, first_source
    )
    _ = RECIPES[name].settings, method_settings(preset, {**knobs, **first})  # a wrong setting is an error at once


_add(
    "faces-style",
    "Cartoon faces, style-based",
    "stylegan",
    FACES,
    "A style-based generator of cartoon portraits, 64 × 64. Its styles can be explored, mixed and steered. It learned "
    "to draw from reconstructions, beside an encoder whose codes are styles: at 32 pixels for 9,000 steps, then at 64. "
    "Its rate fell to 0 three times, at step 18,000 (from 0.003), at 21,000 (from 0.002, with features-v1 beside the "
    "pixels) and at 34,500 (from 0.003, with what has detail counting more), and rose to 0.0025 twice: there, with "
    "attributes read in codes and drawings, and at 43,550, where a flow took the place of its mapping network, which "
    "learned from then on which codes there are. From step 51,000 on a discriminator has played, against what is drawn "
    "at 16 pixels and finer (from a rate of 0.0005): it made edges and eyes crisp. Styles, codes and coarse layers are "
    "as they were before; discriminators that taught those too drew halos and white strokes into every face.",
    **_RECONSTRUCTED, w_dim=128, mapping_rate=1.0, steps=59_000, detail=6.0, perceptual=0.6, attribute_loss=3.0,
    adversarial_from=0.864, frozen=2, validity=0.15, decay_from=0.93, first_seed=17,
    encoder={"steps": 400, "batch": 16, "lr": 2e-4, "seed": 0, "width": 32, "rank": 128},
)  # fmt: skip
_add(
    "digits-cgan",
    "Handwritten digits, by class",
    "cgan",
    MNIST,
    "A generator of handwritten digits, 32 × 32, that draws the digit it is asked for. Its first 7,500 steps "
    "were a run of their own; in the 1,500 since then a new discriminator also named the digits, as ACGAN's does, "
    "beside its projection of the class.",
    size=32, steps=1_500, batch_size=64, condition="projection", auxiliary=1.0, learning_rate_g=0.0001,
    learning_rate_d=0.0003, rate_decay="linear", decay_from=0.5, ema_decay=0.995, seed=2,
    first=dict(
        steps=7_500, auxiliary=0.0, learning_rate_g=0.0003, rate_decay="cosine", decay_from=0.0, ema_decay=0.999, seed=1
    ),
)  # fmt: skip
_add(
    "emoji-style",
    "Emoji, style-based",
    "stylegan",
    EMOJI,
    "A style-based generator of emoji, 64 × 64. Like faces-style it learned to draw from reconstructions, beside an "
    "encoder whose codes are styles; its mapping network is a flow from noise to such codes. The pictures are few: "
    "people, hands and smileys are often emoji that it was taught, redrawn; others lie between two and are blots. Its "
    "rate fell to 0 at step 12,000, and from 0.002 at 19,000. Since then a discriminator has played, with "
    "differentiable augmentation, against what is drawn at 8 pixels and finer (from a rate of 0.001): it gave shapes "
    "their outlines.",
    **_RECONSTRUCTED, width=24, w_dim=96, latent_dim=96, steps=25_300, detail=4.0, perceptual=0.4, flip=True,
    augment="colour,translation,cutout", adversarial_from=0.7509, frozen=1, validity=0.2, decay_from=0.9, first_seed=26,
)  # fmt: skip
_add(
    "faces-attributes",
    "Reader of cartoon faces",
    "attribute-classifier",
    FACES_REDRAWN,
    "Reads 27 attributes of a cartoon portrait (glasses, a hat, a smile, age, ...) and what is on its head. Its "
    "gradients steer generators of faces. It learned from faces of its own: data seed 11, which nothing else uses; in "
    "the end from as many that faces-style had drawn again, so that it knows a smile in those as well.",
    serves=("faces",),
    **_READER, seed=11, first=_READER_FIRST | {"learning_rate_d": 0.008}, first_source=FACES,
)  # fmt: skip
_add(
    "faces-attributes-judge",
    "Judge of cartoon faces",
    "attribute-classifier",
    FACES_REDRAWN,
    "Reads the same attributes as `faces-attributes`, for scoring alone: never steer with it, or nothing "
    "independent is left to judge by. A wider network, other faces (data seed 12, in the end half of them drawn again "
    "by faces-style) and other weights, so that the two share few errors.",
    serves=("faces",),
    **_READER, seed=12, width=24, feature_dim=192, first=_READER_FIRST | {"learning_rate_d": 0.006}, first_source=FACES,
)  # fmt: skip
_add(
    "digits-judge",
    "Judge of handwritten digits",
    "classifier",
    MNIST,
    "Names handwritten digits, for scoring and steering generators of digits. A fifth of the pictures was held out and "
    "never taught.",
    serves=("mnist",),
    size=32, steps=2_000, batch_size=64, held_out=0.2, seed=21,
)  # fmt: skip
_add(
    "features-v1",
    "Features of drawn pictures",
    "attribute-classifier",
    FACES_AND_EMOJI,
    "A residual network whose features and feature maps measure how alike pictures and sets of pictures are. It was "
    "taught every factor that cartoon faces are drawn from (colours, clothes, backdrop, pose and all) and the kind of "
    "emoji.",
    size=64, steps=3_000, batch_size=64, learning_rate_d=0.008, width=20, auxiliary=0.3, seed=31,
)  # fmt: skip
_add(
    "edges-to-faces",
    "Line drawings to faces",
    "pix2pix",
    FACES_EDGES,
    "Colours a line drawing of a face, 128 × 128: the translator behind the sketch pad.",
    size=128, steps=5_500, batch_size=8, width=24, precision="bfloat16", reconstruction=15.0, feature_matching=10.0,
    rate_decay="linear",
    decay_from=0.5, ema_decay=0.995, held_out=0.02, max_images=24_576, seed=1,
)  # fmt: skip
_add(
    "edges-to-emoji",
    "Line drawings to emoji",
    "pix2pix",
    EMOJI,
    "Colours a line drawing in the manner of Noto emoji, 64 × 64. It was taught by emoji and their own edges; of one "
    "picture in fifty it saw neither, but most of those have near twins (of another skin tone, say) among the rest.",
    size=64, steps=7_000, batch_size=8, width=32, patch=34, precision="float32", reconstruction=15.0,
    feature_matching=10.0, rate_decay="linear", decay_from=0.5, ema_decay=0.995, held_out=0.02, flip=True, seed=1,
)  # fmt: skip
_add(
    "labels-to-faces",
    "Label maps to faces",
    "spade",
    FACES_LABELS,
    "Paints a face, 64 × 64, from a map that says what is where: skin, hair, eyes, glasses and so on. Its first 6,000 "
    "steps were a schedule of their own, with reconstruction 10 and a rate that fell to 0. Edges keep a halo, "
    "backdrops are soft, and now and then colours glare: more training would help.",
    size=64, steps=14_000, batch_size=8, learning_rate_g=0.0005, reconstruction=3.0, rate_decay="linear",
    decay_from=0.7, ema_decay=0.995, held_out=0.02, max_images=24_576, seed=1,
)  # fmt: skip
_add(
    "faces-segmentation",
    "What is where in a face",
    "unet-segmentation",
    FACES_SEGMENTATION,
    "Tells of each pixel of a cartoon face, 128 × 128, what it shows: skin, hair, eyes, glasses and so on.",
    size=128, steps=8_500, batch_size=8, width=20, rate_decay="linear", decay_from=0.6, ema_decay=0.995, held_out=0.02,
    max_images=24_576, seed=1,
)  # fmt: skip
_add(
    "faces-upscale",
    "Four times as large",
    "srgan",
    FACES,
    "Makes cartoon faces four times as large, 16 to 64 pixels; other pictures as far as they have clean lines too. In "
    "its last 1,500 steps it was also held to the target in features-v1.",
    size=64, steps=6_500, batch_size=16, width=32, learning_rate_g=0.0005, rate_decay="linear", decay_from=0.5,
    perceptual=5.0, ema_decay=0.995, held_out=0.02, max_images=24_576, seed=41,
)  # fmt: skip
_add(
    "emoji-noto-fx",
    "Emoji in another hand",
    "cyclegan",
    EMOJI_STYLES,
    "Redraws Noto emoji in the manner of Firefox OS and back, 64 × 64. It was never told which emoji belong together; "
    "a tenth of those that both have was kept to measure with.",
    size=64, steps=12_000, batch_size=4, width=24, precision="bfloat16", flip=True, patch=34, ema_decay=0.995, seed=1,
)  # fmt: skip


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`; raises UsageError naming the nearest."""
    if name not in RECIPES:
        raise unknown("model", name, RECIPES)
    return RECIPES[name]
