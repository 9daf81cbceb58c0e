"""An experiment from beginning to end, over a tiny model and words of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from sentixrl.cli.main import run
from sentixrl.experiments import models
from sentixrl.experiments.jobs import trainings
from sentixrl.experiments.plan_file import read_experiment
from sentixrl.experiments.results import markdown, results_of
from sentixrl.experiments.running import Outcome, Setup, run_experiment
from sentixrl.experiments.smoke import in_small, write_model

from ..training.small import Noted, write_meld

DEV = {"dataset": "meld", "split": "dev"}
TEST = {"dataset": "meld", "split": "test"}
SMALL_RECIPE: dict[str, Any] = {
    "labels": "meld-7",
    "rank": 4,
    "window": {"history_max": 2, "history_min": 0},
    "optimiser": {"learning_rate": 3e-3, "pack_tokens": 256},
    "train": [{"dataset": "meld"}],
    "dev": [DEV],
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("training.model", "engines.local.loading"):
        monkeypatch.setattr(f"sentixrl.{room}.choose_dtype", lambda device: torch.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a model and the experiment's file."""
    folder = tmp_path_factory.mktemp("experiment")
    write_meld(folder / "data", train=20, dev=14, test=4)
    model = write_model(folder / "model")
    (folder / "small.yaml").write_text(yaml.safe_dump(plan(model), sort_keys=False), "utf-8")
    return folder


def plan(model: Path, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    recipe = {**SMALL_RECIPE, "base": str(model), "epochs": 1, "holdout": [TEST]}
    content: dict[str, Any] = {
        "name": "small",
        "question": "Does it run?",
        "metric": "accuracy",
        "seeds": [0, 1],
        "data": {
            "meld": {"dev": DEV, "test": TEST},
            "gone": {"dev": {"dataset": "emorynlp", "split": "dev"}},
        },
        "recipe": recipe,
        "conditions": {
            "trained": {"train": {}},
            "no history": {"like": "trained", "ask": {"history": "off"}},
            "a stranger's": {"like": "trained", "ask": {"history": "stranger"}},
            "shown": {"like": "trained", "ask": {"demonstrations": {"count": 2}}},
            "record": {"like": "trained", "seeds": 1, "ask": {"rounds": 3}},
            "orders": {"like": "trained", "seeds": 1, "ask": {"orders": 2}},
            "majority": {"baseline": "majority"},
            "no model": {"model": str(model / "nothing")},
            "broken": {"train": {"loss": {"distil": 0.5}}},
            "two seeds": {"combine": {"how": "seeds", "of": ["trained"]}},
            "replayed": {"combine": {"how": "rounds", "of": ["record", "trained"], "objects": 0.5}},
            "merged": {"like": "trained", "seeds": 1, "unify": "plutchik-8"},
        },
        "family": [
            {"better": "trained", "than": "majority"},
            {"better": "trained", "than": "no model"},
        ],
    }
    return {**content, **changes}


def whole(place: Path, out: str, *, test: bool = False) -> tuple[Outcome, Noted]:
    noted = Noted()
    setup = Setup(place / "data", place / out, test, place / "ledger.jsonl", noted.reporter)
    return run_experiment(read_experiment(place / "small.yaml"), setup), noted


def test_what_can_be_run_is_run_and_the_rest_is_listed(place: Path) -> None:
    outcome, noted = whole(place, "out")
    kept = {(key[0], key[2]) for key in outcome.held}
    assert {key[3:] for key in outcome.held} == {("meld", "dev")}
    assert kept == {
        ("trained", 0), ("trained", 1), ("no history", 0), ("no history", 1), ("shown", 0),
        ("shown", 1), ("a stranger's", 0), ("a stranger's", 1), ("record", 0), ("orders", 0),
        ("majority", None), ("two seeds", 0), ("two seeds", 1), ("replayed", 0), ("merged", 0),
    }  # fmt: skip
    assert "no folder" in outcome.left["gone (dev)"]
    assert any(what.startswith("no model") for what in outcome.left)
    assert any("distil" in why for what, why in outcome.left.items() if "broken" in what)
    assert sum(said.startswith("Training in") for said in noted.said) == 2
    turns = {len(held) for key, held in outcome.held.items() if key[0] != "merged"}
    assert turns == {42}
    found = results_of(read_experiment(place / "small.yaml"), outcome)
    page = markdown(found)
    assert "| no model | not run | – | – |" in page
    assert "| condition (dev, accuracy) | meld | seconds | seeds |" in page
    assert "Not run: trained against no model." in found["splits"]["dev"]["verdict"]
    assert "| record | " in page
    assert "one seed" in page


def test_nothing_is_done_twice(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = whole(place, "out")

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("it trained again")

    monkeypatch.setattr(models, "train_bundle", refuse)
    again, noted = whole(place, "out")
    asked = [said for said in noted.said if said.startswith(("Training", "Asking"))]
    assert asked == ["Asking no model about meld/dev."]
    assert again.held.keys() == first.held.keys()
    for key, held in first.held.items():
        assert again.held[key].answers.tolist() == held.answers.tolist()


def test_test_is_looked_at_only_when_asked_and_each_look_is_logged(place: Path) -> None:
    assert not (place / "ledger.jsonl").exists()
    outcome, _ = whole(place, "out", test=True)
    assert {key[4] for key in outcome.held} == {"dev", "test"}
    lines = [json.loads(line) for line in (place / "ledger.jsonl").read_text().splitlines()]
    assert {line["split"] for line in lines} == {"test"}
    assert len({line["run"] for line in lines}) == len(lines) >= 10
    whole(place, "out", test=True)
    assert len((place / "ledger.jsonl").read_text().splitlines()) == len(lines)


def test_the_command_writes_table_data_and_figure(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["experiment", str(place / "small.yaml"), "--data", str(place / "data")]
    code = run([*words, "--out", str(place / "out")])
    caught = capsys.readouterr()
    assert code == 2  # some could not be run
    assert caught.out.startswith("On dev: differences in points of ")
    assert "Not run: gone (dev)" in caught.err
    results = tmp_path / "results/experiments"
    assert {path.name for path in results.iterdir()} == {"small.md", "small.json", "small.svg"}
    assert "Traceback" not in caught.err
    assert run([*words, "--out", str(place / "other"), "--estimate"]) == 0
    assert "all that can be run" in capsys.readouterr().out


def test_in_small_every_experiment_keeps_its_conditions_and_names_no_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentixrl.experiments.smoke.write_model", lambda folder: folder)
    for path in (Path(__file__).parents[2] / "experiments").glob("*.yaml"):
        experiment = read_experiment(path)
        small = in_small(experiment, tmp_path / path.stem)
        assert list(small.conditions) == list(experiment.conditions), path
        assert len(small.family) == len(experiment.family)
        recipes = [recipe for _, recipe in trainings(small)]
        parts = [part for recipe in recipes for part in (*recipe.train, *recipe.dev)]
        parts += [place.dev for place in small.data.values()]
        assert {part.dataset for part in parts} <= {"custom", "brighter"}
        assert {recipe.base for recipe in recipes} <= {str(tmp_path / path.stem / "model")}


def test_changed_data_are_trained_on_anew(place: Path) -> None:
    before, _ = whole(place, "out")
    file = place / "data/meld/train_sent_emo.csv"
    content = file.read_text("utf-8")
    file.write_text(content.replace("walked", "ran"), "utf-8")
    try:
        _, noted = whole(place, "out")
    finally:
        file.write_text(content, "utf-8")
    assert sum(said.startswith("Training in") for said in noted.said) == 2
    again, noted = whole(place, "out")
    assert not [said for said in noted.said if said.startswith("Training in")]
    assert again.held.keys() == before.held.keys()
