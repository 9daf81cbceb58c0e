"""Conversations as other programs export them: one module a format, and the list of all.

Contract: detection goes by content alone; the first format of the list whose ``sniff`` says so is
it. Formats are listed from the most to the least distinct.
"""

from __future__ import annotations

from collections.abc import Sequence

from sentixrl.formats.chats.format import ChatFormat, DateOrder, Medium, Options

FORMATS: tuple[ChatFormat, ...] = ()
"""Every chat format that is a file."""


def detect(medium: Medium, start: Sequence[str]) -> ChatFormat | None:
    """The chat format that an input begins like.

    Args:
        medium: What kind of input it is.
        start: Its first lines (those of the first :data:`START_LENGTH` bytes, the last of them
            maybe cut); of an archive, the names of its members.
    """
    return next((form for form in FORMATS if form.medium is medium and form.sniff(start)), None)


__all__ = ["FORMATS", "ChatFormat", "DateOrder", "Medium", "Options", "detect"]
