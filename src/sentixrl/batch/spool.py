"""The copy of the input that a job works from: whole dialogues, cut into chunks.

Contract: written once, from front to back, and never changed; a chunk is a range of its bytes that
holds whole dialogues, and is checked by its digest when it is read. Memory does not grow with it.
Once it is whole, nothing that happens to the input matters to the job.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError, SentixError
from sentixrl.formats.json_text import dialogue_of_json
from sentixrl.formats.ledger import Fault
from sentixrl.formats.objects import dialogue_object
from sentixrl.formats.strict_json import DECODER
from sentixrl.formats.tables import ROW
from sentixrl.prediction import ItemError
from sentixrl.runs.storage import as_bytes, storage_error

DIALOGUES, CHUNKS, FAULTS = "dialogues.jsonl", "chunks.jsonl", "faults.jsonl"
MAX_COLUMNS = 1000
"""The most further columns that inputs may have together."""


class RefusedError(InputError):
    """Not to be noted and left out: whether the job is right hangs on it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A dialogue and where it comes from.

    Attributes:
        dialogue: Under an id that is unique in the job.
        source: The input's name.
    """

    dialogue: Dialogue
    source: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Dialogues that are answered and written together.

    Attributes:
        number: Its place, from 1.
        start: Where it begins, in bytes.
        size: How many bytes it has.
        dialogues: How many it holds.
        turns: How many turns these have.
        digest: The beginning of its SHA-256.
    """

    number: int
    start: int
    size: int
    dialogues: int
    turns: int
    digest: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found in all inputs.

    Attributes:
        dialogues: How many.
        turns: How many turns they have.
        chunks: How many chunks they are cut into.
        columns: The further columns of the inputs, in the order in which they came up.
        faults: How many rows, dialogues and files could not be read.
        unread: How many rows or turns these have, as far as they could be counted.
        cut: How many files could not be read, or not to their end.
        without_id: Rows of tables that have no id, where others have one.
        repeated: Rows of tables that have the id of an earlier one.
        numbered: Whether metadata named as a row's number comes from the readers of tables alone.
    """

    dialogues: int
    turns: int
    chunks: int
    columns: tuple[str, ...]
    faults: int
    unread: int = 0
    cut: int = 0
    without_id: int = 0
    repeated: int = 0
    numbered: bool = False

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Contents:
        """From plain data."""
        return cls(**{**plain, "columns": tuple(plain["columns"])})

    def notes(self) -> list[str]:
        """What a person should know of the inputs, a sentence each."""
        found = []
        if self.cut:
            files = "1 file was" if self.cut == 1 else f"{self.cut:,} files were"
            found.append(f"{files} not read to the end; how many rows that loses is not known.")
        if self.without_id:
            found.append(f"{_rows(self.without_id)} no id.")
        if self.repeated:
            found.append(f"{_rows(self.repeated)} the same id as an earlier row.")
        return found


class SpoolWriter:
    """Writes a spool; a context manager.

    Args:
        folder: An existing folder.
        chunk_turns: How many turns a chunk has at least, the last one excepted.

    Raises:
        SentixError: The disk is full or refuses.
    """

    def __init__(self, folder: Path, chunk_turns: int) -> None:
        self._folder = folder
        self._chunk_turns = chunk_turns
        self._columns: dict[str, None] = {}
        self._start = self._dialogues = self._turns = self._faults = self._number = 0
        self._size = self._held = self._held_turns = 0
        self._total = hashlib.sha256()
        self._numbered = True
        self._told = Counter[str]()
        try:
            names = (DIALOGUES, CHUNKS, FAULTS)
            self._streams = [(folder / name).open("wb") for name in names]
        except OSError as error:
            raise storage_error(folder, error) from None

    def add(self, item: Item, *, numbered: bool = False) -> None:
        """Add a dialogue.

        Args:
            item: The dialogue.
            numbered: Whether its turns are the rows of a table, numbered by its reader; what is
                called a row elsewhere may be anything.

        Raises:
            RefusedError: There are too many different columns.
        """
        columns = {name: None for turn in item.dialogue for name in turn.metadata}
        if len(self._columns.keys() | columns) > MAX_COLUMNS:
            raise RefusedError(
                f"{item.source}: the inputs have more than {MAX_COLUMNS:,} different columns.",
                hint="A table has the same columns in every row.",
            )
        self._columns.update(columns)
        for turn in item.dialogue:
            self._numbered &= numbered or ROW not in turn.metadata
        line = _line({"source": item.source, "dialogue": dialogue_object(item.dialogue)})
        self._write(0, line)
        self._total.update(line)
        self._size += len(line)
        self._held += 1
        self._held_turns += len(item.dialogue)
        if self._held_turns >= self._chunk_turns:
            self._end_chunk()

    def add_fault(self, source: str, fault: Fault) -> None:
        """Note what could not be read."""
        self._faults += 1
        entry = error_entry(source, fault.dialogue, fault.error, row=fault.row or None)
        self._write(2, _line(entry))

    def count(self, **found: int) -> None:
        """Add to what :class:`Contents` says of the inputs: ``unread``, ``cut`` and so on."""
        self._told.update(found)

    def finish(self) -> Contents:
        """All of it is there.

        Raises:
            SentixError: The disk is full or refuses.
        """
        if self._held:
            self._end_chunk()
        try:
            for stream in self._streams:
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise storage_error(self._folder, error) from None
        told = self._told
        return Contents(
            *(self._dialogues, self._turns, self._number, tuple(self._columns), self._faults),
            *(told["unread"], told["cut"], told["without_id"], told["repeated"], self._numbered),
        )

    def _end_chunk(self) -> None:
        self._number += 1
        digest = self._total.hexdigest()[:16]
        counts = self._held, self._held_turns
        chunk = Chunk(self._number, self._start, self._size, *counts, digest)
        self._write(1, _line(asdict(chunk)))
        self._start += self._size
        self._dialogues += self._held
        self._turns += self._held_turns
        self._size = self._held = self._held_turns = 0
        self._total = hashlib.sha256()

    def _write(self, which: int, line: bytes) -> None:
        try:
            self._streams[which].write(line)
        except OSError as error:
            raise storage_error(self._folder, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in self._streams:
            try:
                stream.close()
            except OSError as fault:  # what could not be written is told once
                if error is None:
                    raise storage_error(self._folder, fault) from None


def error_entry(
    source: str,
    id: str | None,
    error: SentixError | ItemError,
    *,
    row: int | None = None,
    turn: int | None = None,
) -> dict[str, Any]:
    """What ``errors.jsonl`` says of something that failed.

    Args:
        source: The input's name.
        id: The dialogue, if it is known.
        error: What was wrong.
        row: Where it stands in the input, where it could not be read.
        turn: Which turn of the dialogue could not be answered, from 0; ``None`` for all of it.
    """
    return {
        "source": source,
        "id": id,
        "row": row,
        "turn": turn,
        "code": error.code,
        "error": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }


def read_chunks(folder: Path) -> list[Chunk]:
    """The chunks of a spool.

    Raises:
        InputError: The list of them is damaged.
    """
    path = folder / CHUNKS
    try:
        with path.open("rb") as stream:
            return [Chunk(**json.loads(line)) for line in stream]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, TypeError):
        raise InputError(f"{path} was changed by other means.", hint="Name a new folder.") from None


def read_items(folder: Path, chunk: Chunk) -> list[Item]:
    """The dialogues of a chunk.

    Raises:
        InputError: They are not what was written.
    """
    path = folder / DIALOGUES
    try:
        with path.open("rb") as stream:
            stream.seek(chunk.start)
            content = stream.read(chunk.size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    if hashlib.sha256(content).hexdigest()[:16] != chunk.digest:
        raise InputError(
            f"{path} was changed or cut: chunk {chunk.number} is not what was written.",
            hint="Name a new folder.",
        )
    return list(map(_item, content.splitlines()))


def read_faults(folder: Path) -> Iterator[dict[str, Any]]:
    """What could not be read, as ``errors.jsonl`` says it."""
    with (folder / FAULTS).open("rb") as stream:
        for line in stream:
            yield json.loads(line)


def spread(chunks: Sequence[Chunk], count: int) -> list[Chunk]:
    """At most ``count`` chunks, evenly spread over all."""
    count = min(count, len(chunks))
    return [chunks[len(chunks) * place // count] for place in range(count)]


def _rows(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"


def _item(line: bytes) -> Item:
    entry = DECODER.decode(line.decode("utf-8", "surrogatepass"))
    content = entry["dialogue"]
    return Item(dialogue_of_json(content, "the spool", content["id"]), entry["source"])


def _line(content: dict[str, Any]) -> bytes:
    return as_bytes(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
