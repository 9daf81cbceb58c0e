"""Archives from outside: which members they hold, and each member unpacked within bounds.

Contract: nothing is written to disk; only asked-for members are unpacked, as they are read. An
archive that is encrypted, damaged, or made to unpack to far more than it holds is an
:class:`InputError`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sentixrl.errors import InputError
from sentixrl.formats.characters import shown
from sentixrl.formats.messages import Source
from sentixrl.formats.source import FREE_BYTES, MOST_UNPACKED

MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 4 * 1024**3


def member_names(source: Source) -> list[str]:
    """The names of an archive's files, in its own order.

    Raises:
        InputError: It cannot be read as an archive.
    """
    with source.open() as stream, _opened(stream, source.name) as archive:
        return [info.filename for info in archive.infolist() if not info.filename.endswith("/")]


def member(source: Source, name: str) -> Source:
    """One member of an archive as an input of its own."""
    return source.inside(f"{source.name}, {shown(name, 100)}", _opener(source, name))


def _opener(source: Source, name: str) -> Callable[[], BinaryIO]:
    return lambda: io.BufferedReader(_Member(source, name))


class _Member(io.RawIOBase):
    """The bytes of one member, whose faults are sentences."""

    def __init__(self, source: Source, name: str) -> None:
        self._name = f"{source.name}, {shown(name, 100)}"
        self._below = source.open()
        try:
            with _sentences(self._name):
                self._archive = _archive(self._below, source.name)
                info = self._archive.getinfo(name)
                _check(info, self._name)
                self._stream = self._archive.open(info)
        except InputError:
            self._below.close()
            raise

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        with _sentences(self._name):
            part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        if not self.closed and not self._below.closed:
            self._archive.close()
            self._below.close()
        super().close()


@contextmanager
def _opened(stream: BinaryIO, name: str) -> Iterator[zipfile.ZipFile]:
    with _sentences(name), _archive(stream, name) as archive:
        yield archive


def _archive(stream: BinaryIO, name: str) -> zipfile.ZipFile:
    size = stream.seek(0, io.SEEK_END)
    archive = zipfile.ZipFile(stream)
    # By the archive's own size: members that share their bytes each claim them all.
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > FREE_BYTES + MOST_UNPACKED * size:
        raise InputError(
            f"{name} unpacks to {unpacked:,} bytes, as no chat does.",
            hint="Unpack it yourself if you trust it.",
        )
    if len(archive.infolist()) > MAX_MEMBERS:
        raise InputError(
            f"{name} holds more than {MAX_MEMBERS:,} files.", hint="Unpack it, and name one file."
        )
    return archive


def _check(info: zipfile.ZipInfo, name: str) -> None:
    if info.flag_bits & 0x1:
        raise InputError(f"{name} is encrypted.", hint="Unpack it with its password first.")
    bound = min(MAX_MEMBER_BYTES, FREE_BYTES + MOST_UNPACKED * info.compress_size)
    if info.file_size > bound:
        raise InputError(
            f"{name} unpacks to {info.file_size:,} bytes, as no chat does.",
            hint="Unpack it yourself if you trust it.",
        )


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """The one place where what the library makes of bytes from outside becomes a sentence."""
    try:
        yield
    except InputError:
        raise
    except (NotImplementedError, RuntimeError):  # unknown compression; a library that is missing
        raise InputError(
            f"{name} is packed in a way that cannot be read.", hint="Pack it again as a usual zip."
        ) from None
    except Exception:  # damaged bytes make zipfile raise nearly anything
        raise InputError(
            f"{name} cannot be unpacked: the archive is damaged.",
            hint="It may be cut off: get it again.",
        ) from None
