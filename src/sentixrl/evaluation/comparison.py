"""Runs of several systems on the same items, compared pair by pair.

Contract: runs are compared only if they hold the same items with the same gold labels and clusters,
in any order. With one run per system, p-values come from a permutation test that
swaps clusters; with several (seeds), from a bootstrap over seeds and clusters. p-values are
Holm-adjusted over the pairs, separately for each metric: decide beforehand which metric counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np

from sentixrl.errors import InputError
from sentixrl.evaluation.confusion import (
    Floats,
    answer_codes,
    cluster_names,
    gold_codes,
    tally,
)
from sentixrl.evaluation.intervals import Interval, Resampling, json_number
from sentixrl.evaluation.items import Answer, Item, ItemKey
from sentixrl.evaluation.metrics import HEADLINE, f1, headline
from sentixrl.evaluation.significance import McNemar, differences, holm, mcnemar, permutation_p

PERMUTATION = "paired permutation, whole clusters swapped"
HIERARCHICAL = "bootstrap over seeds and clusters"


class Pairs(StrEnum):
    """Which pairs of systems are compared."""

    FIRST = "first"
    """Every other system with the first."""
    ALL = "all"
    """Every system with every other."""


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One metric of two systems.

    Attributes:
        metric: Its name.
        first: The first system's value, averaged over its seeds.
        second: The second system's.
        difference: Second minus first, with its interval.
        p: Two-sided p-value of no difference.
        p_holm: The same, Holm-adjusted over all compared pairs.
    """

    metric: str
    first: float
    second: float
    difference: Interval
    p: float
    p_holm: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "first": json_number(self.first),
            "second": json_number(self.second),
            "difference": self.difference.as_dict(),
            "p": json_number(self.p),
            "p_holm": json_number(self.p_holm),
        }


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two systems compared.

    Attributes:
        first: The first system's name.
        second: The second system's name.
        seeds: How many runs of each there are.
        test: Where the p-values come from.
        metrics: Accuracy, weighted-F1 and macro-F1.
        per_class: Label → difference of its F1, second minus first, with an unadjusted interval.
        mcnemar: The item-level test, which assumes independent items; ``None`` with seeds.
    """

    first: str
    second: str
    seeds: tuple[int, int]
    test: str
    metrics: tuple[MetricDifference, ...]
    per_class: Mapping[str, Interval]
    mcnemar: McNemar | None

    def __getitem__(self, metric: str) -> MetricDifference:
        return next(item for item in self.metrics if item.metric == metric)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "seeds": list(self.seeds),
            "test": self.test,
            "metrics": {item.metric: item.as_dict() for item in self.metrics},
            "per_class_f1": {name: found.as_dict() for name, found in self.per_class.items()},
            "mcnemar": None
            if self.mcnemar is None
            else {**asdict(self.mcnemar), "assumes": "independent items"},
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """All compared pairs.

    Attributes:
        n: Items.
        n_clusters: Clusters they stand in.
        pairs: One entry per pair.
    """

    n: int
    n_clusters: int
    pairs: tuple[PairComparison, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n": self.n,
            "n_clusters": self.n_clusters,
            "pairs": [pair.as_dict() for pair in self.pairs],
        }


def compare_runs(
    runs: Mapping[str, Sequence[Item]],
    labels: Sequence[str],
    *,
    which: Answer = Answer.FORCED,
    pairs: Pairs = Pairs.FIRST,
    how: Resampling | None = None,
) -> Comparison:
    """Compare systems with one run each; see :func:`compare_systems`."""
    systems = {name: [items] for name, items in runs.items()}
    return compare_systems(systems, labels, which=which, pairs=pairs, how=how)


def compare_systems(
    systems: Mapping[str, Sequence[Sequence[Item]]],
    labels: Sequence[str],
    *,
    which: Answer = Answer.FORCED,
    pairs: Pairs = Pairs.FIRST,
    how: Resampling | None = None,
) -> Comparison:
    """Compare systems over one or more runs (seeds) each.

    Args:
        systems: Name → its runs, each with the same items. At least two systems.
        labels: The task's labels, in order.
        which: Which answer is scored.
        pairs: Every system against the first, or all pairs.
        how: Draws, seed and level.

    Raises:
        InputError: Fewer than two systems, a system without runs, or runs of different items.
    """
    how = how or Resampling()
    aligned = align(_checked(systems))
    reference = next(iter(aligned.values()))[0]
    clusters = cluster_names(reference)
    tallies = {
        name: np.stack([tally(run, labels, which, clusters) for run in runs])
        for name, runs in aligned.items()
    }
    names = list(systems)
    chosen = (
        list(combinations(names, 2))
        if pairs is Pairs.ALL
        else [(names[0], other) for other in names[1:]]
    )
    found = [
        _compare(first, second, tallies, labels, _right(aligned, first, second, labels, which), how)
        for first, second in chosen
    ]
    return Comparison(len(reference), len(clusters), _adjusted(found))


def align(systems: Mapping[str, Sequence[Sequence[Item]]]) -> dict[str, list[list[Item]]]:
    """Put every run's items in the order of the first run.

    Raises:
        InputError: A run repeats, lacks or adds an item, or has another gold label or cluster for
            it; the message names the first such item.
    """
    first_name, first_runs = next(iter(systems.items()))
    reference = _by_key(first_name, first_runs[0])
    return {
        name: [_in_order(reference, first_name, _by_key(name, run), name) for run in runs]
        for name, runs in systems.items()
    }


def _checked(
    systems: Mapping[str, Sequence[Sequence[Item]]],
) -> Mapping[str, Sequence[Sequence[Item]]]:
    if len(systems) < 2:
        raise InputError(f"A comparison needs at least 2 systems; there are {len(systems)}.")
    for name, runs in systems.items():
        if not runs or not all(runs):
            raise InputError(f"'{name}' has no run, or a run without annotated items.")
    return systems


def _by_key(name: str, run: Sequence[Item]) -> dict[ItemKey, Item]:
    found: dict[ItemKey, Item] = {}
    for item in run:
        if item.key in found:
            raise InputError(f"'{name}' holds {_place(item)} twice.")
        found[item.key] = item
    return found


def _in_order(
    reference: Mapping[ItemKey, Item], first: str, run: Mapping[ItemKey, Item], name: str
) -> list[Item]:
    for key, item in reference.items():
        if key not in run:
            raise _differ(first, name, f"{_place(item)} is missing from '{name}'")
        for what in ("gold", "cluster"):
            one, other = getattr(item, what), getattr(run[key], what)
            if one != other:
                problem = f"{what} of {_place(item)} is '{one}' in one and '{other}' in the other"
                raise _differ(first, name, problem)
    for key, item in run.items():
        if key not in reference:
            raise _differ(first, name, f"{_place(item)} is missing from '{first}'")
    return [run[key] for key in reference]


def _place(item: Item) -> str:
    return f"dialogue '{item.dialogue_id}', turn {item.index + 1},"


def _differ(first: str, second: str, problem: str) -> InputError:
    return InputError(
        f"The runs '{first}' and '{second}' do not hold the same items: {problem}.",
        hint="Compare runs over the same split of the same data, with the same --limit.",
        code="different_items",
    )


def _right(
    aligned: Mapping[str, Sequence[Sequence[Item]]],
    first: str,
    second: str,
    labels: Sequence[str],
    which: Answer,
) -> McNemar | None:
    if len(aligned[first]) > 1 or len(aligned[second]) > 1:
        return None
    one, other = aligned[first][0], aligned[second][0]
    gold = gold_codes(one, labels)
    return mcnemar(
        answer_codes(one, labels, which) == gold, answer_codes(other, labels, which) == gold
    )


def _compare(
    first: str,
    second: str,
    tallies: Mapping[str, Floats],
    labels: Sequence[str],
    items_test: McNemar | None,
    how: Resampling,
) -> PairComparison:
    one, other = tallies[first], tallies[second]
    found, p_values = differences(one, other, _headline_and_classes, how)
    several = len(HEADLINE)
    single = len(one) == len(other) == 1
    if single:
        p_values = permutation_p(one[0], other[0], headline, how)
    values = [headline(side.sum(axis=1)).mean(axis=0) for side in (one, other)]
    return PairComparison(
        first=first,
        second=second,
        seeds=(len(one), len(other)),
        test=PERMUTATION if single else HIERARCHICAL,
        metrics=tuple(
            MetricDifference(name, float(before), float(after), difference, p, p)
            for name, before, after, difference, p in zip(
                HEADLINE, *values, found[:several], p_values[:several], strict=True
            )
        ),
        per_class=dict(zip(labels, found[several:], strict=True)),
        mcnemar=items_test,
    )


def _headline_and_classes(counts: Floats) -> Floats:
    """The headline, then F1 of every class. Shape [..., 3 + L]."""
    return np.concatenate([headline(counts), f1(counts)], axis=-1)


def _adjusted(pairs: Sequence[PairComparison]) -> tuple[PairComparison, ...]:
    adjusted = {name: holm([pair[name].p for pair in pairs]) for name in HEADLINE}
    return tuple(
        replace(
            pair,
            metrics=tuple(
                replace(item, p_holm=adjusted[item.metric][place]) for item in pair.metrics
            ),
        )
        for place, pair in enumerate(pairs)
    )
