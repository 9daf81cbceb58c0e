"""Parquet files and Excel workbooks, written here and read back."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import Columns, open_dialogues, read_dialogues, sheets

from .test_formats_attack import check, mutated

HEADER = ("dialogue", "speaker", "text", "label", "n")
ROWS: list[Sequence[object]] = [
    (1, "Ana", "héllo <b>", "joy", 1.5),
    (1, None, "5", None, None),
    (2, "小明", "two\nlines", "anger", 2),
]
WANTED = [
    Dialogue("1", (Utterance("héllo <b>", "Ana", "joy"), Utterance("5"))),
    Dialogue("2", (Utterance("two\nlines", "小明", "anger"),)),
]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def cell(place: str, value: object) -> str:
    if isinstance(value, str):
        text = f'<is><t xml:space="preserve">{escape(value)}</t></is>'
        return f'<c r="{place}" t="inlineStr">{text}</c>'
    return "" if value is None else f'<c r="{place}"><v>{value}</v></c>'


def workbook(**sheets: Sequence[Sequence[object]]) -> bytes:
    """A minimal workbook."""
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="r{at}"/>' for at, name in enumerate(names, 1)
    )
    related = "".join(
        f'<Relationship Id="r{at}" Type="{RELATIONS}/worksheet" Target="worksheets/s{at}.xml"/>'
        for at in range(1, len(names) + 1)
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>{listed}'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{related}'
        "</Relationships>",
    }
    for at, rows in enumerate(sheets.values(), 1):
        body = "".join(
            f'<row r="{r}">'
            + "".join(cell(f"{chr(65 + c)}{r}", value) for c, value in enumerate(row))
            + "</row>"
            for r, row in enumerate(rows, 1)
        )
        files[f"xl/worksheets/s{at}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def parquet(columns: dict[str, list[Any]]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    written = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), written)
    return written.getvalue()


def read(raw: bytes, **options: Any) -> list[Dialogue]:  # noqa: ANN401
    return read_dialogues(stream=io.BytesIO(raw), **options)


def test_a_workbook() -> None:
    pytest.importorskip("python_calamine")
    raw = workbook(Notes=[], Chat=[(), HEADER, *ROWS[:2], (None,) * 5, *ROWS[2:]])
    reader = open_dialogues(stream=io.BytesIO(raw))
    assert list(reader) == WANTED
    assert (reader.format, reader.ledger.size) == ("xlsx", len(raw))
    assert reader.ledger.skipped == {"blank row": 1}
    assert read(raw, format="xlsx", columns=Columns(label="")) != WANTED


def test_a_parquet_file() -> None:
    columns = {name: [row[at] for row in ROWS] for at, name in enumerate(HEADER) if name != "text"}
    raw = parquet({**columns, "text": [str(row[2]) for row in ROWS]})
    reader = open_dialogues(stream=io.BytesIO(raw))
    assert list(reader) == WANTED
    assert (reader.format, reader.ledger.size) == ("parquet", len(raw))


def test_long_decimal_ids_of_a_parquet_file_stay_apart() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    ids = [9_007_199_254_740_992, 9_007_199_254_740_993]
    column = pyarrow.array(map(Decimal, ids), pyarrow.decimal128(38, 0))
    found = read(parquet({"dialogue": column, "text": ["Well.", "So."]}))
    assert [dialogue.id for dialogue in found] == list(map(str, ids))


names = st.sampled_from(["1", "x", "né", "小明", "a, b", "<&>"])
some_rows = st.lists(
    st.tuples(
        names,
        st.none() | names,
        st.text("ab é\n\"'<&;,\t0", min_size=1, max_size=12).filter(
            lambda text: bool(text.strip())
        ),
        st.none() | names,
    ),
    min_size=1,
    max_size=8,
)


def grouped(rows: list[tuple[str, str | None, str, str | None]]) -> list[Dialogue]:
    found: dict[str, list[Utterance]] = {}
    for dialogue, speaker, text, label in rows:
        found.setdefault(dialogue, []).append(Utterance(text.strip(), speaker, label))
    return [Dialogue(key, tuple(turns)) for key, turns in found.items()]


@given(some_rows)
def test_any_rows_of_a_workbook_read_back(rows: list[Any]) -> None:
    pytest.importorskip("python_calamine")
    assert read(workbook(Sheet=[HEADER[:4], *rows])) == grouped(rows)


@given(some_rows)
def test_any_rows_of_a_parquet_file_read_back(rows: list[Any]) -> None:
    columns = {name: [row[at] for row in rows] for at, name in enumerate(HEADER[:4])}
    assert read(parquet(columns)) == grouped(rows)


@given(some_rows, st.booleans())
def test_any_records_read_back(rows: list[Any], listed: bool) -> None:
    records = [dict(zip(HEADER, row, strict=False)) for row in rows]
    text = json.dumps(records) if listed else "\n".join(map(json.dumps, records))
    assert read(text.encode()) == grouped(rows)


@given(some_rows)
def test_any_rows_between_tabs_read_back(rows: list[Any]) -> None:
    """Without quotation marks a cell is on one line and holds no tab."""
    flat = [tuple(" ".join((cell or "").split()) for cell in row) for row in rows]
    kept = [row for row in flat if row[2]]
    text = "\n".join("\t".join(row) for row in [HEADER[:4], *kept])
    if kept:
        found = read(text.encode(), format="tsv", quoting="plain")
        assert found == grouped([(d, s or None, t, e or None) for d, s, t, e in kept])


def test_labels_that_are_lists() -> None:
    one = read(parquet({"text": ["a", "b"], "label": [["joy"], []]}))
    assert [dialogue.utterances[0].gold for dialogue in one] == ["joy", None]
    with pytest.raises(InputError, match="row 1: the label column 'label' holds a value of type"):
        read(parquet({"text": ["a"], "label": [["joy", "fear"]]}))


@pytest.mark.parametrize(
    ("sheets_of_it", "says"),
    [
        ({"One": [("text",), ("a",)], "Two": [("text",), ("b",)]}, "2 sheets .*One, Two"),
        ({"One": []}, "has no rows"),
        ({"One": [("text",)]}, "a header line but no rows"),
        ({"One": [("a", "b"), ("c", "d")]}, "none of the columns"),
    ],
)
def test_workbooks_that_say_not_which_rows(sheets_of_it: Any, says: str) -> None:  # noqa: ANN401
    pytest.importorskip("python_calamine")
    with pytest.raises(InputError, match=says):
        read(workbook(**sheets_of_it))


def test_a_workbook_whose_cells_lie_far_apart() -> None:
    """The library would take memory for every cell between them, and end the process."""
    raw = workbook(One=[("text",), ("a",)])
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"</sheetData>", far))
    with pytest.raises(InputError, match=r"a sheet of 17,179,869,184 cells"):
        read(out.getvalue())


def test_a_workbook_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("python_calamine")
    monkeypatch.setattr(sheets, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to"):
        read(workbook(One=[("text",), ("a" * 2000,)]))


def test_binary_formats_that_are_named_for_others() -> None:
    with pytest.raises(InputError, match="is no parquet file"):
        read(b"text\na\n", format="parquet")
    with pytest.raises(InputError, match="is no csv file, but one of xlsx"):
        read(workbook(One=[("text",), ("a",)]), format="csv")


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_broken_tables_are_refused_in_a_sentence(kind: str) -> None:
    pytest.importorskip("python_calamine")
    raw = parquet({"text": ["a", "b"]}) if kind == "parquet" else workbook(One=[HEADER, *ROWS])
    chance = random.Random(kind)
    for _ in range(60):
        check(mutated(raw, chance), "auto")
