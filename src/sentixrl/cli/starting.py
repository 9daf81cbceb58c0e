"""A start that Python's collector of cycles does not slow down.

Contract: imports nothing of ours. Importing torch and opening a model make a million objects, all
of which stay; the collector would walk over them again and again, for a tenth of the whole start.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the collector off within the block, and what the block made out of it afterwards."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()
