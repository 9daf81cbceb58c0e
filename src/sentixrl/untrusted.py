"""Where what comes from outside comes in: reads that are bounded, failures that are sentences.

Contract: :func:`read_bounded` returns at most as many bytes as it was told, whatever ``stat`` says
of the file, and never waits for a pipe that nobody writes to. Inside :func:`boundary` whatever goes
wrong is one :class:`~sentixrl.errors.SentixError`, so that no room has to list what a library may
raise over content that nobody expected.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sentixrl.errors import ConfigError, InputError, SentixError

_SHOWN = 200
_NEVER_FAULTS = (KeyboardInterrupt, SystemExit, GeneratorExit)
_CHUNK = 1 << 20


@contextmanager
def boundary(
    failure: str, *, kind: type[SentixError] = InputError, hint: str | None = None
) -> Iterator[None]:
    """Turn whatever the block raises into one error; our own pass as they are.

    Args:
        failure: The sentence without its end, for example ``"model/config.json cannot be read"``.
        kind: The error's class.
        hint: What to do about it.

    Raises:
        SentixError: The block failed.
    """
    try:
        yield
    except (SentixError, *_NEVER_FAULTS):
        raise
    except BaseException as fault:  # panics of Rust libraries are no Exceptions
        raise kind(f"{failure}: {_said(fault)}.", hint=hint) from fault


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """A file to read bytes from; a link to one will do, a device or a pipe will not.

    Raises:
        OSError: It is missing, not readable, or no file.
        ValueError: No system takes such a path.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer; on files it changes nothing.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", os.fspath(path))
        if not stat.S_ISREG(mode):
            kind = "it is a pipe or a device, not a file"
            raise OSError(errno.EINVAL, kind, os.fspath(path))
        stream = os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
    with stream:
        yield stream


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of a file that :func:`open_file` takes.

    Args:
        path: The file.
        most: How many bytes it may have.

    Raises:
        OSError: It cannot be opened or read, or has more than ``most`` bytes.
        ValueError: No system takes such a path.
    """
    chunks: list[bytes] = []
    left = most + 1
    with open_file(path) as stream:
        while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
            chunks.append(chunk)
            left -= len(chunk)
    if left <= 0:
        raise OSError(errno.EOVERFLOW, f"it is larger than {most:,} bytes", os.fspath(path))
    return b"".join(chunks)


def whole_number(name: str, otherwise: int) -> int:
    """A whole number from 0 that an environment variable gives, ``otherwise`` where it is not set.

    Raises:
        ConfigError: It holds something else.
    """
    text = os.environ.get(name, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ConfigError(
            f"The environment variable {name} is '{text[:40]}', not a whole number.",
            hint=f"Set it right, or 'unset {name}'.",
        )
    return int(text)


def _said(fault: BaseException) -> str:
    """The first line of what an exception says, or its name, as the end of a sentence."""
    if isinstance(fault, OSError) and fault.strerror:
        return fault.strerror
    if isinstance(fault, RecursionError):
        return "it is nested too deeply"
    if isinstance(fault, MemoryError):
        return "it needs more memory than there is"
    lines = str(fault).strip().splitlines() or [""]
    return lines[0][:_SHOWN].strip().rstrip(".") or type(fault).__name__
