"""One file of results: what it holds, and how it comes to its place whole.

Contract: a shard is written beside its place and waited for on the disk; only then is it renamed,
by the one process that owns the job. Columns and their types are the same in all shards of a job;
every cell of a further column is text but the row's number, so that nothing depends on which rows a
shard holds.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentixrl.batch.options import ShardFormat
from sentixrl.batch.spool import Item
from sentixrl.dialogue import Utterance
from sentixrl.errors import MissingDependencyError
from sentixrl.formats import dialogue_json
from sentixrl.formats.result_rows import (
    CALIBRATED,
    CANDIDATES,
    CONFIDENCE,
    INDEX,
    LABELS,
    PROBABILITY,
    csv_line,
    result_columns,
    result_rows,
)
from sentixrl.formats.sheets import EXTRA
from sentixrl.formats.tables import ROW
from sentixrl.formats.values_table import cell_text
from sentixrl.prediction import DialoguePrediction, ItemError
from sentixrl.runs.storage import as_bytes, storage_error, sync_file

SOURCE = "source"
OF_INPUT = "input."
"""What a further column's name begins with where it is one of ours."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What all shards of a job have in common.

    Attributes:
        form: What they are written as.
        columns: The further columns of the job's inputs.
        several: The label set's names, where several labels are asked for.
        sets: Whether sets of candidates are asked for.
        numbered: Whether the further column of rows holds nothing but their numbers.
    """

    form: ShardFormat
    columns: tuple[str, ...] = ()
    several: tuple[str, ...] | None = None
    sets: bool = False
    numbered: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns of a table of results."""
        own = (*result_columns(self.several, sets=self.sets), SOURCE)
        names = list(own)
        for column in self.columns:
            name = f"{OF_INPUT}{column}" if column in own else column
            while name in names:
                name = f"{OF_INPUT}{name}"
            names.append(name)
        return tuple(names)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a dialogue: its predictions, or why there are none."""

    item: Item
    prediction: DialoguePrediction | None
    error: ItemError | None = None


def check_format(form: ShardFormat) -> None:
    """Check that a format can be written.

    Raises:
        MissingDependencyError: Its library is not there.
    """
    if form is ShardFormat.PARQUET:
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise MissingDependencyError.of("pyarrow", EXTRA) from None


def write_shard(path: Path, layout: Layout, answers: Sequence[Answer]) -> int:
    """Write the answers of a chunk; those that failed are left out.

    Args:
        path: Where to; nothing of that name is in its place yet.
        layout: What to write.
        answers: The chunk's answers.

    Returns:
        The file's size in bytes.

    Raises:
        SentixError: The disk is full or refuses; nothing is left behind.
    """
    try:
        if layout.form is ShardFormat.PARQUET:
            _write_parquet(path, layout, answers)
        else:
            listed = layout.form is ShardFormat.JSONL
            lines = _json_lines(answers) if listed else _csv(layout, answers)
            with path.open("wb") as stream:
                stream.writelines(map(as_bytes, lines))
        sync_file(path)
        return path.stat().st_size
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise storage_error(path, error) from None


def _json_lines(answers: Sequence[Answer]) -> Iterator[str]:
    for answer in answers:
        if answer.prediction is not None:
            yield json.dumps(result_object(answer.item, answer.prediction), ensure_ascii=False)
            yield "\n"


def result_object(item: Item, prediction: DialoguePrediction) -> dict[str, Any]:
    """What ``--json`` prints of a dialogue, its source, and what its turns had besides."""
    result = dialogue_json(item.dialogue, prediction)
    for written, turn in zip(result["utterances"], item.dialogue, strict=True):
        if turn.metadata:
            written["metadata"] = dict(turn.metadata)
    return {**result, SOURCE: item.source}


def _rows(layout: Layout, answers: Sequence[Answer]) -> Iterator[list[Any]]:
    for answer in answers:
        if answer.prediction is None:
            continue
        dialogue = answer.item.dialogue
        rows = result_rows(dialogue, answer.prediction, layout.several, sets=layout.sets)
        for turn, row in zip(dialogue, rows, strict=True):
            further = (_further(layout, turn, column) for column in layout.columns)
            yield [*row, answer.item.source, *further]


def _further(layout: Layout, turn: Utterance, column: str) -> str | int | None:
    value = turn.metadata.get(column)
    if value is None:
        return None
    return int(value) if layout.numbered and column == ROW else cell_text(value)


def _csv(layout: Layout, answers: Sequence[Answer]) -> Iterator[str]:
    yield csv_line(layout.names)
    yield from map(csv_line, _rows(layout, answers))


def _write_parquet(path: Path, layout: Layout, answers: Sequence[Answer]) -> None:
    import pyarrow
    import pyarrow.parquet

    shares = (CONFIDENCE, *(f"{PROBABILITY}{name}" for name in layout.several or ()))
    lists = (
        *([LABELS] if layout.several is not None else ()),
        *([CANDIDATES] if layout.sets else ()),
    )
    whole = (INDEX, *([ROW] if layout.numbered else ()))
    kinds = {
        **dict.fromkeys(shares, pyarrow.float64()),
        **dict.fromkeys(lists, pyarrow.list_(pyarrow.string())),
        **dict.fromkeys(whole, pyarrow.int64()),
        CALIBRATED: pyarrow.bool_(),
    }
    fields = [(name, kinds.get(name, pyarrow.string())) for name in layout.names]
    schema = pyarrow.schema(fields)
    rows = list(_rows(layout, answers))
    cells = zip(*rows, strict=True) if rows else ([] for _ in fields)
    arrays = [
        pyarrow.array(list(column), type=field.type)
        for column, field in zip(cells, schema, strict=True)
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), path)
