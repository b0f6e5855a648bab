"""Cartoon portraits drawn by code: endless, seeded, with every cause of variation known, captioned and labelled.

A face is drawn back to front from thirty factors (see FACTORS) by one program, `portrait.draw_portrait`, run by the
painters of `drawing`: flat colours, pen and wash, label map or line drawing. Everything that varies is a factor, so a
picture is a function of its factors alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from playground.data import drawing
from playground.data.base import Batch, DrawnStore
from playground.data.drawing import (
    STYLES,
    EdgePainter,
    Factors,
    LabelPainter,
    Painter,
    check_factors,
    check_size,
    shrunk,
)
from playground.data.portrait import FACTORS, LABELS, PALETTE, VIEW, draw_portrait, holds, scaled

__all__ = (
    "ATTRIBUTES", "CLASSES", "DEFAULT_CORRELATIONS", "FACTORS", "LABELS", "PALETTE", "attributes", "captions",
    "class_labels", "draw", "edges", "label_map", "load", "render", "sample_factors",
)  # fmt: skip

# Rank correlations that hold unless others are asked for; all other pairs are independent.
DEFAULT_CORRELATIONS: dict[tuple[str, str], float] = {
    ("age", "hair_colour"): 0.45,  # towards grey
    ("age", "beard"): 0.25,
    ("age", "freckles"): -0.2,
    ("skin", "hair_colour"): -0.35,  # dark hair with dark skin
    ("skin", "eye_colour"): -0.4,  # brown eyes with dark skin
    ("skin", "freckles"): -0.3,
    ("smile", "blush"): 0.2,
    ("smile", "brows"): 0.2,
    ("beard", "earrings"): -0.25,
}

_BINARY = {  # attribute: the factor values that give it
    "bald": ("hair", "bald"),
    "long_hair": ("hair", "long"),
    "curly_hair": ("hair", "curly", "afro"),
    "tied_hair": ("hair", "bun", "pigtails"),
    "dark_hair": ("hair_colour", "black", "brown"),
    "red_hair": ("hair_colour", "auburn", "ginger"),
    "blond_hair": ("hair_colour", "blond"),
    "grey_hair": ("hair_colour", "grey"),
    "dyed_hair": ("hair_colour", "teal", "violet", "pink"),
    "hat": ("hat", "cap", "beanie", "brim"),
    "glasses": ("glasses", "round", "square", "sunglasses"),
    "sunglasses": ("glasses", "sunglasses"),
    "beard": ("beard", "stubble", "goatee", "full"),
    "moustache": ("beard", "moustache", "goatee", "full"),
    "earrings": ("earrings", "studs", "hoops", "drops"),
}
_THRESHOLDS = {  # attribute: (factor, above it)
    "smiling": ("smile", 0.2),
    "older": ("age", 60.0),
}
_SCALED = ("age", "smile", "mouth_open", "gaze_x", "gaze_y", "eye_open", "brows", "tilt", "turn", "face_width")
ATTRIBUTES = (*_BINARY, *_THRESHOLDS, *_SCALED)
CLASSES = (*FACTORS["hair"].values, "hat")  # what is on the head: the hair style, or a hat over it


def sample_factors(
    n: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    correlations: Mapping[tuple[str, str], float] | None = None,
    **fixed: Any,
) -> Factors:
    """Factors of n portraits: a column [n] per name in FACTORS, int64 (index of the value) or float32.

    Args:
        correlations: {(factor, factor): Spearman's rank correlation in [-1, 1]}, over DEFAULT_CORRELATIONS.
        fixed: factors set to a name or number (or n of them), whatever they correlate with.

    Raises:
        UsageError: unknown factors or values, or correlations that contradict each other.
    """
    return drawing.sample_factors(FACTORS, n, generator, device, correlations, DEFAULT_CORRELATIONS, fixed)


def render(factors: Factors, size: int, style: str = "flat", device: torch.device | str | None = None) -> Tensor:
    """Portraits [N, 3, S, S] float32 in [-1, 1], in the style "flat" (soft-shaded colours) or "ink" (pen and wash).

    Raises:
        UsageError: a bad size, style or factor.
    """
    painter = STYLES[drawing.check_style(style)]
    grid = max(check_size("faces", size), 32)
    parts = []
    for part in _parts(factors, grid, device):
        picture = _paint(painter, part, grid, 1 / size)
        parts.append(shrunk(picture, size))
    return torch.cat(parts).mul_(2).sub_(1) if parts else torch.zeros(0, 3, size, size)


def label_map(factors: Factors, size: int) -> Tensor:
    """What is at each pixel: int64 [N, S, S], an index into LABELS (and PALETTE).

    Raises:
        UsageError: a bad size or factor.
    """
    check_size("faces", size)
    parts = [_paint(LabelPainter, part, size, 1 / size) for part in _parts(factors, size)]
    return torch.cat(parts) if parts else torch.zeros(0, size, size, dtype=torch.int64)


def edges(factors: Factors, size: int) -> Tensor:
    """A line drawing [N, 1, S, S] float32 in [-1, 1]: dark lines on white, along the borders of what label_map names.

    Raises:
        UsageError: a bad size or factor.
    """
    grid = max(check_size("faces", size), 32)
    parts = []
    for part in _parts(factors, grid):
        picture = _paint(EdgePainter, part, grid, 1 / size)
        parts.append(shrunk(picture, size))
    return torch.cat(parts).mul_(2).sub_(1) if parts else torch.zeros(0, 1, size, size)


def class_labels(factors: Factors) -> Tensor:
    """What is on each head, as an index into CLASSES: int64 [N]."""
    check_factors(FACTORS, factors)
    return torch.where(factors["hat"] > 0, len(CLASSES) - 1, factors["hair"])


def attributes(factors: Factors) -> Tensor:
    """float32 [N, len(ATTRIBUTES)] in [0, 1]: 0 or 1 for what is there or not, then factors scaled to their range."""
    check_factors(FACTORS, factors)
    columns = [holds(factors[name], name, *values) for name, *values in _BINARY.values()]
    columns += [factors[name] > threshold for name, threshold in _THRESHOLDS.values()]
    columns += [scaled(factors, name) for name in _SCALED]
    return torch.stack([column.to(torch.float32) for column in columns], dim=1)


def captions(factors: Factors) -> list[str]:
    """A sentence on each picture, worded in one of several ways; the same factors give the same words."""
    n = check_factors(FACTORS, factors)
    columns = {name: factors[name].tolist() for name in FACTORS}
    faces = []
    for i in range(n):
        row = {name: columns[name][i] for name in FACTORS}
        named = {name: factor.values[row[name]] for name, factor in FACTORS.items() if factor.categorical}
        faces.append(_caption(SimpleNamespace(**(row | named))))
    return faces


_HAIR_WORDS = {
    "bald": ("a bald head",), "short": ("short {} hair", "short {} hair"), "curly": ("curly {} hair", "{} curls"),
    "bob": ("a {} bob", "{} hair in a bob"), "long": ("long {} hair", "long {} hair"),
    "bun": ("{} hair in a bun", "a {} bun"), "pigtails": ("{} pigtails", "{} hair in pigtails"),
    "afro": ("a {} afro", "a big {} afro"), "mohawk": ("a {} mohawk", "a spiky {} mohawk"),
}  # fmt: skip
_HAT_WORDS = {
    "cap": ("a cap", "a baseball cap"), "beanie": ("a woolly hat", "a beanie"), "brim": ("a straw hat", "a sun hat"),
}  # fmt: skip
_BEARD_WORDS = {
    "stubble": ("stubble", "a stubbly chin"), "moustache": ("a moustache",), "goatee": ("a goatee",),
    "full": ("a full beard", "a bushy beard"),
}  # fmt: skip
_GLASSES_WORDS = {
    "round": ("round glasses",), "square": ("square glasses",), "sunglasses": ("sunglasses", "dark sunglasses"),
}  # fmt: skip
_EARRING_WORDS = {
    "studs": ("stud earrings",), "hoops": ("hoop earrings", "gold hoop earrings"), "drops": ("drop earrings",),
}  # fmt: skip
_CLOTHES_WORDS = {
    "tee": ("a {} T-shirt", "a {} top"), "stripes": ("a striped {} top", "a {} striped jumper"),
    "shirt": ("a {} shirt",), "hoodie": ("a {} hoodie",), "turtleneck": ("a {} turtleneck",),
    "overalls": ("{} overalls", "{} dungarees"),
}  # fmt: skip
_BACKDROP_WORDS = {
    "plain": ("on a {} background", "against a plain {} wall"),
    "disc": ("on a {} background", "in front of a {} circle"), "gradient": ("on a soft {} background",),
    "stripes": ("in front of {} stripes",), "dots": ("in front of {} dots",),
    "rays": ("in front of {} rays",), "sunset": ("at sunset", "in front of a sunset"),
}  # fmt: skip


def _caption(f: SimpleNamespace) -> str:
    # A number that varies with every factor chooses among wordings.
    seed = sum(round(1000 * abs(v)) * k for v, k in ((f.age, 1), (f.turn, 7919), (f.parting, 104729), (f.gaze_x, 31)))

    def word(options: tuple[str, ...], colour_name: str = "") -> str:
        nonlocal seed
        seed, choice = seed // 7 + 13, options[seed % len(options)]
        return re.sub(r"\ba (?=[aeiou])", "an ", choice.format(colour_name))

    ages = ("young",), ("", "grown-up"), ("middle-aged",), ("older", "elderly")
    subject = f"{word(ages[sum(f.age >= limit for limit in (28, 45, 60))])} person".strip()
    mood = sum(f.smile > limit for limit in (-0.25, 0.2, 0.6))
    doing = ("frowning", "calm", "smiling", "smiling")[mood]
    moods = ("a frown", "a sad look"), ("a calm look", "a neutral look"), ("a smile", "a gentle smile")
    look = word((*moods, ("a big smile", "a broad smile"))[mood])
    hair_name = f.hair_colour if f.age < 66 or f.hair_colour == "grey" else f"greying {f.hair_colour}"
    parts = []
    if f.hat == "none":
        parts.append(word(_HAIR_WORDS[f.hair], hair_name))
    elif f.hair not in ("bald", "mohawk"):
        parts.append(f"{hair_name} hair" if f.hair in ("short", "bun") else word(_HAIR_WORDS[f.hair][:1], hair_name))
    if f.glasses != "none":
        parts.append(word(_GLASSES_WORDS[f.glasses]))
    if f.beard != "none":
        parts.append(word(_BEARD_WORDS[f.beard]))
    if f.earrings != "none":
        parts.append(word(_EARRING_WORDS[f.earrings]))
    worn = [word(_CLOTHES_WORDS[f.clothing], f.clothing_colour)]
    if f.hat != "none":
        worn.insert(0, word(_HAT_WORDS[f.hat]))
    place = word(_BACKDROP_WORDS[f.background], f.background_colour)
    form = word(("with", "doing", "portrait", "short"))
    if form == "doing":
        details = f" with {_listed(parts)}" if parts else ""
        return f"{_an(f'{doing} {subject}')}{details}, wearing {_listed(worn)}, {place}"
    details = _listed([*parts, look])
    if form == "portrait":
        return f"a portrait of {_an(subject)} with {details}, in {_listed(worn)}"
    if form == "short":
        clothes = f" in {worn[0]}" if f.hat != "none" else ""
        return f"{_an(subject)}{clothes} with {details}, {place}"
    return f"{_an(subject)} with {details}, wearing {_listed(worn)}, {place}"


def _an(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def draw(
    n: int,
    generator: torch.Generator,
    device: torch.device | str,
    size: int = 64,
    style: str = "flat",
    correlations: Mapping[tuple[str, str], float] | None = None,
) -> Batch:
    """n portraits with their class labels and attributes, from the generator alone."""
    factors = sample_factors(n, generator, device, correlations)
    return Batch(render(factors, size, style), class_labels(factors), attributes(factors))


def load(
    size: int = 64,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    count: int = 16384,
    style: str = "flat",
    correlations: Mapping[tuple[str, str], float] | None = None,
) -> DrawnStore:
    """The data set of `count` portraits of `size` pixels (16 to 256, a power of two), drawn as they are needed.

    Raises:
        UsageError: a bad size, style, count or correlation.
    """
    drawing.check_style(style)
    sample_factors(0, None, "cpu", correlations)
    drawn = partial(draw, size=size, style=style, correlations=correlations)
    return drawing.drawn_store("faces", drawn, size, count, CLASSES, ATTRIBUTES, seed, device)


def _parts(factors: Factors, grid: int, device: torch.device | str | None = None) -> list[Factors]:
    """The batch in parts that suit the device: on a CPU, layers that stay in its cache."""
    n = check_factors(FACTORS, factors)
    factors = {name: factors[name].to(device) if device is not None else factors[name] for name in FACTORS}
    on_cpu = factors["hair"].device.type == "cpu"
    step = max(1, 2**18 // grid**2) if on_cpu else max(n, 1)
    return [{name: column[i : i + step] for name, column in factors.items()} for i in range(0, n, step)]


def _paint(kind: type[Painter], factors: Factors, grid: int, fine: float) -> Tensor:
    painter = kind(len(factors["hair"]), grid, factors["hair"].device, fine, VIEW)
    draw_portrait(painter, factors)
    return painter.result()
