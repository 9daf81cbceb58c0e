r"""From a file or a stream to text: bounded, decoded, checked, with lines that end in ``\n``.

Contract: the text that comes back has no byte order mark, no NUL and something to see in it;
``\r\n`` and ``\r`` have become ``\n``. Whatever is in the way is an :class:`InputError`.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from sentixrl.errors import InputError
from sentixrl.formats.characters import check_readable, is_blank, shown, unix_lines

MAX_BYTES = 256 * 1024 * 1024
"""The largest input that is read unless another bound is set, in bytes."""

_CHUNK = 1024 * 1024
_NOT_TEXT = {
    b"PK\x03\x04": "a ZIP archive or an Office document",
    b"%PDF-": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
}


def read_file(path: Path, name: str, max_bytes: int) -> bytes:
    """The bytes of a file that errors call ``name``.

    Raises:
        InputError: It is missing, a folder, not readable, or larger than ``max_bytes``.
    """
    try:
        with path.open("rb") as stream:
            return read_stream(stream, name, max_bytes)
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


def read_stream(stream: BinaryIO, name: str, max_bytes: int) -> bytes:
    """All bytes of a stream.

    Raises:
        InputError: There are more than ``max_bytes``.
    """
    chunks: list[bytes] = []
    left = max_bytes + 1
    while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
        chunks.append(chunk)
        left -= len(chunk)
    if left <= 0:
        raise InputError(
            f"{name} is larger than the {max_bytes:,} bytes that are read at once.",
            hint="Split it into several files.",
        )
    return b"".join(chunks)


def to_text(raw: bytes, name: str, encoding: str = "utf-8") -> str:
    """Decode ``raw`` and check that it is text with something in it.

    Raises:
        InputError: Unknown encoding, bytes that are not in it, a NUL, or nothing to read.
    """
    for start, kind in _NOT_TEXT.items():
        if raw.startswith(start):
            raise InputError(
                f"{name} is {kind}, not text.", hint="Export it as text, CSV or JSON first."
            )
    text = _decode(raw, name, encoding).removeprefix("\ufeff")
    text = unix_lines(text)
    check_readable(text, name)
    if is_blank(text):
        what = "holds nothing but blank space" if text else "is empty"
        raise InputError(f"{name} {what}.", hint="Give at least one line of text.")
    return text


def _decode(raw: bytes, name: str, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_in_encoding(error, raw, name, encoding) from None
    except (LookupError, ValueError):  # ValueError: names no codec can have, such as one with NUL
        raise InputError(
            f"There is no text encoding called '{shown(encoding)}'.",
            hint="Usual ones: utf-8, utf-16, windows-1252, gb18030, big5, shift_jis.",
        ) from None


def _not_in_encoding(error: UnicodeDecodeError, raw: bytes, name: str, encoding: str) -> InputError:
    line = unix_lines(_start(error, encoding)).count("\n") + 1
    # Codecs that cut off a byte order mark count from behind it.
    offset = error.start + len(raw) - len(error.object)
    utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    guess = "--encoding utf-16" if utf16 else "for example --encoding windows-1252 or gb18030"
    called = "UTF-8" if encoding.casefold() in {"utf-8", "utf8"} else shown(encoding)
    return InputError(
        f"{name}, line {line}: the text is not {called}: byte 0x{error.object[error.start]:02X} "
        f"at offset {offset:,} ({error.reason}).",
        hint=f"Name the encoding it was saved in: {guess}.",
    )


def _start(error: UnicodeDecodeError, encoding: str) -> str:
    """The text before the byte that could not be decoded."""
    before = error.object[: error.start]
    try:
        return before.decode(encoding, "replace")
    except ValueError:  # codecs that know no "replace"
        return before.decode("latin-1")
