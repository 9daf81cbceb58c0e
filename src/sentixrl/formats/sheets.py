"""Tables that are no text: Parquet files and Excel workbooks.

Contract: a workbook has exactly one sheet that holds anything; its first row that does names the
columns. A file's bytes count for its first row, as rows have none of their own. Parquet is read a
batch at a time; a workbook is in memory as a whole.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, BinaryIO

from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.formats.characters import shown
from sentixrl.formats.columns import Columns
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.source import FREE_BYTES, MAX_BYTES, MOST_UNPACKED, InputSource
from sentixrl.formats.values_table import Values, ValueTable, cell_text

EXTRA = "tables"
MAX_CELLS = 20_000_000
"""The largest area of a workbook's sheets, in cells: the library holds all of it, empty or not."""

_BATCH = 512
_CHUNK = 1 << 20
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{0,3})(\d{1,10})["']""")
_LONGEST_PLACE = 64
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


def parquet_table(
    source: InputSource, columns: Columns | None = None, *, keep: bool = False
) -> ValueTable:
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
        _check_row_groups(file, source)
        header = [str(name) for name in file.schema_arrow.names]
    return ValueTable(source.name, "row", header, rows, columns, keep=keep)


def workbook_table(
    source: InputSource, columns: Columns | None = None, *, keep: bool = False
) -> ValueTable:
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

    names = [cell_text(cell) or "" for cell in header]
    return ValueTable(source.name, "row", names, rows, columns, keep=keep)


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
            _check_size(stream, source.name)
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


def _check_row_groups(file: Any, source: InputSource) -> None:  # noqa: ANN401  (pyarrow's)
    """Refuse a file that unpacks to more than any table does."""
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(at).total_byte_size for at in groups)
    if not 0 <= size <= FREE_BYTES + MOST_UNPACKED * source.size():
        raise InputError(
            f"{source.name} unpacks to more than {MOST_UNPACKED} times its size, as no table does.",
            hint="Unpack it yourself if you trust it.",
        )


def _check_size(stream: BinaryIO, name: str) -> None:
    """Refuse a workbook that unpacks to too much, or whose cells lie too far apart."""
    with zipfile.ZipFile(stream) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise InputError(
                f"{name} unpacks to {size:,} bytes, more than the {MAX_BYTES:,} that are read at "
                "once.",
                hint="Save the sheet as CSV.",
            )
        for member in archive.namelist():
            if _SHEET.fullmatch(member):
                with archive.open(member) as sheet:
                    area = _area(sheet)
                if area > MAX_CELLS:
                    raise InputError(
                        f"{name} has a sheet of {area:,} cells, most of them empty; at most "
                        f"{MAX_CELLS:,} are read.",
                        hint="Save the rows with the conversation as CSV.",
                    )


def _area(sheet: IO[bytes]) -> int:
    """The cells between the first one of a sheet and its last row and column."""
    rows = columns = 1
    text = b""
    while chunk := sheet.read(_CHUNK):
        text = text[-_LONGEST_PLACE:] + chunk
        for letters, number in _PLACE.findall(text):
            rows = max(rows, int(number))
            columns = max(columns, _column(letters))
    return rows * columns


def _column(letters: bytes) -> int:
    """The number of the column that is called so: 1 for ``A``, 28 for ``AB``."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - ord("A") + 1
    return number


def _reason(error: BaseException) -> str:
    return shown(str(error).partition("\n")[0].rstrip("."), 120)
