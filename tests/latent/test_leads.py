"""Leads: the mean change that goes with an attribute, all else equal, and walks that begin with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from playground.latent import leads
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace
from playground.latent.steer import LEAD_SHARES, steer, steer_batch

Spaces = Callable[..., LatentSpace]

TANGLED = torch.eye(6)
TANGLED[1, 0] = 0.8  # the right panel follows z 0 nearly as much as its own z 1


def test_a_change_is_of_its_attribute_alone(panels: Spaces, guide: Reader):
    space = panels(TANGLED)
    alone, along = (leads.mean_changes(space, guide, "z", ["right"], held, 400)[0] for held in (["left"], []))
    assert alone[1] > 1.0, "the right panel's own number rises"
    assert abs(alone[0]) < 0.25 * alone[1], "the number that would turn the left one stays"
    assert along[0] > 0.5 * along[1], "the difference of two means takes it along"
    assert alone[2:].abs().max() < 0.3 and along[2:].abs().max() < 0.3


def test_what_is_seldom_seen_teaches_nothing(panels: Spaces, guide: Reader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leads, "LEAST", 300)
    assert not leads.mean_changes(panels(), guide, "z", ["left"], [], 400).any()


def test_pictures_are_read_once_a_space_and_reader(panels: Spaces, guide: Reader, judge: Reader):
    space = panels()
    first = leads.readings(space, guide, "z", 50)
    assert leads.readings(space, guide, "z", 50) is first
    assert leads.readings(space, judge, "z", 50) is not first and leads.readings(panels(), guide, "z", 50) is not first
    assert first[0].latents.shape == (50, 6) and first[1].shape == (50, 3)


def test_a_walk_of_small_steps_gets_there_by_its_lead(panels: Spaces, guide: Reader, judge: Reader):
    """Three steps of 0.1 are too short for a panel to turn over; the first may be a lead instead."""
    space = panels(TANGLED)
    z = space.z_samples(24, 5)
    side = judge(space.draw(z)) > 0.5
    options = {"hold": ["left"], "step_size": 0.1, "steps": 3}
    turned = []
    for lead in (0, 400):
        path = steer_batch(space, z, guide, {"right": (~side[:, 1]).float()}, lead=lead, **options)
        after = judge(space.draw(path.latents[-1])) > 0.5
        turned.append(float((after[:, 1] != side[:, 1]).float().mean()))
        if lead:
            assert (after[:, 0] == side[:, 0]).float().mean() > 0.9, "what is held stays"
    assert turned[0] < 0.3 and turned[1] > 0.9, turned


def test_a_lead_is_taken_only_where_it_helps(panels: Spaces, guide: Reader):
    z = torch.tensor([2.5, -1.0, 0, 0, 0, 0])
    assert len(steer(panels(), z, guide, {"left": 1.0}, margin=1.0, lead=200).latents) == 1, "it is there already"
    plain, led = (steer(panels(), z, guide, {"level": 0.5}, steps=20, lead=lead) for lead in (0, 200))
    assert torch.equal(plain.latents, led.latents), "a matter of degree has no two sides to learn from"


def test_a_led_step_is_a_share_of_the_change_and_counts_as_one(panels: Spaces, guide: Reader):
    space, z = panels(), torch.tensor([-1.0, 1.0, 0.3, 0.5, -0.5, 1.5])
    change = leads.mean_changes(space, guide, "z", ["left"], ["right", "level"], 400)[0]
    path = steer(space, z, guide, {"left": 1.0}, hold=["right", "level"], step_size=0.05, steps=1, lead=400)
    assert len(path.latents) == 2
    # cut short where it leads out of where latents are, so only its direction is exact before that
    share = float((path.latents[1] - z) @ change / change.square().sum())
    assert 0.3 < share <= max(LEAD_SHARES) + 1e-6
