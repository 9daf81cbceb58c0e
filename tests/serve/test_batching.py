"""Requests that share a round, wait in a bounded queue, and are dropped when nobody waits."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

import sentixrl
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.serve.batcher import Part, estimated_tokens
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.service import Service

from .services import LINES, PATIENCE, Client, gate, lines_of, live, scripted, service

PATH = "/v1/classify"


def post(address: str, body: object, **headers: str) -> httpx2.Response:
    with httpx2.Client(base_url=address, timeout=PATIENCE, headers=headers) as asker:
        return asker.post(PATH, json=body)


def until(true: object, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_clients_meet_in_the_round_that_is_running() -> None:
    """Requests of other labels and routes join while the first one's step is computed."""
    slow = gate()
    classifier = scripted(slow)
    asked = service(classifier)
    engine = classifier.engine
    assert isinstance(engine, ScriptedEngine)
    with live(asked) as address, ThreadPoolExecutor(9) as pool:
        first = pool.submit(post, address, {"text": "First.", "negotiation": True})
        slow.await_a_step()
        others = [
            pool.submit(
                post, address, {"text": f"Other {n}.", "labels": ["calm", f"cross {n % 2}"]}
            )
            for n in range(8)
        ]
        until(lambda: asked.batcher.requests == 9)
        slow.opened.set()
        answers = [one.result() for one in (first, *others)]
    assert {answer.status_code for answer in answers} == {200}
    # The second step holds the first request's verdict and everybody else's proposals.
    assert [len(batch) for batch in engine.batches[:2]] == [1, 9]


def test_what_clients_share_is_computed_once(tiny_model: Path) -> None:
    options = EngineOptions(dtype="float32", threads=1)
    classifier = sentixrl.load(tiny_model, labels="meld-7", engine=options)
    asked = service(classifier)
    talk = ["You kept the letter?", "All these years.", "I cannot believe it."]
    bodies = [{"dialogue": {"utterances": [*talk, f"Anna {n}"]}} for n in range(6)]
    with live(asked) as address, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda body: post(address, body).json(), bodies))
        metrics = httpx2.get(f"{address}/metrics").text
    alone = [classifier.predict(body["dialogue"]) for body in bodies]
    for answer, known in zip(answers, alone, strict=True):
        for item, one in zip(answer["utterances"], known.items, strict=True):
            assert one.probabilities is not None
            assert item["probabilities"] == pytest.approx(dict(one.probabilities), abs=2e-3)
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[:1] != "#")
    computed = float(values['sentixrl_tokens_computed_total{model="tiny"}'])
    assert float(values['sentixrl_tokens_shared_total{model="tiny"}']) > computed
    assert float(values['sentixrl_turns_total{model="tiny",status="consensus"}']) >= 0


@pytest.mark.parametrize("many", [1, 7])
def test_a_full_queue_says_when_to_come_again(many: int) -> None:
    slow = gate()
    asked = service(scripted(slow), queue_tokens=200)
    with live(asked) as address, ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, address, {"dialogue": {"utterances": ["Well."] * 10}})
        slow.await_a_step()
        body = {"dialogues": [{"utterances": ["No!"] * (7 // many)}] * many}
        refused = post(address, body)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        slow.opened.set()
        assert first.result().status_code == 200
        assert post(address, body).status_code == 200
    assert asked.batcher.tokens == asked.batcher.requests == 0


def test_what_never_fits_is_told_at_once() -> None:
    asked = Client(service(queue_tokens=100))
    error, hint = asked.refuses(413, PATH, {"text": "Well. " * 100})
    assert "at most 100" in error
    assert hint == "Send it in several requests."


def test_evidence_is_waited_for_as_answers_are() -> None:
    """A request is open, and its tokens are taken, until its evidence is measured."""
    slow = gate(free=2)
    asked = service(scripted(slow))
    body = {"dialogue": {"utterances": ["You kept it?", "I did."]}, "explain": True}
    with live(asked) as address, ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, address, body)
        slow.await_a_step()
        assert asked.batcher.requests == 1
        assert asked.batcher.tokens > 0
        slow.opened.set()
        items = first.result().json()["utterances"]
    assert [len(item["evidence"]) for item in items] == [0, 1]
    assert asked.batcher.tokens == asked.batcher.requests == 0


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("headers", [{}, LINES])
def test_who_leaves_is_not_computed_any_more(headers: dict[str, str], explain: bool) -> None:
    slow = gate(free=60 if explain else 0)  # where evidence is wanted, all turns are answered
    classifier = scripted(slow, session_tokens=1)
    engine = classifier.engine
    assert isinstance(engine, ScriptedEngine)
    asked = service(classifier)
    with live(asked) as address:
        host, port = address.removeprefix("http://").split(":")
        talk = {"utterances": ["Well."] * (60 if explain else 500)}
        body = json.dumps({"dialogue": talk, "explain": explain}).encode()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            f"{lines}Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), PATIENCE) as leaving:
            leaving.sendall(head.encode() + body)
            slow.await_a_step()
        until(lambda: asked.batcher.requests == 0)
        slow.opened.set()
        assert post(address, {"text": "Next."}).status_code == 200
    assert len(engine.calls) < 10 + (60 if explain else 0)
    assert asked.batcher.tokens == 0


def test_a_large_request_does_not_hold_up_the_next() -> None:
    """Only so many turns of one request are under way; the others wait for their place."""
    slow = gate()
    classifier = scripted(slow)
    asked = service(classifier)
    with live(asked) as address, ThreadPoolExecutor(2) as pool:
        large = {"dialogues": [{"utterances": ["Well."] * 10}] * 100}
        first = pool.submit(post, address, large)
        slow.await_a_step()
        second = pool.submit(post, address, {"text": "Short."})
        until(lambda: asked.batcher.requests == 2)
        assert classifier.scheduler.waiting <= 128 // 10 + 2
        slow.opened.set()
        assert second.result().status_code == first.result().status_code == 200


def test_lines_come_before_the_last_turn_is_known() -> None:
    slow = gate()
    asked = service(scripted(slow))
    with (
        live(asked) as address,
        httpx2.Client(base_url=address, timeout=PATIENCE) as asker,
        asker.stream("POST", PATH, json={"text": "Well."}, headers=LINES) as answer,
    ):
        lines = answer.iter_lines()
        assert '"start"' in next(lines)
        assert not slow.opened.is_set()
        slow.opened.set()
        assert [one["type"] for one in lines_of("\n".join(lines))] == ["turn", "dialogue", "end"]


def test_draining_takes_nothing_more_and_waits_for_the_rest() -> None:
    async def drained(asked: Service) -> None:
        held: list[object] = []

        class Task:
            cancelled = False
            error = None

        def submit(told: object) -> Task:
            held.append(told)
            return Task()

        scheduler = asked.models.default.classifier.scheduler
        ticket = asked.batcher.accept(scheduler, [Part(submit, 1, 10)])
        draining = asyncio.create_task(asked.batcher.drain())
        await asyncio.sleep(0.01)
        with pytest.raises(RefusedError, match="stopping"):
            asked.batcher.accept(scheduler, [Part(submit, 1, 10)])
        assert not draining.done()
        held[0](None)  # type: ignore[operator]
        await ticket.finished()
        await asyncio.wait_for(draining, PATIENCE)

    asked = service()
    asyncio.run(drained(asked))
    assert Client(asked).get("/ready").status_code == 503


def test_estimates_grow_with_the_text() -> None:
    from sentixrl.dialogue import Dialogue

    short, long = Dialogue.from_texts(["Hm."]), Dialogue.from_texts(["Hm. " * 50, "你好" * 50])
    assert 0 < estimated_tokens(short) < 20 < estimated_tokens(long)
