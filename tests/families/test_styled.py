"""UNIT and MUNIT: codes that are shared, styles that are chosen, and terms that are what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from playground.errors import UsageError
from playground.model import load_model, model_of
from playground.networks.styles import AdaptiveNorm, StyleCoder, reference_size
from playground.terms import normal_divergence
from playground.trainer import Trainer

Make = Callable[..., Trainer]
Taught = tuple[dict[str, float], dict[str, float], Trainer]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distance(x: torch.Tensor, y: torch.Tensor) -> float:
    return (x - y).abs().mean().item()


# --- networks


def test_adaptive_normalisation_sets_mean_and_deviation():
    style = noise(3, 10)
    out = AdaptiveNorm(5)(7 * noise(3, 5, 16, 16, seed=1) + 2, style)
    scale, shift = style.chunk(2, dim=1)
    assert torch.allclose(out.mean((2, 3)), shift, atol=1e-4)
    assert torch.allclose(out.std((2, 3), correction=0), (1 + scale).abs(), atol=1e-3)


def test_the_content_keeps_places_and_the_style_none():
    coder = StyleCoder(1, 16, 4, blocks=2, style_dim=3)
    content, style = coder.encode(noise(2, 1, 16, 24))
    assert content.shape == (2, 16, 4, 6) and style.shape == (2, 3)
    assert coder.decode(content, style).shape == (2, 1, 16, 24)
    x = noise(1, 1, 32, 32)
    paler = 0.5 * x + 0.4
    assert torch.allclose(coder.content(x), coder.content(paler), atol=1e-2), "contrast and brightness are no content"
    assert not torch.allclose(coder.style(x), coder.style(paler), atol=0.1), "but style"


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 200), (64, 128)), ((200, 100), (128, 64)), ((8, 8), (64, 64)), ((64, 64), (64, 64))]
)
def test_examples_of_a_style_are_brought_to_the_size_of_training(size: tuple[int, int], expected: tuple[int, int]):
    assert reference_size(*size, 64) == expected


# --- UNIT


def test_the_divergence_is_that_of_two_normal_distributions():
    assert normal_divergence(torch.full((2, 3, 4, 4), 2.0)).item() == 2.0
    mean = noise(2, 3, 4, 4)
    expected = kl_divergence(Normal(mean, 1.0), Normal(0.0, 1.0)).mean()
    assert normal_divergence(mean).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_terms_of_unit(make_trainer: Make):
    family = make_trainer("unit", kl=0.5, reconstruction=3.0, cycle=0.0).family
    batch = family.held()
    family.discriminator_terms(batch)
    codes, means, coders = family._codes, family._means, family.players["G"]
    found = family.generator_terms(batch)
    assert set(found) == {f"{term}_{side}" for term in ("adversarial", "image", "kl") for side in "ab"}
    for side, x in (("A", batch.images), ("B", batch.targets)):
        eps = codes[side] - means[side]
        assert abs(eps.mean()) < 0.1 and abs(eps.std() - 1) < 0.1
        with torch.no_grad():
            assert torch.allclose(coders.mean(x, side), means[side], atol=1e-5)
            expected = 3 * distance(coders.decode(codes[side], side), x)
        assert found[f"image_{side.lower()}"].item() == pytest.approx(expected, rel=1e-4)
        expected = 0.25 * means[side].square().mean().item()
        assert found[f"kl_{side.lower()}"].item() == pytest.approx(expected, rel=1e-4)


def test_a_cycle_has_a_divergence_of_its_own(make_trainer: Make):
    family = make_trainer("unit").family
    batch = family.held()
    for kl, terms in ((0.01, {"cycle_a", "cycle_b", "cycle_kl_a", "cycle_kl_b"}), (0.0, {"cycle_a", "cycle_b"})):
        family.settings["kl"] = kl
        family.discriminator_terms(batch)
        assert {name for name in family.generator_terms(batch) if name.startswith("cycle")} == terms


def test_the_inner_layers_are_the_same_for_both_sides(make_trainer: Make):
    trainer = make_trainer("unit")
    trainer.run(2)
    model = model_of(trainer)
    coders = model.modules["G"]
    there, back = (model._translator(direction) for direction in model.directions)
    for part in ("shared_encoder", "shared_decoder"):
        for p, q in zip(getattr(there, part).parameters(), getattr(back, part).parameters(), strict=True):
            assert p is q
    assert not any(p is q for p in there.encoder.parameters() for q in back.encoder.parameters())
    x = noise(1, 1, 16, 16).clamp(-1, 1)
    before = [model.translate(x, direction) for direction in ("AB", "BA")]
    moved = {"shared_encoder": (True, True), "encoders.A": (True, False), "decoders.A": (False, True)}
    for name, expected in moved.items():
        weight = max(coders.get_submodule(name).parameters(), key=torch.numel)
        kept = weight.clone()
        weight += 0.3 * noise(*weight.shape)
        found = [distance(model.translate(x, d), y) > 1e-4 for d, y in zip(("AB", "BA"), before, strict=True)]
        assert tuple(found) == expected, name
        weight.copy_(kept)


def test_a_code_is_translated_by_its_mean(make_trainer: Make):
    model = model_of(make_trainer("unit"))
    x = noise(2, 1, 16, 16).clamp(-1, 1)
    assert not model.has_dropout and model.style_dim == 0
    assert torch.equal(model.translate(x, seed=1), model.translate(x, seed=2))
    coders = model.modules["G"]
    with torch.no_grad():
        assert torch.allclose(model.translate(x, "BA"), coders.decode(coders.mean(x, "B"), "A"), atol=1e-6)


# --- MUNIT


def test_the_terms_of_munit(make_trainer: Make):
    weights = {"reconstruction": 3.0, "content_loss": 2.0, "style_loss": 5.0, "cycle": 7.0}
    family = make_trainer("munit", **weights).family
    batch = family.held()
    family.discriminator_terms(batch)
    a, b, fake_a, fake_b = (x.detach() for x in family._made)
    drawn, first, second = family._drawn, family.players["G_A"], family.players["G_B"]
    found = {name: term.item() for name, term in family.generator_terms(batch).items()}
    with torch.no_grad():
        content, style = first.encode(a)
        assert torch.allclose(fake_b, second.decode(content, drawn[1]), atol=1e-5), "B's style is drawn"
        again = second.content(fake_b)
        expected = {
            "image_a": 3 * distance(first(a), a),
            "image_b": 3 * distance(second(b), b),
            "content_a": 2 * distance(again, content),
            "content_b": 2 * distance(first.content(fake_a), second.content(b)),
            "style_a": 5 * distance(first.style(fake_a), drawn[0]),
            "style_b": 5 * distance(second.style(fake_b), drawn[1]),
            "cycle_a": 7 * distance(first.decode(again, style), a),
        }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert set(found) == {*expected, "cycle_b", "adversarial_a", "adversarial_b"}


def test_terms_without_a_weight_are_left_out(make_trainer: Make):
    family = make_trainer("munit", reconstruction=0, content_loss=0, style_loss=0).family
    batch = family.held()
    family.discriminator_terms(batch)
    assert set(family.generator_terms(batch)) == {"adversarial_a", "adversarial_b"}


@pytest.fixture(scope="module")
def taught(make_trainer: Make) -> Taught:
    """(metrics at the first step, at the last ones, the trainer) of a MUNIT to which its style matters much."""
    quick = {"learning_rate_g": 5e-3, "learning_rate_d": 5e-4, "blocks": 1, "scales": 1, "batch_size": 4}
    trainer = make_trainer("munit", steps=200, style_dim=2, style_loss=30.0, ema_decay=0.9, **quick)
    trainer.run(1)
    first = trainer.metrics()
    trainer.run(80)
    trainer.metrics()
    trainer.run(100)
    return first, trainer.metrics(), trainer


def test_styles_and_pictures_can_be_read_back(taught: Taught):
    first, last, _ = taught
    blind = (2 / torch.pi) ** 0.5  # E|s|: the error of who reads nothing and guesses 0
    for side in "ab":
        assert last[f"term_g_image_{side}"] < 0.75 * first[f"term_g_image_{side}"]
    assert (last["term_g_style_a"] + last["term_g_style_b"]) / 2 / 30 < 0.8 * blind


def test_a_translation_carries_its_style(taught: Taught):
    """What is read from a translation is the style that it was made with, nearer than another style."""
    model, wins = model_of(taught[2]), 0
    with torch.no_grad():
        for direction, pictures in zip(("AB", "BA"), taught[2].family.held_pictures(), strict=True):
            for seed in range(20):
                asked, other = noise(2, 1, 2, seed=seed)
                there = model.translate(pictures[:1], direction, style=asked[0])
                read = model.modules[f"G_{direction[1]}"].style(there)
                wins += int((read - asked).norm() < (read - other).norm())
    assert wins >= 28, wins


def test_the_style_of_an_example_is_read_from_it(make_trainer: Make):
    model = model_of(make_trainer("munit"))
    x, coder = noise(1, 1, 16, 16).clamp(-1, 1), model.modules["G_B"]
    pictures = noise(2, 1, 16, 16, seed=4).clamp(-1, 1)
    with torch.no_grad():
        style = coder.style(pictures[:1])[0]
    assert torch.allclose(model.translate(x, style=pictures[:1]), model.translate(x, style=style.tolist()), atol=1e-5)
    colour = pictures[:1].expand(-1, 3, -1, -1)
    assert torch.allclose(model.translate(x, style=colour), model.translate(x, style=style), atol=1e-5)


def test_the_seed_draws_one_style_for_all_pictures(make_trainer: Make):
    model = model_of(make_trainer("munit"))
    x = noise(3, 1, 16, 16).clamp(-1, 1)
    assert model.has_dropout and model.style_dim == 8
    there = model.translate(x, seed=3)
    assert torch.equal(there, model.translate(x, seed=3)) and distance(there, model.translate(x, seed=4)) > 1e-3
    assert torch.allclose(model.translate(x[1:2], seed=3), there[1:2], atol=1e-5)
    drawn = torch.randn(8, generator=torch.Generator().manual_seed(3))
    assert torch.equal(model.translate(x, style=drawn), there)
    assert torch.equal(model.translate(x, seed=None), model.translate(x, style=[0.0] * 8))
    assert model.translate(x[..., :13, :], "BA", style=drawn).shape == (3, 1, 13, 16)


@pytest.mark.parametrize(
    ("style", "sentence"),
    [
        ([0.0] * 7, "8 numbers"),
        (torch.zeros(2, 8), "8 numbers"),
        ([float("nan")] * 8, "8 numbers"),
        ([1e9] * 8, "8 numbers"),
        ("bold", "8 numbers"),
        (0.5, "8 numbers"),
        (torch.tensor(1.0), "8 numbers"),
        (torch.zeros(2, 1, 16, 16), "one picture, not from 2"),
        (torch.zeros(1, 2, 16, 16), "1 or 3 channels"),
        (torch.zeros(1, 1, 4, 16), "8 × 8"),
    ],
)
def test_what_is_no_style_gets_a_sentence(make_trainer: Make, style: Any, sentence: str):
    model = model_of(make_trainer("munit"))
    with pytest.raises(UsageError, match=sentence):
        model.translate(torch.zeros(1, 1, 16, 16), style=style)


def test_models_without_styles_take_none(make_trainer: Make):
    model = model_of(make_trainer("unit"))
    with pytest.raises(UsageError, match="no styles"):
        model.translate(torch.zeros(1, 1, 16, 16), style=[0.0] * 8)
    assert model_of(make_trainer("dcgan")).style_dim == 0


def test_the_grid_shows_the_same_four_styles_of_every_picture(make_trainer: Make):
    trainer = make_trainer("munit", ema_decay=0.0)
    trainer.run(1)
    family, model = trainer.family, model_of(trainer)
    with torch.no_grad():
        rows = family.grid({name: module.eval() for name, module in trainer.players.items()}, seed=5).split(8)
    assert len(rows) == 12 == len(family.grid_plan().row_names)
    styles = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(5))
    for first, direction, x, drawn in zip((0, 6), ("AB", "BA"), family.held_pictures(), styles, strict=True):
        for i in range(4):
            shown = rows[first + 1 + i][:, :1]
            assert torch.allclose(shown, model.translate(x, direction, style=drawn[i]), atol=1e-4)
        with torch.no_grad():
            assert torch.allclose(rows[first + 5][:, :1], model.modules[f"G_{direction[0]}"](x), atol=1e-4)


# --- saved, and gone on with


@pytest.mark.parametrize("preset", ["unit", "munit"])
def test_a_saved_model_judges_and_begins_another_run(make_trainer: Make, tmp_path: Path, preset: str):
    trainer = make_trainer(preset, seed=1)
    trainer.run(1)
    model = load_model(model_of(trainer).save(tmp_path / "model"))
    x = noise(1, 1, 16, 16).clamp(-1, 1)
    y = model.translate(x, style=x if model.style_dim else None)
    assert torch.equal(y, model_of(trainer).translate(x, style=x if model.style_dim else None))
    assert model.realism(x, y).shape == model.realism(x, y, "BA").shape
    fresh = make_trainer(preset, seed=2)
    fresh.start_from({name: module.state_dict() for name, module in model.modules.items()})
    assert set(model.modules) == set(fresh.players)
    assert torch.equal(model_of(fresh).translate(x, "BA"), model.translate(x, "BA"))
