"""What tells right answers from wrong ones: where it is known, the measurement says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sentixrl.errors import InputError
from sentixrl.evaluation.intervals import Resampling
from sentixrl.experiments.held import Held
from sentixrl.experiments.plan import Signal
from sentixrl.experiments.telling import _area, _ranked, telling, told_by

from .test_combining import held

HOW = Resampling(resamples=400)
NAMES = ("generator", "other")


def knowing(one: Held, skill: float) -> Held:
    """A view of the same turns that knows the gold label to a degree."""
    rng = np.random.default_rng(5)
    scores = rng.normal(size=one.log_probs.shape)
    scores[np.arange(len(one)), one.gold] += skill
    log_probs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return replace(one, log_probs=log_probs, answers=log_probs.argmax(1))


def test_a_view_that_knows_more_adds_and_that_of_other_turns_does_not() -> None:
    one = held(1, 1.0, turns=900)
    found = telling([(one, knowing(one, 2.0))], NAMES, HOW)
    assert found.gain > 0.08
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.gain < found.high
    assert abs(found.strangers - found.own) < 0.03
    assert (found.seeds, found.turns) == (1, 900)


def test_a_view_that_knows_nothing_adds_nothing() -> None:
    one = held(1, 1.0, turns=900)
    found = telling([(one, knowing(one, 0.0))], NAMES, HOW)
    assert abs(found.gain) < 0.02
    assert found.low is not None
    assert found.low < 0
    same = replace(one, log_probs=np.full_like(one.log_probs, np.log(1 / 3)))
    assert telling([(one, same)], NAMES, HOW).gain == pytest.approx(0, abs=1e-3)


def test_seeds_are_averaged() -> None:
    pairs = [(one, knowing(one, 1.0)) for one in (held(1, 1.0), held(2, 1.0))]
    both, (one, other) = telling(pairs, NAMES, HOW), [telling([pair], NAMES, HOW) for pair in pairs]
    assert both.gain == pytest.approx((one.gain + other.gain) / 2)
    assert both.seeds == 2


def test_the_area_is_that_of_scikit_learn_for_any_draw_of_clusters() -> None:
    rng = np.random.default_rng(0)
    guess, cluster = rng.integers(0, 6, 80) / 6, rng.integers(0, 7, 80)
    right = rng.random(80) < 0.6
    ranked = _ranked(guess, right, cluster)
    weights = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 2, 1, 0, 3, 1, 0]], float)
    expected = [roc_auc_score(right, guess, sample_weight=row[cluster]) for row in weights]
    assert _area(ranked, weights) == pytest.approx(expected)


def test_few_clusters_give_no_interval() -> None:
    one = held(1, 1.0)
    few = replace(one, cluster=one.cluster % 6)
    found = telling([(few, knowing(few, 1.0))], NAMES, HOW)
    assert (found.low, found.high) == (None, None)


def test_what_cannot_be_told_is_said() -> None:
    one = held(1, 1.0)
    sure = replace(one, answers=one.gold)
    with pytest.raises(InputError, match="All or none of the answers of 'generator' are right"):
        telling([(sure, one)], NAMES, HOW)
    with pytest.raises(InputError, match="do not answer the same turns"):
        telling([(one, held(1, 1.0, turns=200))], NAMES, HOW)
    signal = Signal(of="generator", by="other", least=0.01)
    assert told_by("x", "meld", signal, [], HOW).why == "answers are missing"
    assert "All or none" in told_by("x", "meld", signal, [(sure, one)], HOW).why
    told = told_by("x", "meld", signal, [(sure, one)], HOW).as_dict()
    assert (told["found"], told["least"]) == (None, 0.01)
    assert "All or none" in told["why"]
