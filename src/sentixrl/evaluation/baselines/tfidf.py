"""TF-IDF and logistic regression: what the words of the utterance alone are worth.

Word 1-2-grams and character 1-4-grams of the text, without speaker or history; words are
scikit-learn's (two or more letters, digits or underscores), so in Chinese the character n-grams
do the work. Trained on train, settings chosen on dev by weighted-F1; where utterances may have
several labels, one regression a label, chosen by macro-F1.

Contract: deterministic; otherwise as :mod:`sentixrl.evaluation.baselines.regression`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from sentixrl.datasets.dataset import Dataset
from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.evaluation.baselines.regression import (
    LabelRegressions,
    TextRegression,
    check_classes,
    fit_one,
    fit_regressions,
)
from sentixrl.evaluation.baselines.system import labelled, labelled_several

NAME = "tfidf"

Characters = Literal["char", "char_wb"]


@dataclass(frozen=True, slots=True)
class TfidfSettings:
    """What is chosen on dev.

    Attributes:
        characters: Character n-grams across the whole text, or within words only.
        balanced: Whether all classes weigh the same in the loss, or by their frequency.
        strength: scikit-learn's ``C``: the larger, the less regularised.
        sublinear: Whether a term counts ``1 + ln(frequency)``.
        min_df: The fewest utterances that a term must occur in.
    """

    characters: Characters = "char_wb"
    balanced: bool = False
    strength: float = 1.0
    sublinear: bool = True
    min_df: int = 1

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


GRID: tuple[TfidfSettings, ...] = tuple(
    TfidfSettings(strength=strength) for strength in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
)
"""The settings that are tried by default: ``C`` alone, because a search over more of them on a
single dev split fits its noise. The rest was chosen once, on the mean over several dev splits
(docs/results.md)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting and its weighted-F1 on dev, as a fraction."""

    settings: TfidfSettings
    dev_weighted_f1: float


@dataclass(frozen=True)
class Tfidf(TextRegression):
    """A trained baseline; made by :func:`tfidf`.

    Attributes:
        settings: What was chosen.
        trials: What was tried, in order.
    """

    settings: TfidfSettings = field(default_factory=TfidfSettings)
    trials: tuple[Trial, ...] = ()


def tfidf_several(train: Dataset, dev: Dataset) -> LabelRegressions:
    """One regression a label over TF-IDF.

    Args:
        train: The data to learn from.
        dev: The data to choose and to fit thresholds on.

    Raises:
        InputError: A split has no gold labels, or the texts of train hold no words.
        MissingDependencyError: scikit-learn is not installed.
    """
    texts, _ = labelled_several(train)
    features, _ = _fit_features(_features_of(TfidfSettings()), texts, train)
    return fit_regressions(features, train, dev, NAME)


def tfidf(train: Dataset, dev: Dataset, *, grid: Sequence[TfidfSettings] = GRID) -> Tfidf:
    """Train with every setting and keep the best on dev; among equally good ones the first.

    Args:
        train: The data to learn from.
        dev: The data to choose on.
        grid: The settings to try, at least one.

    Raises:
        InputError: A split has no gold labels, train has but one, or its texts hold no words.
        MissingDependencyError: scikit-learn is not installed.
    """
    texts, gold = labelled(train)
    dev_texts, dev_gold = labelled(dev)
    check_classes(train, gold)
    best: Tfidf | None = None
    trials: list[Trial] = []
    for kind in dict.fromkeys(_features_of(settings) for settings in grid):
        features, matrix = _fit_features(kind, texts, train)
        for settings in (one for one in grid if _features_of(one) == kind):
            model = fit_one(matrix, gold, settings.strength, balanced=settings.balanced)
            found = Tfidf(train.label_set, features, model, NAME, settings)
            score = found.weighted_f1(dev_texts, dev_gold)
            if best is None or score > max(trial.dev_weighted_f1 for trial in trials):
                best = found
            trials.append(Trial(settings, score))
    if best is None:
        raise ValueError("the grid holds no settings")
    return replace(best, trials=tuple(trials))


def _features_of(settings: TfidfSettings) -> tuple[str, bool, int]:
    """The features, which settings share if they differ only in the regression."""
    return settings.characters, settings.sublinear, settings.min_df


def _fit_features(
    kind: tuple[str, bool, int], texts: Sequence[str], data: Dataset
) -> tuple[Any, Any]:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import FeatureUnion
    except ImportError:
        raise MissingDependencyError.of("scikit-learn", "eval") from None
    characters, sublinear, min_df = kind
    shared = {"sublinear_tf": sublinear, "min_df": min_df, "dtype": np.float32}
    features = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), **shared)),
            ("characters", TfidfVectorizer(analyzer=characters, ngram_range=(1, 4), **shared)),
        ]
    )
    try:
        return features, features.fit_transform(texts)
    except ValueError as error:  # scikit-learn's way of saying that no term is left
        raise InputError(
            f"The texts of {data.title} hold no words to learn from: {error}."
        ) from None
