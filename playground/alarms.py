"""Training folklore as checks: what a glance at the curves tells an old hand, said to a learner with its cure.

A rule reads the history of log ticks and answers what it sees, or None. Rules look at many ticks and at medians or
shares of them, so that one noisy tick raises nothing. Folklore: Chintala et al., "How to train a GAN?" (NIPS 2016
workshop); each explanation names the paper behind its cure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.errors import UsageError
from playground.knobs import find

SUSTAINED = 20  # ticks over which a state has to last
LONG = 60  # ticks for what is normal when it is short
LONGEST_MEMORY = 2000  # ticks of the past that a comparison with "earlier" looks at

_LABEL_TRICKS = {"label_smoothing", "label_flip"}  # a critic has no labels


@dataclass(frozen=True)
class Cure:
    """A change of knobs that may help: knob name -> new value; `restart` when it can't be made while training."""

    label: str
    changes: Mapping[str, float | bool | str | int]
    restart: bool = False


@dataclass(frozen=True)
class Alarm:
    """One raised alarm: `explanation` says what is seen at `step`, why it matters and what the cures do."""

    name: str
    title: str
    explanation: str
    step: int
    cures: tuple[Cure, ...]


@dataclass(frozen=True)
class Rule:
    """`seen(view)` is a sentence of what is seen, None when all is well; `why` follows; `cures(view)` are offered."""

    title: str
    seen: Callable[[View], str | None]
    why: str
    cures: Callable[[View], Iterator[Cure]]


class View:
    """A history and the present knobs, with the questions that rules ask of them."""

    def __init__(self, history: Mapping[str, np.ndarray], knobs: Mapping[str, Any], critic: bool) -> None:
        self.history, self.knobs, self.critic = history, knobs, critic

    # Of the history

    def values(self, name: str) -> np.ndarray:
        """All measured values of a column, oldest first, float64; empty where the run has no such column."""
        column = np.asarray(self.history.get(name, ()), dtype=np.float64)
        return column[~np.isnan(column)]

    def recent(self, name: str, count: int = SUSTAINED) -> np.ndarray | None:
        """The last `count` measured values; None while there are fewer."""
        values = self.values(name)
        return values[-count:] if len(values) >= count else None

    def lasts(self, name: str, holds: Callable[[np.ndarray], np.ndarray], count: int = SUSTAINED) -> bool:
        """True if `holds` in at least nine of ten of the last `count` values."""
        recent = self.recent(name, count)
        return recent is not None and float(np.mean(holds(recent))) >= 0.9

    # Of the knobs

    def number(self, name: str) -> float | None:
        """The value of a numeric knob; None where the run has no such knob."""
        value = self.knobs.get(name)
        usable = isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if usable else None

    def is_off(self, name: str) -> bool:
        """True for a knob that this run has, and that is off."""
        value = self.knobs.get(name)
        if name == "packing" and value == 1:  # one sample at a time is no packing
            return True
        empty = isinstance(value, str) and value.lower() in ("", "none", "off")
        return name in self.knobs and (value is None or empty or value is False or value == 0)

    # Cures: each yields nothing where it would change nothing

    def scale(self, name: str, factor: float, label: str) -> Iterator[Cure]:
        """Multiplies a knob; `label` is completed by the new value."""
        value = self.number(name)
        if value is not None and value > 0:
            new = float(f"{value * factor:.6g}")
            yield Cure(f"{label} to {new:g}", {name: new})

    def turn_on(self, name: str, value: float | bool | str | int, label: str) -> Iterator[Cure]:
        """Switches on what is off."""
        if self.is_off(name):
            yield Cure(label, {name: value})

    def turn_off(self, names: tuple[str, ...], label: str) -> Iterator[Cure]:
        """Switches off, together, those that are on."""
        changes = {name: 0.0 for name in names if (self.number(name) or 0.0) > 0.0}
        if changes:
            yield Cure(label, changes)

    def offered(self, cure: Cure) -> Cure | None:
        """`cure` as it is shown, None where it does not suit: a label trick for a critic, a value out of range."""
        if self.critic and _LABEL_TRICKS & set(cure.changes):
            return None
        try:
            changes = {name: find(name).validate(value) for name, value in cure.changes.items()}
        except UsageError:  # a learning rate halved too often, for instance
            return None
        restart = not all(find(name).live for name in changes)
        return Cure(f"{cure.label}, in a new run" if restart else cure.label, changes, restart)

    def penalty(self) -> Iterator[Cure]:
        """A gradient penalty that suits the objective, if none is on."""
        if any((self.number(name) or 0.0) > 0.0 for name in ("gradient_penalty", "r1")):
            return
        if self.critic:
            yield from self.turn_on("gradient_penalty", 10.0, "Add a gradient penalty (λ = 10)")
        else:
            yield from self.turn_on("r1", 1.0, "Add the R1 penalty (γ = 1)")

    def wasserstein(self) -> Iterator[Cure]:
        """The change to WGAN-GP, for runs that have no critic yet."""
        if self.critic or "objective" not in self.knobs or self.knobs["objective"] == "wasserstein":
            return
        companions = {"gradient_penalty": 10.0, "critic_steps": 5}
        changes = {name: value for name, value in companions.items() if name in self.knobs}
        yield Cure("Take the Wasserstein objective", {"objective": "wasserstein", **changes})


# ---------------------------------------------------------------------------------------------------------------------
# The discriminator has won


def _entropy(share: float) -> float:
    """-p log p - (1-p) log(1-p): the least cross-entropy within reach on targets that are 1 with probability p."""
    return 0.0 if not 0.0 < share < 1.0 else -share * math.log(share) - (1 - share) * math.log(1 - share)


def _discriminator_won(view: View) -> str | None:
    if view.critic:  # a critic's loss has no zero to reach, and a good critic is wanted
        return None
    smoothing, flip = view.number("label_smoothing") or 0.0, view.number("label_flip") or 0.0
    # Softened labels keep even a perfect discriminator's loss above zero: by their entropy.
    floor = _entropy(smoothing) + 2 * _entropy(flip)
    if not view.lasts("loss_d", lambda loss: loss < floor + 0.05):
        return None
    if not view.lasts("accuracy_d", lambda accuracy: accuracy > 0.97):
        return None
    if floor > 0:  # there the loss alone says little: the scores have to stand as far apart as the labels
        real, fake = view.recent("score_real"), view.recent("score_fake")
        if real is None or fake is None:
            return None
        if np.median(real) - np.median(fake) < 0.8 * (1 - smoothing - 2 * flip):
            return None
    loss, accuracy = np.median(view.recent("loss_d")), np.median(view.recent("accuracy_d"))
    return f"D tells {accuracy:.0%} of real and generated pictures apart and its loss has stayed near {loss:.2g}."


def _cure_discriminator_won(view: View) -> Iterator[Cure]:
    yield from view.scale("learning_rate_d", 0.5, "Halve the discriminator's learning rate")
    yield from view.turn_on("label_smoothing", 0.1, "Smooth the labels of real pictures to 0.9")
    yield from view.turn_on("instance_noise", 0.1, "Add noise to what D sees (σ = 0.1)")
    if view.is_off("label_smoothing"):
        yield from view.turn_on("label_flip", 0.05, "Flip one label in twenty")
    yield from view.penalty()
    if (view.number("critic_steps") or 1) > 1:
        yield Cure("Train D once a step", {"critic_steps": 1})
    yield from view.turn_on("spectral_norm", True, "Normalise the layers of D (spectral norm)")
    yield from view.turn_on("augment", "colour,translation,cutout", "Augment what D sees (small data)")
    yield from view.wasserstein()


# ---------------------------------------------------------------------------------------------------------------------
# Gradients too large, or gone

_PLAYERS = {"grad_norm_d": "discriminator", "grad_norm_g": "generator"}


def _exploding(view: View) -> list[str]:
    """The columns of gradient norms above 100 in at least four of the last five ticks."""
    return [name for name in _PLAYERS if (last := view.recent(name, 5)) is not None and np.sum(last > 100) >= 4]


def _gradient_explosion(view: View) -> str | None:
    columns = _exploding(view)
    if not columns:
        return None
    parts = [f"{np.median(view.recent(name, 5)):.3g} in the {_PLAYERS[name]}" for name in columns]
    return f"The gradient norm is about {' and '.join(parts)}, where a healthy training stays well below 100."


def _cure_gradient_explosion(view: View) -> Iterator[Cure]:
    columns = _exploding(view)
    if "grad_norm_d" in columns:
        yield from view.scale("learning_rate_d", 0.5, "Halve the discriminator's learning rate")
    if "grad_norm_g" in columns:
        yield from view.scale("learning_rate_g", 0.5, "Halve the generator's learning rate")
    yield from view.penalty()
    yield from view.turn_on("spectral_norm", True, "Normalise the layers of D (spectral norm)")


def _vanishing_gradient(view: View) -> str | None:
    recent = view.recent("grad_norm_g")
    if recent is None or not len(view.values("loss_d")):
        return None
    now = float(np.median(recent))
    if view.lasts("grad_norm_g", lambda norm: norm < 1e-4):
        return f"The gradient that reaches the generator is about {now:.1g}: next to nothing."
    values = view.values("grad_norm_g")
    if len(values) < 3 * SUSTAINED:
        return None
    early = float(np.median(values[: len(values) // 3]))  # a third: long enough to be no accident
    if view.lasts("grad_norm_g", lambda norm: (norm < 0.01 * early) & (norm < 0.05)):
        return f"The gradient that reaches the generator fell from about {early:.2g} to {now:.1g}."
    return None


def _cure_vanishing_gradient(view: View) -> Iterator[Cure]:
    yield from view.scale("learning_rate_d", 0.5, "Halve the discriminator's learning rate")
    yield from view.turn_on("instance_noise", 0.1, "Add noise to what D sees (σ = 0.1)")
    yield from view.penalty()
    if view.knobs.get("objective") == "minimax":
        yield Cure("Take the non-saturating objective", {"objective": "non-saturating"})
    yield from view.wasserstein()


# ---------------------------------------------------------------------------------------------------------------------
# Losses that lose their shape

_LOSSES = {"loss_d": "discriminator", "loss_g": "generator"}


def _roughness(windows: np.ndarray) -> np.ndarray:
    """[N, K] -> [N]: spread, from the 10th to the 90th percentile, of the changes from tick to tick.

    Changes instead of values: a trend or one level shift is not rough; percentiles: nor is one spike.
    """
    changes = np.diff(windows, axis=1)
    return np.percentile(changes, 90, axis=1) - np.percentile(changes, 10, axis=1)


def _rough(view: View) -> dict[str, float]:
    """Losses that fluctuate more than five times as much as before, with that ratio."""
    found = {}
    for name in _LOSSES:
        values = view.values(name)[-LONGEST_MEMORY:]
        values = values[np.isfinite(values)]
        if len(values) < LONG + SUSTAINED:
            continue
        earlier = values[:-SUSTAINED]
        earlier = earlier[len(earlier) % SUSTAINED :].reshape(-1, SUSTAINED)
        before, now = float(np.median(_roughness(earlier))), float(_roughness(values[None, -SUSTAINED:])[0])
        level = float(np.median(np.abs(earlier)))
        if now > 5 * before and now > 0.5 * level and now > 0.1:  # five times almost nothing is no danger
            found[name] = now / max(before, 1e-6)
    return found


def _loss_variance(view: View) -> str | None:
    rough = _rough(view)
    if not rough:
        return None
    who = " and ".join(_LOSSES[name] for name in rough)
    plural = "losses" if len(rough) > 1 else "loss"
    return f"The {who} {plural} jumped from tick to tick more than five times as much as earlier in this run."


def _cure_loss_variance(view: View) -> Iterator[Cure]:
    rates = [name for name in ("learning_rate_g", "learning_rate_d") if view.number(name)]
    if rates:
        yield Cure("Halve the learning rates", {name: float(f"{view.number(name) / 2:.6g}") for name in rates})
    yield from view.penalty()
    yield from view.turn_on("spectral_norm", True, "Normalise the layers of D (spectral norm)")


def _swing(values: np.ndarray) -> float:
    """Strength in [0, 1] of a regular swing in `values` [T]: their autocorrelation one period on.

    The estimate that divides by T (not by the overlap) fades with the lag, so slow wandering scores low.
    """
    time = np.arange(len(values), dtype=np.float64)
    rest = values - np.polyval(np.polyfit(time, values, 1), time)
    power = float(rest @ rest)
    if power <= 0:
        return 0.0
    correlation = np.correlate(rest, rest, "full")[len(values) - 1 :] / power  # lag 0, 1, ...
    correlation = correlation[: len(values) // 2]
    below = np.flatnonzero(correlation < -0.4)
    if not len(below) or below[0] < 2:  # a period under four ticks is the batch noise, not the game
        return 0.0
    return max(0.0, float(correlation[below[0] :].max()))


def _swinging(view: View) -> list[str]:
    found = []
    for name in _LOSSES:
        values = view.recent(name, LONG)
        if values is None or not np.isfinite(values).all():
            continue
        large = np.std(values) > 0.25 * max(float(np.median(np.abs(values))), 0.2)
        if large and _swing(values) > 0.5:
            found.append(name)
    return found


def _oscillation(view: View) -> str | None:
    if not len(view.values("loss_d")) or not (swinging := _swinging(view)):
        return None
    whose = " and ".join(_LOSSES[name] for name in swinging)
    return f"The {whose} loss swings up and down in a regular rhythm without settling."


def _cure_oscillation(view: View) -> Iterator[Cure]:
    if (decay := view.number("ema_decay")) is not None and decay < 0.999:
        yield Cure("Show a slower average of the generator (EMA 0.999)", {"ema_decay": 0.999})
    yield from view.penalty()
    yield from view.scale("learning_rate_g", 0.5, "Halve the generator's learning rate")


# ---------------------------------------------------------------------------------------------------------------------
# Mode collapse, and a discriminator that guesses

_WARM_UP = 50  # ticks in which a young generator may still draw the same grey for every seed


def _diversity_drop(view: View) -> str | None:
    diversity = view.values("diversity")
    ticks = len(np.asarray(view.history.get("step", ())))
    if len(diversity) < 5 or ticks < _WARM_UP or not len(view.values("loss_d")):
        return None
    last = diversity[-3:]
    now = float(np.median(last))
    if last[-1] > 1.1 * last[0]:  # recovering by itself, or still on its way up
        return None
    if last.max() < 0.35:
        return f"The generated pictures differ from one another only {now:.0%} as much as real ones do."
    threes = np.median(np.lib.stride_tricks.sliding_window_view(diversity, 3), axis=1)
    peak = min(1.0, float(threes.max()))  # more varied than the data is no goal: chance noise of a beginner
    if last.max() < 0.5 * peak:
        return f"The variety of the generated pictures fell from {peak:.0%} to {now:.0%} of that of real ones."
    return None


def _cure_diversity_drop(view: View) -> Iterator[Cure]:
    yield from view.turn_on("feature_matching", 1.0, "Match D's mean features as well")
    yield from view.scale("learning_rate_g", 0.5, "Halve the generator's learning rate")
    if not view.critic:
        yield from view.turn_on("instance_noise", 0.1, "Add noise to what D sees (σ = 0.1)")
    elif (steps := view.number("critic_steps")) is not None and steps < 5:
        yield Cure("Train the critic five times a step", {"critic_steps": 5})
    yield from view.turn_on("minibatch", "stddev", "Show D the spread of its batch")
    yield from view.turn_on("packing", 2, "Show D two samples at a time (packing)")
    yield from view.turn_on("unroll_steps", 5, "Let G look five steps of D ahead (unrolling)")
    yield from view.wasserstein()


def _discriminator_guesses(view: View) -> str | None:
    if not view.lasts("accuracy_d", lambda accuracy: np.abs(accuracy - 0.5) < 0.05, LONG):
        return None
    if not view.critic:
        real, fake = view.recent("score_real", LONG), view.recent("score_fake", LONG)
        if real is None or fake is None or np.median(real) - np.median(fake) > 0.05:
            return None
    diversity = view.recent("diversity", 3)
    if diversity is None or np.median(diversity) > 0.5:  # guessing before varied pictures is how a game should end
        return None
    return (
        f"D only guesses ({np.median(view.recent('accuracy_d', LONG)):.0%} right) although the pictures have but "
        f"{np.median(diversity):.0%} of the variety of real ones."
    )


def _cure_discriminator_guesses(view: View) -> Iterator[Cure]:
    yield from view.scale("learning_rate_d", 2.0, "Double the discriminator's learning rate")
    yield from view.scale("learning_rate_g", 0.5, "Halve the generator's learning rate")
    if (steps := view.number("critic_steps")) is not None and steps < 5:
        yield Cure("Train D more often a step", {"critic_steps": int(min(5, steps + 2))})
    yield from view.turn_off(("label_smoothing", "label_flip", "instance_noise"), "Stop softening what D sees")
    if (r1 := view.number("r1")) is not None and r1 > 1:
        yield Cure(f"Weaken the R1 penalty to {r1 / 10:g}", {"r1": r1 / 10})


# ---------------------------------------------------------------------------------------------------------------------
# The table

ALARMS: dict[str, Rule] = {
    "discriminator-won": Rule(
        "The discriminator has won",
        _discriminator_won,
        "A perfect discriminator has nothing left to teach: its answer barely changes around a generated picture, so "
        "the generator stops learning (Arjovsky and Bottou 2017). Slowing D, softening its labels (Salimans et al. "
        "2016) or penalising its slope (Mescheder et al. 2018) puts the two back within reach of each other.",
        _cure_discriminator_won,
    ),
    "gradient-explosion": Rule(
        "Gradients are exploding",
        _gradient_explosion,
        "Steps of that size throw the weights about instead of moving them downhill. A smaller learning rate "
        "shortens the steps; a gradient penalty (Gulrajani et al. 2017) or spectral normalisation (Miyato et al. "
        "2018) bounds the slope of D itself.",
        _cure_gradient_explosion,
    ),
    "vanishing-gradient": Rule(
        "No gradient reaches the generator",
        _vanishing_gradient,
        "Where D rejects every fake with certainty, the saturating loss is flat and G is not told which way to go "
        "(Goodfellow et al. 2014, section 3). A weaker or noisier D, or an objective that stays steep such as the "
        "Wasserstein distance (Arjovsky et al. 2017), brings the gradient back.",
        _cure_vanishing_gradient,
    ),
    "loss-variance": Rule(
        "The losses have become erratic",
        _loss_variance,
        "In a healthy game the losses are calm; growing jumps mean that the players overshoot each other and often "
        "precede divergence (Mescheder et al. 2018). Smaller learning rates or a gradient penalty damp them.",
        _cure_loss_variance,
    ),
    "oscillation": Rule(
        "The players chase each other",
        _oscillation,
        "Gradient play around an equilibrium can circle it for ever (Mescheder et al. 2018). A gradient penalty or a "
        "slower generator damps the circle, and an average of G's weights sits near its centre (Yazıcı et al. 2019).",
        _cure_oscillation,
    ),
    "diversity-drop": Rule(
        "Mode collapse",
        _diversity_drop,
        "The generator has found a few pictures that pass and repeats them, since D judges each picture alone. "
        "Letting D see several at once (minibatch statistics, Salimans et al. 2016; packing, Lin et al. 2018) or "
        "look ahead (unrolling, Metz et al. 2017) makes repetition visible.",
        _cure_diversity_drop,
    ),
    "discriminator-guesses": Rule(
        "The discriminator is only guessing",
        _discriminator_guesses,
        "A player that can't tell real from generated has no direction to give, and G wanders. A faster or more "
        "often trained D (two time-scales, Heusel et al. 2017) with less noise in its way gives the game back its "
        "teacher.",
        _cure_discriminator_guesses,
    ),
}


def check(history: Mapping[str, np.ndarray], knobs: Mapping[str, Any], *, critic: bool) -> tuple[Alarm, ...]:
    """The alarms that a history of log ticks raises now, in the order of `ALARMS`.

    `history` maps columns to arrays [T] of equal length, oldest first, NaN where a tick did not measure: `step`,
    `loss_d`, `loss_g`, `score_real` and `score_fake` (probabilities in [0, 1], raw for a critic), `accuracy_d` (share
    of real and generated pictures told apart, 0 to 1), `grad_norm_d`, `grad_norm_g`, `diversity` (mean pairwise
    distance of the sample grid over that of real pictures). A rule whose columns are missing or too short stays
    silent.

    `knobs` holds the present value of every knob the run has; a cure only names knobs found there, and only values that
    differ from the present ones and lie in range. `critic`: D's score is unbounded, so labels and a loss near zero mean
    nothing.
    """
    view = View(history, knobs, critic)
    steps = view.values("step")
    step = int(steps[-1]) if len(steps) else 0
    alarms = []
    for name, rule in ALARMS.items():
        seen = rule.seen(view)
        if seen is None:
            continue
        cures = tuple(cure for cure in map(view.offered, rule.cures(view)) if cure is not None)
        alarms.append(Alarm(name, rule.title, f"{seen} {rule.why}", step, cures))
    return tuple(alarms)
