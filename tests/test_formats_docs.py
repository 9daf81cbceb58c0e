"""The examples of docs/formats.md are what the page says they are."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from sentixrl.dialogue import Dialogue
from sentixrl.formats import (
    csv_header,
    dialogue_csv,
    dialogue_json,
    read_dialogue_json,
    read_dialogues,
)
from sentixrl.formats.columns import usual_headers
from sentixrl.formats.detection import format_names

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text("utf-8")


def example(kind: str) -> str:
    (block,) = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


def read(kind: str, format: str) -> list[Dialogue]:
    return read_dialogues(stream=io.BytesIO(example(kind).encode()), format=format)


@pytest.mark.parametrize(
    ("kind", "turns"),
    [
        ("text", [["Anna", "Ben", None], ["小明"]]),
        ("json", [["Anna", "Ben", None]]),
        ("jsonl", [[None, None], ["小明"]]),
        ("csv", [["Anna", "Ben"], [None]]),
    ],
)
def test_input_examples(kind: str, turns: list[list[str | None]]) -> None:
    dialogues = read(kind, kind)
    assert [[turn.speaker for turn in dialogue] for dialogue in dialogues] == turns
    assert read(kind, "auto") == dialogues


def test_result_example() -> None:
    result = json.loads(example("result"))
    again = dialogue_json(*read_dialogue_json(result))
    assert json.dumps(again) == json.dumps(result)


def test_the_example_of_rows_is_that_result() -> None:
    result = read_dialogue_json(json.loads(example("result")))
    assert csv_header() + dialogue_csv(*result) == example("rows")


@pytest.mark.parametrize("role", ["text", "speaker", "dialogue", "label", "id"])
def test_headers_that_are_found(role: str) -> None:
    (row,) = re.findall(rf"^\| `{role}`[^|]*\| (`.*`) \|$", PAGE, re.MULTILINE)
    assert tuple(re.findall("`([^`]+)`", row)) == usual_headers(role)


def test_python_is_what_the_page_says() -> None:
    exec(compile(example("python"), "formats.md", "exec"), {})


def test_every_format_is_in_the_table() -> None:
    table = PAGE[PAGE.index("| Format |") : PAGE.index("Parquet and Excel need")]
    rows = [row for row in table.splitlines() if row.startswith("| ")]
    named = re.findall(r"`([a-z-]+)`", "".join(row.split("|")[1] for row in rows))
    assert named == list(dict.fromkeys(named))
    assert set(named) == set(format_names())
