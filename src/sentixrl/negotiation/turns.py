"""Many turns side by side, so that what they ask at the same time is one engine call.

Contract: a turn is a generator that yields one request at a time, is sent the answer, and returns
its result; it is written as if it were alone. A request that fails is thrown into its turn as
:class:`RequestFailedError`; a turn that does not catch it ends with the failure as its result, and
the others go on. Two drivers run turns: :func:`together` runs many in step, :func:`singly` one
after the other (for remote servers, in several threads). Both take turns from an inbox that may be
filled while they run, and return when it has nothing more for this session.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol, TypeAlias, TypeVar

from sentixrl.engines.protocol import (
    Completion,
    Cost,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
    Session,
)

T = TypeVar("T")
Request = ScoreRequest | GenerateRequest
Answer = Scores | Completion
Turn: TypeAlias = Generator[Request | None, Answer | None, T]
"""Yields requests, or ``None`` to skip a step; is sent their answers (``None`` to begin and after a
skipped step); returns a ``T``."""


class RequestFailedError(Exception):
    """Thrown into a turn in place of an answer.

    Args:
        failure: Why there is none.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def score(request: ScoreRequest) -> Turn[Scores]:
    """A step of a turn: the choices' log-probabilities."""
    answer = yield request
    assert isinstance(answer, Scores)
    return answer


def write(request: GenerateRequest) -> Turn[str]:
    """A step of a turn: the text that continues the prompt."""
    answer = yield request
    assert isinstance(answer, Completion)
    return answer.text


@dataclass(slots=True, eq=False)
class Job:
    """A turn that a driver runs.

    Attributes:
        turn: A fresh generator.
        done: Called once with its result, or its failure, and what its answers cost.
        wanted: Whether anybody still waits for the result; otherwise the turn is closed.
        broke: Called instead of ``done`` if the turn raises what it should not, so that it fails
            alone; without it the error is the driver's.
        asked: What it asks for now.
        cost: What its answers cost so far.
        share: Which part of an utterance's work it is.
    """

    turn: Turn[Any]
    done: Callable[[Any, Cost], None]
    wanted: Callable[[], bool] = lambda: True
    broke: Callable[[Exception], None] | None = None
    asked: Request | None = None
    cost: Cost = field(default_factory=Cost)
    share: Fraction = Fraction(1)
    _begun: bool = False

    def begin(self) -> bool:
        """Let the turn ask for the first time; returns whether it goes on."""
        if self._begun:
            return True
        self._begun = True
        return self._advance(lambda: self.turn.send(None))

    def take(self, answer: Answer | Failure | None) -> bool:
        """Give the turn what it asked for; returns whether it goes on."""
        if not self.wanted():
            self.turn.close()
            return False
        if isinstance(answer, Failure):
            failed = RequestFailedError(answer)
            return self._advance(lambda: self.turn.throw(failed))
        if answer is not None:
            self.cost += answer.cost
        return self._advance(lambda: self.turn.send(answer))

    def _advance(self, step: Callable[[], Request | None]) -> bool:
        try:
            self.asked = step()
        except StopIteration as end:
            self.done(end.value, self.cost)
        except RequestFailedError as end:
            self.done(end.failure, self.cost)
        except Exception as error:
            if self.broke is None:
                raise
            self.broke(error)
        else:
            return True
        return False


class Inbox(Protocol):
    """Where a driver finds its jobs."""

    def peek(self) -> Job | None:
        """The next job for this session; ``None`` if there is none for now."""
        ...

    def pop(self) -> None:
        """Take the job that was peeked at."""
        ...


def together(
    session: Session,
    inbox: Inbox,
    per_step: int | None = None,
    stepped: Callable[[int], None] = lambda jobs: None,
) -> None:
    """Run jobs in step until none is left that this session has room for.

    New jobs join at every step, while the session has room.

    Args:
        session: Answers the requests.
        inbox: Where the jobs are.
        per_step: Most utterances' worth of jobs that join at one step; ``None`` for any number.
        stepped: Told before each step how many jobs take it.

    Raises:
        RuntimeError: The engine broke its contract: it gave too few or too many answers.
    """
    active: list[Job] = []
    while True:
        active += _joining(session, inbox, per_step)
        if not active:
            return
        stepped(len(active))
        active = _step(session, active)


def singly(session: Session, inbox: Inbox, stepping: Callable[[], None] = lambda: None) -> None:
    """Run jobs one after the other: what each of several threads does for a remote engine.

    Args:
        session: Answers the requests.
        inbox: Where the jobs are.
        stepping: Told before each step.
    """
    while (job := inbox.peek()) is not None:
        inbox.pop()
        going = job.wanted() and job.begin()
        while going:
            stepping()
            going = bool(_step(session, [job]))


def in_step(session: Session, turns: Sequence[Turn[T]]) -> list[T | Failure]:
    """Run a few turns that belong together to their ends, without asking the session for room.

    Returns:
        Each turn's result or failure, in the order of the turns.

    Raises:
        RuntimeError: As :func:`together`.
    """
    results: dict[int, T | Failure] = {}

    def keeper(place: int) -> Callable[[T | Failure, Cost], None]:
        return lambda result, cost: results.__setitem__(place, result)

    jobs = [Job(turn, keeper(place)) for place, turn in enumerate(turns)]
    active = [job for job in jobs if job.begin()]
    while active:
        active = _step(session, active)
    return [results[place] for place in range(len(turns))]


def _step(session: Session, active: Sequence[Job]) -> list[Job]:
    """Answer what the jobs ask for now; those that go on."""
    answers = _answers(session, [job.asked for job in active])
    return [job for job, answer in zip(active, answers, strict=True) if job.take(answer)]


def _joining(session: Session, inbox: Inbox, limit: int | None) -> list[Job]:
    """The jobs that join now, each at its first request."""
    joined: list[Job] = []
    utterances = Fraction(0)
    while (limit is None or utterances < limit) and (job := inbox.peek()) is not None:
        if not job.wanted() or not job.begin():
            inbox.pop()
            continue
        if job.asked is not None and not session.admit(job.asked):
            break
        inbox.pop()
        joined.append(job)
        utterances += job.share
    return joined


def _answers(
    session: Session, asked: Sequence[Request | None]
) -> list[Scores | Completion | Failure | None]:
    """One call for all score requests and one for all generate requests, if there are any."""
    answers: list[Scores | Completion | Failure | None] = [None] * len(asked)
    scored = {place: r for place, r in enumerate(asked) if isinstance(r, ScoreRequest)}
    written = {place: r for place, r in enumerate(asked) if isinstance(r, GenerateRequest)}
    if scored:
        found = session.score(list(scored.values()))
        _check_count(len(scored), len(found))
        for (place, request), scores in zip(scored.items(), found, strict=True):
            answers[place] = _usable(request, scores)
    if written:
        replies = session.generate(list(written.values()))
        _check_count(len(written), len(replies))
        for place, reply in zip(written, replies, strict=True):
            answers[place] = reply
    return answers


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
