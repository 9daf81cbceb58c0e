"""The labels of the nearest training turns: what a text resembles, without any training.

A turn is compared by itself, as the sentence embeddings of :mod:`sentixrl.datasets.embeddings`
have it. Beside a model it is evidence that the model has not seen: what people made of turns like
this one.

Contract: a neighbour is never from the same dialogue, nor from one that shares a run of eight words
with it. The labels' shares are counted over the neighbours and one more of every label together, so
that none is zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sentixrl.context.building import one_line
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.demonstrations import DemonstrationPool, Likeness, Retrieval
from sentixrl.dialogue import Dialogue
from sentixrl.evaluation.baselines.system import answer
from sentixrl.prediction import DialoguePrediction

NAME = "neighbours"
COUNT = 20


@dataclass(frozen=True)
class Neighbours:
    """Answers by the labels of the nearest turns; made by :func:`neighbours`.

    Attributes:
        pool: Where they are looked for.
        names: The labels.
        count: How many are looked at.
    """

    pool: DemonstrationPool
    names: tuple[str, ...]
    count: int = COUNT

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order."""
        for dialogue in dialogues:
            yield answer(dialogue, [self._shares(dialogue, turn.text) for turn in dialogue], NAME)

    def _shares(self, dialogue: Dialogue, text: str) -> dict[str, float]:
        near = islice(self.pool.nearest(dialogue, one_line(text)), self.count)
        found = Counter(shown.label for shown in near)
        whole = found.total() + 1
        return {name: (found[name] + 1 / len(self.names)) / whole for name in self.names}


def neighbours(train: Dataset, count: int = COUNT, by: Likeness = "embeddings") -> Neighbours:
    """A system that answers by the nearest turns of some data.

    Args:
        train: The data.
        count: How many turns are looked at.
        by: By what they are compared.

    Raises:
        InputError: No turn has a label, or all are too long.
        MissingDependencyError: The library that compares is not installed.
    """
    names = train.label_set.names
    return Neighbours(DemonstrationPool(train, Retrieval(by=by), names), names, count)
