"""Calibration and abstention of one run, from its items.

Contract: two probabilities are judged separately, each on the items that have it. ``proposal``: the
posterior of the first round against gold. ``answer``: the confidence of the final label against
whether that label is right. If there is neither, there is no report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sentixrl.evaluation.calibration_error import (
    BINS,
    Binning,
    Bools,
    brier_scores,
    expected_calibration_error,
    negative_log_likelihoods,
    probability_matrix,
    reliability,
)
from sentixrl.evaluation.confusion import Floats, cluster_codes, gold_codes
from sentixrl.evaluation.intervals import Resampling, json_number, mean_intervals
from sentixrl.evaluation.items import Answer, Item
from sentixrl.evaluation.risk_coverage import risk_coverage, thinned

_SAME = 5e-4
"""How much rounding may move a measure of the same probabilities."""


def calibration_report(
    items: Sequence[Item], labels: Sequence[str], how: Resampling
) -> dict[str, Any] | None:
    """ECE, Brier, NLL, reliability and risk–coverage, or ``None`` without probabilities.

    Raises:
        InputError: An item's probabilities are not a distribution over ``labels``.
    """
    with_posterior = [item for item in items if item.probabilities is not None]
    with_confidence = [item for item in items if item.covered and item.confidence is not None]
    if not with_posterior and not with_confidence:
        return None
    return {
        "proposal": _of_posteriors(with_posterior, labels, how) if with_posterior else None,
        "answer": _of_confidences(with_confidence) if with_confidence else None,
        "risk_coverage": _risk_coverage(items, by_confidence=bool(with_confidence)),
        "sets": _sets(items, labels, how),
    }


def _sets(items: Sequence[Item], labels: Sequence[str], how: Resampling) -> dict[str, Any] | None:
    """How often sets of candidates hold the true label, and how large they are."""
    found = [item for item in items if item.candidates is not None]
    if not found:
        return None
    sizes = [len(item.candidates or ()) for item in found]
    holds = [float(item.gold in (item.candidates or ())) for item in found]
    full = [float(size == len(labels)) for size in sizes]
    values = np.column_stack([holds, np.array(sizes, np.float64), full])
    names = ("coverage", "mean_size", "full")
    intervals = mean_intervals(values, cluster_codes(found), how)
    return {
        "n": len(found),
        **{name: each.as_dict() for name, each in zip(names, intervals, strict=True)},
    }


def one_probability(report: Mapping[str, Any]) -> bool:
    """Whether ``proposal`` and ``answer`` judge the same numbers, as without negotiation.

    Stored numbers are rounded, so the two differ in late decimals, and a few items in their bins.
    """
    proposal, answer = report.get("proposal"), report.get("answer")
    if not proposal or not answer or proposal["n"] != answer["n"]:
        return False
    measures = ("accuracy", "mean_confidence", "ece")
    return all(math.isclose(proposal[key], answer[key], abs_tol=_SAME) for key in measures)


def _of_posteriors(items: Sequence[Item], labels: Sequence[str], how: Resampling) -> dict[str, Any]:
    matrix = probability_matrix([item.probabilities or {} for item in items], labels)
    gold = gold_codes(items, labels)
    scores = np.column_stack([brier_scores(matrix, gold), negative_log_likelihoods(matrix, gold)])
    brier, nll = mean_intervals(scores, cluster_codes(items), how)
    return {
        **_calibration(matrix.max(axis=1), matrix.argmax(axis=1) == gold),
        "brier": brier.as_dict(),
        "nll": nll.as_dict(),
    }


def _of_confidences(items: Sequence[Item]) -> dict[str, Any]:
    confidence = np.array([item.confidence for item in items], dtype=np.float64)
    right = np.array([item.label == item.gold for item in items])
    return _calibration(confidence, right)


def _calibration(confidence: Floats, right: Bools) -> dict[str, Any]:
    error = {
        binning: expected_calibration_error(confidence, right, binning=binning)
        for binning in Binning
    }
    return {
        "n": len(confidence),
        "bins": BINS,
        "ece": json_number(error[Binning.MASS]),
        "ece_equal_width": json_number(error[Binning.WIDTH]),
        "mean_confidence": json_number(float(confidence.mean())),
        "accuracy": json_number(float(right.mean())),
        "reliability": [
            {name: round(value, 6) for name, value in asdict(part).items()}
            for part in reliability(confidence, right)
        ],
    }


def _risk_coverage(items: Sequence[Item], *, by_confidence: bool) -> dict[str, Any]:
    """Over all items; those without a label or a score are answered last, with the forced label."""
    scores = np.array([_score(item, by_confidence=by_confidence) for item in items])
    right = np.array([item.answer(Answer.FORCED) == item.gold for item in items])
    curve = risk_coverage(scores, right)
    return {
        "ranked_by": "confidence" if by_confidence else "posterior",
        "aurc": json_number(curve.aurc),
        "optimal": json_number(curve.optimal),
        "excess": json_number(curve.excess),
        "curve": thinned(curve),
    }


def _score(item: Item, *, by_confidence: bool) -> float:
    if not item.covered:
        return -np.inf
    if by_confidence:
        return -np.inf if item.confidence is None else item.confidence
    return -np.inf if item.probabilities is None else max(item.probabilities.values())
