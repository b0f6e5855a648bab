"""Latent spaces of tiny generators, untrained but with noise, styles and a mean that show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from playground.data.base import DataInfo, ImageStore, Side
from playground.families import family_class, initialising
from playground.latent.reader import Reader
from playground.latent.space import LatentSpace
from playground.methods import METHODS, method_settings
from playground.model import Model, model_of
from playground.networks.style import StyleGenerator
from playground.trainer import Trainer

CLASSES = ("discs", "squares", "stripes")


def tiny_model(preset: str = "dcgan", channels: int = 1, **knobs: Any) -> Model:
    """A generator of 16 px (unless told) with random weights, in the state that a saved model has."""
    chosen = method_settings(preset, {"width": 4, "size": 16, "latent_dim": 8, **knobs})
    info = DataInfo("tiny", channels, chosen.size, 48, CLASSES)
    if METHODS[preset].sides:
        info = replace(info, classes=(), sides=tuple(Side(name, channels, chosen.size) for name in "AB"))
    with initialising(3):
        modules = family_class(METHODS[preset].family).sampling_networks(chosen, info)
        network = modules["G"].network
        with torch.no_grad():
            if isinstance(network, StyleGenerator):
                network.w_mean.copy_(network.mapping(torch.randn(64, network.input_dim)).mean(0))
                for name, parameter in network.named_parameters():
                    if name.endswith("noise.strength"):
                        parameter.fill_(0.5)
            else:  # weights as after some training: the first ones of a DCGAN make every picture the same grey
                for parameter in modules["G"].parameters():
                    if parameter.ndim > 1:
                        parameter.mul_(4)
    return Model(preset, chosen, info, modules, {"step": 1})


@pytest.fixture(scope="session")
def make_space() -> Callable[..., LatentSpace]:
    """`make_space(preset, **knobs)`: the space of a tiny generator."""
    return lambda *args, **knobs: LatentSpace(tiny_model(*args, **knobs))


@pytest.fixture(scope="session")
def styled(make_space: Callable[..., LatentSpace]) -> LatentSpace:
    """A style-based space of 16 px: six layers, at 4, 8 and 16 px."""
    return make_space("stylegan")


@pytest.fixture(scope="session")
def plain(make_space: Callable[..., LatentSpace]) -> LatentSpace:
    """A plain one."""
    return make_space("dcgan")


# --- panels: a generator whose every number has a known effect, and classifiers taught to read its pictures


PANELS = ("left", "right", "level")


def panel_model(mixing: Any = None, **knobs: Any) -> Model:
    """A dense generator with weights set by hand: G(z) = tanh(pictures of panels · M z), 16 px, grey, z of 6 numbers.

    Panel 0 is the upper left quarter, panel 1 the upper right one, panel 2 the lower half, in which the others have
    no part; z 3 to 5 do nothing. M is the identity unless `mixing` (6 × 6) is given. LeakyReLU passes a number and its
    opposite, whose difference is 1.2 times the number.
    """
    chosen = method_settings("dcgan", {"architecture": "mlp", "width": 4, "size": 16, "latent_dim": 6, **knobs})
    info = DataInfo("panels", 1, 16, 512, (), PANELS)
    with initialising(0):
        modules = family_class(METHODS["dcgan"].family).sampling_networks(chosen, info)
    pattern = torch.zeros(6, 16, 16)
    pattern[0, :8, :8], pattern[1, :8, 8:], pattern[2, 8:] = 0.8, 0.8, 0.8
    mixing = torch.eye(6) if mixing is None else torch.as_tensor(mixing, dtype=torch.float32)
    *hidden, last = [m for m in modules["G"].network.modules() if isinstance(m, torch.nn.Linear)]
    both, back = torch.cat([torch.eye(6), -torch.eye(6)]), torch.cat([torch.eye(6), -torch.eye(6)], 1) / 1.2
    with torch.no_grad():
        for i, layer in enumerate((*hidden, last)):
            layer.weight.zero_()
            layer.bias.zero_()
            if layer is last:
                layer.weight[:, :12] = pattern.flatten(1).T @ back
            elif i == 0:
                layer.weight[:12, :6] = both @ mixing
            else:
                layer.weight[:12, :12] = both @ back
    return Model("dcgan", chosen, info, modules, {"step": 1})


@pytest.fixture(scope="session")
def panels() -> Callable[..., LatentSpace]:
    """`panels(mixing=None, **knobs)`: the space of such a generator."""
    return lambda mixing=None, **knobs: LatentSpace(panel_model(mixing, **knobs))


@pytest.fixture(scope="session")
def panel_classifiers(make_trainer: Callable[..., Trainer]) -> tuple[Model, Model]:
    """Two classifiers of panels, "left" and "right" bright or not and the "level" of the lower half, each taught on
    pictures of its own."""
    found = []
    for seed in (0, 1):
        z = torch.randn(512, 6, generator=torch.Generator().manual_seed(seed))
        space = LatentSpace(panel_model())
        with torch.no_grad():
            pixels = space.draw(z).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        truth = torch.stack([(z[:, 0] > 0).float(), (z[:, 1] > 0).float(), torch.sigmoid(2 * z[:, 2])], 1)
        store = ImageStore(space.info, pixels, None, truth)
        knobs = {"auxiliary": 0.0, "steps": 120, "batch_size": 32, "width": 8, "seed": seed}
        trainer = make_trainer("attribute-classifier", store, **knobs)
        trainer.run(120)
        found.append(model_of(trainer, **trainer.family.facts()))
    return found[0], found[1]


@pytest.fixture(scope="session")
def guide(panel_classifiers: tuple[Model, Model]) -> Reader:
    """Reads panels; the one to steer by."""
    return Reader(panel_classifiers[0])


@pytest.fixture(scope="session")
def judge(panel_classifiers: tuple[Model, Model]) -> Reader:
    """Reads panels too, taught separately; for scoring alone."""
    return Reader(panel_classifiers[1])
