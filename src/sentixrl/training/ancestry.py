"""What the model that a training starts from was trained on before.

Contract: a start without a record, or with one of an earlier version, is no reason to fail; what
is not known is said to be unknown, and counts as trained on wherever that matters.
"""

from __future__ import annotations

import json
from typing import Any

from sentixrl.bundle import ModelBundle
from sentixrl.training.model import start_folder
from sentixrl.training.recipe import Recipe

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


def has_met(recipe: Recipe) -> bool:
    """Whether the model it starts from may have been trained on what the recipe trains on."""
    before = earlier(recipe)
    known = {(row["dataset"], row["split"]) for one in before for row in one["sources"]}
    unknown = any(not one["sources"] for one in before) or any(None in pair for pair in known)
    return unknown or any((part.dataset, part.split) in known for part in recipe.train)
