"""Whether a trained model should negotiate, and when its discriminator counts as agreeing.

Contract: dev decides between not negotiating and negotiating at a few thresholds of P(agree); a
tie goes to not negotiating, which is cheaper. All that was tried is returned, for the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sentixrl.classifier import Classifier
from sentixrl.datasets.dataset import Dataset
from sentixrl.evaluation.confusion import count
from sentixrl.evaluation.metrics import weighted_f1
from sentixrl.negotiation.protocol import Rules
from sentixrl.prediction import Prediction, Status
from sentixrl.training.supplements import SupplementsOf, nothing_besides

OBJECTIONS = (0.05, 0.1, 0.2, 0.35)
"""Shares of the proposals that the thresholds tried would object to."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to negotiate, on dev.

    Attributes:
        threshold: The discriminator agrees from this P(agree) on; ``None`` for no negotiation.
        weighted_f1: Mean over the dev parts, every turn answered.
        coverage: Share of the turns that got a label without force.
    """

    threshold: float | None
    weighted_f1: float
    coverage: float


def choose_policy(
    classifier: Classifier,
    dev: Mapping[str, Dataset],
    supplements: SupplementsOf = nothing_besides,
) -> list[Trial]:
    """Try not to negotiate and a few thresholds; the best trial stands first."""
    judges = {
        name: classifier.replace(labels=data.label_set, supplements=supplements(data))
        for name, data in dev.items()
    }
    judged = _answers(judges, dev, threshold=0.0, rules=Rules(1, 1))
    agree = [
        answer.rounds[0].judgement.agree_log_prob
        for answers in judged.values()
        for answer in answers
        if answer.rounds and answer.rounds[0].judgement is not None
    ]
    found = np.exp([value for value in agree if value is not None])
    trials = [_trial(None, judged, dev)]
    for share in OBJECTIONS:
        threshold = round(float(np.quantile(found, share)), 6)
        answers = _answers(judges, dev, threshold, Rules())
        trials.append(_trial(threshold, answers, dev))
    return sorted(trials, key=lambda trial: -trial.weighted_f1)  # stable: a tie keeps the order


def _answers(
    judges: Mapping[str, Classifier], dev: Mapping[str, Dataset], threshold: float, rules: Rules
) -> dict[str, list[Prediction]]:
    answers = {}
    for name, data in dev.items():
        options = replace(
            judges[name].negotiation,
            enabled=True,
            confidence_threshold=None,
            agree_threshold=threshold,
            rules=rules,
        )
        judge = judges[name].replace(negotiation=options)
        answers[name] = [item for result in judge.predict_many(data) for item in result.items]
    return answers


def _trial(
    threshold: float | None, answers: Mapping[str, list[Prediction]], dev: Mapping[str, Dataset]
) -> Trial:
    scores, labelled, covered = [], 0, 0
    for name, data in dev.items():
        names = data.label_set.names
        pairs = [
            (turn.gold, answer)
            for turn, answer in zip(data.utterances, answers[name], strict=True)
            if turn.gold is not None
        ]
        gold = np.array([names.index(label) for label, _ in pairs])
        given = np.array([_index(names, answer) for _, answer in pairs])
        scores.append(float(weighted_f1(count(gold, given, n_labels=len(names))[0])))
        labelled += len(pairs)
        covered += sum(answer.status is not Status.OUTLIER for _, answer in pairs)
    return Trial(threshold, float(np.mean(scores)), covered / labelled)


def _index(names: tuple[str, ...], answer: Prediction) -> int:
    """The forced answer's place; one past the labels where there is none."""
    return len(names) if answer.fallback is None else names.index(answer.fallback)
