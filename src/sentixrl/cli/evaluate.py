"""``sentixrl evaluate``: a system on a split of a data set, in a run folder that can be resumed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentixrl import __version__
from sentixrl.cli.arguments import (
    AdapterOption,
    AgreementsOption,
    BitsOption,
    DeductionChoice,
    DeductionOption,
    DeviceOption,
    DtypeOption,
    FramingOption,
    GateOption,
    LanguageOption,
    NegotiateOption,
    RoundsOption,
    SwitchOption,
    VoiceChoice,
    VoiceOption,
    WindowOption,
    read_switches,
)
from sentixrl.cli.console import Screen, answers, errors, note
from sentixrl.cli.headline import headline_table
from sentixrl.cli.progress import follow
from sentixrl.cli.subjects import (
    BaselineChoice,
    Subject,
    foreign,
    from_model,
    trained_baseline,
)
from sentixrl.errors import ConfigError, InputError, MissingDependencyError
from sentixrl.formats.characters import as_text

if TYPE_CHECKING:
    from sentixrl.classifier import Classifier
    from sentixrl.datasets import Dataset
    from sentixrl.runs import RunFolder

EXIT_INTERRUPTED = 130
DEV, TEST = "dev", "test"
CUSTOM = "custom"
TRAINED = (BaselineChoice.MAJORITY, BaselineChoice.TFIDF)
"""Baselines without a model."""
MODEL_OPTIONS = (
    *("window", "rounds", "agreements", "negotiate", "gate", "voice", "deduction", "language"),
    *("framing", "adapter", "device", "dtype", "bits", "fast"),
)
"""Parameters that say how a model answers."""


def evaluate(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Option(help=f"A name that 'datasets list' gives, or '{CUSTOM}' for your own file."),
    ],
    data: Annotated[Path, typer.Option(help="The folder (or file) that holds the data.")],
    out: Annotated[Path, typer.Option(help="The run folder; an unfinished run goes on there.")],
    split: Annotated[
        str | None,
        typer.Option(help=f"Which split; default: {DEV}, or all of what has no such split."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Which annotation; default: the data set's first.")
    ] = None,
    switch: SwitchOption = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", help=f"The labels of a '{CUSTOM}' file, as in classify."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A bundle, a model folder, a bundled name or a hub id."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Score this CSV instead: dialogue_id, utterance_id (or index), label."),
    ] = None,
    baseline: Annotated[
        BaselineChoice | None,
        typer.Option(help="Score a baseline instead; label-orders takes --rounds passes."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only this many dialogues, drawn with the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws --limit and the intervals.")] = 0,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Where evaluations on test are logged; default: results/ledger.jsonl."),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Compute dialogues together: faster, but a label may differ where the top two "
            "are nearly equal.",
        ),
    ] = False,
    window: WindowOption = None,
    rounds: RoundsOption = 3,
    agreements: AgreementsOption = 1,
    negotiate: NegotiateOption = None,
    gate: GateOption = None,
    voice: VoiceOption = VoiceChoice.AUTO,
    deduction: DeductionOption = DeductionChoice.AUTO,
    language: LanguageOption = None,
    framing: FramingOption = None,
    adapter: AdapterOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    bits: BitsOption = None,
) -> None:
    """Measure a model, a baseline or anybody's predictions on a data set."""
    _check_choice(model, predictions, baseline)
    if predictions is not None or baseline in TRAINED:
        _refuse(context, MODEL_OPTIONS, "is for a model, and none answers here")
    if baseline is BaselineChoice.LABEL_ORDERS:
        _refuse(
            context, ("negotiate", "gate", "agreements"), "is for negotiating, and a vote does not"
        )
    if dataset == CUSTOM:
        _refuse(context, ("task", "switch"), f"is for a known data set, not a '{CUSTOM}' file")
    switches = read_switches(switch)
    if predictions is not None and not predictions.is_file():
        raise InputError(
            f"There is no file {as_text(str(predictions))}.",
            hint="Paths are relative to where the command runs.",
        )
    wanted = split or _first_split(dataset, data)
    whole, neutral = _load(dataset, data, wanted, task, switches, labels)

    def open_classifier() -> Classifier:
        from sentixrl.cli.options import build_classifier, say_notes

        classifier = build_classifier(
            model=model,
            labels=None,
            window=window,
            rounds=rounds,
            agreements=agreements,
            negotiate=negotiate,
            gate=gate,
            voice=voice.value,
            deduction=deduction.value,
            language=language,
            framing=framing.value if framing else None,
            adapter=adapter,
            device=device,
            dtype=dtype,
            bits=bits,
            reproducible=not fast,
        )
        if baseline is None:
            say_notes(classifier, context)
        return classifier.with_labels(whole.label_set)

    if predictions is not None:
        open_system: Callable[[Dataset], Subject] = partial(foreign, predictions, whole)
    elif baseline in TRAINED:
        load_part = partial(_part, dataset, data, task, switches)
        open_system = partial(trained_baseline, baseline, load_part)
    else:
        passes = rounds if baseline is BaselineChoice.LABEL_ORDERS else None
        open_system = partial(from_model, open_classifier, adapter, bits, passes, seed)
    command = _command(context.obj or [])
    _evaluate(Job(whole, neutral, out, limit, seed, ledger, open_system, command))


@dataclass(frozen=True)
class Job:
    """An evaluation as a command line asks for it."""

    whole: Dataset
    neutral: str | None
    out: Path
    limit: int | None
    seed: int
    ledger: Path | None
    open_system: Callable[[Dataset], Subject]
    command: str


def _evaluate(job: Job) -> None:
    from sentixrl.evaluation.intervals import Resampling, check_libraries
    from sentixrl.evaluation.running import answer_all, draw, ledger_line, score
    from sentixrl.evaluation.summary import nothing_to_score
    from sentixrl.runs import (
        RunFolder,
        check_ledger,
        data_identity,
        enter_ledger,
        find_ledger,
        labels_identity,
    )
    from sentixrl.runs.identity import session_facts

    check_libraries()
    notices = errors()
    part = draw(job.whole, job.limit, job.seed)
    if not part.labelled:  # before a model answers all of it
        raise nothing_to_score()
    book = find_ledger(job.ledger) if job.whole.split == TEST else None
    if book is not None:
        check_ledger(book)
    _announce(job, part, book, notices)
    subject = job.open_system(part)
    if subject.classifier is not None:
        from sentixrl.cli.table import header

        notices.print(header(subject.classifier))
    limit = job.limit if part is not job.whole else None
    identity = {
        "data": data_identity(job.whole, limit=limit, seed=job.seed),
        "labels": labels_identity(job.whole.label_set),
        "seed": job.seed,
        "sentixrl": __version__,
        **subject.identity,
    }
    engine = subject.classifier.engine if subject.classifier else None
    facts = session_facts(job.command, engine)
    with RunFolder(job.out, identity) as run:
        _say_where_it_stands(run, part, notices)
        try:
            if run.remaining(part.dialogues):
                run.begin_session(facts)
            answer_all(subject.system, part.dialogues, run, follow)
            how = Resampling(seed=job.seed)
            metrics = score(run, part, job.whole.label_set, neutral=job.neutral, how=how)
            if book is not None:  # before anybody sees the figures
                enter_ledger(book, ledger_line(run, metrics, facts["date"]))
            run.write_metrics(metrics)
        except KeyboardInterrupt:
            _say_how_to_go_on(run, part, job.command, notices)
            raise typer.Exit(EXIT_INTERRUPTED) from None
    answers().print(headline_table(metrics, run))
    _report(job.out, notices)
    _warn(metrics, job.out, notices)


def _command(words: Sequence[str]) -> str:
    """The command line as text; bytes of a path that are no text are shown as such."""
    return as_text(shlex.join(["sentixrl", *words]))


def _refuse(context: typer.Context, names: Sequence[str], why: str) -> None:
    from sentixrl.cli.options import given

    for name in names:
        if given(context, name):
            raise ConfigError(f"--{name} {why}.", hint="Leave it out.")


def _check_choice(
    model: str | None, predictions: Path | None, baseline: BaselineChoice | None
) -> None:
    needs_model = baseline in {None, BaselineChoice.LABEL_ORDERS}
    chosen = {
        "--model": model is not None and not (needs_model and predictions is None),
        "--predictions": predictions is not None,
        "--baseline": baseline is not None,
    }
    named = [name for name, is_there in chosen.items() if is_there]
    if len(named) > 1:
        raise ConfigError(
            f"{' and '.join(named)} are each a system of its own; one evaluation takes one.",
            hint="Give them one after the other, each with its own --out.",
        )


def _load(
    name: str,
    data: Path,
    split: str,
    task: str | None,
    switches: Mapping[str, str],
    labels: str | None,
) -> tuple[Dataset, str | None]:
    """The split, and the label that a further micro-F1 leaves out."""
    from sentixrl.datasets import info, load_custom
    from sentixrl.datasets.files import MISSING
    from sentixrl.datasets.registry import load_split
    from sentixrl.labels import resolve_labels

    if name == CUSTOM:
        if labels is None:
            raise ConfigError(
                f"The labels of a '{CUSTOM}' data set are not known.",
                hint='Name them, for example: --labels "calm, annoyed"',
            )
        return load_custom(data, resolve_labels(labels), split), None
    if labels is not None:
        raise ConfigError(
            f"The data set '{name}' has its own labels.",
            hint=f"Leave --labels out; it is for --dataset {CUSTOM}.",
        )
    try:
        found = load_split(name, data, split, task, switches)
    except InputError as error:
        if error.code != MISSING or not (data / name).is_dir():
            raise
        raise InputError(error.message, hint=f"Did you mean --data {data / name}?") from None
    neutral = info(name).tasks[found.task].neutral
    return found, neutral if neutral in found.label_set else None


def _first_split(name: str, data: Path) -> str:
    """What is looked at where none is named: never test by accident."""
    from sentixrl.datasets import info

    if name == CUSTOM:
        return "all" if data.is_file() else DEV
    splits = info(name).splits
    return DEV if DEV in splits else splits[0]


def _part(
    name: str, data: Path, task: str | None, switches: Mapping[str, str], split: str
) -> Dataset:
    if name == CUSTOM:
        raise ConfigError(
            f"A baseline is trained on a train split, which a '{CUSTOM}' file has not.",
            hint="Baselines need one of the data sets that 'sentixrl datasets list' gives.",
        )
    return _load(name, data, split, task, switches, None)[0]


def _announce(job: Job, part: Dataset, book: Path | None, notices: Screen) -> None:
    """What will be done, before it is."""
    whole = job.whole
    turns = sum(len(dialogue) for dialogue in part)
    drawn = "" if part is whole else f" (of {len(whole):,}, drawn with seed {job.seed})"
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
    failed: int = metrics["negotiation"]["statuses"]["error"]
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
