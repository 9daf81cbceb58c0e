"""Putting together what is scattered over an input: sorted runs on disk, then merged.

Contract: memory does not grow with the input; what is kept is gone when the object is. Runs are
written and read from front to back alone.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from sentixrl.formats.on_disk import full_disk

RUN_BYTES = 16 * 1024 * 1024
"""About how much is sorted in memory at once."""
MOST_RUNS = 64
"""How many files are merged at once."""
_ROW_BYTES = 200  # what Python adds to a row

Value = Sequence[str | int]
_Entry = tuple[str, str, str]  # key, place, value; none holds a tab or a line's end
_PLACE = 14  # digits, so that places compare as texts


class SortedRuns:
    """Entries in the order of their keys; those of one key in the order they were added.

    Keys and values are texts without tabs and line ends, such as JSON.
    """

    def __init__(self) -> None:
        self._held: list[_Entry] = []
        self._size = self._place = self._made = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._levels: list[list[Path]] = []

    def add(self, key: str, value: str) -> None:
        """Add an entry."""
        self._held.append((key, f"{self._place:0{_PLACE}}", value))
        self._place += 1
        self._size += len(value) + _ROW_BYTES
        if self._size > RUN_BYTES:
            self._add_run(0, self._sorted())

    def merged(self) -> Iterator[_Entry]:
        """All entries, in order; nothing can be added any more."""
        runs = [path for level in self._levels for path in level]
        yield from self._merge(runs, self._sorted())

    def close(self) -> None:
        """Forget all of it."""
        self._held = []
        if self._folder is not None:
            self._folder.cleanup()

    def _sorted(self) -> Iterator[_Entry]:
        held, self._held, self._size = self._held, [], 0
        held.sort()
        return iter(held)

    def _add_run(self, level: int, entries: Iterator[_Entry]) -> None:
        """Write a run; many of one level become one of the next."""
        with full_disk("TMPDIR"):
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="sentixrl-")
            path = Path(self._folder.name) / str(self._made)
            self._made += 1
            with path.open("w", encoding="ascii", newline="\n") as stream:
                stream.writelines(f"{key}\t{place}\t{value}\n" for key, place, value in entries)
        if len(self._levels) == level:
            self._levels.append([])
        self._levels[level].append(path)
        if len(self._levels[level]) == MOST_RUNS:
            together, self._levels[level] = self._levels[level], []
            self._add_run(level + 1, self._merge(together))
            for old in together:
                old.unlink()

    def _merge(self, runs: Sequence[Path], *last: Iterator[_Entry]) -> Iterator[_Entry]:
        with ExitStack() as stack:
            streams = [stack.enter_context(path.open(encoding="ascii")) for path in runs]
            found = [map(_entry, stream) for stream in streams]
            yield from heapq.merge(*found, *last)


def _entry(line: str) -> _Entry:
    key, place, value = line[:-1].split("\t", 2)
    return key, place, value


class Groups:
    """Rows that are put together by a key, in the order in which keys came up."""

    def __init__(self) -> None:
        self._by_key, self._by_first = SortedRuns(), SortedRuns()

    def add(self, key: str, value: Value) -> None:
        """Put a row into its group."""
        self._by_key.add(json.dumps(key), json.dumps(value))

    def members(self) -> Iterator[Value]:
        """The rows, group after group."""
        for _, rows in groupby(self._by_key.merged(), key=itemgetter(0)):
            first = ""
            for _, place, value in rows:
                first = first or place
                self._by_first.add(first, value)
        self._by_key.close()
        for _, _, value in self._by_first.merged():
            yield json.loads(value)

    def close(self) -> None:
        """Forget all of it."""
        self._by_key.close()
        self._by_first.close()
