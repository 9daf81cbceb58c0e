"""An evaluation from beginning to end: answer, log, score.

Contract: answers go to the run folder dialogue by dialogue as they come; numbers are made from
what the folder holds when all are there, so that a run that was broken off and resumed gives the
numbers of one that was not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError
from sentixrl.evaluation.baselines.system import System
from sentixrl.evaluation.intervals import Resampling, json_number
from sentixrl.evaluation.items import Cost, Item, ItemKey, build_items
from sentixrl.evaluation.metrics import HEADLINE
from sentixrl.evaluation.sentiment_scores import sentiment_metrics
from sentixrl.evaluation.summary import metrics_json
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction
from sentixrl.runs import Chunk, Entry, RunFolder, read_entries

Answered = tuple[Dialogue, DialoguePrediction]
Watch = Callable[[Sequence[Dialogue], Iterator[DialoguePrediction]], Iterable[Answered]]
"""Pairs dialogues with their predictions as they come, for example behind a progress bar."""


def draw(dataset: Dataset, limit: int | None, seed: int = 0) -> Dataset:
    """``limit`` dialogues drawn without replacement, in their own order; all if ``None``.

    The same seed draws the same dialogues of the same split.

    Raises:
        ConfigError: ``limit`` is not above 0.
    """
    if limit is None or limit >= len(dataset):
        return dataset
    if limit < 1:
        raise ConfigError(f"--limit is {limit}; at least 1 dialogue is needed.")
    places = sorted(random.Random(seed).sample(range(len(dataset)), limit))
    return replace(dataset, dialogues=tuple(dataset.dialogues[place] for place in places))


def plainly(
    dialogues: Sequence[Dialogue], predictions: Iterator[DialoguePrediction]
) -> Iterator[Answered]:
    """A :data:`Watch` that shows nothing."""
    yield from zip(dialogues, predictions, strict=True)


def answer_all(
    system: System, dialogues: Sequence[Dialogue], run: RunFolder, watch: Watch = plainly
) -> None:
    """Answer the dialogues that are not in the log yet, each going there as it is done.

    Args:
        system: What answers.
        dialogues: All dialogues of the run, in order.
        run: Where answers go.
        watch: Shows progress.

    Raises:
        InputError: The log holds other dialogues.
        SentixError: The disk is full.
    """
    left = run.remaining(dialogues)
    if not left:
        return
    meter = _Meter(system, len(run.done))
    for dialogue, prediction in watch(left, system.predict_many(meter.handed(left))):
        run.append(dialogue, prediction, meter.arrived())


class _Meter:
    """Tells which predictions were computed together, and in what time and tokens.

    A system takes dialogues only to compute them: what comes out without any being taken was
    computed with what came out before.
    """

    def __init__(self, system: System, position: int) -> None:
        engine = getattr(system, "engine", None)
        self._counters = getattr(engine, "counters", None)
        self._position = position
        self._taken = self._seen = 0
        self._number = position
        self._since, self._tokens = time.perf_counter(), self._counted()

    def handed(self, dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
        """The dialogues, each noted as it is taken, and their end."""
        for dialogue in dialogues:
            self._taken += 1
            yield dialogue
        self._taken += 1

    def arrived(self) -> Chunk:
        """What the prediction at hand belongs to."""
        fresh = self._taken != self._seen
        self._seen = self._taken
        self._position += 1
        if not fresh:
            return Chunk(self._number)
        self._number = self._position
        now, counted = time.perf_counter(), self._counted()
        seconds, self._since = now - self._since, now
        before, self._tokens = self._tokens, counted
        tokens = counted - before if counted is not None and before is not None else None
        return Chunk(self._number, seconds, tokens)

    def _counted(self) -> int | None:
        tokens = getattr(self._counters, "tokens", None)
        return tokens if isinstance(tokens, int) else None


def costs(entries: Iterable[Entry]) -> dict[ItemKey, Cost]:
    """Seconds and tokens of each utterance: its even share of what its chunk took."""
    chunks: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.chunk is not None:
            chunks.setdefault(entry.chunk.number, []).append(entry)
    found: dict[ItemKey, Cost] = {}
    for members in chunks.values():
        spent = members[0].chunk
        if spent is None:
            continue
        turns = sum(len(entry.dialogue) for entry in members)
        cost = Cost(
            tokens=None if spent.tokens is None else spent.tokens / turns,
            seconds=None if spent.seconds is None else spent.seconds / turns,
        )
        found |= {
            (entry.dialogue.id, index): cost
            for entry in members
            for index in range(len(entry.dialogue))
        }
    return found


def run_items(folder: Path) -> list[Item]:
    """The items of a run folder, with their costs.

    Raises:
        InputError: There is no log, or it is damaged.
    """
    return items_of(read_entries(folder))


def items_of(entries: Sequence[Entry]) -> list[Item]:
    """The items of a run's entries, with their costs."""
    return build_items([(entry.dialogue, entry.prediction) for entry in entries], costs(entries))


def score(
    run: RunFolder,
    dataset: Dataset,
    label_set: LabelSet,
    *,
    neutral: str | None = None,
    how: Resampling | None = None,
) -> dict[str, Any]:
    """Score a run whose dialogues are all in the log: what its ``metrics.json`` is to hold.

    Args:
        run: The run.
        dataset: What was evaluated on.
        label_set: The task's labels.
        neutral: The label that a further micro-F1 leaves out.
        how: Draws and seed.

    Raises:
        ConfigError: Dialogues are missing.
        InputError: Nothing has a gold label.
    """
    if left := run.remaining(dataset.dialogues):
        raise ConfigError(f"{run.path} lacks {len(left):,} of {len(dataset):,} dialogues.")
    entries = read_entries(run.path)
    items = items_of(entries)
    metrics = metrics_json(items, label_set, how=how, neutral=neutral)
    graded = sentiment_metrics(dataset, items, how)
    return {
        "run": run.id,
        **metrics,
        **({"graded": graded} if graded else {}),
        "speed": _speed(entries),
    }


def _speed(entries: Sequence[Entry]) -> dict[str, float | None]:
    """Over all turns that were measured, those without a gold label included."""
    measured = [cost for cost in costs(entries).values() if cost.seconds is not None]
    seconds = sum(cost.seconds or 0.0 for cost in measured)
    return {
        "utterances": len(measured),
        "seconds": json_number(seconds),
        "utterances_per_second": json_number(len(measured) / seconds) if seconds else None,
    }


def ledger_line(run: RunFolder, metrics: Mapping[str, Any], date: str) -> dict[str, Any]:
    """What the ledger keeps of a run: what was evaluated on what, and its headline."""
    identity = run.record["identity"]
    data = identity["data"]
    return {
        "date": date,
        "run": run.id,
        "dataset": data["dataset"],
        "split": data["split"],
        "task": data["task"],
        "variant": data["variant"],
        "n": metrics["n"],
        "limit": data["limit"],
        "seed": data["seed"],
        "data_hash": data["data_hash"],
        "model": identity["model"]["name"],
        "weights": identity["model"].get("weights"),
        "adapter": identity["model"].get("adapter"),
        "headline": {name: metrics[name]["value"] for name in HEADLINE},
    }
