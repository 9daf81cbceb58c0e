"""An evaluation from Python: one call, a folder that goes on, and what failed in passing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sentixrl import Dialogue, DialoguePrediction
from sentixrl.classifier import Classifier
from sentixrl.context.prompt import Prompt
from sentixrl.datasets import Dataset
from sentixrl.engines.protocol import Failure, GenerateRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError, InputError, SentixError
from sentixrl.evaluation import build_items, evaluate, metrics_json
from sentixrl.evaluation.baselines import majority
from sentixrl.evaluation.intervals import Resampling
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.runs import METRICS_FILE, RunFolder, read_entries, read_metrics, read_run
from tests.negotiation.worlds import ENGLISH, LABELS
from tests.runs.small import classifier, dataset

DATA = dataset()
BUSY = Failure("busy", "The server is busy.", "Try again later.", retryable=True)


class Passing:
    """A script that fails in passing: the first time it is asked about some texts.

    Args:
        texts: What it fails about.
        failure: How.
    """

    def __init__(self, *texts: str, failure: Failure = BUSY) -> None:
        self.texts, self.failure = texts, failure
        self.asked: Counter[str] = Counter()

    def __call__(self, prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        target = prompt.messages[1].segments[-2]
        self.asked[target] += 1
        for text in self.texts:
            if text in target and self.asked[target] == 1:
                return self.failure
        return [2.0, *[1.0] * (len(choices) - 1)]


def single(script: Passing) -> Classifier:
    options = NegotiationOptions(enabled=False)
    return Classifier(ScriptedEngine(script), LABELS, ENGLISH, options)


def figures(metrics: dict[str, object]) -> dict[str, object]:
    """What does not depend on time and folder."""
    return {name: value for name, value in metrics.items() if name not in {"run", "speed"}}


def test_a_classifier_is_measured_by_one_call(tmp_path: Path) -> None:
    model = single(Passing())
    found = evaluate(model, DATA, tmp_path / "run")
    assert found == read_metrics(tmp_path / "run")
    assert found["n"] == DATA.labelled
    assert found["speed"]["utterances"] == sum(map(len, DATA))
    record = read_run(tmp_path / "run")
    assert record["identity"]["kind"] == "model"
    assert record["identity"]["model"]["name"] == "scripted"
    assert record["identity"]["negotiation"]["enabled"] is False
    assert record["identity"]["data"]["data_hash"] == DATA.data_hash
    assert len(record["sessions"]) == 1
    items = build_items(zip(DATA, model.predict_many(DATA), strict=True))
    direct = metrics_json(items, LABELS, how=Resampling(seed=0))
    for name in ("weighted_f1", "macro_f1", "accuracy", "per_class"):
        assert found[name] == direct[name]


def test_anything_that_labels_dialogues_is_measured_too(tmp_path: Path) -> None:
    found = evaluate(majority(DATA), DATA, tmp_path / "run", limit=5, seed=3)
    identity = read_run(tmp_path / "run")["identity"]
    assert identity["kind"] == "system"
    assert identity["model"]["name"] == type(majority(DATA)).__name__
    assert (identity["data"]["limit"], identity["data"]["seed"]) == (5, 3)
    assert len(read_entries(tmp_path / "run")) == 5
    assert found["speed"]["utterances_per_second"] is None
    evaluate(majority(DATA), DATA, tmp_path / "named", identity={"kind": "mine", "model": {}})
    assert read_run(tmp_path / "named")["identity"]["kind"] == "mine"


def test_a_run_that_was_stopped_goes_on_and_answers_nothing_twice(tmp_path: Path) -> None:
    whole = evaluate(single(Passing()), DATA, tmp_path / "whole")

    def stopping(
        dialogues: Sequence[Dialogue], predictions: Iterator[DialoguePrediction]
    ) -> Iterable[tuple[Dialogue, DialoguePrediction]]:
        for number, pair in enumerate(zip(dialogues, predictions, strict=True)):
            if number == 4:
                raise KeyboardInterrupt
            yield pair

    with pytest.raises(KeyboardInterrupt):
        evaluate(single(Passing()), DATA, tmp_path / "run", watch=stopping)
    assert not (tmp_path / "run" / METRICS_FILE).exists()
    kept = [entry.dialogue.id for entry in read_entries(tmp_path / "run")]
    assert kept == [dialogue.id for dialogue in DATA][:4]
    script = Passing()
    found = evaluate(single(script), DATA, tmp_path / "run")
    assert figures(found) | {"negotiation": None} == figures(whole) | {"negotiation": None}
    assert sum(script.asked.values()) == sum(len(dialogue) for dialogue in DATA.dialogues[4:])
    sessions = read_run(tmp_path / "run")["sessions"]
    assert [session["dialogues_before"] for session in sessions] == [0, 4]
    # A third time there is nothing to ask: the figures are made again from what is there.
    script = Passing()
    assert evaluate(single(script), DATA, tmp_path / "run") == found
    assert not script.asked
    assert len(read_run(tmp_path / "run")["sessions"]) == 2


def test_what_failed_in_passing_is_asked_again(tmp_path: Path) -> None:
    script = Passing("Line 1 of talk 2.", "Line 2 of talk 7.")
    model = single(script)
    with pytest.raises(SentixError, match=r"2 of 12 dialogues .* busy") as caught:
        evaluate(model, DATA, tmp_path / "run")
    assert caught.value.retryable
    assert caught.value.hint
    assert not (tmp_path / "run" / METRICS_FILE).exists()
    kept = {entry.dialogue.id for entry in read_entries(tmp_path / "run")}
    assert kept == {dialogue.id for dialogue in DATA} - {"d2", "d7"}
    found = evaluate(model, DATA, tmp_path / "run")
    assert found["negotiation"]["statuses"]["error"] == 0
    assert {text for text, times in script.asked.items() if times > 1} == {
        text for text in script.asked if "of talk 2." in text or "of talk 7." in text
    }
    undisturbed = evaluate(single(Passing()), DATA, tmp_path / "other")
    assert found["weighted_f1"] == undisturbed["weighted_f1"]


def test_what_failed_for_good_is_an_answer(tmp_path: Path) -> None:
    script = Passing("Line 1 of talk 2.", failure=replace(BUSY, retryable=False))
    found = evaluate(single(script), DATA, tmp_path / "run")
    assert found["negotiation"]["statuses"]["error"] == 1
    assert evaluate(single(script), DATA, tmp_path / "run") == found
    assert max(script.asked.values()) == 1


def test_other_settings_are_another_run(tmp_path: Path) -> None:
    evaluate(single(Passing()), DATA, tmp_path / "run")
    with pytest.raises(ConfigError, match="other settings"):
        evaluate(classifier(), DATA, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"data.limit was null and is now 3"):
        evaluate(single(Passing()), DATA, tmp_path / "run", limit=3)
    assert len(read_entries(tmp_path / "run")) == len(DATA)


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    def opened(run: RunFolder) -> None:
        with pytest.raises(ConfigError, match="Another process"):
            evaluate(single(Passing()), DATA, tmp_path / "run")

    evaluate(single(Passing()), DATA, tmp_path / "run", opened=opened)


def test_data_without_gold_labels_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    script = Passing()
    blank = replace(
        DATA,
        dialogues=tuple(
            replace(one, utterances=tuple(replace(turn, gold=None) for turn in one)) for one in DATA
        ),
    )
    with pytest.raises(InputError, match="nothing to score"):
        evaluate(single(script), blank, tmp_path / "run")
    assert not script.asked
    assert not (tmp_path / "run").exists()


def test_a_look_at_test_is_logged_once(tmp_path: Path) -> None:
    book = tmp_path / "ledger.jsonl"
    for _ in range(2):
        found = evaluate(single(Passing()), DATA, tmp_path / "run", ledger=book, command="mine")
    (line,) = map(json.loads, book.read_text().splitlines())
    assert line["run"] == found["run"]
    assert line["headline"]["weighted_f1"] == found["weighted_f1"]["value"]
    assert read_run(tmp_path / "run")["command"] == "mine"


@pytest.mark.parametrize("deduction", ["anchor", "utterance"])
def test_deductions_are_part_of_what_an_answer_cost(tmp_path: Path, deduction: str) -> None:
    engine = ScriptedEngine(Passing(), lambda prompt: "a garden")
    context = replace(ENGLISH, deduction=deduction)  # type: ignore[arg-type]
    model = Classifier(engine, LABELS, context, NegotiationOptions(enabled=False))
    long: Dataset = dataset(2, turns=30)
    found = evaluate(model, long, tmp_path / "run")
    assert any(isinstance(request, GenerateRequest) for request in engine.calls)
    assert found["speed"]["tokens"] == engine.usage.tokens
