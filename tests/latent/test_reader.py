"""Readers: what a classifier says, as log-odds under names, with what may be asked of each name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from playground.data import faces, shapes
from playground.errors import UsageError
from playground.latent.reader import Reader, words
from playground.latent.space import LatentSpace
from playground.model import Model, model_of
from playground.trainer import Trainer

Make = Callable[..., Trainer]
Panels = Callable[..., LatentSpace]


@pytest.fixture(scope="module")
def class_reader(make_trainer: Make) -> Reader:
    """An untaught classifier of discs, squares and stripes."""
    return Reader(model_of(make_trainer("classifier")))


def test_it_reads_what_was_drawn(panels: Panels, guide: Reader, judge: Reader):
    space = panels()
    z = space.z_samples(200, seed=9)
    z = z[(z[:, :2].abs() > 0.3).all(dim=1)]  # beyond doubt
    pictures = space.draw(z)
    for reader in (guide, judge):
        read = reader(pictures)
        assert read.shape == (len(z), 3) and read.dtype == torch.float32
        assert ((read[:, :2] > 0.5) == (z[:, :2] > 0)).float().mean() > 0.97
        assert (read[:, 2] - torch.sigmoid(2 * z[:, 2])).abs().mean() < 0.1


def test_names_and_what_they_are(guide: Reader, class_reader: Reader):
    assert (guide.names, guide.binary, guide.exclusive) == (("left", "right", "level"), (True, True, False), False)
    assert class_reader.names == ("discs", "squares", "stripes") and class_reader.exclusive
    assert class_reader.binary == (True, True, True)
    assert guide.index("level") == 2 and guide.related("left") == frozenset()
    assert class_reader.related("discs") == {"squares", "stripes"}


def test_attributes_are_the_models_own_reading(panels: Panels, guide: Reader):
    pictures = panels().draw(panels().z_samples(5))
    read = guide.model.read(pictures).attribute_logits
    torch.testing.assert_close(guide(pictures), torch.sigmoid(read))
    torch.testing.assert_close(guide.logits(pictures), read)
    assert guide(pictures[:0]).shape == (0, 3)
    torch.testing.assert_close(guide(pictures, batch=2), guide(pictures))


def test_log_odds_of_classes_are_their_softmax(class_reader: Reader):
    pictures = torch.rand(6, 1, 16, 16) * 2 - 1
    logits = class_reader.model.read(pictures).class_logits
    torch.testing.assert_close(class_reader(pictures), logits.softmax(dim=1))
    assert class_reader(pictures).sum(dim=1) == pytest.approx(1.0)


def test_log_odds_stay_exact_where_a_class_is_certain(class_reader: Reader):
    head = class_reader.network.class_head
    before = head.bias.clone()
    try:
        head.bias.copy_(before + torch.tensor([90.0, 0.0, 0.0]))  # 1 − p is below float32's grain
        odds = class_reader.logits(torch.zeros(1, 1, 16, 16))
    finally:
        head.bias.copy_(before)
    assert torch.isfinite(odds).all() and 60 < odds[0, 0] < 120 and (odds[0, 1:] < -60).all()


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (2, 3, 16, 16), (2, 1, 40, 40), (2, 3, 8, 8)], ids=str)
def test_pictures_of_any_size_and_colour_have_a_gradient(guide: Reader, shape: tuple[int, ...]):
    pictures = torch.zeros(shape, requires_grad=True)
    guide.logits(pictures).sum().backward()
    assert pictures.grad.abs().sum() > 0


def test_size_and_colour_do_not_matter(panels: Panels, guide: Reader):
    pictures = panels().draw(panels().z_samples(20, seed=2))
    large = torch.nn.functional.interpolate(pictures.expand(-1, 3, -1, -1), scale_factor=3, mode="nearest")
    assert (guide(large) - guide(pictures)).abs().max() < 0.05


def test_what_is_no_classifier_is_refused(panels: Panels, guide: Reader):
    with pytest.raises(UsageError, match="Only a classifier can read"):
        Reader(panels().model)
    with pytest.raises(UsageError, match=r"Unknown attribute 'lefft'. Did you mean 'left'\?"):
        guide.index("lefft")
    with pytest.raises(UsageError, match="Unknown attribute"):
        guide.related("nose")
    with pytest.raises(UsageError, match="channels"):
        guide.logits(torch.zeros(1, 2, 16, 16))


@pytest.fixture(scope="module")
def face_reader(make_trainer: Make) -> Reader:
    """An untaught classifier with the names of `faces`, as one saved by an older version: no facts on them."""
    settings = make_trainer("attribute-classifier").settings
    info = replace(faces.load().info, size=16)
    from playground.families import family_class, initialising

    with initialising():
        modules = family_class("supervised").sampling_networks(settings, info)
    return Reader(Model("attribute-classifier", settings, info, modules, {}))


def test_matters_of_degree_are_found_from_the_data(face_reader: Reader):
    degree = {name for name, binary in zip(face_reader.names, face_reader.binary, strict=True) if not binary}
    assert degree == {
        "age", "smile", "mouth_open", "gaze_x", "gaze_y", "eye_open", "brows", "tilt", "turn", "face_width",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("smiling", {"smile"}),
        ("bald", {"long_hair", "curly_hair", "tied_hair"}),
        ("glasses", {"sunglasses"}),
        ("older", {"age"}),
        ("hat", set()),
    ],
)
def test_what_shares_a_cause_cannot_be_held(face_reader: Reader, name: str, others: set[str]):
    assert face_reader.related(name) == others


def test_relations_go_both_ways(face_reader: Reader):
    for name in face_reader.names:
        assert name not in face_reader.related(name)
        assert all(name in face_reader.related(other) for other in face_reader.related(name))


def test_names_in_a_persons_words():
    assert words("mouth_open") == "open mouth" and words("red_hair") == "red hair" and words("older") == "older"
    for name in (*faces.ATTRIBUTES, *shapes.ATTRIBUTES):
        assert "_" not in words(name)
