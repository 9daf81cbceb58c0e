"""A verifier in an experiment: from its training to the verdict on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import sentixrl
from sentixrl import Dialogue, Utterance
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import Scorer, ScriptedEngine
from sentixrl.errors import ConfigError
from sentixrl.experiments.estimate import estimate
from sentixrl.experiments.held import Held
from sentixrl.experiments.plan_file import read_experiment
from sentixrl.experiments.results import markdown, results_of, runs_of
from sentixrl.experiments.running import Outcome, Setup, run_experiment
from sentixrl.experiments.smoke import write_model
from sentixrl.experiments.verifying import VerifierSystem, identity_of, spread
from sentixrl.prediction import Status

from ..training.small import Noted, write_meld
from .test_combining import NAMES, held
from .test_running import DEV, SMALL_RECIPE

TALK = Dialogue("d", tuple(Utterance(f"Line {n}", gold="joy") for n in range(3)), language="en")
LOG_PROBS = np.log([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
FIRST = Held(
    NAMES, NAMES, (("d", 0), ("d", 2)), np.array([0, 0]), np.array([0, 0]), LOG_PROBS,
    LOG_PROBS.argmax(1), np.ones(2),
)  # fmt: skip


def system(score: Scorer, of: Held = FIRST, labels: tuple[str, ...] = NAMES) -> VerifierSystem:
    return VerifierSystem(sentixrl.load(ScriptedEngine(score), labels=list(labels)), of)


def test_the_two_labels_have_what_the_verifier_gives_and_others_what_it_leaves() -> None:
    assert spread((0.6, 0.3, 0.1), (1, 0), LOG_PROBS[0]) == pytest.approx([0.3, 0.6, 0.1])
    four = np.log([0.4, 0.3, 0.2, 0.1])
    assert spread((0.5, 0.2, 0.3), (0, 1), four) == pytest.approx([0.5, 0.2, 0.2, 0.1])
    assert spread((0.6, 0.2, 0.2), (0, 1), np.log([0.5, 0.5])) == pytest.approx([0.75, 0.25])


def test_it_answers_between_the_first_two_labels_of_the_turns_that_were_answered() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
        return [{"anger": 8.0, "neither": 1.0}.get(choice, 1.0) for choice in choices]

    (found,) = system(score).predict_many([TALK])
    assert [item.status for item in found.items] == [Status.SINGLE, Status.INVALID, Status.SINGLE]
    assert [item.label for item in found.items] == ["anger", None, "anger"]
    shares = found.items[0].probabilities
    assert shares is not None
    assert [shares[name] for name in NAMES] == pytest.approx([0.1, 0.8, 0.1])
    assert found.items[0].tokens > 0


def test_a_question_that_fails_is_an_error_of_its_turn() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float] | Failure:
        return Failure("too_long", "It does not fit.") if "Line 2" in prompt.text else [3, 2, 1]

    (found,) = system(score).predict_many([TALK])
    assert [item.status for item in found.items] == [Status.SINGLE, Status.INVALID, Status.ERROR]


def test_answers_under_other_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match="under its own labels"):
        system(lambda prompt, choices: [1, 1, 1], labels=("joy", "anger", "fear"))


def test_other_answers_to_decide_between_are_another_question() -> None:
    kept = replace(FIRST, log_probs=FIRST.log_probs.astype(np.float32).astype(float))
    assert identity_of(kept) == identity_of(FIRST)
    assert identity_of(replace(FIRST, log_probs=FIRST.log_probs[::-1])) != identity_of(FIRST)


SMALL: dict[str, Any] = {
    "name": "small",
    "question": "Does it run?",
    "metric": "accuracy",
    "data": {"meld": {"dev": DEV}},
    "recipe": {**SMALL_RECIPE, "epochs": 2},
    "conditions": {
        "generator": {"train": {}},
        "verifier": {
            "train": {"verifier": {"folds": 2, "epochs": 1, "evidence": 1, "by": "tfidf"}},
            "ask": {"pairs": "generator"},
        },
        "same question": {"like": "generator", "ask": {"pairs": "generator"}},
        "majority": {"baseline": "majority"},
        "alone, of two": {
            "combine": {"how": "pair", "of": ["generator", "generator"], "decidable": True}
        },
        "of two": {
            "combine": {"how": "pair", "of": ["generator", "verifier"], "decidable": True}
        },
        "then verifier": {
            "combine": {"how": "pair", "of": ["generator", "verifier"], "share": 0.5}
        },
    },
    "family": [{"better": "of two", "than": "alone, of two", "least": 0.9}],
    "signals": {"free test": {"of": "majority", "by": "generator", "least": 0.01}},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and the experiment's file."""
    folder = tmp_path_factory.mktemp("verifying")
    write_meld(folder / "data", train=20, dev=14, test=4)
    content = {**SMALL, "recipe": {**SMALL["recipe"], "base": str(write_model(folder / "model"))}}
    (folder / "small.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return folder


def run(place: Path, out: str = "out", only: frozenset[str] | None = None) -> tuple[Outcome, Noted]:
    noted = Noted()
    setup = Setup(place / "data", place / out, False, None, noted.reporter, only=only)
    return run_experiment(read_experiment(place / "small.yaml"), setup), noted


def test_an_experiment_trains_asks_and_judges_a_verifier(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("training.model", "engines.local.loading"):
        monkeypatch.setattr(f"sentixrl.{room}.choose_dtype", lambda device: torch.float32)
    experiment = read_experiment(place / "small.yaml")
    before = estimate(experiment, place / "data", place / "out", test=False)
    assert all(item.seconds > 0 for item in before)
    outcome, noted = run(place)
    assert outcome.left == {}
    kept = {key[0]: one for key, one in outcome.held.items()}
    assert list(kept) == list(SMALL["conditions"])
    assert kept["verifier"].keys == kept["generator"].keys
    assert kept["verifier"].seconds.sum() > 0
    assert np.exp(kept["verifier"].log_probs).sum(1) == pytest.approx(1, abs=1e-4)
    assert len(kept["alone, of two"]) == len(kept["of two"]) < len(kept["generator"])
    assert sum("fold-" in said for said in noted.said) >= 2

    found = results_of(experiment, outcome)
    assert "dead: it has to reach +90" in found["splits"]["dev"]["verdict"]
    (signal,) = found["splits"]["dev"]["signals"]
    assert signal["why"] == ""
    assert signal["found"]["turns"] == 42
    assert "| free test | meld | " in markdown(found)

    again, noted = run(place)
    assert not [said for said in noted.said if said.startswith(("Training", "Asking"))]
    for key, one in outcome.held.items():
        assert again.held[key].answers.tolist() == one.answers.tolist()
    after = estimate(experiment, place / "data", place / "out", test=False)
    assert sum(item.seconds for item in after) < sum(item.seconds for item in before)


def test_seeds_that_count_other_turns_stand_side_by_side(place: Path) -> None:
    """One seed's first two labels may leave out all turns of the last cluster."""
    experiment = read_experiment(place / "small.yaml")
    whole = held(1, 1.0)
    early = whole.only(whole.cluster < 50)
    outcome = Outcome(
        {("of two", "", seed, "meld", "dev"): one for seed, one in enumerate((whole, early))}
    )
    tallies = runs_of(experiment, outcome, "dev")["of two"]["meld"]
    assert tallies.shape == (2, 60, 1, 3, 3)
    assert tallies[1, 50:].sum() == 0
    assert tallies[1, :50].tolist() == tallies[0, :50].tolist()


def test_what_is_not_wanted_is_left_without_a_word(place: Path) -> None:
    outcome, _ = run(place, "alone", frozenset({"majority"}))
    assert {key[0] for key in outcome.held} == {"majority"}
    assert outcome.left == {}


def test_without_answers_to_decide_between_the_reason_is_said(place: Path) -> None:
    outcome, _ = run(place, "alone", frozenset({"verifier"}))
    assert outcome.left == {
        "verifier, seed 0: meld (dev)": "There are no answers of 'generator' to be asked about."
    }
