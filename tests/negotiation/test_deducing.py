from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sentixrl.context.building import ContextBuilder, ContextOptions, TargetContext
from sentixrl.context.prompt import Prompt
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine, Writer
from sentixrl.negotiation.deducing import DeductionPlan, Deductions, deduce
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.turns import in_step

from .worlds import ENGLISH, LABELS, Roles, always, dialogue, run

UTTERANCE = ContextOptions(language="en", deduction="utterance")
ANCHOR = ContextOptions(language="en", deduction="anchor", window=HistoryWindow(2, 1))


def contexts(
    engine: ScriptedEngine,
    one: Dialogue,
    options: ContextOptions = UTTERANCE,
    kept: Deductions | None = None,
) -> list[TargetContext]:
    """Contexts of a dialogue, with whatever has to be deduced first."""
    builder = ContextBuilder(LABELS, options, engine.count_tokens)
    plan = DeductionPlan(builder, one, kept or Deductions())
    missing = list(plan.missing)
    with engine.session() as session:
        found = in_step(session, [deduce(source) for source in missing])
    for source, answer in zip(missing, found, strict=True):
        plan.settle(source, answer)
    assert plan.missing == []
    return plan.contexts()


def says(reply: str) -> Writer:
    return lambda prompt: reply


def test_off_asks_nothing() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    for options in (ENGLISH, replace(ENGLISH, deduction="auto")):
        [context] = contexts(engine, dialogue("Oh."), options)
        assert "garden" not in context.prompt.text
    assert engine.batches == []


def test_three_calls_for_all_turns() -> None:
    parts = ("a garden", "Ann and Ben", "old friends")
    engine = ScriptedEngine(
        write=lambda prompt: next(part for part in parts if part not in prompt.text)
    )
    found = contexts(engine, dialogue("Oh.", "No!", "Why?"))
    assert [len(batch) for batch in engine.batches] == [3, 3, 3]
    for context in found:
        assert all(part in context.prompt.text for part in parts)


def test_dialogues_that_are_computed_together_deduce_together() -> None:
    engine = ScriptedEngine(Roles([always("joy")]), write=says("a garden"))
    pair = [dialogue("Oh.", "No!", id="1"), dialogue("Why?", id="2")]
    options = NegotiationOptions(enabled=False, reproducible=False)
    answers = run(engine, pair, options, UTTERANCE)
    assert [len(answer.items) for answer in answers] == [2, 1]
    assert [len(batch) for batch in engine.batches] == [3, 3, 3, 3]
    assert all(item.tokens > 0 for answer in answers for item in answer.items)


def test_deductions_of_a_long_dialogue_take_several_sessions() -> None:
    """The memory of one dialogue's deductions does not grow with its length."""
    long = dialogue(*(f"Turn number {number}." for number in range(7)))
    whole, cut = (
        ScriptedEngine(Roles([always("joy")]), says("a garden"), session_tokens=room)
        for room in (None, 150)
    )
    options = NegotiationOptions(enabled=False)
    assert run(cut, [long], options, UTTERANCE) == run(whole, [long], options, UTTERANCE)
    assert max(len(batch) for batch in whole.batches) == 7
    assert max(len(batch) for batch in cut.batches) < 7


def test_each_anchor_is_deduced_once_from_what_came_before_it() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    found = contexts(engine, dialogue("One", "Two", "Three", "Four", "Five", "Six"), ANCHOR)
    starts = [context.dropped_turns for context in found]
    assert len(engine.batches[0]) == len(set(starts) - {0}) > 0
    for context, start in zip(found, starts, strict=True):
        assert ("garden" in context.prompt.text) == (start > 0)


def test_without_history_no_anchor_is_deduced() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    found = contexts(engine, dialogue("One", "Two", "Three"), replace(ANCHOR, history=False))
    assert engine.batches == []
    assert not any("garden" in context.prompt.text for context in found)


def test_what_is_known_is_not_asked_again() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    kept = Deductions()
    first = contexts(engine, dialogue("Oh."), kept=kept)
    assert contexts(engine, dialogue("Oh.", id="2"), kept=kept) == first
    assert len(engine.batches) == 3


def test_what_is_kept_is_bounded() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    kept = Deductions(size=0)
    first = contexts(engine, dialogue("Oh.", "No!"), kept=kept)
    assert contexts(engine, dialogue("Oh.", "No!"), kept=kept) == first
    assert len(engine.batches) == 6


def test_nothing_is_invented_where_the_model_says_nothing() -> None:
    engine = ScriptedEngine(write=says(" \n"))
    plain = contexts(engine, dialogue("Oh."), ENGLISH)
    assert contexts(engine, dialogue("Oh.")) == plain


def test_a_failed_deduction_is_left_out_and_asked_for_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    late: Iterator[str | Failure] = iter(
        [Failure("timeout", "Late."), "a garden", "a garden", "a garden"]
    )

    def write(prompt: Prompt) -> str | Failure:
        return next(late) if "Bad" in prompt.text else "a garden"

    engine = ScriptedEngine(write=write)
    kept = Deductions()
    with caplog.at_level(logging.WARNING):
        bad = contexts(engine, dialogue("Bad."), kept=kept)[0]
    assert "garden" not in bad.prompt.text
    assert "1 of 1 deductions failed" in caplog.text
    assert "garden" in contexts(engine, dialogue("Bad."), kept=kept)[0].prompt.text
