"""The unit of evaluation: one annotated utterance, what was answered, and what it cost.

Contract: only utterances with a gold label (or a list of them) become items; the others were
context. An item holds everything that metrics, slices and comparisons need, so that none of them
needs the dialogue again.
Items are identified by ``(dialogue_id, index)``; resampling draws whole ``cluster``s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sentixrl.context.building import language_of
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.protocol import Cost
from sentixrl.errors import InputError
from sentixrl.prediction import DialoguePrediction, Prediction, Status

UNSPACED_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my"})
"""Languages without spaces between words: only their characters are counted."""

ItemKey = tuple[str, int]
"""Dialogue identifier and position in the dialogue, from 0."""


class Answer(StrEnum):
    """Which of an item's answers is scored."""

    FORCED = "forced"
    """The label, else the fallback: full coverage. The headline."""
    STRICT = "strict"
    """The label; an outlier, unreadable or failed answer is wrong."""
    SINGLE = "single"
    """The same model's proposal in its first round, before any judgement."""


@dataclass(frozen=True, slots=True)
class Item:
    """One annotated utterance with its answer.

    Attributes:
        dialogue_id: The dialogue it stands in.
        index: Its position there, from 0, counting turns without a gold label too.
        cluster: The unit that is drawn when results are resampled.
        gold: The annotated label's name.
        status: How the answer came about.
        label: The answer; ``None`` for outlier, invalid and error.
        fallback: The forced answer if there is no label.
        single: The same model's first-round proposal.
        confidence: Probability that ``label`` is right, if known.
        probabilities: Label name → posterior of the first round, if known.
        rounds: Rounds of negotiation used; 0 without negotiation.
        same_speaker: Whether the turn before was this speaker's; ``None`` on the first turn or if a
            speaker is unknown.
        emotion_shift: Whether ``gold`` differs from this speaker's latest earlier gold label;
            ``None`` if there is none.
        words: White-space separated words; ``None`` in languages that do not separate them.
        characters: Characters of the text, without outer white space.
        language: The dialogue's language, if known.
        cost: What answering it took, if measured.
        candidates: The labels that hold the true one with the probability that was asked for, if
            one was.
        flips: The share of other orders of the letters that gave another label, if several were
            asked.
    """

    dialogue_id: str
    index: int
    cluster: str
    gold: str
    status: Status = Status.SINGLE
    label: str | None = None
    fallback: str | None = None
    single: str | None = None
    confidence: float | None = None
    probabilities: Mapping[str, float] | None = None
    rounds: int = 0
    same_speaker: bool | None = None
    emotion_shift: bool | None = None
    words: int | None = None
    characters: int = 0
    language: str | None = None
    cost: Cost | None = None
    candidates: frozenset[str] | None = None
    flips: float | None = None

    @property
    def key(self) -> ItemKey:
        """Identifies it among the items of a run."""
        return self.dialogue_id, self.index

    @property
    def covered(self) -> bool:
        """Whether it has a label that was not forced."""
        return self.label is not None

    @property
    def negotiated(self) -> bool:
        """Whether it was negotiated."""
        return self.rounds > 0 and self.status is not Status.SINGLE

    def answer(self, which: Answer = Answer.FORCED) -> str | None:
        """The answer to score; ``None`` counts as wrong."""
        if which is Answer.SINGLE:
            return self.single
        if which is Answer.STRICT or self.label is not None:
            return self.label
        return self.fallback


@dataclass(frozen=True, slots=True)
class SeveralItem:
    """One annotated utterance that may have several labels, with its answer.

    Attributes:
        dialogue_id: The dialogue it stands in.
        index: Its position there, from 0.
        cluster: The unit that is drawn when results are resampled.
        gold: The annotated labels, which may be none.
        labels: The labels given; ``None`` if it failed, which counts as none.
        probabilities: Label name → probability that it applies, if known.
        language: The dialogue's language, if known.
        cost: Tokens and seconds, if measured.
    """

    dialogue_id: str
    index: int
    cluster: str
    gold: frozenset[str]
    labels: frozenset[str] | None = None
    probabilities: Mapping[str, float] | None = None
    language: str | None = None
    cost: Cost | None = None

    @property
    def key(self) -> ItemKey:
        """Identifies it among the items of a run."""
        return self.dialogue_id, self.index


def build_several_items(
    pairs: Iterable[tuple[Dialogue, DialoguePrediction]],
) -> list[SeveralItem]:
    """Join dialogues whose utterances may have several labels with their predictions.

    Args:
        pairs: Each dialogue with the prediction for it.

    Raises:
        InputError: As :func:`build_items`; or an answer is a single label.
    """
    items: list[SeveralItem] = []
    seen: set[str] = set()
    for dialogue, prediction in pairs:
        _check_pair(dialogue, prediction, seen)
        for turn, answer in zip(dialogue, prediction.items, strict=True):
            if turn.golds is not None:
                items.append(_several_item(dialogue, turn, answer))
    return items


def _several_item(dialogue: Dialogue, turn: Utterance, answer: Prediction) -> SeveralItem:
    if answer.label is not None:
        raise InputError(
            f"Dialogue '{dialogue.id}', turn {answer.index + 1}, is answered by one label, "
            f"'{answer.label}', where any number of them may apply.",
            hint="Let the system answer with a list of labels.",
        )
    return SeveralItem(
        dialogue_id=dialogue.id,
        index=answer.index,
        cluster=dialogue.cluster,
        gold=frozenset(turn.golds or ()),
        labels=None if answer.labels is None else frozenset(answer.labels),
        probabilities=answer.probabilities,
        language=dialogue.language,
        cost=_cost(answer),
    )


def build_items(
    pairs: Iterable[tuple[Dialogue, DialoguePrediction]],
) -> list[Item]:
    """Join dialogues with their predictions, leaving out utterances without a gold label.

    Args:
        pairs: Each dialogue with the prediction for it.

    Raises:
        InputError: A prediction is of another dialogue, does not hold one answer per utterance in
            order, or a dialogue occurs twice.
    """
    items: list[Item] = []
    seen: set[str] = set()
    for dialogue, prediction in pairs:
        _check_pair(dialogue, prediction, seen)
        items += _items_of(dialogue, prediction)
    return items


def _check_pair(dialogue: Dialogue, prediction: DialoguePrediction, seen: set[str]) -> None:
    if prediction.dialogue_id != dialogue.id:
        raise InputError(
            f"The prediction for dialogue '{prediction.dialogue_id}' was joined with dialogue "
            f"'{dialogue.id}'."
        )
    if [item.index for item in prediction.items] != list(range(len(dialogue))):
        raise InputError(
            f"Dialogue '{dialogue.id}' has {len(dialogue)} utterances, but its prediction holds "
            f"{len(prediction.items)} answers or holds them in another order.",
            hint="Every utterance needs exactly one answer, in order.",
        )
    if dialogue.id in seen:
        raise InputError(f"Dialogue '{dialogue.id}' occurs twice.")
    seen.add(dialogue.id)


def _items_of(dialogue: Dialogue, prediction: DialoguePrediction) -> list[Item]:
    shifts = _emotion_shifts(dialogue.utterances)
    spaced = language_of(dialogue) not in UNSPACED_LANGUAGES
    return [
        Item(
            dialogue_id=dialogue.id,
            index=index,
            cluster=dialogue.cluster,
            gold=turn.gold,
            status=answer.status,
            label=answer.label,
            fallback=answer.fallback,
            single=_first_proposal(answer),
            confidence=answer.confidence,
            probabilities=answer.probabilities,
            rounds=len(answer.rounds),
            same_speaker=_same_speaker(dialogue.utterances, index),
            emotion_shift=shifts[index],
            words=len(turn.text.split()) if spaced else None,
            characters=len(turn.text.strip()),
            language=dialogue.language,
            cost=_cost(answer),
            candidates=None if answer.candidates is None else frozenset(answer.candidates),
            flips=answer.flips,
        )
        for index, (turn, answer) in enumerate(zip(dialogue, prediction.items, strict=True))
        if turn.gold is not None
    ]


def _cost(answer: Prediction) -> Cost | None:
    return Cost(answer.tokens, answer.seconds) if answer.seconds else None


def _first_proposal(prediction: Prediction) -> str | None:
    if prediction.rounds:
        return prediction.rounds[0].proposal.label
    return prediction.label if prediction.label is not None else prediction.fallback


def _same_speaker(turns: Sequence[Utterance], index: int) -> bool | None:
    if index == 0 or turns[index].speaker is None or turns[index - 1].speaker is None:
        return None
    return turns[index].speaker == turns[index - 1].speaker


def _emotion_shifts(turns: Sequence[Utterance]) -> list[bool | None]:
    latest: dict[str, str] = {}
    shifts: list[bool | None] = []
    for turn in turns:
        before = latest.get(turn.speaker) if turn.speaker is not None else None
        shifts.append(None if before is None or turn.gold is None else turn.gold != before)
        if turn.speaker is not None and turn.gold is not None:
            latest[turn.speaker] = turn.gold
    return shifts
