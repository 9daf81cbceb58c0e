"""One negotiation per utterance, written as if it were alone, and the options of all of them.

Contract: :func:`negotiate` is a turn: it yields requests and returns a prediction, even if a
request fails. A :class:`Negotiator` holds the options and makes a
:class:`~sentixrl.negotiation.tasks.DialogueTask` of each dialogue. Nothing is computed here: a
scheduler runs the tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from sentixrl.calibration.conformal import in_set, threshold
from sentixrl.calibration.shift import prior_shift, read_prior
from sentixrl.context.building import ContextBuilder, TargetContext
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Cost, Engine
from sentixrl.engines.roles import roles_of
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet
from sentixrl.negotiation.answers import Judging
from sentixrl.negotiation.deducing import (
    CACHE_SIZE,
    Deductions,
)
from sentixrl.negotiation.modes import Mode, ScoredMode, TwoModels, WrittenMode
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.outcome import predict
from sentixrl.negotiation.priors import Priors
from sentixrl.negotiation.protocol import Rules
from sentixrl.negotiation.several import LabelJudge
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.tasks import DialogueTask, Told
from sentixrl.negotiation.turns import Job, RequestFailedError, Turn
from sentixrl.prediction import Prediction


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
            hint="Calibrate on turns with these labels and use the result as the model: sentixrl "
            "calibrate MODEL FILE --labels … --out FOLDER, 'recalibrate' in Python, 'fit' on 30 "
            "samples or more in scikit-learn. Or ask for no sets (sets=None).",
        )
    return threshold(options.calibration.truths, options.sets)


def _candidates(posterior: Mapping[str, float], cut: float) -> tuple[str, ...]:
    """The labels of a set, likeliest first."""
    flags = in_set(np.array(list(posterior.values())), cut)
    found = [name for name, flag in zip(posterior, flags, strict=True) if flag]
    return tuple(sorted(found, key=lambda name: -posterior[name]))


def _needs_scores(engine: Engine, what: str, hint: str) -> ConfigError:
    return ConfigError(f"The engine '{engine.name}' gives no scores, which {what}.", hint=hint)
