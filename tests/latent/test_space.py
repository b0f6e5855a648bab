"""Latent spaces: the model's own pictures, reached by vectors, with gradients, and nothing that depends on the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from playground.errors import PlaygroundError, UsageError
from playground.latent.space import LatentSpace
from playground.methods import METHODS
from playground.networks.style import enlarge

Make = Callable[..., LatentSpace]
GENERATORS = [name for name, method in METHODS.items() if getattr(method, "kind", "generator") == "generator"]
CLASSIFIERS = [name for name in METHODS if name not in GENERATORS]


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-4) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() < tolerance)


# --- what it is


def test_the_facts_of_a_styled_space(styled: LatentSpace):
    assert (styled.styled, styled.z_dim, styled.w_dim, styled.layers) == (True, 8, 8, 6)
    assert styled.layer_resolutions == (4, 4, 8, 8, 16, 16) and len(styled.layer_names) == 6
    assert (styled.size, styled.channels, styled.classes, styled.codes) == (16, 1, (), None)


def test_the_facts_of_plain_and_conditional_spaces(plain: LatentSpace, make_space: Make):
    assert (plain.styled, plain.w_dim, plain.layers, plain.layer_names) == (False, None, 0, ())
    assert plain.classes == ()  # the data have classes, the model has not
    assert make_space("cgan").classes == ("discs", "squares", "stripes")
    assert make_space("infogan").codes.dim == 12


@pytest.mark.parametrize("preset", CLASSIFIERS)
def test_a_classifier_has_no_latent_space(make_trainer: Callable[..., Any], preset: str):
    from playground.model import model_of

    with pytest.raises(UsageError, match="generator"):
        LatentSpace(model_of(make_trainer(preset)))


# --- the model's own pictures


@pytest.mark.parametrize("preset", GENERATORS)
def test_a_seed_is_the_picture_of_the_model(make_space: Make, preset: str):
    space = make_space(preset)
    label, codes = space.sample_conditions(3, 5)
    drawn = space.draw_z(space.z_samples(3, 5), label=label, codes=codes)
    assert close(drawn, space.model.sample(3, seed=5))
    assert torch.equal(space.seed_z(5), space.z_samples(3, 5)[0])
    one = space.draw_z(space.seed_z(5)[None], codes=space.seed_codes(5))
    assert close(one, space.model.sample(1, seed=5))
    assert len(torch.unique(drawn.flatten(1), dim=0)) == 3


@pytest.mark.parametrize(
    "knobs",
    [
        {"preset": "dcgan", "dropout_g": 0.5},
        {"preset": "stylegan", "dropout_g": 0.3},
        {"preset": "stylegan", "condition": "onehot"},
        {"preset": "stylegan", "channels": 3},
        {"preset": "dcgan", "latent": "uniform"},
        {"preset": "cgan", "code_categories": 4, "code_continuous": 2},
    ],
    ids=str,
)
def test_so_it_is_with_other_settings(make_space: Make, knobs: dict[str, Any]):
    space = make_space(**knobs)
    for seed in (0, 7):
        drawn = space.draw_z(space.seed_z(seed)[None], codes=space.seed_codes(seed), seeds=seed)
        assert close(drawn, space.model.sample(1, seed=seed))


@pytest.mark.parametrize("psi", [0.5, 1.3])
def test_truncation_is_that_of_the_model(styled: LatentSpace, plain: LatentSpace, psi: float):
    drawn = styled.draw(styled.seed_w(4)[None], psi=psi)
    assert close(drawn, styled.model.sample(1, seed=4, truncation=psi))
    assert not close(drawn, styled.model.sample(1, seed=4), 0.01)
    z = plain.seed_z(4, psi)
    assert z.abs().max() <= psi and close(plain.draw(z[None]), plain.model.sample(1, seed=4, truncation=psi))


def test_a_model_saved_while_growing_draws_whole_pictures(make_space: Make):
    space = make_space("stylegan")
    space.network.set_growth(1, 0.4)
    w = space.w_samples(2)
    drawn = space.draw(w, noise=[5] * 6)
    assert drawn.shape == (2, 1, 16, 16) and torch.equal(enlarge(drawn[:, :, ::2, ::2], 16), drawn)
    assert close(space.draw_z(space.seed_z(3)[None]), space.model.sample(1, seed=3))


# --- w


def test_w_is_what_the_mapping_makes_of_a_seed(styled: LatentSpace):
    assert torch.equal(styled.seed_w(9), styled.w(styled.seed_z(9)[None])[0])
    assert torch.equal(styled.seed_w(9), styled.seed_w(9))
    samples = styled.w_samples(50, seed=9)
    assert samples.shape == (50, 8) and close(samples[0], styled.seed_w(9), 1e-5)
    assert close(styled.draw(samples[:2]), styled.draw_z(styled.z_samples(2, 9)))


def test_what_is_given_back_can_be_written_to(styled: LatentSpace):
    for get in (styled.seed_z, styled.seed_w):
        get(1).zero_()
        assert get(1).abs().max() > 0


def test_the_scale_of_w_is_the_deviation_along_a_direction(styled: LatentSpace):
    offset = styled.w_samples(2000) - styled.w_mean
    directions = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))[0]
    along = (offset @ directions).square().mean().sqrt().item()
    assert styled.w_scale == pytest.approx(along, rel=1e-4)


def test_labels_and_codes_reach_w(make_space: Make):
    space = make_space("stylegan", condition="onehot", code_continuous=2)
    w = [space.seed_w(1, label=k) for k in range(3)]
    assert not close(w[0], w[1], 1e-3) and torch.equal(w[0], space.seed_w(1))
    assert torch.equal(space.seed_w(1, label="stripes"), w[2])
    assert not close(space.seed_w(1, codes=(0.9, -0.9)), w[0], 1e-3)
    assert torch.equal(space.seed_w(1, codes=space.seed_codes(1)), w[0])


# --- drawing


@pytest.mark.parametrize("preset", ["stylegan", "dcgan", "cgan", "infogan"])
def test_it_is_the_same_every_time_and_for_any_batch(make_space: Make, preset: str):
    space = make_space(preset)
    z = space.z_samples(5, 1)
    many = space.draw_z(z)
    assert torch.equal(space.draw_z(z), many) and many.abs().max() <= 1 and many.dtype == torch.float32
    for i in range(5):
        one = space.draw_z(z[i : i + 1])
        assert torch.equal(space.draw_z(z[i : i + 1]), one) and close(one[0], many[i])


@pytest.mark.parametrize("preset", ["stylegan", "dcgan", "cgan"])
def test_drawing_has_the_right_gradient(make_space: Make, preset: str):
    """The slope along a direction agrees with small differences."""
    space = make_space(preset)
    z = space.z_samples(1, 2)
    step = torch.randn(1, 8, generator=torch.Generator().manual_seed(1)) * 1e-3  # short: activations have kinks
    weight = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(2))

    def height(z: torch.Tensor) -> torch.Tensor:
        return (space.draw_z(z, clamp=False) * weight).sum()

    with torch.no_grad():
        measured = (height(z + step) - height(z - step)) / 2
    (slope,) = torch.autograd.grad(height(z.requires_grad_()), z)
    assert (slope * step).sum().item() == pytest.approx(measured.item(), rel=0.05, abs=2e-4)


def test_each_layers_style_has_a_gradient(styled: LatentSpace):
    w = styled.per_layer(styled.w_samples(2)).clone().requires_grad_()
    styled.draw(w, psi=0.8, psi_layers=(0, 3), noise=3, clamp=False).square().sum().backward()
    assert (w.grad.abs().amax(-1) > 0).all()


def test_clamping_is_optional(styled: LatentSpace):
    w = styled.w_samples(8)
    free = styled.draw(w, clamp=False)
    assert free.abs().max() > 1 and torch.equal(free.clamp(-1, 1), styled.draw(w))


def test_one_vector_serves_every_layer(styled: LatentSpace):
    w = styled.w_samples(3)
    assert torch.equal(styled.draw(styled.per_layer(w)), styled.draw(w))
    assert styled.per_layer(w[0]).shape == (6, 8) and styled.per_layer(styled.per_layer(w)).shape == (3, 6, 8)


def test_a_model_says_whether_it_learned_with_noise(make_space: Callable[..., LatentSpace], plain: LatentSpace):
    assert make_space("stylegan").noisy
    assert not make_space("stylegan", style_noise=False).noisy and not plain.noisy


@pytest.mark.parametrize("layer", range(6))
def test_psi_acts_on_the_layers_it_is_given(styled: LatentSpace, layer: int):
    w = styled.w_samples(2)
    pulled = styled.truncate(w, 0.5, (layer, layer))
    moved = (pulled != styled.per_layer(w)).flatten(2).any(-1)
    assert moved[:, layer].all() and moved.sum() == 2
    assert torch.allclose(pulled[:, layer], (w + styled.w_mean) / 2, atol=1e-6)


def test_psi_may_be_one_a_picture(styled: LatentSpace):
    w = styled.w_samples(3)
    drawn = styled.draw(w, psi=torch.tensor([0.0, 0.5, 1.0]))
    assert close(drawn[1], styled.draw(w[1:2], psi=0.5)[0]) and close(drawn[2], styled.draw(w[2:])[0])
    assert close(drawn[0], styled.draw(styled.w_mean[None])[0])


# --- noise


def test_the_modes_of_noise(styled: LatentSpace):
    w = styled.w_samples(1)
    fixed, none, five, six = (styled.draw(w, noise=noise) for noise in ("fixed", "none", 5, 6))
    pictures = torch.cat([fixed, none, five, six])
    assert len(torch.unique(pictures.flatten(1), dim=0)) == 4
    assert torch.equal(styled.draw(w), fixed) and torch.equal(styled.draw(w, noise=5), five)
    assert torch.equal(styled.draw(w, noise=["none"] * 6), none) and torch.equal(styled.draw(w, noise=[5] * 6), five)


@pytest.mark.parametrize("layer", range(6))
def test_noise_of_one_layer_is_the_same_whatever_the_others_have(styled: LatentSpace, layer: int):
    w, inputs = styled.w_samples(1), []
    hook = styled.network.blocks[layer // 2].register_forward_pre_hook(lambda _, args: inputs.append(args[2]))
    try:
        styled.draw(w, noise=5)
        styled.draw(w, noise=[5 if k == layer else "none" for k in range(6)])
    finally:
        hook.remove()
    first, second = (each[layer % 2] for each in inputs)
    assert torch.equal(first, second) and first.shape == (1, 1, *[styled.layer_resolutions[layer]] * 2)


def test_rows_may_each_have_their_own_noise(styled: LatentSpace):
    w = styled.w_samples(4)
    noises = ["fixed", "none", 5, ["none", 5, "fixed", 6, "none", "fixed"]]
    drawn = styled.draw_rows(w, noises)
    for i, noise in enumerate(noises):
        assert close(drawn[i], styled.draw(w[i : i + 1], noise=noise)[0])


def test_drawing_touches_no_global_generator(make_space: Make):
    space = make_space("stylegan", dropout_g=0.3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    space.draw(space.w_samples(2), noise=4)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_is_a_matter_of_the_seed_and_leaves_the_model_as_it_was(make_space: Make):
    space = make_space("dcgan", dropout_g=0.5)
    before = space.model.sample(3, seed=2)
    z = space.z_samples(2)
    both = space.draw(z, seeds=[4, 6])
    for i, seed in enumerate((4, 6)):
        assert close(space.draw(z[i : i + 1], seeds=seed)[0], both[i])
    assert not close(space.draw(z, seeds=4)[1], both[1], 0.01)
    with pytest.raises(UsageError, match="one dropout seed"):
        space.draw(z, seeds=[1, 2, 3])
    assert torch.equal(space.model.sample(3, seed=2), before)


def test_threads_don_t_disturb_each_other(make_space: Make):
    model = make_space("dcgan", dropout_g=0.5).model
    spaces = [LatentSpace(model), LatentSpace(model)]
    z = spaces[0].z_samples(1)
    wanted, found = [spaces[0].draw(z, seeds=i) for i in range(2)], [[], []]
    threads = [
        threading.Thread(target=lambda i=i: found[i].extend(spaces[i].draw(z, seeds=i) for _ in range(20)))
        for i in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        assert len(found[i]) == 20 and all(torch.equal(one, wanted[i]) for one in found[i])


# --- labels and codes


def test_labels_by_number_name_and_weights(make_space: Make):
    space = make_space("cgan")
    z = space.z_samples(2)
    second = space.draw(z, label=1)
    onehot = torch.tensor([0.0, 1.0, 0.0])
    for label in ("squares", [0.0, 1.0, 0.0], onehot, onehot.expand(2, 3), torch.tensor([1, 1]), torch.tensor(1)):
        assert torch.equal(space.draw(z, label=label), second)
    each = space.draw(z, label=torch.tensor([2, 1]))
    assert close(each[1], second[1]) and close(each[0], space.draw(z, label=2)[0]) and not close(each[0], second[0])
    half = space.draw(z, label=[0.5, 0.5, 0.0])
    assert not close(half, second, 0.01) and not close(half, space.draw(z, label=0), 0.01)
    assert torch.equal(space.draw(z), space.draw(z, label=0))


def test_codes_change_the_picture_and_have_gradients(make_space: Make):
    space = make_space("infogan")
    z = space.z_samples(1)
    codes = space.seed_codes(0)
    assert torch.equal(space.draw(z, codes=codes), space.draw(z))
    other = [0.0] * 9 + [1.0, 0.3, -0.3]
    assert not close(space.draw(z, codes=other), space.draw(z), 0.01)
    assert torch.equal(space.condition(None, other, 2)[1], torch.tensor([other, other]))
    rows = torch.tensor([other], requires_grad=True)
    space.draw(z, codes=rows).sum().backward()
    assert rows.grad.abs().sum() > 0


# --- bad input


BAD_STYLED = [
    lambda s: s.seed_z(-1),
    lambda s: s.seed_z(2**31),
    lambda s: s.seed_z(1.5),
    lambda s: s.seed_z(True),
    lambda s: s.z_samples(0),
    lambda s: s.w_samples(10**9),
    lambda s: s.w(torch.zeros(2, 9)),
    lambda s: s.w(torch.zeros(8)),
    lambda s: s.draw(torch.zeros(1, 5, 8)),
    lambda s: s.draw(torch.zeros(0, 8)),
    lambda s: s.draw(torch.full((1, 8), float("nan"))),
    lambda s: s.draw(torch.full((1, 8), float("inf"))),
    lambda s: s.draw([0.0] * 8),
    lambda s: s.draw(torch.zeros(1, 8), psi=float("nan")),
    lambda s: s.draw(torch.zeros(1, 8), psi="half"),
    lambda s: s.draw(torch.zeros(1, 8), psi=torch.zeros(3)),
    lambda s: s.draw(torch.zeros(1, 8), psi=0.5, psi_layers=(0, 6)),
    lambda s: s.draw(torch.zeros(1, 8), psi=0.5, psi_layers=(3, 1)),
    lambda s: s.draw(torch.zeros(1, 8), psi=0.5, psi_layers="coarse"),
    lambda s: s.draw(torch.zeros(1, 8), noise="some"),
    lambda s: s.draw(torch.zeros(1, 8), noise=-4),
    lambda s: s.draw(torch.zeros(1, 8), noise=["fixed"] * 5),
    lambda s: s.draw(torch.zeros(1, 8), noise=None),
    lambda s: s.draw_z(torch.zeros(1, 8), label=0),
    lambda s: s.draw_z(torch.zeros(1, 8), codes=[1.0]),
    lambda s: s.seed_w(1, label=0),
]
BAD_PLAIN = [
    lambda s: s.w(torch.zeros(1, 8)),
    lambda s: s.w_samples(),
    lambda s: s.w_scale,
    lambda s: s.w_mean,
    lambda s: s.seed_w(0),
    lambda s: s.truncate(torch.zeros(1, 8), 0.5),
    lambda s: s.per_layer(torch.zeros(1, 8)),
    lambda s: s.check_layers((0, 1)),
    lambda s: s.draw(torch.zeros(1, 8), noise="none"),
    lambda s: s.draw(torch.zeros(1, 6, 8)),
]
BAD_LABELS = [
    "discz", 3, -1, 1.5, True, [0.5, 0.5], [0.5, 0.5, float("nan")], [1e9, 0.0, 0.0], torch.tensor([0]),
    torch.tensor([0, 3]), torch.zeros(2, 4), torch.full((2, 3), float("nan")), {"a": 1},
]  # fmt: skip
BAD_CODES = [[0.0] * 11, [float("inf")] * 12, "codes", torch.zeros(3, 12), torch.zeros(2, 11), 1.0]


def sentence(error: pytest.ExceptionInfo[PlaygroundError]) -> bool:
    text = str(error.value)
    return text[0].isupper() and text[-1] in ".?" and "\n" not in text and len(text) < 250


@pytest.mark.parametrize("case", range(len(BAD_STYLED)))
def test_bad_input_to_a_styled_space(styled: LatentSpace, case: int):
    with pytest.raises(UsageError) as error:
        BAD_STYLED[case](styled)
    assert sentence(error)


@pytest.mark.parametrize("case", range(len(BAD_PLAIN)))
def test_bad_input_to_a_plain_space(plain: LatentSpace, case: int):
    with pytest.raises(UsageError) as error:
        BAD_PLAIN[case](plain)
    assert sentence(error)


@pytest.mark.parametrize("label", BAD_LABELS, ids=str)
def test_bad_labels(make_space: Make, label: Any):
    space = make_space("cgan")
    with pytest.raises(UsageError) as error:
        space.draw(torch.zeros(2, 8), label=label)
    assert sentence(error)


@pytest.mark.parametrize("codes", BAD_CODES, ids=str)
def test_bad_codes(make_space: Make, codes: Any):
    space = make_space("infogan")
    with pytest.raises(UsageError) as error:
        space.draw(torch.zeros(2, 8), codes=codes)
    assert sentence(error)
