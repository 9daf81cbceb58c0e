"""Verdict sentences: what they say of a gain that has to reach something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentixrl.experiments.contrasts import Difference
from sentixrl.experiments.plan import Contrast
from sentixrl.experiments.plan_file import parse_experiment
from sentixrl.experiments.telling import Telling, Told
from sentixrl.experiments.verdicts import signed, verdict

from .test_plan import SMALL

EXPERIMENT = parse_experiment({**SMALL, "metric": "accuracy"}, "of the test")
FOUND = Difference("bet", 0.012, 0.002, 0.022, 0.01, 0.02, 0.01, {"m": 0.012}, {"a": 2, "b": 2}, 40)
WANTED = Contrast(name="bet", better="other", than="one", least=0.015)
TELLING = Telling(0.73, 0.742, 0.731, 0.004, 0.02, 2, 900)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.012, "Dead: below +1.5, which it has to reach."),
        (0.015, "Alive: not below +1.5, which it has to reach."),
    ],
)
def test_dev_decides_whether_a_bet_lives(value: float, said: str) -> None:
    found = replace(FOUND, value=value)
    assert verdict(EXPERIMENT, [(WANTED, found)], "dev").endswith(said)
    assert "Alive" not in verdict(EXPERIMENT, [(WANTED, found)], "test")
    assert "Dead" not in verdict(EXPERIMENT, [(WANTED, found)], "test")
    free = WANTED.model_copy(update={"least": None})
    assert verdict(EXPERIMENT, [(free, found)], "dev").endswith("would mostly be missed.")


def test_a_signal_is_said_with_its_interval_and_its_control() -> None:
    told = Told("free test", "m", 0.01, TELLING)
    assert verdict(EXPERIMENT, [], "dev", [told]) == (
        "On dev: free test, m: beside confidence and margin it adds +1.2 points to the area under "
        "the ROC curve that tells right from wrong (95% +0.4 to +2.0, 2 seeds); its view of other "
        "turns adds +0.1. Alive: not below +1, which it has to reach."
    )
    dead = Told("free test", "m", 0.02, replace(TELLING, low=None, high=None, seeds=1))
    said = verdict(EXPERIMENT, [], "dev", [dead])
    assert "(too few clusters for an interval, one seed)" in said
    assert said.endswith("Dead: below +2, which it has to reach.")


def test_what_was_not_run_is_named() -> None:
    missing = Told("free test", "m", 0.01, None, "answers are missing")
    said = verdict(EXPERIMENT, [(WANTED, None)], "dev", [missing])
    assert said == "On dev: Not run: bet; free test (answers are missing)."


def test_what_is_no_number_does_not_live() -> None:
    found = replace(FOUND, value=float("nan"))
    assert "Dead" in verdict(EXPERIMENT, [(WANTED, found)], "dev")


def test_a_minus_is_a_minus() -> None:
    assert signed(-0.0123) == "−1.2"
