"""The MCP server, asked by the SDK's own client."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

import sentixrl
from sentixrl.mcp import MOST_CHARACTERS, MOST_TURNS, Emotions, make_server

from ..engines.remote.fakes import Vllm, fake_server
from .stand_in import classifier

SERVER = """
from tests.integrations.stand_in import stand_in_for_models
import pytest, sys
stand_in_for_models(pytest.MonkeyPatch())
from sentixrl.cli.main import main
main(["mcp", "--labels", "calm, annoyed, grateful"])
"""


def call(tool: str, **arguments: Any) -> Any:  # noqa: ANN401  (what the SDK returns)
    """What a client gets back from a tool."""

    async def ask() -> Any:  # noqa: ANN401
        async with Client(make_server(classifier())) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(ask)


def test_a_text_has_a_typed_answer() -> None:
    found = call("classify_text", text="so calm")
    assert not found.is_error
    assert found.structured_content["label"] == "calm"
    assert found.structured_content["probabilities"].keys() == {"calm", "annoyed", "grateful"}
    assert found.structured_content["fallback"] == "calm"
    assert found.structured_content["calibrated"] is False


@pytest.mark.parametrize(
    "labels", [["calm", "bored"], "calm, bored", '["calm", "bored"]', "bored、calm"]
)
def test_labels_may_be_a_text_with_commas(labels: object) -> None:
    found = call("classify_text", text="so bored", labels=labels)
    assert found.structured_content["probabilities"].keys() == {"calm", "bored"}
    scheme = call("classify_text", text="so bored", labels="sentiment-3")
    assert len(scheme.structured_content["probabilities"]) == 3


def test_a_conversation_has_an_answer_per_turn() -> None:
    turns = [{"speaker": "Ann", "text": "so calm"}, {"text": "bored"}]
    found = call("classify_conversation", turns=turns, labels=["calm", "bored"])
    answers = Emotions.model_validate(found.structured_content)
    assert [(one.speaker, one.label) for one in answers.turns] == [("Ann", "calm"), (None, "bored")]
    assert answers.model == "stand-in"


def test_clients_are_told_the_types() -> None:
    async def ask() -> Any:  # noqa: ANN401
        async with Client(make_server(classifier())) as client:
            return await client.list_tools()

    tools = {tool.name: tool for tool in anyio.run(ask).tools}
    assert tools.keys() == {"classify_text", "classify_conversation"}
    conversation = tools["classify_conversation"]
    assert conversation.input_schema["required"] == ["turns"]
    assert conversation.input_schema["properties"]["turns"]["maxItems"] == MOST_TURNS
    assert conversation.input_schema["$defs"]["Turn"]["required"] == ["text"]
    kinds = conversation.input_schema["properties"]["labels"]["anyOf"]
    assert [kind["type"] for kind in kinds] == ["array", "string", "null"]
    assert {"model", "language", "turns"} == set(conversation.output_schema["properties"])
    assert conversation.annotations.read_only_hint


def test_clients_are_told_where_texts_go() -> None:
    assert "computed on this machine" in (make_server(classifier()).instructions or "")
    with fake_server(Vllm()) as served:
        elsewhere = sentixrl.load(f"vllm:{served.url}")
    told = make_server(elsewhere).instructions or ""
    assert f"at {served.url.removeprefix('http://')}, to which texts are sent" in told


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("classify_text", {"text": "x" * (MOST_CHARACTERS + 1)}, "takes 100,000 characters"),
        ("classify_conversation", {"turns": [{"text": "x"}] * (MOST_TURNS + 1)}, "not 501"),
        ("classify_conversation", {"turns": ["x"] * 100_000}, "500 turns at most, not 100,000"),
        ("classify_conversation", {"turns": ["x"] * MOST_TURNS}, "'turns.0': it needs keys"),
        ("classify_conversation", {"turns": [{"says": "x"}]}, "'turns.0.text': it is missing"),
        ("classify_conversation", {"turns": "so calm"}, "'turns': it needs a list"),
        (
            "classify_conversation",
            {"turns": [{"text": "x", "speaker": "y" * MOST_CHARACTERS}]},
            "not 100,001",
        ),
        ("classify_conversation", {"turns": []}, "has no utterance"),
        ("classify_text", {"text": "  "}, "has no text"),
        ("classify_text", {"text": "x", "labels": ["one"]}, "it needs at least 2"),
        ("classify_text", {"text": "x", "labels": [1, 2]}, "a list of names"),
        ("classify_text", {"text": "x", "labels": "/etc/labels.yaml"}, "not a file"),
    ],
)
def test_what_a_client_does_wrong_is_one_sentence(
    tool: str, arguments: dict[str, Any], said: str
) -> None:
    found = call(tool, **arguments)
    assert found.is_error
    [content] = found.content
    assert said in content.text
    assert len(content.text) < 400
    assert "\n" not in content.text
    assert "--" not in content.text  # a client has no command line


def test_the_command_serves_a_stock_client_over_standard_streams() -> None:
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    server = StdioServerParameters(command=sys.executable, args=["-c", SERVER], env=environment)

    async def ask() -> Any:  # noqa: ANN401
        async with Client(stdio_client(server)) as client:
            return await client.call_tool("classify_text", {"text": "we are grateful"})

    assert anyio.run(ask).structured_content["label"] == "grateful"
