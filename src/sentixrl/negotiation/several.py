"""Several labels per utterance: one yes/no question per label, all on one trunk.

Contract: SANM negotiates single labels. Where an utterance may have several, each label is judged
by itself: the model says yes or no to it, and no second role objects. The questions about an
utterance share every token up to the label's own words, so a label costs a few tokens. Training
asks these very questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from sentixrl.calibration.posterior import Calibration
from sentixrl.calibration.several import given, probabilities
from sentixrl.context.building import TargetContext
from sentixrl.context.prompt import Prompt, lead
from sentixrl.context.templates import SEVERAL, TemplateSet
from sentixrl.engines.protocol import Cost, Failure, ScoreRequest, Session
from sentixrl.labels import LabelSet
from sentixrl.negotiation.turns import Job, Turn, in_step, score
from sentixrl.prediction import ItemError, Prediction, Status


@dataclass(frozen=True, slots=True)
class LabelQuestion:
    """Whether one label applies to an utterance.

    Attributes:
        label: The label's name.
        prompt: Ends where the answer belongs.
        choices: The words for yes and for no.
    """

    label: str
    prompt: Prompt
    choices: tuple[str, str]


def label_questions(
    context: TargetContext, template: TemplateSet, label_set: LabelSet
) -> tuple[LabelQuestion, ...]:
    """One question per label, in the label set's order.

    Args:
        context: The utterance and what its prompt shows, from a
            :class:`~sentixrl.context.building.ContextBuilder` with ``several``.
        template: The wording.
        label_set: The labels as prompts show them.
    """
    choices = (template.render(SEVERAL, "yes"), template.render(SEVERAL, "no"))
    stem = template.render(SEVERAL, "question", speaker=context.speaker)
    trunk = context.prompt.line("user", stem)
    asked = []
    for label in label_set:
        # A segment of its own: the trunk's tokens stay the same whatever the label is.
        words = template.render(SEVERAL, "label", label=label.word(template.language))
        asked.append(LabelQuestion(label.name, trunk.then("user", lead(stem) + words), choices))
    return tuple(asked)


def judge(question: LabelQuestion) -> Turn[float]:
    """The log-odds that the label applies.

    A turn per label, not per utterance: a driver runs those of one utterance in the same step, so
    that all its labels take one pass.
    """
    return (yield from _opinion(question)).log_odds


def judge_together(session: Session, questions: Sequence[LabelQuestion]) -> list[float | Failure]:
    """The log-odds of many labels, of one utterance or of several, in one call of the engine."""
    return in_step(session, [judge(question) for question in questions])


class LabelJudge:
    """Answers utterances by judging each label by itself.

    Args:
        label_set: The labels.
        calibration: From log-odds to probabilities, and from which probability a label is given.

    Raises:
        ConfigError: The calibration was fitted for another number of labels.
    """

    def __init__(self, label_set: LabelSet, calibration: Calibration) -> None:
        self._label_set = label_set
        self._calibration = calibration
        self._labels_of(np.zeros(len(label_set)))  # what does not fit is said before work begins

    def jobs(
        self,
        context: TargetContext,
        template: TemplateSet,
        keep: Callable[[Prediction, Cost], None],
        wanted: Callable[[], bool],
    ) -> list[Job]:
        """One job per label of an utterance.

        Args:
            context: The utterance and what its prompt shows.
            template: The wording.
            keep: Called with the prediction and its cost, once all labels are judged.
            wanted: Whether anybody still waits for it.
        """
        questions = label_questions(context, template, self._label_set)
        found = _Opinions([None] * len(questions))

        def settler(place: int) -> Callable[[_Opinion | Failure, Cost], None]:
            def settle(answer: _Opinion | Failure, cost: Cost) -> None:
                found.answers[place] = answer
                found.cost += cost
                if None not in found.answers:
                    keep(self._prediction(context, found.answers), found.cost)

            return settle

        return [
            Job(_opinion(question), settler(place), wanted, share=Fraction(1, len(questions)))
            for place, question in enumerate(questions)
        ]

    def _prediction(
        self, context: TargetContext, answers: Sequence[_Opinion | Failure | None]
    ) -> Prediction:
        opinions = [answer for answer in answers if isinstance(answer, _Opinion)]
        if failed := [answer for answer in answers if isinstance(answer, Failure)]:
            one = failed[0]
            return Prediction(
                index=context.index,
                status=Status.ERROR,
                dropped_turns=context.dropped_turns,
                error=ItemError.of(one),
            )
        shares, labels = self._labels_of(np.array([opinion.log_odds for opinion in opinions]))
        return Prediction(
            index=context.index,
            status=Status.SINGLE,
            probabilities=shares,
            dropped_turns=context.dropped_turns,
            exact=all(opinion.exact for opinion in opinions),
            labels=labels,
        )

    def _labels_of(self, log_odds: np.ndarray) -> tuple[dict[str, float], tuple[str, ...]]:
        """Each label's probability, and the labels that are given."""
        shares = probabilities(log_odds, self._calibration)
        flags = given(shares, self._calibration)
        names = self._label_set.names
        said = tuple(name for name, flag in zip(names, flags, strict=True) if flag)
        return dict(zip(names, shares.tolist(), strict=True)), said


@dataclass(frozen=True, slots=True)
class _Opinion:
    """The log-odds that a label applies, and whether they are the model's own."""

    log_odds: float
    exact: bool


@dataclass(slots=True)
class _Opinions:
    """What is known so far of an utterance's labels, and what it cost."""

    answers: list[_Opinion | Failure | None]
    cost: Cost = field(default_factory=Cost)


def _opinion(question: LabelQuestion) -> Turn[_Opinion]:
    scores = yield from score(ScoreRequest(question.prompt, question.choices))
    yes, no = scores.log_probs
    return _Opinion(yes - no, scores.exact)
