"""What reading has to remember of a whole input, kept on disk where it is much.

Contract: memory does not grow with the input. What is kept is gone when the object is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sentixrl.errors import InputError

NO_ROOM = "no_room"
"""The code of errors that say nothing of the input: there is no room for temporary files."""


class Register:
    """Which ids an input has given, and where.

    A database without a name: in memory while it is small, then in a temporary file.
    """

    def __init__(self) -> None:
        with full_disk("SQLITE_TMPDIR"):
            self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000"):
                self._rows.execute(f"PRAGMA {setting}")
            self._rows.execute(
                "CREATE TABLE ids (id BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID"
            )
            self._rows.execute("BEGIN")

    def close(self) -> None:
        """Forget all of it."""
        self._rows.close()

    def add(self, id: str, place: int) -> int | None:
        """Note an id; where it stood before, if it did."""
        row = _as_bytes(id), place
        with full_disk("SQLITE_TMPDIR"):
            done = self._rows.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", row)
        return None if done.rowcount else self._place(id)

    def __contains__(self, id: str) -> bool:
        return self._place(id) is not None

    def _place(self, id: str) -> int | None:
        row = (_as_bytes(id),)
        found = self._rows.execute("SELECT place FROM ids WHERE id = ?", row).fetchone()
        return None if found is None else int(found[0])


def _as_bytes(id: str) -> bytes:
    """An id, which may hold half a character: what is wrong with it is told where it is used."""
    return id.encode("utf-8", "surrogatepass")


@contextmanager
def full_disk(variable: str) -> Iterator[None]:
    """Say in a sentence that there is no room for temporary files.

    Args:
        variable: The environment variable that names their folder.

    Raises:
        InputError: There is none.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"The input needs room in the folder for temporary files, and gets none ({reason}).",
            hint=f"Name a folder with room in the environment variable {variable}.",
            code=NO_ROOM,
            retryable=True,
        ) from None
