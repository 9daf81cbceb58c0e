"""Calibrating on labelled turns of one's own."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

import sentixrl
from sentixrl import Calibration, Classifier, Dialogue, LabelSet, NegotiationOptions, Utterance
from sentixrl.calibration.several import given, probabilities
from sentixrl.context.prompt import Prompt
from sentixrl.datasets import Dataset
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError, InputError
from sentixrl.evaluation.recalibration import (
    Quality,
    SeveralQuality,
    apply,
    first_answers,
    first_judgements,
    recalibrate,
)

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
    assert isinstance(found.before, Quality)
    assert isinstance(found.after, Quality)
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


SHY = 4.0
"""How much less likely, in nats, the model says that a label applies than is true."""


def applies(text: str) -> np.ndarray:
    """What is true of a text: the probability that each label applies."""
    return np.asarray(np.random.default_rng(zlib.crc32(text.encode())).beta(0.5, 0.8, 3))


def shy(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    """A judge of single labels that finds the right order and says yes far too seldom."""
    said = prompt.text.split("“")[-1].split("”")[0]
    question = prompt.text.splitlines()[-1]
    label = next(place for place, name in enumerate(LABELS.names) if name in question)
    odds = logit(np.clip(applies(said)[label], 1e-6, 1 - 1e-6)) - SHY
    yes = float(expit(odds))
    return [yes, 1 - yes]


def judged(turns: int, seed: int = 0) -> Dataset:
    """Texts to each of which every label applies as often as is true of it."""
    rng = np.random.default_rng(seed)
    said = [f"text {seed}.{number}" for number in range(turns)]
    talks = []
    for number, text in enumerate(said):
        flags = rng.random(3) < applies(text)
        golds = tuple(name for name, flag in zip(LABELS.names, flags, strict=True) if flag)
        talks.append(Dialogue(str(number), (Utterance(f"“{text}”", golds=golds),), language="en"))
    return Dataset("custom", "all", "label", LABELS, tuple(talks))


def judge() -> Classifier:
    context = sentixrl.ContextOptions(language="en")
    options = NegotiationOptions(kind="several")
    return sentixrl.load(ScriptedEngine(shy), labels=LABELS, context=context, negotiation=options)


def test_thresholds_from_labelled_turns_find_the_labels_a_shy_model_leaves_out() -> None:
    found = recalibrate(judge(), judged(300))
    assert isinstance(found.before, SeveralQuality)
    assert isinstance(found.after, SeveralQuality)
    assert len(found.calibration.thresholds) == 3
    assert found.calibration.bias == pytest.approx((SHY,) * 3, abs=0.8)
    assert found.after.ece < 0.5 * found.before.ece
    assert found.after.macro_f1 > found.before.macro_f1 + 0.2
    assert found.turns == found.dialogues == 300
    fresh = judged(300, seed=1)
    fitted = judge().replace(
        negotiation=NegotiationOptions(kind="several", calibration=found.calibration)
    )
    said = [set(item.labels or ()) for one in fitted.predict_many(fresh) for item in one.items]
    right = sum(
        len(one & set(turn.golds or ())) for one, turn in zip(said, fresh.utterances, strict=True)
    )
    both = sum(
        len(one) + len(turn.golds or ()) for one, turn in zip(said, fresh.utterances, strict=True)
    )
    assert 2 * right / both == pytest.approx(found.after.micro_f1, abs=0.06)


def test_of_several_labels_every_turn_is_judged_by_what_it_had_no_part_in() -> None:
    # Labels that are pure chance: whoever is judged by thresholds fitted on itself looks better.
    mixed = judged(60)
    rng = np.random.default_rng(3)
    talks = [
        Dialogue(talk.id, (replace(talk.utterances[0], golds=(LABELS.names[rng.integers(3)],)),))
        for talk in mixed
    ]
    talks[0] = Dialogue("0", (replace(talks[0].utterances[0], golds=()),))
    answers = first_judgements(judge(), replace(mixed, dialogues=tuple(talks)))
    itself = recalibrate(judge(), replace(mixed, dialogues=tuple(talks)))
    shares = probabilities(answers.log_odds, itself.calibration)
    flattered = SeveralQuality.of(shares, given(shares, itself.calibration), answers.gold)
    assert isinstance(itself.after, SeveralQuality)
    assert itself.after.micro_f1 < flattered.micro_f1


def test_data_of_the_other_kind_biases_and_models_without_scores_are_refused() -> None:
    with pytest.raises(ConfigError, match="has one label a turn, and the model is asked for sev"):
        recalibrate(judge(), data(40))
    with pytest.raises(ConfigError, match="has several a turn, and the model is asked for one"):
        recalibrate(model(), judged(40))
    with pytest.raises(ConfigError, match="is for one label a turn"):
        recalibrate(judge(), judged(40), bias=True)
    nothing = [Dialogue(talk.id, (replace(talk.utterances[0], golds=()),)) for talk in judged(40)]
    with pytest.raises(InputError, match="None of the 40 labelled turns"):
        recalibrate(judge(), replace(judged(40), dialogues=tuple(nothing)))
    writer = sentixrl.load(ScriptedEngine(write=lambda prompt: "joy"), labels=LABELS)
    with pytest.raises(ConfigError, match="gives no probabilities"):
        recalibrate(writer, data(40))
