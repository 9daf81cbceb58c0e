from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from sentixrl.evaluation.confusion import Floats
from sentixrl.evaluation.intervals import Resampling
from sentixrl.evaluation.metrics import headline
from sentixrl.evaluation.significance import differences, holm, mcnemar, permutation_p
from tests.evaluation.conftest import of_two


def two_runs(
    population: Floats, clusters: int, seed: int, worse: float = 0.0
) -> tuple[Floats, Floats]:
    """Two runs over the same gold: the second forgets a share of its right answers."""
    rng = np.random.default_rng(seed)
    first = population[rng.integers(0, len(population), clusters)]
    second = first.copy()
    for run, share in ((first, 0.2), (second, 0.2 + worse)):
        lost = rng.binomial(run[:, 0].astype(int), share)
        run[:, 0] -= lost  # right answers
        run[:, 2] -= lost  # answers
    return first, second


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True, False])
    second = np.array([False] * only_first + [True] * only_second + [True, False])
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    number = only_first + only_second
    assert found.p == pytest.approx(binomtest(only_first, number).pvalue if number else 1.0)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]


def test_few_clusters_are_permuted_exhaustively(population: Floats) -> None:
    first, second = two_runs(population, 7, seed=1, worse=0.2)
    observed = abs(headline(second.sum(axis=0)) - headline(first.sum(axis=0)))
    extreme = np.zeros(3)
    for swap in product([False, True], repeat=7):
        mask = np.array(swap)[:, None, None]
        one = np.where(mask, second, first).sum(axis=0)
        other = np.where(mask, first, second).sum(axis=0)
        extreme += abs(headline(other) - headline(one)) >= observed - 1e-12
    found = permutation_p(first, second, headline, Resampling())
    assert found == pytest.approx((extreme / 2**7).tolist())


def test_two_clusters_can_never_be_significant(population: Floats) -> None:
    """EmotionTalk's test split has two groups of speakers: an honest test must say 0.5."""
    first, second = two_runs(population, 2, seed=3, worse=0.7)
    assert min(permutation_p(first, second, headline, Resampling())) >= 0.5


def test_equal_runs_have_p_1_and_no_difference(population: Floats) -> None:
    first = population[:40]
    assert permutation_p(first, first, headline, Resampling()) == [1.0] * 3
    found, p_values = differences(first[None], first[None], headline, Resampling())
    assert [(each.value, each.low, each.high) for each in found] == [(0, 0, 0)] * 3
    assert p_values == [1.0] * 3


def test_a_real_difference_is_found_and_drawn_p_follows_the_exact_one(population: Floats) -> None:
    first, second = two_runs(population, 200, seed=4, worse=0.15)
    found = permutation_p(first, second, headline, Resampling(permutations=500))
    assert found == [1 / 501] * 3  # never 0
    first, second = two_runs(population, 14, seed=9, worse=0.1)
    exact = permutation_p(first, second, headline, Resampling(permutations=2**14))
    drawn = permutation_p(first, second, headline, Resampling(permutations=2000))
    assert exact != drawn
    assert drawn == pytest.approx(exact, abs=0.03)


def test_false_alarms_are_as_rare_as_promised(population: Floats) -> None:
    how = Resampling(resamples=100, permutations=200)
    alarms = np.zeros(3)
    for seed in range(300):
        first, second = two_runs(population, 60, seed=seed)
        alarms += np.array(permutation_p(first, second, headline, how)) <= 0.05
    assert (alarms / 300 < 0.09).all()
    assert (alarms / 300 > 0.02).all()


def test_paired_interval_is_narrower_than_unpaired(population: Floats) -> None:
    first, second = two_runs(population, 150, seed=5, worse=0.05)
    found, _ = differences(first[None], second[None], headline, Resampling())
    assert found[0].se is not None
    rng = np.random.default_rng(0)
    apart = [
        headline(second[rng.integers(0, 150, 150)].sum(axis=0))
        - headline(first[rng.integers(0, 150, 150)].sum(axis=0))
        for _ in range(300)
    ]
    assert found[0].se < 0.7 * np.std(apart, axis=0)[0]
    expected = headline(second.sum(axis=0)) - headline(first.sum(axis=0))
    assert [each.value for each in found] == pytest.approx(expected.tolist())


def test_difference_intervals_cover(population: Floats) -> None:
    everyone = two_runs(population, 20_000, seed=77, worse=0.1)
    truth = headline(everyone[1].sum(axis=0)) - headline(everyone[0].sum(axis=0))
    covered = np.zeros(3)
    for seed in range(200):
        first, second = two_runs(population, 200, seed=seed, worse=0.1)
        found, _ = differences(
            first[None], second[None], headline, Resampling(resamples=300, seed=seed)
        )
        covered += [
            each.low is not None and each.high is not None and each.low <= value <= each.high
            for each, value in zip(found, truth, strict=True)
        ]
    assert (covered / 200 >= 0.90).all()
    assert (covered / 200 <= 0.99).all()


def test_seeds_that_disagree_widen_the_interval(population: Floats) -> None:
    good, bad = two_runs(population, 100, seed=6, worse=0.3)
    how = Resampling(resamples=500)
    steady, _ = differences(np.stack([good] * 3), np.stack([good] * 3), headline, how)
    shaky, p_values = differences(np.stack([good] * 3), np.stack([good, bad, bad]), headline, how)
    alone, _ = differences(good[None], bad[None], headline, how)
    widths = [
        each[0].high - each[0].low
        for each in (steady, alone, shaky)
        if each[0].high is not None and each[0].low is not None
    ]
    assert widths == sorted(widths)
    assert widths[2] > 3 * widths[1]
    assert p_values[0] > 0.05
    expected = 2 / 3 * (headline(bad.sum(axis=0)) - headline(good.sum(axis=0)))
    assert [each.value for each in shaky] == pytest.approx(expected.tolist())


def test_seed_noise_is_not_understated() -> None:
    """With clusters that agree exactly, only seeds vary: the error is that of their mean."""
    rights = np.array([3.0, 5.0, 8.0])
    runs = np.stack([of_two(np.full(50, right), 10) for right in rights])
    found, _ = differences(runs[:1], runs, headline, Resampling(resamples=20_000))
    assert found[0].se == pytest.approx(np.std(rights / 10, ddof=1) / np.sqrt(3), rel=0.03)


def test_one_cluster_cannot_tell(population: Floats) -> None:
    first, second = two_runs(population, 1, seed=0, worse=0.5)
    found, p_values = differences(first[None], second[None], headline, Resampling())
    assert found[0].low is None
    assert np.isnan(p_values).all()
    assert permutation_p(first, second, headline, Resampling()) == [1.0] * 3
