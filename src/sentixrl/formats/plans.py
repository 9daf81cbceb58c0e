"""How an input is read once its format is known: what reads it, and what there is to say about it.

Contract: a plan reads nothing but the beginning; its start reads the input anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypedDict

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats import chats
from sentixrl.formats.characters import nearest, shown
from sentixrl.formats.chats import convokit
from sentixrl.formats.columns import Columns, places_of
from sentixrl.formats.delimited import DelimitedTable, Quoting
from sentixrl.formats.detection import OWN, beginning, format_names
from sentixrl.formats.json_text import JsonDialogues
from sentixrl.formats.ledger import Fault, Ledger
from sentixrl.formats.messages import DEFAULT_GAP, conversations
from sentixrl.formats.rows import Table
from sentixrl.formats.sheets import parquet_table, workbook_table
from sentixrl.formats.source import InputSource
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
        keep: Whether an utterance's metadata holds its row and the further columns of a table.
        faults: Told of rows and dialogues that cannot be read, which are then left out; default:
            the first one is raised.
    """

    format: str
    encoding: str
    columns: Columns | None
    quoting: Quoting
    language: str | None
    gap: timedelta | None
    dates: str | None
    keep: bool
    faults: Callable[[Fault], None] | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How an input is read.

    Attributes:
        format: The format's name.
        start: Reads it from the start, and tells the ledger.
        notes: What a person should know of how it is read, a sentence each.
        guesses: Columns of a table that probably hold what none is known to hold, by role.
        named: Whether a column of a table names the dialogues, so that one may go on elsewhere.
        tabular: Whether each turn is the row of a table.
        spot: What the place of a message is called: ``line``, ``row`` or ``dialogue``.
    """

    format: str
    start: Callable[[Ledger], Iterator[Dialogue]]
    notes: tuple[str, ...] = ()
    guesses: Mapping[str, str] = field(default_factory=dict)
    named: bool = False
    tabular: bool = False
    spot: str = "line"


def plan_of(source: InputSource, format: str, options: ReadingOptions) -> Plan:
    """How an input is read in a format.

    Args:
        source: The input.
        format: The format's name.
        options: What the user said of it.

    Raises:
        InputError: There is no such format, the beginning is not in it, or an option does not fit.
    """
    if format not in format_names():
        guess = nearest(format, format_names())
        raise InputError(
            f"There is no input format called '{shown(format)}'.",
            hint=(f"Did you mean '{guess}'? " if guess else "")
            + f"There are: auto, {', '.join(format_names())}.",
        )
    columns = options.get("columns")
    if format in {"json", "jsonl"}:
        return _json_plan(source, format, options)
    if (table := _table(source, format, options)) is not None:
        return _table_plan(format, table, options, lambda _: None)
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


def _json_plan(source: InputSource, format: str, options: ReadingOptions) -> Plan:
    """JSON: dialogues, or the rows of a table."""
    columns = options.get("columns")
    beginning(source)
    document = JsonDialogues(source, lines=format == "jsonl")
    first = next(document.elements(), None)
    if first is not None and is_record(first.value, columns):
        spot = "line" if format == "jsonl" else "row"
        table = record_table(
            *(source.name, spot, document.elements, columns),
            keep=options.get("keep", False),
            ahead=Ledger("", faults=options.get("faults")).rehearsal(),
        )
        return _table_plan(format, table, options, document.account_rest)
    if columns is not None:
        raise _no_columns(source, format)
    return Plan(format, document.dialogues, spot=document.spot)


def _table_plan(
    format: str, table: Table, options: ReadingOptions, end: Callable[[Ledger], None]
) -> Plan:
    """A table; ``end`` tells the ledger of what stands below its rows."""
    chosen = options.get("columns") or Columns()

    def start(ledger: Ledger) -> Iterator[Dialogue]:
        yield from table_dialogues(table, ledger, chosen, keep=options.get("keep", False))
        end(ledger)

    guesses = table_guesses(table, chosen)
    note = table_note(table, chosen, guesses)
    named = "dialogue" in places_of(table.header, chosen, table.name)
    notes = (note,) if note else ()
    return Plan(format, start, notes, guesses, named, tabular=True, spot=table.spot)


def _table(source: InputSource, format: str, options: ReadingOptions) -> Table | None:
    columns = options.get("columns")
    if format == "parquet":
        return parquet_table(source, columns, keep=options.get("keep", False))
    if format == "xlsx":
        return workbook_table(source, columns, keep=options.get("keep", False))
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
