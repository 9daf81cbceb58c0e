"""Calibrating a model on labelled turns of one's own, and saying what that is worth.

Contract: the model's own first answers are taken, whatever it was calibrated on before. A
temperature moves no answer; a bias per label does, and is fitted only when asked for, drawn towards
none. Where a turn may have several labels, one bias for all of them and each label's threshold are
fitted besides, and they do move answers. What the calibration is worth is measured by
cross-validation over dialogues: every turn is judged by a calibration that its dialogue had no part
in. Conformal sets rest on the same cross-fitted probabilities, pooled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from sentixrl.calibration.conformal import kept
from sentixrl.calibration.posterior import Calibration, Floats, normalise
from sentixrl.calibration.several import Flags, given, log_odds_of, probabilities
from sentixrl.classifier import Classifier
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Utterance
from sentixrl.errors import ConfigError, InputError
from sentixrl.evaluation.calibration_error import expected_calibration_error
from sentixrl.evaluation.confusion import Ints
from sentixrl.evaluation.several import macro_and_micro

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


@dataclass(frozen=True, slots=True)
class FirstJudgements:
    """The same where a turn may have several labels.

    Attributes:
        log_odds: Of each label, ``[n, n_labels]``.
        gold: Whether each label applies, ``[n, n_labels]``.
        owners: In which dialogue each turn stands, as its number in the data, ``[n]``.
    """

    log_odds: Floats
    gold: Flags
    owners: Ints

    def __len__(self) -> int:
        return len(self.gold)


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
class SeveralQuality:
    """How honest and how right the answers about all labels are, as fractions.

    Attributes:
        ece: Expected calibration error of the probabilities that labels apply, 15 bins of equal
            mass, all labels together.
        macro_f1: F1 averaged over all labels; one that is never given counts 0.
        micro_f1: F1 over all decisions.
    """

    ece: float
    macro_f1: float
    micro_f1: float

    @classmethod
    def of(cls, shares: Floats, said: Flags, gold: Flags) -> SeveralQuality:
        """Of probabilities, the labels given and those that apply, all ``[n, n_labels]``."""
        ece = expected_calibration_error(shares.ravel(), gold.ravel())
        return cls(ece, *macro_and_micro(gold, said))


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What came of it.

    Attributes:
        calibration: Fitted on all turns: for one label a turn with the probabilities that conformal
            sets need, for several with thresholds.
        before: As the classifier was.
        after: By cross-validation.
        turns: Labelled turns.
        dialogues: Dialogues they stand in.
        by_dialogue: Whether whole dialogues were held out; if there are too few of them, runs of
            successive turns were.
    """

    calibration: Calibration
    before: Quality | SeveralQuality
    after: Quality | SeveralQuality
    turns: int
    dialogues: int
    by_dialogue: bool


def recalibrate(classifier: Classifier, data: Dataset, *, bias: bool = False) -> Recalibration:
    """Fit a calibration on labelled turns.

    Args:
        classifier: Asked for one label per utterance, or for several, as the data has them.
        data: With the classifier's labels.
        bias: Whether to fit a bias per label too, which moves answers. For one label a turn.

    Raises:
        ConfigError: The engine gives no scores; the data has one label a turn and the classifier is
            asked for several, or the reverse; or a bias is asked for where there are several.
        InputError: There are too few labelled turns, or all have the same labels.
    """
    if classifier.several != data.several:
        there, asked = ("one label", "several") if classifier.several else ("several", "one label")
        raise ConfigError(f"{data.title} has {there} a turn, and the model is asked for {asked}.")
    check_data(data, bias=bias)
    recalibrated = _recalibrate_several if classifier.several else partial(_recalibrate, bias=bias)
    return recalibrated(classifier, data)


def _recalibrate(classifier: Classifier, data: Dataset, *, bias: bool) -> Recalibration:
    answers = first_answers(classifier, data)
    calibration, crossed = cross_fitted(answers, bias=bias)
    before = apply(classifier.negotiation.calibration, answers.log_probs)
    return _report(
        calibration,
        Quality.of(np.exp(before), answers.gold),
        Quality.of(crossed, answers.gold),
        answers.owners,
    )


def cross_fitted(answers: FirstAnswers, *, bias: bool = False) -> tuple[Calibration, Floats]:
    """A calibration with what conformal sets need, and what it is worth.

    Args:
        answers: Of at least :data:`FEWEST` turns.
        bias: Whether to fit a bias per label too.

    Returns:
        The calibration, fitted on all turns; and each turn's probabilities ``[n, n_labels]`` by one
        that its dialogue had no part in.

    Raises:
        InputError: There are too few turns.
    """
    fit = partial(_fit, bias=bias)
    crossed = np.zeros_like(answers.log_probs)
    for inside, other in _crossed(fit, answers.log_probs, answers.gold, answers.owners):
        crossed[inside] = np.exp(apply(other, answers.log_probs[inside]))
    truths = crossed[np.arange(len(answers)), answers.gold]
    return replace(fit(answers.log_probs, answers.gold), truths=kept(truths)), crossed


def _recalibrate_several(classifier: Classifier, data: Dataset) -> Recalibration:
    from sentixrl.calibration.fitting import fit_several

    answers = first_judgements(classifier, data)
    after = cross_validated(answers)
    now = classifier.negotiation.calibration
    before = probabilities(answers.log_odds, now)
    return _report(
        fit_several(answers.log_odds, answers.gold),
        SeveralQuality.of(before, given(before, now), answers.gold),
        after,
        answers.owners,
    )


def cross_validated(answers: FirstJudgements) -> SeveralQuality:
    """What thresholds give that were fitted on the other dialogues.

    Raises:
        InputError: There are too few turns.
    """
    from sentixrl.calibration.fitting import fit_several

    shares, said = np.zeros_like(answers.log_odds), np.zeros_like(answers.gold)
    for inside, other in _crossed(fit_several, answers.log_odds, answers.gold, answers.owners):
        shares[inside] = probabilities(answers.log_odds[inside], other)
        said[inside] = given(shares[inside], other)
    return SeveralQuality.of(shares, said, answers.gold)


def _report(
    calibration: Calibration,
    before: Quality | SeveralQuality,
    after: Quality | SeveralQuality,
    owners: Ints,
) -> Recalibration:
    dialogues = len(np.unique(owners))
    by_dialogue = dialogues >= FOLDS // 2
    return Recalibration(calibration, before, after, len(owners), dialogues, by_dialogue)


class _Fit(Protocol):
    def __call__(self, scores: Floats, gold: np.ndarray, /) -> Calibration: ...


def _crossed(
    fit: _Fit, scores: Floats, gold: np.ndarray, owners: Ints
) -> Iterator[tuple[Flags, Calibration]]:
    """Which turns are held out, and what is fitted on the others; each turn once.

    Raises:
        InputError: Too many turns failed.
    """
    if len(owners) < FEWEST:
        raise InputError(
            f"The model answered {len(owners)} labelled turns; a calibration needs at least "
            f"{FEWEST}, and the others failed."
        )
    folds = _folds(owners)
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        yield inside, fit(scores[~inside], gold[~inside])


def first_answers(classifier: Classifier, data: Dataset) -> FirstAnswers:
    """The model's own first answers to turns with one label, without any calibration.

    Raises:
        ConfigError: The engine gives no scores.
    """
    names = data.label_set.names
    found = [
        (np.log(np.maximum(shares, SMALLEST)), names.index(turn.gold), number)
        for number, turn, shares in _shares(classifier, data)
        if turn.gold is not None
    ]
    rows, gold, owners = _columns(found, len(names))
    return FirstAnswers(rows, gold.astype(np.int64), owners)


def first_judgements(classifier: Classifier, data: Dataset) -> FirstJudgements:
    """The model's own judgements of turns that may have several labels, without any calibration.

    Raises:
        ConfigError: The engine gives no scores.
    """
    names = data.label_set.names
    found = [
        (
            log_odds_of(np.clip(shares, SMALLEST, 1 - SMALLEST), Calibration()),
            [name in turn.golds for name in names],
            number,
        )
        for number, turn, shares in _shares(classifier, data)
        if turn.golds is not None
    ]
    rows, gold, owners = _columns(found, len(names))
    return FirstJudgements(rows, gold.astype(bool).reshape(-1, len(names)), owners)


def _columns(
    found: Sequence[tuple[Floats, object, int]], n_labels: int
) -> tuple[Floats, np.ndarray, Ints]:
    """Scores ``[n, n_labels]``, gold and owners of turns; there may be none."""
    return (
        np.array([row for row, _, _ in found]).reshape(-1, n_labels),
        np.array([gold for _, gold, _ in found]),
        np.array([owner for _, _, owner in found], np.int64),
    )


def _shares(
    classifier: Classifier, data: Dataset
) -> Iterator[tuple[int, Utterance, Sequence[float]]]:
    """Of every turn that did not fail: its dialogue's number, and each label's probability."""
    if not classifier.engine.capabilities.score:
        raise ConfigError(f"The engine '{classifier.engine.name}' gives no probabilities.")
    predictions = classifier.uncalibrated().predict_many(data)
    for number, (dialogue, found) in enumerate(zip(data, predictions, strict=True)):
        for turn, item in zip(dialogue, found.items, strict=True):
            if item.probabilities is not None:
                yield number, turn, [item.probabilities[name] for name in data.label_set.names]


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


def check_data(data: Dataset, *, bias: bool = False) -> None:
    """Refuse what nothing can be fitted on.

    Raises:
        ConfigError: A bias is asked for where a turn may have several labels.
        InputError: There are too few labelled turns, or all have the same label.
    """
    if data.several and bias:
        raise ConfigError(
            "A bias (--bias) is for one label a turn. Where there may be several, each label's "
            "threshold is fitted in any case."
        )
    if data.labelled < FEWEST:
        raise InputError(
            f"{data.title} has {data.labelled} labelled turns; a calibration needs at least "
            f"{FEWEST}.",
            hint=f"Label {FEWEST - data.labelled} more at least; 50 in all are enough.",
        )
    there = [name for name, count in data.label_counts.items() if count]
    if data.several and not there:
        raise InputError(
            f"None of the {data.labelled} labelled turns of {data.title} has any label.",
            hint="Label turns as they come, without choosing.",
        )
    if len(there) < 2 and not data.several:
        raise InputError(
            f"All {data.labelled} labelled turns of {data.title} have the label '{there[0]}'; a "
            "calibration needs at least two labels.",
            hint="Label turns as they come, without choosing.",
        )


def _fit(log_probs: Floats, gold: Ints, *, bias: bool) -> Calibration:
    from sentixrl.calibration.fitting import fit_temperature, fit_with_bias

    return fit_with_bias(log_probs, gold) if bias else fit_temperature(log_probs, gold)
