"""The smallest adversarial game, V(x, y) = xy + a/2 x² - b/2 y²: x descends, y ascends, and how they step decides.

With J the Jacobian of (dV/dx, -dV/dy), every method here is linear, w -> M w: its iteration matrix M makes the orbit.
Mescheder et al. 2017 (arXiv:1705.10461), Daskalakis et al. 2018 (arXiv:1711.00141), Gidel et al. 2019
(arXiv:1802.10551).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

from playground.errors import UsageError, unknown

MAX_STEPS = 1000
MAX_RATE = 3.0
MAX_START = 100.0  # of either coordinate
MAX_CURVATURE = 2.0  # of a and b
MAX_GAMMA = 5.0
FAR = 1e30  # an orbit is cut where it leaves this radius

Verdict = Literal["converges", "cycles", "diverges"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Game:
    """V(x, y) = xy + a/2 x² - b/2 y², with a and b in [0, MAX_CURVATURE]; a = b = 0 is the plain bilinear game.

    Raises:
        UsageError: a or b outside that range or not finite.
    """

    a: float = 0.0
    b: float = 0.0

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            check(getattr(self, name), f"The curvature {name}", 0.0, MAX_CURVATURE)

    @property
    def plain(self) -> bool:
        """Whether the game is V = xy."""
        return self.a == 0 == self.b

    @property
    def jacobian(self) -> np.ndarray:
        """float64 [2, 2]: J, of (dV/dx, -dV/dy); in continuous time dw/dt = -J w."""
        return np.array([[self.a, 1.0], [-1.0, self.b]])

    def value(self, x: float, y: float) -> float:
        """V(x, y), which x makes small and y makes large."""
        return x * y + self.a / 2 * x * x - self.b / 2 * y * y

    def gradient(self, x: float, y: float) -> Point:
        """(dV/dx, dV/dy)."""
        return self.a * x + y, x - self.b * y


@dataclass(frozen=True)
class Way:
    """One way to play: how its orbit is walked, its iteration matrix, and what is known of it for V = xy.

    `walk(game, x, y, rate, gamma)` yields the points after the start, by gradient steps alone. `matrix(J, rate, gamma)`
    is [k, k]; the state of k > 2 numbers begins with x and y and starts as `state(w)`. `factor(rate, gamma)` is the
    radius gained in each step where V = xy and the radius alone follows a power law; `limit(gamma)` is the rate below
    which the orbit does not grow, again for V = xy.
    """

    title: str
    walk: Callable[[Game, float, float, float, float], Iterator[Point]]
    matrix: Callable[[np.ndarray, float, float], np.ndarray]
    rule: str
    formula: str
    why: str
    factor: Callable[[float, float], float] | None = None
    limit: Callable[[float], float | None] = lambda gamma: None
    averaged: bool = False


# ---------------------------------------------------------------------------------------------------------------------
# The walks: gradient steps, no matrices


def _simultaneous(game: Game, x: float, y: float, rate: float, gamma: float) -> Iterator[Point]:
    while True:
        dx, dy = game.gradient(x, y)
        x, y = x - rate * dx, y + rate * dy
        yield x, y


def _alternating(game: Game, x: float, y: float, rate: float, gamma: float) -> Iterator[Point]:
    while True:
        x -= rate * game.gradient(x, y)[0]
        y += rate * game.gradient(x, y)[1]  # sees the new x
        yield x, y


def _averaged(game: Game, x: float, y: float, rate: float, gamma: float) -> Iterator[Point]:
    sum_x, sum_y = x, y
    for count, (next_x, next_y) in enumerate(_alternating(game, x, y, rate, gamma), 2):
        sum_x, sum_y = sum_x + next_x, sum_y + next_y
        yield sum_x / count, sum_y / count


def _extragradient(game: Game, x: float, y: float, rate: float, gamma: float) -> Iterator[Point]:
    while True:
        dx, dy = game.gradient(x, y)
        dx, dy = game.gradient(x - rate * dx, y + rate * dy)  # a look ahead, taken back
        x, y = x - rate * dx, y + rate * dy
        yield x, y


def _optimistic(game: Game, x: float, y: float, rate: float, gamma: float) -> Iterator[Point]:
    last_x, last_y = game.gradient(x, y)
    while True:
        dx, dy = game.gradient(x, y)
        x, y = x - rate * (2 * dx - last_x), y + rate * (2 * dy - last_y)
        last_x, last_y = dx, dy
        yield x, y


def _consensus(game: Game, x: float, y: float, rate: float, gamma: float) -> Iterator[Point]:
    while True:
        dx, dy = game.gradient(x, y)
        # the gradient of |(dV/dx, dV/dy)|² / 2, which both players descend
        pull_x, pull_y = game.a * dx + dy, dx - game.b * dy
        x, y = x - rate * (dx + gamma * pull_x), y + rate * (dy - gamma * pull_y)
        yield x, y


def _continuous(game: Game, x: float, y: float, rate: float, gamma: float) -> Iterator[Point]:
    (xx, xy), (yx, yy) = _flow(game.jacobian, rate).tolist()
    while True:
        x, y = xx * x + xy * y, yx * x + yy * y
        yield x, y


# ---------------------------------------------------------------------------------------------------------------------
# The iteration matrices


def _flow(jacobian: np.ndarray, time: float) -> np.ndarray:
    """exp(-J t), [2, 2]: J is its mean diagonal plus a part that squares to a multiple of the unit matrix."""
    mean = jacobian.trace() / 2
    rest = jacobian - mean * np.eye(2)
    root = np.emath.sqrt((rest @ rest)[0, 0])
    even, odd = (np.cosh(root * time), np.sinh(root * time) / root) if abs(root) > 1e-9 else (1.0, time)
    return (math.exp(-mean * time) * (even * np.eye(2) - odd * rest)).real


def _alternating_matrix(jacobian: np.ndarray, rate: float, gamma: float) -> np.ndarray:
    first, second = np.eye(2), np.eye(2)
    first[0] -= rate * jacobian[0]
    second[1] -= rate * jacobian[1]
    return second @ first


def _optimistic_matrix(jacobian: np.ndarray, rate: float, gamma: float) -> np.ndarray:
    unit = np.eye(2)
    return np.block([[unit - 2 * rate * jacobian, rate * jacobian], [unit, np.zeros((2, 2))]])


def _optimistic_factor(rate: float) -> float:
    """The larger |mu| of mu² = (1 - 2i rate) mu + i rate."""
    root = np.emath.sqrt(1 - 4 * rate * rate)
    return float(max(abs(1 - 2j * rate + root), abs(1 - 2j * rate - root)) / 2)


_UNIT = np.eye(2)
WAYS: dict[str, Way] = {
    "simultaneous": Way(
        "Simultaneous", _simultaneous, lambda J, rate, gamma: _UNIT - rate * J,
        "Both step at once, from the same point.",
        "r₀ · (1 + η²)^(n/2)",
        "The step is at a right angle to the radius, so by Pythagoras every step of any size leads outwards.",
        factor=lambda rate, gamma: math.sqrt(1 + rate * rate),
    ),
    "alternating": Way(
        "Alternating", _alternating, _alternating_matrix,
        "x steps, then y answers the new x.",
        "x² + y² − η·xy stays the same",
        "The two half steps shear the plane and keep areas, so the orbit stays on an ellipse: it never arrives and, "
        "for η < 2, never escapes.",
        limit=lambda gamma: 2.0,
    ),
    "extragradient": Way(
        "Extra-gradient", _extragradient, lambda J, rate, gamma: _UNIT - rate * J + rate * rate * J @ J,
        "Look one step ahead, and step from here with the gradient found there.",
        "r₀ · ((1 − η²)² + η²)^(n/2)",
        "The gradient one step ahead is turned a little inwards, which outweighs the outward drift for η < 1.",
        factor=lambda rate, gamma: math.hypot(1 - rate * rate, rate),
        limit=lambda gamma: 1.0,
    ),
    "optimistic": Way(
        "Optimistic", _optimistic, _optimistic_matrix,
        "Step with twice this gradient less the last one.",
        "|μ|ⁿ with μ² = (1 − 2iη)μ + iη",
        "The change since the last gradient predicts the next one: extra-gradient's look ahead at the cost of one "
        "gradient, for η < 1/√3.",
        limit=lambda gamma: 1 / math.sqrt(3),
    ),
    "consensus": Way(
        "Consensus", _consensus, lambda J, rate, gamma: _UNIT - rate * (J + gamma * J.T @ J),
        "Both also descend γ/2 of the squared gradient norm.",
        "r₀ · ((1 − ηγ)² + η²)^(n/2)",
        "The squared gradient norm is a bowl around the middle, and its pull inwards, γη, outweighs the drift "
        "outwards for small steps.",
        factor=lambda rate, gamma: math.hypot(1 - rate * gamma, rate),
        limit=lambda gamma: 2 * gamma / (1 + gamma * gamma),
    ),
    "averaged": Way(
        "Averaged", _averaged, _alternating_matrix,
        "Alternating steps, of which the running mean is looked at.",
        "no more than a constant / (n + 1)",
        "The orbit circles the middle evenly, so its mean tends there, but only as 1/n.",
        limit=lambda gamma: 2.0,
        averaged=True,
    ),
    "continuous": Way(
        "Continuous time", _continuous, lambda J, rate, gamma: _flow(J, rate),
        "Steps without size: dx/dt = −∂V/∂x, dy/dt = ∂V/∂y.",
        "r₀, at every moment",
        "The motion is at a right angle to the radius at every moment: a circle, at one radian a unit of time.",
        factor=lambda rate, gamma: 1.0,
    ),
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# What is asked


def orbit(
    method: str, start: Point, rate: float, steps: int, game: Game | None = None, gamma: float = 1.0
) -> np.ndarray:
    """Play the game by gradient steps.

    Args:
        method: a name of `WAYS`.
        start: (x, y), each within MAX_START of 0.
        rate: the step size η, in (0, MAX_RATE]; time between the points where time is continuous.
        steps: from 1 to MAX_STEPS.
        game: V = xy where None.
        gamma: the weight of the squared gradient norm, in [0, MAX_GAMMA]; consensus alone looks at it.

    Returns:
        float64 [steps + 1, 2]; rows are NaN from where the orbit has left the radius FAR.

    Raises:
        UsageError: an unknown method, or a number outside its range.
    """
    way, first = _checked(method, start, rate, steps, gamma)
    points = [first]
    for point in islice(way.walk(game or Game(), *first, rate, gamma), steps):
        if math.hypot(*point) > FAR:
            break
        points.append(point)
    return np.array(points + [(math.nan, math.nan)] * (steps + 1 - len(points)))


def predicted(
    method: str, start: Point, rate: float, steps: int, game: Game | None = None, gamma: float = 1.0
) -> np.ndarray:
    """The same orbit without playing: M^n w through the eigenvalues of the iteration matrix; as `orbit`."""
    way, (x, y) = _checked(method, start, rate, steps, gamma)
    matrix = way.matrix((game or Game()).jacobian, rate, gamma)
    state = np.resize([x, y], len(matrix))  # the optimistic state holds the point twice
    values, vectors = np.linalg.eig(matrix)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.linalg.cond(vectors) < 1e6:
            powers = np.power(values[None].astype(complex), np.arange(steps + 1)[:, None])
            states = (powers * np.linalg.solve(vectors, state.astype(complex))) @ vectors.T
            points = states.real[:, :2]
        else:  # eigenvectors that (almost) coincide span nothing
            states = [state]
            for _ in range(steps):
                states.append(matrix @ states[-1])
            points = np.stack(states)[:, :2]
        if way.averaged:
            points = np.cumsum(points, 0) / np.arange(1, steps + 2)[:, None]
        lost = np.cumsum(~(np.hypot(*points.T) <= FAR)) > 0
    points[lost] = np.nan
    return points


def predicted_radii(
    method: str, start: Point, rate: float, steps: int, game: Game | None = None, gamma: float = 1.0
) -> np.ndarray:
    """float64 [steps + 1]: the distance from (0, 0), by the method's own formula where V = xy has one; as `orbit`."""
    game = game or Game()
    way, (x, y) = _checked(method, start, rate, steps, gamma)
    if way.factor is None or not game.plain:
        return np.hypot(*predicted(method, start, rate, steps, game, gamma).T)
    with np.errstate(over="ignore"):
        radii = math.hypot(x, y) * way.factor(rate, gamma) ** np.arange(steps + 1.0)
    radii[radii > FAR] = np.nan
    return radii


def spectral_radius(method: str, rate: float, game: Game | None = None, gamma: float = 1.0) -> float:
    """The largest |eigenvalue| of the iteration matrix: the factor by which the radius grows a step in the long run."""
    way, _ = _checked(method, (0, 0), rate, 1, gamma)
    return float(np.abs(np.linalg.eigvals(way.matrix((game or Game()).jacobian, rate, gamma))).max())


def ellipse(start: Point, rate: float) -> tuple[float, float] | None:
    """The half axes of the ellipse x² + y² - rate·xy that alternating steps stay on where V = xy, longer first.

    The long one lies along x = y. None where rate >= 2: then the curve is no ellipse, and the orbit leaves.
    """
    _, (x, y) = _checked("alternating", start, rate, 1, 1.0)
    if rate >= 2:
        return None
    level = x * x + y * y - rate * x * y
    return math.sqrt(level / (1 - rate / 2)), math.sqrt(level / (1 + rate / 2))


def verdict(method: str, rate: float, game: Game | None = None, gamma: float = 1.0) -> Verdict:
    """What becomes of the orbit as the steps go on."""
    way, _ = _checked(method, (0, 0), rate, 1, gamma)
    values, vectors = np.linalg.eig(way.matrix((game or Game()).jacobian, rate, gamma))
    radius = np.abs(values).max()
    if radius > 1 + 1e-9:
        return "diverges"
    if radius < 1 - 1e-9:
        return "converges"
    grows = np.linalg.cond(vectors) > 1e6  # one eigenvector for two eigenvalues of size 1: M^n grows as n
    if way.averaged:
        return "cycles" if grows else "converges"
    return "diverges" if grows else "cycles"


def study(
    method: str, start: Point, rate: float, steps: int, game: Game | None = None, gamma: float = 1.0
) -> dict[str, Any]:
    """All there is to say of one method: its orbit, and beside it the answer that needs no playing.

    Returns:
        "name", "title", "rule" (how it steps), "points" [steps + 1, 2], "radii" and "predicted" [steps + 1],
        "matrix" [k, k], "eigenvalues" [[real, imaginary]], "spectral_radius", "verdict", "formula" (of the radius
        after n steps; None unless V = xy), "limit" (the rate below which nothing grows where V = xy; None for no
        such rate, or where it does not apply), "ellipse" (half axes; alternating on V = xy alone), "why".

    Raises:
        UsageError: as `orbit`.
    """
    game = game or Game()
    way, _ = _checked(method, start, rate, steps, gamma)
    points = orbit(method, start, rate, steps, game, gamma)
    matrix = way.matrix(game.jacobian, rate, gamma)
    values = np.linalg.eigvals(matrix)
    return {
        "name": method,
        "title": way.title,
        "rule": way.rule,
        "points": points,
        "radii": np.hypot(*points.T),
        "predicted": predicted_radii(method, start, rate, steps, game, gamma),
        "matrix": matrix,
        "eigenvalues": [[float(value.real), float(value.imag)] for value in values.astype(complex)],
        "spectral_radius": float(np.abs(values).max()),
        "verdict": verdict(method, rate, game, gamma),
        "formula": way.formula if game.plain else None,
        "limit": way.limit(gamma) if game.plain else None,
        "ellipse": ellipse(start, rate) if method == "alternating" and game.plain else None,
        "why": _why(way, method, rate, game, gamma),
    }


def _why(way: Way, method: str, rate: float, game: Game, gamma: float) -> str:
    """One sentence for this rate and this game."""
    fate = verdict(method, rate, game, gamma)
    if game.plain:
        limit = way.limit(gamma)
        if fate == "diverges" and limit is not None:
            overshot = f"{limit:.3g}" if limit else "0"
            return f"η = {rate:.3g} is beyond this method's limit of {overshot}: each step overshoots the middle."
        return way.why
    if fate == "diverges":
        return (
            "The quadratic terms pull inwards at a rate that falls with η, the drift outwards grows with η²: "
            "at this step size the drift wins."
        )
    if fate == "converges":
        return (
            "The quadratic terms make each player's own cost curved, so the eigenvalues of J have a positive real "
            "part and steps of this size shrink the radius."
        )
    return "The pull inwards of the quadratic terms and the drift outwards of the steps cancel at just this rate."


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def check(value: Any, what: str, low: float, high: float, above: bool = False) -> float:
    """The number `value` of [low, high], of (low, high] where `above`.

    Raises:
        UsageError: no number, not finite, or out of range; `what` opens the sentence.
    """
    numeric = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not numeric or not math.isfinite(value):
        raise UsageError(f"{what} must be a finite number.")
    if not low <= value <= high or (above and value == low):
        least = f"above {low:g} and at most" if above else f"between {low:g} and"
        raise UsageError(f"{what} must be {least} {high:g}, not {value:g}.")
    return float(value)


def _checked(method: str, start: Point, rate: float, steps: int, gamma: float) -> tuple[Way, Point]:
    if not isinstance(method, str) or method not in WAYS:
        raise unknown("method", str(method)[:60], WAYS)
    if not isinstance(start, tuple | list | np.ndarray) or len(start) != 2:
        raise UsageError("The start must be a point: two numbers, x and y.")
    x, y = (check(value, f"The start's {name}", -MAX_START, MAX_START) for name, value in zip("xy", start, strict=True))
    check(rate, "The rate", 0.0, MAX_RATE, above=True)
    if not isinstance(steps, int | np.integer) or isinstance(steps, bool):
        raise UsageError("The number of steps must be a whole number.")
    check(steps, "The number of steps", 1, MAX_STEPS)
    check(gamma, "The consensus weight γ", 0.0, MAX_GAMMA)
    return WAYS[method], (x, y)
