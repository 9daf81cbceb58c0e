"""How much of the material says that nothing is felt, per language."""

from __future__ import annotations

import pytest

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.labels import LabelSet, scheme
from sentixrl.training.material import Source
from sentixrl.training.neutral import neutral_shares, too_few

EKMAN = scheme("ekman-7")


def source(
    language: str, *turns: str | tuple[str, ...] | None, labels: LabelSet = EKMAN, epochs: float = 1
) -> Source:
    """Single lines, each with a label, several of them, or neither."""
    dialogues = []
    for place, gold in enumerate(turns):
        several = gold if isinstance(gold, tuple) else None
        single = gold if isinstance(gold, str) else None
        turn = Utterance("We walked home.", gold=single, golds=several)
        dialogues.append(Dialogue(str(place), (turn,), language))
    return Source(Dataset("own", "train", "emotion", labels, tuple(dialogues)), epochs)


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
