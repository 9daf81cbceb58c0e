"""From an experiment to what has to be done: trainings, and answers about splits.

Contract: a training is named by a hash of its whole recipe, answers by one of model, data, labels,
templates and how they are asked. What has another hash is another thing: results of a changed
recipe never mix with older ones, and experiments that need the same training share it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentixrl.context.templates import PAIRWISE, digest_of, template_languages
from sentixrl.datasets.dataset import Dataset
from sentixrl.experiments.plan import WRITTEN, Ask, Condition, Experiment
from sentixrl.labels import LabelSet
from sentixrl.runs.identity import digest
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.recipe_file import parse_recipe

UNTRACKED = ""
"""The track of a model that was not trained for one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition on one track with one seed.

    Attributes:
        condition: Its name.
        track: The track's name; ``""`` for a model that was there already.
        seed: The training's seed; ``None`` where nothing is drawn.
    """

    condition: str
    track: str
    seed: int | None

    def __str__(self) -> str:
        track = f", {self.track}" if self.track else ""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.condition}{track}{seed}"


def cells(experiment: Experiment, name: str) -> list[Cell]:
    """The cells of a condition that a model or baseline answers; none of a combined one."""
    condition = experiment.conditions[name]
    tracks = condition.tracks or list(experiment.tracks)
    if condition.model is not None:
        return [Cell(name, UNTRACKED, None)]
    if condition.baseline is not None:
        return [Cell(name, track, None) for track in tracks]
    if condition.combine is not None:
        return []
    trained = condition if condition.like is None else experiment.conditions[condition.like]
    tracks = condition.tracks or trained.tracks or list(experiment.tracks)
    seeds = experiment.seeds[: condition.seeds or trained.seeds]
    return [Cell(name, track, seed) for track in tracks for seed in seeds]


def places_of(experiment: Experiment, cell: Cell) -> list[str]:
    """What a cell is asked about."""
    condition = experiment.conditions[cell.condition]
    track = experiment.tracks.get(cell.track)
    allowed = [condition.places, track.places if track else None]
    return [
        name for name in experiment.data if all(names is None or name in names for names in allowed)
    ]


def planned_places(experiment: Experiment, name: str) -> list[str]:
    """What a condition is asked about; a combined one where all that it combines is."""
    condition = experiment.conditions[name]
    if condition.combine is None:
        asked = [set(places_of(experiment, cell)) for cell in cells(experiment, name)]
        found = set().union(*asked)
    else:
        found = set(experiment.data if condition.places is None else condition.places)
        found.intersection_update(*(planned_places(experiment, of) for of in condition.combine.of))
    return [place for place in experiment.data if place in found]


def recipe_of(experiment: Experiment, cell: Cell, deductions: Path | None = None) -> Recipe:
    """The recipe by which a cell's model is trained, or was.

    Args:
        experiment: The experiment.
        cell: Of a trained condition, or of one that is like it.
        deductions: The file that recipes call ``written``.

    Raises:
        ConfigError: The keys do not make a recipe.
    """
    condition = experiment.conditions[cell.condition]
    if condition.like is not None:
        condition = experiment.conditions[condition.like]
    content: dict[str, Any] = {}
    for layer in (experiment.recipe, experiment.tracks[cell.track].recipe, condition.train or {}):
        content = overlaid(content, layer)
    content |= {"seed": cell.seed or 0, "name": "experiment", "about": ""}
    content = overlaid({"train": [], "dev": []}, content)
    recipe = parse_recipe(content, f"of '{cell}'")
    # Of the recipe as it was read: a default that changes makes it another one.
    mark = digest({"recipe": as_plain(recipe), "writer": _writer(experiment, recipe)})
    shown = recipe.prompt
    if shown.deductions == WRITTEN and deductions is not None:
        shown = shown.model_copy(update={"deductions": str(deductions)})
    return recipe.model_copy(update={"name": f"experiment-{mark}", "prompt": shown})


def _writer(experiment: Experiment, recipe: Recipe) -> dict[str, Any] | None:
    if recipe.prompt.deductions != WRITTEN or experiment.deductions is None:
        return None
    return experiment.deductions.model_dump()


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Keys on top of others; sections key by key, lists and values whole, ``null`` removes."""
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(before, Mapping):
            merged[key] = overlaid(before, value)
        else:
            merged[key] = value
    return merged


def training_folder(out: Path, recipe: Recipe, material: str) -> Path:
    """Where a training goes.

    Args:
        out: Where everything is kept.
        recipe: Its recipe.
        material: The hash of its data (see :func:`material_of`).
    """
    return out / "trainings" / f"{recipe.name.removeprefix('experiment-')}-{material}"


def material_of(parts: Iterable[Dataset]) -> str:
    """A short hash of the data that a recipe trains on and chooses by."""
    return digest([[data.data_hash, data.label_set.digest] for data in parts])[:8]


def answers_file(out: Path, about: Mapping[str, Any]) -> Path:
    """Where answers go."""
    return out / "answers" / f"{digest(about)}.npz"


def answers_about(
    model: Mapping[str, Any],
    condition: Condition,
    data: Dataset,
    labels: LabelSet,
    seed: int | None,
    pairs: str | None = None,
) -> dict[str, Any]:
    """All that decides a condition's answers about a split, as plain data.

    Args:
        model: What tells the model or baseline from others.
        condition: How it is asked.
        data: The split.
        labels: The labels that are asked under.
        seed: Draws controls and orders.
        pairs: A hash of the answers that a verifier is asked about.
    """
    ask = condition.ask
    verified = {"pairs": pairs, "wording": _digests(PAIRWISE)} if pairs is not None else {}
    return {
        "model": dict(model),
        # What pairs are called decides nothing, and answers without any keep their names.
        "ask": ask.model_dump(mode="json", exclude={"pairs"}),
        "data": {"dataset": data.name, "split": data.split, "hash": data.data_hash},
        "labels": [data.label_set.digest, labels.digest],
        "templates": {language: digest_of(language) for language in template_languages()},
        "seed": seed if draws(ask) else None,
        "format": 1,
        **verified,
    }


def _digests(role: str) -> dict[str, str]:
    return {language: digest_of(f"{language}/{role}") for language in template_languages()}


def draws(ask: Ask) -> bool:
    """Whether anything about how a model is asked is drawn at random."""
    return ask.orders is not None or ask.history == "stranger" or ask.deductions == "strangers"


def trainings(
    experiment: Experiment, only: Collection[str] | None = None
) -> Iterator[tuple[Cell, Recipe]]:
    """Every training once, with the first cell that needs it.

    Args:
        experiment: The experiment.
        only: Those that these conditions need; ``None`` for all.

    Raises:
        ConfigError: A recipe does not fit.
    """
    seen: set[str] = set()
    for name, condition in experiment.conditions.items():
        if condition.train is None and condition.like is None:
            continue
        if only is not None and name not in only:
            continue
        for cell in cells(experiment, name):
            recipe = recipe_of(experiment, cell)
            if recipe.name not in seen:
                seen.add(recipe.name)
                yield cell, recipe
