"""Worker threads that answer dialogues: whole dialogues to each, one model for all.

Contract: tasks start in the order in which they are submitted, on the next free worker, or in a
session that is running and has room; callers from any number of threads share the workers. A worker
runs whole dialogues in sessions of its own, so only the weights are shared. If a session breaks,
each of its dialogues that is not finished is computed once more by itself, so that the one that
broke it fails alone. Memory is bounded by what the workers' sessions hold and by how far a run
looks ahead, however many dialogues there are.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sentixrl.engines.protocol import Engine
from sentixrl.errors import ModelError, SentixError
from sentixrl.negotiation.turns import Job, singly, together

AHEAD = 4096
"""Most utterances that a run has submitted, including answers that the caller has not taken yet."""
PER_STEP = 128
"""Most utterances that join a shared session at one step: enough for a full pack, few enough that
answers keep coming."""
_WAKE = 0.2  # seconds between checks that a worker is still there

R = TypeVar("R", covariant=True)


class Task(Protocol[R]):
    """A dialogue to be answered."""

    alone: bool
    finished: threading.Event
    cancelled: bool

    def __len__(self) -> int: ...

    @property
    def over(self) -> bool:
        """Whether it is answered, broken or cancelled."""
        ...

    def start(self, add: Callable[[Job], None]) -> None:
        """Hand out its turns; once more, those that are not answered, if its session broke."""
        ...

    def broke(self, error: BaseException) -> None:
        """Note that the session that ran it failed."""
        ...

    def result(self) -> R:
        """Its result."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker is doing.

    Attributes:
        alive: Whether its thread runs.
        busy: Whether it holds dialogues that are not finished.
        seconds: Since its last step; a busy worker with a long one computes, or hangs.
    """

    alive: bool
    busy: bool
    seconds: float


class Scheduler:
    """The workers of one engine, shared by all callers.

    Args:
        engine: Who answers.
        workers: How many threads; default: as many as the engine makes good use of.
    """

    def __init__(self, engine: Engine, workers: int | None = None) -> None:
        self._pool = _Pool(engine, workers or engine.capabilities.workers)
        # Threads hold the pool, but only callers hold this object: once they drop it, the threads
        # end.
        self.close = weakref.finalize(self, self._pool.close)

    @property
    def workers(self) -> int:
        """How many threads answer."""
        return self._pool.workers

    @property
    def waiting(self) -> int:
        """How many dialogues no worker has begun."""
        return self._pool.waiting

    def states(self) -> tuple[WorkerState, ...]:
        """What each worker that was started is doing."""
        return self._pool.states()

    def watch(self, stepped: Callable[[int], None]) -> None:
        """Tell ``stepped`` from now on how many turns take each step of a shared session."""
        self._pool.stepped = stepped

    def submit(self, task: Task[object]) -> None:
        """Put a task into the queue and return at once; the task tells when it is over."""
        self._pool.submit([task])

    def check(self) -> None:
        """Replace workers that have died; what they held is computed once more, or fails.

        Raises:
            SentixError: The workers were closed.
        """
        self._pool.check()

    def run(self, tasks: Iterable[Task[R]]) -> Iterator[R]:
        """Results in the order of the tasks, as they become ready.

        Tasks are taken from the iterable as they are needed. If it raises, the error is raised
        after the tasks before it are answered. Closing the returned iterator drops what is not
        answered yet.

        Raises:
            SentixError: A dialogue's session broke, or the workers were closed.
        """
        source = iter(tasks)
        running: deque[Task[R]] = deque()
        held = 0
        ending: BaseException | None = None
        try:
            while True:
                while ending is None and held < AHEAD and not (running and running[0].over):
                    fresh, ending = _some(source)
                    held += sum(map(len, fresh))
                    running += fresh
                    self._pool.submit(fresh)
                if not running:
                    if ending is None or isinstance(ending, StopIteration):
                        return
                    raise ending
                self._pool.wait(running[0])
                done = running.popleft()
                held -= len(done)
                yield done.result()
        finally:
            for task in running:
                task.cancelled = True


def _some(source: Iterator[Task[R]]) -> tuple[list[Task[R]], BaseException | None]:
    """The next tasks, enough to keep a worker busy, and how their source ended if it did."""
    fresh: list[Task[R]] = []
    held = 0
    try:
        while held < PER_STEP:
            task = next(source)
            held += len(task)
            fresh.append(task)
    except Exception as error:
        return fresh, error
    return fresh, None


class _Pool:
    """Threads and the queue they draw from.

    Args:
        engine: Who answers.
        workers: How many threads.
    """

    def __init__(self, engine: Engine, workers: int) -> None:
        self.workers = workers
        self.stepped: Callable[[int], None] = lambda jobs: None
        self._engine = engine
        self._waiting: deque[Task[object]] = deque()
        self._change = threading.Condition()
        self._workers: list[tuple[threading.Thread, _Drawer]] = []
        self._process = os.getpid()
        self._closed = False

    def submit(self, tasks: Iterable[Task[object]]) -> None:
        """Put tasks into the queue."""
        with self._change:
            self._waiting += tasks
            self._keep_workers()
            self._change.notify_all()

    def wait(self, task: Task[object]) -> None:
        """Wait until a task is over.

        Raises:
            SentixError: The pool was closed.
        """
        while not task.finished.wait(_WAKE):
            self.check()

    def check(self) -> None:
        """Replace workers that have died.

        Raises:
            SentixError: The pool was closed.
        """
        with self._change:
            if self._closed:
                raise SentixError("The model was closed before all dialogues were answered.")
            self._keep_workers()

    @property
    def waiting(self) -> int:
        """How many tasks no worker has begun."""
        return len(self._waiting)

    def states(self) -> tuple[WorkerState, ...]:
        """What each worker is doing."""
        now = time.monotonic()
        return tuple(
            WorkerState(thread.is_alive(), drawer.busy, now - drawer.stepped_at)
            for thread, drawer in list(self._workers)
        )

    def close(self) -> None:
        """Let the workers finish their current step and end; waiting tasks stay unanswered."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread, _ in self._workers:
            if thread is not threading.current_thread() and self._process == os.getpid():
                thread.join()

    def _keep_workers(self) -> None:
        """Start the threads that are missing: at first, after a fork, and if one has died."""
        if self._process != os.getpid():
            self._process, self._workers = os.getpid(), []
        for thread, drawer in self._workers:
            if not thread.is_alive():
                self._give_up(drawer, _told(self._engine, RuntimeError("its thread ended")))
        self._workers = [worker for worker in self._workers if worker[0].is_alive()]
        while len(self._workers) < self.workers and not self._closed:
            drawer = _Drawer(self._next, lambda error: _told(self._engine, error))
            name = f"{self._engine.name} worker"
            thread = threading.Thread(target=self._work, args=[drawer], name=name, daemon=True)
            self._workers.append((thread, drawer))
            thread.start()

    def _work(self, drawer: _Drawer) -> None:
        """A worker's loop: one session after another, while there are tasks."""
        while self._await_task(drawer):
            try:
                drawer.begin_session()
                with self._engine.session() as session:
                    if self._engine.capabilities.batches:
                        per_step = None if drawer.alone else PER_STEP
                        together(session, drawer, per_step, self.stepped)
                    else:
                        singly(session, drawer, drawer.note_step)
            except BaseException as error:  # any error: its callers are told, the others go on
                with self._change:
                    self._give_up(drawer, _told(self._engine, error))

    def _give_up(self, drawer: _Drawer, error: BaseException) -> None:
        """Let a broken session's task fail; of several, each is tried once more by itself."""
        held = drawer.give_up()
        if len(held) == 1:
            held[0].broke(error)
            return
        for task in held:
            task.alone = True
        self._waiting.extendleft(reversed(held))
        self._change.notify_all()

    def _await_task(self, drawer: _Drawer) -> bool:
        """Wait for work; returns whether there is some, or ``False`` if the pool is closed."""
        with self._change:
            while not self._closed and not drawer.holds_jobs and not self._waiting:
                self._change.wait()
            return not self._closed

    def _next(self, alone_allowed: bool, shared_allowed: bool) -> Task[object] | None:
        """The first waiting task, if it is of an allowed kind."""
        with self._change:
            while self._waiting and self._waiting[0].over:
                self._waiting.popleft()
            if self._closed or not self._waiting:
                return None
            allowed = alone_allowed if self._waiting[0].alone else shared_allowed
            return self._waiting.popleft() if allowed else None


class _Drawer:
    """A worker's inbox: the jobs of the tasks it has begun, and then the next task.

    Args:
        draw: The next waiting task, if it is of an allowed kind (alone, shared).
        told: An error as callers are shown it.
    """

    def __init__(
        self,
        draw: Callable[[bool, bool], Task[object] | None],
        told: Callable[[BaseException], BaseException],
    ) -> None:
        self._draw, self._told = draw, told
        self.stepped_at = time.monotonic()
        self._jobs: deque[Job] = deque()
        self._tasks: list[Task[object]] = []
        self._fresh = True
        self.alone = False

    @property
    def holds_jobs(self) -> bool:
        """Whether jobs are left that the last session had no room for."""
        return bool(self._jobs)

    @property
    def busy(self) -> bool:
        """Whether it holds tasks that are not over."""
        return any(not task.over for task in list(self._tasks))

    def begin_session(self) -> None:
        """Prepare for a new session: any task may be the first in it."""
        self.note_step()
        self._tasks = [task for task in self._tasks if not task.over]
        self._fresh = not self._jobs
        if self._fresh:
            self._start_next()

    def note_step(self) -> None:
        """Note that a step begins."""
        self.stepped_at = time.monotonic()

    def peek(self) -> Job | None:
        """The next job for the current session; who runs many in step looks at every step."""
        self.note_step()
        if not self._jobs:
            self._start_next()
        return self._jobs[0] if self._jobs else None

    def pop(self) -> None:
        """Take it."""
        self._jobs.popleft()

    def give_up(self) -> list[Task[object]]:
        """Drop all jobs; returns the tasks of the current session that are not over."""
        held = [task for task in self._tasks if not task.over]
        self._tasks.clear()
        self._jobs.clear()
        return held

    def _start_next(self) -> None:
        # A dialogue that is computed alone neither joins others nor lets others join.
        task = self._draw(self._fresh, self._fresh or not self.alone)
        if task is None:
            return
        self._tasks = [*(other for other in self._tasks if not other.over), task]
        self.alone, self._fresh = task.alone, False
        try:
            task.start(self._jobs.append)
        except Exception as error:  # it fails alone; its jobs, if any, are not wanted any more
            task.broke(self._told(error))


def _told(engine: Engine, error: BaseException) -> BaseException:
    """An error that callers can be shown; our own errors are that already."""
    if isinstance(error, SentixError):
        return error
    lines = str(error).strip().splitlines() or [""]
    told = ModelError(
        f"The engine '{engine.name}' failed while it computed: "
        f"{type(error).__name__}: {lines[0][:300].rstrip('.')}.",
        hint="What was answered before is not lost. If memory ran out, use fewer --threads or a "
        "smaller --window.",
        retryable=True,
    )
    told.__cause__ = error
    return told
