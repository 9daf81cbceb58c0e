"""Which colour and shape a label has.

Contract: every label belongs to one family of ``emotions.json``: by its name or one of its words,
else by its polarity, else to ``other``. Nothing but looks depends on it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from sentixrl.labels import Label, LabelSet

_BY_POLARITY = {"positive": "joy", "negative": "sadness", "neutral": "neutral"}
_SIGNS = {"positive": 1, "negative": -1, "neutral": 0, "ambiguous": 0}


@dataclass(frozen=True, slots=True)
class Family:
    """Emotions that look alike.

    Attributes:
        name: The class of its colour.
        shape: An SVG path in a box of 16.
        sign: 1 if pleasant, -1 if unpleasant, else 0.
        words: Names of labels that belong to it.
    """

    name: str
    shape: str
    sign: int
    words: tuple[str, ...]


@cache
def families() -> dict[str, Family]:
    """All families by name."""
    text = (resources.files("sentixrl") / "pages" / "emotions.json").read_text("utf-8")
    return {
        name: Family(name, one["shape"], one["polarity"], tuple(one["words"]))
        for name, one in json.loads(text).items()
    }


@cache
def _by_word() -> dict[str, str]:
    return {word: family.name for family in families().values() for word in family.words}


def family_of(label: Label) -> Family:
    """The family a label looks like."""
    words = (label.name, label.display.get("en", ""), *label.aliases)
    known = (_by_word().get(word.casefold()) for word in words)
    name = next(filter(None, known), None) or _BY_POLARITY.get(label.polarity or "", "other")
    return families()[name]


def sign_of(label: Label) -> int:
    """1 if a label is pleasant, -1 if unpleasant, 0 if neither or not known."""
    return family_of(label).sign if label.polarity is None else _SIGNS[label.polarity]


def has_sides(label_set: LabelSet) -> bool:
    """Whether a set has pleasant and unpleasant labels."""
    return {1, -1} <= {sign_of(label) for label in label_set}
