"""Accuracy and F1 from counts by class, over any number of counts at once.

Contract: every function takes counts of shape [..., 3, L] (right answers, gold items and answers by
class, see :mod:`sentixrl.evaluation.confusion`) and reduces the last two axes. Values equal
scikit-learn's with ``labels=<the task's labels>, zero_division=0``: an item without an answer is a
miss for its gold class and a false alarm for no class, and a class that occurs neither in gold nor
in the answers counts 0 in the macro average. Without items, accuracy, weighted- and macro-F1 are
NaN.
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


def hits(counts: Floats) -> Floats:
    """Right answers by class. Shape [..., L]."""
    return counts[..., 0, :]


def support(counts: Floats) -> Floats:
    """Gold items by class. Shape [..., L]."""
    return counts[..., 1, :]


def answered(counts: Floats) -> Floats:
    """Answers by class. Shape [..., L]."""
    return counts[..., 2, :]


def precision(counts: Floats) -> Floats:
    """Right answers among the answers of a class, 0 if there are none. Shape [..., L]."""
    return _ratio(hits(counts), answered(counts))


def recall(counts: Floats) -> Floats:
    """Right answers among the gold items of a class, 0 if there are none. Shape [..., L]."""
    return _ratio(hits(counts), support(counts))


def f1(counts: Floats) -> Floats:
    """Harmonic mean of precision and recall by class, 0 for an empty class. Shape [..., L]."""
    return _ratio(2 * hits(counts), support(counts) + answered(counts))


def accuracy(counts: Floats) -> Floats:
    """Right answers among all items. Shape [...]."""
    return _ratio(hits(counts).sum(axis=-1), support(counts).sum(axis=-1), empty=np.nan)


def weighted_f1(counts: Floats) -> Floats:
    """F1 averaged over classes by their gold share. Shape [...]."""
    weights = support(counts)
    return _ratio((f1(counts) * weights).sum(axis=-1), weights.sum(axis=-1), empty=np.nan)


def macro_f1(counts: Floats) -> Floats:
    """F1 averaged over the task's classes, each counting the same. Shape [...]."""
    held = support(counts).sum(axis=-1) > 0
    return np.where(held, f1(counts).mean(axis=-1), np.nan)


def micro_f1_without(counts: Floats, neutral: int) -> Floats:
    """Micro-averaged F1 over all classes but one, as published for DailyDialog. Shape [...].

    Args:
        counts: Shape [..., 3, L].
        neutral: Position of the class that is left out of the average. Its items still count as
            false alarms if another class was answered.
    """
    kept = [place for place in range(counts.shape[-1]) if place != neutral]
    both = (support(counts) + answered(counts))[..., kept].sum(axis=-1)
    return _ratio(2 * hits(counts)[..., kept].sum(axis=-1), both)


def headline(counts: Floats) -> Floats:
    """Accuracy, weighted-F1 and macro-F1. Shape [..., 3]."""
    return np.stack([accuracy(counts), weighted_f1(counts), macro_f1(counts)], axis=-1)
