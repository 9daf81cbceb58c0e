"""What the scripts that measure share: where figures are kept, when and where they were taken."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sentixrl.cli.main import run as sentixrl
from sentixrl.engines.local.hardware import choose_device, processor_name
from sentixrl.runs.storage import write_json

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"


def today() -> str:
    """The date, in UTC."""
    return datetime.now(UTC).date().isoformat()


def answered_on(record: Mapping[str, Any]) -> str:
    """The day that a run was answered, by its ``run.json``; a finished one is only read again."""
    return str(record["sessions"][-1]["date"][:10])


def latest(runs: Iterable[Mapping[str, Any]]) -> str:
    """The day of the latest of several measurements."""
    return max(str(run["date"]) for run in runs)


def write_results(name: str, what: str, command: str, facts: Mapping[str, Any]) -> None:
    """Write ``results/NAME.json``.

    Args:
        name: Without its ending.
        what: What was measured, in a clause.
        command: What measures it again.
        facts: Everything else; a date among them is that of the figures, else it is today.
    """
    content = {"what": what, "command": command, "date": today(), "machine": _machine(), **facts}
    write_json(RESULTS / f"{name}.json", content)


def _machine() -> str:
    device = choose_device(None)
    accelerator = "no accelerator" if device.type == "cpu" else processor_name(device)
    return f"{os.cpu_count()} CPU cores, {platform.machine()}, {accelerator}"


def read_results(name: str) -> dict[str, Any]:
    """What ``results/NAME.json`` holds; no runs where there is none yet."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return {"runs": []}
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def run(*words: str) -> None:
    """Run a ``sentixrl`` command; what fails ends the script."""
    code = sentixrl(list(words))
    if code:
        sys.exit(code)
