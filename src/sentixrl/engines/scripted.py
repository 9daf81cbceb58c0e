"""An engine that answers from a script, for tests, docs and teaching.

Contract: it behaves like any engine (sessions, capabilities, failures in their place), but its
answers come from a function of the prompt, so that a negotiation can be followed without a model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import (
    Capabilities,
    Completion,
    Cost,
    Facts,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
    Usage,
)

Scorer = Callable[[Prompt, tuple[str, ...]], Sequence[float] | Failure]
Writer = Callable[[Prompt], str | Failure]
Request = ScoreRequest | GenerateRequest
Asked = TypeVar("Asked", ScoreRequest, GenerateRequest)
Answered = TypeVar("Answered", Scores, Completion)


class ScriptedEngine:
    """Answers by calling your functions.

    Args:
        score: Prompt and choices → a weight ≥ 0 for each choice (not all zero), or a failure.
        write: Prompt → text, or a failure.
        constrain: Whether it can be constrained to choices; it then answers with the choice that
            ``write`` names, or else with the first.
        name: The model's name in results.
        workers: How many threads may ask at once.
        batches_requests: Whether many requests come in one call.
        session_tokens: How many words a session takes before it admits no more; ``None`` for any
            number.

    Attributes:
        batches: The requests of each call a session got, oldest first.
    """

    def __init__(
        self,
        score: Scorer | None = None,
        write: Writer | None = None,
        *,
        constrain: bool = True,
        name: str = "scripted",
        workers: int = 1,
        batches_requests: bool = True,
        session_tokens: int | None = None,
    ) -> None:
        self.name = name
        self._score, self._write = score, write
        self.capabilities = Capabilities(
            score=score is not None,
            constrain=constrain,
            workers=workers,
            batches=batches_requests,
        )
        self.session_tokens = session_tokens
        self.batches: list[tuple[Request, ...]] = []
        self.usage = Usage()
        self._counting = Lock()

    @property
    def calls(self) -> list[Request]:
        """Every request so far, oldest first."""
        return [request for batch in self.batches for request in batch]

    def describe(self) -> Facts:
        """Only that it is a script."""
        return {"scripted": True}

    def machine(self) -> Facts:
        """Nothing worth noting."""
        return {}

    def heard(self, requests: Sequence[Request]) -> None:
        """Note a call."""
        words = sum(self.count_tokens(request.prompt.text) for request in requests)
        with self._counting:
            self.batches.append(tuple(requests))
            self.usage += Usage(len(requests), prompt_tokens=words, passes=1)

    def charge(self, cost: Cost) -> None:
        """Note what an answer cost."""
        with self._counting:
            self.usage += Usage(tokens=cost.tokens, seconds=cost.seconds)

    def count_tokens(self, text: str) -> int:
        """Words count as tokens."""
        return len(text.split())

    def session(self) -> ScriptedSession:
        """Open a session."""
        return ScriptedSession(self)

    def answer_score(self, request: ScoreRequest) -> Scores | Failure:
        """The script's answer to one score request.

        Raises:
            ValueError: The script's weights cannot be probabilities of the choices.
        """
        if self._score is None:
            return Failure("no_scores", "This engine gives no scores.")
        weights = self._score(request.prompt, request.choices)
        if isinstance(weights, Failure):
            return weights
        total = math.fsum(weights)
        if len(weights) != len(request.choices) or min(weights) < 0 or not 0 < total < math.inf:
            raise ValueError(
                f"the script weighs {request.choices} as {tuple(weights)}; it needs one weight "
                "a choice, none below zero and not all zero"
            )
        log_total = math.log(total)
        cost = Cost(self.count_tokens(request.prompt.text))
        log_probs = tuple(math.log(w) - log_total if w > 0 else -math.inf for w in weights)
        return Scores(log_probs, cost=cost)

    def answer_generate(self, request: GenerateRequest) -> Completion | Failure:
        """The script's answer to one generate request."""
        text = self._write(request.prompt) if self._write is not None else ""
        if isinstance(text, Failure):
            return text
        for stop in request.stop:
            text = text.split(stop)[0]
        if request.choices and self.capabilities.constrain and text not in request.choices:
            text = request.choices[0]
        tokens = self.count_tokens(text)
        return Completion(text, tokens, Cost(self.count_tokens(request.prompt.text) + tokens))


class ScriptedSession:
    """A session of a :class:`ScriptedEngine`.

    Args:
        engine: Whose script it follows.
    """

    def __init__(self, engine: ScriptedEngine) -> None:
        self._engine = engine
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def admit(self, request: Request) -> bool:
        """Whether the prompt's words fit what the session takes."""
        words, room = self._engine.count_tokens(request.prompt.text), self._engine.session_tokens
        if room is not None and self._held and self._held + words > room:
            return False
        self._held += words
        return True

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
        """Score each request by the script."""
        return self._answers(self._engine.answer_score, requests)

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
        """Write each reply by the script."""
        return self._answers(self._engine.answer_generate, requests)

    def _answers(
        self, answer: Callable[[Asked], Answered | Failure], requests: Sequence[Asked]
    ) -> list[Answered | Failure]:
        self._engine.heard(requests)
        answers: list[Answered | Failure] = []
        for request in requests:
            start = time.perf_counter()
            found = answer(request)
            if not isinstance(found, Failure):
                seconds = time.perf_counter() - start
                found = replace(found, cost=replace(found.cost, seconds=seconds))
                self._engine.charge(found.cost)
            answers.append(found)
        return answers
