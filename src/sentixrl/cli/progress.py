"""Progress, shown only where work lasts longer than two seconds and a person watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from sentixrl.cli.console import errors, styled
from sentixrl.dialogue import Dialogue
from sentixrl.prediction import DialoguePrediction

QUIET_SECONDS = 2.0
_PAUSE = 0.2  # results that come faster than this leave no time to look at a bar


class Description(ProgressColumn):
    """A task's description as text, whatever it holds; rich's own column takes it for markup.

    Args:
        style: Its style.
    """

    def __init__(self, style: str = "") -> None:
        super().__init__()
        self._style = style

    def render(self, task: Task) -> Text:
        """The description on one line."""
        return styled((task.description, self._style))


def follow(
    pairs: Iterable[tuple[Dialogue, DialoguePrediction]],
    total: int | None = None,
    spent: Callable[[], str] = str,
) -> Iterator[tuple[Dialogue, DialoguePrediction]]:
    """Hand on dialogues with their results as they come, with a bar once two seconds have passed.

    The bar is gone whenever a pair is handed over, so that both can be printed.

    Args:
        pairs: What is worked on.
        total: How many turns it has in all, if that is known.
        spent: What it has cost so far, in a few words.
    """
    columns = (SpinnerColumn(), TextColumn("turns"), BarColumn(), MofNCompleteColumn())
    bar = _progress(*columns, Description("dim"))
    task = bar.add_task("", total=total)
    source = iter(pairs)
    start = time.monotonic()
    while True:
        with _later(bar, start + QUIET_SECONDS):
            pair = next(source, None)
        if pair is None:
            return
        bar.update(task, advance=len(pair[0]), description=spent())
        yield pair


def follow_all(
    dialogues: Sequence[Dialogue],
    results: Iterable[DialoguePrediction],
    spent: Callable[[], str] = str,
) -> Iterator[tuple[Dialogue, DialoguePrediction]]:
    """Pair all dialogues with their results as they come, as :func:`follow` does."""
    total = sum(len(dialogue) for dialogue in dialogues)
    return follow(zip(dialogues, results, strict=True), total, spent)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is going on if it takes longer than two seconds."""
    spinner = _progress(SpinnerColumn(), Description())
    spinner.add_task(what, total=None)
    with _later(spinner, time.monotonic() + QUIET_SECONDS):
        yield


def _progress(*columns: ProgressColumn) -> Progress:
    return Progress(
        *columns,
        TimeElapsedColumn(),
        console=errors(),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


@contextmanager
def _later(progress: Progress, when: float) -> Iterator[None]:
    """Show ``progress`` from ``when`` on, on the monotonic clock, until the block ends."""
    if not progress.console.is_terminal:
        yield
        return
    timer = Timer(max(_PAUSE, when - time.monotonic()), progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        progress.stop()
