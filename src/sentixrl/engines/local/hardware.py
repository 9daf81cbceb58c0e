"""What this machine can do: device, number format, threads.

Contract: choices are measured, not looked up. CPUs multiply either float32 or bfloat16 faster, by
up to a factor of four, so a few milliseconds of matrix products decide.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from sentixrl.errors import ConfigError

# bfloat16 rounds, so it must be clearly faster.
BFLOAT16_ADVANTAGE = 1.25


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and how a model runs.

    Attributes:
        device: ``cuda``, ``mps`` or ``cpu``.
        dtype: The number format of weights and activations.
        name: The processor's name.
        threads: CPU threads used for matrix products.
    """

    device: torch.device
    dtype: torch.dtype
    name: str
    threads: int


def choose_device(device: str | None = None) -> torch.device:
    """The named device, else CUDA where there is any, else the CPU."""
    if device is not None:
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def check_device(device: str) -> None:
    """Check that the device can compute.

    Raises:
        ConfigError: It cannot.
    """
    try:
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError):  # torch raises either
        raise ConfigError(
            f"The device '{device}' cannot be used on this machine.",
            hint="'cpu' always can; 'sentixrl doctor' shows what there is.",
        ) from None


def choose_dtype(device: torch.device) -> torch.dtype:
    """The number format this device multiplies fastest among float32 and bfloat16."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type != "cpu":
        return torch.float32
    return torch.bfloat16 if _bfloat16_pays() else torch.float32


def detect(device: str | None = None) -> Hardware:
    """Measure this machine."""
    chosen = choose_device(device)
    return Hardware(chosen, choose_dtype(chosen), processor_name(chosen), torch.get_num_threads())


@cache
def _bfloat16_pays(rounds: int = 6) -> bool:
    """Whether this CPU multiplies bfloat16 so much faster that rounding is worth it.

    Both formats are measured in turn, on one thread: other processes that come and go would else
    decide, and answers would depend on them.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        best = {torch.bfloat16: float("inf"), torch.float32: float("inf")}
        for _ in range(rounds):
            for dtype in best:
                best[dtype] = min(best[dtype], _seconds_of_product(dtype, 512))
    finally:
        torch.set_num_threads(threads)
    return best[torch.float32] >= BFLOAT16_ADVANTAGE * best[torch.bfloat16]


@cache
def matmul_rate(dtype: torch.dtype, size: int = 768, repeats: int = 4) -> float:
    """Floating-point operations a second of a square CPU matrix product, best of ``repeats``."""
    best = min(_seconds_of_product(dtype, size) for _ in range(repeats + 1))
    return 2.0 * size**3 / best


def _seconds_of_product(dtype: torch.dtype, size: int) -> float:
    left = torch.ones(size, size, dtype=dtype)
    start = time.perf_counter()
    torch.mm(left, left)
    return max(time.perf_counter() - start, 1e-9)  # a clock may stand still


def processor_name(device: torch.device) -> str:
    """The device's own name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Physical memory of this machine in bytes, if the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
