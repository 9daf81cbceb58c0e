"""How a batch job reads and writes, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sentixrl.formats import ReadingOptions

CHUNK_TURNS = 2000
"""How many turns a shard has at least, unless it is said."""


class ShardFormat(StrEnum):
    """What results are written as."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a job reads and writes.

    Attributes:
        reading: How inputs are read.
        form: What results are written as.
        chunk_turns: How many turns a shard has at least.
        across_files: As :func:`~sentixrl.batch.gathering.gather` takes it.
    """

    reading: ReadingOptions = field(default_factory=ReadingOptions)
    form: ShardFormat = ShardFormat.JSONL
    chunk_turns: int = CHUNK_TURNS
    across_files: bool | None = None

    def identity(self) -> dict[str, Any]:
        """What must be the same whenever a job goes on."""
        reading: dict[str, Any] = dict(self.reading)
        columns, gap = reading.get("columns"), reading.get("gap")
        if isinstance(gap, timedelta):
            reading["gap"] = gap.total_seconds()
        return {
            "reading": reading | {"columns": columns and asdict(columns)},
            "output": {
                "format": self.form.value,
                "chunk": self.chunk_turns,
                "across_files": self.across_files,
            },
        }
