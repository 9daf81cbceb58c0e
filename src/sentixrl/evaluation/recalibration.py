"""Calibrating a model on labelled turns of one's own, and saying what that is worth.

Contract: the model's own first answers are taken, whatever it was calibrated on before. A
temperature moves no answer; a bias per label does, and is fitted only when asked for, drawn towards
none. What the calibration is worth is measured by cross-validation over dialogues: every turn is
judged by a calibration that its dialogue had no part in. Conformal sets rest on the same
cross-fitted probabilities, pooled.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from sentixrl.calibration.conformal import kept
from sentixrl.calibration.posterior import Calibration, Floats, normalise
from sentixrl.classifier import Classifier
from sentixrl.datasets.dataset import Dataset
from sentixrl.errors import ConfigError, InputError
from sentixrl.evaluation.calibration_error import expected_calibration_error
from sentixrl.evaluation.confusion import Ints

FEWEST = 30
"""Labelled turns below which nothing is fitted."""
FOLDS = 10
SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class FirstAnswers:
    """A model's uncalibrated first answers about the labelled turns of a file.

    Attributes:
        log_probs: ``[n, n_labels]``.
        gold: The gold labels' indices, ``[n]``.
        owners: In which dialogue each turn stands, as its number in the data, ``[n]``.
    """

    log_probs: Floats
    gold: Ints
    owners: Ints

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def dialogues(self) -> int:
        """How many dialogues they stand in."""
        return len(np.unique(self.owners))


@dataclass(frozen=True, slots=True)
class Quality:
    """How honest the probabilities of the likeliest labels are, as fractions.

    Attributes:
        ece: Expected calibration error, 15 bins of equal mass.
        confidence: Their mean.
        accuracy: How often they are right.
    """

    ece: float
    confidence: float
    accuracy: float

    @classmethod
    def of(cls, posteriors: Floats, gold: Ints) -> Quality:
        """Of posteriors ``[n, n_labels]``."""
        sure, right = posteriors.max(-1), posteriors.argmax(-1) == gold
        return cls(expected_calibration_error(sure, right), float(sure.mean()), float(right.mean()))


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What came of it.

    Attributes:
        calibration: Fitted on all turns, with the probabilities that conformal sets need.
        before: As the classifier was.
        after: By cross-validation.
        turns: Labelled turns.
        dialogues: Dialogues they stand in.
        by_dialogue: Whether whole dialogues were held out; if there are too few of them, runs of
            successive turns were.
    """

    calibration: Calibration
    before: Quality
    after: Quality
    turns: int
    dialogues: int
    by_dialogue: bool


def recalibrate(classifier: Classifier, data: Dataset, *, bias: bool = False) -> Recalibration:
    """Fit a calibration on labelled turns.

    Args:
        classifier: Asked for one label per utterance.
        data: With the classifier's labels.
        bias: Whether to fit a bias per label too, which moves answers.

    Raises:
        ConfigError: It is asked for several labels, or its engine gives no scores.
        InputError: There are too few labelled turns, or all have the same label.
    """
    if classifier.several:
        raise ConfigError(
            "A calibration on a file of one's own is for one label a turn, and several are asked "
            "for here.",
            hint="Train with a part of 'kind: several' instead, which fits their thresholds.",
        )
    check_turns(data)
    answers = first_answers(classifier, data)
    before = classifier.negotiation.calibration
    fitted = _fit(answers.log_probs, answers.gold, bias=bias)
    crossed = np.zeros_like(answers.log_probs)
    folds = _folds(answers.owners)
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        other = _fit(answers.log_probs[~inside], answers.gold[~inside], bias=bias)
        crossed[inside] = np.exp(apply(other, answers.log_probs[inside]))
    truths = crossed[np.arange(len(answers)), answers.gold]
    return Recalibration(
        replace(fitted, truths=kept(truths)),
        Quality.of(np.exp(apply(before, answers.log_probs)), answers.gold),
        Quality.of(crossed, answers.gold),
        len(answers),
        answers.dialogues,
        answers.dialogues >= FOLDS // 2,
    )


def first_answers(classifier: Classifier, data: Dataset) -> FirstAnswers:
    """The model's own first answers, without any calibration.

    Raises:
        ConfigError: The engine gives no scores.
    """
    if not classifier.engine.capabilities.score:
        raise ConfigError(f"The engine '{classifier.engine.name}' gives no probabilities.")
    plain = classifier.uncalibrated()
    names = data.label_set.names
    rows, gold, owners = [], [], []
    for number, (dialogue, found) in enumerate(zip(data, plain.predict_many(data), strict=True)):
        for turn, item in zip(dialogue, found.items, strict=True):
            if turn.gold is not None and item.probabilities is not None:
                shares = [max(item.probabilities[name], SMALLEST) for name in names]
                rows.append(np.log(shares))
                gold.append(names.index(turn.gold))
                owners.append(number)
    return FirstAnswers(
        np.array(rows).reshape(-1, len(names)),
        np.array(gold, np.int64),
        np.array(owners, np.int64),
    )


def apply(calibration: Calibration, log_probs: Floats) -> Floats:
    """Calibrated log-probabilities of many turns, shape kept."""
    scores = calibration.scale * log_probs
    return normalise(scores + np.asarray(calibration.bias) if calibration.bias else scores)


def _folds(owners: Ints) -> Ints:
    """Whole dialogues a fold, about equally many turns each; else runs of successive turns."""
    sizes = Counter(owners.tolist())
    if len(sizes) < FOLDS // 2:
        return np.arange(len(owners)) * FOLDS // max(len(owners), 1)
    filled = np.zeros(min(FOLDS, len(sizes)))
    fold_of: dict[int, int] = {}
    for owner, size in sizes.most_common():
        fold_of[owner] = int(filled.argmin())
        filled[fold_of[owner]] += size
    return np.array([fold_of[owner] for owner in owners.tolist()], np.int64)


def check_turns(data: Dataset) -> None:
    """Refuse what nothing can be fitted on.

    Raises:
        InputError: There are too few labelled turns, or all have the same label.
    """
    if data.labelled < FEWEST:
        raise InputError(
            f"{data.title} has {data.labelled} labelled turns; a calibration needs at least "
            f"{FEWEST}.",
            hint="50 are enough.",
        )
    there = [name for name, count in data.label_counts.items() if count]
    if len(there) < 2:
        raise InputError(
            f"All {data.labelled} labelled turns of {data.title} have the label '{there[0]}'; a "
            "calibration needs at least two labels.",
            hint="Label turns as they come, without choosing.",
        )


def _fit(log_probs: Floats, gold: Ints, *, bias: bool) -> Calibration:
    from sentixrl.calibration.fitting import fit_temperature, fit_with_bias

    return fit_with_bias(log_probs, gold) if bias else fit_temperature(log_probs, gold)
