"""The table of a network's layers tells the truth, and its sketch is well-formed and complete."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
import torch
from torch import nn

from playground.networks import ARCHITECTURES, MINIBATCH, build_generator, build_trunk
from playground.networks.autoencoder import build_autoencoder
from playground.networks.describe import describe, sketch_svg
from playground.networks.layers import parameter_count, set_generator

SVG = "{http://www.w3.org/2000/svg}"


def networks():
    for name in ARCHITECTURES:
        size = 1 if ARCHITECTURES[name].points else 16
        for norm in ARCHITECTURES[name].norms:
            yield (
                f"{name}-{norm}-generator",
                build_generator(name, input_dim=6, channels=3, size=size, width=4, norm=norm, dropout=0.2),
                torch.zeros(2, 6),
                (3, size, size) if size > 1 else (3,),
            )
        for minibatch in MINIBATCH:
            for spectral in (False, True):
                trunk = build_trunk(
                    name, channels=3, size=size, width=4, minibatch=minibatch, spectral_norm=spectral, dropout=0.2
                )
                net = nn.Sequential(trunk, nn.Linear(trunk.feature_dim, 1))
                yield f"{name}-{minibatch}-{spectral}-discriminator", net, torch.zeros(2, 3, size, size), (1,)


NETWORKS = {name: rest for name, *rest in networks()}


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_add_up_and_end_where_the_network_ends(name):
    net, example, end = NETWORKS[name]
    rows = describe(net, example)
    assert rows[0].kind == "Input" and rows[0].output_shape == tuple(example.shape[1:])
    assert sum(row.parameters for row in rows) == parameter_count(net)
    assert rows[-1].output_shape == end
    assert len({row.name for row in rows}) == len(rows)
    assert not any(row.beside for row in rows)
    if "True" in name:
        assert all("spectral norm" in row.detail for row in rows[1:-1] if row.parameters)
    if "-batch-" in name:
        assert any("batch norm" in row.detail for row in rows)


@pytest.mark.parametrize("name", NETWORKS)
def test_sketch_is_well_formed_and_shows_every_row(name):
    net, example, _ = NETWORKS[name]
    rows = describe(net, example)
    svg = ElementTree.fromstring(sketch_svg(rows, "G & <D>"))
    assert svg.tag == f"{SVG}svg" and svg.get("fill") == "currentColor"
    assert svg.find(f"{SVG}title").text == "G & <D>"
    words = [text.text for text in svg.iter(f"{SVG}text")]
    for row in rows:
        assert "\u2009×\u2009".join(map(str, row.output_shape)) in words
    assert len(list(svg.iter(f"{SVG}rect"))) == len(rows)
    assert len(list(svg.iter(f"{SVG}path"))) >= len(rows) - 1  # arrows between them
    _, _, width, height = map(float, svg.get("viewBox").split())
    for text in svg.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x")) <= width and 0 <= float(text.get("y")) <= height


def test_dcgan_generator_reads_as_the_paper_draws_it():
    rows = describe(build_generator("dcgan", input_dim=100, channels=3, size=64), torch.zeros(1, 100))
    assert [row.output_shape for row in rows] == [
        (100,),
        (512, 4, 4),
        (256, 8, 8),
        (128, 16, 16),
        (64, 32, 32),
        (3, 64, 64),
    ]
    assert rows[2].kind == "Transposed conv" and rows[2].detail == "4×4 · stride 2 · batch norm · ReLU"
    assert rows[2].parameters == 512 * 256 * 16 + 2 * 256
    assert rows[-1].detail.endswith("tanh")


def test_describing_leaves_the_network_and_the_random_state_alone():
    net = build_trunk("dcgan", channels=1, size=16, width=4, spectral_norm=True, dropout=0.5)
    masks = torch.Generator().manual_seed(3)
    set_generator(net, masks)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    states = masks.get_state(), torch.random.get_rng_state()
    describe(net, torch.zeros(1, 1, 16, 16))
    assert net.training and all(module.training for module in net.modules())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(masks.get_state(), states[0]) and torch.equal(torch.random.get_rng_state(), states[1])
    assert not any(module._forward_hooks for module in net.modules())
    assert next(m for m in net.modules() if hasattr(m, "generator")).generator is masks


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.table = nn.Embedding(10, 3)
        self.body = nn.Linear(3, 8)
        self.score, self.classes = nn.Linear(8, 1), nn.Linear(8, 10)
        self.unused = nn.Linear(2, 2)

    def forward(self, x, label):
        features = self.body((x + self.table(label)) * self.scale)
        return self.score(features), self.classes(features)


def test_heads_and_labels_stand_beside():
    rows = {row.name: row for row in describe(TwoHeads(), (torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)))}
    assert [name for name, row in rows.items() if row.beside] == ["table", "classes"]
    assert rows["unused"].parameters == 6 and "not used" in rows["unused"].detail
    assert rows[""].parameters == 3  # the module's own scale
    assert sum(row.parameters for row in rows.values()) == parameter_count(TwoHeads())
    svg = ElementTree.fromstring(sketch_svg(list(rows.values()), "two heads"))
    assert [text.text for text in svg.iter(f"{SVG}text")].count("+") == 2
    assert len(list(svg.iter(f"{SVG}path"))) == 2  # to the body and to the score


class Conditional(nn.Module):
    """A block that names itself, and one that passes everything through."""

    def __init__(self):
        super().__init__()
        self.block, self.idle, self.body = nn.Linear(3, 3), nn.Identity(), nn.Linear(3, 2)
        self.block.block_title, self.block.block_detail = "Label input", "onehot · 3 classes"

    def forward(self, x):
        return self.body(self.idle(self.block(x)))


def test_blocks_name_themselves_and_idle_layers_have_no_row():
    rows = describe(Conditional(), torch.zeros(1, 3))
    assert [(row.name, row.kind) for row in rows] == [("input", "Input"), ("block", "Label input"), ("body", "Dense")]
    assert rows[1].detail == "onehot · 3 classes" and rows[2].detail == ""


def test_long_networks_take_two_lines():
    net = build_autoencoder("dcgan", channels=1, size=64, width=2, code_dim=3)
    rows = describe(net, torch.zeros(1, 1, 64, 64))
    assert sum(row.parameters for row in rows) == parameter_count(net)
    svg = ElementTree.fromstring(sketch_svg(rows, "auto-encoder"))
    _, _, width, height = map(float, svg.get("viewBox").split())
    assert width < 1000 < 4 * height
