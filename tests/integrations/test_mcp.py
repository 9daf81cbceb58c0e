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
        ("classify_text", {"text": "x" * (MOST_CHARACTERS + 1)}, "One call takes 500 turns"),
        ("classify_conversation", {"turns": [{"text": "x"}] * (MOST_TURNS + 1)}, "501 turns"),
        (
            "classify_conversation",
            {"turns": [{"text": "x", "speaker": "y" * MOST_CHARACTERS}]},
            "1 turns with 100,001 characters",
        ),
        ("classify_conversation", {"turns": []}, "has no utterance"),
        ("classify_text", {"text": "  "}, "has no text"),
        ("classify_text", {"text": "x", "labels": ["one"]}, "it needs at least 2"),
    ],
)
def test_what_a_client_does_wrong_is_one_sentence(
    tool: str, arguments: dict[str, Any], said: str
) -> None:
    found = call(tool, **arguments)
    assert found.is_error
    [content] = found.content
    assert said in content.text
    assert len(content.text) < 300
    assert "\n" not in content.text


def test_the_command_serves_a_stock_client_over_standard_streams() -> None:
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    server = StdioServerParameters(command=sys.executable, args=["-c", SERVER], env=environment)

    async def ask() -> Any:  # noqa: ANN401
        async with Client(stdio_client(server)) as client:
            return await client.call_tool("classify_text", {"text": "we are grateful"})

    assert anyio.run(ask).structured_content["label"] == "grateful"
