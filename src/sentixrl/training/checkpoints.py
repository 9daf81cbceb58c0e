"""Checkpoints: where a training can resume, and the errors when it cannot.

Contract: a checkpoint counts only once it is whole. When all of it is on the disk, its files'
sizes are noted in it; one without that note was broken off, one with files of other sizes was
spoiled, and both are passed over.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from sentixrl.errors import InputError, SentixError
from sentixrl.runs.storage import storage_error, sync_file, sync_folder, write_json
from sentixrl.untrusted import boundary, read_bounded

WHOLE_FILE = "whole.json"
MAX_BYTES = 1 << 28
"""Of a file of a training's folder that is read as JSON."""


def checkpoints(folder: Path) -> list[Path]:
    """A training's whole checkpoints, oldest first."""
    return [path for path in _folders(folder) if _is_whole(path)]


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint from which a training resumes, if there is one."""
    return next(reversed(checkpoints(folder)), None)


def remove_checkpoints(folder: Path, *, broken: bool = False) -> None:
    """Remove a training's checkpoints.

    Args:
        folder: Of the training.
        broken: Only those whose writing was broken off, so that none of them counts as one of
            those that are kept.

    Raises:
        SentixError: The disk refuses.
    """
    for path in _folders(folder):
        if broken and (path / WHOLE_FILE).exists():
            continue
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise storage_error(path, error) from None


def _folders(folder: Path) -> list[Path]:
    """What the trainer wrote, oldest first; copies under other names are somebody's own."""
    found = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()]
    folders = [path for path in found if path.is_dir() and not path.is_symlink()]
    return sorted(folders, key=lambda path: int(path.name[11:]))


def note_whole(checkpoint: Path) -> None:
    """Note that a checkpoint is whole, once all of it is on the disk.

    Raises:
        SentixError: The disk is full or refuses.
    """
    sizes = _sizes(checkpoint)
    try:
        for name in sizes:
            sync_file(checkpoint / name)
    except OSError as error:
        raise storage_error(checkpoint, error) from None
    sync_folder(checkpoint)
    write_json(checkpoint / WHOLE_FILE, sizes)


def _is_whole(checkpoint: Path) -> bool:
    try:
        with boundary(f"{checkpoint / WHOLE_FILE} cannot be read"):
            noted = read_json(checkpoint / WHOLE_FILE)
            return bool(noted.items() <= _sizes(checkpoint).items())
    except InputError:
        return False


def _sizes(checkpoint: Path) -> dict[str, int]:
    """File → bytes, the note itself left out."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    return {
        path.relative_to(checkpoint).as_posix(): path.stat().st_size
        for path in files
        if WHOLE_FILE not in path.name
    }


def not_a_number(what: str, step: int, folder: Path) -> SentixError:
    """The error for a training that has diverged.

    Args:
        what: What is not a number.
        step: At which step.
        folder: Of the training.
    """
    last = last_checkpoint(folder)
    kept = f"The last good checkpoint is {last}" if last else "There is no checkpoint yet"
    return SentixError(
        f"{what} at step {step}.",
        # Another learning rate is another recipe, which this folder would refuse.
        hint=f"{kept}; lower 'optimiser.learning_rate' in the recipe and train with a new --out.",
        code="nan_loss",
    )


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever was written there
    """What a file of a training's folder holds.

    Raises:
        InputError: It is not whole.
        FileNotFoundError: There is none.
    """
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    try:
        with boundary(f"{path} cannot be read"):
            return json.loads(read_bounded(path, MAX_BYTES))
    except InputError:
        raise damaged(path) from None


def damaged(path: Path) -> InputError:
    """The error for a file of a training's folder that was spoiled."""
    return InputError(
        f"{path} is damaged: a crash or another program spoiled it.",
        hint="Restore it, or train with a new --out.",
    )
