"""The one door for input: files, standard input and texts become dialogues, one at a time.

Contract: what comes out holds every turn of the source, in order, and at least one; a ledger says
what became of everything else. Whatever cannot be read as it is raises :class:`InputError` with
the place. Memory does not grow with the input.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypedDict, Unpack

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats import chats
from sentixrl.formats.characters import is_blank, nearest, shown
from sentixrl.formats.chats import convokit
from sentixrl.formats.columns import Columns
from sentixrl.formats.delimited import DelimitedTable, Quoting
from sentixrl.formats.detection import OWN, beginning, check_medium, detect, format_names
from sentixrl.formats.json_text import JsonDialogues
from sentixrl.formats.language import language_tag
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import DEFAULT_GAP, conversations
from sentixrl.formats.rows import Table
from sentixrl.formats.sheets import parquet_table, workbook_table
from sentixrl.formats.source import (
    InputSource,
    source_of_file,
    source_of_stream,
    source_of_text,
)
from sentixrl.formats.tables import table_dialogues, table_guesses, table_note
from sentixrl.formats.transcript import transcript_dialogues
from sentixrl.formats.values_table import is_record, record_table

_DATES = tuple(order.value for order in chats.DateOrder)


class ReadingOptions(TypedDict, total=False):
    """How an input is to be read, where it does not say so itself.

    Attributes:
        format: The format's name; ``auto`` goes by the content, then by the file's ending.
        encoding: The text encoding; a byte order mark is dropped, and outweighs UTF-8.
        columns: Which column of a table holds what.
        quoting: Whether quotation marks surround the cells of a table: ``auto``, ``quoted`` or
            ``plain``.
        language: Language code of dialogues that do not name their own.
        gap: The pause that ends a dialogue of a chat; ``None`` for no end. Default: 8 hours.
        dates: The order of a chat's dates, ``dmy``, ``mdy`` or ``ymd``, where they do not tell.
    """

    format: str
    encoding: str
    columns: Columns | None
    quoting: Quoting
    language: str | None
    gap: timedelta | None
    dates: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How an input is read.

    Attributes:
        format: The format's name.
        start: Reads it from the start, and tells the ledger.
        notes: As :attr:`DialogueReader.notes`.
        guesses: As :attr:`DialogueReader.guesses`.
    """

    format: str
    start: Callable[[Ledger], Iterator[Dialogue]]
    notes: tuple[str, ...] = ()
    guesses: Mapping[str, str] = dataclasses.field(default_factory=dict)


class DialogueReader:
    """The dialogues of one input, read as they are asked for.

    Iterating again reads again, from the start.

    Attributes:
        name: What errors call the input.
        format: The format it is read as.
        notes: What a person should know of how it is read, a sentence each.
        guesses: Columns of a table that probably hold what none is known to hold, by role.
        ledger: What became of the input so far; whole once all dialogues are read.
    """

    def __init__(self, name: str, plan: Plan, language: str | None) -> None:
        self.name = name
        self.format = plan.format
        self.notes = plan.notes
        self.guesses = plan.guesses
        self.ledger = Ledger(plan.format)
        self._start = plan.start
        self._language = language

    def __iter__(self) -> Iterator[Dialogue]:
        self.ledger = Ledger(self.format)
        for dialogue in self._start(self.ledger):
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
        return DialogueReader(name, plan, _language(options.get("language")))
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


def open_text(text: str, **options: Unpack[ReadingOptions]) -> DialogueReader:
    """Get ready to read a text in memory: a transcript, or what was pasted from a chat.

    Unless another format is named, only the formats of chats are looked for.

    Raises:
        InputError: It is blank, or cannot be read as it is.
    """
    if is_blank(text):
        raise InputError(
            "The text of --text is empty.", hint='For example: --text "Anna: You came back!"'
        )
    source = source_of_text(text, "--text")
    if options.get("format", "auto") == "auto":
        lines = [line.text for line in islice(source.lines(), 1000)]
        chat = chats.detect(chats.Medium.LINES, lines)
        options["format"] = chat.name if chat else "text"
    return _reader(source, options)


def read_text(text: str, *, language: str | None = None) -> list[Dialogue]:
    """All dialogues of a text in memory; see :func:`open_text`."""
    return list(open_text(text, language=language))


def _reader(source: InputSource, options: ReadingOptions) -> DialogueReader:
    language = _language(options.get("language"))
    format, note = options.get("format", "auto"), None
    if format == "auto":
        found = detect(source, options.get("columns"))
        format, note = found.format, found.note
    else:
        check_medium(source, format)
    plan = _plan(source, format, options)
    if note:
        plan = dataclasses.replace(plan, notes=(note, *plan.notes))
    return DialogueReader(source.name, plan, language)


def _plan(source: InputSource, format: str, options: ReadingOptions) -> Plan:
    """How an input is read in a format."""
    if format not in format_names():
        guess = nearest(format, format_names())
        raise InputError(
            f"There is no input format called '{shown(format)}'.",
            hint=(f"Did you mean '{guess}'? " if guess else "")
            + f"There are: auto, {', '.join(format_names())}.",
        )
    columns = options.get("columns")
    if format in {"json", "jsonl"}:
        return _json_plan(source, format, columns)
    if (table := _table(source, format, options)) is not None:
        return _table_plan(format, table, columns, lambda _: None)
    if columns is not None:
        raise _no_columns(source, format)
    if format == convokit.NAME:
        raise InputError(
            f"{source.name} is no ConvoKit corpus, which is a folder with {convokit.UTTERANCES}.",
            hint="Name that folder.",
        )
    if format in OWN:
        beginning(source)
        return Plan(format, partial(transcript_dialogues, source))
    form = next(form for form in chats.FORMATS if form.name == format)
    return Plan(format, partial(_chat, source, form, options))


def _json_plan(source: InputSource, format: str, columns: Columns | None) -> Plan:
    """JSON: dialogues, or the rows of a table."""
    beginning(source)
    document = JsonDialogues(source, lines=format == "jsonl")
    first = next(document.elements(), None)
    if first is not None and is_record(first.value, columns):
        spot = "line" if format == "jsonl" else "row"
        table = record_table(source.name, spot, document.elements, columns)
        return _table_plan(format, table, columns, document.account_rest)
    if columns is not None:
        raise _no_columns(source, format)
    return Plan(format, document.dialogues)


def _table_plan(
    format: str, table: Table, columns: Columns | None, end: Callable[[Ledger], None]
) -> Plan:
    """A table; ``end`` tells the ledger of what stands below its rows."""

    def start(ledger: Ledger) -> Iterator[Dialogue]:
        yield from table_dialogues(table, ledger, columns)
        end(ledger)

    chosen = columns or Columns()
    guesses = table_guesses(table, chosen)
    note = table_note(table, chosen, guesses)
    return Plan(format, start, (note,) if note else (), guesses)


def _table(source: InputSource, format: str, options: ReadingOptions) -> Table | None:
    columns = options.get("columns")
    if format == "parquet":
        return parquet_table(source, columns)
    if format == "xlsx":
        return workbook_table(source, columns)
    if format not in {"csv", "tsv"}:
        return None
    beginning(source)
    return DelimitedTable(
        source,
        delimiter="\t" if format == "tsv" else None,
        quoting=options.get("quoting", "auto"),
        columns=columns,
    )


def _chat(
    source: InputSource, form: chats.ChatFormat, options: ReadingOptions, ledger: Ledger
) -> Iterator[Dialogue]:
    dates = options.get("dates")
    if dates is not None and dates not in _DATES:
        raise InputError(
            f"'{shown(dates)}' is no order of dates.", hint=f"There are: {', '.join(_DATES)}."
        )
    chosen = chats.Options(dates=None if dates is None else chats.DateOrder(dates))
    messages = form.messages(source, ledger, chosen)
    gap = options.get("gap", DEFAULT_GAP)
    return conversations(messages, ledger, name=source.name, gap=gap)


def _no_columns(source: InputSource, format: str) -> InputError:
    return InputError(
        f"{source.name} is read as {format}, which has no columns to name.",
        hint="Leave the columns out, or say --format csv.",
    )


def _language(tag: str | None) -> str | None:
    if tag is None:
        return None
    known = language_tag(tag)
    if known is None:
        raise InputError(
            f"'{shown(tag)}' is not a language code.", hint="Write one such as en, zh, es or ar."
        )
    return known
