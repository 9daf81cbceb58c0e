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
LEVELS = {
    NAME: logging.INFO,
    "sentixrl": logging.WARNING,
    "uvicorn": logging.WARNING,
    "asyncio": logging.WARNING,
}
"""Who writes lines, and from which level."""
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
            facts = {"event": _said(record)[:300]}
        line |= facts
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-_FRAMES:]
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, ensure_ascii=True)


def _said(record: logging.LogRecord) -> str:
    """What others say, without what may be anybody's text."""
    if record.name.startswith("sentixrl.engines."):  # they speak of models alone
        return record.getMessage()
    if record.name == "asyncio":  # it fills in itself what its callbacks were given
        return "something failed in the loop"
    return str(record.msg)  # the pattern alone, as what is filled in may be anything


def log(event: str, level: int = logging.INFO, **facts: object) -> None:
    """Write a line."""
    logging.getLogger(NAME).log(level, event, extra={"facts": {"event": event, **facts}})


def begin(stream: TextIO | None = None) -> None:
    """Let this service, its models and its server write JSON lines, and nothing else."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
