"""Putting a trained run on the shelf: `pretrained/NAME` with weights, settings and card, and a row of the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from playground.errors import DataError, UsageError
from playground.knobs import KNOBS, Settings, find
from playground.latent.encoder import FILE as ENCODER
from playground.model import Model, load_model
from playground.runs import atomic_write, read_config
from training.zoo.recipes import MAX_BYTES, Recipe

MANIFEST = "manifest.json"


def changed_knobs(recipe: Recipe, settings: Settings) -> dict[str, Any]:
    """Live knobs that a run of `recipe` ended with at other values: {name: the run's value}.

    Raises:
        UsageError: it differs in a setting that can't be turned while a training runs, so it is another recipe's run.
    """
    wanted = recipe.settings
    changed = {name: settings[name] for name in KNOBS if settings[name] != wanted[name]}
    for name, value in changed.items():
        if not find(name).live:
            raise UsageError(
                f"This run is not one of '{recipe.name}': its {name} is {value}, the recipe's {wanted[name]}."
            )
    return changed


def install(
    recipe: Recipe, run: str | Path, shelf: Path, metrics: Mapping[str, Any] | None = None, flags: str = ""
) -> Model:
    """Install the ended run in folder `run` as the shipped model `recipe.name` on `shelf`; returns the model.

    Args:
        metrics: what was measured, for the card and the manifest.
        flags: the command-line flags that name the recipe's data, for the card.

    Raises:
        UsageError: no such run, a run of another recipe, or one that has not taken all its steps.
        DataError: a model that is damaged or too large.
    """
    run = Path(run)
    config = read_config(run)
    if config.get("preset") != recipe.preset:
        raise UsageError(
            f"The run in '{run.name}' trains '{config.get('preset')}', and '{recipe.name}' is a '{recipe.preset}'."
        )
    if recipe.source.registered and not recipe.source.flag and config.get("data") != recipe.source.name:
        raise UsageError(
            f"The run in '{run.name}' learned from '{config.get('data')}', not from '{recipe.source.name}'."
        )
    model = load_model(run)
    changed = changed_knobs(recipe, model.settings)
    taken = int(model.facts.get("step", 0))
    wanted = recipe.taken_at or model.settings.steps
    if taken < wanted:
        raise UsageError(f"The run in '{run.name}' has taken {taken:,} of its {wanted:,} steps: go on with --resume.")
    model.info = replace(model.info, name=recipe.source.name, licence=recipe.source.licence, notes=())
    model.facts |= {
        "name": recipe.title,
        "about": f"{recipe.about}\n\nData: {recipe.source.title}. Licence: {recipe.source.licence}.",
        "recipe": _how(recipe, changed, flags),
        "metrics": dict(metrics or {}),
        "serves": list(recipe.serves),
    }
    if recipe.first_seed:
        model.facts["first_seed"] = recipe.first_seed
    folder = model.save(shelf / recipe.name, half=True)
    (folder / ENCODER).unlink(missing_ok=True)  # it was another model's
    _register(shelf, recipe, model, weights_row(folder / "model.safetensors"), changed)
    return model


def weights_row(path: Path) -> dict[str, Any]:
    """What the manifest says of a file of weights: {"bytes", "sha256"}.

    Raises:
        DataError: it is too large to be shipped; it is then removed.
    """
    weights = path.read_bytes()
    if len(weights) > MAX_BYTES:
        path.unlink()
        raise DataError(
            f"The weights of '{path.parent.name}' ({path.name}) take {len(weights) / 1e6:.0f} MB, more than the "
            f"{MAX_BYTES / 1e6:.0f} MB that a shipped model may: take a smaller width."
        )
    return {"bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}


def _how(recipe: Recipe, changed: Mapping[str, Any], flags: str) -> str:
    said = f"```\npython -m training.zoo {recipe.name}{flags and ' ' + flags}\n```"
    if changed:
        turned = ", ".join(f"`{name}` {value}" for name, value in sorted(changed.items()))
        said += f"\n\nSettings turned while it trained, at their last values: {turned}."
    return said


def manifest(shelf: Path) -> dict[str, Any]:
    """The manifest of `shelf`; an empty one where there is none.

    Raises:
        DataError: it can't be read.
    """
    path = shelf / MANIFEST
    if not path.exists():
        return {"format": 1, "models": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found["models"], dict):
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DataError(f"'{path}' is damaged: mend it or remove it, then install again.")


def _register(
    shelf: Path, recipe: Recipe, model: Model, weights: Mapping[str, Any], changed: Mapping[str, Any]
) -> None:
    found = manifest(shelf)
    found["models"][recipe.name] = {
        "title": recipe.title,
        "kind": recipe.kind,
        "preset": recipe.preset,
        "recipe": dict(recipe.knobs),
        **({"first": dict(recipe.first)} if recipe.first else {}),
        "changed_while_training": dict(changed),
        "data": {
            "name": recipe.source.name,
            "title": recipe.source.title,
            "licence": recipe.source.licence,
            "pictures": model.info.count,
            "size": model.info.size,
        },
        "serves": list(recipe.serves),
        "trained": {key: model.facts[key] for key in ("step", "images", "seconds", "device") if key in model.facts},
        "metrics": model.facts["metrics"],
        **weights,
    }
    found["models"] = dict(sorted(found["models"].items()))
    write_manifest(shelf, found)


def write_manifest(shelf: Path, found: Mapping[str, Any]) -> None:
    """Write the manifest of `shelf` anew."""
    atomic_write(shelf / MANIFEST, (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode())
