"""The one door to language models: requests in, answers out, in the same order.

Contract: an engine opens sessions; a session scores closed choices and generates text. A failed
item is a :class:`Failure` in its place, never an exception for the batch. Engines own chat
framing and tokenisation; they tokenise prompts segment by segment, so that equal prefixes stay
equal whatever follows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from sentixrl.context.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do.

    Attributes:
        score: It returns exact log-probabilities of closed choices.
        constrain: It can be held to answer with one of several choices.
        context_tokens: The longest prompt plus answer it reads; ``None`` if unknown.
        parameters: How many the model has; ``None`` if unknown.
    """

    score: bool
    constrain: bool
    context_tokens: int | None = None
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Ask for log P(choice | prompt) of each choice."""

    prompt: Prompt
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Ask for text that continues the prompt.

    Attributes:
        prompt: What to continue.
        max_tokens: Upper bound of the reply's length.
        stop: The reply ends before the first of these.
        choices: If given, the reply is exactly one of them (engines that can constrain).
    """

    prompt: Prompt
    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """log P(choice | prompt), normalised over the request's choices, in their order."""

    log_probs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """Generated text, without the stop string, and how many tokens it took."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one request has no answer."""

    code: str
    message: str
    hint: str | None = None


class Session(Protocol):
    """A context manager that may keep what it computed and reuse shared prefixes."""

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
        """Score each request's choices; answers stand in the order of the requests."""
        ...

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
        """Continue each prompt; answers stand in the order of the requests."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Engine(Protocol):
    """A language model behind the protocol."""

    @property
    def name(self) -> str:
        """What results say answered them."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` takes as one segment."""
        ...

    def session(self) -> Session:
        """Open a session; closing it frees what it kept."""
        ...
