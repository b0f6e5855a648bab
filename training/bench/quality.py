"""What the shipped models are worth: conditional digits, steering, path lengths and inversion, each with its judge.

Nothing is scored by the network that did the work: digits and faces are read by classifiers that were trained apart
from the generators and from any guidance, and perceptual numbers name their extractor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playground.model import list_shipped, load_model
from training.bench.common import Options, Row, not_run, threads

FLIPPED = 90.0  # per cent of the faces whose target attribute is to turn over
CHANGED = 10.0  # per cent of the faces in which a held attribute may
READ = 99.0  # per cent of conditional digits that are to be read as asked


def run(options: Options) -> list[Row]:
    """Every figure whose models are shipped."""
    rows: list[Row] = []
    with threads(options.threads or 1):
        for needed, measure in PARTS:
            missing = [name for name in needed if name not in list_shipped()]
            if missing:
                rows.append(not_run("quality", f"{measure.__name__.replace('_', ' ')}: {missing[0]} is not shipped."))
                continue
            options.say(f"quality: {measure.__name__.replace('_', ' ')}")
            rows += measure(options)
    return rows


def conditional_digits(options: Options) -> list[Row]:
    """Share of samples in which another classifier reads the digit that was asked for, digits dealt out evenly."""
    import torch

    model, judge = load_model("digits-cgan"), load_model("digits-judge")
    count = 500 if options.quick else 5000
    asked = torch.arange(count) % 10
    rows = []
    for truncation in (None, 1.5):
        pictures = model.sample(count, seed=7, labels=asked.tolist(), truncation=truncation)
        read = torch.cat([judge.read(part).class_logits for part in pictures.split(500)]).argmax(1)
        right = (read == asked).float()
        each = ", ".join(f"{digit}: {100 * right[asked == digit].mean():.1f}" for digit in range(10))
        spread = pictures.view(-1, 10, *pictures.shape[1:]).std(0).mean()
        name = "digits read as asked" + (f", truncation {truncation}" if truncation else "")
        note = f"{count:,} samples read by digits-judge; by digit {each}; spread within a digit {spread:.3f}"
        rows.append(Row("quality", name, 100 * float(right.mean()), "%", READ, note=note))
    return rows


def steering(options: Options) -> list[Row]:
    """Classifier-gradient control: how often targets flip, and the held attribute that changes most often; over all
    targets, and of each."""
    from playground.latent.reader import Reader
    from playground.latent.space import LatentSpace
    from playground.latent.steer import THOROUGH, measure_steering

    space = LatentSpace(load_model("faces-style"))
    guide, judge = (Reader(load_model(name)) for name in ("faces-attributes", "faces-attributes-judge"))
    as_the_tab = {"layers": (0, space.layers - 1), **THOROUGH}
    found = measure_steering(space, guide, judge, count=16 if options.quick else 64, **as_the_tab)
    changed = {name: [each.held[name] for each in found if name in each.held] for name in judge.names}
    changed = {name: sum(shares) / len(shares) for name, shares in changed.items() if shares}
    most = max(changed, key=changed.get)
    note = f"{len(found)} targets, {found[0].count} faces each"
    rows = [
        Row("quality", "flipped, mean of all targets", 100 * sum(e.flipped for e in found) / len(found), "%", FLIPPED,
            note=note),
        Row("quality", "held changed over all targets, the worst", 100 * changed[most], "%", CHANGED, at_most=True,
            note=f"{most}; all held ones together {100 * sum(changed.values()) / len(changed):.1f} %"),
    ]  # fmt: skip
    for each in found:
        worst = max(each.held, key=each.held.get)
        note = f"{each.count} faces, judged by faces-attributes-judge; most changed held attribute: {worst}"
        rows.append(Row("quality", f"{each.attribute} flipped", 100 * each.flipped, "%", FLIPPED, note=note))
        rows.append(
            Row("quality", f"{each.attribute}: held changed", 100 * each.held[worst], "%", CHANGED, at_most=True)
        )
    return rows


def path_lengths(options: Options) -> list[Row]:
    """Perceptual path length in w against z, by features-v1."""
    from playground.latent.space import LatentSpace
    from playground.metrics.features import default_extractor
    from playground.metrics.ppl import path_length

    space, extractor = LatentSpace(load_model("faces-style")), default_extractor()
    count = 100 if options.quick else 2000
    lengths: dict[str, Any] = {where: path_length(space, where, count, extractor=extractor) for where in ("z", "w")}
    note = f"{count:,} pairs each, z {lengths['z']:.3g}, w {lengths['w']:.3g}, distance by {extractor.name}"
    share = lengths["w"] / lengths["z"]
    return [Row("quality", "path length, w over z", share, "×", 1.0, at_most=True, note=note)]


def inversion(options: Options) -> list[Row]:
    """Unseen faces, found again: distance by features-v1 and PSNR."""
    from playground.latent.encoder import load_encoder
    from playground.latent.invert import measure_inversion
    from playground.latent.space import LatentSpace
    from playground.metrics.features import default_extractor

    model = load_model("faces-style")
    space, extractor, encoder = LatentSpace(model), default_extractor(), load_encoder(model)
    count = 4 if options.quick else 24
    found = measure_inversion(space, encoder, extractor, count=count, seed=5)
    start = "the encoder" if encoder is not None else "the nearest of 500 samples"
    note = f"{count} unseen faces, {found['steps']} steps from {start}"
    return [
        Row("quality", f"inversion, {found['measure']} distance", found["distance"],
            note=f"{note}; at the start {found['start_distance']:.3f}"),
        Row("quality", "inversion, PSNR", found["psnr"], "dB", note=f"at the start {found['start_psnr']:.1f} dB"),
    ]  # fmt: skip


PARTS: tuple[tuple[tuple[str, ...], Callable[[Options], list[Row]]], ...] = (
    (("digits-cgan", "digits-judge"), conditional_digits),
    (("faces-style", "faces-attributes", "faces-attributes-judge"), steering),
    (("faces-style", "features-v1"), path_lengths),
    (("faces-style", "features-v1"), inversion),
)
