from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from sentixrl.bundle import ModelBundle
from sentixrl.calibration.posterior import Calibration
from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.datasets import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError, InputError
from sentixrl.evaluation import build_items
from sentixrl.evaluation.baselines import (
    TfidfSettings,
    answered,
    label_orders,
    majority,
    neighbours,
    tfidf,
)
from sentixrl.labels import LabelSet
from sentixrl.negotiation import scheduling
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.prediction import Status
from sentixrl.spec import load

LABELS = LabelSet("three", ["anger", "joy", "neutral"])
WORDS = {
    "anger": ("furious awful", "hate this mess", "damn you all"),
    "joy": ("wonderful lovely day", "great great news", "so happy now"),
    "neutral": ("the table is brown", "see you there", "at noon then"),
}


def data(split: str, labels: Iterable[str | None], extra: str = "") -> Dataset:
    """Dialogues of two turns, whose words give the label away."""
    turns = [
        Utterance(f"{WORDS[label or 'neutral'][place % 3]} {extra}", gold=label)
        for place, label in enumerate(labels)
    ]
    dialogues = [
        Dialogue(f"{split}{start}", tuple(turns[start : start + 2]), language="en")
        for start in range(0, len(turns), 2)
    ]
    return Dataset("toy", split, "emotion", LABELS, tuple(dialogues))


MIXED = ["anger", "joy", "neutral"] * 8
TRAIN = data("train", MIXED)
WORDLESS = Dialogue("d", (Utterance("!", gold="joy"), Utterance("?", gold="anger")))
FEW = (TfidfSettings(), TfidfSettings(characters="char", strength=8.0))


def test_majority_gives_the_training_shares_everywhere() -> None:
    train = data("train", ["joy", "joy", "anger", None])
    pairs = list(answered(majority(train), data("test", MIXED)))
    assert [dialogue.id for dialogue, _ in pairs] == [one.id for one in data("test", MIXED)]
    for item in (item for _, prediction in pairs for item in prediction.items):
        assert (item.label, item.fallback, item.status) == ("joy", "joy", Status.SINGLE)
        assert item.probabilities == {"anger": 1 / 3, "joy": 2 / 3, "neutral": 0.0}
        assert item.confidence == pytest.approx(2 / 3)
    assert len(build_items(pairs)) == len(MIXED)


def test_of_equally_frequent_labels_the_first_of_the_set_wins() -> None:
    system = majority(data("train", ["neutral", "anger"]))
    assert next(system.predict_many([Dialogue.from_texts(["x"])])).items[0].label == "anger"


def test_a_split_without_gold_labels_teaches_nothing() -> None:
    for fit in (majority, lambda split: tfidf(split, TRAIN), lambda split: tfidf(TRAIN, split)):
        with pytest.raises(InputError, match="toy/dev"):
            fit(data("dev", [None, None]))


class TestTfidf:
    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        pytest.importorskip("sklearn")

    def test_it_learns_what_words_tell_and_answers_whole_dialogues(self) -> None:
        test = data("test", MIXED, "indeed")
        system = tfidf(TRAIN, data("dev", MIXED), grid=FEW)
        items = build_items(answered(system, test))
        assert all(item.label == item.gold for item in items)
        for item in items:
            assert item.probabilities is not None
            assert tuple(item.probabilities) == LABELS.names
            assert sum(item.probabilities.values()) == pytest.approx(1)
            assert item.confidence == max(item.probabilities.values())

    def test_dev_decides_and_nothing_else(self) -> None:
        dev = data("dev", MIXED)
        system = tfidf(TRAIN, dev, grid=FEW)
        assert [trial.settings for trial in system.trials] == list(FEW)
        best = max(trial.dev_weighted_f1 for trial in system.trials)
        assert system.settings == next(
            trial.settings for trial in system.trials if trial.dev_weighted_f1 == best
        )
        assert system.trials[0].dev_weighted_f1 == 1.0
        # A dev split with other truths moves the scores, not the training.
        turned = data("dev", ["joy"] * 24)
        other = tfidf(TRAIN, turned, grid=FEW[:1])
        texts = [turn.text for turn in dev.utterances]
        np.testing.assert_array_equal(
            other.posteriors(texts), tfidf(TRAIN, dev, grid=FEW[:1]).posteriors(texts)
        )

    def test_the_score_is_weighted_f1_over_the_task_labels(self) -> None:
        from sklearn.metrics import f1_score

        dev = data("dev", ["joy", "anger", "joy", "neutral", "joy", "anger"])
        mixed_up = replace(
            dev,
            dialogues=tuple(
                replace(one, utterances=tuple(replace(turn, gold="joy") for turn in one))
                if number == 0
                else one
                for number, one in enumerate(dev.dialogues)
            ),
        )
        system = tfidf(TRAIN, mixed_up, grid=FEW[:1])
        gold = [turn.gold for turn in mixed_up.utterances]
        found = [item.label for _, one in answered(system, mixed_up) for item in one.items]
        expected = f1_score(gold, found, labels=LABELS.names, average="weighted", zero_division=0)
        assert 0 < expected < 1
        assert system.trials[0].dev_weighted_f1 == pytest.approx(expected)

    def test_a_label_that_train_lacks_has_no_probability(self) -> None:
        system = tfidf(data("train", ["joy", "anger"] * 4), data("dev", MIXED), grid=FEW[:1])
        assert (system.posteriors(["at noon then"])[:, 2] == 0).all()
        assert system.posteriors([]).shape == (0, 3)

    def test_texts_of_unknown_signs_are_answered_all_the_same(self) -> None:
        system = tfidf(TRAIN, data("dev", MIXED), grid=FEW[:1])
        assert system.posteriors(["好", "…", ""]).sum(axis=1) == pytest.approx([1, 1, 1])

    def test_chinese_is_read_by_its_characters(self) -> None:
        texts = [
            ("我很高兴", "joy"),
            ("我太生气了", "anger"),
            ("他很高兴", "joy"),
            ("别生气", "anger"),
        ]
        dialogues = tuple(
            Dialogue(str(n), (Utterance(text, gold=gold),)) for n, (text, gold) in enumerate(texts)
        )
        train = replace(TRAIN, dialogues=dialogues)
        system = tfidf(train, train, grid=FEW[:1])
        best = system.posteriors(["她高兴", "你生气吗"]).argmax(axis=1)
        assert [LABELS.names[place] for place in best] == ["joy", "anger"]

    @pytest.mark.parametrize(
        ("train", "message"),
        [
            (data("train", ["joy"] * 4), "only the label 'joy'"),
            (replace(TRAIN, dialogues=(WORDLESS,)), "hold no words"),
        ],
    )
    def test_what_cannot_be_learnt_from_is_refused(self, train: Dataset, message: str) -> None:
        with pytest.raises(InputError, match=message):
            tfidf(train, TRAIN, grid=FEW[:1])


class TestLabelOrders:
    """An engine that favours whatever is named first in the prompt."""

    @staticmethod
    def engine(fails_on: str = "") -> ScriptedEngine:
        def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float] | Failure:
            if fails_on and fails_on in str(prompt) and choices[0] == LABELS.names[0]:
                return Failure("too_long", "no")
            return [2.0 if place == 0 else 1.0 for place in range(len(choices))]

        return ScriptedEngine(score)

    def classifier(self, fails_on: str = "", **options: object) -> Classifier:
        return Classifier(
            self.engine(fails_on),
            LABELS,
            ContextOptions(),
            NegotiationOptions(**options),  # type: ignore[arg-type]
            ModelBundle(name="scripted"),
        )

    def test_one_pass_is_the_single_pass(self) -> None:
        dialogue = Dialogue.from_texts(["one", "two"])
        single = load(self.engine(), labels=LABELS, negotiation=NegotiationOptions(enabled=False))
        [found] = label_orders(self.classifier(), 1).predict_many([dialogue])
        assert found.items == single.predict(dialogue).items

    def test_what_it_costs_is_what_its_passes_cost(self) -> None:
        classifier = self.classifier()
        system = label_orders(classifier, 2)
        assert all(one.engine is classifier.engine for one in system.passes)
        [found] = system.predict_many([Dialogue.from_texts(["one", "two"])])
        usage = classifier.engine.usage
        assert usage.requests == 4
        assert sum(item.tokens for item in found.items) == usage.tokens > 0
        assert sum(item.seconds for item in found.items) == pytest.approx(usage.seconds)

    def test_all_orders_together_have_no_favourite(self) -> None:
        system = label_orders(self.classifier(), 6, seed=3)
        assert len({one.label_set.names for one in system.passes}) == 6
        [found] = system.predict_many([Dialogue.from_texts(["one"])])
        assert found.items[0].probabilities == pytest.approx(dict.fromkeys(LABELS.names, 1 / 3))
        assert found.items[0].status is Status.SINGLE
        assert found.items[0].rounds == ()

    def test_the_mean_is_that_of_the_passes(self) -> None:
        system = label_orders(self.classifier(), 3, seed=1)
        firsts = Counter(one.label_set.names[0] for one in system.passes)
        [found] = system.predict_many([Dialogue.from_texts(["one"])])
        expected = {name: (0.25 + 0.25 * firsts[name] / 3) for name in LABELS.names}
        assert found.items[0].probabilities == pytest.approx(expected)
        assert found.items[0].confidence == pytest.approx(max(expected.values()))
        assert "label orders: 3, seed 1" in found.model

    def test_the_seed_draws_the_orders_and_more_than_there_are_repeat(self) -> None:
        def orders(passes: int, seed: int) -> list[tuple[str, ...]]:
            system = label_orders(self.classifier(), passes, seed=seed)
            return [one.label_set.names for one in system.passes]

        assert orders(4, 5) == orders(4, 5)
        assert orders(4, 5)[0] == LABELS.names
        assert len({tuple(orders(4, seed)) for seed in range(6)}) > 1
        assert len(orders(9, 0)) == 9
        assert len(set(orders(9, 0))) == 6

    def test_a_bias_stays_with_its_label(self) -> None:
        bias = (math.log(4), 0.0, 0.0)
        system = label_orders(
            self.classifier(calibration=Calibration(bias=bias, fitted=True)), 6, seed=0
        )
        for one in system.passes:
            place = one.label_set.names.index("anger")
            assert one.negotiation.calibration.bias[place] == math.log(4)
        [found] = system.predict_many([Dialogue.from_texts(["one"])])
        assert found.items[0].label == "anger"

    def test_dialogues_come_back_in_order_and_lazily(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scheduling, "AHEAD", 8)
        monkeypatch.setattr(scheduling, "PER_STEP", 4)
        taken = []

        def source() -> Iterable[Dialogue]:
            for number in range(20):
                taken.append(number)
                yield Dialogue.from_texts(["one", "two"], id=str(number))

        pairs = answered(label_orders(self.classifier(), 2), source())
        first = next(iter(pairs))
        assert first[0].id == first[1].dialogue_id == "0"
        assert len(taken) * 2 <= 8 + 4
        rest = [(dialogue.id, found.dialogue_id) for dialogue, found in pairs]
        assert rest == [(str(number), str(number)) for number in range(1, 20)]

    def test_what_fails_in_one_pass_is_answered_by_the_others(self) -> None:
        dialogues = [Dialogue.from_texts(["good", "bad"])]
        alone = label_orders(self.classifier(fails_on="bad"), 1)
        assert next(alone.predict_many(dialogues)).items[1].status is Status.ERROR
        together = label_orders(self.classifier(fails_on="bad"), 6)
        item = next(together.predict_many(dialogues)).items[1]
        assert (item.status, item.error) == (Status.SINGLE, None)

    def test_what_cannot_be_averaged_is_refused(self) -> None:
        silent = load(ScriptedEngine(write=lambda _: "joy"), labels=LABELS)
        with pytest.raises(ConfigError, match="no probabilities"):
            label_orders(silent)
        with pytest.raises(ConfigError, match="0 passes"):
            label_orders(self.classifier(), 0)


def test_neighbours_answer_by_their_labels() -> None:
    system = neighbours(TRAIN, count=4, by="tfidf")
    asked = Dialogue("new", (Utterance("Great news!"), Utterance("How awful.")), language="en")
    (found,) = system.predict_many([asked])
    assert [item.label for item in found.items] == ["joy", "anger"]
    shares = found.items[0].probabilities
    assert shares is not None
    # Four neighbours and one more of all labels together.
    assert shares == pytest.approx({"anger": 1 / 15, "joy": 13 / 15, "neutral": 1 / 15})


def test_no_neighbour_is_from_the_same_dialogue() -> None:
    own = TRAIN.dialogues[0]
    few = replace(TRAIN, dialogues=TRAIN.dialogues[:2])
    (found,) = neighbours(few, by="tfidf").predict_many([own])
    other = Counter(turn.gold for turn in TRAIN.dialogues[1])
    for item in found.items:
        assert item.probabilities is not None
        for name, share in item.probabilities.items():
            assert share == pytest.approx((other[name] + 1 / 3) / 3)
