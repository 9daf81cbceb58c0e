"""Models that this process holds, each loaded once however many ask for it.

Contract: two specifications that name the same files and load them the same way share one model,
whatever labels and options they ask about. A folder that has changed since is loaded anew. At most
:data:`MOST_MODELS` stay; the one that was asked for longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from threading import Lock

from sentixrl.classifier import Classifier
from sentixrl.errors import ModelError
from sentixrl.labels import resolve_labels
from sentixrl.spec import ClassifierSpec
from sentixrl.untrusted import boundary

MOST_MODELS = 2
"""How many models are kept."""

_models: OrderedDict[Hashable, Classifier] = OrderedDict()
_lock = Lock()


def classifier_of(spec: ClassifierSpec) -> Classifier:
    """The classifier a specification describes, over a model that is loaded at most once.

    Raises:
        ModelError: The model is missing or unusable.
        LabelError: The label set is unusable.
    """
    key = (spec.model, spec.engine, _state(spec.model))
    with _lock:  # also while it loads: who comes second waits instead of loading it again
        if key not in _models:
            _models[key] = replace(spec, labels=None, context=None, negotiation=None).load()
        _models.move_to_end(key)
        while len(_models) > MOST_MODELS:
            _models.popitem(last=False)
        found = _models[key]
    labels = found.bundle.labels if spec.labels is None else spec.labels
    return found.replace(
        labels=resolve_labels(labels), context=spec.context, negotiation=spec.negotiation
    )


def release() -> None:
    """Let go of all models; those that nobody else holds leave the memory."""
    with _lock:
        _models.clear()


def _state(model: str | None) -> Hashable:
    """Which files a model's folder holds and when they were written; nothing for a name."""
    with boundary("The model's folder cannot be looked at", kind=ModelError):
        if model is None or not (folder := Path(model)).is_dir():
            return None
        files = sorted(
            file
            for part in (folder, folder / "adapter")
            if part.is_dir()
            for file in part.iterdir()
        )
        stats = [(str(file), file.stat()) for file in files]
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
