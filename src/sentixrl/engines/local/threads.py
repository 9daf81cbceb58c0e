"""How many sessions compute at once, and each on how many threads.

Contract: chosen by measurement. Every small operation of a model ends in a barrier between its
threads; where another process has one of the cores, each barrier waits for the scheduler. Sessions
that compute on one thread each have no barriers, and on most machines are faster on quiet cores
too; where one session on all threads is clearly faster, it has them.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
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
    shapes = (TOKENS, WIDTH), (2 * WIDER, WIDTH), (WIDTH, WIDER)
    state, wide, back = (torch.rand(shape, dtype=dtype) for shape in shapes)
    layer = partial(_layer, state, wide, back)
    side_by_side = min(_seconds(threads, 1, 1, layer) for _ in range(TRIALS))
    enough = side_by_side / ADVANTAGE
    return all(_seconds(1, threads, threads, layer, enough) >= enough for _ in range(TRIALS))


def _seconds(
    workers: int,
    threads: int,
    passes: int,
    layer: Callable[[], torch.Tensor],
    most: float = math.inf,
) -> float:
    """Seconds until the last of ``workers`` threads has done its share; given up at ``most``."""
    ready = Barrier(workers)
    taken: list[float] = []

    def work() -> None:
        compute_on(threads)
        layer()
        ready.wait()
        start = time.perf_counter()
        for _ in range(PASSES * passes):
            layer()
            if time.perf_counter() - start > most:  # on busy cores the rest could take seconds
                break
        taken.append(time.perf_counter() - start)

    working = [Thread(target=work, daemon=True) for _ in range(workers)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    return max(taken)


def _layer(state: torch.Tensor, wide: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Products and small operations, mixed as in a model's layer."""
    normed = state * state.float().square().mean(-1, keepdim=True).rsqrt().to(state.dtype)
    gate, up = (normed @ wide.t()).chunk(2, -1)
    weights = (normed @ normed.t()).softmax(-1)
    return weights @ normed + (F.silu(gate) * up) @ back.t()
