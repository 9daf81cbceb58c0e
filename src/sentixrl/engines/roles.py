"""Two engines that play the two roles of a negotiation, behind the protocol of one.

Contract: each request says which role it is for and goes to that role's engine; answers stand in
the order of the requests. A session holds one session of each, so drivers run utterances in step as
with one engine. The discriminator sees the same utterances as the generator, in prompts that go on
from the generator's: those are admitted by the generator's session, or by the discriminator's where
the generator is on a server and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from sentixrl.engines.protocol import (
    Completion,
    Engine,
    Facts,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
    Session,
    Usage,
)

if TYPE_CHECKING:
    from sentixrl.engines.remote.engine import RemoteEngine

Asked = TypeVar("Asked", ScoreRequest, GenerateRequest)
Answered = TypeVar("Answered", Scores, Completion)


class TwoEngines:
    """A generator and a discriminator.

    Args:
        generator: Proposes labels.
        discriminator: Judges them.
    """

    def __init__(self, generator: Engine, discriminator: Engine) -> None:
        self.generator = generator
        self.discriminator = discriminator
        one, other = generator.capabilities, discriminator.capabilities
        batches = one.batches or other.batches
        # Local workers are as many as the cores; requests to a server go side by side within each.
        workers = min if batches else max
        self.capabilities = replace(
            one, workers=workers(one.workers, other.workers), batches=batches
        )

    @property
    def name(self) -> str:
        """Both models' names."""
        return f"{self.generator.name} + {self.discriminator.name}"

    @property
    def usage(self) -> Usage:
        """What both have done so far."""
        return self.generator.usage + self.discriminator.usage

    def describe(self) -> Facts:
        """The generator's facts, and the discriminator's under its own names."""
        own = {f"discriminator_{key}": fact for key, fact in self.discriminator.describe().items()}
        return {**self.generator.describe(), "discriminator_name": self.discriminator.name, **own}

    def machine(self) -> Facts:
        """Where each computes."""
        own = {f"discriminator_{key}": fact for key, fact in self.discriminator.machine().items()}
        return {**self.generator.machine(), **own}

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` takes in the generator."""
        return self.generator.count_tokens(text)

    def session(self) -> TwoSessions:
        """Open a session of each."""
        return TwoSessions(self)


class TwoSessions:
    """A session of :class:`TwoEngines`.

    Args:
        engines: Whose sessions it opens.
    """

    def __init__(self, engines: TwoEngines) -> None:
        self._opened: dict[str, Session] = {
            "generator": engines.generator.session(),
            "discriminator": engines.discriminator.session(),
        }
        keeps = "generator" if engines.generator.capabilities.batches else "discriminator"
        self._admitting = self._opened[keeps]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for session in self._opened.values():
            self._stack.enter_context(session)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def admit(self, request: ScoreRequest | GenerateRequest) -> bool:
        """Whether the session that keeps what it computed has room."""
        return self._admitting.admit(request)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
        """Score each request by its role's engine."""
        return _routed(requests, {role: one.score for role, one in self._opened.items()})

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
        """Continue each prompt by its role's engine."""
        return _routed(requests, {role: one.generate for role, one in self._opened.items()})


def _routed(
    requests: Sequence[Asked],
    ask: dict[str, Callable[[Sequence[Asked]], list[Answered | Failure]]],
) -> list[Answered | Failure]:
    """Each role's requests in one call; answers in the order of the requests.

    Raises:
        RuntimeError: An engine broke its contract: it gave too few or too many answers.
    """
    answers: dict[int, Answered | Failure] = {}
    for role, answer in ask.items():
        places = [place for place, request in enumerate(requests) if request.role == role]
        if not places:
            continue
        found = answer([requests[place] for place in places])
        if len(found) != len(places):
            raise RuntimeError(
                f"the {role} gave {len(found)} answer(s) to {len(places)} request(s)"
            )
        answers.update(zip(places, found, strict=True))
    return [answers[place] for place in range(len(requests))]


def roles_of(engine: Engine) -> tuple[Engine, Engine | None]:
    """The generator, and the discriminator if it is another engine."""
    if isinstance(engine, TwoEngines):
        return engine.generator, engine.discriminator
    return engine, None


def remote_engines(engine: Engine) -> tuple[RemoteEngine, ...]:
    """Those of an engine's roles that are played by a model on a server, each once."""
    from sentixrl.engines.remote.engine import RemoteEngine

    played = [one for one in roles_of(engine) if isinstance(one, RemoteEngine)]
    return tuple(dict.fromkeys(played))


def hosts_of(engine: Engine) -> tuple[str, ...]:
    """Where texts are sent; nowhere for models on this machine."""
    return tuple(dict.fromkeys(one.host for one in remote_engines(engine)))
