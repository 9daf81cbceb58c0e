"""Two engines behind one: each role's requests go to its own engine, in step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import sentixrl
from sentixrl import Status
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure
from sentixrl.engines.roles import TwoEngines, hosts_of
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.formats import dialogue_json
from sentixrl.formats.results import read_dialogue_json
from sentixrl.formats.values import dialogue_of

LABELS = "calm, curious, annoyed"
TALK = ["The rain stopped.", "Is that right?", "Leave me alone."]


def proposing(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    return [8.0 if choice == "curious" else 1.0 for choice in choices]


def judging(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    return [9.0 if choice in {"no", "calm"} else 1.0 for choice in choices]


def test_each_role_asks_its_own_engine_in_step_and_the_record_says_who_spoke() -> None:
    generator = ScriptedEngine(proposing, name="ann")
    discriminator = ScriptedEngine(judging, name="bob")
    model = sentixrl.load(generator, discriminator=discriminator, labels=LABELS)
    dialogue = dialogue_of(TALK)
    result = model.predict(dialogue)
    assert result.model == "ann + bob"
    for item in result.items:
        assert (item.status, item.fallback) == (Status.OUTLIER, "calm")
        for said in item.rounds:
            assert (said.proposal.label, said.proposal.model) == ("curious", "ann")
            assert said.judgement is not None
            assert (said.judgement.counter_label, said.judgement.model) == ("calm", "bob")
    # All three utterances' questions of a step come in one call.
    assert {len(batch) for batch in (*generator.batches, *discriminator.batches)} == {3}
    assert {request.role for request in generator.calls} == {"generator"}
    assert {request.role for request in discriminator.calls} == {"discriminator"}
    assert read_dialogue_json(dialogue_json(dialogue, result))[1].items[0].rounds[0].judgement


def test_the_record_on_paper_names_both_models() -> None:
    engines = ScriptedEngine(proposing, name="ann"), ScriptedEngine(judging, name="bob")
    model = sentixrl.load(engines[0], discriminator=engines[1], labels=LABELS)
    dialogue = dialogue_of(TALK[:1])
    (turn,) = dialogue_json(dialogue, model.predict(dialogue))["utterances"]
    (first, *_) = turn["negotiation"]
    assert first["generator"]["model"] == "ann"
    assert first["discriminator"]["model"] == "bob"


def test_a_scoring_generator_and_a_writing_discriminator_each_answer_in_their_mode() -> None:
    judge = ScriptedEngine(write=lambda prompt: "yes", name="bob")
    model = sentixrl.load(ScriptedEngine(proposing, name="ann"), discriminator=judge, labels=LABELS)
    (item,) = model.predict(TALK[0]).items
    assert (item.status, item.label) == (Status.CONSENSUS, "curious")
    assert item.probabilities is not None
    assert item.rounds[0].judgement is not None
    assert item.rounds[0].judgement.agree_log_prob is None


def test_a_local_discriminator_of_a_remote_generator_holds_no_more_than_its_room() -> None:
    generator = ScriptedEngine(proposing, batches_requests=False)
    discriminator = ScriptedEngine(judging, session_tokens=1)
    model = sentixrl.load(generator, discriminator=discriminator, labels=LABELS)
    model = model.replace(negotiation=replace(model.negotiation, reproducible=False))
    assert len(list(model.predict_many([[text] for text in TALK * 5]))) == 15
    assert {len(batch) for batch in discriminator.batches} == {1}


def test_a_failing_discriminator_keeps_what_the_generator_said() -> None:
    def fails(prompt: Prompt, choices: tuple[str, ...]) -> Failure:
        return Failure("busy", "Not now.", retryable=True)

    model = sentixrl.load(
        ScriptedEngine(proposing), discriminator=ScriptedEngine(fails), labels=LABELS
    )
    (item,) = model.predict(TALK[0]).items
    assert (item.status, item.fallback) == (Status.ERROR, "curious")
    assert item.error is not None
    assert item.error.retryable


def test_facts_and_costs_are_those_of_both() -> None:
    one, other = ScriptedEngine(proposing, name="ann"), ScriptedEngine(judging, name="bob")
    both = TwoEngines(one, other)
    assert both.describe()["discriminator_name"] == "bob"
    with both.session() as session:
        found = session.score([])
    assert found == []
    model = sentixrl.load(one, discriminator=other, labels=LABELS)
    model.predict(TALK)
    assert model.engine.usage == one.usage + other.usage
    assert hosts_of(model.engine) == ()


def test_options_that_name_a_discriminator_need_it_loaded() -> None:
    model = sentixrl.load(ScriptedEngine(proposing), labels=LABELS)
    named = sentixrl.NegotiationOptions(discriminator="another")
    with pytest.raises(sentixrl.SentixError, match="'another', which is not loaded"):
        model.replace(negotiation=named)


def test_two_local_models_negotiate_in_step(tiny_model: Path) -> None:
    options = sentixrl.EngineOptions(dtype="float32")
    alone = sentixrl.load(tiny_model, labels=LABELS, engine=options)
    twice = sentixrl.load(tiny_model, discriminator=tiny_model, labels=LABELS, engine=options)
    told = [item.label for item in alone.predict(TALK).items]
    assert [item.label for item in twice.predict(TALK).items] == told
    scores = twice.predict(TALK).items[0].probabilities
    assert scores == pytest.approx(alone.predict(TALK).items[0].probabilities, abs=1e-5)
