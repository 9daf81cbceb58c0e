"""Lines that two data sets annotate: how far people agree, which bounds what models can.

MELD and EmoryNLP are of one television series; whoever labelled a line for one did not see the
other's label. Under a shared scheme their agreement is the ceiling of reading one by the other.

Contract: a line counts if it has at least five tokens and stands once in each data set, so that it
is the same line and not a common phrase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.tokens import tokens
from sentixrl.evaluation.confusion import Ints
from sentixrl.labels import LabelMap

FEWEST_TOKENS = 5

Pair = tuple[str, str]
"""A line's label in the one data set and in the other."""


@dataclass(frozen=True)
class Agreement:
    """How far two annotations agree.

    Attributes:
        lines: How many have a label in both.
        agreed: Share of these with the same label.
        kappa: Cohen's κ; NaN if there is nothing to agree on.
        labels: The labels, in order.
        confusion: One annotation by the other, ``[L, L]``.
    """

    lines: int
    agreed: float
    kappa: float
    labels: tuple[str, ...]
    confusion: Ints


def double_annotated(first: Sequence[Dataset], second: Sequence[Dataset]) -> list[Pair]:
    """The labels of lines that both data sets have, all their splits given."""
    one, other = _once(first), _once(second)
    return [(label, other[line]) for line, label in one.items() if line in other]


def _once(parts: Sequence[Dataset]) -> dict[tuple[str, ...], str]:
    """Lines that stand once, with their label."""
    found: dict[tuple[str, ...], str | None] = {}
    for turn in (turn for part in parts for turn in part.utterances):
        line = tuple(tokens(turn.text))
        if turn.gold is not None and len(line) >= FEWEST_TOKENS:
            found[line] = None if line in found else turn.gold
    return {line: label for line, label in found.items() if label is not None}


def agreement(pairs: Sequence[Pair], first: LabelMap, second: LabelMap) -> Agreement:
    """How far two annotations agree under the target that both maps have.

    Args:
        pairs: Labels before mapping.
        first: The map of the one.
        second: The map of the other.
    """
    names = first.target.names
    confusion = np.zeros((len(names), len(names)), np.int64)
    for one, other in pairs:
        left, right = first(one), second(other)
        if left is not None and right is not None:
            confusion[names.index(left), names.index(right)] += 1
    lines = int(confusion.sum())
    agreed = float(np.trace(confusion) / lines) if lines else float("nan")
    return Agreement(lines, agreed, kappa(confusion), names, confusion)


def kappa(confusion: Ints) -> float:
    """Cohen's κ of a square table (Cohen 1960, Educational and Psychological Measurement 20)."""
    total = confusion.sum()
    if not total:
        return float("nan")
    observed = np.trace(confusion) / total
    chance = float(confusion.sum(0) @ confusion.sum(1)) / float(total) ** 2
    return float((observed - chance) / (1 - chance)) if chance < 1 else float("nan")
