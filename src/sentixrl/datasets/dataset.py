"""A loaded split: dialogues with gold labels, and a full account of how they were read.

Contract: immutable. The object itself records what was mended, left out or unexpected.
``data_hash`` changes exactly when a text, a speaker, a label, the order or a dialogue's bounds do.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.labels import LabelSet

Switch = str | bool
"""The value of a loader's switch."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One kind of thing that was mended while reading.

    Attributes:
        what: What was done.
        where: The file, relative to the data set's folder.
        count: How many utterances (or dialogues, where ``what`` says so) it touched.
    """

    what: str
    where: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({self.count:,})"


@dataclass(frozen=True)
class Dataset:
    """One split of a data set, read for one task.

    Attributes:
        name: The registry's name of the data set.
        split: ``train``, ``dev``, ``test`` or a name of the data set's own.
        task: Which annotation the gold labels come from.
        label_set: The closed set of labels.
        dialogues: The dialogues in the source's order, turns in order. ``gold`` (``golds`` where
            there may be several labels) is ``None`` only for turns that serve as context.
        group_kind: What ``Dialogue.group`` is: ``dialogue``, ``show``, ``video``, ``episode`` …
        variant: The layout, version or language that was read, if there are several.
        switches: The loader's switches as they were set.
        repairs: What was mended.
        warnings: What is not as expected, one sentence each (counts that differ, …).
        left_out: Reason → how many rows of the source are not in ``dialogues``.
        rows: How many labelled rows the source has.
        source_labels: Label → how often it occurs in the source, left-out rows included.
    """

    name: str
    split: str
    task: str
    label_set: LabelSet
    dialogues: tuple[Dialogue, ...]
    group_kind: str = "dialogue"
    variant: str = ""
    switches: Mapping[str, Switch] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    source_labels: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.dialogues)

    def __iter__(self) -> Iterator[Dialogue]:
        return iter(self.dialogues)

    @property
    def title(self) -> str:
        """Its name in messages, for example ``emorynlp/dev (full)``."""
        return titled(self.name, self.split, self.variant)

    @property
    def utterances(self) -> Iterator[Utterance]:
        """All turns, context included, in order."""
        return (turn for dialogue in self.dialogues for turn in dialogue)

    @cached_property
    def label_counts(self) -> Mapping[str, int]:
        """Label → how many utterances carry it, in the label set's order, zeros included."""
        found = Counter(name for turn in self.utterances for name in labels_of(turn))
        return {name: found[name] for name in self.label_set.names}

    @property
    def labelled(self) -> int:
        """How many utterances have a gold label, or a list of them that may be empty."""
        return sum(turn.gold is not None or turn.golds is not None for turn in self.utterances)

    @cached_property
    def several(self) -> bool:
        """Whether it holds all labels of each utterance, which may be none or several."""
        return any(turn.golds is not None for turn in self.utterances)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The distinct units that resampling draws, in order of first appearance."""
        return tuple(dict.fromkeys(dialogue.cluster for dialogue in self.dialogues))

    @cached_property
    def data_hash(self) -> str:
        """A short hash of speakers, texts, labels, their order and the dialogues' bounds."""
        digest = hashlib.sha256()
        for dialogue in self.dialogues:
            turns = [[turn.speaker, turn.text, _labels(turn)] for turn in dialogue]
            digest.update(json.dumps(turns, ensure_ascii=False).encode("utf-8", "surrogatepass"))
            digest.update(b"\n")
        return digest.hexdigest()[:16]

    def without(self, ids: Collection[str]) -> Dataset:
        """The same split without some dialogues, for example those that ``overlap`` names.

        Raises:
            InputError: An id is not there, or nothing would remain.
        """
        unwanted = set(ids)
        if unknown := unwanted - {dialogue.id for dialogue in self.dialogues}:
            raise InputError(
                f"{len(unknown):,} of the {len(unwanted):,} dialogues to drop are not in "
                f"{self.title}, for example '{min(unknown)}'.",
                hint="Make the list with 'sentixrl datasets overlap' from this very split.",
            )
        kept = tuple(dialogue for dialogue in self.dialogues if dialogue.id not in unwanted)
        if not kept:
            raise InputError(f"Nothing of {self.title} would remain.")
        gone = sum(len(dialogue) for dialogue in self.dialogues if dialogue.id in unwanted)
        left_out = {**self.left_out, "in a dropped dialogue": gone} if gone else self.left_out
        return replace(self, dialogues=kept, left_out=left_out)


def titled(name: str, split: str, variant: str) -> str:
    """A split's name in tables and messages."""
    return f"{name}/{split} ({variant})" if variant else f"{name}/{split}"


def labels_of(utterance: Utterance) -> tuple[str, ...]:
    """All gold labels of an utterance; it has several only if read with ``single_label=False``."""
    if utterance.golds is not None:
        return utterance.golds
    return () if utterance.gold is None else (utterance.gold,)


def _labels(utterance: Utterance) -> str | list[str] | None:
    """What stands for an utterance's labels in a hash."""
    return utterance.gold or list(utterance.golds or ()) or None
