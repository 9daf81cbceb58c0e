"""A user's own data: a file of labelled dialogues, or a folder with one such file per split.

Contract: files are read by :mod:`sentixrl.formats`, gold labels by the label set given; an
utterance without a label is context.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.files import MISSING, find
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import DialogueReader, ReadingOptions, open_dialogues
from sentixrl.formats.characters import as_text, shown
from sentixrl.formats.chats.convokit import is_corpus
from sentixrl.formats.columns import as_option
from sentixrl.labels import LabelSet

NAME = "custom"
"""The name in results of a data set that is not in the registry."""

ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".xlsx", ".csv.gz", ".jsonl.gz")


def load_custom(
    path: str | Path,
    label_set: LabelSet,
    split: str = "all",
    *,
    tell: Callable[[str], None] = lambda note: None,
    **options: Unpack[ReadingOptions],
) -> Dataset:
    """Read labelled dialogues of one's own.

    Args:
        path: A file in any format we read, a ConvoKit corpus, or a folder that holds
            ``<split>.csv``, ``.tsv``, ``.jsonl``, ``.json``, ``.parquet`` or ``.xlsx``.
        label_set: What the gold labels are read as.
        split: The name of this part in results.
        tell: Called with each sentence that a user should know about how the file is read.
        **options: How the file is read, as :class:`~sentixrl.formats.ReadingOptions` says.

    Raises:
        InputError: The file cannot be read, holds no gold label, or one that is not in the set.
    """
    source = Path(path)
    if not source.exists():
        raise InputError(
            f"There is no file or folder {source}.",
            hint="Paths are relative to where the command runs.",
            code=MISSING,
        )
    if source.is_dir() and not is_corpus(source):
        names = [split + ending for ending in ENDINGS]
        hint = "Give a file, or a folder with one file per split."
        source = find(source, names, f"split '{split}'", hint)
    reader = open_dialogues(source, **options)
    for note in reader.notes:
        tell(note)
    named = tuple(_read_labels(dialogue, label_set, source) for dialogue in reader)
    counts = Counter(turn.gold for dialogue in named for turn in dialogue)
    labelled = {name: counts[name] for name in label_set.names}
    if not any(labelled.values()):
        raise InputError(f"{source} holds no gold labels.", hint=_no_labels(reader))
    rows = sum(labelled.values())
    return Dataset(
        NAME,
        split,
        "label",
        label_set,
        named,
        variant=as_text(source.stem),
        rows=rows,
        source_labels=labelled,
    )


def _no_labels(reader: DialogueReader) -> str:
    """What to do about a file without labels."""
    if (guess := reader.guesses.get("label")) is not None:
        return f"The column '{shown(guess)}' looks like it: --columns {as_option('label', guess)}."
    return "A table needs a column such as 'label' or 'emotion', JSON a 'label' a turn."


def _read_labels(dialogue: Dialogue, label_set: LabelSet, source: Path) -> Dialogue:
    turns = [
        _read_label(turn, label_set, f"{source}, dialogue '{shown(dialogue.id)}', turn {number}")
        for number, turn in enumerate(dialogue, start=1)
    ]
    return replace(dialogue, utterances=tuple(turns))


def _read_label(turn: Utterance, label_set: LabelSet, place: str) -> Utterance:
    if turn.gold is None:
        return turn
    found = label_set.read(turn.gold)
    if found is None:
        raise InputError(
            f"{place}: '{shown(turn.gold)}' is not a label of '{label_set.name}' "
            f"({shown(', '.join(label_set.names), 200)}).",
            hint="Correct it, or give a label set that has it.",
        )
    return replace(turn, gold=found.name)
