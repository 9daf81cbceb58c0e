"""How far a job is, how fast it goes, and when it will be done.

Contract: workers tell the meter; whoever shows it reads it from any thread. The rate is that of the
last minute, so that it follows workers that come and go.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

WINDOW = 60.0
"""Seconds that the rate looks back."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands.

    Attributes:
        done: Turns that are answered, those of earlier sessions included.
        total: Turns in all.
        errors: Dialogues and turns that failed.
        workers: How many processes answer.
        seconds: How long this session has lasted.
        rate: Turns per second; 0 if it is not known yet.
        note: The last thing that happened to a worker.
    """

    done: int
    total: int
    errors: int
    workers: int
    seconds: float
    rate: float
    note: str = ""

    @property
    def remaining(self) -> float | None:
        """Seconds until all is answered; ``None`` if it is not known yet."""
        return (self.total - self.done) / self.rate if self.rate else None


class Meter:
    """Counts what is answered.

    Args:
        total: Turns in all.
        done: Turns that were answered before.
        clock: Seconds that never go back.
    """

    def __init__(
        self, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = Lock()
        self._clock = clock
        self._total, self._before, self._done = total, done, done
        self._errors, self._workers, self._note = 0, 1, ""
        self._start = clock()
        self._seen: deque[tuple[float, int]] = deque([(self._start, done)])

    def answered(self, turns: int, errors: int = 0) -> None:
        """Count turns that were answered, and those that failed."""
        with self._lock:
            now = self._clock()
            self._done += turns
            self._errors += errors
            if now - self._seen[-1][0] >= 1:
                self._seen.append((now, self._done))
            while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
                self._seen.popleft()

    def working(self, workers: int, note: str = "") -> None:
        """Note how many processes answer, and what happened to one."""
        with self._lock:
            self._workers, self._note = workers, note or self._note

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        with self._lock:
            now = self._clock()
            since, before = self._seen[0]
            rate = (self._done - before) / (now - since) if now > since else 0.0
            return Standing(
                *(self._done, self._total, self._errors, self._workers),
                *(now - self._start, rate, self._note),
            )
