from __future__ import annotations

import math

import pytest

from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure, GenerateRequest, ScoreRequest, Scores
from sentixrl.engines.scripted import ScriptedEngine

ASKED = Prompt().then("user", "Well?")


def test_weights_become_log_probabilities_and_zero_stays_zero() -> None:
    engine = ScriptedEngine(lambda prompt, choices: [3.0, 0.0, 1.0])
    [scores] = engine.session().score([ScoreRequest(ASKED, ("a", "b", "c"))])
    assert isinstance(scores, Scores)
    assert [math.exp(value) for value in scores.log_probs] == pytest.approx([0.75, 0, 0.25])


@pytest.mark.parametrize(
    "weights", [[1.0], [0.0, 0.0], [1.0, -1.0], [math.nan, 1.0], [math.inf, 1]]
)
def test_a_script_that_makes_no_sense_says_so(weights: list[float]) -> None:
    engine = ScriptedEngine(lambda prompt, choices: weights)
    with pytest.raises(ValueError, match="one weight a choice"):
        engine.session().score([ScoreRequest(ASKED, ("a", "b"))])


def test_without_a_scorer_there_are_no_scores() -> None:
    engine = ScriptedEngine()
    assert not engine.capabilities.score
    [found] = engine.session().score([ScoreRequest(ASKED, ("a", "b"))])
    assert isinstance(found, Failure)


def test_replies_stop_and_keep_to_their_choices() -> None:
    engine = ScriptedEngine(write=lambda prompt: "b\nand more")
    plain, held = engine.session().generate(
        [
            GenerateRequest(ASKED, stop=("\n",)),
            GenerateRequest(ASKED, stop=("\n",), choices=("a", "b")),
        ]
    )
    assert not isinstance(plain, Failure)
    assert not isinstance(held, Failure)
    assert (plain.text, plain.tokens, held.text) == ("b", 1, "b")


def test_it_remembers_what_it_was_asked() -> None:
    engine = ScriptedEngine()
    session = engine.session()
    session.generate([GenerateRequest(ASKED), GenerateRequest(ASKED)])
    session.score([ScoreRequest(ASKED, ("a", "b"))])
    assert [len(batch) for batch in engine.batches] == [2, 1]
    assert len(engine.calls) == 3
