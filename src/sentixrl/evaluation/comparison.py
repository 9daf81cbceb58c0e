"""Runs of several systems on the same items, compared pair by pair.

Contract: runs are compared only if they hold the same items with the same gold labels and clusters,
in any order. With one run per system, p-values come from a permutation test that
swaps clusters; with several (seeds), from a bootstrap over seeds and clusters. p-values are
Holm-adjusted over the pairs, separately for each metric: decide beforehand which metric counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np

from sentixrl.errors import InputError
from sentixrl.evaluation import several
from sentixrl.evaluation.confusion import (
    Bools,
    Floats,
    answer_codes,
    cluster_names,
    gold_codes,
    tally,
)
from sentixrl.evaluation.intervals import Interval, Resampling, class_warnings, json_number
from sentixrl.evaluation.items import Answer, Item, ItemKey, SeveralItem
from sentixrl.evaluation.metrics import HEADLINE, Statistic, f1, headline
from sentixrl.evaluation.significance import McNemar, differences, holm, mcnemar, permutation_p

PERMUTATION = "paired permutation, whole clusters swapped"
HIERARCHICAL = "bootstrap over seeds and clusters"


Run = Sequence[Item] | Sequence[SeveralItem]
"""The items of one run: all with one label, or all with any number of them."""


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
        metrics: Accuracy, weighted-F1 and macro-F1; for several labels those of
            :mod:`sentixrl.evaluation.several`.
        per_class: Label → difference of its F1, second minus first, with an unadjusted interval.
        mcnemar: The item-level test, which assumes independent items; ``None`` with seeds. Of
            several labels, an item's must all be right.
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
class Scoring:
    """How runs of one kind are scored.

    Attributes:
        names: The headline's metrics.
        headline: Their values from counts.
        per_class: F1 of every label from counts.
        tally: A run's counts by cluster.
        right: Whether each item is right.
    """

    names: tuple[str, ...]
    headline: Statistic
    per_class: Statistic
    tally: Callable[[Any, Sequence[str], Answer, Sequence[str]], Floats]
    right: Callable[[Any, Sequence[str], Answer], Bools]


SINGLE = Scoring(
    HEADLINE,
    headline,
    f1,
    tally,
    lambda items, labels, which: gold_codes(items, labels) == answer_codes(items, labels, which),
)
SEVERAL = Scoring(
    several.HEADLINE,
    several.headline,
    several.label_f1,
    lambda items, labels, which, clusters: several.tally(items, labels, clusters),
    lambda items, labels, which: several.exactly_right(items, labels),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All compared pairs.

    Attributes:
        n: Items.
        n_clusters: Clusters they stand in.
        pairs: One entry per pair.
        warnings: What of it should not be trusted.
    """

    n: int
    n_clusters: int
    pairs: tuple[PairComparison, ...]
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n": self.n,
            "n_clusters": self.n_clusters,
            "pairs": [pair.as_dict() for pair in self.pairs],
            "warnings": list(self.warnings),
        }


def compare_runs(
    runs: Mapping[str, Run],
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
    systems: Mapping[str, Sequence[Run]],
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
        which: Which answer is scored; several labels have one answer only.
        pairs: Every system against the first, or all pairs.
        how: Draws, seed and level.

    Raises:
        InputError: Fewer than two systems, a system without runs, or runs of different items.
    """
    how = how or Resampling()
    aligned = align(_checked(systems))
    reference = next(iter(aligned.values()))[0]
    scoring = SEVERAL if isinstance(reference[0], SeveralItem) else SINGLE
    clusters = cluster_names(reference)
    tallies = {
        name: np.stack([scoring.tally(run, labels, which, clusters) for run in runs])
        for name, runs in aligned.items()
    }
    names = list(systems)
    chosen = (
        list(combinations(names, 2))
        if pairs is Pairs.ALL
        else [(names[0], other) for other in names[1:]]
    )
    found = [
        _compare(
            *(first, second, tallies, labels),
            _right(scoring, aligned, first, second, labels, which),
            scoring,
            how,
        )
        for first, second in chosen
    ]
    counts = tallies[names[0]][0]
    warnings = class_warnings(several.by_label(counts) if scoring is SEVERAL else counts, labels)
    adjusted = _adjusted(found, scoring.names)
    return Comparison(len(reference), len(clusters), adjusted, tuple(warnings))


def align(systems: Mapping[str, Sequence[Run]]) -> dict[str, list[Run]]:
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
    systems: Mapping[str, Sequence[Run]],
) -> Mapping[str, Sequence[Run]]:
    if len(systems) < 2:
        raise InputError(f"A comparison needs at least 2 systems; there are {len(systems)}.")
    for name, runs in systems.items():
        if not runs or not all(runs):
            raise InputError(f"'{name}' has no run, or a run without annotated items.")
    return systems


def _by_key(name: str, run: Run) -> dict[ItemKey, Item | SeveralItem]:
    found: dict[ItemKey, Item | SeveralItem] = {}
    for item in run:
        if item.key in found:
            raise InputError(f"'{name}' holds {_place(item)} twice.")
        found[item.key] = item
    return found


def _in_order(
    reference: Mapping[ItemKey, Item | SeveralItem],
    first: str,
    run: Mapping[ItemKey, Item | SeveralItem],
    name: str,
) -> Run:
    for key, item in reference.items():
        if key not in run:
            raise _differ(first, name, f"{_place(item)} is missing from '{name}'")
        for what in ("gold", "cluster"):
            one, other = getattr(item, what), getattr(run[key], what)
            if one != other:
                problem = (
                    f"{what} of {_place(item)} is '{_named(one)}' in one and '{_named(other)}' in "
                    "the other"
                )
                raise _differ(first, name, problem)
    for key, item in run.items():
        if key not in reference:
            raise _differ(first, name, f"{_place(item)} is missing from '{first}'")
    return [run[key] for key in reference]  # type: ignore[return-value]  # all of one kind


def _named(value: str | frozenset[str]) -> str:
    return value if isinstance(value, str) else ", ".join(sorted(value))


def _place(item: Item | SeveralItem) -> str:
    return f"dialogue '{item.dialogue_id}', turn {item.index + 1},"


def _differ(first: str, second: str, problem: str) -> InputError:
    return InputError(
        f"The runs '{first}' and '{second}' do not hold the same items: {problem}.",
        hint="Compare runs over the same split of the same data, with the same --limit and "
        "--seed (run.json of each names them).",
        code="different_items",
    )


def _right(
    scoring: Scoring,
    aligned: Mapping[str, Sequence[Run]],
    first: str,
    second: str,
    labels: Sequence[str],
    which: Answer,
) -> McNemar | None:
    if len(aligned[first]) > 1 or len(aligned[second]) > 1:
        return None
    one, other = (scoring.right(aligned[name][0], labels, which) for name in (first, second))
    return mcnemar(one, other)


def _compare(
    first: str,
    second: str,
    tallies: Mapping[str, Floats],
    labels: Sequence[str],
    items_test: McNemar | None,
    scoring: Scoring,
    how: Resampling,
) -> PairComparison:
    one, other = tallies[first], tallies[second]

    def headline_and_classes(counts: Floats) -> Floats:
        return np.concatenate([scoring.headline(counts), scoring.per_class(counts)], axis=-1)

    found, p_values = differences(one, other, headline_and_classes, how)
    number = len(scoring.names)
    single = len(one) == len(other) == 1
    if single:
        p_values = permutation_p(one[0], other[0], scoring.headline, how)
    values = [scoring.headline(side.sum(axis=1)).mean(axis=0) for side in (one, other)]
    return PairComparison(
        first=first,
        second=second,
        seeds=(len(one), len(other)),
        test=PERMUTATION if single else HIERARCHICAL,
        metrics=tuple(
            MetricDifference(name, float(before), float(after), difference, p, p)
            for name, before, after, difference, p in zip(
                scoring.names, *values, found[:number], p_values[:number], strict=True
            )
        ),
        per_class=dict(zip(labels, found[number:], strict=True)),
        mcnemar=items_test,
    )


def _adjusted(pairs: Sequence[PairComparison], names: Sequence[str]) -> tuple[PairComparison, ...]:
    adjusted = {name: holm([pair[name].p for pair in pairs]) for name in names}
    return tuple(
        replace(
            pair,
            metrics=tuple(
                replace(item, p_holm=adjusted[item.metric][place]) for item in pair.metrics
            ),
        )
        for place, pair in enumerate(pairs)
    )
