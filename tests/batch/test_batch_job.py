"""A job from its inputs to its shards: what is kept, what is refused, what is done again."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest

from sentixrl.batch import BatchJob, BatchOptions, LocalWorkers, ShardFormat
from sentixrl.batch import shards as shards_module
from sentixrl.batch import spool as spool_module
from sentixrl.batch.answering import answer_items
from sentixrl.batch.inputs import find_inputs
from sentixrl.batch.spool import Item
from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError, InputError, ModelError, SentixError
from sentixrl.formats import (
    Columns,
    ReadingOptions,
    read_dialogue_json,
    read_dialogues,
    sorting,
)
from sentixrl.labels import Label, LabelSet
from sentixrl.prediction import DialoguePrediction, Prediction, Status
from sentixrl.runs import record as record_module
from tests.batch.small import (
    BROKEN,
    PASSING,
    Scripted,
    done,
    results,
    run,
    shards,
    spool_is_kept,
    write_table,
)

SMALL = BatchOptions(chunk_turns=8)
TURNS = BatchOptions(
    ReadingOptions(columns=Columns(dialogue="conversation", turn="turn")), chunk_turns=8
)


def objects(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for part in shards(out).values() for line in part.splitlines()]


def errors(out: Path) -> list[dict[str, Any]]:
    lines = (out / "errors.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_every_dialogue_is_there_once_with_its_own_columns(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    summary = run([source], tmp_path / "out")
    expected = read_dialogues(source)
    found = objects(tmp_path / "out")
    assert [entry["id"] for entry in found] == [dialogue.id for dialogue in expected]
    assert (summary.dialogues, summary.turns) == (12, sum(map(len, expected)))
    answers = Scripted().load().predict_many(expected)
    rows = list(csv.DictReader(source.open(encoding="utf-8")))
    for entry, dialogue, prediction in zip(found, expected, answers, strict=True):
        assert entry["source"] == str(source)
        told, items = read_dialogue_json(entry)
        assert [turn.text for turn in told] == [turn.text for turn in dialogue]
        assert [item.label for item in items.items] == [item.label for item in prediction.items]
        for turn in entry["utterances"]:  # joined back by the row
            row = rows[turn["metadata"]["row"] - 2]
            assert row["text"] == turn["text"]
            assert turn["metadata"]["region"] == row["region"]
    assert len(shards(tmp_path / "out")) > 2
    assert not spool_is_kept(tmp_path / "out")


@pytest.mark.parametrize("form", list(ShardFormat))
def test_tables_hold_the_same_whatever_they_are_written_as(
    tmp_path: Path, form: ShardFormat
) -> None:
    source = write_table(tmp_path / "in.csv")
    run([source], tmp_path / "out", options=replace(SMALL, form=form))
    labels = [turn["label"] for entry in _plain(tmp_path) for turn in entry["utterances"]]
    if form is ShardFormat.JSONL:
        return
    rows: list[dict[str, Any]] = []
    for name, content in shards(tmp_path / "out").items():
        assert name.endswith(form.value)
        if form is ShardFormat.CSV:
            rows += csv.DictReader(io.StringIO(content.decode(), newline=""))
        else:
            parquet = pytest.importorskip("pyarrow.parquet")
            rows += parquet.read_table(io.BytesIO(content)).to_pylist()
    assert [row["label"] or None for row in rows] == labels
    assert {row["region"] for row in rows} == {f"r{turn}" for turn in range(5)}
    assert [row["dialogue_id"] for row in rows] == [row["conversation"] for row in rows]


def _plain(tmp_path: Path) -> list[dict[str, Any]]:
    run([tmp_path / "in.csv"], tmp_path / "plain")
    return objects(tmp_path / "plain")


def test_a_column_of_ours_keeps_its_name_with_a_word_before_it(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,label,source\nI did.,joy,web\n", "utf-8")
    run([source], tmp_path / "out", options=replace(SMALL, form=ShardFormat.CSV))
    (row,) = csv.DictReader(io.StringIO(shards(tmp_path / "out")["part-000001.csv"].decode()))
    assert (row["input.label"], row["input.source"], row["row"]) == ("joy", "web", "2")
    assert row["source"] == str(source)


def test_rows_are_numbered_as_tables_count_them_whatever_stands_in_cells(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    source = tmp_path / "in.csv"
    rows = ["text,n", '"Two', 'lines.",1', "", ",", '"And', "", 'three.",2', "One.,3", ",4"]
    source.write_text("\n".join(rows) + "\n", "utf-8")
    run([source], tmp_path / "out", options=replace(SMALL, form=ShardFormat.CSV))
    told = polars.read_csv(tmp_path / "out" / "part-*.csv")
    mine = polars.read_csv(source).with_row_index("row", offset=2)
    joined = mine.with_columns(polars.col("row").cast(polars.Int64)).join(told, on="row")
    assert joined["text"].to_list() == joined["text_right"].to_list()
    assert joined["n"].to_list() == [1, 2, 3]
    (fault,) = errors(tmp_path / "out")
    assert fault["row"] == mine.filter(polars.col("n") == 4)["row"].item()
    assert "line 10:" in fault["error"]  # where an editor shows it


def test_parquet_holds_types(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"text": ["One.", "Two."], "score": [1, 2], "utterance_id": ["a", "b"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "in.parquet")
    run(
        [tmp_path / "in.parquet"],
        tmp_path / "out",
        options=replace(SMALL, form=ShardFormat.PARQUET),
    )
    found = parquet.read_table(tmp_path / "out" / "part-000001.parquet")
    kinds = {field.name: str(field.type) for field in found.schema}
    assert (kinds["row"], kinds["calibrated"], kinds["score"]) == ("int64", "bool", "string")
    assert found["row"].to_pylist() == [1, 2]
    assert found["calibrated"].to_pylist() == [False, False]
    answers = Prediction(
        0, Status.SINGLE, labels=("joy", "so; so"), probabilities={"joy": 0.9, "so; so": 0.8},
        candidates=("joy",), calibrated=True,
    )  # fmt: skip
    dialogue = Dialogue("d", (Utterance("Fine.", metadata={"row": "mine"}),))
    item = shards_module.Answer(
        Item(dialogue, "in.json"), DialoguePrediction("d", "en", "m", "t", (answers,))
    )
    layout = shards_module.Layout(ShardFormat.PARQUET, ("row",), ("joy", "so; so"), sets=True)
    shards_module.write_shard(tmp_path / "a.parquet", layout, [item])
    (row,) = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert (row["labels"], row["candidates"]) == (["joy", "so; so"], ["joy"])
    assert (row["calibrated"], row["row"]) == (True, "mine")


@pytest.mark.parametrize("form", [ShardFormat.PARQUET, ShardFormat.CSV])
def test_what_an_input_calls_a_row_is_no_number_of_one(tmp_path: Path, form: ShardFormat) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table, listed = tmp_path / "in.csv", tmp_path / "in.json"
    table.write_text("text\nOne.\n", "utf-8")
    turn = {"text": "Two.", "metadata": {"row": 99999999999999999999}}
    listed.write_text(json.dumps({"utterances": [turn]}), "utf-8")
    run([table, listed], tmp_path / "out", options=replace(SMALL, form=form))
    (content,) = shards(tmp_path / "out").values()
    if form is ShardFormat.PARQUET:
        rows = parquet.read_table(io.BytesIO(content)).to_pylist()
    else:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["row"] for row in rows] == ["2", "99999999999999999999"]
    run([listed], tmp_path / "alone", options=replace(SMALL, form=form))
    run([table], tmp_path / "table", options=replace(SMALL, form=form))


def test_several_labels_and_candidates_have_columns_of_their_own(tmp_path: Path) -> None:
    layout = shards_module.Layout(ShardFormat.CSV, ("labels", "n"), ("joy", "anger"), sets=True)
    answers = Prediction(
        0, Status.SINGLE, labels=("joy",), probabilities={"joy": 0.9, "anger": 0.2},
        candidates=("joy", "anger"),
    )  # fmt: skip
    dialogue = Dialogue("d", (Utterance("Fine.", metadata={"labels": "mine", "n": 2}),))
    prediction = DialoguePrediction("d", "en", "m", "t", (answers,))
    item = shards_module.Answer(Item(dialogue, "in.csv"), prediction)
    shards_module.write_shard(tmp_path / "a.csv", layout, [item])
    (row,) = csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text("utf-8")))
    assert (row["labels"], row["p_joy"], row["p_anger"]) == ("joy", "0.9", "0.2")
    assert "anger" in row["candidates"]
    assert (row["input.labels"], row["n"], row["source"]) == ("mine", "2", "in.csv")


def test_rows_and_dialogues_that_cannot_be_read_are_told_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    source = tmp_path / "in.csv"
    rows = ["dialogue,text,n", "a,Hello there.,1", "b,,2", "c,one,too,many", "a,Once more.,3"]
    source.write_text("\n".join([*rows, "b,I am part of b.,4", "d,Goodbye.,5"]) + "\n", "utf-8")
    summary = run([source], tmp_path / "out")
    assert [entry["id"] for entry in objects(tmp_path / "out")] == ["a", "d"]
    assert [(entry["row"], entry["id"]) for entry in errors(tmp_path / "out")] == [
        (4, None),
        (3, "b"),
    ]
    assert (summary.dialogues, summary.errors, summary.retryable) == (2, 2, 0)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_bytes_that_are_no_text_cost_their_row_alone(tmp_path: Path, ending: str) -> None:
    rows = [(f"Line {number}.", str(number)) for number in range(400)]
    if ending == "jsonl":
        lines = [json.dumps({"text": text, "n": n}) for text, n in rows]
    else:
        mark = "," if ending == "csv" else "\t"
        lines = [mark.join(row) for row in [("text", "n"), *rows]]
    raw = "\n".join(lines).encode() + b"\n"
    raw = raw.replace(b"Line 3.", b"Caf\xe9.").replace(b"Line 5.", b"Line\x80 5.")
    source = tmp_path / f"in.{ending}"
    source.write_bytes(raw)
    with pytest.raises(InputError):  # alone, it is refused
        read_dialogues(source)
    summary = run([source], tmp_path / "out")
    texts = [entry["utterances"][0]["text"] for entry in objects(tmp_path / "out")]
    assert texts == [text for n, (text, _) in enumerate(rows) if n not in {3, 5}]
    told = errors(tmp_path / "out")
    assert [entry["row"] for entry in told] == ([4, 6] if ending == "jsonl" else [5, 7])
    assert "0xE9" in told[0]["error"]
    assert (summary.errors, summary.unread, summary.failed) == (2, 2, 0)


@pytest.mark.parametrize("row", [3, 600])  # at the beginning, and behind what is looked at first
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_a_nul_costs_its_row_alone_wherever_it_stands(
    tmp_path: Path, ending: str, row: int
) -> None:
    texts = ["This is a line. " * 9] * 640
    texts[row] = "N?ne."
    rows = [(f"d{number}", text) for number, text in enumerate(texts)]
    if ending == "jsonl":
        lines = [json.dumps({"dialogue": name, "text": text}) for name, text in rows]
    else:
        mark = "," if ending == "csv" else "\t"
        lines = [mark.join(one) for one in [("dialogue", "text"), *rows]]
    source = tmp_path / f"in.{ending}"
    source.write_bytes("\n".join(lines).encode().replace(b"N?ne", b"N\0ne"))
    summary = run([source], tmp_path / "out")
    assert (summary.turns, summary.errors, summary.unread, summary.notes) == (639, 1, 1, ())
    (told,) = errors(tmp_path / "out")
    assert told["row"] == row + (1 if ending == "jsonl" else 2)
    assert "a NUL character" in told["error"]


@pytest.mark.parametrize(
    "lines",
    [
        ["Grüße.", "Schön.", "Na gut."],
        ["Na gut."] * 3 + ["Schön."],
        (["Na gut."] * 19 + ["Schön."]) * 10,
        ["Ja."] * 2000 + ["Schön."] * 50,
    ],
    ids=["most", "last", "one in twenty", "late"],
)
def test_a_file_in_another_encoding_is_refused_whole(tmp_path: Path, lines: list[str]) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes("\n".join(["text", *lines]).encode("windows-1252"))
    with pytest.raises(InputError, match=r"the text is not UTF-8: byte 0xF[6C]") as refused:
        run([source], tmp_path / "out")
    assert "--encoding windows-1252" in (refused.value.hint or "")


def test_what_is_lost_is_counted_in_rows(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    rows = ["dialogue,text,n", "a,One.,1", "b,,2", "b,Two.,3", "b,Three.,4", ",Four.,5", "c,5"]
    source.write_text("\n".join([*rows, f"d,{BROKEN},6", "d,Six.,7"]) + "\n", "utf-8")
    summary = run([source], tmp_path / "out")
    assert (summary.errors, summary.unread, summary.failed, summary.turns) == (4, 5, 2, 3)
    hint = next(entry["hint"] for entry in errors(tmp_path / "out") if entry["row"] == 6)
    assert "--columns dialogue=" in hint


def test_a_file_that_breaks_off_is_said_to(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    rows = ["text", *["This is a line. " * 9] * 600, "N\0ne.", '"Never closed.', "The last."]
    source.write_text("\n".join(rows) + "\n", "utf-8")
    summary = run([source], tmp_path / "out")
    assert (summary.turns, summary.errors, summary.unread) == (600, 2, 1)
    assert ["a NUL character" in entry["error"] for entry in errors(tmp_path / "out")] == [1, 0]
    assert summary.notes == (
        "1 file was not read to the end; how many rows that loses is not known.",
    )
    assert errors(tmp_path / "out")[1]["hint"].startswith("Nothing after this place was read.")


@pytest.mark.parametrize(
    ("rows", "lost"),
    [
        (["a,b,c", "d"], 2),
        (["a,", 'b," "', "c,"], 3),
    ],
    ids=["cells", "texts"],
)
def test_a_table_of_which_no_row_can_be_read_was_read_to_its_end(
    tmp_path: Path, rows: list[str], lost: int
) -> None:
    folder, bad = tmp_path / "in", tmp_path / "in" / "bad.csv"
    folder.mkdir()
    bad.write_text("\n".join(["speaker,text", *rows]) + "\n", "utf-8")
    (folder / "good.csv").write_text("text\nFine.\n", "utf-8")
    summary = run([folder], tmp_path / "out")
    assert (summary.turns, summary.unread, summary.notes) == (1, lost, ())
    told = errors(tmp_path / "out")
    assert [entry["row"] for entry in told] == [*range(2, lost + 2), None]
    assert told[-1]["error"] == f"{bad}: none of its rows can be read."
    with pytest.raises(InputError, match=r"bad\.csv: none of its rows can be read") as refused:
        run([bad, folder / "good.csv"], tmp_path / "named")
    assert told[0]["error"] in (refused.value.hint or "")


def test_files_that_hold_nothing_are_no_loss(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, text in (("a.csv", "text\nFine.\n"), ("b.csv", "text\n"), ("c.txt", "")):
        (tmp_path / "in" / name).write_text(text, "utf-8")
    summary = run([tmp_path / "in"], tmp_path / "out")
    assert (summary.turns, summary.errors, summary.unread, summary.notes) == (1, 2, 0, ())


def test_rows_without_an_id_and_with_anothers_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("ticket,text\n1,One.\n,Two.\n1,Three.\n2,Four.\n1,Five.\n", "utf-8")
    options = replace(SMALL, reading=ReadingOptions(columns=Columns(id="ticket")))
    summary = run([source], tmp_path / "out", options=options)
    assert summary.notes == ("1 row has no id.", "2 rows have the same id as an earlier row.")
    assert run([source], tmp_path / "plain").notes == ()  # nobody said that it is an id
    again = run([source], tmp_path / "out", options=options)
    assert again.notes == summary.notes


def test_ids_that_nobody_named_may_begin_anew_in_each_dialogue(tmp_path: Path) -> None:
    table, listed = tmp_path / "in.csv", tmp_path / "in.json"
    rows = ["Dialogue_ID,Utterance_ID,Utterance", "0,0,One.", "0,1,Two.", "1,0,Three.", "1,,Four."]
    table.write_text("\n".join(rows) + "\n", "utf-8")
    turns = [{"text": "One.", "id": id, "metadata": {"row": 7}} for id in ("a", "a", None)]
    listed.write_text(json.dumps([{"utterances": turns}]), "utf-8")
    assert run([table, listed], tmp_path / "out").notes == ()
    ids = [turn["id"] for entry in objects(tmp_path / "out") for turn in entry["utterances"]]
    assert ids == ["0", "1", "0", None, "a", "a", None]


def test_lines_of_json_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    lines = ['{"utterances": ["Hello."]}', '{"utterances": []}', "{", '{"utterances": ["Bye."]}']
    source.write_text("\n".join(lines) + "\n", "utf-8")
    run([source], tmp_path / "out")
    assert len(objects(tmp_path / "out")) == 2
    assert [entry["row"] for entry in errors(tmp_path / "out")] == [2, 3]


def test_a_column_that_changes_its_type_far_down_costs_that_row_alone(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    good = [{"text": f"Line {number}.", "score": number} for number in range(50)]
    bad = [{"text": ["a", "list"], "score": 1}, {"text": "Fine.", "score": {"nested": True}}]
    source.write_text("".join(json.dumps(row) + "\n" for row in [*good, *bad]), "utf-8")
    run([source], tmp_path / "out", options=replace(SMALL, form=ShardFormat.CSV))
    rows = [
        row
        for part in shards(tmp_path / "out").values()
        for row in csv.DictReader(io.StringIO(part.decode()))
    ]
    assert len(rows) == 51
    assert rows[-1]["score"] == '{"nested": true}'
    assert [entry["row"] for entry in errors(tmp_path / "out")] == [51]


def test_dialogues_scattered_over_files_are_whole(tmp_path: Path) -> None:
    whole = write_table(tmp_path / "whole.csv", dialogues=30)
    header, *rows = whole.read_text("utf-8").splitlines()
    for place in range(3):
        part = "\n".join([header, *rows[2 - place :: 3]])
        (tmp_path / f"{place}.csv").write_text(part + "\n", "utf-8")
    run([whole], tmp_path / "expected", options=TURNS)
    parts = sorted(tmp_path.glob("?.csv"))
    run(parts, tmp_path / "out", options=replace(TURNS, across_files=True))
    expected = {entry["id"]: entry for entry in objects(tmp_path / "expected")}
    found = {entry["id"]: entry for entry in objects(tmp_path / "out")}
    assert found.keys() == expected.keys()
    for id, entry in found.items():
        for turn, other in zip(entry["utterances"], expected[id]["utterances"], strict=True):
            assert {**turn, "metadata": None} == {**other, "metadata": None}
            assert (tmp_path / turn["metadata"]["file"]).name in {"0.csv", "1.csv", "2.csv"}


def test_what_cannot_be_put_together_is_counted_in_turns(tmp_path: Path) -> None:
    rows = {"a": ["d,1,One.", "d,2,Two.", "e,1,Three."], "b": ["d,2,Four.", "e,2,Five."]}
    for name, found in rows.items():
        text = "\n".join(["conversation,turn,text", *found])
        (tmp_path / f"{name}.csv").write_text(f"{text}\n", "utf-8")
    summary = run(
        sorted(tmp_path.glob("?.csv")), tmp_path / "out", options=replace(TURNS, across_files=True)
    )
    assert (summary.dialogues, summary.turns, summary.errors, summary.unread) == (1, 2, 1, 3)
    (told,) = errors(tmp_path / "out")
    assert (told["source"], told["id"], told["row"]) == ("several files", "d", None)


def scattered(tmp_path: Path, header: str, *cells: str) -> list[Path]:
    """A table for each cell, all with the one dialogue ``d``."""
    files = [tmp_path / f"{number}.csv" for number in range(len(cells))]
    for number, (path, cell) in enumerate(zip(files, cells, strict=True)):
        path.write_text(f"conversation,text,{header}\nd,Line {number}.,{cell}\n", "utf-8")
    return files


@pytest.mark.parametrize(
    ("header", "cells", "columns"),
    [
        ("turn,Turn", ("2,abc", "1,5"), Columns(turn="turn")),
        ("turn", ("2", "1"), Columns(turn="turn", id="turn")),
        ("Turn", ("2", "1"), Columns(turn="turn")),
    ],
)
def test_the_column_that_orders_a_table_orders_several(
    tmp_path: Path, header: str, cells: tuple[str, ...], columns: Columns
) -> None:
    reading = ReadingOptions(columns=replace(columns, dialogue="conversation"))
    options = replace(SMALL, reading=reading, across_files=True)
    run(scattered(tmp_path, header, *cells), tmp_path / "out", options=options)
    [found] = objects(tmp_path / "out")
    assert [turn["text"] for turn in found["utterances"]] == ["Line 1.", "Line 0."]


@pytest.mark.parametrize(
    ("columns", "cells", "says"),
    [
        (Columns(turn="turn"), ("1,1", "1.0,1"), "holds '1.0', which stands in two of its rows"),
        (Columns(turn="who", speaker="who"), ("1,1", "1,2"), "holds '', which is no number"),
    ],
)
def test_a_turn_without_a_place_is_told_as_it_stands_in_its_file(
    tmp_path: Path, columns: Columns, cells: tuple[str, ...], says: str
) -> None:
    reading = ReadingOptions(columns=replace(columns, dialogue="conversation"))
    options = replace(SMALL, reading=reading, across_files=True)
    with pytest.raises(InputError, match=says):
        run(scattered(tmp_path, "turn,who", *cells), tmp_path / "out", options=options)


@pytest.mark.parametrize("table", [True, False])
def test_too_many_columns_end_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: bool
) -> None:
    monkeypatch.setattr(spool_module, "MAX_COLUMNS", 4)
    folder = tmp_path / "in"
    folder.mkdir()
    if table:  # the first dialogue of the second file, and of one that was found, not named
        (folder / "a.csv").write_text("text,a,b\nWell.,1,2\n", "utf-8")
        (folder / "b.csv").write_text("text,c,d,e\nWell.,1,2,3\n", "utf-8")
    else:  # not the first dialogue of its file
        extra = [{"a": 1, "b": 2, "c": 3}, {"d": 4, "e": 5}]
        lines = [{"utterances": [{"text": "Well.", "metadata": one}]} for one in extra]
        (folder / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    with pytest.raises(InputError, match="more than 4 different columns"):
        run([folder], tmp_path / "out")


def test_one_name_in_two_files_is_refused_until_it_is_said_what_it_means(tmp_path: Path) -> None:
    files = [write_table(tmp_path / name, seed=1) for name in ("a.csv", "b.csv")]
    options = replace(TURNS, reading=ReadingOptions(columns=Columns(dialogue="conversation")))
    with pytest.raises(InputError, match=r"stands in .*a\.csv and in .*b\.csv") as refused:
        run(files, tmp_path / "out", options=options)
    assert refused.value.hint is not None
    assert "--across-files" in refused.value.hint
    run(files, tmp_path / "out", options=replace(options, across_files=False))
    ids = [entry["id"] for entry in objects(tmp_path / "out")]
    assert len(set(ids)) == len(ids) == 24
    assert ids[0] == f"{files[0]}/d1-0"


def test_folders_patterns_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_table(folder / "a.csv", seed=1)
    (folder / "b.txt").write_text("Ann: You kept it?\nBob: I did.\n", "utf-8")
    (folder / "broken.json").write_text("[{", "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.csv").write_text("text\nno\n", "utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Ann: Hello.\n"), "utf-8"))
    run([folder, str(folder / "*.txt"), "-"], tmp_path / "out", options=SMALL)
    sources = Counter(entry["source"] for entry in objects(tmp_path / "out"))
    assert sources == {
        str(folder / "a.csv"): 12,
        str(folder / "b.txt"): 1,
        "standard input": 1,
    }
    assert [entry["source"] for entry in errors(tmp_path / "out")] == [str(folder / "broken.json")]


def test_a_file_of_a_folder_that_nobody_may_read_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("locked.txt", "open.txt"):
        (tmp_path / "in" / name).write_text("Ann: You kept it?\n", "utf-8")
    opened = Path.open

    def locked(path: Path, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        if path.name == "locked.txt":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", locked)
    assert run([tmp_path / "in"], tmp_path / "out").dialogues == 1
    (told,) = errors(tmp_path / "out")
    assert told["source"].endswith("locked.txt")
    assert run([tmp_path / "in"], tmp_path / "out").fresh == 0


@pytest.mark.parametrize("pattern", ["**/*.jsonl", "*/*.jsonl"])
def test_a_pattern_does_not_match_what_the_job_itself_wrote(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"utterances": ["Hello."]}\n', "utf-8")
    name = str(tmp_path / pattern)
    run([name], tmp_path / "out")
    assert run([name], tmp_path / "out").fresh == 0  # the same command goes on


def test_what_is_no_input_is_refused(tmp_path: Path) -> None:
    for name, said in (
        ("s3://bucket/in.csv", "renaming in one step"),
        (str(tmp_path / "no.csv"), "There is no file"),
        (str(tmp_path / "*.csv"), "No file matches"),
        (str(tmp_path), "holds no file that is read"),
    ):
        with pytest.raises(SentixError, match=said):
            find_inputs([name], tmp_path / "out")
    with pytest.raises(ConfigError, match="renaming in one step"):
        BatchJob(["-"], Path("gs://bucket/out"), LocalWorkers(Scripted()))


def test_a_job_goes_on_only_as_it_was_begun(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    run([source], tmp_path / "out")
    other = LabelSet("two", [Label("joy"), Label("anger")])
    for loader, options, said in (
        (Scripted(seed=1), SMALL, "model.name was"),
        (Scripted(labels=other), SMALL, "labels.name was"),
        (Scripted(), replace(SMALL, chunk_turns=9), "output.chunk was 8 and is now 9"),
    ):
        with pytest.raises(ConfigError, match=said):
            run([source], tmp_path / "out", loader, options)
    later = source.stat().st_mtime + 9
    os.utime(source, (later, later))
    assert run([source], tmp_path / "out").fresh == 0  # the same bytes at another time
    extra = write_table(tmp_path / "more.csv", seed=2)
    with pytest.raises(ConfigError, match=r"more\.csv is new"):
        run([source, extra], tmp_path / "out")
    text = source.read_bytes()
    source.write_bytes(text.replace(b"Line 0 of 3", b"Line 0 of 4"))
    with pytest.raises(ConfigError, match=r"in\.csv holds something else"):
        run([source], tmp_path / "out")
    source.write_bytes(text + b"d9,0,Ann,More.,r\r\n")
    with pytest.raises(ConfigError, match=r"in\.csv had [\d,]+ bytes and now has"):
        run([source], tmp_path / "out")


def test_a_job_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    run([source], tmp_path / "out")
    path = tmp_path / "out" / "job.json"
    record = json.loads(path.read_text("utf-8"))
    inputs = [{"name": str(source), "size": 1, "modified": 1, "sha256": ""}]  # as version 2 did
    path.write_text(json.dumps({**record, "schema": 2, "inputs": inputs}), "utf-8")
    with pytest.raises(InputError, match=r"job\.json is not the record of a job with 'schema': 3"):
        run([source], tmp_path / "out")


def test_a_job_of_more_inputs_than_a_record_holds_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.txt").write_text(f"Ann: Line {number}.\n", "utf-8")
    monkeypatch.setattr(record_module, "MAX_BYTES", 20_000)
    run([folder], out)
    assert run([folder], out).fresh == 0
    record = json.loads((out / "job.json").read_text("utf-8"))
    assert record["inputs"]["count"] == 200
    (folder / "7.txt").write_text("Ann: Line 8.\n", "utf-8")
    with pytest.raises(ConfigError, match=r"7\.txt holds something else"):
        run([folder], out)


def test_a_list_of_inputs_that_was_changed_is_refused(tmp_path: Path) -> None:
    source, out = write_table(tmp_path / "in.csv"), tmp_path / "out"
    run([source], out)
    listed = out / "work" / "inputs.jsonl"
    listed.write_bytes(listed.read_bytes().replace(b"in.csv", b"of.csv"))
    with pytest.raises(InputError, match=r"inputs\.jsonl was changed by other means"):
        run([source], out)
    listed.unlink()
    with pytest.raises(InputError, match=r"inputs\.jsonl cannot be read"):
        run([source], out)


def test_standard_input_is_compared_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def piped(text: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text), "utf-8"))

    piped(b"Ann: Hello.\n")
    run(["-"], tmp_path / "out")
    piped(b"Ann: Hello.\n")
    assert run(["-"], tmp_path / "out").fresh == 0
    piped(b"Ann: Goodbye.\n")
    with pytest.raises(ConfigError, match="standard input holds something else"):
        run(["-"], tmp_path / "out")


def test_an_input_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_table(tmp_path / "in.csv")
    add = spool_module.SpoolWriter.add

    def growing(spool: spool_module.SpoolWriter, item: Item, *, numbered: bool) -> None:
        with source.open("a", encoding="utf-8") as stream:
            stream.write("\n")
        add(spool, item, numbered=numbered)

    monkeypatch.setattr(spool_module.SpoolWriter, "add", growing)
    with pytest.raises(InputError, match="changed while it was read"):
        run([source], tmp_path / "out")
    monkeypatch.undo()
    assert run([source], tmp_path / "out").dialogues == 12  # nothing stands in the way


def test_a_shard_that_was_cut_is_answered_again(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    (tmp_path / "passing.csv").write_text(f"text\n{PASSING}\n", "utf-8")
    inputs = [source, tmp_path / "passing.csv"]  # keeps the copy of the inputs
    run(inputs, tmp_path / "out")
    whole = results(tmp_path / "out")
    shard = tmp_path / "out" / "part-000002.jsonl"
    shard.write_bytes(shard.read_bytes()[:-20])
    (tmp_path / "out" / "part-000001.jsonl").unlink()
    told: list[str] = []
    names = list(map(str, inputs))
    with BatchJob(
        names, tmp_path / "out", LocalWorkers(Scripted()), SMALL, tell=told.append
    ) as job:
        job.run()
    assert results(tmp_path / "out") == whole
    assert any("bytes instead of" in said for said in told)
    assert any("is gone" in said for said in told)


def test_a_shard_that_was_cut_after_all_was_done_is_said(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    run([source], tmp_path / "out")
    (tmp_path / "out" / "part-000001.jsonl").write_bytes(b"")
    with pytest.raises(InputError, match="the copy of the inputs was removed"):
        run([source], tmp_path / "out")


def test_what_failed_for_a_passing_reason_is_asked_again(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"text\nHello.\n{PASSING}\n", "utf-8")
    first = run([source], tmp_path / "out")
    assert (first.errors, first.retryable) == (1, 1)
    second = run([source], tmp_path / "out", Scripted(fails=False))
    assert (second.errors, second.fresh, second.dialogues) == (0, 2, 2)
    assert not (tmp_path / "out" / "errors.jsonl").exists()


def test_a_dialogue_that_breaks_its_session_costs_nobody_else(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    lines = [f"Line {number}." for number in range(20)]
    lines[7] = lines[13] = BROKEN
    source.write_text("\n".join(["text", *lines]) + "\n", "utf-8")
    summary = run([source], tmp_path / "out")
    assert (summary.dialogues, summary.errors) == (20, 2)
    assert [entry["id"] for entry in errors(tmp_path / "out")] == ["8", "14"]
    assert len(objects(tmp_path / "out")) == 18


class _Ahead:
    """Answers dialogues one by one, after it has taken so many more of them.

    Attributes:
        ahead: How many, in each call; a call ends at the first text that is broken.
    """

    def __init__(self, *ahead: int) -> None:
        self._ahead = iter(ahead)

    def predict_many(self, dialogues: Iterable[Dialogue]) -> Iterator[DialoguePrediction]:
        source, ahead = iter(dialogues), next(self._ahead)
        taken = deque(islice(source, ahead))
        while taken:
            dialogue = taken.popleft()
            if dialogue.utterances[0].text == BROKEN:
                raise ModelError("It broke.")
            yield DialoguePrediction(dialogue.id, "en", "m", "t", ())
            taken += islice(source, 1)


def test_failures_close_together_lose_nobody_who_waits_to_be_asked_again() -> None:
    texts = ["Hello.", BROKEN, "One.", BROKEN, "Two.", "Three.", "Four."]
    items = [Item(Dialogue.from_texts([text]), f"{place}") for place, text in enumerate(texts)]
    # The second call fails when it has taken two of the five that the first one had taken.
    answers = list(answer_items(cast(Classifier, _Ahead(7, 2, 1)), items))
    assert [answer.item.source for answer in answers] == [item.source for item in items]
    assert [answer.error is None for answer in answers] == [text != BROKEN for text in texts]


def test_dialogue_after_dialogue_that_breaks_its_session_ends_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "Fine.\n" * 8 + f"{BROKEN}\n" * 12 + "Fine.\n", "utf-8")
    summary = run([source], tmp_path / "out")
    assert (summary.dialogues, summary.errors) == (21, 12)


def test_a_model_that_answers_nothing_any_more_ends_the_job(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "Fine.\n" * 40, "utf-8")
    with pytest.raises(ModelError, match="failed while it computed"):
        run([source], tmp_path / "out", Scripted(lasts=20))
    run([source], tmp_path / "out")
    assert len(objects(tmp_path / "out")) == 40


def test_two_jobs_do_not_share_a_folder(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    with (
        BatchJob([str(source)], tmp_path / "out", LocalWorkers(Scripted()), SMALL),
        pytest.raises(ConfigError, match="Another process"),
    ):
        run([source], tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match=r"holds 'thesis\.tex'"):
        run([source], tmp_path / "full")


def test_a_full_disk_is_one_sentence_and_what_is_done_stays_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_table(tmp_path / "in.csv")
    run([source], tmp_path / "whole")
    written = iter(range(10))

    def full(path: Path) -> None:
        if next(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shards_module, "sync_file", full)
    with pytest.raises(SentixError, match=r"cannot grow: no space left.*is kept"):
        run([source], tmp_path / "out")
    assert done(tmp_path / "out") == 2
    monkeypatch.undo()
    run([source], tmp_path / "out")
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_no_room_for_temporary_files_is_no_fault_of_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Ann: You kept it?\nBob: I did.\n", "utf-8")
    write_table(tmp_path / "in" / "b.csv", scattered=True)
    monkeypatch.setattr(sorting, "RUN_BYTES", 100)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="room in the folder for temporary files"):
        run([tmp_path / "in"], tmp_path / "out")
    monkeypatch.undo()
    assert run([tmp_path / "in"], tmp_path / "out").dialogues == 13


def test_a_dialogue_of_many_turns_is_one_dialogue(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    rows = "".join(f"long,Line {number}.\n" for number in range(3000))
    source.write_text(f"dialogue,text\n{rows}short,Bye.\n", "utf-8")
    run([source], tmp_path / "out")
    assert [len(entry["utterances"]) for entry in objects(tmp_path / "out")] == [3000, 1]


def test_an_estimate_answers_a_few_and_leaves_the_job_open(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", dialogues=40)
    workers = LocalWorkers(Scripted())
    with BatchJob([str(source)], tmp_path / "out", workers, SMALL) as job:
        found = job.estimate()
        assert job.job.contents is not None
        assert found.turns == job.job.contents.turns
    assert 0 < found.sample < found.turns
    assert found.whole_seconds > 0
    assert not shards(tmp_path / "out")
    assert run([source], tmp_path / "out").fresh == found.turns


def test_a_spool_that_was_changed_is_refused(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    with BatchJob([str(source)], tmp_path / "out", LocalWorkers(Scripted()), SMALL):
        pass
    spool = tmp_path / "out" / "work" / "dialogues.jsonl"
    spool.write_bytes(spool.read_bytes().replace(b"Line 0", b"Lime 0", 1))
    with pytest.raises(InputError, match="chunk 1 is not what was written"):
        run([source], tmp_path / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv")
    (tmp_path / "again.csv").symlink_to(source)
    assert len(find_inputs([str(source), str(tmp_path / "again.csv")], tmp_path / "out")) == 1
