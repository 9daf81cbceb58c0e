"""What the service does for the page: evidence, polarity, pseudonyms, looks, a file brought."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

from sentixrl.serve.service import Service  # noqa: E402

from .service import make_service, running  # noqa: E402

TALK = {
    "utterances": [
        {"speaker": "Ann", "text": "Nobody came!!"},
        {"speaker": "Ben", "text": "I see."},
        {"speaker": "Ann", "text": "Well, Ben."},
    ]
}


@pytest.fixture(name="service")
def make(request: pytest.FixtureRequest) -> Service:
    return make_service()


@pytest.fixture(name="client")
def connect(service: Service) -> Iterator[Any]:
    with running(service) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def test_evidence_comes_with_the_answers(client: Any) -> None:  # noqa: ANN401
    answer = client.post("/v1/classify", json={"dialogue": TALK, "explain": True}).json()
    found = [turn["evidence"] for turn in answer["utterances"]]
    assert [len(one) for one in found] == [0, 1, 2]
    assert found[1][0]["towards"] == "anger"
    assert found[1][0]["log_odds"] > 0
    plain = client.post("/v1/classify", json={"dialogue": TALK}).json()
    assert all("evidence" not in turn for turn in plain["utterances"])


def test_answers_come_first_and_evidence_after(client: Any) -> None:  # noqa: ANN401
    headers = {"Accept": "application/x-ndjson"}
    body = {"dialogues": [TALK, TALK], "explain": True}
    lines = client.post("/v1/classify", json=body, headers=headers).text.splitlines()
    records = [json.loads(line) for line in lines]
    assert (records[0]["type"], records[-1]["type"]) == ("start", "end")
    assert records[0]["calibrated"] is False
    for place in (0, 1):
        own = [one for one in records if one.get("dialogue") == place]
        assert [one["type"] for one in own] == ["turn"] * 6 + ["dialogue"]
        assert ["evidence" in one for one in own[:6]] == [False] * 3 + [True] * 3
    assert records[-1]["turns"] == 6


def test_labels_have_their_sides(client: Any) -> None:  # noqa: ANN401
    schemes = {one["name"]: one["labels"] for one in client.get("/v1/models").json()["labels"]}
    sides = {label["name"]: label["polarity"] for label in schemes["ekman-7"]}
    assert (sides["joy"], sides["anger"]) == ("positive", "negative")


def test_reading_can_hide_names(client: Any) -> None:  # noqa: ANN401
    body = {"content": "Ann: Where is Ben?\nBen: Here, Ann.", "pseudonyms": True}
    found = client.post("/v1/read", json=body).json()
    assert found["pseudonyms"] == {"Ann": "P1", "Ben": "P2"}
    [dialogue] = found["dialogues"]
    assert [turn["text"] for turn in dialogue["utterances"]] == ["Where is P2?", "Here, P1."]
    assert "pseudonyms" not in client.post("/v1/read", json={"content": "Ann: Hello."}).json()


def test_the_look_is_served_from_where_files_take_it(client: Any) -> None:  # noqa: ANN401
    assert "--joy" in client.get("/page/looks.css").text
    assert "joy" in client.get("/page/emotions.json").json()
    assert client.get("/page/view.py").status_code == 404
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy


def test_a_file_is_brought_only_where_there_is_one(client: Any, service: Service) -> None:  # noqa: ANN401
    assert client.get("/v1/opened").status_code == 404
    service.opened = ("talk.txt", b"\xff\x00")
    found = client.get("/v1/opened").json()
    assert (found["name"], base64.b64decode(found["content"])) == ("talk.txt", b"\xff\x00")
