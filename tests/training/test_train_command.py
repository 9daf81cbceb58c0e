"""``sentixrl train``: its estimate, several seeds, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentixrl.errors import ConfigError
from sentixrl.training.estimate import Estimate, check_memory, estimate
from sentixrl.training.examples import Packer
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.running import train_bundle
from sentixrl.training.setting import draw_of, prepare

from ..cli.shell import Shell
from ..cli.shell import make_shell as make_shell
from .small import Noted, recipe, write_meld

pytestmark = pytest.mark.usefixtures("float32")


def test_several_seeds_are_trained_and_averaged(
    shell: Shell, base: Path, meld: Path, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(recipe(base, epochs=2))), "utf-8")
    out = tmp_path / "out"
    command = ("train", path, "--data", meld, "--out", out, "--seeds", "3,5", "--average")
    answer = shell(*command)
    assert answer.code == 0, answer.err
    assert sorted(entry.name for entry in out.iterdir()) == ["average", "seed-3", "seed-5"]
    facts = {
        name: json.loads((out / name / "bundle" / "training.json").read_text("utf-8"))
        for name in ("seed-3", "seed-5", "average")
    }
    assert [facts[name]["averaged"] for name in facts] == [[], [], [3, 5]]
    assert [facts[f"seed-{n}"]["recipe"]["seed"] for n in (3, 5)] == [3, 5]
    card = (out / "average" / "bundle" / "README.md").read_text("utf-8")
    assert "the mean of the weights of 2 trainings, seeds 3, 5" in card
    assert answer.out.count("keeps") == 3
    again = shell(*command)  # nothing is trained again
    assert again.code == 0
    assert again.err.count("is trained already") == 2


@pytest.mark.parametrize(
    ("more", "changes", "said"),
    [
        (["--average"], {}, "--average is for several trainings"),
        (["--average", "--seeds", "1"], {}, "--average is for several trainings"),
        (["--average", "--seeds", "1,2"], {"method": "lora"}, "cannot be averaged"),
        (["--seeds", ""], {}, "'' is not a list of seeds"),  # often a variable that is not set
    ],
)
def test_what_has_no_average_is_refused_before_anything_is_trained(
    shell: Shell, base: Path, meld: Path, tmp_path: Path,
    more: list[str], changes: dict[str, Any], said: str,
) -> None:  # fmt: skip
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(recipe(base, **changes))), "utf-8")
    answer = shell("train", path, "--data", meld, "--out", tmp_path / "out", *more)
    assert answer.code == 2
    assert said in " ".join(answer.err.split())
    assert not (tmp_path / "out").exists()


def test_an_estimate_starts_nothing(base: Path, meld: Path, tmp_path: Path) -> None:
    told: list[Estimate] = []

    def announce(cost: Estimate) -> bool:
        told.append(cost)
        return False

    assert train_bundle(recipe(base), meld, tmp_path / "out", Noted().reporter, announce) is None
    assert not (tmp_path / "out").exists()
    (cost,) = told
    setting = prepare(recipe(base), meld, lambda text: None)
    assert cost.steps == len(setting.packs)
    packer = Packer(setting.sources, setting.context, draw_of(setting.recipe),
                            setting.trainable.prompt_format,
                            setting.trainable.engine.count_tokens)  # fmt: skip
    exact = sum(len(packer(plan).pack) for plan in setting.packs)
    assert cost.tokens == pytest.approx(exact, rel=0.5)
    assert cost.minutes is not None
    assert cost.gibibytes > 0


def test_an_estimate_counts_the_second_role_and_its_fold_models(base: Path, meld: Path) -> None:
    said: list[str] = []
    alone = estimate(prepare(recipe(base), meld, said.append))
    second = {"folds": 3, "epochs": 1}
    both = estimate(prepare(recipe(base, discriminator=second), meld, said.append))
    epochs = recipe(base).epochs
    assert (alone.folds, alone.fold_tokens) == (0, 0)
    assert both.folds == 3
    assert both.tokens > alone.tokens
    # Three models, each through two thirds of the data: two times through all of them.
    assert both.fold_tokens == pytest.approx(2 * alone.tokens / epochs, rel=0.3)


def test_an_estimate_counts_the_largest_pack_and_a_model_that_waits(
    base: Path, tmp_path: Path
) -> None:
    """A dialogue longer than a pack should be is one all the same."""
    root = write_meld(tmp_path / "data")
    short = estimate(prepare(recipe(base), root, lambda text: None))
    path = root / "meld" / "train_sent_emo.csv"
    path.write_text(path.read_text("utf-8").replace("walked", "walked " * 900, 1), "utf-8")
    setting = prepare(recipe(base), root, lambda text: None)
    long = estimate(setting)
    config, number = setting.trainable.model.config, 4
    each = 60 * config.num_hidden_layers * config.hidden_size * number
    assert (long.gibibytes - short.gibibytes) * 2**30 > 700 * each
    weights = sum(p.numel() for p in setting.trainable.model.parameters()) * number
    two = estimate(prepare(recipe(base, discriminator={}), root, lambda text: None))
    assert (two.gibibytes - long.gibibytes) * 2**30 >= weights


def test_a_training_that_does_not_fit_is_refused(base: Path, meld: Path) -> None:
    cost = estimate(prepare(recipe(base), meld, lambda text: None))
    check_memory(cost)
    large = dataclasses.replace(cost, gibibytes=700.0, available=16.0)
    with pytest.raises(ConfigError, match=r"about 700\.0 GiB of memory; there are 16\.0"):
        check_memory(large)


def write_recipe(one: Recipe, folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(one)), "utf-8")
    return path


def test_the_command_trains_several_seeds(
    shell: Shell, base: Path, meld: Path, tmp_path: Path
) -> None:
    path = write_recipe(recipe(base, epochs=0.5), tmp_path)
    arguments = ("train", path, "--data", meld, "--out", tmp_path / "out", "--seeds", "3,4")
    answer = shell(*arguments)
    assert answer.code == 0, answer.err
    assert answer.flat.count("adapter of") == 2
    assert "{" not in answer.out  # transformers prints its log there if it may
    assert "shards" not in answer.err
    assert "steps, about" in answer.err
    assert "best so far" in answer.err
    found = [tmp_path / "out" / f"seed-{seed}" / "bundle" for seed in (3, 4)]
    facts = [json.loads((path / "training.json").read_text()) for path in found]
    assert [fact["recipe"]["seed"] for fact in facts] == [3, 4]
    weights = [(path / "adapter" / "adapter_model.safetensors").read_bytes() for path in found]
    assert weights[0] != weights[1]
    again = shell(*arguments)
    assert again.code == 0
    assert again.err.count("trained already") == 2
    said = shell("classify", "--model", found[0], "--text", "rain along the river")
    assert said.code == 0, said.err


def test_the_command_estimates_and_stops(
    shell: Shell, base: Path, meld: Path, tmp_path: Path
) -> None:
    path = write_recipe(recipe(base), tmp_path)
    answer = shell("train", path, "--data", meld, "--out", tmp_path / "out", "--estimate")
    assert answer.code == 0, answer.err
    assert "GiB of memory" in answer.err
    said = " ".join(answer.err.split())
    assert "neutral or none: en 0%. Fewer than 25% in en: the model will find emotions" in said
    assert not (tmp_path / "out").exists()


def test_what_the_command_refuses(shell: Shell, base: Path, meld: Path, tmp_path: Path) -> None:
    path = write_recipe(recipe(base), tmp_path)
    out = tmp_path / "out"
    assert "cannot be read" in shell.refuses("train", "none.yaml", "--data", meld, "--out", out)
    said = shell.refuses("train", path, "--data", meld, "--out", out, "--seeds", "1,two")
    assert "'1,two' is not a list of seeds" in said
    for seeds in ("-1", str(2**32)):
        said = shell.refuses("train", path, "--data", meld, "--out", out, f"--seeds={seeds}")
        assert f"'{seeds}' is not a list of seeds" in said
    said = shell.refuses("train", path, "--data", meld, "--out", out, "--device", "gpu")
    assert "The device 'gpu' cannot be used" in said
    assert "no folder" in shell.refuses("train", path, "--data", tmp_path, "--out", out)
    assert not out.exists()


def test_a_library_that_the_end_needs_is_missed_at_the_start(
    shell: Shell, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (
        "calibration.fitting",
        "training.answering",
        "training.finishing",
        "training.running",
    ):
        monkeypatch.delitem(sys.modules, f"sentixrl.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(recipe(base))), "utf-8")
    said = shell.refuses("train", path, "--data", tmp_path, "--out", tmp_path / "out")
    assert "'scipy" in said
    assert "[train]" in said
    assert not (tmp_path / "out").exists()
