"""A split under other labels, or with fewer labels of the commonest classes.

Contract: dialogues keep all their turns; a turn whose label is left out serves as context.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Utterance
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelMap, label_map, merged

Unify = str | Mapping[str, str | None]
"""A shared scheme's name, or a map of one's own."""


def unified(data: Dataset, to: Unify) -> Dataset:
    """The split under a shared scheme's labels, or under merged labels of its own.

    Args:
        data: Turns of one label each.
        to: The shared scheme, or label → what it becomes.

    Raises:
        ConfigError: Its turns may have several labels.
        LabelError: There is no such map.
    """
    if data.several:
        raise ConfigError(
            f"{data.title} may give a turn several labels, which are not mapped.",
            hint="Read it with one label per turn.",
        )
    return mapped(
        data, label_map(data.label_set, to) if isinstance(to, str) else merged(data.label_set, to)
    )


def mapped(data: Dataset, mapping: LabelMap) -> Dataset:
    """The split under the labels of a map's target."""
    dialogues = tuple(
        replace(dialogue, utterances=tuple(_mapped(turn, mapping) for turn in dialogue))
        for dialogue in data
    )
    gone = sum(number for name, number in data.label_counts.items() if mapping(name) is None)
    left_out = {**data.left_out, "of a label without a target": gone} if gone else data.left_out
    return replace(data, label_set=mapping.target, dialogues=dialogues, left_out=left_out)


def _mapped(turn: Utterance, mapping: LabelMap) -> Utterance:
    return turn if turn.gold is None else replace(turn, gold=mapping(turn.gold))


def capped(data: Dataset, per_label: int, seed: int) -> Dataset:
    """The split with at most so many labelled turns of each label; the others are context.

    Args:
        data: Turns of one label each.
        per_label: The bound.
        seed: Draws which turns keep their label.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for row, dialogue in enumerate(data):
        for column, turn in enumerate(dialogue):
            if turn.gold is not None:
                places.setdefault(turn.gold, []).append((row, column))
    rng = random.Random(seed)
    kept = {
        place
        for found in places.values()
        for place in (rng.sample(found, per_label) if len(found) > per_label else found)
    }
    dialogues = tuple(
        replace(
            dialogue,
            utterances=tuple(
                turn if (row, column) in kept else replace(turn, gold=None)
                for column, turn in enumerate(dialogue)
            ),
        )
        for row, dialogue in enumerate(data)
    )
    return replace(data, dialogues=dialogues)
