"""Other people's clients, unmodified, against a service on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .services import PATIENCE, live, service

STATE = [
    {"role": "user", "content": "I was charged twice and want a refund."},
    {"role": "assistant", "content": "I am sorry to hear that."},
]


@pytest.fixture(name="address", scope="module")
def make_address() -> Iterator[str]:
    with live(service()) as address:
        yield address


def test_typesafe(address: str) -> None:
    typesafe = pytest.importorskip("typesafe_sdk")
    with typesafe.TypeSafeClient(
        api_key="none", base_url=address, model="tiny", timeout=PATIENCE
    ) as client:
        found = client.system_one(
            state={"messages": STATE},
            questions={
                "refund": typesafe.Noul(instructions="Is a refund requested?"),
                "tone": typesafe.Choice(criteria={"calm": None, "angry": "hostile"}),
                "mood": {
                    "type": "choice",
                    "criteria": {"joy": None, "anger": None},
                    "negotiation": True,
                },
                "urgent": typesafe.Score(criteria=["Can wait", "Today"]),
            },
        )
        assert found.model == "tiny"
        assert found.nouls["refund"].noul == pytest.approx(2 / 3)
        assert found.choices["tone"].choice == "calm"
        assert found.choices["mood"].choice == "joy"
        assert found.scores["urgent"].legend == {0: "Can wait", 1: "Today"}
        assert [model.name for model in client.models.list().models] == ["tiny"]
        # Long bodies are sent with Zstandard, where the library for it is installed.
        long = client.system_one(
            state="Well. " * 1000, questions={"q": typesafe.Noul(instructions="So?")}
        )
        assert long.usage.input_tokens > 1000
        with pytest.raises(typesafe.TypeSafeNotFoundError, match="no model called 'jev-latest'"):
            client.system_one(
                state="a", questions={"q": typesafe.Noul(instructions="?")}, model="jev-latest"
            )


def test_openai(address: str) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(api_key="none", base_url=f"{address}/v1", timeout=PATIENCE) as client:
        found = client.decisions.create(
            model="tiny",
            input=STATE,
            questions=[
                {"type": "predicate", "name": "refund", "instructions": "A refund is requested."},
                {
                    "type": "choice",
                    "instructions": "What does the user feel?",
                    "choices": [{"value": "joy"}, {"value": "anger", "description": "cross"}],
                },
                {"type": "score", "instructions": "?", "levels": [{"label": "a"}, {"label": "b"}]},
            ],
            safety_identifier="somebody",
            extra_body={"negotiation": True},
        )
        refund, mood, urgent = found.answers
        assert (refund.type, refund.name) == ("predicate", "refund")
        assert (mood.choice, mood.name) == ("joy", None)
        assert mood.negotiation[0]["discriminator"]["verdict"] == "agree"
        assert urgent.probabilities[1].value == 1
        assert found.usage.total_tokens > 0
        assert [model.id for model in client.models.list()] == ["tiny"]
        question = {"type": "predicate", "instructions": "?"}
        with pytest.raises(openai.NotFoundError) as raised:
            client.decisions.create(model="gpt-6-luna", input="a", questions=[question])
        assert raised.value.body == "There is no model called 'gpt-6-luna' here."


def test_transformers_reads_the_same_questions() -> None:
    """What its pipeline takes, we take; what it answers, we answer, key by key."""
    decision = pytest.importorskip("transformers.decision")
    from .services import Client

    questions = {
        "spam": {
            "type": "noul",
            "instructions": "Spam?",
            "criteria": {"true": "ads", "false": None},
        },
        "tone": {"type": "choice", "criteria": {"calm": None, "pushy": "presses"}},
        "urgent": {"type": "score", "criteria": ["no", "some", "much"]},
    }
    ours = Client(service()).post("/v1/systemone", {"state": "Buy!", "questions": questions}).json()
    for parsed in decision.parse_questions(questions, decision.DecisionConfig()):
        own = ours["answers"][parsed.name]
        spread = list(own.get("probabilities", {"true": own.get("noul"), "false": 0}).values())
        theirs = parsed.answer(spread)
        assert own.keys() == theirs.keys()
        for key in ("confidence", "score", "choice", "noul", "legend"):
            if key in theirs:
                assert own[key] == (
                    theirs[key]
                    if isinstance(theirs[key], str | dict)
                    else pytest.approx(theirs[key])
                )
