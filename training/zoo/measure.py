"""How well shipped classifiers and translators do, on pictures that they were never taught."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from playground import pixels
from playground.data.base import Batch, ImageStore, label_numbers, split
from playground.families.paired import shrink
from playground.families.supervised import Reading, binary_columns, scores
from playground.lookup import named
from playground.methods import data_options
from playground.metrics.features import default_extractor
from playground.model import Model
from training.zoo.recipes import Recipe

#: of the drawn faces that all readers of faces are measured on; no recipe trains on it
UNSEEN_SEED = 9_000_001
UNSEEN = 2_048
_NAMED = 40  # attributes that are stated one by one


def unseen(name: str, store: ImageStore, model: Model) -> Batch:
    """Pictures like those of `store` (the data set `name`) that the model was not taught: drawn anew where the data is
    drawn by code, else those its training held out."""
    if name in ("faces", "shapes"):
        from playground.data.registry import open_data

        fresh = open_data(name, size=model.info.size, seed=UNSEEN_SEED, max_images=UNSEEN)
        return fresh.take(torch.arange(len(fresh)))
    _, held = split(store, model.settings.held_out, model.settings.seed)
    return store.take(held)


def measure(model: Model, batch: Batch) -> dict[str, float | str]:
    """{what: how well}: class accuracy; per binary attribute the share read rightly, beside that of always saying what
    is commoner; of scaled ones the mean error. Rounded to four places."""
    reading = model.read(batch.images)
    found = {"pictures": float(len(batch.images))}
    found |= {name.replace("_", " "): float(value) for name, value in scores(reading, batch).items()}
    if reading.attribute_logits is not None:
        found |= _columns(model, reading, batch.attributes)
    return {name: round(value, 4) for name, value in found.items()}


def _columns(model: Model, reading: Reading, truth: Tensor) -> dict[str, float]:
    said, found, rates = reading.attribute_logits.sigmoid(), {}, []
    for i, (name, binary) in enumerate(zip(model.info.attributes, binary_columns(truth).tolist(), strict=True)):
        known = torch.isfinite(truth[:, i])
        if not known.any():
            continue
        a, b = said[known, i], truth[known, i]
        if binary:
            found[f"{name} (right)"] = float(((a > 0.5) == (b > 0.5)).float().mean())
            rates.append(found[f"{name} (right)"])
        else:
            found[f"{name} (mean error)"] = float((a - b).abs().mean())
    summary = (
        {"binary attributes, mean": sum(rates) / len(rates), "binary attributes, worst": min(rates)} if rates else {}
    )
    return summary | found if len(found) <= _NAMED else summary


def unseen_pairs(recipe: Recipe, model: Model, place: str) -> Batch:
    """Pairs that a translator was not taught: drawn anew where its data is drawn by code, else those that its builder
    keeps back or its training held out."""
    from playground.data.registry import open_data

    if recipe.source.builder:
        store = named(recipe.source.builder)(model.settings, place, held=True)
    elif recipe.source.registered:
        size = model.info.size
        store = open_data(recipe.source.name, size=size, seed=UNSEEN_SEED, max_images=UNSEEN // 8)
    else:
        store = open_data(place, **data_options(recipe.preset, model.settings))
        return store.take(split(store, model.settings.held_out, model.settings.seed)[1])
    return store.take(torch.arange(len(store)))


def measure_translator(model: Model, batch: Batch) -> dict[str, float | str]:
    """{what: how near} over the pairs of `batch`, A to B: L1 a value in [0, 1], PSNR, SSIM and the distance of the
    default extractor, beside that of the input left as it is where both sides are pictures; the mean
    intersection-over-union where B is a label map."""
    target = model.side("AB", output=True)
    found: dict[str, float | str] = {"pictures": float(len(batch.images))}
    if target.labels:
        said = torch.cat([model.segment(part) for part in batch.images.split(32)])
        return found | mean_iou(said, label_numbers(batch.targets), len(target.labels))
    given = batch.images
    if batch.targets is None:  # super-resolution: of pictures made smaller
        batch = replace(batch, images=shrink(given, model.scale), targets=given)
    made = torch.cat([model.translate(part) for part in batch.images.split(32)])
    extractor = default_extractor().name
    for name, pictures in (("", made), (" of the input as it is", batch.images)):
        if pictures.shape != batch.targets.shape:
            continue
        near = nearness(pictures, batch.targets)
        found |= {
            f"L1{name}": near["l1"],
            f"PSNR{name}, dB": near["psnr"],
            f"SSIM{name}": near["ssim"],
            f"distance{name}, {extractor}": near["distance"],
        }
    return {name: round(value, 4) for name, value in found.items()}


def nearness(made: Tensor, truth: Tensor) -> dict[str, float]:
    """How near pictures [N, C, H, W] in [-1, 1] come to others, each a mean: `l1` a value in [0, 1], `psnr` in dB,
    `ssim`, and `distance` by the default extractor."""
    return {
        "l1": float(pixels.l1(made, truth).mean() / 2),
        "psnr": float(pixels.psnr(made, truth).mean()),
        "ssim": float(pixels.ssim(made, truth).mean()),
        "distance": float(default_extractor().distance(made, truth).mean()),
    }


def mean_iou(said: Tensor, truth: Tensor, labels: int) -> dict[str, float]:
    """Intersection over union a label, over all pixels of all pictures; the mean is of the labels that occur.

    Args:
        said, truth: int64 [N, H, W].
    """
    counts = torch.bincount((truth * labels + said).flatten(), minlength=labels**2).view(labels, labels).double()
    hit, union = counts.diag(), counts.sum(0) + counts.sum(1) - counts.diag()
    there = counts.sum(1) > 0
    return {
        "mean IoU": round(float((hit[there] / union[there]).mean()), 4),
        "pixels right": round(float(hit.sum() / counts.sum()), 4),
    }
