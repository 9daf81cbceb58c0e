"""Conversations as other programs export them: one module a format, and the list of all.

Contract: detection goes by content alone; the first format of the list whose ``sniff`` says so is
it. Formats are listed from the most to the least distinct. ConvoKit's corpora are folders, and
apart: :mod:`sentixrl.formats.chats.convokit`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sentixrl.formats.chats import (
    discord,
    slack,
    speech,
    stamped,
    subtitles,
    telegram,
    whatsapp,
    whatsapp_zip,
)
from sentixrl.formats.chats.format import (
    START_LENGTH,
    ChatFormat,
    DateOrder,
    Medium,
    Options,
)

FORMATS: tuple[ChatFormat, ...] = (
    ChatFormat(
        subtitles.VTT,
        "WebVTT subtitles",
        Medium.LINES,
        subtitles.sniff_vtt,
        subtitles.messages,
    ),
    ChatFormat(
        subtitles.SRT,
        "SubRip subtitles",
        Medium.LINES,
        subtitles.sniff_srt,
        subtitles.messages,
    ),
    ChatFormat(
        whatsapp.NAME,
        "a WhatsApp export",
        Medium.LINES,
        whatsapp.sniff,
        whatsapp.messages,
    ),
    ChatFormat(
        stamped.NAME,
        "a transcript with times or with names on lines of their own",
        Medium.LINES,
        stamped.sniff,
        stamped.messages,
    ),
    ChatFormat(
        discord.NAME,
        "a DiscordChatExporter file",
        Medium.JSON,
        discord.sniff,
        discord.messages,
    ),
    ChatFormat(
        telegram.NAME,
        "a Telegram export",
        Medium.JSON,
        telegram.sniff,
        telegram.messages,
    ),
    ChatFormat(
        speech.NAME,
        "a transcript of speech as Whisper writes it",
        Medium.JSON,
        speech.sniff,
        speech.messages,
    ),
    ChatFormat(
        slack.NAME,
        "a Slack export",
        Medium.ZIP,
        slack.sniff,
        slack.messages,
    ),
    ChatFormat(
        whatsapp_zip.NAME,
        "a WhatsApp export as a zip",
        Medium.ZIP,
        whatsapp_zip.sniff,
        whatsapp_zip.messages,
    ),
)
"""Every chat format that is a file, each under a name of its own."""


def detect(medium: Medium, start: Sequence[str]) -> ChatFormat | None:
    """The chat format that an input begins like.

    Args:
        medium: What kind of input it is.
        start: Its first lines (those of the first :data:`START_LENGTH` bytes, the last of them
            maybe cut); of an archive, the names of its members.
    """
    return next((form for form in FORMATS if form.medium is medium and form.sniff(start)), None)


__all__ = [
    "FORMATS",
    "START_LENGTH",
    "ChatFormat",
    "DateOrder",
    "Medium",
    "Options",
    "detect",
]
