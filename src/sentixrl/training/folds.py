"""Folds: training data cut so that a model can be trained without each part of them.

Contract: what is held out in a fold is new to the model trained on its rest, whatever parts of a
recipe the dialogues stand in.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.datasets.overlap import Part, overlap
from sentixrl.errors import ConfigError


def folds(parts: Sequence[Dataset], count: int, seed: int) -> list[list[tuple[Dataset, Dataset]]]:
    """Pairs of (rest, held out) of each part, a pair a fold.

    Folds are cut by the data set's unit of resampling, and for all its parts together: a dialogue
    held out in one part is in no other part's rest. A dialogue that shares text with what is held
    out of another data set is left out of the rest too.

    Raises:
        ConfigError: A part has too few dialogues, or none that other parts do not have too.
    """
    fold: dict[tuple[str, str], int] = {}
    for data in sorted(parts, key=lambda part: len(part.groups)):  # few are dealt evenly first
        order = [(data.name, group) for group in data.groups]
        random.Random(seed).shuffle(order)
        sizes = Counter(fold[group] for group in order if group in fold)
        for group in order:
            if group not in fold:
                fold[group] = min(range(count), key=lambda number: sizes[number])
                sizes[fold[group]] += 1
    cuts = [[_cut(data, fold, number, count) for number in range(count)] for data in parts]
    held = [[pairs[number][1] for pairs in cuts] for number in range(count)]
    return [
        [(_new_to(rest, held[number]), inside) for number, (rest, inside) in enumerate(pairs)]
        for pairs in cuts
    ]


def _new_to(rest: Dataset, held: Sequence[Dataset]) -> Dataset:
    """The rest without dialogues that share text with what is held out of other data sets.

    Raises:
        ConfigError: Nothing does.
    """
    others = [Part(one.title, one.dialogues) for one in held if _texts(one) != _texts(rest)]
    if not others:
        return rest
    found = overlap(Part(rest.title, rest.dialogues), others)
    if len(found.drop) == len(rest):
        raise ConfigError(
            f"All of {rest.title} shares text with other parts of 'train', so no fold model of the "
            "discriminator could learn from it.",
            hint="Leave one of these parts out, or 'discriminator'.",
        )
    return rest.without(found.drop)


def _texts(data: Dataset) -> tuple[object, ...]:
    """What tells whether two parts are of the same texts: their dialogues are held out together."""
    own = data.variant if data.name == CUSTOM else ""
    return data.name, data.split, own, tuple(sorted(data.switches.items()))


def _cut(
    data: Dataset, fold: Mapping[tuple[str, str], int], number: int, count: int
) -> tuple[Dataset, Dataset]:
    inside = tuple(d for d in data if fold[data.name, d.cluster] == number)
    outside = tuple(d for d in data if fold[data.name, d.cluster] != number)
    if not inside or not outside:
        raise ConfigError(
            f"{data.title} has {len(data.groups)} {data.group_kind}(s), too few for {count} folds."
        )
    return replace(data, dialogues=outside), replace(data, dialogues=inside)
