"""Every experiment of the project from beginning to end, in small: one seed and one track."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentixrl.cli.main import run
from sentixrl.experiments.plan_file import read_experiment

FOLDER = Path(__file__).parents[2] / "experiments"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_runs_in_small(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentixrl.experiments.smoke.TRACKS", 1)
    few = {"train": 12, "dev": 4, "test": 4}
    monkeypatch.setattr("sentixrl.experiments.smoke.DIALOGUES", few)
    words = ["experiment", str(path), "--smoke", "--test", "--seeds", "1"]
    assert run([*words, "--results", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "smoke" / f"{path.stem}.json").read_text("utf-8"))
    wanted = read_experiment(path)
    combined = {name: made.combine for name, made in wanted.conditions.items() if made.combine}
    of_two_seeds = {name for name, how in combined.items() if how.how == "seeds"}
    compared = [one.title for one in wanted.family if not of_two_seeds & set(one.terms)]
    for split in ("dev", "test"):
        told = found["splits"][split]
        assert list(told["conditions"]) == list(wanted.conditions)
        assert [one["title"] for one in told["family"] if one["found"]] == compared
