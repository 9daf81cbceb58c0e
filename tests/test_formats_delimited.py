"""Separators, quotation marks and column names of other people's tables; no row is swallowed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats import Columns, open_dialogues, read_dialogues
from sentixrl.formats.delimited import Quoting


def texts(text: str, format: str = "csv", quoting: Quoting = "auto") -> list[str]:
    stream = io.BytesIO(text.encode())
    found = read_dialogues(stream=stream, format=format, quoting=quoting)
    return [turn.text for dialogue in found for turn in dialogue]


def refusal(text: str, format: str = "csv", quoting: Quoting = "auto") -> str:
    with pytest.raises(InputError) as caught:
        texts(text, format, quoting)
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    "header",
    [
        "text;note (a, b, c)",
        '"note (a, b)",text',
        '"note; a, b";text',
        "text|note, or; what",
        "a;b;c;d;e\ttext",
        'sep=;\n"a,b,c,d";text',
        '"sep=|"\na|text',
        "\n\ntext,speaker",
    ],
)
def test_the_separator_is_the_one_that_names_the_text(header: str) -> None:
    last = header.rpartition("\n")[2]
    mark = next(m for m in ("\t", "|", ";", ",") if m + "text" in last or "text" + m in last)
    width = len(next(csv.reader([last], delimiter=mark)))
    place = next(csv.reader([last], delimiter=mark)).index("text")
    row = mark.join("hello" if at == place else "x" for at in range(width))
    for format in ("auto", "csv"):
        reader = open_dialogues(stream=io.BytesIO(f"{header}\n{row}\n".encode()), format=format)
        assert [turn.text for dialogue in reader for turn in dialogue] == ["hello"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('text\tspeaker\nhe said "no"\tAna\n', ['he said "no"']),  # both ways agree
        ('text\tspeaker\n"hello\tAna\nyo\tBen\n', ['"hello', "yo"]),  # quoted never closes
        ('text\tspeaker\n"a\tb"\tAna\n', ["a\tb"]),  # plain has a cell too many
        ('text\tspeaker\n"one\ntwo"\tAna\n', ["one\ntwo"]),
        ('text\tspeaker\n"no" she said\tAna\n', ['"no" she said']),
    ],
)
def test_tabs_are_read_in_the_way_that_fits(text: str, wanted: list[str]) -> None:
    assert texts(text, "tsv") == wanted
    assert texts(text, "auto") == wanted


def test_tabs_that_fit_in_both_ways_are_refused() -> None:
    text = 'text\tspeaker\nplain\tBen\n"Hello"\tAna\n'
    said = refusal(text, "tsv")
    assert "line 3: the quotation marks of this row can be read in two ways" in said
    assert "--quoting quoted" in said
    assert texts(text, "tsv", "quoted") == ["plain", "Hello"]
    assert texts(text, "tsv", "plain") == ["plain", '"Hello"']


def test_tabs_that_fit_in_no_way_are_refused() -> None:
    said = refusal('text\tspeaker\nx\tBen\na "b"\n', "tsv")
    assert "line 3: the row has 1 cells, the header has 2" in said
    assert "--quoting" in said


def test_a_mark_that_swallows_rows_is_refused() -> None:
    text = 'n,speaker,text\n1,Ana,"5 inches\n2,Ben,ok\n3,Ana,6""\n4,Ben,end"\n'
    said = refusal(text)
    assert "line 2: a quotation mark opens here and closes 3 lines below" in said
    assert texts(text, quoting="plain") == ['"5 inches', "ok", '6""', 'end"']
    assert len(texts(text, quoting="quoted")) == 1
    assert texts('text,speaker\n"one, two\nthree",Ana\n') == ["one, two\nthree"]


def test_blank_rows_of_a_spreadsheet_are_counted_and_left_out() -> None:
    text = "text;speaker\r\na;Ana\r\n;\r\n ; \r\n\r\nb;Ben\r\n;\r\n;;;\r\n"
    reader = open_dialogues(stream=io.BytesIO(text.encode()))
    assert len(list(reader)) == 2
    assert reader.ledger.skipped == {"blank row": 4}
    assert reader.ledger.size == len(text)
    assert reader.ledger.first_skipped[0].line == 3


@pytest.mark.parametrize(
    ("spec", "columns"),
    [
        ("text=a, b,speaker=who", Columns(text="a, b", speaker="who")),
        ('text="a,speaker=b",label=c', Columns(text="a,speaker=b", label="c")),
        ('text="say ""hi"""', Columns(text='say "hi"')),
        ("TEXT=a", Columns(text="a")),
        ("text=x=y", Columns(text="x=y")),
        ("speaker=,text=a", Columns(text="a", speaker="")),
    ],
)
def test_columns_may_hold_commas(spec: str, columns: Columns) -> None:
    assert Columns.parse(spec) == columns


@pytest.mark.parametrize("spec", ["", "text", "words=a", "text=a,words=b", "text=a,text=b", "=a"])
def test_columns_that_are_none(spec: str) -> None:
    with pytest.raises(InputError, match="does not name a column"):
        Columns.parse(spec)


cells = st.text(st.sampled_from('ab ,;\t|"\n\u00e9'), max_size=8)


@given(
    st.lists(st.tuples(cells, cells), min_size=1, max_size=6),
    st.sampled_from(",;|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_every_row_that_a_writer_wrote_is_read_or_refused(
    rows: list[tuple[str, str]], mark: str, style: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, quoting=style, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerows([("text", "note"), *rows])
    wanted = [said.strip() for said, note in rows if (said + note).strip()]
    if wanted and all(wanted):
        assert texts(out.getvalue(), quoting="quoted") == wanted
    else:
        assert "line" in refusal(out.getvalue(), quoting="quoted")


def test_what_a_name_of_a_column_says_is_not_acted_on(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ticket_id,text\n1,a\n2,b\n3,c\n")
    assert open_dialogues(path).notes == ()  # every ticket once: no dialogues
    path.write_text("ticket_id,text\n1,a\n1,b\n3,c\n")
    reader = open_dialogues(path)
    assert "--columns dialogue=ticket_id" in reader.notes[0]
    assert len(list(reader)) == 3
    assert open_dialogues(path, columns=Columns(dialogue="")).notes == ()
