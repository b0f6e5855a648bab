"""The table of architectures: every row builds what it promises, and wrong values are told in a sentence."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call

from playground.errors import UsageError
from playground.networks import ARCHITECTURES, MINIBATCH, build_generator, build_trunk
from playground.networks.autoencoder import build_autoencoder
from playground.networks.layers import parameter_count

CONVOLUTIONAL = [name for name, row in ARCHITECTURES.items() if row.halving]
SIZES = {name: row.sizes[:3] or (8, 28, 32) for name, row in ARCHITECTURES.items()}
CASES = [
    (name, size, channels, norm)
    for name, row in ARCHITECTURES.items()
    for size, channels, norm in itertools.product(SIZES[name], (1, 3), row.norms)
]


def pictures(channels: int, size: int, n: int = 4) -> torch.Tensor:
    return torch.rand(n, channels, size, size) * 2 - 1


def at_work(net: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Names and parameters, without the colours of the resolutions that a grown network has left behind."""
    idle = "from_picture.convs."
    last = max((path.partition(idle)[2][:1] for path, _ in net.named_parameters()), default="")
    return [(path, p) for path, p in net.named_parameters() if idle not in path or f"{idle}{last}." in path]


def all_learn(net: nn.Module, loss_of_stage) -> None:
    """Every parameter gets a gradient; in a network that grows, at some stage: colours of a stage passed are idle."""
    learnt = set()
    for stage in range(len(net.resolutions)) if hasattr(net, "set_growth") else (None,):
        if stage is not None:
            net.set_growth(stage)
        net.zero_grad(set_to_none=True)
        loss_of_stage().backward()
        learnt |= {path for path, p in net.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert learnt == {path for path, _ in net.named_parameters()}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_listing_architectures_loads_no_torch():
    code = "import sys, playground.networks as n; assert n.ARCHITECTURES; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("row", ARCHITECTURES.values(), ids=lambda row: row.name)
def test_rows_are_complete(row):
    assert ARCHITECTURES[row.name] is row
    assert row.title and row.help.endswith(".") and row.reference
    assert "default" in row.norms and "none" in row.norms
    assert all(size >= row.min_size for size in row.sizes)
    assert row.accepts(row.min_size) and not row.accepts(row.min_size - 1)


@pytest.mark.parametrize(("name", "size", "channels", "norm"), CASES)
def test_generator_makes_pictures_and_all_of_it_learns(name, size, channels, norm):
    generator = build_generator(name, input_dim=6, channels=channels, size=size, width=4, norm=norm)
    fake = generator(torch.randn(5, 6))
    assert fake.shape == (5, channels, size, size)
    shown = fake if not ARCHITECTURES[name].grows else generator.eval()(torch.randn(5, 6))  # linear while it trains
    assert ARCHITECTURES[name].points or shown.abs().max() <= 1
    assert fake.std(dim=0).mean() > 1e-4  # different vectors give different pictures

    def loss():
        fake = generator.train()(torch.randn(5, 6))
        return (fake * torch.randn_like(fake)).sum()

    all_learn(generator, loss)


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize(("name", "size", "channels", "norm"), CASES)
def test_trunk_gives_its_features_and_all_of_it_learns(name, size, channels, norm, spectral_norm):
    trunk = build_trunk(name, channels=channels, size=size, width=4, norm=norm, spectral_norm=spectral_norm)
    features = trunk(pictures(channels, size))
    assert features.shape == (4, trunk.feature_dim)
    assert features.std(dim=0).mean() > 1e-5

    def loss():
        features = trunk(pictures(channels, getattr(trunk, "resolution", size)))
        return (features * torch.randn_like(features)).sum()

    all_learn(trunk, loss)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_largest_size_builds_and_runs(name):
    size = max(ARCHITECTURES[name].sizes or (64,))
    with torch.no_grad():
        fake = build_generator(name, input_dim=4, channels=3, size=size, width=2)(torch.randn(2, 4))
        assert fake.shape == (2, 3, size, size)
        trunk = build_trunk(name, channels=3, size=size, width=2)
        assert trunk(fake).shape == (2, trunk.feature_dim)


@pytest.mark.parametrize("minibatch", MINIBATCH)
@pytest.mark.parametrize(
    ("name", "norm"),
    [(row.name, norm) for row in ARCHITECTURES.values() for norm in row.norms if norm in ("none", "layer")],
)
def test_gradient_penalty_differentiates_twice(name, norm, minibatch):
    size = SIZES[name][0]
    trunk = build_trunk(name, channels=1, size=size, width=4, norm=norm, minibatch=minibatch, spectral_norm=True)
    critic = nn.Sequential(trunk, nn.Linear(trunk.feature_dim, 1))
    x = pictures(1, size).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    (slope.flatten(1).norm(dim=1) - 1).square().mean().backward()
    for path, parameter in at_work(critic):
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), path
        if parameter.ndim > 1:  # the penalty reaches the weights of every depth
            assert parameter.grad.abs().max() > 0, path


@pytest.mark.parametrize("name", [row.name for row in ARCHITECTURES.values() if "batch" in row.norms])
def test_batch_normalised_trunk_differentiates_twice(name):
    size = SIZES[name][0]
    trunk = build_trunk(name, channels=1, size=size, width=4, norm="batch")
    x = pictures(1, size).requires_grad_()
    (slope,) = torch.autograd.grad(trunk(x).square().sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in trunk.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_channels_last_changes_nothing_but_the_layout(name):
    norm = "layer" if "layer" in ARCHITECTURES[name].norms else "default"
    generator = build_generator(name, input_dim=6, channels=3, size=16, width=4, norm=norm).double()
    trunk = build_trunk(name, channels=3, size=16, width=4, norm=norm, spectral_norm=True).double().eval()
    z = torch.randn(4, 6, dtype=torch.float64)
    fake = generator(z)
    features = trunk(fake)
    generator, trunk = (copy.deepcopy(net).to(memory_format=torch.channels_last) for net in (generator, trunk))
    again = generator(z)
    assert again.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(again, fake)
    torch.testing.assert_close(trunk(again), features)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_look_ahead_step_through_functional_call(name):
    """One unrolled step: the look-ahead weights differ, the module's own stay, and the gradient reaches its weights."""
    size = SIZES[name][0]
    trunk = build_trunk(name, channels=1, size=size, width=4, norm="none", spectral_norm=True)
    x = pictures(1, size)
    parameters = dict(at_work(trunk))
    buffers = {key: value.clone() for key, value in trunk.named_buffers()}  # else the look-ahead turns u and v on
    before = {key: value.detach().clone() for key, value in trunk.state_dict().items()}
    loss = functional_call(trunk, {**parameters, **buffers}, (x,)).square().mean()
    steps = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
    ahead = {key: p - 0.1 * g for (key, p), g in zip(parameters.items(), steps, strict=True)}
    later = functional_call(trunk, {**ahead, **buffers}, (x,)).square().mean()
    assert later != loss
    later.backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in parameters.values())
    for key, value in trunk.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_width_and_depth_scale(name):
    size = SIZES[name][-1]
    options = {"channels": 1, "size": size}
    for build in (lambda **o: build_generator(name, input_dim=8, **o), lambda **o: build_trunk(name, **o)):
        narrow, wide = (parameter_count(build(width=width, **options)) for width in (4, 8))
        assert 1.5 * narrow < wide < 4.5 * narrow
    shallow = build_generator(name, input_dim=8, width=4, depth=1, **options)
    assert shallow(torch.randn(2, 8)).shape == (2, 1, size, size)
    trunk = build_trunk(name, width=4, depth=1, **options)
    assert trunk(pictures(1, size)).shape == (4, trunk.feature_dim)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_dropout_acts_in_training_only(name):
    size = SIZES[name][0]
    generator = build_generator(name, input_dim=6, channels=1, size=size, width=4, norm="none", dropout=0.5)
    trunk = build_trunk(name, channels=1, size=size, width=4, norm="none", dropout=0.5)
    for net, x in ((generator, torch.randn(2, 6)), (trunk, pictures(1, size))):
        assert not torch.equal(net(x), net(x))
        net.eval()
        assert torch.equal(net(x), net(x))


def test_mlp_has_the_sizes_of_its_recipe():
    generator = build_generator("mlp", input_dim=100, channels=1, size=28)
    trunk = build_trunk("mlp", channels=1, size=28)
    dense = [(m.in_features, m.out_features) for m in generator.modules() if isinstance(m, nn.Linear)]
    assert dense == [(100, 256), (256, 512), (512, 1024), (1024, 784)]
    assert [(m.in_features, m.out_features) for m in trunk.modules() if isinstance(m, nn.Linear)] == [
        (784, 1024),
        (1024, 512),
        (512, 256),
    ]
    assert all(
        m.negative_slope == 0.2 for net in (generator, trunk) for m in net.modules() if hasattr(m, "negative_slope")
    )
    assert not any(isinstance(m, nn.BatchNorm1d) for m in generator.modules())
    normed = build_generator("mlp", input_dim=100, channels=1, size=28, norm="batch", activation="relu")
    assert [type(m) for m in normed.hidden1] == [nn.Linear, nn.BatchNorm1d, nn.ReLU]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architecture": "dcgen"}, "'dcgan'"),
        ({"size": 28}, "16, 32, 64, 128"),
        ({"size": 8}, "'mlp', which makes any size"),
        ({"channels": 0}, "channel"),
        ({"width": 0}, "width"),
        ({"norm": "batchnorm"}, "'batch'"),
        ({"architecture": "mlp", "norm": "instance"}, "'layer'"),
        ({"dropout": 1.0}, "dropout"),
        ({"depth": 4}, "1 to 3"),
        ({"depth": 0}, "depth"),
    ],
)
def test_wrong_values_are_told_in_a_sentence(change, says):
    options = {"architecture": "dcgan", "channels": 3, "size": 32, **change}
    for build in (build_trunk, lambda **o: build_generator(input_dim=8, **o)):
        with pytest.raises(UsageError, match=r"\.$|\?$") as failure:
            build(**options)
        assert says in str(failure.value)


def test_wrong_values_of_one_side():
    with pytest.raises(UsageError, match="input"):
        build_generator("mlp", input_dim=0, channels=1, size=16)
    with pytest.raises(UsageError, match="'leaky'"):
        build_generator("mlp", input_dim=8, channels=1, size=16, activation="leeky")
    with pytest.raises(UsageError, match="'stddev'"):
        build_trunk("mlp", channels=1, size=16, minibatch="stdev")
    with pytest.raises(UsageError, match="code"):
        build_autoencoder("mlp", channels=1, size=16, code_dim=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_autoencoder_energy_is_the_mean_squared_error(name):
    size = SIZES[name][-1]
    net = build_autoencoder(name, channels=1, size=size, width=4, code_dim=5).eval()
    x = pictures(1, size)
    reconstruction, code = net(x)
    assert reconstruction.shape == x.shape and code.shape == (4, 5)
    expected = torch.stack([nn.functional.mse_loss(a, b) for a, b in zip(reconstruction, x, strict=True)])
    torch.testing.assert_close(net.energy(x), expected)
    torch.testing.assert_close(net.decode(net.encode(x)), reconstruction)


def test_autoencoder_learns_to_reconstruct():
    net = build_autoencoder("mlp", channels=1, size=8, width=8, code_dim=8)
    x = pictures(1, 8, n=8)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    first = net.energy(x).mean().item()
    for _ in range(150):
        optimiser.zero_grad()
        net.energy(x).mean().backward()
        optimiser.step()
    assert net.energy(x).mean().item() < 0.25 * first
