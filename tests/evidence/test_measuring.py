"""Evidence: what is hidden, how the change is counted, and that a known cause is found."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions, Lines
from sentixrl.context.prompt import Prompt
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, ScoreRequest, UnansweredError
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError
from sentixrl.evidence.odds import LARGEST, log_odds, moved
from sentixrl.evidence.parts import HidingPlan
from sentixrl.evidence.task import EvidenceTask, Question
from sentixrl.labels import LabelSet
from sentixrl.negotiation.options import NegotiationOptions

from ..negotiation.worlds import LABELS

SINGLE = NegotiationOptions(enabled=False)
TALK = Dialogue.from_texts(
    [
        ("Mira", "The tests came back."),
        ("Jon", "And?"),
        ("Mira", "All clear. I am healthy."),
        ("Jon", "Say that once more."),
        ("Mira", "All clear, you heard me."),
    ]
)


def weigh(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    """Joy, if good news was told; more of it if it was told twice."""
    told = prompt.text.count("ll clear")
    return [{"joy": 3.0**told, "sadness": 2.0}.get(choice, 1.0) for choice in choices]


def classifier(
    engine: ScriptedEngine | None = None, window: HistoryWindow | None = None
) -> Classifier:
    context = ContextOptions(language="en", window=window or HistoryWindow())
    return Classifier(engine or ScriptedEngine(weigh), LABELS, context, SINGLE)


def test_the_turn_that_decided_is_found_with_sign_and_label() -> None:
    items = classifier().predict(TALK, explain=True).items
    assert items[0].evidence == ()
    last = {one.turn: one for one in items[3].evidence or ()}
    assert sorted(last) == [0, 1, 2]
    # joy:rest is 3:3 with the news and 1:3 without.
    assert last[2].log_odds == pytest.approx(math.log(3))
    assert last[2].towards == "joy"
    assert last[0].log_odds == pytest.approx(0)


def test_a_turn_against_the_answer_names_what_it_is_for() -> None:
    found = moved(
        range(1, 2),
        "joy",
        shown={"joy": math.log(0.5), "anger": math.log(0.3), "fear": math.log(0.2)},
        hidden={"joy": math.log(0.8), "anger": math.log(0.05), "fear": math.log(0.15)},
    )
    assert found.log_odds == pytest.approx(0 - math.log(0.8 / 0.2))
    assert found.towards == "anger"


def test_all_prompts_of_a_dialogue_are_asked_in_one_call() -> None:
    engine = ScriptedEngine(weigh)
    asker = classifier(engine)
    answered = asker.predict(TALK)
    before = len(engine.batches)
    asker.explain(TALK, answered)
    [batch] = engine.batches[before:]
    # Four targets have a history: each whole, and without each of its turns.
    assert len(batch) == 4 + (1 + 2 + 3 + 4)
    assert all(isinstance(request, ScoreRequest) for request in batch)


def test_explaining_changes_nothing_else() -> None:
    asker = classifier()
    plain, explained = asker.predict(TALK), asker.predict(TALK, explain=True)
    assert plain == replace(
        explained, items=tuple(replace(item, evidence=None) for item in explained.items)
    )
    assert list(asker.predict_many([TALK, TALK], explain=True)) == [explained, explained]


def test_turns_outside_the_window_are_not_measured() -> None:
    items = classifier(window=HistoryWindow(2, 1, 999)).predict(TALK, explain=True).items
    for item in items:
        turns = [one.turn for one in item.evidence or ()]
        assert turns == list(range(item.dropped_turns, item.index))


def test_a_question_that_fails_costs_only_its_own_evidence() -> None:
    def fails_without_first(prompt: Prompt, choices: tuple[str, ...]) -> list[float] | Failure:
        if "tests came back" not in prompt.text:
            return Failure("too_long", "It does not fit.")
        return weigh(prompt, choices)

    items = classifier(ScriptedEngine(fails_without_first)).predict(TALK, explain=True).items
    assert [one.turn for one in items[3].evidence or ()] == [1, 2]


def test_evidence_that_a_server_leaves_unanswered_is_left_out_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask = EvidenceTask._ask

    def lost(task: EvidenceTask, lines: Lines) -> list[Question]:
        if task._dialogue.id == "lost":
            raise UnansweredError(Failure("timeout", "No answer in time.", retryable=True))
        return ask(task, lines)

    monkeypatch.setattr(EvidenceTask, "_ask", lost)
    talks = [replace(TALK, id=name) for name in ("first", "lost", "last")]
    found = list(classifier().predict_many(talks, explain=True))
    assert [one.items[3].evidence is None for one in found] == [False, True, False]
    assert {one.items[3].label for one in found} == {"joy"}
    assert "is left out: No answer in time." in caplog.text


def test_engines_without_scores_and_sets_of_several_labels_are_refused() -> None:
    silent = ScriptedEngine(None, lambda prompt: "joy")
    with pytest.raises(ConfigError, match="gives no scores"):
        Classifier(silent, LABELS, negotiation=SINGLE).predict(TALK, explain=True)
    several = LabelSet("several", ["joy", "anger"], multi_label=True)
    with pytest.raises(ConfigError, match="may be several"):
        Classifier(ScriptedEngine(weigh), several, negotiation=SINGLE).predict(TALK, explain=True)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20), st.integers(1, 9))
def test_every_turn_of_the_history_is_hidden_exactly_once(
    start: int, length: int, alone: int, window: int
) -> None:
    parts = HidingPlan(alone, window).parts(start, start + length)
    assert [turn for part in parts for turn in part] == list(range(start, start + length))
    assert all(1 <= len(part) <= window for part in parts)
    assert all(len(part) == 1 for part in parts[len(parts) - min(alone, length) :])


@given(st.integers(0, 30), st.integers(13, 60))
def test_neighbours_hide_the_same_windows(start: int, target: int) -> None:
    plan = HidingPlan(alone=4, window=4)
    here, next_one = plan.parts(start, start + target), plan.parts(start, start + target + 1)
    whole = {part for part in here if len(part) == plan.window}
    assert whole <= set(next_one)


@given(st.lists(st.floats(-60, 0), min_size=2, max_size=6))
def test_log_odds_are_finite_and_opposite_for_two_labels(values: list[float]) -> None:
    scores = {str(place): value for place, value in enumerate(values)}
    assert all(abs(log_odds(scores, name)) <= LARGEST for name in scores)
    two = dict(list(scores.items())[:2])
    assert log_odds(two, "0") == pytest.approx(-log_odds(two, "1"))


def test_certainty_is_cut_off() -> None:
    assert log_odds({"joy": 0.0, "anger": -math.inf}, "joy") == LARGEST
    assert log_odds({"joy": 0.0, "anger": -math.inf}, "anger") == -LARGEST


def test_plans_that_hide_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 0 and 1"):
        HidingPlan(window=0)
