"""One negotiation per utterance, written as if it were alone; one task per dialogue.

Contract: :func:`negotiate` is a turn: it yields requests and returns a prediction, even if a
request fails. A :class:`Negotiator` holds the options and makes a :class:`DialogueTask` of each
dialogue. The task hands out the jobs of each utterance (one, or one per label where each label is
judged by itself) and collects the predictions in order. Nothing is computed here: a scheduler runs
the tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Event
from typing import Protocol

import numpy as np

from sentixrl.calibration.conformal import in_set, threshold
from sentixrl.calibration.shift import prior_shift, read_prior
from sentixrl.context.building import ContextBuilder, TargetContext, language_of, one_line
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Cost, Engine, Failure, UnansweredError
from sentixrl.engines.roles import roles_of
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
from sentixrl.negotiation.modes import Mode, ScoredMode, TwoModels, WrittenMode
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.outcome import predict
from sentixrl.negotiation.priors import Priors
from sentixrl.negotiation.protocol import Rules
from sentixrl.negotiation.several import LabelJudge
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


Keep = Callable[[Prediction, Cost], None]
"""Takes an utterance's prediction and what it cost."""


class Approach(Protocol):
    """How an utterance is answered."""

    def jobs(
        self,
        context: TargetContext,
        template: TemplateSet,
        keep: Keep,
        wanted: Callable[[], bool],
    ) -> Sequence[Job]:
        """The jobs that answer one utterance; ``keep`` is called once, by the last of them."""
        ...


@dataclass(frozen=True, slots=True)
class Negotiation:
    """One label per utterance, which the two roles negotiate.

    Attributes:
        mode: How the roles answer.
        rules: When a negotiation ends; ``None`` takes the generator's first answer.
        threshold: The confidence threshold.
    """

    mode: Mode
    rules: Rules | None
    threshold: float | None

    def jobs(
        self,
        context: TargetContext,
        template: TemplateSet,
        keep: Keep,
        wanted: Callable[[], bool],
    ) -> Sequence[Job]:
        """One job: its negotiation."""
        state = NegotiationState.of(context, template)
        return [Job(negotiate(state, self.mode, self.rules, self.threshold), keep, wanted)]


class Negotiator:
    """How dialogues are classified: one engine, one label set, one set of options.

    May be used from many threads.

    Args:
        engine: The language model, or two: a generator and a discriminator.
        label_set: The closed set.
        builder: Makes each utterance's context.
        options: How the roles negotiate.
        discriminator: What of that is the discriminator's own, if it is another model: its
            calibration, and whether its preferences are subtracted.

    Attributes:
        judging: How the generator's answers become labels; ``None`` where each label is judged by
            itself.

    Raises:
        ConfigError: The mode, the confidence threshold or several labels need scores, and the
            engine gives none or they are not to be used.
    """

    def __init__(
        self,
        engine: Engine,
        label_set: LabelSet,
        builder: ContextBuilder,
        options: NegotiationOptions,
        discriminator: NegotiationOptions | None = None,
    ) -> None:
        self.engine = engine
        self.builder = builder
        self.options = options
        self._priors: list[tuple[Engine, Priors]] = []
        self.judging: Judging | None = None
        self._cut: float | None = None
        self.approach: Approach
        if options.several(label_set):
            _check_several(roles_of(engine)[0], options)
            self.approach = LabelJudge(label_set, options.calibration)
        else:
            mode = self._mode_of_both(label_set, discriminator or NegotiationOptions())
            rules = options.rules if options.enabled else None
            self.approach = Negotiation(mode, rules, options.confidence_threshold)
            self._cut = _set_threshold(options)
        # A deduction known from another dialogue would change the shape of this dialogue's batches.
        self.deductions = Deductions(0 if options.reproducible else CACHE_SIZE)

    def finished(self, answer: Prediction) -> Prediction:
        """An answer with what is known of its probabilities."""
        if answer.probabilities is None:
            return answer
        candidates = answer.candidates
        if self._cut is not None:
            candidates = _candidates(answer.probabilities, self._cut)
        return replace(answer, calibrated=self.options.calibration.fitted, candidates=candidates)

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

    def learn_priors(self, template: TemplateSet) -> None:
        """Measure what the models answer about nothing in a new language, where that is wanted.

        Raises:
            UnansweredError: It failed for a passing reason.
        """
        for engine, priors in self._priors:
            priors.learn(engine, template)

    def _mode_of_both(self, label_set: LabelSet, own: NegotiationOptions) -> Mode:
        """How the roles answer: one model for both, or two.

        Args:
            label_set: The closed set.
            own: What of the options is the discriminator's own, if it is another model.
        """
        options = self.options
        generator, judge = roles_of(self.engine)
        mode = self._mode_of(generator, label_set, options, judges=judge is None)
        if not options.enabled or judge is None:
            return mode
        told = replace(
            options,
            confidence_threshold=None,
            calibration=own.calibration,
            correct_priors=own.correct_priors,
            prior=None,
        )
        judging = self._mode_of(judge, label_set, told)
        return TwoModels(mode, judging, (generator.name, judge.name))

    def _mode_of(
        self,
        engine: Engine,
        label_set: LabelSet,
        options: NegotiationOptions,
        *,
        judges: bool = True,
    ) -> Mode:
        """How a model answers, and what is to be measured before it does."""
        priors: Priors | None = None
        if options.correct_priors and engine.capabilities.score and options.mode != "written":
            priors = Priors(label_set, self.builder, verdicts=options.enabled and judges)
            self._priors.append((engine, priors))
        judging = _judging(engine, label_set, options, priors)
        self.judging = self.judging or judging  # the generator's, which is made first
        return _choose_mode(engine, options, judging)


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
        try:
            negotiator.learn_priors(self._template)
            plan = DeductionPlan(negotiator.builder, self._dialogue, negotiator.deductions)
        except UnansweredError as error:
            self._fail(error.failure)
            return
        if not plan.missing:
            self._add_utterances(plan, add)
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
                self._add_utterances(plan, add)

        return settle

    def _fail(self, failure: Failure) -> None:
        """Give up the whole dialogue: no utterance of it can be asked about."""
        error = ItemError(failure.code, failure.message, failure.hint, failure.retryable)
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


def _choose_mode(engine: Engine, options: NegotiationOptions, judging: Judging) -> Mode:
    capabilities = engine.capabilities

    if options.enabled and options.confidence_threshold is not None and not capabilities.score:
        raise _needs_scores(engine, "a confidence threshold needs", "Leave the threshold out.")
    if options.mode == "scored" and not capabilities.score:
        raise _needs_scores(engine, "the scored mode needs", "Use --mode written.")
    if options.mode == "written" or not capabilities.score:
        return WrittenMode(capabilities, judging)
    return ScoredMode(capabilities, judging)


def _judging(
    engine: Engine, label_set: LabelSet, options: NegotiationOptions, priors: Priors | None
) -> Judging:
    shift: tuple[float, ...] = ()
    if options.prior is not None:
        if not engine.capabilities.score:
            raise _needs_scores(engine, "a prior needs", "Leave the prior out.")
        shares = read_prior(options.prior, label_set)
        shift = tuple(prior_shift(shares, options.calibration).tolist())
    return Judging(label_set, options.calibration, options.agree_threshold, priors, shift)


def _check_several(engine: Engine, options: NegotiationOptions) -> None:
    """Refuse to judge labels one by one without probabilities.

    Raises:
        ConfigError: The engine gives none, or they are not to be used.
    """
    if options.mode == "written":
        raise ConfigError(
            "Several labels are judged by probabilities, not by what a model writes.",
            hint="Leave --mode written out, or ask for one label with --no-several.",
        )
    for option, value in (("--prior", options.prior), ("--sets", options.sets)):
        if value is not None:
            raise ConfigError(
                f"{option} is for one label a turn, and several are asked for here.",
                hint=f"Leave {option} out, or ask for one label with --no-several.",
            )
    if not engine.capabilities.score:
        raise _needs_scores(
            engine, "several labels need", "Ask for one label instead, with --no-several."
        )


def _set_threshold(options: NegotiationOptions) -> float | None:
    """The probability from which a label is a candidate, if sets are asked for.

    Raises:
        ConfigError: The calibration does not tell; or a prior changes what it was fitted for.
    """
    if options.sets is None:
        return None
    if options.prior is not None:
        raise ConfigError(
            "Sets are made for the label shares of the calibration file, and a prior says that "
            "they are others.",
            hint="Leave --sets or --prior out.",
        )
    if not options.calibration.truths:
        raise ConfigError(
            "How large sets must be is not known for this model and these labels.",
            hint="Find out on labelled turns of yours: sentixrl calibrate MODEL FILE --out FOLDER; "
            "then use that folder as the model.",
        )
    return threshold(options.calibration.truths, options.sets)


def _candidates(posterior: Mapping[str, float], cut: float) -> tuple[str, ...]:
    """The labels of a set, likeliest first."""
    flags = in_set(np.array(list(posterior.values())), cut)
    found = [name for name, flag in zip(posterior, flags, strict=True) if flag]
    return tuple(sorted(found, key=lambda name: -posterior[name]))


def _needs_scores(engine: Engine, what: str, hint: str) -> ConfigError:
    return ConfigError(f"The engine '{engine.name}' gives no scores, which {what}.", hint=hint)
