"""Cartoon portraits: each factor shows where it should, and labels, lines, captions and numbers tell the same story."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import spearmanr
from torch.nn.functional import max_pool2d

from playground.data import drawing, faces
from playground.data.portrait import BACKDROPS, CLOTHES, HAIR_COLOURS, SKINS
from playground.errors import UsageError

# A face on which every factor can be seen: nothing hidden by a hat, sunglasses or shut eyes.
OPEN = {
    "hair": "bob", "hair_colour": "brown", "skin": "peach", "hat": "none", "glasses": "none", "beard": "none",
    "earrings": "none", "clothing": "tee", "clothing_colour": "red", "background": "plain",
    "background_colour": "blue", "eye_colour": "blue", "age": 30.0, "smile": 0.3, "mouth_open": 0.3, "gaze_x": 0.0,
    "gaze_y": 0.0, "eye_open": 0.9, "brows": 0.0, "tilt": 0.0, "turn": 0.0, "face_width": 0.0, "jaw": 0.0,
    "eye_size": 0.0, "nose_size": 0.0, "lips": 0.3, "hair_volume": 0.5, "parting": -0.5, "blush": 0.3, "freckles": 0.0,
}  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def portrait(n: int = 1, **changes) -> drawing.Factors:
    return faces.sample_factors(n, seeded(), **{**OPEN, **changes})


def label(name: str) -> int:
    return faces.LABELS.index(name)


def grown(mask: torch.Tensor, by: int) -> torch.Tensor:
    """A mask [N, S, S] with a margin of `by` pixels."""
    return max_pool2d(mask[:, None].float(), 2 * by + 1, 1, by)[:, 0] > 0


@pytest.fixture(scope="module")
def crowd() -> drawing.Factors:
    return faces.sample_factors(96, seeded(1))


def test_the_open_face_names_every_factor():
    assert set(OPEN) == set(faces.FACTORS)
    assert len(faces.FACTORS) >= 16


@pytest.mark.parametrize("style", ["flat", "ink"])
@pytest.mark.parametrize("name", list(faces.FACTORS))
def test_each_factor_alone_changes_the_picture(name, style):
    factor = faces.FACTORS[name]
    values = range(len(factor.values)) if factor.categorical else factor.values
    pictures = faces.render(portrait(len(values), **{name: list(values)}), 64, style)
    for i in range(len(values)):
        for j in range(i):
            changed = ((pictures[i] - pictures[j]).abs().amax(0) > 0.06).sum()
            assert changed >= 6, f"{name}: {values[i]} looks like {values[j]}"


# What a factor may touch: label regions (of either picture) with a margin of three pixels at 128.
LOCAL = [
    ("earrings", ("none", "hoops"), ("earrings",)),
    ("glasses", ("none", "square"), ("glasses", "eyes")),
    ("gaze_x", (-1.0, 1.0), ("eyes",)),
    ("gaze_y", (-1.0, 1.0), ("eyes",)),
    ("eye_colour", ("brown", "blue"), ("eyes",)),
    ("brows", (-1.0, 1.0), ("brows",)),
    ("nose_size", (-1.0, 1.0), ("nose",)),
    ("clothing_colour", ("red", "blue"), ("clothing",)),
    ("background", ("plain", "dots"), ("background",)),
    ("background_colour", ("blue", "indigo"), ("background",)),
    ("hair_colour", ("black", "blond"), ("hair", "brows")),
    ("beard", ("none", "full"), ("beard", "mouth", "nose")),
]


@pytest.mark.parametrize(("name", "values", "labels"), LOCAL, ids=[row[0] for row in LOCAL])
def test_local_factors_leave_the_rest_alone(name, values, labels):
    factors = portrait(2, **{name: list(values)})
    pictures, maps = faces.render(factors, 128), faces.label_map(factors, 128)
    changed = (pictures[0] - pictures[1]).abs().amax(0) > 0.03
    allowed = torch.isin(maps, torch.tensor([label(part) for part in labels])).any(0, keepdim=True)
    outside = changed & ~grown(allowed, 3)[0]
    assert changed.any()
    assert not outside.any(), f"{int(outside.sum())} pixels changed away from {labels}"


def test_mouth_factors_stay_in_the_lower_face():
    for name in ("smile", "mouth_open", "lips"):
        low, high = faces.FACTORS[name].values
        pictures = faces.render(portrait(2, **{name: [low, high]}), 128)
        rows = ((pictures[0] - pictures[1]).abs().amax((0, 2)) > 0.03).nonzero()
        assert rows.min() > 64, name
        assert rows.max() < 105, name


def test_gaze_moves_the_pupils_the_way_it_says():
    def pupils(**gaze) -> torch.Tensor:
        factors = portrait(hair="bald", **gaze)
        dark = (faces.render(factors, 128)[0].mean(0) < -0.5) & (faces.label_map(factors, 128)[0] == label("eyes"))
        return dark[52:76].nonzero().float().mean(0)  # below the lashes: mean (row, column)

    assert pupils(gaze_x=1.0)[1] - pupils(gaze_x=-1.0)[1] > 2
    assert pupils(gaze_y=1.0)[0] - pupils(gaze_y=-1.0)[0] > 1


def test_tilt_and_turn_go_to_the_right_when_positive():
    def centre(part: str, **pose) -> float:
        columns = (faces.label_map(portrait(**pose), 128)[0] == label(part)).nonzero()[:, 1]
        return columns.float().mean().item()

    assert centre("eyes", tilt=12.0) > centre("eyes") > centre("eyes", tilt=-12.0)
    assert centre("nose", turn=1.0) > centre("nose") > centre("nose", turn=-1.0)
    moved = centre("nose", turn=1.0) - centre("nose")
    assert moved > centre("eyes", turn=1.0) - centre("eyes"), "the nose is nearer than the eyes, so it moves further"


def test_hair_and_skin_have_their_colours():
    for table, factor, part in (
        (HAIR_COLOURS, "hair_colour", "hair"),
        (SKINS, "skin", "skin"),
        (CLOTHES, "clothing_colour", "clothing"),
    ):
        factors = portrait(len(table), **{factor: list(table)})
        pictures, maps = (faces.render(factors, 64) + 1) / 2, faces.label_map(factors, 64)
        codes = [row[0] if isinstance(row, tuple) else row for row in table.values()]
        wanted = torch.tensor([drawing.colour(code) for code in codes])
        for i, name in enumerate(table):
            seen = pictures[i][:, maps[i] == label(part)].median(1).values
            assert (wanted - seen).square().sum(1).argmin() == i, f"{part} in {name}"


def test_the_same_seed_gives_the_same_pictures():
    a, b, c = (faces.draw(6, seeded(s), "cpu", size=32) for s in (3, 3, 4))
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.labels, b.labels)
    assert torch.equal(a.attributes, b.attributes)
    assert (a.images - c.images).abs().mean() > 0.1


def test_a_picture_depends_on_its_own_factors_only(crowd):
    few = {name: column[[5, 40, 77]] for name, column in crowd.items()}
    for style in drawing.STYLES:
        together = faces.render(crowd, 32, style)[[5, 40, 77]]
        assert torch.allclose(together, faces.render(few, 32, style), atol=1e-4)


@pytest.mark.parametrize("style", ["flat", "ink"])
def test_cropping_layers_loses_nothing(style, crowd, monkeypatch):
    some = {name: column[:48] for name, column in crowd.items()}
    some["tilt"] = torch.where(torch.arange(48) % 2 == 0, 12.0, -12.0)
    cropped = faces.render(some, 64, style)
    lines, labels = faces.edges(some, 64), faces.label_map(some, 64)
    whole = drawing.Region(slice(0, 64), slice(0, 64))
    monkeypatch.setattr(drawing.Painter, "region", lambda self, *rectangle: whole)
    assert torch.allclose(cropped, faces.render(some, 64, style), atol=1e-4)
    assert torch.allclose(lines, faces.edges(some, 64), atol=1e-4)
    assert torch.equal(labels, faces.label_map(some, 64))


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_shapes_types_and_ranges(size):
    factors = faces.sample_factors(5, seeded(2))
    for style in drawing.STYLES:
        pictures = faces.render(factors, size, style)
        assert pictures.shape == (5, 3, size, size)
        assert pictures.dtype == torch.float32
        assert pictures.min() >= -1
        assert pictures.max() <= 1
        assert pictures.std() > 0.2
    maps, lines = faces.label_map(factors, size), faces.edges(factors, size)
    assert maps.shape == (5, size, size)
    assert maps.dtype == torch.int64
    assert 0 <= maps.min() <= maps.max() < len(faces.LABELS) == len(faces.PALETTE)
    assert lines.shape == (5, 1, size, size)
    assert lines.dtype == torch.float32
    assert -1 <= lines.min() < -0.9 < 0.9 < lines.max() <= 1


def test_no_pictures_is_not_an_error():
    none = faces.sample_factors(0)
    assert faces.render(none, 32).shape == (0, 3, 32, 32)
    assert faces.label_map(none, 32).shape == (0, 32, 32)
    assert faces.edges(none, 32).shape == (0, 1, 32, 32)
    assert faces.captions(none) == []


def test_sizes_show_the_same_face(crowd):
    large = torch.nn.functional.avg_pool2d(faces.render(crowd, 128), 4)
    small = faces.render(crowd, 32)
    same = (large - small).square().mean((1, 2, 3))
    other = (large - small.roll(1, 0)).square().mean((1, 2, 3))
    assert (same < 0.25 * other).all()


def test_the_styles_look_different_but_show_the_same_face(crowd):
    flat, ink = faces.render(crowd, 64), faces.render(crowd, 64, "ink")
    assert ((flat - ink).abs().mean((1, 2, 3)) > 0.1).all()
    # Ink has dark lines where the line drawing has them.
    lines = faces.edges(crowd, 64)[:, 0] < -0.6
    assert ink.mean(1)[lines].mean() < flat.mean(1)[lines].mean() - 0.15
    # Away from the lines and the backdrop the colours still go together.
    shown = ~grown(lines, 1) & (faces.label_map(crowd, 64) != label("background"))
    pair = torch.stack([flat.transpose(0, 1)[:, shown].flatten(), ink.transpose(0, 1)[:, shown].flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.85


# ------------------------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize(("pair", "asked"), [
    (("age", "turn"), 0.8), (("smile", "tilt"), -0.6), (("gaze_x", "gaze_y"), 1.0), (("jaw", "lips"), -1.0),
    (("blush", "brows"), 0.0), (("freckles", "mouth_open"), 0.4),
])  # fmt: skip
def test_rank_correlations_are_as_asked(pair, asked):
    factors = faces.sample_factors(4000, seeded(), correlations={pair: asked})
    measured = spearmanr(factors[pair[0]], factors[pair[1]]).statistic
    assert measured == pytest.approx(asked, abs=0.04)


@pytest.mark.parametrize("asked", [-0.7, 0.7])
def test_categories_follow_in_their_documented_order(asked):
    for pair in (("glasses", "smile"), ("earrings", "glasses"), ("age", "hair")):
        factors = faces.sample_factors(4000, seeded(), correlations={pair: asked})
        measured = spearmanr(factors[pair[0]], factors[pair[1]]).statistic
        assert measured * asked > 0
        assert 0.4 < abs(measured) <= abs(asked) + 0.03  # ties can only weaken it


def test_defaults_hold_and_all_else_is_independent():
    factors = faces.sample_factors(6000, seeded())
    columns = torch.stack([column.double() for column in factors.values()], 1).numpy()
    measured = spearmanr(columns).statistic
    names = list(faces.FACTORS)
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            r = faces.DEFAULT_CORRELATIONS.get((a, b), faces.DEFAULT_CORRELATIONS.get((b, a), 0.0))
            if r:
                assert measured[i, j] * r > 0, (a, b)
                assert abs(measured[i, j]) > 0.5 * abs(r), (a, b)
            else:
                # Two factors that both follow a third follow each other a little.
                assert abs(measured[i, j]) < 0.07, (a, b)


def test_frequencies_follow_the_weights():
    factors = faces.sample_factors(8000, seeded())
    for name in ("hair", "hat", "beard"):
        weights = torch.tensor(faces.FACTORS[name].weights)
        share = torch.bincount(factors[name], minlength=len(weights)) / 8000
        assert torch.allclose(share, weights / weights.sum(), atol=0.02), name


def test_what_is_asked_overrules_a_default():
    factors = faces.sample_factors(4000, seeded(), correlations={("hair_colour", "age"): -0.9})
    assert spearmanr(factors["age"], factors["hair_colour"]).statistic < -0.8
    # Feasible only once the defaults that link skin, hair colour and age give way.
    factors = faces.sample_factors(
        4000,
        seeded(),
        correlations={("skin", "eye_colour"): 1.0, ("eye_colour", "hair_colour"): 1.0, ("skin", "hair_colour"): 1.0},
    )
    assert spearmanr(factors["skin"], factors["hair_colour"]).statistic > 0.9


def test_setting_one_correlation_changes_the_other_factors_little():
    before, after = (faces.sample_factors(500, seeded(), correlations=c) for c in (None, {("jaw", "lips"): 0.5}))
    assert torch.allclose(before["age"], after["age"], atol=1e-3)
    assert spearmanr(before["jaw"], after["jaw"]).statistic > 0.9


def test_pinned_factors_hold_and_leave_the_others_alone():
    free = faces.sample_factors(40, seeded())
    pinned = faces.sample_factors(40, seeded(), hair="afro", hat=2, age=70, smile=torch.tensor(0.25))
    assert (pinned["hair"] == faces.FACTORS["hair"].values.index("afro")).all()
    assert (pinned["hat"] == 2).all()
    assert (pinned["age"] == 70).all()
    assert (pinned["smile"] == 0.25).all()
    for name in set(faces.FACTORS) - {"hair", "hat", "age", "smile"}:
        assert torch.equal(free[name], pinned[name]), name
    listed = faces.sample_factors(3, seeded(), hair=["bald", "bun", "long"], turn=torch.tensor([-1.0, 0.0, 1.0]))
    assert listed["hair"].tolist() == [0, 5, 4]
    assert listed["turn"].tolist() == [-1, 0, 1]
    for name, factor in faces.FACTORS.items():
        assert pinned[name].dtype == (torch.int64 if factor.categorical else torch.float32), name


BAD = [
    (lambda: faces.sample_factors(2, haircut="bob"), "Unknown factor 'haircut'"),
    (lambda: faces.sample_factors(2, hair="bop"), "Did you mean 'bob'"),
    (lambda: faces.sample_factors(2, hair=9), "from 0 to 8"),
    (lambda: faces.sample_factors(2, hair=0.5), "from 0 to 8"),
    (lambda: faces.sample_factors(2, age=12), "between 16 and 80"),
    (lambda: faces.sample_factors(2, age="old"), "between 16 and 80"),
    (lambda: faces.sample_factors(2, age=float("nan")), "between 16 and 80"),
    (lambda: faces.sample_factors(2, age=[20, 30, 40]), "3 values for 2 pictures"),
    (lambda: faces.sample_factors(2, correlations={("age", "smiel"): 0.2}), "Did you mean 'smile'"),
    (lambda: faces.sample_factors(2, correlations={("age", "smile"): 1.2}), r"in \[-1, 1\]"),
    (lambda: faces.sample_factors(2, correlations={("age", "age"): 0.2}), "with itself"),
    (lambda: faces.sample_factors(2, correlations={"age": 0.2}), "pair of factors"),
    (lambda: faces.sample_factors(2, correlations={("age", "jaw"): 0.2, ("jaw", "age"): 0.3}), "set twice"),
    (
        lambda: faces.sample_factors(
            2, correlations={("age", "smile"): 0.9, ("age", "turn"): 0.9, ("smile", "turn"): -0.9}
        ),
        "contradict each other",
    ),
    (lambda: faces.render(portrait(), 48), "16, 32, 64, 128 or 256"),
    (lambda: faces.render(portrait(), 8), "16, 32, 64, 128 or 256"),
    (lambda: faces.label_map(portrait(), 512), "16, 32, 64, 128 or 256"),
    (lambda: faces.edges(portrait(), 32.0), "16, 32, 64, 128 or 256"),
    (lambda: faces.render(portrait(), 32, "inc"), "Did you mean 'ink'"),
    (lambda: faces.render({**portrait(), "hats": torch.zeros(1)}, 32), "Did you mean 'hat'"),
    (lambda: faces.render({"hair": torch.zeros(1)}, 32), "missing"),
    (lambda: faces.captions({**portrait(), "hair": torch.tensor([11])}), "'hair' must be one of bald"),
    (lambda: faces.render({**portrait(), "age": torch.tensor([20.0, 30.0])}, 32), "same length"),
    (lambda: faces.load(65), "16, 32, 64, 128 or 256"),
    (lambda: faces.load(32, style="oil"), "Unknown style 'oil'"),
    (lambda: faces.load(32, count=0), "at least 1"),
    (lambda: faces.load(32, correlations={("a", "age"): 0.1}), "Unknown factor 'a'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_mistakes_are_explained(call, message):
    with pytest.raises(UsageError, match=message):
        call()


# -------------------------------------------------------------------------------------- labels, lines, words, numbers


@pytest.mark.parametrize("size", [32, 64, 128])
def test_labels_are_there_exactly_when_their_factor_is(size, crowd):
    maps = faces.label_map(crowd, size)

    def seen(name: str) -> torch.Tensor:
        return (maps == label(name)).flatten(1).any(1)

    for name in ("hat", "glasses", "beard", "earrings"):
        assert torch.equal(seen(name), crowd[name] > 0), name
    bare = crowd["hair"] == 0
    assert not seen("hair")[bare].any()
    assert seen("hair")[~bare & (crowd["hat"] == 0)].all()
    assert torch.equal(~seen("eyes") | (crowd["glasses"] == 3), crowd["glasses"] == 3)
    for name in ("background", "skin", "neck", "mouth", "clothing", "nose"):
        wanted = seen(name) | ((crowd["clothing"] == 4) if name == "neck" else False)  # a turtleneck covers the neck
        assert wanted.all(), name


def test_a_label_changes_the_picture_where_it_says(crowd):
    # Taking the hat away changes most of the pixels under its label.
    worn = {name: column[crowd["hat"] > 0] for name, column in crowd.items()}
    bare = {**worn, "hat": torch.zeros_like(worn["hat"])}
    changed = (faces.render(worn, 64) - faces.render(bare, 64)).abs().amax(1) > 0.05
    hat = faces.label_map(worn, 64) == label("hat")
    assert changed[hat].float().mean() > 0.9


@pytest.mark.parametrize("size", [64, 128])
def test_lines_run_along_the_borders_of_labels(size, crowd):
    maps, lines = faces.label_map(crowd, size), faces.edges(crowd, size)[:, 0]
    # The nose melts into the face, stubble into the cheek, so they have no outline.
    maps = torch.where(maps == label("nose"), label("skin"), maps)
    maps = torch.where((maps == label("beard")) & (crowd["beard"] == 1)[:, None, None], label("skin"), maps)
    border = torch.zeros_like(maps, dtype=torch.bool)
    border[:, 1:] |= maps[:, 1:] != maps[:, :-1]
    border[:, :, 1:] |= maps[:, :, 1:] != maps[:, :, :-1]
    near_line = grown(lines < 0, 1)
    assert near_line[border].float().mean() > 0.98
    assert (near_line & border).flatten(1).sum(1).min() > 100
    # Far from everything the paper is blank.
    backdrop = ~grown(maps != label("background"), 4)
    assert (lines[backdrop] == 1).all()
    assert 0.02 < (lines < 0).float().mean() < 0.4


def test_captions_say_what_is_there(crowd):
    words = faces.captions(crowd)
    named = {
        name: [faces.FACTORS[name].values[i] for i in crowd[name].tolist()]
        for name in (
            "hair",
            "hair_colour",
            "hat",
            "glasses",
            "beard",
            "earrings",
            "clothing_colour",
            "background_colour",
        )
    }
    hats = {"cap": ("cap",), "beanie": ("woolly hat", "beanie"), "brim": ("straw hat", "sun hat")}
    beards = {"stubble": ("stubbl",), "moustache": ("moustache",), "goatee": ("goatee",), "full": ("beard",)}
    glasses = {"round": ("round glasses",), "square": ("square glasses",), "sunglasses": ("sunglasses",)}
    jewels = {"studs": ("stud earrings",), "hoops": ("hoop earrings",), "drops": ("drop earrings",)}
    for i, caption in enumerate(words):
        row = {name: values[i] for name, values in named.items()}
        for factor, options in (("hat", hats), ("beard", beards), ("glasses", glasses), ("earrings", jewels)):
            for value, phrases in options.items():
                said = any(phrase in caption for phrase in phrases)
                assert said == (row[factor] == value), f"{factor} is {row[factor]}: {caption}"
        if row["hat"] == "none":
            assert ("bald" if row["hair"] == "bald" else row["hair_colour"]) in caption
        smile = crowd["smile"][i].item()
        assert any(w in caption for w in ("smil",)) == (smile > 0.2), caption
        assert any(w in caption for w in ("frown", "sad")) == (smile <= -0.25), caption
        assert any(w in caption for w in ("older", "elderly")) == (crowd["age"][i] >= 60), caption
        assert "  " not in caption
        assert " a a" not in caption
        assert " a o" not in caption
    assert len(set(words)) == len(words)
    assert len({caption.split()[1] for caption in words}) >= 6, "captions all begin alike"
    assert words == faces.captions(crowd)


def test_attributes_agree_with_the_factors(crowd):
    table = faces.attributes(crowd)
    assert table.shape == (96, len(faces.ATTRIBUTES))
    assert table.dtype == torch.float32
    assert table.min() >= 0
    assert table.max() <= 1
    column = dict(zip(faces.ATTRIBUTES, table.unbind(1), strict=True))
    for name in ("hat", "glasses", "earrings"):
        assert torch.equal(column[name] > 0, crowd[name] > 0), name
    assert torch.equal(column["smiling"] > 0, crowd["smile"] > 0.2)
    assert torch.equal(column["older"] > 0, crowd["age"] > 60)
    assert torch.allclose(column["gaze_x"], (crowd["gaze_x"] + 1) / 2)
    assert torch.allclose(column["age"], (crowd["age"] - 16) / 64)
    assert (column["sunglasses"] <= column["glasses"]).all()
    assert (table.std(0) > 0.05).all(), "an attribute that never varies"


def test_classes_are_the_hair_style_or_the_hat(crowd):
    labels = faces.class_labels(crowd)
    assert labels.dtype == torch.int64
    for i, index in enumerate(labels.tolist()):
        expected = "hat" if crowd["hat"][i] else faces.FACTORS["hair"].values[crowd["hair"][i]]
        assert faces.CLASSES[index] == expected
    many = faces.class_labels(faces.sample_factors(3000, seeded()))
    assert (torch.bincount(many, minlength=len(faces.CLASSES)) > 100).all(), "a class that is hardly ever drawn"


def test_the_data_set_is_the_same_in_any_order_of_taking():
    first, second = (faces.load(32, seed=5, count=520) for _ in range(2))
    assert first.info.classes == faces.CLASSES
    assert first.info.attributes == faces.ATTRIBUTES
    assert first.info.licence.startswith("CC0")
    assert (first.info.name, first.info.size, first.info.channels, len(first)) == ("faces", 32, 3, 520)
    late, early = torch.tensor([515, 300]), torch.tensor([3, 300])
    second.take(late)
    a, b = first.take(early), second.take(early)
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.labels, b.labels)
    assert torch.equal(a.attributes, b.attributes)
    assert not torch.equal(a.images, faces.load(32, seed=6, count=520).take(early).images)


def test_correlations_of_the_data_set_reach_its_attributes():
    store = faces.load(16, count=1024, correlations={("smile", "glasses"): 0.9})
    table = store.take(torch.arange(1024)).attributes
    column = dict(zip(faces.ATTRIBUTES, table.unbind(1), strict=True))
    assert column["smiling"][column["glasses"] > 0].mean() > column["smiling"][column["glasses"] == 0].mean() + 0.3


def test_backdrops_do_not_touch_labels_or_lines():
    factors = portrait(
        len(BACKDROPS), background=[i % 7 for i in range(len(BACKDROPS))], background_colour=list(BACKDROPS)
    )
    assert (faces.label_map(factors, 64) == faces.label_map(portrait(), 64)).all()
    assert (faces.edges(factors, 64) == faces.edges(portrait(), 64)).all()
