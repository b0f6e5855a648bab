"""The 2-D lab: presets that play on the same points, from the same seed, each seen from all sides.

What is shown follows Kahng et al. 2018 (GAN Lab, arXiv 1809.01587): real and generated points, D's answer over the
plane, the deformed latent grid, and the gradient of G's loss at the fakes. One player is the 2-D lab; up to four are
the race. Any knob may be turned while it runs: networks of another shape keep the weights that still fit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from playground.data import points
from playground.data.points import POINT_SETS, PointStore
from playground.data.registry import DATASETS
from playground.errors import UsageError, unknown
from playground.labs.contestant import (
    ARROWS,
    MEASURED,
    PRESETS,
    SHOWN_KNOBS,
    Contestant,
    Game,
    knob_changes,
    knob_facts,
    latent_quantiles,
    looking,
    number,
    preset_facts,
    preset_name,
    seed_of,
    surface_kind,
)
from playground.methods import METHODS
from playground.metrics.points import cell_masses, js_divergence, mode_report, true_masses

DRAWING = "drawing"
MOST_CONTESTANTS = 4
LAYERS = ("fake", "surface", "manifold", "arrows", "histogram")
#: the moments of a step, in slow motion
STAGES = (
    ("sample", "A batch of real points, and fresh noise z"),
    ("generate", "G turns the noise into fakes"),
    ("judge", "D looks at real points and fakes"),
    ("learn-d", "D learns: up at real points, down at fakes"),
    ("judge-again", "The better D looks at the fakes again"),
    ("gradient", "Its gradient tells each fake where to go"),
    ("learn-g", "G learns: the fakes move that way"),
)
FAKES, SURFACE = 600, 48
__all__ = ["ARROWS", "FAKES", "LAYERS", "PRESETS", "SHOWN_KNOBS", "STAGES", "SURFACE", "Arena"]


class Arena(Game):
    """The engine (`labs.live.Engine`) of the 2-D lab and the race.

    Args:
        data: a name in `POINT_SETS`, or "drawing".
        presets: one to four names.
        seed: of data, networks and noise, the same for all.
        knobs: changes that all contestants share.
        drawing: points [n, 2] for the data "drawing".

    Raises:
        UsageError, DataError: unknown names, values out of range, or a drawing that is no distribution.
    """

    def __init__(
        self, data: str = "ring", presets: Sequence[str] = ("vanilla-gan",), seed: int = 0,
        knobs: Mapping[str, Any] | None = None, drawing: Sequence[Sequence[float]] | None = None,
    ):  # fmt: skip
        super().__init__()
        self.slow, self.stage, self.stage_seconds, self._stage_at = False, -1, 0.9, 0.0
        self.seed = seed_of(seed)
        self.store = self._open(data, drawing)
        if not isinstance(presets, (list, tuple)) or not 1 <= len(presets) <= MOST_CONTESTANTS:
            raise UsageError(f"Between one and {MOST_CONTESTANTS} presets can play at once.")
        self.contestants = [Contestant(preset_name(n), knob_changes(knobs), self.store, self.seed) for n in presets]
        for c in self.contestants:
            self.measure(c)

    # --- facts

    def facts(self) -> dict[str, Any]:
        """What changes seldom; `version` grows with it."""
        world, info = self.store.info.world, self.store.info
        return {
            "version": self.version,
            "seed": self.seed,
            "data": {
                "name": info.name, "title": DATASETS[info.name].title if info.name in DATASETS else "Your drawing",
                "help": DATASETS[info.name].help if info.name in DATASETS else "The points that you drew.",
                "bounds": [x for pair in world.bounds for x in pair], "modes": world.modes, "sigma": world.sigma,
                "real": self.store.pixels[:1200].numpy(),
            },
            "datasets": [{"name": n, "title": DATASETS[n].title, "help": DATASETS[n].help} for n in POINT_SETS],
            "presets": [preset_facts(name) for name in PRESETS],
            "stages": [{"id": name, "title": title} for name, title in STAGES],
            "knobs": [knob_facts(name) for name in SHOWN_KNOBS],
            "contestants": [c.facts() for c in self.contestants],
        }  # fmt: skip

    # --- orders

    def orders(self) -> dict[str, Callable[..., None]]:
        return super().orders() | {
            "slow": self._slow, "preset": self._preset, "add": self._add, "remove": self._remove, "data": self._data,
        }  # fmt: skip

    def _step(self, phase: str = "both") -> None:
        self.stage = -1
        super()._step(phase)

    def _slow(self, on: bool = True, seconds: float = 0.9) -> None:
        self.slow, self.stage, self._stage_at = bool(on), -1, 0.0
        self.stage_seconds = number(seconds, "Seconds a stage", 0.05, 10.0)

    def _preset(self, contestant: int, preset: str) -> None:
        c = self.one(contestant)
        fresh = Contestant(preset_name(preset), {}, self.store, self.seed)
        self.contestants[self.contestants.index(c)] = fresh
        self.changed([fresh])

    def _add(self, preset: str) -> None:
        if len(self.contestants) >= MOST_CONTESTANTS:
            raise UsageError(f"{MOST_CONTESTANTS} can play at once: take one away first.")
        self.contestants.append(Contestant(preset_name(preset), {}, self.store, self.seed))
        self.restart()  # a race starts together

    def _remove(self, contestant: int) -> None:
        c = self.one(contestant)
        if len(self.contestants) == 1:
            raise UsageError("One must stay, or there is nothing to see.")
        self.contestants.remove(c)
        self.changed([])

    def _data(self, data: str, drawing: Sequence[Sequence[float]] | None = None) -> None:
        store = self._open(data, drawing)
        for c in self.contestants:  # all can, before any does
            if METHODS[c.preset].needs_labels and not store.info.classes:
                raise UsageError(f"{METHODS[c.preset].title} needs classes, which these points have not.")
        self.store = store
        self.restart()

    # --- parts of these

    def reseed(self) -> None:
        self.store = self._open(self.store.info.name, self._drawing)

    def _open(self, data: str, drawing: Sequence[Sequence[float]] | None) -> PointStore:
        if data == DRAWING:
            store = points.from_drawing(drawing or [], seed=self.seed)
        elif isinstance(data, str) and data in POINT_SETS:
            store = points.load(data, seed=self.seed)
        else:
            raise unknown("point set", str(data), [*POINT_SETS, DRAWING])
        self._drawing = drawing
        exact = store.info.world.sigma is not None
        self._masses = true_masses(store.info.world) if exact else cell_masses(store.pixels.numpy(), store.info.world)
        return store

    def restart(self) -> None:
        self.stage = -1
        super().restart()

    # --- work

    def advance(self, seconds: float) -> bool:
        able = self.able()
        return self._next_stage(able) if able and self.slow else super().advance(seconds)

    def _next_stage(self, able: Sequence[Contestant]) -> bool:
        """The next moment of a step, once the present one has been seen for long enough."""
        now = time.monotonic()
        if now - self._stage_at < self.stage_seconds:
            return False
        self.stage, self._stage_at = (self.stage + 1) % len(STAGES), now
        name = STAGES[self.stage][0]
        for c in able:
            if name in ("learn-d", "learn-g"):
                c.take_phase(0 if name == "learn-d" else 1)
            if name == "learn-g":
                c.trainer.end_step()
                c.check()
                self.measure(c)
        self.tick += 1
        return True

    # --- what is seen

    def measure(self, c: Contestant) -> None:
        """Numbers of the present moment, and a row of the charts."""
        info = self.store.info
        drawn = c.fakes(MEASURED).flatten(1).numpy()
        found: dict[str, float | None] = dict.fromkeys(("modes", "high_quality", "reverse_kl", "sigma_ratio"))
        if info.world.sigma is not None:
            report = mode_report(drawn, info.world)
            found = {
                "modes": report.modes, "high_quality": report.high_quality, "reverse_kl": report.reverse_kl,
                "sigma_ratio": report.sigma_ratio if math.isfinite(report.sigma_ratio) else None,
            }  # fmt: skip
        found["modes_total"] = len(info.world.modes) if info.world.sigma is not None else None
        found["js"] = js_divergence(cell_masses(drawn, info.world), self._masses)
        c.report, c.measured_at = found, time.monotonic()
        c.arrow_norm = c.arrows()[1]
        c.note(self.tick + 1, **{k: found[k] for k in ("modes", "high_quality", "reverse_kl", "js", "sigma_ratio")})

    def frame(self, layers: frozenset[str], seen: int) -> dict[str, Any]:
        return {
            "tick": self.tick, "version": self.version, "running": self.running, "slow": self.slow,
            "frozen": self.frozen,
            "stage": STAGES[self.stage][0] if self.slow and self.stage >= 0 else "",
            "contestants": [self._seen(c, layers, seen) for c in self.contestants],
        }  # fmt: skip

    def _seen(self, c: Contestant, layers: frozenset[str], seen: int) -> dict[str, Any]:
        told = c.told(seen)
        if "fake" in layers:
            told["fake"] = c.fakes(FAKES).flatten(1).numpy()
        if "surface" in layers:
            told |= self._surface(c)
        if "manifold" in layers:
            told |= self._manifold(c)
        if "arrows" in layers:
            told["arrows"] = c.arrows()[0]
        if "histogram" in layers:
            told["histogram"] = c.histogram()
        return told

    def _surface(self, c: Contestant) -> dict[str, Any]:
        """D over the plane, of the first class where it is told classes; rows from the lowest y up."""
        (x0, x1), (y0, y1) = self.store.info.world.bounds
        xs, ys = ((torch.arange(SURFACE) + 0.5) / SURFACE * (b - a) + a for a, b in ((x0, x1), (y0, y1)))
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        plane = torch.stack([x.flatten(), y.flatten()], 1)[:, :, None, None]
        label = torch.zeros(len(plane), dtype=torch.int64) if c.family.labelled else None
        told = np.nan_to_num(c.judged(plane, label))
        low, high = (0.0, 1.0) if surface_kind(c.trainer.settings) == "probability" else np.percentile(told, (1, 99))
        scaled = (told - low) / max(high - low, 1e-9)
        return {
            "surface": (scaled.clip(0, 1) * 255).astype(np.uint8), "surface_size": SURFACE,
            "surface_low": float(low), "surface_high": float(high),
        }  # fmt: skip

    def _manifold(self, c: Contestant) -> dict[str, Any]:
        """What becomes of the latent space: lines of a grid whose cells are equally likely; None beyond the plane."""
        s = c.trainer.settings
        if s.latent_dim > 2:
            return {"manifold": None, "manifold_shape": None}
        shape = (25, 25) if s.latent_dim == 2 else (400, 1)
        line = latent_quantiles(np.linspace(0.01, 0.99, shape[0]), s.latent)
        z = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2) if s.latent_dim == 2 else line[:, None]
        z = torch.from_numpy(z.astype(np.float32))
        if c.family.labelled:  # one class alone is one sheet
            label = torch.zeros(len(z), dtype=torch.int64)
            with torch.no_grad():
                drawn = looking(c.generator, lambda: c.generator(z, label))
        else:
            drawn = c.fakes(len(z), z)
        return {"manifold": drawn.flatten(1).numpy(), "manifold_shape": list(shape)}
