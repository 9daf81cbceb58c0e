"""How tables of results write numbers and themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def points(value: float | None) -> str:
    """A fraction in percentage points."""
    return "–" if value is None else f"{100 * value:.1f}"


def signed(value: float) -> str:
    """A difference in percentage points."""
    return f"{100 * value:+.1f}".replace("-", "−")


FEWEST_CLUSTERS = 10
"""Below this an interval means too little to be shown."""


def with_interval(found: Mapping[str, float | None], clusters: int) -> str:
    """A value with its interval, ``56.1 (54.0–58.2)``, unless it rests on too few clusters."""
    if found["low"] is None or found["high"] is None or clusters < FEWEST_CLUSTERS:
        return points(found["value"])
    return f"{points(found['value'])} ({points(found['low'])}–{points(found['high'])})"


def table(head: list[str], rows: list[list[str]], numbers_from: int = 1) -> str:
    """A Markdown table, numbers to the right."""
    marks = [":--" if place < numbers_from else "--:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows))


def with_notes(rows: str, facts: str, notes: Iterable[str]) -> str:
    """A table, where it is from, and what has to be known of it."""
    return "\n\n".join(part for part in (rows, facts, "\n".join(notes)) if part)
