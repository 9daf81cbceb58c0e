"""Servers of typed decisions: every choice's probability once, or no answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure, GenerateRequest, ScoreRequest, Scores
from sentixrl.engines.remote.engine import RemoteEngine
from sentixrl.engines.remote.loading import open_remote
from sentixrl.errors import ModelError

from .fakes import Answer, Reply, fake_server

PROMPT = (
    Prompt()
    .then("system", "Name the emotion.")
    .then("user", "Ana: You kept it?")
    .line("user", "How?")
)
CHOICES = ("joy", "anger", "no anger")
Changed = Callable[[dict[str, float]], Mapping[str, Any]]


def shares(choices: list[str]) -> dict[str, float]:
    total = sum(range(1, len(choices) + 1))
    return {choice: (n + 1) / total for n, choice in enumerate(choices)}


def deciding(change: Changed = lambda found: found) -> Answer:
    """A server of both formats that prefers the last choice."""

    def answer(method: str, path: str, body: Any) -> Reply:  # noqa: ANN401
        usage = {"input_tokens": 30, "output_tokens": 0}
        if path == "/v1/systemone":
            ((name, question),) = body["questions"].items()
            found = change(shares(list(question["criteria"])))
            told: Any = {"type": "choice", "choice": "", "confidence": 1, "probabilities": found}
            return Reply({"model": "m", "answers": {name: told}, "usage": usage})
        if path == "/v1/decisions":
            (question,) = body["questions"]
            found = change(shares([one["value"] for one in question["choices"]]))
            listed = [{"value": value, "probability": p} for value, p in found.items()]
            told = {"type": "choice", "name": question["name"], "probabilities": listed}
            return Reply({"model": "m", "answers": [told], "usage": usage})
        return Reply({"error": "Not Found"}, 404)

    return answer


def score(engine: RemoteEngine) -> Scores | Failure:
    with engine.session() as session:
        (found,) = session.score([ScoreRequest(PROMPT, CHOICES)])
    return found


@pytest.mark.parametrize("kind", ["systemone", "decisions"])
def test_probabilities_are_taken_as_they_are_and_marked_inexact(kind: str) -> None:
    with fake_server(deciding()) as served:
        engine = open_remote(f"{kind}:{served.url}#m")
        found = score(engine)
        asked = served.seen[-1][3]
    assert isinstance(found, Scores)
    assert [math.exp(v) for v in found.log_probs] == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert (found.exact, found.cost.tokens) == (False, 30)
    assert asked["model"] == "m"
    assert "Ana: You kept it?" in asked["state" if kind == "systemone" else "input"]
    question = asked["questions"]["answer"] if kind == "systemone" else asked["questions"][0]
    assert (question["type"], question["instructions"]) == ("choice", "How?")


@pytest.mark.parametrize("kind", ["systemone", "decisions"])
@pytest.mark.parametrize(
    "change",
    [
        lambda found: dict(list(found.items())[:-1]),
        lambda found: {f"{name}!": p for name, p in found.items()},
        lambda found: {**found, "another": 0.0},
        lambda found: dict.fromkeys(found, 0.9),
        lambda found: dict.fromkeys(found, float("nan")),
        lambda found: {name: str(p) for name, p in found.items()},
        lambda found: {name: -p for name, p in found.items()},
    ],
    ids=["missing", "others", "more", "not one", "nan", "text", "negative"],
)
def test_a_server_that_lies_is_refused(kind: str, change: Changed) -> None:
    refused = pytest.raises(ModelError, match="cannot be used")
    with fake_server(deciding(change)) as served, refused:
        open_remote(f"{kind}:{served.url}")


def test_a_refusal_fails_alone() -> None:
    answer = deciding()

    def declining(method: str, path: str, body: Any) -> Reply:  # noqa: ANN401
        if body and "You kept it" in body.get("input", ""):
            return Reply({"answers": [{"type": "refusal", "name": "answer"}]})
        return answer(method, path, body)

    with fake_server(declining) as served:
        found = score(open_remote(f"decisions:{served.url}"))
    assert isinstance(found, Failure)
    assert (found.code, found.retryable) == ("refusal", False)


def test_it_writes_no_text_but_chooses() -> None:
    with fake_server(deciding()) as served:
        engine = open_remote(f"systemone:{served.url}")
        with engine.session() as session:
            text, choice = session.generate(
                [GenerateRequest(PROMPT), GenerateRequest(PROMPT, choices=CHOICES)]
            )
    assert getattr(text, "code", None) == "no_text"
    assert getattr(choice, "text", None) == "no anger"
