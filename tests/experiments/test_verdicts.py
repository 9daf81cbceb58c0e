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
    [(0.012, ", dead: it has to reach +1.5."), (0.015, ", alive: it has to reach +1.5.")],
)
def test_dev_decides_whether_a_bet_lives(value: float, said: str) -> None:
    found = replace(FOUND, value=value)
    assert verdict(EXPERIMENT, [(WANTED, found)], "dev").endswith(said)
    free = WANTED.model_copy(update={"least": None})
    for wanted, split in ((WANTED, "test"), (free, "dev")):
        assert verdict(EXPERIMENT, [(wanted, found)], split).endswith("2 seeds).")


def test_what_is_clear_of_zero_comes_first() -> None:
    unclear = replace(FOUND, title="doubt", value=-0.01, low=-0.02, high=0.01, p_holm=0.3)
    few = replace(FOUND, title="guess", low=None, high=None, p_holm=None, seeds={"a": 1, "b": 2})
    free = WANTED.model_copy(update={"least": None})
    tested = [(free, few), (free, unclear), (free, FOUND)]
    assert verdict(EXPERIMENT, tested, "dev") == (
        "On dev: differences in points of accuracy, 95% intervals. Clear of zero after Holm: bet "
        "+1.2 (+0.2 to +2.2, 2 seeds). Not clear of zero: doubt −1.0 (−2.0 to +1.0, 2 seeds). Too "
        "few clusters for an interval: guess +1.2 (one seed)."
    )


def test_a_signal_is_said_with_its_interval_and_its_control() -> None:
    told = Told("free test", "m", 0.01, TELLING)
    assert verdict(EXPERIMENT, [], "dev", [told]) == (
        "On dev: free test, m: beside confidence and margin it adds +1.2 points to the area under "
        "the ROC curve that tells right from wrong (95% +0.4 to +2.0, 2 seeds), alive: it has to "
        "reach +1; its view of other turns adds +0.1."
    )
    dead = Told("free test", "m", 0.02, replace(TELLING, low=None, high=None, seeds=1))
    said = verdict(EXPERIMENT, [], "dev", [dead])
    assert "(too few clusters for an interval, one seed)" in said
    assert "), dead: it has to reach +2; its view" in said


def test_what_was_not_run_is_named() -> None:
    missing = Told("free test", "m", 0.01, None, "answers are missing")
    said = verdict(EXPERIMENT, [(WANTED, None)], "dev", [missing])
    assert said == "On dev: Not run: bet; free test (answers are missing)."


def test_what_is_no_number_does_not_live() -> None:
    found = replace(FOUND, value=float("nan"))
    assert "dead" in verdict(EXPERIMENT, [(WANTED, found)], "dev")


def test_a_minus_is_a_minus() -> None:
    assert signed(-0.0123) == "−1.2"
