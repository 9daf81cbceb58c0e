"""What happened to each negotiated utterance, round by round.

Contract: every negotiated utterance is in exactly one state at each step: after the first proposal,
after each round, and at the end, where the forced answer counts. A settled utterance stays settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from sentixrl.dialogue import Dialogue
from sentixrl.prediction import DialoguePrediction, Prediction, Status

Pair = tuple[Dialogue, DialoguePrediction]


class State(StrEnum):
    """The state of an utterance; pictures stack them in this order, from the top."""

    RIGHT = "agreed, right"
    OPEN_RIGHT = "open, right proposed"
    OPEN_WRONG = "open, wrong proposed"
    NONE = "nothing readable"
    WRONG = "agreed, wrong"


@dataclass(frozen=True, slots=True)
class Flow:
    """How all utterances go through the negotiation.

    Attributes:
        steps: The steps' names, the first proposal first and the final answer last.
        counts: Utterances in each state, per step.
        moves: (state, next state) → utterances, one mapping between two steps.
    """

    steps: tuple[str, ...]
    counts: tuple[Counter[State], ...]
    moves: tuple[Counter[tuple[State, State]], ...]

    @property
    def total(self) -> int:
        """How many utterances were negotiated."""
        return self.counts[0].total() if self.counts else 0


def negotiated(prediction: Prediction) -> bool:
    """Whether it was negotiated."""
    return bool(prediction.rounds) and prediction.status is not Status.SINGLE


def flow(pairs: Iterable[Pair]) -> Flow:
    """Follow every annotated, negotiated utterance."""
    found = [
        (turn.gold, answer)
        for dialogue, prediction in pairs
        for turn, answer in zip(dialogue, prediction.items, strict=True)
        if turn.gold is not None and negotiated(answer)
    ]
    rounds = max((len(answer.rounds) for _, answer in found), default=0)
    if not rounds:
        return Flow((), (), ())
    paths = [_path(answer, gold, rounds) for gold, answer in found]
    steps = ("first proposal", *(f"after round {n}" for n in range(1, rounds + 1)), "final answer")
    columns = list(zip(*paths, strict=True))
    return Flow(
        steps,
        tuple(Counter(column) for column in columns),
        tuple(Counter(zip(a, b, strict=True)) for a, b in pairwise(columns)),
    )


def _path(answer: Prediction, gold: str, rounds: int) -> tuple[State, ...]:
    proposed = [entry.proposal.label for entry in answer.rounds]
    path = [_open(proposed[0], gold)]
    for number in range(1, rounds + 1):
        if number >= len(proposed) and answer.status is Status.CONSENSUS:
            path.append(_settled(answer.label, gold))
        else:
            # The next round's proposal shows how a round ended.
            path.append(_open(proposed[min(number, len(proposed) - 1)], gold))
    final = answer.label if answer.label is not None else answer.fallback
    return (*path, _settled(final, gold))


def _open(label: str | None, gold: str) -> State:
    if label is None:
        return State.NONE
    return State.OPEN_RIGHT if label == gold else State.OPEN_WRONG


def _settled(label: str | None, gold: str) -> State:
    if label is None:
        return State.NONE
    return State.RIGHT if label == gold else State.WRONG


def table(found: Flow) -> list[tuple[str, Sequence[int]]]:
    """Each state that occurs, with its counts per step."""
    return [
        (state.value, [column[state] for column in found.counts])
        for state in State
        if any(column[state] for column in found.counts)
    ]
