"""Several labels per utterance: one yes/no question per label, all on one trunk.

Contract: SANM negotiates single labels. Where an utterance may have several, each label is judged
by itself: the model says yes or no to it, and no second role objects. The questions about an
utterance share every token up to the label's own words, so a label costs a few tokens. Training
asks these very questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sentixrl.context.building import TargetContext
from sentixrl.context.prompt import Prompt, lead
from sentixrl.context.templates import SEVERAL, TemplateSet
from sentixrl.engines.protocol import Failure, ScoreRequest, Session
from sentixrl.labels import LabelSet
from sentixrl.negotiation.turns import Turn, in_step, score


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
    yes, no = (yield from score(ScoreRequest(question.prompt, question.choices))).log_probs
    return yes - no


def judge_together(session: Session, questions: Sequence[LabelQuestion]) -> list[float | Failure]:
    """The log-odds of many labels, of one utterance or of several, in one call of the engine."""
    return in_step(session, [judge(question) for question in questions])
