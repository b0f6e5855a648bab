"""Translating by tiles: the same as in one piece wherever that can be known, and the way back."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from playground.data import faces, symbols
from playground.data.base import DataInfo, Side
from playground.data.images import open_picture
from playground.errors import DataError, UsageError
from playground.families import family_class, initialising
from playground.methods import METHODS, method_settings
from playground.model import Model
from playground.translate import (
    Cancelled,
    cycle,
    difference,
    error_map,
    example,
    identity_output,
    translate_tiled,
    windows,
)

FLAT, INK = Side("flat", 3, 32), Side("ink", 3, 32)
LINES = Side("line drawing", 1, 32)
MAP = Side("label map", 1, 32, faces.LABELS, faces.PALETTE)


def build(preset: str, sides: tuple[Side, ...] = (FLAT, INK), **knobs: object) -> Model:
    """An untrained translator, its weights always the same."""
    settings = method_settings(preset, {"size": 32, "width": 8, "blocks": 1, "batch_size": 2, **knobs})
    info = DataInfo("pairs", 3, 32, 100, sides=sides, paired=METHODS[preset].sides == "paired")
    with initialising():
        return Model(preset, settings, info, family_class(METHODS[preset].family).sampling_networks(settings, info), {})


class Pixelwise(nn.Module):
    """y = f(x) at each pixel, which is the same in any tile; enlarged in whole pixels."""

    def __init__(self, function: Callable[[Tensor], Tensor], scale: int = 1) -> None:
        super().__init__()
        self.function, self.scale = function, scale
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.function(x), scale_factor=self.scale, mode="nearest")


@pytest.fixture(scope="module")
def exact() -> Model:
    """A → B halves and turns the channels, B → A undoes it."""
    model = build("cyclegan")
    model.modules["G_AB"].network = Pixelwise(lambda x: x.flip(1) / 2 + 0.25)
    model.modules["G_BA"].network = Pixelwise(lambda x: (x - 0.25).flip(1) * 2)
    return model


def noise(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(height * width)) * 2 - 1


# --- windows


@pytest.mark.parametrize("multiple", [1, 4, 32])
@pytest.mark.parametrize(("tile", "overlap"), [(64, 0), (64, 32), (96, 16), (256, 32)])
@pytest.mark.parametrize("length", [1, 32, 64, 96, 128, 352, 1024, 2048])
def test_windows_cover_an_axis_and_their_weights_sum_to_one(length: int, tile: int, overlap: int, multiple: int):
    length = -(-length // multiple) * multiple
    found = windows(length, tile, overlap, multiple)
    side, total = len(found[0].weights), torch.zeros(length)
    for start, weights in found:
        assert start % multiple == 0 and len(weights) == side <= max(tile, 1) and bool((weights >= 0).all())
        total[start : start + side] += weights
    torch.testing.assert_close(total, torch.ones(length))
    for (a, fading), (b, rising) in itertools.pairwise(found):
        shared = a + side - b
        assert shared >= overlap
        edge = shared // 4  # where a tile feels its border
        assert fading[side - edge :].sum() == 0 == rising[:edge].sum()
    if len(found) > 1:
        assert side - multiple < (length + (len(found) - 1) * (overlap + multiple)) / len(found) + multiple


# --- the same as in one piece


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (3, 400), (8, 8), (31, 64), (64, 64), (65, 64), (150, 90), (129, 257)]
)
def test_what_is_known_at_every_pixel_comes_out_at_any_size(exact: Model, height: int, width: int):
    picture = noise(height, width)
    made = translate_tiled(exact, picture, tile=64, overlap=16)
    torch.testing.assert_close(made, picture.flip(1) / 2 + 0.25, atol=1e-6, rtol=0)
    there, back = cycle(exact, picture, tile=64, overlap=16)
    torch.testing.assert_close(there, made)
    torch.testing.assert_close(back, picture, atol=1e-6, rtol=0)
    assert float(difference(picture, back).max()) < 1e-6


@pytest.mark.parametrize("seed", [0, 7, None])
def test_one_tile_is_what_the_model_makes_of_it(seed: int | None):
    model = build("pix2pix")
    assert model.has_dropout
    picture = noise(48, 40)
    whole = model.translate(picture, seed=seed)
    torch.testing.assert_close(translate_tiled(model, picture, seed=seed, tile=64), whole)
    assert not torch.equal(whole, model.translate(picture, seed=1))


def test_tiles_of_a_convolution_meet_without_a_seam():
    """Where no weight reaches the border's influence, tiles agree to rounding; too little overlap shows."""
    model = build("cyclegan", norm_g="none", blocks=1)
    for parameter in model.modules["G_AB"].parameters():
        parameter.mul_(8)  # not faint, as without a norm it begins
    picture = noise(96, 520)
    whole = model.translate(picture, seed=None)
    torch.testing.assert_close(translate_tiled(model, picture, tile=320, overlap=160), whole, atol=1e-5, rtol=0)
    assert (translate_tiled(model, picture, tile=320, overlap=0) - whole).abs().max() > 1e-3


def test_one_mean_and_variance_keep_the_tone_of_the_whole():
    """Flat to the left, busy to the right: by itself, each tile would be spread over all tones."""
    model = build("cyclegan")
    picture = torch.cat([0.1 * noise(64, 128), noise(64, 128)], 3)
    before = model.translate(picture, seed=None)
    departs = [
        (translate_tiled(model, picture, seed=None, tile=64, overlap=16, shared=shared) - before).abs().mean()
        for shared in (True, False)
    ]
    assert departs[0] < 0.3 * departs[1]
    torch.testing.assert_close(model.translate(picture, seed=None), before)  # and the model is as it was
    with pytest.raises(Cancelled):
        translate_tiled(model, picture, tile=64, cancelled=iter([False, False, True]).__next__)
    torch.testing.assert_close(model.translate(picture, seed=None), before)


@pytest.mark.parametrize("scale", [2, 4])
def test_super_resolution_makes_every_tile_larger(scale: int):
    model = build("srgan", sides=(), upscale=scale)
    assert model.scale == scale
    model.modules["G"].network = Pixelwise(lambda x: -x, scale)
    picture = noise(70, 41)
    made = translate_tiled(model, picture, tile=32, overlap=8)
    torch.testing.assert_close(made, -F.interpolate(picture, scale_factor=scale, mode="nearest"))


def test_label_maps_go_in_by_colour_and_come_out_in_their_palette():
    colours = torch.tensor(MAP.palette, dtype=torch.float32) / 127.5 - 1
    labels = torch.randint(len(MAP.labels), (80, 72), generator=torch.Generator().manual_seed(0))
    painted = colours[labels].permute(2, 0, 1)[None]
    into = build("pix2pix", (MAP, FLAT))
    into.modules["G"].network = Pixelwise(lambda one_hot: one_hot[:, 1:4] * 2 - 1)
    made = translate_tiled(into, painted, tile=32, overlap=8)
    expected = torch.stack([(labels == n).float() * 2 - 1 for n in (1, 2, 3)])[None]
    torch.testing.assert_close(made, expected)
    numbered = (labels / 127.5 - 1)[None, None].float()
    torch.testing.assert_close(translate_tiled(into, numbered, tile=32, overlap=8), expected)

    out = build("unet-segmentation", (FLAT, MAP))
    found = translate_tiled(out, noise(80, 72), tile=32, overlap=8)
    pixels = found[0].flatten(1).T
    assert torch.cdist(pixels, colours).amin(1).max() < 1e-5 and len(pixels.unique(dim=0)) > 1


# --- progress, refusals


def test_progress_counts_tiles_and_cancelling_ends_them(exact: Model):
    told: list[tuple[int, int]] = []
    translate_tiled(exact, noise(100, 100), tile=64, progress=lambda done, total: told.append((done, total)))
    total = told[-1][1]
    assert total >= 4 and told == [(done, total) for done in range(total + 1)]
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    told.clear()
    with pytest.raises(Cancelled, match="cancelled"):
        translate_tiled(exact, noise(100, 100), tile=64, progress=lambda *at: told.append(at), cancelled=stop)
    assert told[-1][0] == 2  # asked once for each of two tiles, then it was enough


def test_what_can_not_be_translated_is_refused_in_a_sentence(exact: Model):
    one_way = build("pix2pix", (LINES, FLAT))
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: translate_tiled(exact, noise(8, 8), "AC"), "AB"),
        (lambda: translate_tiled(exact, noise(8, 8)[0]), "1, C, H, W"),
        (lambda: translate_tiled(exact, noise(8, 8).expand(2, -1, -1, -1)), "1, C, H, W"),
        (lambda: translate_tiled(exact, noise(8, 8, 5)), "1 or 3"),
        (lambda: translate_tiled(exact, torch.zeros(1, 3, 0, 8)), "1, C, H, W"),
        (lambda: translate_tiled(exact, noise(1, 1).expand(1, 3, 5000, 5000)), "million"),
        (lambda: translate_tiled(exact, noise(8, 8), tile=8), "tile"),
        (lambda: translate_tiled(exact, noise(8, 8), tile=64, overlap=40), "half"),
        (lambda: translate_tiled(exact, noise(8, 8), seed=-1), "seed"),
        (lambda: cycle(one_way, noise(8, 8)), "one way"),
        (lambda: identity_output(one_way, noise(8, 8)), "another kind"),
        (lambda: error_map(noise(8, 8), noise(8, 9)), "compared"),
        (lambda: error_map(noise(8, 8), noise(8, 8), 0.0), "above 0"),
    ]
    for call, word in cases:
        with pytest.raises(UsageError, match=word) as failure:
            call()
        assert str(failure.value).endswith(".") and "\n" not in str(failure.value)


# --- styles


@pytest.fixture(scope="module")
def styled() -> Model:
    model = build("munit", style_dim=3)
    for network in model.modules.values():  # not faint, as they begin
        for parameter in network.parameters():
            parameter.requires_grad_(False).mul_(2)
    return model


def test_every_tile_has_the_style_that_is_asked_for(styled: Model):
    picture, other = noise(40, 40), noise(64, 64)
    numbers = styled.style_of(other, "AB")
    assert len(numbers) == 3 and numbers != styled.style_of(other, "BA")
    made = translate_tiled(styled, picture, style=other)
    torch.testing.assert_close(made, styled.translate(picture, style=numbers))
    assert not torch.allclose(made, styled.translate(picture, seed=0), atol=1e-3)
    wide = noise(40, 200)
    by_numbers = translate_tiled(styled, wide, style=numbers, tile=64, overlap=16)
    torch.testing.assert_close(translate_tiled(styled, wide, style=other, tile=64, overlap=16), by_numbers)


def test_the_way_back_has_the_style_of_the_picture(styled: Model):
    picture = noise(40, 40)
    there, back = cycle(styled, picture, "BA", style=[1.0, -1.0, 2.0])
    torch.testing.assert_close(there, styled.translate(picture, "BA", style=[1.0, -1.0, 2.0]))
    own = styled.style_of(picture, "AB")
    torch.testing.assert_close(back, styled.translate(there, "AB", style=own))
    torch.testing.assert_close(identity_output(styled, picture, "AB"), styled.translate(picture, "AB", style=own))
    assert identity_output(styled, noise(1, 1), "AB").shape == (1, 3, 1, 1)


@pytest.mark.parametrize("style", [[0.0], [0.0, 0.0, 1e9], "abc", {"a": 1}, 3, torch.zeros(2, 3, 32, 32)])
def test_what_is_no_style_is_refused(styled: Model, exact: Model, style: object):
    with pytest.raises(UsageError, match="style"):
        styled.style_of(style)
    with pytest.raises(UsageError, match="no styles"):
        exact.style_of(style)


# --- there and back


def test_identity_takes_a_picture_for_one_of_the_other_side(exact: Model):
    picture = noise(20, 30)
    torch.testing.assert_close(identity_output(exact, picture, "AB"), picture.flip(1) / 2 + 0.25)
    assert not torch.equal(identity_output(exact, picture, "BA"), identity_output(exact, picture, "AB"))


def test_the_error_map_is_the_lighter_the_more_two_pictures_differ():
    dark, steps = torch.full((1, 3, 4, 9), -1.0), torch.linspace(-1, 1, 9).expand(1, 3, 4, 9)
    drawn = error_map(dark, steps, most=1.0)
    assert drawn.shape == (1, 3, 4, 9) and drawn.min() >= -1 and drawn.max() <= 1
    brightness = drawn.mean((0, 1, 2))
    assert bool((brightness.diff() > 0).all()) and brightness[0] < -0.8 and brightness[-1] > 0.8
    half = error_map(dark, steps)  # lightest from half the range on
    torch.testing.assert_close(half[..., 4:], drawn[..., 8:].expand(-1, -1, -1, 5))
    torch.testing.assert_close(error_map(dark, steps), error_map(steps, dark))
    grey = steps.mean(1, keepdim=True)
    torch.testing.assert_close(error_map(grey, dark), half)


@pytest.mark.parametrize("side", [FLAT, INK, LINES, MAP, replace(FLAT, size=24)], ids=lambda side: side.name)
def test_examples_suit_the_side_they_are_for(side: Side):
    model = build("cyclegan" if side.size == 24 else "pix2pix", (side, FLAT))
    first, second = (example(model, "AB", number) for number in (0, 1))
    assert first.shape == (1, side.channels, side.size, side.size) and first.min() >= -1 and first.max() <= 1
    assert torch.equal(first, example(model, "AB", 0)) and not torch.equal(first, second)
    if side.labels:
        assert len((first.add(1) * 127.5).round().unique()) > 3
    assert translate_tiled(model, first).shape == (1, 3, side.size, side.size)


def test_a_model_of_portraits_is_tried_with_portraits_and_another_with_things():
    model = build("pix2pix", (FLAT, FLAT))
    thing = example(model, "AB", 0)
    assert torch.equal(thing, symbols.picture(0, FLAT.size))
    model.info = replace(model.info, name="faces-edges")
    assert not torch.equal(example(model, "AB", 0)[..., :2, :2], thing[..., :2, :2]), "a backdrop instead of white"


# --- picture files as they come


def png(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_opened_in_its_own_proportions(channels: int):
    ramp = np.linspace(0, 255, 60 * 40).reshape(40, 60).astype(np.uint8)
    colour = np.stack([ramp, 255 - ramp, ramp // 2], 2)
    clear = Image.fromarray(np.dstack([colour, np.zeros_like(ramp)]))
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.fromarray(np.full((40, 60), level, np.uint8)) for level in (30, 200)]
    cases = {
        "grey": (png(ramp), (40, 60), ramp.mean()),
        "colour": (png(colour), (40, 60), None),
        "transparent over white": (png(clear), (40, 60), 255),
        "16 bits": (png(Image.fromarray(ramp.astype(np.uint16) * 257)), (40, 60), ramp.mean()),
        "CMYK": (png(Image.fromarray(colour).convert("CMYK"), "JPEG"), (40, 60), None),
        "turned": (png(Image.fromarray(ramp), "JPEG", exif=exif), (60, 40), ramp.mean()),
        "animated": (png(frames[0], "GIF", save_all=True, append_images=frames[1:]), (40, 60), 30),
        "one pixel": (png(ramp[:1, 59:60]), (1, 1), float(ramp[0, 59])),
        "a thread": (png(np.full((3, 8000), 90, np.uint8)), (1, 100), 90),
        "large": (png(np.full((300, 200), 70, np.uint8)), (100, 67), 70),
    }
    for name, (data, shape, mean) in cases.items():
        pixels, size = open_picture(data, channels, 100)
        assert pixels.shape == (*shape, channels) and pixels.dtype == np.uint8, name
        assert mean is None or abs(pixels.mean() - mean) < 2, name
        if max(size) <= 100:
            assert size == shape[::-1], name
    assert open_picture(cases["a thread"][0], channels, 100)[1] == (8000, 3)


@pytest.mark.parametrize("data", [b"", b"text", png(np.zeros((9, 9), np.uint8))[:30], bytes(21 << 20)])
def test_what_is_no_picture_is_refused_in_a_sentence(data: bytes):
    with pytest.raises(DataError, match=r"The picture can't be used .*20 MB"):
        open_picture(data, 3)
