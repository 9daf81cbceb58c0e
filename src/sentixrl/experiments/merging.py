"""A control of label maps: merges at random, with classes of the same sizes.

Contract: the same map, counts and seed give the same merge.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sentixrl.errors import LabelError
from sentixrl.evaluation.confusion import Bools, Ints
from sentixrl.labels import LabelMap, merged

_DRAWS, _BEST = 20_000, 10


def random_merge(mapping: LabelMap, counts: Mapping[str, int], seed: int) -> LabelMap:
    """A control of a map: labels merged at random into classes of as nearly the same sizes.

    Of many random maps that leave out the same labels and make as many classes, one of those is
    drawn whose class sizes are nearest to the map's; the map itself is none of them. A class is
    called after its commonest label.

    Args:
        mapping: The map to control.
        counts: Label of the source → how many utterances have it.
        seed: Draws the map.

    Raises:
        LabelError: The map merges nothing, so that any other is a renaming.
    """
    kept = [name for name in mapping.source.names if mapping(name) is not None]
    targets = list(dict.fromkeys(str(mapping(name)) for name in kept))
    if len(targets) == len(kept):
        raise LabelError(
            f"The map from '{mapping.source.name}' to '{mapping.target.name}' merges no labels, so "
            "there is no random merge to compare it with."
        )
    own = np.array([targets.index(str(mapping(name))) for name in kept])
    weight = np.array([counts.get(name, 0) for name in kept], float)
    places = np.arange(len(targets))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(targets), size=(_DRAWS, len(kept)))
    inside = drawn[:, None, :] == places[:, None]  # [draws, classes, labels]
    usable = inside.any(axis=2).all(axis=1) & ~_same_parts(drawn, own)
    drawn, sizes = drawn[usable], (inside[usable] * weight).sum(axis=2)
    wanted = np.sort(np.bincount(own, weight, len(targets)))
    far = np.abs(np.sort(sizes, axis=1) - wanted).sum(axis=1)
    nearest = far.argsort(kind="stable")[:_BEST]
    chosen = drawn[nearest[rng.integers(len(nearest))]]
    called = {
        place: kept[int(np.where(chosen == place, weight, -1.0).argmax())] for place in places
    }
    new = {name: called[place] for name, place in zip(kept, chosen, strict=True)}
    return merged(mapping.source, {name: new.get(name) for name in mapping.source.names})


def _same_parts(drawn: Ints, own: Ints) -> Bools:
    """Which draws merge exactly the labels that ``own`` merges, under whatever names."""
    alike = drawn[:, :, None] == drawn[:, None, :]
    return np.asarray((alike == (own[:, None] == own[None, :])).all(axis=(1, 2)))
