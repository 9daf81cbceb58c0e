"""``sentixrl batch``: files by the million, in a job that goes on where it was stopped."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID
from rich.text import Text

from sentixrl.batch.options import CHUNK_TURNS, BatchOptions, ShardFormat
from sentixrl.cli.arguments import SeveralOption
from sentixrl.cli.console import answers, errors, note, styled
from sentixrl.cli.exits import EXIT_INTERRUPTED, EXIT_ITEM_ERRORS
from sentixrl.cli.groups import OptionGroup, with_groups
from sentixrl.cli.inputs import InputOptions
from sentixrl.cli.options import ModelOptions, say_notes, say_sent, say_spent, spent
from sentixrl.cli.progress import Description, waiting
from sentixrl.engines.remote.address import is_remote, parse_address
from sentixrl.errors import ConfigError
from sentixrl.formats.characters import as_text
from sentixrl.named_models import bundle_of

if TYPE_CHECKING:
    from sentixrl.batch import Estimate, Meter, Standing, Summary
    from sentixrl.batch.running import Workers
    from sentixrl.spec import ClassifierSpec

LINE_SECONDS = 60.0
"""Seconds between two lines of progress where there is no terminal."""
_REFRESH = 0.5


@dataclass(frozen=True)
class JobOptions(OptionGroup):
    """How a job reads and writes, beyond how each input is read."""

    to: Annotated[ShardFormat, typer.Option(help="What results are written as.")] = (
        ShardFormat.JSONL
    )
    chunk: Annotated[
        int, typer.Option(min=1, help="Turns that a file of results has at least.")
    ] = CHUNK_TURNS
    across_files: Annotated[
        bool | None,
        typer.Option(
            "--across-files/--per-file",
            help="Whether tables that name the same dialogue hold parts of one.",
        ),
    ] = None

    def plan(self, inputs: InputOptions) -> BatchOptions:
        """All options of the job."""
        return BatchOptions(inputs.reading(), self.to, self.chunk, self.across_files)


@with_groups
def batch(
    context: typer.Context,
    *,
    files: Annotated[
        list[str],
        typer.Argument(help="Files, folders, patterns such as 'chats/*.txt', '-'."),
    ],
    out: Annotated[Path, typer.Argument(help="The job's folder, for results and for going on.")],
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", help="A scheme, a YAML file, or names with commas."),
    ] = None,
    several: SeveralOption = None,
    job_options: JobOptions,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Tell how long it will take, and stop there.")
    ] = False,
    price: Annotated[
        float | None,
        typer.Option(min=0, help="What an hour of the machines costs, to tell what all will."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="A Ray cluster's address, 'auto', or 'local' to start Ray here."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers on the cluster; default: as many as fit.")
    ] = None,
    inputs: InputOptions,
    options: ModelOptions,
) -> int:
    """Classify files by the million; the same command goes on where it was stopped."""
    from sentixrl.batch import BatchJob, LocalWorkers

    spec = options.spec(labels, several=several)
    if (begun_in := _begun_in(spec, out)) is not None:
        spec = replace(spec, engine=replace(spec.engine, dtype=begun_in))
    team = _workers(spec, ray, workers, options)
    command = as_text(shlex.join(["sentixrl", *(context.obj or [])]))
    plan = job_options.plan(inputs)
    screen = errors()
    here = team if isinstance(team, LocalWorkers) else None
    if here is None:  # no model is loaded here that would tell
        say_sent(hosts_named(spec))
    asked: Callable[[], str] = str if here is None else lambda: spent(here.classifier)
    try:
        with waiting("reading"):
            made = BatchJob(files, out, team, plan, tell=lambda said: screen.print(note(said)))
        with made as job:
            if begun_in is not None:
                errors().print(note(f"goes on in {begun_in}, the number format it began in."))
            if here is not None:
                say_notes(here.classifier, context)
            if estimate:
                _show_estimate(job.estimate(), price)
                for sentence in job.notes:
                    errors().print(note(sentence))
                return 0
            watch = partial(_shown, price=price, asked=asked)
            summary = job.run(command=command, watch=watch)
    except KeyboardInterrupt:
        return _stopped(command)
    _show_summary(summary, out)
    if here is not None:
        say_spent(here.classifier)
    return EXIT_ITEM_ERRORS if summary.errors else 0


def _begun_in(spec: ClassifierSpec, out: Path) -> str | None:
    """The number format of the job that goes on; a new start might measure another."""
    from sentixrl.batch.job import number_format_of

    found = number_format_of(out) if spec.engine.dtype is None else None
    # A new job has none, and need not open the model's bundle for it.
    return None if found is None or is_remote(spec.bundle().base or "") else found


def _stopped(command: str) -> int:
    """Tell how to go on; gives the exit code."""
    errors().print("Stopped. What is done is kept; to go on, run the same command again:")
    errors().print(f"  {command}")
    return EXIT_INTERRUPTED


def _workers(
    spec: ClassifierSpec, ray: str | None, workers: int | None, options: ModelOptions
) -> Workers:
    from sentixrl.batch import LocalWorkers, RayWorkers

    if ray is None:
        if workers is not None:
            raise ConfigError(
                "--workers is for a cluster, and none is named.",
                hint="Say --ray local, or use --threads in one process.",
            )
        return LocalWorkers(spec)
    threads = options.threads or 1
    gpu = (options.device or "").startswith("cuda")
    return RayWorkers(spec, ray, workers, threads=threads, gpus=int(gpu))


def hosts_named(spec: ClassifierSpec) -> list[str]:
    """Where a specification's models are that are on servers."""
    judge = None if spec.negotiation is None else spec.negotiation.discriminator
    bases = (spec.bundle().base, None if judge is None else bundle_of(judge).base)
    found = (parse_address(base).host for base in bases if base is not None and is_remote(base))
    return list(dict.fromkeys(found))


@contextmanager
def _shown(meter: Meter, price: float | None, asked: Callable[[], str]) -> Iterator[None]:
    """Show a meter while a block runs: as a bar on a terminal, else as a line now and then.

    Args:
        meter: What is shown.
        price: What an hour of the machines costs.
        asked: What was asked of servers so far, in a few words.
    """
    screen = errors()
    over = Event()

    def line() -> Text:
        return styled(standing_line(meter.standing, price, asked()))

    if screen.is_terminal:
        bar = Progress(BarColumn(), Description(), console=screen, transient=True)
        show = Thread(target=_draw, args=(bar, bar.add_task("", total=1.0), meter, line, over))
    else:
        bar = None

        def tell() -> None:
            while not over.wait(LINE_SECONDS):
                screen.print(line())

        show = Thread(target=tell)
    show.daemon = True
    show.start()
    try:
        yield
    finally:
        over.set()
        show.join()


def _draw(bar: Progress, task: TaskID, meter: Meter, line: Callable[[], Text], over: Event) -> None:
    with bar:
        while not over.wait(_REFRESH):
            standing = meter.standing
            done = standing.done / max(1, standing.total)
            bar.update(task, completed=done, description=line().plain)


def standing_line(standing: Standing, price: float | None, asked: str = "") -> str:
    """How a job stands, in one line."""
    parts = [f"{standing.done:,} of {standing.total:,} turns", f"{standing.rate:,.1f}/s"]
    if (left := standing.remaining) is not None:
        parts.append(f"{duration(left)} left")
    if standing.errors:
        parts.append(f"{standing.errors:,} errors")
    if standing.workers != 1:
        parts.append(f"{standing.workers} workers")
    if price is not None:
        parts.append(f"cost {money(price * standing.seconds / 3600)}")
    if asked:
        parts.append(asked)
    if standing.note:
        parts.append(standing.note)
    return " · ".join(parts)


def money(amount: float) -> str:
    """An amount with two decimals, and more where it takes these for two digits."""
    decimals = 2 if amount <= 0 else max(2, 1 - math.floor(math.log10(amount)))
    return f"{amount:,.{decimals}f}"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{timedelta(seconds=seconds).days:,} days"


def _show_estimate(found: Estimate, price: float | None) -> None:
    console = answers()
    if not found.turns:
        console.print("All is answered already.")
        return
    side_by_side = f" on {found.workers} workers" if found.workers > 1 else ""
    console.print(
        f"{found.turns:,} turns at {found.rate:,.1f}/s{side_by_side} take about "
        f"{duration(found.whole_seconds)} and {found.whole_tokens:,} tokens; measured on "
        f"{found.sample:,} turns.",
        soft_wrap=True,
    )
    if price is not None:
        cost = price * found.whole_seconds / 3600
        console.print(f"At {price:g} an hour that is {money(cost)}.")
    ready = time.localtime(time.time() + found.whole_seconds)
    console.print(f"Begun now, it is done on {time.strftime('%Y-%m-%d at %H:%M', ready)}.")


def _show_summary(summary: Summary, out: Path) -> None:
    from sentixrl.batch.job import ERRORS_FILE

    console = answers()
    rate = summary.fresh / summary.seconds if summary.fresh and summary.seconds else 0.0
    took = f"; {summary.fresh:,} turns now, {rate:,.1f}/s" if summary.fresh else ""
    console.print(
        f"{summary.dialogues:,} dialogues, {summary.turns:,} turns{took}.", soft_wrap=True
    )
    lost, whole = summary.failed + summary.unread, summary.turns + summary.unread
    if summary.errors:
        said = f"{whole - lost:,} of {whole:,} turns are answered, in"
        again = "; the same command asks those again that may succeed" if summary.retryable else ""
        told = f"{lost:,} could not be read or answered" if lost else "not every file could be read"
        found = [f"{told}: {out / ERRORS_FILE}{again}."]
    else:
        said, found = "All of it is in", []
    console.print(f"{said} {as_text(str(out))}.", soft_wrap=True)
    for sentence in (*found, *summary.notes):
        errors().print(note(sentence))
