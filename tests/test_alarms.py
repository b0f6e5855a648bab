"""Every alarm fires on the history it was made for and stays silent on healthy ones; every cure changes something."""

from __future__ import annotations

import numpy as np
import pytest

from playground.alarms import ALARMS, LONG, SUSTAINED, Alarm, check
from playground.knobs import find, settings

KNOBS = {
    "learning_rate_g": 2e-4,
    "learning_rate_d": 2e-4,
    "critic_steps": 1,
    "label_smoothing": 0.0,
    "instance_noise": 0.0,
    "label_flip": 0.0,
    "r1": 0.0,
    "gradient_penalty": 0.0,
    "ema_decay": 0.99,
    "feature_matching": 0.0,
    "objective": "minimax",
    "spectral_norm": False,
    "minibatch": "none",
    "packing": 1,
    "unroll_steps": 0,
    "augment": "none",
}
ALL_ON = {
    "learning_rate_g": 2e-4,
    "learning_rate_d": 2e-4,
    "critic_steps": 5,
    "label_smoothing": 0.1,
    "instance_noise": 0.1,
    "label_flip": 0.05,
    "r1": 1.0,
    "gradient_penalty": 10.0,
    "ema_decay": 0.9999,
    "feature_matching": 1.0,
    "objective": "wasserstein",
    "spectral_norm": True,
    "minibatch": "stddev",
    "packing": 2,
    "unroll_steps": 5,
    "augment": "colour,translation,cutout",
}
TICKS = 200

History = dict[str, np.ndarray]


def healthy(seed: int = 0, ticks: int = TICKS, critic: bool = False, memory: float = 0.8) -> History:
    """A calm game: noisy, correlated, D a little ahead, diversity measured on every tenth tick."""
    rng = np.random.default_rng(seed)

    def wander(mean: float, spread: float) -> np.ndarray:
        values = np.zeros(ticks)
        for at, push in enumerate(rng.normal(0, spread * np.sqrt(1 - memory**2), ticks)):
            values[at] = memory * values[at - 1] + push if at else push
        return mean + values

    grids = np.arange(ticks) % 10 == 0
    history = {
        "step": np.arange(ticks) * 10.0,
        "seconds": np.arange(ticks) * 0.5,
        "loss_d": wander(-2.0, 0.5) if critic else np.abs(wander(1.1, 0.15)),
        "loss_g": wander(3.0, 1.0) if critic else np.abs(wander(1.2, 0.3)),
        "score_real": wander(40.0, 3.0) if critic else np.clip(wander(0.65, 0.05), 0, 1),
        "score_fake": wander(38.0, 3.0) if critic else np.clip(wander(0.35, 0.05), 0, 1),
        "accuracy_d": np.clip(wander(0.75, 0.05), 0, 1),
        "grad_norm_d": np.exp(wander(0.5, 0.5)),
        "grad_norm_g": np.exp(wander(0.0, 0.5)),
        "diversity": np.where(grids, np.minimum(0.15 + np.arange(ticks) / 60, 0.85) + wander(0, 0.02), np.nan),
    }
    return {name: values.astype(np.float32) for name, values in history.items()}


def last(history: History, count: int, **columns: float | np.ndarray) -> History:
    """`history` with the last `count` ticks of some columns replaced (where they were measured)."""
    changed = {name: values.copy() for name, values in history.items()}
    for name, values in columns.items():
        tail = changed[name][-count:]
        tail[:] = np.where(np.isnan(tail), np.nan, values)
    return changed


def sick() -> dict[str, History]:
    """One crafted history for each alarm."""
    rng = np.random.default_rng(1)
    time = np.arange(TICKS)
    base = healthy()
    return {
        "discriminator-won": last(base, 30, loss_d=0.01, accuracy_d=1.0, score_real=0.99, score_fake=0.01),
        "gradient-explosion": last(base, 6, grad_norm_g=500.0),
        "vanishing-gradient": last(base, 30, grad_norm_g=0.004),
        "loss-variance": last(base, 30, loss_d=np.abs(rng.normal(5, 4, 30))),
        "oscillation": {**base, "loss_g": (1.5 + np.sin(time / 2.5) + rng.normal(0, 0.1, TICKS)).astype(np.float32)},
        "diversity-drop": last(base, 60, diversity=0.2),
        "discriminator-guesses": last(base, 80, accuracy_d=0.5, score_real=0.5, score_fake=0.5, diversity=0.4),
    }


def names(alarms: tuple[Alarm, ...]) -> list[str]:
    return [alarm.name for alarm in alarms]


def test_every_alarm_has_a_history_that_raises_it() -> None:
    assert set(sick()) == set(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_fires_on_its_history_and_on_that_only(name: str) -> None:
    alarms = check(sick()[name], KNOBS, critic=False)
    others = {"diversity-drop"} if name == "discriminator-guesses" else set()  # both are about low variety
    assert name in names(alarms)
    assert set(names(alarms)) - {name} <= others
    alarm = next(alarm for alarm in alarms if alarm.name == name)
    assert alarm.title == ALARMS[name].title
    assert alarm.step == (TICKS - 1) * 10
    assert alarm.cures, "a run with everything off has something to switch on"
    assert ALARMS[name].why in alarm.explanation
    assert alarm.explanation.replace("et al.", "").count(". ") <= 2, "at most three sentences"


@pytest.mark.parametrize("critic", [False, True])
@pytest.mark.parametrize("memory", [0.0, 0.8, 0.95])
def test_a_healthy_run_raises_nothing_at_any_length(critic: bool, memory: float) -> None:
    raised = 0
    for seed in range(12):
        history = healthy(seed, critic=critic, memory=memory)
        for ticks in range(1, TICKS, 13):
            raised += bool(check({name: values[:ticks] for name, values in history.items()}, KNOBS, critic=critic))
    assert raised == 0


@pytest.mark.parametrize("name", ALARMS)
def test_a_single_bad_tick_raises_nothing(name: str) -> None:
    good, bad = healthy(), sick()[name]
    one = {column: np.append(good[column][:-1], bad[column][-1:]) for column in good}
    assert names(check(one, KNOBS, critic=False)) == []


@pytest.mark.parametrize("name", ALARMS)
def test_it_ends_when_the_trouble_ends(name: str) -> None:
    bad, good = sick()[name], healthy(7)
    after = {column: np.concatenate([bad[column], good[column][60:]]) for column in bad}
    after["step"] = np.arange(len(after["step"])) * 10.0
    assert names(check(after, KNOBS, critic=False)) == []


@pytest.mark.parametrize("name", ALARMS)
@pytest.mark.parametrize("critic", [False, True])
@pytest.mark.parametrize("knobs", [KNOBS, ALL_ON, {}], ids=["all off", "all on", "no knobs"])
def test_cures_change_something_that_the_run_has(name: str, critic: bool, knobs: dict) -> None:
    for alarm in check(sick()[name], knobs, critic=critic):
        assert len({str(dict(cure.changes)) for cure in alarm.cures}) == len(alarm.cures)
        for cure in alarm.cures:
            assert cure.changes
            assert cure.label
            for knob, value in cure.changes.items():
                assert value != knobs[knob]
                assert find(knob).validate(value) == value
            assert cure.restart == any(not find(knob).live for knob in cure.changes)
            assert cure.restart == ("new run" in cure.label)
            if critic:
                assert not {"label_smoothing", "label_flip"} & set(cure.changes)


def cures(history: History, name: str, critic: bool = False, **knobs: object) -> list[dict]:
    alarm = next(alarm for alarm in check(history, {**KNOBS, **knobs}, critic=critic) if alarm.name == name)
    return [dict(cure.changes) for cure in alarm.cures]


def test_learning_rates_are_scaled_from_their_present_value() -> None:
    history = sick()["discriminator-won"]
    assert {"learning_rate_d": 5e-4} in cures(history, "discriminator-won", learning_rate_d=1e-3)
    history = sick()["discriminator-guesses"]
    assert {"learning_rate_d": 6e-4} in cures(history, "discriminator-guesses", learning_rate_d=3e-4)
    history = sick()["loss-variance"]
    assert {"learning_rate_g": 1e-4, "learning_rate_d": 2e-4} in cures(history, "loss-variance", learning_rate_d=4e-4)


def test_a_rate_at_its_lower_limit_is_not_halved() -> None:
    changes = cures(sick()["discriminator-won"], "discriminator-won", learning_rate_d=find("learning_rate_d").low)
    assert changes
    assert not any("learning_rate_d" in change for change in changes)


@pytest.mark.parametrize("name", ALARMS)
def test_the_real_settings_of_a_run_are_understood(name: str) -> None:
    present = settings()
    alarm = next(alarm for alarm in check(sick()[name], present, critic=False) if alarm.name == name)
    assert alarm.cures
    for cure in alarm.cures:
        changed = settings(present, cure.changes)
        assert changed != present


def test_only_the_exploding_player_is_slowed() -> None:
    both = last(healthy(), 6, grad_norm_g=500.0, grad_norm_d=np.inf)
    one = last(healthy(), 6, grad_norm_g=500.0)
    assert {"learning_rate_d": 1e-4} in cures(both, "gradient-explosion")
    assert {"learning_rate_g": 1e-4} in cures(both, "gradient-explosion")
    assert {"learning_rate_d": 1e-4} not in cures(one, "gradient-explosion")


def test_the_penalty_suits_the_objective() -> None:
    history = sick()["gradient-explosion"]
    assert {"gradient_penalty": 10.0} in cures(history, "gradient-explosion", critic=True)
    assert {"r1": 1.0} in cures(history, "gradient-explosion")
    assert not any({"r1", "gradient_penalty"} & set(change) for change in cures(history, "gradient-explosion", r1=0.5))


def test_saturating_loss_is_replaced_by_the_non_saturating_one() -> None:
    history = sick()["vanishing-gradient"]
    assert {"objective": "non-saturating"} in cures(history, "vanishing-gradient")
    assert {"objective": "non-saturating"} not in cures(history, "vanishing-gradient", objective="non-saturating")


def test_softening_is_taken_back_when_the_discriminator_guesses() -> None:
    history = sick()["discriminator-guesses"]
    changes = cures(history, "discriminator-guesses", label_smoothing=0.2, instance_noise=0.3, r1=50.0)
    assert {"label_smoothing": 0.0, "instance_noise": 0.0} in changes
    assert {"r1": 5.0} in changes


def test_collapse_offers_to_let_the_discriminator_see_several_pictures() -> None:
    changes = cures(sick()["diversity-drop"], "diversity-drop")
    assert {"packing": 2} in changes  # one sample at a time counts as off
    assert {"minibatch": "stddev"} in changes
    assert {"objective": "wasserstein", "gradient_penalty": 10.0, "critic_steps": 5} in changes
    critics = cures(sick()["diversity-drop"], "diversity-drop", critic=True, packing=2, objective="hinge")
    assert {"critic_steps": 5} in critics
    assert not any({"packing", "objective"} & set(change) for change in critics)


def test_a_critic_near_zero_loss_has_not_won() -> None:
    assert names(check(sick()["discriminator-won"], KNOBS, critic=True)) == []


def test_smoothed_labels_lift_the_loss_of_a_winner() -> None:
    # Targets 0.9 and 0: the best D outputs just these, its loss is the entropy of 0.9 = 0.325.
    won = last(healthy(), 30, loss_d=0.33, accuracy_d=1.0, score_real=0.9, score_fake=0.005)
    assert "discriminator-won" in names(check(won, {**KNOBS, "label_smoothing": 0.1}, critic=False))
    assert "discriminator-won" not in names(check(won, KNOBS, critic=False))
    ahead = last(won, 30, score_real=0.7, score_fake=0.2)  # right about all, but far from certain
    assert "discriminator-won" not in names(check(ahead, {**KNOBS, "label_smoothing": 0.1}, critic=False))


def test_guessing_before_varied_pictures_is_the_equilibrium() -> None:
    history = last(healthy(), 80, accuracy_d=0.5, score_real=0.5, score_fake=0.5, diversity=0.95)
    assert names(check(history, KNOBS, critic=False)) == []


def test_diversity_that_is_still_rising_is_no_collapse() -> None:
    history = healthy()
    rising = np.where(np.isnan(history["diversity"]), np.nan, np.linspace(0.02, 0.3, TICKS)).astype(np.float32)
    assert names(check({**history, "diversity": rising}, KNOBS, critic=False)) == []


def test_diversity_that_halves_from_its_peak_is_a_collapse() -> None:
    history = last(healthy(), 60, diversity=0.4)  # above 0.35, but it was 0.85
    assert names(check(history, KNOBS, critic=False)) == ["diversity-drop"]
    always = {**history, "diversity": np.where(np.isnan(history["diversity"]), np.nan, 0.45).astype(np.float32)}
    assert names(check(always, KNOBS, critic=False)) == []


def test_more_variety_than_the_data_sets_no_peak() -> None:
    history = healthy()
    history["diversity"][:60] = np.where(np.isnan(history["diversity"][:60]), np.nan, 1.6)
    assert names(check(last(history, 60, diversity=0.7), KNOBS, critic=False)) == []


def test_a_level_shift_and_a_trend_are_not_erratic() -> None:
    history = healthy()
    history["loss_d"][-10:] += 3
    history["loss_g"] = (history["loss_g"] + np.linspace(0, 20, TICKS)).astype(np.float32)
    assert "loss-variance" not in names(check(history, KNOBS, critic=False))


@pytest.mark.parametrize("seed", range(20))
def test_a_random_walk_is_not_a_rhythm(seed: int) -> None:
    walk = 2 + np.cumsum(np.random.default_rng(seed).normal(0, 0.2, TICKS))
    assert "oscillation" not in names(check({**healthy(), "loss_g": walk}, KNOBS, critic=False))


@pytest.mark.parametrize("history", [{}, {"step": np.zeros(0)}, {"step": np.arange(300.0), "loss": np.ones(300)}])
def test_missing_columns_keep_rules_silent(history: History) -> None:
    assert check(history, KNOBS, critic=False) == ()


@pytest.mark.parametrize("name", ALARMS)
def test_short_histories_are_silent_unless_danger_is_at_once(name: str) -> None:
    short = {column: values[-4:] for column, values in sick()[name].items()}
    assert check(short, KNOBS, critic=False) == ()
    assert SUSTAINED < LONG


def test_networks_without_an_opponent_have_no_collapse() -> None:
    # A variational autoencoder's decoder may be bland, but there is no game to lose.
    history = {name: values for name, values in sick()["diversity-drop"].items() if name in ("step", "diversity")}
    assert check(history, KNOBS, critic=False) == ()
