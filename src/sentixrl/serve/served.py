"""The models a service answers with, by name, and a classifier for each way of asking them.

Contract: a request can name only what was given at the start. Classifiers of other labels and
options share the model and its workers; a bounded number of them is kept, the least recently used
is dropped. Nothing here loads a model or reads a file after the start.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sentixrl.classifier import Classifier
from sentixrl.engines.protocol import Engine
from sentixrl.engines.roles import hosts_of
from sentixrl.errors import ConfigError
from sentixrl.formats.characters import nearest, shown
from sentixrl.labels import LabelSet
from sentixrl.serve.refusals import RefusedError

KEPT_CLASSIFIERS = 64
"""Label sets and options that are kept ready, per model."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a request wants a model to be asked; ``None`` is as the model says.

    Attributes:
        labels: The label set.
        negotiation: Whether the roles negotiate, or the generator's first word stands.
        reproducible: Whether each dialogue is computed alone, so that its numbers depend on it
            alone.
        single: Whether an utterance gets one label, even if the model is to give several.
    """

    labels: LabelSet | None = None
    negotiation: bool | None = None
    reproducible: bool = False
    single: bool = False


class ServedModel:
    """One model of a service.

    Args:
        name: What requests call it.
        classifier: The model as it was loaded.
        glosses: Whether prompts explain the labels, whichever these are; default: as
            :meth:`~sentixrl.Classifier.asking` says.
    """

    def __init__(self, name: str, classifier: Classifier, glosses: bool | None = None) -> None:
        self.name = name
        self.classifier = classifier
        self._glosses = glosses
        self._ready: OrderedDict[tuple[object, ...], Classifier] = OrderedDict()

    @property
    def engine(self) -> Engine:
        """Who answers."""
        return self.classifier.engine

    @property
    def remote_host(self) -> str | None:
        """Where either role sends texts; ``None`` if both are on this machine."""
        return ", ".join(hosts_of(self.engine)) or None

    def asked(self, asking: Asking) -> Classifier:
        """The classifier for a way of asking, made at its first use.

        Raises:
            SentixError: The model cannot be asked that way.
        """
        labels = asking.labels or self.classifier.label_set
        # The digest holds what prompts show; results carry the set's own name and order.
        key = (labels.name, labels.names, labels.digest, replace(asking, labels=None))
        found = self._ready.pop(key, None) or self._made(labels, asking)
        self._ready[key] = found
        while len(self._ready) > KEPT_CLASSIFIERS:
            self._ready.popitem(last=False)
        return found

    def _made(self, labels: LabelSet, asking: Asking) -> Classifier:
        loaded = self.classifier
        enabled = loaded.negotiation.enabled if asking.negotiation is None else asking.negotiation
        asked = loaded.asking(labels, self._glosses)
        return asked.replace(
            negotiation=replace(
                asked.negotiation,
                enabled=enabled,
                reproducible=asking.reproducible,
                kind="single" if asking.single else asked.negotiation.kind,
            ),
        )


class Models:
    """The models of a service.

    Args:
        models: At least one; the first is the default.

    Raises:
        ConfigError: Two have the same name, or there is none.
    """

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models: dict[str, ServedModel] = {}
        for model in models:
            if model.name in self._models:
                raise ConfigError(
                    f"Two models are called '{shown(model.name)}'.",
                    hint="Name one of them otherwise: --model OTHER=MODEL.",
                )
            self._models[model.name] = model
        if not self._models:
            raise ConfigError("A service needs at least one model.")

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    @property
    def default(self) -> ServedModel:
        """The one that answers where a request names none."""
        return next(iter(self._models.values()))

    @property
    def names(self) -> Sequence[str]:
        """What they are called."""
        return tuple(self._models)

    def named(self, name: str | None) -> ServedModel:
        """The model a request names.

        Raises:
            RefusedError: There is none of this name here.
        """
        if name is None:
            return self.default
        if name not in self._models:
            guess = nearest(name, self._models)
            meant = f"Did you mean '{guess}'? " if guess else ""
            raise RefusedError(
                404,
                f"There is no model called '{shown(name)}' here.",
                f"{meant}There are: {', '.join(self._models)}.",
            )
        return self._models[name]
