"""Files that survive: an append-only log of lines, and whole files put in place.

Contract: :meth:`AppendLog.append` leaves the whole line or nothing of it. A killed process loses
no line that was appended; a power cut loses at most those since the last wait for the disk, which
comes with the first line after ``SYNC_SECONDS``. What a crash cut off is the last line at most;
:func:`scan` tells it from whole lines, and opening the log drops it. Whatever the disk refuses is
one :class:`~sentixrl.errors.SentixError`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sentixrl.errors import InputError, SentixError

SYNC_SECONDS = 0.2
"""Lines that come faster than this share a wait for the disk."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Scan:
    """What a log holds.

    Attributes:
        payloads: The object of every whole line.
        end: Bytes of the whole lines.
        cut: Bytes of a last line that is not whole.
    """

    payloads: list[dict[str, Any]]
    end: int = 0
    cut: int = 0


def scan(path: Path) -> Scan:
    """Read a log; a last line that a crash cut off is left out, not changed.

    Raises:
        InputError: It cannot be read, or a line that others follow is not a whole object.
    """
    payloads: list[dict[str, Any]] = []
    end = cut = 0
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if cut:
                    raise InputError(
                        f"{path}, line {number - 1}: this is not a whole JSON object, and other "
                        "lines follow it.",
                        hint="A crash spoils only the last line: the file was changed by other "
                        "means. Restore it, or remove the line to have its dialogue done again.",
                    )
                payload = _object(line)
                if payload is None:
                    cut = len(line)
                else:
                    payloads.append(payload)
                    end += len(line)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return Scan(payloads, end, cut)


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        payload = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


class AppendLog:
    """A file of JSON lines that only grows.

    Args:
        path: The file; made if it is not there.

    Attributes:
        found: What it held when it was opened.

    Raises:
        InputError: It holds broken lines before the last.
        SentixError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = scan(path) if path.exists() else Scan([])
        self._end = self.found.end
        self._unsynced = False
        self._synced = -SYNC_SECONDS
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(path, flags, 0o666)
            if self.found.cut:
                os.ftruncate(self._file, self._end)
                os.fsync(self._file)
        except OSError as error:
            raise storage_error(path, error) from None

    def append(self, payload: Mapping[str, Any]) -> None:
        """Write one line, and wait for the disk if that was ``SYNC_SECONDS`` ago or longer.

        Raises:
            SentixError: The disk is full or refuses; the log is as it was before.
        """
        line = as_bytes(json.dumps(payload, ensure_ascii=False, separators=(",", ":"))) + b"\n"
        try:
            write_all(self._file, line)
        except OSError as error:
            self._undo()
            raise storage_error(self.path, error) from None
        except BaseException:  # Ctrl-C in between
            self._undo()
            raise
        self._end += len(line)
        self._unsynced = True
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Wait until all lines are on the disk.

        Raises:
            SentixError: The disk refuses.
        """
        if not self._unsynced:
            return
        try:
            os.fsync(self._file)
        except OSError as error:
            raise storage_error(self.path, error) from None
        self._unsynced, self._synced = False, time.monotonic()

    def _undo(self) -> None:
        with contextlib.suppress(OSError):  # else the next opening drops the cut line
            os.ftruncate(self._file, self._end)

    def close(self) -> None:
        """Wait for the disk and let go of the file.

        Raises:
            SentixError: The disk refuses.
        """
        if self._file < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def write_all(file: int, content: bytes) -> None:
    """Write all of ``content``, however little the system takes at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def as_bytes(text: str) -> bytes:
    """JSON as UTF-8; half characters, which names of files may hold, as the escapes of JSON."""
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, payload: Mapping[str, Any] | Sequence[Any]) -> None:
    """Put a whole JSON file in place; at every moment the old or the new one stands there.

    Raises:
        SentixError: The disk is full or refuses; the old file, if any, is untouched.
    """
    text = json.dumps(payload, ensure_ascii=False, indent=1) + "\n"
    scratch = path.with_name(f".{path.name}.new")
    try:
        with scratch.open("wb") as stream:
            stream.write(as_bytes(text))
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise storage_error(path, error) from None


def sync_folder(folder: Path) -> None:
    """Wait until a folder's new entries are on the disk, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_file(path: Path) -> None:
    """Wait until what a file holds is on the disk.

    Raises:
        OSError: The disk refuses.
    """
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def storage_error(path: Path, error: Exception) -> SentixError:
    """What to tell a user whose disk refuses, be it a library's own error that says so."""
    said = getattr(error, "strerror", None)
    if getattr(error, "errno", None) in _FULL:
        return SentixError(
            f"{path} cannot grow: {(said or 'the disk is full').lower()}. All that was "
            "written before is kept.",
            hint="Make room, then run the same command again: it goes on where it stopped.",
            code="disk_full",
            retryable=True,
        )
    return SentixError(
        f"{path} cannot be written: {said or error}.",
        hint="Name a folder that you may write to.",
        code="not_writable",
    )
