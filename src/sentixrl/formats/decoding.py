r"""From bytes to lines: decoded, checked, each with the bytes it took.

Contract: lines end at ``\n``, ``\r\n`` or ``\r``, and nowhere else; their sizes add up to the size
of the input. A byte order mark is no part of the text. Bytes that are not in the encoding, a NUL
or half a character are an :class:`InputError` with line and place: raised, or, in UTF-8, handed
over with the line. A line is bounded, and one chunk and one line are all that is in memory.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sentixrl.errors import InputError
from sentixrl.formats.characters import check_readable, shown, unix_lines, unreadable
from sentixrl.formats.messages import Line

MAX_LINE_BYTES = 64 * 1024 * 1024
"""The longest line that is read, in bytes."""
MOST_FAULTY = 0.01
"""The share of an input's first lines that may be no text in UTF-8; if it is larger, the input is
in another encoding. A damaged byte here and there is rare, while a file in another encoding shows
it early: read as UTF-8, it would lose exactly its rows with accents."""

_CHUNK = 1024 * 1024
_BOM = "\ufeff"
BYTE_ORDER_MARKS = (
    codecs.BOM_UTF8,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
)
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_WIDE = re.compile(r"utf-(16|32)(-[lb]e)?")
# Codecs in which a byte 0x0A need not be a line's end, or that remember what came before.
_NOT_BY_LINE = re.compile(r"utf-7|iso2022|hz|punycode|idna|.*unicode.escape|undefined")
_LINE_END = re.compile(r"\r\n|\n|\r")
# What is no UTF-8 takes no separator or line end with it; in other encodings it may.
_TOLERANT = "utf-8"


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """The encoding of an input.

    Attributes:
        codec: Python's name of it.
        called: What errors call it.
    """

    codec: str
    called: str

    @classmethod
    def named(cls, encoding: str, head: bytes) -> TextEncoding:
        """The encoding a user names; a byte order mark of UTF-16 or UTF-32 outweighs UTF-8.

        Raises:
            InputError: There is none of this name.
        """
        try:
            found = codecs.lookup(encoding)
            # Codecs from bytes to bytes, such as hex, are found but refuse this.
            "a".encode(encoding)
        except (LookupError, ValueError):  # ValueError: names no codec can have, as one with NUL
            raise InputError(
                f"There is no text encoding called '{shown(encoding)}'.",
                hint="Usual ones: utf-8, utf-16, windows-1252, gb18030, big5, shift_jis.",
            ) from None
        if found.name not in {"utf-8", "utf-8-sig"}:
            return cls(found.name, shown(encoding))
        if head.startswith(_UTF32_MARKS):
            return cls("utf-32", "UTF-32")
        if head.startswith(_UTF16_MARKS):
            return cls("utf-16", "UTF-16")
        return cls("utf-8", "UTF-8" if found.name == "utf-8" else shown(encoding))

    @property
    def by_line(self) -> bool:
        """Whether each line can be cut off and decoded without the others."""
        return not (_WIDE.fullmatch(self.codec) or _NOT_BY_LINE.match(self.codec)) and (
            _same_line_ends(self.codec)
        )

    def start(self, head: bytes, *, whole: bool) -> list[str] | None:
        """The lines of an input's first bytes; ``None`` if they are not text.

        Args:
            head: The bytes.
            whole: Whether they are all there is; else the last line is left out if it is not
                the only one, as it may be cut.
        """
        # Lines that are no text are told where they are read, if they are few.
        tolerant = self.codec == _TOLERANT and _faulty_share(head, whole) <= MOST_FAULTY
        errors = "replace" if tolerant else "strict"
        decoder = codecs.getincrementaldecoder(self.codec)(errors)
        try:
            text = decoder.decode(head, final=whole)
        except UnicodeError:
            return None
        lines = unix_lines(text.removeprefix(_BOM)).split("\n")
        if unreadable(text) and not tolerant:
            return None
        return lines[: None if whole or len(lines) == 1 else -1]

    def size(self, text: str) -> int:
        """How many bytes ``text`` takes in this encoding."""
        unit = f"{self.codec}-le" if self.codec in {"utf-16", "utf-32"} else self.codec
        return len(text.encode(unit, "replace"))


def _faulty_share(head: bytes, whole: bool) -> float:
    """How many lines at an input's beginning are no text in UTF-8, as a share; not of a cut one."""
    uncut = whole or head.endswith((b"\n", b"\r"))
    lines = head.splitlines()[: None if uncut else -1]
    return sum(map(_is_faulty, lines)) / len(lines) if lines else 1.0


def _is_faulty(line: bytes) -> bool:
    try:
        return "\0" in line.decode(_TOLERANT)
    except UnicodeDecodeError:
        return True


def decoded_lines(
    stream: BinaryIO, name: str, encoding: TextEncoding, *, tolerant: bool = False
) -> Iterator[Line]:
    """The lines of a stream, from its start.

    Args:
        stream: The bytes.
        name: What errors call the input.
        encoding: What they are decoded by.
        tolerant: Whether lines that are not UTF-8, or hold a NUL, come with their fault.

    Raises:
        InputError: Some are not text in that encoding, or a line is too long.
    """
    if encoding.by_line:
        yield from _decoded_by_line(stream, name, encoding, tolerant=tolerant)
        return
    for number, (text, size) in enumerate(_cut_by_text(stream, name, encoding), start=1):
        check_readable(text, name, line=number)
        yield Line(number, text.removeprefix(_BOM) if number == 1 else text, size)


def decoded_chunks(
    stream: BinaryIO, name: str, encoding: TextEncoding, *, tolerant: bool = False
) -> Iterator[str]:
    """The text of a stream in pieces, for what has no lines.

    Args:
        stream: The bytes.
        name: What errors call the input.
        encoding: What they are decoded by.
        tolerant: Whether what is not UTF-8 is replaced and NULs stay, for a look at the text.

    Raises:
        InputError: Some of it is not text in that encoding.
    """
    replacing = tolerant and encoding.codec == _TOLERANT
    decoder = codecs.getincrementaldecoder(encoding.codec)("replace" if replacing else "strict")
    number, taken = 1, 0
    while True:
        chunk = stream.read(_CHUNK)
        taken += len(chunk)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            number += chunk.count(b"\n", 0, getattr(error, "start", 0))
            raise _not_in_encoding(error, name, number, taken, encoding, read=True) from None
        if not replacing:
            check_readable(text, name, number)
        number += text.count("\n")
        if text:
            yield text.removeprefix(_BOM) if taken == len(chunk) else text
        if not chunk:
            return


def _decoded_by_line(
    stream: BinaryIO, name: str, encoding: TextEncoding, *, tolerant: bool
) -> Iterator[Line]:
    offset, codec = 0, encoding.codec
    tolerant = tolerant and codec == _TOLERANT
    for number, raw in enumerate(_raw_lines(stream, name), start=1):
        fault: InputError | None = None
        try:
            text = raw.decode(codec)
        except UnicodeError as error:
            fault = _not_in_encoding(error, name, number, offset, encoding)
            if not tolerant:
                raise fault from None
            text = raw.decode(codec, "replace")
        size = len(raw)
        offset += size
        if text[-1:] == "\n":
            text = text[:-2] if text[-2:] == "\r\n" else text[:-1]
        elif text[-1:] == "\r":
            text = text[:-1]
        if number == 1:
            text = text.removeprefix(_BOM)
        if "\0" in text:
            try:
                check_readable(text, name, line=number)
            except InputError as error:
                if not tolerant:
                    raise
                fault = error
        yield Line(number, text, size, fault)


def _raw_lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Lines as bytes, with their ends; memory for a chunk and a line."""
    number = 0
    rest: list[bytes] = []
    held = 0
    while chunk := stream.read(_CHUNK):
        ends = b"\n" in chunk or b"\r" in chunk or (rest and rest[-1].endswith(b"\r"))
        if not ends:
            rest.append(chunk)
            held += len(chunk)
        else:
            pieces = b"".join([*rest, chunk]).splitlines(keepends=True)
            # The last line may go on, and a carriage return may be half a line's end.
            rest = [] if pieces[-1].endswith(b"\n") else [pieces.pop()]
            held = sum(map(len, rest))
            number += len(pieces)
            yield from pieces
        if held > MAX_LINE_BYTES:
            raise too_long(name, number + 1)
    if rest:
        yield from b"".join(rest).splitlines(keepends=True)


def _cut_by_text(stream: BinaryIO, name: str, encoding: TextEncoding) -> Iterator[tuple[str, int]]:
    """Lines of encodings whose bytes cannot be cut before they are decoded."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    exact = bool(_WIDE.fullmatch(encoding.codec))
    text, number, taken, told, mark = "", 0, 0, 0, 0
    for piece in _pieces(stream):
        if not taken:
            mark = _mark_length(piece, encoding.codec)
        taken += len(piece)
        try:
            text += decoder.decode(piece, final=not piece)
        except UnicodeError as error:
            raise _not_in_encoding(error, name, number + 1, taken, encoding, read=True) from None
        lines = _LINE_END.split(text)
        ends = [found[0] for found in _LINE_END.finditer(text)]
        if piece and text.endswith("\r"):
            lines, ends = [*lines[:-2], lines[-2] + "\r"], ends[:-1]
        for line, end in zip(lines, ends, strict=False):
            size = encoding.size(line + end) + mark if exact else taken - told
            told, mark = told + size, 0
            number += 1
            yield line, size
        text = lines[-1]
        if len(text) > MAX_LINE_BYTES:
            raise too_long(name, number + 1)
    if text or taken > told:
        yield text, taken - told


def _mark_length(start: bytes, codec: str) -> int:
    """The bytes of the byte order mark that the decoder takes away."""
    marks = {"utf-16": _UTF16_MARKS, "utf-32": _UTF32_MARKS}.get(codec, ())
    return next((len(mark) for mark in marks if start.startswith(mark)), 0)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes in lines or chunks, and nothing at the end."""
    while chunk := stream.read(_CHUNK):
        yield from chunk.splitlines(keepends=True)
    yield b""


def too_long(name: str, number: int) -> InputError:
    """The error about a line that is longer than any that is read."""
    return InputError(
        f"{name}, line {number}: the line is longer than the {MAX_LINE_BYTES:,} bytes that are "
        "read at once.",
        hint="A file without line ends is no transcript; is it the right one?",
    )


def _same_line_ends(codec: str) -> bool:
    try:
        return b"az \r\n".decode(codec) == "az \r\n"
    except UnicodeError:
        return False


def _not_in_encoding(
    error: UnicodeError,
    name: str,
    number: int,
    offset: int,
    encoding: TextEncoding,
    *,
    read: bool = False,
) -> InputError:
    """The error about bytes that are no text.

    Args:
        error: What the codec said.
        name: What errors call the input.
        number: The line.
        offset: Where the bytes given to the codec begin; where they end if ``read``.
        encoding: The encoding.
        read: Which of the two ``offset`` is.
    """
    hint = "Name the encoding it was saved in: for example --encoding windows-1252 or gb18030."
    if not isinstance(error, UnicodeDecodeError):  # codecs such as punycode say no more
        return InputError(f"{name}, line {number}: the text is not {encoding.called}.", hint=hint)
    offset += error.start
    if read:
        offset -= len(error.object)
    return InputError(
        f"{name}, line {number}: the text is not {encoding.called}: "
        f"byte 0x{error.object[error.start]:02X} at offset {offset:,} ({error.reason}).",
        hint=hint,
    )
