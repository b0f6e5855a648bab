r"""The 1-D lab: on a line everything that the theory speaks of can be drawn beside what two networks make of it.

Goodfellow et al. 2014 (arXiv 1406.2661, figure 1 and section 4): G bends the density of z into p_G, the best D is
D* = p_data / (p_data + p_G), and at it D's loss is 2 log 2 − 2 JS(p_data, p_G). p_data is a mixture of Gaussians, known
exactly. Where the latent is one number, p_G is the change of variables p_G(x) = Σ p(z) / |G'(z)| over all z with
G(z) = x, taken over the cells of a fine grid of z, so that no mass is lost where G is flat; else it is estimated from
samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm
from torch import Tensor

from playground import objectives
from playground.data.base import World
from playground.data.points import PointStore, from_mixture
from playground.errors import UsageError
from playground.families.base import objective_options, smoothed_options
from playground.knobs import KNOBS
from playground.labs.contestant import (
    PRESETS as ALL_PRESETS,
)
from playground.labs.contestant import (
    SHOWN_KNOBS,
    Contestant,
    Game,
    finite,
    knob_changes,
    knob_facts,
    latent_quantiles,
    latents,
    looking,
    preset_facts,
    preset_name,
    seed_of,
)
from playground.labs.divergences import Mixture
from playground.methods import METHODS
from playground.metrics.points import js_divergence
from playground.schedules import noise_sigma
from playground.stabilisers import pack

#: a line has no classes to tell
PRESETS = tuple(name for name in ALL_PRESETS if not METHODS[name].needs_labels)
BOUNDS = (-6.0, 6.0)
#: cells of the line; densities are shown at their centres
CELLS = 360
EDGES = np.linspace(*BOUNDS, CELLS + 1)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
CELL = (BOUNDS[1] - BOUNDS[0]) / CELLS
MOST_PARTS, MAX_MEAN, MIN_SIGMA, MAX_SIGMA = 3, 5.0, 0.1, 2.0
#: networks see the line in units of this, whatever the target: else they would know where it has moved
WORLD = World((BOUNDS,), centre=(0.0,), spread=2.0)
#: cells of z of which p_G is made, and samples where z has more dimensions
LATENT_CELLS, SAMPLES = 2048, 16_384
QUANTILES, LINES = 2048, 41
MOST_TURNS = 20_000
LAYERS = ("q", "d", "best", "pull", "map")
#: small networks; D ten times as fast as G, so that it is close to its best when G asks it
START = {"layers": 2, "width": 32, "latent_dim": 1, "learning_rate_g": 3e-4, "learning_rate_d": 3e-3}
#: On a line a critic's slope can't turn round without passing 0, where the penalty is λ: at λ = 10 a critic that G has
#: overtaken goes on pointing the old way until they are 2 λ apart, and G runs off.
START_OF: dict[str, dict[str, Any]] = {"wgan-gp": {"gradient_penalty": 0.3}}
_TINY = 1e-300
_FAR = 15.0  # log p/q beyond which D* is certain


class Line(Game):
    """The engine (`labs.live.Engine`) of the 1-D lab: one preset learns a mixture of Gaussians on [-6, 6].

    Args:
        means, sigmas, weights: of the 1 to `MOST_PARTS` Gaussians; means within `MAX_MEAN` of 0, sigmas in
            [MIN_SIGMA, MAX_SIGMA], weights equal where None.
        preset: a name in `PRESETS`.
        seed: of data, networks and noise.
        knobs: changes to `START`.

    Raises:
        UsageError: unknown names, or numbers out of range.
    """

    def __init__(
        self, means: Sequence[float] = (2.0,), sigmas: Sequence[float] = (0.5,), weights: Sequence[float] | None = None,
        preset: str = "vanilla-gan", seed: int = 0, knobs: Mapping[str, Any] | None = None,
    ):  # fmt: skip
        super().__init__()
        self.seed = seed_of(seed)
        self._aim(means, sigmas, weights)
        self.contestants = [_contestant(preset, knob_changes(knobs), self.store, self.seed)]
        self._turns = self._turned = 0  # of D alone: to take in all, and taken
        self.measure(self.player)

    @property
    def player(self) -> Contestant:
        """The one that learns."""
        return self.contestants[0]

    # --- facts

    def facts(self) -> dict[str, Any]:
        """What changes seldom; `version` grows with it."""
        return {
            "version": self.version, "seed": self.seed, "bounds": list(BOUNDS), "xs": CENTRES,
            "target": {
                "means": list(self.target.means), "sigmas": list(self.target.sigmas),
                "weights": list(self.target.weights or ()),
            },
            "p": np.exp(self.target.log_pdf(CENTRES)),
            "limits": {"parts": MOST_PARTS, "mean": MAX_MEAN, "sigma": [MIN_SIGMA, MAX_SIGMA]},
            "presets": [preset_facts(name) for name in PRESETS],
            "knobs": [knob_facts(name) for name in SHOWN_KNOBS],
            "contestant": self.player.facts(),
        }  # fmt: skip

    # --- orders

    def orders(self) -> dict[str, Callable[..., None]]:
        return super().orders() | {"preset": self._preset, "target": self._target, "train-d": self._train_d}

    def _run(self) -> None:
        self._turns = 0
        super()._run()

    def _pause(self) -> None:
        self._turns = 0
        super()._pause()

    def _step(self, phase: str = "both") -> None:
        self._turns = 0
        super()._step(phase)

    def _preset(self, preset: str) -> None:
        self.contestants = [_contestant(preset, {}, self.store, self.seed)]
        self.changed(self.contestants)

    def _target(
        self, means: Sequence[float], sigmas: Sequence[float], weights: Sequence[float] | None = None
    ) -> None:  # fmt: skip
        self._aim(means, sigmas, weights)
        self.player.trainer.store = self.store
        self.changed(self.contestants)

    def _train_d(self, steps: int = 500) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_TURNS:
            raise UsageError(f"D can learn alone for 1 to {MOST_TURNS:,} whole steps, not {str(steps)[:40]}.")
        self._turns, self._turned, self.running = steps, 0, True

    # --- parts of these

    def _aim(self, means: Any, sigmas: Any, weights: Any) -> None:
        """Take another distribution as the data; nothing changes where it can't be."""
        target = _mixture(means, sigmas, weights)
        self.store, self.target = _store(target, self.seed), target
        self._p = _masses(target.cdf(EDGES))
        shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
        fine = np.linspace(-MAX_MEAN - 5 * MAX_SIGMA, MAX_MEAN + 5 * MAX_SIGMA, 8001)
        self._quantiles = np.interp(shares, target.cdf(fine), fine)

    def reseed(self) -> None:
        self.store = _store(self.target, self.seed)

    def restart(self) -> None:
        self._turns = 0
        super().restart()

    # --- work

    def advance(self, seconds: float) -> bool:
        able = self.able()
        if not self._turns or not able:
            return super().advance(seconds)
        started = time.monotonic()
        while self._turned < self._turns and time.monotonic() - started < seconds:
            self.player.take_phase(0)
            self._turned += 1
        self.look_after(able)
        if self._turned >= self._turns:
            self._turns, self.running = 0, False
            self.measure(self.player)
        return True

    # --- what is seen

    def measure(self, c: Contestant) -> None:
        q, made, _ = self._made()
        p = self._p
        best, told = self._best(q), self._judged()
        own = self.target
        mean = math.fsum(w * m for w, m in zip(own.weights or (), own.means, strict=True))
        square = math.fsum(
            w * (s * s + m * m) for w, m, s in zip(own.weights or (), own.means, own.sigmas, strict=True)
        )
        c.arrow_norm = c.arrows()[1]
        weight = (p[1:-1] + q[1:-1]) / 2
        found = {
            "mean": finite(made.mean()), "sigma": finite(made.std()),
            "target_mean": mean, "target_sigma": math.sqrt(max(0.0, square - mean * mean)),
            "w1": finite(np.abs(np.sort(made) - self._quantiles).mean()), "js": js_divergence(p, q),
            "d_now": finite(self._loss_now(made)), "d_best": self._loss_best(p, q),
            "d_equal": self._loss_best(p, p),
            "gap": None if best is None else finite((weight * np.abs(told - best)).sum() / max(weight.sum(), 1e-9)),
        }  # fmt: skip
        c.report, c.measured_at = found, time.monotonic()
        c.note(self.tick + 1, **found)

    def frame(self, layers: frozenset[str], seen: int) -> dict[str, Any]:
        c = self.player
        frame = {
            "tick": self.tick, "version": self.version, "running": self.running and not self._turns,
            "turns": self._turns, "turned": self._turned, **c.told(seen),
        }  # fmt: skip
        q, _, exact = self._made() if layers & {"q", "best"} else (None, None, False)
        if "q" in layers:
            frame |= {"q": self._density(q, exact), "exact": exact}
        if "d" in layers:
            frame["d"] = self._judged()
        if "best" in layers:
            frame["best"] = self._best(q)
        if "pull" in layers:
            frame["pull"] = self._pull()
        if "map" in layers:
            frame |= self._map()
        return frame

    def _made(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """(p_G's masses in the cells and both tails [CELLS + 2], its quantiles or samples [QUANTILES], exact?)."""
        c = self.player
        s = c.trainer.settings
        exact = s.latent_dim == 1 and c.family.codes is None and not s.dropout_g
        if exact:
            z, masses = _latent_cells(s.latent)
            x = np.nan_to_num(c.fakes(len(z), z).flatten().numpy().astype(float), nan=0.0, posinf=1e9, neginf=-1e9)
            made = c.fakes(QUANTILES, _latent_quantiles(s.latent)).flatten().numpy().astype(float)
            return _masses(pushforward(x, masses, EDGES)), np.nan_to_num(made), exact
        drawn = c.fakes(SAMPLES, latents(s.seed, s.latent_dim, s.latent, SAMPLES)).flatten().numpy().astype(float)
        drawn = np.nan_to_num(drawn, nan=0.0, posinf=1e9, neginf=-1e9)
        below = np.searchsorted(np.sort(drawn), EDGES, side="right") / len(drawn)
        thin = SAMPLES // QUANTILES
        return _masses(below), np.sort(drawn)[thin // 2 :: thin], exact

    def _density(self, masses: np.ndarray, exact: bool) -> np.ndarray:
        """p_G at the centres of the cells [CELLS]; of samples, smoothed by a kernel of Scott's width."""
        inner = masses[1:-1]
        if exact:
            return inner / CELL
        total = max(inner.sum(), 1e-12)
        mean = (inner * CENTRES).sum() / total
        deviation = math.sqrt((inner * (CENTRES - mean) ** 2).sum() / total)
        width = max(0.5, 0.5 * deviation * SAMPLES**-0.2 / CELL)  # half of Scott's: a mixture is no Gaussian
        return gaussian_filter1d(inner, width, mode="constant") / CELL

    @torch.no_grad()
    def _judged(self) -> np.ndarray:
        """D at the centres of the cells."""
        x = torch.from_numpy(CENTRES.astype(np.float32))[:, None, None, None]
        return np.nan_to_num(self.player.judged(x)).astype(float)

    def _noise(self) -> float:
        """The deviation of what is added to all that D sees."""
        s = self.player.trainer.settings
        return noise_sigma(self.player.trainer.step_count, s.instance_noise, s.instance_noise_steps)

    def _blurred(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(log p_data, log p_G) at the centres, as D meets them: with the noise that is added."""
        sigma, target = self._noise(), self.target
        inner = q[1:-1]
        if sigma > 0:
            target = replace(target, sigmas=tuple(math.hypot(one, sigma) for one in target.sigmas))
            inner = gaussian_filter1d(inner, sigma / CELL, mode="constant")
        return target.log_pdf(CENTRES), np.log(np.maximum(inner / CELL, _TINY))

    def _best(self, q: np.ndarray) -> np.ndarray | None:
        """D* at the centres, in the units of `_judged`: the D that minimises its loss against this p_G. None where that
        is no function of the two densities."""
        s = self.player.trainer.settings
        log_p, log_q = self._blurred(q)
        if s.objective == "wasserstein":
            # the potential of Kantorovich: its slope says on which side of it more of p_G lies than of the data
            slope = np.sign(np.cumsum(q[:-1]) - np.cumsum(self._p[:-1]))
            found = np.cumsum((slope[1:] + slope[:-1]) / 2) * CELL * self._steepest()
            return self._levelled(found, q)
        ratio = torch.from_numpy(np.clip(log_p - log_q, -_FAR, _FAR) * s.packing)
        try:
            score = objectives.optimal_score(s.objective, ratio, **self._options()).numpy()
        except UsageError:
            return None
        if s.objective == "relativistic":
            return self._levelled(score, q)
        if s.objective == "least-squares" and self._targets():
            score = score * (1 - s.label_smoothing)
        objective = self.player.family.objective
        if objective.critic or objective.energy:
            return score
        return (1 - s.label_smoothing if self._targets() else 1.0) / (1 + np.exp(-score))

    def _levelled(self, score: np.ndarray, q: np.ndarray) -> np.ndarray:
        """A D* that is known up to a constant, on the level of D."""
        weight = self._p[1:-1] + q[1:-1]
        return score - (weight * (score - self._judged())).sum() / max(weight.sum(), 1e-9)

    def _steepest(self) -> float:
        """The steepest slope of D on the line: a K-Lipschitz critic reaches K times the distance."""
        return float(np.abs(np.diff(self._judged())).max() / CELL)

    def _options(self) -> dict[str, Any]:
        c = self.player
        return objective_options(c.family.objective, c.trainer.settings)

    def _targets(self) -> bool:
        """Whether D is asked for less than certainty on real points."""
        c = self.player
        return bool(c.family.objective.soft_targets and c.trainer.settings.label_smoothing)

    def _loss_now(self, made: np.ndarray) -> float:
        """D's adversarial loss as it stands, over the quantiles of the data and of p_G: no noise of a batch in it."""
        c = self.player
        s = c.trainer.settings
        rng = np.random.default_rng(0)
        sides = []
        for x in (self._quantiles, np.clip(made, -1e6, 1e6)):
            # mixed, since some objectives compare pairs and packing shows several points at once
            mixed = rng.permutation(x) + self._noise() * rng.standard_normal(len(x))
            points = torch.from_numpy(mixed.astype(np.float32))[: QUANTILES - QUANTILES % s.packing, None, None, None]
            sides.append(pack(points, s.packing) if s.packing > 1 else points)
        network = c.trainer.players["D"]
        options = smoothed_options(c.family.objective, s)
        size = len(sides[0]) if s.minibatch == "none" else s.batch_size // s.packing  # some compare the whole batch
        losses = []
        with torch.no_grad():
            for real, fake in zip(*(side.split(size) for side in sides), strict=True):
                told = [looking(network, lambda x=x: network(x).score) for x in (real, fake)]
                losses.append(float(c.family.objective.discriminator(*told, **options)) * len(real))
        return sum(losses) / len(sides[0])

    def _loss_best(self, p: np.ndarray, q: np.ndarray) -> float | None:
        """The least adversarial loss of any D against `q` (masses [CELLS + 2]); None where no closed form is known.

        2 log 2 − 2 JS of the two cross-entropy objectives, 2 − 2 TV of the hinge, margin · (1 − TV) of the energy,
        ½ ∫ pq/(p+q) of least squares, −K · W1 of a critic of slope K, −D_f of an f-GAN; over the cells.
        """
        s = self.player.trainer.settings
        if s.packing > 1:
            return None  # it is that of the distributions of several points
        sigma = self._noise()
        if sigma > 0:
            p, q = (gaussian_filter1d(one, sigma / CELL, mode="nearest") for one in (p, q))
            p, q = p / p.sum(), q / q.sum()
        if s.objective == "wasserstein":
            return -self._steepest() * CELL * float(np.abs(np.cumsum(p - q)[:-1]).sum())
        both = p + q
        there = both > 1e-15
        p, q, both = p[there], q[there], both[there]
        shared = float(np.minimum(p, q).sum())
        aim = 1 - s.label_smoothing if self._targets() else 1.0
        name = s.objective
        if name in ("minimax", "non-saturating"):
            d = aim * p / both
            logs = _times_log(aim * p, d) + _times_log((1 - aim) * p + q, 1 - d)
            return -float(logs.sum())
        if name == "least-squares":
            return 0.5 * aim**2 * float((p * q / both).sum())
        if name == "hinge":
            return 2 * shared
        if name == "energy":
            return s.margin * shared
        if name == "relativistic":
            ratio = np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12))
            return float(p @ np.logaddexp(0.0, ratio[None, :] - ratio[:, None]) @ q)
        if name == "f-gan":
            divergence = objectives.find_divergence(s.divergence)
            apart = p[q < 1e-12].sum() > 1e-6
            ratio = torch.from_numpy(np.clip(p / np.maximum(q, 1e-12), 1e-12, 1e12))
            value = -float((torch.from_numpy(q) * divergence.f(ratio)).sum())
            return None if apart and s.divergence in ("kl", "pearson") else finite(value)
        return None

    def _pull(self) -> np.ndarray:
        """Where G's loss would push a fake that lay at each centre [CELLS], in units of the line a unit of loss."""
        c = self.player
        packing = c.trainer.settings.packing
        x, real = (
            torch.from_numpy(side.astype(np.float32))[:, None, None, None]
            for side in (np.repeat(CENTRES, packing), np.resize(_shuffled(self._quantiles), CELLS * packing))
        )
        pull = looking(c.trainer.players["D"], lambda: c.family.pull(x, real)).flatten().numpy()
        return np.nan_to_num(pull.reshape(CELLS, packing).sum(1))

    def _map(self) -> dict[str, Any]:
        """Equally likely z [LINES], and where G takes them; None beyond one dimension."""
        s = self.player.trainer.settings
        if s.latent_dim > 1:
            return {"z": None, "x": None}
        z = latent_quantiles((np.arange(LINES) + 0.5) / LINES, s.latent)
        x = self.player.fakes(LINES, torch.from_numpy(z.astype(np.float32))[:, None]).flatten().numpy()
        return {"z": z, "x": np.nan_to_num(x)}


def pushforward(x: np.ndarray, masses: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The distribution function of G(z) at `edges`, for G known at the nodes of a grid of z and straight in between.

    On cell i the mass `masses[i]` comes to lie evenly between x[i] and x[i + 1]; where several cells reach the same
    place, they add up. That is the change of variables Σ p(z) / |G'(z)|, integrated: exact for a G of straight pieces
    and exact in total for any.

    Args:
        x: G at the nodes, [n + 1].
        masses: of the cells between them, [n].
        edges: ascending, [m].

    Returns:
        float64 [m], not descending, in [0, sum of masses].
    """
    low, high = np.minimum(x[1:], x[:-1]), np.maximum(x[1:], x[:-1])
    before, after = (np.searchsorted(edges, side, side="right") for side in (low, high))
    whole = before == after  # they lie between two edges, however flat G is there
    passed = np.bincount(before[whole], masses[whole], minlength=len(edges) + 1)[: len(edges)].cumsum()
    low, high = low[~whole], high[~whole]
    return passed + ((edges[:, None] - low) / (high - low)).clip(0.0, 1.0) @ masses[~whole]


def _masses(below: np.ndarray) -> np.ndarray:
    """Masses [len + 1] of the cells between edges, and of both tails, from the distribution function at the edges."""
    masses = np.maximum(np.diff(np.concatenate([[0.0], below, [1.0]])), 0.0)
    return masses / masses.sum()


def _shuffled(x: np.ndarray) -> np.ndarray:
    """`x` in another order, always the same."""
    return np.random.default_rng(1).permutation(x)


def _times_log(weight: np.ndarray, value: np.ndarray) -> np.ndarray:
    """weight · log(value), 0 where there is no weight."""
    return np.where(weight > 0, weight * np.log(np.maximum(value, _TINY)), 0.0)


@lru_cache(maxsize=2)
def _latent_cells(latent: str) -> tuple[Tensor, np.ndarray]:
    """(nodes of a fine grid of z [n + 1, 1], the probability of each of its cells [n])."""
    reach = 8.0 if latent == "normal" else 1.0
    z = np.linspace(-reach, reach, LATENT_CELLS + 1)
    below = norm.cdf(-np.abs(z))  # on the right the difference of tails: near 1 it would round small ones away
    masses = np.abs(np.diff(below)) if latent == "normal" else np.diff(z) / 2
    return torch.from_numpy(z.astype(np.float32))[:, None], masses / masses.sum()


@lru_cache(maxsize=2)
def _latent_quantiles(latent: str) -> Tensor:
    """Equally likely z, [QUANTILES, 1]."""
    z = latent_quantiles((np.arange(QUANTILES) + 0.5) / QUANTILES, latent)
    return torch.from_numpy(z.astype(np.float32))[:, None]


def _mixture(means: Any, sigmas: Any, weights: Any) -> Mixture:
    """The target; raises UsageError."""
    target = Mixture(means, sigmas, weights, "the target")
    if len(target.means) > MOST_PARTS:
        raise UsageError(f"The target is made of {MOST_PARTS} Gaussians at most.")
    if max(abs(m) for m in target.means) > MAX_MEAN:
        raise UsageError(f"The means of the target must lie between {-MAX_MEAN:g} and {MAX_MEAN:g}.")
    if not all(MIN_SIGMA <= s <= MAX_SIGMA for s in target.sigmas):
        raise UsageError(f"The sigmas of the target must lie between {MIN_SIGMA:g} and {MAX_SIGMA:g}.")
    return target


def _store(target: Mixture, seed: int) -> PointStore:
    """Points of the target, without classes, in a world that stays the same wherever the target moves."""
    means, sigmas, weights = (part.tolist() for part in target.parts)
    drawn = from_mixture(means, sigmas, weights, name="line", seed=seed)
    return PointStore(replace(drawn.info, classes=(), world=WORLD), drawn.pixels)


def _contestant(preset: str, knobs: Mapping[str, Any], store: PointStore, seed: int) -> Contestant:
    name = preset_name(preset, PRESETS)
    start = {**START, **START_OF.get(name, {})}
    return Contestant(name, {k: KNOBS[k].validate(v) for k, v in start.items()} | dict(knobs), store, seed)
