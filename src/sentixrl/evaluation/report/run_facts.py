"""What was run, as rows of a table: the main facts, then everything else recorded.

Contract: whatever the shape of ``run.json``, only empty values are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sentixrl.evaluation.report.flow import Pair
from sentixrl.evaluation.report.numbers import isolated, whole
from sentixrl.labels import LabelSet

Fact = tuple[str, str]
JOINT = " · "


def run_facts(
    run: Mapping[str, Any],
    pairs: Sequence[Pair],
    metrics: Mapping[str, Any],
    label_set: LabelSet,
) -> list[Fact]:
    """Rows of name and value: model, template, data, labels, dates."""
    data = _part(run, "identity", "data")
    task = f", task {data['task']}" if data.get("task") else ""
    sessions = _sessions(run)
    rows = [
        ("model", _each(prediction.model for _, prediction in pairs)),
        ("prompt template", _each(prediction.template for _, prediction in pairs)),
        ("template language", _each(prediction.language for _, prediction in pairs)),
        ("data", f"{data['dataset']}, {data.get('split', '')}{task}" if "dataset" in data else ""),
        ("data hash", str(data.get("data_hash", ""))),
        (
            "size",
            f"{whole(metrics['n'])} annotated utterances, {whole(len(pairs))} dialogues, "
            f"{whole(metrics['n_clusters'])} clusters",
        ),
        (
            "labels",
            # The digest counts display words and explanations, which a report has not read.
            f"{', '.join(map(isolated, label_set.names))} "
            f"({label_set.name}, {metrics['label_set']['digest']})",
        ),
        ("date", _each(str(one["date"]) for one in sessions if one.get("date"))),
    ]
    return [(name, value) for name, value in rows if value.strip()]


def all_else(run: Mapping[str, Any]) -> list[Fact]:
    """Everything in ``run.json`` except the commands, one row per value."""
    return [fact for fact in _flat(run) if fact[0].split(JOINT)[-1] != "command"]


def commands(run: Mapping[str, Any]) -> list[str]:
    """The distinct commands that worked on the run, in order."""
    found = [run.get("command"), *(one.get("command") for one in _sessions(run))]
    return list(dict.fromkeys(_line(command) for command in found if command))


def title_of(run: Mapping[str, Any], pairs: Sequence[Pair]) -> str:
    """Data set, split and system."""
    data = _part(run, "identity", "data")
    named = " ".join(str(data[key]) for key in ("dataset", "split") if data.get(key))
    model = _each(prediction.model for _, prediction in pairs)
    return f"{model} on {named}" if named else model


def _part(run: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found: object = run
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _sessions(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = run.get("sessions")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _line(command: object) -> str:
    return " ".join(map(str, command)) if isinstance(command, list) else str(command)


def _each(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _flat(value: object, name: str = "") -> Iterator[Fact]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(part, f"{name}{JOINT}{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        if any(isinstance(part, Mapping | list | tuple) for part in value):
            for number, part in enumerate(value, start=1):
                yield from _flat(part, f"{name}{JOINT}{number}")
        elif value:
            yield name, ", ".join(map(_worded, value))
    elif value is not None and value != "":
        yield name, _worded(value)


def _worded(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
