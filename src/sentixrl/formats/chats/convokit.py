"""ConvoKit's corpora: folders of JSON, read.

Contract: utterances are read a line at a time and a conversation is given out as soon as it is
whole. Within it, an utterance comes after the one it replies to, else by its time and place in
the file. What ConvoKit keeps as pickles (matrices, vectors) is never opened. A corpus that
:mod:`~sentixrl.formats.chats.convokit_writing` wrote gives the dialogues it was written from.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank, name_fault, shown
from sentixrl.formats.chats.counted_json import utf8_json
from sentixrl.formats.chats.fields import Record, number, record, string
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, utterance_of
from sentixrl.formats.on_disk import Register
from sentixrl.formats.strict_json import DECODER, RefusedError

NAME = "convokit"
MAX_LINE = 16 * 1024 * 1024
"""The longest line of ``utterances.jsonl``, in bytes."""

UTTERANCES, CONVERSATIONS, CORPUS = "utterances.jsonl", "conversations.json", "corpus.json"
"""The files of a corpus that are read."""

WRITTEN = "sentixrl"
"""The key in ``corpus.json`` of a corpus that was written here."""

LABEL, OWN_ID = "label", "own_id"
"""Keys of an utterance's ``meta`` in such a corpus: its label; its own id, or that it has none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An utterance and what its order goes by.

    Attributes:
        utterance: The utterance.
        key: Its id in the corpus.
        reply_to: The id of the one it replies to; empty for none.
        timestamp: When it was said; infinite if that is not known.
    """

    utterance: Utterance
    key: str
    reply_to: str
    timestamp: float


def is_corpus(folder: Path) -> bool:
    """Whether a folder looks like a corpus of ConvoKit's."""
    return (folder / UTTERANCES).is_file()


def read_corpus(folder: Path, ledger: Ledger, name: str) -> Iterator[Dialogue]:
    """Read a corpus; the ledger counts the bytes of ``utterances.jsonl``.

    Args:
        folder: Where it lies.
        ledger: Told of every utterance.
        name: What errors call the folder.

    Raises:
        InputError: A file is missing or malformed, an id stands twice, or replies go in a circle.
    """
    path, place = folder / UTTERANCES, f"{name}/{UTTERANCES}"
    if not path.is_file():
        raise InputError(
            f"{name} holds no {UTTERANCES}.",
            hint="Load the corpus with today's ConvoKit, and dump it again.",
        )
    ours = _is_ours(folder)
    about = _conversations(folder, name) if ours else {}
    left = _survey(path, place)
    going: dict[str, list[Entry]] = {}
    for found, size, line in _lines(path, place, ledger):
        key = _conversation(found)
        left[key] -= 1
        entries = going.setdefault(key, [])
        if is_blank(string(found.get("text"))):
            ledger.skip("no text", size, line)
        else:
            ledger.turn(size)
            entries.append(_entry(found, line, f"{place}, line {line}", ours))
        if not left[key]:
            turns = tuple(in_order(going.pop(key), key, place))
            if turns:
                yield _dialogue(key, turns, about.get(key, {}), place)
    if not ledger.turns:
        raise InputError(f"{place} holds no utterance with words.", hint="Is the corpus whole?")


def _survey(path: Path, place: str) -> Counter[str]:
    """How many utterances each conversation has; every id stands once."""
    left: Counter[str] = Counter()
    with closing(Register()) as ids:
        for found, _, line in _lines(path, place, None):
            id = string(found.get("id"))
            if not id or not _conversation(found):
                what = "id" if not id else "conversation_id"
                raise InputError(
                    f"{place}, line {line}: the utterance has no '{what}'.",
                    hint="Dump the corpus again with today's ConvoKit.",
                )
            if ids.add(id, line) is not None:
                raise InputError(
                    f"{place}, line {line}: the id '{shown(id)}' stands there twice.",
                    hint="Ids of utterances are unique in a corpus: remove or rename one.",
                )
            left[_conversation(found)] += 1
    return left


def _lines(path: Path, place: str, ledger: Ledger | None) -> Iterator[tuple[Record, int, int]]:
    """The objects of a file of lines, each with its bytes and number."""
    try:
        with path.open("rb") as stream:
            number = 0
            while raw := stream.readline(MAX_LINE + 1):
                number += 1
                if raw.strip():
                    yield _object(raw, f"{place}, line {number}"), len(raw), number
                elif ledger:
                    ledger.markup(len(raw))
    except OSError as error:
        raise InputError(f"{place} cannot be read: {error.strerror or error}.") from None


def _object(raw: bytes, place: str) -> Record:
    reason = f"it is longer than {MAX_LINE:,} bytes" if len(raw) > MAX_LINE else ""
    try:
        value = None if reason else DECODER.decode(raw.decode().removeprefix("\ufeff"))
    except (RefusedError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = str(error) if isinstance(error, RefusedError) else "this is not valid JSON"
    if not reason and not isinstance(value, dict):
        reason = "this is not an object"
    if reason:
        raise InputError(
            f"{place}: {reason}.", hint="The corpus may be cut off or edited: get it again."
        )
    return record(value)


def _conversation(found: Record) -> str:
    return string(found.get("conversation_id")) or string(found.get("root"))


def _entry(found: Record, line: int, place: str, ours: bool) -> Entry:
    meta = dict(record(found.get("meta")))
    gold = string(meta.pop(LABEL, None)) if ours else ""
    own_id = meta.pop(OWN_ID, True) if ours else True
    key = string(found.get("id"))
    speaker = string(found.get("speaker")) or string(found.get("user"))
    message = Message(
        string(found.get("text")),
        None if is_blank(speaker) else speaker,
        id=key if own_id is True else (own_id if isinstance(own_id, str) else None),
        line=line,
        extra={name: value for name, of in meta.items() if (value := _scalar(of)) is not None},
    )
    utterance = replace(utterance_of(message, place), gold=gold or None)
    reply_to = string(found.get("reply-to")) or string(found.get("reply_to"))
    time = number(found.get("timestamp"))
    return Entry(utterance, key, reply_to, float("inf") if time is None else time)


def _scalar(value: object) -> str | float | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value if abs(value) < float("inf") else None
    # A place in a pickle, which is not opened.
    return value if isinstance(value, str) and not value.startswith("<##bin{") else None


def in_order(entries: list[Entry], conversation: str, place: str) -> Iterator[Utterance]:
    """The utterances, each behind the one it replies to, else by time and place among the entries.

    Args:
        entries: The utterances of one conversation.
        conversation: What errors call it.
        place: Where it stands, for errors.

    Raises:
        InputError: Replies go in a circle.
    """
    places = {entry.key: position for position, entry in enumerate(entries)}
    replies: dict[int, list[int]] = {}
    ready: list[tuple[float, int]] = []
    for position, entry in enumerate(entries):
        if (before := places.get(entry.reply_to)) is None:
            ready.append((entry.timestamp, position))
        else:
            replies.setdefault(before, []).append(position)
    heapq.heapify(ready)
    count = 0
    while ready:
        _, position = heapq.heappop(ready)
        count += 1
        yield entries[position].utterance
        for reply in replies.get(position, ()):
            heapq.heappush(ready, (entries[reply].timestamp, reply))
    if count < len(entries):
        raise InputError(
            f"{place}: the replies of the conversation '{shown(conversation)}' go in a circle.",
            hint="Mend 'reply-to': it names an earlier utterance.",
        )


def _dialogue(
    key: str, turns: tuple[Utterance, ...], about: Mapping[str, str], place: str
) -> Dialogue:
    id = about.get("id", key)
    if fault := name_fault(id):
        raise InputError(f"{place}: the conversation's id {fault}.", hint="Rename it.")
    return Dialogue(id, turns, about.get("language"), about.get("group"))


def _is_ours(folder: Path) -> bool:
    """Whether the corpus was written by :mod:`~sentixrl.formats.chats.convokit_writing`."""
    try:
        with (folder / CORPUS).open("rb") as stream:
            raw = stream.read(MAX_LINE)
        return WRITTEN in record(DECODER.decode(raw.decode()))
    except (OSError, ValueError, RecursionError):
        return False


def _conversations(folder: Path, name: str) -> dict[str, dict[str, str]]:
    """What is kept of each conversation beside its utterances."""
    about: dict[str, dict[str, str]] = {}
    try:
        with (folder / CONVERSATIONS).open("rb") as stream:
            document = utf8_json(stream, f"{name}/{CONVERSATIONS}")
            for key in document.members():
                meta = record(record(document.value()).get("meta"))
                about[key] = {field: string(value) for field, value in meta.items()}
            document.finish()
    except OSError:
        return {}
    return about
