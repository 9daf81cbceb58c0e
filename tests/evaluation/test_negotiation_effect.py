from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sentixrl.engines.protocol import Cost
from sentixrl.evaluation.intervals import Resampling
from sentixrl.evaluation.items import Item
from sentixrl.evaluation.negotiation_effect import Change, change_of, negotiation_effect
from sentixrl.prediction import Status

HOW = Resampling(resamples=200, permutations=200)


def item(
    number: int,
    single: str | None,
    final: str | None,
    *,
    rounds: int = 1,
    status: Status = Status.CONSENSUS,
    gold: str = "joy",
) -> Item:
    outlier = status is not Status.CONSENSUS and status is not Status.SINGLE
    return Item(
        dialogue_id=f"d{number}",
        index=0,
        cluster=f"d{number}",
        gold=gold,
        status=status,
        label=None if outlier else final,
        fallback=final,
        single=single,
        rounds=rounds,
    )


@pytest.mark.parametrize(
    ("single", "final", "expected"),
    [
        ("anger", "joy", Change.FIXED),
        (None, "joy", Change.FIXED),
        ("joy", "anger", Change.BROKEN),
        ("joy", None, Change.BROKEN),
        ("joy", "joy", Change.UNCHANGED_RIGHT),
        ("anger", "anger", Change.UNCHANGED_WRONG),
        (None, None, Change.UNCHANGED_WRONG),
        ("anger", "neutral", Change.CHANGED_WRONG),
    ],
)
def test_every_item_saw_one_kind_of_change(
    single: str | None, final: str | None, expected: Change
) -> None:
    assert change_of(item(0, single, final)) is expected


def test_rounds_survival_and_consensus(labels: tuple[str, ...]) -> None:
    items = [
        item(0, "joy", "joy", rounds=0, status=Status.SINGLE),
        item(1, "joy", "joy", rounds=1),
        item(2, "anger", "joy", rounds=2),
        item(3, "joy", "anger", rounds=3, gold="anger"),
        item(4, "joy", "anger", rounds=3, status=Status.OUTLIER),
    ]
    effect = negotiation_effect(items, labels, HOW)
    assert (effect.n, effect.negotiated) == (5, 4)
    assert effect.rounds == {0: 1, 1: 1, 2: 1, 3: 2}
    assert effect.survival == [3 / 4, 2 / 4, 1 / 4]
    assert effect.consensus_rate.value == 3 / 4
    assert effect.statuses[Status.OUTLIER] == 1
    assert effect.changes[Change.FIXED] == 2
    assert effect.per_class["anger"][Change.FIXED] == 1
    assert effect.per_class["joy"][Change.BROKEN] == 1


def test_what_failed_on_the_way_never_agreed(labels: tuple[str, ...]) -> None:
    items = [
        item(0, "joy", "joy", rounds=2),
        item(1, "joy", "joy", rounds=1, status=Status.ERROR),
    ]
    effect = negotiation_effect(items, labels, HOW)
    assert effect.survival == [1, 1 / 2]
    assert effect.survival[-1] == 1 - effect.consensus_rate.value


def test_gain_is_fixed_minus_broken(
    random_items: Callable[..., list[Item]], labels: tuple[str, ...]
) -> None:
    items = random_items(4)
    effect = negotiation_effect(items, labels, HOW)
    assert sum(effect.changes.values()) == len(items)
    for kind in Change:
        assert sum(kinds[kind] for kinds in effect.per_class.values()) == effect.changes[kind]
    net = (effect.changes[Change.FIXED] - effect.changes[Change.BROKEN]) / len(items)
    gain = effect.gains["accuracy"]
    assert gain.difference.value == pytest.approx(net)
    single = sum(each.single == each.gold for each in items) / len(items)
    assert gain.single.value == pytest.approx(single)
    assert gain.p < 0.05


def test_without_negotiation_nothing_changes(labels: tuple[str, ...]) -> None:
    items = [item(n, "joy", "joy", rounds=0, status=Status.SINGLE) for n in range(5)]
    effect = negotiation_effect(items, labels, HOW)
    assert effect.negotiated == 0
    assert effect.survival == []
    assert effect.gains["accuracy"].p == 1
    assert effect.as_dict()["consensus_rate"]["value"] is None
    assert effect.as_dict()["tokens"] is None


def test_costs_are_averaged_over_what_was_measured(labels: tuple[str, ...]) -> None:
    items = [item(n, "joy", "joy") for n in range(3)]
    items[0] = replace(items[0], cost=Cost(tokens=10, seconds=0.5))
    items[1] = replace(items[1], cost=Cost(tokens=30, seconds=1.5))
    content = negotiation_effect(items, labels, HOW).as_dict()
    assert content["tokens"] == {"total": 40, "mean": 20, "measured": 2}
    assert content["seconds"] == {"total": 2.0, "mean": 1.0, "measured": 2}
