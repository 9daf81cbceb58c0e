"""Typed questions about a text or a conversation, and their answers, whatever the wire format.

Contract: a question is a choice between named options, a rating on ordered levels, or yes or no. An
answer holds a probability for every option, in the options' order; they add up to one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sentixrl.context.building import one_line
from sentixrl.errors import InputError
from sentixrl.formats.characters import shown, unreadable

MOST_QUESTIONS = 400
MOST_OPTIONS = 512
MOST_LEVELS = 100
_LONGEST_NAME = 200


class Kind(StrEnum):
    """What a question wants."""

    CHOICE = "choice"
    SCORE = "score"
    YES_NO = "yes_no"


@dataclass(frozen=True, slots=True)
class Option:
    """One of the allowed answers.

    Attributes:
        word: What the model says; for levels and yes or no only what clients see.
        description: What it means, if that was said.
    """

    word: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A typed question.

    Attributes:
        name: What errors call it.
        kind: What it wants.
        instructions: In the user's own words; may be empty.
        options: The choices, the levels from the lowest, or what yes and no mean.
        negotiation: Whether the two roles negotiate about a choice; ``None`` if that was not said.
    """

    name: str
    kind: Kind
    instructions: str
    options: tuple[Option, ...]
    negotiation: bool | None = None

    def __post_init__(self) -> None:
        words = [one_line(option.word) for option in self.options]
        most = MOST_LEVELS if self.kind is Kind.SCORE else MOST_OPTIONS
        if len(words) > most:
            raise self.fault(f"has {len(words)} options; at most {most} are taken")
        if self.kind is Kind.CHOICE:
            if not all(words):
                raise self.fault("has a choice without a name")
            if len(set(words)) < len(words):
                raise self.fault("has two choices that read the same")
            if max(map(len, words)) > _LONGEST_NAME:
                raise self.fault(f"has a choice of more than {_LONGEST_NAME} characters")
        described = (option.description for option in self.options)
        texts = [self.name, self.instructions, *described, *words]
        if any(unreadable(text) for text in texts):
            raise self.fault("holds a character that no text may hold")

    def fault(self, said: str) -> InputError:
        """An error about this question."""
        return InputError(f"The question '{shown(self.name)}' {said}.")


@dataclass(frozen=True, slots=True)
class Answer:
    """A question's answer.

    Attributes:
        question: The question.
        probabilities: Of each option, in their order.
        chosen: The position of the answer among the options.
        confidence: 0 to 1; see :func:`margin` and :func:`concentration`.
        tokens: How many the model computed for it.
        record: Where the two roles were asked: status and rounds, as ``/v1/classify`` shows them.
    """

    question: Question
    probabilities: tuple[float, ...]
    chosen: int
    confidence: float
    tokens: int = 0
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The expected level, counted from 0."""
        return math.fsum(level * p for level, p in enumerate(self.probabilities))


def answer_of(question: Question, log_probs: Sequence[float], tokens: int) -> Answer:
    """The answer that a model's log-probabilities of the options are."""
    probabilities = tuple(map(math.exp, log_probs))
    chosen = max(range(len(probabilities)), key=probabilities.__getitem__)
    sure = concentration if question.kind is Kind.SCORE else margin
    return Answer(question, probabilities, chosen, sure(probabilities, chosen), tokens)


def margin(probabilities: Sequence[float], chosen: int) -> float:
    """How far an option is above chance: 0 at one in n, 1 at certainty."""
    chance = 1 / len(probabilities)
    if chance == 1:
        return 1.0
    return min(1.0, max(0.0, (probabilities[chosen] - chance) / (1 - chance)))


def concentration(probabilities: Sequence[float], chosen: int) -> float:
    """How closely the levels' probability lies around one of them.

    1 less the mean distance from it, in units of evenly spread probability's from the middle.
    """
    count = len(probabilities)
    if count == 1:
        return 1.0
    distance = math.fsum(p * abs(level - chosen) for level, p in enumerate(probabilities))
    middle = (count - 1) / 2
    even = math.fsum(abs(level - middle) for level in range(count)) / count
    return min(1.0, max(0.0, 1 - distance / even))
