"""Does something tell right answers from wrong ones beyond the answers' own confidence and margin?

It is the cheapest test of any evidence or second opinion: what tells nothing here can be no reason
to change an answer. Two logistic regressions of whether an answer is right are compared: on
confidence and margin, and on these and what another condition thinks of the first two labels. The
control is the same with what it thinks of other turns with the same first label.

Contract: each turn is judged by weights that were fitted without its cluster. The interval draws
clusters and judges each draw as it stands: the regressions are not fitted anew. Seeds are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sentixrl.errors import InputError
from sentixrl.evaluation.confusion import Bools, Floats, Ints
from sentixrl.evaluation.intervals import Resampling, draw_weights, interval_ends, json_number
from sentixrl.experiments.combining import alike, first_two, margins
from sentixrl.experiments.contrasts import FEWEST_CLUSTERS
from sentixrl.experiments.held import Held, check_alike
from sentixrl.experiments.plan import Signal

FOLDS = 5
_FLOOR = 1e-9


@dataclass(frozen=True)
class Telling:
    """How well right answers are told from wrong ones: areas under the ROC curve, as fractions.

    Attributes:
        own: By confidence and margin.
        both: By these and the other condition.
        strangers: By these and the other condition's view of other turns.
        low: Lower end of the 95% interval of what is gained; ``None`` with too few clusters.
        high: Upper end.
        seeds: Over how many seeds these are means.
        turns: How many turns are judged.
    """

    own: float
    both: float
    strangers: float
    low: float | None
    high: float | None
    seeds: int
    turns: int

    @property
    def gain(self) -> float:
        """What the other condition adds."""
        return self.both - self.own


@dataclass(frozen=True)
class Told:
    """A signal of an experiment at a place.

    Attributes:
        name: What it is called.
        place: Where.
        least: The gain that it has to reach, if one is set.
        found: What it tells.
        why: Why it tells nothing, if it does not.
    """

    name: str
    place: str
    least: float | None
    found: Telling | None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] | None = None
        if self.found is not None:
            areas = ("own", "both", "strangers", "gain", "low", "high")
            found = {key: json_number(getattr(self.found, key)) for key in areas}
            found |= {"seeds": self.found.seeds, "turns": self.found.turns}
        about = {"name": self.name, "place": self.place, "least": self.least, "why": self.why}
        return {**about, "found": found}


def told_by(
    name: str, place: str, signal: Signal, pairs: Sequence[tuple[Held, Held]], how: Resampling
) -> Told:
    """A signal at a place, as far as there are answers.

    Args:
        name: What it is called.
        place: Where.
        signal: What it is.
        pairs: For each seed both conditions' answers.
        how: Draws and seed.
    """
    if not pairs:
        return Told(name, place, signal.least, None, "answers are missing")
    try:
        found = telling(pairs, (signal.of, signal.by), how)
    except InputError as error:
        return Told(name, place, signal.least, None, error.message.removesuffix("."))
    return Told(name, place, signal.least, found)


def telling(
    pairs: Sequence[tuple[Held, Held]], names: tuple[str, str], how: Resampling | None = None
) -> Telling:
    """What one condition tells of another's answers.

    Args:
        pairs: For each seed the answers, and what the other condition says of the same turns.
        names: What errors call the two.
        how: Draws and seed.

    Raises:
        InputError: They are not about the same turns; or the answers are all right or all wrong, so
            that there is nothing to tell.
    """
    how = how or Resampling()
    matrices = []
    for held, other in pairs:
        check_alike(held, other, names)
        matrices.append(_matrices(held, other, names[0], how.seed))
    areas = np.mean(
        [[_area(one, np.ones((1, one.shape[-1])))[0] for one in row] for row in matrices], 0
    )
    held, clusters = pairs[0][0], pairs[0][0].clusters
    low = high = None
    if clusters >= FEWEST_CLUSTERS:
        drawn = np.concatenate(
            [
                np.mean([_area(both, each) - _area(own, each) for own, both, _ in matrices], 0)
                for each in draw_weights(np.ones(clusters, np.int64), how, clusters)
            ]
        )
        low, high = map(float, interval_ends(drawn[:, None], clusters, how.level)[:, 0])
    own, both, strangers = map(float, areas)
    return Telling(own, both, strangers, low, high, len(pairs), len(held))


def _matrices(held: Held, other: Held, name: str, seed: int) -> list[Floats]:
    """How often right answers rank above wrong ones, by cluster, of the three regressions."""
    right = held.answers == held.gold
    if right.all() or not right.any():
        raise InputError(f"All or none of the answers of '{name}' are right; nothing can be told.")
    own = own_features(held.log_probs)
    first, second = first_two(held.log_probs)
    rows = np.arange(len(held))
    view = np.column_stack([other.log_probs[rows, first], other.log_probs[rows, second]])
    mixed = view[alike(first, seed)]
    features = (own, np.column_stack([own, view]), np.column_stack([own, mixed]))
    return [
        _ranked(held_out(one, right, held.cluster, seed), right, held.cluster) for one in features
    ]


def own_features(log_probs: Floats) -> Floats:
    """An answer's own confidence, as log-odds, and its margin over the second. Shape ``[n, 2]``."""
    best = np.clip(np.exp(log_probs.max(-1)), _FLOOR, 1 - _FLOOR)
    return np.column_stack([np.log(best) - np.log1p(-best), margins(log_probs)])


def held_out(features: Floats, right: Bools, cluster: Ints, seed: int) -> Floats:
    """P(right) of each item, from a logistic regression fitted without its cluster. Shape ``[n]``.

    Args:
        features: What it goes by, ``[n, k]``.
        right: Whether each item is right, ``[n]``.
        cluster: Which items stay together, ``[n]``.
        seed: Cuts the folds.
    """
    from sklearn.model_selection import GroupKFold

    guess = np.zeros(len(right))
    cut = GroupKFold(min(FOLDS, len(np.unique(cluster))), shuffle=True, random_state=seed)
    for fitted, judged in cut.split(features, right, cluster):
        if right[fitted].all() or not right[fitted].any():
            guess[judged] = right[fitted].mean()
            continue
        guess[judged] = p_right(features[fitted], right[fitted], features[judged])
    return guess


def p_right(known: Floats, right: Bools, asked: Floats) -> Floats:
    """P(right) of items by a logistic regression of standardised features. Shape ``[m]``.

    Args:
        known: Features of the items it is fitted on, ``[n, k]``.
        right: Whether these are right, ``[n]``; some are, some not.
        asked: Features of the items that are judged, ``[m, k]``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(known, right)
    return np.asarray(model.predict_proba(asked)[:, 1])


def _ranked(guess: Floats, right: Bools, cluster: Ints) -> Floats:
    """Pairs of a right and a wrong answer that are ranked so; a tie is half. Shape ``[C, C]``.

    The first index is the right answer's cluster, the second the wrong one's. With the number of
    all such pairs beside it, ``[2, C, C]``, any draw of clusters has its area by a product.
    """
    clusters = int(cluster.max()) + 1
    found = np.zeros((2, clusters, clusters))
    for column in range(clusters):
        wrong = guess[(cluster == column) & ~right]
        above = (guess[right, None] > wrong).sum(1) + 0.5 * (guess[right, None] == wrong).sum(1)
        owners = cluster[right]
        found[0, :, column] = np.bincount(owners, above, clusters)
        found[1, :, column] = np.bincount(owners, minlength=clusters) * float(len(wrong))
    return found


def _area(ranked: Floats, weights: Floats) -> Floats:
    """The area under the ROC curve where each cluster counts so often. Shape ``[draws]``."""
    above, every = (np.einsum("rc,cd,rd->r", weights, part, weights) for part in ranked)
    nothing = np.full(len(above), np.nan)
    return np.asarray(np.divide(above, every, out=nothing, where=every > 0))
