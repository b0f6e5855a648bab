"""Make the shipped models: `python -m training.zoo NAME`, `all`, or `--list`.

A recipe is trained in a work folder (Ctrl-C ends it with a checkpoint, `--resume` goes on), measured where there is a
truth to measure by, and installed into `pretrained/` with its card and its row of the manifest.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError, UsageError
from playground.lookup import named
from training.train import Parser, Progress, stopping
from training.zoo.recipes import RECIPES, Recipe, find_recipe

SHELF = Path(__file__).resolve().parents[2] / "pretrained"


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    result = Parser(prog="python -m training.zoo", description="Train and install shipped models.", allow_abbrev=False)
    result.add_argument("name", nargs="?", help="a model's name, or all; see --list")
    result.add_argument("--list", action="store_true", help="list the recipes, and leave")
    result.add_argument("--out", default="runs/zoo", help="where runs are kept, one folder a model (default: runs/zoo)")
    result.add_argument("--resume", action="store_true", help="go on with runs that were stopped")
    result.add_argument("--install", metavar="RUN", help="install this run of the same recipe instead of training")
    result.add_argument("--encoder", action="store_true", help="only teach the encoder of a model that is installed")
    result.add_argument("--metrics", metavar="FILE", help="a JSON file of measured numbers for the card and manifest")
    result.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    result.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own choice)")
    result.add_argument("--data-dir", help="where downloads are kept (default: ~/.cache/gan-playground)")
    for flag in sorted({recipe.source.flag for recipe in RECIPES.values()} - {""}):
        sources = {recipe.source.title for recipe in RECIPES.values() if recipe.source.flag == flag}
        result.add_argument(f"--{flag}", metavar="FOLDER", help=f"folder or zip of: {'; '.join(sorted(sources))}")
    result.add_argument("--shelf", default=str(SHELF), help="where models are installed (default: pretrained)")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    flags = parser().parse_args(arguments)
    try:
        if flags.list:
            _list(Path(flags.shelf))
            return 0
        if not flags.name:
            raise UsageError("Name a model, or all; --list shows them.")
        recipes = list(RECIPES.values()) if flags.name == "all" else [find_recipe(flags.name)]
        if flags.install and len(recipes) > 1:
            raise UsageError("--install puts one run on the shelf: name its model.")
        if flags.encoder and (flags.install or any(not recipe.encoder for recipe in recipes)):
            raise UsageError("--encoder is for an installed model whose recipe names an encoder.")
        if flags.threads < 0:
            raise UsageError(f"--threads must be 0 or more, not {flags.threads}.")
        metrics = _given(flags.metrics)
        places = {recipe.name: _place(recipe, flags) for recipe in recipes}  # before hours of training
        with stopping() as asked:
            for recipe in recipes:
                if not _make(recipe, places[recipe.name], metrics, flags, asked):
                    return 0
        return 0
    except PlaygroundError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _list(shelf: Path) -> None:
    for recipe in RECIPES.values():
        there = "installed" if (shelf / recipe.name / "model.safetensors").is_file() else ""
        print(f"{recipe.name:<24}{recipe.preset:<22}{recipe.source.name:<18}{recipe.last_step:>7,} steps  {there}")


def _given(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' can't be read as JSON: give a file with one object of numbers.") from error
    if not isinstance(found, dict) or not all(isinstance(v, (int, float, str)) for v in found.values()):
        raise UsageError(f"'{path}' must hold one JSON object of numbers or short texts.")
    return found


def _place(recipe: Recipe, flags: argparse.Namespace) -> str:
    """What the recipe's pictures are opened by.

    Raises:
        UsageError: they are not registered and no flag names them, or nothing is there.
    """
    source = recipe.source
    given = getattr(flags, source.flag.replace("-", "_"), None) if source.flag else None
    if given is None and not source.registered:
        if flags.install:
            return ""  # its measuring is left out
        raise UsageError(f"'{recipe.name}' learns from {source.title}: name its folder or zip with --{source.flag}.")
    if given is not None and not Path(given).expanduser().exists():
        raise UsageError(f"There is no folder or zip '{given}': check --{source.flag}.")
    return str(Path(given).expanduser()) if given else source.name


def _make(recipe: Recipe, place: str, metrics: Mapping[str, Any], flags: argparse.Namespace, asked: Any) -> bool:
    """Train (unless done), measure and install one recipe; False where it was stopped."""
    import torch

    from training.zoo.install import install

    if flags.threads:
        torch.set_num_threads(flags.threads)
    run = Path(flags.install) if flags.install else Path(flags.out) / recipe.name
    store = None
    if flags.encoder:
        _encode(recipe, _store(recipe, place, flags), run, flags)
        return True
    if not flags.install:
        store = _store(recipe, place, flags)
        if not _done(run, recipe) and _train(recipe, place, store, run, flags, asked) != "finished":
            return False
    measured = _measured(recipe, place, store, run, flags)
    given = f"--{recipe.source.flag} FOLDER" if recipe.source.flag and place != recipe.source.name else ""
    model = install(recipe, run, Path(flags.shelf), {**measured, **metrics}, given)
    print(f"{recipe.name} is installed in {Path(flags.shelf) / recipe.name}")
    for name, value in model.facts["metrics"].items():
        print(f"  {name}: {value}")
    if recipe.encoder:
        if place:
            _encode(recipe, store or _store(recipe, place, flags), run, flags)
        else:
            print(f"its encoder is left out: name its pictures with --{recipe.source.flag}, and --encoder")
    return True


def _encode(recipe: Recipe, store: Any, run: Path, flags: argparse.Namespace) -> None:
    from training.zoo.encode import encode

    print(f"{recipe.name} has an encoder")
    for name, value in encode(recipe, store, Path(flags.shelf), run).items():
        print(f"  {name}: {value}")


def _store(recipe: Recipe, place: str, flags: argparse.Namespace) -> Any:
    """The pictures, opened as training opens them."""
    from playground.data.registry import open_data
    from playground.devices import resolve_device
    from playground.methods import data_options

    settings, device = recipe.settings, resolve_device(flags.device)
    if recipe.source.builder:
        return named(recipe.source.builder)(settings, place).to(device)
    return open_data(place, **data_options(recipe.preset, settings), data_dir=flags.data_dir, device=device)


def _done(run: Path, recipe: Recipe) -> bool:
    """Whether the model of `run` has taken all the steps of its recipe."""
    try:
        config = json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))
        return config["facts"]["step"] >= (recipe.taken_at or config["knobs"]["steps"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _train(recipe: Recipe, place: str, store: Any, run: Path, flags: argparse.Namespace, asked: Any) -> str:
    """Train to the end, after the first run of a recipe that has one; returns how it ended."""
    import playground as pg

    begun = None
    if recipe.first:
        source = recipe.first_source or recipe.source
        before = replace(recipe, source=source, knobs={**recipe.knobs, **recipe.first}, first={}, taken_at=0)
        begun = run.with_name(f"{run.name}-first")
        if not _done(begun, before):
            there = _place(before, flags)
            own = store if source is recipe.source else _store(before, there, flags)
            state = _train(before, there, own, begun, flags, asked)
            if state != "finished":
                return state
    shown = Progress()
    reached: list[bool] = []  # weights may be taken before the schedule ends

    def look(trainer: Any) -> None:
        if recipe.taken_at and trainer.step_count >= recipe.taken_at:
            reached.append(True)

    resume = flags.resume and (run / "config.json").exists()
    ended = pg.train(
        recipe.preset,
        recipe.source.name if recipe.source.builder else place,
        out=run,
        device=flags.device,
        resume=resume,
        from_model=None if resume or begun is None else begun / "model",
        name=recipe.title,
        store=store,
        stop=lambda: bool(reached) or asked(),
        on_start=shown.start,
        on_step=(shown, look),
        **({} if resume else recipe.knobs),
    )
    if reached:
        return "finished"
    if ended.state != "finished":
        print(f"stopped at step {ended.step:,}; go on with the same command and --resume")
    return ended.state


def _measured(recipe: Recipe, place: str, store: Any, run: Path, flags: argparse.Namespace) -> dict[str, Any]:
    """What can be measured by itself: how right a classifier is, how near to its target a translator comes."""
    if recipe.kind == "generator" or not place:
        return {}
    from playground.model import load_model
    from training.zoo.measure import measure, measure_translator, unseen, unseen_pairs

    model = load_model(run)
    if recipe.kind == "translator":
        return measure_translator(model, unseen_pairs(recipe, model, place))
    drawn = recipe.source.registered and not recipe.source.flag
    return measure(model, unseen(recipe.source.name, None if drawn else store or _store(recipe, place, flags), model))


if __name__ == "__main__":
    sys.exit(main())
