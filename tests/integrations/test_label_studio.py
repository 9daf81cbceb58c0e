"""Label Studio: tasks out, corrected annotations back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from sentixrl import Dialogue, LabelSet, Utterance
from sentixrl.errors import InputError
from sentixrl.label_studio import (
    labelling_config,
    read_label_studio,
    to_label_studio,
    write_label_studio,
)

from .stand_in import LABELS, classifier

TALK = Dialogue(
    "t-1",
    (
        Utterance("so calm 🌧", speaker="Ann", id="m1"),
        Utterance("annoyed, me?", speaker="Ben", id="m2"),
        Utterance("grateful"),
    ),
    language="en",
)


def export(path: Path, *annotations: dict[str, Any]) -> Path:
    """What Label Studio writes after someone worked on the task."""
    [task] = to_label_studio([TALK], [classifier().predict(TALK)])
    path.write_text(json.dumps([{"id": 7, **task, "annotations": list(annotations)}]), "utf-8")
    return path


def region(turn: int, *labels: str, last: int | None = None, **kind: str) -> dict[str, Any]:
    """A region as annotators make it."""
    end = str(turn if last is None else last)
    value = {"start": str(turn), "end": end, "startOffset": 0, "endOffset": 3}
    return {"type": "paragraphlabels", "value": {**value, "paragraphlabels": list(labels)}, **kind}


def labelled(names: object) -> dict[str, Any]:
    """A region that holds anything instead of its labels."""
    whole = region(0)
    return {**whole, "value": {**whole["value"], "paragraphlabels": names}}


def test_a_task_shows_the_dialogue_and_what_the_model_said() -> None:
    answer = classifier().predict(TALK)
    [task] = to_label_studio([TALK], [answer])
    assert task["data"]["dialogue"][1] == {"author": "Ben", "text": "annoyed, me?", "id": "m2"}
    [prediction] = task["predictions"]
    assert prediction["model_version"] == f"stand-in {answer.template}"
    sure = [item.confidence or 0 for item in answer.items]
    assert prediction["score"] == pytest.approx(sum(sure) / 3, abs=1e-6)
    first = prediction["result"][0]
    assert first["value"]["paragraphlabels"] == ["calm"]
    assert first["score"] == pytest.approx(sure[0], abs=1e-6)
    assert (first["value"]["start"], first["value"]["end"]) == ("0", "0")
    assert first["value"]["endOffset"] == 10  # a browser counts the cloud twice


def test_several_labels_are_several_labels_of_a_region() -> None:
    answer = classifier().predict(TALK)
    first = replace(answer.items[0], label=None, fallback=None, labels=("calm", "grateful"))
    none = replace(answer.items[1], label=None, fallback=None, labels=())
    items = (first, none, answer.items[2])
    [task] = to_label_studio([TALK], [replace(answer, items=items)])
    regions = task["predictions"][0]["result"]
    assert [one["value"]["paragraphlabels"] for one in regions] == [
        ["calm", "grateful"],
        ["grateful"],
    ]


def test_the_configuration_names_what_the_tasks_refer_to() -> None:
    root = ET.fromstring(labelling_config(LabelSet("x", ["a & b", 'the "rest"'])))
    [labels, paragraphs] = list(root)
    [task] = to_label_studio([TALK], [classifier().predict(TALK)])
    result = task["predictions"][0]["result"][0]
    assert labels.attrib["name"] == result["from_name"]
    assert labels.attrib["toName"] == paragraphs.attrib["name"] == result["to_name"]
    assert paragraphs.attrib["value"] == "$dialogue"
    assert [one.attrib["value"] for one in labels] == ["a & b", 'the "rest"']


def test_corrected_annotations_come_back_as_gold(tmp_path: Path) -> None:
    old = {"updated_at": "2026-01-01", "result": [region(0, "annoyed")]}
    new = {"updated_at": "2026-01-02", "result": [region(0, "grateful"), region(2, "calm")]}
    skipped = {"updated_at": "2026-01-03", "was_cancelled": True, "result": []}
    [found] = read_label_studio(export(tmp_path / "x.json", old, new, skipped), LABELS)
    assert [turn.gold for turn in found] == ["grateful", None, "calm"]
    assert (found.id, found.language) == ("t-1", "en")
    assert [(turn.text, turn.speaker, turn.id) for turn in found] == [
        (turn.text, turn.speaker, turn.id) for turn in TALK
    ]
    truth = {**old, "ground_truth": True}
    [found] = read_label_studio(export(tmp_path / "x.json", truth, new), LABELS)
    assert [turn.gold for turn in found] == ["annoyed", None, None]


def test_a_region_over_several_turns_labels_each_and_other_kinds_are_left_alone(
    tmp_path: Path,
) -> None:
    one = {"result": [region(0, "calm", last=1), {"type": "choices", "value": {}}]}
    [found] = read_label_studio(export(tmp_path / "x.json", one), LABELS)
    assert [turn.gold for turn in found] == ["calm", "calm", None]


def test_a_task_that_nobody_annotated_has_no_gold(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    write_label_studio(path, [TALK], [classifier().predict(TALK)])
    [found] = read_label_studio(path, LABELS)
    assert [turn.gold for turn in found] == [None] * 3


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ([region(1, "bored")], "task 7, turn 2: 'bored' is not a label of 'custom'"),
        ([region(1, "calm"), region(1, "annoyed")], "task 7, turn 2 has two labels"),
        ([region(1, "calm", last=9)], "a region covers turns 2 to 10 of 3"),
        ([{"type": "paragraphlabels", "value": {"start": "x"}}], "not of the dialogue layout"),
        ([{"type": "paragraphlabels"}], "not of the dialogue layout"),
        (5, "task 7: the 'result' of its annotation is no list of regions"),
        ("calm", "task 7: the 'result' of its annotation is no list of regions"),
        ([labelled([{}])], "not of the dialogue layout: a label is no text"),
        ([labelled([5])], "not of the dialogue layout: a label is no text"),
        ([labelled("calm")], "not of the dialogue layout: 'paragraphlabels' is no list"),
    ],
)
def test_annotations_that_do_not_fit_are_one_sentence(
    result: Any,  # noqa: ANN401
    said: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_label_studio(export(tmp_path / "x.json", {"result": result}), LABELS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "holds no list of tasks"),
        ("[1]", "holds no list of tasks"),
        ("[", "cannot be read as an export"),
        ('[{"data": {"text": "x"}}]', "task 1: there is no list of turns"),
        ('[{"data": {"dialogue": [{"author": "Ann"}]}}]', "turn 1: it has no 'text'"),
        ('[{"data": {"dialogue": [{"text": 3}]}}]', "task 1"),
        ('[{"id": "a\\nb"}]', r"task a\\nb: there is no list of turns"),
    ],
)
def test_other_files_are_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=said):
        read_label_studio(tmp_path / "x.json", LABELS)
    with pytest.raises(InputError, match="cannot be read"):
        read_label_studio(tmp_path / "missing.json", LABELS)
