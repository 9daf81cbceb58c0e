"""Letters for choices: bounds where a letter is not shown, always inexact; else written mode."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from sentixrl.context.prompt import Prompt
from sentixrl.engines.options import RemoteOptions
from sentixrl.engines.protocol import Failure, GenerateRequest, ScoreRequest, Scores
from sentixrl.engines.remote.codes import continuation
from sentixrl.engines.remote.engine import RemoteEngine
from sentixrl.engines.remote.loading import open_remote
from sentixrl.errors import ConfigError

from .fakes import Chat, Reply, fake_server

PROMPT = Prompt().then("user", "Ana: You kept it?").line("user", "Emotion?")
KINDS = ("openai", "completions", "ollama")
NAMES = {"openai": "#small", "completions": "#small", "ollama": ""}


def score(engine: RemoteEngine, count: int) -> Scores | Failure:
    choices = tuple(f"label {n}" for n in range(count))
    with engine.session() as session:
        (found,) = session.score([ScoreRequest(PROMPT, choices)])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_letters_are_scored_and_marked_inexact(kind: str) -> None:
    with fake_server(Chat()) as served:
        engine = open_remote(f"{kind}:{served.url}{NAMES[kind]}")
        found = score(engine, 4)
    assert isinstance(found, Scores)
    assert not found.exact
    shares = [0.4 * 0.5**n for n in range(4)]
    assert [math.exp(v) for v in found.log_probs] == pytest.approx(
        [s / sum(shares) for s in shares]
    )
    assert found.mass == pytest.approx(sum(shares))
    assert engine.describe()["probe"] == "letter codes"
    assert engine.name.startswith("small")


def test_the_budget_counts_what_is_read_and_a_cost_what_is_computed() -> None:
    with fake_server(Chat()) as served:
        engine = open_remote(f"openai:{served.url}#small")
        before = engine.server.tokens
        found = score(engine, 4)
    assert isinstance(found, Scores)
    assert (engine.server.tokens - before, found.cost.tokens) == (21, 17)


def test_orders_of_the_letters_take_out_what_their_place_does() -> None:
    with fake_server(Chat()) as served:  # prefers the first letter, whatever it stands for
        engine = open_remote(f"openai:{served.url}#small", RemoteOptions(rotations=4))
        found = score(engine, 4)
        fewer = score(open_remote(f"openai:{served.url}#small", RemoteOptions(rotations=2)), 4)
        once = score(open_remote(f"openai:{served.url}#small"), 4)
        asked = engine.server.requests
    assert isinstance(found, Scores)
    assert [math.exp(v) for v in found.log_probs] == pytest.approx([0.25] * 4)
    assert (found.flips, found.exact) == (1.0, False)
    assert asked >= 4
    assert engine.describe()["rotations"] == 4
    assert isinstance(fewer, Scores)
    assert math.fsum(map(math.exp, fewer.log_probs)) == pytest.approx(1)
    assert isinstance(once, Scores)
    assert once.flips is None


def test_a_letter_that_is_not_shown_gets_the_most_it_can_have() -> None:
    with fake_server(Chat(shown=3)) as served:
        found = score(open_remote(f"openai:{served.url}#small"), 5)
    assert isinstance(found, Scores)
    assert found.log_probs[3] == found.log_probs[4] <= found.log_probs[2]
    # The tokens shown are A, B, C and "The"; nothing else can be likelier than the last of them.
    assert found.log_probs[3] - found.log_probs[0] == pytest.approx(math.log(0.1 / 0.4))


def test_more_choices_than_letters_are_a_failure() -> None:
    with fake_server(Chat()) as served:
        found = score(open_remote(f"openai:{served.url}#small"), 27)
    assert isinstance(found, Failure)
    assert (found.code, found.retryable) == ("too_many_choices", False)


def test_no_letter_among_the_likeliest_is_a_failure_and_no_guess() -> None:
    chat = Chat()
    with fake_server(chat) as served:
        engine = open_remote(f"openai:{served.url}#small")
        chat.shown = 0
        chat.tops = lambda: [{"token": "<think>", "logprob": -0.01}]  # type: ignore[method-assign]
        chat._chat = lambda body: Reply(  # type: ignore[method-assign]
            {"choices": [{"logprobs": {"content": [{"top_logprobs": chat.tops()}]}}]}
        )
        found = score(engine, 3)
    assert isinstance(found, Failure)
    assert found.code == "no_scores"


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_a_server_that_shows_no_tokens_only_writes(kind: str) -> None:
    with fake_server(Chat(shown=0, says="<think>hm</think>\nJoy.\nBecause")) as served:
        engine = open_remote(f"{kind}:{served.url}{NAMES[kind]}")
        assert not engine.capabilities.score
        with engine.session() as session:
            (reply,) = session.generate([GenerateRequest(PROMPT, stop=("\n",))])
    assert getattr(reply, "text", None) == "Joy."


def test_a_server_whose_replies_are_free_does_not_claim_to_constrain_them() -> None:
    with fake_server(Chat()) as served:
        can = open_remote(f"openai:{served.url}#small").capabilities
    assert (can.score, can.constrain) == (True, False)


def test_what_the_reply_was_to_continue_is_not_repeated() -> None:
    begun = GenerateRequest(PROMPT.then("assistant", "Analysis:"), stop=("\n",))
    assert continuation(begun, "Analysis: she is moved.\nSo") == "she is moved."
    assert continuation(begun, "she is moved.") == "she is moved."
    assert continuation(begun, "<think>endless") == ""


def test_settings_that_a_server_does_not_know_are_done_without() -> None:
    chat = Chat()

    def picky(method: str, path: str, body: Any) -> Reply:  # noqa: ANN401
        for name, instead in (
            ("max_tokens", "use max_completion_tokens"),
            ("temperature", "temperature"),
        ):
            if body and name in body:
                return Reply({"error": {"message": f"Unsupported: {instead}"}}, 400)
        return chat(method, path, body)

    with fake_server(picky) as served:
        engine = open_remote(f"openai:{served.url}#small")
        before = len(served.seen)
        assert isinstance(score(engine, 3), Scores)
        assert len(served.seen) == before + 1  # it is asked the right way from now on
        assert "max_completion_tokens" in served.seen[-1][3]


def test_settings_that_several_threads_find_refused_at_once_cost_none_of_them() -> None:
    chat, both = Chat(shown=0), threading.Barrier(2, timeout=30)

    def picky(method: str, path: str, body: Any) -> Reply:  # noqa: ANN401
        if not body or "logprobs" in body:  # refused without a word on how long replies may be
            return chat(method, path, body)
        if "max_tokens" in body:
            both.wait()
            return Reply({"error": {"message": "Unsupported: use max_completion_tokens"}}, 400)
        return chat(method, path, body)

    with fake_server(picky) as served:
        engine = open_remote(f"openai:{served.url}#small")
        with engine.session() as session:
            replies = session.generate([GenerateRequest(PROMPT)] * 2)
    assert [getattr(reply, "text", None) for reply in replies] == ["joy", "joy"]


@pytest.mark.parametrize("listed", [{"models": 7}, {"models": True}, {"models": ["x"]}, [], 5])
def test_an_odd_list_of_ollama_s_models_is_none(listed: Any) -> None:  # noqa: ANN401
    chat = Chat()

    def answer(method: str, path: str, body: Any) -> Reply:  # noqa: ANN401
        return Reply(listed) if path == "/api/tags" else chat(method, path, body)

    with fake_server(answer) as served:
        assert isinstance(score(open_remote(f"ollama:{served.url}#small"), 3), Scores)


def test_servers_that_lay_out_prompts_take_no_prompt_format() -> None:
    with pytest.raises(ConfigError, match="decides itself"):
        open_remote("openai:http://127.0.0.1:1", prompt_format="plain")


def test_a_kind_that_was_run_against_no_server_says_that_it_is_experimental() -> None:
    with fake_server(Chat()) as served:
        (note,) = open_remote(f"openai:{served.url}#small").notes
    assert "experimental" in note
