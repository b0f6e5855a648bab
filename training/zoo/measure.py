"""What a shipped classifier gets right, on pictures that it was never taught."""

from __future__ import annotations

import torch
from torch import Tensor

from playground.data.base import Batch, ImageStore, split
from playground.families.supervised import Reading, binary_columns, scores
from playground.model import Model

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
