"""The trainer: a run repeats and resumes to the bit, knobs turn while it goes, and watching changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from playground.checkpoint import read_checkpoint, save_checkpoint
from playground.data.base import DataInfo, DrawnStore, ImageStore
from playground.errors import DataError, TrainingError, UsageError
from playground.families import describe
from playground.knobs import settings
from playground.methods import METHODS, method_settings
from playground.model import model_of
from playground.trainer import Trainer

Make = Callable[..., Trainer]


def everything(trainer: Trainer) -> dict[str, Any]:
    """All of a trainer's state, flat: {path: tensor or plain value}."""
    flat: dict[str, Any] = {}

    def walk(tree: Any, path: str) -> None:
        if isinstance(tree, dict):
            for key, value in tree.items():
                walk(value, f"{path}.{key}")
        elif isinstance(tree, list):
            walk(dict(enumerate(tree)), path)
        else:
            flat[path] = tree.clone() if isinstance(tree, torch.Tensor) else tree

    state = trainer.state_dict()
    del state["seconds"]  # of the clock
    walk(state, "")
    return flat


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Paths where two states are not the same to the bit."""
    assert a.keys() == b.keys()
    return [p for p in a if not (torch.equal(a[p], b[p]) if isinstance(a[p], torch.Tensor) else a[p] == b[p])]


def reloaded(trainer: Trainer, folder: Path, store: ImageStore | None = None) -> Trainer:
    """A fresh trainer that goes on from a checkpoint of `trainer`, as after a restart."""
    save_checkpoint(trainer, folder)
    state = read_checkpoint(folder)
    fresh = Trainer(trainer.preset, settings(state["settings"]), store or trainer.store)
    fresh.load_state_dict(state)
    return fresh


# --- repeating and resuming

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{preset: (preset, {}) for preset in METHODS},
    "replay": ("dcgan", {"replay_buffer": 12}),
    "dropout": ("dcgan", {"dropout_g": 0.3}),
    "augmentation": ("dcgan", {"augment": "colour,translation,cutout", "flip": True}),
    "noise": ("dcgan", {"instance_noise": 0.3, "instance_noise_steps": 3}),
    "labels": ("dcgan", {"noisy_labels": True, "label_flip": 0.2}),
    "no average": ("dcgan", {"ema_decay": 0.0}),
    "slow average": ("dcgan", {"ema_decay": 0.999}),
    "schedule": ("dcgan", {"rate_decay": "cosine", "optimiser": "sgd"}),
    "critic": ("wgan-gp", {"critic_steps": 2, "minibatch": "stddev"}),
    "spectral labels": ("sngan", {"condition": "projection"}),
    "unrolled": ("unrolled-gan", {"unroll_steps": 2, "noisy_labels": True}),
    "bfloat16": ("dcgan", {"precision": "bfloat16"}),
    "residual": ("dcgan", {"architecture": "resnet", "minibatch": "discrimination"}),
    "short epochs": ("dcgan", {"batch_size": 20}),  # two batches an epoch: the checkpoint falls on its end
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(make_trainer: Make, tmp_path: Path, variant: str):
    preset, knobs = VARIANTS[variant]
    whole = make_trainer(preset, **knobs)
    whole.run(4)
    first = make_trainer(preset, **knobs)
    first.run(2)
    resumed = reloaded(first, tmp_path)
    assert differences(everything(first), everything(resumed)) == []
    resumed.run(4)
    assert differences(everything(whole), everything(resumed)) == []
    assert np.array_equal(whole.sample_grid()[0], resumed.sample_grid()[0])
    assert resumed.metrics().keys() == whole.metrics().keys()


def test_resuming_over_drawn_data_draws_the_same_pictures(drawn_store, make_trainer: Make, tmp_path: Path):
    whole = make_trainer("cgan", on=drawn_store())
    whole.run(40)
    first = make_trainer("cgan", on=drawn_store())
    first.run(33)  # across a border of chunks
    fresh: DrawnStore = drawn_store()
    resumed = reloaded(first, tmp_path, fresh)
    resumed.run(40)
    assert not fresh.drawn.all()  # only what was needed
    assert differences(everything(whole), everything(resumed)) == []


def test_live_changes_are_part_of_the_record_and_survive_a_restart(make_trainer: Make, tmp_path: Path):
    def turn(trainer: Trainer) -> None:
        trainer.change("learning_rate_g", "0.01")
        trainer.change("instance_noise", 0.2)

    whole, first = make_trainer(), make_trainer()
    for trainer in (whole, first):
        trainer.run(1)
        turn(trainer)
    whole.run(4)
    first.run(2)
    resumed = reloaded(first, tmp_path)
    assert resumed.settings.learning_rate_g == 0.01
    assert resumed.changes == [
        {"step": 1, "name": "learning_rate_g", "value": 0.01},
        {"step": 1, "name": "instance_noise", "value": 0.2},
    ]
    resumed.run(4)
    assert differences(everything(whole), everything(resumed)) == []


@pytest.mark.parametrize("preset", METHODS)
def test_the_same_seed_repeats_a_run_and_another_does_not(make_trainer: Make, preset: str):
    runs = []
    for seed, disturbance in ((3, 0), (3, 1), (4, 0)):
        torch.manual_seed(disturbance)  # the global generator plays no part
        trainer = make_trainer(preset, seed=seed)
        trainer.run(2)
        runs.append(everything(trainer))
    assert differences(runs[0], runs[1]) == []
    different = {".".join(path.split(".")[1:3]) for path in differences(runs[0], runs[2])}
    assert {*(f"players.{name}" for name in trainer.players), "generator"} <= different


def test_training_leaves_the_global_generator_alone(make_trainer: Make):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for knobs in ({"dropout_g": 0.3}, {"spectral_norm": True, "augment": "cutout"}, {"replay_buffer": 8}):
        trainer = make_trainer(**knobs)
        trainer.run(3)
        trainer.sample_grid()
        model_of(trainer).sample(2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("preset", "knobs"),
    [
        ("dcgan", {"dropout_g": 0.3}), ("dcgan", {"spectral_norm": True}), ("dcgan", {"critic_steps": 3}),
        ("dcgan", {"ema_decay": 0.0, "norm_g": "batch"}), ("pix2pix", {}), ("munit", {}), ("cogan", {}),
    ],
    ids=str,
)  # fmt: skip
def test_watching_changes_nothing(make_trainer: Make, preset: str, knobs: dict[str, Any]):
    alone, watched = make_trainer(preset, **knobs), make_trainer(preset, **knobs)
    alone.run(4)

    def watch(trainer: Trainer) -> None:
        trainer.metrics()
        trainer.sample_grid()
        trainer.family.histograms()
        model = model_of(trainer)
        model.translate(torch.zeros(1, 1, 16, 16)) if model.kind == "translator" else model.sample(1)

    watched.run(4, (watch,))
    assert differences(everything(alone), everything(watched)) == []
    assert all(player.training for player in watched.players.values())


def test_trainings_in_other_threads_do_not_disturb_one_another(make_trainer: Make):
    """Nor do networks that the app builds meanwhile, for a sketch or a sample."""
    presets = ("acgan", "wgan-gp", "dcgan")
    knobs = {"dropout_g": 0.2, "augment": "translation"}
    alone = []
    for preset in presets:
        trainer = make_trainer(preset, **knobs)
        trainer.run(6)
        alone.append(everything(trainer))
    together: dict[str, list[dict[str, Any]]] = {preset: [] for preset in presets}
    done = threading.Event()

    def train(preset: str) -> None:
        for _ in range(2):
            trainer = make_trainer(preset, **knobs)
            trainer.run(6, (model_of,))
            together[preset].append(everything(trainer))

    def sketch() -> None:
        while not done.is_set():
            describe("adversarial", settings({"width": 4}), DataInfo("x", 1, 16, 10))

    threads = [threading.Thread(target=train, args=(preset,)) for preset in presets]
    other = threading.Thread(target=sketch)
    for thread in (other, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    other.join()
    for expected, preset in zip(alone, presets, strict=True):
        assert [differences(expected, state) for state in together[preset]] == [[]] * 2


# --- running


def test_run_stops_where_it_is_told_and_calls_back_after_each_step(make_trainer: Make):
    trainer, calls = make_trainer(), []
    trainer.run(3, (lambda t: calls.append(("a", t.step_count)), lambda t: calls.append(("b", t.step_count))))
    assert calls == [(name, step) for step in (1, 2, 3) for name in "ab"]
    trainer.run(3)
    assert trainer.step_count == 3  # already there
    trainer.run(lambda t: t.images_seen >= 8 * 5)
    assert trainer.step_count == 5 and trainer.seconds > 0


def test_an_error_in_a_callback_reaches_the_caller(make_trainer: Make):
    def fail(trainer: Trainer) -> None:
        raise TrainingError("Full.")

    trainer = make_trainer()
    with pytest.raises(TrainingError, match=r"^Full\.$"):
        trainer.run(5, (fail,))
    assert trainer.step_count == 1


def test_a_batch_larger_than_the_data_is_refused(make_trainer: Make):
    with pytest.raises(DataError, match="batch of 49 is larger than the data set of 48 pictures"):
        make_trainer(batch_size=49)
    make_trainer(batch_size=48).step()


def test_every_picture_is_shown_once_an_epoch(make_trainer: Make):
    trainer = make_trainer(batch_size=16)
    epochs = [[trainer.sampler.next() for _ in range(3)] for _ in range(2)]
    orders = [torch.cat(epoch).tolist() for epoch in epochs]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(48)) and orders[0] != orders[1]


# --- learning rates


def motion(trainer: Trainer, player: str) -> float:
    before = [p.detach().clone() for p in trainer.players[player].parameters()]
    trainer.step()
    after = trainer.players[player].parameters()
    return max((a - b).abs().max().item() for a, b in zip(after, before, strict=True))


def test_a_lower_learning_rate_slows_its_own_player_at_once(make_trainer: Make):
    trainer = make_trainer(learning_rate_g=1e-2, learning_rate_d=1e-2)
    trainer.run(2)
    assert motion(trainer, "G") > 1e-3
    trainer.change("learning_rate_g", 1e-6)
    assert motion(trainer, "G") < 1e-5 and motion(trainer, "D") > 1e-3
    trainer.change("learning_rate_d", 1e-6)
    assert motion(trainer, "D") < 1e-5


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25]), ("cosine", [1, 0.854, 0.5, 0.146])],
)
def test_the_schedule_falls_over_the_run(make_trainer: Make, kind: str, expected: list[float]):
    trainer, rates = make_trainer(rate_decay=kind, learning_rate_d=0.01), []
    for _ in range(4):
        trainer.step()
        rates.append(trainer.optimisers["D"].param_groups[0]["lr"] / 0.01)
    assert rates == pytest.approx(expected, abs=1e-3)
    assert trainer.learning_rate("G") == pytest.approx(2e-4 * (1 if kind == "constant" else 0))


# --- what it reports


def test_loss_terms_are_means_since_the_last_look(make_trainer: Make):
    seen, watched = make_trainer("acgan"), make_trainer("acgan")
    each = []
    watched.run(3, (lambda t: each.append(t.metrics()),))
    seen.run(3)
    together = seen.metrics()
    for name in ("loss_d", "loss_g", "term_d_class", "term_g_adversarial"):
        assert together[name] == pytest.approx(np.mean([numbers[name] for numbers in each]), rel=1e-5)
    assert together["score_real"] == each[-1]["score_real"]
    parts = [value for name, value in together.items() if name.startswith("term_d_")]
    assert len(parts) >= 2 and together["loss_d"] == pytest.approx(sum(parts), rel=1e-5)
    assert "loss_d" not in seen.metrics()  # nothing new since


def test_repeated_critic_steps_are_averaged(make_trainer: Make):
    still = {"learning_rate_d": 1e-6, "learning_rate_g": 1e-6}
    one, three = make_trainer("wgan-gp", critic_steps=1, **still), make_trainer("wgan-gp", critic_steps=3, **still)
    found = []
    for trainer in (one, three):
        trainer.step()
        found.append(trainer.metrics()["term_d_gradient_penalty"])
    assert found[1] == pytest.approx(found[0], rel=0.3) and found[0] > 1  # the mean, not the sum


def test_gradient_norms_are_those_of_the_last_step(make_trainer: Make):
    trainer = make_trainer("dcgan")
    trainer.step()
    for name, player in trainer.players.items():
        flat = torch.cat([p.grad.flatten() for p in player.parameters()])
        assert trainer.metrics()[f"grad_norm_{name.lower()}"] == pytest.approx(flat.norm().item(), rel=1e-5)


@pytest.mark.parametrize("player", ["D", "G"])
def test_numbers_that_are_not_finite_stop_it_with_a_sentence(make_trainer: Make, player: str):
    trainer = make_trainer()
    trainer.step()
    with torch.no_grad():
        next(trainer.players[player].parameters()).fill_(float("nan"))
    trainer.step()
    with pytest.raises(TrainingError, match=r"Training diverged at step 2: .* no longer a finite number\. Lower"):
        trainer.metrics()


def test_a_huge_learning_rate_diverges_in_a_sentence(make_trainer: Make):
    trainer = make_trainer(
        "hinge-gan", objective="wasserstein", optimiser="sgd", learning_rate_d=1, learning_rate_g=1, norm_d="none"
    )
    with pytest.raises(TrainingError, match="diverged"):
        trainer.run(500, (lambda t: t.metrics(),))


# --- the sample grid


def test_the_grid_is_drawn_by_the_average_where_there_is_one(make_trainer: Make):
    for decay, drawn_by in ((0.9, "averages"), (0.0, "players")):
        trainer = make_trainer(ema_decay=decay, learning_rate_g=0.05)
        trainer.run(3)
        other = {"averages": trainer.players, "players": trainer.averages}[drawn_by]
        before = trainer.sample_grid()[0]
        if decay:
            for p in other["G"].parameters():
                p.data.zero_()
            assert np.array_equal(trainer.sample_grid()[0], before)
        for p in getattr(trainer, drawn_by)["G"].parameters():
            p.data.zero_()
        assert not np.array_equal(trainer.sample_grid()[0], before)


def test_diversity_is_one_for_the_data_itself_and_none_for_a_collapsed_generator(make_trainer: Make, store: ImageStore):
    trainer = make_trainer()
    order = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    for images, low, high in (
        (store.take(order).images, 0.95, 1.05),
        (store.take(torch.zeros(48).long()).images, 0, 0),
    ):
        trainer.family.grid = lambda players, seed, images=images: images
        pictures, diversity = trainer.sample_grid()
        assert low <= diversity <= high and pictures.shape == (48, 16, 16, 3)


def test_diversity_is_measured_against_all_classes(make_trainer: Make):
    """Folders come sorted by class: the first pictures alone would make a collapsed generator look varied."""
    pixels = torch.zeros(300, 16, 16, 1, dtype=torch.uint8)
    pixels[100:] = 250  # the first hundred are all alike
    trainer = make_trainer(on=ImageStore(DataInfo("two", 1, 16, 300), pixels))
    trainer.family.grid = lambda players, seed: trainer.store.take(torch.arange(0, 300, 5)).images
    assert trainer.sample_grid()[1] == pytest.approx(1, abs=0.1)


def test_one_picture_a_class_is_no_diversity(make_trainer: Make, store: ImageStore):
    """Pictures of different classes differ: a generator that ignores z would look varied over all of them."""
    trainer = make_trainer("cgan")
    columns = trainer.family.grid_plan().columns
    starts = torch.tensor([0, 16, 32])  # of each class
    varied = (starts[:, None] + torch.arange(columns)).flatten()
    alike = starts.repeat_interleave(columns)
    found = []
    for indices in (varied, alike):
        trainer.family.grid = lambda players, seed, indices=indices: store.take(indices).images
        found.append(trainer.sample_grid()[1])
    assert found[0] == pytest.approx(1, abs=0.25) and found[1] == 0


# --- states that don't fit


def test_a_checkpoint_of_other_networks_is_refused(make_trainer: Make):
    state = make_trainer("dcgan").state_dict()
    for other in (make_trainer("dcgan", width=8), make_trainer("acgan"), make_trainer("vanilla-gan")):
        with pytest.raises(TrainingError, match="another shape"):
            other.load_state_dict(state)


def test_a_checkpoint_from_another_kind_of_device_goes_on(make_trainer: Make):
    first = make_trainer()
    first.run(2)
    state = first.state_dict()
    state["generator"] = torch.zeros(16, dtype=torch.uint8)  # as long as a graphics card's
    drawn = []
    for _ in range(2):
        trainer = make_trainer()
        trainer.load_state_dict(state)
        drawn.append(trainer.generator.get_state())
        trainer.run(4)
        trainer.metrics()
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], make_trainer().generator.get_state())


def test_fine_tuning_begins_with_the_weights_of_a_model(make_trainer: Make):
    source = make_trainer(seed=1)
    source.run(2)
    model = model_of(source)
    trainer = make_trainer(seed=2)
    trainer.start_from({name: module.state_dict() for name, module in model.modules.items()})
    for module in (trainer.players["G"], trainer.averages["G"]):
        for name, p in model.modules["G"].named_parameters():
            assert torch.equal(p, dict(module.named_parameters())[name])
    trainer.run(2)
    for other in (make_trainer(width=8), make_trainer("cgan")):
        with pytest.raises(UsageError, match="another shape"):
            other.start_from({name: module.state_dict() for name, module in model.modules.items()})


def test_the_data_must_suit_the_architecture(tiny: dict[str, Any]):
    pixels = torch.zeros(10, 20, 20, 1, dtype=torch.uint8)
    store = ImageStore(DataInfo("odd", 1, 20, 10), pixels)
    with pytest.raises(UsageError, match="not 20"):
        Trainer("dcgan", method_settings("dcgan", tiny), store)


# --- number formats


def test_auto_precision_is_bfloat16_only_where_it_is_fast_and_the_method_bears_it(
    make_trainer: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("playground.trainer.fast_bfloat16", lambda device: True)
    chosen = {preset: make_trainer(preset, precision="auto").precision for preset in METHODS}
    assert chosen["dcgan"] == chosen["infogan"] == chosen["classifier"] == "bfloat16"
    for delicate in ("wgan", "wgan-gp", "dragan", "r3gan", "unrolled-gan", "ebgan", "kl-gan", "stylegan", "cgan"):
        assert chosen[delicate] == "float32", delicate
    trainer = make_trainer("dcgan", precision="auto")
    trainer.change("r1", 1.0)  # a penalty that comes on while it runs takes the format along
    assert trainer.precision == "float32"
    trainer.run(2)
    assert all(np.isfinite(value) for value in trainer.metrics().values())
    monkeypatch.setattr("playground.trainer.fast_bfloat16", lambda device: False)
    assert make_trainer("dcgan", precision="auto").precision == "float32"
