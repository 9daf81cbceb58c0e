"""A recipe's material: training data, dev and holdout.

Contract: a training dialogue that shares text with a part of ``holdout`` or ``dev`` is dropped, or
the recipe is refused, unless it gives a reason to keep such dialogues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sentixrl.context.building import one_line
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.generic import load_custom
from sentixrl.datasets.mapped import capped, unified
from sentixrl.datasets.overlap import Part, overlap
from sentixrl.datasets.registry import load_split
from sentixrl.dialogue import Utterance
from sentixrl.errors import ConfigError
from sentixrl.evaluation.running import draw
from sentixrl.labels import LabelSet, resolve_labels
from sentixrl.training.recipe import Recipe
from sentixrl.training.sections import DataPart

DEV_SEED = 0  # whatever the recipe's seed: trainings are compared on the same dialogues


Holdout = Sequence[tuple[DataPart, Dataset]]
"""The parts under ``holdout`` and ``dev``, in this order, with the data loaded for each."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set to train on.

    Attributes:
        data: Its dialogues, without those that were dropped.
        epochs: How many times training passes over it.
        dropped: How many dialogues were dropped because they share text with the holdout.
        kept: How many share text with it and stayed.
        neutral_share: The share of neutral answers that each pass should reach (see
            :func:`sentixrl.training.neutral.one_pass`); 0 leaves it as it is.
    """

    data: Dataset
    epochs: float
    dropped: int = 0
    kept: int = 0
    neutral_share: float = 0.0

    @property
    def labelled(self) -> int:
        """How many turns are asked about."""
        return labelled_turns(self.data)

    @property
    def label_counts(self) -> dict[str, int]:
        """Label → how many turns have it, in the label set's order, zeros included."""
        if not self.data.several:
            return dict(self.data.label_counts)
        found = Counter(name for turn in self.data.utterances for name in turn.golds or ())
        return {name: found[name] for name in self.data.label_set.names}

    @property
    def lines(self) -> bool:
        """Whether its dialogues are single lines, which go into packs in any company."""
        return all(len(dialogue) == 1 for dialogue in self.data)


def is_labelled(data: Dataset, turn: Utterance) -> bool:
    """Whether anything is asked about a turn of the data."""
    return (turn.golds if data.several else turn.gold) is not None


def labelled_turns(data: Dataset) -> int:
    """How many turns of the data are asked about."""
    return sum(is_labelled(data, turn) for turn in data.utterances)


def load_part(
    part: DataPart, root: Path, seed: int, say: Callable[[str], None] = lambda note: None
) -> Dataset:
    """Load a part of a recipe: a data set under ``root``, or a file of the user's own.

    Args:
        part: The part.
        root: The folder with one folder per data set.
        seed: Draws ``limit`` dialogues.
        say: Receives what a person should know of how a file is read.

    Raises:
        ConfigError: There is no such folder or part.
        InputError: Its files are not as they should be.
    """
    if part.file is not None and part.labels is not None:
        labels = resolve_labels(part.labels)
        several = part.kind == "several"
        own = load_custom(part.file, labels, part.split, several=several, tell=say, **part.reading)
        return draw(_unified(part, own), part.limit, seed)
    folder = root / part.dataset
    if not folder.is_dir():
        raise ConfigError(
            f"The recipe names '{part.name}', but there is no folder {folder}.",
            hint="Give --data the folder with one folder per data set; 'sentixrl datasets show "
            f"{part.dataset}' says where to get it.",
        )
    found = load_split(part.dataset, folder, part.split, part.task, part.loader_switches)
    return draw(_unified(part, found), part.limit, seed)


def _unified(part: DataPart, data: Dataset) -> Dataset:
    return data if part.unify is None else unified(data, part.unify)


def load_holdout(recipe: Recipe, root: Path) -> Holdout:
    """What training data must share no text with: the parts under ``holdout`` and ``dev``."""
    return [(part, load_part(part, root, DEV_SEED)) for part in [*recipe.holdout, *recipe.dev]]


def load_sources(
    recipe: Recipe, root: Path, holdout: Holdout, say: Callable[[str], None]
) -> list[Source]:
    """The recipe's training data, without what shares text with the holdout.

    Args:
        recipe: The recipe.
        root: The folder with one folder per data set.
        holdout: What :func:`load_holdout` gives.
        say: Receives a sentence about what was dropped and what is missing.

    Raises:
        ConfigError: They share text and the recipe neither drops nor keeps such dialogues, or
            nothing is labelled.
    """
    evaluated = [Part(part.name, data.dialogues) for part, data in holdout]
    sources = []
    for part in recipe.train:
        data = load_part(part, root, recipe.seed, say)
        found = overlap(Part(part.name, data.dialogues), evaluated)
        if found.drop and not (recipe.drop_overlap or recipe.keep_overlap):
            shared = ", ".join(item.name for item in found.parts if item.drop)
            raise ConfigError(
                f"{len(found.drop):,} of the {len(data):,} dialogues of {part.name} share text "
                f"(two runs of eight words, or all of it) with {shared}, which the recipe holds "
                "out.",
                hint="Set 'drop_overlap: true' in the recipe, or 'keep_overlap' to the reason why "
                "they stay; 'sentixrl datasets overlap' shows which ones.",
            )
        met, stay = len(found.drop), recipe.keep_overlap is not None
        if met:
            data = data if stay else data.without(found.drop)
            what = "kept, although they" if stay else "dropped, which"
            say(f"{part.name}: {met:,} dialogues {what} share text with dev or test data.")
        if part.per_label is not None:
            data = capped(data, part.per_label, recipe.seed)
        source = Source(
            data,
            part.epochs or recipe.epochs,
            dropped=0 if stay else met,
            kept=met if stay else 0,
            neutral_share=part.neutral_share,
        )
        times = "once" if source.epochs == 1 else f"{source.epochs:g} times"
        say(f"{part.name}: {len(data):,} dialogues, {source.labelled:,} labelled turns, {times}.")
        missing = [name for name, count in source.label_counts.items() if not count]
        if missing:
            say(
                f"{part.name}: no turn is labelled {', '.join(missing)}; the model will be shown "
                "these labels but never learns to give them."
            )
        sources.append(source)
    if not any(source.labelled for source in sources):
        raise ConfigError("No utterance of the training data has a label.")
    return sources


def label_counts(sources: Sequence[Source]) -> dict[LabelSet, dict[str, float]]:
    """Label set → label → number of training examples, weighted by the sources' epochs.

    The smallest number of epochs weighs 1, so a single source gives its plain counts.
    """
    counts: dict[LabelSet, dict[str, float]] = {}
    for source in sources:
        of = [other.epochs for other in sources if other.data.label_set == source.data.label_set]
        total = counts.setdefault(source.data.label_set, {})
        for name, count in source.label_counts.items():
            total[name] = total.get(name, 0) + count * source.epochs / min(of)
    return counts


def without_long_turns(
    data: Dataset, room: int, count_tokens: Callable[[str], int]
) -> tuple[Dataset, int]:
    """The data without the labels of turns of more than ``room`` tokens, and how many these are.

    Such a turn cannot be asked about; in the history of others it stands only where it fits.
    """
    gone = 0

    def fits(text: str) -> bool:
        # No token stands for less than a byte.
        return len(text.encode("utf-8", "replace")) <= room or count_tokens(one_line(text)) <= room

    dialogues = []
    for dialogue in data:
        long = {n for n, t in enumerate(dialogue) if is_labelled(data, t) and not fits(t.text)}
        gone += len(long)
        turns = tuple(
            replace(t, gold=None, golds=None) if n in long else t for n, t in enumerate(dialogue)
        )
        dialogues.append(replace(dialogue, utterances=turns) if long else dialogue)
    return (replace(data, dialogues=tuple(dialogues)) if gone else data), gone
