"""A JSON document in pieces: the elements of its list, or the one value that it is.

Contract: one element and one chunk of the text are in memory. What is not JSON is an
:class:`InputError` with line and column.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sentixrl.errors import InputError
from sentixrl.formats.source import MAX_BYTES, InputSource
from sentixrl.formats.strict_json import DECODER, RefusedError

_SPACE = " \t\n\r"
# A literal or number may be cut by the end of a chunk, and then looks wrong this near to it.
_NEAR_END = 32


@dataclass(frozen=True, slots=True)
class Element:
    """One value.

    Attributes:
        value: What Python makes of it.
        number: Its position in the list, from 1; 0 if the document is no list.
        size: Its bytes in the input.
    """

    value: object
    number: int
    size: int


def json_elements(source: InputSource, hint: str) -> Iterator[Element]:
    """The elements of a document that is a list, or else its one value.

    Args:
        source: The document.
        hint: What to do if it is not JSON.

    Raises:
        InputError: It is not JSON, or an element is larger than ``MAX_BYTES``.
    """
    scanner = _Scanner(source, hint)
    if scanner.peek() != "[":
        yield scanner.value(0)
    else:
        scanner.step()
        number = 0
        while scanner.peek() != "]":
            number += 1
            yield scanner.value(number)
            if scanner.peek() == ",":
                scanner.step()
                if scanner.peek() == "]":
                    raise scanner.fault("Expecting value")
            elif scanner.peek() != "]":
                raise scanner.fault("Expecting ',' delimiter")
        scanner.step()
    if scanner.peek():
        raise scanner.fault("Extra data")


def load_json(text: str, place: str, hint: str, line: int) -> object:
    """One line's value.

    Raises:
        InputError: It is not JSON.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        problem = f"column {error.colno}: this is not valid JSON ({error.msg})."
        raise InputError(f"{place}, line {line}, {problem}", hint=hint) from None
    except (ValueError, RecursionError) as error:
        raise _refused(error, f"{place}, line {line}") from None


class _Scanner:
    """The text from the place reached so far on."""

    def __init__(self, source: InputSource, hint: str) -> None:
        self._chunks = source.chunks()
        self._source, self._hint = source, hint
        self._text, self._at, self._ended = "", 0, False
        self._lines, self._columns = 0, 0  # before the text at hand

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._grow(1):
                return ""

    def step(self) -> None:
        """Leave the character behind that :meth:`peek` showed."""
        self._at += 1

    def value(self, number: int) -> Element:
        """The value at this place."""
        self.peek()
        problem: json.JSONDecodeError | None
        while True:
            end, problem = 0, None
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                problem = error
            except (ValueError, RecursionError) as error:
                place = f", dialogue {number}" if number else ""
                raise _refused(error, f"{self._source.name}{place}") from None
            if problem is None and (end < len(self._text) or self._ended):
                break
            final = problem is not None and (
                not problem.msg.startswith("Unterminated string")
                and problem.pos < len(self._text) - _NEAR_END
            )
            begun = self._at
            # What an element takes so far is doubled, so that it is decoded few times over.
            if final or not self._grow(len(self._text) - begun):
                if problem is None:
                    break
                self._at += problem.pos - begun
                raise self.fault(problem.msg)
        size = self._source.encoding.size(self._text[self._at : end])
        self._at = end
        return Element(found, number, size)

    def fault(self, problem: str) -> InputError:
        """An error at this place."""
        before = self._text[: self._at]
        line = self._lines + before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        if "\n" not in before:
            column += self._columns
        return InputError(
            f"{self._source.name}, line {line}, column {column}: this is not valid JSON "
            f"({problem}).",
            hint=self._hint,
        )

    def _grow(self, wanted: int) -> bool:
        """Read at least ``wanted`` more characters; whether there were any."""
        gone = self._text[: self._at]
        self._lines += gone.count("\n")
        self._columns = len(gone) - gone.rfind("\n") - 1 + ("\n" not in gone) * self._columns
        parts = [self._text[self._at :]]
        held = len(parts[0])
        if held > MAX_BYTES:
            raise InputError(
                f"{self._source.name}: a value is larger than the {MAX_BYTES:,} characters that "
                "are read at once.",
                hint="Write a dialogue a line, with --format jsonl.",
            )
        read = 0
        while read < wanted and (chunk := next(self._chunks, "")):
            parts.append(chunk)
            read += len(chunk)
        self._text, self._at, self._ended = "".join(parts), 0, read < wanted
        return read > 0


def _refused(error: ValueError | RecursionError, place: str) -> InputError:
    if isinstance(error, RefusedError):
        return InputError(f"{place}: {error}.", hint="Remove or replace it.")
    if isinstance(error, RecursionError):
        return InputError(f"{place}: the JSON is nested too deeply.")
    # Python converts no whole number of more than some thousand digits.
    return InputError(f"{place}: a number has too many digits.")
