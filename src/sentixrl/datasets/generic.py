"""A user's own data: a file of labelled dialogues, or a folder with one such file per split.

Contract: files are read by :mod:`sentixrl.formats`, gold labels by the label set given; an
utterance without a label is context. Where utterances may have several labels, a cell holds them
all (``joy; surprise``, or ``[]`` for none), or JSON a list; one kind is never read as the other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
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
from sentixrl.formats.columns import Columns, as_option
from sentixrl.formats.label_cells import split_labels
from sentixrl.formats.result_rows import LABELS
from sentixrl.labels import LabelSet

NAME = "custom"
"""The name in results of a data set that is not in the registry."""

ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".xlsx", ".csv.gz", ".jsonl.gz")


def load_custom(
    path: str | Path,
    label_set: LabelSet,
    split: str = "all",
    *,
    several: bool = False,
    tell: Callable[[str], None] = lambda note: None,
    **options: Unpack[ReadingOptions],
) -> Dataset:
    """Read labelled dialogues of one's own.

    Args:
        path: A file in any format we read, a ConvoKit corpus, or a folder that holds
            ``<split>.csv``, ``.tsv``, ``.jsonl``, ``.json``, ``.parquet`` or ``.xlsx``.
        label_set: What the gold labels are read as.
        split: The name of this part in results.
        several: Whether an utterance may have several of the labels, or none.
        tell: Called with each sentence that a user should know about how the file is read.
        **options: How the file is read, as :class:`~sentixrl.formats.ReadingOptions` says.

    Raises:
        InputError: The file cannot be read, holds no gold label, or one that is not in the set; or
            it has several labels a turn where one is asked for, or the reverse.
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
    reader = _open(source, several, options)
    for note in reader.notes:
        tell(note)
    read = _read_several if several else _read_label
    named = tuple(_read_labels(dialogue, label_set, source, read) for dialogue in reader)
    found = Dataset(NAME, split, "label", label_set, named, variant=as_text(source.stem))
    if not found.labelled:
        raise InputError(f"{source} holds no gold labels.", hint=_no_labels(reader))
    if several:
        _check_several(source, found)
    return replace(found, rows=found.labelled, source_labels=found.label_counts)


def _open(source: Path, several: bool, options: ReadingOptions) -> DialogueReader:
    """A file to be read; several labels stand under the header of our own results, where it is."""
    columns = options.get("columns") or Columns()
    if several and columns.label is None:
        with suppress(InputError):  # no table, or one without this column: read as it is
            named: ReadingOptions = {**options, "columns": replace(columns, label=LABELS)}
            return open_dialogues(source, **named)
    return open_dialogues(source, **options)


def _check_several(source: Path, found: Dataset) -> None:
    """Refuse data with one label a turn where several are asked for.

    Raises:
        InputError: Every turn has exactly one.
    """
    if all(turn.golds is None or len(turn.golds) == 1 for turn in found.utterances):
        raise InputError(
            f"{source} gives each of its turns exactly one label, and '{found.label_set.name}' "
            "asks for any number of them.",
            hint="Ask for one label instead (--no-several); or write several labels as "
            "'joy; surprise' and none as '[]'.",
        )


def _no_labels(reader: DialogueReader) -> str:
    """What to do about a file without labels."""
    if (guess := reader.guesses.get("label")) is not None:
        return f"The column '{shown(guess)}' looks like it: --columns {as_option('label', guess)}."
    return "A table needs a column such as 'label' or 'emotion', JSON a 'label' a turn."


Reader = Callable[[Utterance, LabelSet, str], Utterance]
"""Reads a turn's gold labels as names of the label set; the text says where it stands."""


def _read_labels(dialogue: Dialogue, label_set: LabelSet, source: Path, read: Reader) -> Dialogue:
    turns = [
        read(turn, label_set, f"{source}, dialogue '{shown(dialogue.id)}', turn {number}")
        for number, turn in enumerate(dialogue, start=1)
    ]
    return replace(dialogue, utterances=tuple(turns))


def _read_label(turn: Utterance, label_set: LabelSet, place: str) -> Utterance:
    if turn.golds is not None and (turn.gold is not None or len(turn.golds) != 1):
        raise _has_several(place, len(turn.golds), label_set)
    written = turn.golds[0] if turn.golds else turn.gold
    if written is None:
        return turn
    found = label_set.read(written)
    if found is None:
        parts = split_labels(written)
        if len(parts) != 1 and all(label_set.read(part) for part in parts):
            raise _has_several(place, len(parts), label_set)
        raise _unknown(written, label_set, place)
    return replace(turn, gold=found.name, golds=None)


def _read_several(turn: Utterance, label_set: LabelSet, place: str) -> Utterance:
    if turn.golds is None and turn.gold is None:
        return turn
    written = split_labels(turn.gold or "[]") if turn.golds is None else turn.golds
    names = [_name(text, label_set, place) for text in written]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            f"{place}: the label '{twice[0]}' stands there twice.", hint="Remove one of the two."
        )
    golds = tuple(name for name in label_set.names if name in names)
    return replace(turn, gold=golds[0] if len(golds) == 1 else None, golds=golds)


def _name(text: str, label_set: LabelSet, place: str) -> str:
    found = label_set.read(text)
    if found is None:
        raise _unknown(text, label_set, place)
    return found.name


def _unknown(text: str, label_set: LabelSet, place: str) -> InputError:
    return InputError(
        f"{place}: '{shown(text)}' is not a label of '{label_set.name}' "
        f"({shown(', '.join(label_set.names), 200)}).",
        hint="Correct it, or give a label set that has it.",
    )


def _has_several(place: str, number: int, label_set: LabelSet) -> InputError:
    return InputError(
        f"{place}: it has {number or 'a list of no'} labels, and '{label_set.name}' asks for "
        "exactly one a turn.",
        hint="Ask for several (--several, or 'multi_label: true' in a label file).",
    )
