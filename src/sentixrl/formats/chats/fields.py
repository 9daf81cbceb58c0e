"""Taking fields out of other programs' JSON objects, whatever stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

Record = Mapping[str, object]
"""An object of a JSON document."""


def record(value: object) -> Record:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def records(value: object) -> Iterator[Record]:
    """The objects in a list; nothing if it is none."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def string(value: object) -> str:
    """A text or whole number as text; empty for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """A number, or a text that is one; ``None`` for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < float("inf") else None


def moment(value: object) -> datetime | None:
    """A time as ISO 8601 writes it."""
    try:
        return datetime.fromisoformat(string(value))
    except ValueError:
        return None


def seconds_since_1970(value: object) -> datetime | None:
    """A time as Unix counts it."""
    seconds = number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
