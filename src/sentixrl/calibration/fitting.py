"""Fitting a calibration on held-out answers.

Contract: one temperature, chosen by the likelihood of the gold labels (Guo et al. 2017, arXiv
1706.04599). It cannot change which label is likeliest, so it costs no accuracy; a bias per label
could, and was found to fit noise at the sizes dev splits have. Where each label is judged by
itself there are also thresholds: each label's own for the best F1, drawn towards one common
threshold where the label has few examples.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from sentixrl.calibration.posterior import Calibration, Floats, normalise
from sentixrl.calibration.several import Flags, probabilities
from sentixrl.errors import ConfigError

STEEPEST, FLATTEST = 20.0, 0.05
EVEN_EXAMPLES = 20
"""At so many examples a label's own threshold counts as much as the common one."""
_SMALLEST = 1e-9


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


def fit_several(log_odds: Floats, gold: Flags) -> Calibration:
    """Temperature by likelihood, then thresholds by F1.

    Args:
        log_odds: Uncalibrated, ``[n, n_labels]``.
        gold: Whether each label applies, ``[n, n_labels]``.

    Raises:
        ConfigError: There is nothing to fit on.
    """
    if not len(gold):
        raise ConfigError("A calibration needs at least one labelled answer.")
    signs = np.where(gold, 1.0, -1.0)
    found = minimize_scalar(
        lambda log_scale: np.logaddexp(0.0, -np.exp(log_scale) * signs * log_odds).mean(),
        bounds=(np.log(FLATTEST), np.log(STEEPEST)),
        method="bounded",
    )
    calibration = Calibration(scale=float(np.exp(found.x)), fitted=True)
    shares = probabilities(log_odds, calibration)
    return Calibration(calibration.scale, fitted=True, thresholds=fit_thresholds(shares, gold))


def fit_thresholds(shares: Floats, gold: Flags) -> tuple[float, ...]:
    """The probability from which each label is given.

    Args:
        shares: Probabilities, ``[n, n_labels]``.
        gold: Whether each label applies, ``[n, n_labels]``.
    """
    common = _best_threshold(shares.ravel(), gold.ravel())
    found = []
    for label in range(gold.shape[1]):
        examples = int(gold[:, label].sum())
        own = _best_threshold(shares[:, label], gold[:, label]) if examples else common
        weight = examples / (examples + EVEN_EXAMPLES)
        found.append(float(expit(weight * _odds(own) + (1 - weight) * _odds(common))))
    return tuple(found)


def _best_threshold(shares: Floats, gold: Flags) -> float:
    """The threshold of the best F1, half way between two answers; one half if none applies."""
    examples = gold.sum()
    if not examples:
        return 0.5
    order = np.argsort(-shares, kind="stable")
    ranked = shares[order]
    right = gold[order].cumsum()
    f1 = 2 * right / (np.arange(1, len(ranked) + 1) + examples)
    # Answers of equal probability are given together.
    ends = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.where(ends, f1, -1.0).argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


def _odds(share: float) -> float:
    return float(logit(np.clip(share, _SMALLEST, 1 - _SMALLEST)))
