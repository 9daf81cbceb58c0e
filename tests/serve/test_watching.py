"""Health, metrics and logs: what they know, and what they never say."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import httpx2
import pytest

import sentixrl
from sentixrl.engines.options import EngineOptions, RemoteOptions
from sentixrl.negotiation.scheduling import WorkerState
from sentixrl.serve import journal
from sentixrl.serve.app import route_of
from sentixrl.serve.metrics import state_of

from ..engines.remote.fakes import Vllm, fake_server
from .services import LINES, PATIENCE, Client, gate, live, scripted, service


@pytest.fixture(name="lines")
def make_lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    loggers = [logging.getLogger(name) for name in journal.LEVELS]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    journal.begin(stream)
    yield stream
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("worker", "state"),
    [
        (WorkerState(True, False, 999), "idle"),
        (WorkerState(True, True, 60), "busy"),
        (WorkerState(True, True, 121), "stalled"),
        (WorkerState(False, False, 1), "dead"),
    ],
)
def test_a_dead_worker_is_told_from_a_busy_one(worker: WorkerState, state: str) -> None:
    assert state_of(worker) == state


def test_health_follows_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = scripted()
    asked = Client(service(classifier))
    assert asked.get("/health").json()["status"] == "ok"
    asked.post("/v1/classify", {"text": "Well."})
    assert asked.get("/health").json()["models"][0]["workers"] == ["idle"]
    for state in (WorkerState(False, True, 1), WorkerState(True, True, 1e4)):
        monkeypatch.setattr(classifier.scheduler, "states", lambda state=state: (state,))
        assert asked.get("/health").status_code == 503


def test_a_worker_that_waits_for_a_server_is_busy_as_long_as_it_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = EngineOptions(remote=RemoteOptions(timeout=100, attempts=2))
    with fake_server(Vllm()) as served:
        classifier = sentixrl.load(f"vllm:{served.url}", labels="meld-7", engine=options)
    asked = Client(service(classifier))
    for seconds, status in ((400, 200), (500, 503)):
        states = (WorkerState(True, True, seconds),)
        monkeypatch.setattr(classifier.scheduler, "states", lambda states=states: states)
        assert asked.get("/health").status_code == status


def test_a_busy_service_is_healthy() -> None:
    slow = gate()
    asked = service(scripted(slow))
    with (
        live(asked) as address,
        httpx2.Client(base_url=address, timeout=PATIENCE) as asker,
        asker.stream("POST", "/v1/classify", json={"text": "Well."}, headers=LINES) as answer,
    ):
        slow.await_a_step()
        found = httpx2.get(f"{address}/health")
        assert (found.status_code, found.json()["models"][0]["workers"]) == (200, ["busy"])
        slow.opened.set()
        answer.read()


def test_metrics_count() -> None:
    asked = Client(service())
    asked.post("/v1/classify", {"dialogue": {"utterances": ["Well.", "This is too long."]}})
    asked.post("/v1/classify", {})
    text = asked.get("/metrics").text
    for line in (
        'sentixrl_requests_total{method="POST",route="/v1/classify",status="200"} 1.0',
        'sentixrl_requests_total{method="POST",route="/v1/classify",status="422"} 1.0',
        'sentixrl_turns_total{model="tiny",status="single"} 1.0',
        'sentixrl_turns_total{model="tiny",status="error"} 1.0',
        'sentixrl_request_seconds_count{route="/v1/classify"} 2.0',
        'sentixrl_step_turns_sum{model="tiny"} 2.0',
        "sentixrl_queue_tokens 0.0",
        'sentixrl_workers{model="tiny",state="idle"} 1.0',
    ):
        assert line in text.splitlines(), text


def test_logs_hold_no_texts(lines: io.StringIO) -> None:
    asked = Client(service())
    for text in ("My secret.", "poison, my secret", "too long, my secret"):
        asked.post("/v1/classify", {"text": text}, headers={"Authorization": "Bearer my-secret"})
        asked.post("/v1/classify?my=secret", {"secret": text})
        asked.get(f"/{text}")
    written = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert len(written) == 9
    assert {one["route"] for one in written} == {"/v1/classify", "other"}
    assert {"status", "seconds", "time", "level"} <= written[0].keys()
    assert written[0]["turns"] == 1
    assert "secret" not in lines.getvalue()


def test_errors_are_logged_by_type_and_place(lines: io.StringIO) -> None:
    try:
        raise ValueError("my secret")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in %s", "my secret")
    [written] = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert written["error"] == "ValueError"
    assert "test_watching.py" in written["at"][-1]
    assert "secret" not in lines.getvalue()


def test_models_and_the_loop_write_lines_without_what_is_filled_in(lines: io.StringIO) -> None:
    """A server's refusal may quote the prompt, and the loop the arguments of what failed."""
    logging.getLogger("sentixrl.negotiation.deducing").warning("%d failed: %s", 2, "my secret")
    logging.getLogger("asyncio").error("Exception in callback take('my secret')")
    logging.getLogger("sentixrl.engines.remote.engine").warning("The labels hold %d%%", 2)
    written = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [one["event"] for one in written] == [
        "%d failed: %s",
        "something failed in the loop",
        "The labels hold 2%",
    ]


def test_routes_are_few() -> None:
    assert {route_of(path) for path in ("/page/a.js", "/page/b.css")} == {"/page"}
    assert {route_of(path) for path in ("/v1/classify/", "/secret")} == {"other"}
