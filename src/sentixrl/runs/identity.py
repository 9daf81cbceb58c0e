"""What makes a run that run: model, templates, labels, data and options, as plain JSON.

Contract: two runs of one identity answer the same dialogues in the same way. Place and time
(machine, date, command line, where the model's folder lies) are noted beside it and do not
count; the number format (``dtype``) and the library's version do.
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
from pathlib import Path
from typing import Any

from sentixrl import __version__
from sentixrl.classifier import Classifier
from sentixrl.context.retrieval import ContextBuilder
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.engines.local.bundled import INSTALLED_FILE
from sentixrl.engines.protocol import Engine
from sentixrl.errors import InputError
from sentixrl.labels import LabelSet

Json = dict[str, Any]

NOT_COMPARED = frozenset({"model.base"})
"""What the identity holds for the reader's sake: weights are told apart by their hash."""

BIG_FILE = 64 * 1024 * 1024
"""Files from this size on are hashed by their length and ``SAMPLES`` blocks of ``BLOCK`` bytes."""
BLOCK, SAMPLES = 1 << 20, 48
MODEL_SUFFIXES = frozenset({".safetensors", ".json", ".jinja", ".model", ".txt"})
"""Endings of the files of a model's folder: weights, settings, templates, vocabularies."""
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "tokenizers", "peft")


def data_identity(dataset: Dataset, *, limit: int | None = None, seed: int = 0) -> Json:
    """The data: name, split, task, switches, hash of the whole split, what is drawn of it."""
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


def model_identity(
    classifier: Classifier, *, adapter: Path | None = None, bits: int | None = None
) -> Json:
    """The model: its name, hashes of its weights, adapter and bundle, framing and number format.

    Args:
        classifier: What answers.
        adapter: An adapter that was loaded beside the bundle's.
        bits: The quantisation it was loaded with.
    """
    engine, bundle = classifier.engine, classifier.bundle
    local = hasattr(engine, "decoder")
    policy = asdict(bundle)
    for place in ("adapter", "base", "name"):
        del policy[place]
    used = adapter or bundle.adapter
    return {
        "name": engine.name,
        "base": bundle.base,
        "trained": bundle.trained,
        "weights": _weights(bundle.base) if local else None,
        "adapter": fingerprint(used) if used is not None else None,
        "bundle": digest(policy),
        "framing": getattr(getattr(engine, "framing", None), "name", None),
        "dtype": _dtype(engine),
        "bits": bits,
    }


def options_identity(classifier: Classifier, dialogues: Iterable[Dialogue]) -> Json:
    """How it is asked: templates of the dialogues' languages, context, negotiation."""
    builder = ContextBuilder(
        classifier.label_set, classifier.context, classifier.engine.count_tokens
    )
    used = {builder.template_for(dialogue).identity for dialogue in dialogues}
    return {
        "templates": sorted(used),
        "context": asdict(classifier.context),
        "negotiation": asdict(classifier.negotiation),
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


def fingerprint(path: Path) -> str:
    """A short hash of a file, or of the files that make a folder a model, with their names.

    Whatever else lies in the folder (run folders, notes, an install's record) does not count. Big
    files count by length and evenly spread blocks: hashing 16 GB would take half a minute,
    and training moves nearly every weight.

    Raises:
        InputError: Something cannot be read.
    """
    files = [path] if path.is_file() else sorted(filter(_is_of_model, path.glob("*")))
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(os.fsencode(f"{file.name}\0{file.stat().st_size}\0"))
            for block in _blocks(file):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return digest.hexdigest()[:16]


def _is_of_model(file: Path) -> bool:
    return file.suffix in MODEL_SUFFIXES and file.name != INSTALLED_FILE and file.is_file()


def _blocks(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size < BIG_FILE:
            yield stream.read()
            return
        for number in range(SAMPLES):
            stream.seek((size - BLOCK) * number // (SAMPLES - 1))
            yield stream.read(BLOCK)


def _weights(base: str | None) -> str | None:
    from sentixrl.engines.local.loading import locate

    return fingerprint(locate(base)[1])


def _dtype(engine: Engine) -> str | None:
    dtype = getattr(getattr(engine, "decoder", None), "dtype", None)
    return None if dtype is None else str(dtype).removeprefix("torch.")


def _machine(engine: Engine | None) -> Json:
    facts: Json = {"system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
    device = getattr(getattr(engine, "decoder", None), "device", None)
    if device is not None:
        import torch

        from sentixrl.engines.local.hardware import processor_name

        facts |= {
            "processor": processor_name(device),
            "device": str(device),
            "dtype": _dtype(engine) if engine is not None else None,
            "threads": torch.get_num_threads(),
        }
    return facts


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
