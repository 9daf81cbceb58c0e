"""The one door for input: files, standard input and texts become dialogues.

Contract: what comes back holds every turn of the source, in order, and at least one; whatever
cannot be read as it is raises :class:`InputError` with the place.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import BinaryIO, Literal

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats.characters import check_readable, is_blank, shown, unix_lines
from sentixrl.formats.json_text import parse_json, parse_jsonl
from sentixrl.formats.language import language_tag
from sentixrl.formats.source import MAX_BYTES, read_file, read_stream, to_text
from sentixrl.formats.tables import Columns, looks_like_table, parse_table, table_delimiter
from sentixrl.formats.transcript import parse_transcript

Format = Literal["auto", "text", "json", "jsonl", "csv", "tsv"]

SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".text": "text",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}
"""File name endings whose format is not guessed from the content."""


def read_dialogues(
    source: Path | None = None,
    *,
    stream: BinaryIO | None = None,
    format: Format = "auto",
    encoding: str = "utf-8",
    columns: Columns | None = None,
    language: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> list[Dialogue]:
    """Read all dialogues of a file or a stream.

    Args:
        source: The file; ``None`` to read ``stream``.
        stream: Bytes to read instead of a file, such as ``sys.stdin.buffer``.
        format: The format; ``auto`` goes by the file's ending, else by the content.
        encoding: The text encoding; a byte order mark is dropped.
        columns: Which column of a table holds what.
        language: Language code of dialogues that do not name their own.
        max_bytes: The largest input that is read.

    Returns:
        The dialogues in order, each with at least one utterance and an id of its own.

    Raises:
        InputError: The input cannot be read as it is.
        ValueError: Not exactly one of ``source`` and ``stream`` was given.
    """
    spoken = _language(language)
    name = "standard input" if source is None else shown(str(source), 400)
    if source is not None and stream is None:
        raw = read_file(source, name, max_bytes)
    elif stream is not None and source is None:
        raw = read_stream(stream, name, max_bytes)
    else:
        raise ValueError("give exactly one of source and stream")
    text = to_text(raw, name, encoding)
    chosen = format if format != "auto" else _detect(source, text, columns)
    return _in_language(_parse(text, name, chosen, columns), spoken)


def read_text(text: str, *, language: str | None = None) -> list[Dialogue]:
    """Read what ``--text`` takes: a transcript of one or several lines.

    Raises:
        InputError: It is blank, or not a transcript that can be read.
    """
    spoken = _language(language)
    text = unix_lines(text)
    check_readable(text, "--text")
    if is_blank(text):
        raise InputError(
            "The text of --text is empty.", hint='For example: --text "Anna: You came back!"'
        )
    return _in_language(parse_transcript(text, "--text"), spoken)


def _parse(text: str, name: str, format: Format, columns: Columns | None) -> list[Dialogue]:
    if format in {"csv", "tsv"}:
        delimiter = "\t" if format == "tsv" else None
        return parse_table(text, name, delimiter=delimiter, columns=columns)
    if columns is not None:
        raise InputError(
            f"{name} is read as {format}, which has no columns to name.",
            hint="Leave the columns out, or say --format csv.",
        )
    parsers = {"text": parse_transcript, "json": parse_json, "jsonl": parse_jsonl}
    if format not in parsers:
        raise InputError(
            f"There is no input format called '{shown(format)}'.",
            hint="There are: auto, text, json, jsonl, csv, tsv.",
        )
    return parsers[format](text, name)


def _detect(source: Path | None, text: str, columns: Columns | None) -> Format:
    """The format by the file's ending or, if that says nothing, by the content."""
    if source is not None and (known := SUFFIXES.get(source.suffix.lower())):
        return known
    start = text.lstrip()
    inside = start[1:].lstrip()[:1]
    if start[:1] == "{" and inside in {'"', "}"}:
        return _json_or_lines(start)
    if start[:1] == "[" and inside in {"{", "]"}:
        return "json"
    if columns is not None or looks_like_table(text):
        return "tsv" if table_delimiter(text) == "\t" else "csv"
    return "text"


def _json_or_lines(text: str) -> Format:
    """``jsonl`` if the first line is a whole object and others follow."""
    first, _, rest = text.partition("\n")
    if is_blank(rest):
        return "json"
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return "json"
    return "jsonl"


def _language(tag: str | None) -> str | None:
    if tag is None:
        return None
    known = language_tag(tag)
    if known is None:
        raise InputError(
            f"'{shown(tag)}' is not a language code.", hint="Write one such as en, zh, es or ar."
        )
    return known


def _in_language(dialogues: list[Dialogue], language: str | None) -> list[Dialogue]:
    if language is None:
        return dialogues
    return [
        dialogue
        if dialogue.language is not None
        else dataclasses.replace(dialogue, language=language)
        for dialogue in dialogues
    ]
