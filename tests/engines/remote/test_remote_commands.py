"""Models on servers from the command line: what is said, what is resumed, what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import sentixrl
from benchmarks.llama_cpp import serving
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.options import EngineOptions, RemoteOptions
from sentixrl.errors import SentixError
from sentixrl.evaluation.running import Watch, evaluate, plainly
from sentixrl.labels import resolve_labels
from sentixrl.prediction import DialoguePrediction
from sentixrl.runs import read_entries
from tests.cli.shell import Shell, make_shell

from .fakes import Chat, Reply, Vllm, fake_server

__all__ = ["make_shell"]
LABELS = "calm, curious, annoyed"
TEXTS = ("The rain stopped.", "Is that right?", "Leave me alone.")


def test_it_is_said_where_texts_go_before_they_do(shell: Shell) -> None:
    with fake_server(Vllm()) as served:
        model = ("-m", f"vllm:{served.url}", "--labels", LABELS)
        answer = shell("classify", *model, "-t", TEXTS[0], "--json")
        host = served.url.removeprefix("http://")
    assert answer.code == 0, answer.err
    assert answer.objects[0]["model"] == "table"
    lines = answer.err.splitlines()
    assert lines[0] == f"Note: texts are sent to {host}."
    assert lines[-1].startswith(f"Asked of {host}: ")


def test_two_models_from_the_command_line(shell: Shell, tiny_model: Path) -> None:
    with fake_server(Vllm()) as served:
        models = ("-m", tiny_model, "--discriminator", f"vllm:{served.url}", "--dtype", "float32")
        shown = ("-t", TEXTS[0], "--labels", LABELS, "--show", "negotiation")
        answer = shell("classify", *models, *shown)
    assert answer.code == 0, answer.err
    assert tiny_model.name in answer.out
    assert "table" in answer.out


def test_what_cannot_be_scored_is_written_and_every_answer_is_read(shell: Shell) -> None:
    with fake_server(Chat(shown=0, says="Glad.")) as served:
        model = ("-m", f"openai:{served.url}#small", "--no-negotiate")
        answer = shell("classify", *model, "-t", TEXTS[0], "--labels", "glad, sad", "--json")
        (turn,) = answer.objects[0]["utterances"]
        assert (turn["label"], turn["probabilities"]) == ("glad", None)
        answer = shell("classify", *model, "-t", TEXTS[0], "--labels", "mild, sad", "--json")
        (turn,) = answer.objects[0]["utterances"]
    assert (turn["label"], turn["status"]) == (None, "invalid")
    assert "answers are written" in answer.err


def test_doctor_shows_what_a_server_is(shell: Shell) -> None:
    with fake_server(Vllm()) as served:
        answer = shell("doctor", f"vllm:{served.url}")
        lied = Vllm("shuffled")
        served.answer = lied
        downgraded = shell("doctor", f"vllm:{served.url}")
    assert answer.code == downgraded.code == 0
    for part in ("vllm 0.32.0", "table", "4,096 tokens", "exact", "SENTIXRL_KEY_127_0_0_1"):
        assert part in answer.flat
    assert "answers are written" in downgraded.flat


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Reply({}, 401), "does not accept the key"),
        (Reply({}, 503), "status 503"),
        (Reply(b"<html>Hello</html>"), "it is a web page"),
        (Reply({}, 302, {"Location": "http://elsewhere"}), "another address"),
        (Reply([]), "is not a vLLM server"),
    ],
)
def test_what_is_no_such_server_is_one_sentence(shell: Shell, answer: Reply, says: str) -> None:
    with fake_server(lambda *_: answer) as served:
        assert says in shell.refuses("classify", "-m", f"vllm:{served.url}", "-t", TEXTS[0])


def test_a_used_up_budget_is_a_failure_in_its_place(shell: Shell) -> None:
    with fake_server(Vllm()) as served:
        limited = ("-m", f"vllm:{served.url}", "--max-requests", "40", "--labels", LABELS, "--json")
        answer = shell("classify", *limited, "-", stdin="\n".join(["A: It rained."] * 60).encode())
    assert answer.code == 2
    turns = [turn for found in answer.objects for turn in found["utterances"]]
    assert {turn["error"]["code"] for turn in turns if turn["error"]} == {"budget"}
    assert "40 requests" in answer.err


def dataset(count: int) -> Dataset:
    dialogues = tuple(
        Dialogue(
            f"d{n}", (Utterance(f"{TEXTS[n % 3]} {n}", speaker="Ann", gold="calm"),), language="en"
        )
        for n in range(count)
    )
    return Dataset("toy", "dev", "emotion", resolve_labels(LABELS), dialogues)


def test_a_server_that_is_killed_and_started_again_loses_and_doubles_nothing(
    gguf: Path, tmp_path: Path
) -> None:
    data, folder = dataset(12), tmp_path / "run"
    options = EngineOptions(remote=RemoteOptions(concurrency=2, timeout=20))

    def measured(address: str, watch: Watch = plainly) -> dict[str, Any]:
        model = sentixrl.load(f"llama.cpp:{address}", labels=data.label_set, engine=options)
        return evaluate(model, data, folder, watch=watch)

    with serving(gguf, threads=1) as (address, process):

        def killing(left: Sequence[Dialogue], found: Iterator[DialoguePrediction]) -> Any:  # noqa: ANN401
            for place, pair in enumerate(zip(left, found, strict=True)):
                if place == 3:
                    process.kill()
                yield pair

        with pytest.raises(SentixError, match="could not be answered for now") as caught:
            measured(address, killing)
    assert caught.value.retryable
    kept = [entry.dialogue.id for entry in read_entries(folder)]
    assert 3 <= len(kept) < 12
    with serving(gguf, threads=1) as (address, _):  # at another port
        metrics = measured(address)
    assert metrics["n"] == 12
    finished = [entry.dialogue.id for entry in read_entries(folder)]
    assert finished[: len(kept)] == kept
    assert sorted(finished) == sorted(dialogue.id for dialogue in data)


def test_a_run_is_not_continued_by_another_model(tmp_path: Path) -> None:
    table = Vllm()
    data = dataset(2)

    def measured() -> dict[str, Any]:
        with fake_server(table) as served:
            model = sentixrl.load(f"vllm:{served.url}", labels=data.label_set)
            return evaluate(model, data, tmp_path / "run")

    measured()
    table.model = "another"
    with pytest.raises(SentixError, match="another"):
        measured()
