from __future__ import annotations

import time

import numpy as np
import pytest

from sentixrl.errors import ConfigError
from sentixrl.evaluation.confusion import Floats
from sentixrl.evaluation.intervals import (
    Interval,
    Resampling,
    bootstrap,
    draw_weights,
    intervals,
    kinds_of,
    mean_intervals,
    standard_errors,
)
from sentixrl.evaluation.metrics import HEADLINE, accuracy, headline
from tests.evaluation.conftest import of_two

DRAWS, DIALOGUES = 500, 200


def one_accuracy(counts: Floats) -> Floats:
    return accuracy(counts)[..., None]


def test_intervals_cover_the_truth_in_92_to_97_percent_of_draws(population: Floats) -> None:
    truth = headline(population.sum(axis=0))
    rng = np.random.default_rng(0)
    covered = np.zeros(len(HEADLINE))
    for draw in range(DRAWS):
        sample = population[rng.integers(0, len(population), DIALOGUES)]
        found = intervals(sample, headline, Resampling(resamples=1000, seed=draw))
        covered += [
            each.low is not None and each.high is not None and each.low <= value <= each.high
            for each, value in zip(found, truth, strict=True)
        ]
    for name, share in zip(HEADLINE, covered / DRAWS, strict=True):
        assert 0.92 <= share <= 0.97, f"{name}: {share:.3f}"


def test_drawing_utterances_instead_of_dialogues_would_not_cover(population: Floats) -> None:
    """The reason for clusters: independent items would claim a third less uncertainty."""
    sample = population[:DIALOGUES]
    clustered = standard_errors(sample, one_accuracy)[0]
    value = float(accuracy(sample.sum(axis=0)))
    independent = np.sqrt(value * (1 - value) / sample[:, 1].sum())
    assert clustered > 1.3 * independent


def test_standard_error_is_the_spread_of_the_estimate(population: Floats) -> None:
    rng = np.random.default_rng(1)
    samples = [population[rng.integers(0, len(population), DIALOGUES)] for _ in range(400)]
    spread = np.std([headline(sample.sum(axis=0)) for sample in samples], axis=0)
    claimed = np.mean([standard_errors(sample, headline) for sample in samples], axis=0)
    np.testing.assert_allclose(claimed, spread, rtol=0.12)


def test_standard_error_equals_the_cluster_robust_one_for_equal_clusters() -> None:
    right = np.array([3.0, 1.0, 4.0, 2.0, 2.0])
    means = right / 4
    expected = np.sqrt(((means - means.mean()) ** 2).sum() / (5 * 4))
    assert standard_errors(of_two(right, 4), one_accuracy)[0] == pytest.approx(expected)


def test_same_seed_same_interval_other_seed_another(population: Floats) -> None:
    sample = population[:50]
    first, again, other = (intervals(sample, headline, Resampling(seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert [each.value for each in first] == [each.value for each in other]


def test_equal_clusters_are_one_kind() -> None:
    rows = np.array([[2.0, 1.0], [5.0, 0.0], [2.0, 1.0], [2.0, 1.0]])
    kinds, copies = kinds_of(rows)
    assert sorted(zip(kinds.tolist(), copies.tolist(), strict=True)) == [([2, 1], 3), ([5, 0], 1)]


@pytest.mark.parametrize("copies", [[3, 1], [30, 10]])  # drawn one by one, and by kind
def test_kinds_are_drawn_as_often_as_they_occur(copies: list[int]) -> None:
    clusters = sum(copies)
    parts = list(draw_weights(np.array(copies), Resampling(resamples=4000), width=5000))
    assert len(parts) > 1  # 4,000 draws of 5,000 numbers are too many at a time
    weights = np.concatenate(parts)
    assert weights.shape == (4000, 2)
    assert (weights.sum(axis=1) == clusters).all()
    np.testing.assert_allclose(weights.mean(axis=0), copies, rtol=0.05)
    np.testing.assert_allclose(weights.var(axis=0), clusters * 3 / 4 / 4, rtol=0.1)


def test_the_order_of_clusters_does_not_matter(population: Floats) -> None:
    sample = population[:60]
    mixed = sample[np.random.default_rng(0).permutation(60)]
    for one, other in zip(
        intervals(sample, headline, Resampling()),
        intervals(mixed, headline, Resampling()),
        strict=True,
    ):
        assert (one.low, one.high) == (other.low, other.high)


def test_few_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    tallies = of_two(rng.integers(0, 10, size=12), 10)
    how = Resampling(resamples=4000)
    found = intervals(tallies, one_accuracy, how)[0]
    plain = np.quantile(bootstrap(tallies, one_accuracy, how), [0.025, 0.975])
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < plain[0] < plain[1] < found.high <= 1


def test_one_cluster_has_a_value_and_no_interval() -> None:
    tallies = of_two(np.array([0, 5, 0]), np.array([0, 5, 0]))
    assert intervals(tallies, one_accuracy, Resampling()) == [Interval(1.0)]


def test_nothing_has_no_value() -> None:
    found = intervals(np.zeros((3, 3, 2)), one_accuracy, Resampling())[0]
    assert found.as_dict() == {"value": None, "low": None, "high": None, "se": None}


def test_mean_intervals_average_over_items_not_clusters() -> None:
    values = np.array([[1.0, 10.0], [3.0, 20.0], [5.0, 60.0]])
    found = mean_intervals(values, np.array([0, 0, 1]), Resampling())
    assert [each.value for each in found] == [3.0, 30.0]
    assert (found[0].low, found[0].high) == (2.0, 5.0)


def test_headline_over_2000_resamples_takes_well_under_a_second(population: Floats) -> None:
    started = time.process_time()
    intervals(population[:280], headline, Resampling(resamples=2000))
    assert time.process_time() - started < 1


@pytest.mark.parametrize("settings", [{"resamples": 5}, {"permutations": 1}, {"level": 95.0}])
def test_senseless_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        Resampling(**settings)
