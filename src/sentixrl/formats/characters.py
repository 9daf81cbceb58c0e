"""Which characters may stand where, and how a user's own words are shown in an error.

Contract: texts may hold any Unicode text but NUL and lone surrogates; names (speakers, labels,
identifiers) are one line without control characters. Nothing is removed or replaced in silence.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable

from sentixrl.errors import InputError

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that steer the direction of writing and show nothing themselves."""

SYNONYMS = {
    "text": ("utterance", "message", "sentence", "content"),
    "speaker": ("speaker_name", "speaker_id", "name", "author", "role"),
    "dialogue": ("dialogue_id", "dialog_id", "conversation_id", "dialog", "conversation"),
    "id": ("utterance_id", "message_id"),
    "label": ("emotion", "gold"),
    "utterances": ("turns", "messages", "dialogue", "dialog", "conversation", "sentences"),
}
"""What we call a thing → what others call it, most usual first."""

_UNREADABLE = re.compile("[\0\ud800-\udfff]")
_UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_NOT_IN_NAMES = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def unix_lines(text: str) -> str:
    r"""``text`` with every ``\r\n`` and ``\r`` turned into ``\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_text(name: str) -> str:
    """A file's name as text: bytes in it that are none become ``\ufffd``."""
    return os.fsencode(name).decode("utf-8", "replace")


def is_blank(text: str) -> bool:
    """Whether nothing can be seen: white space, control and formatting characters alone."""
    return all(unicodedata.category(character) in _UNSEEN for character in text)


def shown(text: str, limit: int = 40) -> str:
    """``text`` fit for an error message: one line, at most ``limit`` characters, no controls."""
    safe = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[: limit + 1]
    )
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def unreadable(text: str) -> str | None:
    """The character that no text may hold, as the end of a sentence, or ``None``."""
    found = _UNREADABLE.search(text)
    return f"holds {_described(found[0])}" if found else None


def text_fault(text: str) -> str | None:
    """What keeps ``text`` from being an utterance, as the end of a sentence, or ``None``."""
    return unreadable(text) or ("is empty" if is_blank(text) else None)


def name_fault(name: str) -> str | None:
    """What keeps ``name`` from being a one-line name, as the end of a sentence, or ``None``."""
    if found := _NOT_IN_NAMES.search(name):
        if fault := unreadable(name):
            return fault
        kind = "a line break" if found[0] in "\n\r\u2028\u2029" else "the control character"
        return f"holds {kind} ({found[0].encode('unicode_escape').decode()})"
    return None


def check_readable(text: str, name: str, line: int = 1) -> None:
    r"""Refuse a text that holds a NUL or a lone surrogate.

    Args:
        text: The text, its lines ending in ``\n``.
        name: What errors call the input.
        line: The number of its first line in the input.

    Raises:
        InputError: It holds one; the message gives line and column.
    """
    found = _UNREADABLE.search(text)
    if not found:
        return
    line += text.count("\n", 0, found.start())
    column = found.start() - text.rfind("\n", 0, found.start())
    raise InputError(
        f"{name}, line {line}, column {column}: the text holds {_described(found[0])}.",
        hint="Remove it. A file full of NULs is often UTF-16: try --encoding utf-16.",
    )


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``name`` was probably meant to be, by synonym or by spelling."""
    known = list(candidates)
    folded = name.strip().casefold()[:100]
    for candidate in known:
        if folded == candidate.casefold() or folded in SYNONYMS.get(candidate, ()):
            return candidate
    by_fold = {candidate.casefold()[:100]: candidate for candidate in reversed(known)}
    close = difflib.get_close_matches(folded, by_fold, n=1)
    return by_fold[close[0]] if close else None


def _described(character: str) -> str:
    if character == "\0":
        return "a NUL character"
    return f"half a character (the lone surrogate \\u{ord(character):04x})"
