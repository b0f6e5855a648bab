"""The trainer: one loop for every family; it knows phases and players, not "G" and "D".

A step runs each phase of the family in turn: losses, gradients for the phase's players alone, optimiser, constraint.
Nothing in a step waits for the device: numbers for the charts stay tensors until somebody asks for them.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from playground import distributed
from playground.data.base import Batch, DrawnStore, EpochSampler, ImageStore, split, to_uint8
from playground.data.points import paint
from playground.devices import fast_bfloat16
from playground.errors import TrainingError, UsageError
from playground.families import build_family, initialising
from playground.families.base import Phase
from playground.knobs import Settings
from playground.methods import find_method
from playground.networks import layers
from playground.schedules import learning_rate_factor
from playground.stabilisers import MovingAverage, ema_decay_at


class Trainer:
    """Trains preset `preset` with `settings` on `store`, whose device is the training device.

    Everything random is drawn from `self.generator` (on the device) or from the sampler's seed, so that a run repeats
    exactly on the CPU at the same thread count, and goes on exactly from a checkpoint.

    Raises:
        UsageError: settings that don't go together or don't suit the data.
        DataError: a batch larger than the data set.
    """

    #: how many of the pictures held out are looked at while training
    held_pictures = 512

    def __init__(self, preset: str, settings: Settings, store: ImageStore):
        self.preset, self.settings, self.store = preset, settings, store
        self.device = store.device
        method = find_method(preset)
        chunk = store.chunk if isinstance(store, DrawnStore) else None
        self._rank_seed = settings.seed + 7919 * distributed.rank()
        with initialising(settings.seed):
            self.family = build_family(method.family, settings, store.info)
        self._taught, held = split(store, self.family.held_share(), settings.seed)
        if len(held):
            self.family.held = lambda: store.take(held[: self.held_pictures])
        self.sampler = EpochSampler(len(self._taught), settings.batch_size, self._rank_seed, chunk)
        self.players: dict[str, nn.Module] = {
            name: module.to(self.device, memory_format=torch.channels_last)
            for name, module in self.family.players.items()
        }
        self.family.players = self.players
        for module in self.players.values():
            distributed.broadcast_([*module.parameters(), *module.buffers()])
        self.generator = torch.Generator(self.device).manual_seed(self._rank_seed + 1)
        self.family.generator = self.generator
        for module in self.players.values():
            layers.set_generator(module, self.generator)
        self.averages = {
            name: copy.deepcopy(self.players[name]).requires_grad_(False).eval() for name in self.family.averaged
        }
        self._following = [MovingAverage(average, self.players[name]) for name, average in self.averages.items()]
        self.optimisers = {name: self._optimiser(module) for name, module in self.players.items()}
        self._fast_bfloat16 = fast_bfloat16(str(self.device))
        self.phases = self.family.phases()
        self.step_count, self.images_seen, self.seconds = 0, 0, 0.0
        self.changes: list[dict[str, Any]] = []  # live knobs turned: {"step", "name", "value"}
        self._batch: Batch | None = None
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self._real_spread: float | None = None
        self._learning: dict[str, list[nn.Parameter]] = {}

    # --- building

    def _optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        s = self.settings
        parameters = [p for p in module.parameters() if p.requires_grad]
        if s.optimiser == "adam":
            return torch.optim.Adam(parameters, lr=1e-3, betas=(s.beta1, s.beta2), fused=True)
        if s.optimiser == "rmsprop":
            return torch.optim.RMSprop(parameters, lr=1e-3, alpha=0.99, foreach=True)
        return torch.optim.SGD(parameters, lr=1e-3, fused=True)

    @property
    def precision(self) -> str:
        """The number format of the networks at this moment: "float32" or "bfloat16".

        "auto" stays with float32 where small differences of scores or gradients are what the method works on: gradient
        penalties, look-ahead, clipped or energy-based critics, and architectures it was not tried on.
        """
        s = self.settings
        if s.precision != "auto":
            return s.precision
        if self.family.robust:
            return "bfloat16" if self._fast_bfloat16 else "float32"
        delicate = s.gradient_penalty or s.dragan or s.r1 or s.r2 or s.unroll_steps or s.weight_clip
        tried = s.architecture in ("dcgan", "dcgan-upsample") and s.objective not in ("f-gan", "energy", "wasserstein")
        return "bfloat16" if tried and not delicate and self._fast_bfloat16 else "float32"

    def learning_rate(self, player: str) -> float:
        """The rate `player` learns with at the present step, schedule included."""
        s = self.settings
        base = s[self.family.learning_rates.get(player, "learning_rate_g")]
        return base * learning_rate_factor(self.step_count, s.steps, s.rate_decay, hold=s.decay_from)

    # --- training

    def step(self) -> None:
        """One full round of the family's phases."""
        started = time.perf_counter()
        for index in range(len(self.phases)):
            self.take_phase(index)
        self.end_step()
        self.seconds += time.perf_counter() - started

    def take_phase(self, index: int) -> dict[str, Tensor]:
        """One phase of a step with its repeats, for whoever wants to look between them; `end_step` ends the step.

        Returns:
            The terms of the last repeat's loss, by name; none of a phase that sits this step out.
        """
        self.family.step, self.family.total_steps = self.step_count, self.settings.steps
        phase = self.phases[index]
        first = next((i for i, other in enumerate(self.phases) if other.repeats() > 0), 0)
        terms: dict[str, Tensor] = {}
        for _ in range(phase.repeats()):
            if index == first or self._batch is None:  # later phases answer for the batch that the first one saw last
                self._batch = self.store.take(self._taught[self.sampler.next()])
                self.images_seen += len(self._batch.images) * distributed.world()
            terms = self._turn(phase, self._batch)
        return terms

    def end_step(self) -> None:
        """Count a step whose phases have been taken; the averages follow."""
        self._follow_averages()
        self.step_count += 1
        self._summed += 1

    def _turn(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            losses = phase.loss(batch)
        parameters = self._parameters_of(phase)
        gradients = torch.autograd.grad(sum(losses.values()), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        distributed.mean_([g for g in gradients if g is not None])
        for name in phase.players:
            self.optimisers[name].param_groups[0]["lr"] = self.learning_rate(name)
            self.optimisers[name].step()
        if phase.after is not None:
            phase.after()
        repeats = phase.repeats()
        for term, value in losses.items():
            key = f"{phase.name}/{term}"
            value = value.detach() / repeats
            self._sums[key] = self._sums[key] + value if key in self._sums else value
        return {term: value.detach() for term, value in losses.items()}

    def _parameters_of(self, phase: Phase) -> list[nn.Parameter]:
        """What a phase teaches, looked up once: of small networks that takes as long as a layer."""
        if phase.name not in self._learning:
            modules = [self.players[name] for name in phase.players]
            self._learning[phase.name] = [p for module in modules for p in module.parameters() if p.requires_grad]
        return self._learning[phase.name]

    def _follow_averages(self) -> None:
        if distributed.world() > 1:  # running statistics are of each process's own pictures: all keep their mean
            buffers = (b for module in self.players.values() for b in module.buffers())
            distributed.mean_([b for b in buffers if b.is_floating_point()])
        for average in self._following:
            average.update_(ema_decay_at(self.step_count, self.settings.ema_decay))

    def run(self, until: int | Callable[[Trainer], bool], on_step: Iterable[Callable[[Trainer], None]] = ()) -> None:
        """Step until `until` holds (a step count, or a question asked before every step); call `on_step` after each."""
        done = until if callable(until) else (lambda trainer: trainer.step_count >= until)
        on_step = tuple(on_step)
        while not distributed.any_rank(done(self)):
            self.step()
            for action in on_step:
                action(self)

    def change(self, name: str, value: Any) -> Any:
        """Turn a live knob; the change is part of the run's record and of its checkpoints.

        Raises:
            UsageError: the knob isn't live, the value is out of range, or the networks can't take it.
        """
        checked = Settings(self.settings)
        value = checked.change(name, value)
        self.family.check_change(name, value)
        if name == "generator_steps":
            self.family.check_repeats(value)
        self.settings[name] = value
        self.changes.append({"step": self.step_count, "name": name, "value": value})
        return value

    # --- looking at it

    def metrics(self) -> dict[str, float]:
        """Means of the loss terms since the last call, and the last step's scores and gradient norms.

        Raises:
            TrainingError: a loss or gradient is not finite.
        """
        values: dict[str, Tensor] = {}
        for key, total in self._sums.items():
            phase, _, term = key.partition("/")
            letter = phase[0]
            mean = total / max(1, self._summed)
            loss = f"loss_{letter}"
            values[loss] = values[loss] + mean if loss in values else mean
            values[f"term_{letter}_{term}"] = mean
        if self._sums:
            drawn = self.generator.get_state()
            values |= self.family.observations()
            self.generator.set_state(drawn)  # dropout may have drawn from it: looking must not change what is learned
        for name, module in self.players.items():
            gradients = [p.grad for p in module.parameters() if p.grad is not None]
            if gradients:
                values[f"grad_norm_{name.lower()}"] = torch.stack(torch._foreach_norm(gradients)).norm()
        singular = self.family.singular_values()
        if singular:
            values["sigma_max"] = torch.stack(list(singular.values())).max()
        self._sums, self._summed = {}, 0
        names = list(values)
        numbers = torch.stack([values[n].float().reshape(()) for n in names]).tolist() if names else []
        bad = [n for n, v in zip(names, numbers, strict=True) if not math.isfinite(v)]
        if bad:
            raise TrainingError(
                f"Training diverged at step {self.step_count:,}: {bad[0]} is no longer a finite number. Lower the "
                "learning rates or add a gradient penalty."
            )
        return dict(zip(names, numbers, strict=True))

    @property
    def drawing_players(self) -> dict[str, nn.Module]:
        """The players as samples are drawn with them: with their averages where these are kept."""
        return {**self.players, **self.averages} if self.settings.ema_decay > 0 else dict(self.players)

    @torch.no_grad()
    def sample_grid(self) -> tuple[Any, float]:
        """(uint8 [N, H, W, 3], diversity): the fixed-seed samples of the averaged players, row by row.

        Diversity is the mean pairwise pixel distance of the samples over that of as many real pictures: about 1 for a
        generator as varied as the data, near 0 for a collapsed one. Where the rows of the grid are classes, it is taken
        within them. Of a classifier, whose samples are pictures of the data, it says nothing. Of points there is one
        picture: the real ones, and the generated ones on top.
        """
        players = self.drawing_players
        drawn = {name: players[name] for name in self.family.averaged}
        modes = {name: module.training for name, module in drawn.items()}
        try:
            for module in drawn.values():
                module.eval()
            images = self.family.grid(players, seed=self.settings.seed).float()
        finally:
            for name, module in drawn.items():
                module.train(modes[name])
            for module in self.players.values():  # `grid` seeds what it draws with; training has its own
                layers.set_generator(module, self.generator)
        world = self.store.info.world
        if world is None:
            return to_uint8(images), self._diversity(images)
        real, drawn = self.store.take(_typical(self.store, 2000)).images, images.flatten(1)
        picture = paint(real.flatten(1).cpu().numpy(), world, over=drawn.cpu().numpy())
        return picture[None], self._diversity(images)

    def _diversity(self, images: Tensor) -> float:
        compared = self.family.diversity(images)
        if compared is not None:
            return _spread(compared[0]) / max(_spread(compared[1]), 1e-6)
        plan = self.family.grid_plan()
        by_class = self.family.labelled and plan.rows > 1
        if self._real_spread is None:
            real = self.store.take(_typical(self.store, 512 if by_class else 64))
            groups = [real.images[real.labels == k][:16] for k in range(plan.rows)] if by_class else [real.images]
            self._real_spread = _mean_spread(groups)
        # within a class: pictures of different classes differ even where each class has one picture
        drawn = images.split(plan.columns) if by_class else [images[:64]]
        return _mean_spread(drawn) / max(self._real_spread, 1e-6)

    # --- state

    def state_dict(self) -> dict[str, Any]:
        """All that the next step reads."""
        return {
            "players": {name: module.state_dict() for name, module in self.players.items()},
            "averages": {name: module.state_dict() for name, module in self.averages.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "generator": self.generator.get_state(),
            "sampler": self.sampler.state_dict(),
            "family": self.family.state_dict(),
            "settings": dict(self.settings),
            "changes": list(self.changes),
            "step": self.step_count,
            "images": self.images_seen,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`.

        Raises:
            TrainingError: the state belongs to other networks.
        """
        try:
            for name, module in self.players.items():
                module.load_state_dict(state["players"][name])
            for name, module in self.averages.items():
                module.load_state_dict(state["averages"][name])
            for name, optimiser in self.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
        except (RuntimeError, KeyError, ValueError) as error:
            raise TrainingError(
                "The checkpoint does not fit these settings: its networks have another shape."
            ) from error
        self._restore_generator(state)
        self.sampler.load_state_dict(state["sampler"])
        self.family.load_state_dict(state["family"])
        self.changes = list(state["changes"])
        self.step_count, self.images_seen, self.seconds = state["step"], state["images"], state["seconds"]

    def _restore_generator(self, state: dict[str, Any]) -> None:
        if distributed.rank() == 0:
            try:
                self.generator.set_state(state["generator"])
                return
            except (RuntimeError, TypeError):  # saved on another kind of device: the run goes on, with other draws
                pass
        # the checkpoint is rank 0's: with its random numbers, every process would draw the same fakes
        self.generator.manual_seed(self._rank_seed + 1 + 104_729 * (state["step"] + 1))

    def inherit(self, other: Trainer) -> None:
        """Take over from a trainer with other settings all that fits: weights, as far as shapes overlap, averages, the
        optimisers' moments where a shape is the same, and the count of steps. What is new starts fresh."""
        for mine, theirs in ((self.players, other.players), (self.averages, other.averages)):
            for name in mine.keys() & theirs.keys():
                _overlay(mine[name], theirs[name])
        for name in self.players.keys() & other.players.keys():
            mine, theirs = self.optimisers[name], other.optimisers[name]
            if type(mine) is not type(theirs):
                continue
            old = dict(other.players[name].named_parameters())
            for key, parameter in self.players[name].named_parameters():
                if key in old and old[key].shape == parameter.shape and old[key] in theirs.state:
                    moments = theirs.state[old[key]]
                    mine.state[parameter] = {k: v.clone() if isinstance(v, Tensor) else v for k, v in moments.items()}
        self.step_count, self.images_seen, self.seconds = other.step_count, other.images_seen, other.seconds

    def start_from(self, players: dict[str, dict[str, Tensor]]) -> None:
        """Begin with the weights of a saved model (fine-tuning): {player: state dict}; the others start fresh.

        Raises:
            UsageError: the model's networks have another shape.
        """
        for name, state in players.items():
            try:
                self.players[name].load_state_dict(state)
                if name in self.averages:
                    self.averages[name].load_state_dict(state)
            except (RuntimeError, KeyError) as error:
                raise UsageError(
                    "That model's networks have another shape than these settings ask for: take its own preset, "
                    "picture size and width."
                ) from error


@torch.no_grad()
def _overlay(module: nn.Module, other: nn.Module) -> None:
    """Copy into `module` the corner that each tensor shares with the one of the same name in `other`."""
    theirs = other.state_dict()
    for key, value in module.state_dict().items():
        if key in theirs and theirs[key].dim() == value.dim():
            corner = tuple(slice(0, min(pair)) for pair in zip(value.shape, theirs[key].shape, strict=True))
            value[corner] = theirs[key][corner]


def _typical(store: ImageStore, count: int) -> Tensor:
    """Indices of up to `count` pictures that stand for all: folders come sorted by class, drawn sets mixed."""
    if isinstance(store, DrawnStore):  # spread out, they would have the whole set drawn
        return torch.arange(min(len(store), count))
    return torch.linspace(0, len(store) - 1, min(len(store), count)).round().long()


def _mean_spread(groups: Iterable[Tensor]) -> float:
    """The mean of `_spread` over the groups that hold at least two pictures."""
    each = [_spread(group) for group in groups if len(group) > 1]
    return sum(each) / max(len(each), 1)


def _spread(images: Tensor) -> float:
    """Mean pairwise root-mean-square pixel distance of [N, C, H, W]."""
    flat = images.flatten(1).float()
    if len(flat) < 2:
        return 0.0
    distances = torch.pdist(flat) / math.sqrt(flat.shape[1])
    return float(distances.mean())
