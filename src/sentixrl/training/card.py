"""The model card of a bundle: ``README.md``, made from what is known of its training.

Contract: it begins with what the Hugging Face hub reads of a card, as YAML; only what is known
stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sentixrl.datasets.registry import REGISTRY, info
from sentixrl.engines.local.bundled import BUNDLED
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
    (folder / CARD_FILE).write_text(f"{front_matter(facts)}{text.strip()}\n", "utf-8")


def front_matter(facts: Mapping[str, Any]) -> str:
    """What the hub reads of a card: a block of YAML between dashes.

    Args:
        facts: As :func:`write_card` takes them.
    """
    base = facts["recipe"]["base"]
    known = BUNDLED.get(base)
    hub_id = known.hub if known else base if base.count("/") == 1 and base[:1] != "/" else None
    names = {source["dataset"] for source in facts["sources"]} & REGISTRY.keys()
    content = {
        "library_name": "sentixrl",
        "pipeline_tag": "text-classification",
        "license": known.hub_licence if known else None,
        "base_model": hub_id,
        "base_model_relation": "adapter" if hub_id else None,
        # A set in many languages does not say which of them were trained on.
        "language": sorted(
            {info(name).languages[0] for name in names if len(info(name).languages) == 1}
        ),
        "tags": ["emotion", "conversation", "sentixrl"],
    }
    told = {key: value for key, value in content.items() if value}
    return f"---\n{yaml.safe_dump(told, sort_keys=False)}---\n\n"
