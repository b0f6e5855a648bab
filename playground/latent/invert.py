"""Inversion: the latent from which a generator draws a picture that someone gives, as nearly as it can.

    min over w of  d(G(w), x) / d̄  +  λ · l(G(w), x) / l̄  +  pull towards the latents of samples

with Adam (Kingma and Ba 2014) and a learning rate that falls along a cosine; d is the distance of an extractor's
features, l that of the pixels at all scales, and each is divided by its mean between two samples, so that the weights
mean the same for every model. A style-based generator is searched in w and then, from there, with a w of its own for
each layer ("w+"; Abdal et al. 2019, arXiv 1904.03189), in coordinates where samples have unit variance (as in Zhu et
al. 2020, arXiv 2012.09036); others in z, from several starts at once, one of them for each class. The start is an
encoder's guess (Zhu et al. 2016, arXiv 1609.03552), or the nearest of some hundred samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from playground.conditions import onehot
from playground.data import faces
from playground.errors import UsageError
from playground.latent.encoder import Encoder, held, warm_cosine, whitening
from playground.latent.space import LatentSpace, check_seed
from playground.pixels import psnr, pyramid_l1, ssim

if TYPE_CHECKING:
    from playground.metrics.features import Extractor

SAMPLES = 512  # looked through for the nearest
SHORTLIST = 32  # of these, compared by features as well
STARTS = 4  # of a search without an encoder; a search over classes has one a class, up to MOST_STARTS
MOST_STARTS = 16
EXPLORE = 0.3  # the share of the steps that is spent on all starts, and in one w for all layers
FLOOR = 0.3  # see `whitening`: how far the search reaches where samples hardly vary
MEASURED = ("start_distance", "distance", "start_psnr", "psnr", "start_ssim", "ssim")
UNSEEN = 7_001  # what the seeds of data sets that nothing was trained on begin with


@dataclass(frozen=True)
class Inversion:
    """What an inversion found.

    Attributes:
        latent: [1, z_dim] of a plain model; [1, layers, w_dim] or, without a w for each layer, [1, w_dim].
        label: the class it is drawn with; None for a model without classes. A style-based model has the class in its w
            already: here it is that of the sample the search began with, or the one asked for.
        distance, psnr: of the picture drawn from it to the one given; `measure` names the distance: the extractor's
            name, or "pixels" for the mean absolute difference over all scales. PSNR is in decibels.
        start_distance, start_psnr: the same at the start.
        ssim, start_ssim: structural similarity, 1 for the picture itself.
        codes: [1, d] for an InfoGAN that is not style-based, else None.
        steps: how many were made; fewer than asked for if it was stopped.
    """

    latent: Tensor
    label: int | None
    distance: float
    psnr: float
    start_distance: float
    start_psnr: float
    ssim: float = float("nan")
    start_ssim: float = float("nan")
    measure: str = "pixels"
    codes: Tensor | None = None
    steps: int = 0


@dataclass(frozen=True)
class _Start:
    """Where searches begin: N latents, each with what it is drawn with."""

    latent: Tensor
    label: Tensor | None = None  # int64 [N]
    codes: Tensor | None = None  # [N, d]

    def __getitem__(self, rows: Tensor) -> _Start:
        return _Start(*(None if t is None else t[rows] for t in (self.latent, self.label, self.codes)))

    @property
    def number(self) -> int | None:
        """The label of a single one."""
        return None if self.label is None else int(self.label)


Report = Callable[[int, int, float, _Start], None]


def invert(
    space: LatentSpace,
    picture: Tensor,
    *,
    encoder: Encoder | None = None,
    extractor: Extractor | None = None,
    steps: int = 200,
    per_layer: bool = True,
    label: int | str | None = None,
    on_step: Callable[[int, int, float, Tensor], None] | None = None,
    on_condition: Callable[[int | None, Tensor | None], None] | None = None,
    stop: Callable[[], bool] | None = None,
    pixels: float = 1.0,
    pull: float = 0.02,
    rate: float = 0.15,
    seed: int = 0,
) -> Inversion:
    """Find a latent that draws `picture`. The same arguments give the same latent; noise stays the model's own.

    Args:
        space: the generator.
        picture: [1, C, size, size] in [-1, 1], see `prepare_picture`.
        encoder: its guess is where the search begins; None: at the nearest of 512 samples. Plain models use none.
        extractor: whose feature distance is made small; None: that of the pixels alone.
        steps: of Adam, 0 (only the start is looked for) to 10,000.
        per_layer: styled models: a w for each layer, which comes closer and leaves the space of samples a little.
        label: the class to draw; None tries each.
        on_step: called after each step with (steps done, steps, loss of the best so far, its latent).
        on_condition: called before that with (label, codes [1, d]) of the best so far, whenever they have changed: what
            its latent has to be drawn with.
        stop: asked before each step; True ends the search with the best so far.
        pixels: λ, the weight of the pixels beside the features.
        pull: weight of the mean square of the latent's coordinates, and of what sets layers apart.
        rate: Adam's learning rate, in standard deviations of the samples.
        seed: of the samples that the search begins with.

    Raises:
        UsageError: a picture of another shape or with numbers out of range, a class that does not exist, or an option
            out of range.
    """
    picture = _check(space, picture, steps, pixels, pull, rate)
    fixed = None if label is None else int(space.label_weights(label).argmax())
    encoder = encoder if space.styled else None
    if encoder is not None:
        found = {"size": space.size, "channels": space.channels, "w_dim": space.w_dim, "layers": space.layers}
        if {key: encoder.shape[key] for key in found} != found:
            raise UsageError("This encoder was trained for another model: use the one that was saved with it.")
    goal = _Goal(space, picture, extractor, pixels, seed)
    with torch.no_grad():
        starts = goal.starts(encoder, per_layer, fixed)
        first = starts[goal.loss(goal.draw(starts)).argmin()[None]]
        start_distance, start_psnr, start_ssim = goal.measure(first)
    if not math.isfinite(start_distance):
        raise UsageError("This model draws pictures that are not finite, so nothing can be found in it: train it anew.")
    search = _Search(goal, first, steps, pull, rate, _telling(on_step, on_condition), stop)
    explore = round(EXPLORE * steps)
    search.run(starts, explore, per_layer=False)
    search.run(search.best, steps - explore, per_layer=per_layer and space.styled)
    best = search.best
    with torch.no_grad():
        distance, peak, structure = goal.measure(best)
    return Inversion(
        latent=best.latent,
        label=best.number,
        distance=distance,
        psnr=peak,
        start_distance=start_distance,
        start_psnr=start_psnr,
        ssim=structure,
        start_ssim=start_ssim,
        measure=goal.name,
        codes=best.codes,
        steps=search.done,
    )


def measure_inversion(
    space: LatentSpace,
    encoder: Encoder | None = None,
    extractor: Extractor | None = None,
    count: int = 16,
    steps: int = 200,
    seed: int = 0,
    *,
    pictures: Tensor | None = None,
    on_picture: Callable[[int, int], None] | None = None,
    **options: object,
) -> dict[str, float | int | str]:
    """How near inversion comes on pictures that no model has seen, as means over them.

    Args:
        space, encoder, extractor, steps: as in `invert`; further `options` are passed on to it.
        count: how many pictures.
        seed: which unseen data set of `faces`; no seed gives pictures that a training with the same number saw.
        pictures: [N, C, size, size] to take instead of `faces`.
        on_picture: called after each with (pictures done, pictures in all).

    Returns:
        "measure" (see `Inversion`), "count", "steps", and the means "start_distance", "distance", "start_psnr",
        "psnr" (decibels), "start_ssim", "ssim".

    Raises:
        UsageError: no `pictures` for a model of other data than `faces`, and whatever `invert` raises.
    """
    if pictures is None:
        if space.info.name != "faces":
            raise UsageError(f"Unseen pictures like those of '{space.info.name}' can't be drawn by code: give some.")
        _check_count(count)
        unseen = faces.load(space.size, seed=UNSEEN + seed, count=max(count, 2))
        pictures = unseen.take(torch.arange(count)).images
        if space.channels == 1:
            pictures = pictures.mean(1, keepdim=True)
    _check_count(len(pictures))
    rows = []
    for i, picture in enumerate(pictures.split(1)):
        found = invert(space, picture, encoder=encoder, extractor=extractor, steps=steps, **options)
        rows.append([getattr(found, name) for name in MEASURED])
        if on_picture is not None:
            on_picture(i + 1, len(pictures))
    means = torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
    return {"measure": found.measure, "count": len(rows), "steps": steps, **dict(zip(MEASURED, means, strict=True))}


class _Goal:
    """What is to be made small, and where to begin.

    Args:
        space, picture, extractor, pixels, seed: as in `invert`.
    """

    def __init__(self, space: LatentSpace, picture: Tensor, extractor: Extractor | None, pixels: float, seed: int):
        self.space, self.picture, self.extractor, self.seed = space, picture, extractor, check_seed(seed)
        self.name = "pixels" if extractor is None else extractor.name
        if space.styled:
            self.mean, self.basis = whitening(space.w_samples(), FLOOR)
            self.inverse = torch.linalg.inv(self.basis.double()).to(self.basis)
        with torch.no_grad():
            sheet = self.draw(self._samples(16, None))
            pair = (sheet, sheet.flip(0))
            self.pixel_weight = pixels / float(pyramid_l1(*pair).mean().clamp_min(1e-6))
            if extractor is not None:
                self.feature_weight = 1 / float(extractor.distance(*pair).mean().clamp_min(1e-9))
                self.signature = extractor.signature(picture)

    def draw(self, start: _Start) -> Tensor:
        """Pictures [N, C, S, S], a little beyond [-1, 1] where the generator is."""
        condition = {} if self.space.styled else {"label": start.label, "codes": start.codes}
        return held(self.space.draw(start.latent, clamp=False, **condition))

    def loss(self, drawn: Tensor) -> Tensor:
        """[N]: 1 is about as far as two samples are, 0 the picture itself (2 and 0 with features)."""
        loss = self.pixel_weight * pyramid_l1(drawn, self.picture.expand_as(drawn))
        if self.extractor is None:
            return loss
        return loss + self.feature_weight * self.extractor.distance(drawn, self.signature)

    def measure(self, start: _Start) -> tuple[float, float, float]:
        """(distance, PSNR, SSIM) of the picture as it is shown."""
        drawn = self.draw(start).clamp(-1, 1)
        if self.extractor is None:
            distance = pyramid_l1(drawn, self.picture)
        else:
            distance = self.extractor.distance(drawn, self.signature)
        return float(distance), float(psnr(drawn, self.picture)), float(ssim(drawn, self.picture))

    def starts(self, encoder: Encoder | None, per_layer: bool, label: int | None) -> _Start:
        """Where to begin: the encoder's guess, or the nearest samples, of each class where there are any."""
        if encoder is not None:
            styles = encoder.styles(self.picture)
            single = encoder(self.picture)
            latent = torch.cat([styles, single[:, None].expand_as(styles)]) if per_layer else single
            return _Start(latent, None if label is None else torch.full((len(latent),), label))
        samples = self._samples(SAMPLES, label)
        near = []
        for a in range(0, SAMPLES, self.space.chunk):
            drawn = self.draw(samples[torch.arange(a, min(a + self.space.chunk, SAMPLES))])
            near.append(pyramid_l1(drawn, self.picture.expand_as(drawn)))
        near = torch.cat(near)
        classes = len(self.space.classes) if samples.label is not None and label is None else 0
        if classes:
            # the nearest of each class
            own = [torch.where(samples.label == k, near, torch.inf).argmin() for k in range(classes)]
            chosen = torch.stack(own)
            chosen = chosen[near[chosen].argsort()[:MOST_STARTS]]
        else:
            listed = near.argsort()[:SHORTLIST]
            losses = [self.loss(self.draw(samples[part])) for part in listed.split(self.space.chunk)]
            chosen = listed[torch.cat(losses).argsort()[:STARTS]]
        start = samples[chosen]
        if self.space.styled and per_layer:
            return _Start(start.latent[:, None].expand(-1, self.space.layers, -1), start.label)
        return start

    def _samples(self, count: int, label: int | None) -> _Start:
        """Latents of samples, classes dealt out in turn unless there is a `label`."""
        space = self.space
        latent = space.z_samples(count, self.seed)
        weights, codes = space.sample_conditions(count, self.seed)
        number = None if weights is None else weights.argmax(1)
        if number is not None and label is not None:
            number = torch.full_like(number, label)
        if space.styled:
            latent = space.w(latent, None if number is None else onehot(number, len(space.classes)), codes)
        return _Start(latent, number, None if space.styled else codes)


class _Search:
    """Adam on one or several starts at once; keeps the best latent that was met, of all runs."""

    def __init__(
        self,
        goal: _Goal,
        first: _Start,
        steps: int,
        pull: float,
        rate: float,
        report: Report,
        stop: Callable[[], bool] | None,
    ):
        self.goal, self.best, self.best_loss = goal, first, float("inf")
        self.steps, self.pull, self.rate, self.report, self.stop = steps, pull, rate, report, stop
        self.done, self.stopped = 0, False

    def run(self, starts: _Start, steps: int, per_layer: bool) -> None:
        """`steps` steps from `starts`. Styles move as one w for all layers unless `per_layer`."""
        if self.stopped or steps < 1:
            return
        moves = self._moves(starts, per_layer)
        optimiser = torch.optim.Adam(moves, self.rate, betas=(0.9, 0.99))
        for step in range(steps + 1):
            self.stopped = step < steps and self.stop is not None and self.stop()
            now = self._moved(starts, moves)
            losses = self.goal.loss(self.goal.draw(now))  # each start's own; Adam doesn't mind their scale
            self._keep(now, losses.detach())
            if step:
                self.report(self.done, self.steps, self.best_loss, self.best)
            if step == steps or self.stopped:
                return
            for group in optimiser.param_groups:
                group["lr"] = self.rate * warm_cosine(self.done, self.steps)
            optimiser.zero_grad(set_to_none=True)
            (losses + self.pull * self._excess(now)).sum().backward()
            optimiser.step()
            self.done += 1

    def _moves(self, starts: _Start, per_layer: bool) -> list[Tensor]:
        """What Adam changes, all 0 to begin with."""
        like = torch.zeros_like(starts.latent)
        if self.goal.space.styled:
            moves = [like[:, :1].clone() if like.ndim == 3 else like]
            moves += [like] if per_layer else []
        else:
            moves = [like] + ([] if starts.codes is None else [torch.zeros_like(starts.codes)])
        return [move.requires_grad_() for move in moves]

    def _moved(self, starts: _Start, moves: list[Tensor]) -> _Start:
        space = self.goal.space
        if space.styled:
            return _Start(starts.latent + sum(moves) @ self.goal.basis.T, starts.label)
        latent, codes = starts.latent + moves[0], starts.codes
        if space.settings.latent == "uniform":
            latent = latent.clamp(-1, 1)
        if codes is not None and space.codes.continuous:
            # what category it is stays as in the start; the numbers are searched for
            fixed = codes.shape[1] - space.codes.continuous
            codes = torch.cat([codes[:, :fixed], (codes + moves[1])[:, fixed:].clamp(-1, 1)], 1)
        return _Start(latent, starts.label, codes)

    def _excess(self, now: _Start) -> Tensor:
        """[N]: how unlike the latents of samples these are."""
        space = self.goal.space
        if not space.styled:
            # the squares of a normal z have the mean 1; a uniform one can't leave its cube
            normal = space.settings.latent == "normal"
            return (now.latent.square().mean(1) - 1).square() if normal else torch.zeros_like(now.latent[:, 0])
        v = (now.latent - self.goal.mean) @ self.goal.inverse.T
        excess = v.square().flatten(1).mean(1)
        return excess + (v - v.mean(1, keepdim=True)).square().flatten(1).mean(1) if v.ndim == 3 else excess

    def _keep(self, now: _Start, losses: Tensor) -> None:
        least = losses.argmin()
        if float(losses[least]) < self.best_loss:
            self.best_loss, chosen = float(losses[least]), now[least[None]]
            self.best = _Start(
                *(None if t is None else t.detach() for t in (chosen.latent, chosen.label, chosen.codes))
            )


def _telling(
    on_step: Callable[[int, int, float, Tensor], None] | None,
    on_condition: Callable[[int | None, Tensor | None], None] | None,
) -> Report:
    """What calls the two after a step."""
    told: list[_Start] = []

    def report(done: int, steps: int, loss: float, best: _Start) -> None:
        if on_condition is not None and not (told and _same_condition(told[0], best)):
            told[:] = [best]
            on_condition(best.number, best.codes)
        if on_step is not None:
            on_step(done, steps, loss, best.latent)

    return report


def _same_condition(a: _Start, b: _Start) -> bool:
    return a.number == b.number and (a.codes is None or torch.equal(a.codes, b.codes))


def _check(space: LatentSpace, picture: Tensor, steps: int, pixels: float, pull: float, rate: float) -> Tensor:
    """The picture on the model's device, clamped."""
    shape = (1, space.channels, space.size, space.size)
    if not isinstance(picture, Tensor) or picture.shape != shape:
        given = list(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
        raise UsageError(
            f"A picture to invert has the shape {list(shape)} for this model, not {given}: prepare it first."
        )
    if not bool((picture.abs() <= 1.01).all()):  # false for NaN as well
        raise UsageError("The numbers of a picture to invert lie between -1 and 1.")
    if not isinstance(steps, Integral) or isinstance(steps, bool) or not 0 <= steps <= 10_000:
        raise UsageError(f"The number of steps is a whole number from 0 to 10,000, not {steps}.")
    for name, value, low, high in (("pixels", pixels, 0, 1000), ("pull", pull, 0, 1000), ("rate", rate, 1e-6, 1)):
        if not isinstance(value, Real) or not low <= value <= high:
            raise UsageError(f"{name} is a number from {low:g} to {high:g}, not {value}.")
    return picture.to(space.device, torch.float32).clamp(-1, 1)


def _check_count(count: int) -> None:
    if not isinstance(count, Integral) or isinstance(count, bool) or not 1 <= count <= 16_384:
        raise UsageError(f"The number of pictures is a whole number from 1 to 16,384, not {count}.")
