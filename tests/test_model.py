"""Models: what is saved is what is loaded, a seed is a picture, and nothing of a file is believed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from playground.data.base import to_uint8
from playground.errors import DataError, PlaygroundError, TrainingError, UsageError
from playground.export import zip_folder
from playground.methods import METHODS
from playground.model import Model, list_shipped, load_model, model_of
from playground.trainer import Trainer

Make = Callable[..., Trainer]


def trained(make_trainer: Make, preset: str = "dcgan", **knobs: Any) -> Model:
    trainer = make_trainer(preset, **knobs)
    trainer.run(2)
    return model_of(trainer, name="Mine", device="CPU, 1 thread")


@pytest.fixture
def folder(make_trainer: Make, tmp_path: Path) -> Path:
    """A saved conditional model."""
    return trained(make_trainer, "cgan").save(tmp_path / "cgan")


# --- a round trip


@pytest.mark.parametrize("preset", METHODS)
def test_a_saved_model_draws_the_same_pictures_when_loaded(make_trainer: Make, tmp_path: Path, preset: str):
    model = trained(make_trainer, preset)
    loaded = load_model(model.save(tmp_path / "model"))
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    if model.kind == "generator":
        assert torch.equal(model.sample(5, seed=3), loaded.sample(5, seed=3))
    elif model.kind == "translator":
        pictures = torch.rand(5, 3, 16, 24, generator=torch.Generator().manual_seed(3)) * 2 - 1
        for direction in model.directions:
            there = model.translate(pictures, direction, seed=3)
            assert there.shape[2:] == (16 * model.scale, 24 * model.scale) and there.abs().max() <= 1
            assert torch.equal(there, loaded.translate(pictures, direction, seed=3))
    else:
        pictures = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1
        assert all(
            torch.equal(a, b) for a, b in zip(model.read(pictures), loaded.read(pictures), strict=True) if a is not None
        )
    assert (loaded.preset, loaded.settings, loaded.info) == (preset, model.settings, model.info)
    assert loaded.facts == model.facts and loaded.facts.items() >= {"step": 2, "name": "Mine"}.items()


@pytest.mark.parametrize(
    "knobs",
    [
        {"architecture": "resnet"}, {"architecture": "dcgan-upsample"}, {"dropout_g": 0.4}, {"latent": "uniform"},
        {"ema_decay": 0.0}, {"spectral_norm": True}, {"packing": 2}, {"norm_g": "instance"},
        {"condition": "projection", "code_categories": 4},
    ],
    ids=str,
)  # fmt: skip
def test_so_does_one_with_other_settings(make_trainer: Make, tmp_path: Path, knobs: dict[str, Any]):
    model = trained(make_trainer, **knobs)
    assert torch.equal(model.sample(3), load_model(model.save(tmp_path)).sample(3))


def test_it_is_a_copy_that_training_does_not_move(make_trainer: Make):
    trainer = make_trainer(learning_rate_g=0.05)
    trainer.run(1)
    model = model_of(trainer)
    before = model.sample(4)
    trainer.run(4)
    assert torch.equal(model.sample(4), before) and not torch.equal(model_of(trainer).sample(4), before)


def test_it_draws_what_the_sample_grid_shows(make_trainer: Make):
    trainer = make_trainer(seed=5)
    trainer.run(3)
    grid = trainer.sample_grid()[0]
    drawn = to_uint8(model_of(trainer).sample(len(grid), seed=5))
    assert np.abs(grid.astype(int) - drawn).max() <= 1  # another memory layout may round differently


# --- sampling


@pytest.mark.parametrize("preset", ["dcgan", "cgan", "infogan"])
@pytest.mark.parametrize("knobs", [{}, {"dropout_g": 0.4}], ids=str)
def test_a_seed_is_a_picture(make_trainer: Make, preset: str, knobs: dict[str, Any]):
    model = trained(make_trainer, preset, **knobs)
    many = model.sample(70, seed=4)  # more than one chunk
    assert many.shape == (70, 1, 16, 16) and many.dtype == torch.float32 and many.device.type == "cpu"
    assert many.abs().max() <= 1 and not many.requires_grad
    assert torch.equal(model.sample(70, seed=4), many)
    for n in (1, 2, 63, 64, 65):
        assert torch.equal(model.sample(n, seed=4), many[:n]), f"picture i depends on n={n}"
    assert not torch.equal(model.sample(5, seed=5), many[:5])
    assert len(torch.unique(many.flatten(1), dim=0)) == 70


def test_sampling_does_not_touch_the_global_generator(make_trainer: Make):
    model = trained(make_trainer, "infogan", dropout_g=0.3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    model.sample(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_by_name_and_by_number(make_trainer: Make):
    model = trained(make_trainer, "cgan", learning_rate_g=0.02)
    squares = model.sample(4, labels="squares")
    assert torch.equal(model.sample(4, labels=1), squares)
    assert torch.equal(model.sample(4, labels=np.int64(1)), squares)
    assert torch.equal(model.sample(4, labels=["squares", 1, np.int32(1), torch.tensor(1)]), squares)
    assert torch.equal(model.sample(4, labels=np.ones(4, int)), squares)
    assert not torch.equal(model.sample(4, labels="discs"), squares)
    dealt = model.sample(4)
    assert torch.equal(dealt, model.sample(4, labels=[0, 1, 2, 0])) and torch.equal(dealt[1], squares[1])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("square", "Unknown class 'square'. Did you mean 'squares'?"),
        (3, "Class 3 does not exist: this model knows 0 to 2."),
        (-1, "Class -1 does not exist"),
        ([0, 1], "2 labels for 4 pictures"),
        (0.5, "name or whole number, not by 0.5"),
        ([0, 1, 2, None], "not by None"),
        ([], "0 labels for 4 pictures"),
    ],
)  # fmt: skip
def test_labels_that_are_not_there(make_trainer: Make, labels: Any, words: str):
    with pytest.raises(UsageError) as caught:
        trained(make_trainer, "cgan").sample(4, labels=labels)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 0}, {"n": -1}, {"n": 100_001}, {"n": 1.5}, {"n": "4"}, {"n": None}, {"seed": -1}, {"seed": 0.5},
        {"seed": 2**70}, {"truncation": 0}, {"truncation": -1}, {"truncation": float("nan")}, {"truncation": "0.7"},
        {"truncation": float("inf")}, {"labels": 0}, {"codes": [1.0]},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_values_get_a_sentence(make_trainer: Make, arguments: dict[str, Any]):
    with pytest.raises(UsageError) as caught:
        trained(make_trainer).sample(**arguments)
    assert str(caught.value).endswith(".")


def test_codes_steer_an_infogan(make_trainer: Make):
    model = trained(make_trainer, "infogan", learning_rate_g=0.02)
    one = [1.0] + [0.0] * 9 + [0.5, -0.5]
    drawn = model.sample(3, codes=one)
    assert torch.equal(model.sample(3, codes=np.array(one)), drawn)
    assert not torch.equal(model.sample(3, codes=[0.0, 1.0, *one[2:]]), drawn)
    for codes in ([1.0], [float("nan"), *one[1:]], ["a", *one[1:]]):
        with pytest.raises(UsageError, match="12 finite numbers"):
            model.sample(3, codes=codes)


def test_truncation_draws_latents_within_its_bound(make_trainer: Make):
    model = trained(make_trainer, learning_rate_g=0.02)
    seen: list[torch.Tensor] = []
    model.modules["G"].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    spread = []
    for truncation in (None, 1.0, 0.3, 0.05):
        pictures = model.sample(64, truncation=truncation)
        assert truncation is None or seen[-1].abs().max() <= truncation
        spread.append(torch.pdist(pictures.flatten(1)).mean().item())
    assert seen[0].abs().max() > 2
    assert spread == sorted(spread, reverse=True) and spread[0] > 2 * spread[-1]  # safer and more alike


# --- opening what there is


def test_a_run_folder_opens_its_model(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "run" / "model")
    assert torch.equal(load_model(tmp_path / "run").sample(2), load_model(str(folder)).sample(2))


@pytest.mark.parametrize("nested", [False, True])
def test_an_exported_zip(folder: Path, tmp_path: Path, nested: bool):
    path = tmp_path / "model.ZIP"
    if nested:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in folder.iterdir():
                archive.write(file, f"my model/{file.name}")
    else:
        zip_folder(folder, tmp_path / "model.zip")
        os.rename(tmp_path / "model.zip", path)
    assert torch.equal(load_model(path).sample(2), load_model(folder).sample(2))


def test_the_card_says_what_it_is(folder: Path):
    card = (folder / "README.md").read_text(encoding="utf-8")
    for words in (
        "# Mine", "Conditional GAN", "https://arxiv.org/abs/1411.1784", "16 × 16", "greyscale",
        "discs, squares, stripes", "2 steps", "Licence", "CPU, 1 thread", "`condition`: onehot", "load_model",
    ):  # fmt: skip
        assert words in card
    assert load_model(folder).card() == card


def test_shipped_models_are_listed_and_open(monkeypatch, folder: Path):
    monkeypatch.setattr("playground.model.PRETRAINED", folder.parent)
    assert list_shipped() == ["cgan"]
    assert load_model("cgan").preset == "cgan"
    with pytest.raises(UsageError, match="Did you mean 'cgan'"):
        load_model("cgna")


@pytest.mark.parametrize(
    "name", ["nothing-here", "/nowhere/at/all", "", "a\0b", "x" * 5000, "~nobody-of-that-name/m", "model.zip"]
)
def test_what_is_not_there(name: str):
    with pytest.raises(PlaygroundError) as caught:
        load_model(name)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2


def test_a_device_that_is_not_there(folder: Path):
    with pytest.raises(UsageError, match="Unknown device"):
        load_model(folder, device="tpu")
    with pytest.raises(UsageError, match="no device 'cuda:99'"):
        load_model(folder, device="cuda:99")
    assert load_model(folder, device="auto").sample(1).device.type == "cpu"


# --- damaged, foreign and hostile files


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_model(folder)
    said = str(caught.value)
    assert said.endswith(".") and not said.endswith("..") and "\n" not in said
    return said


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file(folder: Path, name: str):
    (folder / name).unlink()
    assert f"lacks {name}" in refused(folder)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "3", '"text"', "{}", "[" * 100_000, '{"format": 1}', '{"format": "one"}', "\ufeff{}",
        '{"format": 1, "preset": "dcgan", "knobs": [], "data": {}}',
        '{"format": 1, "preset": 7, "knobs": {}, "data": {}}',
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_a_bad_config(folder: Path, text: str):
    (folder / "config.json").write_text(text, encoding="utf-8")
    assert "can't be understood" in refused(folder)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), 2, "newer version"),
        (("preset",), "cgann", "Did you mean 'cgan'?"),
        (("preset",), None, "preset is missing"),
        (("knobs", "width"), "nan", "finite"),
        (("knobs", "width"), 10**9, "between"),
        (("knobs", "condition"), "maybe", "can't be"),
        (("data", "channels"), "3", "as channels"),
        (("data", "channels"), -1, "as channels"),
        (("data", "size"), 10**9, "as size"),
        (("data", "size"), 17, "not 17"),
        (("data", "classes"), "abc", "as classes"),
        (("data", "classes"), [], "'onehot' needs labelled pictures"),
        (("data", "classes"), [1, 2], "as classes"),
        (("data", "count"), None, "as count"),
        (("data", "count"), float("inf"), "as count"),
    ],
)
def test_a_config_with_a_wrong_entry(folder: Path, path: tuple[str, ...], value: Any, words: str):
    config = json.loads((folder / "config.json").read_text())
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "config.json").write_text(json.dumps(config))
    assert words in refused(folder)


def test_what_a_config_holds_beyond_is_passed_over(folder: Path):
    """A later version of the same format may know more settings and facts."""
    config = json.loads((folder / "config.json").read_text())
    config["knobs"]["warp_factor"] = 9
    config["data"]["mood"] = "blue"
    config["facts"] = {"step": "many", "colour": "red"}
    (folder / "config.json").write_text(json.dumps(config))
    model = load_model(folder)
    assert "0 steps" in model.card() and model.sample(1).shape == (1, 1, 16, 16)


def test_weights_of_another_shape(folder: Path, make_trainer: Make):
    trained(make_trainer, "cgan", width=8).save(folder.parent / "wide")
    shutil.copy(folder.parent / "wide" / "model.safetensors", folder)
    assert "do not fit" in refused(folder)


def test_weights_with_a_part_missing(folder: Path):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors.popitem()
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    assert "do not fit" in refused(folder)


class _Bomb:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("wrapping", ["pickle", "torch.save", "text", "empty", "torn"])
def test_weights_that_are_no_safetensors_are_never_run(folder: Path, tmp_path: Path, wrapping: str):
    weights, trap = folder / "model.safetensors", tmp_path / "trap"
    if wrapping == "torch.save":
        torch.save(_Bomb(trap), weights)
    else:
        data = weights.read_bytes()
        weights.write_bytes(
            {"pickle": pickle.dumps(_Bomb(trap)), "text": b"weights", "empty": b"", "torn": data[:-9]}[wrapping]
        )
    assert "not a safetensors file; nothing of it was run" in refused(folder)
    assert not trap.exists()


@pytest.mark.parametrize("damage", ["text", "empty", "torn", "flipped", "foreign", "bomb"])
def test_damaged_zips(folder: Path, tmp_path: Path, monkeypatch, damage: str):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("config.json", "model.safetensors"):
            archive.write(folder / name, name)
    data = bytearray(path.read_bytes())
    if damage == "foreign":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing here")
    elif damage == "bomb":
        monkeypatch.setattr("playground.model.MAX_MODEL_BYTES", 1000)
    else:
        for at in range(len(data) // 2, len(data) // 2 + 40):
            data[at] ^= 0x55 if damage == "flipped" else 0
        path.write_bytes({"text": b"PK no zip", "empty": b"", "torn": data[: len(data) // 2], "flipped": data}[damage])
    words = {"foreign": "lacks config.json", "bomb": "too large for a model"}.get(damage, "not a readable zip")
    assert words in refused(path)


def test_a_full_disk_while_saving(make_trainer: Make, folder: Path, monkeypatch):
    before = {file: file.read_bytes() for file in folder.iterdir()}

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("playground.runs.os.replace", full)
    with pytest.raises(TrainingError, match="is full"):
        trained(make_trainer, "cgan", seed=9).save(folder)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before
