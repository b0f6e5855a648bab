"""Folders, zips and files of pictures: every mode and layout is understood, every bad one is told in one sentence."""

from __future__ import annotations

import io
import os
import random
import stat
import struct
import tempfile
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from playground.data import images
from playground.data.images import inspect_images, load_images
from playground.errors import DataError, PlaygroundError, UsageError

DIGITS = Path(__file__).parents[2] / "../shared/data/mnist10k.zip"


def picture(colour=(200, 30, 60), size=(20, 20)) -> Image.Image:
    return Image.new("RGB", size, colour)


def photo(size=(40, 30), seed=0) -> Image.Image:
    """A smooth coloured picture, different in every corner."""
    rough = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def folder(root: Path, files: dict[str, Image.Image | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else encoded(content))
    return root


def packed(path: Path, files: dict[str, Image.Image | bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, bytes) else encoded(content))
    return path


def header_only_png(width: int, height: int) -> bytes:
    """A PNG that promises pixels it does not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def assert_sentence(text: str, *parts: str) -> None:
    assert text.endswith(".") and "\n" not in text and ". " not in text, text
    assert len(text) < 400, text
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


def two(**more: Image.Image | bytes) -> dict[str, Image.Image | bytes]:
    return {"good1.png": picture(), "good2.png": picture((0, 200, 0)), **more}


# --------------------------------------------------------------------------------------------------- modes and formats

RED = (200, 30, 60)
RED_GREY = round(0.299 * 200 + 0.587 * 30 + 0.114 * 60)
S = (20, 20)


def _transparent_palette() -> bytes:
    image = Image.new("P", S, 0)
    image.putpalette([9, 9, 9, *RED])
    image.paste(1, (0, 0, 10, 20))
    return encoded(image, transparency=0)


def _animation() -> bytes:
    return encoded(picture(RED), "GIF", save_all=True, append_images=[picture((0, 0, 255))], duration=50)


MODES = {  # file name -> (bytes, expected colour on the left, expected colour on the right)
    "rgb.png": (lambda: encoded(picture()), RED, RED),
    "rgb.BMP": (lambda: encoded(picture(), "BMP"), RED, RED),
    "rgb.ppm": (lambda: encoded(picture(), "PPM"), RED, RED),
    "rgb.TiFf": (lambda: encoded(picture(), "TIFF"), RED, RED),
    "lzw.tif": (lambda: encoded(picture(), "TIFF", compression="tiff_lzw"), RED, RED),
    "rgb.webp": (lambda: encoded(picture(), "WEBP", lossless=True), RED, RED),
    "rgb.JPG": (lambda: encoded(picture(), "JPEG", quality=95), RED, RED),
    "cmyk.jpeg": (lambda: encoded(picture().convert("CMYK"), "JPEG", quality=95), RED, RED),
    "palette.png": (lambda: encoded(picture().quantize(4)), RED, RED),
    "palette.gif": (lambda: encoded(picture(), "GIF"), RED, RED),
    "animated.gif": (_animation, RED, RED),
    "grey.png": (lambda: encoded(Image.new("L", S, 77)), (77,) * 3, (77,) * 3),
    "grey.pgm": (lambda: encoded(Image.new("L", S, 77), "PPM"), (77,) * 3, (77,) * 3),
    "bits.png": (lambda: encoded(Image.new("1", S, 1)), (255,) * 3, (255,) * 3),
    "bits.tif": (lambda: encoded(Image.new("1", S, 0), "TIFF", compression="group4"), (0,) * 3, (0,) * 3),
    "deep.png": (lambda: encoded(Image.new("I;16", S, 30_000)), (117,) * 3, (117,) * 3),
    "deep.tif": (lambda: encoded(Image.new("I;16", S, 65_535), "TIFF"), (255,) * 3, (255,) * 3),
    "dark.png": (lambda: encoded(Image.new("I;16", S, 200)), (1,) * 3, (1,) * 3),
    "deep.pgm": (lambda: b"P5 20 20 65535\n" + struct.pack(">H", 30_000) * 400, (117,) * 3, (117,) * 3),
    "float.tif": (lambda: encoded(Image.new("F", S, 0.5), "TIFF"), (128,) * 3, (128,) * 3),
    "integer.tif": (lambda: encoded(Image.new("I", S, 130), "TIFF"), (130,) * 3, (130,) * 3),
    "clear.png": (lambda: encoded(Image.new("RGBA", S, (*RED, 0))), (255,) * 3, (255,) * 3),
    "half.png": (lambda: encoded(Image.new("RGBA", S, (*RED, 128))), (227, 142, 157), (227, 142, 157)),
    "half.webp": (lambda: encoded(Image.new("RGBA", S, (0, 0, 0, 51)), "WEBP", lossless=True), (204,) * 3, (204,) * 3),
    "greyalpha.png": (lambda: encoded(Image.new("LA", S, (0, 102))), (153,) * 3, (153,) * 3),
    "hole.png": (_transparent_palette, RED, (255,) * 3),
    "colourkey.png": (lambda: encoded(picture((1, 2, 3)), transparency=(1, 2, 3)), (255,) * 3, (255,) * 3),
}


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("grey", [False, True])
def test_every_mode_shows_its_colour(tmp_path, name, grey):
    content, left, right = MODES[name]
    folder(tmp_path, {name: content(), "zz.png": picture()})
    store = load_images(tmp_path, size=20, grey=grey)
    assert store.info.count == 2 and store.info.notes == ()
    pixels = store.pixels[0].numpy()  # names of this table sort before zz
    for colour, x in ((left, 3), (right, 16)):
        wanted = np.array([0.299, 0.587, 0.114]) @ np.array(colour) if grey else np.array(colour)
        assert np.abs(pixels[10, x].astype(float) - wanted).max() <= 2.5, name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form, name", [("JPEG", "a.jpg"), ("PNG", "a.png"), ("WEBP", "a.webp"), ("TIFF", "a.tif")])
@pytest.mark.parametrize("fit", images.FITS)
def test_pictures_are_turned_upright(tmp_path, orientation, form, name, fit):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    content = encoded(photo((48, 32)), form, exif=exif, **options)
    with Image.open(io.BytesIO(content)) as opened:
        upright = encoded(ImageOps.exif_transpose(opened).convert("RGB"))
    store = load_images(folder(tmp_path, {name: content, "z.png": upright}), size=16, fit=fit, grey=False)
    turned, plain = store.pixels.numpy().astype(int)
    assert np.abs(turned - plain).max() <= 2


def test_inspection_gives_sizes_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {f"{i}.jpg": encoded(photo((48, 32)), "JPEG", exif=exif) for i in range(3)}
    assert inspect_images(folder(tmp_path, files)).sizes.commonest == (32, 48)


def test_fits(tmp_path):
    wide = Image.new("RGB", (60, 20), (0, 0, 255))
    wide.paste((255, 0, 0), (0, 0, 20, 20))
    wide.paste((0, 255, 0), (40, 0, 60, 20))
    place = folder(tmp_path, {"a.png": wide, "b.png": wide})
    crop, pad, stretch = (load_images(place, size=24, fit=fit).pixels[0].numpy().astype(int) for fit in images.FITS)
    assert np.abs(crop - [0, 0, 255]).max() <= 90 and np.abs(crop[:, 2:-2] - [0, 0, 255]).max() <= 8
    assert np.abs(stretch[12, 2] - [255, 0, 0]).max() <= 8 and np.abs(stretch[12, 21] - [0, 255, 0]).max() <= 8
    assert np.abs(pad[12, 2] - [255, 0, 0]).max() <= 8  # the picture keeps its shape: 24 × 8 in the middle
    assert (pad[2] == pad[2, 0]).all() and (pad[21] == pad[2, 0]).all()
    assert np.abs(pad[8:16].mean(axis=0) - stretch.mean(axis=0)).max() <= 8


def test_padding_takes_the_colour_of_the_border(tmp_path):
    framed = Image.new("RGB", (40, 20), (10, 120, 40))
    framed.paste((250, 250, 0), (8, 6, 32, 14))
    pixels = load_images(folder(tmp_path, {"a.png": framed, "b.png": framed}), size=32, fit="pad").pixels[0]
    assert pixels[0, 0].tolist() == pixels[-1, -1].tolist() == [10, 120, 40]


def test_reducing_is_antialiased_and_enlarging_smooth(tmp_path):
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    board = Image.fromarray(checks.astype(np.uint8))
    step = Image.fromarray(np.repeat([[0] * 4 + [255] * 4], 8, axis=0).astype(np.uint8))
    store = load_images(folder(tmp_path, {"board.png": board, "step.png": step}), size=32)
    assert np.abs(store.pixels[0].numpy().astype(int) - 127.5).max() <= 2  # any skipped pixel would be black or white
    edge = store.pixels[1, 16, :, 0].int()
    assert len(edge.unique()) > 4 and edge[0] == 0 and edge[-1] == 255


def test_a_big_photo_decoded_at_a_fraction_looks_the_same(tmp_path):
    big = photo((1600, 1200))
    store = load_images(folder(tmp_path, {"a.jpg": encoded(big, "JPEG", quality=95), "b.png": encoded(big)}), size=32)
    assert (store.pixels[0].int() - store.pixels[1].int()).abs().max() <= 6


# ------------------------------------------------------------------------------------------------- grey, size, options


def test_grey_is_decided_from_the_pictures(tmp_path):
    shade = Image.fromarray(np.tile(np.arange(0, 240, 10, dtype=np.uint8), (24, 1)))
    saved_as_colour = encoded(shade.convert("RGB"), "JPEG", quality=60)
    grey = folder(tmp_path / "grey", {"a.png": shade, "b.jpg": saved_as_colour, "c.png": shade.convert("RGB")})
    assert load_images(grey).info.channels == inspect_images(grey).channels == 1
    assert load_images(grey, grey=False).info.channels == 3
    mixed = folder(tmp_path / "mixed", {"a.png": shade, "b.png": shade, "c.png": photo()})
    assert load_images(mixed).info.channels == inspect_images(mixed).channels == 3
    assert load_images(mixed, grey=True).info.channels == 1


@pytest.mark.parametrize(
    "side, chosen", [(9, 16), (16, 16), (28, 32), (32, 32), (40, 32), (50, 64), (100, 64), (400, 64)]
)
def test_the_size_follows_the_shorter_side(tmp_path, side, chosen):
    place = folder(tmp_path, {f"{i}.png": Image.new("L", (side, side + 7 * i), 9) for i in range(3)})
    assert load_images(place).info.size == inspect_images(place).size == chosen
    assert load_images(place, size=24).info.size == 24


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": -32},
        {"size": 3.5},
        {"size": True},
        {"size": 100_000},
        {"fit": "squash"},
        {"max_images": 1},
    ],
)
def test_options_out_of_range(tmp_path, options):
    place = folder(tmp_path, two())
    for function in (load_images, inspect_images):
        with pytest.raises(UsageError, match=next(iter(options))):
            function(place, **options)


def test_max_images_keeps_the_classes_in_proportion(tmp_path):
    files = {f"a/{i:02}.png": picture() for i in range(30)} | {f"b/{i:02}.png": picture() for i in range(10)}
    store = load_images(folder(tmp_path, files), size=8, max_images=20)
    assert store.info.count == 20 and torch.bincount(store.labels).tolist() == [15, 5]
    assert_sentence(store.info.notes[0], "20", "40")
    assert inspect_images(tmp_path, max_images=20).class_counts == (15, 5)


def test_flip_adds_the_mirror_images(tmp_path):
    files = {"a/1.png": photo(seed=1), "b/2.png": photo(seed=2), "b/broken.png": b"x", "b/3.png": photo(seed=3)}
    plain, both = (load_images(folder(tmp_path, files), size=16, flip=flip) for flip in (False, True))
    assert both.info.count == 6 and both.labels.tolist() == [0, 1, 1] * 2
    assert torch.equal(both.pixels[:3], plain.pixels) and torch.equal(both.pixels[3:], plain.pixels.flip(2))


def test_too_much_for_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_STORE_BYTES", 5_000_000)
    with pytest.raises(DataError) as caught:
        load_images(folder(tmp_path, two()), size=1024)
    assert_sentence(str(caught.value), tmp_path.name, "1024 × 1024", "smaller size")


# ------------------------------------------------------------------------------------------------------------- layouts

LAYOUTS = {  # files -> layout, classes, labels, pictures
    "flat": (["b.png", "a.png"], "flat", (), None, 2),
    "classes": (["dog/1.png", "cat/1.png", "cat/2.png"], "class folders", ("cat", "dog"), [0, 0, 1], 3),
    "wrapped": (["set/7/1.png", "set/10/1.png"], "class folders", ("10", "7"), [0, 1], 2),
    "wrapped twice": (["x/y/b/1.png", "x/y/a/1.png"], "class folders", ("a", "b"), [0, 1], 2),
    "wrapped flat": (["set/1.png", "set/2.png"], "flat", (), None, 2),
    "deep classes": (["a/x/1.png", "a/y/1.png", "b/1.png"], "class folders", ("a", "b"), [0, 0, 1], 3),
    "one class": (["only/cat/1.png", "only/cat/2.png"], "flat", (), None, 2),
    "splits": (["d/train/a/1.png", "d/train/b/1.png", "d/test/a/1.png"], "class folders", ("a", "b"), [0, 1], 2),
    "flat splits": (["train/1.png", "train/2.png", "val/1.png"], "flat", (), None, 2),
    "loose and one folder": (["1.png", "more/2.png"], "flat", (), None, 2),
    "one loose among many": (
        ["cover.png", *(f"{c}/{i}.png" for c in "ab" for i in range(10))],
        "class folders", ("a", "b"), [0] * 10 + [1] * 10, 20,
    ),
    "as many loose": (["1.png", "2.png", "a/3.png", "b/4.png"], "flat", (), None, 4),
    "junk": (
        ["__MACOSX/a/._1.png", "a/1.png", "a/Thumbs.db", "a/._1.png", ".hidden/1.png", "b/1.png", "b/.DS_Store"],
        "class folders", ("a", "b"), [0, 1], 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts(tmp_path, kind, case):
    names, layout, classes, labels, count = LAYOUTS[case]
    files = {name: picture((i, 0, 99)) for i, name in enumerate(names)}
    place = folder(tmp_path / "mine", files) if kind == "folder" else packed(tmp_path / "mine.zip", files)
    store, understood = load_images(place, size=8), inspect_images(place, size=8)
    assert (understood.layout, understood.classes, understood.count) == (layout, classes, count)
    assert (store.info.name, store.info.classes, store.info.count) == ("mine", classes, count)
    assert (None if store.labels is None else store.labels.tolist()) == labels
    assert understood.class_counts == (tuple(np.bincount(labels).tolist()) if labels else ())
    assert understood.skipped_total == 0 and understood.notes == store.info.notes
    # The first colour channel of a picture tells which file it is: labels belong to the right pictures, in order.
    origin = [names[int(k)] for k in store.pixels[:, 4, 4, 0]]
    assert origin == sorted(origin)
    if labels:
        assert all(f"{classes[k]}/" in f"/{name}" for k, name in zip(labels, origin, strict=True))
    for note in store.info.notes:
        assert_sentence(note)


def test_zip_made_on_windows(tmp_path):
    path = packed(tmp_path / "w.zip", {"set/a/1.png": picture(), "set/b/1.png": picture()})
    data = path.read_bytes().replace(b"set/a/1", b"set\\a\\1").replace(b"set/b/1", b"set\\b\\1")
    path.write_bytes(data)
    assert load_images(path, size=8).info.classes == ("a", "b")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_and_folder_give_the_same(tmp_path, method):
    files = {f"{c}/{i}.png": photo(seed=i) for c in "ab" for i in range(40)}
    one = load_images(folder(tmp_path / "x", files), size=16)
    other = load_images(packed(tmp_path / "x.zip", files, method), size=16)
    assert torch.equal(one.pixels, other.pixels) and torch.equal(one.labels, other.labels) and one.info == other.info


def test_a_list_of_files(tmp_path):
    folder(tmp_path, {"b.png": picture(), "a.JPG": encoded(picture(), "JPEG"), "notes.txt": b"hello"})
    store = load_images([tmp_path / "b.png", str(tmp_path / "a.JPG"), tmp_path / "notes.txt"], size=8)
    assert store.info.count == 2 and store.labels is None and store.info.name == "pictures"
    assert_sentence(store.info.notes[0], "notes.txt")
    understood = inspect_images([tmp_path / "b.png", tmp_path / "a.JPG"], name="two")
    assert (understood.layout, understood.name) == ("files", "two")
    packed(tmp_path / "c.zip", two())
    assert load_images([tmp_path / "c.zip"]).info.name == "c"  # a list of one is that one
    for wrong in ([tmp_path / "b.png", tmp_path / "c.zip"], [tmp_path / "b.png", tmp_path], [], [""]):
        with pytest.raises(UsageError) as caught:
            load_images(wrong)
        assert_sentence(str(caught.value))


def test_links_out_of_the_folder_are_ignored(tmp_path):
    outside = folder(tmp_path / "outside", {"secret.png": picture(), "deep/secret.png": picture()})
    inside = folder(tmp_path / "inside", two(**{"sub/c.png": picture()}))
    (inside / "link.png").symlink_to(outside / "secret.png")
    (inside / "folder").symlink_to(outside / "deep")
    (inside / "circle").symlink_to(inside)
    (inside / "dangling.png").symlink_to(inside / "gone.png")
    (inside / "again.png").symlink_to(inside / "good1.png")
    os.mkfifo(inside / "pipe.png")
    assert load_images(inside).info.count == 4


def test_linked_members_of_a_zip_are_ignored(tmp_path):
    path = packed(tmp_path / "l.zip", two())
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert load_images(path).info.count == 2


# ------------------------------------------------------------------------------------------------------- understanding


def test_understanding_in_words_and_numbers(tmp_path):
    files = {f"{k}/{i}.png": Image.new("L", (28, 28), 9) for k in range(3) for i in range(4 + 4 * (k == 1))}
    understood = inspect_images(folder(tmp_path, files))
    first, *rest = understood.sentences()
    assert first == "16 pictures in 3 classes (0 to 2), 28 × 28, greyscale."
    assert rest == [
        "They will be brought to 32 × 32.",
        "The smallest class is 0 with 4 pictures, the largest 1 with 8.",
    ]
    assert understood.thumbnails.shape == (16, 96, 96, 3) and understood.thumbnails.dtype == np.uint8
    with pytest.raises(AttributeError):
        understood.count = 3


def test_sizes_that_differ_are_summed_up(tmp_path):
    sides = [(30, 20), (30, 20), (30, 20), (64, 48), (128, 96)]
    understood = inspect_images(folder(tmp_path, {f"{i}.png": photo(side) for i, side in enumerate(sides)}))
    sizes = understood.sizes
    assert (sizes.smallest, sizes.median, sizes.largest, sizes.commonest) == ((30, 20), (30, 20), (128, 96), (30, 20))
    assert sizes.commonest_share == 0.6 and sizes.sampled == 5
    said = understood.sentences()
    assert said[0] == "5 pictures, 30 × 20 to 128 × 96, colour."
    for sentence in said:
        assert_sentence(sentence)


def test_thumbnails_are_spread_over_the_classes(tmp_path):
    files = {f"a/{i:03}.png": picture((255, 0, 0)) for i in range(100)}
    files |= {f"b/{i:03}.png": picture((0, 0, 255)) for i in range(15)}
    thumbnails = inspect_images(folder(tmp_path, files)).thumbnails
    assert thumbnails.shape == (25, 96, 96, 3)
    red = (thumbnails[:, 48, 48, 0] > 128).sum()
    assert 12 <= red <= 13


def test_inspection_of_many_reads_a_sample_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "SAMPLE", 10)
    opened = []
    monkeypatch.setattr(images, "_header", lambda source, i, real=images._header: opened.append(i) or real(source, i))
    understood = inspect_images(folder(tmp_path, {f"{i}.png": picture() for i in range(40)}))
    assert len(opened) == 10 and understood.sizes.sampled == 10 and understood.count == 40
    assert any("10 of them" in sentence for sentence in understood.sentences())


def test_inspection_and_loading_agree_on_what_is_skipped(tmp_path):
    place = folder(tmp_path, two(**{"x.png": b"no picture", "y.png": b"", "z.zip": b"PK", "LICENSE.md": b"text"}))
    understood, store = inspect_images(place), load_images(place)
    assert understood.skipped_total == 4 and understood.count == store.info.count == 2
    assert dict(understood.skipped) == {
        "x.png": "not a picture", "y.png": "an empty file", "z.zip": "a zip inside is not opened",
        "LICENSE.md": "not a picture file",
    }  # fmt: skip
    assert understood.notes == store.info.notes and len(store.info.notes) == 2


# ---------------------------------------------------------------------------------------- one bad file among good ones

_WHOLE = encoded(photo((200, 200)))
BAD_FILES = {  # content, reason
    "text.png": (b"just some words", "not a picture"),
    "empty.png": (b"", "empty"),
    "cut.png": (_WHOLE[: len(_WHOLE) // 2], "cut short or damaged"),
    "cut.jpg": (encoded(photo((200, 200)), "JPEG")[:2000], "cut short or damaged"),
    "vast.png": (header_only_png(50_000, 50_000), "million"),
    "large.png": (header_only_png(9_000, 9_000), "9,000 × 9,000 pixels, above the limit of 64 million"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
    "lab.tif": (encoded(Image.new("LAB", S), "TIFF"), "colour mode LAB"),
}


@pytest.mark.parametrize("kind", ["folder", "zip", "files"])
@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_bad_file_is_skipped_and_named(tmp_path, kind, bad):
    content, reason = BAD_FILES[bad]

    def place(files):
        if kind == "zip":
            return packed(tmp_path / "mine.zip", files)
        root = folder(tmp_path / f"mine{len(files)}", files)
        return root if kind == "folder" else [root / name for name in files]

    store = load_images(place(two(**{bad: content})), size=16)
    assert store.info.count == 2
    assert_sentence(store.info.notes[0], f"'{bad}'", reason, "left out")
    assert store.pixels[0, 8, 8].tolist() == list(RED)

    with pytest.raises(DataError) as caught:
        load_images(place({bad: content}), size=16, grey=False)
    assert_sentence(str(caught.value), f"'{bad}'", reason)
    with pytest.raises(DataError) as caught:
        load_images(place({bad: content, "good.png": picture()}), size=16)
    assert_sentence(str(caught.value), f"'{bad}'", reason, "at least 2")


def test_many_bad_files_are_counted_and_some_named(tmp_path):
    files = two(**{f"bad{i:02}.png": b"x" for i in range(30)})
    store = load_images(folder(tmp_path, files))
    assert_sentence(store.info.notes[0], "30 pictures", "'bad00.png'", "27 more")
    understood = inspect_images(tmp_path)
    assert understood.skipped_total == 30 and len(understood.skipped) == 20


def test_a_class_whose_pictures_are_all_bad_is_no_class(tmp_path):
    files = {"a/1.png": picture(), "b/1.png": b"x", "c/1.png": picture(), "c/2.png": picture()}
    store = load_images(folder(tmp_path, files), size=8)
    assert store.info.classes == ("a", "c") and store.labels.tolist() == [0, 1, 1]
    assert inspect_images(tmp_path).classes == ("a", "c")


def test_gaps_are_closed_in_order(tmp_path):
    files = {f"{i:04}.png": b"x" if i % 3 == 1 else picture((i % 256, 0, i // 256), (8, 8)) for i in range(1600)}
    store = load_images(packed(tmp_path / "g.zip", files), size=8, grey=False)
    numbers = store.pixels[:, 0, 0, 0].int() + 256 * store.pixels[:, 0, 0, 2].int()
    assert numbers.tolist() == [i for i in range(1600) if i % 3 != 1]


@pytest.mark.filterwarnings("ignore")  # Pillow's own, on what it finds damaged
def test_damaged_files_of_every_format_are_only_skipped():
    """Fuzzing: whatever a file holds, decoding gives pixels or a reason, never another exception."""
    rng = random.Random(0)
    colour = photo((24, 20))
    files = [encoded(colour, form) for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")]
    files += [encoded(colour.convert("RGBA"), form) for form in ("PNG", "WEBP")]
    files += [encoded(Image.new("I;16", S, 300), form) for form in ("PNG", "TIFF")]
    Image.init()
    outcomes = {"pixels": 0, "reason": 0}
    for _ in range(4000):
        data = bytearray(rng.choice(files))
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(min(len(data), rng.choice((40, 10_000))))] = rng.choice((0, 255, rng.randrange(256)))
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        try:
            assert images.decode(bytes(data), 16, rng.choice((1, 3))).shape[:2] == (16, 16)
            outcomes["pixels"] += 1
        except images._UnreadableError as error:
            assert str(error) and "\n" not in str(error)
            outcomes["reason"] += 1
    assert min(outcomes.values()) > 400


# ------------------------------------------------------------------------------------------------ bad input as a whole


def failing(path, *parts: str, kind: type[PlaygroundError] = DataError) -> None:
    for function in (load_images, inspect_images):
        with pytest.raises(kind) as caught:
            function(path)
        assert_sentence(str(caught.value), *parts)


def test_missing_paths(tmp_path):
    (tmp_path / "mnist10k").mkdir()
    failing(tmp_path / "mnist1k", "mnist1k", "the nearest name there is 'mnist10k'", kind=UsageError)
    failing(tmp_path / "qqq", "qqq", "check the path", kind=UsageError)
    failing(tmp_path / "no" / "where.zip", "where.zip", "nor the folder", kind=UsageError)
    failing("", kind=UsageError)
    failing("a\0b", kind=UsageError)
    failing("x" * 5000, kind=UsageError)
    failing(str(tmp_path / "two\nlines"), "two?lines", kind=UsageError)


def test_folders_without_pictures(tmp_path):
    (tmp_path / "void").mkdir()
    failing(tmp_path / "void", "'void' is empty")
    failing(folder(tmp_path / "texts", {"a.txt": b"a", "b.csv": b"b"}), "no pictures in 'texts'", "'a.txt' (", "png")
    failing(folder(tmp_path / "zips", {"a.zip": b"PK"}), "'a.zip'", "a zip inside is not opened")
    failing(folder(tmp_path / "hidden", {".a.png": b"a"}), "'hidden' is empty")
    failing([folder(tmp_path / "t", {"a.txt": b"a"}) / "a.txt", tmp_path / "texts/b.csv"], "no pictures", "'a.txt'")


def test_one_picture_is_not_enough(tmp_path):
    failing(folder(tmp_path / "lonely", {"a.png": picture()}), "'lonely'", "at least 2")
    failing(tmp_path / "lonely/a.png", "'a.png'", "at least 2")
    failing(packed(tmp_path / "lonely.zip", {"a.png": picture()}), "'lonely.zip'", "at least 2")


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_FILES", 5)
    files = {f"{i}.png": picture() for i in range(6)}
    failing(folder(tmp_path / "many", files), "'many'", "more than 5 files")
    failing(packed(tmp_path / "many.zip", files), "'many.zip'", "6 files", "5 allowed")


def test_files_that_are_no_zips(tmp_path):
    good = packed(tmp_path / "good.zip", two()).read_bytes()
    for name, content, part in (
        ("text.zip", b"hello", "not a zip"),
        ("empty.zip", b"", "it is empty"),
        ("cut.zip", good[: len(good) // 2], "cut short or damaged"),
        ("pictures.rar", b"Rar!\x1a\x07", "neither a zip nor a picture"),
        ("script.py", b"print()", "neither a zip nor a picture"),
    ):
        (tmp_path / name).write_bytes(content)
        failing(tmp_path / name, f"'{name}'", part)
    failing(packed(tmp_path / "void.zip", {}), "'void.zip' is empty")
    failing(packed(tmp_path / "texts.zip", {"a.txt": b"a"}), "no pictures in 'texts.zip'", "'a.txt'")
    nested = packed(tmp_path / "nested.zip", {"inner.zip": good})
    failing(nested, "'inner.zip' (a zip inside is not opened)")
    (tmp_path / "no_suffix").write_bytes(good)
    assert load_images(tmp_path / "no_suffix").info.count == 2


@pytest.mark.parametrize(
    "member", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png", "../e.txt"]
)
def test_members_that_climb_out(tmp_path, member):
    path = packed(tmp_path / "climb.zip", two())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = member
        archive.writestr(info, encoded(picture()))
    failing(path, "'climb.zip'", member.replace("\\", "/"), "outside")


def test_zip_bombs(tmp_path):
    small = two()
    path = packed(tmp_path / "total.zip", small)
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(40):
            archive.writestr(f"{i}.png", b"x")
            archive.filelist[-1].file_size = 250 << 20  # the directory claims it, the data need not keep it
    failing(path, "'total.zip'", "10 GB", "8 GB")
    path = packed(tmp_path / "ratio.zip", small)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for i in range(2):
            with archive.open(f"zeros{i}.bmp", "w") as member:
                for _ in range(160):
                    member.write(bytes(1 << 20))
    failing(path, "'ratio.zip'", "times its size")
    path = packed(tmp_path / "member.zip", small)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("huge.png", b"x")
        archive.filelist[-1].file_size = 300 << 20
    store = load_images(path)  # one such member is left packed, and the rest is used
    assert store.info.count == 2
    assert_sentence(store.info.notes[0], "'huge.png' (larger than 256 MB)")


def test_a_member_larger_than_it_claims_is_not_unpacked_beyond_that(tmp_path):
    path = packed(tmp_path / "liar.zip", two(**{"liar.bmp": encoded(photo((300, 300)), "BMP")}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.getinfo("liar.bmp").file_size = 1000
        archive.writestr("c.png", encoded(picture()))
    store = load_images(path)
    assert store.info.count == 3
    assert_sentence(store.info.notes[0], "'liar.bmp'")


def test_damaged_and_encrypted_members(tmp_path):
    path = packed(tmp_path / "d.zip", two(**{"c.png": photo((90, 90))}), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        data[archive.getinfo("c.png").header_offset + 400] ^= 0xFF
    path.write_bytes(data)
    store = load_images(path)
    assert store.info.count == 2
    assert_sentence(store.info.notes[0], "'c.png' (damaged in the zip)")

    path = packed(tmp_path / "secret.zip", two())
    with zipfile.ZipFile(path, "a") as archive:
        archive.getinfo("good1.png").flag_bits |= 1
        archive.writestr("c.png", encoded(picture()))
    failing(path, "'secret.zip'", "password")


def test_unreadable_by_permission(tmp_path):
    place = Path(tempfile.mkdtemp())  # below /tmp, where another user may go
    try:
        place.chmod(0o755)
        folder(place / "mixed", two(**{"closed.png": picture(), "sub/x.png": picture()}))
        folder(place / "shut", two())
        packed(place / "shut.zip", two())
        for closed in ("mixed/closed.png", "mixed/sub", "shut", "shut.zip"):
            (place / closed).chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            if os.access(place / "shut", os.R_OK, effective_ids=True):
                pytest.skip("this user may read everything")
            failing(place / "shut", "permission", "shut")
            failing(place / "shut.zip", "permission", "shut.zip")
            failing(place / "shut" / "good1.png", "permission", "good1.png")
            store = load_images(place / "mixed")
        finally:
            os.seteuid(user)
        assert store.info.count == 2
        notes = " ".join(store.info.notes)
        assert "'closed.png' (no permission to read it)" in notes and "1 folder can't be opened: 'sub'" in notes
    finally:
        for path in (place / "mixed/sub", place / "shut"):
            path.chmod(0o755)
        for path in sorted(place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        place.rmdir()


# -------------------------------------------------------------------------------------------- progress, threads, names


@pytest.mark.parametrize("slow", [0.0, 1e9], ids=["threads", "no threads"])
def test_progress_rises_to_the_total_and_stops_the_loading(tmp_path, monkeypatch, slow):
    monkeypatch.setattr(images, "_SLOW_SECONDS", slow)
    place = packed(tmp_path / "p.zip", {f"{i:03}.png": photo(seed=i) for i in range(200)})
    seen = []
    store = load_images(place, size=16, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (200, 200) and seen == sorted(seen) and len({total for _, total in seen}) == 1
    for i in (0, 57, 199):
        alone = images.decode(encoded(photo(seed=i)), 16, 3)
        assert np.array_equal(store.pixels[i].numpy(), alone)

    class StopError(Exception):
        pass

    def stop(done, total):
        raise StopError

    with pytest.raises(StopError):
        load_images(place, size=16, progress=stop)
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_strange_names_stay_on_one_line(tmp_path):
    files = {
        "a\nb/1.png": picture(),
        "ü 😀/1.png": picture(),
        "ü 😀/line\nbreak.png": b"x",
        "ü 😀/" + "n" * 200 + ".png": b"x",
    }
    store = load_images(folder(tmp_path / "my\nset", files), size=8)
    assert store.info.name == "my?set" and store.info.classes == ("a?b", "ü 😀")
    for sentence in (*store.info.notes, *inspect_images(tmp_path / "my\nset").sentences()):
        assert_sentence(sentence)


def test_the_same_folder_gives_the_same_data(tmp_path):
    place = folder(tmp_path, {f"{c}/{i}.png": photo(seed=i) for c in "ab" for i in range(20)})
    one, other = load_images(place), load_images(place)
    assert torch.equal(one.pixels, other.pixels) and one.info == other.info


@pytest.mark.skipif(not DIGITS.exists(), reason="the example data are not beside the project")
def test_the_example_digits():
    understood = inspect_images(DIGITS)
    assert understood.sentences()[0] == "8,000 pictures in 10 classes (0 to 9), 28 × 28, greyscale."
    store = load_images(DIGITS)
    assert (store.info.count, store.info.size, store.info.channels) == (8000, 32, 1)
    counts = torch.bincount(store.labels)
    assert tuple(counts.tolist()) == understood.class_counts and counts.min() == 717 and counts.max() == 923
    # A one covers less of its picture than a zero does.
    ink = [store.pixels[store.labels == k].float().mean() for k in (0, 1)]
    assert ink[0] > 2 * ink[1]
