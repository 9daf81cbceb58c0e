"""Differences between conditions, with intervals that respect clusters and seeds.

Contract: conditions asked about the same place are drawn together: the same clusters for all.
Places are drawn independently and averaged, each counting the same. Within a place a condition's
value is the mean over its tracks. Seeds are drawn too where there are several. With fewer than ten
clusters there is no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sentixrl.evaluation.confusion import Floats
from sentixrl.evaluation.intervals import Resampling, interval_ends, json_number
from sentixrl.evaluation.metrics import HEADLINE, Statistic, headline
from sentixrl.evaluation.significance import drawn_values, holm
from sentixrl.experiments.plan import Contrast, Metric

FEWEST_CLUSTERS = 10
"""Below this an interval means too little to be given."""
LEVEL = 0.05
"""Below this, a p-value adjusted by Holm counts as clear of zero."""
POWER = 2.8
"""Standard errors that an effect needs to be found in four of five cases: 1.96 + 0.84."""

Runs = Mapping[str, Mapping[str, Floats]]
"""Condition → place → tallies by seed and track, ``[S, C, T, 3, L]``."""


@dataclass(frozen=True)
class Difference:
    """One tested contrast.

    Attributes:
        title: What it is called.
        value: The weighted sum, as a fraction.
        low: Lower end of the 95% interval; ``None`` with too few clusters.
        high: Upper end.
        p: Two-sided bootstrap p-value; ``None`` likewise.
        p_holm: Adjusted over the family.
        detectable: The effect that would be found in four of five cases; ``None`` likewise.
        places: Place → value there.
        seeds: Condition → how many seeds.
        clusters: In all places together.
    """

    title: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    detectable: float | None
    places: Mapping[str, float]
    seeds: Mapping[str, int]
    clusters: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        numbers = {
            name: json_number(getattr(self, name))
            for name in ("value", "low", "high", "p", "p_holm", "detectable")
        }
        return {
            "title": self.title,
            **numbers,
            "places": {name: json_number(value) for name, value in self.places.items()},
            "seeds": dict(self.seeds),
            "clusters": self.clusters,
        }


def statistic_of(metric: Metric) -> Statistic:
    """The mean of a metric over tracks: from ``[..., T, 3, L]`` to ``[..., 1]``."""
    place = HEADLINE.index(metric)
    return lambda sums: headline(sums)[..., place].mean(axis=-1)[..., None]


def value_of(tallies: Floats, metric: Metric) -> list[float]:
    """The metric of each seed, from tallies ``[S, C, T, 3, L]``."""
    return [float(v) for v in statistic_of(metric)(tallies.sum(axis=1))[:, 0]]


def contrast(
    wanted: Contrast, runs: Runs, metric: Metric, how: Resampling | None = None
) -> Difference | None:
    """A contrast over all places that all of its conditions have; ``None`` without any.

    Args:
        wanted: The contrast.
        runs: Tallies.
        metric: What is compared.
        how: Draws and seed.
    """
    how = how or Resampling()
    terms = wanted.terms
    there = [set(runs.get(name, {})) for name in terms]
    places = [name for name in _order(runs) if all(name in each for each in there)]
    if wanted.places is not None:
        places = [name for name in places if name in wanted.places]
    if not places:
        return None
    statistic = statistic_of(metric)
    values: dict[str, float] = {}
    drawn: list[Floats] = []
    clusters = []
    for name in places:
        tallies = [runs[condition][name] for condition in terms]
        means = [statistic(one.sum(axis=1)).mean() for one in tallies]
        values[name] = float(np.dot(list(terms.values()), means))
        clusters.append(tallies[0].shape[1])
        if clusters[-1] >= 2:
            each = drawn_values(tallies, statistic, how)
            drawn.append(np.tensordot(list(terms.values()), np.stack(each), axes=1))
    seeds = {name: len(runs[name][places[0]]) for name in terms}
    value = float(np.mean(list(values.values())))
    pooled = np.mean(drawn, axis=0)[:, 0] if drawn else np.zeros(0)
    pooled = pooled[np.isfinite(pooled)]  # a draw may hold none of the turns that count
    if min(clusters) < FEWEST_CLUSTERS or len(pooled) < 2:
        nothing = (None, None, None, None, None)
        return Difference(wanted.title, value, *nothing, values, seeds, sum(clusters))
    low, high = interval_ends(pooled[:, None], min(clusters), how.level)[:, 0]
    sides = min((pooled <= 0).sum(), (pooled >= 0).sum())
    p = min(1.0, 2 * (1 + float(sides)) / (1 + len(pooled)))
    detectable = POWER * float(pooled.std(ddof=1))
    return Difference(
        wanted.title, value, float(low), float(high), p, p, detectable, values, seeds, sum(clusters)
    )


def family(
    wanted: Sequence[Contrast], runs: Runs, metric: Metric, how: Resampling | None = None
) -> list[tuple[Contrast, Difference | None]]:
    """All contrasts, p-values adjusted over those that could be tested."""
    found = [contrast(one, runs, metric, how) for one in wanted]
    tested = [one for one in found if one is not None and one.p is not None]
    adjusted = dict(
        zip(map(id, tested), holm([one.p for one in tested if one.p is not None]), strict=True)
    )
    return [
        (want, one if one is None or id(one) not in adjusted else _holmed(one, adjusted[id(one)]))
        for want, one in zip(wanted, found, strict=True)
    ]


def _holmed(one: Difference, p: float) -> Difference:
    return replace(one, p_holm=p)


def _order(runs: Runs) -> list[str]:
    """Places in order of first appearance."""
    return list(dict.fromkeys(place for held in runs.values() for place in held))
