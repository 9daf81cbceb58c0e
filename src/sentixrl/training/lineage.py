"""Lineage: what the model that a training starts from was trained on before.

Contract: a start without a record, or with a record of an earlier version, is no error. What the
record does not say is unknown, and unknown counts as trained on. The start's own training data are
compared with the recipe's holdout where they are at hand and the record does not show that the
start held out the same data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sentixrl.bundle import ModelBundle
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.datasets.overlap import Part, overlap
from sentixrl.datasets.registry import info
from sentixrl.errors import ConfigError, SentixError
from sentixrl.training.checkpoints import read_json
from sentixrl.training.former_keys import current_record
from sentixrl.training.material import DEV_SEED, Holdout, load_part
from sentixrl.training.model import start_folder
from sentixrl.training.recipe import Recipe
from sentixrl.training.sections import DataPart
from sentixrl.untrusted import boundary

TRAINING_FILE = "training.json"
"""A bundle's record of its training."""
SHOWN = (
    "dataset", "split", "task", "kind", "variant", "dialogues", "utterances", "epochs",
    "dropped_for_overlap", "kept_with_overlap", "file", "labels", "languages",
)  # fmt: skip
"""What a record says of a source at least; ``None`` where it does not."""
HOLDOUT_FACTS = ("dataset", "split", "kind", "switches", "limit", "file", "data_hash")
"""What a record says of a part of the holdout."""


def holdout_record(holdout: Holdout) -> list[dict[str, Any]]:
    """What a record says of a training's holdout."""
    return [
        {**part.model_dump(include=set(HOLDOUT_FACTS)), "data_hash": data.data_hash}
        for part, data in holdout
    ]


def earlier(recipe: Recipe) -> list[dict[str, Any]]:
    """What the model it starts from was trained on, the latest training first.

    Returns:
        For each training its ``name``, its ``sources`` (empty where there is no record of them)
        and its ``holdout`` (``None`` where that is not known).
    """
    folder = start_folder(recipe)
    if folder is None:
        return []
    try:
        with boundary(f"{folder / TRAINING_FILE} cannot be read"):
            return _recorded(current_record(read_json(folder / TRAINING_FILE)))
    except SentixError:
        return [{"name": ModelBundle.load(folder).name, "sources": [], "holdout": None}]


def _recorded(facts: dict[str, Any]) -> list[dict[str, Any]]:
    begun = {"name": facts["recipe"]["name"], "sources": facts["sources"]}
    if facts["recipe"].get("keep_overlap"):
        begun["holdout"] = []
    elif "holdout" in facts["recipe"]:
        named = [*facts["recipe"]["holdout"], *facts["recipe"]["dev"]]
        parts = facts.get("holdout", named)  # an earlier version says what was named alone
        begun["holdout"] = [{key: part.get(key) for key in HOLDOUT_FACTS} for part in parts]
    return [_training(one) for one in (begun, *facts.get("earlier", []))]


def _training(one: dict[str, Any]) -> dict[str, Any]:
    rows = [{**dict.fromkeys(SHOWN), **row} for row in one["sources"]]
    return {"name": one["name"], "sources": rows, "holdout": one.get("holdout")}


def has_met(recipe: Recipe, sources: Sequence[Dataset]) -> bool:
    """Whether the model it starts from may have been trained on what the recipe trains on.

    Args:
        recipe: The recipe.
        sources: What it trains on.
    """
    before = earlier(recipe)
    rows = [row for one in before for row in one["sources"]]
    unknown = any(not one["sources"] for one in before)
    unknown |= any(None in (row["dataset"], row["split"]) for row in rows)
    return unknown or any(
        data.data_hash == row.get("data_hash") or _of_one_split(part, row)
        for part, data in zip(recipe.train, sources, strict=True)
        for row in rows
    )


def check_start(recipe: Recipe, holdout: Holdout, root: Path) -> None:
    """Refuse a start that was trained on the recipe's dev data or holdout.

    Args:
        recipe: The recipe.
        holdout: What :func:`~sentixrl.training.material.load_holdout` gives.
        root: The folder with one folder per data set; the start's data may lie there too.

    Raises:
        ConfigError: It was, as far as its record and the data at hand tell.
    """
    # What a recipe keeps of its own data sets' overlap, its start may have read there too; files of
    # one's own have nothing in common but what they are called.
    kept = {part.dataset for part in recipe.train if recipe.keep_overlap} - {CUSTOM}
    for one in earlier(recipe):
        for row in one["sources"]:
            met = [
                part.name
                for part, data in holdout
                if _of_one_split(part, row) or data.data_hash == row.get("data_hash")
            ]
            if met:
                raise ConfigError(
                    f"The start '{one['name']}' was trained on {row['dataset']}:{row['split']}, "
                    f"which shares dialogues with {min(met)}; the recipe's dev data and holdout "
                    "must be new to it.",
                    hint="Leave 'start' out, or name other data under 'dev' and 'holdout'.",
                )
        _check_texts(one, holdout, root, kept)


def _check_texts(
    one: Mapping[str, Any], holdout: Holdout, root: Path, kept: Collection[str]
) -> None:
    """Refuse a start whose own training data repeat lines of the holdout."""
    if one["holdout"] is None:
        return
    new = [
        Part(part.name, data.dialogues)
        for part, data in holdout
        if not any(_keeps(before, part, data, root) for before in one["holdout"])
    ]
    if not new:
        return
    for row in one["sources"]:
        data = None if row["dataset"] in kept else _at_hand(row, root)
        shared = overlap(Part(data.title, data.dialogues), new).parts if data else ()
        for item in shared:
            # A turn of phrase in common is no reason to train the start anew.
            if met := max(item.with_two_lines, item.covered, item.repeated):
                raise ConfigError(
                    f"The start '{one['name']}' was trained on {row['dataset']}:{row['split']}, "
                    f"where {met:,} of the {item.dialogues:,} dialogues of {item.name} stand at "
                    "least in part; the recipe's dev data and holdout must be new to it.",
                    hint=f"Leave 'start' out, or train '{one['name']}' anew with these under "
                    "'holdout'; 'sentixrl datasets overlap' shows what is shared.",
                )


def _keeps(kept: Mapping[str, Any], part: DataPart, data: Dataset, root: Path) -> bool:
    """Whether a part of the start's holdout contains all of a recipe's part.

    Read with other switches it may be another language or version, or the same after all.
    """
    known = kept.get("data_hash")
    if known == data.data_hash:
        return True
    if part.file is not None and known is not None:  # it may have changed since
        return False
    same = ("dataset", "split", "file")
    if kept["limit"] or any(kept[key] != getattr(part, key) for key in same):
        return False
    if kept.get("switches") is None:  # a record of an earlier version
        return False
    if kept["switches"] == part.switches and (kept.get("kind") or "single") == part.kind:
        return True
    before = _at_hand({**kept, "task": part.task, "labels": part.labels}, root)
    return before is not None and _talks(data) <= _talks(before)


def _talks(data: Dataset) -> set[tuple[str, ...]]:
    return {tuple(turn.text for turn in dialogue) for dialogue in data}


def _at_hand(row: Mapping[str, Any], root: Path) -> Dataset | None:
    """A source of an earlier training, if its data set lies under ``root`` or its file is there."""
    if None in (row["dataset"], row["split"]):
        return None
    told = ("file", "labels") if row["dataset"] == CUSTOM else ("task", "kind", "switches")
    known = {key: row[key] for key in ("dataset", "split", *told) if row.get(key) is not None}
    try:
        return load_part(DataPart(**known), root, DEV_SEED)
    # Another copy of the data, or another version of the loader.
    except (SentixError, ValidationError):
        return None


def _of_one_split(part: DataPart, row: Mapping[str, Any]) -> bool:
    """Whether a recipe's part and a record's row are of splits that have dialogues in common.

    Files of one's own are told by their path, whatever was read of them and is in them by now.
    """
    if part.dataset != row["dataset"] or row["split"] is None:
        return False
    if part.file is not None:
        known, file = row["file"], Path(part.file)
        same = known is not None and Path(known).resolve() == file.resolve()
        return same and (part.split == row["split"] or file.is_file())  # a folder has one a split
    return info(part.dataset).share_dialogues(part.split, row["split"])
