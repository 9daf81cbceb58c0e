"""Pseudonyms for speakers, and for their names wherever somebody mentions them.

Contract: a name has one pseudonym, in every dialogue, whoever mentions it. Speakers of the whole
input are known before the first text is changed. A mention is a whole word, in any capitals and
with or without accents; rather too much is replaced than too little, so that a word that is also a
speaker's name ("Will") is replaced too. What else could tell who somebody is stays: other people's
names, numbers, addresses, what they say. Identifiers and further fields of a source are dropped,
but for times.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import shown
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.reading import DialogueReader
from sentixrl.untrusted import read_bounded

PREFIX = "P"
SHORTEST_PART = 3
"""Letters that a part of a name has at least, if it is looked for by itself."""
MOST_NAMES = 100_000
_LARGEST_MAP = 16 << 20
_KEY = "pseudonyms"
_KEPT_FIELDS = ("time",)
_ARABIC_BEFORE = "وفبلك"  # and, so, in, to, as: written in one with the word


class Pseudonyms:
    """Who is called what.

    Args:
        names: Name → pseudonym, as :meth:`read` gives it.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self.names = dict(names or {})
        self._pattern: re.Pattern[str] | None = None
        self._by_form: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> Pseudonyms:
        """The map in a file, to be gone on with; an empty one if there is none yet.

        Raises:
            InputError: The file holds something else.
        """
        if not path.exists():
            return cls()
        hint = "Name a file that --pseudonyms wrote, or one that is not there yet."
        try:
            content = json.loads(read_bounded(path, _LARGEST_MAP))
            names = content[_KEY]
            whole = all(isinstance(one, str) for pair in names.items() for one in pair)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            whole = False
        if not whole:
            raise InputError(f"{shown(str(path), 400)} holds no map of pseudonyms.", hint=hint)
        return cls(names)

    def as_json(self) -> str:
        """The content of a map's file."""
        return json.dumps({_KEY: self.names}, ensure_ascii=False, indent=1) + "\n"

    def learn(self, speakers: Iterable[str | None]) -> None:
        """Give a pseudonym to every speaker that has none.

        Raises:
            InputError: There are too many.
        """
        taken = {*self.names.values(), *self.names}
        number = len(self.names)
        for name in speakers:
            if name is None or name in self.names:
                continue
            if len(self.names) >= MOST_NAMES:
                raise InputError(f"There are more than {MOST_NAMES:,} speakers to rename.")
            number += 1
            while f"{PREFIX}{number}" in taken:
                number += 1
            self.names[name] = f"{PREFIX}{number}"
        self._pattern = None

    def text(self, text: str) -> str:
        """A text without the speakers' names."""
        pattern = self._compiled()
        if pattern is None:
            return text
        folded, places = _folded(text)
        pieces, end = [], 0
        for found in pattern.finditer(folded):
            start, stop = _bounds(folded, found)
            if start < 0:
                continue
            pieces += [text[end : places[start]], self._by_form[folded[start:stop]]]
            end = places[stop]
        return "".join([*pieces, text[end:]])

    def dialogue(self, dialogue: Dialogue) -> Dialogue:
        """A dialogue whose speakers were learnt, without their names."""
        turns = tuple(self._utterance(turn) for turn in dialogue)
        group = None if dialogue.group is None else self.text(dialogue.group)
        return replace(dialogue, id=self.text(dialogue.id), utterances=turns, group=group)

    def _utterance(self, turn: Utterance) -> Utterance:
        return replace(
            turn,
            text=self.text(turn.text),
            speaker=None if turn.speaker is None else self.names[turn.speaker],
            id=None,
            metadata={key: turn.metadata[key] for key in _KEPT_FIELDS if key in turn.metadata},
        )

    def _compiled(self) -> re.Pattern[str] | None:
        if self._pattern is None and self.names:
            self._by_form = {}
            for name, pseudonym in self.names.items():
                self._by_form.setdefault(_fold(name), pseudonym)
            for name, pseudonym in self.names.items():
                for part in _parts(name):
                    self._by_form.setdefault(part, pseudonym)
            forms = sorted(filter(None, self._by_form), key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_escaped, forms))) if forms else None
        return self._pattern


class PseudonymReader(DialogueReader):
    """The dialogues of a reader, without the speakers' names.

    Args:
        reader: What is read. It is read once here, so that all speakers are known.
        pseudonyms: The names, which learn the reader's speakers.

    Raises:
        InputError: It cannot be read as it is.
    """

    def __init__(self, reader: DialogueReader, pseudonyms: Pseudonyms) -> None:
        def start(ledger: Ledger) -> Iterator[Dialogue]:
            return map(pseudonyms.dialogue, reader.plan.start(ledger))

        super().__init__(reader.name, replace(reader.plan, start=start), reader.options)
        for dialogue in reader:
            pseudonyms.learn(turn.speaker for turn in dialogue)


def _parts(name: str) -> Iterator[str]:
    """The parts of a name that people call somebody by, as they are looked for."""
    for part in re.split(r"[\s.,_()\-]+", name):
        # "van", "de la": what no capital begins is no name where there are capitals.
        particle = part.islower() and not name.islower()
        if len(part) >= SHORTEST_PART and not particle and any(map(str.isalpha, part)):
            yield _fold(part)
    if _is_spaceless(name) and len(name) == 3:
        yield _fold(name[1:])  # the given name, after a surname of one character


def _escaped(form: str) -> str:
    # Where a longer form would end within a word, a shorter one may still fit.
    return re.escape(form) + ("" if _is_spaceless(form) else r"(?!\w)")


def _bounds(folded: str, found: re.Match[str]) -> tuple[int, int]:
    """Where a mention begins and ends, or -1 if it is only a part of a word."""
    start, stop = found.span()
    if _is_spaceless(found[0]):
        return (start, stop) if stop - start > 1 else (-1, -1)
    before = folded[start - 1] if start else " "
    after = folded[stop] if stop < len(folded) else " "
    joined = before in _ARABIC_BEFORE and (start < 2 or not _in_word(folded[start - 2]))
    if _in_word(after) or (_in_word(before) and not joined):
        return -1, -1
    return start, stop


def _in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def _is_spaceless(text: str) -> bool:
    """Whether it is in a script that is written without spaces between words."""
    return any("\u3040" <= character <= "\u9fff" for character in text)


def _fold(text: str) -> str:
    return _folded(text)[0]


def _folded(text: str) -> tuple[str, list[int]]:
    """A text without capitals and accents, and where each of its characters stands in the text."""
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        plain = _plain(character)
        folded.append(plain)
        places += [place] * len(plain)
    return "".join(folded), [*places, len(text)]


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if "\u0300" <= character <= "\u036f":  # an accent by itself
        return ""
    base = unicodedata.normalize("NFD", character)
    if len(base) > 1 and all("\u0300" <= mark <= "\u036f" for mark in base[1:]):
        return base[0].casefold()
    return character.casefold()
