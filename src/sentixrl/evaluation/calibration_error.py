"""How far probabilities are from outcomes: ECE, Brier, NLL and the reliability curve.

Contract: pure functions of arrays. Nothing here is fitted; fitting is ``calibration``'s. The
headline error uses 15 bins of equal mass, which small data and confident models need. The error
over bins of equal width, of Guo et al. (2017), "On Calibration of Modern Neural Networks", is given
too. Both are biased upwards on few items: compare them only at the same size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sentixrl.errors import InputError
from sentixrl.evaluation.confusion import Floats, Ints

Bools = NDArray[np.bool_]
BINS = 15
SMALLEST = 5e-7
"""Probabilities below this count as this in :func:`negative_log_likelihoods`: a run's log keeps six
decimals, so its 0 may be anything below."""
_SUM_TOLERANCE = 0.01


class Binning(StrEnum):
    """Where the bins' edges lie."""

    MASS = "mass"
    """Quantiles: every bin holds about as many items."""
    WIDTH = "width"
    """Equal steps from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Items of similar confidence.

    Attributes:
        lower: Left edge, not in the bin (but 0 is in the first).
        upper: Right edge, in the bin.
        n: Items in it; never 0.
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
    """

    lower: float
    upper: float
    n: int
    confidence: float
    accuracy: float


def reliability(
    confidence: Floats, right: Bools, *, bins: int = BINS, binning: Binning = Binning.MASS
) -> list[Bin]:
    """The reliability curve: mean confidence against accuracy, by bin.

    Equal confidences always share a bin, so the order of items does not matter; empty bins are
    left out, and there can be fewer than ``bins``.

    Args:
        confidence: Probabilities of being right. Shape [n].
        right: Whether it was. Shape [n].
        bins: The most bins there may be.
        binning: Equal mass or equal width.
    """
    steps = np.linspace(0, 1, bins + 1)[1:-1]
    if binning is Binning.MASS and len(confidence):
        steps = np.unique(np.quantile(confidence, steps, method="inverted_cdf"))
    place = np.searchsorted(steps, confidence, side="left")
    edges = np.concatenate([[0.0], steps, [1.0]])
    return [
        Bin(
            lower=float(edges[number]),
            upper=float(edges[number + 1]),
            n=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for number in np.unique(place)
        for inside in [place == number]
    ]


def expected_calibration_error(
    confidence: Floats, right: Bools, *, bins: int = BINS, binning: Binning = Binning.MASS
) -> float:
    """ECE: the gap between confidence and accuracy, averaged over items by bin. NaN if empty."""
    curve = reliability(confidence, right, bins=bins, binning=binning)
    gaps = sum(part.n * abs(part.confidence - part.accuracy) for part in curve)
    return gaps / len(confidence) if len(confidence) else float("nan")


def brier_scores(probabilities: Floats, gold: Ints) -> Floats:
    """Brier's (1950) score over all classes, per item: from 0 (right and sure) to 2.

    Args:
        probabilities: Rows that sum to 1. Shape [n, L].
        gold: Shape [n].

    Returns:
        ``Σ_l (p_l - [l is gold])²``. Shape [n].
    """
    truth = np.eye(probabilities.shape[1])[gold]
    return np.asarray(((probabilities - truth) ** 2).sum(axis=1))


def negative_log_likelihoods(probabilities: Floats, gold: Ints) -> Floats:
    """``-ln p(gold)`` in nats, per item, with p not below ``SMALLEST``. Shape [n]."""
    of_gold = probabilities[np.arange(len(gold)), gold]
    return np.asarray(-np.log(np.maximum(of_gold, SMALLEST)))


def probability_matrix(rows: Sequence[Mapping[str, float]], labels: Sequence[str]) -> Floats:
    """Posteriors as an array, each row divided by its sum. Shape [n, L].

    Raises:
        InputError: A row misses a label, is negative somewhere, or does not sum to 1 within 0.01.
    """
    for row in rows:
        missing = [name for name in labels if name not in row]
        if missing:
            raise InputError(f"A prediction gives no probability for the label '{missing[0]}'.")
    matrix = np.array([[row[name] for name in labels] for row in rows], dtype=np.float64)
    matrix = matrix.reshape(len(rows), len(labels))
    sums = matrix.sum(axis=1)
    if not ((matrix >= 0).all() and (abs(sums - 1) <= _SUM_TOLERANCE).all()):
        worst = int(np.argmax(np.where((matrix < 0).any(axis=1), np.inf, abs(sums - 1))))
        raise InputError(
            f"The probabilities of a prediction sum to {sums[worst]:.4g} over the task's labels "
            f"(smallest {matrix[worst].min():.4g}); they must be non-negative and sum to 1."
        )
    return np.asarray(matrix / sums[:, None])
