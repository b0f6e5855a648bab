"""Steering: what was asked for happens, the rest stays, a second classifier agrees, latents stay where latents are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from playground.errors import UsageError
from playground.latent.directions import cloud
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace
from playground.latent.steer import held_names, measure_steering, steer, steer_batch

Spaces = Callable[..., LatentSpace]

TANGLED = torch.eye(6)
TANGLED[1, 0] = 0.8  # the right panel follows z 0 nearly as much as its own z 1


def test_a_judge_sees_the_target_flip_and_the_rest_stay(panels: Spaces, guide: Reader, judge: Reader):
    """The figures that the steering of faces has to reach, where moving one thing alone takes two numbers."""
    found = measure_steering(panels(TANGLED), guide, judge, count=40)
    assert [r.attribute for r in found] == ["left", "right"]
    for result in found:
        assert result.flipped >= 0.9 and result.worst <= 0.1 and 0 < result.steps <= 20 and result.count == 40
    assert set(found[0].held) == {"right"} and set(found[1].held) == {"left"}


def test_without_the_hold_the_rest_goes_along(panels: Spaces, guide: Reader, judge: Reader):
    space, seen = panels(TANGLED), []
    held, loose = (
        measure_steering(space, guide, judge, ["right"], 40, hold_weight=weight, on_attribute=seen.append)[0]
        for weight in (1.0, 0.0)
    )
    assert loose.worst > held.worst + 0.1 and loose.flipped >= 0.9
    assert seen == [held, loose]


def test_the_rest_of_the_picture_stays_where_no_reader_names_it(panels: Spaces, guide: Reader):
    """The lower half goes along with the left panel; another number of z can make up for it."""
    along = torch.eye(6)
    along[2, 0] = 1.0
    space, z = panels(along), torch.tensor([[-1.0, 0.5, 0.2, 0.1, 0.1, 0.1], [-0.6, -0.5, 0.4, 0.1, 0.1, 0.1]])
    before, moved, bright = space.draw(z), [], []
    for weight in (0.0, 0.5):
        path = steer_batch(space, z, guide, {"left": 1.0}, None, picture_weight=weight, steps=40)
        after = space.draw(path.latents[-1])
        assert path.reached.all()
        moved.append((after - before)[:, :, 8:].abs().mean().item())
        bright.append((after - before)[:, :, :8, :8].mean().item())
    assert moved[0] > 0.5 and moved[1] < 0.2 * moved[0], "the lower half"
    assert min(bright) > 0.5, "the left panel itself is free to change"


def test_a_hold_that_bars_the_way_is_eased_until_the_target_is_there(
    panels: Spaces, guide: Reader, monkeypatch: pytest.MonkeyPatch
):
    """What is read as "right" drops between the two sides of "left", and is the same on both."""

    class Barred:
        names, binary, device = ("left", "right"), (True, True), guide.device

        index, related = names.index, staticmethod(lambda name: frozenset())

        def logits(self, images: torch.Tensor) -> torch.Tensor:
            left = images[:, 0, :8, :8].mean((1, 2))
            return torch.stack([6 * left, 3 - 3 * torch.exp(-((left / 0.5) ** 2))], dim=1)

    space, z = panels(), torch.tensor([[-1.0, 0.5, 0.2, 0.1, 0.1, 0.1]])
    options = {"hold_weight": 2.0, "margin": 3.0, "steps": 60, "step_size": 0.3, "views": 1}
    path = steer_batch(space, z, Barred(), {"left": 1.0}, **options)
    before, after = path.readings[[0, -1], 0, 1].tolist()
    assert path.reached.all() and after == pytest.approx(before, abs=0.05)
    assert path.readings[:, 0, 1].min() < 0.6, "it went through where the hold would not have it"
    monkeypatch.setattr("playground.latent.steer._EASED", 1.0)
    assert not steer_batch(space, z, Barred(), {"left": 1.0}, **options).reached.any()


def test_the_path(panels: Spaces, guide: Reader):
    space = panels()
    z = torch.tensor([-1.0, 1.0, 0.3, 0.5, -0.5, 1.5])
    seen: list[tuple[int, int]] = []

    def on_step(step: int, steps: int, latents: torch.Tensor, readings: torch.Tensor) -> None:
        assert latents.shape == (1, 6) and readings.shape == (1, 3)
        seen.append((step, steps))

    path = steer(space, z, guide, {"left": 1.0}, step_size=0.4, steps=50, on_step=on_step)
    taken = len(path.latents) - 1
    assert 3 < taken <= 50 and seen == [(k, 50) for k in range(1, taken + 1)]
    assert path.latents.shape == (taken + 1, 6) and path.readings.shape == (taken + 1, 3)
    assert path.names == guide.names and path.reached.shape == () and path.reached
    assert torch.equal(path.latents[0], z)
    assert path.readings[0, 0] < 0.2 and path.readings[-1, 0] > 0.9
    torch.testing.assert_close(path.readings[-1], guide(space.draw(path.latents[-1:]))[0], atol=1e-4, rtol=1e-4)
    assert ((path.latents[1:] - path.latents[:-1]).norm(dim=1) <= 0.4 * 1.1).all()
    again = steer(space, z[None], guide, {"left": 1.0}, step_size=0.4, steps=50)
    assert torch.equal(path.latents, again.latents)


def test_what_is_there_already_takes_no_step(panels: Spaces, guide: Reader):
    path = steer(panels(), torch.tensor([2.5, -1.0, 0, 0, 0, 0]), guide, {"left": 1.0}, margin=1.0)
    assert len(path.latents) == 1 and path.reached


@pytest.mark.parametrize("value", [0.25, 0.6, 0.8])
def test_a_matter_of_degree_is_met(panels: Spaces, guide: Reader, value: float):
    path = steer_batch(panels(), panels().z_samples(12, 3), guide, {"level": value}, steps=40)
    assert path.reached.float().mean() > 0.9
    assert ((path.readings[-1, :, 2] - value).abs() < 0.06).float().mean() > 0.9


def test_several_at_once_and_one_a_latent(panels: Spaces, guide: Reader, judge: Reader):
    space = panels()
    z = space.z_samples(16, 6)
    left = (torch.arange(16) % 2).float()
    path = steer_batch(space, z, guide, {"left": left, "right": 0.0}, steps=40)
    read = judge(space.draw(path.latents[-1])) > 0.5
    assert (read[:, 0] == left.bool()).float().mean() >= 0.9 and (~read[:, 1]).float().mean() >= 0.9


def test_a_batch_is_its_rows(panels: Spaces, guide: Reader):
    space = panels()
    z = space.z_samples(4, 2)
    many = steer_batch(space, z, guide, {"left": 1.0}, steps=15)
    for i in range(4):
        one = steer(space, z[i], guide, {"left": 1.0}, steps=15)
        torch.testing.assert_close(many.latents[-1, i], one.latents[-1], atol=1e-3, rtol=1e-3)
        assert bool(many.reached[i]) == bool(one.reached)
    resting = (many.latents[1:] == many.latents[:-1]).all(dim=2)
    assert all(bool(column[int(column.float().argmax()) :].all()) for column in resting.T if column.any())


# --- latents stay where latents are


def test_normal_z_keeps_a_usual_length(panels: Spaces, guide: Reader):
    space = panels()
    path = steer_batch(space, space.z_samples(16), guide, {"left": 1.0, "right": 0.0}, margin=20.0, anchor=0.0)
    lengths = path.latents.norm(dim=2)
    low, high = lengths[0].clamp(max=6**0.5), lengths[0].clamp(min=6**0.5)
    assert ((lengths >= low - 1e-3) & (lengths <= high + 1e-3)).all()
    assert (lengths[-1] > lengths[0] + 0.1).any()  # though the margin can't be had, only short ones grew


def test_uniform_z_stays_in_its_cube(panels: Spaces, guide: Reader):
    space = panels(latent="uniform")
    path = steer_batch(space, space.z_samples(8), guide, {"left": 1.0}, margin=20.0, anchor=0.0)
    assert path.latents.abs().max() <= 1.0001 and (path.latents[-1, :, 0] > 0.9).all()


def test_w_stays_in_its_cloud(styled: LatentSpace, guide: Reader):
    spread = cloud(styled, "w")
    w = styled.w_samples(8)
    path = steer_batch(styled, w, guide, {"left": 1.0}, None, margin=20.0, steps=30, step_size=5.0, anchor=0.0)
    reach = spread.to_round(w).norm(dim=1).clamp(min=styled.w_dim**0.5)
    assert (spread.to_round(path.latents[-1]).norm(dim=1) <= reach * 1.01).all()
    assert (path.latents[-1] - w).norm(dim=1).min() > 0.1


# --- where and how


def test_styles_can_be_steered_in_w_in_some_layers_and_in_z(styled: LatentSpace, guide: Reader):
    w, z = styled.w_samples(6, seed=4), styled.z_samples(6, seed=4)
    start = guide(styled.draw(w))[:, 0]
    target = {"left": (start < 0.5).float()}  # to the other side
    for options in ({}, {"layers": (2, 5)}, {"noise": "none"}, {"psi": 0.7}, {"where": "z"}):
        in_z = options.get("where") == "z"
        path = steer_batch(styled, z if in_z else w, guide, target, None, steps=30, **options)
        before, after = path.readings[0, :, 0], path.readings[-1, :, 0]
        assert path.latents.shape[1:] == (
            (6, 6, styled.w_dim) if "layers" in options else (6, 8 if in_z else styled.w_dim)
        )
        up = 2 * target["left"] - 1  # pictures without noise may begin on the other side
        assert ((up * (after - before) > 0.05) | (up * (after - 0.5) > 0)).float().mean() > 0.6, options
        if in_z:
            torch.testing.assert_close(before, start, atol=1e-3, rtol=1e-3)


def test_other_layers_are_left_alone(styled: LatentSpace, guide: Reader):
    w = styled.w_samples(3)
    path = steer_batch(styled, w, guide, {"left": 0.3}, None, layers=(2, 3), steps=5)
    assert path.latents.shape[1:] == (3, 6, styled.w_dim)
    for k in range(6):
        same = torch.equal(path.latents[-1, :, k], w)
        assert same == (k not in (2, 3))
    rows = path.latents[-1, :1]
    on = steer(styled, rows, guide, {"left": 0.1}, None, steps=3)
    assert torch.equal(on.latents[0], rows[0]) and on.latents.shape[1:] == (6, styled.w_dim)


@pytest.mark.parametrize("preset", ["cgan", "infogan"])
def test_labels_and_codes_stay(make_space: Spaces, guide: Reader, preset: str):
    space = make_space(preset)
    options: dict[str, Any] = {"label": torch.tensor([0, 1, 2, 0])} if space.classes else {}
    if space.codes is not None:
        options["codes"] = space.sample_conditions(4, 1)[1]
    z = space.z_samples(4, 1)
    path = steer_batch(space, z, guide, {"left": 1.0}, None, steps=3, **options)
    torch.testing.assert_close(path.readings[0], guide(space.draw(z, **options)), atol=1e-4, rtol=1e-4)


def test_the_networks_are_not_touched(panels: Spaces, guide: Reader):
    space = panels()
    modules = [space.network, guide.network]
    before = [[p.clone() for p in m.state_dict().values()] for m in modules]
    steer_batch(space, space.z_samples(4), guide, {"left": 1.0}, steps=3)
    for module, kept in zip(modules, before, strict=True):
        assert not any(p.requires_grad or p.grad is not None for p in module.parameters()) and not module.training
        assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), kept, strict=True))


def test_it_can_be_stopped_and_is_no_longer_than_asked(panels: Spaces, guide: Reader):
    space = panels()
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    options = {"margin": 20.0, "step_size": 0.01}
    assert len(steer_batch(space, space.z_samples(2), guide, {"left": 1.0}, stop=stop, **options).latents) == 4
    assert len(steer_batch(space, space.z_samples(2), guide, {"left": 1.0}, steps=7, **options).latents) == 8
    unreached = steer_batch(space, -space.z_samples(2).abs(), guide, {"left": 1.0}, steps=2, **options)
    assert not unreached.reached.any()


# --- what is held, and what cannot be


def test_what_is_held(guide: Reader):
    assert held_names(guide, ["left"]) == ("right", "level")
    assert held_names(guide, ["left"], ["level", "level"]) == ("level",)
    assert held_names(guide, ["left"], None) == ()


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        ({}, {}, "Nothing to steer"),
        ({"nose": 1.0}, {}, "Unknown attribute 'nose'"),
        ({"left": 1.5}, {}, "a value from 0 to 1"),
        ({"left": float("nan")}, {}, "a value from 0 to 1"),
        ({"left": torch.ones(5)}, {}, "a value from 0 to 1"),
        ({"left": 1.0}, {"hold": ["left"]}, "steered and held at once"),
        ({"left": 1.0}, {"hold": ["nose"]}, "Unknown attribute"),
        ({"left": 1.0}, {"hold": "everything"}, 'or "others"'),
        ({"left": 1.0}, {"steps": 0}, "number of steps"),
        ({"left": 1.0}, {"step_size": float("nan")}, "step size"),
        ({"left": 1.0}, {"step_size": 0.0}, "step size"),
        ({"left": 1.0}, {"hold_weight": -1.0}, "weight of the hold"),
        ({"left": 1.0}, {"picture_weight": -1.0}, "weight of the picture"),
        ({"left": 1.0}, {"views": 0}, "number of views"),
        ({"left": 1.0}, {"where": "w"}, "no styles"),
        ({"left": 1.0}, {"layers": (0, 1)}, "layers"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(panels: Spaces, guide: Reader, targets: dict, options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        steer_batch(panels(), panels().z_samples(2), guide, targets, **options)


def test_one_latent_is_one(panels: Spaces, guide: Reader):
    with pytest.raises(UsageError, match="not 2"):
        steer(panels(), panels().z_samples(2), guide, {"left": 1.0})
    with pytest.raises(UsageError, match="matter of degree"):
        measure_steering(panels(), guide, guide, ["level"], 4)
