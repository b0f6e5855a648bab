r"""Mode collapse, measured: what share of the modes each preset finds, how cleanly, how evenly and how wide.

The protocol is that of Lin et al. 2018 (PacGAN, arXiv 1712.04086, sections 4.1 and 4.2). Points: eight Gaussians on a
ring (σ 0.01) and 25 on a grid (σ 0.05); of 2,500 samples those within 3 σ of a mode are of high quality, a mode counts
with one such sample, and KL(q ‖ uniform) says how evenly the modes are served. `stacked-mnist`: 26,000 samples of
three digits each, 1,000 modes that a classifier of digits reads channel by channel. What is published there had its
own networks and numbers of steps; here every run gets the same processor time instead. Every result is kept in
`collapse.json` when it is found, so that a later call goes on where this one stopped; what a preset's settings were is
kept with it, and another result is measured where they have changed.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError, unknown
from playground.labs.arena import PRESETS
from playground.methods import METHODS, method_settings
from playground.metrics.points import balance, mode_report
from playground.runs import atomic_write
from training.bench.common import Options, Row, not_run, threads

NAME = "collapse"
SETS = ("ring", "grid")
STACKED = "stacked-mnist"
SECONDS, SEEDS = 60.0, 3
SAMPLES, STACKED_SAMPLES = 2500, 26_000
#: a run on pictures gets so many times the processor time of one on points, and one seed
STACKED_TIMES = 30
#: steps between two looks at whether the points are still finite and the schedule still fits the time
LOOK = 200
#: what the best preset has to reach with every seed
TARGETS = {"high_quality": 0.97, "reverse_kl": 0.02, "sigma_low": 0.7, "sigma_high": 1.3}


@dataclass(frozen=True)
class Player:
    """A preset and the knobs that are set on top."""

    name: str
    preset: str
    knobs: Mapping[str, Any]


def _players() -> dict[str, Player]:
    plain = [Player(name, name, {}) for name in PRESETS if not METHODS[name].needs_labels]
    packed = [Player(f"pacgan{m}", "vanilla-gan", {"packing": m}) for m in (2, 4)]
    return {player.name: player for player in (*plain, *packed)}


PLAYERS: dict[str, Player] = _players()
#: on pictures a run is long: those whose published rows are compared
STACKED_PLAYERS: dict[str, Player] = {
    player.name: player
    for player in (
        Player("stacked dcgan", "dcgan", {"width": 32}),
        Player("stacked pacdcgan2", "dcgan", {"width": 32, "packing": 2}),
    )
}


@dataclass(frozen=True)
class Published:
    """A row of Lin et al. 2018: tables 1 and 2 (points; means of ten trials) and 3 (stacked MNIST)."""

    data: str
    name: str
    modes: float
    reverse_kl: float
    high_quality: float | None = None


PUBLISHED = (
    Published("ring", "GAN", 6.3, 0.45, 0.982),
    Published("ring", "PacGAN2", 7.9, 0.07, 0.956),
    Published("grid", "GAN", 17.3, 0.70, 0.948),
    Published("grid", "PacGAN4", 24.8, 0.04, 0.936),
    Published(STACKED, "DCGAN", 99.0, 3.40),
    Published(STACKED, "Unrolled GAN", 48.7, 4.32),
    Published(STACKED, "VEEGAN", 150.0, 2.95),
    Published(STACKED, "PacDCGAN2", 1000.0, 0.06),
)


def run(options: Options) -> list[Row]:
    """One row a preset and set, the published ones after those of their set, and the best preset's worst seed.

    Raises:
        UsageError: `options.only` names what is neither a preset nor a set.
    """
    sets, players, stacked = _chosen(options.only)
    seconds = options.seconds or (1.0 if options.quick else SECONDS)
    seeds = range(options.seeds or (1 if options.quick else SEEDS))
    record = Record(options.out / "collapse" / "collapse.json")
    rows: list[Row] = []
    with threads(options.threads or 1):
        for data in sets:
            found: dict[str, list[dict[str, Any]]] = {}
            for number, player in enumerate(players, 1):
                options.say(f"{NAME}: {player.name} on {data} ({number} of {len(players)})")
                found[player.name] = [record.get(player, data, seed, seconds) for seed in seeds]
            rows += [_row(name, data, results) for name, results in found.items()]
            rows += _published(data)
            rows.append(best(data, found))
        if stacked:
            rows += _stacked(stacked, record, STACKED_TIMES * seconds, options)
    return rows


def _chosen(only: Sequence[str]) -> tuple[list[str], list[Player], list[Player]]:
    """(sets of points, players on them, players on pictures) that `only` names; all where it names none of a kind."""
    known = {*SETS, STACKED, *PLAYERS, *STACKED_PLAYERS}
    for name in only:
        if name not in known:
            raise unknown("preset or set of this benchmark", name, known)
    asked_sets = [name for name in (*SETS, STACKED) if name in only] or [*SETS, STACKED]
    players = [player for name, player in PLAYERS.items() if name in only]
    stacked = [player for name, player in STACKED_PLAYERS.items() if name in only]
    if not players and not stacked:
        players, stacked = list(PLAYERS.values()), list(STACKED_PLAYERS.values())
    sets = [name for name in asked_sets if name != STACKED] if players else []
    return sets, players, stacked if STACKED in asked_sets else []


class Record:
    """Results by player, set, seed and processor time, in one JSON file that grows with each."""

    def __init__(self, path: Path):
        self.path = path
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}  # none yet, or torn by an interruption
        self.results: dict[str, dict[str, Any]] = found if isinstance(found, dict) else {}

    def get(self, player: Player, data: str, seed: int, seconds: float, **more: Any) -> dict[str, Any]:
        """What is known of this run, or else what it gives now. `more` goes to `measure_digits`."""
        key = f"{player.name}/{data}/{seed}/{seconds:g}"
        asked = _asked(player, data)
        if self.results.get(key, {}).get("settings") != asked:
            measured = measure_digits(player, seed, seconds, **more) if more else measure(player, data, seed, seconds)
            self.results[key] = {"settings": asked, **measured}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self.path, (json.dumps(self.results, indent=1) + "\n").encode())
        return self.results[key]


def _asked(player: Player, data: str) -> dict[str, Any]:
    """All settings of the player, as JSON has them, but the seed."""
    settings = dict(method_settings(player.preset, player.knobs, points=data in SETS))
    settings.pop("seed")
    return json.loads(json.dumps(settings))


# --- points


def measure(player: Player, data: str, seed: int, seconds: float) -> dict[str, Any]:
    """Train on `data` for so much processor time, then report on 2,500 samples; a schedule ends when the time does.

    A preset whose own number of steps is reached earlier stops there. One that diverges is stopped, and its samples
    count as what they are: no number lies near a mode.

    Returns:
        {"modes", "total", "high_quality", "reverse_kl", "sigma_ratio" (None where it means nothing), "steps",
        "seconds", "finite"}.
    """
    import torch

    from playground.data import points
    from playground.trainer import Trainer

    store = points.load(data, seed=seed)
    trainer = Trainer(player.preset, method_settings(player.preset, {**player.knobs, "seed": seed}, points=True), store)
    spent = train_for(trainer, seconds)
    drawn = samples(trainer, SAMPLES, seed)
    report = asdict(mode_report(drawn.numpy(), store.info.world))
    if not math.isfinite(report["sigma_ratio"]):
        report["sigma_ratio"] = None
    return {**report, "steps": trainer.step_count, "seconds": spent, "finite": bool(torch.isfinite(drawn).all())}


def train_for(trainer: Any, seconds: float, clock: Callable[[], float] = time.process_time) -> float:
    """Step for so much processor time or the settings' number of steps, whichever ends first; returns the time spent.

    Where the learning rate falls over the run, the run is made to end with the time: its length is set anew at every
    look, from the pace so far. `clock` tells the seconds.
    """
    falls = trainer.settings.rate_decay != "constant"
    most, started = trainer.settings.steps, clock()
    spent = 0.0
    while spent < seconds and trainer.step_count < trainer.settings.steps:
        trainer.step()
        spent = clock() - started
        if trainer.step_count % LOOK == 0 or trainer.step_count == 20:
            if falls:
                trainer.settings["steps"] = min(most, max(trainer.step_count + 1, _length(trainer, seconds, spent)))
            if not all(p.isfinite().all() for module in trainer.players.values() for p in module.parameters()):
                break
    return spent


def _length(trainer: Any, seconds: float, spent: float) -> int:
    return math.ceil(trainer.step_count * seconds / max(spent, 1e-9))


def samples(trainer: Any, count: int, seed: int) -> Any:
    """Points [count, d] by G's average where one is kept, from latents that no training step drew."""
    import torch

    network = trainer.drawing_players["G"].eval()
    with torch.no_grad():
        drawn = trainer.family.sample_points(network, count, torch.Generator().manual_seed(1_000_003 + seed))
    return drawn.flatten(1)


# --- stacked digits


def _stacked(players: Iterable[Player], record: Record, seconds: float, options: Options) -> list[Row]:
    rows = []
    for player in players:
        options.say(f"{NAME}: {player.name} for {seconds:,.0f} s")
        try:
            found = record.get(player, STACKED, 0, seconds, options=options)
        except PlaygroundError as error:
            rows.append(not_run(NAME, f"{player.name}: {error}"))
            continue
        rows.append(_row(player.name, STACKED, [found]))
    return rows + _published(STACKED)


def measure_digits(player: Player, seed: int, seconds: float, options: Options) -> dict[str, Any]:
    """Train on three digits a picture for so much processor time; report on 26,000 samples.

    Raises:
        DataError: there are no digits to stack, or none of the judge.
    """
    from playground.data.stacked import stack
    from playground.trainer import Trainer

    digits = options.digits()
    store = stack(str(digits), size=32, seed=seed)
    settings = method_settings(player.preset, {**player.knobs, "seed": seed, "steps": 10_000_000})
    trainer = Trainer(player.preset, settings, store)
    spent = train_for(trainer, seconds)
    return {**read_digits(trainer, options.quick), "steps": trainer.step_count, "seconds": spent}


def read_digits(trainer: Any, quick: bool = False) -> dict[str, Any]:
    """Which of the 1,000 modes the samples of `trainer` show, by `digits-judge`, and how well that reads real ones.

    Returns:
        {"modes", "total", "reverse_kl", "samples", "real_read": share of real pictures whose three digits it reads}.
    """
    import torch

    from playground.model import load_model, model_of

    judge, model = load_model("digits-judge"), model_of(trainer)
    count = 520 if quick else STACKED_SAMPLES
    drawn = [mode_numbers(judge, model.sample(520, seed=1 + first)) for first in range(0, count, 520)]
    modes, kl = balance(torch.cat(drawn).numpy(), 1000)
    order = torch.randperm(len(trainer.store), generator=torch.Generator().manual_seed(1))[: count // 10]
    real = trainer.store.take(order)
    right = mode_numbers(judge, real.images) == real.labels.cpu()
    return {
        "modes": modes, "total": 1000, "reverse_kl": kl, "samples": count, "real_read": float(right.float().mean()),
    }  # fmt: skip


def mode_numbers(judge: Any, images: Any) -> Any:
    """The number from 0 to 999 that `judge` reads off each picture [N, 3, H, W], a digit a channel: int64 [N]."""
    logits = judge.read(images.flatten(0, 1)[:, None]).class_logits
    values = [int(name) for name in judge.info.classes]
    shown = logits.new_tensor(values).long()[logits.argmax(1)]
    return (shown.unflatten(0, (-1, 3)) * shown.new_tensor([100, 10, 1])).sum(1)


# --- telling


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and its standard error s/√n; None for the error of a single value."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return statistics.fmean(values), error


def _told(values: Sequence[float], places: int) -> str:
    mean, error = mean_and_error(values)
    return f"{mean:.{places}f}" + ("" if error is None else f" ± {error:.{places}f}")


def _row(name: str, data: str, results: Sequence[Mapping[str, Any]]) -> Row:
    mean, error = mean_and_error([r["modes"] for r in results])
    note = f"reverse KL {_told([r['reverse_kl'] for r in results], 3)}"
    if data in SETS:
        note = f"high quality {_told([100 * r['high_quality'] for r in results], 1)} %, {note}"
        ratios = [r["sigma_ratio"] for r in results if r["sigma_ratio"] is not None]
        note += f", σ ratio {_told(ratios, 2)}" if ratios else ", no σ ratio"
        diverged = sum(not r["finite"] for r in results)
        note += f"; {diverged} diverged" if diverged else ""
    else:
        note += f" (the judge reads {results[0]['real_read']:.1%} of real pictures)"
    count, seconds = len(results), statistics.fmean(r["seconds"] for r in results)
    steps = statistics.fmean(r["steps"] for r in results)
    note += f"; {count} seed{'s' if count > 1 else ''}, {seconds:.0f} s of processor time, {steps:,.0f} steps"
    unit = f"of {results[0]['total']:,}"
    return Row(NAME, f"{data}: {name}", mean, unit, uncertainty=error, note=note, details={"results": list(results)})


def _published(data: str) -> list[Row]:
    rows = []
    for row in PUBLISHED:
        if row.data == data:
            quality = "" if row.high_quality is None else f"high quality {100 * row.high_quality:.1f} %, "
            note = f"published: {quality}reverse KL {row.reverse_kl} (Lin et al. 2018, arXiv 1712.04086)"
            rows.append(Row(NAME, f"{data}: {row.name}, published", row.modes, note=note))
    return rows


def reaches(result: Mapping[str, Any]) -> bool:
    """Whether one run has every mode, evenly and as wide as it is, and hardly anything between them."""
    ratio = result["sigma_ratio"]
    return (
        result["modes"] == result["total"]
        and result["high_quality"] >= TARGETS["high_quality"]
        and result["reverse_kl"] <= TARGETS["reverse_kl"]
        and ratio is not None
        and TARGETS["sigma_low"] <= ratio <= TARGETS["sigma_high"]
    )


def best(data: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Row:
    """The preset with which most seeds reach all four targets (then: whose worst seed has the highest quality)."""

    def merit(name: str) -> tuple[float, float]:
        results = found[name]
        return statistics.fmean(reaches(r) for r in results), min(r["high_quality"] for r in results)

    name = max(found, key=merit)
    results = found[name]
    share, worst = merit(name)
    ratios = [r["sigma_ratio"] for r in results if r["sigma_ratio"] is not None]
    note = (
        f"{name}: worst of {len(results)} high quality {100 * worst:.1f} %, fewest modes "
        f"{min(r['modes'] for r in results)}, largest reverse KL {max(r['reverse_kl'] for r in results):.3f}, σ ratio "
        + (f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "without meaning")
        + "; a run reaches all with every mode, high quality ≥ 97 %, reverse KL ≤ 0.02, σ ratio in [0.7, 1.3]"
    )
    return Row(NAME, f"{data}: best preset, seeds that reach all", 100 * share, "%", 100.0, note=note)
