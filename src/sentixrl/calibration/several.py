"""Calibration where each label is judged by itself: probabilities and thresholds.

Contract: a label's log-odds become ``sigmoid(scale · log-odds + bias)``; an utterance gets every
label whose probability reaches its threshold, which may be none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sentixrl.calibration.posterior import Calibration, Floats
from sentixrl.errors import ConfigError

Flags = NDArray[np.bool_]


def probabilities(log_odds: Floats, calibration: Calibration) -> Floats:
    """The calibrated probability of each label, shape kept.

    Args:
        log_odds: Shape ``[..., n_labels]``.
        calibration: Its bias, if any, has one number per label.

    Raises:
        ConfigError: The bias was fitted for another number of labels.
    """
    scores = calibration.scale * np.asarray(log_odds, np.float64)
    if calibration.bias:
        _check_count("bias", len(calibration.bias), scores.shape[-1])
        scores = scores + np.asarray(calibration.bias)
    found: Floats = np.exp(-np.logaddexp(0.0, -scores))  # the logistic function, without overflow
    return found


def log_odds_of(shares: Floats, calibration: Calibration) -> Floats:
    """The log-odds that :func:`probabilities` made probabilities of, shape kept.

    Args:
        shares: Between 0 and 1, these excluded. Shape ``[..., n_labels]``.
        calibration: As there.

    Raises:
        ConfigError: The bias was fitted for another number of labels.
    """
    scores = np.log(shares) - np.log1p(-np.asarray(shares))
    if calibration.bias:
        _check_count("bias", len(calibration.bias), scores.shape[-1])
        scores = scores - np.asarray(calibration.bias)
    found: Floats = scores / calibration.scale
    return found


def given(shares: Floats, calibration: Calibration) -> Flags:
    """Which labels an utterance gets, shape kept.

    Args:
        shares: What :func:`probabilities` gives, ``[..., n_labels]``.
        calibration: With thresholds, or without for one half each.

    Raises:
        ConfigError: The thresholds were fitted for another number of labels.
    """
    if not calibration.thresholds:
        return shares >= 0.5
    _check_count("thresholds", len(calibration.thresholds), shares.shape[-1])
    return shares >= np.asarray(calibration.thresholds)


def _check_count(what: str, fitted: int, there: int) -> None:
    if fitted != there:
        raise ConfigError(f"The {what} were fitted for {fitted} labels, not {there}.")
