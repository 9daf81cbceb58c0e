"""Where the mood turns: the largest change of a speaker's emotions that chance does not explain.

Contract: a function of the answers alone. The same answers and seed give the same turns, on any
machine; ``serve/page/mood.js`` computes the same for the page.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sentixrl.dialogue import Dialogue
from sentixrl.prediction import DialoguePrediction, MoodTurn

SPAN = 3
"""Turns of the speaker before and after."""
ORDERS = 199
"""How many orders by chance a change is set against."""
PERCENTILE = 0.95

Floats = NDArray[np.float64]
Whole = NDArray[np.uint32]


def mood_turns(
    dialogue: Dialogue, prediction: DialoguePrediction, *, seed: int = 0
) -> list[MoodTurn]:
    """The moment where each speaker's mood turns, where there is one, the largest first.

    Between a speaker's mean posteriors over three turns before a place and three after it stands
    a Jensen–Shannon divergence. The largest is a turn of the mood only if it is above the 95th
    percentile of the largest ones of the same turns in orders by chance.

    Args:
        dialogue: Who speaks when.
        prediction: The answers; turns without probabilities are passed over.
        seed: Of the orders by chance.
    """
    places: dict[str | None, list[int]] = {}
    for item in prediction.items:
        if item.probabilities is not None:
            places.setdefault(dialogue.utterances[item.index].speaker, []).append(item.index)
    found = (
        _turn_of(speaker, indexes, prediction, seed)
        for speaker, indexes in places.items()
        if len(indexes) >= 2 * SPAN
    )
    return sorted((turn for turn in found if turn), key=lambda turn: -turn.divergence)


def _turn_of(
    speaker: str | None, indexes: Sequence[int], prediction: DialoguePrediction, seed: int
) -> MoodTurn | None:
    posteriors = [prediction.items[index].probabilities or {} for index in indexes]
    names = list(posteriors[0])
    rows = np.array([[one[name] for name in names] for one in posteriors])
    changes = divergences(rows)
    largest = float(changes.max())
    by_chance = sorted(
        float(divergences(rows[order(seed, number, len(rows))]).max()) for number in range(ORDERS)
    )
    chance = by_chance[int(np.ceil(PERCENTILE * ORDERS)) - 1]
    # The margin: the same rows in another order may differ in the last digit.
    if largest <= chance + 1e-9:
        return None
    place = int(changes.argmax()) + SPAN
    before, after = rows[place - SPAN : place].mean(0), rows[place : place + SPAN].mean(0)
    return MoodTurn(
        indexes[place],
        speaker,
        largest,
        chance,
        names[int(before.argmax())],
        names[int(after.argmax())],
    )


def divergences(rows: Floats) -> Floats:
    """The Jensen–Shannon divergence at each place that has three turns on either side, in bits.

    Args:
        rows: Posteriors, shape ``[n_turns, n_labels]``, at least six.

    Returns:
        Shape ``[n_turns - 5]``; the first is between turns 0–2 and 3–5.
    """
    sums = np.cumsum(np.vstack([np.zeros(rows.shape[1]), rows]), axis=0)
    means = (sums[SPAN:] - sums[:-SPAN]) / SPAN
    before, after = means[:-SPAN], means[SPAN:]
    middle = (before + after) / 2
    found: Floats = _entropy(middle) - (_entropy(before) + _entropy(after)) / 2
    return found


def _entropy(rows: Floats) -> Floats:
    """In bits, over the last axis."""
    safe = np.where(rows > 0, rows, 1.0)
    found: Floats = -(safe * np.log2(safe)).sum(axis=-1)
    return found


def order(seed: int, number: int, size: int) -> NDArray[np.intp]:
    """An order by chance that any language with 32-bit integers computes alike.

    Args:
        seed: Of all orders.
        number: Of this one.
        size: How many places.
    """
    key = _mixed(np.array([(seed * 0x9E3779B1 + number * 0x85EBCA77) & 0xFFFFFFFF], np.uint32))
    keys = _mixed(np.arange(size, dtype=np.uint32) ^ key)
    return np.argsort(keys, kind="stable")


def _mixed(values: Whole) -> Whole:
    """Each integer scattered over all 32 bits, one to one (the end of MurmurHash3)."""
    found = values.copy()
    found ^= found >> np.uint32(16)
    found *= np.uint32(0x85EBCA6B)
    found ^= found >> np.uint32(13)
    found *= np.uint32(0xC2B2AE35)
    found ^= found >> np.uint32(16)
    return found
