"""How far apart two 1-D Gaussian mixtures are, by what GANs minimise, and what of it reaches the generator's samples.

P is the data, Q the generator. With velocity v(x) of Q's mass (a shift: 1, a scale: x - mean), s = (log density)' and
D* = p / (p + q): d KL(P|Q) = E_p[v s_q + v'], d KL(Q|P) = -E_q[v s_p + v'], d JS = E_q[v D* (s_q - s_p)] / 2,
d W1 = E_q[v sign(F_P - F_Q)]. Goodfellow et al. 2014 (arXiv:1406.2661), Arjovsky & Bottou 2017 (arXiv:1701.04862).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, ndtr

from playground.errors import UsageError

MAX_COMPONENTS = 4
MAX_MEAN = 20.0
MIN_SIGMA, MAX_SIGMA = 0.05, 10.0
MAX_WEIGHT = 1000.0
MAX_SWEEP = 201  # shifts
LOG2 = math.log(2.0)
VANISHED = 0.01  # of its largest value: below that, a gradient counts as vanished
NAMES = ("kl", "reverse_kl", "js", "tv", "w1", "w2")
LOSSES = ("saturating", "non_saturating", "wasserstein")

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_FEW_NODES, _FEW_WEIGHTS = np.polynomial.legendre.leggauss(4)
_COARSE = np.arange(-6.0, 6.1, 1.0)
_CUTS = np.arange(1, 32) / 32
_REACH = 10.0  # standard deviations: what lies beyond has a mass of 1e-23
_SPREAD = np.arange(-_REACH, _REACH + 0.25, 0.5)
_AROUND = np.concatenate([-(2.0 ** np.arange(4, -2, -1)), [0.0], 2.0 ** np.arange(-1, 5)])


@dataclass(frozen=True)
class Mixture:
    """A mixture of 1-D Gaussians; weights are made to sum to 1.

    Args:
        means: 1 to MAX_COMPONENTS numbers, each within MAX_MEAN of 0.
        sigmas: as many, in [MIN_SIGMA, MAX_SIGMA].
        weights: as many, in [0, MAX_WEIGHT], not all 0; equal ones where None.

    Raises:
        UsageError: a list too long, of another length, or a number that is not finite or out of range.
    """

    means: tuple[float, ...]
    sigmas: tuple[float, ...]
    weights: tuple[float, ...] | None = None
    name: str = "the mixture"  # opens the sentences about wrong numbers

    def __post_init__(self) -> None:
        means = _numbers(self.means, f"the means of {self.name}", -MAX_MEAN, MAX_MEAN)
        sigmas = _numbers(self.sigmas, f"the sigmas of {self.name}", MIN_SIGMA, MAX_SIGMA)
        given = [1.0] * len(means) if self.weights is None else self.weights
        weights = _numbers(given, f"the weights of {self.name}", 0.0, MAX_WEIGHT)
        if not len(means) == len(sigmas) == len(weights):
            raise UsageError(f"Give {self.name} as many means as sigmas and weights.")
        total = math.fsum(weights)
        if total < 1e-9:
            raise UsageError(f"At least one weight of {self.name} must be above 0.")
        for field, value in (
            ("means", means),
            ("sigmas", sigmas),
            ("weights", tuple(one / total for one in weights)),
        ):
            object.__setattr__(self, field, value)

    # The arrays leave out what has no weight: its logarithm is -inf.

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(means, sigmas, weights), float64 [k] each, of the components that have weight."""
        rows = np.array([self.means, self.sigmas, self.weights])
        return tuple(rows[:, rows[2] > 0])  # type: ignore[return-value]

    @property
    def mean(self) -> float:
        """The mean of the whole."""
        return math.fsum(m * w for m, w in zip(self.means, self.weights, strict=True))

    @property
    def single(self) -> bool:
        """Whether it is one Gaussian: the closed forms hold."""
        return sum(weight > 0 for weight in self.weights) == 1

    def log_pdf(self, x: np.ndarray) -> np.ndarray:
        """The log density at `x` (any shape); finite everywhere."""
        return _log_sum(self._logs(x))

    def log_pdf_and_score(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The log density and its derivative at `x`; both finite everywhere, also where the density underflows."""
        means, sigmas, _ = self.parts
        logs = self._logs(x)
        total = _log_sum(logs)
        shares = np.exp(logs - total[..., None])
        return total, (shares * (means - x[..., None]) / sigmas**2).sum(-1)

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """P(X <= x)."""
        means, sigmas, weights = self.parts
        return ndtr((x[..., None] - means) / sigmas) @ weights

    def tail(self, x: np.ndarray) -> np.ndarray:
        """P(X > x)."""
        means, sigmas, weights = self.parts
        return ndtr((means - x[..., None]) / sigmas) @ weights

    def cdf_integral(self, x: np.ndarray) -> np.ndarray:
        """The integral of the distribution function from -inf to `x`."""
        means, sigmas, weights = self.parts
        z = (x[..., None] - means) / sigmas
        return (sigmas * (z * ndtr(z) + _bell(z))) @ weights

    def first_moment(self, x: np.ndarray) -> np.ndarray:
        """E[X; X <= x]: the mean times the mass left of `x`."""
        means, sigmas, weights = self.parts
        z = (x[..., None] - means) / sigmas
        return (means * ndtr(z) - sigmas * _bell(z)) @ weights

    def moved(self, shift: float = 0.0, scale: float = 1.0) -> Mixture:
        """This mixture scaled about its mean, then shifted."""
        middle = self.mean
        means = tuple(middle + scale * (m - middle) + shift for m in self.means)
        return Mixture(means, tuple(scale * s for s in self.sigmas), self.weights, self.name)

    def _logs(self, x: np.ndarray) -> np.ndarray:
        means, sigmas, weights = self.parts
        z = (x[..., None] - means) / sigmas
        return -0.5 * z * z + (np.log(weights / sigmas) - 0.5 * math.log(2 * math.pi))


# ---------------------------------------------------------------------------------------------------------------------
# Values


@dataclass(frozen=True)
class Compared:
    """All divergences between P and Q, each with its derivatives for a shift of Q and a scale of Q about its mean.

    `value`, `shift` and `scale` map NAMES to numbers; None where it has no value ("w2" of mixtures) or no derivative
    ("tv", "w1" and "w2" have a kink where P = Q). Everything is finite, however far apart the two are: the logarithms
    of the densities are used, which never underflow. `closed` holds the values that have a closed form.
    """

    value: dict[str, float | None]
    shift: dict[str, float | None]
    scale: dict[str, float | None]
    closed: dict[str, float]


def compare(p: Mixture, q: Mixture) -> Compared:
    """KL(P|Q), KL(Q|P), Jensen-Shannon, total variation, earth mover's distance W1, and W2 of two single Gaussians.

    In nats, W1 and W2 in units of x. KL and JS are integrated by Gauss-Legendre on panels that follow every component
    and every place where one takes over from another; TV and W1 are sums over the crossings of the densities and of
    the distribution functions, exact but for the finding of these.
    """
    x, weights = _panels(p, q)
    lp, sp = p.log_pdf_and_score(x)
    lq, sq = q.log_pdf_and_score(x)
    wp, wq = weights * np.exp(lp), weights * np.exp(lq)
    gap, drift = lp - lq, sq - sp
    off = x - q.mean
    value: dict[str, float | None] = {
        "kl": max(0.0, float(wp @ gap)),
        "reverse_kl": max(0.0, float(wq @ -gap)),
        # p log(2p / (p + q)) = p (log 2 + log sigmoid(gap)): no density is divided by
        "js": min(LOG2, max(0.0, LOG2 + 0.5 * float(wp @ log_expit(gap) + wq @ log_expit(-gap)))),
    }
    pull = 0.5 * wq * expit(gap) * drift
    shift: dict[str, float | None] = {
        "kl": float(wp @ sq), "reverse_kl": -float(wq @ sp), "js": float(pull.sum()),
    }  # fmt: skip
    scale: dict[str, float | None] = {
        "kl": float(wp @ (off * sq + 1)), "reverse_kl": -float(wq @ (off * sp + 1)), "js": float(pull @ off),
    }  # fmt: skip
    crossing = _total_variation(p, q, x, gap)
    mover = _earth_mover(p, q, np.append(x[::8], x[-1]))
    straight = _wasserstein2(p, q)
    for name, found in (("tv", crossing), ("w1", mover), ("w2", straight)):
        value[name], shift[name], scale[name] = found
    return Compared(value, shift, scale, closed_forms(p, q))


def closed_forms(p: Mixture, q: Mixture) -> dict[str, float]:
    """What is known without integrating, for two single Gaussians (else nothing): "kl", "reverse_kl", "w1", "w2", and
    "tv" where their sigmas are equal."""
    if not (p.single and q.single):
        return {}
    (a,), (s,), _ = p.parts
    (b,), (t,), _ = q.parts
    apart, wider = b - a, abs(t - s)
    if wider > 0:  # the mean of |N(apart, wider²)|
        z = apart / wider
        w1 = wider * math.sqrt(2 / math.pi) * math.exp(-z * z / 2) + apart * (1 - 2 * ndtr(-z))
    else:
        w1 = abs(apart)
    found = {
        "kl": math.log(t / s) + (s * s + apart**2) / (2 * t * t) - 0.5,
        "reverse_kl": math.log(s / t) + (t * t + apart**2) / (2 * s * s) - 0.5,
        "w1": float(w1),
        "w2": math.hypot(apart, t - s),
    }
    if wider == 0:
        found["tv"] = float(2 * ndtr(abs(apart) / (2 * s)) - 1)
    return {name: float(number) for name, number in found.items()}


def sweep(p: Mixture, q: Mixture, shifts: Sequence[float]) -> dict[str, np.ndarray]:
    """Each divergence as a function of the shift of Q, for a chart (3 or more digits; `compare` is exact).

    Args:
        shifts: at most MAX_SWEEP numbers t; Q is moved to q(x - t).

    Returns:
        NAMES to float64 [len(shifts)]; no "w2" for mixtures.

    Raises:
        UsageError: too many shifts, none, or one that is not finite.
    """
    if not 1 <= len(shifts) <= MAX_SWEEP:
        raise UsageError(f"A sweep takes 1 to {MAX_SWEEP} shifts.")
    t = np.array(_numbers(shifts, "the shifts", -10 * MAX_MEAN, 10 * MAX_MEAN, most=MAX_SWEEP))[:, None]
    edges = [(m[:, None] + s[:, None] * _COARSE).ravel() for m, s, _ in (p.parts, q.parts)]
    edges = np.sort(np.concatenate([np.broadcast_to(edges[0], (len(t), edges[0].size)), edges[1] + t], axis=1), axis=1)
    half, middle = np.diff(edges)[..., None] / 2, (edges[:, 1:] + edges[:, :-1])[..., None] / 2
    x = (middle + half * _FEW_NODES).reshape(len(t), -1)  # [shifts, nodes]
    weights = (half * _FEW_WEIGHTS).reshape(len(t), -1)
    lp, lq = p.log_pdf(x), q.log_pdf(x - t)
    wp, wq, gap = weights * np.exp(lp), weights * np.exp(lq), lp - lq
    cdf_p, cdf_q = p.cdf(edges), q.cdf(edges - t)
    found = {
        "kl": (wp * gap).sum(1),
        "reverse_kl": -(wq * gap).sum(1),
        "js": LOG2 + 0.5 * (wp * log_expit(gap) + wq * log_expit(-gap)).sum(1),
        "tv": 0.5 * np.abs(wp - wq).sum(1),
        "w1": _folded(p, q, t, edges, cdf_p - cdf_q),
    }
    found = {name: np.maximum(0.0, values) for name, values in found.items()}
    if p.single and q.single:
        found["w2"] = np.hypot(q.mean + t[:, 0] - p.mean, p.parts[1][0] - q.parts[1][0])
    return found


def _total_variation(
    p: Mixture, q: Mixture, x: np.ndarray, gap: np.ndarray
) -> tuple[float, float | None, float | None]:
    """TV = half the integral of |p - q|, with its derivatives: sums over the roots of p - q."""
    roots = _roots(lambda at: p.log_pdf(at) - q.log_pdf(at), x, gap)
    ends = np.concatenate([[0.0], p.cdf(roots) - q.cdf(roots), [0.0]])
    value = float(min(1.0, 0.5 * np.abs(np.diff(ends)).sum()))
    if value < 1e-12:
        return value, None, None
    (_, sp), (lq, sq) = p.log_pdf_and_score(roots), q.log_pdf_and_score(roots)
    flow = -np.sign(sp - sq) * np.exp(lq)  # where p overtakes q, moving right brings Q's mass to where it lacks
    return value, float(flow.sum()), float(flow @ (roots - q.mean))


def _earth_mover(p: Mixture, q: Mixture, x: np.ndarray) -> tuple[float, float | None, float | None]:
    """W1, the integral of |F_P - F_Q|, with its derivatives: sums over the roots of F_P - F_Q."""
    ahead = p.cdf(x) - q.cdf(x)
    ahead[np.abs(ahead) < 1e-15] = 0.0  # rounding is no crossing
    roots = _roots(lambda at: p.cdf(at) - q.cdf(at), x, ahead)
    cuts = np.concatenate([x[:1], roots, x[-1:]])
    pieces = np.diff(p.cdf_integral(cuts) - q.cdf_integral(cuts))
    value = float(np.abs(pieces).sum())
    if value < 1e-12:
        return value, None, None
    sides = np.sign(pieces)
    masses, moments = np.diff(q.cdf(cuts)), np.diff(q.first_moment(cuts))
    return value, float(sides @ masses), float(sides @ (moments - q.mean * masses))


def _wasserstein2(p: Mixture, q: Mixture) -> tuple[float | None, float | None, float | None]:
    """W2 of two single Gaussians; Nones for mixtures."""
    if not (p.single and q.single):
        return None, None, None
    apart, (s,), (t,) = q.mean - p.mean, p.parts[1], q.parts[1]
    value = math.hypot(apart, t - s)
    if value < 1e-12:
        return value, None, None
    return value, float(apart / value), float((t - s) * t / value)


def _folded(p: Mixture, q: Mixture, t: np.ndarray, x: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """W1 for each shift of Q, [len(t)], from `ahead` = F_P - F_Q at the ascending `x` [len(t), points].

    Where it changes its sign in between, the root is interpolated.
    """
    total = p.cdf_integral(x) - q.cdf_integral(x - t)
    whole = np.abs(np.diff(total, axis=1))
    rows, columns = np.nonzero(ahead[:, :-1] * ahead[:, 1:] < 0)
    a, b = ahead[rows, columns], ahead[rows, columns + 1]
    root = x[rows, columns] + (x[rows, columns + 1] - x[rows, columns]) * a / (a - b)
    between = p.cdf_integral(root) - q.cdf_integral(root - t[rows, 0])
    whole[rows, columns] = np.abs(between - total[rows, columns]) + np.abs(total[rows, columns + 1] - between)
    return whole.sum(1)


# ---------------------------------------------------------------------------------------------------------------------
# What reaches the generator's samples


def window(p: Mixture, q: Mixture) -> tuple[float, float]:
    """Where the two have their mass: five standard deviations around every component."""
    rows = [(m, s) for one in (p, q) for m, s in zip(*one.parts[:2], strict=True)]
    return float(min(m - 5 * s for m, s in rows)), float(max(m + 5 * s for m, s in rows))


def discriminator(p: Mixture, q: Mixture, x: np.ndarray) -> np.ndarray:
    """D*(x) = p / (p + q), the optimal discriminator, in [0, 1]; right also where both densities underflow."""
    return expit(p.log_pdf(x) - q.log_pdf(x))


def sample_gradients(p: Mixture, q: Mixture, x: np.ndarray) -> dict[str, np.ndarray]:
    """dL/dx at samples x of the generator, under the optimal discriminator or critic, for each of LOSSES.

    A sample moves against it. "saturating": L = log(1 - D*); "non_saturating": L = -log D*; "wasserstein": L = -f*,
    with f* the optimal critic, whose slope is 1 or -1: 0 is where it turns, or everywhere if P = Q.
    """
    lp, sp = p.log_pdf_and_score(x)
    lq, sq = q.log_pdf_and_score(x)
    slope = sp - sq  # of the logit, log p - log q
    below, own = p.cdf(x), q.cdf(x)
    # next to 1, small numbers round away: on the right the tails are compared
    ahead = np.sign(np.where(below + own < 1, below - own, q.tail(x) - p.tail(x)))
    middles = np.concatenate([p.parts[0], q.parts[0], p.parts[0] + p.parts[1], q.parts[0] + q.parts[1]])
    same = np.abs(p.cdf(middles) - q.cdf(middles)).max() < 1e-12
    return {
        "saturating": -expit(lp - lq) * slope,
        "non_saturating": -expit(lq - lp) * slope,
        "wasserstein": np.zeros_like(ahead) if same else ahead,
    }


def vanishing(p: Mixture, q: Mixture, points: int = 601) -> dict[str, dict[str, Any]]:
    """Where each loss's gradient has vanished: |dL/dx| below VANISHED of its largest value in the `window`.

    Args:
        points: of the grid over the window; a quarter as many besides on every component of Q.

    Returns:
        For each of LOSSES: "largest" (of |dL/dx|), "mean" (of |dL/dx| over Q's samples), "pull" (the mean of dL/dx:
        the gradient for a shift of Q), "regions" [[from, to]] within the window, and "share" (of Q's mass in them, in
        [0, 1]; None where P = Q: there the gradient is 0 everywhere because nothing is left to learn).
    """
    low, high = window(p, q)
    means, sigmas, _ = q.parts  # narrow ones need points of their own
    own = np.clip((means[:, None] + sigmas[:, None] * np.linspace(-5, 5, max(3, points // 4))).ravel(), low, high)
    x = np.unique(np.concatenate([np.linspace(low, high, points), own]))
    cuts = np.concatenate([[-np.inf], (x[1:] + x[:-1]) / 2, [np.inf]])
    held = np.diff(q.cdf(cuts))
    found = {}
    for name, gradient in sample_gradients(p, q, x).items():
        size = np.abs(gradient)
        largest = float(size.max())
        gone = (size < VANISHED * largest) & (name != "wasserstein")  # the critic's 0 is a turn, not a plateau
        nothing = largest < 1e-9
        found[name] = {
            "largest": 0.0 if nothing else largest,
            "mean": float(size @ held),
            "pull": float(gradient @ held),
            "regions": [] if nothing else _runs(x, gone),
            "share": None if nothing else float(held[gone].sum()),
        }
    return found


def _runs(x: np.ndarray, flags: np.ndarray) -> list[list[float]]:
    """[[from, to]] of the stretches where `flags` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [[float(x[a]), float(x[b - 1])] for a, b in zip(edges[::2], edges[1::2], strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# Numbers


def _log_sum(logs: np.ndarray) -> np.ndarray:
    """log(sum(exp(logs))) over the last axis."""
    most = logs.max(-1)
    return most if logs.shape[-1] == 1 else most + np.log(np.exp(logs - most[..., None]).sum(-1))


def _bell(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _panels(p: Mixture, q: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """(nodes, weights) of a quadrature over everything, finer where one component takes over from another."""
    rows = np.array([(m, s, w) for one in (p, q) for m, s, w in zip(*one.parts, strict=True)])
    means, sigmas, weights = rows.T
    edges = [(means[:, None] + sigmas[:, None] * _SPREAD).ravel()]
    first, second = np.triu_indices(len(rows), 1)
    if len(first):
        # log w N(x): a x² + b x + c; where two of them are equal, and how fast one overtakes the other
        a = -0.5 / sigmas**2
        b, c = means / sigmas**2, -0.5 * (means / sigmas) ** 2 + np.log(weights / sigmas)
        a, b, c = (one[first] - one[second] for one in (a, b, c))
        inside = b * b - 4 * a * c
        flat, bent = (np.abs(a) < 1e-12) & (np.abs(b) > 1e-12), (np.abs(a) >= 1e-12) & (inside > 0)
        root = np.sqrt(inside[bent])
        lean = -0.5 * (b[bent] + np.copysign(root, b[bent]))  # no difference of nearly equal numbers
        with np.errstate(divide="ignore", invalid="ignore"):
            places = np.concatenate([-c[flat] / b[flat], lean / a[bent], c[bent] / lean])
            speed = np.concatenate([np.abs(b[flat]), root, root])
        near = np.isfinite(places) & (speed > 0)
        edges.append((places[near, None] + _AROUND / speed[near, None]).ravel())
    low, high = edges[0].min(), edges[0].max()
    return _quadrature(np.clip(np.concatenate(edges), low, high))


def _quadrature(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.unique(edges)
    half = np.diff(edges)[:, None] / 2
    middle = (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * _NODES).ravel(), (half * _WEIGHTS).ravel()


def _roots(function: Any, x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The roots of `function` between neighbours of ascending `x` where `values` changes its sign."""
    signs = np.sign(values)
    kept = np.flatnonzero(signs)  # zeros in between are no change by themselves
    changes = np.flatnonzero(signs[kept[1:]] != signs[kept[:-1]]) if len(kept) else kept
    if not len(changes):
        return x[:0]
    low, high, side = x[kept[changes]], x[kept[changes + 1]], signs[kept[changes]]
    for _ in range(10):  # each divides by 32: to the last digit of a double
        inner = low[:, None] + (high - low)[:, None] * _CUTS
        same = np.sign(function(inner)) == side[:, None]
        first = np.where(same.all(1), same.shape[1], same.argmin(1))  # the first place beyond the change
        ladder = np.concatenate([low[:, None], inner, high[:, None]], axis=1)
        rows = np.arange(len(low))
        low, high = ladder[rows, first], ladder[rows, first + 1]
    return (low + high) / 2


def _numbers(values: Any, what: str, low: float, high: float, most: int = MAX_COMPONENTS) -> tuple[float, ...]:
    if not isinstance(values, list | tuple | np.ndarray) or not 1 <= len(values) <= most:
        raise UsageError(f"Give {what} as a list of 1 to {most} numbers.")
    for value in values:
        numeric = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not numeric or not math.isfinite(value):
            raise UsageError(f"{what[0].upper()}{what[1:]} must be finite numbers.")
        if not low <= value <= high:
            raise UsageError(f"{what[0].upper()}{what[1:]} must lie between {low:g} and {high:g}, not {value:g}.")
    return tuple(float(value) for value in values)
