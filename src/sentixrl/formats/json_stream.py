"""A JSON document read piece by piece, in order, with the bytes that each piece takes.

Contract: one value at a time is in memory. What is no JSON, or JSON that would lose something, is
an :class:`InputError` with line and column. Every byte of the document is counted by
:attr:`JsonStream.taken`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from sentixrl.errors import InputError
from sentixrl.formats.strict_json import DECODER, RefusedError

MAX_VALUE = 16 * 1024 * 1024
"""The longest single value that is read unless another bound is given, in characters."""
CUT_HINT = "The file may be cut off or edited: export it again."

_BLANK = re.compile(r"[ \t\n\r]*")
_NEAR_END = 32  # no token but a string can be cut further from the end than this
_LONGEST_CUT = 3
_DEEPEST = 64


def utf8_size(text: str) -> int:
    """How many bytes a text takes in UTF-8."""
    return len(text.encode())


class JsonStream:
    """Pulls the parts of one document from its text.

    A caller opens an array or object with :meth:`elements` or :meth:`members`, and takes the
    value at hand with :meth:`value`, with another :meth:`elements` or :meth:`members`, or leaves
    it out with :meth:`skip`, before it goes on to the next.

    Args:
        chunks: The text in pieces.
        name: What errors call it.
        size: How many bytes a piece of text takes in the input.
        hint: What to do if it is not JSON.
        most: The longest single value that is read, in characters.
    """

    def __init__(
        self,
        chunks: Iterator[str],
        name: str,
        *,
        size: Callable[[str], int] = utf8_size,
        hint: str = CUT_HINT,
        most: int | None = None,
    ) -> None:
        self._chunks, self._name, self._size, self._hint = chunks, name, size, hint
        self._most = MAX_VALUE if most is None else most
        self._text, self._at, self._ended = "", 0, False
        self.line = 1
        """The line at which the next piece begins."""
        self._column = 1
        self.taken = 0
        """How many bytes came before the next piece."""

    def leave_out(self, mark: str) -> None:
        """Pass over a mark that may stand here and is no JSON."""
        if (self._at < len(self._text) or self._fill()) and self._text.startswith(mark, self._at):
            self._take(len(mark))

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
            InputError: It is no JSON, or longer than it may be.
        """
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                ahead = error.pos - self._at
                if self._may_go_on(error) and self._fill():
                    continue
                raise self._fault(f"this is not valid JSON ({error.msg})", ahead) from None
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
            raise self._fault("this is not valid JSON (there is more behind its end)")

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
        if cut and len(self._text) - self._at > self._most:
            raise self._fault(f"a value is longer than {self._most:,} characters")
        return cut

    def _fill(self) -> bool:
        """Read on; whether there was more."""
        if self._ended:
            return False
        parts = [self._text[self._at :]]
        # Doubling what is read keeps the work on one long value in step with its length.
        wanted = max(1, len(parts[0]))
        while wanted > 0 and (chunk := next(self._chunks, "")):
            parts.append(chunk)
            wanted -= len(chunk)
        self._ended = wanted > 0
        self._text, self._at = "".join(parts), 0
        return len(parts) > 1

    def _take(self, count: int) -> None:
        piece = self._text[self._at : self._at + count]
        self.taken += self._size(piece)
        self.line, self._column = self._behind(piece)
        self._at += count

    def _behind(self, piece: str) -> tuple[int, int]:
        """Line and column behind a piece that begins here."""
        breaks = piece.count("\n")
        column = len(piece) - piece.rfind("\n") if breaks else self._column + len(piece)
        return self.line + breaks, column

    def _fault(self, what: str, ahead: int = 0) -> InputError:
        """An error so many characters ahead of here."""
        line, column = self._behind(self._text[self._at : self._at + ahead])
        return InputError(f"{self._name}, line {line}, column {column}: {what}.", hint=self._hint)
