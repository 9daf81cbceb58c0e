"""Fitting a calibration on held-out answers.

Contract: one temperature, chosen by the likelihood of the gold labels (Guo et al. 2017, arXiv
1706.04599). It cannot change which label is likeliest, so it costs no accuracy; a bias per label
can, and was found to fit noise at the sizes dev splits have: it is fitted only when asked for, and
drawn towards none. For labels that nothing was fitted for, one scale serves all. Where each label
is judged by itself there are also one bias for all labels, and thresholds: each label's own for the
best F1, drawn towards one common threshold where the label has few examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit

from sentixrl.calibration.posterior import Calibration, Floats, normalise
from sentixrl.calibration.several import Flags, probabilities
from sentixrl.errors import ConfigError

STEEPEST, FLATTEST = 20.0, 0.05
BIAS_SPREAD = 0.5
"""How far biases are expected from 0, in nats."""
MOST_BIAS = 5.0
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


def fit_with_bias(log_probs: Floats, gold: np.ndarray) -> Calibration:
    """Temperature scaling with a bias per label, each drawn towards 0 as if by N(0, BIAS_SPREAD²).

    Args:
        log_probs: Log-probabilities over the labels, shape ``[n, n_labels]``.
        gold: Index of each gold label, shape ``[n]``.

    Raises:
        ConfigError: There is nothing to fit on.
    """
    start = fit_temperature(log_probs, gold)
    n_labels = log_probs.shape[1]
    bounds = [(np.log(FLATTEST), np.log(STEEPEST)), *[(-MOST_BIAS, MOST_BIAS)] * n_labels]

    def penalised(point: Floats) -> float:
        scores = np.exp(point[0]) * log_probs + point[1:]
        loss = -normalise(scores)[np.arange(len(gold)), gold].sum()
        return float(loss + (point[1:] ** 2).sum() / (2 * BIAS_SPREAD**2))

    first = np.concatenate([[np.log(start.scale)], np.zeros(n_labels)])
    found = minimize(penalised, first, method="L-BFGS-B", bounds=bounds).x
    counts = np.bincount(gold, minlength=n_labels) + 1  # no label's share is 0
    return Calibration(
        float(np.exp(found[0])),
        tuple(found[1:].tolist()),
        fitted=True,
        shares=tuple((counts / counts.sum()).tolist()),
    )


@dataclass(frozen=True, slots=True)
class Fallback:
    """One scale for labels that nothing was fitted for.

    Attributes:
        calibration: Fitted on all sets.
        left_out: Name of a set → the scale fitted on all sets but it, and its own answers'
            log-probabilities under that scale: what a set that was never seen would get.
    """

    calibration: Calibration
    left_out: Mapping[str, tuple[float, Floats]]


def fit_fallback(sets: Mapping[str, tuple[Floats, np.ndarray]]) -> Fallback:
    """The scale under which the gold labels of many sets are likeliest, each set counting the same.

    Args:
        sets: Name of a label set → log-probabilities ``[n, n_labels]`` and gold indices ``[n]``, of
            dev splits. Sets that the model never saw in training tell most.

    Raises:
        ConfigError: There are fewer than two sets, so none can be left out.
    """
    if len(sets) < 2:
        raise ConfigError(f"A scale for unknown labels needs at least 2 sets, not {len(sets)}.")
    left_out = {}
    for name, (log_probs, _) in sets.items():
        scale = _common_scale([answers for other, answers in sets.items() if other != name])
        left_out[name] = (scale, normalise(scale * log_probs))
    return Fallback(Calibration(scale=_common_scale(list(sets.values()))), left_out)


def _common_scale(sets: Sequence[tuple[Floats, np.ndarray]]) -> float:
    found = minimize_scalar(
        lambda log_scale: sum(_loss(np.exp(log_scale), *answers) for answers in sets),
        bounds=(np.log(FLATTEST), np.log(STEEPEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def fit_several(log_odds: Floats, gold: Flags) -> Calibration:
    """A scale and one bias for all labels by likelihood (Platt 1999), then thresholds by F1.

    Args:
        log_odds: Uncalibrated, ``[n, n_labels]``.
        gold: Whether each label applies, ``[n, n_labels]``.

    Raises:
        ConfigError: There is nothing to fit on.
    """
    if not len(gold):
        raise ConfigError("A calibration needs at least one labelled answer.")
    signs = np.where(gold, 1.0, -1.0)

    def loss(point: Floats) -> float:
        scores = np.exp(point[0]) * log_odds + point[1]
        return float(np.logaddexp(0.0, -signs * scores).mean())

    bounds = [(np.log(FLATTEST), np.log(STEEPEST)), (-MOST_BIAS, MOST_BIAS)]
    log_scale, bias = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=bounds).x
    biases = (float(bias),) * gold.shape[1]
    calibration = Calibration(float(np.exp(log_scale)), biases, fitted=True)
    shares = probabilities(log_odds, calibration)
    return replace(calibration, thresholds=fit_thresholds(shares, gold))


def fit_several_fallback(sets: Sequence[tuple[Floats, Flags]]) -> Calibration:
    """One scale and one threshold for labels that nothing was fitted for.

    Args:
        sets: Log-odds and whether each label applies, ``[n, n_labels]`` both, of each label set;
            for the scale each set counts the same.
    """
    scale = _scale_of_odds(sets)
    shares = np.concatenate(
        [probabilities(log_odds, Calibration(scale)).ravel() for log_odds, _ in sets]
    )
    common = _best_threshold(shares, np.concatenate([gold.ravel() for _, gold in sets]))
    return Calibration(scale, thresholds=(common,))


def _scale_of_odds(sets: Sequence[tuple[Floats, Flags]]) -> float:
    """The scale of log-odds under which what applies is likeliest, each set counting the same."""
    signed = [np.where(gold, 1.0, -1.0) * log_odds for log_odds, gold in sets]
    found = minimize_scalar(
        lambda log_scale: sum(
            np.logaddexp(0.0, -np.exp(log_scale) * odds).mean() for odds in signed
        ),
        bounds=(np.log(FLATTEST), np.log(STEEPEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


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
