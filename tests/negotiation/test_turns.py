from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import (
    Completion,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
)
from sentixrl.engines.scripted import ScriptedEngine, ScriptedSession
from sentixrl.negotiation.turns import Turn, in_step, score, write


def prompt(text: str) -> Prompt:
    return Prompt().then("user", text)


def spell(word: str, steps: int) -> Turn[str]:
    """Ask as often as told, each time with what was said so far."""
    said = word
    for _ in range(steps):
        said += yield from write(GenerateRequest(prompt(said)))
    return said


def weigh(word: str) -> Turn[float]:
    scores = yield from score(ScoreRequest(prompt(word), ("a", "b")))
    return scores.log_probs[0]


def test_turns_of_different_length_share_every_call_and_keep_their_places() -> None:
    engine = ScriptedEngine(write=lambda asked: asked.text[0])
    turns = [spell("a", 2), spell("b", 0), spell("c", 3)]
    assert in_step(engine.session(), turns) == ["aaa", "b", "cccc"]
    assert [len(batch) for batch in engine.batches] == [2, 2, 1]


def test_no_turns_no_calls() -> None:
    engine = ScriptedEngine()
    assert in_step(engine.session(), [spell("a", 0)]) == ["a"]
    nothing: list[Turn[str]] = []
    assert in_step(engine.session(), nothing) == []
    assert engine.batches == []


def test_a_failure_ends_its_turn_alone() -> None:
    failure = Failure("timeout", "No answer in time.")
    engine = ScriptedEngine(write=lambda asked: failure if asked.text == "bb" else asked.text[0])
    turns = [spell("a", 3), spell("b", 3), spell("c", 3)]
    assert in_step(engine.session(), turns) == ["aaaa", failure, "cccc"]


def test_both_kinds_of_request_may_meet_in_one_step() -> None:
    engine = ScriptedEngine(lambda asked, choices: [1.0, 0.0], lambda asked: "!")
    turns: list[Turn[str | float]] = [widen(spell("a", 1)), widen(weigh("x")), widen(spell("b", 1))]
    assert in_step(engine.session(), turns) == ["a!", 0.0, "b!"]
    assert sorted(len(batch) for batch in engine.batches) == [1, 2]


def widen(turn: Turn[str] | Turn[float]) -> Turn[str | float]:
    return (yield from turn)


class Broken(ScriptedSession):
    """Answers what it is told to, whatever it was asked."""

    def __init__(self, scores: list[Scores | Failure], replies: list[Completion | Failure]) -> None:
        super().__init__(ScriptedEngine())
        self.scores, self.replies = scores, replies

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
        return self.scores

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
        return self.replies


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_engine_that_answers_too_little_or_too_much_is_a_bug(count: int) -> None:
    session = Broken([Scores((0.0, -math.inf))] * count, [Completion("!", 1)] * count)
    with pytest.raises(RuntimeError, match=f"{count} answer.* 2 request"):
        in_step(session, [spell("a", 1), spell("b", 1)])
    with pytest.raises(RuntimeError, match=f"{count} answer.* 2 request"):
        in_step(session, [weigh("a"), weigh("b")])


def test_an_engine_that_scores_too_few_choices_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="1 of 2 choices"):
        in_step(Broken([Scores((0.0,))], []), [weigh("a")])


@pytest.mark.parametrize(
    "log_probs", [(math.nan, 0.0), (0.0, math.nan), (-math.inf, -math.inf), (math.inf, 0.0)]
)
def test_scores_that_are_no_probabilities_fail_their_item(log_probs: tuple[float, ...]) -> None:
    session = Broken([Scores(log_probs), Scores((-1.0, -2.0))], [])
    failed, fine = in_step(session, [weigh("a"), weigh("b")])
    assert isinstance(failed, Failure)
    assert failed.code == "bad_scores"
    assert fine == -1.0
