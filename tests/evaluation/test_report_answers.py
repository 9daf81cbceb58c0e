"""The report's answers: figures come from results, and one that is missing is an error."""

from __future__ import annotations

from typing import Any

import pytest
import report_answers
from report_answers import answer


def found() -> dict[str, Any]:
    def row(value: float, seconds: float, seeds: int) -> dict[str, Any]:
        place = {"accuracy": {"value": value}, "seconds": seconds, "seeds": seeds}
        return {"places": {"meld": place, "other": {**place, "seconds": 2 * seconds}}}

    difference = {"value": -0.0251, "low": -0.04, "high": 0.001, "seeds": {"a": 3, "b": 1}}
    small = {"value": 0.01, "low": None, "high": None, "seeds": {"a": 1, "b": 1}}
    split = {
        "conditions": {"a": row(0.61, 30, 3), "b": row(0.5, 20, 1)},
        "family": [
            {"title": "a against b", "found": difference},
            {"title": "few", "found": small},
            {"title": "gone", "found": None},
        ],
    }
    return {"metric": "accuracy", "splits": {"dev": {}, "test": split}}


def told(monkeypatch: pytest.MonkeyPatch, words: str) -> str | None:
    monkeypatch.setitem(report_answers.ANSWERS, "rounds", words)
    return answer("rounds", found())


def test_figures_stand_in_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "It changes [a against b] to [a | meld], in [a / b] times the seconds; [few]."
    assert told(monkeypatch, words) == (
        "It changes −2.5 (−4.0 to +0.1) to 61.0, in 1.5 times the seconds; +1.0. "
        "(Points of accuracy on test, 95% intervals, one to three seeds.)"
    )
    assert told(monkeypatch, "[few].") == (
        "+1.0. (Points of accuracy on test, 95% intervals, one seed.)"
    )


@pytest.mark.parametrize("words", ["[gone]", "[b against a]", "[c | meld]", "[a / c]"])
def test_no_sentence_outlives_its_figures(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    with pytest.raises(KeyError):
        told(monkeypatch, words)


def test_a_question_without_words_has_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(report_answers.ANSWERS, "rounds")
    assert answer("rounds", found()) is None
