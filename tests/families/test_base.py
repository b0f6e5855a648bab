"""What all games share: how their discriminators are shown pictures, and who may let G learn several times."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from playground.errors import UsageError
from playground.methods import METHODS
from playground.trainer import Trainer

Make = Callable[..., Trainer]
GAMES = [n for n, m in METHODS.items() if m.family != "supervised" and m.knobs.get("validity", 1.0) > 0]


@pytest.mark.parametrize("preset", GAMES)
def test_instance_noise_falls_to_nothing_in_every_game(make_trainer: Make, preset: str):
    family = make_trainer(preset, instance_noise=0.5, instance_noise_steps=10).family
    pictures = torch.zeros(4, 3, 16, 16)
    spread = {}
    for step in (0, 5, 10):
        family.step = step
        spread[step] = float(family.disguised(pictures).std())
    assert spread[0] == pytest.approx(0.5, rel=0.1) and spread[5] == pytest.approx(0.25, rel=0.1) and spread[10] == 0
    family.settings["instance_noise_steps"] = 0
    assert float(family.disguised(pictures).std()) == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("preset", GAMES)
def test_a_generator_learns_several_times_a_step_or_says_that_it_can_not(make_trainer: Make, preset: str):
    if METHODS[preset].family != "adversarial":
        with pytest.raises(UsageError, match="learns once a step"):
            make_trainer(preset, generator_steps=2)
        with pytest.raises(UsageError, match="learns once a step"):
            make_trainer(preset).change("generator_steps", 2)
        return
    once, twice = make_trainer(preset), make_trainer(preset, generator_steps=2)
    taken = []
    for trainer in (once, twice):
        trainer.step()
        states = trainer.optimisers["G"].state.values()
        taken.append({int(state["step"]) for state in states if "step" in state})
    assert taken == [{1}, {2}]
