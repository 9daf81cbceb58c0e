"""Which worker answers what: chunks that wait, are under way, were lost, or are given up.

Contract: plain bookkeeping that knows no cluster. A chunk leaves it once: finished, or given up
after it was lost with several workers, since it may be what ends them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from sentixrl.batch.spool import Chunk

MOST_LOSSES = 3
"""A chunk that was lost so often is given up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a chunk may take before it is given to another worker.

    Attributes:
        factor: How many times as long as finished chunks took, turn for turn.
        least: Seconds that any chunk may take.
        first: Seconds that it may take while none is finished.
    """

    factor: float = 10.0
    least: float = 120.0
    first: float = 3600.0

    def limit(self, turns: int, seconds_per_turn: float | None) -> float:
        """Seconds that a chunk of so many turns may take."""
        if seconds_per_turn is None:
            return self.first
        return max(self.least, self.factor * seconds_per_turn * turns)


class Board:
    """The chunks of a job.

    Args:
        chunks: What is to be answered.
        patience: How long each may take.
    """

    def __init__(self, chunks: Sequence[Chunk], patience: Patience | None = None) -> None:
        self._waiting = deque(chunks)
        self._patience = patience or Patience()
        self._begun: dict[int, float] = {}
        self._losses: dict[int, int] = {}
        self._left = {chunk.number for chunk in chunks}
        self._seconds, self._turns = 0.0, 0

    @property
    def open(self) -> bool:
        """Whether anything is left."""
        return bool(self._left)

    @property
    def waiting(self) -> int:
        """How many chunks nobody has."""
        return len(self._waiting)

    def take(self, now: float) -> Chunk | None:
        """The next chunk for a worker."""
        if not self._waiting:
            return None
        chunk = self._waiting.popleft()
        self._begun[chunk.number] = now
        return chunk

    def finished(self, chunk: Chunk, now: float) -> None:
        """A chunk is in its place."""
        self._seconds += now - self._begun.pop(chunk.number)
        self._turns += chunk.turns
        self._left.discard(chunk.number)

    def lost(self, chunk: Chunk) -> bool:
        """A chunk's worker is gone; whether another one gets it."""
        self._begun.pop(chunk.number)
        losses = self._losses[chunk.number] = self._losses.get(chunk.number, 0) + 1
        if losses < MOST_LOSSES:
            self._waiting.appendleft(chunk)
            return True
        self._left.discard(chunk.number)
        return False

    def is_overdue(self, chunk: Chunk, now: float) -> bool:
        """Whether a chunk under way takes too long."""
        pace = self._seconds / self._turns if self._turns else None
        return now - self._begun[chunk.number] > self._patience.limit(chunk.turns, pace)
