"""Several labels per utterance, from options to predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sentixrl
from sentixrl import Calibration, Classifier, LabelSet, NegotiationOptions, Status, scheme
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure, ScoreRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError

MINE = LabelSet("mine", ["joy", "fear", "calm"], multi_label=True)
TALK = [("Ann", "You kept it?"), ("Ben", "All these years."), ("Ann", "Oh, Ben.")]


def says(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    """Joy for certain, fear hardly, calm only of Ben."""
    last = prompt.text.splitlines()[-1]
    if "joy" in last:
        return [0.9, 0.1]
    if "fear" in last:
        return [0.1, 0.9]
    return [0.6, 0.4] if "Ben" in last else [0.3, 0.7]


def loaded(
    engine: ScriptedEngine | None = None, labels: LabelSet = MINE, **options: object
) -> Classifier:
    negotiation = NegotiationOptions(**options)  # type: ignore[arg-type]
    return sentixrl.load(
        engine or ScriptedEngine(score=says), labels=labels, negotiation=negotiation
    )


def test_each_label_has_a_probability_and_is_given_from_one_half() -> None:
    items = loaded().predict(TALK).items
    assert [item.labels for item in items] == [("joy",), ("joy", "calm"), ("joy",)]
    assert {(item.label, item.fallback, item.confidence) for item in items} == {(None, None, None)}
    assert {item.status for item in items} == {Status.SINGLE}
    assert items[1].probabilities == pytest.approx({"joy": 0.9, "fear": 0.1, "calm": 0.6})


def test_all_labels_of_all_turns_are_asked_in_one_call() -> None:
    engine = ScriptedEngine(score=says)
    loaded(engine).predict(TALK)
    (batch,) = engine.batches
    assert len(batch) == len(TALK) * len(MINE)
    assert all(isinstance(request, ScoreRequest) for request in batch)


def test_utterances_not_questions_are_counted_when_dialogues_share_a_step() -> None:
    engine = ScriptedEngine(score=says)
    several = loaded(engine, reproducible=False)
    texts = [f"Text {number}" for number in range(300)]
    assert len(list(several.predict_many(texts))) == 300
    assert max(map(len, engine.batches)) == 128 * len(MINE)


def test_a_session_without_room_leaves_the_rest_of_an_utterance_to_the_next() -> None:
    engine = ScriptedEngine(score=says, session_tokens=60)
    assert loaded(engine).predict(TALK).items == loaded().predict(TALK).items
    assert len(engine.batches) > 1


def test_a_turn_of_which_a_label_fails_has_an_error_and_the_others_their_labels() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float] | Failure:
        if "Ben" in prompt.text.splitlines()[-1] and "fear" in prompt.text.splitlines()[-1]:
            return Failure("too_long", "It does not fit.")
        return says(prompt, choices)

    first, second, third = loaded(ScriptedEngine(score=score)).predict(TALK).items
    assert first.labels == third.labels == ("joy",)
    assert second.status is Status.ERROR
    assert second.error is not None
    assert second.error.code == "too_long"
    assert second.labels is None
    assert second.probabilities is None


@pytest.mark.parametrize(
    ("labels", "kind", "several"),
    [
        (MINE, "auto", True),
        (MINE, "single", False),
        (LabelSet("mine", MINE.labels), "auto", False),
        (LabelSet("mine", MINE.labels), "several", True),
        (scheme("goemotions-28"), "auto", False),
        (scheme("goemotions-28"), "several", True),
    ],
)
def test_what_is_asked_follows_option_then_labels(
    labels: LabelSet, kind: str, several: bool
) -> None:
    assert loaded(labels=labels, kind=kind).several is several


def test_other_labels_are_asked_as_they_say() -> None:
    model = loaded()
    assert not model.replace(labels="ekman-7").several
    assert model.replace(labels="ekman-7").replace(labels=MINE).several


def test_scale_and_thresholds_decide_and_move_with_the_order() -> None:
    fitted = Calibration(scale=2.0, fitted=True, thresholds=(0.99, 0.01, 0.9))
    model = loaded(calibration=fitted)
    item = model.predict("You kept it?").items[0]
    assert item.labels == ("fear",)
    assert item.probabilities is not None
    assert item.probabilities["joy"] == pytest.approx(0.81 / 0.82)
    turned = model.reordered([2, 0, 1]).predict("You kept it?").items[0]
    assert turned.labels == item.labels
    assert turned.probabilities == pytest.approx(item.probabilities)


def test_a_calibration_is_not_carried_from_one_kind_to_the_other() -> None:
    model = loaded(calibration=Calibration(thresholds=(0.9, 0.9, 0.9), fitted=True))
    single = model.replace(negotiation=replace(model.negotiation, kind="single"))
    assert single.negotiation.calibration == Calibration()


def test_probabilities_of_labels_are_what_predict_proba_gives() -> None:
    found = loaded().predict_proba(TALK)
    np.testing.assert_allclose(found, [[0.9, 0.1, 0.3], [0.9, 0.1, 0.6], [0.9, 0.1, 0.3]])


def test_labels_are_not_judged_without_probabilities() -> None:
    with pytest.raises(ConfigError, match="gives no scores, which several labels need"):
        loaded(ScriptedEngine(write=lambda prompt: "yes"))
    with pytest.raises(ConfigError, match="not by what a model writes"):
        loaded(mode="written")


def test_thresholds_of_other_labels_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="for 2 labels, not 3"):
        loaded(calibration=Calibration(thresholds=(0.5, 0.5)))


def test_a_kind_that_is_none_is_said() -> None:
    with pytest.raises(ConfigError, match="There is no kind 'many'"):
        NegotiationOptions(kind="many")  # type: ignore[arg-type]
