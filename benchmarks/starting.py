"""How long a start takes: one text from the command line, beside importing torch alone.

    python -m benchmarks.starting
    python -m benchmarks.starting --out results/bench_starting.json

All are started in turns, so that what else the machine does meets them alike. Models have to be
installed; files stand in the system's cache after the first round, which is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.timing import Watch, stamp

ROUNDS = 5
TEXT = "I can't believe you did that for me!"
COMMANDS = {
    "torch": ("-c", "import torch"),
    "sentixrl-270m": ("-m", "sentixrl", "classify", "--model", "sentixrl-270m", "--text", TEXT),
    "sentixrl-135m": ("-m", "sentixrl", "classify", "--model", "sentixrl-135m", "--text", TEXT),
}
"""What is started → Python's arguments."""


def seconds_of(arguments: tuple[str, ...]) -> float:
    """Seconds from start to end of a process.

    Raises:
        SystemExit: It failed.
    """
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return time.perf_counter() - start


def main() -> None:
    """Start everything in turns; print medians and the range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with Watch() as watch:
        for number in range(options.rounds + 1):
            for name, arguments in COMMANDS.items():
                seconds = seconds_of(arguments)
                if number:
                    taken[name].append(seconds)
    torch = statistics.median(taken["torch"])
    runs = {
        name: {
            "seconds": round(statistics.median(all_), 2),
            "least": round(min(all_), 2),
            "most": round(max(all_), 2),
            "of_torch": round(statistics.median(all_) / torch, 2),
        }
        for name, all_ in taken.items()
    }
    found = {
        **stamp(),
        "rounds": options.rounds,
        "runs": runs,
        "others_share": round(watch.others, 3),
    }
    told = json.dumps(found, indent=1)
    print(told)
    if options.out is not None:
        options.out.write_text(told + "\n", "utf-8")


if __name__ == "__main__":
    main()
