"""Controls of an ablation: what stands where a dialogue's own history or deduction would.

A part of the prompt that seems to help may help by being there at all: it lengthens the prompt,
names speakers, shows the domain. Its control has the same shape and none of the information.

Contract: gold labels are not read. The same seed and dialogues give the same control.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from sentixrl.context.deduction import Deduction
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError

HistoryControl = Literal["stranger", "filler"]
"""The history of another dialogue; or marks as long as the own one, by the same speakers."""

_FILLER = "… "


class Strangers:
    """For every dialogue another one, of another group, that is its stranger.

    Args:
        dialogues: The dialogues to choose from.
        seed: Draws them.

    Raises:
        InputError: All dialogues are of one group, so that none is a stranger.
    """

    def __init__(self, dialogues: Sequence[Dialogue], seed: int) -> None:
        if len({dialogue.cluster for dialogue in dialogues}) < 2:
            raise InputError(
                "All dialogues belong together, so none can lend another its history.",
                hint="Give data of at least two groups.",
            )
        self._dialogues = tuple(dialogues)
        self._seed = seed

    def __call__(self, dialogue: Dialogue) -> list[Dialogue]:
        """As many strangers as are needed for as many turns as the dialogue has."""
        rng = random.Random(f"{self._seed}-{dialogue.id}")
        place = rng.randrange(len(self._dialogues))
        found: list[Dialogue] = []
        while sum(map(len, found)) < len(dialogue):
            other = self._dialogues[place % len(self._dialogues)]
            if other.cluster != dialogue.cluster:
                found.append(other)
            place += 1
        return found

    def turns(self, dialogue: Dialogue) -> list[Utterance]:
        """Their turns, as many as the dialogue has."""
        every = [turn for other in self(dialogue) for turn in other]
        return every[: len(dialogue)]


def filler(dialogue: Dialogue) -> list[Utterance]:
    """The same speakers, each saying nothing at the same length in characters."""
    return [
        replace(turn, text=(_FILLER * (len(turn.text) // len(_FILLER) + 1))[: len(turn.text)])
        for turn in dialogue
    ]


def history_control(
    kind: HistoryControl, dialogues: Sequence[Dialogue], seed: int
) -> Callable[[Dialogue], Sequence[Utterance]]:
    """What stands in the place of each dialogue's turns for its later ones.

    Args:
        kind: Which control.
        dialogues: Where strangers come from.
        seed: Draws them.

    Raises:
        InputError: There are no strangers.
    """
    return filler if kind == "filler" else Strangers(dialogues, seed).turns


def deductions_of_strangers(
    deductions: Callable[[Dialogue], Sequence[Deduction | None]], strangers: Strangers
) -> Callable[[Dialogue], Sequence[Deduction | None]]:
    """Each turn's deduction is that of a stranger's turn where there is one; none stays none."""

    def of(dialogue: Dialogue) -> list[Deduction | None]:
        other = [found for one in strangers(dialogue) for found in deductions(one)]
        there = [found for found in other if found is not None]
        own = deductions(dialogue)
        return [
            there[place % len(there)] if found is not None and there else None
            for place, found in enumerate(own)
        ]

    return of
