from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.calibration.posterior import Calibration
from sentixrl.engines.protocol import Completion, GenerateRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.negotiation.answers import (
    Answers,
    Judging,
    LabelAnswer,
    VerdictAnswer,
    discriminator_view,
)
from sentixrl.negotiation.state import NegotiationState
from sentixrl.prediction import Verdict

from .worlds import AGREE, DISAGREE, LABELS, NAMES, begins_with, drive, fresh


def ask_label(
    engine: ScriptedEngine,
    about: NegotiationState,
    judging: Judging | None = None,
    other_than: str | None = None,
) -> LabelAnswer:
    answers = Answers(engine.capabilities, judging or Judging(LABELS))
    found = drive(engine, answers.label(about, other_than=other_than))
    assert isinstance(found, LabelAnswer)
    return found


def ask_verdict(
    engine: ScriptedEngine, about: NegotiationState, judging: Judging | None = None
) -> VerdictAnswer:
    answers = Answers(engine.capabilities, judging or Judging(LABELS))
    found = drive(engine, answers.verdict(about))
    assert isinstance(found, VerdictAnswer)
    return found


def says(reply: str) -> ScriptedEngine:
    return ScriptedEngine(write=lambda prompt: reply, constrain=False)


@pytest.mark.parametrize(
    "reply",
    ["joy", "joy.", " JOY", "“Joy”", "**joy**", "happiness", "alegría", "快乐。", "joy\nNo"],
)
def test_a_label_is_read_in_any_dress(reply: str) -> None:
    assert ask_label(says(reply), fresh()).name == "joy"


@pytest.mark.parametrize(
    "reply", ["", " ", "joyful", "jo", "joy and anger", "not joy", "I think it is joy", "yes", "1"]
)
def test_what_is_not_a_label_is_not_guessed_at(reply: str) -> None:
    about = fresh()
    before = about.prompt
    assert ask_label(says(reply), about) == LabelAnswer(None)
    assert about.prompt == before


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("yes", AGREE), ("Yes.", AGREE), (" NO!", DISAGREE), ("no, but", None), ("", None)],
)
def test_verdicts_are_read_like_labels(reply: str, verdict: Verdict | None) -> None:
    assert ask_verdict(says(reply), fresh()) == VerdictAnswer(verdict)


def test_a_counter_label_is_never_the_proposal() -> None:
    assert ask_label(says("joy"), fresh(), other_than="joy").name is None
    assert ask_label(says("anger"), fresh(), other_than="joy").name == "anger"
    engine = ScriptedEngine(lambda prompt, choices: [9.0 if c == "joy" else 1.0 for c in choices])
    found = ask_label(engine, fresh(), other_than="joy")
    assert found.name == "sadness"
    assert found.log_probs is not None
    assert [math.exp(found.log_probs[name]) for name in NAMES] == pytest.approx([0, 0.5, 0.5])


def test_labels_are_asked_for_and_appended_in_the_language_of_the_templates() -> None:
    engine = ScriptedEngine(lambda prompt, choices: [1.0, 3.0, 2.0])
    about = fresh("Bueno.", "es")
    before = about.prompt
    assert ask_label(engine, about).name == "sadness"
    [request] = engine.calls
    assert request.choices == ("alegría", "tristeza", "enfado")
    assert about.prompt == before.answer("tristeza")


def test_an_engine_that_can_be_held_is_held() -> None:
    engine = ScriptedEngine(write=lambda prompt: "sadness")
    assert ask_label(engine, fresh()).name == "sadness"
    assert engine.calls[0].choices == NAMES


def test_an_engine_that_broke_its_constraint_is_not_believed() -> None:
    class Slippery(ScriptedEngine):
        def answer_generate(self, request: GenerateRequest) -> Completion:
            return Completion("jealousy", 1)

    assert ask_label(Slippery(), fresh()).name is None


def test_a_label_is_the_likeliest_after_calibration() -> None:
    engine = ScriptedEngine(lambda prompt, choices: [0.5 if c == "joy" else 0.3 for c in choices])
    assert ask_label(engine, fresh()).name == "joy"
    judging = Judging(LABELS, Calibration(bias=(0.0, 0.0, 1.0)))
    assert ask_label(engine, fresh(), judging).name == "anger"
    # Whichever labels compete, each keeps its own bias.
    assert ask_label(engine, fresh(), judging, other_than="joy").name == "anger"
    assert ask_label(engine, fresh(), judging, other_than="anger").name == "joy"


@pytest.mark.parametrize(("threshold", "verdict"), [(0.4, AGREE), (0.6, AGREE), (0.61, DISAGREE)])
def test_agreement_begins_at_its_threshold(threshold: float, verdict: Verdict) -> None:
    engine = ScriptedEngine(lambda prompt, choices: [3.0, 2.0])
    judging = Judging(LABELS, agree_threshold=threshold - 1e-12)
    found = ask_verdict(engine, fresh(), judging)
    assert found.verdict is verdict
    assert found.agree_log_prob == pytest.approx(math.log(0.6))


def test_what_was_answered_stands_in_the_prompt() -> None:
    about = fresh()
    before = about.prompt
    ask_verdict(says("Yes!"), about)
    assert begins_with(about.prompt, before)
    assert about.prompt == before.answer(about.say("discriminator", "agree"))


shares = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-18, 1 - 1e-16])


@given(shares, st.sampled_from(NAMES), st.lists(shares, min_size=3, max_size=3))
def test_the_discriminators_view_is_a_distribution(
    agree: float, proposed: str, spread: list[float]
) -> None:
    weights = {n: s for n, s in zip(NAMES, spread, strict=True) if n != proposed}
    total = sum(weights.values())
    counter = None
    if total > 1e-9:
        log_probs = {
            name: math.log(weights[name] / total) if weights.get(name) else -math.inf
            for name in NAMES
        }
        counter = LabelAnswer("any", log_probs)
    log_agree = math.log(agree) if agree else -math.inf
    view = discriminator_view(proposed, log_agree, counter, LABELS)
    assert tuple(view) == NAMES
    assert view[proposed] == log_agree
    assert math.fsum(math.exp(value) for value in view.values()) == pytest.approx(1)
    if counter is None:
        assert len({view[name] for name in NAMES if name != proposed}) == 1
