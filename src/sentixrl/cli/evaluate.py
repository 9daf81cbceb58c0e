"""``sentixrl evaluate``: a system on a split of a data set, in a run folder that can be resumed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentixrl.cli.arguments import SeveralOption
from sentixrl.cli.console import Screen, answers, errors, note
from sentixrl.cli.data import CUSTOM, TEST, DataOptions
from sentixrl.cli.demonstrations import DEMONSTRATION_OPTIONS, DemonstrationOptions
from sentixrl.cli.exits import EXIT_INTERRUPTED
from sentixrl.cli.groups import with_groups
from sentixrl.cli.headline import headline_table
from sentixrl.cli.inputs import InputOptions
from sentixrl.cli.options import (
    MODEL_OPTIONS,
    ModelOptions,
    given,
    say_hosts,
    say_notes,
    say_spent,
    spent,
)
from sentixrl.cli.progress import follow_all
from sentixrl.cli.subjects import (
    BaselineChoice,
    Subject,
    foreign,
    from_model,
    over_label_orders,
    trained_baseline,
)
from sentixrl.errors import ConfigError, InputError, MissingDependencyError
from sentixrl.formats import ReadingOptions
from sentixrl.formats.characters import as_text

if TYPE_CHECKING:
    from sentixrl.datasets import Dataset
    from sentixrl.runs import RunFolder

TRAINED = (BaselineChoice.MAJORITY, BaselineChoice.TFIDF, BaselineChoice.EMBEDDINGS)
"""Baselines without a model."""
NOT_FOR_VOTES = ("negotiate", "confidence_threshold", "agreements")
PASSES = 3
READING = tuple(part.name for part in fields(InputOptions))
"""Options that say how a file is read: that of predictions, else that of the data."""


@with_groups
def evaluate(
    context: typer.Context,
    *,
    data: DataOptions,
    out: Annotated[Path, typer.Option(help="The run folder; an unfinished run goes on there.")],
    predictions: Annotated[
        Path | None,
        typer.Option(help="Score this CSV instead: dialogue_id, utterance_id (or index), label."),
    ] = None,
    baseline: Annotated[
        BaselineChoice | None,
        typer.Option(help="Score a baseline instead; label-orders takes --rounds passes."),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Where evaluations on test are logged; default: results/ledger.jsonl."),
    ] = None,
    several: SeveralOption = None,
    inputs: InputOptions,
    options: ModelOptions,
    shown: DemonstrationOptions,
) -> None:
    """Measure a model, a baseline or anybody's predictions on a data set."""
    from sentixrl.evaluation.intervals import check_libraries
    from sentixrl.evaluation.running import draw
    from sentixrl.runs import check_ledger, check_writable, find_ledger

    check_libraries()
    shown.check()
    _check_choice(context, data, options, predictions, baseline)
    reading = ReadingOptions() if predictions is not None else inputs.reading()
    whole, neutral = data.load(lambda found: errors().print(note(found)), reading, several)
    book = find_ledger(ledger) if whole.split == TEST else None
    check_writable(out)  # now, not when the model is loaded
    if book is not None:
        check_ledger(book)
    part = draw(whole, data.limit, data.seed)
    _announce(whole, part, data.seed, book, errors())
    subject = (
        _subject(context, data, whole, options, shown, baseline)
        if predictions is None
        else foreign(predictions, whole, inputs)
    )
    _measure(subject, data, whole, part, neutral, out, book, _command(context.obj or []))


def _measure(
    subject: Subject,
    data: DataOptions,
    whole: Dataset,
    part: Dataset,
    neutral: str | None,
    out: Path,
    book: Path | None,
    command: str,
) -> None:
    """Run the evaluation and say what came of it."""
    from sentixrl.evaluation import running

    notices = errors()
    runs: list[RunFolder] = []

    def opened(run: RunFolder) -> None:
        runs.append(run)
        _say_where_it_stands(run, part, notices)

    try:
        metrics = running.evaluate(
            *(subject.system, whole, out),
            identity=subject.identity,
            limit=data.limit,
            seed=data.seed,
            neutral=neutral,
            ledger=book,
            command=command,
            watch=partial(follow_all, spent=lambda: subject.applied(spent, "")),
            opened=opened,
        )
    except KeyboardInterrupt:
        for run in runs:
            _say_how_to_go_on(run, part, command, notices)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        subject.applied(say_spent, None)
    answers().print(headline_table(metrics, runs[0]))
    if not whole.several:  # a report shows one label against another
        _report(out, notices)
    _warn(metrics, out, notices)


def _subject(
    context: typer.Context,
    data: DataOptions,
    whole: Dataset,
    options: ModelOptions,
    shown: DemonstrationOptions,
    baseline: BaselineChoice | None,
) -> Subject:
    """The baseline or model that is to be measured, loaded."""
    if baseline is not None and baseline in TRAINED:
        return trained_baseline(baseline, partial(data.part, several=whole.several))
    from sentixrl.cli.table import header

    if baseline is BaselineChoice.LABEL_ORDERS and whole.several:
        raise ConfigError(
            "Label orders are a baseline for one label per utterance, and this data has several.",
            hint=f"Take --baseline {BaselineChoice.TFIDF.value} instead.",
        )
    classifier = shown.shown_by(options.load(whole.label_set, several=whole.several))
    if baseline is None:
        say_notes(classifier, context)
        errors().print(header(classifier))
        return from_model(classifier, whole)
    once = classifier.replace(negotiation=replace(classifier.negotiation, enabled=False))
    say_hosts(once)
    errors().print(header(once))
    passes = PASSES if options.rounds is None else options.rounds
    return over_label_orders(once, passes, data.seed, whole)


def _command(words: Sequence[str]) -> str:
    """The command line as text; bytes of a path that are no text are shown as such."""
    return as_text(shlex.join(["sentixrl", *words]))


def _check_choice(
    context: typer.Context,
    data: DataOptions,
    options: ModelOptions,
    predictions: Path | None,
    baseline: BaselineChoice | None,
) -> None:
    """Refuse what does not go together, before anything is loaded.

    Raises:
        ConfigError: Several systems were named, or an option that says nothing here.
        InputError: There is no file of predictions.
    """
    orders = baseline is BaselineChoice.LABEL_ORDERS
    chosen = {
        "--model": options.model is not None and not (orders and predictions is None),
        "--predictions": predictions is not None,
        "--baseline": baseline is not None,
    }
    named = [name for name, is_there in chosen.items() if is_there]
    if len(named) > 1:
        raise ConfigError(
            f"{' and '.join(named)} are each a system of its own; one evaluation takes one.",
            hint="Give them one after the other, each with its own --out.",
        )
    if predictions is not None or baseline in TRAINED:
        for_models = (*MODEL_OPTIONS, *DEMONSTRATION_OPTIONS)
        _refuse(context, for_models, "is for a model, and none answers here")
    if orders:
        _refuse(context, NOT_FOR_VOTES, "is for negotiating, and a vote does not")
        _refuse(context, ("sets",), "is for one model, and a vote is over several orders")
    if data.dataset != CUSTOM and predictions is None:
        _refuse(context, READING, f"is for a '{CUSTOM}' file or for predictions")
    if data.dataset == CUSTOM:
        _refuse(context, ("task", "switch"), f"is for a known data set, not a '{CUSTOM}' file")
    if predictions is not None and not predictions.is_file():
        raise InputError(
            f"There is no file {as_text(str(predictions))}.",
            hint="Paths are relative to where the command runs.",
        )


def _refuse(context: typer.Context, names: Sequence[str], why: str) -> None:
    for name in names:
        if given(context, name):
            raise ConfigError(f"--{name.replace('_', '-')} {why}.", hint="Leave it out.")


def _announce(whole: Dataset, part: Dataset, seed: int, book: Path | None, notices: Screen) -> None:
    """What will be done, before it is."""
    turns = sum(len(dialogue) for dialogue in part)
    drawn = "" if part is whole else f" (of {len(whole):,}, drawn with seed {seed})"
    notices.print(
        f"{whole.title}, {whole.task}: {len(part):,} dialogues{drawn}, "
        f"{turns:,} utterances, {part.labelled:,} of them with a gold label."
    )
    for warning in whole.warnings:
        notices.print(note(warning))
    if whole.split == TEST:
        where = (
            f"it is logged in {book}"
            if book is not None
            else "it is not logged, as there is no folder 'results' here; name a file with --ledger"
        )
        notices.print(note(f"{where}. Make choices on dev.", "This looks at a test split:"))


def _say_where_it_stands(run: RunFolder, part: Dataset, notices: Screen) -> None:
    if run.repaired:
        notices.print(note(run.repaired))
    left = len(run.remaining(part.dialogues))
    if len(run.done):
        notices.print(
            f"{len(run.done):,} of {len(part):,} dialogues are done already; {left:,} to go."
        )


def _say_how_to_go_on(run: RunFolder, part: Dataset, command: str, notices: Screen) -> None:
    notices.print(
        f"{len(run.done):,} of {len(part):,} dialogues are done and kept in "
        f"{run.path}. To go on, run the same command again:"
    )
    notices.print(f"  {command}")


def _report(folder: Path, notices: Screen) -> None:
    try:
        from sentixrl.evaluation.report import write_report

        write_report(folder)
    except MissingDependencyError as error:
        notices.print(note(f"{error.message} {error.hint or ''}", "No report:"))


def _warn(metrics: Mapping[str, Any], out: Path, notices: Screen) -> None:
    several = metrics.get("kind") == "several"
    failed: int = metrics["failed"] if several else metrics["negotiation"]["statuses"]["error"]
    warnings: Sequence[str] = metrics["warnings"]
    for warning in warnings:
        notices.print(note(warning))
    if failed:
        notices.print(
            note(
                f"{failed:,} utterance(s) failed (status error in items.jsonl) and count as wrong "
                "where there was no earlier answer."
            )
        )
    notices.print(f"All of it is in {out}.")
