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
from sentixrl.dialogue import Utterance
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
        found = _answers(source.data)
        again = _times(found, source.neutral_share)
        for dialogue, (asked, plain) in zip(source.data, found, strict=True):
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
    found = _answers(data)
    plain = [place for place, (asked, nothing) in enumerate(found) if 0 < asked == nothing]
    whole, rest = divmod(_times(found, share), 1.0)
    again = plain * (int(whole) - 1) + rng.sample(plain, round(rest * len(plain)))
    order = [place for place, (asked, _) in enumerate(found) if asked] + again
    rng.shuffle(order)
    return order


def _times(found: Sequence[tuple[int, int]], share: float) -> float:
    """How often a pass shows a dialogue without emotion, for ``share`` of neutral answers.

    Args:
        found: What :func:`_answers` gives.
        share: 0 for once.
    """
    plain = sum(asked for asked, nothing in found if asked == nothing)
    if not share or not plain:
        return 1.0
    asked, nothing = (sum(counts[place] for counts in found) for place in (0, 1))
    # (nothing + (k - 1) plain) / (asked + (k - 1) plain) = share, solved for k
    missing = share * asked - nothing
    return min(MOST, 1 + max(0.0, missing / (1 - share) / plain))


def _answers(data: Dataset) -> list[tuple[int, int]]:
    """Per dialogue, how many turns are asked about, and how many answers are neutral or none."""
    names = _neutral_names(data)
    asked = ([turn for turn in dialogue if is_labelled(data, turn)] for dialogue in data)
    return [
        (len(turns), sum(_says_nothing(turn, names, data.several) for turn in turns))
        for turns in asked
    ]


def _neutral_names(data: Dataset) -> set[str]:
    return {
        label.name
        for label in data.label_set
        if label.polarity == "neutral" or label.name.casefold() in NAMES
    }


def _says_nothing(turn: Utterance, names: set[str], several: bool) -> bool:
    return set(turn.golds or ()) <= names if several else turn.gold in names
