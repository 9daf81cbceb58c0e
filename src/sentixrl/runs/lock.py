"""One writer a folder.

Contract: the lock is the operating system's, so it goes with the process however that ends; a
``.lock`` file that is left behind holds nobody up.
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
"""What systems say of a lock that another process holds; anything else is no lock at all."""


class FolderLock:
    """Held from the making of the object until :meth:`release` or the end of the process.

    Args:
        folder: An existing folder.

    Raises:
        ConfigError: Another process holds it.
        SentixError: The folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise storage_error(path, error) from None
        try:
            _lock(self._file)
        except OSError as error:
            if error.errno not in _HELD:
                self.release()
                raise storage_error(path, error) from None
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            self.release()
            raise ConfigError(
                f"Another process{f' ({holder})' if holder else ''} is writing to {folder}.",
                hint="Wait until it is done, or name another folder.",
                code="locked",
                retryable=True,
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Let go; the file stays, empty of meaning."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


if sys.platform == "win32":  # pragma: no cover

    def _lock(file: int) -> None:
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:

    def _lock(file: int) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
