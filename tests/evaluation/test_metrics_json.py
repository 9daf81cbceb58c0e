from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sentixrl.errors import InputError, LabelError
from sentixrl.evaluation.intervals import Resampling
from sentixrl.evaluation.items import Item
from sentixrl.evaluation.summary import metrics_json
from sentixrl.labels import LabelSet

HOW = Resampling(resamples=200, permutations=200, seed=11)
Maker = Callable[..., list[Item]]


@pytest.fixture
def label_set(labels: tuple[str, ...]) -> LabelSet:
    return LabelSet("three", list(labels))


def scored(items: list[Item], labels: tuple[str, ...], seed: int = 0) -> list[Item]:
    """Give items a posterior that favours their answer, and a confidence if they are covered."""
    rng = np.random.default_rng(seed)
    found = []
    for item in items:
        strength = rng.uniform(0.4, 0.95)
        rest = (1 - strength) / (len(labels) - 1)
        posterior = {name: strength if name == item.fallback else rest for name in labels}
        found.append(
            replace(item, probabilities=posterior, confidence=strength if item.covered else None)
        )
    return found


def test_it_is_json_and_holds_what_was_promised(random_items: Maker, label_set: LabelSet) -> None:
    items = scored(random_items(5), label_set.names)
    content = metrics_json(items, label_set, how=HOW, neutral="neutral")
    again = json.loads(json.dumps(content, allow_nan=False))
    assert again == content
    assert (content["n"], content["n_clusters"], content["seed"]) == (len(items), 30, 11)
    for part in (content, content["outlier_as_wrong"], content["selective"]):
        for name in ("accuracy", "weighted_f1", "macro_f1"):
            assert part[name]["low"] <= part[name]["value"] <= part[name]["high"]
    assert content["micro_f1_without_neutral"]["neutral"] == "neutral"
    assert content["warnings"] == []
    assert metrics_json(items, label_set, how=HOW, neutral="neutral") == content


def test_the_three_views_of_an_outlier(random_items: Maker, label_set: LabelSet) -> None:
    items = random_items(5)
    content = metrics_json(items, label_set, how=HOW)
    covered = [item for item in items if item.covered]
    right = sum(item.label == item.gold for item in covered)
    assert content["coverage"]["value"] == pytest.approx(len(covered) / len(items), abs=1e-6)
    assert content["selective"]["n"] == len(covered) < len(items)
    expected = {
        "outlier_as_wrong": right / len(items),
        "selective": right / len(covered),
    }
    for view, value in expected.items():
        assert content[view]["accuracy"]["value"] == pytest.approx(value, abs=1e-6)
    forced = sum(item.answer() == item.gold for item in items) / len(items)
    assert content["accuracy"]["value"] == pytest.approx(forced, abs=1e-6)
    strict = np.array(content["confusion"]["strict"])
    assert strict[:, -1].sum() == len(items) - len(covered)
    assert np.array(content["confusion"]["forced"])[:, -1].sum() == 0


def test_per_class_counts_add_up(random_items: Maker, label_set: LabelSet) -> None:
    items = random_items(5)
    content = metrics_json(items, label_set, how=HOW)
    per_class = content["per_class"]
    assert sum(part["support"] for part in per_class.values()) == len(items)
    assert sum(part["answered"] for part in per_class.values()) == len(items)
    macro = np.mean([part["f1"]["value"] for part in per_class.values()])
    assert content["macro_f1"]["value"] == pytest.approx(macro, abs=2e-6)


def test_calibration_judges_proposal_and_answer_apart(
    random_items: Maker, label_set: LabelSet
) -> None:
    items = scored(random_items(5), label_set.names)
    report = metrics_json(items, label_set, how=HOW)["calibration"]
    assert report["proposal"]["n"] == len(items)
    assert report["answer"]["n"] == sum(item.covered for item in items)
    assert report["proposal"]["brier"]["low"] < report["proposal"]["brier"]["value"]
    assert sum(part["n"] for part in report["proposal"]["reliability"]) == len(items)
    assert report["risk_coverage"]["ranked_by"] == "confidence"
    right = sum(item.answer() == item.gold for item in items)
    last = report["risk_coverage"]["curve"][-1]
    assert last == {"coverage": 1.0, "risk": pytest.approx(1 - right / len(items), abs=1e-6)}


def test_what_was_not_answered_is_answered_last(random_items: Maker, label_set: LabelSet) -> None:
    items = [
        replace(item, confidence=0.9 if item.covered else 0.99, fallback="joy")
        for item in random_items(5)
    ]
    report = metrics_json(items, label_set, how=HOW)["calibration"]
    covered = [item for item in items if item.covered]
    assert report["answer"]["n"] == len(covered)
    assert report["answer"]["mean_confidence"] == 0.9
    share = len(covered) / len(items)
    near = min(report["risk_coverage"]["curve"], key=lambda point: abs(point["coverage"] - share))
    wrong = sum(item.label != item.gold for item in covered) / len(covered)
    assert near["risk"] == pytest.approx(wrong, abs=0.01)


def test_without_scores_calibration_says_null(random_items: Maker, label_set: LabelSet) -> None:
    assert metrics_json(random_items(5), label_set, how=HOW)["calibration"] is None
    items = [replace(item, confidence=None) for item in scored(random_items(5), label_set.names)]
    report = metrics_json(items, label_set, how=HOW)["calibration"]
    assert report["answer"] is None
    assert report["risk_coverage"]["ranked_by"] == "posterior"


def test_shaky_intervals_are_announced(random_items: Maker, label_set: LabelSet) -> None:
    wide = LabelSet("four", [*label_set.names, "fear"])
    items = [item for item in random_items(5, clusters=12) if item.gold != "anger"]
    items.append(replace(items[0], index=99, gold="anger"))
    warnings = metrics_json(items, wide, how=HOW)["warnings"]
    assert any("only 12 clusters" in text for text in warnings)
    assert not any("Gold labels in fewer than" in text for text in warnings)  # that is said by it
    assert any("No item has the gold label 'fear'" in text for text in warnings)


def test_rare_labels_are_named_in_one_sentence(random_items: Maker, label_set: LabelSet) -> None:
    items = [item for item in random_items(5, clusters=40) if item.gold != "anger"]
    items.append(replace(items[0], index=99, gold="anger"))
    (warning,) = metrics_json(items, label_set, how=HOW)["warnings"]
    assert warning.startswith("Gold labels in fewer than 10 clusters: 'anger' (1); ")


def test_all_outliers_leave_no_selective_score(label_set: LabelSet) -> None:
    items = [Item(f"d{n}", 0, f"d{n}", "joy", fallback="joy") for n in range(25)]
    content = metrics_json(items, label_set, how=HOW)
    assert content["selective"]["accuracy"]["value"] is None
    assert content["coverage"]["value"] == 0
    assert content["outlier_as_wrong"]["accuracy"]["value"] == 0
    assert content["accuracy"]["value"] == 1
    json.dumps(content, allow_nan=False)


def test_nothing_to_score_is_said(label_set: LabelSet) -> None:
    with pytest.raises(InputError, match="no utterance has a gold label"):
        metrics_json([], label_set)
    with pytest.raises(LabelError, match="'no_emotion' is not a label"):
        metrics_json(
            [Item("d", 0, "d", "joy", label="joy")], label_set, how=HOW, neutral="no_emotion"
        )


def test_how_often_another_order_of_letters_decides_is_reported(
    random_items: Maker, label_set: LabelSet
) -> None:
    items = random_items(5)
    assert "flip_rate" not in metrics_json(items, label_set, how=HOW)
    halves = [replace(item, flips=place % 2 / 2) for place, item in enumerate(items)]
    found = metrics_json(halves, label_set, how=HOW)["flip_rate"]
    assert found["n"] == len(items)
    assert found["value"] == pytest.approx(sum(item.flips or 0 for item in halves) / len(items))
    assert found["low"] <= found["value"] <= found["high"]
