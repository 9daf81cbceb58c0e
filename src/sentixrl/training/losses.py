"""Losses over a pack's questions: focal loss in two variants, class weights, logit adjustment.

Contract: a loss takes one pack's log-probabilities and returns one number per question; the caller
reduces them. γ = 0 is cross-entropy. The focal loss is that of Lin et
al. 2017 (arXiv 1708.02002): ``FL = -(1 - p)^γ log p``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Variant = Literal["closed", "vocabulary"]
Balance = Literal["none", "inverse", "effective"]


@dataclass(frozen=True, slots=True)
class Focal:
    """The focal loss.

    Attributes:
        gamma: How strongly easy examples are played down; 0 for cross-entropy.
        variant: ``closed``: p is the target's probability among the labels; ``vocabulary``: each
            target token's among all tokens. Their γ are not comparable.
    """

    gamma: float = 0.0
    variant: Variant = "closed"

    def __call__(self, log_probs: torch.Tensor) -> torch.Tensor:
        """The loss of each log-probability of a target, shape kept."""
        if self.gamma == 0:
            return -log_probs
        # expm1 keeps 1 - p exact where p is nearly 1; the floor keeps the gradient of a power
        # below 1 finite there.
        rest = (-torch.expm1(log_probs)).clamp_min(torch.finfo(log_probs.dtype).tiny)
        return -(rest**self.gamma) * log_probs


def class_weights(
    counts: Mapping[str, float], balance: Balance, beta: float = 0.999
) -> dict[str, float]:
    """α by label name, with mean 1 over the examples.

    Args:
        counts: Label → examples in the training data; labels without any weigh 0.
        balance: ``inverse`` frequency, or the ``effective`` number of Cui et al. 2019 (arXiv
            1901.05555): ``(1 - β) / (1 - β^n)``.
        beta: β of the effective number.
    """
    if balance == "none":
        return {name: 1.0 if count else 0.0 for name, count in counts.items()}
    raw = {
        name: (1 / count if balance == "inverse" else (1 - beta) / (1 - beta**count))
        for name, count in counts.items()
        if count
    }
    total = sum(counts[name] for name in raw)
    mean = sum(raw[name] * counts[name] for name in raw) / total if total else 1.0
    return {name: raw.get(name, 0.0) / mean for name in counts}


def log_prior(counts: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Log frequency of each label, one example added to each so that none is impossible.

    Added to the scores in training (τ times), it makes the trained scores those of balanced
    classes: logit adjustment, Menon et al. 2021 (arXiv 2007.07314).
    """
    smoothed = torch.tensor([counts.get(name, 0) + 1.0 for name in names], dtype=torch.float64)
    found: list[float] = (smoothed / smoothed.sum()).log().tolist()
    return found
