"""What a service writes of its work: one JSON object per line, without a word of anybody's text.

Contract: lines go to standard error. They name routes, not addresses; models, counts and times. Of
an error they hold its type and where in the code it was raised, never its message, which may quote
what was sent.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import TextIO

NAME = "sentixrl.serve"
_FRAMES = 12


class JsonLines(logging.Formatter):
    """Records as JSON objects."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        facts = getattr(record, "facts", None)
        if facts is None:
            # Other people's words: the pattern alone, as what is filled in may be anything.
            facts = {"event": str(record.msg)[:200]}
        line |= facts
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-_FRAMES:]
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, ensure_ascii=True)


def log(event: str, level: int = logging.INFO, **facts: object) -> None:
    """Write a line."""
    logging.getLogger(NAME).log(level, event, extra={"facts": {"event": event, **facts}})


def begin(stream: TextIO | None = None) -> None:
    """Let this service and its server write JSON lines, and nothing else."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in ((NAME, logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
