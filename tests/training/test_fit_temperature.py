"""Temperatures that are known beforehand are found again."""

from __future__ import annotations

import numpy as np
import pytest

from sentixrl.calibration.fitting import FLATTEST, STEEPEST, fit_temperature
from sentixrl.calibration.posterior import Floats
from sentixrl.errors import ConfigError


def simulate(scale: float, n: int = 4000, seed: int = 0) -> tuple[Floats, np.ndarray]:
    """Answers that are ``scale`` times too flat (too steep below 1), and gold labels."""
    rng = np.random.default_rng(seed)
    true = 2 * rng.standard_normal((n, 5))
    true -= np.log(np.exp(true).sum(-1, keepdims=True))
    gold = (np.exp(true).cumsum(-1) > rng.random((n, 1))).argmax(-1)
    said = true / scale
    return said - np.log(np.exp(said).sum(-1, keepdims=True)), gold


@pytest.mark.parametrize("scale", [0.25, 0.7, 1.0, 3.0])
def test_a_known_temperature_is_found(scale: float) -> None:
    found = fit_temperature(*simulate(scale))
    assert found.fitted
    assert found.bias == ()
    assert found.scale == pytest.approx(scale, rel=0.07)


def test_no_other_scale_makes_the_golds_likelier() -> None:
    rows, gold = simulate(0.5, n=300, seed=1)
    found = fit_temperature(rows, gold)

    def likelihood(scale: float) -> float:
        scaled = scale * rows
        scaled = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
        return float(scaled[np.arange(len(gold)), gold].mean())

    best = likelihood(found.scale)
    assert all(likelihood(scale) <= best + 1e-6 for scale in np.geomspace(FLATTEST, STEEPEST, 60))


def test_it_never_changes_which_label_is_likeliest() -> None:
    rows, gold = simulate(0.3, n=200)
    found = fit_temperature(rows, gold)
    assert [int(found(row).argmax()) for row in rows.tolist()] == rows.argmax(-1).tolist()


def test_a_perfect_model_is_steepened_to_the_bound_and_no_further() -> None:
    rows = np.log(np.full((20, 4), 0.1))
    gold = np.arange(20) % 4
    rows[np.arange(20), gold] = np.log(0.7)
    assert 0.9 * STEEPEST <= fit_temperature(rows, gold).scale <= STEEPEST


def test_impossible_answers_are_no_trouble() -> None:
    """The floor that stands for a probability of zero is far below all others."""
    rows, gold = simulate(1.0, n=500)
    rows[::7, 0] = np.log(np.finfo(np.float64).tiny)
    gold[::7] = np.maximum(gold[::7], 1)
    found = fit_temperature(rows, gold)
    assert np.isfinite(found.scale)
    assert 0.5 < found.scale < 2


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at least one labelled answer"):
        fit_temperature(np.empty((0, 5)), np.empty(0, np.int64))
