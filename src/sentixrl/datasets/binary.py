"""Tables with one 0/1 column per label: the layout that XED and BRIGHTER share."""

from __future__ import annotations

from collections.abc import Sequence

from sentixrl.datasets.files import Row


def marked(row: Row, columns: Sequence[str]) -> list[str]:
    """The columns that are marked in a row.

    Raises:
        InputError: A cell is neither 0 nor 1.
    """
    for column in columns:
        if row[column].strip() not in {"0", "1"}:
            value = row[column].strip()
            problem = f"is '{value[:20]}', not 0 or 1" if value else "is empty"
            raise row.place.error(
                f"the column '{column}' {problem}.",
                hint=None if value else "The labels may have been withheld: get the labelled file.",
            )
    return [column for column in columns if row[column].strip() == "1"]
