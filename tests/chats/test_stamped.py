"""Transcripts with times, or with names on lines of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats.chats import Medium, detect, stamped
from tests.chats.sources import Turn, read

SAID = [
    ("Anna", "You came back!"),
    ("Ben Okoye", "I said: I would."),
    ("سارة", "لماذا الآن؟"),
    ("小明", "你怎么不告诉我？"),
    ("Zoé", "je ne sais plus…"),
    ("अनिता", "मुझे डर लगता है"),
    ("Anna", "10:30 is too late"),
    ("Ben Okoye", "no"),
]
LAYOUTS: dict[str, Callable[[str, str, str], str]] = {
    "in front": lambda clock, name, text: f"[{clock}] {name}: {text}\n",
    "in round brackets": lambda clock, name, text: f"({clock}) {name}: {text}\n",
    "plain": lambda clock, name, text: f"{clock} {name}: {text}\n",
    "with a dash": lambda clock, name, text: f"{clock} - {name}: {text}\n",
    "behind": lambda clock, name, text: f"{name} ({clock}): {text}\n",
    "behind, square": lambda clock, name, text: f"{name} [{clock}]: {text}\n\n",
    "name and time above": lambda clock, name, text: f"{name}  {clock}\n{text}\n\n",
    "name and time in brackets above": lambda clock, name, text: f"{name} ({clock})\n{text}\n",
    "time and name above": lambda clock, name, text: f"{clock} {name}\n{text}\n\n",
    "name above, colon": lambda clock, name, text: f"{name}:\n{text}\n",
    "name above": lambda clock, name, text: f"{name}\n{text}\n\n",
}


@pytest.mark.parametrize("clock", ["00:{:02}:05", "0:{:02}", "10:{:02} AM", "1:{:02}:05.250"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_as_it_was_said(layout: str, clock: str) -> None:
    said = SAID * 2 if layout == "name above" else SAID
    clocks = [clock.format(n) for n in range(len(said))]
    content = "".join(
        LAYOUTS[layout](time, name, text) for time, (name, text) in zip(clocks, said, strict=True)
    )
    form = detect(Medium.LINES, content.split("\n"))
    assert form is not None
    assert form.name == "timed-transcript"
    found = read(stamped.messages, content)
    assert found.turns == said
    assert found.ledger.size == len(content.encode())
    if not layout.startswith("name above"):
        assert [message.extra["time"] for message in found.messages] == clocks


WORDS = st.text("abé ñسا小नма ,.!?'", min_size=1, max_size=30).filter(
    lambda text: text.strip() == text and any(c.isalpha() for c in text)
)
NAMES = st.sampled_from(
    ["Anna", "Ben Okoye", "سارة", "小明", "Íñigo", "Оля", "Dr. Şen", "Speaker 1"]
)


@given(
    st.sampled_from([name for name in LAYOUTS if name != "name above"]),
    st.lists(st.tuples(NAMES, WORDS), min_size=2, max_size=8),
)
def test_reading_gives_back_what_was_written(layout: str, said: list[Turn]) -> None:
    content = "".join(
        LAYOUTS[layout](f"0:{n:02}", str(name), f"{text}.") for n, (name, text) in enumerate(said)
    )
    found = read(stamped.messages, content)
    assert found.turns == [(name, f"{text}.") for name, text in said]
    assert found.ledger.size == len(content.encode())


def test_lines_go_on_and_times_without_names_are_kept() -> None:
    content = (
        "A call\n\n[0:01] Anna: so\nit goes\n\n[0:05] nobody says this\n[0:07] <ben> me\n[0:09]\n"
    )
    found = read(stamped.messages, content)
    assert found.turns == [("Anna", "so\nit goes"), (None, "nobody says this"), ("ben", "me")]
    assert found.ledger.skipped == {"before the first turn": 1, "no text": 1}


def test_a_known_speaker_without_a_time_is_not_put_into_anothers_mouth() -> None:
    content = "[0:01] Anna: hi\nBen: hello\n[0:03] Ben: well\nPS: no\n[0:04] Anna: bye\n"
    assert read(stamped.messages, content).turns == [
        ("Anna", "hi"),
        ("Ben", "hello"),
        ("Ben", "well\nPS: no"),
        ("Anna", "bye"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Anna: You came back!\nBen: I said I would.\n",
        "You came back!\nI said I would.\n",
        "Anna: at 10:30\nBen: no, 11:00\n",
        "10:30 and still nobody\nI waited\n",
        "10:30 breakfast\n11:00 walk\n",
        "The lift\n\nis broken\n\nagain\n\nand again\n",
        "Roses\nare red\n\nViolets\nare blue\n\nLifts\nare slow\n",
        "Anna:\nhi\n",
        "",
    ],
)
def test_plain_transcripts_and_bare_texts_are_left_alone(content: str) -> None:
    assert detect(Medium.LINES, content.split("\n")) is None
    with pytest.raises(InputError, match="neither times at its turns nor names"):
        read(stamped.messages, content)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 200_000,
        "1:" * 100_000,
        "a " * 100_000,
        "Anna" + " " * 200_000 + "(0:01",
        "0:01" + " -" * 100_000,
        "[0:01] " + ": " * 100_000,
        "<" * 200_000,
    ],
)
def test_a_long_line_made_to_be_slow_is_read_at_once(line: str) -> None:
    content = f"[0:01] Anna: hi\n[0:02] Ben: hi\n{line}\n[0:03] Anna: bye\n"
    assert read(stamped.messages, content).ledger.size == len(content.encode())
