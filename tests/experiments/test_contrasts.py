"""Differences with intervals: paired, over seeds and clusters, and honest about few."""

from __future__ import annotations

import numpy as np
import pytest

from sentixrl.evaluation.confusion import Floats, count
from sentixrl.evaluation.intervals import Resampling
from sentixrl.experiments.contrasts import Difference, contrast, family
from sentixrl.experiments.plan import Contrast

HOW = Resampling(resamples=400)


def tallies(rates: list[float], clusters: int = 40, seed: int = 0) -> Floats:
    """A run per rate at which it is right: ``[S, C, 1, 3, 2]``."""
    rng = np.random.default_rng(seed)
    size = clusters * 10
    gold, owner = rng.integers(0, 2, size), np.arange(size) // 10
    luck = np.random.default_rng(99).random(size)
    runs = [np.where(luck < rate, gold, 1 - gold) for rate in rates]
    return np.stack(
        [count(gold, run, owner, n_labels=2, n_clusters=clusters)[:, None] for run in runs]
    )


def found(runs: dict[str, dict[str, Floats]], wanted: Contrast) -> Difference:
    one = contrast(wanted, runs, "accuracy", HOW)
    assert one is not None
    return one


AGAINST = Contrast(better="a", than="b")


def test_pairing_makes_a_small_difference_clear() -> None:
    one = found({"a": {"m": tallies([0.82])}, "b": {"m": tallies([0.78])}}, AGAINST)
    assert one.low is not None
    assert one.high is not None
    assert 0 < one.low < one.value < one.high < 0.1
    assert one.p is not None
    assert one.p < 0.02
    assert one.detectable is not None
    assert 0 < one.detectable < 0.05


def test_seeds_widen_the_interval() -> None:
    base = {"m": tallies([0.78])}
    same = found({"a": {"m": tallies([0.82, 0.82, 0.82])}, "b": base}, AGAINST)
    apart = found({"a": {"m": tallies([0.76, 0.82, 0.88])}, "b": base}, AGAINST)
    assert apart.value == pytest.approx(same.value, abs=0.02)
    assert apart.low is not None
    assert same.low is not None
    assert apart.low < same.low
    assert apart.seeds == {"a": 3, "b": 1}


def test_fewer_than_ten_clusters_give_no_interval() -> None:
    one = found({"a": {"m": tallies([0.9], 9)}, "b": {"m": tallies([0.7], 9)}}, AGAINST)
    assert (one.low, one.high, one.p, one.detectable) == (None, None, None, None)
    assert one.value > 0.1


def test_places_count_the_same_and_are_kept_apart() -> None:
    runs = {
        "a": {"large": tallies([0.8], 80), "small": tallies([0.9], 20)},
        "b": {"large": tallies([0.8], 80), "small": tallies([0.7], 20)},
    }
    one = found(runs, AGAINST)
    assert one.value == pytest.approx(sum(one.places.values()) / 2)
    assert one.places["large"] == 0
    alone = found(runs, Contrast(better="a", than="b", places=["large"]))
    assert alone.value == 0


def test_weights_make_any_sum() -> None:
    runs = {name: {"m": tallies([rate])} for name, rate in zip("abc", (0.5, 0.6, 0.9), strict=True)}
    slope = Contrast(name="slope", weights={"a": -0.5, "b": 0.0, "c": 0.5})
    direct = found(runs, Contrast(better="c", than="a"))
    assert found(runs, slope).value == pytest.approx(direct.value / 2)


def test_p_values_are_adjusted_over_those_that_were_run() -> None:
    runs = {name: {"m": tallies([rate])} for name, rate in zip("abc", (0.5, 0.6, 0.6), strict=True)}
    wanted = [
        Contrast(better="b", than="a"),
        Contrast(better="c", than="b"),
        Contrast(better="gone", than="a"),
    ]
    first, second, third = family(wanted, runs, "accuracy", HOW)
    assert third[1] is None
    assert first[1] is not None
    assert second[1] is not None
    assert first[1].p is not None
    assert first[1].p_holm == pytest.approx(min(1.0, 2 * first[1].p))
    assert second[1].p_holm == 1


def test_clusters_without_turns_that_count_leave_numbers() -> None:
    """Where only some turns count, a draw of clusters may hold none of them."""
    one, other = tallies([0.9], 12), tallies([0.7], 12)
    one[:, 1:] = other[:, 1:] = 0
    some = found({"a": {"m": one}, "b": {"m": other}}, AGAINST)
    assert some.low is not None
    assert some.detectable is not None
    assert np.isfinite([some.low, some.high or 0, some.detectable]).all()
    nothing = found({"a": {"m": np.zeros_like(one)}, "b": {"m": np.zeros_like(one)}}, AGAINST)
    assert (nothing.low, nothing.p) == (None, None)
