"""The model card of a bundle, ``README.md``, and the terms of its base, if these bind it too."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sentixrl.datasets.registry import REGISTRY, info
from sentixrl.engines.local.bundled import BUNDLED
from sentixrl.training.sections import DataPart

CARD_FILE = "README.md"
NOTICE_FILE = "NOTICE.txt"
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
        **facts,
        licences=licences,
        held_out=list(dict.fromkeys(held_out)),
        unknown=UNKNOWN,
        base=BUNDLED.get(recipe["base"]),
    )
    (folder / CARD_FILE).write_text(text.strip() + "\n", "utf-8")


def write_terms(facts: Mapping[str, Any], folder: Path) -> None:
    """Put the terms of the base into a bundle that they bind, with a statement of what was changed.

    Args:
        facts: What :func:`~sentixrl.training.finishing.training_facts` gives.
        folder: The bundle's folder.
    """
    base = BUNDLED.get(facts["recipe"]["base"])
    if base is None or base.terms is None:
        return
    for file in sorted(base.terms.iterdir()):
        shutil.copy(file, folder / file.name)
    notice = (folder / NOTICE_FILE).read_text("utf-8").rstrip()
    changes = (
        f"Changes: this folder holds a difference to the weights of {base.title}, trained with "
        f"sentixrl on {facts['date'][:10]} to classify emotions ('{facts['recipe']['name']}'). The "
        f"weights of the base are not in it. {CARD_FILE} says what it was trained on."
    )
    (folder / NOTICE_FILE).write_text(f"{notice}\n\n{changes}\n", "utf-8")
