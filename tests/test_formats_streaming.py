"""Reading piece by piece: lines, elements and dialogues as they come, every byte told of."""

from __future__ import annotations

import io
import itertools
import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats import (
    Columns,
    decoding,
    iter_dialogues,
    json_elements,
    open_dialogues,
    open_text,
    read_dialogues,
    sorting,
    tables,
)
from sentixrl.formats.decoding import TextEncoding, decoded_lines
from sentixrl.formats.json_elements import json_elements as elements
from sentixrl.formats.messages import Line
from sentixrl.formats.source import source_of_stream

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030", "shift_jis",
             "iso2022_jp", "utf-7", "windows-1252", "hz"]  # fmt: skip


def lines_of(raw: bytes, encoding: str) -> list[Line]:
    found = TextEncoding.named(encoding, raw)
    return list(decoded_lines(io.BytesIO(raw), "x", found))


@given(
    st.lists(
        st.tuples(st.text("ab日é ", max_size=5), st.sampled_from(["\n", "\r\n", "\r"])), max_size=8
    ),
    st.sampled_from(ENCODINGS),
    st.integers(1, 9),
)
def test_lines_and_their_sizes_in_every_encoding(
    written: list[tuple[str, str]], encoding: str, chunk: int
) -> None:
    text = "".join(line + end for line, end in written)
    raw = text.encode(encoding, "replace")
    known = raw.decode(encoding).removeprefix("\ufeff")
    before, decoding._CHUNK = decoding._CHUNK, chunk
    try:
        lines = lines_of(raw, encoding)
    finally:
        decoding._CHUNK = before
    wanted = known.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    texts = [line.text for line in lines]
    assert texts in (wanted, wanted[:-1])
    assert sum(line.size for line in lines) == len(raw)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))


@given(st.lists(st.text(), max_size=6), st.integers(1, 7), st.sampled_from([None, 1]))
def test_elements_of_a_list_cut_anywhere(values: list[str], chunk: int, indent: int | None) -> None:
    written: list[object] = [{"v": value, "n": len(value)} for value in values]
    raw = json.dumps(written, indent=indent).encode()
    before, decoding._CHUNK = decoding._CHUNK, chunk
    try:
        source = source_of_stream(io.BytesIO(raw), "x", "utf-8")
        found = list(elements(source, "hint"))
    finally:
        decoding._CHUNK = before
    assert [element.value for element in found] == written
    assert [element.number for element in found] == list(range(1, len(values) + 1))
    assert sum(element.size for element in found) <= len(raw)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[{"a": 1}, {"b" 2}]', "line 1, column 17"),
        ('[\n {"a": 1}\n {"b": 2}\n]', "line 3, column 2"),
        ('[{"a": 1},\n]', "line 2, column 1"),
        ('[{"a": 1}] x', "line 1, column 12"),
        ('[{"a": 1}', "line 1, column 10"),
        ('[{"a": "\n"}]', "line 1, column 9"),
    ],
)
def test_broken_lists_name_the_place(text: str, place: str) -> None:
    for size in (1, 3, 1 << 20):
        source = source_of_stream(io.BytesIO(text.encode()), "x", "utf-8")
        before, decoding._CHUNK = decoding._CHUNK, size
        try:
            with pytest.raises(InputError, match=place):
                list(elements(source, "hint"))
        finally:
            decoding._CHUNK = before


def test_an_element_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_elements, "MAX_BYTES", 1 << 20)
    text = json.dumps([{"utterances": ["x" * (5 << 20)]}])
    with pytest.raises(InputError, match="a value is longer than 1,048,576"):
        read_dialogues(stream=io.BytesIO(text.encode()))


def test_a_dialogue_of_a_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_DIALOGUE_BYTES", 1000)
    rows = "".join(f"{n},hello there\n" for n in range(100))
    assert len(read_dialogues(stream=io.BytesIO(f"dialogue,text\n{rows}".encode()))) == 100
    rows = "".join(f"1,hello there {n}\n" for n in range(100))
    with pytest.raises(InputError, match="dialogue '1' is larger than the 1,000 bytes"):
        read_dialogues(stream=io.BytesIO(f"dialogue,text\n{rows}".encode()))


def peak(path: Path) -> int:
    tracemalloc.start()
    try:
        for _ in iter_dialogues(path):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def contents(kind: str, count: int) -> Iterator[str]:
    chance = random.Random(5)
    word = ("one", "two words", "a third and longer one")
    if kind.startswith("csv"):
        yield "dialogue_id,speaker,text\n"
    if kind == "json":
        yield "["
    for at in range(count):
        text = chance.choice(word)
        if kind == "csv":
            yield f"d{at // 10},Anna,{text}\n"
        elif kind == "csv alternating":
            yield f"d{at // 100}x{at % 5},Anna,{text}\n"
        elif kind == "txt":
            yield f"Anna: {text}\n" + "\n" * (at % 10 == 9)
        else:
            between = ",\n" if kind == "json" and at else ""
            end = "\n" if kind == "jsonl" else ""
            yield between + json.dumps({"utterances": [text] * 5}) + end
    if kind == "json":
        yield "]"


@pytest.mark.parametrize("kind", ["csv", "csv alternating", "txt", "json", "jsonl"])
def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_CHUNK", 1 << 14)
    monkeypatch.setattr(sorting, "RUN_BYTES", 1 << 16)
    path = tmp_path / f"a.{kind.split()[0]}"
    peaks = []
    for count in (1_000, 1_000, 8_000):  # the first warms caches up
        path.write_text("".join(contents(kind, count)))
        peaks.append(peak(path))
    assert peaks[2] < peaks[1] + 300_000


def test_dialogues_come_before_the_end_is_read() -> None:
    text = "a\n\n" * 5 + "Anna:\n"
    found = iter_dialogues(stream=io.BytesIO(text.encode()), format="text")
    assert len(list(itertools.islice(found, 5))) == 5
    with pytest.raises(InputError, match="line 11: the speaker 'Anna' says nothing"):
        next(found)


def test_a_reader_reads_again_and_counts_anew() -> None:
    reader = open_dialogues(stream=io.BytesIO(b"Anna: a\n\nBen: b"))
    assert (reader.format, reader.ledger.turns) == ("text", 0)
    for _ in range(2):
        assert [dialogue.id for dialogue in reader] == ["1", "2"]
        assert reader.ledger.turns == 2
        assert reader.ledger.size == 15
    assert reader.ledger.summary() == "text: 2 messages, 2 turns"


def test_a_pasted_chat_is_read_as_such() -> None:
    reader = open_text("[10:30] Anna: hi\n[10:31] Ben: hello\n[10:32] Anna: bye")
    assert [turn.speaker for turn in next(iter(reader))] == ["Anna", "Ben", "Anna"]
    assert reader.format != "text"
    with pytest.raises(InputError, match="no columns to name"):
        open_text("hi", columns=Columns(text="a"))


groups = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "né", "ne\u0301"]), st.sampled_from("xyz")),
    min_size=1,
    max_size=12,
)


@given(groups)
def test_rows_in_any_order_give_the_same_dialogues(rows: list[tuple[str, str]]) -> None:
    text = "dialogue,text\n" + "".join(f"{key},{said}\n" for key, said in rows)
    wanted: dict[str, list[str]] = {}
    for key, said in rows:
        wanted.setdefault(key, []).append(said)
    found: list[Dialogue] = read_dialogues(stream=io.BytesIO(text.encode()))
    assert {dialogue.id: [turn.text for turn in dialogue] for dialogue in found} == wanted
    assert [dialogue.id for dialogue in found] == list(wanted)
