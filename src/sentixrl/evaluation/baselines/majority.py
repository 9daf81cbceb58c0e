"""The most frequent label of the training split, for every utterance: nothing is read.

Contract: the posterior is the training split's label shares, so calibration and Brier score show
what the shares alone are worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.evaluation.baselines.system import answer, labelled
from sentixrl.prediction import DialoguePrediction


@dataclass(frozen=True, slots=True)
class Majority:
    """Gives the same answer everywhere.

    Attributes:
        shares: Label name → its share of the training split.
        name: What results call it.
    """

    shares: Mapping[str, float]
    name: str = "majority"

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order."""
        for dialogue in dialogues:
            yield answer(dialogue, [self.shares] * len(dialogue), self.name)


def majority(train: Dataset) -> Majority:
    """Count the training split's labels; among equally frequent ones the set's first wins.

    Raises:
        InputError: No utterance has a gold label.
    """
    number = len(labelled(train)[0])
    return Majority({name: count / number for name, count in train.label_counts.items()})
