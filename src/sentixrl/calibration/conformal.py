"""Sets of labels that hold the true one with a chosen probability.

Contract: split conformal prediction (Papadopoulos et al. 2002; the score is one minus the
probability of the true label, as Sadinle et al. 2019 call least ambiguous sets). If calibration
data and new data are exchangeable, a set holds the truth with at least the chosen probability, on
average over both, and not for each label by itself. The likeliest label is always in the set.
Turns of one dialogue are not exchangeable with those of another, so real coverage varies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sentixrl.calibration.posterior import Floats

MOST_TRUTHS = 2_000
"""How many probabilities of true labels are kept, as quantiles."""
_SLACK = 1e-9


def threshold(truths: Sequence[float], level: float) -> float:
    """The probability from which a label belongs to the set.

    Args:
        truths: Calibrated probabilities of the true labels, ascending, of data that the
            calibration was not fitted on.
        level: The chosen probability, 0 to 1.

    Returns:
        0 if there are too few of them for that level: every label belongs to the set.
    """
    needed = math.ceil((len(truths) + 1) * level - _SLACK)
    return truths[len(truths) - needed] if 0 < needed <= len(truths) else float(needed == 0)


def in_set(posteriors: Floats, cut: float) -> NDArray[np.bool_]:
    """Which labels belong to each set, shape kept.

    Args:
        posteriors: ``[..., n_labels]``.
        cut: What :func:`threshold` gives.
    """
    return np.asarray((posteriors >= cut) | (posteriors >= posteriors.max(-1, keepdims=True)))


def kept(truths: Floats) -> tuple[float, ...]:
    """Probabilities of true labels as a bundle keeps them: ascending, and not too many."""
    ranked = np.sort(truths)
    if len(ranked) > MOST_TRUTHS:
        # Rounded down, so that a set may be larger, never smaller, than all of them would make it.
        ranked = ranked[np.linspace(0, len(ranked) - 1, MOST_TRUTHS).astype(int)]
    return tuple(np.floor(ranked * 1e6) / 1e6)
