"""Classifier-gradient control: a latent is walked until a classifier reads what was asked for, and the rest stays.

With the generator G and the classifier s (log-odds) frozen, each step lowers

    L(u) = Σ_targets h(m_t − σ_t s_t) + hold · Σ_held (c(s_j) − c(s_j⁰))² + still · Σ_i |p_i − p_i'| + anchor · ‖u‖²,

h being Huber's hinge (no force once the margin m is reached), σ_t = ±1 the side asked for, c(s) = 4 tanh(s/4) (certain
is certain: what lies beyond is not worth holding), s⁰ the readings of the start, p the mean colours of the picture's
4 × 4 cells, p' those where the walk last stood, and u the way from the start, in coordinates in which latents are round
(`directions.Cloud`). After Nguyen et al. 2016 (arXiv 1605.09304).

The third sum holds what no reader names: who asks for a smile wants the backdrop to stay. It is a friction, not a
spring: it bars moves that are not needed, and pulls nothing back (a spring of the same weight kept some targets from
flipping). Absolute differences let the few cells go that have to change.

Plain gradient steps zigzag here: a held attribute near its threshold has a slope many times the target's. So the
gradients J = ∂s/∂u of all readings are taken, and a step solves the linearised problem (as Marquardt 1963),

    min_d Σ_t ω_t (β r_t − J_t d)² + hold · Σ_j (c_j − c_j⁰ + c'_j J_j d)² + Σ_i ω_i (p_i − p_i' + J_i d)²
          + anchor · ‖u + d‖²,

r_t being what the target misses, ω_t = ½ / max(1, |r_t|) Huber's weight, ω_i = ½ still / |p_i − p_i'| (rounded off at
0, as reweighted least squares do), and β ≤ 1 the share of r_t that a step of the allowed length can make good.

What is held can bar the way: hair that turns grey passes through a look that reads as older. A walk therefore begins
with a tenth of the holds; once it has arrived, or is stuck, they have their whole force, and what moved comes back as
far as it can.

A classifier's gradient also leads to pictures that only this classifier believes in. Three things keep the change real,
so that a classifier trained separately sees it too: steps are measured in round coordinates, along which latents are
likely; latents stay as far from the middle as latents are; and the picture is read through other small changes (shift,
blur, brightness, noise) as well, the same ones for start and present.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from playground.errors import UsageError
from playground.latent.directions import Cloud, Sampled, cloud, draw, home, sample
from playground.latent.leads import mean_changes
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace, Noise

#: Options for pictures that a classifier is easily deceived by, such as soft ones: it must be surer, of more views, and
#: the latent may go further. In an older `faces-style` a second classifier saw 83 % of four attributes flip so (16
#: faces each; 58 % in w with 2 views at a margin of 5), and 75 % of long hair with a lead to begin with (31 %
#: without). What a guide that never gets so sure is asked for ends where nothing is gained any more. Holding ten times
#: as hard moved held attributes hardly less: what a second classifier sees change, the guide does not.
THOROUGH: Mapping[str, Any] = MappingProxyType(
    {
        "margin": 8.0,
        "views": 8,
        "anchor": 0.005,
        "hold_weight": 0.5,
        "picture_weight": 0.3,
        "step_size": 0.5,
        "steps": 80,
        "lead": 600,
    }
)

CERTAIN = 4.0  # log-odds beyond which a held reading may drift
_EASED = 0.1  # of the hold's force, until a walk has arrived
_PATIENCE = 4  # steps without a gain of a hundredth, after which a walk is stuck
_CARRIED = 3  # steps that slopes are carried along before they are taken anew: taking them is nearly all of the cost
LEAD_SHARES = (0.5, 1.0, 1.5, 2.0)  # of a lead, as a walk's first step
_CELLS = 4  # a picture from afar has so many cells a side
_NEAR = 0.05  # of colours in [-1, 1]: a move that is hardly seen
_FIRM = 10.0  # slope of the wall at the edge of where latents are, per sigma


class Path(NamedTuple):
    """The way a latent went.

    Attributes:
        latents: [T+1, D], or [T+1, layers, D]; of a batch [T+1, N, ...]. The last is the result.
        readings: probabilities or values in [0, 1] on the way, [T+1, A] or [T+1, N, A], as the reader's `names`.
        names: of the readings.
        reached: whether the targets were reached with their margin; bool [] or [N].
    """

    latents: Tensor
    readings: Tensor
    names: tuple[str, ...]
    reached: Tensor


def steer(
    space: LatentSpace,
    latent: Tensor,
    reader: Reader,
    targets: Mapping[str, float],
    hold: Sequence[str] | str | None = "others",
    **options,
) -> Path:
    """`steer_batch` of one latent: [D] or [1, D], or one a layer as [1, layers, D]; gives a path without N."""
    latent = latent[None] if latent.ndim == 1 else latent
    if len(latent) != 1:
        raise UsageError(f"One latent is steered here, not {len(latent)}: use steer_batch for many.")
    path = steer_batch(space, latent, reader, targets, hold, **options)
    return Path(path.latents[:, 0], path.readings[:, 0], path.names, path.reached[0])


def steer_batch(
    space: LatentSpace,
    latents: Tensor,
    reader: Reader,
    targets: Mapping[str, float | Tensor],
    hold: Sequence[str] | str | None = "others",
    *,
    hold_weight: float = 1.0,
    picture_weight: float = 0.0,
    step_size: float = 1.0,
    steps: int = 20,
    where: str | None = None,
    label: int | str | Sequence[float] | Tensor | None = None,
    codes: Sequence[float] | Tensor | None = None,
    psi: float | None = None,
    psi_layers: Sequence[int] | None = None,
    noise: Noise = "fixed",
    margin: float = 3.0,
    anchor: float = 0.02,
    views: int = 2,
    lead: int = 0,
    layers: tuple[int, int] | None = None,
    seed: int = 0,
    on_step: Callable[[int, int, Tensor, Tensor], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Walk latents until the reader finds the targets in their pictures.

    Args:
        latents: [N, D], or [N, layers, D] of a styled model.
        targets: what each attribute shall be, in [0, 1], for all or one a latent [N]. 0 and 1 ask for "surely not" and
            "surely" (the margin); what lies between is met as exactly as possible.
        hold: names that shall stay; "others" is all that may (`Reader.related` to no target); None holds nothing.
        hold_weight: force of the hold against that of the targets; 0 is off.
        picture_weight: force that keeps what no reader names (backdrop, clothes, colours) as it is wherever the targets
            can spare it; 0 is off. Costs a pass back for each of the picture's 16 cells and channels, twice a walk.
        step_size: longest step, in sigmas of the latents' cloud.
        steps: at most so many; a latent whose targets are reached, and whose held attributes stayed, rests, with a
            `picture_weight` once nothing is gained any more.
        where: "w" or "z"; None is w for a styled model.
        label, codes, psi, psi_layers, noise: how the pictures are drawn, as in `LatentSpace.draw`.
        margin: log-odds at which a target counts as surely reached; of what one classifier is sure at 3, another often
            sees nothing.
        anchor: pull back to the start, per sigma².
        views: how often a step looks at each picture: once as it is, the others through small changes. Each makes a
            step longer, and changes that this classifier alone believes in fewer (see `THOROUGH`).
        lead: samples to learn from how pictures with the targets lie apart from those without (`leads.mean_changes`); a
            walk may then begin with that change, at the share of it that is best for this picture. 0 is none.
        layers: style layers that may change, (first, last) inclusive: the result then has one vector a layer.
        seed: of the small changes.
        on_step: called as (step, steps, latents, readings [N, A]) after each step.
        stop: asked before each step; True ends the walk where it is.

    Raises:
        UsageError: unknown names, a target out of range or held, or latents that don't fit.
    """
    where = home(space, where)
    goals, held = _plan(reader, targets, hold, len(latents))
    _check(steps, step_size, hold_weight, picture_weight, margin, anchor, views)
    start = latents.detach().float().to(space.device)
    mask = None
    if layers is not None:
        start, mask = _in_layers(space, start, where, layers)
    spread = cloud(space, where)
    bound = _Bound(space, spread, start, where)
    sampled = Sampled(start, *space.condition(label, codes, len(start)))
    options = {"psi": psi, "psi_layers": psi_layers, "noise": noise}
    changes = _small_changes(views - 1, seed)
    problem = _Problem(goals, held, margin, hold_weight, picture_weight, anchor)

    def paint(way: Tensor, rows: Tensor) -> Tensor:
        """The pictures of some rows, [n, C, H, W]."""
        part = Sampled(start[rows] + spread.step(way), *(None if t is None else t[rows] for t in sampled[1:]))
        return draw(space, where, part, **options)

    def look(way: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds in the pictures of some rows as they are, [n, A]; on average over the views, and what the picture
        looks like from afar: [n, A + cells]."""
        picture = paint(way, rows)
        plain = seen = reader.logits(picture)
        if changes:
            seen = (plain + sum(reader.logits(change(picture)) for change in changes)) / views
            # a value in between is that of the picture as it is: a brighter one would read otherwise
            seen = torch.where(problem.two_sided[rows], plain, seen)
        return plain, torch.cat([seen, _from_afar(picture)], dim=1) if picture_weight else seen

    def survey(see: Callable[[Tensor, Tensor], Tensor], which: Tensor, columns: Sequence[int | None]) -> Tensor:
        """The slopes of some columns of what `see` sees in some rows."""
        way = here[which].requires_grad_()
        return _slopes(see(way, which), way, columns, None if mask is None else mask[which])

    leads = None
    if lead and not bool(problem.two_sided.any()):
        names = list(targets)
        found = mean_changes(space, reader, where, names, held_names(reader, names, hold), lead).to(start.device)
        sides = problem.side[:, [reader.index(name) for name in names]]
        leads = sides @ found  # [N, D]
        leads = leads if mask is None else leads[:, None] * mask
    rows = torch.arange(len(start), device=start.device)  # those that still walk
    here, tried = torch.zeros_like(start), torch.zeros_like(start)  # ways from the start, in round coordinates
    radius = torch.full((len(start),), float(step_size), device=start.device)
    merit = torch.full_like(radius, torch.inf)
    lowest, stale = merit.clone(), torch.zeros_like(radius)
    age = torch.full_like(radius, torch.inf)  # steps that slopes have been carried along
    surveyed = torch.zeros(len(start), dtype=torch.bool, device=start.device)  # slopes of what is seen from afar
    plain = seen = slopes = torch.empty(0)  # until they are first taken
    walked: list[Tensor] = []
    read: list[Tensor] = []
    for k in range(steps + 1):
        way = tried[rows]
        with torch.no_grad():
            plain_now, seen_now = look(way, rows)
        if k == 0:
            plain, seen = plain_now.clone(), seen_now.clone()
            problem.begin(plain, seen)
            slopes = start.new_zeros(len(start), len(problem.columns), start[0].numel())
        cost = problem.cost(seen_now, way, rows)
        better = cost < 1.05 * merit[rows] + 0.02  # uphill a little: readings have kinks, which are crossed that way
        taken = rows[better]
        slopes[taken] = _carried(
            slopes[taken], way[better] - here[taken], (seen_now[better] - seen[taken])[:, problem.columns]
        )
        here[taken], merit[taken] = way[better], cost[better]
        plain[taken], seen[taken] = plain_now[better], seen_now[better]
        # a step that failed: by slopes of its own place it was too long, by slopes carried along they are to blame
        own = age[rows] == 0
        radius[rows] *= torch.where(better, 1.5, torch.where(own, 0.4, 0.7))
        radius.clamp_(max=step_size)
        age[rows] = torch.where(better, age[rows] + 1, torch.where(own, 0.0, torch.inf))
        walked.append((start + spread.step(here)).cpu() if k else start.cpu())
        read.append(torch.sigmoid(plain).cpu())
        if on_step is not None and k:
            on_step(k, steps, walked[-1], read[-1])
        gained = cost < 0.99 * lowest[rows]
        stale[rows] = torch.where(gained, 0.0, stale[rows] + 1)
        lowest[rows] = torch.minimum(lowest[rows], cost)
        stuck, arrived = stale[rows] >= _PATIENCE, problem.reached(plain, seen)[rows]
        done = problem.settled(plain, seen)[rows] | (stuck & ~problem.eased[rows])
        firm = rows[(stuck | arrived) & problem.eased[rows] & ~done]
        problem.eased[firm] = surveyed[firm] = False
        merit[firm] = lowest[firm] = problem.cost(seen[firm], here[firm], firm)
        stale[firm], radius[firm], age[firm] = 0.0, float(step_size), torch.inf
        if k == steps or done.all() or (stop is not None and stop()):
            break
        rows = rows[~done]
        anew = rows[age[rows] >= _CARRIED]
        if len(anew):
            count = len(problem.read)
            needed = problem.needed(seen[anew], anew)
            slopes[anew, :count] = survey(lambda way, rows: look(way, rows)[1], anew, needed)
            afar = anew[~surveyed[anew]]
            if problem.cells and len(afar):
                cells = range(len(problem.cells))
                slopes[afar, count:] = survey(lambda way, rows: _from_afar(paint(way, rows)), afar, cells)
            age[anew], surveyed[anew] = 0.0, True
        given = (seen[rows], slopes[rows], here[rows], radius[rows], rows)
        step = problem.step(*given)
        wall = bound.wall(here[rows], step, rows)
        if wall is not None:  # plan along it: a step that is merely cut short moves what is held
            step = torch.where(_each(wall.met, step), problem.step(*given, wall), step)
        tried[rows] = bound(here[rows] + step, rows)
        if k == 0 and leads is not None:
            best = merit[rows]
            for share in LEAD_SHARES:
                way = bound(share * leads[rows], rows)
                with torch.no_grad():
                    cost = problem.cost(look(way, rows)[1], way, rows)
                led = cost < best
                best = torch.where(led, cost, best)
                tried[rows[led]] = way[led]
                age[rows[led]] = torch.inf  # slopes of the start say nothing so far off
    return Path(torch.stack(walked), torch.stack(read), reader.names, problem.reached(plain, seen).cpu())


def _carried(slopes: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """Slopes after a step, so that they explain the change it made: J + (Δs − J d) dᵀ / ‖d‖² (Broyden 1965)."""
    step = step.flatten(1)
    length = step.square().sum(dim=1).clamp(min=1e-12)
    missed = change - (slopes @ step[:, :, None])[:, :, 0]
    return slopes + missed[:, :, None] * (step / length[:, None])[:, None] * (length > 1e-8)[:, None, None]


def _slopes(seen: Tensor, way: Tensor, columns: Sequence[int | None], mask: Tensor | None) -> Tensor:
    """∂s/∂u of the readings `columns` of [n, A], by one pass back each: [n, len(columns), numbers of a way].

    None in place of a column is passed over: its slopes are 0.
    """
    found = torch.zeros(len(way), len(columns), way[0].numel(), device=way.device)
    for i, column in enumerate(columns):
        if column is not None:
            (gradient,) = torch.autograd.grad(seen[:, column].sum(), way, retain_graph=True)
            found[:, i] = (gradient if mask is None else gradient * mask).flatten(1)
    return found


# --- What is wanted --------------------------------------------------------------------------------------------------


def held_names(reader: Reader, targets: Iterable[str], hold: Sequence[str] | str | None = "others") -> tuple[str, ...]:
    """The names that stay while `targets` change; raises UsageError for an unknown name or a held target."""
    targets = list(targets)
    for name in targets:
        reader.index(name)
    if hold is None:
        return ()
    if hold == "others":
        free = frozenset(targets).union(*(reader.related(name) for name in targets))
        return tuple(name for name in reader.names if name not in free)
    if isinstance(hold, str):
        raise UsageError(f'Held attributes are a list of names, or "others", not "{hold}".')
    for name in hold:
        reader.index(name)
        if name in targets:
            raise UsageError(f"'{name}' can't be steered and held at once: take it out of one of the two.")
    return tuple(dict.fromkeys(hold))


def _plan(
    reader: Reader, targets: Mapping[str, float | Tensor], hold: Sequence[str] | str | None, count: int
) -> tuple[Tensor, Tensor]:
    """(goals [N, A] in [0, 1], NaN where there is none; held: bool [A])."""
    if not targets:
        raise UsageError("Nothing to steer: set at least one attribute to a value from 0 to 1.")
    goals = torch.full((count, len(reader.names)), torch.nan, device=reader.device)
    for name, value in targets.items():
        column = torch.as_tensor(value, dtype=torch.float32, device=reader.device)
        if column.shape not in ((), (count,)) or not bool(((column >= 0) & (column <= 1)).all()):
            raise UsageError(f"'{name}' is steered to a value from 0 to 1, not to {value}.")
        goals[:, reader.index(name)] = column
    held = torch.zeros(len(reader.names), dtype=torch.bool, device=reader.device)
    for name in held_names(reader, targets, hold):
        held[reader.index(name)] = True
    return goals, held


def _check(
    steps: int, step_size: float, hold_weight: float, picture_weight: float, margin: float, anchor: float, views: int
) -> None:
    if not isinstance(steps, int) or not 1 <= steps <= 1000:
        raise UsageError(f"The number of steps is a whole number from 1 to 1000, not {steps}.")
    if not isinstance(views, int) or not 1 <= views <= 16:
        raise UsageError(f"The number of views is a whole number from 1 to 16, not {views}.")
    for name, value, low, high in (
        ("The step size", step_size, 1e-4, 10.0),
        ("The weight of the hold", hold_weight, 0.0, 1000.0),
        ("The weight of the picture", picture_weight, 0.0, 1000.0),
        ("The margin", margin, 0.0, 20.0),
        ("The anchor", anchor, 0.0, 100.0),
    ):
        if not low <= value <= high:
            raise UsageError(f"{name} is a number from {low:g} to {high:g}, not {value}.")


def _in_layers(space: LatentSpace, start: Tensor, where: str, layers: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(the latents with one vector a layer, [N, L, D]; 1 in the layers that may move, [N, L, 1])."""
    if where == "z":
        raise UsageError("Only w has layers: steer in w, or leave the layer range out.")
    first, last = space.check_layers(layers)
    start = start[:, None].repeat(1, space.layers, 1) if start.ndim == 2 else start
    mask = torch.zeros(len(start), space.layers, 1, device=start.device)
    mask[:, first : last + 1] = 1
    return start, mask


# --- The problem of one step -----------------------------------------------------------------------------------------


class _Problem:
    """What a batch of walks lowers, and the step that a linear picture of the readings suggests.

    Args:
        goals: [N, A] in [0, 1], NaN where nothing is asked for.
        held: bool [A].
    """

    def __init__(self, goals: Tensor, held: Tensor, margin: float, hold_weight: float, still: float, anchor: float):
        self.asked, self.held, self.margin = ~goals.isnan(), held, margin
        self.hold_weight, self.anchor, self.still = hold_weight, anchor, still
        self.two_sided = (goals > 0) & (goals < 1)
        self.wanted = torch.logit(goals.clamp(1e-6, 1 - 1e-6)).clamp(-margin, margin)
        self.side = torch.where(goals >= 0.5, 1.0, -1.0)
        self.goals = goals
        counted = self.asked.any(dim=0) | (held & (hold_weight > 0))
        self.read: list[int] = counted.nonzero()[:, 0].tolist()
        self.cells: list[int] = []  # what is seen from afar, once there is a picture
        self.begun_plain = self.begun = self.last_afar = goals
        self.eased = torch.full((len(goals),), still > 0 or (hold_weight > 0 and bool(held.any())), device=goals.device)

    def begin(self, plain: Tensor, seen: Tensor) -> None:
        """Take the readings of the start, [N, A], and what is seen of it, [N, A + cells]."""
        count = plain.shape[1]
        # a view on purpose: the walk keeps `seen` at where it stands, and the picture of there is what is held
        self.begun_plain, self.begun, self.last_afar = _certain(plain), _certain(seen[:, :count]), seen[:, count:]
        self.cells = list(range(count, seen.shape[1]))

    @property
    def columns(self) -> list[int]:
        """Of what is seen, [N, A + cells]: what a walk minds."""
        return self.read + self.cells

    def missing(self, logits: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """The change that each target still asks for, in log-odds [n, A]; 0 where nothing is asked or it is there."""
        change = self.wanted[rows] - logits
        side = self.side[rows]
        change = torch.where(self.two_sided[rows], change, (change * side).clamp(min=0) * side)
        return torch.where(self.asked[rows], change, 0.0)

    def _parts(self, seen: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(log-odds [n, A], how far the picture from afar is from that of the last place [n, cells])."""
        count = self.held.numel()
        return seen[:, :count], seen[:, count:] - self.last_afar[rows]

    def cost(self, seen: Tensor, way: Tensor, rows: Tensor) -> Tensor:
        """L of the module's head, with the hold as it is at present, [n]."""
        logits, moved = self._parts(seen, rows)
        missing = self.missing(logits, rows)
        pull = F.huber_loss(missing, torch.zeros_like(missing), reduction="none", delta=1.0).sum(dim=1)
        drift = (_certain(logits) - self.begun[rows])[:, self.held].square().sum(dim=1)
        held = self.hold_weight * drift + self.still * (_far(moved) - _NEAR).sum(dim=1)
        return pull + self._ease(rows) * held + self.anchor * _square(way)

    def _ease(self, rows: Tensor) -> Tensor:
        """The share of its force that the hold has at present, [n]."""
        return torch.where(self.eased[rows], _EASED, 1.0)

    def needed(self, seen: Tensor, rows: Tensor) -> list[int | None]:
        """`read`, with None for what is held and so certain in all these pictures that it needs no hand."""
        logits, _ = self._parts(seen, rows)
        matters = self.asked[rows].any(dim=0) | (self._grip(logits) > 0.1).any(dim=0)
        matters |= ((_certain(logits) - self.begun[rows]).abs() > 0.1).any(dim=0)
        return [column if matters[column] else None for column in self.read]

    @staticmethod
    def _grip(logits: Tensor) -> Tensor:
        """c'(s): how much of a change of s counts."""
        return 1 - torch.tanh(logits / CERTAIN) ** 2

    def step(
        self, seen: Tensor, slopes: Tensor, way: Tensor, radius: Tensor, rows: Tensor, wall: _Wall | None = None
    ) -> Tensor:
        """The step d, at most `radius` long, in the shape of `way`; along a wall where one is given.

        Args:
            seen: [n, A + cells]. slopes: [n, columns, P]. way: [n, ..., D], P numbers each. radius: [n].
        """
        logits, moved = self._parts(seen, rows)
        layers = way[0].numel() // way.shape[-1]
        missing = self.missing(logits, rows)[:, self.read]
        drift = (_certain(logits) - self.begun[rows])[:, self.read]
        asked, held = self.asked[rows][:, self.read], self.held[self.read]
        pull = (0.5 / missing.abs().clamp(min=1)).sqrt() * (missing != 0)
        ease = self._ease(rows)[:, None]
        force, still = (ease * self.hold_weight).sqrt(), (0.5 * ease * self.still / _far(moved)).sqrt()
        grip = force * self._grip(logits[:, self.read])
        # one vector a layer: lengths are means over the layers, so every number counts for 1/√layers
        matrix = torch.cat([torch.where(asked, pull, grip * held), still], dim=1)[:, :, None] * slopes * layers**0.5
        place = way.flatten(1)[:, :, None] / layers**0.5
        back = torch.cat([torch.where(asked, 0.0, -force * drift * held), -still * moved], dim=1)[:, :, None]
        on = F.pad(torch.where(asked, pull * missing, 0.0), (0, moved.shape[1]))[:, :, None]
        if wall is not None:
            matrix = torch.cat([matrix, wall.normal[:, None] * _FIRM], dim=1)
            back = torch.cat([back, wall.gap[:, None, None] * _FIRM], dim=1)
            on = F.pad(on, (0, 0, 0, 1))
        inner = matrix @ matrix.mT + max(self.anchor, 1e-3) * torch.eye(matrix.shape[1], device=matrix.device)
        solved = torch.linalg.solve(inner, torch.cat([back + matrix @ place, on], dim=2))
        first, second = (matrix.mT @ solved).unbind(dim=2)
        first = first - place[:, :, 0]
        # of the way back at most 0.8 of the radius, so that there is always some way on
        length = first.norm(dim=1).clamp(min=1e-8)
        first = first * (0.8 * radius / length).clamp(max=1)[:, None]
        move = first + second * _share(first, second, radius)[:, None]
        return (move * layers**0.5).view_as(way)

    def reached(self, plain: Tensor, seen: Tensor) -> Tensor:
        """bool [N]: a margin is reached but for a tenth, in the picture and its views; a value in between to 0.03."""
        missing = torch.maximum(self.missing(plain).abs(), self.missing(seen[:, : plain.shape[1]]).abs())
        short = missing <= 0.1 * self.margin
        near = (torch.sigmoid(plain) - self.goals).abs() <= 0.03
        return (torch.where(self.two_sided, near, short) | ~self.asked).all(dim=1)

    def settled(self, plain: Tensor, seen: Tensor) -> Tensor:
        """bool [N]: targets reached, and no held reading has drifted by more than 0.4 in log-odds.

        Never where the picture is held too: how much of it has to change, only the walk itself can tell.
        """
        averaged = _certain(seen[:, : plain.shape[1]])
        drift = torch.maximum((_certain(plain) - self.begun_plain).abs(), (averaged - self.begun).abs())
        return self.reached(plain, seen) & (drift[:, self.held] <= 0.4).all(dim=1) & (not self.cells)


def _share(first: Tensor, second: Tensor, radius: Tensor) -> Tensor:
    """The largest β in [0, 1] with ‖first + β second‖ ≤ radius, [n]; ‖first‖ < radius."""
    a, b = second.square().sum(dim=1).clamp(min=1e-12), (first * second).sum(dim=1)
    c = (first.square().sum(dim=1) - radius.square()).clamp(max=0)
    return ((-b + (b.square() - a * c).clamp(min=0).sqrt()) / a).clamp(0, 1)


def _certain(logits: Tensor) -> Tensor:
    return CERTAIN * torch.tanh(logits / CERTAIN)


def _from_afar(pictures: Tensor) -> Tensor:
    """[n, C, H, W] -> the mean colours of its cells, [n, C · 16]."""
    return F.adaptive_avg_pool2d(pictures, _CELLS).flatten(1)


def _far(moved: Tensor) -> Tensor:
    """√(Δ² + ε²): how far a cell's colour has moved; for small moves the square of it counts."""
    return (moved.square() + _NEAR**2).sqrt()


def _each(values: Tensor, like: Tensor) -> Tensor:
    """[N] -> [N, 1, ...], to go with `like`."""
    return values.view(-1, *[1] * (like.ndim - 1))


def _square(way: Tensor) -> Tensor:
    """‖u‖² of each way, of one vector a layer the mean over layers: [N, (L,) D] -> [N]."""
    square = way.square().sum(dim=-1)
    return square.mean(dim=1) if square.ndim == 2 else square


# --- What keeps a change real ----------------------------------------------------------------------------------------


class _Wall(NamedTuple):
    """The edge of where latents are, as a plane: which steps meet it [n], its normal [n, D], how far off it is [n]."""

    met: Tensor
    normal: Tensor
    gap: Tensor


class _Bound:
    """Keeps latents where latents are: normal ones have a length near √D, uniform ones lie in their cube.

    In round coordinates the length of z stays between that of the start and √D; that of w may also be shorter.
    """

    def __init__(self, space: LatentSpace, spread: Cloud, start: Tensor, where: str):
        self.cube = where == "z" and space.settings.latent == "uniform"
        self.spread, self.start = spread, spread.to_round(start)
        length, usual = self.start.norm(dim=-1, keepdim=True), start.shape[-1] ** 0.5
        self.longest = length.clamp(min=usual)
        self.shortest = length.clamp(max=usual) if where == "z" else torch.zeros_like(length)

    def wall(self, way: Tensor, step: Tensor, rows: Tensor) -> _Wall | None:
        """Where a step [n, D] from `way` would lead too far out or in; None for cubes and for one vector a layer."""
        if self.cube or way.ndim > 2:
            return None
        place = self.start[rows] + way
        length = place.norm(dim=1, keepdim=True).clamp(min=1e-8)
        after = (place + step).norm(dim=1, keepdim=True)
        allowed = after.clamp(self.shortest[rows], self.longest[rows])
        return _Wall((after != allowed)[:, 0], place / length, (allowed - length)[:, 0])

    def __call__(self, way: Tensor, rows: Tensor) -> Tensor:
        """Ways [n, (L,) D] of some rows in round coordinates -> the same, cut short where they lead out."""
        start = self.start[rows]
        place = start + way
        if self.cube:
            reach = 1 / self.spread.deviations
            return place.clamp(-reach, reach) - start
        length = place.norm(dim=-1, keepdim=True).clamp(min=1e-8)
        return place * (length.clamp(self.shortest[rows], self.longest[rows]) / length) - start


def _small_changes(count: int, seed: int) -> list[Callable[[Tensor], Tensor]]:
    """`count` small changes of pictures, the same for all pictures and as often as they are asked for."""
    generator = torch.Generator().manual_seed(seed)
    return [_Change(generator) for _ in range(count)]


class _Change:
    """One small change of pictures, drawn once: a shift of up to 3 % of the side, blur, brightness, contrast, noise."""

    def __init__(self, generator: torch.Generator):
        self.shift = (torch.rand(2, generator=generator) * 2 - 1).tolist()
        self.blur, self.light, self.contrast = torch.rand(3, generator=generator).tolist()
        self.noise_seed = int(torch.randint(2**31 - 1, (1,), generator=generator))

    def __call__(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape; differentiable."""
        side = images.shape[-1]
        reach = max(1, round(0.03 * side))
        down, right = (round(share * reach) for share in self.shift)
        padded = F.pad(images, [reach] * 4, mode="replicate")
        images = padded[:, :, reach + down : reach + down + side, reach + right : reach + right + side]
        soft = F.avg_pool2d(F.pad(images, [1] * 4, mode="replicate"), 3, stride=1)
        images = torch.lerp(images, soft, 0.5 * self.blur)
        images = images * (0.9 + 0.2 * self.contrast) + 0.1 * (2 * self.light - 1)
        noise = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(self.noise_seed))
        return images + 0.04 * noise.to(images)


# --- How well it works -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Steering:
    """How steering one attribute went, as a judge sees it.

    Attributes:
        attribute: what was flipped.
        flipped: share of the faces in which the judge reads the opposite of before.
        held: share of the faces in which each held binary attribute flipped as well, by name.
        count: how many faces.
        steps: mean number of steps taken.
    """

    attribute: str
    flipped: float
    held: dict[str, float]
    count: int
    steps: float

    @property
    def worst(self) -> float:
        """The largest change of a held attribute; 0 where none is held."""
        return max(self.held.values(), default=0.0)


def measure_steering(
    space: LatentSpace,
    guide: Reader,
    judge: Reader,
    attributes: Sequence[str] | None = None,
    count: int = 64,
    seed: int = 0,
    *,
    batch: int = 32,
    on_attribute: Callable[[Steering], None] | None = None,
    **options,
) -> list[Steering]:
    """Flip each attribute of `count` pictures with `guide`, everything else held, and count what `judge` sees change.

    Each picture's attribute is steered to the opposite of what the judge reads in it. Held are all attributes that
    may stay (`held_names`); of these the binary ones are counted, and those of degree too in the steering's loss.

    Args:
        attributes: names that guide and judge share; None is every binary one.
        batch: pictures steered at once.
        on_attribute: called with each result as it is ready.
        options: of `steer_batch`.

    Raises:
        UsageError: an attribute that one of the two doesn't know, or one of degree.
    """
    where = home(space, options.get("where"))
    flippable = [name for name, binary in zip(guide.names, guide.binary, strict=True) if binary]
    names = flippable if attributes is None else list(attributes)
    for name in names:
        guide.index(name)
        if not judge.binary[judge.index(name)]:
            raise UsageError(f"'{name}' is a matter of degree and can't be flipped: choose one that is there or not.")
    sampled, (label, codes) = sample(space, count, seed, where), space.sample_conditions(count, seed)
    found = []
    for name in names:
        column = judge.index(name)
        counted = [n for n in held_names(guide, [name]) if n in judge.names and judge.binary[judge.index(n)]]
        befores, afters, taken = [], [], 0.0
        for i in range(0, count, batch):
            rows = slice(i, i + batch)
            part = sampled.part(i, i + batch)
            plain = {k: v for k, v in options.items() if k in ("psi", "psi_layers", "noise")}
            with torch.no_grad():
                before = judge(draw(space, where, part, **plain)) > 0.5
            path = steer_batch(
                space, part.latents, guide, {name: (~before[:, column]).float()},
                label=None if label is None else label[rows], codes=None if codes is None else codes[rows], **options,
            )  # fmt: skip
            with torch.no_grad():
                after = judge(draw(space, where, part._replace(latents=path.latents[-1]), **plain)) > 0.5
            befores.append(before)
            afters.append(after)
            taken += len(before) * _mean_steps(path)
        changed = (torch.cat(befores) != torch.cat(afters)).float().mean(dim=0)
        held = {n: float(changed[judge.index(n)]) for n in counted}
        found.append(Steering(name, float(changed[column]), held, count, taken / count))
        if on_attribute is not None:
            on_attribute(found[-1])
    return found


def _mean_steps(path: Path) -> float:
    """After how many steps the latents of a batch came to rest, on average."""
    moving = (path.latents[1:] != path.latents[:-1]).flatten(2).any(dim=2)
    return float(moving.float().sum(dim=0).mean()) if len(moving) else 0.0
