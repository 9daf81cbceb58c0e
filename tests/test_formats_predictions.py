"""What we write, we read: results as input and as predictions, whatever happened to the file."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.generic import load_custom
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.evaluation.foreign import ForeignPredictions, read_predictions
from sentixrl.formats import (
    Columns,
    csv_header,
    dialogue_csv,
    dialogue_json,
    dialogue_object,
    read_dialogues,
)
from sentixrl.labels import resolve_labels
from sentixrl.prediction import DialoguePrediction, ItemError, Prediction, Status

LABELS = resolve_labels("joy, colère, calm")


def answer(index: int, status: Status, label: str) -> Prediction:
    answered = status in {Status.SINGLE, Status.CONSENSUS}
    return Prediction(
        index,
        status,
        label=label if answered else None,
        fallback=None if status is Status.INVALID else label,
        confidence=0.5 if answered else None,
        probabilities=dict.fromkeys(LABELS.names, 1 / 3),
        error=ItemError("timeout", "It took too long.") if status is Status.ERROR else None,
    )


ids = st.sampled_from(["a", "a b", "café", "cafe\u0301", "7", "07", "x,y", 'q"q', "=1+1"])
turns = st.builds(
    Utterance,
    text=st.sampled_from(["hi", "well; no", 'she said "no"', "two\nlines", "=1+1", "é"]),
    speaker=st.sampled_from([None, "Ana", "B;C"]),
    gold=st.sampled_from([None, *LABELS.names]),
    id=st.none() | ids,
)
pairs = st.lists(
    st.tuples(turns, st.sampled_from(list(Status)), st.sampled_from(LABELS.names)),
    min_size=1,
    max_size=4,
)
worlds = st.lists(st.tuples(ids, pairs), min_size=1, max_size=4, unique_by=lambda item: item[0])


def results(
    world: Sequence[tuple[str, Sequence[tuple[Utterance, Status, str]]]],
) -> list[tuple[Dialogue, DialoguePrediction]]:
    found = []
    for id, rows in world:
        items = tuple(answer(at, status, label) for at, (_, status, label) in enumerate(rows))
        dialogue = Dialogue(id, tuple(turn for turn, _, _ in rows))
        found.append((dialogue, DialoguePrediction(id, "unknown", "m", "en-v1-0", items)))
    return found


def as_csv(found: Sequence[tuple[Dialogue, DialoguePrediction]]) -> str:
    return csv_header() + "".join(dialogue_csv(*pair) for pair in found)


def resaved(text: str, mark: str, *, order_mark: bool) -> bytes:
    """A table as a spreadsheet saves it again."""
    out = io.StringIO()
    csv.writer(out, delimiter=mark, lineterminator="\r\n").writerows(csv.reader(io.StringIO(text)))
    return b"\xef\xbb\xbf" * order_mark + out.getvalue().encode()


def opened(raw: bytes, name: str, data: Dataset, **options: object) -> ForeignPredictions:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        return read_predictions(path, data, **options)  # type: ignore[arg-type]


def dataset(dialogues: Sequence[Dialogue]) -> Dataset | None:
    if not any(turn.gold for dialogue in dialogues for turn in dialogue):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gold.json"
        path.write_text(json.dumps([dialogue_object(dialogue) for dialogue in dialogues]))
        return load_custom(path, LABELS)


def said(item: Prediction) -> tuple[object, ...]:
    status = "" if item.label else item.status
    return (item.index, status, item.label, item.fallback or item.label)


@given(worlds, st.sampled_from(",;"), st.booleans())
def test_a_table_of_results_is_predictions(
    world: list[tuple[str, list[tuple[Utterance, Status, str]]]], mark: str, order: bool
) -> None:
    found = results(world)
    data = dataset([dialogue for dialogue, _ in found])
    if data is None:
        return
    again = opened(resaved(as_csv(found), mark, order_mark=order), "own.csv", data)
    back = list(again.predict_many(data.dialogues))
    assert [[said(item) for item in one.items] for one in back] == [
        [said(item) for item in prediction.items] for _, prediction in found
    ]


@given(worlds, st.booleans())
def test_lines_of_results_are_predictions(
    world: list[tuple[str, list[tuple[Utterance, Status, str]]]], listed: bool
) -> None:
    found = results(world)
    data = dataset([dialogue for dialogue, _ in found])
    if data is None:
        return
    objects = [dialogue_json(*pair) for pair in found]
    text = json.dumps(objects) if listed else "\n".join(map(json.dumps, objects))
    again = opened(text.encode(), "own.json", data)
    back = list(again.predict_many(data.dialogues))
    assert [[said(item) for item in one.items] for one in back] == [
        [said(item) for item in prediction.items] for _, prediction in found
    ]
    assert back[0].items[0].probabilities == pytest.approx(dict.fromkeys(LABELS.names, 1 / 3))


@given(worlds)
def test_results_are_input(world: list[tuple[str, list[tuple[Utterance, Status, str]]]]) -> None:
    found = results(world)
    wanted = [
        (dialogue.id, [(turn.text, turn.speaker, turn.id) for turn in dialogue])
        for dialogue, _ in found
    ]
    lines = "\n".join(json.dumps(dialogue_json(*pair)) for pair in found)
    for text in (as_csv(found), lines):
        back = read_dialogues(stream=io.BytesIO(text.encode()))
        assert [(d.id, [(t.text, t.speaker, t.id) for t in d]) for d in back] == wanted
        golds = [turn.gold for dialogue in back for turn in dialogue]
        assert golds == [item.label for _, prediction in found for item in prediction.items]


GOLD = [
    Dialogue(
        "caf\u00e9", (Utterance("a", gold="joy", id="x"), Utterance("b", gold="calm", id="x"))
    ),
    Dialogue("2", (Utterance("c", gold="joy", id="ne\u0301"), Utterance("d"))),
]


def rows(*written: str) -> bytes:
    return ("\n".join(written) + "\n").encode()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            rows("dialogue_id,utterance_id,label", "café,x,joy"),
            "line 2: dialogue 'café' has 2 utterances 'x'",
        ),
        (
            rows("dialogue_id,index,utterance_id,label", "2,1,né,joy", "café,0,y,joy"),
            "line 3: utterance 0 of dialogue 'café' is 'x', but the row is about 'y'",
        ),
        (rows("dialogue_id,index,label", "cafe,0,joy"), "there is no dialogue 'cafe' in the split"),
        (rows("dialogue_id,index,label", "2,-1,joy"), "dialogue '2' has no utterance '-1'"),
        (rows("dialogue_id,index,label", "2,²,joy"), "dialogue '2' has no utterance '²'"),
        (rows("dialogue_id,index,label", "2,00,joy", "2,0,joy"), "answered in line 2 already"),
        (rows("conv,index,label", "2,0,joy"), "there is no column 'dialogue_id'"),
        (rows("dialogue_id,label,label,index", "2,joy,joy,0"), "'label' stands there twice"),
        (b'{"utterances": ["a"]}', "this is no result of classify --json"),
        (
            b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>x</v>\n",
            "read as webvtt, which is neither a table in CSV nor JSON",
        ),
    ],
)
def test_predictions_that_are_none(raw: bytes, says: str) -> None:
    data = dataset(GOLD)
    assert data is not None
    with pytest.raises(InputError) as caught:
        opened(raw, "theirs", data)
    assert says in caught.value.message


def test_columns_and_encoding_of_predictions() -> None:
    data = dataset(GOLD)
    assert data is not None
    text = "Gespräch;Nr;Urteil\ncafé;0;joy\ncafé;1;Colère\n2;0;calm\n"
    columns = Columns(dialogue="Gespräch", turn="Nr", label="Urteil")
    found = opened(text.encode("cp1252"), "a.csv", data, columns=columns, encoding="windows-1252")
    assert [item.label for item in found.answers.values()] == ["joy", "colère", "calm"]
    with pytest.raises(InputError, match="no column 'Gespraech'") as caught:
        opened(text.encode(), "a.csv", data, columns=Columns(dialogue="Gespraech"))
    assert "--columns dialogue=Gespräch" in (caught.value.hint or "")
