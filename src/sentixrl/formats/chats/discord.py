"""Discord channels as DiscordChatExporter writes them as JSON.

Contract: what members and bots write is read, notices of the channel are skipped. Mentions by
number become names. Messages stand oldest first, as the exporter writes them; the other way round
is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank
from sentixrl.formats.chats.counted_json import CountedJson
from sentixrl.formats.chats.fields import Record, moment, record, records, string
from sentixrl.formats.chats.format import Options
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source

NAME = "discord"

_BEGINNING = re.compile(r'"guild"\s*:\s*\{[^{}]{0,2000}\}\s*,\s*"channel"\s*:\s*\{')
_MENTION = re.compile(r"<@!?(\d{1,20})>")
_EMOJI = re.compile(r"<a?(:\w{1,40}:)\d{1,20}>")
# Older versions of the exporter write a kind as Discord's number of it.
_SPEECH = {"Default", "Reply", "0", "19"}


def sniff(start: Sequence[str]) -> bool:
    """Whether a guild and a channel stand at the beginning."""
    return _BEGINNING.search("\n".join(start)) is not None


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read an export.

    Raises:
        InputError: It is not JSON, holds no list of messages, or has the newest first.
    """
    lists = 0
    with source.open() as stream:
        document = CountedJson(stream, source.name, ledger)
        for key in document.members():
            if key == "messages" and document.next_is("["):
                lists += 1
                yield from _messages_of(document, ledger, source.name)
            else:
                document.header()
        document.finish()
    if not lists:
        raise InputError(
            f"{source.name} holds no list of messages as DiscordChatExporter writes it.",
            hint="Export the channel again as JSON.",
        )


def _messages_of(document: CountedJson, ledger: Ledger, name: str) -> Iterator[Message]:
    last: datetime | None = None
    rising = False
    for item in document.items():
        found = record(item.value)
        time = moment(found.get("timestamp"))
        if time and last and (time.tzinfo is None) == (last.tzinfo is None):
            rising = rising or time > last
            if time < last and not rising:
                raise InputError(
                    f"{name}, line {item.line}: the newest message stands first.",
                    hint="Export the channel again with the oldest first.",
                )
        last = time or last
        text = _text(found)
        if reason := _reason(found, text):
            ledger.skip(reason, item.size, item.line)
        else:
            ledger.turn(item.size)
            yield _message(found, text, time, item.line)


def _text(found: Record) -> str:
    names = {string(user.get("id")): _name(user) for user in records(found.get("mentions"))}
    text = string(found.get("content"))
    text = _MENTION.sub(lambda mention: f"@{names.get(mention[1]) or mention[1]}", text)
    return _EMOJI.sub(r"\1", text).strip()


def _name(user: Record) -> str:
    return string(user.get("nickname")).strip() or string(user.get("name")).strip()


def _reason(found: Record, text: str) -> str | None:
    if not found:
        return "not a message"
    if string(found.get("type", "Default")) not in _SPEECH:
        return "notice of the channel"
    if is_blank(text):
        media = ("attachments", "embeds", "stickers")
        return "media without text" if any(found.get(key) for key in media) else "no text"
    return None


def _message(found: Record, text: str, time: datetime | None, line: int) -> Message:
    author = record(found.get("author"))
    extra = {
        "reply_to": string(record(found.get("reference")).get("messageId")),
        "edited": string(found.get("timestampEdited")),
        "bot": "yes" if author.get("isBot") is True else "",
    }
    return Message(
        text,
        _name(author) or string(author.get("id")) or None,
        time,
        string(found.get("id")) or None,
        line,
        extra={key: value for key, value in extra.items() if value},
    )
