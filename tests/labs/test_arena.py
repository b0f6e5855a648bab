"""The 2-D lab's engine: steps move whom they should, every knob can be turned at any time, and divergence is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from playground.errors import DataError, UsageError
from playground.knobs import KNOBS
from playground.labs.arena import ARROWS, FAKES, LAYERS, PRESETS, SHOWN_KNOBS, STAGES, SURFACE, Arena

SMALL = {"width": 16, "layers": 2, "batch_size": 64}
ALL = frozenset(LAYERS)


def arena(*presets: str, **options) -> Arena:
    return Arena(presets=presets or ("vanilla-gan",), knobs={**SMALL, **options.pop("knobs", {})}, **options)


def weights(engine: Arena, player: str, contestant: int = 0) -> torch.Tensor:
    return torch.cat(
        [p.detach().flatten() for p in engine.contestants[contestant].trainer.players[player].parameters()]
    )


def seen(engine: Arena, contestant: int = 0, layers: frozenset[str] = ALL) -> dict:
    return engine.frame(layers, 0)["contestants"][contestant]


@pytest.mark.parametrize(("phase", "moves", "stays"), [("discriminator", "D", "G"), ("generator", "G", "D")])
def test_a_half_step_moves_one_player_alone(phase, moves, stays):
    engine = arena()
    before = {player: weights(engine, player) for player in "DG"}
    engine.do("step", phase=phase)
    assert not torch.equal(weights(engine, moves), before[moves])
    assert torch.equal(weights(engine, stays), before[stays])
    assert engine.contestants[0].trainer.step_count == (phase == "generator")


def test_half_steps_make_the_same_step_as_a_whole_one():
    halves, whole = arena("wgan-gp"), arena("wgan-gp")
    for _ in range(3):
        halves.do("step", phase="discriminator")
        halves.do("step", phase="generator")
        whole.do("step", phase="both")
    for player in "DG":
        assert torch.equal(weights(halves, player), weights(whole, player))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_plays_and_is_seen_whole(preset):
    engine = arena(preset)
    for _ in range(2):
        engine.do("step")
    told = seen(engine)
    assert told["state"] == "ok" and told["step"] == 2
    assert told["fake"].shape == (FAKES, 2) and np.isfinite(told["fake"]).all()
    assert told["surface"].shape == (SURFACE**2,) and told["surface"].dtype == np.uint8
    assert told["manifold"].shape == (math.prod(told["manifold_shape"]), 2)
    assert told["arrows"].shape[1] == 4 and 0 < told["arrow_norm"] < math.inf
    assert sum(told["histogram"]["real"]) == sum(told["histogram"]["fake"]) > 0
    assert all(math.isfinite(value) for value in told["losses"].values()) and len(told["losses"]) == 2
    assert 0 <= told["metrics"]["modes"] <= told["metrics"]["modes_total"] == 8
    assert 0 <= told["metrics"]["js"] <= math.log(2) + 1e-9
    assert told["history"]["step"] == [0, 1, 2]


def test_looking_changes_nothing():
    watched, alone = (arena("cgan", knobs={"minibatch": "stddev", "ema_decay": 0.9}) for _ in range(2))
    for _ in range(3):
        watched.do("step")
        seen(watched)
        for c in alone.contestants:
            c.step()
    assert torch.equal(weights(watched, "G"), weights(alone, "G"))


def _another(name: str, now):
    """A value of the knob other than the present one."""
    knob = KNOBS[name]
    if knob.kind == "bool":
        return not now
    if knob.kind == "choice":
        return next(choice for choice in knob.choices if choice != now)
    usual = {"layers": 1, "width": 24, "latent_dim": 1, "batch_size": 32, "critic_steps": 3, "generator_steps": 2,
             "packing": 2, "unroll_steps": 1, "learning_rate_g": 2e-3, "learning_rate_d": 2e-3}  # fmt: skip
    return usual.get(name, 0.05)


@pytest.mark.parametrize("name", SHOWN_KNOBS)
def test_every_knob_is_turned_while_it_runs(name):
    engine = arena("lsgan" if name == "objective" else "vanilla-gan")
    engine.do("run")
    engine.advance(0.01)
    trainer = engine.contestants[0].trainer
    value, steps = _another(name, trainer.settings[name]), trainer.step_count
    engine.do("knob", name=name, value=value)
    engine.advance(0.01)
    now = engine.contestants[0].trainer
    assert now.settings[name] == value and now.step_count > steps and engine.running
    assert engine.facts()["contestants"][0]["knobs"][name] == value
    assert seen(engine)["state"] == "ok"


def test_a_wider_network_keeps_the_weights_it_has():
    engine = arena()
    engine.do("step")
    before = engine.contestants[0].trainer.players["G"].state_dict()
    engine.do("knob", name="width", value=32)
    after = engine.contestants[0].trainer.players["G"].state_dict()
    for key, old in before.items():
        corner = tuple(slice(0, n) for n in old.shape)
        assert torch.equal(after[key][corner], old), key
    assert any(after[key].shape != old.shape for key, old in before.items())


def test_a_knob_that_does_not_fit_is_refused_and_nothing_changes():
    engine = arena(knobs={"batch_size": 64})
    with pytest.raises(UsageError, match="multiple of packing"):
        engine.do("knob", name="packing", value=3)
    assert engine.contestants[0].trainer.settings.packing == 1
    engine.do("step")
    with pytest.raises(UsageError, match="must lie between"):
        engine.do("knob", name="learning_rate_g", value=7.0)
    with pytest.raises(UsageError, match="knob of the lab"):
        engine.do("knob", name="steps", value=7)


def test_a_race_is_run_on_the_same_points_from_the_same_seed():
    engine = arena("vanilla-gan", "vanilla-gan")
    for _ in range(3):
        engine.do("step")
    assert torch.equal(weights(engine, "G", 0), weights(engine, "G", 1))
    engine.do("knob", name="learning_rate_g", value=0.01, contestant=1)
    engine.do("step")
    assert not torch.equal(weights(engine, "G", 0), weights(engine, "G", 1))
    engine.do("add", preset="lsgan")
    assert [c.trainer.step_count for c in engine.contestants] == [0, 0, 0]  # started together
    engine.do("run")
    engine.advance(0.02)
    assert len({c.trainer.step_count for c in engine.contestants}) == 1
    engine.do("remove", contestant=1)
    assert [c.preset for c in engine.contestants] == ["vanilla-gan", "lsgan"]
    with pytest.raises(UsageError, match="no contestant 5"):
        engine.do("remove", contestant=5)


def test_a_rate_that_diverges_is_told_and_reset_mends_it():
    engine = arena(
        knobs={"optimiser": "sgd", "learning_rate_g": 1.0, "learning_rate_d": 1.0, "objective": "wasserstein"}
    )
    engine.do("run")
    for _ in range(400):
        engine.advance(0.02)
        if not engine.running:
            break
    told = seen(engine)
    assert told["state"] == "diverged" and "reset" in told["error"]
    engine.do("knob", name="optimiser", value="adam")
    engine.do("knob", name="learning_rate_g", value=1e-3)
    engine.do("reset")
    engine.do("step")
    assert seen(engine)["state"] == "ok" and seen(engine)["step"] == 1


def test_slow_motion_names_each_stage_and_moves_one_player_in_its_own():
    engine = arena()
    engine.do("slow", on=True, seconds=5.0)
    engine.do("run")
    named, moved = [], {}
    for _ in STAGES:
        before = {player: weights(engine, player) for player in "DG"}
        engine._stage_at = 0.0  # as if it had been seen for long enough
        assert engine.advance(0.01)
        named.append(engine.frame(frozenset(), 0)["stage"])
        moved[named[-1]] = {player for player in "DG" if not torch.equal(weights(engine, player), before[player])}
    assert named == [name for name, _ in STAGES]
    assert moved == {name: {"learn-d": {"D"}, "learn-g": {"G"}}.get(name, set()) for name in named}
    assert not engine.advance(0.01)  # the last one has to be looked at first


def test_arrows_point_where_the_generator_goes():
    engine = arena(knobs={"optimiser": "sgd", "learning_rate_g": 0.05, "learning_rate_d": 0.05})
    for _ in range(20):
        engine.do("step", phase="discriminator")
    before = seen(engine)
    engine.do("step", phase="generator")
    after = seen(engine)
    wanted = before["arrows"][:, 2:]
    went = after["fake"][: len(wanted)] - before["fake"][: len(wanted)]
    assert len(wanted) == ARROWS
    assert (wanted * went).sum() / np.linalg.norm(wanted) / np.linalg.norm(went) > 0.3


def test_data_changes_while_it_runs_and_drawings_are_data():
    engine = arena()
    engine.do("run")
    engine.do("data", data="grid")
    assert engine.facts()["data"]["title"] == "Grid" and seen(engine)["metrics"]["modes_total"] == 25
    rng = np.random.default_rng(0)
    engine.do("data", data="drawing", drawing=rng.uniform(-1, 1, (200, 2)).tolist())
    assert engine.running and seen(engine)["metrics"]["modes"] is None
    engine.do("reset", seed=3)
    assert engine.facts()["data"]["name"] == "drawing"
    for drawing, words in (
        ([[0, 0], [1, 1]], "at least 3"),
        ([[0.5, 0.5]] * 9, "same place"),
        ("abc", "list of points"),
    ):
        with pytest.raises(DataError, match=words):
            engine.do("data", data="drawing", drawing=drawing)
    assert engine.facts()["data"]["name"] == "drawing"  # the old one stays
    with pytest.raises(UsageError, match="grid"):
        engine.do("data", data="gird")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "rings"}, "ring"),
        ({"presets": ["stylegan"]}, "preset for points"),
        ({"presets": []}, "Between one and"),
        ({"presets": ["dcgan"] * 5}, "Between one and"),
        ({"seed": -1}, "seed"),
        ({"knobs": {"steps": 3}}, "knob of the lab"),
        ({"data": "spiral", "presets": ["cgan"]}, "needs classes"),
    ],
)
def test_what_can_not_be_opened_says_why(options, words):
    with pytest.raises(UsageError, match=words):
        Arena(**options)


@pytest.mark.parametrize(
    "order", [("fly", {}), ("step", {"phase": "both", "x": 1}), ("speed", {"steps_per_second": -1})]
)
def test_wrong_orders_are_refused_with_a_sentence(order):
    with pytest.raises(UsageError):
        arena().do(order[0], **order[1])
