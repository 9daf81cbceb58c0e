"""Progress over dialogues, shown only where work lasts and a person watches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from sentixrl.cli.console import errors
from sentixrl.dialogue import Dialogue
from sentixrl.prediction import DialoguePrediction

QUIET_SECONDS = 2.0


def follow(
    dialogues: Sequence[Dialogue], results: Iterable[DialoguePrediction]
) -> Iterator[tuple[Dialogue, DialoguePrediction]]:
    """Pair dialogues with their results as they come, with a bar once two seconds have passed."""
    total = sum(len(dialogue) for dialogue in dialogues)
    columns = (TextColumn("turns"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = errors()
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task("turns", total=total)
    start = time.monotonic()
    shown = False
    try:
        for dialogue, result in zip(dialogues, results, strict=True):
            progress.update(task, advance=len(dialogue))
            if not shown and time.monotonic() - start > QUIET_SECONDS:
                progress.start()
                shown = True
            yield dialogue, result
    finally:
        if shown:
            progress.stop()
