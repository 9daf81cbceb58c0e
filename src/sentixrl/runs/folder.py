"""A run folder: the run's identity (``run.json``) and the answers so far (``items.jsonl``).

Contract: a dialogue is in the log whole or not at all, and never twice. A run continues only under
the identity its folder was made with, and the folder has one writer at a time. Stored entries are
trusted only if they fit the data: :meth:`RunFolder.remaining` compares them. Reading needs no
lock and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError
from sentixrl.formats.characters import shown
from sentixrl.prediction import DialoguePrediction
from sentixrl.runs.entries import Entry, difference, entry_json, read_entry
from sentixrl.runs.identity import Json, plain
from sentixrl.runs.record import RecordFolder, read_object
from sentixrl.runs.storage import CHANGED, AppendLog, Scan, sync_folder, write_json

ITEMS_FILE = "items.jsonl"
RUN_FILE = "run.json"
METRICS_FILE = "metrics.json"
SCHEMA = 2
SEALED_SCHEMA = 2
"""From this schema on, every line of the log carries its digest."""


class RunFolder:
    """A run that is being written; a context manager.

    Args:
        path: The folder; created if it is not there.
        identity: What must be the same whenever the run is continued (plain data). The label names
            are under ``labels``, ``names``.

    Attributes:
        path: The folder.
        repaired: A sentence about a line that a crash had cut off, if there was one.

    Raises:
        ConfigError: The folder holds something else or a run of another identity, or another
            process is writing to it.
        InputError: Its files are damaged.
        SentixError: It cannot be written to.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._folder = RecordFolder(path, RUN_FILE, "run")
        try:
            _open_record(self._folder, plain(identity))
            found = Scan(path / ITEMS_FILE)
            self._done = _ids(found)
            self._log = AppendLog(found)
        except BaseException:
            self._folder.release()
            raise
        self._stored = set(self._done)
        self.repaired = _repair_notice(path / ITEMS_FILE, found.cut)
        sync_folder(path)

    @property
    def record(self) -> Json:
        """The content of ``run.json``."""
        return self._folder.record

    @property
    def id(self) -> str:
        """The run's own name, made with the folder."""
        return str(self.record["run"])

    @property
    def done(self) -> Sequence[str]:
        """Identifiers of the dialogues in the log, in order."""
        return tuple(self._done)

    def remaining(self, dialogues: Iterable[Dialogue]) -> list[Dialogue]:
        """The dialogues that are not in the log, in order.

        Entries found in the log are compared with the dialogues before they count as done.

        Raises:
            InputError: The log holds dialogues that are not among them, or an entry does not fit
                the dialogue it names: its turns, texts or gold labels differ.
        """
        wanted = list(dialogues)
        if stray := set(self._done) - {dialogue.id for dialogue in wanted}:
            raise InputError(
                f"{self.path / ITEMS_FILE} holds {len(stray):,} dialogue(s) that are not to be "
                f"answered, for example '{shown(min(stray))}'.",
                hint="The file was changed by other means: restore it, or name a new folder.",
            )
        if self._stored:
            self._compare({dialogue.id: dialogue for dialogue in wanted})
        return [dialogue for dialogue in wanted if dialogue.id not in self._done]

    def _compare(self, dialogues: Mapping[str, Dialogue]) -> None:
        """Compare every earlier entry with the data, once."""
        path = self.path / ITEMS_FILE
        labels = set(self.record["identity"]["labels"]["names"])
        for number, entry in _entries(Scan(path)):
            if entry.dialogue.id not in self._stored:
                continue
            if found := difference(entry, dialogues[entry.dialogue.id], labels):
                raise InputError(
                    f"{path}, line {number}: dialogue '{shown(entry.dialogue.id)}' is not what "
                    f"was to be answered: {found}.",
                    hint=CHANGED,
                )
            self._stored.discard(entry.dialogue.id)

    def append(self, dialogue: Dialogue, prediction: DialoguePrediction) -> None:
        """Put one dialogue into the log, where a crash does not undo it.

        Raises:
            InputError: It is there already. SentixError: The disk is full or refuses; nothing that
            was there is lost.
        """
        if dialogue.id in self._done:
            raise InputError(f"Dialogue '{dialogue.id}' is in {self.path} already.")
        self._log.append(entry_json(Entry(dialogue, prediction)))
        self._done[dialogue.id] = len(self._done) + 1

    def begin_session(self, facts: Mapping[str, Any]) -> None:
        """Note in ``run.json`` when, where and by which command the run was worked on."""
        self._folder.begin_session({**facts, "dialogues_before": len(self._done)})

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write ``metrics.json`` as a whole, once the log is safe."""
        self._log.sync()
        write_json(self.path / METRICS_FILE, metrics)

    def close(self) -> None:
        """Close the log and release the lock."""
        try:
            self._log.close()
        finally:
            self._folder.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _open_record(folder: RecordFolder, identity: Json) -> None:
    """Begin a run, or go on with one of the same identity."""
    if folder.fresh:
        folder.create({"schema": SCHEMA, "identity": identity})
        return
    folder.go_on(read_run(folder.path))
    if folder.record["schema"] < SEALED_SCHEMA:
        raise ConfigError(
            f"{folder.path} holds a run of an earlier version, which cannot be gone on with.",
            hint="Name a new folder.",
            code="other_run",
        )
    folder.compare(identity)


def read_run(folder: Path) -> Json:
    """The content of a folder's ``run.json``.

    Raises:
        InputError: There is none, or it is not what this version writes.
    """
    path = folder / RUN_FILE
    record = read_object(path, f"{folder} is not a run folder: it has no {RUN_FILE}.")
    kinds = {"run": str, "identity": dict, "sessions": list}
    whole = all(isinstance(record.get(key), kind) for key, kind in kinds.items())
    if record.get("schema") not in range(1, SCHEMA + 1) or not whole:
        raise InputError(
            f"{path} is not the record of a run with 'schema': {SCHEMA}.",
            hint="It was written by another version of sentixrl, or changed by other means.",
        )
    return record


def read_metrics(folder: Path) -> Json:
    """The content of a folder's ``metrics.json``.

    Raises:
        InputError: There is none: the run has not come to its end.
    """
    missing = f"{folder} has no {METRICS_FILE}: the run has not come to its end."
    return read_object(folder / METRICS_FILE, missing)


def read_entries(folder: Path) -> list[Entry]:
    """Every dialogue of a run with its gold labels, answers, log-probabilities and cost.

    Raises:
        InputError: There is no log, or it is damaged before its last line.
    """
    path = folder / ITEMS_FILE
    if not path.is_file():
        raise InputError(f"{folder} is not a run folder: it has no {ITEMS_FILE}.")
    sealed = not (folder / RUN_FILE).exists() or read_run(folder)["schema"] >= SEALED_SCHEMA
    found = Scan(path, sealed=sealed)
    _ids(found)
    return [entry for _, entry in _entries(found)]


def _entries(found: Scan) -> Iterator[tuple[int, Entry]]:
    """Line and entry of every dialogue of a log."""
    for number, payload in found:
        try:
            yield number, read_entry(payload)
        except InputError as error:
            message = f"{found.path}, line {number}: {error.message}"
            raise InputError(message, hint=error.hint) from None


def read_items(folder: Path) -> list[tuple[Dialogue, DialoguePrediction]]:
    """Every dialogue of a run, gold labels and groups included, with its answers.

    This is what :func:`sentixrl.evaluation.build_items` takes.

    Raises:
        InputError: There is no log, or it is damaged before its last line.
    """
    return [(entry.dialogue, entry.prediction) for entry in read_entries(folder)]


def _ids(found: Scan) -> dict[str, int]:
    """Dialogue → its line."""
    ids: dict[str, int] = {}
    for number, payload in found:
        id = payload.get("id")
        if not isinstance(id, str):
            raise InputError(f"{found.path}, line {number}: the line names no dialogue.")
        if id in ids:
            raise InputError(
                f"{found.path}, line {number}: dialogue '{shown(id)}' stands in line {ids[id]} "
                "already.",
                hint="The file was changed by other means; remove one of the two lines.",
            )
        ids[id] = number
    return ids


def _repair_notice(path: Path, cut: int) -> str | None:
    if not cut:
        return None
    return (
        f"The last line of {path} was cut off, as after a crash: its {cut:,} bytes are dropped, "
        "and its dialogue is done again."
    )
