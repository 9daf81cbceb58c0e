"""The remote engine: one request at a time to a server, from as many threads as it may have.

Contract: a request that is not answered is a failure in its place. After a lost connection, and on
a new one, the server is asked again what it is before anything it says is believed: one that was
started with another model answers nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from sentixrl.engines.protocol import (
    Capabilities,
    Completion,
    Cost,
    Facts,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
    UnansweredError,
    Usage,
)
from sentixrl.engines.remote.backend import Backend, another_model
from sentixrl.engines.remote.refusals import ServerError
from sentixrl.engines.remote.transport import Server
from sentixrl.errors import ModelError

SAME = 0.5
"""Nats by which the probe's log-probabilities may have moved if it is still the same model."""
LOW_MASS = 0.05
"""Below this share of the probability, a model would nearly always rather say something else."""
WATCHED = 8
"""Answers after which the mass is judged."""
TRUSTED_SECONDS = 10.0
"""A server that was checked so recently is the same one on a new connection."""

_log = logging.getLogger(__name__)
Asked = TypeVar("Asked", ScoreRequest, GenerateRequest)
Answered = TypeVar("Answered", Scores, Completion)


class RemoteEngine:
    """A model on a server.

    Args:
        name: The model's name in results.
        server: Where it is.
        backend: How it is asked.
        probed: What the probe gave.
        notes: What a user should know of how it is asked.
        again: Finds out what the server is now: a backend, and what the probe gives.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        backend: Backend,
        probed: Sequence[float],
        notes: Sequence[str],
        again: Callable[[], tuple[Backend, Sequence[float]]],
    ) -> None:
        self.name = name
        self.notes = tuple(notes)
        self.server = server
        self.backend = backend
        self._probed = tuple(probed)
        self._find_again = again
        self._usage = Usage()
        self._counting = Lock()
        self._checking = Lock()
        self._note_checked(server.interruptions)
        self._masses: list[float] = []
        limit = server.options.concurrency
        self.capabilities = Capabilities(
            score=backend.way != "written",
            constrain=backend.way in {"exact", "decisions"},
            context_tokens=backend.model.context_tokens,
            parameters=backend.model.parameters,
            workers=min(limit, backend.model.slots or limit),
            batches=False,
        )

    def __repr__(self) -> str:
        return f"<RemoteEngine {self.name} at {self.host}>"

    @property
    def host(self) -> str:
        """Where texts are sent."""
        return self.server.address.host

    @property
    def usage(self) -> Usage:
        """What it has answered so far, in all threads; passes are calls to the server.

        Tokens and calls are all that were spent, those of the probe and of failures included;
        tokens that the server had kept count as read.
        """
        tokens = self.server.tokens
        return replace(
            self._usage, passes=self.server.requests, tokens=tokens, prompt_tokens=tokens
        )

    def describe(self) -> Facts:
        """The model as its server describes it, and what the probe showed."""
        orders = self.server.options.rotations
        return {
            "server": self.server.address.kind,
            "weights": self.backend.model.weights,
            "parameters": self.backend.model.parameters,
            "context_tokens": self.backend.model.context_tokens,
            "tokens": self.backend.tokens_digest(),
            "prompt_format": self.backend.prompt_format,
            "probe": self.backend.way,
            **({"rotations": orders} if orders > 1 and self.backend.way == "letter codes" else {}),
        }

    def machine(self) -> Facts:
        """Which server, where, and of which version."""
        return {"host": self.host, "server_version": self.backend.model.version}

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` takes as one segment; about how many, if no server says it.

        Raises:
            UnansweredError: The server does not say.
        """
        try:
            return self.backend.count_tokens(text)
        except ServerError as error:
            raise UnansweredError(error.failure) from None

    def session(self) -> RemoteSession:
        """Open a session; it keeps nothing."""
        return RemoteSession(self)

    def score(self, request: ScoreRequest) -> Scores | Failure:
        """Score one request's choices."""
        watching = len(self._masses) < WATCHED and len(request.choices) > 2
        asked = replace(request, mass=True) if watching and not request.mass else request
        found = self._timed(self.backend.score, asked)
        if watching and isinstance(found, Scores) and found.mass is not None:
            self._watch(found.mass)
        return found

    def generate(self, request: GenerateRequest) -> Completion | Failure:
        """Continue one prompt."""
        return self._timed(self.backend.generate, request)

    def _timed(self, answer: Callable[[Asked], Answered], request: Asked) -> Answered | Failure:
        start = time.perf_counter()
        try:
            found = answer(request)
            self._check_same()
        except ServerError as error:
            self._count(Usage(requests=1, seconds=time.perf_counter() - start))
            return error.failure
        seconds = time.perf_counter() - start
        self._count(Usage(requests=1, seconds=seconds))
        return replace(found, cost=Cost(found.cost.tokens, seconds))

    def _check_same(self) -> None:
        """After a lost connection, or on a new one: is it still the same model?

        Raises:
            ServerError: It is not, or cannot be asked.
        """
        if not self._in_doubt:
            return
        with self._checking:
            if not self._in_doubt:
                return
            interruptions = self.server.interruptions
            try:
                backend, probed = self._find_again()
            except ModelError:  # it lacks the model now, or is of another kind
                raise another_model(self.server) from None
            same = (backend.way, backend.tokens_digest(), _told(backend)) == (
                self.backend.way,
                self.backend.tokens_digest(),
                _told(self.backend),
            )
            pairs = zip(probed, self._probed, strict=False)
            if not same or any(abs(now - before) > SAME for now, before in pairs):
                raise another_model(self.server)
            self._note_checked(interruptions)

    @property
    def _in_doubt(self) -> bool:
        """Whether another server may have taken the place of the one that was checked."""
        if self.server.interruptions != self._interruptions:
            return True
        recently = time.monotonic() - self._checked_at < TRUSTED_SECONDS
        return self.server.connections != self._connections and not recently

    def _note_checked(self, interruptions: int) -> None:
        """Note that it is the same; what was interrupted meanwhile is in doubt again."""
        self._interruptions = interruptions
        self._connections = self.server.connections
        self._checked_at = time.monotonic()

    def _count(self, more: Usage) -> None:
        with self._counting:
            self._usage += more

    def _watch(self, mass: float) -> None:
        """Warn once if the model would rather say something else than any of the choices."""
        with self._counting:
            self._masses.append(mass)
            full = len(self._masses) == WATCHED
        if full and median(self._masses) < LOW_MASS:
            _log.warning(
                "The labels hold only %.1f%% of %s's probability: %s",
                100 * median(self._masses), self.name, self._likely_cause(),
            )  # fmt: skip

    def _likely_cause(self) -> str:
        if self.backend.prompt_format == "plain":
            return (
                "it may be a chat model that is asked in plain text (--prompt-format chat), or one "
                "that was not taught to follow instructions."
            )
        return (
            "it may write its thoughts first (switch thinking off at the server), or its chat "
            "format is another (--prompt-format plain)."
        )


class RemoteSession:
    """A session of a :class:`RemoteEngine`; several requests at once are asked side by side.

    Args:
        engine: Who is asked.
    """

    def __init__(self, engine: RemoteEngine) -> None:
        self._engine = engine
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def admit(self, request: ScoreRequest | GenerateRequest) -> bool:
        """Whether there is room: always, as nothing is kept here."""
        return True

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
        """Score each request's choices."""
        return self._all(self._engine.score, requests)

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
        """Continue each prompt."""
        return self._all(self._engine.generate, requests)

    def _all(
        self, answer: Callable[[Asked], Answered | Failure], requests: Sequence[Asked]
    ) -> list[Answered | Failure]:
        if len(requests) < 2:
            return [answer(request) for request in requests]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._engine.capabilities.workers)
        return list(self._threads.map(answer, requests))


def _told(backend: Backend) -> tuple[object, ...]:
    """What a server says of its model."""
    model = backend.model
    return model.name, model.parameters, model.weights, model.context_tokens
