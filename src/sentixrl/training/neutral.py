"""How much of a training's material says that nothing is felt, per language.

Contract: an answer is neutral if its label has a neutral polarity or is called so, and if it is the
empty answer to a question about several labels. A model that was never taught to answer so finds
emotions in texts that have none: a prototype without neutral lost 20 points on such texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sentixrl.context.building import language_of
from sentixrl.dialogue import Utterance
from sentixrl.labels import Label
from sentixrl.training.material import Source, is_labelled

ENOUGH = 0.25
"""The share of neutral answers that a language's material should have."""
NAMES = frozenset({"neutral", "none"})


def neutral_shares(sources: Sequence[Source]) -> dict[str, float]:
    """Language → share of its answers that are neutral or none, the largest language first.

    Each answer counts as often as its source is gone through.
    """
    answers: dict[str, float] = {}
    neutral: dict[str, float] = {}
    for source in sources:
        names = {label.name for label in source.data.label_set if _is_neutral(label)}
        for dialogue in source.data:
            asked = [turn for turn in dialogue if is_labelled(source.data, turn)]
            if asked:
                language = language_of(dialogue).partition("-")[0]
                found = sum(_says_nothing(turn, names, source.data.several) for turn in asked)
                answers[language] = answers.get(language, 0.0) + source.epochs * len(asked)
                neutral[language] = neutral.get(language, 0.0) + source.epochs * found
    order = sorted(answers, key=lambda language: -answers[language])
    return {language: neutral[language] / answers[language] for language in order}


def too_few(shares: Mapping[str, float]) -> list[str]:
    """The languages with fewer neutral answers than they should have."""
    return [language for language, share in shares.items() if share < ENOUGH]


def _is_neutral(label: Label) -> bool:
    return label.polarity == "neutral" or label.name.casefold() in NAMES


def _says_nothing(turn: Utterance, names: set[str], several: bool) -> bool:
    return set(turn.golds or ()) <= names if several else turn.gold in names
