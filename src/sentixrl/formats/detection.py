"""Which format an input is in: by its content first, then by its ending.

Contract: what begins like a format that is not read is refused by its name. One line is one turn
only where the ending or the lines themselves say so; nothing falls back to that in silence.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, islice

from sentixrl.errors import InputError
from sentixrl.formats import chats
from sentixrl.formats.characters import is_blank, shown
from sentixrl.formats.chats import convokit
from sentixrl.formats.columns import Columns, has_text
from sentixrl.formats.decoding import BYTE_ORDER_MARKS, MAX_LINE_BYTES
from sentixrl.formats.delimited import delimiter_of, sample_rows
from sentixrl.formats.ledger import NoDialogueError
from sentixrl.formats.messages import Line
from sentixrl.formats.signatures import PARQUET, ZIP, office_kind, refuse_binary, refuse_markup
from sentixrl.formats.source import InputSource
from sentixrl.formats.speakers import split_speaker

SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    "": "text",  # standard input, and files without an ending
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}
"""File name endings and the format they stand for where the content does not say otherwise."""

OWN = ("text", "json", "jsonl", "csv", "tsv", "parquet", "xlsx")
"""The formats that are no chat's."""

_PLAIN = {".txt", ".text"}
_TABLE_LINES = 50
_START_LINES = 200


@dataclass(frozen=True, slots=True)
class Detected:
    """A format, and what a person should know of how it was found."""

    format: str
    note: str | None = None


def format_names() -> tuple[str, ...]:
    """Every format that can be named."""
    return (*OWN, *(form.name for form in chats.FORMATS), convokit.NAME)


def detect(source: InputSource, columns: Columns | None) -> Detected:
    """The format of an input.

    Args:
        source: The input.
        columns: What the user named; only tables have columns.

    Raises:
        InputError: It is empty, no text, in a format that is not read, or in none that is known.
    """
    if (packed := _binary(source)) is not None:
        return Detected(packed)
    start = beginning(source)
    refuse_markup(start[0].lstrip() + "\n" + "\n".join(start[1:]), source.name)
    chat = chats.detect(chats.Medium.LINES, start)
    if chat is not None:
        return Detected(chat.name)
    if _is_json(start):
        chat = chats.detect(chats.Medium.JSON, start)
        return Detected(chat.name if chat else _json_or_lines(source))
    by_ending = SUFFIXES.get(source.suffix)
    if by_ending not in {None, "text"}:
        return Detected(str(by_ending))
    table = _table(source, start, columns)
    if table is not None:
        return Detected(table)
    if by_ending:
        return Detected(by_ending)
    if _is_transcript(start):
        note = f"{source.name} is read as a transcript, each line a turn."
        return Detected("text", note)
    raise InputError(
        f"{source.name}: neither the ending '{shown(source.suffix)}' nor the content tells the "
        "format.",
        hint="If each line is a turn, say --format text.",
    )


def detect_rows(source: InputSource) -> str:
    """Whether an input of rows is ``json``, ``jsonl`` or else a table, ``csv``.

    Raises:
        InputError: It is empty, no text, or begins like a format that is neither.
    """
    found = _binary(source)
    start = [] if found else beginning(source)
    if found is None:
        refuse_markup(start[0].lstrip(), source.name)
        chat = chats.detect(chats.Medium.LINES, start)
        found = chat.name if chat else None
    if found is not None:
        raise InputError(
            f"{source.name} is read as {found}, which is neither a table in CSV nor JSON.",
            hint="Save it as CSV.",
        )
    return _json_or_lines(source) if _is_json(start) else "csv"


def check_medium(source: InputSource, format: str) -> None:
    """Refuse an input that cannot be in the format that was named for it.

    Raises:
        InputError: It is binary and the format is text, or the other way round.
    """
    found = _binary(source)
    binary = {
        "parquet",
        "xlsx",
        *(form.name for form in chats.FORMATS if form.medium is chats.Medium.ZIP),
    }
    if found != format and (found is not None or format in binary) and format in format_names():
        raise InputError(
            f"{source.name} is no {shown(format)} file"
            + (f", but one of {found}." if found else "."),
            hint="Leave --format out.",
        )


def beginning(source: InputSource) -> Sequence[str]:
    """The first lines of a text, from the first with something to see on.

    Raises:
        InputError: There is none, or bytes among them that are not text.
    """
    lines = _visible(source.start())
    if not lines:  # nothing to see in the head
        lines = [line.text for line in islice(_from_visible(source.lines()), _START_LINES)]
    if not lines:
        only_mark = source.head in {b"", *BYTE_ORDER_MARKS}
        what = "is empty" if only_mark else "holds nothing but blank space"
        raise NoDialogueError(f"{source.name} {what}.", hint="Give at least one line of text.")
    return lines


def _visible(lines: Sequence[str]) -> Sequence[str]:
    return list(dropwhile(is_blank, lines))


def _from_visible(lines: Iterable[Line]) -> Iterator[Line]:
    return dropwhile(lambda line: is_blank(line.text), lines)


def archive_members(source: InputSource) -> list[str]:
    """The names in a ZIP archive.

    Raises:
        InputError: It is broken.
    """
    try:
        with source.open() as stream, zipfile.ZipFile(stream) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{source.name} is a ZIP archive that cannot be read ({shown(str(error), 120)}).",
            hint="It may be cut off: get it again.",
        ) from None


def _binary(source: InputSource) -> str | None:
    head = source.head
    if head.startswith(PARQUET):
        return "parquet"
    if head.startswith(ZIP):
        members = archive_members(source)
        if "xl/workbook.xml" in members:
            return "xlsx"
        if (chat := chats.detect(chats.Medium.ZIP, members)) is not None:
            return chat.name
        raise InputError(
            f"{source.name} is {office_kind(members)}, not text.",
            hint="Export the conversation as text, CSV or JSON first.",
        )
    refuse_binary(head, source.name)
    return None


def _is_json(start: Sequence[str]) -> bool:
    text = "\n".join(start).lstrip()
    inside = text[1:].lstrip()[:1]
    return (text[:1] == "{" and inside in {'"', "}"}) or (text[:1] == "[" and inside in {"{", "]"})


def _json_or_lines(source: InputSource) -> str:
    """``jsonl`` if the first line is a whole object and others follow."""
    held = ""
    for chunk in source.chunks(tolerant=True):
        held = (held + chunk).lstrip()
        first, end, rest = held.partition("\n")
        if end and not is_blank(rest):
            try:
                whole = isinstance(json.loads(first), dict)
            except (ValueError, RecursionError):
                whole = False
            return "jsonl" if whole else "json"
        if len(held) > MAX_LINE_BYTES:
            break
    return "json"


def _table(source: InputSource, start: Sequence[str], columns: Columns | None) -> str | None:
    """``csv`` or ``tsv`` if a text is a table, or must be as its columns are named."""
    lines = [line for line in start[:_TABLE_LINES] if line.strip()]
    if lines[0].strip().strip('"').casefold().startswith("sep=") and len(lines) > 1:
        return "csv"
    mark = delimiter_of(lines, columns)
    header = sample_rows(lines, mark)[0]
    named = columns is not None and (source.suffix not in _PLAIN or has_text(header, columns))
    if named or (mark in lines[0] and has_text(header, Columns())):
        return "tsv" if mark == "\t" else "csv"
    tabs = lines[0].count("\t")
    if tabs and len(lines) > 1 and all(line.count("\t") == tabs for line in lines):
        listed = ", ".join(shown(cell.strip()) for cell in lines[0].split("\t")[:20])
        raise InputError(
            f"{source.name} looks like a table separated by tabs, but none of its columns "
            f"({listed}) is known to hold the text.",
            hint="Say which it is: --columns text=NAME. If it is no table, say --format text.",
        )
    return None


def _is_transcript(start: Sequence[str]) -> bool:
    """Whether at least every second line names its speaker."""
    lines = [line for line in start if not is_blank(line)]
    splits = [split_speaker(line) for line in lines]
    named = sum(split.speaker is not None and not split.doubtful for split in splits)
    return 2 * named >= len(lines)
