"""Models that this process holds, each loaded once however many ask for it.

Contract: two specifications that name the same models and load them the same way share them,
whatever labels and options they ask about. If a folder that was read has changed since (a bundle's,
its base's or adapter's, those of the discriminator), all is loaded anew. At most
:data:`MOST_MODELS` stay; the one that was asked for longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from sentixrl.classifier import Classifier
from sentixrl.errors import ModelError
from sentixrl.labels import resolve_labels
from sentixrl.named_models import bundle_of
from sentixrl.spec import ClassifierSpec
from sentixrl.untrusted import boundary

MOST_MODELS = 2
"""How many models are kept."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A model that is loaded.

    Attributes:
        classifier: The model, with its bundle's labels and options.
        places: The names and folders that it was loaded from.
        state: What their files were before.
    """

    classifier: Classifier
    places: tuple[str, ...]
    state: Hashable


_models: OrderedDict[ClassifierSpec, _Held] = OrderedDict()
_lock = Lock()


def classifier_of(spec: ClassifierSpec) -> Classifier:
    """The classifier a specification describes, over a model that is loaded at most once.

    Raises:
        ModelError: The model is missing or unusable.
        LabelError: The label set is unusable.
    """
    bare = _bare(spec)
    with _lock:  # also while it loads: who comes second waits instead of loading it again
        held = _models.get(bare)
        if held is None or held.state != _state(held.places):
            places = _places(bare)
            state = _state(places)  # before: what changes meanwhile is loaded anew
            held = _models[bare] = _Held(bare.load(), places, state)
        _models.move_to_end(bare)
        while len(_models) > MOST_MODELS:
            _models.popitem(last=False)
    found = held.classifier
    labels = found.bundle.labels if spec.labels is None else spec.labels
    return found.replace(
        labels=resolve_labels(labels), context=spec.context, negotiation=spec.negotiation
    )


def release() -> None:
    """Let go of all models; those that nobody else holds leave the memory."""
    with _lock:
        _models.clear()


def _bare(spec: ClassifierSpec) -> ClassifierSpec:
    """What of a specification decides which models are loaded: all but labels and options."""
    bare = replace(spec, labels=None, context=None, negotiation=None)
    if spec.negotiation is None:
        return bare
    own, named = bare.bundle().negotiation, spec.negotiation.discriminator
    if named == own.discriminator:
        return bare
    return replace(bare, negotiation=replace(own, discriminator=named))


def _places(spec: ClassifierSpec) -> tuple[str, ...]:
    """The names and folders that a specification's models come from."""
    bundle = spec.bundle()
    named = (spec.negotiation or bundle.negotiation).discriminator
    bundles = [bundle] if named is None else [bundle, bundle_of(named)]
    parts = [spec.model, named, *(part for one in bundles for part in (one.base, one.adapter))]
    return tuple(str(part) for part in parts if part is not None)


def _state(places: tuple[str, ...]) -> Hashable:
    """Which files are in folders and when they were written; nothing for other names."""
    with boundary("The model's folder cannot be looked at", kind=ModelError):
        return tuple(_files(Path(place).resolve()) for place in places)


def _files(folder: Path) -> Hashable:
    if not folder.is_dir():
        return None
    files = sorted(
        file for part in (folder, folder / "adapter") if part.is_dir() for file in part.iterdir()
    )
    stats = [(str(file), file.stat()) for file in files]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
