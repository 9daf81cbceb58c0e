"""One negotiation per utterance, written as if it were alone; one task per dialogue.

Contract: :func:`negotiate` is a turn: it yields requests and returns a prediction, even if a
request fails. A :class:`Negotiator` holds the options and makes a :class:`DialogueTask` of each
dialogue. The task hands out one turn per utterance and collects the predictions in order. Nothing
is computed here: a scheduler runs the tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property
from threading import Event

from sentixrl.context.building import ContextBuilder, TargetContext, language_of, one_line
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Cost, Engine, Failure
from sentixrl.errors import ConfigError, ModelError, SentixError
from sentixrl.labels import LabelSet
from sentixrl.negotiation.answers import Judging
from sentixrl.negotiation.deducing import (
    CACHE_SIZE,
    DeductionPlan,
    Deductions,
    Source,
    deduce,
)
from sentixrl.negotiation.modes import Mode, ScoredMode, WrittenMode
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.outcome import predict
from sentixrl.negotiation.priors import Priors
from sentixrl.negotiation.protocol import Rules
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.turns import Job, RequestFailedError, Turn
from sentixrl.prediction import DialoguePrediction, ItemError, Prediction, Status

Told = Callable[[Prediction | None], None]


def negotiate(
    state: NegotiationState, mode: Mode, rules: Rules | None, threshold: float | None = None
) -> Turn[Prediction]:
    """One utterance's negotiation, from the first proposal to the prediction.

    Args:
        state: The utterance, before anybody has spoken.
        mode: How the roles answer.
        rules: When the negotiation ends; ``None`` takes the generator's first answer.
        threshold: The confidence threshold: no negotiation if the first proposal's probability
            reaches it.
    """
    try:
        yield from _rounds(state, mode, rules, threshold)
    except RequestFailedError as failed:
        state.fail(failed.failure)
    return predict(state, mode.label_set.names)


def _rounds(
    state: NegotiationState, mode: Mode, rules: Rules | None, threshold: float | None
) -> Turn[None]:
    state.proposal = yield from mode.propose(state)
    if rules is None or _sure_enough(state, threshold):
        return
    while True:
        readable = state.proposed is not None
        judgement = (yield from mode.judge(state)) if readable else None
        state.end_round(judgement, rules)
        if not state.open:
            return
        state.proposal = yield from mode.propose(state)


def _sure_enough(state: NegotiationState, threshold: float | None) -> bool:
    proposal = state.proposal
    if threshold is None or proposal is None or proposal.label is None or not proposal.log_probs:
        return False
    return math.exp(proposal.log_probs[proposal.label]) >= threshold


class Negotiator:
    """How dialogues are classified: one engine, one label set, one set of options.

    May be used from many threads.

    Args:
        engine: The language model.
        label_set: The closed set.
        builder: Makes each utterance's context.
        options: How the roles negotiate.

    Raises:
        ConfigError: The mode or the confidence threshold needs scores, and the engine gives none.
    """

    def __init__(
        self,
        engine: Engine,
        label_set: LabelSet,
        builder: ContextBuilder,
        options: NegotiationOptions,
    ) -> None:
        self.engine = engine
        self.builder = builder
        self.options = options
        self.rules = options.rules if options.enabled else None
        self.priors: Priors | None = None
        if options.correct_priors and engine.capabilities.score and options.mode != "written":
            self.priors = Priors(label_set, builder, verdicts=options.enabled)
        self.judging = Judging(label_set, options.calibration, options.agree_threshold, self.priors)
        self.mode = _choose_mode(engine, options, self.judging)
        # A deduction known from another dialogue would change the shape of this dialogue's batches.
        self.deductions = Deductions(0 if options.reproducible else CACHE_SIZE)

    def task(
        self,
        dialogue: Dialogue,
        told: Told | None = None,
        *,
        only: Collection[int] | None = None,
        preface: str = "",
    ) -> DialogueTask:
        """What a scheduler runs to answer a dialogue.

        Args:
            dialogue: The turns.
            told: Called from a worker's thread with each prediction as it is known, in no fixed
                order, and with ``None`` once the task is answered or broken. It must not raise.
            only: The utterances to answer, by position; default: all.
            preface: A line that each prompt shows before the generator is asked.
        """
        return DialogueTask(self, dialogue, told, only, preface)


class DialogueTask:
    """A dialogue being classified.

    Args:
        negotiator: Holds the options.
        dialogue: The turns.
        told: As :meth:`Negotiator.task` says.
        only: The utterances to answer, by position; default: all.
        preface: A line that each prompt shows before the generator is asked.

    Attributes:
        alone: Whether it is computed in sessions that no other dialogue shares.
        finished: Set once it is answered or broken.
        cancelled: Whether nobody waits for it any more.
    """

    def __init__(
        self,
        negotiator: Negotiator,
        dialogue: Dialogue,
        told: Told | None = None,
        only: Collection[int] | None = None,
        preface: str = "",
    ) -> None:
        self._negotiator = negotiator
        self._dialogue = dialogue
        self._told = told or (lambda answer: None)
        self._preface = one_line(preface)
        self._items: list[Prediction | None] = [None] * len(dialogue)
        self._open = set(range(len(dialogue)) if only is None else only)
        self._count = len(self._open)
        self._besides = Cost()
        self._error: BaseException | None = None
        self.alone = negotiator.options.reproducible
        self.finished = Event()
        self.cancelled = False
        if not self._open:
            self.finished.set()

    def __len__(self) -> int:
        """How many utterances it answers."""
        return self._count

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
        """Whether it is answered, broken or cancelled."""
        return self.cancelled or self.finished.is_set()

    def start(self, add: Callable[[Job], None]) -> None:
        """Hand out the dialogue's turns. Utterances follow once their deductions are done.

        Args:
            add: Puts a job into the inbox of the driver that runs this task.
        """
        negotiator = self._negotiator
        if negotiator.priors is not None:
            negotiator.priors.learn(negotiator.engine, self._template)
        plan = DeductionPlan(negotiator.builder, self._dialogue, negotiator.deductions)
        if not plan.missing:
            self._add_utterances(plan.contexts(), add)
        for source in list(plan.missing):
            settle = self._settler(plan, source, add)
            add(Job(deduce(source), settle, self._wanted, self._broke_in_a_turn))

    def result(self) -> DialoguePrediction:
        """The predictions, once it is finished.

        Raises:
            BaseException: What broke it.
        """
        if self._error is not None:
            raise self._error
        return self.outcome()

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
        self._error = error
        self.finished.set()
        self._told(None)

    def _broke_in_a_turn(self, error: Exception) -> None:
        """Give up: one of its turns raised what it should not."""
        told = ModelError(f"This dialogue could not be computed: {type(error).__name__}.")
        told.__cause__ = error
        self.broke(told)

    @cached_property
    def _template(self) -> TemplateSet:
        """The dialogue's templates; finding its language is not free."""
        return self._negotiator.builder.template_for(self._dialogue)

    def _wanted(self) -> bool:
        return not self.over

    def _settler(
        self, plan: DeductionPlan, source: Source, add: Callable[[Job], None]
    ) -> Callable[[object, Cost], None]:
        def settle(answer: object, cost: Cost) -> None:
            self._besides += cost
            plan.settle(source, answer)  # type: ignore[arg-type]  # what deduce() returns
            if not plan.missing:
                self._add_utterances(plan.contexts(), add)

        return settle

    def _add_utterances(self, contexts: list[TargetContext], add: Callable[[Job], None]) -> None:
        negotiator = self._negotiator
        threshold = negotiator.options.confidence_threshold
        for context in (context for context in contexts if context.index in self._open):
            if self._preface:
                context = replace(context, prompt=context.prompt.line("user", self._preface))
            state = NegotiationState.of(context, self._template)
            turn = negotiate(state, negotiator.mode, negotiator.rules, threshold)
            add(Job(turn, self._keep, self._wanted, self._broke_in_a_turn))

    def _keep(self, answer: Prediction | Failure, cost: Cost) -> None:
        assert isinstance(answer, Prediction)  # negotiate() catches failures
        cost += self._share(answer.index)
        answer = replace(answer, tokens=cost.tokens, seconds=cost.seconds)
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


def _choose_mode(engine: Engine, options: NegotiationOptions, judging: Judging) -> Mode:
    capabilities = engine.capabilities

    def needs_scores(what: str, hint: str) -> ConfigError:
        return ConfigError(
            f"The engine '{engine.name}' gives no scores, which {what} needs.", hint=hint
        )

    if options.enabled and options.confidence_threshold is not None and not capabilities.score:
        raise needs_scores("a confidence threshold", "Leave the threshold out.")
    if options.mode == "scored" and not capabilities.score:
        raise needs_scores("the scored mode", "Use --mode written.")
    if options.mode == "written" or not capabilities.score:
        return WrittenMode(capabilities, judging)
    return ScoredMode(capabilities, judging)
