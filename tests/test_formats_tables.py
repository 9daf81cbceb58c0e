"""CSV and TSV: columns, rows into dialogues, and the line of every fault."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import Columns, read_dialogues
from sentixrl.formats.characters import is_blank


def read(text: str, columns: Columns | None = None, format: str = "csv") -> list[Dialogue]:
    return read_dialogues(stream=io.BytesIO(text.encode()), format=format, columns=columns)


def refusal(text: str, columns: Columns | None = None, format: str = "csv") -> InputError:
    with pytest.raises(InputError) as caught:
        read(text, columns, format)
    assert caught.value.message.isprintable()
    return caught.value


def test_usual_headers_are_found() -> None:
    dialogues = read(
        "Sr No.,Utterance,Speaker,Emotion,Dialogue ID,Utterance_ID\n"
        '1,"Well, no.",Anna,anger,0,0\n'
        "2,Oh,Ben,,0,1\n"
        "3,Hi,,joy,1,0\n"
    )
    assert dialogues == [
        Dialogue(
            "0", (Utterance("Well, no.", "Anna", "anger", "0"), Utterance("Oh", "Ben", id="1"))
        ),
        Dialogue("1", (Utterance("Hi", gold="joy", id="0"),)),
    ]


def test_named_columns_win_and_an_empty_name_means_none() -> None:
    text = "text,translation,speaker\nhola,hello,Ana\n"
    (dialogue,) = read(text, Columns(text="Translation", speaker=""))
    assert dialogue.utterances == (Utterance("hello"),)


def test_columns_from_a_command_line() -> None:
    assert Columns.parse(" text = My text,speaker=") == Columns(text="My text", speaker="")
    for spec in ("words=a", "text", "text=a,text=b", ""):
        with pytest.raises(InputError) as caught:
            Columns.parse(spec)
        assert "text, speaker, dialogue, turn, label, id" in (caught.value.hint or "")


def test_without_dialogue_column_each_row_stands_alone() -> None:
    dialogues = read("text,speaker\na,Anna\nb,Ben\n")
    assert [(dialogue.id, dialogue.utterances[0].text) for dialogue in dialogues] == [
        ("1", "a"),
        ("2", "b"),
    ]


def test_rows_keep_file_order_even_when_dialogues_alternate() -> None:
    dialogues = read("turn,dialogue_id,text\n9,y,a\n2,x,b\n1,y,c\n1,x,d\n")
    assert [(d.id, [turn.text for turn in d]) for d in dialogues] == [
        ("y", ["a", "c"]),
        ("x", ["b", "d"]),
    ]


def test_a_named_turn_column_orders_rows_exactly() -> None:
    text = "turn,dialogue_id,text\n10,y,c\n2,x,b\n9.5,y,b\n-1,y,a\n1,x,a\n"
    dialogues = read(text, Columns(turn="turn"))
    assert [[turn.text for turn in d] for d in dialogues] == [["a", "b", "c"], ["a", "b"]]
    big = "turn,dialogue_id,text\n20240101123045124,x,b\n20240101123045123,x,a\n"
    assert [turn.text for turn in read(big, Columns(turn="turn"))[0]] == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,x,a\nten,x,b\n", "line 3: the turn column 'no' holds 'ten', which is not a number."),
        ("1,x,a\nnan,x,b\n", "line 3: the turn column 'no' holds 'nan', which is not a number."),
        ("1,x,a\n,x,b\n", "line 3: the turn column 'no' holds '', which is not a number."),
        ("1,x,a\n1,y,b\n1.0,x,c\n", "line 4: the turn column 'no' holds 1.0, which line 2 holds"),
    ],
)
def test_turns_that_give_no_order(rows: str, message: str) -> None:
    assert message in refusal("no,dialogue,text\n" + rows, Columns(turn="no")).message


def test_turns_without_dialogues() -> None:
    error = refusal("no,text\n1,a\n", Columns(turn="no"))
    assert "no column tells dialogues" in error.message
    assert "--columns dialogue=NAME" in (error.hint or "")


def test_unknown_column_lists_those_there_are() -> None:
    error = refusal("speaker,utterance\nAnna,a\n", Columns(text="uterance"))
    assert error.message == ("standard input has no column 'uterance'; it has: speaker, utterance.")
    assert error.hint == "Did you mean 'utterance'?"


def test_synonym_of_a_column_is_the_nearest() -> None:
    assert refusal("foo,text\na,b\n", Columns(text="utterance")).hint == "Did you mean 'text'?"


def test_no_text_column() -> None:
    error = refusal("hello,there\nyou,all\n")
    assert "none of the columns (hello, there) is known to hold the text" in error.message
    assert "--columns text=NAME" in (error.hint or "")


def test_column_that_exists_twice() -> None:
    assert "2 columns called 'text'" in refusal("text,text\na,b\n").message
    assert "2 columns called 'a'" in refusal("a,a,text\nx,y,z\n", Columns(speaker="a")).message
    assert len(read("b,b,text\nx,y,z\n")) == 1  # nobody asks for it
    exact = read("Text,TEXT\nx,y\n", Columns(text="TEXT"))
    assert exact[0].utterances[0].text == "y"


def test_header_without_rows() -> None:
    assert "has a header line but no rows" in refusal("text,speaker\n\n").message


def test_empty_text_names_the_line_after_a_row_of_several_lines() -> None:
    error = refusal('text,speaker\n"one\ntwo",Anna\n\n  ,Ben\n')
    assert error.message == "standard input, line 5: the text column 'text' is empty."
    assert "remove the row" in (error.hint or "")


def test_empty_dialogue_cell() -> None:
    error = refusal("dialogue,text\n1,a\n,b\n")
    assert "line 3: the dialogue column 'dialogue' is empty" in error.message


@pytest.mark.parametrize(("row", "count"), [("a,b,c", 3), ("a", 1)])
def test_rows_of_another_length(row: str, count: int) -> None:
    error = refusal(f"text,speaker\nx,y\n{row}\n")
    assert f"line 3: the row has {count} cells, the header has 2" in error.message


def test_broken_quotation() -> None:
    error = refusal('text,speaker\nx,y\n"never closed,Anna\nz,Ben\n')
    assert "line 3: a quotation mark that opens in this row is never closed" in error.message
    error = refusal('text,speaker\nx,y\n"no" she said,Anna\n')
    assert "line 3: a cell goes on after its closing quotation mark" in error.message
    assert '""no""' in (error.hint or "")


def test_cell_larger_than_the_limit() -> None:
    limit = csv.field_size_limit()
    error = refusal(f"text\nshort\n{'x' * (limit + 1)}\n")
    assert f"line 3: a cell is larger than the limit of {limit:,} characters" in error.message


def test_speaker_of_several_lines() -> None:
    error = refusal('text,speaker\nx,y\na,"Anna\nBen"\n')
    assert "line 3: the speaker column 'speaker' holds a line break (\\n)" in error.message


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_separator_is_read_off_the_header(mark: str) -> None:
    (dialogue,) = read(f"speaker{mark}text\nAnna{mark}a\n")
    assert dialogue.utterances == (Utterance("a", "Anna"),)


def test_tsv_keeps_commas_and_csv_keeps_quoted_ones() -> None:
    assert read("a,b\ttext\n1\tx, y\n", format="tsv")[0].utterances[0].text == "x, y"
    assert read('speaker, text\nAnna, "x, y"\n')[0].utterances[0].text == "x, y"


def test_line_numbers_with_other_line_ends() -> None:
    assert "line 4" in refusal('text,speaker\r\n"a\r\nb",A\r\n,B\r\n').message
    assert "line 3" in refusal("text,speaker\ra,A\r,B\r").message


def test_file_of_ten_thousand_rows(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_text("text,dialogue\n" + "".join(f"line {n},1\n" for n in range(10_000)))
    (dialogue,) = read_dialogues(path)
    assert [turn.text for turn in dialogue] == [f"line {n}" for n in range(10_000)]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1).map(str.strip)
rows = st.lists(
    st.tuples(
        cells.filter(lambda text: not is_blank(text)),
        st.none() | st.sampled_from(["Anna", "###", "小明", 'Bob "the" B', "a,b;c"]),
        st.sampled_from(["1", "2", "β"]),
    ),
    min_size=1,
    max_size=8,
)


@given(rows, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]))
def test_what_csv_writes_reads_back(
    table: list[tuple[str, str | None, str]], mark: str, end: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, lineterminator=end)
    writer.writerows([("text", "speaker", "dialogue"), *table])
    stream = io.BytesIO(out.getvalue().encode())
    found = read_dialogues(stream=stream, format="csv", quoting="quoted")
    read_back = {dialogue.id: dialogue.utterances for dialogue in found}
    for key in read_back:
        wanted = [(text, speaker) for text, speaker, dialogue in table if dialogue == key]
        assert [(turn.text, turn.speaker) for turn in read_back[key]] == wanted
    assert sum(map(len, read_back.values())) == len(table)
