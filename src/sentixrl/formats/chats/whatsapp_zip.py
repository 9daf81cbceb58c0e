"""WhatsApp's exported chat as a zip: the chat's text, and the files that were sent.

Contract: only the text is unpacked; the ledger counts its bytes. An archive with several texts
that could be the chat is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sentixrl.errors import InputError
from sentixrl.formats.chats import whatsapp
from sentixrl.formats.chats.format import Options
from sentixrl.formats.chats.zips import member, member_names
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source

NAME = "whatsapp-zip"

_IPHONE = "_chat.txt"
_SENT = re.compile(r"\d{6,9}-|(?:DOC|IMG|VID|AUD|PTT|STK)-\d{8}-WA\d")
_WHATSAPP = re.compile(r"whatsapp|واتساب", re.IGNORECASE)


def sniff(start: Sequence[str]) -> bool:
    """Whether a member can be the chat's text, and nothing speaks against it."""
    return len(_texts(start)) > 0


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read an export.

    Raises:
        InputError: Several members could be the chat, or the chat cannot be read.
    """
    texts = _texts(member_names(source))
    if len(texts) != 1:
        raise InputError(
            f"{source.name} holds {len(texts)} texts that could be the chat.",
            hint="Unpack it, and name the one to read.",
        )
    yield from whatsapp.messages(member(source, texts[0]), ledger, options)


def _texts(names: Sequence[str]) -> list[str]:
    """The members that can be the chat: the one an iPhone names so, else texts not sent in it."""
    names = [name for name in names if not name.startswith("__MACOSX/")]
    own = [name for name in names if name.rpartition("/")[2] == _IPHONE]
    if own:
        return own
    texts = [name for name in names if name.lower().endswith(".txt")]
    texts = [name for name in texts if not _SENT.match(name.rpartition("/")[2])]
    called = [name for name in texts if _WHATSAPP.search(name)]
    return called or texts
