"""A large JSON document read piece by piece, in order, with the bytes that each piece takes.

Contract: one value at a time is in memory. What is no JSON, or JSON that would lose something, is
an :class:`InputError` with the line. Every byte of the document is counted by :attr:`taken`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from sentixrl.errors import InputError
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.strict_json import DECODER, RefusedError

MAX_VALUE = 16 * 1024 * 1024
"""The longest single value (a message, a user) that is read, in characters."""

_CHUNK = 256 * 1024
_BLANK = re.compile(r"[ \t\n\r]*")
_NEAR_END = 16  # no token but a string can be cut further from the end than this
_LONGEST_CUT = 3
_DEEPEST = 64


class JsonStream:
    """Pulls the parts of one document from a stream of UTF-8.

    A caller opens an array or object with :meth:`elements` or :meth:`members`, and takes the
    value at hand with :meth:`value`, with another :meth:`elements` or :meth:`members`, or leaves
    it out with :meth:`skip`, before it goes on to the next.

    Args:
        stream: The bytes.
        name: What errors call them.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._ended = "", 0, False
        self.line = 1
        """The line at which the next piece begins."""
        self.taken = 0
        """How many bytes came before the next piece."""
        self._fill()
        if self._text.startswith("\ufeff"):
            self._take(1)

    def peek(self) -> str:
        """The first character of what comes next, ``""`` at the end."""
        while True:
            found = _BLANK.match(self._text, self._at)
            self._take((found.end() if found else self._at) - self._at)
            if self._at < len(self._text) or not self._fill():
                return self._text[self._at : self._at + 1]

    def value(self) -> object:
        """The value that comes next, whole.

        Raises:
            InputError: It is no JSON, or longer than :data:`MAX_VALUE` characters.
        """
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._may_go_on(error) and self._fill():
                    continue
                raise self._fault(f"this is not valid JSON ({error.msg})") from None
            except RefusedError as error:
                raise self._fault(str(error)) from None
            except RecursionError:
                raise self._fault("the JSON is nested too deeply") from None
            except ValueError:  # Python converts no whole number of more than some thousand digits
                raise self._fault("a number has too many digits") from None
            length = end - self._at
            # A number may go on behind the end of what was read, as in "1." and "1e-".
            if len(self._text) - end > _LONGEST_CUT or not self._fill():
                self._take(length)
                return value

    def elements(self) -> Iterator[None]:
        """Step through the array that comes next: once for each element, before it is taken."""
        self._expect("[")
        if self.peek() == "]":
            self._take(1)
            return
        while True:
            yield
            if self._expect(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """Step through the object that comes next: each key, before its value is taken."""
        self._expect("{")
        if self.peek() == "}":
            self._take(1)
            return
        seen: set[str] = set()
        while True:
            key = self.value() if self.peek() == '"' else None
            if not isinstance(key, str):
                raise self._fault("this is not valid JSON (a key in quotation marks is missing)")
            if key in seen:
                raise self._fault(f"an object names the key {json.dumps(key)[:60]} twice")
            seen.add(key)
            self._expect(":")
            yield key
            if self._expect(",}") == "}":
                return

    def skip(self, depth: int = 0) -> None:
        """Leave out the value that comes next, however long."""
        if depth > _DEEPEST:
            raise self._fault("the JSON is nested too deeply")
        first = self.peek()
        if first == "[":
            for _ in self.elements():
                self.skip(depth + 1)
        elif first == "{":
            for _ in self.members():
                self.skip(depth + 1)
        else:
            self.value()

    def finish(self) -> None:
        """Check that nothing comes any more.

        Raises:
            InputError: Something does.
        """
        if self.peek():
            raise self._fault("there is more behind the end of the JSON")

    def _expect(self, wanted: str) -> str:
        found = self.peek()
        if not found or found not in wanted:
            words = " or ".join(f"'{mark}'" for mark in wanted)
            got = f"'{found}'" if found.isprintable() and found else "the end"
            raise self._fault(f"this is not valid JSON (expected {words}, not {got})")
        self._take(1)
        return found

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether more text may make the value whole."""
        cut = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _NEAR_END
        if cut and len(self._text) - self._at > MAX_VALUE:
            raise self._fault(f"one value is longer than {MAX_VALUE:,} characters")
        return cut

    def _fill(self) -> bool:
        """Read on; whether there was more."""
        if self._ended:
            return False
        # Doubling what is read keeps the work on one long value in step with its length.
        held = len(self._text) - self._at
        raw = self._stream.read(max(_CHUNK, held))
        try:
            more = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise self._fault(f"the text is not UTF-8 ({error.reason})") from None
        self._ended = not raw
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(raw)

    def _take(self, count: int) -> None:
        piece = self._text[self._at : self._at + count]
        self.taken += len(piece.encode())
        self.line += piece.count("\n")
        self._at += count

    def _fault(self, what: str) -> InputError:
        return InputError(
            f"{self._name}, line {self.line}: {what}.",
            hint="The file may be cut off or edited: export it again.",
        )


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
        self._document, self._ledger, self._told = JsonStream(stream, name), ledger, 0

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
