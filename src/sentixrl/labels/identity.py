"""What the labels of a set are, whatever they are called and in whatever order they stand.

Contract: two label sets have the same identity exactly if their labels are the same concepts. A
label is a known concept if one of the schemes that come along has a label that is spelt like it in
any language (``happy``, ``happiness``, ``喜悦`` and ``joy`` are one concept); schemes that share a
spelling share the concept. Any other label is a concept of its own, by its name without case. A set
whose labels would fall together keeps their own names for these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache

from sentixrl.labels.files import scheme, scheme_names
from sentixrl.labels.sets import Label, LabelSet, reading_key

FIRST = ("ekman-7", "plutchik-8", "sentiment-3")
"""Schemes whose names concepts are called by, where they have them."""
_MORE = {
    "anger": ("mad", "enfado", "ira", "生气"),
    "fear": ("afraid", "temor", "害怕"),
    "joy": ("glad", "felicidad", "高兴", "开心"),
    "sadness": ("unhappy", "难过"),
    "surprise": ("astonishment",),
    "neutral": ("no_emotion", "no-emotion", "none", "neutrality"),
}
"""Spellings that no scheme has together with the concept's own name."""
_SEPARATOR = "; "


def concepts(label_set: LabelSet) -> tuple[str, ...]:
    """The concept of each label, in the label set's order; no two are equal."""
    found = [_concept(label) for label in label_set]
    often = Counter(found)
    return tuple(
        concept if often[concept] == 1 else reading_key(label.name)
        for label, concept in zip(label_set, found, strict=True)
    )


def identity(label_set: LabelSet) -> str:
    """One text for all sets of the same concepts: their names, sorted."""
    return _SEPARATOR.join(concept.replace(";", ",") for concept in sorted(concepts(label_set)))


def canonical_order(label_set: LabelSet) -> list[int]:
    """The places of the labels in the order that all sets of the same identity share."""
    found = concepts(label_set)
    return sorted(range(len(found)), key=found.__getitem__)


def _concept(label: Label) -> str:
    known = _known()
    own = reading_key(label.name)
    if own in known:
        return known[own]
    others = {known[key] for key in _spellings(label) if key in known}
    return others.pop() if len(others) == 1 else own


def _spellings(label: Label) -> Iterator[str]:
    yield from map(reading_key, (label.name, *label.aliases, *label.display.values()))


@cache
def _known() -> Mapping[str, str]:
    """Every spelling of the schemes → its concept."""
    found: dict[str, str] = {}
    names = [*FIRST, *(name for name in scheme_names() if name not in FIRST)]
    for label in (label for name in names for label in scheme(name)):
        keys = list(_spellings(label))
        shared = [found[key] for key in keys if key in found]
        concept = shared[0] if shared else keys[0]
        for key in keys:
            found.setdefault(key, concept)
    for concept, words in _MORE.items():
        found |= {reading_key(word): concept for word in words}
    return found
