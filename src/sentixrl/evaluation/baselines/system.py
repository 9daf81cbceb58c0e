"""What all evaluated systems have in common, and how baselines make predictions.

Contract: one :class:`~sentixrl.prediction.DialoguePrediction` per dialogue, in order; a baseline
uses no prompt, so its template is ``none``, and it never negotiates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import tee
from typing import Protocol

import numpy as np

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.evaluation.confusion import Bools, Floats
from sentixrl.prediction import DialoguePrediction, Prediction, Status

NO_TEMPLATE = "none"
UNKNOWN_LANGUAGE = "und"


class System(Protocol):
    """Anything that labels dialogues; a :class:`~sentixrl.classifier.Classifier` is one."""

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order."""
        ...


def answered(
    system: System, dialogues: Iterable[Dialogue]
) -> Iterator[tuple[Dialogue, DialoguePrediction]]:
    """Each dialogue with the system's prediction for it: what evaluation takes."""
    asked, kept = tee(dialogues)
    yield from zip(kept, system.predict_many(asked), strict=True)


def answer(
    dialogue: Dialogue, posteriors: Sequence[Mapping[str, float]], model: str
) -> DialoguePrediction:
    """The prediction that follows from a posterior for each turn.

    Args:
        dialogue: What was labelled.
        posteriors: One per turn: label name → probability; ties go to the first label.
        model: The baseline's name in results.
    """
    items = []
    for index, (_, posterior) in enumerate(zip(dialogue, posteriors, strict=True)):
        label = max(posterior, key=posterior.__getitem__)
        items.append(
            Prediction(
                index=index,
                status=Status.SINGLE,
                label=label,
                fallback=label,
                probabilities=dict(posterior),
                confidence=posterior[label],
            )
        )
    return _of(dialogue, items, model)


def judged(
    dialogue: Dialogue, names: Sequence[str], shares: Floats, given: Bools, model: str
) -> DialoguePrediction:
    """The prediction where each label of a turn is judged by itself.

    Args:
        dialogue: What was labelled.
        names: The L labels.
        shares: The probability that each applies. Shape [n, L].
        given: Whether it is given. Shape [n, L].
        model: The baseline's name in results.
    """
    items = [
        Prediction(
            index=index,
            status=Status.SINGLE,
            probabilities=dict(zip(names, map(float, row), strict=True)),
            labels=tuple(name for name, flag in zip(names, flags, strict=True) if flag),
        )
        for index, (_, row, flags) in enumerate(zip(dialogue, shares, given, strict=True))
    ]
    return _of(dialogue, items, model)


def _of(dialogue: Dialogue, items: Iterable[Prediction], model: str) -> DialoguePrediction:
    return DialoguePrediction(
        dialogue_id=dialogue.id,
        language=dialogue.language or UNKNOWN_LANGUAGE,
        model=model,
        template=NO_TEMPLATE,
        items=tuple(items),
    )


def labelled_several(data: Dataset) -> tuple[list[str], Bools]:
    """The texts of the annotated turns [n], and whether each label applies to them [n, L].

    Raises:
        InputError: No turn is annotated.
    """
    turns = [turn for turn in data.utterances if turn.golds is not None]
    if not turns:
        raise _nothing_to_learn(data)
    names = data.label_set.names
    flags = [[name in (turn.golds or ()) for name in names] for turn in turns]
    return [turn.text for turn in turns], np.array(flags, np.bool_)


def labelled(data: Dataset) -> tuple[list[str], list[str]]:
    """The texts and gold labels of the labelled turns, both of shape [n].

    Raises:
        InputError: No turn has a gold label.
    """
    turns = [turn for turn in data.utterances if turn.gold is not None]
    if not turns:
        raise _nothing_to_learn(data)
    return [turn.text for turn in turns], [turn.gold for turn in turns if turn.gold is not None]


def _nothing_to_learn(data: Dataset) -> InputError:
    return InputError(
        f"No utterance of {data.title} has a gold label to learn from.",
        hint="Choose a split that has them.",
    )
