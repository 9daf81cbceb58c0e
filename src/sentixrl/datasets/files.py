"""From a data set's folder to rows: files are found, decoded and split; each row knows its line.

Contract: every fault of a file is one :class:`~sentixrl.errors.InputError` that names the
file and, where there is one, the line. Nothing larger than ``MAX_BYTES`` is read. The layout of a
published table is known, so nothing is found out here, and no cell is trimmed: users' own tables,
of which neither is true, are read by :mod:`sentixrl.formats.delimited`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentixrl.errors import InputError
from sentixrl.formats.characters import name_fault, nearest, shown, unix_lines
from sentixrl.formats.source import MAX_BYTES
from sentixrl.untrusted import read_bounded

MISSING = "missing_data"
"""The code of errors that say a file is not there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: a file (relative to the data set's folder) and a place in it."""

    file: str
    spot: str

    def __str__(self) -> str:
        return f"{self.file}, {self.spot}"

    def error(self, problem: str, hint: str | None = None) -> InputError:
        """An error about this place."""
        return InputError(f"{self}: {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells by column, and its place."""

    place: Place
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def required(self, column: str) -> str:
        """A name or identifier: one line that is not empty, without outer white space."""
        value = self.cells[column].strip()
        if not value:
            raise self.place.error(f"the column '{column}' is empty.")
        if fault := name_fault(value):
            raise self.place.error(
                f"the column '{column}' {fault}.", hint="A quotation mark may be missing."
            )
        return value

    def integer(self, column: str) -> int:
        """A cell that must be a whole number."""
        try:
            return int(self.cells[column])
        except ValueError:
            value = shown(self.cells[column])
            raise self.place.error(
                f"'{value}' in the column '{column}' is not a whole number."
            ) from None

    def number(self, column: str) -> float:
        """A cell that must be a finite number."""
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            cell = shown(self.cells[column])
            raise self.place.error(f"'{cell}' in the column '{column}' is not a number.")
        return value


def find(folder: Path, candidates: Sequence[str], what: str, hint: str) -> Path:
    """The first of some files that exists.

    Args:
        folder: The data set's folder.
        candidates: Paths relative to it.
        what: What is looked for, to complete "There is no …".
        hint: What to do if there is none.

    Raises:
        InputError: There is no such folder or none of the files; the code is ``missing_data``.
    """
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.exists() else "does not exist"
        raise InputError(f"The data folder {folder} {kind}.", hint=hint, code=MISSING)
    for candidate in candidates:
        if (folder / candidate).is_file():
            return folder / candidate
    raise InputError(
        f"There is no {what} in {folder}: looked for {' or '.join(candidates)}, "
        f"found {_listed(folder)}.",
        hint=hint,
        code=MISSING,
    )


def _listed(folder: Path, limit: int = 6) -> str:
    try:
        there = sorted(item.name + "/" * item.is_dir() for item in folder.iterdir())
    except OSError as error:
        return f"a folder that cannot be read ({error.strerror or error})"
    if not there:
        return "nothing"
    return shown(", ".join(there[:limit]), 200) + (", …" if len(there) > limit else "")


def read_text(path: Path, folder: Path) -> str:
    r"""A file's text: UTF-8, without byte order mark, lines ending in ``\n``.

    Raises:
        InputError: It is too large, not readable, empty, or not UTF-8 throughout.
    """
    name = relative(path, folder)
    try:
        raw = read_bounded(path, MAX_BYTES)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}, line {line}: byte 0x{raw[error.start]:02X} is not UTF-8 text.",
            hint="Save the whole file as UTF-8; one glued together from several encodings must "
            "be converted part by part.",
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{name}, line {line}: the text holds a NUL character.")
    if not text.strip():
        raise InputError(f"{name} is empty.")
    return unix_lines(text)


def relative(path: Path, folder: Path) -> str:
    """A file's name in reports: relative to the data set's folder, the same on every machine."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def read_csv(path: Path, folder: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a comma-separated table with a header.

    Args:
        path: The file.
        folder: The data set's folder.
        columns: What the header must have, among other columns.

    Raises:
        InputError: A column is missing, a row has too few or too many cells, or a quoted cell
            does not end.
    """
    name = relative(path, folder)
    lines = _split(name, csv.reader(io.StringIO(read_text(path, folder)), strict=True))
    header = [cell.strip() for cell in next(lines)[1]]
    _check_header(header, columns, name)
    for place, cells in lines:
        if len(cells) != len(header):
            raise place.error(
                f"the row has {len(cells)} cells, the header {len(header)}.",
                hint="The file may be cut off, or a comma may stand outside of quotation marks.",
            )
        yield Row(place, dict(zip(header, cells, strict=True)))


def read_tsv(path: Path, folder: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a tab-separated table without a header or quotation marks.

    Raises:
        InputError: A row has too few or too many cells.
    """
    name = relative(path, folder)
    for number, line in enumerate(read_text(path, folder).split("\n"), start=1):
        if not line:
            continue
        place, cells = Place(name, f"line {number}"), line.split("\t")
        if len(cells) != len(columns):
            raise place.error(
                f"the row has {len(cells)} cells instead of {len(columns)} ({', '.join(columns)}).",
                hint="The file may be cut off, or not be separated by tabs.",
            )
        yield Row(place, dict(zip(columns, cells, strict=True)))


def read_json(path: Path, folder: Path) -> Any:  # noqa: ANN401  (JSON is anything)
    """A JSON file's content.

    Raises:
        InputError: It is not valid JSON.
    """
    text = read_text(path, folder)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(
            f"{relative(path, folder)}{where}: the file is not valid JSON.",
            hint="It may be cut off: get it again.",
        ) from None


def _split(name: str, reader: Any) -> Iterator[tuple[Place, list[str]]]:  # noqa: ANN401  (csv's)
    start = 1
    while True:
        place = Place(name, f"line {start}")
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise place.error(*_explained(str(error))) from None
        if cells:
            yield place, cells
        start = reader.line_num + 1


def _explained(problem: str) -> tuple[str, str]:
    cut = "The file may be cut off, or a quotation mark may be missing: get it again."
    if "unexpected end" in problem:
        return "the file ends in the middle of a quoted cell.", cut
    if "field limit" in problem:
        return f"a cell has more than {csv.field_size_limit():,} characters.", cut
    return f"the row is not valid CSV ({problem}).", cut


def _check_header(header: Sequence[str], columns: Sequence[str], name: str) -> None:
    if missing := [column for column in columns if column not in header]:
        close = nearest(missing[0], [cell for cell in header if cell not in columns])
        raise InputError(
            f"{name}, line 1: there is no column '{missing[0]}' (there are: "
            f"{shown(', '.join(header), 200)}).",
            hint=f"Rename the column '{shown(close)}' to '{missing[0]}'."
            if close
            else f"It needs the columns {', '.join(columns)}.",
        )
    if len(set(header)) < len(header):
        twice = next(cell for cell in header if header.count(cell) > 1)
        raise InputError(f"{name}, line 1: the column '{shown(twice)}' stands there twice.")
