"""Whether a folder holds a data set as it was published: every split read, every number compared.

Contract: faults of the files raise nothing; every split gets a line that reports them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sentixrl.datasets.dataset import Dataset, Switch
from sentixrl.datasets.files import MISSING
from sentixrl.datasets.info import Count, DatasetInfo
from sentixrl.datasets.registry import load_split, switch_value
from sentixrl.errors import InputError


class State(StrEnum):
    """The result of checking a split."""

    FINE = "fine"
    """It has the published size, or none is published."""
    DIFFERS = "differs"
    """It can be read, but is not as published."""
    MISSING = "missing"
    """Its files are not there."""
    BROKEN = "broken"
    """Its files cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking one split for one task.

    Attributes:
        split: The split.
        part: The layout, version or language, if the data set has several.
        task: The task.
        state: Whether it is as published.
        expected: The published size, if known.
        dataset: What was read, unless it is missing or broken.
        error: Why it could not be read.
    """

    split: str
    part: str
    task: str
    state: State
    expected: Count | None = None
    dataset: Dataset | None = None
    error: InputError | None = None


def check(
    entry: DatasetInfo, path: str | Path, switches: Mapping[str, Switch] | None = None
) -> tuple[Finding, ...]:
    """Read every split of a data set, for every task, and compare it with the published size.

    Layouts, versions and languages are read one by one unless ``switches`` fixes them; those
    without a file in the folder are skipped.

    Raises:
        ConfigError: There is no such switch, or no such value of it.
    """
    fixed = switches or {}
    findings: list[Finding] = []
    missing: list[Finding] = []
    for part in _parts(entry, fixed):
        found = [
            _check_split(entry, Path(path), split, task, {**fixed, **part})
            for split in entry.splits
            for task in entry.tasks
        ]
        is_there = any(finding.state is not State.MISSING for finding in found)
        (findings if is_there else missing).extend(found)
    return tuple(findings or missing)


def _parts(entry: DatasetInfo, switches: Mapping[str, Switch]) -> Iterator[Mapping[str, Switch]]:
    for name, value in switches.items():
        switch_value(entry, name, value)
    if entry.sweep is None or entry.sweep in switches:
        yield {}
        return
    for value in entry.switches[entry.sweep]:
        if value != "auto":
            yield {entry.sweep: value}


def _check_split(
    entry: DatasetInfo, path: Path, split: str, task: str, switches: Mapping[str, Switch]
) -> Finding:
    part = str(switches.get(entry.sweep, "")) if entry.sweep else ""
    try:
        dataset = load_split(entry.name, path, split, task, switches)
    except InputError as error:
        state = State.MISSING if error.code == MISSING else State.BROKEN
        return Finding(split, part, task, state, entry.count(split, part), error=error)
    state = State.DIFFERS if dataset.warnings else State.FINE
    expected = entry.count(split, dataset.variant)
    return Finding(split, dataset.variant, task, state, expected, dataset)
