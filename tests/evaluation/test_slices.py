from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from sentixrl.evaluation.confusion import cluster_names, tally
from sentixrl.evaluation.intervals import Resampling, intervals
from sentixrl.evaluation.items import Item
from sentixrl.evaluation.metrics import headline
from sentixrl.evaluation.slices import in_ranges, slices

HOW = Resampling(resamples=200)


def test_ranges_have_readable_names() -> None:
    name = in_ranges(1, 2, 4, 8)
    assert [name(number) for number in (0, 1, 2, 3, 4, 7, 8, 99)] == [
        "1", "1", "2-3", "2-3", "4-7", "4-7", "8+", "8+",
    ]  # fmt: skip


def test_parts_divide_the_items_and_score_only_their_own(
    random_items: Callable[..., list[Item]], labels: tuple[str, ...]
) -> None:
    items = random_items(3)
    found = {(part.dimension, part.part): part for part in slices(items, labels, HOW)}
    totals = Counter[str]()
    for (dimension, _), part in found.items():
        totals[dimension] += part.n
    known = sum(item.same_speaker is not None for item in items)
    assert totals["turn"] == totals["context"] == totals["words"] == len(items)
    assert totals["speaker"] == known < len(items)
    alone = [item for item in items if item.index == 0]
    standalone = found["context", "standalone"]
    assert standalone.n == len(alone) == standalone.n_clusters == found["turn", "1"].n
    right = sum(item.answer() == item.gold for item in alone)
    assert standalone.accuracy.value == pytest.approx(right / len(alone))
    assert standalone.accuracy.low is not None
    assert standalone.accuracy.low <= standalone.accuracy.value


def test_a_property_nobody_has_is_left_out(
    random_items: Callable[..., list[Item]], labels: tuple[str, ...]
) -> None:
    dimensions = {part.dimension for part in slices(random_items(3), labels, HOW)}
    assert "language" not in dimensions
    assert "emotion_shift" not in dimensions


def test_parts_come_in_their_own_order(
    random_items: Callable[..., list[Item]], labels: tuple[str, ...]
) -> None:
    parts = [
        part.part for part in slices(random_items(3), labels, HOW) if part.dimension == "characters"
    ]
    assert parts == ["0-5", "6-10", "11-20", "21-50", "51+"]


def test_all_clusters_of_the_run_are_drawn(
    random_items: Callable[..., list[Item]], labels: tuple[str, ...]
) -> None:
    items = random_items(3)
    members = [item for item in items if item.index >= 5]
    clusters = cluster_names(items)
    assert len(cluster_names(members)) < len(clusters)
    cut = {"late": lambda item: "yes" if item.index >= 5 else "no"}
    late = slices(items, labels, HOW, dimensions=cut)[1]
    drawn = [
        intervals(tally(members, labels, clusters=of), headline, HOW)[0] for of in (clusters, None)
    ]
    assert late.accuracy == drawn[0] != drawn[1]


def test_a_part_inside_one_cluster_has_no_interval(labels: tuple[str, ...]) -> None:
    items = [
        Item("a", 0, "a", "joy", label="joy", language="en"),
        Item("b", 0, "b", "joy", label="joy", language="es"),
        Item("c", 0, "c", "joy", label="anger", language="es"),
    ]
    english, spanish = slices(items, labels, HOW)
    assert (english.part, english.n_clusters, english.accuracy.low) == ("en", 1, None)
    assert (spanish.part, spanish.n_clusters, spanish.accuracy.value) == ("es", 2, 0.5)
    assert spanish.accuracy.low == 0
