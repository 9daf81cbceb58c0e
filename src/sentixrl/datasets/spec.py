"""How the command line names a part of a data set in one word (``overlap``).

Contract: ``NAME[:SPLIT][:switch=value]…[@FOLDER]`` for a data set of the registry, or the path of
a file of one's own dialogues.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Unpack

from sentixrl.datasets.overlap import Part
from sentixrl.datasets.registry import load_split
from sentixrl.errors import InputError
from sentixrl.formats import ReadingOptions, open_dialogues
from sentixrl.formats.characters import as_text, shown


def read_part(
    spec: str,
    split: str,
    root: Path | None = None,
    *,
    tell: Callable[[str], None] = lambda note: None,
    **options: Unpack[ReadingOptions],
) -> Part:
    """Read the dialogues that ``spec`` names.

    Args:
        spec: For example ``meld:test@data/meld``, ``brighter:dev:language=hin`` or ``mine.csv``.
        split: The split if the spec names none.
        root: The folder with one subfolder per data set, used if the spec names no folder.
        tell: Called with each sentence that a person should know of how a file is read.
        **options: How a file is read, as :class:`~sentixrl.formats.ReadingOptions` says.

    Raises:
        ConfigError: The data set, split or switch does not exist.
        InputError: It is not of that form, or the files are not as they should be.
    """
    if Path(spec).is_file():
        reader = open_dialogues(Path(spec), **options)
        for note in reader.notes:
            tell(note)
        return Part(as_text(Path(spec).name), list(reader))
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
