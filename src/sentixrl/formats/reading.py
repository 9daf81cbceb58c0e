"""The one door for input: files, standard input and texts become dialogues, one at a time.

Contract: what comes out holds every turn of the source, in order, and at least one; a ledger says
what became of everything else. Whatever cannot be read as it is raises :class:`InputError` with
the place. Memory does not grow with the input.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Unpack

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats import chats
from sentixrl.formats.characters import is_blank, shown
from sentixrl.formats.chats import convokit
from sentixrl.formats.detection import check_medium, detect
from sentixrl.formats.language import language_tag
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.plans import Plan, ReadingOptions, plan_of
from sentixrl.formats.source import (
    InputSource,
    source_of_bytes,
    source_of_file,
    source_of_stream,
    source_of_text,
)


class DialogueReader:
    """The dialogues of one input, read as they are asked for.

    Iterating again reads again, from the start.

    Attributes:
        name: What errors call the input.
        format: The format it is read as.
        notes: What a person should know of how it is read, a sentence each.
        guesses: Columns of a table that probably hold what none is known to hold, by role.
        named: Whether a column of a table names the dialogues.
        tabular: Whether each turn is the row of a table.
        spot: What the place of a message is called: ``line``, ``row`` or ``dialogue``.
        ledger: What became of the input so far; whole once all dialogues are read.
        plan: How it is read.
        options: What the user said of it.
    """

    def __init__(self, name: str, plan: Plan, options: ReadingOptions) -> None:
        self.name = name
        self.format = plan.format
        self.notes = plan.notes
        self.guesses = plan.guesses
        self.named = plan.named
        self.tabular = plan.tabular
        self.spot = plan.spot
        self.ledger = Ledger(plan.format)
        self.plan, self.options = plan, options
        self._language = _language(options.get("language"))

    def __iter__(self) -> Iterator[Dialogue]:
        self.ledger = Ledger(self.format, faults=self.options.get("faults"))
        for dialogue in self.plan.start(self.ledger):
            if dialogue.language is None and self._language is not None:
                dialogue = dataclasses.replace(dialogue, language=self._language)
            yield dialogue


def open_dialogues(
    source: Path | str | None = None,
    *,
    stream: BinaryIO | None = None,
    **options: Unpack[ReadingOptions],
) -> DialogueReader:
    """Find out how a file or a stream is to be read, and get ready to read it.

    Args:
        source: The file; ``None`` to read ``stream``.
        stream: Bytes to read instead of a file, such as ``sys.stdin.buffer``.
        **options: As :class:`ReadingOptions` says.

    Raises:
        InputError: It is not there, empty, in no format that is read, or the options do not fit.
        ValueError: Not exactly one of ``source`` and ``stream`` was given.
    """
    if (source is None) == (stream is None):
        raise ValueError("give exactly one of source and stream")
    encoding = options.get("encoding", "utf-8")
    if source is None:
        assert stream is not None
        return _reader(source_of_stream(stream, "standard input", encoding), options)
    path, name = Path(source), shown(str(source), 400)
    if options.get("format", "auto") in {"auto", convokit.NAME} and convokit.is_corpus(path):
        plan = Plan(convokit.NAME, partial(convokit.read_corpus, path, name=name))
        return DialogueReader(name, plan, options)
    return _reader(source_of_file(path, name, encoding), options)


def iter_dialogues(
    source: Path | str | None = None,
    *,
    stream: BinaryIO | None = None,
    **options: Unpack[ReadingOptions],
) -> Iterator[Dialogue]:
    """The dialogues of a file or a stream, one at a time; see :func:`open_dialogues`.

    Yields:
        The dialogues in order, each with at least one utterance and an id of its own.
    """
    yield from open_dialogues(source, stream=stream, **options)


def read_dialogues(
    source: Path | str | None = None,
    *,
    stream: BinaryIO | None = None,
    **options: Unpack[ReadingOptions],
) -> list[Dialogue]:
    """All dialogues of a file or a stream in a list; see :func:`iter_dialogues`."""
    return list(iter_dialogues(source, stream=stream, **options))


def open_bytes(raw: bytes, name: str, **options: Unpack[ReadingOptions]) -> DialogueReader:
    """Get ready to read bytes in memory as a file of this name would be read.

    Args:
        raw: The file's content.
        name: Its name without folders, of which only the ending counts; errors show it.
        **options: As :class:`ReadingOptions` says.

    Raises:
        InputError: As :func:`open_dialogues`.
    """
    source = source_of_bytes(raw, shown(name, 400), options.get("encoding", "utf-8"))
    return _reader(source, options)


def open_text(
    text: str, *, name: str = "--text", **options: Unpack[ReadingOptions]
) -> DialogueReader:
    """Get ready to read a text in memory: a transcript, or what was pasted from a chat.

    Unless another format is named, only the formats of chats are looked for.

    Args:
        text: The text.
        name: What errors call it.
        **options: As :class:`ReadingOptions` says.

    Raises:
        InputError: It is blank, or cannot be read as it is.
    """
    if is_blank(text):
        raise InputError(
            f"The text of {name} is empty.", hint='For example: --text "Anna: You came back!"'
        )
    source = source_of_text(text, name)
    if options.get("format", "auto") == "auto":
        lines = [line.text for line in islice(source.lines(), 1000)]
        chat = chats.detect(chats.Medium.LINES, lines)
        options["format"] = chat.name if chat else "text"
    return _reader(source, options)


def read_text(text: str, *, language: str | None = None) -> list[Dialogue]:
    """All dialogues of a text in memory; see :func:`open_text`."""
    return list(open_text(text, language=language))


def _reader(source: InputSource, options: ReadingOptions) -> DialogueReader:
    format, note = options.get("format", "auto"), None
    if format == "auto":
        found = detect(source, options.get("columns"))
        format, note = found.format, found.note
    else:
        check_medium(source, format)
    plan = plan_of(source, format, options)
    if note:
        plan = dataclasses.replace(plan, notes=(note, *plan.notes))
    return DialogueReader(source.name, plan, options)


def _language(tag: str | None) -> str | None:
    if tag is None:
        return None
    known = language_tag(tag)
    if known is None:
        raise InputError(
            f"'{shown(tag)}' is not a language code.", hint="Write one such as en, zh, es or ar."
        )
    return known
