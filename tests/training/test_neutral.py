"""How much of the material says that nothing is felt, per language."""

from __future__ import annotations

import random

import pytest

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.labels import LabelSet, scheme
from sentixrl.training.material import Source
from sentixrl.training.neutral import MOST, neutral_shares, one_pass, too_few

EKMAN = scheme("ekman-7")


def source(
    language: str,
    *turns: str | tuple[str, ...] | None,
    labels: LabelSet = EKMAN,
    epochs: float = 1,
    neutral_share: float = 0,
) -> Source:
    """Single lines, each with a label, several of them, or neither."""
    dialogues = []
    for place, gold in enumerate(turns):
        several = gold if isinstance(gold, tuple) else None
        single = gold if isinstance(gold, str) else None
        turn = Utterance("We walked home.", gold=single, golds=several)
        dialogues.append(Dialogue(str(place), (turn,), language))
    data = Dataset("own", "train", "emotion", labels, tuple(dialogues))
    return Source(data, epochs, neutral_share=neutral_share)


def test_shares_are_counted_per_language_and_by_epochs() -> None:
    found = neutral_shares(
        [
            source("en", "neutral", "joy", "joy", None),
            source("en-GB", "neutral", epochs=3),
            source("es", "joy", "fear"),
        ]
    )
    assert found == {"en": pytest.approx(4 / 6), "es": 0.0}
    assert too_few(found) == ["es"]


def test_an_empty_answer_about_several_labels_says_nothing_is_felt() -> None:
    several = source("hi", (), ("joy", "fear"), ("neutral",), ("joy", "neutral"))
    assert neutral_shares([several]) == {"hi": 0.5}


def test_a_label_of_ones_own_is_neutral_by_its_name() -> None:
    own = LabelSet("own", ["calm", "Neutral", "None"])
    assert neutral_shares([source("en", "calm", "Neutral", "None", labels=own)])[
        "en"
    ] == pytest.approx(2 / 3)


@pytest.mark.parametrize("golds", [("joy", "neutral"), (("joy",), ())])
def test_a_pass_shows_what_is_neutral_more_often_up_to_the_share_asked_for(
    golds: tuple[str, str],
) -> None:
    joy, neutral = golds
    found = source("es", *[joy] * 90, *[neutral] * 20, None, neutral_share=0.25)
    places = one_pass(found.data, found.neutral_share, random.Random(0))
    assert sorted(set(places)) == list(range(110))  # all that is labelled
    assert sum(place < 90 for place in places) == 90
    assert len(places) == 120  # 30 of 120 are a quarter
    assert neutral_shares([found]) == {"es": pytest.approx(0.25)}
    assert places != sorted(places)


def test_a_pass_is_left_alone_where_enough_is_neutral_or_nothing_is_asked() -> None:
    enough = source("es", *["joy"] * 3, "neutral", neutral_share=0.25)
    assert sorted(one_pass(enough.data, 0.25, random.Random(0))) == [0, 1, 2, 3]
    few = source("es", *["joy"] * 30, "neutral")
    assert sorted(one_pass(few.data, 0, random.Random(0))) == list(range(31))
    none = source("es", "joy", "fear", neutral_share=0.25)
    assert sorted(one_pass(none.data, 0.25, random.Random(0))) == [0, 1]


def test_no_dialogue_is_shown_more_often_than_the_limit() -> None:
    rare = source("pcm", *["joy"] * 99, "neutral", neutral_share=0.25)
    assert one_pass(rare.data, 0.25, random.Random(0)).count(99) == MOST
