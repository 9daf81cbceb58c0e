"""How many sessions compute at once, and each on how many threads.

Contract: chosen by measurement. Every small operation of a model ends in a barrier between its
threads; where another process has one of the cores, each barrier waits for the scheduler. Sessions
that compute on one thread each have no barriers, and on most machines are faster on quiet cores
too; where one session on all threads is clearly faster, it has them.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from threading import Barrier, Thread, local

import torch
import torch.nn.functional as F

from sentixrl.errors import ConfigError

TRIALS, PASSES = 3, 6
# One session on all threads has to earn that it waits for all of them: what was measured in a quiet
# moment is used in busy ones, where it falls to an eighth and one thread each hardly at all.
ADVANTAGE = 1.2
# The shape of a small model's layer over half a dozen turns.
TOKENS, WIDTH, WIDER = 128, 576, 1536

_here = local()


@dataclass(frozen=True, slots=True)
class Threading:
    """Sessions side by side.

    Attributes:
        workers: How many compute at once.
        threads: How many threads each computes on; ``None`` for as many as torch has.
    """

    workers: int
    threads: int | None


def choose_threading(
    device: torch.device, dtype: torch.dtype, threads: int | None = None
) -> Threading:
    """The faster of two ways: many sessions on one thread each, or one session on all threads.

    Args:
        device: Where the model computes.
        dtype: Its number format.
        threads: How many threads in all; default: as many as this process may use.

    Raises:
        ConfigError: More threads than cores, or none.
    """
    cores = available_cores()
    if threads is not None and not 1 <= threads <= cores:
        raise ConfigError(
            f"{threads} threads were asked for, and this process may use {cores} core(s).",
            hint=f"Ask for 1 to {cores}, or leave --threads out.",
        )
    if device.type != "cpu":
        return Threading(workers=1, threads=threads)
    threads = threads or min(cores, torch.get_num_threads())
    if threads == 1 or not _workers_win(threads, dtype):
        return Threading(workers=1, threads=threads)
    return Threading(workers=threads, threads=1)


def available_cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system has it
        return os.cpu_count() or 1


def compute_on(threads: int | None) -> None:
    """Set how many threads the calling thread's operations use; ``None`` changes nothing."""
    if threads is None or getattr(_here, "threads", None) == threads:
        return
    torch.set_num_threads(threads)
    _here.threads = threads


@cache
def _workers_win(threads: int, dtype: torch.dtype) -> bool:
    """Whether one worker on so many threads is not clearly faster than so many on one each."""
    alone = min(_seconds(1, threads, threads, dtype) for _ in range(TRIALS))
    side_by_side = min(_seconds(threads, 1, 1, dtype) for _ in range(TRIALS))
    return side_by_side < ADVANTAGE * alone


def _seconds(workers: int, threads: int, passes: int, dtype: torch.dtype) -> float:
    """Seconds that ``workers`` threads take, each for its share of the passes."""
    ready = Barrier(workers + 1)
    done = Barrier(workers + 1)

    def work() -> None:
        compute_on(threads)
        wide = torch.randn(2 * WIDER, WIDTH).to(dtype)
        back = torch.randn(WIDTH, WIDER).to(dtype)
        state = torch.randn(TOKENS, WIDTH).to(dtype)
        _layer(state, wide, back)
        ready.wait()
        for _ in range(PASSES * passes):
            _layer(state, wide, back)
        done.wait()

    for _ in range(workers):
        Thread(target=work, daemon=True).start()
    ready.wait()
    start = time.perf_counter()
    done.wait()
    return time.perf_counter() - start


def _layer(state: torch.Tensor, wide: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Products and small operations, mixed as in a model's layer."""
    normed = state * state.float().square().mean(-1, keepdim=True).rsqrt().to(state.dtype)
    gate, up = (normed @ wide.t()).chunk(2, -1)
    weights = (normed @ normed.t()).softmax(-1)
    return weights @ normed + (F.silu(gate) * up) @ back.t()
