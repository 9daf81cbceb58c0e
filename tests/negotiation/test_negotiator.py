from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sentixrl.calibration.posterior import Calibration
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import (
    Completion,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
)
from sentixrl.engines.scripted import ScriptedEngine, ScriptedSession
from sentixrl.errors import ConfigError, ModelError
from sentixrl.negotiation.options import ModeName, NegotiationOptions
from sentixrl.negotiation.scheduling import Scheduler
from sentixrl.prediction import Status

from .worlds import (
    AGREE,
    ENGLISH,
    Roles,
    always,
    answers_of,
    chaotic_score,
    dialogue,
    negotiator,
    rules,
    run,
    run_one,
    target,
)

LATE = Failure("timeout", "No answer in time.", "Try again.")
JOY, SADNESS, ANGER = always("joy"), always("sadness"), always("anger")


def summary(engine: ScriptedEngine, options: NegotiationOptions) -> tuple[Status, str | None, int]:
    found = run_one(engine, options)
    return found.status, found.label, len(found.rounds)


def test_agreement_is_consensus() -> None:
    found = run_one(ScriptedEngine(Roles([JOY], [0.9])))
    assert (found.status, found.label, found.fallback) == (Status.CONSENSUS, "joy", "joy")
    [only] = found.rounds
    assert only.judgement is not None
    assert (only.number, only.proposal.label, only.judgement.verdict) == (1, "joy", AGREE)


def test_the_generator_may_come_round() -> None:
    engine = ScriptedEngine(Roles([JOY, SADNESS], [0.1, 0.9], [SADNESS]))
    assert summary(engine, rules()) == (Status.CONSENSUS, "sadness", 2)


def test_two_agreements_are_two_rounds_on_the_same_label() -> None:
    assert summary(ScriptedEngine(Roles([JOY])), rules(3, 2)) == (Status.CONSENSUS, "joy", 2)
    fickle = ScriptedEngine(Roles([JOY, ANGER, ANGER]))
    assert summary(fickle, rules(3, 2)) == (Status.CONSENSUS, "anger", 3)
    interrupted = ScriptedEngine(Roles([JOY], [0.9, 0.1, 0.9]))
    assert summary(interrupted, rules(3, 2)) == (Status.OUTLIER, None, 3)


def test_the_limit_makes_an_outlier_with_a_forced_answer() -> None:
    found = run_one(ScriptedEngine(Roles([{"joy": 1, "sadness": 0.9}], [0.2], [SADNESS])), rules(2))
    assert (found.status, found.label, found.fallback) == (Status.OUTLIER, None, "sadness")
    assert found.confidence is None
    assert found.probabilities is not None
    assert max(found.probabilities, key=found.probabilities.__getitem__) == "joy"


def test_switched_off_the_first_word_stands() -> None:
    engine = ScriptedEngine(Roles([{"joy": 3, "sadness": 1, "anger": 1}], [0.0]))
    found = run_one(engine, NegotiationOptions(enabled=False))
    assert (found.status, found.label, found.fallback) == (Status.SINGLE, "joy", "joy")
    assert found.rounds == ()
    assert found.confidence == pytest.approx(0.6)
    assert len(engine.batches) == 1


def test_the_confidence_threshold_lets_the_confident_pass_and_only_them() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float]:
        sure = "Sure." in target(prompt)
        script = Roles([{"joy": 8.0 if sure else 5.0, "sadness": 1, "anger": 1}], [1.0])
        found = script(prompt, choices)
        assert not isinstance(found, Failure)
        return found

    pair = [dialogue("Sure."), dialogue("Unsure.")]
    options = NegotiationOptions(confidence_threshold=0.75)
    answers = [answer.items[0] for answer in run(ScriptedEngine(score), pair, options)]
    assert [answer.status for answer in answers] == [Status.SINGLE, Status.CONSENSUS]
    assert [len(answer.rounds) for answer in answers] == [0, 1]
    assert answers[0].confidence == pytest.approx(0.8)


def test_the_confidence_threshold_is_for_the_first_proposal_alone() -> None:
    unsure, sure = {"joy": 1.0, "sadness": 0.9}, JOY
    engine = ScriptedEngine(Roles([unsure, sure], [0.1], [SADNESS]))
    assert summary(engine, NegotiationOptions(confidence_threshold=0.75)) == (
        Status.OUTLIER,
        None,
        3,
    )


def test_the_confidence_threshold_is_asked_after_calibration() -> None:
    engine = ScriptedEngine(Roles([{"joy": 8, "sadness": 1, "anger": 1}]))
    gated = NegotiationOptions(confidence_threshold=0.75)
    assert run_one(engine, gated).status is Status.SINGLE
    cooled = replace(gated, calibration=Calibration(scale=0.5))
    assert run_one(engine, cooled).status is Status.CONSENSUS


@pytest.mark.parametrize("mode", ["auto", "written"])
def test_a_confidence_threshold_without_scores_is_refused(mode: ModeName) -> None:
    engine = ScriptedEngine(write=lambda prompt: "joy")
    with pytest.raises(ConfigError, match=r"'scripted' gives no scores.*confidence threshold"):
        negotiator(engine, NegotiationOptions(mode=mode, confidence_threshold=0.9))
    negotiator(engine, NegotiationOptions(mode=mode, confidence_threshold=0.9, enabled=False))


def test_the_scored_mode_without_scores_is_refused() -> None:
    with pytest.raises(ConfigError, match="scored mode") as error:
        negotiator(ScriptedEngine(), NegotiationOptions(mode="scored"))
    assert error.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"confidence_threshold": 1.5},
        {"confidence_threshold": math.nan},
        {"agree_threshold": -0.1},
        {"mode": "x"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        NegotiationOptions(**options)


def test_nothing_readable_is_invalid_and_never_a_guess() -> None:
    engine = ScriptedEngine(write=lambda prompt: "joyful, I guess", constrain=False)
    found = run_one(engine, rules(2))
    assert (found.status, found.label, found.fallback) == (Status.INVALID, None, None)
    assert [one.proposal.label for one in found.rounds] == [None, None]
    assert all(one.proposal.analysis and one.judgement is None for one in found.rounds)
    single = run_one(engine, NegotiationOptions(enabled=False))
    assert (single.status, single.label, single.rounds) == (Status.INVALID, None, ())


def test_a_readable_round_may_follow_an_unreadable_one() -> None:
    replies = iter(["hm", "???", "because", "joy", "indeed", "yes"])
    engine = ScriptedEngine(write=lambda prompt: next(replies), constrain=False)
    found = run_one(engine)
    assert (found.status, found.label, len(found.rounds)) == (Status.CONSENSUS, "joy", 2)
    assert (found.probabilities, found.confidence) == (None, None)


def test_unreadable_verdicts_end_in_an_outlier_with_what_was_proposed() -> None:
    replies = iter(["because", "joy", "well", "perhaps"] * 2)
    engine = ScriptedEngine(write=lambda prompt: next(replies), constrain=False)
    found = run_one(engine, rules(2))
    assert (found.status, found.label, found.fallback) == (Status.OUTLIER, None, "joy")
    assert all(one.judgement and one.judgement.verdict is None for one in found.rounds)


def test_a_failure_in_the_first_proposal_leaves_nothing_but_the_error() -> None:
    found = run_one(ScriptedEngine(Roles([LATE])))
    assert found.status is Status.ERROR
    assert found.error is not None
    assert (found.error.code, found.error.message, found.error.hint) == (
        LATE.code,
        LATE.message,
        LATE.hint,
    )
    assert (found.label, found.fallback, found.probabilities, found.rounds) == (
        None,
        None,
        None,
        (),
    )


@pytest.mark.parametrize(
    ("script", "complete"),
    [
        (Roles([JOY], [LATE]), [False]),
        (Roles([JOY], [0.1], [LATE]), [False]),
        (Roles([JOY, LATE], [0.1], [SADNESS]), [True]),
        (Roles([JOY, SADNESS], [0.1, LATE], [SADNESS]), [True, False]),
    ],
)
def test_a_failure_later_keeps_the_record_so_far(script: Roles, complete: list[bool]) -> None:
    found = run_one(ScriptedEngine(script))
    assert (found.status, found.label, found.confidence) == (Status.ERROR, None, None)
    assert found.error is not None
    assert [one.judgement is not None for one in found.rounds] == complete
    assert [one.number for one in found.rounds] == list(range(1, len(complete) + 1))
    assert found.rounds[0].proposal.label == "joy"
    assert found.fallback is not None
    assert found.probabilities is not None


def test_one_that_fails_leaves_the_others_as_they_were() -> None:
    script = Roles([JOY, SADNESS], [0.1, 0.9], [SADNESS])

    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        bad = "Bad" in target(prompt) and len(prompt.messages) > 3
        return LATE if bad else script(prompt, choices)

    alone = run(ScriptedEngine(script), [dialogue("One.", "Two.", "Bad.", "Four.")])[0].items
    mixed = run(ScriptedEngine(score), [dialogue("One.", "Two.", "Bad.", "Four.")])[0].items
    assert [item.status is Status.ERROR for item in mixed] == [False, False, True, False]
    assert [mixed[i] for i in (0, 1, 3)] == [alone[i] for i in (0, 1, 3)]


def test_probabilities_of_zero_never_become_nan() -> None:
    certain = Roles(
        [{"joy": 1, "sadness": 0, "anger": 0}], [0.0], [{"joy": 0, "sadness": 1, "anger": 0}]
    )
    found = run_one(ScriptedEngine(certain), rules(2))
    assert (found.status, found.fallback) == (Status.OUTLIER, "joy")
    assert found.probabilities == {"joy": 1.0, "sadness": 0.0, "anger": 0.0}
    agreed = run_one(ScriptedEngine(Roles(certain.proposals, [1.0])))
    assert agreed.confidence == pytest.approx(1.0)
    # Agreement by threshold alone, although the discriminator gives the label no chance.
    doubted = run_one(ScriptedEngine(certain), NegotiationOptions(agree_threshold=0.0))
    assert doubted.label == "joy"
    assert doubted.confidence is not None
    assert 0 <= doubted.confidence <= 1


def test_no_dialogues_no_utterances() -> None:
    engine = ScriptedEngine(Roles([JOY]))
    assert run(engine, []) == []
    [empty] = run(engine, [dialogue()])
    assert (empty.dialogue_id, empty.items) == ("1", ())
    assert engine.batches == []


def test_results_say_what_made_them() -> None:
    engine = ScriptedEngine(Roles([JOY]), name="a model")
    [answer] = run(engine, [dialogue("Hola.", id="x")], context=ContextOptions(language="es"))
    assert (answer.dialogue_id, answer.language, answer.model) == ("x", "es", "a model")
    assert answer.template.startswith("es-v")


def stubborn_about(*stubborn: str) -> Roles:
    """Agrees at once, but for some speakers' last words."""

    class Script(Roles):
        def __call__(self, prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
            objects = any(word in target(prompt) for word in stubborn)
            self.agreement = [0.1] if objects else [0.9]
            return super().__call__(prompt, choices)

    return Script([JOY], [0.9], [SADNESS])


def test_open_items_of_a_round_go_to_the_engine_together() -> None:
    pair = [dialogue("One.", "Two!", "Three.", id="1"), dialogue("Four!", "Five.", id="2")]
    engine = ScriptedEngine(stubborn_about("Two", "Four"))
    run(engine, pair, replace(rules(3), reproducible=False))
    # A round is the proposals, the verdicts, and the counter-labels of those that object.
    assert [len(batch) for batch in engine.batches] == [5, 5, 2, 2, 2, 2, 2, 2, 2]

    engine = ScriptedEngine(stubborn_about("Two", "Four"), lambda prompt: "because")
    run(engine, pair, replace(rules(2), mode="written", reproducible=False))
    kinds = [type(batch[0]) for batch in engine.batches]
    a_round = [GenerateRequest, ScoreRequest, GenerateRequest, ScoreRequest, ScoreRequest]
    assert kinds == a_round * 2
    assert [len(batch) for batch in engine.batches] == [5, 5, 5, 5, 2, 2, 2, 2, 2, 2]


class Watched(ScriptedEngine):
    """Knows its open sessions."""

    opened = 0
    now_open = 0

    def session(self) -> ScriptedSession:
        engine = self

        class Session(ScriptedSession):
            def __enter__(self) -> Session:
                engine.opened += 1
                engine.now_open += 1
                return self

            def __exit__(self, *_: object) -> None:
                engine.now_open -= 1

        return Session(self)


def test_a_dialogue_too_long_for_one_session_takes_several() -> None:
    """Memory is bounded by the session, not by the dialogue; the answers are those of one."""
    long = dialogue(*["One two three.", "Four!", "No.", "yes"] * 6)
    script = chaotic_score(3, zeros=False, failing=0)
    whole, cut = Watched(script), Watched(script, session_tokens=200)
    expected, found = run(whole, [long]), run(cut, [long])
    assert found == expected
    assert {item.status for item in found[0].items} == {Status.CONSENSUS, Status.OUTLIER}
    assert [item.index for item in found[0].items] == list(range(24))
    assert whole.opened == 1
    assert cut.opened > 4
    assert len(whole.batches[0]) == 24
    # A prompt is 25 words and more: eight of them pass two hundred.
    assert max(len(batch) for batch in cut.batches) <= 8


def test_dialogues_computed_together_share_a_session_while_there_is_room() -> None:
    many = [dialogue(*["One two three."] * 2, id=str(number)) for number in range(9)]
    together = NegotiationOptions(reproducible=False, enabled=False)
    engine = Watched(Roles([JOY]))
    run(engine, many, together)
    assert (engine.opened, [len(batch) for batch in engine.batches]) == (1, [18])
    engine = Watched(Roles([JOY]), session_tokens=200)
    run(engine, many, together)
    assert engine.opened > 2
    assert sum(len(batch) for batch in engine.batches) == 18


def test_dialogues_computed_alone_share_none() -> None:
    pair = [dialogue(*["One two three."] * 9, id="1"), dialogue("Four.", id="2")]
    engine = Watched(Roles([JOY]))
    run(engine, pair, NegotiationOptions(reproducible=True))
    assert engine.opened == 2
    assert [len(batch) for batch in engine.batches] == [9, 9, 1, 1]


def test_reproducible_batches_do_not_depend_on_the_dialogues_before() -> None:
    deducing = ContextOptions(language="en", deduction="utterance")
    options = NegotiationOptions(reproducible=True)
    pair = [dialogue("Oh.", "No!", id="1"), dialogue("Oh.", "Yes.", id="2")]

    def batches(dialogues: list[Dialogue]) -> list[int]:
        engine = ScriptedEngine(Roles([JOY]), lambda prompt: "a garden")
        run(engine, dialogues, options, deducing)
        return [len(batch) for batch in engine.batches]

    assert batches(pair) == batches(pair[:1]) + batches(pair[1:])


class Strict(Watched):
    """Its tokenizer refuses half characters, as tokenizers do."""

    def count_tokens(self, text: str) -> int:
        return super().count_tokens(text.encode().decode())


def test_half_a_character_can_be_counted() -> None:
    [answer] = run(Strict(Roles([JOY])), [dialogue("\ud83d oh")])
    assert [item.label for item in answer.items] == ["joy"]


def test_what_came_before_a_dialogue_that_cannot_be_read_is_answered() -> None:
    def source() -> Iterator[Dialogue]:
        yield dialogue("One.", id="1")
        yield dialogue("Two.", id="2")
        raise ValueError("the third is broken")

    answers = answers_of(negotiator(ScriptedEngine(Roles([JOY]))), source())
    assert [next(answers).dialogue_id, next(answers).dialogue_id] == ["1", "2"]
    with pytest.raises(ValueError, match="the third is broken"):
        next(answers)


def test_what_breaks_one_session_breaks_no_other() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        if "Three" in prompt.text:
            raise MemoryError("no room")
        return Roles([JOY])(prompt, choices)

    engine = Watched(score)
    four = [dialogue(text, id=text) for text in ("One", "Two", "Three", "Four")]
    scheduler, asked = Scheduler(engine), negotiator(engine)
    answers = scheduler.run(asked.task(one) for one in four)
    assert [next(answers).dialogue_id, next(answers).dialogue_id] == ["One", "Two"]
    with pytest.raises(ModelError, match=r"'scripted' failed .*MemoryError: no room") as error:
        next(answers)
    assert error.value.hint
    assert isinstance(error.value.__cause__, MemoryError)
    [fine] = scheduler.run([asked.task(four[3])])
    assert fine.dialogue_id == "Four"
    scheduler.close()  # waits for the workers
    assert engine.now_open == 0


def test_an_engine_that_drops_an_answer_is_a_bug() -> None:
    class Forgetful(ScriptedSession):
        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
            return super().score(requests)[1:]

        def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
            return super().generate(requests)[1:]

    class Engine(ScriptedEngine):
        def session(self) -> ScriptedSession:
            return Forgetful(self)

    for mode in ("scored", "written"):
        engine = Engine(Roles([JOY]), lambda prompt: "because")
        with pytest.raises(ModelError, match=r"1 answer.* 2 request"):
            run(engine, [dialogue("One.", "Two.")], NegotiationOptions(mode=mode))


def test_the_history_that_was_dropped_is_reported() -> None:
    window = replace(ENGLISH, window=HistoryWindow(1, 0))
    [answer] = run(ScriptedEngine(Roles([JOY])), [dialogue("1", "2", "3", "4")], context=window)
    assert [item.dropped_turns for item in answer.items] == [0, 0, 2, 2]
