"""Probabilities and thresholds where each label is judged by itself."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sklearn
from hypothesis import given as given_data
from hypothesis import strategies as st

from sentixrl.calibration.fitting import fit_several, fit_thresholds
from sentixrl.calibration.posterior import Calibration
from sentixrl.calibration.several import given, log_odds_of, probabilities
from sentixrl.errors import ConfigError


def answers(seed: int, n: int = 400, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of three labels, the last of them rare, and what is true of them."""
    rng = np.random.default_rng(seed)
    true = rng.normal([0.0, -1.0, -3.0], 2.0, (n, 3))
    return true * scale, rng.random((n, 3)) < 1 / (1 + np.exp(-true))


@given_data(st.integers(0, 9), st.sampled_from([0.4, 1.0, 2.5]))
def test_the_temperature_is_found_again(seed: int, scale: float) -> None:
    log_odds, gold = answers(seed, 4000, scale)
    assert fit_several(log_odds, gold).scale == pytest.approx(1 / scale, rel=0.15)


def test_thresholds_raise_macro_f1_above_that_of_one_half() -> None:
    log_odds, gold = answers(1)
    fitted = fit_several(log_odds, gold)
    said = given(probabilities(log_odds, fitted), fitted)
    even = log_odds >= 0
    scores = [sklearn.f1_score(gold, one, average="macro") for one in (said, even)]
    assert scores[0] > scores[1] + 0.02
    assert len(fitted.thresholds) == 3


def test_many_examples_bring_a_threshold_to_its_best_place() -> None:
    log_odds, gold = answers(2, 20_000)
    shares = 1 / (1 + np.exp(-log_odds))
    for label, threshold in enumerate(fit_thresholds(shares, gold)):
        at = sklearn.f1_score(gold[:, label], shares[:, label] >= threshold)
        tried = [
            sklearn.f1_score(gold[:, label], shares[:, label] >= other)
            for other in np.linspace(0.05, 0.95, 19)
        ]
        assert at >= max(tried) - 0.003


def test_a_label_without_examples_has_the_common_threshold() -> None:
    shares = np.array([[0.9, 0.9], [0.8, 0.1], [0.3, 0.2], [0.2, 0.1]])
    gold = np.array([[True, False], [True, False], [False, False], [False, False]])
    first, second = fit_thresholds(shares, gold)
    assert 0.0 < second < 1.0
    assert first < 0.8


def test_answers_of_equal_probability_are_given_together() -> None:
    shares = np.array([[0.6], [0.6], [0.6], [0.1]])
    gold = np.array([[True], [False], [False], [False]])
    (threshold,) = fit_thresholds(shares, gold)
    assert threshold < 0.6


def test_without_thresholds_a_label_is_given_from_one_half() -> None:
    assert given(np.array([0.5, 0.49]), Calibration()).tolist() == [True, False]


@pytest.mark.parametrize("fault", [Calibration(bias=(0.1,)), Calibration(thresholds=(0.1,))])
def test_a_calibration_of_other_labels_is_refused(fault: Calibration) -> None:
    with pytest.raises(ConfigError, match="for 1 labels, not 2"):
        given(probabilities(np.zeros((1, 2)), fault), fault)


def test_nothing_to_fit_on_is_said() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        fit_several(np.zeros((0, 2)), np.zeros((0, 2), bool))


@pytest.mark.parametrize("bias", [(), (0.5, -2.0)])
def test_log_odds_are_got_back_from_probabilities(bias: tuple[float, ...]) -> None:
    calibration = Calibration(0.7, bias)
    log_odds = np.array([[-8.0, 0.0], [3.0, 12.0]])
    found = log_odds_of(probabilities(log_odds, calibration), calibration)
    assert found == pytest.approx(log_odds)
    with pytest.raises(ConfigError, match="fitted for 3 labels"):
        log_odds_of(np.full((1, 2), 0.5), Calibration(bias=(1.0, 1.0, 1.0)))
