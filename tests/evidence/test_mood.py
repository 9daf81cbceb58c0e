"""The mood turn: found where it is, and not where chance would do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sentixrl.dialogue import Dialogue
from sentixrl.evidence.mood import divergences, mood_turns, order
from sentixrl.prediction import DialoguePrediction, Prediction, Status

GLAD = {"joy": 0.8, "neutral": 0.15, "anger": 0.05}
ORDER = (2, 9, 11, 4, 1, 7, 8, 6, 3, 10, 5, 0)
CROSS = {"joy": 0.05, "neutral": 0.15, "anger": 0.8}


def answered(
    posteriors: Sequence[dict[str, float] | None], speakers: list[str] | None = None
) -> tuple[Dialogue, DialoguePrediction]:
    names = speakers or ["Ida"] * len(posteriors)
    items = tuple(
        Prediction(place, Status.SINGLE, probabilities=one) for place, one in enumerate(posteriors)
    )
    dialogue = Dialogue.from_texts([(name, "Well.") for name in names])
    return dialogue, DialoguePrediction("1", "en", "scripted", "en-v1", items)


def test_a_turn_of_mood_is_found_with_what_it_was_and_became() -> None:
    [turn] = mood_turns(*answered([GLAD] * 20 + [CROSS] * 3))
    assert (turn.index, turn.before, turn.after) == (20, "joy", "anger")
    assert 0 < turn.chance < turn.divergence <= 1


def test_halves_that_chance_would_also_set_apart_are_no_turn() -> None:
    # In one order of ten by chance, three glad turns of sixteen stand before three cross ones.
    assert mood_turns(*answered([GLAD] * 8 + [CROSS] * 8)) == []


def test_a_mood_that_goes_to_and_fro_turns_nowhere() -> None:
    assert mood_turns(*answered([GLAD, CROSS] * 10)) == []


def test_too_few_turns_cannot_be_told_from_chance() -> None:
    assert mood_turns(*answered([GLAD] * 3 + [CROSS] * 3)) == []
    assert mood_turns(*answered([GLAD] * 5)) == []


def test_speakers_are_looked_at_apart() -> None:
    posteriors: list[dict[str, float] | None] = []
    speakers = []
    for place in range(16):
        posteriors += [GLAD if place < 13 else CROSS, GLAD]
        speakers += ["Ida", "Theo"]
    [turn] = mood_turns(*answered(posteriors, speakers))
    assert (turn.speaker, turn.index) == ("Ida", 26)


def test_turns_without_probabilities_are_passed_over() -> None:
    [turn] = mood_turns(*answered([None, *[GLAD] * 20, None, *[CROSS] * 3]))
    assert turn.index == 22


def test_divergence_is_zero_for_equal_moods_and_one_bit_for_disjoint_ones() -> None:
    rows = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3)
    assert divergences(rows) == pytest.approx([1.0])
    assert divergences(np.full((7, 4), 0.25)) == pytest.approx([0.0, 0.0])


def test_orders_by_chance_are_orders_and_differ() -> None:
    drawn = [tuple(order(0, number, 12).tolist()) for number in range(50)]
    assert all(sorted(one) == list(range(12)) for one in drawn)
    assert len(set(drawn)) == 50
    # The same on every machine, and in the page's own JavaScript.
    assert drawn[1] == ORDER
