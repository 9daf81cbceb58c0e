"""The data sets we know, and the one way to load them.

Contract: ``load`` returns a :class:`~sentixrl.datasets.dataset.Dataset` or raises an
:class:`~sentixrl.errors.InputError` (files) or :class:`~sentixrl.errors.ConfigError` (names,
switches). A split whose size is not the published one loads, with a warning that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sentixrl.datasets import (
    brighter,
    ch_sims,
    cped,
    dailydialog,
    emasac,
    emorynlp,
    emotiontalk,
    goemotions,
    iemocap,
    meld,
    xed,
)
from sentixrl.datasets.dataset import Dataset, Switch
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Request
from sentixrl.errors import ConfigError
from sentixrl.formats.characters import nearest, shown
from sentixrl.labels import scheme

_MODULES = (
    meld, emorynlp, iemocap, cped, ch_sims, dailydialog, emotiontalk, goemotions, xed, brighter,
    emasac,
)  # fmt: skip

REGISTRY: Mapping[str, DatasetInfo] = {module.INFO.name: module.INFO for module in _MODULES}
"""Name → entry."""

_ALIASES = {"valid": "dev", "validation": "dev", "val": "dev", "tst": "test", "trn": "train"}


def info(name: str) -> DatasetInfo:
    """The registry entry of a data set.

    Raises:
        ConfigError: There is none of that name.
    """
    key = name.strip().casefold().replace("-", "_")
    if key in REGISTRY:
        return REGISTRY[key]
    close = nearest(key, REGISTRY)
    raise ConfigError(
        f"There is no data set called '{shown(name)}'.",
        hint=(f"Did you mean '{close}'? " if close else "") + f"There are: {', '.join(REGISTRY)}.",
    )


def load(
    name: str, path: str | Path, split: str, task: str | None = None, **switches: Switch
) -> Dataset:
    """Load one split.

    Args:
        name: The registry's name.
        path: The folder that holds the files.
        split: A split of the data set; ``valid`` and ``validation`` mean ``dev``.
        task: Which annotation to read; the data set's first if ``None``.
        switches: The loader's switches (``DatasetInfo.switches``); the rest keep their defaults.

    Raises:
        ConfigError: There is no such data set, split, task, switch or value of it.
        InputError: The files are not there or not as they should be.
    """
    return load_split(name, path, split, task, switches)


def load_split(
    name: str,
    path: str | Path,
    split: str,
    task: str | None = None,
    switches: Mapping[str, Switch] | None = None,
) -> Dataset:
    """:func:`load` for switches from user input, whose names may be anything.

    Raises:
        ConfigError: As :func:`load`.
        InputError: As :func:`load`.
    """
    entry = info(name)
    request = _request(entry, Path(path), split, task, switches or {})
    reading = entry.read(request)
    return Dataset(
        name=entry.name,
        split=request.split,
        task=request.task,
        label_set=reading.label_set or request.label_set,
        dialogues=reading.dialogues,
        group_kind=entry.group_kind,
        variant=reading.variant,
        switches=request.switches,
        repairs=reading.repairs,
        warnings=_differences(reading, entry.count(request.split, reading.variant)),
        left_out=reading.left_out,
        rows=reading.rows,
        source_labels=reading.source_labels,
    )


def split_name(entry: DatasetInfo, split: str) -> str:
    """Our name of a split.

    Raises:
        ConfigError: The data set has no such split.
    """
    wanted = split.strip().casefold()
    name = wanted if wanted in entry.splits else _ALIASES.get(wanted, wanted)
    if name not in entry.splits:
        raise ConfigError(
            f"{entry.name} has no split called '{shown(split)}'.",
            hint=f"There are: {', '.join(entry.splits)}.",
        )
    return name


def task_name(entry: DatasetInfo, task: str | None) -> str:
    """The named annotation; the data set's first if ``None``.

    Raises:
        ConfigError: The data set has no such task.
    """
    if task and task not in entry.tasks:
        raise ConfigError(
            f"{entry.name} has no task called '{shown(task)}'.",
            hint=f"There are: {', '.join(entry.tasks)}.",
        )
    return task or entry.task


def switch_value(entry: DatasetInfo, name: str, value: Switch) -> Switch:
    """The allowed value of a switch that ``value`` means, also written as text (``off``, ``no``).

    Raises:
        ConfigError: The data set has no such switch, or it has no such value.
    """
    if name not in entry.switches:
        there = ", ".join(entry.switches)
        raise ConfigError(
            f"The loader of {entry.name} has no switch called '{shown(name)}'.",
            hint=f"There are: {there}." if there else "It has none.",
        )
    allowed = entry.switches[name]
    if isinstance(value, str) and isinstance(allowed[0], bool):
        value = _TRUTHS.get(value.casefold(), value)
    if not any(value == option and type(value) is type(option) for option in allowed):
        options = ", ".join(_shown(option) for option in allowed)
        raise ConfigError(
            f"The switch '{name}' of {entry.name} cannot be '{shown(str(value))}'.",
            hint=f"It can be: {options}.",
        )
    return value


_TRUTHS = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


def _shown(value: Switch) -> str:
    return value if isinstance(value, str) else ("on" if value else "off")


def _request(
    entry: DatasetInfo,
    path: Path,
    split: str,
    task: str | None,
    switches: Mapping[str, Switch],
) -> Request:
    chosen = task_name(entry, task)
    values = {name: allowed[0] for name, allowed in entry.switches.items()}
    values |= {name: switch_value(entry, name, value) for name, value in switches.items()}
    labels = scheme(entry.tasks[chosen].scheme)
    return Request(path, split_name(entry, split), chosen, labels, values)


def _differences(reading: Reading, expected: Count | None) -> tuple[str, ...]:
    """A sentence for every published number that the files do not have."""
    if expected is None:
        return ()
    groups = {dialogue.cluster for dialogue in reading.dialogues}
    found = {
        "labelled utterances": (reading.rows, expected.utterances),
        "dialogues": (len(reading.dialogues), expected.dialogues),
        "groups": (len(groups), expected.groups),
    }
    return tuple(
        f"There are {there:,} {what}, not the published {published:,}."
        for what, (there, published) in found.items()
        if published is not None and there != published
    )
