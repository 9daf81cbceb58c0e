"""The only way to language models: requests in, answers out, in the same order.

Contract: an engine opens sessions; a session scores closed choices and generates text. A failed
item is a :class:`Failure` in its place, never an exception for the batch. Engines own their prompt
format and tokenisation; they tokenise prompts segment by segment, so that equal prefixes stay
equal whatever follows them. An engine may be used from many threads at once, each with sessions
of its own. Nobody outside ``engines/`` needs more of an engine than this, except training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from sentixrl.context.prompt import Prompt
from sentixrl.errors import SentixError

RoleName = Literal["generator", "discriminator"]
"""Who is asked, where the roles are played by different engines."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do.

    Attributes:
        score: It returns log-probabilities of closed choices.
        constrain: It can be constrained to answer with one of several choices.
        context_tokens: The longest prompt plus answer it reads; ``None`` if unknown.
        parameters: How many the model has; ``None`` if unknown.
        workers: How many threads should compute at once, each with a session of its own.
        batches: One call with many requests costs less than many calls. If not (a server across a
            network), utterances are not run in step.
    """

    score: bool
    constrain: bool
    context_tokens: int | None = None
    parameters: int | None = None
    workers: int = 1
    batches: bool = True


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer took.

    Attributes:
        tokens: Tokens computed for it. Tokens that requests share count once, for the request that
            came first.
        seconds: Its share of its batch's time, by tokens.
    """

    tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.tokens + other.tokens, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class Usage:
    """What an engine has done since it was loaded.

    Attributes:
        requests: Requests answered, failures included.
        tokens: Tokens computed.
        prompt_tokens: Tokens of all prompts and choices if nothing were shared.
        passes: Forward passes, or calls to a server.
        visible_pairs: Query–key pairs that carry attention, per layer; 0 if unknown.
        seconds: Time spent computing, summed over threads.
    """

    requests: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    passes: int = 0
    visible_pairs: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.prompt_tokens + other.prompt_tokens,
            self.passes + other.passes,
            self.visible_pairs + other.visible_pairs,
            self.seconds + other.seconds,
        )


Facts = Mapping[str, str | int | float | bool | None]
"""What a run's identity records of an engine: plain values by name."""


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Ask for log P(choice | prompt) of each choice.

    Attributes:
        prompt: The text that the choices would continue.
        choices: At least one text.
        mass: Whether to tell how much of the probability the choices hold together, even if that
            takes extra work.
        role: Who is asked.
    """

    prompt: Prompt
    choices: tuple[str, ...]
    mass: bool = False
    role: RoleName = "generator"


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Ask for text that continues the prompt.

    Attributes:
        prompt: What to continue.
        max_tokens: Upper bound of the reply's length.
        stop: The reply ends before the first of these.
        choices: If given, the reply is exactly one of them (engines that can constrain).
        role: Who is asked.
    """

    prompt: Prompt
    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] | None = None
    role: RoleName = "generator"


@dataclass(frozen=True, slots=True)
class Scores:
    """log P(choice | prompt), normalised over the request's choices, in their order.

    Attributes:
        log_probs: Shape ``[n_choices]``.
        exact: Whether they are the model's own, over whole choices; ``False`` for bounds and for
            choices that were asked for by a code.
        mass: How much of the probability of all continuations the choices' first tokens held
            before normalising, 0 to 1; ``None`` if it was not measured. A small mass means that the
            model would rather have said something else.
        cost: What the answer took.
        flips: Where choices were asked for by letters, in several orders: the share of the further
            orders that gave another first choice; ``None`` otherwise.
    """

    log_probs: tuple[float, ...]
    exact: bool = True
    mass: float | None = None
    cost: Cost = field(default_factory=Cost)
    flips: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """Generated text, without the stop string, how many tokens it took, and its cost."""

    text: str
    tokens: int
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one request has no answer.

    Attributes:
        code: Short and stable, for programs.
        message: One sentence.
        hint: What to do about it.
        retryable: Whether asking again later may help.
    """

    code: str
    message: str
    hint: str | None = None
    retryable: bool = False


class UnansweredError(SentixError):
    """An engine could not do something for a dialogue that is not an answer, such as count tokens.

    Args:
        failure: Why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(
            failure.message, hint=failure.hint, code=failure.code, retryable=failure.retryable
        )
        self.failure = failure


class Session(Protocol):
    """A context manager that may keep what it computed and reuse shared prefixes.

    A session owns its memory budget: it is shown the first request of each utterance before it has
    to answer it, and says whether there is room. It belongs to one thread at a time.
    """

    def admit(self, request: ScoreRequest | GenerateRequest) -> bool:
        """Whether there is room for an utterance that begins with this request.

        An empty session admits anything. An admitted request counts against the session's budget at
        once; a refused one leaves the session as it was.
        """
        ...

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
        """The model's name in results."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        ...

    @property
    def usage(self) -> Usage:
        """What it has done so far, in all threads."""
        ...

    def describe(self) -> Facts:
        """What its answers depend on, for a run's identity.

        Two engines with equal facts give the same answers. Places and times are no facts.
        """
        ...

    def machine(self) -> Facts:
        """Where it computes: processor, device, threads; not part of an identity."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` takes as one segment.

        Raises:
            UnansweredError: A server that would have to say it does not answer.
        """
        ...

    def session(self) -> Session:
        """Open a session; closing it frees what it kept."""
        ...
