"""CoGAN: layers that are shared, pairs from one z, and two sets learned from their marginals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from playground.data.base import Side
from playground.errors import UsageError
from playground.families import build_family
from playground.families.coupled import Coupled
from playground.latent.space import LatentSpace
from playground.methods import METHODS, method_settings
from playground.model import load_model, model_of
from playground.trainer import Trainer

Make = Callable[..., Trainer]


@pytest.fixture
def coupled(make_trainer: Make) -> Trainer:
    trainer = make_trainer("cogan")
    trainer.run(2)
    return trainer


def test_a_phase_moves_its_player_alone_and_all_of_it(coupled: Trainer):
    batch = coupled.store.take(torch.arange(8))
    for phase in coupled.phases:
        before = {name: [p.detach().clone() for p in m.parameters()] for name, m in coupled.players.items()}
        coupled._turn(phase, batch)
        for name, module in coupled.players.items():
            still = [torch.equal(a, b) for a, b in zip(before[name], module.parameters(), strict=True)]
            assert not any(still) if name in phase.players else all(still), (phase.name, name)


@torch.no_grad()
def test_generators_share_their_first_layers_and_discriminators_their_last(coupled: Trainer):
    g, d = coupled.players["G"].eval(), coupled.players["D"].eval()
    z, x = torch.randn(4, 8), torch.randn(4, 1, 16, 16)
    moves = [
        (g.shared, True, True, lambda: g.pair(z)),
        (g.last_a, True, False, lambda: g.pair(z)),
        (g.last_b, False, True, lambda: g.pair(z)),
        (d.shared, True, True, lambda: (d(x, "A"), d(x, "B"))),
        (d.first_a, True, False, lambda: (d(x, "A"), d(x, "B"))),
        (d.first_b, False, True, lambda: (d(x, "A"), d(x, "B"))),
    ]
    for part, of_a, of_b, ask in moves:
        weight, before = next(part.parameters()), ask()
        kept = weight.clone()
        weight += 1
        after = ask()
        assert [not torch.equal(p, q) for p, q in zip(before, after, strict=True)] == [of_a, of_b]
        weight.copy_(kept)
    own = {id(p) for part in (g.last_a, g.last_b) for p in part.parameters()}
    assert own.isdisjoint({id(p) for p in g.shared.parameters()}), "a side's own layers are its own"
    assert [p is q for p, q in zip(g.network.parameters(), g.shared.parameters(), strict=False)] == [True] * len(
        list(g.shared.parameters())
    )


@pytest.mark.parametrize(("size", "own"), [(16, 1), (32, 2), (64, 2)])
def test_how_much_is_shared(store_for: Callable[..., Any], size: int, own: int):
    info = store_for("cogan").info
    info = replace(info, size=size, sides=tuple(replace(side, size=size) for side in info.sides))
    family = build_family("coupled", method_settings("cogan", {"width": 4}), info)
    g, d = family.players["G"], family.players["D"]
    assert len(g.last_a) == len(g.last_b) == 2 and len(g.shared) >= 2
    assert len(d.first_a) == len(d.first_b) == own and "score" in dict(d.shared.named_children())


def test_a_pair_comes_from_one_z(coupled: Trainer, tmp_path: Path):
    model = model_of(coupled)
    a, b = model.sample_pair(5, seed=3)
    assert a.shape == b.shape == (5, 1, 16, 16) and not torch.equal(a, b)
    assert torch.equal(a, model.sample(5, seed=3)), "a sample is the A of its pair"
    few = model.sample_pair(2, seed=3)
    assert torch.equal(few[0], a[:2]) and torch.equal(few[1], b[:2])
    many = model.sample_pair(70, seed=3)
    assert len(many[1]) == 70 and torch.equal(many[1][:5], b)
    z = LatentSpace(model).z_samples(5, seed=3)
    with torch.no_grad():
        assert torch.allclose(model.modules["G"].pair(z)[1], b, atol=1e-5)
    loaded = load_model(model.save(tmp_path / "model"))
    assert all(torch.equal(p, q) for p, q in zip(loaded.sample_pair(5, seed=3), (a, b), strict=True))


def test_wrong_pairs_get_a_sentence(coupled: Trainer, make_trainer: Make):
    model = model_of(coupled)
    for options, sentence in (({"n": 0}, "number of samples"), ({"seed": -1}, "seed")):
        with pytest.raises(UsageError, match=sentence):
            model.sample_pair(**options)
    for other in ("dcgan", "cyclegan", "classifier"):
        with pytest.raises(UsageError, match="no two sides"):
            model_of(make_trainer(other)).sample_pair(1)


def test_a_column_of_the_grid_is_a_pair(coupled: Trainer):
    plan = coupled.family.grid_plan()
    pictures, diversity = coupled.sample_grid()
    assert plan.row_names == ("A", "B") * 4 and pictures.shape[:3] == (64, 16, 16) and diversity > 0
    rows = torch.from_numpy(pictures[..., 0].copy()).view(8, 8, 16, 16)
    a, b = model_of(coupled).sample_pair(32, seed=coupled.settings.seed)
    for first, side in ((0, a), (1, b)):
        expected = side[:, 0].add(1).mul(127.5).round().view(4, 8, 16, 16)
        assert (rows[first::2] - expected).abs().max() <= 1


def test_the_diversity_is_that_of_one_side(coupled: Trainer):
    images = torch.zeros(64, 1, 16, 16)
    images[8:16] = images[24:32] = 1.0  # collapsed on both sides, to pictures that differ from side to side
    drawn, real = coupled.family.diversity(images)
    assert len(drawn) == 32 and drawn.std() == 0 and real.std() > 0


def test_each_side_learns_its_own_set(make_trainer: Make):
    """A shows the negatives of B: brighter pictures, of which no pair was ever shown."""
    trainer = make_trainer("cogan", width=8, learning_rate_g=2e-3, learning_rate_d=1e-3, ema_decay=0.9, steps=120)
    trainer.run(120)
    a, b = model_of(trainer).sample_pair(32)
    batch = trainer.store.take(torch.arange(48))
    wanted = (batch.images.mean() - batch.targets.mean()).item()
    assert (a.mean() - b.mean()).item() > 0.5 * wanted > 0.2


@pytest.mark.parametrize("objective", ["least-squares", "hinge", "relativistic", "kl-wgan", "f-gan"])
def test_other_objectives_and_what_goes_with_them(make_trainer: Make, objective: str):
    knobs = {"spectral_norm": True, "flip": True, "augment": "translation", "instance_noise": 0.1}
    trainer = make_trainer("cogan", objective=objective, minibatch="stddev", critic_steps=2, **knobs)
    trainer.run(2)
    numbers = trainer.metrics()
    assert all(value == value for value in numbers.values())
    assert {"term_d_adversarial_a", "term_g_adversarial_b", "accuracy_d", "sigma_max"} <= set(numbers)


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"architecture": "mlp"}, "set architecture to dcgan"),
        ({"objective": "energy"}, "scores, not energies"),
        ({"r1": 1.0}, "don't know r1: set it to 0"),
        ({"condition": "onehot"}, "don't know condition: set it to none"),
        ({"packing": 2}, "don't know packing: set it to 1"),
    ],
)
def test_settings_that_do_not_go_together(make_trainer: Make, knobs: dict[str, Any], sentence: str):
    with pytest.raises(UsageError, match=sentence):
        make_trainer("cogan", **knobs)


def test_nor_while_it_runs(coupled: Trainer):
    with pytest.raises(UsageError, match="don't know r1"):
        coupled.change("r1", 1.0)
    assert coupled.settings.r1 == 0
    coupled.change("instance_noise", 0.1)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (Side("larger", 1, 32), "differ in size or colour"),
        (Side("colour", 3, 16), "differ in size or colour"),
        (Side("map", 1, 16, ("a", "b"), ((0, 0, 0), (9, 9, 9))), "label maps"),
    ],
)
def test_sides_must_be_alike(store_for: Callable[..., Any], other: Side, sentence: str):
    info = store_for("cogan").info
    with pytest.raises(UsageError, match=sentence):
        Coupled(method_settings("cogan"), replace(info, sides=(other, info.sides[1])))
    assert METHODS["cogan"].kind == "generator"
