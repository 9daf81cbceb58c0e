"""What became of every message and every byte of one input.

Contract: a reader tells the ledger of each piece once. Then messages = turns + merged + skipped,
and the bytes of the five kinds add up to the size of the input (of what was unpacked, where it
was packed). What cannot be read is raised, unless somebody asked to be told of it instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sentixrl.errors import InputError

FIRST_SKIPPED = 20
"""How many skipped messages a ledger keeps the places of."""


class Kind(StrEnum):
    """What a byte of the input belongs to."""

    TURN = "turn"
    MERGED = "merged"
    SKIPPED = "skipped"
    HEADER = "header"
    MARKUP = "markup"


class Skipped(NamedTuple):
    """A message that is in no dialogue.

    Attributes:
        line: Where it begins, from 1: the line, or the element where the input has no lines.
        reason: Why, in short plain words.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A row or a dialogue that cannot be read as it is.

    Attributes:
        error: What is wrong, and where.
        row: Where it begins, from 1: the row of a table as :class:`~sentixrl.formats.rows.Row`
            numbers it, else the line; 0 where that is not known.
        dialogue: The dialogue it is or belongs to, if that is known.
    """

    error: InputError
    row: int
    dialogue: str | None = None


class NoDialogueError(InputError):
    """An input that was read to its end and gave no dialogue."""


UNREADABLE = "cannot be read"
"""The reason for which faults are skipped."""


@dataclass(slots=True)
class Ledger:
    """The account of one input.

    Attributes:
        format: The name of the format it was read as.
        turns: Messages that became an utterance.
        merged: Messages whose text became part of the utterance before them.
        skipped: Reason → how many messages are in no dialogue because of it.
        bytes: Kind → how many bytes belong to it.
        splits: How often a dialogue was cut at a pause.
        first_skipped: The first skipped messages, in the order of the input.
        faults: Told of what cannot be read, which is then left out; ``None`` to have it raised.
        first_fault: What is wrong with the first message that was left out because of it.
    """

    format: str
    turns: int = 0
    merged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    bytes: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    splits: int = 0
    first_skipped: list[Skipped] = field(default_factory=list)
    faults: Callable[[Fault], None] | None = None
    first_fault: InputError | None = None

    @property
    def messages(self) -> int:
        """How many messages the input holds."""
        return self.turns + self.merged + self.skipped.total()

    @property
    def size(self) -> int:
        """How many bytes were accounted for."""
        return sum(self.bytes.values())

    def turn(self, size: int) -> None:
        """Count a message of ``size`` bytes that becomes an utterance."""
        self.turns += 1
        self.bytes[Kind.TURN] += size

    def merge(self, size: int) -> None:
        """Count a message of ``size`` bytes whose text joins the utterance before it."""
        self.merged += 1
        self.bytes[Kind.MERGED] += size

    def skip(self, reason: str, size: int, line: int) -> None:
        """Count a message of ``size`` bytes that is left out, and why."""
        self.skipped[reason] += 1
        self.bytes[Kind.SKIPPED] += size
        if len(self.first_skipped) < FIRST_SKIPPED:
            self.first_skipped.append(Skipped(line, reason))

    def fault(
        self,
        error: InputError,
        line: int,
        size: int = 0,
        *,
        row: int | None = None,
        dialogue: str | None = None,
        told: int | None = None,
    ) -> None:
        """Leave out what cannot be read, if somebody is told of it.

        Args:
            error: What is wrong.
            line: Where it begins.
            size: Its bytes.
            row: Its number among a table's rows, if that is not the line.
            dialogue: The dialogue it is or belongs to.
            told: How many of its messages were told of as turns already, if they were.

        Raises:
            InputError: Nobody asked to be told instead.
        """
        if self.faults is None:
            raise error
        if told is not None:
            self.turns -= told
            self.bytes[Kind.TURN] -= size
            self.skipped[UNREADABLE] += told - 1
        self.first_fault = self.first_fault or error
        self.skip(UNREADABLE, size, line)
        self.faults(Fault(error, line if row is None else row, dialogue))

    def rehearsal(self) -> Ledger:
        """An account for reading ahead: as tolerant as this one, and told of nothing."""
        return Ledger(self.format, faults=None if self.faults is None else told_later)

    def header(self, size: int) -> None:
        """Count ``size`` bytes that describe the whole input: column names, a title, a note."""
        self.bytes[Kind.HEADER] += size

    def markup(self, size: int) -> None:
        """Count ``size`` bytes between messages: blank lines, cue numbers, brackets."""
        self.bytes[Kind.MARKUP] += size

    def summary(self) -> str:
        """The account in one plain line."""
        parts = [f"{self.format}: {_many(self.messages, 'message')}", _many(self.turns, "turn")]
        if self.merged:
            parts.append(f"{self.merged:,} merged")
        if self.skipped:
            reasons = ", ".join(
                f"{reason} {count:,}" for reason, count in self.skipped.most_common()
            )
            parts.append(f"{self.skipped.total():,} skipped ({reasons})")
        if self.splits:
            parts.append(f"cut at {_many(self.splits, 'pause')}")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The account ready for :func:`json.dumps`."""
        return {
            "format": self.format,
            "messages": self.messages,
            "turns": self.turns,
            "merged": self.merged,
            "skipped": dict(self.skipped.most_common()),
            "bytes": {kind.value: size for kind, size in self.bytes.items()},
            "splits": self.splits,
            "first_skipped": [
                {"line": line, "reason": reason} for line, reason in self.first_skipped
            ],
        }


def told_later(_: Fault) -> None:
    """Takes what reading ahead cannot read: whoever reads for good is told."""


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
