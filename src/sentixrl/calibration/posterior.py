"""Maps from raw choice scores to posteriors.

Contract: a map takes log-probabilities over the label set and returns log-probabilities over the
label set; it is applied before a label is proposed or compared with the confidence threshold. A
probability of zero stays zero. Until a map is fitted it is the identity: posteriors are the model's
own, and results say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sentixrl.errors import ConfigError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """``softmax(scale · log p + bias)``: temperature scaling with an optional bias per label.

    Attributes:
        scale: The inverse temperature, > 0.
        bias: One number per label, in the label set's order; empty for none. Where each label is
            judged by itself, the same for all.
        fitted: Whether it was fitted on data, or is the identity.
        thresholds: Where each label is judged by itself: the probability from which an utterance
            gets it, in the label set's order; empty for one half each.
        shares: Where a bias was fitted for one label a turn: each label's share of the data it was
            fitted on, in the label set's order, which the posteriors then assume.
        truths: The calibrated probabilities that the true labels got on data that the scale was not
            fitted on, ascending; what conformal sets are made from.

    Raises:
        ConfigError: The scale is not above 0, or a number is not finite.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    scale: float = 1.0
    bias: tuple[float, ...] = ()
    fitted: bool = False
    thresholds: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    truths: tuple[float, ...] = field(default=(), repr=False)  # there may be thousands

    def __post_init__(self) -> None:
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise ConfigError(
                f"A calibration's scale is {self.scale}; it needs to be finite and above 0."
            )
        if not all(map(math.isfinite, self.bias)):
            raise ConfigError(f"A calibration's bias is {self.bias}; each needs to be finite.")

    def reordered(self, order: Sequence[int]) -> Calibration:
        """The same for the labels in another order.

        Args:
            order: Which of the labels stands at each place.
        """

        def moved(values: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(values[place] for place in order) if values else values

        return replace(
            self,
            bias=moved(self.bias),
            thresholds=moved(self.thresholds),
            shares=moved(self.shares),
        )

    def __call__(self, log_probs: Sequence[float]) -> Floats:
        """Calibrated log-probabilities, shape ``[n_labels]``.

        Raises:
            ConfigError: The bias was fitted for another number of labels.
        """
        scores = self.scale * np.asarray(log_probs, np.float64)
        if self.bias:
            if len(self.bias) != len(scores):
                raise ConfigError(
                    f"The calibration was fitted for {len(self.bias)} labels, not {len(scores)}."
                )
            scores = scores + np.asarray(self.bias)
        return normalise(scores)


def normalise(scores: Floats) -> Floats:
    """``log softmax`` over the last axis, shape kept. Each row needs a finite score."""
    peak = scores.max(axis=-1, keepdims=True)
    if not np.isfinite(peak).all():
        raise ValueError(f"scores whose largest is {peak.min()} have no softmax")
    shifted = scores - peak
    normalised: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised
