"""Whether two engines give the same answers.

Contract: a label may differ where the reference's first two labels lie within 0.05 nats; such
pairs are counted too, but apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.children import Run

CLOSE = 0.05
"""Nats between the first two labels, below which rounding may decide."""

Answer = tuple[str | None, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Today's answers against the reference's.

    Attributes:
        utterances: How many were compared.
        bit_equal: Whether all labels and all bits of all probabilities are the same.
        labels_differ: The share of labels that differ.
        clear_labels_differ: The share that differ although the reference's first two labels are
            further apart than 0.05 nats.
        largest_difference: The largest difference of a probability.
    """

    utterances: int
    bit_equal: bool
    labels_differ: float
    clear_labels_differ: float
    largest_difference: float

    def __str__(self) -> str:
        if self.bit_equal:
            return f"bit-equal on {self.utterances} utterances"
        return (
            f"{self.labels_differ:.2%} of {self.utterances} labels differ "
            f"({self.clear_labels_differ:.2%} beyond {CLOSE} nats); "
            f"largest |Δp| {self.largest_difference:.2g}"
        )

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def compare(reference: Run, run: Run) -> Agreement:
    """Compare the answers of two runs over the same dialogues."""
    pairs = list(zip(reference.answers, run.answers, strict=True))
    differing = [one for one, other in pairs if one[0] != other[0]]
    differences = [
        abs(p - q) for one, other in pairs for p, q in zip(one[1], other[1], strict=True)
    ]
    return Agreement(
        len(pairs),
        all(one == other for one, other in pairs),
        len(differing) / len(pairs),
        sum(margin(answer[1]) > CLOSE for answer in differing) / len(pairs),
        max(differences, default=0.0),
    )


def margin(probabilities: Sequence[float]) -> float:
    """How far the first two labels lie apart, in nats."""
    first, second = sorted(probabilities, reverse=True)[:2]
    return math.log(first / second) if second > 0 else math.inf
