"""From messages to dialogues, and the account of what became of an input."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats import messages as module
from sentixrl.formats.ledger import FIRST_SKIPPED, Kind, Ledger
from sentixrl.formats.messages import DEFAULT_GAP, Message, conversations

START = datetime(2024, 5, 31, 10)


def put_together(
    said: Iterable[Message], gap: timedelta | None = DEFAULT_GAP
) -> tuple[list[tuple[str | None, list[str]]], Ledger]:
    ledger = Ledger("test")
    found = list(conversations(said, ledger, name="chat", gap=gap))
    assert [dialogue.id for dialogue in found] == [str(n) for n in range(1, len(found) + 1)]
    return [(dialogue.group, [turn.text for turn in dialogue]) for dialogue in found], ledger


def at(
    hours: float, text: str = "x", thread: str | None = None, chat: str | None = None
) -> Message:
    return Message(text, "Ann", START + timedelta(hours=hours), chat=chat, thread=thread)


@given(st.lists(st.floats(0, 40), min_size=1, max_size=20))
def test_a_dialogue_is_cut_exactly_at_the_longer_pauses(pauses: list[float]) -> None:
    hours = [sum(pauses[: n + 1]) for n in range(len(pauses))]
    found, ledger = put_together(at(hour, f"m{n}") for n, hour in enumerate(hours))
    cuts = sum(
        timedelta(hours=later) - timedelta(hours=hour) > DEFAULT_GAP
        for hour, later in itertools.pairwise(hours)
    )
    assert len(found) == cuts + 1
    assert ledger.splits == cuts
    assert [text for _, texts in found for text in texts] == [f"m{n}" for n in range(len(hours))]


def test_chats_end_and_threads_go_on_beside_each_other() -> None:
    said = [
        at(0, "a1", chat="a"),
        at(1, "t1", "t", "a"),
        at(2, "a2", chat="a"),
        at(9, "t2", "t", "a"),
        at(11, "a3", chat="a"),
        at(11, "b1", chat="b"),
    ]
    found, ledger = put_together(said)
    assert found == [
        ("a", ["a1", "a2"]),
        ("a", ["t1", "t2"]),
        ("a", ["a3"]),
        ("b", ["b1"]),
    ]
    assert ledger.splits == 1
    assert put_together(said, gap=None)[0] == [
        ("a", ["a1", "a2", "a3"]),
        ("a", ["t1", "t2"]),
        ("b", ["b1"]),
    ]


def test_messages_without_a_time_are_never_cut_apart() -> None:
    said = [at(0), Message("no time"), at(7), Message("no time"), at(14)]
    assert len(put_together(said)[0]) == 1


def test_a_clock_that_jumps_back_a_day_begins_a_dialogue() -> None:
    assert len(put_together([at(24), at(0), at(1)])[0]) == 2


def test_times_with_and_without_an_offset_can_be_compared() -> None:
    aware = Message("y", "Ann", START.replace(tzinfo=UTC))
    assert len(put_together([at(0), aware, at(1)])[0]) == 1


def test_a_dialogue_is_given_out_before_the_next_is_read() -> None:
    taken: list[int] = []

    def said() -> Iterable[Message]:
        for n in range(4):
            taken.append(n)
            yield at(24 * n)

    reading = conversations(said(), Ledger("test"), name="chat")
    next(reading)
    assert taken == [0, 1]


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (Message(" \u200e", line=3), "chat, line 3: the text is empty"),
        (Message("a\0b", line=3), "chat, line 3: the text holds a NUL"),
        (
            Message("x", "a\u2028b", chat="lift"),
            "chat, chat 'lift': the speaker holds a line break",
        ),
        (Message("x", id="\ud800"), "chat: the id holds half a character"),
        (Message("x", chat="a\nb"), "the chat's name holds a line break"),
        (Message("x", extra={"media": "\ud800"}), "chat: the media holds half a character"),
        (Message("x", extra={"a\nb": 1.0}), "holds a line break"),
    ],
)
def test_what_no_utterance_may_hold_is_refused(message: Message, place: str) -> None:
    with pytest.raises(InputError) as caught:
        put_together([message])
    assert place in caught.value.message


def test_an_endless_dialogue_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TURNS", 3)
    assert len(put_together(at(n) for n in range(3))[0]) == 1
    with pytest.raises(InputError, match=r"^chat: the dialogue has more than 3 turns"):
        put_together(at(n) for n in range(4))


def test_the_ledger_counts_bytes_and_messages_once() -> None:
    ledger = Ledger("srt")
    ledger.header(7)
    ledger.turn(10)
    ledger.merge(5)
    for line in range(30):
        ledger.skip("no text" if line % 3 else "deleted", 2, line)
    ledger.markup(1)
    assert (ledger.messages, ledger.size) == (32, 83)
    assert len(ledger.first_skipped) == FIRST_SKIPPED
    assert ledger.bytes == {
        Kind.TURN: 10,
        Kind.MERGED: 5,
        Kind.SKIPPED: 60,
        Kind.HEADER: 7,
        Kind.MARKUP: 1,
    }
    assert ledger.summary() == (
        "srt: 32 messages, 1 turn, 1 merged, 30 skipped (no text 20, deleted 10)"
    )
    assert json.loads(json.dumps(ledger.as_dict()))["first_skipped"][0] == {
        "line": 0,
        "reason": "deleted",
    }
