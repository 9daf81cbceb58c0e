"""What a recipe trains on and is checked on: loaded, kept apart, cut into packs.

Contract: a dialogue that shares text with a split named under ``holdout`` or ``dev`` is dropped, or
the recipe is refused, unless it gives a reason to keep such dialogues. Packs are planned for the
whole training beforehand, from the seed alone, so that a resumed training goes through the same
ones.
"""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sentixrl.context.building import one_line
from sentixrl.context.window import HistoryWindow
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.datasets.generic import load_custom
from sentixrl.datasets.overlap import Part, overlap
from sentixrl.datasets.registry import load_split
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError
from sentixrl.evaluation.running import draw
from sentixrl.labels import LabelSet, resolve_labels
from sentixrl.training.drawing import LabelDraw
from sentixrl.training.recipe import Recipe
from sentixrl.training.sections import DataPart

LINE_TOKENS = 3  # what a turn's speaker takes besides its text
QUESTION_TOKENS = 5  # what its question and label take
STEM_TOKENS = 4  # what the questions about several labels share
HEAD_TOKENS = 40  # instruction and label statement, once a pack
DEV_SEED = 0  # whatever the recipe's seed: trainings are compared on the same dialogues
FEWEST = 8  # lines of a drawn subset of labels that are worth a pack


Holdout = Sequence[tuple[DataPart, Dataset]]
"""What a recipe keeps apart, and what was loaded for it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set to train on.

    Attributes:
        data: Its dialogues, those to be kept apart gone.
        epochs: How often it is gone through.
        dropped: How many dialogues were dropped for sharing text with what is kept apart.
        kept: How many share text with it and stayed.
    """

    data: Dataset
    epochs: float
    dropped: int = 0
    kept: int = 0

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


@dataclass(frozen=True, slots=True)
class PackPlan:
    """One pack of the training.

    Attributes:
        source: Index of its source.
        dialogues: Indices of its dialogues there.
        allowed: The labels it may show where a subset was drawn beforehand; empty for all.
        seed: Of its draws.
    """

    source: int
    dialogues: tuple[int, ...]
    allowed: tuple[str, ...]
    seed: int


def is_labelled(data: Dataset, turn: Utterance) -> bool:
    """Whether anything is asked about a turn of the data."""
    return (turn.golds if data.several else turn.gold) is not None


def labelled_turns(data: Dataset) -> int:
    """How many turns of the data are asked about."""
    return sum(is_labelled(data, turn) for turn in data.utterances)


def load_part(part: DataPart, root: Path, seed: int) -> Dataset:
    """Load a part of a recipe: from the folder that has a folder a data set, or its own file.

    Raises:
        ConfigError: There is no such folder or part.
        InputError: Its files are not as they should be.
    """
    if part.file is not None and part.labels is not None:
        own = load_custom(part.file, resolve_labels(part.labels), part.split)
        return draw(own, part.limit, seed)
    folder = root / part.dataset
    if not folder.is_dir():
        raise ConfigError(
            f"The recipe names '{part.name}', but there is no folder {folder}.",
            hint="Give --data the folder that has a folder a data set; 'sentixrl datasets show "
            f"{part.dataset}' says where to get it.",
        )
    return draw(
        load_split(part.dataset, folder, part.split, part.task, part.loader_switches),
        part.limit,
        seed,
    )


def load_holdout(recipe: Recipe, root: Path) -> Holdout:
    """What training data must share no text with: the parts under ``holdout`` and ``dev``."""
    return [(part, load_part(part, root, DEV_SEED)) for part in [*recipe.holdout, *recipe.dev]]


def load_sources(
    recipe: Recipe, root: Path, holdout: Holdout, say: Callable[[str], None]
) -> list[Source]:
    """The recipe's training data, kept apart from what it must not share text with.

    Args:
        recipe: The recipe.
        root: The folder that has a folder a data set.
        holdout: What :func:`load_holdout` gives.
        say: Told what was dropped and what is missing.

    Raises:
        ConfigError: They share text and the recipe says neither to drop nor to keep it; a label
            of the data has no example in a single-source recipe is no error, but is said.
    """
    evaluated = [Part(part.name, data.dialogues) for part, data in holdout]
    sources = []
    for part in recipe.train:
        data = load_part(part, root, recipe.seed)
        found = overlap(Part(part.name, data.dialogues), evaluated)
        if found.drop and not (recipe.drop_overlap or recipe.keep_overlap):
            shared = ", ".join(item.name for item in found.parts if item.drop)
            raise ConfigError(
                f"{len(found.drop):,} of the {len(data):,} dialogues of {part.name} share text "
                f"(two runs of eight words, or all of it) with {shared}, which the recipe keeps "
                "apart.",
                hint="Set 'drop_overlap: true' in the recipe, or 'keep_overlap' to the reason why "
                "they stay; 'sentixrl datasets overlap' shows which ones.",
            )
        met, stay = len(found.drop), recipe.keep_overlap is not None
        if met:
            data = data if stay else data.without(found.drop)
            what = "kept, although they" if stay else "dropped, which"
            say(f"{part.name}: {met:,} dialogues {what} share text with dev or test data.")
        counts = {"kept" if stay else "dropped": met}
        source = Source(data, part.epochs or recipe.epochs, **counts)
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
    """Label set → label → training examples, each as often as its source is gone through.

    In units of the least of their epochs, so that one source alone gives its own counts.
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


def plan_packs(
    sources: Sequence[Source],
    draws: LabelDraw,
    pack_tokens: int,
    window: HistoryWindow,
    count_tokens: Callable[[str], int],
    seed: int,
) -> list[PackPlan]:
    """All packs of a training, in the order they are gone through.

    Every source's packs are spread evenly over the training, so that small and large ones end
    together.
    """
    placed: list[tuple[float, PackPlan]] = []
    for number, source in enumerate(sources):
        rng = random.Random(f"{seed}-{number}")
        sizes = dialogue_sizes(source.data, window, count_tokens)
        plans: list[PackPlan] = []
        for epoch in range(math.ceil(source.epochs)):
            share = min(1.0, source.epochs - epoch)
            plans += _epoch(number, source, sizes, draws, pack_tokens, rng, share)
        placed += [((place + rng.random()) / len(plans), pack) for place, pack in enumerate(plans)]
    placed.sort(key=lambda pair: pair[0])
    return [pack for _, pack in placed]


def dialogue_sizes(
    data: Dataset, window: HistoryWindow, count_tokens: Callable[[str], int]
) -> list[int]:
    """About how many tokens each dialogue takes in a pack, the generator's questions included."""
    asked = QUESTION_TOKENS
    if data.several:
        words = (count_tokens(f" {label.name}?") for label in data.label_set)
        asked = STEM_TOKENS + sum(words)
    return [_dialogue_tokens(dialogue, window, count_tokens, asked) for dialogue in data]


def _dialogue_tokens(
    dialogue: Dialogue, window: HistoryWindow, count_tokens: Callable[[str], int], asked: int
) -> int:
    """A window that jumps shows the turns that it keeps anew."""
    lines = [count_tokens(one_line(turn.text)) + LINE_TOKENS for turn in dialogue]
    starts = window.starts(lines)
    jumps = [place for place in range(1, len(starts)) if starts[place] != starts[place - 1]]
    again = sum(sum(lines[starts[place] : place]) for place in jumps)
    return sum(lines) + again + asked * len(lines)


def _epoch(
    number: int,
    source: Source,
    sizes: Sequence[int],
    draws: LabelDraw,
    pack_tokens: int,
    rng: random.Random,
    share: float,
) -> list[PackPlan]:
    """One pass over a source, or a share of one, in packs."""
    order = [
        place
        for place, dialogue in enumerate(source.data)
        if any(is_labelled(source.data, turn) for turn in dialogue)  # else its pack were empty
    ]
    rng.shuffle(order)
    queue = deque(order[: max(1, round(share * len(order)))])
    golds = [dialogue.utterances[0].gold for dialogue in source.data]
    plans = []
    by_labels = draws.subset and source.lines and not source.data.several
    while queue:
        allowed = draws.needed(source.data.label_set, rng) if by_labels else ()
        fitting = {index for index in queue if golds[index] in allowed} if allowed else None
        if fitting is not None and len(fitting) < FEWEST:  # hardly any of these labels are left
            allowed, fitting = (), None
        chosen = _fill(queue, sizes, pack_tokens, fitting)
        plans.append(PackPlan(number, tuple(chosen), allowed, rng.getrandbits(32)))
    return plans


def _fill(
    queue: deque[int], sizes: Sequence[int], room: int, fitting: Collection[int] | None
) -> list[int]:
    """Take dialogues that fit (``None``: all do) from the queue until the pack is full."""
    room -= HEAD_TOKENS
    chosen: list[int] = []
    passed: list[int] = []
    while queue and (room > 0 or not chosen):
        index = queue[0]
        if fitting is not None and index not in fitting:
            passed.append(queue.popleft())
            continue
        if chosen and sizes[index] > room:
            break
        chosen.append(queue.popleft())
        room -= sizes[index]
    queue.extendleft(reversed(passed))
    return chosen


def folds(parts: Sequence[Dataset], count: int, seed: int) -> list[list[tuple[Dataset, Dataset]]]:
    """Pairs of (rest, held out) of each part, a pair a fold.

    They are cut by what resampling draws, and for all parts of a data set together: a dialogue
    that is held out in one of them is in the rest of none. Nor is one that shares text with what
    is held out of a part of other texts.

    Raises:
        ConfigError: A part has too few dialogues, or none that other parts do not have too.
    """
    fold: dict[tuple[str, str], int] = {}
    for data in sorted(parts, key=lambda part: len(part.groups)):  # few are dealt evenly first
        order = [(data.name, group) for group in data.groups]
        random.Random(seed).shuffle(order)
        sizes = Counter(fold[group] for group in order if group in fold)
        for group in order:
            if group not in fold:
                fold[group] = min(range(count), key=lambda number: sizes[number])
                sizes[fold[group]] += 1
    cuts = [[_cut(data, fold, number, count) for number in range(count)] for data in parts]
    held = [[pairs[number][1] for pairs in cuts] for number in range(count)]
    return [
        [(_new_to(rest, held[number]), inside) for number, (rest, inside) in enumerate(pairs)]
        for pairs in cuts
    ]


def _new_to(rest: Dataset, held: Sequence[Dataset]) -> Dataset:
    """What shares no text with what is held out of parts of other texts.

    Raises:
        ConfigError: Nothing does.
    """
    others = [Part(one.title, one.dialogues) for one in held if _texts(one) != _texts(rest)]
    if not others:
        return rest
    found = overlap(Part(rest.title, rest.dialogues), others)
    if len(found.drop) == len(rest):
        raise ConfigError(
            f"All of {rest.title} shares text with other parts of 'train', so no fold model of the "
            "discriminator could learn from it.",
            hint="Leave one of these parts out, or 'discriminator'.",
        )
    return rest.without(found.drop)


def _texts(data: Dataset) -> tuple[object, ...]:
    """What tells whether two parts are of the same texts: their dialogues are held out together."""
    own = data.variant if data.name == CUSTOM else ""
    return data.name, data.split, own, tuple(sorted(data.switches.items()))


def _cut(
    data: Dataset, fold: Mapping[tuple[str, str], int], number: int, count: int
) -> tuple[Dataset, Dataset]:
    inside = tuple(d for d in data if fold[data.name, d.cluster] == number)
    outside = tuple(d for d in data if fold[data.name, d.cluster] != number)
    if not inside or not outside:
        raise ConfigError(
            f"{data.title} has {len(data.groups)} {data.group_kind}(s), too few for {count} folds."
        )
    return replace(data, dialogues=outside), replace(data, dialogues=inside)
