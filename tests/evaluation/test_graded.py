from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from sentixrl.evaluation.graded import graded_metrics
from sentixrl.evaluation.intervals import Resampling


def test_each_granularity_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, size=200)
    guess = np.where(rng.random(200) < 0.5, truth, rng.integers(0, 5, size=200))
    gold = {2: truth // 3, 3: (truth + 1) // 2, 5: truth}
    answers = {2: guess // 3, 3: (guess + 1) // 2, 5: guess}
    clusters = rng.integers(0, 40, size=200)
    found = graded_metrics(gold, answers, clusters, Resampling(resamples=200))
    assert list(found) == ["acc_2", "f1_2", "acc_3", "f1_3", "acc_5", "f1_5"]
    for classes in gold:
        accuracy = found[f"acc_{classes}"]
        assert accuracy.value == pytest.approx(accuracy_score(gold[classes], answers[classes]))
        assert found[f"f1_{classes}"].value == pytest.approx(
            f1_score(gold[classes], answers[classes], average="weighted")
        )
        assert accuracy.low is not None
        assert accuracy.high is not None
        assert accuracy.low < accuracy.value < accuracy.high


def test_only_what_both_hold_is_scored() -> None:
    codes = np.array([0, 1, 0])
    assert set(graded_metrics({2: codes, 5: codes}, {2: codes}, codes)) == {"acc_2", "f1_2"}


def test_a_missing_answer_is_wrong() -> None:
    gold, answers = np.array([0, 1, 1]), np.array([0, 1, 2])
    found = graded_metrics({2: gold}, {2: answers}, np.arange(3))
    assert found["acc_2"].value == pytest.approx(2 / 3)
