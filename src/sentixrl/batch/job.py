"""A job's folder: what the job is, what it works from, and which shards are done.

Contract: ``job.json`` names the model, labels and options, and holds the digest of the list of
inputs; the job goes on only with the same. ``work/`` holds that list, the spool and the log of
finished chunks. A chunk is done once its shard is in
its place and the log says so; a shard that was cut or removed since is answered again. One process
owns the folder, and nothing it had finished is lost, however it ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from sentixrl.batch.gathering import Gathered
from sentixrl.batch.inputs import InputFile, changes
from sentixrl.batch.options import ShardFormat
from sentixrl.batch.shards import Layout
from sentixrl.batch.spool import (
    CHUNKS,
    DIALOGUES,
    FAULTS,
    Chunk,
    Contents,
    read_chunks,
    read_faults,
)
from sentixrl.errors import InputError
from sentixrl.runs.identity import Json, number_format, plain
from sentixrl.runs.record import RecordFolder, read_object
from sentixrl.runs.storage import (
    AppendLog,
    Scan,
    as_bytes,
    storage_error,
    sync_folder,
    write_lines,
)
from sentixrl.untrusted import boundary, open_file

JOB_FILE, ERRORS_FILE, WORK = "job.json", "errors.jsonl", "work"
LOG, INPUTS = "done.jsonl", "inputs.jsonl"
SCHEMA = 3
"""Version 1 did not count what is lost; version 2 held all inputs in its record, however many."""
UNFINISHED = ".part"
"""The ending of a shard that is not in its place."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a shard that was written.

    Attributes:
        chunk: The chunk's number.
        part: The name of the file beside its place.
        size: Its bytes.
        dialogues: How many dialogues were asked.
        turns: How many turns these have.
        errors: What ``errors.jsonl`` says of the dialogues and turns that failed.
        failed: How many turns that is.
        retryable: How many of them may be answered if they are asked again.
        tokens: How many tokens the model computed.
        where: Which machine answered.
    """

    chunk: int
    part: str
    size: int
    dialogues: int
    turns: int
    errors: list[Json] = field(default_factory=list)
    failed: int = 0
    retryable: int = 0
    tokens: int = 0
    where: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker on any machine needs to know of a job; can be pickled.

    Attributes:
        folder: The job's folder.
        run: The job's own name, by which a worker sees that it is the same folder.
        layout: What all shards have in common.
    """

    folder: Path
    run: str
    layout: Layout

    @property
    def work(self) -> Path:
        """The folder of the spool and of unfinished shards."""
        return self.folder / WORK


class Job:
    """A job's folder, owned by this process; a context manager.

    Args:
        path: The folder; created if it is not there.
        form: What results are written as.

    Attributes:
        path: The folder.
        contents: What the inputs hold, once they are read.
        redone: Why shards are answered again, a clause for each.

    Raises:
        ConfigError: The folder holds something else, or another process works on it.
        InputError: Its files are damaged.
        SentixError: It cannot be written to.
    """

    def __init__(self, path: Path, form: ShardFormat) -> None:
        self.path = path
        self.form = form
        self.contents: Contents | None = None
        self.redone: list[str] = []
        self._done: dict[int, Json] = {}
        self._log: AppendLog | None = None
        self._folder = RecordFolder(path, JOB_FILE, "job")
        try:
            if not self._folder.fresh:
                self._folder.go_on(_read_record(path))
                self.contents = Contents.of(self._folder.record["contents"])
        except BaseException:
            self._folder.release()
            raise

    @property
    def place(self) -> Place:
        """The job as workers see it."""
        assert self.contents is not None
        record = self._folder.record
        answers = record["identity"]["answers"]
        several = tuple(answers["several"]) if answers["several"] is not None else None
        found = self.contents
        layout = Layout(self.form, found.columns, several, answers["sets"], found.numbered)
        return Place(self.path.resolve(), record["run"], layout)

    @property
    def work(self) -> Path:
        """The folder of the spool."""
        return self.path / WORK

    def check_inputs(self, inputs: Sequence[InputFile]) -> None:
        """Refuse inputs that are not those the job began with.

        Raises:
            ConfigError: It names those that changed.
            InputError: The list of them is damaged.
        """
        if changed := changes(self._inputs(), inputs):
            raise self._folder.refusal("inputs", changed)

    def check_standard_input(self, digest: str) -> None:
        """Refuse another standard input than the job began with.

        Raises:
            ConfigError: It holds something else.
            InputError: The list of inputs is damaged.
        """
        known = (one["sha256"] for one in self._inputs() if not one["modified"])
        if digest not in known:
            raise self._folder.refusal("inputs", ["standard input holds something else"])

    def _inputs(self) -> Iterator[Json]:
        """The inputs' facts, as the job began with them."""
        path = self.work / INPUTS
        failure = boundary(f"{path} cannot be read", hint="Name a new folder.")
        with failure, open_file(path) as stream:
            digest = hashlib.sha256()
            for line in stream:
                digest.update(line)
            if digest.hexdigest() != self._folder.record["inputs"]["sha256"]:
                raise InputError(f"{path} was changed by other means.", hint="Name a new folder.")
            stream.seek(0)
            yield from map(json.loads, stream)

    def check(self, identity: Mapping[str, Any]) -> None:
        """Refuse another model, other labels or other options than the job began with.

        Raises:
            ConfigError: It names what changed.
        """
        self._folder.compare(plain(identity))

    def prepare(self) -> Path:
        """The empty folder for the spool of a new job.

        Raises:
            ConfigError: The job's folder holds other things.
        """
        self._folder.check_own([WORK])
        work = self.path / WORK
        try:
            work.mkdir(exist_ok=True)
            for name in (DIALOGUES, CHUNKS, FAULTS, LOG, INPUTS):
                (work / name).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(work, error) from None
        return work

    def begin(self, identity: Mapping[str, Any], gathered: Gathered) -> None:
        """Make the record of a new job, once its spool is whole."""
        sync_folder(self.work)
        digest = hashlib.sha256()

        def lines() -> Iterator[bytes]:
            for line in map(_json_line, gathered.inputs):
                digest.update(line)
                yield line

        count = write_lines(self.work / INPUTS, lines())
        self._folder.create(
            {
                "schema": SCHEMA,
                "identity": plain(identity),
                "inputs": {"count": count, "sha256": digest.hexdigest()},
                "contents": asdict(gathered.contents),
            },
            own=[WORK],
        )
        self.contents = gathered.contents

    def open(self, facts: Mapping[str, Any] | None = None) -> list[Chunk]:
        """Get ready to work; the chunks that are not done.

        Args:
            facts: When and by which command the job is worked on, to be noted; ``None`` to only
                look.
        """
        found = Scan(self.work / LOG)
        self._done, self.redone = {}, []
        for _, entry in found:
            self._note(entry)
        for number, entry in list(self._done.items()):
            if why := self._why_again(entry):
                self.redone.append(why)
                del self._done[number]
        if facts is None:
            return self.open_chunks()
        self._log = AppendLog(found)
        for left in self.work.glob(f"*{UNFINISHED}"):
            left.unlink(missing_ok=True)
        self._folder.begin_session({**facts, "chunks_before": len(self._done)})
        return self.open_chunks()

    def open_chunks(self) -> list[Chunk]:
        """The chunks that are not done."""
        assert self.contents is not None
        if len(self._done) == self.contents.chunks:
            return []
        if not (self.work / DIALOGUES).exists():
            damage = self.redone[0] if self.redone else f"Something is missing in {self.work}"
            raise InputError(
                f"{damage}, and the copy of the inputs was removed when the job was done.",
                hint="Run the job again in a new folder.",
            )
        return [chunk for chunk in read_chunks(self.work) if chunk.number not in self._done]

    def _why_again(self, entry: Json) -> str | None:
        shard = self.path / str(entry["shard"])
        try:
            size = shard.stat().st_size
        except OSError:
            return f"{shard} is gone"
        if size != entry["size"]:
            return f"{shard} has {size:,} bytes instead of {entry['size']:,}"
        if entry["retryable"]:
            return f"{entry['retryable']:,} answer(s) of {shard} failed for a passing reason"
        return None

    def finish(self, receipt: Receipt) -> bool:
        """Put a shard into its place.

        Returns:
            Whether it was wanted; another worker may have been faster.

        Raises:
            SentixError: The disk is full or refuses.
        """
        part = self.work / receipt.part
        if receipt.chunk in self._done:
            part.unlink(missing_ok=True)
            return False
        shard = self.path / shard_name(receipt.chunk, self.form)
        try:
            part.replace(shard)
        except OSError as error:
            raise storage_error(shard, error) from None
        sync_folder(self.path)
        entry = {**asdict(receipt), "shard": shard.name}
        del entry["part"]
        assert self._log is not None
        self._log.append(entry)
        self._note(entry)
        return True

    def _note(self, entry: Json) -> None:
        """Remember a line of the log, all but its errors, which may be many."""
        self._done[int(entry["chunk"])] = {**entry, "errors": None}

    def totals(self) -> Receipt:
        """All that is done, as one."""
        entries = list(self._done.values())
        return Receipt(
            chunk=len(entries),
            part="",
            size=sum(entry["size"] for entry in entries),
            dialogues=sum(entry["dialogues"] for entry in entries),
            turns=sum(entry["turns"] for entry in entries),
            failed=sum(entry.get("failed", 0) for entry in entries),
            retryable=sum(entry["retryable"] for entry in entries),
            tokens=sum(entry["tokens"] for entry in entries),
        )

    def write_errors(self) -> int:
        """Write what failed so far into ``errors.jsonl``; how much that is."""
        count = write_lines(self.path / ERRORS_FILE, map(_json_line, self._errors()))
        if not count:
            with contextlib.suppress(OSError):
                (self.path / ERRORS_FILE).unlink(missing_ok=True)
        return count

    def _errors(self) -> Iterator[Json]:
        yield from read_faults(self.work)
        log = self.work / LOG
        if not log.exists():
            return
        with log.open("rb") as lines:
            places: dict[int, int] = {}
            while True:
                place = lines.tell()
                if not (line := lines.readline()):
                    break
                chunk = int(json.loads(line)["chunk"])
                if chunk in self._done:
                    places[chunk] = place  # a chunk that was answered again stands twice
            for _, place in sorted(places.items()):
                lines.seek(place)
                yield from json.loads(lines.readline())["errors"]

    def forget_spool(self) -> None:
        """Remove the copy of the inputs, once nothing is left to be asked."""
        with contextlib.suppress(OSError):
            (self.work / DIALOGUES).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the log and let others work on the job."""
        try:
            if self._log is not None:
                self._log.close()
        finally:
            self._folder.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def shard_name(chunk: int, form: ShardFormat) -> str:
    """What the shard of a chunk is called."""
    return f"part-{chunk:06}.{form.value}"


def run_of(folder: Path) -> str:
    """The name of the job that a folder holds.

    Raises:
        InputError: There is none.
    """
    return str(_read_record(folder)["run"])


def number_format_of(folder: Path) -> str | None:
    """What a folder's job computes in; ``None`` where there is no job, or that is not known.

    Raises:
        InputError: The job's record is damaged.
    """
    if not (folder / JOB_FILE).exists():
        return None
    return number_format(_read_record(folder)["identity"])


def _read_record(folder: Path) -> Json:
    path = folder / JOB_FILE
    record = read_object(path, f"{folder} is not a job's folder: it has no {JOB_FILE}.")
    kinds = {"run": str, "identity": dict, "inputs": dict, "contents": dict, "sessions": list}
    whole = all(isinstance(record.get(key), kind) for key, kind in kinds.items())
    if record.get("schema") != SCHEMA or not whole:
        raise InputError(
            f"{path} is not the record of a job with 'schema': {SCHEMA}.",
            hint="It was written by another version of sentixrl, or changed by other means. Name "
            "a new folder.",
        )
    return record


def _json_line(entry: Json) -> bytes:
    return as_bytes(json.dumps(entry, ensure_ascii=False) + "\n")
