"""A batch job from beginning to end: read, answer, write; and going on where it was stopped.

Contract: inputs are read once, into a spool; then chunk after chunk is answered and put into its
place. Whatever ends the process, the same call goes on, and in the end every dialogue is there
once. With ``reproducible`` options the results are those of an undisturbed job, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sentixrl import __version__
from sentixrl.batch.answering import answer_chunks, sample
from sentixrl.batch.estimate import Estimate
from sentixrl.batch.gathering import Tell, gather
from sentixrl.batch.inputs import DigestingStream, InputFile, check_place, find_inputs
from sentixrl.batch.job import Job
from sentixrl.batch.meter import Meter
from sentixrl.batch.options import BatchOptions
from sentixrl.batch.shards import check_format
from sentixrl.batch.spool import Chunk, spread
from sentixrl.classifier import Classifier
from sentixrl.context.templates import digest_of, template_languages
from sentixrl.errors import ConfigError
from sentixrl.formats.source import standard_input
from sentixrl.runs.identity import (
    Json,
    labels_identity,
    model_identity,
    session_facts,
)
from sentixrl.runs.storage import check_writable

SAMPLED_CHUNKS = 32


class Loader(Protocol):
    """What a classifier is loaded from on any machine: a ``ClassifierSpec``, or anything alike."""

    def load(self) -> Classifier:
        """Load it."""
        ...


class Workers(Protocol):
    """Who answers chunks."""

    def open(self) -> Json:
        """Load the model; its identity as plain data."""
        ...

    def answer(self, job: Job, chunks: Sequence[Chunk], meter: Meter) -> None:
        """Answer chunks and hand each to :meth:`Job.finish`."""
        ...

    def rate(self, job: Job, chunks: Sequence[Chunk]) -> Estimate:
        """Answer a few dialogues of some chunks, to see how long all will take."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """On what they compute, for the record."""
        ...

    def close(self) -> None:
        """Let go of what they hold."""
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a job.

    Attributes:
        dialogues: How many are answered or failed.
        turns: How many turns they have.
        errors: How many lines ``errors.jsonl`` has.
        failed: How many of the turns failed.
        unread: How many rows or turns could not be read, as far as they could be counted.
        notes: What a person should know of the inputs, a sentence each.
        retryable: How much of it the same call would ask again.
        tokens: How many tokens were computed.
        seconds: How long this session lasted.
        fresh: How many turns were answered in this session.
    """

    dialogues: int
    turns: int
    errors: int
    failed: int
    unread: int
    retryable: int
    tokens: int
    seconds: float
    fresh: int
    notes: tuple[str, ...] = ()


Watch = Callable[[Meter], AbstractContextManager[object]]
"""Shows a meter while a block runs."""


class BatchJob:
    """A job, made ready: its inputs are read, its model is loaded.

    A context manager; the folder is this process's own until it ends.

    Args:
        names: Files, folders, patterns, or ``-`` for standard input.
        out: The job's folder.
        workers: Who answers.
        options: How to read and write.
        tell: Takes what a person should know, a sentence each.

    Raises:
        SentixError: Something cannot be read, does not fit the folder, or cannot be written.
    """

    def __init__(
        self,
        names: Sequence[str],
        out: Path,
        workers: Workers,
        options: BatchOptions | None = None,
        *,
        tell: Tell = lambda _: None,
    ) -> None:
        self.options = options or BatchOptions()
        if self.options.chunk_turns < 1:
            raise ConfigError("A shard needs at least one turn.")
        check_place(str(out))
        check_format(self.options.form)
        inputs = find_inputs(names, out)
        check_writable(out)
        self._workers = workers
        self._tell = tell
        self.job = Job(out, self.options.form)
        try:
            self._make_ready(inputs)
        except BaseException:
            self.close()
            raise

    def _make_ready(self, inputs: Sequence[InputFile]) -> None:
        job, options = self.job, self.options
        begun = job.contents is not None
        if begun:
            job.check_inputs(inputs)
            if any(one.path is None for one in inputs):
                job.check_standard_input(DigestingStream(standard_input()).digest())
        else:
            job.prepare()
        identity = {**self._workers.open(), **options.identity(), "sentixrl": __version__}
        if begun:
            job.check(identity)
            return
        gathered = gather(
            *(inputs, options.reading, job.work),
            chunk_turns=options.chunk_turns,
            across_files=options.across_files,
            tell=self._tell,
        )
        job.begin(identity, gathered)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the inputs, a sentence each."""
        return tuple(self.job.contents.notes()) if self.job.contents else ()

    def estimate(self) -> Estimate:
        """How long the rest will take, measured on a few dialogues of it.

        Raises:
            SentixError: They cannot be answered.
        """
        chunks = self.job.open()
        if not chunks:
            return Estimate(0, 0, 0, 0.0)
        found = self._workers.rate(self.job, spread(chunks, SAMPLED_CHUNKS))
        return found.of_all(sum(chunk.turns for chunk in chunks))

    def run(self, *, command: str | None = None, watch: Watch = lambda _: nullcontext()) -> Summary:
        """Answer what is not answered.

        Args:
            command: The command line, for the record.
            watch: Shows how far it is.

        Raises:
            SentixError: The disk is full, or the model fails; what is done stays done.
        """
        job = self.job
        facts = {**session_facts(command), **self._workers.facts()}
        chunks = job.open(facts)
        for why in job.redone:
            self._tell(f"{why}: its dialogues are answered again.")
        before = job.totals().turns
        assert job.contents is not None
        found = job.contents
        meter = Meter(found.turns, before)
        try:
            if chunks:
                with watch(meter):
                    self._workers.answer(job, chunks, meter)
        finally:
            errors = job.write_errors()
        totals = job.totals()
        if not totals.retryable:
            job.forget_spool()
        return Summary(
            *(totals.dialogues, totals.turns, errors, totals.failed, found.unread),
            *(totals.retryable, totals.tokens, meter.standing.seconds, totals.turns - before),
            notes=self.notes,
        )

    def close(self) -> None:
        """Let go of the folder and the workers."""
        try:
            self._workers.close()
        finally:
            self.job.close()

    def __enter__(self) -> BatchJob:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class LocalWorkers:
    """This process: the threads of one classifier.

    Args:
        loader: What the classifier is loaded from.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._classifier: Classifier | None = None

    def open(self) -> Json:
        """Load the model; its identity as plain data."""
        return classifier_identity(self.classifier)

    @property
    def classifier(self) -> Classifier:
        """The classifier, loaded when it is first needed."""
        if self._classifier is None:
            self._classifier = self._loader.load()
        return self._classifier

    def answer(self, job: Job, chunks: Sequence[Chunk], meter: Meter) -> None:
        """Answer chunks one after another."""
        for receipt in answer_chunks(self.classifier, job.place, chunks, meter):
            job.finish(receipt)

    def rate(self, job: Job, chunks: Sequence[Chunk]) -> Estimate:
        """Answer a few dialogues of some chunks."""
        return sample(self.classifier, job.work, chunks)

    def facts(self) -> Mapping[str, Any]:
        """The machine."""
        return {"engine": dict(self.classifier.engine.machine())}

    def close(self) -> None:
        """Nothing has to be let go of."""


def classifier_identity(classifier: Classifier) -> Json:
    """What must be the same of a classifier whenever and wherever a job goes on."""
    language, labels = classifier.context.language, classifier.label_set
    languages = template_languages() if language == "auto" else (language,)
    return {
        "model": model_identity(classifier),
        "labels": labels_identity(labels),
        "templates": {name: digest_of(name) for name in languages},
        "answers": {
            "several": list(labels.names) if classifier.several else None,
            "sets": classifier.negotiation.sets is not None,
        },
        "context": asdict(classifier.context),
        "negotiation": asdict(classifier.negotiation),
    }
