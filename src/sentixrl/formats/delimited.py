"""CSV and TSV: lines to rows, by separator and quotation marks.

Contract: no row is swallowed by a quotation mark that is only a mark. A table separated by tabs
that reads differently with and without quotation, and a quoted cell whose every line would be a
row of its own, are refused unless the quoting is named. A row with bytes that are no text is a
fault of that row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice, zip_longest
from typing import Literal

from sentixrl.errors import InputError
from sentixrl.formats.columns import Columns, has_text, known_roles
from sentixrl.formats.ledger import Ledger, told_later
from sentixrl.formats.messages import Line
from sentixrl.formats.rows import Row, check_width, is_empty
from sentixrl.formats.source import InputSource

Quoting = Literal["auto", "quoted", "plain"]

DELIMITERS = ",;\t|"
"""What may separate cells, in the order in which a header line is tried."""

_SAMPLE = 30
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_HINT = "Say how quotation marks are meant: --quoting quoted, or --quoting plain if they are text."


class DelimitedTable:
    """A text file of rows; its first line, or the one after ``sep=;``, names the columns.

    Args:
        source: The file.
        delimiter: What separates cells; found in the file's beginning if ``None``.
        quoting: Whether quotation marks surround cells.
        columns: What the user named, which helps to find the separator.

    Raises:
        InputError: The header is broken, or quotation marks can be read in two ways.
    """

    spot = "line"

    def __init__(
        self,
        source: InputSource,
        *,
        delimiter: str | None = None,
        quoting: Quoting = "auto",
        columns: Columns | None = None,
    ) -> None:
        self.name = source.name
        self._source = source
        start = [line.text for line in islice(_from_header(self._lines(), None), _SAMPLE)]
        told = _SEPARATOR_LINE.fullmatch(start[0].strip()) if start else None
        self._told = told is not None
        if told:
            del start[0]
        self.delimiter = delimiter or (told[1] if told else None) or delimiter_of(start, columns)
        self._quoted = quoting != "plain"
        self._sure = quoting == "quoted"
        if quoting == "auto" and self.delimiter == "\t":
            self._quoted = self._settle()
        first = next(self._cut(self._lines(), Ledger(""), self._quoted), None)
        if first is None:
            raise InputError(f"{self.name} holds no header line.", hint="Give at least one row.")
        self.header = [cell.strip() for cell in first.cells]

    def rows(self, ledger: Ledger) -> Iterator[Row]:
        """The rows that hold something, each as wide as the header."""
        rows = self._cut(self._lines(), ledger, self._quoted)
        for header in islice(rows, 1):
            ledger.header(header.size)
        width = len(self.header)
        for row in rows:
            if is_empty(row.cells):
                ledger.skip("blank row", row.size, row.line)
                continue
            if len(row.cells) != width:
                try:
                    check_width(row, width, self.name)
                except InputError as error:
                    ledger.fault(error, row.line, row.size, row=row.number)
                    continue
            yield row

    def _lines(self) -> Iterator[Line]:
        return self._source.lines(tolerant=True)

    def _cut(self, lines: Iterable[Line], ledger: Ledger, quoted: bool) -> Iterator[Row]:
        below = _from_header(lines, ledger if self._told else None, ledger)
        if not quoted:
            return self._plain_rows(below, ledger)
        return self._quoted_rows(below, ledger)

    def _quoted_rows(self, lines: Iterable[Line], ledger: Ledger) -> Iterator[Row]:
        feed = _Feed(lines)
        reader = csv.reader(
            feed.texts(), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )
        width = 0
        for number in count(1):
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _broken(str(error), f"{self.name}, line {feed.first}") from None
            taken, row = feed.taken, Row(feed.first, cells, feed.size, number)
            feed.taken = []
            if feed.fault is not None:
                ledger.fault(feed.fault, row.line, row.size, row=number)
                continue
            width = width or len(cells)
            if len(taken) > 1 and not self._sure:
                self._check_swallowed(row, taken, width)
            if cells:
                yield row
            else:
                ledger.markup(row.size)

    def _plain_rows(self, lines: Iterable[Line], ledger: Ledger) -> Iterator[Row]:
        for number, line in enumerate(lines, start=1):
            if line.fault is not None:
                ledger.fault(line.fault, line.number, line.size, row=number)
            elif line.text:
                yield Row(line.number, line.text.split(self.delimiter), line.size, number)
            else:
                ledger.markup(line.size)

    def _check_swallowed(self, row: Row, lines: Sequence[str], width: int) -> None:
        """Refuse a row over several lines, each of which would be a whole row."""
        if width * len(lines) < 6:  # two lines of two cells: a message that holds a comma
            return
        if all(len(line.split(self.delimiter)) == width for line in lines if line.strip()):
            raise InputError(
                f"{self.name}, line {row.line}: a quotation mark opens here and closes "
                f"{len(lines) - 1} lines below, and each of these lines would be a row.",
                hint=_HINT,
            )

    def _settle(self) -> bool:
        """Whether a table separated by tabs is quoted: the way that gives rows of one width.

        Raises:
            InputError: Both ways do, and differ; or neither does.
        """
        if not any('"' in line.text for line in self._lines()):
            return False
        plain, quoted = self._fault(quoted=False), self._fault(quoted=True)
        if plain is None and quoted is None:
            self._check_same()
            return True
        if plain is not None and quoted is not None:
            raise InputError(plain.message, hint=f"{plain.hint} {_HINT}")
        return quoted is None

    def _fault(self, *, quoted: bool) -> InputError | None:
        """What is wrong with the table read in one way."""
        width = None
        try:
            for row in self._cut(self._lines(), _ahead(), quoted):
                width = width or len(row.cells)
                if not is_empty(row.cells):
                    check_width(row, width, self.name)
        except InputError as error:
            return error
        return None

    def _check_same(self) -> None:
        ways = [self._cut(self._lines(), _ahead(), quoted) for quoted in (False, True)]
        for plain, quoted in zip_longest(*ways):
            same = plain and quoted and _trimmed(plain) == _trimmed(quoted)
            if not same:
                line = (plain or quoted).line
                raise InputError(
                    f"{self.name}, line {line}: the quotation marks of this row can be read in "
                    "two ways, as marks around cells or as text.",
                    hint=_HINT,
                )


def delimiter_of(start: Sequence[str], columns: Columns | None = None) -> str:
    """The separator of a table by its first lines: the one that names a text column and fits."""
    found = [mark for mark in DELIMITERS if start and mark in start[0]]
    return max(found, key=lambda mark: _fit(start, mark, columns), default=",")


def _fit(start: Sequence[str], mark: str, columns: Columns | None) -> tuple[bool, int, bool]:
    rows = sample_rows(start, mark)
    header = rows[0] if rows else []
    even = all(len(row) == len(header) for row in rows if row)
    return has_text(header, columns or Columns()), known_roles(header), even


def sample_rows(start: Sequence[str], delimiter: str) -> list[list[str]]:
    """The rows at a table's beginning, as far as they can be read."""
    rows: list[list[str]] = []
    reader = csv.reader(
        (f"{line}\n" for line in start), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    try:
        rows.extend(reader)
    except csv.Error:  # cut in the middle of a cell, or not quoted at all
        if not rows:
            return [line.split(delimiter) for line in start]
    return rows


class _Feed:
    """Lines for :mod:`csv`, which keep account of what a row took.

    Attributes:
        first: The line on which the row at hand begins.
        size: The bytes of its lines.
        taken: The text of its lines; to be emptied after each row.
        fault: What is wrong with the first of them that cannot be decoded.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = lines
        self.first, self.size = 1, 0
        self.taken: list[str] = []
        self.fault: InputError | None = None

    def texts(self) -> Iterator[str]:
        """The lines' texts, with their ends."""
        for line in self._lines:
            if not self.taken:
                self.first, self.size, self.fault = line.number, 0, None
            self.fault = self.fault or line.fault
            self.size += line.size
            self.taken.append(line.text)
            yield f"{line.text}\n"


def _ahead() -> Ledger:
    """An account for finding out how rows are to be read."""
    return Ledger("", faults=told_later)


def _from_header(
    lines: Iterable[Line], told: Ledger | None, ledger: Ledger | None = None
) -> Iterator[Line]:
    """The lines from the header on, without blank ones before it and the separator's own.

    Args:
        lines: All lines.
        told: Takes the line that names the separator, if there is one.
        ledger: Takes the blank lines.
    """
    rest = iter(lines)
    for line in rest:
        if not line.text.strip():
            if ledger:
                ledger.markup(line.size)
        elif told:
            told.header(line.size)
            told = None
        else:
            yield line
            break
    yield from rest


def _trimmed(row: Row) -> list[str]:
    return [cell.strip() for cell in row.cells]


def _broken(reason: str, place: str) -> InputError:
    if "field limit" in reason or "field larger" in reason:
        return InputError(
            f"{place}: a cell is larger than the limit of {csv.field_size_limit():,} characters.",
            hint="A quotation mark that is never closed does this, too.",
        )
    if "unexpected end" in reason:
        reason = "a quotation mark that opens in this row is never closed"
    elif "expected after" in reason:
        reason = "a cell goes on after its closing quotation mark"
    return InputError(
        f"{place}: {reason}.",
        hint='Inside a quoted cell, write each quotation mark twice: "she said ""no""". '
        "If they are text, say --quoting plain.",
    )
