"""A JSON document in pieces: the elements of its list, or the one value that it is.

Contract: one element and one chunk of the text are in memory. What is not JSON is an
:class:`InputError` with line and column.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sentixrl.errors import InputError
from sentixrl.formats.json_stream import JsonStream
from sentixrl.formats.source import MAX_BYTES, InputSource
from sentixrl.formats.strict_json import DECODER, RefusedError


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
    document = JsonStream(
        source.chunks(), source.name, size=source.encoding.size, hint=hint, most=MAX_BYTES
    )
    listed = document.peek() == "["
    for number, _ in enumerate(document.elements() if listed else [None], start=int(listed)):
        document.peek()
        before = document.taken
        value = document.value()
        yield Element(value, number, document.taken - before)
    document.finish()


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


def _refused(error: ValueError | RecursionError, place: str) -> InputError:
    if isinstance(error, RefusedError):
        return InputError(f"{place}: {error}.", hint="Remove or replace it.")
    if isinstance(error, RecursionError):
        return InputError(f"{place}: the JSON is nested too deeply.")
    # Python converts no whole number of more than some thousand digits.
    return InputError(f"{place}: a number has too many digits.")
