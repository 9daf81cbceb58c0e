"""The ledger: one line for every evaluation on a test split.

Contract: lines are only added, one per run. Evaluating on test often amounts to choosing on test;
the ledger shows how often it was done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentixrl.runs.storage import as_bytes, storage_error, write_all
from sentixrl.untrusted import read_bounded

LEDGER_FILE = Path("results") / "ledger.jsonl"
"""Where the ledger is, relative to the current folder, if that has a ``results`` folder."""
MAX_BYTES = 1 << 28
"""The most bytes a ledger may have; a line has about a thousand."""


def find_ledger(named: Path | None) -> Path | None:
    """The ledger named, else the current folder's, else none."""
    if named is not None:
        return named
    return LEDGER_FILE if LEDGER_FILE.parent.is_dir() else None


def check_ledger(path: Path) -> None:
    """Check that a line can be added, before there is one.

    Raises:
        SentixError: It cannot be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _lines(path)
        with path.open("ab"):
            pass
    except OSError as error:
        raise storage_error(path, error) from None


def enter_ledger(path: Path, line: Mapping[str, Any]) -> bool:
    """Add a line, unless its run is in the ledger already.

    Args:
        path: The ledger; created, with its folder, if it is not there.
        line: At least ``run``, the run's name.

    Returns:
        Whether a line was added.

    Raises:
        SentixError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = _lines(path)
        if any(_run(known) == line["run"] for known in before.splitlines()):
            return False
        start = b"\n" if before and not before.endswith(b"\n") else b""
        content = start + as_bytes(json.dumps(line, ensure_ascii=False)) + b"\n"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            write_all(file, content)
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise storage_error(path, error) from None
    return True


def _lines(path: Path) -> bytes:
    return read_bounded(path, MAX_BYTES) if path.exists() else b""


def _run(line: bytes) -> object:
    """The run that a line belongs to; ``None`` if it is not one of our lines."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content.get("run") if isinstance(content, dict) else None
