"""Knobs: one description of every setting, from which the slider, the flag, the validation and the run's file are made.

A knob's default stands here and nowhere else; a preset overrides some of them (see `methods`).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from playground.errors import UsageError, suggestion, unknown


@dataclass(frozen=True)
class Knob:
    """One setting.

    `kind` is "int", "float", "bool" or "choice"; `low` and `high` are inclusive; `log` asks for a logarithmic slider;
    `live` says that it can be changed while a training runs; `basic` that it is shown unfolded.
    """

    name: str
    kind: str
    default: Any
    label: str
    help: str
    group: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    live: bool = False
    basic: bool = False

    @property
    def flag(self) -> str:
        """The command-line flag, kebab-case."""
        return "--" + self.name.replace("_", "-")

    def validate(self, value: Any) -> Any:
        """`value` converted to this knob's type.

        Raises:
            UsageError: not of the type, not finite, outside the range, or not one of the choices.
        """
        if self.kind == "bool":
            return self._bool(value)
        if self.kind == "choice":
            return self._choice(value)
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except OverflowError:  # a whole number beyond the range of floats
            number = math.inf
        except (TypeError, ValueError):
            raise UsageError(f"{self.name} must be a number, not '{value}'.") from None
        if not math.isfinite(number):
            raise UsageError(f"{self.name} must be a finite number, not {value}.")
        if self.kind == "int":
            if number != round(number):
                raise UsageError(f"{self.name} must be a whole number, not {value}.")
            number = round(number)
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise UsageError(
                f"{self.name} must lie between {_short(self.low)} and {_short(self.high)}, not {_short(number)}."
            )
        return number

    def _bool(self, value: Any) -> bool:
        if isinstance(value, str) and value.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return value.lower() in ("true", "yes", "on", "1")
        if isinstance(value, (bool, int)) and value in (0, 1):
            return bool(value)
        raise UsageError(f"{self.name} must be true or false, not '{value}'.")

    def _choice(self, value: Any) -> Any:
        for choice in self.choices:
            if value == choice or str(value) == str(choice):
                return choice
        raise UsageError(f"{self.name} can't be '{value}'. {suggestion(str(value), map(str, self.choices))}")


def _short(number: float | None) -> str:
    return "any" if number is None else f"{number:,.12g}"


GROUPS = {
    "run": "Run",
    "optimiser": "Optimisers",
    "objective": "Objective",
    "networks": "Networks",
    "condition": "Labels and codes",
    "translation": "Translation",
    "penalties": "Penalties on the discriminator",
    "stabilisers": "Stabilisers",
    "data": "Pictures",
}

NORMS = ("default", "batch", "layer", "instance", "none")


def _table(*knobs: Knob) -> dict[str, Knob]:
    table: dict[str, Knob] = {}
    for knob in knobs:
        if knob.name in table or knob.group not in GROUPS:
            raise ValueError(f"knob '{knob.name}' is registered twice or in an unknown group")
        table[knob.name] = knob
        knob.validate(knob.default)
    return table


KNOBS: dict[str, Knob] = _table(
    # --- run
    Knob("steps", "int", 4000, "Steps", "Training ends after this many steps; a step is one full round of all players.", "run", 1, 10_000_000, log=True, live=True, basic=True),
    Knob("batch_size", "int", 64, "Batch size", "Pictures of each kind (real, fake) in a step. Larger is steadier and slower.", "run", 2, 4096, log=True, basic=True),
    Knob("size", "choice", 0, "Picture size", "Side of the pictures in pixels; 0 takes what suits the data.", "run", choices=(0, 16, 32, 64, 128), basic=True),
    Knob("seed", "int", 0, "Seed", "The same seed gives the same run.", "run", 0, 2**31 - 1, basic=True),
    Knob("precision", "choice", "auto", "Precision", "Number format inside the networks; losses and updates are always float32. auto takes bfloat16 where the processor is fast at it and the method is known to bear it.", "run", choices=("auto", "float32", "bfloat16")),
    # --- optimisers
    Knob("learning_rate_g", "float", 2e-4, "Generator learning rate", "How far G moves in a step.", "optimiser", 1e-6, 1.0, log=True, live=True, basic=True),
    Knob("learning_rate_d", "float", 2e-4, "Discriminator learning rate", "How far D, or a classifier, moves in a step; two different rates make the two time-scale rule (TTUR).", "optimiser", 1e-6, 1.0, log=True, live=True, basic=True),
    Knob("critic_steps", "int", 1, "D steps per G step", "How often D learns before G moves once; Wasserstein critics like 5.", "optimiser", 1, 20, live=True, basic=True),
    Knob("generator_steps", "int", 1, "G steps per D turn", "How often G learns in a step: more than once where D is far ahead.", "optimiser", 1, 20, live=True),
    Knob("optimiser", "choice", "adam", "Optimiser", "Adam is the usual choice; RMSprop goes with weight clipping.", "optimiser", choices=("adam", "rmsprop", "sgd")),
    Knob("beta1", "float", 0.5, "Adam β₁", "Memory of past gradients. 0.5 (DCGAN) or 0 (Wasserstein critics) rather than Adam's 0.9.", "optimiser", 0.0, 0.999),
    Knob("beta2", "float", 0.999, "Adam β₂", "Memory of past squared gradients.", "optimiser", 0.0, 0.99999),
    Knob("rate_decay", "choice", "constant", "Learning-rate schedule", "Constant, or falling to zero over the run.", "optimiser", choices=("constant", "linear", "cosine"), live=True),
    Knob("decay_from", "float", 0.0, "Decay from", "The share of the run after which the learning rate begins to fall; 0.5 is CycleGAN's.", "optimiser", 0.0, 0.99, live=True),
    Knob("ema_decay", "float", 0.995, "Average of G (EMA)", "Samples come from a moving average of G's weights; 0 switches it off, 0.999 averages about 1,000 steps.", "optimiser", 0.0, 0.99999, live=True),
    # --- objective
    Knob("objective", "choice", "non-saturating", "Objective", "What D and G each try to make small.", "objective", choices=("minimax", "non-saturating", "least-squares", "wasserstein", "hinge", "f-gan", "kl-wgan", "relativistic", "energy")),
    Knob("divergence", "choice", "kl", "f-divergence", "Which divergence the f-GAN objective estimates.", "objective", choices=("kl", "reverse-kl", "jensen-shannon", "gan", "pearson", "hellinger", "total-variation")),
    Knob("generator_form", "choice", "direct", "f-GAN generator", "conjugate follows the bound; direct is its non-saturating variant.", "objective", choices=("conjugate", "direct")),
    Knob("kl_form", "choice", "hinge", "KL-WGAN form", "The critic's loss that the ratio weights enter.", "objective", choices=("hinge", "wasserstein")),
    Knob("detach_ratio", "bool", False, "KL-WGAN: detach ratio", "Treat the density ratio as a constant weight.", "objective", live=True),
    Knob("margin", "float", 1.0, "EBGAN margin", "Energy above which fakes no longer interest D.", "objective", 0.0, 100.0, live=True),
    # --- networks
    Knob("architecture", "choice", "dcgan", "Architecture", "The shape of both networks.", "networks", choices=("mlp", "points", "dcgan", "dcgan-upsample", "resnet", "style"), basic=True),
    Knob("width", "int", 64, "Width", "Channels of the widest-picture layer; doubling it makes a step about three times as slow.", "networks", 4, 256, log=True),
    Knob("layers", "int", 0, "Hidden layers", "Of fully connected networks, on both sides; 0 takes the architecture's own, which is 3.", "networks", 0, 8),
    Knob("latent_dim", "int", 100, "Latent size", "Numbers in z, the noise a picture is made from.", "networks", 1, 1024, log=True),
    Knob("latent", "choice", "normal", "Latent distribution", "Where z is drawn from.", "networks", choices=("normal", "uniform")),
    Knob("norm_g", "choice", "default", "Normalisation in G", "default is the architecture's own.", "networks", choices=NORMS),
    Knob("initial_gain", "float", 1.0, "Initial gain", "What the hidden layers' first weights are multiplied by, on both sides, of fully connected networks: above 1 they begin steeper and find narrow modes sooner.", "networks", 0.1, 10.0, log=True),
    Knob("norm_d", "choice", "default", "Normalisation in D", "Gradient penalties need layer or none: batch statistics tie samples together.", "networks", choices=NORMS),
    Knob("spectral_norm", "bool", False, "Spectral normalisation", "Divide each layer of D by its largest singular value, so that D is 1-Lipschitz layer by layer.", "networks"),
    Knob("minibatch", "choice", "none", "Minibatch layer", "Lets D compare samples of a batch, so that a collapsed G is found out.", "networks", choices=("none", "discrimination", "stddev")),
    Knob("feature_dim", "int", 0, "Feature size", "Numbers that a classifier sums a picture up in: a dense layer over its last map, for pictures that are aligned; 0 takes the mean over the map's places.", "networks", 0, 1024),
    Knob("dropout_g", "float", 0.0, "Dropout in G", "Share of activations dropped, at training and at sampling.", "networks", 0.0, 0.9),
    Knob("code_dim", "int", 64, "EBGAN code size", "Numbers in the middle of D's auto-encoder.", "networks", 2, 1024, log=True),
    Knob("grow", "bool", False, "Progressive growing", "Start with small pictures and fade in one doubling after the other; for the style architecture.", "networks"),
    Knob("grow_from", "choice", 8, "Grow from", "Side of the first pictures.", "networks", choices=(4, 8, 16, 32)),
    Knob("w_dim", "int", 0, "Size of w", "Numbers in a style; 0 is twice the width.", "networks", 0, 1024),
    Knob("style_start", "choice", "constant", "First maps", "What the coarsest maps are: the same for all pictures (constant), or drawn from the first style as well (styles), which learns faster where things are.", "networks", choices=("constant", "styles")),
    Knob("mapping", "choice", "dense", "Mapping network", "What turns noise into styles: dense layers, or a flow, which carries it there in small steps and is taught where codes lie by flow matching instead of a game against a critic; for codes in w.", "networks", choices=("dense", "flow")),
    Knob("mapping_rate", "float", 0.01, "Mapping rate", "How fast the mapping network learns, as a share of the generator's rate; the paper's is 0.01.", "networks", 0.001, 1.0, log=True),
    Knob("style_mixing", "float", 0.0, "Style mixing", "Share of training samples whose finer layers take the style of a second latent.", "networks", 0.0, 1.0, live=True),
    Knob("style_noise", "bool", True, "Noise in layers", "Fresh noise in every style layer, for what is of chance in a picture: hair, stubble, grain. Off, the layers leave it out, in training and in every picture.", "networks", live=True),
    Knob("frozen", "int", 0, "Frozen resolutions", "Of a style-based generator, so many of the coarsest resolutions stay as they are once D plays, and so do styles and encoder: D teaches the finer ones how to draw, and what is drawn stays what it was. 0: all learn.", "networks", 0, 6, live=True),
    # --- condition
    Knob("condition", "choice", "none", "Condition", "How the class label enters the networks; needs pictures in class folders.", "condition", choices=("none", "onehot", "embedding", "projection")),
    Knob("auxiliary", "float", 0.0, "Class loss (ACGAN)", "Weight of telling the class: D's second task, a classifier's first; 0 is off.", "condition", 0.0, 100.0, live=True),
    Knob("attribute_loss", "float", 0.0, "Attribute loss", "Weight of a classifier's reading of attributes, each between 0 and 1; 0 is off. Beside an encoder: of reading them in its codes, and of drawing them so that they are read.", "condition", 0.0, 100.0, live=True),
    Knob("validity", "float", 1.0, "Real/fake loss", "Weight of the objective beside the class loss; a small one rescues a generator that ignores the class.", "condition", 0.0, 100.0, live=True),
    Knob("code_categories", "int", 0, "InfoGAN categories", "Values of the categorical code; 0 is none.", "condition", 0, 100),
    Knob("code_continuous", "int", 0, "InfoGAN sliders", "Number of continuous codes in [-1, 1].", "condition", 0, 16),
    Knob("information", "float", 0.0, "Mutual information λ", "Weight of the bound on the information the picture keeps about its codes.", "condition", 0.0, 100.0, live=True),
    # --- translation
    Knob("translator", "choice", "unet", "Translator", "The shape of a network from picture to picture.", "translation", choices=("unet", "resnet", "spade", "upscaler")),
    Knob("blocks", "int", 6, "Residual blocks", "Of a residual translator or an upscaler: 9 is CycleGAN's for large pictures.", "translation", 1, 16),
    Knob("upscale", "choice", 4, "Times larger", "How much larger super-resolution makes a picture.", "translation", choices=(2, 4)),
    Knob("patch", "choice", 70, "Patch size", "Pixels that a score of the discriminator depends on: small ones judge texture, large ones shape.", "translation", choices=(16, 34, 70)),
    Knob("scales", "int", 1, "Scales of D", "Discriminators at so many sizes of the picture (pix2pixHD).", "translation", 1, 3),
    Knob("width_d", "int", 0, "Width of D", "Channels of its finest map; 0 takes the generator's.", "translation", 0, 256),
    Knob("reconstruction", "float", 0.0, "Reconstruction λ", "Weight of the distance to the target (pix2pix: 100), or of a picture's own reconstruction (MUNIT: 10). With a generator from noise: an encoder is taught beside it (VAE-GAN).", "translation", 0.0, 1000.0, live=True),
    Knob("perceptual", "float", 0.0, "Perceptual λ", "Weight of the distance to the target in the features of a classifier (SRGAN's content loss). Of a picture's own reconstruction: how much it counts beside that of the pixels.", "translation", 0.0, 100.0, live=True),
    Knob("perceptual_by", "choice", "features-v1", "Perceptual network", "Whose features that distance is taken in. Scores are by features-v1: who learned by the other reader is scored by one that did not teach it.", "translation", choices=("features-v1", "faces-attributes")),
    Knob("detail", "float", 0.0, "Detail", "Of reconstructions by an encoder and a generator from noise, and of a translator held to a target: how much more a place counts where the picture has detail, octave by octave. Small things that a network is not yet sure of are then drawn rather than left out.", "translation", 0.0, 20.0, live=True),
    Knob("cycle", "float", 0.0, "Cycle λ", "Weight of coming back to where one started, A to B to A; CycleGAN's is 10.", "translation", 0.0, 1000.0, live=True),
    Knob("identity", "float", 0.0, "Identity λ", "Weight of leaving a picture as it is that already is of the other side; keeps colours.", "translation", 0.0, 1000.0, live=True),
    Knob("style_dim", "int", 8, "Style size", "Numbers that a style has, the part of a picture that a translation may choose (MUNIT).", "translation", 1, 64),
    Knob("content_loss", "float", 0.0, "Content λ", "Weight of reading a picture's content back from its translation; MUNIT's is 1.", "translation", 0.0, 1000.0, live=True),
    Knob("style_loss", "float", 0.0, "Style λ", "Weight of reading the style back that a translation was made with; MUNIT's is 1.", "translation", 0.0, 1000.0, live=True),
    Knob("kl", "float", 0.0, "KL λ", "Weight of the divergence of the codes from N(0, 1), which gives both sides one space of codes (UNIT: 0.01), or makes the codes of pictures those that samples are drawn from (VAE-GAN).", "translation", 0.0, 100.0, live=True),
    Knob("moments", "float", 0.0, "Code moments λ", "Weight of bringing mean and covariance of all pictures' codes to those of N(0, 1): samples then fall where codes lie, however little is asked of each (DIP-VAE).", "translation", 0.0, 100.0, live=True),
    Knob("encode_to", "choice", "z", "Codes lie in", "Where a generator's encoder puts pictures: in z, where samples are drawn from, or in w, the styles of a style-based one. Those in w are free; the mapping network learns to make such styles of z, against a critic of codes or as a flow.", "translation", choices=("z", "w")),
    Knob("adversarial_from", "float", 0.0, "D joins at", "Share of the run after which D joins; until then G and its encoder learn from reconstructions alone.", "translation", 0.0, 1.0, live=True),
    # --- penalties
    Knob("gradient_penalty", "float", 0.0, "Gradient penalty λ", "WGAN-GP: pull the critic's gradient norm to 1 between real and fake; 10 is usual.", "penalties", 0.0, 1000.0, live=True),
    Knob("dragan", "float", 0.0, "DRAGAN λ", "The same penalty around real pictures.", "penalties", 0.0, 1000.0, live=True),
    Knob("r1", "float", 0.0, "R1 γ", "γ/2 · squared gradient at real pictures; calms D where the data is.", "penalties", 0.0, 1000.0, live=True),
    Knob("r2", "float", 0.0, "R2 γ", "γ/2 · squared gradient at fakes.", "penalties", 0.0, 1000.0, live=True),
    Knob("penalty_every", "int", 1, "Penalties every", "Apply the penalties at every so many steps, as many times stronger: nearly the same effect for less work (lazy regularisation).", "penalties", 1, 64, live=True),
    Knob("weight_clip", "float", 0.0, "Weight clipping", "WGAN: keep every weight of the critic within ± this after each step; 0 is off, 0.01 the original.", "penalties", 0.0, 1.0, live=True),
    # --- stabilisers
    Knob("label_smoothing", "float", 0.0, "Label smoothing", "One-sided: D's target for real pictures is 1 minus this; 0.1 is usual.", "stabilisers", 0.0, 0.5, live=True),
    Knob("noisy_labels", "bool", False, "Noisy labels", "Targets drawn from 0.7 to 1.2 for real and 0 to 0.3 for fake.", "stabilisers", live=True),
    Knob("label_flip", "float", 0.0, "Label flipping", "Share of D's targets that are swapped.", "stabilisers", 0.0, 0.5, live=True),
    Knob("instance_noise", "float", 0.0, "Instance noise σ", "Gaussian noise added to all that D sees, so that real and fake overlap.", "stabilisers", 0.0, 2.0, live=True),
    Knob("instance_noise_steps", "int", 0, "Instance noise: decay steps", "The noise falls to zero over this many steps; 0 keeps it.", "stabilisers", 0, 10_000_000, live=True),
    Knob("augment", "choice", "none", "Differentiable augmentation", "The same random changes for real and fake before D sees them: for fewer than a few thousand pictures.", "stabilisers", choices=("none", "colour", "translation", "cutout", "colour,translation", "translation,cutout", "colour,translation,cutout"), live=True),
    Knob("feature_matching", "float", 0.0, "Feature matching", "Weight of the distance between mean features of real and fake in G's loss.", "stabilisers", 0.0, 1000.0, live=True),
    Knob("pulling_away", "float", 0.0, "Pulling-away term", "EBGAN-PT: keeps the codes of a batch of fakes from lining up.", "stabilisers", 0.0, 100.0, live=True),
    Knob("replay_buffer", "int", 0, "Replay buffer", "D also sees fakes of the past: how many are kept; 0 is off.", "stabilisers", 0, 4096),
    Knob("packing", "int", 1, "Packing", "PacGAN: D judges this many samples at once, so that lack of variety shows.", "stabilisers", 1, 8),
    Knob("unroll_steps", "int", 0, "Unrolled steps", "G answers a discriminator this many steps ahead, and is differentiated through them.", "stabilisers", 0, 10, live=True),
    # --- data
    Knob("fit", "choice", "crop", "Fitting", "How pictures that are not square become square.", "data", choices=("crop", "pad", "stretch")),
    Knob("flip", "bool", False, "Mirror at random", "Doubles the data where left and right don't matter; not for digits or letters.", "data", live=True),
    Knob("held_out", "float", 0.1, "Held out", "Share of the pictures that a classifier or translator is not taught but tested on.", "data", 0.0, 0.5),
    Knob("pair_input", "choice", "left", "Input of a pair", "Which half of side-by-side pictures is the input.", "data", choices=("left", "right")),
    Knob("pair_edges", "choice", "drawing", "Edges", "How lines are found where pictures without partners are paired with their own edges.", "data", choices=("drawing", "sobel", "canny", "dog")),
    Knob("max_images", "int", 0, "Use at most", "Take only this many pictures; 0 takes all.", "data", 0, 10_000_000),
)  # fmt: skip


class Settings(dict):
    """Validated values of all knobs, readable as attributes: `settings.learning_rate_g`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def change(self, name: str, value: Any) -> Any:
        """Set one live knob; returns the validated value.

        Raises:
            UsageError: unknown, not changeable while a training runs, or out of range.
        """
        knob = find(name)
        if not knob.live:
            raise UsageError(f"{name} can't be changed while a training runs: start a new run with it.")
        self[name] = knob.validate(value)
        return self[name]


def find(name: str) -> Knob:
    """The knob called `name`; raises UsageError with the nearest name."""
    if name not in KNOBS:
        raise unknown("setting", name, KNOBS)
    return KNOBS[name]


def settings(*layers: Mapping[str, Any]) -> Settings:
    """Defaults overridden by each of `layers` in turn, all validated."""
    values = Settings({name: knob.default for name, knob in KNOBS.items()})
    for layer in layers:
        for name, value in layer.items():
            values[name] = find(name).validate(value)
    return values


def add_flags(parser: argparse.ArgumentParser, names: Iterable[str] = KNOBS) -> None:
    """One flag a knob; a flag that is not given leaves no entry in the parsed namespace."""
    titles: dict[str, Any] = {}
    for name in names:
        knob = KNOBS[name]
        group = titles.setdefault(knob.group, None) or parser.add_argument_group(GROUPS[knob.group])
        titles[knob.group] = group
        text = knob.help.replace("%", "%%")
        if knob.choices:
            text += f" One of: {', '.join(map(str, knob.choices))}."
        group.add_argument(knob.flag, dest=name, default=argparse.SUPPRESS, metavar=knob.kind.upper(), help=text)


def from_flags(namespace: argparse.Namespace) -> dict[str, Any]:
    """The validated knob values that a parsed command line holds."""
    return {name: KNOBS[name].validate(value) for name, value in vars(namespace).items() if name in KNOBS}
