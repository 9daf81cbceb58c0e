"""What reading has to remember of a whole input, kept on disk where it is much.

Contract: memory does not grow with the input. What is kept is gone when the object is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sentixrl.errors import InputError


class _Temporary:
    """A database without a name: in memory while it is small, then in a temporary file."""

    def __init__(self, *tables: str) -> None:
        with _full_disk():
            self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000"):
                self._rows.execute(f"PRAGMA {setting}")
            for table in tables:
                self._rows.execute(f"CREATE TABLE {table} WITHOUT ROWID")
            self._rows.execute("BEGIN")

    def close(self) -> None:
        """Forget all of it."""
        self._rows.close()


class Register(_Temporary):
    """Which ids an input has given, and where."""

    def __init__(self) -> None:
        super().__init__("ids (id TEXT PRIMARY KEY, place INTEGER)")

    def add(self, id: str, place: int) -> int | None:
        """Note an id; where it stood before, if it did."""
        with _full_disk():
            done = self._rows.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (id, place))
        return None if done.rowcount else self._place(id)

    def __contains__(self, id: str) -> bool:
        return self._place(id) is not None

    def _place(self, id: str) -> int | None:
        found = self._rows.execute("SELECT place FROM ids WHERE id = ?", (id,)).fetchone()
        return None if found is None else int(found[0])


class Groups(_Temporary):
    """Rows that are put together by a key, in the order in which keys came up."""

    def __init__(self) -> None:
        super().__init__(
            "keys (key TEXT PRIMARY KEY, number INTEGER)",
            "members (number INTEGER, place INTEGER, value TEXT, PRIMARY KEY (number, place))",
        )
        self._count = self._place = 0

    def add(self, key: str, value: Sequence[str | int]) -> None:
        """Put a row into its group."""
        with _full_disk():
            find = self._rows.execute("SELECT number FROM keys WHERE key = ?", (key,)).fetchone()
            if find is None:
                self._count += 1
                self._rows.execute("INSERT INTO keys VALUES (?, ?)", (key, self._count))
            number = self._count if find is None else find[0]
            self._place += 1
            self._rows.execute(
                "INSERT INTO members VALUES (?, ?, ?)", (number, self._place, json.dumps(value))
            )

    def members(self) -> Iterator[Sequence[str | int]]:
        """The rows, group after group."""
        with _full_disk():
            found = self._rows.execute("SELECT value FROM members ORDER BY number, place")
            yield from (json.loads(value) for (value,) in found)


@contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise InputError(
            f"The input needs room in the folder for temporary files, and gets none ({error}).",
            hint="Name a folder with room in the environment variable SQLITE_TMPDIR.",
        ) from None
