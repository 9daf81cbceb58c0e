"""The model card of a bundle: ``README.md``, made from what is known of its training."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sentixrl.datasets.registry import REGISTRY, info
from sentixrl.training.sections import DataPart

CARD_FILE = "README.md"
UNKNOWN = "–"
"""What stands for what a record of an earlier version does not say."""


def write_card(facts: Mapping[str, Any], folder: Path) -> None:
    """Write the card of a bundle.

    Args:
        facts: What :func:`~sentixrl.training.finishing.training_facts` gives.
        folder: The bundle's folder.
    """
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["points"] = lambda value: f"{100 * value:.1f}"
    environment.filters["count"] = lambda value: UNKNOWN if value is None else f"{value:,}"
    template = resources.files("sentixrl") / "training" / "card.jinja"
    sources = [*facts["sources"], *(s for one in facts["earlier"] for s in one["sources"])]
    licences = {
        name: info(name).licence if name in REGISTRY else "a file of the trainer's own"
        for name in {source["dataset"] for source in sources if source["dataset"]}
    }
    recipe = facts["recipe"]
    held_out = [DataPart(**part).name for part in [*recipe["holdout"], *recipe["dev"]]]
    text = environment.from_string(template.read_text("utf-8")).render(
        **facts, licences=licences, held_out=list(dict.fromkeys(held_out)), unknown=UNKNOWN
    )
    (folder / CARD_FILE).write_text(text.strip() + "\n", "utf-8")
