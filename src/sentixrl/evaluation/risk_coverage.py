"""What abstaining would gain: the risk on the most confident part, for every size of that part.

Contract: items are answered from the most to the least confident; risk is the share of wrong
answers among those answered. Equal confidences are answered in random order, so their risk is the
expected one and the order of items does not matter. Areas follow Geifman et al. (2019),
"Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", with the exact optimum for n
items instead of its limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sentixrl.evaluation.calibration_error import Bools
from sentixrl.evaluation.confusion import Floats


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """A risk–coverage curve.

    Attributes:
        coverage: ``1/n, 2/n, …, 1``. Shape [n].
        risk: Share of wrong answers at each coverage. Shape [n].
        aurc: Area under the curve: the mean risk over coverages; lower is better.
        optimal: The area if every right answer came before every wrong one.
    """

    coverage: Floats
    risk: Floats
    aurc: float
    optimal: float

    @property
    def excess(self) -> float:
        """What the ranking costs over the optimum (E-AURC); 0 for a perfect ranking."""
        return self.aurc - self.optimal


def risk_coverage(confidence: Floats, right: Bools) -> RiskCoverage:
    """The risk–coverage curve.

    Args:
        confidence: Any score that ranks answers; ``-inf`` for what should be answered last.
            Shape [n], n > 0.
        right: Whether each answer is right. Shape [n].
    """
    number = np.arange(1, len(right) + 1)
    risk = _wrong_until(confidence, right) / number
    wrong = int((~right).sum())
    optimum = np.maximum(number - (len(right) - wrong), 0) / number
    return RiskCoverage(
        coverage=number / len(right),
        risk=risk,
        aurc=float(risk.mean()),
        optimal=float(optimum.mean()),
    )


def _wrong_until(confidence: Floats, right: Bools) -> Floats:
    """Expected number of wrong answers among the k most confident, k = 1 … n."""
    scores, block = np.unique(confidence, return_inverse=True)
    block = len(scores) - 1 - block
    ends = np.concatenate([[0], np.cumsum(np.bincount(block))])
    wrong = np.concatenate([[0], np.cumsum(np.bincount(block, weights=~right))])
    return np.asarray(np.interp(np.arange(1, len(right) + 1), ends, wrong))


def thinned(curve: RiskCoverage, points: int = 100) -> list[dict[str, float]]:
    """At most ``points`` evenly spaced points of the curve, the last included."""
    size = len(curve.risk)
    places = np.unique(np.linspace(size / min(points, size), size, min(points, size)).round())
    return [
        {
            "coverage": round(float(curve.coverage[int(place) - 1]), 6),
            "risk": round(float(curve.risk[int(place) - 1]), 6),
        }
        for place in places
    ]
