"""The rows that ``--csv`` prints: an utterance a row, for spreadsheets and data frames.

Contract: the columns are :data:`COLUMNS`, an empty cell is ``None``, and a cell holds what was
said as it was said; :func:`csv_line` writes it as text. Where several labels were asked for,
:data:`LABELS` and a probability per label follow; where sets were, :data:`CANDIDATES`. The rows
read back as dialogues (:mod:`sentixrl.formats.tables`), and score as anybody's predictions do where
every utterance has a label.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.formats.label_cells import label_cell
from sentixrl.formats.results import DECIMALS
from sentixrl.prediction import DialoguePrediction, Prediction

DIALOGUE, INDEX, UTTERANCE = "dialogue_id", "index", "utterance_id"
LABEL, STATUS, CONFIDENCE, FALLBACK, ERROR = "label", "status", "confidence", "fallback", "error"
LABELS, PROBABILITY = "labels", "p_"
"""The columns that a file of predictions is read by."""
CALIBRATED, CANDIDATES = "calibrated", "candidates"
Cell = str | int | float | bool | tuple[str, ...] | None
"""What a cell of a row of results holds."""
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
    CALIBRATED,
)


def csv_header(several: Sequence[str] | None = None, *, sets: bool = False) -> str:
    """The line that names the columns, with its line end.

    Args:
        several: The label set's names, where several labels are asked for.
        sets: Whether sets of candidates are asked for.
    """
    return csv_line(result_columns(several, sets=sets))


def result_columns(several: Sequence[str] | None = None, *, sets: bool = False) -> tuple[str, ...]:
    """The names of the columns; the arguments are those of :func:`csv_header`."""
    more = () if several is None else (LABELS, *(f"{PROBABILITY}{name}" for name in several))
    return (*COLUMNS, *([CANDIDATES] if sets else []), *more)


def dialogue_csv(
    dialogue: Dialogue,
    prediction: DialoguePrediction,
    several: Sequence[str] | None = None,
    *,
    sets: bool = False,
) -> str:
    """The rows of one dialogue, each with its line end.

    Args:
        dialogue: The dialogue.
        prediction: Its answers.
        several: As :func:`csv_header`.
        sets: As :func:`csv_header`.
    """
    return "".join(map(csv_line, result_rows(dialogue, prediction, several, sets=sets)))


def result_rows(
    dialogue: Dialogue,
    prediction: DialoguePrediction,
    several: Sequence[str] | None = None,
    *,
    sets: bool = False,
) -> Iterator[tuple[Cell, ...]]:
    """The cells of one dialogue's rows, in the order of :func:`result_columns`."""
    for turn, item in zip(dialogue, prediction.items, strict=True):
        yield (*_row(dialogue, turn, item), *_candidates(item, sets), *_judged(item, several))


def _row(dialogue: Dialogue, turn: Utterance, item: Prediction) -> Iterator[Cell]:
    yield from (dialogue.id, item.index, turn.id, turn.speaker, turn.text, item.label)
    yield from (item.status.value, _rounded(item.confidence), item.fallback)
    yield item.error.message if item.error else None
    yield None if item.probabilities is None else item.calibrated


def _candidates(item: Prediction, sets: bool) -> Iterator[Cell]:
    if sets:
        yield item.candidates


def _judged(item: Prediction, several: Sequence[str] | None) -> Iterator[Cell]:
    if several is None:
        return
    yield item.labels
    shares = item.probabilities or {}
    yield from (_rounded(shares.get(name)) for name in several)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, DECIMALS)


def csv_line(row: Iterable[object]) -> str:
    """A row as a line of CSV, with its line end."""
    written = io.StringIO()
    # Only characters of the line's end are quoted, and a lone carriage return would end a row.
    csv.writer(written, lineterminator="\r\n").writerow(map(_as_text, row))
    return written.getvalue().removesuffix("\r\n") + "\n"


def _as_text(cell: object) -> object:
    """What CSV has no type for, as it is read back."""
    if isinstance(cell, bool):
        return str(cell).lower()
    return label_cell(cell) if isinstance(cell, tuple) else cell
