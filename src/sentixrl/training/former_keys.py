"""What keys of recipes and of bundles' records were called in earlier versions.

Contract: released bundles and people's recipes hold former names; whoever reads one gets the
present names from here, and nobody else knows the former ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sentixrl.errors import ConfigError

RECIPE_KEYS: Mapping[str, str] = {
    "apart": "holdout",
    "framing": "prompt_format",
    "optimiser.rate": "learning_rate",
    "optimiser.decay": "weight_decay",
    "optimiser.clip": "max_grad_norm",
    "optimiser.average": "ema",
}
"""Former key of a recipe, with its section → present name."""
RECORD_KEYS: Mapping[str, str] = {"kept_apart": "holdout"}
"""Former key of ``training.json`` → present name."""
EARLIER_KEYS: Mapping[str, str] = {"apart": "holdout"}
"""The same for each of its entries under ``earlier``."""


def current_recipe(content: object, origin: str) -> object:
    """A recipe's plain data under the present names.

    Args:
        content: Whatever was read as a recipe.
        origin: What errors call it.

    Raises:
        ConfigError: A key is there under both of its names.
    """
    if not isinstance(content, Mapping):
        return content
    found = dict(content)
    for former, present in RECIPE_KEYS.items():
        section, _, key = former.rpartition(".")
        part = found
        if section:
            if not isinstance(found.get(section), Mapping):
                continue
            part = found[section] = dict(found[section])
        if key in part and present in part:
            raise ConfigError(
                f"The recipe {origin} has '{present}' and, by its former name, '{key}'.",
                hint=f"Leave '{key}' out.",
            )
        if key in part:
            part[present] = part.pop(key)
    return found


def current_record(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A ``training.json`` under the present names."""
    found = _renamed(facts, RECORD_KEYS)
    if "earlier" in found:
        found["earlier"] = [_renamed(one, EARLIER_KEYS) for one in found["earlier"]]
    return {**found, "recipe": current_recipe(facts["recipe"], "of the record")}


def _renamed(content: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in content.items()}
