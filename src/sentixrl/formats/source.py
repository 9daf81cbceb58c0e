r"""An input as it lies on disk: opened as often as a reader needs it, unpacked, cut into lines.

Contract: bytes come back the same each time; what cannot be sought in (a pipe, standard input) is
copied to a temporary file first. A gzip file is read as what it holds. Whatever is in the way is
an :class:`InputError`. Only one piece of the input is in memory at a time.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from sentixrl.errors import InputError
from sentixrl.formats.characters import check_readable, unix_lines
from sentixrl.formats.decoding import TextEncoding, decoded_chunks, decoded_lines
from sentixrl.formats.messages import Line

MAX_BYTES = 256 * 1024 * 1024
"""The most that is read where all of it has to be in memory at once: an element of a JSON list, a
workbook, a file of a data set."""
HEAD_BYTES = 64 * 1024
"""How much of the beginning tells the format."""

PATIENCE = 5.0
"""Seconds that a named pipe is waited for which nobody writes to."""
GZIP = b"\x1f\x8b"
_IN_MEMORY = 8 * 1024 * 1024
# A text packs to a tenth; only what is made to do harm packs to a two-hundredth.
MOST_UNPACKED, FREE_BYTES = 200, 64 * 1024 * 1024
"""How many times its size a file may unpack to, and what it may unpack to in any case."""


class InputSource:
    """One input that can be read from its start more than once.

    Args:
        name: What errors call it.
        open_raw: Opens the bytes as they are stored; called once a reading.
        encoding: The text encoding of its lines.
        suffix: The ending of its name in lower case, without ``.gz``; empty if there is none.
    """

    def __init__(
        self,
        name: str,
        open_raw: Callable[[], BinaryIO],
        encoding: str = "utf-8",
        *,
        suffix: str = "",
    ) -> None:
        self._name = name
        self._open_raw = open_raw
        self._asked = encoding
        self.suffix = suffix
        with self._guarded(open_raw()) as raw:
            self.packed = raw.read(2) == GZIP
        with self.open() as stream:
            self.head = stream.read(HEAD_BYTES)
        self.encoding = TextEncoding.named(encoding, self.head)

    @property
    def name(self) -> str:
        """What errors call it."""
        return self._name

    def open(self) -> BinaryIO:
        """Its bytes, unpacked, from the start; the caller closes it."""
        raw = self._open_raw()
        if not self.packed:
            return self._guarded(raw)
        stored = _size(raw)
        return self._guarded(cast(BinaryIO, gzip.GzipFile(fileobj=raw)), raw, stored)

    def lines(self, *, tolerant: bool = False) -> Iterator[Line]:
        """Its lines as text, from the first.

        Args:
            tolerant: Whether lines that are not UTF-8, or hold a NUL, come with their fault.

        Raises:
            InputError: Bytes that are not in the encoding, a NUL, half a character, or a line
                of more than ``MAX_LINE_BYTES`` bytes.
        """
        with self.open() as stream:
            yield from decoded_lines(stream, self.name, self.encoding, tolerant=tolerant)

    def start(self) -> list[str]:
        """The lines of its first bytes; raises as :meth:`lines` does."""
        lines = self.encoding.start(self.head, whole=len(self.head) < HEAD_BYTES)
        if lines is None:  # what is wrong with one of them is told where it is read
            lines, left = [], HEAD_BYTES
            for line in self.lines():
                lines.append(line.text)
                left -= line.size
                if left <= 0:
                    break
        return lines

    def chunks(self, *, tolerant: bool = False) -> Iterator[str]:
        """Its text in pieces, from the start; raises as :meth:`lines` does.

        Args:
            tolerant: Whether what is not UTF-8 is replaced and NULs stay, for a look at the text.
        """
        with self.open() as stream:
            yield from decoded_chunks(stream, self.name, self.encoding, tolerant=tolerant)

    def inside(self, name: str, open: Callable[[], BinaryIO]) -> InputSource:
        """An input within this one, such as a member of an archive, read the same way."""
        return InputSource(name, open, self._asked)

    def size(self) -> int:
        """How many bytes :meth:`open` gives, counted by reading them if it is packed."""
        with self.open() as stream:
            if not self.packed:
                return stream.seek(0, io.SEEK_END)
            return sum(map(len, iter(lambda: stream.read(1 << 20), b"")))

    def _guarded(
        self, stream: BinaryIO, below: BinaryIO | None = None, stored: int | None = None
    ) -> BinaryIO:
        return io.BufferedReader(_Guarded(stream, self.name, below, stored), 1 << 16)


class _Guarded(io.RawIOBase):
    """A stream whose faults are sentences: a disk that fails, a gzip file that is cut or a trap."""

    def __init__(
        self, stream: BinaryIO, name: str, below: BinaryIO | None, stored: int | None
    ) -> None:
        self._stream, self._name, self._below = stream, name, below
        self._bound = None if stored is None else FREE_BYTES + MOST_UNPACKED * stored
        self._given = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            part = self._stream.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(
                f"{self._name} cannot be unpacked: {str(error).rstrip('.').lower()}.",
                hint="The file may be cut off: get it again.",
            ) from None
        except OSError as error:
            raise InputError(f"{self._name} cannot be read: {error.strerror or error}.") from None
        self._given += len(part)
        if self._bound is not None and self._given > self._bound:
            raise InputError(
                f"{self._name} unpacks to more than {MOST_UNPACKED} times its size, as no text "
                "does.",
                hint="Unpack it yourself if you trust it.",
            )
        buffer[: len(part)] = part
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            if self._below is not None:
                self._below.close()
        super().close()


def source_of_file(path: Path, name: str, encoding: str) -> InputSource:
    """A file as an input.

    Raises:
        InputError: It is missing, a folder or not readable, or the encoding is unknown.
    """
    with _named_faults(name):
        mode = path.stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise InputError(
            f"{name} is a device, not a file.", hint="Name a file; '-' reads standard input."
        )

    def open_raw() -> BinaryIO:
        with _named_faults(name):
            return path.open("rb")

    if stat.S_ISSOCK(mode):
        raise InputError(f"{name} is a socket, not a file.", hint="Name a file.")
    if stat.S_ISFIFO(mode):
        with _named_faults(name):
            return _source_of_pipe(path, name, encoding)
    return InputSource(name, open_raw, encoding, suffix=_suffix(path))


def source_of_bytes(raw: bytes, name: str, encoding: str) -> InputSource:
    """Bytes in memory as an input, such as a file that was sent; its name's ending counts.

    Raises:
        InputError: The encoding is unknown.
    """
    return InputSource(name, lambda: io.BytesIO(raw), encoding, suffix=_suffix(Path(name)))


def _suffix(path: Path) -> str:
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1:] == [".gz"]:
        endings.pop()
    return "".join(endings[-1:])


def _source_of_pipe(path: Path, name: str, encoding: str) -> InputSource:
    """A named pipe as an input, once somebody has opened it to write."""
    # Opened to be waited for, a pipe without a writer would keep us for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb", buffering=0) as stream:
        deadline = time.monotonic() + PATIENCE
        while (begun := stream.read(1)) == b"":  # ``None``: there is a writer, who may take time
            if time.monotonic() > deadline:
                raise InputError(
                    f"{name} is a pipe that nobody writes to.", hint="Start what writes to it."
                )
            time.sleep(0.02)
        os.set_blocking(handle, True)
        return source_of_stream(cast(BinaryIO, stream), name, encoding, begun or b"")


def standard_input() -> BinaryIO:
    """The bytes of standard input.

    Raises:
        InputError: It is closed.
    """
    if sys.stdin is None:
        raise InputError(
            "Standard input is closed, so '-' has nothing to read.",
            hint="Pipe something into the command, or name a file.",
        )
    return sys.stdin.buffer


def source_of_stream(stream: BinaryIO, name: str, encoding: str, begun: bytes = b"") -> InputSource:
    """A stream as an input: its bytes are copied, on disk where they are many.

    Args:
        stream: The stream.
        name: What errors call it.
        encoding: The text encoding of its lines.
        begun: What was read of it already.

    Raises:
        InputError: It cannot be read, or the encoding is unknown.
    """
    # It lives as long as the source does, and is gone with it.
    copy = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
    try:
        copy.write(begun)
        shutil.copyfileobj(stream, copy, 1 << 20)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise InputError(f"{name} cannot be read: {reason}.") from None
    return InputSource(name, lambda: cast(BinaryIO, io.BufferedReader(_View(copy))), encoding)


def source_of_text(text: str, name: str) -> InputSource:
    """A text in memory as an input.

    Raises:
        InputError: It holds half a character, which no encoding can write.
    """
    check_readable(unix_lines(text), name)
    raw = text.encode()
    return InputSource(name, lambda: io.BytesIO(raw))


class _View(io.RawIOBase):
    """A shared file, read from the start at a place of one's own."""

    def __init__(self, shared: BinaryIO) -> None:
        self._shared, self._place = shared, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._shared.seek(self._place)
        part = self._shared.read(len(buffer))
        self._place += len(part)
        buffer[: len(part)] = part
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._shared.seek(self._place)
        self._place = self._shared.seek(offset, whence)
        return self._place

    def tell(self) -> int:
        return self._place


@contextmanager
def _named_faults(name: str) -> Iterator[None]:
    """Say in a sentence why a file cannot be opened."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(
            f"There is no file {name}.",
            hint="Check the path; '-' reads standard input, and --text takes the text itself.",
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{name} is a folder, not a file.", hint="Name one file inside it."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"The file {name} cannot be read: {reason}.") from None


def _size(raw: BinaryIO) -> int:
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return size
