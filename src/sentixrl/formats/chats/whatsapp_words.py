"""What WhatsApp itself writes into an export, in every language that is known.

Contract: the words stand in ``whatsapp_words.yaml``, read when they are first needed;
``docs/chat-formats.md`` says where they are from. Letter case, the Unicode form and a full stop
at the end make no difference.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import cast

import yaml

OMITTED = "media left out"
ATTACHED = "media attached"
DELETED = "deleted"
LOCATION = "location"
POLL = "poll"
SYSTEM = "system line"


@dataclass(frozen=True, slots=True)
class Known:
    """The words of all languages, folded; the file says what each kind is."""

    omitted: frozenset[str]
    deleted: frozenset[str]
    edited: frozenset[str]
    attached: frozenset[str]
    lines: frozenset[str]
    polls: frozenset[str]
    notices: tuple[str, ...]


@cache
def languages() -> dict[str, dict[str, list[str]]]:
    """Language → kind → words, as the file has them."""
    path = resources.files("sentixrl") / "formats" / "chats" / "whatsapp_words.yaml"
    read = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    return cast("dict[str, dict[str, list[str]]]", read)


@cache
def known() -> Known:
    """The words of all languages."""
    return Known(
        omitted=_all("omitted"),
        deleted=_all("deleted"),
        edited=_all("edited"),
        attached=_all("attached"),
        lines=_all("lines"),
        polls=_all("polls"),
        notices=tuple(_all("notices")),
    )


def _all(kind: str) -> frozenset[str]:
    return frozenset(fold(word) for words in languages().values() for word in words.get(kind, ()))


def fold(text: str) -> str:
    """``text`` as it is compared."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.casefold().strip().rstrip(".。").strip()
