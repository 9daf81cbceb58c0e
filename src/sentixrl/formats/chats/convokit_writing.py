"""ConvoKit's corpora, written.

Contract: ConvoKit loads what is written, and :func:`~sentixrl.formats.chats.convokit.read_corpus`
gives the same dialogues back. A conversation is called after its first utterance, as ConvoKit
wants it; each utterance replies to the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import shown
from sentixrl.formats.chats.convokit import (
    CONVERSATIONS,
    CORPUS,
    LABEL,
    OWN_ID,
    UTTERANCES,
    WRITTEN,
)
from sentixrl.formats.chats.fields import moment


def write_corpus(folder: Path, dialogues: Iterable[Dialogue]) -> None:
    """Write dialogues as a corpus that ConvoKit loads and :func:`read_corpus` reads back equal.

    Args:
        folder: Where to write; it must not exist yet, and appears whole or not at all.
        dialogues: The dialogues.

    Raises:
        InputError: The folder exists or cannot be written, or a turn's metadata has a key that
            the corpus needs itself.
    """
    if folder.exists():
        raise InputError(
            f"There is already a file or folder {shown(str(folder), 400)}.", hint="Name a new one."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as made:
            whole = Path(made) / "corpus"
            whole.mkdir()
            _Writer(whole).write(dialogues)
            whole.rename(folder)
    except OSError as error:
        raise InputError(
            f"The folder {shown(str(folder), 400)} cannot be written: {error.strerror or error}."
        ) from None


class _Writer:
    """Writes one corpus."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._speakers: dict[str, None] = {}
        self._ids: set[str] = set()
        self._kinds: dict[str, set[str]] = {}

    def write(self, dialogues: Iterable[Dialogue]) -> None:
        """Write all files."""
        about: dict[str, dict[str, str]] = {}
        with (self._folder / UTTERANCES).open("w", encoding="utf-8") as stream:
            for dialogue in dialogues:
                if not dialogue.utterances:
                    raise InputError(f"The dialogue '{shown(dialogue.id)}' has no turn.")
                keys = [self._key(dialogue, n) for n in range(len(dialogue))]
                for n, turn in enumerate(dialogue):
                    line = self._line(turn, keys, n)
                    stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                fields = {
                    "id": dialogue.id,
                    "language": dialogue.language,
                    "group": dialogue.group,
                }
                about[keys[0]] = {key: value for key, value in fields.items() if value is not None}
        no_vectors: list[str] = []
        described = {key: {"meta": meta, "vectors": no_vectors} for key, meta in about.items()}
        self._json(CONVERSATIONS, described)
        self._json(
            "speakers.json",
            {name: {"meta": {}, "vectors": no_vectors} for name in self._speakers},
        )
        self._json(CORPUS, {WRITTEN: 1})
        text = ["<class 'str'>"]
        self._json(
            "index.json",
            {
                "utterances-index": {key: sorted(kinds) for key, kinds in self._kinds.items()},
                "speakers-index": {},
                "conversations-index": {"id": text, "language": text, "group": text},
                "overall-index": {WRITTEN: ["<class 'int'>"]},
                "version": 1,
                "vectors": no_vectors,
            },
        )

    def _key(self, dialogue: Dialogue, n: int) -> str:
        """An id for a turn that is unique in the corpus: its own, if that is."""
        own = dialogue.utterances[n].id
        key = own or f"{dialogue.id}:{n + 1}"
        while key in self._ids:
            key = f"{key}#"
        self._ids.add(key)
        return key

    def _line(self, turn: Utterance, keys: list[str], n: int) -> dict[str, Any]:
        meta: dict[str, Any] = dict(turn.metadata)
        if taken := meta.keys() & {LABEL, OWN_ID}:
            raise InputError(
                f"The turn '{shown(keys[n])}' has a metadata key '{taken.pop()}', which a corpus "
                "needs for the annotated label and the turn's own id.",
                hint="Rename it.",
            )
        if turn.gold is not None:
            meta[LABEL] = turn.gold
        if turn.id != keys[n]:
            meta[OWN_ID] = turn.id or False
        for key, value in meta.items():
            self._kinds.setdefault(key, set()).add(str(type(value)))
        speaker = turn.speaker or ""
        self._speakers[speaker] = None
        return {
            "id": keys[n],
            "conversation_id": keys[0],
            "text": turn.text,
            "speaker": speaker,
            "meta": meta,
            "reply-to": keys[n - 1] if n else None,
            "timestamp": _timestamp(turn.metadata.get("time")),
            "vectors": [],
        }

    def _json(self, name: str, value: object) -> None:
        text = json.dumps(value, ensure_ascii=False)
        (self._folder / name).write_text(text, encoding="utf-8")


def _timestamp(time: object) -> int | None:
    """A time as ConvoKit keeps it: whole seconds since 1970; one without an offset is UTC's."""
    found = moment(time)
    if found is None:
        return None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
