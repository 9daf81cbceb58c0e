"""What a scheduler runs of one dialogue: any work on it, and its negotiation.

Contract: a task hands out jobs when it is started and is ``finished`` once all of them are settled.
If its session breaks it may be started again, and hands out what is not settled yet. A
:class:`DialogueTask` hands out the jobs of each utterance (one, or one per label where each label
is judged by itself) and collects the predictions in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sentixrl.context.building import language_of, one_line
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Cost, Engine, Failure, UnansweredError
from sentixrl.errors import ModelError, SentixError
from sentixrl.negotiation.deducing import DeductionPlan, Source, deduce
from sentixrl.negotiation.turns import Job, Turn
from sentixrl.prediction import DialoguePrediction, ItemError, Prediction, Status

if TYPE_CHECKING:
    from sentixrl.negotiation.negotiator import Negotiator

Told = Callable[[Prediction | None], None]
"""Is told each prediction as it is known, and ``None`` at the end."""
R = TypeVar("R")


class DialogueWork(ABC, Generic[R]):
    """Work on one dialogue.

    Args:
        negotiator: Holds the model and the options.
        dialogue: The turns.

    Attributes:
        alone: Whether it is computed in sessions that no other dialogue shares.
        finished: Set once it is done or broken.
        cancelled: Whether nobody waits for it any more.
    """

    def __init__(self, negotiator: Negotiator, dialogue: Dialogue) -> None:
        self._negotiator = negotiator
        self._dialogue = dialogue
        self._error: BaseException | None = None
        self.alone = negotiator.options.reproducible
        self.finished = Event()
        self.cancelled = False

    def __len__(self) -> int:
        return len(self._dialogue)

    @property
    def engine(self) -> Engine:
        """Who answers."""
        return self._negotiator.engine

    @property
    def error(self) -> BaseException | None:
        """What broke it, if anything did."""
        return self._error

    @property
    def over(self) -> bool:
        """Whether it is done, broken or cancelled."""
        return self.cancelled or self.finished.is_set()

    @abstractmethod
    def start(self, add: Callable[[Job], None]) -> None:
        """Hand out its jobs.

        Args:
            add: Puts a job into the inbox of the driver that runs this task.
        """

    @abstractmethod
    def outcome(self) -> R:
        """What is known, once it is over."""

    def result(self) -> R:
        """The outcome, once it is finished.

        Raises:
            BaseException: What broke it.
        """
        if self._error is not None:
            raise self._error
        return self.outcome()

    def broke(self, error: BaseException) -> None:
        """Give up: the session that ran it failed."""
        self._error = error
        self.finished.set()

    def _job(self, turn: Turn[Any], done: Callable[[Any, Cost], None]) -> Job:
        """A job of this task: dropped once it is over; if its turn raises, the task breaks."""
        return Job(turn, done, self._wanted, self._broke_in_a_turn)

    def _wanted(self) -> bool:
        return not self.over

    def _broke_in_a_turn(self, error: Exception) -> None:
        """Give up: one of its turns raised what it should not."""
        told = ModelError(f"This dialogue could not be computed: {type(error).__name__}.")
        told.__cause__ = error
        self.broke(told)

    @cached_property
    def _template(self) -> TemplateSet:
        """The dialogue's templates; finding its language is not free."""
        return self._negotiator.builder.template_for(self._dialogue)


class DialogueTask(DialogueWork[DialoguePrediction]):
    """A dialogue being classified.

    Args:
        negotiator: Holds the options.
        dialogue: The turns.
        told: As :meth:`~sentixrl.negotiation.negotiator.Negotiator.task` says.
        only: The utterances to answer, by position; default: all.
        preface: A line that each prompt shows before the generator is asked.
    """

    def __init__(
        self,
        negotiator: Negotiator,
        dialogue: Dialogue,
        told: Told | None = None,
        only: Collection[int] | None = None,
        preface: str = "",
    ) -> None:
        super().__init__(negotiator, dialogue)
        self._told = told or (lambda answer: None)
        self._preface = one_line(preface)
        self._items: list[Prediction | None] = [None] * len(dialogue)
        self._open = set(range(len(dialogue)) if only is None else only)
        self._count = len(self._open)
        self._besides = Cost()
        if not self._open:
            self.finished.set()

    def __len__(self) -> int:
        """How many utterances it answers."""
        return self._count

    def start(self, add: Callable[[Job], None]) -> None:
        """Hand out the dialogue's turns. Utterances follow once their deductions are done.

        Args:
            add: Puts a job into the inbox of the driver that runs this task.
        """
        negotiator = self._negotiator
        try:
            negotiator.learn_priors(self._template)
            plan = DeductionPlan(negotiator.builder, self._dialogue, negotiator.deductions)
        except UnansweredError as error:
            self._fail(error.failure)
            return
        if not plan.missing:
            self._add_utterances(plan, add)
        for source in list(plan.missing):
            add(self._job(deduce(source), self._settler(plan, source, add)))

    def outcome(self) -> DialoguePrediction:
        """The predictions, once it is over; if it broke, an error in place of those that lack."""
        dialogue, broken = self._dialogue, self._error
        if broken is not None:
            fault = ItemError(
                getattr(broken, "code", SentixError.code),
                str(broken),
                getattr(broken, "hint", None),
                getattr(broken, "retryable", False),
            )
            for index in self._open:
                self._items[index] = Prediction(index, Status.ERROR, error=fault)
        return DialoguePrediction(
            dialogue_id=dialogue.id,
            language=language_of(dialogue),
            model=self._negotiator.engine.name,
            template=self._template.identity,
            items=tuple(item for item in self._items if item is not None),
            dialogue=dialogue,
        )

    def broke(self, error: BaseException) -> None:
        """Give up: the session that ran it failed."""
        super().broke(error)
        self._told(None)

    def _settler(
        self, plan: DeductionPlan, source: Source, add: Callable[[Job], None]
    ) -> Callable[[object, Cost], None]:
        def settle(answer: object, cost: Cost) -> None:
            self._besides += cost
            plan.settle(source, answer)  # type: ignore[arg-type]  # what deduce() returns
            if not plan.missing:
                self._add_utterances(plan, add)

        return settle

    def _fail(self, failure: Failure) -> None:
        """Give up the whole dialogue: no utterance of it can be asked about."""
        error = ItemError.of(failure)
        for index in sorted(self._open):
            self._keep(Prediction(index, Status.ERROR, error=error), Cost())

    def _add_utterances(self, plan: DeductionPlan, add: Callable[[Job], None]) -> None:
        try:
            contexts = plan.contexts()
        except UnansweredError as error:
            self._fail(error.failure)
            return
        approach = self._negotiator.approach
        for context in (context for context in contexts if context.index in self._open):
            if self._preface:
                context = replace(context, prompt=context.prompt.line("user", self._preface))
            for job in approach.jobs(context, self._template, self._keep, self._wanted):
                job.broke = self._broke_in_a_turn
                add(job)

    def _keep(self, answer: Prediction, cost: Cost) -> None:
        cost += self._share(answer.index)
        answer = replace(
            self._negotiator.finished(answer), tokens=cost.tokens, seconds=cost.seconds
        )
        self._items[answer.index] = answer
        self._open.discard(answer.index)
        self._told(answer)
        if not self._open:
            self.finished.set()
            self._told(None)

    def _share(self, index: int) -> Cost:
        """An utterance's share of the cost of the dialogue's deductions."""
        whole = len(self._dialogue)
        tokens, rest = divmod(self._besides.tokens, whole)
        return Cost(tokens + (index < rest), self._besides.seconds / whole)
