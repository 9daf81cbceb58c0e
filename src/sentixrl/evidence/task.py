"""The evidence of one dialogue, as a task that a scheduler runs.

Contract: prompts with every turn and prompts without some are asked in the same session, so that
the engine computes what they share once, and a difference between them is no difference between
batches. The question is the generator's first, answered by probabilities. A deduction is left out
of these prompts: it was made from the turns that are to be hidden.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sentixrl.context.building import Lines
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Cost, Failure, UnansweredError
from sentixrl.engines.roles import roles_of
from sentixrl.errors import ConfigError
from sentixrl.evidence.odds import LogProbs, moved
from sentixrl.evidence.parts import HidingPlan
from sentixrl.negotiation.answers import Judging
from sentixrl.negotiation.modes import ScoredMode
from sentixrl.negotiation.negotiator import Negotiator
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.tasks import DialogueWork, Told
from sentixrl.negotiation.turns import Job
from sentixrl.prediction import DialoguePrediction, Evidence, Prediction, Proposal

_log = logging.getLogger(__name__)

Question = tuple[int, Mapping[int, str | None]]
"""A target, and what is changed before it: turn → the text to show in its place, or ``None`` to
hide it."""
Posteriors = list[LogProbs | None]
"""Label → log-probability for each question; ``None`` where one failed."""


R = TypeVar("R")


class AskingTask(DialogueWork[R]):
    """Questions about targets of one dialogue, some of whose earlier turns are changed.

    Args:
        negotiator: Holds the model and the options.
        dialogue: The turns.
        told: Called from a worker's thread with ``None`` once it is finished or broken.
    """

    def __init__(
        self, negotiator: Negotiator, dialogue: Dialogue, told: Told | None = None
    ) -> None:
        judging = check_explainable(negotiator)
        super().__init__(negotiator, dialogue)
        self._told = told or (lambda answer: None)
        self._mode = ScoredMode(roles_of(negotiator.engine)[0].capabilities, judging)
        self._answers: Posteriors = []
        self._left = 0

    def start(self, add: Callable[[Job], None]) -> None:
        """Hand out the questions."""
        negotiator = self._negotiator
        negotiator.learn_priors(self._template)
        lines = negotiator.builder.lines(self._dialogue)
        asked = self._ask(lines)
        self._answers, self._left = [None] * len(asked), len(asked)
        if not asked:
            self._finish()
        for place, (target, changes) in enumerate(asked):
            changed = {turn: self._line(lines, turn, text) for turn, text in changes.items()}
            state = NegotiationState.of(lines.context(target, changed), self._template)
            add(self._job(self._mode.propose(state), self._keeper(place)))

    def outcome(self) -> R:
        """What the answers say, once it is finished."""
        return self._read(self._answers)

    def broke(self, error: BaseException) -> None:
        """Give up: the session that ran it failed."""
        super().broke(error)
        self._told(None)

    def _finish(self) -> None:
        self.finished.set()
        self._told(None)

    def _line(self, lines: Lines, turn: int, text: str | None) -> str | None:
        if text is None:
            return None
        return self._negotiator.builder.line(self._template, lines.speakers[turn], text)

    @abstractmethod
    def _ask(self, lines: Lines) -> Sequence[Question]:
        """What is asked, given the lines of the dialogue's prompts."""

    @abstractmethod
    def _read(self, answers: Posteriors) -> R:
        """What the answers to the questions say."""

    def _keeper(self, place: int) -> Callable[[Proposal | Failure, Cost], None]:
        def keep(answer: Proposal | Failure, _: Cost) -> None:
            self._answers[place] = None if isinstance(answer, Failure) else answer.log_probs
            self._left -= 1
            if not self._left:
                self._finish()

        return keep


class QuestionsTask(AskingTask[Posteriors]):
    """Questions that the caller thought of.

    Args:
        negotiator: Holds the model and the options.
        dialogue: The turns.
        questions: What is asked.
    """

    def __init__(
        self, negotiator: Negotiator, dialogue: Dialogue, questions: Sequence[Question]
    ) -> None:
        super().__init__(negotiator, dialogue)
        self._asked = questions

    def _ask(self, lines: Lines) -> Sequence[Question]:
        return self._asked

    def _read(self, answers: Posteriors) -> Posteriors:
        return answers


class EvidenceTask(AskingTask[DialoguePrediction]):
    """Measures which turns moved the answers of one dialogue.

    Args:
        negotiator: Holds the model and the options.
        dialogue: The turns.
        prediction: Its answers.
        plan: Which turns are hidden together.
        told: As in :class:`AskingTask`.

    Raises:
        ConfigError: The engine gives no scores, or an utterance may have several labels.
        ValueError: The answers are not those of the dialogue.
    """

    def __init__(
        self,
        negotiator: Negotiator,
        dialogue: Dialogue,
        prediction: DialoguePrediction,
        plan: HidingPlan | None = None,
        told: Told | None = None,
    ) -> None:
        if len(dialogue) != len(prediction.items):
            raise ValueError(
                f"dialogue '{dialogue.id}' has {len(dialogue)} utterances, its prediction "
                f"{len(prediction.items)}"
            )
        self._prediction, self._plan = prediction, plan or HidingPlan()
        self._parts: list[tuple[int, range | None]] = []
        super().__init__(negotiator, dialogue, told)

    def result(self) -> DialoguePrediction:
        """The answers with their evidence; without, where a server did not answer.

        Raises:
            BaseException: What else broke it.
        """
        if isinstance(self._error, UnansweredError):
            _log.warning("The evidence for a dialogue is left out: %s", self._error)
            return self._prediction
        return super().result()

    def _read(self, answers: Posteriors) -> DialoguePrediction:
        shown = {
            target: answer
            for (target, part), answer in zip(self._parts, answers, strict=True)
            if part is None
        }
        found: dict[int, list[Evidence]] = {target: [] for target in shown}
        for (target, part), hidden in zip(self._parts, answers, strict=True):
            answer, with_all = answer_of(self._prediction.items[target]), shown[target]
            if part is not None and answer is not None and with_all and hidden:
                found[target].append(moved(part, answer, with_all, hidden))
        items = tuple(
            replace(item, evidence=tuple(found.get(item.index, ())))
            for item in self._prediction.items
        )
        return replace(self._prediction, items=items)

    def _ask(self, lines: Lines) -> list[Question]:
        self._parts = []
        for item in self._prediction.items:
            parts = self._plan.parts(lines.starts[item.index], item.index)
            if answer_of(item) is not None and parts:
                self._parts.append((item.index, None))
                self._parts += [(item.index, part) for part in parts]
        return [(target, dict.fromkeys(part or (), None)) for target, part in self._parts]


def answer_of(item: Prediction) -> str | None:
    """The label whose log-odds are measured: the answer, or else the best guess."""
    return item.label if item.label is not None else item.fallback


def check_explainable(negotiator: Negotiator) -> Judging:
    """How the generator's scores become labels, if evidence can be measured by them.

    Raises:
        ConfigError: The engine gives no scores, or an utterance may have several labels.
    """
    generator = roles_of(negotiator.engine)[0]
    if not generator.capabilities.score:
        raise ConfigError(
            f"The engine '{generator.name}' gives no scores, which evidence needs.",
            hint="Leave evidence out, or take a model that runs on this machine.",
        )
    if negotiator.judging is None:
        raise ConfigError(
            "Evidence is measured for one answer a turn, and these labels may be several.",
            hint="Leave evidence out, or take labels of which each turn has one.",
        )
    return negotiator.judging
