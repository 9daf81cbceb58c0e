"""A run's identity: model, templates, labels, data and options, as plain JSON.

Contract: two runs with the same identity answer the same dialogues in the same way. Machine,
device, date, command line and the model's folder are recorded too, but are not compared. The number
format (``dtype``) and the library's version are.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sentixrl import __version__
from sentixrl.bundle import ModelBundle
from sentixrl.classifier import Classifier
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.demonstrations import DemonstrationPool
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Engine
from sentixrl.labels import LabelSet

Json = dict[str, Any]

NOT_COMPARED = frozenset({"model.base", "negotiation.discriminator"})
"""Recorded for readers, not compared: models are told apart by their engines' facts."""

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "tokenizers", "peft")


def data_identity(dataset: Dataset, *, limit: int | None = None, seed: int = 0) -> Json:
    """The data: name, split, task, switches, hash of the whole split, and which part is drawn."""
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "task": dataset.task,
        "variant": dataset.variant,
        "switches": dict(dataset.switches),
        "data_hash": dataset.data_hash,
        "group_kind": dataset.group_kind,
        "dialogues": len(dataset),
        "utterances": sum(len(dialogue) for dialogue in dataset),
        "labelled": dataset.labelled,
        "limit": limit,
        "seed": seed if limit is not None else None,
    }


def labels_identity(label_set: LabelSet) -> Json:
    """The labels: name, digest, names in order."""
    return {
        "name": label_set.name,
        "digest": label_set.digest,
        "names": list(label_set.names),
    }


def model_identity(classifier: Classifier) -> Json:
    """The model: its name, its engine's facts, and a hash of its bundle."""
    bundle = classifier.bundle
    judge = classifier.discriminator
    return {
        "name": classifier.engine.name,
        "base": bundle.base,
        "trained": bundle.trained,
        "bundle": _policy(bundle),
        **({} if judge is None else {"discriminator_bundle": _policy(judge)}),
        **classifier.engine.describe(),
    }


def _policy(bundle: ModelBundle) -> str:
    """A hash of what a bundle decides beside its weights, which are told apart by themselves."""
    policy = asdict(bundle)
    for place in ("adapter", "base", "name"):
        del policy[place]
    del policy["negotiation"]["discriminator"]  # told apart as any model is
    return digest(policy)


def options_identity(classifier: Classifier, dialogues: Iterable[Dialogue]) -> Json:
    """The options: templates of the dialogues' languages, context, negotiation, demonstrations."""
    pool = classifier.supplements.demonstrator
    shown = (
        {"demonstrations": digest(pool.describe())} if isinstance(pool, DemonstrationPool) else {}
    )
    return {
        "templates": classifier.templates_of(dialogues),
        "context": asdict(classifier.context),
        "negotiation": asdict(classifier.negotiation),
        **shown,
    }


def session_facts(command: str | None = None, engine: Engine | None = None) -> Json:
    """When, where and with what a run was worked on; no part of its identity."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": _machine(engine),
        "versions": {
            "sentixrl": __version__,
            "python": platform.python_version(),
            **dict(_versions()),
        },
    }


def number_format(identity: Mapping[str, Any]) -> str | None:
    """What a run's or a job's model computes in; ``None`` where that is not known."""
    model = identity.get("model")
    found = model.get("dtype") if isinstance(model, Mapping) else None
    return found if isinstance(found, str) else None


def plain(identity: Mapping[str, Any]) -> Json:
    """An identity as it comes back from a file: tuples are lists, keys are text."""
    found: Json = json.loads(json.dumps(identity, default=str))
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A clause for every part of an identity that changed."""
    old, new = dict(_leaves(before)), dict(_leaves(now))
    return [
        f"{name} was {_shown(old.get(name))} and is now {_shown(new.get(name))}"
        for name in dict.fromkeys([*old, *new])
        if name not in NOT_COMPARED and old.get(name) != new.get(name)
    ]


def _machine(engine: Engine | None) -> Json:
    facts: Json = {"system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
    return facts | dict(engine.machine()) if engine is not None else facts


def _versions() -> Iterator[tuple[str, str]]:
    for name in _LIBRARIES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def digest(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """A short hash of plain data."""
    text = json.dumps(content, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"
