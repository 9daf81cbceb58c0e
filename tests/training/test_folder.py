"""A training's folder: whose it is, what it was begun with, and who writes to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sentixrl.bundle import ModelBundle
from sentixrl.errors import ConfigError, InputError
from sentixrl.runs.lock import FolderLock
from sentixrl.training.folder import claimed
from sentixrl.training.recipe import as_plain
from sentixrl.training.setting import Setting, prepare

from .small import recipe, write_meld

pytestmark = pytest.mark.usefixtures("float32")


def claim(folder: Path, setting: Setting) -> None:
    with claimed(folder, setting):
        pass


@pytest.fixture
def setting(base: Path, meld: Path) -> Setting:
    return prepare(recipe(base), meld, lambda text: None)


def test_it_notes_recipe_and_material_and_takes_them_again(
    setting: Setting, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "out"
    claim(folder, setting)
    noted = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    assert set(noted) == {"material.json", "recipe.json"}
    assert json.loads(noted["recipe.json"]) == as_plain(setting.recipe)
    material = json.loads(noted["material.json"])
    (source,) = setting.sources
    assert material["train"]["part 1 (meld:train)"] == {
        "data_hash": source.data.data_hash,
        "labels": source.data.label_set.digest,
    }
    claim(folder, setting)
    assert {path.name: path.read_text("utf-8") for path in folder.glob("*.json")} == noted


def test_one_of_an_earlier_version_goes_on(setting: Setting, tmp_path: Path) -> None:
    """Its material was not noted, and its recipe lacks a key that came later."""
    old = as_plain(setting.recipe)
    del old["drop_overlap"], old["optimiser"]["ema"]
    (tmp_path / "recipe.json").write_text(json.dumps(old), "utf-8")
    (tmp_path / "checkpoint-3").mkdir()
    claim(tmp_path, setting)
    assert (tmp_path / "material.json").is_file()
    claim(tmp_path, setting)


def test_another_value_is_another_recipe(setting: Setting, base: Path, tmp_path: Path) -> None:
    claim(tmp_path, setting)
    changed = recipe(
        base, seed=1, optimiser={"learning_rate": 1e-3, "pack_tokens": 128, "warmup": 0.1}
    )
    with pytest.raises(ConfigError, match="training of another recipe") as caught:
        claim(tmp_path, replace(setting, recipe=changed))
    assert "seed was 0 and is now 1" in caught.value.message
    assert "optimiser.learning_rate was 0.003 and is now 0.001" in caught.value.message
    assert "pack_tokens" not in caught.value.message


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("train", r"train\.part 1 \(meld:train\)\.data_hash was"),
        ("dev", r"dev\.meld:dev\.data_hash was"),
    ],
)
def test_data_that_changed_are_named(
    base: Path, setting: Setting, tmp_path: Path, split: str, said: str
) -> None:
    claim(tmp_path / "out", setting)
    root = write_meld(tmp_path / "data")
    path = root / "meld" / f"{split}_sent_emo.csv"
    path.write_text(path.read_text("utf-8").replace("walked", "ran", 1), "utf-8")
    other = prepare(setting.recipe, root, lambda text: None)
    with pytest.raises(ConfigError, match=said) as caught:
        claim(tmp_path / "out", other)
    assert "restore" in (caught.value.hint or "")


def change_templates(patch: pytest.MonkeyPatch, start: Path) -> None:
    patch.setattr("sentixrl.training.folder.template_hashes", lambda recipe: {"en": "other"})


def change_start(patch: pytest.MonkeyPatch, start: Path) -> None:
    (start / "adapter" / "adapter_model.safetensors").write_bytes(b"others")


def change_processes(patch: pytest.MonkeyPatch, start: Path) -> None:
    patch.setattr("sentixrl.training.setting.world_size", lambda: 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_templates, r"templates\.en was .* and is now \"other\""),
        (change_start, "start was .* and is now"),
        (change_processes, "packs_a_step was 1 and is now 2"),
    ],
)
def test_what_else_changed_is_named(
    base: Path, setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch, Path], None], said: str,
) -> None:  # fmt: skip
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    ModelBundle("begun", str(base), trained=True, adapter=adapter).save(tmp_path / "start")
    begun = replace(setting, recipe=recipe(base, start=str(tmp_path / "start")))
    claim(tmp_path / "out", begun)
    claim(tmp_path / "out", begun)
    change(monkeypatch, tmp_path / "start")
    with pytest.raises(ConfigError, match=f"on other material: {said}"):
        claim(tmp_path / "out", begun)


def test_packs_that_are_planned_otherwise_are_other_material(
    setting: Setting, tmp_path: Path
) -> None:
    """As by a version that counts tokens in another way; one goes on through what was planned."""
    claim(tmp_path, setting)
    with pytest.raises(ConfigError, match="on other material: packs was"):
        claim(tmp_path, replace(setting, packs=setting.packs[::-1]))
    claim(tmp_path, setting)


def test_it_has_one_writer(setting: Setting, tmp_path: Path) -> None:
    tmp_path.joinpath("out").mkdir()
    lock = FolderLock(tmp_path / "out")
    with pytest.raises(ConfigError, match="Another process"):
        claim(tmp_path / "out", setting)
    lock.release()
    with claimed(tmp_path / "out", setting), pytest.raises(ConfigError, match="Another process"):
        claim(tmp_path / "out", setting)
    claim(tmp_path / "out", setting)


@pytest.mark.parametrize("content", ["", "{", "\x00"])
@pytest.mark.parametrize("name", ["recipe.json", "material.json"])
def test_a_damaged_record_is_said_to_be(
    setting: Setting, tmp_path: Path, name: str, content: str
) -> None:
    claim(tmp_path, setting)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"{name} is damaged") as caught:
        claim(tmp_path, setting)
    assert caught.value.hint


def test_what_holds_something_else_is_left_alone(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds no training"):
        claim(tmp_path, setting)
    with pytest.raises(ConfigError, match="is a file"):
        claim(tmp_path / "notes.txt", setting)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_a_crash_left_of_a_beginning_is_taken(setting: Setting, tmp_path: Path) -> None:
    claim(tmp_path, setting)
    for name in ("material.json", "recipe.json"):
        (tmp_path / name).unlink()
    (tmp_path / ".recipe.json.new").write_text("{")
    claim(tmp_path, setting)
    assert (tmp_path / "recipe.json").is_file()
    shutil.rmtree(tmp_path)
