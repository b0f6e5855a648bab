"""What translators are worth, on pictures none of them was taught: pairs, emoji, segmentation, super-resolution.

Networks that are only compared (a U-Net with L1 alone, a paired U-Net for the emoji, an upscaler without its
adversarial term) are trained here, each for the same processor time. Perceptual numbers are by `features-v1`.
"""

from __future__ import annotations

import time
import zipfile
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from playground.errors import unknown
from playground.model import list_shipped, load_model
from training.bench.common import Options, Row, not_run, threads

if TYPE_CHECKING:
    from torch import Tensor

    from playground.data.base import ImageStore
    from playground.model import Model

NAME = "translation"
SECONDS = 300.0  # of processor time for each network that is trained here
BATCH = 32


def run(options: Options) -> list[Row]:
    """Every figure whose pictures or models are there; with `only`, of the parts named.

    Raises:
        UsageError: `only` names a part that is not there.
    """
    parts = {part.__name__: part for part in (facades, emoji, segmentation, upscaling)}
    for name in options.only:
        if name not in parts:
            raise unknown("part of translation", name, parts)
    rows: list[Row] = []
    with threads(options.threads or 1):
        for part in [parts[name] for name in options.only or parts]:
            options.say(f"{NAME}: {part.__name__}")
            try:
                rows += part(options)
            except _MissingError as missing:
                rows.append(not_run(NAME, f"{part.__name__}: {missing}"))
    return rows


class _MissingError(Exception):
    """Pictures or a shipped model that a figure needs are not there."""


def facades(options: Options) -> list[Row]:
    """Label map to photograph on the 100 facades of `val`: pix2pix against its own U-Net with L1 alone, on average over
    `seeds` (1).

    pix2pix with its discriminator's maps matched, which steadies it and counts most here, a narrow one, which leaves
    more time to G, errors taken by octaves, more of them where the photograph has detail, and the distance in the
    features of a reader of faces (pix2pixHD's perceptual loss), which is not the one that measures.
    """
    from playground.data.registry import open_data

    root = _unpacked("facades", options)
    taught = open_data(str(root / "train"), size=128, sides="paired", pair_input="right")
    test = open_data(str(root / "val"), size=128, sides="paired", pair_input="right")
    knobs = {"size": 128, "batch_size": 4, "flip": True}
    judged = {"validity": 0.1, "feature_matching": 30.0, "ema_decay": 0.995, "width_d": 16}
    judged |= {"detail": 3.0, "reconstruction": 50.0, "perceptual": 30.0, "perceptual_by": "faces-attributes"}
    seeds = range(1, 1 + (options.seeds or 1))
    found = {
        name: [_compared(_trained("pix2pix", knobs | more | {"seed": seed}, taught, options), test) for seed in seeds]
        for name, more in (("pix2pix", judged), ("U-Net, L1 alone", {"validity": 0.0}))
    }
    ours, plain = found.values()
    shares = {
        key: [100 * mine[key] / theirs[key] for mine, theirs in zip(ours, plain, strict=True)]
        for key in ("distance", "l1")
    }
    note = f"{len(test)} facades of val, {_seconds(options):.0f} s of processor time each at 128 px"
    if len(seeds) > 1:
        note += f"; one seed each: {', '.join(f'{share:.1f}' for share in shares['distance'])} %"
    rows = [
        Row(NAME, "facades: distance, of the plain U-Net's", fmean(shares["distance"]), "%", 100.0, True, note=note),
        Row(NAME, "facades: L1, of the plain U-Net's", fmean(shares["l1"]), "%", 110.0, True),
    ]
    return rows + [
        Row(NAME, f"facades, {name}: {key}", fmean(m[key] for m in each))
        for name, each in found.items()
        for key in each[0]
    ]


def emoji(options: Options) -> list[Row]:
    """Noto to FxEmojis by `emoji-noto-fx`, which never saw a pair, against the true partners."""
    import torch
    from torch.nn import functional as F

    from playground.data.base import PairStore
    from playground.knobs import settings
    from training.zoo.measure import nearness
    from training.zoo.stores import emoji_in_two_styles

    model = _shipped("emoji-noto-fx")
    root = _unpacked("emoji-noto", options).parent
    _unpacked("emoji-fx", options)
    knobs = settings({"size": model.info.size})
    test = emoji_in_two_styles(knobs, root, held=True)
    batch = test.take(torch.arange(len(test)))
    taught = emoji_in_two_styles(knobs, root, paired=True)
    assert isinstance(taught, PairStore)
    paired = _trained("pix2pix", {"size": model.info.size, "validity": 0.0, "seed": 1}, taught, options)

    def blurred(width: int) -> Tensor:
        return F.avg_pool2d(F.pad(batch.images, [width // 2] * 4, mode="replicate"), width, 1)

    blurs = {width: nearness(blurred(width), batch.targets) for width in (3, 5, 7, 9, 13, 17)}
    best = min(blurs, key=lambda width: blurs[width]["l1"])
    found = {
        "left as it is": nearness(batch.images, batch.targets),
        "translated": nearness(_translate(model, batch.images), batch.targets),
        f"blurred over {best} px (the best)": blurs[best],
        "paired U-Net": nearness(_translate(paired, batch.images), batch.targets),
    }
    pairs = taught.take(torch.arange(len(taught)))
    for name, query, shelf in (
        ("the partner of the nearest one taught", batch.images, pairs.images),
        ("the nearest one taught, with hindsight", batch.targets, pairs.targets),
    ):
        found[name] = nearness(pairs.targets[_nearest(query, shelf)], batch.targets)
    share = 100 * found["translated"]["distance"] / found["left as it is"]["distance"]
    note = f"{len(test)} emoji kept from training; 75 % is a quarter below leaving them as they are"
    rows = [Row(NAME, "emoji: distance, of leaving them", share, "%", 75.0, True, note=note)]
    return rows + [Row(NAME, f"emoji, {name}: {key}", value) for name, m in found.items() for key, value in m.items()]


def segmentation(options: Options) -> list[Row]:
    """Mean intersection over union of `faces-segmentation` on faces of a seed that no recipe uses."""
    from training.zoo.measure import measure_translator, unseen_pairs
    from training.zoo.recipes import find_recipe

    model = _shipped("faces-segmentation")
    found = measure_translator(model, unseen_pairs(find_recipe("faces-segmentation"), model, ""))
    note = f"{found['pictures']:.0f} unseen faces; {100 * float(found['pixels right']):.1f} % of the pixels"
    return [Row(NAME, "segmentation: mean IoU", float(found["mean IoU"]), "", 0.9, note=note)]


def upscaling(options: Options) -> list[Row]:
    """`faces-upscale` and the same network without its adversarial term, against bicubic enlargement."""
    from playground.data.registry import open_data
    from training.zoo.measure import UNSEEN_SEED

    model = _shipped("faces-upscale")
    size, count = model.info.size, 64 if options.quick else 256
    knobs = {"size": size, "validity": 0.0, "feature_matching": 0.0, "reconstruction": 10.0, "seed": 1}
    knobs |= {"width": model.settings.width, "learning_rate_g": 1e-3, "rate_decay": "constant"}
    content = _trained("srgan", knobs, open_data("faces", size=size), options)
    sets = {"faces": open_data("faces", size=size, seed=UNSEEN_SEED, max_images=count)}
    try:
        cifar = _unpacked("cifar10", options) / "train"
        sets["cifar10"] = open_data(str(cifar), size=32, max_images=count)
    except _MissingError as missing:
        options.say(f"{NAME}: {missing}")
    rows: list[Row] = []
    for name, store in sets.items():
        plain, alone, full = _upscaled(store, None), _upscaled(store, content), _upscaled(store, model)
        of_faces = name == "faces"
        rows += [
            Row(NAME, f"×4 on {name}, content alone: PSNR over bicubic", alone["psnr"] - plain["psnr"], "dB",
                1.0 if of_faces else None, note=f"{len(store)} pictures, bicubic {plain['psnr']:.2f} dB"),
            Row(NAME, f"×4 on {name}, adversarial: PSNR over bicubic", full["psnr"] - plain["psnr"], "dB",
                0.0 if of_faces else None),
            Row(NAME, f"×4 on {name}, adversarial: distance, of content alone's",
                100 * full["distance"] / alone["distance"], "%", 100.0 if of_faces else None, True,
                note=f"bicubic {plain['distance']:.3f}, content alone {alone['distance']:.3f}"),
        ]  # fmt: skip
    return rows


# --- parts


def _unpacked(name: str, options: Options) -> Path:
    """The folder of an example archive, unpacked once."""
    base = options.archives
    if (base / name).is_dir():
        return base / name
    archive = base / f"{name}.zip"
    if not archive.is_file():
        raise _MissingError(f"{name}.zip is not there: name the folder that holds it with --data.")
    place = options.out / "pictures"
    if not (place / name).is_dir():
        place.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(place)
    return place / name


def _nearest(pictures: Tensor, shelf: Tensor) -> Tensor:
    """For each of [N, C, H, W] the number of the picture on `shelf` [M, C, H, W] nearest to it by features-v1: [N]."""
    import torch

    from playground.metrics.features import default_extractor

    extractor = default_extractor()
    with torch.no_grad():
        return torch.stack([extractor.distance(one.expand_as(shelf), shelf).argmin() for one in pictures])


def _shipped(name: str) -> Model:
    if name not in list_shipped("translator"):
        raise _MissingError(f"{name} is not shipped.")
    return load_model(name)


def _seconds(options: Options) -> float:
    return options.seconds or (5.0 if options.quick else SECONDS)


def _trained(preset: str, knobs: dict[str, Any], store: ImageStore, options: Options) -> Model:
    """A network that learned for the processor time of the options; its rate falls to 0 over the second half."""
    from playground.methods import method_settings
    from playground.model import model_of
    from playground.trainer import Trainer

    trainer = Trainer(preset, method_settings(preset, {"ema_decay": 0.99, **knobs}), store)
    budget, started = _seconds(options), time.process_time()
    base = trainer.settings.learning_rate_g, trainer.settings.learning_rate_d
    while (spent := time.process_time() - started) < budget:
        left = min(1.0, max(1e-3, 2 * (1 - spent / budget)))
        trainer.settings["learning_rate_g"], trainer.settings["learning_rate_d"] = base[0] * left, base[1] * left
        trainer.step()
    options.say(f"{NAME}: {preset} took {trainer.step_count:,} steps")
    return model_of(trainer)


def _translate(model: Model, x: Tensor) -> Tensor:
    import torch

    return torch.cat([model.translate(part) for part in x.split(BATCH)])


def _compared(model: Model, test: ImageStore) -> dict[str, float]:
    import torch

    from training.zoo.measure import nearness

    batch = test.take(torch.arange(len(test)))
    return nearness(_translate(model, batch.images), batch.targets)


def _upscaled(store: ImageStore, model: Model | None) -> dict[str, float]:
    """The numbers of pictures made four times smaller and enlarged again: bicubic without a model."""
    import torch
    from torch.nn import functional as F

    from playground.families.paired import shrink
    from training.zoo.measure import nearness

    truth = store.take(torch.arange(len(store))).images
    small = shrink(truth, 4)
    if model is None:
        large = F.interpolate(small, scale_factor=4, mode="bicubic", align_corners=False).clamp(-1, 1)
    else:
        large = _translate(model, small)
    return nearness(large, truth)
