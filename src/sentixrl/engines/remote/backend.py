"""What every kind of server offers the remote engine.

Contract: a backend answers one request at a time, from any thread, or raises a
:class:`~sentixrl.engines.remote.refusals.ServerError`. It never guesses: an answer that does not
hold what was asked for is an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sentixrl.engines.options import PromptFormatName
from sentixrl.engines.protocol import (
    Completion,
    Cost,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
)
from sentixrl.engines.remote.refusals import ServerError, bad_reply
from sentixrl.engines.remote.transport import Json, Server

Way = Literal["exact", "letter codes", "decisions", "written"]
"""How a server's answers become scores; ``written`` gives none."""
LOG_SLACK = 1e-3
"""How far above 0 rounding may put a log-probability."""
_LEAST_LOG = -1e300
"""JSON has whole numbers that no float holds."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as its server describes it.

    Attributes:
        name: What requests call it; ``None`` if they need not.
        context_tokens: The longest prompt plus answer it reads, if that is known.
        parameters: How many it has, if that is known.
        weights: What else tells its weights from others', such as their size.
        version: The server's version, if it says one.
        slots: How many requests it computes at once, if that is known.
    """

    name: str | None = None
    context_tokens: int | None = None
    parameters: int | None = None
    weights: str | None = None
    version: str | None = None
    slots: int | None = None

    def named(self) -> dict[str, Json]:
        """The name, as requests carry it."""
        return {} if self.name is None else {"model": self.name}


class Backend(Protocol):
    """One kind of server."""

    model: Model
    way: Way
    prompt_format: PromptFormatName | None
    """How prompts become text here; ``None`` where the server decides."""

    def probe(self) -> Sequence[float]:
        """Ask a question whose answer shows whether the server does what it is asked.

        Returns:
            Numbers that the same model gives again, within rounding.

        Raises:
            ServerError: It does not.
        """
        ...

    def tokens_digest(self) -> str | None:
        """A short hash that tells tokenisers apart; ``None`` if the server shows no tokens."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has, or about how many where the server does not say."""
        ...

    def score(self, request: ScoreRequest) -> Scores:
        """Score a request's choices."""
        ...

    def generate(self, request: GenerateRequest) -> Completion:
        """Continue a prompt."""
        ...


def about_tokens(text: str) -> int:
    """About how many tokens a text has: vocabularies differ, so this is rather too many."""
    return math.ceil(len(text.encode("utf-8")) / 3)


def log_prob(server: Server, value: Json) -> float:
    """A log-probability.

    Raises:
        ServerError: It is none.
    """
    if type(value) not in {int, float} or not _LEAST_LOG < value <= LOG_SLACK:
        raise bad_reply(server.address, "a log-probability in it is none")
    return min(float(value), 0.0)


def item(server: Server, value: Json, *path: str | int) -> Json:
    """A part of a reply.

    Raises:
        ServerError: It has no such part.
    """
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            place = ".".join(map(str, path))
            raise bad_reply(server.address, f"it has no '{place}'") from None
    return value


def text_of(server: Server, value: Json, *path: str | int) -> str:
    """A text in a reply; missing text is empty.

    Raises:
        ServerError: It is something else.
    """
    found = item(server, value, *path)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise bad_reply(server.address, f"its '{path[-1]}' is no text")
    return found


def count_of(value: Json, *path: str) -> int:
    """A count in a reply; 0 if it does not say one."""
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if type(value) is int and 0 <= value < 1 << 40 else 0


def used(server: Server, read: int, written: int = 0, cached: int = 0) -> Cost:
    """Count what was read and written against the budget; the cost is what was computed of it.

    Args:
        server: Whose budget it is.
        read: Tokens of the prompts.
        written: Tokens of the replies.
        cached: How many of those read the server had computed before.
    """
    server.spend(read + written)
    return Cost(max(0, read - cached) + written)


def usage_of(server: Server, reply: Json) -> Cost:
    """Count what a reply's ``usage`` says, as OpenAI's servers and vLLM write it."""
    return used(
        server,
        count_of(reply, "usage", "prompt_tokens"),
        count_of(reply, "usage", "completion_tokens"),
        count_of(reply, "usage", "prompt_tokens_details", "cached_tokens"),
    )


def check_model(server: Server, reply: Json, name: str | None) -> None:
    """Refuse a reply that says it is another model's.

    Raises:
        ServerError: It is.
    """
    said = reply.get("model") if isinstance(reply, Mapping) else None
    if name is not None and isinstance(said, str) and said and said != name:
        raise another_model(server)


def another_model(server: Server) -> ServerError:
    """For servers that answer with another model than before."""
    return ServerError(
        Failure(
            "other_model",
            f"The server at {server.address.host} answers with another model than at first.",
            hint="Start it again with the first one, then run the same command again.",
            retryable=True,
        )
    )
