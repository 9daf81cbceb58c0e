"""What the model that a training starts from was trained on before.

Contract: a start without a record, or with one of an earlier version, is no reason to fail; what
is not known is said to be unknown, and counts as trained on wherever that matters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sentixrl.bundle import ModelBundle
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.datasets.registry import info
from sentixrl.errors import ConfigError
from sentixrl.training.model import start_folder
from sentixrl.training.recipe import DataPart, Recipe

TRAINING_FILE = "training.json"
"""A bundle's record of its training."""
SHOWN = (
    "dataset", "split", "task", "variant", "dialogues", "utterances", "epochs",
    "dropped_for_overlap",
)  # fmt: skip
"""What a record says of a source at least; ``None`` where it does not."""


def earlier(recipe: Recipe) -> list[dict[str, Any]]:
    """What the model it starts from was trained on, the latest training first.

    Returns:
        ``name`` and ``sources`` of each training; no sources where there is no record of them.
    """
    folder = start_folder(recipe)
    if folder is None:
        return []
    try:
        facts = json.loads((folder / TRAINING_FILE).read_text("utf-8"))
        begun = {"name": facts["recipe"]["name"], "sources": facts["sources"]}
        return [_training(one) for one in (begun, *facts.get("earlier", []))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [{"name": ModelBundle.load(folder).name, "sources": []}]


def _training(one: dict[str, Any]) -> dict[str, Any]:
    rows = [{**dict.fromkeys(SHOWN), **row} for row in one["sources"]]
    return {"name": one["name"], "sources": rows}


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


def check_start(recipe: Recipe, dev: Mapping[str, Dataset]) -> None:
    """Refuse a start that was trained on what the recipe makes its choices on or keeps apart.

    Args:
        recipe: The recipe.
        dev: Name → what choices are made on.

    Raises:
        ConfigError: It was, as far as its record tells.
    """
    for one in earlier(recipe):
        for row in one["sources"]:
            met = {part.name for part in [*recipe.dev, *recipe.apart] if _of_one_split(part, row)}
            same = {name for name, data in dev.items() if data.data_hash == row.get("data_hash")}
            if met | same:
                raise ConfigError(
                    f"The start '{one['name']}' was trained on {row['dataset']}:{row['split']}, "
                    f"which shares dialogues with {min(met | same)}; what the recipe keeps "
                    "apart must be new to it.",
                    hint="Leave 'start' out, or name other data under 'dev' and 'apart'.",
                )


def _of_one_split(part: DataPart, row: Mapping[str, Any]) -> bool:
    """Whether a recipe's part and a record's row are of splits that have dialogues in common.

    Not known of files of one's own, which are told by their content's hash.
    """
    if part.dataset != row["dataset"] or part.dataset == CUSTOM or row["split"] is None:
        return False
    return info(part.dataset).share_dialogues(part.split, row["split"])
