"""Calibrating on labelled turns of one's own."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import sentixrl
from sentixrl import Calibration, Classifier, Dialogue, LabelSet, NegotiationOptions, Utterance
from sentixrl.context.prompt import Prompt
from sentixrl.datasets import Dataset
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError, InputError
from sentixrl.evaluation.recalibration import apply, first_answers, recalibrate

LABELS = LabelSet("three", ["joy", "anger", "calm"])
TOO_SURE = 3.0


def honest(text: str) -> np.ndarray:
    """What is true of a text: probabilities of its labels."""
    rng = np.random.default_rng(zlib.crc32(text.encode()))
    return np.asarray(rng.dirichlet([1.0, 0.7, 0.4]))


def overconfident(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    said = prompt.text.split("“")[-1].split("”")[0]
    return list(honest(said) ** TOO_SURE + 1e-9)


def data(turns: int, per_dialogue: int = 5, seed: int = 0) -> Dataset:
    """Texts whose labels are drawn as is true of them."""
    rng = np.random.default_rng(seed)
    said = [f"text {seed}.{number}" for number in range(turns)]
    gold = [LABELS.names[rng.choice(3, p=honest(text))] for text in said]
    spoken = [Utterance(f"“{text}”", gold=name) for text, name in zip(said, gold, strict=True)]
    talks = [
        Dialogue(str(start), tuple(spoken[start : start + per_dialogue]), language="en")
        for start in range(0, turns, per_dialogue)
    ]
    return Dataset("custom", "all", "label", LABELS, tuple(talks))


def model(**options: object) -> Classifier:
    negotiation = NegotiationOptions(enabled=False, **options)  # type: ignore[arg-type]
    context = sentixrl.ContextOptions(language="en")
    engine = ScriptedEngine(overconfident)
    return sentixrl.load(engine, labels=LABELS, context=context, negotiation=negotiation)


def test_a_temperature_from_labelled_turns_makes_confidence_honest() -> None:
    found = recalibrate(model(), data(400))
    assert found.calibration.scale == pytest.approx(1 / TOO_SURE, rel=0.25)
    assert found.calibration.fitted
    assert not found.calibration.bias
    assert found.before.ece > 0.15
    assert found.after.ece < 0.09
    assert found.after.accuracy == found.before.accuracy
    assert (found.turns, found.dialogues, found.by_dialogue) == (400, 80, True)
    assert len(found.calibration.truths) == 400


def test_what_was_fitted_before_does_not_matter_but_is_what_it_is_compared_with() -> None:
    before = recalibrate(model(), data(100))
    again = recalibrate(model(calibration=before.calibration), data(100))
    assert again.calibration == before.calibration
    assert again.before.ece < before.before.ece


def test_sets_from_the_calibration_hold_the_truth() -> None:
    fitted = recalibrate(model(), data(300)).calibration
    fresh = data(600, seed=1)
    predictions = model(calibration=fitted, sets=0.9).predict_many(fresh)
    held = [
        turn.gold in (item.candidates or ())
        for talk, found in zip(fresh, predictions, strict=True)
        for turn, item in zip(talk, found.items, strict=True)
    ]
    assert 0.85 < np.mean(held) < 0.95


def test_a_bias_is_fitted_only_when_asked_for() -> None:
    found = recalibrate(model(), data(200), bias=True)
    assert len(found.calibration.bias) == len(found.calibration.shares) == 3


def test_one_long_dialogue_is_cut_into_runs_of_turns() -> None:
    found = recalibrate(model(), data(60, per_dialogue=60))
    assert (found.dialogues, found.by_dialogue) == (1, False)


def test_every_turn_is_judged_by_what_its_dialogue_had_no_part_in() -> None:
    # All turns of the first dialogue are wrong and sure: with it, one is less sure.
    talks = data(300).dialogues
    wrong = [
        Utterance(turn.text, gold=LABELS.names[int(honest(turn.text[1:-1]).argmin())])
        for talk in talks[:10]
        for turn in talk
    ]
    odd = Dialogue("odd", tuple(wrong), language="en")
    found = recalibrate(model(), Dataset("custom", "all", "label", LABELS, (odd, *talks[10:])))
    without = recalibrate(model(), Dataset("custom", "all", "label", LABELS, talks[10:]))
    assert found.calibration.scale < without.calibration.scale
    assert found.after.ece > without.after.ece


def test_first_answers_are_the_models_own() -> None:
    plain = first_answers(model(), data(40))
    fitted = first_answers(model(calibration=Calibration(0.2, fitted=True)), data(40))
    np.testing.assert_array_equal(plain.log_probs, fitted.log_probs)
    np.testing.assert_allclose(np.exp(apply(Calibration(), plain.log_probs)).sum(-1), 1)


def of(labels: list[str | None]) -> Dataset:
    turns = tuple(Utterance(f"“{number}”", gold=name) for number, name in enumerate(labels))
    return Dataset("custom", "all", "label", LABELS, (Dialogue("d", turns),))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["joy", "anger"] * 5, "has 10 labelled turns; a calibration needs at least 30"),
        (["joy"] * 40, "All 40 labelled turns of custom/all have the label 'joy'"),
        ([None] * 40 + ["joy"] * 5, "has 5 labelled turns"),
    ],
)
def test_too_little_to_fit_on_is_said(labels: list[str | None], said: str) -> None:
    with pytest.raises(InputError, match=said):
        recalibrate(model(), of(labels))


def test_several_labels_and_models_without_scores_are_refused() -> None:
    with pytest.raises(ConfigError, match="for one label a turn"):
        recalibrate(model(kind="several"), data(40))
    writer = sentixrl.load(ScriptedEngine(write=lambda prompt: "joy"), labels=LABELS)
    with pytest.raises(ConfigError, match="gives no probabilities"):
        recalibrate(writer, data(40))
