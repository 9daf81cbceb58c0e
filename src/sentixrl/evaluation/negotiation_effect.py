"""What negotiation changed, compared with the same model's first proposals on the same items.

Contract: the first proposal is what a single pass would have answered; the final answer is the
forced one, at full coverage. Every item is in exactly one :class:`Change`. Whether a gain is more
than chance is tested as for any two systems: paired, by cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from sentixrl.evaluation.confusion import cluster_codes, cluster_names, tally
from sentixrl.evaluation.intervals import (
    Interval,
    Resampling,
    intervals,
    json_number,
    mean_intervals,
)
from sentixrl.evaluation.items import Answer, Item
from sentixrl.evaluation.metrics import HEADLINE, headline
from sentixrl.evaluation.significance import differences, permutation_p
from sentixrl.prediction import Status


class Change(StrEnum):
    """How an item changed between the first proposal and the final answer."""

    FIXED = "fixed"
    """Wrong, then right."""
    BROKEN = "broken"
    """Right, then wrong."""
    UNCHANGED_RIGHT = "unchanged_right"
    """Right, and the same."""
    UNCHANGED_WRONG = "unchanged_wrong"
    """Wrong, and the same."""
    CHANGED_WRONG = "changed_wrong"
    """Wrong, then wrong in another way."""


def change_of(item: Item) -> Change:
    """Which kind of change an item saw."""
    before, after = item.single, item.answer(Answer.FORCED)
    if before == after:
        return Change.UNCHANGED_RIGHT if after == item.gold else Change.UNCHANGED_WRONG
    if after == item.gold:
        return Change.FIXED
    return Change.BROKEN if before == item.gold else Change.CHANGED_WRONG


@dataclass(frozen=True, slots=True)
class Gain:
    """One metric before and after negotiation.

    Attributes:
        single: Its value for the first proposals.
        difference: Final minus single, with its interval.
        p: Two-sided p-value of the paired permutation test by cluster.
    """

    single: Interval
    difference: Interval
    p: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "single": self.single.as_dict(),
            "difference": self.difference.as_dict(),
            "p": json_number(self.p),
        }


@dataclass(frozen=True, slots=True)
class NegotiationEffect:
    """What negotiation did over a run.

    Attributes:
        n: Items.
        negotiated: Items that were negotiated.
        changes: Items by kind of change.
        per_class: Gold label → its items by kind of change.
        gains: Accuracy, weighted-F1 and macro-F1 before and after.
        rounds: Rounds used → items.
        survival: After round 1, 2, …: the share of negotiated items without consensus so far.
        consensus_rate: Share of negotiated items that ended in consensus; NaN without any.
        statuses: Status → items.
        tokens: Tokens in all and per measured item; ``None`` if not measured.
        seconds: The same for seconds.
    """

    n: int
    negotiated: int
    changes: dict[Change, int]
    per_class: dict[str, dict[Change, int]]
    gains: dict[str, Gain]
    rounds: dict[int, int]
    survival: list[float]
    consensus_rate: Interval
    statuses: dict[Status, int]
    tokens: Spent | None
    seconds: Spent | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n": self.n,
            "negotiated": self.negotiated,
            "changes": {kind.value: number for kind, number in self.changes.items()},
            "per_class": {
                name: {kind.value: number for kind, number in kinds.items()}
                for name, kinds in self.per_class.items()
            },
            "gains": {name: gain.as_dict() for name, gain in self.gains.items()},
            "rounds": {str(used): number for used, number in self.rounds.items()},
            "survival": [json_number(share) for share in self.survival],
            "consensus_rate": self.consensus_rate.as_dict(),
            "statuses": {status.value: number for status, number in self.statuses.items()},
            "tokens": None if self.tokens is None else self.tokens.as_dict(),
            "seconds": None if self.seconds is None else self.seconds.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Spent:
    """A cost summed over the items it was measured on.

    Attributes:
        total: The sum.
        measured: How many items it was measured on.
    """

    total: float
    measured: int

    @property
    def mean(self) -> float:
        """The mean per measured item."""
        return self.total / self.measured

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "total": json_number(self.total),
            "mean": json_number(self.mean),
            "measured": self.measured,
        }


def negotiation_effect(
    items: Sequence[Item], labels: Sequence[str], how: Resampling
) -> NegotiationEffect:
    """Compare final answers with first proposals and count what the rounds did."""
    negotiated = [item for item in items if item.negotiated]
    costs = [item.cost for item in items if item.cost is not None]
    return NegotiationEffect(
        n=len(items),
        negotiated=len(negotiated),
        changes=_changes(items),
        per_class={
            name: _changes([item for item in items if item.gold == name]) for name in labels
        },
        gains=_gains(items, labels, how),
        rounds=dict(sorted(Counter(item.rounds for item in items).items())),
        survival=_survival(negotiated),
        consensus_rate=_consensus_rate(negotiated, how),
        statuses={status: sum(item.status is status for item in items) for status in Status},
        tokens=_spent([cost.tokens for cost in costs]),
        seconds=_spent([cost.seconds for cost in costs]),
    )


def _changes(items: Sequence[Item]) -> dict[Change, int]:
    counts = Counter(change_of(item) for item in items)
    return {kind: counts[kind] for kind in Change}


def _gains(items: Sequence[Item], labels: Sequence[str], how: Resampling) -> dict[str, Gain]:
    clusters = cluster_names(items)
    before = tally(items, labels, Answer.SINGLE, clusters)
    after = tally(items, labels, Answer.FORCED, clusters)
    singles = intervals(before, headline, how)
    found, _ = differences(before[None], after[None], headline, how)
    p_values = permutation_p(before, after, headline, how)
    return {
        name: Gain(single, difference, p)
        for name, single, difference, p in zip(HEADLINE, singles, found, p_values, strict=True)
    }


def _survival(negotiated: Sequence[Item]) -> list[float]:
    last = max((item.rounds for item in negotiated), default=0)
    return [
        sum(item.rounds > number or item.status is not Status.CONSENSUS for item in negotiated)
        / len(negotiated)
        for number in range(1, last + 1)
    ]


def _consensus_rate(negotiated: Sequence[Item], how: Resampling) -> Interval:
    if not negotiated:
        return Interval(float("nan"))
    agreed = np.array([[float(item.status is Status.CONSENSUS)] for item in negotiated])
    return mean_intervals(agreed, cluster_codes(negotiated), how)[0]


def _spent(amounts: Sequence[float | None]) -> Spent | None:
    measured = [amount for amount in amounts if amount is not None]
    return Spent(float(sum(measured)), len(measured)) if measured else None
