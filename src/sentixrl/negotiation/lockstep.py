"""Many turns side by side, so that all of them reach the engine in one call.

Contract: a turn is a generator that yields one request at a time, is sent the answer, and returns
its result; it reads as if it were alone. :func:`together` runs any number of them in step: what
they ask for at the same time is one engine call. A request that fails ends its turn, and the
failure stands in the turn's place; the other turns go on.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from sentixrl.engines.protocol import (
    Completion,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
    Session,
)

T = TypeVar("T")
Request = ScoreRequest | GenerateRequest
Answer = Scores | Completion
Turn: TypeAlias = Generator[Request, Answer | None, T]
"""Yields requests, is sent their answers (``None`` to begin), returns a ``T``."""


def score(request: ScoreRequest) -> Turn[tuple[float, ...]]:
    """A step of a turn: the choices' log-probabilities."""
    answer = yield request
    assert isinstance(answer, Scores)
    return answer.log_probs


def write(request: GenerateRequest) -> Turn[str]:
    """A step of a turn: the text that continues the prompt."""
    answer = yield request
    assert isinstance(answer, Completion)
    return answer.text


def together(session: Session, turns: Sequence[Turn[T]]) -> list[T | Failure]:
    """Run turns in step to their ends.

    Args:
        session: Answers the requests.
        turns: Fresh generators.

    Returns:
        Each turn's result or failure, in the order of the turns.

    Raises:
        RuntimeError: The engine broke its contract: it gave too few or too many answers.
    """
    results: dict[int, T | Failure] = {}
    inbox: dict[int, Answer | None] = dict.fromkeys(range(len(turns)))
    while inbox:
        asked: dict[int, Request] = {}
        for place, answer in inbox.items():
            try:
                asked[place] = turns[place].send(answer)
            except StopIteration as end:
                results[place] = end.value
        answers = _answers(session, asked)
        failed = {place: a for place, a in answers.items() if isinstance(a, Failure)}
        results |= failed
        inbox = {place: a for place, a in answers.items() if not isinstance(a, Failure)}
    return [results[place] for place in range(len(turns))]


def _answers(session: Session, asked: Mapping[int, Request]) -> dict[int, Answer | Failure]:
    """One call for all score requests and one for all generate requests, if there are any."""
    scored = {place: r for place, r in asked.items() if isinstance(r, ScoreRequest)}
    written = {place: r for place, r in asked.items() if isinstance(r, GenerateRequest)}
    answers: dict[int, Answer | Failure] = {}
    if scored:
        scores = session.score(list(scored.values()))
        _check_count(len(scored), len(scores))
        for (place, request), found in zip(scored.items(), scores, strict=True):
            answers[place] = _usable(request, found)
    if written:
        replies = session.generate(list(written.values()))
        _check_count(len(written), len(replies))
        answers |= zip(written, replies, strict=True)
    return {place: answers[place] for place in asked}


def _check_count(requests: int, answers: int) -> None:
    if requests != answers:
        raise RuntimeError(f"the engine gave {answers} answer(s) to {requests} request(s)")


def _usable(request: ScoreRequest, found: Scores | Failure) -> Scores | Failure:
    """Scores that are probabilities; a model that overflows gives none."""
    if isinstance(found, Failure):
        return found
    if len(found.log_probs) != len(request.choices):
        raise RuntimeError(
            f"the engine scored {len(found.log_probs)} of {len(request.choices)} choices"
        )
    if any(map(math.isnan, found.log_probs)) or not math.isfinite(max(found.log_probs)):
        return Failure(
            "bad_scores",
            "The model's scores are not numbers.",
            hint="It may overflow in half precision: load it in float32.",
        )
    return found
