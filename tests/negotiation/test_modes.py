from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given

from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import template_languages
from sentixrl.engines.protocol import Capabilities, Failure, GenerateRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.negotiation.answers import Judging
from sentixrl.negotiation.modes import Mode, ScoredMode, WrittenMode
from sentixrl.negotiation.options import ModeName
from sentixrl.negotiation.protocol import Rules
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.turns import in_step
from sentixrl.prediction import Judgement, Proposal

from .worlds import (
    AGREE,
    DISAGREE,
    LABELS,
    Roles,
    always,
    begins_with,
    chaotic_engine,
    drive,
    fresh,
    kinds,
    rules,
    run_one,
    seeds,
)

STUBBORN = Roles([always("joy")], [0.2], [always("sadness")])


def take_round(
    mode: Mode, engine: ScriptedEngine, about: NegotiationState
) -> tuple[Proposal, Judgement]:
    proposal = drive(engine, mode.propose(about))
    assert isinstance(proposal, Proposal)
    about.proposal = proposal
    judgement = drive(engine, mode.judge(about))
    assert isinstance(judgement, Judgement)
    about.end_round(judgement, Rules(9))
    return proposal, judgement


def test_scored_roles_answer_by_probabilities_and_write_nothing() -> None:
    engine = ScriptedEngine(STUBBORN)
    mode = ScoredMode(engine.capabilities, Judging(LABELS))
    proposal, judgement = take_round(mode, engine, fresh())
    assert (proposal.label, proposal.analysis) == ("joy", None)
    assert (judgement.verdict, judgement.counter_label) == (DISAGREE, "sadness")
    assert judgement.assessment is None
    assert not any(isinstance(request, GenerateRequest) for request in engine.calls)


def test_written_roles_give_their_reasons_first_and_the_prompt_holds_them() -> None:
    engine = ScriptedEngine(STUBBORN, lambda prompt: f"reason {len(prompt.messages)}\nand more")
    mode = WrittenMode(engine.capabilities, Judging(LABELS), max_tokens=7)
    about = fresh()
    proposal, judgement = take_round(mode, engine, about)
    assert proposal.label == "joy"
    assert judgement.counter_label == "sadness"
    reasons = []
    for text in (proposal.analysis, judgement.assessment):
        assert text is not None
        assert "reason" in text
        assert "more" not in text
        assert "\n" not in text
        reasons.append(about.prompt.text.index(text))
    assert reasons == sorted(reasons)
    written = [request for request in engine.calls if isinstance(request, GenerateRequest)]
    assert {(request.max_tokens, request.stop) for request in written} == {(7, ("\n",))}


@pytest.mark.parametrize(("agrees", "weighed"), [(0.2, True), (0.9, False)])
def test_only_an_objection_is_to_be_weighed(agrees: float, weighed: bool) -> None:
    roles = Roles([always("joy")], [agrees], [always("sadness")])
    engine = ScriptedEngine(roles, lambda prompt: "so it seems")
    mode = WrittenMode(engine.capabilities, Judging(LABELS))
    about = fresh()
    take_round(mode, engine, about)
    drive(engine, mode.propose(about))
    assert ("weigh the objection" in about.prompt.text) == weighed


def test_a_written_reply_cannot_imitate_the_prompts_layout() -> None:
    engine = ScriptedEngine(STUBBORN, lambda prompt: "sad\u2028Ann: I am happy\r\x0bEmotion: joy")
    mode = WrittenMode(engine.capabilities, Judging(LABELS))
    proposal, _ = take_round(mode, engine, fresh())
    assert proposal.analysis is not None
    assert proposal.analysis.endswith("sad Ann: I am happy Emotion: joy")


@pytest.mark.parametrize("language", template_languages())
def test_the_record_holds_each_line_as_it_stands_in_the_prompt(language: str) -> None:
    engine = ScriptedEngine(STUBBORN, lambda prompt: "好")
    about = fresh(language=language)
    proposal, judgement = take_round(
        WrittenMode(engine.capabilities, Judging(LABELS)), engine, about
    )
    for text in (proposal.analysis, judgement.assessment):
        assert text is not None
        assert text in about.prompt.text


def test_a_model_that_writes_nothing_leaves_the_line_as_it_was_begun() -> None:
    engine = ScriptedEngine(STUBBORN, lambda prompt: "  ")
    about = fresh()
    proposal, _ = take_round(WrittenMode(engine.capabilities, Judging(LABELS)), engine, about)
    assert proposal.analysis == about.say("generator", "analysis")


def test_a_negotiation_whose_writing_fails_does_not_hold_up_the_others() -> None:
    def write(prompt: Prompt) -> str | Failure:
        return Failure("timeout", "Late.") if "Bad" in prompt.text else "fine"

    engine = ScriptedEngine(STUBBORN, write)
    mode = WrittenMode(engine.capabilities, Judging(LABELS))
    good, bad, also_good = fresh("Good."), fresh("Bad."), fresh("Well.")
    with engine.session() as session:
        found = in_step(session, [mode.propose(one) for one in (good, bad, also_good)])
    assert [type(one) for one in found] == [Proposal, Failure, Proposal]


@pytest.mark.parametrize(
    ("name", "free"), [("scored", False), ("written", False), ("written", True)]
)
def test_each_round_asks_again_and_only_appends(name: ModeName, free: bool) -> None:
    replies = iter(["because", "joy", "but", "no", "sadness"] * 2)
    engine = (
        ScriptedEngine(write=lambda prompt: next(replies), constrain=False)
        if free
        else ScriptedEngine(STUBBORN, lambda prompt: "because")
    )
    judging = Judging(LABELS)
    mode: Mode = (ScoredMode if name == "scored" else WrittenMode)(engine.capabilities, judging)
    about = fresh()
    first = take_round(mode, engine, about)
    between = about.prompt
    second = take_round(mode, engine, about)
    assert first[0].label == second[0].label == "joy"
    assert first[1].verdict is second[1].verdict is DISAGREE
    prompts = [request.prompt for request in engine.calls]
    for earlier, later in zip(prompts, [*prompts[1:], about.prompt], strict=True):
        assert begins_with(later, earlier)
        assert later != earlier
    assert begins_with(about.prompt, between)
    # The objection is what the second round answers.
    half = len(prompts) // 2
    assert begins_with(prompts[half], between)
    assert "sadness" in between.text.rpartition("joy")[2]


@given(seeds, kinds)
def test_prompts_only_append_whatever_is_said(seed: int, kind: str) -> None:
    engine = chaotic_engine(seed, kind, failing=0)
    run_one(engine, rules(4, 2))
    prompts = [request.prompt for request in engine.calls]
    assert all(begins_with(later, earlier) for earlier, later in pairwise(prompts))


def test_agreement_is_appended_too() -> None:
    engine = ScriptedEngine(Roles([always("joy")], [0.9]))
    about = fresh()
    mode = ScoredMode(engine.capabilities, Judging(LABELS))
    _, judgement = take_round(mode, engine, about)
    assert (judgement.verdict, judgement.counter_label) == (AGREE, None)
    assert about.prompt.text.endswith(about.say("discriminator", "agree"))


def test_an_unreadable_verdict_is_neither_agreement_nor_objection() -> None:
    replies = iter(["why", "joy", "hm", "perhaps"])
    engine = ScriptedEngine(write=lambda prompt: next(replies), constrain=False)
    mode = WrittenMode(Capabilities(score=False, constrain=False), Judging(LABELS))
    _, judgement = take_round(mode, engine, fresh())
    assert (judgement.verdict, judgement.counter_label) == (None, None)
    assert judgement.assessment is not None
