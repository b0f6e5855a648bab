"""The adversarial family: who moves when, what may be combined, and what each switch does to the game."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from playground.data.base import Batch, ImageStore
from playground.data.points import load as load_points
from playground.errors import UsageError
from playground.families.adversarial import Adversarial, Made, check_together
from playground.families.players import draw_latents, seeded_latents
from playground.knobs import KNOBS, settings
from playground.methods import METHODS, method_settings
from playground.networks import layers
from playground.objectives import DIVERGENCES, OBJECTIVES
from playground.penalties import PENALTIES
from playground.trainer import Trainer

Make = Callable[..., Trainer]
PRESETS = [name for name, method in METHODS.items() if method.family == "adversarial"]
State = dict[str, torch.Tensor]


def weights(trainer: Trainer, player: str) -> State:
    return {name: p.detach().clone() for name, p in trainer.players[player].named_parameters()}


def moved(before: State, after: State) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def take(trainer: Trainer) -> Batch:
    return trainer.store.take(trainer.sampler.next())


def gradients(trainer: Trainer, losses: dict[str, torch.Tensor], player: str = "G") -> list[torch.Tensor]:
    parameters = list(trainer.players[player].parameters())
    return list(torch.autograd.grad(sum(losses.values()), parameters, retain_graph=True))


# --- who moves


@pytest.mark.parametrize("preset", PRESETS)
def test_a_phase_moves_its_own_players_and_nobody_else(make_trainer: Make, preset: str):
    trainer = make_trainer(preset)
    batch = take(trainer)
    assert {name for phase in trainer.phases for name in phase.players} == set(trainer.players)
    for phase in trainer.phases:
        before = {name: weights(trainer, name) for name in trainer.players}
        trainer._turn(phase, batch)
        for name in trainer.players:
            changed = moved(before[name], weights(trainer, name))
            assert bool(changed) == (name in phase.players), f"{phase.name}: {name}"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_step_moves_every_weight_of_every_player(make_trainer: Make, preset: str):
    trainer = make_trainer(preset, grow=False)  # growing, the layers of larger pictures wait for their turn
    before = {name: weights(trainer, name) for name in trainer.players}
    trainer.step()
    for name, player in before.items():
        still = player.keys() - moved(player, weights(trainer, name))
        if trainer.family.objective.critic:  # only differences of its scores count, so the last shift is free
            still -= {"score_head.bias"}
        if trainer.settings.architecture == "style":  # the doors for smaller pictures serve while it grows
            still = {name for name in still if "_picture.convs" not in name}
        assert not still, f"{name} never learns {still}"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_average_follows_the_generator(make_trainer: Make, preset: str):
    trainer = make_trainer(preset, ema_decay=0.5)
    start = weights(trainer, "G")
    trainer.step()
    decay = min(0.5, 1 / 10)  # warming up
    for name, average in trainer.averages["G"].named_parameters():
        now = dict(trainer.players["G"].named_parameters())[name]
        torch.testing.assert_close(average, decay * start[name] + (1 - decay) * now)
        assert not average.requires_grad


def test_the_critic_moves_several_times_a_step(make_trainer: Make):
    trainer = make_trainer("wgan", critic_steps=3)
    trainer.step()
    steps = {n: next(iter(o.state.values()))["step"].item() for n, o in trainer.optimisers.items()}
    assert steps == {"D": 3, "G": 1} and trainer.images_seen == 3 * 8


# --- what goes together

OBJECTIVE_ROWS: dict[str, dict[str, Any]] = {
    **{name: {"objective": name} for name in OBJECTIVES},
    **{
        f"f-gan {name} {form}": {"objective": "f-gan", "divergence": name, "generator_form": form}
        for name, form in product(DIVERGENCES, ("conjugate", "direct"))
    },
    **{
        f"kl-wgan {form} {detach}": {"objective": "kl-wgan", "kl_form": form, "detach_ratio": detach}
        for form, detach in product(("hinge", "wasserstein"), (False, True))
    },
}
CODES = {"code_categories": 4, "code_continuous": 2, "information": 1.0}
CONDITION_ROWS: dict[str, dict[str, Any]] = {
    "none": {},
    "onehot": {"condition": "onehot"},
    "embedding": {"condition": "embedding"},
    "projection": {"condition": "projection"},
    "auxiliary": {"condition": "onehot", "auxiliary": 1.0},
    "auxiliary and projection": {"condition": "projection", "auxiliary": 1.0},
    "codes": CODES,
    "codes and labels": {**CODES, "condition": "projection"},
}
PENALTY_ROWS: dict[str, dict[str, Any]] = {"none": {}, **{name: {name: 2.0} for name in PENALTIES}}
STABILISER_ROWS: dict[str, dict[str, Any]] = {
    "smoothing": {"label_smoothing": 0.1},
    "noisy labels": {"noisy_labels": True},
    "flipped labels": {"label_flip": 0.2},
    "instance noise": {"instance_noise": 0.1, "instance_noise_steps": 3},
    "augmentation": {"augment": "colour,translation,cutout"},
    "feature matching": {"feature_matching": 1.0},
    "pulling away": {"pulling_away": 0.1},
    "replay": {"replay_buffer": 12},
    "packing": {"packing": 2},
    "unrolling": {"unroll_steps": 2},
    "clipping": {"weight_clip": 0.05},
    "spectral norm": {"spectral_norm": True},
    "minibatch discrimination": {"minibatch": "discrimination"},
    "minibatch deviation": {"minibatch": "stddev"},
    "dropout": {"dropout_g": 0.2},
    "mirroring": {"flip": True},
    "two critic steps": {"critic_steps": 2},
    "no average": {"ema_decay": 0.0},
    "uniform latents": {"latent": "uniform"},
    "layer norm": {"norm_g": "layer", "norm_d": "layer"},
    "batch norm": {"norm_g": "batch", "norm_d": "batch"},
    "rmsprop": {"optimiser": "rmsprop"},
    "sgd": {"optimiser": "sgd", "rate_decay": "linear"},
    "bfloat16": {"precision": "bfloat16"},
}


def forbidden(row: dict[str, Any]) -> bool:
    """The rules once more, on their own: what has no meaning together."""
    labels, codes = "condition" in row, "code_categories" in row
    energy = row["objective"] == "energy"
    targets = row["objective"] in ("minimax", "non-saturating", "least-squares")
    return (
        (bool(row.keys() & {"label_smoothing", "noisy_labels", "label_flip"}) and not targets)
        or (energy and (labels or codes or bool(row.keys() & {"spectral_norm", "minibatch", "weight_clip"})))
        or ("pulling_away" in row and not energy)
        or (bool(row.keys() & {"packing", "replay_buffer"}) and (labels or codes))
        or ({"unroll_steps", "replay_buffer"} <= row.keys())
    )


def rows() -> Iterator[dict[str, Any]]:
    """Objective × condition × penalty with the stabilisers in turn; every pair of an objective, a condition, a penalty
    and a stabiliser; every pair of stabilisers."""
    stabilisers = list(STABILISER_ROWS.values())
    objectives, variants = list(OBJECTIVE_ROWS.values())[: len(OBJECTIVES)], OBJECTIVE_ROWS.values()
    conditions, penalties = CONDITION_ROWS.values(), PENALTY_ROWS.values()
    for i, (objective, condition, penalty) in enumerate(product(objectives, conditions, penalties)):
        yield {**objective, **condition, **penalty, **stabilisers[i % len(stabilisers)]}
    for i, (objective, penalty) in enumerate(product(variants, penalties)):
        yield {**objective, **penalty, **stabilisers[i % len(stabilisers)]}
    for stabiliser in stabilisers:
        for row in (*objectives, *conditions, *penalties):
            yield {"objective": "non-saturating", **row, **stabiliser}
    for one, other in itertools.combinations(stabilisers, 2):
        yield {"objective": "non-saturating", **one, **other}


def test_whatever_may_be_combined_trains_and_the_rest_is_refused_in_a_sentence(make_trainer: Make):
    tried = {"trained": 0, "refused": 0}
    for row in rows():
        if forbidden(row):
            with pytest.raises(UsageError) as caught:
                make_trainer("vanilla-gan", width=4, **row)
            said = str(caught.value)
            assert said[0].isupper() and said.endswith(".") and "\n" not in said
            tried["refused"] += 1
            continue
        trainer = make_trainer("vanilla-gan", width=4, **row)
        trainer.run(2)
        numbers = trainer.metrics()  # raises where one is not finite
        assert {"loss_d", "loss_g", "score_real", "score_fake", "accuracy_d"} <= numbers.keys(), row
        assert all(bool(torch.isfinite(p).all()) for m in trainer.players.values() for p in m.parameters()), row
        tried["trained"] += 1
    assert tried["trained"] > 900 and tried["refused"] > 100


@pytest.mark.parametrize("architecture", KNOBS["architecture"].choices)
@pytest.mark.parametrize("condition", CONDITION_ROWS)
def test_every_architecture_takes_every_condition(make_trainer: Make, architecture: str, condition: str):
    of_points = {"on": load_points("ring", count=256)} if architecture == "points" else {}
    trainer = make_trainer("dcgan", architecture=architecture, **of_points, **CONDITION_ROWS[condition])
    trainer.run(2)
    assert all(math.isfinite(v) for v in trainer.metrics().values())
    pictures, diversity = trainer.sample_grid()
    plan = trainer.family.grid_plan()
    side = 256 if of_points else 16  # points make one picture together
    assert pictures.shape == (plan.rows * plan.columns, side, side, 3) and diversity >= 0


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"auxiliary": 1.0}, "needs a condition"),
        ({"information": 1.0}, "needs codes"),
        ({"packing": 3}, "multiple of packing"),
        ({"code_categories": 1}, "2 or more values"),
        ({"condition": "onehot", "architecture": "mlp", "norm_g": "instance"}, "'mlp' does not come with 'instance'"),
    ],
)
def test_other_refusals(make_trainer: Make, knobs: dict[str, Any], words: str):
    with pytest.raises(UsageError, match=words):
        make_trainer("dcgan", **knobs)


def test_labels_are_needed_by_conditions_only(store: ImageStore):
    unlabelled = replace(store.info, classes=())
    check_together(settings(), unlabelled)
    with pytest.raises(UsageError, match="'shapes16' has none"):
        check_together(settings({"condition": "onehot"}), unlabelled)


# --- live knobs


def test_a_live_knob_is_checked_against_the_others_and_the_networks(make_trainer: Make):
    trainer = make_trainer("wgan")
    with pytest.raises(UsageError, match="need targets"):
        trainer.change("label_smoothing", 0.1)
    assert trainer.settings.label_smoothing == 0 and trainer.changes == []
    with pytest.raises(UsageError, match="class head"):
        make_trainer("cgan").change("auxiliary", 1.0)
    with pytest.raises(UsageError, match="class head"):  # a checkpoint would no longer fit its own settings
        make_trainer("acgan").change("auxiliary", 0.0)
    trainer = make_trainer("acgan")
    trainer.change("auxiliary", 0.1)
    trainer.step()
    assert trainer.settings.auxiliary == 0.1


# --- fakes, and what D is shown of them


@pytest.mark.parametrize("knobs", [{}, {"condition": "onehot"}, CODES, {"dropout_g": 0.3}], ids=str)
def test_reusing_the_fakes_gives_the_gradient_of_a_fresh_forward(make_trainer: Make, knobs: dict[str, Any]):
    trainer = make_trainer("dcgan", **knobs)
    family, batch, start = trainer.family, take(trainer), trainer.generator.get_state()
    trainer._turn(trainer.phases[0], batch)  # D moves in between, as in a step
    assert family._made is not None
    reused = gradients(trainer, family.generator_terms(batch))
    assert family._made is None  # used once
    trainer.generator.set_state(start)
    fresh = gradients(trainer, family.generator_terms(batch))
    assert all(torch.equal(a, b) for a, b in zip(reused, fresh, strict=True))


def test_with_several_critic_steps_the_generator_answers_with_fresh_fakes(make_trainer: Make):
    trainer = make_trainer("wgan", critic_steps=2)
    trainer.family.discriminator_terms(take(trainer))
    assert trainer.family._made is None


def seen_by_d(trainer: Trainer) -> list[torch.Tensor]:
    """Collects what D is called with from now on."""
    seen: list[torch.Tensor] = []
    trainer.players["D"].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    return seen


def test_packing_shows_several_samples_at_once(make_trainer: Make):
    trainer = make_trainer("dcgan", packing=4)
    seen = seen_by_d(trainer)
    batch = take(trainer)
    trainer._turn(trainer.phases[0], batch)
    assert [tuple(x.shape) for x in seen] == [(2, 4, 16, 16)] * 2
    assert torch.equal(seen[0].reshape(8, 1, 16, 16), batch.images)
    assert trainer.family.observations()["score_real"].shape == ()
    assert trainer.family.histograms()["real"].shape == (2,)


def test_mirroring_turns_about_half_of_the_real_pictures(make_trainer: Make):
    trainer = make_trainer("dcgan", flip=True, batch_size=48)
    seen = seen_by_d(trainer)
    batch = take(trainer)
    trainer._turn(trainer.phases[0], batch)
    as_they_are = (seen[0] == batch.images).flatten(1).all(1)
    turned = (seen[0] == batch.images.flip(3)).flatten(1).all(1)
    assert bool((as_they_are | turned).all())
    assert 8 <= int((turned & ~as_they_are).sum()) <= 40


def test_instance_noise_falls_as_the_steps_go_by(make_trainer: Make):
    trainer = make_trainer("dcgan", instance_noise=0.5, instance_noise_steps=4)
    found = []
    for step in range(6):
        trainer.family.step = step
        flat = torch.zeros(8, 1, 16, 16)
        found.append(trainer.family._view(flat).std().item())
    assert np.allclose(found, [0.5, 0.375, 0.25, 0.125, 0, 0], atol=0.03)


def test_augmentation_is_of_the_view_not_of_the_fakes(make_trainer: Make):
    trainer = make_trainer("dcgan", augment="cutout")
    batch = take(trainer)
    seen = seen_by_d(trainer)
    trainer._turn(trainer.phases[0], batch)
    assert not torch.equal(seen[0], batch.images)
    cut = (seen[0] == 0) & (batch.images != 0)
    assert 0.1 < cut.float().mean() < 0.3  # a quarter of the picture, less where it hangs over the border


def test_the_replay_buffer_mixes_past_fakes_in(make_trainer: Make):
    trainer = make_trainer("dcgan", replay_buffer=8)
    seen = seen_by_d(trainer)
    for _ in range(4):
        trainer.step()
    firsts = seen[1].flatten(1)  # real, fake, G's fake: three calls a step
    later = torch.cat([seen[3 * step + 1].flatten(1) for step in (1, 2, 3)])
    again = (later[:, None] == firsts[None]).all(2).any(0).sum()
    assert 1 <= int(again) <= 8 and len(trainer.family.buffer) == 8
    assert not torch.equal(seen[4], seen[5])  # G itself is judged by its present pictures


def test_clipped_weights_stay_within_their_bound(make_trainer: Make):
    trainer = make_trainer("wgan", learning_rate_d=0.1)
    for _ in range(3):
        trainer.step()
        assert max(p.abs().max().item() for p in trainer.players["D"].parameters()) <= 0.01
    trainer.change("weight_clip", 0.005)
    trainer.step()
    assert max(p.abs().max().item() for p in trainer.players["D"].parameters()) <= 0.005


def test_spectral_normalisation_holds_the_slope_of_every_layer(make_trainer: Make):
    trainer = make_trainer("sngan", condition="projection", learning_rate_d=0.05)
    trainer.run(6)
    values = trainer.family.singular_values()
    assert len(values) >= 4 and any("projection" in name for name in values)
    assert trainer.metrics()["sigma_max"] == pytest.approx(max(v.item() for v in values.values()))


def test_penalties_and_terms_are_named_and_weighted(make_trainer: Make):
    trainer = make_trainer("wgan-gp", critic_steps=1)
    batch, state = take(trainer), trainer.generator.get_state()
    ten = trainer.family.discriminator_terms(batch)
    assert list(ten) == ["adversarial", "gradient_penalty"]
    trainer.generator.set_state(state)
    trainer.change("gradient_penalty", 5.0)
    five = trainer.family.discriminator_terms(batch)
    torch.testing.assert_close(ten["gradient_penalty"], 2 * five["gradient_penalty"])
    torch.testing.assert_close(ten["adversarial"], five["adversarial"])


# --- unrolling


def unrolled(make: Make, steps: int, **knobs: Any) -> Trainer:
    return make("unrolled-gan", unroll_steps=steps, learning_rate_d=1e-2, **knobs)


def test_without_steps_ahead_an_unrolled_gan_is_a_plain_one(make_trainer: Make):
    plain = make_trainer("dcgan", norm_d="none", learning_rate_d=1e-2)
    none = unrolled(make_trainer, 0)
    for trainer in (plain, none):
        trainer.run(3)
    assert all(
        torch.equal(a, b) for a, b in zip(weights(plain, "G").values(), weights(none, "G").values(), strict=True)
    )


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_looking_ahead_changes_g_and_leaves_d_as_it_is(make_trainer: Make, norm: str):
    trainer = unrolled(make_trainer, 3, norm_d=norm)
    batch, start = take(trainer), trainer.generator.get_state()
    before = copy.deepcopy(trainer.players["D"].state_dict())
    ahead = gradients(trainer, trainer.family.generator_terms(batch))
    after = trainer.players["D"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None for p in trainer.players["D"].parameters())
    trainer.change("unroll_steps", 0)
    trainer.generator.set_state(start)
    today = gradients(trainer, trainer.family.generator_terms(batch))
    assert any(not torch.allclose(a, b, rtol=1e-3) for a, b in zip(ahead, today, strict=True))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize(
    "knobs", [{}, {"r1": 1.0}, {"objective": "hinge", "beta1": 0.0}, {"condition": "projection"}], ids=str
)
def test_the_opponent_is_d_after_that_many_real_adam_steps(make_trainer: Make, steps: int, knobs: dict[str, Any]):
    trainer = unrolled(make_trainer, steps, **knobs)
    family, batch = trainer.family, take(trainer)
    s = trainer.settings
    label = batch.labels if family.labelled else None
    made = family._make(label, 8)
    ahead = family._opponent(batch.images, made.images, made)

    twin = copy.deepcopy(trainer.players["D"])
    adam = torch.optim.Adam(twin.parameters(), lr=s.learning_rate_d, betas=(s.beta1, s.beta2))
    for _ in range(steps):
        adam.zero_grad()
        losses, _, _ = family._discriminator_terms(twin, batch.images, made.images.detach(), label, made)
        sum(losses.values()).backward()
        adam.step()
    with torch.no_grad():
        expected, today = twin(batch.images, label).score, trainer.players["D"](batch.images, label).score
    torch.testing.assert_close(ahead(batch.images, label).score, expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(today, expected, atol=1e-3)  # the steps were of some length


def test_the_gradient_through_the_steps_is_that_of_finite_differences(make_trainer: Make):
    trainer = unrolled(make_trainer, 2, architecture="mlp", norm_g="none")
    family, batch = trainer.family, take(trainer)
    for player in trainer.players.values():
        player.double()
    real = batch.images.double()
    fake = torch.randn(8, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).tanh()

    def loss(at: torch.Tensor) -> torch.Tensor:
        return family.objective.generator(family._opponent(real, at, Made(at, None, None))(at).score)

    start = fake.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(start), start)
    way = torch.randn(fake.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    step = 1e-8  # Adam's first steps follow the signs of gradients, which a longer one would turn here and there
    slope = (loss(fake + step * way) - loss(fake - step * way)) / (2 * step)
    assert slope.item() == pytest.approx((gradient * way).sum().item(), rel=1e-4)


def test_the_steps_ahead_follow_the_schedule(make_trainer: Make):
    """At the end of a falling schedule the look-ahead stands still too."""
    trainer = unrolled(make_trainer, 2, rate_decay="linear")
    family, batch = trainer.family, take(trainer)
    family.step = family.total_steps = 10
    made = family._make(None, 8)
    ahead = family._opponent(batch.images, made.images, made)
    assert torch.equal(ahead(batch.images).score, trainer.players["D"](batch.images).score)


# --- latents and the grid


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_latents(latent: str):
    knobs = settings({"latent": latent, "latent_dim": 50})
    z = draw_latents(knobs, 4000, torch.Generator().manual_seed(0), torch.device("cpu"))
    seeded = torch.from_numpy(seeded_latents(knobs, 4000, 0))
    for drawn in (z, seeded):
        assert drawn.shape == (4000, 50) and drawn.dtype == torch.float32
        assert abs(drawn.mean().item()) < 0.01
        assert drawn.std().item() == pytest.approx(1.0 if latent == "normal" else 1 / math.sqrt(3), abs=0.01)
        assert latent == "normal" or drawn.abs().max() <= 1
    assert np.array_equal(seeded_latents(knobs, 7, 0), seeded[:7].numpy())
    assert not np.array_equal(seeded_latents(knobs, 7, 1), seeded[:7].numpy())


@pytest.mark.parametrize("threshold", [0.05, 0.7, 2.0])
def test_truncated_latents_are_redrawn_within_the_bound(threshold: float):
    knobs = settings({"latent_dim": 20})
    z, free = seeded_latents(knobs, 200, 3, threshold), seeded_latents(knobs, 200, 3)
    assert np.abs(z).max() <= threshold
    inside = np.abs(free) <= threshold
    assert np.array_equal(z[inside], free[inside])  # what was within stays
    assert z.std() > 0.4 * threshold  # redrawn, not clamped to one place or the border
    assert (np.abs(z) > 0.999 * threshold).mean() < 0.05


@pytest.mark.parametrize("preset", PRESETS)
def test_the_grid_is_fixed_by_its_seed(make_trainer: Make, preset: str):
    trainer = make_trainer(preset, dropout_g=0.2)
    family, plan = trainer.family, trainer.family.grid_plan()
    with torch.no_grad():
        grids = [family.grid(trainer.averages, seed) for seed in (0, 0, 1)]
    assert grids[0].shape == (plan.rows * plan.columns, 1, 16, 16) and grids[0].abs().max() <= 1
    assert torch.equal(grids[0], grids[1]) and not torch.equal(grids[0], grids[2])


class Called(torch.nn.Module):
    """A generator that draws nothing and remembers what it was asked for."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, z, label=None, codes=None):
        self.z, self.label, self.codes = z, label, codes
        return torch.zeros(len(z), 1, 16, 16)


def asked(trainer: Trainer) -> Called:
    called = Called()
    trainer.family.grid({"G": called}, 0)
    return called


@pytest.mark.parametrize("preset", ["cgan", "acgan"])
def test_conditional_grids_have_one_row_a_class(make_trainer: Make, preset: str):
    trainer = make_trainer(preset)
    plan = trainer.family.grid_plan()
    assert (plan.rows, plan.row_names) == (3, ("discs", "squares", "stripes"))
    label = asked(trainer).label.view(plan.rows, plan.columns)
    assert torch.equal(label, torch.arange(3)[:, None].expand(3, plan.columns))


def test_infogan_grids_have_one_row_a_category(make_trainer: Make):
    trainer = make_trainer("infogan")
    plan = trainer.family.grid_plan()
    assert plan.rows == 10 and plan.row_names[3] == "code 3"
    codes = asked(trainer).codes
    assert torch.equal(codes[:, :10].argmax(1).view(10, -1), torch.arange(10)[:, None].expand(10, plan.columns))
    assert codes[:, 10:].std() > 0.3  # the sliders vary


def test_unconditional_grids_differ_from_place_to_place(make_trainer: Make):
    z = asked(make_trainer("dcgan")).z
    assert len(torch.unique(z, dim=0)) == len(z) == 64


def test_dropout_stays_on_in_the_sampled_networks(make_trainer: Make):
    """It is a source of variety like z: off at sampling, G would draw what D has never judged."""
    trainer = make_trainer("dcgan", dropout_g=0.5)
    generator = trainer.averages["G"].eval()
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        drawn = []
        for seed in (0, 0, 1):
            layers.set_generator(generator, torch.Generator().manual_seed(seed))
            drawn.append(generator(z))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


# --- what is observed


def test_scores_are_probabilities_for_a_classifier_and_raw_for_a_critic(make_trainer: Make):
    for preset, bounded in (("dcgan", True), ("wgan-gp", False), ("ebgan", False)):
        trainer = make_trainer(preset)
        trainer.step()
        seen, raw = trainer.family.observations(), trainer.family.histograms()
        expected = torch.sigmoid(raw["real"]).mean() if bounded else raw["real"].mean()
        torch.testing.assert_close(seen["score_real"], expected)
        assert 0 <= seen["accuracy_d"] <= 1


def test_accuracy_is_the_share_of_pairs_put_in_order(make_trainer: Make):
    family = make_trainer("dcgan").family
    assert isinstance(family, Adversarial)
    family._scores = {"real": torch.tensor([2.0, 0.0]), "fake": torch.tensor([1.0, -1.0])}
    assert family.observations()["accuracy_d"].item() == 0.75


def test_all_presets_run_in_bfloat16(make_trainer: Make):
    for preset in PRESETS:
        trainer = make_trainer(preset, precision="bfloat16")
        trainer.run(2)
        assert all(math.isfinite(v) for v in trainer.metrics().values()), preset
        assert all(p.dtype == torch.float32 for p in trainer.players["G"].parameters())


def test_settings_of_presets_keep_their_own_numbers_in_tests(tiny: dict[str, Any]):
    """The tiny settings shrink networks and batches; what makes a preset what it is stays."""
    for name, method in METHODS.items():
        values = method_settings(name, tiny)
        assert all(values[k] == v for k, v in method.knobs.items() if k not in tiny)


def test_d_is_told_the_class_beside_its_class_head_only_by_a_projection(make_trainer: Make):
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    one, other = torch.zeros(3, dtype=torch.int64), torch.ones(3, dtype=torch.int64)
    for condition, told in (("onehot", False), ("embedding", False), ("projection", True)):
        judge = make_trainer("dcgan", condition=condition, auxiliary=1.0).players["D"].eval()
        with torch.no_grad():
            first, second = judge(x, one), judge(x, other)
        assert torch.equal(first.score, second.score) is not told, condition
        assert torch.equal(first.class_logits, second.class_logits), "what names the class has not been told it"
