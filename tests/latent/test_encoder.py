"""The encoder: it learns what its generator draws, is kept safely, and any file is either a picture or a sentence."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from playground.data.base import DataInfo, ImageStore
from playground.data.images import MAX_GIVEN_BYTES
from playground.errors import DataError, PlaygroundError, UsageError
from playground.latent.encoder import (
    FILE,
    KEY,
    Encoder,
    from_posterior,
    held,
    load_encoder,
    narrowed,
    prepare_picture,
    save_encoder,
    train_encoder,
    warm_cosine,
    whitening,
)
from playground.latent.space import LatentSpace
from playground.model import load_model
from playground.networks.posterior import Posterior
from playground.pixels import pyramid_l1

Make = Callable[..., LatentSpace]


@pytest.fixture(scope="module")
def encoder(styled: LatentSpace) -> Encoder:
    """Trained for a few seconds."""
    return train_encoder(styled, steps=160, batch=16, lr=3e-3, width=8)


def unseen(space: LatentSpace, count: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """(w, pictures) of samples that no training drew from."""
    w = space.w(space.z_samples(count, seed=991))
    return w, space.draw(w)


# --- learning


def test_it_finds_the_styles_of_unseen_samples(styled: LatentSpace, encoder: Encoder):
    w, pictures = unseen(styled)
    guess = encoder(pictures)
    assert guess.shape == w.shape
    spread = (w - w.mean(0)).square().mean()
    assert (guess - w).square().mean() < 0.5 * spread, "it explains most of what sets styles apart"
    # its pictures are nearer than the mean's, and those of its styles a layer are near as well
    far = pyramid_l1(styled.draw(styled.w_mean.expand_as(w)), pictures).mean()
    assert pyramid_l1(styled.draw(guess), pictures).mean() < 0.6 * far
    styles = encoder.styles(pictures)
    assert styles.shape == (len(w), styled.layers, styled.w_dim)
    assert pyramid_l1(styled.draw(styles), pictures).mean() < 0.6 * far


def test_it_reads_each_picture_by_itself(styled: LatentSpace, encoder: Encoder):
    _, pictures = unseen(styled, 5)
    assert not encoder.training and not any(p.requires_grad for p in encoder.parameters())
    for i in range(5):
        assert torch.allclose(encoder(pictures[i : i + 1]), encoder(pictures)[i : i + 1], atol=1e-4)


def test_a_fresh_one_begins_at_the_mean(styled: LatentSpace):
    """So that the first steps don't have to undo a wild guess."""
    w = styled.w_samples()
    fresh = Encoder(16, 1, styled.w_dim, styled.layers, width=8)
    mean, basis = whitening(w)
    fresh.mean.copy_(mean)
    fresh.basis.copy_(basis)
    guess = fresh(unseen(styled)[1])
    assert (guess - mean).square().mean() < 0.2 * (w - mean).square().mean()


def test_training_repeats_and_leaves_no_trace(styled: LatentSpace):
    before = {name: value.clone() for name, value in styled.model.modules["G"].state_dict().items()}
    torch.manual_seed(7)
    state = torch.get_rng_state()
    options = dict(steps=6, batch=4, width=4)
    first, again, other = (train_encoder(styled, seed=seed, **options) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    a, b, c = (each.state_dict() for each in (first, again, other))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["head.weight"], c["head.weight"])
    assert all(torch.equal(before[name], value) for name, value in styled.model.modules["G"].state_dict().items())


def test_one_goes_on_from_another(styled: LatentSpace, encoder: Encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    calls: list[dict[str, float]] = []
    further = train_encoder(
        styled, steps=2, batch=8, lr=1e-6, start=encoder, on_step=lambda done, total, losses: calls.append(losses)
    )
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items()), "left as it is"
    pictures = unseen(styled)[1]
    torch.testing.assert_close(further(pictures), encoder(pictures), atol=0.2, rtol=0)
    assert "pixels" in calls[0], "pictures are drawn anew from the first step"
    assert not further.training and not any(p.requires_grad for p in further.parameters())


def test_codes_that_are_styles_make_an_encoder(styled: LatentSpace):
    posterior = Posterior("style", 1, 16, 8, styled.w_dim)
    torch.nn.init.normal_(posterior.head.weight, 0.0, 0.3)  # as if it had learned something
    pictures = unseen(styled)[1]
    posterior(pictures)  # running statistics that are its own
    posterior.eval()
    made = from_posterior(styled, posterior)
    with torch.no_grad():
        wanted = posterior(pictures)[0]
        torch.testing.assert_close(made(pictures), wanted, atol=1e-3, rtol=1e-3)
        alike = wanted[:, None].expand(-1, styled.layers, -1)
        torch.testing.assert_close(made.styles(pictures), alike, atol=1e-3, rtol=1e-3)
    small = narrowed(made, 12, pictures)
    numbers, fewer = (sum(p.numel() for p in e.dense.parameters()) for e in (made, small))
    assert fewer < 0.5 * numbers and small.shape["rank"] == 12
    with torch.no_grad():
        spread = (wanted - wanted.mean(0)).square().mean()
        assert (small(pictures) - wanted).square().mean() < 0.2 * spread
        whole = narrowed(made, min(len(pictures), made.dense.out_features), pictures)
        torch.testing.assert_close(whole(pictures), made(pictures), atol=1e-3, rtol=1e-3)
    with pytest.raises(UsageError, match="rank"):
        narrowed(made, 0, pictures)
    with pytest.raises(UsageError, match="encode_to w"):
        from_posterior(styled, Posterior("style", 1, 16, 8, styled.w_dim + 1))
    with pytest.raises(UsageError, match="too many"):
        from_posterior(styled, Posterior("style", 1, 16, 2, styled.w_dim))


def test_its_report(styled: LatentSpace):
    calls: list[tuple[int, int, dict[str, float]]] = []
    train_encoder(styled, steps=120, batch=4, width=4, lr=3e-3, on_step=lambda *call: calls.append(call))
    assert [(step, total) for step, total, _ in calls] == [(50, 120), (100, 120), (120, 120)]
    assert all({"w", "pixels"} <= losses.keys() for _, _, losses in calls[1:]), "pictures from the first quarter on"
    assert calls[-1][2]["w"] < calls[0][2]["w"]


def test_an_exception_in_the_report_stops_it(styled: LatentSpace):
    class StopNowError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopNowError

    with pytest.raises(StopNowError):
        train_encoder(styled, steps=10_000, batch=2, width=4, on_step=stop)


def test_real_pictures_take_part(styled: LatentSpace):
    """Stripes, which no sample shows: an encoder that saw them draws nearer ones."""
    x = torch.arange(16)
    rows = torch.stack([((x + shift) % 8 < 4).expand(16, 16).T for shift in range(8)])
    pixels = (rows * 255).to(torch.uint8)[..., None]
    store = ImageStore(DataInfo("stripes", 1, 16, 8), pixels)
    real = store.take(torch.arange(8)).images
    losses = []
    for given in (None, store):
        trained = train_encoder(styled, steps=80, batch=8, lr=3e-3, width=8, store=given)
        losses.append(float(pyramid_l1(styled.draw(trained.styles(real)), real).mean()))
    assert losses[1] < 0.95 * losses[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (dict(steps=0), "number of steps"),
        (dict(steps=1.5), "number of steps"),
        (dict(batch=0), "samples a batch"),
        (dict(lr=0.0), "learning rate"),
        (dict(lr=float("nan")), "learning rate"),
        (dict(width=0), "width"),
        (dict(store=ImageStore(DataInfo("x", 3, 8, 2), torch.zeros(2, 8, 8, 3, dtype=torch.uint8))), "8 pixels"),
    ],
)
def test_what_training_refuses(styled: LatentSpace, options: dict, says: str):
    with pytest.raises(UsageError, match=says):
        train_encoder(styled, **{"steps": 2, "batch": 2, **options})


def test_plain_models_have_none(plain: LatentSpace):
    with pytest.raises(UsageError, match="style-based"):
        train_encoder(plain, steps=1)


# --- its parts


def test_whitened_samples_have_unit_variance(styled: LatentSpace):
    w = styled.w_samples()
    mean, basis = whitening(w)
    v = torch.linalg.solve(basis.double(), (w - mean).double().T).T
    assert torch.allclose(v.mean(0), torch.zeros(styled.w_dim).double(), atol=1e-3)
    assert torch.allclose(torch.cov(v.T), torch.eye(styled.w_dim).double(), atol=1e-3)
    assert torch.equal(whitening(w)[1], basis)


def test_whitening_reaches_directions_without_variance():
    w = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([4.0, 1.0, 0.0])
    _, basis = whitening(w, floor=0.1)
    lengths = basis.norm(dim=0).sort().values
    assert torch.allclose(lengths, torch.tensor([0.4, 1.0, 4.0]), rtol=0.1)


def test_the_rate_rises_then_falls():
    rates = [warm_cosine(step, 200) for step in range(200)]
    top = int(np.argmax(rates))
    assert top == 9 and rates[top] == pytest.approx(1, abs=0.01)
    assert all(np.diff(rates[: top + 1]) > 0) and all(np.diff(rates[top:]) < 0)
    assert 0 < rates[-1] < 1e-3 and rates[0] == pytest.approx(0.1)
    assert 0 < warm_cosine(0, 1) <= 1


def test_held_pictures_keep_a_gradient_outside():
    x = torch.tensor([-3.0, -1.0, 0.25, 1.0, 2.0], requires_grad=True)
    y = held(x)
    assert torch.allclose(y, torch.tensor([-1.2, -1.0, 0.25, 1.0, 1.1]))
    y.sum().backward()
    assert (x.grad > 0).all()


# --- files


@pytest.fixture
def folder(styled: LatentSpace, tmp_path: Path) -> Path:
    return styled.model.save(tmp_path / "mine")


def test_what_is_saved_is_what_is_loaded(styled: LatentSpace, encoder: Encoder, folder: Path):
    assert load_encoder(folder) is None
    assert save_encoder(folder, encoder) == folder / FILE
    _, pictures = unseen(styled)
    opened = load_model(folder)
    for source in (folder, str(folder), opened):
        loaded = load_encoder(source)
        assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
        guess, expected = loaded.styles(pictures), encoder.styles(pictures)
        assert (guess - expected).square().mean() < 1e-4 * expected.var(), "half precision costs next to nothing"
    assert (folder / FILE).stat().st_size < 0.6 * sum(p.numel() * 4 for p in encoder.parameters())
    assert torch.equal(opened.sample(2), styled.model.sample(2)), "the model itself is as before"


def test_models_without_a_folder_have_none(styled: LatentSpace):
    assert load_encoder(styled.model) is None


def test_another_model_saved_over_it_takes_it_out_of_use(make_space: Make, encoder: Encoder, folder: Path):
    save_encoder(folder, encoder)
    note = json.loads((folder / "config.json").read_text())[KEY]
    make_space("stylegan", latent_dim=9).model.save(folder)
    assert load_encoder(folder) is None
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, KEY: note}))
    assert load_encoder(folder) is None, "the checksum tells as well"


def test_it_goes_with_a_saved_model_only(encoder: Encoder, tmp_path: Path):
    for name in ("nothing", "missing/deeper"):
        with pytest.raises(DataError, match="no saved model"):
            save_encoder(tmp_path / name, encoder)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(DataError, match="no saved model"):
        save_encoder(tmp_path, encoder)


def test_a_pickle_is_never_opened(encoder: Encoder, folder: Path):
    save_encoder(folder, encoder)

    class Trap:
        def __reduce__(self):
            return (Path.write_text, (folder / "sprung", "x"))

    for damage in (pickle.dumps(Trap()), b"", b"\x00" * 64, (folder / FILE).read_bytes()[:-100]):
        (folder / FILE).write_bytes(damage)
        with pytest.raises(DataError, match="not a safetensors file"):
            load_encoder(folder)
    torch.save({"x": Trap()}, folder / FILE)
    with pytest.raises(DataError, match="not a safetensors file"):
        load_encoder(folder)
    assert not (folder / "sprung").exists()


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load((folder / FILE).read_bytes())


def test_weights_of_another_shape_or_not_finite(encoder: Encoder, folder: Path):
    save_encoder(folder, encoder)
    good = tensors_of(folder)
    cases = {
        "do not fit": [
            {name: value for name, value in good.items() if name != "mean"},
            {**good, "extra": torch.zeros(2)},
            {**good, "mean": torch.zeros(3)},
        ],
        "not finite": [{**good, "mean": torch.full_like(good["mean"], torch.nan)}],
    }
    for says, damaged in cases.items():
        for tensors in damaged:
            (folder / FILE).write_bytes(safetensors.torch.save(tensors))
            with pytest.raises(DataError, match=says):
                load_encoder(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("text", "can't be understood"),
        ({"format": None}, "can't be understood"),
        ({"format": 99}, "newer version"),
        ({"width": 10**9}, "width"),
        ({"width": True}, "width"),
        ({"layers": -1}, "layers"),
        ({"size": "big"}, "size"),
        ({"channels": None}, "channels"),
        ({"width": 9}, "do not fit"),
        ({"size": 40}, "do not fit"),
    ],
)
def test_a_note_that_makes_no_sense(encoder: Encoder, folder: Path, change: object, says: str):
    save_encoder(folder, encoder)
    config = json.loads((folder / "config.json").read_text())
    config[KEY] = {**config[KEY], **change} if isinstance(change, dict) else change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=says):
        load_encoder(folder)


def test_an_encoder_of_another_generator(encoder: Encoder, make_space: Make, tmp_path: Path):
    """Of other channels: the note agrees with the weights, but not with the model."""
    model = load_model(make_space("stylegan", channels=3).model.save(tmp_path / "colour"))
    save_encoder(model.folder, encoder)
    with pytest.raises(DataError, match="does not fit its generator"):
        load_encoder(model)


# --- pictures


def smooth(size: tuple[int, int] = (40, 30)) -> Image.Image:
    rough = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def animated() -> bytes:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


def rotated() -> bytes:
    """Red on the left as stored, and a note to turn it by a quarter clockwise: red on top."""
    image = Image.new("RGB", (40, 40), "blue")
    image.paste("red", (0, 0, 20, 40))
    note = Image.Exif()
    note[0x0112] = 6
    return encoded(image, "JPEG", quality=95, subsampling=0, exif=note)


def palette() -> bytes:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    return encoded(image, "PNG", transparency=bytes([0, 128]))


def sixteen() -> bytes:
    return encoded(Image.fromarray(np.full((20, 20), 49_151, np.uint16)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(Image.new("RGB", (30, 20), (255, 0, 51))), (1, -1, -0.6)),
        (encoded(Image.new("L", (20, 30), 51)), (-0.6,) * 3),
        (encoded(Image.new("1", (20, 20), 1)), (1, 1, 1)),
        (encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0))), (1, 1, 1)),
        (encoded(Image.new("LA", (20, 20), (0, 51))), (0.6,) * 3),
        (encoded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "TIFF"), (1, -1, -1)),
        (encoded(Image.new("I;16", (20, 20), 65_535)), (1, 1, 1)),
        (sixteen(), (0.5, 0.5, 0.5)),
        (palette(), (1, 0, 0)),
        (animated(), (1, -1, -1)),
        (encoded(Image.new("RGB", (1, 1), (0, 255, 0))), (-1, 1, -1)),
        (encoded(Image.new("RGB", (8000, 3), (0, 255, 0))), (-1, 1, -1)),
        (encoded(Image.new("RGB", (3, 8000), (0, 255, 0)), "WEBP", lossless=True), (-1, 1, -1)),
        (encoded(Image.new("RGB", (20, 20), (255, 255, 0)), "BMP"), (1, 1, -1)),
    ],
    ids=[
        "rgb", "grey", "one bit", "clear", "grey with alpha", "cmyk", "16 bit white", "16 bit", "palette with alpha",
        "animation", "1x1", "8000x3", "3x8000", "bmp",
    ],
)  # fmt: skip
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_pictures_of_every_kind(data: bytes, expected: tuple[float, ...], fit: str):
    picture = prepare_picture(data, 16, 3, fit)
    assert picture.shape == (1, 3, 16, 16) and picture.dtype == torch.float32
    assert picture.abs().max() <= 1
    assert torch.allclose(
        picture, torch.tensor(expected, dtype=torch.float32).view(1, 3, 1, 1).expand_as(picture), atol=0.02
    )
    grey = prepare_picture(data, 16, 1, fit)
    red, green, blue = expected
    assert grey.shape == (1, 1, 16, 16)
    assert grey.mean().item() == pytest.approx(0.299 * red + 0.587 * green + 0.114 * blue, abs=0.03)


def test_it_is_turned_upright():
    picture = prepare_picture(rotated(), 16, 3)
    assert picture[0, 0, :7].min() > 0.8 and picture[0, 0, 9:].max() < -0.8, "red above"
    assert picture[0, 2, :7].max() < -0.8 and picture[0, 2, 9:].min() > 0.8, "blue below"


def test_bytes_path_and_picture_are_the_same(tmp_path: Path):
    data = encoded(smooth())
    (tmp_path / "a.png").write_bytes(data)
    expected = prepare_picture(data, 16, 3)
    for given in (str(tmp_path / "a.png"), tmp_path / "a.png", Image.open(io.BytesIO(data)), smooth(), bytearray(data)):
        assert torch.equal(prepare_picture(given, 16, 3), expected)


def test_the_fits(tmp_path: Path):
    """A wide picture, red in the middle third and blue beside it."""
    image = Image.new("RGB", (60, 20), "blue")
    image.paste("red", (20, 0, 40, 20))
    crop, pad, stretch = (prepare_picture(image, 18, 3, fit)[0] for fit in ("crop", "pad", "stretch"))
    assert (crop[0] > 0.9).all(), "the middle alone"
    assert (pad[0, 8:10, 7:11] > 0.9).all() and (pad[2, :, :4] > 0.9).all() and (pad[2, :5] > 0.9).all()
    assert (stretch[0, :, 8:10] > 0.9).all() and (stretch[2, :, :4] > 0.9).all()


def test_large_ones_within_the_limits():
    wide = prepare_picture(encoded(Image.new("L", (8000, 8000), 200)), 16, 3)
    assert torch.allclose(wide, torch.full_like(wide, 200 / 127.5 - 1), atol=0.01)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that promises width × height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


GOOD = encoded(smooth(), "JPEG")


@pytest.mark.filterwarnings("ignore:.*decompression bomb.*")
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an empty file"),
        (b"hello, I am a letter", "not a picture"),
        (b"%PDF-1.4 something", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (pickle.dumps([1, 2]), "not a picture"),
        (encoded(smooth((300, 300)), "JPEG")[:2000], "cut short or damaged"),
        (encoded(smooth((300, 300)))[:2000], "cut short or damaged"),
        (encoded(smooth((300, 300)), "GIF")[:5000], "cut short or damaged"),
        (bomb(20, 20), "cut short or damaged"),
        (bomb(9000, 9000), "million"),
        (bomb(30_000, 30_000), "million"),
        (bomb(2**31 - 1, 2**31 - 1), "million"),
        (GOOD + bytes(MAX_GIVEN_BYTES), "larger than 20 MB"),
    ],
    ids=["empty", "text", "pdf", "svg", "pickle", "half jpeg", "half png", "half gif",
         "no pixels", "81 M", "900 M", "4 E", "21 MB"],
)  # fmt: skip
def test_a_file_that_is_no_use_is_told_in_one_sentence(data: bytes, says: str, tmp_path: Path):
    with pytest.raises(DataError, match=says) as told:
        prepare_picture(data, 16, 3)
    assert str(told.value).count(".") == 1 and str(told.value).endswith("pixels.")
    (tmp_path / "mine.jpg").write_bytes(data)
    with pytest.raises(DataError, match=f"'mine.jpg'.*{says}"):
        prepare_picture(tmp_path / "mine.jpg", 16, 3)


def test_an_opened_picture_above_the_limit():
    with pytest.raises(DataError, match="million"):
        prepare_picture(Image.new("1", (8001, 8000)), 16, 3)


def test_damaged_bytes_never_end_in_a_traceback():
    """Every file with some bytes changed either is a picture or is told in a sentence."""
    rng = np.random.default_rng(0)
    sources = [GOOD, encoded(smooth()), animated(), palette(), rotated(), encoded(smooth(), "WEBP")]
    outcomes = set()
    for turn in range(240):
        data = bytearray(sources[turn % len(sources)])
        for place in rng.integers(0, len(data), rng.integers(1, 8)):
            data[place] = rng.integers(0, 256)
        try:
            outcomes.add(prepare_picture(bytes(data), 16, 3).shape == (1, 3, 16, 16))
        except DataError:
            outcomes.add("told")
    assert outcomes == {True, "told"}


@pytest.mark.parametrize(
    ("given", "options", "error"),
    [
        ("/nowhere/at/all.png", {}, UsageError),
        ("", {}, UsageError),
        (".", {}, DataError),
        (12, {}, UsageError),
        (None, {}, UsageError),
        (GOOD, {"size": 0}, UsageError),
        (GOOD, {"size": 10**6}, UsageError),
        (GOOD, {"fit": "squeeze"}, UsageError),
        (GOOD, {"channels": 2}, UsageError),
    ],
)
def test_what_it_refuses(given: object, options: dict, error: type[PlaygroundError]):
    with pytest.raises(error):
        prepare_picture(given, **{"size": 16, "channels": 3, **options})
