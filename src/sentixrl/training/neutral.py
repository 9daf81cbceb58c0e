"""How much of a training's material says that nothing is felt, per language.

Contract: an answer is neutral if its label has a neutral polarity or is called so, and if it is the
empty answer to a question about several labels. A model that was never taught to answer so finds
emotions in texts that have none: a prototype without neutral lost 20 points on such texts.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from sentixrl.context.building import language_of
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.training.material import Source, is_labelled

ENOUGH = 0.25
"""The share of neutral answers that a language's material should have."""
MOST = 5.0
"""No dialogue is gone through more often than this in one pass."""
NAMES = frozenset({"neutral", "none"})


def neutral_shares(sources: Sequence[Source]) -> dict[str, float]:
    """Language → share of its answers that are neutral or none, the largest language first.

    Each answer counts as often as training goes through it.
    """
    answers: dict[str, float] = {}
    neutral: dict[str, float] = {}
    for source in sources:
        names = _neutral_names(source.data)
        again = _times(source.data, source.neutral_share)
        for dialogue in source.data:
            asked, plain = _answers(source.data, dialogue, names)
            if asked:
                language = language_of(dialogue).partition("-")[0]
                times = source.epochs * (again if plain == asked else 1.0)
                answers[language] = answers.get(language, 0.0) + times * asked
                neutral[language] = neutral.get(language, 0.0) + times * plain
    order = sorted(answers, key=lambda language: -answers[language])
    return {language: neutral[language] / answers[language] for language in order}


def too_few(shares: Mapping[str, float]) -> list[str]:
    """The languages with fewer neutral answers than they should have."""
    return [language for language, share in shares.items() if share < ENOUGH]


def one_pass(data: Dataset, share: float, rng: random.Random) -> list[int]:
    """The places of the labelled dialogues of one pass, in random order.

    Args:
        data: The dialogues.
        share: The share of neutral answers to reach; dialogues without any emotion come up to
            ``MOST`` times for it.
        rng: Draws the order, and which ones come once more where the times are no whole number.
    """
    names = _neutral_names(data)
    found = [_answers(data, dialogue, names) for dialogue in data]
    plain = [place for place, (asked, nothing) in enumerate(found) if 0 < asked == nothing]
    whole, rest = divmod(_times(data, share), 1.0)
    again = plain * (int(whole) - 1) + rng.sample(plain, round(rest * len(plain)))
    order = [place for place, (asked, _) in enumerate(found) if asked] + again
    rng.shuffle(order)
    return order


def _times(data: Dataset, share: float) -> float:
    """How often a pass shows a dialogue without emotion, for ``share`` of neutral answers."""
    if not share:
        return 1.0
    names = _neutral_names(data)
    found = [_answers(data, dialogue, names) for dialogue in data]
    plain = sum(asked for asked, nothing in found if asked == nothing)
    asked, nothing = (sum(numbers) for numbers in zip(*found, strict=True))
    # (nothing + (k - 1) plain) / (asked + (k - 1) plain) = share, solved for k
    missing = share * asked - nothing
    return min(MOST, 1 + max(0.0, missing / (1 - share) / plain)) if plain else 1.0


def _answers(data: Dataset, dialogue: Dialogue, names: set[str]) -> tuple[int, int]:
    """How many turns are asked about, and how many of the answers are neutral or none."""
    asked = [turn for turn in dialogue if is_labelled(data, turn)]
    return len(asked), sum(_says_nothing(turn, names, data.several) for turn in asked)


def _neutral_names(data: Dataset) -> set[str]:
    return {
        label.name
        for label in data.label_set
        if label.polarity == "neutral" or label.name.casefold() in NAMES
    }


def _says_nothing(turn: Utterance, names: set[str], several: bool) -> bool:
    return set(turn.golds or ()) <= names if several else turn.gold in names
