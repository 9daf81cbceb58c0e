"""What ``sentixrl evaluate`` can measure: a model, a baseline, anybody's predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sentixrl.cli.console import errors
from sentixrl.errors import ConfigError

if TYPE_CHECKING:
    from sentixrl.classifier import Classifier
    from sentixrl.cli.inputs import InputOptions
    from sentixrl.datasets import Dataset
    from sentixrl.evaluation.baselines.system import System


T = TypeVar("T")


class BaselineChoice(StrEnum):
    """Systems to compare with."""

    MAJORITY = "majority"
    TFIDF = "tfidf"
    EMBEDDINGS = "embeddings"
    LABEL_ORDERS = "label-orders"


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        system: Answers dialogues.
        identity: What makes it that system.
        model: The model it asks, if it asks one.
    """

    system: System
    identity: Mapping[str, Any]
    model: Classifier | None = None

    def applied(self, told: Callable[[Classifier], T], otherwise: T) -> T:
        """What a function gives of the model; ``otherwise`` if there is none."""
        return otherwise if self.model is None else told(self.model)


def foreign(path: Path, whole: Dataset, inputs: InputOptions) -> Subject:
    """Predictions of anybody's, read from a table or from what ``classify`` printed."""
    from sentixrl.engines.fingerprint import fingerprint
    from sentixrl.evaluation.foreign import read_predictions

    system = read_predictions(
        path,
        whole,
        columns=inputs.chosen_columns(),
        encoding=inputs.encoding,
        quoting=inputs.quoting.value,
    )
    return Subject(
        system,
        {"kind": "predictions", "model": {"name": system.name, "weights": fingerprint(path)}},
    )


def trained_baseline(choice: BaselineChoice, load_part: Callable[[str], Dataset]) -> Subject:
    """A baseline, trained on train and chosen on dev.

    Raises:
        ConfigError: It is the commonest label, and utterances may have several.
    """
    from sentixrl.evaluation.baselines import LabelRegressions, embeddings, majority, tfidf
    from sentixrl.evaluation.baselines.tfidf import tfidf_several

    train = load_part("train")
    model: dict[str, Any] = {"name": choice.value, "train_hash": train.data_hash}
    if choice is BaselineChoice.MAJORITY:
        if train.several:
            raise ConfigError(
                "The commonest label is a baseline for one label per utterance; this data has "
                "several.",
                hint=f"Take --baseline {BaselineChoice.TFIDF.value} instead.",
            )
        return Subject(majority(train), {"kind": "baseline", "model": model})
    dev = load_part("dev")
    model["dev_hash"] = dev.data_hash
    system: System
    with errors().status(f"Training the baseline '{choice.value}' on train, choosing on dev"):
        if choice is BaselineChoice.EMBEDDINGS:
            system = embeddings(train, dev)
        elif train.several:
            system = tfidf_several(train, dev)
        else:
            system = single = tfidf(train, dev)
            model["settings"] = single.settings.as_dict()
    if isinstance(system, LabelRegressions):
        model |= {"strength": system.strength, "thresholds": list(system.thresholds)}
    return Subject(system, {"kind": "baseline", "model": model})


def from_model(classifier: Classifier, whole: Dataset) -> Subject:
    """A model."""
    from sentixrl.evaluation.running import identity_of

    return Subject(classifier, identity_of(classifier, whole), classifier)


def over_label_orders(classifier: Classifier, passes: int, seed: int, whole: Dataset) -> Subject:
    """The mean over so many orders of a model's labels; it does not negotiate."""
    from sentixrl.evaluation.baselines import label_orders
    from sentixrl.evaluation.running import identity_of

    identity = {**identity_of(classifier, whole), "kind": "baseline", "label_orders": passes}
    return Subject(label_orders(classifier, passes, seed=seed), identity, classifier)
