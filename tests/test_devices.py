"""Choosing a device, and keeping torch's threads out of the way."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from playground import devices
from playground.devices import calm_threads, describe_device, resolve_device
from playground.errors import UsageError


def test_a_device_is_named_or_refused_in_a_sentence():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda")
    assert describe_device("cpu").startswith("CPU, ")
    for wrong in ("gpu", "cuda:x", "", "cuda:99"):
        with pytest.raises(UsageError, match="use auto") as failure:
            resolve_device(wrong)
        assert str(failure.value).endswith(".") and "\n" not in str(failure.value)


def test_cores_are_spared_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    for name in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "")  # so that what is set below is undone at the end
        monkeypatch.delenv(name)
    calm_threads()
    assert "OMP_NUM_THREADS" not in os.environ
    calm_threads(spare=1)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    calm_threads(spare=9)
    assert os.environ["OMP_NUM_THREADS"] == "3"  # what is said stays


def test_torch_takes_the_number_of_threads_it_is_left():
    script = (
        "from playground.devices import calm_threads; calm_threads(spare=1000)\n"
        "import torch; print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.parametrize(("slower", "gains"), [(0.5, True), (1.5, False)])
def test_a_processor_is_asked_how_fast_bfloat16_is(monkeypatch: pytest.MonkeyPatch, slower: float, gains: bool):
    """Both kinds of processors have the instructions: one is faster with them, the other slower."""
    import torch

    clock = [0.0]

    def convolve(x: torch.Tensor, weight: torch.Tensor, padding: int) -> torch.Tensor:
        clock[0] += slower if x.dtype == torch.bfloat16 else 1.0
        return x

    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr("torch.nn.functional.conv2d", convolve)
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    try:
        devices._processor_gains.cache_clear()
        assert devices.fast_bfloat16("cpu") is gains
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
        assert devices.fast_bfloat16("cpu") is gains, "asked once a process"
        devices._processor_gains.cache_clear()
        assert not devices.fast_bfloat16("cpu"), "without the instructions there is nothing to try"
    finally:
        devices._processor_gains.cache_clear()
