"""Requests: bounded, repeated where that may help, followed nowhere, and silent about keys."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from sentixrl.engines.options import RemoteOptions
from sentixrl.engines.remote import transport
from sentixrl.engines.remote.address import parse_address
from sentixrl.engines.remote.refusals import ServerError, refusal
from sentixrl.engines.remote.transport import Server

from .fakes import Answer, Fake, Reply, fake_server

KEY = "sk-s3cret-words"
Asked = Callable[..., tuple[Fake, ServerError]]


def server_at(fake: Fake, **options: Any) -> Server:  # noqa: ANN401
    return Server(parse_address(f"vllm:{fake.url}"), RemoteOptions(**options))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Ask a server that answers so; what it got, and the error."""
    monkeypatch.setenv("SENTIXRL_KEY_127_0_0_1", KEY)

    def ask(answer: Answer, **options: Any) -> tuple[Fake, ServerError]:  # noqa: ANN401
        with fake_server(answer) as fake:
            server = server_at(fake, **options)
            with pytest.raises(ServerError) as caught:
                server.post("/v1/completions", {"prompt": "Ana"})
        assert KEY not in repr(server) + repr(caught.value) + repr(caught.value.failure)
        return fake, caught.value

    return ask


def always(reply: Reply) -> Answer:
    return lambda method, path, body: reply


@pytest.mark.parametrize(
    ("status", "code", "times"),
    [
        (401, "unauthorized", 1),
        (403, "unauthorized", 1),
        (402, "quota", 1),
        (404, "refused", 1),
        (400, "refused", 1),
        (429, "busy", 5),
        (500, "refused", 5),
        (503, "busy", 5),
    ],
)
def test_every_status_has_its_failure(refused: Asked, status: int, code: str, times: int) -> None:
    body = {"error": {"message": f"no, {KEY} will not do"}}
    fake, error = refused(always(Reply(body, status)))
    assert (error.failure.code, len(fake.seen)) == (code, times)
    assert error.failure.message.endswith(".")
    assert error.failure.hint
    assert error.failure.retryable is (status != 400)


def test_a_missing_key_is_named_by_its_variable(refused: Asked) -> None:
    _, error = refused(always(Reply({}, 401)))
    assert "SENTIXRL_KEY_127_0_0_1" in (error.failure.hint or "")


def test_an_exhausted_quota_is_never_asked_again(refused: Asked) -> None:
    body = {"error": {"code": "insufficient_quota", "message": "You exceeded your quota."}}
    fake, error = refused(always(Reply(body, 429, {"x-should-retry": "true"})))
    assert (error.failure.code, len(fake.seen)) == ("quota", 1)


def test_a_prompt_that_is_too_long_is_no_passing_failure(refused: Asked) -> None:
    said = {"error": {"type": "exceed_context_size_error", "message": "request exceeds"}}
    _, error = refused(always(Reply(said, 400)))
    assert (error.failure.code, error.failure.retryable) == ("too_long", False)


def test_the_server_decides_whether_to_ask_again(refused: Asked) -> None:
    fake, _ = refused(always(Reply({}, 500, {"x-should-retry": "false"})))
    assert len(fake.seen) == 1
    fake, _ = refused(always(Reply({}, 418, {"x-should-retry": "true"})))
    assert len(fake.seen) == 5


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "9"}, 9),
        ({"retry-after": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, None),
    ],
)
def test_how_long_a_server_wants_one_to_wait(headers: dict[str, str], wait: float | None) -> None:
    found = refusal(parse_address("vllm:http://h"), 429, headers, b"")
    assert (found.wait, found.again) == (wait, True)


def test_nobody_waits_for_an_hour() -> None:
    found = refusal(parse_address("vllm:http://h"), 429, {"retry-after": "3600"}, b"")
    assert not found.again
    assert found.failure.retryable


def test_redirects_are_not_followed(refused: Asked) -> None:
    with fake_server(always(Reply({"choices": []}))) as elsewhere:
        fake, error = refused(always(Reply({}, 307, {"Location": f"{elsewhere.url}/x"})))
        assert (error.failure.code, len(fake.seen), elsewhere.seen) == ("redirect", 1, [])


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(b"<html><body>Welcome</body></html>"), "web page"),
        (Reply(b'{"choices": ['), "no JSON"),
        (Reply(b"[" * 100_000), "no JSON"),
        (Reply(b"\xff\xfe"), "no JSON"),
        (Reply(b"{}", headers={"Content-Encoding": "gzip"}), "compressed"),
    ],
)
def test_what_is_no_answer_is_one_sentence(refused: Asked, reply: Reply, says: str) -> None:
    fake, error = refused(always(reply))
    assert (error.failure.code, len(fake.seen)) == ("bad_reply", 1)
    assert says in error.failure.message


def test_a_body_without_end_is_not_read_to_it(
    refused: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 1 << 20)
    _, error = refused(always(Reply(b" " * (3 << 20))))
    assert "longer than 1 MB" in error.failure.message


def test_a_body_that_drips_is_given_up(refused: Asked) -> None:
    _, error = refused(always(Reply(b" " * 200, drip=0.05)), timeout=0.3, attempts=1)
    assert (error.failure.code, error.failure.retryable) == ("timeout", True)


def test_a_cut_connection_is_tried_again(refused: Asked) -> None:
    fake, error = refused(always(Reply({"choices": "x" * 999}, cut=True)))
    assert (error.failure.code, len(fake.seen)) == ("unreachable", 5)


def test_what_fails_twice_and_then_works_is_an_answer() -> None:
    replies = iter([Reply({}, 503), Reply({}, cut=True), Reply({"fine": True})])
    with fake_server(lambda *_: next(replies)) as fake:
        server = server_at(fake)
        assert server.post("/x", {}) == {"fine": True}
        assert server.requests == 3
        assert server.interruptions == 1


def test_nobody_there() -> None:
    with fake_server(always(Reply({}))) as fake:
        server = server_at(fake)
    with pytest.raises(ServerError) as caught:
        server.post("/x", {})
    assert caught.value.failure.code == "unreachable"


def test_the_budget_of_requests_counts_repeated_ones() -> None:
    with fake_server(always(Reply({}, 500))) as fake:
        server = server_at(fake, max_requests=3)
        with pytest.raises(ServerError) as caught:
            server.post("/x", {})
        assert (caught.value.failure.code, len(fake.seen)) == ("budget", 3)


def test_no_call_is_begun_once_the_tokens_are_used_up() -> None:
    with fake_server(always(Reply({"fine": True}))) as fake:
        server = server_at(fake, max_tokens=10)
        server.post("/x", {})
        server.spend(10)
        with pytest.raises(ServerError, match="10 tokens"):
            server.post("/x", {})
        assert len(fake.seen) == 1


def test_the_key_is_in_one_header_and_in_no_log(
    refused: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake, _ = refused(always(Reply({"error": {"message": f"bad key {KEY}"}}, 500)))
    assert {headers["Authorization"] for _, _, headers, _ in fake.seen} == {f"Bearer {KEY}"}
    logged = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert KEY not in logged
