"""``sentixrl experiment``: conditions and seeds in, a table, a figure and a verdict out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentixrl.cli.console import Screen, answers, errors, new_table, note, styled
from sentixrl.cli.exits import EXIT_INTERRUPTED
from sentixrl.cli.progress import follow_all
from sentixrl.cli.train import training_reporter
from sentixrl.errors import ConfigError, MissingDependencyError
from sentixrl.formats.characters import shown

if TYPE_CHECKING:
    from sentixrl.experiments.estimate import Item
    from sentixrl.experiments.plan import Experiment
    from sentixrl.experiments.running import Setup

EXIT_LEFT_OUT = 2


def experiment(
    name: Annotated[
        str, typer.Argument(help="An experiment in the folder 'experiments', or a YAML file.")
    ],
    data: Annotated[Path, typer.Option(help="The folder with one folder per data set.")] = Path(
        "data"
    ),
    out: Annotated[
        Path,
        typer.Option(help="Where trainings and answers are kept; what is there is not repeated."),
    ] = Path("runs/experiments"),
    results: Annotated[Path, typer.Option(help="Where table, figure and verdict go.")] = Path(
        "results/experiments"
    ),
    test: Annotated[
        bool, typer.Option("--test", help="Also look at test splits; each look is logged.")
    ] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Print how long it would take, and stop.")
    ] = False,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Run it over tiny random models and a few made-up dialogues."),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Train and ask only this condition; may be given several times."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Only so many of its seeds; the table says so.")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Where looks at test are logged; default: results/ledger.jsonl."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …")] = None,
) -> int:
    """Answer a question by an experiment: train, ask, compare."""
    from sentixrl.evaluation.intervals import check_libraries

    try:
        from sentixrl.experiments.plan_file import find_experiment, read_experiment
        from sentixrl.experiments.running import Setup
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "torch", "train") from None

    check_libraries()
    wanted = read_experiment(find_experiment(name))
    wanted = wanted.model_copy(update={"seeds": wanted.seeds[:seeds]})
    chosen = _chosen(wanted, only)
    if estimate:
        return _estimate(wanted, data, out, chosen, test=test, smoke=smoke)
    notices = errors()
    book = _ledger(ledger) if test and not smoke else None
    setup = Setup(data, out, test, book, training_reporter(notices), follow_all, device, chosen)
    if smoke:
        with tempfile.TemporaryDirectory() as folder:
            return _smoke(wanted, setup, results, Path(folder), notices)
    return _run(wanted, setup, results, notices)


def _ledger(named: Path | None) -> Path | None:
    """Where looks at test splits are logged; says so.

    Raises:
        SentixError: It cannot be written.
    """
    from sentixrl.runs import check_ledger, find_ledger

    book = find_ledger(named)
    if book is not None:
        check_ledger(book)
    where = f"each look is logged in {book}" if book else "no ledger is kept here; name one"
    errors().print(note(f"{where}. Make choices on dev.", "This looks at test splits:"))
    return book


def _chosen(wanted: Experiment, only: Sequence[str] | None) -> frozenset[str] | None:
    """The conditions that may be trained and asked.

    Raises:
        ConfigError: One is not there.
    """
    for name in only or ():
        if name not in wanted.conditions:
            raise ConfigError(
                f"The experiment has no condition '{shown(name)}'.",
                hint=f"There are: {', '.join(wanted.conditions)}.",
            )
    return frozenset(only) if only else None


def _estimate(
    wanted: Experiment,
    data: Path,
    out: Path,
    only: frozenset[str] | None,
    *,
    test: bool,
    smoke: bool,
) -> int:
    from sentixrl.experiments.estimate import estimate, hours

    if smoke:
        raise ConfigError("--estimate and --smoke exclude each other.", hint="Choose one of them.")
    items = estimate(wanted, data, out, test=test, only=only)
    table = new_table()
    table.add_column(wanted.name, overflow="fold")
    table.add_column("hours", justify="right", no_wrap=True)
    for item in items:
        told = _told(item)
        table.add_row(styled(item.what), styled(told))
    table.add_row(styled(("all that can be run", "bold")), styled((f"{hours(items):.1f}", "bold")))
    answers().print(table)
    for reason in dict.fromkeys(item.missing for item in items if item.missing):
        errors().print(note(reason, "Left out:"))
    return 0


def _told(item: Item) -> str:
    if item.missing is not None:
        return "left out"
    return f"{item.seconds / 3600:.2f}" if item.seconds else "–"


def _smoke(wanted: Experiment, setup: Setup, results: Path, folder: Path, notices: Screen) -> int:
    from sentixrl.experiments.smoke import in_small

    small = in_small(wanted, folder / "data")
    there = replace(setup, data=folder / "data", out=folder / "out")
    notices.print(note("tiny random models and made-up words; the figures mean nothing.", "Smoke:"))
    return _run(small, there, results / "smoke", notices)


def _run(wanted: Experiment, setup: Setup, results: Path, notices: Screen) -> int:
    from sentixrl.experiments.figure import draw
    from sentixrl.experiments.results import markdown, results_of
    from sentixrl.experiments.running import StoppedError, run_experiment
    from sentixrl.runs import check_writable
    from sentixrl.runs.storage import write_file, write_json
    from sentixrl.training.processes import shutdown

    for folder in (setup.out, results):
        check_writable(folder)
    try:
        outcome = run_experiment(wanted, setup)
    except (StoppedError, KeyboardInterrupt):
        notices.print(f"To resume, run the same command again; all is kept in {setup.out}.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        shutdown()
    found = results_of(wanted, outcome)
    results.mkdir(parents=True, exist_ok=True)
    write_json(results / f"{wanted.name}.json", found)
    write_file(results / f"{wanted.name}.md", markdown(found).encode())
    drawn = draw(found, wanted.figure, results / f"{wanted.name}.svg")
    _say(found["splits"].values(), outcome.left, notices)
    files = [f"{wanted.name}.md", f"{wanted.name}.json", *([f"{wanted.name}.svg"] * drawn)]
    notices.print(f"Written to {results}: {', '.join(files)}.")
    return EXIT_LEFT_OUT if outcome.left else 0


def _say(splits: Iterable[dict[str, str]], left: dict[str, str], notices: Screen) -> None:
    for found in splits:
        answers().print(found["verdict"], soft_wrap=True)
    for what, why in left.items():
        notices.print(note(f"{what}: {why}", "Not run:"))
