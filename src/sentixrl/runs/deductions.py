"""Deductions made beforehand, as a file: what a model wrote once, others read.

Contract: a line is one dialogue: the digest of its speakers and texts, and for every turn its
deduction or ``null``. A file grows line by line, so that a stopped writing goes on; a dialogue is
found by what it says, never by its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sentixrl.context.deduction import PARTS, Deduction
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.runs.storage import Scan

DeductionsOf = Callable[[Dialogue], Sequence[Deduction | None]]


def dialogue_digest(dialogue: Dialogue) -> str:
    """A short hash of who says what."""
    said = [[turn.speaker, turn.text] for turn in dialogue]
    text = json.dumps(said, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def deductions_line(dialogue: Dialogue, found: Sequence[Deduction | None]) -> dict[str, Any]:
    """What a line of the file holds."""
    said = [None if one is None else [getattr(one, part) for part in PARTS] for one in found]
    return {"id": dialogue.id, "said": dialogue_digest(dialogue), "deductions": said}


def read_lines(path: Path) -> dict[str, list[Deduction | None]]:
    """Digest of a dialogue → its turns' deductions.

    Raises:
        InputError: The file is damaged or holds something else.
    """
    return {str(line.get("said")): _deductions(path, number, line) for number, line in Scan(path)}


def _deductions(path: Path, number: int, line: Mapping[str, Any]) -> list[Deduction | None]:
    found = line.get("deductions")
    turns: list[Any] = found if isinstance(found, list) else [0]
    if not all(one is None or _is_deduction(one) for one in turns):
        raise InputError(
            f"{path}, line {number}: this is not a line of deductions.",
            hint="'sentixrl experiment' writes such files.",
        )
    return [None if one is None else Deduction(*one) for one in turns]


def _is_deduction(found: object) -> bool:
    return (
        isinstance(found, list)
        and len(found) == len(PARTS)
        and all(isinstance(part, str) for part in found)
    )


def read_deductions(path: Path) -> DeductionsOf:
    """The deductions of a file, by dialogue.

    Raises:
        InputError: There is no such file, or it is damaged. The function that is returned raises
            it for a dialogue that the file does not have.
    """
    if not path.is_file():
        raise InputError(
            f"There is no file of deductions {path}.",
            hint="Paths are relative to where the command runs.",
        )
    known = read_lines(path)

    def of(dialogue: Dialogue) -> list[Deduction | None]:
        found = known.get(dialogue_digest(dialogue))
        if found is None or len(found) != len(dialogue):
            raise InputError(f"{path} has no deductions of the dialogue '{dialogue.id}'.")
        return found

    return of
