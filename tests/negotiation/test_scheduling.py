"""Workers, and callers from many threads: nothing lost, nothing doubled, nothing left behind."""

from __future__ import annotations

import gc
import random
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from sentixrl.context.prompt import Prompt
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, ScoreRequest, Scores
from sentixrl.engines.scripted import ScriptedEngine, ScriptedSession
from sentixrl.errors import ModelError, SentixError
from sentixrl.negotiation import scheduling
from sentixrl.negotiation.negotiator import Negotiator
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.scheduling import Scheduler
from sentixrl.negotiation.tasks import DialogueTask
from sentixrl.prediction import DialoguePrediction, Status

from .worlds import Roles, always, chaotic_score, dialogue, negotiator, run, target

JOY = always("joy")
SHARED = NegotiationOptions(reproducible=False)


def some_dialogues(count: int) -> list[Dialogue]:
    rng = random.Random(7)
    words = ("Well.", "No!", "Really?", "You kept it.", "I did.", "Why?")
    return [
        dialogue(*(rng.choice(words) for _ in range(rng.randint(1, 6))), id=str(number))
        for number in range(count)
    ]


def tasks(asked: Negotiator, dialogues: Sequence[Dialogue]) -> Iterator[DialogueTask]:
    return (asked.task(one) for one in dialogues)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("reproducible", [True, False])
def test_answers_stand_in_order_whoever_gave_them(
    workers: int, batches: bool, reproducible: bool
) -> None:
    many = some_dialogues(60)
    script = chaotic_score(5, zeros=False, failing=0)
    options = NegotiationOptions(reproducible=reproducible)
    engine = ScriptedEngine(script, workers=workers, batches_requests=batches)
    assert run(engine, many, options) == run(ScriptedEngine(script), many, options)


@pytest.mark.parametrize("options", [NegotiationOptions(), SHARED])
def test_many_callers_share_the_workers_and_lose_nothing(options: NegotiationOptions) -> None:
    """64 threads, 256 dialogues: each caller gets its own answers, in its own order."""
    many = some_dialogues(256)
    script = chaotic_score(11, zeros=False, failing=30)
    expected = run(ScriptedEngine(script), many, options)
    name = f"shared, {options.reproducible}"
    engine = ScriptedEngine(script, workers=3, session_tokens=2_000, name=name)
    asked = negotiator(engine, options)
    scheduler = Scheduler(engine)
    shares = [list(range(caller, len(many), 64)) for caller in range(64)]

    def call(share: list[int]) -> list[DialoguePrediction]:
        return list(scheduler.run(tasks(asked, [many[place] for place in share])))

    with ThreadPoolExecutor(64) as pool:
        answered = list(pool.map(call, shares))
    for share, answers in zip(shares, answered, strict=True):
        assert [answer.items for answer in answers] == [expected[place].items for place in share]
    assert {item.status for answer in expected for item in answer.items} >= {Status.ERROR}
    assert sum(one.name == f"{name} worker" for one in threading.enumerate()) == 3


class Slow(ScriptedEngine):
    """Waits to be let on at every call."""

    def __init__(self) -> None:
        super().__init__(Roles([JOY]))
        self.gate = threading.Semaphore(0)

    def session(self) -> ScriptedSession:
        engine = self

        class Session(ScriptedSession):
            def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
                engine.gate.acquire()
                return super().score(requests)

        return Session(self)


def test_a_run_looks_ahead_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "AHEAD", 40)
    monkeypatch.setattr(scheduling, "PER_STEP", 8)
    taken = 0

    def source() -> Iterator[Dialogue]:
        nonlocal taken
        while True:
            taken += 1
            yield dialogue("Well.", "No!", id=str(taken))

    engine = ScriptedEngine(Roles([JOY]))
    asked = negotiator(engine, NegotiationOptions(enabled=False))
    answers = Scheduler(engine).run(asked.task(one) for one in source())
    for number, _ in enumerate(islice(answers, 300), 1):
        assert taken <= number + (40 + 8) // 2
    answers.close()  # type: ignore[attr-defined]
    assert 300 <= taken <= 300 + 24


def test_who_stops_listening_is_not_answered_any_more() -> None:
    engine = Slow()
    asked = negotiator(engine, NegotiationOptions(enabled=False))
    scheduler = Scheduler(engine)
    answers = scheduler.run(tasks(asked, some_dialogues(500)))
    engine.gate.release()
    assert next(answers).dialogue_id == "0"
    answers.close()  # type: ignore[attr-defined]
    for _ in range(600):
        engine.gate.release()
    [last] = scheduler.run([asked.task(dialogue("Well.", id="last"))])
    assert last.dialogue_id == "last"
    # Those that had begun may have been finished, and no others.
    assert len(engine.batches) < 10


def test_a_failing_turn_fails_alone_in_a_shared_session() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        late = Failure("timeout", "Late.", retryable=True)
        return late if "Bad" in target(prompt) else Roles([JOY])(prompt, choices)

    pair = [dialogue("Well.", "Bad.", id="1"), dialogue("Fine.", id="2")]
    first, second = run(ScriptedEngine(score), pair, SHARED)
    assert [item.status for item in first.items] == [Status.CONSENSUS, Status.ERROR]
    assert first.items[1].error is not None
    assert first.items[1].error.retryable
    assert second.items[0].status is Status.CONSENSUS


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("CUDA\nout of memory"), OSError()])
def test_a_worker_that_dies_is_said_and_replaced(error: BaseException) -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        if "Bad" in target(prompt):
            raise error
        return Roles([JOY])(prompt, choices)

    engine = ScriptedEngine(score, workers=2)
    asked = negotiator(engine)
    scheduler = Scheduler(engine)
    for _ in range(5):
        with pytest.raises(ModelError, match="'scripted' failed while it computed") as raised:
            list(scheduler.run([asked.task(dialogue("Bad."))]))
        assert "\n" not in raised.value.message
        [fine] = scheduler.run([asked.task(dialogue("Well."))])
        assert fine.items[0].label == "joy"


def test_an_engine_that_cannot_open_a_session_breaks_what_waits_and_does_not_hang() -> None:
    class Shut(ScriptedEngine):
        def session(self) -> ScriptedSession:
            raise SentixError("The model is gone.")

    engine = Shut(Roles([JOY]))
    asked = negotiator(engine)
    with pytest.raises(SentixError, match="gone"):
        list(Scheduler(engine).run(tasks(asked, some_dialogues(3))))


def test_what_a_source_raises_comes_after_the_answers_before_it() -> None:
    def source() -> Iterator[Dialogue]:
        yield dialogue("One.", id="1")
        yield dialogue("Two.", id="2")
        raise ValueError("the third is broken")

    engine = ScriptedEngine(Roles([JOY]), workers=2)
    asked = negotiator(engine)
    answers = Scheduler(engine).run(asked.task(one) for one in source())
    assert [next(answers).dialogue_id, next(answers).dialogue_id] == ["1", "2"]
    with pytest.raises(ValueError, match="the third is broken"):
        next(answers)


def test_threads_end_when_nobody_is_left_to_ask() -> None:
    engine = ScriptedEngine(Roles([JOY]), workers=2, name="forgotten")
    scheduler = Scheduler(engine)
    list(scheduler.run([negotiator(engine).task(dialogue("Well."))]))
    gone = weakref.ref(engine)
    threads = [one for one in threading.enumerate() if one.name == "forgotten worker"]
    assert len(threads) == 2
    del engine, scheduler
    gc.collect()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    gc.collect()
    assert gone() is None


def test_a_closed_scheduler_says_so() -> None:
    engine = Slow()
    asked = negotiator(engine)
    scheduler = Scheduler(engine)
    answers = scheduler.run(tasks(asked, some_dialogues(3)))
    closing = threading.Timer(0.3, scheduler.close)  # it waits for the step under way
    closing.start()
    threading.Timer(0.5, lambda: engine.gate.release(99)).start()
    with pytest.raises(SentixError, match="closed before"):
        list(answers)
    closing.join()


def test_costs_add_up_to_what_the_engine_computed() -> None:
    engine = ScriptedEngine(Roles([JOY]), workers=2)
    found = run(engine, some_dialogues(20), SHARED)
    spent = sum(item.tokens for answer in found for item in answer.items)
    assert spent == engine.usage.tokens > 0
