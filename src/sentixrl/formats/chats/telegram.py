"""Telegram's ``result.json``: one chat, or all chats of an account one after another.

Contract: each message is read on its own. Service messages and media without words are skipped;
a message's text is the plain text of its pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank
from sentixrl.formats.chats.fields import Record, moment, record, seconds_since_1970, string
from sentixrl.formats.chats.format import Options
from sentixrl.formats.chats.json_stream import JsonStream
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source

NAME = "telegram"

_CHAT = re.compile(
    r'"type"\s*:\s*"(?:saved_messages|personal_chat|bot_chat|private_group|private_supergroup'
    r'|private_channel|public_supergroup|public_channel|replies|verify_codes)"'
)
_ACCOUNT = re.compile(r'"(?:chats|left_chats)"\s*:\s*\{')
_CHAT_LISTS = ("chats", "left_chats")


def sniff(start: Sequence[str]) -> bool:
    """Whether the beginning names a kind of Telegram's chats."""
    beginning = "\n".join(start)
    return bool(_CHAT.search(beginning) or _ACCOUNT.search(beginning))


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read an export.

    Raises:
        InputError: It is not JSON, or holds no list of messages.
    """
    with source.open() as stream:
        document = JsonStream(stream, source.name)
        reading = _Reading(document, ledger)
        for key in document.members():
            if key == "messages":
                yield from reading.chat_messages(None)
            elif key in _CHAT_LISTS and document.peek() == "{":
                yield from reading.chats()
            else:
                reading.header()
        document.finish()
        reading.between()
    if not reading.lists:
        raise InputError(
            f"{source.name} holds no list of messages as Telegram exports it.",
            hint="Export the chat again as machine-readable JSON.",
        )


class _Reading:
    """What is known while one document is read."""

    def __init__(self, document: JsonStream, ledger: Ledger) -> None:
        self._document, self._ledger = document, ledger
        self._told = 0
        self._chats: set[str] = set()
        self.lists = 0

    def between(self) -> int:
        """Count what came since the last piece as mark-up; how far all was counted."""
        self._ledger.markup(self._document.taken - self._told)
        self._told = self._document.taken
        return self._told

    def header(self) -> object:
        """A value that describes the whole."""
        begin = self.between()
        if self._document.peek() in {"[", "{"}:
            value: object = None
            self._document.skip()
        else:
            value = self._document.value()
        self._ledger.header(self._document.taken - begin)
        self._told = self._document.taken
        return value

    def chats(self) -> Iterator[Message]:
        """The messages of a list of chats."""
        for key in self._document.members():
            if key != "list" or self._document.peek() != "[":
                self.header()
                continue
            for _ in self._document.elements():
                yield from self._chat()

    def _chat(self) -> Iterator[Message]:
        known: dict[str, str] = {}
        for key in self._document.members():
            if key == "messages":
                yield from self.chat_messages(self._title(known))
            else:
                known[key] = string(self.header())

    def _title(self, known: dict[str, str]) -> str:
        title = known.get("name") or known.get("type", "").replace("_", " ") or "chat"
        if title in self._chats:
            title = f"{title} ({known.get('id') or len(self._chats) + 1})"
        self._chats.add(title)
        return title

    def chat_messages(self, chat: str | None) -> Iterator[Message]:
        """The messages of one chat."""
        self.lists += 1
        document = self._document
        for _ in document.elements():
            document.peek()
            begin, line = self.between(), document.line
            found = record(document.value())
            size = document.taken - begin
            self._told = document.taken
            text = _text(found.get("text"))
            if reason := _reason(found, text):
                self._ledger.skip(reason, size, line)
                continue
            self._ledger.turn(size)
            yield _message(found, text, line, chat)


def _text(value: object) -> str:
    """The plain text of a message: its own, or that of its pieces."""
    if not isinstance(value, list):
        return string(value)
    return "".join(string(record(piece).get("text")) or string(piece) for piece in value)


def _reason(found: Record, text: str) -> str | None:
    if not found:
        return "not a message"
    if found.get("type", "message") != "message":
        return "service message"
    if is_blank(text):
        media = ("media_type", "photo", "file", "poll", "location_information")
        return "media without text" if any(key in found for key in media) else "no text"
    return None


def _message(found: Record, text: str, line: int, chat: str | None) -> Message:
    extra = {
        "reply_to": string(found.get("reply_to_message_id")),
        "forwarded_from": string(found.get("forwarded_from")),
        "edited": string(found.get("edited")),
        "via_bot": string(found.get("via_bot")),
    }
    return Message(
        text.strip(),
        string(found.get("from")).strip() or string(found.get("from_id")) or None,
        seconds_since_1970(found.get("date_unixtime")) or moment(found.get("date")),
        string(found.get("id")) or None,
        line,
        chat,
        extra={key: value for key, value in extra.items() if value},
    )
