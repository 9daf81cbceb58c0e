"""How long a job will take and what it will cost, before it is run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sentixrl.batch.shards import Answer

ENOUGH_SECONDS, ENOUGH_TURNS = 20.0, 512
"""A sample ends once it has lasted so long, or has so many turns."""
WARM_UP_TURNS = 16
"""Turns that are answered before time counts: the first ones take longer."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sample says of a whole.

    Attributes:
        turns: Turns of the whole.
        sample: Turns that were answered to find out.
        tokens: Tokens that were computed for them.
        seconds: How long that took.
        workers: How many processes will answer side by side.
    """

    turns: int
    sample: int
    tokens: int
    seconds: float
    workers: int = 1

    @property
    def rate(self) -> float:
        """Turns per second of all workers together."""
        return self.workers * self.sample / self.seconds if self.seconds else 0.0

    @property
    def whole_seconds(self) -> float:
        """How long the whole will take."""
        return self.turns / self.rate if self.rate else 0.0

    @property
    def whole_tokens(self) -> int:
        """How many tokens the whole will take."""
        return round(self.tokens * self.turns / self.sample) if self.sample else 0

    def of_all(self, turns: int) -> Estimate:
        """The same sample of a whole of so many turns."""
        return replace(self, turns=turns)


def measure(answers: Iterator[Answer]) -> Estimate:
    """Take answers until it is known how long one takes.

    Answers that come before the clock starts do not count; of a job that is smaller than the
    warm-up, all do.
    """
    warm = 0
    start = began = time.perf_counter()
    turns = tokens = warm_tokens = 0
    for answer in answers:
        count = len(answer.item.dialogue)
        spent = sum(item.tokens for item in answer.prediction.items) if answer.prediction else 0
        if warm < WARM_UP_TURNS:
            warm, warm_tokens = warm + count, warm_tokens + spent
            start = time.perf_counter()
            continue
        turns, tokens = turns + count, tokens + spent
        if turns >= ENOUGH_TURNS or time.perf_counter() - start > ENOUGH_SECONDS:
            break
    if not turns:
        return Estimate(warm, warm, warm_tokens, time.perf_counter() - began)
    return Estimate(turns, turns, tokens, time.perf_counter() - start)
