"""Counts of right answers, gold items and answers by class: what all count-based metrics need.

Contract: counts of one cluster are an array [3, L]: right answers, gold items and answers of each
of the L labels, in the label set's order. An item without an answer counts as a gold item alone.
Because counts add up over clusters, resampling clusters is one matrix product, and a metric over
2,000 resamples is one array operation. A confusion matrix, gold by answer, covers all clusters at
once and is for display.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sentixrl.errors import InputError
from sentixrl.evaluation.items import Answer, Item, SeveralItem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def cluster_names(items: Sequence[Item] | Sequence[SeveralItem]) -> list[str]:
    """The items' clusters, in order of first appearance."""
    return list(dict.fromkeys(item.cluster for item in items))


def cluster_codes(
    items: Sequence[Item] | Sequence[SeveralItem], clusters: Sequence[str] | None = None
) -> Ints:
    """The position of each item's cluster in ``clusters`` (default: the items' own). Shape [n]."""
    names = cluster_names(items) if clusters is None else clusters
    place = {name: position for position, name in enumerate(names)}
    return np.array([place[item.cluster] for item in items], dtype=np.int64)


def gold_codes(items: Sequence[Item], labels: Sequence[str]) -> Ints:
    """The position of each gold label in ``labels``. Shape [n].

    Raises:
        InputError: A gold label is not one of them.
    """
    place = {name: position for position, name in enumerate(labels)}
    return np.array([_code(place, item, item.gold, "gold label") for item in items], dtype=np.int64)


def answer_codes(
    items: Sequence[Item], labels: Sequence[str], which: Answer = Answer.FORCED
) -> Ints:
    """The position of each answer in ``labels``, ``len(labels)`` for none. Shape [n].

    Raises:
        InputError: An answer is not one of them.
    """
    place = {name: position for position, name in enumerate(labels)}
    answers = [(item, item.answer(which)) for item in items]
    return np.array(
        [
            len(labels) if text is None else _code(place, item, text, "answer")
            for item, text in answers
        ],
        dtype=np.int64,
    )


def _code(place: dict[str, int], item: Item, name: str, what: str) -> int:
    if name not in place:
        raise InputError(
            f"The {what} '{name}' of dialogue '{item.dialogue_id}', turn {item.index + 1}, is not "
            f"one of the labels ({', '.join(place)})."
        )
    return place[name]


def count(
    gold: Ints, answers: Ints, clusters: Ints | None = None, *, n_labels: int, n_clusters: int = 1
) -> Floats:
    """Count codes by cluster.

    Args:
        gold: Codes below ``n_labels``. Shape [n].
        answers: Codes up to ``n_labels``, which stands for no answer. Shape [n].
        clusters: Codes below ``n_clusters``; ``None`` if all items form one. Shape [n].
        n_labels: L.
        n_clusters: C.

    Returns:
        Right answers, gold items and answers of each class. Shape [C, 3, L].

    Raises:
        ValueError: A code is out of bounds.
    """
    if any(len(codes) and (codes.min() < 0 or codes.max() >= end)
           for codes, end in ((gold, n_labels), (answers, n_labels + 1))):  # fmt: skip
        raise ValueError(f"codes of gold labels or answers lie outside those of {n_labels} labels")
    owner = np.zeros(len(gold), np.int64) if clusters is None else clusters

    def held(codes: Ints, which: Bools) -> Floats:
        cells = owner[which] * n_labels + codes[which]
        counts = np.bincount(cells, minlength=n_clusters * n_labels)
        return counts.reshape(n_clusters, n_labels).astype(np.float64)

    every = np.ones(len(gold), np.bool_)
    right, given = gold == answers, answers < n_labels
    return np.stack([held(gold, right), held(gold, every), held(answers, given)], axis=1)


def tally(
    items: Sequence[Item],
    labels: Sequence[str],
    which: Answer = Answer.FORCED,
    clusters: Sequence[str] | None = None,
) -> Floats:
    """Count the items' answers by cluster.

    Args:
        items: What to count.
        labels: The task's L labels, in order.
        which: Which answer to count.
        clusters: The C clusters, in order; by default the items' own. Give them if the items are a
            part of a run whose clusters are all to be drawn.

    Returns:
        Right answers, gold items and answers of each class. Shape [C, 3, L].

    Raises:
        InputError: A gold label or an answer is not one of ``labels``.
    """
    names = cluster_names(items) if clusters is None else clusters
    return count(
        gold_codes(items, labels),
        answer_codes(items, labels, which),
        cluster_codes(items, names),
        n_labels=len(labels),
        n_clusters=len(names),
    )


def confusion(items: Sequence[Item], labels: Sequence[str], which: Answer = Answer.FORCED) -> Ints:
    """Items by gold label and answer; the last column holds those without one. Shape [L, L + 1].

    Raises:
        InputError: A gold label or an answer is not one of ``labels``.
    """
    shape = (len(labels), len(labels) + 1)
    cells = gold_codes(items, labels) * shape[1] + answer_codes(items, labels, which)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
