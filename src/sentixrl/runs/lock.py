"""One writer per folder.

Contract: the lock is the operating system's, so it is released when the process ends, however that
happens; a ``.lock`` file left behind blocks nobody. Where the system allows it, the folder itself
is locked too, so that removing the ``.lock`` file lets no second writer in.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from sentixrl.errors import ConfigError
from sentixrl.runs.storage import storage_error

LOCK_FILE = ".lock"
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""Errors that mean another process holds the lock; any other error is not about the lock."""


class FolderLock:
    """Held from the object's creation until :meth:`release` or the end of the process.

    Args:
        folder: An existing folder.

    Raises:
        ConfigError: Another process holds it.
        SentixError: The folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        self._held: list[int] = []
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            self._held.append(file)
            _lock(file)
            self._lock_folder(folder)
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())
        except OSError as error:
            holder = self._holder() if error.errno in _HELD and self._held else None
            self.release()
            if holder is None:
                raise storage_error(path, error) from None
            raise ConfigError(
                f"Another process{holder} is writing to {folder}.",
                hint="Wait until it is done, or name another folder.",
                code="locked",
                retryable=True,
            ) from None

    def _lock_folder(self, folder: Path) -> None:
        """Lock the folder itself, which cannot be removed while it is in use."""
        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:  # Windows cannot open folders, but there an open file cannot be removed
            return
        self._held.append(handle)
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in _HELD:
                raise
            # Network disks do not lock folders.

    def _holder(self) -> str:
        """The other process's number in brackets, if it is known."""
        number = os.read(self._held[0], 20).decode("ascii", "replace").strip()
        return f" ({number})" if number else ""

    def release(self) -> None:
        """Release the lock; the file stays and means nothing."""
        while self._held:
            os.close(self._held.pop())


if sys.platform == "win32":  # pragma: no cover

    def _lock(file: int) -> None:
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:

    def _lock(file: int) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
