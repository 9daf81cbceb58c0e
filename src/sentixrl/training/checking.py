"""Checks: dev is evaluated with the model as it is now, and the best weights are kept.

Contract: dev decides which weights are kept and when to stop; test is never evaluated. Results are
kept in ``history.json``, and a resumed training goes on with them. Of several processes the main
one evaluates, and all act on its results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from sentixrl.context.building import ContextOptions
from sentixrl.datasets.dataset import Dataset
from sentixrl.runs.storage import write_json
from sentixrl.training.answering import answer, decisive, fit_calibrations, score_parts
from sentixrl.training.checkpoints import damaged, not_a_number, read_json
from sentixrl.training.model import TrainableModel
from sentixrl.training.optimizer import MasterAdamW
from sentixrl.training.processes import on_main
from sentixrl.training.supplements import SupplementsOf, nothing_besides

HISTORY_FILE = "history.json"
BEST = "best"
"""Where a training's folder keeps the best weights."""


@dataclass(frozen=True, slots=True)
class Check:
    """One evaluation of dev.

    Attributes:
        step: After how many steps.
        score: Mean of the parts' deciding figures (see
            :func:`~sentixrl.training.answering.decisive`).
        parts: Name of a dev part → its figures by name.
        seconds: How long it took.
    """

    step: int
    score: float
    parts: Mapping[str, Mapping[str, float]]
    seconds: float


class DevCheck(TrainerCallback):
    """Evaluates dev every so many steps and keeps the best weights.

    Args:
        trainable: The model.
        context: What prompts show.
        dev: Name → data.
        every: Steps between checks; the last step always has one.
        patience: Checks without a better one after which training stops.
        folder: Where history and best weights go.
        keep: Writes the present weights into a folder.
        report: Called with every check, and whether it is the best so far.
        supplements: What prompts show besides, by split.
    """

    def __init__(
        self,
        trainable: TrainableModel,
        context: ContextOptions,
        dev: Mapping[str, Dataset],
        every: int,
        patience: int,
        folder: Path,
        keep: Callable[[Path], None],
        report: Callable[[Check, bool], None],
        supplements: SupplementsOf = nothing_besides,
    ) -> None:
        self._trainable, self._context, self._dev = trainable, context, dev
        self._every, self._patience = every, patience
        self._folder, self._keep, self._report = folder, keep, report
        self._supplements = supplements
        self.history: list[Check] = read_history(folder)
        self._retained: Check | None = None

    @property
    def best(self) -> Check | None:
        """The best check so far; of equal ones, the one whose weights were kept."""
        return max(
            self.history, key=lambda check: (check.score, check is self._retained), default=None
        )

    @property
    def exhausted(self) -> bool:
        """Whether ``patience`` checks since the best one were no better."""
        best = self.best
        since = [past for past in self.history if best and past.step > best.step]
        return len(since) >= self._patience

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Forget checks at steps that a resumed training will repeat.

        The check of the best weights stays: those are on the disk.
        """
        best = self._retained = self.best
        self.history = [
            check for check in self.history if check.step <= state.global_step or check is best
        ]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Evaluate dev, if it is time."""
        if state.global_step % self._every and state.global_step != state.max_steps:
            return
        before = self.best
        with _ema_weights(kwargs.get("optimizer")):
            check = on_main(lambda: self._evaluate(state.global_step))
            better = before is None or check.score > before.score
            if better:
                on_main(lambda: self._keep(self._folder / BEST))
        others = [past for past in self.history if past.step != check.step]
        if better or len(others) == len(self.history):
            self.history = sorted([*others, check], key=lambda past: past.step)
        if better:
            # So that a resumed training never forgets the check of the best weights.
            control.should_save = True
        on_main(self._write_history)
        self._report(check, better)
        if self.exhausted:
            control.should_training_stop = True

    def _evaluate(self, step: int) -> Check:
        return evaluate_dev(
            *(self._trainable, self._context, self._dev, step, self._folder),
            supplements=self._supplements,
        )

    def _write_history(self) -> None:
        write_json(self._folder / HISTORY_FILE, [asdict(check) for check in self.history])


def evaluate_dev(
    trainable: TrainableModel,
    context: ContextOptions,
    dev: Mapping[str, Dataset],
    step: int,
    folder: Path,
    supplements: SupplementsOf = nothing_besides,
) -> Check:
    """Let the model as it is now answer dev.

    Raises:
        SentixError: Its answers are no numbers.
    """
    begun = time.monotonic()
    with trainable.evaluating() as engine:
        answers = {
            name: answer(engine, context, data, supplements(data)) for name, data in dev.items()
        }
    if not all(len(found) for found in answers.values()):
        raise not_a_number("The model's answers are no numbers", step, folder)
    parts = score_parts(dev, answers, fit_calibrations(dev, answers))
    mean = float(np.mean([decisive(found) for found in parts.values()]))
    return Check(step, mean, parts, round(time.monotonic() - begun, 1))


def _ema_weights(optimizer: Any) -> AbstractContextManager[None]:  # noqa: ANN401
    """The running average of the weights in their place, where one is kept."""
    inner = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
    return inner.ema_weights() if isinstance(inner, MasterAdamW) else nullcontext()


def read_history(folder: Path) -> list[Check]:
    """The checks noted in a training folder, oldest first.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / HISTORY_FILE
    try:
        return [Check(**entry) for entry in read_json(path)]
    except FileNotFoundError:
        return []
    except TypeError:
        raise damaged(path) from None
