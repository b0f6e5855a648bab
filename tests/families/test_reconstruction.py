"""A generator with an encoder beside it (VAE-GAN): who moves when, what is learned, and what it goes together with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from playground.data.base import ImageStore
from playground.data.points import load as load_points
from playground.errors import UsageError
from playground.methods import METHODS, method_settings
from playground.model import model_of
from playground.networks.posterior import Posterior
from playground.pixels import l1
from playground.terms import attribute_cross_entropy, normal_divergence
from playground.trainer import Trainer

Make = Callable[..., Trainer]
#: every adversarial preset that an encoder can stand beside
PRESETS = [
    name
    for name, method in METHODS.items()
    if method.family == "adversarial" and name not in ("infogan", "ebgan", "ebgan-pt")
]
ON: dict[str, Any] = {"reconstruction": 1.0, "kl": 0.01, "moments": 0.01}


def weights(trainer: Trainer, player: str) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in trainer.players[player].parameters()])


@pytest.mark.parametrize("preset", PRESETS)
def test_encoder_and_generator_begin_alone_and_d_joins_when_told(make_trainer: Make, preset: str):
    trainer = make_trainer(preset, **ON, adversarial_from=0.5, steps=4)
    for step in range(4):
        before = {name: weights(trainer, name) for name in trainer.players}
        trainer.step()
        seen = trainer.metrics()
        still = {name for name, old in before.items() if torch.equal(old, weights(trainer, name))}
        assert still == (set() if step >= 2 else {"D"}), f"step {step}"
        assert ("loss_d" in seen) == ("score_real" in seen) == ("term_g_adversarial" in seen) == (step >= 2)
        assert seen["term_g_reconstruction"] > 0 and seen["term_g_kl"] > 0


@pytest.mark.parametrize("preset", ("dcgan", "stylegan"))
def test_reconstructions_come_to_tell_pictures_apart(make_trainer: Make, store: ImageStore, preset: str):
    knobs = {"width": 8, "steps": 200, "batch_size": 16, "learning_rate_g": 2e-3, "learning_rate_d": 2e-3}
    trainer = make_trainer(preset, **ON, **knobs, adversarial_from=1.0, grow=False)
    images = store.take(torch.arange(len(store))).images

    def errors() -> tuple[float, float]:
        with torch.no_grad():
            drawn = trainer.players["G"].decode(trainer.players["E"](images)[0])
        return l1(drawn, images).mean().item(), l1(drawn.roll(1, 0), images).mean().item()

    trainer.run(until=200)
    own, other = errors()
    assert own < 0.8 * other, f"a picture's own reconstruction is as far as another's: {own:.3f}, {other:.3f}"


def test_a_code_is_drawn_alike_every_time(make_trainer: Make):
    trainer = make_trainer("stylegan", **ON, grow=False)
    trainer.step()
    generator, z = trainer.players["G"], torch.randn(4, 8)
    assert torch.equal(generator.decode(z), generator.decode(z))
    assert not torch.equal(generator(z), generator(z)), "samples in training have noise and mixed styles"
    plain = make_trainer("dcgan", **ON).players["G"].eval()
    assert torch.equal(plain.decode(z), plain(z))


def test_without_noise_in_layers_pictures_are_of_their_codes_alone(make_trainer: Make):
    trainer = make_trainer("stylegan", style_noise=False, style_mixing=0.0, grow=False)
    for _ in range(3):
        trainer.step()
    network, vector = trainer.players["G"].network, torch.randn(4, 8)
    assert torch.equal(network(vector), network(vector)), "in training mode"
    assert not any(p.any() for name, p in network.named_parameters() if name.endswith("noise.strength"))


def test_noise_in_layers_can_be_left_out_on_the_way(make_trainer: Make):
    trainer = make_trainer("stylegan", grow=False, steps=8, learning_rate_g=0.1)
    trainer.run(until=4)
    grainy, w = model_of(trainer).modules["G"].network, torch.randn(2, trainer.players["G"].network.w_dim)
    assert not torch.equal(grainy.synthesis(w, "fixed"), grainy.synthesis(w, "none"))
    before = trainer.sample_grid()[0]
    trainer.change("style_noise", False)
    assert not (trainer.sample_grid()[0] == before).all(), "the samples are drawn without it at once"
    smooth = model_of(trainer).modules["G"].network
    assert torch.equal(smooth.synthesis(w, "fixed"), grainy.synthesis(w, "none"))
    trainer.step()
    assert not trainer.players["G"].network.noisy


def test_the_mean_style_follows_while_there_are_no_samples(make_trainer: Make):
    trainer = make_trainer("stylegan", **ON, adversarial_from=1.0)
    trainer.step()
    assert trainer.players["G"].network.w_mean.abs().sum() > 0


def test_bfloat16_learns_from_reconstructions_too(make_trainer: Make):
    trainer = make_trainer("stylegan", **ON, precision="bfloat16")
    trainer.step()
    assert trainer.metrics()["term_g_reconstruction"] > 0


def test_a_growing_generator_reconstructs_at_the_side_it_draws(make_trainer: Make):
    trainer = make_trainer("stylegan", **ON, adversarial_from=1.0, steps=6)
    sides = []
    for _ in range(6):
        trainer.step()
        sides.append(trainer.metrics()["resolution"])
    assert sides[0] == 8 and sides[-1] == 16


@pytest.mark.parametrize(("knob", "weight"), [("perceptual", 1.0), ("detail", 4.0)])
def test_features_and_detail_count_beside_the_pixels(make_trainer: Make, knob: str, weight: float):
    """A generator that has learned nothing yet leaves all detail out, which costs more where it counts more."""
    terms = []
    for value in (0.0, weight):
        trainer = make_trainer("dcgan", **ON, **{knob: value})
        trainer.step()
        terms.append(trainer.metrics()["term_g_reconstruction"])
    assert terms[1] > 1.05 * terms[0]


@pytest.mark.parametrize(("preset", "knobs"), [("dcgan", ON), ("stylegan", {"reconstruction": 1.0, "encode_to": "w"})])
def test_attributes_are_read_in_codes_and_then_drawn(make_trainer: Make, preset: str, knobs: dict[str, Any]):
    """E comes to know them from the pictures; of what G makes of a code G alone is to answer for."""
    knobs = {**knobs, "attribute_loss": 2.0, "adversarial_from": 1.0, "steps": 150, "learning_rate_g": 2e-3}
    trainer = make_trainer(preset, **knobs)
    encoder, shown = trainer.players["E"], trainer.store.take(torch.arange(16))
    before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    pictures = shown.images.clone().requires_grad_()
    read = attribute_cross_entropy(encoder.read_attributes(pictures), shown.attributes)
    assert torch.autograd.grad(read, pictures, retain_graph=True)[0].abs().max() > 0
    reached = torch.autograd.grad(read, [*encoder.parameters()], allow_unused=True)
    assert not any(gradient is not None for gradient in reached)
    assert all(torch.equal(buffer, before[name]) for name, buffer in encoder.named_buffers())

    trainer.step()
    first = trainer.metrics()["term_g_attributes"]
    trainer.run(until=149)
    trainer.metrics()
    trainer.step()
    assert trainer.metrics()["term_g_attributes"] < 0.95 * first


def test_what_reads_attributes_is_there_from_the_start(make_trainer: Make):
    trainer = make_trainer("dcgan", **ON)
    with pytest.raises(UsageError, match="start a new run with attribute_loss"):
        trainer.change("attribute_loss", 1.0)


def test_a_run_goes_on_exactly_from_its_state(make_trainer: Make):
    knobs = {**ON, "adversarial_from": 0.5, "steps": 4}
    whole, first, second = (make_trainer("stylegan", **knobs) for _ in range(3))
    whole.run(until=4)
    first.run(until=2)
    second.load_state_dict(first.state_dict())
    second.run(until=4)
    for name in whole.players:
        assert torch.equal(weights(whole, name), weights(second, name)), name


def test_the_model_is_the_generator_alone(make_trainer: Make):
    trainer = make_trainer("dcgan", **ON)
    trainer.step()
    assert list(model_of(trainer).modules) == ["G"]


def test_codes_are_normal_distributions_of_pictures():
    posterior = Posterior("dcgan", 1, 16, 4, 8)
    x = torch.rand(6, 1, 16, 16) * 2 - 1
    z, mean, log_variance = posterior.draw(x, torch.Generator().manual_seed(0))
    assert z.shape == mean.shape == log_variance.shape == (6, 8)
    generator = torch.Generator().manual_seed(1)
    posterior.eval()  # batch normalisation would look at who else is there
    with torch.no_grad():
        _, mean, log_variance = posterior.draw(x)
        drawn = torch.stack([posterior.draw(x, generator)[0] for _ in range(2000)])
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(0), (log_variance / 2).exp(), atol=0.05, rtol=0)


def test_moments_of_codes_are_brought_to_those_of_the_prior():
    """Codes that are too wide, off centre and correlated become standard normal by following the gradient."""
    generator = torch.Generator().manual_seed(0)
    posterior = Posterior("dcgan", 1, 16, 4, 3)
    mixing = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.5, 0.3], [0.0, 0.0, 1.0]]).requires_grad_()
    shift = torch.tensor([1.0, -1.0, 0.5]).requires_grad_()
    optimiser = torch.optim.Adam([mixing, shift], 0.002)  # slower than the running moments
    values = []
    for _ in range(2400):
        loss = posterior.moments_loss(torch.randn(64, 3, generator=generator) @ mixing + shift)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    torch.testing.assert_close((mixing.T @ mixing).detach(), torch.eye(3), atol=0.3, rtol=0)
    torch.testing.assert_close(shift.detach(), torch.zeros(3), atol=0.15, rtol=0)
    assert values[-1] < 0.1 * max(values)


def test_divergence_of_codes_is_that_of_the_literature():
    mean, deviation = torch.tensor([[0.5, -1.0, 0.0]]), torch.tensor([[0.3, 2.0, 1.0]])
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, deviation), normal(0.0, 1.0)).mean()
    torch.testing.assert_close(normal_divergence(mean, 2 * deviation.log()), expected)
    assert normal_divergence(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


@pytest.mark.parametrize(
    ("preset", "knobs", "said"),
    [
        ("infogan", {}, "encoder"),
        ("ebgan", {}, "encoder"),
        ("cogan", {}, "reconstruction"),
        ("dcgan", {"reconstruction": 0.0, "adversarial_from": 0.3}, "nothing to learn"),
        ("dcgan", {"reconstruction": 0.0, "attribute_loss": 1.0}, "codes of an encoder"),
    ],
)
def test_what_does_not_go_together_is_said(make_trainer: Make, preset: str, knobs: dict[str, Any], said: str):
    with pytest.raises(UsageError, match=said):
        make_trainer(preset, **{**ON, **knobs})


def test_points_have_no_encoder():
    with pytest.raises(UsageError, match="encoder"):
        Trainer("r3gan", method_settings("r3gan", {**ON, "steps": 2}), load_points("ring"))


def test_an_encoder_is_not_added_on_the_way(make_trainer: Make):
    trainer = make_trainer("dcgan")
    with pytest.raises(UsageError, match="encoder"):
        trainer.change("reconstruction", 1.0)
    trainer = make_trainer("dcgan", **ON)
    trainer.change("reconstruction", 2.0)
    with pytest.raises(UsageError, match="encoder"):
        trainer.change("reconstruction", 0.0)
