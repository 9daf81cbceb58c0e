"""A job that takes its time, to be killed: ``python -m tests.batch.slow_batch IN OUT SECONDS``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.batch.small import Scripted, run


def main(source: str, out: Path, seconds: float) -> None:
    sys.stdout.write("go\n")
    sys.stdout.flush()
    run([source], out, Scripted(seconds=seconds, failing=2))
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
