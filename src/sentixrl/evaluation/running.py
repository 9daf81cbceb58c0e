"""An evaluation from beginning to end: answer, log, score.

Contract: answers go to the run folder dialogue by dialogue as they come. Once all are there, scores
are computed from the folder, so that an interrupted and resumed run gives the same numbers as an
uninterrupted one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sentixrl import __version__
from sentixrl.classifier import Classifier
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, SentixError
from sentixrl.evaluation.baselines.system import System
from sentixrl.evaluation.intervals import Resampling, check_libraries, json_number
from sentixrl.evaluation.items import Item, SeveralItem, build_items, build_several_items
from sentixrl.evaluation.metrics import HEADLINE
from sentixrl.evaluation.sentiment_scores import sentiment_metrics
from sentixrl.evaluation.several import HEADLINE as SEVERAL_HEADLINE
from sentixrl.evaluation.several_summary import several_metrics_json
from sentixrl.evaluation.summary import metrics_json, nothing_to_score
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction, ItemError
from sentixrl.runs import (
    Entry,
    RunFolder,
    check_ledger,
    data_identity,
    enter_ledger,
    labels_identity,
    model_identity,
    options_identity,
    read_entries,
)
from sentixrl.runs.identity import session_facts

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


def evaluate(
    system: System,
    dataset: Dataset,
    folder: Path,
    *,
    identity: Mapping[str, Any] | None = None,
    limit: int | None = None,
    seed: int = 0,
    neutral: str | None = None,
    ledger: Path | None = None,
    command: str | None = None,
    watch: Watch = plainly,
    opened: Callable[[RunFolder], None] = lambda run: None,
) -> dict[str, Any]:
    """Measure a system on a split, in a run folder; an interrupted run is continued.

    Args:
        system: What answers: a :class:`~sentixrl.classifier.Classifier`, a baseline, or anything
            that has ``predict_many``.
        dataset: The whole split.
        folder: The run folder.
        identity: The system's identity as plain data; not needed for a classifier.
        limit: Only this many dialogues, drawn with the seed.
        seed: Draws ``limit`` and the intervals.
        neutral: The label that a further micro-F1 leaves out.
        ledger: Where to log an evaluation of a test split; ``None`` logs nothing.
        command: The command line, for the run's record.
        watch: Shows progress.
        opened: Called with the run folder before anything is answered.

    Returns:
        What the run's ``metrics.json`` holds.

    Raises:
        ConfigError: The folder holds another run; or the system gives one label where the data
            has several, or the reverse.
        InputError: Nothing has a gold label, or the log does not fit the data.
        SentixError: Some dialogues failed for a passing reason, or the disk is full; finished
            dialogues are kept.
    """
    check_libraries()
    part = draw(dataset, limit, seed)
    if not part.labelled:  # before a model answers all of it
        raise nothing_to_score()
    check_kind(system, dataset)
    if ledger is not None:
        check_ledger(ledger)
    whole = _identity(system, dataset, part, identity, seed)
    facts = session_facts(command, system.engine if isinstance(system, Classifier) else None)
    with RunFolder(folder, whole) as run:
        opened(run)
        if run.remaining(part.dialogues):
            run.begin_session(facts)
        answer_all(system, part.dialogues, run, watch)
        how = Resampling(seed=seed)
        metrics = score(run, part, dataset.label_set, neutral=neutral, how=how)
        if ledger is not None:  # before anybody sees the figures
            enter_ledger(ledger, ledger_line(run, metrics, facts["date"]))
        run.write_metrics(metrics)
    return metrics


def check_kind(system: System, dataset: Dataset) -> None:
    """Refuse a classifier that gives one label where the data has several, and the reverse.

    Raises:
        ConfigError: It does.
    """
    if not isinstance(system, Classifier) or system.several == dataset.several:
        return
    if dataset.several:
        raise ConfigError(
            f"{dataset.title} may have several labels an utterance; the model is asked for one.",
            hint="Ask it for several (kind 'several'), or read the data with one label each.",
        )
    raise ConfigError(
        f"{dataset.title} has one label per utterance, and the model is asked for several.",
        hint="Ask it for one (kind 'single'), or read the data with all its labels.",
    )


def _identity(
    system: System, dataset: Dataset, part: Dataset, own: Mapping[str, Any] | None, seed: int
) -> dict[str, Any]:
    """What must be the same whenever the run goes on."""
    drawn = None if part is dataset else len(part)  # what --limit came to
    return {
        "data": data_identity(dataset, limit=drawn, seed=seed),
        "labels": labels_identity(dataset.label_set),
        "seed": seed,
        "sentixrl": __version__,
        **(own or identity_of(system, dataset)),
    }


def identity_of(system: System, dataset: Dataset) -> dict[str, Any]:
    """A system's identity, as far as it can be known."""
    if not isinstance(system, Classifier):
        return {"kind": "system", "model": {"name": type(system).__name__}}
    return {
        "kind": "model",
        "model": model_identity(system),
        **options_identity(system, dataset.dialogues),
    }


def answer_all(
    system: System, dialogues: Sequence[Dialogue], run: RunFolder, watch: Watch = plainly
) -> None:
    """Answer the dialogues that are not in the log yet, and log each as it is done.

    A dialogue in which something failed for a passing reason is not done and not logged.

    Args:
        system: What answers.
        dialogues: All dialogues of the run, in order.
        run: Where answers go.
        watch: Shows progress.

    Raises:
        InputError: The log holds other dialogues.
        SentixError: The disk is full, or dialogues failed for a passing reason.
    """
    left = run.remaining(dialogues)
    if not left:
        return
    passing: list[ItemError] = []
    for dialogue, prediction in watch(left, system.predict_many(iter(left))):
        errors = [item.error for item in prediction.items if item.error is not None]
        if again := [error for error in errors if error.retryable]:
            passing.append(again[0])
        else:
            run.append(dialogue, prediction)
    if passing:
        raise SentixError(
            f"{len(passing):,} of {len(dialogues):,} dialogues could not be answered for now: "
            f"{passing[0].message}",
            hint="The others are kept. Run the same command again: these are asked anew.",
            retryable=True,
        )


def run_items(folder: Path) -> list[Item] | list[SeveralItem]:
    """The items of a run folder, with their costs.

    Raises:
        InputError: There is no log, or it is damaged.
    """
    return items_of(read_entries(folder))


def items_of(entries: Sequence[Entry]) -> list[Item] | list[SeveralItem]:
    """The items of a run's entries, with their costs.

    They are those of several labels if any utterance was annotated so.
    """
    pairs = [(entry.dialogue, entry.prediction) for entry in entries]
    several = any(turn.golds is not None for dialogue, _ in pairs for turn in dialogue)
    return build_several_items(pairs) if several else build_items(pairs)


def score(
    run: RunFolder,
    dataset: Dataset,
    label_set: LabelSet,
    *,
    neutral: str | None = None,
    how: Resampling | None = None,
) -> dict[str, Any]:
    """Score a run whose dialogues are all in the log: the content of its ``metrics.json``.

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
    pairs = [(entry.dialogue, entry.prediction) for entry in entries]
    graded: dict[str, Any] | None = None
    if dataset.several:
        metrics = several_metrics_json(build_several_items(pairs), label_set, how=how)
    else:
        items = build_items(pairs)
        metrics = metrics_json(items, label_set, how=how, neutral=neutral)
        graded = sentiment_metrics(dataset, items, how)
    return {
        "run": run.id,
        **metrics,
        **({"graded": graded} if graded else {}),
        "speed": _speed(entries),
    }


def _speed(entries: Sequence[Entry]) -> dict[str, float | None]:
    """Over all turns whose cost is known, those without a gold label included.

    Seconds are those of computing, summed over threads.
    """
    answers = [item for entry in entries for item in entry.prediction.items if item.seconds > 0]
    seconds = sum(item.seconds for item in answers)
    return {
        "utterances": len(answers),
        "seconds": json_number(seconds),
        "tokens": sum(item.tokens for item in answers),
        "utterances_per_second": json_number(len(answers) / seconds) if seconds else None,
    }


def ledger_line(run: RunFolder, metrics: Mapping[str, Any], date: str) -> dict[str, Any]:
    """A run's line in the ledger: what was evaluated on what, and its headline."""
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
        "headline": {
            name: metrics[name]["value"]
            for name in (SEVERAL_HEADLINE if metrics.get("kind") == "several" else HEADLINE)
        },
    }
