"""Two-sided data: sides that belong together do so to the pixel, and every layout of files is understood or told of."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from playground.data import faces, pairs
from playground.data.base import DrawnStore, EpochSampler, ImageStore, PairStore, label_numbers, split
from playground.data.images import decode_halves
from playground.data.pairs import DrawnPairStore, edge_pairs, inspect_pairs, load_pairs
from playground.data.registry import DATASETS, open_data
from playground.edges import detect_edges
from playground.errors import DataError, PlaygroundError, UsageError

FACADES = Path(__file__).parents[2] / "../shared/data/facades.zip"
TWO_SIDED = [name for name, spec in DATASETS.items() if spec.sides]
RED, BLUE, GREEN = (200, 30, 60), (20, 40, 220), (30, 180, 60)


def plain(colour=RED, size=(20, 20)) -> Image.Image:
    return Image.new("RGB" if isinstance(colour, tuple) else "L", size, colour)


def beside(left=RED, right=BLUE, height: int = 20, width: int | None = None) -> Image.Image:
    """Two colours beside each other; of an odd width the column in the middle is green."""
    width = width or 2 * height
    image = plain(GREEN, (width, height))
    image.paste(left, (0, 0, width // 2, height))
    image.paste(right, (width - width // 2, 0, width, height))
    return image


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


def packed(path: Path, files: dict[str, Image.Image | bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, bytes) else encoded(content))
    return path


def two_folders(a: str = "A", b: str = "B", count: int = 3) -> dict[str, Image.Image | bytes]:
    """Pairs of a grey level and a colour of the same number."""
    files: dict[str, Image.Image | bytes] = {}
    for i in range(count):
        files[f"{a}/{i}.png"] = plain(10 * i + 5)
        files[f"{b}/{i}.jpg"] = encoded(plain((10 * i + 5, 0, 200)), "JPEG", quality=95)
    return files


def told(store: ImageStore) -> str:
    return " ".join(store.info.notes)


def first_pixels(store: PairStore) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The colour in the middle of every picture of A and of B."""
    middle = store.info.size // 2
    return tuple([tuple(map(int, p[middle, middle])) for p in side] for side in (store.pixels, store.other_pixels))


# ---------------------------------------------------------------------------------------------------------- drawn sets


@pytest.mark.parametrize("name", TWO_SIDED)
def test_a_drawn_set_has_the_sides_that_the_registry_states(name: str):
    spec = DATASETS[name]
    store = open_data(name, size=32, max_images=20)
    batch = store.take(torch.tensor([3, 0, 19]))
    assert isinstance(store, PairStore) and isinstance(store, DrawnStore)
    assert tuple(side.name for side in store.info.sides) == spec.sides and store.info.paired == spec.paired
    for images, side in zip((batch.images, batch.targets), store.info.sides, strict=True):
        assert images.shape == (3, side.channels, 32, 32) and images.abs().max() <= 1
        assert (len(side.labels) > 0) == ("map" in side.name) == (len(side.palette) > 0)
    assert (store.info.channels, store.info.size) == (store.info.sides[1].channels, 32)
    assert store.info.count == (20 if spec.paired else 40)
    assert spec.default_size in spec.sizes and not spec.labelled


@pytest.mark.parametrize("name", ["faces-edges", "faces-labels", "faces-segmentation"])
def test_picture_i_is_portrait_i_of_faces_on_both_sides(name: str):
    """Also across chunks, and whatever was taken before."""
    n = DrawnStore.chunk + 4
    store, portraits = open_data(name, size=32, max_images=n, seed=5), open_data("faces", size=32, max_images=n, seed=5)
    indices = torch.tensor([n - 1, 2])
    batch, expected = store.take(indices), portraits.take(indices).images
    assert torch.equal(batch.images if name == "faces-segmentation" else batch.targets, expected)
    factors = faces.sample_factors(256, torch.Generator().manual_seed(5 * 1_000_003))
    if name == "faces-edges":
        lines = faces.edges(factors, 32)[2]
        assert (batch.images[1] - lines).abs().max() < 1 / 127
    else:
        numbers = label_numbers(batch.images if name == "faces-labels" else batch.targets)[1]
        assert torch.equal(numbers, faces.label_map(factors, 32)[2])


def test_sides_in_two_styles_show_different_people():
    store = open_data("faces-styles", size=32, max_images=24)
    flat = open_data("faces", size=32, max_images=24).take(torch.arange(24)).images
    batch = store.take(torch.arange(24))
    assert torch.equal(batch.images, flat)
    again = open_data("faces-styles", size=32, max_images=24).take(torch.arange(24))
    assert torch.equal(again.targets, batch.targets)
    _, place = store.partners(torch.arange(24))
    twins = faces.render(faces.sample_factors(24, torch.Generator().manual_seed(0)), 32, "ink")
    assert ((batch.targets - twins[place]).abs().mean((1, 2, 3)) > 0.05).all()
    assert len(place.unique()) == 24, "within one round every picture is met once"


@pytest.mark.parametrize("name", ["faces-edges", "faces-styles"])
def test_a_drawn_set_is_drawn_chunk_by_chunk_as_the_sampler_asks(name: str):
    store = open_data(name, size=32, max_images=5 * DrawnStore.chunk)
    taught, held = split(store, 0.01, 0)
    assert len(held) >= 2
    if store.info.paired:
        assert torch.equal(torch.cat([taught, held]), torch.arange(len(store)))
    else:
        for kept, tested in zip(store.partners(taught), store.partners(held), strict=True):
            assert kept.max() < tested.min()
    store.take(EpochSampler(len(taught), 8, 0, store.chunk).next())
    assert 0 < store.drawn.sum() <= (1 if store.info.paired else 3)
    untouched = np.flatnonzero(~store.drawn)[0] * store.chunk
    assert not store.pixels[untouched].any()


@pytest.mark.parametrize("name", ["faces-edges", "faces-labels"])
def test_pairs_can_be_forgotten(name: str):
    store = open_data(name, size=32, max_images=10, sides="unpaired")
    assert isinstance(store, DrawnPairStore) and not store.info.paired and store.info.count == 20
    batch = store.take(torch.arange(10))
    assert torch.equal(batch.images, open_data(name, size=32, max_images=10).take(torch.arange(10)).images)


def test_a_preview_shows_both_sides():
    paired = open_data("faces-labels", size=32, max_images=6)
    tiles, batch = paired.preview(6), paired.take(torch.arange(6))
    palette = np.array(faces.PALETTE, np.uint8)
    assert (tiles[:, :, :32] == palette[label_numbers(batch.images).numpy()]).all()
    assert (tiles[:, :, 32:] == paired.other_pixels.numpy()).all()
    unpaired = open_data("faces-styles", size=32, max_images=6).preview(6)
    assert unpaired.shape == (6, 32, 64, 3) and unpaired.dtype == np.uint8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"data": "faces-edges", "size": 30}, "can be drawn at"),
        ({"data": "faces-edges", "sides": "pared"}, "Did you mean 'paired'"),
        ({"data": "faces-styles", "sides": "paired"}, "faces-edges"),
        ({"data": "shapes", "sides": "unpaired"}, "faces-styles"),
        ({"data": "faces", "sides": "paired", "size": 32, "edges": "cany"}, "Did you mean 'canny'"),
    ],
    ids=str,
)
def test_what_a_named_set_can_not_give_is_told(arguments: dict, words: str):
    with pytest.raises(UsageError, match=words):
        open_data(**arguments)


# ---------------------------------------------------------------------------------------------- pairs from their edges


def test_any_set_becomes_pairs_of_edges_and_pictures(store: ImageStore):
    made = edge_pairs(store, "canny")
    batch = made.take(torch.arange(6))
    assert torch.equal(batch.targets, store.take(torch.arange(6)).images)
    assert (batch.images - detect_edges(batch.targets, "canny")).abs().max() < 1 / 127
    assert made.info.paired and [s.channels for s in made.info.sides] == [1, 1] and made.info.count == store.info.count
    assert not made.info.classes and not made.info.attributes and "canny" in told(made)
    with pytest.raises(UsageError, match="two sides already"):
        edge_pairs(made)


def test_a_drawn_set_stays_lazy_with_its_edges():
    made = open_data("shapes", size=32, max_images=600, sides="paired", edges="sobel")
    batch = made.take(torch.arange(4))
    assert made.drawn.tolist() == [True, False, False]
    assert torch.equal(batch.targets, open_data("shapes", size=32, max_images=600).take(torch.arange(4)).images)
    assert (batch.images - detect_edges(batch.targets, "sobel")).abs().max() < 0.1


def test_a_folder_of_pictures_becomes_pairs_only_where_they_are_wanted(pictures: Path):
    assert not open_data(str(pictures), size=16).info.sides
    made = open_data(str(pictures), size=16, sides="paired")
    assert made.info.count == 48 and [s.name for s in made.info.sides] == ["edges", "picture"]
    seen = inspect_pairs(pictures)
    assert seen.layout == "edges" and seen.thumbnails.shape == (12, 2, 96, 96, 3) and seen.info.paired
    with pytest.raises(UsageError, match=r"one set of pictures.*folders called A and B"):
        open_data(str(pictures), sides="unpaired")


# --------------------------------------------------------------------------------------------------------- side by side


def test_pictures_side_by_side_are_cut_in_halves(tmp_path: Path):
    root = folder(tmp_path / "walls", {f"{i}.png": beside((i, 9, 99), (99, 9, i)) for i in range(4)})
    expected = [(i, 9, 99) for i in range(4)], [(99, 9, i) for i in range(4)]
    made = load_pairs(root, size=16)
    assert first_pixels(made) == expected and made.info.paired
    assert made.info.notes[0] == "4 pairs, side by side: the left half is the input."
    turned = open_data(str(root), sides="paired", pair_input="right", size=16)
    assert first_pixels(turned) == expected[::-1] and "the right half is the input" in told(turned)
    loose = open_data(str(root), sides="unpaired", size=16)
    assert not loose.info.paired and loose.info.count == 8 and first_pixels(loose) == expected
    assert not open_data(str(root), size=16).info.sides, "nobody asked for pairs"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_halves_are_cut_once_the_picture_is_upright(turn: int, form: str):
    upright = beside(height=32)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    lying = upright.transpose(undo[turn]) if turn in undo else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    left, right = decode_halves(
        encoded(lying, form, exif=exif, **({"subsampling": 0} if form == "JPEG" else {})), 16, (3, 3)
    )
    assert abs(left.astype(int) - RED).max() <= 6 and abs(right.astype(int) - BLUE).max() <= 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16", "CMYK"])
def test_halves_of_every_mode(mode: str):
    image = Image.new("L", (40, 20), 255)
    image.paste(0, (20, 0, 40, 20))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    elif mode == "RGBA":
        image = Image.merge("RGBA", (Image.new("L", (40, 20), 0),) * 3 + (image.point(lambda v: 255 - v),))
    else:
        image = image.convert("L" if mode == "LA" else mode).convert(mode)
    left, right = decode_halves(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), 16, (1, 3))
    assert left.shape == (16, 16, 1) and right.shape == (16, 16, 3)
    assert left.min() >= 250 and right.max() <= 5


@pytest.mark.parametrize("width", [39, 41])
def test_an_odd_width_leaves_its_middle_column_out(width: int):
    left, right = decode_halves(encoded(beside(height=20, width=width)), 20, (3, 3), "stretch")
    assert (left == RED).all() and (right == BLUE).all()


def test_sides_may_differ_in_channels(tmp_path: Path):
    root = folder(tmp_path / "d", {f"{i}.png": beside((i, i, i), (200, 9, i)) for i in range(3)})
    made = load_pairs(root, size=8)
    assert [s.channels for s in made.info.sides] == [1, 3] and made.info.channels == 3
    turned = load_pairs(root, size=8, pair_input="right")
    assert [s.channels for s in turned.info.sides] == [3, 1] and first_pixels(turned)[1] == [(0,), (1,), (2,)]


def test_what_spoils_pairs_is_left_out_and_named(tmp_path: Path):
    files: dict[str, Image.Image | bytes] = {f"good{i:02}.png": beside((i, 0, 99)) for i in range(40)}
    files |= {
        "broken.png": encoded(beside())[:60],
        "dot.png": plain(size=(1, 1)),
        "ribbon.png": plain(size=(8000, 3)),
        "notes.txt": b"hello",
    }
    made = load_pairs(packed(tmp_path / "walls.zip", files), size=16)
    assert made.info.count == 40 and first_pixels(made)[0] == [(i, 0, 99) for i in range(40)]
    for words in (
        "3 pictures can't be used",
        "'broken.png'",
        "'dot.png' (1 × 1",
        "'ribbon.png' (8000 × 3",
        "notes.txt",
    ):
        assert words in told(made)


def test_too_few_wide_pictures_are_no_pairs_and_that_is_said(tmp_path: Path):
    files = {f"w{i}.png": beside() for i in range(7)} | {f"s{i}.png": plain() for i in range(3)}
    made = load_pairs(folder(tmp_path / "mixed", files), size=16)
    assert made.info.sides[0].name == "edges" and made.info.count == 10
    assert "Only 70% of the pictures are twice as wide as high" in told(made)


def test_of_splits_only_the_training_one_is_used(tmp_path: Path):
    root = folder(tmp_path / "d", {f"{part}/{i}.png": beside() for part in ("train", "val") for i in range(3)})
    made = load_pairs(root, size=8)
    assert made.info.count == 3 and "only 'train' is used" in told(made)


def test_the_smallest_halves_grow(tmp_path: Path):
    made = load_pairs(folder(tmp_path / "d", {f"{i}.png": beside(height=1) for i in range(2)}), size=8)
    assert first_pixels(made) == ([RED] * 2, [BLUE] * 2)


# ---------------------------------------------------------------------------------------------------------- two folders

NAMES = [("A", "B"), ("trainA", "trainB"), ("input", "target"), ("source", "Target"), ("drawing", "photo")]


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("names", NAMES, ids="-".join)
def test_two_folders_are_pairs_by_the_names_of_files(tmp_path: Path, names: tuple[str, str], zipped: bool):
    files = two_folders(*names)
    path = (
        packed(tmp_path / "p.zip", {f"p/{k}": v for k, v in files.items()}) if zipped else folder(tmp_path / "p", files)
    )
    made = load_pairs(path, size=8)
    assert made.info.paired and [(s.name, s.channels) for s in made.info.sides] == [(names[0], 1), (names[1], 3)]
    a, b = first_pixels(made)
    assert a == [(5,), (15,), (25,)] and all(abs(low[0] - high[0]) <= 3 for low, high in zip(a, b, strict=True))
    swapped = load_pairs(path, size=8, pair_input="right")
    assert [s.name for s in swapped.info.sides] == list(names[::-1])
    assert not open_data(str(path), size=8).info.sides, "classes, where nobody asks for sides"


def test_missing_halves_are_named(tmp_path: Path):
    files = two_folders(count=4)
    del files["B/1.jpg"], files["A/3.png"]
    files["B/lost.png"] = plain()
    made = load_pairs(packed(tmp_path / "pairs.zip", files), size=8)
    assert made.info.count == 2 and [v[0] for v in first_pixels(made)[0]] == [5, 25]
    assert "Left out: 3 pictures without a partner: 'A/1.png', 'B/3.jpg' and 'B/lost.png'." in made.info.notes


def test_a_corrupt_half_takes_its_partner_along(tmp_path: Path):
    files = two_folders(count=4) | {"B/1.jpg": b"no picture at all", "A/2.png": b""}
    made = load_pairs(folder(tmp_path / "p", files), size=8)
    assert [v[0] for v in first_pixels(made)[0]] == [5, 35] and len(made) == 2
    for words in (
        "2 pictures can't be used",
        "with the partner",
        "'A/2.png' (an empty file)",
        "'B/1.jpg' (not a picture)",
    ):
        assert words in told(made)


def test_unpaired_folders_may_differ_in_number_and_spoiled_files_leave_alone(tmp_path: Path):
    files = two_folders("trainA", "trainB", 3) | {f"trainB/more{i}.png": plain(GREEN) for i in range(4)}
    files |= {"trainA/1.png": b"", "testA/9.png": plain(), "testB/9.png": plain()}
    made = open_data(str(folder(tmp_path / "p", files)), sides="unpaired", size=8)
    assert isinstance(made, PairStore) and not made.info.paired
    assert (len(made.pixels), len(made.other_pixels), made.info.count) == (2, 7, 9)
    assert "2 pictures in 'trainA' and 7 in 'trainB'" in made.info.notes[0]
    assert "not 'testA' and 'testB'" in told(made) and "'trainA/1.png' (an empty file)" in told(made)
    batch = made.take(torch.arange(7))
    assert batch.images.shape == (7, 1, 8, 8) and batch.targets.shape == (7, 3, 8, 8)


def test_pictures_of_any_shape_fit_in_folders(tmp_path: Path):
    files = two_folders(count=2) | {"A/0.png": plain(7, (1, 1)), "B/0.jpg": encoded(plain(RED, (8000, 3)), "JPEG")}
    made = load_pairs(folder(tmp_path / "p", files), size=8)
    assert made.info.count == 2 and first_pixels(made)[0][0] == (7,)


def test_letters_of_an_alphabet_are_no_sides(tmp_path: Path):
    root = folder(tmp_path / "letters", {f"{letter}/{i}.png": plain(9 * i) for letter in "ABCXY" for i in range(2)})
    made = load_pairs(root, size=8)
    assert made.info.count == 10 and made.info.sides[0].name == "edges"
    with pytest.raises(UsageError, match="called A and B"):
        load_pairs(root, "unpaired", size=8)


def test_max_images_counts_pairs_or_pictures_a_side(tmp_path: Path):
    root = folder(tmp_path / "p", two_folders(count=9))
    made = load_pairs(root, size=8, max_images=3)
    assert [v[0] for v in first_pixels(made)[0]] == [5, 45, 85] and "Only 3 of the 9 pairs" in told(made)
    loose = load_pairs(root, "unpaired", size=8, max_images=4)
    assert (len(loose.pixels), len(loose.other_pixels)) == (4, 4)


def test_progress_counts_both_sides(tmp_path: Path):
    heard: list[tuple[int, int]] = []
    load_pairs(folder(tmp_path / "p", two_folders()), size=8, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (6, 6) and [h[0] for h in heard] == sorted(h[0] for h in heard)


ONE_OF_TWO = {"A/1.png": plain(), "A/2.png": plain(), "B/1.png": plain()}
BAD = {  # files, sides wanted, words of the sentence
    "no partner": ({"A/1.png": plain(), "A/2.png": plain(), "B/3.png": plain()}, "paired", "No picture in the folder"),
    "one partner": (ONE_OF_TWO, "paired", "'A/2.png'"),
    "one left": (ONE_OF_TWO | {"A/2.png": b"", "B/2.png": plain()}, "paired", "only 1 pair"),
    "one wide": ({"1.png": beside()}, "paired", "only 1 pair"),
    "small B": (ONE_OF_TWO, "unpaired", "1 picture in the folder 'B'"),
    "three classes": ({f"{c}/{i}.png": plain() for c in "pqr" for i in (1, 2)}, "unpaired", "called A and B"),
    "flat": ({"1.png": plain(), "2.png": plain()}, "unpaired", "called A and B"),
    "all spoiled": ({f"{c}/{i}.png": b"" for c in "AB" for i in (1, 2)}, "unpaired", "None of the 2 pictures"),
    "nothing": ({"readme.txt": b"x"}, "paired", "no pictures"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("how", [load_pairs, inspect_pairs], ids=["load", "inspect"])
def test_what_makes_no_pairs_is_told_in_one_sentence(tmp_path: Path, case: str, how):
    files, sides, words = BAD[case]
    with pytest.raises(PlaygroundError) as caught:
        how(folder(tmp_path / "p", files), sides, size=8)
    assert words in str(caught.value) and str(caught.value).endswith(".") and str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"sides": "both"}, {"pair_input": "top"}, {"edges": "sobl"}, {"size": 2}, {"fit": "squeeze"}, {"max_images": 1}],
    ids=str,
)
def test_options_out_of_range_are_told(tmp_path: Path, options: dict):
    root = folder(tmp_path / "p", two_folders())
    for how in (load_pairs, inspect_pairs):
        with pytest.raises(UsageError):
            how(root, **options)


LAYOUTS = {
    "folders": two_folders(count=20),
    "side by side": {f"{i}.png": beside((i, i, i)) for i in range(20)},
    "edges": {f"{i}.png": plain(size=(20 + i, 20)) for i in range(5)},
}


@pytest.mark.parametrize(
    ("layout", "sides"),
    [
        ("folders", "paired"),
        ("folders", "unpaired"),
        ("side by side", "paired"),
        ("side by side", "unpaired"),
        ("edges", "paired"),
    ],
)
def test_looking_first_says_what_loading_makes(tmp_path: Path, layout: str, sides: str):
    root = folder(tmp_path / "p", LAYOUTS[layout])
    seen, made = inspect_pairs(root, sides), load_pairs(root, sides)
    assert seen.layout == layout and seen.counts == (len(made.pixels), len(made.other_pixels))
    assert (seen.info.sides, seen.info.paired, seen.info.count) == (made.info.sides, made.info.paired, made.info.count)
    if layout != "edges":
        assert seen.sentences() == made.info.notes
    n = min(12, seen.counts[0])
    assert seen.thumbnails.shape == (n, 2, 96, 96, 3) and seen.thumbnails.dtype == np.uint8


def test_loose_files_may_be_pairs_side_by_side(tmp_path: Path):
    root = folder(tmp_path, {f"{i}.png": beside((99, i, 0)) for i in range(3)})
    made = open_data([str(root / f"{i}.png") for i in range(3)], sides="paired", size=8)
    assert first_pixels(made)[0] == [(99, i, 0) for i in range(3)] and made.info.paired


def test_a_zip_that_would_write_elsewhere_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="outside"):
        load_pairs(packed(tmp_path / "evil.zip", {"A/../../1.png": plain(), "B/1.png": plain()}))


@pytest.mark.skipif(not FACADES.exists(), reason="the facades are not at hand")
def test_the_facades_are_400_pairs():
    made = load_pairs(FACADES, pair_input="right", size=16, max_images=20)
    seen = inspect_pairs(FACADES, pair_input="right")
    assert made.info.count == 20 and seen.counts == (400, 400)
    assert [s.channels for s in made.info.sides] == [3, 3]
    # label maps are of few saturated colours, photos are not
    spread = [p.float().std(dim=-1).mean() for p in (made.pixels, made.other_pixels)]
    assert spread[0] > 2 * spread[1]


def test_the_recipes_are_those_of_the_registry():
    for name in TWO_SIDED:
        assert pairs.load(name, 32, count=4).info.name == name
    with pytest.raises(UsageError, match="faces-edges"):
        pairs.load("faces-edge", 32)
