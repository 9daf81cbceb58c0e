"""What a run took, and what other processes took of the machine meanwhile.

Contract: shares are of all the machine's processors. What the hypervisor took counts as others'.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import psutil
import torch

from sentixrl.engines.local.hardware import processor_name

QUIET = 0.05
"""The largest share of others beside which a figure counts as measured on a quiet machine."""


def stamp() -> dict[str, str | int | None]:
    """When and where a figure was taken."""
    processor = processor_name(torch.device("cpu"))
    date = datetime.now(UTC).date().isoformat()
    return {"date": date, "processor": processor, "cores": os.cpu_count()}


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender's figures.

    Attributes:
        name: What was measured.
        seconds: How long it took.
        utterances: How many were answered.
        tokens: How many the model computed.
        pairs: Query–key pairs that carry attention, a layer; 0 where not counted.
        cpu_share: The share of the processors that it got.
        others: The share that processes outside the benchmark took meanwhile.
        resident_mib: Most memory it held meanwhile; 0 where not watched.
    """

    name: str
    seconds: float
    utterances: int
    tokens: int
    pairs: int = 0
    cpu_share: float = 0.0
    others: float = 0.0
    resident_mib: int = 0

    @property
    def rate(self) -> float:
        """Utterances per second."""
        return self.utterances / self.seconds


class Watch:
    """Processor time of the benchmark and of all others, within a ``with`` block.

    Attributes:
        seconds: How long the block took.
        own: The share that this process and its children got.
        others: The share that all others got.
    """

    def __init__(self) -> None:
        self.seconds = self.own = self.others = 0.0

    def __enter__(self) -> Self:
        self._busy, self._own = _busy_seconds(), _own_seconds()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        capacity = max(self.seconds, 1e-9) * (psutil.cpu_count() or 1)
        own = _own_seconds() - self._own
        self.own = own / capacity
        self.others = max(0.0, _busy_seconds() - self._busy - own) / capacity


def _busy_seconds() -> float:
    """Processor time that was not idle since the machine started."""
    times = psutil.cpu_times()._asdict()
    # Guests' time is contained in user time.
    idle = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(value for name, value in times.items() if name not in idle))


def _own_seconds() -> float:
    """Processor time of this process and of all its children, ended ones included."""
    me = psutil.Process()
    own = me.cpu_times()
    total = own.user + own.system + getattr(own, "children_user", 0.0)
    total += getattr(own, "children_system", 0.0)
    for child in me.children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system
    return float(total)


@contextmanager
def resident(process: psutil.Process, every: float) -> Iterator[list[int]]:
    """What a process holds within a ``with`` block, in bytes: at its start, then at intervals.

    Args:
        process: The process.
        every: Seconds between two readings.
    """
    sizes = [process.memory_info().rss]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(every):
            sizes.append(process.memory_info().rss)

    sampling = threading.Thread(target=sample, daemon=True)
    sampling.start()
    try:
        yield sizes
    finally:
        time.sleep(every)  # the last reading is of the block's end
        ended.set()
        sampling.join()
