"""The rows that ``--csv`` prints: an utterance a row, for spreadsheets and data frames.

Contract: the columns are :data:`COLUMNS`, an empty cell is ``None``, and a cell holds what was
said as it was said. The rows read back as dialogues (:mod:`sentixrl.formats.tables`), and score as
anybody's predictions do where every utterance has a label.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from sentixrl.dialogue import Dialogue
from sentixrl.formats.results import DECIMALS
from sentixrl.prediction import DialoguePrediction

DIALOGUE, INDEX, UTTERANCE = "dialogue_id", "index", "utterance_id"
LABEL, STATUS, CONFIDENCE, FALLBACK, ERROR = "label", "status", "confidence", "fallback", "error"
"""The columns that a file of predictions is read by."""
COLUMNS = (
    DIALOGUE,
    INDEX,
    UTTERANCE,
    "speaker",
    "text",
    LABEL,
    STATUS,
    CONFIDENCE,
    FALLBACK,
    ERROR,
)


def csv_header() -> str:
    """The line that names the columns, with its line end."""
    return _line(COLUMNS)


def dialogue_csv(dialogue: Dialogue, prediction: DialoguePrediction) -> str:
    """The rows of one dialogue, each with its line end."""
    return "".join(map(_line, result_rows(dialogue, prediction)))


def result_rows(
    dialogue: Dialogue, prediction: DialoguePrediction
) -> Iterator[tuple[str | int | float | None, ...]]:
    """The rows of one dialogue as values, one per utterance, in the order of :data:`COLUMNS`."""
    for turn, item in zip(dialogue, prediction.items, strict=True):
        yield (
            dialogue.id,
            item.index,
            turn.id,
            turn.speaker,
            turn.text,
            item.label,
            item.status.value,
            None if item.confidence is None else round(item.confidence, DECIMALS),
            item.fallback,
            item.error.message if item.error else None,
        )


def _line(row: Iterable[object]) -> str:
    written = io.StringIO()
    # Only characters of the line's end are quoted, and a lone carriage return would end a row.
    csv.writer(written, lineterminator="\r\n").writerow(row)
    return written.getvalue().removesuffix("\r\n") + "\n"
