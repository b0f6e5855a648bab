"""Training steps a second: our trainer against a textbook loop on the same networks from the same weights.

The textbook loop is what DCGAN tutorials teach: an image folder read picture by picture through PIL and transforms, a
DataLoader, contiguous tensors, Adam and BCE as they come out of the box, gradients from `.backward()`, and `.item()` of
losses and scores in every step. It is run with and without loader processes, and the faster of the two is the rival.

Each variant lives in a process of its own, as it would for a user, and sleeps while another has its turn.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playground.devices import describe_device, resolve_device
from playground.errors import TrainingError
from training.bench.common import ROOT, Options, Rounds, Row, in_turns, ratios, unpack

SIZE, BATCH = 32, 64
CPU_TARGET, GPU_TARGET = 1.6, 10.0
WORKERS = (0, 2)
UNTIMED = 4  # steps at the start of a turn: caches warm, and what loader processes had ready is used up
LEAST = 3  # timed steps in a turn, however slow


def run(options: Options) -> list[Row]:
    """On the CPU with torch's own number of threads and with one; on a graphics card where there is one."""
    import torch

    device = resolve_device(options.device)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = unpack(options.data, Path(folder)) if options.data else _drawn_pictures(Path(folder))
        rows = []
        if device == "cpu" or options.device == "auto":
            rows += _compare(place, "cpu", 0, CPU_TARGET, options)
            if torch.get_num_threads() > 1:
                rows += _compare(place, "cpu", 1, CPU_TARGET, options)
        if device != "cpu":
            rows += _compare(place, device, 0, GPU_TARGET, options)
    return rows


def _compare(place: Path, device: str, threads: int, target: float, options: Options) -> list[Row]:
    where = "GPU" if device != "cpu" else "CPU, 1 thread" if threads == 1 else "CPU"
    options.say(f"throughput on the {where}")
    seconds_a_turn, rounds = (0.5, 2) if options.quick else (2.5, 9)
    names = {f"DataLoader with {workers} workers": f"textbook-{workers}" for workers in WORKERS}
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Contender(variant, place, device, threads))
            for name, variant in {"ours": "ours", "ours in float32": "ours-float32", **names}.items()
        }
        facts = contenders["ours"].facts
        if facts["precision"] == "float32":  # then the two would be the same
            contenders.pop("ours in float32").close()
        seconds = in_turns({name: (lambda c=c: c.turn(seconds_a_turn)) for name, c in contenders.items()}, rounds)
    rates = {name: 1 / statistics.median(values) for name, values in seconds.items()}
    rival, other = sorted(names, key=lambda name: rates[name], reverse=True)
    details = {"seconds_a_step": seconds, "steps_a_second": rates, **facts}
    rows = []
    for name in contenders:
        if name in names:
            continue
        found = Rounds.of(ratios(seconds[rival], seconds[name]))._asdict()
        precision = facts["precision"] if name == "ours" else "float32"
        note = (
            f"{facts['device']}, {precision}: {rates[name]:.3g} steps/s against {rates[rival]:.3g} ({rival}; "
            f"{rates[other]:.3g} with {other[-9:]}); dcgan {SIZE}², batch {BATCH}, {facts['data']}"
        )
        if name == "ours":
            note += f"; ours reads all {facts['count']:,} pictures once, in {facts['reading_seconds']:.1f} s"
        wanted = target if name == "ours" else None
        title = f"throughput {where}" + ("" if name == "ours" else ", float32")
        rows.append(Row("throughput", title, unit="×", target=wanted, note=f"{note}.", details=details, **found))
    return rows


class Contender:
    """One variant in a process of its own; `turn(seconds)` gives seconds a step. A context that ends the process."""

    def __init__(self, variant: str, place: Path, device: str, threads: int):
        command = [sys.executable, "-m", "training.bench.throughput", variant, str(place), device, str(threads)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        self.facts = self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise TrainingError("A process of the throughput benchmark ended early: see its message above.")
        return json.loads(line)

    def turn(self, seconds: float) -> float:
        """Take some untimed steps, then timed ones for about `seconds`; seconds a step."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End the process: it leaves when its input ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.close()


# --- inside a contender's process


def contend(variant: str, place: str, device: str, threads: int) -> None:
    """Build the variant, say the facts, then take turns as asked for on the standard input."""
    import torch

    from playground.data.registry import open_data
    from playground.methods import method_settings
    from playground.trainer import Trainer

    if threads:
        torch.set_num_threads(threads)
    began = time.perf_counter()
    store = open_data(place, size=SIZE, device=device)
    reading = time.perf_counter() - began
    kind, _, option = variant.partition("-")
    changes = {"batch_size": BATCH, "size": SIZE} | ({"precision": option} if kind == "ours" and option else {})
    trainer = Trainer("dcgan", method_settings("dcgan", changes), store)
    step = our_step(trainer) if kind == "ours" else Textbook(trainer, Path(place), int(option)).step
    facts = {
        "device": describe_device(device), "precision": trainer.precision, "data": store.info.name,
        "count": len(store), "reading_seconds": reading,
    }  # fmt: skip
    print(json.dumps(facts), flush=True)
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    for line in sys.stdin:
        for _ in range(UNTIMED):
            step()
        wait()
        started, steps = time.perf_counter(), 0
        while steps < LEAST or time.perf_counter() - started < float(line):
            step()
            steps += 1
        wait()
        print(json.dumps((time.perf_counter() - started) / steps), flush=True)


def our_step(trainer: Any) -> Callable[[], None]:
    """A step as in a run: the numbers for the charts are fetched four times a second, as the recorder does."""
    last = time.monotonic()

    def step() -> None:
        nonlocal last
        trainer.step()
        if time.monotonic() - last > 0.25:
            trainer.metrics()
            last = time.monotonic()

    return step


class Textbook:
    """The tutorial's loop over copies of the trainer's networks; `workers` loader processes, 0 for none."""

    def __init__(self, trainer: Any, place: Path, workers: int):
        import torch
        from torchvision import transforms
        from torchvision.datasets import ImageFolder

        info, settings = trainer.store.info, trainer.settings
        self.device, self.latent_dim = trainer.device, settings.latent_dim
        # copies in torch's default memory layout
        self.generator, self.discriminator = (
            copy.deepcopy(trainer.players[name]).to(memory_format=torch.contiguous_format) for name in ("G", "D")
        )
        grey = [transforms.Grayscale()] if info.channels == 1 else []
        normal = transforms.Normalize([0.5] * info.channels, [0.5] * info.channels)
        steps = transforms.Compose([transforms.Resize((SIZE, SIZE)), *grey, transforms.ToTensor(), normal])
        data = ImageFolder(str(place), steps)
        self.loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=workers, drop_last=True)
        self.batches = self._batches()
        betas = (settings.beta1, settings.beta2)
        self.optimiser_d = torch.optim.Adam(self.discriminator.parameters(), lr=settings.learning_rate_d, betas=betas)
        self.optimiser_g = torch.optim.Adam(self.generator.parameters(), lr=settings.learning_rate_g, betas=betas)
        self.criterion = torch.nn.BCEWithLogitsLoss()
        self.log: list[tuple[float, ...]] = []

    def _batches(self) -> Iterator[Any]:
        while True:
            for images, _ in self.loader:
                yield images

    def step(self) -> None:
        """D on a real and on a fake batch, then G on the same fakes."""
        import torch

        d, g, criterion = self.discriminator, self.generator, self.criterion
        real = next(self.batches).to(self.device)
        target = torch.ones(len(real), device=self.device)

        d.zero_grad()
        score = d(real).score
        loss_real = criterion(score, target)
        loss_real.backward()
        mean_real = score.sigmoid().mean().item()
        fake = g(torch.randn(len(real), self.latent_dim, device=self.device))
        score = d(fake.detach()).score
        loss_fake = criterion(score, torch.zeros_like(target))
        loss_fake.backward()
        mean_fake = score.sigmoid().mean().item()
        self.optimiser_d.step()

        g.zero_grad()
        loss_g = criterion(d(fake).score, target)
        loss_g.backward()
        self.optimiser_g.step()
        self.log.append((loss_real.item() + loss_fake.item(), loss_g.item(), mean_real, mean_fake))


def _drawn_pictures(folder: Path, count: int = 2048) -> Path:
    """Cartoon faces as PNG files in two class folders, for where no zip is at hand."""
    import torch
    from PIL import Image

    from playground.data.base import to_uint8
    from playground.data.registry import open_data

    store = open_data("faces", size=SIZE, max_images=count)
    pixels = to_uint8(store.take(torch.arange(count)).images)
    for i, picture in enumerate(pixels):
        path = folder / "ab"[i % 2] / f"{i:05}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    return folder


if __name__ == "__main__":
    contend(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
