"""The supervised family: it learns what it is asked, what is unknown does not count, what is held out stays out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from playground.alarms import check
from playground.data.base import Batch, DataInfo, DrawnStore, ImageStore, split
from playground.errors import UsageError
from playground.estimate import estimate
from playground.families import build_family, describe
from playground.families.supervised import (
    Classifier,
    Reading,
    Supervised,
    binary_columns,
    scores,
)
from playground.methods import METHODS, method_settings
from playground.model import Model, model_of
from playground.recorder import Recorder
from playground.terms import attribute_cross_entropy
from playground.trainer import Trainer

Make = Callable[..., Trainer]
PRESETS = [name for name, method in METHODS.items() if method.family == "supervised"]


@pytest.fixture(scope="module")
def learned(store: ImageStore, tiny: dict[str, Any]) -> dict[str, Trainer]:
    """A trainer of each preset that has had time to learn the three kinds of small pictures."""
    found = {}
    for preset in PRESETS:
        knobs = {**tiny, "width": 8, "batch_size": 16, "steps": 150, "held_out": 0.25, "precision": "float32"}
        found[preset] = Trainer(preset, method_settings(preset, knobs), store)
        found[preset].run(150)
    return found


# --- it learns


@pytest.mark.parametrize("preset", PRESETS)
def test_it_learns_what_it_was_not_shown(learned: dict[str, Trainer], preset: str):
    """From 36 pictures it reads the 12 held out, far better than the third that guessing gets right."""
    trainer = learned[preset]
    test, model = trainer.family.tested(), model_of(trainer)
    assert len(test.images) == 12
    found = scores(model.read(test.images), test)
    assert found["accuracy"] >= 0.75
    if "attribute_error" in found:
        truth = test.attributes
        assert found["attribute_error"] < 0.5 * (truth - truth.mean(0)).abs().mean()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("knobs", [{}, {"architecture": "dcgan"}, {"feature_dim": 12}, {"norm_d": "layer"}], ids=str)
def test_every_weight_learns_and_every_map_is_finer_than_the_next(make_trainer: Make, preset: str, knobs: dict):
    trainer = make_trainer(preset, **knobs)
    network = trainer.players["C"]
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    trainer.run(2)
    assert not [name for name, p in network.named_parameters() if torch.equal(before[name], p)]
    x = torch.zeros(2, 1, 16, 16)
    maps = network.eval().maps(x)
    sides = [m.shape[-1] for m in maps]
    assert sides == sorted(sides, reverse=True) and sides[-1] == 4 and len(set(sides)) == len(sides)
    reading = network(x)
    assert reading.features.shape == (2, knobs.get("feature_dim", trainer.settings.feature_dim) or maps[-1].shape[1])
    assert reading.class_logits.shape == (2, 3)
    assert (reading.attribute_logits is None) == (preset == "classifier")


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_every_size_ends_at_four_by_four(size: int):
    info = DataInfo("x", 3, size, 10, ("a", "b"))
    network = Classifier(method_settings("classifier", {"width": 4}), info).eval()
    maps = network.maps(torch.zeros(1, 3, size, size))
    assert maps[0].shape[-1] == min(size, 32) and maps[-1].shape[-2:] == (4, 4)


# --- losses and scores


def test_the_attribute_loss_is_the_mean_over_what_is_known():
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5], [0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.2], [math.nan, 0.9], [math.nan, math.nan]])
    each = [
        F.binary_cross_entropy_with_logits(torch.tensor(a), torch.tensor(t))
        for a, t in ((0.3, 1.0), (-1.0, 0.2), (0.5, 0.9))
    ]
    torch.testing.assert_close(attribute_cross_entropy(logits, targets), torch.stack(each).mean())
    assert attribute_cross_entropy(logits, torch.full((3, 2), math.nan)) == 0


def test_unknown_attributes_have_no_gradient():
    logits = torch.zeros(2, 3, requires_grad=True)
    targets = torch.tensor([[1.0, math.nan, 0.5], [math.nan, math.nan, 0.0]])
    attribute_cross_entropy(logits, targets).backward()
    assert torch.equal(logits.grad != 0, torch.tensor([[True, False, False], [False, False, True]]))


def test_soft_targets_are_met_at_their_own_value():
    """The loss is least where the probability is the target, not at the nearer end."""
    p = torch.linspace(0.05, 0.95, 19)
    losses = [attribute_cross_entropy(torch.logit(v).view(1, 1), torch.tensor([[0.3]])).item() for v in p]
    assert p[int(np.argmin(losses))] == pytest.approx(0.3)


def test_scores_count_right_answers_among_the_known():
    nan = math.nan
    batch = Batch(torch.zeros(2, 1, 4, 4), torch.tensor([1, 0]), torch.tensor([[1.0, nan], [0.0, 0.25]]))
    logits = torch.logit(torch.tensor([[0.9, 0.9], [0.6, 0.35]]))
    found = scores(Reading(torch.zeros(2, 1), torch.tensor([[0.0, 1.0], [0.0, 1.0]]), logits), batch)
    assert found["accuracy"] == 0.5
    assert found["attribute_accuracy"] == pytest.approx(2 / 3)  # 0.6 for 0 is wrong; 0.9 for an unknown does not count
    assert found["attribute_error"] == pytest.approx((0.1 + 0.6 + 0.1) / 3, abs=1e-6)


def test_which_attributes_are_there_or_not():
    nan = math.nan
    truth = torch.tensor([[0.0, 0.5, 1.0, nan, 1.0], [1.0, 1.0, nan, nan, 1.0]])
    assert binary_columns(truth).tolist() == [True, False, True, False, True]


# --- what is held out


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_pictures_held_out_are_never_taught(make_trainer: Make, store: ImageStore, share: float):
    trainer = make_trainer("classifier", held_out=share, batch_size=4)
    taught, held = split(store, share, trainer.settings.seed)
    assert len(held) == max(2, round(share * 48)) and sorted([*taught.tolist(), *held.tolist()]) == list(range(48))
    seen: list[int] = []
    take = store.take
    trainer.store = type("Spy", (), {"take": lambda self, i: (seen.extend(i.tolist()), take(i))[1]})()
    trainer.run(2 * len(taught) // 4)
    assert set(seen) <= set(taught.tolist()) and len(set(seen)) > 0.9 * len(taught)
    assert torch.equal(trainer.family.tested().images, store.take(held).images)


def test_of_sorted_pictures_every_class_is_held_out(store: ImageStore):
    _, held = split(store, 0.25, 0)
    assert len(store.labels[held].unique()) == 3
    assert not torch.equal(held, split(store, 0.25, 1)[1])


def test_of_a_drawn_set_the_end_is_held_out_and_only_what_is_looked_at_is_drawn(drawn_store, tiny: dict[str, Any]):
    drawn: DrawnStore = drawn_store()
    taught, held = split(drawn, 0.2, 3)
    assert torch.equal(taught, torch.arange(480)) and torch.equal(held, torch.arange(480, 600))
    trainer = Trainer("classifier", method_settings("classifier", {**tiny, "held_out": 0.2}), drawn)
    assert not drawn.drawn.any()
    trainer.run(1)
    trainer.metrics()
    assert drawn.drawn.sum() <= 2 + 1


def test_games_hold_nothing_out(make_trainer: Make):
    trainer = make_trainer("dcgan")
    assert trainer.family.held is None and trainer.sampler.count == 48


# --- changes of the pictures


@pytest.mark.parametrize(
    "knobs", [{}, {"augment": "colour"}, {"augment": "translation"}, {"augment": "cutout"}, {"flip": True}], ids=str
)
def test_views_are_mild_changes_from_the_familys_own_generator(make_trainer: Make, store: ImageStore, knobs: dict):
    trainer = make_trainer("classifier", **{"augment": "none", "instance_noise": 0.0, **knobs})
    images = store.take(torch.arange(16)).images
    state = trainer.generator.get_state()
    torch.manual_seed(0)
    view = trainer.family._view(images)
    trainer.generator.set_state(state)
    torch.manual_seed(1)
    assert torch.equal(view, trainer.family._view(images)) and view.shape == images.shape and view.abs().max() <= 1
    assert torch.equal(view, images) == (knobs == {})
    if knobs.get("augment") == "colour":
        assert 0 < (view - images).abs().mean() < 0.3
    if knobs.get("augment") == "translation":
        for a, b in zip(images, view, strict=True):  # every pixel comes from at most two places away
            near = F.unfold(F.pad(a[None], (2, 2, 2, 2), mode="replicate"), 5)[0]
            assert (near == b.flatten()).any(0).all()


def test_noise_differs_in_strength_from_picture_to_picture(make_trainer: Make):
    trainer = make_trainer("classifier", augment="none", instance_noise=0.4)
    noise = trainer.family._view(torch.zeros(200, 1, 16, 16)).std((1, 2, 3))
    assert noise.min() < 0.05 and 0.3 < noise.max() < 0.5


# --- what is seen of it


@pytest.mark.parametrize("preset", PRESETS)
def test_the_grid_shows_what_it_is_surest_of(learned: dict[str, Trainer], preset: str):
    trainer = learned[preset]
    family, plan = trainer.family, trainer.family.grid_plan()
    assert plan.row_names == ("discs", "squares", "stripes") and plan.columns == 8
    with torch.no_grad():
        shown = family.grid(trainer.averages, 0)
        sure = trainer.averages["C"](shown).class_logits.softmax(1).view(plan.rows, plan.columns, 3)
    for row in range(plan.rows):
        own = sure[row, :, row]
        assert (own.diff() <= 1e-5).all()  # the surest first
    pictures, _ = trainer.sample_grid()
    assert pictures.shape == (24, 16, 16, 3)
    held = {p.numpy().tobytes() for p in family.tested().images}
    assert {p.numpy().tobytes() for p in shown} <= held


def test_without_classes_rows_are_attributes(store: ImageStore, tiny: dict[str, Any]):
    bare = ImageStore(replace(store.info, classes=()), store.pixels, None, store.attributes)
    trainer = Trainer("attribute-classifier", method_settings("attribute-classifier", tiny), bare)
    trainer.run(1)
    assert trainer.family.grid_plan().row_names == ("round", "brightness")
    assert trainer.sample_grid()[0].shape[0] == 16
    assert "accuracy" not in trainer.metrics()


def test_observations_are_of_pictures_held_out_and_leave_the_network_as_it_is(make_trainer: Make):
    trainer = make_trainer("attribute-classifier")
    trainer.run(2)
    before = {name: b.clone() for name, b in trainer.players["C"].named_buffers()}
    seen = trainer.metrics()
    assert {"accuracy", "attribute_accuracy", "attribute_error", "accuracy_taught", "loss_c", "grad_norm_c"} <= set(
        seen
    )
    assert all(torch.equal(before[name], b) for name, b in trainer.players["C"].named_buffers())
    assert trainer.players["C"].training


def test_no_alarm_of_a_game_is_raised_over_a_classifier(make_trainer: Make, tmp_path):
    trainer = make_trainer("classifier", steps=200)
    recorder = Recorder(trainer, tmp_path / "run", tick_seconds=0.0)
    trainer.run(150, (recorder,))
    recorder.finish("finished")
    _, columns = recorder.history.since()
    assert "diversity" not in columns and len(columns["loss_c"]) > 100
    assert check(columns, trainer.settings, critic=recorder.critic) == () == recorder.alarms
    flat = {**columns, "diversity": np.zeros(len(columns["step"])), "grad_norm_c": np.full(len(columns["step"]), 1e4)}
    assert check(flat, trainer.settings, critic=False) == ()


@pytest.mark.parametrize("preset", PRESETS)
def test_it_can_be_estimated_and_sketched(preset: str, store: ImageStore, tiny: dict[str, Any]):
    found = estimate(preset, store.info, tiny)
    assert set(found.parameters) == {"C"} and found.seconds > 0
    ((title, rows),) = describe("supervised", method_settings(preset, tiny), store.info)
    assert title == "Classifier" and sum(row.parameters for row in rows) == found.parameters["C"]


# --- the model


def test_a_model_reads_pictures_of_any_size_and_colour(learned: dict[str, Trainer], store: ImageStore):
    model = model_of(learned["attribute-classifier"])
    assert isinstance(model, Model) and model.kind == "classifier" and model.facts["binary"] == ["round"]
    images = store.take(torch.arange(0, 48, 2)).images
    plain = model.read(images)
    assert plain.class_logits.shape == (24, 3) and plain.attribute_logits.shape == (24, 2)
    assert plain.features.shape[0] == 24 and not plain.features.requires_grad
    colour = model.read(images.expand(-1, 3, -1, -1))
    torch.testing.assert_close(colour.class_logits, plain.class_logits, rtol=1e-4, atol=1e-4)
    large = model.read(F.interpolate(images, (48, 48), mode="nearest"))
    agree = (large.class_logits.argmax(1) == plain.class_logits.argmax(1)).float().mean()
    assert agree > 0.85
    many = model.read(images.repeat(12, 1, 1, 1))  # more than one part
    torch.testing.assert_close(many.features[:24], plain.features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("images", [torch.zeros(3, 16, 16), torch.zeros(2, 2, 16, 16), torch.zeros(0, 1, 16, 16)])
def test_what_is_no_picture_is_refused(learned: dict[str, Trainer], images: torch.Tensor):
    with pytest.raises(UsageError, match="Pictures come as"):
        model_of(learned["classifier"]).read(images)


def test_readers_do_not_draw_and_generators_do_not_read(learned: dict[str, Trainer], make_trainer: Make):
    with pytest.raises(UsageError, match="draws none"):
        model_of(learned["classifier"]).sample(1)
    with pytest.raises(UsageError, match="reads none"):
        model_of(make_trainer("dcgan")).read(torch.zeros(1, 1, 16, 16))


# --- refusals


@pytest.mark.parametrize(
    ("preset", "info", "knobs", "words"),
    [
        ("classifier", {"classes": ()}, {}, "labelled pictures"),
        ("classifier", {"classes": ("one",)}, {}, "labelled pictures"),
        ("classifier", {}, {"auxiliary": 0.0}, "something to learn"),
        ("classifier", {}, {"held_out": 0.0}, "held out"),
        ("classifier", {}, {"architecture": "style"}, "resnet or dcgan"),
        ("classifier", {}, {"architecture": "mlp"}, "resnet or dcgan"),
        ("classifier", {"size": 20}, {}, "not 20"),
        ("attribute-classifier", {"attributes": ()}, {}, "known attributes"),
    ],
)
def test_refusals(store: ImageStore, preset: str, info: dict[str, Any], knobs: dict[str, Any], words: str):
    with pytest.raises(UsageError, match=words):
        build_family("supervised", method_settings(preset, knobs), replace(store.info, **info))


def test_heads_are_not_added_while_it_trains(make_trainer: Make):
    trainer = make_trainer("classifier")
    trainer.change("auxiliary", 0.5)
    for name, value in (("attribute_loss", 1.0), ("auxiliary", 0.0)):
        with pytest.raises(UsageError, match=f"start a new run with {name}"):
            trainer.change(name, value)
    assert isinstance(trainer.family, Supervised)


def test_it_learns_at_the_discriminators_rate(make_trainer: Make):
    trainer = make_trainer("classifier", learning_rate_d=0.02, learning_rate_g=1e-6, rate_decay="constant")
    assert trainer.learning_rate("C") == 0.02
