"""Looking at dev: weighted-F1 of the model as it stands, the best weights kept.

Contract: dev decides which weights are kept and when to stop; test is never looked at. What was
found stands in ``history.json``, and a resumed training goes on with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from sentixrl.bundle import ModelBundle
from sentixrl.calibration.posterior import Calibration
from sentixrl.classifier import Classifier
from sentixrl.context.retrieval import ContextOptions
from sentixrl.datasets.dataset import Dataset
from sentixrl.evaluation.confusion import count
from sentixrl.evaluation.metrics import HEADLINE, headline
from sentixrl.negotiation.negotiator import NegotiationOptions
from sentixrl.training.model import Trainee


@dataclass(frozen=True, slots=True)
class Check:
    """One look at dev.

    Attributes:
        step: After how many steps.
        score: Mean weighted-F1.
        parts: Name of a dev part → its accuracy, weighted-F1 and macro-F1.
        seconds: What the look cost.
    """

    step: int
    score: float
    parts: Mapping[str, Mapping[str, float]]
    seconds: float


def posteriors(
    trainee: Trainee, context: ContextOptions, data: Dataset
) -> tuple[np.ndarray, np.ndarray]:
    """The model's answers about every labelled turn.

    Returns:
        Log-probabilities ``[n, n_labels]``, and the gold labels' indices ``[n]``.
    """
    names = data.label_set.names
    options = NegotiationOptions(enabled=False, calibration=Calibration())
    bundle = ModelBundle("training", None, trained=True)
    classifier = Classifier(trainee.engine, data.label_set, context, options, bundle)
    trainee.model.eval()
    try:
        answers = [item for result in classifier.predict_many(data) for item in result.items]
    finally:
        trainee.model.train()
    floor = np.finfo(np.float64).tiny
    rows, gold = [], []
    for answer, turn in zip(answers, data.utterances, strict=True):
        if turn.gold is not None and answer.probabilities is not None:
            rows.append([np.log(max(answer.probabilities[name], floor)) for name in names])
            gold.append(names.index(turn.gold))
    return np.array(rows), np.array(gold)


def scores(log_probs: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    """Accuracy, weighted-F1 and macro-F1 of the likeliest labels."""
    alone = np.zeros(len(gold), np.int64)
    answers = log_probs.argmax(-1)
    table = count(gold, answers, alone, n_labels=log_probs.shape[1], n_clusters=1)[0]
    return dict(zip(HEADLINE, np.round(headline(table), 6).tolist(), strict=True))


class DevCheck(TrainerCallback):
    """Looks at dev every so many steps and keeps the best weights.

    Args:
        trainee: The model.
        context: What prompts show.
        dev: Name → data.
        every: Steps between looks; the last step is always looked at.
        patience: Looks without a better one after which training stops.
        folder: Where history and best weights go.
        keep: Writes the weights as they stand into a folder.
        report: Told of every look.
    """

    def __init__(
        self,
        trainee: Trainee,
        context: ContextOptions,
        dev: Mapping[str, Dataset],
        every: int,
        patience: int,
        folder: Path,
        keep: Callable[[Path], None],
        report: Callable[[Check, bool], None],
    ) -> None:
        self._trainee, self._context, self._dev = trainee, context, dev
        self._every, self._patience = every, patience
        self._folder, self._keep, self._report = folder, keep, report
        self.history: list[Check] = read_history(folder)

    @property
    def best(self) -> Check | None:
        """The best look so far."""
        return max(self.history, key=lambda check: check.score, default=None)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Forget looks at steps that a resumed training will repeat."""
        self.history = [check for check in self.history if check.step <= state.global_step]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Look, if it is time."""
        if state.global_step % self._every and state.global_step != state.max_steps:
            return
        before = self.best
        check = self._look(state.global_step)
        self.history.append(check)
        better = before is None or check.score > before.score
        if better:
            self._keep(self._folder / "best")
        _write_history(self._folder, self.history)
        self._report(check, better)
        best = self.best
        since = [past for past in self.history if best and past.step > best.step]
        if len(since) >= self._patience:
            control.should_training_stop = True

    def _look(self, step: int) -> Check:
        begun = time.monotonic()
        parts = {
            name: scores(*posteriors(self._trainee, self._context, data))
            for name, data in self._dev.items()
        }
        mean = float(np.mean([found["weighted_f1"] for found in parts.values()]))
        return Check(step, mean, parts, round(time.monotonic() - begun, 1))


def read_history(folder: Path) -> list[Check]:
    """The looks noted in a training folder, oldest first."""
    try:
        return [Check(**entry) for entry in json.loads((folder / "history.json").read_text())]
    except FileNotFoundError:
        return []


def _write_history(folder: Path, history: Sequence[Check]) -> None:
    text = json.dumps([asdict(check) for check in history], indent=1)
    (folder / "history.json").write_text(text + "\n", "utf-8")
