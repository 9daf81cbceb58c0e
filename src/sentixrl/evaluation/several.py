"""Metrics where an utterance may have several labels, from counts by cluster.

Contract: counts of one cluster are an array [3, L + 1]. Its first L columns are those of
:mod:`sentixrl.evaluation.confusion`, counted for each label by itself: right answers, gold labels
and answers. The last column holds sums over items: Jaccard indices, exact matches, items. They add
up over clusters, so resampling works as it does for single labels. Macro- and micro-F1 equal
scikit-learn's with ``zero_division=0``. The Jaccard index of an item is the share of its gold and
given labels that are both; it is 1 where there are neither (as in SemEval-2018 task 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sentixrl.errors import InputError
from sentixrl.evaluation.confusion import Floats, cluster_codes, cluster_names
from sentixrl.evaluation.items import SeveralItem
from sentixrl.evaluation.metrics import answered, f1, hits, macro_f1, support

HEADLINE = ("macro_f1", "micro_f1", "jaccard", "exact_match")
"""The names of what :func:`headline` returns, in order."""

Flags = NDArray[np.bool_]


def gold_flags(items: Sequence[SeveralItem], labels: Sequence[str]) -> Flags:
    """Whether each label applies to each item. Shape [n, L].

    Raises:
        InputError: A gold label is not one of them.
    """
    return _flags(items, [item.gold for item in items], labels, "gold label")


def given_flags(items: Sequence[SeveralItem], labels: Sequence[str]) -> Flags:
    """Whether each label was given to each item; a failed one has none. Shape [n, L].

    Raises:
        InputError: An answer is not one of them.
    """
    return _flags(items, [item.labels or frozenset() for item in items], labels, "answer")


def _flags(
    items: Sequence[SeveralItem],
    named: Sequence[frozenset[str]],
    labels: Sequence[str],
    what: str,
) -> Flags:
    known = set(labels)
    for item, names in zip(items, named, strict=True):
        if unknown := names - known:
            raise InputError(
                f"The {what} '{min(unknown)}' of dialogue '{item.dialogue_id}', turn "
                f"{item.index + 1}, is not one of the labels ({', '.join(labels)})."
            )
    rows = [[label in names for label in labels] for names in named]
    return np.array(rows, np.bool_).reshape(len(items), len(labels))


def exactly_right(items: Sequence[SeveralItem], labels: Sequence[str]) -> Flags:
    """Whether an item got exactly its gold labels. Shape [n]."""
    return np.asarray((gold_flags(items, labels) == given_flags(items, labels)).all(axis=1))


def tally(
    items: Sequence[SeveralItem], labels: Sequence[str], clusters: Sequence[str] | None = None
) -> Floats:
    """Count the items' answers by cluster.

    Args:
        items: What to count.
        labels: The task's L labels, in order.
        clusters: The C clusters, in order; by default the items' own.

    Returns:
        Shape [C, 3, L + 1].

    Raises:
        InputError: A gold label or an answer is not one of ``labels``.
    """
    names = cluster_names(items) if clusters is None else clusters
    gold, said = gold_flags(items, labels), given_flags(items, labels)
    both, either = (gold & said).sum(axis=1), (gold | said).sum(axis=1)
    jaccard = np.divide(both, either, out=np.ones(len(items)), where=either > 0)
    sums = np.stack([jaccard, (gold == said).all(axis=1), np.ones(len(items))], axis=1)
    of_item = np.concatenate([np.stack([gold & said, gold, said], axis=1), sums[:, :, None]], -1)
    found = np.zeros((len(names), 3, len(labels) + 1))
    np.add.at(found, cluster_codes(items, names), of_item)
    return found


def by_label(counts: Floats) -> Floats:
    """The counts of each label. Shape [..., 3, L + 1] to [..., 3, L]."""
    return counts[..., :-1]


def micro_f1(counts: Floats) -> Floats:
    """F1 over all decisions of all labels, 0 if there is none. Shape [...]."""
    labels = by_label(counts)
    whole = (support(labels) + answered(labels)).sum(axis=-1)
    return np.asarray(
        np.divide(
            2 * hits(labels).sum(axis=-1), whole, out=np.zeros(np.shape(whole)), where=whole > 0
        )
    )


def macro_and_micro(gold: Flags, said: Flags) -> tuple[float, float]:
    """Macro- and micro-F1 over all items, from which labels apply and which are given, [n, L]."""
    counts = np.zeros((3, gold.shape[1] + 1))
    counts[:, :-1] = [flags.sum(axis=0) for flags in (gold & said, gold, said)]
    return float(macro_f1(by_label(counts))), float(micro_f1(counts))


def headline(counts: Floats) -> Floats:
    """Macro-F1, micro-F1, mean Jaccard index and exact matches. Shape [..., 4]."""
    items = counts[..., 2, -1:]
    empty = np.full(counts[..., :2, -1].shape, np.nan)
    means = np.divide(counts[..., :2, -1], items, out=empty, where=items > 0)
    scores = np.stack([macro_f1(by_label(counts)), micro_f1(counts)], axis=-1)
    return np.concatenate([scores, means], axis=-1)


def label_f1(counts: Floats) -> Floats:
    """F1 of every label. Shape [..., L]."""
    return f1(by_label(counts))
