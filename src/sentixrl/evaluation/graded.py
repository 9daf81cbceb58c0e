"""Sentiment scores cut into classes, scored at each granularity (CH-SIMS's Acc-2, Acc-3, Acc-5).

Contract: only class codes are passed in; the bounds of the classes are the data set's. Two metrics
are called "F1" in the field: MMSA's regression path means weighted-F1 over two classes, its
classification path weighted-F1 over three (``metricsTop.py`` of thuiar/MMSA). Both are given,
as ``f1_2`` and ``f1_3``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sentixrl.evaluation.confusion import Floats, Ints, count
from sentixrl.evaluation.intervals import Interval, Resampling, intervals
from sentixrl.evaluation.metrics import accuracy, weighted_f1


def graded_metrics(
    gold: Mapping[int, Ints],
    answers: Mapping[int, Ints],
    clusters: Ints,
    how: Resampling | None = None,
) -> dict[str, Interval]:
    """Accuracy and weighted-F1 at each granularity.

    Args:
        gold: Number of classes k → codes below k. Shapes [n].
        answers: The same for the answers; k means no answer. Shapes [n].
        clusters: Cluster of each item, from 0. Shape [n].
        how: Number of draws, seed and level.

    Returns:
        ``acc_k`` and ``f1_k`` for every k that both mappings hold, ascending.
    """
    how = how or Resampling()
    found: dict[str, Interval] = {}
    for classes in sorted(set(gold) & set(answers)):
        tallies = count(
            gold[classes],
            answers[classes],
            clusters,
            n_labels=classes,
            n_clusters=int(clusters.max(initial=-1)) + 1,
        )
        pair = intervals(tallies, _accuracy_and_f1, how)
        found[f"acc_{classes}"], found[f"f1_{classes}"] = pair
    return found


def _accuracy_and_f1(counts: Floats) -> Floats:
    return np.stack([accuracy(counts), weighted_f1(counts)], axis=-1)
