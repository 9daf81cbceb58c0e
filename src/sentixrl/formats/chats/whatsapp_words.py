"""What WhatsApp itself writes into an export, in every language that is known.

Contract: the words stand in ``whatsapp_words.yaml``, and ``docs/chat-formats.md`` says where they
are from. Letter case, the Unicode form and a full stop at the end make no difference.
"""

from __future__ import annotations

import unicodedata
from importlib import resources

import yaml

OMITTED = "media left out"
ATTACHED = "media attached"
DELETED = "deleted"
LOCATION = "location"
SYSTEM = "system line"

WORDS: dict[str, dict[str, list[str]]] = yaml.load(
    (resources.files("sentixrl") / "formats" / "chats" / "whatsapp_words.yaml").read_text("utf-8"),
    Loader=yaml.BaseLoader,
)
"""Language → kind → words, as the file has them."""


def fold(text: str) -> str:
    """``text`` as it is compared."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.casefold().strip().rstrip(".。").strip()


def _all(kind: str) -> frozenset[str]:
    return frozenset(fold(word) for words in WORDS.values() for word in words.get(kind, ()))


ALL_OMITTED, ALL_DELETED, ALL_EDITED = _all("omitted"), _all("deleted"), _all("edited")
ALL_ATTACHED, ALL_CALLS, NOTICES = _all("attached"), _all("calls"), tuple(_all("notices"))
