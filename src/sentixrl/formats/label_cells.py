"""Several labels in one cell of a table: ``joy; surprise``.

Contract: an empty cell says nothing, ``[]`` says that no label applies. A label that holds the
separator or a quotation mark stands in quotation marks. :func:`split_labels` is the inverse of
:func:`label_cell` for labels without outer white space.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

SEPARATOR = ";"
NONE = "[]"


def label_cell(names: Iterable[str]) -> str:
    """The cell that holds these labels."""
    written = io.StringIO()
    csv.writer(written, delimiter=SEPARATOR, lineterminator="").writerow(names)
    # csv puts no space after its separator; a reader of the table wants one.
    cell = _spaced(written.getvalue()) or NONE
    return f'"{NONE}"' if written.getvalue() == NONE else cell


def _spaced(row: str) -> str:
    parts: list[str] = []
    quoted = False
    for character in row:
        quoted ^= character == '"'
        parts.append("; " if character == SEPARATOR and not quoted else character)
    return "".join(parts)


def split_labels(cell: str) -> tuple[str, ...]:
    """The labels in a cell, as they are written there.

    Args:
        cell: Not empty.
    """
    if cell.strip() == NONE:
        return ()
    row = next(csv.reader([cell], delimiter=SEPARATOR, skipinitialspace=True))
    return tuple(part.strip() for part in row)
