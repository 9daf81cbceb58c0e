"""Training from samples in memory: scikit-learn's ``fit`` with ``train=True``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sentixrl import LabelSet, loaded
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError
from sentixrl.sklearn import EmotionClassifier
from sentixrl.training import samples
from sentixrl.training.samples import train_on_samples

from .small import FILLERS, SIGNS

pytestmark = pytest.mark.usefixtures("float32")
QUICK = {
    "method": "full",
    "rank": 8,
    "epochs": 6,
    "window": {"history_max": 0, "history_min": 0},
    "optimiser": {"learning_rate": 3e-3, "pack_tokens": 128},
}


def made(count: int) -> tuple[list[str], list[str]]:
    """Texts that one word gives away, and their labels."""
    rng = random.Random(3)
    gold = [rng.choice(list(SIGNS)) for _ in range(count)]
    return [" ".join([*rng.choices(FILLERS, k=4), SIGNS[label]]) for label in gold], gold


def test_fit_trains_and_finds_its_training_again(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, gold = made(150)
    model = EmotionClassifier(train=True, model=base, recipe=QUICK, out=tmp_path / "fits")
    model.fit(texts, gold)
    assert list(model.classes_) == sorted(SIGNS)
    assert model.score(texts[:30], gold[:30]) > 0.8
    again = EmotionClassifier(train=True, model=base, recipe=QUICK, out=tmp_path / "fits")
    steps: list[object] = []
    monkeypatch.setattr("sentixrl.training.running._train", lambda *of: steps.append(of))
    assert again.fit(texts, gold).bundle_ == model.bundle_
    assert steps == []
    loaded.release()


def test_every_label_is_held_out_in_its_share() -> None:
    dialogues = [Dialogue.from_texts([f"turn {at}"], id=str(at)) for at in range(50)]
    train, dev = samples._parts(dialogues)
    assert (len(train), len(dev)) == (40, 10)
    assert {one.id for one in train} | {one.id for one in dev} == {one.id for one in dialogues}


def test_what_cannot_be_trained_is_one_sentence(base: Path, tmp_path: Path) -> None:
    labels = LabelSet("mine", ["joy", "anger"])
    few = [Dialogue.from_texts(["rain"])] * 3
    with pytest.raises(InputError, match="3 dialogues are too few"):
        train_on_samples(few, labels, tmp_path, model=str(base))
    with pytest.raises(ConfigError, match="key 'dev' follows from the samples"):
        train_on_samples(few * 4, labels, tmp_path, model=str(base), keys={"dev": []})
