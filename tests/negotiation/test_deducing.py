from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from sentixrl.context.building import ContextBuilder, ContextOptions, TargetContext
from sentixrl.context.prompt import Prompt
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine, ScriptedSession, Writer
from sentixrl.negotiation.deducing import SOURCE_TOKENS, Deducer

from .worlds import ENGLISH, LABELS, dialogue

UTTERANCE = ContextOptions(language="en", deduction="utterance")
ANCHOR = ContextOptions(language="en", deduction="anchor", window=HistoryWindow(2, 1))


def contexts(
    engine: ScriptedEngine,
    dialogues: list[Dialogue],
    options: ContextOptions = UTTERANCE,
    deducer: Deducer | None = None,
) -> list[list[TargetContext]]:
    deducer = deducer or deducer_of(engine, options)
    with engine.session() as session:
        return deducer.contexts(session, dialogues)


def deducer_of(
    engine: ScriptedEngine, options: ContextOptions = UTTERANCE, cache_size: int = 99
) -> Deducer:
    builder = ContextBuilder(LABELS, options, engine.count_tokens)
    return Deducer(engine, builder, 99 * SOURCE_TOKENS, cache_size)


def says(reply: str) -> Writer:
    return lambda prompt: reply


def test_off_asks_nothing() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    [[context]] = contexts(engine, [dialogue("Oh.")], ENGLISH)
    assert engine.batches == []
    assert "garden" not in context.prompt.text


def test_three_calls_for_all_turns_of_all_dialogues() -> None:
    parts = ("a garden", "Ann and Ben", "old friends")
    engine = ScriptedEngine(
        write=lambda prompt: next(part for part in parts if part not in prompt.text)
    )
    groups = contexts(engine, [dialogue("Oh.", "No!"), dialogue("Why?"), dialogue()])
    assert [len(group) for group in groups] == [2, 1, 0]
    assert [len(batch) for batch in engine.batches] == [3, 3, 3]
    for context in (context for group in groups for context in group):
        assert all(part in context.prompt.text for part in parts)


def test_more_than_a_session_may_hold_are_asked_for_in_several() -> None:
    """The memory of one dialogue's deductions does not grow with its length."""
    opened: list[list[int]] = []

    class Watched(ScriptedEngine):
        def session(self) -> ScriptedSession:
            opened.append([])
            return super().session()

    engine = Watched(write=lambda prompt: prompt.text.splitlines()[-2])
    builder = ContextBuilder(LABELS, UTTERANCE, engine.count_tokens)
    long = dialogue(*(f"Turn number {number}." for number in range(7)))
    few, many = Deducer(engine, builder, 3 * SOURCE_TOKENS), deducer_of(engine)
    expected = contexts(engine, [long], deducer=many)
    assert (len(opened), [len(batch) for batch in engine.batches]) == (1, [7, 7, 7])
    engine.batches.clear()
    assert contexts(engine, [long], deducer=few) == expected
    assert len(opened) == 1 + 1 + 3
    assert [len(batch) for batch in engine.batches] == [3] * 6 + [1] * 3


def test_each_anchor_is_deduced_once_from_what_came_before_it() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    [group] = contexts(engine, [dialogue("One", "Two", "Three", "Four", "Five", "Six")], ANCHOR)
    starts = [context.dropped_turns for context in group]
    assert len(engine.batches[0]) == len(set(starts) - {0}) > 0
    for context, start in zip(group, starts, strict=True):
        assert ("garden" in context.prompt.text) == (start > 0)


def test_without_history_no_anchor_is_deduced() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    apart = replace(ANCHOR, history=False)
    [group] = contexts(engine, [dialogue("One", "Two", "Three")], apart)
    assert engine.batches == []
    assert not any("garden" in context.prompt.text for context in group)


def test_what_is_known_is_not_asked_again() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    deducer = deducer_of(engine)
    first = contexts(engine, [dialogue("Oh.")], deducer=deducer)
    assert contexts(engine, [dialogue("Oh.", id="2")], deducer=deducer) == first
    assert len(engine.batches) == 3


def test_the_cache_is_bounded() -> None:
    engine = ScriptedEngine(write=says("a garden"))
    deducer = deducer_of(engine, cache_size=0)
    first = contexts(engine, [dialogue("Oh.", "No!")], deducer=deducer)
    assert contexts(engine, [dialogue("Oh.", "No!")], deducer=deducer) == first
    assert len(engine.batches) == 6


def test_nothing_is_invented_where_the_model_says_nothing() -> None:
    engine = ScriptedEngine(write=says(" \n"))
    plain = contexts(engine, [dialogue("Oh.")], ENGLISH)
    assert contexts(engine, [dialogue("Oh.")]) == plain


def test_a_failed_deduction_is_left_out_and_asked_for_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers: list[str | Failure] = [Failure("timeout", "Late."), "a garden"]
    late = iter([*answers, "a garden", "a garden"])

    def write(prompt: Prompt) -> str | Failure:
        return next(late) if "Bad" in prompt.text else "a garden"

    engine = ScriptedEngine(write=write)
    deducer = deducer_of(engine)
    asked = [dialogue("Good."), dialogue("Bad.")]
    with caplog.at_level(logging.WARNING):
        [good], [bad] = contexts(engine, asked, deducer=deducer)
    assert "garden" in good.prompt.text
    assert "garden" not in bad.prompt.text
    assert "1 of 2 deductions failed" in caplog.text
    _, [bad] = contexts(engine, asked, deducer=deducer)
    assert "garden" in bad.prompt.text
