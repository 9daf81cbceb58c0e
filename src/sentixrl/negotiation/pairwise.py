"""A verifier's question: which of two labels, or neither.

After the turn the label statement stands once more, with the two labels and *neither*; then comes
the generator's own question. So it is a closed question like any other, and needs no words of its
own but the one for *neither*; and prompts share everything up to the statement. It is asked in both
orders of the labels, because models prefer what they read first.

Contract: both orders of a turn are asked in one step, and their probabilities are averaged. Turns
that serve as evidence stand before the statement, where both orders share them. Training asks the
same question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sentixrl.context.building import ContextBuilder, Demonstration, TargetContext
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import PAIRWISE, TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Cost, Failure, ScoreRequest, Scores
from sentixrl.engines.roles import roles_of
from sentixrl.errors import ConfigError, LabelError
from sentixrl.negotiation.negotiator import Negotiator
from sentixrl.negotiation.tasks import DialogueWork
from sentixrl.negotiation.turns import Job, score

ORDERS = 2


@dataclass(frozen=True, slots=True)
class PairQuestion:
    """The question about one turn, in one order.

    Attributes:
        prompt: Ends where the answer belongs.
        choices: The words of the two labels, in the order asked, and of *neither*.
    """

    prompt: Prompt
    choices: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Between:
    """What is asked about one turn.

    Attributes:
        target: The turn.
        names: Two labels.
        evidence: Labelled turns of other dialogues that the prompt shows.
    """

    target: int
    names: tuple[str, str]
    evidence: tuple[Demonstration, ...] = ()


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """The answer, averaged over both orders.

    Attributes:
        shares: The probabilities of the two labels, as they were named, and of neither.
        cost: What it took.
    """

    shares: tuple[float, float, float]
    cost: Cost


def pair_question(
    builder: ContextBuilder,
    context: TargetContext,
    template: TemplateSet,
    names: tuple[str, str],
    evidence: Sequence[Demonstration] = (),
) -> PairQuestion:
    """The question about one turn, the labels in the order given.

    Args:
        builder: Made the context; knows the labels' words.
        context: The turn and what its prompt shows.
        template: The wording.
        names: Two labels.
        evidence: Labelled turns to show.

    Raises:
        LabelError: A label reads as *neither* does.
    """
    labels, language = builder.label_set, template.language
    first, second = (labels[name].word(language) for name in names)
    neither = template.render(PAIRWISE, "neither")
    if neither in (first, second):
        raise LabelError(
            f"A label is called '{neither}', which is what a verifier answers if none of two fits.",
            hint="Show the label by another word.",
        )
    words = (first, second, neither)
    prompt = context.prompt
    for shown in evidence:
        prompt = prompt.line("user", builder.demonstration(template, shown))
    stated = [{"word": word, "gloss": ""} for word in words]
    prompt = prompt.line("user", template.render("context", "labels", labels=stated))
    question = template.render("generator", "question", speaker=context.speaker)
    return PairQuestion(prompt.line("user", question), words)


class PairTask(DialogueWork[list[PairAnswer | Failure]]):
    """A verifier's questions about one dialogue.

    Args:
        negotiator: Holds the model and what prompts show.
        dialogue: The turns.
        asked: What is asked.

    Raises:
        ConfigError: The engine gives no scores, or an utterance may have several labels.
    """

    def __init__(
        self, negotiator: Negotiator, dialogue: Dialogue, asked: Sequence[Between]
    ) -> None:
        engine = roles_of(negotiator.engine)[0]
        if not engine.capabilities.score:
            raise ConfigError(
                f"The engine '{engine.name}' gives no scores, which a verifier needs."
            )
        if negotiator.judging is None:
            raise ConfigError("A verifier decides on one label a turn, and these may be several.")
        super().__init__(negotiator, dialogue)
        self._asked = asked
        self._answers: list[Scores | Failure | None] = [None] * (ORDERS * len(asked))

    def __len__(self) -> int:
        return len(self._asked)

    def start(self, add: Callable[[Job], None]) -> None:
        """Hand out the questions, those about a turn together."""
        if not self._asked:
            self.finished.set()
            return
        builder = self._negotiator.builder
        contexts = builder.build(self._dialogue)
        for place, one in enumerate(self._asked):
            for order, names in enumerate((one.names, one.names[::-1])):
                question = pair_question(
                    builder, contexts[one.target], self._template, names, one.evidence
                )
                request = ScoreRequest(question.prompt, question.choices)
                add(self._job(score(request), self._keeper(ORDERS * place + order)))

    def outcome(self) -> list[PairAnswer | Failure]:
        """An answer to each question."""
        both = zip(self._answers[::ORDERS], self._answers[1::ORDERS], strict=True)
        return [_averaged(one, other) for one, other in both]

    def _keeper(self, place: int) -> Callable[[Scores | Failure, Cost], None]:
        def keep(answer: Scores | Failure, _: Cost) -> None:
            self._answers[place] = answer
            if None not in self._answers:
                self.finished.set()

        return keep


def _averaged(one: Scores | Failure | None, other: Scores | Failure | None) -> PairAnswer | Failure:
    """The answers to both orders as one."""
    for answer in (one, other):
        if isinstance(answer, Failure):
            return answer
    assert isinstance(one, Scores)
    assert isinstance(other, Scores)
    swapped = [other.log_probs[place] for place in (1, 0, 2)]
    first, second, neither = ((np.exp(one.log_probs) + np.exp(swapped)) / ORDERS).tolist()
    return PairAnswer((first, second, neither), one.cost + other.cost)
