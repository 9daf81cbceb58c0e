"""An experiment from beginning to end: train, ask, combine, keep.

Contract: whatever is done is found again by its hash and not repeated. A condition that fails, or
whose data are missing, is left out with its reason, and the others go on. Test splits are neither
loaded nor asked about unless that is wanted; each look is in the ledger before its figures are
seen.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sentixrl.datasets.dataset import Dataset
from sentixrl.errors import ConfigError, SentixError
from sentixrl.evaluation.metrics import HEADLINE, headline
from sentixrl.evaluation.running import Watch, plainly
from sentixrl.experiments.answering import answered_by, ask
from sentixrl.experiments.combining import combine
from sentixrl.experiments.deducing import write_deductions
from sentixrl.experiments.held import Held, read_held, write_held
from sentixrl.experiments.jobs import (
    Cell,
    answers_about,
    answers_file,
    cells,
    places_of,
    recipe_of,
)
from sentixrl.experiments.models import Models, baseline
from sentixrl.experiments.plan import TRAINED, WRITTEN, Condition, Experiment
from sentixrl.experiments.verifying import identity_of
from sentixrl.labels import LabelMap, LabelSet, label_map, merged, resolve_labels
from sentixrl.runs import enter_ledger
from sentixrl.runs.identity import digest
from sentixrl.training.material import DEV_SEED, load_holdout, load_part, load_sources
from sentixrl.training.recipe import Recipe
from sentixrl.training.running import Reporter

DEV, TEST = "dev", "test"
Key = tuple[str, str, int | None, str, str]
"""Condition, track, seed, place, split."""


class StoppedError(Exception):
    """Ctrl-C ended a training; everything is kept."""


class _UnwantedError(Exception):
    """It would have to be asked for, and is not among the conditions that may be."""


@dataclass(frozen=True)
class Setup:
    """Where an experiment runs.

    Attributes:
        data: The folder with one folder per data set.
        out: Where trainings and answers are kept.
        test: Whether test splits are looked at.
        only: The conditions that may be trained and asked; of the others, what is kept already is
            shown. ``None`` for all.
        ledger: Where looks are logged.
        reporter: Receives what is said.
        watch: Shows progress.
        device: Where models run.
    """

    data: Path
    out: Path
    test: bool
    ledger: Path | None
    reporter: Reporter
    watch: Watch = plainly
    device: str | None = None
    only: frozenset[str] | None = None


@dataclass
class Outcome:
    """What came of an experiment.

    Attributes:
        held: All answers.
        left: What was left out → why.
    """

    held: dict[Key, Held] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def find(
        self, condition: str, track: str, seed: int | None, place: str, split: str
    ) -> Held | None:
        """A condition's answers; those of a model without track or seed serve all."""
        for key in ((track, seed), (track, None), ("", None)):
            if (found := self.held.get((condition, *key, place, split))) is not None:
                return found
        return None


def run_experiment(experiment: Experiment, setup: Setup) -> Outcome:
    """Do all that is not done yet.

    Raises:
        StoppedError: Ctrl-C ended a training.
        KeyboardInterrupt: Ctrl-C ended something else.
    """
    return _Run(experiment, setup).whole()


class _Run:
    def __init__(self, experiment: Experiment, setup: Setup) -> None:
        self.experiment, self.setup = experiment, setup
        self.outcome = Outcome()
        self.models = Models(setup.out, setup.data, setup.reporter, setup.device)
        self.splits: dict[tuple[str, str], Dataset] = {}

    def whole(self) -> Outcome:
        self._load()
        deductions = self._deductions()
        for group in self._groups():
            self._answer(group, deductions)
            self.models.forget()
            gc.collect()
        for name, condition in self.experiment.conditions.items():
            if condition.combine is not None:
                self._combine(name, condition)
        return self.outcome

    def _load(self) -> None:
        """Load the splits that are there."""
        for name, place in self.experiment.data.items():
            parts = {DEV: place.dev} | (
                {TEST: place.test} if self.setup.test and place.test else {}
            )
            for split, part in parts.items():
                with self._leaving(f"{name} ({split})"):
                    self.splits[name, split] = load_part(part, self.setup.data, DEV_SEED)

    def _leaving(self, what: str) -> _Leaving:
        return _Leaving(what, self.outcome.left, self.setup.reporter.say)

    def _deductions(self) -> Path | None:
        """The file of deductions, written as far as it was not."""
        writer = self.experiment.deductions
        if writer is None:
            return None
        shows = [self._recipe(cell) for cell in self._cells() if self._wanted(cell.condition)]
        if not any(one and one.prompt.deductions == WRITTEN for one in shows):
            return None
        path = self.setup.out / "deductions" / f"{digest(writer.model_dump())}.jsonl"
        with self._leaving("deductions"):
            model = lambda: self.models.there(writer.by)  # noqa: E731
            write_deductions(
                *(path, self._shown_deductions(), writer, model, self.setup.reporter.say)
            )
        self.models.forget()
        return path

    def _shown_deductions(self) -> Iterator[Any]:
        """All dialogues that a recipe with deductions trains on, and all splits."""
        for data in self.splits.values():
            yield from data
        for cell in self._cells():
            recipe = self._recipe(cell) if self._wanted(cell.condition) else None
            if recipe is not None and recipe.prompt.deductions == WRITTEN:
                for source in load_sources(
                    recipe, self.setup.data, load_holdout(recipe, self.setup.data), _quiet
                ):
                    yield from source.data
                for part in recipe.dev:
                    yield from load_part(part, self.setup.data, DEV_SEED)

    def _recipe(self, cell: Cell) -> Recipe | None:
        """A trained condition's recipe, if it can be read; why not is said when it is needed."""
        if self.experiment.conditions[cell.condition].train is None:
            return None
        with suppress(SentixError):
            return recipe_of(self.experiment, cell)
        return None

    def _wanted(self, condition: str) -> bool:
        return self.setup.only is None or condition in self.setup.only

    def _cells(self) -> Iterator[Cell]:
        for name in self.experiment.conditions:
            yield from cells(self.experiment, name)

    def _groups(self) -> list[list[Cell]]:
        """Cells that need the same model, which is then opened once."""
        groups: dict[object, list[Cell]] = {}
        for cell in self._cells():
            condition = self.experiment.conditions[cell.condition]
            mark: object = (cell.condition, cell.track)
            if condition.model is not None:
                mark = condition.model
            elif condition.baseline is None:
                with self._leaving(str(cell)):
                    mark = recipe_of(self.experiment, cell).name
                if str(cell) in self.outcome.left:
                    continue
            # Of one model, what is asked about other answers waits for them.
            groups.setdefault((mark, condition.ask.pairs), []).append(cell)
        return list(groups.values())

    def _answer(self, group: Sequence[Cell], deductions: Path | None) -> None:
        for cell in group:
            condition = self.experiment.conditions[cell.condition]
            for place in places_of(self.experiment, cell):
                for split in (DEV, TEST):
                    data = self.splits.get((place, split))
                    if data is None:
                        continue
                    with self._leaving(f"{cell}: {place} ({split})"):
                        labels = self._labels(cell, condition, data)
                        pairs = self._pairs(cell, condition, place, split)
                        held = self._held(cell, condition, place, data, labels, deductions, pairs)
                        held = _scored(condition, held, data, labels)
                        key = (cell.condition, cell.track, cell.seed, place, split)
                        self.outcome.held[key] = held

    def _pairs(self, cell: Cell, condition: Condition, place: str, split: str) -> Held | None:
        """The answers that a condition is asked about, if it is.

        Raises:
            ConfigError: They are missing.
        """
        name = condition.ask.pairs
        if name is None:
            return None
        found = self.outcome.find(name, cell.track, cell.seed, place, split)
        if found is None and not self._wanted(cell.condition):
            raise _UnwantedError
        if found is None:
            raise ConfigError(f"There are no answers of '{name}' to be asked about.")
        return found

    def _labels(self, cell: Cell, condition: Condition, data: Dataset) -> LabelSet:
        """The labels that a condition asks under."""
        under = condition.ask.under
        if under is None:
            return data.label_set
        if under != TRAINED:
            return resolve_labels(under)
        first = recipe_of(self.experiment, cell).dev[0]
        return load_part(first, self.setup.data, DEV_SEED).label_set

    def _held(
        self,
        cell: Cell,
        condition: Condition,
        place: str,
        data: Dataset,
        labels: LabelSet,
        deductions: Path | None,
        pairs: Held | None,
    ) -> Held:
        """The cell's answers about a split: kept ones, or asked for now."""
        recipe = recipe_of(self.experiment, cell, deductions) if condition.model is None else None
        mark = self.models.mark(condition, recipe)
        seed = self.experiment.seeds[0] if cell.seed is None else cell.seed
        about = answers_about(
            *(mark, condition, data, labels, seed), None if pairs is None else identity_of(pairs)
        )
        file = answers_file(self.setup.out, about)
        if file.is_file():
            held, _ = read_held(file)
        elif not self._wanted(cell.condition):
            raise _UnwantedError
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            self.setup.reporter.say(f"Asking {cell} about {data.title}.")
            if condition.baseline is not None:
                assert recipe is not None
                system = baseline(condition.baseline, recipe, data, self.setup.data)
                held = answered_by(system, data.label_set, data, file, about, self.setup.watch)
                write_held(file, held, about)
            else:
                asked = self.models.asked(condition, recipe, seed, deductions)
                if asked is None:
                    raise StoppedError
                dev = self.splits.get((place, DEV))
                held = ask(
                    *(asked, condition.ask, data, labels, file, about),
                    dev=dev,
                    pairs=pairs,
                    seed=seed,
                    watch=self.setup.watch,
                )
        self._log(cell, data, held, digest(about), mark)
        return held

    def _log(
        self, cell: Cell, data: Dataset, held: Held, name: str, mark: Mapping[str, Any]
    ) -> None:
        """Enter a look at test."""
        if data.split != TEST or self.setup.ledger is None:
            return
        found = headline(held.tallies().sum(axis=0))
        known = held.names == held.gold_names
        line = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": f"experiment-{name}",
            "experiment": self.experiment.name,
            "condition": str(cell),
            "dataset": data.name,
            "split": data.split,
            "task": data.task,
            "variant": data.variant,
            "n": len(held),
            "data_hash": data.data_hash,
            "model": dict(mark),
            "headline": {
                metric: round(float(value), 6)
                for metric, value in zip(HEADLINE, found, strict=True)
                if known
            },
        }
        enter_ledger(self.setup.ledger, line)

    def _combine(self, name: str, condition: Condition) -> None:
        """All answers of a combined condition, for every track, seed, place and split."""
        assert condition.combine is not None
        held = self.outcome.held
        first = condition.combine.of[0]
        for _, track, seed, place, split in [key for key in held if key[0] == first]:
            allowed = (condition.tracks, track), (condition.places, place)
            if any(names is not None and one not in names for names, one in allowed):
                continue
            with self._leaving(f"{name}: {place} ({split})"):
                parts = self._parts(condition, track, seed, place, split)
                dev = self._parts(condition, track, seed, place, DEV)
                if parts is not None and dev is not None:
                    held[name, track, seed, place, split] = combine(
                        *(condition.combine, parts, dev), same=split == DEV, seed=seed or 0
                    )

    def _parts(
        self, condition: Condition, track: str, seed: int | None, place: str, split: str
    ) -> list[Held] | None:
        """What a condition is made of; ``None`` where a part is missing."""
        assert condition.combine is not None
        wanted = [(name, seed) for name in condition.combine.of]
        if condition.combine.how == "seeds":
            (name,) = condition.combine.of
            seeds = self.experiment.seeds[: self.experiment.conditions[name].seeds]
            if seed is None or len(seeds) < 2:
                return None
            wanted.append((name, seeds[(seeds.index(seed) + 1) % len(seeds)]))
        found = [self.outcome.find(name, track, one, place, split) for name, one in wanted]
        return [held for held in found if held is not None] if None not in found else None


def _scored(condition: Condition, held: Held, data: Dataset, asked: LabelSet) -> Held:
    """The answers under the labels that the condition is scored under."""
    unify = condition.unify
    if unify is None:
        return held
    if isinstance(unify, str):
        return held.scored_as(label_map(asked, unify), label_map(data.label_set, unify))
    gold = merged(data.label_set, unify)
    # A class is called after one of its labels, so that the map holds for merged labels too.
    own = LabelMap(asked, gold.target, {name: unify.get(name) for name in asked.names})
    return held.scored_as(own, gold)


class _Leaving:
    """What fails inside is left out, with its reason; Ctrl-C goes through."""

    def __init__(self, what: str, left: dict[str, str], say: Callable[[str], None]) -> None:
        self._what, self._left, self._say = what, left, say

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, _UnwantedError):
            return True
        if error is None or not isinstance(error, Exception) or isinstance(error, StoppedError):
            return False
        reason = (
            error.message if isinstance(error, SentixError) else f"{type(error).__name__}: {error}"
        )
        self._left[self._what] = reason
        self._say(f"Left out: {self._what}: {reason}")
        return True


def _quiet(text: str) -> None:
    """Say nothing."""
