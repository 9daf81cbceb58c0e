"""Tables that are no text: Parquet files and Excel workbooks.

Contract: a workbook has exactly one sheet that holds anything; its first row that does names the
columns. A file's bytes count for its first row, as rows have none of their own. Parquet is read a
batch at a time; a workbook is in memory as a whole.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.formats.characters import shown
from sentixrl.formats.columns import Columns
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.source import MAX_BYTES, InputSource
from sentixrl.formats.values_table import Values, ValueTable, cell_text

EXTRA = "tables"
_BATCH = 4096
_FAULTS = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError)


def parquet_table(source: InputSource, columns: Columns | None = None) -> ValueTable:
    """A Parquet file as a table.

    Raises:
        MissingDependencyError: pyarrow is not there.
        InputError: The file is broken, or has no column of texts.
    """

    def rows(ledger: Ledger) -> Iterator[Values]:
        size = source.size()
        line = 0
        with _parquet(source) as file:
            for batch in file.iter_batches(_BATCH):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    line += 1
                    yield Values(line, values, size)
                    size = 0
        ledger.header(size)  # what no row has taken

    with _parquet(source) as file:
        header = [str(name) for name in file.schema_arrow.names]
    return ValueTable(source.name, "row", header, rows, columns)


def workbook_table(source: InputSource, columns: Columns | None = None) -> ValueTable:
    """The one sheet of an Excel workbook that holds anything, as a table.

    Raises:
        MissingDependencyError: python-calamine is not there.
        InputError: The file is broken, several sheets hold something, or there is no column of
            texts.
    """
    filled = [(title, rows) for title, rows in _sheets(source) if rows]
    if len(filled) != 1:
        titles = ", ".join(shown(title) for title, _ in filled[:6])
        what = f"{len(filled)} sheets that hold something ({titles})" if filled else "no rows"
        raise InputError(
            f"{source.name} has {what}.",
            hint="Save the sheet with the conversation as a workbook of its own, or as CSV.",
        )
    (first, header), *below = filled[0][1]

    def rows(ledger: Ledger) -> Iterator[Values]:
        size, last = source.size(), first
        for line, values in below:
            for blank in range(last + 1, line):
                ledger.skip("blank row", 0, blank)
            yield Values(line, values, size)
            size, last = 0, line
        ledger.header(size)  # what no row has taken

    return ValueTable(source.name, "row", [cell_text(cell) or "" for cell in header], rows, columns)


@contextmanager
def _parquet(source: InputSource) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise MissingDependencyError.of("pyarrow", EXTRA) from None
    try:
        with source.open() as stream, ParquetFile(stream) as file:
            yield file
    except (ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{source.name} is not a Parquet file that can be read ({_reason(error)}).",
            hint="It may be cut off: get it again.",
        ) from None


def _sheets(source: InputSource) -> Iterator[tuple[str, list[tuple[int, Sequence[object]]]]]:
    """Each sheet's rows that hold something, with their numbers."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise MissingDependencyError.of("python-calamine", EXTRA) from None
    try:
        with source.open() as stream:
            _check_unpacked(stream, source.name)
            stream.seek(0)
            book = CalamineWorkbook.from_filelike(stream)
            for title in book.sheet_names:
                rows = book.get_sheet_by_name(title).to_python(skip_empty_area=False)
                numbered = enumerate(rows, start=1)
                yield title, [(at, row) for at, row in numbered if any(map(cell_text, row))]
    except BaseException as error:
        # The library is in Rust, whose panics are no exceptions of the usual kind.
        known = isinstance(error, (CalamineError, *_FAULTS))
        if not known and type(error).__name__ != "PanicException":
            raise
        raise InputError(
            f"{source.name} is not a workbook that can be read ({_reason(error)}).",
            hint="Open it in a spreadsheet and save it as .xlsx or CSV.",
        ) from None


def _check_unpacked(stream: Any, name: str) -> None:  # noqa: ANN401  (any binary stream)
    with zipfile.ZipFile(stream) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise InputError(
            f"{name} unpacks to {size:,} bytes, more than the {MAX_BYTES:,} that are read at once.",
            hint="Save the sheet as CSV.",
        )


def _reason(error: BaseException) -> str:
    return shown(str(error).partition("\n")[0].rstrip("."), 120)
