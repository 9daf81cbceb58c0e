"""Requests of many clients on their way through the workers: accepted, bounded, dropped.

Contract: all of it runs in one event loop; workers report into it. What waits or is computed is
bounded in tokens: a request that does not fit now is refused with 429, one that never could with
413, alike for one dialogue and for many. Accepted dialogues join the round that is running. A
request has only so many turns under way, so that one with a thousand dialogues does not hold up
the next. What nobody waits for any more is dropped before it is computed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sentixrl.dialogue import Dialogue
from sentixrl.negotiation.scheduling import PER_STEP, Scheduler
from sentixrl.negotiation.tasks import Told
from sentixrl.prediction import Prediction
from sentixrl.serve.refusals import RefusedError

QUEUE_TOKENS = 200_000
"""What waits or is computed, of all requests together."""
_BYTES_PER_TOKEN, _TOKENS_PER_TURN = 3, 12
_RATE_SECONDS = 30.0
_WATCH_SECONDS = 1.0
_MOST_SECONDS = 60


class Cancellable(Protocol):
    """A task that was submitted."""

    cancelled: bool

    @property
    def error(self) -> BaseException | None:
        """What broke it, if anything did."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """What a request asks, one part of it: a dialogue, or questions about one.

    Attributes:
        submit: Hands it to the workers, which call back from threads of their own.
        turns: How many answers it gives.
        tokens: About how many tokens it has.
        then: Hands what follows its task to the workers, in the same way, unless that broke; the
            part is over once both are.
    """

    submit: Callable[[Told], Cancellable]
    turns: int
    tokens: int
    then: Callable[[Cancellable, Told], Cancellable] | None = None


def estimated_tokens(dialogue: Dialogue) -> int:
    """About how many tokens a dialogue has, without a tokenizer."""
    texts = sum(len(turn.text.encode("utf-8", "replace")) for turn in dialogue)
    return texts // _BYTES_PER_TOKEN + _TOKENS_PER_TURN * len(dialogue)


class Ticket:
    """A request that was accepted.

    Args:
        batcher: Who accepted it.
        scheduler: The workers that compute it.
        parts: What it asks.

    Attributes:
        tasks: What was submitted of it, by part.
        further: What followed that, by part.
    """

    def __init__(self, batcher: Batcher, scheduler: Scheduler, parts: Sequence[Part]) -> None:
        self.tasks: list[Cancellable | None] = [None] * len(parts)
        self.further: list[Cancellable | None] = [None] * len(parts)
        self._batcher, self._parts = batcher, parts
        self._loop = asyncio.get_running_loop()
        self._waiting = deque(range(len(parts)))
        self._most_turns = PER_STEP * scheduler.workers
        self._under_way = 0
        self._open = set(range(len(parts)))
        self._told: asyncio.Queue[tuple[int, Prediction | None]] = asyncio.Queue()
        self._advance()

    async def answers(self) -> AsyncIterator[tuple[int, Prediction | None]]:
        """What is known, as it becomes known: part and prediction; ``None`` ends a part."""
        left = len(self._parts)
        while left:
            place, answer = await self._told.get()
            left -= answer is None
            yield place, answer

    async def finished(self) -> None:
        """Wait until every part is over."""
        async for _ in self.answers():
            pass

    def cancel(self) -> None:
        """Drop what is not computed yet; does nothing once all is."""
        self._waiting.clear()
        for place in list(self._open):
            for task in (self.tasks[place], self.further[place]):
                if task is not None:
                    task.cancelled = True
            self._release(place)

    def _advance(self) -> None:
        """Submit parts while few enough turns are under way; at least one is."""
        while self._waiting and (not self._under_way or self._under_way < self._most_turns):
            place = self._waiting.popleft()
            self._under_way += self._parts[place].turns
            self.tasks[place] = self._parts[place].submit(self._teller(self._take, place))

    def _teller(self, take: Callable[[int, Prediction | None], None], place: int) -> Told:
        def told(answer: Prediction | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens
                self._loop.call_soon_threadsafe(take, place, answer)

        return told

    def _take(self, place: int, answer: Prediction | None) -> None:
        """Take what a part's task tells."""
        if place not in self._open:
            return
        if answer is not None:
            self._told.put_nowait((place, answer))
        elif not self._goes_on(place):
            self._end(place)

    def _goes_on(self, place: int) -> bool:
        """Submit what follows a part's task, if something does."""
        then, task = self._parts[place].then, self.tasks[place]
        if then is None or task is None or task.error is not None:
            return False
        self.further[place] = then(task, self._teller(self._end, place))
        return True

    def _end(self, place: int, _: Prediction | None = None) -> None:
        """A part is over."""
        if place not in self._open:
            return
        self._under_way -= self._parts[place].turns
        self._release(place)
        self._advance()
        self._told.put_nowait((place, None))

    def _release(self, place: int) -> None:
        self._open.discard(place)
        self._batcher.release(self._parts[place].tokens, last=not self._open)


class Batcher:
    """Accepts requests while there is room.

    Args:
        schedulers: The workers of all models.
        queue_tokens: How many tokens may wait or be computed at once.

    Attributes:
        tokens: How many do.
        requests: How many requests are not finished.
        draining: Whether nothing is accepted any more.
    """

    def __init__(self, schedulers: Sequence[Scheduler], queue_tokens: int = QUEUE_TOKENS) -> None:
        self._schedulers = schedulers
        self._queue_tokens = queue_tokens
        self._released: deque[tuple[float, int]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self.tokens = self.requests = 0
        self.draining = False

    def accept(self, scheduler: Scheduler, parts: Sequence[Part]) -> Ticket:
        """Begin to answer a request.

        Raises:
            RefusedError: There is no room, or the service is ending.
        """
        if self.draining:
            raise RefusedError(
                503, "The service is stopping.", "Ask again later.", {"Retry-After": "5"}
            )
        tokens = sum(part.tokens for part in parts)
        if tokens > self._queue_tokens:
            raise RefusedError(
                413,
                f"The request has about {tokens:,} tokens; at most {self._queue_tokens:,} are "
                "taken at once.",
                "Send it in several requests.",
            )
        if self.tokens + tokens > self._queue_tokens:
            seconds = self._seconds_until_room(tokens)
            raise RefusedError(
                429,
                "The service has as much to do as it takes on.",
                f"Ask again in {seconds} seconds.",
                {"Retry-After": str(seconds)},
            )
        ticket = Ticket(self, scheduler, parts)  # what it is told comes in a later turn of the loop
        self.tokens += tokens
        self.requests += 1
        self._idle.clear()
        return ticket

    def release(self, tokens: int, *, last: bool) -> None:
        """Note that a part is over, perhaps the last one of its request."""
        self.tokens -= tokens
        self._released.append((time.monotonic(), tokens))
        self._forget()
        if last:
            self.requests -= 1
            if not self.requests:
                self._idle.set()

    async def drain(self) -> None:
        """Accept nothing more, and wait until what was accepted is answered."""
        self.draining = True
        await self._idle.wait()

    async def watch(self) -> None:
        """Replace workers that die, for as long as this runs."""
        while True:
            for scheduler in self._schedulers:
                scheduler.check()
            await asyncio.sleep(_WATCH_SECONDS)

    def _forget(self) -> None:
        while self._released and self._released[0][0] < time.monotonic() - _RATE_SECONDS:
            self._released.popleft()

    def _seconds_until_room(self, tokens: int) -> int:
        """When so many tokens will have become free, by the pace of the last half minute."""
        self._forget()
        wanted = self.tokens + tokens - self._queue_tokens
        done = sum(count for _, count in self._released)
        if not done:
            return 5
        span = max(1.0, time.monotonic() - self._released[0][0])
        return min(_MOST_SECONDS, max(1, math.ceil(wanted * span / done)))
