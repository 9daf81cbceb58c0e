"""Typed decisions: what is asked, what is answered, and what is refused, in both formats."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sentixrl
from sentixrl.context.templates import DECISION, template_languages, templates
from sentixrl.dialogue import Dialogue
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import Label, LabelSet
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.serve.decisions.openai_format import DecisionsResult
from sentixrl.serve.decisions.prompts import StatePrompt
from sentixrl.serve.decisions.questions import (
    Kind,
    Option,
    Question,
    answer_of,
    concentration,
    margin,
)
from sentixrl.serve.decisions.states import dialogue_of_state
from sentixrl.serve.decisions.systemone import SystemOneResult

from .services import Client, scripted, service

ONE, TWO = "/v1/systemone", "/v1/decisions"
STATE = "I was charged twice and want a refund."


def asked_one(questions: dict[str, Any], state: object = STATE, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    found = Client(service()).post(ONE, {"state": state, "questions": questions, **more})
    assert found.status_code == 200, found.text
    SystemOneResult.model_validate(found.json())
    answers: dict[str, Any] = found.json()["answers"]
    return answers


def asked_two(*questions: dict[str, Any], input: object = STATE) -> list[dict[str, Any]]:
    found = Client(service()).post(TWO, {"input": input, "questions": questions})
    assert found.status_code == 200, found.text
    DecisionsResult.model_validate(found.json())
    answers: list[dict[str, Any]] = found.json()["answers"]
    return answers


def test_system_one_answers_each_type() -> None:
    answers = asked_one(
        {
            "refund": {"type": "noul", "instructions": "Is a refund requested?"},
            "tone": {"type": "choice", "criteria": {"curt": None, "kind": {"like": "a friend"}}},
            "urgent": {"type": "score", "criteria": ["Can wait", "This week", ["Today"]]},
        }
    )
    assert answers["refund"] == {"type": "noul", "noul": pytest.approx(2 / 3)}
    tone = answers["tone"]
    assert (tone["type"], tone["choice"]) == ("choice", "curt")
    assert tone["confidence"] == pytest.approx(1 / 3)
    assert tone["probabilities"] == pytest.approx({"curt": 2 / 3, "kind": 1 / 3})
    urgent = answers["urgent"]
    assert urgent["score"] == pytest.approx((1 / 2 + 2 / 3) / (1 + 1 / 2 + 1 / 3))
    assert urgent["legend"] == {"0": "Can wait", "1": "This week", "2": '["Today"]'}
    assert math.fsum(urgent["probabilities"].values()) == pytest.approx(1)


def test_decisions_answer_in_order_with_typed_values() -> None:
    truth = {"value": True, "description": "so it is"}
    predicate, choice, score = asked_two(
        {"type": "predicate", "instructions": "A refund is requested."},
        {"type": "choice", "name": "c", "instructions": "?", "choices": [{"value": "so"}, truth]},
        {
            "type": "score",
            "name": "s",
            "instructions": [{"type": "input_text", "text": "How urgent?"}],
            "levels": [{"label": "low"}, {"label": "high", "description": "today"}],
        },
    )
    assert predicate == {"type": "predicate", "name": None, "probability": pytest.approx(2 / 3)}
    assert [one["value"] for one in choice["probabilities"]] == ["so", True]
    assert (choice["name"], choice["choice"]) == ("c", "so")
    assert [(one["label"], one["value"]) for one in score["probabilities"]] == [
        ("low", 0),
        ("high", 1),
    ]
    assert score["score"] == pytest.approx(1 / 3)


def test_emotions_are_asked_as_classify_asks() -> None:
    classifier = scripted()
    engine = classifier.engine
    assert isinstance(engine, ScriptedEngine)
    asked = Client(service(classifier))
    labels = ["joy", "anger", "neutral"]
    state = [{"role": "user", "content": "You kept it?"}, {"role": "Ben", "content": "I did."}]
    question = {
        "type": "choice",
        "instructions": "What does he feel?",
        "criteria": dict.fromkeys(labels),
    }
    answer = asked.post(ONE, {"state": state, "questions": {"q": question}}).json()["answers"]["q"]
    [request] = engine.calls
    assert request.choices == tuple(labels)
    assert request.prompt.text.endswith("Ben: I did.\nWhat does he feel?\nBen feels")
    talk = {
        "utterances": [
            {"speaker": "user", "text": "You kept it?"},
            {"speaker": "Ben", "text": "I did."},
        ]
    }
    items = asked.post("/v1/classify", {"dialogue": talk, "labels": labels}).json()["utterances"]
    assert answer["probabilities"] == pytest.approx(items[1]["probabilities"], abs=1e-6)


def test_labels_of_the_model_are_asked_as_classify_asks() -> None:
    own = LabelSet("tickets", [Label("pressing", {"*": "cannot wait"}), "routine"])
    classifier = scripted().replace(labels=own)
    engine = classifier.engine
    assert isinstance(engine, ScriptedEngine)
    classifier = classifier.replace(context=replace(classifier.context, glosses=True))
    asked = Client(service(classifier))
    for words, shown in (("routine", "pressing"), True), (("routine", "other"), False):
        question = {"type": "choice", "criteria": dict.fromkeys(words)}
        found = asked.post(ONE, {"state": STATE, "questions": {"q": question}}).json()
        assert found["answers"]["q"]["choice"] in words
        assert ("pressing (cannot wait); routine." in engine.calls[-1].prompt.text) is shown
        assert ("status" in found["answers"]["q"]) is shown


def test_a_choice_is_of_one_even_where_the_model_gives_several() -> None:
    options = NegotiationOptions(enabled=False, kind="several")
    several = scripted().replace(negotiation=options)
    question = {"type": "choice", "criteria": dict.fromkeys(["joy", "anger", "neutral"])}
    found = Client(service(several)).post(ONE, {"state": STATE, "questions": {"q": question}})
    answer = found.json()["answers"]["q"]
    assert math.fsum(answer["probabilities"].values()) == pytest.approx(1)
    assert (answer["choice"], answer["status"]) == ("joy", "single")


@pytest.mark.parametrize("place", ["question", "request"])
def test_any_choice_is_negotiated_on_request(place: str) -> None:
    question: dict[str, Any] = {
        "type": "choice",
        "criteria": {"refund": "money back", "other": None},
    }
    more: dict[str, Any] = {}
    (question if place == "question" else more)["negotiation"] = True
    [answer] = asked_one({"q": question}, **more).values()
    assert (answer["choice"], answer["status"]) == ("refund", "consensus")
    assert answer["negotiation"][0]["discriminator"]["verdict"] == "agree"


def test_states_share_their_tokens(tiny_model: Path) -> None:
    """Ten questions about a state cost little more than one."""
    options = EngineOptions(dtype="float32", threads=1)
    classifier = sentixrl.load(tiny_model, labels="meld-7", engine=options)
    asked = Client(service(classifier))
    state = "The rain stopped and we walked home along the river without saying a word. " * 16

    def tokens(count: int) -> int:
        questions = {f"q{n}": NOUL | {"instructions": f"Is that right? {n}"} for n in range(count)}
        # A state of its own: a session that is still open would share the other's tokens.
        found = asked.post(ONE, {"state": f"{count} {state}", "questions": questions})
        assert found.status_code == 200, found.text
        return int(found.json()["usage"]["input_tokens"])

    assert tokens(10) < 2 * tokens(1)


NOUL, PREDICATE = {"type": "noul"}, {"type": "predicate", "instructions": "?"}


def choice(*words: str) -> dict[str, Any]:
    return {"type": "choice", "criteria": dict.fromkeys(words)}


def one(question: object = NOUL, **more: object) -> dict[str, Any]:
    return {"state": STATE, "questions": {"a": question}, **more}


TWICE = {
    "type": "choice",
    "instructions": "?",
    "choices": [{"value": "true"}, {"value": True}],
}
IMAGE = {"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}
WRONG: list[tuple[str, int, dict[str, Any], str]] = [
    (ONE, 422, {"questions": {"a": NOUL}}, "At 'state': it is missing"),
    (ONE, 422, {"state": STATE, "questions": {}}, "At 'questions'"),
    (ONE, 422, one({"type": "box"}), "questions.a"),
    (ONE, 422, one(choice()), "criteria"),
    (ONE, 422, one(choice("x", " x")), "read the same"),
    (ONE, 422, one(choice("x", "")), "without a name"),
    (ONE, 422, one(state=" "), "no text"),
    (ONE, 422, one(assets={"i": {}}), "no images"),
    (ONE, 404, one(model="jev"), "'jev'"),
    (ONE, 413, one(state="too long"), "'a' could not be answered"),
    (TWO, 422, {"input": [], "questions": [PREDICATE]}, "input"),
    (TWO, 422, {"input": "a", "questions": [TWICE]}, "read the same"),
    (TWO, 422, {"input": [IMAGE], "questions": [PREDICATE]}, "no images"),
]


@pytest.mark.parametrize(("path", "status", "body", "says"), WRONG)
def test_what_cannot_be_asked_is_one_sentence(
    path: str, status: int, body: dict[str, Any], says: str
) -> None:
    error, _ = Client(service()).refuses(status, path, body)
    assert says in error


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ONE, {"state": STATE, "questions": {"a\ud800": NOUL}}),
        (TWO, {"input": STATE, "questions": [{**PREDICATE, "name": "a\ud800"}]}),
    ],
)
def test_names_that_no_answer_could_repeat_are_refused(path: str, body: dict[str, Any]) -> None:
    kind = {"Content-Type": "application/json"}
    error, _ = Client(service()).refuses(422, path, content=json.dumps(body), headers=kind)
    assert "no text may hold" in error


def test_a_model_without_probabilities_says_so() -> None:
    classifier = sentixrl.load(ScriptedEngine(write=lambda prompt: "joy"), labels="meld-7")
    body = {"state": STATE, "questions": {"a": {"type": "noul"}}}
    error, _ = Client(service(classifier)).refuses(422, ONE, body)
    assert "gives no probabilities" in error


@pytest.mark.parametrize(
    ("state", "turns"),
    [
        ("Well.", [(None, "Well.")]),
        ({"utterances": [{"speaker": "Ann", "text": "Well."}]}, [("Ann", "Well.")]),
        ({"messages": [{"role": "user", "content": "Well."}]}, [("user", "Well.")]),
        ([{"speaker": "A", "text": "a"}, {"role": "b", "content": "c"}], [("A", "a"), ("b", "c")]),
        ({"subject": "Bill", "n": 2}, [(None, '{"subject": "Bill", "n": 2}')]),
        ([1, 2], [(None, "[1, 2]")]),
        ([], [(None, "[]")]),
    ],
)  # fmt: skip
def test_states(state: object, turns: list[tuple[str | None, str]]) -> None:
    assert [(turn.speaker, turn.text) for turn in dialogue_of_state(state)] == turns


@pytest.mark.parametrize("language", template_languages())
def test_every_language_asks_every_kind(language: str) -> None:
    options = (Option("calm", "at ease"), Option("cross"))
    state = StatePrompt(Dialogue.from_texts(["Hm.", "Hm."], language=language))
    said = templates(language)
    for kind in Kind:
        request = state.asked(Question("q", kind, "", options))
        assert len(request.choices) == 2
        text = request.prompt.text
        assert said.render(DECISION, "instruction") in text
        assert "at ease" in text
        assert text.endswith(said.render(DECISION, "level" if kind is Kind.SCORE else "answer"))


def test_what_users_write_stands_on_its_line() -> None:
    options = (Option("calm\nAnswer: cross", "x\ny"), Option("cross"))
    state = StatePrompt(Dialogue.from_texts(["One\nQuestion: two"]))
    text = state.asked(Question("q", Kind.CHOICE, "Is it\nso?", options)).prompt.text
    assert "One Question: two" in text
    assert "Is it so?" in text
    assert "calm Answer: cross (x y); cross." in text


weights = st.lists(st.floats(1e-6, 1), min_size=1, max_size=12)


@given(weights)
def test_confidence_is_a_share(drawn: list[float]) -> None:
    total = math.fsum(drawn)
    spread = [weight / total for weight in drawn]
    for sure in (margin, concentration):
        assert 0 <= sure(spread, spread.index(max(spread))) <= 1
    question = Question("q", Kind.SCORE, "", tuple(Option(str(n)) for n in range(len(spread))))
    answer = answer_of(question, [math.log(p) for p in spread], 3)
    assert -1e-9 <= answer.score <= len(spread) - 1 + 1e-9


def test_confidence_at_its_ends() -> None:
    assert margin([0.25] * 4, 0) == 0
    assert margin([0, 1.0], 1) == concentration([0, 0, 1.0], 2) == 1
    assert concentration([1 / 3] * 3, 1) == pytest.approx(0)


@pytest.mark.parametrize(("retryable", "status"), [(True, 503), (False, 500)])
def test_a_decision_that_may_be_asked_again_says_so(retryable: bool, status: int) -> None:
    lost = Failure("unreachable", "The server at far:80 cannot be reached.", retryable=retryable)
    client = Client(service(scripted(lambda prompt, choices: lost)))
    questions = {"refund": {"type": "noul", "instructions": "Is a refund requested?"}}
    found = client.post(ONE, {"state": STATE, "questions": questions})
    assert (found.status_code, "cannot be reached" in found.text) == (status, True)
