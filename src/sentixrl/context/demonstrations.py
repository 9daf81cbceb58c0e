"""Retrieved demonstrations: labelled utterances that resemble the dialogue.

Contract: demonstrations are chosen once per dialogue, so that its prompts keep sharing their first
part, and never from a dialogue with the same id. Gold labels are read from the pool alone.

Comparing with the whole dialogue lets a later turn change what earlier prompts show; with
``opening=1`` only the first turn, which every prompt may know, is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from sentixrl.context.building import Demonstration, one_line
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError, MissingDependencyError

MAX_CHARACTERS = 200


class DemonstrationPool:
    """Chooses demonstrations by similarity; give it to a ``ContextBuilder`` as ``demonstrator``.

    Similarity is the cosine of TF-IDF vectors over character 3- to 5-grams, which suits any
    script. The most similar utterance is shown last, next to the dialogue.

    Args:
        dialogues: Training dialogues; turns with a gold label and at most 200 characters are
            taken, in order.
        count: How many demonstrations a dialogue gets, if the pool holds as many.
        per_label: Most demonstrations of one label; ``None`` for no bound.
        opening: How many of a dialogue's first turns are compared; ``None`` for all of them.

    Raises:
        ConfigError: A count is below 1.
        InputError: No turn can serve as a demonstration.
        MissingDependencyError: scikit-learn is not installed.
    """

    def __init__(
        self,
        dialogues: Iterable[Dialogue],
        *,
        count: int = 4,
        per_label: int | None = None,
        opening: int | None = None,
    ) -> None:
        for name, value in (("count", count), ("per_label", per_label), ("opening", opening)):
            if value is not None and value < 1:
                raise ConfigError(f"'{name}' of the demonstrations is {value}; it needs ≥ 1.")
        self._count = count
        self._per_label = per_label
        self._opening = opening
        self._items = [
            (dialogue.id, shown) for dialogue in dialogues for shown in _labelled(dialogue)
        ]
        if not self._items:
            raise InputError(
                "None of the pool's dialogues has a turn that can serve as a demonstration.",
                hint=f"They need gold labels on turns of at most {MAX_CHARACTERS} characters.",
            )
        self._vectorizer = _vectorizer()
        self._vectors: Any = self._vectorizer.fit_transform(
            shown.text for _, shown in self._items
        )  # sparse, shape [n_items, n_grams], rows of length 1

    def __len__(self) -> int:
        return len(self._items)

    def __call__(self, dialogue: Dialogue) -> tuple[Demonstration, ...]:
        """The demonstrations for a dialogue, most similar last."""
        chosen: list[Demonstration] = []
        labels: Counter[str] = Counter()
        for shown in self._ranked(dialogue):
            if self._per_label is not None and labels[shown.label] >= self._per_label:
                continue
            if any(shown.text == other.text for other in chosen):
                continue
            chosen.append(shown)
            labels[shown.label] += 1
            if len(chosen) == self._count:
                break
        return tuple(reversed(chosen))

    def _ranked(self, dialogue: Dialogue) -> Iterator[Demonstration]:
        """The other dialogues' utterances, most similar first, ties in the pool's order."""
        text = "\n".join(one_line(turn.text) for turn in dialogue.utterances[: self._opening])
        likeness = (self._vectors @ self._vectorizer.transform([text]).T).toarray().ravel()
        for place in (-likeness).argsort(kind="stable"):
            owner, shown = self._items[place]
            if owner != dialogue.id:
                yield shown


def _labelled(dialogue: Dialogue) -> Iterator[Demonstration]:
    for turn in dialogue:
        text = one_line(turn.text)
        if turn.gold is not None and 0 < len(text) <= MAX_CHARACTERS:
            yield Demonstration(text, turn.gold, turn.speaker)


def _vectorizer() -> Any:  # noqa: ANN401 (scikit-learn has no types)
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise MissingDependencyError.of("scikit-learn", "eval") from None
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
