"""The parts of the benchmark, each of which may be left out.

Contract: a part adds what it measured to the results. Engines are measured in processes of their
own; runs that are compared take turns, so that what slows the machine slows both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import results as names
from benchmarks.agreement import compare
from benchmarks.children import EngineProcess, neighbours
from benchmarks.contenders import Answers, Questions, decision_pipeline, generate, unshared
from benchmarks.llama_cpp import ask_server
from benchmarks.material import Material, of_length, write
from benchmarks.results import Results
from benchmarks.timing import Timing, Watch

ENOUGH = 60.0
"""Seconds after which runs are not repeated, so that all of it stays bounded."""
LENGTHS = (5, 10, 20, 40, 80)
LENGTH_TURNS = 240
WARM_UP = 4
"""Dialogues that an engine answers before anything is measured."""
NICE = (19, 0)
CONTENDED_REPEATS = 2
CONTENDED_REFERENCE = 5
"""One dialogue in so many is asked of the reference beside neighbours: it takes that long."""
NEGOTIATED = 3
"""One dialogue in so many is negotiated to compare answers."""


class Part(StrEnum):
    """What can be measured."""

    QUIET = "quiet"
    NEGOTIATION = "negotiation"
    THREADS = "threads"
    REFERENCE = "reference"
    CONTENTION = "contention"
    AGREEMENT = "agreement"
    GROWTH = "growth"
    PEERS = "peers"


@dataclass(slots=True)
class Bench:
    """What all parts share.

    Attributes:
        console: Where progress is told.
        material: What is asked.
        folder: For files, gone when the benchmark ends.
        loading: How engines are loaded.
        threads: How many threads there are.
        source: The reference's package; ``None`` where it is not to be had.
        repeats: Most runs of what is short; the fastest counts.
        limit: Seconds that a peer may take.
        results: What was found.
    """

    console: Console
    material: Material
    folder: Path
    loading: dict[str, Any]
    threads: int
    source: Path | None
    repeats: int
    limit: float
    results: Results = field(default_factory=Results)

    @property
    def dialogues(self) -> Path:
        """The file of all dialogues."""
        path = self.folder / "dialogues.json"
        return path if path.exists() else write(self.material.dialogues, path)

    @contextmanager
    def engine(
        self, *, reference: bool = False, workers: int | None = None, threads: int | None = None
    ) -> Iterator[EngineProcess]:
        """An engine that has warmed up."""
        loading = {**self.loading, "workers": workers, "threads": threads}
        with EngineProcess(loading, self.source if reference else None) as engine:
            engine.run("warm-up", self.dialogues, first=WARM_UP)
            yield engine

    def repeated(self, times: int) -> Iterator[int]:
        """So many repeats, but no further ones once they have taken too long."""
        start = time.monotonic()
        for number in range(times):
            if number and time.monotonic() - start > ENOUGH:
                return
            yield number

    def tell(self, timing: Timing) -> None:
        """Say what a run gave."""
        self.console.print(
            f"  {timing.name}: {timing.rate:.1f} utterances/s with {timing.cpu_share:.0%} of the "
            f"processors; others took {timing.others:.0%}",
            style="dim",
            soft_wrap=True,
        )


def quiet(bench: Bench, engine: EngineProcess, reference: EngineProcess | None) -> None:
    """The default way and, in turn with it, dialogues computed together and the reference."""
    for _ in bench.repeated(bench.repeats):
        bench.tell(bench.results.add(engine.run(names.SINGLE, bench.dialogues)))
        together = engine.run(names.TOGETHER, bench.dialogues, reproducible=False)
        bench.tell(bench.results.add(together))
        if reference is not None:
            bench.tell(bench.results.add(reference.run(names.REFERENCE, bench.dialogues)))


def negotiation(bench: Bench, engine: EngineProcess) -> None:
    """Negotiation to the round limit, and as it ends by itself.

    Dialogues are computed together, as the reference does; to the limit also each alone.
    """
    for _ in bench.repeated(max(1, bench.repeats - 1)):
        for name, task in ((names.FORCED, "forced"), (names.NATURAL, "natural")):
            found = engine.run(name, bench.dialogues, task=task, reproducible=False)
            bench.tell(bench.results.add(found))
        alone = engine.run(names.FORCED_ALONE, bench.dialogues, task="forced")
        bench.tell(bench.results.add(alone))


def threads(bench: Bench) -> None:
    """One thread, and both ways to use all of them."""
    ways = {names.ONE_THREAD: (1, 1)}
    if bench.threads > 1:
        ways |= {names.BARRIERS: (1, bench.threads), names.WORKERS: (bench.threads, 1)}
    for name, (workers, each) in ways.items():
        with bench.engine(workers=workers, threads=each) as engine:
            for _ in bench.repeated(max(1, bench.repeats - 1)):
                bench.tell(bench.results.add(engine.run(name, bench.dialogues)))


def contention(bench: Bench, engine: EngineProcess, reference: EngineProcess | None) -> None:
    """The same work beside busy neighbours."""
    found = bench.results.contended
    for nice in NICE:
        with neighbours(nice):
            for _ in bench.repeated(CONTENDED_REPEATS):
                timing = engine.run(f"beside nice {nice}", bench.dialogues).timing
                bench.tell(timing)
                if nice not in found or timing.seconds < found[nice].seconds:
                    found[nice] = timing
    if reference is None:
        return
    some = max(1, len(bench.material.dialogues) // CONTENDED_REFERENCE)
    alone = reference.run("reference, a few dialogues", bench.dialogues, first=some).timing
    with neighbours(NICE[0]):
        name = f"reference beside nice {NICE[0]}"
        beside = reference.run(name, bench.dialogues, first=some).timing
    bench.tell(beside)
    bench.results.reference_contended = round(beside.rate / alone.rate, 3)


def agreement(bench: Bench, engine: EngineProcess, reference: EngineProcess | None) -> None:
    """Today's answers against the reference's."""
    if reference is None:
        return
    fewer = max(1, len(bench.material.dialogues) // NEGOTIATED)
    for way, alone in (("reproducible", True), ("fast", False)):
        for task, first in (("single", None), ("natural", fewer)):
            one, other = (
                process.run(
                    *(f"{way}, {task}", bench.dialogues),
                    task=task, reproducible=alone, first=first, answers=True,
                )
                for process in (reference, engine)
            )  # fmt: skip
            found = compare(one, other)
            bench.results.agreements[f"{way}, {task}"] = found
            bench.console.print(f"  {way}, {task}: {found}", style="dim", soft_wrap=True)


def growth(bench: Bench, engine: EngineProcess) -> None:
    """Milliseconds per utterance by the length of dialogues."""
    for turns in LENGTHS:
        sample = of_length(bench.material.dialogues, turns, LENGTH_TURNS)
        path = write(sample, bench.folder / f"growth-{turns}.json")
        runs = (engine.run("growth", path) for _ in bench.repeated(2))
        best = min(run.timing.seconds for run in runs)
        count = sum(map(len, sample))
        bench.results.growth[str(turns)] = 1000 * best / count


def peers(
    bench: Bench,
    engine: EngineProcess,
    model: Any,  # noqa: ANN401 - a transformers model
    folder: Path,
    questions: Questions,
) -> None:
    """What others do with the same weights and prompts."""
    limit, threads = bench.limit, bench.threads
    asked: dict[str, Callable[[], Answers | None]] = {
        names.UNSHARED: lambda: unshared(model, questions, limit),
        names.GENERATE: lambda: generate(model, questions, limit),
        names.PIPELINE: lambda: decision_pipeline(model, folder, questions, limit),
        names.LLAMA: lambda: ask_server(model, folder, questions, threads, limit),
    }
    ours = [label for label, _ in engine.run("ours", bench.dialogues, answers=True).answers]
    for name, ask in asked.items():
        with Watch() as watch:
            answers = ask()
        if answers is None:
            bench.results.left_out[name] = "not installed, or not able to be asked this"
            continue
        timing = Timing(
            *(name, answers.seconds, len(answers.labels), answers.tokens),
            cpu_share=watch.own,
            others=watch.others,
        )
        bench.tell(bench.results.add(timing))
        told = {place: label for place, label in answers.labels.items() if label is not None}
        if told:
            same = sum(questions.labels[label] == ours[place] for place, label in told.items())
            bench.results.same_labels[name] = same / len(told)
