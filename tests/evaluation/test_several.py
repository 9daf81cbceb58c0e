"""Utterances with several labels: measured, compared, predicted by files and baselines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sklearn

import sentixrl
from sentixrl.datasets import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError, InputError
from sentixrl.evaluation import Resampling, compare_runs, evaluate
from sentixrl.evaluation.baselines.system import judged
from sentixrl.evaluation.baselines.tfidf import tfidf_several
from sentixrl.evaluation.foreign import read_predictions
from sentixrl.evaluation.items import SeveralItem, build_several_items
from sentixrl.evaluation.several import exactly_right, headline, label_f1, tally
from sentixrl.evaluation.several_summary import several_metrics_json
from sentixrl.labels import LabelSet
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.prediction import DialoguePrediction, Prediction, Status

LABELS = LabelSet("three", ["anger", "joy", "fear"])
NAMES = LABELS.names
QUICK = Resampling(resamples=100, permutations=100)


def items(seed: int, n: int = 120, noise: float = 0.2) -> list[SeveralItem]:
    """Random items in clusters of four, whose labels are given but for some noise."""
    gold = np.random.default_rng(7).random((n, 3)) < [0.4, 0.3, 0.1]
    rng = np.random.default_rng(seed)
    said = gold ^ (rng.random((n, 3)) < noise)
    return [
        SeveralItem(
            dialogue_id=f"d{place // 4}",
            index=place % 4,
            cluster=f"d{place // 4}",
            gold=_named(gold[place]),
            labels=_named(said[place]),
            probabilities=dict(zip(NAMES, np.where(said[place], 0.8, 0.1).tolist(), strict=True)),
        )
        for place in range(n)
    ]


def _named(flags: Sequence[bool]) -> frozenset[str]:
    return frozenset(name for name, flag in zip(NAMES, flags, strict=True) if flag)


def flags(found: Sequence[frozenset[str] | None]) -> np.ndarray:
    return np.array([[name in (labels or ()) for name in NAMES] for labels in found])


@pytest.mark.parametrize("seed", range(4))
def test_metrics_equal_sklearn_and_their_definitions(seed: int) -> None:
    found = items(seed)
    gold = flags([item.gold for item in found])
    said = flags([item.labels for item in found])
    macro, micro, jaccard, exact = headline(tally(found, NAMES).sum(axis=0))
    assert macro == pytest.approx(sklearn.f1_score(gold, said, average="macro"))
    assert micro == pytest.approx(sklearn.f1_score(gold, said, average="micro"))
    either = (gold | said).any(axis=1)
    shares = np.ones(len(found))  # where there is neither, both agree
    shares[either] = [
        (one & other).sum() / (one | other).sum()
        for one, other in zip(gold[either], said[either], strict=True)
    ]
    assert jaccard == pytest.approx(shares.mean())
    assert exact == pytest.approx(sklearn.accuracy_score(gold, said))
    np.testing.assert_allclose(
        label_f1(tally(found, NAMES).sum(axis=0)), sklearn.f1_score(gold, said, average=None)
    )


def test_a_failed_turn_has_no_label_and_is_counted() -> None:
    one = SeveralItem("d", 0, "d", gold=frozenset({"joy"}))
    two = SeveralItem("d", 1, "d", gold=frozenset())
    assert exactly_right([one, two], NAMES).tolist() == [False, True]
    metrics = several_metrics_json([one, two], LABELS, how=QUICK)
    assert metrics["failed"] == 2
    assert metrics["jaccard"]["value"] == 0.5
    assert metrics["calibration"] is None


def test_metrics_have_intervals_labels_and_calibration() -> None:
    metrics = several_metrics_json(items(1), LABELS, how=QUICK)
    json.dumps(metrics, allow_nan=False)
    assert metrics["kind"] == "several"
    assert metrics["macro_f1"]["low"] < metrics["macro_f1"]["value"] < metrics["macro_f1"]["high"]
    assert set(metrics["per_class"]) == set(NAMES)
    assert metrics["calibration"]["n"] == 120 * 3
    assert 0 < metrics["calibration"]["ece"] < 0.2


def test_runs_are_compared_by_cluster() -> None:
    found = compare_runs({"poor": items(1, noise=0.3), "good": items(2, noise=0.1)}, NAMES)
    (pair,) = found.pairs
    assert [metric.metric for metric in pair.metrics] == [
        "macro_f1", "micro_f1", "jaccard", "exact_match",
    ]  # fmt: skip
    assert pair["macro_f1"].difference.low is not None
    assert pair["macro_f1"].difference.low > 0
    assert pair["macro_f1"].p < 0.01
    assert pair.mcnemar is not None
    assert set(pair.per_class) == set(NAMES)


def test_other_gold_labels_are_named() -> None:
    one, other = items(1), items(1)
    other[5] = SeveralItem("d1", 1, "d1", gold=frozenset({"joy", "fear"}))
    with pytest.raises(InputError, match=r"gold of dialogue 'd1', turn 2, is '.*' in one and"):
        compare_runs({"a": one, "b": other}, NAMES)


def data(split: str = "dev", n: int = 8) -> Dataset:
    """Dialogues of two turns whose words tell their labels."""
    words = {"anger": "furious mess", "joy": "lovely day", "fear": "dark noise"}
    golds = [(), ("anger",), ("joy", "fear"), ("fear",), ("anger", "joy")]
    turns = [
        Utterance(
            " and ".join([*(words[name] for name in golds[at % 5]), f"so {at % 3}"]),
            gold=golds[at % 5][0] if len(golds[at % 5]) == 1 else None,
            golds=golds[at % 5],
        )
        for at in range(2 * n)
    ]
    talks = [Dialogue(f"{split}{at}", tuple(turns[2 * at : 2 * at + 2])) for at in range(n)]
    return Dataset("toy", split, "emotion", LABELS, tuple(talks))


def test_a_data_set_counts_all_annotated_turns_and_labels() -> None:
    found = data()
    assert found.several
    assert found.labelled == 16
    assert found.label_counts == {"anger": 6, "joy": 6, "fear": 6}


def test_a_model_is_measured_on_several_labels(tmp_path: Path) -> None:
    engine = ScriptedEngine(score=lambda prompt, choices: [1.0, 2.0])
    several = NegotiationOptions(kind="several")
    model = sentixrl.load(engine, labels=LABELS, negotiation=several)
    found = evaluate(
        model, data(), tmp_path / "run", identity={"kind": "t", "model": {"name": "t"}}
    )
    assert found["macro_f1"]["value"] == 0
    assert found["exact_match"]["value"] == pytest.approx(0.25)
    single = model.replace(negotiation=NegotiationOptions(kind="single"))
    with pytest.raises(ConfigError, match="may have several labels an utterance; the model is"):
        evaluate(single, data(), tmp_path / "other")


def test_a_model_asked_for_several_is_not_measured_on_one(tmp_path: Path) -> None:
    engine = ScriptedEngine(score=lambda prompt, choices: [1.0] * len(choices))
    model = sentixrl.load(engine, labels=LABELS, negotiation=NegotiationOptions(kind="several"))
    talk = Dialogue("d", (Utterance("Well.", gold="joy"), Utterance("So.", gold="fear")))
    single = Dataset("toy", "dev", "emotion", LABELS, (talk,))
    with pytest.raises(ConfigError, match="has one label per utterance, and the model is asked"):
        evaluate(model, single, tmp_path / "run")


def test_one_label_is_no_answer_where_there_may_be_several() -> None:
    talk = data(n=1).dialogues[0]
    single = [Prediction(at, Status.SINGLE, "joy", "joy") for at in range(2)]
    with pytest.raises(InputError, match="is answered by one label, 'joy'"):
        build_several_items([(talk, DialoguePrediction(talk.id, "en", "m", "none", tuple(single)))])


def test_tfidf_judges_each_label_by_its_words() -> None:
    system = tfidf_several(data("train", 20), data("dev"))
    (talk, *_) = data("test", 4).dialogues
    found = next(iter(system.predict_many([talk])))
    assert [item.labels for item in found.items] == [turn.golds for turn in talk]
    assert system.dev_macro_f1 == 1
    assert len(system.thresholds) == 3


def test_a_label_that_train_lacks_is_never_given() -> None:
    train = data("train", 20)
    wider = Dataset("toy", "train", "emotion", LabelSet("four", [*NAMES, "awe"]), train.dialogues)
    dev = Dataset("toy", "dev", "emotion", wider.label_set, data("dev").dialogues)
    assert tfidf_several(wider, dev).shares(["lovely awe"])[0, 3] == 0


def predictions(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(content, "utf-8")
    return path


def test_anybodys_lists_of_labels_are_read(tmp_path: Path) -> None:
    rows = (
        "dialogue_id,index,labels,p_anger,p_joy,p_fear\ndev0,0,[],.1,.2,.3\ndev0,1,joy;FEAR,1,1,1\n"
    )
    found = read_predictions(predictions(tmp_path, rows), data(n=1))
    assert found.answers["dev0", 0].labels == ()
    assert found.answers["dev0", 1].labels == ("joy", "fear")
    assert found.answers["dev0", 1].probabilities == {"anger": 1, "joy": 1, "fear": 1}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("dialogue_id,index,label\ndev0,0,joy\n", "there is no column 'labels'"),
        ("dialogue_id,index,labels\ndev0,0,joy;joy\n", "the label 'joy' stands there twice"),
        ("dialogue_id,index,labels\ndev0,0,rage\n", "'rage' is not a label of 'three'"),
        ("dialogue_id,index,labels\ndev0,0,\n", "the column 'labels' is empty"),
        ("dialogue_id,index,labels\ndev0,0,joy\n", "answers 1 of the 2 annotated"),
    ],
)
def test_faults_of_such_files_are_named(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_predictions(predictions(tmp_path, rows), data(n=1))


def test_lists_are_no_answer_where_there_is_one_label(tmp_path: Path) -> None:
    talk = Dialogue("d", (Utterance("Well.", gold="joy"),))
    single = Dataset("toy", "dev", "emotion", LABELS, (talk,))
    rows = "dialogue_id,index,label,labels\nd,0,,joy; fear\n"
    with pytest.raises(InputError, match=r"it holds several labels \('joy; fear'\)"):
        read_predictions(predictions(tmp_path, rows), single)


def test_shares_become_predictions_in_order() -> None:
    talk = data(n=1).dialogues[0]
    shares = np.array([[0.1, 0.2, 0.3], [0.7, 0.8, 0.1]])
    found = judged(talk, NAMES, shares, shares > 0.5, "mine")
    assert [item.labels for item in found.items] == [(), ("anger", "joy")]
