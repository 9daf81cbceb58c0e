"""A model's most confident mistakes, with the turns before and the negotiation.

Contract: ranked by the answer's confidence, else by its posterior. Answers without either, and
forced ones, come last: those with the fewest rounds first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sentixrl.dialogue import Dialogue
from sentixrl.evaluation.report.flow import Pair, negotiated
from sentixrl.prediction import Prediction, Round

HOW_MANY = 20
TURNS_BEFORE = 3
LONGEST_TEXT = 600
SHOWN_LABELS = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as the report shows it, long texts shortened."""

    speaker: str | None
    text: str
    gold: str | None
    target: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """One round of negotiation as the report shows it."""

    number: int
    proposed: str | None
    analysis: str
    verdict: str | None
    counter: str | None
    assessment: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong answer.

    Attributes:
        dialogue_id: Where it stands.
        number: Which turn it is, from 1.
        utterance_id: The source's own id, if it has one.
        gold: The annotated label.
        answer: The forced answer, if any.
        score: Its confidence or posterior, if there is one.
        status: How the answer came about.
        posterior: The likeliest labels of the first round with their probabilities, the gold
            label always among them.
        turns: A few turns before, then the target.
        exchanges: The negotiation.
    """

    dialogue_id: str
    number: int
    utterance_id: str | None
    gold: str
    answer: str | None
    score: float | None
    status: str
    posterior: tuple[tuple[str, float], ...]
    turns: tuple[Turn, ...]
    exchanges: tuple[Exchange, ...]


def mistakes(pairs: Iterable[Pair], how_many: int = HOW_MANY) -> list[Mistake]:
    """The most confident mistakes, the surest first; ties stay in the order of the run."""
    wrong = [
        (dialogue, answer)
        for dialogue, prediction in pairs
        for turn, answer in zip(dialogue, prediction.items, strict=True)
        if turn.gold is not None and forced(answer) != turn.gold
    ]
    wrong.sort(key=lambda pair: _order(pair[1]))
    return [_mistake(dialogue, answer) for dialogue, answer in wrong[:how_many]]


def forced(answer: Prediction) -> str | None:
    """The answer at full coverage."""
    return answer.label if answer.label is not None else answer.fallback


def score_of(answer: Prediction) -> float | None:
    """The confidence in an answer; ``None`` if it was forced or nothing is known."""
    if answer.label is None:
        return None
    if answer.confidence is not None:
        return answer.confidence
    return (answer.probabilities or {}).get(answer.label)


def _order(answer: Prediction) -> tuple[float, bool, int]:
    score = score_of(answer)
    return (1.0 if score is None else -score, answer.label is None, len(answer.rounds))


def _mistake(dialogue: Dialogue, answer: Prediction) -> Mistake:
    first = max(0, answer.index - TURNS_BEFORE)
    shown = dialogue.utterances[first : answer.index + 1]
    target = dialogue.utterances[answer.index]
    gold = target.gold or ""
    return Mistake(
        dialogue_id=dialogue.id,
        number=answer.index + 1,
        utterance_id=target.id if target.id != str(answer.index + 1) else None,
        gold=gold,
        answer=forced(answer),
        score=score_of(answer),
        status=answer.status.value,
        posterior=_posterior(answer, gold),
        turns=tuple(
            Turn(turn.speaker, shortened(turn.text), turn.gold, turn is target) for turn in shown
        ),
        exchanges=tuple(map(_exchange, answer.rounds)) if negotiated(answer) else (),
    )


def _posterior(answer: Prediction, gold: str) -> tuple[tuple[str, float], ...]:
    if answer.probabilities is None:
        return ()
    ranked = sorted(answer.probabilities.items(), key=lambda entry: -entry[1])
    top = ranked[:SHOWN_LABELS]
    return (*top, *(entry for entry in ranked[SHOWN_LABELS:] if entry[0] == gold))


def _exchange(entry: Round) -> Exchange:
    judged = entry.judgement
    return Exchange(
        number=entry.number,
        proposed=entry.proposal.label,
        analysis=shortened(entry.proposal.analysis or ""),
        verdict=judged.verdict.value if judged and judged.verdict else None,
        counter=judged.counter_label if judged else None,
        assessment=shortened(judged.assessment or "") if judged else "",
    )


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """``text``, cut with an ellipsis if it is longer than ``longest``."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
