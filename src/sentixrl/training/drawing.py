"""Label sets drawn afresh for every pack: order, subset and wording.

Contract: a model that always sees the same labels in the same order stops reading them. A draw
changes only how the set is shown: names stay, and no label that a pack needs is dropped.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import yaml

from sentixrl.labels import Label, LabelSet


@dataclass(frozen=True, slots=True)
class LabelDraw:
    """How freely label sets are drawn.

    Attributes:
        shuffle: Show the labels in a new order.
        subset: How often labels that a pack does not need may be left out (0 to 1).
        wording: How often a label is shown by another word (0 to 1).
    """

    shuffle: bool = False
    subset: float = 0.0
    wording: float = 0.0

    @property
    def fixed(self) -> bool:
        """Whether every draw is the set itself."""
        return not (self.shuffle or self.subset or self.wording)

    def needed(self, label_set: LabelSet, rng: random.Random) -> tuple[str, ...]:
        """The names a pack of free lines is to be filled with: all of them, or a subset."""
        names = label_set.names
        if rng.random() >= self.subset or len(names) <= 3:
            return names
        size = rng.randint(3, len(names) - 1)
        chosen = set(rng.sample(names, size))
        return tuple(name for name in names if name in chosen)

    def __call__(
        self, label_set: LabelSet, needed: Collection[str], language: str, rng: random.Random
    ) -> LabelSet:
        """One drawn set that holds all of ``needed``, and at least two labels."""
        if self.fixed:
            return label_set
        labels = list(label_set)
        if self.subset and rng.random() < self.subset:
            kept = rng.random()
            spare = [label for label in labels if label.name not in needed]
            dropped = {label.name for label in spare if rng.random() > kept}
            few = len(labels) - len(dropped) < 2
            labels = labels if few else [label for label in labels if label.name not in dropped]
        if self.shuffle:
            rng.shuffle(labels)
        if self.wording:
            labels = _reworded(labels, language, self.wording, rng)
        return LabelSet(label_set.name, labels, multi_label=label_set.multi_label)


def _reworded(labels: list[Label], language: str, share: float, rng: random.Random) -> list[Label]:
    """Some labels under another of their words, none under a word that is taken."""
    before = LabelSet("before", labels)
    taken = {label.word(language).casefold() for label in labels}
    taken |= {label.name.casefold() for label in labels}
    found = []
    for label in labels:
        word = label.word(language)
        free = [
            other
            for other in _words(language).get(word, ())
            if other not in taken and before.read(other) in (None, label)
        ]
        if free and rng.random() < share:
            word = rng.choice(free)
            taken.add(word)
            label = replace(label, display={**label.display, language: word}, aliases=())
        found.append(label)
    return found


@cache
def _words(language: str) -> Mapping[str, tuple[str, ...]]:
    """Word → other words for the same emotion in a language."""
    text = (resources.files("sentixrl") / "training" / "wordings.yaml").read_text("utf-8")
    groups = yaml.safe_load(text).get(language, [])
    return {word: tuple(o for o in group if o != word) for group in groups for word in group}
