"""Families of translators: each phase moves its players alone, the terms are what they say, and they learn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from playground.data.base import Batch, DataInfo, ImageStore, PairStore, Side, label_numbers, split
from playground.data.registry import open_data
from playground.errors import UsageError
from playground.families import build_family
from playground.families.paired import shrink
from playground.families.sides import encode, mirrored, paint
from playground.methods import METHODS, method_settings
from playground.model import Model, model_of
from playground.trainer import Trainer

Make = Callable[..., Trainer]
TRANSLATORS = [name for name, method in METHODS.items() if method.kind == "translator"]
JUDGED = [name for name in TRANSLATORS if METHODS[name].knobs.get("validity", 1.0) > 0]


@pytest.mark.parametrize("preset", TRANSLATORS)
def test_a_phase_moves_its_players_alone_and_all_of_them(make_trainer: Make, preset: str):
    trainer = make_trainer(preset)
    batch = trainer.store.take(torch.arange(8))
    for phase in trainer.phases:
        before = {name: [p.detach().clone() for p in m.parameters()] for name, m in trainer.players.items()}
        trainer._turn(phase, batch)
        for name, module in trainer.players.items():
            still = [torch.equal(a, b) for a, b in zip(before[name], module.parameters(), strict=True)]
            assert not any(still) if name in phase.players else all(still), (phase.name, name)


@pytest.mark.parametrize("preset", TRANSLATORS)
def test_the_grid_shows_inputs_outputs_and_targets(make_trainer: Make, preset: str):
    trainer = make_trainer(preset)
    trainer.run(1)
    plan = trainer.family.grid_plan()
    pictures, diversity = trainer.sample_grid()
    assert len(pictures) == plan.rows * plan.columns == len(plan.row_names) * plan.columns
    assert pictures.shape[1:] == (16, 16, 3) and diversity > 0
    rows = pictures.reshape(plan.rows, plan.columns, 16, 16, 3)
    held = trainer.family.tested()
    side = trainer.store.info.sides[0] if trainer.store.info.sides else None
    if preset == "srgan":  # shown with its own pixels
        assert (rows[0][:, ::4, ::4] == rows[0][:, 3::4, 3::4]).all()
    else:
        at = torch.arange(plan.columns) % len(held.images)
        expected = paint(held.images[at], side).permute(0, 2, 3, 1).add(1).mul(127.5).round()
        assert (torch.from_numpy(rows[0].copy()) - expected).abs().max() <= 1


def test_what_is_held_out_is_not_taught(make_trainer: Make):
    trainer = make_trainer("cyclegan", held_out=0.25)
    store = trainer.store
    taught, held = split(store, 0.25, 0)
    sides_taught, sides_held = store.partners(taught), store.partners(held)
    for a, b in zip(sides_taught, sides_held, strict=True):
        assert not set(a.tolist()) & set(b.tolist())
    assert len(set(sides_held[0].tolist())) == 12 and len(set(sides_taught[0].tolist())) == 36


@pytest.mark.parametrize(
    ("preset", "steps", "least"), [("pix2pix", 120, 0.5), ("unet-segmentation", 80, 0.5), ("spade", 120, 0.5)]
)
def test_it_learns_from_pairs(make_trainer: Make, preset: str, steps: int, least: float):
    """The error on pairs it was not shown falls to less than half of what it was."""
    rates = {"learning_rate_g": 2e-3, "learning_rate_d": 2e-4}
    trainer = make_trainer(preset, width=8, batch_size=8, steps=steps, **rates)
    errors = []
    for _ in range(2):
        x, y = trainer.family._held_pairs(8)
        model = model_of(trainer)
        errors.append(float((model.translate(x, seed=None).mean(1) - y.mean(1)).abs().mean()))
        trainer.run(steps)
    assert errors[1] < least * errors[0], errors


def test_a_cycle_comes_back(make_trainer: Make):
    trainer = make_trainer("cyclegan", width=8, steps=100, learning_rate_g=2e-3, batch_size=4)
    trainer.run(1)
    first = trainer.metrics()
    trainer.run(80)
    trainer.metrics()
    trainer.run(100)  # these show the mean over the last twenty steps
    last = trainer.metrics()
    for name in ("term_g_cycle_a", "term_g_cycle_b", "term_g_identity_a", "term_g_identity_b"):
        assert last[name] < 0.75 * first[name], name


def test_super_resolution_begins_as_bicubic_and_loses_nothing(make_trainer: Make):
    model = model_of(make_trainer("srgan"))
    y = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    small = shrink(y, 4)
    assert small.shape == (3, 1, 8, 8) and model.scale == 4
    plain = torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic", align_corners=False).clamp(-1, 1)
    assert (model.translate(small) - plain).abs().mean() < 0.05


# --- the terms


def test_the_reconstruction_is_the_mean_distance_times_its_weight(make_trainer: Make):
    trainer = make_trainer("pix2pix", reconstruction=7.0, validity=0.5, dropout_g=0.0)
    batch = trainer.store.take(torch.arange(4))
    trainer.family.discriminator_terms(batch)
    fake = trainer.family._fake.detach()
    found = trainer.family.generator_terms(batch)
    assert found["reconstruction"].item() == pytest.approx(7 * (fake - batch.targets).abs().mean().item(), rel=1e-5)
    assert set(found) == {"adversarial", "reconstruction"}


def test_feature_matching_is_nil_for_the_truth_itself(make_trainer: Make):
    trainer = make_trainer("pix2pix", feature_matching=1.0)
    batch = trainer.store.take(torch.arange(4))
    trainer.family._seen, trainer.family._fake = (batch.images, batch.targets), batch.targets.clone().requires_grad_()
    assert trainer.family.generator_terms(batch)["feature_matching"].item() == pytest.approx(0, abs=1e-6)


def test_detail_counts_more_where_the_target_has_it(make_trainer: Make):
    """By octaves, a translator that leaves detail out loses more than one that puts it where there is none."""
    trainer = make_trainer("pix2pix", detail=4.0)
    flat = torch.zeros(2, 3, 32, 32)
    speck = flat.clone()
    speck[:, :, 12:14, 12:14] = 1.0
    distance = trainer.family._distance
    assert distance(flat, flat) == 0
    assert distance(flat, speck) > 1.5 * distance(speck, flat)
    plain = make_trainer("pix2pix").family._distance
    assert plain(flat, speck) == plain(speck, flat)
    trainer.step()
    assert trainer.metrics()["term_g_reconstruction"] > 0


@pytest.mark.parametrize(
    ("preset", "reader"),
    [("pix2pix", "features-v1"), ("srgan", "features-v1"), ("pix2pix", "faces-attributes")],
)
def test_the_perceptual_term_is_nil_for_the_truth_and_leads_to_it(make_trainer: Make, preset: str, reader: str):
    trainer = make_trainer(preset, perceptual=2.0, perceptual_by=reader, validity=0.0, reconstruction=0.0)
    assert trainer.family.extractor.name == reader
    batch = trainer.store.take(torch.arange(4))
    truth = batch.images if batch.targets is None else batch.targets
    near, far = (truth.clone().add_(amount).requires_grad_() for amount in (0.0, 0.5))
    found = []
    for fake in (near, far):
        trainer.family._seen, trainer.family._fake = (batch.images, truth), fake
        found.append(trainer.family.generator_terms(batch)["perceptual"])
    assert found[0].item() == pytest.approx(0, abs=1e-6) and found[1].item() > 0.01
    assert torch.autograd.grad(found[1], far)[0].abs().sum() > 0
    trainer.step()
    assert set(trainer.metrics()) >= {"term_g_perceptual"}, "it is enough to learn from"


def test_a_label_map_has_no_features():
    store = open_data("faces-segmentation", size=16, max_images=16)
    for weight in (1.0, 0.0):
        knobs = method_settings("unet-segmentation", {"size": 16, "perceptual": weight})
        with pytest.raises(UsageError, match="perceptual") if weight else nullcontext():
            Trainer("unet-segmentation", knobs, store)


def test_identity_and_cycle_can_be_left_out(make_trainer: Make):
    trainer = make_trainer("cyclegan", identity=0.0, cycle=0.0)
    batch = trainer.store.take(torch.arange(4))
    trainer.family.discriminator_terms(batch)
    assert set(trainer.family.generator_terms(batch)) == {"adversarial_a", "adversarial_b"}


@pytest.mark.parametrize("preset", JUDGED)
@pytest.mark.parametrize("objective", ["non-saturating", "least-squares", "hinge", "kl-wgan", "f-gan", "relativistic"])
def test_every_objective_judges_patches(make_trainer: Make, preset: str, objective: str):
    trainer = make_trainer(preset, objective=objective)
    trainer.run(1)
    assert all(value == value for value in trainer.metrics().values())


# --- sides


def test_label_maps_come_back_from_pictures_and_colours():
    side = Side("map", 1, 8, ("a", "b", "c"), ((0, 0, 0), (255, 0, 0), (0, 0, 255)))
    numbers = torch.arange(64).view(1, 8, 8) % 3
    x = numbers[:, None] / 127.5 - 1
    assert torch.equal(label_numbers(x), numbers)
    hot = encode(x, side)
    assert (
        hot.shape == (1, 3, 8, 8)
        and torch.equal(hot.argmax(1), numbers)
        and torch.equal(hot.sum(1), torch.ones(1, 8, 8))
    )
    assert torch.equal(paint(x, side), paint(hot, side))
    assert paint(x, side)[0, :, 0, 1].tolist() == [1.0, -1.0, -1.0]


def test_pairs_are_mirrored_together():
    x = torch.arange(64, dtype=torch.float32).view(16, 1, 2, 2)
    a, b = mirrored((x, x + 100), torch.Generator().manual_seed(0), together=True)
    assert torch.equal(b - a, torch.full_like(x, 100))
    turned = (a != x).flatten(1).any(1)
    assert 0 < turned.sum() < 16
    c, d = mirrored((x, x), torch.Generator().manual_seed(0), together=False)
    assert not torch.equal(c, d)


# --- translating


@pytest.fixture
def translator(make_trainer: Make) -> Model:
    trainer = make_trainer("pix2pix")
    trainer.run(2)
    return model_of(trainer)


def test_any_size_goes_through_and_only_what_is_padded_changes(translator: Model):
    x = torch.rand(2, 1, 19, 37, generator=torch.Generator().manual_seed(1)) * 2 - 1
    there = translator.translate(x, seed=None)
    assert there.shape == (2, 1, 19, 37) and translator.multiple == 8
    assert torch.equal(
        translator.translate(x[..., :16, :16], seed=None), translator.translate(x[..., :16, :16], seed=None)
    )
    colour = x.expand(-1, 3, -1, -1)
    assert torch.allclose(translator.translate(colour, seed=None), there, atol=1e-5)


def test_a_seed_fixes_what_is_dropped(translator: Model):
    x = torch.rand(1, 1, 16, 16) * 2 - 1
    assert translator.has_dropout
    assert torch.equal(translator.translate(x, seed=4), translator.translate(x, seed=4))
    assert not torch.equal(translator.translate(x, seed=4), translator.translate(x, seed=5))
    assert not torch.equal(translator.translate(x, seed=4), translator.translate(x, seed=None))
    assert torch.equal(translator.translate(x, seed=4), translator.translate(x, seed=4)), (
        "no dropout once, not for ever"
    )


@pytest.mark.parametrize(
    ("x", "options", "sentence"),
    [
        (torch.zeros(1, 1, 4, 40), {}, "too small"),
        (torch.zeros(1, 2, 16, 16), {}, "1 or 3 channels"),
        (torch.zeros(16, 16), {}, "1 or 3 channels"),
        (torch.zeros(1, 1, 16, 16), {"direction": "BA"}, "Unknown direction"),
        (torch.zeros(1, 1, 16, 16), {"seed": -1}, "seed"),
        (torch.zeros(1, 1, 16, 16), {"style": [1.0]}, "no styles"),
    ],
)
def test_wrong_input_gets_a_sentence(translator: Model, x: torch.Tensor, options: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        translator.translate(x, **options)


def test_labels_out_of_range_get_a_sentence(make_trainer: Make):
    model = model_of(make_trainer("spade"))
    assert model.translate(torch.ones(1, 16, 16, dtype=torch.int64)).shape == (1, 1, 16, 16)
    with pytest.raises(UsageError, match="numbers 0 to 1"):
        model.translate(torch.full((1, 16, 16), 2))
    white = torch.ones(1, 3, 16, 16)
    assert torch.equal(model.translate(white), model.translate(torch.ones(1, 16, 16, dtype=torch.int64)))


@pytest.mark.parametrize("preset", TRANSLATORS)
def test_realism_is_a_map_of_shares(make_trainer: Make, preset: str):
    trainer = make_trainer(preset)
    trainer.run(1)
    model = model_of(trainer)
    side = model.side()
    least = max(8, side.size)
    x = trainer.store.take(torch.arange(2)).images[:, :, :least, :least]
    y = model.translate(x)
    found = model.realism(x, y)
    if preset not in JUDGED:
        assert found is None
    else:
        assert found.dim() == 3 and 0 <= found.min() <= found.max() <= 1


def test_other_models_do_not_translate(make_trainer: Make):
    model = model_of(make_trainer("dcgan"))
    assert model.directions == ()
    with pytest.raises(UsageError, match="choose a translator"):
        model.translate(torch.zeros(1, 1, 16, 16))
    with pytest.raises(UsageError, match="choose a generator"):
        model_of(make_trainer("pix2pix")).sample(1)


# --- data and settings that do not go together


def test_one_sided_methods_refuse_two_sides(store_for: Callable[[str], ImageStore]):
    for preset in ("dcgan", "classifier"):
        info = replace(store_for("pix2pix").info, classes=("a", "b"))
        with pytest.raises(UsageError, match="two sides"):
            build_family(METHODS[preset].family, method_settings(preset, {"width": 4}), info)


@pytest.mark.parametrize(
    ("preset", "knobs", "sentence"),
    [
        ("pix2pix", {"validity": 0, "reconstruction": 0}, "Nothing is left"),
        ("pix2pix", {"translator": "spade"}, "starts from a label map"),
        ("pix2pix", {"objective": "energy"}, "scores, not energies"),
        ("pix2pix", {"r1": 1.0}, "no gradient penalties"),
        ("pix2pix", {"held_out": 0}, "held out"),
        ("cyclegan", {"translator": "upscaler"}, "resnet or unet"),
        ("cyclegan", {"validity": 0}, "adversarial loss"),
        ("cyclegan", {"held_out": 0}, "held out"),
    ],
)
def test_settings_that_do_not_go_together(make_trainer: Make, preset: str, knobs: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        make_trainer(preset, **knobs)


def test_virtual_pairs_show_every_picture_equally_often():
    info = DataInfo("two", 1, 8, 8, sides=(Side("a", 1, 8), Side("b", 1, 8)))
    store = PairStore(info, torch.zeros(3, 8, 8, 1, dtype=torch.uint8), torch.zeros(5, 8, 8, 1, dtype=torch.uint8))
    a, b = store.partners(torch.arange(len(store)))
    assert torch.bincount(b).tolist() == [store.MEETINGS] * 5
    counts = torch.bincount(a)
    assert len(counts) == 3 and counts.max() < 1.3 * counts.min()
    assert len({(int(i), int(j)) for i, j in zip(a, b, strict=True)}) == 15, "everybody meets everybody"
    assert isinstance(store.take(torch.arange(4)), Batch)
