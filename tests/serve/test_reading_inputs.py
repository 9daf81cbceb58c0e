"""``/v1/read``: what files and pastes are understood as, and what is refused."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from sentixrl.serve import reading_inputs
from sentixrl.serve.reading_inputs import ReadResult

from .services import PATIENCE, Client, live, service

PATH = "/v1/read"
CHAT = "[13.03.24, 09:00:00] Ann: Good morning\n[13.03.24, 19:30:00] Ben: Good evening\n"


def understood(**body: Any) -> dict[str, Any]:  # noqa: ANN401
    found = Client(service()).post(PATH, body)
    assert found.status_code == 200, found.text
    ReadResult.model_validate(found.json())
    result: dict[str, Any] = found.json()
    return result


def packed(raw: bytes) -> dict[str, Any]:
    return {"content": base64.b64encode(raw).decode(), "encoding": "base64"}


def test_a_paste_is_a_transcript_or_a_chat() -> None:
    assert understood(content="Ann: hm\nBen: ho")["dialogues"][0]["utterances"][1] == {
        "speaker": "Ben",
        "text": "ho",
    }
    assert understood(content=CHAT)["format"] == "whatsapp"


@pytest.mark.parametrize(("gap", "count"), [(8, 2), (12.5, 1), ("none", 1)])
def test_the_pause_that_ends_a_dialogue(gap: float | str, count: int) -> None:
    assert len(understood(content=CHAT, gap=gap)["dialogues"]) == count


def test_dates_that_do_not_tell_are_asked_for() -> None:
    chat = CHAT.replace("13.03", "12.03")
    error, hint = Client(service()).refuses(422, PATH, {"content": chat})
    assert "day first" in error
    assert hint == "Say it with 'dates': 'dmy' or 'dates': 'mdy'."
    assert len(understood(content=chat, dates="mdy")["dialogues"]) == 2


def test_files_go_by_their_content_and_ending() -> None:
    table = b"speaker,text\nAnn,hm\n"
    assert understood(**packed(table), name="talk.csv")["format"] == "csv"
    lines = json.dumps({"utterances": ["hm"]}).encode() + b"\n"
    assert understood(**packed(lines * 2), name="a.jsonl")["ledger"]["turns"] == 2
    assert understood(**packed(gzip.compress(table)), name="a.csv.gz")["format"] == "csv"
    assert understood(content="hm\nho\n", name="C:\\talks\\a.txt")["format"] == "text"


def test_few_wait_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, begun = threading.Event(), threading.Semaphore(0)
    read = reading_inputs._read

    def slow(body: reading_inputs.ReadRequest) -> dict[str, Any]:
        begun.release()
        assert opened.wait(PATIENCE)
        return read(body)

    monkeypatch.setattr(reading_inputs, "_read", slow)
    monkeypatch.setattr(reading_inputs, "_MOST_WAITING", 1)
    monkeypatch.setattr(reading_inputs, "_limiters", [])
    with live(service()) as address, ThreadPoolExecutor(3) as pool:

        def ask() -> httpx2.Response:
            return httpx2.post(address + PATH, json={"content": "hm"}, timeout=PATIENCE)

        first = [pool.submit(ask) for _ in range(2)]
        for _ in first:
            assert begun.acquire(timeout=PATIENCE)
        third = pool.submit(ask)
        end = time.monotonic() + PATIENCE
        while not (waiting := reading_inputs._limiters[0].statistics().tasks_waiting):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert waiting == 1
        refused = ask()
        opened.set()
        assert [one.result().status_code for one in (*first, third)] == [200, 200, 200]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")


WRONG: list[tuple[int, dict[str, Any], str]] = [
    (422, {"content": ""}, "At 'content'"),
    (422, {"content": "  \n"}, "empty"),
    (422, {"content": "!!", "encoding": "base64"}, "not base64"),
    (422, {"content": "hm", "format": "docx"}, "no input format called 'docx'"),
    (422, {"content": "hm", "gap": 0}, "At 'gap"),
    (422, {"content": "hm", "format": "convokit"}, "no ConvoKit corpus"),
    (422, {**packed(b"\x00\x01\x02"), "name": "../../etc/passwd"}, "passwd"),
    (422, {**packed(gzip.compress(b" " * 90_000_000)), "name": "a.txt"}, "a.txt"),
    (413, {"content": "hm\n" * 20_001}, "20,000 turns"),
]


@pytest.mark.parametrize(("status", "body", "says"), WRONG, ids=[one[2] for one in WRONG])
def test_what_cannot_be_read_is_one_sentence(status: int, body: dict[str, Any], says: str) -> None:
    error, hint = Client(service()).refuses(status, PATH, body)
    assert says in error
    assert "/" not in error
    assert "--" not in (hint or "")
