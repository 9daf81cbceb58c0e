"""Log-odds of a label, and what a change of prompt did to them.

Contract: pure functions of label → log-probability over a whole label set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sentixrl.prediction import Evidence

LARGEST = 50.0
"""Log-odds, in nats, are cut off here: beyond it a probability is 0 or 1 in floating point."""

LogProbs = Mapping[str, float]


def log_odds(log_probs: LogProbs, label: str) -> float:
    """``log p - log(1 - p)`` of a label, in nats, within ±:data:`LARGEST`."""
    rest = _log_sum([value for name, value in log_probs.items() if name != label])
    own = log_probs[label]
    if rest == -math.inf or own == -math.inf:
        return -LARGEST if own == -math.inf else LARGEST
    return max(-LARGEST, min(LARGEST, own - rest))


def moved(part: range, answer: str, shown: LogProbs, hidden: LogProbs) -> Evidence:
    """What a part of the history did to an answer.

    Args:
        part: The turns.
        answer: The label that the model answered with.
        shown: The labels' log-probabilities with the turns.
        hidden: The same without them.
    """
    change = log_odds(shown, answer) - log_odds(hidden, answer)
    towards = answer
    if change < 0:
        gains = {
            name: math.exp(value) - math.exp(hidden[name])
            for name, value in shown.items()
            if name != answer
        }
        towards = max(gains, key=gains.__getitem__)
    return Evidence(part.start, change, towards, len(part))


def _log_sum(values: list[float]) -> float:
    peak = max(values)
    if peak == -math.inf:
        return peak
    return peak + math.log(math.fsum(math.exp(value - peak) for value in values))
