"""One preset at play with points, and the game that the labs' engines have in common: orders, steps and charts.

`Contestant` is a trainer that is looked at; `Game` is what the 2-D lab (`labs.arena`) and the 1-D lab (`labs.line`)
share as engines (`labs.live.Engine`): run, pause, step, speed, knob and reset, noticing divergence, and the history.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor, nn

from playground import objectives
from playground.data.points import PointStore
from playground.errors import DataError, TrainingError, UsageError, unknown
from playground.families.players import draw_latents
from playground.knobs import KNOBS, settings
from playground.methods import METHODS, find_method, method_settings
from playground.networks import layers as network_layers
from playground.trainer import Trainer

#: the presets that play with points
PRESETS = tuple(
    name for name, m in METHODS.items() if m.family == "adversarial" and m.knobs.get("architecture") != "style"
)
#: knobs that the labs show, in this order
SHOWN_KNOBS = (
    "layers", "width", "latent_dim", "latent", "optimiser", "learning_rate_g", "learning_rate_d", "critic_steps",
    "generator_steps", "batch_size", "objective", "gradient_penalty", "r1", "r2", "weight_clip", "spectral_norm",
    "packing", "minibatch", "instance_noise", "label_smoothing", "unroll_steps", "ema_decay",
)  # fmt: skip
ARROWS, BINS = 120, 24
MEASURED, MEASURE_SECONDS = 2500, 0.3
#: spreads of the data away from which most fakes must be to be called diverged
FAR = 50.0


class Contestant:
    """One preset at play."""

    def __init__(self, preset: str, changes: Mapping[str, Any], store: PointStore, seed: int):
        self.preset, self.changes = preset, dict(changes)
        self.start(store, seed)

    def start(self, store: PointStore, seed: int, keep: bool = False) -> None:
        """Begin afresh, or with `keep` go on with what fits of the networks as they are."""
        method = find_method(self.preset)
        wanted = {"steps": 10_000_000, **self.changes, "seed": seed}
        if method.needs_labels and not store.info.classes:
            raise UsageError(f"{method.title} needs classes, and '{store.info.name}' has none: take 'ring' or 'grid'.")
        trainer = Trainer(self.preset, method_settings(self.preset, wanted, points=True), store)
        if keep:
            trainer.inherit(self.trainer)
        else:
            self.state, self.error, self.report, self.measured_at = "ok", "", None, -math.inf
            self.losses: dict[str, float] = {}
            self.history: list[dict[str, float]] = []
            self.arrow_norm = math.nan
        self.trainer = trainer

    @property
    def family(self) -> Any:
        return self.trainer.family

    @property
    def generator(self) -> nn.Module:
        """Whom the fakes are drawn by: G's average where one is kept."""
        return self.trainer.drawing_players["G"]

    def turn(self, name: str, value: Any, store: PointStore, seed: int) -> None:
        """Set a knob while it plays, with what fits of the networks kept; nothing changes where that is refused."""
        if KNOBS[name].live:
            self.trainer.change(name, value)
            self.changes[name] = value
            return
        before, self.changes = self.changes, {**self.changes, name: value}
        try:
            self.start(store, seed, keep=True)
        except (UsageError, DataError):
            self.changes = before
            raise

    def take_phase(self, index: int) -> None:
        """One turn of D (0) or G (1)."""
        terms = self.trainer.take_phase(index)
        self.losses["dg"[index]] = sum(terms.values())  # a tensor until it is looked at

    def step(self, frozen: bool = False) -> None:
        """One whole step; while G is `frozen`, it lets its turn pass."""
        for index in range(1 if frozen else len(self.trainer.phases)):
            self.take_phase(index)
        self.trainer.end_step()

    def check(self) -> None:
        """Notice a divergence: losses that are no numbers, or fakes far away from everything."""
        try:
            self.trainer.metrics()
            self.losses = {side: float(value) for side, value in self.losses.items()}
            world = self.trainer.store.info.world
            away = (self.fakes(64).flatten(1) - torch.tensor(world.centre)).norm(dim=1).median()
            if not away <= FAR * world.spread:
                raise TrainingError(f"The fakes flew away at step {self.trainer.step_count:,}.")
        except TrainingError as error:
            self.state = "diverged"
            self.error = f"{str(error).split(': ')[0].rstrip('.')}. Lower the learning rates, then reset."

    # --- looking at it

    @torch.no_grad()
    def fakes(self, count: int, z: Tensor | None = None) -> Tensor:
        """[count, d, 1, 1]: always of the same latents, so that point i stays point i; classes dealt out in turn."""
        s = self.trainer.settings
        if z is None:
            z = latents(s.seed, s.latent_dim, s.latent)[:count]
        generator = torch.Generator().manual_seed(s.seed)
        return looking(self.generator, lambda: self.family.points_of(self.generator, z, generator))

    def labels(self, count: int) -> Tensor | None:
        """The labels of `fakes`."""
        return self.family.dealt_labels(count)

    @torch.no_grad()
    def judged(self, x: Tensor, label: Tensor | None = None) -> np.ndarray:
        """What D says of points [N, d, 1, 1], [N]: a probability, a score or minus an energy.

        A D that compares the points of a batch is shown batches as large as in training, each from all over `x`.
        """
        s = self.trainer.settings
        parts = 1 if s.minibatch == "none" else math.ceil(len(x) / s.batch_size)
        found = np.empty(len(x), np.float32)
        for part in range(parts):
            some, told = x[part::parts], None if label is None else label[part::parts]
            seen = looking(self.trainer.players["D"], lambda some=some, told=told: self.family.judged(some, told))
            found[part::parts] = seen.numpy()
        return found

    def arrows(self) -> tuple[np.ndarray, float]:
        """([k, 2 d] of place and pull, the mean length of the pull) at the first fakes."""
        count = ARROWS - ARROWS % self.trainer.settings.packing
        fake, label = self.fakes(count), self.labels(count)
        real = self.trainer.store.take(torch.arange(count)).images
        pull = looking(self.trainer.players["D"], lambda: self.family.pull(fake, real, label)).flatten(1)
        flat = torch.cat([fake.flatten(1), pull], 1).numpy()
        return np.nan_to_num(flat), float(pull.norm(dim=1).mean())

    def histogram(self) -> dict[str, Any]:
        """Counts of D's answers on real points and fakes."""
        count = 480
        batch = self.trainer.store.take(torch.arange(count))
        real = self.judged(batch.images, batch.labels if self.family.labelled else None)
        fake = self.judged(self.fakes(count), self.labels(count))
        both = np.nan_to_num(np.concatenate([real, fake]))
        low, high = (0.0, 1.0) if surface_kind(self.trainer.settings) == "probability" else (both.min(), both.max())
        high = max(high, low + 1e-6)
        counts = [np.histogram(np.nan_to_num(x), BINS, (low, high))[0].tolist() for x in (real, fake)]
        return {"real": counts[0], "fake": counts[1], "low": float(low), "high": float(high)}

    def facts(self) -> dict[str, Any]:
        """What changes seldom about it."""
        s, method = self.trainer.settings, METHODS[self.preset]
        return {
            "preset": self.preset, "title": method.title, "knobs": {name: s[name] for name in SHOWN_KNOBS},
            "latent_dim": s.latent_dim, "surface_kind": surface_kind(s), "look_for": method.summary,
        }  # fmt: skip

    def note(self, tick: int, **numbers: float | None) -> None:
        """A row of the charts, in place of the one of the same step."""
        row = {
            "tick": tick, "step": self.trainer.step_count, "loss_d": finite(self.losses.get("d")),
            "loss_g": finite(self.losses.get("g")), "grad_norm": finite(self.arrow_norm), **numbers,
        }  # fmt: skip
        if self.history and self.history[-1]["step"] == row["step"]:
            self.history.pop()
        self.history.append(row)
        if len(self.history) > 4000:  # every other of the older half
            self.history = self.history[:2000:2] + self.history[2000:]

    def told(self, seen: int) -> dict[str, Any]:
        """Its state, and the rows of the charts newer than tick `seen`."""
        rows = [row for row in self.history if row["tick"] > seen]
        return {
            "state": self.state, "error": self.error, "step": self.trainer.step_count,
            "losses": {side: finite(value) for side, value in self.losses.items()}, "metrics": self.report,
            "arrow_norm": finite(self.arrow_norm),
            "history": {key: [row[key] for row in rows] for key in (rows[0] if rows else {}) if key != "tick"},
            "history_starts": not rows or rows[0] is self.history[0],
        }  # fmt: skip


class Game:
    """What the engines of the labs have in common. They set `store`, `seed` and `contestants`, and implement
    `measure(c)`: the numbers of the present moment in `c.report`, and a row of the charts (`c.note`)."""

    store: PointStore
    seed: int
    contestants: list[Contestant]

    def __init__(self) -> None:
        self.tick, self.version, self.running = 1, 1, False
        self.speed = 0.0  # steps a second; 0 is as fast as it can
        self.frozen = False  # G waits while D learns
        self._stepped_at = 0.0

    def measure(self, c: Contestant) -> None:
        raise NotImplementedError

    # --- orders

    def orders(self) -> dict[str, Callable[..., None]]:
        """What `do` obeys, by name."""
        return {
            "run": self._run, "pause": self._pause, "step": self._step, "speed": self._speed, "knob": self._knob,
            "reset": self._reset, "freeze": self._freeze, "look": lambda: None,
        }  # fmt: skip

    def do(self, command: str, **arguments: Any) -> None:
        """Obey one of `orders`; raises UsageError for an unknown one or wrong arguments."""
        orders = self.orders()
        if command not in orders:
            raise unknown("command", str(command), orders)
        try:
            orders[command](**arguments)
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise UsageError(f"'{command}' does not take these arguments.") from None
        self.tick += 1

    def _run(self) -> None:
        self.running, self._stepped_at = True, time.monotonic()

    def _pause(self) -> None:
        self.running = False

    def _step(self, phase: str = "both") -> None:
        phases = {"discriminator": (0,), "generator": (1,), "both": (0, 1)}
        if not isinstance(phase, str) or phase not in phases:
            raise unknown("phase", str(phase), phases)
        self.running = False
        for c in self.able():
            for index in phases[phase]:
                c.take_phase(index)
            if phase != "discriminator":  # a step is counted when G has moved
                c.trainer.end_step()
            c.check()
            self.measure(c)

    def _speed(self, steps_per_second: float = 0.0) -> None:
        self.speed, self._stepped_at = number(steps_per_second, "Steps a second", 0.0, 10_000.0), time.monotonic()

    def _freeze(self, on: bool = True) -> None:
        self.frozen = bool(on)

    def _knob(self, name: str, value: Any, contestant: int | None = None) -> None:
        name = str(name)
        value = knob_changes({name: value})[name]
        chosen = self.contestants if contestant is None else [self.one(contestant)]
        turned: list[tuple[Contestant, Any]] = []
        try:
            for c in chosen:
                before = c.trainer.settings[name]
                c.turn(name, value, self.store, self.seed)
                turned.append((c, before))
        except (UsageError, DataError):
            for c, before in turned:  # all or none
                c.turn(name, before, self.store, self.seed)
            raise
        self.changed(chosen)

    def _reset(self, seed: int | None = None) -> None:
        if seed is not None:
            self.seed = seed_of(seed)
            self.reseed()
        self.restart()

    # --- parts of these

    def reseed(self) -> None:
        """Draw the data again, of another `seed`."""

    def one(self, index: Any) -> Contestant:
        """Contestant number `index`; raises UsageError where there is none."""
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(self.contestants):
            raise UsageError(f"There is no contestant {index}: there are {len(self.contestants)}, counted from 0.")
        return self.contestants[index]

    def able(self) -> list[Contestant]:
        """Those that have not diverged."""
        return [c for c in self.contestants if c.state == "ok"]

    def restart(self) -> None:
        """All begin afresh."""
        for c in self.contestants:
            c.start(self.store, self.seed)
        self.changed(self.contestants)

    def changed(self, contestants: Sequence[Contestant]) -> None:
        """The facts have changed, and the numbers of these."""
        self.version += 1
        for c in contestants:
            self.measure(c)

    # --- work

    def advance(self, seconds: float) -> bool:
        able = self.able()
        if not able:
            self.running = False
            self.tick += 1
            return False
        started = now = time.monotonic()
        due = math.inf
        if self.speed:
            due = int((now - self._stepped_at) * self.speed)
            if due < 1:
                return False
            self._stepped_at = max(self._stepped_at + due / self.speed, now - 1.0)
        done = 0
        while done < due and now - started < seconds:
            for c in able:
                c.step(self.frozen)
            done, now = done + 1, time.monotonic()
        self.look_after(able)
        return True

    def look_after(self, able: Sequence[Contestant]) -> None:
        """After some work: notice divergence, and measure whom it is time to measure."""
        for c in able:
            c.check()
            if time.monotonic() - c.measured_at > MEASURE_SECONDS or c.state != "ok":
                self.measure(c)
        self.tick += 1


@lru_cache(maxsize=16)
def latents(seed: int, latent_dim: int, latent: str, count: int = MEASURED) -> Tensor:
    """The noise behind all that is looked at, [count, latent_dim]."""
    layout = settings({"latent_dim": latent_dim, "latent": latent})
    return draw_latents(layout, count, torch.Generator().manual_seed(seed), "cpu")


def latent_quantiles(shares: np.ndarray, latent: str) -> np.ndarray:
    """The numbers that one entry of z stays below with probabilities `shares`, each in (0, 1)."""
    return norm.ppf(shares) if latent == "normal" else 2 * shares - 1


def looking(network: nn.Module, look: Callable[[], Any]) -> Any:
    """`look()` with `network` as it is when it is used, not trained; leaves no trace in its statistics."""
    training = network.training
    network.eval()
    network_layers.set_generator(network, torch.Generator().manual_seed(0))
    try:
        return look()
    finally:
        network.train(training)


def surface_kind(settings: Any) -> str:
    """What D's answer is: "probability", "score" or "energy"."""
    objective = objectives.OBJECTIVES[settings.objective]
    return "energy" if objective.energy else "score" if objective.critic else "probability"


# --- facts and checked arguments


def knob_facts(name: str) -> dict[str, Any]:
    """How a page shows this knob."""
    knob = KNOBS[name]
    return {
        "name": name, "label": knob.label, "help": knob.help, "kind": knob.kind, "low": knob.low, "high": knob.high,
        "log": knob.log, "choices": knob.choices,
    }  # fmt: skip


def preset_facts(name: str) -> dict[str, str]:
    """How a page names this preset."""
    return {"name": name, "title": METHODS[name].title, "summary": METHODS[name].summary}


def knob_changes(knobs: Any) -> dict[str, Any]:
    """Knobs by name with checked values; raises UsageError."""
    if knobs is None:
        return {}
    if not isinstance(knobs, Mapping):
        raise UsageError("Knobs are given as names with values.")
    for name in knobs:
        if name not in SHOWN_KNOBS:
            raise unknown("knob of the lab", str(name), SHOWN_KNOBS)
    return {name: KNOBS[name].validate(value) for name, value in knobs.items()}


def preset_name(name: Any, presets: Sequence[str] = PRESETS) -> str:
    """`name`, if it is one of `presets`; raises UsageError."""
    if not isinstance(name, str) or name not in presets:
        raise unknown("preset for points", str(name), presets)
    return name


def seed_of(value: Any) -> int:
    """A checked seed; raises UsageError."""
    return KNOBS["seed"].validate(value)


def number(value: Any, what: str, low: float, high: float) -> float:
    """`value` as a float in [low, high]; raises UsageError that begins with `what`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise UsageError(f"{what} must be a number from {low:g} to {high:g}, not {str(value)[:40]}.")
    return float(value)


def finite(value: Any) -> float | None:
    """A number as JSON knows it."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None
