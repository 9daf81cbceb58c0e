"""``sentixrl datasets``: what we know of data sets, whether a copy is whole, and what two share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sentixrl.cli.arguments import SwitchOption, read_switches
from sentixrl.cli.console import answers, errors, headed, new_table, note
from sentixrl.cli.groups import with_groups
from sentixrl.cli.inputs import InputOptions
from sentixrl.datasets.check import Finding, State
from sentixrl.datasets.check import check as check_folder
from sentixrl.datasets.fetch import Fetched
from sentixrl.datasets.fetch import fetch as fetch_files
from sentixrl.datasets.info import DatasetInfo
from sentixrl.datasets.overlap import COVERED, Overlap, Part, Shared
from sentixrl.datasets.overlap import overlap as find_overlap
from sentixrl.datasets.registry import REGISTRY, info
from sentixrl.datasets.spec import read_part
from sentixrl.errors import InputError
from sentixrl.runs.storage import as_bytes, write_file

app = typer.Typer(
    help="Known data sets: list them, check a copy, download one, find what two share.",
    no_args_is_help=True,
)

_MARKS = {State.FINE: "✓", State.DIFFERS: "≠", State.MISSING: "–", State.BROKEN: "✗"}


@app.command("list")
def list_() -> None:
    """List the known data sets."""
    table = _table("name", "languages", "tasks", "splits", "fetch")
    for entry in REGISTRY.values():
        table.add_row(
            entry.name,
            _few(entry.languages),
            ", ".join(entry.tasks),
            ", ".join(entry.splits),
            _fetched(entry),
        )
    answers().print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A name that 'list' gives.")]) -> None:
    """Show a data set's licence, source, layouts, sizes and traps."""
    entry = info(name)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, values in _facts(entry):
        for position, value in enumerate(values):
            table.add_row("" if position else key, value)
    console = answers()
    console.print(table)
    if entry.expected:
        console.print(headed("published sizes", _sizes(entry)))


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A name that 'list' gives.")],
    path: Annotated[Path, typer.Argument(help="The folder that holds the files.")],
    switch: SwitchOption = None,
) -> None:
    """Read every split in a folder and compare it with what was published."""
    entry = info(name)
    findings = check_folder(entry, path, read_switches(switch))
    console = answers()
    console.print(_findings(findings))
    for line in _remarks(findings):
        console.print(line)
    _refuse(entry, path, findings)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name that 'list' gives.")],
    folder: Annotated[Path, typer.Argument(help="Where to put the files.")],
    mirror: Annotated[
        str | None, typer.Option(help="An address with the same files, used instead.")
    ] = None,
) -> None:
    """Download an openly licensed data set; a download that broke off is continued."""
    entry = info(name)
    console = answers()
    if entry.remotes:
        console.print(f"Licence: {entry.licence}.")

    def report(file: Fetched) -> None:
        what = "downloaded" if file.new else "already there"
        console.print(f"{file.path}: {what}, {file.size:,} bytes, checksum right")

    fetch_files(entry, folder, mirror=mirror, report=report)
    if entry.not_fetched:
        console.print(f"Note: {entry.not_fetched}")


@app.command()
@with_groups
def overlap(
    *,
    train: Annotated[
        str, typer.Argument(help=r"NAME[:SPLIT][:switch=value]\[@FOLDER], or a file.")
    ],
    test: Annotated[list[str], typer.Argument(help="The same, for every split evaluated on.")],
    data: Annotated[
        Path | None, typer.Option(help="A folder that has a folder a data set.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the ids of the dialogues to drop, one a line.")
    ] = None,
    ngram: Annotated[int, typer.Option(help="Tokens of an n-gram.")] = 8,
    threshold: Annotated[int, typer.Option(help="Shared n-grams that make a dialogue go.")] = 2,
    min_tokens: Annotated[int, typer.Option(help="Tokens of a line that counts.")] = 5,
    inputs: InputOptions,
) -> None:
    """Find the lines and n-grams that training data share with data evaluated on."""
    reading = inputs.reading()

    def part(spec: str, split: str) -> Part:
        return read_part(
            spec, split, data, tell=lambda found: errors().print(note(found)), **reading
        )

    result = find_overlap(
        part(train, "train"),
        [part(spec, "test") for spec in test],
        n=ngram,
        threshold=threshold,
        min_tokens=min_tokens,
    )
    console = answers()
    console.print(headed(f"what {result.train} shares with each", _shared(result, ngram)))
    share = len(result.drop) / max(result.dialogues, 1)
    console.print(
        f"To drop from {result.train}: {len(result.drop):,} of {result.dialogues:,} dialogues "
        f"({share:.1%})."
    )
    if out is not None:
        _write(out, result.drop)
        console.print(f"Their ids are in {out}.")


def _table(first: str, *others: str, numbers: Sequence[str] = ()) -> Table:
    table = new_table()
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _few(names: Sequence[str], limit: int = 6) -> str:
    more = f" … ({len(names)})" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _facts(entry: DatasetInfo) -> list[tuple[str, tuple[str, ...]]]:
    tasks = tuple(
        f"{name}: {task.about}, scheme {task.scheme}, reported as {', '.join(task.metrics)}"
        for name, task in entry.tasks.items()
    )
    switches = tuple(
        f"{name}: {_few([_value(value) for value in values], 12)}"
        for name, values in entry.switches.items()
    )
    facts = [
        ("name", (entry.name,)),
        ("title", (entry.title,)),
        ("languages", (", ".join(entry.languages),)),
        ("licence", (entry.licence,)),
        ("citation", (entry.citation,)),
        ("source", (entry.source,)),
        ("fetch", (f"{_fetched(entry)}. {entry.not_fetched}".strip(),)),
        ("tasks", tasks),
        ("resampled by", (entry.group_kind,)),
        ("layouts", entry.layouts),
        ("switches", switches),
        ("notes", entry.notes),
    ]
    return [(key, values) for key, values in facts if values]


def _fetched(entry: DatasetInfo) -> str:
    if not entry.remotes:
        return "no"
    return "in part" if entry.not_fetched else "yes"


def _value(value: str | bool) -> str:
    return value if isinstance(value, str) else ("on" if value else "off")


def _sizes(entry: DatasetInfo) -> Table:
    headings = ["labelled utterances", "dialogues"]
    if any(count.groups is not None for count in entry.expected.values()):
        headings.append("groups")
    table = _table("split", numbers=headings)
    for split, count in entry.expected.items():
        sizes = (count.utterances, count.dialogues, count.groups)[: len(headings)]
        table.add_row(split, *(_number(size) for size in sizes))
    return table


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _findings(findings: Sequence[Finding]) -> Table:
    parts = ["part"] if any(finding.part for finding in findings) else []
    numbers = ("found", "published", "dialogues", "left out")
    table = _table("", "split", *parts, "task", numbers=numbers)
    for finding in findings:
        dataset, expected = finding.dataset, finding.expected
        table.add_row(
            _MARKS[finding.state],
            finding.split,
            *([finding.part] if parts else []),
            finding.task,
            _number(dataset.rows) if dataset else finding.state.value,
            _number(expected.utterances) if expected else "",
            _number(len(dataset)) if dataset else "",
            _number(sum(dataset.left_out.values())) if dataset else "",
        )
    return table


def _remarks(findings: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for finding in findings:
        place = "/".join(part for part in (finding.split, finding.part) if part)
        if finding.error and finding.state is State.BROKEN:
            hint = f" {finding.error.hint}" if finding.error.hint else ""
            lines.append(f"{place}: {finding.error.message}{hint}")
        if finding.dataset:
            lines += [f"{place}: {warning}" for warning in finding.dataset.warnings]
            lines += [f"{place}: mended: {repair}" for repair in finding.dataset.repairs]
            lines += [
                f"{place}: left out: {count:,} {reason}"
                for reason, count in finding.dataset.left_out.items()
            ]
    return list(dict.fromkeys(lines))


def _refuse(entry: DatasetInfo, path: Path, findings: Sequence[Finding]) -> None:
    wrong = [item for item in findings if item.state in {State.DIFFERS, State.BROKEN}]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(findings)} parts of {entry.name} in {path} are not as they "
            "were published.",
            hint=f"The lines above say how. The source: {entry.source}.",
        )
    if all(item.state is State.MISSING for item in findings) and findings[0].error:
        raise findings[0].error


def _shared(result: Overlap, n: int) -> Table:
    table = new_table()
    table.add_column("")
    for part in result.parts:
        table.add_column(part.name, justify="right", overflow="fold")
    measures: dict[str, Callable[[Shared], str]] = {
        "long enough lines": lambda part: _number(part.lines),
        "of them shared": lambda part: f"{part.shared_lines:,} ({part.line_share:.1%})",
        "dialogues": lambda part: _number(part.dialogues),
        "with 2 or more shared lines": lambda part: _number(part.with_two_lines),
        f"with enough shared {n}-grams": lambda part: _number(part.with_ngrams),
        f"with {COVERED:.0%} or more of their {n}-grams": lambda part: _number(part.covered),
        "repeated as a whole": lambda part: _number(part.repeated),
        "training dialogues to drop": lambda part: _number(part.drop),
    }
    for measure, value in measures.items():
        table.add_row(measure, *(value(part) for part in result.parts))
    return table


def _write(path: Path, ids: Sequence[str]) -> None:
    write_file(path, as_bytes("".join(f"{id}\n" for id in ids)))
