"""The encoder that goes with a shipped style-based generator: taught, measured, and put beside the model."""

from __future__ import annotations

from pathlib import Path

import torch

from playground.checkpoint import read_checkpoint
from playground.data.base import ImageStore
from playground.errors import UsageError
from playground.families.players import encoder_of
from playground.latent.encoder import FILE, Encoder, from_posterior, narrowed, save_encoder, train_encoder
from playground.latent.invert import measure_inversion
from playground.latent.space import LatentSpace
from playground.metrics.features import default_extractor
from playground.model import load_model
from training.zoo.install import manifest, weights_row, write_manifest
from training.zoo.recipes import Recipe

#: unseen pictures that are looked for
COUNT = 24
#: known ones by which a smaller encoder is found
SEEN = 2_048
_SEED = 5


def encode(recipe: Recipe, store: ImageStore, shelf: Path, run: Path | None = None) -> dict[str, float]:
    """Teach an encoder for the installed model of `recipe` and install it there, with its row in the manifest.

    Args:
        store: pictures like those that the model learned from.
        shelf: the folder of shipped models.
        run: the model's own, where there: of codes in w the encoder that learned beside the generator is gone on from.

    Returns:
        What was measured on pictures that neither has seen.

    Raises:
        UsageError: the recipe has no encoder, or its model is not installed.
        DataError: the encoder is too large.
    """
    if not recipe.encoder:
        raise UsageError(f"'{recipe.name}' has no encoder: its recipe names none.")
    folder = shelf / recipe.name
    if recipe.name not in manifest(shelf)["models"] or not (folder / "model.safetensors").is_file():
        raise UsageError(f"'{recipe.name}' is not installed: make it first.")
    space, extractor = LatentSpace(load_model(folder)), default_extractor()

    def told(done: int, steps: int, losses: dict[str, float]) -> None:
        means = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        print(f"encoder: {done:,} of {steps:,} steps; {means}", flush=True)

    options = dict(recipe.encoder)
    start, rank = None, options.pop("rank", 0)
    if recipe.settings.encode_to == "w" and run is not None and (run / "checkpoints").is_dir():
        beside = encoder_of(space.model.settings, space.model.info)
        beside.load_state_dict(read_checkpoint(run)["players"]["E"])
        start = from_posterior(space, beside.eval())
        if rank:
            start = narrowed(start, rank, store.take(torch.arange(min(SEEN, len(store)))).images.to(space.device))
    encoder = train_encoder(space, store=store, extractor=extractor, on_step=told, start=start, **options)
    found = measure_inversion(space, encoder, extractor, count=COUNT, seed=_SEED)
    plain = measure_inversion(space, None, extractor, count=COUNT, seed=_SEED)
    measure = found["measure"]
    metrics = {"pictures": COUNT, "steps of the search": found["steps"]}
    for when, row in (("", found), (", without it", plain)):
        metrics |= {
            f"{measure} distance at the start{when}": row["start_distance"],
            f"{measure} distance found{when}": row["distance"],
            f"PSNR at the start{when}, dB": row["start_psnr"],
            f"PSNR found{when}, dB": row["psnr"],
        }
    return put(recipe, encoder, shelf, {name: round(float(value), 4) for name, value in metrics.items()})


def put(recipe: Recipe, encoder: Encoder, shelf: Path, metrics: dict[str, float]) -> dict[str, float]:
    """Write an encoder beside the installed model, and its row in the manifest; returns the metrics."""
    weights = weights_row(save_encoder(shelf / recipe.name, encoder))
    found = manifest(shelf)
    found["models"][recipe.name]["encoder"] = {
        "file": FILE,
        "recipe": dict(recipe.encoder),
        "metrics": metrics,
        **weights,
    }
    write_manifest(shelf, found)
    return metrics
