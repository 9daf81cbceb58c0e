"""Accuracy and F1 from confusion matrices, over any number of matrices at once.

Contract: every function takes matrices of shape [..., L, L + 1] (gold by answer, the last column
for no answer) and reduces the last two axes. Values equal scikit-learn's with
``labels=<the task's labels>, zero_division=0``: an item without an answer is a miss for its gold
class and a false alarm for none, and a class that is neither in gold nor in the answers counts 0
in the macro average. Where a matrix is empty, accuracy, weighted- and macro-F1 are NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sentixrl.evaluation.confusion import Floats

HEADLINE = ("accuracy", "weighted_f1", "macro_f1")
"""The names of what :func:`headline` returns, in order."""

Statistic = Callable[[Floats], Floats]
"""Takes summed counts [..., *K] to values [..., M]."""


def _ratio(part: Floats, whole: Floats, empty: float = 0.0) -> Floats:
    safe = np.full(np.shape(whole), empty)
    return np.asarray(np.divide(part, whole, out=safe, where=whole > 0))


def hits(matrices: Floats) -> Floats:
    """Right answers by class. Shape [..., L]."""
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def support(matrices: Floats) -> Floats:
    """Gold items by class. Shape [..., L]."""
    return np.asarray(matrices.sum(axis=-1))


def answered(matrices: Floats) -> Floats:
    """Answers by class. Shape [..., L]."""
    return np.asarray(matrices[..., :-1].sum(axis=-2))


def precision(matrices: Floats) -> Floats:
    """Right answers among the answers of a class, 0 where there are none. Shape [..., L]."""
    return _ratio(hits(matrices), answered(matrices))


def recall(matrices: Floats) -> Floats:
    """Right answers among the gold items of a class, 0 where there are none. Shape [..., L]."""
    return _ratio(hits(matrices), support(matrices))


def f1(matrices: Floats) -> Floats:
    """Harmonic mean of precision and recall by class, 0 for an empty class. Shape [..., L]."""
    return _ratio(2 * hits(matrices), support(matrices) + answered(matrices))


def accuracy(matrices: Floats) -> Floats:
    """Right answers among all items. Shape [...]."""
    return _ratio(hits(matrices).sum(axis=-1), matrices.sum(axis=(-2, -1)), empty=np.nan)


def weighted_f1(matrices: Floats) -> Floats:
    """F1 averaged over classes by their gold share. Shape [...]."""
    weights = support(matrices)
    return _ratio((f1(matrices) * weights).sum(axis=-1), weights.sum(axis=-1), empty=np.nan)


def macro_f1(matrices: Floats) -> Floats:
    """F1 averaged over the task's classes, each counting the same. Shape [...]."""
    held = matrices.sum(axis=(-2, -1)) > 0
    return np.where(held, f1(matrices).mean(axis=-1), np.nan)


def micro_f1_without(matrices: Floats, neutral: int) -> Floats:
    """Micro-averaged F1 over all classes but one, as published for DailyDialog. Shape [...].

    Args:
        matrices: Shape [..., L, L + 1].
        neutral: Position of the class that is left out of the average. Its items still count
            as false alarms where another class was answered.
    """
    kept = [place for place in range(matrices.shape[-2]) if place != neutral]
    both = (support(matrices) + answered(matrices))[..., kept].sum(axis=-1)
    return _ratio(2 * hits(matrices)[..., kept].sum(axis=-1), both)


def headline(matrices: Floats) -> Floats:
    """Accuracy, weighted-F1 and macro-F1. Shape [..., 3]."""
    return np.stack([accuracy(matrices), weighted_f1(matrices), macro_f1(matrices)], axis=-1)
