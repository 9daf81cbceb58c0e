"""An ensemble over orders of the label statement: what negotiation's compute buys without it.

A language model's posterior depends on the order in which labels are named. Averaging over ``k``
orders costs ``k`` passes, as rounds of negotiation do, and is the control that they must beat.

Contract: pass 1 keeps the label set's own order, so one pass is the classifier's single pass; the
others are drawn from the seed. Nothing is negotiated. An utterance that fails in one pass is
answered by the others; it fails only if it fails in all.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import tee
from statistics import fmean

from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction, Prediction


@dataclass(frozen=True)
class LabelOrders:
    """Averages the posteriors of several passes; made by :func:`label_orders`.

    Attributes:
        label_set: The task's labels in their own order.
        passes: One classifier per order.
        name: What results call it.
    """

    label_set: LabelSet
    passes: tuple[Classifier, ...]
    name: str

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order, as they are finished."""
        copies = tee(dialogues, len(self.passes))
        runs = (one.predict_many(copy) for one, copy in zip(self.passes, copies, strict=True))
        for predictions in zip(*runs, strict=True):
            items = zip(*(prediction.items for prediction in predictions), strict=True)
            yield replace(
                predictions[0],
                model=self.name,
                items=tuple(self._averaged(group) for group in items),
            )

    def _averaged(self, group: Sequence[Prediction]) -> Prediction:
        posteriors = [item.probabilities for item in group if item.probabilities is not None]
        if not posteriors:
            return group[0]
        mean = {name: fmean(row[name] for row in posteriors) for name in self.label_set.names}
        label = max(mean, key=mean.__getitem__)
        answered = next(item for item in group if item.probabilities is not None)
        return replace(
            answered,
            label=label,
            fallback=label,
            probabilities=mean,
            confidence=mean[label],
            tokens=sum(item.tokens for item in group),
            seconds=sum(item.seconds for item in group),
        )


def label_orders(classifier: Classifier, passes: int = 3, *, seed: int = 0) -> LabelOrders:
    """An ensemble of ``passes`` label orders around a classifier.

    Args:
        classifier: Its engine must give scores.
        passes: How many orders; distinct ones as long as there are enough.
        seed: Draws the orders.

    Raises:
        ConfigError: There is no pass, or the engine gives no scores to average.
    """
    if passes < 1:
        raise ConfigError(f"An ensemble of {passes} passes was asked for; it needs at least 1.")
    if not classifier.engine.capabilities.score:
        raise ConfigError(
            f"The engine '{classifier.engine.name}' gives no probabilities to average."
        )
    orders = _orders(len(classifier.label_set), passes, seed)
    once = classifier.replace(negotiation=replace(classifier.negotiation, enabled=False))
    return LabelOrders(
        classifier.label_set,
        tuple(once.reordered(order) for order in orders),
        f"{classifier.engine.name} (label orders: {passes}, seed {seed})",
    )


def _orders(size: int, passes: int, seed: int) -> list[tuple[int, ...]]:
    rng = random.Random(seed)
    own = tuple(range(size))
    found = [own]
    while len(found) < passes:
        order = tuple(rng.sample(own, size))
        if order not in found or len(set(found)) == _factorial_at_most(size, passes):
            found.append(order)
    return found


def _factorial_at_most(size: int, limit: int) -> int:
    """``size!``, or any number above ``limit`` if it is larger."""
    product = 1
    for factor in range(2, size + 1):
        product *= factor
        if product > limit:
            break
    return product
