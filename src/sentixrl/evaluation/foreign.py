"""Anybody's predictions, from a CSV, as if the data set had been answered here.

Contract: every annotated utterance of the split is answered exactly once, by a label of the
task, and nothing else is: else one :class:`~sentixrl.errors.InputError` names file and row.
Utterances that are context only may be answered or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.files import Row, read_csv
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.evaluation.baselines.system import NO_TEMPLATE, UNKNOWN_LANGUAGE
from sentixrl.evaluation.items import ItemKey
from sentixrl.formats.characters import as_text, shown
from sentixrl.formats.result_rows import CONFIDENCE, DIALOGUE, INDEX, LABEL, UTTERANCE
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction, Prediction, Status

PROBABILITY = "p_"
SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class ForeignPredictions:
    """Predictions read from a file; a system like any other.

    Attributes:
        name: What results call it.
        answers: Dialogue and position → answer.
    """

    name: str
    answers: Mapping[ItemKey, Prediction]

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """The file's predictions for many dialogues, in order."""
        for dialogue in dialogues:
            yield DialoguePrediction(
                dialogue_id=dialogue.id,
                language=dialogue.language or UNKNOWN_LANGUAGE,
                model=self.name,
                template=NO_TEMPLATE,
                items=tuple(
                    self.answers.get((dialogue.id, index)) or Prediction(index, Status.INVALID)
                    for index in range(len(dialogue))
                ),
            )


def read_predictions(path: Path, dataset: Dataset) -> ForeignPredictions:
    """Read predictions for a split.

    Args:
        path: A CSV with the columns ``dialogue_id``, ``utterance_id`` (or ``index``, the position
            in the dialogue from 0) and ``label``; optionally ``confidence`` (of the label) and
            ``p_<label>`` for every label (they sum to 1).
        dataset: The whole split.

    Raises:
        InputError: An item is missing, repeated or unknown, a label is not of the task, or a
            number is not a probability; the message names file and row.
    """
    rows = list(read_csv(path, path.parent, (DIALOGUE, LABEL)))
    if not rows:
        raise InputError(f"{path.name} has a header line but no rows.")
    reader = _Reader(dataset, rows[0])
    answers: dict[ItemKey, Prediction] = {}
    places: dict[ItemKey, str] = {}
    for row in rows:
        key = reader.key(row)
        if key in places:
            raise row.place.error(
                f"{_named(row)} is answered in {places[key]} already.",
                "Keep one of the two rows.",
            )
        places[key] = row.place.spot
        answers[key] = reader.prediction(row, key[1])
    _check_whole(path, dataset, answers)
    return ForeignPredictions(as_text(path.name), answers)


class _Reader:
    """Reads rows of one file.

    Args:
        dataset: What they answer.
        first: The first row, for the columns.
    """

    def __init__(self, dataset: Dataset, first: Row) -> None:
        self._labels: LabelSet = dataset.label_set
        indexed = INDEX in first.cells
        # What --csv prints has both columns, the first of them empty where the data has no ids.
        self._by_id = UTTERANCE in first.cells and not (
            indexed and not first.cells[UTTERANCE].strip()
        )
        if not self._by_id and not indexed:
            raise InputError(
                f"{first.place.file}, line 1: there is neither a column '{UTTERANCE}' nor a "
                f"column '{INDEX}'.",
                hint=f"'{INDEX}' is the position in the dialogue, counted from 0.",
            )
        self._dialogues = {dialogue.id: _places(dialogue, self._by_id) for dialogue in dataset}
        self._has_confidence = CONFIDENCE in first.cells
        self._columns = self._probability_columns(first)

    def key(self, row: Row) -> ItemKey:
        """Which utterance a row answers."""
        dialogue = row.required(DIALOGUE)
        if dialogue not in self._dialogues:
            raise row.place.error(
                f"there is no dialogue '{shown(dialogue)}' in the split.",
                f"Its identifiers are like '{next(iter(self._dialogues))}'.",
            )
        places = self._dialogues[dialogue]
        name = row.required(UTTERANCE if self._by_id else INDEX)
        if name not in places:
            raise row.place.error(
                f"dialogue '{shown(dialogue)}' has no utterance '{shown(name)}'.",
                f"It has: {shown(', '.join(places), 80)}.",
            )
        return dialogue, places[name]

    def prediction(self, row: Row, index: int) -> Prediction:
        """What a row answers."""
        text = row.required(LABEL)
        label = self._labels.read(text)
        if label is None:
            raise row.place.error(
                f"'{shown(text)}' is not a label of '{self._labels.name}' "
                f"({shown(', '.join(self._labels.names), 200)}).",
                "Every answer has to be a label of the task.",
            )
        probabilities = self._probabilities(row)
        confidence = _probability(row, CONFIDENCE) if self._has_confidence else None
        if confidence is None and probabilities is not None:
            confidence = probabilities[label.name]
        return Prediction(
            index=index,
            status=Status.SINGLE,
            label=label.name,
            fallback=label.name,
            probabilities=probabilities,
            confidence=confidence,
        )

    def _probabilities(self, row: Row) -> dict[str, float] | None:
        if not self._columns:
            return None
        values = {name: _probability(row, column) for name, column in self._columns.items()}
        total = math.fsum(values.values())
        if abs(total - 1) > SUM_TOLERANCE:
            raise row.place.error(f"the probabilities sum to {total:.4g}; they must sum to 1.")
        return {name: value / total for name, value in values.items()}

    def _probability_columns(self, first: Row) -> dict[str, str]:
        """Label → its column; empty where there are none."""
        place = f"{first.place.file}, line 1"
        columns: dict[str, str] = {}
        for column in first.cells:
            if not column.startswith(PROBABILITY):
                continue
            label = self._labels.read(column.removeprefix(PROBABILITY))
            if label is None or label.name in columns:
                problem = "names no label of the task" if label is None else "repeats a label"
                raise InputError(f"{place}: the column '{shown(column)}' {problem}.")
            columns[label.name] = column
        missing = [name for name in self._labels.names if name not in columns]
        if columns and missing:
            raise InputError(
                f"{place}: there is no column '{PROBABILITY}{missing[0]}'.",
                hint="Give a probability for every label of the task, or for none.",
            )
        return {name: columns[name] for name in self._labels.names} if columns else {}


def _places(dialogue: Dialogue, by_id: bool) -> dict[str, int]:
    """How a row may name an utterance → its position."""
    if not by_id:
        return {str(index): index for index in range(len(dialogue))}
    return {turn.id: index for index, turn in enumerate(dialogue) if turn.id is not None}


def _probability(row: Row, column: str) -> float:
    value = row.number(column)
    if not 0 <= value <= 1:
        raise row.place.error(f"{value:g} in the column '{column}' lies outside of 0 to 1.")
    return value


def _named(row: Row) -> str:
    name = row.cells.get(UTTERANCE) or row.cells.get(INDEX, "")
    return f"utterance '{shown(name.strip())}' of dialogue '{shown(row[DIALOGUE].strip())}'"


def _check_whole(path: Path, dataset: Dataset, answers: Mapping[ItemKey, Prediction]) -> None:
    missing: Sequence[tuple[Dialogue, int]] = [
        (dialogue, index)
        for dialogue in dataset
        for index, turn in enumerate(dialogue)
        if turn.gold is not None and (dialogue.id, index) not in answers
    ]
    if not missing:
        return
    dialogue, index = missing[0]
    id = dialogue.utterances[index].id
    named = f"index {index}" + (f", utterance_id '{shown(id)}'" if id is not None else "")
    raise InputError(
        f"{path.name} answers {dataset.labelled - len(missing):,} of the {dataset.labelled:,} "
        f"annotated utterances of {dataset.title}; the first that is missing is "
        f"dialogue '{shown(dialogue.id)}', {named}.",
        hint="A score over a part would not be the benchmark's: answer them all.",
    )
