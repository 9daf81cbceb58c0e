"""Predictions as frames of four libraries, and the four of them as input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sentixrl import Dialogue, DialoguePrediction, Prediction, Status
from sentixrl.errors import ConfigError, InputError
from sentixrl.formats.label_cells import label_cell
from sentixrl.formats.result_rows import COLUMNS
from sentixrl.frames import pairs_of, to_arrow, to_datasets, to_pandas, to_polars
from sentixrl.prediction import ItemError

from .stand_in import classifier

TALKS = [[("Ann", "so calm"), ("Ben", "annoyed, me?")], ["grateful"]]
ROWS = {"dialogue": ["a", "a", "b"], "speaker": ["Ann", "Ben", None], "text": ["calm", "x", "y"]}


def test_a_frame_has_a_row_per_utterance() -> None:
    answers = list(classifier().predict_many(TALKS))
    frame = to_pandas(TALKS, answers, probabilities=True)
    assert list(frame.columns) == [*COLUMNS, "p_calm", "p_annoyed", "p_grateful"]
    assert list(frame["label"]) == ["calm", "annoyed", "grateful"]
    assert list(frame["dialogue_id"]) == ["1", "1", "2"]
    assert list(frame["index"]) == [0, 1, 0]
    assert frame[["p_calm", "p_annoyed", "p_grateful"]].sum(axis=1).round(6).eq(1).all()
    assert frame["confidence"].dtype == "float64"
    other = to_polars(TALKS, answers, probabilities=True)
    assert other.schema["speaker"] == pl.String()
    assert other.to_dicts() == to_arrow(TALKS, answers, probabilities=True).to_pylist()
    assert to_datasets(TALKS, answers).to_list() == to_arrow(TALKS, answers).to_pylist()


def test_one_dialogue_needs_no_list() -> None:
    answer = classifier().predict(TALKS[0])
    assert list(to_pandas(TALKS[0], answer)["speaker"]) == ["Ann", "Ben"]


def test_what_has_no_answer_has_empty_cells_of_the_same_type() -> None:
    failed = Prediction(0, Status.ERROR, error=ItemError("too_long", "It is too long."))
    answer = DialoguePrediction("1", "en", "m", "t", (failed,))
    table = to_arrow("long", answer)
    assert table.schema.field("confidence").type == pa.float64()
    assert table.to_pylist()[0]["error"] == "It is too long."
    assert to_pandas("long", answer)["confidence"].isna().all()
    with pytest.raises(ConfigError, match="no probabilities"):
        to_pandas("long", answer, probabilities=True)


def test_several_labels_have_a_column_of_their_own() -> None:
    items = (
        Prediction(0, Status.SINGLE, labels=("calm", "proud"), probabilities={"calm": 0.7}),
        Prediction(1, Status.SINGLE, labels=(), probabilities={"calm": 0.1}, calibrated=True),
    )
    frame = to_pandas(["x", "y"], DialoguePrediction("1", "en", "m", "t", items))
    assert list(frame["labels"]) == [label_cell(("calm", "proud")), label_cell(())]
    assert list(frame["calibrated"]) == [False, True]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table, datasets.Dataset.from_dict])
def test_frames_of_all_four_are_read(kind: Callable[[Any], Any]) -> None:
    answers = list(classifier().predict_many(kind(ROWS)))
    assert [(one.dialogue_id, len(one.items)) for one in answers] == [("a", 2), ("b", 1)]
    assert answers[0].items[0].label == "calm"


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table, datasets.Dataset.from_dict])
def test_answers_find_the_rows_of_a_frame_whose_dialogues_alternate(
    kind: Callable[[Any], Any],
) -> None:
    texts = ["calm", "annoyed", "grateful", "so calm"]
    frame = kind({"dialogue": ["a", "b", "a", "b"], "text": texts})
    answers = list(classifier().predict_many(frame))
    made = to_pandas(frame, answers)
    assert list(made["position"]) == [0, 2, 1, 3]
    assert [texts[at] for at in made["position"]] == list(made["text"])
    assert to_polars(frame, answers).schema["position"] == pl.Int64()
    assert to_arrow(frame, answers).column("position").to_pylist() == [0, 2, 1, 3]


def test_one_dialogue_of_a_frame_keeps_positions_and_lists_have_none() -> None:
    frame = pd.DataFrame({"text": ["calm", "annoyed"]}, index=[7, 3])
    made = to_pandas(frame, classifier().predict(frame))
    assert list(made["position"]) == [0, 1]
    assert list(frame.iloc[made["position"]].index) == [7, 3]
    assert "position" not in to_pandas(TALKS, list(classifier().predict_many(TALKS))).columns


def test_a_split_on_disk_and_labels_kept_as_numbers(tmp_path: Any) -> None:  # noqa: ANN401
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["calm", "annoyed"])}
    )
    made = datasets.Dataset.from_dict({"text": ["x", "y"], "label": [1, 0]}, features=features)
    made.save_to_disk(tmp_path / "set")
    found = datasets.load_from_disk(tmp_path / "set")
    [(first, _), (second, _)] = pairs_of(found, list(classifier().predict_many(found)))
    assert [turn.gold for turn in (*first, *second)] == ["annoyed", "calm"]


def test_predictions_of_others_are_refused() -> None:
    answers = list(classifier().predict_many(TALKS))
    with pytest.raises(InputError, match="There are 1 dialogues, but 2 predictions"):
        to_pandas(TALKS[:1], answers)
    with pytest.raises(InputError, match="Dialogue 1 is '1' with 1 turns, but its prediction"):
        to_pandas(TALKS[::-1], answers)
    with pytest.raises(InputError, match="Dialogue 1 is 'x'"):
        to_pandas(Dialogue.from_texts(["so", "so"], id="x"), answers[0])


def test_only_the_library_asked_for_is_imported() -> None:
    code = (
        "import sys, sentixrl.frames as f; from sentixrl import *;"
        "p = DialoguePrediction('1', 'en', 'm', 't', (Prediction(0, Status.SINGLE, 'joy'),));"
        "f.to_polars('x', p);"
        "print({'pandas', 'datasets', 'torch', 'sklearn'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    found = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == "set()"
