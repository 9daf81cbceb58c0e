"""Telegram's ``result.json``: one chat, or all chats of an account one after another.

Contract: each message is read on its own. Service messages and media without words are skipped;
a message's text is the plain text of its pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank
from sentixrl.formats.chats.counted_json import CountedJson
from sentixrl.formats.chats.fields import Record, moment, record, seconds_since_1970, string
from sentixrl.formats.chats.format import Options
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
    lists = 0
    with source.open() as stream:
        document = CountedJson(stream, source.name, ledger)
        for key in document.members():
            if key == "messages":
                lists += 1
                yield from _messages_of(document, ledger, None)
            elif key in _CHAT_LISTS and document.next_is("{"):
                lists += 1
                yield from _chats(document, ledger)
            else:
                document.header()
        document.finish()
    if not lists:
        raise InputError(
            f"{source.name} holds no list of messages as Telegram exports it.",
            hint="Export the chat again as machine-readable JSON.",
        )


def _chats(document: CountedJson, ledger: Ledger) -> Iterator[Message]:
    """The messages of an account's chats."""
    titles: set[str] = set()
    for key in document.members():
        if key != "list" or not document.next_is("["):
            document.header()
            continue
        for _ in document.elements():
            known: dict[str, str] = {}
            for field in document.members():
                if field == "messages":
                    yield from _messages_of(document, ledger, _title(known, titles))
                else:
                    known[field] = string(document.header())


def _title(known: dict[str, str], titles: set[str]) -> str:
    """A name for a chat that no other chat of the list has."""
    title = known.get("name") or known.get("type", "").replace("_", " ") or "chat"
    if title in titles:
        title = f"{title} ({known.get('id') or len(titles) + 1})"
    titles.add(title)
    return title


def _messages_of(document: CountedJson, ledger: Ledger, chat: str | None) -> Iterator[Message]:
    """The messages of one chat."""
    for item in document.items():
        found = record(item.value)
        text = _text(found.get("text"))
        if reason := _reason(found, text):
            ledger.skip(reason, item.size, item.line)
        else:
            ledger.turn(item.size)
            yield _message(found, text, item.line, chat)


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
