"""``sentixrl compare``: do finished runs differ, and by how much."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any

import typer
from rich.table import Table

from sentixrl.cli.console import Screen, answers, errors, headed, new_table, note
from sentixrl.errors import ConfigError, InputError
from sentixrl.evaluation.comparison import (
    Comparison,
    PairComparison,
    Pairs,
    Run,
    compare_systems,
)
from sentixrl.evaluation.intervals import Interval, Resampling
from sentixrl.evaluation.items import Answer

Record = Mapping[str, Any]
COMPARED: Mapping[str, Mapping[str, type | UnionType]] = {
    "data": {"dataset": str, "data_hash": str, "dialogues": int, "limit": int | None},
    "labels": {"name": str, "digest": str, "names": list},
}
"""What a run's identity says of what was evaluated."""
NAMES = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted-F1",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "jaccard": "Jaccard index",
    "exact_match": "exactly right",
}
ONE_SEED = (
    "One run a system: the p-values say nothing about training again. Where training moves "
    "accuracy by a point from seed to seed, 18% of equal systems look different at 5%; with "
    "three seeds (--seeds), 2%."
)
LONE_SEED = (
    "{name} has one run, which the p-values take as it is: they say nothing about training it "
    "again, and find differences too often. Give it as many runs as the others."
)


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Run folders of 'evaluate', two or more."),
    ],
    seeds: Annotated[
        bool,
        typer.Option("--seeds", help="Each RUN is one system's runs, with commas: A1,A2,A3."),
    ] = False,
    answer: Annotated[
        Answer, typer.Option(help="Score the forced answer, the label alone, or round one.")
    ] = Answer.FORCED,
    every_pair: Annotated[
        bool, typer.Option("--all", help="Every pair; default: all others with the first.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Compare runs over the same items: differences, intervals, p-values."""
    systems = _systems(runs, seeds)
    records = {folder: _record(folder) for group in systems.values() for folder in group}
    labels = _same_task(records)
    loaded = {
        name: [_items(folder, records[folder]) for folder in group]
        for name, group in systems.items()
    }
    how = Resampling(seed=seed)
    found = compare_systems(
        loaded,
        labels,
        which=answer,
        pairs=Pairs.ALL if every_pair else Pairs.FIRST,
        how=how,
    )
    if json_output:
        typer.echo(json.dumps({"answer": answer.value, **found.as_dict()}, ensure_ascii=False))
        return
    _print(found, answer, f"{how.level:.0%} interval", answers())
    if any(pair.mcnemar is not None for pair in found.pairs):
        errors().print(note(ONE_SEED))
    for name in _lone(found):
        errors().print(note(LONE_SEED.format(name=name)))


def _lone(found: Comparison) -> list[str]:
    """Systems of one run that were compared with one of several."""
    lone = [
        name
        for pair in found.pairs
        if pair.seeds[0] != pair.seeds[1]
        for name, runs in zip((pair.first, pair.second), pair.seeds, strict=True)
        if runs == 1
    ]
    return list(dict.fromkeys(lone))


def _systems(runs: Sequence[str], seeds: bool) -> dict[str, list[Path]]:
    groups = [[Path(part) for part in (run.split(",") if seeds else [run]) if part] for run in runs]
    if not all(groups):
        raise ConfigError(
            f"System {groups.index([]) + 1} of the comparison names no run folder.",
            hint="An empty word is often a shell variable that is not set.",
        )
    if len(groups) < 2:
        hint = "For example: sentixrl compare --seeds A1,A2,A3 B1,B2,B3" if seeds else None
        raise ConfigError(
            f"A comparison needs at least two systems; there is {len(groups)}.",
            hint=hint or "For example: sentixrl compare runs/a runs/b",
        )
    flat = [folder.resolve() for group in groups for folder in group]
    if twice := next((folder for folder in flat if flat.count(folder) > 1), None):
        raise ConfigError(f"The run {twice} is named twice.")
    short = [", ".join(folder.name or str(folder) for folder in group) for group in groups]
    full = [", ".join(map(str, group)) for group in groups]
    names = short if len(set(short)) == len(short) else full
    return dict(zip(names, groups, strict=True))


def _record(folder: Path) -> Record:
    from sentixrl.runs import read_run

    identity: Record = read_run(folder)["identity"]
    if not {"data", "labels"} <= set(identity):
        raise InputError(
            f"{folder} is a run, but not an evaluation.", hint="Make one with 'sentixrl evaluate'."
        )
    for part, kinds in COMPARED.items():
        held = identity[part] if isinstance(identity[part], dict) else {}
        for key, kind in kinds.items():
            texts = key != "names" or all(isinstance(name, str) for name in held.get(key, ()))
            if key not in held or not isinstance(held[key], kind) or not texts:
                raise InputError(
                    f"{folder} has no '{key}' under '{part}' in its run.json that can be compared.",
                    hint="The file was changed by other means: restore it, or evaluate anew.",
                )
    return identity


def _same_task(records: Mapping[Path, Record]) -> Sequence[str]:
    """The labels that all runs share.

    Raises:
        InputError: Two runs were made on other data or with other labels.
    """
    (first, one), *others = records.items()
    for folder, other in others:
        for part, name, key in (("labels", "name", "digest"), ("data", "dataset", "data_hash")):
            before, now = one[part], other[part]
            if before[key] != now[key]:
                raise InputError(
                    f"{first} and {folder} were made with different {part}: "
                    f"{before[name]} ({before[key]}) and {now[name]} ({now[key]}).",
                    hint="Compare runs over the same split of the same data and the same task.",
                    code="different_items",
                )
    names: list[str] = one["labels"]["names"]
    return names


def _items(folder: Path, identity: Record) -> Run:
    from sentixrl.evaluation.running import items_of
    from sentixrl.runs import read_entries

    entries = read_entries(folder)
    data = identity["data"]
    planned = data["dialogues"] if data["limit"] is None else data["limit"]
    if len(entries) < planned:
        raise InputError(
            f"{folder} is not finished: it holds {len(entries):,} of {planned:,} dialogues.",
            hint="Run its own command again, which goes on where it stopped.",
        )
    return items_of(entries)


def _print(found: Comparison, answer: Answer, interval: str, console: Screen) -> None:
    console.print(
        f"{found.n:,} items in {found.n_clusters:,} clusters; {answer.value} answers; differences "
        "are second minus first, in points."
    )
    for warning in found.warnings:
        console.print(f"Note: {warning}")
    several = len(found.pairs) > 1
    for pair in found.pairs:
        console.print()
        tests = f"p: {pair.test}" + ("; Holm over the pairs" if several else "")
        metrics = _metrics(pair, interval, several)
        console.print(headed(f"{pair.first} → {pair.second}", metrics, tests))
        console.print()
        if pair.mcnemar is not None:
            console.print(
                f"McNemar: {pair.mcnemar.only_first:,} right in the first alone, "
                f"{pair.mcnemar.only_second:,} in the second alone, "
                f"p {_equals(pair.mcnemar.p)}. It assumes independent items, which utterances of a "
                "dialogue are not: its p tends to be too small."
            )
        console.print()
        console.print(headed("F1 by class (intervals not adjusted)", _classes(pair, interval)))


def _metrics(pair: PairComparison, interval: str, several: bool) -> Table:
    table = new_table()
    table.add_column("")
    for name in ("first", "second", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(interval, no_wrap=True)
    for name in ("p", "p (Holm)")[: 2 if several else 1]:
        table.add_column(name, justify="right", no_wrap=True)
    for metric in pair.metrics:
        adjusted = [_p(metric.p_holm)] if several else []
        table.add_row(
            NAMES.get(metric.metric, metric.metric),
            f"{100 * metric.first:.1f}",
            f"{100 * metric.second:.1f}",
            _signed(metric.difference.value),
            _span(metric.difference),
            _p(metric.p),
            *adjusted,
        )
    return table


def _classes(pair: PairComparison, interval: str) -> Table:
    table = new_table()
    table.add_column("")
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column(interval, no_wrap=True)
    for name, difference in pair.per_class.items():
        table.add_row(name, _signed(difference.value), _span(difference))
    return table


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}"


def _span(found: Interval) -> str:
    if found.low is None or found.high is None:
        return "–"
    return f"{_signed(found.low)} to {_signed(found.high)}"


def _p(value: float) -> str:
    if value != value:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _equals(p: float) -> str:
    text = _p(p)
    return text if text.startswith("<") else f"= {text}"
