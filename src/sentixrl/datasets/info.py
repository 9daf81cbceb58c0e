"""What the registry knows about a data set, and what a loader receives and returns.

Contract: plain data. A loader is a function from a :class:`Request` to a :class:`Reading`; it
raises :class:`~sentixrl.errors.InputError` for anything wrong with the files and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sentixrl.datasets.dataset import Repair, Switch
from sentixrl.dialogue import Dialogue
from sentixrl.labels import LabelSet


@dataclass(frozen=True, slots=True)
class Task:
    """One annotation of a data set.

    Attributes:
        scheme: The name of its label scheme.
        metrics: What the literature reports, the headline first: ``weighted_f1``, ``macro_f1``,
            ``accuracy``, ``micro_f1_without_neutral``.
        neutral: The label that ``micro_f1_without_neutral`` leaves out.
        about: What is annotated.
    """

    scheme: str
    metrics: tuple[str, ...] = ("weighted_f1", "macro_f1", "accuracy")
    neutral: str | None = "neutral"
    about: str = "the speaker's emotion"


@dataclass(frozen=True, slots=True)
class Count:
    """How large a split is, as published; ``None`` if not known.

    Attributes:
        utterances: Labelled utterances (rows, if the data are multi-label).
        dialogues: Dialogues, if the data are dialogues.
        groups: Units of resampling, if they are not the dialogues.
    """

    utterances: int
    dialogues: int | None = None
    groups: int | None = None


@dataclass(frozen=True, slots=True)
class Remote:
    """One file that ``fetch`` can download.

    Attributes:
        url: Its address, pinned to a commit.
        path: Where it goes, relative to the data set's folder.
        sha256: Its checksum.
        size: Its size in bytes.
    """

    url: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Request:
    """What a loader is asked for.

    Attributes:
        path: The data set's folder.
        split: One of the data set's splits.
        task: One of its tasks.
        label_set: That task's labels.
        switches: Every switch of the data set, set to an allowed value.
    """

    path: Path
    split: str
    task: str
    label_set: LabelSet
    switches: Mapping[str, Switch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a loader returns; the fields are those of :class:`~sentixrl.datasets.dataset.Dataset`.

    ``label_set`` is set only if the files have fewer labels than the task's scheme.
    """

    dialogues: tuple[Dialogue, ...]
    rows: int
    source_labels: Mapping[str, int]
    repairs: tuple[Repair, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    variant: str = ""
    label_set: LabelSet | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """A registry entry.

    Attributes:
        name: Its name on the command line.
        title: Its full name.
        languages: BCP-47 primary subtags.
        licence: What its authors state, and what they leave open.
        citation: The paper to cite.
        source: Where to get it.
        tasks: Name → task; the first is the default.
        splits: Its splits, by our names.
        group_kind: The unit that resampling draws.
        layouts: The files that are looked for, one line per layout.
        read: The loader.
        switches: Name → allowed values, the default first.
        sweep: The switch whose values are separate parts of the data (layouts, languages, …).
        expected: ``split`` or ``split/variant`` → published size.
        within: Split → the split that it is a part of.
        multi_label: Whether an utterance may have several labels in the source.
        notes: Traps, one sentence each.
        remotes: The files that ``fetch`` downloads.
        not_fetched: Why ``fetch`` does not download it, or not all of it.
    """

    name: str
    title: str
    languages: tuple[str, ...]
    licence: str
    citation: str
    source: str
    tasks: Mapping[str, Task]
    splits: tuple[str, ...]
    group_kind: str
    layouts: tuple[str, ...]
    read: Callable[[Request], Reading]
    switches: Mapping[str, tuple[Switch, ...]] = field(default_factory=dict)
    sweep: str | None = None
    expected: Mapping[str, Count] = field(default_factory=dict)
    within: Mapping[str, str] = field(default_factory=dict)
    multi_label: bool = False
    notes: tuple[str, ...] = ()
    remotes: tuple[Remote, ...] = ()
    not_fetched: str = ""

    @property
    def task(self) -> str:
        """The default task."""
        return next(iter(self.tasks))

    def share_dialogues(self, one: str, other: str) -> bool:
        """Whether two splits have dialogues in common."""
        return one == other or self.within.get(one) == other or self.within.get(other) == one

    def count(self, split: str, variant: str = "") -> Count | None:
        """The published size of a split, if known."""
        return self.expected.get(f"{split}/{variant}" if variant else split)
