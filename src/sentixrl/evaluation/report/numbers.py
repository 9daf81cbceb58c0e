"""How numbers are worded: fractions as percentage points, intervals with an en dash.

Contract: an unknown value (``None``) is an en dash, never a zero.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

UNKNOWN = "–"


def points(value: float | None, digits: int = 1) -> str:
    """A fraction in percentage points: ``0.6124`` is ``61.2``."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f}"


def signed(value: float | None) -> str:
    """A difference of fractions in percentage points, with its sign: ``+0.4``, ``−1.2``."""
    if value is None:
        return UNKNOWN
    text = f"{100 * value:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text.replace("-", "−")


def span(interval: Mapping[str, float | None], *, signs: bool = False) -> str:
    """An interval's ends: ``58.9–63.3``; with signs ``−0.4 to +1.2``."""
    low, high = interval["low"], interval["high"]
    if low is None or high is None:
        return UNKNOWN
    return f"{signed(low)} to {signed(high)}" if signs else f"{points(low)}–{points(high)}"


def whole(number: float | None) -> str:
    """A count with thousands separators."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a fixed number of digits."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def p_value(p: float | None) -> str:
    """A p-value: ``p = 0.031``, ``p < 0.001``."""
    if p is None:
        return UNKNOWN
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def level(metrics: Mapping[str, Any]) -> str:
    """The nominal coverage of the intervals: ``95%``."""
    return f"{100 * metrics['level']:g}%"


def isolated(name: str) -> str:
    """A name within a sentence, isolated so that it keeps its own writing direction."""
    if any(unicodedata.bidirectional(character) in {"R", "AL"} for character in name):
        return f"\u2068{name}\u2069"
    return name
