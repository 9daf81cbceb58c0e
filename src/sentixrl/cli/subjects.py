"""What ``sentixrl evaluate`` can measure: a model, a baseline, anybody's predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentixrl.cli.console import errors

if TYPE_CHECKING:
    from sentixrl.classifier import Classifier
    from sentixrl.datasets import Dataset
    from sentixrl.evaluation.baselines.system import System


class BaselineChoice(StrEnum):
    """Systems to compare with."""

    MAJORITY = "majority"
    TFIDF = "tfidf"
    LABEL_ORDERS = "label-orders"


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        system: Answers dialogues.
        identity: What makes it that system.
        classifier: The classifier behind it, if there is one.
    """

    system: System
    identity: Mapping[str, Any]
    classifier: Classifier | None = None


def foreign(path: Path, whole: Dataset, part: Dataset) -> Subject:
    """Predictions of anybody's, read from a CSV."""
    from sentixrl.evaluation.foreign import read_predictions
    from sentixrl.engines.fingerprint import fingerprint

    system = read_predictions(path, whole)
    return Subject(
        system,
        {"kind": "predictions", "model": {"name": system.name, "weights": fingerprint(path)}},
    )


def trained_baseline(
    choice: BaselineChoice, load_part: Callable[[str], Dataset], part: Dataset
) -> Subject:
    """A baseline, trained on train and chosen on dev."""
    from sentixrl.evaluation.baselines import majority, tfidf

    train = load_part("train")
    model: dict[str, Any] = {"name": choice.value, "train_hash": train.data_hash}
    if choice is BaselineChoice.MAJORITY:
        return Subject(majority(train), {"kind": "baseline", "model": model})
    dev = load_part("dev")
    with errors().status("Training TF-IDF on train, choosing on dev"):
        system = tfidf(train, dev)
    model |= {"dev_hash": dev.data_hash, "settings": system.settings.as_dict()}
    return Subject(system, {"kind": "baseline", "model": model})


def from_model(
    open_classifier: Callable[[], Classifier],
    adapter: Path | None,
    bits: int | None,
    passes: int | None,
    seed: int,
    part: Dataset,
) -> Subject:
    """A model; with ``passes``, the vote of as many orders of its labels."""
    from sentixrl.evaluation.baselines import label_orders
    from sentixrl.runs import model_identity, options_identity

    classifier = open_classifier()
    if passes is not None:  # a vote of first answers
        once = replace(classifier.negotiation, enabled=False)
        classifier = classifier.replace(labels=classifier.label_set, negotiation=once)
    identity = {
        "kind": "model",
        "model": model_identity(classifier, adapter=adapter, bits=bits),
        **options_identity(classifier, part.dialogues),
    }
    if passes is None:
        return Subject(classifier, identity, classifier)
    identity |= {"kind": "baseline", "label_orders": passes}
    return Subject(label_orders(classifier, passes, seed=seed), identity, classifier)
