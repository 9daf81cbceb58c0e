"""Slack's export of a workspace: a zip with a folder a channel and a file a day.

Contract: channels come one after another, days in order. Numbers of users and channels become
names, Slack's mark-up becomes text. Each thread is a conversation of its own that begins with the
message it hangs on. Notices (someone joined, a topic was set) are skipped.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from sentixrl.formats.characters import is_blank
from sentixrl.formats.chats.counted_json import CountedJson
from sentixrl.formats.chats.fields import Record, record, seconds_since_1970, string
from sentixrl.formats.chats.format import Options
from sentixrl.formats.chats.zips import member, member_names
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source

NAME = "slack"

_DAY = re.compile(r"(?:.*/)?(?P<channel>[^/]{1,255})/\d{4}-\d{2}-\d{2}\.json")
_MARKED = re.compile(r"<([@#!]?)([^<>|\n]{1,2000})(?:\|([^<>\n]{0,2000}))?>")
_SPEECH = {"", "me_message", "bot_message", "thread_broadcast", "reply_broadcast", "file_share"}
_USERS = "users.json"
_CHANNELS = ("channels.json", "groups.json", "dms.json", "mpims.json")


def sniff(start: Sequence[str]) -> bool:
    """Whether the archive has the workspace's users and days of channels."""
    return bool(_called(start, _USERS)) and any(_DAY.fullmatch(name) for name in start)


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read an export.

    Raises:
        InputError: The archive or one of its files cannot be read.
    """
    members = sorted(set(member_names(source)))
    users = _names(source, ledger, _called(members, _USERS))
    channels = _names(source, ledger, _called(members, *_CHANNELS))
    for name in members:
        day = _DAY.fullmatch(name)
        if day is None:
            continue
        channel = channels.get(day["channel"], day["channel"])
        inside = member(source, name)
        with inside.open() as stream:
            document = CountedJson(stream, inside.name, ledger)
            for item in document.items():
                found = record(item.value)
                text = _text(string(found.get("text")), users, channels)
                if reason := _reason(found, text):
                    ledger.skip(reason, item.size, item.line)
                else:
                    ledger.turn(item.size)
                    yield _message(found, text, users, item.line, channel)
            document.finish()


def _called(members: Sequence[str], *names: str) -> list[str]:
    """The members of these names, in whatever folder the workspace lies."""
    return [member for member in members if member.rpartition("/")[2] in names]


def _names(source: Source, ledger: Ledger, members: Sequence[str]) -> dict[str, str]:
    """Number → name of users or channels; names that several have get the number behind them."""
    names: dict[str, str] = {}
    for name in members:
        inside = member(source, name)
        with inside.open() as stream:
            document = CountedJson(stream, inside.name, ledger)
            for item in document.items():
                ledger.header(item.size)
                found = record(item.value)
                names[string(found.get("id"))] = _name(found)
            document.finish()
    count = Counter(names.values())
    return {
        id: name if count[name] == 1 else f"{name} ({id})"
        for id, name in names.items()
        if id and name
    }


def _name(found: Record) -> str:
    profile = record(found.get("profile"))
    candidates = (
        profile.get("display_name"),
        profile.get("real_name"),
        found.get("real_name"),
        found.get("name"),
    )
    return next((name for value in candidates if (name := string(value).strip())), "")


def _text(marked: str, users: dict[str, str], channels: dict[str, str]) -> str:
    """A message's text without Slack's mark-up."""

    def plain(found: re.Match[str]) -> str:
        kind, target, label = found[1], found[2], found[3]
        if kind == "@":
            return "@" + (users.get(target) or label or target)
        if kind == "#":
            return "#" + (channels.get(target) or label or target)
        if kind == "!":
            return label or "@" + target.partition("^")[0]
        return label or target

    return html.unescape(_MARKED.sub(plain, marked)).strip()


def _reason(found: Record, text: str) -> str | None:
    if not found or found.get("type", "message") != "message":
        return "not a message"
    if string(found.get("subtype")) not in _SPEECH:
        return "notice of the channel"
    if is_blank(text):
        media = ("files", "attachments", "blocks")
        return "media without text" if any(found.get(key) for key in media) else "no text"
    return None


def _message(found: Record, text: str, users: dict[str, str], line: int, channel: str) -> Message:
    user = string(found.get("user"))
    bot = string(found.get("bot_id")) or found.get("subtype") == "bot_message"
    speaker = (
        users.get(user)
        or _name(record(found.get("user_profile")))
        or string(found.get("username")).strip()
        or _name(record(found.get("bot_profile")))
        or user
        or string(found.get("bot_id"))
    )
    extra = {
        "bot": "yes" if bot else "",
        "edited": string(record(found.get("edited")).get("ts")),
    }
    return Message(
        text,
        speaker or None,
        seconds_since_1970(found.get("ts")),
        string(found.get("ts")) or None,
        line,
        channel,
        string(found.get("thread_ts")) or None,
        {key: value for key, value in extra.items() if value},
    )
