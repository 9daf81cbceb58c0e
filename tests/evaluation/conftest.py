"""Small worlds to evaluate: items made by hand, and a population of dialogues with known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sentixrl.evaluation.confusion import Floats, Ints, count
from sentixrl.evaluation.items import Item
from sentixrl.prediction import Status

LABELS = ("anger", "joy", "neutral")
# MELD's test shares: neutral, joy, anger, surprise, sadness, disgust, fear.
SHARES = np.array([1256, 402, 345, 281, 208, 68, 50]) / 2610


@pytest.fixture(scope="session")
def labels() -> tuple[str, ...]:
    return LABELS


@pytest.fixture(scope="session")
def random_items() -> Callable[..., list[Item]]:
    def make(seed: int, *, clusters: int = 30, skill: float = 0.6) -> list[Item]:
        rng = np.random.default_rng(seed)
        sizes = np.random.default_rng(99).integers(2, 9, size=clusters)
        gold_rng = np.random.default_rng(7)
        items = []
        for cluster, size in enumerate(sizes):
            for index in range(size):
                gold = LABELS[gold_rng.integers(3)]
                guess = gold if rng.random() < skill else LABELS[rng.integers(3)]
                open_ended = rng.random() < 0.1
                items.append(
                    Item(
                        dialogue_id=f"d{cluster}",
                        index=index,
                        cluster=f"d{cluster}",
                        gold=gold,
                        status=Status.OUTLIER if open_ended else Status.CONSENSUS,
                        label=None if open_ended else guess,
                        fallback=guess,
                        single=guess if rng.random() < 0.8 else LABELS[rng.integers(3)],
                        rounds=3 if open_ended else 1,
                        characters=int(rng.integers(1, 80)),
                        words=int(rng.integers(1, 20)),
                        same_speaker=bool(rng.integers(2)) if index else None,
                    )
                )
        return items

    return make


def of_two(right: Ints | Floats, items: int | Ints) -> Floats:
    """Counts of clusters whose items are of the first of two classes, so many of them right."""
    of = np.broadcast_to(items, right.shape)
    nothing = np.zeros(right.shape)
    rows = [[right, nothing], [of, nothing], [right, of - right]]
    return np.moveaxis(np.array(rows, dtype=np.float64), -1, 0)


@pytest.fixture(scope="session")
def population() -> Floats:
    """20,000 dialogues' counts; shape [20000, 3, 7].

    Dialogues differ in length, mood (which emotions occur) and difficulty, so that utterances of
    one dialogue go right or wrong together; 4% of the wrong answers are outliers.
    """
    rng = np.random.default_rng(2024)
    dialogues, n_labels = 20_000, len(SHARES)
    sizes = 1 + rng.geometric(1 / 9, size=dialogues)
    owner = np.repeat(np.arange(dialogues), sizes)
    moods = rng.dirichlet(SHARES * 20, size=dialogues)
    draws = rng.random(len(owner))[:, None]
    gold = (draws > np.cumsum(moods, axis=1)[owner]).sum(axis=1).clip(0, n_labels - 1)
    ease = rng.beta(2.5, 1.5, size=dialogues)[owner]
    right = rng.random(len(owner)) < ease * np.where(SHARES[gold] > 0.1, 1.0, 0.6)
    guess = rng.choice(n_labels + 1, size=len(owner), p=[*(SHARES * 0.96), 0.04])
    answers = np.where(right, gold, guess)
    return count(gold, answers, owner, n_labels=n_labels, n_clusters=dialogues)
