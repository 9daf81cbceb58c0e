"""Where commands print: answers to standard output, everything else to standard error."""

from __future__ import annotations

from rich.console import Console


def answers() -> Console:
    """The console for results."""
    return Console(soft_wrap=False)


def errors() -> Console:
    """The console for progress, notices and errors."""
    return Console(stderr=True, soft_wrap=True)
