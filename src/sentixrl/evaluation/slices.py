"""Where a model fails: the same metrics on parts of the items.

Contract: a dimension divides the items by one property. Items for which it is unknown are in none
of its parts, and a dimension with fewer than two parts is left out. Intervals draw all clusters of
the run, not only those with items in a part, so a part's size varies with the draw as it should.
Parts of different dimensions overlap, and there are many: an interval that does not contain the
headline is a question, not a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sentixrl.evaluation.confusion import cluster_names, tally
from sentixrl.evaluation.intervals import Interval, Resampling, intervals, populated_clusters
from sentixrl.evaluation.items import Answer, Item
from sentixrl.evaluation.metrics import headline

Cut = Callable[[Item], str | None]
"""The part an item belongs to, or ``None``."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of one dimension.

    Attributes:
        dimension: The property that divides the items.
        part: Its value here.
        n: Items in it.
        n_clusters: Clusters they stand in.
        accuracy: Share of right answers.
        weighted_f1: F1 weighted by the part's own class shares.
    """

    dimension: str
    part: str
    n: int
    n_clusters: int
    accuracy: Interval
    weighted_f1: Interval

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n": self.n,
            "n_clusters": self.n_clusters,
            "accuracy": self.accuracy.as_dict(),
            "weighted_f1": self.weighted_f1.as_dict(),
        }


def in_ranges(*starts: int) -> Callable[[int], str]:
    """Name the range a number falls in: ``in_ranges(1, 2, 4)`` gives ``1``, ``2-3`` and ``4+``.

    Args:
        starts: The ranges' first numbers, ascending; numbers below the first join its range.
    """

    def name(number: int) -> str:
        at = max(sum(start <= number for start in starts) - 1, 0)
        if at == len(starts) - 1:
            return f"{starts[at]}+"
        last = starts[at + 1] - 1
        return str(last) if last == starts[at] else f"{starts[at]}-{last}"

    return name


_turns = in_ranges(1, 2, 4, 8, 16)
_word_counts = in_ranges(0, 3, 6, 11, 21)
_character_counts = in_ranges(0, 6, 11, 21, 51)


def _yes_no(value: bool | None, yes: str, no: str) -> str | None:
    if value is None:
        return None
    return yes if value else no


DIMENSIONS: Mapping[str, Cut] = {
    "turn": lambda item: _turns(item.index + 1),
    "context": lambda item: "contextual" if item.index else "standalone",
    "speaker": lambda item: _yes_no(item.same_speaker, "same", "changed"),
    "emotion_shift": lambda item: _yes_no(item.emotion_shift, "shift", "no_shift"),
    "words": lambda item: None if item.words is None else _word_counts(item.words),
    "characters": lambda item: _character_counts(item.characters),
    "language": lambda item: item.language,
}
"""Name → how it divides items. ``turn`` counts from 1; ``standalone``: a dialogue's first turn."""


def slices(
    items: Sequence[Item],
    labels: Sequence[str],
    how: Resampling,
    *,
    which: Answer = Answer.FORCED,
    dimensions: Mapping[str, Cut] = DIMENSIONS,
) -> list[Slice]:
    """Accuracy and weighted-F1 on every part of every dimension that has at least two."""
    clusters = cluster_names(items)
    found: list[Slice] = []
    for dimension, cut in dimensions.items():
        parts = _parts(items, cut)
        if len(parts) > 1:
            found += [
                _slice(dimension, part, parts[part], labels, clusters, how, which)
                for part in sorted(parts, key=_part_order)
            ]
    return found


def _parts(items: Sequence[Item], cut: Cut) -> dict[str, list[Item]]:
    parts: dict[str, list[Item]] = {}
    for item in items:
        part = cut(item)
        if part is not None:
            parts.setdefault(part, []).append(item)
    return parts


def _part_order(part: str) -> tuple[int, str]:
    digits = part.split("-")[0].rstrip("+")
    return (int(digits) if digits.isdecimal() else -1, part)


def _slice(
    dimension: str,
    part: str,
    members: Sequence[Item],
    labels: Sequence[str],
    clusters: Sequence[str],
    how: Resampling,
    which: Answer,
) -> Slice:
    tallies = tally(members, labels, which, clusters)
    accuracy, weighted_f1, _ = intervals(tallies, headline, how)
    return Slice(dimension, part, len(members), populated_clusters(tallies), accuracy, weighted_f1)
