"""The benchmark's child processes: engines that are measured, and neighbours that disturb them.

Contract: a child ends with the block that started it, whatever happens there.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

from benchmarks.timing import Timing, Watch

HERE = Path(__file__).parent
NEIGHBOURS = 2
PATIENCE = 300.0
"""Seconds after which a child that says nothing is given up."""
_GLANCE = 0.1  # seconds between two looks at a child's memory


class ChildError(RuntimeError):
    """A child ended, or said nothing for too long."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of an engine gave.

    Attributes:
        timing: What it took.
        survival: The share of utterances that were still open in each round.
        answers: For each utterance its label and its probabilities, if they were asked for.
    """

    timing: Timing
    survival: tuple[float, ...]
    answers: tuple[tuple[str | None, tuple[float, ...]], ...] = ()


class EngineProcess:
    """An engine in a process of its own.

    Args:
        loading: What :mod:`benchmarks.engine_process` takes.
        source: Folder of the package to load; default: the one that is installed.

    Attributes:
        facts: What it loaded.
    """

    def __init__(self, loading: Mapping[str, Any], source: Path | None = None) -> None:
        command = [sys.executable, "-P", str(HERE / "engine_process.py"), json.dumps(loading)]
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=None if source is None else {**os.environ, "PYTHONPATH": str(source)},
            text=True,
        )
        self.facts, _ = self._reply()
        if source is not None and not Path(self.facts["package"]).is_relative_to(source):
            self.close()
            raise ChildError(f"{self.facts['package']} was loaded instead of {source}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        _end(self._process)
        self._errors.close()

    def run(
        self,
        name: str,
        dialogues: Path,
        *,
        task: str = "single",
        reproducible: bool | None = None,
        first: int | None = None,
        answers: bool = False,
    ) -> Run:
        """Answer the dialogues of a file.

        Args:
            name: What the timing is called.
            dialogues: The file.
            task: ``single``, ``forced`` or ``natural``.
            reproducible: Whether each dialogue is computed alone; ``None`` for the default.
            first: How many of the dialogues; default: all.
            answers: Whether the answers themselves are wanted.

        Raises:
            ChildError: The process ended or hangs.
        """
        request = {
            "task": task,
            "dialogues": str(dialogues),
            "first": first,
            "reproducible": reproducible,
            "answers": answers,
        }
        assert self._process.stdin is not None
        with Watch() as watch:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            reply, resident = self._reply()
        processors = psutil.cpu_count() or 1
        timing = Timing(
            *(name, reply["seconds"], reply["utterances"], reply["tokens"], reply["pairs"]),
            cpu_share=reply["cpu_seconds"] / reply["seconds"] / processors,
            others=watch.others,
            resident_mib=resident >> 20,
        )
        found = ((label, tuple(values)) for label, values in reply.get("answers", ()))
        return Run(timing, tuple(reply["survival"]), tuple(found))

    def _reply(self) -> tuple[dict[str, Any], int]:
        """The next line, and the most memory that was held while it was awaited, in bytes."""
        process, output = psutil.Process(self._process.pid), self._process.stdout
        assert output is not None
        resident, start = process.memory_info().rss, time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not selector.select(_GLANCE):
                resident = max(resident, process.memory_info().rss)
                if time.monotonic() - start > PATIENCE:
                    self.close()
                    raise ChildError(f"an engine did not answer within {PATIENCE:.0f} seconds")
        line = output.readline()
        if not line:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines() or [""]
            self.close()
            raise ChildError(f"an engine's process ended: {said[-1][:300]}")
        reply: dict[str, Any] = json.loads(line)
        return reply, resident


@contextmanager
def neighbours(nice: int) -> Iterator[None]:
    """Two busy processes of a priority beside whatever the block does."""
    command = [sys.executable, "-P", str(HERE / "neighbour.py"), str(nice)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                ended_with(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            )
            for _ in range(NEIGHBOURS)
        ]
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "busy":
                raise ChildError("a neighbour did not start")
        yield


@contextmanager
def ended_with(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block."""
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
