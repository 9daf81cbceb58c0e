"""Closed questions: a label of the set, or a verdict.

Contract: an answer is one of the allowed words or ``None``, never a nearby one. If the engine
scores, the answer is read off the probabilities (for labels, calibrated ones). Otherwise it is read
off the reply, which is constrained to the words if the engine can do that. The answer is appended
to the state's prompt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from sentixrl.calibration.posterior import Calibration, normalise
from sentixrl.engines.protocol import Capabilities, GenerateRequest, RoleName, ScoreRequest
from sentixrl.labels import LabelSet
from sentixrl.negotiation.priors import Prior, Priors
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.turns import Turn, score, write
from sentixrl.prediction import Verdict

ANSWER_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Judging:
    """How answers become labels and verdicts.

    Attributes:
        label_set: The closed set.
        calibration: From raw label scores to posteriors.
        agree_threshold: The discriminator agrees if P(agree) reaches this.
        priors: The model's preferences to subtract first, if any were measured.
        shift: What a user's prior adds to the log-posterior, in the label set's order; empty for
            none.
    """

    label_set: LabelSet
    calibration: Calibration = field(default_factory=Calibration)
    agree_threshold: float = 0.5
    priors: Priors | None = None
    shift: tuple[float, ...] = ()

    def prior(self, state: NegotiationState) -> Prior | None:
        """The model's preferences in the state's language."""
        return self.priors.of(state.template.language) if self.priors else None


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """A label's name and, if the engine scores, its scores.

    Attributes:
        name: The label; ``None`` if none was readable.
        log_probs: Label → log-probability over the whole set.
        exact: Whether the log-probabilities are the model's own.
        mass: How much of the probability the labels held before it was normalised over them.
        flips: As :attr:`~sentixrl.engines.protocol.Scores.flips`.
    """

    name: str | None
    log_probs: Mapping[str, float] | None = None
    exact: bool = True
    mass: float | None = None
    flips: float | None = None


@dataclass(frozen=True, slots=True)
class VerdictAnswer:
    """A verdict, and log P(agree) if the engine scores; ``exact`` if that is the model's own."""

    verdict: Verdict | None
    agree_log_prob: float | None = None
    exact: bool = True


class Answers:
    """Asks closed questions in the way that the engine can answer.

    Args:
        capabilities: What the engine can do.
        judging: How answers become labels and verdicts.
        role: Who is asked.
    """

    def __init__(
        self, capabilities: Capabilities, judging: Judging, role: RoleName = "generator"
    ) -> None:
        self._capabilities = capabilities
        self._judging = judging
        self._role: RoleName = role

    def label(self, state: NegotiationState, *, other_than: str | None = None) -> Turn[LabelAnswer]:
        """The label with which the model continues the state.

        Args:
            state: Ends where a label belongs.
            other_than: A label that is not allowed; its probability is zero.
        """
        label_set = self._judging.label_set
        words = {
            label.name: label.word(state.template.language)
            for label in label_set
            if label.name != other_than
        }
        if self._capabilities.score:
            asked = ScoreRequest(state.prompt, tuple(words.values()), role=self._role)
            scores = yield from score(asked)
            found = self._likeliest(state, dict(zip(words, scores.log_probs, strict=True)))
            found = replace(found, exact=scores.exact, mass=scores.mass, flips=scores.flips)
        else:
            reply = yield from self._reply(state, tuple(words.values()))
            label = label_set.read(reply)
            found = LabelAnswer(label.name if label and label.name in words else None)
        if found.name is not None:
            state.answer(words[found.name])
        return found

    def verdict(self, state: NegotiationState) -> Turn[VerdictAnswer]:
        """The verdict with which the model continues the state."""
        words = (state.say("discriminator", "agree"), state.say("discriminator", "disagree"))
        if self._capabilities.score:
            scores = yield from score(ScoreRequest(state.prompt, words, role=self._role))
            agree, _ = scores.log_probs
            prior = self._judging.prior(state)
            agree = agree if prior is None else prior.agreement(state.proposed, agree)
            agrees = math.exp(agree) >= self._judging.agree_threshold
            verdict = Verdict.AGREE if agrees else Verdict.DISAGREE
            found = VerdictAnswer(verdict, agree, scores.exact)
        else:
            reply = yield from self._reply(state, words)
            found = VerdictAnswer(_read_verdict(reply, *words))
        if found.verdict is not None:
            state.answer(words[0 if found.verdict is Verdict.AGREE else 1])
        return found

    def _likeliest(self, state: NegotiationState, raw: Mapping[str, float]) -> LabelAnswer:
        prior = self._judging.prior(state)
        raw = raw if prior is None else prior.label(raw)
        names = self._judging.label_set.names
        # Calibrated over all labels: a bias belongs to its label, even if some labels are not
        # allowed.
        posterior = self._judging.calibration([raw.get(name, -math.inf) for name in names])
        if self._judging.shift:
            posterior = normalise(posterior + np.asarray(self._judging.shift))
        log_probs = dict(zip(names, posterior.tolist(), strict=True))
        return LabelAnswer(max(raw, key=log_probs.__getitem__), log_probs)

    def _reply(self, state: NegotiationState, words: tuple[str, ...]) -> Turn[str]:
        held = words if self._capabilities.constrain else None
        asked = GenerateRequest(state.prompt, ANSWER_TOKENS, ("\n",), held, self._role)
        return (yield from write(asked))


def discriminator_view(
    proposed: str, agree_log_prob: float, counter: LabelAnswer | None, label_set: LabelSet
) -> dict[str, float]:
    """The discriminator's distribution over labels, as log-probabilities.

    P(agree) goes to the proposal. The rest is shared among the other labels in proportion to its
    counter-proposal, or evenly if it was not asked for one.

    Args:
        proposed: The label it judged.
        agree_log_prob: log P(agree).
        counter: Its counter-proposal, in which the proposal has no probability.
        label_set: The closed set.
    """
    rest = _log_complement(agree_log_prob)
    spread = counter.log_probs if counter is not None else None
    even = dict.fromkeys(label_set.names, -math.log(len(label_set) - 1))
    view = {name: rest + log_prob for name, log_prob in (spread or even).items()}
    return {**view, proposed: agree_log_prob}


def _log_complement(log_prob: float) -> float:
    """``log(1 - p)``."""
    return math.log(-math.expm1(log_prob)) if log_prob < 0 else -math.inf


def _read_verdict(text: str, agree: str, disagree: str) -> Verdict | None:
    word = _verdict_words(agree, disagree).read(text)
    if word is None:
        return None
    return Verdict.AGREE if word.name == agree else Verdict.DISAGREE


@cache
def _verdict_words(agree: str, disagree: str) -> LabelSet:
    """Verdicts are read as labels are, apart from case, outer punctuation and white space."""
    return LabelSet("verdict", (agree, disagree))
