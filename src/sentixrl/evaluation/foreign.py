"""Predictions from a file, evaluated as if a system here had made them.

Contract: every annotated utterance of the split is answered exactly once, by a label of the task,
and there are no other rows; otherwise one :class:`~sentixrl.errors.InputError` names file and row.
Utterances that serve only as context may be answered or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.files import Place, Row
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.evaluation.baselines.system import NO_TEMPLATE, UNKNOWN_LANGUAGE
from sentixrl.evaluation.items import ItemKey
from sentixrl.evaluation.prediction_rows import (
    Answers,
    Utterances,
    our_names,
    row_of,
)
from sentixrl.formats import Columns, Ledger, read_dialogue_json
from sentixrl.formats.characters import as_text, shown
from sentixrl.formats.delimited import DelimitedTable, Quoting
from sentixrl.formats.detection import detect_rows
from sentixrl.formats.json_text import JsonDialogues
from sentixrl.formats.label_cells import label_cell
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
from sentixrl.formats.results import is_result
from sentixrl.formats.source import InputSource, source_of_file
from sentixrl.prediction import DialoguePrediction, Prediction, Status


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


def read_predictions(
    path: Path,
    dataset: Dataset,
    *,
    columns: Columns | None = None,
    encoding: str = "utf-8",
    quoting: Quoting = "auto",
) -> ForeignPredictions:
    """Read predictions for a split.

    Args:
        path: A table with the columns ``dialogue_id``, ``index`` (the position in the dialogue,
            from 0) or ``utterance_id``, and ``label``; optionally ``confidence`` (of the label)
            and ``p_LABEL`` for every label (they sum to 1). Where utterances may have several
            labels, ``labels`` stands in place of ``label``: ``joy; surprise``, or ``[]``. Or what
            ``classify`` printed with ``--csv`` or ``--json``.
        dataset: The whole split.
        columns: The names of the table's columns; ``turn`` is the position.
        encoding: The file's text encoding.
        quoting: Whether quotation marks surround cells.

    Raises:
        InputError: An item is missing, repeated or unknown, a label is not of the task, or a
            number is not a probability; the message names file and row.
    """
    answers: dict[ItemKey, Prediction] = {}
    places: dict[ItemKey, str] = {}
    utterances = Utterances(dataset)
    source = source_of_file(path, path.name, encoding)
    header, rows = _rows(source, columns, quoting, several=dataset.several)
    reader = Answers(dataset.label_set, header, path.name, several=dataset.several)
    for row in rows:
        key = utterances.key(row)
        if key in places:
            raise row.place.error(
                f"{_named(row)} is answered in {places[key]} already.",
                "Keep one of the two rows.",
            )
        places[key] = row.place.spot
        answers[key] = reader.prediction(row, key[1])
    if not answers:
        raise InputError(f"{path.name} has a header line but no rows.")
    _check_whole(path, dataset, answers)
    return ForeignPredictions(as_text(path.name), answers)


def _rows(
    source: InputSource, columns: Columns | None, quoting: Quoting, *, several: bool
) -> tuple[Sequence[str], Iterator[Row]]:
    """A file of predictions: its columns by our names, and its rows."""
    format = detect_rows(source)
    if format != "csv":
        rows = list(_result_rows(source, lines=format == "jsonl"))
        return list({column: None for row in rows for column in row.cells}), iter(rows)
    table = DelimitedTable(source, quoting=quoting, columns=columns)
    names = our_names(table.header, columns, source.name, several=several)
    return names, (
        row_of(names, row.cells, Place(source.name, f"line {row.line}"))
        for row in table.rows(Ledger(format))
    )


def _result_rows(source: InputSource, *, lines: bool) -> Iterator[Row]:
    """What ``classify --json`` printed, as the rows that ``--csv`` would have printed."""
    document = JsonDialogues(source, lines=lines)
    for element in document.elements():
        place = document.place(element)
        if not is_result(element.value):
            raise InputError(
                f"{place}: this is no result of classify --json.",
                hint="Predictions are such results, or a table in CSV.",
            )
        try:
            dialogue, prediction = read_dialogue_json(element.value)
        except InputError as error:
            raise InputError(f"{place}: {error.message}", hint=error.hint) from None
        spot = place.rpartition(", ")[2] if element.number else "the result"
        for turn, item in zip(dialogue, prediction.items, strict=True):
            where = Place(source.name, f"{spot}, utterance {item.index + 1}")
            scores = item.probabilities or {}
            cells: dict[str, object] = {
                DIALOGUE: dialogue.id,
                INDEX: item.index,
                UTTERANCE: turn.id,
                LABEL: item.label,
                LABELS: None if item.labels is None else label_cell(item.labels),
                STATUS: item.status.value,
                CONFIDENCE: item.confidence,
                FALLBACK: item.fallback,
                ERROR: item.error.message if item.error else None,
                **{f"{PROBABILITY}{name}": value for name, value in scores.items()},
            }
            named = {key: "" if cell is None else str(cell) for key, cell in cells.items()}
            yield Row(where, named)


def _named(row: Row) -> str:
    name = row.cells.get(INDEX, "").strip() or row.cells.get(UTTERANCE, "").strip()
    return f"utterance '{shown(name)}' of dialogue '{shown(row[DIALOGUE].strip())}'"


def _check_whole(path: Path, dataset: Dataset, answers: Mapping[ItemKey, Prediction]) -> None:
    missing: Sequence[tuple[Dialogue, int]] = [
        (dialogue, index)
        for dialogue in dataset
        for index, turn in enumerate(dialogue)
        if (turn.gold is not None or turn.golds is not None) and (dialogue.id, index) not in answers
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
