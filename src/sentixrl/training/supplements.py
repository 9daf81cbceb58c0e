"""What a recipe's prompts show that is not in the dialogues themselves.

Contract: demonstrations come from the training parts alone, whatever data are asked about, and
controls from the data asked about alone. The same recipe and data give the same supplements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sentixrl.context.building import NOTHING_BESIDES, Demonstrator, Supplements
from sentixrl.context.controls import Strangers, deductions_of_strangers, history_control
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.demonstrations import DemonstrationPool, Retrieval
from sentixrl.dialogue import Dialogue
from sentixrl.runs.deductions import read_deductions
from sentixrl.training.sections import Demonstrations, Shown

SupplementsOf = Callable[[Dataset], Supplements]
"""From a split to what prompts about it show besides."""


def nothing_besides(data: Dataset) -> Supplements:
    """What a plain recipe's prompts show besides."""
    return NOTHING_BESIDES


class RecipeSupplements:
    """The supplements of a recipe for any split.

    Args:
        shown: What prompts show.
        retrieval: How demonstrations are chosen; ``None`` for none.
        training: The training parts, where demonstrations come from.
        seed: Draws strangers.
    """

    def __init__(
        self,
        shown: Shown,
        retrieval: Demonstrations | None,
        training: Sequence[Dataset],
        seed: int,
    ) -> None:
        self._shown = shown
        self._retrieval = retrieval
        self._training = [data for data in training if not data.several]
        self._seed = seed
        self._pools: dict[str, DemonstrationPool] = {}
        self._deductions = read_deductions(Path(shown.deductions)) if shown.deductions else None

    def __call__(self, data: Dataset) -> Supplements:
        """What prompts about a split show besides.

        Raises:
            InputError: There is nothing to retrieve, or there are no strangers.
            MissingDependencyError: A library is not installed.
        """
        kind, deductions = self._shown.history, self._deductions
        earlier = None
        if kind in {"stranger", "filler"}:
            earlier = history_control(kind, data.dialogues, self._seed)
        if deductions is not None and self._shown.strangers:
            strangers = Strangers(data.dialogues, self._seed)
            deductions = deductions_of_strangers(deductions, strangers)
        return Supplements(self._demonstrator(data), earlier, deductions)

    def _demonstrator(self, data: Dataset) -> Demonstrator | None:
        if self._retrieval is None:
            return None
        labels = data.label_set
        if labels.digest not in self._pools:
            every: list[Dialogue] = [dialogue for part in self._training for dialogue in part]
            how = Retrieval(**self._retrieval.model_dump())
            self._pools[labels.digest] = DemonstrationPool(every, how, labels.names)
        return self._pools[labels.digest]
