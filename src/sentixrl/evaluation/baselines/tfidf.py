"""TF-IDF and logistic regression: what the words of the utterance alone are worth.

Word 1-2-grams and character 1-4-grams of the text, without speaker or history; words are
scikit-learn's (two or more letters, digits or underscores), so in Chinese the character n-grams
do the work. Trained on train, settings chosen on dev by weighted-F1.

Contract: deterministic, and blind to every other split. The posterior is the regression's own,
not recalibrated; a label that train lacks has probability 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.evaluation.baselines.system import answer, labelled
from sentixrl.evaluation.confusion import Floats, count
from sentixrl.evaluation.metrics import weighted_f1
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction

MAX_ITERATIONS = 500
TOLERANCE = 1e-3

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
class Tfidf:
    """A trained baseline; made by :func:`tfidf`.

    Attributes:
        label_set: The task's labels.
        settings: What was chosen.
        trials: What was tried, in order.
        name: What results call it.
    """

    label_set: LabelSet
    settings: TfidfSettings
    features: Any = field(repr=False)
    model: Any = field(repr=False)
    trials: tuple[Trial, ...] = ()
    name: str = "tfidf"

    def posteriors(self, texts: Sequence[str]) -> Floats:
        """P(label) of each text, in the label set's order. Shape [n, L]."""
        found = np.zeros((len(texts), len(self.label_set)))
        if texts:
            places = [self.label_set.index(str(label)) for label in self.model.classes_]
            shares = self.model.predict_proba(_matrix(self.features, texts))
            found[:, places] = shares / shares.sum(axis=1, keepdims=True)
        return found

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order."""
        names = self.label_set.names
        for dialogue in dialogues:
            rows = self.posteriors([turn.text for turn in dialogue])
            posteriors = [dict(zip(names, map(float, row), strict=True)) for row in rows]
            yield answer(dialogue, posteriors, self.name)


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
    if len(set(gold)) < 2:
        raise InputError(
            f"{train.title} has only the label '{gold[0]}'; a classifier needs two to tell apart."
        )
    best: Tfidf | None = None
    trials: list[Trial] = []
    for kind in dict.fromkeys(_features_of(settings) for settings in grid):
        features, matrix = _fit_features(kind, texts, train)
        for settings in (one for one in grid if _features_of(one) == kind):
            model = _fit_model(settings, matrix, gold)
            found = Tfidf(train.label_set, settings, features, model)
            score = _weighted_f1(found, dev_texts, dev_gold)
            if best is None or score > max(trial.dev_weighted_f1 for trial in trials):
                best = found
            trials.append(Trial(settings, score))
    if best is None:
        raise ValueError("the grid holds no settings")
    return Tfidf(best.label_set, best.settings, best.features, best.model, tuple(trials))


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


def _matrix(features: Any, texts: Sequence[str]) -> Any:  # noqa: ANN401  (sparse, untyped)
    return features.transform(texts)


def _fit_model(settings: TfidfSettings, matrix: Any, gold: Sequence[str]) -> Any:  # noqa: ANN401
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=settings.strength,
        class_weight="balanced" if settings.balanced else None,
        max_iter=MAX_ITERATIONS,
        tol=TOLERANCE,
    )
    return model.fit(matrix, gold)


def _weighted_f1(system: Tfidf, texts: Sequence[str], gold: Sequence[str]) -> float:
    truth = np.array([system.label_set.index(name) for name in gold], dtype=np.int64)
    answers = system.posteriors(texts).argmax(axis=1).astype(np.int64)
    return float(weighted_f1(count(truth, answers, n_labels=len(system.label_set))[0]))
