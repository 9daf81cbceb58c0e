from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from sentixrl.errors import InputError
from sentixrl.evaluation.calibration_error import (
    Binning,
    brier_scores,
    expected_calibration_error,
    negative_log_likelihoods,
    probability_matrix,
    reliability,
)


def test_ece_by_hand() -> None:
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    right = np.array([True, True, True, False, False, False])
    expected = 4 / 6 * abs(0.9 - 0.75) + 2 / 6 * 0.6
    for binning in Binning:
        found = expected_calibration_error(confidence, right, binning=binning)
        assert found == pytest.approx(expected)


def test_a_calibrated_model_has_nearly_none_and_an_overconfident_one_its_excess() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 0.9, size=20_000)
    right = rng.random(20_000) < confidence
    assert expected_calibration_error(confidence, right) < 0.015
    assert expected_calibration_error(confidence + 0.1, right) == pytest.approx(0.1, abs=0.012)


def test_equal_mass_bins_hold_equally_many_and_ties_stay_together() -> None:
    confidence = np.linspace(0.5, 1, 150)
    curve = reliability(confidence, np.ones(150, dtype=bool), bins=15)
    assert [part.n for part in curve] == [10] * 15
    tied = np.repeat([0.4, 0.8], [95, 5])
    assert [part.n for part in reliability(tied, tied > 0.5, bins=15)] == [95, 5]


def test_equal_width_edges_belong_to_the_bin_below() -> None:
    confidence = np.array([0.0, 0.5, 0.500001, 1.0])
    curve = reliability(
        confidence, np.array([True, False, True, True]), bins=2, binning=Binning.WIDTH
    )
    assert [(part.lower, part.upper, part.n) for part in curve] == [(0, 0.5, 2), (0.5, 1, 2)]
    assert [part.accuracy for part in curve] == [0.5, 1.0]


def test_equal_width_ignores_where_the_items_lie() -> None:
    confidence = np.array([0.91, 0.92, 0.93, 0.94, 0.1])
    curve = reliability(confidence, confidence > 0.92, bins=10, binning=Binning.WIDTH)
    assert [part.n for part in curve] == [1, 4]
    assert curve[1].lower == pytest.approx(0.9)
    assert len(reliability(confidence, confidence > 0.92, bins=10)) > 2


def test_the_order_of_items_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.choice([0.2, 0.4, 0.5, 0.7, 0.95], size=200)
    right = rng.random(200) < 0.6
    shuffled = rng.permutation(200)
    assert expected_calibration_error(confidence, right, bins=7) == pytest.approx(
        expected_calibration_error(confidence[shuffled], right[shuffled], bins=7)
    )


def test_brier_and_nll_equal_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 4, size=50)
    probabilities = rng.dirichlet(np.ones(4), size=50)
    ours = brier_scores(probabilities, gold).mean()
    # For several classes scikit-learn, too, sums the squares over classes.
    assert ours == pytest.approx(
        brier_score_loss(gold, probabilities, labels=[0, 1, 2, 3], scale_by_half=False)
    )
    assert negative_log_likelihoods(probabilities, gold).mean() == pytest.approx(
        log_loss(gold, probabilities, labels=[0, 1, 2, 3])
    )


def test_brier_reaches_from_0_to_2_and_nll_stays_finite() -> None:
    sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert brier_scores(sure, np.array([0, 1])).tolist() == [0.0, 2.0]
    nll = negative_log_likelihoods(sure, np.array([0, 1]))
    assert nll[0] == 0
    assert nll[1] == pytest.approx(-math.log(5e-7))  # what six decimals write as 0 is less


def test_probabilities_are_normalised_within_rounding_and_checked_beyond() -> None:
    matrix = probability_matrix([{"b": 0.5, "a": 0.501}], ["a", "b"])
    np.testing.assert_allclose(matrix, [[0.501 / 1.001, 0.5 / 1.001]])
    with pytest.raises(InputError, match=r"sum to 0\.9 "):
        probability_matrix([{"a": 0.5, "b": 0.5}, {"a": 0.4, "b": 0.5}], ["a", "b"])
    with pytest.raises(InputError, match=r"smallest -0\.1"):
        probability_matrix([{"a": 1.1, "b": -0.1}], ["a", "b"])
    with pytest.raises(InputError, match="no probability for the label 'b'"):
        probability_matrix([{"a": 1.0}], ["a", "b"])
