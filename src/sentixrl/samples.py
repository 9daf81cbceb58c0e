"""Samples as tables of them come: texts, dialogues whose last turn is asked about, rows of frames.

Contract: every sample gets one answer, in order; what cannot be a sample is one sentence that
names its place, and so is a sample that the model could not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError, ModelError
from sentixrl.formats.values import dialogue_of, frame_samples, is_frame
from sentixrl.prediction import Prediction

Floats = NDArray[np.float64]


class SampleError(InputError, ValueError):
    """Samples or targets that cannot be used; a ``ValueError`` too, as scikit-learn expects."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Dialogues, and which turn of them each sample is.

    Attributes:
        dialogues: The dialogues.
        places: Position of the dialogue and of the turn in it; one pair per sample.
    """

    dialogues: list[Dialogue]
    places: list[tuple[int, int]]


def samples_of(X: Any) -> Samples:  # noqa: ANN401, N803  (whatever a user gives)
    """What a user's ``X`` holds.

    Raises:
        SampleError: It holds nothing, or a sample that is no text and no dialogue.
    """
    try:
        found = _of_frame(X) if is_frame(X) else _of_list(X)
    except InputError as error:
        raise SampleError(error.message, hint=error.hint) from None
    if not found.places:
        raise SampleError("Found array with 0 sample(s): X is empty.")
    return found


def _of_frame(frame: object) -> Samples:
    """A row a sample; the rows of a dialogue see the ones before."""
    dialogues = frame_samples(frame)
    places: dict[int, tuple[int, int]] = {}
    for number, dialogue in enumerate(dialogues):
        for turn, utterance in enumerate(dialogue):
            places[int(utterance.id or 0)] = (number, turn)
    return Samples(dialogues, [places[row] for row in sorted(places)])


def _of_list(X: Any) -> Samples:  # noqa: ANN401, N803
    """A text or a dialogue a sample, whose last turn is asked about."""
    if isinstance(X, str | bytes | Mapping | Dialogue) or not isinstance(X, Iterable):
        raise SampleError(
            f"X is one value of type '{type(X).__name__}', not a list of samples.",
            hint='Give a list, for example ["It works!", "Leave me alone."].',
        )
    values = X.ravel() if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1 else X
    dialogues = []
    for number, value in enumerate(values, start=1):
        if value is None or isinstance(value, float) or type(value).__name__ == "NAType":
            raise SampleError(
                f"Sample {number} of X has no text: it is '{value}'.",
                hint="Fill it in or leave the sample out, together with its class.",
            )
        dialogues.append(dialogue_of(value, number))
    return Samples(dialogues, [(at, len(one) - 1) for at, one in enumerate(dialogues)])


def answers_to(classifier: Classifier, samples: Samples) -> list[Prediction]:
    """The answer to each sample, in order."""
    found = [answer.items for answer in classifier.predict_many(samples.dialogues)]
    return [found[dialogue][turn] for dialogue, turn in samples.places]


def shares_of(classifier: Classifier, samples: Samples, columns: Sequence[str]) -> Floats:
    """The posterior of each sample, shape ``[n_samples, n_labels]``.

    Raises:
        ConfigError: The engine gives no scores.
        ModelError: The model could not answer a sample.
    """
    if not classifier.engine.capabilities.score:
        raise ConfigError(f"The engine '{classifier.engine.name}' gives no probabilities.")
    rows = []
    for number, item in enumerate(answers_to(classifier, samples), start=1):
        if item.probabilities is None:
            forced(item, number)
            raise ModelError(f"Sample {number} has no probabilities.")
        rows.append([item.probabilities[name] for name in columns])
    return np.array(rows, np.float64)


def forced(item: Prediction, number: int) -> str:
    """The label of a sample, or the best guess.

    Raises:
        ModelError: There is none.
    """
    answer = item.label or item.fallback
    if answer is None:
        why = item.error.message if item.error else "The reply holds no label."
        raise ModelError(
            f"Sample {number} has no answer: {why}", hint=item.error.hint if item.error else None
        )
    return answer
