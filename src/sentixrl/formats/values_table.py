"""Rows of Python values as rows of text: what JSON, Parquet, workbooks and data frames give.

Contract: numbers and dates are written as a table of text would show them; a list of one is what
it holds. What is no text, number or date is refused where it is needed and left alone where it
is not.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, SupportsInt, cast

from sentixrl.errors import InputError
from sentixrl.formats.characters import shown, unreadable
from sentixrl.formats.columns import Columns, has_text, places_of
from sentixrl.formats.json_elements import Element
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.rows import Row

MAX_KEYS = 1000
_MOST_PLACES = 1000  # of a decimal number; one with more is written with an exponent
_NOTHING = {"NAType", "NaTType"}  # pandas'
_TURN_LISTS = {"utterances", "turns", "messages", "dialogue", "dialog", "conversation"}


class Values(NamedTuple):
    """One row: where it stands, its values, its bytes in the input."""

    line: int
    values: Sequence[object]
    size: int


class ValueTable:
    """Rows of values.

    Args:
        name: What errors call the input.
        spot: What errors call a row's place.
        header: The columns' names.
        rows: Reads the rows from the first; the ledger is told of what stands between them.
        columns: What the user named.
        blank_rows: Whether rows that hold nothing are skipped; else they are refused.
        keep: Whether cells that are not needed are kept whatever they hold, as JSON.

    Raises:
        InputError: No column holds the text.
    """

    def __init__(
        self,
        name: str,
        spot: str,
        header: Sequence[str],
        rows: Callable[[Ledger], Iterable[Values]],
        columns: Columns | None = None,
        *,
        blank_rows: bool = True,
        keep: bool = False,
    ) -> None:
        self.name = name
        self.spot = spot
        self.header = [column.strip() for column in header]
        self._rows = rows
        self._blank_rows = blank_rows
        self._keep = keep
        self._needed = places_of(self.header, columns or Columns(), name)

    def rows(self, ledger: Ledger) -> Iterator[Row]:
        """The rows as text, without those that hold nothing."""
        for line, values, size in self._rows(ledger):
            cells = [cell_text(value) for value in values]
            if not any(cell is None or cell.strip() for cell in cells):
                if not self._blank_rows:
                    raise InputError(f"{self.name}, {self.spot} {line} holds nothing.")
                ledger.skip("blank row", size, line)
                continue
            try:
                for role, at in self._needed.items():
                    self._check(role, values[at], cells[at], line)
            except InputError as error:
                ledger.fault(error, line, size)
                continue
            if self._keep:
                cells = [
                    _as_json(value) if cell is None else cell
                    for cell, value in zip(cells, values, strict=True)
                ]
            yield Row(line, [cell or "" for cell in cells], size, line)

    def _check(self, role: str, value: object, cell: str | None, line: int) -> None:
        fault = None
        if cell is None or (role == "text" and cell and isinstance(value, dt.date | dt.time)):
            wanted = "text" if role == "text" else "one text or number"
            fault = f"holds a value of type '{type(value).__name__}', not {wanted}"
        elif found := unreadable(cell):
            fault = found
        if fault:
            column = shown(self.header[self._needed[role]])
            raise InputError(
                f"{self.name}, {self.spot} {line}: the {role} column '{column}' {fault}.",
                hint="A turn has one label." if role == "label" else None,
            )


def is_record(value: object, columns: Columns | None) -> bool:
    """Whether a JSON value is a row: an object with a text and without a list of turns."""
    if not isinstance(value, Mapping) or "utterances" in value:
        return False
    nested = any(isinstance(value.get(key), list) for key in _TURN_LISTS)
    return not nested and has_text([str(key) for key in value], columns or Columns())


def record_table(
    name: str,
    spot: str,
    records: Callable[[Ledger | None], Iterable[Element]],
    columns: Columns | None = None,
    *,
    keep: bool = False,
    ahead: Ledger | None = None,
) -> ValueTable:
    """A table whose rows are JSON objects and whose columns are their keys.

    Args:
        name: What errors call the input.
        spot: What errors call a record's place.
        records: Reads the objects from the first, as :class:`ValueTable` reads rows.
        columns: What the user named.
        keep: As :class:`ValueTable`.
        ahead: Says whether what is no object may be left out; default: it may not.

    Raises:
        InputError: Something is no object, or there are more than ``MAX_KEYS`` different keys.
    """

    def object_of(record: Element) -> Mapping[str, object]:
        if isinstance(record.value, Mapping):
            return record.value
        raise InputError(
            f"{name}, {spot} {record.number}: a row should be an object, as the first one is.",
            hint="Leave out whatever is no row.",
        )

    def objects(ledger: Ledger) -> Iterator[tuple[Element, Mapping[str, object]]]:
        for record in records(ledger):
            try:
                value = object_of(record)
            except InputError as error:
                ledger.fault(error, record.number, record.size)
                continue
            yield record, value

    keys: dict[str, None] = {}
    for record, value in objects(ahead or Ledger("")):
        keys.update(dict.fromkeys(value))
        if len(keys) > MAX_KEYS:
            raise InputError(
                f"{name}, {spot} {record.number}: the rows have more than {MAX_KEYS:,} "
                "different keys.",
                hint="A table has the same columns in every row.",
            )
    header = list(keys)

    def rows(ledger: Ledger) -> Iterator[Values]:
        for record, value in objects(ledger):
            yield Values(record.number, [value.get(key) for key in header], record.size)

    return ValueTable(name, spot, header, rows, columns, keep=keep)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def cell_text(value: object) -> str | None:
    """A value as text; empty for nothing, ``None`` for what is no cell."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and len(value) <= 1:
        return cell_text(value[0]) if value else ""
    if value is None:
        return ""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return None
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, numbers.Real):
        if math.isnan(value):  # how data frames say that there is nothing
            return ""
        whole = math.isfinite(value) and value % 1 == 0
        return str(int(cast(SupportsInt, value))) if whole else str(value)
    if type(value).__name__ in _NOTHING:
        return ""
    return value.isoformat() if isinstance(value, dt.date | dt.time) else None


def _decimal_text(value: Decimal) -> str:
    """A decimal number with all its digits, as two long ids may differ in the last one alone."""
    if value.is_nan():
        return ""
    if value.is_infinite() or abs(value.adjusted()) > _MOST_PLACES:
        return str(value)
    return str(int(value)) if value == value.to_integral_value() else format(value, "f")
