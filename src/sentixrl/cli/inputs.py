"""The options that say how an input is to be read, and opening one as they say.

Contract: every command that reads conversations or tables takes these options from here, so that
what an error advises is there to be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sentixrl.cli.console import errors, note
from sentixrl.cli.files import check_place, writing
from sentixrl.cli.groups import OptionGroup
from sentixrl.errors import ConfigError
from sentixrl.formats import Columns, DialogueReader, ReadingOptions, open_dialogues
from sentixrl.formats.characters import shown
from sentixrl.formats.pseudonyms import PseudonymReader, Pseudonyms
from sentixrl.formats.source import standard_input

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


@dataclass(frozen=True)
class TableOptions(OptionGroup):
    """How a table is read; for commands that take one's own data or predictions."""

    encoding: Annotated[str, typer.Option(help="Text encoding of the input.")] = "utf-8"
    columns: Annotated[
        str | None, typer.Option(help="Columns of a table, e.g. text=Utterance,speaker=Who.")
    ] = None
    quoting: Annotated[
        QuotingChoice, typer.Option(help="Whether quotation marks in a table surround cells.")
    ] = QuotingChoice.AUTO

    def chosen_columns(self) -> Columns | None:
        """The columns that were named.

        Raises:
            InputError: They are not named as they should be.
        """
        return None if self.columns is None else Columns.parse(self.columns)


@dataclass(frozen=True)
class InputOptions(TableOptions):
    """How an input is read, where it does not say so itself."""

    format: Annotated[
        str, typer.Option(help="Format of the input; 'auto' goes by content, then by ending.")
    ] = "auto"
    gap: Annotated[
        str, typer.Option(help="Pause that ends a dialogue of a chat: 8h, 30min, or 'none'.")
    ] = "8h"
    dates: Annotated[
        DatesChoice | None, typer.Option(help="Order of a chat's dates, where they do not tell.")
    ] = None

    def reading(self) -> ReadingOptions:
        """What the options mean.

        Raises:
            ConfigError: A pause is none.
            InputError: The columns are not named as they should be.
        """
        return ReadingOptions(
            format=self.format,
            encoding=self.encoding,
            columns=self.chosen_columns(),
            quoting=self.quoting.value,
            gap=read_gap(self.gap),
            dates=None if self.dates is None else self.dates.value,
        )

    def open(self, file: str) -> DialogueReader:
        """Get ready to read a file, or standard input where it is called ``-``.

        Raises:
            ConfigError: A pause is none.
            InputError: It cannot be read as it is, or standard input is closed.
        """
        if file != STANDARD_INPUT:
            return open_dialogues(Path(file), **self.reading())
        return open_dialogues(stream=standard_input(), **self.reading())


@dataclass(frozen=True)
class PseudonymOptions(OptionGroup):
    """Whether speakers are called by their names; for commands that show or write what they say."""

    pseudonyms: Annotated[
        Path | None,
        typer.Option(
            help="Replace speakers' names, also in texts; who is who is kept in this file alone."
        ),
    ] = None

    def hidden(self, readers: Sequence[DialogueReader]) -> list[DialogueReader]:
        """Readers whose dialogues hold no speaker's name; the file learns who is who.

        Who speaks in one of the inputs is hidden in all of them.

        Raises:
            InputError: The file holds something else or cannot be written, or an input cannot be
                read as it is.
        """
        if self.pseudonyms is None:
            return list(readers)
        check_place(self.pseudonyms)
        names = Pseudonyms.read(self.pseudonyms)
        hidden: list[DialogueReader] = [PseudonymReader(reader, names) for reader in readers]
        with writing(self.pseudonyms, private=True) as stream:
            stream.write(names.as_json())
        return hidden

    def of(self, name: str) -> str:
        """A name, such as a file's, without those of speakers in it."""
        return name if self.pseudonyms is None else Pseudonyms.read(self.pseudonyms).text(name)


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
            f"'{shown(text)}' is no pause.",
            hint="Write for example --gap 8h, --gap 30min, --gap 2d, or --gap none.",
        )
    return timedelta(seconds=seconds)


def say_reading_notes(reader: DialogueReader) -> None:
    """Tell what a person should know of how an input is read."""
    for sentence in reader.notes:
        errors().print(note(sentence))
