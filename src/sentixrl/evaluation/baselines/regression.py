"""Logistic regression over features of a text, for one label per utterance and for several.

Contract: what is learned comes from train, what is chosen from dev; no other split is seen. One
label: a multinomial regression, chosen by weighted-F1. Several: one regression a label (one against
the rest), chosen by macro-F1, with thresholds fitted on dev as a model's are. The posteriors are
the regression's own; a label that train lacks has probability 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sentixrl.calibration.posterior import Calibration
from sentixrl.calibration.several import given
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.evaluation.baselines.system import answer, judged, labelled, labelled_several
from sentixrl.evaluation.confusion import Bools, Floats, count
from sentixrl.evaluation.metrics import macro_f1, weighted_f1
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction

MAX_ITERATIONS = 500
TOLERANCE = 1e-3
STRENGTHS = (1.0, 4.0, 16.0)
"""scikit-learn's ``C`` that are tried where there is a regression per label."""


class Features(Protocol):
    """Makes a matrix of texts."""

    def transform(self, texts: Sequence[str], /) -> Any:  # noqa: ANN401  (sparse, untyped)
        """Shape [n, d]."""
        ...


@dataclass(frozen=True)
class TextRegression:
    """One label per utterance.

    Attributes:
        label_set: The task's labels.
        features: Made of texts.
        model: scikit-learn's.
        name: What results call it.
    """

    label_set: LabelSet
    features: Features = field(repr=False)
    model: Any = field(repr=False)
    name: str

    def posteriors(self, texts: Sequence[str]) -> Floats:
        """P(label) of each text, in the label set's order. Shape [n, L]."""
        found = np.zeros((len(texts), len(self.label_set)))
        if texts:
            places = [self.label_set.index(str(label)) for label in self.model.classes_]
            shares = self.model.predict_proba(self.features.transform(texts))
            found[:, places] = shares / shares.sum(axis=1, keepdims=True)
        return found

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order."""
        names = self.label_set.names
        for dialogue in dialogues:
            rows = self.posteriors([turn.text for turn in dialogue])
            posteriors = [dict(zip(names, map(float, row), strict=True)) for row in rows]
            yield answer(dialogue, posteriors, self.name)

    def weighted_f1(self, texts: Sequence[str], gold: Sequence[str]) -> float:
        """Weighted-F1 of its likeliest labels, as a fraction."""
        truth = np.array([self.label_set.index(name) for name in gold], dtype=np.int64)
        answers = self.posteriors(texts).argmax(axis=1).astype(np.int64)
        return float(weighted_f1(count(truth, answers, n_labels=len(self.label_set))[0]))


@dataclass(frozen=True)
class LabelRegressions:
    """Any number of labels an utterance: one regression a label.

    Attributes:
        label_set: The task's labels.
        features: Made of texts.
        models: scikit-learn's, one a label; ``None`` for one that train lacks.
        strength: scikit-learn's ``C``, chosen on dev.
        dev_macro_f1: What it gave on dev, as a fraction.
        thresholds: The probability from which each label is given, fitted on dev.
        name: What results call it.
    """

    label_set: LabelSet
    features: Features = field(repr=False)
    models: tuple[Any, ...] = field(repr=False)
    strength: float
    dev_macro_f1: float
    thresholds: tuple[float, ...]
    name: str

    def shares(self, texts: Sequence[str]) -> Floats:
        """The probability that each label applies to each text. Shape [n, L]."""
        return _shares(self.models, self.features.transform(texts)) if texts else _nothing(self)

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order."""
        cut = Calibration(thresholds=self.thresholds)
        names = self.label_set.names
        for dialogue in dialogues:
            shares = self.shares([turn.text for turn in dialogue])
            yield judged(dialogue, names, shares, given(shares, cut), self.name)


def _nothing(system: LabelRegressions) -> Floats:
    return np.zeros((0, len(system.label_set)))


def fit_regressions(
    features: Features,
    train: Dataset,
    dev: Dataset,
    name: str,
    strengths: Sequence[float] = STRENGTHS,
) -> LabelRegressions:
    """Train one regression a label with every strength, and keep the best on dev.

    Args:
        features: Fitted already, if they need to be.
        train: The data to learn from.
        dev: The data to choose and to fit thresholds on.
        name: What results call it.
        strengths: scikit-learn's ``C``, at least one.

    Raises:
        InputError: A split has no gold labels.
        MissingDependencyError: scikit-learn is not installed.
    """
    regression = _regression()  # said before SciPy, which comes with it, is missed
    from sentixrl.calibration.fitting import fit_thresholds

    texts, gold = labelled_several(train)
    dev_texts, dev_gold = labelled_several(dev)
    matrix, dev_matrix = features.transform(texts), features.transform(dev_texts)
    best: LabelRegressions | None = None
    for strength in strengths:
        models = tuple(_against_the_rest(regression, matrix, flags, strength) for flags in gold.T)
        shares = _shares(models, dev_matrix)
        thresholds = fit_thresholds(shares, dev_gold)
        score = _macro_f1(given(shares, Calibration(thresholds=thresholds)), dev_gold)
        if best is None or score > best.dev_macro_f1:
            label_set = train.label_set
            best = LabelRegressions(label_set, features, models, strength, score, thresholds, name)
    assert best is not None
    return best


def fit_one(matrix: Any, gold: Sequence[str], strength: float, *, balanced: bool = False) -> Any:  # noqa: ANN401
    """A multinomial regression.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    model = _regression()(
        C=strength,
        class_weight="balanced" if balanced else None,
        max_iter=MAX_ITERATIONS,
        tol=TOLERANCE,
    )
    return model.fit(matrix, gold)


def check_classes(train: Dataset, gold: Sequence[str]) -> None:
    """Refuse to learn from a single label.

    Raises:
        InputError: There is no other.
    """
    if len(set(gold)) < 2:
        raise InputError(
            f"{train.title} has only the label '{gold[0]}'; a classifier needs two to tell apart."
        )


def fit_best(
    features: Features, train: Dataset, dev: Dataset, name: str, strengths: Sequence[float]
) -> tuple[TextRegression, float, float]:
    """Train one regression with every strength, and keep the best on dev by weighted-F1.

    Args:
        features: Fitted already, if they need to be.
        train: The data to learn from.
        dev: The data to choose on.
        name: What results call it.
        strengths: scikit-learn's ``C``, at least one.

    Returns:
        The best, its strength and its weighted-F1 on dev.

    Raises:
        InputError: A split has no gold labels, or train has but one.
        MissingDependencyError: scikit-learn is not installed.
    """
    texts, gold = labelled(train)
    dev_texts, dev_gold = labelled(dev)
    check_classes(train, gold)
    matrix, fixed = features.transform(texts), _Known(features.transform(dev_texts))
    tried: list[tuple[float, int, float, Any]] = []
    for strength in strengths:
        model = fit_one(matrix, gold, strength)
        score = TextRegression(train.label_set, fixed, model, name).weighted_f1(dev_texts, dev_gold)
        tried.append((score, -len(tried), strength, model))
    score, _, strength, model = max(tried, key=lambda one: one[:2])
    return TextRegression(train.label_set, features, model, name), strength, score


@dataclass(frozen=True)
class _Known:
    """Features that were made before."""

    matrix: Any

    def transform(self, texts: Sequence[str], /) -> Any:  # noqa: ANN401
        return self.matrix


def _against_the_rest(kind: Any, matrix: Any, flags: Bools, strength: float) -> Any:  # noqa: ANN401
    if flags.all() or not flags.any():
        return None
    model = kind(
        C=strength, solver="liblinear", max_iter=MAX_ITERATIONS, tol=TOLERANCE, random_state=0
    )
    return model.fit(matrix, flags)


def _shares(models: Sequence[Any], matrix: Any) -> Floats:  # noqa: ANN401
    columns = [
        np.zeros(matrix.shape[0]) if model is None else model.predict_proba(matrix)[:, 1]
        for model in models
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _macro_f1(said: Bools, gold: Bools) -> float:
    counts = np.stack([(said & gold).sum(0), gold.sum(0), said.sum(0)], dtype=np.float64)
    return float(macro_f1(counts))


def _regression() -> Any:  # noqa: ANN401
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingDependencyError.of("scikit-learn", "eval") from None
    return LogisticRegression
