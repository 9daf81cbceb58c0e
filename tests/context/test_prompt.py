"""Prompts as values: segments, lines, answers, and the space before an answer."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sentixrl.context.deduction import PARTS, Deduction, deduction_prompt
from sentixrl.context.prompt import Message, Prompt, lead
from sentixrl.context.templates import templates


@pytest.mark.parametrize(
    "tail", ["", "Emotion:\n", "情绪：", "对吗？", "，而是", "「", "“", "カ", "　"]
)
def test_nothing_stands_before_a_word_here(tail: str) -> None:
    assert lead(tail) == ""


@pytest.mark.parametrize(
    "tail", ["Emotion:", "Right?", ", rather", "¿Correcto?", "صحيح؟", "सही है?"]
)
def test_a_space_stands_before_a_word_here(tail: str) -> None:
    assert lead(tail) == " "


def test_a_prompt_is_a_value() -> None:
    short = Prompt().then("user", "a")
    long = short.then("user", "b").then("assistant", "c")
    assert short == Prompt((Message("user", ("a",)),))
    assert long.messages == (Message("user", ("a", "b")), Message("assistant", ("c",)))
    assert hash(short) == hash(Prompt().then("user", "a"))


def test_lines_stand_below_one_another() -> None:
    prompt = Prompt().line("user", "a").line("user", "b").line("assistant", "c")
    assert [message.segments for message in prompt.messages] == [("a", "\nb"), ("c",)]


def test_an_answer_continues_what_the_assistant_said() -> None:
    prompt = Prompt().line("user", "Right?").answer("no").then("assistant", ", rather")
    assert prompt.answer("joy").messages[-1].segments == ("no", ", rather", " joy")
    assert prompt.answer("joy").text == "Right? no, rather joy"


def test_the_text_shows_each_message_where_the_plain_format_puts_it() -> None:
    prompt = Prompt().then("system", "S", "\nT").then("user", "U").answer("A").line("user", "V")
    assert prompt.text == "S\nT\nU A V"
    written = Prompt().then("user", "U").answer("A").line("assistant", "B").line("user", "V")
    assert written.text == "U A\nB\nV"


def test_a_deduction_is_asked_for_part_by_part() -> None:
    context = Prompt().then("user", "Ann: Hello")
    template = templates("en")
    texts = [
        deduction_prompt(context, template, ("a shop.", "Ann.", "none.")[:known]).text
        for known in range(len(PARTS))
    ]
    for shorter, longer in pairwise(texts):
        assert longer.startswith(shorter)
    assert texts[0].endswith("Scene:")
    assert texts[2].endswith("Scene: a shop.\nPeople: Ann.\nRelationships:")


def test_a_deduction_in_chinese_has_no_space_after_its_openers() -> None:
    prompt = deduction_prompt(Prompt().then("user", "小周：早"), templates("zh"), ("报社。",))
    assert prompt.text.endswith("场景：报社。\n人物：")


def test_the_parts_of_a_deduction_are_the_ones_asked_for() -> None:
    assert tuple(Deduction("a", "b", "c").parts()) == PARTS
