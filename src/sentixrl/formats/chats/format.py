"""What a chat format is to the rest of the library: a name, a way to know it, a way to read it.

Contract: ``sniff`` looks at the beginning alone and never raises; ``messages`` reads element by
element and tells the ledger of every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source

START_LENGTH = 64 * 1024
"""How much of an input's beginning is looked at to tell its format, in bytes."""


class Medium(StrEnum):
    """What an input is before anything is known of its format."""

    LINES = "lines"
    JSON = "json"
    ZIP = "zip"


class DateOrder(StrEnum):
    """The order of day, month and year in dates of digits alone."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may say about an input that the input does not.

    Attributes:
        dates: The order of its dates; ``None`` to tell it from the whole input.
    """

    dates: DateOrder | None = None


Sniffer = Callable[[Sequence[str]], bool]
"""Tells from the first lines; of an archive, from the names of its members."""

Reader = Callable[[Source, Ledger, Options], Iterator[Message]]
"""Reads an input; what it yields, the ledger already knows of."""


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """One chat format.

    Attributes:
        name: What ``--format`` calls it.
        title: What a person calls it, with its article.
        medium: Which inputs it can be.
        sniff: Whether an input begins like one.
        messages: Reads one.
    """

    name: str
    title: str
    medium: Medium
    sniff: Sniffer
    messages: Reader
