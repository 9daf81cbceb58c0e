"""Rows of a file of predictions: which utterance each answers, and how.

Contract: a row names its utterance by position in the dialogue or by id; if it gives both, they
must agree. Ids match in any Unicode form of the same characters. Nothing is guessed.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.files import Place, Row
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.evaluation.items import ItemKey
from sentixrl.formats import Columns
from sentixrl.formats.characters import nearest, shown
from sentixrl.formats.columns import usual_headers
from sentixrl.formats.label_cells import split_labels
from sentixrl.formats.result_rows import (
    CONFIDENCE,
    DIALOGUE,
    ERROR,
    FALLBACK,
    INDEX,
    LABEL,
    LABELS,
    PROBABILITY,
    STATUS,
    UTTERANCE,
)
from sentixrl.labels import LabelSet
from sentixrl.prediction import ItemError, Prediction, Status

SUM_TOLERANCE = 0.01
UNANSWERED = {Status.OUTLIER.value, Status.INVALID.value, Status.ERROR.value}

_ROLES = {DIALOGUE: "dialogue", UTTERANCE: "id", INDEX: "turn"}


class Utterances:
    """The utterances of a data set, by the names that a row may give them."""

    def __init__(self, dataset: Dataset) -> None:
        self._dialogues = {dialogue.id: dialogue for dialogue in dataset}
        self._composed = _unique(dataset)
        self._example = next(iter(self._dialogues))

    def key(self, row: Row) -> ItemKey:
        """Which utterance a row answers.

        Raises:
            InputError: There is none, or index and id name two.
        """
        dialogue = self._dialogue(row)
        id = row.cells.get(UTTERANCE, "").strip()
        if not row.cells.get(INDEX, "").strip():
            return dialogue.id, self._by_id(row, dialogue)
        index = self._by_index(row, dialogue)
        own = dialogue.utterances[index].id
        if id and own is not None and _composed(id) != _composed(own):
            raise row.place.error(
                f"utterance {index} of dialogue '{shown(dialogue.id)}' is '{shown(own)}', but the "
                f"row is about '{shown(id)}'.",
                "Are these predictions for other data, or has the file been sorted in parts?",
            )
        return dialogue.id, index

    def _dialogue(self, row: Row) -> Dialogue:
        name = row.required(DIALOGUE)
        found = self._dialogues.get(name) or self._composed.get(_composed(name))
        if found is None:
            raise row.place.error(
                f"there is no dialogue '{shown(name)}' in the split.",
                f"Its identifiers are like '{shown(self._example)}'.",
            )
        return found

    def _by_index(self, row: Row, dialogue: Dialogue) -> int:
        name = row.required(INDEX)
        if not name.isdecimal() or int(name[:9]) >= len(dialogue) or len(name) > 9:
            raise _no_utterance(row, dialogue, name, [str(at) for at in range(len(dialogue))])
        return int(name)

    def _by_id(self, row: Row, dialogue: Dialogue) -> int:
        if UTTERANCE not in row.cells:
            row.required(INDEX)
        name = row.required(UTTERANCE)
        ids = [turn.id for turn in dialogue]
        exact = [at for at, id in enumerate(ids) if id == name]
        found = exact or [
            at for at, id in enumerate(ids) if id and _composed(id) == _composed(name)
        ]
        if not found:
            raise _no_utterance(row, dialogue, name, [id for id in ids if id is not None])
        if len(found) > 1:
            raise row.place.error(
                f"dialogue '{shown(dialogue.id)}' has {len(found)} utterances '{shown(name)}'.",
                f"Tell them apart by a column '{INDEX}', the position counted from 0.",
            )
        return found[0]


class Answers:
    """Reads the answers in one file's rows.

    Args:
        labels: The task's labels.
        header: The file's columns, by our names.
        file: What errors call the file.
        several: Whether an answer is any number of labels.
    """

    def __init__(
        self, labels: LabelSet, header: Collection[str], file: str, *, several: bool = False
    ) -> None:
        self._labels = labels
        self._several = several
        self._columns = self._probability_columns(header, f"{file}, line 1")

    def prediction(self, row: Row, index: int) -> Prediction:
        """What a row answers."""
        status = row.cells.get(STATUS, "").strip()
        answer = LABELS if self._several else LABEL
        if not row[answer].strip() and status in UNANSWERED:
            return self._unanswered(row, index, Status(status))
        if self._several:
            return self._judged(row, index)
        if not _filled(row, LABEL) and _filled(row, LABELS):
            raise row.place.error(
                f"it holds several labels ('{shown(row[LABELS])}'), and the data has one an "
                "utterance.",
                "Evaluate on data with several labels, or give predictions of one label each.",
            )
        label = self._label(row, LABEL)
        probabilities = self._probabilities(row)
        confidence = _probability(row, CONFIDENCE) if _filled(row, CONFIDENCE) else None
        if confidence is None and probabilities is not None:
            confidence = probabilities[label]
        return Prediction(
            index=index,
            status=Status.SINGLE,
            label=label,
            fallback=label,
            probabilities=probabilities,
            confidence=confidence,
        )

    def _unanswered(self, row: Row, index: int, status: Status) -> Prediction:
        """How our own results mark an utterance without a label."""
        said = row.cells.get(ERROR, "").strip() or "The model gave no answer."
        return Prediction(
            index=index,
            status=status,
            fallback=self._label(row, FALLBACK) if _filled(row, FALLBACK) else None,
            probabilities=self._probabilities(row),
            error=ItemError("earlier_error", said) if status is Status.ERROR else None,
        )

    def _judged(self, row: Row, index: int) -> Prediction:
        """Any number of labels."""
        said = [self._read(row, text) for text in split_labels(row.required(LABELS))]
        if twice := [name for name in said if said.count(name) > 1]:
            raise row.place.error(f"the label '{shown(twice[0])}' stands there twice.")
        return Prediction(
            index=index,
            status=Status.SINGLE,
            probabilities=self._probabilities(row),
            labels=tuple(name for name in self._labels.names if name in said),
        )

    def _label(self, row: Row, column: str) -> str:
        return self._read(row, row.required(column))

    def _read(self, row: Row, text: str) -> str:
        label = self._labels.read(text)
        if label is None:
            raise row.place.error(
                f"'{shown(text)}' is not a label of '{self._labels.name}' "
                f"({shown(', '.join(self._labels.names), 200)}).",
                "Every answer has to be a label of the task.",
            )
        return label.name

    def _probabilities(self, row: Row) -> dict[str, float] | None:
        if not any(_filled(row, column) for column in self._columns.values()):
            return None
        values = {name: _probability(row, column) for name, column in self._columns.items()}
        if self._several:
            return values
        total = math.fsum(values.values())
        if abs(total - 1) > SUM_TOLERANCE:
            raise row.place.error(f"the probabilities sum to {total:.4g}; they must sum to 1.")
        return {name: value / total for name, value in values.items()}

    def _probability_columns(self, header: Collection[str], place: str) -> dict[str, str]:
        """Label → its column; empty if there are none."""
        columns: dict[str, str] = {}
        for column in header:
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


def our_names(
    header: Sequence[str], columns: Columns | None, file: str, *, several: bool = False
) -> list[str]:
    """A table's columns by our names, if its own names differ.

    Args:
        header: The columns' names.
        columns: What the user named; ``turn`` is the position in the dialogue.
        file: What errors call the table.
        several: Whether an answer is any number of labels.

    Raises:
        InputError: A column that is needed or named is missing, or occurs twice.
    """
    names = list(header)
    place = f"{file}, line 1"
    answer = LABELS if several else LABEL
    for ours, role in (*_ROLES.items(), (answer, "label")):
        named: str | None = getattr(columns, role) if columns else None
        # A column for one label is not taken for a list of them.
        known = () if ours == LABELS else usual_headers(role)
        usual = [name for name in names if name.casefold() in known]
        theirs = named or (ours if ours in names else next(iter(usual), ours))
        if theirs not in names:
            if named is None and ours not in {DIALOGUE, answer}:
                continue
            close = nearest(theirs, names)
            meant = f"--columns {role}={shown(close)}" if close else f"--columns {role}=NAME"
            raise InputError(
                f"{place}: there is no column '{shown(theirs)}' (there are: "
                f"{shown(', '.join(names), 200)}).",
                hint=f"Say which column it is: {meant}.",
            )
        if theirs != ours:
            names = [f"{name} " if name == ours else name for name in names]
            names[names.index(theirs)] = ours
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{place}: the column '{shown(twice)}' stands there twice.")
    if INDEX not in names and UTTERANCE not in names:
        raise InputError(
            f"{place}: there is neither a column '{UTTERANCE}' nor a column '{INDEX}'.",
            hint=f"'{INDEX}' is the position in the dialogue, counted from 0.",
        )
    return names


def row_of(names: Sequence[str], cells: Sequence[str], place: Place) -> Row:
    """A row with its columns by our names."""
    return Row(place, dict(zip(names, cells, strict=True)))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _unique(dataset: Dataset) -> Mapping[str, Dialogue]:
    """Dialogues by the composed Unicode form of their ids, if only one has it."""
    found: dict[str, Dialogue] = {}
    doubled: set[str] = set()
    for dialogue in dataset:
        key = _composed(dialogue.id)
        if key in found:
            doubled.add(key)
        found[key] = dialogue
    return {key: dialogue for key, dialogue in found.items() if key not in doubled}


def _no_utterance(row: Row, dialogue: Dialogue, name: str, has: Sequence[str]) -> InputError:
    return row.place.error(
        f"dialogue '{shown(dialogue.id)}' has no utterance '{shown(name)}'.",
        f"It has: {shown(', '.join(has), 80)}.",
    )


def _filled(row: Row, column: str) -> bool:
    return bool(row.cells.get(column, "").strip())


def _probability(row: Row, column: str) -> float:
    value = row.number(column)
    if not 0 <= value <= 1:
        raise row.place.error(f"{value:g} in the column '{column}' lies outside of 0 to 1.")
    return value
