"""A verifier as a system: it answers between the first two labels of another condition.

Contract: a turn's posterior gives the two labels what the verifier gives them. What it gives to
neither goes to the other labels, in the proportions of the other condition. Turns that the other
condition did not answer are not asked about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import tee

import numpy as np

from sentixrl.classifier import Classifier
from sentixrl.context.building import language_of
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure
from sentixrl.errors import ConfigError
from sentixrl.evaluation.confusion import Floats
from sentixrl.experiments.combining import first_two
from sentixrl.experiments.held import Held
from sentixrl.negotiation.pairwise import Between, PairAnswer
from sentixrl.prediction import DialoguePrediction, ItemError, Prediction, Status
from sentixrl.training.pairs import Evidence

LEAST = 1e-12


class VerifierSystem:
    """A model that is asked between the first two labels of other answers.

    Args:
        classifier: The model, with the labels of these answers.
        of: The answers.
        evidence: What prompts show for the two labels, if anything.

    Raises:
        ConfigError: The answers are under other labels, or several a turn.
    """

    def __init__(self, classifier: Classifier, of: Held, evidence: Evidence | None = None) -> None:
        if of.several or of.names != classifier.label_set.names:
            raise ConfigError(
                "A verifier decides between answers under its own labels, one a turn."
            )
        self._classifier, self._of, self._evidence = classifier, of, evidence
        self._rows = {key: row for row, key in enumerate(of.keys)}
        self._pairs = list(zip(*(part.tolist() for part in first_two(of.log_probs)), strict=True))

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order, as they are finished."""
        taken, kept = tee(dialogues)
        answered = self._classifier.between((one, self._asked(one)) for one in taken)
        for dialogue, answers in zip(kept, answered, strict=True):
            found = iter(answers)
            yield DialoguePrediction(
                dialogue_id=dialogue.id,
                language=language_of(dialogue),
                model=self._classifier.engine.name,
                template=self._classifier.templates_of([dialogue])[0],
                items=tuple(
                    self._prediction(index, row, next(found))
                    if (row := self._rows.get((dialogue.id, index))) is not None
                    else Prediction(index, Status.INVALID)
                    for index in range(len(dialogue))
                ),
            )

    def _asked(self, dialogue: Dialogue) -> list[Between]:
        """A question about each turn that was answered."""
        asked = []
        for index in range(len(dialogue)):
            row = self._rows.get((dialogue.id, index))
            if row is not None:
                first, second = (self._of.names[place] for place in self._pairs[row])
                names = (first, second)
                shown = self._evidence(dialogue, index, names) if self._evidence else ()
                asked.append(Between(index, names, shown))
        return asked

    def _prediction(self, index: int, row: int, answer: PairAnswer | Failure) -> Prediction:
        if isinstance(answer, Failure):
            return Prediction(index, Status.ERROR, error=ItemError.of(answer))
        shares = spread(answer.shares, self._pairs[row], self._of.log_probs[row])
        label = self._of.names[int(shares.argmax())]
        return Prediction(
            index,
            Status.SINGLE,
            label=label,
            fallback=label,
            probabilities=dict(zip(self._of.names, shares.tolist(), strict=True)),
            confidence=float(shares.max()),
            tokens=answer.cost.tokens,
            seconds=answer.cost.seconds,
        )


def spread(shares: tuple[float, float, float], pair: tuple[int, int], own: Floats) -> Floats:
    """A verifier's answer as probabilities of all labels, ``[L]``.

    Args:
        shares: The probabilities of the two labels and of neither.
        pair: Which two these are.
        own: The log-probabilities that say how the others share what neither has, ``[L]``.
    """
    rest = np.exp(own)
    rest[list(pair)] = 0.0
    # Nothing is left for others where two labels are all there are.
    found = rest * (shares[2] / max(rest.sum(), LEAST))
    found[list(pair)] = shares[:2]
    return np.asarray(found / found.sum())


def identity_of(of: Held) -> str:
    """A short hash of what a verifier decides between."""
    return hashlib.sha256(of.log_probs.astype("<f4").tobytes()).hexdigest()[:16]
