"""Fitting a calibration on held-out answers.

Contract: one temperature, chosen by the likelihood of the gold labels (Guo et al. 2017, arXiv
1706.04599). It cannot change which label is likeliest, so it costs no accuracy; a bias a label
could, and was found to fit noise at the sizes dev splits have.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from sentixrl.calibration.posterior import Calibration, Floats, normalise
from sentixrl.errors import ConfigError

STEEPEST, FLATTEST = 20.0, 0.05


def fit_temperature(log_probs: Floats, gold: np.ndarray) -> Calibration:
    """The temperature scaling under which the gold labels are likeliest.

    Args:
        log_probs: Log-probabilities over the labels, shape ``[n, n_labels]``.
        gold: Index of each gold label, shape ``[n]``.

    Raises:
        ConfigError: There is nothing to fit on.
    """
    if not len(gold):
        raise ConfigError("A calibration needs at least one labelled answer.")
    found = minimize_scalar(
        lambda log_scale: _loss(np.exp(log_scale), log_probs, gold),
        bounds=(np.log(FLATTEST), np.log(STEEPEST)),
        method="bounded",
    )
    return Calibration(scale=float(np.exp(found.x)), fitted=True)


def _loss(scale: float, log_probs: Floats, gold: np.ndarray) -> float:
    """Mean negative log-likelihood of the gold labels."""
    return float(-normalise(scale * log_probs)[np.arange(len(gold)), gold].mean())
