"""What a verifier is asked about: pairs of labels, and evidence for them.

Contract: pairs are the first two labels of models that never saw a turn's dialogue, for the turns
on which these are least certain. Evidence comes from training parts alone, never from the turn's
own dialogue nor from one that shares a run of eight words with it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sentixrl.context.building import ContextBuilder, Demonstration, TargetContext
from sentixrl.context.templates import TemplateSet
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.demonstrations import DemonstrationPool, Retrieval
from sentixrl.dialogue import Dialogue
from sentixrl.training.questions import OutOfFoldTurns, Question, verifier_question
from sentixrl.training.second_role import Verifier


def closest(turns: OutOfFoldTurns, share: float) -> OutOfFoldTurns:
    """The turns with the smallest margins.

    Args:
        turns: All turns.
        share: How many of them, as a fraction.
    """
    if not turns:
        return {}
    bound = float(np.quantile([found.margin for found in turns.values()], share))
    return {key: found for key, found in turns.items() if found.margin <= bound}


@dataclass(frozen=True)
class Pairs:
    """What a verifier is asked about a source.

    Attributes:
        turns: The turns, with the models' first two labels.
        evidence: What is shown for them, if anything is.
    """

    turns: OutOfFoldTurns
    evidence: Evidence | None = None

    def questions(
        self,
        builder: ContextBuilder,
        context: TargetContext,
        template: TemplateSet,
        dialogue: Dialogue,
        gold: str,
        rng: random.Random,
    ) -> Iterator[Question]:
        """The question about a turn, if it is one of those, in an order that is drawn.

        Args:
            builder: Made the context, for the labels as this pack shows them.
            context: The turn and what its prompt shows.
            template: The wording.
            dialogue: Where it stands.
            gold: Its label.
            rng: Draws the order.
        """
        found = self.turns.get((dialogue.id, context.index))
        if found is None or not {found.proposal, found.runner_up} <= set(builder.label_set.names):
            return
        names = (found.proposal, found.runner_up)
        shown = self.evidence(dialogue, context.index, names) if self.evidence else ()
        drawn = names if rng.random() < 0.5 else names[::-1]
        yield verifier_question(builder, context, template, drawn, gold, shown)


class Evidence:
    """Labelled training turns for each of two labels.

    Args:
        how: How many, and by what they are found.
        training: The training parts.

    Raises:
        InputError: No turn can serve.
        MissingDependencyError: The library that compares is not installed.
    """

    def __init__(self, how: Verifier, training: Sequence[Dataset]) -> None:
        every = [dialogue for part in training if not part.several for dialogue in part]
        self._pool = DemonstrationPool(every, Retrieval(by=how.by))
        self._each = how.evidence
        self._found: dict[object, tuple[Demonstration, ...]] = {}

    def __call__(
        self, dialogue: Dialogue, turn: int, names: tuple[str, str]
    ) -> tuple[Demonstration, ...]:
        """The evidence for a turn, what resembles it most last.

        Args:
            dialogue: Where it stands.
            turn: Which it is.
            names: The two labels.
        """
        texts = tuple(turn.text for turn in dialogue)  # splits may share ids
        key = (dialogue.id, texts, turn, frozenset(names))
        if key not in self._found:
            self._found[key] = self._pool.of_labels(dialogue, texts[turn], names, self._each)
        return self._found[key]
