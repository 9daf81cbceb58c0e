"""Role examples: what generator and discriminator are asked about a labelled turn, and the answer.

Contract: questions are put together by the same state that negotiates at inference, so a model
meets in training exactly the words it will meet later. Gold labels are targets; no prompt holds
one that was not spoken by a role.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sentixrl.context.building import ContextBuilder, Demonstration, TargetContext
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import TemplateSet
from sentixrl.labels import LabelSet
from sentixrl.negotiation.pairwise import pair_question
from sentixrl.negotiation.several import label_questions
from sentixrl.negotiation.state import NegotiationState

Role = Literal["generator", "verdict", "counter", "again", "label", "pair"]
ROLES: tuple[Role, ...] = ("generator", "verdict", "counter", "again")
"""Who speaks in a negotiation. ``label`` is a yes/no question about one of several labels, ``pair``
a verifier's about two."""


LEAST = 1e-6
"""The least probability in a margin: kept ones are rounded to it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A closed question with its answer.

    Attributes:
        prompt: Ends where the answer belongs.
        choices: The allowed answers.
        names: The labels they stand for; empty where they are verdicts, or two labels and neither.
        target: Index of the right one.
        role: Who is asked.
        label: The gold label's name; for a yes/no question, the label it is about.
        label_set: The name of the set that it is one of; class weights and priors go by both.
        beliefs: Probability of each of ``names`` by a model that never saw the dialogue; empty
            where there is none.
        share: What it counts for: the yes/no questions about a turn count as one together.
    """

    prompt: Prompt
    choices: tuple[str, ...]
    names: tuple[str, ...]
    target: int
    role: Role
    label: str
    label_set: str
    beliefs: tuple[float, ...] = ()
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What a model that never saw a turn's dialogue answered about it.

    Attributes:
        proposal: Its first choice.
        runner_up: Its second.
        beliefs: Label → its probability.
    """

    proposal: str
    runner_up: str
    beliefs: Mapping[str, float] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """By how many nats the first choice is likelier than the second."""
        first, second = (
            max(self.beliefs.get(name, 0.0), LEAST) for name in (self.proposal, self.runner_up)
        )
        return math.log(first) - math.log(second)

    @classmethod
    def of(cls, names: Sequence[str], probabilities: Sequence[float]) -> OutOfFold:
        """What the probabilities of a label set's names say; ties go to the earlier name."""
        order = sorted(range(len(names)), key=lambda place: -probabilities[place])
        beliefs = dict(zip(names, probabilities, strict=True))
        return cls(names[order[0]], names[order[1]], beliefs)


OutOfFoldTurns = Mapping[tuple[str, int], OutOfFold]
"""(Dialogue id, turn) → an out-of-fold proposal."""


def questions(
    context: TargetContext,
    template: TemplateSet,
    label_set: LabelSet,
    gold: str,
    out_of_fold: OutOfFold | None = None,
    *,
    challenge: bool = False,
) -> Iterator[Question]:
    """All questions about one turn.

    Args:
        context: The turn and what its prompt shows.
        template: The wording.
        label_set: The labels as this pack shows them.
        gold: The turn's label.
        out_of_fold: An out-of-fold proposal for the discriminator to judge; none, no discriminator.
        challenge: Also object without justification to a right proposal, and ask the generator
            again: it learns to stand by a right answer.
    """
    words = {label.name: label.word(template.language) for label in label_set}
    state = NegotiationState.of(context, template)
    state.ask("generator", "question")
    beliefs = _shown(out_of_fold.beliefs, words) if out_of_fold else ()
    labels = label_set.name
    yield _label_question(state, words, gold, labels, "generator", beliefs)
    if out_of_fold is None or not {out_of_fold.proposal, out_of_fold.runner_up} <= set(words):
        return
    right = out_of_fold.proposal == gold
    state.answer(words[out_of_fold.proposal])
    state.ask("discriminator", "question")
    verdicts = (state.say("discriminator", "agree"), state.say("discriminator", "disagree"))
    yield Question(state.prompt, verdicts, (), 0 if right else 1, "verdict", gold, labels)
    if right and not challenge:
        return
    state.answer(verdicts[1])
    state.go_on("discriminator", "counter")
    if not right:
        others = {name: word for name, word in words.items() if name != out_of_fold.proposal}
        yield _label_question(state, others, gold, labels, "counter")
    state.answer(words[out_of_fold.runner_up if right else gold])
    state.ask("generator", "question_again")
    yield _label_question(state, words, gold, labels, "again")


def several_questions(
    context: TargetContext, template: TemplateSet, label_set: LabelSet, golds: Collection[str]
) -> Iterator[Question]:
    """A yes/no question per label about a turn that may have several.

    Args:
        context: The turn and what its prompt shows.
        template: The wording.
        label_set: The labels as this pack shows them.
        golds: The turn's labels; any number of them.
    """
    for asked in label_questions(context, template, label_set):
        target = 0 if asked.label in golds else 1
        yield Question(
            *(asked.prompt, asked.choices, (), target, "label", asked.label, label_set.name),
            share=1 / len(label_set),
        )


def verifier_question(
    builder: ContextBuilder,
    context: TargetContext,
    template: TemplateSet,
    names: tuple[str, str],
    gold: str,
    evidence: Sequence[Demonstration] = (),
) -> Question:
    """Which of two labels a turn has, or neither.

    Args:
        builder: Made the context, for the labels as this pack shows them.
        context: The turn and what its prompt shows.
        template: The wording.
        names: Two labels, in the order in which they are asked about.
        gold: The turn's label.
        evidence: Labelled turns of other dialogues that the prompt shows.
    """
    asked = pair_question(builder, context, template, names, evidence)
    target = names.index(gold) if gold in names else len(names)
    # Without names: what is adjusted for the labels' frequencies is the choice among all of them.
    labels = builder.label_set.name
    return Question(asked.prompt, asked.choices, (), target, "pair", gold, labels)


def _label_question(
    state: NegotiationState,
    words: dict[str, str],
    gold: str,
    label_set: str,
    role: Role,
    beliefs: tuple[float, ...] = (),
) -> Question:
    names = tuple(words)
    choices, target = tuple(words.values()), names.index(gold)
    return Question(state.prompt, choices, names, target, role, gold, label_set, beliefs)


def _shown(beliefs: Mapping[str, float], names: Iterable[str]) -> tuple[float, ...]:
    """Beliefs over the labels that are shown; empty where nothing is believed of them."""
    shown = [beliefs.get(name, 0.0) for name in names]
    whole = sum(shown)
    return tuple(value / whole for value in shown) if whole else ()
