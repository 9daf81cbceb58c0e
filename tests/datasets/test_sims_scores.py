"""CH-SIMS's own metrics, against scikit-learn and a literal reading of the intervals."""

from __future__ import annotations

import random

import pytest

from sentixrl.datasets.ch_sims import sign_label
from sentixrl.datasets.sims_scores import score_of_label, sims_class, sims_scores
from sentixrl.errors import ConfigError

GRID = [round(-1 + step / 5, 1) for step in range(11)]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (2, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
        (3, [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]),
        (5, [0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 4]),
    ],
)
def test_classes_of_annotated_scores(classes: int, expected: list[int]) -> None:
    assert [sims_class(score, classes) for score in GRID] == expected


@pytest.mark.parametrize(
    ("score", "expected"), [(-0.1, 0), (0.1, 1), (0.1000001, 2), (-7.0, 0), (7.0, 2)]
)
def test_classes_hold_their_upper_bound(score: float, expected: int) -> None:
    assert sims_class(score, 3) == expected


def test_three_classes_are_the_sign_of_annotated_scores() -> None:
    names = ("negative", "neutral", "positive")
    for score in [*GRID, -0.1]:  # v2s has a -0.1
        assert names[sims_class(score, 3)] == sign_label(score)
        assert sims_class(score_of_label(sign_label(score)), 3) == sims_class(score, 3)
        assert sims_class(score_of_label(sign_label(score)), 2) == sims_class(score, 2)


def test_metrics_equal_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    chance = random.Random(3)
    for _ in range(25):
        gold = [chance.choice(GRID) for _ in range(40)]
        guess = [chance.uniform(-1.2, 1.2) for _ in range(40)]
        found = sims_scores(gold, guess)
        for classes in (2, 3, 5):
            truth = [sims_class(score, classes) for score in gold]
            said = [sims_class(score, classes) for score in guess]
            assert found[f"acc_{classes}"] == pytest.approx(metrics.accuracy_score(truth, said))
            if classes < 5:
                f1 = metrics.f1_score(truth, said, average="weighted", zero_division=0)
                assert found[f"f1_{classes}"] == pytest.approx(f1)


def test_what_cannot_be_scored() -> None:
    with pytest.raises(ConfigError, match="2, 3 or 5 classes, not 7"):
        sims_class(0.0, 7)
    for gold in ([], [0.0]):
        with pytest.raises(ConfigError, match="one length"):
            sims_scores(gold, [])
