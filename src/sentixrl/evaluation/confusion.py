"""Confusion matrices, one a cluster: the form in which every count-based metric is computed.

Contract: rows are gold labels, columns are answers, both in the label set's order, and one last
column holds the items without an answer. Because such counts add up over clusters, resampling
clusters is one matrix product, and a metric over 2,000 resamples is one array operation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sentixrl.errors import InputError
from sentixrl.evaluation.items import Answer, Item

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def cluster_names(items: Sequence[Item]) -> list[str]:
    """The items' clusters, in order of first appearance."""
    return list(dict.fromkeys(item.cluster for item in items))


def cluster_codes(items: Sequence[Item], clusters: Sequence[str] | None = None) -> Ints:
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
    """The position of each answer in ``labels``, ``len(labels)`` where there is none. Shape [n].

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


def count(gold: Ints, answers: Ints, clusters: Ints, *, n_labels: int, n_clusters: int) -> Floats:
    """Count pairs of codes by cluster.

    Args:
        gold: Codes below ``n_labels``. Shape [n].
        answers: Codes up to ``n_labels``, which stands for no answer. Shape [n].
        clusters: Codes below ``n_clusters``. Shape [n].
        n_labels: L.
        n_clusters: C.

    Returns:
        Counts. Shape [C, L, L + 1].
    """
    shape = (n_clusters, n_labels, n_labels + 1)
    cells = np.ravel_multi_index((clusters, gold, answers), shape)
    counts = np.bincount(cells, minlength=n_clusters * n_labels * (n_labels + 1))
    return counts.reshape(shape).astype(np.float64)


def matrix(gold: Ints, answers: Ints, *, n_labels: int) -> Floats:
    """Count pairs of codes, clusters apart (see :func:`count`). Shape [L, L + 1]."""
    alone = np.zeros(len(gold), np.int64)
    return np.asarray(count(gold, answers, alone, n_labels=n_labels, n_clusters=1)[0])


def tally(
    items: Sequence[Item],
    labels: Sequence[str],
    which: Answer = Answer.FORCED,
    clusters: Sequence[str] | None = None,
) -> Floats:
    """Confusion matrices of the items, one a cluster.

    Args:
        items: What to count.
        labels: The task's L labels, in order.
        which: Which answer to count.
        clusters: The C clusters, in order; by default the items' own. Name them when the items
            are a part of a run whose clusters are all to be drawn.

    Returns:
        Counts. Shape [C, L, L + 1].

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
