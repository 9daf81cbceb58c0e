"""Files that survive crashes: an append-only log of lines, and files replaced as a whole.

Contract: :meth:`AppendLog.append` writes the whole line or nothing. A killed process loses no
appended line. A power cut loses at most the lines since the last wait for the disk, which comes
with the first line after ``SYNC_SECONDS``. A crash cuts off the last line at most; :class:`Scan`
recognises it, and opening the log drops it. Each line carries a digest that reveals edits. It
guards against accidents, not against somebody who computes it anew. Whatever the disk refuses is
one :class:`~sentixrl.errors.SentixError`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

from sentixrl.errors import InputError, SentixError
from sentixrl.formats.characters import shown
from sentixrl.untrusted import open_file

SYNC_SECONDS = 0.2
"""Lines that come faster than this share a wait for the disk."""
MAX_LINE = 1 << 29
"""The most bytes of a line; a longer one is not whole."""
DIGEST = "digest"
"""The key of a line's digest, which covers everything before it in the line."""
CHANGED = (
    "The file was changed by other means: restore it, or remove the line to have its dialogue "
    "answered anew."
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Scan:
    """The objects of a log's whole lines, in order; a last line that was cut off is left out.

    Args:
        path: The file; if it is not there, there are no lines.
        sealed: Whether every line must carry its digest, as :meth:`AppendLog.append` writes it.

    Attributes:
        end: Bytes of the whole lines, once all have been read.
        cut: Bytes of a last line that is not whole, likewise.
    """

    def __init__(self, path: Path, *, sealed: bool = True) -> None:
        self.path = path
        self.sealed = sealed
        self.end = self.cut = 0

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Number and object of each line.

        Raises:
            InputError: The file cannot be read, a line before the last is not a whole object, or a
                line was changed since it was written.
        """
        self.end = self.cut = 0
        try:
            with open_file(self.path) as stream:
                lines = iter(lambda: stream.readline(MAX_LINE), b"")
                for number, line in enumerate(lines, start=1):
                    if (payload := self._whole(number, line)) is not None:
                        yield number, payload
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}.") from None

    def _whole(self, number: int, line: bytes) -> dict[str, Any] | None:
        if self.cut:
            raise InputError(
                f"{self.path}, line {number - 1}: this is not a whole JSON object, and other "
                "lines follow it.",
                hint="A crash spoils only the last line: the file was changed by other "
                "means. Restore it, or remove the line to have its dialogue done again.",
            )
        payload = _object(line)
        if payload is None:
            self.cut = len(line)
            return None
        if not _unchanged(line, payload, sealed=self.sealed):
            of = f" of dialogue '{shown(str(payload['id']))}'" if "id" in payload else ""
            raise InputError(
                f"{self.path}, line {number}: the line{of} was changed since it was written.",
                hint=CHANGED,
            )
        self.end += len(line)
        return payload


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        payload = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _unchanged(line: bytes, payload: Mapping[str, Any], *, sealed: bool) -> bool:
    """Whether a line is as it was written; if it has no digest, whether it may lack one."""
    if DIGEST not in payload:
        return not sealed
    body = line[: -len(_seal(b""))] + b"}"
    return line == body[:-1] + _seal(body)


def _line(payload: Mapping[str, Any]) -> bytes:
    body = as_bytes(json.dumps(payload, ensure_ascii=False, separators=(",", ":")))
    return body[:-1] + _seal(body)


def _seal(body: bytes) -> bytes:
    """The end of a line: the digest of its object without this key."""
    digest = hashlib.sha256(body).hexdigest()[:16]
    return f',"{DIGEST}":"{digest}"}}\n'.encode()


class AppendLog:
    """A file of JSON lines that only grows, each with a digest of itself.

    Args:
        found: What is there already, read to its end; a line that was cut off is dropped.

    Raises:
        SentixError: It cannot be written.
    """

    def __init__(self, found: Scan) -> None:
        self.path = found.path
        self._end = found.end
        self._unsynced = False
        self._synced = -SYNC_SECONDS
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(self.path, flags, 0o666)
            if found.cut:
                os.ftruncate(self._file, self._end)
                os.fsync(self._file)
        except OSError as error:
            raise storage_error(self.path, error) from None

    def append(self, payload: Mapping[str, Any]) -> None:
        """Write one line, and wait for the disk if that was ``SYNC_SECONDS`` ago or longer.

        Raises:
            SentixError: The disk is full or refuses, or the file was removed or replaced meanwhile;
                the log is as it was before.
        """
        line = _line(payload)
        self._check_in_place()
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

    def _check_in_place(self) -> None:
        """Lines written to a removed file would be lost without notice."""
        try:
            here = os.path.samestat(self.path.stat(), os.fstat(self._file))
        except OSError:
            here = False
        if not here:
            raise SentixError(
                f"{self.path} was removed or replaced while it was being written.",
                hint="Restore it, or name a new folder; leave run folders alone while they grow.",
                code="log_replaced",
            )

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
        """Wait for the disk and close the file.

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
    """Write all of ``content``, however little the system writes at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def as_bytes(text: str) -> bytes:
    """JSON as UTF-8; lone surrogates, which file names may hold, as JSON escapes."""
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, payload: Mapping[str, Any] | Sequence[Any]) -> None:
    """Put a whole JSON file in place (see :func:`write_file`).

    Raises:
        SentixError: The disk is full or refuses; the old file, if any, is untouched.
    """
    write_file(path, as_bytes(json.dumps(payload, ensure_ascii=False, indent=1) + "\n"))


def write_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole; at every moment the old or the new one is there.

    Raises:
        SentixError: The disk is full or refuses; the old file, if any, is untouched.
    """
    write_lines(path, [content])


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Replace a file by lines as they come, as :func:`write_file` does; how many they were.

    Raises:
        SentixError: The disk is full or refuses; the old file, if any, is untouched.
    """
    scratch = path.with_name(f".{path.name}.new")
    count = 0
    try:
        with scratch.open("wb") as stream:
            for line in lines:
                stream.write(line)
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise storage_error(path, error) from None
    return count


def check_writable(folder: Path) -> None:
    """Check that a folder can be written, before anything slow begins.

    Args:
        folder: A folder, or one that will be created.

    Raises:
        SentixError: It cannot.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
        raise storage_error(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def sync_folder(folder: Path) -> None:
    """Wait until a folder's new entries are on the disk, if the system can do that."""
    with contextlib.suppress(OSError):  # Windows cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk.

    Raises:
        OSError: The disk refuses.
    """
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def storage_error(path: Path, error: Exception) -> SentixError:
    """What to tell a user whose disk refuses, also if a library's own error says so."""
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
