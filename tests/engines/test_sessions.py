"""Sessions own their room, and every answer says what it cost: locally and by a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local import computing
from sentixrl.engines.local.computing import SHORTEST_PREAMBLE
from sentixrl.engines.local.engine import LocalEngine
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.options import EngineOptions, PromptFormatName
from sentixrl.engines.protocol import (
    Completion,
    Engine,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
    Usage,
)
from sentixrl.engines.scripted import ScriptedEngine

CHOICES = ("joy", "anger", "anger management", "deep melancholy")
BASE = Prompt().then("system", "Name the emotion.", "\nEmotions: joy, anger.")
MakeEngine = Callable[[int], Engine]


def prompt(*turns: str) -> Prompt:
    """A conversation and the question about its last turn."""
    return BASE.then("user", "\n".join(turns)).line("user", "Emotion?")


def ask(*turns: str) -> ScoreRequest:
    return ScoreRequest(prompt(*turns), CHOICES)


@pytest.fixture(params=["local", "scripted"])
def make_engine(request: pytest.FixtureRequest, tiny_model: Path) -> MakeEngine:
    """An engine whose sessions have so much room."""

    def local(room: int) -> LocalEngine:
        engine = open_engine(tiny_model, EngineOptions(dtype="float32", prompt_format="plain"))
        engine.session_tokens = room
        return engine

    def scripted(room: int) -> ScriptedEngine:
        return ScriptedEngine(
            lambda prompt, choices: [1.0] * len(choices),
            lambda prompt: "well then",
            session_tokens=room,
        )

    return local if request.param == "local" else scripted


def admitted(engine: Engine, requests: Sequence[ScoreRequest]) -> list[bool]:
    with engine.session() as session:
        return [session.admit(request) for request in requests]


REQUESTS = [ask(f"Ann: the letter {n}, {'kept all these years ' * n}") for n in range(6)]


def test_an_empty_session_admits_anything_and_a_full_one_no_more(make_engine: MakeEngine) -> None:
    assert admitted(make_engine(1), REQUESTS[:3]) == [True, False, False]
    assert admitted(make_engine(1_000_000), REQUESTS) == [True] * len(REQUESTS)


def test_what_is_admitted_counts_at_once_and_what_is_refused_not_at_all(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(100)
    with engine.session() as session:
        answers = [session.admit(request) for request in REQUESTS]
        assert answers[0]
        assert not all(answers)
        # Nothing was left behind by the refusal: what is short still finds room.
        assert not session.admit(REQUESTS[-1])
        taken = [request for request, there in zip(REQUESTS, answers, strict=True) if there]
        scores = session.score(taken)
    assert all(isinstance(answer, Scores) for answer in scores)
    with engine.session() as session:  # a new one has all its room again
        assert session.admit(REQUESTS[0])


def test_shared_tokens_take_no_room(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, EngineOptions(dtype="float32", prompt_format="plain"))
    first, longer = ask("Ann: no"), ask("Ann: no", "Bob: why?")
    alone = len(engine.prompt_format.encode(longer.prompt))
    engine.session_tokens = alone + 4
    with engine.session() as session:
        assert session.admit(longer)
        assert session.admit(longer), "it is there already"
        assert not session.admit(ask("Bob: all these years, and nobody said a word"))
    assert admitted(engine, [first, first, first]) == [True, True, True]


def test_a_prompt_that_does_not_fit_the_model_takes_no_room_and_fails(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, EngineOptions(dtype="float32"))
    long, short = ask("Ann: " + "no " * 2000), ask("Ann: no")
    with engine.session() as session:
        assert session.admit(long)
        assert session.admit(short)
        failure, scores = session.score([long, short])
    assert isinstance(failure, Failure)
    assert failure.code == "too_long"
    assert isinstance(scores, Scores)


def test_admitting_changes_no_score(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, EngineOptions(dtype="float32"))
    scores_of(engine, REQUESTS[0])  # whose cost holds the preamble
    found = []
    for admits in (True, False):
        with engine.session() as session:
            for request in REQUESTS[:3] if admits else ():
                assert session.admit(request)
            found.append(session.score(REQUESTS[:3]))
    for one, other in zip(*found, strict=True):
        assert isinstance(one, Scores)
        assert isinstance(other, Scores)
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-5)
        assert one.cost.tokens == other.cost.tokens


def scores_of(engine: LocalEngine, *asked: ScoreRequest) -> list[Scores]:
    """Each by itself, in a session of its own."""
    found = []
    for request in asked:
        with engine.session() as session:
            (answer,) = session.score([request])
        assert isinstance(answer, Scores)
        found.append(answer)
    return found


@pytest.fixture
def preambled(tiny_model: Path) -> LocalEngine:
    return open_engine(tiny_model, EngineOptions(dtype="bfloat16"))


@pytest.mark.parametrize("prompt_format", ["plain", "chat"])
def test_a_preamble_is_computed_once_and_whoever_comes_first_changes_no_bit(
    tiny_model: Path, prompt_format: PromptFormatName
) -> None:
    options = EngineOptions(dtype="bfloat16", prompt_format=prompt_format)
    one, other = open_engine(tiny_model, options), open_engine(tiny_model, options)
    first = scores_of(one, *REQUESTS)
    again = scores_of(other, *reversed(REQUESTS))[::-1]
    assert [answer.log_probs for answer in first] == [answer.log_probs for answer in again]
    shared = one.prompt_format.preamble(REQUESTS[0].prompt)
    assert shared >= SHORTEST_PREAMBLE
    assert len({tuple(one.prompt_format.encode(r.prompt)[:shared]) for r in REQUESTS}) == 1
    assert first[0].cost.tokens - again[0].cost.tokens == shared
    assert one.usage.tokens == other.usage.tokens
    one.preambles.clear()
    before = one.usage.tokens
    scores_of(one, *REQUESTS)
    assert one.usage.tokens - before == other.usage.tokens


def test_a_prompt_without_an_instruction_has_no_preamble(preambled: LocalEngine) -> None:
    bare = Prompt().then("user", "Ann: the letter, kept all these years.").line("user", "So?")
    alone = Prompt().then("system", "Name the emotion of Ann, who kept the letter for years.")
    for asked in (bare, alone):
        assert preambled.prompt_format.preamble(asked) < SHORTEST_PREAMBLE
        scores_of(preambled, ScoreRequest(asked, CHOICES))
    assert not preambled.preambles.tokens


def test_what_is_each_dialogues_own_is_no_preamble(preambled: LocalEngine) -> None:
    told = ("Name the emotion.", "\nEmotions: joy, anger.")
    first, *others = [
        Prompt().then("system", *told, f"\nSo said {name}: no. Joy.").then("user", "Ann: no")
        for name in ("Bob", "Cleo", "Dora")
    ]
    shared = preambled.prompt_format.preamble(first)
    assert shared == preambled.prompt_format.preamble(BASE.then("user", "Ann: no"))
    for prompt in (first, *others):
        scores_of(preambled, ScoreRequest(prompt, CHOICES))
    assert preambled.preambles.tokens == shared


def test_a_prompt_that_is_too_long_begins_nothing(preambled: LocalEngine) -> None:
    with preambled.session() as session:
        failure, scores = session.score([ask("Ann: " + "no " * 2000), REQUESTS[0]])
    assert isinstance(failure, Failure)
    assert isinstance(scores, Scores)
    assert scores.cost.tokens == preambled.usage.tokens


def test_closing_a_session_tells_what_it_freed(
    preambled: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(preambled.freed, "add", told.append)
    scores_of(preambled, REQUESTS[0])
    assert told[0] > 0


def test_preambles_kept_are_bounded(
    preambled: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "PREAMBLE_TOKENS", 100)
    asked = [
        ScoreRequest(
            Prompt().then("system", f"Name emotion no. {number}, please, of these words.")
            .then("user", "Ann: no"), CHOICES
        )
        for number in range(20)
    ]  # fmt: skip
    first = scores_of(preambled, *asked)
    assert 0 < preambled.preambles.tokens <= 100
    assert [one.log_probs for one in scores_of(preambled, *asked)] == [
        one.log_probs for one in first
    ]


def test_many_threads_compute_a_preamble_once(preambled: LocalEngine) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda request: scores_of(preambled, request)[0], REQUESTS * 8))
    serial = scores_of(preambled, *REQUESTS)
    assert [one.log_probs for one in found] == [one.log_probs for one in serial] * 8
    shared = preambled.prompt_format.preamble(REQUESTS[0].prompt)
    spent = sum(one.cost.tokens for one in found)
    assert spent == 8 * sum(one.cost.tokens for one in serial) + shared


words = st.lists(st.sampled_from(["no", "yes", "the letter", "rain"]), min_size=1, max_size=4)
talks = st.lists(words, min_size=1, max_size=4)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(talks, st.lists(st.booleans(), min_size=4, max_size=4), st.data())
def test_costs_add_up_to_usage(
    make_engine: MakeEngine, said: list[list[str]], admits: list[bool], data: st.DataObject
) -> None:
    engine = make_engine(1_000_000)
    requests = [ask(*talk) for talk in said]
    replies = [
        GenerateRequest(prompt(*talk), 3, choices=data.draw(st.sampled_from([None, CHOICES])))
        for talk in said
    ]
    before = engine.usage
    answers: list[Scores | Completion | Failure] = []
    with engine.session() as session:
        for request, admit in zip(requests, admits, strict=False):
            if admit:
                session.admit(request)
        answers += session.score(requests)
        answers += session.score(requests[:1])  # again, from what is kept
        answers += session.generate(replies)
    costs = [answer.cost for answer in answers if not isinstance(answer, Failure)]
    assert len(costs) == len(answers)
    used = engine.usage
    assert used.requests - before.requests == len(answers)
    assert sum(cost.tokens for cost in costs) == used.tokens - before.tokens
    assert min(cost.seconds for cost in costs) >= 0
    seconds = used.seconds - before.seconds
    assert sum(cost.seconds for cost in costs) == pytest.approx(seconds)


def test_usage_adds_up_by_parts() -> None:
    one, other = Usage(1, 2, 3, 4, 5, 6.0), Usage(10, 20, 30, 40, 50, 60.0)
    assert one + other == Usage(11, 22, 33, 44, 55, 66.0)
    assert one + Usage() == one


def test_facts_are_the_same_for_the_same_model_and_say_what_differs(tiny_model: Path) -> None:
    def facts(**options: str) -> dict[str, object]:
        return dict(open_engine(tiny_model, EngineOptions(**options)).describe())  # type: ignore[arg-type]

    plain = facts(dtype="float32", prompt_format="plain")
    assert plain == facts(dtype="float32", prompt_format="plain")
    assert plain["prompt_format"] == "plain"
    assert plain["dtype"] == "float32"
    chat = facts(dtype="bfloat16", prompt_format="chat")
    assert {name for name in plain if plain[name] != chat[name]} == {"prompt_format", "dtype"}


@pytest.mark.parametrize("choices", [CHOICES, ("joy", "anger")])
def test_the_mass_is_the_probability_of_the_choices_first_tokens(
    tiny_model: Path, choices: tuple[str, ...]
) -> None:
    import torch

    from sentixrl.engines.local._hf import load_model
    from sentixrl.engines.local.prompt_format import branches

    engine = open_engine(tiny_model, EngineOptions(dtype="float32", prompt_format="plain"))
    asked = ScoreRequest(prompt("Ann: no"), choices, mass=True)
    with engine.session() as session:
        unasked, measured = session.score([ask("Ann: no"), asked])
    assert isinstance(unasked, Scores)
    assert isinstance(measured, Scores)
    assert unasked.mass is None
    firsts = {choice[0] for choice in branches(engine.prompt_format, asked.prompt, choices)}
    ids = torch.tensor(engine.prompt_format.encode(asked.prompt))[None]
    with torch.no_grad():
        model = load_model(tiny_model, torch.float32, torch.device("cpu"))
        said = model(ids).logits[0, -1].softmax(-1)
    assert measured.mass == pytest.approx(sum(float(said[first]) for first in firsts), abs=1e-5)
