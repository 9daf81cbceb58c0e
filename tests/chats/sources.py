"""Inputs in memory, and what a reader makes of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO

from sentixrl.dialogue import Dialogue
from sentixrl.formats.chats.format import DateOrder, Options, Reader
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import DEFAULT_GAP, Line, Message, conversations

Turn = tuple[str | None, str]


@dataclass
class Memory:
    """Bytes as an input."""

    raw: bytes
    name: str = "chat"

    def open(self) -> BinaryIO:
        return io.BytesIO(self.raw)

    def lines(self) -> Iterator[Line]:
        for number, raw in enumerate(self.raw.splitlines(keepends=True), start=1):
            yield Line(number, raw.decode().rstrip("\r\n"), len(raw))

    def inside(self, name: str, open: Callable[[], BinaryIO]) -> Memory:
        with open() as stream:
            return Memory(stream.read(), name)


@dataclass
class Read:
    """What came of an input."""

    messages: list[Message]
    ledger: Ledger

    @property
    def turns(self) -> list[Turn]:
        return [(message.speaker, message.text) for message in self.messages]


def read(reader: Reader, content: str | bytes, dates: str | None = None) -> Read:
    """All messages of an input, with every byte and message accounted for."""
    raw = content.encode() if isinstance(content, str) else content
    ledger = Ledger("test")
    options = Options(DateOrder(dates) if dates else None)
    messages = list(reader(Memory(raw), ledger, options))
    assert ledger.turns == len(messages)
    return Read(messages, ledger)


def dialogues(
    reader: Reader, content: str | bytes, gap: timedelta | None = DEFAULT_GAP
) -> tuple[list[Dialogue], Ledger]:
    """The dialogues of an input."""
    raw = content.encode() if isinstance(content, str) else content
    ledger = Ledger("test")
    messages = reader(Memory(raw), ledger, Options())
    return list(conversations(messages, ledger, name="chat", gap=gap)), ledger
