"""CH-SIMS's Acc-2, Acc-3 and Acc-5 of a run that answered with labels.

Contract: gold scores are the data set's own, cut as MMSA cuts them. For Acc-2 and Acc-3 an answer's
label counts as -1, 0 or 1. Acc-5 needs a finer answer: P(positive) - P(negative) of the first
round, the expected score; if an item has no probabilities, there is no Acc-5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sentixrl.datasets import ch_sims
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.sims_scores import score_of_label, sims_class
from sentixrl.evaluation.confusion import Ints, cluster_codes
from sentixrl.evaluation.graded import graded_metrics
from sentixrl.evaluation.intervals import Resampling
from sentixrl.evaluation.items import Item

BY_LABEL, BY_SCORE = (2, 3), 5


def sentiment_metrics(
    dataset: Dataset, items: Sequence[Item], how: Resampling | None = None
) -> dict[str, Any] | None:
    """``acc_k`` and ``f1_k`` with intervals, or ``None`` for data without sentiment scores."""
    scores = {
        (dialogue.id, index): float(turn.metadata[ch_sims.SCORE])
        for dialogue in dataset
        for index, turn in enumerate(dialogue)
        if dataset.name == ch_sims.INFO.name and ch_sims.SCORE in turn.metadata
    }
    if not scores or any(item.key not in scores for item in items):
        return None
    truths = [scores[item.key] for item in items]
    gold = {k: _codes(truths, k) for k in (*BY_LABEL, BY_SCORE)}
    answers = {k: _answers(items, k, _label_score) for k in BY_LABEL}
    if all(item.probabilities is not None for item in items):
        answers[BY_SCORE] = _answers(items, BY_SCORE, _expected_score)
    found = graded_metrics(gold, answers, cluster_codes(items), how)
    return {name: interval.as_dict() for name, interval in found.items()}


def _codes(scores: Sequence[float], classes: int) -> Ints:
    return np.array([sims_class(score, classes) for score in scores], dtype=np.int64)


def _answers(items: Sequence[Item], classes: int, score: Callable[[Item], float | None]) -> Ints:
    found = [score(item) for item in items]
    codes = [classes if one is None else sims_class(one, classes) for one in found]
    return np.array(codes, dtype=np.int64)


def _label_score(item: Item) -> float | None:
    label = item.answer()
    return None if label is None else score_of_label(label)


def _expected_score(item: Item) -> float | None:
    posterior = item.probabilities or {}
    return posterior.get("positive", 0.0) - posterior.get("negative", 0.0)
