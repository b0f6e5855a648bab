"""Directions in a latent space that change one thing: from gradients, a boundary, variance, weights, or taste.

A direction is a vector v of one sigma: moving a latent by v moves it by the standard deviation that latents have along
v. Latents are handled in the coordinates in which their cloud is round,

    u = S⁻¹ Bᵀ (w − w̄),    Cov(w) = B S² Bᵀ,

so that "the shortest way to change a reading" means the likeliest one and not the one that leaves the cloud first.

- gradient: the mean slope of a classifier's log-odds, with the other attributes' slopes projected out.
- boundary: the normal of a linear boundary (Shen et al. 2019, arXiv 1907.10786; logistic regression).
- pca: principal components of w (Härkönen et al. 2020, arXiv 2004.02546); of early features for plain models.
- closed-form: eigenvectors of AᵀA of the weights that read the latent (SeFa, Shen and Zhou 2020, arXiv 2007.06600).
- taught: the difference of the means of what a person likes and dislikes (Radford et al. 2015, section 6.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from playground.errors import UsageError
from playground.latent.reader import Reader, words
from playground.latent.space import LatentSpace

METHODS = ("gradient", "boundary", "pca", "closed-form", "taught")
MIN_TAUGHT = 3
_BATCH = 32
#: no coordinate is scaled up by more than 1 / this: along rounding noise there is nothing to be found
_FLOOR = 1e-3


@dataclass(frozen=True)
class Direction:
    """A way to move a latent.

    Attributes:
        name: what it is called among its kind: an attribute, "PCA 1", or what a person called it.
        method: one of METHODS.
        space: "z" or "w", where `vector` lives.
        vector: float32 [dim], one sigma long.
        attribute: what it raises, as the reader names it; None where it was found without a reader.
        share: of a boundary its accuracy on latents it was not fitted to; of a component the variance it explains (of
            the latents, or of the styles); of a gradient how far single slopes agree with their mean (cosine).
        layers: (first, last) style layers it is meant for, inclusive; None is all.
    """

    name: str
    method: str
    space: str
    vector: Tensor
    attribute: str | None = None
    share: float | None = None
    layers: tuple[int, int] | None = None

    @property
    def label(self) -> str:
        """Its name in a person's words: "open mouth", "PCA 1"."""
        return words(self.attribute) if self.attribute else self.name


class Cloud(NamedTuple):
    """Where latents lie: their mean [D], the axes of their spread [D, D] (columns) and deviations along them [D]."""

    mean: Tensor
    axes: Tensor
    deviations: Tensor

    def to_round(self, latents: Tensor) -> Tensor:
        """[..., D] -> coordinates of mean 0 and variance 1."""
        floor = self.deviations.max() * _FLOOR
        return (latents - self.mean) @ self.axes / self.deviations.clamp(min=floor)

    def step(self, round_step: Tensor) -> Tensor:
        """A step [..., D] in round coordinates -> the step of the latent."""
        return (round_step * self.deviations) @ self.axes.T

    def sigma(self, vector: Tensor) -> float:
        """The standard deviation of latents along `vector` [D]."""
        unit = vector / vector.norm().clamp(min=1e-12)
        return float(((unit @ self.axes) * self.deviations).norm())

    def one_sigma(self, vector: Tensor) -> Tensor:
        """`vector` scaled to the length of one standard deviation along it."""
        return (vector / vector.norm().clamp(min=1e-12) * self.sigma(vector)).float()


# --- Where latents lie, and drawing from them ------------------------------------------------------------------------


def home(space: LatentSpace, where: str | None = None) -> str:
    """Which of "w" and "z" is meant: `where` checked against the model; None is w for styled models, else z.

    Raises:
        UsageError: neither of the two, or "w" of a model without styles.
    """
    where = ("w" if space.styled else "z") if where is None else where
    if where not in ("z", "w"):
        raise UsageError(f"Directions live in z or in w, not in '{where}'.")
    if where == "w" and not space.styled:
        raise UsageError("This model has no styles: use its latent z.")
    return where


def cloud(space: LatentSpace, where: str | None = None) -> Cloud:
    """How latents are spread: measured for w, known for z (normal, or uniform in [−1, 1])."""
    if home(space, where) == "z":
        deviation = 1 / math.sqrt(3) if space.settings.latent == "uniform" else 1.0
        dim = space.z_dim
        return Cloud(torch.zeros(dim), torch.eye(dim), torch.full((dim,), deviation))
    samples = space.w_samples().double().cpu()
    mean = samples.mean(dim=0)
    variances, axes = torch.linalg.eigh((samples - mean).T @ (samples - mean) / (len(samples) - 1))
    order = variances.argsort(descending=True)
    return Cloud(mean.float(), axes[:, order].float(), variances[order].clamp(min=0).sqrt().float())


class Sampled(NamedTuple):
    """Latents [N, D] with the label weights (None or [N, K]) and codes (None or [N, d]) that go with them."""

    latents: Tensor
    label: Tensor | None
    codes: Tensor | None

    def part(self, start: int, stop: int) -> Sampled:
        return Sampled(*(None if t is None else t[start:stop] for t in self))


def sample(space: LatentSpace, count: int, seed: int = 0, where: str | None = None) -> Sampled:
    """`count` latents as the model meets them; classes are dealt out in turn, codes drawn from the seed."""
    where = home(space, where)
    z = space.z_samples(count, seed)
    label, codes = space.sample_conditions(count, seed)
    if where == "z":
        return Sampled(z, label, codes)
    return Sampled(space.w(z, label, codes), label, codes)


def draw(space: LatentSpace, where: str, sampled: Sampled, **options) -> Tensor:
    """Pictures [N, C, H, W] of latents in `where`; differentiable. Options as in `LatentSpace.draw`."""
    if where == "z" and space.styled:
        return space.draw_z(sampled.latents, label=sampled.label, codes=sampled.codes, **options)
    return space.draw(sampled.latents, label=sampled.label, codes=sampled.codes, **options)


@torch.no_grad()
def read(space: LatentSpace, where: str, sampled: Sampled, reader: Reader, **options) -> Tensor:
    """What `reader` reads in the pictures of latents: log-odds float32 [N, A] on the CPU."""
    parts = []
    for i in range(0, len(sampled.latents), _BATCH):
        parts.append(reader.logits(draw(space, where, sampled.part(i, i + _BATCH), **options)).cpu())
    return torch.cat(parts)


# --- Directions with a reader ----------------------------------------------------------------------------------------


def slopes(
    space: LatentSpace,
    reader: Reader,
    where: str | None = None,
    count: int = 24,
    seed: int = 0,
    stop: Callable[[], bool] | None = None,
) -> Tensor:
    """How every reading changes with the latent: ∂s_a/∂u in round coordinates, [count, A, D].

    Costs a pass back through both networks for each name and latent: about ten seconds for a 64-pixel style model.
    """
    where = home(space, where)
    spread, sampled = cloud(space, where), sample(space, count, seed, where)
    parts = []
    for i in range(0, count, _BATCH):
        part = sampled.part(i, i + _BATCH)
        latents = part.latents.detach().requires_grad_()
        logits = reader.logits(draw(space, where, part._replace(latents=latents))).sum(dim=0)
        rows = []
        for a in range(len(reader.names)):
            if stop is not None and stop():
                raise UsageError("The search for directions was stopped.")
            last = a + 1 == len(reader.names)
            (gradient,) = torch.autograd.grad(logits[a], latents, retain_graph=not last)
            rows.append((gradient.cpu() @ spread.axes) * spread.deviations)
        parts.append(torch.stack(rows, dim=1))
    return torch.cat(parts)


def gradient_directions(
    space: LatentSpace,
    reader: Reader,
    where: str | None = None,
    attributes: Sequence[str] | None = None,
    count: int = 24,
    seed: int = 0,
    *,
    separation: float = 1.0,
    stop: Callable[[], bool] | None = None,
) -> list[Direction]:
    """One direction an attribute: the mean slope of its log-odds over `count` latents.

    The step d of attribute t is the shortest in round coordinates that raises t and leaves the others, as far as a
    linear picture of the readings can say: with G the mean slopes (rows scaled to length 1),

        min_d ‖d‖² + (1/ρ) (g_t d − 1)² + (separation/ρ) Σ_{held j} (g_j d)²,    ρ = 0.1.

    Attributes that share a cause with t (`Reader.related`) are not held. `separation` 0 is the plain mean slope.

    Raises:
        UsageError: an unknown attribute, or "w" of a model without styles.
    """
    where = home(space, where)
    names = list(reader.names if attributes is None else attributes)
    wanted = [reader.index(name) for name in names]
    spread, each = cloud(space, where), slopes(space, reader, where, count, seed, stop)
    mean = each.mean(dim=0)
    unit = mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12)
    agreement = (each / each.norm(dim=2, keepdim=True).clamp(min=1e-12) * unit).sum(dim=2).mean(dim=0)
    found = []
    for name, t in zip(names, wanted, strict=True):
        weights = torch.tensor([0.0 if other in reader.related(name) else separation for other in reader.names])
        weights[t] = 1.0
        step = _shortest_step(unit, weights, t)
        vector = spread.one_sigma(spread.step(step))
        found.append(Direction(name, "gradient", where, vector, name, float(agreement[t])))
    return found


def _shortest_step(slopes: Tensor, weights: Tensor, target: int, ridge: float = 0.1) -> Tensor:
    """argmin ‖d‖² + Σ_j weights_j (slopes_j d − [j = target])² / ridge: slopes [A, D], weights [A] -> [D]."""
    rows = (slopes * weights.sqrt()[:, None]).double()
    goal = torch.zeros(len(rows), dtype=torch.float64)
    goal[target] = float(weights[target].sqrt())
    inner = rows @ rows.T + ridge * torch.eye(len(rows), dtype=torch.float64)
    return (rows.T @ torch.linalg.solve(inner, goal)).float()


def boundary_directions(
    space: LatentSpace,
    reader: Reader,
    where: str | None = None,
    attributes: Sequence[str] | None = None,
    count: int = 1000,
    seed: int = 0,
    *,
    readings: tuple[Sampled, Tensor] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Direction]:
    """One direction an attribute: the normal of the boundary that logistic regression finds between latents.

    Latents are sorted by what the reader says of their pictures (a scaled attribute: above its median or not). Four
    fifths are fitted, in round coordinates; `share` is the accuracy on the rest, averaged over the two sides so that a
    rare attribute can't be had by saying no. Attributes seen in fewer than 10 pictures of either side are left out.

    Args:
        count: latents drawn and read; about 10 ms each for a 64-pixel style model.
        readings: (latents, log-odds [N, A]) that `sample` and `read` gave, to spare drawing them again.
    """
    from sklearn.linear_model import LogisticRegression

    where = home(space, where)
    names = list(reader.names if attributes is None else attributes)
    wanted = [reader.index(name) for name in names]
    if readings is None:
        sampled = sample(space, count, seed, where)
        readings = sampled, read(space, where, sampled, reader)
    sampled, logits = readings
    spread = cloud(space, where)
    latents = spread.to_round(sampled.latents.cpu()).double().numpy()
    fitted = len(latents) * 4 // 5
    found = []
    for name, t in zip(names, wanted, strict=True):
        if stop is not None and stop():
            raise UsageError("The search for directions was stopped.")
        column = logits[:, t]
        side = (column > (0 if reader.binary[t] else column.median())).numpy()
        if min(side.sum(), (~side).sum()) < 10 or len(set(side[:fitted])) < 2:
            continue
        machine = LogisticRegression(C=0.1, class_weight="balanced", max_iter=300)
        machine.fit(latents[:fitted], side[:fitted])
        right = machine.predict(latents[fitted:]) == side[fitted:]
        sides = [right[side[fitted:] == value] for value in (False, True)]
        share = sum(float(part.mean()) for part in sides if len(part)) / sum(len(part) > 0 for part in sides)
        normal = torch.from_numpy(machine.coef_[0]).float()
        found.append(Direction(name, "boundary", where, spread.one_sigma(spread.step(normal)), name, share))
    return found


# --- Directions without one ------------------------------------------------------------------------------------------


def pca_directions(space: LatentSpace, count: int = 10, *, samples: int = 1000, seed: int = 0) -> list[Direction]:
    """The `count` principal components of w; of a plain model, the directions of z that move its first features most.

    z itself has no preferred directions, so for plain models the features behind the first layer that reads z are
    regressed on z, and the components of what z predicts are taken (after Härkönen et al. 2020, section 2, who regress
    component by component: one that depends on |z| then gives a direction of chance). `share` is of all variance.
    """
    if space.styled:
        spread = cloud(space, "w")
        total = float(spread.deviations.square().sum())
        count = min(count, len(spread.deviations))
        return [
            Direction(
                f"PCA {i + 1}", "pca", "w", _signed(spread.axes[:, i] * spread.deviations[i]),
                share=float(spread.deviations[i] ** 2) / max(total, 1e-12),
            )
            for i in range(count)
        ]  # fmt: skip
    sampled = sample(space, samples, seed, "z")
    features = _early_features(space, sampled).double()
    features = features - features.mean(dim=0)
    latents = sampled.latents.double().cpu()
    centred = latents - latents.mean(dim=0)
    ridge = 1e-6 * len(centred) * torch.eye(centred.shape[1], dtype=torch.float64)
    slopes = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ features)  # [D, F]
    # entries of z are independent and vary alike, so its directions can be compared by their slopes
    values, ways = torch.linalg.eigh(slopes @ slopes.T)
    spread = cloud(space, "z")
    shares = values.clamp(min=0) * spread.deviations[0] ** 2 / features.var(dim=0).sum().clamp(min=1e-12)
    order = values.argsort(descending=True)[:count].tolist()
    return [
        Direction(f"PCA {i + 1}", "pca", "z", _signed(spread.one_sigma(ways[:, k].float())), share=float(shares[k]))
        for i, k in enumerate(order)
    ]


def closed_form_directions(
    space: LatentSpace, count: int = 10, layers: tuple[int, int] | None = None
) -> list[Direction]:
    """Directions that move the weights' outputs most: eigenvectors of AᵀA, largest eigenvalue first.

    A stacks the affine maps w -> (y_s, y_b) of the style layers `layers` (first, last; inclusive; None is all), each
    scaled to length 1 so that wide layers don't outvote others. Of a plain model A is the first layer's weight, as it
    reads z.

    Raises:
        UsageError: layers that don't exist, or of a model without any.
    """
    if space.styled:
        first, last = layers or (0, space.layers - 1)
        if not 0 <= first <= last < space.layers:
            raise UsageError(f"Layers are given as first and last of 0 to {space.layers - 1}, not {first} to {last}.")
        maps = _affine_weights(space)[first : last + 1]
        matrix, where = torch.cat([m / m.norm().clamp(min=1e-12) for m in maps]), "w"
    elif layers is not None:
        raise UsageError("This model has no style layers: leave the layer range out.")
    else:
        matrix, where = _first_weight(space), "z"
    values, vectors = torch.linalg.eigh(matrix.double().T @ matrix.double())
    order = values.argsort(descending=True)[:count]
    shares = values.clamp(min=0) / values.clamp(min=0).sum().clamp(min=1e-12)
    spread = cloud(space, where)
    return [
        Direction(
            f"Factor {i + 1}", "closed-form", where, _signed(spread.one_sigma(vectors[:, k].float())),
            share=float(shares[k]), layers=layers,
        )
        for i, k in enumerate(order.tolist())
    ]  # fmt: skip


def taught_direction(
    space: LatentSpace,
    up: Sequence[Tensor],
    down: Sequence[Tensor],
    name: str = "my direction",
    where: str | None = None,
) -> Direction:
    """From what a person likes to what they don't: the difference of the means, one sigma long.

    With the cloud's covariance known and a dozen examples, this is where the best linear boundary's shortest crossing
    leads; a boundary fitted to so few would follow chance.

    Args:
        up, down: latents [D] or [1, D] (one a layer, [L, D]: their mean is taken), at least 3 of each.

    Raises:
        UsageError: too few, of another length, or two groups that are the same.
    """
    where = home(space, where)
    if len(up) < MIN_TAUGHT or len(down) < MIN_TAUGHT:
        raise UsageError(
            f"Show at least {MIN_TAUGHT} pictures you like and {MIN_TAUGHT} you don't: "
            f"so far there are {len(up)} and {len(down)}."
        )
    dim = space.w_dim if where == "w" else space.z_dim
    means = []
    for group in (up, down):
        rows = []
        for latent in group:
            if latent.shape[-1] != dim:
                raise UsageError(f"Latents in {where} have {dim} numbers, not {latent.shape[-1]}.")
            rows.append(latent.detach().float().cpu().reshape(-1, dim).mean(dim=0))
        means.append(torch.stack(rows).mean(dim=0))
    difference = means[0] - means[1]
    if not torch.isfinite(difference).all() or difference.norm() < 1e-6:
        raise UsageError("What you like and what you don't are the same on average: choose pictures that differ.")
    return Direction(name, "taught", where, cloud(space, where).one_sigma(difference))


@torch.no_grad()
def leakage(
    space: LatentSpace, direction: Direction, reader: Reader, strength: float = 2.0, count: int = 64, seed: int = 7
) -> dict[str, float]:
    """What a direction changes: the mean over `count` latents of reading(x + strength·v) − reading(x), by name.

    Probabilities and values lie in [0, 1], so changes lie in [−1, 1]; the attribute itself is among them.
    """
    sampled = sample(space, count, seed, direction.space)
    before = torch.sigmoid(read(space, direction.space, sampled, reader))
    after = torch.sigmoid(read(space, direction.space, moved(space, sampled, direction, strength), reader))
    return dict(zip(reader.names, (after - before).mean(dim=0).tolist(), strict=True))


def moved(space: LatentSpace, sampled: Sampled, direction: Direction, strength: float | Tensor) -> Sampled:
    """Latents moved along a direction, in its layers only: [N, D], or [N, L, D] where it has layers.

    Args:
        strength: in sigmas, a number or one a latent [N].
    """
    amount = torch.as_tensor(strength, dtype=torch.float32).reshape(-1, 1)
    latents = sampled.latents + amount * direction.vector.to(sampled.latents)
    if direction.layers is not None:
        first, last = direction.layers
        rows = sampled.latents[:, None].repeat(1, space.layers, 1)
        rows[:, first : last + 1] = latents[:, None]
        latents = rows
    return sampled._replace(latents=latents)


def with_layers(directions: Iterable[Direction], layers: tuple[int, int] | None) -> list[Direction]:
    """The same directions, meant for other style layers."""
    return [replace(direction, layers=layers) for direction in directions]


# --- What the networks are made of -----------------------------------------------------------------------------------


def _affine_weights(space: LatentSpace) -> list[Tensor]:
    """A of every style layer, as applied: [2 · channels, w_dim] each, coarse to fine."""
    network = space.network
    affines = [layer.affine for block in network.blocks for layer in (block.first, block.second)]
    return [(affine.weight * affine.scale).detach().float().cpu() for affine in affines]


def _first_weight(space: LatentSpace) -> Tensor:
    """The weight of the first layer of a plain generator, as it reads z: [outputs, z_dim]."""
    for layer in space.network.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(layer, nn.ConvTranspose2d):  # stored [inputs, outputs, h, w]
            return weight.detach().float().cpu().flatten(1).T[:, : space.z_dim]
        if isinstance(layer, nn.Linear | nn.Conv2d):
            return weight.detach().float().cpu().flatten(1)[:, : space.z_dim]
    raise UsageError("This model has no layer whose weights could be factorised.")


@torch.no_grad()
def _early_features(space: LatentSpace, sampled: Sampled) -> Tensor:
    """The output of the first part of a plain generator that has weights, with its activation: [N, F]."""
    network = space.network
    part = next((child for child in network.children() if any(True for _ in child.parameters())), network)
    seen: list[Tensor] = []
    handle = part.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach().cpu().flatten(1)))
    try:
        with space.lock:
            for i in range(0, len(sampled.latents), _BATCH):
                rows = sampled.part(i, i + _BATCH)
                draw(space, "z", rows)
                seen[-1] = seen[-1][: len(rows.latents)]  # a space may fill a batch up
    finally:
        handle.remove()
    return torch.cat(seen)


def _signed(vector: Tensor) -> Tensor:
    """An eigenvector's sign is arbitrary: its largest number is made positive, so that it is the same everywhere."""
    return vector if vector[vector.abs().argmax()] >= 0 else -vector
