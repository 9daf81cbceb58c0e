from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sentixrl.errors import InputError
from sentixrl.evaluation.comparison import Pairs, compare_runs, compare_systems
from sentixrl.evaluation.confusion import tally
from sentixrl.evaluation.intervals import Resampling
from sentixrl.evaluation.items import Answer, Item
from sentixrl.evaluation.metrics import f1, headline
from sentixrl.evaluation.significance import holm, permutation_p

Maker = Callable[..., list[Item]]
HOW = Resampling(resamples=300, permutations=500)


def test_two_runs(random_items: Maker, labels: tuple[str, ...]) -> None:
    good, poor = random_items(1, skill=0.9), random_items(2, skill=0.3)
    found = compare_runs({"poor": poor, "good": good}, labels, how=HOW)
    (pair,) = found.pairs
    assert (found.n, found.n_clusters, pair.seeds) == (len(good), 30, (1, 1))
    weighted = pair["weighted_f1"]
    expected = [headline(tally(items, labels).sum(axis=0))[1] for items in (poor, good)]
    assert [weighted.first, weighted.second] == pytest.approx(expected)
    assert weighted.difference.value == pytest.approx(expected[1] - expected[0])
    assert weighted.difference.low is not None
    assert weighted.difference.low > 0
    assert weighted.p == weighted.p_holm < 0.05
    assert pair.mcnemar is not None
    assert pair.mcnemar.only_second > pair.mcnemar.only_first
    by_class = f1(tally(good, labels).sum(axis=0)) - f1(tally(poor, labels).sum(axis=0))
    assert [pair.per_class[name].value for name in labels] == pytest.approx(by_class.tolist())


def test_labels_in_few_clusters_are_told_of(random_items: Maker, labels: tuple[str, ...]) -> None:
    runs = {"one": random_items(1), "two": random_items(2)}
    assert compare_runs(runs, labels, how=HOW).warnings == ()
    rare, often = labels[0], labels[1]
    kept = {run: [one for one in items if one.gold != rare or one.cluster.endswith("1")]
            for run, items in runs.items()}  # fmt: skip
    (said,) = compare_runs(kept, labels, how=HOW).warnings
    assert said.startswith("Gold labels in fewer than 10 clusters: ")
    assert f"'{rare}'" in said
    assert f"'{often}'" not in said


def test_the_order_of_items_does_not_matter(random_items: Maker, labels: tuple[str, ...]) -> None:
    first, second = random_items(1), random_items(2)
    mixed = [second[place] for place in np.random.default_rng(0).permutation(len(second))]
    straight = compare_runs({"a": first, "b": second}, labels, how=HOW)
    assert straight == compare_runs({"a": first, "b": mixed}, labels, how=HOW)


def test_the_chosen_answer_is_scored(random_items: Maker, labels: tuple[str, ...]) -> None:
    first, second = random_items(1), random_items(2)
    pair = compare_runs({"a": first, "b": second}, labels, which=Answer.STRICT, how=HOW).pairs[0]
    strict = sum(item.label == item.gold for item in first) / len(first)
    assert pair["accuracy"].first == pytest.approx(strict)
    forced = compare_runs({"a": first, "b": second}, labels, how=HOW).pairs[0]
    assert forced["accuracy"].first > strict


def test_more_than_two_runs_are_holm_adjusted(random_items: Maker, labels: tuple[str, ...]) -> None:
    runs = {name: random_items(seed, skill=0.5) for seed, name in enumerate("abc")}
    found = compare_runs(runs, labels, pairs=Pairs.ALL, how=HOW)
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    raw = [
        permutation_p(tally(runs[one], labels), tally(runs[two], labels), headline, HOW)[0]
        for one, two in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    assert [pair["accuracy"].p for pair in found.pairs] == raw
    assert [pair["accuracy"].p_holm for pair in found.pairs] == holm(raw) != raw
    against_first = compare_runs(runs, labels, how=HOW)
    assert [(pair.first, pair.second) for pair in against_first.pairs] == [("a", "b"), ("a", "c")]


def test_seeds_are_averaged_and_have_no_item_test(
    random_items: Maker, labels: tuple[str, ...]
) -> None:
    seeds = [random_items(seed) for seed in (1, 2, 3)]
    other = [random_items(seed) for seed in (4, 5)]
    (pair,) = compare_systems({"a": seeds, "b": other}, labels, how=HOW).pairs
    assert pair.seeds == (3, 2)
    assert pair.mcnemar is None
    assert "seeds" in pair.test
    mean = np.mean([headline(tally(run, labels).sum(axis=0))[0] for run in seeds])
    assert pair["accuracy"].first == pytest.approx(mean)


def test_it_is_json(random_items: Maker, labels: tuple[str, ...]) -> None:
    runs = {"a": random_items(1), "b": random_items(2)}
    content = compare_runs(runs, labels, how=HOW).as_dict()
    again = json.loads(json.dumps(content, allow_nan=False))
    assert set(again["pairs"][0]["metrics"]) == {"accuracy", "weighted_f1", "macro_f1"}
    assert again["pairs"][0]["mcnemar"]["assumes"] == "independent items"
    assert set(again["pairs"][0]["per_class_f1"]) == set(labels)


def test_different_items_are_refused_and_the_first_is_named(
    random_items: Maker, labels: tuple[str, ...]
) -> None:
    items = random_items(1)
    changed = {
        r"'d0', turn 2, is missing from 'b'": [items[0], *items[2:]],
        r"'x', turn 1, is missing from 'a'": [*items, replace(items[0], dialogue_id="x")],
        r"'b' holds dialogue 'd0', turn 1, twice": [items[0], *items],
        r"gold of dialogue 'd0', turn 1, is '\w+' in one and 'fear' in the other": [
            replace(items[0], gold="fear"),
            *items[1:],
        ],
        r"cluster of dialogue 'd0', turn 1, is 'd0' in one and 'show' in the other": [
            replace(items[0], cluster="show"),
            *items[1:],
        ],
    }
    for message, other in changed.items():
        with pytest.raises(InputError, match=message):
            compare_runs({"a": items, "b": other}, labels, how=HOW)


def test_too_little_to_compare(random_items: Maker, labels: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="at least 2 systems; there are 1"):
        compare_runs({"a": random_items(1)}, labels)
    with pytest.raises(InputError, match="'b' has no run"):
        compare_systems({"a": [random_items(1)], "b": []}, labels)
    with pytest.raises(InputError, match="'b' has no run, or a run without annotated items"):
        compare_runs({"a": random_items(1), "b": []}, labels)
