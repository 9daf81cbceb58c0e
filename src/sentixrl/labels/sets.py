"""Labels, label sets, and maps between them.

Contract: names within a set are unique by case-folded, NFKC-normalised text, and there are at
least two of them. A text is read as a label only if it *is* one: a name, an alias or a display
name, give or take case, outer punctuation and white space. Nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sentixrl.errors import LabelError

Polarity = Literal["positive", "negative", "neutral", "ambiguous"]

CUSTOM = "custom"
"""What a set of labels without a name is called."""
ANY_LANGUAGE = "*"
"""The language of an explanation that prompts of every language show."""
MAX_NAME_LENGTH = 64
MAX_LABELS = 512
_OUTER = " \t\r\n.,;:!?\"'`*_()[]{}<>«»“”‘’„‚¡¿…•·-–—。，、；：！？「」『』（）【】《》〈〉۔،؛؟।"
_SIGNS = ("-", "–", "—", ".", ",")
# Marks without a glyph that copied text carries: zero-width space, byte order and direction
# marks, variation selectors. The joiners stay: in Hindi and Persian they can spell a word.
_INVISIBLE = dict.fromkeys(
    map(
        ord,
        "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
        "\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff",
    )
)


def reading_key(text: str) -> str:
    """What spellings that read the same have in common: no case, one Unicode form."""
    # Folding can undo the normal form (Greek ΐ), so it is restored afterwards. It makes of the
    # Turkish İ an i with a dot too many; ı stays a letter of its own.
    folded = unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).casefold()
    return unicodedata.normalize("NFKC", folded.replace("i\u0307", "i")).strip()


def _is_plain(word: str) -> bool:
    return len(word) <= MAX_NAME_LENGTH and not any(
        unicodedata.category(ch) in {"Cc", "Cs", "Zl", "Zp"} for ch in word
    )


@dataclass(frozen=True, slots=True)
class Label:
    """One category.

    Attributes:
        name: Its name in data and results.
        glosses: Language → a short explanation that a label statement may show;
            :data:`ANY_LANGUAGE` → the one for all others.
        polarity: Its side, where it has one.
        display: Language → the word shown to the model and to people.
        aliases: Other spellings that are read as this label.
    """

    name: str
    glosses: Mapping[str, str] = field(default_factory=dict)
    polarity: Polarity | None = None
    display: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    def word(self, language: str | None = None) -> str:
        """The display name in ``language``, else the name itself."""
        return self.display.get(language, self.name) if language else self.name

    def gloss(self, language: str) -> str:
        """The explanation in ``language``, else that of all languages, else an empty text."""
        return self.glosses.get(language, self.glosses.get(ANY_LANGUAGE, ""))


def _as_label(item: object) -> Label:
    if isinstance(item, Label):
        return item
    if isinstance(item, str):
        return Label(item)
    raise LabelError(
        f"A label is a text or a Label, not {type(item).__name__}.",
        hint='For example: LabelSet("mine", ["calm", "annoyed"])',
    )


class LabelSet:
    """A closed, ordered set of labels.

    Args:
        name: What results call the set.
        labels: At least two labels, or their names.
        multi_label: Whether the source data may give an utterance several of them.

    Raises:
        LabelError: Fewer than two labels, an empty or overlong name, or two that read the same.
            Display names are held to the same rules; aliases must not be empty.
    """

    def __init__(
        self, name: str, labels: Sequence[Label | str], *, multi_label: bool = False
    ) -> None:
        self.name = name
        self.multi_label = multi_label
        self.labels = tuple(map(_as_label, labels))
        if len(self.labels) < 2:
            raise LabelError(
                f"The label set '{name}' has {len(self.labels)} label(s); it needs at least 2.",
                hint='Name two or more, for example "calm, annoyed".',
            )
        if len(self.labels) > MAX_LABELS:
            raise LabelError(
                f"The label set '{name}' has {len(self.labels)} labels; at most {MAX_LABELS} fit."
            )
        self._by_key: dict[str, int] = {}
        for position, label in enumerate(self.labels):
            self._admit(label, position)
        self._by_core: dict[str, list[str]] = {}
        for key in sorted(self._by_key, key=len, reverse=True):
            if core := key.strip(_OUTER):  # a label of signs, such as ":)", is read as it is alone
                self._by_core.setdefault(core, []).append(key)
        self._index = {label.name: position for position, label in enumerate(self.labels)}

    def _admit(self, label: Label, position: int) -> None:
        name = label.name
        if not reading_key(name):
            raise LabelError(
                f"The label set '{self.name}' has an empty label.",
                hint="Fill it in or remove it; a comma may be one too many.",
            )
        for word in (name, *label.display.values()):
            if not _is_plain(word):
                raise LabelError(
                    f"The label {word[:40]!r} of '{self.name}' is longer than {MAX_NAME_LENGTH} "
                    "characters or holds a line break or control character.",
                    hint="Give it a short one-line name; explanations belong in 'glosses'.",
                )
        for spelling in (name, *label.aliases, *label.display.values()):
            key = reading_key(spelling)
            if not key:
                raise LabelError(
                    f"The label '{name}' of '{self.name}' has an empty alias or display name.",
                    hint="Fill it in or remove it.",
                )
            other = self._by_key.setdefault(key, position)
            if other != position:
                raise LabelError(
                    f"The labels '{self.labels[other].name}' and '{name}' of '{self.name}' read "
                    f"the same, as '{key}' "
                    "(names, aliases and display names are compared without case).",
                    hint="Remove or rename one of them.",
                )

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __getitem__(self, name: str) -> Label:
        return self.labels[self.index(name)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSet) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"LabelSet({self.name!r}, {list(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in order."""
        return tuple(label.name for label in self.labels)

    def words(self, language: str | None = None) -> tuple[str, ...]:
        """The labels' display names in ``language``, in order."""
        return tuple(label.word(language) for label in self.labels)

    def index(self, name: str) -> int:
        """Position of the label called ``name``.

        Raises:
            LabelError: There is none.
        """
        try:
            return self._index[name]
        except KeyError:
            raise LabelError(
                f"'{name}' is not a label of '{self.name}' ({', '.join(self.names)})."
            ) from None

    def only(self, names: Collection[str]) -> LabelSet:
        """The set without the labels that are not in ``names``, in its own order.

        Raises:
            LabelError: Fewer than two would remain.
        """
        kept = [label for label in self.labels if label.name in names]
        return LabelSet(self.name, kept, multi_label=self.multi_label)

    def read(self, text: str) -> Label | None:
        """The label that ``text`` is, or ``None``; never the nearest one.

        Punctuation around the text is dropped, but never any that a label's own name ends in:
        ``surprise`` is not read as ``surprise (-)``. A dash or point before a number belongs to
        it: ``-1`` is not read as ``1``. Capital ``I`` is read as the Turkish ``ı`` too where no
        label is written with ``i`` instead.
        """
        return self._find(reading_key(text)) or self._find(reading_key(text.replace("I", "ı")))

    def _find(self, key: str) -> Label | None:
        if key in self._by_key:
            return self.labels[self._by_key[key]]
        core = key.strip(_OUTER)
        inside = [own for own in self._by_core.get(core, ()) if own in key]
        if core[:1].isdigit() and key.partition(core)[0].endswith(_SIGNS):
            inside = [own for own in inside if not own.startswith(core)]
        found = {self._by_key[own] for own in inside if len(own) == len(inside[0])}
        return self.labels[found.pop()] if len(found) == 1 else None

    @property
    def digest(self) -> str:
        """A short hash of everything a prompt could show of this set."""
        content = [
            [label.name, sorted(label.display.items()), sorted(label.glosses.items())]
            for label in self.labels
        ]
        text = json.dumps([content, self.multi_label], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class LabelMap:
    """A map from one label set into another.

    Attributes:
        source: Where labels come from.
        target: Where they go.
        mapping: Source name → target name, or ``None`` to leave such utterances out.
    """

    source: LabelSet
    target: LabelSet
    mapping: Mapping[str, str | None]

    def __post_init__(self) -> None:
        missing = [name for name in self.source.names if name not in self.mapping]
        if missing:
            raise LabelError(
                f"The map from '{self.source.name}' to '{self.target.name}' says nothing about "
                f"{', '.join(missing)}.",
                hint="Map each to a target label, or to null to leave it out.",
            )
        for source, target in self.mapping.items():
            self.source.index(source)
            if target is not None:
                self.target.index(target)

    def __call__(self, name: str) -> str | None:
        """The target label of ``name``, or ``None`` where the map leaves it out."""
        return self.mapping[self.source[name].name]
