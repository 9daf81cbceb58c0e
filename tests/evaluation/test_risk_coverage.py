from __future__ import annotations

import numpy as np
import pytest

from sentixrl.evaluation.risk_coverage import risk_coverage, thinned


def test_by_hand() -> None:
    curve = risk_coverage(np.array([0.1, 0.9, 0.5, 0.7]), np.array([False, True, True, False]))
    # Order: right, wrong, right, wrong.
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 2 / 4])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1])
    assert curve.aurc == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert curve.optimal == pytest.approx((1 / 3 + 2 / 4) / 4)
    assert curve.excess == pytest.approx(curve.aurc - curve.optimal)


def test_a_perfect_ranking_has_no_excess_and_a_reversed_one_the_most() -> None:
    right = np.array([True] * 7 + [False] * 3)
    ranks = np.arange(10.0)
    assert risk_coverage(-ranks, right).excess == pytest.approx(0)
    worst = risk_coverage(ranks, right).excess
    rng = np.random.default_rng(0)
    assert all(0 <= risk_coverage(rng.permutation(ranks), right).excess <= worst for _ in range(50))


def test_ties_count_as_random_order() -> None:
    rng = np.random.default_rng(1)
    scores = rng.choice([0.2, 0.6, 0.9], size=40)
    right = rng.random(40) < 0.6
    tied = risk_coverage(scores, right)
    broken = [risk_coverage(scores + rng.random(40) * 1e-6, right).aurc for _ in range(3000)]
    assert tied.aurc == pytest.approx(np.mean(broken), abs=2e-3)
    shuffled = rng.permutation(40)
    assert risk_coverage(scores[shuffled], right[shuffled]).aurc == pytest.approx(tied.aurc)


def test_what_has_no_score_comes_last() -> None:
    curve = risk_coverage(np.array([-np.inf, 0.1, -np.inf]), np.array([False, True, False]))
    assert curve.risk[0] == 0
    assert curve.risk[-1] == pytest.approx(2 / 3)
    assert curve.excess == pytest.approx(0)


def test_thinning_keeps_the_end() -> None:
    rng = np.random.default_rng(2)
    curve = risk_coverage(rng.random(1234), rng.random(1234) < 0.5)
    points = thinned(curve, 100)
    assert len(points) == 100
    assert points[-1] == {"coverage": 1.0, "risk": round(float(curve.risk[-1]), 6)}
    assert len(thinned(risk_coverage(rng.random(5), rng.random(5) < 0.5), 100)) == 5
