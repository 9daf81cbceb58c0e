from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sentixrl.errors import InputError
from sentixrl.evaluation import metrics
from sentixrl.evaluation.confusion import confusion, count, tally
from sentixrl.evaluation.items import Answer, Item

Case = tuple[int, list[tuple[int, int, int]]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """The number of labels, and (gold, answer, cluster) codes; some classes may be absent."""
    n_labels = draw(st.integers(2, 6))
    row = st.tuples(st.integers(0, n_labels - 1), st.integers(0, n_labels), st.integers(0, 4))
    return n_labels, draw(st.lists(row, min_size=1, max_size=60))


@settings(max_examples=150, deadline=None)
@given(cases())
def test_metrics_equal_scikit_learn(case: Case) -> None:
    n_labels, rows = case
    gold, answers, clusters = np.array(rows).T
    counts = count(gold, answers, clusters, n_labels=n_labels, n_clusters=5).sum(axis=0)
    task = list(range(n_labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = sk.precision_recall_fscore_support(gold, answers, labels=task, zero_division=0)
        averages = [
            sk.f1_score(gold, answers, labels=task, average=kind, zero_division=0)
            for kind in ("weighted", "macro")
        ]
        micro = sk.f1_score(gold, answers, labels=task[1:], average="micro", zero_division=0)
    ours = (metrics.precision, metrics.recall, metrics.f1, metrics.support)
    for theirs, statistic in zip(parts, ours, strict=True):
        np.testing.assert_allclose(statistic(counts), theirs, atol=1e-12)
    expected = [sk.accuracy_score(gold, answers), *averages]
    np.testing.assert_allclose(metrics.headline(counts), expected, atol=1e-12)
    np.testing.assert_allclose(metrics.micro_f1_without(counts, 0), micro, atol=1e-12)


def test_many_counts_at_once_equal_one_at_a_time() -> None:
    counts = np.random.default_rng(0).integers(0, 9, size=(4, 5, 3, 6)).astype(float)
    together = metrics.headline(counts)
    assert together.shape == (4, 5, 3)
    np.testing.assert_array_equal(together[2, 3], metrics.headline(counts[2, 3]))


def test_nothing_has_no_score() -> None:
    assert np.isnan(metrics.headline(np.zeros((3, 4)))).all()


def test_an_outlier_is_a_miss_and_no_false_alarm() -> None:
    # Two of class 0 right, one of class 1 unanswered.
    (counts,) = count(np.array([0, 0, 1]), np.array([0, 0, 2]), n_labels=2)
    assert counts.tolist() == [[2, 0], [2, 1], [2, 0]]
    assert metrics.precision(counts).tolist() == [1.0, 0.0]
    assert metrics.macro_f1(counts) == 0.5
    assert metrics.accuracy(counts) == pytest.approx(2 / 3)


def test_tally_counts_the_chosen_answer_by_cluster(
    random_items: Callable[..., list[Item]], labels: tuple[str, ...]
) -> None:
    items = random_items(1)
    forced, strict = tally(items, labels), tally(items, labels, Answer.STRICT)
    assert forced.shape == strict.shape == (30, 3, 3)
    for found in (forced, strict):
        right, gold, answers = found.sum(axis=(0, 2))
        assert 0 < right < answers
        assert gold == len(items)
    assert forced[:, 2].sum() == len(items)
    assert strict[:, 2].sum() == sum(item.covered for item in items) < len(items)
    first = [item for item in items if item.cluster == "d0"]
    assert forced[0, 1].sum() == len(first)
    part = tally(first, labels, clusters=["d7", "d0"])
    np.testing.assert_array_equal(part[1], forced[0])
    assert part[0].sum() == 0


@pytest.mark.parametrize(("gold", "answer"), [(2, 0), (-1, 0), (0, 3), (0, -1)])
def test_codes_of_other_labels_are_refused(gold: int, answer: int) -> None:
    with pytest.raises(ValueError, match="outside those of 2 labels"):
        count(np.array([0, gold]), np.array([1, answer]), n_labels=2)


def test_a_confusion_matrix_is_scikit_learns(
    random_items: Callable[..., list[Item]], labels: tuple[str, ...]
) -> None:
    items = random_items(2)
    gold, strict = [item.gold for item in items], [item.label or "none" for item in items]
    theirs = sk.confusion_matrix(gold, strict, labels=[*labels, "none"])
    np.testing.assert_array_equal(confusion(items, labels, Answer.STRICT), theirs[:-1])
    forced = confusion(items, labels)
    assert forced[:, -1].sum() == 0
    np.testing.assert_array_equal(np.diagonal(forced), tally(items, labels)[:, 0].sum(axis=0))


def test_labels_outside_the_set_are_named(labels: tuple[str, ...]) -> None:
    item = Item("d9", 3, "d9", gold="bored", label="joy")
    with pytest.raises(InputError, match="gold label 'bored' of dialogue 'd9', turn 4"):
        tally([item], labels)
    item = Item("d9", 3, "d9", gold="joy", label="bored")
    with pytest.raises(InputError, match="answer 'bored' of dialogue 'd9', turn 4"):
        tally([item], labels)
