"""An encoder whose codes are styles: free codes, and a mapping network that learns to draw such codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from playground.errors import UsageError
from playground.families import initialising
from playground.model import model_of
from playground.networks.flow import FlowMapping
from playground.networks.posterior import BANK, CodeCritic
from playground.trainer import Trainer

Make = Callable[..., Trainer]
ON: dict[str, Any] = {"reconstruction": 1.0, "encode_to": "w", "adversarial_from": 0.5, "grow": False}
FLOW: dict[str, Any] = {"mapping": "flow", "latent_dim": 16, "w_dim": 16}


def weights(trainer: Trainer, player: str) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in trainer.players[player].parameters()])


def test_who_moves_and_that_d_joins_when_told(make_trainer: Make):
    trainer = make_trainer("stylegan", **ON, steps=4)
    assert [phase.players for phase in trainer.phases] == [("D",), ("G", "E"), ("P",)]
    for step in range(4):
        for index, phase in enumerate(trainer.phases):
            before = {name: weights(trainer, name) for name in trainer.players}
            trainer.take_phase(index)
            moved = {name for name, old in before.items() if not torch.equal(old, weights(trainer, name))}
            assert moved == (set() if index == 0 and step < 2 else set(phase.players)), (step, phase.name)
        trainer.end_step()
    seen = trainer.metrics()
    assert {"term_g_reconstruction", "term_g_prior", "term_p_adversarial", "term_p_r1", "term_p_r2"} <= set(seen)


def test_the_mapping_network_learns_of_the_critic_alone_and_the_drawing_of_pictures_alone(make_trainer: Make):
    trainer = make_trainer("stylegan", **{**ON, "adversarial_from": 0.0}, style_mixing=0.5)
    batch = trainer.store.take(torch.arange(8))
    named = dict(trainer.players["G"].named_parameters())
    for step in range(2):
        trainer.family.step, trainer.family.total_steps = step, 4
        terms = trainer.family.generator_terms(batch)
        for term, of_mapping in (("prior", True), ("reconstruction", False), ("adversarial", False)):
            gradients = torch.autograd.grad(terms[term], list(named.values()), retain_graph=True, allow_unused=True)
            taught = {name for name, gradient in zip(named, gradients, strict=True) if gradient is not None}
            assert taught and all(("mapping" in name) is of_mapping for name in taught), term
        beyond = torch.autograd.grad(
            terms["adversarial"], list(trainer.players["E"].parameters()), retain_graph=True, allow_unused=True
        )
        assert not any(gradient is not None for gradient in beyond), "D teaches the encoder nothing"


def test_styles_come_to_lie_where_codes_do(make_trainer: Make):
    """With pictures and drawing as they are, the mapping network finds the codes' centre and their spread."""
    trainer = make_trainer("stylegan", **{**ON, "adversarial_from": 1.0}, steps=400, mapping_rate=1.0, beta1=0.0)
    codes = torch.randn(BANK, trainer.players["G"].network.w_dim) * 0.5 + 3.0
    critic, network = trainer.players["P"], trainer.players["G"].network
    critic.keep(codes)
    critic.keep = lambda found: None
    z = torch.randn(512, 8)

    def apart() -> tuple[float, float]:
        with torch.no_grad():
            styles = network.mapping(z)
        return float((styles.mean(0) - 3.0).square().mean().sqrt()), float(styles.std(0).mean())

    before = apart()
    trainer.run(until=400)
    after = apart()
    assert before[0] > 2.0 and after[0] < 0.4, f"from {before} to {after}"
    assert 0.2 < after[1] < 0.8, f"the codes' deviation is 0.5, that of the styles {after[1]:.2f}"


def test_styles_are_given_the_moments_of_codes(make_trainer: Make):
    trainer = make_trainer("stylegan", **{**ON, "adversarial_from": 1.0})
    critic, mapping = trainer.players["P"], trainer.players["G"].network.mapping
    trainer.step()
    assert torch.equal(mapping.mix, torch.eye(8)), "eight codes have no covariance to speak of"
    codes = torch.randn(BANK, 8) @ torch.randn(8, 8) + 3.0
    critic.keep(codes)
    trainer.family.step = 0
    trainer.family.prior_terms(None)
    with torch.no_grad():
        styles = mapping(torch.randn(BANK, 8))
    torch.testing.assert_close(styles.mean(0), codes.mean(0), atol=0.4, rtol=0)
    error = (torch.cov(styles.T) - torch.cov(codes.T)).norm() / torch.cov(codes.T).norm()
    assert error < 0.15, f"the covariance is off by {error:.2f} of itself"


def test_pictures_of_codes_come_to_tell_pictures_apart(make_trainer: Make, store):
    knobs = {"width": 8, "steps": 200, "batch_size": 16, "learning_rate_g": 2e-3, "learning_rate_d": 2e-3}
    trainer = make_trainer("stylegan", **{**ON, "adversarial_from": 1.0}, **knobs)
    trainer.run(until=200)
    images = store.take(torch.arange(len(store))).images
    with torch.no_grad():
        drawn = trainer.players["G"].decode_styles(trainer.players["E"](images)[0])
    own, other = ((drawn.roll(k, 0) - images).abs().mean().item() for k in (0, 1))
    assert own < 0.8 * other, f"a picture's own reconstruction is as far as another's: {own:.3f}, {other:.3f}"


@pytest.mark.parametrize("mapping", ["dense", "flow"])
def test_a_run_goes_on_exactly_from_its_state(make_trainer: Make, mapping: str):
    knobs = {**ON, **(FLOW if mapping == "flow" else {})}
    whole, first, second = (make_trainer("stylegan", **knobs, steps=4) for _ in range(3))
    whole.run(until=4)
    first.run(until=2)
    second.load_state_dict(first.state_dict())
    second.run(until=4)
    for name in whole.players:
        assert torch.equal(weights(whole, name), weights(second, name)), name
    assert torch.equal(whole.family.bank.bank, second.family.bank.bank) and whole.family.bank.kept > 0
    assert list(model_of(whole).modules) == ["G"]


def test_a_flow_takes_the_place_of_the_critic(make_trainer: Make):
    trainer = make_trainer("stylegan", **ON, **FLOW, steps=4)
    assert set(trainer.players) == {"D", "G", "E"} and len(trainer.phases) == 2
    trainer.run(until=4)
    assert "term_g_flow" in trainer.metrics()
    terms = trainer.family.generator_terms(trainer.store.take(torch.arange(8)))
    named = dict(trainer.players["G"].named_parameters())
    for term in ("flow", "reconstruction", "adversarial"):
        gradients = torch.autograd.grad(terms[term], list(named.values()), retain_graph=True, allow_unused=True)
        taught = {name for name, gradient in zip(named, gradients, strict=True) if gradient is not None}
        assert taught and all(("mapping" in name) is (term == "flow") for name in taught), term
    network = trainer.players["G"].network
    torch.testing.assert_close(network.w_mean, trainer.family.bank.mean, atol=5e-3, rtol=0)
    assert network.w_mean.abs().sum() > 0.1
    model = model_of(trainer)
    assert "bank" not in " ".join(model.modules["G"].state_dict())
    assert torch.equal(model.sample(3, seed=1), model.sample(3, seed=1))


@pytest.mark.parametrize("mapping", ["dense", "flow"])
def test_frozen_resolutions_stay_once_d_plays_and_so_do_styles_and_codes(make_trainer: Make, mapping: str):
    knobs = {**ON, **(FLOW if mapping == "flow" else {})}
    trainer = make_trainer("stylegan", **knobs, steps=4, frozen=2)
    trainer.run(until=2)
    begun = weights(make_trainer("stylegan", **knobs), "E")
    assert not torch.equal(weights(trainer, "E"), begun), "nothing is frozen before D plays"
    generator, encoder = trainer.players["G"], weights(trainer, "E")
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    trainer.run(until=4)
    moved = {name for name, value in generator.state_dict().items() if not torch.equal(value, before[name])}
    fine = [f"network.blocks.{k}." for k in range(2, len(generator.network.blocks))]
    assert moved and all(any(name.startswith(block) for block in fine) or "to_picture" in name for name in moved), moved
    assert all(any(name.startswith(block) for name in moved) for block in fine)
    assert torch.equal(weights(trainer, "E"), encoder)
    terms = trainer.family.generator_terms(trainer.store.take(torch.arange(8)))
    assert set(terms) == {"reconstruction", "adversarial"}
    trainer.change("frozen", 0)
    trainer.run(until=5)
    assert not torch.equal(weights(trainer, "E"), encoder), "thawed"


def test_a_finished_generator_is_taught_its_fine_layers_alone(make_trainer: Make):
    """Fine-tuning without an encoder: D plays from the first step."""
    trainer = make_trainer("stylegan", grow=False, frozen=2)
    before = {name: value.clone() for name, value in trainer.players["G"].state_dict().items()}
    trainer.run(until=2)
    moved = {name for name, value in trainer.players["G"].state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not [name for name in moved if "mapping" in name or "w_mean" in name or "blocks.0" in name]
    assert any("blocks.2" in name for name in moved)


def test_a_flow_parts_noise_between_islands():
    """Codes lie on two islands; what dense layers would spread in between, four steps carry to one or the other."""
    generator = torch.Generator().manual_seed(0)
    with initialising(0):
        flow = FlowMapping(2, width=64, depth=2)
    codes = torch.randn(512, 2, generator=generator) * 0.2
    codes[:, 0] += torch.where(torch.rand(512, generator=generator) < 0.25, -2.0, 2.0)
    codes = 5.0 * codes + 3.0
    flow.settle(codes.mean(0), codes.std())
    optimiser = torch.optim.Adam(flow.parameters(), 3e-3)
    for _ in range(600):
        z, t = torch.randn(512, 2, generator=generator), torch.rand(512, generator=generator)
        loss = flow.matching_loss(z, codes, t)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        drawn = (flow(torch.randn(2000, 2, generator=generator)) - 3.0) / 5.0
    near = (drawn[:, 0].abs() - 2).abs() < 0.8
    assert near.float().mean() > 0.93, "few are in between"
    assert 0.18 < (drawn[:, 0] < 0).float().mean() < 0.32, "as many on each island as there are codes"
    assert drawn[:, 1].std() < 0.4


def test_the_bank_keeps_the_newest_codes_and_what_they_measure():
    critic, generator = CodeCritic(3, width=8), torch.Generator().manual_seed(0)
    critic.keep(torch.full((5, 3), 2.0))
    assert (critic.draw(50, generator) == 2.0).all(), "nothing is drawn that was never kept"
    assert torch.equal(critic.mean, torch.full((3,), 2.0))
    newer = torch.randn(BANK, 3, generator=generator) * torch.tensor([1.0, 2.0, 3.0]) + 7.0
    for part in newer.split(1000):
        critic.keep(part)
    torch.testing.assert_close(critic.mean, newer.mean(0))
    torch.testing.assert_close(critic.deviation, newer.var(0, correction=0).mean().sqrt())
    drawn = critic.draw(500, generator)
    assert (drawn[:, None] == newer).all(2).any(1).all() and drawn.unique(dim=0).shape[0] > 400


def test_the_critic_sees_codes_in_their_own_units():
    critic = CodeCritic(4, width=8)
    codes = torch.randn(64, 4)
    critic.keep(codes)
    scores = critic(codes)
    other = CodeCritic(4, width=8)
    other.load_state_dict({**critic.state_dict(), "bank": other.bank, "kept": other.kept})
    other.keep(1000 * codes - 50)
    torch.testing.assert_close(other(1000 * codes - 50), scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("preset", "knobs", "said"),
    [
        ("dcgan", {}, "style-based"),
        ("stylegan", {"reconstruction": 0.0, "adversarial_from": 0.0}, "reconstruction above 0"),
        ("stylegan", {"kl": 0.1}, "are free"),
        ("stylegan", {"moments": 1.0}, "are free"),
        ("stylegan", {"condition": "onehot"}, "no class"),
        ("stylegan", {"mapping": "flow", "latent_dim": 16, "w_dim": 12}, "set w_dim to 16"),
        ("stylegan", {**FLOW, "encode_to": "z"}, "codes of an encoder"),
        ("stylegan", {"frozen": 3}, "frozen to less than 3"),
        ("dcgan", {"encode_to": "z", "frozen": 1}, "of a style-based generator"),
    ],
)
def test_what_does_not_go_together_is_said(make_trainer: Make, preset: str, knobs: dict[str, Any], said: str):
    with pytest.raises(UsageError, match=said):
        make_trainer(preset, **{**ON, "grow": False, **knobs})


def test_free_codes_stay_free_while_a_training_runs(make_trainer: Make):
    trainer = make_trainer("stylegan", **ON)
    for name in ("kl", "moments"):
        with pytest.raises(UsageError, match="are free"):
            trainer.change(name, 0.1)
