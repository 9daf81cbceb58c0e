"""Transcripts of speech as JSON: Whisper, WhisperX, whisper.cpp, and pyannote's with texts.

Contract: pieces that one speaker says one after another are one turn; where nobody is named, each
piece stays a turn of its own. Times are seconds of the recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from sentixrl.errors import InputError
from sentixrl.formats.chats.counted_json import CountedJson, Item
from sentixrl.formats.chats.fields import Record, number, record, records, string
from sentixrl.formats.chats.format import Options
from sentixrl.formats.chats.spoken import Piece, joined
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source

NAME = "speech"

_LISTS = ("segments", "transcription", "diarization")
_NAMED = re.compile(rf'"(?:{"|".join(_LISTS)})"\s*:\s*\[')
_TIMED = re.compile(r'"(?:start|offsets|timestamps)"\s*:')
_BARE = re.compile(r'\s*\[\s*\{[^{}\[\]]{0,20000}"start"\s*:')
_LONG_TEXT = re.compile(r'\s*\{\s*"text"\s*:\s*"(?:[^"\\]|\\.)*\Z', re.DOTALL)


def sniff(start: Sequence[str]) -> bool:
    """Whether pieces with times stand at the beginning, or Whisper's text that fills all of it."""
    beginning = "\n".join(start)
    if _BARE.match(beginning) or _LONG_TEXT.match(beginning):
        return True
    named = _NAMED.search(beginning)
    return named is not None and _TIMED.search(beginning, named.end()) is not None


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read a transcript.

    Raises:
        InputError: It is not JSON, or has no pieces with words.
    """
    with source.open() as stream:
        document = CountedJson(stream, source.name, ledger)
        yield from joined(map(_piece, _items(document)), ledger)
        document.finish()
    if not ledger.turns:
        raise InputError(
            f"{source.name} holds no speech: {ledger.messages:,} pieces, none with words.",
            hint="Who speaks when is not enough: transcribe the recording too.",
        )


def _items(document: CountedJson) -> Iterator[Item]:
    if document.next_is("["):
        yield from document.items()
        return
    for key in document.members():
        if key in _LISTS and document.next_is("["):
            yield from document.items()
        else:
            document.header()


def _piece(item: Item) -> Piece:
    found = record(item.value)
    start, end = _times(found)
    speaker = string(found.get("speaker")).strip() or None
    text = string(found.get("text")) or _words(records(found.get("words")))
    return Piece(text, speaker, start, end, item.size, item.line)


def _times(found: Record) -> tuple[float | None, float | None]:
    """When a piece begins and ends; whisper.cpp counts milliseconds."""
    offsets = record(found.get("offsets"))
    if offsets:
        times = [number(offsets.get(key)) for key in ("from", "to")]
        start, end = (None if time is None else time / 1000 for time in times)
        return start, end
    return number(found.get("start")), number(found.get("end"))


def _words(words: Iterable[Record]) -> str:
    """The text of a piece that has only words."""
    return " ".join(text for word in words if (text := string(word.get("word")).strip()))
