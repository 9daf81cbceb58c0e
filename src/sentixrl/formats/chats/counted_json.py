"""JSON exports, every byte of which the ledger is told of."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from sentixrl.errors import InputError
from sentixrl.formats.json_stream import CUT_HINT, JsonStream
from sentixrl.formats.ledger import Ledger

_CHUNK = 256 * 1024
_BYTE_ORDER_MARK = "\ufeff"


def utf8_json(stream: BinaryIO, name: str) -> JsonStream:
    """A document of UTF-8, with or without a byte order mark before it.

    Args:
        stream: The bytes.
        name: What errors call them.
    """
    document = JsonStream(_decoded(stream, name), name)
    document.leave_out(_BYTE_ORDER_MARK)
    return document


def _decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    while True:
        raw = stream.read(_CHUNK)
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            lines += error.object.count(b"\n", 0, error.start)
            raise InputError(
                f"{name}, line {lines}: the text is not UTF-8 ({error.reason}).", hint=CUT_HINT
            ) from None
        lines += text.count("\n")
        if text:
            yield text
        if not raw:
            return


class Item(NamedTuple):
    """One element of an array.

    Attributes:
        value: What it holds.
        size: Its bytes.
        line: The line at which it begins.
    """

    value: object
    size: int
    line: int


class CountedJson:
    """A document whose every byte the ledger is told of.

    The elements of :meth:`items` are the caller's to count; :meth:`header` and :meth:`finish`
    count the rest.
    """

    def __init__(self, stream: BinaryIO, name: str, ledger: Ledger) -> None:
        self._document, self._ledger, self._told = utf8_json(stream, name), ledger, 0

    def next_is(self, mark: str) -> bool:
        """Whether an array (``[``) or an object (``{``) comes next."""
        return self._document.peek() == mark

    def members(self) -> Iterator[str]:
        """As :meth:`JsonStream.members`."""
        return self._document.members()

    def elements(self) -> Iterator[None]:
        """As :meth:`JsonStream.elements`."""
        return self._document.elements()

    def items(self) -> Iterator[Item]:
        """The elements of the array that comes next, each whole."""
        for _ in self._document.elements():
            self._document.peek()
            begin, line = self._count_markup(), self._document.line
            value = self._document.value()
            self._told = self._document.taken
            yield Item(value, self._told - begin, line)

    def header(self) -> object:
        """A value that describes the whole; of an array or object, ``None``."""
        self._document.peek()
        begin, value = self._count_markup(), None
        if self.next_is("[") or self.next_is("{"):
            self._document.skip()
        else:
            value = self._document.value()
        self._told = self._document.taken
        self._ledger.header(self._told - begin)
        return value

    def finish(self) -> None:
        """Check that the document ends here."""
        self._document.finish()
        self._count_markup()

    def _count_markup(self) -> int:
        self._ledger.markup(self._document.taken - self._told)
        self._told = self._document.taken
        return self._told
