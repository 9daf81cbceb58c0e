"""How long an experiment will take, from rates measured on two CPU cores.

Contract: nothing is trained or loaded but data. What is finished already counts nothing, and what
several conditions share counts once. The rates are of quiet hours; beside other work it takes
longer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentixrl.context.window import HistoryWindow
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.engines.local.bundled import BUNDLED
from sentixrl.errors import SentixError
from sentixrl.experiments.jobs import (
    Cell,
    cells,
    material_of,
    places_of,
    recipe_of,
    training_folder,
    trainings,
)
from sentixrl.experiments.plan import TEST, WRITTEN, Ask, Condition, Experiment, Writer
from sentixrl.named_models import bundle_of
from sentixrl.training.finishing import BUNDLE, finished_before
from sentixrl.training.material import DEV_SEED, load_part
from sentixrl.training.plans import (
    DEMONSTRATION_TOKENS,
    PAIR_TOKENS,
    dialogue_sizes,
    verifier_tokens,
)
from sentixrl.training.recipe import Recipe
from sentixrl.training.second_role import Verifier
from sentixrl.training.sections import DataPart

TRAINING = {135_000_000: 500.0, 268_000_000: 400.0, 1_540_000_000: 57.0}
"""Parameters → tokens a second in training: 135M and 1.5B as docs/experiments.md has them, 270M
from its first training."""
ANSWERING = 2.5
"""So many times as many tokens a second in answering: 65.8 utterances/s of 18 tokens at 135M."""
ROUND = 0.6
"""What a further round costs of a single pass: three rounds take 2.2 times as long."""
WRITTEN_TOKENS = 96
"""Of a deduction's three lines, at most."""
UTTERANCE = 18.0
"""Tokens that an utterance of MELD takes, its question and answer included."""
WRITING = 2.0
"""What a token of a deduction costs, reading included, in tokens of training: 381 deductions by the
1.5B took 20 minutes, eight dialogues side by side."""
LATIN, OTHER, HAN = 4.2, 2.6, 1.5
"""Characters per token."""


@dataclass(frozen=True)
class Item:
    """One thing to do.

    Attributes:
        what: In words.
        seconds: About how long it takes; 0 if it is done.
        missing: Why it cannot be done, if it cannot.
    """

    what: str
    seconds: float
    missing: str | None = None


def estimate(
    experiment: Experiment,
    data: Path,
    out: Path,
    *,
    test: bool,
    only: frozenset[str] | None = None,
) -> list[Item]:
    """Everything an experiment has to do.

    Args:
        experiment: The experiment.
        data: The folder with one folder per data set.
        out: Where trainings and answers are kept.
        test: Whether test splits are asked about too.
        only: The conditions that may be trained and asked; ``None`` for all.
    """
    parts = _Parts(data)
    names = [name for name in experiment.conditions if only is None or name in only]
    needed, refused = _needed(experiment, names)
    items = [_training(cell, recipe, parts, out) for cell, recipe in needed]
    items += [Item(f"training {name}", 0.0, why) for name, why in refused.items()]
    splits = {
        (name, split): parts.load(part)
        for name, place in experiment.data.items()
        for split, part in (("dev", place.dev), (TEST, place.test if test else None))
        if part is not None
    }
    shown = [recipe for _, recipe in needed if recipe.prompt.deductions == WRITTEN]
    if experiment.deductions is not None and shown:
        drawn = {(part.model_dump_json(), one.seed): part for one in shown for part in one.train}
        told = [*splits.values(), *(parts.load(part) for part in drawn.values())]
        dialogues = [one for data in told if isinstance(data, Dataset) for one in data]
        items.append(_deductions(experiment.deductions, dialogues))
    for name in names:
        if name not in refused:
            items += _answers(experiment, name, splits)
    return items


def _needed(
    experiment: Experiment, names: Sequence[str]
) -> tuple[list[tuple[Cell, Recipe]], dict[str, str]]:
    """Every training once, and condition → why its recipe does not fit."""
    needed: dict[str, tuple[Cell, Recipe]] = {}
    refused = {}
    for name in names:
        try:
            for cell, recipe in trainings(experiment, {name}):
                needed.setdefault(recipe.name, (cell, recipe))
        except SentixError as error:
            refused[name] = error.message
    return list(needed.values()), refused


class _Parts:
    """Parts of data, each loaded and counted once; what is dropped for overlap is counted too."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loaded: dict[str, Dataset | str] = {}
        self._tokens: dict[tuple[str, HistoryWindow], list[int]] = {}

    def load(self, part: DataPart) -> Dataset | str:
        """The part, or why it is not there."""
        key = part.model_dump_json()
        if key not in self._loaded:
            try:
                self._loaded[key] = load_part(part, self._root, DEV_SEED)
            except SentixError as error:
                self._loaded[key] = error.message
        return self._loaded[key]

    def sizes(self, part: DataPart, window: HistoryWindow) -> list[int]:
        """About how many tokens each of its dialogues takes."""
        key = part.model_dump_json(), window
        if key not in self._tokens:
            data = self.load(part)
            assert isinstance(data, Dataset)
            self._tokens[key] = dialogue_sizes(data, window, tokens_of)
        return self._tokens[key]


def _deductions(writer: Writer, dialogues: Sequence[Dialogue]) -> Item:
    """Each turn's, or one for every start of the window after the first."""
    window = HistoryWindow().of_turns(writer.window)
    number = sum(
        len(one)
        if writer.mode == "utterance"
        else len({start for start in window.starts([1] * len(one)) if start})
        for one in dialogues
    )
    rate = _rate(writer.by) / WRITING
    return Item(f"deductions by {writer.by}", number * WRITTEN_TOKENS / rate)


def hours(items: list[Item]) -> float:
    """Of all that can be done."""
    return sum(item.seconds for item in items if item.missing is None) / 3600


def _training(cell: Cell, recipe: Recipe, parts: _Parts, out: Path) -> Item:
    what = f"training {cell} ({recipe.base})"
    found = [parts.load(part) for part in (*recipe.train, *recipe.dev)]
    if missing := next((one for one in found if isinstance(one, str)), None):
        return Item(what, 0.0, missing)
    material = material_of(one for one in found if isinstance(one, Dataset))
    if finished_before(training_folder(out, recipe, material) / BUNDLE) is not None:
        return Item(f"{what}: done", 0.0)
    window = HistoryWindow(**recipe.window.model_dump())
    besides = DEMONSTRATION_TOKENS * recipe.demonstrations.count if recipe.demonstrations else 0
    once = [sum(size + besides for size in parts.sizes(part, window)) for part in recipe.train]
    epochs = [part.epochs or recipe.epochs for part in recipe.train]
    total = sum(size * times for size, times in zip(once, epochs, strict=True))
    rate = _rate(recipe.base)
    dev = sum(_turns(one) for one in found[len(recipe.train) :] if isinstance(one, Dataset))
    checks = max(1, round(recipe.epochs_of_checks * recipe.checks_per_epoch)) + 1
    seconds = total / rate + checks * dev * UTTERANCE / (ANSWERING * rate)
    return Item(what, seconds + _second(recipe, found, once, epochs))


def _second(
    recipe: Recipe, parts: Sequence[Dataset | str], once: Sequence[int], epochs: Sequence[float]
) -> float:
    """Seconds that a second role adds: its fold models, and a verifier's own questions."""
    second = recipe.second
    if second is None:
        return 0.0
    passes = [second.epochs or times for times in epochs]
    folds = (second.folds - 1) * sum(size * times for size, times in zip(once, passes, strict=True))
    if not isinstance(second, Verifier):
        return folds / _rate(recipe.base)
    asked = [_turns(one) for one in parts[: len(once)] if isinstance(one, Dataset)]
    turns = sum(own * times for own, times in zip(asked, epochs, strict=True))
    own = verifier_tokens(second) * turns / _rate(recipe.base)
    return folds / _rate(second.base or recipe.base) + own


def _answers(
    experiment: Experiment, name: str, splits: Mapping[tuple[str, str], Dataset | str]
) -> list[Item]:
    condition = experiment.conditions[name]
    seconds, missing = 0.0, ""
    every = cells(experiment, name)
    for cell in every:
        rate = ANSWERING * _rate(_base_of(experiment, condition, cell)) / UTTERANCE
        for place in places_of(experiment, cell):
            for split in ("dev", TEST):
                data = splits.get((place, split))
                if isinstance(data, str):
                    missing = data
                elif data is not None and condition.baseline is None:
                    asked = len(data.label_set) / 3 if data.several else 1.0
                    asked += _pair_passes(experiment, condition, cell)
                    seconds += _turns(data) * _passes(condition.ask) * asked / rate
    if not every or condition.baseline is not None:
        return []
    told = [Item(f"asking {name}", seconds)] if seconds else []
    return told + ([Item(f"asking {name}", 0.0, missing)] if missing else [])


def _base_of(experiment: Experiment, condition: Condition, cell: Cell) -> str:
    return condition.model or recipe_of(experiment, cell).base


def _pair_passes(experiment: Experiment, condition: Condition, cell: Cell) -> float:
    """How many single passes a verifier's two questions take beside what they share."""
    if condition.ask.pairs is None:
        return 0.0
    how = None if condition.model is not None else recipe_of(experiment, cell).verifier
    shown = 2 * how.evidence * DEMONSTRATION_TOKENS if how is not None else 0
    return (2 * PAIR_TOKENS + shown) / UTTERANCE


def _passes(ask: Ask) -> float:
    """How many single passes asking so takes."""
    rounds = 0.0 if ask.rounds is None else ROUND * ask.rounds + 0.4
    return max(1.0, float(ask.orders or 1), rounds) + (1.6 if ask.objects is not None else 0.0)


def _rate(model: str) -> float:
    """Tokens a second in training, by the number of parameters."""
    size = _parameters(model)
    nearest = min(TRAINING, key=lambda known: abs(known - size))
    return TRAINING[nearest] * nearest / size


def _parameters(model: str) -> int:
    """As far as it is known without opening it; a small model's otherwise."""
    if model in BUNDLED:
        return BUNDLED[model].parameters
    try:
        base = bundle_of(model).base
    except SentixError:
        base = None
    return BUNDLED[base].parameters if base in BUNDLED else min(TRAINING)


def _turns(data: Dataset) -> int:
    return sum(len(dialogue) for dialogue in data)


def tokens_of(text: str) -> int:
    """About how many tokens a text has."""
    if not text:
        return 0
    letters = [ch for ch in text if not ch.isspace()] or [" "]
    plain = sum(ch.isascii() for ch in letters) / len(letters)
    han = sum("CJK" in unicodedata.name(ch, "") for ch in letters) / len(letters)
    rest = max(0.0, 1 - plain - han)
    return max(1, round(len(text) * (plain / LATIN + han / HAN + rest / OTHER)))
