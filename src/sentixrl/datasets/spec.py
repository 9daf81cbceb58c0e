"""How the command line names a part of a data set in one word (``overlap``).

Contract: ``NAME[:SPLIT][:switch=value]…[@FOLDER]`` for a data set of the registry, or the path of
a file of one's own dialogues.
"""

from __future__ import annotations

from pathlib import Path

from sentixrl.datasets.overlap import Part
from sentixrl.datasets.registry import load_split
from sentixrl.errors import InputError
from sentixrl.formats import read_dialogues
from sentixrl.formats.characters import shown


def read_part(spec: str, split: str, root: Path | None = None) -> Part:
    """Read the dialogues that ``spec`` names.

    Args:
        spec: For example ``meld:test@data/meld``, ``brighter:dev:language=hin`` or ``mine.csv``.
        split: The split if the spec names none.
        root: The folder with one subfolder per data set, used if the spec names no folder.

    Raises:
        ConfigError: The data set, split or switch does not exist.
        InputError: It is not of that form, or the files are not as they should be.
    """
    if Path(spec).is_file():
        return Part(Path(spec).name, read_dialogues(Path(spec)))
    name, _, folder = spec.partition("@")
    name, *rest = name.split(":")
    if rest and "=" not in rest[0]:
        split = rest.pop(0)
    if not folder and root is None:
        raise InputError(
            f"'{shown(spec, 80)}' is no file, and names a data set without a folder.",
            hint="Write NAME:SPLIT@FOLDER, or give --data with a folder that has a folder a set.",
        )
    path = Path(folder) if folder else Path(root or ".") / name
    dataset = load_split(name, path, split, None, dict(_switch(part, spec) for part in rest))
    label = ":".join([dataset.name, dataset.split, *([dataset.variant] if dataset.variant else [])])
    return Part(label, dataset.dialogues)


def _switch(part: str, spec: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise InputError(
            f"'{shown(part)}' in '{shown(spec, 80)}' is not a switch.",
            hint="Write NAME:SPLIT:switch=value, for example brighter:dev:language=hin.",
        )
    return name, value
