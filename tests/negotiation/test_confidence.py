from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.calibration.confidence import confidence, pooled
from sentixrl.calibration.posterior import Calibration, normalise
from sentixrl.errors import ConfigError

from .worlds import NAMES

INF = math.inf
weights = st.lists(st.sampled_from([0.0, 1e-300, 0.1, 0.5, 1.0]), min_size=3, max_size=3).filter(
    any
)


def opinion(shares: list[float]) -> dict[str, float]:
    total = sum(shares)
    return {
        name: math.log(share / total) if share else -INF
        for name, share in zip(NAMES, shares, strict=True)
    }


@given(st.lists(weights, min_size=1, max_size=6))
def test_confidences_are_a_distribution_whatever_was_ruled_out(shares: list[list[float]]) -> None:
    opinions = [opinion(share) for share in shares]
    assert all(map(math.isfinite, pooled(opinions).values()))
    found = [confidence(opinions, name) for name in NAMES]
    assert all(0 <= value <= 1 for value in found)
    assert sum(found) == pytest.approx(1)
    assert found == pytest.approx([confidence(opinions[::-1], name) for name in NAMES])


def test_one_opinion_is_its_own_confidence() -> None:
    assert confidence([opinion([1, 2, 5])], "anger") == pytest.approx(5 / 8)


def test_several_opinions_meet_in_their_geometric_mean() -> None:
    means = np.sqrt(np.array([0.8 * 0.2, 0.1 * 0.7, 0.1 * 0.1]))
    found = confidence([opinion([8, 1, 1]), opinion([2, 7, 1])], "joy")
    assert found == pytest.approx(means[0] / means.sum())


def test_calibration_is_a_temperature_and_a_bias() -> None:
    raw = np.log([0.7, 0.2, 0.1]).tolist()
    assert Calibration()(raw) == pytest.approx(raw)
    tempered = np.array([0.7, 0.2, 0.1]) ** 0.5
    assert np.exp(Calibration(0.5)(raw)) == pytest.approx(tempered / tempered.sum())
    assert Calibration(bias=(0.0, 5.0, 0.0))(raw).argmax() == 1


@given(weights, st.floats(0.01, 10), st.lists(st.floats(-20, 20), min_size=3, max_size=3))
def test_calibration_keeps_zeros_and_gives_a_distribution(
    shares: list[float], scale: float, bias: list[float]
) -> None:
    posterior = np.exp(Calibration(scale, tuple(bias))(list(opinion(shares).values())))
    assert posterior.sum() == pytest.approx(1)
    assert [value == 0 for value, share in zip(posterior, shares, strict=True) if not share] == [
        True
    ] * shares.count(0)


@pytest.mark.parametrize("scale", [0.0, -1.0, INF, math.nan])
def test_a_scale_must_be_above_zero(scale: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Calibration(scale)


def test_a_bias_must_be_finite_and_fit() -> None:
    with pytest.raises(ConfigError, match="finite"):
        Calibration(bias=(0.0, INF))
    with pytest.raises(ConfigError, match="2 labels, not 3"):
        Calibration(bias=(0.0, 1.0))([-1.0, -1.0, -1.0])


def test_nothing_likely_has_no_softmax() -> None:
    with pytest.raises(ValueError, match="no softmax"):
        normalise(np.array([-INF, -INF]))
