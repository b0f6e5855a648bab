"""The table of presets: complete, valid, told apart, and each with what its page shows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from playground.data.base import DataInfo
from playground.errors import UsageError
from playground.estimate import example_info
from playground.families import FAMILIES, build_family, describe, family_class
from playground.knobs import KNOBS
from playground.methods import METHODS, Method, find_method, method_settings

PROMISED = [
    "vanilla-gan",
    "vanilla-gan-minimax",
    "kl-gan",
    "wgan",
    "wgan-gp",
    "kl-wgan",
    "lsgan",
    "hinge-gan",
    "sngan",
    "dragan",
    "ebgan",
    "unrolled-gan",
    "relativistic-gan",
    "r3gan",
    "dcgan",
    "cgan",
    "acgan",
    "infogan",
    "stylegan",
    "pix2pix",
    "unet-segmentation",
    "spade",
    "srgan",
    "cyclegan",
    "unit",
    "munit",
    "cogan",
    "classifier",
    "attribute-classifier",
]
INFO = DataInfo("digits", 1, 16, 100, tuple("0123456789"), ("round", "slant"))
ALL = list(METHODS.values())
_PLAYERS = {
    "Generator": "G", "Classifier": "C", "Generator A → B": "G_AB", "Generator B → A": "G_BA",
    "Generator of A": "G_A", "Generator of B": "G_B", "Discriminator of A": "D_A", "Discriminator of B": "D_B",
}  # fmt: skip


def name(method: Method) -> str:
    return method.name


def test_all_promised_presets_are_there():
    assert set(PROMISED) <= set(METHODS)


@pytest.mark.parametrize("method", ALL, ids=name)
def test_a_preset_says_what_it_is(method: Method):
    assert METHODS[method.name] is method and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", method.name)
    assert method.title and method.family in FAMILIES
    assert re.search(r"\b(19|20)\d\d\b", method.reference), "a reference has a year"
    assert method.url.startswith("https://")
    assert len(method.summary) > 40 and len(method.look_for) > 40
    assert method.summary.endswith(".") and method.look_for.endswith(".")


@pytest.mark.parametrize("method", ALL, ids=name)
def test_its_settings_differ_from_the_defaults_only_where_it_says(method: Method):
    values = method_settings(method.name)
    assert set(values) == set(KNOBS)
    assert {k for k, v in values.items() if v != KNOBS[k].default} <= set(method.knobs)
    with pytest.raises(TypeError):
        method.knobs["steps"] = 1  # the table can't be changed by accident


@pytest.mark.parametrize("method", ALL, ids=name)
def test_overrides_win_and_are_validated(method: Method):
    assert method_settings(method.name, {"learning_rate_d": 0.5}).learning_rate_d == 0.5
    with pytest.raises(UsageError, match="learning_rate_d"):
        method_settings(method.name, {"learning_rate_d": "nan"})
    with pytest.raises(UsageError, match="Unknown setting"):
        method_settings(method.name, {"lerning_rate": 1})


@pytest.mark.parametrize("method", ALL, ids=name)
def test_labels_are_asked_for_where_they_are_needed(method: Method):
    values = method_settings(method.name, {"width": 4})
    if method.sides:
        info = example_info(method.name)
        build_family(method.family, values, info)
        with pytest.raises(UsageError, match="learns from"):
            build_family(method.family, values, INFO)
        if method.sides == "paired":
            with pytest.raises(UsageError, match="learns from pairs"):
                build_family(method.family, values, replace(info, paired=False))
        return
    build_family(method.family, values, INFO)
    if method.needs_attributes:
        with pytest.raises(UsageError, match="known attributes"):
            build_family(method.family, values, replace(INFO, attributes=()))
    unlabelled = replace(INFO, classes=())
    if method.needs_labels:
        with pytest.raises(UsageError, match="labelled pictures"):
            build_family(method.family, values, unlabelled)
    else:
        build_family(method.family, values, unlabelled)


@pytest.mark.parametrize("method", ALL, ids=name)
def test_its_networks_can_be_sketched(method: Method):
    values = method_settings(method.name, {"width": 4})
    info = example_info(method.name) if method.sides else INFO
    parts = describe(method.family, values, info)
    titles = [title for title, _ in parts]
    players = build_family(method.family, values, info).players
    assert len(parts) == len(players) and (titles[0] == "Classifier" or any("Generator" in title for title in titles))
    for title, rows in parts:
        shown = sum(row.parameters for row in rows)
        player = _PLAYERS.get(title, "D")
        whole = sum(p.numel() for p in players[player].parameters())
        assert 0 < shown <= whole


def test_presets_are_distinct():
    settings = [tuple(sorted(method_settings(m).items())) for m in METHODS]
    assert len(set(settings)) == len(settings)


def test_names_that_are_not_there():
    with pytest.raises(UsageError, match=r"Unknown preset 'wgan-pg'\. Did you mean 'wgan-gp'\?"):
        find_method("wgan-pg")
    with pytest.raises(UsageError, match=r"Choose one of: .*dcgan"):
        find_method("zzzzzz")
    with pytest.raises(UsageError, match="Unknown family"):
        family_class("nonsense")
