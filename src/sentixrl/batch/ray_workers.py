"""Workers on a Ray cluster: actors that load the model once, pull chunks and write shards.

Contract: the driver hands out chunks, puts shards into place and keeps the log; actors do the rest.
An actor or a node that dies, and one that takes too long, cost their open chunks only, which others
get. Only Ray's core is used: by default its data library ends a whole pipeline at one row's error.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sentixrl import __version__
from sentixrl.batch.answerer import Answerer, Introduction
from sentixrl.batch.answering import failed_chunk
from sentixrl.batch.board import MOST_LOSSES, Board, Patience
from sentixrl.batch.estimate import Estimate
from sentixrl.batch.job import Job, Receipt
from sentixrl.batch.meter import Meter
from sentixrl.batch.running import Loader
from sentixrl.batch.spool import Chunk
from sentixrl.bundle import canonical_base
from sentixrl.errors import ConfigError, MissingDependencyError, ModelError, SentixError
from sentixrl.formats.characters import shown
from sentixrl.runs.identity import Json, differences
from sentixrl.spec import ClassifierSpec

EXTRA = "ray"
LOCAL = "local"
"""The address that starts Ray on this machine."""
OBJECT_STORE_BYTES = 100 * 1024 * 1024
"""What Ray shares between processes here: chunks and receipts, no texts."""
LOAD_SECONDS = 900.0
"""How long no worker at all may be there."""
START_SECONDS = "120"
"""How long Ray may take to start here: on a busy machine, longer than it waits by itself."""
DIED = "worker_died"
"""The code of a worker's end that says nothing of why."""
FAILED = "worker_failed"
"""The code of a worker's failure that is our bug; it would fail again."""
_TICK = 0.5
Found = TypeVar("Found")


class _OverdueError(Exception):
    """A chunk was under way for too long."""


@dataclass(slots=True)
class _Task:
    """What an actor is doing: loading, or a chunk."""

    actor: Any
    chunk: Chunk | None = None


class RayWorkers:
    """Actors on a Ray cluster.

    Args:
        loader: What each loads its classifier from; can be pickled.
        address: The cluster's address, ``auto`` for the one this machine belongs to, or ``local``.
        workers: How many; default: as many as there is room for.
        threads: On how many cores each computes.
        gpus: How many GPUs each needs.
        patience: How long a chunk may take.

    Raises:
        MissingDependencyError: Ray is not installed.
    """

    def __init__(
        self,
        loader: Loader,
        address: str = LOCAL,
        workers: int | None = None,
        *,
        threads: int = 1,
        gpus: int = 0,
        patience: Patience | None = None,
    ) -> None:
        try:
            import ray
        except ImportError:
            raise MissingDependencyError.of("ray", EXTRA) from None
        self._ray = ray
        self._loader = _portable(loader, threads)
        self._address = address
        self._wanted = workers
        self._threads, self._gpus = threads, gpus
        self._patience = patience
        self._started_ray = False
        self._count = 0
        self._tasks: dict[Any, _Task] = {}
        self._ready: list[Any] = []
        self._expected: Json | None = None
        self._engine: dict[str, Any] = {}
        self._deaths = 0

    def open(self) -> Json:
        """Join the cluster and load the first worker's model; its identity as plain data.

        Raises:
            ConfigError: The cluster cannot be joined or has no room.
            SentixError: The model cannot be loaded there.
        """
        self._join()
        self._count = self._room()
        found = self._outliving(self._load_first)
        self._engine = found.engine
        self._expected = found.identity
        if isinstance(self._loader, ClassifierSpec):  # the format is measured on each machine
            dtype = found.identity["model"].get("dtype")
            engine = replace(self._loader.engine, dtype=dtype)
            self._loader = replace(self._loader, engine=engine)
        return found.identity

    def facts(self) -> Mapping[str, Any]:
        """The first worker's machine, and how many workers there are."""
        return {"engine": self._engine, "ray": self._ray.__version__, "workers": self._count}

    def rate(self, job: Job, chunks: Sequence[Chunk]) -> Estimate:
        """Answer a few dialogues on one worker, and count it for all."""

        def asked() -> Estimate:
            if not self._ready:
                self._load_first()
            found = self._get(self._ready[0].rate.remote(job.place, list(chunks)), "answer")
            assert isinstance(found, Estimate)
            return found

        return replace(self._outliving(asked), workers=self._count)

    def answer(self, job: Job, chunks: Sequence[Chunk], meter: Meter) -> None:
        """Hand out chunks until all are in their places.

        Raises:
            SentixError: The disk is full, a worker has another model or fails, or none stays alive.
        """
        board = Board(chunks, self._patience)
        alone_since = time.monotonic()
        while board.open:
            self._engage(board)
            self._hand_out(board, job)
            meter.working(sum(task.chunk is not None for task in self._tasks.values()))
            done, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=_TICK)
            for reference in done:
                self._settle(reference, board, job, meter)
            now = time.monotonic()
            self._give_back(board, job, meter, now)
            if self._ready or any(task.chunk for task in self._tasks.values()):
                alone_since = now
            elif now - alone_since > LOAD_SECONDS:
                raise ConfigError(
                    f"No worker was there for {LOAD_SECONDS / 60:.0f} minutes.",
                    hint="Look at 'ray status'; ask for fewer --threads or --workers.",
                    retryable=True,
                )

    def close(self) -> None:
        """End the actors; and Ray, if it was started here."""
        for actor in [*self._ready, *(task.actor for task in self._tasks.values())]:
            self._kill(actor)
        self._ready, self._tasks = [], {}
        if self._started_ray:
            self._ray.shutdown()
            self._started_ray = False

    def _join(self) -> None:
        if self._ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        os.environ.setdefault("RAY_raylet_start_wait_time_s", START_SECONDS)
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if self._address == LOCAL:
                self._ray.init(
                    include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **quiet
                )
            else:
                self._ray.init(address=self._address, **quiet)
        except Exception as error:
            said = " ".join(str(error).split())[:300].rstrip(".")
            raise ConfigError(
                f"The Ray cluster '{shown(self._address)}' cannot be joined: {said}.",
                hint="All of its machines need the same versions of Ray, Python and sentixrl as "
                "this one.",
            ) from None
        self._started_ray = True

    def _room(self) -> int:
        """How many workers there are to be."""
        there = self._ray.cluster_resources()
        fits = int(there.get("CPU", 0) // self._threads)
        if self._gpus:
            fits = min(fits, int(there.get("GPU", 0) // self._gpus))
        if fits < 1:
            raise ConfigError(
                f"No worker fits: each needs {self._threads} core(s) and {self._gpus} GPU(s), and "
                f"the cluster has {there.get('CPU', 0):.0f} and {there.get('GPU', 0):.0f}.",
                hint="Ask for fewer --threads, or for another --device.",
            )
        return fits if self._wanted is None else self._wanted

    def _new_actor(self) -> Any:  # noqa: ANN401  (Ray's)
        needs = {"num_cpus": self._threads, "num_gpus": self._gpus}
        kind = self._ray.remote(max_restarts=0, max_task_retries=0, **needs)(Answerer)
        return kind.options(scheduling_strategy="SPREAD").remote(self._loader)

    def _load_first(self) -> Introduction:
        """Load one worker's model, while there is no other.

        Raises:
            SentixError: It cannot be loaded, or the worker died.
        """
        actor = self._new_actor()
        self._ready = [actor]
        found = self._get(actor.load.remote(), "load the model")
        assert isinstance(found, Introduction)
        self._check(found)
        return found

    def _outliving(self, ask: Callable[[], Found]) -> Found:
        """What the only worker returns; one that dies is replaced, as often as a chunk is tried.

        Raises:
            SentixError: What it returned, or that the last one died, too.
        """
        for attempt in range(1, MOST_LOSSES + 1):
            try:
                return ask()
            except ModelError as error:
                if error.code != DIED or attempt == MOST_LOSSES:
                    raise
                self._kill(self._ready.pop())
        raise AssertionError("the last attempt returns or raises")

    def _get(self, reference: Any, what: str) -> object:  # noqa: ANN401  (Ray's)
        """What an actor returns.

        Raises:
            SentixError: What it returned, that it failed or that it died.
        """
        try:
            found: object = self._ray.get(reference, timeout=LOAD_SECONDS)
        except self._ray.exceptions.RayTaskError as error:
            raise _failure(what, error.cause) from error
        except self._ray.exceptions.RayError as error:
            raise _death(what, error) from None
        if isinstance(found, SentixError):
            raise found
        return found

    def _check(self, found: Introduction) -> None:
        """Refuse a worker that would answer otherwise.

        Raises:
            ConfigError: Its version or its model differs.
        """
        if found.version != __version__:
            raise ConfigError(
                f"On {found.where} there is sentixrl {found.version}, here {__version__}.",
                hint="Install the same version on all machines.",
            )
        changed = [] if self._expected is None else differences(self._expected, found.identity)
        if changed:
            raise ConfigError(
                f"The model on {found.where} is not the one on the first machine: "
                f"{'; '.join(changed[:4])}.",
                hint="Install the same model on all machines, or put it on a disk they share.",
            )

    def _engage(self, board: Board) -> None:
        """Start the actors that are missing, as far as there is work for them."""
        idle, loading = len(self._ready), self._loading
        busy = len(self._tasks) - loading
        wanted = min(self._count - busy, board.waiting)
        for _ in range(wanted - idle - loading):
            actor = self._new_actor()
            self._tasks[actor.load.remote()] = _Task(actor)

    @property
    def _loading(self) -> int:
        return sum(task.chunk is None for task in self._tasks.values())

    def _hand_out(self, board: Board, job: Job) -> None:
        while self._ready and (chunk := board.take(time.monotonic())) is not None:
            actor = self._ready.pop()
            self._tasks[actor.answer.remote(job.place, chunk)] = _Task(actor, chunk)

    def _settle(self, reference: Any, board: Board, job: Job, meter: Meter) -> None:  # noqa: ANN401
        """See what came of an actor's work."""
        task = self._tasks.pop(reference)
        try:
            found = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise _failure("answer", error.cause) from error
        except self._ray.exceptions.RayError as error:
            self._died(task, board, job, meter, error)
            return
        if isinstance(found, SentixError):
            raise found
        if isinstance(found, Introduction):
            self._check(found)
        else:
            assert isinstance(found, Receipt)
            assert task.chunk is not None
            job.finish(found)
            board.finished(task.chunk, time.monotonic())
            meter.answered(found.turns, len(found.errors))
            self._deaths = 0
        self._ready.append(task.actor)

    def _died(
        self, task: _Task, board: Board, job: Job, meter: Meter, error: BaseException
    ) -> None:
        """An actor is gone; its chunk goes to another one, or is given up."""
        self._deaths += 1
        self._kill(task.actor)
        meter.working(len(self._tasks), _death("answer", error).message)
        if task.chunk is not None and not board.lost(task.chunk):
            job.finish(failed_chunk(job.place, task.chunk, _death("answer", error)))
            meter.answered(task.chunk.turns, task.chunk.dialogues)
        if self._deaths > MOST_LOSSES * (self._count + 1):
            raise _death("answer", error)

    def _give_back(self, board: Board, job: Job, meter: Meter, now: float) -> None:
        """Take chunks that are overdue from their actors, which are ended."""
        for reference, task in list(self._tasks.items()):
            if task.chunk is not None and board.is_overdue(task.chunk, now):
                del self._tasks[reference]
                late = _OverdueError(f"chunk {task.chunk.number} was overdue")
                self._died(task, board, job, meter, late)

    def _kill(self, actor: Any) -> None:  # noqa: ANN401  (Ray's)
        try:
            self._ray.kill(actor, no_restart=True)
        except Exception:  # it is gone already, or the cluster is
            return


def _portable(loader: Loader, threads: int) -> Loader:
    """A specification that means the same in another folder, on so many cores."""
    if not isinstance(loader, ClassifierSpec):
        return loader
    adapter = loader.engine.adapter
    engine = replace(loader.engine, threads=threads, adapter=adapter and adapter.resolve())
    model = None if loader.model is None else canonical_base(loader.model)
    negotiation = loader.negotiation
    if negotiation is not None and negotiation.discriminator is not None:
        judge = canonical_base(negotiation.discriminator)
        negotiation = replace(negotiation, discriminator=judge)
    return replace(loader, model=model, negotiation=negotiation, engine=engine)


def _failure(what: str, cause: BaseException) -> ModelError:
    """What to say of a worker that lives, and in which something failed that nobody foresaw."""
    lines = str(cause).strip().splitlines() or ["it says nothing"]
    return ModelError(
        f"A worker that was to {what} failed: {type(cause).__name__}: "
        f"{shown(lines[0].rstrip('.'), 200)}.",
        hint="This should not happen: please report it. What is done is kept.",
        code=FAILED,
    )


def _death(what: str, error: BaseException) -> ModelError:
    """What to say of a worker that ended."""
    kind, said = type(error).__name__, " ".join(str(error).split())
    if kind == "OutOfMemoryError" or "running low on memory" in said:
        message, code = f"A worker that was to {what} ran out of memory", "out_of_memory"
    elif kind == "GetTimeoutError":
        minutes = LOAD_SECONDS / 60
        message = f"No worker was there within {minutes:.0f} minutes to {what}"
        code = "no_worker"
    elif isinstance(error, _OverdueError):
        message, code = f"A worker that was to {what} took too long ({said})", "overdue"
    else:
        message = f"A worker that was to {what} was killed, crashed or ran out of memory"
        code = DIED
    return ModelError(
        f"{message}.",
        hint="Fewer --workers, and a smaller --window, need less memory. What is done is kept.",
        code=code,
        retryable=True,
    )
