"""Experiments as files: YAML in, a checked :class:`~sentixrl.experiments.plan.Experiment` out.

Contract: a condition or contrast with ``grid`` stands for one per combination of its values, which
its other values name in braces. An unknown key is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from sentixrl.errors import ConfigError
from sentixrl.experiments.plan import Experiment
from sentixrl.training.recipe_file import checked, read_yaml

FOLDER = Path("experiments")
"""Where experiments are looked for by name."""
ENDINGS = (".yaml", ".yml")
MOST = 500
"""Conditions that a grid may stand for."""


def find_experiment(name: str) -> Path:
    """The file of an experiment.

    Args:
        name: A path, or the name of a file in ``experiments/``.

    Raises:
        ConfigError: There is none.
    """
    path = Path(name)
    if path.suffix in ENDINGS:
        return path
    found = FOLDER / f"{name}.yaml"
    if found.is_file():
        return found
    there = sorted(file.stem for file in FOLDER.glob("*.yaml")) if FOLDER.is_dir() else []
    raise ConfigError(
        f"There is no experiment '{name[:80]}'.",
        hint=f"There are: {', '.join(there)}."
        if there
        else "Name a YAML file, or call it where the folder 'experiments' is.",
    )


def read_experiment(path: Path) -> Experiment:
    """Read an experiment.

    Raises:
        ConfigError: It cannot be read, or does not fit.
    """
    return parse_experiment(read_yaml(path, "experiment"), str(path))


def parse_experiment(content: object, origin: str) -> Experiment:
    """Check an experiment's content.

    Raises:
        ConfigError: It does not fit.
    """
    if isinstance(content, Mapping):
        content = {**content, **_expanded(content, origin)}
    return checked(Experiment, content, "experiment", origin)


def _expanded(content: Mapping[str, Any], origin: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    conditions, family = content.get("conditions"), content.get("family")
    if isinstance(conditions, Mapping):
        every = [pair for name, one in conditions.items() for pair in _grid(name, one, origin)]
        found["conditions"] = dict(every)
        if len(found["conditions"]) < len(every):
            raise ConfigError(f"The experiment {origin} has two conditions of one name.")
    if isinstance(family, list):
        found["family"] = [one for entry in family for _, one in _grid("", entry, origin)]
    return found


def _grid(name: object, entry: object, origin: str) -> Iterator[tuple[object, object]]:
    grid = entry.get("grid") if isinstance(entry, Mapping) else None
    if grid is None or not isinstance(entry, Mapping):
        yield name, entry
        return
    if not isinstance(grid, Mapping) or not all(isinstance(v, list) for v in grid.values()):
        raise ConfigError(f"The experiment {origin} does not fit: a 'grid' maps names to lists.")
    rest = {key: value for key, value in entry.items() if key != "grid"}
    if math.prod(map(len, grid.values())) > MOST:
        raise ConfigError(f"A 'grid' of {origin} stands for more than {MOST} entries.")
    for values in product(*grid.values()):
        told = dict(zip(map(str, grid), values, strict=True))
        yield _filled(name, told), _filled(rest, told)


def _filled(value: Any, told: Mapping[str, Any]) -> Any:  # noqa: ANN401 (whatever YAML holds)
    if isinstance(value, Mapping):
        return {_filled(key, told): _filled(inner, told) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, told) for inner in value]
    if not isinstance(value, str):
        return value
    for key, one in told.items():
        if value == f"{{{key}}}":
            return one
        value = value.replace(f"{{{key}}}", str(one))
    return value
