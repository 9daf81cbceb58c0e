"""``metrics.json`` where an utterance may have several labels.

Contract: plain JSON data, without NaN, with ``"kind": "several"``. Keys that mean the same as for
single labels are called the same (see :mod:`sentixrl.evaluation.summary`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sentixrl.evaluation.calibration_error import BINS, expected_calibration_error
from sentixrl.evaluation.confusion import cluster_names
from sentixrl.evaluation.intervals import Resampling, class_warnings, intervals, json_number
from sentixrl.evaluation.items import SeveralItem
from sentixrl.evaluation.several import HEADLINE, by_label, gold_flags, headline, tally
from sentixrl.evaluation.summary import nothing_to_score, per_class, run_facts
from sentixrl.labels import LabelSet


def several_metrics_json(
    items: Sequence[SeveralItem], label_set: LabelSet, *, how: Resampling | None = None
) -> dict[str, Any]:
    """The content of ``metrics.json``.

    Args:
        items: The run's items.
        label_set: The task's labels.
        how: Number of draws, seed and level.

    Raises:
        InputError: There are no items, or one has a gold label or answer outside the set.
    """
    if not items:
        raise nothing_to_score()
    how = how or Resampling()
    tallies = tally(items, label_set.names)
    found = intervals(tallies, headline, how)
    return {
        "kind": "several",
        **run_facts(len(items), len(tallies), label_set, how),
        **{name: each.as_dict() for name, each in zip(HEADLINE, found, strict=True)},
        "failed": sum(item.labels is None for item in items),
        "labels_per_item": {
            "gold": json_number(float(np.mean([len(item.gold) for item in items]))),
            "given": json_number(float(np.mean([len(item.labels or ()) for item in items]))),
        },
        "per_class": per_class(by_label(tallies), label_set.names, how),
        "calibration": _calibration(items, label_set.names),
        "slices": _languages(items, label_set.names, how),
        "warnings": class_warnings(by_label(tallies), label_set.names),
    }


def _calibration(items: Sequence[SeveralItem], labels: Sequence[str]) -> dict[str, Any] | None:
    """How far each label's probability is from how often it applies, over all labels together."""
    known = [item for item in items if item.probabilities is not None]
    if not known:
        return None
    shares = np.array([[(item.probabilities or {})[name] for name in labels] for item in known])
    truth = gold_flags(known, labels)
    return {
        "n": shares.size,
        "bins": BINS,
        "ece": json_number(expected_calibration_error(shares.ravel(), truth.ravel())),
        "brier": json_number(float(((shares - truth) ** 2).mean())),
        "mean_probability": json_number(float(shares.mean())),
        "share_that_applies": json_number(float(truth.mean())),
    }


def _languages(
    items: Sequence[SeveralItem], labels: Sequence[str], how: Resampling
) -> dict[str, Any]:
    """The headline in each language, where there are several languages."""
    parts: dict[str, list[SeveralItem]] = {}
    for item in items:
        if item.language is not None:
            parts.setdefault(item.language, []).append(item)
    if len(parts) < 2:
        return {}
    clusters = cluster_names(items)
    return {
        "language": {
            language: {
                "n": len(some),
                **{
                    name: each.as_dict()
                    for name, each in zip(
                        HEADLINE,
                        intervals(tally(some, labels, clusters), headline, how),
                        strict=True,
                    )
                },
            }
            for language, some in sorted(parts.items())
        }
    }
