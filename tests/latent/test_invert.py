"""Inversion: what a generator drew is found again, the best is kept, and the numbers reported those of the picture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from playground.data import faces
from playground.data.base import DataInfo
from playground.errors import PlaygroundError, UsageError
from playground.families import family_class, initialising
from playground.latent.encoder import Encoder, held, train_encoder
from playground.latent.invert import Inversion, invert, measure_inversion
from playground.latent.space import LatentSpace
from playground.methods import METHODS, method_settings
from playground.metrics.features import Extractor
from playground.model import Model
from playground.pixels import psnr, pyramid_l1, ssim

Make = Callable[..., LatentSpace]
STEPS = 60


def unseen(space: LatentSpace, seed: int = 991, label: int | None = None, codes: Tensor | None = None) -> Tensor:
    """A picture that the generator draws, from a latent that no search begins with."""
    z = space.z_samples(1, seed)
    return space.draw_z(z, label=label, codes=codes)


def redrawn(space: LatentSpace, found: Inversion) -> Tensor:
    return space.draw(found.latent, label=None if space.styled else found.label, codes=found.codes)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    """A classifier with random weights: its maps tell pictures apart already."""
    chosen = method_settings("classifier", {"width": 8, "size": 16})
    info = DataInfo("tiny", 1, 16, 48, ("discs", "squares", "stripes"))
    with initialising(5):
        modules = family_class(METHODS["classifier"].family).sampling_networks(chosen, info)
    return Extractor(Model("classifier", chosen, info, modules, {"name": "tiny eyes"}))


@pytest.fixture(scope="module")
def encoder(styled: LatentSpace) -> Encoder:
    return train_encoder(styled, steps=80, batch=16, lr=3e-3, width=8)


# --- what is found


@pytest.mark.parametrize("per_layer", [True, False])
def test_a_sample_of_a_style_based_model_is_found_again(styled: LatentSpace, per_layer: bool):
    picture = unseen(styled)
    found = invert(styled, picture, steps=STEPS, per_layer=per_layer)
    assert found.latent.shape == ((1, styled.layers, styled.w_dim) if per_layer else (1, styled.w_dim))
    assert not found.latent.requires_grad
    assert found.psnr > found.start_psnr + 5 and found.psnr > 25
    assert found.distance < 0.5 * found.start_distance
    assert found.ssim > found.start_ssim
    assert found.label is None and found.codes is None and found.measure == "pixels" and found.steps == STEPS


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_a_sample_of_a_plain_model_is_found_again(make_space: Make, latent: str):
    space = make_space("dcgan", latent=latent)
    found = invert(space, unseen(space), steps=STEPS)
    assert found.latent.shape == (1, space.z_dim)
    assert found.psnr > found.start_psnr + 3 and found.distance < 0.7 * found.start_distance
    if latent == "uniform":
        assert found.latent.abs().max() <= 1, "it stays in the cube of the samples"


def test_the_norm_prior_holds_a_normal_latent(plain: LatentSpace):
    """Black and white squares are far from all that it draws: z is pulled far out, unless it is held."""
    board = (torch.arange(16)[:, None] // 4 + torch.arange(16) // 4) % 2 * 2.0 - 1
    norms = [
        float(invert(plain, board.expand(1, 1, 16, 16), steps=STEPS, rate=0.2, pull=pull).latent.square().mean())
        for pull in (0, 10)
    ]
    assert abs(norms[1] - 1) < 0.25 and abs(norms[1] - 1) < abs(norms[0] - 1)


def test_layers_of_their_own_come_nearer_and_the_pull_holds_them_together(styled: LatentSpace):
    """The picture is a mixture of two styles, which no single w draws."""
    a, b = styled.w(styled.z_samples(2, seed=991))
    mixed = torch.stack([a] * 3 + [b] * 3)[None]
    picture = styled.draw(mixed)
    single, layered, held = (
        invert(styled, picture, steps=100, **options)
        for options in (dict(per_layer=False), dict(pull=0.0), dict(pull=50.0))
    )
    assert layered.psnr > single.psnr + 3
    apart = [float((each.latent - each.latent.mean(1, keepdim=True)).square().mean()) for each in (layered, held)]
    assert apart[1] < 0.5 * apart[0]


def test_features_are_what_is_made_small(styled: LatentSpace, extractor: Extractor):
    picture = unseen(styled)
    found = invert(styled, picture, extractor=extractor, steps=STEPS)
    assert found.measure == "tiny eyes"
    assert found.distance == pytest.approx(float(extractor.distance(redrawn(styled, found), picture)), rel=1e-3)
    assert found.distance < 0.5 * found.start_distance and found.psnr > found.start_psnr
    alone = invert(styled, picture, extractor=extractor, steps=STEPS, pixels=0)
    assert alone.distance < 0.5 * alone.start_distance


@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_class_is_found(make_space: Make, label: int):
    space = make_space("cgan", architecture="dcgan")
    with torch.no_grad():  # classes that show
        for table in (m for m in space.generator.modules() if isinstance(m, torch.nn.Embedding)):
            table.weight.mul_(2)
    picture = unseen(space, label=label)
    found = invert(space, picture, steps=STEPS)
    assert found.label == label
    assert found.psnr == pytest.approx(float(psnr(redrawn(space, found), picture)), rel=1e-4)
    given = invert(space, picture, steps=STEPS, label=(label + 1) % 3)
    assert given.label == (label + 1) % 3, "a class that is asked for is kept"
    assert given.distance > found.distance
    assert invert(space, picture, steps=0, label=space.classes[label]).label == label


def test_codes_are_found_within_their_range(make_space: Make):
    space = make_space("infogan")
    codes = space.seed_codes(77)
    picture = unseen(space, codes=codes)
    found = invert(space, picture, steps=STEPS)
    assert found.codes.shape == (1, space.codes.dim)
    categories, numbers = space.codes.split(found.codes)
    assert torch.equal(space.codes.join(categories, numbers), found.codes), "categories stay one or the other"
    assert numbers.abs().max() <= 1
    assert found.distance < 0.7 * found.start_distance
    assert found.psnr == pytest.approx(float(psnr(redrawn(space, found), picture)), rel=1e-4)


def test_a_conditional_style_based_model(make_space: Make):
    """w holds the class already."""
    space = make_space("stylegan", condition="onehot")
    picture = unseen(space, label=2)
    found = invert(space, picture, steps=STEPS)
    assert found.psnr > found.start_psnr + 3
    assert found.psnr == pytest.approx(float(psnr(space.draw(found.latent), picture)), rel=1e-4)
    assert invert(space, picture, steps=2, label=1).label == 1


def test_colour(make_space: Make):
    space = make_space("stylegan", channels=3)
    found = invert(space, unseen(space), steps=STEPS)
    assert found.psnr > 20 and found.psnr > found.start_psnr + 3


# --- the start


def test_without_steps_the_start_is_given_back(styled: LatentSpace):
    picture = unseen(styled)
    found = invert(styled, picture, steps=0)
    assert found.steps == 0
    assert (found.distance, found.psnr, found.ssim) == (found.start_distance, found.start_psnr, found.start_ssim)
    # no sample looked through is clearly nearer; it is compared with what the generator draws beyond ±1 too
    nearest = float(pyramid_l1(styled.draw(styled.w(styled.z_samples(512, 0))), picture.expand(512, -1, -1, -1)).min())
    assert nearest * 0.9999 < found.distance < 1.05 * nearest


def test_a_sample_that_was_looked_through_is_the_start(plain: LatentSpace):
    z = plain.z_samples(512, 0)[300:301]
    found = invert(plain, plain.draw(z), steps=0)
    assert torch.equal(found.latent, z) and found.start_psnr > 60


def test_the_encoder_is_where_it_begins(styled: LatentSpace, encoder: Encoder):
    picture = unseen(styled)
    layered, single = (
        invert(styled, picture, encoder=encoder, steps=0, per_layer=per_layer) for per_layer in (True, False)
    )
    assert torch.equal(single.latent, encoder(picture))
    near = [float(pyramid_l1(styled.draw(w), picture)) for w in (encoder.styles(picture), encoder(picture))]
    assert layered.start_distance == pytest.approx(min(near), rel=1e-4), "the nearer of its two guesses"
    found = invert(styled, picture, encoder=encoder, steps=STEPS)
    assert found.start_distance == layered.start_distance and found.distance < 0.6 * found.start_distance


def test_plain_models_pass_by_an_encoder(plain: LatentSpace, encoder: Encoder):
    picture = unseen(plain)
    assert torch.equal(invert(plain, picture, encoder=encoder, steps=2).latent, invert(plain, picture, steps=2).latent)


# --- on the way


@pytest.mark.parametrize("preset", ["stylegan", "cgan"])
def test_it_repeats_itself_and_touches_nothing(make_space: Make, preset: str):
    space = make_space(preset)
    before = {name: value.clone() for name, value in space.generator.state_dict().items()}
    picture = unseen(space, label=0 if space.classes else None)
    kept = picture.clone()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, again = (invert(space, picture, steps=10) for _ in range(2))
    assert torch.equal(first.latent, again.latent) and first.psnr == again.psnr
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(picture, kept)
    after = space.generator.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(p.requires_grad or p.grad is not None for p in space.generator.parameters())


@pytest.mark.parametrize("preset", ["stylegan", "dcgan"])
@pytest.mark.parametrize("rate", [0.05, 1.0])
def test_the_best_so_far_is_kept(make_space: Make, preset: str, rate: float):
    """Even where the steps are far too long."""
    space = make_space(preset)
    picture = unseen(space)
    calls: list[tuple[int, int, float, Tensor]] = []
    found = invert(space, picture, steps=20, rate=rate, on_step=lambda *call: calls.append(call))
    assert [(step, total) for step, total, _, _ in calls] == [(i, 20) for i in range(1, 21)]
    losses = [loss for _, _, loss, _ in calls]
    assert losses == sorted(losses, reverse=True)
    assert found.distance <= found.start_distance * 1.0001
    assert torch.equal(calls[-1][3], found.latent)
    for _, _, _, latent in calls:
        assert latent.shape[0] == 1 and space.draw(latent).shape == picture.shape


def test_the_loss_told_is_that_of_the_latent_told(styled: LatentSpace):
    """Without features it is the pixels' distance in units of that between two samples."""
    picture = unseen(styled)
    calls: list[tuple[float, Tensor]] = []
    invert(styled, picture, steps=30, on_step=lambda step, total, loss, latent: calls.append((loss, latent)))
    ratios = [loss / float(pyramid_l1(held(styled.draw(latent, clamp=False)), picture)) for loss, latent in calls[::7]]
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-3)


@pytest.mark.parametrize("preset", ["cgan", "infogan", "stylegan"])
def test_what_the_latent_is_drawn_with_is_told_before_it(make_space: Make, preset: str):
    space = make_space(preset)
    now: list[object] = []
    distances = []

    def step(_done: int, _steps: int, _loss: float, latent: Tensor) -> None:
        label, codes = now
        distances.append(float(pyramid_l1(space.draw(latent, label=label, codes=codes), picture)))

    picture = unseen(space, label=1 if space.classes else None)
    found = invert(
        space, picture, steps=30, on_condition=lambda *told: now.__setitem__(slice(None), told), on_step=step
    )
    assert now[0] == found.label and (now[1] is None) == (found.codes is None)
    if found.codes is not None:
        assert torch.equal(now[1], found.codes)
    assert distances[-1] == pytest.approx(found.distance, rel=1e-4) and distances[-1] < distances[0]


def test_a_broken_model_is_told(make_space: Make):
    space = make_space("dcgan")
    with torch.no_grad():
        for parameter in space.generator.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(UsageError, match="not finite"):
        invert(space, torch.zeros(1, 1, 16, 16), steps=5)


def test_it_can_be_stopped(styled: LatentSpace):
    picture = unseen(styled)
    asked, done = [], []
    found = invert(
        styled,
        picture,
        steps=1000,
        stop=lambda: asked.append(1) or len(asked) > 7,
        on_step=lambda step, *_: done.append(step),
    )
    assert found.steps == 7 and done[-1] == 7
    assert found.psnr > found.start_psnr
    at_once = invert(styled, picture, steps=10, stop=lambda: True)
    assert at_once.steps == 0 and at_once.psnr == at_once.start_psnr


def test_what_is_reported_is_the_picture(styled: LatentSpace):
    picture = unseen(styled)
    found = invert(styled, picture, steps=20)
    again = redrawn(styled, found)
    assert found.psnr == pytest.approx(float(psnr(again, picture)), rel=1e-4)
    assert found.ssim == pytest.approx(float(ssim(again, picture)), rel=1e-4)
    assert found.distance == pytest.approx(float(pyramid_l1(again, picture)), rel=1e-4)


# --- refusals


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (dict(picture=torch.zeros(1, 3, 16, 16)), "shape"),
        (dict(picture=torch.zeros(2, 1, 16, 16)), "shape"),
        (dict(picture=torch.zeros(1, 16, 16)), "shape"),
        (dict(picture="a.png"), "not str"),
        (dict(picture=torch.full((1, 1, 16, 16), torch.nan)), "between -1 and 1"),
        (dict(picture=torch.full((1, 1, 16, 16), 255.0)), "between -1 and 1"),
        (dict(steps=-1), "steps"),
        (dict(steps=10**6), "steps"),
        (dict(steps=1.5), "steps"),
        (dict(steps=True), "steps"),
        (dict(rate=0), "rate"),
        (dict(rate=1.5), "rate"),
        (dict(rate=float("nan")), "rate"),
        (dict(pull=-1), "pull"),
        (dict(pixels="much"), "pixels"),
        (dict(label=0), "without labels"),
        (dict(seed=-1), "seed"),
    ],
)
@pytest.mark.parametrize("kind", ["styled", "plain"])
def test_what_it_refuses(request: pytest.FixtureRequest, kind: str, options: dict, says: str):
    space = request.getfixturevalue(kind)
    options = {"picture": torch.zeros(1, 1, 16, 16), "steps": 1, **options}
    with pytest.raises(PlaygroundError, match=says):
        invert(space, options.pop("picture"), **options)


def test_classes_that_do_not_exist(make_space: Make):
    space = make_space("cgan", architecture="dcgan")
    for label in (3, -1, "circles"):
        with pytest.raises(UsageError):
            invert(space, torch.zeros(1, 1, 16, 16), steps=1, label=label)


def test_an_encoder_of_another_model(make_space: Make, encoder: Encoder):
    space = make_space("stylegan", size=32)
    with pytest.raises(UsageError, match="encoder"):
        invert(space, torch.zeros(1, 1, 32, 32), encoder=encoder, steps=1)


# --- the benchmark


def test_measured_on_unseen_faces():
    chosen = method_settings("stylegan", {"width": 4, "size": 16, "latent_dim": 8})
    with initialising(1):
        info = DataInfo("faces", 3, 16, 64)
        space = LatentSpace(
            Model("stylegan", chosen, info, family_class("adversarial").sampling_networks(chosen, info), {})
        )
    seen: list[tuple[int, int]] = []
    options = dict(count=3, steps=8, on_picture=lambda *call: seen.append(call))
    scores = measure_inversion(space, seed=0, **options)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert scores["count"] == 3 and scores["steps"] == 8 and scores["measure"] == "pixels"
    assert scores["psnr"] > scores["start_psnr"] > 0 and scores["distance"] < scores["start_distance"]
    assert scores == measure_inversion(space, seed=0, **options)
    assert scores != measure_inversion(space, seed=1, **options), "another seed is another data set"
    # the means are those of inversions made one by one, and the pictures none of a training's
    training = faces.load(16, seed=0, count=64).take(torch.arange(64)).images
    given = measure_inversion(space, pictures=training[:2], steps=8)
    each = [invert(space, training[i : i + 1], steps=8) for i in range(2)]
    for name in ("start_distance", "distance", "start_psnr", "psnr", "start_ssim", "ssim"):
        assert given[name] == pytest.approx(sum(getattr(one, name) for one in each) / 2)


def test_measured_on_what(styled: LatentSpace):
    with pytest.raises(UsageError, match="give some"):
        measure_inversion(styled, count=1, steps=1)
    assert measure_inversion(styled, steps=1, pictures=unseen(styled))["count"] == 1
    with pytest.raises(UsageError, match="number of pictures"):
        measure_inversion(styled, steps=1, pictures=unseen(styled)[:0])
