"""``metrics.json``: everything measured of one run, as fractions with their intervals.

Contract: plain JSON data, without NaN. The headline (``accuracy``, ``weighted_f1``, ``macro_f1``)
scores the forced label at full coverage; ``outlier_as_wrong``, ``selective`` and ``coverage`` are
given too. ``warnings`` says which intervals should not be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sentixrl.errors import InputError
from sentixrl.evaluation.calibration_report import calibration_report
from sentixrl.evaluation.confusion import (
    Floats,
    cluster_codes,
    cluster_names,
    confusion,
    tally,
)
from sentixrl.evaluation.intervals import (
    Interval,
    Resampling,
    class_warnings,
    intervals,
    mean_intervals,
)
from sentixrl.evaluation.items import Answer, Item
from sentixrl.evaluation.metrics import (
    HEADLINE,
    answered,
    f1,
    headline,
    micro_f1_without,
    precision,
    recall,
    support,
)
from sentixrl.evaluation.negotiation_effect import negotiation_effect
from sentixrl.evaluation.slices import slices
from sentixrl.labels import LabelSet


def nothing_to_score() -> InputError:
    """The message for data without gold labels."""
    return InputError(
        "There is nothing to score: no utterance has a gold label.",
        hint="Name the column that holds the gold labels, or choose a split that has them.",
    )


def metrics_json(
    items: Sequence[Item],
    label_set: LabelSet,
    *,
    how: Resampling | None = None,
    neutral: str | None = None,
) -> dict[str, Any]:
    """The content of ``metrics.json``.

    Args:
        items: The run's items.
        label_set: The task's labels.
        how: Number of draws, seed and level.
        neutral: A label to leave out of a further micro-F1 (DailyDialog's ``no_emotion``).

    Raises:
        InputError: There are no items, or one has a gold label or answer outside the set.
        LabelError: ``neutral`` is not a label of the set.
    """
    if not items:
        raise nothing_to_score()
    how = how or Resampling()
    labels = label_set.names
    forced = tally(items, labels)
    return {
        **run_facts(len(items), len(forced), label_set, how),
        **_headline(forced, how),
        **_micro_f1(forced, label_set, neutral, how),
        "coverage": _coverage(items, how).as_dict(),
        **_flip_rate(items, how),
        "outlier_as_wrong": _headline(tally(items, labels, Answer.STRICT), how),
        "selective": _selective(items, labels, how),
        "per_class": per_class(forced, labels, how),
        "confusion": _confusion(items, labels),
        "calibration": calibration_report(items, labels, how),
        "negotiation": negotiation_effect(items, labels, how).as_dict(),
        "slices": _slices(items, labels, how),
        "warnings": class_warnings(forced, labels),
    }


def _headline(tallies: Floats, how: Resampling) -> dict[str, Any]:
    found = intervals(tallies, headline, how)
    return {name: each.as_dict() for name, each in zip(HEADLINE, found, strict=True)}


def _micro_f1(
    tallies: Floats, label_set: LabelSet, neutral: str | None, how: Resampling
) -> dict[str, Any]:
    if neutral is None:
        return {}
    place = label_set.index(neutral)
    found = intervals(tallies, lambda sums: micro_f1_without(sums, place)[..., None], how)
    return {"micro_f1_without_neutral": {**found[0].as_dict(), "neutral": neutral}}


def _coverage(items: Sequence[Item], how: Resampling) -> Interval:
    covered = np.array([[float(item.covered)] for item in items])
    return mean_intervals(covered, cluster_codes(items), how)[0]


def _flip_rate(items: Sequence[Item], how: Resampling) -> dict[str, Any]:
    """How often another order of the letters gave another label, if several orders were asked."""
    asked = [item for item in items if item.flips is not None]
    if not asked:
        return {}
    flips = np.array([[item.flips or 0.0] for item in asked])
    found = mean_intervals(flips, cluster_codes(asked), how)[0]
    return {"flip_rate": {**found.as_dict(), "n": len(asked)}}


def _selective(items: Sequence[Item], labels: Sequence[str], how: Resampling) -> dict[str, Any]:
    covered = [item for item in items if item.covered]
    tallies = tally(covered, labels, Answer.STRICT, cluster_names(items))
    return {"n": len(covered), **_headline(tallies, how)}


def run_facts(items: int, clusters: int, label_set: LabelSet, how: Resampling) -> dict[str, Any]:
    """What was scored, and how its intervals are made."""
    return {
        "n": items,
        "n_clusters": clusters,
        "label_set": {
            "name": label_set.name,
            "digest": label_set.digest,
            "labels": list(label_set.names),
        },
        "seed": how.seed,
        "resamples": how.resamples,
        "permutations": how.permutations,
        "level": how.level,
    }


def per_class(tallies: Floats, labels: Sequence[str], how: Resampling) -> dict[str, Any]:
    """Precision, recall and F1 of every label from counts [C, 3, L]."""
    found = intervals(tallies, _class_scores, how)
    parts = {
        name: found[place * len(labels) : (place + 1) * len(labels)]
        for place, name in enumerate(("precision", "recall", "f1"))
    }
    total = tallies.sum(axis=0)
    return {
        label: {
            **{name: part[place].as_dict() for name, part in parts.items()},
            "support": int(support(total)[place]),
            "answered": int(answered(total)[place]),
        }
        for place, label in enumerate(labels)
    }


def _class_scores(counts: Floats) -> Floats:
    """Precision, recall and F1 of every class. Shape [..., 3 L]."""
    return np.concatenate([precision(counts), recall(counts), f1(counts)], axis=-1)


def _confusion(items: Sequence[Item], labels: Sequence[str]) -> dict[str, Any]:
    """Counts, gold by answer; the last column counts items without an answer."""
    return {
        which.value: confusion(items, labels, which).tolist()
        for which in (Answer.FORCED, Answer.STRICT)
    }


def _slices(items: Sequence[Item], labels: Sequence[str], how: Resampling) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in slices(items, labels, how):
        found.setdefault(part.dimension, {})[part.part] = part.as_dict()
    return found
