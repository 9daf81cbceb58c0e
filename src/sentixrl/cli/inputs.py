"""The options that say how an input is to be read, and opening one as they say.

Contract: every command that reads conversations or tables takes these options from here, so that
what an error advises is there to be used.
"""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from sentixrl.cli.console import errors, printable
from sentixrl.errors import ConfigError, InputError
from sentixrl.formats import Columns, DialogueReader, ReadingOptions, open_dialogues

STANDARD_INPUT = "-"
_GAP = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")
_SECONDS = {"d": 86_400, "h": 3600, "min": 60, "m": 60, "s": 1}
_NO_GAP = "none"
_LONGEST = 10_000 * _SECONDS["d"]


class QuotingChoice(StrEnum):
    """What quotation marks in a table are."""

    AUTO = "auto"
    QUOTED = "quoted"
    PLAIN = "plain"


class DatesChoice(StrEnum):
    """The order of day, month and year."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


FormatOption = Annotated[
    str, typer.Option(help="Format of the input; 'auto' goes by content, then by ending.")
]
EncodingOption = Annotated[str, typer.Option(help="Text encoding of the input.")]
ColumnsOption = Annotated[
    str | None, typer.Option(help="Columns of a table, e.g. text=Utterance,speaker=Who.")
]
QuotingOption = Annotated[
    QuotingChoice, typer.Option(help="Whether quotation marks in a table surround cells.")
]
GapOption = Annotated[
    str, typer.Option(help="Pause that ends a dialogue of a chat, e.g. 8h, 30min, or 'none'.")
]
DatesOption = Annotated[
    DatesChoice | None, typer.Option(help="Order of a chat's dates, where they do not tell.")
]


def reading_options(
    *,
    format: str = "auto",
    encoding: str = "utf-8",
    columns: str | None = None,
    quoting: QuotingChoice = QuotingChoice.AUTO,
    gap: str = "8h",
    dates: DatesChoice | None = None,
) -> ReadingOptions:
    """What the options of a command line mean.

    Raises:
        ConfigError: A pause is none.
        InputError: The columns are not named as they should be.
    """
    return ReadingOptions(
        format=format,
        encoding=encoding,
        columns=None if columns is None else Columns.parse(columns),
        quoting=quoting.value,
        gap=read_gap(gap),
        dates=None if dates is None else dates.value,
    )


def read_gap(text: str) -> timedelta | None:
    """A pause such as ``8h`` or ``90min``; ``None`` for ``none``.

    Raises:
        ConfigError: It is neither.
    """
    if text.strip().casefold() == _NO_GAP:
        return None
    found = _GAP.fullmatch(text.strip().casefold())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST:
        raise ConfigError(
            f"'{printable(text)}' is no pause.",
            hint="Write for example --gap 8h, --gap 30min, --gap 2d, or --gap none.",
        )
    return timedelta(seconds=seconds)


def open_input(file: str, options: ReadingOptions) -> DialogueReader:
    """Get ready to read a file, or standard input where it is called ``-``.

    Raises:
        InputError: It cannot be read as it is, or standard input is closed.
    """
    if file != STANDARD_INPUT:
        return open_dialogues(Path(file), **options)
    if sys.stdin is None:
        raise InputError("Standard input is closed.", hint="Pipe a file into it, or name one.")
    return open_dialogues(stream=sys.stdin.buffer, **options)


def say_reading_notes(reader: DialogueReader) -> None:
    """Tell what a person should know of how an input is read."""
    for note in reader.notes:
        line = Text.assemble(("Note: ", "yellow"), printable(note))
        errors().print(line, highlight=False, soft_wrap=True)
