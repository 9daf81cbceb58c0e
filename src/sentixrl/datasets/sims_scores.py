"""CH-SIMS's own metrics: Acc-2, Acc-3, Acc-5 and the two F1s that its literature confuses.

Contract: plain Python. The class bounds are those of MMSA (``github.com/thuiar/MMSA``), whose
results most papers quote: scores are clipped to [-1, 1] and fall into left-open intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

from sentixrl.errors import ConfigError

BOUNDS: dict[int, tuple[float, ...]] = {
    2: (0.0,),
    3: (-0.1, 0.1),
    5: (-0.7, -0.1, 0.1, 0.7),
}
"""Number of classes → the inner bounds; a class holds its upper bound, not its lower."""


def sims_class(score: float, classes: int) -> int:
    """The class of a score, from 0 (most negative) up.

    Args:
        score: Sentiment; values beyond -1 and 1 count as these.
        classes: 2 (not positive, positive), 3 (negative, neutral, positive) or 5.

    Raises:
        ConfigError: Another number of classes.
    """
    if classes not in BOUNDS:
        raise ConfigError(f"CH-SIMS has 2, 3 or 5 classes, not {classes}.")
    return sum(score > bound for bound in BOUNDS[classes])


def score_of_label(label: str) -> float:
    """A score that stands for a three-class label: -1, 0 or 1.

    Acc-2 and Acc-3 of such scores are those of the labels; Acc-5 has no meaning for them.
    """
    return {"negative": -1.0, "neutral": 0.0, "positive": 1.0}[label]


def sims_scores(gold: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """All metrics of a list of predicted scores, as fractions.

    Returns:
        ``acc_2``, ``acc_3``, ``acc_5``; ``f1_2``, weighted over two classes (MMSA's regression
        path); ``f1_3``, weighted over three (its classification path).

    Raises:
        ConfigError: The lists differ in length or are empty.
    """
    if len(gold) != len(predicted) or not gold:
        raise ConfigError(
            f"There are {len(gold)} gold scores and {len(predicted)} predicted ones; "
            "both lists must be of one length and not empty."
        )
    result: dict[str, float] = {}
    for classes in BOUNDS:
        pairs = [
            (sims_class(truth, classes), sims_class(guess, classes))
            for truth, guess in zip(gold, predicted, strict=True)
        ]
        result[f"acc_{classes}"] = sum(truth == guess for truth, guess in pairs) / len(pairs)
        if classes < 5:
            result[f"f1_{classes}"] = _weighted_f1(pairs, classes)
    return result


def _weighted_f1(pairs: Sequence[tuple[int, int]], classes: int) -> float:
    total = 0.0
    for index in range(classes):
        true = sum(truth == index for truth, _ in pairs)
        found = sum(guess == index for _, guess in pairs)
        both = sum(truth == guess == index for truth, guess in pairs)
        if true:
            total += true * 2 * both / (true + found)
    return total / len(pairs)
