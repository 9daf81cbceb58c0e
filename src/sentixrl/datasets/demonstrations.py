"""Retrieved demonstrations: labelled utterances of a training set that resemble a dialogue.

Contract: a dialogue's demonstrations are chosen once, so that its prompts keep sharing their first
part. They never come from a dialogue with the same id, nor from one that shares a run of eight
words with it or is it word for word. Gold labels are read from the pool alone.

What a single turn resembles is told too: :meth:`DemonstrationPool.nearest`, ``of_labels``.

Comparing with the whole dialogue lets a later turn change what earlier prompts show; with
``opening=1`` only the first turn, which every prompt may know, is compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sentixrl.context.building import Demonstration, one_line
from sentixrl.datasets.embeddings import embed
from sentixrl.datasets.tokens import tokens
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError, MissingDependencyError

MAX_CHARACTERS = 200
RUN = 8
"""Words in a row that two dialogues must not share."""

Likeness = Literal["tfidf", "embeddings", "random"]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How demonstrations are chosen.

    Attributes:
        count: How many a dialogue gets, if the pool holds as many.
        by: ``tfidf``, the cosine of TF-IDF vectors over character 3- to 5-grams, which suits any
            script; ``embeddings``, that of multilingual sentence embeddings; or ``random``, a
            control.
        per_label: Most demonstrations of one label; ``None`` for no bound.
        opening: How many of a dialogue's first turns are compared; ``None`` for all of them.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    count: int = 4
    by: Likeness = "tfidf"
    per_label: int | None = None
    opening: int | None = None

    def __post_init__(self) -> None:
        for name in ("count", "per_label", "opening"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"'{name}' of the demonstrations is {value}; it needs ≥ 1.")


class DemonstrationPool:
    """Chooses demonstrations by similarity, the most similar last, next to the dialogue.

    It is the ``demonstrator`` of :class:`~sentixrl.context.building.Supplements`.

    Args:
        dialogues: Training dialogues; turns with a gold label and at most 200 characters are
            taken, in order.
        how: How many and by what.
        labels: Only turns of these labels are taken; ``None`` for all.

    Raises:
        InputError: No turn can serve as a demonstration.
        MissingDependencyError: The library that compares is not installed.
    """

    def __init__(
        self,
        dialogues: Iterable[Dialogue],
        how: Retrieval | None = None,
        labels: Collection[str] | None = None,
    ) -> None:
        self.how = how or Retrieval()
        held = tuple(dialogues)
        self._items = [
            (owner, shown)
            for owner, dialogue in enumerate(held)
            for shown in _labelled(dialogue)
            if labels is None or shown.label in labels
        ]
        if not self._items:
            raise InputError(
                "None of the pool's dialogues has a turn that can serve as a demonstration.",
                hint=f"They need gold labels on turns of at most {MAX_CHARACTERS} characters.",
            )
        self._alike = _LIKENESSES[self.how.by]([shown.text for _, shown in self._items])
        self._owners: dict[object, set[int]] = {}
        for owner, dialogue in enumerate(held):
            for mark in _marks(dialogue):
                self._owners.setdefault(mark, set()).add(owner)

    def __len__(self) -> int:
        return len(self._items)

    def __call__(self, dialogue: Dialogue) -> tuple[Demonstration, ...]:
        """The demonstrations for a dialogue, most similar last."""
        text = "\n".join(one_line(turn.text) for turn in dialogue.utterances[: self.how.opening])
        return _chosen(self.nearest(dialogue, text), self.how.count, self.how.per_label)

    def of_labels(
        self, dialogue: Dialogue, text: str, labels: Collection[str], each: int
    ) -> tuple[Demonstration, ...]:
        """For one turn: those of some labels that resemble it most, the most similar last.

        Args:
            dialogue: Where the turn stands.
            text: What it says.
            labels: Only turns of these labels.
            each: How many of each label, if the pool holds as many.
        """
        ranked = self.nearest(dialogue, one_line(text))
        alike = (shown for shown in ranked if shown.label in labels)
        return _chosen(alike, each * len(labels), each)

    def nearest(self, dialogue: Dialogue, text: str) -> Iterator[Demonstration]:
        """The other dialogues' utterances, most similar to a text first, ties in the pool's order.

        Args:
            dialogue: Where the text is from: none of its own turns, nor of dialogues that share
                text with it.
            text: What they are compared with, on one line if it is one turn's.
        """
        barred = set().union(*(self._owners.get(mark, ()) for mark in _marks(dialogue)))
        for place in (-self._alike.to(text)).argsort(kind="stable"):
            owner, shown = self._items[place]
            if owner not in barred:
                yield shown

    def describe(self) -> dict[str, object]:
        """What it is, as plain data, for a run's identity."""
        shown = [asdict(item) for _, item in self._items]
        return {"retrieval": asdict(self.how), "pool": shown}


def _chosen(
    ranked: Iterable[Demonstration], count: int, per_label: int | None
) -> tuple[Demonstration, ...]:
    """The first ``count`` of different texts, at most so many of a label; the first stands last."""
    chosen: list[Demonstration] = []
    labels: Counter[str] = Counter()
    for shown in ranked:
        if per_label is not None and labels[shown.label] >= per_label:
            continue
        if any(shown.text == other.text for other in chosen):
            continue
        chosen.append(shown)
        labels[shown.label] += 1
        if len(chosen) == count:
            break
    return tuple(reversed(chosen))


def _labelled(dialogue: Dialogue) -> Iterator[Demonstration]:
    for turn in dialogue:
        text = one_line(turn.text)
        if turn.gold is not None and 0 < len(text) <= MAX_CHARACTERS:
            yield Demonstration(text, turn.gold, turn.speaker)


def _marks(dialogue: Dialogue) -> Iterator[object]:
    """What two dialogues must not have in common: id, runs of words, and all words."""
    words = [word for turn in dialogue for word in tokens(turn.text)]
    yield "id", dialogue.id
    yield "whole", hash(tuple(words))
    for start in range(len(words) - RUN + 1):
        yield "run", hash(tuple(words[start : start + RUN]))


class _Alike(Protocol):
    """Compares a text with those of the pool."""

    def to(self, text: str) -> NDArray[Any]:
        """The likeness of each, shape ``[n_items]``."""


class _ByTfidf:
    def __init__(self, texts: Sequence[str]) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
        except ImportError:
            raise MissingDependencyError.of("scikit-learn", "eval") from None
        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True
        )
        self._vectors = self._vectorizer.fit_transform(texts)  # sparse, rows of length 1

    def to(self, text: str) -> NDArray[Any]:
        alike = self._vectors @ self._vectorizer.transform([text]).T
        return np.asarray(alike.toarray().ravel())


class _ByEmbeddings:
    def __init__(self, texts: Sequence[str]) -> None:
        self._vectors = embed(texts)

    def to(self, text: str) -> NDArray[Any]:
        return np.asarray(self._vectors @ embed([text])[0])


class _AtRandom:
    def __init__(self, texts: Sequence[str]) -> None:
        self._number = len(texts)

    def to(self, text: str) -> NDArray[Any]:
        # Python's own hash of a text differs from process to process.
        seed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return np.random.default_rng(list(seed)).random(self._number)


_LIKENESSES: dict[Likeness, type[_ByTfidf] | type[_ByEmbeddings] | type[_AtRandom]] = {
    "tfidf": _ByTfidf,
    "embeddings": _ByEmbeddings,
    "random": _AtRandom,
}


def check_likeness(by: Likeness) -> None:
    """Check for what a comparison needs before long work begins, not at its end.

    Raises:
        MissingDependencyError: The library that compares is not installed.
    """
    _LIKENESSES[by](["any words"])
