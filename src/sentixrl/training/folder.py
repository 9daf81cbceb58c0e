"""The folder of a training: which recipe and material it was begun with, and who writes to it.

Contract: a training resumes only with the recipe and material it was begun with, and its folder
has one writer at a time. In a folder from before material was recorded, it is recorded on resuming.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from sentixrl.datasets.dataset import Dataset
from sentixrl.engines.fingerprint import fingerprint
from sentixrl.errors import ConfigError
from sentixrl.runs.identity import differences, digest
from sentixrl.runs.lock import LOCK_FILE, FolderLock
from sentixrl.runs.storage import write_json
from sentixrl.training.checkpoints import read_json
from sentixrl.training.model import start_adapter
from sentixrl.training.processes import on_main
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.recipe_file import parse_recipe
from sentixrl.training.setting import Setting, packs_a_step, template_hashes
from sentixrl.untrusted import boundary

RECIPE_FILE = "recipe.json"
MATERIAL_FILE = "material.json"


@contextmanager
def claimed(folder: Path, setting: Setting) -> Iterator[None]:
    """A folder as this training's, and this command's alone.

    Raises:
        ConfigError: It is another training's, or holds something else, or another process writes
            to it.
        InputError: Its records are damaged.
    """
    with ExitStack() as held:
        on_main(lambda: _claim(folder, setting, held))
        yield


def _claim(folder: Path, setting: Setting, held: ExitStack) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; a training needs a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    begun = (folder / RECIPE_FILE).is_file()
    left = {LOCK_FILE, f".{RECIPE_FILE}.new"}  # by a crash before the record was in place
    if not begun and any(item.name not in left for item in folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty and holds no training.", hint="Name a new folder with --out."
        )
    held.callback(FolderLock(folder).release)
    if begun:
        _check_recipe(folder, setting.recipe)
    else:
        write_json(folder / RECIPE_FILE, as_plain(setting.recipe))
    _note_material(folder, material(setting))


def _check_recipe(folder: Path, recipe: Recipe) -> None:
    path = folder / RECIPE_FILE
    # Read as a recipe, so that a key that is new since then has its default.
    begun = as_plain(parse_recipe(read_json(path), str(path)))
    if changed := differences(begun, as_plain(recipe)):
        raise ConfigError(
            f"{folder} holds a training of another recipe: {'; '.join(changed)}.",
            hint="Name a new folder with --out, or give the recipe it was begun with.",
        )


def _note_material(folder: Path, now: dict[str, Any]) -> None:
    path = folder / MATERIAL_FILE
    if not path.is_file():
        write_json(path, now)
        return
    noted = read_json(path)
    with boundary(f"{path} cannot be compared with the training"):
        changed = differences(noted, now)
    if changed:
        raise ConfigError(
            f"{folder} holds a training on other material: {'; '.join(changed)}.",
            hint="Name a new folder with --out, or restore what it was begun with.",
        )


def material(setting: Setting) -> dict[str, Any]:
    """What decides a training besides its recipe, as plain data."""
    recipe = setting.recipe
    adapter = start_adapter(recipe)
    return {
        "train": {
            f"part {number} ({part.name})": _identity(source.data)
            for number, (part, source) in enumerate(
                zip(recipe.train, setting.sources, strict=True), start=1
            )
        },
        "dev": {name: _identity(data) for name, data in setting.dev.items()},
        "templates": template_hashes(recipe),
        "base": fingerprint(setting.trainable.folder),
        "start": fingerprint(adapter) if adapter else None,
        "packs_a_step": packs_a_step(recipe),
        "packs": digest([astuple(pack) for pack in setting.packs]),
    }


def _identity(data: Dataset) -> dict[str, str]:
    return {"data_hash": data.data_hash, "labels": data.label_set.digest}
