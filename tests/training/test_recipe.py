"""Recipes are checked whole, and what does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentixrl.datasets.registry import info
from sentixrl.errors import ConfigError
from sentixrl.labels import resolve_labels
from sentixrl.training.lineage import earlier
from sentixrl.training.material import load_holdout
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.recipe_file import parse_recipe, read_recipe

from .small import sources_of

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "tickets.yaml"
RECIPES = [*sorted((ROOT / "recipes").glob("*.yaml")), EXAMPLE]
LEAST: dict[str, Any] = {
    "name": "one",
    "train": [{"dataset": "meld"}],
    "dev": [{"dataset": "meld", "split": "dev"}],
}
OWN = {"dataset": "custom", "file": "mine.csv", "labels": "calm, tired"}


def refused(**changes: Any) -> ConfigError:  # noqa: ANN401
    with pytest.raises(ConfigError) as caught:
        parse_recipe({**LEAST, **changes}, "r.yaml")
    assert "r.yaml" in caught.value.message
    assert caught.value.message.endswith((".", "?"))
    return caught.value


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_that_comes_along_names_what_there_is(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.labels
    resolve_labels(recipe.labels)
    for part in [*recipe.train, *recipe.dev, *recipe.holdout]:
        if part.file is not None:
            assert (path.parent.parent / part.file).is_file()
            continue
        known = info(part.dataset)
        assert part.split in known.splits, part.name
        assert part.task is None or part.task in known.tasks
    assert not {part.name for part in recipe.holdout} & {part.name for part in recipe.train}
    assert parse_recipe(json.loads(json.dumps(as_plain(recipe))), "again") == recipe


def test_the_example_has_turns_of_every_label_and_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    one = read_recipe(EXAMPLE)
    (source,) = sources_of(one, tmp_path)
    ((_, dev),) = load_holdout(one, tmp_path)
    for data in (source.data, dev):
        assert min(data.label_counts.values()) > 4
        assert data.labelled == sum(map(len, data))
    assert not source.dropped


@pytest.mark.parametrize(
    ("own", "counted"), [([None], 3.0), ([10, None], 3.0), ([10], 10.0), ([0.5, 2], 2.0)]
)
def test_looks_are_counted_by_epochs_that_some_part_has(
    own: list[float | None], counted: float
) -> None:
    parts = [{"dataset": "meld", **({"epochs": each} if each else {})} for each in own]
    assert parse_recipe({**LEAST, "train": parts}, "r.yaml").epochs_of_checks == counted


@pytest.mark.parametrize("given", ["valid", "Validation", " dev "])
def test_a_split_has_one_name(given: str) -> None:
    recipe = parse_recipe({**LEAST, "dev": [{"dataset": "meld", "split": given}]}, "r.yaml")
    assert recipe.dev[0].split == "dev"
    both = [{"dataset": "meld", "split": "dev"}, {"dataset": "meld", "split": given}]
    assert "two parts are 'meld:dev'" in refused(dev=both).message


def test_there_are_recipes() -> None:
    assert {"sentixrl-270m", "meld"} <= {path.stem for path in RECIPES}


@pytest.mark.parametrize(
    ("changes", "where", "meant"),
    [
        ({"epoch": 3}, "'epoch'", "epochs"),
        ({"loss": {"gama": 2}}, "'gama' in 'loss'", "gamma"),
        (
            {"optimiser": {"learning_rates": 1e-4}},
            "'learning_rates' in 'optimiser'",
            "learning_rate",
        ),
        ({"train": [{"dataset": "meld", "epoch": 2}]}, "'epoch' in part 1 of 'train'", "epochs"),
        ({"dev": [{"dataset": "meld", "splits": "dev"}]}, "'splits' in part 1 of 'dev'", "split"),
        (
            {"holdout": [{"dataset": "meld", "limits": 3}]},
            "'limits' in part 1 of 'holdout'",
            "limit",
        ),
        ({"draw": {"suffle": True}}, "'suffle' in 'draw'", "shuffle"),
        ({"discriminator": {"fold": 2}}, "'fold' in 'discriminator'", "folds"),
        ({"window": {"history_mx": 2}}, "'history_mx' in 'window'", "history_max"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(
    changes: dict[str, Any], where: str, meant: str
) -> None:
    error = refused(**changes)
    assert f"unknown key {where}." in error.message
    assert error.hint == f"Did you mean '{meant}'?"


def test_overlap_is_dropped_or_kept() -> None:
    error = refused(drop_overlap=True, keep_overlap="The plays are the same.")
    assert "'drop_overlap' and 'keep_overlap' exclude each other" in error.message
    assert "'keep_overlap'" in refused(keep_overlap=" ").message


def test_a_key_like_no_other_has_no_hint() -> None:
    assert refused(zzqxw=1).hint is None


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"epochs": "many"}, "'epochs'"),
        ({"epochs": 0}, "'epochs'"),
        ({"method": "half"}, "'method'"),
        ({"train": []}, "'train'"),
        ({"train": "meld"}, "'train'"),
        ({"train": [{"split": "train"}]}, "'dataset' in part 1 of 'train'"),
        ({"train": [{"dataset": "custom", "file": "mine.csv"}]}, "part 1 of 'train'"),
        ({"train": [{"dataset": "meld", "labels": "meld-7"}]}, "part 1 of 'train'"),
        ({"dev": [{"dataset": "custom", "file": "mine.csv", "labels": "joy"}]}, "part 1 of 'dev'"),
        ({"train": [{"dataset": "meld", "encoding": "cp1252"}]}, "part 1 of 'train'"),
        ({"train": [{**OWN, "columns": "mood"}]}, "'columns' in part 1 of 'train'"),
        ({"train": [{**OWN, "columns": "mood=x"}]}, "'columns' in part 1 of 'train'"),
        ({"train": [{**OWN, "quoting": "auto"}]}, "'quoting' in part 1 of 'train'"),
        ({"rank": 1.5}, "'rank'"),
        ({"rank": True}, "'rank'"),
        ({"seed": False}, "'seed'"),
        ({"train": [{"dataset": "meld", "limit": True}]}, "'limit' in part 1 of 'train'"),
        ({"seed": None}, "'seed'"),
        ({"name": "no slashes/here"}, "'name'"),
        ({"draw": {"subset": 1.5}}, "'subset' in 'draw'"),
        ({"loss": {"gamma": -1}}, "'gamma' in 'loss'"),
        ({"loss": {"adjust": 1, "variant": "vocabulary"}}, "'loss'"),
        ({"loss": {"distil": 0.3, "variant": "vocabulary"}, "discriminator": {}}, "'loss'"),
        ({"optimiser": {"pack_tokens": 3}}, "'pack_tokens' in 'optimiser'"),
        ({"discriminator": {"folds": 1}}, "'folds' in 'discriminator'"),
        ({"window": {"history_max": 2, "history_min": 5}}, "'window'"),
        ({"labels": "meld-8"}, "'labels'"),
        ({"labels": "joy"}, "'labels'"),
        ({"language": "tlh"}, "'language'"),
        ({"seed": -1}, "'seed'"),
        ({"seed": 2**32}, "'seed'"),
        ({"epochs": float("inf")}, "'epochs'"),
        ({"epochs": 1e300}, "'epochs'"),
        ({"rank": 10**400}, "'rank'"),
        ({"patience": 10**12}, "'patience'"),
        ({"optimiser": {"learning_rate": 1e12}}, "'learning_rate' in 'optimiser'"),
        ({"window": {"history_max": 10**30}}, "'history_max' in 'window'"),
        ({"optimiser": {"learning_rate": float("inf")}}, "'learning_rate' in 'optimiser'"),
        ({"optimiser": {"weight_decay": float("inf")}}, "'weight_decay' in 'optimiser'"),
        ({"loss": {"gamma": float("nan")}}, "'gamma' in 'loss'"),
        ({"train": [{**OWN, "task": "mood"}]}, "part 1 of 'train'"),
        ({"train": [{**OWN, "switches": {"layout": "full"}}]}, "part 1 of 'train'"),
        ({"dev": [OWN, {**OWN, "labels": "calm, tired, cross"}]}, "'dev'"),
        ({"dev": [{"dataset": "meld"}, {"dataset": "meld", "limit": 3}]}, "'dev'"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(changes: dict[str, Any], where: str) -> None:
    assert f"does not fit at {where}: " in refused(**changes).message


@pytest.mark.parametrize("content", [None, "meld", ["meld"], {}, 3])
def test_what_is_no_recipe_at_all(content: object) -> None:
    with pytest.raises(ConfigError, match="does not fit"):
        parse_recipe(content, "r.yaml")


@pytest.mark.parametrize(
    ("part", "said", "hint"),
    [
        ({"dataset": "costum"}, "no data set called 'costum'", "There are: meld"),
        ({"dataset": "emorynpl"}, "no data set called 'emorynpl'", "Did you mean 'emorynlp'?"),
        ({"dataset": "meld", "split": "tset"}, "no split called 'tset'", "There are: train"),
        ({"dataset": "meld", "task": "mood"}, "no task called 'mood'", "There are: emotion"),
        (
            {"dataset": "brighter", "switches": {"lang": "es"}},
            "no switch called 'lang'",
            "language",
        ),
    ],
)
def test_a_part_that_is_not_there_is_said_before_anything_is_loaded(
    part: dict[str, Any], said: str, hint: str
) -> None:
    error = refused(train=[{"dataset": "meld"}, part])
    assert "part 2 of 'train': " in error.message
    assert said in error.message
    assert error.hint is not None
    assert hint in error.hint


def test_a_label_set_that_is_not_there_brings_the_known_ones() -> None:
    assert "meld-7" in (refused(labels="meld-8").hint or "")


def test_a_data_set_is_found_however_it_is_spelt() -> None:
    recipe = parse_recipe({**LEAST, "train": [{"dataset": "CH-SIMS"}]}, "r.yaml")
    assert recipe.train[0].dataset == "ch_sims"


@pytest.mark.parametrize("key", ["alpha", "dropout"])
def test_what_an_adapter_alone_has_is_refused_without_one(key: str) -> None:
    assert f"'{key}' is for 'method: lora'" in refused(**{key: 0.5}).message
    parse_recipe({**LEAST, key: 0.5, "method": "lora"}, "r.yaml")
    whole = as_plain(parse_recipe(LEAST, "r.yaml"))  # has the defaults of both
    assert key in whole
    parse_recipe(whole, "r.yaml")


def test_soft_labels_need_fold_models_that_teach() -> None:
    message = refused(loss={"distil": 0.3}).message
    assert "does not fit: 'loss.distil' needs 'discriminator'" in message
    assert "add 'discriminator: {folds: 2}'" in message
    parse_recipe({**LEAST, "loss": {"distil": 0.3}, "discriminator": {}}, "r.yaml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        read_recipe(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [", "utf-8")
    with pytest.raises(ConfigError, match=r"not valid YAML in line \d"):
        read_recipe(broken)
    broken.write_text("name: one\ntrain: []\nloss: {}\ntrain: []\n", "utf-8")
    with pytest.raises(ConfigError, match=r"in line 4: the key 'train' stands here twice"):
        read_recipe(broken)
    broken.write_text("[" * 5000, "utf-8")
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_recipe(broken)
    broken.write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_recipe(broken)
    # A date to YAML, and none; tags that their values do not fit.
    for value in ("2024-02-30", "!!int ''", "!!timestamp 'x'", "!!bool x", "!!set [a]"):
        broken.write_text(f"about: {value}\n", "utf-8")
        with pytest.raises(ConfigError, match="not valid YAML"):
            read_recipe(broken)
    broken.write_text("name: one\n" + "#" * 1_000_000, "utf-8")
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        read_recipe(broken)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": "two"}, "at 'epochs': it needs a number."),
        ({"seed": 1.5}, "at 'seed': it needs a whole number."),
        ({"train": {}}, "at 'train': it needs a list."),
        ({"loss": 3}, "at 'loss': it needs keys and values."),
    ],
)
def test_what_kind_of_value_is_wanted(changes: dict[str, Any], said: str) -> None:
    assert said in refused(**changes).message


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="at 'dev': it is missing"):
        parse_recipe({key: value for key, value in LEAST.items() if key != "dev"}, "r.yaml")
    with pytest.raises(ConfigError, match="it needs keys and values"):
        parse_recipe(None, "r.yaml")


def test_files_of_ones_own_have_the_recipes_labels() -> None:
    part = {"dataset": "custom", "file": "mine.csv"}
    recipe = parse_recipe({**LEAST, "labels": "a, b", "train": [part, OWN]}, "r.yaml")
    assert [one.labels for one in recipe.train] == ["a, b", OWN["labels"]]
    assert recipe.dev[0].labels is None
    assert "needs 'file' and 'labels'" in refused(train=[part]).message


def test_a_mapping_may_be_taken_over_and_changed(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: one\n"
        "train:\n  - &meld {dataset: meld, limit: 9}\n  - {<<: *meld, limit: 20}\n"
        "dev: [{dataset: meld, split: dev}]\n",
        "utf-8",
    )
    assert [part.limit for part in read_recipe(path).train] == [9, 20]


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    train = [
        {
            "dataset": "xed", "split": "all", "kind": "several",
            "switches": {"language": "es", "single_label": False},
        }
    ]  # fmt: skip
    path.write_text(yaml.safe_dump({**LEAST, "train": train, "language": "auto"}), "utf-8")
    recipe = read_recipe(path)
    assert recipe.train[0].switches == {"language": "es", "single_label": False}
    assert recipe.train[0].name == "xed:all:several:language=es:single_label=False"
    assert isinstance(recipe, Recipe)


def test_keys_of_earlier_versions_are_read_as_what_they_are_called_now() -> None:
    former = {
        **LEAST,
        "apart": [{"dataset": "meld", "split": "test"}],
        "framing": "chat",
        "optimiser": {"rate": 1e-3, "decay": 0.2, "clip": 2.0, "average": 0.9, "warmup": 0.1},
    }
    recipe = parse_recipe(former, "r.yaml")
    assert [part.name for part in recipe.holdout] == ["meld:test"]
    assert recipe.prompt_format == "chat"
    found = recipe.optimiser
    assert (found.learning_rate, found.weight_decay, found.warmup) == (1e-3, 0.2, 0.1)
    assert (found.max_grad_norm, found.ema) == (2.0, 0.9)
    assert "apart" in former  # what was given stays as it was


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"apart": [], "holdout": []}, "apart"),
        ({"optimiser": {"rate": 1e-4, "learning_rate": 1e-4}}, "rate"),
    ],
)
def test_a_key_under_both_of_its_names_is_refused(changes: dict[str, Any], key: str) -> None:
    error = refused(**changes)
    assert f"by its former name, '{key}'" in error.message
    assert error.hint == f"Leave '{key}' out."


def test_the_record_of_the_released_model_is_read() -> None:
    recipe = parse_recipe({**LEAST, "base": "smollm2-135m", "start": "sentixrl-135m"}, "r.yaml")
    second, first = earlier(recipe)
    assert {row["dataset"] for row in second["sources"]} >= {"goemotions", "xed"}
    assert ("meld", "test") in {(part["dataset"], part["split"]) for part in second["holdout"]}
    assert first["name"] == "sentixrl-135m-full"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"dataset": "meld", "kind": "several"}, "'meld' has one label a turn"),
        (
            {"dataset": "goemotions", "kind": "several", "switches": {"single_label": "on"}},
            "'single_label' does not go with 'kind: several'",
        ),
        (
            {"dataset": "goemotions", "switches": {"single_label": False}},
            "'single_label' does not go with 'kind: single'",
        ),
    ],
)
def test_several_labels_are_for_data_that_have_them(part: dict[str, Any], said: str) -> None:
    error = refused(train=[part])
    assert said in error.message
    assert error.hint


def test_a_part_of_several_labels_is_read_with_all_of_them() -> None:
    parts = [{"dataset": "goemotions"}, {"dataset": "goemotions", "kind": "several"}]
    one, several = parse_recipe({**LEAST, "train": parts}, "r.yaml").train
    assert (one.name, several.name) == ("goemotions:train", "goemotions:train:several")
    assert (one.loader_switches, several.loader_switches) == ({}, {"single_label": False})
