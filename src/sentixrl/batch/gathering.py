"""From inputs to the spool: every dialogue once, whole, under an id of its own.

Contract: what cannot be read is noted and left out, if it is a row, a dialogue or a file that was
found in a folder; a file that was named and gives nothing, and a file that changes while it is
read, are refused. How many rows are lost is counted, and how many have no id or another's. The
same name of a dialogue in several tables is refused too, unless it was said what that means.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, cast

from sentixrl.batch.inputs import DigestingStream, InputFile
from sentixrl.batch.spool import Contents, Item, RefusedError, SpoolWriter
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import Columns, DialogueReader, ReadingOptions, open_dialogues
from sentixrl.formats.characters import shown
from sentixrl.formats.json_text import dialogue_of_json
from sentixrl.formats.ledger import UNREADABLE, Fault, NoDialogueError
from sentixrl.formats.objects import dialogue_object
from sentixrl.formats.on_disk import NO_ROOM, Register
from sentixrl.formats.sorting import Groups
from sentixrl.formats.source import standard_input
from sentixrl.formats.tables import MAX_DIALOGUE_BYTES

FILE = "file"
"""The key under which a turn's metadata names its file, where a dialogue is spread over several."""

SEVERAL = "several files"
"""The source of what is spread over files and cannot be put together."""
MOST_NOTES = 10
"""So many notes on how inputs are read are told; of thousands of files, nobody reads more."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was read.

    Attributes:
        contents: What the spool holds.
        inputs: Name, size, time and digest of every input, as plain data.
    """

    contents: Contents
    inputs: list[dict[str, Any]]


def gather(
    inputs: Sequence[InputFile],
    reading: ReadingOptions,
    folder: Path,
    *,
    chunk_turns: int,
    across_files: bool | None = None,
    tell: Tell = lambda _: None,
) -> Gathered:
    """Read all inputs into a spool.

    Args:
        inputs: The inputs, in order.
        reading: How they are read.
        folder: The spool's folder.
        chunk_turns: How many turns a chunk has at least.
        across_files: Whether rows of several tables that name the same dialogue belong together;
            ``None`` to refuse it where it happens.
        tell: Takes what a person should know of how inputs are read.

    Raises:
        InputError: Nothing can be read, or as the module says.
        SentixError: The disk is full or refuses.
    """
    with SpoolWriter(folder, chunk_turns) as spool, closing(_Ids()) as ids:
        gatherer = _Gatherer(spool, ids, inputs, reading, across_files, tell)
        facts = [gatherer.read(number) for number in range(len(inputs))]
        gatherer.join()
        spool.count(without_id=ids.missing, repeated=ids.repeated)
        contents = spool.finish()
    if not contents.dialogues:
        raise gatherer.first_error or InputError("The inputs hold no dialogue.")
    return Gathered(contents, facts)


class _Ids:
    """The ids of dialogues and of rows, on disk where they are many.

    Attributes:
        repeated: Rows that have the id of an earlier one.
    """

    def __init__(self) -> None:
        self.dialogues = Register()
        self._rows = Register()
        self._with = self._without = self.repeated = 0

    def note(self, dialogue: Dialogue, table: int) -> None:
        """Note the ids of a table's rows; those of other inputs need not differ."""
        for turn in dialogue:
            if turn.id is None:
                self._without += 1
                continue
            self._with += 1
            self.repeated += self._rows.add(f"{table}/{turn.id}", 0) is not None

    @property
    def missing(self) -> int:
        """Rows that have none, where others have one."""
        return self._without if self._with else 0

    def close(self) -> None:
        """Forget all of them."""
        self.dialogues.close()
        self._rows.close()


class _Gatherer:
    """Reads inputs one after another.

    Attributes:
        first_error: The first thing that could not be read.
    """

    def __init__(
        self,
        spool: SpoolWriter,
        ids: _Ids,
        inputs: Sequence[InputFile],
        reading: ReadingOptions,
        across_files: bool | None,
        tell: Tell,
    ) -> None:
        self._spool, self._ids, self._inputs = spool, ids, inputs
        self._reading = reading
        self._columns = reading.get("columns") or Columns()
        self._across, self._tell = across_files, tell
        self._scattered: Groups | None = Groups() if across_files and len(inputs) > 1 else None
        self._notes = 0
        self.first_error: InputError | None = None

    def read(self, number: int) -> dict[str, Any]:
        """Read one input; its facts."""
        one = self._inputs[number]
        if one.path is None:
            return self._read_standard_input(number)
        before = one.state()
        digest = ""
        try:
            self._read(number, None)
            digest = one.digest()
        except InputError as error:
            if not one.found or _ends_the_job(error):
                raise
            self._fault(one.name, Fault(error, 0))
            if not isinstance(error, NoDialogueError):
                self._spool.count(cut=1)
            with suppress(InputError):  # it may be a file that nobody may read
                digest = one.digest()
        if one.state() != before:
            raise InputError(
                f"{one.name} changed while it was read.",
                hint="Wait until it is whole, or name a copy of it.",
            )
        return {"name": one.name, "size": before[0], "modified": before[1], "sha256": digest}

    def _read_standard_input(self, number: int) -> dict[str, Any]:
        stream = DigestingStream(standard_input())
        self._read(number, stream)
        digest = stream.digest()
        return {
            "name": self._inputs[number].name, "size": stream.size, "modified": 0, "sha256": digest,
        }  # fmt: skip

    def _read(self, number: int, stream: DigestingStream | None) -> None:
        one = self._inputs[number]

        def tell_fault(fault: Fault) -> None:
            self._fault(one.name, fault)

        options = ReadingOptions(**{**self._reading, "keep": True, "faults": tell_fault})
        if stream is None:
            reader = open_dialogues(one.path, **options)
        else:
            reader = open_dialogues(stream=cast(BinaryIO, io.BufferedReader(stream)), **options)
        for sentence in reader.notes:
            self._notes += 1
            if self._notes <= MOST_NOTES:
                self._tell(sentence)
        begun = False
        try:
            for dialogue in reader:
                begun = True
                self._take(number, reader, dialogue)
        except InputError as error:
            if not begun or _ends_the_job(error):
                raise
            self._fault(one.name, Fault(_last(error), 0))
            self._spool.count(cut=1)
        finally:
            self._spool.count(unread=reader.ledger.skipped[UNREADABLE])

    def _take(self, number: int, reader: DialogueReader, dialogue: Dialogue) -> None:
        one = self._inputs[number]
        if self._columns.id:  # ids that nobody named may well begin anew in each dialogue
            # What is spread over several tables has its ids in all of them.
            self._ids.note(dialogue, 0 if self._across else number)
        if reader.named and self._scattered is not None:
            text = json.dumps(dialogue_object(dialogue), ensure_ascii=False)
            self._scattered.add(dialogue.id, [dialogue.id, number, len(dialogue), text])
            return
        if reader.named and self._across is None and len(self._inputs) > 1:
            before = self._ids.dialogues.add(dialogue.id, number)
            if before is not None:
                raise RefusedError(
                    f"The dialogue '{shown(dialogue.id)}' stands in {self._inputs[before].name} "
                    f"and in {one.name}.",
                    hint="Say --across-files if these are parts of one, --per-file if they are "
                    "different dialogues.",
                )
        prefix = f"{one.name}/" if len(self._inputs) > 1 else ""
        item = Item(replace(dialogue, id=prefix + dialogue.id), one.name)
        self._spool.add(item, numbered=reader.tabular)

    def join(self) -> None:
        """Put dialogues together whose rows are spread over several inputs."""
        if self._notes > MOST_NOTES:
            self._tell(f"{self._notes - MOST_NOTES:,} more notes of this kind are left out.")
        if self._scattered is None:
            return
        with closing(self._scattered) as groups:
            for id, parts in groupby(groups.members(), key=itemgetter(0)):
                self._join(str(id), parts)

    def _join(self, id: str, parts: Iterable[Sequence[str | int]]) -> None:
        """Put together one dialogue.

        Args:
            id: Its id.
            parts: Of each part its id, the input's number, how many turns it has, and its JSON.
        """
        held: list[tuple[str, Dialogue]] = []
        size = count = 0
        for _, number, turns, content in parts:
            text = str(content)
            size, count = size + len(text), count + int(turns)
            if size <= MAX_DIALOGUE_BYTES:
                source = self._inputs[int(number)].name
                held.append((source, dialogue_of_json(json.loads(text), "the spool", id)))
        try:
            if size > MAX_DIALOGUE_BYTES:
                raise InputError(
                    f"Dialogue '{shown(id)}' is larger than the {MAX_DIALOGUE_BYTES:,} bytes that "
                    "are held at once."
                )
            joined = _joined(held, self._columns.turn)
        except InputError as error:
            self._fault(SEVERAL, Fault(error, 0, id))
            self._spool.count(unread=count)
        else:
            self._spool.add(joined, numbered=True)

    def _fault(self, source: str, fault: Fault) -> None:
        self.first_error = self.first_error or fault.error
        self._spool.add_fault(source, fault)


def _ends_the_job(error: InputError) -> bool:
    """Whether a job without what could not be read would be wrong for good."""
    return isinstance(error, RefusedError) or error.code == NO_ROOM


def _last(error: InputError) -> InputError:
    """The error that ends the reading of a file, which says so."""
    hint = f"Nothing after this place was read. {error.hint or ''}".strip()
    return InputError(error.message, hint=hint, code=error.code, retryable=error.retryable)


def _joined(parts: Sequence[tuple[str, Dialogue]], turn: str | None) -> Item:
    """The dialogue that parts with their sources make, in order of a column if one is named."""
    source, first = parts[0]
    turns = [
        replace(one, metadata={FILE: source, **one.metadata})
        for source, part in parts
        for one in part
    ]
    if turn:
        turns = _in_order(turns, turn, first.id)
    return Item(replace(first, utterances=tuple(turns)), source)


def _in_order(turns: list[Utterance], column: str, id: str) -> list[Utterance]:
    """Turns of several files by their numbers."""
    seen: dict[Decimal, Utterance] = {}
    for turn in turns:
        folded = {name.casefold(): value for name, value in turn.metadata.items()}
        # The column with exactly this name goes first; one that holds the ids is no metadata.
        own = folded.get(column.casefold(), turn.id or "")
        cell = str(turn.metadata.get(column, own))
        try:
            number = Decimal(cell)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite() or number in seen:
            why = "stands in two of its rows" if number.is_finite() else "is no number"
            raise InputError(
                f"Dialogue '{shown(id)}': the turn column '{shown(column)}' holds "
                f"'{shown(cell)}', which {why}."
            )
        seen[number] = turn
    return [seen[number] for number in sorted(seen)]
