"""The model card of a bundle, ``README.md``, and the terms of its base, if these bind it too.

Contract: a card begins with what the Hugging Face hub reads of it, as YAML; only what is known
stands there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sentixrl.bundle import CARD_FILE
from sentixrl.datasets.registry import REGISTRY, info
from sentixrl.engines.local.bundled import BUNDLED
from sentixrl.training.sections import DataPart

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
    licences = {
        name: info(name).licence if name in REGISTRY else "a file of the trainer's own"
        for name in {source["dataset"] for source in _sources(facts) if source["dataset"]}
    }
    recipe = facts["recipe"]
    held_out = [DataPart(**part).name for part in [*recipe["holdout"], *recipe["dev"]]]
    text = environment.from_string(template.read_text("utf-8")).render(
        **facts,
        licences=licences,
        held_out=list(dict.fromkeys(held_out)),
        languages=languages(facts),
        unknown=UNKNOWN,
        base=BUNDLED.get(recipe["base"]),
    )
    (folder / CARD_FILE).write_text(f"{front_matter(facts)}{text.strip()}\n", "utf-8")


def front_matter(facts: Mapping[str, Any]) -> str:
    """What the hub reads of a card: a block of YAML between dashes.

    Args:
        facts: As :func:`write_card` takes them.
    """
    base = facts["recipe"]["base"]
    known = BUNDLED.get(base)
    hub_id = known.hub if known else base if base.count("/") == 1 and base[:1] != "/" else None
    content = {
        "library_name": "sentixrl",
        "pipeline_tag": "text-classification",
        "license": known.hub_licence if known else None,
        "base_model": hub_id,
        "base_model_relation": "adapter" if hub_id else None,
        "language": languages(facts),
        "tags": ["emotion", "conversation", "sentixrl"],
    }
    told = {key: value for key, value in content.items() if value}
    return f"---\n{yaml.safe_dump(told, sort_keys=False)}---\n\n"


def languages(facts: Mapping[str, Any]) -> list[str]:
    """The languages of the training data, of earlier trainings too, as far as it is known.

    Args:
        facts: As :func:`write_card` takes them.
    """
    found: set[str] = set()
    for source in _sources(facts):
        if source.get("languages") is not None:
            found.update(source["languages"])
        # Earlier records have the data set's name alone, which tells where it has one language.
        elif source["dataset"] in REGISTRY and len(info(source["dataset"]).languages) == 1:
            found.update(info(source["dataset"]).languages)
    return sorted(found)


def _sources(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What it was trained on, before too."""
    return [*facts["sources"], *(source for one in facts["earlier"] for source in one["sources"])]


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
