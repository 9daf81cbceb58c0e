"""Several posteriors over the same labels, combined into one.

Contract: opinions are pooled by adding log-probabilities, so each counts the same and their order
does not matter. A probability of zero counts as the smallest normal float: it practically rules a
label out, but labels ruled out by one opinion can still be compared.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from sentixrl.calibration.posterior import normalise

LOG_FLOOR = math.log(sys.float_info.min)


def pooled(opinions: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Σ log p of each label over all opinions; always finite.

    Args:
        opinions: At least one, each label → log-probability over the same labels.
    """
    return {
        label: math.fsum(max(opinion[label], LOG_FLOOR) for opinion in opinions)
        for label in opinions[0]
    }


def confidence(opinions: Sequence[Mapping[str, float]], label: str) -> float:
    """The share of ``label`` in the opinions' normalised geometric mean (a log-opinion pool).

    With one opinion it is simply the probability. All opinions weigh the same, and nothing is
    fitted on data.

    Args:
        opinions: At least one, each label → log-probability over the same labels.
        label: One of the labels.
    """
    sums = pooled(opinions)
    shares = np.exp(normalise(np.array(list(sums.values())) / len(opinions)))
    return float(shares[list(sums).index(label)])
