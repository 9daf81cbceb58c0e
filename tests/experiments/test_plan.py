"""Experiments as files: what they may say, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentixrl.datasets import Dataset
from sentixrl.errors import ConfigError
from sentixrl.experiments.jobs import (
    Cell,
    answers_about,
    cells,
    places_of,
    planned_places,
    recipe_of,
    trainings,
)
from sentixrl.experiments.plan import Ask, Condition
from sentixrl.experiments.plan_file import find_experiment, parse_experiment, read_experiment
from sentixrl.labels import scheme
from sentixrl.runs.identity import digest

FOLDER = Path(__file__).parents[2] / "experiments"
DEV = {"dataset": "meld", "split": "dev"}
SMALL: dict[str, Any] = {
    "name": "small",
    "question": "Does it?",
    "seeds": [0, 1],
    "data": {"meld": {"dev": DEV, "test": {"dataset": "meld", "split": "test"}}},
    "recipe": {"train": [{"dataset": "meld"}], "dev": [DEV], "loss": {"gamma": 1}},
    "conditions": {
        "one": {"train": {}},
        "other": {"train": {"loss": {"gamma": 2}}, "seeds": 1},
        "asked": {"like": "one", "ask": {"history": False}},
        "both": {"combine": {"how": "pool", "of": ["one", "asked"]}},
    },
    "family": [{"better": "other", "than": "one"}],
}


def changed(**keys: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**SMALL, **keys}


def test_every_experiment_here_can_be_read_and_makes_recipes() -> None:
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert names == {
        "ablation", "labels", "languages", "losses", "peers", "policies", "rounds", "second-role",
        "sizes", "zero-shot",
    }  # fmt: skip
    for path in FOLDER.glob("*.yaml"):
        experiment = read_experiment(path)
        assert experiment.name == path.stem
        for cell, recipe in trainings(experiment):
            assert recipe.seed == cell.seed
        for name in experiment.conditions:
            assert planned_places(experiment, name), name
            for cell in cells(experiment, name):
                assert places_of(experiment, cell), cell


def test_experiments_share_the_training_that_they_all_begin_from() -> None:
    whose = (
        ("ablation", "full", "meld"), ("labels", "own labels", "meld, own"),
        ("losses", "cross-entropy", "meld"), ("peers", "270m", "meld"),
        ("second-role", "generator", ""), ("sizes", "270m", ""),
    )  # fmt: skip
    second = (("labels", "own labels", "emorynlp, own"), ("peers", "270m", "emorynlp"))
    names, others = (
        {
            recipe_of(read_experiment(FOLDER / f"{file}.yaml"), Cell(condition, track, 0)).name
            for file, condition, track in told
        }
        for told in (whose, second)
    )
    assert (len(names), len(others)) == (1, 1)


def test_conditions_lie_over_tracks_over_the_recipe() -> None:
    experiment = parse_experiment(SMALL, "of the test")
    (first, *_), (other,) = cells(experiment, "one"), cells(experiment, "other")
    assert recipe_of(experiment, first).loss.gamma == 1
    assert recipe_of(experiment, other).loss.gamma == 2
    assert [cell.seed for cell in cells(experiment, "one")] == [0, 1]
    assert experiment.conditions["asked"].ask.history == "off"


def test_a_combined_condition_has_the_places_of_all_that_it_combines() -> None:
    data = dict.fromkeys(("a", "b", "c"), SMALL["data"]["meld"])
    conditions = {
        "one": {"train": {}, "places": ["a", "b"]},
        "other": {"like": "one", "places": ["c", "b"]},
        "both": {"combine": {"how": "pool", "of": ["one", "other"]}},
        "where": {"combine": {"how": "bias", "of": ["one"]}, "places": ["b", "c"]},
    }
    experiment = parse_experiment(changed(data=data, conditions=conditions, family=[]), "here")
    found = {name: planned_places(experiment, name) for name in conditions}
    assert found == {"one": ["a", "b"], "other": ["b", "c"], "both": ["b"], "where": ["b"]}


def test_a_changed_recipe_is_another_training_and_a_shared_one_the_same() -> None:
    before = {recipe.name for _, recipe in trainings(parse_experiment(SMALL, "x"))}
    assert len(before) == 3
    more = {**SMALL["recipe"], "epochs": 4}
    after = {recipe.name for _, recipe in trainings(parse_experiment(changed(recipe=more), "x"))}
    assert not before & after
    renamed = parse_experiment(changed(name="renamed"), "x")
    assert before == {recipe.name for _, recipe in trainings(renamed)}


def test_a_grid_stands_for_one_condition_per_combination() -> None:
    grid = {
        "one": {"train": {}},
        "{n} at {rate}": {
            "grid": {"n": [1, 2], "rate": [0.1, 0.2]},
            "group": "at {rate}",
            "like": "one",
            "ask": {"rounds": "{n}"},
        },
    }
    found = parse_experiment(changed(conditions=grid, family=[]), "x").conditions
    assert list(found) == ["one", "1 at 0.1", "1 at 0.2", "2 at 0.1", "2 at 0.2"]
    assert (found["2 at 0.1"].ask.rounds, found["2 at 0.1"].group) == (2, "at 0.1")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"data": {"m": {"dev": {"dataset": "meld", "split": "test"}}}}, "decides nothing"),
        ({"conditions": {"one": {}}}, "exactly one of train, model, like"),
        ({"conditions": {"one": {"train": {}, "model": "default"}}}, "it has 2"),
        ({"conditions": {"one": {"like": "gone"}}}, "'gone', which is not there"),
        (
            {"conditions": {"one": {"combine": {"how": "pool", "of": ["two", "two"]}},
                            "two": {"train": {}}}},
            "stands before 'two'",
        ),
        ({"family": [{"better": "one"}]}, "needs 'better' and 'than'"),
        ({"family": [{"better": "one", "than": "none"}]}, "'none', which is not there"),
        ({"metric": "loss"}, "'metric'"),
        (
            {"conditions": {"v": {"train": {}, "ask": {"pairs": "one"}}, "one": {"train": {}}}},
            "'v' stands before 'one'",
        ),
        (
            {"conditions": {"one": {"train": {}},
                            "both": {"combine": {"how": "bias", "of": ["one"]}},
                            "v": {"like": "one", "ask": {"pairs": "both"}}}},
            "'v' asks about 'both', which is combined",
        ),
        (
            {"conditions": {"one": {"train": {}, "ask": {"pairs": "one", "orders": 2}}}},
            "'pairs' and 'orders' exclude each other",
        ),
        (
            {"conditions": {"one": {"train": {}},
                            "two": {"combine": {"how": "bias", "of": ["one"], "decidable": True}}}},
            "'decidable' is for 'pair'",
        ),
        ({"signals": {"s": {"of": "one", "by": "none"}}}, "signal 's' names 'none'"),
        ({"conditons": {}}, "unknown key 'conditons'"),
        ({"conditions": {"one": {"model": "x", "unify": "nothing"}}}, "no maps to 'nothing'"),
        ({"conditions": {"a": {"grid": {"n": list(range(600))}, "model": "x"}}}, "more than 500"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_one_sentence(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_experiment(changed(**{"family": [], **keys}), "of the test")


def test_an_unknown_key_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment(changed(conditons={}), "x")
    assert caught.value.hint == "Did you mean 'conditions'?"


def test_an_unknown_experiment_is_named_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(FOLDER.parent)
    assert find_experiment("rounds") == Path("experiments/rounds.yaml")
    with pytest.raises(ConfigError, match="no experiment 'runds'") as caught:
        find_experiment("runds")
    assert "rounds" in (caught.value.hint or "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no experiment"):
        find_experiment("rounds")


def test_the_second_role_shares_its_generators_with_the_peers() -> None:
    """Trainings of one recipe are made once, whatever experiment asks for them."""

    def names(file: str, condition: str) -> set[str]:
        experiment = read_experiment(FOLDER / file)
        every = [cell for cell in cells(experiment, condition) if cell.track in {"", "meld"}]
        return {recipe_of(experiment, cell).name for cell in every}

    assert names("second-role.yaml", "generator") == names("peers.yaml", "270m")
    assert names("second-role.yaml", "larger generator") == names("peers.yaml", "1.5b")


def test_answers_are_named_by_what_a_verifier_decides_between_not_by_what_that_is_called() -> None:
    labels = scheme("meld-7")
    data = Dataset("meld", "dev", "emotion", labels, ())
    plain = answers_about({}, Condition(train={}), data, labels, 0)
    assert "pairs" not in plain["ask"]
    assert "pairs" not in plain

    def about(name: str, pairs: str) -> str:
        condition = Condition(train={}, ask=Ask(pairs=name))
        return digest(answers_about({}, condition, data, labels, 0, pairs))

    assert about("one", "a") == about("other", "a")
    assert len({about("one", "a"), about("one", "b"), digest(plain)}) == 3
