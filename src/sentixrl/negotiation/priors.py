"""What a model answers about nothing: preferences for labels and verdicts, to be subtracted.

Contract: an untrained model prefers some words whatever was said. Its answers about an empty
conversation measure that preference. Dividing by them leaves what the actual words contribute
(contextual calibration, Zhao et al. 2021, arXiv 2102.09690). Nothing is fitted on data. Trained
models are calibrated on dev instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np

from sentixrl.calibration.confidence import LOG_FLOOR
from sentixrl.calibration.posterior import normalise
from sentixrl.context.building import ContextBuilder
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import (
    Engine,
    Failure,
    ScoreRequest,
    Session,
    UnansweredError,
)
from sentixrl.labels import LabelSet
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.turns import Turn, in_step, score

# Words and marks that carry no emotion of their own, in any of the templates' languages.
EMPTY_TURNS = (("A", "N/A"), ("B", "…"), ("A", "Hm."), ("B", "OK."), ("A", "1, 2, 3."))
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Prior:
    """A model's preferences in one template language.

    Attributes:
        labels: Label name → mean log-probability about nothing.
        agree: Label name → log-odds of agreeing to it about nothing.
    """

    labels: Mapping[str, float]
    agree: Mapping[str, float]

    def label(self, raw: Mapping[str, float]) -> dict[str, float]:
        """Log-probabilities over labels without the model's preferences."""
        scores = np.array(
            [value - max(self.labels[name], LOG_FLOOR) for name, value in raw.items()]
        )
        return dict(zip(raw, normalise(scores).tolist(), strict=True))

    def agreement(self, proposed: str | None, agree_log_prob: float) -> float:
        """The log of P(agree) without the model's preference for a verdict."""
        if proposed is None:
            return agree_log_prob
        odds = _log_odds(agree_log_prob) - self.agree[proposed]
        return -math.log1p(math.exp(-odds)) if odds > -700 else odds


class Priors:
    """The priors of the template languages seen so far.

    Args:
        label_set: The closed set.
        builder: Makes the contexts.
        verdicts: Whether verdicts will be asked for, so that their preferences are needed too.
    """

    def __init__(
        self, label_set: LabelSet, builder: ContextBuilder, *, verdicts: bool = True
    ) -> None:
        self._label_set = label_set
        self._builder = builder
        self._judged = tuple(label_set) if verdicts else ()
        self._known: dict[str, Prior | None] = {}  # None: it could not be measured
        self._learning = Lock()

    def learn(self, engine: Engine, template: TemplateSet) -> None:
        """Measure the prior of a new language, once, even if that fails.

        It has a session of its own, because a dialogue's numbers must not depend on being the
        first. There is no second try: if it succeeded, a result would depend on its place in the
        input. A failure that passes is another matter: nothing is answered before it has passed.

        Raises:
            UnansweredError: It failed for a passing reason.
        """
        with self._learning:
            if template.language in self._known:
                return
            with engine.session() as session:
                found = self._measure(session, template)
            if isinstance(found, Failure) and found.retryable:
                raise UnansweredError(found)
            self._known[template.language] = None if isinstance(found, Failure) else found

    def of(self, language: str) -> Prior | None:
        """The prior of a template language, if it was measured."""
        return self._known.get(language)

    def _measure(self, session: Session, template: TemplateSet) -> Prior | Failure:
        nothing = Dialogue.from_texts(EMPTY_TURNS, language=template.language)
        contexts = self._builder.build(nothing)
        states = [NegotiationState.of(context, template) for context in contexts]
        proposals = in_step(session, [self._label_scores(state) for state in states])
        verdicts = in_step(
            session,
            [self._agreement(states[-1], label.word(template.language)) for label in self._judged],
        )
        spoken = [answer for answer in proposals if not isinstance(answer, Failure)]
        odds = [answer for answer in verdicts if not isinstance(answer, Failure)]
        for answer in (*proposals, *verdicts):
            if isinstance(answer, Failure):
                return answer
        means = [sum(column) / len(spoken) for column in zip(*spoken, strict=True)]
        judged = [label.name for label in self._judged]
        return Prior(
            dict(zip(self._label_set.names, means, strict=True)),
            dict(zip(judged, odds, strict=True)),
        )

    def _label_scores(self, state: NegotiationState) -> Turn[tuple[float, ...]]:
        state.ask("generator", "question")
        words = self._label_set.words(state.template.language)
        return (yield from score(ScoreRequest(state.prompt, words))).log_probs

    def _agreement(self, asked: NegotiationState, word: str) -> Turn[float]:
        state = NegotiationState(asked.context, asked.template, asked.prompt)
        state.answer(word)
        state.ask("discriminator", "question")
        words = (state.say("discriminator", "agree"), state.say("discriminator", "disagree"))
        agree, _ = (yield from score(ScoreRequest(state.prompt, words))).log_probs
        return _log_odds(agree)


def _log_odds(log_prob: float) -> float:
    probability = min(max(math.exp(log_prob), _SMALLEST), 1 - _SMALLEST)
    return math.log(probability) - math.log1p(-probability)
