"""Rows of any table: what a CSV file, a spreadsheet or a list of records has in common.

Contract: a table has a header and rows that can be read more than once; each row has as many
cells as the header and knows where it stands. Rows without anything in them are marked, never
dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from sentixrl.errors import InputError
from sentixrl.formats.ledger import Ledger


class Row(NamedTuple):
    """One row.

    Attributes:
        line: Where it begins: the line of a file, the row of a sheet, the record of a list.
        cells: Its cells as text, outer white space included.
        size: Its bytes in the input.
        number: Its place among the rows, as a spreadsheet shows it: the header of a text file is
            row 1, and a cell with line breaks takes no more than its row. Where an input has no
            lines, the same as ``line``.
    """

    line: int
    cells: Sequence[str]
    size: int
    number: int


class Table(Protocol):
    """A header and rows that can be read more than once."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def spot(self) -> str:
        """What errors call a row's place: ``line`` or ``row``."""

    @property
    def header(self) -> Sequence[str]:
        """The columns' names, without outer white space."""

    def rows(self, ledger: Ledger) -> Iterator[Row]:
        """The rows that hold something; the ledger is told of everything else."""


def check_width(row: Row, width: int, name: str, spot: str = "line") -> None:
    """Refuse a row with more or fewer cells than the header.

    Raises:
        InputError: It names the row and both numbers.
    """
    if len(row.cells) != width:
        raise InputError(
            f"{name}, {spot} {row.line}: the row has {len(row.cells)} cells, the header "
            f"has {width}.",
            hint="Put quotation marks around cells that hold the separator.",
        )


def is_empty(cells: Sequence[str]) -> bool:
    """Whether no cell holds anything, as in the rows that spreadsheets leave behind."""
    return not "".join(cells).strip()
