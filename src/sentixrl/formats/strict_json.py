"""JSON as the standard has it, and nothing lost: no doubled keys, no NaN."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from sentixrl.formats.characters import shown


class RefusedError(ValueError):
    """JSON that Python would read, but only by losing or inventing something."""


def _unique_keys(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise RefusedError(f"an object names the key '{shown(twice)}' twice")
    return keys


def _no_constant(constant: str) -> NoReturn:
    raise RefusedError(f"{constant} is not a number that JSON knows")


DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)
"""Raises :class:`RefusedError` where a value would be lost or is none of JSON's."""
