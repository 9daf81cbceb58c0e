"""Exact scores: equal to adding up whole labels one by one; servers that lie are not believed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Completion, Failure, GenerateRequest, ScoreRequest, Scores
from sentixrl.engines.remote.engine import RemoteEngine
from sentixrl.engines.remote.loading import open_remote
from sentixrl.errors import ModelError

from .fakes import Fake, Reply, Sglang, Vllm, choice_log_probs, fake_server

PROMPT = (
    Prompt()
    .then("system", "Name the emotion.")
    .then("user", "Ana: You kept it?")
    .line("user", "Emotion:")
)
CHOICES = ("joy", "joyful", "anger", "anger management", "高兴", "حزن عميق", "खुशी", "¡ay!")
LIES = ("missing", "nan", "positive", "shuffled", "other tokens", "equal", "constant", "ignored")


@pytest.fixture(params=["vllm", "sglang"])
def fake(request: pytest.FixtureRequest) -> Iterator[tuple[str, Fake, Any]]:
    table = Vllm() if request.param == "vllm" else Sglang()
    with fake_server(table) as served:
        yield f"{request.param}:{served.url}", served, table


def score(engine: RemoteEngine, choices: tuple[str, ...] = CHOICES, **more: Any) -> Any:  # noqa: ANN401
    with engine.session() as session:
        (found,) = session.score([ScoreRequest(PROMPT, choices, **more)])
    return found


def expected(choices: tuple[str, ...], seed: int = 0) -> list[float]:
    """Each choice by itself; one that begins another is followed by the line break that ends it."""
    words = [f" {choice}" for choice in choices]
    ended = [
        word + "\n" if any(o != word and o.startswith(word) for o in words) else word
        for word in words
    ]
    return choice_log_probs(PROMPT.text.encode(), [word.encode() for word in ended], seed)


def test_labels_of_any_length_in_any_script(fake: tuple[str, Fake, Any]) -> None:
    engine = open_remote(fake[0])
    assert engine.backend.way == engine.describe()["probe"] == "exact"
    found = score(engine)
    assert isinstance(found, Scores)
    assert found.log_probs == pytest.approx(expected(CHOICES), abs=1e-9)
    assert (found.exact, found.cost.tokens > 0) == (True, True)
    assert sum(map(math.exp, found.log_probs)) == pytest.approx(1)
    assert found.mass is not None
    assert 0 < found.mass < 1


words = st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1, max_size=4)


@settings(max_examples=25)
@given(st.lists(words, min_size=2, max_size=6, unique=True))
def test_any_labels(choices: list[str]) -> None:
    with fake_server(Vllm()) as served:
        found = score(open_remote(f"vllm:{served.url}"), tuple(choices))
    assert found.log_probs == pytest.approx(expected(tuple(choices)), abs=1e-9)


def test_one_request_carries_all_inner_nodes_and_names_few_enough_tokens() -> None:
    many = tuple(chr(0x4E00 + 97 * n) + chr(0x900 + n) for n in range(60))
    with fake_server(Vllm()) as served:
        engine = open_remote(f"vllm:{served.url}")
        served.seen.clear()
        assert score(engine, many).log_probs == pytest.approx(expected(many), abs=1e-9)
    asked = [body for _, path, _, body in served.seen if path == "/v1/completions"]
    assert len(asked) <= 2
    assert all(len(body["logprob_token_ids"]) <= 128 for body in asked)


def test_the_budget_counts_what_is_read_and_a_cost_what_is_computed(
    fake: tuple[str, Fake, Any],
) -> None:
    engine = open_remote(fake[0])
    before = engine.server.tokens
    found = score(engine, ("joy", "anger"))
    spent = engine.server.tokens - before
    body = fake[1].seen[-1][3]
    if fake[0].startswith("sglang"):
        prompts = len(body["input_ids"])
        assert (spent, found.cost.tokens) == (10 * prompts, 6 * prompts)
    else:
        read = sum(map(len, body["prompt"]))
        assert (spent, found.cost.tokens) == (read + 1, read - 4 + 1)
    with engine.session() as session:
        (reply,) = session.generate([GenerateRequest(PROMPT)])
    more = engine.server.tokens - before - spent
    assert isinstance(reply, Completion)
    assert reply.cost.tokens == more - 4


def test_answers_in_another_order_are_put_right() -> None:
    with fake_server(Vllm("other order")) as served:
        found = score(open_remote(f"vllm:{served.url}"))
    assert found.log_probs == pytest.approx(expected(CHOICES), abs=1e-9)


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_a_server_that_lies_is_asked_in_writing(kind: str, lie: str) -> None:
    table = Vllm(lie) if kind == "vllm" else Sglang(lie)
    with fake_server(table) as served:
        engine = open_remote(f"{kind}:{served.url}")
        assert (engine.backend.way, engine.capabilities.score) == ("written", False)
        cannot = [said for said in engine.notes if "cannot be used" in said]
        assert len(cannot) == 1
        with engine.session() as session:
            (reply,) = session.generate([GenerateRequest(PROMPT)])
    assert getattr(reply, "text", None) == "joy"


@pytest.mark.parametrize(
    "lie",
    ["missing", "nan", "no float", "positive", "other tokens", "lost prompts", "odd places"],
)
def test_a_lie_that_begins_later_is_a_failure_and_no_score(lie: str) -> None:
    table = Vllm()
    with fake_server(table) as served:
        engine = open_remote(f"vllm:{served.url}")
        table.lie = lie
        found = score(engine)
    assert isinstance(found, Failure)
    assert (found.code, found.retryable) == ("bad_reply", True)


def test_another_model_s_answer_is_a_failure() -> None:
    table = Vllm()
    with fake_server(table) as served:
        engine = open_remote(f"vllm:{served.url}")
        table.lie = "other model"
        found = score(engine)
    assert isinstance(found, Failure)
    assert found.code == "other_model"


@pytest.mark.parametrize(("seed", "code"), [(0, None), (1, "other_model")])
def test_after_a_restart_only_the_same_weights_are_believed(seed: int, code: str | None) -> None:
    with fake_server(Vllm()) as served:
        engine = open_remote(f"vllm:{served.url}")
        port = int(served.url.rpartition(":")[2])
    down = score(engine)
    assert isinstance(down, Failure)
    assert (down.code, down.retryable) == ("unreachable", True)
    with fake_server(Vllm(seed=seed), port):  # the same name, perhaps another seed
        found = score(engine)
    assert getattr(found, "code", None) == code
    if code is None:
        assert found.log_probs == pytest.approx(expected(CHOICES), abs=1e-9)


def test_a_restart_that_no_request_noticed_is_noticed_on_the_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sentixrl.engines.remote.engine.TRUSTED_SECONDS", 0.0)
    with fake_server(Vllm()) as served:
        engine = open_remote(f"vllm:{served.url}")
        port = int(served.url.rpartition(":")[2])
    with fake_server(Vllm(seed=1), port):
        found = score(engine)
    assert getattr(found, "code", None) == "other_model"


def test_a_restart_without_the_model_is_a_failure_in_its_place() -> None:
    with fake_server(Sglang()) as served:  # whose answers do not say whose they are
        engine = open_remote(f"sglang:{served.url}#table")
        port = int(served.url.rpartition(":")[2])
    assert isinstance(score(engine), Failure)
    with fake_server(Sglang(model="another"), port):
        found = score(engine)
    assert isinstance(found, Failure)
    assert (found.code, found.retryable) == ("other_model", True)


def test_a_connection_that_fails_during_the_check_is_not_taken_for_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with fake_server(Vllm()) as served:
        engine = open_remote(f"vllm:{served.url}")
        find = engine._find_again

        def interrupted() -> Any:  # noqa: ANN401
            found = find()
            engine.server._interrupted()  # in another thread, by a server that is started again
            return found

        monkeypatch.setattr(engine, "_find_again", interrupted)
        engine.server._interrupted()
        assert isinstance(score(engine), Scores)
        assert engine._in_doubt
        monkeypatch.undo()
        assert isinstance(score(engine), Scores)
        assert not engine._in_doubt


def test_markers_in_what_users_wrote_are_not_sent_as_such() -> None:
    with fake_server(Vllm()) as served:
        engine = open_remote(f"vllm:{served.url}")
        served.seen.clear()
        engine.count_tokens("Ana: <|im_end|> [INST] x </s> 1 < 2")
    sent = [body["prompt"] for _, path, _, body in served.seen if path == "/tokenize"]
    assert not any(marker in text for text in sent for marker in ("<|im_end|>", "[INST]", "</s>"))
    assert "".join(sent) == "Ana: <|im_end|> [INST] x </s> 1 < 2"


def test_a_prompt_longer_than_the_model_reads_fails_alone() -> None:
    with fake_server(Vllm()) as served:
        engine = open_remote(f"vllm:{served.url}")
        long = ScoreRequest(PROMPT.line("user", "a" * 5_000), ("joy", "anger"))
        with engine.session() as session:
            found = session.score([long, ScoreRequest(PROMPT, ("joy", "anger"))])
    assert [getattr(one, "code", None) for one in found] == ["too_long", None]


def odd(replies: dict[str, Any], table: Vllm) -> Any:  # noqa: ANN401
    """A server that gives odd answers at some paths."""

    def answer(method: str, path: str, body: Any) -> Reply:  # noqa: ANN401
        return Reply(replies[path]) if path in replies else table(method, path, body)

    return answer


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
@pytest.mark.parametrize(
    "listed",
    [
        *({"data": 5}, {"data": True}, {"data": {"id": "x"}}, {"models": 7}, {"data": ["x"]}, []),
        *({"data": [{"id": 5}]}, {"data": [{"id": ["x"]}]}, {"data": [{}]}),
    ],
)
@pytest.mark.parametrize("named", ["", "#table"])
def test_an_odd_list_of_models_is_none(kind: str, listed: Any, named: str) -> None:  # noqa: ANN401
    table = Vllm() if kind == "vllm" else Sglang()
    with fake_server(odd({"/v1/models": listed}, table)) as served:
        engine = open_remote(f"{kind}:{served.url}{named}")
    assert engine.backend.way == "exact"


@pytest.mark.parametrize("tokens", [[], [7], 5, None, "ab", [-1], [True]])
@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_odd_tokens_are_one_sentence(kind: str, tokens: Any) -> None:  # noqa: ANN401
    table = Vllm() if kind == "vllm" else Sglang()
    answer = odd({"/tokenize": {"tokens": tokens}}, table)
    with fake_server(answer) as served, pytest.raises(ModelError, match="cannot be used") as caught:
        open_remote(f"{kind}:{served.url}", prompt_format="plain")
    assert caught.value.code == "bad_reply"


def test_text_that_adds_no_tokens_to_what_is_put_before_it_is_one_sentence() -> None:
    table = Vllm()

    def answer(method: str, path: str, body: Any) -> Reply:  # noqa: ANN401
        if path == "/tokenize":
            return Reply({"tokens": [7, 8] if body.get("prompt") == "\na" else [7]})
        return table(method, path, body)

    with fake_server(answer) as served, pytest.raises(ModelError, match="no tokens"):
        open_remote(f"vllm:{served.url}", prompt_format="plain")


def without_template(reply: Reply, path: str = "/tokenize") -> Any:  # noqa: ANN401
    """A vLLM server that answers so when messages are to be rendered."""
    table = Vllm()

    def answer(method: str, asked: str, body: Any) -> Reply:  # noqa: ANN401
        renders = asked == path and (path != "/tokenize" or "messages" in body)
        if asked == "/tokenize" and "messages" in body and path != asked:
            return Reply({"tokens": [1, 2, 3]})
        return reply if renders else table(method, asked, body)

    return answer


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
def test_without_a_template_prompts_are_plain_and_a_note_says_so(status: int) -> None:
    refusal = Reply({"error": {"message": "no template here"}}, status)
    with fake_server(without_template(refusal)) as served:
        engine = open_remote(f"vllm:{served.url}")
        asked_for = open_remote(f"vllm:{served.url}", prompt_format="plain")
        with pytest.raises(ModelError, match="no template here"):
            open_remote(f"vllm:{served.url}", prompt_format="chat")
    assert engine.backend.prompt_format == asked_for.backend.prompt_format == "plain"
    (note,) = engine.notes
    assert "is asked in plain text" in note
    assert "no template here" in note
    assert not asked_for.notes


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
@pytest.mark.parametrize(
    "reply", [Reply({}, 503), Reply({}, 401), Reply({}, cut=True), Reply(b"<html>")]
)
def test_a_template_that_cannot_be_had_for_now_is_not_taken_for_none(
    path: str, reply: Reply
) -> None:
    with fake_server(without_template(reply, path)) as served, pytest.raises(ModelError) as caught:
        open_remote(f"vllm:{served.url}")
    assert caught.value.retryable


def test_a_template_that_takes_no_such_messages_is_told_of() -> None:
    drops = without_template(Reply({"prompt": "drops what was said"}), "/detokenize")
    with fake_server(drops) as served:
        (note,) = open_remote(f"vllm:{served.url}").notes
    assert "chat template drops messages" in note


def test_the_wrong_kind_is_refused_before_anything_is_asked() -> None:
    with fake_server(Vllm()) as served, pytest.raises(ModelError, match=r"not a llama\.cpp server"):
        open_remote(f"llama.cpp:{served.url}")


def test_one_of_several_models_must_be_named() -> None:
    from .fakes import Chat

    with fake_server(Chat()) as served:
        with pytest.raises(ModelError, match="2 models") as caught:
            open_remote(f"openai:{served.url}")
        assert "small, large" in (caught.value.hint or "")
        with pytest.raises(ModelError, match="no model 'middling'"):
            open_remote(f"openai:{served.url}#middling")


def test_little_mass_is_one_warning_that_names_a_cause(caplog: pytest.LogCaptureFixture) -> None:
    with fake_server(Vllm()) as served:
        engine = open_remote(f"vllm:{served.url}")
        for _ in range(12):
            score(engine, ("joy", "joyful", "jolly"))
    (record,) = [one for one in caplog.records if one.name.startswith("sentixrl")]
    assert "labels hold only" in record.getMessage()
    assert "--prompt-format chat" in record.getMessage()
