"""What a job reads: names become a list of files, each known again when the job goes on.

Contract: the list's order depends on the names and on what lies in the folders, on nothing else.
What changed since the job began is told by name.
"""

from __future__ import annotations

import glob
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sentixrl.errors import ConfigError, InputError
from sentixrl.formats.characters import shown
from sentixrl.formats.chats import convokit
from sentixrl.formats.detection import SUFFIXES

STANDARD_INPUT = "-"
OTHER_SUFFIXES = frozenset({".parquet", ".xlsx", ".vtt", ".srt", ".zip"})
"""Endings of files that are taken from folders besides those in ``SUFFIXES``."""

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)  # paths lose the second slash
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input.

    Attributes:
        name: What errors and results call it.
        path: The file, or the folder of a ConvoKit corpus; ``None`` for standard input.
        found: Whether it was found in a folder, so that nobody said it can be read.
    """

    name: str
    path: Path | None
    found: bool = False

    def parts(self) -> list[Path]:
        """The files it consists of."""
        if self.path is None:
            return []
        if self.path.is_dir():
            names = (convokit.UTTERANCES, convokit.CONVERSATIONS, convokit.CORPUS)
            return [self.path / name for name in names if (self.path / name).is_file()]
        return [self.path]

    def state(self) -> tuple[int, int]:
        """Its size in bytes and when it was last written, in nanoseconds.

        Raises:
            InputError: It is gone.
        """
        try:
            found = [path.stat() for path in self.parts()]
        except OSError as error:
            raise InputError(
                f"{self.name} cannot be read: {error.strerror or error}.",
                hint="What was done before is kept.",
            ) from None
        return sum(one.st_size for one in found), max((one.st_mtime_ns for one in found), default=0)

    def digest(self) -> str:
        """SHA-256 of its bytes.

        Raises:
            InputError: It cannot be read.
        """
        total = hashlib.sha256()
        try:
            for path in self.parts():
                with path.open("rb") as stream:
                    while block := stream.read(_BLOCK):
                        total.update(block)
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror or error}.") from None
        return total.hexdigest()


class DigestingStream(io.RawIOBase):
    """A stream that keeps the SHA-256 and the number of the bytes that were read from it.

    Args:
        stream: Where they come from.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._total = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read some bytes."""
        part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        self._total.update(part)
        self.size += len(part)
        return len(part)

    def digest(self) -> str:
        """SHA-256 of all bytes, those that nobody has read yet included."""
        while self.read(_BLOCK):
            pass
        return self._total.hexdigest()


def check_place(name: str) -> None:
    """Refuse what is no path on this machine.

    Raises:
        ConfigError: It is an address, such as that of an object store.
    """
    if found := _ADDRESS.match(name):
        raise ConfigError(
            f"{shown(name)} is an address: '{found[1]}' stores have no renaming in one step, which "
            "keeps half-written files apart from whole ones.",
            hint="Name a path: on this machine, or on a disk that all machines share.",
        )


def find_inputs(names: Sequence[str], out: Path) -> list[InputFile]:
    """The files that names, folders and patterns stand for.

    Args:
        names: Paths, patterns such as ``chats/*.txt``, or ``-`` for standard input.
        out: The job's folder, which is no input of its own.

    Raises:
        ConfigError: A name is an address.
        InputError: There is no such file, or nothing that is read in a folder or pattern.
    """
    found: dict[str, InputFile] = {}
    for name in names:
        check_place(name)
        for one in _expanded(name, out):
            key = one.name if one.path is None else str(one.path.resolve())
            found.setdefault(key, one)
    return list(found.values())


def _expanded(name: str, out: Path) -> Iterator[InputFile]:
    path = Path(name)
    if name == STANDARD_INPUT:
        yield InputFile("standard input", None)
    elif path.is_dir() and not convokit.is_corpus(path):
        yield from _of_folder(path, out)
    elif path.is_fifo():
        raise InputError(
            f"{shown(name, 400)} is a pipe, which cannot be looked at twice.",
            hint="Let it flow into the command, and name '-'.",
        )
    elif path.exists():
        yield InputFile(shown(name, 400), path)
    elif not glob.has_magic(name):
        raise InputError(
            f"There is no file {shown(name, 400)}.", hint="Check the path; '-' is standard input."
        )
    else:
        found = glob.glob(name, recursive=True)  # noqa: PTH207  (it may begin at the root)
        files = sorted(filter(os.path.isfile, found))
        matches = [match for match in files if not _is_inside(Path(match), out)]
        if not matches:
            raise InputError(f"No file matches {shown(name, 400)}.", hint="Check the pattern.")
        yield from (InputFile(shown(match, 400), Path(match)) for match in matches)


def _of_folder(folder: Path, out: Path) -> Iterator[InputFile]:
    files = [path for path in sorted(folder.rglob("*")) if _is_read(path, folder, out)]
    if not files:
        raise InputError(
            f"The folder {shown(str(folder), 400)} holds no file that is read.",
            hint=f"Files are taken that end in {', '.join(_endings())}, or in these and .gz.",
        )
    yield from (InputFile(shown(str(path), 400), path, found=True) for path in files)


def _is_read(path: Path, folder: Path, out: Path) -> bool:
    inside = path.relative_to(folder)
    hidden = any(part.startswith(".") for part in inside.parts)
    if hidden or not path.is_file() or _is_inside(path, out):
        return False
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in _endings()


def _is_inside(path: Path, out: Path) -> bool:
    """Whether a file lies in the job's folder."""
    return out.resolve() in path.resolve().parents


def _endings() -> list[str]:
    return sorted({*filter(None, SUFFIXES), *OTHER_SUFFIXES})


def changes(before: Iterable[dict[str, Any]], now: Sequence[InputFile]) -> list[str]:
    """A clause for every input that is not what it was when the job began.

    A file of the same size and time counts as the same; one of another time is read and compared.
    Standard input is compared by whoever reads it.
    """
    known = {str(one["name"]): one for one in before}
    here = {one.name: one for one in now}
    clauses = [f"{name} is not among the inputs any more" for name in known if name not in here]
    for name, one in here.items():
        if name not in known:
            clauses.append(f"{name} is new")
        elif one.path is not None:
            clauses += _changes(known[name], one)
    return clauses


def _changes(before: dict[str, Any], now: InputFile) -> list[str]:
    try:
        size, modified = now.state()
        if size != before["size"]:
            return [f"{now.name} had {before['size']:,} bytes and now has {size:,}"]
        if modified != before["modified"] and now.digest() != before["sha256"]:
            return [f"{now.name} holds something else"]
    except InputError:
        return [f"{now.name} is gone"]
    return []
