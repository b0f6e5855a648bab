"""The 1-D lab's engine: p_G is the true pushforward, D meets the best D, closed forms hold, and G learns the target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2, norm
from torch import nn

from playground.errors import UsageError
from playground.knobs import KNOBS
from playground.labs.arena import Arena
from playground.labs.contestant import SHOWN_KNOBS
from playground.labs.divergences import Mixture, compare
from playground.labs.line import BOUNDS, CELL, CENTRES, EDGES, LAYERS, PRESETS, Line, pushforward

ALL = frozenset(LAYERS)
SMALL = {"batch_size": 64}


def line(**options) -> Line:
    return Line(knobs={**SMALL, **options.pop("knobs", {})}, **options)


def make_linear(engine: Line, slope: float, shift: float) -> None:
    """Have G(z) = slope · z + shift, in the units of the line."""
    world = engine.store.info.world
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, slope / world.spread)
    nn.init.constant_(layer.bias, (shift - world.centre[0]) / world.spread)
    for players in (engine.player.trainer.players, engine.player.trainer.averages):
        players["G"].network = nn.Sequential(layer, nn.Unflatten(1, (1, 1, 1)))
    engine.measure(engine.player)


def train_d(engine: Line, steps: int) -> None:
    engine.do("train-d", steps=steps)
    for _ in range(10_000):
        if not engine.running:
            return
        engine.advance(0.5)
    pytest.fail("D never came to an end")


def weights(engine, player: str, contestant: int = 0) -> torch.Tensor:
    network = engine.contestants[contestant].trainer.players[player]
    return torch.cat([p.detach().flatten() for p in network.parameters()])


# --- the change of variables


@pytest.mark.parametrize(
    ("function", "cdf"),
    [
        (lambda z: 0.7 * z + 1, lambda x: norm.cdf(x, 1, 0.7)),
        (lambda z: -2 * z, lambda x: norm.cdf(x, 0, 2)),
        (lambda z: z**2, lambda x: chi2(1).cdf(x)),  # two branches, and G' = 0 between them
        (lambda z: np.abs(z), lambda x: np.where(x > 0, 2 * norm.cdf(x) - 1, 0)),
    ],
)
def test_the_pushforward_is_the_change_of_variables(function, cdf):
    z = np.linspace(-6, 6, 4001)
    found = pushforward(function(z), np.diff(norm.cdf(z)), EDGES)
    assert np.abs(found - cdf(EDGES)).max() < 2e-3
    assert (np.diff(found) >= -1e-12).all()


def test_a_generator_that_is_flat_loses_no_mass():
    found = pushforward(np.full(101, 0.51), np.full(100, 0.01), EDGES)
    assert found[0] == 0 and found[-1] == pytest.approx(1)
    assert np.flatnonzero(np.diff(found) > 0).tolist() == [np.searchsorted(EDGES, 0.51) - 1]


@pytest.mark.parametrize("latent", ["normal", "uniform"])
@pytest.mark.parametrize("latent_dim", [1, 3])
def test_p_g_integrates_to_one_and_is_where_the_samples_are(latent, latent_dim):
    engine = line(knobs={"latent": latent, "latent_dim": latent_dim})
    with torch.no_grad():  # wider than it starts, so that there is a shape to compare
        engine.player.trainer.players["G"].network.output.weight.mul_(6)
    frame = engine.frame(ALL, 0)
    assert frame["exact"] == (latent_dim == 1)
    assert frame["q"].sum() * CELL == pytest.approx(1, abs=1e-3)
    drawn = np.sort(engine.player.fakes(2500).flatten().numpy())
    below = np.searchsorted(drawn, CENTRES + CELL / 2) / len(drawn)
    assert np.abs(below - frame["q"].cumsum() * CELL).max() < 0.05  # Kolmogorov-Smirnov at 2,500 samples: 0.027 at 5 %


# --- closed forms


@pytest.mark.parametrize(("mean", "sigma"), [(2.0, 0.5), (-1.0, 0.3), (0.5, 1.5)])
def test_distances_of_a_linear_generator_are_those_of_two_gaussians(mean, sigma):
    engine = line(means=[0.4], sigmas=[0.6])
    make_linear(engine, sigma, mean)
    told = engine.frame(ALL, 0)["metrics"]
    truth = compare(Mixture((0.4,), (0.6,)), Mixture((mean,), (sigma,))).value
    assert told["mean"] == pytest.approx(mean, abs=5e-3) and told["sigma"] == pytest.approx(sigma, rel=5e-3)
    assert told["w1"] == pytest.approx(truth["w1"], rel=0.01, abs=2e-3)
    assert told["js"] == pytest.approx(truth["js"], abs=2e-3)
    assert told["d_best"] == pytest.approx(2 * math.log(2) - 2 * truth["js"], abs=4e-3)
    assert told["d_equal"] == pytest.approx(math.log(4))


def test_target_numbers_of_a_mixture_are_its_own():
    engine = line(means=[-2, 2], sigmas=[0.5, 1.0], weights=[3, 1])
    told = engine.frame(ALL, 0)["metrics"]
    real = engine.store.pixels
    assert told["target_mean"] == pytest.approx(-1)
    assert float(real.mean()) == pytest.approx(-1, abs=0.03)
    assert told["target_sigma"] == pytest.approx(float(real.std()), rel=0.02)
    assert engine.facts()["p"].sum() * CELL == pytest.approx(1, abs=1e-3)


def test_the_best_discriminator_is_p_over_p_plus_q():
    engine = line(means=[0.5], sigmas=[0.6])
    make_linear(engine, 0.8, -0.3)
    p = engine.facts()["p"]
    q = norm.pdf(CENTRES, -0.3, 0.8)
    near = p + q > 1e-3

    def best() -> np.ndarray:
        return engine.frame(ALL, 0)["best"][near]

    assert np.abs(best() - (p / (p + q))[near]).max() < 0.01
    engine.player.trainer.change("label_smoothing", 0.2)
    assert np.abs(best() - (0.8 * p / (p + q))[near]).max() < 0.01
    engine.player.trainer.change("label_smoothing", 0.0)
    engine.player.trainer.settings["instance_noise"] = 0.5
    wide = [norm.pdf(CENTRES, m, math.hypot(s, 0.5)) for m, s in ((0.5, 0.6), (-0.3, 0.8))]
    assert np.abs(best() - (wide[0] / (wide[0] + wide[1]))[near]).max() < 0.01


#: each objective's least loss, and how near a small D comes to it in 250 turns
OBJECTIVES = (
    ("vanilla-gan", 0.03), ("lsgan", 0.02), ("hinge-gan", 0.2), ("r3gan", 0.3), ("wgan-gp", 0.7), ("ebgan", 0.06),
    ("kl-gan", 0.7),
)  # fmt: skip


@pytest.mark.parametrize(("preset", "close"), OBJECTIVES)
def test_a_discriminator_that_learns_alone_comes_close_to_the_best_and_never_below(preset, close):
    engine = line(preset=preset, means=[0.6], sigmas=[0.6], knobs={"batch_size": 256})
    make_linear(engine, 0.6, -0.2)
    engine.do("look")
    before, first = weights(engine, "G"), engine.player.report
    train_d(engine, 250)
    last = engine.player.report
    assert torch.equal(weights(engine, "G"), before) and engine.player.trainer.step_count == 0
    assert last["d_now"] > last["d_best"] - 0.01  # what no D can beat
    assert last["d_now"] - last["d_best"] < close
    if preset == "vanilla-gan":
        assert last["gap"] < 0.04 < first["gap"]


# --- learning


def test_g_learns_the_mean_and_the_deviation():
    engine = line(means=[1.5], sigmas=[0.5], knobs={"batch_size": 128})
    first = engine.player.report
    engine.do("run")
    means, sigmas = [], []
    for _ in range(400):
        engine.player.step()
        if engine.player.trainer.step_count > 250 and engine.player.trainer.step_count % 10 == 0:
            engine.measure(engine.player)
            means.append(engine.player.report["mean"])
            sigmas.append(engine.player.report["sigma"])
    assert abs(first["mean"] - 1.5) > 1.5 and first["sigma"] < 0.2
    assert abs(np.mean(means) - 1.5) < 0.2
    assert 0.3 < np.mean(sigmas) < 0.7
    assert engine.player.report["w1"] < first["w1"] / 4


def test_the_push_on_a_fake_points_to_the_data():
    for aim in (3.0, -3.0):
        engine = line(means=[aim], sigmas=[0.4])
        train_d(engine, 120)
        frame = engine.frame(ALL, 0)
        mean = frame["metrics"]["mean"]
        assert np.sign(frame["pull"][np.abs(CENTRES - mean).argmin()]) == np.sign(aim - mean)


def test_the_map_shows_where_equally_likely_latents_go():
    engine = line()
    make_linear(engine, 0.5, 1.0)
    frame = engine.frame(ALL, 0)
    assert np.allclose(frame["x"], 0.5 * frame["z"] + 1, atol=1e-5)
    assert np.allclose(np.diff(norm.cdf(frame["z"])), 1 / len(frame["z"]), atol=1e-5)
    assert line(knobs={"latent_dim": 2}).frame(ALL, 0)["x"] is None


# --- everything may be changed at any time


def test_the_target_moves_while_it_runs_and_g_is_not_told():
    engine = line()
    engine.do("run")
    engine.advance(0.01)
    before, version = engine.frame(ALL, 0), engine.version
    engine.do("target", means=[-3, 1], sigmas=[0.3, 0.6], weights=[1, 2])
    frame = engine.frame(ALL, 0)
    assert engine.running and engine.version > version
    assert np.allclose(frame["q"], before["q"]) and np.allclose(frame["d"], before["d"])
    assert engine.facts()["target"] == {"means": [-3, 1], "sigmas": [0.3, 0.6], "weights": [1 / 3, 2 / 3]}
    seen = engine.player.trainer.store.take(torch.arange(5000)).images
    assert float((seen < -1.5).float().mean()) == pytest.approx(1 / 3, abs=0.03)
    engine.advance(0.01)
    engine.do("reset", seed=5)
    assert engine.facts()["target"]["means"] == [-3, 1] and engine.player.trainer.step_count == 0


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"means": [9], "sigmas": [1]}, "means of the target must lie between -5 and 5"),
        ({"means": [0], "sigmas": [0.01]}, "sigmas"),
        ({"means": [0], "sigmas": [0.06]}, "between 0.1 and 2"),
        ({"means": [0, 1], "sigmas": [1]}, "as many"),
        ({"means": [0, 1, 2, 3], "sigmas": [1] * 4}, "3 Gaussians at most"),
        ({"means": [0], "sigmas": [1], "weights": [0]}, "weight"),
        ({"means": [math.nan], "sigmas": [1]}, "finite"),
        ({"means": "left", "sigmas": [1]}, "list"),
        ({"means": [], "sigmas": []}, "list"),
        ({"means": [0]}, "arguments"),
    ],
)
def test_a_target_that_is_none_is_refused_and_the_old_one_stays(target, words):
    engine = line()
    with pytest.raises(UsageError, match=words):
        engine.do("target", **target)
    assert engine.facts()["target"] == {"means": [2], "sigmas": [0.5], "weights": [1]}
    engine.do("step")
    assert engine.player.state == "ok"


def _another(name: str, now):
    knob = KNOBS[name]
    if knob.kind == "bool":
        return not now
    if knob.kind == "choice":
        return next(choice for choice in knob.choices if choice != now)
    usual = {"layers": 1, "width": 24, "latent_dim": 2, "batch_size": 32, "critic_steps": 3, "generator_steps": 2,
             "packing": 2, "unroll_steps": 1}  # fmt: skip
    return usual.get(name, 0.05)


def well_formed(engine: Line) -> None:
    frame = engine.frame(ALL, 0)
    assert frame["state"] == "ok"
    for name in ("q", "d", "pull"):
        assert frame[name].shape == CENTRES.shape and np.isfinite(frame[name]).all(), name
    assert frame["best"] is None or np.isfinite(frame["best"]).all()
    assert (frame["q"] >= 0).all()
    assert all(value is None or math.isfinite(value) for value in frame["metrics"].values())


@pytest.mark.parametrize("name", SHOWN_KNOBS)
def test_every_knob_is_turned_while_it_runs(name):
    engine = line()
    engine.do("run")
    engine.advance(0.01)
    trainer = engine.player.trainer
    value, steps = _another(name, trainer.settings[name]), trainer.step_count
    engine.do("knob", name=name, value=value)
    engine.advance(0.01)
    now = engine.player.trainer
    assert now.settings[name] == value and now.step_count > steps and engine.running
    assert engine.facts()["contestant"]["knobs"][name] == value
    well_formed(engine)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_plays_on_the_line(preset):
    engine = line()
    engine.do("preset", preset=preset)
    engine.do("step")
    engine.do("step", phase="discriminator")
    assert engine.facts()["contestant"]["preset"] == preset and engine.player.trainer.step_count == 1
    well_formed(engine)


def test_training_d_alone_can_be_stopped_and_counts():
    engine = line()
    engine.do("train-d", steps=1000)
    engine.advance(0.02)
    frame = engine.frame(ALL, 0)
    assert 0 < frame["turned"] < frame["turns"] == 1000 and not frame["running"] and engine.running
    engine.do("pause")
    assert not engine.running and engine.frame(ALL, 0)["turns"] == 0
    engine.do("train-d", steps=3)
    engine.do("run")
    engine.advance(0.01)
    assert engine.player.trainer.step_count > 0  # both learn again


@pytest.mark.parametrize(
    "order",
    [
        ("train-d", {"steps": 0}),
        ("train-d", {"steps": "many"}),
        ("train-d", {"steps": 10**9}),
        ("preset", {"preset": "cgan"}),
        ("step", {"phase": "all"}),
        ("knob", {"name": "steps", "value": 3}),
        ("knob", {"name": "width", "value": -1}),
        ("data", {}),
        ("reset", {"seed": "x"}),
        ("speed", {"steps_per_second": math.nan}),
    ],
)
def test_wrong_orders_are_refused_with_a_sentence(order):
    engine = line()
    with pytest.raises(UsageError) as caught:
        engine.do(order[0], **order[1])
    assert str(caught.value)[-1] in ".?" and len(str(caught.value).split()) > 4


@pytest.mark.parametrize("options", [{"preset": "stylegan"}, {"means": [7]}, {"seed": -1}, {"knobs": {"steps": 1}}])
def test_what_can_not_be_opened_says_why(options):
    with pytest.raises(UsageError):
        Line(**options)


def test_a_rate_that_diverges_is_told_and_reset_mends_it():
    wild = {"optimiser": "sgd", "learning_rate_g": 1.0, "learning_rate_d": 1.0, "gradient_penalty": 0.0}
    engine = line(preset="wgan-gp", knobs=wild)
    engine.do("run")
    for _ in range(400):
        engine.advance(0.02)
        if not engine.running:
            break
    frame = engine.frame(ALL, 0)
    assert frame["state"] == "diverged" and "reset" in frame["error"]
    assert np.isfinite(frame["q"]).all() and np.isfinite(frame["d"]).all()
    engine.do("preset", preset="vanilla-gan")
    engine.do("step")
    well_formed(engine)


def test_the_line_is_shown_where_the_target_may_lie():
    facts = line().facts()
    assert facts["bounds"] == list(BOUNDS) and len(facts["xs"]) == len(facts["p"])
    assert facts["limits"]["mean"] < BOUNDS[1]


# --- saturation, on the engine of the 2-D lab


def test_with_g_frozen_the_gradient_of_minimax_vanishes_and_that_of_a_critic_does_not():
    engine = Arena("blobs", ("vanilla-gan-minimax", "vanilla-gan", "wgan-gp"), knobs={"batch_size": 64})
    still = [weights(engine, "G", at) for at in range(3)]
    engine.do("freeze", on=True)
    engine.do("run")
    assert engine.frame(frozenset(), 0)["frozen"]
    pushes: list[list[float]] = [[], [], []]
    for _ in range(400):
        engine.advance(0.01)
        for c, found in zip(engine.contestants, pushes, strict=True):
            found.append(c.arrows()[1])
        if engine.contestants[0].trainer.step_count > 80:
            break
    minimax, non_saturating, critic = (found[-1] / max(found) for found in pushes)
    assert minimax < 0.2
    assert non_saturating > 0.5 and critic > 0.5
    assert pushes[1][-1] > 50 * pushes[0][-1]
    assert all(torch.equal(weights(engine, "G", at), still[at]) for at in range(3))
    engine.do("freeze", on=False)
    engine.advance(0.02)
    assert not torch.equal(weights(engine, "G", 0), still[0])
