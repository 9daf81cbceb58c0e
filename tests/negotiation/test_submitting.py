"""Answers that are told one by one, dialogues that break alone, and workers that are watched."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from queue import SimpleQueue

import pytest

from sentixrl import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, ScoreRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ModelError, SentixError
from sentixrl.negotiation.negotiator import negotiate
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.turns import Job, Turn, score, singly
from sentixrl.prediction import Prediction, Status

from .worlds import LABELS, Roles, always, dialogue, target

JOY = always("joy")
SHARED = NegotiationOptions(reproducible=False)
PATIENCE = 30


def classifier(engine: ScriptedEngine, options: NegotiationOptions = SHARED) -> Classifier:
    return Classifier(engine, LABELS, ContextOptions(language="en"), options)


def joyful_unless(word: str, error: BaseException) -> ScriptedEngine:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        if word in target(prompt):
            raise error
        return Roles([JOY])(prompt, choices)

    return ScriptedEngine(score)


def told_of(asked: Classifier, one: Dialogue, **more: object) -> list[Prediction]:
    """What is told of a dialogue, up to the end."""
    told: SimpleQueue[Prediction | None] = SimpleQueue()
    asked.submit(one, told.put, **more)  # type: ignore[arg-type]
    return list(iter(lambda: told.get(timeout=PATIENCE), None))


@pytest.mark.parametrize("options", [SHARED, NegotiationOptions()])
def test_a_stream_gives_what_predict_gives(options: NegotiationOptions) -> None:
    asked = classifier(ScriptedEngine(Roles([JOY, always("anger")], [0.1, 0.9])), options)
    one = dialogue("Well.", "No!", "You kept it?")
    streamed = sorted(asked.stream(one), key=lambda answer: answer.index)
    assert tuple(streamed) == asked.predict(one).items


def test_a_stream_gives_early_turns_before_late_ones_are_known() -> None:
    gate = threading.Semaphore(0)

    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        judged = sum(message.role == "user" for message in prompt.messages) > 1
        if judged and "Late" in target(prompt):
            assert gate.acquire(timeout=PATIENCE)
        # Early turns are agreed to at once, late ones only when the gate opens.
        return Roles([JOY], [1.0 if "Early" in target(prompt) else 0.0])(prompt, choices)

    asked = classifier(ScriptedEngine(score))
    answers = asked.stream(dialogue("Late.", "Early."))
    gate.release(2)  # the first verdict on the late turn, and the label instead
    assert next(answers).index == 1
    gate.release(6)
    assert [answer.index for answer in answers] == [0]


def test_closing_a_stream_drops_the_rest() -> None:
    asked = classifier(ScriptedEngine(Roles([JOY]), session_tokens=1))
    answers: Iterator[Prediction] = asked.stream(dialogue(*["Well."] * 400))
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    asked.predict("Well.")
    engine = asked.engine
    assert isinstance(engine, ScriptedEngine)
    assert len(engine.calls) < 2 * 400


def test_what_breaks_a_stream_is_raised() -> None:
    asked = classifier(joyful_unless("Bad", RuntimeError("no memory")))
    with pytest.raises(ModelError, match="no memory"):
        list(asked.stream(dialogue("Bad.")))


def test_only_what_is_asked_for_is_answered_and_a_preface_is_shown() -> None:
    engine = ScriptedEngine(Roles([JOY]))
    found = told_of(
        classifier(engine), dialogue("One.", "Two."), only={1}, preface="What does\nBen feel?"
    )
    assert [answer.index for answer in found] == [1]
    first = engine.calls[0].prompt.text
    assert "Two.\nWhat does Ben feel?\nBen feels" in first


def test_of_a_session_that_breaks_the_one_that_broke_it_fails_alone() -> None:
    asked = classifier(joyful_unless("Bad", RuntimeError("no memory")))
    many = [dialogue("Well.", "Bad." if n == 3 else "Fine.", id=str(n)) for n in range(7)]
    queues: list[SimpleQueue[Prediction | None]] = [SimpleQueue() for _ in many]
    tasks = [asked.submit(one, told.put) for one, told in zip(many, queues, strict=True)]
    for number, (task, told) in enumerate(zip(tasks, queues, strict=True)):
        found = list(iter(partial(told.get, timeout=PATIENCE), None))
        if number == 3:
            with pytest.raises(ModelError, match="no memory"):
                task.result()
        else:
            assert sorted(answer.index for answer in found) == [0, 1]  # none twice
            assert {item.label for item in task.result().items} == {"joy"}


def test_a_turn_that_raises_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(state, *more):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
        if state.context.index == 2:
            raise KeyError("a bug")
        return (yield from negotiate(state, *more))

    monkeypatch.setattr("sentixrl.negotiation.negotiator.negotiate", poisoned)
    asked = classifier(ScriptedEngine(Roles([JOY])))
    found = asked.predict_many([dialogue("One."), dialogue("One.", "Two.")])
    assert [len(answer.items) for answer in found] == [1, 2]
    with pytest.raises(ModelError, match="could not be computed: KeyError"):
        asked.predict(dialogue("One.", "Two.", "Three."))


def test_a_dialogue_that_cannot_begin_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = classifier(ScriptedEngine(Roles([JOY])))
    build = asked._builder.build

    def poisoned(one: Dialogue, *more: object) -> object:
        if one.id == "bad":
            raise ZeroDivisionError("a bug")
        return build(one, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(asked._builder, "build", poisoned)
    assert told_of(asked, dialogue("Well.", id="bad")) == []
    assert [answer.status for answer in told_of(asked, dialogue("Well."))] == [Status.CONSENSUS]


def test_each_request_of_a_job_by_itself_is_a_step() -> None:
    """A worker that asks a server one thing after the other is not taken for one that hangs."""
    asked = ScoreRequest(Prompt().then("user", "Well."), ("joy", "anger"))
    done: list[object] = []

    def twice() -> Turn[str]:
        yield from score(asked)
        yield from score(asked)
        return "done"

    class Inbox:
        def __init__(self) -> None:
            self._jobs = [Job(twice(), lambda result, cost: done.append(result))]

        def peek(self) -> Job | None:
            return self._jobs[0] if self._jobs else None

        def pop(self) -> None:
            self._jobs.clear()

    steps: list[object] = []
    with ScriptedEngine(lambda prompt, choices: [1.0, 1.0]).session() as session:
        singly(session, Inbox(), lambda: steps.append(None))
    assert (done, len(steps)) == (["done"], 2)


def test_workers_are_watched() -> None:
    gate = threading.Event()
    steps: list[int] = []

    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        gate.wait(PATIENCE)
        return Roles([JOY])(prompt, choices)

    asked = classifier(ScriptedEngine(score))
    assert asked.scheduler.states() == ()
    asked.scheduler.watch(steps.append)
    told: SimpleQueue[Prediction | None] = SimpleQueue()
    asked.submit(dialogue("Well.", "No!"), told.put)
    [state] = asked.scheduler.states()
    assert state.alive
    gate.set()
    assert len(list(iter(lambda: told.get(timeout=PATIENCE), None))) == 2
    assert steps
    assert max(steps) == 2
    assert asked.scheduler.waiting == 0
    asked.scheduler.close()
    with pytest.raises(SentixError, match="closed"):
        asked.scheduler.check()
