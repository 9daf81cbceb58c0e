"""``sentixrl compare``: what it prints and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sentixrl.cli.main import app
from sentixrl.datasets import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError, SentixError
from sentixrl.evaluation.running import answer_all
from sentixrl.runs import RunFolder
from tests.runs.small import classifier, dataset, identity

Compare = Callable[..., Result]
DATA = dataset()


def write(folder: Path, seed: int, data: Dataset = DATA, dialogues: int | None = None) -> Path:
    """A run of a model that depends on the seed."""
    model = classifier(seed)
    with RunFolder(folder, identity(model, data)) as run:
        part = data.dialogues[:dialogues]
        answer_all(model, part, run)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("a1", 1), ("a2", 2), ("b1", 3), ("b2", 4)):
        write(folder / name, seed)
    write(folder / "half", 5, dialogues=6)
    write(folder / "other", 5, dataset(11))
    relabelled = replace(DATA, dialogues=tuple(_regrouped(DATA)))
    write(folder / "regrouped", 6, relabelled)
    return folder


def _regrouped(data: Dataset) -> Iterator[Dialogue]:
    for dialogue in data:
        yield replace(dialogue, group=None)


@pytest.fixture
def compare(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    monkeypatch.chdir(runs)
    monkeypatch.setenv("COLUMNS", "160")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["compare", *arguments])

    return invoke


def refused(result: Result, kind: type[SentixError]) -> SentixError:
    assert isinstance(result.exception, kind), result.output
    return result.exception


def test_two_runs(compare: Compare) -> None:
    output = compare("a1", "b1").output
    assert "a1 → b1" in output
    words = ("accuracy", "weighted-F1", "macro-F1", "95% interval", "permutation", "McNemar")
    for word in (*words, "independent"):
        assert word in output
    for label in DATA.label_set.names:
        assert label in output
    assert "Holm" not in output
    assert "three seeds" in " ".join(output.split())
    assert "too rough to rely on" in " ".join(output.split())  # a handful of clusters


def test_json_says_the_same(compare: Compare) -> None:
    result = CliRunner().invoke(app, ["compare", "a1", "b1", "--json"])
    found = json.loads(result.stdout)
    (pair,) = found["pairs"]
    assert found["n"] == DATA.labelled
    assert found["n_clusters"] == len(DATA.groups)
    assert found["answer"] == "forced"
    assert pair["mcnemar"]["assumes"] == "independent items"
    assert set(pair["metrics"]) == {"accuracy", "weighted_f1", "macro_f1"}
    first = compare("a1", "a2", "--json", "--answer", "strict").stdout
    assert first == compare("a1", "a2", "--json", "--answer", "strict").stdout


def test_more_than_two_are_adjusted(compare: Compare) -> None:
    output = compare("a1", "a2", "b1").output
    assert "p (Holm)" in output
    assert "a1 → b1" in output
    assert "a2 → b1" not in output
    assert "a2 → b1" in compare("a1", "a2", "b1", "--all").output


def test_seeds_are_grouped(compare: Compare) -> None:
    output = compare("--seeds", "a1,a2", "b1,b2").output
    assert "a1, a2 → b1, b2" in output
    assert "seeds and clusters" in output
    assert "McNemar" not in output
    assert "three seeds" not in output
    assert "one run" not in output


def test_one_run_against_several_is_said_to_be_too_sure(compare: Compare) -> None:
    output = " ".join(compare("--seeds", "a1", "b1,b2").output.split())
    assert "a1 has one run, which the p-values take as it is" in output
    assert "McNemar" not in output


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (("a1",), ConfigError, "at least two systems; there is 1"),
        (("--seeds", "a1,a2"), ConfigError, "at least two systems"),
        (("a1", "./a1"), ConfigError, "named twice"),
        (("a1", "none"), InputError, "none is not a run folder"),
        (("a1", "half"), InputError, "half is not finished: it holds 6 of 12 dialogues"),
        (("a1", "other"), InputError, "a1 and other were made with different data"),
        (("a1", "regrouped"), InputError, "cluster of dialogue 'd0', turn 2, is 'v0' in one"),
    ],
)
def test_what_cannot_be_compared(
    compare: Compare,
    arguments: tuple[str, ...],
    kind: type[SentixError],
    says: str,
) -> None:
    assert says in refused(compare(*arguments), kind).message


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda record: record["identity"].update(labels=5), "has no 'name' under 'labels'"),
        (lambda record: record["identity"]["data"].pop("data_hash"), "has no 'data_hash' under"),
        (lambda record: record["identity"]["data"].pop("limit"), "has no 'limit' under 'data'"),
        (lambda record: record["identity"]["labels"].update(names=[1, 2]), "has no 'names' under"),
        (lambda record: record.pop("run"), "is not the record of a run"),
        (lambda record: record.update(sessions=None), "is not the record of a run"),
    ],
)
def test_a_record_that_was_changed_by_other_means_is_refused(
    compare: Compare, runs: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], says: str
) -> None:
    spoiled = shutil.copytree(runs / "a2", tmp_path / "spoiled")
    record = json.loads((spoiled / "run.json").read_text("utf-8"))
    spoil(record)
    (spoiled / "run.json").write_text(json.dumps(record), "utf-8")
    assert says in refused(compare("a1", str(spoiled)), InputError).message


@pytest.mark.parametrize("words", [("", ""), ("--seeds", ",", "a1"), ("--seeds", "a1", ",")])
def test_a_system_without_a_run_is_refused(compare: Compare, words: tuple[str, ...]) -> None:
    assert "names no run folder" in refused(compare(*words), ConfigError).message
