"""Several labels in cells, JSON, CSV and a user's own data."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.datasets import load_custom
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import (
    csv_header,
    dialogue_csv,
    dialogue_json,
    dialogue_object,
    read_dialogue_json,
    read_dialogues,
)
from sentixrl.formats.label_cells import label_cell, split_labels
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction, ItemError, Prediction, Status

MINE = LabelSet("mine", ["joy", "fear", "calm"], multi_label=True)
TALK = Dialogue("d", (Utterance("You!", "Ann"), Utterance("Me."), Utterance("So.")), "en")
FOUND = DialoguePrediction(
    "d",
    "en",
    "tiny",
    "en-v1",
    (
        Prediction(
            0,
            Status.SINGLE,
            probabilities={"joy": 0.75, "fear": 0.5, "calm": 0.125},
            labels=("joy", "fear"),
        ),
        Prediction(1, Status.SINGLE, probabilities={"joy": 0.0, "fear": 0.25, "calm": 0.125},
                   labels=()),
        Prediction(2, Status.ERROR, error=ItemError("too_long", "It does not fit.")),
    ),
)  # fmt: skip

NAMES = st.text(st.characters(codec="utf-8", categories=("L", "P", "S", "N", "Zs")), min_size=1)


@given(st.lists(NAMES.map(str.strip).filter(bool)))
def test_a_cell_gives_its_labels_back(names: list[str]) -> None:
    assert split_labels(label_cell(names)) == tuple(names)


def test_cells_read_as_people_write_them() -> None:
    assert label_cell(["joy", "fear"]) == "joy; fear"
    assert label_cell([]) == "[]"
    assert split_labels(" joy;fear ") == ("joy", "fear")


def test_json_holds_the_labels_and_gives_them_back() -> None:
    written = json.loads(json.dumps(dialogue_json(TALK, FOUND)))
    labels = [turn.get("labels") for turn in written["utterances"]]
    assert labels == [["joy", "fear"], [], None]
    assert [turn["label"] for turn in written["utterances"]] == [None, None, None]
    assert read_dialogue_json(written)[1] == FOUND


def test_a_turn_with_a_label_and_a_list_of_them_is_no_result() -> None:
    written = dialogue_json(TALK, FOUND)
    written["utterances"][0]["label"] = "joy"
    with pytest.raises(InputError, match="a label and a list of labels"):
        read_dialogue_json(written)


def test_a_failed_turn_has_no_list() -> None:
    written = dialogue_json(TALK, FOUND)
    written["utterances"][2]["labels"] = []
    with pytest.raises(InputError, match="its status is error, yet it has a list of labels"):
        read_dialogue_json(written)


def test_csv_has_a_column_of_labels_and_one_a_probability() -> None:
    text = csv_header(MINE.names) + dialogue_csv(TALK, FOUND, MINE.names)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["labels"] for row in rows] == ["joy; fear", "[]", ""]
    assert [row["p_fear"] for row in rows] == ["0.5", "0.25", ""]
    assert {row["label"] for row in rows} == {""}


def test_dialogues_with_labels_read_back(tmp_path: Path) -> None:
    talk = Dialogue("d", (Utterance("You!", golds=("joy", "fear")), Utterance("Me.", golds=())))
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(dialogue_object(talk)), "utf-8")
    assert read_dialogues(path) == [talk]


def own(tmp_path: Path, content: str, *, several: bool, labels: LabelSet = MINE) -> list[object]:
    name = "talk.json" if content.startswith("{") else "talk.csv"
    path = tmp_path / name
    path.write_text(content, "utf-8")
    found = load_custom(path, labels, several=several)
    return [(turn.gold, turn.golds) for turn in found.utterances]


def test_tables_and_json_of_ones_own_may_give_several(tmp_path: Path) -> None:
    table = "text,label\nYou!,Joy; FEAR\nMe.,[]\nSo.,\nWell.,calm\n"
    said = [(None, ("joy", "fear")), (None, ()), (None, None), ("calm", ("calm",))]
    assert own(tmp_path, table, several=True) == said
    turns = [
        {"text": "You!", "labels": ["FEAR", "joy"]},
        {"text": "Me.", "labels": []},
        "So.",
        {"text": "Well.", "labels": ["calm"]},
    ]
    assert own(tmp_path, json.dumps({"utterances": turns}), several=True) == said


@pytest.mark.parametrize(
    ("content", "several", "said"),
    [
        ("text,label\nYou!,joy; fear\n", False, "turn 1: it has 2 labels, and 'mine' asks for"),
        (
            '{"utterances": [{"text": "You!", "labels": []}]}',
            False,
            "it has a list of no labels, and 'mine' asks for exactly one",
        ),
        ("text,label\nYou!,joy\nMe.,fear\n", True, "gives each of its turns exactly one label"),
        ("text,label\nYou!,joy; Joy\nMe.,[]\n", True, "the label 'joy' stands there twice"),
        ("text,label\nYou!,joy; rage\nMe.,[]\n", True, "'rage' is not a label of 'mine'"),
        ("text,label\nYou!,joy; rage\n", False, "'joy; rage' is not a label of 'mine'"),
    ],
)
def test_one_kind_of_data_is_not_read_as_the_other(
    tmp_path: Path, content: str, several: bool, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        own(tmp_path, content, several=several)
    assert caught.value.hint


def test_a_list_of_one_label_is_that_label(tmp_path: Path) -> None:
    content = '{"utterances": [{"text": "You!", "labels": ["joy"]}, {"text": "Me."}]}'
    assert own(tmp_path, content, several=False) == [("joy", None), (None, None)]
